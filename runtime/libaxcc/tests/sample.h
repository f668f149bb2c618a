/* SPDX-License-Identifier: MIT */
/*
 * sample.h - requests for tests: operations with awkward counts, types, roots and targets.
 */
#ifndef AXON_LIBAXCC_TESTS_SAMPLE_H
#define AXON_LIBAXCC_TESTS_SAMPLE_H

#include "algorithms.h"
#include "host.h"

/** struct sample - a request, with what it points at */
struct sample {
	struct axcc_request req;
	uint32_t targets[AXCC_MAX_RANKS];
};

/* Who works in place. */
enum place {
	PLACE_NONE,
	PLACE_ALL,
	PLACE_SOME,	/* a seed decides */
	NUM_PLACES,
};

/**
 * sample_make() - an operation of @ranks ranks on @count elements; the rest is up to @seed
 * @dtype: 0: any that fits
 *
 * Return: false: there is no such operation for that many ranks.
 */
bool sample_make(struct sample *sample, enum axcc_coll coll, uint32_t ranks, uint64_t count,
		 enum place place, uint32_t dtype, uint64_t *seed);

/** sample_topology() - one of the shapes for @ranks ranks, by @which; several ranks a card too */
struct axcc_topology *sample_topology(uint32_t ranks, uint32_t which);

/** sample_print() - one line about a request */
const char *sample_print(const struct sample *sample, const char *algorithm);

/** sample_algorithm() - number of an algorithm by its full name */
uint32_t sample_algorithm(const char *name);

#endif /* AXON_LIBAXCC_TESTS_SAMPLE_H */
