// SPDX-License-Identifier: MIT
/*
 * math_pick.c - which kernels this host runs, and the rounding they need.
 */
#include "math_ops.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>

/* __builtin_cpu_supports() does not know it in every compiler. */
static int has_f16c(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}
#endif

const struct axon_math *axon_math_variant(unsigned int i)
{
	const struct axon_math *have[3] = { &axon_math_scalar };
	unsigned int n = 1;

#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
	    has_f16c())
		have[n++] = &axon_math_avx2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		have[n++] = &axon_math_avx512;
#endif
	return i < n ? have[i] : NULL;
}

const struct axon_math *axon_math_pick(void)
{
	const struct axon_math *best = NULL, *m;

	for (unsigned int i = 0; (m = axon_math_variant(i)); i++)
		best = m;
	return best;
}

/*
 * The thread may belong to a program that flushes denormals or rounds otherwise (-ffast-math
 * libraries do the former behind one's back).
 */
uint32_t axon_math_enter(void)
{
#if defined(__x86_64__)
	uint32_t saved = _mm_getcsr();

	if ((saved & 0xffc0) != 0x1f80)
		_mm_setcsr(0x1f80);
	return saved;
#else
	return 0;
#endif
}

void axon_math_leave(uint32_t saved)
{
#if defined(__x86_64__)
	if ((saved & 0xffc0) != 0x1f80)
		_mm_setcsr(saved);
#else
	(void)saved;
#endif
}
