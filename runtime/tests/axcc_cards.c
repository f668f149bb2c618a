// SPDX-License-Identifier: MIT
/*
 * axcc_cards.c - every collective by every algorithm on soft cards of one process, compared in
 * every element; what ranks may do at the same time; collectives of a program.
 *
 * axcc_cards --sweep: operations of up to 64 MiB, and many more cases (minutes). With
 * AXON_DEVICE=drm the cards are the driver's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms.h"
#include "axon_hw.h"
#include "axon_isa.h"
#include "group.h"
#include "program.h"

#define MAX_ALGORITHMS	16u

static bool sweep;
static uint32_t driver_cards;

/* ---- shapes ---- */

/* Ranks on some cards, in no order. */
static struct shape shape_some(void)
{
	return (struct shape) { .cards = 8, .fabric = "ring", .ranks = 4, .card = { 6, 1, 3, 4 } };
}

/* Two cores of each card, the ranks of a card one after the other. */
static struct shape shape_cores(void)
{
	return (struct shape) {
		.cards = 4,
		.fabric = "ring",
		.ranks = 8,
		.card = { 0, 0, 1, 1, 2, 2, 3, 3 },
		.core = { 0, 1, 0, 1, 0, 1, 0, 1 },
	};
}

/* Two cores of some cards, mixed. */
static struct shape shape_mixed(void)
{
	return (struct shape) {
		.cards = 3,
		.fabric = "mesh",
		.ranks = 5,
		.card = { 2, 0, 1, 0, 2 },
		.core = { 1, 0, 1, 1, 0 },
	};
}

/* As many as asked for, or as the driver has. */
static struct shape shape_most(uint32_t cards, const char *fabric)
{
	return shape_plain(group_on_driver && cards > driver_cards ? driver_cards : cards, fabric);
}

#define MAX_SHAPES	16u

/* Of the driver's cards: the first so many, all of them backwards, and two cores of each. */
static uint32_t driver_shapes(struct shape *shape)
{
	uint32_t n = 0, i;

	while (n + 1 < driver_cards) {
		shape[n] = shape_plain(n + 2, NULL);
		n++;
	}
	shape[n] = shape[n - 1];
	for (i = 0; i < driver_cards; i++)
		shape[n].card[i] = (uint8_t)(driver_cards - 1 - i);
	n++;
	shape[n] = (struct shape) { .cards = driver_cards, .ranks = 2 * driver_cards };
	for (i = 0; i < 2 * driver_cards; i++) {
		shape[n].card[i] = (uint8_t)(i / 2);
		shape[n].core[i] = i % 2;
	}
	return n + 1;
}

static uint32_t all_shapes(struct shape *shape)
{
	uint32_t n = 0;

	if (group_on_driver)
		return driver_shapes(shape);
	shape[n++] = shape_plain(1, "none");
	shape[n++] = shape_plain(2, "pair");
	shape[n++] = shape_plain(3, "ring");
	shape[n++] = shape_plain(4, "mesh");
	shape[n++] = shape_plain(5, "ring");
	shape[n++] = shape_plain(6, "torus:2x3");
	shape[n++] = shape_plain(7, "mesh");
	shape[n++] = shape_plain(8, "ring");
	shape[n++] = shape_plain(16, "torus");
	shape[n++] = shape_some();
	shape[n++] = shape_cores();
	shape[n++] = shape_mixed();
	return n;
}

/* ---- every algorithm ---- */

static const uint32_t colls[] = {
	AXCC_ALL_REDUCE, AXCC_ALL_GATHER, AXCC_REDUCE_SCATTER, AXCC_ALL_TO_ALL, AXCC_BROADCAST,
	AXCC_REDUCE, AXCC_PERMUTE, AXCC_BARRIER,
};
static const uint32_t types[] = {
	AXON_DTYPE_FLOAT32, AXON_DTYPE_BFLOAT16, AXON_DTYPE_FLOAT16, AXON_DTYPE_INT32,
	AXON_DTYPE_UINT8, AXON_DTYPE_INT8, AXON_DTYPE_UINT16, AXON_DTYPE_INT64,
};
#define NUM_REDUCING	5u	/* the first of @types */
#define NUM_TYPES	(sizeof(types) / sizeof(types[0]))
#define NUM_COLLS	(sizeof(colls) / sizeof(colls[0]))

/* How often an algorithm carried a collective out, on any shape. */
static uint32_t ran[MAX_ALGORITHMS][AXCC_NUM_COLLS];

static bool reduces(uint32_t coll)
{
	return coll == AXCC_ALL_REDUCE || coll == AXCC_REDUCE_SCATTER || coll == AXCC_REDUCE;
}

/* Counts that do not divide, from one byte on. */
static uint64_t odd_count(uint32_t *seed, uint64_t most)
{
	static const uint32_t counts[] = { 1, 2, 3, 5, 16, 31, 127, 257, 1023, 4099, 16381 };
	uint64_t n = counts[coll_random(seed) % (sizeof(counts) / sizeof(counts[0]))];

	return n < most ? n : most;
}

static void count_run(struct group *g, uint32_t algorithm, uint32_t coll, uint64_t seq)
{
	const char *name = axcc_op_algorithm(g->comm[0], seq);

	if (!strcmp(name, axcc_algorithm_name(algorithm)))
		ran[algorithm][coll]++;
}

/* All types, each with another count, root, reduction. */
static void try_types(struct group *g, uint32_t algorithm, uint32_t coll, uint64_t most,
		      uint64_t *seq, uint32_t *seed)
{
	uint32_t num = coll == AXCC_BARRIER ? 1 : reduces(coll) ? NUM_REDUCING : NUM_TYPES;
	uint32_t ranks = g->shape.ranks, i;

	for (i = 0; i < num; i++) {
		struct coll_case c = {
			.coll = coll,
			.dtype = coll == AXCC_BARRIER ? AXON_DTYPE_UINT8 : types[i],
			.reduction = (i + *seed) % AXCC_NUM_REDUCTIONS,
			.count = coll == AXCC_BARRIER ? 0 : odd_count(seed, most),
			.root = coll_random(seed) % ranks,
			.in_place = coll_random(seed) % 2,
			.shift = coll_random(seed) % ranks,
			.skip = i % 2 ? 0 : coll_random(seed) % ranks,
			.seed = coll_random(seed),
		};

		group_case(g, &c);
		count_run(g, algorithm, coll, ++*seq);
	}
}

static void try_algorithm(struct group *g, uint32_t algorithm, uint64_t most, uint32_t *seed)
{
	struct axcc_options o = { .size = sizeof(o), .algorithm = axcc_algorithm_name(algorithm) };
	uint64_t seq = 0;
	uint32_t i;

	group_join(g, &o);
	for (i = 0; i < NUM_COLLS; i++)
		if (axcc_algorithm_can(algorithm, colls[i]))
			try_types(g, algorithm, colls[i], most, &seq, seed);
	group_leave(g);
}

static void test_algorithms(void **state)
{
	struct coll_case largest = { .count = 16381, .dtype = AXON_DTYPE_INT64 };
	struct shape shape[MAX_SHAPES];
	uint32_t num = all_shapes(shape), seed = 1, rounds = sweep ? 20 : 1, i, a;
	struct group g;

	for (i = 0; i < num; i++) {
		group_open(&g, &shape[i], coll_arena_size(&largest, shape[i].ranks));
		for (a = 0; axcc_algorithm_name(a); a++)
			for (uint32_t round = 0; round < rounds; round++)
				try_algorithm(&g, a, largest.count, &seed);
		group_close(&g);
	}
	for (a = 0; axcc_algorithm_name(a); a++)
		for (i = 0; i < NUM_COLLS; i++) {
			/* Some want a torus, which the driver's cards may not be. */
			if (!axcc_algorithm_can(a, colls[i]) || ran[a][colls[i]] || group_on_driver)
				continue;
			print_error("%s never did %s\n", axcc_algorithm_name(a),
				    axcc_coll_str(colls[i]));
			fail();
		}
}

/* ---- large ones ---- */

/* About @bytes at the rank that has the most. */
static struct coll_case large_case(uint32_t coll, uint32_t ranks, uint64_t bytes, uint32_t i)
{
	uint32_t dtype = types[i % NUM_REDUCING];
	uint64_t count = bytes / axon_dtype_size(dtype);

	if (coll == AXCC_ALL_GATHER || coll == AXCC_REDUCE_SCATTER || coll == AXCC_ALL_TO_ALL)
		count /= ranks;
	return (struct coll_case) {
		.coll = coll,
		.dtype = dtype,
		.count = coll == AXCC_BARRIER ? 0 : count - 1 - i % 7,
		.root = i % ranks,
		.in_place = i % 2,
		.shift = 1,
		.seed = i,
	};
}

static void try_large(const struct shape *shape, const char *algorithm, uint64_t bytes)
{
	struct axcc_options o = { .size = sizeof(o), .algorithm = algorithm };
	struct group g;
	uint64_t arena = 0;
	uint32_t i;

	for (i = 0; i < NUM_COLLS; i++) {
		struct coll_case c = large_case(colls[i], shape->ranks, bytes, i);
		uint64_t size = coll_arena_size(&c, shape->ranks);

		arena = size > arena ? size : arena;
	}
	group_open(&g, shape, arena);
	group_join(&g, &o);
	for (i = 0; i < NUM_COLLS; i++) {
		struct coll_case c = large_case(colls[i], shape->ranks, bytes, i);

		group_case(&g, &c);
	}
	group_close(&g);
}

static void test_large(void **state)
{
	struct shape shape[MAX_SHAPES], four;
	uint32_t num = all_shapes(shape), i, a;

	four = shape_most(4, "ring");
	try_large(&four, NULL, 4 << 20);
	if (sweep && group_on_driver)
		try_large(&four, NULL, 64 << 20);
	for (i = 0; sweep && !group_on_driver && i < num; i++) {
		uint32_t mib = shape[i].ranks <= 4 ? 64 : 8;

		for (a = 0; axcc_algorithm_name(a); a++) {
			try_large(&shape[i], axcc_algorithm_name(a), (uint64_t)mib << 20);
			print_message("%2u ranks on %s, %s, %u MiB: well\n", shape[i].ranks,
				      shape[i].fabric, axcc_algorithm_name(a), mib);
		}
	}
}

/* ---- at the same time ---- */

/* A thread that is one rank. */
struct rank_thread {
	pthread_t thread;
	struct group *g;
	uint32_t rank;
	uint32_t cases;
	char why[512];
};

/* Every rank calls the same random cases, some of them under way at once. */
static void *run_rank(void *arg)
{
	struct rank_thread *t = arg;
	uint32_t ranks = t->g->shape.ranks, seed = 99, i;
	struct axcc_comm *comm = t->g->comm[t->rank];
	struct coll_arena *a = &t->g->arena[t->rank];
	struct axcc_error error;
	uint64_t seq;

	for (i = 0; i < t->cases && !t->why[0]; i++) {
		struct coll_case c = coll_case_random(&seed, ranks, 2000);
		int err;

		coll_fill(&c, ranks, t->rank, a);
		err = coll_call(&c, comm, a, &seq);
		if (!err)
			err = axcc_wait(comm, seq, -1);
		if (err) {
			axcc_comm_error(comm, &error);
			snprintf(t->why, sizeof(t->why), "%s", error.text);
		} else {
			coll_check(&c, ranks, t->rank, a, t->why, sizeof(t->why));
		}
		/* Nobody fills the next one before all have compared. */
		if (!err && !axcc_barrier(comm, &seq))
			axcc_wait(comm, seq, -1);
	}
	return NULL;
}

static void run_threads(const struct shape *shape, uint32_t cases)
{
	struct coll_case largest = { .count = 2000, .dtype = AXON_DTYPE_INT64 };
	struct rank_thread t[GROUP_MAX_RANKS] = { 0 };
	struct group g;
	uint32_t r, bad = 0;

	group_open(&g, shape, coll_arena_size(&largest, shape->ranks));
	group_join(&g, NULL);
	for (r = 0; r < shape->ranks; r++) {
		t[r].g = &g;
		t[r].rank = r;
		t[r].cases = cases;
		assert_int_equal(pthread_create(&t[r].thread, NULL, run_rank, &t[r]), 0);
	}
	for (r = 0; r < shape->ranks; r++) {
		pthread_join(t[r].thread, NULL);
		if (t[r].why[0])
			print_error("rank %u: %s\n", r, t[r].why);
		bad += t[r].why[0] != 0;
	}
	group_close(&g);
	assert_int_equal(bad, 0);
}

static void test_threads(void **state)
{
	struct shape four = shape_most(4, "mesh"), cores = shape_cores();

	run_threads(&four, sweep ? 2000 : 100);
	if (!group_on_driver)
		run_threads(&cores, sweep ? 1000 : 30);
}

/* Many operations of one communicator under way, waited for from the last to the first. */
static void test_in_flight(void **state)
{
	struct shape shape = shape_plain(4, "ring");
	struct coll_case c[40];
	struct coll_arena a[40][4];
	uint64_t seq[40][4];
	uint32_t seed = 7, i, r;
	struct group g;
	char why[256];

	group_open(&g, &shape, 4096);
	group_join(&g, NULL);
	for (i = 0; i < 40; i++) {
		c[i] = coll_case_random(&seed, 4, 3000);
		for (r = 0; r < 4; r++) {
			assert_int_equal(coll_arena_open(&a[i][r], group_dev(&g, r),
							 coll_arena_size(&c[i], 4)), 0);
			coll_fill(&c[i], 4, r, &a[i][r]);
		}
	}
	/* One rank runs far ahead of the others. */
	for (r = 0; r < 4; r++)
		for (i = 0; i < 40; i++)
			assert_int_equal(coll_call(&c[i], g.comm[r], &a[i][r], &seq[i][r]), 0);
	for (i = 40; i--;)
		for (r = 0; r < 4; r++) {
			assert_int_equal(axcc_wait(g.comm[r], seq[i][r], -1), 0);
			assert_int_equal(coll_check(&c[i], 4, r, &a[i][r], why, sizeof(why)), 0);
			coll_arena_close(&a[i][r]);
		}
	group_close(&g);
}

/* Communicators that share cards and cores, each with its own order of them. */
static void test_communicators(void **state)
{
	struct shape shape = shape_plain(4, "ring");
	uint32_t list[3][4] = { { 3, 2, 1, 0 }, { 0, 2 }, { 3, 1 } };
	uint32_t count[3] = { 4, 2, 2 };
	struct axcc_comm *comm[3][4] = { { NULL } };
	struct coll_case c[3];
	struct coll_arena a[3][4];
	uint64_t seq[3][4];
	uint32_t seed = 3, round, i, r;
	struct group g;
	char why[256];

	group_open(&g, &shape, 4096);
	group_join(&g, NULL);
	axcc_group_start();
	for (i = 0; i < 3; i++)
		for (r = 0; r < count[i]; r++) {
			assert_int_equal(axcc_comm_create(NULL, &comm[i][r]), 0);
			assert_int_equal(axcc_comm_split(g.comm[list[i][r]], list[i], count[i],
							 comm[i][r]), 0);
		}
	assert_int_equal(axcc_group_end(), 0);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 3; i++) {
			c[i] = coll_case_random(&seed, count[i], 3000);
			for (r = 0; r < count[i]; r++) {
				assert_int_equal(axcc_comm_rank(comm[i][r]), r);
				assert_int_equal(coll_arena_open(&a[i][r],
								 group_dev(&g, list[i][r]),
								 coll_arena_size(&c[i], count[i])),
						 0);
				coll_fill(&c[i], count[i], r, &a[i][r]);
			}
		}
		/* In another order for each rank. */
		for (r = 0; r < 4; r++)
			for (i = 0; i < 3; i++) {
				uint32_t k = (i + r) % 3;

				if (r < count[k])
					assert_int_equal(coll_call(&c[k], comm[k][r], &a[k][r],
								   &seq[k][r]), 0);
			}
		for (i = 0; i < 3; i++)
			for (r = 0; r < count[i]; r++) {
				assert_int_equal(axcc_wait(comm[i][r], seq[i][r], -1), 0);
				assert_int_equal(coll_check(&c[i], count[i], r, &a[i][r], why,
							    sizeof(why)), 0);
				coll_arena_close(&a[i][r]);
			}
	}
	for (i = 0; i < 3; i++)
		for (r = 0; r < count[i]; r++)
			axcc_comm_destroy(comm[i][r]);
	group_close(&g);
}

/* Around a ring of ranks, several times, by one thread; and to itself. */
static void test_send(void **state)
{
	struct shape shape = shape_plain(5, "ring");
	uint64_t send[5], recv[5];
	uint32_t step, round, r, i;
	struct group g;

	group_open(&g, &shape, 1 << 20);
	group_join(&g, NULL);
	for (step = 0; step < 5; step++)
		for (round = 0; round < 5; round++) {
			uint32_t count = 1 + round * 30011;

			for (r = 0; r < 5; r++)
				for (i = 0; i < count; i++)
					g.arena[r].ptr[i] = (uint8_t)(i * 3 + r + round);
			for (r = 0; r < 5; r++) {
				struct axcc_buf from = { g.arena[r].bo, 0 };
				struct axcc_buf to = { g.arena[r].bo, 1 << 19 };

				assert_int_equal(axcc_send(g.comm[r], from, count, AXON_DTYPE_UINT8,
							   (r + step) % 5, &send[r]), 0);
				assert_int_equal(axcc_recv(g.comm[r], to, count, AXON_DTYPE_UINT8,
							   (r + 5 - step) % 5, &recv[r]), 0);
			}
			for (r = 0; r < 5; r++) {
				assert_int_equal(axcc_wait(g.comm[r], recv[r], -1), 0);
				assert_int_equal(axcc_wait(g.comm[r], send[r], -1), 0);
				for (i = 0; i < count; i++)
					assert_int_equal(g.arena[r].ptr[(1 << 19) + i],
							 (uint8_t)(i * 3 + (r + 5 - step) % 5 +
								   round));
			}
		}
	group_close(&g);
}

/* Buffers come and go while programs for them are kept. */
static void test_buffers(void **state)
{
	struct coll_case c = { .coll = AXCC_ALL_REDUCE, .dtype = AXON_DTYPE_INT32, .count = 777 };
	struct shape shape = shape_most(3, "ring");
	struct group g;
	uint32_t round, r;

	group_open(&g, &shape, 4096);
	group_join(&g, NULL);
	for (round = 0; round < 30; round++) {
		for (r = 0; r < shape.ranks; r++) {
			coll_arena_close(&g.arena[r]);
			assert_int_equal(coll_arena_open(&g.arena[r], group_dev(&g, r),
							 coll_arena_size(&c, shape.ranks) +
							 round * 4096), 0);
		}
		c.in_place = round % 2;
		c.seed = round;
		group_case(&g, &c);
		group_case(&g, &c);
	}
	group_close(&g);
}

/* ---- in a program ---- */

#define STREAM_CODE	0x10000000ull
#define STREAM_SEMS	4u	/* the program's own */
#define NUM_STAGES	5u

/**
 * struct program_rank - a rank whose collectives are part of a program
 * @vm: its address space
 * @ctx: its context
 * @queue: same
 * @code: the program
 * @stream: its collectives
 * @stage: what they are made of
 * @arena: of each stage
 */
struct program_rank {
	struct axon_vm *vm;
	struct axon_context *ctx;
	struct axon_queue *queue;
	struct axon_bo *code;
	struct axcc_stream *stream;
	struct axcc_stage stage[NUM_STAGES];
	struct coll_arena arena[NUM_STAGES];
};

/* The sync engine lets stage 0 go, waits for the last one, and ends. */
static void write_stream_program(struct program_rank *p, void *ptr)
{
	struct axon_program *program = ptr;
	struct axon_inst *sync = (struct axon_inst *)(program + 1);
	struct axon_inst go = inst_new(AXON_OP_NOP);

	go.post_op = AXON_POST_ADD;
	go.post_sem = 0;
	go.post_val = 1;
	sync[0] = go;
	sync[1] = inst_wait(1, 4);
	sync[2] = inst_halt();
	memcpy(sync + 3, p->stream->code, p->stream->count * sizeof(*sync));
	*program = (struct axon_program) {
		.magic = AXON_PROGRAM_MAGIC,
		.version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR,
		.gang = p->stream->gang,
		.rank = p->stream->rank,
		.ranks = p->stream->ranks,
	};
	program->engine[AXON_ENGINE_SYNC] = (struct axon_stream) {
		.addr = STREAM_CODE + sizeof(*program),
		.count = 3,
	};
	program->engine[AXON_ENGINE_CC] = (struct axon_stream) {
		.addr = STREAM_CODE + sizeof(*program) + 3 * sizeof(*sync),
		.count = p->stream->count,
	};
}

static void load_stream_program(struct program_rank *p, struct axon_device *dev)
{
	uint64_t size = sizeof(struct axon_program) +
		(3 + p->stream->count) * sizeof(struct axon_inst);
	void *ptr;

	assert_int_equal(axon_bo_create(dev, size, DRM_AXON_REGION_HBM, DRM_AXON_BO_CPU_VISIBLE,
					NULL, &p->code), 0);
	assert_int_equal(axon_bo_map(p->code, &ptr), 0);
	write_stream_program(p, ptr);
	assert_int_equal(axon_vm_map(p->vm, p->code, 0, STREAM_CODE, axon_bo_size(p->code),
				     DRM_AXON_BIND_READONLY), 0);
}

static void open_program_rank(struct program_rank *p, struct group *g, uint32_t r)
{
	struct axon_queue_params params = { .core = g->shape.core[r] };
	struct axcc_options o = {
		.size = sizeof(o),
		.vm_start = 1ull << 40,
		.vm_end = 2ull << 40,
	};

	assert_int_equal(axon_vm_create(group_dev(g, r), &p->vm), 0);
	assert_int_equal(axon_context_create(p->vm, DRM_AXON_PRIORITY_NORMAL, &p->ctx), 0);
	assert_int_equal(axon_queue_create(p->ctx, &params, &p->queue), 0);
	o.vm = p->vm;
	assert_int_equal(axcc_comm_create(&o, &g->comm[r]), 0);
}

static void close_program_rank(struct program_rank *p)
{
	uint32_t i;

	axcc_stream_destroy(p->stream);
	for (i = 0; i < NUM_STAGES; i++)
		coll_arena_close(&p->arena[i]);
	axon_queue_destroy(p->queue);
	assert_int_equal(axon_context_destroy(p->ctx), 0);
	axon_bo_destroy(p->code);
}

static void make_stages(struct program_rank *p, struct group *g, uint32_t r,
			const struct coll_case *c, uint32_t (*targets)[GROUP_MAX_RANKS])
{
	uint32_t i;

	for (i = 0; i < NUM_STAGES; i++) {
		assert_int_equal(coll_arena_open(&p->arena[i], group_dev(g, r),
						 coll_arena_size(&c[i], g->shape.ranks)), 0);
		p->stage[i] = coll_stage(&c[i], g->shape.ranks, r, &p->arena[i], targets[i]);
		p->stage[i].post_sem = 1;
		p->stage[i].post_val = i == 0 || i + 1 == NUM_STAGES ? 1 + i / 2 : 0;
	}
	/* The first waits for the program, which waits for the first and the last. */
	p->stage[0].wait_sem = 0;
	p->stage[0].wait_val = 1;
}

static void run_streams(struct group *g, struct program_rank *p, const struct coll_case *c)
{
	struct drm_axon_job job = { .opcode = AXON_CMD_LAUNCH, .operand = { STREAM_CODE } };
	uint32_t ranks = g->shape.ranks, r, i;
	uint64_t seqno[GROUP_MAX_RANKS];
	char why[256] = "";

	for (r = 0; r < ranks; r++)
		for (i = 0; i < NUM_STAGES; i++)
			coll_fill(&c[i], ranks, r, &p[r].arena[i]);
	for (r = 0; r < ranks; r++)
		assert_int_equal(axon_submit(p[r].queue, &job, 1, NULL, 0, &seqno[r]), 0);
	for (r = 0; r < ranks; r++)
		assert_int_equal(axon_wait(p[r].queue, seqno[r], 60ll * 1000000000), 0);
	for (r = 0; r < ranks; r++)
		for (i = 0; i < NUM_STAGES; i++) {
			if (coll_check(&c[i], ranks, r, &p[r].arena[i], why, sizeof(why)))
				print_error("stage %u: %s\n", i, why);
			assert_string_equal(why, "");
		}
}

static void try_streams(const struct shape *shape, uint32_t seed)
{
	uint32_t targets[NUM_STAGES][GROUP_MAX_RANKS];
	struct axon_device *dev[GROUP_MAX_RANKS];
	struct program_rank p[GROUP_MAX_RANKS] = { { NULL } };
	struct coll_case c[NUM_STAGES];
	uint32_t core[GROUP_MAX_RANKS];
	struct group g;
	uint32_t r, i;

	group_open(&g, shape, 4096);
	for (i = 0; i < NUM_STAGES; i++)
		c[i] = coll_case_random(&seed, shape->ranks, 3000);
	for (r = 0; r < shape->ranks; r++) {
		open_program_rank(&p[r], &g, r);
		dev[r] = group_dev(&g, r);
		core[r] = shape->core[r];
	}
	assert_int_equal(axcc_comm_init_all(g.comm, dev, core, shape->ranks), 0);
	axcc_group_start();
	for (r = 0; r < shape->ranks; r++) {
		make_stages(&p[r], &g, r, c, targets);
		assert_int_equal(axcc_stream_create(g.comm[r], p[r].stage, NUM_STAGES, STREAM_SEMS,
						    &p[r].stream), 0);
	}
	assert_int_equal(axcc_group_end(), 0);
	for (r = 0; r < shape->ranks; r++)
		load_stream_program(&p[r], dev[r]);
	for (i = 0; i < 3; i++)
		run_streams(&g, p, c);
	for (r = 0; r < shape->ranks; r++)
		close_program_rank(&p[r]);
	group_leave(&g);
	for (r = 0; r < shape->ranks; r++)
		assert_int_equal(axon_vm_destroy(p[r].vm), 0);
	group_close(&g);
}

static void test_streams(void **state)
{
	struct shape shape[MAX_SHAPES];
	uint32_t num = all_shapes(shape), i, k;

	for (i = 0; i < num; i++)
		for (k = 0; k < (sweep ? 50 : 2); k++)
			try_streams(&shape[i], 1 + i + 100 * k);
}

/* ---- wrong arguments ---- */

/* What is no operation is refused, and nothing happens to the communicator. */
static void test_refused(void **state)
{
	struct axcc_options o = { .size = sizeof(o), .algorithm = "no such" };
	struct coll_case c = { .coll = AXCC_ALL_REDUCE, .dtype = AXON_DTYPE_INT32, .count = 10 };
	struct shape shape = shape_plain(2, "pair");
	struct axcc_comm *comm;
	struct axcc_buf buf, other, far;
	uint32_t bad[2] = { 1, 1 };
	struct group g;

	assert_int_equal(axcc_comm_create(&o, &comm), -EINVAL);
	group_open(&g, &shape, 4096);
	group_join(&g, NULL);
	comm = g.comm[0];
	buf = (struct axcc_buf) { g.arena[0].bo, 0 };
	other = (struct axcc_buf) { g.arena[0].bo, 4 };
	far = (struct axcc_buf) { g.arena[1].bo, 0 };
	assert_int_equal(axcc_all_reduce(comm, buf, buf, 1025, AXON_DTYPE_FLOAT32, AXCC_SUM, NULL),
			 -EINVAL);
	assert_int_equal(axcc_all_reduce(comm, buf, other, 2, AXON_DTYPE_FLOAT32, AXCC_SUM, NULL),
			 -EINVAL);
	assert_int_equal(axcc_all_reduce(comm, buf, far, 2, AXON_DTYPE_FLOAT32, AXCC_SUM, NULL),
			 -EINVAL);
	assert_int_equal(axcc_all_reduce(comm, buf, buf, 2, AXON_DTYPE_INT64, AXCC_SUM, NULL),
			 -EINVAL);
	assert_int_equal(axcc_all_reduce(comm, buf, buf, 2, AXON_DTYPE_FLOAT32, 9, NULL), -EINVAL);
	assert_int_equal(axcc_broadcast(comm, buf, buf, 2, AXON_DTYPE_INT8, 2, NULL), -EINVAL);
	assert_int_equal(axcc_permute(comm, buf, buf, 2, AXON_DTYPE_INT8, bad, NULL), -EINVAL);
	assert_int_equal(axcc_send(comm, buf, 2, AXON_DTYPE_INT8, 2, NULL), -EINVAL);
	assert_int_equal(axcc_wait(comm, 1, 0), -EINVAL);
	group_case(&g, &c);
	group_close(&g);
}

/* What every card does; the rest is libaxcc's own matter. */
static int run_on_driver(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_streams),
	};

	group_on_driver = true;
	if (axon_device_count(&driver_cards) || driver_cards < 2) {
		fprintf(stderr, "needs two cards\n");
		return 1;
	}
	if (driver_cards > GROUP_MAX_RANKS / 2)
		driver_cards = GROUP_MAX_RANKS / 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	const char *device = getenv("AXON_DEVICE");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_communicators),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_refused),
	};

	sweep = argc > 1 && !strcmp(argv[1], "--sweep");
	if (device && !strcmp(device, "drm"))
		return run_on_driver();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
