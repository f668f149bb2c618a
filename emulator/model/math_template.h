/* SPDX-License-Identifier: MIT */
/*
 * math_template.h - the kernels, written once for vectors of any width.
 *
 * Included by math_scalar.c, math_avx2.c and math_avx512.c after each has defined the type VF of W
 * fp32 lanes and its operations (v_add, v_fma, v_sel, ...). Whatever stands here is the definition
 * of the card's arithmetic: one sequence of operations for each element. No operation may mix
 * lanes, and nothing may be contracted (-ffp-contract=off).
 */

/* Loops over registers: unrolled or the registers are memory. */
#if defined(__clang__)
#define UNROLL	_Pragma("clang loop unroll(full)")
#else
#define UNROLL	_Pragma("GCC unroll 16")
#endif

/* ---- elementwise, two operands ---- */

static inline VF v_canon(VF x)
{
	return v_sel(v_eq(x, x), x, v_set1(axon_f32(AXON_NAN_BITS)));
}

#define BIN_LOOP(name, expr)								\
static void name(float *dst, const float *a, const float *b, size_t n, unsigned int bcast)	\
{											\
	VF x = v_set1(*a), y = v_set1(*b);						\
	const VF one = v_set1(1.0f), zero = v_set1(0.0f);				\
	size_t i;									\
											\
	(void)one;									\
	(void)zero;									\
	for (i = 0; i + W <= n; i += W) {						\
		if (!(bcast & AXON_BCAST_A))						\
			x = v_load(a + i);						\
		if (!(bcast & AXON_BCAST_B))						\
			y = v_load(b + i);						\
		v_store(dst + i, expr);							\
	}										\
	if (i < n) {									\
		if (!(bcast & AXON_BCAST_A))						\
			x = v_loadn(a + i, n - i);					\
		if (!(bcast & AXON_BCAST_B))						\
			y = v_loadn(b + i, n - i);					\
		v_storen(dst + i, expr, n - i);						\
	}										\
}

BIN_LOOP(bin_add, v_canon(v_add(x, y)))
BIN_LOOP(bin_sub, v_canon(v_sub(x, y)))
BIN_LOOP(bin_mul, v_canon(v_mul(x, y)))
BIN_LOOP(bin_div, v_canon(v_div(x, y)))
BIN_LOOP(bin_max, v_sel(v_gt(x, y), x, y))
BIN_LOOP(bin_min, v_sel(v_gt(y, x), x, y))
BIN_LOOP(bin_eq, v_sel(v_eq(x, y), one, zero))
BIN_LOOP(bin_ne, v_sel(v_eq(x, y), zero, one))
BIN_LOOP(bin_ge, v_sel(v_ge(x, y), one, zero))
BIN_LOOP(bin_gt, v_sel(v_gt(x, y), one, zero))
BIN_LOOP(bin_le, v_sel(v_ge(y, x), one, zero))
BIN_LOOP(bin_lt, v_sel(v_gt(y, x), one, zero))

static void affine(float *dst, const float *src, const float *scale, const float *bias,
		   size_t n, unsigned int bcast)
{
	VF s = v_set1(*scale), b = v_set1(*bias);
	size_t i;

	for (i = 0; i + W <= n; i += W) {
		if (!(bcast & AXON_BCAST_A))
			s = v_load(scale + i);
		if (!(bcast & AXON_BCAST_B))
			b = v_load(bias + i);
		v_store(dst + i, v_canon(v_fma(v_load(src + i), s, b)));
	}
	if (i < n) {
		if (!(bcast & AXON_BCAST_A))
			s = v_loadn(scale + i, n - i);
		if (!(bcast & AXON_BCAST_B))
			b = v_loadn(bias + i, n - i);
		v_storen(dst + i, v_canon(v_fma(v_loadn(src + i, n - i), s, b)), n - i);
	}
}

/* ---- activation functions; formulas and errors: isa.rst, "Activation functions" ---- */

/* 2^n for an integral n in -126..127, given as n + 1.5 * 2^23 (so that n is in the low bits). */
static inline VF v_pow2(VI n)
{
	return v_as_f(v_sll(v_addi(n, v_set1i(127)), 23));
}

/* exp of x in -104..89 or NaN. */
static inline VF v_exp_core(VF x)
{
	const VF magic = v_set1(0x1.8p23f);
	VF t = v_fma(x, v_set1(0x1.715476p0f), magic);
	VF n = v_sub(t, magic);
	VF r = v_fma(n, v_set1(-0x1.62e4p-1f), x);
	VI i = v_subi(v_as_i(t), v_set1i(0x4b400000)), h;
	VF p;

	r = v_fma(n, v_set1(-0x1.7f7d1cp-20f), r);
	p = v_fma(v_set1(1.9875691500e-4f), r, v_set1(1.3981999507e-3f));
	p = v_fma(p, r, v_set1(8.3334519073e-3f));
	p = v_fma(p, r, v_set1(4.1665795894e-2f));
	p = v_fma(p, r, v_set1(1.6666665459e-1f));
	p = v_fma(p, r, v_set1(5.0000001201e-1f));
	p = v_fma(p, v_mul(r, r), r);
	p = v_add(p, v_set1(1.0f));
	/* In two steps: 2^i alone may be out of range, and only the last step may round. */
	h = v_sra(i, 1);
	return v_mul(v_mul(p, v_pow2(h)), v_pow2(v_subi(i, h)));
}

static inline VF v_clamp(VF x, float lo, float hi)
{
	x = v_sel(v_gt(x, v_set1(lo)), x, v_set1(lo));
	return v_sel(v_gt(v_set1(hi), x), x, v_set1(hi));
}

/* Gives @y, but a NaN where @x is one. */
static inline VF v_nan_of(VF x, VF y)
{
	return v_sel(v_eq(x, x), v_canon(y), v_set1(axon_f32(AXON_NAN_BITS)));
}

static inline VF v_abs(VF x)
{
	return v_as_f(v_andi(v_as_i(x), v_set1i(0x7fffffff)));
}

static inline VF v_exp(VF x)
{
	return v_nan_of(x, v_exp_core(v_clamp(x, -104.0f, 89.0f)));
}

/* y * sigmoid(x), by the exponential that cannot overflow. */
static inline VF v_mul_sigmoid(VF y, VF x)
{
	const VF one = v_set1(1.0f);
	VF e = v_exp_core(v_clamp(v_sub(v_set1(0.0f), v_abs(x)), -104.0f, 0.0f));
	VF num = v_sel(v_gt(v_set1(0.0f), x), e, one);

	return v_nan_of(x, v_div(v_mul(y, num), v_add(e, one)));
}

static inline VF v_silu(VF x)
{
	/* Not x: -inf * 0 would be NaN. */
	return v_mul_sigmoid(v_sel(v_gt(v_set1(-104.0f), x), v_set1(-104.0f), x), x);
}

static inline VF v_gelu(VF x)
{
	/* x + 0.044715 x^3, times 2 sqrt(2 / pi); beyond +-14 nothing changes any more. */
	VF c = v_clamp(x, -14.0f, 14.0f);
	VF u = v_fma(v_mul(v_mul(c, c), c), v_set1(0.044715f), c);
	VF y = v_sel(v_gt(v_set1(-14.0f), x), v_set1(-14.0f), x);

	return v_nan_of(x, v_mul_sigmoid(y, v_mul(u, v_set1(0x1.988454p0f))));
}

static inline VF v_tanh(VF x)
{
	const VF one = v_set1(1.0f);
	VF a = v_abs(x);
	VF z = v_mul(a, a);
	VF p = v_fma(v_set1(-5.70498872745e-3f), z, v_set1(2.06390887954e-2f));
	VF e = v_exp_core(v_clamp(v_add(a, a), 0.0f, 40.0f));
	VF big = v_sub(one, v_div(v_set1(2.0f), v_add(e, one)));
	VI sign = v_andi(v_as_i(x), v_set1i((int32_t)0x80000000));

	p = v_fma(p, z, v_set1(-5.37397155531e-2f));
	p = v_fma(p, z, v_set1(1.33314422036e-1f));
	p = v_fma(p, z, v_set1(-3.33332819422e-1f));
	p = v_sel(v_gt(v_set1(0.625f), a), v_fma(v_mul(p, z), a, a), big);
	return v_nan_of(x, v_as_f(v_ori(v_as_i(p), sign)));
}

static inline VF v_log(VF x)
{
	const VF tiny = v_set1(0x1p-126f);
	VM small = v_gt(tiny, x);
	VF s = v_sel(small, v_mul(x, v_set1(0x1p25f)), x);
	/* s = m * 2^e with m in sqrt(1/2) .. sqrt(2) */
	VI i = v_subi(v_as_i(s), v_set1i(0x3f3504f3));
	VF e = v_cvt(v_sra(i, 23));
	VF m = v_as_f(v_addi(v_andi(i, v_set1i(0x007fffff)), v_set1i(0x3f3504f3)));
	VF f = v_sub(m, v_set1(1.0f)), z = v_mul(f, f), p;

	e = v_sub(e, v_sel(small, v_set1(25.0f), v_set1(0.0f)));
	p = v_fma(v_set1(7.0376836292e-2f), f, v_set1(-1.1514610310e-1f));
	p = v_fma(p, f, v_set1(1.1676998740e-1f));
	p = v_fma(p, f, v_set1(-1.2420140846e-1f));
	p = v_fma(p, f, v_set1(1.4249322787e-1f));
	p = v_fma(p, f, v_set1(-1.6668057665e-1f));
	p = v_fma(p, f, v_set1(2.0000714765e-1f));
	p = v_fma(p, f, v_set1(-2.4999993993e-1f));
	p = v_fma(p, f, v_set1(3.3333331174e-1f));
	p = v_mul(v_mul(f, z), p);
	p = v_fma(e, v_set1(-2.12194440e-4f), p);
	p = v_fma(v_set1(-0.5f), z, p);
	p = v_add(f, p);
	p = v_fma(e, v_set1(0.693359375f), p);
	p = v_sel(v_gt(v_set1(axon_f32(0x7f800000u)), x), p, x);		/* +inf, NaN */
	p = v_sel(v_eq(x, v_set1(0.0f)), v_set1(axon_f32(0xff800000u)), p);
	p = v_sel(v_gt(v_set1(0.0f), x), v_set1(axon_f32(AXON_NAN_BITS)), p);
	return v_canon(p);
}

#define ACT_LOOP(name, expr)								\
static void name(float *dst, const float *src, size_t n)				\
{											\
	const VF one = v_set1(1.0f), zero = v_set1(0.0f);				\
	size_t i;									\
											\
	(void)one;									\
	(void)zero;									\
	for (i = 0; i + W <= n; i += W) {						\
		VF x = v_load(src + i);							\
											\
		v_store(dst + i, expr);							\
	}										\
	if (i < n) {									\
		VF x = v_loadn(src + i, n - i);						\
											\
		v_storen(dst + i, expr, n - i);						\
	}										\
}

ACT_LOOP(act_copy, v_canon(x))
ACT_LOOP(act_square, v_canon(v_mul(x, x)))
ACT_LOOP(act_relu, v_canon(v_sel(v_gt(zero, x), zero, x)))
ACT_LOOP(act_exp, v_exp(x))
ACT_LOOP(act_sigmoid, v_mul_sigmoid(one, x))
ACT_LOOP(act_silu, v_silu(x))
ACT_LOOP(act_tanh, v_tanh(x))
ACT_LOOP(act_gelu, v_gelu(x))
ACT_LOOP(act_log, v_log(x))
ACT_LOOP(act_sqrt, v_canon(v_sqrt(x)))
ACT_LOOP(act_rsqrt, v_canon(v_div(one, v_sqrt(x))))
ACT_LOOP(act_recip, v_canon(v_div(one, x)))
ACT_LOOP(act_abs, v_canon(v_abs(x)))
ACT_LOOP(act_sign, v_canon(v_sel(v_gt(x, zero), one,
				 v_sel(v_gt(zero, x), v_set1(-1.0f), v_mul(x, zero)))))

/* ---- sums and the like along an axis: 16 partials, then a tree ---- */

#define RED_VECTORS	(16 / W)

/* The tree over the partials; those that have no element are skipped. */
#define RED_TREE(part, have, expr)							\
	do {										\
		for (size_t w_ = 8; w_; w_ >>= 1)					\
			for (size_t j_ = 0; j_ < w_ && j_ + w_ < (have); j_++) {	\
				float x = (part)[j_], y = (part)[j_ + w_];		\
											\
				(part)[j_] = expr;					\
			}								\
	} while (0)

#define RED_FN(name, vector, scalar)							\
static float name(const float *src, size_t n)						\
{											\
	float part[16];									\
	VF acc[RED_VECTORS];								\
	size_t i = 16;									\
											\
	if (n < 16) {									\
		for (i = 0; i < n; i++)							\
			part[i] = src[i];						\
		RED_TREE(part, n, scalar);						\
		return part[0];								\
	}										\
	for (int v = 0; v < RED_VECTORS; v++)						\
		acc[v] = v_load(src + v * W);						\
	for (; i + 16 <= n; i += 16)							\
		for (int v = 0; v < RED_VECTORS; v++) {					\
			VF x = acc[v], y = v_load(src + i + v * W);			\
											\
			acc[v] = vector;						\
		}									\
	for (int v = 0; v < RED_VECTORS; v++)						\
		v_store(part + v * W, acc[v]);						\
	for (size_t j = 0; i < n; i++, j++) {						\
		float x = part[j], y = src[i];						\
											\
		part[j] = scalar;							\
	}										\
	RED_TREE(part, 16, scalar);							\
	return part[0];									\
}

RED_FN(red_add, v_add(x, y), x + y)
RED_FN(red_mul, v_mul(x, y), x * y)
RED_FN(red_max, v_sel(v_gt(x, y), x, y), x > y ? x : y)
RED_FN(red_min, v_sel(v_gt(y, x), x, y), x < y ? x : y)

static float reduce(unsigned int op, const float *src, size_t n)
{
	switch (op) {
	case AXON_ALU_ADD:
		return axon_canon(red_add(src, n));
	case AXON_ALU_MULTIPLY:
		return axon_canon(red_mul(src, n));
	case AXON_ALU_MAX:
		return red_max(src, n);
	default:
		return red_min(src, n);
	}
}

/* ---- conversions ---- */

/* Neighbours get a loop of their own, which the compiler can turn into vectors. */
#define EACH(n, type, p, step, body)							\
	do {										\
		if ((step) == (ptrdiff_t)sizeof(type)) {				\
			for (size_t i = 0; i < (n); i++, (p) += sizeof(type))		\
				body							\
		} else {								\
			for (size_t i = 0; i < (n); i++, (p) += (step))			\
				body							\
		}									\
	} while (0)

#define LOAD_LOOP(name, type, expr)							\
static void name(float *dst, const uint8_t *src, ptrdiff_t step, size_t n)		\
{											\
	EACH(n, type, src, step, {							\
		type x;									\
											\
		memcpy(&x, src, sizeof(x));						\
		dst[i] = expr;								\
	});										\
}

#define STORE_LOOP(name, type, expr)							\
static void name(uint8_t *dst, ptrdiff_t step, const float *src, size_t n)		\
{											\
	EACH(n, type, dst, step, {							\
		float x = src[i];							\
		type y = (type)(expr);							\
											\
		memcpy(dst, &y, sizeof(y));						\
	});										\
}

LOAD_LOOP(load_i8, int8_t, (float)x)
LOAD_LOOP(load_u8, uint8_t, (float)x)
LOAD_LOOP(load_i16, int16_t, (float)x)
LOAD_LOOP(load_u16, uint16_t, (float)x)
LOAD_LOOP(load_i32, int32_t, (float)x)
LOAD_LOOP(load_u32, uint32_t, (float)x)
LOAD_LOOP(load_bf16_strided, uint16_t, axon_bf16_to_f32(x))
LOAD_LOOP(load_f16_strided, uint16_t, axon_f16_to_f32(x))
LOAD_LOOP(load_f32_strided, uint32_t, axon_f32(x))
STORE_LOOP(store_bf16_strided, uint16_t, axon_f32_to_bf16(x))
STORE_LOOP(store_f16_strided, uint16_t, axon_f32_to_f16(x))
STORE_LOOP(store_f32_strided, uint32_t, axon_bits(x))

/* To integers: nearest even, saturating, NaN gives 0. @lo and @hi are fp32 numbers. */
static inline VI v_narrow(VF x, float lo, float hi)
{
	return v_rint(v_clamp(v_sel(v_eq(x, x), x, v_set1(0.0f)), lo, hi));
}

static inline VI v_seli(VM m, VI a, VI b)
{
	return v_as_i(v_sel(m, v_as_f(a), v_as_f(b)));
}

/* 2^31 - 1 is no fp32: what is above is put in afterwards. */
static inline VI v_to_i32(VF x)
{
	return v_seli(v_ge(x, v_set1(0x1p31f)), v_set1i(INT32_MAX),
		      v_narrow(x, -0x1p31f, 0x1.fffffep30f));
}

/* Below 2^31 as above, from there on less 2^31 (exact), above 2^32 all ones. */
static inline VI v_to_u32(VF x)
{
	const VF half = v_set1(0x1p31f);
	VI low = v_narrow(x, 0.0f, 0x1.fffffep30f);
	VI high = v_addi(v_narrow(v_sub(x, half), 0.0f, 0x1.fffffep30f), v_set1i(INT32_MIN));

	high = v_seli(v_ge(x, v_set1(0x1p32f)), v_set1i(-1), high);
	return v_seli(v_ge(x, half), high, low);
}

#define STORE_INT(name, type, expr)							\
static void name(uint8_t *dst, ptrdiff_t step, const float *src, size_t n)		\
{											\
	float tmp[W];									\
											\
	for (size_t done = 0; done < n; done += W) {					\
		size_t k = n - done < W ? n - done : W;					\
		VF x = k == W ? v_load(src + done) : v_loadn(src + done, k);		\
											\
		v_store(tmp, v_as_f(expr));						\
		EACH(k, type, dst, step, {						\
			type y = (type)axon_bits(tmp[i]);				\
											\
			memcpy(dst, &y, sizeof(y));					\
		});									\
	}										\
}

STORE_INT(store_i8, uint8_t, v_narrow(x, INT8_MIN, INT8_MAX))
STORE_INT(store_u8, uint8_t, v_narrow(x, 0, UINT8_MAX))
STORE_INT(store_i16, uint16_t, v_narrow(x, INT16_MIN, INT16_MAX))
STORE_INT(store_u16, uint16_t, v_narrow(x, 0, UINT16_MAX))
STORE_INT(store_i32, uint32_t, v_to_i32(x))
STORE_INT(store_u32, uint32_t, v_to_u32(x))

static void load_f32(float *dst, const uint8_t *src, ptrdiff_t step, size_t n)
{
	if (step == 4)
		memcpy(dst, src, 4 * n);
	else
		load_f32_strided(dst, src, step, n);
}

static void store_f32(uint8_t *dst, ptrdiff_t step, const float *src, size_t n)
{
	if (step == 4)
		memmove(dst, src, 4 * n);
	else
		store_f32_strided(dst, step, src, n);
}

/* Vectors where the elements are neighbours, single elements otherwise and for the rest. */
#define HALF_LOAD(name, vec)								\
static void name(float *dst, const uint8_t *src, ptrdiff_t step, size_t n)		\
{											\
	size_t i = 0;									\
											\
	if (step == 2)									\
		for (; i + W <= n; i += W)						\
			v_store(dst + i, vec(src + 2 * i));				\
	name##_strided(dst + i, src + (ptrdiff_t)i * step, step, n - i);		\
}

#define HALF_STORE(name, vec)								\
static void name(uint8_t *dst, ptrdiff_t step, const float *src, size_t n)		\
{											\
	size_t i = 0;									\
											\
	if (step == 2)									\
		for (; i + W <= n; i += W)						\
			vec(dst + 2 * i, v_load(src + i));				\
	name##_strided(dst + (ptrdiff_t)i * step, step, src + i, n - i);		\
}

HALF_LOAD(load_bf16, v_load_bf16)
HALF_LOAD(load_f16, v_load_f16)
HALF_STORE(store_bf16, v_store_bf16)
HALF_STORE(store_f16, v_store_f16)

/* ---- what DMA combines: one type, neighbours, any address; x is the target's element ---- */

/* @step elements at once by vec_*(), the rest one by one. */
#define COMBINE_LOOP(name, size, step)							\
static void combine_##name(uint8_t *dst, const uint8_t *src, size_t n)			\
{											\
	size_t i = 0;									\
											\
	for (; i + (step) <= n; i += (step))						\
		vec_##name(dst + (size) * i, src + (size) * i);				\
	for (; i < n; i++)								\
		one_##name(dst + (size) * i, src + (size) * i);				\
}

#define COMBINE_ONE(name, type, load, store, expr)					\
static inline void one_##name(uint8_t *dst, const uint8_t *src)				\
{											\
	type a, b;									\
	float x, y;									\
											\
	memcpy(&a, dst, sizeof(a));							\
	memcpy(&b, src, sizeof(b));							\
	x = load(a);									\
	y = load(b);									\
	a = store(expr);								\
	memcpy(dst, &a, sizeof(a));							\
}

#define COMBINE_VEC(name, load, store, expr)						\
static inline void vec_##name(uint8_t *dst, const uint8_t *src)				\
{											\
	VF x = load(dst), y = load(src);						\
											\
	store(dst, expr);								\
}

#define COMBINE_F32(name, vexpr, expr)							\
COMBINE_ONE(name##_f32, uint32_t, axon_f32, axon_bits, expr)				\
COMBINE_VEC(name##_f32, v_load_f32, v_store_f32, vexpr)					\
COMBINE_LOOP(name##_f32, 4, W)

#define COMBINE_F16(name, vexpr, expr)							\
COMBINE_ONE(name##_f16, uint16_t, axon_f16_to_f32, axon_f32_to_f16, expr)		\
COMBINE_VEC(name##_f16, v_load_f16, v_store_f16, vexpr)					\
COMBINE_LOOP(name##_f16, 2, W)

/* Rounds fp32 that is no NaN, or the canonical one, to bf16 in the upper half. */
static inline VI v_round_bf16(VF x)
{
	VI u = v_as_i(x);

	return v_addi(v_addi(u, v_set1i(0x7fff)), v_andi(v_srl(u, 16), v_set1i(1)));
}

/* A chosen bf16 needs no rounding. */
static inline VI v_quiet(VF x)
{
	VI u = v_as_i(x);

	return v_seli(v_eq(x, x), u, v_ori(u, v_set1i(0x00400000)));
}

/*
 * Two elements in each lane of 32 bits: the one in the upper half is an fp32 when the lower one is
 * cleared, the lower one when it is shifted there. (x86's order of bytes, as all of the model.)
 */
#define COMBINE_BF16(name, fn, vexpr, expr)						\
COMBINE_ONE(name##_bf16, uint16_t, axon_bf16_to_f32, axon_f32_to_bf16, expr)		\
static inline VI half_##name(VF x, VF y)						\
{											\
	return fn(vexpr);								\
}											\
											\
static inline void vec_##name##_bf16(uint8_t *dst, const uint8_t *src)			\
{											\
	const VI upper = v_set1i((int32_t)0xffff0000);					\
	VI a = v_as_i(v_load_f32(dst)), b = v_as_i(v_load_f32(src));			\
	VI hi = half_##name(v_as_f(v_andi(a, upper)), v_as_f(v_andi(b, upper)));	\
	VI lo = half_##name(v_as_f(v_sll(a, 16)), v_as_f(v_sll(b, 16)));		\
											\
	v_store_f32(dst, v_as_f(v_ori(v_andi(hi, upper), v_srl(lo, 16))));		\
}											\
											\
COMBINE_LOOP(name##_bf16, 2, 2 * W)

#define COMBINE_FLOATS(name, round, vexpr, expr)					\
COMBINE_F32(name, vexpr, expr)								\
COMBINE_F16(name, vexpr, expr)								\
COMBINE_BF16(name, round, vexpr, expr)

COMBINE_FLOATS(add, v_round_bf16, v_canon(v_add(x, y)), axon_canon(x + y))
COMBINE_FLOATS(max, v_quiet, v_sel(v_gt(x, y), x, y), x > y ? x : y)
COMBINE_FLOATS(min, v_quiet, v_sel(v_gt(y, x), x, y), x < y ? x : y)

/* Integers: the compiler makes vectors of it. */
#define COMBINE_INT(name, type, expr)							\
static void combine_##name(uint8_t *dst, const uint8_t *src, size_t n)				\
{											\
	for (size_t i = 0; i < n; i++) {						\
		type x, y;								\
											\
		memcpy(&x, dst + i * sizeof(x), sizeof(x));				\
		memcpy(&y, src + i * sizeof(y), sizeof(y));				\
		x = (type)(expr);							\
		memcpy(dst + i * sizeof(x), &x, sizeof(x));				\
	}										\
}

#define COMBINE_INTS(suffix, type)							\
	COMBINE_INT(add_##suffix, type, (uint32_t)x + (uint32_t)y)		\
	COMBINE_INT(max_##suffix, type, x > y ? x : y)				\
	COMBINE_INT(min_##suffix, type, x < y ? x : y)

COMBINE_INTS(i8, int8_t)
COMBINE_INTS(u8, uint8_t)
COMBINE_INTS(i16, int16_t)
COMBINE_INTS(u16, uint16_t)
COMBINE_INTS(i32, int32_t)
COMBINE_INTS(u32, uint32_t)

#define COMBINE_ROW(suffix) {								\
	[AXON_DMA_ADD] = combine_add_##suffix,						\
	[AXON_DMA_MAX] = combine_max_##suffix,						\
	[AXON_DMA_MIN] = combine_min_##suffix,						\
}

/* ---- matrix product, vectors along n: MM_ROWS rows of MM_COLS vectors at a time ---- */

static inline __attribute__((always_inline)) void
mm_block(const int rows, const int cols, const struct axon_mm *mm, const float *a, const float *b,
	 float *c, uint32_t tail)
{
	VF acc[MM_ROWS][MM_COLS];
	const float *pa = a, *pb = b;

	UNROLL
	for (int r = 0; r < rows; r++)
		UNROLL
		for (int v = 0; v < cols; v++)
			acc[r][v] = !mm->accumulate ? v_set1(0.0f) :
				tail && v == cols - 1 ? v_loadn(c + r * mm->ldc + v * W, tail) :
				v_load(c + r * mm->ldc + v * W);
	for (uint32_t k = 0; k < mm->k; k++, pa += mm->lda, pb += mm->ldb) {
		VF y[MM_COLS];

		UNROLL
		for (int v = 0; v < cols; v++)
			y[v] = tail && v == cols - 1 ? v_loadn(pb + v * W, tail) :
				v_load(pb + v * W);
		UNROLL
		for (int r = 0; r < rows; r++) {
			VF x = v_set1(pa[r]);

			UNROLL
			for (int v = 0; v < cols; v++)
				acc[r][v] = v_fma(x, y[v], acc[r][v]);
		}
	}
	UNROLL
	for (int r = 0; r < rows; r++)
		UNROLL
		for (int v = 0; v < cols; v++) {
			VF x = v_canon(acc[r][v]);

			if (tail && v == cols - 1)
				v_storen(c + r * mm->ldc + v * W, x, tail);
			else
				v_store(c + r * mm->ldc + v * W, x);
		}
}

_Static_assert(MM_COLS == 2, "mm_rows() knows blocks of two vectors and of one");

#define MM_HEIGHT(r)									\
	if (rows >= (r)) {								\
		if (!tail && cols == MM_COLS)						\
			mm_block(r, MM_COLS, mm, a, b, c, 0);				\
		else if (cols == MM_COLS)						\
			mm_block(r, MM_COLS, mm, a, b, c, tail);			\
		else									\
			mm_block(r, 1, mm, a, b, c, tail);				\
		return r;								\
	}

/* One block of at most @rows rows. Return: how many it was. */
static uint32_t mm_rows(uint32_t rows, uint32_t cols, const struct axon_mm *mm, const float *a,
			const float *b, float *c, uint32_t tail)
{
#if MM_ROWS > 8
	MM_HEIGHT(MM_ROWS);
	MM_HEIGHT(8);
#endif
#if MM_ROWS > 4 && MM_ROWS < 8
	MM_HEIGHT(MM_ROWS);
#endif
	MM_HEIGHT(4);
	MM_HEIGHT(2);
	MM_HEIGHT(1);
	return 0;
}

static void mm(const struct axon_mm *mm)
{
	/* Columns outside: MM_COLS vectors of b stay in L1 while all of a passes by. */
	for (uint32_t n = 0; n < mm->n; n += MM_COLS * W) {
		uint32_t width = mm->n - n < MM_COLS * W ? mm->n - n : MM_COLS * W;
		uint32_t cols = (width + W - 1) / W;
		const float *next = mm->b + n + MM_COLS * W;
		uint32_t ahead = n + MM_COLS * W < mm->n ? 0 : mm->k;

		for (uint32_t m = 0; m < mm->m;) {
			/* The next columns of b are on their way while these are worked on. */
			uint32_t upto = mm->k * (m + MM_ROWS) / mm->m;

			for (; ahead < upto && ahead < mm->k; ahead++)
				__builtin_prefetch(next + ahead * mm->ldb);
			m += mm_rows(mm->m - m, cols, mm, mm->a + m, mm->b + n,
				     mm->c + m * mm->ldc + n, width % W);
		}
	}
}

/* ---- matrix product, vectors along m, for few columns ---- */

static inline __attribute__((always_inline)) VF
mv_row(const int dtype, const uint8_t *p, const int whole, uint32_t tail)
{
	if (dtype == AXON_DTYPE_FLOAT32)
		return whole ? v_load((const float *)p) : v_loadn((const float *)p, tail);
	if (whole)
		return dtype == AXON_DTYPE_BFLOAT16 ? v_load_bf16(p) : v_load_f16(p);
	float tmp[W];

	/* A tail of 16-bit elements: no mask loads for these everywhere. */
	for (uint32_t i = 0; i < W; i++) {
		uint16_t h = 0;

		if (i < tail)
			memcpy(&h, p + 2 * i, 2);
		tmp[i] = dtype == AXON_DTYPE_BFLOAT16 ? axon_bf16_to_f32(h) : axon_f16_to_f32(h);
	}
	return v_load(tmp);
}

static inline __attribute__((always_inline)) void
mv_block(const int dtype, const int vecs, const int cols, const struct axon_mv *mv, uint32_t m,
	 uint32_t n, uint32_t tail)
{
	const uint32_t esz = dtype == AXON_DTYPE_FLOAT32 ? 4 : 2;
	const uint8_t *pa = mv->a + (size_t)m * esz;
	const float *px = mv->x + n * mv->ldx;
	float *c = mv->c + n * mv->ldc + m;
	VF acc[2 * MV_VECS][MV_COLS];

	UNROLL
	for (int v = 0; v < vecs; v++)
		UNROLL
		for (int j = 0; j < cols; j++)
			acc[v][j] = v_load(c + j * mv->ldc + v * W);
	for (uint32_t k = 0; k < mv->k; k++, pa += mv->lda, px++) {
		UNROLL
		for (int v = 0; v < vecs; v++) {
			VF x = mv_row(dtype, pa + v * W * esz, !tail || v < vecs - 1, tail);

			UNROLL
			for (int j = 0; j < cols; j++)
				acc[v][j] = v_fma(x, v_set1(px[j * mv->ldx]), acc[v][j]);
		}
	}
	UNROLL
	for (int v = 0; v < vecs; v++)
		UNROLL
		for (int j = 0; j < cols; j++)
			v_store(c + j * mv->ldc + v * W, v_canon(acc[v][j]));
}

_Static_assert(MV_VECS == 4, "mv_width() knows blocks of 1 to 8 vectors");

#define MV_WIDTH(vecs)									\
	case vecs:									\
		mv_block(dtype, vecs, cols, mv, m, n, width % W);			\
		break

/* All of @width rows in one block: each vector is a chain of fma, and one chain alone waits. */
static inline __attribute__((always_inline)) void
mv_width(const int dtype, const int cols, const struct axon_mv *mv, uint32_t m, uint32_t n,
	 uint32_t width)
{
	switch ((width + W - 1) / W) {
	MV_WIDTH(1);
	MV_WIDTH(2);
	MV_WIDTH(3);
	MV_WIDTH(4);
	}
	if (cols > 1)
		return;
	switch ((width + W - 1) / W) {
	MV_WIDTH(5);
	MV_WIDTH(6);
	MV_WIDTH(7);
	MV_WIDTH(8);
	}
}

static inline __attribute__((always_inline)) void
mv_dtype(const int dtype, const struct axon_mv *mv)
{
	const uint32_t most = (mv->n < MV_COLS ? 2 : 1) * MV_VECS * W;

	for (uint32_t m = 0; m < mv->m; m += most) {
		uint32_t width = mv->m - m < most ? mv->m - m : most, n = 0;

		for (; n + MV_COLS <= mv->n; n += MV_COLS)
			mv_width(dtype, MV_COLS, mv, m, n, width);
		for (; n < mv->n; n++)
			mv_width(dtype, 1, mv, m, n, width);
	}
}

static void mv(const struct axon_mv *mv)
{
	switch (mv->dtype) {
	case AXON_DTYPE_FLOAT32:
		mv_dtype(AXON_DTYPE_FLOAT32, mv);
		break;
	case AXON_DTYPE_BFLOAT16:
		mv_dtype(AXON_DTYPE_BFLOAT16, mv);
		break;
	default:
		mv_dtype(AXON_DTYPE_FLOAT16, mv);
		break;
	}
}

const struct axon_math MATH_NAME = {
	.name = MATH_LABEL,
	.load = {
		[AXON_DTYPE_INT8] = load_i8,
		[AXON_DTYPE_UINT8] = load_u8,
		[AXON_DTYPE_INT16] = load_i16,
		[AXON_DTYPE_UINT16] = load_u16,
		[AXON_DTYPE_INT32] = load_i32,
		[AXON_DTYPE_UINT32] = load_u32,
		[AXON_DTYPE_BFLOAT16] = load_bf16,
		[AXON_DTYPE_FLOAT16] = load_f16,
		[AXON_DTYPE_FLOAT32] = load_f32,
		[AXON_DTYPE_FP32R] = load_f32,
	},
	.store = {
		[AXON_DTYPE_INT8] = store_i8,
		[AXON_DTYPE_UINT8] = store_u8,
		[AXON_DTYPE_INT16] = store_i16,
		[AXON_DTYPE_UINT16] = store_u16,
		[AXON_DTYPE_INT32] = store_i32,
		[AXON_DTYPE_UINT32] = store_u32,
		[AXON_DTYPE_BFLOAT16] = store_bf16,
		[AXON_DTYPE_FLOAT16] = store_f16,
		[AXON_DTYPE_FLOAT32] = store_f32,
		[AXON_DTYPE_FP32R] = store_f32,
	},
	.bin = {
		[AXON_ALU_ADD] = bin_add,
		[AXON_ALU_SUBTRACT] = bin_sub,
		[AXON_ALU_MULTIPLY] = bin_mul,
		[AXON_ALU_DIVIDE] = bin_div,
		[AXON_ALU_MAX] = bin_max,
		[AXON_ALU_MIN] = bin_min,
		[AXON_ALU_EQ] = bin_eq,
		[AXON_ALU_NE] = bin_ne,
		[AXON_ALU_GE] = bin_ge,
		[AXON_ALU_GT] = bin_gt,
		[AXON_ALU_LE] = bin_le,
		[AXON_ALU_LT] = bin_lt,
	},
	.affine = affine,
	.act = {
		[AXON_ACT_COPY] = act_copy,
		[AXON_ACT_SQUARE] = act_square,
		[AXON_ACT_RELU] = act_relu,
		[AXON_ACT_EXP] = act_exp,
		[AXON_ACT_SIGMOID] = act_sigmoid,
		[AXON_ACT_SILU] = act_silu,
		[AXON_ACT_TANH] = act_tanh,
		[AXON_ACT_GELU_TANH] = act_gelu,
		[AXON_ACT_LOG] = act_log,
		[AXON_ACT_SQRT] = act_sqrt,
		[AXON_ACT_RSQRT] = act_rsqrt,
		[AXON_ACT_RECIPROCAL] = act_recip,
		[AXON_ACT_ABS] = act_abs,
		[AXON_ACT_SIGN] = act_sign,
	},
	.reduce = reduce,
	.combine = {
		[AXON_DTYPE_INT8] = COMBINE_ROW(i8),
		[AXON_DTYPE_UINT8] = COMBINE_ROW(u8),
		[AXON_DTYPE_INT16] = COMBINE_ROW(i16),
		[AXON_DTYPE_UINT16] = COMBINE_ROW(u16),
		[AXON_DTYPE_INT32] = COMBINE_ROW(i32),
		[AXON_DTYPE_UINT32] = COMBINE_ROW(u32),
		[AXON_DTYPE_BFLOAT16] = COMBINE_ROW(bf16),
		[AXON_DTYPE_FLOAT16] = COMBINE_ROW(f16),
		[AXON_DTYPE_FLOAT32] = COMBINE_ROW(f32),
		[AXON_DTYPE_FP32R] = COMBINE_ROW(f32),
	},
	.mm = mm,
	.mv = mv,
};
