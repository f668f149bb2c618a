/* SPDX-License-Identifier: MIT */
/*
 * cc-test.h - how the files of axon-cc-test meet.
 *
 *   main.c    options
 *   ops.c     what each operation moves, and what must come out
 *   run.c     ranks, buffers, measuring
 *   explain.c what would be done, without doing it
 *   report.c  table and JSON
 */
#ifndef CC_TEST_H
#define CC_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "axcc/axcc.h"

enum cc_op {
	CC_ALL_REDUCE,
	CC_ALL_GATHER,
	CC_REDUCE_SCATTER,
	CC_ALL_TO_ALL,
	CC_BROADCAST,
	CC_REDUCE,
	CC_PERMUTE,
	CC_SENDRECV,
	CC_BARRIER,
	CC_NUM_OPS,
};

enum cc_check { CC_CHECK_NONE, CC_CHECK_ONES, CC_CHECK_RANDOM };

/* How the iterations of a size become one time. */
enum { CC_STAT_AVG = -1 };	/* else a percentile, 0..100 */

/**
 * struct cc_options - what is asked for
 * @op: operation
 * @dtype: an &enum axon_dtype
 * @reduction: where something is reduced
 * @root: of broadcast and reduce
 * @min_bytes: first size
 * @max_bytes: last size
 * @step_bytes: to the next size, or 0: @factor
 * @factor: to the next size
 * @iterations: measured
 * @warmup: before them
 * @check: what the data are, and whether the result is looked at
 * @seed: of the data
 * @stat: CC_STAT_AVG or a percentile
 * @ranks: of the whole communicator
 * @first_rank: of this process
 * @local_ranks: of this process
 * @meet: "ip:port" where processes meet, or NULL: all ranks are here
 * @launched: by mpirun or the like: processes meet at @id
 * @id: see @launched
 * @meeting: the root of @id, if it is in this process
 * @before: ranks of other processes of the launcher on this host that take cores before this one's
 * @cores_first: fill a card's cores before the next card
 * @in_place: send and receive buffers are one
 * @timeout_ms: of the communicator
 * @algorithm: name, or NULL
 * @show_algorithm: add a column
 * @explain: tell, do not run
 * @explain_json: not NULL: as JSON
 * @topology: @explain: of which cards, or NULL
 * @cores: @explain: ranks on each card
 * @json: file for the report, or NULL
 * @quiet: no table
 */
struct cc_options {
	enum cc_op op;
	uint32_t dtype;
	enum axcc_reduction reduction;
	uint32_t root;
	uint64_t min_bytes;
	uint64_t max_bytes;
	uint64_t step_bytes;
	uint32_t factor;
	uint32_t iterations;
	uint32_t warmup;
	enum cc_check check;
	uint64_t seed;
	int stat;
	uint32_t ranks;
	uint32_t first_rank;
	uint32_t local_ranks;
	const char *meet;
	bool launched;
	struct axcc_unique_id id;
	struct axcc_root *meeting;
	uint32_t before;
	bool cores_first;
	bool in_place;
	uint32_t timeout_ms;
	const char *algorithm;
	bool show_algorithm;
	bool explain;
	const char *explain_json;
	const char *topology;
	uint32_t cores;
	const char *json;
	bool quiet;
};

/**
 * struct cc_size - what one size means for a rank
 * @bytes: as shown: nccl-tests' definition
 * @count: argument of the call
 * @send: elements of the send buffer
 * @recv: elements of the receive buffer
 */
struct cc_size {
	uint64_t bytes;
	uint64_t count;
	uint64_t send;
	uint64_t recv;
};

/**
 * struct cc_result - one line of the report
 * @size: what was moved
 * @seconds: of an operation
 * @algbw: bytes / time, 10^9 bytes a second
 * @busbw: algbw times the operation's factor
 * @wrong: elements that were wrong, or -1: not looked at
 * @algorithm: name, "" if not asked for
 */
struct cc_result {
	struct cc_size size;
	double seconds;
	double algbw;
	double busbw;
	int64_t wrong;
	char algorithm[32];
};

/* ---- ops.c ---- */

const char *cc_op_name(enum cc_op op);
/* By name or short name; CC_NUM_OPS if there is none. */
enum cc_op cc_op_find(const char *name);
enum axcc_coll cc_op_coll(enum cc_op op);
bool cc_op_reduces(enum cc_op op);
/* By name; AXON_DTYPE_INVALID if there is none. */
uint32_t cc_dtype_find(const char *name);
const char *cc_dtype_name(uint32_t dtype);
/* The largest size of the operation that is no larger than @bytes. */
struct cc_size cc_size_of(const struct cc_options *opt, uint64_t bytes);
/* Bus bandwidth over algorithm bandwidth, as nccl-tests define it. */
double cc_bus_factor(enum cc_op op, uint32_t ranks);
/* What rank @rank sends. */
void cc_fill(const struct cc_options *opt, uint32_t rank, void *send, uint64_t elements);
/*
 * Compares every element of what @rank has received with what must have come out.
 *
 * Return: how many are wrong; the first is described on stderr.
 */
uint64_t cc_verify(const struct cc_options *opt, const struct cc_size *size, uint32_t rank,
		   const void *recv);
/* Where rank @rank's data go in PERMUTE and SENDRECV. */
uint32_t cc_target(const struct cc_options *opt, uint32_t rank);

/* ---- run.c ---- */

/* All sizes. Return: 0, or 1 after an error or a wrong element. */
int cc_run(const struct cc_options *opt);

/* The size after @bytes; UINT64_MAX: none. */
uint64_t cc_next_bytes(const struct cc_options *opt, uint64_t bytes);

/* ---- explain.c ---- */

/* All sizes. Return: 0, or 1 after an error. */
int cc_explain(struct cc_options *opt);

/* ---- report.c ---- */

struct cc_report;

struct cc_report *cc_report_new(const struct cc_options *opt);
void cc_report_add(struct cc_report *r, const struct cc_result *result);
/* Prints the end, writes the JSON file, frees. Return: 0, or -errno of the file. */
int cc_report_end(struct cc_report *r);

#endif /* CC_TEST_H */
