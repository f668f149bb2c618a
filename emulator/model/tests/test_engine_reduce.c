// SPDX-License-Identifier: MIT
/*
 * test_engine_reduce.c - TENSOR_REDUCE, PARTITION_REDUCE, MAX8, FIND_INDEX8 and ACTIVATION's frame
 * (scale, bias, sum; the functions themselves: test_math_functions.c), with every set of kernels.
 */
#include "engine_ref.h"

#define USED	(4 * REF_REGION)

static const uint8_t ops[] = { AXON_ALU_ADD, AXON_ALU_MULTIPLY, AXON_ALU_MAX, AXON_ALU_MIN };

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

static void same_bits(const struct axon_inst *i, unsigned int p, const uint8_t *want,
		      const uint8_t *got, uint32_t n)
{
	if (memcmp(want, got, n))
		fail_msg("opcode %#x op0 %u partition %u: wrong", i->opcode, i->op0, p);
}

/* Runs @one for rounds of fresh memory and every set of kernels. */
static void rounds(struct fx *f, int n, void (*one)(struct fx *f, uint64_t *s))
{
	const struct axon_math *m;

	for (unsigned int v = 0; (m = axon_math_variant(v)); v++) {
		uint64_t s = 4711;

		axon_core_set_math(&f->card, 0, m);
		for (int r = 0; r < n; r++) {
			if (r % 15 == 0)
				ref_fill(f, &s, USED, r == 15);
			one(f, &s);
		}
	}
}

/* The elements of @src with the first @keep indices given. */
static uint32_t slice(struct fx *f, const struct axon_ap *src, unsigned int p, const uint32_t *at,
		      unsigned int keep, float *v)
{
	struct axon_ap ap = *src;

	for (unsigned int a = 0; a < keep; a++) {
		ap.offset += (uint32_t)((int)at[a] * ap.step[a] *
					(int)axon_dtype_size(ap.dtype));
		ap.count[a] = 1;
	}
	return ref_row(f, &ap, p, v);
}

static void one_reduce(struct fx *f, uint64_t *s)
{
	struct axon_inst i = fx_inst(AXON_OP_TENSOR_REDUCE);
	unsigned int nparts = ref_nparts(s), keep, n = 0;
	uint16_t count[4], kept[4] = { 1, 1, 1, 1 };
	uint32_t at[4] = { 0 };
	static float v[65536], out[128 * 1500];

	i.op0 = ops[fx_below(s, 4)];
	i.op1 = (uint8_t)(1 + fx_below(s, 4));
	keep = 4 - i.op1;
	ref_counts(s, count, 1500);
	memcpy(kept, count, keep * sizeof(count[0]));
	i.ap[0] = ref_operand(s, 0, ref_any_dtype(s), nparts, kept, true);
	i.ap[1] = ref_operand(s, 1, ref_any_dtype(s), nparts, count, false);
	for (unsigned int p = 0; p < nparts; p++)
		do {
			uint32_t len = slice(f, &i.ap[1], p, at, keep, v);

			out[n++] = ref_reduce(i.op0, v, len);
		} while (ref_next(at, kept));
	assert_int_equal(fx_one(f, fx_below(s, 2) ? 1 : 3, i), AXON_STATUS_OK);
	n = 0;
	for (unsigned int p = 0; p < nparts; p++)
		do {
			uint8_t want[4];

			ref_encode(i.ap[0].dtype, want, out[n++]);
			same_bits(&i, p, want, ref_at(f, &i.ap[0], p, at),
				  axon_dtype_size(i.ap[0].dtype));
		} while (ref_next(at, kept));
}

static void test_reduce(void **state)
{
	rounds(*state, 90, one_reduce);
}

static void one_partition_reduce(struct fx *f, uint64_t *s)
{
	struct axon_inst i = fx_inst(AXON_OP_PARTITION_REDUCE);
	unsigned int nparts = ref_nparts(s), n;
	uint16_t count[4];
	uint32_t at[4] = { 0 }, k = 0;
	static float acc[65536], v[65536];

	i.op0 = ops[fx_below(s, 4)];
	ref_counts(s, count, 1500);
	i.ap[0] = ref_operand(s, 0, ref_any_dtype(s), 1, count, true);
	i.ap[1] = ref_operand(s, 1, ref_any_dtype(s), nparts, count, false);
	n = ref_row(f, &i.ap[1], 0, acc);
	for (unsigned int p = 1; p < nparts; p++) {
		ref_row(f, &i.ap[1], p, v);
		for (unsigned int e = 0; e < n; e++)
			acc[e] = ref_op(i.op0, acc[e], v[e]);
	}
	assert_int_equal(fx_one(f, 3, i), AXON_STATUS_OK);
	do {
		uint8_t want[4];

		ref_encode(i.ap[0].dtype, want, acc[k++]);
		same_bits(&i, 0, want, ref_at(f, &i.ap[0], 0, at), axon_dtype_size(i.ap[0].dtype));
	} while (ref_next(at, count));
}

static void test_partition_reduce(void **state)
{
	rounds(*state, 100, one_partition_reduce);
}

/* MAX8 by a stable sort of all; NaN below everything. */
static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	if (x != x || y != y)
		return (x != x) - (y != y);
	return (x < y) - (x > y);
}

/* Insertion sort: stable, unlike qsort(). */
static void sort_down(float *v, uint32_t n)
{
	for (uint32_t k = 1; k < n; k++)
		for (uint32_t j = k; j && by_size(&v[j - 1], &v[j]) > 0; j--) {
			float t = v[j];

			v[j] = v[j - 1];
			v[j - 1] = t;
		}
}

static void search_counts(uint64_t *s, uint16_t *count)
{
	do
		ref_counts(s, count, 1500);
	while (count[0] * count[1] * count[2] * count[3] < 8);
}

static void one_max8(struct fx *f, uint64_t *s)
{
	static const uint16_t eight[3][4] = { { 1, 1, 1, 8 }, { 1, 2, 1, 4 }, { 2, 2, 2, 1 } };
	struct axon_inst i = fx_inst(AXON_OP_MAX8);
	unsigned int nparts = 1 + fx_below(s, 8);
	static float v[8][65536];
	uint16_t count[4];
	uint32_t at[4] = { 0 };

	search_counts(s, count);
	i.ap[0] = ref_operand(s, 0, ref_any_dtype(s), nparts, eight[fx_below(s, 3)], true);
	i.ap[1] = ref_operand(s, 1, ref_any_dtype(s), nparts, count, false);
	for (unsigned int p = 0; p < nparts; p++)
		sort_down(v[p], ref_row(f, &i.ap[1], p, v[p]));
	assert_int_equal(fx_one(f, 1, i), AXON_STATUS_OK);
	for (unsigned int p = 0; p < nparts; p++) {
		uint32_t k = 0;

		do {
			uint8_t want[4];

			ref_encode(i.ap[0].dtype, want, v[p][k++]);
			same_bits(&i, p, want, ref_at(f, &i.ap[0], p, at),
				  axon_dtype_size(i.ap[0].dtype));
		} while (ref_next(at, i.ap[0].count));
	}
}

static void test_max8(void **state)
{
	rounds(*state, 60, one_max8);
}

static void one_find(struct fx *f, uint64_t *s)
{
	static const uint16_t eight[4] = { 1, 1, 1, 8 };
	struct axon_inst i = fx_inst(AXON_OP_FIND_INDEX8);
	unsigned int nparts = 1 + fx_below(s, 8), dtype = ref_any_dtype(s);
	static float v[65536];
	uint32_t want[8][8], n;
	uint16_t count[4];

	search_counts(s, count);
	i.ap[0] = ref_operand(s, 0, AXON_DTYPE_UINT32, nparts, eight, true);
	i.ap[1] = ref_operand(s, 1, dtype, nparts, eight, false);
	i.ap[2] = ref_operand(s, 2, dtype, nparts, count, false);
	for (unsigned int p = 0; p < nparts; p++) {
		float val[8];

		/* some values that are there, some twice */
		for (uint32_t j = 0; j < 8; j++) {
			uint32_t at[4] = { 0, 0, 0, j };

			n = ref_row(f, &i.ap[2], p, v);
			if (fx_below(s, 3))
				ref_encode(dtype, ref_at(f, &i.ap[1], p, at),
					   v[fx_below(s, n) % (1 + fx_below(s, n))]);
		}
		ref_row(f, &i.ap[1], p, val);
		n = ref_row(f, &i.ap[2], p, v);
		for (int j = 0; j < 8; j++) {
			uint32_t skip = 0;

			for (int k = 0; k < j; k++)
				skip += val[k] == val[j];
			want[p][j] = 0xffffffff;
			for (uint32_t e = 0; e < n; e++)
				if (v[e] == val[j] && !skip--) {
					want[p][j] = e;
					break;
				}
		}
	}
	assert_int_equal(fx_one(f, 1, i), AXON_STATUS_OK);
	for (unsigned int p = 0; p < nparts; p++)
		for (uint32_t j = 0; j < 8; j++) {
			uint32_t at[4] = { 0, 0, 0, j };

			same_bits(&i, p, (uint8_t *)&want[p][j], ref_at(f, &i.ap[0], p, at), 4);
		}
}

static void test_find_index8(void **state)
{
	rounds(*state, 60, one_find);
}

/* Functions a test can do exactly: COPY, SQUARE, RELU, SQRT, RECIPROCAL, ABS. */
static float exact_function(unsigned int fn, float x)
{
	switch (fn) {
	case AXON_ACT_COPY:
		return ref_nan(x);
	case AXON_ACT_SQUARE:
		return ref_nan(x * x);
	case AXON_ACT_RELU:
		return ref_nan(x < 0 ? 0.0f : x);
	case AXON_ACT_SQRT:
		return ref_nan(sqrtf(x));
	case AXON_ACT_RECIPROCAL:
		return ref_nan(1.0f / x);
	default:
		return ref_nan(fabsf(x));
	}
}

static void one_activation(struct fx *f, uint64_t *s)
{
	static const uint8_t fns[] = { AXON_ACT_COPY, AXON_ACT_SQUARE, AXON_ACT_RELU,
				       AXON_ACT_SQRT, AXON_ACT_RECIPROCAL, AXON_ACT_ABS };
	static const uint16_t one[4] = { 1, 1, 1, 1 };
	static const uint32_t zero[4];
	static float v[128][1500], total[128];
	struct axon_inst i = fx_inst(AXON_OP_ACTIVATION);
	unsigned int nparts = ref_nparts(s), n = 0;
	float scale = ref_value(s), bias = ref_value(s);
	uint16_t count[4];
	uint32_t at[4] = { 0 };

	ref_counts(s, count, 1500);
	i.op0 = fns[fx_below(s, sizeof(fns))];
	i.flags = (uint8_t)fx_below(s, 8);
	if (i.flags & AXON_F_SUM)
		i.flags &= (uint8_t)~AXON_F_SCALE_TENSOR;
	i.ap[0] = ref_operand(s, 0, ref_any_dtype(s), nparts, count, true);
	i.ap[1] = ref_operand(s, 1, ref_any_dtype(s), nparts, count, false);
	if (i.flags & AXON_F_BIAS_TENSOR)
		i.ap[2] = ref_operand(s, 2, ref_any_dtype(s), nparts, one, false);
	else
		memcpy(&i.imm[1], &bias, 4);
	if (i.flags & (AXON_F_SCALE_TENSOR | AXON_F_SUM))
		i.ap[3] = ref_operand(s, 3, i.flags & AXON_F_SUM ? AXON_DTYPE_FLOAT32 :
				      ref_any_dtype(s), nparts, one, i.flags & AXON_F_SUM);
	if (!(i.flags & AXON_F_SCALE_TENSOR))
		memcpy(&i.imm[0], &scale, 4);
	for (unsigned int p = 0; p < nparts; p++) {
		n = ref_row(f, &i.ap[1], p, v[p]);
		if (i.flags & AXON_F_BIAS_TENSOR)
			bias = ref_decode(i.ap[2].dtype, ref_at(f, &i.ap[2], p, zero));
		if (i.flags & AXON_F_SCALE_TENSOR)
			scale = ref_decode(i.ap[3].dtype, ref_at(f, &i.ap[3], p, zero));
		for (unsigned int k = 0; k < n; k++)
			v[p][k] = exact_function(i.op0, fmaf(v[p][k], scale, bias));
		total[p] = ref_reduce(AXON_ALU_ADD, v[p], n);
	}
	assert_int_equal(fx_one(f, 2, i), AXON_STATUS_OK);
	for (unsigned int p = 0; p < nparts; p++) {
		uint32_t k = 0;

		if (i.flags & AXON_F_SUM)
			same_bits(&i, p, (uint8_t *)&total[p], ref_at(f, &i.ap[3], p, zero), 4);
		do {
			uint8_t want[4];

			ref_encode(i.ap[0].dtype, want, v[p][k++]);
			same_bits(&i, p, want, ref_at(f, &i.ap[0], p, at),
				  axon_dtype_size(i.ap[0].dtype));
		} while (ref_next(at, count));
	}
}

static void test_activation(void **state)
{
	rounds(*state, 120, one_activation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reduce, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partition_reduce, setup, teardown),
		cmocka_unit_test_setup_teardown(test_max8, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_index8, setup, teardown),
		cmocka_unit_test_setup_teardown(test_activation, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
