/* SPDX-License-Identifier: MIT */
/*
 * algorithms.h - from a request to a schedule, with a named algorithm.
 */
#ifndef AXON_LIBAXCC_ALGORITHMS_H
#define AXON_LIBAXCC_ALGORITHMS_H

#include "schedule.h"
#include "topology.h"

#define AXCC_WHY_BYTES	120u

/**
 * axcc_algorithm_name() - names of all algorithms, by number
 *
 * "family" or "family.variant". Return: NULL beyond the last.
 */
const char *axcc_algorithm_name(uint32_t index);

/** axcc_algorithm_what() - one line about it */
const char *axcc_algorithm_what(uint32_t index);

/** axcc_algorithm_can() - is there such an operation with this algorithm? */
bool axcc_algorithm_can(uint32_t index, enum axcc_coll coll);

/**
 * axcc_algorithm_matches() - is it what the user calls @name?
 *
 * @name is a full name, or a family, which means all its variants.
 */
bool axcc_algorithm_matches(uint32_t index, const char *name);

/**
 * struct axcc_tuning - how a schedule is made; all 0: as is best
 * @chunk_bytes: most bytes of a transfer, 4096 .. 2^30, a multiple of 64
 * @no_order: leave out the order of reduction: such a schedule can be predicted, but not verified
 */
struct axcc_tuning {
	uint64_t chunk_bytes;
	bool no_order;
};

/**
 * axcc_request_check() - can there be such an operation at all?
 *
 * Return: 0 or -EINVAL.
 */
int axcc_request_check(const struct axcc_request *req);

/**
 * axcc_schedule_build() - make a schedule
 * @req: what it is to do
 * @topo: where the ranks sit; of @req->ranks ranks, finished
 * @index: algorithm
 * @tuning: or NULL
 * @schedule: result; to be verified before it runs
 * @why: with -EOPNOTSUPP the reason in words, AXCC_WHY_BYTES of it; or NULL
 *
 * The same arguments always give the same schedule, on every host.
 *
 * Return: 0, -EINVAL, -ENOMEM, -EOPNOTSUPP (this algorithm cannot do it).
 */
int axcc_schedule_build(const struct axcc_request *req, const struct axcc_topology *topo,
			uint32_t index, const struct axcc_tuning *tuning,
			struct axcc_schedule **schedule, char *why);

#endif /* AXON_LIBAXCC_ALGORITHMS_H */
