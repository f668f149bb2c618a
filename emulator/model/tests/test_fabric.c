// SPDX-License-Identifier: MIT
/* Fabrics: shapes and topology files, ways, the registers of peers, who is up and who is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env.h"
#include "gang.h"

static struct axon_fabric *make(const char *text, uint32_t places)
{
	struct axon_fabric_config cfg = { .places = places, .uid = 0x123456789abcull };
	struct axon_fabric *f = NULL;
	char error[100] = "";

	if (axon_fabric_parse(text, &cfg, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(axon_fabric_create(&cfg, &f), 0);
	free((void *)(uintptr_t)cfg.links);
	return f;
}

/* The way from @a to @b as the places it goes through. */
static void check_way(const struct axon_fabric *f, uint32_t a, uint32_t b, const char *want)
{
	char got[200] = "";
	size_t n = 0;

	for (uint32_t at = a; at != b && n < sizeof(got) - 8; at = axon_fabric_way(f, at, b)->first)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%u ",
				      axon_fabric_way(f, at, b)->first);
	assert_string_equal(got, want);
}

static void shapes(void **state)
{
	struct axon_fabric *f = make("pair", 2);

	assert_int_equal(axon_fabric_way(f, 0, 1)->hops, 1);
	axon_fabric_destroy(f);
	f = make("ring", 6);
	check_way(f, 0, 2, "1 2 ");
	check_way(f, 0, 3, "1 2 3 ");	/* both ways are as long: 1 is lower than 5 */
	check_way(f, 1, 4, "0 5 4 ");
	check_way(f, 5, 0, "0 ");
	assert_int_equal(axon_fabric_way(f, 2, 2)->hops, 0);
	axon_fabric_destroy(f);
	f = make("torus", 16);		/* 4 x 4 */
	check_way(f, 0, 5, "1 5 ");
	check_way(f, 0, 15, "3 15 ");
	check_way(f, 0, 10, "1 2 6 10 ");
	axon_fabric_destroy(f);
	f = make("torus:2x3", 6);
	check_way(f, 0, 5, "2 5 ");
	check_way(f, 4, 0, "1 0 ");
	axon_fabric_destroy(f);
	f = make("torus", 7);		/* has no square: a ring */
	assert_int_equal(axon_fabric_way(f, 0, 3)->hops, 3);
	axon_fabric_destroy(f);
	f = make("mesh", 64);
	for (uint32_t a = 0; a < 64; a++)
		for (uint32_t b = 0; b < 64; b++)
			assert_int_equal(axon_fabric_way(f, a, b)->hops, a != b);
	axon_fabric_destroy(f);
	f = make("ring", 1);
	axon_fabric_destroy(f);
	axon_fabric_destroy(NULL);
}

/* Every way is a shortest one, and the first of them in the order of the places it goes through. */
static void ways_are_shortest(void **state)
{
	static const char *const text =
		"link 0 7\nlink 7 3\nlink 0 4\nlink 4 3\nlink 3 1\nlink 1 2\n"
		"link 2 5\nlink 5 6\nlink 6 0\n";
	struct axon_fabric *f = make(text, 8);

	check_way(f, 0, 3, "4 3 ");
	check_way(f, 3, 0, "4 0 ");
	check_way(f, 0, 2, "6 5 2 ");
	check_way(f, 0, 1, "4 3 1 ");
	for (uint32_t a = 0; a < 8; a++) {
		for (uint32_t b = 0; b < 8; b++) {
			const struct axon_way *w = axon_fabric_way(f, a, b);

			assert_int_equal(w->hops, axon_fabric_way(f, b, a)->hops);
			if (a != b)
				assert_int_equal(axon_fabric_way(f, w->first, b)->hops,
						 w->hops - 1);
			for (uint32_t c = 0; c < 8; c++)
				assert_true(w->hops + axon_fabric_way(f, b, c)->hops >=
					    axon_fabric_way(f, a, c)->hops);
		}
	}
	axon_fabric_destroy(f);
}

static void topology_file(void **state)
{
	struct axon_fabric_config cfg = { .places = 3, .lanes = 2 };
	char error[100];

	assert_int_equal(axon_fabric_parse("# three in a row\n\n link\t0 1 # first\nlink 1 2\r\n"
					   "latency-ns 750\nlanes 16\nbandwidth 46000000000\n"
					   "credits 65536", &cfg, error, sizeof(error)), 0);
	assert_int_equal(cfg.num_links, 2);
	assert_int_equal(cfg.links[1].a, 1);
	assert_int_equal(cfg.links[1].b, 2);
	assert_int_equal(cfg.latency_ns, 750);
	assert_int_equal(cfg.lanes, 2);		/* was given */
	assert_int_equal(cfg.bandwidth, 46000000000);
	assert_int_equal(cfg.credits, 65536);
	free((void *)(uintptr_t)cfg.links);
	cfg = (struct axon_fabric_config){ .places = 4 };
	assert_int_equal(axon_fabric_parse("ring\nlatency-ns 500", &cfg, NULL, 0), 0);
	assert_int_equal(cfg.num_links, 4);
	free((void *)(uintptr_t)cfg.links);
}

static void bad_text(void **state)
{
	static const struct {
		const char *text;
		uint32_t places;
		const char *error;
	} bad[] = {
		{ "pair", 3, "a pair has 2 cards, not 3" },
		{ "ring", 0, "a fabric has 1 to 64 cards, not 0" },
		{ "ring", 65, "a fabric has 1 to 64 cards, not 65" },
		{ "torus:2x2", 6, "torus:2x2 is not for 6 cards" },
		{ "torus:0x0", 6, "torus:0x0 is not for 6 cards" },
		{ "torus:3", 3, "'torus:3' is not torus:ROWSxCOLUMNS" },
		{ "torus:-1x-3", 3, "'torus:-1x-3' is not torus:ROWSxCOLUMNS" },
		{ "torus:1x3x1", 3, "'torus:1x3x1' is not torus:ROWSxCOLUMNS" },
		{ "star", 3, "'star' is no topology and no line of a topology file" },
		{ "ring 5", 5, "'ring' is no topology and no line of a topology file" },
		{ "", 2, "no links" },
		{ "# nothing\n", 2, "no links" },
		{ "link 0 1\nlink 1 2\nlink 1 x\n", 3, "line 3: link takes two cards" },
		{ "link 0 1\nlink 1\n", 3, "line 2: link takes two cards" },
		{ "link 0 1\nlink 1 -2\n", 3, "line 2: link takes two cards" },
		{ "link 0 1 2\n", 3, "line 1: too many words" },
		{ "link 0 1 2 3\n", 3, "line 1: too many words" },
		{ "lanes 1 2\n", 3, "line 1: too many words" },
		{ "link 0 3\n", 3, "line 1: no card 3, there are 3" },
		{ "\nlink 1 1\n", 3, "line 2: card 1 is linked to itself" },
		{ "link 0 1\nlink 1 0\n", 3, "line 2: cards 1 and 0 are linked already" },
		{ "link 0 1\nring\n", 3, "line 2: 'ring' after other links" },
		{ "lanes 0\n", 3, "line 1: lanes takes a number above 0" },
		{ "lanes\n", 3, "line 1: lanes takes a number above 0" },
		{ "lanes 4294967296\n", 3, "line 1: lanes takes a number above 0" },
		{ "bandwidth 99999999999999999999999\n", 3,
		  "line 1: bandwidth takes a number above 0" },
		{ "latency-ns 1us\n", 3, "line 1: latency-ns takes a number above 0" },
	};
	char error[100], wide[300];
	struct axon_fabric_config cfg;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cfg = (struct axon_fabric_config){ .places = bad[i].places };
		assert_int_equal(axon_fabric_parse(bad[i].text, &cfg, error, sizeof(error)),
				 -EINVAL);
		assert_string_equal(error, bad[i].error);
		assert_null(cfg.links);
		assert_int_equal(axon_fabric_parse(bad[i].text, &cfg, error, 5), -EINVAL);
		assert_int_equal(strlen(error), 4);
	}
	memset(wide, 'x', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = 0;
	assert_int_equal(axon_fabric_parse(wide, &cfg, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "line too long");
}

static void bad_config(void **state)
{
	static const struct axon_fabric_link links[] = { { 0, 1 }, { 1, 2 }, { 2, 2 }, { 2, 1 },
							 { 0, 3 } };
	const struct axon_fabric_config good = { .places = 3, .uid = 1, .num_links = 2,
						 .links = links };
	struct axon_fabric_config c;
	struct axon_fabric *f;

#define REFUSED(change) do { c = good; change; \
		assert_int_equal(axon_fabric_create(&c, &f), -EINVAL); } while (0)
	REFUSED(c.places = 0);
	REFUSED(c.places = 65);
	REFUSED(c.uid = 0);
	REFUSED(c.num_links = 1);	/* not connected */
	REFUSED(c.num_links = 3);	/* to itself */
	REFUSED(c.links = NULL);
	REFUSED(c.latency_ns = 99);
	REFUSED(c.latency_ns = 1000001);
	REFUSED(c.bandwidth = 999999);
	REFUSED(c.bandwidth = 1000000000000001ull);
	REFUSED(c.credits = 4095);
	REFUSED(c.credits = (1ull << 40) + 1);
	REFUSED(c.lanes = 1025);
	REFUSED((c.links = links + 3, c.num_links = 2));	/* no card 3 */
	REFUSED((c.links = (struct axon_fabric_link []){ { 0, 1 }, { 1, 2 }, { 1, 0 } },
		 c.num_links = 3));				/* twice */
#undef REFUSED
	assert_int_equal(axon_fabric_create(&good, &f), 0);
	axon_fabric_destroy(f);
}

static uint32_t peer(struct env *e, uint32_t p, uint32_t reg)
{
	return axon_card_read(e->card, AXON_REG_PEER(p, reg));
}

static void registers(void **state)
{
	struct axon_fabric *f = make("ring", 4);
	struct env *e = env_init_linked(1, f, 3);

	axon_fabric_destroy(f);		/* lives on with the card */
	assert_int_equal(axon_card_read(e->card, AXON_REG_FEATURES), AXON_FEATURE_LINKS);
	assert_int_equal(axon_card_read(e->card, AXON_REG_FABRIC_ID), 3);
	assert_int_equal(axon_card_read(e->card, AXON_REG_FABRIC_CARDS), 4);
	assert_int_equal(axon_card_read(e->card, AXON_REG_FABRIC_UID_LO), 0x56789abc);
	assert_int_equal(axon_card_read(e->card, AXON_REG_FABRIC_UID_HI), 0x1234);
	assert_int_equal(peer(e, 2, AXON_PEER_STATE), AXON_PEER_ABSENT);
	assert_int_equal(peer(e, 3, AXON_PEER_STATE), AXON_PEER_UP);
	assert_int_equal(peer(e, 2, AXON_PEER_HOPS), 1);
	assert_int_equal(peer(e, 2, AXON_PEER_LANES), 8);
	assert_int_equal(peer(e, 2, AXON_PEER_LATENCY), 1000);
	assert_int_equal(peer(e, 2, AXON_PEER_BANDWIDTH), 128000);
	assert_int_equal(peer(e, 1, AXON_PEER_HOPS), 2);
	assert_int_equal(peer(e, 1, AXON_PEER_LANES), 8);
	assert_int_equal(peer(e, 1, AXON_PEER_LATENCY), 2000);
	/* 256 KiB in 4 us */
	assert_int_equal(peer(e, 1, AXON_PEER_BANDWIDTH), 65536);
	assert_int_equal(peer(e, 3, AXON_PEER_HOPS), 0);
	assert_int_equal(peer(e, 3, AXON_PEER_BANDWIDTH), 0);
	for (uint32_t reg = AXON_PEER_ERRORS; reg <= AXON_PEER_POSTS_HI; reg += 4)
		assert_int_equal(peer(e, 0, reg), 0);
	assert_int_equal(axon_card_read(e->card, AXON_REG_ACCESS_ERROR), 0);
	assert_int_equal(peer(e, 3, 0x30), UINT32_MAX);
	assert_int_equal(axon_card_read(e->card, AXON_REG_ACCESS_ERROR),
			 AXON_REG_PEER(3, 0x30) | 1);
	axon_card_write(e->card, AXON_REG_ACCESS_ERROR, 1);
	assert_int_equal(peer(e, 4, AXON_PEER_STATE), UINT32_MAX);
	assert_int_equal(axon_card_read(e->card, AXON_REG_ACCESS_ERROR),
			 AXON_REG_PEER(4, AXON_PEER_STATE) | 1);
	env_fini(e);
	e = env_init(1);
	assert_int_equal(axon_card_read(e->card, AXON_REG_FEATURES), 0);
	assert_int_equal(axon_card_read(e->card, AXON_REG_FABRIC_ID), AXON_NO_PEER);
	assert_int_equal(axon_card_read(e->card, AXON_REG_FABRIC_CARDS), 0);
	assert_int_equal(axon_card_read(e->card, AXON_REG_FABRIC_UID_LO), 0);
	assert_int_equal(axon_card_read(e->card, AXON_REG_ACCESS_ERROR), 0);
	assert_int_equal(peer(e, 0, AXON_PEER_STATE), UINT32_MAX);
	env_fini(e);
}

static void numbers_of_ways(void **state)
{
	struct axon_fabric_config cfg = { .places = 2, .uid = 1, .latency_ns = 101,
					  .bandwidth = 5000001, .credits = 4096 };
	struct axon_fabric *f;

	assert_int_equal(axon_fabric_parse("pair", &cfg, NULL, 0), 0);
	assert_int_equal(axon_fabric_create(&cfg, &f), 0);
	assert_int_equal(axon_fabric_way(f, 0, 1)->mbps, 5);
	assert_int_equal(axon_fabric_way(f, 0, 1)->cycles, 142);	/* 141.4 */
	assert_int_equal(axon_fabric_way(f, 0, 0)->cycles, AXON_LOCAL_LATENCY);
	axon_fabric_destroy(f);
	cfg.latency_ns = 1000000;
	cfg.bandwidth = 1000000000000000ull;
	assert_int_equal(axon_fabric_create(&cfg, &f), 0);
	assert_int_equal(axon_fabric_way(f, 0, 1)->mbps, 2);	/* 4 KiB in 2 ms */
	axon_fabric_destroy(f);
	free((void *)(uintptr_t)cfg.links);
	cfg.places = 64;
	assert_int_equal(axon_fabric_parse("ring", &cfg, NULL, 0), 0);
	assert_int_equal(axon_fabric_create(&cfg, &f), 0);
	assert_int_equal(axon_fabric_way(f, 0, 32)->mbps, 1);	/* never 0 */
	assert_int_equal(axon_fabric_way(f, 0, 32)->latency_ns, 32000000);
	axon_fabric_destroy(f);
	free((void *)(uintptr_t)cfg.links);
}

static void places(void **state)
{
	struct axon_fabric *f = make("pair", 2);
	struct axon_card_config cfg = { .cores = 1, .hbm_stacks = 1, .revision = AXON_REVISION_A1,
					.hbm_size = 2 << 20, .fabric = f, .place = 2 };
	struct env *e = env_init_linked(1, f, 0);
	struct axon_card *card;

	assert_int_equal(axon_card_create(&cfg, &env_ops, e, &card), -EINVAL);
	cfg.place = 0;
	assert_int_equal(axon_card_create(&cfg, &env_ops, e, &card), -EEXIST);
	assert_int_equal(axon_fabric_state(e->card, 0), AXON_PEER_UP);
	cfg.fabric = NULL;
	cfg.place = 1;
	assert_int_equal(axon_card_create(&cfg, &env_ops, e, &card), -EINVAL);
	env_fini(e);
	e = env_init_linked(1, f, 0);
	env_fini(e);
	axon_fabric_destroy(f);
}

/* Runs @e; @told: whether it then has AXON_INT_LINK. */
static void check_told(struct env *e, bool told)
{
	uint64_t deadline;

	if (told) {
		assert_true(e->wakes > 0);
		assert_false(axon_card_prepare_sleep(e->card, &deadline));
	}
	assert_false(axon_card_run(e->card));
	assert_true(axon_card_prepare_sleep(e->card, &deadline));
	assert_int_equal(axon_card_read(e->card, AXON_REG_INT_STATUS), told ? AXON_INT_LINK : 0);
	assert_int_equal(e->irqs[0], told ? 1 : 0);
	axon_card_write(e->card, AXON_REG_INT_STATUS, UINT32_MAX);
	e->wakes = 0;
	e->irqs[0] = 0;
}

static void who_is_told(void **state)
{
	struct axon_fabric *f = make("ring", 3);
	struct env *a = env_init_linked(1, f, 0), *b, *c;

	axon_card_write(a->card, AXON_REG_INT_MASK, AXON_INT_LINK);
	check_told(a, false);
	b = env_init_linked(1, f, 1);
	axon_card_write(b->card, AXON_REG_INT_MASK, AXON_INT_LINK);
	check_told(a, true);
	check_told(b, false);
	assert_int_equal(peer(a, 1, AXON_PEER_STATE), AXON_PEER_UP);
	c = env_init_linked(1, f, 2);
	check_told(a, true);
	check_told(b, true);
	/* Links of b go down: for the others it is, for b they are. */
	assert_int_equal(axon_card_set(b->card, AXON_KNOB_LINK_DOWN, 2), -EINVAL);
	assert_int_equal(axon_card_set(b->card, AXON_KNOB_LINK_DOWN, -1), -EINVAL);
	check_told(a, false);
	assert_int_equal(axon_card_set(b->card, AXON_KNOB_LINK_DOWN, 1), 0);
	check_told(a, true);
	check_told(b, true);
	assert_int_equal(peer(a, 1, AXON_PEER_STATE), AXON_PEER_DOWN);
	assert_int_equal(peer(a, 2, AXON_PEER_STATE), AXON_PEER_UP);
	assert_int_equal(peer(b, 0, AXON_PEER_STATE), AXON_PEER_DOWN);
	assert_int_equal(peer(b, 1, AXON_PEER_STATE), AXON_PEER_DOWN);
	assert_int_equal(axon_card_set(b->card, AXON_KNOB_LINK_DOWN, 1), 0);
	check_told(a, false);
	/* A reset does not set the knob back. */
	axon_card_reset(b->card);
	axon_card_write(b->card, AXON_REG_INT_MASK, AXON_INT_LINK);
	check_told(a, true);
	assert_int_equal(peer(a, 1, AXON_PEER_STATE), AXON_PEER_DOWN);
	assert_int_equal(axon_card_set(b->card, AXON_KNOB_LINK_DOWN, 0), 0);
	check_told(a, true);
	check_told(b, true);
	assert_int_equal(peer(a, 1, AXON_PEER_STATE), AXON_PEER_UP);
	assert_int_equal(peer(b, 0, AXON_PEER_STATE), AXON_PEER_UP);
	axon_card_write(c->card, AXON_REG_RESET, AXON_RESET_CARD);
	axon_card_run(c->card);
	check_told(a, true);
	assert_int_equal(peer(a, 2, AXON_PEER_STATE), AXON_PEER_UP);
	env_fini(b);
	check_told(a, true);
	assert_int_equal(peer(a, 1, AXON_PEER_STATE), AXON_PEER_ABSENT);
	env_fini(c);
	env_fini(a);
	axon_fabric_destroy(f);
}

/* One gang after the other, each larger than the last, then smaller: all in the same memory. */
static void gangs_are_used_again(void **state)
{
	struct axon_fabric *f = make("pair", 2);
	struct env *e = env_init_linked(1, f, 0);
	struct axon_gang *first = NULL;

	for (uint32_t i = 1; i < 2 * AXON_MAX_RANKS; i++) {
		const struct axon_gang_name name = {
			.ranks = i <= AXON_MAX_RANKS ? i : 2 * AXON_MAX_RANKS - i,
		};
		struct axon_gang *g;

		assert_int_equal(axon_gang_join(e->card, 0, &name, &g), 0);
		if (!first)
			first = g;
		assert_ptr_equal(g, first);
		axon_gang_leave(g, 0, true);
	}
	env_fini(e);
	axon_fabric_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),
		cmocka_unit_test(ways_are_shortest),
		cmocka_unit_test(topology_file),
		cmocka_unit_test(bad_text),
		cmocka_unit_test(bad_config),
		cmocka_unit_test(registers),
		cmocka_unit_test(numbers_of_ways),
		cmocka_unit_test(places),
		cmocka_unit_test(who_is_told),
		cmocka_unit_test(gangs_are_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
