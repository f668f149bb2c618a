// SPDX-License-Identifier: MIT
/*
 * test-link-gone.c - one of two linked cards goes, or both, while each works in the other's memory.
 *
 * As root, through sysfs: the driver is unbound, the device removed, the function reset. Whoever
 * had to do with the card that goes is told, everybody else goes on, and nothing of the memory
 * stays reachable. What the kernel thinks of it is for the run's log to say.
 *
 * usage: test-link-gone [ROUNDS]
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "drv.h"

#define VA		0x40000000ull	/* where a sibling's memory is bound */
#define BIG		(6u << 20)	/* pages of 2 MiB and of 4 KiB */
#define NOEXEC		DRM_AXON_BIND_NOEXEC
#define VISIBLE		DRM_AXON_BO_CPU_VISIBLE
#define LIMIT_S		60		/* keeps a hang from lasting for ever */

static char name[2][CARD_NAME];

static void attach(struct env *e, unsigned int card, uint32_t core)
{
	env_attach(e, card_open_soon(name[card]), core, 0);
}

static bool peer_is(unsigned int card, unsigned int peer, const char *state)
{
	char file[32];

	snprintf(file, sizeof(file), "link%u/state", peer);
	return card_file_is(name[card], file, state);
}

/* ---- one thing at a time ---- */

static void check_dead(struct env *e, uint32_t link, const char *when)
{
	struct drm_axon_bo_info info;
	struct drm_axon_ctx_get_state s;
	uint32_t ctx, queue;

	is(bo_info(e->fd, link, &info), 0, "%s: the handle is good", when);
	is(info.region, DRM_AXON_REGION_LINK, "%s: for what it was", when);
	is(vm_map(e->fd, e->vm, link, 0, 2 * VA, 4096, NOEXEC), -ENOLINK,
	   "%s: not to be bound anew", when);
	if (ctx_create(e->fd, e->vm, &ctx) || queue_create(e->fd, ctx, 1, 0, &queue))
		bail("no queue");
	is(go(e->fd, queue, job_fill(ENV_DATA, 1, 16)), 0, "%s: the card works", when);
	is(go(e->fd, queue, job_copy(ENV_DATA, VA + 4096, 16)), -ECANCELED,
	   "%s: reading there fails", when);
	ctx_state(e->fd, ctx, &s);
	ok(s.status == AXON_STATUS_FAULT_UNMAPPED || s.status == AXON_STATUS_FAULT_LINK,
	   "%s: status %u", when, s.status);
	ctx_destroy(e->fd, ctx);
}

static void test_exporter(void)
{
	uint32_t bo, link, again, fresh;
	struct env a, b;
	uint8_t *p;
	int fd, other, ret, n;

	attach(&a, 0, 0);
	attach(&b, 1, 0);
	bo_create(b.fd, BIG, DRM_AXON_REGION_HBM, VISIBLE, 0, &bo);
	p = bo_map(b.fd, bo, BIG);
	bo_export(b.fd, bo, &fd);
	is(bo_import(a.fd, fd, &link), 0, "import");
	is(vm_map(a.fd, a.vm, link, 0, VA, BIG, NOEXEC), 0, "bind");
	is(go(a.fd, a.queue, job_fill(VA, 0x11, BIG)), 0, "write to the sibling");
	is(p[BIG - 1], 0x11, "it is there");
	is(card_driver("unbind", name[1]), 0, "the exporter is unbound");
	check_dead(&a, link, "unbound");
	other = card_open_soon(name[0]);
	is(bo_import(other, fd, &again), -ENOLINK, "unbound: no new import");
	is(vm_unmap(a.fd, a.vm, VA, 4096), 0, "unbound: unmapped in part");
	is(vm_map(a.fd, a.vm, a.data, 0, VA + 8192, ENV_SIZE, 0), 0, "unbound: replaced in part");
	is(vm_create(b.fd, &again), -ENODEV, "unbound: the exporter's user is told");
	is(p[BIG - 1], 0, "unbound: its mapping shows zeroes");
	munmap(p, BIG);
	env_close(&b);
	is(card_driver("bind", name[1]), 0, "the exporter is bound again");
	check_dead(&a, link, "bound again");
	is(bo_import(other, fd, &again), -ENOLINK, "bound again: the old memory stays gone");
	attach(&b, 1, 0);
	bo_create(b.fd, BIG, DRM_AXON_REGION_HBM, VISIBLE, 0, &bo);
	fresh = bo_pass(b.fd, bo, a.fd);
	is(vm_map(a.fd, a.vm, fresh, 0, VA, BIG, NOEXEC), 0, "memory of now is bound over it");
	for (n = 0, ret = 0; n < 3 && !ret; n++)
		ret = go(a.fd, a.queue, job_fill(VA, 0x12, BIG));
	is(ret, 0, "and written, by the context from before");
	close(other);
	close(fd);
	is(bo_close(a.fd, link), 0, "the dead handle is closed");
	env_close(&a);
	env_close(&b);
}

static void test_importer(void)
{
	uint32_t bo, link;
	struct env a, b;
	uint64_t before;
	int i;

	attach(&a, 0, 0);
	attach(&b, 1, 0);
	before = hbm_used(b.fd);
	bo_create(b.fd, BIG, DRM_AXON_REGION_HBM, 0, 0, &bo);
	link = bo_pass(b.fd, bo, a.fd);
	vm_map(a.fd, a.vm, link, 0, VA, BIG, NOEXEC);
	is(card_driver("unbind", name[0]), 0, "the importer is unbound");
	is(go(b.fd, b.queue, job_fill(ENV_DATA, 1, 16)), 0, "the exporter goes on");
	bo_close(b.fd, bo);
	ok(hbm_used(b.fd) > before, "its memory is held by the importer's file");
	is(card_driver("bind", name[0]), 0, "the importer is bound again");
	env_close(&a);
	for (i = 0; i < 500 && hbm_used(b.fd) != before; i++)
		usleep(10000);
	is(hbm_used(b.fd), before, "until that is closed");
	env_close(&b);
}

/* A reset of the function under the driver gives the card up, at once. */
static void test_reset(void)
{
	struct drm_axon_query_device d;
	uint32_t bo, link, size = sizeof(d);
	struct env a, b;
	char path[160];
	int fd;

	attach(&a, 0, 0);
	attach(&b, 1, 0);
	bo_create(b.fd, BIG, DRM_AXON_REGION_HBM, 0, 0, &bo);
	link = bo_pass(b.fd, bo, a.fd);
	vm_map(a.fd, a.vm, link, 0, VA, BIG, NOEXEC);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", name[1]);
	is(write_file(path, "1"), 0, "the exporter is reset");
	is(drv_query(b.fd, DRM_AXON_QUERY_DEVICE, &d, &size), 0, "reset: it can be asked");
	is(d.state, DRM_AXON_STATE_WEDGED, "reset: and was given up");
	is(go(b.fd, b.queue, job_nop()), -EIO, "reset: its user is told");
	check_dead(&a, link, "reset");
	is(bo_export(b.fd, bo, &fd), 0, "reset: its buffer is exported");
	close(a.fd);
	a.fd = card_open_soon(name[0]);
	is(bo_import(a.fd, fd, &link), -ENOLINK, "reset: but not imported");
	close(fd);
	close(a.fd);
	env_close(&b);
	is(card_driver("unbind", name[1]), 0, "reset: unbound");
	is(card_driver("bind", name[1]), 0, "reset: bound");
	ok(peer_is(0, 1, "up"), "and the link is up");
}

/* ---- everything at once ---- */

/**
 * struct side - one card and who works on it
 * @card: 0 or 1
 * @work: copies from and to the other card's memory
 * @local: has nothing to do with the other card
 * @bo: this card's memory, which the other imports
 * @link: the other's
 * @copies: of @work that ended well
 * @told: error that ended @work
 * @local_told: error that ended @local, 0: none did
 */
struct side {
	unsigned int card;
	struct env work, local;
	uint32_t bo, link;
	atomic_uint copies;
	int told;
	int local_told;
};

static struct side side[2];
static atomic_bool stop;

static void *traffic(void *arg)
{
	struct side *s = arg;
	unsigned int i;

	for (i = 0; !s->told; i++) {
		struct drm_axon_job job = i & 1 ? job_copy(VA + 4096, 2 * VA, BIG / 2) :
						  job_copy(2 * VA, VA, BIG / 2);

		s->told = go(s->work.fd, s->work.queue, job);
		if (!s->told)
			atomic_fetch_add(&s->copies, 1);
	}
	return NULL;
}

static void *bystander(void *arg)
{
	struct side *s = arg;

	while (!stop && !s->local_told)
		s->local_told = go(s->local.fd, s->local.queue, job_fill(ENV_DATA, 3, ENV_SIZE));
	return NULL;
}

/* Imports, binds and lets go, whatever comes of it. */
static void *churn(void *arg)
{
	struct side *s = arg, *o = &side[!s->card];

	while (!stop) {
		uint32_t bo = 0, link = 0;
		int fd = -1;

		if (bo_create(o->local.fd, 1 << 20, DRM_AXON_REGION_HBM, 0, 0, &bo) ||
		    bo_export(o->local.fd, bo, &fd) || bo_import(s->local.fd, fd, &link) ||
		    vm_map(s->local.fd, s->local.vm, link, 0, 4 * VA, 1 << 20, NOEXEC) ||
		    vm_unmap(s->local.fd, s->local.vm, 4 * VA, 1 << 19))
			usleep(1000);
		if (link)
			bo_close(s->local.fd, link);
		if (bo)
			bo_close(o->local.fd, bo);
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

struct taking {
	unsigned int card;
	enum card_how how;
	int ret;
};

static void *take(void *arg)
{
	struct taking *t = arg;

	t->ret = card_take(name[t->card], t->how);
	return NULL;
}

static void side_open(struct side *s, unsigned int card)
{
	uint32_t bo;

	memset(s, 0, sizeof(*s));
	s->card = card;
	attach(&s->work, card, 0);
	attach(&s->local, card, 1);
	bo_create(s->work.fd, BIG, DRM_AXON_REGION_HBM, 0, 0, &s->bo);
	bo_create(s->work.fd, BIG, DRM_AXON_REGION_HBM, 0, 0, &bo);
	if (vm_map(s->work.fd, s->work.vm, bo, 0, 2 * VA, BIG, 0))
		bail("no memory");
}

static void side_join(struct side *s, struct side *other)
{
	s->link = bo_pass(other->work.fd, other->bo, s->work.fd);
	if (vm_map(s->work.fd, s->work.vm, s->link, 0, VA, BIG, NOEXEC))
		bail("no link");
}

static bool join(pthread_t t)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LIMIT_S;
	return !pthread_timedjoin_np(t, NULL, &end);
}

/* What the user of a card is told: the victim's of its card, the other's of the memory. */
static bool told_right(struct side *s, enum card_how how)
{
	struct drm_axon_ctx_get_state cs;

	switch (how) {
	case CARD_UNBOUND:
	case CARD_REMOVED:
		return s->told == -ENODEV || s->told == -ECANCELED;
	case CARD_RESET:
		return s->told == -EIO || s->told == -ECANCELED;
	default:
		return s->told == -ECANCELED && !ctx_state(s->work.fd, s->work.ctx, &cs) &&
		       (cs.status == AXON_STATUS_FAULT_UNMAPPED ||
			cs.status == AXON_STATUS_FAULT_LINK);
	}
}

/* Return: NULL, or what went wrong. */
static const char *run_round(const enum card_how how[2])
{
	pthread_t worker[2], by[2], churner[2], taker[2];
	struct taking t[2] = { { 0, how[0], 0 }, { 1, how[1], 0 } };
	const char *bad = NULL;
	int i, n;

	stop = false;
	for (i = 0; i < 2; i++)
		side_open(&side[i], i);
	for (i = 0; i < 2; i++)
		side_join(&side[i], &side[!i]);
	for (i = 0; i < 2; i++) {
		pthread_create(&worker[i], NULL, traffic, &side[i]);
		pthread_create(&by[i], NULL, bystander, &side[i]);
		pthread_create(&churner[i], NULL, churn, &side[i]);
	}
	for (n = 0; n < 100 * LIMIT_S && (side[0].copies < 4 || side[1].copies < 4); n++)
		usleep(10000);
	if (side[0].copies < 4 || side[1].copies < 4)
		bad = "nothing was copied";
	for (i = 0; i < 2; i++)
		if (how[i] != CARD_STAYS)
			pthread_create(&taker[i], NULL, take, &t[i]);
	for (i = 0; i < 2; i++)
		if (how[i] != CARD_STAYS && !join(taker[i]))
			bail("a card is not let go");
	for (i = 0; i < 2; i++)
		if (!join(worker[i]))
			bail("a user of card %d was not told", i);
	/* the bystander of the card that stays is seen to go on */
	usleep(20000);
	stop = true;
	for (i = 0; i < 2; i++)
		if (!join(by[i]) || !join(churner[i]))
			bail("a thread of card %d hangs", i);
	for (i = 0; i < 2; i++) {
		if (t[i].ret)
			bad = "a card was not let go";
		if (!told_right(&side[i], how[i]))
			bad = "a user was told something else";
		if (how[i] == CARD_STAYS && side[i].local_told)
			bad = "somebody who had nothing to do with it was hit";
		if (bad)
			printf("# card %d: told %d, bystander %d, %u copies\n", i, side[i].told,
			       side[i].local_told, side[i].copies);
	}
	/* now and then files are closed after the card has come back */
	n = rand() & 1;
	for (i = 0; i < 2 && n; i++) {
		env_close(&side[i].work);
		env_close(&side[i].local);
	}
	for (i = 0; i < 2; i++)
		if (how[i] != CARD_STAYS && card_bring_back(name[i], how[i]))
			bad = "a card does not come back";
	for (i = 0; i < 2 && !n; i++) {
		env_close(&side[i].work);
		env_close(&side[i].local);
	}
	return bad;
}

static void test_rounds(unsigned int rounds)
{
	static const enum card_how how[][2] = {
		{ CARD_STAYS, CARD_UNBOUND }, { CARD_UNBOUND, CARD_STAYS },
		{ CARD_UNBOUND, CARD_UNBOUND }, { CARD_STAYS, CARD_REMOVED },
		{ CARD_REMOVED, CARD_STAYS }, { CARD_STAYS, CARD_RESET },
		{ CARD_RESET, CARD_STAYS }, { CARD_RESET, CARD_RESET },
		{ CARD_UNBOUND, CARD_RESET }, { CARD_REMOVED, CARD_UNBOUND },
	};
	static const char * const word[] = { "stays", "unbound", "removed", "reset" };
	const unsigned int kinds = sizeof(how) / sizeof(how[0]);
	unsigned int i, k;

	for (k = 0; k < kinds; k++) {
		const char *bad = NULL;

		for (i = k; i < rounds && !bad; i += kinds)
			bad = run_round(how[k]);
		ok(!bad, "first card %s, second %s, %u times%s%s", word[how[k][0]],
		   word[how[k][1]], (rounds - k + kinds - 1) / kinds, bad ? ": " : "",
		   bad ? bad : "");
	}
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 50;
	uint64_t before[2];
	int i, n, fd[2];

	if (geteuid()) {
		printf("needs root\n");
		return 77;
	}
	if (cards_list(name, 2) < 2)
		bail("two cards are needed");
	for (i = 0; i < 2; i++) {
		fd[i] = card_open_soon(name[i]);
		before[i] = hbm_used(fd[i]);
		close(fd[i]);
	}
	srand(4711);
	test_exporter();
	test_importer();
	test_reset();
	test_rounds(rounds);
	for (i = 0; i < 2; i++) {
		fd[i] = card_open_soon(name[i]);
		for (n = 0; n < 500 && hbm_used(fd[i]) != before[i]; n++)
			usleep(10000);
		is(hbm_used(fd[i]), before[i], "nothing is left on card %d", i);
		close(fd[i]);
	}
	return done();
}
