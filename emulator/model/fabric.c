// SPDX-License-Identifier: MIT
/*
 * fabric.c - which cards reach each other: places, ways between them, who is up, peers' registers.
 *
 * Knows nothing of address spaces or launches. A card that leaves takes itself off the list, tells
 * the others, and waits for their slices to end; so nobody has to hold a reference to a peer while
 * he writes into its memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gang.h"

#define DEFAULT_LANES		8u
#define DEFAULT_BANDWIDTH	(AXON_LINK_DEFAULT_MB_S * 1000000ull)
#define MAX_LANES		1024u
#define MIN_LATENCY_NS		100u
#define MAX_LATENCY_NS		1000000u
#define MIN_BANDWIDTH		1000000ull
#define MAX_BANDWIDTH		1000000000000000ull
#define MIN_CREDITS		4096ull
#define MAX_CREDITS		(1ull << 40)
#define UNREACHED		UINT32_MAX

#define get(field)		atomic_load_explicit(&(field), memory_order_relaxed)
#define put(field, value)	atomic_store_explicit(&(field), value, memory_order_relaxed)

/* ---- ways ---- */

/* Hops from every place to @to. @near: neighbours of a place, one bit each. */
static void distances(const uint64_t *near, uint32_t places, uint32_t to, uint32_t *hops)
{
	uint64_t seen = 1ull << to, front = seen;

	for (uint32_t p = 0; p < places; p++)
		hops[p] = UNREACHED;
	for (uint32_t n = 0; front; n++) {
		uint64_t next = 0;

		for (; front; front &= front - 1) {
			uint32_t p = (uint32_t)__builtin_ctzll(front);

			hops[p] = n;
			next |= near[p];
		}
		front = next & ~seen;
		seen |= front;
	}
}

static struct axon_way make_way(const struct axon_fabric_config *cfg, uint32_t hops,
				uint32_t first)
{
	struct axon_way way = { .hops = hops, .first = first, .cycles = AXON_LOCAL_LATENCY };
	uint64_t mbps = cfg->bandwidth / 1000000, allowed;

	if (!hops)
		return way;
	way.latency_ns = hops * cfg->latency_ns;
	way.cycles = (uint32_t)((uint64_t)way.latency_ns * 7 + 4) / 5;
	/* Credits come back after the way there and back. */
	allowed = cfg->credits * 1000 / (2 * (uint64_t)way.latency_ns);
	if (mbps > allowed)
		mbps = allowed ? allowed : 1;
	way.mbps = (uint32_t)mbps;
	return way;
}

/*
 * Of the shortest ways the one whose first card has the lowest id: the lowest neighbour that is one
 * hop nearer, and from there the same again.
 */
static bool make_ways(struct axon_fabric *f, const struct axon_fabric_config *cfg,
		      const uint64_t *near)
{
	uint32_t hops[AXON_MAX_PEERS];

	for (uint32_t to = 0; to < f->places; to++) {
		distances(near, f->places, to, hops);
		for (uint32_t from = 0; from < f->places; from++) {
			uint64_t closer = near[from];
			uint32_t first = to;

			if (hops[from] == UNREACHED)
				return false;
			for (; hops[from] && closer; closer &= closer - 1) {
				first = (uint32_t)__builtin_ctzll(closer);
				if (hops[first] + 1 == hops[from])
					break;
			}
			f->way[from * f->places + to] = make_way(cfg, hops[from], first);
		}
	}
	return true;
}

/* ---- life of a fabric ---- */

/* The default for what is 0. Return: false if something is out of range. */
static bool complete_config(struct axon_fabric_config *c)
{
	c->lanes = c->lanes ? c->lanes : DEFAULT_LANES;
	c->latency_ns = c->latency_ns ? c->latency_ns : AXON_LINK_DEFAULT_LATENCY_NS;
	c->bandwidth = c->bandwidth ? c->bandwidth : DEFAULT_BANDWIDTH;
	c->credits = c->credits ? c->credits : AXON_LINK_DEFAULT_CREDITS;
	return c->places >= 1 && c->places <= AXON_MAX_PEERS && c->lanes <= MAX_LANES &&
		c->latency_ns >= MIN_LATENCY_NS && c->latency_ns <= MAX_LATENCY_NS &&
		c->bandwidth >= MIN_BANDWIDTH && c->bandwidth <= MAX_BANDWIDTH &&
		c->credits >= MIN_CREDITS && c->credits <= MAX_CREDITS &&
		(c->links || !c->num_links);
}

static bool neighbours(const struct axon_fabric_config *c, uint64_t *near)
{
	for (uint32_t i = 0; i < c->num_links; i++) {
		uint32_t a = c->links[i].a, b = c->links[i].b;

		if (a >= c->places || b >= c->places || a == b || near[a] >> b & 1)
			return false;
		near[a] |= 1ull << b;
		near[b] |= 1ull << a;
	}
	return true;
}

void axon_brief_lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

static void free_fabric(struct axon_fabric *f)
{
	for (uint32_t p = 0; f->place && p < f->places; p++)
		pthread_mutex_destroy(&f->place[p].slice);
	axon_gangs_free(f);
	pthread_mutex_destroy(&f->lock);
	free(f->place);
	free(f->way);
	free(f);
}

static int make(const struct axon_fabric_config *config, bool linked, struct axon_fabric **fabric)
{
	struct axon_fabric_config cfg = *config;
	uint64_t near[AXON_MAX_PEERS] = { 0 };
	struct axon_fabric *f;

	if (!complete_config(&cfg) || !neighbours(&cfg, near))
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	axon_brief_lock_init(&f->lock);
	f->refs = 1;
	f->places = cfg.places;
	f->lanes = cfg.lanes;
	f->uid = cfg.uid;
	f->linked = linked;
	f->way = calloc((size_t)f->places * f->places, sizeof(*f->way));
	f->place = aligned_alloc(64, f->places * sizeof(*f->place));
	if (f->place) {
		memset(f->place, 0, f->places * sizeof(*f->place));
		for (uint32_t p = 0; p < f->places; p++)
			pthread_mutex_init(&f->place[p].slice, NULL);
	}
	if (!f->way || !f->place) {
		free_fabric(f);
		return -ENOMEM;
	}
	if (!make_ways(f, &cfg, near)) {
		free_fabric(f);
		return -EINVAL;
	}
	*fabric = f;
	return 0;
}

int axon_fabric_create(const struct axon_fabric_config *config, struct axon_fabric **fabric)
{
	if (!config->uid)
		return -EINVAL;
	return make(config, true, fabric);
}

static void release(struct axon_fabric *f)
{
	bool last;

	pthread_mutex_lock(&f->lock);
	last = !--f->refs;
	pthread_mutex_unlock(&f->lock);
	if (last)
		free_fabric(f);
}

void axon_fabric_destroy(struct axon_fabric *fabric)
{
	if (fabric)
		release(fabric);
}

/* ---- cards come and go ---- */

int axon_fabric_join(struct axon_card *card)
{
	struct axon_fabric_config own = { .places = 1 };
	struct axon_fabric *f = card->cfg.fabric;

	if (card->cfg.place >= (f ? f->places : 1))
		return -EINVAL;
	if (!f) {
		int ret = make(&own, false, &f);

		if (ret)
			return ret;
	} else {
		pthread_mutex_lock(&f->lock);
		f->refs++;
		pthread_mutex_unlock(&f->lock);
	}
	card->fabric = f;
	card->peer = calloc(f->places, sizeof(*card->peer));
	return card->peer ? 0 : -ENOMEM;
}

void axon_fabric_part(struct axon_card *card)
{
	if (card->fabric)
		release(card->fabric);
	card->fabric = NULL;
	free(card->peer);
	card->peer = NULL;
}

/* AXON_PEER_STATE has changed on every card, and if @self on @me too. fabric->lock is held. */
static void tell(struct axon_fabric *f, uint32_t me, bool self)
{
	for (uint32_t p = 0; p < f->places; p++) {
		struct axon_place *place = &f->place[p];

		if (p == me && !self)
			continue;
		atomic_store(&place->changed, 1);
		if (place->card)
			place->card->ops.wake(place->card->opaque);
	}
}

int axon_fabric_attach(struct axon_card *card)
{
	struct axon_fabric *f = card->fabric;
	struct axon_place *place = axon_card_place(card);
	int ret = 0;

	pthread_mutex_lock(&f->lock);
	if (place->taken) {
		ret = -EEXIST;
	} else {
		place->taken = true;
		place->card = card;
		place->hbm = card->hbm;
		place->hbm_size = card->cfg.hbm_size;
		atomic_store(&place->changed, 0);
		atomic_store(&place->flags, AXON_PLACE_PRESENT);
		tell(f, card->cfg.place, false);
	}
	pthread_mutex_unlock(&f->lock);
	return ret;
}

void axon_fabric_detach(struct axon_card *card)
{
	struct axon_fabric *f = card->fabric;
	struct axon_place *place = axon_card_place(card);
	bool mine;

	pthread_mutex_lock(&f->lock);
	mine = place->card == card;
	if (mine) {
		place->card = NULL;
		atomic_store(&place->flags, 0);
		tell(f, card->cfg.place, false);
	}
	pthread_mutex_unlock(&f->lock);
	if (!mine)
		return;
	axon_fabric_quiesce(card);
	/* Only now may the next one bring its memory: nobody is between @flags and @hbm. */
	pthread_mutex_lock(&f->lock);
	place->taken = false;
	pthread_mutex_unlock(&f->lock);
}

void axon_fabric_quiesce(struct axon_card *card)
{
	struct axon_fabric *f = card->fabric;

	for (uint32_t p = 0; p < f->places; p++) {
		if (p == card->cfg.place)
			continue;
		pthread_mutex_lock(&f->place[p].slice);
		pthread_mutex_unlock(&f->place[p].slice);
	}
}

void axon_fabric_mark(struct axon_card *card, uint32_t flag, bool on)
{
	struct axon_fabric *f = card->fabric;
	struct axon_place *place = axon_card_place(card);
	uint32_t old;

	pthread_mutex_lock(&f->lock);
	if (on)
		old = atomic_fetch_or(&place->flags, flag);
	else
		old = atomic_fetch_and(&place->flags, ~flag);
	if (!(old & flag) == on)
		tell(f, card->cfg.place, flag == AXON_PLACE_DOWN);
	pthread_mutex_unlock(&f->lock);
}

bool axon_fabric_enter(struct axon_card *card)
{
	struct axon_place *place = axon_card_place(card);

	if (card->fabric->places == 1)
		return false;
	pthread_mutex_lock(&place->slice);
	return get(place->changed) && atomic_exchange(&place->changed, 0);
}

void axon_fabric_leave(struct axon_card *card)
{
	if (card->fabric->places > 1)
		pthread_mutex_unlock(&axon_card_place(card)->slice);
}

/* ---- registers ---- */

uint32_t axon_fabric_state(const struct axon_card *card, uint32_t peer)
{
	const struct axon_fabric *f = card->fabric;
	uint32_t flags = atomic_load_explicit(&f->place[peer].flags, memory_order_acquire);

	if (!(flags & AXON_PLACE_PRESENT))
		return AXON_PEER_ABSENT;
	if (flags != AXON_PLACE_PRESENT || get(axon_card_place(card)->flags) & AXON_PLACE_DOWN)
		return AXON_PEER_DOWN;
	return AXON_PEER_UP;
}

static uint32_t half(uint64_t value, uint32_t high)
{
	return (uint32_t)(high ? value >> 32 : value);
}

static bool read_peer(const struct axon_card *card, uint32_t peer, uint32_t reg, uint32_t *value)
{
	const struct axon_way *way = axon_fabric_way(card->fabric, card->cfg.place, peer);
	const struct axon_peer *count = &card->peer[peer];

	switch (reg) {
	case AXON_PEER_STATE:
		*value = axon_fabric_state(card, peer);
		return true;
	case AXON_PEER_HOPS:
		*value = way->hops;
		return true;
	case AXON_PEER_LANES:
		*value = way->hops ? card->fabric->lanes : 0;
		return true;
	case AXON_PEER_LATENCY:
		*value = way->latency_ns;
		return true;
	case AXON_PEER_BANDWIDTH:
		*value = way->mbps;
		return true;
	case AXON_PEER_ERRORS:
		*value = get(count->errors);
		return true;
	case AXON_PEER_WRITTEN_LO:
	case AXON_PEER_WRITTEN_HI:
		*value = half(get(count->written), reg - AXON_PEER_WRITTEN_LO);
		return true;
	case AXON_PEER_READ_LO:
	case AXON_PEER_READ_HI:
		*value = half(get(count->read), reg - AXON_PEER_READ_LO);
		return true;
	case AXON_PEER_POSTS_LO:
	case AXON_PEER_POSTS_HI:
		*value = half(get(count->posts), reg - AXON_PEER_POSTS_LO);
		return true;
	default:
		return false;
	}
}

bool axon_fabric_read(const struct axon_card *card, uint32_t offset, uint32_t *value)
{
	const struct axon_fabric *f = card->fabric;
	uint32_t peer = (offset - AXON_REG_PEER(0, 0)) / 0x40;

	switch (offset) {
	case AXON_REG_FABRIC_ID:
		*value = f->linked ? card->cfg.place : AXON_NO_PEER;
		return true;
	case AXON_REG_FABRIC_CARDS:
		*value = f->linked ? f->places : 0;
		return true;
	case AXON_REG_FABRIC_UID_LO:
	case AXON_REG_FABRIC_UID_HI:
		*value = half(f->uid, offset - AXON_REG_FABRIC_UID_LO);
		return true;
	default:
		if (offset < AXON_REG_PEER(0, 0) || !f->linked || peer >= f->places)
			return false;
		return read_peer(card, peer, (offset - AXON_REG_PEER(0, 0)) % 0x40, value);
	}
}

/* The card thread alone writes: no read-modify-write needed. */
void axon_fabric_count(struct axon_card *card, uint32_t peer, bool write, uint64_t bytes)
{
	struct axon_peer *count = &card->peer[peer];

	if (write)
		put(count->written, get(count->written) + bytes);
	else
		put(count->read, get(count->read) + bytes);
}

void axon_fabric_error(struct axon_card *card, uint32_t peer)
{
	put(card->peer[peer].errors, get(card->peer[peer].errors) + 1);
}

void axon_fabric_count_post(struct axon_card *card, uint32_t peer)
{
	put(card->peer[peer].posts, get(card->peer[peer].posts) + 1);
}
