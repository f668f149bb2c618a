// SPDX-License-Identifier: MIT
/*
 * link.c - what a transfer takes of the links: bytes on the counters, cycles on the way.
 *
 * Documentation/isa.rst, "Cycles", has the formula. Costs depend on what the page tables name,
 * never on how a transfer was cut into pieces: neighbouring pieces of one peer are one.
 */
#include "fabric.h"

void axon_link_begin(struct axon_link_use *use)
{
	*use = (struct axon_link_use){ .peer = { AXON_NO_PEER, AXON_NO_PEER } };
}

/* The bytes gathered so far take the first link of their way. */
static void take(const struct axon_card *card, struct axon_link_use *use,
		 struct axon_link_lines *lines, unsigned int dir)
{
	const struct axon_way *way = axon_fabric_way(card->fabric, card->cfg.place, use->peer[dir]);
	uint64_t *free = lines ? &lines->free[dir][way->first] : &use->own[dir];
	uint64_t from = use->start > *free ? use->start : *free;

	/* bytes / (mbps * 10^6 / s) in cycles, rounded up; no transfer has 2^53 bytes */
	*free = from + (use->bytes[dir] * (AXON_REF_CLOCK_HZ / 1000000) + way->mbps - 1) /
		way->mbps;
	if (use->free < *free)
		use->free = *free;
	if (use->latency[dir] < way->cycles)
		use->latency[dir] = way->cycles;
	use->bytes[dir] = 0;
}

void axon_link_move(struct axon_card *card, struct axon_link_use *use,
		    struct axon_link_lines *lines, unsigned int dir, uint32_t peer, uint64_t bytes)
{
	if (use->peer[dir] != peer) {
		if (use->peer[dir] != AXON_NO_PEER)
			take(card, use, lines, dir);
		use->peer[dir] = peer;
	}
	use->bytes[dir] += bytes;
	if (dir == AXON_LINK_OUT)
		use->wrote |= 1ull << peer;
	axon_fabric_count(card, peer, dir == AXON_LINK_OUT, bytes);
}

uint64_t axon_link_end(const struct axon_card *card, struct axon_link_use *use,
		       struct axon_link_lines *lines, uint64_t end)
{
	for (unsigned int dir = 0; dir < 2; dir++)
		if (use->peer[dir] != AXON_NO_PEER)
			take(card, use, lines, dir);
	if (end < use->free)
		end = use->free;
	return end + 2 * (uint64_t)use->latency[AXON_LINK_IN] + use->latency[AXON_LINK_OUT];
}
