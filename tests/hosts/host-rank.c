// SPDX-License-Identifier: MIT
/*
 * host-rank.c - the ranks of one host in the tests of several: adds up numbers with all others
 * again and again until some of them are lost, says who and how soon it knew, goes on without
 * them, and checks every element. Run by test-hosts.py, which kills.
 *
 * Prints a line for each thing that happens: "ready", "lost RANK KIND MS", "survived RANKS".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <axcc/axcc.h>

#include "axon_isa.h"

#define MAX_LOCAL	16u
#define COUNT		20011u	/* elements */

struct rank {
	struct axon_device *dev;
	struct axcc_comm *comm;
	struct axcc_buf buf;
	int32_t *ptr;
	uint64_t seq;
};

static struct rank rank[MAX_LOCAL];
static uint32_t local;

static void die(int err, const char *fmt, ...)
{
	va_list ap;

	fputs("host-rank: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(-err));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void open_ranks(uint32_t timeout_ms)
{
	const struct axcc_options options = { .size = sizeof(options), .timeout_ms = timeout_ms };

	for (uint32_t l = 0; l < local; l++) {
		struct rank *r = &rank[l];
		void *ptr = NULL;
		int err = axon_device_open(l, &r->dev);

		if (!err)
			err = axon_bo_create(r->dev, COUNT * sizeof(*r->ptr), DRM_AXON_REGION_HBM,
					     DRM_AXON_BO_CPU_VISIBLE, NULL, &r->buf.bo);
		if (!err)
			err = axon_bo_map(r->buf.bo, &ptr);
		if (!err)
			err = axcc_comm_create(&options, &r->comm);
		if (err)
			die(err, "card %u", l);
		r->ptr = ptr;
	}
}

static void meet(const char *address, uint32_t ranks, uint32_t first)
{
	struct axcc_unique_id id;
	int err = axcc_unique_id_from_address(address, &id), end;

	axcc_group_start();
	for (uint32_t l = 0; l < local && !err; l++)
		err = axcc_comm_init(rank[l].comm, &id, ranks, first + l, rank[l].dev, 0);
	end = axcc_group_end();
	if (err || end)
		die(err ? err : end, "meeting at %s", address);
}

static int32_t input(uint32_t r, uint32_t round, uint32_t i)
{
	return (int32_t)(r * 1009 + round * 31 + i % 97);
}

/* One all-reduce of all ranks here, in place, checked. @round: the same on all. */
static int once(uint32_t round)
{
	int err = 0, end;

	for (uint32_t l = 0; l < local; l++)
		for (uint32_t i = 0; i < COUNT; i++)
			rank[l].ptr[i] = input(axcc_comm_rank(rank[l].comm), round, i);
	axcc_group_start();
	for (uint32_t l = 0; l < local && !err; l++)
		err = axcc_all_reduce(rank[l].comm, rank[l].buf, rank[l].buf, COUNT,
				      AXON_DTYPE_INT32, AXCC_SUM, &rank[l].seq);
	end = axcc_group_end();
	if (!err)
		err = end;
	for (uint32_t l = 0; l < local && !err; l++)
		err = axcc_wait(rank[l].comm, rank[l].seq, -1);
	return err;
}

static void check(uint32_t round)
{
	const uint32_t ranks = axcc_comm_ranks(rank[0].comm);

	for (uint32_t i = 0; i < COUNT; i++) {
		int32_t want = 0;

		for (uint32_t r = 0; r < ranks; r++)
			want += input(r, round, i);
		for (uint32_t l = 0; l < local; l++) {
			if (rank[l].ptr[i] == want)
				continue;
			fprintf(stderr, "host-rank: element %u is %d, not %d\n", i, rank[l].ptr[i],
				want);
			exit(1);
		}
	}
}

/* What the first of the ranks here that knows says. */
static void tell(double began)
{
	struct axcc_error e;

	for (uint32_t l = 0; l < local; l++)
		if (axcc_comm_error(rank[l].comm, &e)) {
			printf("lost %u %u %.0f\n", e.rank, e.kind, (now() - began) * 1e3);
			fprintf(stderr, "host-rank: %s\n", e.text);
			fflush(stdout);
			return;
		}
	die(-ENODATA, "an operation failed, and no communicator says why");
}

static void shrink(uint32_t timeout_ms)
{
	const struct axcc_options options = { .size = sizeof(options), .timeout_ms = timeout_ms };
	struct axcc_comm *into[MAX_LOCAL];
	int err = 0, end;

	axcc_group_start();
	for (uint32_t l = 0; l < local && !err; l++) {
		err = axcc_comm_create(&options, &into[l]);
		if (!err)
			err = axcc_comm_shrink(rank[l].comm, into[l]);
	}
	end = axcc_group_end();
	if (err || end)
		die(err ? err : end, "going on without the lost");
	for (uint32_t l = 0; l < local; l++) {
		axcc_comm_destroy(rank[l].comm);
		rank[l].comm = into[l];
	}
}

int main(int argc, char **argv)
{
	uint32_t ranks, first, timeout_ms, round = 0;
	double began;
	int err;

	if (argc != 6)
		die(-EINVAL, "usage: host-rank MEET RANKS FIRST LOCAL TIMEOUT-MS");
	ranks = (uint32_t)atoi(argv[2]);
	first = (uint32_t)atoi(argv[3]);
	local = (uint32_t)atoi(argv[4]);
	timeout_ms = (uint32_t)atoi(argv[5]);
	if (!local || local > MAX_LOCAL)
		die(-EINVAL, "%s ranks here", argv[4]);
	open_ranks(timeout_ms);
	meet(argv[1], ranks, first);
	puts("ready");
	fflush(stdout);
	do {
		began = now();
		err = once(round);
		if (!err)
			check(round++);
	} while (!err);
	tell(began);
	shrink(timeout_ms);
	err = once(0);
	if (err)
		die(err, "the first operation without the lost");
	check(0);
	printf("survived %u\n", axcc_comm_ranks(rank[0].comm));
	for (uint32_t l = 0; l < local; l++) {
		axcc_comm_destroy(rank[l].comm);
		axon_bo_destroy(rank[l].buf.bo);
		axon_device_close(rank[l].dev);
	}
	return 0;
}
