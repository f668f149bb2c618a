// SPDX-License-Identifier: MIT
/*
 * print-topology.c - which card is linked to which, as a drawing. Fabrics of a known shape are
 * drawn, others listed card by card. Must never guess: a shape is only drawn if every link of it is
 * there and no other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axon_hw.h"
#include "print.h"

#define ROW	8u	/* cards in one line of a ring */
#define MAX_HOPS_TABLE	16u

/**
 * struct fabric - cards that are joined
 * @card: by their place
 * @n: of them
 * @places: of the fabric, also those without a card here
 * @uid: its name
 */
struct fabric {
	const struct collect_card *card[AXON_MAX_PEERS];
	uint32_t n;
	uint32_t places;
	uint64_t uid;
};

static bool in_fabric(const struct collect_card *c)
{
	return (c->valid & COLLECT_DEVICE) && (c->valid & COLLECT_LINKS) && c->device.fabric_uid;
}

const struct collect_card *ls_peer(const struct collect_reading *r, const struct collect_card *c,
				   uint32_t place)
{
	for (uint32_t i = 0; in_fabric(c) && i < r->n_cards; i++) {
		const struct collect_card *other = &r->cards[i];

		if (in_fabric(other) && other->device.fabric_uid == c->device.fabric_uid &&
		    other->device.fabric_id == place)
			return other;
	}
	return NULL;
}

bool ls_is_neighbour(const struct drm_axon_link *link)
{
	return link->distance == 1 && link->state != AXON_PEER_ABSENT;
}

static const struct drm_axon_link *way(const struct collect_card *from,
				       const struct collect_card *to)
{
	for (uint32_t i = 0; i < from->n_links; i++)
		if (from->links[i].peer == to->device.fabric_id)
			return &from->links[i];
	return NULL;
}

static bool linked(const struct fabric *f, uint32_t a, uint32_t b)
{
	const struct drm_axon_link *l = way(f->card[a], f->card[b]);

	return l && l->distance == 1;
}

/* ---- shapes ---- */

/* Do the neighbours of every card, as the rule has them, and the links agree? */
static bool has_shape(const struct fabric *f,
		      bool (*rule)(uint32_t a, uint32_t b, uint32_t n, uint32_t cols),
		      uint32_t cols)
{
	if (f->n != f->places)
		return false;
	for (uint32_t a = 0; a < f->n; a++)
		for (uint32_t b = 0; b < f->n; b++)
			if (a != b && linked(f, a, b) != rule(a, b, f->n, cols))
				return false;
	return true;
}

static bool rule_ring(uint32_t a, uint32_t b, uint32_t n, uint32_t cols)
{
	return (a + 1) % n == b || (b + 1) % n == a;
}

static bool rule_mesh(uint32_t a, uint32_t b, uint32_t n, uint32_t cols)
{
	return true;
}

static bool rule_torus(uint32_t a, uint32_t b, uint32_t n, uint32_t cols)
{
	uint32_t rows = n / cols;

	if (a / cols == b / cols)
		return rule_ring(a % cols, b % cols, cols, 0);
	return a % cols == b % cols && rule_ring(a / cols, b / cols, rows, 0);
}

/* Columns of the torus that a fabric is, 0: it is none. */
static uint32_t torus_cols(const struct fabric *f)
{
	for (uint32_t cols = 2; cols <= f->n / 2; cols++)
		if (f->n % cols == 0 && has_shape(f, rule_torus, cols))
			return cols;
	return 0;
}

/* ---- drawings ---- */

static void draw_row(FILE *out, const struct fabric *f, uint32_t first, uint32_t end,
		     const char *head, const char *tail)
{
	fputs(head, out);
	for (uint32_t i = first; i < end; i++)
		fprintf(out, "%s[%3u]", i > first ? "<--->" : "", f->card[i]->index);
	fprintf(out, "%s\n", tail);
}

static void draw_column_line(FILE *out, uint32_t cols, char mark)
{
	fputs("     ", out);
	for (uint32_t c = 0; c < cols; c++)
		fprintf(out, "%s  %c", c ? "       " : "", mark);
	putc('\n', out);
}

static void draw_columns(FILE *out, uint32_t cols, const char *marks)
{
	for (; *marks; marks++)
		draw_column_line(out, cols, *marks);
}

static void draw_torus(FILE *out, const struct fabric *f, uint32_t cols)
{
	uint32_t rows = f->n / cols;
	bool wrap_row = cols > 2;	/* with two, both ways round are one link */
	bool wrap_column = rows > 2;

	fprintf(out, "torus of %u x %u\n\n", rows, cols);
	if (wrap_column)
		draw_columns(out, cols, "*|v");
	for (uint32_t r = 0; r < rows; r++) {
		draw_row(out, f, r * cols, (r + 1) * cols, wrap_row ? "*--->" : "     ",
			 wrap_row ? "<---*" : "");
		if (r + 1 < rows)
			draw_columns(out, cols, "^|v");
	}
	if (wrap_column)
		draw_columns(out, cols, "^|*");
	if (wrap_row || wrap_column)
		fprintf(out, "\n*: goes on at the other end of the row or column\n");
}

static void draw_ring(FILE *out, const struct fabric *f)
{
	fprintf(out, "ring of %u\n\n", f->n);
	for (uint32_t i = 0; i < f->n; i += ROW) {
		uint32_t end = f->n - i > ROW ? i + ROW : f->n;

		draw_row(out, f, i, end, i ? "<--->" : "*--->", end < f->n ? "<--->" : "<---*");
	}
	fprintf(out, "\n*: the last one is linked to the first\n");
}

static void draw_mesh(FILE *out, const struct fabric *f)
{
	fprintf(out, "mesh of %u: each card is linked to every other one\n\n", f->n);
	for (uint32_t i = 0; i < f->n; i += ROW) {
		uint32_t end = f->n - i > ROW ? i + ROW : f->n;

		fputs("    ", out);
		for (uint32_t k = i; k < end; k++)
			fprintf(out, " [%3u]", f->card[k]->index);
		putc('\n', out);
	}
}

static void draw_list(FILE *out, const struct fabric *f)
{
	if (f->n == f->places)
		fprintf(out, "%u cards\n\n", f->n);
	else
		fprintf(out, "%u cards in a fabric of %u places\n\n", f->n, f->places);
	for (uint32_t a = 0; a < f->n; a++) {
		bool any = false;

		fprintf(out, "     [%3u]", f->card[a]->index);
		for (uint32_t b = 0; b < f->n; b++)
			if (a != b && linked(f, a, b)) {
				fprintf(out, "%s[%3u]", any ? " " : "<--->", f->card[b]->index);
				any = true;
			}
		fprintf(out, "%s\n", any ? "" : "  no link to a card here");
	}
}

static void draw(FILE *out, const struct fabric *f)
{
	uint32_t cols;

	if (f->n == 2 && has_shape(f, rule_mesh, 0)) {
		fprintf(out, "pair\n\n");
		draw_row(out, f, 0, 2, "     ", "");
	} else if (f->n > 2 && has_shape(f, rule_ring, 0)) {
		draw_ring(out, f);
	} else if (f->n > 3 && has_shape(f, rule_mesh, 0)) {
		draw_mesh(out, f);
	} else if ((cols = torus_cols(f))) {
		draw_torus(out, f, cols);
	} else {
		draw_list(out, f);
	}
}

/* ---- words and numbers ---- */

static void print_links(FILE *out, const struct fabric *f)
{
	bool said = false;

	for (uint32_t a = 0; a < f->n; a++)
		for (uint32_t b = 0; b < f->n; b++) {
			const struct drm_axon_link *l = a == b ? NULL : way(f->card[a], f->card[b]);

			if (l && l->distance == 1 && !said) {
				fprintf(out, "\nA link: %u lanes, %.1f GB/s each way, %.2f us\n",
					l->lanes, l->bandwidth / 1e9, l->latency_ns / 1e3);
				said = true;
			}
			if (l && l->state != AXON_PEER_UP)
				fprintf(out, "card %u cannot reach card %u: %s\n",
					f->card[a]->index, f->card[b]->index,
					l->state == AXON_PEER_DOWN ? "link down" : "no card there");
			if (l && l->errors)
				fprintf(out, "card %u to card %u: %u accesses failed\n",
					f->card[a]->index, f->card[b]->index, l->errors);
		}
}

static void print_hops(FILE *out, const struct fabric *f)
{
	if (f->n > MAX_HOPS_TABLE)
		return;
	fprintf(out, "\nHops%4s", "");
	for (uint32_t b = 0; b < f->n; b++)
		fprintf(out, "%4u", f->card[b]->index);
	putc('\n', out);
	for (uint32_t a = 0; a < f->n; a++) {
		fprintf(out, "%8u", f->card[a]->index);
		for (uint32_t b = 0; b < f->n; b++) {
			const struct drm_axon_link *l = a == b ? NULL : way(f->card[a], f->card[b]);

			if (a == b)
				fprintf(out, "%4u", 0);
			else if (!l)
				fprintf(out, "%4s", "-");
			else
				fprintf(out, "%4u", l->distance);
		}
		putc('\n', out);
	}
}

static int by_place(const void *a, const void *b)
{
	const struct collect_card *x = *(const struct collect_card *const *)a;
	const struct collect_card *y = *(const struct collect_card *const *)b;

	return (x->device.fabric_id > y->device.fabric_id) -
	       (x->device.fabric_id < y->device.fabric_id);
}

/* The fabric of card @i, if it is the first of it in the list. */
static bool gather(const struct collect_reading *r, uint32_t i, struct fabric *f)
{
	const struct collect_card *c = &r->cards[i];

	if (!in_fabric(c))
		return false;
	*f = (struct fabric) { .uid = c->device.fabric_uid, .places = c->device.fabric_cards };
	for (uint32_t k = 0; k < r->n_cards && f->n < AXON_MAX_PEERS; k++)
		if (in_fabric(&r->cards[k]) && r->cards[k].device.fabric_uid == f->uid) {
			if (k < i)
				return false;
			f->card[f->n++] = &r->cards[k];
		}
	qsort(f->card, f->n, sizeof(f->card[0]), by_place);
	return true;
}

int ls_print_topology(FILE *out, const struct collect_reading *r)
{
	struct fabric f;
	bool any = false;

	for (uint32_t i = 0; i < r->n_cards; i++) {
		const struct collect_card *c = &r->cards[i];

		if (!in_fabric(c)) {
			fprintf(out, "\nTopology: card %u %s\n", c->index,
				c->valid & COLLECT_LINKS ? "has no links" : "could not be asked");
		} else if (gather(r, i, &f)) {
			fprintf(out, "\nTopology: ");
			draw(out, &f);
			print_links(out, &f);
			print_hops(out, &f);
			any = true;
		}
	}
	if (!any)
		fprintf(out, "\nThe cards have no links between them.\n");
	return ferror(out) ? -EIO : 0;
}
