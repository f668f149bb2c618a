// SPDX-License-Identifier: MIT
/*
 * bench-copy.c - a bound for collectives that only copy: the same bytes between the same number of
 * buffers of this process, by one thread and by one a CPU, with memmove and with stores past the
 * caches, whichever is fastest.
 *
 * bench-copy OP RANKS BYTES REPEATS: OP is all_gather or all_to_all, BYTES is what a rank ends up
 * with. Prints the median time of an operation in seconds.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "samples.h"

#define WARMUP		3u
#define MAX_THREADS	64u
#define MAX_RANKS	64u
/* What a thread copies at once: the cards' transfers are of that order too. */
#define PIECE		(64u << 10)
#define HUGE		(2ul << 20)

/**
 * struct copy - the work
 * @gather: all ranks get the same blocks
 * @ranks: buffers in and out
 * @bytes: of one
 * @past: past the caches
 * @threads: who share it
 * @repeats: measured
 * @in: by rank
 * @out: by rank
 * @barrier: before and after an operation
 */
struct copy {
	bool gather;
	unsigned int ranks;
	size_t bytes;
	bool past;
	unsigned int threads;
	unsigned int repeats;
	char *in[MAX_RANKS];
	char *out[MAX_RANKS];
	pthread_barrier_t barrier;
};

/** struct worker - a thread, and the times it saw */
struct worker {
	struct copy *c;
	unsigned int index;
	double *time;
};

/* Stores that do not read what they overwrite. */
static void copy_past(char *dst, const char *src, size_t n)
{
#if defined(__x86_64__)
	size_t head = -(uintptr_t)dst & 63;

	head = head < n ? head : n;
	memcpy(dst, src, head);
	for (dst += head, src += head, n -= head; n >= 64; dst += 64, src += 64, n -= 64)
		for (unsigned int i = 0; i < 64; i += 16)
			_mm_stream_si128((__m128i *)(void *)(dst + i),
					 _mm_loadu_si128((const __m128i *)(const void *)(src + i)));
	_mm_sfence();
#endif
	memcpy(dst, src, n);
}

/* Piece by piece from one source to all targets, as the cards do: it is read while it is near. */
static void copy_block(const struct copy *c, unsigned int from, size_t at, size_t n)
{
	size_t block = c->bytes / c->ranks;

	for (unsigned int to = 0; to < c->ranks; to++) {
		char *dst = c->out[to] + from * block + at;
		const char *src = c->in[from] + (c->gather ? 0 : to * block) + at;

		if (c->past)
			copy_past(dst, src, n);
		else
			memmove(dst, src, n);
	}
}

static void copy_share(const struct copy *c, unsigned int thread)
{
	size_t block = c->bytes / c->ranks, pieces = (block + PIECE - 1) / PIECE;

	for (size_t i = thread; i < pieces * c->ranks; i += c->threads) {
		size_t at = i / c->ranks * PIECE;

		copy_block(c, (unsigned int)(i % c->ranks), at,
			   block - at < PIECE ? block - at : PIECE);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(w->index, &cpu);
	if (w->c->threads > 1)
		(void)pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	for (unsigned int i = 0; i < w->c->repeats + WARMUP; i++) {
		double start;

		pthread_barrier_wait(&w->c->barrier);
		start = bench_now();
		copy_share(w->c, w->index);
		pthread_barrier_wait(&w->c->barrier);
		if (i >= WARMUP)
			w->time[i - WARMUP] = bench_now() - start;
	}
	return NULL;
}

/* Return: median seconds, or a negative number. */
static double measure(struct copy *c, unsigned int threads, bool past, double *time)
{
	pthread_t thread[MAX_THREADS];
	struct worker w[MAX_THREADS];

	c->threads = threads;
	c->past = past;
	if (pthread_barrier_init(&c->barrier, NULL, threads))
		return -1;
	for (unsigned int i = 0; i < threads; i++) {
		w[i] = (struct worker) { c, i, time + (size_t)i * c->repeats };
		if (pthread_create(&thread[i], NULL, work, &w[i]))
			exit(1);
	}
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&c->barrier);
	qsort(time, c->repeats, sizeof(*time), bench_compare);
	return time[c->repeats / 2];
}

/* On huge pages if there are any, like the memory of the cards. */
static char *buffer(size_t bytes)
{
	size_t size = (bytes + HUGE - 1) / HUGE * HUGE;
	char *p = aligned_alloc(HUGE, size);

	if (p) {
		(void)madvise(p, size, MADV_HUGEPAGE);
		memset(p, 1, size);
	}
	return p;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int most = cpus > MAX_THREADS ? MAX_THREADS : (unsigned int)cpus;
	double *time, best = -1;
	struct copy c = { 0 };

	if (argc == 5) {
		c.gather = !strcmp(argv[1], "all_gather");
		c.ranks = bench_number(argv[2], MAX_RANKS);
		c.bytes = bench_number(argv[3], UINT32_MAX);
		c.repeats = bench_number(argv[4], 100000);
	} else {
		fprintf(stderr, "usage: bench-copy all_gather|all_to_all RANKS BYTES REPEATS\n");
		return 2;
	}
	time = calloc((size_t)most * c.repeats, sizeof(*time));
	for (unsigned int r = 0; r < c.ranks; r++) {
		c.in[r] = buffer(c.gather ? c.bytes / c.ranks : c.bytes);
		c.out[r] = buffer(c.bytes);
		if (!time || !c.in[r] || !c.out[r]) {
			fprintf(stderr, "bench-copy: no memory\n");
			return 1;
		}
	}
	for (unsigned int i = 0; i < 4; i++) {
		double t = measure(&c, i & 1 ? most : 1, i & 2, time);

		if (t < 0)
			return 1;
		best = best < 0 || t < best ? t : best;
	}
	printf("%.9f\n", best);
	return 0;
}
