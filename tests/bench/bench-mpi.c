// SPDX-License-Identifier: MIT
/*
 * bench-mpi.c - peer of the cards' collectives: Open MPI's, ranks as processes of this host.
 *
 * Run by mpirun. Sizes are those of nccl-tests: bytes of the vector for all-reduce, of the whole
 * gathered (scattered, exchanged) vector for the others. One line a size: operation, bytes, ranks,
 * and the median time of an operation in seconds, as rank 0 sees it with a barrier before each.
 */
#include <mpi.h>
#include <string.h>

#include "samples.h"

#define WARMUP	3u

enum op { ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER, ALL_TO_ALL, NUM_OPS };

static const char *const op_name[NUM_OPS] = {
	[ALL_REDUCE] = "all_reduce",
	[ALL_GATHER] = "all_gather",
	[REDUCE_SCATTER] = "reduce_scatter",
	[ALL_TO_ALL] = "all_to_all",
};

static void run(enum op op, const float *in, float *out, int count, int ranks)
{
	switch (op) {
	case ALL_REDUCE:
		MPI_Allreduce(in, out, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
		break;
	case ALL_GATHER:
		MPI_Allgather(in, count / ranks, MPI_FLOAT, out, count / ranks, MPI_FLOAT,
			      MPI_COMM_WORLD);
		break;
	case REDUCE_SCATTER:
		MPI_Reduce_scatter_block(in, out, count / ranks, MPI_FLOAT, MPI_SUM,
					 MPI_COMM_WORLD);
		break;
	default:
		MPI_Alltoall(in, count / ranks, MPI_FLOAT, out, count / ranks, MPI_FLOAT,
			     MPI_COMM_WORLD);
	}
}

static void measure(enum op op, uint32_t bytes, uint32_t repeats, const float *in, float *out,
		    double *t)
{
	int rank, ranks;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	for (uint32_t i = 0; i < repeats + WARMUP; i++) {
		double start;

		MPI_Barrier(MPI_COMM_WORLD);
		start = bench_now();
		run(op, in, out, (int)(bytes / sizeof(*in)), ranks);
		if (i >= WARMUP)
			t[i - WARMUP] = bench_now() - start;
	}
	qsort(t, repeats, sizeof(*t), bench_compare);
	if (!rank)
		printf("%s %u %d %.9f\n", op_name[op], bytes, ranks, t[repeats / 2]);
}

/* Bytes and repetitions are given in pairs. */
int main(int argc, char **argv)
{
	uint32_t most = 0, most_repeats = 0;
	float *in, *out;
	double *t;
	int op;

	MPI_Init(&argc, &argv);
	for (op = 0; argc > 1 && op < NUM_OPS && strcmp(argv[1], op_name[op]); op++)
		;
	if (argc < 4 || argc % 2 || op == NUM_OPS) {
		fprintf(stderr, "Usage: bench-mpi OPERATION BYTES REPEATS [BYTES REPEATS]...\n");
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	for (int i = 2; i < argc; i += 2) {
		uint32_t bytes = bench_number(argv[i], 1u << 30);
		uint32_t repeats = bench_number(argv[i + 1], 1000000);

		most = bytes > most ? bytes : most;
		most_repeats = repeats > most_repeats ? repeats : most_repeats;
	}
	in = malloc(most);
	out = malloc(most);
	t = calloc(most_repeats, sizeof(*t));
	if (!in || !out || !t) {
		fprintf(stderr, "bench-mpi: no memory\n");
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
	bench_fill(in, most / sizeof(*in), 1);
	memset(out, 0, most);
	for (int i = 2; i < argc; i += 2)
		measure((enum op)op, bench_number(argv[i], 1u << 30),
			bench_number(argv[i + 1], 1000000), in, out, t);
	MPI_Finalize();
	free(in);
	free(out);
	free(t);
	return 0;
}
