// SPDX-License-Identifier: MIT
/*
 * test-gang.c - launches of several queues and cards that run together, as their users see them:
 * who may join, what they send to each other, what a member is told that waits in vain or loses
 * another.
 *
 * With three or four cards members are on all of them. As root cards are also taken away.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gang.h"

#define MAX_CARDS	4u
#define MAX_MEMBERS	(2 * MAX_CARDS)

static char name[MAX_CARDS][CARD_NAME];
static unsigned int cards;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

/* Member @i of a test that has @n, spread over cards, then cores. */
static void open_nth(struct member *m, const struct place *p, unsigned int i, uint32_t timeout_ms)
{
	member_open(m, p, name[i % cards], i / cards, timeout_ms);
}

/* ---- what works ---- */

/* All cores of all cards, ranks in any order. */
static void test_meet(void)
{
	const uint32_t n = 2 * cards;
	struct member m[MAX_MEMBERS];
	struct place p;
	uint32_t i, turn, bad = 0;

	place_open(&p, name[0]);
	for (i = 0; i < n; i++)
		open_nth(&m[i], &p, i, GANG_LONG);
	for (turn = 0; turn < n; turn++) {
		/* every other time the other way round */
		for (i = 0; i < n; i++)
			member_start(&m[i], turn & 1 ? (turn + n - i) % n : (turn + i) % n, n,
				     GANG_MEET, 30);
		for (i = 0; i < n; i++)
			bad += member_end(&m[i]) != 0;
	}
	is(bad, 0, "%u members on %u cards meet", n, cards);
	for (i = 0; i < n; i++)
		member_start(&m[i], 0, 1, GANG_MEET, 3);
	for (i = 0; i < n; i++)
		bad += member_end(&m[i]) != 0;
	is(bad, 0, "each alone in a gang of one");
	for (i = 0; i < n; i++)
		member_close(&m[i]);
	place_close(&p);
}

/* Gangs of one name, launched before the first has ended. How fast they are is only told. */
static void test_queued(void)
{
	enum { GANGS = 32, ROUNDS = 200 };
	struct drm_axon_job jobs[GANGS];
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };
	struct member m[2];
	struct place p;
	uint32_t i, bad = 0;
	uint64_t from;

	place_open(&p, name[0]);
	for (i = 0; i < GANGS; i++)
		jobs[i] = job_launch(ENV_CODE, 0);
	for (i = 0; i < 2; i++) {
		const struct gang g = { GANG_PLACE, i, 2 };

		open_nth(&m[i], &p, i, GANG_LONG);
		prog_gang(m[i].e.code_mem, ENV_CODE, &g, GANG_MEET, ROUNDS);
	}
	from = now_us();
	for (i = 0; i < 2; i++) {
		s.handle = m[i].sync;
		bad += submit(m[i].e.fd, m[i].e.queue, jobs, GANGS, &s, 1, NULL) != 0;
		m[i].fence = syncobj_file(m[i].e.fd, m[i].sync);
	}
	for (i = 0; i < 2; i++)
		bad += member_end(&m[i]) != 0;
	is(bad, 0, "%d gangs in a row", GANGS);
	printf("# %llu posts a second\n",
	       2ull * GANGS * ROUNDS * 1000000 / (now_us() - from));
	for (i = 0; i < 2; i++)
		member_close(&m[i]);
	place_close(&p);
}

static void fill(uint8_t *mem, uint32_t blocks)
{
	uint32_t i;

	for (i = 0; i < blocks * GANG_BLOCK / 4; i++)
		((uint32_t *)(void *)mem)[i] = i / (GANG_BLOCK / 4) << 16 | i;
}

/* What a post announces is there, in another card's memory that another process handed over. */
static void test_data(void)
{
	enum { BLOCKS = ENV_SIZE / GANG_BLOCK };
	const struct gang sender = { GANG_PLACE, 1, 2 }, receiver = { GANG_PLACE, 0, 2 };
	static uint8_t want[ENV_SIZE];
	struct member m, child;
	uint32_t bo, link;
	struct place p;
	int fd, status;
	pid_t pid;

	place_open(&p, name[0]);
	member_open(&m, &p, name[1], 0, GANG_LONG);
	if (bo_create(m.e.fd, GANG_BLOCK, DRM_AXON_REGION_HBM, 0, 0, &bo) ||
	    vm_map(m.e.fd, m.e.vm, bo, 0, GANG_BUFFER, GANG_BLOCK, DRM_AXON_BIND_NOEXEC) ||
	    bo_export(m.e.fd, bo, &fd))
		bail("no buffer");
	pid = fork();
	if (!pid) {
		member_open(&child, &p, name[0], 0, GANG_LONG);
		if (bo_import(child.e.fd, fd, &link) ||
		    vm_map(child.e.fd, child.e.vm, link, 0, GANG_BUFFER, GANG_BLOCK,
			   DRM_AXON_BIND_NOEXEC))
			bail("no link");
		fill(child.e.data_mem, BLOCKS);
		prog_gang_send(child.e.code_mem, ENV_CODE, &sender, BLOCKS);
		member_launch(&child);
		_exit(member_end(&child) != 0);
	}
	prog_gang_receive(m.e.code_mem, ENV_CODE, &receiver, BLOCKS);
	member_launch(&m);
	is(member_end(&m), 0, "two processes form a gang");
	waitpid(pid, &status, 0);
	is(status, 0, "and both end well");
	fill(want, BLOCKS);
	ok(!memcmp(m.e.data_mem, want, ENV_SIZE), "data are there before their semaphore");
	close(fd);
	member_close(&m);
	place_close(&p);
}

/* ---- who waits for others ---- */

/* The others never come: the wait is the launch's own time, and its core is free meanwhile. */
static void test_alone(void)
{
	struct drm_axon_job job = job_launch(ENV_CODE, 0);
	struct drm_axon_ctx_get_state s;
	struct env other;
	struct member m;
	struct place p;
	uint64_t from;
	int ret = 0, n;

	place_open(&p, name[0]);
	member_open(&m, &p, name[1], 0, 600);
	env_attach(&other, card_open(name[1]), 0, 0);
	prog_write(other.code_mem, ENV_CODE, PROG_HALT, 0);
	from = now_us();
	member_start(&m, 2, 3, GANG_MEET, 1);
	/* launches of others come and go on the same core all the time */
	for (n = 0; fence_error(m.fence) == -EBUSY && n < 1000000 && !ret; n++)
		ret = run(other.fd, other.queue, &job, 1);
	is(ret, 0, "others use the core meanwhile, %d times", n);
	is(member_end(&m), -ETIME, "a member that is alone: ETIME");
	ok(now_us() - from >= 600000, "not before its time");
	s = member_state(&m);
	is(s.state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_TIMEDOUT, "timed out");
	is(s.status, AXON_STATUS_KILLED, "killed");
	is(s.peer, 1 + 0, "because of the first rank that did not come");
	is(run(other.fd, other.queue, &job, 1), 0, "the other goes on");
	env_close(&other);
	member_close(&m);
	place_close(&p);
}

static void hog_open(struct env *hog, unsigned int card, uint32_t core, uint32_t *sync)
{
	struct drm_axon_job job = job_launch(ENV_CODE, 0);
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };

	env_attach(hog, card_open(name[card]), core, GANG_LONG);
	prog_write(hog->code_mem, ENV_CODE, PROG_LOOP, 0);
	if (syncobj_create(hog->fd, &s.handle) ||
	    submit(hog->fd, hog->queue, &job, 1, &s, 1, NULL))
		bail("no endless launch");
	*sync = s.handle;
	env_settle(hog);
}

static uint32_t state_of(struct env *e)
{
	struct drm_axon_ctx_get_state s;

	ctx_state(e->fd, e->ctx, &s);
	return s.state;
}

/*
 * A member that waits for others, on a core that another context's endless launch has; one job is
 * behind it, one of another queue waits for the core.
 */
static void test_alone_beside_hang(void)
{
	struct drm_axon_job job = job_launch(ENV_CODE, 0);
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };
	uint32_t hogs, behind, waits;
	struct env hog, honest;
	struct member m;
	struct place p;

	place_open(&p, name[0]);
	env_attach(&honest, card_open(name[1]), 0, 300);
	prog_write(honest.code_mem, ENV_CODE, PROG_HALT, 0);
	member_open(&m, &p, name[1], 0, 600);
	hog_open(&hog, 1, 0, &hogs);
	syncobj_create(honest.fd, &waits);
	s.handle = waits;
	is(submit(honest.fd, honest.queue, &job, 1, &s, 1, NULL), 0, "one waits for its core");
	member_start(&m, 0, 2, GANG_MEET, 1);
	syncobj_create(m.e.fd, &behind);
	s.handle = behind;
	is(submit(m.e.fd, m.e.queue, &job, 1, &s, 1, NULL), 0, "one is behind a member");
	is(member_end(&m), -ETIME, "a member that is alone beside them: ETIME");
	is(member_state(&m).peer, 1 + 1, "because of the other rank");
	is(syncobj_wait(m.e.fd, behind, 0, DRV_TIMEOUT_NS), 0, "what is behind it ends");
	is(syncobj_error(m.e.fd, behind), -ECANCELED, "as its context does: ECANCELED");
	/* several times its limit later */
	usleep(700000);
	is(syncobj_wait(honest.fd, waits, 0, 0), -ETIME, "who waits for the core still does");
	is(state_of(&hog), 0, "and who has it, too");
	is(ctx_destroy(hog.fd, hog.ctx), 0, "until it goes");
	is(syncobj_wait(honest.fd, waits, 0, DRV_TIMEOUT_NS), 0, "then the other runs");
	is(syncobj_error(honest.fd, waits), 0, "without error");
	env_close(&hog);
	env_close(&honest);
	member_close(&m);
	place_close(&p);
}

/*
 * All have joined, but another context's endless launch has the core of one: whoever runs and waits
 * for that one occupies its core, whoever waits for its core does not.
 */
static void test_no_core(void)
{
	struct member m[2];
	struct env hog;
	struct place p;
	uint32_t sync;

	place_open(&p, name[0]);
	hog_open(&hog, 1, 0, &sync);
	member_open(&m[0], &p, name[0], 0, 800);
	member_open(&m[1], &p, name[1], 0, 200);
	member_start(&m[1], 1, 2, GANG_MEET, 1);
	member_start(&m[0], 0, 2, GANG_MEET, 1);
	is(member_end(&m[0]), -ETIME, "a member waits for one that has no core: ETIME");
	is(member_state(&m[0]).peer, 1 + 1, "it knows which");
	is(member_end(&m[1]), -ENOLINK, "which is not to blame: ENOLINK");
	is(member_state(&m[1]).peer, 1 + 0, "but lost the first");
	is(state_of(&hog), 0, "who has the core goes on");
	env_close(&hog);
	member_close(&m[0]);
	member_close(&m[1]);
	place_close(&p);
}

/* Two gangs, whose members were submitted to the same two queues in opposite order. */
static void test_opposite(void)
{
	const struct drm_axon_job job[2] = { job_launch(ENV_CODE, 0),
					     job_launch(ENV_CODE + 0x8000, 0) };
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };
	struct member m[2];
	struct place p;
	uint32_t i, k;

	place_open(&p, name[0]);
	for (i = 0; i < 2; i++) {
		struct drm_axon_job jobs[2] = { job[i], job[!i] };

		member_open(&m[i], &p, name[i], 0, 400);
		for (k = 0; k < 2; k++) {
			const struct gang g = { GANG_PLACE + 64 * k, i, 2 };

			prog_gang(m[i].e.code_mem + 0x8000 * k, ENV_CODE + 0x8000 * k, &g,
				  GANG_MEET, 1);
		}
		s.handle = m[i].sync;
		if (submit(m[i].e.fd, m[i].e.queue, jobs, 2, &s, 1, NULL))
			bail("no launches");
		m[i].fence = syncobj_file(m[i].e.fd, m[i].sync);
	}
	for (i = 0; i < 2; i++) {
		is(member_end(&m[i]), -ECANCELED, "opposite orders: the second launch never runs");
		is(member_state(&m[i]).state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_TIMEDOUT,
		   "since the first one timed out");
		is(member_state(&m[i]).seqno, 1, "which is named");
		is(member_state(&m[i]).peer, 1 + !i, "and the rank that did not come");
		member_close(&m[i]);
	}
	for (i = 0; i < 2; i++) {
		member_open(&m[i], &p, name[i], 0, GANG_LONG);
		member_start(&m[i], i, 2, GANG_MEET, 1);
	}
	for (i = 0; i < 2; i++) {
		is(member_end(&m[i]), 0, "and the next gang meets");
		member_close(&m[i]);
	}
	place_close(&p);
}

/* ---- who loses others ---- */

/* All are there, but one never ends: who waits for it is killed first, the rest loses a member. */
static void test_hang(void)
{
	struct member m[2];
	struct place p;

	place_open(&p, name[0]);
	member_open(&m[0], &p, name[0], 0, 600);
	member_open(&m[1], &p, name[1], 0, GANG_LONG);
	member_start(&m[0], 0, 2, GANG_WAIT, 1);
	member_start(&m[1], 1, 2, GANG_SPIN, 1);
	is(member_end(&m[0]), -ETIME, "a member waits for one that hangs: ETIME");
	is(member_state(&m[0]).peer, 1 + 1, "it knows which");
	is(member_end(&m[1]), -ENOLINK, "which ends as well: ENOLINK");
	is(member_state(&m[1]).status, AXON_STATUS_PEER_LOST, "status");
	is(member_state(&m[1]).peer, 1 + 0, "for it lost the first");
	member_close(&m[0]);
	member_close(&m[1]);
	place_close(&p);
}

static void test_fault(void)
{
	struct drm_axon_ctx_get_state s;
	const uint32_t n = 2 * cards;
	struct member m[MAX_MEMBERS];
	uint32_t i, bad = 0;
	struct place p;

	place_open(&p, name[0]);
	for (i = 0; i < n; i++)
		open_nth(&m[i], &p, i, GANG_LONG);
	for (i = 0; i < n; i++)
		member_start(&m[i], i, n, i == 1 ? GANG_FAULT : GANG_SPIN, 1);
	is(member_end(&m[1]), -EFAULT, "a member that faults: EFAULT");
	s = member_state(&m[1]);
	is(s.state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_FAULTED, "state");
	is(s.fault_addr, ENV_NOWHERE, "address");
	for (i = 0; i < n; i++) {
		if (i == 1)
			continue;
		bad += member_end(&m[i]) != -ENOLINK;
		s = member_state(&m[i]);
		bad += s.state != DRM_AXON_CTX_BANNED || s.status != AXON_STATUS_PEER_LOST ||
		       s.peer != 1 + 1;
	}
	is(bad, 0, "all others: ENOLINK, and who it was");
	for (i = 0; i < n; i++)
		member_close(&m[i]);
	place_close(&p);
}

/* The other process: it is a member until it is killed. */
static pid_t other_process(const struct place *p, uint32_t ranks, uint32_t rounds)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		bail("pipe");
	pid = fork();
	if (!pid) {
		struct member m;

		member_open(&m, p, name[1], 0, GANG_LONG);
		member_start(&m, 1, ranks, GANG_SPIN, rounds);
		env_settle(&m.e);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		bail("no other process");
	close(ready[0]);
	return pid;
}

/* A process is killed while its launch runs, or while it waits for others to join. */
static void test_killed(bool running)
{
	const char *when = running ? "at work" : "waiting";
	const uint32_t ranks = running ? 2 : 3;
	uint32_t turn, i, bad = 0;
	struct member m[2];
	struct place p;

	place_open(&p, name[0]);
	for (turn = 0; turn < 6; turn++) {
		pid_t pid = other_process(&p, ranks, running);

		member_open(&m[0], &p, name[0], 0, GANG_LONG);
		member_start(&m[0], 0, ranks, GANG_SPIN, running);
		if (running)
			member_has_met(&m[0]);
		else
			env_settle(&m[0].e);
		usleep(10000 * turn);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		bad += member_end(&m[0]) != -ENOLINK || member_state(&m[0]).peer != 1 + 1;
		member_close(&m[0]);
		/* the cores are free and the place is good for the next */
		for (i = 0; i < 2; i++) {
			member_open(&m[i], &p, name[i], 0, GANG_LONG);
			member_start(&m[i], i, 2, GANG_MEET, 5);
		}
		for (i = 0; i < 2; i++) {
			bad += member_end(&m[i]) != 0;
			member_close(&m[i]);
		}
	}
	is(bad, 0, "a process killed %s: the other is told, the next gang meets", when);
	place_close(&p);
}

/* ---- who may join ---- */

static int run_as(struct member *m, const struct gang *g)
{
	struct drm_axon_job job = job_launch(ENV_CODE, 0);

	prog_gang(m->e.code_mem, ENV_CODE, g, GANG_MEET, 1);
	return run(m->e.fd, m->e.queue, &job, 1);
}

static void test_bad(void)
{
	static const struct {
		struct gang g;
		const char *what;
	} bad[] = {
		{ { GANG_PLACE, 0, AXON_MAX_RANKS + 1 }, "too many ranks" },
		{ { GANG_PLACE, 2, 2 }, "a rank beyond the last" },
		{ { GANG_PLACE + 8, 0, 2 }, "a place that is not aligned" },
	};
	uint32_t bo, i;
	struct member m;
	struct place p;

	place_open(&p, name[0]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		member_open(&m, &p, name[0], 0, 0);
		is(run_as(&m, &bad[i].g), -EINVAL, "%s: EINVAL", bad[i].what);
		is(member_state(&m).status, AXON_STATUS_BAD_GANG, "%s: status", bad[i].what);
		member_close(&m);
	}
	member_open(&m, &p, name[0], 0, 0);
	bo_create(m.e.fd, 4096, DRM_AXON_REGION_HOST, 0, 0, &bo);
	vm_map(m.e.fd, m.e.vm, bo, 0, GANG_PLACE, 4096, DRM_AXON_BIND_NOEXEC);
	is(run_as(&m, &(struct gang){ GANG_PLACE, 0, 2 }), -EINVAL, "host memory is no place");
	is(member_state(&m).status, AXON_STATUS_BAD_GANG, "host memory: status");
	member_close(&m);
	/* who has not bound the place cannot name it */
	member_open(&m, &p, name[1], 0, 0);
	vm_unmap(m.e.fd, m.e.vm, GANG_PLACE, 4096);
	is(run_as(&m, &(struct gang){ GANG_PLACE, 0, 2 }), -EFAULT, "a place that is not bound");
	is(member_state(&m).fault_addr, GANG_PLACE, "not bound: its address");
	member_close(&m);
	place_close(&p);
}

/* Who waits for others must have the place bound all the time: afterwards it may be another's. */
static void test_unbound(void)
{
	struct member m[2];
	struct place p;
	uint32_t bo, i;

	place_open(&p, name[0]);
	for (i = 0; i < 2; i++) {
		member_open(&m[i], &p, name[i], 0, GANG_LONG);
		member_start(&m[i], 2 * i, 3, GANG_MEET, 1);
		env_settle(&m[i].e);
	}
	is(vm_map(m[1].e.fd, m[1].e.vm, m[1].e.data, 0, GANG_PLACE + 4096, 4096, 0), 0,
	   "something else is bound beside the place");
	is(fence_error(m[1].fence), -EBUSY, "its member waits on");
	is(vm_unmap(m[1].e.fd, m[1].e.vm, GANG_PLACE, 4096), 0, "the place is unmapped");
	is(member_end(&m[1]), -EFAULT, "who waits there: EFAULT");
	is(member_state(&m[1]).fault_addr, GANG_PLACE, "at its address");
	is(member_end(&m[0]), -ENOLINK, "who waited with it: ENOLINK");
	is(member_state(&m[0]).peer, 1 + 2, "and for whom");
	member_close(&m[1]);
	member_close(&m[0]);
	member_open(&m[0], &p, name[0], 0, GANG_LONG);
	member_start(&m[0], 0, 3, GANG_MEET, 1);
	env_settle(&m[0].e);
	bo_create(m[0].e.fd, 4096, DRM_AXON_REGION_HBM, 0, 0, &bo);
	is(vm_map(m[0].e.fd, m[0].e.vm, bo, 0, GANG_PLACE, 4096, DRM_AXON_BIND_NOEXEC), 0,
	   "the place is replaced");
	is(member_end(&m[0]), -EINVAL, "who waits there: EINVAL");
	is(member_state(&m[0]).status, AXON_STATUS_BAD_GANG, "status");
	member_close(&m[0]);
	for (i = 0; i < 2; i++) {
		member_open(&m[i], &p, name[i], 0, GANG_LONG);
		member_start(&m[i], i, 2, GANG_SPIN, 1);
	}
	for (i = 0; i < 2; i++) {
		member_has_met(&m[i]);
		is(vm_unmap(m[i].e.fd, m[i].e.vm, GANG_PLACE, 4096), 0, "a gang is at work");
	}
	for (i = 0; i < 2; i++)
		env_settle(&m[i].e);
	for (i = 0; i < 2; i++)
		is(fence_error(m[i].fence), -EBUSY, "and does not need its place any more");
	for (i = 0; i < 2; i++)
		member_close(&m[i]);
	place_close(&p);
}

/* ---- cards that go ---- */

/* The place's card goes, on which there is no member. */
static void test_place_gone(void)
{
	struct member m;
	struct place p;

	place_open(&p, name[0]);
	member_open(&m, &p, name[1], 0, GANG_LONG);
	member_start(&m, 0, 2, GANG_MEET, 1);
	env_settle(&m.e);
	is(card_take(name[0], CARD_UNBOUND), 0, "the card of a place is unbound");
	is(member_end(&m), -EFAULT, "who waits there: EFAULT");
	is(member_state(&m).fault_addr, GANG_PLACE, "at its address");
	is(card_bring_back(name[0], CARD_UNBOUND), 0, "it is bound again");
	member_close(&m);
	place_close(&p);
}

/**
 * struct bystander - has nothing to do with gangs
 * @e: its context, on core 1
 * @thread: launches all the time
 * @runs: launches that ended well
 * @error: that ended it, 0: none did
 */
struct bystander {
	struct env e;
	pthread_t thread;
	atomic_uint runs;
	int error;
};

static atomic_bool stop;

static void *stand_by(void *arg)
{
	struct bystander *b = arg;

	while (!stop && !b->error) {
		b->error = go(b->e.fd, b->e.queue, job_launch(ENV_CODE, 0));
		b->runs += !b->error;
	}
	return NULL;
}

struct taking {
	pthread_t thread;
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

/*
 * On each of two cards: a member of a gang at work, one of a gang that waits for a third, somebody
 * who has nothing to do with it.
 */
struct scene {
	struct place p, other;
	struct member works[2], waits[2];
	struct bystander by[2];
};

static void scene_open(struct scene *s)
{
	unsigned int i;

	stop = false;
	place_open(&s->p, name[0]);
	place_open(&s->other, name[1]);
	for (i = 0; i < 2; i++) {
		member_open(&s->works[i], &s->p, name[i], 0, GANG_LONG);
		member_open(&s->waits[i], &s->other, name[i], 1, GANG_LONG);
		memset(&s->by[i], 0, sizeof(s->by[i]));
		env_attach(&s->by[i].e, card_open(name[i]), 1, 0);
		prog_write(s->by[i].e.code_mem, ENV_CODE, PROG_HALT, 0);
	}
	for (i = 0; i < 2; i++) {
		member_start(&s->waits[i], i, 3, GANG_MEET, 1);
		member_start(&s->works[i], i, 2, GANG_SPIN, 1);
		pthread_create(&s->by[i].thread, NULL, stand_by, &s->by[i]);
	}
	for (i = 0; i < 2; i++)
		member_has_met(&s->works[i]);
	/* then the members that wait have joined, too: see env_settle() */
	while (s->by[0].runs < 3 || s->by[1].runs < 3)
		usleep(1000);
}

static void scene_close(struct scene *s)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		member_close(&s->works[i]);
		member_close(&s->waits[i]);
		env_close(&s->by[i].e);
	}
	place_close(&s->p);
	place_close(&s->other);
}

/* Return: NULL, or what a user of card @i was told wrongly. */
static const char *told(struct scene *s, unsigned int i, enum card_how how)
{
	const int want = how == CARD_RESET ? -EIO : -ENODEV;
	int works = member_end(&s->works[i]), waits = member_end(&s->waits[i]);

	printf("# card %u: at work %d, waiting %d, bystander %d after %u\n", i, works, waits,
	       s->by[i].error, s->by[i].runs);
	/* when both cards go, a member may learn of the other's first */
	if (how != CARD_STAYS)
		return (works == want || works == -ENOLINK) &&
		       (waits == want || waits == -ENOLINK || waits == -EFAULT) ? NULL :
		       "a user of the card that went";
	if (works != -ENOLINK || member_state(&s->works[i]).peer != 1 + !i)
		return "a member at work";
	/* its place may have been on the card that went */
	if (waits == -ENOLINK ? member_state(&s->waits[i]).peer != 1 + !i : waits != -EFAULT)
		return "a member that waits";
	return s->by[i].error ? "who has nothing to do with it" : NULL;
}

static void test_gone(const enum card_how how[2])
{
	static const char * const word[] = { "stays", "unbound", "removed", "reset" };
	struct taking t[2] = { { .card = 0, .how = how[0] }, { .card = 1, .how = how[1] } };
	const char *bad = NULL;
	static struct scene s;
	unsigned int i;

	scene_open(&s);
	for (i = 0; i < 2; i++)
		if (how[i] != CARD_STAYS)
			pthread_create(&t[i].thread, NULL, take, &t[i]);
	for (i = 0; i < 2; i++)
		if (how[i] != CARD_STAYS)
			pthread_join(t[i].thread, NULL);
	for (i = 0; i < 2 && !bad; i++)
		bad = t[i].ret ? "a card is not let go" : told(&s, i, how[i]);
	stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(s.by[i].thread, NULL);
	for (i = 0; i < 2 && !bad; i++)
		if (how[i] == CARD_STAYS && s.by[i].error)
			bad = "who has nothing to do with it";
	scene_close(&s);
	for (i = 0; i < 2; i++)
		if (how[i] != CARD_STAYS && card_bring_back(name[i], how[i]))
			bad = "a card does not come back";
	ok(!bad, "gangs at work, first card %s, second %s%s%s", word[how[0]], word[how[1]],
	   bad ? ": " : "", bad ? bad : "");
}

static void test_all_gone(void)
{
	static const enum card_how how[][2] = {
		{ CARD_STAYS, CARD_UNBOUND }, { CARD_UNBOUND, CARD_STAYS },
		{ CARD_UNBOUND, CARD_UNBOUND }, { CARD_STAYS, CARD_REMOVED },
		{ CARD_REMOVED, CARD_UNBOUND }, { CARD_STAYS, CARD_RESET },
		{ CARD_RESET, CARD_STAYS }, { CARD_RESET, CARD_RESET },
	};
	unsigned int i;

	if (geteuid()) {
		skip("taking cards away needs root");
		return;
	}
	test_place_gone();
	for (i = 0; i < sizeof(how) / sizeof(how[0]); i++)
		test_gone(how[i]);
	test_meet();
}

int main(void)
{
	cards = cards_list(name, MAX_CARDS);
	if (cards < 2)
		bail("two cards are needed");
	test_meet();
	test_queued();
	test_data();
	test_alone();
	test_alone_beside_hang();
	test_no_core();
	test_opposite();
	test_hang();
	test_fault();
	test_killed(true);
	test_killed(false);
	test_bad();
	test_unbound();
	test_all_gone();
	return done();
}
