// SPDX-License-Identifier: MIT
/*
 * soft_fabric.c - the fabric that joins the soft cards of a process: which shape it has, who is in
 * which place, and how one card's thread gets at another card.
 *
 * The first card that is opened makes the fabric, of as many places as AXON_DEVICE has cards and of
 * the shape AXON_SOFT_FABRIC names; the last one to be closed takes it away. Must never keep a card
 * alive: who works on a card of another place pins the place for as long, and a card that is being
 * closed leaves its place first and then waits for the pins.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "soft.h"

#define MAX_FILE	(1u << 20)
#define FILE_PREFIX	"file:"

/* ---- the shape ---- */

static bool is_square(uint32_t n)
{
	uint32_t root = 1;

	while (root * root < n)
		root++;
	return root * root == n;
}

static const char *default_shape(uint32_t places)
{
	if (places == 2)
		return "pair";
	return places >= 16 && is_square(places) ? "torus" : "ring";
}

/* What AXON_SOFT_FABRIC says, or what is meant if it is not set. */
static const char *shape_wanted(uint32_t places)
{
	const char *spec = getenv("AXON_SOFT_FABRIC");

	return spec && *spec ? spec : default_shape(places);
}

/* The text of a topology file, to be freed. */
static int read_text(const char *path, char **text)
{
	char *buf = malloc(MAX_FILE + 1);
	size_t size = 0;
	ssize_t n = 1;
	int err = 0;
	int fd;

	if (!buf)
		return -ENOMEM;
	/* NONBLOCK: a pipe that nobody writes to is no reason to hang. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		err = -errno;
	while (!err && n && size <= MAX_FILE) {
		n = read(fd, buf + size, MAX_FILE + 1 - size);
		if (n < 0 && errno != EINTR)
			err = -errno;
		else if (n > 0)
			size += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	if (!err && size > MAX_FILE)
		err = -EFBIG;
	if (!err && memchr(buf, 0, size))
		err = -EINVAL;
	if (err) {
		free(buf);
		return err;
	}
	buf[size] = '\0';
	*text = buf;
	return 0;
}

static int parse(struct soft_card *card, const char *spec, const char *text,
		 struct axon_fabric_config *config)
{
	char why[160] = "";
	int err = axon_fabric_parse(text, config, why, sizeof(why));

	if (err)
		axon_dev_log(&card->base, AXON_LOG_ERROR, "%s: AXON_SOFT_FABRIC=%s: %s",
			     card->base.path, spec, why[0] ? why : strerror(-err));
	return err;
}

/* The links that are wanted. @config->links is to be freed; NULL: there is to be no fabric. */
static int describe(struct soft_card *card, struct axon_fabric_config *config)
{
	const char *spec = shape_wanted(config->places);
	char *text;
	int err;

	if (!strcmp(spec, "none"))
		return 0;
	if (strncmp(spec, FILE_PREFIX, strlen(FILE_PREFIX)))
		return parse(card, spec, spec, config);
	err = read_text(spec + strlen(FILE_PREFIX), &text);
	if (err) {
		axon_dev_log(&card->base, AXON_LOG_ERROR, "%s: AXON_SOFT_FABRIC=%s: %s",
			     card->base.path, spec, strerror(-err));
		return err;
	}
	err = parse(card, spec, text, config);
	free(text);
	return err;
}

/* ---- coming and going ---- */

/* "soft" is 0, "soft:N" is N; anything else is a name only. */
static uint32_t path_index(const char *path)
{
	unsigned long n;
	char *end;

	if (!strcmp(path, "soft"))
		return 0;
	n = strtoul(path + strlen("soft:"), &end, 10);
	return *end || end == path + strlen("soft:") || n >= AXON_MAX_PEERS ? AXON_NO_PEER :
		(uint32_t)n;
}

static int make_fabric(struct soft_all *all, struct axon_fabric_config *config)
{
	int err;

	do {
		if (getrandom(&config->uid, sizeof(config->uid), GRND_NONBLOCK) < 0)
			config->uid = ++all->last_token;
	} while (!config->uid);
	err = axon_fabric_create(config, &all->fabric);
	if (!err)
		all->places = config->places;
	return err;
}

static int join_locked(struct soft_all *all, struct soft_card *card, uint32_t index,
		       struct axon_fabric_config *config)
{
	int err = 0;

	if (!all->fabric) {
		if (!config->links)
			return 0;
		err = make_fabric(all, config);
	}
	if (err || index >= all->places || all->taken >> index & 1)
		return err;
	all->taken |= 1ull << index;
	card->fabric = all->fabric;
	card->place = index;
	return 0;
}

int soft_fabric_join(struct soft_card *card)
{
	uint32_t index = path_index(card->base.path);
	int count = axon_soft_count();
	struct axon_fabric_config config = { .places = count > 0 ? (uint32_t)count : 0 };
	struct soft_all *all;
	int err = 0;

	card->place = AXON_NO_PEER;
	if (count < 2 || index >= (uint32_t)count)
		return 0;
	all = soft_all_lock();
	if (!all->fabric) {
		soft_all_unlock(all);
		err = describe(card, &config);
		all = soft_all_lock();
	}
	if (!err)
		err = join_locked(all, card, index, &config);
	soft_all_unlock(all);
	if (err == -EINVAL && config.links)
		axon_dev_log(&card->base, AXON_LOG_ERROR, "%s: AXON_SOFT_FABRIC=%s: some card "
			     "cannot be reached, or a number is out of range", card->base.path,
			     shape_wanted(config.places));
	free((void *)config.links);
	return err;
}

void soft_fabric_show(struct soft_card *card)
{
	struct soft_all *all = soft_all_lock();

	if (card->fabric)
		atomic_store(&all->place[card->place].card, card);
	soft_all_unlock(all);
}

void soft_fabric_hide(struct soft_card *card)
{
	struct soft_all *all = soft_all_lock();
	struct soft_place *place = card->fabric ? &all->place[card->place] : NULL;

	if (place) {
		/* Ordered before the look at pins; soft_pin() does it the other way round. */
		atomic_store(&place->card, NULL);
		while (atomic_load(&place->pins))
			pthread_cond_wait(&all->unpinned, &all->lock);
	}
	soft_all_unlock(all);
}

void soft_fabric_leave(struct soft_card *card)
{
	struct axon_fabric *last = NULL;
	struct soft_all *all;

	if (!card->fabric)
		return;
	/* Before the place can be another's. */
	soft_uncall(card);
	all = soft_all_lock();
	all->taken &= ~(1ull << card->place);
	if (!all->taken) {
		last = all->fabric;
		all->fabric = NULL;
		all->places = 0;
	}
	soft_all_unlock(all);
	axon_fabric_destroy(last);
	card->fabric = NULL;
}

/* ---- other cards ---- */

struct soft_card *soft_pin(struct soft_card *card, uint32_t place)
{
	struct soft_place *p = &soft_all_places()[place];
	struct soft_card *other;

	if (!card->fabric || place >= AXON_MAX_PEERS || place == card->place)
		return NULL;
	atomic_fetch_add(&p->pins, 1);
	other = atomic_load(&p->card);
	if (!other)
		soft_unpin(place);
	return other;
}

void soft_unpin(uint32_t place)
{
	struct soft_place *p = &soft_all_places()[place];
	struct soft_all *all;

	/* Ordered before the look at card: either it is seen to be leaving, or it sees no pin. */
	if (atomic_fetch_sub(&p->pins, 1) != 1 || atomic_load(&p->card))
		return;
	all = soft_all_lock();
	pthread_cond_broadcast(&all->unpinned);
	soft_all_unlock(all);
}
