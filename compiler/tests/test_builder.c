/* SPDX-License-Identifier: MIT */
/*
 * test_builder.c - order: kernels whose engines depend on each other, in loops and out of them,
 * executed in many random orders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "interp.h"
#include "ref.h"

#define SEEDS	60
#define W	16u	/* elements of a row */

static void *finish(struct axc_program *p, size_t *size)
{
	const char *text;
	void *elf = NULL;

	if (axc_program_finish(p, &elf, size)) {
		axc_program_error(p, &text);
		fail_msg("%s", text);
	}
	axc_program_free(p);
	return elf;
}

static struct axc_tensor *tensor(struct axc_program *p, enum axc_usage usage, const char *name,
				 enum axon_dtype dtype, uint64_t n)
{
	return axc_tensor_new(p, usage, name, dtype, 1, &n);
}

static struct axc_tile *tile(struct axc_program *p)
{
	return axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 1, W);
}

/* dst = src + value, on @e */
static void add(struct axc_program *p, enum axon_engine e, struct axc_tile *dst,
		struct axc_tile *src, float value)
{
	axc_tensor_scalar(p, e, axc_view(dst), axc_view(src), AXON_ALU_ADD, axc_s(value),
			  AXON_ALU_NONE, axc_s(0));
}

static void row_dma(struct axc_program *p, bool load, enum axon_engine e, unsigned int queue,
		    struct axc_tile *t, struct axc_tensor *m, struct axc_reg *offset)
{
	struct axc_mem chip = { .tile = t, .step = { 0, 0, 0, 4 } };
	struct axc_mem mem = { .tensor = m, .step = { 0, 0, 0, 4 }, .reg = { offset },
			       .region = AXC_REGION_ALL };

	axc_dma(p, &(struct axc_dma){ .engine = e, .queue = queue, .count = { 1, 1, 1, W },
				      .dst = load ? chip : mem, .src = load ? mem : chip });
}

static void run_all(void *elf, size_t size, struct interp_tensor *t, unsigned int n,
		    void (*check)(void *), void *arg, void *out, size_t out_size)
{
	struct interp *in = interp_load(elf, size, t, n);
	uint32_t seed;

	assert_non_null(in);
	for (seed = 0; seed < SEEDS; seed++) {
		memset(out, 0xff, out_size);
		assert_int_equal(interp_run(in, seed), 0);
		check(arg);
	}
	interp_free(in);
	free(elf);
}

struct rows {
	float in[8 * W], out[8 * W], sum[W];
	uint32_t trips;
};

static void check_rows(void *arg)
{
	struct rows *r = arg;
	uint32_t i, j;
	float sum;

	for (i = 0; i < W; i++) {
		sum = 100;
		for (j = 0; j < r->trips; j++) {
			assert_true(r->out[j * W + i] == r->in[j * W + i] + 6);
			sum += r->in[j * W + i] + 6;
		}
		assert_true(r->sum[i] == sum);
	}
}

/*
 * Rows through one set of tiles: every engine has to wait for the one before it and, before it
 * overwrites a tile, for last iteration's reader; then a value carried from iteration to iteration.
 */
static void loop_reuses_tiles(void **state)
{
	uint32_t trips, seed = 1;

	for (trips = 0; trips <= 7; trips++) {
		struct rows r = { .trips = trips };
		struct interp_tensor t[] = { { "in", r.in, sizeof(r.in) },
					     { "out", r.out, sizeof(r.out) },
					     { "sum", r.sum, sizeof(r.sum) },
					     { "n", &r.trips, 4 } };
		struct axc_program *p = axc_program_new("rows");
		struct axc_tensor *in = tensor(p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, 8 * W);
		struct axc_tensor *out = tensor(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, 8 * W);
		struct axc_tensor *sum = tensor(p, AXC_OUTPUT, "sum", AXON_DTYPE_FLOAT32, W);
		struct axc_tensor *n = tensor(p, AXC_INPUT, "n", AXON_DTYPE_UINT32, 1);
		struct axc_tile *a = tile(p), *b = tile(p), *c = tile(p), *acc = tile(p);
		struct axc_reg *i;
		size_t size;

		ref_fill(&seed, r.in, 8 * W, 1);
		for (uint32_t k = 0; k < 8 * W; k++)
			r.in[k] = (float)(int)(r.in[k] * 1000);
		axc_memset(p, AXON_ENGINE_GPSIMD, axc_view(acc), 0x42c80000);	/* 100 */
		i = axc_loop_begin(p, 0, axc_reg_load(p, n, 0, AXON_DTYPE_UINT32));
		i = axc_reg_opi(p, AXON_RALU_MUL, i, W * 4);
		row_dma(p, true, AXON_ENGINE_SYNC, 0, a, in, i);
		add(p, AXON_ENGINE_VECTOR, b, a, 1);
		add(p, AXON_ENGINE_SCALAR, c, b, 2);
		add(p, AXON_ENGINE_GPSIMD, c, c, 3);
		axc_tensor_tensor(p, AXON_ENGINE_VECTOR, AXON_ALU_ADD, axc_view(acc), axc_view(acc),
				  axc_view(c));
		row_dma(p, false, AXON_ENGINE_SYNC, 1, c, out, i);
		axc_loop_end(p);
		row_dma(p, false, AXON_ENGINE_SCALAR, 2, acc, sum, NULL);
		void *elf = finish(p, &size);

		run_all(elf, size, t, 4, check_rows, &r, r.out, sizeof(r.out));
	}
}

struct nest {
	float out[W];
	uint32_t outer, inner;
};

static void check_nest(void *arg)
{
	struct nest *n = arg;
	float x = 0, y = 0;
	uint32_t i, j;

	for (i = 0; i < n->outer; i++) {
		x += 1;
		for (j = 0; j < n->inner; j++)
			y = y + 2 + x;
		for (j = 0; j < 3; j++)
			x += 0.5f;
		y += 1;
	}
	assert_true(n->out[0] == x + y && n->out[W - 1] == x + y);
}

/* Loops in loops: one that engines share, one of an engine alone, and engines outside of them. */
static void nested_loops(void **state)
{
	uint32_t i;

	for (i = 0; i < 16; i++) {
		struct nest n = { .outer = i / 4, .inner = i % 4 };
		struct interp_tensor t[] = { { "out", n.out, sizeof(n.out) },
					     { "n", &n.outer, 8 } };
		struct axc_program *p = axc_program_new("nest");
		struct axc_tensor *out = tensor(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, W);
		struct axc_tensor *count = tensor(p, AXC_INPUT, "n", AXON_DTYPE_UINT32, 2);
		struct axc_tile *x = tile(p), *y = tile(p), *z = tile(p);
		struct axc_reg *outer = axc_reg_load(p, count, 0, AXON_DTYPE_UINT32);
		struct axc_reg *inner = axc_reg_load(p, count, 4, AXON_DTYPE_UINT32);
		size_t size;

		axc_memset(p, AXON_ENGINE_GPSIMD, axc_view(x), 0);
		axc_memset(p, AXON_ENGINE_VECTOR, axc_view(y), 0);
		axc_loop_begin(p, 0, outer);
		add(p, AXON_ENGINE_SCALAR, x, x, 1);
		axc_loop_begin(p, 0, inner);
		add(p, AXON_ENGINE_GPSIMD, z, y, 2);
		axc_tensor_tensor(p, AXON_ENGINE_VECTOR, AXON_ALU_ADD, axc_view(y), axc_view(z),
				  axc_view(x));
		axc_loop_end(p);
		axc_loop_begin(p, 3, NULL);
		add(p, AXON_ENGINE_VECTOR, x, x, 0.5f);
		axc_loop_end(p);
		add(p, AXON_ENGINE_GPSIMD, y, y, 1);
		axc_loop_end(p);
		axc_tensor_tensor(p, AXON_ENGINE_VECTOR, AXON_ALU_ADD, axc_view(z), axc_view(x),
				  axc_view(y));
		row_dma(p, false, AXON_ENGINE_SYNC, 0, z, out, NULL);
		void *elf = finish(p, &size);

		run_all(elf, size, t, 2, check_nest, &n, n.out, sizeof(n.out));
	}
}

struct chain {
	float in[W], out[W];
	float expect;
};

static void check_chain(void *arg)
{
	struct chain *c = arg;
	uint32_t i;

	for (i = 0; i < W; i++)
		assert_true(c->out[i] == c->in[i] + c->expect);
}

/* A random walk over tiles, engines, queues and memory; each step adds 1 or moves. */
static void random_straight(void **state)
{
	static const enum axon_engine engines[] = { AXON_ENGINE_VECTOR, AXON_ENGINE_SCALAR,
						    AXON_ENGINE_GPSIMD };
	uint32_t seed = 77, round;

	for (round = 0; round < 30; round++) {
		struct chain c = { .expect = 0 };
		struct interp_tensor t[] = { { "in", c.in, sizeof(c.in) },
					     { "out", c.out, sizeof(c.out) } };
		struct axc_program *p = axc_program_new("chain");
		struct axc_tensor *in = tensor(p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, W);
		struct axc_tensor *out = tensor(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, W);
		struct axc_tensor *tmp = tensor(p, AXC_SCRATCH, NULL, AXON_DTYPE_FLOAT32, W);
		struct axc_tile *at = tile(p), *to;
		bool in_loop = false;
		uint32_t i, what;
		size_t size;

		for (i = 0; i < W; i++)
			c.in[i] = (float)i;
		row_dma(p, true, AXON_ENGINE_SYNC, 0, at, in, NULL);
		for (i = 0; i < 40; i++) {
			what = (uint32_t)((ref_random(&seed) + 1) * 5.999f);
			if (what < 5) {
				to = what < 3 || in_loop ? at : tile(p);
				add(p, engines[what % 3], to, at, 1);
				c.expect += in_loop ? 3 : 1;
				if (to != at)
					axc_tile_free(p, at);
				at = to;
			} else if (what < 8) {
				row_dma(p, false, AXON_ENGINE_GPSIMD, 3 + what % 2, at, tmp, NULL);
				row_dma(p, true, AXON_ENGINE_SYNC, 1 + what % 2, at, tmp, NULL);
			} else if (what == 8 && !in_loop) {
				axc_loop_begin(p, 3, NULL);
				in_loop = true;
			} else if (what == 9 && in_loop) {
				axc_loop_end(p);
				in_loop = false;
			}
		}
		if (in_loop)
			axc_loop_end(p);
		row_dma(p, false, AXON_ENGINE_SYNC, 0, at, out, NULL);
		void *elf = finish(p, &size);

		run_all(elf, size, t, 2, check_chain, &c, c.out, sizeof(c.out));
	}
}

/* Transfers of one queue are in order, those of two are not; regions are independent. */
static void split_tensor(void **state)
{
	struct chain c = { .expect = 3 };
	struct interp_tensor t[] = { { "in", c.in, sizeof(c.in) },
				     { "out", c.out, sizeof(c.out) } };
	struct axc_program *p = axc_program_new("split");
	struct axc_tensor *in = tensor(p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, W);
	struct axc_tensor *out = tensor(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, W);
	struct axc_tensor *tmp = tensor(p, AXC_SCRATCH, NULL, AXON_DTYPE_FLOAT32, 2 * W);
	struct axc_tile *a = tile(p), *b = tile(p);
	uint32_t i;
	size_t size;

	for (i = 0; i < W; i++)
		c.in[i] = (float)i;
	axc_tensor_split(tmp, 2);
	row_dma(p, true, AXON_ENGINE_SYNC, 0, a, in, NULL);
	for (i = 0; i < 6; i++) {
		struct axc_mem mem = { .tensor = tmp, .offset = i % 2 * W * 4, .region = i % 2,
				       .step = { 0, 0, 0, 4 } };

		if (i < 3)
			add(p, AXON_ENGINE_VECTOR, a, a, 1);
		axc_dma(p, &(struct axc_dma){
			.engine = AXON_ENGINE_SCALAR, .queue = 4 + i % 2, .dst = mem,
			.src = { .tile = a, .step = { 0, 0, 0, 4 } }, .count = { 1, 1, 1, W } });
		axc_dma(p, &(struct axc_dma){
			.engine = AXON_ENGINE_GPSIMD, .queue = 6 + i % 3, .src = mem,
			.dst = { .tile = b, .step = { 0, 0, 0, 4 } }, .count = { 1, 1, 1, W } });
	}
	row_dma(p, false, AXON_ENGINE_SYNC, 1, b, out, NULL);
	void *elf = finish(p, &size);

	run_all(elf, size, t, 2, check_chain, &c, c.out, sizeof(c.out));
}

#define KEPT	6u

struct kept {
	float in[W], out[W], data[KEPT][W];
};

static void check_kept(const struct kept *k)
{
	uint32_t i, j;
	float sum;

	for (i = 0; i < W; i++) {
		sum = k->in[i];
		for (j = 0; j < KEPT; j++)
			sum += k->data[j][i];
		assert_true(k->out[i] == sum);
	}
}

/*
 * Constants that stay on chip, on two queues and with a plain transfer between them, then a plain
 * one behind them on one of their queues. The interpreter fills what is not kept with NaNs.
 */
static struct axc_program *kept_program(const struct kept *k)
{
	struct axc_program *p = axc_program_new("kept");
	struct axc_tensor *in = tensor(p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, W);
	struct axc_tensor *out = tensor(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, W);
	struct axc_tile *data[KEPT], *sum = tile(p), *more = tile(p);
	uint32_t j;

	for (j = 0; j < KEPT; j++)
		data[j] = tile(p);
	for (j = 0; j < KEPT; j++) {
		axc_load_kept(p, AXON_ENGINE_SYNC, j % 2, data[j], 0, W,
			      axc_const_new(p, AXON_DTYPE_FLOAT32, k->data[j], sizeof(k->data[j])),
			      0, W * 4);
		if (j == KEPT / 2)
			row_dma(p, true, AXON_ENGINE_SYNC, 4, sum, in, NULL);
	}
	row_dma(p, true, AXON_ENGINE_SYNC, 0, more, in, NULL);
	/* The same input once more, so that what came with it on that queue must have come. */
	axc_tensor_tensor(p, AXON_ENGINE_VECTOR, AXON_ALU_MAX, axc_view(sum), axc_view(sum),
			  axc_view(more));
	for (j = 0; j < KEPT; j++)
		axc_tensor_tensor(p, AXON_ENGINE_GPSIMD, AXON_ALU_ADD, axc_view(sum), axc_view(sum),
				  axc_view(data[j]));
	row_dma(p, false, AXON_ENGINE_SYNC, 5, sum, out, NULL);
	return p;
}

static void kept_on_chip(void **state)
{
	struct kept k;
	struct interp_tensor t[] = {
		{ "in", k.in, sizeof(k.in) }, { "out", k.out, sizeof(k.out) },
	};
	uint64_t cold = 0;
	struct interp *in;
	uint32_t seed, i, j;
	size_t size;
	void *elf;

	for (i = 0; i < W; i++)
		for (j = 0; j < KEPT; j++)
			k.data[j][i] = (float)(i * 100 + j);
	elf = finish(kept_program(&k), &size);
	in = interp_load(elf, size, t, 2);
	assert_non_null(in);
	for (seed = 0; seed < SEEDS; seed++) {
		for (i = 0; i < W; i++)
			k.in[i] = (float)(seed + i);
		memset(k.out, 0xff, sizeof(k.out));
		interp_keep(in, seed % 3);
		assert_int_equal(interp_run(in, seed), 0);
		check_kept(&k);
		/* Six transfers less, a NOP for each of two queues in two groups more. */
		if (seed % 3)
			assert_true(interp_executed(in) < cold);
		else
			cold = interp_executed(in);
	}
	interp_free(in);
	free(elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loop_reuses_tiles), cmocka_unit_test(nested_loops),
		cmocka_unit_test(random_straight), cmocka_unit_test(split_tensor),
		cmocka_unit_test(kept_on_chip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
