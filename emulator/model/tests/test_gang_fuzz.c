// SPDX-License-Identifier: MIT
/*
 * Gangs of anything: random names, ranks, instructions and transfers, with kills, resets and links
 * that go at any time. Nothing crashes, and nothing hangs: programs only go forwards, so when all
 * cards sleep, whatever has not ended waits for others to join, and can be told to stop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gang_help.h"

#define SYNC	AXON_ENGINE_SYNC
#define DATA	GANG_HBM_DATA
#define SPAN	0x100000u	/* of the data that transfers touch */

#define CARDS	4u
#define CORES	2u
#define QUEUES	6u		/* of a card: three a core */

/**
 * struct fuzz - a world and what is under way
 * @w: four cards in a ring
 * @seed: what comes next
 * @q: queues by card
 * @race: transfers may touch what others touch at the same time: not with threads
 * @seen: how often commands ended with each status
 */
struct fuzz {
	struct gang_world *w;
	uint64_t seed;
	struct gang_queue q[CARDS][QUEUES];
	bool race;
	uint32_t seen[64];
};

static uint32_t dice(struct fuzz *f, uint32_t n)
{
	return fx_below(&f->seed, n);
}

/* An address in any card's data, now and then one that is wrong. */
static uint64_t some_address(struct fuzz *f, uint32_t card, uint32_t bytes)
{
	uint32_t to = dice(f, CARDS);

	if (dice(f, 200) == 0)
		return fx_rand(&f->seed) >> dice(f, 64);
	/* Without races everybody writes to a place of his own in each card. */
	if (!f->race)
		return gang_va(card, to, DATA + SPAN * (1 + card) + 0x8000 * dice(f, QUEUES)) +
			dice(f, 0x8000 - bytes);
	return gang_va(card, to, DATA + dice(f, SPAN - bytes));
}

/* A rank of a gang of @ranks, now and then one that is none. */
static uint32_t some_rank(struct fuzz *f, uint32_t ranks)
{
	return dice(f, ranks + (!ranks || !dice(f, 50)));
}

static struct axon_inst some_dma(struct fuzz *f, uint32_t card, uint32_t ranks)
{
	uint32_t bytes = 1 + dice(f, dice(f, 10) ? 300 : 20000);
	struct axon_dma_desc d;

	d = fx_desc(some_address(f, card, bytes), AXON_SPACE_MEM,
		    GANG_NEAR + DATA + dice(f, SPAN / 2), AXON_SPACE_MEM, bytes);
	if (!f->race)
		d.src = AXON_CHIP_ADDR(dice(f, 128), 0), d.src_space = AXON_SPACE_SBUF;
	else if (dice(f, 4) == 0)
		d.src = some_address(f, card, bytes);
	if (dice(f, 3) == 0)
		d.op = (uint8_t)dice(f, 4 + !dice(f, 50));
	if (ranks && dice(f, 2)) {
		d.post_rank = (uint16_t)some_rank(f, ranks);
		d.post_sem = (uint8_t)dice(f, 6);
		d.post_op = (uint8_t)(1 + dice(f, 3));
		d.post_val = dice(f, 4);
	}
	return fx_dma(dice(f, AXON_NUM_DMA_QUEUES), d);
}

static struct axon_inst some_instruction(struct fuzz *f, uint32_t card, uint32_t ranks)
{
	struct axon_inst i;

	switch (dice(f, 8)) {
	case 0:
	case 1:
	case 2:
		i = fx_inst(AXON_OP_NOP);
		if (ranks || !dice(f, 50))
			i = gang_post(some_rank(f, ranks), dice(f, 6), 1 + dice(f, 3), dice(f, 4));
		break;
	case 3:
	case 4:
		i = some_dma(f, card, ranks);
		break;
	case 5:
		i = fx_mem(AXON_OP_REG_LOAD, 20, GANG_NEAR + DATA, AXON_DTYPE_UINT8);
		if (!f->race)
			i = fx_inst(AXON_OP_NOP);
		break;
	default:
		i = fx_inst(AXON_OP_NOP);
	}
	if (dice(f, 8) == 0) {
		i.wait_sem = (uint8_t)dice(f, 6);
		i.wait_op = (uint8_t)(1 + dice(f, 2));
		i.wait_val = dice(f, 3);
	}
	if (dice(f, 4) == 0)
		i = fx_post(i, dice(f, 6), 1 + dice(f, 2));
	/* A bit of the header that should not be there: those of addresses would hit the rings. */
	if (dice(f, 500) == 0) {
		uint8_t *byte = (uint8_t *)&i + dice(f, offsetof(struct axon_inst, ap));

		*byte ^= (uint8_t)(1u << dice(f, 8));
	}
	return i;
}

/* Only forwards: a byte that was spoilt may have made a branch. */
static bool forwards(const struct axon_inst *i)
{
	return i->opcode != AXON_OP_BRANCH && i->opcode != AXON_OP_DMA_RING;
}

/* A program for a member of a gang of @ranks, or, 0, for nobody's. */
static struct gang_prog some_program(struct fuzz *f, uint32_t card, uint32_t slot, uint32_t ranks)
{
	struct gang_prog p = gang_prog(f->w, card, slot);
	uint32_t engines = 1 + dice(f, AXON_NUM_STREAMS);

	for (uint32_t n = 0; n < engines; n++) {
		unsigned int e = dice(f, AXON_NUM_STREAMS);

		for (uint32_t left = dice(f, 15); left && p.desc.engine[e].count < 100; left--) {
			struct axon_inst i = some_instruction(f, card, ranks);

			if (forwards(&i))
				gang_emit(&p, e, i);
		}
	}
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++)
		if (p.desc.engine[e].count && dice(f, 200))
			gang_emit(&p, e, gang_halt());
	return p;
}

static void make_queue(struct fuzz *f, uint32_t card, uint32_t id)
{
	gang_queue(&f->q[card][id], f->w, card, id, id % CORES, 1 + id % 2);
}

static void make_queues(struct fuzz *f, uint32_t card)
{
	for (uint32_t id = 0; id < QUEUES; id++)
		make_queue(f, card, id);
}

/* Takes what has ended; a queue that stopped is made anew. Return: commands under way. */
static uint32_t collect(struct fuzz *f, struct gang_queue *q)
{
	struct axon_cqe cqe;

	while (gang_poll(q, &cqe)) {
		assert_true(cqe.status < 64);
		f->seen[cqe.status]++;
		if (cqe.status != AXON_STATUS_OK) {
			gang_queue_again(q);
			return 0;
		}
	}
	return q->tail - q->head;
}

/* The queue's next slot: three commands are under way at most, each has a program of its own. */
static uint32_t slot_of(const struct gang_queue *q)
{
	return q->id * 4 + q->tail % 4;
}

/* One launch of a gang that may never be complete, or is wrong; or alone; or no launch. */
static void submit_something(struct fuzz *f)
{
	uint32_t card = dice(f, CARDS), id = dice(f, QUEUES), ranks = dice(f, 5);
	struct gang_queue *q = &f->q[card][id];
	uint32_t bytes = 1 + dice(f, 5000), place = dice(f, 3);
	struct gang_prog p;

	if (collect(f, q) >= 3)
		return;
	if (dice(f, 3) == 0) {
		gang_submit(q, (struct axon_cmd){ .opcode = AXON_CMD_FILL, .copy = {
			.dst = some_address(f, card, bytes), .src = dice(f, 256),
			.size = bytes } });
		return;
	}
	p = some_program(f, card, slot_of(q), ranks);
	if (ranks) {
		gang_join(&p, gang_place(card, place, place), some_rank(f, ranks),
			  dice(f, 10) ? ranks : dice(f, 6));
		if (dice(f, 30) == 0)
			p.desc.gang += 1ull << dice(f, 30);
	}
	gang_launch(q, gang_ready(&p));
}

/* A whole gang, if there is room in the queues. */
static void submit_gang(struct fuzz *f)
{
	uint32_t ranks = 1 + dice(f, CARDS * CORES), at = dice(f, CARDS * CORES);
	uint32_t place = dice(f, 3);

	for (uint32_t r = 0; r < ranks; r++, at = (at + 3) % (CARDS * CORES)) {
		uint32_t card = at % CARDS, id = at / CARDS + CORES * dice(f, QUEUES / CORES);
		struct gang_queue *q = &f->q[card][id];
		struct gang_prog p;

		if (collect(f, q) >= 3)
			return;
		p = some_program(f, card, slot_of(q), ranks);
		gang_join(&p, gang_place(card, place, place), r, ranks);
		gang_launch(q, gang_ready(&p));
		if (dice(f, 3) == 0)
			gang_round(f->w);
	}
}

static void disturb(struct fuzz *f)
{
	uint32_t card = dice(f, CARDS), id = dice(f, QUEUES);
	struct gang_queue *q = &f->q[card][id];

	switch (dice(f, 10)) {
	case 0:
	case 1:
	case 2:
		gang_kill(q, AXON_MBOX_CORE_RESET);
		break;
	case 3:
	case 4:
	case 5:
		gang_kill(q, AXON_MBOX_GANG_RESET);
		break;
	case 6:
		gang_queue_again(q);
		break;
	case 7:
		gang_links(f->w, card, false);
		gang_round(f->w);
		gang_links(f->w, card, true);
		break;
	case 8:
		gang_card_reset(f->w, card);
		make_queues(f, card);
		break;
	default:
		gang_card_remove(f->w, card);
		gang_card_add(f->w, card);
		make_queues(f, card);
	}
}

/* Commands under way on all queues, after taking what has ended. */
static uint32_t under_way(struct fuzz *f)
{
	uint32_t n = 0;

	for (uint32_t c = 0; c < CARDS; c++)
		for (uint32_t id = 0; id < QUEUES; id++)
			n += collect(f, &f->q[c][id]);
	return n;
}

/* Everybody sleeps: who has not ended waits for others to join. */
static void drain(struct fuzz *f)
{
	for (uint32_t round = 0;; round++) {
		uint32_t told = 0;

		assert_true(round < 1000);
		gang_idle(f->w);
		if (!under_way(f))
			return;
		gang_idle(f->w);
		if (!under_way(f))
			return;
		for (uint32_t c = 0; c < CARDS; c++)
			for (uint32_t id = 0; id < QUEUES; id++) {
				struct gang_queue *q = &f->q[c][id];

				if (!collect(f, q))
					continue;
				/* The first one that is told may end others. */
				if (gang_kill(q, AXON_MBOX_GANG_RESET) == AXON_MBOX_OK)
					told++;
				else
					assert_true(told > 0);
			}
	}
}

/* A gang over all cores. */
static void all_well(struct fuzz *f)
{
	struct gang g;

	gang_make(&g, f->w, CARDS * CORES, 0, 0, 14);
	for (uint32_t r = 0; r < g.ranks; r++) {
		for (uint32_t to = 0; to < g.ranks; to++)
			gang_add(&g, r, SYNC, gang_post(to, 1, AXON_POST_ADD, 1));
		gang_add(&g, r, SYNC, gang_wait_eq(gang_halt(), 1, g.ranks));
	}
	gang_run(&g);
	gang_free(&g);
}

static void fuzz(enum gang_mode mode, uint32_t rounds, uint64_t seed, bool disturbed)
{
	struct fuzz *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->seed = seed;
	f->race = mode != GANG_THREADS;
	f->w = gang_world("ring", CARDS, CORES);
	for (uint32_t c = 0; c < CARDS; c++)
		make_queues(f, c);
	for (uint32_t round = 0; round < rounds; round++) {
		if (round % 8 == 0)
			gang_mode(f->w, mode == GANG_THREADS ? mode : f->seed % 3, f->seed);
		for (uint32_t n = 4 + dice(f, 12); n; n--) {
			if (dice(f, 2))
				submit_gang(f);
			else
				submit_something(f);
			if (dice(f, 3) == 0)
				gang_round(f->w);
			if (disturbed && dice(f, 40) == 0)
				disturb(f);
		}
		drain(f);
		if (round % 4 == 0)
			all_well(f);
	}
	gang_mode(f->w, GANG_UP, 0);
	for (uint32_t s = 0; s < 64; s++)
		if (f->seen[s])
			print_message("status %u: %u\n", s, f->seen[s]);
	assert_true(f->seen[AXON_STATUS_OK] > 0 && f->seen[AXON_STATUS_PEER_LOST] > 0 &&
		    f->seen[AXON_STATUS_DEADLOCK] > 0);
	gang_world_end(f->w);
	free(f);
}

static void in_turn(void **state)
{
	(void)state;
	fuzz(GANG_RANDOM, 300, 1, false);
}

static void in_turn_disturbed(void **state)
{
	(void)state;
	fuzz(GANG_RANDOM, 300, 2, true);
}

static void threads(void **state)
{
	(void)state;
	fuzz(GANG_THREADS, 40, 3, false);
}

static void threads_disturbed(void **state)
{
	(void)state;
	fuzz(GANG_THREADS, 40, 4, true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_turn),
		cmocka_unit_test(in_turn_disturbed),
		cmocka_unit_test(threads),
		cmocka_unit_test(threads_disturbed),
	};

	if (argc != 2)
		return 2;
	gang_image(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
