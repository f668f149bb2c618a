// SPDX-License-Identifier: MIT
/*
 * axon_gang.c - launches of several cards that run together: driven by one thread, by one for each
 * card, by nobody; members that never come, fail, hang or go with their card.
 */
#include "team.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

/*
 * Sums the data of all ranks: each adds what it has to the next one's, when it has got the sum of
 * those before it; then the sum goes round once more.
 */
static void set_sum(struct team *t)
{
	uint32_t n = t->ranks;
	uint32_t r;

	for (r = 0; r < n; r++) {
		uint32_t next = (r + 1) % n;
		struct program p;

		program_init(&p, "sum");
		if (r)
			program_add(&p, inst_wait(1, 1));
		program_add(&p, post_next(inst_dma(next ? AXON_DMA_ADD : AXON_DMA_COPY,
						   AXON_DTYPE_INT32, ELEMS, AXON_SREG_NONE, NEXT,
						   AXON_SREG_NONE, DATA), next));
		if (r + 1 < n) {
			program_add(&p, inst_wait(1, r ? 2 : 1));
			if (r + 2 < n)
				program_add(&p, post_next(inst_dma(AXON_DMA_COPY, AXON_DTYPE_INT32,
								   ELEMS, AXON_SREG_NONE, NEXT,
								   AXON_SREG_NONE, DATA), next));
		}
		program_add(&p, inst_halt());
		set_code(t, r, &p);
	}
}

static void fill_data(struct team *t, uint32_t seed)
{
	uint32_t r;
	uint32_t i;

	for (r = 0; r < t->ranks; r++)
		for (i = 0; i < ELEMS; i++)
			t->member[r].words[i] = seed * 1000003 + r * 7919 + i;
}

static void check_data(struct team *t, uint32_t seed)
{
	uint32_t n = t->ranks;
	uint32_t r;
	uint32_t i;

	for (r = 0; r < n; r++)
		for (i = 0; i < ELEMS; i++)
			assert_int_equal(t->member[r].words[i],
					 n * (seed * 1000003 + i) + n * (n - 1) / 2 * 7919);
}

/* ---- who drives ---- */

static void one_thread(uint32_t ranks, uint32_t rounds)
{
	struct team t;
	uint32_t i;
	uint32_t r;

	team_open(&t, ranks, 0);
	set_sum(&t);
	for (i = 0; i < rounds; i++) {
		fill_data(&t, i);
		submit_all(&t);
		/* From another one each time. */
		for (r = 0; r < ranks; r++)
			assert_int_equal(wait_for(&t.member[(r + i) % ranks]), 0);
		check_data(&t, i);
	}
	team_close(&t);
}

static void test_two(void **state)
{
	one_thread(2, 200);
}

static void test_four(void **state)
{
	one_thread(4, 200);
}

static void test_sixteen(void **state)
{
	one_thread(16, 50);
}

/* Submits and waits for its rank, again and again. */
struct rank_thread {
	struct member *m;
	uint32_t rounds;
	int err;
};

static void *rank_main(void *arg)
{
	struct rank_thread *t = arg;
	struct drm_axon_job job = launch_job(CODE, 0);
	uint32_t i;

	for (i = 0; !t->err && i < t->rounds; i++) {
		t->err = axon_submit(t->m->c.queue, &job, 1, NULL, 0, &t->m->seqno);
		if (!t->err)
			t->err = wait_for(t->m);
	}
	return NULL;
}

static void thread_each(uint32_t ranks, uint32_t rounds)
{
	struct rank_thread arg[MAX];
	pthread_t thread[MAX];
	struct team t;
	uint32_t i;
	uint32_t r;

	team_open(&t, ranks, 0);
	set_sum(&t);
	for (i = 0; i < rounds; i++) {
		fill_data(&t, i);
		for (r = 0; r < ranks; r++) {
			/* The last time several rounds without looking, each at its own pace. */
			arg[r] = (struct rank_thread) { &t.member[r], i + 1 == rounds ? 50 : 1, 0 };
			assert_int_equal(pthread_create(&thread[r], NULL, rank_main, &arg[r]), 0);
		}
		for (r = 0; r < ranks; r++) {
			pthread_join(thread[r], NULL);
			assert_int_equal(arg[r].err, 0);
		}
		if (i + 1 < rounds)
			check_data(&t, i);
	}
	team_close(&t);
}

static void test_two_threads(void **state)
{
	thread_each(2, 30);
}

static void test_four_threads(void **state)
{
	thread_each(4, 30);
}

static void test_sixteen_threads(void **state)
{
	thread_each(16, 10);
}

/* Nobody waits: the queues' counters tell when it is over. */
static void test_nobody(void **state)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	struct team t;
	uint32_t i;
	uint32_t r;

	team_open(&t, 4, 0);
	set_sum(&t);
	for (i = 0; i < 5; i++) {
		fill_data(&t, i);
		submit_all(&t);
		if (i < 3) {
			/* Not even that. */
			nanosleep(&(struct timespec) { .tv_nsec = 100000000 }, NULL);
		}
		for (r = 0; r < 4; r++) {
			struct drm_axon_queue_get_state s = { 0 };
			uint32_t tries = 0;

			while (s.completed < t.member[r].seqno) {
				assert_int_equal(axon_queue_state(t.member[r].c.queue, &s), 0);
				nanosleep(&nap, NULL);
				assert_true(++tries < 60000);
			}
		}
		check_data(&t, i);
	}
	team_close(&t);
}

/* More launches in the queues than one, so that gangs of one name form in order. */
static void test_many_in_a_row(void **state)
{
	struct team t;
	uint32_t i;
	uint32_t r;

	team_open(&t, 4, 0);
	set_sum(&t);
	fill_data(&t, 0);
	for (r = 0; r < 4; r++)
		memset(t.member[r].words, 0, ELEMS * 4);
	t.member[0].words[0] = 1;
	for (r = 0; r < 4; r++)
		for (i = 0; i < 10; i++)
			submit(&t.member[r]);
	for (r = 0; r < 4; r++)
		assert_int_equal(wait_for(&t.member[r]), 0);
	/* 1 in the first round, then four times as much in each. */
	for (r = 0; r < 4; r++)
		assert_int_equal(t.member[r].words[0], 1u << 18);
	team_close(&t);
}

/* Two gangs whose members stand in the queues of both cards in opposite order. */
static void test_opposite_order(void **state)
{
	struct team t;
	struct member other[2];
	uint32_t i;
	uint32_t r;

	team_open(&t, 2, 0);
	set_sum(&t);
	for (r = 0; r < 2; r++) {
		struct program p;

		/* The other gang has the second 64 bytes for its name, and waits for nothing. */
		other[r] = t.member[r];
		other[r].c = open_client(t.member[r].dev, 0, 0);
		assert_int_equal(axon_vm_map(other[r].c.vm, t.member[r].gang, 0, GANG, 4096, LINK),
				 0);
		program_init(&p, "meet");
		program_add(&p, inst_halt());
		other[r].code = put_code(&other[r], &p, GANG + 64, r, 2);
	}
	for (i = 0; i < 50; i++) {
		fill_data(&t, i);
		submit(&t.member[0]);
		submit(&other[0]);
		submit(&other[1]);
		submit(&t.member[1]);
		assert_int_equal(wait_for(&other[i & 1]), 0);
		assert_int_equal(wait_for(&t.member[0]), 0);
		assert_int_equal(wait_for(&t.member[1]), 0);
		assert_int_equal(wait_for(&other[!(i & 1)]), 0);
		check_data(&t, i);
	}
	for (r = 0; r < 2; r++) {
		axon_bo_destroy(other[r].code);
		close_client(&other[r].c);
	}
	team_close(&t);
}

/* ---- what goes wrong ---- */

static struct drm_axon_ctx_get_state state_of(struct member *m)
{
	struct drm_axon_ctx_get_state s;

	assert_int_equal(axon_context_state(m->c.ctx, &s), 0);
	return s;
}

/* By its time limit, while it waited for @rank. */
static void assert_killed(struct member *m, uint32_t rank)
{
	struct drm_axon_ctx_get_state s;

	assert_int_equal(wait_for(m), -ETIME);
	s = state_of(m);
	assert_int_equal(s.state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_TIMEDOUT);
	assert_int_equal(s.status, AXON_STATUS_KILLED);
	assert_int_equal(s.peer, 1 + rank);
}

static void assert_lost(struct member *m, uint32_t rank)
{
	struct drm_axon_ctx_get_state s;

	assert_int_equal(wait_for(m), -ENOLINK);
	s = state_of(m);
	assert_int_equal(s.state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_FAULTED);
	assert_int_equal(s.status, AXON_STATUS_PEER_LOST);
	assert_int_equal(s.peer, 1 + rank);
}

/*
 * The first one whose time is up is killed and says who is missing; then the gang is broken, and
 * the others say who was killed.
 */
static void assert_nobody_comes(struct team *t, uint32_t missing)
{
	int err[MAX];
	uint32_t killed = t->ranks;
	uint32_t r;

	for (r = 0; r < t->ranks; r++) {
		err[r] = r == missing ? 0 : wait_for(&t->member[r]);
		if (err[r] == -ETIME) {
			assert_int_equal(killed, t->ranks);
			killed = r;
		}
	}
	assert_true(killed < t->ranks);
	for (r = 0; r < t->ranks; r++)
		if (r == killed)
			assert_killed(&t->member[r], missing);
		else if (r != missing)
			assert_lost(&t->member[r], killed);
}

/* The other context of the core goes on meanwhile, and the card is as good as new. */
static void test_never_comes(void **state)
{
	struct client beside;
	struct axon_bo *bo;
	struct team t;
	void *ptr;
	uint32_t r;

	team_open(&t, 4, 300);
	set_sum(&t);
	beside = open_client(t.member[0].dev, 0, 0);
	bo = new_bo(t.member[0].dev, beside.vm, DRM_AXON_REGION_HBM, 4096, DATA, 0, &ptr);
	for (r = 0; r < 4; r++)
		if (r != 2)
			submit(&t.member[r]);
	assert_int_equal(axon_wait(t.member[0].c.queue, t.member[0].seqno, 1000000), -ETIMEDOUT);
	assert_int_equal(run_fill(beside.queue, DATA, 1, 4096), 0);
	assert_nobody_comes(&t, 2);
	assert_int_equal(run_fill(beside.queue, DATA, 2, 4096), 0);
	axon_bo_destroy(bo);
	close_client(&beside);
	team_close(&t);
}

/* Nobody waits at first: the driver's clock runs all the same. */
static void test_nobody_looks(void **state)
{
	struct team t;
	uint32_t tries = 0;

	team_open(&t, 2, 200);
	set_sum(&t);
	submit(&t.member[1]);
	do {
		nanosleep(&(struct timespec) { .tv_nsec = 100000000 }, NULL);
		assert_true(++tries < 600);
	} while (!state_of(&t.member[1]).state);
	assert_int_equal(axon_wait(t.member[1].c.queue, t.member[1].seqno, 0), -ETIME);
	assert_killed(&t.member[1], 0);
	team_close(&t);
}

/* One rank does what it should not; all others are told which. */
static void broken_rank(uint32_t bad, void (*make)(struct program *p), int error)
{
	struct program p;
	struct team t;
	uint32_t r;

	team_open(&t, 4, 0);
	set_sum(&t);
	make(&p);
	set_code(&t, bad, &p);
	submit_all(&t);
	for (r = 0; r < 4; r++)
		if (r != bad)
			assert_lost(&t.member[r], bad);
	assert_int_equal(wait_for(&t.member[bad]), error);
	team_close(&t);
}

static void test_rank_faults(void **state)
{
	broken_rank(0, program_wild, -EFAULT);
	broken_rank(3, program_wild, -EFAULT);
	broken_rank(2, program_bad, -EINVAL);
}

/* A rank that hangs is killed by its own time limit, and named to the others. */
static void test_rank_hangs(void **state)
{
	struct axon_queue_params params = { .timeout_ms = 200 };
	struct program p;
	struct team t;
	uint32_t r;

	team_open(&t, 4, 30000);
	set_sum(&t);
	axon_queue_destroy(t.member[1].c.queue);
	assert_int_equal(axon_queue_create(t.member[1].c.ctx, &params, &t.member[1].c.queue), 0);
	program_loop(&p);
	set_code(&t, 1, &p);
	submit_all(&t);
	for (r = 0; r < 4; r++)
		if (r != 1)
			assert_lost(&t.member[r], 1);
	assert_int_equal(wait_for(&t.member[1]), -ETIME);
	team_close(&t);
}

/* All wait for somebody to begin. */
static void test_deadlock(void **state)
{
	struct program p;
	struct team t;
	uint32_t r;

	team_open(&t, 4, 0);
	program_init(&p, "wait");
	program_add(&p, inst_wait(1, 1));
	program_add(&p, inst_halt());
	for (r = 0; r < 4; r++)
		set_code(&t, r, &p);
	submit_all(&t);
	for (r = 0; r < 4; r++) {
		assert_int_equal(wait_for(&t.member[r]), -EDEADLK);
		assert_int_equal(state_of(&t.member[r]).semaphore, 1);
	}
	team_close(&t);
}

static void test_bad_gang(void **state)
{
	static const struct {
		uint64_t gang;
		uint32_t rank;
		uint32_t ranks;
		int error;
	} bad[] = {
		{ GANG + 8, 0, 2, -EINVAL },
		{ GANG, 2, 2, -EINVAL },
		{ GANG, 0, 0, -EINVAL },
		{ GANG, 0, AXON_MAX_RANKS + 1, -EINVAL },
		{ 0x70000000ull, 0, 2, -EFAULT },
	};
	uint32_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct program p;
		struct team t;

		team_open(&t, 2, 0);
		program_init(&p, "bad");
		program_add(&p, inst_halt());
		t.member[0].code = put_code(&t.member[0], &p, bad[i].gang, bad[i].rank,
					    bad[i].ranks);
		submit(&t.member[0]);
		assert_int_equal(wait_for(&t.member[0]), bad[i].error);
		team_close(&t);
	}
}

struct waiter {
	struct member *m;
	int err;
};

static void *wait_main(void *arg)
{
	struct waiter *w = arg;

	w->err = wait_for(w->m);
	return NULL;
}

/* The gang is complete and runs: rank 1 has added to rank 2's data, watched meanwhile. */
__attribute__((no_sanitize_thread)) static void await_run(struct team *t)
{
	uint32_t tries = 0;

	while (!__atomic_load_n(&t->member[2].words[0], __ATOMIC_RELAXED)) {
		nanosleep(&(struct timespec) { .tv_nsec = 100000 }, NULL);
		assert_true(++tries < 100000);
	}
}

/*
 * Rank 2, which hangs, goes with its card: with @runs when the gang does, else at some moment
 * before, during or after its joining. If it has never come, time is up for one of the others.
 */
static void member_goes(bool runs, uint32_t delay_ns)
{
	struct waiter waiter[4];
	uint32_t timed_out = 0;
	pthread_t thread[4];
	struct program p;
	struct team t;
	uint32_t r;

	team_open(&t, 4, runs ? 30000 : 300);
	set_sum(&t);
	program_loop(&p);
	set_code(&t, 2, &p);
	t.member[1].words[0] = 1;
	for (r = 0; r < 4; r++) {
		waiter[r] = (struct waiter) { &t.member[r], 0 };
		if (r == 2)
			continue;
		submit(&t.member[r]);
		assert_int_equal(pthread_create(&thread[r], NULL, wait_main, &waiter[r]), 0);
	}
	nanosleep(&(struct timespec) { .tv_nsec = delay_ns }, NULL);
	submit(&t.member[2]);
	if (runs)
		await_run(&t);
	member_close(&t.member[2]);
	for (r = 0; r < 4; r++) {
		if (r == 2)
			continue;
		pthread_join(thread[r], NULL);
		timed_out += waiter[r].err == -ETIME;
		/* Whoever was in the middle of a write to its memory faults. */
		assert_true(waiter[r].err == -ENOLINK || waiter[r].err == -EFAULT ||
			    waiter[r].err == -ETIME);
	}
	assert_true(timed_out <= !runs);
	team_close(&t);
}

static void test_member_goes(void **state)
{
	uint32_t i;

	for (i = 0; i < 4; i++) {
		member_goes(true, 3000000 * i);
		member_goes(false, 3000000 * i);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_four),
		cmocka_unit_test(test_sixteen),
		cmocka_unit_test(test_two_threads),
		cmocka_unit_test(test_four_threads),
		cmocka_unit_test(test_sixteen_threads),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_many_in_a_row),
		cmocka_unit_test(test_opposite_order),
		cmocka_unit_test(test_never_comes),
		cmocka_unit_test(test_nobody_looks),
		cmocka_unit_test(test_rank_faults),
		cmocka_unit_test(test_rank_hangs),
		cmocka_unit_test(test_deadlock),
		cmocka_unit_test(test_bad_gang),
		cmocka_unit_test(test_member_goes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
