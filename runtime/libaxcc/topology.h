/* SPDX-License-Identifier: MIT */
/*
 * topology.h - where the ranks of a communicator sit and what the ways between their cards cost.
 *
 * Plain data, filled in from what the cards say or made up for a what-if. It must never hold
 * anything of a card that could change while a schedule is in use.
 */
#ifndef AXON_LIBAXCC_TOPOLOGY_H
#define AXON_LIBAXCC_TOPOLOGY_H

#include "axcc/axcc.h"

#define AXCC_NO_WAY	0xffffu		/* &axcc_way.hops: the cards cannot reach each other */
#define AXCC_MAX_RINGS	2u

/**
 * struct axcc_way - the way from a card to another
 * @mb_s: bandwidth in one direction, 10^6 bytes a second
 * @latency_ns: one way
 * @hops: links on the way; 0: the card itself; AXCC_NO_WAY
 * @link: the first link of the way, by the card it leads to: ways of one card with the same @link
 *	share that link. One that leads to a card without ranks has a number from
 *	&axcc_topology.cards on. Set by axcc_topology_finish()
 */
struct axcc_way {
	uint32_t mb_s;
	uint32_t latency_ns;
	uint16_t hops;
	uint16_t link;
};

/**
 * struct axcc_seat - where a rank sits
 * @card: index of its card in the topology
 * @host: number of its host
 */
struct axcc_seat {
	uint16_t card;
	uint16_t host;
};

/**
 * struct axcc_topology - ranks, cards and the ways between the cards
 * @ranks: how many
 * @cards: how many
 * @rings: rings through all cards that were found, at least one
 * @ring: cards in the order of each ring; rings share no link
 * @seat: of each rank
 * @way: @cards * @cards of them, from card a to card b at [a * @cards + b]
 */
struct axcc_topology {
	uint32_t ranks;
	uint32_t cards;
	uint32_t rings;
	uint16_t ring[AXCC_MAX_RINGS][AXCC_MAX_RANKS];
	struct axcc_seat seat[AXCC_MAX_RANKS];
	struct axcc_way *way;
};

/**
 * axcc_topology_create() - @ranks ranks on @cards cards that cannot reach each other yet
 *
 * Every rank sits on card rank % @cards, of host 0; the caller changes seats and ways, then calls
 * axcc_topology_finish(). Cards of a fabric must be in the order of their places in it, since that
 * decides which of several shortest ways is taken.
 *
 * Return: 0, -EINVAL (a number is 0 or above AXCC_MAX_RANKS), -ENOMEM.
 */
int axcc_topology_create(uint32_t ranks, uint32_t cards, struct axcc_topology **topology);

/** axcc_topology_free() - NULL does nothing */
void axcc_topology_free(struct axcc_topology *topology);

/**
 * axcc_topology_finish() - first links and rings, when all seats and ways are set
 *
 * Return: 0 or -EINVAL (a seat on no card, a way without bandwidth, or one that differs in hops
 * from its way back).
 */
int axcc_topology_finish(struct axcc_topology *topology);

/* axcc_topology_find_rings() - sets @rings and @ring; a part of axcc_topology_finish() */
void axcc_topology_find_rings(struct axcc_topology *topology);

/**
 * axcc_topology_make() - a topology made up
 * @shape: "pair", "ring", "mesh" (a link between any two), "torus:WxH", "line"
 * @cards: how many; of a torus 0 or W * H
 * @cores: ranks on each card; the ranks of a card follow each other
 * @topology: result, finished; links are those of the cards' defaults (hardware.rst, "Links")
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int axcc_topology_make(const char *shape, uint32_t cards, uint32_t cores,
		       struct axcc_topology **topology);

static inline const struct axcc_way *axcc_topology_way(const struct axcc_topology *t, uint32_t a,
							uint32_t b)
{
	return &t->way[(size_t)a * t->cards + b];
}

/** axcc_topology_between() - the way from rank @a to rank @b */
static inline const struct axcc_way *axcc_topology_between(const struct axcc_topology *t,
							    uint32_t a, uint32_t b)
{
	return axcc_topology_way(t, t->seat[a].card, t->seat[b].card);
}

#endif /* AXON_LIBAXCC_TOPOLOGY_H */
