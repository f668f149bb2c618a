/* SPDX-License-Identifier: MIT */
/*
 * cost.h - what a schedule costs on the card, by the card's own rules.
 *
 * The rules are those of Documentation/isa.rst, "Cycles" and "Semaphores between cores", the
 * numbers those of axon_timing.h, by which the card counts too, and of the topology's ways, which
 * are asked of the cards. Nothing here may look at the host's clock.
 */
#ifndef AXON_LIBAXCC_COST_H
#define AXON_LIBAXCC_COST_H

#include "axon_isa.h"
#include "axon_timing.h"
#include "schedule.h"
#include "topology.h"

/**
 * struct axcc_path - where the time of the longest chain of events went, in cycles
 * @sequencer: instructions handed over
 * @setup: transfers being set up
 * @data: data moving, at a queue's pace
 * @link: waiting for a link, or held up by its pace
 * @latency: posts and data on their way
 */
struct axcc_path {
	uint64_t sequencer;
	uint64_t setup;
	uint64_t data;
	uint64_t link;
	uint64_t latency;
};

/**
 * struct axcc_prediction - what a schedule costs
 * @cycles: from the common start to the end of the last rank
 * @steps: of the rank that has most
 * @waits: of the rank that has most: how often it may be held up by others
 * @transfers: of all ranks
 * @moved_bytes: read by all transfers: what memory has to bear
 * @link_cycles: of the busiest direction of a rank's first links, in use
 * @queue_cycles: of the busiest rank's queues, in use; divide by AXCC_QUEUES
 * @tmp_bytes: at each rank
 * @path: of the longest chain of events
 * @sampled: not the whole schedule was looked at
 */
struct axcc_prediction {
	uint64_t cycles;
	uint64_t steps;
	uint64_t waits;
	uint64_t transfers;
	uint64_t moved_bytes;
	uint64_t link_cycles;
	uint64_t queue_cycles;
	uint64_t tmp_bytes;
	struct axcc_path path;
	bool sampled;
};

/**
 * axcc_schedule_predict() - carry a schedule out in time
 * @s: proved
 * @topo: of its ranks
 *
 * Return: 0, -ENOMEM, -EINVAL (it gets stuck, or needs a way that is none).
 */
int axcc_schedule_predict(const struct axcc_schedule *s, const struct axcc_topology *topo,
			  struct axcc_prediction *p);

/** axcc_cycles_ns() - in nanoseconds */
static inline double axcc_cycles_ns(uint64_t cycles)
{
	return (double)cycles * 1e9 / (double)AXON_REF_CLOCK_HZ;
}

/** axcc_ns_cycles() - the other way round, rounded up */
static inline uint64_t axcc_ns_cycles(uint64_t ns)
{
	return (ns * (AXON_REF_CLOCK_HZ / 1000000) + 999) / 1000;
}

#endif /* AXON_LIBAXCC_COST_H */
