// SPDX-License-Identifier: MIT
/* Posts between cores: what they do, when and in which order they arrive, data before semaphore. */
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

/* @bytes from @src to @dst, addresses of the space. */
static struct axon_dma_desc transfer(uint64_t dst, uint64_t src, uint32_t bytes)
{
	return fx_desc(dst, AXON_SPACE_MEM, src, AXON_SPACE_MEM, bytes);
}

static struct axon_dma_desc posting(struct axon_dma_desc d, uint32_t rank, unsigned int sem,
				    unsigned int op, uint32_t val)
{
	d.post_rank = (uint16_t)rank;
	d.post_sem = (uint8_t)sem;
	d.post_op = (uint8_t)op;
	d.post_val = val;
	return d;
}

/* A transfer of @bytes in one run, without links. */
static uint64_t dma_cycles(uint64_t bytes)
{
	return 840 + ((bytes < 64 ? 64 : bytes) * 14 + 229) / 230;
}

/* The same written to a peer, a link of @mbps. */
static uint64_t far_cycles(uint64_t bytes, uint64_t mbps, uint64_t latency)
{
	uint64_t wire = 840 + (bytes * 1400 + mbps - 1) / mbps;

	return (wire > dma_cycles(bytes) ? wire : dma_cycles(bytes)) + latency;
}

static void halts(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		gang_add(g, r, SYNC, gang_halt());
}

/* The value of register @reg goes to @off of the card's memory. */
static struct axon_inst store(unsigned int reg, uint64_t off)
{
	return fx_mem(AXON_OP_REG_STORE, reg, GANG_NEAR + off, AXON_DTYPE_UINT32);
}

static uint32_t word(struct gang_world *w, uint32_t card, uint64_t off)
{
	uint32_t v;

	memcpy(&v, gang_data(w, card, off), sizeof(v));
	return v;
}

static struct axon_inst load(uint64_t off)
{
	return fx_mem(AXON_OP_REG_LOAD, 9, GANG_NEAR + off, AXON_DTYPE_UINT32);
}

/* Every member knows who it is; without a gang both are 0. */
static void ranks_in_registers(void **state)
{
	struct gang_world *w = gang_world("ring", 3, 2);
	struct gang g;

	(void)state;
	gang_make(&g, w, 6, 1, 0, 0);
	for (uint32_t r = 0; r < 6; r++)
		for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
			uint64_t off = DATA + (r / 3) * 256 + e * 16;

			gang_add(&g, r, e, store(AXON_SREG_RANK, off));
			gang_add(&g, r, e, store(AXON_SREG_RANKS, off + 4));
			gang_add(&g, r, e, store(AXON_SREG_CORE, off + 8));
			gang_add(&g, r, e, gang_halt());
		}
	gang_run(&g);
	for (uint32_t r = 0; r < 6; r++)
		for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
			uint64_t off = DATA + (r / 3) * 256 + e * 16;

			assert_int_equal(word(w, r % 3, off), r);
			assert_int_equal(word(w, r % 3, off + 4), 6);
			assert_int_equal(word(w, r % 3, off + 8), r / 3);
		}
	for (uint32_t r = 0; r < 6; r++)
		assert_int_equal(g.m[r].cqe.cycles, 3 * GANG_STORE + GANG_HALT);
	/* The same program alone. */
	g.m[0].prog.desc.gang = 0;
	g.m[0].prog.desc.rank = g.m[0].prog.desc.ranks = 0;
	memset(gang_data(w, 0, DATA), 0xff, 64);
	gang_start_one(&g, 0);
	assert_int_equal(gang_status(&g.m[0].q), AXON_STATUS_OK);
	assert_int_equal(word(w, 0, DATA), 0);
	assert_int_equal(word(w, 0, DATA + 4), 0);
	gang_world_end(w);
}

/* One post from rank 0 to the last one, over @hops links. */
static void latency_of(const char *shape, uint32_t cards, uint32_t cores, uint32_t ranks)
{
	struct gang_world *w = gang_world(shape, cards, cores);
	uint32_t last = ranks - 1;
	uint64_t way = gang_way(w, 0, last % cards);
	struct gang g;

	gang_make(&g, w, ranks, 0, 1, 0);
	gang_add(&g, 0, SYNC, gang_post(last, 9, AXON_POST_ADD, 1));
	gang_add(&g, last, SYNC, fx_wait(fx_inst(AXON_OP_NOP), 9, 1));
	halts(&g);
	gang_run(&g);
	if (last)
		assert_int_equal(g.m[0].cqe.cycles, GANG_POST + GANG_HALT);
	assert_int_equal(g.m[last].cqe.cycles, GANG_POST + way + GANG_NOP + GANG_HALT);
	if (shape)
		assert_int_equal(gang_reg(w, 0, AXON_REG_PEER(last % cards, AXON_PEER_POSTS_LO)),
				 last % cards ? 1 : 0);
	gang_world_end(w);
}

static void latency(void **state)
{
	(void)state;
	latency_of(NULL, 1, 2, 2);		/* cores of a card */
	latency_of(NULL, 1, 1, 1);		/* a core and itself */
	latency_of("pair", 2, 1, 2);
	latency_of("ring", 4, 1, 2);		/* one hop */
	latency_of("ring", 4, 1, 3);		/* two */
	latency_of("ring", 7, 1, 4);		/* three */
	latency_of("mesh", 5, 1, 5);
	latency_of("link 0 1\nlatency-ns 333", 2, 2, 4);	/* 466.2 cycles */
	latency_of("link 0 1\nlink 1 2\nlatency-ns 101", 3, 1, 3);
}

/* Operators and values, on every engine. */
static void operators(void **state)
{
	static const struct {
		unsigned int op;
		uint32_t val;
		uint32_t then;
	} step[] = {
		{ AXON_POST_SET, 65535, 65535 }, { AXON_POST_ADD, 2, 65537 },
		{ AXON_POST_SUB, 65535, 2 }, { AXON_POST_SUB, 3, UINT32_MAX },
		{ AXON_POST_ADD, 1, 0 }, { AXON_POST_SET, 7, 7 }, { AXON_POST_ADD, 0, 7 },
	};
	const uint32_t steps = sizeof(step) / sizeof(step[0]);
	struct gang_world *w = gang_world("pair", 2, 2);
	struct gang g;

	(void)state;
	gang_make(&g, w, 3, 1, 0, 0);
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
		for (uint32_t to = 1; to < 3; to++)
			for (uint32_t i = 0; i < steps; i++) {
				/* One after the other: the answer allows the next one. */
				uint32_t sem = e * 3 + to;

				gang_add(&g, 0, e, fx_wait(gang_post(to, 255 - e, step[i].op,
								     step[i].val), sem, i));
				gang_add(&g, to, e,
					 gang_wait_eq(gang_post(0, sem, AXON_POST_ADD, 1), 255 - e,
						      step[i].then));
			}
		for (uint32_t r = 0; r < 3; r++)
			gang_add(&g, r, e, gang_halt());
	}
	gang_run(&g);
	assert_int_equal(gang_reg(w, 0, AXON_REG_PEER(1, AXON_PEER_POSTS_LO)),
			 steps * AXON_NUM_STREAMS);
	assert_int_equal(gang_reg(w, 1, AXON_REG_PEER(0, AXON_PEER_POSTS_LO)),
			 steps * AXON_NUM_STREAMS);
	/* Rank 2 is on card 0: no link was used. */
	assert_int_equal(gang_reg(w, 0, AXON_REG_PEER(0, AXON_PEER_POSTS_LO)), 0);
	gang_world_end(w);
}

/* The rank comes from a register, modulo 2^64; the post of the header is the core's own. */
static void rank_of_register(void **state)
{
	struct gang_world *w = gang_world("ring", 3, 1);
	struct axon_inst i = gang_post(0, 4, AXON_POST_ADD, 1);
	struct gang g;

	(void)state;
	gang_make(&g, w, 3, 0, 0, 0);
	for (uint32_t r = 0; r < 3; r++) {
		/* To the next: (rank + 1) % 3, as rank + 1 or rank - 2. */
		i.ctl.ra = AXON_SREG_RANK;
		i.ctl.imm = r == 2 ? (uint64_t)-2 : 1;
		gang_add(&g, r, SYNC, fx_post(i, 5, 1));
		gang_add(&g, r, SYNC, fx_wait(fx_inst(AXON_OP_NOP), 4, 1));
		gang_add(&g, r, CC, fx_wait(fx_inst(AXON_OP_NOP), 5, 1));
		gang_add(&g, r, CC, gang_halt());
	}
	halts(&g);
	gang_run(&g);
	for (uint32_t r = 0; r < 3; r++)
		assert_int_equal(g.m[r].cqe.cycles,
				 GANG_POST + gang_way(w, 0, 1) + GANG_NOP + GANG_HALT);
	gang_world_end(w);
}

/* At one time: by the senders' ranks, then as they were made; before the core's own. */
static void order_at_one_time(void **state)
{
	struct gang_world *w = gang_world("mesh", 4, 1);
	struct gang g;
	uint64_t way = gang_way(w, 0, 1);

	(void)state;
	gang_make(&g, w, 4, 0, 0, 0);
	for (unsigned int swap = 0; swap < 2; swap++) {
		/* Ranks 1, 2 and 3 set it at the same time. The last one counts, others woke. */
		for (uint32_t r = 1; r < 4; r++) {
			uint32_t val = swap ? 40 - r : 10 + r;

			gang_add(&g, r, SYNC, gang_post(0, 1, AXON_POST_SET, val));
			gang_add(&g, 0, r - 1, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, val));
			gang_add(&g, 0, r - 1, gang_halt());
		}
		/* And long after that time only rank 3's is there. */
		for (int i = 0; i < 3; i++)
			gang_add(&g, 0, CC, load(DATA));
		gang_add(&g, 0, CC, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, swap ? 37 : 13));
		gang_add(&g, 0, CC, gang_halt());
		halts(&g);
		gang_run(&g);
		assert_int_equal(g.m[0].cqe.cycles, 3 * GANG_LOAD + GANG_NOP + GANG_HALT);
		gang_again(&g);
	}
	/* One sender's: engines make them in the order of their numbers. */
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
		gang_add(&g, 3, e, gang_post(0, 1, AXON_POST_SET, 20 + e));
		if (e != SYNC)
			gang_add(&g, 3, e, gang_halt());
	}
	gang_add(&g, 0, CC, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, 20 + CC));
	gang_add(&g, 0, CC, gang_halt());
	/* 25 is the last one: nobody finds 24 afterwards. */
	gang_add(&g, 0, 0, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, 20 + SYNC));
	gang_add(&g, 0, 0, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, 20 + CC));
	gang_add(&g, 0, 0, gang_halt());
	halts(&g);
	gang_run(&g);
	assert_int_equal(g.m[0].cqe.cycles, GANG_POST + way + 2 * GANG_NOP + GANG_HALT);
	gang_world_end(w);
}

/* What arrives acts before the engines' own at that time, also before their own posts. */
static void before_the_engines(void **state)
{
	struct gang_world *w = gang_world(NULL, 1, 2);
	const uint64_t arrives = GANG_POST + GANG_LOCAL;	/* 80: ten NOPs */
	struct axon_fault f;
	struct gang g;

	(void)state;
	assert_int_equal(arrives % GANG_NOP, 0);
	gang_make(&g, w, 2, 0, 0, 0);
	/* The NOP at 72 still sees 0. The own SET of 3 ends at 80 and comes after the other's 4. */
	gang_add(&g, 0, SYNC, gang_post(1, 1, AXON_POST_SET, 4));
	for (uint64_t t = 0; t + GANG_NOP <= arrives; t += GANG_NOP) {
		struct axon_inst i = gang_wait_eq(fx_inst(AXON_OP_NOP), 1, 0);

		if (t + GANG_NOP == arrives) {
			i = fx_post(i, 1, 3);
			i.post_op = AXON_POST_SET;
		}
		gang_add(&g, 1, SYNC, i);
	}
	gang_add(&g, 1, SYNC, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, 3));
	/* Who has waited for the 4 finds it all the same. */
	gang_add(&g, 1, 0, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, 4));
	gang_add(&g, 1, 0, gang_halt());
	halts(&g);
	gang_run(&g);
	assert_int_equal(g.m[1].cqe.cycles, arrives + GANG_NOP + GANG_HALT);
	/* At 80 it is no longer 0. */
	gang_again(&g);
	gang_add(&g, 0, SYNC, gang_post(1, 1, AXON_POST_ADD, 4));
	for (uint64_t t = 0; t <= arrives; t += GANG_NOP)
		gang_add(&g, 1, SYNC, gang_wait_eq(fx_inst(AXON_OP_NOP), 1, 0));
	halts(&g);
	gang_start(&g);
	gang_finish(&g);
	assert_int_equal(g.m[0].cqe.status, AXON_STATUS_OK);
	assert_int_equal(g.m[1].cqe.status, AXON_STATUS_DEADLOCK);
	f = gang_fault(&g.m[1].q);
	assert_int_equal(f.engine, SYNC);
	assert_int_equal(f.pc, arrives / GANG_NOP);
	assert_int_equal(f.semaphore, 1);
	assert_int_equal(f.sem_value, 4);
	assert_int_equal(f.sem_wanted, 0);
	gang_world_end(w);
}

/* A token goes around the ring a thousand times. */
static void token(const char *shape, uint32_t cards, uint32_t cores, uint32_t ranks)
{
	const uint32_t rounds = 1000;
	struct gang_world *w = gang_world(shape, cards, cores);
	struct gang g;
	uint64_t t = 0;

	gang_make(&g, w, ranks, 0, 0, 0);
	gang_token(&g, CC, rounds);
	gang_run(&g);
	for (uint32_t i = 0; i < rounds; i++)
		for (uint32_t r = 0; r < ranks; r++)
			t += GANG_POST + gang_way(w, r % cards, (r + 1) % ranks % cards);
	/* It comes back to rank 0, which then halts. */
	assert_int_equal(g.m[0].cqe.cycles, t + GANG_HALT);
	gang_world_end(w);
}

static void token_ring(void **state)
{
	(void)state;
	token("ring", 4, 1, 4);
	token("pair", 2, 2, 4);
	token("mesh", 3, 2, 6);
	token(NULL, 1, 4, 4);
}

/* Everybody to everybody, itself too, all engines at once. */
static void all_to_all(void **state)
{
	struct gang_world *w = gang_world("torus:2x2", 4, 2);
	struct gang g;

	(void)state;
	gang_make(&g, w, 8, 2, 3, 0);
	for (uint32_t r = 0; r < 8; r++)
		for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
			for (uint32_t to = 0; to < 8; to++)
				gang_add(&g, r, e, gang_post(to, 10 * e + r, AXON_POST_ADD, r + 1));
			for (uint32_t from = 0; from < 8; from++)
				gang_add(&g, r, e, gang_wait_eq(fx_inst(AXON_OP_NOP), 10 * e + from,
								from + 1));
			gang_add(&g, r, e, gang_halt());
		}
	gang_run(&g);
	for (uint32_t r = 0; r < 8; r++) {
		/* The waits are in order of ranks: each moves the clock to its post, then 8 on. */
		uint64_t t = 8 * GANG_POST;

		for (uint32_t from = 0; from < 8; from++) {
			uint64_t at = (r + 1) * GANG_POST + gang_way(w, from % 4, r % 4);

			t = (t > at ? t : at) + GANG_NOP;
		}
		assert_int_equal(g.m[r].cqe.cycles, t + GANG_HALT);
	}
	/* Two ranks a card, six engines, to the two ranks of each other card. */
	for (uint32_t a = 0; a < 4; a++)
		for (uint32_t b = 0; b < 4; b++)
			assert_int_equal(gang_reg(w, a, AXON_REG_PEER(b, AXON_PEER_POSTS_LO)),
					 a == b ? 0 : 2 * 6 * 2);
	gang_world_end(w);
}

static void pattern(uint8_t *p, uint32_t bytes, uint32_t seed)
{
	for (uint32_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 8) * 3 + seed);
}

/* A transfer to a peer posts there when its data have come: who is woken finds them. */
static void data_before_semaphore(void **state)
{
	const uint32_t size = 100000;
	struct gang_world *w = gang_world("ring", 4, 1);
	uint64_t far = GANG_DMA + far_cycles(size, 128000, gang_way(w, 0, 1));
	struct gang g;

	(void)state;
	gang_make(&g, w, 3, 0, 0, 0);
	for (uint32_t round = 0; round < 20; round++) {
		struct axon_dma_desc d;

		pattern(gang_data(w, 0, DATA), size, round);
		memset(gang_data(w, 1, DATA), 0, size);
		memset(gang_data(w, 2, DATA), 0, size);
		d = transfer(GANG_PEER(1) + DATA, GANG_NEAR + DATA, size);
		gang_add(&g, 0, SYNC, fx_dma(3, posting(d, 1, 8, AXON_POST_ADD, 2)));
		/* Rank 1 sends it on, rank 2 copies it at home. */
		d = transfer(GANG_PEER(2) + DATA, GANG_NEAR + DATA, size);
		gang_add(&g, 1, SYNC, fx_wait(fx_dma(0, posting(d, 2, 9, AXON_POST_SET, 5)), 8, 2));
		d = transfer(GANG_NEAR + DATA + 0x40000, GANG_NEAR + DATA, size);
		gang_add(&g, 2, SYNC, fx_wait(fx_dma(15, d), 9, 5));
		halts(&g);
		gang_run(&g);
		for (uint32_t r = 0; r < 3; r++)
			assert_memory_equal(gang_data(w, r, DATA), gang_data(w, 0, DATA), size);
		assert_memory_equal(gang_data(w, 2, DATA + 0x40000), gang_data(w, 0, DATA), size);
		assert_int_equal(g.m[0].cqe.cycles, far);
		assert_int_equal(g.m[1].cqe.cycles, 2 * far);
		assert_int_equal(g.m[2].cqe.cycles, 2 * far + GANG_DMA + dma_cycles(size));
		gang_again(&g);
	}
	/* Each one a post and the bytes. */
	assert_int_equal(gang_reg(w, 0, AXON_REG_PEER(1, AXON_PEER_POSTS_LO)), 20);
	assert_int_equal(gang_reg(w, 0, AXON_REG_PEER(1, AXON_PEER_WRITTEN_LO)), 20 * size);
	gang_world_end(w);
}

/* What the core wrote before by other means is there too: the whole core, not only the transfer. */
static void everything_before(void **state)
{
	struct axon_dma_desc d = transfer(GANG_NEAR + DATA, GANG_PEER(0) + DATA, 4);
	struct gang_world *w = gang_world("pair", 2, 1);
	uint64_t way = gang_way(w, 1, 0);
	struct gang g;

	(void)state;
	gang_make(&g, w, 2, 1, 0, 0);
	for (uint32_t round = 1; round <= 50; round++) {
		/* Engine 0 stores, then tells engine SYNC, which posts. Rank 1 reads from afar. */
		gang_add(&g, 0, 0, fx_alu(AXON_RALU_MOV, 20, AXON_SREG_NONE, round));
		gang_add(&g, 0, 0, fx_post(store(20, DATA), 2, 1));
		gang_add(&g, 0, 0, gang_halt());
		gang_add(&g, 0, SYNC, fx_wait(gang_post(1, 2, AXON_POST_ADD, 1), 2, 1));
		gang_add(&g, 1, SYNC, fx_wait(fx_dma(1, d), 2, 1));
		halts(&g);
		gang_run(&g);
		assert_int_equal(word(w, 1, DATA), round);
		assert_int_equal(g.m[1].cqe.cycles, GANG_ALU + GANG_STORE + GANG_POST + way +
				 GANG_DMA + dma_cycles(4) + 2 * way);
		gang_again(&g);
	}
	gang_world_end(w);
}

/* ADD at a peer, by two senders that take turns, and the sum. */
static void add_with_post(void **state)
{
	const uint32_t n = 1000;
	struct gang_world *w = gang_world("ring", 3, 1);
	float *sum = gang_data(w, 0, DATA);
	struct gang g;

	(void)state;
	gang_make(&g, w, 3, 0, 0, 0);
	for (uint32_t i = 0; i < n; i++) {
		sum[i] = 0.25f;
		for (uint32_t r = 1; r < 3; r++)
			((float *)gang_data(w, r, DATA))[i] = (float)(i * r);
	}
	for (uint32_t r = 1; r < 3; r++) {
		struct axon_dma_desc d = transfer(GANG_PEER(0) + DATA, GANG_NEAR + DATA, n);

		d.src_dtype = d.dst_dtype = AXON_DTYPE_FLOAT32;
		d.src_step[3] = d.dst_step[3] = 4;
		d.op = AXON_DMA_ADD;
		/* Rank 1 tells rank 2, which tells rank 0. */
		d = posting(d, r == 1 ? 2 : 0, 1, AXON_POST_ADD, 1);
		gang_add(&g, r, SYNC, r == 2 ? fx_wait(fx_dma(0, d), 1, 1) : fx_dma(0, d));
	}
	gang_add(&g, 0, SYNC, fx_wait(fx_inst(AXON_OP_NOP), 1, 1));
	halts(&g);
	gang_run(&g);
	for (uint32_t i = 0; i < n; i++)
		assert_true(sum[i] == 0.25f + (float)i + (float)(2 * i));
	gang_world_end(w);
}

/* Cycles at which posts of transfers arrive, by where the data and the post go. */
static void transfer_latency(void **state)
{
	struct gang_world *w = gang_world("ring", 4, 2);
	uint64_t one = gang_way(w, 0, 1), two = gang_way(w, 0, 2);
	uint64_t mbps1 = gang_reg(w, 0, AXON_REG_PEER(1, AXON_PEER_BANDWIDTH));
	uint64_t mbps2 = gang_reg(w, 0, AXON_REG_PEER(2, AXON_PEER_BANDWIDTH));
	const uint32_t size = 20000;
	const struct {
		uint64_t dst;
		uint32_t rank;
		uint64_t arrives;
	} cases[] = {
		/* At home: the way to the member follows. */
		{ GANG_NEAR + DATA, 1, dma_cycles(size) + one },
		{ GANG_NEAR + DATA, 2, dma_cycles(size) + two },
		{ GANG_NEAR + DATA, 0, dma_cycles(size) + GANG_LOCAL },
		{ GANG_NEAR + DATA, 4, dma_cycles(size) + GANG_LOCAL },
		/* To the member's card: it is in the transfer. Rank 5 is on card 1 too. */
		{ GANG_PEER(1) + DATA, 1, far_cycles(size, mbps1, one) },
		{ GANG_PEER(1) + DATA, 5, far_cycles(size, mbps1, one) },
		{ GANG_PEER(2) + DATA, 2, far_cycles(size, mbps2, two) },
		/* To a peer, and told to this card: after it has arrived there. */
		{ GANG_PEER(1) + DATA, 4, far_cycles(size, mbps1, one) + GANG_LOCAL },
	};
	struct gang g;

	(void)state;
	assert_int_equal(two, 2 * one);
	gang_make(&g, w, 8, 3, 0, 0);
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct axon_dma_desc d = transfer(cases[i].dst, GANG_NEAR + DATA + 0x20000, size);
		uint32_t to = cases[i].rank;

		pattern(gang_data(w, 0, DATA + 0x20000), size, i);
		gang_add(&g, 0, CC, fx_dma(i, posting(d, to, 0, AXON_POST_ADD, 1)));
		gang_add(&g, 0, CC, gang_halt());
		gang_add(&g, to, SYNC, fx_wait(fx_inst(AXON_OP_NOP), 0, 1));
		halts(&g);
		gang_run(&g);
		assert_int_equal(g.m[to].cqe.cycles,
				 GANG_DMA + cases[i].arrives + GANG_NOP + GANG_HALT);
		gang_again(&g);
	}
	gang_world_end(w);
}

/* Each descriptor of a DMA_RING that has a post makes it at its own end. */
static void ring_of_descriptors(void **state)
{
	const uint32_t size = 8192, n = 5;
	struct gang_world *w = gang_world("pair", 2, 1);
	uint64_t hop = gang_way(w, 0, 1), t = GANG_DMA;
	struct axon_dma_desc *d = gang_data(w, 0, DATA + 0x80000);
	struct axon_inst ring = fx_inst(AXON_OP_DMA_RING);
	struct gang g;

	(void)state;
	gang_make(&g, w, 2, 0, 0, 0);
	pattern(gang_data(w, 0, DATA), n * size, 1);
	memset(gang_data(w, 1, DATA), 0, n * size);
	for (uint32_t i = 0; i < n; i++) {
		d[i] = transfer(GANG_PEER(1) + DATA + i * size, GANG_NEAR + DATA + i * size, size);
		/* Not the fourth. */
		if (i != 3)
			d[i] = posting(d[i], 1, i, AXON_POST_ADD, i + 1);
	}
	ring.op0 = 7;
	ring.ctl.ra = ring.ctl.rb = AXON_SREG_NONE;
	ring.ctl.rd = AXON_SREG_NONE;
	ring.ctl.imm = GANG_NEAR + DATA + 0x80000;
	ring.ctl.target = n;
	gang_add(&g, 0, SYNC, fx_post(ring, 100, 1));
	gang_add(&g, 0, SYNC, fx_wait(fx_inst(AXON_OP_NOP), 100, 1));
	for (uint32_t i = 0; i < n; i++) {
		uint64_t came = GANG_NEAR + DATA + i * size;

		if (i == 3)
			continue;
		gang_add(&g, 1, i, gang_wait_eq(fx_dma(i, transfer(came + 0x20000, came, size)), i,
						i + 1));
		if (i != SYNC)
			gang_add(&g, 1, i, gang_halt());
	}
	halts(&g);
	gang_run(&g);
	for (uint32_t i = 0; i < n; i++) {
		const void *sent = gang_data(w, 0, DATA + i * size);

		assert_memory_equal(gang_data(w, 1, DATA + i * size), sent, size);
		if (i != 3)
			assert_memory_equal(gang_data(w, 1, DATA + 0x20000 + i * size), sent, size);
		t += far_cycles(size, 128000, hop);
	}
	assert_int_equal(g.m[0].cqe.cycles, t + GANG_NOP + GANG_HALT);
	/* The last one copies when the fifth has come. */
	assert_int_equal(g.m[1].cqe.cycles, t + GANG_DMA + dma_cycles(size));
	assert_int_equal(gang_reg(w, 0, AXON_REG_PEER(1, AXON_PEER_POSTS_LO)), n - 1);
	gang_world_end(w);
}

/* A member whose core is busy with another launch gets what was posted before it started. */
static void before_it_starts(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 1);
	struct gang_queue other;
	struct gang_prog slow = gang_prog(w, 1, 9);
	struct axon_cqe cqe;
	struct gang g;

	(void)state;
	gang_queue(&other, w, 1, 9, 0, 2);
	gang_emit(&slow, SYNC, fx_alu(AXON_RALU_ADD, 10, 10, 1));
	gang_emit(&slow, SYNC, fx_branch(AXON_COND_LT, 10, 20000, 0));
	gang_emit(&slow, SYNC, gang_halt());
	gang_make(&g, w, 2, 0, 0, 0);
	for (int round = 0; round < 4; round++) {
		gang_launch(&other, gang_ready(&slow));
		while (gang_core_queue(w, 1, 0) != 9)
			assert_true(gang_round(w));
		for (uint32_t i = 0; i < 100; i++)
			gang_add(&g, 0, SYNC, gang_post(1, i, AXON_POST_ADD, i + 1));
		for (uint32_t i = 0; i < 100; i++)
			gang_add(&g, 1, SYNC, gang_wait_eq(fx_inst(AXON_OP_NOP), i, i + 1));
		halts(&g);
		gang_run(&g);
		assert_true(gang_poll(&other, &cqe));
		assert_int_equal(cqe.status, AXON_STATUS_OK);
		assert_int_equal(g.m[0].cqe.cycles, 100 * GANG_POST + GANG_HALT);
		/* As if it had been there all the time. */
		assert_int_equal(g.m[1].cqe.cycles,
				 100 * GANG_POST + gang_way(w, 0, 1) + GANG_NOP + GANG_HALT);
		gang_again(&g);
	}
	gang_world_end(w);
}

/* What arrives after the end is dropped, and the next gang begins with zeroes. */
static void after_the_end(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 2);
	struct gang g;

	(void)state;
	gang_make(&g, w, 4, 0, 0, 0);
	for (int round = 0; round < 10; round++) {
		/* Ranks 1 and 2 end at 8; what they get arrives at 80 and later. */
		for (uint32_t i = 0; i < 60; i++)
			for (uint32_t to = 1; to < 3; to++)
				gang_add(&g, 0, SYNC, gang_post(to, i, AXON_POST_ADD, 1));
		halts(&g);
		gang_run(&g);
		assert_int_equal(g.m[1].cqe.cycles, GANG_HALT);
		assert_int_equal(g.m[2].cqe.cycles, GANG_HALT);
		assert_int_equal(g.m[0].cqe.cycles, 120 * GANG_POST + GANG_HALT);
		gang_again(&g);
		/* Nothing is left of it: for as long as they would take to arrive, and longer. */
		for (uint32_t r = 0; r < 4; r++) {
			for (uint32_t i = 0; i < 60; i++)
				gang_add(&g, r, SYNC, gang_wait_eq(fx_inst(AXON_OP_NOP), i, 0));
			for (uint32_t i = 0; i < 4; i++)
				gang_add(&g, r, SYNC, load(DATA));
			for (uint32_t i = 0; i < 60; i++)
				gang_add(&g, r, SYNC, gang_wait_eq(fx_inst(AXON_OP_NOP), i, 0));
		}
		halts(&g);
		gang_run(&g);
		gang_again(&g);
	}
	gang_world_end(w);
}

/* What a launch left is there for the next one with its keep, unless the gang broke. */
static void keep(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 1);
	struct gang g;

	(void)state;
	gang_make(&g, w, 2, 0, 0, 0);
	for (uint32_t round = 0; round < 4; round++) {
		struct axon_dma_desc out = fx_desc(GANG_NEAR + DATA + 64, AXON_SPACE_MEM,
						   AXON_CHIP_ADDR(9, 100), AXON_SPACE_SBUF, 4);
		struct axon_dma_desc in = fx_desc(AXON_CHIP_ADDR(9, 100), AXON_SPACE_SBUF,
						  GANG_NEAR + DATA + 128, AXON_SPACE_MEM, 4);
		const uint32_t kept = round == 1 || round == 3, value = 1000 + round;

		for (uint32_t r = 0; r < 2; r++) {
			memcpy(gang_data(w, r, DATA + 128), &value, 4);
			g.m[r].prog.desc.keep = 5;
			gang_add(&g, r, SYNC, fx_post(fx_dma(0, out), 1, 1));
			gang_add(&g, r, SYNC, fx_wait(fx_dma(0, in), 1, 1));
			gang_add(&g, r, SYNC, store(AXON_SREG_KEPT, DATA));
		}
		halts(&g);
		gang_run(&g);
		for (uint32_t r = 0; r < 2; r++) {
			assert_int_equal(word(w, r, DATA), kept);
			assert_int_equal(word(w, r, DATA + 64), kept ? 999 + round : 0);
		}
		gang_again(&g);
		if (round != 1)
			continue;
		/* One fails: nothing is kept by either. */
		for (uint32_t r = 0; r < 2; r++) {
			g.m[r].prog.desc.keep = 5;
			gang_add(&g, r, SYNC, r ? fx_wait(gang_halt(), 1, 1) : fx_inst(0x7f));
		}
		gang_start(&g);
		gang_finish(&g);
		assert_int_equal(g.m[0].cqe.status, AXON_STATUS_BAD_OPCODE);
		assert_int_equal(g.m[1].cqe.status, AXON_STATUS_PEER_LOST);
		gang_again(&g);
	}
	gang_world_end(w);
}

/* ---- what is refused ---- */

/* @inst on rank 0 of two, or alone. Return: the status; @f: the record. */
static uint32_t refused(struct gang *g, unsigned int engine, struct axon_inst inst, bool alone,
			struct axon_fault *f)
{
	uint32_t status;

	gang_add(g, 0, engine, inst);
	gang_add(g, 0, engine, gang_halt());
	gang_add(g, 1, SYNC, gang_halt());
	if (alone) {
		g->m[0].prog.desc.gang = 0;
		g->m[0].prog.desc.rank = g->m[0].prog.desc.ranks = 0;
	} else {
		gang_start_one(g, 1);
	}
	gang_start_one(g, 0);
	status = gang_status(&g->m[0].q);
	memset(f, 0, sizeof(*f));
	if (status != AXON_STATUS_OK) {
		*f = gang_fault(&g->m[0].q);
		assert_int_equal(f->status, status);
		assert_int_equal(f->peer, 0);
		g->m[0].cqe.status = (uint16_t)status;
	}
	/* Ended before, or lost its peer. */
	if (!alone) {
		assert_true(gang_done(&g->m[1].q, &g->m[1].cqe));
		assert_true(g->m[1].cqe.status == AXON_STATUS_OK ||
			    (status && g->m[1].cqe.status == AXON_STATUS_PEER_LOST));
	}
	gang_again(g);
	return status;
}

static void bad_posts(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 1);
	const struct axon_inst good = gang_post(1, 255, AXON_POST_SET, 65535);
	struct axon_inst bad[] = {
		[0 ... 12] = good,
	};
	struct axon_fault f;
	struct gang g;

	(void)state;
	bad[0].ctl.imm = 2;
	bad[1].ctl.imm = UINT64_MAX;
	bad[2].ctl.imm = 1ull << 32;
	bad[3].ctl.rb = 0;
	bad[4].ctl.ra = AXON_NUM_REGS;
	bad[5].ctl.dtype = AXON_POST_NONE;
	bad[6].ctl.dtype = AXON_POST_SET + 1;
	bad[7].ctl.target = 65536;
	bad[8].ctl.reserved[3] = 1;
	bad[9].op0 = 1;
	bad[10].op1 = 1;
	bad[11].flags = 1;
	bad[12].imm[0] = 1;
	gang_make(&g, w, 2, 0, 0, 0);
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++)
		assert_int_equal(refused(&g, e, good, false, &f), AXON_STATUS_OK);
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(refused(&g, CC, bad[i], false, &f), AXON_STATUS_BAD_OPERAND);
		assert_int_equal(f.engine, CC);
		assert_int_equal(f.opcode, AXON_OP_POST);
		assert_int_equal(f.pc, 0);
	}
	/* No gang at all. */
	assert_int_equal(refused(&g, 0, gang_post(0, 0, AXON_POST_ADD, 1), true, &f),
			 AXON_STATUS_BAD_OPERAND);
	assert_int_equal(f.opcode, AXON_OP_POST);
	/* Those that were refused posted nothing. */
	assert_int_equal(gang_reg(w, 0, AXON_REG_PEER(1, AXON_PEER_POSTS_LO)), AXON_NUM_STREAMS);
	gang_world_end(w);
}

static void bad_transfers(void **state)
{
	struct gang_world *w = gang_world("pair", 2, 1);
	const struct axon_dma_desc plain = transfer(GANG_PEER(1) + DATA, GANG_NEAR + DATA, 64);
	const struct axon_dma_desc good = posting(plain, 1, 255, AXON_POST_SUB, 65535);
	struct axon_dma_desc bad[] = { good, good, good, good, plain, plain, plain };
	struct axon_fault f;
	struct gang g;

	(void)state;
	bad[0].post_rank = 2;
	bad[1].post_rank = 65535;
	bad[2].post_op = AXON_POST_SET + 1;
	bad[3].post_val = 65536;
	bad[4].post_rank = 1;
	bad[5].post_sem = 1;
	bad[6].post_val = 1;
	gang_make(&g, w, 2, 0, 0, 0);
	assert_int_equal(refused(&g, CC, fx_dma(2, good), false, &f), AXON_STATUS_OK);
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(gang_data(w, 1, DATA), 1, 64);
		assert_int_equal(refused(&g, CC, fx_dma(2, bad[i]), false, &f),
				 AXON_STATUS_BAD_DMA);
		assert_int_equal(f.engine, 0x80 | 2);
		assert_int_equal(f.opcode, AXON_OP_DMA);
		/* Nothing was moved. */
		assert_int_equal(word(w, 1, DATA), 0x01010101);
	}
	bad[0] = posting(plain, 0, 0, AXON_POST_ADD, 1);
	assert_int_equal(refused(&g, CC, fx_dma(2, bad[0]), true, &f), AXON_STATUS_BAD_DMA);
	assert_int_equal(refused(&g, CC, fx_dma(2, plain), true, &f), AXON_STATUS_OK);
	assert_int_equal(gang_reg(w, 0, AXON_REG_PEER(1, AXON_PEER_POSTS_LO)), 1);
	gang_world_end(w);
}

/* More posts than can be under way: over a link of a millisecond, to a member that cannot start. */
static void flood(void **state)
{
	struct gang_world *w = gang_world("pair\nlatency-ns 1000000", 2, 1);
	struct gang_prog slow = gang_prog(w, 1, 9);
	struct gang_queue other;
	struct axon_fault f;
	struct gang g;

	(void)state;
	gang_queue(&other, w, 1, 9, 0, 2);
	gang_emit(&slow, SYNC, fx_branch(AXON_COND_ALWAYS, AXON_SREG_NONE, 0, 0));
	gang_launch(&other, gang_ready(&slow));
	while (gang_core_queue(w, 1, 0) != 9)
		assert_true(gang_round(w));
	gang_make(&g, w, 2, 0, 0, 0);
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
		for (uint32_t i = 0; i < 100; i++)
			gang_add(&g, 0, e, gang_post(1, i, AXON_POST_ADD, 1));
		gang_add(&g, 0, e, fx_branch(AXON_COND_ALWAYS, AXON_SREG_NONE, 0, 0));
	}
	gang_add(&g, 1, SYNC, fx_wait(gang_halt(), 200, 1));
	gang_start(&g);
	gang_finish(&g);
	assert_int_equal(g.m[0].cqe.status, AXON_STATUS_BAD_OPERAND);
	assert_int_equal(g.m[1].cqe.status, AXON_STATUS_PEER_LOST);
	f = gang_fault(&g.m[0].q);
	assert_int_equal(f.opcode, AXON_OP_POST);
	assert_int_equal(f.peer, 0);
	assert_int_equal(gang_fault(&g.m[1].q).peer, 1);
	/* And a gang with few is well. */
	assert_int_equal(gang_kill(&other, AXON_MBOX_CORE_RESET), AXON_MBOX_OK);
	gang_again(&g);
	gang_token(&g, CC, 10);
	gang_run(&g);
	gang_world_end(w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_in_registers),
		cmocka_unit_test(latency),
		cmocka_unit_test(operators),
		cmocka_unit_test(rank_of_register),
		cmocka_unit_test(order_at_one_time),
		cmocka_unit_test(before_the_engines),
		cmocka_unit_test(token_ring),
		cmocka_unit_test(all_to_all),
		cmocka_unit_test(data_before_semaphore),
		cmocka_unit_test(everything_before),
		cmocka_unit_test(add_with_post),
		cmocka_unit_test(transfer_latency),
		cmocka_unit_test(ring_of_descriptors),
		cmocka_unit_test(before_it_starts),
		cmocka_unit_test(after_the_end),
		cmocka_unit_test(keep),
		cmocka_unit_test(bad_posts),
		cmocka_unit_test(bad_transfers),
		cmocka_unit_test(flood),
	};

	if (argc != 2)
		return 2;
	gang_image(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
