// SPDX-License-Identifier: MIT
/*
 * ways.c - what the cards of some ranks look like to the pure half, and its schedule for them. What
 * is chosen, and how schedules are made, is decided there.
 */
#include <errno.h>
#include <stdlib.h>

#include "choose.h"
#include "internal.h"
#include "verify.h"

/* In the order of places, which decides what way is taken. */
static int by_place(const void *a, const void *b)
{
	const struct cc_seat *const *x = a, *const *y = b;
	uint32_t i = (*x)->info.fabric_id, j = (*y)->info.fabric_id;

	return i < j ? -1 : i > j;
}

/* The ranks' cards, each once; @card: a seat on each. Return: how many. */
static uint32_t list_cards(const struct cc_seat *const *seat, uint32_t ranks,
			   const struct cc_seat **card)
{
	uint32_t cards = 0, r, c;

	for (r = 0; r < ranks; r++) {
		for (c = 0; c < cards && !cc_same_card(card[c], seat[r]); c++)
			;
		if (c == cards)
			card[cards++] = seat[r];
	}
	qsort(card, cards, sizeof(*card), by_place);
	return cards;
}

static uint16_t card_of(const struct cc_seat *const *card, const struct cc_seat *seat)
{
	uint16_t c = 0;

	while (!cc_same_card(card[c], seat))
		c++;
	return c;
}

static void set_ways(struct axcc_topology *t, const struct cc_seat *const *card)
{
	uint32_t a, b;

	for (a = 0; a < t->cards; a++)
		for (b = 0; b < t->cards; b++) {
			const struct cc_seat *from = card[a], *to = card[b];
			const struct cc_way *way;

			if (a == b || !from->info.fabric_uid ||
			    from->info.fabric_uid != to->info.fabric_uid ||
			    to->info.fabric_id >= AXON_MAX_PEERS)
				continue;
			way = &from->way[to->info.fabric_id];
			if (!way->hops)
				continue;
			t->way[(size_t)a * t->cards + b] = (struct axcc_way) {
				.mb_s = way->mb_s,
				.latency_ns = way->latency_ns,
				.hops = (uint16_t)way->hops,
			};
		}
}

static int make_topology(const struct cc_seat *const *seat, uint32_t ranks,
			 struct axcc_topology **topology)
{
	const struct cc_seat *card[AXCC_MAX_RANKS];
	uint32_t cards = list_cards(seat, ranks, card);
	uint32_t r;
	int err = axcc_topology_create(ranks, cards, topology);

	if (err)
		return err;
	for (r = 0; r < ranks; r++)
		(*topology)->seat[r] = (struct axcc_seat) { .card = card_of(card, seat[r]) };
	set_ways(*topology, card);
	err = axcc_topology_finish(*topology);
	if (err) {
		axcc_topology_free(*topology);
		*topology = NULL;
	}
	return err;
}

int cc_schedule_make(struct cc_team *team, const struct cc_launch *l,
		     struct axcc_schedule **schedule)
{
	const struct cc_seat *seat[AXCC_MAX_RANKS];
	struct axcc_topology *topology;
	struct axcc_report report;
	uint32_t r;
	int err;

	for (r = 0; r < l->req.ranks; r++)
		seat[r] = &team->seat[l->rank[r]];
	err = make_topology(seat, l->req.ranks, &topology);
	if (err)
		return err;
	err = axcc_schedule_best(&l->req, topology, team->algorithm, schedule, &report);
	if (err == -EBADMSG && team->log)
		team->log(team->log_opaque, AXON_LOG_ERROR, report.text);
	axcc_topology_free(topology);
	return err;
}
