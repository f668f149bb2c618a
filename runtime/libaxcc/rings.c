// SPDX-License-Identifier: MIT
/*
 * rings.c - rings through all cards of a topology: cycles over neighbours, if possible two that
 * share no link. The search is bounded and always finds the same.
 */
#include <string.h>

#include "internal.h"
#include "topology.h"

/* Cards looked at before the search gives up; a torus of 16 needs some hundred. */
#define BUDGET	50000u
#define WORDS	(AXCC_MAX_RANKS / 64)

/**
 * struct search - one search for a cycle
 * @t: where
 * @second: a second ring is looked for with every cycle found
 * @budget: cards that may still be looked at
 * @near: neighbours of each card over links that may be used
 * @left: cards that are not on the path
 * @path: cards so far
 */
struct search {
	struct axcc_topology *t;
	bool second;
	uint32_t *budget;
	uint64_t near[AXCC_MAX_RANKS][WORDS];
	uint64_t left[WORDS];
	uint16_t path[AXCC_MAX_RANKS];
};

static bool has(const uint64_t *set, uint32_t card)
{
	return set[card / 64] >> (card % 64) & 1;
}

static void flip(uint64_t *set, uint32_t card)
{
	set[card / 64] ^= 1ull << (card % 64);
}

static uint32_t ways_out(const struct search *s, uint32_t card)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < WORDS; w++)
		n += (uint32_t)__builtin_popcountll(s->near[card][w] & s->left[w]);
	return n;
}

static void start(struct search *s)
{
	memset(s->left, 0, sizeof(s->left));
	for (uint32_t c = 1; c < s->t->cards; c++)
		flip(s->left, c);
	s->path[0] = 0;
}

static bool find(struct search *s, uint32_t len);

/* The path goes through all cards. Can it be closed, and is there another without its links? */
static bool closed(struct search *s)
{
	struct axcc_topology *t = s->t;
	struct search other = { .t = t, .budget = s->budget };
	uint32_t n = t->cards;

	if (!has(s->near[s->path[n - 1]], s->path[0]))
		return false;
	if (!s->second)
		return true;
	if (!t->rings) {	/* better than none */
		memcpy(t->ring[0], s->path, sizeof(s->path));
		t->rings = 1;
	}
	memcpy(other.near, s->near, sizeof(other.near));
	for (uint32_t i = 0; i < n; i++) {
		flip(other.near[s->path[i]], s->path[(i + 1) % n]);
		flip(other.near[s->path[(i + 1) % n]], s->path[i]);
	}
	start(&other);
	if (!find(&other, 1))
		return false;
	memcpy(t->ring[0], s->path, sizeof(s->path));
	memcpy(t->ring[1], other.path, sizeof(other.path));
	t->rings = 2;
	return true;
}

/* Goes on to the cards with the fewest ways out first, or it would get stuck late. */
static bool find(struct search *s, uint32_t len)
{
	uint32_t n = s->t->cards;
	const uint64_t *near = s->near[s->path[len - 1]];
	uint8_t out[AXCC_MAX_RANKS];

	if (len == n)
		return closed(s);
	for (uint32_t c = 0; c < n; c++)
		out[c] = has(near, c) && has(s->left, c) ? (uint8_t)ways_out(s, c) : 0xff;
	for (uint32_t want = 0; want < n; want++) {
		for (uint32_t c = 0; c < n; c++) {
			if (out[c] != want)
				continue;
			if (!*s->budget)
				return false;
			--*s->budget;
			flip(s->left, c);
			s->path[len] = (uint16_t)c;
			if (find(s, len + 1))
				return true;
			flip(s->left, c);
		}
	}
	return false;
}

/* No cycle over neighbours: always on to the nearest card. */
static void nearest(struct axcc_topology *t)
{
	bool used[AXCC_MAX_RANKS] = { true };

	t->rings = 1;
	t->ring[0][0] = 0;
	for (uint32_t i = 1; i < t->cards; i++) {
		uint32_t at = t->ring[0][i - 1], best = t->cards;

		for (uint32_t c = 0; c < t->cards; c++)
			if (!used[c] && (best == t->cards ||
					 axcc_topology_way(t, at, c)->hops <
					 axcc_topology_way(t, at, best)->hops))
				best = c;
		used[best] = true;
		t->ring[0][i] = (uint16_t)best;
	}
}

void axcc_topology_find_rings(struct axcc_topology *t)
{
	uint32_t budget = BUDGET;
	struct search s = { .t = t, .second = true, .budget = &budget };

	t->rings = 0;
	if (t->cards > 2) {
		for (uint32_t a = 0; a < t->cards; a++)
			for (uint32_t b = 0; b < t->cards; b++)
				if (axcc_topology_way(t, a, b)->hops == 1)
					flip(s.near[a], b);
		start(&s);
		find(&s, 1);
	}
	if (!t->rings)
		nearest(t);
}
