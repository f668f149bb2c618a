// SPDX-License-Identifier: MIT
/*
 * test_topology.c - topologies made up and put together: ways, first links, rings, and what is
 * none.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "axon_timing.h"
#include "topology.h"

static struct axcc_topology *make(const char *shape, uint32_t cards, uint32_t cores)
{
	struct axcc_topology *t;

	assert_int_equal(axcc_topology_make(shape, cards, cores, &t), 0);
	return t;
}

/* Shortest way between two cards of a shape, counted again. */
static uint32_t distance(const char *shape, uint32_t n, uint32_t w, uint32_t a, uint32_t b)
{
	uint32_t d = a > b ? a - b : b - a;

	if (!strcmp(shape, "mesh") || a == b)
		return a != b;
	if (!strcmp(shape, "line"))
		return d;
	if (!strcmp(shape, "ring"))
		return d < n - d ? d : n - d;
	return distance("ring", w, 0, a % w, b % w) + distance("ring", n / w, 0, a / w, b / w);
}

static void check_ways(const char *shape, uint32_t n, uint32_t w)
{
	struct axcc_topology *t = make(shape, w ? 0 : n, 1);

	assert_int_equal(t->cards, n);
	assert_int_equal(t->ranks, n);
	for (uint32_t a = 0; a < n; a++) {
		for (uint32_t b = 0; b < n; b++) {
			const struct axcc_way *way = axcc_topology_way(t, a, b);
			uint32_t hops = distance(w ? "torus" : shape, n, w, a, b);
			uint64_t credit;

			assert_int_equal(way->hops, hops);
			if (!hops)
				continue;
			assert_int_equal(way->latency_ns, hops * AXON_LINK_DEFAULT_LATENCY_NS);
			/* No more is under way than there are credits for. */
			credit = AXON_LINK_DEFAULT_CREDITS * 1000ull / (2 * way->latency_ns);
			assert_int_equal(way->mb_s, credit < AXON_LINK_DEFAULT_MB_S ? credit :
					 AXON_LINK_DEFAULT_MB_S);
			/* The first link leads to a neighbour that is nearer, the lowest such. */
			assert_int_equal(axcc_topology_way(t, a, way->link)->hops, 1);
			assert_int_equal(axcc_topology_way(t, way->link, b)->hops, hops - 1);
			for (uint32_t c = 0; c < way->link; c++)
				assert_false(axcc_topology_way(t, a, c)->hops == 1 &&
					     axcc_topology_way(t, c, b)->hops == hops - 1);
		}
	}
	axcc_topology_free(t);
}

static void test_ways(void **state)
{
	check_ways("mesh", 5, 0);
	check_ways("line", 7, 0);
	check_ways("ring", 3, 0);
	check_ways("ring", 16, 0);
	check_ways("torus:4x4", 16, 4);
	check_ways("torus:3x5", 15, 3);
	check_ways("torus:2x3", 6, 2);
}

/* @links: of each card pair, how often some ring goes over it. */
static void walk(const struct axcc_topology *t, uint32_t ring, uint8_t *links)
{
	bool seen[AXCC_MAX_RANKS] = { false };

	for (uint32_t i = 0; i < t->cards; i++) {
		uint32_t a = t->ring[ring][i], b = t->ring[ring][(i + 1) % t->cards];

		assert_in_range(a, 0, t->cards - 1);
		assert_false(seen[a]);
		seen[a] = true;
		links[a * t->cards + b]++;
		links[b * t->cards + a]++;
	}
}

static void check_rings(const char *shape, uint32_t cards, uint32_t rings, bool neighbours)
{
	struct axcc_topology *t = make(shape, cards, 1);
	uint8_t *links = calloc(t->cards, t->cards);

	assert_non_null(links);
	assert_int_equal(t->rings, rings);
	for (uint32_t r = 0; r < t->rings; r++)
		walk(t, r, links);
	for (uint32_t a = 0; a < t->cards; a++) {
		for (uint32_t b = 0; b < t->cards && a != b; b++) {
			if (neighbours && links[a * t->cards + b])
				assert_int_equal(axcc_topology_way(t, a, b)->hops, 1);
			/* Two cards have one link, which a ring of two takes there and back. */
			if (t->cards > 2)
				assert_true(links[a * t->cards + b] <= 1);
		}
	}
	free(links);
	axcc_topology_free(t);
}

static void test_rings(void **state)
{
	check_rings("line", 1, 1, true);
	check_rings("pair", 0, 1, true);
	check_rings("ring", 16, 1, true);
	check_rings("torus:4x4", 0, 2, true);
	check_rings("line", 6, 1, false);
}

/* Ranks of a card follow each other; between them there is no link. */
static void test_cores(void **state)
{
	struct axcc_topology *t = make("ring", 4, 2);

	assert_int_equal(t->ranks, 8);
	assert_int_equal(t->cards, 4);
	for (uint32_t r = 0; r < 8; r++)
		assert_int_equal(t->seat[r].card, r / 2);
	assert_int_equal(axcc_topology_between(t, 0, 1)->hops, 0);
	assert_int_equal(axcc_topology_between(t, 1, 2)->hops, 1);
	assert_int_equal(axcc_topology_between(t, 0, 5)->hops, 2);
	axcc_topology_free(t);
}

static void refused(const char *shape, uint32_t cards, uint32_t cores)
{
	struct axcc_topology *t;

	assert_int_equal(axcc_topology_make(shape, cards, cores, &t), -EINVAL);
}

static void test_no_shapes(void **state)
{
	refused(NULL, 4, 1);
	refused("", 4, 1);
	refused("star", 4, 1);
	refused("ring", 0, 1);
	refused("ring", AXCC_MAX_RANKS + 1, 1);
	refused("ring", 4, 0);
	refused("ring", AXCC_MAX_RANKS, 2);
	refused("mesh", UINT32_MAX, UINT32_MAX);
	refused("pair", 3, 1);
	refused("torus:4x4", 15, 1);
	refused("torus:0x4", 0, 1);
	refused("torus:4x", 0, 1);
	refused("torus:4x4x4", 0, 1);
	refused("torus:999x999", 0, 1);
}

/* What is put in by hand is checked before it is believed. */
static void test_finish(void **state)
{
	struct axcc_topology *t;

	assert_int_equal(axcc_topology_create(0, 1, &t), -EINVAL);
	assert_int_equal(axcc_topology_create(1, 0, &t), -EINVAL);
	assert_int_equal(axcc_topology_create(AXCC_MAX_RANKS + 1, 1, &t), -EINVAL);
	assert_int_equal(axcc_topology_create(2, 2, &t), 0);
	t->seat[1].card = 2;
	assert_int_equal(axcc_topology_finish(t), -EINVAL);
	t->seat[1].card = 1;
	assert_int_equal(axcc_topology_finish(t), 0);
	t->way[1] = (struct axcc_way) { .mb_s = 1, .latency_ns = 1, .hops = 1 };
	assert_int_equal(axcc_topology_finish(t), -EINVAL);	/* there, but not back */
	t->way[2] = t->way[1];
	t->way[2].mb_s = 0;
	assert_int_equal(axcc_topology_finish(t), -EINVAL);
	t->way[2].mb_s = 1;
	assert_int_equal(axcc_topology_finish(t), 0);
	t->way[0].hops = 1;
	assert_int_equal(axcc_topology_finish(t), -EINVAL);
	axcc_topology_free(t);
	axcc_topology_free(NULL);
}

/* The way leads over a card on which no rank sits: the link has a number that is nobody's. */
static void test_over_others(void **state)
{
	const struct axcc_way two = { .mb_s = 1000, .latency_ns = 2000, .hops = 2 };
	struct axcc_topology *t;

	assert_int_equal(axcc_topology_create(2, 2, &t), 0);
	t->way[1] = t->way[2] = two;
	assert_int_equal(axcc_topology_finish(t), 0);
	assert_true(t->way[1].link >= t->cards);
	assert_int_equal(t->rings, 1);
	axcc_topology_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_rings),
		cmocka_unit_test(test_cores),
		cmocka_unit_test(test_no_shapes),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_over_others),
	};

	return cmocka_run_group_tests_name("axcc_topology", tests, NULL, NULL);
}
