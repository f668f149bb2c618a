// SPDX-License-Identifier: MIT
/*
 * bench-sgemm.c - peer of the card's matrix multiplication: OpenBLAS's cblas_sgemm.
 *
 * OpenBLAS chooses its kernels and threads from the environment before main(): whoever runs
 * this sets OPENBLAS_CORETYPE and OPENBLAS_NUM_THREADS.
 */
#include <cblas.h>

#include "samples.h"

int main(int argc, char **argv)
{
	uint32_t n, repeats;
	size_t size;
	float *a, *b, *c;
	double *t;

	if (argc != 3) {
		fprintf(stderr, "Usage: bench-sgemm N REPEATS\n");
		return 2;
	}
	n = bench_number(argv[1], 8192);
	repeats = bench_number(argv[2], 100000);
	size = (size_t)n * n;
	a = aligned_alloc(64, (size * sizeof(*a) + 63) & ~(size_t)63);
	b = aligned_alloc(64, (size * sizeof(*b) + 63) & ~(size_t)63);
	c = aligned_alloc(64, (size * sizeof(*c) + 63) & ~(size_t)63);
	t = calloc(repeats, sizeof(*t));
	if (!a || !b || !c || !t) {
		fprintf(stderr, "bench-sgemm: no memory\n");
		return 1;
	}
	bench_fill(a, size, 1);
	bench_fill(b, size, 2);
	/* The first call pays for pages and buffers: not counted. */
	for (uint32_t i = 0; i <= repeats; i++) {
		double start = bench_now();

		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f, a, n, b, n,
			    0.0f, c, n);
		if (i)
			t[i - 1] = bench_now() - start;
	}
	bench_print(t, repeats);
	free(a);
	free(b);
	free(c);
	free(t);
	return 0;
}
