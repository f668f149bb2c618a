// SPDX-License-Identifier: MIT
/*
 * test_engine_elementwise.c - COPY, MEMSET, TENSOR_TENSOR, TENSOR_SCALAR, SELECT, AFFINE_SELECT,
 * IOTA, PARTITION_BROADCAST against one element at a time, with every set of kernels.
 */
#include "engine_ref.h"

#define ROUNDS		75
#define PER_FILL	15
#define USED		(4 * REF_REGION)

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

/* The output as computed by the reference; @keep is the memory before. */
typedef void expect_fn(struct fx *f, const struct axon_inst *i, unsigned int p, const uint32_t *at,
		       uint8_t *out);
typedef struct axon_inst make_fn(uint64_t *s, unsigned int *engine);

static void compare(struct fx *f, const struct axon_inst *i, unsigned int engine, expect_fn *want)
{
	const struct axon_ap *dst = &i->ap[0];
	uint32_t esz = axon_dtype_size(dst->dtype), n = 0;
	uint32_t at[4] = { 0 };
	uint8_t *expected = malloc(AXON_MAX_FREE_ELEMS * 4 * 2);

	assert_non_null(expected);
	/* partition by partition would need the inputs again: all first, in a list */
	size_t total = (size_t)dst->nparts * dst->count[0] * dst->count[1] * dst->count[2] *
		dst->count[3];

	expected = realloc(expected, total * esz + 4);
	assert_non_null(expected);
	for (unsigned int p = 0; p < dst->nparts; p++) {
		do {
			memcpy(expected + n * esz, ref_at(f, dst, p, at), esz);
			want(f, i, p, at, expected + n++ * esz);
		} while (ref_next(at, dst->count));
	}
	assert_int_equal(fx_one(f, engine, *i), AXON_STATUS_OK);
	n = 0;
	for (unsigned int p = 0; p < dst->nparts; p++)
		do
			if (memcmp(expected + n++ * esz, ref_at(f, dst, p, at), esz))
				fail_msg("opcode %#x op0 %u dtype %u space %u partition %u at "
					 "%u %u %u %u: wrong", i->opcode, i->op0, dst->dtype,
					 dst->space, p, at[0], at[1], at[2], at[3]);
		while (ref_next(at, dst->count));
	free(expected);
}

static void check(struct fx *f, make_fn *make, expect_fn *want, bool bits)
{
	const struct axon_math *m;

	for (unsigned int v = 0; (m = axon_math_variant(v)); v++) {
		uint64_t s = 12345;

		axon_core_set_math(&f->card, 0, m);
		for (int r = 0; r < ROUNDS; r++) {
			unsigned int engine;
			struct axon_inst i = make(&s, &engine);

			if (r % PER_FILL == 0)
				ref_fill(f, &s, USED, bits);
			compare(f, &i, engine, want);
		}
	}
}

static unsigned int any_vsg(uint64_t *s)
{
	return AXON_ENGINE_VECTOR + fx_below(s, 3);
}

static unsigned int any_vg(uint64_t *s)
{
	return fx_below(s, 2) ? AXON_ENGINE_VECTOR : AXON_ENGINE_GPSIMD;
}

/* @n operands of one shape; the first is the output. */
static void operands(uint64_t *s, struct axon_inst *i, unsigned int n, const unsigned int *dtype)
{
	unsigned int nparts = ref_nparts(s);
	uint16_t count[4];

	ref_counts(s, count, 1500);
	for (unsigned int k = 0; k < n; k++)
		i->ap[k] = ref_operand(s, k, dtype[k], nparts, count, !k);
	/* sometimes in place */
	if (n > 1 && dtype[0] == dtype[1] && !fx_below(s, 4))
		i->ap[1] = i->ap[0];
}

static struct axon_inst make_copy(uint64_t *s, unsigned int *engine)
{
	struct axon_inst i = fx_inst(AXON_OP_COPY);
	unsigned int d[2] = { ref_any_dtype(s), ref_any_dtype(s) };

	*engine = any_vsg(s);
	operands(s, &i, 2, d);
	return i;
}

static unsigned int plain(unsigned int dtype)
{
	return dtype == AXON_DTYPE_FP32R ? AXON_DTYPE_FLOAT32 : dtype;
}

static void convert(struct fx *f, const struct axon_inst *i, unsigned int k, unsigned int p,
		    const uint32_t *at, uint8_t *out)
{
	const uint8_t *src = ref_at(f, &i->ap[k], p, at);

	if (plain(i->ap[0].dtype) == plain(i->ap[k].dtype))
		memcpy(out, src, axon_dtype_size(i->ap[0].dtype));
	else
		ref_encode(i->ap[0].dtype, out, ref_decode(i->ap[k].dtype, src));
}

static void want_copy(struct fx *f, const struct axon_inst *i, unsigned int p, const uint32_t *at,
		      uint8_t *out)
{
	convert(f, i, 1, p, at, out);
}

static void test_copy(void **state)
{
	check(*state, make_copy, want_copy, false);
	check(*state, make_copy, want_copy, true);
}

static struct axon_inst make_broadcast(uint64_t *s, unsigned int *engine)
{
	struct axon_inst i = make_copy(s, engine);

	i.opcode = AXON_OP_PARTITION_BROADCAST;
	i.ap[1] = ref_operand(s, 1, i.ap[1].dtype, 1, i.ap[0].count, false);
	*engine = AXON_ENGINE_GPSIMD;
	return i;
}

static void want_broadcast(struct fx *f, const struct axon_inst *i, unsigned int p,
			   const uint32_t *at, uint8_t *out)
{
	(void)p;
	convert(f, i, 1, 0, at, out);
}

static void test_broadcast(void **state)
{
	check(*state, make_broadcast, want_broadcast, true);
}

static struct axon_inst make_memset(uint64_t *s, unsigned int *engine)
{
	struct axon_inst i = fx_inst(AXON_OP_MEMSET);
	unsigned int d = ref_any_dtype(s);

	*engine = any_vsg(s);
	operands(s, &i, 1, &d);
	i.imm[0] = (uint32_t)fx_rand(s);
	return i;
}

static void want_memset(struct fx *f, const struct axon_inst *i, unsigned int p,
			const uint32_t *at, uint8_t *out)
{
	(void)f;
	(void)p;
	(void)at;
	memcpy(out, &i->imm[0], axon_dtype_size(i->ap[0].dtype));
}

static void test_memset(void **state)
{
	check(*state, make_memset, want_memset, true);
}

static struct axon_inst make_tt(uint64_t *s, unsigned int *engine)
{
	struct axon_inst i = fx_inst(AXON_OP_TENSOR_TENSOR);
	bool bits = !fx_below(s, 4);
	unsigned int d[3];

	for (int k = 0; k < 3; k++)
		d[k] = bits ? ref_int_dtype(s) : ref_any_dtype(s);
	i.op0 = (uint8_t)(bits ? AXON_ALU_AND + fx_below(s, 7) : 1 + fx_below(s, 12));
	*engine = any_vg(s);
	operands(s, &i, 3, d);
	return i;
}

static void want_tt(struct fx *f, const struct axon_inst *i, unsigned int p, const uint32_t *at,
		    uint8_t *out)
{
	const uint8_t *a = ref_at(f, &i->ap[1], p, at), *b = ref_at(f, &i->ap[2], p, at);

	if (i->op0 >= AXON_ALU_AND) {
		uint32_t r = ref_bit_op(i->op0, ref_int(i->ap[1].dtype, a),
					ref_int(i->ap[2].dtype, b));

		memcpy(out, &r, axon_dtype_size(i->ap[0].dtype));
		return;
	}
	ref_encode(i->ap[0].dtype, out, ref_op(i->op0, ref_decode(i->ap[1].dtype, a),
					       ref_decode(i->ap[2].dtype, b)));
}

static void test_tensor_tensor(void **state)
{
	check(*state, make_tt, want_tt, false);
	check(*state, make_tt, want_tt, true);
}

static uint32_t scalar_imm(uint64_t *s, bool bits)
{
	float v = ref_value(s);
	uint32_t u;

	if (bits)
		return fx_below(s, 2) ? fx_below(s, 40) : (uint32_t)fx_rand(s);
	memcpy(&u, &v, 4);
	return u;
}

static struct axon_inst make_ts(uint64_t *s, unsigned int *engine)
{
	static const uint16_t one[4] = { 1, 1, 1, 1 };
	struct axon_inst i = fx_inst(AXON_OP_TENSOR_SCALAR);
	bool bits = !fx_below(s, 4);
	unsigned int d[4];

	for (int k = 0; k < 4; k++)
		d[k] = bits ? ref_int_dtype(s) : ref_any_dtype(s);
	*engine = any_vsg(s);
	operands(s, &i, 2, d);
	i.flags = (uint8_t)fx_below(s, 16);
	i.op0 = (uint8_t)(bits ? AXON_ALU_AND + fx_below(s, 7) : 1 + fx_below(s, 12));
	if (fx_below(s, 3))
		i.op1 = (uint8_t)(bits ? AXON_ALU_AND + fx_below(s, 7) : 1 + fx_below(s, 12));
	else
		i.flags &= (uint8_t)~(AXON_F_S1_TENSOR | AXON_F_REVERSE1);
	if (i.flags & AXON_F_S0_TENSOR)
		i.ap[2] = ref_operand(s, 2, d[2], i.ap[0].nparts, one, false);
	else
		i.imm[0] = scalar_imm(s, bits);
	if (i.flags & AXON_F_S1_TENSOR)
		i.ap[3] = ref_operand(s, 3, d[3], i.ap[0].nparts, one, false);
	else if (i.op1)
		i.imm[1] = scalar_imm(s, bits);
	return i;
}

static float ts_scalar(struct fx *f, const struct axon_inst *i, unsigned int k, unsigned int p)
{
	static const uint32_t zero[4];
	float v;

	if (i->flags & (k ? AXON_F_S1_TENSOR : AXON_F_S0_TENSOR))
		return ref_decode(i->ap[2 + k].dtype, ref_at(f, &i->ap[2 + k], p, zero));
	memcpy(&v, &i->imm[k], 4);
	return v;
}

static uint32_t ts_bits(struct fx *f, const struct axon_inst *i, unsigned int k, unsigned int p)
{
	static const uint32_t zero[4];

	if (i->flags & (k ? AXON_F_S1_TENSOR : AXON_F_S0_TENSOR))
		return ref_int(i->ap[2 + k].dtype, ref_at(f, &i->ap[2 + k], p, zero));
	return i->imm[k];
}

static void want_ts(struct fx *f, const struct axon_inst *i, unsigned int p, const uint32_t *at,
		    uint8_t *out)
{
	const uint8_t *a = ref_at(f, &i->ap[1], p, at);
	bool r0 = i->flags & AXON_F_REVERSE0, r1 = i->flags & AXON_F_REVERSE1;

	if (i->op0 >= AXON_ALU_AND) {
		uint32_t v = ref_int(i->ap[1].dtype, a), x = ts_bits(f, i, 0, p), y;

		v = r0 ? ref_bit_op(i->op0, x, v) : ref_bit_op(i->op0, v, x);
		y = ts_bits(f, i, 1, p);
		if (i->op1)
			v = r1 ? ref_bit_op(i->op1, y, v) : ref_bit_op(i->op1, v, y);
		memcpy(out, &v, axon_dtype_size(i->ap[0].dtype));
		return;
	}
	float v = ref_decode(i->ap[1].dtype, a), x = ts_scalar(f, i, 0, p), y = 0;

	v = r0 ? ref_op(i->op0, x, v) : ref_op(i->op0, v, x);
	if (i->op1)
		y = ts_scalar(f, i, 1, p);
	if (i->op1)
		v = r1 ? ref_op(i->op1, y, v) : ref_op(i->op1, v, y);
	ref_encode(i->ap[0].dtype, out, v);
}

static void test_tensor_scalar(void **state)
{
	check(*state, make_ts, want_ts, false);
	check(*state, make_ts, want_ts, true);
}

static struct axon_inst make_select(uint64_t *s, unsigned int *engine)
{
	struct axon_inst i = fx_inst(AXON_OP_SELECT);
	unsigned int d[3] = { ref_any_dtype(s), ref_any_dtype(s), ref_int_dtype(s) };

	*engine = any_vg(s);
	operands(s, &i, 3, d);
	return i;
}

static void want_select(struct fx *f, const struct axon_inst *i, unsigned int p,
			const uint32_t *at, uint8_t *out)
{
	if (ref_int(i->ap[2].dtype, ref_at(f, &i->ap[2], p, at)))
		convert(f, i, 1, p, at, out);
}

static void test_select(void **state)
{
	check(*state, make_select, want_select, false);
}

static int32_t pattern_value(const struct axon_inst *i, const struct axon_ap *pat, unsigned int p,
			     const uint32_t *at)
{
	uint32_t v = i->imm[0] + pat->offset * p;

	for (int a = 0; a < 4; a++)
		v += at[a] * (uint32_t)(int32_t)pat->step[a];
	return (int32_t)v;
}

static void random_pattern(uint64_t *s, struct axon_inst *i, struct axon_ap *pat)
{
	memset(pat, 0, sizeof(*pat));
	i->imm[0] = fx_below(s, 4) ? fx_below(s, 64) - 32 : (uint32_t)fx_rand(s);
	pat->offset = fx_below(s, 4) ? fx_below(s, 9) - 4 : (uint32_t)fx_rand(s);
	for (int a = 0; a < 4; a++)
		pat->step[a] = (int16_t)(fx_below(s, 4) ? (int)fx_below(s, 7) - 3 :
					 (int)fx_below(s, 65536) - 32768);
}

static struct axon_inst make_affine(uint64_t *s, unsigned int *engine)
{
	struct axon_inst i = fx_inst(AXON_OP_AFFINE_SELECT);
	unsigned int d[2] = { ref_any_dtype(s), ref_any_dtype(s) };

	*engine = AXON_ENGINE_GPSIMD;
	operands(s, &i, 2, d);
	random_pattern(s, &i, &i.ap[2]);
	i.imm[1] = scalar_imm(s, false);
	i.op0 = (uint8_t)(AXON_ALU_EQ + fx_below(s, 6));
	return i;
}

static void want_affine(struct fx *f, const struct axon_inst *i, unsigned int p,
			const uint32_t *at, uint8_t *out)
{
	int32_t v = pattern_value(i, &i->ap[2], p, at);
	float x = ref_decode(i->ap[1].dtype, ref_at(f, &i->ap[1], p, at)), fill;
	bool take = i->op0 == AXON_ALU_EQ ? v == 0 : i->op0 == AXON_ALU_NE ? v != 0 :
		i->op0 == AXON_ALU_GE ? v >= 0 : i->op0 == AXON_ALU_GT ? v > 0 :
		i->op0 == AXON_ALU_LE ? v <= 0 : v < 0;

	memcpy(&fill, &i->imm[1], 4);
	ref_encode(i->ap[0].dtype, out, take ? x : fill);
}

static void test_affine_select(void **state)
{
	check(*state, make_affine, want_affine, false);
}

static struct axon_inst make_iota(uint64_t *s, unsigned int *engine)
{
	struct axon_inst i = fx_inst(AXON_OP_IOTA);
	unsigned int d = ref_any_dtype(s);

	*engine = AXON_ENGINE_GPSIMD;
	operands(s, &i, 1, &d);
	random_pattern(s, &i, &i.ap[1]);
	return i;
}

static void want_iota(struct fx *f, const struct axon_inst *i, unsigned int p, const uint32_t *at,
		      uint8_t *out)
{
	int64_t v = pattern_value(i, &i->ap[1], p, at);
	unsigned int dtype = i->ap[0].dtype;
	static const struct {
		int64_t lo, hi;
	} range[16] = {
		[AXON_DTYPE_INT8] = { INT8_MIN, INT8_MAX }, [AXON_DTYPE_UINT8] = { 0, UINT8_MAX },
		[AXON_DTYPE_INT16] = { INT16_MIN, INT16_MAX },
		[AXON_DTYPE_UINT16] = { 0, UINT16_MAX },
		[AXON_DTYPE_INT32] = { INT32_MIN, INT32_MAX },
		[AXON_DTYPE_UINT32] = { 0, UINT32_MAX },
	};

	(void)f;
	if (!range[dtype].hi) {
		ref_encode(dtype, out, (float)v);
		return;
	}
	v = v < range[dtype].lo ? range[dtype].lo : v > range[dtype].hi ? range[dtype].hi : v;
	memcpy(out, &v, axon_dtype_size(dtype));
}

static void test_iota(void **state)
{
	check(*state, make_iota, want_iota, false);
}

static uint64_t digest(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

/* Operands that overlap otherwise than element by element: no matter what, but always the same. */
static void test_overlap_is_deterministic(void **state)
{
	static const uint8_t ops[] = { AXON_OP_TENSOR_TENSOR, AXON_OP_TENSOR_SCALAR, AXON_OP_COPY,
				       AXON_OP_SELECT };
	const struct axon_math *m;
	struct fx *f = *state;
	uint64_t want[4][11];

	for (unsigned int v = 0; (m = axon_math_variant(v)); v++)
		for (unsigned int k = 0; k < 4 * 11; k++) {
			struct axon_inst i = fx_inst(ops[k / 11]);
			uint64_t s = 17, got;

			ref_fill(f, &s, 12288, false);
			axon_core_set_math(&f->card, 0, m);
			if (i.opcode == AXON_OP_TENSOR_TENSOR || i.opcode == AXON_OP_TENSOR_SCALAR)
				i.op0 = AXON_ALU_ADD;
			i.ap[0] = fx_ap(0, AXON_DTYPE_FLOAT32, 0, 1, 1024, 2000);
			i.ap[1] = i.ap[0];
			i.ap[1].offset += 4 * (k % 11) - 20;
			if (i.opcode == AXON_OP_TENSOR_TENSOR || i.opcode == AXON_OP_SELECT)
				i.ap[2] = i.ap[0];
			if (i.opcode == AXON_OP_SELECT)
				i.ap[2].dtype = AXON_DTYPE_UINT32;
			assert_int_equal(fx_one(f, 1, i), AXON_STATUS_OK);
			got = digest(fx_chip(f, 0, 0, 0), 12288);
			if (!v)
				want[k / 11][k % 11] = got;
			assert_true(got == want[k / 11][k % 11]);
		}
}

/* The largest operand there is. */
static void test_whole_partition(void **state)
{
	struct axon_inst i = fx_inst(AXON_OP_TENSOR_SCALAR);
	struct fx *f = *state;

	i.op0 = AXON_ALU_ADD;
	i.imm[0] = 0x3f800000;
	i.ap[0] = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_BFLOAT16, 0, 128, 0, 0);
	i.ap[0].count[2] = 2;
	i.ap[0].count[3] = 32768;
	i.ap[0].step[2] = 32767;
	i.ap[1] = i.ap[0];
	i.ap[0].step[2] = 32767;
	assert_int_equal(fx_one(f, 1, i), AXON_STATUS_OK);
	i.ap[0].offset = i.ap[1].offset = AXON_SBUF_PART_BYTES - 65536 * 2 + 2;
	assert_int_equal(fx_one(f, 1, i), AXON_STATUS_OK);
	i.ap[1].offset += 2;
	assert_int_equal(fx_one(f, 1, i), AXON_STATUS_BAD_OPERAND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broadcast, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tensor_tensor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tensor_scalar, setup, teardown),
		cmocka_unit_test_setup_teardown(test_select, setup, teardown),
		cmocka_unit_test_setup_teardown(test_affine_select, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iota, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overlap_is_deterministic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole_partition, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
