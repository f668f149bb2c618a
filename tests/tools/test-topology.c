// SPDX-License-Identifier: MIT
/*
 * test-topology.c - what axon-ls --topology draws, for fabrics made up here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "axon_hw.h"
#include "print.h"

static uint32_t distance_ring(uint32_t a, uint32_t b, uint32_t n)
{
	uint32_t d = a > b ? a - b : b - a;

	return d < n - d ? d : n - d;
}

static uint32_t distance_line(uint32_t a, uint32_t b, uint32_t n)
{
	return a > b ? a - b : b - a;
}

static uint32_t distance_mesh(uint32_t a, uint32_t b, uint32_t n)
{
	return 1;
}

static uint32_t distance_torus44(uint32_t a, uint32_t b, uint32_t n)
{
	return distance_ring(a % 4, b % 4, 4) + distance_ring(a / 4, b / 4, 4);
}

static uint32_t distance_torus23(uint32_t a, uint32_t b, uint32_t n)
{
	return distance_ring(a % 3, b % 3, 3) + distance_ring(a / 3, b / 3, 2);
}

/* Adds the first @n cards of a fabric of @places to a reading. */
static void add_fabric(struct collect_reading *r, uint64_t uid, uint32_t n, uint32_t places,
		       uint32_t (*distance)(uint32_t a, uint32_t b, uint32_t n))
{
	for (uint32_t a = 0; a < n; a++) {
		struct collect_card *c = collect_grow((void **)&r->cards, &r->n_cards, sizeof(*c));

		c->index = r->n_cards - 1;
		c->valid = COLLECT_DEVICE | COLLECT_LINKS;
		c->device.fabric_uid = uid;
		c->device.fabric_id = a;
		c->device.fabric_cards = places;
		c->links = calloc(places, sizeof(*c->links));
		for (uint32_t b = 0; b < places; b++)
			if (a != b)
				c->links[c->n_links++] = (struct drm_axon_link) {
					.peer = b,
					.state = b < n ? AXON_PEER_UP : AXON_PEER_ABSENT,
					.lanes = 8,
					.distance = distance(a, b, places),
					.bandwidth = 128000000000,
					.latency_ns = 1000,
				};
	}
}

static char *drawn(struct collect_reading *r)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(ls_print_topology(out, r), 0);
	fclose(out);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\n%s\nlacks\n%s", text, part);
}

static void check(struct collect_reading *r, const char *const parts[])
{
	char *text = drawn(r);

	for (; *parts; parts++)
		assert_has(text, *parts);
	free(text);
	collect_free(r);
}

static void test_pair(void **state)
{
	struct collect_reading r = { 0 };

	add_fabric(&r, 5, 2, 2, distance_ring);
	check(&r, (const char *const[]) {
		"Topology: pair\n\n     [  0]<--->[  1]\n",
		"A link: 8 lanes, 128.0 GB/s each way, 1.00 us\n",
		"Hops       0   1\n       0   0   1\n       1   1   0\n", NULL });
}

static void test_torus(void **state)
{
	struct collect_reading r = { 0 };

	add_fabric(&r, 5, 16, 16, distance_torus44);
	check(&r, (const char *const[]) {
		"torus of 4 x 4\n\n"
		"       *         *         *         *\n"
		"       |         |         |         |\n"
		"       v         v         v         v\n"
		"*--->[  0]<--->[  1]<--->[  2]<--->[  3]<---*\n"
		"       ^         ^         ^         ^\n"
		"       |         |         |         |\n"
		"       v         v         v         v\n"
		"*--->[  4]<--->[  5]<--->[  6]<--->[  7]<---*\n",
		"*--->[ 12]<--->[ 13]<--->[ 14]<--->[ 15]<---*\n"
		"       ^         ^         ^         ^\n"
		"       |         |         |         |\n"
		"       *         *         *         *\n", NULL });
	/* Two rows are not linked the other way round once more. */
	add_fabric(&r, 5, 6, 6, distance_torus23);
	check(&r, (const char *const[]) {
		"torus of 2 x 3\n\n"
		"*--->[  0]<--->[  1]<--->[  2]<---*\n"
		"       ^         ^         ^\n"
		"       |         |         |\n"
		"       v         v         v\n"
		"*--->[  3]<--->[  4]<--->[  5]<---*\n\n*: goes on", NULL });
}

static void test_ring_and_mesh(void **state)
{
	struct collect_reading r = { 0 };

	add_fabric(&r, 5, 10, 10, distance_ring);
	check(&r, (const char *const[]) {
		"ring of 10\n\n*--->[  0]<--->[  1]<--->",
		"[  7]<--->\n<--->[  8]<--->[  9]<---*\n", NULL });
	add_fabric(&r, 5, 4, 4, distance_mesh);
	check(&r, (const char *const[]) { "mesh of 4: ", " [  0] [  1] [  2] [  3]\n", NULL });
}

/* A place without a card, a link that is down, what has no name. */
static void test_list(void **state)
{
	struct collect_reading r = { 0 };
	uint32_t i;

	add_fabric(&r, 5, 3, 4, distance_line);
	r.cards[1].links[0].state = AXON_PEER_DOWN;
	r.cards[2].links[1].errors = 7;
	check(&r, (const char *const[]) {
		"3 cards in a fabric of 4 places\n\n     [  0]<--->[  1]\n"
		"     [  1]<--->[  0] [  2]\n     [  2]<--->[  1]\n",
		"card 1 cannot reach card 0: link down\n",
		"card 2 to card 1: 7 accesses failed\n", NULL });
	/* One link too many, or too few, and it is no ring. */
	for (i = 0; i < 2; i++) {
		add_fabric(&r, 5, 6, 6, distance_ring);
		r.cards[3].links[i ? 0 : 2].distance = i ? 1 : 2;
		check(&r, (const char *const[]) { "Topology: 6 cards\n", NULL });
	}
}

static void test_several_fabrics(void **state)
{
	struct collect_reading r = { 0 };
	const struct collect_card *c;

	add_fabric(&r, 5, 2, 2, distance_ring);
	add_fabric(&r, 6, 2, 2, distance_ring);
	c = collect_grow((void **)&r.cards, &r.n_cards, sizeof(*r.cards));
	assert_non_null(c);
	r.cards[4].index = 4;
	r.cards[4].valid = COLLECT_DEVICE | COLLECT_LINKS;
	assert_ptr_equal(ls_peer(&r, &r.cards[3], 0), &r.cards[2]);
	assert_null(ls_peer(&r, &r.cards[3], 2));
	assert_null(ls_peer(&r, &r.cards[4], 0));
	check(&r, (const char *const[]) {
		"     [  0]<--->[  1]\n", "     [  2]<--->[  3]\n",
		"card 4 has no links\n", NULL });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_torus),
		cmocka_unit_test(test_ring_and_mesh),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_several_fabrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
