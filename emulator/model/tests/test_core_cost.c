// SPDX-License-Identifier: MIT
/*
 * test_core_cost.c - cycles of instructions as launches report them, against figures worked out by
 * hand from the table in isa.rst.
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

/* Cycles of @i alone: of the launch, less HALT's. */
static uint64_t cycles(struct fx *f, unsigned int engine, struct axon_inst i)
{
	struct axon_launch_result r;

	fx_clear(f);
	fx_emit(f, engine, i);
	fx_emit(f, engine, fx_inst(AXON_OP_HALT));
	r = fx_run(f, 0);
	assert_int_equal(r.fault.status, AXON_STATUS_OK);
	return r.cycles - 8;
}

static struct axon_inst matmul(unsigned int dtype, unsigned int n)
{
	struct axon_inst i = fx_inst(AXON_OP_MATMUL);

	i.ap[0] = fx_ap(AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, 0, 128, 0, n);
	i.ap[1] = fx_ap(AXON_SPACE_SBUF, dtype, 0, 64, 0, 128);
	i.ap[2] = fx_ap(AXON_SPACE_SBUF, dtype, 0, 64, 4096, n);
	return i;
}

static struct axon_inst two(unsigned int op, unsigned int n, unsigned int op0)
{
	struct axon_inst i = fx_inst(op);

	i.op0 = (uint8_t)op0;
	i.ap[0] = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 0, 128, 0, n);
	i.ap[1] = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 0, 128, 16384, n);
	if (op == AXON_OP_TENSOR_TENSOR)
		i.ap[2] = i.ap[1];
	return i;
}

static void test_table(void **state)
{
	struct fx *f = *state;
	struct axon_inst i;

	assert_int_equal(cycles(f, 4, fx_inst(AXON_OP_NOP)), 8);
	assert_int_equal(cycles(f, 4, fx_alu(AXON_RALU_ADD, 1, 1, 1)), 16);
	assert_int_equal(cycles(f, 4, fx_mem(AXON_OP_REG_LOAD, 1, FX_DATA, AXON_DTYPE_INT8)), 700);
	assert_int_equal(cycles(f, 4, fx_mem(AXON_OP_REG_STORE, 1, FX_DATA, AXON_DTYPE_INT8)),
			 100);
	/* (64 + 32 + 512) 1.4 / 2.4 = 354.7; fp32: (64 + 4 * 544) 1.4 / 2.4 = 1306.7 */
	assert_int_equal(cycles(f, 0, matmul(AXON_DTYPE_BFLOAT16, 512)), 355);
	assert_int_equal(cycles(f, 0, matmul(AXON_DTYPE_FLOAT32, 512)), 1307);
	/* N below 64 costs as 64: 160 * 1.4 / 2.4 = 93.3 */
	assert_int_equal(cycles(f, 0, matmul(AXON_DTYPE_BFLOAT16, 1)), 94);
	/* vector: (60 + 512) 1.4 / 0.96 = 834.2; scalar: 667.3; gpsimd: 2 * 572 * 1.4 / 1.2 */
	assert_int_equal(cycles(f, 1, two(AXON_OP_COPY, 512, 0)), 835);
	assert_int_equal(cycles(f, 2, two(AXON_OP_COPY, 512, 0)), 668);
	assert_int_equal(cycles(f, 3, two(AXON_OP_COPY, 512, 0)), 1335);
	assert_int_equal(cycles(f, 1, two(AXON_OP_COPY, 1, 0)), 181);
	/* (60 + 1024) 1.4 / 0.96 = 1580.8; division: (60 + 4096) 1.4 / 0.96 = 6060.8 */
	assert_int_equal(cycles(f, 1, two(AXON_OP_TENSOR_TENSOR, 512, AXON_ALU_ADD)), 1581);
	assert_int_equal(cycles(f, 1, two(AXON_OP_TENSOR_TENSOR, 512, AXON_ALU_DIVIDE)), 6061);
	/* a step of 20 bytes: (60 + 2 * 512) 1.4 / 0.96 */
	i = two(AXON_OP_COPY, 512, 0);
	i.ap[1].step[3] = 5;
	assert_int_equal(cycles(f, 1, i), 1581);
}

static void test_transfers(void **state)
{
	struct axon_dma_desc d = fx_desc(AXON_CHIP_ADDR(0, 0), 0, FX_DATA, 2, 2048);
	struct fx *f = *state;

	/* 64 to hand over, 840, and 2048 * 14 / 230 = 124.7; the engine's HALT is long over */
	assert_int_equal(cycles(f, 4, fx_dma(0, d)) + 8, 64 + 840 + 125);
	/* 128 rows: 128 * 2048 * 14 / 230 = 15956.6 */
	d.count[0] = 128;
	d.src_step[0] = 2048;
	d.dst_step[0] = AXON_PART_STRIDE;
	assert_int_equal(cycles(f, 4, fx_dma(0, d)) + 8, 64 + 840 + 15957);
	/* 64 elements apart: each as 64 bytes: 64 * 64 * 14 / 230 = 249.3 */
	d = fx_desc(AXON_CHIP_ADDR(0, 0), 0, FX_DATA, 2, 64);
	d.src_dtype = d.dst_dtype = AXON_DTYPE_FLOAT32;
	d.src_step[3] = 4;
	d.dst_step[3] = AXON_PART_STRIDE;
	assert_int_equal(cycles(f, 4, fx_dma(0, d)) + 8, 64 + 840 + 250);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_transfers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
