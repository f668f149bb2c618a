// SPDX-License-Identifier: MIT
/*
 * test_math_functions.c - the activation functions: error bounds of isa.rst against the C library
 * in double, special values, and the same bits from every set of kernels.
 *
 * With the argument "-v" it prints the largest error of each function, which is where the bounds in
 * isa.rst come from.
 */
#include "engine_ref.h"

static bool verbose;

/* Distance of @got from @want in units of the last place of the fp32 next to @want. */
static double ulps(float got, double want)
{
	float near = (float)want, next = nextafterf(near, INFINITY);
	double unit = (double)next - near;

	if (isinf(near))
		return got == near ? 0 : INFINITY;
	if (unit < 0x1p-149)
		unit = 0x1p-149;
	return fabs(((double)got - want) / unit);
}

static double f_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double f_silu(double x) { return x / (1 + exp(-x)); }
static double f_rsqrt(double x) { return 1 / sqrt(x); }
static double f_recip(double x) { return 1 / x; }

static double f_gelu(double x)
{
	/* 0.5 x (1 + tanh(u)) without the cancellation: x sigmoid(2u) */
	double u = 0.7978845608028654 * (x + 0.044715 * x * x * x);

	return x / (1 + exp(-2 * u));
}

static const struct {
	const char *name;
	unsigned int fn;
	double (*ref)(double);
	float lo, hi;
	double bound;
} functions[] = {
	{ "exp", AXON_ACT_EXP, exp, -87.33f, 88.72f, 1.5 },
	{ "exp, denormal results", AXON_ACT_EXP, exp, -104.0f, -87.33f, 1.0 },
	{ "sigmoid", AXON_ACT_SIGMOID, f_sigmoid, -87.0f, 100.0f, 3.0 },
	{ "silu", AXON_ACT_SILU, f_silu, -87.0f, 1000.0f, 3.5 },
	{ "tanh", AXON_ACT_TANH, tanh, -20.0f, 20.0f, 2.0 },
	{ "gelu, x >= -3", AXON_ACT_GELU_TANH, f_gelu, -3.0f, 30.0f, 16.0 },
	{ "log", AXON_ACT_LOG, log, 0x1p-126f, 0x1.fffffep127f, 2.0 },
	{ "log, near 1", AXON_ACT_LOG, log, 0.5f, 2.0f, 2.0 },
	{ "log, denormals", AXON_ACT_LOG, log, 0x1p-149f, 0x1p-126f, 1.0 },
	{ "sqrt", AXON_ACT_SQRT, sqrt, 0x1p-149f, 0x1.fffffep127f, 0.5 },
	{ "rsqrt", AXON_ACT_RSQRT, f_rsqrt, 0x1p-149f, 0x1.fffffep127f, 1.6 },
	{ "reciprocal", AXON_ACT_RECIPROCAL, f_recip, 0x1p-126f, 0x1p126f, 0.5 },
};

/* A value of the interval: evenly by bits (all sizes) or by value. */
static float pick(uint64_t *s, float lo, float hi)
{
	uint32_t a, b;
	float v;

	if (lo < 0 || fx_below(s, 2))
		v = lo + (hi - lo) * (float)(fx_rand(s) >> 40) * 0x1p-24f;
	else {
		memcpy(&a, &lo, 4);
		memcpy(&b, &hi, 4);
		a += (uint32_t)(fx_rand(s) % (b - a + 1));
		memcpy(&v, &a, 4);
	}
	if (lo < 0 && hi > 0 && !fx_below(s, 4))	/* near 0 too */
		v *= 0x1p-10f * (float)fx_below(s, 64);
	return v < lo ? lo : v > hi ? hi : v;
}

static void test_bounds(void **state)
{
	static float in[4096], out[4096];
	const struct axon_math *m = axon_math_pick();

	(void)state;
	for (unsigned int k = 0; k < sizeof(functions) / sizeof(functions[0]); k++) {
		double worst = 0;
		float at = 0;
		uint64_t s = k;

		for (int r = 0; r < (verbose ? 20000 : 100); r++) {
			for (int i = 0; i < 4096; i++)
				in[i] = pick(&s, functions[k].lo, functions[k].hi);
			m->act[functions[k].fn](out, in, 4096);
			for (int i = 0; i < 4096; i++) {
				double e = ulps(out[i], functions[k].ref((double)in[i]));

				if (e > worst) {
					worst = e;
					at = in[i];
				}
			}
		}
		if (verbose)
			print_message("%-22s %.3f ulp at %.9g\n", functions[k].name, worst, at);
		if (worst > functions[k].bound)
			fail_msg("%s: %g ulp at %.9g, bound %g", functions[k].name, worst, at,
				 functions[k].bound);
	}
}

/* Where the relative error of GELU says little: far below 0, and with it the whole range. */
static void test_gelu_absolute(void **state)
{
	const struct axon_math *m = axon_math_pick();
	static float in[4096], out[4096];
	double worst = 0;
	uint64_t s = 9;

	(void)state;
	for (int r = 0; r < (verbose ? 20000 : 100); r++) {
		for (int i = 0; i < 4096; i++)
			in[i] = pick(&s, -20, 0);
		m->act[AXON_ACT_GELU_TANH](out, in, 4096);
		for (int i = 0; i < 4096; i++)
			worst = fmax(worst, fabs((double)out[i] - f_gelu((double)in[i])));
	}
	if (verbose)
		print_message("gelu below 0: absolute 2^%.2f\n", log2(worst));
	assert_true(worst < 0x1p-22);
}

static float one(unsigned int fn, float x)
{
	float y;

	axon_math_pick()->act[fn](&y, &x, 1);
	return y;
}

static void test_special_values(void **state)
{
	(void)state;
	for (unsigned int fn = 0; fn < AXON_NUM_ACTS; fn++) {
		float y = one(fn, NAN);
		uint32_t bits;

		memcpy(&bits, &y, 4);
		assert_int_equal(bits, 0x7fc00000);
	}
	assert_true(one(AXON_ACT_EXP, 0) == 1 && one(AXON_ACT_EXP, INFINITY) == INFINITY &&
		    one(AXON_ACT_EXP, -INFINITY) == 0 && one(AXON_ACT_EXP, 88.73f) == INFINITY &&
		    one(AXON_ACT_EXP, 1e30f) == INFINITY && one(AXON_ACT_EXP, -1e30f) == 0);
	assert_true(one(AXON_ACT_SIGMOID, 0) == 0.5f && one(AXON_ACT_SIGMOID, INFINITY) == 1 &&
		    one(AXON_ACT_SIGMOID, -INFINITY) == 0);
	assert_true(one(AXON_ACT_SILU, 0) == 0 && one(AXON_ACT_SILU, INFINITY) == INFINITY &&
		    one(AXON_ACT_SILU, -INFINITY) == 0);
	assert_true(one(AXON_ACT_GELU_TANH, 0) == 0 &&
		    one(AXON_ACT_GELU_TANH, INFINITY) == INFINITY &&
		    one(AXON_ACT_GELU_TANH, -INFINITY) == 0 &&
		    one(AXON_ACT_GELU_TANH, 1e30f) == 1e30f);
	assert_true(one(AXON_ACT_TANH, INFINITY) == 1 && one(AXON_ACT_TANH, -INFINITY) == -1 &&
		    signbit(one(AXON_ACT_TANH, -0.0f)));
	assert_true(one(AXON_ACT_LOG, 1) == 0 && one(AXON_ACT_LOG, 0) == -INFINITY &&
		    one(AXON_ACT_LOG, -0.0f) == -INFINITY && isnan(one(AXON_ACT_LOG, -1)) &&
		    one(AXON_ACT_LOG, INFINITY) == INFINITY);
	assert_true(one(AXON_ACT_RSQRT, 4) == 0.5f && one(AXON_ACT_RSQRT, 0) == INFINITY &&
		    isnan(one(AXON_ACT_RSQRT, -1)) && one(AXON_ACT_RSQRT, INFINITY) == 0);
	assert_true(one(AXON_ACT_SIGN, 3) == 1 && one(AXON_ACT_SIGN, -INFINITY) == -1 &&
		    one(AXON_ACT_SIGN, 0) == 0);
	assert_true(one(AXON_ACT_RELU, -1) == 0 && one(AXON_ACT_RELU, 2) == 2);
}

/* Every set of kernels, every function, values of all kinds, lengths with and without a tail. */
static void test_same_bits(void **state)
{
	static const uint16_t lengths[] = { 1, 3, 8, 15, 16, 17, 31, 100, 4096 };
	static float in[4096], a[4096], b[4096];
	const struct axon_math *m, *ref = &axon_math_scalar;
	uint64_t s = 31;

	(void)state;
	for (unsigned int v = 1; (m = axon_math_variant(v)); v++)
		for (unsigned int fn = 0; fn < AXON_NUM_ACTS; fn++)
			for (int r = 0; r < 30; r++) {
				uint16_t n = lengths[r % 9];

				for (int i = 0; i < n; i++)
					in[i] = r & 1 ? pick(&s, -110, 110) : ref_value(&s);
				ref->act[fn](a, in, n);
				m->act[fn](b, in, n);
				if (memcmp(a, b, n * sizeof(float)))
					fail_msg("%s differs in function %u", m->name, fn);
			}
}

/* Conversions: all of fp16 and bf16, and fp32 of all kinds. */
static void test_conversions(void **state)
{
	static const uint8_t types[] = { AXON_DTYPE_FLOAT16, AXON_DTYPE_BFLOAT16 };
	const struct axon_math *m;
	static uint16_t all[65536], back[65536];
	static float wide[65536];
	uint64_t s = 3;

	(void)state;
	for (unsigned int v = 0; (m = axon_math_variant(v)); v++)
		for (int t = 0; t < 2; t++) {
			for (unsigned int i = 0; i < 65536; i++)
				all[i] = (uint16_t)i;
			m->load[types[t]](wide, (uint8_t *)all, 2, 65536);
			for (unsigned int i = 0; i < 65536; i++) {
				float want = ref_decode(types[t], (uint8_t *)&all[i]);

				assert_memory_equal(&want, &wide[i], 4);
			}
			for (int r = 0; r < 4; r++) {
				for (unsigned int i = 0; i < 65536; i++) {
					uint32_t bits = (uint32_t)fx_rand(&s);

					/* anything; or near the middle of two halves */
					if (r & 1)
						bits = (bits & 0xbfffe000) | 0x1000 |
							(bits & 0x00400000) << 6;
					memcpy(&wide[i], &bits, 4);
				}
				m->store[types[t]]((uint8_t *)back, 2, wide, 65536);
				for (unsigned int i = 0; i < 65536; i++) {
					uint16_t want;
					uint8_t bytes[4];

					ref_encode(types[t], bytes, wide[i]);
					memcpy(&want, bytes, 2);
					if (want != back[i])
						fail_msg("%s: type %u of %a is %#x, not %#x",
							 m->name, types[t], wide[i], back[i], want);
				}
			}
		}
}

/* To integers: halves, the ends of each range and beyond, NaN, anything. */
static void test_to_integers(void **state)
{
	static const float ends[] = { 127, 128, 255, 256, 32767, 32768, 65535, 65536, 0x1p24f,
				      0x1p31f, 0x1p32f, 0x1p33f, INFINITY, NAN, 0 };
	const struct axon_math *m;
	static float in[4096];
	static uint8_t out[4096 * 4];
	uint64_t s = 77;

	(void)state;
	for (int i = 0; i < 4096; i++) {
		float v = ends[i % 15];
		uint32_t bits = (uint32_t)fx_rand(&s);

		for (uint32_t k = fx_below(&s, 4); k; k--)
			v = nextafterf(v, 0);
		in[i] = (fx_below(&s, 2) ? -1 : 1) * (v + (float)(int)fx_below(&s, 5) / 4 - 0.5f);
		if (!fx_below(&s, 3))
			memcpy(&in[i], &bits, 4);
	}
	for (unsigned int v = 0; (m = axon_math_variant(v)); v++)
		for (unsigned int t = 4; t < sizeof(ref_dtypes); t++) {
			uint32_t esz = axon_dtype_size(ref_dtypes[t]);

			m->store[ref_dtypes[t]](out, (ptrdiff_t)esz, in, 4093);
			for (unsigned int i = 0; i < 4093; i++) {
				uint8_t want[8];

				ref_encode(ref_dtypes[t], want, in[i]);
				if (memcmp(want, out + i * esz, esz))
					fail_msg("%s: %a to type %u", m->name, in[i],
						 ref_dtypes[t]);
			}
		}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_gelu_absolute),
		cmocka_unit_test(test_special_values),
		cmocka_unit_test(test_same_bits),
		cmocka_unit_test(test_conversions),
		cmocka_unit_test(test_to_integers),
	};

	verbose = argc > 1 && !strcmp(argv[1], "-v");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
