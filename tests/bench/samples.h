/* SPDX-License-Identifier: MIT */
/*
 * samples.h - time things and print the best, the median and the worst of the samples.
 *
 * One line "best median worst" in seconds on stdout is what every program here prints; the
 * script `run` puts ours and the peer's in turns and makes the table.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static inline int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the samples. */
static inline void bench_print(double *seconds, uint32_t n)
{
	qsort(seconds, n, sizeof(*seconds), bench_compare);
	printf("%.9f %.9f %.9f\n", seconds[0], seconds[n / 2], seconds[n - 1]);
}

/* A whole number from the command line, or exit. */
static inline uint32_t bench_number(const char *text, uint32_t max)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (end == text || *end || v < 1 || v > max) {
		fprintf(stderr, "'%s' is not a number from 1 to %u\n", text, max);
		exit(2);
	}
	return v;
}

/* Numbers in [-0.5, 0.5), the same in every program. */
static inline void bench_fill(float *x, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		x[i] = (float)(seed >> 8) / 16777216.0f - 0.5f;
	}
}

#endif /* BENCH_SAMPLES_H */
