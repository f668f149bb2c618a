// SPDX-License-Identifier: MIT
/*
 * topology.c - ways, first links, and topologies made up. It must not know of cards: what is asked
 * of them is put in by others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axon_timing.h"
#include "internal.h"
#include "topology.h"

int axcc_topology_create(uint32_t ranks, uint32_t cards, struct axcc_topology **topology)
{
	struct axcc_topology *t;

	if (!ranks || ranks > AXCC_MAX_RANKS || !cards || cards > AXCC_MAX_RANKS)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->way = calloc((size_t)cards * cards, sizeof(*t->way));
	if (!t->way) {
		free(t);
		return -ENOMEM;
	}
	t->ranks = ranks;
	t->cards = cards;
	for (uint32_t r = 0; r < ranks; r++)
		t->seat[r].card = (uint16_t)(r % cards);
	for (size_t w = 0; w < (size_t)cards * cards; w++)
		t->way[w] = (struct axcc_way) { .hops = AXCC_NO_WAY };
	for (uint32_t c = 0; c < cards; c++)
		t->way[(size_t)c * cards + c].hops = 0;
	*topology = t;
	return 0;
}

void axcc_topology_free(struct axcc_topology *t)
{
	if (!t)
		return;
	free(t->way);
	free(t);
}

/* As the card chooses: a neighbour one link nearer to the target, of several the lowest. */
static uint16_t first_link(const struct axcc_topology *t, uint32_t from, uint32_t to)
{
	uint32_t hops = axcc_topology_way(t, from, to)->hops;

	for (uint32_t c = 0; c < t->cards; c++)
		if (axcc_topology_way(t, from, c)->hops == 1 &&
		    axcc_topology_way(t, c, to)->hops == hops - 1)
			return (uint16_t)c;
	return (uint16_t)(t->cards + to);
}

static int check(const struct axcc_topology *t)
{
	for (uint32_t r = 0; r < t->ranks; r++)
		if (t->seat[r].card >= t->cards)
			return -EINVAL;
	for (uint32_t a = 0; a < t->cards; a++) {
		for (uint32_t b = 0; b < t->cards; b++) {
			const struct axcc_way *w = axcc_topology_way(t, a, b);

			if (!w->hops != (a == b) || w->hops != axcc_topology_way(t, b, a)->hops)
				return -EINVAL;
			if (w->hops && w->hops != AXCC_NO_WAY && !w->mb_s)
				return -EINVAL;
		}
	}
	return 0;
}

int axcc_topology_finish(struct axcc_topology *t)
{
	int err = check(t);

	if (err)
		return err;
	for (uint32_t a = 0; a < t->cards; a++) {
		for (uint32_t b = 0; b < t->cards; b++) {
			struct axcc_way *w = &t->way[(size_t)a * t->cards + b];

			if (w->hops && w->hops != AXCC_NO_WAY)
				w->link = first_link(t, a, b);
		}
	}
	axcc_topology_find_rings(t);
	return 0;
}

/* ---- made up ---- */

/* Credits come back after the way there and back, so long ways are slow. */
static void set_cost(struct axcc_way *w)
{
	uint64_t allowed;

	w->latency_ns = AXON_LINK_DEFAULT_LATENCY_NS * w->hops;
	allowed = AXON_LINK_DEFAULT_CREDITS * 1000ull / (2 * w->latency_ns);
	w->mb_s = allowed < AXON_LINK_DEFAULT_MB_S ? (uint32_t)allowed : AXON_LINK_DEFAULT_MB_S;
}

static void join(struct axcc_topology *t, uint32_t a, uint32_t b)
{
	struct axcc_way w = { .hops = 1 };

	if (a == b)
		return;
	set_cost(&w);
	t->way[(size_t)a * t->cards + b] = w;
	t->way[(size_t)b * t->cards + a] = w;
}

/* Shortest ways over the links there are, all of which are alike. */
static void spread(struct axcc_topology *t)
{
	for (uint32_t k = 0; k < t->cards; k++) {
		for (uint32_t a = 0; a < t->cards; a++) {
			const struct axcc_way *ak = axcc_topology_way(t, a, k);

			for (uint32_t b = 0; b < t->cards; b++) {
				const struct axcc_way *kb = axcc_topology_way(t, k, b);
				struct axcc_way *ab = &t->way[(size_t)a * t->cards + b];

				if (ak->hops == AXCC_NO_WAY || kb->hops == AXCC_NO_WAY ||
				    ak->hops + kb->hops >= ab->hops)
					continue;
				ab->hops = (uint16_t)(ak->hops + kb->hops);
				set_cost(ab);
			}
		}
	}
}

static void join_torus(struct axcc_topology *t, uint32_t w, uint32_t h)
{
	for (uint32_t y = 0; y < h; y++) {
		for (uint32_t x = 0; x < w; x++) {
			join(t, y * w + x, y * w + (x + 1) % w);
			join(t, y * w + x, (y + 1) % h * w + x);
		}
	}
}

static void join_all(struct axcc_topology *t)
{
	for (uint32_t a = 0; a < t->cards; a++)
		for (uint32_t b = a + 1; b < t->cards; b++)
			join(t, a, b);
}

static void join_line(struct axcc_topology *t, bool closed)
{
	for (uint32_t a = 0; a + 1 < t->cards; a++)
		join(t, a, a + 1);
	if (closed)
		join(t, t->cards - 1, 0);
}

int axcc_topology_make(const char *shape, uint32_t cards, uint32_t cores,
		       struct axcc_topology **topology)
{
	struct axcc_topology *t;
	unsigned int w = 0, h = 0;
	char rest;
	int err;

	if (!shape)
		return -EINVAL;
	if (sscanf(shape, "torus:%3ux%3u%c", &w, &h, &rest) == 2) {
		if (!w || !h || (cards && cards != w * h))
			return -EINVAL;
		cards = w * h;
	} else if (!strcmp(shape, "pair")) {
		if (cards && cards != 2)
			return -EINVAL;
		cards = 2;
	} else if (strcmp(shape, "ring") && strcmp(shape, "mesh") && strcmp(shape, "line")) {
		return -EINVAL;
	}
	if (!cores || cores > AXCC_MAX_RANKS || cards > AXCC_MAX_RANKS)
		return -EINVAL;
	err = axcc_topology_create(cards * cores, cards, &t);
	if (err)
		return err;
	for (uint32_t r = 0; r < t->ranks; r++)
		t->seat[r].card = (uint16_t)(r / cores);
	if (w)
		join_torus(t, w, h);
	else if (!strcmp(shape, "mesh"))
		join_all(t);
	else
		join_line(t, !strcmp(shape, "ring"));
	spread(t);
	err = axcc_topology_finish(t);
	if (err) {
		axcc_topology_free(t);
		return err;
	}
	*topology = t;
	return 0;
}
