// SPDX-License-Identifier: MIT
/* How gangs form: names, ranks, who waits for whom, what is refused, gangs that want one core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gang_help.h"

#define SYNC	AXON_ENGINE_SYNC
#define DATA	GANG_HBM_DATA

/* Everybody posts to everybody and waits for all: only whole gangs end. */
static void barrier(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		for (uint32_t to = 0; to < g->ranks; to++)
			gang_add(g, r, SYNC, gang_post(to, 1, AXON_POST_ADD, 1));
		gang_add(g, r, SYNC, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, g->ranks));
		gang_add(g, r, SYNC, gang_halt());
	}
}

static void nobody_has_ended(struct gang *g, uint32_t but)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		if (r != but)
			assert_false(gang_poll(&g->m[r].q, &g->m[r].cqe));
}

/* All orders of arrival of @ranks members; nobody starts before the last one, all end alike. */
static void arrivals(const char *shape, uint32_t cards, uint32_t cores, uint32_t ranks)
{
	struct gang_world *w = gang_world(shape, cards, cores);
	uint64_t cycles[GANG_MAX_MEMBERS] = { 0 };
	uint32_t orders = 1;
	struct gang g;

	gang_make(&g, w, ranks, cards - 1, 0, 0);
	for (uint32_t i = 2; i <= ranks; i++)
		orders *= i;
	for (uint32_t o = 0; o < orders; o++) {
		uint32_t rest[GANG_MAX_MEMBERS], code = o;

		gang_mode(w, o % 3, o);
		for (uint32_t r = 0; r < ranks; r++)
			rest[r] = r;
		barrier(&g);
		for (uint32_t left = ranks; left; left--) {
			uint32_t pick = code % left, r = rest[pick];

			code /= left;
			rest[pick] = rest[left - 1];
			/* They wait, sleep, and do not occupy their cores. */
			gang_idle(w);
			nobody_has_ended(&g, ranks);
			for (uint32_t i = 0; i < ranks; i++)
				assert_int_equal(gang_core_queue(w, g.m[i].q.card, g.m[i].q.core),
						 AXON_NO_QUEUE);
			gang_start_one(&g, r);
		}
		gang_finish(&g);
		for (uint32_t r = 0; r < ranks; r++) {
			assert_int_equal(g.m[r].cqe.status, AXON_STATUS_OK);
			if (!o)
				cycles[r] = g.m[r].cqe.cycles;
			assert_int_equal(g.m[r].cqe.cycles, cycles[r]);
			assert_true(cycles[r] > 0);
		}
		gang_again(&g);
	}
	gang_world_end(w);
}

static void any_order(void **state)
{
	(void)state;
	arrivals(NULL, 1, 1, 1);
	arrivals(NULL, 1, 2, 2);
	arrivals(NULL, 1, 4, 4);
	arrivals("pair", 2, 1, 2);
	arrivals("pair", 2, 2, 3);
	arrivals("ring", 3, 1, 3);
	arrivals("ring", 4, 1, 4);
	arrivals("mesh", 4, 1, 4);
	arrivals("pair", 2, 2, 4);
}

/* As many members as there can be, on all cores of sixteen cards: all post to all; then a kill. */
static void largest(void **state)
{
	const uint64_t turn = GANG_POST + 2 * GANG_ALU;
	struct gang_world *w = gang_world("torus:4x4", 16, 8);
	struct gang *g = calloc(1, sizeof(*g));

	(void)state;
	assert_non_null(g);
	gang_make(g, w, AXON_MAX_RANKS, 5, 0, 0);
	for (uint32_t round = 0; round < 3; round++) {
		gang_mode(w, round == 0 ? GANG_DOWN : round == 1 ? GANG_RANDOM : GANG_THREADS, 3);
		for (uint32_t r = 0; r < AXON_MAX_RANKS; r++) {
			struct axon_inst post = gang_post(0, 255, AXON_POST_ADD, 1);

			post.ctl.ra = 10;
			gang_add(g, r, SYNC, post);
			gang_add(g, r, SYNC, fx_alu(AXON_RALU_ADD, 10, 10, 1));
			gang_add(g, r, SYNC, fx_branch(AXON_COND_LT, 10, AXON_MAX_RANKS, 0));
			gang_add(g, r, SYNC, gang_wait_eq(gang_halt(), 255, AXON_MAX_RANKS));
		}
		gang_run(g);
		for (uint32_t r = 0; r < AXON_MAX_RANKS; r++) {
			uint64_t t = turn * AXON_MAX_RANKS;

			for (uint32_t from = 0; from < AXON_MAX_RANKS; from++) {
				uint64_t at = turn * r + GANG_POST + gang_way(w, from % 16, r % 16);

				t = t > at ? t : at;
			}
			assert_int_equal(g->m[r].cqe.cycles, t + GANG_HALT);
		}
		gang_again(g);
	}
	gang_mode(w, GANG_UP, 0);
	for (uint32_t r = 0; r < AXON_MAX_RANKS; r++)
		gang_add(g, r, SYNC, fx_branch(AXON_COND_ALWAYS, AXON_SREG_NONE, 0, 0));
	gang_start(g);
	for (uint32_t i = 0; i < 20; i++)
		gang_round(w);
	assert_int_equal(gang_kill(&g->m[127].q, AXON_MBOX_CORE_RESET), AXON_MBOX_OK);
	for (uint32_t r = 0; r < 127; r++) {
		assert_int_equal(gang_status(&g->m[r].q), AXON_STATUS_PEER_LOST);
		assert_int_equal(gang_fault(&g->m[r].q).peer, 128);
	}
	free(g);
	gang_world_end(w);
}

/* Which card should run so that another can go on. */
static void whom_a_card_waits_for(void **state)
{
	struct gang_world *w = gang_world("ring", 3, 2);
	struct gang g;

	(void)state;
	gang_make(&g, w, 4, 1, 0, 0);
	for (uint32_t c = 0; c < 3; c++)
		assert_int_equal(axon_card_waits_for(w->card[c].card), AXON_NO_PEER);
	/* Ranks 0 and 3 are on card 0. Rank 2 counts, the others wait for its post. */
	for (uint32_t r = 0; r < 4; r++) {
		gang_add(&g, r, SYNC, r == 2 ? fx_alu(AXON_RALU_ADD, 10, 10, 1) :
			 fx_wait(fx_inst(AXON_OP_NOP), 1, 1));
		if (r == 2) {
			gang_add(&g, r, SYNC, fx_branch(AXON_COND_LT, 10, 100000, 0));
			for (uint32_t to = 0; to < 4; to++)
				gang_add(&g, r, SYNC, gang_post(to, 1, AXON_POST_ADD, 1));
		}
		gang_add(&g, r, SYNC, gang_halt());
	}
	for (uint32_t r = 0; r < 3; r++) {
		gang_start_one(&g, r);
		gang_idle(w);
		/* Nobody knows where the missing ones are. */
		for (uint32_t c = 0; c < 3; c++)
			assert_int_equal(axon_card_waits_for(w->card[c].card),
					 c <= r ? c : AXON_NO_PEER);
	}
	gang_start_one(&g, 3);
	for (uint32_t i = 0; i < 10; i++)
		gang_round(w);
	assert_int_equal(axon_card_waits_for(w->card[0].card), 2);
	assert_int_equal(axon_card_waits_for(w->card[1].card), 2);
	assert_int_equal(gang_core_queue(w, 2, 0), g.m[2].q.id);
	gang_finish(&g);
	for (uint32_t r = 0; r < 4; r++)
		assert_int_equal(g.m[r].cqe.status, AXON_STATUS_OK);
	gang_idle(w);
	for (uint32_t c = 0; c < 3; c++)
		assert_int_equal(axon_card_waits_for(w->card[c].card), AXON_NO_PEER);
	gang_world_end(w);
}

/* The name is the place, whoever sees it by which address; two places are two gangs. */
static void names(void **state)
{
	struct gang_world *w = gang_world("ring", 3, 3);
	struct gang g[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		/* The same offset on three cards is three names. Address spaces do not matter. */
		g[i] = (struct gang){ .w = w, .ranks = 3, .home = i };
		for (uint32_t r = 0; r < 3; r++)
			gang_member(&g[i], r, r, i, i, 1 + (i + r) % 2);
		barrier(&g[i]);
	}
	/* One member of each, all three are apart. */
	for (uint32_t r = 0; r < 3; r++) {
		for (uint32_t i = 0; i < 3; i++)
			gang_start_one(&g[i], (i + r) % 3);
		gang_idle(w);
		for (uint32_t i = 0; r < 2 && i < 3; i++)
			nobody_has_ended(&g[i], 3);
	}
	for (uint32_t i = 0; i < 3; i++) {
		gang_finish(&g[i]);
		for (uint32_t r = 0; r < 3; r++)
			assert_int_equal(g[i].m[r].cqe.status, AXON_STATUS_OK);
	}
	/* The memory's content is neither read nor written. */
	for (uint32_t c = 0; c < 3; c++)
		for (uint32_t i = 0; i < 128; i++)
			assert_int_equal(((uint8_t *)gang_data(w, c, GANG_HBM_PLACES))[i], 0);
	memset(gang_data(w, 0, GANG_HBM_PLACES), 0xa5, 64);
	gang_again(&g[0]);
	barrier(&g[0]);
	gang_start_one(&g[0], 1);
	gang_idle(w);
	memset(gang_data(w, 0, GANG_HBM_PLACES), 0x5a, 64);
	gang_start_one(&g[0], 0);
	gang_start_one(&g[0], 2);
	gang_finish(&g[0]);
	assert_int_equal(g[0].m[2].cqe.status, AXON_STATUS_OK);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(((uint8_t *)gang_data(w, 0, GANG_HBM_PLACES))[i], 0x5a);
	gang_world_end(w);
}

/* ---- refused ---- */

/* A launch of queue @q with what is in @p fails so, at once, and others do not notice. */
static void fails_with(struct gang_queue *q, struct gang_prog *p, uint32_t status, uint64_t addr)
{
	struct axon_fault f;
	uint64_t program = gang_ready(p);

	gang_launch(q, program);
	assert_int_equal(gang_status(q), status);
	f = gang_fault(q);
	assert_int_equal(f.status, status);
	assert_int_equal(f.engine, AXON_FAULT_NO_ENGINE);
	assert_int_equal(f.addr, addr);
	assert_int_equal(f.peer, 0);
	assert_int_equal(f.queue, q->id);
	assert_int_equal(f.core, q->core);
	assert_int_equal(f.asid, q->asid);
	assert_int_equal(f.seqno, 1);
	assert_int_equal(f.user_data, 1001);
	assert_int_equal(gang_reg(q->w, q->card, AXON_REG_CORE(q->core, AXON_CORE_STATE)),
			 AXON_CORE_IDLE);
	gang_queue_again(q);
}

static void descriptors(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 1);
	const uint64_t place = gang_place(0, 0, 0);
	struct {
		uint64_t gang;
		uint32_t rank, ranks, reserved0, status;
		uint64_t addr;
	} cases[] = {
		{ place + 1, 0, 1, 0, AXON_STATUS_BAD_GANG, 0 },
		{ place + 32, 0, 1, 0, AXON_STATUS_BAD_GANG, 0 },
		{ gang_place(0, 1, 0) + 8, 0, 1, 0, AXON_STATUS_BAD_GANG, 0 },
		{ place, 0, 0, 0, AXON_STATUS_BAD_GANG, 0 },
		{ place, 0, AXON_MAX_RANKS + 1, 0, AXON_STATUS_BAD_GANG, 0 },
		{ place, 0, 65535, 0, AXON_STATUS_BAD_GANG, 0 },
		{ place, 1, 1, 0, AXON_STATUS_BAD_GANG, 0 },
		{ place, 2, 2, 0, AXON_STATUS_BAD_GANG, 0 },
		{ place, 65535, 2, 0, AXON_STATUS_BAD_GANG, 0 },
		{ place, 65535, AXON_MAX_RANKS, 0, AXON_STATUS_BAD_GANG, 0 },
		{ GANG_BUS_VA, 0, 1, 0, AXON_STATUS_BAD_GANG, 0 },	/* the host's memory */
		/* Addresses. */
		{ 0x123456000, 0, 1, 0, AXON_STATUS_FAULT_UNMAPPED, 0x123456000 },
		{ 1ull << AXON_VA_BITS, 0, 1, 0, AXON_STATUS_FAULT_ADDRESS, 1ull << AXON_VA_BITS },
		{ GANG_PEER(5), 0, 1, 0, AXON_STATUS_FAULT_UNMAPPED, GANG_PEER(5) },
		/* Not a matter of gangs. */
		{ place, 0, 1, 1, AXON_STATUS_BAD_PROGRAM, 0 },
		{ 0, 1, 0, 0, AXON_STATUS_BAD_PROGRAM, 0 },
		{ 0, 0, 1, 0, AXON_STATUS_BAD_PROGRAM, 0 },
	};
	const uint32_t version = AXON_ISA_VERSION_MAJOR << 16 | (AXON_ISA_GANG_MINOR - 1);
	struct gang_prog p = gang_prog(w, 0, 0), loop = gang_prog(w, 0, 1);
	struct gang_queue q, other;

	(void)state;
	gang_emit(&p, SYNC, gang_halt());
	gang_emit(&loop, SYNC, gang_halt());
	gang_queue(&q, w, 0, 3, 0, 2);
	gang_queue(&other, w, 0, 4, 0, 1);
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p.desc.gang = cases[i].gang;
		p.desc.rank = (uint16_t)cases[i].rank;
		p.desc.ranks = (uint16_t)cases[i].ranks;
		p.desc.reserved0 = cases[i].reserved0;
		fails_with(&q, &p, cases[i].status, cases[i].addr);
		gang_launch(&other, gang_ready(&loop));
		assert_int_equal(gang_status(&other), AXON_STATUS_OK);
	}
	/* Programs that are older than gangs have none. */
	p.desc.reserved0 = 0;
	p.desc.version = version;
	gang_join(&p, place, 0, 1);
	fails_with(&q, &p, AXON_STATUS_BAD_PROGRAM, 0);
	p.desc.version = version + 1;
	gang_launch(&q, gang_ready(&p));
	assert_int_equal(gang_status(&q), AXON_STATUS_OK);
	gang_queue_again(&q);
	/* The largest gang is no mistake: it waits. */
	gang_join(&p, place, AXON_MAX_RANKS - 1, AXON_MAX_RANKS);
	gang_launch(&q, gang_ready(&p));
	gang_idle(w);
	assert_int_equal(gang_kill(&q, AXON_MBOX_GANG_RESET), AXON_MBOX_OK);
	assert_int_equal(gang_status(&q), AXON_STATUS_KILLED);
	/* It waited for rank 0, the lowest of 127. */
	assert_int_equal(gang_fault(&q).peer, 1);
	gang_queue_again(&q);
	/* A gang whose name is behind a link that is down. */
	gang_join(&p, gang_place(0, 1, 0), 0, 1);
	gang_links(w, 1, false);
	fails_with(&q, &p, AXON_STATUS_FAULT_LINK, gang_place(0, 1, 0));
	gang_links(w, 1, true);
	gang_launch(&q, gang_ready(&p));
	assert_int_equal(gang_status(&q), AXON_STATUS_OK);
	gang_world_end(w);
}

/* Who disagrees with the members before is refused; they go on waiting, and become complete. */
static void disagreement(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 3);
	struct gang_prog p;
	struct gang_queue q[2];
	struct gang g;

	(void)state;
	gang_make(&g, w, 3, 0, 0, 0);
	for (uint32_t c = 0; c < 2; c++)
		gang_queue(&q[c], w, c, 8, 2, 1);
	for (int round = 0; round < 3; round++) {
		barrier(&g);
		gang_start_one(&g, round);
		gang_idle(w);
		for (uint32_t c = 0; c < 2; c++) {
			static const uint32_t ranks[] = { 1, 2, 4, 128 };

			/* Of a rank that is free. */
			for (uint32_t i = 0; i < 4; i++) {
				uint32_t rank = round == 0 ? 1 : 0;

				if (rank >= ranks[i])
					continue;
				p = gang_prog(w, c, 9);
				gang_emit(&p, SYNC, gang_halt());
				gang_join(&p, gang_place(c, 0, 0), rank, ranks[i]);
				fails_with(&q[c], &p, AXON_STATUS_BAD_GANG, 0);
			}
		}
		gang_idle(w);
		nobody_has_ended(&g, 3);
		for (uint32_t r = 0; r < 3; r++)
			if (r != (uint32_t)round)
				gang_start_one(&g, r);
		gang_finish(&g);
		for (uint32_t r = 0; r < 3; r++)
			assert_int_equal(g.m[r].cqe.status, AXON_STATUS_OK);
		gang_again(&g);
	}
	gang_world_end(w);
}

/* Two members of one gang on one core are refused; of two gangs they are not. */
static void one_core_one_member(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 2);
	struct gang_prog p = gang_prog(w, 0, 9);
	struct gang_queue second;
	struct gang g;

	(void)state;
	gang_make(&g, w, 4, 1, 0, 0);
	gang_queue(&second, w, 0, 9, 0, 1);
	gang_emit(&p, SYNC, gang_halt());
	for (int round = 0; round < 2; round++) {
		barrier(&g);
		gang_start_one(&g, 0);
		gang_idle(w);
		/* Rank 1 on the core of rank 0. More members than cores never run. */
		gang_join(&p, gang_place(0, 1, 0), 1, 4);
		fails_with(&second, &p, AXON_STATUS_BAD_GANG, 0);
		for (uint32_t r = 1; r < 4; r++)
			gang_start_one(&g, r);
		gang_finish(&g);
		for (uint32_t r = 0; r < 4; r++)
			assert_int_equal(g.m[r].cqe.status, AXON_STATUS_OK);
		gang_again(&g);
	}
	gang_world_end(w);
}

/* A rank that is taken: the next gang of that name, on the same core or another; in order. */
static void ranks_that_are_taken(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 2);
	struct gang g[4];
	struct axon_cqe cqe;

	(void)state;
	/* Four gangs of two at one place; 0 and 2 share their cores, so do 1 and 3. */
	for (uint32_t i = 0; i < 4; i++) {
		g[i] = (struct gang){ .w = w, .ranks = 2 };
		for (uint32_t r = 0; r < 2; r++)
			gang_member(&g[i], r, r, i % 2, i, 1);
		/* Gangs tell each other apart by what they post. */
		gang_add(&g[i], 0, SYNC, gang_post(1, 1, AXON_POST_SET, 10 + i));
		gang_add(&g[i], 0, SYNC, gang_halt());
		gang_add(&g[i], 1, SYNC, gang_wait_eq(gang_halt(), 1, 10 + i));
	}
	/* All the first ranks, one after the other: 0 .. 3. */
	for (uint32_t i = 0; i < 4; i++) {
		gang_start_one(&g[i], 0);
		gang_idle(w);
	}
	for (uint32_t i = 0; i < 4; i++) {
		gang_start_one(&g[i], 1);
		gang_idle(w);
		/* It has joined the oldest. */
		for (uint32_t k = 0; k < 4; k++) {
			bool ended = gang_poll(&g[k].m[1].q, &cqe);

			assert_int_equal(ended, k == i);
			if (ended)
				assert_int_equal(cqe.status, AXON_STATUS_OK);
			ended = gang_poll(&g[k].m[0].q, &cqe);
			assert_int_equal(ended, k == i);
			if (ended)
				assert_int_equal(cqe.status, AXON_STATUS_OK);
		}
	}
	gang_world_end(w);
}

/* A gang of another size can wait behind one of that name. */
static void next_gang_is_another(void **state)
{
	struct gang_world *w = gang_world("mesh", 3, 2);
	struct gang a, b;

	(void)state;
	gang_make(&a, w, 3, 0, 0, 0);
	gang_make(&b, w, 2, 0, 0, 8);
	barrier(&a);
	barrier(&b);
	gang_start_one(&a, 0);
	gang_idle(w);
	gang_start_one(&b, 0);	/* 0 is taken: the next gang, of two */
	gang_idle(w);
	gang_start_one(&a, 1);
	gang_idle(w);
	gang_start_one(&b, 1);	/* so is 1 */
	gang_idle(w);
	nobody_has_ended(&a, 3);
	gang_finish(&b);
	gang_start_one(&a, 2);
	gang_finish(&a);
	for (uint32_t r = 0; r < 3; r++)
		assert_int_equal(a.m[r].cqe.status, AXON_STATUS_OK);
	for (uint32_t r = 0; r < 2; r++)
		assert_int_equal(b.m[r].cqe.status, AXON_STATUS_OK);
	gang_world_end(w);
}

/* A launch joins when its queue has come to it, and one queue's gangs run one after the other. */
static void in_a_queue(void **state)
{
	const uint32_t rounds = 20;
	struct gang_world *w = gang_world("ring", 3, 1);
	struct gang g;

	(void)state;
	gang_make(&g, w, 3, 2, 0, 0);
	barrier(&g);
	/* All of rank 0's, then rank 1's, then rank 2's, with other commands before each. */
	for (uint32_t r = 0; r < 3; r++) {
		struct gang_queue *q = &g.m[r].q;

		for (uint32_t i = 0; i < rounds; i++) {
			gang_submit(q, (struct axon_cmd){ .opcode = AXON_CMD_FILL, .copy = {
				.dst = GANG_NEAR + DATA, .src = i, .size = 4096 } });
			gang_start_one(&g, r);
		}
		gang_idle(w);
		if (r < 2) {
			struct axon_cqe cqe;

			/* The first FILL has ended, the first launch waits. */
			assert_true(gang_poll(q, &cqe));
			assert_false(gang_poll(q, &cqe));
		}
	}
	for (uint32_t r = 0; r < 3; r++)
		for (uint32_t i = r < 2; i < 2 * rounds; i++)
			assert_int_equal(gang_status(&g.m[r].q), AXON_STATUS_OK);
	gang_world_end(w);
}

/* ---- cores that several want ---- */

/* While a gang waits for members its cores serve others; a complete one comes before them. */
static void cores_while_waiting(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 1);
	struct gang_prog p = gang_prog(w, 0, 9);
	struct gang_queue other[3];
	struct axon_cqe cqe;
	struct gang g;

	(void)state;
	gang_make(&g, w, 2, 0, 0, 0);
	barrier(&g);
	gang_emit(&p, SYNC, gang_halt());
	for (uint32_t i = 0; i < 3; i++)
		gang_queue(&other[i], w, 0, 9 + i, 0, 1 + i % 2);
	gang_start_one(&g, 0);
	gang_idle(w);
	for (uint32_t i = 0; i < 30; i++) {
		gang_launch(&other[i % 3], gang_ready(&p));
		assert_int_equal(gang_status(&other[i % 3]), AXON_STATUS_OK);
		assert_false(gang_poll(&g.m[0].q, &cqe));
	}
	gang_start_one(&g, 1);
	gang_finish(&g);
	assert_int_equal(g.m[0].cqe.status, AXON_STATUS_OK);
	assert_int_equal(g.m[1].cqe.status, AXON_STATUS_OK);
	gang_world_end(w);
}

/* The gang that is complete takes the core before launches that have waited longer. */
static void complete_first(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 1);
	struct gang_prog slow = gang_prog(w, 0, 9);
	struct gang_queue other[6];
	struct axon_cqe cqe;
	uint32_t ended = 0;
	struct gang g;

	(void)state;
	gang_emit(&slow, SYNC, fx_alu(AXON_RALU_ADD, 10, 10, 1));
	gang_emit(&slow, SYNC, fx_branch(AXON_COND_LT, 10, 30000, 0));
	gang_emit(&slow, SYNC, gang_halt());
	gang_make(&g, w, 2, 0, 0, 3);
	barrier(&g);
	gang_start_one(&g, 0);
	for (uint32_t i = 0; i < 6; i++) {
		gang_queue(&other[i], w, 0, i < 3 ? i : i + 3, 0, 1);
		gang_launch(&other[i], gang_ready(&slow));
	}
	while (gang_reg(w, 0, AXON_REG_CORE(0, AXON_CORE_STATE)) != AXON_CORE_RUNNING)
		assert_true(gang_round(w));
	gang_start_one(&g, 1);
	assert_true(gang_done(&g.m[0].q, &g.m[0].cqe));
	/* At most the one that ran, and the one that took the core before rank 1 was fetched. */
	for (uint32_t i = 0; i < 6; i++)
		ended += gang_poll(&other[i], &cqe);
	assert_true(ended <= 2);
	assert_true(gang_done(&g.m[1].q, &g.m[1].cqe));
	assert_int_equal(g.m[1].cqe.status, AXON_STATUS_OK);
	gang_idle(w);
	gang_world_end(w);
}

/* As long as there are complete gangs, a launch without one gets every other turn. */
static void nobody_starves(void **state)
{
	enum { GANGS = 3, ROUNDS = 8, OTHERS = 4 };
	struct gang_world *w = gang_world("pair", 2, 1);
	struct gang_prog p = gang_prog(w, 0, 12);
	struct gang_queue other;
	struct gang g[GANGS];
	struct axon_cqe cqe;

	(void)state;
	gang_emit(&p, SYNC, gang_halt());
	gang_queue(&other, w, 0, 12, 0, 1);
	for (uint32_t i = 0; i < GANGS; i++) {
		gang_make(&g[i], w, 2, 0, i, i);
		barrier(&g[i]);
		for (uint32_t n = 0; n < ROUNDS; n++)
			gang_start(&g[i]);
	}
	while (gang_core_queue(w, 0, 0) == AXON_NO_QUEUE)
		assert_true(gang_round(w));
	for (uint32_t n = 0; n < OTHERS; n++)
		gang_launch(&other, gang_ready(&p));
	for (uint32_t n = 0; n < OTHERS; n++)
		assert_int_equal(gang_status(&other), AXON_STATUS_OK);
	/* The gangs are not through, by far. */
	for (uint32_t i = 0; i < GANGS; i++)
		assert_true(g[i].m[0].q.state->completed < ROUNDS);
	for (uint32_t i = 0; i < GANGS; i++)
		for (uint32_t n = 0; n < ROUNDS; n++)
			for (uint32_t r = 0; r < 2; r++)
				assert_int_equal(gang_status(&g[i].m[r].q), AXON_STATUS_OK);
	assert_false(gang_poll(&other, &cqe));
	gang_world_end(w);
}

/* Gangs over the same cores, their launches in opposite orders: each would wait for the other. */
static void opposite_orders(void **state)
{
	struct gang_world *w = gang_world("ring", 4, 1);
	struct gang g[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		gang_make(&g[i], w, 4, i, i, i);
	for (uint64_t round = 0; round < 60; round++) {
		uint64_t seed = round;

		gang_mode(w, round % 4, round);
		for (uint32_t i = 0; i < 3; i++)
			barrier(&g[i]);
		for (uint32_t r = 0; r < 4; r++)
			for (uint32_t k = 0; k < 3; k++) {
				gang_start_one(&g[(k * (r % 2 ? 1 : 2) + r + round) % 3], r);
				for (uint32_t n = fx_below(&seed, 4); n; n--)
					gang_round(w);
			}
		for (uint32_t i = 0; i < 3; i++) {
			gang_finish(&g[i]);
			for (uint32_t r = 0; r < 4; r++) {
				assert_int_equal(g[i].m[r].cqe.status, AXON_STATUS_OK);
				assert_int_equal(g[i].m[r].cqe.cycles, g[0].m[r].cqe.cycles);
			}
		}
		for (uint32_t i = 0; i < 3; i++)
			gang_again(&g[i]);
	}
	gang_world_end(w);
}

/* Many gangs of random members on random cores, all at once. */
static void crowds(void **state)
{
	enum { GANGS = 7 };
	struct gang_world *w = gang_world("torus:2x2", 4, 2);
	uint64_t seed = 4711;

	(void)state;
	for (uint32_t round = 0; round < 40; round++) {
		struct gang g[GANGS];
		uint8_t next[GANGS] = { 0 };

		gang_mode(w, round % 4, round);
		for (uint32_t i = 0; i < GANGS; i++) {
			uint32_t ranks = 1 + fx_below(&seed, 8), base = fx_below(&seed, 8);

			g[i] = (struct gang){ .w = w, .ranks = ranks, .home = i % 4, .place = i };
			for (uint32_t r = 0; r < ranks; r++) {
				uint32_t at = (base + r * 3) % 8;

				gang_member(&g[i], r, at % 4, at / 4, 2 * i + at / 4, 1 + i % 2);
			}
			barrier(&g[i]);
		}
		/* The members of all in any order. */
		for (uint32_t left = 1; left;) {
			uint32_t i = fx_below(&seed, GANGS);

			if (next[i] < g[i].ranks)
				gang_start_one(&g[i], next[i]++);
			if (fx_below(&seed, 3) == 0)
				gang_round(w);
			left = 0;
			for (i = 0; i < GANGS; i++)
				left |= next[i] < g[i].ranks;
		}
		for (uint32_t i = 0; i < GANGS; i++) {
			gang_finish(&g[i]);
			for (uint32_t r = 0; r < g[i].ranks; r++)
				assert_int_equal(g[i].m[r].cqe.status, AXON_STATUS_OK);
			gang_free(&g[i]);
		}
	}
	gang_world_end(w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order),
		cmocka_unit_test(largest),
		cmocka_unit_test(whom_a_card_waits_for),
		cmocka_unit_test(names),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(disagreement),
		cmocka_unit_test(one_core_one_member),
		cmocka_unit_test(ranks_that_are_taken),
		cmocka_unit_test(next_gang_is_another),
		cmocka_unit_test(in_a_queue),
		cmocka_unit_test(cores_while_waiting),
		cmocka_unit_test(complete_first),
		cmocka_unit_test(nobody_starves),
		cmocka_unit_test(opposite_orders),
		cmocka_unit_test(crowds),
	};

	if (argc != 2)
		return 2;
	gang_image(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
