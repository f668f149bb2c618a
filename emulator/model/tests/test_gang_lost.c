// SPDX-License-Identifier: MIT
/*
 * Gangs that end otherwise than well: deadlocks, members that fail, are killed, or vanish with
 * their queue, their card or their links. Each time the card goes on and a gang of that name forms
 * anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gang_help.h"

#define SYNC	AXON_ENGINE_SYNC
#define CC	AXON_ENGINE_CC
#define DATA	GANG_HBM_DATA

/* Three cards with two cores each, a gang of four over them, a queue of another context beside. */
struct fixture {
	struct gang_world *w;
	struct gang g;
	struct gang_queue other[3];
};

static void others(struct fixture *f)
{
	for (uint32_t c = 0; c < 3; c++)
		if (f->w->card[c].card)
			gang_queue(&f->other[c], f->w, c, 15, 1, 2);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->w = gang_world("ring", 3, 2);
	gang_make(&f->g, f->w, 4, 1, 2, 0);
	others(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	gang_world_end(f->w);
	free(f);
	return 0;
}

static struct axon_inst loop(uint32_t at)
{
	return fx_branch(AXON_COND_ALWAYS, AXON_SREG_NONE, 0, at);
}

static void barrier(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		for (uint32_t to = 0; to < g->ranks; to++)
			gang_add(g, r, SYNC, gang_post(to, 1, AXON_POST_ADD, 1));
		gang_add(g, r, SYNC, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, g->ranks));
		gang_add(g, r, SYNC, gang_halt());
	}
}

/* Everybody waits for a semaphore that nobody raises. */
static void stuck(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		gang_add(g, r, SYNC, fx_wait(gang_halt(), 7, 1));
}

/* Everybody runs forever. */
static void busy(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		gang_add(g, r, SYNC, loop(0));
		gang_add(g, r, SYNC, gang_halt());
	}
}

/* Everything works as if nothing had been. */
static void all_well(struct fixture *f)
{
	struct gang_prog p;

	gang_again(&f->g);
	barrier(&f->g);
	gang_run(&f->g);
	/* The last one to tell rank r is on another card. */
	for (uint32_t r = 0; r < 4; r++)
		assert_int_equal(f->g.m[r].cqe.cycles, (r + 1) * GANG_POST + gang_way(f->w, 0, 1) +
				 GANG_NOP + GANG_HALT);
	for (uint32_t c = 0; c < 3; c++) {
		p = gang_prog(f->w, c, 15);
		gang_emit(&p, SYNC, gang_wait_eq(gang_halt(), 1, 0));
		gang_launch(&f->other[c], gang_ready(&p));
		assert_int_equal(gang_status(&f->other[c]), AXON_STATUS_OK);
		for (uint32_t core = 0; core < 2; core++)
			assert_int_equal(gang_reg(f->w, c, AXON_REG_CORE(core, AXON_CORE_STATE)),
					 AXON_CORE_IDLE);
	}
	gang_idle(f->w);
	gang_again(&f->g);
}

/* Everybody but @rank ends with PEER_LOST because of it. */
static void lost(struct gang *g, uint32_t rank)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		struct axon_fault fault;

		if (r == rank)
			continue;
		assert_true(gang_done(&g->m[r].q, &g->m[r].cqe));
		assert_int_equal(g->m[r].cqe.status, AXON_STATUS_PEER_LOST);
		fault = gang_fault(&g->m[r].q);
		assert_int_equal(fault.status, AXON_STATUS_PEER_LOST);
		assert_int_equal(fault.peer, 1 + rank);
		assert_int_equal(fault.queue, g->m[r].q.id);
		assert_int_equal(fault.core, g->m[r].q.core);
		assert_int_equal(fault.addr, 0);
	}
}

static void wait_running(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		const struct gang_queue *q = &g->m[r].q;

		for (uint32_t n = 0; gang_core_queue(g->w, q->card, q->core) != q->id; n++) {
			assert_true(n < 100000);
			gang_round(g->w);
		}
	}
}

/* ---- deadlock ---- */

/* Everybody waits, from the beginning or after a while: DEADLOCK for all, with its record. */
static void deadlock(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;
	uint64_t cycles[4];

	for (uint32_t round = 0; round < 6; round++) {
		gang_mode(f->w, round % 3, round);
		for (uint32_t r = 0; r < 4; r++) {
			/* Everybody gets all posts and works, then waits for one more. */
			for (uint32_t to = 0; to < 4; to++)
				gang_add(g, r, 2, gang_post(to, 7, AXON_POST_ADD, 1));
			for (uint32_t i = 0; i < r * 10; i++)
				gang_add(g, r, 2, fx_inst(AXON_OP_NOP));
			gang_add(g, r, 2, gang_halt());
			gang_add(g, r, CC, fx_wait(fx_inst(AXON_OP_NOP), 7, 4));
			gang_add(g, r, CC, fx_wait(fx_inst(AXON_OP_NOP), 7, 5 + r));
			gang_add(g, r, CC, gang_halt());
		}
		gang_start(g);
		gang_finish(g);
		for (uint32_t r = 0; r < 4; r++) {
			struct axon_fault fault = gang_fault(&g->m[r].q);

			assert_int_equal(g->m[r].cqe.status, AXON_STATUS_DEADLOCK);
			assert_int_equal(fault.status, AXON_STATUS_DEADLOCK);
			assert_int_equal(fault.engine, CC);
			assert_int_equal(fault.pc, 1);
			assert_int_equal(fault.opcode, AXON_OP_NOP);
			assert_int_equal(fault.semaphore, 7);
			assert_int_equal(fault.sem_value, 4);
			assert_int_equal(fault.sem_wanted, 5 + r);
			if (!round)
				cycles[r] = g->m[r].cqe.cycles;
			assert_int_equal(g->m[r].cqe.cycles, cycles[r]);
		}
		all_well(f);
	}
}

/* One waits, the others end well; the last of them to end leaves it in a deadlock. */
static void deadlock_of_one(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	for (uint32_t who = 0; who < 4; who++) {
		gang_add(g, who, SYNC, fx_wait(gang_halt(), 7, 2));
		for (uint32_t r = 0; r < 4; r++) {
			if (r == who)
				continue;
			gang_add(g, r, SYNC, fx_alu(AXON_RALU_ADD, 10, 10, 1));
			gang_add(g, r, SYNC, fx_branch(AXON_COND_LT, 10, 300 * r, 0));
			if (r == (who + 1) % 4)
				gang_add(g, r, SYNC, gang_post(who, 7, AXON_POST_ADD, 1));
			gang_add(g, r, SYNC, gang_halt());
		}
		gang_start(g);
		gang_finish(g);
		for (uint32_t r = 0; r < 4; r++)
			assert_int_equal(g->m[r].cqe.status,
					 r == who ? AXON_STATUS_DEADLOCK : AXON_STATUS_OK);
		assert_int_equal(gang_fault(&g->m[who].q).sem_value, 1);
		all_well(f);
	}
	/* A gang of one, and one in which nobody has anything to do. */
	struct gang one = { .w = f->w, .ranks = 1 };

	gang_member(&one, 0, 2, 1, 9, 1);
	gang_add(&one, 0, SYNC, fx_wait(gang_post(0, 3, AXON_POST_ADD, 1), 3, 1));
	gang_add(&one, 0, SYNC, gang_halt());
	gang_start(&one);
	gang_finish(&one);
	assert_int_equal(one.m[0].cqe.status, AXON_STATUS_DEADLOCK);
	gang_again(&one);
	gang_run(&one);
	assert_int_equal(one.m[0].cqe.cycles, 0);
}

/* Posts under way are no deadlock, however far they are. */
static void no_deadlock(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	/* All wait; the only thing that goes on is a post, or a transfer. */
	gang_add(g, 0, SYNC, gang_post(1, 7, AXON_POST_ADD, 1));
	for (uint32_t r = 1; r < 4; r++) {
		struct axon_dma_desc d = fx_desc(GANG_NEAR + DATA, AXON_SPACE_MEM,
						 GANG_NEAR + DATA + 0x80000, AXON_SPACE_MEM,
						 0x80000);

		d.post_op = AXON_POST_ADD;
		d.post_rank = (uint16_t)((r + 1) % 4);
		d.post_sem = 7;
		d.post_val = 1;
		gang_add(g, r, SYNC, fx_wait(fx_dma(0, d), 7, 1));
		gang_add(g, r, SYNC, gang_halt());
	}
	gang_add(g, 0, SYNC, fx_wait(gang_halt(), 7, 1));
	gang_run(g);
	all_well(f);
}

/* ---- members that fail ---- */

static void member_faults(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	for (uint32_t who = 0; who < 4; who++)
		for (uint32_t kind = 0; kind < 3; kind++) {
			struct axon_fault fault;

			if (kind == 0)
				stuck(g);
			if (kind == 1)
				busy(g);
			for (uint32_t r = 0; kind == 2 && r < 4; r++)	/* before it begins to */
				gang_add(g, r, SYNC, r == who ? fx_inst(0x7f) :
					 fx_wait(gang_halt(), 7, 1));
			if (kind < 2) {
				gang_add(g, who, CC, fx_mem(AXON_OP_REG_LOAD, 5, 0x666000,
							    AXON_DTYPE_UINT32));
				gang_add(g, who, CC, gang_halt());
			}
			gang_mode(f->w, (who + kind) % 3, who);
			gang_start(g);
			lost(g, who);
			assert_true(gang_done(&g->m[who].q, &g->m[who].cqe));
			fault = gang_fault(&g->m[who].q);
			assert_int_equal(g->m[who].cqe.status, kind < 2 ?
					 AXON_STATUS_FAULT_UNMAPPED : AXON_STATUS_BAD_OPCODE);
			assert_int_equal(fault.status, g->m[who].cqe.status);
			assert_int_equal(fault.engine, kind < 2 ? CC : SYNC);
			assert_int_equal(fault.peer, 0);
			assert_int_equal(fault.addr, kind < 2 ? 0x666000 : 0);
			all_well(f);
		}
}

/* A member that has ended well stays so, whatever becomes of the others. */
static void ended_before(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	gang_add(g, 2, SYNC, gang_post(0, 7, AXON_POST_ADD, 1));
	gang_add(g, 2, SYNC, gang_halt());
	for (uint32_t r = 0; r < 4; r++)
		if (r != 2) {
			gang_add(g, r, SYNC, loop(0));
			gang_add(g, r, SYNC, gang_halt());
		}
	gang_start(g);
	assert_true(gang_done(&g->m[2].q, &g->m[2].cqe));
	assert_int_equal(g->m[2].cqe.status, AXON_STATUS_OK);
	assert_int_equal(gang_kill(&g->m[2].q, AXON_MBOX_CORE_RESET), AXON_MBOX_NOT_FOUND);
	assert_int_equal(gang_kill(&g->m[1].q, AXON_MBOX_CORE_RESET), AXON_MBOX_OK);
	assert_int_equal(gang_status(&g->m[1].q), AXON_STATUS_KILLED);
	g->m[1].cqe.status = AXON_STATUS_KILLED;
	for (uint32_t r = 0; r < 4; r += 3) {
		assert_true(gang_done(&g->m[r].q, &g->m[r].cqe));
		assert_int_equal(g->m[r].cqe.status, AXON_STATUS_PEER_LOST);
		assert_int_equal(gang_fault(&g->m[r].q).peer, 2);
	}
	all_well(f);
}

/* Bad launches beside a gang have nothing to do with it. */
static void others_fail(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	busy(g);
	gang_start(g);
	wait_running(g);
	for (uint32_t c = 1; c < 3; c++) {
		struct gang_prog p = gang_prog(f->w, c, 15);

		gang_emit(&p, SYNC, fx_inst(0x7f));
		gang_launch(&f->other[c], gang_ready(&p));
		assert_int_equal(gang_status(&f->other[c]), AXON_STATUS_BAD_OPCODE);
		/* One that is no member of it, by its name. */
		gang_queue_again(&f->other[c]);
		gang_join(&p, gang_place(c, 1, 2), 7, 4);
		gang_launch(&f->other[c], gang_ready(&p));
		assert_int_equal(gang_status(&f->other[c]), AXON_STATUS_BAD_GANG);
		gang_queue_again(&f->other[c]);
	}
	for (uint32_t i = 0; i < 1000; i++)
		gang_round(f->w);
	for (uint32_t r = 0; r < 4; r++)
		assert_false(gang_poll(&g->m[r].q, &g->m[r].cqe));
	assert_int_equal(gang_kill(&g->m[3].q, AXON_MBOX_CORE_RESET), AXON_MBOX_OK);
	assert_int_equal(gang_status(&g->m[3].q), AXON_STATUS_KILLED);
	g->m[3].cqe.status = AXON_STATUS_KILLED;
	lost(g, 3);
	all_well(f);
}

/* ---- kills ---- */

/* While it waits for others to join: by either reset, by the destruction of its queue. */
static void killed_while_forming(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	for (uint32_t kind = 0; kind < 3; kind++)
		for (uint32_t missing = 0; missing < 4; missing++) {
			uint32_t who = (missing + 1 + kind) % 4;

			barrier(g);
			for (uint32_t r = 0; r < 4; r++)
				if (r != missing)
					gang_start_one(g, r);
			gang_idle(f->w);
			/* Not on another core, nor another queue. */
			struct gang_queue q = g->m[who].q;

			q.core = !q.core;
			assert_int_equal(gang_kill(&q, AXON_MBOX_GANG_RESET), AXON_MBOX_NOT_FOUND);
			assert_int_equal(gang_kill(&q, AXON_MBOX_CORE_RESET), AXON_MBOX_NOT_FOUND);
			q.core = 2;
			assert_int_equal(gang_kill(&q, AXON_MBOX_GANG_RESET), AXON_MBOX_BAD_ID);
			assert_int_equal(gang_kill(&f->other[0], AXON_MBOX_GANG_RESET),
					 AXON_MBOX_NOT_FOUND);
			if (kind < 2) {
				assert_int_equal(gang_kill(&g->m[who].q, kind ?
							   AXON_MBOX_CORE_RESET :
							   AXON_MBOX_GANG_RESET), AXON_MBOX_OK);
				assert_int_equal(gang_status(&g->m[who].q), AXON_STATUS_KILLED);
				struct axon_fault fault = gang_fault(&g->m[who].q);

				assert_int_equal(fault.status, AXON_STATUS_KILLED);
				assert_int_equal(fault.engine, AXON_FAULT_NO_ENGINE);
				assert_int_equal(fault.peer, 1 + missing);
				/* It is dead: a second one finds nothing. */
				assert_int_equal(gang_kill(&g->m[who].q, AXON_MBOX_GANG_RESET),
						 AXON_MBOX_NOT_FOUND);
				gang_queue_again(&g->m[who].q);
			} else {
				gang_queue_destroy(&g->m[who].q);
				assert_int_equal(gang_status(&g->m[who].q), AXON_STATUS_QUEUE_GONE);
				struct gang_queue *gone = &g->m[who].q;

				gang_queue(gone, f->w, gone->card, gone->id, gone->core, 1);
			}
			g->m[who].cqe.status = AXON_STATUS_OK;
			g->m[missing].cqe.status = AXON_STATUS_OK;
			for (uint32_t r = 0; r < 4; r++) {
				if (r == who || r == missing)
					continue;
				assert_true(gang_done(&g->m[r].q, &g->m[r].cqe));
				assert_int_equal(g->m[r].cqe.status, AXON_STATUS_PEER_LOST);
				assert_int_equal(gang_fault(&g->m[r].q).peer, 1 + who);
			}
			all_well(f);
		}
}

/* GANG_RESET does not touch a gang that is complete, running or not. */
static void gang_reset_of_complete(void **state)
{
	struct fixture *f = *state;
	struct gang_prog p = gang_prog(f->w, 1, 20);
	struct gang *g = &f->g;
	struct gang_queue before;

	/* Rank 1's core is taken by another launch: it waits for the core, not for members. */
	gang_emit(&p, SYNC, loop(0));
	gang_emit(&p, SYNC, gang_halt());
	gang_queue(&before, f->w, 1, 14, 0, 2);
	gang_launch(&before, gang_ready(&p));
	while (gang_core_queue(f->w, 1, 0) != 14)
		assert_true(gang_round(f->w));
	for (uint32_t r = 0; r < 4; r++) {
		gang_add(g, r, SYNC, fx_wait(fx_inst(AXON_OP_NOP), 5, r != 1));
		gang_add(g, r, SYNC, gang_post((r + 1) % 4, 5, AXON_POST_ADD, 1));
		gang_add(g, r, SYNC, gang_halt());
	}
	gang_start(g);
	for (uint32_t i = 0; i < 300; i++)
		gang_round(f->w);
	for (uint32_t r = 0; r < 4; r++)
		assert_int_equal(gang_kill(&g->m[r].q, AXON_MBOX_GANG_RESET), AXON_MBOX_NOT_FOUND);
	assert_int_equal(gang_core_queue(f->w, 0, 0), g->m[0].q.id);
	assert_int_equal(gang_kill(&before, AXON_MBOX_CORE_RESET), AXON_MBOX_OK);
	assert_int_equal(gang_status(&before), AXON_STATUS_KILLED);
	gang_queue_destroy(&before);
	gang_finish(g);
	for (uint32_t r = 0; r < 4; r++)
		assert_int_equal(g->m[r].cqe.status, AXON_STATUS_OK);
	all_well(f);
}

/* A running member is killed, or its queue destroyed; it waits for a semaphore or works. */
static void killed_while_running(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	for (uint32_t who = 0; who < 4; who++)
		for (uint32_t kind = 0; kind < 4; kind++) {
			struct gang_queue *q = &g->m[who].q;
			uint32_t laggard = (who + 2) % 4;

			gang_mode(f->w, (who + kind) % 3, who);
			/* Kinds 0, 1: one works, the others wait. 2, 3: all work. */
			if (kind < 2)
				stuck(g);
			if (kind < 2)
				gang_add(g, laggard, CC, loop(0));
			else
				busy(g);
			gang_start(g);
			wait_running(g);
			for (uint32_t i = 0; i < 50; i++)
				gang_round(f->w);
			if (kind % 2 == 0) {
				assert_int_equal(gang_kill(q, AXON_MBOX_GANG_RESET),
						 AXON_MBOX_NOT_FOUND);
				assert_int_equal(gang_kill(q, AXON_MBOX_CORE_RESET), AXON_MBOX_OK);
				assert_int_equal(gang_status(q), AXON_STATUS_KILLED);
				/* Who waited says for whom. */
				if (kind == 0)
					assert_int_equal(gang_fault(q).peer, 1 + laggard);
				g->m[who].cqe.status = AXON_STATUS_KILLED;
			} else {
				gang_queue_destroy(q);
				assert_int_equal(gang_status(q), AXON_STATUS_QUEUE_GONE);
				gang_queue(q, f->w, q->card, q->id, q->core, 1);
				g->m[who].cqe.status = AXON_STATUS_OK;
			}
			lost(g, who);
			all_well(f);
		}
}

/* Killed before it has started: its gang is complete, its core is taken. */
static void lost_before_start(void **state)
{
	struct fixture *f = *state;
	struct gang_prog p = gang_prog(f->w, 1, 20);
	struct gang *g = &f->g;
	struct gang_queue before;

	gang_emit(&p, SYNC, loop(0));
	gang_emit(&p, SYNC, gang_halt());
	for (uint32_t kind = 0; kind < 2; kind++) {
		gang_queue(&before, f->w, 1, 14, 0, 2);
		gang_launch(&before, gang_ready(&p));
		while (gang_core_queue(f->w, 1, 0) != 14)
			assert_true(gang_round(f->w));
		stuck(g);
		gang_start(g);
		for (uint32_t i = 0; i < 300; i++)
			gang_round(f->w);
		if (kind == 0) {
			/* Rank 2 goes; rank 1 hears of it though its core is not free. */
			assert_int_equal(gang_kill(&g->m[2].q, AXON_MBOX_CORE_RESET), AXON_MBOX_OK);
			assert_int_equal(gang_status(&g->m[2].q), AXON_STATUS_KILLED);
			g->m[2].cqe.status = AXON_STATUS_KILLED;
			lost(g, 2);
		} else {
			/* Rank 1 itself goes, with its queue. */
			gang_queue_destroy(&g->m[1].q);
			assert_int_equal(gang_status(&g->m[1].q), AXON_STATUS_QUEUE_GONE);
			gang_queue(&g->m[1].q, f->w, 1, g->m[1].q.id, 0, 1);
			g->m[1].cqe.status = AXON_STATUS_OK;
			lost(g, 1);
		}
		assert_int_equal(gang_core_queue(f->w, 1, 0), 14);
		assert_int_equal(gang_kill(&before, AXON_MBOX_CORE_RESET), AXON_MBOX_OK);
		assert_int_equal(gang_status(&before), AXON_STATUS_KILLED);
		gang_queue_destroy(&before);
		all_well(f);
	}
}

/* The rings of a member's queue are gone: that queue stops, and is lost to its gang. */
static void rings_vanish(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	for (uint32_t kind = 0; kind < 3; kind++) {
		/* They wait for rank 2; one works and the others wait; all work. */
		if (kind == 1)
			stuck(g);
		else
			busy(g);
		if (kind == 1)
			gang_add(g, 2, CC, loop(0));
		for (uint32_t r = 0; r < 4; r++)
			if (kind || r != 2)
				gang_start_one(g, r);
		if (kind)
			wait_running(g);
		else
			gang_idle(f->w);
		gang_rings(f->w, 0, false);
		for (uint32_t r = 0; r < 4; r++) {
			struct gang_queue *q = &g->m[r].q;

			if (q->card == 0) {
				assert_int_equal(gang_fault(q).status, AXON_STATUS_FAULT_UNMAPPED);
				assert_int_equal(gang_fault(q).seqno, 0);
				/* To be made anew. */
				g->m[r].cqe.status = AXON_STATUS_FAULT_UNMAPPED;
			} else if (kind || r != 2) {
				assert_true(gang_done(q, &g->m[r].cqe));
				assert_int_equal(g->m[r].cqe.status, AXON_STATUS_PEER_LOST);
				/* Ranks 0 and 3 go in one step. */
				assert_true(gang_fault(q).peer == 1 || gang_fault(q).peer == 4);
			}
		}
		gang_rings(f->w, 0, true);
		gang_queue_again(&f->other[0]);
		all_well(f);
	}
}

/* ---- the place ---- */

/* Ranks 0, 1 and 3 wait for rank 2 while @card, of the first or of the second, loses the place. */
static void place_goes(struct fixture *f, uint32_t card, enum gang_bound how)
{
	const uint32_t status = how == GANG_UNBOUND ? AXON_STATUS_FAULT_UNMAPPED :
		AXON_STATUS_BAD_GANG;
	struct gang *g = &f->g;
	uint32_t firsts = 0;

	barrier(g);
	for (uint32_t r = 0; r < 4; r++)
		if (r != 2)
			gang_start_one(g, r);
	gang_idle(f->w);
	/* Who still has it waits on. */
	gang_places(f->w, card, 1, GANG_BOUND);
	gang_idle(f->w);
	assert_false(gang_poll(&g->m[card].q, &g->m[card].cqe));
	gang_places(f->w, card, 1, how);
	for (uint32_t r = 0; r < 4; r++) {
		struct gang_queue *q = &g->m[r].q;
		bool first;

		if (r == 2)
			continue;
		assert_true(gang_done(q, &g->m[r].cqe));
		/* The others on the card are lost with the first that it asks. */
		first = q->card == card && g->m[r].cqe.status == status;
		assert_int_equal(g->m[r].cqe.status, first ? status : AXON_STATUS_PEER_LOST);
		assert_int_equal(gang_fault(q).addr, first && how == GANG_UNBOUND ?
				 gang_place(card, 1, 2) : 0);
		assert_int_equal(gang_fault(q).peer, first ? 0 : 1 + card);
		firsts += first;
	}
	assert_int_equal(firsts, 1);
	gang_places(f->w, card, 1, GANG_BOUND);
	all_well(f);
}

/* Who waits for others must have the place bound; a gang that is complete does not need it. */
static void place_unbound(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	for (uint32_t card = 0; card < 2; card++) {
		place_goes(f, card, GANG_UNBOUND);
		place_goes(f, card, GANG_ELSEWHERE);
	}
	busy(g);
	gang_start(g);
	wait_running(g);
	for (uint32_t card = 0; card < 3; card++)
		gang_places(f->w, card, 1, GANG_UNBOUND);
	for (uint32_t i = 0; i < 1000; i++)
		gang_round(f->w);
	for (uint32_t r = 0; r < 4; r++)
		assert_false(gang_poll(&g->m[r].q, &g->m[r].cqe));
	assert_int_equal(gang_kill(&g->m[1].q, AXON_MBOX_CORE_RESET), AXON_MBOX_OK);
	assert_int_equal(gang_status(&g->m[1].q), AXON_STATUS_KILLED);
	g->m[1].cqe.status = AXON_STATUS_KILLED;
	lost(g, 1);
	for (uint32_t card = 0; card < 3; card++)
		gang_places(f->w, card, 1, GANG_BOUND);
	all_well(f);
}

/* ---- cards and links ---- */

/* After its card was reset or made anew a gang has no queues there. */
static void new_queues(struct fixture *f, uint32_t card)
{
	for (uint32_t r = 0; r < 4; r++) {
		struct gang_queue *q = &f->g.m[r].q;

		if (q->card == card) {
			gang_queue(q, f->w, card, q->id, q->core, 1);
			f->g.m[r].cqe.status = AXON_STATUS_OK;
		}
	}
	gang_queue(&f->other[card], f->w, card, 15, 1, 2);
}

/* Everybody who is not on @card is lost, by a member there. */
static void lost_with_card(struct gang *g, uint32_t card)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		struct axon_fault fault;

		if (g->m[r].q.card == card)
			continue;
		assert_true(gang_done(&g->m[r].q, &g->m[r].cqe));
		assert_int_equal(g->m[r].cqe.status, AXON_STATUS_PEER_LOST);
		fault = gang_fault(&g->m[r].q);
		/* Two ranks of card 0 go together. */
		assert_true(fault.peer && g->m[fault.peer - 1].q.card == card);
	}
}

/* Reset and removal of each card, with members that run, wait, or still wait to join. */
static void card_goes(struct fixture *f, bool remove)
{
	struct gang *g = &f->g;

	for (uint32_t card = 0; card < 3; card++)
		for (uint32_t kind = 0; kind < 3; kind++) {
			gang_mode(f->w, (card + kind) % 3, card);
			if (kind == 0)
				stuck(g);
			else
				busy(g);
			if (kind == 0)
				/* A deadlock would end it: one that works. */
				gang_add(g, (card + 1) % 3, CC, loop(0));
			for (uint32_t r = 0; r < 4; r++)
				if (kind < 2 || r != (card == 1 ? 2 : 1))
					gang_start_one(g, r);
			if (kind < 2)
				wait_running(g);
			else
				gang_idle(f->w);
			if (remove)
				gang_card_remove(f->w, card);
			else
				axon_card_write(f->w->card[card].card, AXON_REG_RESET,
						AXON_RESET_CARD);
			if (kind < 2) {
				lost_with_card(g, card);
			} else {
				/* The one that never came was not lost. */
				for (uint32_t r = 0; r < 4; r++) {
					if (g->m[r].q.card == card || r == (card == 1 ? 2 : 1))
						continue;
					assert_true(gang_done(&g->m[r].q, &g->m[r].cqe));
					assert_int_equal(g->m[r].cqe.status, AXON_STATUS_PEER_LOST);
				}
			}
			if (remove)
				gang_card_add(f->w, card);
			else
				gang_card_reset(f->w, card);
			new_queues(f, card);
			all_well(f);
		}
}

static void card_reset(void **state)
{
	card_goes(*state, false);
}

static void card_removed(void **state)
{
	card_goes(*state, true);
}

/* The card that only gives the name, and one that only lies on the way, may go. */
static void card_that_names(void **state)
{
	struct fixture *f = *state;
	struct gang g = { .w = f->w, .ranks = 2, .home = 2, .place = 5 };

	for (uint32_t r = 0; r < 2; r++)
		gang_member(&g, r, r, 0, 8, 1);
	/* Each counts to 60000, then they meet. */
	for (uint32_t r = 0; r < 2; r++) {
		gang_add(&g, r, SYNC, fx_alu(AXON_RALU_ADD, 10, 10, 1));
		gang_add(&g, r, SYNC, fx_branch(AXON_COND_LT, 10, 60000, 0));
		gang_add(&g, r, SYNC, gang_post(1 - r, 1, AXON_POST_ADD, 1));
		gang_add(&g, r, SYNC, fx_wait(gang_halt(), 1, 1));
	}
	gang_start(&g);
	wait_running(&g);
	gang_card_remove(f->w, 2);
	gang_finish(&g);
	for (uint32_t r = 0; r < 2; r++)
		assert_int_equal(g.m[r].cqe.status, AXON_STATUS_OK);
	/* Nobody can join by that name now. */
	gang_start_one(&g, 0);
	assert_int_equal(gang_status(&g.m[0].q), AXON_STATUS_FAULT_LINK);
}

/* A link that goes down loses the members of other cards, not those of its own gangs alone. */
static void link_down(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;
	struct gang home = { .w = f->w, .ranks = 2, .home = 0, .place = 9 };
	struct gang away = { .w = f->w, .ranks = 2, .home = 1, .place = 9 };

	for (uint32_t r = 0; r < 2; r++) {
		gang_member(&home, r, 0, r, 10 + r, 1);
		gang_member(&away, r, 1 + r, 1, 12, 1);
	}
	for (uint32_t round = 0; round < 4; round++) {
		gang_mode(f->w, round % 3, round);
		/* One within card 0, one between cards 1 and 2. */
		for (uint32_t i = 0; i < 2; i++) {
			struct gang *x = i ? &away : &home;

			for (uint32_t r = 0; r < 2; r++) {
				gang_add(x, r, SYNC, fx_alu(AXON_RALU_ADD, 10, 10, 1));
				gang_add(x, r, SYNC, fx_branch(AXON_COND_LT, 10, 60000, 0));
				gang_add(x, r, SYNC, gang_post(1 - r, 1, AXON_POST_ADD, 1));
				gang_add(x, r, SYNC, fx_wait(gang_halt(), 1, 1));
			}
			gang_start(x);
			wait_running(x);
		}
		gang_links(f->w, 0, false);
		gang_finish(&home);
		gang_finish(&away);
		for (uint32_t r = 0; r < 2; r++) {
			assert_int_equal(home.m[r].cqe.status, AXON_STATUS_OK);
			assert_int_equal(away.m[r].cqe.status, AXON_STATUS_OK);
		}
		gang_links(f->w, 0, true);
		/* One over all cards: also who is on the card whose links went. */
		if (round % 2)
			busy(g);
		else
			stuck(g);
		if (round % 2 == 0)
			gang_add(g, 1, CC, loop(0));
		gang_start(g);
		wait_running(g);
		gang_links(f->w, round % 3, false);
		for (uint32_t r = 0; r < 4; r++) {
			assert_true(gang_done(&g->m[r].q, &g->m[r].cqe));
			assert_int_equal(g->m[r].cqe.status, AXON_STATUS_PEER_LOST);
			assert_true(gang_fault(&g->m[r].q).peer != 0);
		}
		gang_links(f->w, round % 3, true);
		all_well(f);
		gang_again(&home);
		gang_again(&away);
	}
}

/* Down and up at once is down: a member that was not reachable for a moment is lost. */
static void link_blinks(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	busy(g);
	gang_start(g);
	wait_running(g);
	for (uint32_t c = 0; c < 3; c++) {
		gang_links(f->w, c, false);
		gang_round(f->w);
		gang_links(f->w, c, true);
	}
	for (uint32_t r = 0; r < 4; r++) {
		assert_true(gang_done(&g->m[r].q, &g->m[r].cqe));
		assert_int_equal(g->m[r].cqe.status, AXON_STATUS_PEER_LOST);
	}
	all_well(f);
}

/* A transfer to a peer whose links go faults, or its member is lost: whichever is seen first. */
static void transfer_to_a_lost_peer(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;

	for (uint32_t round = 0; round < 10; round++) {
		gang_mode(f->w, GANG_RANDOM, round);
		for (uint32_t r = 0; r < 4; r++) {
			uint64_t dst = gang_va(r % 3, (r + 1) % 3, DATA + r * 0x40000);
			struct axon_dma_desc d = fx_desc(dst, AXON_SPACE_MEM,
							 GANG_NEAR + DATA + 0x200000,
							 AXON_SPACE_MEM, 0x40000);

			gang_add(g, r, SYNC, fx_post(fx_dma(0, d), 3, 1));
			gang_add(g, r, SYNC, fx_alu(AXON_RALU_ADD, 10, 10, 1));
			gang_add(g, r, SYNC, fx_inst(AXON_OP_NOP));
			gang_add(g, r, SYNC, loop(0));
			gang_add(g, r, SYNC, gang_halt());
		}
		gang_start(g);
		wait_running(g);
		for (uint32_t i = 0; i < round; i++)
			gang_round(f->w);
		gang_links(f->w, round % 3, false);
		gang_finish(g);
		for (uint32_t r = 0; r < 4; r++)
			assert_true(g->m[r].cqe.status == AXON_STATUS_PEER_LOST ||
				    g->m[r].cqe.status == AXON_STATUS_FAULT_LINK);
		gang_links(f->w, round % 3, true);
		all_well(f);
	}
}

/* ---- with a thread for each card ---- */

/*
 * Waits for the ends of all but those on @card. Who joins when others were lost already waits for
 * them in a new gang: after a while it is told to stop, as a driver would.
 */
static void end_or_reset(struct gang *g, uint32_t card)
{
	uint64_t start = gang_real_ns(), patience = 30000000;

	for (uint32_t left = 1; left;) {
		bool late = gang_real_ns() - start > patience;

		left = 0;
		assert_true(gang_real_ns() - start < 60000000000);
		for (uint32_t r = 0; r < g->ranks; r++) {
			struct gang_member *m = &g->m[r];

			if (m->q.card == card || m->q.head == m->q.tail)
				continue;
			if (gang_poll(&m->q, &m->cqe))
				continue;
			left++;
			if (late)
				gang_kill(&m->q, AXON_MBOX_GANG_RESET);
		}
		gang_round(g->w);
	}
}

/* Gangs run while members are killed, cards reset and links taken down at any time. */
static void anything_at_any_time(void **state)
{
	struct fixture *f = *state;
	struct gang *g = &f->g;
	uint64_t seed = 99;
	uint32_t ok = 0, broken = 0;

	gang_mode(f->w, GANG_THREADS, 5);
	for (uint32_t round = 0; round < 60; round++) {
		uint32_t what = fx_below(&seed, 5), card = fx_below(&seed, 3);
		uint32_t rank = fx_below(&seed, 4);
		uint64_t until;

		gang_token(g, CC, 200);
		gang_start(g);
		until = gang_real_ns() + fx_below(&seed, 1500000);
		while (gang_real_ns() < until)
			;
		if (what == 0)
			gang_kill(&g->m[rank].q, AXON_MBOX_CORE_RESET);
		else if (what == 1)
			gang_kill(&g->m[rank].q, AXON_MBOX_GANG_RESET);
		else if (what == 2)
			gang_links(f->w, card, false);
		else if (what == 3)
			axon_card_write(f->w->card[card].card, AXON_REG_RESET, AXON_RESET_CARD);
		end_or_reset(g, what == 3 ? card : UINT32_MAX);
		for (uint32_t r = 0; r < 4; r++) {
			uint32_t status = g->m[r].cqe.status;

			/* The name lies on card 1, which may be down when it is asked for. */
			assert_true(status == AXON_STATUS_OK || status == AXON_STATUS_KILLED ||
				    status == AXON_STATUS_PEER_LOST ||
				    status == AXON_STATUS_FAULT_LINK);
			ok += status == AXON_STATUS_OK;
			broken += status != AXON_STATUS_OK;
		}
		gang_links(f->w, card, true);
		if (what == 3) {
			gang_card_reset(f->w, card);
			new_queues(f, card);
		}
		all_well(f);
	}
	print_message("%u members ended well, %u did not\n", ok, broken);
	assert_true(ok > 0 && broken > 0);
}

int main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(deadlock),
		T(deadlock_of_one),
		T(no_deadlock),
		T(member_faults),
		T(ended_before),
		T(others_fail),
		T(killed_while_forming),
		T(gang_reset_of_complete),
		T(killed_while_running),
		T(lost_before_start),
		T(rings_vanish),
		T(place_unbound),
		T(card_reset),
		T(card_removed),
		T(card_that_names),
		T(link_down),
		T(link_blinks),
		T(transfer_to_a_lost_peer),
		T(anything_at_any_time),
	};

	if (argc != 2)
		return 2;
	gang_image(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
