/* SPDX-License-Identifier: MIT */
/*
 * test_random.c - random programs: tiles, memory, queues, nested loops with counts known and
 * unknown at build time. Executed in program order by this test itself and in random order by the
 * interpreter (and on the soft card); every tile must come out the same to the last bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "interp.h"
#include "ref.h"
#include "soft.h"

#define W		8u	/* elements of a tile */
#define TILES		5u
#define REGIONS		3u	/* of memory, each as large as a tile */
#define STEPS		24u
#define COUNTS		4u	/* loop counts the program reads */
#define PROGRAMS	250u
#define ORDERS		5u

enum what { SCALE, LARGER, SMALLER, COPY, STORE, LOAD, LOOP, END, NUM_WHAT };

struct step {
	enum what what;
	unsigned int engine, a, b, dst, queue;
	float value;
	int count;		/* LOOP: index into counts, or -1: @trips */
	uint32_t trips;
	unsigned int end;	/* LOOP: its END */
};

struct world {
	struct step step[STEPS + 16];
	unsigned int n;
	uint32_t counts[COUNTS];
	float in[TILES][W], tile[TILES][W], mem[REGIONS][W];
};

static bool have_soft;

static unsigned int pick(uint32_t *seed, unsigned int n)
{
	return (unsigned int)((ref_random(seed) + 1) / 2.0001f * (float)n);
}

/* At most two loops deep and few iterations, so that it ends soon. */
static void invent(struct world *w, uint32_t *seed)
{
	unsigned int open[3], depth = 0, i, j;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < COUNTS; i++)
		w->counts[i] = pick(seed, 4);
	for (i = 0; i < TILES; i++)
		for (j = 0; j < W; j++)
			w->in[i][j] = (float)pick(seed, 100);
	while (w->n < STEPS) {
		struct step *s = &w->step[w->n];

		*s = (struct step){ .what = (enum what)pick(seed, NUM_WHAT),
				    .engine = pick(seed, 3), .a = pick(seed, TILES),
				    .b = pick(seed, TILES), .dst = pick(seed, TILES),
				    .queue = pick(seed, 2), .value = (float)pick(seed, 50),
				    .trips = pick(seed, 3) };
		s->count = (int)pick(seed, COUNTS + 2) - 2 < 0 ? -1 : (int)pick(seed, COUNTS);
		if (s->what == LOOP && depth == 2)
			continue;
		if (s->what == END && !depth)
			continue;
		if (s->what == LOOP)
			open[depth++] = w->n;
		else if (s->what == END)
			w->step[open[--depth]].end = w->n;
		w->n++;
	}
	while (depth) {
		w->step[w->n].what = END;
		w->step[open[--depth]].end = w->n++;
	}
}

static void execute(struct world *w, unsigned int from, unsigned int to)
{
	unsigned int i, j, k;

	for (i = from; i < to; i++) {
		const struct step *s = &w->step[i];
		float *d = w->tile[s->dst], *a = w->tile[s->a], *b = w->tile[s->b];
		float *m = w->mem[s->b % REGIONS];

		if (s->what == LOOP) {
			for (j = 0; j < (s->count < 0 ? s->trips : w->counts[s->count]); j++)
				execute(w, i + 1, s->end);
			i = s->end;
			continue;
		}
		for (k = 0; k < W; k++) {
			if (s->what == SCALE)
				d[k] = a[k] * 0.5f + s->value;
			else if (s->what == LARGER)
				d[k] = a[k] > b[k] ? a[k] : b[k];
			else if (s->what == SMALLER)
				d[k] = a[k] < b[k] ? a[k] : b[k];
			else if (s->what == COPY)
				d[k] = a[k];
			else if (s->what == STORE)
				m[k] = a[k];
			else if (s->what == LOAD)
				d[k] = m[k];
		}
	}
}

static void transfer(struct axc_program *p, const struct step *s, struct axc_tile *tile,
		     struct axc_tensor *t, unsigned int region, bool load)
{
	/* An engine has queues of its own: three engines, two queues each. */
	static const enum axon_engine engines[] = { AXON_ENGINE_SYNC, AXON_ENGINE_SCALAR,
						    AXON_ENGINE_GPSIMD };
	struct axc_mem chip = { .tile = tile, .step = { 0, 0, 0, 4 } };
	struct axc_mem mem = { .tensor = t, .offset = region * W * 4, .region = region,
			       .step = { 0, 0, 0, 4 } };

	axc_dma(p, &(struct axc_dma){ .engine = engines[s->engine],
				      .queue = s->engine * 2 + s->queue, .count = { 1, 1, 1, W },
				      .dst = load ? chip : mem, .src = load ? mem : chip });
}

static void emit(struct axc_program *p, const struct step *s, struct axc_tile **tile,
		 struct axc_tensor *mem, struct axc_tensor *counts)
{
	static const enum axon_engine any[] = { AXON_ENGINE_VECTOR, AXON_ENGINE_SCALAR,
						AXON_ENGINE_GPSIMD };
	static const enum axon_engine two[] = { AXON_ENGINE_VECTOR, AXON_ENGINE_GPSIMD,
						AXON_ENGINE_VECTOR };
	struct axc_view d = axc_view(tile[s->dst]), a = axc_view(tile[s->a]);
	struct axc_reg *n = NULL;

	switch (s->what) {
	case SCALE:
		axc_tensor_scalar(p, any[s->engine], d, a, AXON_ALU_MULTIPLY, axc_s(0.5f),
				  AXON_ALU_ADD, axc_s(s->value));
		break;
	case LARGER:
	case SMALLER:
		axc_tensor_tensor(p, two[s->engine],
				  s->what == LARGER ? AXON_ALU_MAX : AXON_ALU_MIN, d, a,
				  axc_view(tile[s->b]));
		break;
	case COPY:
		axc_copy(p, any[s->engine], d, a);
		break;
	case STORE:
		transfer(p, s, tile[s->a], mem, s->b % REGIONS, false);
		break;
	case LOAD:
		transfer(p, s, tile[s->dst], mem, s->b % REGIONS, true);
		break;
	case LOOP:
		if (s->count >= 0)
			n = axc_reg_load(p, counts, 4 * (uint64_t)s->count, AXON_DTYPE_UINT32);
		axc_loop_begin(p, s->trips, n);
		break;
	default:
		axc_loop_end(p);
	}
}

static void *build(const struct world *w, size_t *size)
{
	const uint64_t all = TILES * W, regions = REGIONS * W, counts = COUNTS;
	struct axc_program *p = axc_program_new("random");
	struct axc_tensor *in = axc_tensor_new(p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, 1, &all);
	struct axc_tensor *out = axc_tensor_new(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, 1, &all);
	struct axc_tensor *c = axc_tensor_new(p, AXC_INPUT, "n", AXON_DTYPE_UINT32, 1, &counts);
	struct axc_tensor *mem = axc_tensor_new(p, AXC_INOUT, "mem", AXON_DTYPE_FLOAT32, 1,
						&regions);
	struct axc_tile *tile[TILES];
	const char *text;
	unsigned int i;
	void *elf;

	axc_tensor_split(mem, REGIONS);
	for (i = 0; i < TILES; i++) {
		tile[i] = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 1, W);
		axc_load(p, AXON_ENGINE_SYNC, i % 2, tile[i], 0, W, in, i * W * 4, 0);
	}
	for (i = 0; i < w->n; i++)
		emit(p, &w->step[i], tile, mem, c);
	for (i = 0; i < TILES; i++)
		axc_store(p, AXON_ENGINE_GPSIMD, 4 + i % 2, out, i * W * 4, 0, tile[i], 0, W);
	if (axc_program_finish(p, &elf, size)) {
		axc_program_error(p, &text);
		fail_msg("%s", text);
	}
	axc_program_free(p);
	return elf;
}

static void compare(const struct world *w, unsigned int number, float out[TILES][W],
		    float mem[REGIONS][W])
{
	if (memcmp(out, w->tile, sizeof(w->tile)) || memcmp(mem, w->mem, sizeof(w->mem)))
		fail_msg("program %u gives something else than its steps in order", number);
}

static void program(unsigned int number, uint32_t *seed)
{
	static struct world w;
	float out[TILES][W], mem[REGIONS][W];
	struct interp_tensor t[] = { { "in", w.in, sizeof(w.in) },
				     { "n", w.counts, sizeof(w.counts) },
				     { "out", out, sizeof(out) }, { "mem", mem, sizeof(mem) } };
	struct interp *in;
	struct soft *s;
	unsigned int i;
	size_t size;
	void *elf;

	invent(&w, seed);
	memcpy(w.tile, w.in, sizeof(w.in));
	execute(&w, 0, w.n);
	elf = build(&w, &size);
	in = interp_load(elf, size, t, 4);
	assert_non_null(in);
	for (i = 0; i < ORDERS; i++) {
		memset(out, 0xff, sizeof(out));
		memset(mem, 0, sizeof(mem));
		if (interp_run(in, number * ORDERS + i))
			fail_msg("program %u", number);
		compare(&w, number, out, mem);
	}
	interp_free(in);
	if (have_soft) {
		memset(mem, 0, sizeof(mem));
		s = soft_load(elf, size, t, 4);
		assert_non_null(s);
		assert_int_equal(soft_run(s), 0);
		compare(&w, number, out, mem);
		soft_free(s);
	}
	free(elf);
}

static void random_programs(void **state)
{
	uint32_t seed = 20240607;
	unsigned int i;

	for (i = 0; i < PROGRAMS; i++)
		program(i, &seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_programs) };
	int ret;

	have_soft = soft_open();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	if (have_soft)
		soft_close();
	return ret;
}
