// SPDX-License-Identifier: MIT
/*
 * test_forms.c - predicted all-reduces of 16 cards against closed forms, with the numbers of the
 * card's timing model and its default links. Prints the table that stands in
 * Documentation/collectives.rst, "Predicted times and closed forms".
 *
 * The forms of the literature (steps, bytes) have no cost for handing over transfers and for
 * adding; no prediction may be below them. What it must be close to is the same with those added.
 * Nothing here may be fitted: a form has published and counted quantities only.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "axon_isa.h"
#include "axon_timing.h"
#include "choose.h"

#define N		16u
#define ROUNDS		4u	/* log2(N) */
#define PERCENT		10.0

/**
 * struct rates - what the forms are made of; ns, and bytes a ns
 * @setup: of a transfer
 * @hand: a transfer handed to its queue
 * @post: a post made by a sequencer
 * @hop: on the way to a neighbour
 * @queue: a DMA queue
 * @dma: all queues of a core
 * @out: what a card sends at most: its queues' or its links' rate
 */
struct rates {
	double setup;
	double hand;
	double post;
	double hop;
	double queue;
	double dma;
	double out;
};

static struct rates rates_of(const struct axcc_topology *topo, uint32_t links)
{
	const struct axcc_way *way = NULL;
	struct rates r;

	for (uint32_t c = 1; !way; c++)
		if (axcc_topology_way(topo, 0, c)->hops == 1)
			way = axcc_topology_way(topo, 0, c);
	r.setup = axcc_cycles_ns(AXON_CYCLES_DMA_SETUP);
	r.hand = axcc_cycles_ns(AXON_CYCLES_DMA);
	r.post = axcc_cycles_ns(AXON_CYCLES_POST);
	r.hop = way->latency_ns;
	r.queue = AXON_DMA_CYCLES_DIV / axcc_cycles_ns(AXON_DMA_CYCLES_MUL);
	r.dma = r.queue * AXON_NUM_DMA_QUEUES;
	r.out = fmin(r.dma, links * way->mb_s / 1000.0);
	/* Published: 1 to 2 us from card to card, 368 GB/s a core, 128 GB/s a link. */
	assert_in_range((uintmax_t)(r.setup + r.hop), 1000, 2000);
	assert_float_equal(r.dma, 368, 1);
	assert_int_equal(way->mb_s, 128000);
	return r;
}

/**
 * struct form - times of one way to do it
 * @steps: those that follow each other, as the literature counts them
 * @whole: with what it leaves out: handing over many transfers, and adding up what was put aside
 */
struct form {
	double steps;
	double whole;
};

/* @c: bytes of a block, of N. */
static struct form ring(const struct rates *r, double c)
{
	const uint32_t steps = 2 * (N - 1);
	struct form f = { steps * (r->setup + r->hop + c / r->out) };

	f.whole = f.steps + steps * r->hand;
	return f;
}

static struct form shorter(struct form a, struct form b)
{
	return a.whole < b.whole ? a : b;
}

/*
 * What comes in half of the rounds is either put aside and added up, N - 1 blocks in all, or added
 * by the partner, who has to be told first in all of them but one.
 */
static struct form rhd(const struct rates *r, double c)
{
	struct form staged = { 2 * ROUNDS * (r->setup + r->hop) + 2 * (N - 1) * c / r->out };
	struct form direct = staged;

	staged.whole = staged.steps + 2 * ROUNDS * r->hand +
		ROUNDS * (r->setup + r->hand) + (N - 1) * c / r->dma;
	direct.whole = direct.steps + 2 * ROUNDS * r->hand + (ROUNDS - 1) * (r->post + r->hop);
	return shorter(staged, direct);
}

/* All N - 1 pushes at once, twice; N - 1 rows are added up between. */
static struct form mesh_staged(const struct rates *r, double c)
{
	struct form f = { 2 * (r->setup + r->hop) + 2 * (N - 1) * c / r->out };

	f.whole = f.steps + 2 * (N - 1) * r->hand + r->setup + r->hand + (N - 1) * c / r->dma;
	return f;
}

/* N - 1 additions of what is fetched, which has to be asked for, then N - 1 pushes. */
static struct form mesh_fused(const struct rates *r, double c)
{
	struct form f = { 2 * (r->setup + r->hop) + 2 * (N - 1) * c / r->out };

	f.whole = (N - 1) * (2 * r->setup + 3 * r->hop + 2 * r->hand) + 2 * (N - 1) * c / r->out;
	return f;
}

static struct form mesh(const struct rates *r, double c)
{
	return shorter(mesh_staged(r, c), mesh_fused(r, c));
}

static double predicted(const struct axcc_topology *topo, const char *family, uint64_t bytes,
			const char **name)
{
	struct axcc_request req = { .coll = AXCC_ALL_REDUCE, .ranks = N, .count = bytes / 4,
				    .dtype = AXON_DTYPE_FLOAT32 };
	struct axcc_choice *c = calloc(1, sizeof(*c));
	double ns;

	assert_non_null(c);
	for (uint32_t r = 0; r < N; r++)
		axcc_ranks_add(&req.in_place, r);
	assert_int_equal(axcc_choose(&req, topo, family, false, c), 0);
	assert_true(c->candidate[c->best].wanted);
	*name = axcc_algorithm_name(c->candidate[c->best].index);
	ns = axcc_cycles_ns(c->candidate[c->best].p.cycles);
	free(c);
	return ns;
}

/**
 * struct line - a line of the table
 * @family: algorithm
 * @shape: of the fabric
 * @cards: for axcc_topology_make()
 * @links: of a card
 * @form: what to compare with
 */
struct line {
	const char *family;
	const char *shape;
	uint32_t cards;
	uint32_t links;
	struct form (*form)(const struct rates *r, double c);
};

static const struct line lines[] = {
	{ "ring", "torus:4x4", 0, 4, ring },
	{ "mesh", "mesh", N, N - 1, mesh },
	{ "rhd", "torus:4x4", 0, 4, rhd },
};

static void compare(const struct line *l, uint64_t bytes)
{
	struct axcc_topology *topo;
	struct rates r;
	struct form f;
	const char *name;
	double ns, off;

	assert_int_equal(axcc_topology_make(l->shape, l->cards, 1, &topo), 0);
	r = rates_of(topo, l->links);
	f = l->form(&r, (double)bytes / N);
	ns = predicted(topo, l->family, bytes, &name);
	off = 100 * (ns / f.whole - 1);
	print_message("%-12s %-10s %7llu %12.2f %12.2f %12.2f %+8.1f %%\n", name, l->shape,
		      (unsigned long long)bytes >> 10, f.steps / 1000, f.whole / 1000, ns / 1000,
		      off);
	axcc_topology_free(topo);
	if (fabs(off) > PERCENT)
		fail_msg("%s, %llu KiB: predicted %.2f us, the form has %.2f us", name,
			 (unsigned long long)bytes >> 10, ns / 1000, f.whole / 1000);
	/* Nobody is faster than the steps themselves. */
	assert_true(ns > f.steps);
}

static void test_closed_forms(void **state)
{
	static const uint64_t sizes[] = { 64 << 10, 8 << 20, 256 << 20 };

	print_message("%-12s %-10s %7s %12s %12s %12s\n", "algorithm", "fabric", "KiB",
		      "steps (us)", "form (us)", "model (us)");
	for (uint32_t l = 0; l < sizeof(lines) / sizeof(lines[0]); l++)
		for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			compare(&lines[l], sizes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_forms),
	};

	return cmocka_run_group_tests_name("axcc_forms", tests, NULL, NULL);
}
