// SPDX-License-Identifier: MIT
/*
 * sample.c - requests and topologies for tests.
 */
#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "axon_isa.h"

static const uint32_t reduced_types[] = {
	AXON_DTYPE_FLOAT32, AXON_DTYPE_BFLOAT16, AXON_DTYPE_FLOAT16, AXON_DTYPE_INT32,
	AXON_DTYPE_UINT8,
};

static const uint32_t moved_types[] = {
	AXON_DTYPE_UINT8, AXON_DTYPE_FLOAT16, AXON_DTYPE_FLOAT32, AXON_DTYPE_INT64,
	AXON_DTYPE_FP8_E4,
};

static void some_targets(struct sample *s, uint64_t *seed)
{
	uint32_t n = s->req.ranks;

	for (uint32_t r = 0; r < n; r++)
		s->targets[r] = r;
	for (uint32_t r = n; r > 1; r--) {
		uint32_t other = (uint32_t)(random_next(seed) % r), t = s->targets[r - 1];

		s->targets[r - 1] = s->targets[other];
		s->targets[other] = t;
	}
	for (uint32_t r = 0; r < n; r++)
		if (random_next(seed) % 4 == 0)
			s->targets[r] = AXCC_NO_RANK;
	s->req.targets = s->targets;
}

bool sample_make(struct sample *s, enum axcc_coll coll, uint32_t ranks, uint64_t count,
		 enum place place, uint32_t dtype, uint64_t *seed)
{
	bool reduces = coll == AXCC_ALL_REDUCE || coll == AXCC_REDUCE_SCATTER ||
		coll == AXCC_REDUCE;

	if ((coll == AXCC_SEND || coll == AXCC_RECV) && ranks != 2)
		return false;
	memset(s, 0, sizeof(*s));
	s->req.coll = coll;
	s->req.ranks = ranks;
	s->req.count = coll == AXCC_BARRIER ? 0 : count;
	s->req.dtype = dtype;
	if (!dtype)
		s->req.dtype = (reduces ? reduced_types : moved_types)[random_next(seed) % 5];
	if (reduces)
		s->req.reduction = (enum axcc_reduction)(random_next(seed) % AXCC_NUM_REDUCTIONS);
	if (coll == AXCC_BROADCAST || coll == AXCC_REDUCE)
		s->req.root = (uint32_t)(random_next(seed) % ranks);
	if (coll == AXCC_PERMUTE)
		some_targets(s, seed);
	for (uint32_t r = 0; r < ranks; r++)
		if (place == PLACE_ALL || (place == PLACE_SOME && random_next(seed) % 2))
			axcc_ranks_add(&s->req.in_place, r);
	return true;
}

struct axcc_topology *sample_topology(uint32_t ranks, uint32_t which)
{
	static const char *const shapes[] = { "mesh", "ring", "line" };
	struct axcc_topology *t = NULL;
	int err;

	if (which % 5 == 3 && ranks % 4 == 0 && ranks >= 16) {
		char torus[24];

		snprintf(torus, sizeof(torus), "torus:4x%u", ranks / 4);
		err = axcc_topology_make(torus, 0, 1, &t);
	} else if (which % 5 == 4 && ranks % 2 == 0) {
		err = axcc_topology_make("ring", ranks / 2, 2, &t);
	} else {
		err = axcc_topology_make(shapes[which % 3], ranks, 1, &t);
	}
	assert_int_equal(err, 0);
	return t;
}

const char *sample_print(const struct sample *s, const char *algorithm)
{
	static char line[200];
	const struct axcc_request *req = &s->req;

	snprintf(line, sizeof(line),
		 "%s %s, %u ranks, root %u, %llu elements of type %u, %s, in place %#llx",
		 axcc_coll_str(req->coll), algorithm, req->ranks, req->root,
		 (unsigned long long)req->count, req->dtype, axcc_reduction_str(req->reduction),
		 (unsigned long long)req->in_place.bits[0]);
	return line;
}

uint32_t sample_algorithm(const char *name)
{
	for (uint32_t i = 0; axcc_algorithm_name(i); i++)
		if (!strcmp(axcc_algorithm_name(i), name))
			return i;
	fail_msg("no algorithm %s", name);
	return 0;
}
