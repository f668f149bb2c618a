// SPDX-License-Identifier: MIT
/*
 * axcc_process.c - communicators whose ranks are processes, each with a card of its own: operations
 * over the network, wrong calls, ranks that leave, hang or are killed, and going on without them.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "axon_isa.h"
#include "collective.h"
#include "procs.h"
#include "slow.h"

/* Of those who lose one: also for meeting, on a busy machine. The others have the library's own. */
#define TIMEOUT_MS	(8000u * SLOW)

static uint32_t timeout_ms;

/* What a child works with. */
struct rank {
	uint32_t rank;
	uint32_t ranks;
	struct axcc_unique_id id;
	struct axon_device *dev;
	struct axcc_comm *comm;
};

typedef int (*rank_fn)(struct rank *r);

static struct axcc_error error_of(struct axcc_comm *comm)
{
	struct axcc_error error = { 0 };

	axcc_comm_error(comm, &error);
	return error;
}

#define CHECK(cond)									\
	do {										\
		if (!(cond)) {								\
			fprintf(stderr, "# rank %u: %s:%d: %s (%s)\n", r->rank,		\
				__FILE__, __LINE__, #cond, error_of(r->comm).text);	\
			return 1;							\
		}									\
	} while (0)

static void quiet(void *opaque, enum axon_log_level level, const char *line)
{
}

static struct axcc_options options(void)
{
	return (struct axcc_options) { .size = sizeof(struct axcc_options),
				       .timeout_ms = timeout_ms };
}

static struct axcc_comm *new_comm(void)
{
	struct axcc_options o = options();
	struct axcc_comm *comm = NULL;

	axcc_comm_create(&o, &comm);
	return comm;
}

static int join(struct rank *r)
{
	int err;

	r->comm = new_comm();
	CHECK(r->comm);
	err = axcc_comm_init(r->comm, &r->id, r->ranks, r->rank, r->dev, 0);
	if (err)
		fprintf(stderr, "# rank %u: %s\n", r->rank, error_of(r->comm).text);
	CHECK(!err);
	return 0;
}

struct start {
	struct rank rank;
	rank_fn fn;
};

/* What a library of the network may have taken, which is the program's. */
static int signals_are_left(struct rank *r)
{
	struct sigaction act;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		CHECK(!sigaction((int[]) { SIGINT, SIGTERM, SIGABRT }[i], NULL, &act));
		CHECK(act.sa_handler == SIG_DFL);
	}
	return 0;
}

static int child(void *arg, uint32_t proc)
{
	struct start *start = arg;
	struct rank *r = &start->rank;
	char path[64];
	int status;

	r->rank = proc;
	CHECK(!signals_are_left(r));
	CHECK(!axon_device_path_of(0, path, sizeof(path)));
	CHECK(!axon_device_open_path(path, quiet, NULL, &r->dev));
	procs_meet(r->ranks);
	status = start->fn(r) || signals_are_left(r);
	axcc_comm_destroy(r->comm);
	axon_device_close(r->dev);
	return status;
}

static void run(uint32_t ranks, rank_fn fn)
{
	struct start start = { { .ranks = ranks }, fn };
	pid_t pid[MAX_PROCS];

	procs_root(&start.rank.id);
	procs_start(ranks, child, &start, pid);
	procs_finish(pid, ranks, NO_PROC);
}

/* ---- children ---- */

static int end_badly(void *arg, uint32_t proc)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
	close(STDERR_FILENO);
	if (proc)
		raise(SIGSEGV);
	else
		assert_true(false);
	return 0;
}

/* A child that fails in the middle ends there, and not with tests that are the parent's. */
static void test_bad_children(void **state)
{
	pid_t pid[2];
	int status;
	uint32_t i;

	procs_start(2, end_badly, NULL, pid);
	for (i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), i ? SIGSEGV : SIGABRT);
	}
}

/* ---- operations ---- */

static int one_case(struct rank *r, const struct coll_case *c)
{
	struct coll_arena a;
	char why[256], what[256];
	uint64_t seq;
	int err, bad;

	CHECK(!coll_arena_open(&a, r->dev, coll_arena_size(c, r->ranks)));
	coll_fill(c, r->ranks, r->rank, &a);
	err = coll_call(c, r->comm, &a, &seq);
	if (!err)
		err = axcc_wait(r->comm, seq, -1);
	bad = err ? 0 : coll_check(c, r->ranks, r->rank, &a, why, sizeof(why));
	if (err || bad) {
		coll_print(c, r->ranks, what, sizeof(what));
		fprintf(stderr, "# %s: %s\n", what, bad ? why : error_of(r->comm).text);
	}
	coll_arena_close(&a);
	return err || bad;
}

static int random_cases(struct rank *r, uint32_t cases, uint64_t max_count)
{
	uint32_t seed = 17 + r->ranks, i;

	if (join(r))
		return 1;
	for (i = 0; i < cases; i++) {
		struct coll_case c = coll_case_random(&seed, r->ranks, max_count);

		if (one_case(r, &c))
			return 1;
	}
	return 0;
}

static int small_cases(struct rank *r)
{
	return random_cases(r, 120, 3000);
}

/* Beyond a piece of the network (512 KiB), and beyond all that are under way at once. */
static int large_cases(struct rank *r)
{
	return random_cases(r, 10, 700000);
}

static void test_two(void **state)
{
	run(2, small_cases);
}

static void test_three(void **state)
{
	run(3, small_cases);
}

static void test_five(void **state)
{
	run(5, small_cases);
}

static void test_large(void **state)
{
	run(2, large_cases);
}

static int send_around(struct rank *r)
{
	uint32_t next = (r->rank + 1) % r->ranks, last = (r->rank + r->ranks - 1) % r->ranks;
	struct coll_arena a;
	uint64_t send, recv;
	uint32_t i, round;

	if (join(r))
		return 1;
	CHECK(!coll_arena_open(&a, r->dev, 1 << 20));
	for (round = 0; round < 20; round++) {
		uint32_t count = 1 + round * 3001;

		for (i = 0; i < count; i++)
			a.ptr[i] = (uint8_t)(i * 3 + r->rank + round);
		axcc_group_start();
		CHECK(!axcc_send(r->comm, (struct axcc_buf) { a.bo, 0 }, count, AXON_DTYPE_UINT8,
				 next, &send));
		CHECK(!axcc_recv(r->comm, (struct axcc_buf) { a.bo, 1 << 19 }, count,
				 AXON_DTYPE_UINT8, last, &recv));
		CHECK(axcc_wait(r->comm, recv, 0) == -EINVAL);
		CHECK(!axcc_group_end());
		CHECK(!axcc_wait(r->comm, recv, -1));
		CHECK(!axcc_wait(r->comm, send, -1));
		for (i = 0; i < count; i++)
			CHECK(a.ptr[(1 << 19) + i] == (uint8_t)(i * 3 + last + round));
	}
	coll_arena_close(&a);
	/* Rank 0's process starts what the others send each other. */
	CHECK(!axcc_barrier(r->comm, &send));
	CHECK(!axcc_wait(r->comm, send, -1));
	return 0;
}

static void test_send(void **state)
{
	run(4, send_around);
}

/* Several operations under way, and two communicators. */
static int in_flight(struct rank *r)
{
	struct coll_case c[8];
	struct coll_arena a[8];
	struct axcc_comm *other = new_comm();
	uint32_t backwards[MAX_PROCS], seed = 5, i;
	uint64_t seq[8];
	char why[256];

	if (join(r))
		return 1;
	for (i = 0; i < r->ranks; i++)
		backwards[i] = r->ranks - 1 - i;
	CHECK(!axcc_comm_split(r->comm, backwards, r->ranks, other));
	CHECK(axcc_comm_rank(other) == r->ranks - 1 - r->rank);
	for (i = 0; i < 8; i++) {
		c[i] = coll_case_random(&seed, r->ranks, 5000);
		CHECK(!coll_arena_open(&a[i], r->dev, coll_arena_size(&c[i], r->ranks)));
		coll_fill(&c[i], r->ranks, axcc_comm_rank(i % 2 ? other : r->comm), &a[i]);
		CHECK(!coll_call(&c[i], i % 2 ? other : r->comm, &a[i], &seq[i]));
	}
	for (i = 8; i--;) {
		struct axcc_comm *comm = i % 2 ? other : r->comm;

		CHECK(!axcc_wait(comm, seq[i], -1));
		if (coll_check(&c[i], r->ranks, axcc_comm_rank(comm), &a[i], why, sizeof(why)))
			fprintf(stderr, "# %s\n", why);
		CHECK(!coll_check(&c[i], r->ranks, axcc_comm_rank(comm), &a[i], why, sizeof(why)));
		coll_arena_close(&a[i]);
	}
	axcc_comm_destroy(other);
	return 0;
}

static void test_in_flight(void **state)
{
	run(3, in_flight);
}

/*
 * As many as there is room for, all the time: who only sends is done before the coordinator is, and
 * comes with the next ones while that still has the old.
 */
static int run_ahead(struct rank *r)
{
	struct coll_arena a;
	struct axcc_buf buf;
	uint64_t seq = 0;
	uint32_t i;
	int err;

	if (join(r))
		return 1;
	CHECK(!coll_arena_open(&a, r->dev, 4096));
	buf = (struct axcc_buf) { a.bo, 0 };
	for (i = 0; i < 2000; i++) {
		while ((err = axcc_broadcast(r->comm, buf, buf, 16, AXON_DTYPE_UINT8, 1, &seq)) ==
		       -EAGAIN)
			CHECK(!axcc_wait(r->comm, i - 255, -1));
		CHECK(!err);
		CHECK(seq == i + 1);
	}
	CHECK(!axcc_wait(r->comm, seq, -1));
	coll_arena_close(&a);
	return 0;
}

static void test_run_ahead(void **state)
{
	run(2, run_ahead);
}

#define BEHIND		100u	/* messages */
#define BEHIND_SIZE	16u

static int call_behind(struct rank *r, const struct coll_arena *a, uint32_t first, uint32_t count,
		       uint64_t *seq)
{
	uint32_t i;

	for (i = first; i < first + count; i++) {
		struct axcc_buf buf = { a->bo, i * BEHIND_SIZE };

		if (r->rank == 1)
			CHECK(!axcc_send(r->comm, buf, BEHIND_SIZE, AXON_DTYPE_UINT8, 2, seq));
		if (r->rank == 2)
			CHECK(!axcc_recv(r->comm, buf, BEHIND_SIZE, AXON_DTYPE_UINT8, 1, seq));
	}
	return 0;
}

/*
 * Rank 1 leaves when it has sent everything, of which rank 2, which is stopped, has taken nothing.
 * Rank 0 starts what they do, and stays for so long.
 */
static int leave_behind(struct rank *r)
{
	struct coll_arena a;
	uint64_t seq = 0;
	uint32_t i;

	if (join(r))
		return 1;
	CHECK(!coll_arena_open(&a, r->dev, 4096));
	for (i = 0; i < BEHIND * BEHIND_SIZE; i++)
		a.ptr[i] = r->rank == 1 ? (uint8_t)(i * 5) : 0;
	/* The first one, since connecting takes both. */
	CHECK(!call_behind(r, &a, 0, 1, &seq));
	CHECK(!seq || !axcc_wait(r->comm, seq, -1));
	if (r->rank == 2) {
		CHECK(!call_behind(r, &a, 1, BEHIND - 1, &seq));
		raise(SIGSTOP);
	}
	while (!atomic_load(&procs_shared->go))
		procs_nap();
	if (r->rank == 1)
		CHECK(!call_behind(r, &a, 1, BEHIND - 1, &seq));
	CHECK(!seq || !axcc_wait(r->comm, seq, -1));
	atomic_fetch_add(&procs_shared->arrived, 1);
	while (!r->rank && atomic_load(&procs_shared->arrived) < 3)
		procs_nap();
	for (i = 0; r->rank == 2 && i < BEHIND * BEHIND_SIZE; i++)
		CHECK(a.ptr[i] == (uint8_t)(i * 5));
	coll_arena_close(&a);
	return 0;
}

static void test_leave_behind(void **state)
{
	struct start start = { { .ranks = 3 }, leave_behind };
	pid_t pid[MAX_PROCS];
	uint32_t i;
	int status;

	procs_root(&start.rank.id);
	procs_start(3, child, &start, pid);
	assert_int_equal(waitpid(pid[2], &status, WUNTRACED), pid[2]);
	assert_true(WIFSTOPPED(status));
	atomic_store(&procs_shared->go, 1);
	/* Rank 0, and rank 1, which has time to go. */
	procs_wait_arrived(2);
	for (i = 0; i < 40; i++)
		procs_nap();
	kill(pid[2], SIGCONT);
	procs_finish(pid, 3, NO_PROC);
}

/* ---- wrong calls ---- */

static int wrong_count(struct rank *r)
{
	struct coll_arena a;
	struct axcc_error e;
	struct axcc_buf buf;
	uint64_t seq;

	if (join(r))
		return 1;
	CHECK(!coll_arena_open(&a, r->dev, 4096));
	buf = (struct axcc_buf) { a.bo, 0 };
	if (!axcc_all_reduce(r->comm, buf, buf, r->rank == 1 ? 8 : 9, AXON_DTYPE_FLOAT32, AXCC_SUM,
			     &seq))
		CHECK(axcc_wait(r->comm, seq, -1) == -EPROTO);
	e = error_of(r->comm);
	CHECK(e.kind == AXCC_ERROR_MISMATCH);
	CHECK(e.rank == 1 || e.rank == 0 || e.rank == 2);
	CHECK(strstr(e.text, "rank 1") && strstr(e.text, "count") && strstr(e.text, "8 x float32"));
	coll_arena_close(&a);
	return 0;
}

static void test_mismatch(void **state)
{
	run(3, wrong_count);
}

/* ---- ranks that are lost ---- */

static const uint32_t victim = 1;

static int reduce_until_error(struct rank *r, struct coll_arena *a)
{
	struct coll_case c = {
		.coll = AXCC_ALL_REDUCE,
		.dtype = AXON_DTYPE_INT32,
		.count = 50000,
		.seed = 3,
	};
	uint64_t seq;
	bool counted = false;
	int err;

	CHECK(!coll_arena_open(a, r->dev, coll_arena_size(&c, r->ranks)));
	coll_fill(&c, r->ranks, r->rank, a);
	for (;;) {
		err = coll_call(&c, r->comm, a, &seq);
		if (!err)
			err = axcc_wait(r->comm, seq, -1);
		if (err)
			return err;
		if (!counted)
			atomic_fetch_add(&procs_shared->arrived, 1);
		counted = true;
	}
}

/* After an error that names the victim: shrink, and all is right again. */
static int go_on(struct rank *r, struct coll_arena *a)
{
	struct coll_case c = { .coll = AXCC_ALL_REDUCE, .dtype = AXON_DTYPE_FLOAT32, .count = 999,
			       .seed = 8 };
	struct axcc_comm *less = new_comm();
	struct axcc_rank_info info;
	char why[256];
	uint64_t seq;
	int err;

	CHECK(!axcc_comm_rank_info(r->comm, victim, &info));
	CHECK(info.lost);
	err = axcc_comm_shrink(r->comm, less);
	if (err)
		fprintf(stderr, "# rank %u: shrink: %s\n", r->rank, error_of(less).text);
	CHECK(!err);
	axcc_comm_destroy(r->comm);
	r->comm = less;
	CHECK(axcc_comm_ranks(less) == r->ranks - 1);
	CHECK(axcc_comm_rank(less) == r->rank - (r->rank > victim));
	coll_fill(&c, r->ranks - 1, axcc_comm_rank(less), a);
	CHECK(!coll_call(&c, less, a, &seq));
	CHECK(!axcc_wait(less, seq, -1));
	CHECK(!coll_check(&c, r->ranks - 1, axcc_comm_rank(less), a, why, sizeof(why)));
	coll_arena_close(a);
	return 0;
}

static int survive(struct rank *r)
{
	struct coll_arena a;
	struct axcc_error e;
	int err;

	if (join(r))
		return 1;
	err = reduce_until_error(r, &a);
	CHECK(err < 0);
	e = error_of(r->comm);
	if (e.rank != victim)
		fprintf(stderr, "# rank %u: %s\n", r->rank, e.text);
	CHECK(e.rank == victim);
	CHECK(e.error == err);
	CHECK(e.kind == AXCC_ERROR_RANK_LOST || e.kind == AXCC_ERROR_NETWORK ||
	      e.kind == AXCC_ERROR_TIMEOUT);
	CHECK(e.host[0] && !strncmp(e.card, "soft", 4));
	/* It stays failed. */
	CHECK(axcc_barrier(r->comm, NULL) == err);
	return go_on(r, &a);
}

static void lose(int signal)
{
	struct start start = { { .ranks = 4 }, survive };
	pid_t pid[MAX_PROCS];

	/* By address: rank 0 is the root. */
	procs_address(&start.rank.id);
	timeout_ms = TIMEOUT_MS;
	procs_start(4, child, &start, pid);
	procs_wait_arrived(4);
	kill(pid[victim], signal);
	procs_finish(pid, 4, victim);
	timeout_ms = 0;
}

static void test_killed(void **state)
{
	lose(SIGKILL);
}

static void test_hung(void **state)
{
	lose(SIGSTOP);
}

/* One goes in peace: the others only notice when they need it. */
static int leave(struct rank *r)
{
	uint64_t seq;

	if (join(r))
		return 1;
	if (r->rank == victim) {
		CHECK(!axcc_barrier(r->comm, &seq));
		CHECK(!axcc_wait(r->comm, seq, -1));
		return 0;
	}
	while (!error_of(r->comm).error) {
		int err = axcc_barrier(r->comm, &seq);

		if (!err)
			err = axcc_wait(r->comm, seq, -1);
		CHECK(!err || err == -ECANCELED);
	}
	CHECK(error_of(r->comm).kind == AXCC_ERROR_ABORTED);
	CHECK(error_of(r->comm).rank == victim);
	return 0;
}

static void test_leave(void **state)
{
	run(3, leave);
}

/* Rank 0 is no part of what the others do, but starts it. */
static int send_until_left(struct rank *r)
{
	struct coll_arena a;
	struct axcc_buf buf;
	uint64_t seq;
	int err = 0;

	if (join(r))
		return 1;
	CHECK(!coll_arena_open(&a, r->dev, 4096));
	buf = (struct axcc_buf) { a.bo, 0 };
	while (r->rank && !err) {
		err = r->rank == 1 ? axcc_send(r->comm, buf, 9, AXON_DTYPE_INT8, 2, &seq) :
			axcc_recv(r->comm, buf, 9, AXON_DTYPE_INT8, 1, &seq);
		if (!err)
			err = axcc_wait(r->comm, seq, -1);
	}
	CHECK(err == (r->rank ? -ECANCELED : 0));
	CHECK(!r->rank || (error_of(r->comm).kind == AXCC_ERROR_ABORTED &&
			   error_of(r->comm).rank == 0));
	coll_arena_close(&a);
	return 0;
}

static void test_first_leaves(void **state)
{
	run(3, send_until_left);
}

/* ---- meeting ---- */

static int one_missing(struct rank *r)
{
	struct axcc_error e;
	int err;

	if (r->rank == victim)
		return 0;
	r->comm = new_comm();
	err = axcc_comm_init(r->comm, &r->id, r->ranks, r->rank, r->dev, 0);
	CHECK(err == -ETIME);
	e = error_of(r->comm);
	CHECK(e.error == -ETIME && e.kind == AXCC_ERROR_TIMEOUT && e.rank == victim);
	CHECK(axcc_barrier(r->comm, NULL) == -EINVAL);
	CHECK(axcc_comm_ranks(r->comm) == 0);
	return 0;
}

static void test_missing(void **state)
{
	timeout_ms = TIMEOUT_MS;
	run(3, one_missing);
	timeout_ms = 0;
}

static int same_rank(struct rank *r)
{
	struct axcc_error e;

	r->comm = new_comm();
	CHECK(axcc_comm_init(r->comm, &r->id, 3, r->rank ? 1 : 0, r->dev, 0) == -EPROTO);
	e = error_of(r->comm);
	CHECK(e.kind == AXCC_ERROR_MISMATCH && e.rank == 1);
	return 0;
}

static void test_same_rank(void **state)
{
	run(3, same_rank);
}

static int other_size(struct rank *r)
{
	r->comm = new_comm();
	CHECK(axcc_comm_init(r->comm, &r->id, r->rank ? 3 : 4, r->rank, r->dev, 0) == -EPROTO);
	CHECK(error_of(r->comm).kind == AXCC_ERROR_MISMATCH);
	return 0;
}

static void test_other_size(void **state)
{
	run(3, other_size);
}

static int shm(struct rank *r)
{
	setenv("FI_PROVIDER", "shm", 1);
	r->comm = new_comm();
	CHECK(r->comm);
	CHECK(axcc_comm_init(r->comm, &r->id, r->ranks, r->rank, r->dev, 0) == -EPROTONOSUPPORT);
	CHECK(strstr(error_of(r->comm).text, "shm, which polls"));
	return 0;
}

static void test_shm(void **state)
{
	run(2, shm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_children),
		cmocka_unit_test_teardown(test_two, procs_end_root),
		cmocka_unit_test_teardown(test_three, procs_end_root),
		cmocka_unit_test_teardown(test_five, procs_end_root),
		cmocka_unit_test_teardown(test_large, procs_end_root),
		cmocka_unit_test_teardown(test_send, procs_end_root),
		cmocka_unit_test_teardown(test_in_flight, procs_end_root),
		cmocka_unit_test_teardown(test_run_ahead, procs_end_root),
		cmocka_unit_test_teardown(test_leave_behind, procs_end_root),
		cmocka_unit_test_teardown(test_mismatch, procs_end_root),
		cmocka_unit_test_teardown(test_killed, procs_end_root),
		cmocka_unit_test_teardown(test_hung, procs_end_root),
		cmocka_unit_test_teardown(test_leave, procs_end_root),
		cmocka_unit_test_teardown(test_first_leaves, procs_end_root),
		cmocka_unit_test_teardown(test_missing, procs_end_root),
		cmocka_unit_test_teardown(test_same_rank, procs_end_root),
		cmocka_unit_test_teardown(test_other_size, procs_end_root),
		cmocka_unit_test_teardown(test_shm, procs_end_root),
	};

	return cmocka_run_group_tests(tests, procs_setup, NULL);
}
