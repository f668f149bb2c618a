/* SPDX-License-Identifier: MIT */
/*
 * collective.h - operations of libaxcc for tests: inputs, what must come out, and the comparison of
 * every byte. It must not share code with the library.
 */
#ifndef RUNTIME_TESTS_COLLECTIVE_H
#define RUNTIME_TESTS_COLLECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "axcc/axcc.h"

/**
 * struct coll_case - an operation
 * @coll: an &enum axcc_coll, not SEND, RECV
 * @dtype: element type
 * @reduction: of those that reduce
 * @count: as of the function of that name
 * @root: of BROADCAST and REDUCE
 * @in_place: all ranks are
 * @shift: PERMUTE: rank r sends to r + shift; ranks below @skip send nowhere
 * @skip: same
 * @seed: of the inputs
 */
struct coll_case {
	uint32_t coll;
	uint32_t dtype;
	uint32_t reduction;
	uint64_t count;
	uint32_t root;
	bool in_place;
	uint32_t shift;
	uint32_t skip;
	uint32_t seed;
};

/**
 * struct coll_arena - memory of a rank that operations work in
 * @bo: it
 * @ptr: same
 * @size: same
 */
struct coll_arena {
	struct axon_bo *bo;
	uint8_t *ptr;
	uint64_t size;
};

/* Bytes that an arena needs for a case. */
uint64_t coll_arena_size(const struct coll_case *c, uint32_t ranks);
int coll_arena_open(struct coll_arena *a, struct axon_device *dev, uint64_t size);
void coll_arena_close(struct coll_arena *a);
/* A case that dice decide; counts up to @max_count. */
struct coll_case coll_case_random(uint32_t *seed, uint32_t ranks, uint64_t max_count);
uint32_t coll_random(uint32_t *seed);
/* Writes the inputs of a rank and a pattern around and behind them. */
void coll_fill(const struct coll_case *c, uint32_t ranks, uint32_t rank, struct coll_arena *a);
/* Calls the operation. */
int coll_call(const struct coll_case *c, struct axcc_comm *comm, struct coll_arena *a,
	      uint64_t *seq);
/* The operation as a stage of a program; @targets must live as long. */
struct axcc_stage coll_stage(const struct coll_case *c, uint32_t ranks, uint32_t rank,
			     struct coll_arena *a, uint32_t *targets);
/* Compares all of the arena. Return: 0; -1, with a line in @why. */
int coll_check(const struct coll_case *c, uint32_t ranks, uint32_t rank,
	       const struct coll_arena *a, char *why, size_t size);
void coll_print(const struct coll_case *c, uint32_t ranks, char *buf, size_t size);

#endif /* RUNTIME_TESTS_COLLECTIVE_H */
