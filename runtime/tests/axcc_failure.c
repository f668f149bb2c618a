// SPDX-License-Identifier: MIT
/*
 * axcc_failure.c - ranks of one process that fail at any moment: who is left returns in time with
 * an error that names the right one, goes on without it, and is right. And aborts, also while ranks
 * join.
 *
 * axcc_failure --rounds N: that many random failures.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "axon_isa.h"
#include "group.h"
#include "slow.h"
#include "soft.h"

/* On a busy machine a thread may not run for some hundred. */
#define TIMEOUT_MS	(1200u * SLOW)
/* By when a failure must be known: a rank may be found late twice, and the machine may be slow. */
#define PATIENCE_NS	(30ull * SLOW * 1000000000)

static uint32_t rounds = 4;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void nap_us(uint32_t us)
{
	nanosleep(&(struct timespec) { us / 1000000, us % 1000000 * 1000 }, NULL);
}

static struct axcc_options options(void)
{
	return (struct axcc_options) { .size = sizeof(struct axcc_options),
				       .timeout_ms = TIMEOUT_MS };
}

/* ---- what fails ---- */

enum failure {
	FAIL_ABSENT,	/* stops calling, and says nothing */
	FAIL_LEAVE,	/* destroys its handle */
	FAIL_ABORT,
	FAIL_HANG,	/* its core is taken by something that does not end */
	FAIL_RESET,	/* its card's firmware hangs, and is repaired when the card is reset */
	FAIL_DEAD,	/* its card's firmware hangs for good */
	FAIL_LINK,	/* its card's links go down */
	NUM_FAILURES,
};

static const char *const failure_names[NUM_FAILURES] = {
	"absent", "leaves", "aborts", "hangs", "is reset", "dies", "loses its links",
};

/* Which kinds of error are right. */
static bool right_kind(enum failure failure, uint32_t kind)
{
	switch (failure) {
	case FAIL_ABSENT:
		return kind == AXCC_ERROR_TIMEOUT;
	case FAIL_LEAVE:
	case FAIL_ABORT:
		return kind == AXCC_ERROR_ABORTED;
	case FAIL_LINK:
		return kind == AXCC_ERROR_LINK || kind == AXCC_ERROR_CARD;
	default:
		return kind == AXCC_ERROR_CARD;
	}
}

static void knob(struct axon_device *dev, enum axon_card_knob which, uint64_t value)
{
	assert_int_equal(axon_card_set(to_card(dev)->model, which, (int64_t)value), 0);
}

static void repair(struct axon_device **card, const char *line)
{
	if (strstr(line, "resetting"))
		knob(*card, AXON_KNOB_STALL_FW, 0);
}

/* ---- a round ---- */

/**
 * struct round - a group of ranks, one of which fails
 * @g: the ranks
 * @failure: how
 * @victim: which one
 * @stop: FAIL_ABSENT, FAIL_LEAVE: it does
 * @busy: ranks that have done an operation
 * @seed: of the operations
 */
struct round {
	struct group g;
	enum failure failure;
	uint32_t victim;
	atomic_bool stop;
	atomic_uint busy;
	uint32_t seed;
};

struct rank {
	pthread_t thread;
	struct round *round;
	uint32_t rank;
	char why[700];
};

static int __attribute__((format(printf, 2, 3))) wrong(struct rank *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(t->why, sizeof(t->why), format, args);
	va_end(args);
	return -1;
}

static int one_op(struct axcc_comm *comm, struct coll_arena *a, uint32_t *seed, bool check,
		  struct rank *t)
{
	uint32_t ranks = axcc_comm_ranks(comm);
	struct coll_case c = coll_case_random(seed, ranks, 6000);
	uint64_t seq;
	int err;

	if (check)
		coll_fill(&c, ranks, axcc_comm_rank(comm), a);
	err = coll_call(&c, comm, a, &seq);
	if (!err)
		err = axcc_wait(comm, seq, -1);
	if (err || !check)
		return err;
	return coll_check(&c, ranks, axcc_comm_rank(comm), a, t->why, sizeof(t->why));
}

/* Without the one that failed all is right again. */
static int go_on(struct rank *t)
{
	struct group *g = &t->round->g;
	struct axcc_options o = options();
	struct axcc_comm *less = NULL;
	struct axcc_error error;
	uint32_t seed = 77, i;
	int err;

	/* Under a sanitizer and beside other tests they may be far apart. */
	o.timeout_ms = 20000 * SLOW;
	err = axcc_comm_create(&o, &less);
	if (!err)
		err = axcc_comm_shrink(g->comm[t->rank], less);
	if (!err && axcc_comm_ranks(less) != g->shape.ranks - 1)
		err = wrong(t, "shrunk to %u ranks", axcc_comm_ranks(less));
	for (i = 0; i < 4 && !err; i++)
		err = one_op(less, &g->arena[t->rank], &seed, true, t);
	if (err && !t->why[0]) {
		axcc_comm_error(less, &error);
		wrong(t, "after the shrink: %d, %s", err, error.text);
	}
	axcc_comm_destroy(less);
	return err;
}

static int right_error(struct rank *t, int err)
{
	struct round *r = t->round;
	struct axcc_error error;

	axcc_comm_error(r->g.comm[t->rank], &error);
	if (error.error != err || error.rank != r->victim || !right_kind(r->failure, error.kind))
		return wrong(t, "returned %d (kind %u, rank %u): %s", err, error.kind, error.rank,
			     error.text);
	return 0;
}

static void *run_rank(void *arg)
{
	struct rank *t = arg;
	struct round *r = t->round;
	struct axcc_comm *comm = r->g.comm[t->rank];
	uint64_t start = now_ns(), took;
	uint32_t seed = r->seed;
	bool victim = t->rank == r->victim, first = true;
	int err = 0;

	while (!err) {
		if (victim && atomic_load(&r->stop))
			break;
		err = one_op(comm, &r->g.arena[t->rank], &seed, false, t);
		if (first)
			atomic_fetch_add(&r->busy, 1);
		first = false;
	}
	took = now_ns() - start;
	if (victim) {
		if (r->failure == FAIL_LEAVE) {
			axcc_comm_destroy(comm);
			r->g.comm[t->rank] = NULL;
		}
		return NULL;
	}
	if (took > PATIENCE_NS)
		wrong(t, "returned after %llu ms", (unsigned long long)took / 1000000);
	else if (!right_error(t, err))
		go_on(t);
	return NULL;
}

static void fail_now(struct round *r, struct occupier *s)
{
	struct axon_device *dev = group_dev(&r->g, r->victim);

	switch (r->failure) {
	case FAIL_ABORT:
		axcc_comm_abort(r->g.comm[r->victim]);
		break;
	case FAIL_HANG:
		occupy_core(s, dev, r->g.shape.core[r->victim]);
		break;
	case FAIL_RESET:
		atomic_store(&group_log_hook, repair);
		knob(dev, AXON_KNOB_STALL_FW, 1);
		break;
	case FAIL_DEAD:
		knob(dev, AXON_KNOB_STALL_FW, 1);
		break;
	case FAIL_LINK:
		knob(dev, AXON_KNOB_LINK_DOWN, 1);
		break;
	default:
		atomic_store(&r->stop, true);
		break;
	}
}

static void run_round(const struct shape *shape, enum failure failure, uint32_t victim,
		      uint32_t after_us, uint32_t seed)
{
	struct coll_case largest = { .count = 6000, .dtype = AXON_DTYPE_INT64 };
	struct round r = { .failure = failure, .victim = victim, .seed = seed };
	struct rank t[GROUP_MAX_RANKS] = { 0 };
	struct axcc_options o = options();
	struct occupier s = { 0 };
	uint32_t i, bad = 0;

	group_open(&r.g, shape, coll_arena_size(&largest, shape->ranks));
	group_join(&r.g, &o);
	for (i = 0; i < shape->ranks; i++) {
		t[i].round = &r;
		t[i].rank = i;
		assert_int_equal(pthread_create(&t[i].thread, NULL, run_rank, &t[i]), 0);
	}
	while (atomic_load(&r.busy) < shape->ranks)
		nap_us(100);
	nap_us(after_us);
	fail_now(&r, &s);
	for (i = 0; i < shape->ranks; i++) {
		pthread_join(t[i].thread, NULL);
		if (t[i].why[0])
			print_error("soft:%u, rank %u %s after %u us (seed %u): rank %u: %s\n",
				    shape->cards, victim, failure_names[failure], after_us, seed, i,
				    t[i].why);
		bad += t[i].why[0] != 0;
	}
	free_core(&s);
	atomic_store(&group_log_hook, NULL);
	group_close(&r.g);
	assert_int_equal(bad, 0);
}

static void test_each(void **state)
{
	struct shape shape = shape_plain(4, "ring");
	uint32_t f;

	for (f = 0; f < NUM_FAILURES; f++)
		run_round(&shape, f, 1 + f % 3, 1000, f + 1);
}

static void test_random(void **state)
{
	struct shape ring = shape_plain(4, "ring"), mesh = shape_plain(3, "mesh");
	uint32_t seed = (uint32_t)now_ns() | 1, i;

	for (i = 0; i < rounds; i++) {
		const struct shape *shape = coll_random(&seed) % 2 ? &ring : &mesh;
		uint32_t f = coll_random(&seed) % NUM_FAILURES;
		uint32_t victim = coll_random(&seed) % shape->ranks;

		run_round(shape, f, victim, coll_random(&seed) % 20000, coll_random(&seed));
	}
}

/*
 * Rank 0 waits for rank 1, which cannot come: it waits for a job of an operation before, where
 * rank 2's core is taken. It is rank 2 whose card hangs.
 */
static void test_held_up(void **state)
{
	struct shape shape = shape_plain(3, "ring");
	struct axcc_options o = options();
	struct occupier s = { 0 };
	struct axcc_error error;
	struct group g;
	uint64_t seq;

	group_open(&g, &shape, 4096);
	group_join(&g, &o);
	occupy_core(&s, group_dev(&g, 2), g.shape.core[2]);
	assert_int_equal(axcc_send(g.comm[2], (struct axcc_buf) { g.arena[2].bo, 0 }, 10,
				   AXON_DTYPE_INT8, 1, NULL), 0);
	assert_int_equal(axcc_recv(g.comm[1], (struct axcc_buf) { g.arena[1].bo, 0 }, 10,
				   AXON_DTYPE_INT8, 2, NULL), 0);
	assert_int_equal(axcc_send(g.comm[0], (struct axcc_buf) { g.arena[0].bo, 0 }, 10,
				   AXON_DTYPE_INT8, 1, &seq), 0);
	assert_int_equal(axcc_wait(g.comm[0], seq, 1000000), -ETIMEDOUT);
	assert_int_equal(axcc_wait(g.comm[0], seq, -1), -EIO);
	axcc_comm_error(g.comm[0], &error);
	assert_int_equal(error.kind, AXCC_ERROR_CARD);
	assert_int_equal(error.rank, 2);
	free_core(&s);
	group_close(&g);
}

/* ---- wrong calls ---- */

/* Ranks 0 and 2 are right; what rank 1 calls is another operation. */
static void call_wrong(struct group *g, uint32_t which)
{
	struct coll_case right = { .coll = AXCC_ALL_REDUCE, .dtype = AXON_DTYPE_FLOAT32,
				   .count = 100 };
	static const char *const words[] = { "count", "type", "reduction", "operation", "root" };
	struct coll_case wrong = right;
	struct axcc_error error;
	uint32_t order[3] = { which % 3, (which + 1) % 3, (which + 2) % 3 }, i;
	uint64_t seq[3] = { 0 };
	int err = 0;

	if (which == 4)
		right.coll = wrong.coll = AXCC_BROADCAST;
	wrong.count += which == 0;
	wrong.dtype = which == 1 ? AXON_DTYPE_INT32 : wrong.dtype;
	wrong.reduction = which == 2 ? AXCC_MAX : wrong.reduction;
	wrong.coll = which == 3 ? AXCC_BROADCAST : wrong.coll;
	wrong.root = which == 4 ? 1 : 0;
	for (i = 0; i < 3; i++) {
		uint32_t r = order[i];
		int one = coll_call(r == 1 ? &wrong : &right, g->comm[r], &g->arena[r], &seq[r]);

		err = err ? err : one;
	}
	assert_int_equal(err, -EPROTO);
	for (i = 0; i < 3; i++) {
		/* Who calls after the failure has no operation to wait for. */
		if (seq[i])
			assert_int_equal(axcc_wait(g->comm[i], seq[i], -1), -EPROTO);
		assert_int_equal(axcc_comm_error(g->comm[i], &error), -EPROTO);
		assert_int_equal(error.kind, AXCC_ERROR_MISMATCH);
		assert_non_null(strstr(error.text, words[which]));
		assert_non_null(strstr(error.text, "rank 1"));
	}
}

static void test_mismatch(void **state)
{
	struct shape shape = shape_plain(3, "ring");
	struct axcc_options o = options();
	struct group g;
	uint32_t which;

	group_open(&g, &shape, 8192);
	for (which = 0; which < 5; which++) {
		group_join(&g, &o);
		call_wrong(&g, which);
		group_leave(&g);
	}
	group_close(&g);
}

/* A send that is longer than what is received for it. */
static void test_send_mismatch(void **state)
{
	struct shape shape = shape_plain(2, "pair");
	struct axcc_error error;
	struct group g;

	group_open(&g, &shape, 4096);
	group_join(&g, NULL);
	assert_int_equal(axcc_send(g.comm[0], (struct axcc_buf) { g.arena[0].bo, 0 }, 10,
				   AXON_DTYPE_INT8, 1, NULL), 0);
	assert_int_equal(axcc_recv(g.comm[1], (struct axcc_buf) { g.arena[1].bo, 0 }, 9,
				   AXON_DTYPE_INT8, 0, NULL), -EPROTO);
	assert_int_equal(axcc_comm_error(g.comm[0], &error), -EPROTO);
	assert_int_equal(error.kind, AXCC_ERROR_MISMATCH);
	group_close(&g);
}

/* ---- while ranks join ---- */

struct joiner {
	pthread_t thread;
	struct axcc_comm *comm;
	struct axon_device *dev;
	struct axcc_unique_id id;
	uint32_t rank;
	int err;
};

static void *run_join(void *arg)
{
	struct joiner *j = arg;

	j->err = axcc_comm_init(j->comm, &j->id, 3, j->rank, j->dev, 0);
	return NULL;
}

/* @come of three ranks join; one is aborted after a while. */
static void abort_init(struct group *g, uint32_t come, uint32_t after_us)
{
	struct axcc_options o = options();
	struct joiner j[3];
	struct axcc_unique_id id;
	struct axcc_root *root;
	struct axcc_error error;
	uint32_t i;

	o.timeout_ms = 3000 * SLOW;
	assert_int_equal(axcc_root_create("127.0.0.1", &root, &id), 0);
	for (i = 0; i < come; i++) {
		j[i] = (struct joiner) { .dev = group_dev(g, i), .id = id, .rank = i };
		assert_int_equal(axcc_comm_create(&o, &j[i].comm), 0);
		assert_int_equal(pthread_create(&j[i].thread, NULL, run_join, &j[i]), 0);
	}
	nap_us(after_us);
	axcc_comm_abort(j[0].comm);
	for (i = 0; i < come; i++)
		pthread_join(j[i].thread, NULL);
	for (i = 0; i < come; i++) {
		axcc_comm_error(j[i].comm, &error);
		/* It may have been just too late, or all of them were joined already. */
		if (come == 3 && !j[i].err)
			continue;
		/* Or so early that the root never heard of it. */
		if (i && j[i].err == -ETIME) {
			assert_int_equal(error.rank, 0);
			continue;
		}
		assert_int_equal(j[i].err, -ECANCELED);
		assert_int_equal(error.kind, AXCC_ERROR_ABORTED);
	}
	for (i = 0; i < come; i++)
		axcc_comm_destroy(j[i].comm);
	axcc_root_destroy(root);
}

static void test_abort_init(void **state)
{
	struct shape shape = shape_plain(3, "ring");
	uint32_t seed = 5, i;
	struct group g;

	group_open(&g, &shape, 4096);
	for (i = 0; i < 4; i++)
		abort_init(&g, 1 + i % 2, i * 3000);
	for (i = 0; i < 30; i++)
		abort_init(&g, 3, coll_random(&seed) % 8000);
	group_close(&g);
}

/* Nobody who waits, in any thread, is left behind. */
static void *run_wait(void *arg)
{
	struct joiner *j = arg;

	j->err = axcc_wait(j->comm, 1, -1);
	return NULL;
}

static void test_abort_wait(void **state)
{
	struct coll_case c = { .coll = AXCC_BARRIER, .dtype = AXON_DTYPE_UINT8 };
	struct shape shape = shape_plain(3, "ring");
	struct joiner j[3];
	struct group g;
	uint64_t seq;
	uint32_t i;

	group_open(&g, &shape, 4096);
	group_join(&g, NULL);
	assert_int_equal(coll_call(&c, g.comm[0], &g.arena[0], &seq), 0);
	for (i = 0; i < 3; i++) {
		j[i] = (struct joiner) { .comm = g.comm[0] };
		assert_int_equal(pthread_create(&j[i].thread, NULL, run_wait, &j[i]), 0);
	}
	nap_us(2000);
	axcc_comm_abort(g.comm[0]);
	for (i = 0; i < 3; i++) {
		pthread_join(j[i].thread, NULL);
		assert_int_equal(j[i].err, -ECANCELED);
	}
	assert_int_equal(axcc_barrier(g.comm[1], NULL), -ECANCELED);
	group_close(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_held_up),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_send_mismatch),
		cmocka_unit_test(test_abort_init),
		cmocka_unit_test(test_abort_wait),
	};

	if (argc == 3 && !strcmp(argv[1], "--rounds"))
		rounds = (uint32_t)strtoul(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
