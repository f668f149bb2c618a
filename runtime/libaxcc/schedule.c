// SPDX-License-Identifier: MIT
/*
 * schedule.c - sizes of an operation's buffers, and the end of a schedule. It must not know how
 * schedules are made.
 */
#include <stdlib.h>

#include "axon_isa.h"
#include "internal.h"
#include "schedule.h"

void axcc_schedule_free(struct axcc_schedule *s)
{
	if (!s)
		return;
	for (uint32_t r = 0; s->rank && r < s->req.ranks; r++) {
		free(s->rank[r].steps);
		free(s->rank[r].waits);
	}
	free(s->rank);
	free(s->order.nodes);
	free(s->order.ranges);
	free((void *)(uintptr_t)s->req.targets);
	free(s);
}

static bool receives(const struct axcc_request *req, uint32_t rank)
{
	for (uint32_t r = 0; r < req->ranks; r++)
		if (req->targets[r] == rank)
			return true;
	return false;
}

void axcc_schedule_bytes(const struct axcc_request *req, uint32_t rank, uint64_t *src,
			 uint64_t *dst)
{
	uint64_t one = req->count * axon_dtype_size(req->dtype), all = one * req->ranks;

	*src = one;
	*dst = one;
	switch (req->coll) {
	case AXCC_ALL_GATHER:
		*dst = all;
		break;
	case AXCC_REDUCE_SCATTER:
		*src = all;
		break;
	case AXCC_ALL_TO_ALL:
		*src = *dst = all;
		break;
	case AXCC_BROADCAST:
		*src = rank == req->root ? one : 0;
		break;
	case AXCC_REDUCE:
		*dst = rank == req->root ? one : 0;
		break;
	case AXCC_PERMUTE:
		*src = req->targets[rank] == AXCC_NO_RANK ? 0 : one;
		*dst = receives(req, rank) ? one : 0;
		break;
	case AXCC_SEND:
	case AXCC_RECV:
		*src = rank ? 0 : one;
		*dst = rank ? one : 0;
		break;
	case AXCC_BARRIER:
		*src = *dst = 0;
		break;
	default:
		break;
	}
}

void axcc_schedule_alias(const struct axcc_request *req, uint32_t rank, uint64_t *src_at,
			 uint64_t *dst_at)
{
	uint64_t block = rank * req->count * axon_dtype_size(req->dtype);

	*src_at = req->coll == AXCC_ALL_GATHER ? block : 0;
	*dst_at = req->coll == AXCC_REDUCE_SCATTER ? block : 0;
}
