// SPDX-License-Identifier: MIT
/*
 * algo_hier.c - two levels: inside rows of ranks that are near each other, and in columns between
 * them.
 *
 * Rows are the ranks of a card, else those of a host, else as many as the square root allows, in
 * the order of their cards (on a torus that is a row). Row g's member j is (g, j); column j has all
 * (., j).
 *
 * all-reduce		reduce-scatter in rows, all-reduce in columns, all-gather in rows
 * reduce-scatter	in rows, once for each row's blocks, then in columns
 * all-gather		in columns, then in rows, once for each row's blocks
 * broadcast		in the root's column, then in rows
 * reduce		in rows, then in the root's column
 *
 * Each level is one of the other algorithms. What one phase leaves, the next may find at any
 * member: so members meet between phases, where they are going to touch each other's memory.
 *
 * Documentation/collectives.rst, "Hierarchical". Rows that differ in length are refused.
 */
#include <errno.h>
#include <stdlib.h>

#include "build.h"

#define SMALL_BYTES	(64u << 10)	/* of a block, below which a mesh stages */
#define STAGED_SEMS	(2 * AXCC_QUEUES + 1)
#define MAX_STAGES	3u		/* phases of a row that can have as many */
#define OTHER_SEMS	3u		/* of a mesh in a row, and of a meeting */

/**
 * struct hier - one operation in the making
 * @b: the schedule
 * @g: the whole group
 * @use: of the levels
 * @rows: how many
 * @width: members of a row
 * @cell: member (row, place) at [row * @width + place]
 * @tmp: sums of rows
 * @arranged: by row and by column: its orders are known
 * @orders: same
 * @sub: the group of the phase in the making
 */
struct hier {
	struct axcc_build *b;
	const struct axcc_group *g;
	const struct axcc_levels *use;
	uint32_t rows;
	uint32_t width;
	uint16_t cell[AXCC_MAX_RANKS];
	uint64_t tmp;
	bool arranged[2][AXCC_MAX_RANKS];
	struct axcc_orders orders[2][AXCC_MAX_RANKS];
	struct axcc_group sub;
};

static uint32_t cell(const struct hier *h, uint32_t row, uint32_t j)
{
	return h->cell[row * h->width + j];
}

/* ---- rows ---- */

static uint32_t key_of(const struct hier *h, uint32_t i, bool by_host)
{
	const struct axcc_seat *seat = &h->b->topo->seat[axcc_group_rank(h->g, i)];

	return by_host ? seat->host : seat->card;
}

/* Members sorted by host or card, and by number where those are the same. */
static void sort_cells(struct hier *h, bool by_host)
{
	for (uint32_t i = 0; i < h->g->n; i++) {
		uint32_t at = i;

		while (at && key_of(h, h->cell[at - 1], by_host) > key_of(h, i, by_host)) {
			h->cell[at] = h->cell[at - 1];
			at--;
		}
		h->cell[at] = (uint16_t)i;
	}
}

/* Rows of those with the same key. Return: they are of one length, and neither one nor all. */
static bool rows_by(struct hier *h, bool by_host)
{
	uint32_t width = 1, n = h->g->n;

	sort_cells(h, by_host);
	while (width < n && key_of(h, h->cell[width], by_host) == key_of(h, h->cell[0], by_host))
		width++;
	if (width == 1 || width == n || n % width)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		bool first = !(i % width);

		if (i && first == (key_of(h, h->cell[i], by_host) ==
				   key_of(h, h->cell[i - 1], by_host)))
			return false;
	}
	h->width = width;
	return true;
}

static bool find_rows(struct hier *h)
{
	uint32_t n = h->g->n;

	if (!rows_by(h, false) && !rows_by(h, true)) {
		sort_cells(h, false);
		h->width = 0;
		for (uint32_t w = 2; w * w <= n; w++)
			if (n % w == 0)
				h->width = w;
	}
	if (!h->width) {
		axcc_refuse(h->b, "%u ranks do not make rows of one length", n);
		return false;
	}
	h->rows = n / h->width;
	return true;
}

/* ---- phases ---- */

/* How often a phase is done in each row. */
static uint32_t stages(const struct hier *h)
{
	return h->b->s->req.coll == AXCC_ALL_REDUCE ? 1 : h->rows;
}

/* An empty group of the members of a row (@column: of a column). */
static void pick(struct hier *h, uint32_t at, bool column)
{
	struct axcc_group *s = &h->sub;

	s->n = column ? h->rows : h->width;
	s->root = 0;
	s->first = h->g->first;
	s->count = h->g->count;
	s->sems = 0;
	if (column)	/* what the rows leave; with rings that is not enough */
		s->sems = AXCC_SEMAPHORES - 2 - (stages(h) > MAX_STAGES ? OTHER_SEMS * stages(h) :
						 STAGED_SEMS * stages(h) + OTHER_SEMS);
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t m = column ? cell(h, i, at) : cell(h, at, i);

		s->in[i] = h->g->in[m];
		s->out[i] = h->g->out[m];
		s->same[i] = h->g->same[m];
		s->spoil[i] = h->g->spoil[m];
		s->lo[i] = h->g->lo[m];
		s->len[i] = h->g->len[m];
	}
	if (!h->arranged[column][at]) {
		axcc_group_arrange(s, h->b->topo);
		h->orders[column][at] = s->orders;
		h->arranged[column][at] = true;
	}
	s->orders = h->orders[column][at];
}

/* From here on only the output counts. */
static void settle(struct axcc_group *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		s->in[i] = s->out[i];
		s->same[i] = true;
		s->spoil[i] = true;
	}
}

static const struct axcc_algorithm *level(const struct hier *h, bool column, enum axcc_coll coll)
{
	const struct axcc_algorithm *a = column ? h->use->column : h->use->row;
	uint64_t most = h->sub.count / h->sub.n;

	if (a->build[coll])
		return a;
	if (a == &axcc_algo_rhd)
		return &axcc_algo_rhd_staged;
	if (coll == AXCC_REDUCE_SCATTER)
		most = h->sub.len[0];
	if (coll == AXCC_REDUCE_SCATTER && !column && stages(h) > MAX_STAGES)
		return &axcc_algo_mesh_fused;
	if (coll == AXCC_REDUCE)
		return most * h->sub.n * h->b->s->elem_size <= SMALL_BYTES ?
			&axcc_algo_single : &axcc_algo_mesh_fused;
	return most * h->b->s->elem_size <= SMALL_BYTES ?
		&axcc_algo_mesh_staged : &axcc_algo_mesh_fused;
}

/**
 * struct shared - groups of disjoint ranks use the same semaphores and TMP
 */
struct shared {
	uint32_t sems;
	uint32_t most_sems;
	uint64_t tmp;
	uint64_t most_tmp;
};

static struct shared share_begin(struct hier *h)
{
	return (struct shared) { .sems = h->b->sems, .tmp = h->b->s->tmp_bytes };
}

static void share_next(struct hier *h, struct shared *s)
{
	if (h->b->sems > s->most_sems)
		s->most_sems = h->b->sems;
	if (h->b->s->tmp_bytes > s->most_tmp)
		s->most_tmp = h->b->s->tmp_bytes;
	h->b->sems = s->sems;
	h->b->s->tmp_bytes = s->tmp;
}

static void share_end(struct hier *h, const struct shared *s)
{
	h->b->sems = s->most_sems;
	h->b->s->tmp_bytes = s->most_tmp;
}

/* Sets up @h->sub for row or column @at of a phase; @step: which of several in a row. */
typedef void (*prepare_fn)(struct hier *h, uint32_t at, uint32_t step);

static void phase(struct hier *h, bool column, enum axcc_coll coll, prepare_fn prepare,
		  uint32_t step)
{
	uint32_t groups = column ? h->width : h->rows;
	struct shared s = share_begin(h);

	for (uint32_t at = 0; at < groups; at++) {
		prepare(h, at, step);
		level(h, column, coll)->build[coll](h->b, &h->sub);
		share_next(h, &s);
	}
	share_end(h, &s);
}

static void meet(struct hier *h, bool column)
{
	uint32_t groups = column ? h->width : h->rows;
	struct shared s = share_begin(h);

	for (uint32_t at = 0; at < groups; at++) {
		pick(h, at, column);
		axcc_step_sync(h->b, &h->sub);
		share_next(h, &s);
	}
	share_end(h, &s);
}

/* ---- all-reduce ---- */

static void cut_row(struct hier *h)
{
	for (uint32_t j = 0; j < h->width; j++) {
		struct axcc_span p = axcc_part(h->b,
					       (struct axcc_span) { h->g->first, h->g->count },
					       j, h->width);

		h->sub.lo[j] = p.lo;
		h->sub.len[j] = p.len;
	}
}

static void ar_scatter(struct hier *h, uint32_t row, uint32_t step)
{
	pick(h, row, false);
	cut_row(h);
}

static void ar_column(struct hier *h, uint32_t j, uint32_t step)
{
	struct axcc_span p = axcc_part(h->b, (struct axcc_span) { h->g->first, h->g->count }, j,
				       h->width);

	pick(h, j, true);
	settle(&h->sub);
	h->sub.first = p.lo;
	h->sub.count = p.len;
}

static void ar_gather(struct hier *h, uint32_t row, uint32_t step)
{
	ar_scatter(h, row, step);
	settle(&h->sub);
}

static void all_reduce(struct hier *h)
{
	phase(h, false, AXCC_REDUCE_SCATTER, ar_scatter, 0);
	meet(h, true);
	phase(h, true, AXCC_ALL_REDUCE, ar_column, 0);
	meet(h, false);
	phase(h, false, AXCC_ALL_GATHER, ar_gather, 0);
}

/* ---- reduce-scatter ---- */

static uint64_t longest(const struct axcc_group *g)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < g->n; i++)
		most = g->len[i] > most ? g->len[i] : most;
	return most;
}

/* Elements from a row's sum in TMP to the next row's: whole lines. */
static uint64_t lane(const struct hier *h)
{
	uint64_t unit = 64 / h->b->s->elem_size;

	return (longest(h->g) + unit - 1) / unit * unit;
}

static struct axcc_place tmp_at(const struct hier *h, uint32_t row, uint32_t j)
{
	return axcc_place(axcc_group_rank(h->g, cell(h, row, j)), AXCC_BUF_TMP, h->tmp);
}

/* Row @row adds up the blocks of the members of row @step: (row, j) gets that of (step, j). */
static void rs_row(struct hier *h, uint32_t row, uint32_t step)
{
	pick(h, row, false);
	for (uint32_t j = 0; j < h->width; j++) {
		uint32_t owner = cell(h, step, j);

		h->sub.lo[j] = h->g->lo[owner];
		h->sub.len[j] = h->g->len[owner];
		h->sub.out[j] = axcc_at(h->b, tmp_at(h, row, j), step * lane(h) - h->g->lo[owner]);
		h->sub.same[j] = false;
		h->sub.spoil[j] = false;
	}
}

/* In a column the sums in TMP are numbered as they lie there. */
static void rs_column(struct hier *h, uint32_t j, uint32_t step)
{
	pick(h, j, true);
	for (uint32_t i = 0; i < h->rows; i++) {
		uint64_t lo = h->sub.lo[i];

		h->sub.lo[i] = i * lane(h);
		h->sub.in[i] = tmp_at(h, i, j);
		h->sub.out[i] = axcc_at(h->b, h->sub.out[i], lo - h->sub.lo[i]);
		h->sub.same[i] = false;
		h->sub.spoil[i] = false;
	}
}

static void reduce_scatter(struct hier *h)
{
	h->tmp = axcc_tmp(h->b, h->rows * lane(h) * h->b->s->elem_size);
	for (uint32_t step = 0; step < h->rows; step++)
		phase(h, false, AXCC_REDUCE_SCATTER, rs_row, step);
	meet(h, true);
	phase(h, true, AXCC_REDUCE_SCATTER, rs_column, 0);
}

/* ---- all-gather ---- */

static void ag_column(struct hier *h, uint32_t j, uint32_t step)
{
	pick(h, j, true);
}

static void ag_row(struct hier *h, uint32_t row, uint32_t step)
{
	pick(h, row, false);
	settle(&h->sub);
	for (uint32_t j = 0; j < h->width; j++) {
		h->sub.lo[j] = h->g->lo[cell(h, step, j)];
		h->sub.len[j] = h->g->len[cell(h, step, j)];
	}
}

static void all_gather(struct hier *h)
{
	phase(h, true, AXCC_ALL_GATHER, ag_column, 0);
	meet(h, false);
	for (uint32_t step = 0; step < h->rows; step++)
		phase(h, false, AXCC_ALL_GATHER, ag_row, step);
}

/* ---- broadcast, reduce, barrier ---- */

static uint32_t root_cell(const struct hier *h)
{
	uint32_t at = 0;

	while (h->cell[at] != h->g->root)
		at++;
	return at;
}

static void bc_row(struct hier *h, uint32_t row, uint32_t step)
{
	pick(h, row, false);
	settle(&h->sub);
	h->sub.root = root_cell(h) % h->width;
}

static void broadcast(struct hier *h)
{
	uint32_t at = root_cell(h);

	pick(h, at % h->width, true);
	h->sub.root = at / h->width;
	level(h, true, AXCC_BROADCAST)->build[AXCC_BROADCAST](h->b, &h->sub);
	phase(h, false, AXCC_BROADCAST, bc_row, 0);
}

static void re_row(struct hier *h, uint32_t row, uint32_t step)
{
	uint32_t j = root_cell(h) % h->width;

	pick(h, row, false);
	h->sub.root = j;
	h->sub.out[j] = axcc_at(h->b, tmp_at(h, row, j), -h->g->first);
	h->sub.same[j] = false;
}

static void re_column(struct hier *h)
{
	uint32_t at = root_cell(h), j = at % h->width;

	pick(h, j, true);
	h->sub.root = at / h->width;
	for (uint32_t i = 0; i < h->rows; i++) {
		h->sub.in[i] = axcc_at(h->b, tmp_at(h, i, j), -h->g->first);
		h->sub.same[i] = false;
	}
}

static void reduce(struct hier *h)
{
	h->tmp = axcc_tmp(h->b, h->g->count * h->b->s->elem_size);
	phase(h, false, AXCC_REDUCE, re_row, 0);
	re_column(h);
	axcc_step_sync(h->b, &h->sub);
	level(h, true, AXCC_REDUCE)->build[AXCC_REDUCE](h->b, &h->sub);
}

static void barrier(struct hier *h)
{
	meet(h, false);
	meet(h, true);
}

/* ---- order ---- */

static uint32_t level_order(struct hier *h, bool column, enum axcc_coll coll, uint64_t e,
			    const uint32_t *leaf, uint64_t *end)
{
	uint64_t e2;
	uint32_t node = level(h, column, coll)->order(h->b, &h->sub, coll, e, leaf, &e2);

	if (e2 < *end)
		*end = e2;
	return node;
}

/* What row @row makes of its members' contributions to @h->sub. */
static uint32_t row_order(struct hier *h, enum axcc_coll coll, uint32_t row, uint64_t e,
			  const uint32_t *leaf, uint64_t *end)
{
	uint32_t of_row[AXCC_MAX_RANKS];

	for (uint32_t j = 0; j < h->width; j++)
		of_row[j] = leaf[cell(h, row, j)];
	return level_order(h, false, coll, e, of_row, end);
}

static uint32_t ar_order(struct hier *h, uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	struct axcc_span all = { h->g->first, h->g->count };
	uint32_t of_column[AXCC_MAX_RANKS];

	for (uint32_t row = 0; row < h->rows; row++) {
		ar_scatter(h, row, 0);
		of_column[row] = row_order(h, AXCC_REDUCE_SCATTER, row, e, leaf, end);
	}
	ar_column(h, (uint32_t)axcc_part_of(h->b, all, e, h->width), 0);
	return level_order(h, true, AXCC_ALL_REDUCE, e, of_column, end);
}

static uint32_t rs_order(struct hier *h, uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	uint32_t of_column[AXCC_MAX_RANKS], at = 0, node;
	uint64_t shift, e2 = UINT64_MAX;

	while (e - h->g->lo[h->cell[at]] >= h->g->len[h->cell[at]])
		at++;
	for (uint32_t row = 0; row < h->rows; row++) {
		rs_row(h, row, at / h->width);
		of_column[row] = row_order(h, AXCC_REDUCE_SCATTER, row, e, leaf, end);
	}
	rs_column(h, at % h->width, 0);
	shift = h->g->lo[h->cell[at]] - h->sub.lo[at / h->width];
	node = level_order(h, true, AXCC_REDUCE_SCATTER, e - shift, of_column, &e2);
	if (e2 + shift < *end)
		*end = e2 + shift;
	return node;
}

static uint32_t re_order(struct hier *h, uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	uint32_t of_column[AXCC_MAX_RANKS];

	for (uint32_t row = 0; row < h->rows; row++) {
		re_row(h, row, 0);
		of_column[row] = row_order(h, AXCC_REDUCE, row, e, leaf, end);
	}
	re_column(h);
	return level_order(h, true, AXCC_REDUCE, e, of_column, end);
}

/* ---- as algorithms ---- */

static struct hier *begin(struct axcc_build *b, const struct axcc_group *g)
{
	struct hier *h = b->plan;

	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h) {
		b->err = -ENOMEM;
		return NULL;
	}
	b->plan = h;
	h->b = b;
	h->g = g;
	h->use = b->algorithm->levels;
	return find_rows(h) ? h : NULL;
}

static void run(struct axcc_build *b, const struct axcc_group *g, void (*op)(struct hier *h))
{
	struct hier *h = begin(b, g);

	if (h)
		op(h);
}

static void run_all_reduce(struct axcc_build *b, const struct axcc_group *g)
{
	run(b, g, all_reduce);
}

static void run_reduce_scatter(struct axcc_build *b, const struct axcc_group *g)
{
	run(b, g, reduce_scatter);
}

static void run_all_gather(struct axcc_build *b, const struct axcc_group *g)
{
	run(b, g, all_gather);
}

static void run_broadcast(struct axcc_build *b, const struct axcc_group *g)
{
	run(b, g, broadcast);
}

static void run_reduce(struct axcc_build *b, const struct axcc_group *g)
{
	run(b, g, reduce);
}

static void run_barrier(struct axcc_build *b, const struct axcc_group *g)
{
	run(b, g, barrier);
}

static uint32_t order(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll,
		      uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	struct hier *h = begin(b, g);
	uint32_t node;

	*end = e + 1;
	if (!h)
		return 0;
	*end = UINT64_MAX;
	if (coll == AXCC_ALL_REDUCE)
		node = ar_order(h, e, leaf, end);
	else if (coll == AXCC_REDUCE_SCATTER)
		node = rs_order(h, e, leaf, end);
	else
		node = re_order(h, e, leaf, end);
	return node;
}

#define HIER_BUILD							\
	.build = {							\
		[AXCC_ALL_REDUCE] = run_all_reduce,			\
		[AXCC_ALL_GATHER] = run_all_gather,			\
		[AXCC_REDUCE_SCATTER] = run_reduce_scatter,		\
		[AXCC_BROADCAST] = run_broadcast,			\
		[AXCC_REDUCE] = run_reduce,				\
	},								\
	.order = order

const struct axcc_algorithm axcc_algo_hier_mesh = {
	.name = "hier.mesh",
	.what = "mesh in rows and in columns",
	.levels = &(const struct axcc_levels) { &axcc_algo_mesh, &axcc_algo_mesh },
	HIER_BUILD,
};

const struct axcc_algorithm axcc_algo_hier_ring = {
	.name = "hier.ring",
	.what = "ring in rows and in columns",
	.levels = &(const struct axcc_levels) { &axcc_algo_ring, &axcc_algo_ring },
	HIER_BUILD,
};

const struct axcc_algorithm axcc_algo_hier_mesh_ring = {
	.name = "hier.mesh-ring",
	.what = "mesh in rows, ring in columns",
	.levels = &(const struct axcc_levels) { &axcc_algo_mesh, &axcc_algo_ring },
	HIER_BUILD,
};

const struct axcc_algorithm axcc_algo_hier_mesh_rhd = {
	.name = "hier.mesh-rhd",
	.what = "mesh in rows, halving and doubling in columns",
	.levels = &(const struct axcc_levels) { &axcc_algo_mesh, &axcc_algo_rhd },
	HIER_BUILD,
};

const struct axcc_algorithm axcc_algo_hier_barrier = {
	.name = "hier",
	.what = "rows meet, then columns",
	.build = { [AXCC_BARRIER] = run_barrier },
};
