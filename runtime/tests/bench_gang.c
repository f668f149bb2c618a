// SPDX-License-Identifier: MIT
/*
 * bench_gang.c - what gangs cost on soft cards of one process: a barrier of all, each posting to
 * each other; and all moving bytes to their neighbour. One thread submits all and waits for all,
 * or each rank has its own.
 *
 * Run by `meson test --benchmark`, or with arguments RANKS ROUNDS [BYTES [threads]]; prints figures
 * and judges none of them, for the machine may be busy.
 */
#include <pthread.h>
#include <time.h>

#include "team.h"

/* Rounds that a thread makes before the time is taken. */
#define WARM	20u

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Posts to all others, then waits for all of them. */
static void set_barrier(struct team *t)
{
	for (uint32_t r = 0; r < t->ranks; r++) {
		struct program p;

		program_init(&p, "barrier");
		for (uint32_t i = 1; i < t->ranks; i++)
			program_add(&p, inst_post((r + i) % t->ranks, 1));
		program_add(&p, inst_wait(1, t->ranks - 1));
		program_add(&p, inst_halt());
		set_code(t, r, &p);
	}
}

static void set_move(struct team *t, uint64_t bytes)
{
	for (uint32_t r = 0; r < t->ranks; r++) {
		struct program p;

		program_init(&p, "move");
		program_add(&p, post_next(inst_dma(AXON_DMA_COPY, AXON_DTYPE_UINT32,
						   (uint32_t)(bytes / 4), AXON_SREG_NONE, NEXT,
						   AXON_SREG_NONE, DATA), (r + 1) % t->ranks));
		program_add(&p, inst_wait(1, 1));
		program_add(&p, inst_halt());
		set_code(t, r, &p);
	}
}

static void must(int err)
{
	if (err) {
		fprintf(stderr, "%s\n", strerror(-err));
		exit(1);
	}
}

static void one_round(struct team *t)
{
	submit_all(t);
	for (uint32_t r = 0; r < t->ranks; r++)
		must(wait_for(&t->member[r]));
}

static void one_thread(struct team *t, double *seconds, uint32_t rounds)
{
	for (uint32_t i = 0; i < WARM + rounds; i++) {
		double start = now();

		one_round(t);
		if (i >= WARM)
			seconds[i - WARM] = now() - start;
	}
}

struct rank {
	struct member *m;
	double *seconds;
	uint32_t rounds;
};

static void *rank_main(void *arg)
{
	struct rank *r = arg;

	for (uint32_t i = 0; i < WARM + r->rounds; i++) {
		double start = now();

		submit(r->m);
		must(wait_for(r->m));
		if (r->seconds && i >= WARM)
			r->seconds[i - WARM] = now() - start;
	}
	return NULL;
}

static void thread_each(struct team *t, double *seconds, uint32_t rounds)
{
	struct rank rank[MAX];
	pthread_t thread[MAX];

	for (uint32_t r = 0; r < t->ranks; r++) {
		rank[r] = (struct rank) { &t->member[r], r ? NULL : seconds, rounds };
		must(-pthread_create(&thread[r], NULL, rank_main, &rank[r]));
	}
	for (uint32_t r = 0; r < t->ranks; r++)
		pthread_join(thread[r], NULL);
}

/* @bytes 0: a barrier. */
static void measure(uint32_t ranks, uint32_t rounds, uint64_t bytes, bool threads)
{
	double *seconds = calloc(rounds, sizeof(*seconds));
	struct team t;

	must(seconds ? 0 : -ENOMEM);
	team_open_size(&t, ranks, 0, bytes < 4096 ? 4096 : bytes);
	if (bytes)
		set_move(&t, bytes);
	else
		set_barrier(&t);
	if (threads)
		thread_each(&t, seconds, rounds);
	else
		one_thread(&t, seconds, rounds);
	qsort(seconds, rounds, sizeof(*seconds), compare);
	printf("%2u cards, %9lu bytes, %s: best %9.2f us, p50 %9.2f us, p99 %9.2f us", ranks,
	       (unsigned long)bytes, threads ? "a thread each" : "one thread   ",
	       seconds[0] * 1e6, seconds[rounds / 2] * 1e6, seconds[rounds * 99 / 100] * 1e6);
	if (bytes)
		printf(", %6.2f GB/s in all", (double)ranks * (double)bytes /
						seconds[rounds / 2] * 1e-9);
	printf("\n");
	team_close(&t);
	free(seconds);
}

int main(int argc, char **argv)
{
	static const uint64_t sizes[] = { 0, 8, 4096, 65536, 1 << 20, 16 << 20, 64 << 20 };

	setenv("AXON_DEVICE", "soft", 0);
	if (argc > 2) {
		measure((uint32_t)atoi(argv[1]), (uint32_t)atoi(argv[2]),
			argc > 3 ? strtoull(argv[3], NULL, 0) : 0, argc > 4);
		return 0;
	}
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t rounds = sizes[i] > 1 << 20 ? 20 : sizes[i] > 4096 ? 200 : 5000;

		measure(4, rounds, sizes[i], false);
		measure(4, sizes[i] > 4096 ? rounds : 500, sizes[i], true);
	}
	return 0;
}
