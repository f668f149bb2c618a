// SPDX-License-Identifier: MIT
/*
 * test_core_order.c - time: semaphores, DMA queues, deadlocks, and that slices change nothing.
 */
#include "core_fixture.h"

static int setup(void **state)
{
	*state = fx_new();
	return 0;
}

static int teardown(void **state)
{
	fx_free(*state);
	return 0;
}

/* Cycles of the launch so far emitted. */
static uint64_t cycles(struct fx *f)
{
	struct axon_launch_result r = fx_run(f, 0);

	assert_int_equal(r.fault.status, AXON_STATUS_OK);
	fx_clear(f);
	return r.cycles;
}

static uint64_t store_time(struct fx *f, unsigned int e, uint64_t va, uint64_t val)
{
	fx_emit(f, e, fx_alu(AXON_RALU_MOV, 20, AXON_SREG_NONE, val));
	fx_emit(f, e, fx_mem(AXON_OP_REG_STORE, 20, va, AXON_DTYPE_UINT32));
	return axon_cost_ctl(AXON_OP_REG_ALU) + axon_cost_ctl(AXON_OP_REG_STORE);
}

static void test_wait_moves_clock(void **state)
{
	struct fx *f = *state;
	uint64_t nop = axon_cost_ctl(AXON_OP_NOP), load = axon_cost_ctl(AXON_OP_REG_LOAD);

	/* Engine 1 waits from 0 for what engine 4 posts when its load has ended. */
	fx_emit(f, 4, fx_post(fx_mem(AXON_OP_REG_LOAD, 9, FX_DATA, AXON_DTYPE_UINT32), 7, 1));
	fx_emit(f, 4, fx_inst(AXON_OP_HALT));
	fx_emit(f, 1, fx_wait(fx_inst(AXON_OP_NOP), 7, 1));
	fx_emit(f, 1, fx_inst(AXON_OP_HALT));
	assert_int_equal(cycles(f), load + 2 * nop);
	/* A wait that is long satisfied costs nothing. */
	fx_emit(f, 4, fx_post(fx_inst(AXON_OP_NOP), 7, 1));
	fx_emit(f, 4, fx_inst(AXON_OP_HALT));
	fx_emit(f, 1, fx_mem(AXON_OP_REG_LOAD, 9, FX_DATA, AXON_DTYPE_UINT32));
	fx_emit(f, 1, fx_wait(fx_inst(AXON_OP_NOP), 7, 1));
	fx_emit(f, 1, fx_inst(AXON_OP_HALT));
	assert_int_equal(cycles(f), load + 2 * nop);
}

/* A post of the future is not seen by an engine whose clock is earlier. */
static void test_post_is_at_the_end(void **state)
{
	struct axon_inst eq = fx_inst(AXON_OP_NOP);
	struct fx *f = *state;

	eq.wait_op = AXON_WAIT_EQ;
	eq.wait_sem = 3;
	eq.wait_val = 0;
	fx_emit(f, 0, fx_post(fx_mem(AXON_OP_REG_LOAD, 9, FX_DATA, AXON_DTYPE_UINT32), 3, 1));
	fx_emit(f, 0, fx_inst(AXON_OP_HALT));
	for (int i = 0; i < 10; i++)
		fx_emit(f, 1, eq);	/* at 0, 8, 16, ...: the load ends at 700 */
	fx_emit(f, 1, fx_inst(AXON_OP_HALT));
	cycles(f);
}

static void test_wait_register_and_wrap(void **state)
{
	struct axon_inst i = fx_wait(fx_inst(AXON_OP_NOP), 0, 0xfffffff0u);
	struct axon_inst sub = fx_post(fx_inst(AXON_OP_NOP), 0, 16);
	struct axon_inst set = fx_post(fx_inst(AXON_OP_NOP), 0, 500);
	struct fx *f = *state;

	/* 0 - (0xfffffff0 + 0x20) = -16: blocked until something is added. */
	i.wait_reg = 11;
	fx_emit(f, 2, fx_alu(AXON_RALU_MOV, 11, AXON_SREG_NONE, 0x700000020ull));
	fx_emit(f, 2, i);
	fx_emit(f, 2, fx_inst(AXON_OP_HALT));
	sub.post_op = AXON_POST_SUB;
	fx_emit(f, 3, sub);
	fx_emit(f, 3, fx_post(fx_inst(AXON_OP_NOP), 0, 31));
	fx_emit(f, 3, fx_post(fx_inst(AXON_OP_NOP), 0, 1));
	fx_emit(f, 3, fx_inst(AXON_OP_HALT));
	assert_int_equal(cycles(f), 5 * axon_cost_ctl(AXON_OP_NOP));
	set.post_op = AXON_POST_SET;
	i = fx_wait(fx_inst(AXON_OP_NOP), 0, 500);
	i.wait_op = AXON_WAIT_EQ;
	fx_emit(f, 2, i);
	fx_emit(f, 2, fx_inst(AXON_OP_HALT));
	fx_emit(f, 3, fx_post(fx_inst(AXON_OP_NOP), 0, 1));
	fx_emit(f, 3, set);
	fx_emit(f, 3, fx_inst(AXON_OP_HALT));
	cycles(f);
}

static void test_halt_posts(void **state)
{
	struct fx *f = *state;

	fx_emit(f, 4, fx_post(fx_inst(AXON_OP_HALT), 9, 2));
	fx_emit(f, 0, fx_wait(fx_inst(AXON_OP_HALT), 9, 2));
	assert_int_equal(cycles(f), 2 * axon_cost_ctl(AXON_OP_HALT));
}

static void test_deadlock(void **state)
{
	struct fx *f = *state;
	struct axon_launch_result r;

	fx_emit(f, 0, fx_inst(AXON_OP_HALT));
	fx_emit(f, 2, fx_post(fx_inst(AXON_OP_NOP), 33, 3));
	fx_emit(f, 2, fx_wait(fx_inst(AXON_OP_NOP), 33, 4));
	fx_emit(f, 2, fx_inst(AXON_OP_HALT));
	fx_emit(f, 3, fx_wait(fx_inst(AXON_OP_HALT), 34, 1));
	r = fx_run(f, 0);
	assert_int_equal(r.fault.status, AXON_STATUS_DEADLOCK);
	assert_int_equal(r.fault.engine, 2);
	assert_int_equal(r.fault.pc, 1);
	assert_int_equal(r.fault.opcode, AXON_OP_NOP);
	assert_int_equal(r.fault.semaphore, 33);
	assert_int_equal(r.fault.sem_value, 3);
	assert_int_equal(r.fault.sem_wanted, 4);
	assert_int_equal(r.fault.addr, 0);
}

static void test_semaphores_start_at_zero(void **state)
{
	struct fx *f = *state;

	fx_emit(f, 0, fx_post(fx_inst(AXON_OP_HALT), 5, 5));
	cycles(f);
	fx_emit(f, 0, fx_wait(fx_inst(AXON_OP_HALT), 5, 1));
	assert_int_equal(fx_run(f, 0).fault.status, AXON_STATUS_DEADLOCK);
}

static void test_dma_post_and_order(void **state)
{
	struct fx *f = *state;
	uint64_t one = axon_cost_dma(1, 4), issue = axon_cost_ctl(AXON_OP_DMA);
	uint32_t v[3] = { 11, 22, 33 };

	/* Two transfers to one word: in order in a queue; the wait is for the second. */
	fx_poke(f, FX_DATA, v, sizeof(v));
	fx_emit(f, 4, fx_dma(3, fx_desc(FX_DATA + 8, 2, FX_DATA, 2, 4)));
	fx_emit(f, 4, fx_post(fx_dma(3, fx_desc(FX_DATA + 8, 2, FX_DATA + 4, 2, 4)), 1, 16));
	fx_emit(f, 4, fx_inst(AXON_OP_HALT));
	fx_emit(f, 0, fx_wait(fx_inst(AXON_OP_HALT), 1, 16));
	assert_int_equal(cycles(f), issue + 2 * one + axon_cost_ctl(AXON_OP_HALT));
	fx_peek(f, FX_DATA, v, sizeof(v));
	assert_int_equal(v[2], 22);
}

static void test_queues_run_side_by_side(void **state)
{
	struct fx *f = *state;
	uint64_t big = axon_cost_dma(1, 65536);

	for (unsigned int q = 0; q < AXON_NUM_DMA_QUEUES; q++)
		fx_emit(f, 4, fx_dma(q, fx_desc(FX_DATA + 65536 * (q + 1), 2, FX_DATA, 2, 65536)));
	fx_emit(f, 4, fx_inst(AXON_OP_HALT));
	/* the launch ends with the last transfer, also after HALT */
	assert_int_equal(cycles(f), big + AXON_NUM_DMA_QUEUES * axon_cost_ctl(AXON_OP_DMA));
}

static void test_full_queue_stalls(void **state)
{
	struct fx *f = *state;
	uint64_t one = axon_cost_dma(1, 4);
	unsigned int n = AXON_DMAQ_DEPTH + 10;

	for (unsigned int i = 0; i < n; i++)
		fx_emit(f, 4, fx_post(fx_dma(0, fx_desc(FX_DATA + 4 * i, 2, FX_DATA + 4096, 2, 4)),
				      1, 1));
	fx_emit(f, 4, fx_wait(fx_inst(AXON_OP_HALT), 1, n));
	assert_int_equal(cycles(f), axon_cost_ctl(AXON_OP_DMA) + n * one +
			 axon_cost_ctl(AXON_OP_HALT));
}

static void test_ring(void **state)
{
	struct axon_dma_desc d[3] = {
		fx_desc(FX_DATA + 4096, 2, FX_DATA, 2, 3),
		fx_desc(FX_DATA + 4099, 2, FX_DATA + 8, 2, 5),
		fx_desc(AXON_CHIP_ADDR(9, 100), 0, FX_DATA + 4096, 2, 8),
	};
	struct axon_inst i = fx_inst(AXON_OP_DMA_RING);
	struct fx *f = *state;
	uint8_t in[16], out[8];

	for (int k = 0; k < 16; k++)
		in[k] = (uint8_t)(k + 1);
	fx_poke(f, FX_DATA, in, 16);
	fx_poke(f, FX_DATA + 8192 - 8, d, sizeof(d));	/* across pages */
	i.op0 = 15;
	i.ctl.rd = i.ctl.rb = AXON_SREG_NONE;
	i.ctl.ra = AXON_SREG_ARGS;
	i.ctl.imm = 4096;
	i.ctl.target = 3;
	f->launch.args = FX_DATA + 4096 - 8;
	fx_emit(f, 2, fx_post(i, 200, 1));
	fx_emit(f, 2, fx_wait(fx_inst(AXON_OP_HALT), 200, 1));
	assert_int_equal(cycles(f), axon_cost_ctl(AXON_OP_DMA_RING) + axon_cost_dma(1, 3) +
			 axon_cost_dma(1, 5) + axon_cost_dma(1, 8) + axon_cost_ctl(AXON_OP_HALT));
	memcpy(out, fx_chip(f, 0, 9, 100), 8);
	assert_memory_equal(out, ((uint8_t []){ 1, 2, 3, 9, 10, 11, 12, 13 }), 8);
	/* a fault in the second names the queue and the instruction */
	d[1].src = 0x2000;
	fx_poke(f, FX_DATA + 8192 - 8, d, sizeof(d));
	fx_emit(f, 2, fx_inst(AXON_OP_NOP));
	fx_emit(f, 2, i);
	fx_emit(f, 2, fx_inst(AXON_OP_HALT));
	struct axon_launch_result r = fx_run(f, 0);

	assert_int_equal(r.fault.status, AXON_STATUS_FAULT_UNMAPPED);
	assert_int_equal(r.fault.engine, 0x80 | 15);
	assert_int_equal(r.fault.opcode, AXON_OP_DMA_RING);
	assert_int_equal(r.fault.pc, 1);
	assert_true(r.fault.addr == 0x2000);
}

static void test_profile(void **state)
{
	struct axon_profile_record rec[6];
	struct fx *f = *state;
	struct axon_launch_result r;

	fx_emit(f, 4, fx_post(fx_dma(2, fx_desc(FX_DATA, 2, FX_DATA + 64, 2, 4)), 1, 1));
	fx_emit(f, 4, fx_wait(fx_inst(AXON_OP_NOP), 1, 1));
	fx_emit(f, 4, fx_inst(AXON_OP_HALT));
	f->launch.profile = FX_DATA + 4096 - 8;
	f->launch.profile_count = 3;
	memset(rec, 0x77, sizeof(rec));
	fx_poke(f, f->launch.profile, rec, sizeof(rec));
	r = fx_run(f, 0);
	assert_int_equal(r.fault.status, AXON_STATUS_OK);
	assert_int_equal(r.profiled, 4);
	fx_peek(f, f->launch.profile, rec, sizeof(rec));
	assert_int_equal(rec[0].engine, 4);
	assert_int_equal(rec[0].opcode, AXON_OP_DMA);
	assert_int_equal(rec[0].start, 0);
	assert_int_equal(rec[0].end, axon_cost_ctl(AXON_OP_DMA));
	assert_int_equal(rec[1].engine, 0x82);
	assert_int_equal(rec[1].start, rec[0].end);
	assert_int_equal(rec[1].end - rec[1].start, axon_cost_dma(1, 4));
	assert_int_equal(rec[2].engine, 4);
	assert_int_equal(rec[2].pc, 1);
	assert_int_equal(rec[2].start, rec[1].end);
	assert_int_equal(rec[3].pc, 0x77777777);	/* no room */
	f->launch.profile = 0x3000;
	r = fx_run(f, 0);
	assert_int_equal(r.fault.status, AXON_STATUS_FAULT_UNMAPPED);
	assert_true(r.fault.addr == 0x3000);
}

/* A program with work for all, some of it long. */
static void emit_busy(struct fx *f)
{
	for (unsigned int e = 0; e < AXON_NUM_ENGINES; e++) {
		struct axon_dma_desc d = fx_desc(AXON_CHIP_ADDR(e, 512 * e), 0,
						 FX_DATA + 4096 * e, 2, 4096);

		d.count[2] = 90;
		d.src_step[2] = 4;
		d.dst_step[2] = 7;
		fx_emit(f, e, fx_alu(AXON_RALU_MOV, 5, AXON_SREG_NONE, 0));
		fx_emit(f, e, fx_post(fx_dma(e * 3, d), e, 1));
		fx_emit(f, e, fx_post(fx_dma(e * 3 + 1, d), 100, 1));
		fx_emit(f, e, fx_wait(fx_inst(AXON_OP_NOP), (e + 1) % 5, 1));
		fx_emit(f, e, fx_alu(AXON_RALU_ADD, 5, 5, 1));
		fx_emit(f, e, fx_post(fx_branch(AXON_COND_LT, 5, 20 + e, 4), 50, 1));
		fx_emit(f, e, fx_mem(AXON_OP_REG_STORE, 5, FX_DATA + 500000 + 8 * e,
				     AXON_DTYPE_UINT64));
		fx_emit(f, e, fx_wait(fx_inst(AXON_OP_NOP), 50, 100));
		fx_emit(f, e, fx_inst(AXON_OP_HALT));
	}
}

static void test_slices_change_nothing(void **state)
{
	static const uint64_t slice[] = { 0, 1, 150, 700, 2500 };
	struct axon_profile_record *rec[2];
	struct fx *f = *state;
	uint64_t first = 0;
	uint8_t *sbuf = malloc(8192 * 8);

	rec[0] = malloc(1000 * sizeof(**rec));
	rec[1] = malloc(1000 * sizeof(**rec));
	assert_true(sbuf && rec[0] && rec[1]);
	f->launch.profile = FX_DATA + 65536;
	f->launch.profile_count = 1000;
	for (unsigned int k = 0; k < sizeof(slice) / sizeof(slice[0]); k++) {
		fx_clear(f);
		emit_busy(f);
		struct axon_launch_result r = fx_run(f, slice[k]);

		assert_int_equal(r.fault.status, AXON_STATUS_OK);
		assert_in_range(r.profiled, 200, 1000);
		assert_true(slice[k] != 1 || f->slices > 20);
		fx_peek(f, f->launch.profile, rec[!!k], r.profiled * sizeof(**rec));
		if (k) {
			assert_int_equal(r.cycles, first);
			assert_memory_equal(rec[0], rec[1], r.profiled * sizeof(**rec));
		}
		for (unsigned int p = 0; p < 8; p++) {
			if (k)
				assert_memory_equal(sbuf + 8192 * p, fx_chip(f, 0, p, 0), 8192);
			memcpy(sbuf + 8192 * p, fx_chip(f, 0, p, 0), 8192);
		}
		first = r.cycles;
	}
	free(sbuf);
	free(rec[0]);
	free(rec[1]);
}

/* A transfer that would take years can be stopped. */
static void test_endless_transfer_ends_with_the_slice(void **state)
{
	struct axon_dma_desc d = fx_desc(AXON_CHIP_ADDR(0, 0), 0, FX_DATA, 2, 64);
	struct axon_launch_result r;
	struct fx *f = *state;

	d.count[0] = d.count[1] = d.count[2] = 0x7fffffff;
	fx_emit(f, 0, fx_dma(0, d));
	fx_emit(f, 0, fx_inst(AXON_OP_HALT));
	fx_program(f);
	assert_int_equal(axon_core_start(&f->card, 0, &f->launch), AXON_STATUS_OK);
	for (int i = 0; i < 5; i++)
		assert_false(axon_core_run(&f->card, 0, f->time + 300, &r));
	axon_core_abort(&f->card, 0);
	assert_false(axon_core_busy(&f->card, 0));
	fx_clear(f);
	fx_emit(f, 0, fx_inst(AXON_OP_HALT));
	assert_int_equal(cycles(f), axon_cost_ctl(AXON_OP_HALT));
}

static void set_all(struct fx *f, uint32_t val)
{
	struct axon_inst i = fx_inst(AXON_OP_MEMSET);

	i.imm[0] = val;
	i.ap[0] = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_UINT32, 0, 128, 4096, 4096);
	fx_emit(f, 1, i);
	i.ap[0] = fx_ap(AXON_SPACE_PSUM, AXON_DTYPE_UINT32, 96, 32, 0, 4096);
	fx_emit(f, 1, i);
	fx_emit(f, 0, fx_dma(0, fx_desc(AXON_CHIP_ADDR(127, 196000), 0, FX_DATA, 2, 600)));
	fx_emit(f, 0, fx_inst(AXON_OP_HALT));
	fx_emit(f, 1, fx_inst(AXON_OP_HALT));
	cycles(f);
}

static bool all_zero(struct fx *f)
{
	for (unsigned int p = 0; p < 128; p++)
		for (unsigned int s = 0; s < 2; s++)
			for (uint32_t b = 0; b < (s ? AXON_PSUM_PART_BYTES : AXON_SBUF_PART_BYTES);
			     b++)
				if (*fx_chip(f, s, p, b))
					return false;
	return true;
}

static void halt(struct fx *f, uint32_t asid)
{
	fx_emit(f, 0, fx_inst(AXON_OP_HALT));
	f->launch.asid = asid;
	cycles(f);
}

static void test_nothing_left_for_others(void **state)
{
	struct fx *f = *state;
	uint8_t ff[600];

	memset(ff, 0xff, sizeof(ff));
	fx_poke(f, FX_DATA, ff, sizeof(ff));
	f->launch.asid = 3;
	set_all(f, 0xa5a5a5a5);
	assert_false(all_zero(f));
	halt(f, 4);
	assert_true(all_zero(f));
	set_all(f, 1);
	axon_core_forget(&f->card, 5);
	assert_false(all_zero(f));
	axon_core_forget(&f->card, 4);	/* its number may be another context's now */
	halt(f, 4);
	assert_true(all_zero(f));
	set_all(f, 1);
	axon_core_abort(&f->card, 0);
	halt(f, 4);
	assert_true(all_zero(f));
}

/* A launch with @keep. Return: AXON_SREG_KEPT, in which all engines agree. */
static uint64_t kept(struct fx *f, uint64_t keep, uint32_t asid)
{
	uint64_t v[AXON_NUM_STREAMS];

	fx_clear(f);
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
		fx_emit(f, e, fx_mem(AXON_OP_REG_STORE, AXON_SREG_KEPT, FX_DATA + 8 * e,
				     AXON_DTYPE_UINT64));
		fx_emit(f, e, fx_inst(AXON_OP_HALT));
	}
	f->launch.program.keep = keep;
	f->launch.asid = asid;
	cycles(f);
	fx_peek(f, FX_DATA, v, sizeof(v));
	for (unsigned int e = 1; e < AXON_NUM_STREAMS; e++)
		assert_int_equal(v[e], v[0]);
	return v[0];
}

static void test_kept(void **state)
{
	struct fx *f = *state;
	struct axon_launch bad;

	assert_int_equal(kept(f, 7, 3), 0);
	f->launch.program.keep = 0;
	set_all(f, 0x5a5a5a5a);
	assert_int_equal(kept(f, 7, 3), 0);
	*fx_chip(f, AXON_SPACE_SBUF, 5, 1000) = 0x11;
	*fx_chip(f, AXON_SPACE_PSUM, 6, 1001) = 0x22;
	assert_int_equal(kept(f, 7, 3), 1);
	assert_int_equal(*fx_chip(f, AXON_SPACE_SBUF, 5, 1000), 0x11);
	assert_int_equal(*fx_chip(f, AXON_SPACE_PSUM, 6, 1001), 0x22);
	/* A launch that was refused has not used the core. */
	bad = f->launch;
	bad.program.magic ^= 1;
	bad.asid = 4;
	assert_int_equal(axon_core_start(&f->card, 0, &bad), AXON_STATUS_BAD_PROGRAM);
	assert_int_equal(kept(f, 7, 3), 1);
	/* Another program, another context, and 0, which nobody is. */
	assert_int_equal(kept(f, 8, 3), 0);
	assert_int_equal(kept(f, 7, 3), 0);
	assert_int_equal(kept(f, 7, 4), 0);
	assert_int_equal(kept(f, 7, 4), 1);
	assert_int_equal(kept(f, 0, 4), 0);
	assert_int_equal(kept(f, 0, 4), 0);
}

static void test_not_kept_after_failure(void **state)
{
	struct fx *f = *state;

	kept(f, 7, 3);
	fx_clear(f);
	fx_emit(f, 0, fx_inst(0xee));
	assert_int_equal(fx_run(f, 0).fault.status, AXON_STATUS_BAD_OPCODE);
	assert_int_equal(kept(f, 7, 3), 0);
	assert_int_equal(kept(f, 7, 3), 1);
	assert_int_equal(axon_core_start(&f->card, 0, &f->launch), AXON_STATUS_OK);
	axon_core_abort(&f->card, 0);
	assert_int_equal(kept(f, 7, 3), 0);
	axon_core_forget(&f->card, 3);
	assert_int_equal(kept(f, 7, 3), 0);
}

static void test_stats(void **state)
{
	struct fx *f = *state;
	struct axon_core_stats *s = axon_core_stats(&f->card, 0);

	assert_int_equal(atomic_load(&s->state), AXON_CORE_IDLE);
	assert_int_equal(atomic_load(&s->queue), AXON_NO_QUEUE);
	fx_emit(f, 0, fx_inst(AXON_OP_HALT));
	fx_program(f);
	f->launch.queue = 77;
	assert_int_equal(axon_core_start(&f->card, 0, &f->launch), AXON_STATUS_OK);
	assert_int_equal(atomic_load(&s->state), AXON_CORE_RUNNING);
	assert_int_equal(atomic_load(&s->queue), 77);
	axon_core_abort(&f->card, 0);
	store_time(f, 1, FX_DATA, 1);
	fx_emit(f, 1, fx_inst(AXON_OP_HALT));
	uint64_t n = cycles(f);

	assert_int_equal(atomic_load(&s->launches), 2);
	assert_int_equal(atomic_load(&s->cycles), n);
	assert_int_equal(atomic_load(&s->queue), AXON_NO_QUEUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wait_moves_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_post_is_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wait_register_and_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_halt_posts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadlock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_semaphores_start_at_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dma_post_and_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queues_run_side_by_side, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_queue_stalls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(test_profile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slices_change_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_endless_transfer_ends_with_the_slice, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_nothing_left_for_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_kept_after_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stats, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
