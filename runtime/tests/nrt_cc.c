// SPDX-License-Identifier: MIT
/*
 * nrt_cc.c - collectives through the nrt API: every visible core is a rank, one thread each, as a
 * framework with a thread a core drives them. Results are compared on all elements.
 */
#include "session.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include <nrt/nrt_async.h>

#define MAX_RANKS	4u
#define N		1001u	/* elements; no multiple of the ranks */

static uint32_t ranks;

struct task {
	pthread_t thread;
	uint32_t rank;
	void (*run)(uint32_t rank);
};

static void *task_main(void *arg)
{
	struct task *t = arg;

	t->run(t->rank);
	return NULL;
}

static void on_all(void (*run)(uint32_t rank))
{
	struct task task[MAX_RANKS];

	for (uint32_t r = 0; r < ranks; r++) {
		task[r].rank = r;
		task[r].run = run;
		CHECK(!pthread_create(&task[r].thread, NULL, task_main, &task[r]));
	}
	for (uint32_t r = 0; r < ranks; r++)
		pthread_join(task[r].thread, NULL);
}

/* A core of its own card for every rank. */
static int32_t core_of(uint32_t rank)
{
	uint32_t cores, cards = 0;

	CHECK(!nrt_get_visible_vnc_count(&cores));
	for (uint32_t did; cards < 64 && !nrt_host_device_id_get((int)cards, &did); cards++)
		;
	return (int32_t)(rank * (cores / cards));
}

static nrt_tensor_t *tensor(uint32_t rank, size_t elements)
{
	nrt_tensor_t *t = NULL;

	CHECK(!nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, core_of(rank), elements * 4, "t",
				   &t));
	return t;
}

static void wait_for(nrta_seq_t seq)
{
	struct timespec nap = { 0, 100000 };
	bool done = false;

	for (unsigned int i = 0; !done; i++) {
		CHECK(i < 300000);
		CHECK(!nrta_is_completed(seq, &done));
		if (!done)
			nanosleep(&nap, NULL);
	}
}

static void no_errors(nrta_error_tracker_t *tracker)
{
	const nrta_error_t *list;
	size_t count;

	CHECK(!nrta_error_tracker_get_list(tracker, &list, &count));
	CHECK(count == 0);
}

static void run_one(nrt_cc_comm_t *comm, nrt_tensor_t *in, nrt_tensor_t *out, nrt_cc_op_type_t op)
{
	nrt_tensor_list_t input = { &in, 1 }, output = { &out, 1 };
	nrta_error_tracker_t *tracker;
	nrt_cc_context_t *ctx = NULL;
	nrta_seq_t seq;

	CHECK(!nrta_error_tracker_create(comm->vnc, &tracker));
	CHECK(!nrta_cc_prepare(comm, &input, &output, NRT_DTYPE_FLOAT32, NRT_OP_ADD, op, &ctx));
	CHECK(!nrta_cc_schedule(&ctx, 0, tracker, &seq));
	CHECK(!ctx);
	wait_for(seq);
	no_errors(tracker);
	nrta_error_tracker_destroy(tracker);
}

static float value(uint32_t rank, uint32_t i)
{
	return (float)((rank + 1) * 7 + i % 101);
}

static void fill(nrt_tensor_t *t, uint32_t rank, uint32_t count)
{
	float *x = malloc(count * sizeof(*x));

	CHECK(x);
	for (uint32_t i = 0; i < count; i++)
		x[i] = value(rank, i);
	CHECK(!nrt_tensor_write(t, x, 0, count * sizeof(*x)));
	free(x);
}

static float *content(const nrt_tensor_t *t, uint32_t count)
{
	float *x = malloc(count * sizeof(*x));

	CHECK(x);
	CHECK(!nrt_tensor_read(t, x, 0, count * sizeof(*x)));
	return x;
}

static nrt_cc_comm_t world(uint32_t rank)
{
	return (nrt_cc_comm_t){ .rank = rank, .rank_n = ranks, .ctx_device_id = rank,
				.ctx_device_count = ranks, .vnc = (uint32_t)core_of(rank) };
}

static void all_reduce(uint32_t rank)
{
	nrt_cc_comm_t comm = world(rank);
	nrt_tensor_t *in = tensor(rank, N), *out = tensor(rank, N);
	float *x;

	fill(in, rank, N);
	run_one(&comm, in, out, NRT_CC_ALLREDUCE);
	x = content(out, N);
	for (uint32_t i = 0; i < N; i++) {
		float sum = 0;

		for (uint32_t r = 0; r < ranks; r++)
			sum += value(r, i);
		CHECK(x[i] == sum);
	}
	free(x);
	/* In place, through the very same tensor. */
	run_one(&comm, in, in, NRT_CC_ALLREDUCE);
	x = content(in, N);
	CHECK(x[N - 1] == (float)(ranks * ((N - 1) % 101) + 7 * ranks * (ranks + 1) / 2));
	free(x);
	nrt_tensor_free(&in);
	nrt_tensor_free(&out);
}

static void all_gather(uint32_t rank)
{
	nrt_cc_comm_t comm = world(rank);
	nrt_tensor_t *in = tensor(rank, N), *out = tensor(rank, N * ranks);
	float *x;

	fill(in, rank, N);
	run_one(&comm, in, out, NRT_CC_ALLGATHER);
	x = content(out, N * ranks);
	for (uint32_t i = 0; i < N * ranks; i++)
		CHECK(x[i] == value(i / N, i % N));
	free(x);
	nrt_tensor_free(&in);
	nrt_tensor_free(&out);
}

static void reduce_scatter(uint32_t rank)
{
	nrt_cc_comm_t comm = world(rank);
	nrt_tensor_t *in = tensor(rank, N * ranks), *out = tensor(rank, N);
	float *x;

	fill(in, rank, N * ranks);
	run_one(&comm, in, out, NRT_CC_REDUCESCATTER);
	x = content(out, N);
	for (uint32_t i = 0; i < N; i++) {
		float sum = 0;

		for (uint32_t r = 0; r < ranks; r++)
			sum += value(r, rank * N + i);
		CHECK(x[i] == sum);
	}
	free(x);
	nrt_tensor_free(&in);
	nrt_tensor_free(&out);
}

/* Two groups of two, in turned order. */
static void groups(uint32_t rank)
{
	uint32_t members[2] = { rank / 2 * 2 + 1, rank / 2 * 2 };
	nrt_cc_comm_t comm = world(rank);
	nrt_tensor_t *in = tensor(rank, N), *out = tensor(rank, 2 * N);
	float *x;

	comm.replica_group = members;
	comm.rank_n = 2;
	comm.rank = 1 - rank % 2;
	fill(in, rank, N);
	for (int twice = 0; twice < 2; twice++) {
		run_one(&comm, in, out, NRT_CC_ALLGATHER);
		x = content(out, 2 * N);
		for (uint32_t i = 0; i < 2 * N; i++)
			CHECK(x[i] == value(members[i / N], i % N));
		free(x);
	}
	nrt_tensor_free(&in);
	nrt_tensor_free(&out);
}

static void host_gather(uint32_t rank)
{
	uint8_t in[5], out[5 * MAX_RANKS];

	memset(in, (int)('a' + rank), sizeof(in));
	CHECK(!nrt_all_gather(core_of(rank), rank, ranks, sizeof(in), in, out));
	for (uint32_t i = 0; i < 5 * ranks; i++)
		CHECK(out[i] == 'a' + i / 5);
	CHECK(!nrt_barrier(core_of(rank), rank, ranks));
}

static void build(uint32_t rank)
{
	CHECK(!nrt_build_global_comm(core_of(rank), rank, ranks));
	CHECK(!nrt_cc_global_comm_init((uint32_t)core_of(rank), rank, ranks));
	/* What was said once holds. */
	CHECK(nrt_build_global_comm(core_of(rank), rank, ranks + 1) == NRT_INVALID);
}

static void test_operations(void **state)
{
	on_all(build);
	on_all(host_gather);
	on_all(all_reduce);
	on_all(all_gather);
	on_all(reduce_scatter);
	if (ranks == 4)
		on_all(groups);
}

static void test_refusals(void **state)
{
	nrt_tensor_t *a = tensor(0, N), *b = tensor(0, N + 1), *h = NULL;
	nrt_tensor_list_t in = { &a, 1 }, out = { &b, 1 }, host = { &h, 1 }, none = { &a, 0 };
	nrt_cc_comm_t comm = world(0), bad = comm;
	nrt_cc_context_t *ctx = NULL;

#define REFUSED(c, i, o, d, r, op) \
	assert_int_equal(nrta_cc_prepare(c, i, o, d, r, op, &ctx), NRT_INVALID)
	OK(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_HOST, 0, N * 4, "h", &h));
	REFUSED(&comm, &in, &out, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE);
	REFUSED(&comm, &in, &out, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLGATHER);
	REFUSED(&comm, &in, &in, NRT_DTYPE_FLOAT32, NRT_OP_FMA, NRT_CC_ALLREDUCE);
	REFUSED(&comm, &in, &in, NRT_DTYPE_INVALID, NRT_OP_ADD, NRT_CC_ALLREDUCE);
	REFUSED(&comm, &in, &in, NRT_DTYPE_FLOAT32, NRT_OP_ADD, (nrt_cc_op_type_t)3);
	REFUSED(&comm, &host, &in, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE);
	REFUSED(&comm, &none, &none, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE);
	REFUSED(NULL, &in, &in, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE);
	bad.rank = ranks;
	REFUSED(&bad, &in, &in, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE);
	bad = comm, bad.rank_n = 0;
	REFUSED(&bad, &in, &in, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE);
	bad = comm, bad.vnc = 4711;
	REFUSED(&bad, &in, &in, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE);
#undef REFUSED
	assert_null(ctx);
	assert_int_equal(nrta_cc_schedule(&ctx, 0, NULL, NULL), NRT_INVALID);
	assert_int_equal(nrt_barrier(0, 1, 1), NRT_INVALID);
	assert_int_equal(nrt_barrier(0, 0, 0), NRT_INVALID);
	assert_int_equal(nrt_all_gather(0, 0, ranks, 4, NULL, &ctx), NRT_INVALID);
	nrt_tensor_free(&a);
	nrt_tensor_free(&b);
	nrt_tensor_free(&h);
}

/* An operation that was prepared before nrt_close() names what is not there any more. */
static void test_prepared_before_close(void **state)
{
	nrt_cc_comm_t comm = { .rank_n = 1, .ctx_device_count = 1 };
	nrt_cc_context_t *ctx = NULL;
	nrt_tensor_list_t list;
	nrt_tensor_t *a;
	nrta_seq_t seq;

	/* The core is a rank among others yet. */
	nrt_close();
	assert_int_equal(session_begin(NULL), 0);
	a = tensor(0, N);
	list = (nrt_tensor_list_t){ &a, 1 };
	comm.vnc = (uint32_t)core_of(0);
	OK(nrta_cc_prepare(&comm, &list, &list, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE,
			   &ctx));
	nrt_close();
	assert_int_equal(session_begin(NULL), 0);
	assert_int_equal(nrta_cc_schedule(&ctx, 0, NULL, &seq), NRT_CLOSED);
	assert_null(ctx);
	nrt_tensor_free(&a);
}

/* More ranks than the process has cores, and no word of where the others are. */
static void test_alone(void **state)
{
	uint32_t cores;

	OK(nrt_get_visible_vnc_count(&cores));
	assert_int_equal(nrt_build_global_comm((int32_t)cores - 1, 0, cores + 1), NRT_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_prepared_before_close),
	};
	uint32_t did;

	if (session_begin(NULL))
		return 1;
	for (ranks = 0; ranks < MAX_RANKS && !nrt_host_device_id_get((int)ranks, &did); ranks++)
		;
	nrt_close();
	return cmocka_run_group_tests(tests, session_begin, session_end);
}
