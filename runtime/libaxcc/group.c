// SPDX-License-Identifier: MIT
/*
 * group.c - the orders in which members of a group are neighbours. Whatever it finds, every order
 * is a permutation; a bad one is only slow. The same group on the same topology always gets the
 * same.
 */
#include "build.h"
#include "internal.h"

#define BUDGET	20000u	/* places tried before a cube takes what is nearest */

static uint32_t hops(const struct axcc_topology *t, const struct axcc_group *g, uint32_t a,
		     uint32_t b)
{
	return axcc_topology_between(t, axcc_group_rank(g, a), axcc_group_rank(g, b))->hops;
}

/* ---- rings ---- */

static uint32_t sits_on(const struct axcc_topology *t, const struct axcc_group *g, uint32_t i)
{
	return t->seat[axcc_group_rank(g, i)].card;
}

static bool on_all_cards(const struct axcc_topology *t, const struct axcc_group *g)
{
	bool used[AXCC_MAX_RANKS] = { false };
	uint32_t cards = 0;

	for (uint32_t i = 0; i < g->n; i++) {
		uint32_t card = sits_on(t, g, i);

		cards += !used[card];
		used[card] = true;
	}
	return cards == t->cards;
}

/* Cards in the order of the topology's ring, the members of a card one after the other. */
static void arrange_rings(struct axcc_group *g, const struct axcc_topology *t)
{
	g->orders.rings = on_all_cards(t, g) ? t->rings : 1;
	for (uint32_t r = 0; r < g->orders.rings; r++) {
		uint32_t n = 0;

		for (uint32_t c = 0; c < t->cards; c++)
			for (uint32_t i = 0; i < g->n; i++)
				if (sits_on(t, g, i) == t->ring[r][c])
					g->orders.ring[r][n++] = (uint16_t)i;
	}
}

/* ---- cubes ---- */

/**
 * struct cube - a search for places
 * @t: the topology
 * @g: the group
 * @bits: log2 of the members
 * @budget: places that may still be tried
 * @most: hops allowed between partners
 * @used: members that have a place
 */
struct cube {
	const struct axcc_topology *t;
	struct axcc_group *g;
	uint32_t bits;
	uint32_t budget;
	uint32_t most;
	bool used[AXCC_MAX_RANKS];
};

/* Places are filled such that the highest bit, which moves the most data, gets the nearest. */
static uint32_t place(const struct cube *c, uint32_t i)
{
	uint32_t v = 0;

	for (uint32_t k = 0; k < c->bits; k++)
		v |= (i >> k & 1) << (c->bits - 1 - k);
	return v;
}

/* The hops from @member to its partners that have a place, or too many. */
static uint32_t cost(const struct cube *c, uint32_t i, uint32_t member)
{
	uint32_t sum = 0;

	for (uint32_t k = 0; k < c->bits && i >> k; k++) {
		uint32_t h;

		if (!(i >> k & 1))
			continue;
		h = hops(c->t, c->g, c->g->orders.cube[place(c, i ^ 1u << k)], member);
		if (h > c->most)
			return UINT32_MAX;
		sum += h;
	}
	return sum;
}

static bool fill(struct cube *c, uint32_t i)
{
	uint32_t costs[AXCC_MAX_RANKS];

	if (i == c->g->n)
		return true;
	for (uint32_t m = 0; m < c->g->n; m++)
		costs[m] = c->used[m] ? UINT32_MAX : cost(c, i, m);
	for (;;) {
		uint32_t best = 0;

		for (uint32_t m = 1; m < c->g->n; m++)
			if (costs[m] < costs[best])
				best = m;
		if (costs[best] == UINT32_MAX || !c->budget)
			return false;
		c->budget--;
		c->used[best] = true;
		c->g->orders.cube[place(c, i)] = (uint16_t)best;
		if (fill(c, i + 1))
			return true;
		c->used[best] = false;
		costs[best] = UINT32_MAX;
	}
}

static void arrange_cube(struct axcc_group *g, const struct axcc_topology *t)
{
	struct cube c = { .t = t, .g = g, .budget = BUDGET, .most = 1 };

	if (g->n & (g->n - 1)) {	/* circulant: along the ring */
		for (uint32_t i = 0; i < g->n; i++)
			g->orders.cube[i] = g->orders.ring[0][i];
		return;
	}
	while (1u << c.bits < g->n)
		c.bits++;
	if (fill(&c, 0))
		return;
	c = (struct cube) { .t = t, .g = g, .bits = c.bits, .budget = BUDGET,
			    .most = AXCC_NO_WAY };
	fill(&c, 0);
}

void axcc_group_arrange(struct axcc_group *g, const struct axcc_topology *topo)
{
	arrange_rings(g, topo);
	arrange_cube(g, topo);
}
