// SPDX-License-Identifier: MIT
/*
 * math_scalar.c - the kernels in plain C, one element at a time, for hosts without AVX2.
 *
 * Also the reference that the vector variants are compared with, bit for bit.
 */
#include "math_ops.h"

#define W		1
#define MM_ROWS		4
#define MM_COLS		2
#define MV_VECS		4
#define MV_COLS		2
#define MATH_NAME	axon_math_scalar
#define MATH_LABEL	"scalar"

typedef float VF;
typedef int32_t VI;
typedef int VM;

static inline VF v_load(const float *p) { return *p; }
static inline VF v_loadn(const float *p, size_t n) { return n ? *p : 0.0f; }
static inline void v_store(float *p, VF x) { *p = x; }
static inline void v_storen(float *p, VF x, size_t n) { if (n) *p = x; }
static inline VF v_set1(float x) { return x; }
static inline VF v_add(VF a, VF b) { return a + b; }
static inline VF v_sub(VF a, VF b) { return a - b; }
static inline VF v_mul(VF a, VF b) { return a * b; }
static inline VF v_div(VF a, VF b) { return a / b; }
/* The C library's is correctly rounded, with or without an instruction for it. */
static inline VF v_fma(VF a, VF b, VF c) { return fmaf(a, b, c); }
static inline VM v_gt(VF a, VF b) { return a > b; }
static inline VM v_ge(VF a, VF b) { return a >= b; }
static inline VM v_eq(VF a, VF b) { return a == b; }
static inline VF v_sel(VM m, VF a, VF b) { return m ? a : b; }
static inline VI v_as_i(VF x) { return (int32_t)axon_bits(x); }
static inline VF v_as_f(VI x) { return axon_f32((uint32_t)x); }
static inline VI v_set1i(int32_t x) { return x; }
static inline VI v_addi(VI a, VI b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline VI v_subi(VI a, VI b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
static inline VI v_andi(VI a, VI b) { return a & b; }
static inline VI v_ori(VI a, VI b) { return a | b; }
static inline VI v_sll(VI a, int n) { return (int32_t)((uint32_t)a << n); }
static inline VI v_sra(VI a, int n) { return a >> n; }
static inline VF v_cvt(VI a) { return (float)a; }
static inline VI v_rint(VF a) { return (int32_t)axon_rint(a); }

static inline VF v_sqrt(VF x)
{
#if defined(__x86_64__)
	typedef float v4sf __attribute__((__vector_size__(16)));

	return __builtin_ia32_sqrtss((v4sf){ x })[0];
#else
	return sqrtf(x);
#endif
}

static inline VF v_load_f32(const uint8_t *p)
{
	VF x;

	memcpy(&x, p, 4);
	return x;
}

static inline void v_store_f32(uint8_t *p, VF x) { memcpy(p, &x, 4); }
static inline VI v_srl(VI a, int n) { return (int32_t)((uint32_t)a >> n); }

static inline VF v_load_bf16(const uint8_t *p)
{
	uint16_t h;

	memcpy(&h, p, 2);
	return axon_bf16_to_f32(h);
}

static inline VF v_load_f16(const uint8_t *p)
{
	uint16_t h;

	memcpy(&h, p, 2);
	return axon_f16_to_f32(h);
}

static inline void v_store_bf16(uint8_t *p, VF x)
{
	uint16_t h = axon_f32_to_bf16(x);

	memcpy(p, &h, 2);
}

static inline void v_store_f16(uint8_t *p, VF x)
{
	uint16_t h = axon_f32_to_f16(x);

	memcpy(p, &h, 2);
}

#include "math_template.h"
