// SPDX-License-Identifier: MIT
/*
 * math_avx2.c - the kernels for 8 lanes: AVX2, FMA and F16C.
 *
 * Must not be entered on a host without them; axon_math_pick() asks.
 */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif
#include <immintrin.h>

#include "math_ops.h"

#define W		8
#define MM_ROWS		6
#define MM_COLS		2
#define MV_VECS		4
#define MV_COLS		2
#define MATH_NAME	axon_math_avx2
#define MATH_LABEL	"avx2"

typedef __m256 VF;
typedef __m256i VI;
typedef __m256 VM;

static inline VI v_tail(size_t n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n),
				  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline VF v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline VF v_loadn(const float *p, size_t n) { return _mm256_maskload_ps(p, v_tail(n)); }
static inline void v_store(float *p, VF x) { _mm256_storeu_ps(p, x); }
static inline void v_storen(float *p, VF x, size_t n) { _mm256_maskstore_ps(p, v_tail(n), x); }
static inline VF v_set1(float x) { return _mm256_set1_ps(x); }
static inline VF v_add(VF a, VF b) { return _mm256_add_ps(a, b); }
static inline VF v_sub(VF a, VF b) { return _mm256_sub_ps(a, b); }
static inline VF v_mul(VF a, VF b) { return _mm256_mul_ps(a, b); }
static inline VF v_div(VF a, VF b) { return _mm256_div_ps(a, b); }
static inline VF v_fma(VF a, VF b, VF c) { return _mm256_fmadd_ps(a, b, c); }
static inline VF v_sqrt(VF x) { return _mm256_sqrt_ps(x); }
static inline VM v_gt(VF a, VF b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
static inline VM v_ge(VF a, VF b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
static inline VM v_eq(VF a, VF b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline VF v_sel(VM m, VF a, VF b) { return _mm256_blendv_ps(b, a, m); }
static inline VI v_as_i(VF x) { return _mm256_castps_si256(x); }
static inline VF v_as_f(VI x) { return _mm256_castsi256_ps(x); }
static inline VI v_set1i(int32_t x) { return _mm256_set1_epi32(x); }
static inline VI v_addi(VI a, VI b) { return _mm256_add_epi32(a, b); }
static inline VI v_subi(VI a, VI b) { return _mm256_sub_epi32(a, b); }
static inline VI v_andi(VI a, VI b) { return _mm256_and_si256(a, b); }
static inline VI v_ori(VI a, VI b) { return _mm256_or_si256(a, b); }
static inline VI v_sll(VI a, int n) { return _mm256_slli_epi32(a, n); }
static inline VI v_sra(VI a, int n) { return _mm256_srai_epi32(a, n); }
static inline VI v_srl(VI a, int n) { return _mm256_srli_epi32(a, n); }
static inline VF v_cvt(VI a) { return _mm256_cvtepi32_ps(a); }
static inline VI v_rint(VF a) { return _mm256_cvtps_epi32(a); }

static inline VF v_load_f32(const uint8_t *p) { return _mm256_loadu_ps((const void *)p); }
static inline void v_store_f32(uint8_t *p, VF x) { _mm256_storeu_ps((void *)p, x); }

static inline VF v_load_bf16(const uint8_t *p)
{
	VI x = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));

	return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}

static inline VF v_load_f16(const uint8_t *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

static inline void v_store_bf16(uint8_t *p, VF x)
{
	VI u = v_as_i(x), lsb = v_andi(_mm256_srli_epi32(u, 16), v_set1i(1));
	VI r = _mm256_srli_epi32(v_addi(v_addi(u, v_set1i(0x7fff)), lsb), 16);
	VI q = v_ori(_mm256_srli_epi32(u, 16), v_set1i(0x40));

	r = v_as_i(v_sel(v_eq(x, x), v_as_f(r), v_as_f(q)));
	r = _mm256_permute4x64_epi64(_mm256_packus_epi32(r, r), 0x08);
	_mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(r));
}

static inline void v_store_f16(uint8_t *p, VF x)
{
	_mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

#include "math_template.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif /* __x86_64__ */
