// SPDX-License-Identifier: MIT
/*
 * test_engine_tensor.c - MATMUL and TRANSPOSE against sums in the order of isa.rst, bit for bit,
 * with every set of kernels.
 */
#include "engine_ref.h"

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

/* @n elements as a random number of axes. */
static void split(uint64_t *s, uint16_t *count, uint32_t n)
{
	for (int a = 0; a < 4; a++)
		count[a] = 1;
	count[3] = (uint16_t)n;
	for (int a = 2; a >= 0 && !fx_below(s, 3); a--)
		for (uint32_t d = 2; d < 8; d++)
			if (count[a + 1] % d == 0) {
				count[a] = (uint16_t)d;
				count[a + 1] = (uint16_t)(count[a + 1] / d);
				break;
			}
}

/* A tile in SBUF at @offset; packed rows most of the time. */
static struct axon_ap tile(uint64_t *s, unsigned int dtype, unsigned int part, unsigned int nparts,
			   uint32_t n, uint32_t offset)
{
	struct axon_ap ap = fx_ap(AXON_SPACE_SBUF, dtype, part, nparts, offset, n);

	if (!fx_below(s, 3)) {
		split(s, ap.count, n);
		ref_place(s, &ap, offset, 16384, false);
	}
	return ap;
}

static uint32_t size_of(uint64_t *s, uint32_t most)
{
	static const uint16_t often[] = { 1, 2, 3, 4, 8, 12, 13, 15, 16, 17, 26, 31, 32, 33, 48, 63,
					  64, 65, 100, 127, 128, 129, 255, 256, 500, 511, 512 };
	uint32_t n = fx_below(s, 2) ? often[fx_below(s, sizeof(often) / 2)] :
		1 + fx_below(s, most);

	return n <= most ? n : most;
}

/* dst in one bank, packed or with gaps that fit. */
static struct axon_ap result(uint64_t *s, unsigned int m, uint32_t n)
{
	struct axon_ap ap = fx_ap(AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, ref_part(s, m), m,
				  fx_below(s, 8) * AXON_PSUM_BANK_BYTES, n);

	if (!fx_below(s, 3)) {
		uint32_t bank = ap.offset;

		split(s, ap.count, n);
		ref_place(s, &ap, bank, AXON_PSUM_BANK_BYTES, true);
	} else {
		ap.offset += fx_below(s, 513 - n) * 4;
	}
	return ap;
}

static struct axon_inst make_matmul(uint64_t *s)
{
	static const uint8_t dtypes[] = { AXON_DTYPE_FLOAT32, AXON_DTYPE_FLOAT32,
					  AXON_DTYPE_BFLOAT16, AXON_DTYPE_FLOAT16 };
	struct axon_inst i = fx_inst(AXON_OP_MATMUL);
	uint32_t k = size_of(s, 128), m = size_of(s, 128), n = size_of(s, 512);
	unsigned int dtype = dtypes[fx_below(s, sizeof(dtypes))], part = ref_part(s, k);

	if (!fx_below(s, 3))
		n = 1 + fx_below(s, 16);
	i.flags = (uint8_t)fx_below(s, 2);
	i.ap[0] = result(s, m, n);
	i.ap[1] = tile(s, dtype, part, k, m, 64 * fx_below(s, 16));
	i.ap[2] = tile(s, dtype, ref_part(s, k), k, n, 20000 + 4 * fx_below(s, 16));
	return i;
}

static void check_matmul(struct fx *f, const struct axon_inst *i)
{
	const struct axon_ap *dst = &i->ap[0];
	uint32_t k = i->ap[1].nparts, n = 0, at[4] = { 0 };
	float (*st)[128] = calloc(k, sizeof(*st)), (*mov)[512] = calloc(k, sizeof(*mov));
	float (*want)[512] = calloc(dst->nparts, sizeof(*want));
	uint64_t flops = atomic_load(&axon_core_stats(&f->card, 0)->flops);

	assert_true(st && mov && want);
	for (uint32_t p = 0; p < k; p++) {
		ref_row(f, &i->ap[1], p, st[p]);
		n = ref_row(f, &i->ap[2], p, mov[p]);
	}
	for (uint32_t m = 0; m < dst->nparts; m++) {
		ref_row(f, dst, m, want[m]);
		for (uint32_t j = 0; j < n; j++) {
			float acc = i->flags & AXON_F_ACCUMULATE ? want[m][j] : 0.0f;

			for (uint32_t p = 0; p < k; p++)
				acc = fmaf(st[p][m], mov[p][j], acc);
			want[m][j] = ref_nan(acc);
		}
	}
	assert_int_equal(fx_one(f, AXON_ENGINE_TENSOR, *i), AXON_STATUS_OK);
	for (uint32_t m = 0; m < dst->nparts; m++) {
		uint32_t j = 0;

		do
			if (memcmp(&want[m][j++], ref_at(f, dst, m, at), 4))
				fail_msg("K %u M %u N %u dtype %u: wrong at %u, %u", k, dst->nparts,
					 n, i->ap[1].dtype, m, j - 1);
		while (ref_next(at, dst->count));
	}
	assert_int_equal(atomic_load(&axon_core_stats(&f->card, 0)->flops) - flops,
			 2ull * k * dst->nparts * n);
	free(st);
	free(mov);
	free(want);
}

static void test_matmul(void **state)
{
	const struct axon_math *math;
	struct fx *f = *state;

	for (unsigned int v = 0; (math = axon_math_variant(v)); v++) {
		uint64_t s = 99;

		axon_core_set_math(&f->card, 0, math);
		for (int r = 0; r < 100; r++) {
			struct axon_inst i = make_matmul(&s);

			if (r % 20 == 0)
				ref_fill(f, &s, 40000, r == 40);
			check_matmul(f, &i);
		}
	}
}

/* Finite numbers only, so that not every sum is a NaN. */
static void test_matmul_finite(void **state)
{
	const struct axon_math *math;
	struct fx *f = *state;

	for (unsigned int v = 0; (math = axon_math_variant(v)); v++) {
		uint64_t s = 7;

		axon_core_set_math(&f->card, 0, math);
		for (unsigned int p = 0; p < 128; p++)
			for (uint32_t b = 0; b < 40000; b += 4)
				fx_set_f32(f, 0, p, b, (float)(int32_t)fx_rand(&s) / 0x1p28f);
		memset(f->core->space[1], 0, AXON_PSUM_BYTES);
		for (int r = 0; r < 100; r++) {
			struct axon_inst i = make_matmul(&s);

			if (i.ap[1].dtype == AXON_DTYPE_FLOAT16)
				continue;	/* halves of the above are anything */
			check_matmul(f, &i);
		}
	}
}

static void test_transpose(void **state)
{
	static const uint8_t dtypes[] = { AXON_DTYPE_FLOAT32, AXON_DTYPE_BFLOAT16,
					  AXON_DTYPE_INT32, AXON_DTYPE_UINT16 };
	struct fx *f = *state;
	uint64_t s = 5;

	for (int r = 0; r < 200; r++) {
		struct axon_inst i = fx_inst(AXON_OP_TRANSPOSE);
		uint32_t p = size_of(&s, 128), n = size_of(&s, 128), esz, at[4] = { 0 };
		unsigned int dtype = dtypes[fx_below(&s, sizeof(dtypes))];
		uint8_t *want;

		if (r % 20 == 0)
			ref_fill(f, &s, 40000, true);
		i.ap[0] = result(&s, n, p);
		i.ap[0].dtype = (uint8_t)dtype;
		i.ap[1] = tile(&s, dtype, ref_part(&s, p), p, n, 4 * fx_below(&s, 99));
		esz = axon_dtype_size(dtype);
		want = malloc(p * n * esz);
		assert_non_null(want);
		for (uint32_t k = 0; k < p; k++) {
			uint32_t j = 0;

			do
				memcpy(want + (j++ * p + k) * esz, ref_at(f, &i.ap[1], k, at), esz);
			while (ref_next(at, i.ap[1].count));
		}
		assert_int_equal(fx_one(f, AXON_ENGINE_TENSOR, i), AXON_STATUS_OK);
		for (uint32_t j = 0; j < n; j++) {
			uint32_t k = 0;

			do
				assert_memory_equal(want + (j * p + k++) * esz,
						    ref_at(f, &i.ap[0], j, at), esz);
			while (ref_next(at, i.ap[0].count));
		}
		free(want);
	}
}

static struct axon_inst good(void)
{
	struct axon_inst i = fx_inst(AXON_OP_MATMUL);

	i.ap[0] = fx_ap(AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, 0, 128, 2048, 512);
	i.ap[1] = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 0, 64, 0, 128);
	i.ap[2] = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 64, 64, 4096, 512);
	return i;
}

static void test_matmul_refuses(void **state)
{
	struct axon_inst i = good();

	assert_int_equal(fx_one(*state, 0, i), AXON_STATUS_OK);
#define REFUSED(change) do {								\
		i = good();								\
		change;									\
		assert_int_equal(fx_one(*state, 0, i), AXON_STATUS_BAD_OPERAND);	\
	} while (0)
	REFUSED(i.ap[0].space = AXON_SPACE_SBUF);
	REFUSED(i.ap[0].dtype = AXON_DTYPE_BFLOAT16);
	REFUSED(i.ap[0].dtype = AXON_DTYPE_FP32R);
	REFUSED(i.ap[0].dtype = AXON_DTYPE_INT32);
	REFUSED(i.ap[0].offset += 4);			/* into the next bank */
	REFUSED(i.ap[0].nparts = 127);
	REFUSED(i.ap[0].count[3] = 511);
	REFUSED(i.ap[1].space = AXON_SPACE_PSUM);
	REFUSED(i.ap[2].space = AXON_SPACE_PSUM);
	REFUSED(i.ap[1].dtype = AXON_DTYPE_BFLOAT16);	/* not the same type */
	REFUSED(i.ap[1].dtype = i.ap[2].dtype = AXON_DTYPE_INT32);
	REFUSED(i.ap[1].dtype = i.ap[2].dtype = AXON_DTYPE_FP32R);
	REFUSED(i.ap[1].nparts = 63);
	REFUSED(i.ap[1].count[3] = 129; i.ap[0].nparts = 129);
	REFUSED(i.ap[2].count[3] = 513; i.ap[0].count[3] = 513);
	REFUSED(i.op0 = 1);
	REFUSED(i.op1 = 1);
	REFUSED(i.flags = 2);
	REFUSED(i.imm[0] = 1);
	REFUSED(i.imm[1] = 1);
	REFUSED(i.ap[3].count[0] = 1);
#undef REFUSED
}

static void test_transpose_refuses(void **state)
{
	struct axon_inst ok = fx_inst(AXON_OP_TRANSPOSE), i;

	ok.ap[0] = fx_ap(AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, 0, 100, 0, 20);
	ok.ap[1] = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 32, 20, 0, 100);
	assert_int_equal(fx_one(*state, 0, ok), AXON_STATUS_OK);
#define REFUSED(change) do {								\
		i = ok;									\
		change;									\
		assert_int_equal(fx_one(*state, 0, i), AXON_STATUS_BAD_OPERAND);	\
	} while (0)
	REFUSED(i.ap[0].space = AXON_SPACE_SBUF);
	REFUSED(i.ap[1].space = AXON_SPACE_PSUM);
	REFUSED(i.ap[1].dtype = AXON_DTYPE_INT32);
	REFUSED(i.ap[0].dtype = i.ap[1].dtype = AXON_DTYPE_INT8);
	REFUSED(i.ap[0].nparts = 99);
	REFUSED(i.ap[1].nparts = 19);
	REFUSED(i.ap[0].offset = 2048 - 76);
	REFUSED(i.flags = 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_matmul, setup, teardown),
		cmocka_unit_test_setup_teardown(test_matmul_finite, setup, teardown),
		cmocka_unit_test_setup_teardown(test_transpose, setup, teardown),
		cmocka_unit_test_setup_teardown(test_matmul_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_transpose_refuses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
