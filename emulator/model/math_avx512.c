// SPDX-License-Identifier: MIT
/*
 * math_avx512.c - the kernels for 16 lanes: AVX-512 F, BW, DQ and VL.
 *
 * Must not be entered on a host without them; axon_math_pick() asks.
 */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), \
			     apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
#endif
#include <immintrin.h>

#include "math_ops.h"

#define W		16
#define MM_ROWS		12
#define MM_COLS		2
#define MV_VECS		4
#define MV_COLS		4
#define MATH_NAME	axon_math_avx512
#define MATH_LABEL	"avx512"

typedef __m512 VF;
typedef __m512i VI;
typedef __mmask16 VM;

static inline VM v_tail(size_t n)
{
	return (VM)((1u << n) - 1);
}

static inline VF v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline VF v_loadn(const float *p, size_t n) { return _mm512_maskz_loadu_ps(v_tail(n), p); }
static inline void v_store(float *p, VF x) { _mm512_storeu_ps(p, x); }
static inline void v_storen(float *p, VF x, size_t n) { _mm512_mask_storeu_ps(p, v_tail(n), x); }
static inline VF v_set1(float x) { return _mm512_set1_ps(x); }
static inline VF v_add(VF a, VF b) { return _mm512_add_ps(a, b); }
static inline VF v_sub(VF a, VF b) { return _mm512_sub_ps(a, b); }
static inline VF v_mul(VF a, VF b) { return _mm512_mul_ps(a, b); }
static inline VF v_div(VF a, VF b) { return _mm512_div_ps(a, b); }
static inline VF v_fma(VF a, VF b, VF c) { return _mm512_fmadd_ps(a, b, c); }
static inline VF v_sqrt(VF x) { return _mm512_sqrt_ps(x); }
static inline VM v_gt(VF a, VF b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
static inline VM v_ge(VF a, VF b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
static inline VM v_eq(VF a, VF b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline VF v_sel(VM m, VF a, VF b) { return _mm512_mask_blend_ps(m, b, a); }
static inline VI v_as_i(VF x) { return _mm512_castps_si512(x); }
static inline VF v_as_f(VI x) { return _mm512_castsi512_ps(x); }
static inline VI v_set1i(int32_t x) { return _mm512_set1_epi32(x); }
static inline VI v_addi(VI a, VI b) { return _mm512_add_epi32(a, b); }
static inline VI v_subi(VI a, VI b) { return _mm512_sub_epi32(a, b); }
static inline VI v_andi(VI a, VI b) { return _mm512_and_si512(a, b); }
static inline VI v_ori(VI a, VI b) { return _mm512_or_si512(a, b); }
static inline VI v_sll(VI a, unsigned int n) { return _mm512_slli_epi32(a, n); }
static inline VI v_sra(VI a, unsigned int n) { return _mm512_srai_epi32(a, n); }
static inline VI v_srl(VI a, unsigned int n) { return _mm512_srli_epi32(a, n); }
static inline VF v_cvt(VI a) { return _mm512_cvtepi32_ps(a); }
static inline VI v_rint(VF a) { return _mm512_cvtps_epi32(a); }

static inline VF v_load_f32(const uint8_t *p) { return _mm512_loadu_ps((const void *)p); }
static inline void v_store_f32(uint8_t *p, VF x) { _mm512_storeu_ps((void *)p, x); }

static inline VF v_load_bf16(const uint8_t *p)
{
	VI x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));

	return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
}

static inline VF v_load_f16(const uint8_t *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

/* Not vcvtneps2bf16: it takes denormals for zero. */
static inline void v_store_bf16(uint8_t *p, VF x)
{
	VI u = v_as_i(x), hi = _mm512_srli_epi32(u, 16), lsb = v_andi(hi, v_set1i(1));
	VI r = _mm512_srli_epi32(v_addi(v_addi(u, v_set1i(0x7fff)), lsb), 16);

	r = _mm512_mask_blend_epi32(v_eq(x, x), _mm512_or_si512(hi, v_set1i(0x40)), r);
	_mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(r));
}

static inline void v_store_f16(uint8_t *p, VF x)
{
	_mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

#include "math_template.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif /* __x86_64__ */
