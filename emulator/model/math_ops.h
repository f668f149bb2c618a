/* SPDX-License-Identifier: MIT */
/*
 * math_ops.h - the arithmetic of the engines: tables of kernels that give the same bits everywhere.
 *
 * A table is chosen once, when a core is made. Every table calculates every element by the same
 * sequence of fp32 operations (Documentation/isa.rst, "Numbers" and "Activation functions"), so
 * that which one runs can only be told by a clock. Kernels know nothing of instructions, address
 * spaces or faults: the caller has checked everything.
 *
 * The C library's rounding mode has to be nearest-even with denormals on; axon_core_run() sees to
 * it (axon_math_enter()).
 */
#ifndef AXON_MODEL_MATH_OPS_H
#define AXON_MODEL_MATH_OPS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "axon_isa.h"

#define AXON_NAN_BITS		0x7fc00000u	/* the NaN that arithmetic gives */

/* Operand @a or @b of a binary kernel is one element for all. */
#define AXON_BCAST_A		1u
#define AXON_BCAST_B		2u

#define AXON_NUM_DTYPES		16
#define AXON_NUM_ALUS		13	/* arithmetic group: AXON_ALU_ADD .. AXON_ALU_LT */
#define AXON_NUM_DMA_OPS	(AXON_DMA_MIN + 1)

/**
 * struct axon_mm - a matrix product on fp32 rows
 * @a: a[k * lda + m], the stationary tile
 * @b: b[k * ldb + n], the moving tile
 * @c: c[m * ldc + n]
 * @lda: elements between rows of @a
 * @ldb: elements between rows of @b
 * @ldc: elements between rows of @c
 * @k: length of the sums
 * @m: rows of the result
 * @n: columns of the result
 * @accumulate: start from what @c holds, else from 0
 */
struct axon_mm {
	const float *a;
	const float *b;
	float *c;
	size_t lda, ldb, ldc;
	uint32_t k, m, n;
	uint32_t accumulate;
};

/**
 * struct axon_mv - a matrix product for few columns
 * @a: row k of the stationary tile starts at a + k * lda, @dtype, contiguous
 * @x: x[n * ldx + k], fp32
 * @c: c[n * ldc + m], fp32 scratch: in the start values, out the result; columns are padded to
 *	AXON_MV_PAD elements
 * @lda: bytes between rows of @a
 */
#define AXON_MV_PAD	16u

struct axon_mv {
	const uint8_t *a;
	const float *x;
	float *c;
	size_t lda, ldx, ldc;
	uint32_t k, m, n;
	uint32_t dtype;
};

typedef void axon_load_fn(float *dst, const uint8_t *src, ptrdiff_t step, size_t n);
typedef void axon_store_fn(uint8_t *dst, ptrdiff_t step, const float *src, size_t n);
typedef void axon_bin_fn(float *dst, const float *a, const float *b, size_t n, unsigned int bcast);
typedef void axon_act_fn(float *dst, const float *src, size_t n);
typedef void axon_combine_fn(uint8_t *dst, const uint8_t *src, size_t n);

/**
 * struct axon_math - one implementation of the arithmetic
 * @name: "scalar", "avx2", "avx512"
 * @load: n elements, @step bytes apart, to fp32; by &enum axon_dtype, NULL if no engine takes it
 * @store: fp32 to n elements, rounding and saturating
 * @bin: dst[i] = a[i] op b[i]; by &enum axon_alu; dst may be a or b
 * @affine: dst[i] = fma(src[i], *scale, *bias); BCAST_A: one scale, BCAST_B: one bias
 * @act: dst[i] = f(src[i]); by &enum axon_act; dst may be src
 * @reduce: op ADD, MULTIPLY, MAX, MIN over n elements in the order of isa.rst
 * @combine: dst[i] = dst[i] op src[i], n neighbours of one type at any address, as DMA does it; by
 *	&enum axon_dtype and &enum axon_dma_op; NULL for COPY and for what no engine takes. dst may
 *	be src, else they may not overlap
 * @mm: matrix product, vectorised over n
 * @mv: matrix product, vectorised over m
 */
struct axon_math {
	const char *name;
	axon_load_fn *load[AXON_NUM_DTYPES];
	axon_store_fn *store[AXON_NUM_DTYPES];
	axon_bin_fn *bin[AXON_NUM_ALUS];
	void (*affine)(float *dst, const float *src, const float *scale, const float *bias,
		       size_t n, unsigned int bcast);
	axon_act_fn *act[AXON_NUM_ACTS];
	float (*reduce)(unsigned int op, const float *src, size_t n);
	axon_combine_fn *combine[AXON_NUM_DTYPES][AXON_NUM_DMA_OPS];
	void (*mm)(const struct axon_mm *mm);
	void (*mv)(const struct axon_mv *mv);
};

extern const struct axon_math axon_math_scalar;
#if defined(__x86_64__)
extern const struct axon_math axon_math_avx2;
extern const struct axon_math axon_math_avx512;
#endif

/** axon_math_pick() - the fastest table this host can run */
const struct axon_math *axon_math_pick(void);

/**
 * axon_math_variant() - one table after the other, for tests
 * @i: 0, 1, ...
 *
 * Return: a table the host can run; NULL when there are no more (the scalar one is number 0).
 */
const struct axon_math *axon_math_variant(unsigned int i);

/** axon_math_enter() - IEEE rounding with denormals; returns what axon_math_leave() needs */
uint32_t axon_math_enter(void);
void axon_math_leave(uint32_t saved);

static inline float axon_f32(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, 4);
	return f;
}

static inline uint32_t axon_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, 4);
	return u;
}

static inline float axon_canon(float f)
{
	return f == f ? f : axon_f32(AXON_NAN_BITS);
}

static inline float axon_bf16_to_f32(uint16_t h)
{
	return axon_f32((uint32_t)h << 16);
}

static inline uint16_t axon_f32_to_bf16(float f)
{
	uint32_t u = axon_bits(f);

	if ((u & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(u >> 16 | 0x40);
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* Quiets a signalling NaN and keeps its payload, as the conversion instructions do. */
static inline float axon_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t exp = h >> 10 & 31, man = h & 0x3ff;

	if (exp == 31)
		return axon_f32(sign | 0x7f800000u | man << 13 | (man ? 0x400000u : 0));
	if (exp)
		return axon_f32(sign | (exp + 112) << 23 | man << 13);
	/* Denormal: man * 2^-24 is exact in fp32. */
	return axon_f32(sign | axon_bits((float)man * 0x1p-24f));
}

static inline uint16_t axon_f32_to_f16(float f)
{
	uint32_t u = axon_bits(f), a = u & 0x7fffffffu;
	uint16_t sign = (uint16_t)(u >> 16 & 0x8000);

	if (a > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
	if (a >= 0x477ff000u)
		return sign | 0x7c00;
	if (a < 0x38800000u)	/* denormal: the addition rounds to the last place of 2^-24 */
		return (uint16_t)(sign | (axon_bits(axon_f32(a) + 0.5f) - 0x3f000000u));
	return (uint16_t)(sign | ((a + 0xfff + (a >> 13 & 1) - 0x38000000u) >> 13));
}

/* Nearest even, for values that fit. */
static inline int64_t axon_rint(float f)
{
#if defined(__x86_64__)
	return __builtin_ia32_cvtss2si64((__attribute__((__vector_size__(16))) float){ f });
#else
	return llrintf(f);
#endif
}

#endif /* AXON_MODEL_MATH_OPS_H */
