/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_ring.h - index arithmetic of rings; pure, so that KUnit can turn it round 2^32.
 */
#ifndef AXON_RING_H
#define AXON_RING_H

#include <linux/bits.h>
#include <linux/log2.h>
#include <linux/types.h>

#include "axon_hw.h"

/* Phase bit that the completion with this index carries: 1 on the first pass, then 0, 1, ... */
static inline u32 axon_cq_phase(u32 index, u32 entries)
{
	return (~index >> ilog2(entries)) & 1;
}

/* Entries between two free-running indices. */
static inline u32 axon_ring_used(u32 head, u32 tail)
{
	return tail - head;
}

/* The last word of a struct axon_cqe, taken in one load. */
#define AXON_CQE_PROFILED	GENMASK_ULL(31, 0)
#define AXON_CQE_STATUS		GENMASK_ULL(47, 32)
#define AXON_CQE_PHASE		BIT_ULL(56)

#endif /* AXON_RING_H */
