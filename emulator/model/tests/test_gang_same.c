// SPDX-License-Identifier: MIT
/*
 * A gang's results, cycles and whole course are the same whoever runs its cards in which order: a
 * thread each, or one thread that takes turns of any kind. Random programs, compared record by
 * record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gang_help.h"

/* A card's data: profiles by core, a source that nobody writes, what came, and copies of it. */
#define PROFILE		GANG_HBM_DATA
#define PROFILE_SIZE	0x10000ull
#define PROFILE_MAX	(PROFILE_SIZE / sizeof(struct axon_profile_record))
#define SOURCE		(GANG_HBM_DATA + 0x40000)
#define SOURCE_SIZE	0x10000u
#define CAME		(GANG_HBM_DATA + 0x80000)
#define COPIED		(GANG_HBM_DATA + 0x100000)
#define PIECE		0x1000u
#define MAX_PIECES	128u
#define END		(GANG_HBM_DATA + 0x180000)

#define COUNTERS	16u	/* semaphores 0 .. 15 only grow */
#define NOISE		16u	/* 16 .. 31: anything */
#define MESSAGES	32u	/* from here on each is for one message */

/**
 * struct plan - a random program for every member
 * @g: the gang
 * @seed: what comes next
 * @count: COUNTERS: what has been posted to them in the instructions so far
 * @messages: to each member
 * @pieces: that came to each card
 * @noise: there are waits that may never end
 */
struct plan {
	struct gang *g;
	uint64_t seed;
	uint32_t count[GANG_MAX_MEMBERS][COUNTERS];
	uint32_t messages[GANG_MAX_MEMBERS];
	uint32_t pieces[GANG_MAX_CARDS];
	bool noise;
};

static uint32_t dice(struct plan *p, uint32_t n)
{
	return fx_below(&p->seed, n);
}

static uint32_t card_of(const struct plan *p, uint32_t rank)
{
	return p->g->m[rank].q.card;
}

static bool full(const struct plan *p, uint32_t rank, unsigned int engine)
{
	return p->g->m[rank].prog.desc.engine[engine].count > GANG_MAX_INSTS - 4;
}

/* A wait for what has been posted in the instructions so far: never a deadlock. */
static struct axon_inst waiting(struct plan *p, uint32_t rank, struct axon_inst i)
{
	uint32_t sem = dice(p, COUNTERS);

	return fx_wait(i, sem, dice(p, p->count[rank][sem] + 1));
}

static struct axon_inst counting_post(struct plan *p)
{
	uint32_t to = dice(p, p->g->ranks), sem = dice(p, COUNTERS), val = 1 + dice(p, 3);

	p->count[to][sem] += val;
	return gang_post(to, sem, AXON_POST_ADD, val);
}

static struct axon_inst noise(struct plan *p)
{
	uint32_t to = dice(p, p->g->ranks), sem = NOISE + dice(p, 4);

	switch (dice(p, 4)) {
	case 0:
		return gang_wait_eq(fx_inst(AXON_OP_NOP), sem, dice(p, 3));
	case 1:
		return fx_wait(fx_inst(AXON_OP_NOP), sem, dice(p, 3));
	case 2:
		return gang_post(to, sem, AXON_POST_SET, dice(p, 4));
	default:
		return gang_post(to, sem, AXON_POST_SUB, dice(p, 3));
	}
}

/* A piece of the source goes to a member's card; who waits for it copies it. */
static void message(struct plan *p, uint32_t rank, unsigned int engine)
{
	uint32_t to = dice(p, p->g->ranks), reader = dice(p, AXON_NUM_STREAMS);
	uint32_t from = card_of(p, rank), card = card_of(p, to);
	uint32_t bytes = 1 + dice(p, PIECE), sem = MESSAGES + p->messages[to];
	uint64_t piece = p->pieces[card] * PIECE, src = SOURCE + dice(p, SOURCE_SIZE - PIECE);
	struct axon_dma_desc d;

	if (sem > 255 || p->pieces[card] == MAX_PIECES || full(p, to, reader))
		return;
	p->messages[to]++;
	p->pieces[card]++;
	d = fx_desc(gang_va(from, card, CAME + piece), AXON_SPACE_MEM, GANG_NEAR + src,
		    AXON_SPACE_MEM, bytes);
	d.post_rank = (uint16_t)to;
	d.post_sem = (uint8_t)sem;
	d.post_op = AXON_POST_ADD;
	d.post_val = 1;
	gang_add(p->g, rank, engine, waiting(p, rank, fx_dma(dice(p, AXON_NUM_DMA_QUEUES), d)));
	d = fx_desc(GANG_NEAR + COPIED + piece, AXON_SPACE_MEM, GANG_NEAR + CAME + piece,
		    AXON_SPACE_MEM, bytes);
	gang_add(p->g, to, reader, fx_wait(fx_dma(dice(p, AXON_NUM_DMA_QUEUES), d), sem, 1));
}

/* A transfer at home whose posts go out: one to a member, one of the header to itself. */
static void far_post(struct plan *p, uint32_t rank, unsigned int engine)
{
	/* First the wait: what it posts itself does not count. */
	struct axon_inst i = waiting(p, rank, fx_inst(AXON_OP_DMA)), post = counting_post(p);
	uint32_t own = dice(p, COUNTERS);

	i.op0 = (uint8_t)dice(p, AXON_NUM_DMA_QUEUES);
	/* Into the chip: no memory that others use. */
	i.dma = fx_desc(AXON_CHIP_ADDR(dice(p, 128), 0), AXON_SPACE_SBUF, GANG_NEAR + SOURCE,
			AXON_SPACE_MEM, 1 + dice(p, 5000));
	i.dma.post_rank = (uint16_t)post.ctl.imm;
	i.dma.post_sem = post.ctl.rd;
	i.dma.post_op = post.ctl.dtype;
	i.dma.post_val = post.ctl.target;
	gang_add(p->g, rank, engine, fx_post(i, own, 1));
	p->count[rank][own]++;
}

static void some_instruction(struct plan *p)
{
	uint32_t rank = dice(p, p->g->ranks);
	unsigned int engine = dice(p, AXON_NUM_STREAMS);
	struct axon_inst i, post;

	if (full(p, rank, engine))
		return;
	switch (dice(p, 10)) {
	case 0:
		i = fx_inst(AXON_OP_NOP);
		break;
	case 1:
		i = fx_mem(AXON_OP_REG_LOAD, 20, GANG_NEAR + SOURCE, AXON_DTYPE_UINT32);
		break;
	case 2:
	case 3:
		i = waiting(p, rank, fx_inst(AXON_OP_NOP));
		break;
	case 4:
	case 5:
		i = waiting(p, rank, fx_inst(AXON_OP_NOP));
		post = counting_post(p);
		post.wait_op = i.wait_op;
		post.wait_sem = i.wait_sem;
		post.wait_val = i.wait_val;
		i = post;
		break;
	case 6:
		far_post(p, rank, engine);
		return;
	case 7:
	case 8:
		message(p, rank, engine);
		return;
	default:
		i = p->noise && !dice(p, 6) ? noise(p) : fx_alu(AXON_RALU_ADD, 20, 20, 1);
	}
	gang_add(p->g, rank, engine, i);
}

static void make_programs(struct gang *g, uint64_t seed, bool noisy)
{
	struct plan p = { .g = g, .seed = seed, .noise = noisy };
	uint32_t n = g->ranks * (20 + dice(&p, 150));

	while (n--)
		some_instruction(&p);
	for (uint32_t r = 0; r < g->ranks; r++)
		for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++)
			if (g->m[r].prog.desc.engine[e].count)
				gang_add(g, r, e, gang_halt());
}

/**
 * struct course - all that can be seen of a gang's run
 * @cqe: by rank, without their place in the ring
 * @fault: by rank; all zeroes for members that ended well
 * @memory: sums of the cards' data, profiles included
 */
struct course {
	struct axon_cqe cqe[GANG_MAX_MEMBERS];
	struct axon_fault fault[GANG_MAX_MEMBERS];
	uint64_t memory[GANG_MAX_CARDS];
};

static void begin_memory(struct gang_world *w)
{
	for (uint32_t c = 0; c < w->cards; c++) {
		uint8_t *src = gang_data(w, c, SOURCE);

		memset(gang_data(w, c, PROFILE), 0, END - PROFILE);
		for (uint32_t i = 0; i < SOURCE_SIZE; i++)
			src[i] = (uint8_t)(i * 13 + (i >> 8) * 5 + c);
	}
}

static uint64_t sum(const uint64_t *words, uint64_t n)
{
	uint64_t h = 1469598103934665603ull;

	for (uint64_t i = 0; i < n; i++)
		h = (h ^ words[i]) * 1099511628211ull;
	return h;
}

static void run(struct gang *g, uint64_t seed, bool noisy, struct course *c)
{
	uint64_t order = g->w->seed;

	gang_again(g);
	begin_memory(g->w);
	make_programs(g, seed, noisy);
	memset(c, 0, sizeof(*c));
	for (uint32_t i = 0, first = fx_below(&order, g->ranks); i < g->ranks; i++) {
		struct gang_member *m = &g->m[(first + i) % g->ranks];

		gang_submit(&m->q, (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH, .launch = {
			.program = gang_ready(&m->prog),
			.profile = GANG_NEAR + PROFILE + m->q.core * PROFILE_SIZE,
			.profile_count = PROFILE_MAX } });
	}
	gang_finish(g);
	for (uint32_t r = 0; r < g->ranks; r++) {
		c->cqe[r] = g->m[r].cqe;
		c->cqe[r].seqno = c->cqe[r].user_data = c->cqe[r].phase = 0;
		if (c->cqe[r].status != AXON_STATUS_OK) {
			c->fault[r] = gang_fault(&g->m[r].q);
			c->fault[r].seqno = c->fault[r].user_data = 0;
		}
	}
	for (uint32_t k = 0; k < g->w->cards; k++)
		c->memory[k] = sum(gang_data(g->w, k, PROFILE), (END - PROFILE) / 8);
}

static void same(const struct course *a, const struct course *b, const struct gang *g,
		 unsigned int seed)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		if (memcmp(&a->cqe[r], &b->cqe[r], sizeof(a->cqe[r])) ||
		    memcmp(&a->fault[r], &b->fault[r], sizeof(a->fault[r])))
			fail_msg("seed %u mode %u rank %u: %u after %u, not %u after %u", seed,
				 g->w->mode, r, b->cqe[r].status, (unsigned int)b->cqe[r].cycles,
				 a->cqe[r].status, (unsigned int)a->cqe[r].cycles);
	for (uint32_t c = 0; c < g->w->cards; c++)
		if (a->memory[c] != b->memory[c])
			fail_msg("seed %u mode %u: memory of card %u differs", seed, g->w->mode, c);
}

/* Some programs in one world, each in every way. */
static void compare(const char *shape, uint32_t cards, uint32_t cores, uint32_t seeds)
{
	struct gang_world *w = gang_world(shape, cards, cores);
	struct course first, again;
	uint32_t deadlocks = 0, ends = 0;
	struct gang g;

	gang_make(&g, w, cards * cores, cards - 1, 0, 0);
	for (uint32_t seed = 1; seed <= seeds; seed++) {
		bool noisy = seed % 3 == 0;

		gang_mode(w, GANG_UP, 0);
		run(&g, seed * 1000ull + cards, noisy, &first);
		for (uint32_t r = 0; r < g.ranks; r++) {
			ends += first.cqe[r].status == AXON_STATUS_OK;
			deadlocks += first.cqe[r].status == AXON_STATUS_DEADLOCK;
			if (!noisy && first.cqe[r].status != AXON_STATUS_OK)
				fail_msg("seed %u rank %u: status %u engine %u pc %u opcode %u",
					 seed, r, first.cqe[r].status,
					 first.fault[r].engine, (unsigned int)first.fault[r].pc,
					 first.fault[r].opcode);
			assert_true(first.cqe[r].profiled <= PROFILE_MAX);
		}
		for (uint64_t i = 0; i < 12; i++) {
			gang_mode(w, i == 0 ? GANG_DOWN : i < 8 ? GANG_RANDOM : GANG_THREADS, i);
			run(&g, seed * 1000ull + cards, noisy, &again);
			same(&first, &again, &g, seed);
		}
	}
	print_message("%s: %u members ended, %u in a deadlock\n", shape ? shape : "alone", ends,
		      deadlocks);
	assert_true(ends > deadlocks);
	gang_mode(w, GANG_UP, 0);
	gang_world_end(w);
}

static void alone(void **state)
{
	(void)state;
	compare(NULL, 1, 1, 3);
	compare(NULL, 1, 4, 9);
}

static void pair(void **state)
{
	(void)state;
	compare("pair", 2, 1, 9);
	compare("pair", 2, 2, 9);
}

static void ring(void **state)
{
	(void)state;
	compare("ring", 4, 1, 9);
	compare("ring", 5, 2, 6);
}

static void mesh(void **state)
{
	(void)state;
	compare("mesh", 4, 1, 9);
	compare("mesh", 4, 3, 6);
}

/* The least latency that there is between cards: members may run ahead hardly at all. */
static void short_links(void **state)
{
	(void)state;
	compare("ring\nlatency-ns 100", 3, 2, 9);
}

/* One program, a thread for each card, very often. */
static void many_times(void **state)
{
	struct gang_world *w = gang_world("mesh", 4, 1);
	struct course first, again;
	struct gang g;

	(void)state;
	gang_make(&g, w, 4, 0, 0, 0);
	gang_mode(w, GANG_UP, 0);
	run(&g, 77, false, &first);
	for (uint64_t i = 0; i < 120; i++) {
		if (i % 10 == 0)
			gang_mode(w, GANG_THREADS, i);
		run(&g, 77, false, &again);
		same(&first, &again, &g, 77);
	}
	gang_world_end(w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone),
		cmocka_unit_test(pair),
		cmocka_unit_test(ring),
		cmocka_unit_test(mesh),
		cmocka_unit_test(short_links),
		cmocka_unit_test(many_times),
	};

	if (argc != 2)
		return 2;
	gang_image(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
