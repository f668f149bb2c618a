// SPDX-License-Identifier: MIT
/*
 * test_engine_refuse.c - instructions that are not valid: every reserved bit and every limit of an
 * access pattern, one at a time, starting from a good instruction of each kind.
 */
#include "core_fixture.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

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

/* A good instruction of each opcode, and an engine for it. */
FX_FN struct axon_inst good(unsigned int opcode, unsigned int *engine)
{
	struct axon_inst i = fx_inst(opcode);
	struct axon_ap ap = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 0, 64, 0, 16);
	struct axon_ap one = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 64, 64, 4096, 1);

	*engine = AXON_ENGINE_GPSIMD;
	i.ap[0] = i.ap[1] = ap;
	switch (opcode) {
	case AXON_OP_MATMUL:
		*engine = AXON_ENGINE_TENSOR;
		i.ap[1].nparts = i.ap[2].nparts = 0;
		i.ap[1] = i.ap[2] = ap;
		i.ap[0] = fx_ap(AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, 0, 16, 0, 16);
		break;
	case AXON_OP_TRANSPOSE:
		*engine = AXON_ENGINE_TENSOR;
		i.ap[0] = fx_ap(AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, 0, 16, 0, 64);
		break;
	case AXON_OP_MEMSET:
		memset(&i.ap[1], 0, sizeof(ap));
		break;
	case AXON_OP_TENSOR_TENSOR:
		i.ap[2] = ap;
		i.op0 = AXON_ALU_ADD;
		break;
	case AXON_OP_TENSOR_SCALAR:
		i.op0 = AXON_ALU_ADD;
		break;
	case AXON_OP_TENSOR_REDUCE:
		i.ap[0] = one;
		i.op0 = AXON_ALU_ADD;
		i.op1 = 1;
		break;
	case AXON_OP_ACTIVATION:
		*engine = AXON_ENGINE_SCALAR;
		break;
	case AXON_OP_SELECT:
		i.ap[2] = ap;
		i.ap[2].dtype = AXON_DTYPE_UINT32;
		break;
	case AXON_OP_MAX8:
		*engine = AXON_ENGINE_VECTOR;
		i.ap[0].count[3] = 8;
		break;
	case AXON_OP_FIND_INDEX8:
		*engine = AXON_ENGINE_VECTOR;
		i.ap[2] = ap;
		i.ap[0].count[3] = i.ap[1].count[3] = 8;
		i.ap[0].dtype = AXON_DTYPE_UINT32;
		break;
	case AXON_OP_AFFINE_SELECT:
		i.op0 = AXON_ALU_GE;
		break;
	case AXON_OP_IOTA:
		memset(&i.ap[1], 0, sizeof(ap));
		break;
	case AXON_OP_PARTITION_REDUCE:
		i.op0 = AXON_ALU_MAX;
		i.ap[0].nparts = 1;
		break;
	case AXON_OP_PARTITION_BROADCAST:
		i.ap[1].nparts = 1;
		break;
	case AXON_OP_COPY:
		break;
	case AXON_OP_REG_ALU:
	case AXON_OP_BRANCH:
		memset(i.ap, 0, sizeof(i.ap));
		i.ctl.ra = i.ctl.rb = AXON_SREG_NONE;
		i.ctl.target = opcode == AXON_OP_BRANCH;
		break;
	case AXON_OP_REG_LOAD:
	case AXON_OP_REG_STORE:
		memset(i.ap, 0, sizeof(i.ap));
		i = fx_mem(opcode, 5, FX_DATA, AXON_DTYPE_UINT64);
		break;
	case AXON_OP_DMA_RING:
		memset(i.ap, 0, sizeof(i.ap));
		i.ctl.rd = i.ctl.ra = i.ctl.rb = AXON_SREG_NONE;
		i.ctl.imm = FX_DATA;
		i.ctl.target = 1;
		break;
	case AXON_OP_DMA:
		i = fx_dma(0, fx_desc(FX_DATA, AXON_SPACE_MEM, FX_DATA + 64, AXON_SPACE_MEM, 8));
		break;
	default:	/* NOP, HALT */
		memset(i.ap, 0, sizeof(i.ap));
		break;
	}
	return i;
}

static const uint8_t all[] = {
	AXON_OP_NOP, AXON_OP_HALT, AXON_OP_REG_ALU, AXON_OP_REG_LOAD, AXON_OP_REG_STORE,
	AXON_OP_BRANCH, AXON_OP_DMA, AXON_OP_DMA_RING, AXON_OP_MATMUL, AXON_OP_TRANSPOSE,
	AXON_OP_COPY, AXON_OP_MEMSET, AXON_OP_TENSOR_TENSOR, AXON_OP_TENSOR_SCALAR,
	AXON_OP_TENSOR_REDUCE, AXON_OP_ACTIVATION, AXON_OP_SELECT, AXON_OP_MAX8,
	AXON_OP_FIND_INDEX8, AXON_OP_AFFINE_SELECT, AXON_OP_IOTA, AXON_OP_PARTITION_REDUCE,
	AXON_OP_PARTITION_BROADCAST,
};

static void ring_descriptor(struct fx *f)
{
	struct axon_dma_desc d = fx_desc(FX_DATA + 8192, AXON_SPACE_MEM, FX_DATA + 4096,
					 AXON_SPACE_MEM, 8);

	fx_poke(f, FX_DATA, &d, sizeof(d));
}

FX_FN void refused(struct fx *f, unsigned int engine, struct axon_inst i, const char *what)
{
	enum axon_status st;

	ring_descriptor(f);
	st = fx_one(f, engine, i);
	if (st != AXON_STATUS_BAD_OPERAND)
		fail_msg("opcode %#x with bad %s: status %u", i.opcode, what, st);
}

#define BAD(what, change) do {								\
		struct axon_inst i = good(all[k], &e);					\
											\
		change;									\
		refused(f, e, i, what);							\
	} while (0)

static void test_good_ones_are_good(void **state)
{
	struct fx *f = *state;
	unsigned int e;

	for (unsigned int k = 0; k < COUNT(all); k++) {
		struct axon_inst i = good(all[k], &e);

		ring_descriptor(f);
		enum axon_status st = fx_one(f, e, i);

		if (st != AXON_STATUS_OK)
			fail_msg("opcode %#x: status %u", i.opcode, st);
	}
}

static void test_header(void **state)
{
	struct fx *f = *state;
	unsigned int e;

	for (unsigned int k = 0; k < COUNT(all); k++) {
		BAD("reserved", i.reserved = 1);
		BAD("wait_op", i.wait_op = 3);
		BAD("post_op", i.post_op = 4);
		BAD("wait_sem without wait", i.wait_sem = 1);
		BAD("wait_val without wait", i.wait_val = 1);
		BAD("wait_reg", i.wait_op = AXON_WAIT_GE; i.wait_reg = 64);
		BAD("wait_reg without wait", i.wait_reg = 1);
		BAD("post_sem without post", i.post_sem = 1);
		BAD("post_val without post", i.post_val = 1);
		BAD("patch field without register", i.patch[2].field = 1);
		BAD("patch register", i.patch[3].reg = 64);
		BAD("patch field", i.patch[1].reg = 5; i.patch[1].field = 0x3f);
		BAD("patch field", i.patch[1].reg = 5; i.patch[1].field = 0x57);
		BAD("patch field", i.patch[1].reg = 5; i.patch[1].field = 0x06);
		BAD("flags", i.flags = 0x80);
	}
}

static void test_unused_fields(void **state)
{
	struct fx *f = *state;
	unsigned int e;

	for (unsigned int k = 0; k < COUNT(all); k++) {
		struct axon_inst g = good(all[k], &e);
		bool two = all[k] == AXON_OP_TENSOR_SCALAR || all[k] == AXON_OP_TENSOR_REDUCE;
		bool imm0 = all[k] == AXON_OP_MEMSET || all[k] == AXON_OP_TENSOR_SCALAR ||
			all[k] == AXON_OP_ACTIVATION || all[k] == AXON_OP_AFFINE_SELECT ||
			all[k] == AXON_OP_IOTA;
		bool imm1 = all[k] == AXON_OP_ACTIVATION || all[k] == AXON_OP_AFFINE_SELECT;
		bool op0 = g.op0 || two || all[k] == AXON_OP_ACTIVATION ||
			all[k] == AXON_OP_REG_ALU || all[k] == AXON_OP_BRANCH ||
			all[k] == AXON_OP_DMA || all[k] == AXON_OP_DMA_RING;

		if (!op0)
			BAD("op0", i.op0 = 1);
		if (!two)
			BAD("op1", i.op1 = 1);
		if (!imm0)
			BAD("imm[0]", i.imm[0] = 1);
		if (!imm1)
			BAD("imm[1]", i.imm[1] = 1);
		/* bytes of the last 96 that are zero in a pattern nobody uses */
		if (all[k] == AXON_OP_DMA)
			continue;
		for (unsigned int ap = 0; ap < 4; ap++) {
			static const struct axon_ap zero;

			if (memcmp(&g.ap[ap], &zero, sizeof(zero)) ||
			    (ap == 1 && all[k] == AXON_OP_IOTA) ||
			    (ap == 2 && all[k] == AXON_OP_AFFINE_SELECT))
				continue;
			BAD("unused operand", ((uint8_t *)&i.ap[ap])[0] = 1);
			BAD("unused operand", ((uint8_t *)&i.ap[ap])[13] = 1);
			BAD("unused operand", ((uint8_t *)&i.ap[ap])[23] = 1);
		}
	}
}

/* Every limit of operand @n of opcode k. */
static void bad_patterns(struct fx *f, unsigned int k, unsigned int n)
{
	unsigned int e;

	BAD("space", i.ap[n].space = AXON_SPACE_MEM);
	BAD("dtype", i.ap[n].dtype = 0);
	BAD("dtype", i.ap[n].dtype = 16);
	BAD("dtype", i.ap[n].dtype = AXON_DTYPE_UINT64);
	BAD("dtype", i.ap[n].dtype = AXON_DTYPE_FP8_E4);
	BAD("offset", i.ap[n].offset = 2);
	BAD("offset", i.ap[n].offset = AXON_SBUF_PART_BYTES);
	BAD("offset", i.ap[n].offset = AXON_SBUF_PART_BYTES - 4; i.ap[n].count[3] = 16;
	    i.ap[n].step[3] = 1);
	BAD("offset", i.ap[n].offset = 0xfffffffc);
	BAD("nparts", i.ap[n].nparts = 0);
	BAD("nparts", i.ap[n].nparts = 129);
	BAD("part", i.ap[n].part = 1);
	BAD("part", i.ap[n].part = 128);
	BAD("part", i.ap[n].nparts = 65; i.ap[n].part = 64);
	BAD("count", i.ap[n].count[0] = 0);
	BAD("count", i.ap[n].count[3] = 0);
	BAD("count", i.ap[n].count[1] = 60000; i.ap[n].step[1] = 16);
	BAD("count", memset(i.ap[n].count, 0xff, 8));
	BAD("step", i.ap[n].step[3] = -1; i.ap[n].count[3] = 16; i.ap[n].offset = 56);
	BAD("step", i.ap[n].count[0] = 4; i.ap[n].step[0] = 32767);
}

static void test_access_patterns(void **state)
{
	struct fx *f = *state;
	unsigned int e;

	for (unsigned int k = 0; k < COUNT(all); k++) {
		struct axon_inst g = good(all[k], &e);

		if (all[k] < AXON_OP_MATMUL)
			continue;
		for (unsigned int n = 0; n < 4; n++)
			if (g.ap[n].nparts)
				bad_patterns(f, k, n);
		BAD("broadcast output", i.ap[0].step[3] = 0;
		    i.ap[0].count[3] = i.ap[0].count[3] == 1 ? 2 : i.ap[0].count[3]);
	}
}

static void test_shapes(void **state)
{
	static const uint8_t alike[] = { AXON_OP_COPY, AXON_OP_TENSOR_TENSOR,
					 AXON_OP_TENSOR_SCALAR, AXON_OP_ACTIVATION,
					 AXON_OP_SELECT, AXON_OP_AFFINE_SELECT };
	struct fx *f = *state;
	struct axon_inst i;
	unsigned int e;

	for (unsigned int k = 0; k < COUNT(alike); k++) {
		i = good(alike[k], &e);
		i.ap[1].nparts = 63;
		refused(f, e, i, "partitions");
		i = good(alike[k], &e);
		i.ap[1].count[3] = 15;
		refused(f, e, i, "count");
		i = good(alike[k], &e);
		i.ap[1].count[3] = 4;
		i.ap[1].count[2] = 4;
		i.ap[1].step[2] = 4;
		refused(f, e, i, "axes");
	}
}

static void test_operators(void **state)
{
	struct fx *f = *state;
	struct axon_inst i;
	unsigned int e;

	for (unsigned int op = 0; op < 256; op++) {
		bool arith = op >= 1 && op <= 12, bits = op >= 16 && op <= 22;

		i = good(AXON_OP_TENSOR_TENSOR, &e);
		i.op0 = (uint8_t)op;
		assert_int_equal(fx_one(f, e, i), arith ? 0 : AXON_STATUS_BAD_OPERAND);
		for (int k = 0; k < 3; k++)
			i.ap[k].dtype = AXON_DTYPE_INT32;
		assert_int_equal(fx_one(f, e, i), arith || bits ? 0 : AXON_STATUS_BAD_OPERAND);
		i = good(AXON_OP_TENSOR_SCALAR, &e);
		i.op1 = (uint8_t)op;
		assert_int_equal(fx_one(f, e, i), arith || !op ? 0 : AXON_STATUS_BAD_OPERAND);
		i.ap[0].dtype = i.ap[1].dtype = AXON_DTYPE_UINT16;
		i.op0 = AXON_ALU_XOR;
		assert_int_equal(fx_one(f, e, i), bits || !op ? 0 : AXON_STATUS_BAD_OPERAND);
		i = good(AXON_OP_TENSOR_REDUCE, &e);
		i.op0 = (uint8_t)op;
		assert_int_equal(fx_one(f, e, i), op == 1 || op == 3 || op == 5 || op == 6 ? 0 :
				 AXON_STATUS_BAD_OPERAND);
		i = good(AXON_OP_PARTITION_REDUCE, &e);
		i.op0 = (uint8_t)op;
		assert_int_equal(fx_one(f, e, i), op == 1 || op == 3 || op == 5 || op == 6 ? 0 :
				 AXON_STATUS_BAD_OPERAND);
		i = good(AXON_OP_AFFINE_SELECT, &e);
		i.op0 = (uint8_t)op;
		assert_int_equal(fx_one(f, e, i), op >= 7 && op <= 12 ? 0 :
				 AXON_STATUS_BAD_OPERAND);
		i = good(AXON_OP_ACTIVATION, &e);
		i.op0 = (uint8_t)op;
		assert_int_equal(fx_one(f, e, i), op < AXON_NUM_ACTS ? 0 :
				 AXON_STATUS_BAD_OPERAND);
		i = good(AXON_OP_REG_ALU, &e);
		i.op0 = (uint8_t)op;
		i.ctl.ra = op ? 5 : AXON_SREG_NONE;
		i.ctl.imm = 1;
		assert_int_equal(fx_one(f, e, i), op < 12 ? 0 : AXON_STATUS_BAD_OPERAND);
		i = good(AXON_OP_DMA, &e);
		i.op0 = (uint8_t)op;
		assert_int_equal(fx_one(f, e, i), op < 16 ? 0 : AXON_STATUS_BAD_OPERAND);
	}
}

static void test_details(void **state)
{
	struct fx *f = *state;
	struct axon_inst i;
	unsigned int e;

#define BAD_ONE(op, what, change) do {							\
		i = good(op, &e);							\
		change;									\
		refused(f, e, i, what);							\
	} while (0)
	BAD_ONE(AXON_OP_TENSOR_SCALAR, "imm[0] and S0", i.flags = AXON_F_S0_TENSOR; i.imm[0] = 1;
		i.ap[2] = fx_ap(0, AXON_DTYPE_FLOAT32, 0, 64, 0, 1));
	BAD_ONE(AXON_OP_TENSOR_SCALAR, "S1 without op1", i.flags = AXON_F_S1_TENSOR;
		i.ap[3] = fx_ap(0, AXON_DTYPE_FLOAT32, 0, 64, 0, 1));
	BAD_ONE(AXON_OP_TENSOR_SCALAR, "REVERSE1 without op1", i.flags = AXON_F_REVERSE1);
	BAD_ONE(AXON_OP_TENSOR_SCALAR, "s0 of two elements", i.flags = AXON_F_S0_TENSOR;
		i.ap[2] = fx_ap(0, AXON_DTYPE_FLOAT32, 0, 64, 0, 2));
	BAD_ONE(AXON_OP_TENSOR_SCALAR, "s0's partitions", i.flags = AXON_F_S0_TENSOR;
		i.ap[2] = fx_ap(0, AXON_DTYPE_FLOAT32, 0, 63, 0, 1));
	BAD_ONE(AXON_OP_TENSOR_SCALAR, "mixed groups", i.op1 = AXON_ALU_AND);
	BAD_ONE(AXON_OP_ACTIVATION, "SUM and SCALE", i.flags = AXON_F_SUM | AXON_F_SCALE_TENSOR;
		i.ap[3] = fx_ap(0, AXON_DTYPE_FLOAT32, 0, 64, 0, 1));
	BAD_ONE(AXON_OP_ACTIVATION, "sum's type", i.flags = AXON_F_SUM;
		i.ap[3] = fx_ap(0, AXON_DTYPE_BFLOAT16, 0, 64, 0, 1));
	BAD_ONE(AXON_OP_ACTIVATION, "sum's count", i.flags = AXON_F_SUM;
		i.ap[3] = fx_ap(0, AXON_DTYPE_FLOAT32, 0, 64, 0, 2));
	BAD_ONE(AXON_OP_TENSOR_REDUCE, "axes", i.op1 = 0);
	BAD_ONE(AXON_OP_TENSOR_REDUCE, "axes", i.op1 = 5);
	BAD_ONE(AXON_OP_TENSOR_REDUCE, "shape", i.ap[0].count[0] = 2; i.ap[0].step[0] = 1);
	BAD_ONE(AXON_OP_SELECT, "predicate", i.ap[2].dtype = AXON_DTYPE_FLOAT32);
	BAD_ONE(AXON_OP_MAX8, "count", i.ap[0].count[3] = 7);
	BAD_ONE(AXON_OP_MAX8, "count", i.ap[1].count[3] = 7);
	BAD_ONE(AXON_OP_MAX8, "count", i.ap[1].count[3] = 16385);
	BAD_ONE(AXON_OP_FIND_INDEX8, "type", i.ap[0].dtype = AXON_DTYPE_INT32);
	BAD_ONE(AXON_OP_FIND_INDEX8, "count", i.ap[1].count[3] = 9);
	BAD_ONE(AXON_OP_FIND_INDEX8, "count", i.ap[2].count[3] = 16385);
	BAD_ONE(AXON_OP_PARTITION_REDUCE, "target", i.ap[0].nparts = 2);
	BAD_ONE(AXON_OP_PARTITION_BROADCAST, "source", i.ap[1].nparts = 2);
	BAD_ONE(AXON_OP_IOTA, "pattern", i.ap[1].count[0] = 1);
	BAD_ONE(AXON_OP_IOTA, "pattern", i.ap[1].dtype = AXON_DTYPE_INT32);
	BAD_ONE(AXON_OP_AFFINE_SELECT, "pattern", i.ap[2].nparts = 1);
	BAD_ONE(AXON_OP_REG_ALU, "rd", i.ctl.rd = 64);
	BAD_ONE(AXON_OP_REG_ALU, "MOV with ra", i.ctl.ra = 0);
	BAD_ONE(AXON_OP_REG_ALU, "rb", i.ctl.rb = 64);
	BAD_ONE(AXON_OP_REG_ALU, "rb and imm", i.ctl.rb = 6; i.ctl.imm = 1);
	BAD_ONE(AXON_OP_REG_ALU, "ra", i.op0 = AXON_RALU_ADD; i.ctl.ra = AXON_SREG_NONE);
	BAD_ONE(AXON_OP_REG_ALU, "dtype", i.ctl.dtype = 1);
	BAD_ONE(AXON_OP_REG_ALU, "target", i.ctl.target = 1);
	BAD_ONE(AXON_OP_BRANCH, "target", i.ctl.target = 2);
	BAD_ONE(AXON_OP_BRANCH, "imm", i.ctl.imm = 1);
	BAD_ONE(AXON_OP_BRANCH, "ra", i.ctl.ra = 1);
	BAD_ONE(AXON_OP_BRANCH, "condition", i.op0 = 5; i.ctl.ra = 1);
	BAD_ONE(AXON_OP_BRANCH, "rd", i.ctl.rd = 1);
	BAD_ONE(AXON_OP_REG_LOAD, "address", i.ctl.imm += 4);
	BAD_ONE(AXON_OP_REG_LOAD, "dtype", i.ctl.dtype = AXON_DTYPE_FLOAT32);
	BAD_ONE(AXON_OP_REG_LOAD, "rb", i.ctl.rb = 0);
	BAD_ONE(AXON_OP_REG_STORE, "rd", i.ctl.rd = AXON_SREG_NONE);
	BAD_ONE(AXON_OP_DMA_RING, "count", i.ctl.target = 0);
	BAD_ONE(AXON_OP_DMA_RING, "count", i.ctl.target = AXON_DMA_RING_MAX + 1);
	BAD_ONE(AXON_OP_DMA_RING, "address", i.ctl.imm += 4);
	BAD_ONE(AXON_OP_DMA_RING, "rd", i.ctl.rd = 0);
	BAD_ONE(AXON_OP_DMA_RING, "queue", i.op0 = 16);
	BAD_ONE(AXON_OP_DMA_RING, "reserved", i.ctl.reserved[9] = 1ull << 63);
}

/* A register may bring a field to a value that is refused, or to a good one. */
static void test_patched_values(void **state)
{
	static const struct {
		uint8_t field;
		uint64_t good, bad;
	} cases[] = {
		{ AXON_PATCH_AP(1, AXON_PATCH_OFFSET), 64, AXON_SBUF_PART_BYTES - 32 },
		{ AXON_PATCH_AP(0, AXON_PATCH_COUNT3), 65536, 1 },
		{ AXON_PATCH_AP(1, AXON_PATCH_PART), 64, 32 },
		{ AXON_PATCH_AP(1, AXON_PATCH_OFFSET), -(uint64_t)16, -(uint64_t)68 },
	};
	struct fx *f = *state;
	unsigned int e;

	for (unsigned int k = 0; k < COUNT(cases); k++)
		for (int bad = 0; bad < 2; bad++) {
			struct axon_inst i = good(AXON_OP_COPY, &e);

			i.ap[1].offset = 64;
			i.patch[2].reg = 30;
			i.patch[2].field = cases[k].field;
			fx_clear(f);
			fx_emit(f, e, fx_alu(AXON_RALU_MOV, 30, AXON_SREG_NONE,
					     bad ? cases[k].bad : cases[k].good));
			fx_emit(f, e, i);
			fx_emit(f, e, fx_inst(AXON_OP_HALT));
			assert_int_equal(fx_run(f, 0).fault.status,
					 bad ? AXON_STATUS_BAD_OPERAND : AXON_STATUS_OK);
		}
}

/* Patches do what they say: immediates as integers, DMA addresses and counts. */
static void test_patch_effects(void **state)
{
	struct axon_inst set = fx_inst(AXON_OP_MEMSET);
	struct axon_inst dma = fx_dma(1, fx_desc(FX_DATA, 2, FX_DATA, 2, 2));
	struct fx *f = *state;
	uint8_t in[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, out[5];

	set.ap[0] = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_UINT32, 0, 1, 0, 1);
	set.imm[0] = 5;
	set.patch[0].reg = 30;
	set.patch[0].field = AXON_PATCH_IMM0;
	set.patch[1].reg = 31;
	set.patch[1].field = AXON_PATCH_AP(0, AXON_PATCH_OFFSET);
	dma.patch[0].reg = 31;
	dma.patch[0].field = AXON_PATCH_DMA_DST;
	dma.patch[1].reg = 32;
	dma.patch[1].field = AXON_PATCH_DMA_SRC;
	dma.patch[3].reg = 32;
	dma.patch[3].field = AXON_PATCH_DMA_COUNT3;
	fx_poke(f, FX_DATA, in, sizeof(in));
	fx_emit(f, 1, fx_alu(AXON_RALU_MOV, 30, AXON_SREG_NONE, 1000));
	fx_emit(f, 1, fx_alu(AXON_RALU_MOV, 31, AXON_SREG_NONE, 128));
	fx_emit(f, 1, fx_alu(AXON_RALU_MOV, 32, AXON_SREG_NONE, 3));
	fx_emit(f, 1, set);
	fx_emit(f, 1, dma);
	fx_emit(f, 1, fx_inst(AXON_OP_HALT));
	assert_int_equal(fx_run(f, 0).fault.status, AXON_STATUS_OK);
	assert_memory_equal(fx_chip(f, 0, 0, 128), ((uint32_t []){ 1005 }), 4);
	fx_peek(f, FX_DATA + 128, out, 5);
	assert_memory_equal(out, in + 3, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good_ones_are_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unused_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_access_patterns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_operators, setup, teardown),
		cmocka_unit_test_setup_teardown(test_details, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patched_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patch_effects, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
