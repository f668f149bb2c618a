// SPDX-License-Identifier: MIT
/*
 * algo_single.c - one step for what is tiny: everybody gets everything and adds it up itself.
 *
 * Every contribution goes to a row of TMP at everyone who wants the result, and one transfer adds
 * the rows up in the order of the members, 0 first: one way's latency and one addition. It must not
 * be used for much data, since every rank's links carry n times as much as in other algorithms.
 */
#include "build.h"

#define Q	AXCC_QUEUES

/**
 * struct single - a reduction in one step
 * @b: the schedule
 * @g: the group
 * @all: elements
 * @only: the one member that wants the result, or -1: all do
 * @cut: into pieces for pushing, and these into parts for adding up
 * @rows: TMP: one row a member
 * @row_bytes: of a row
 * @in_sem: first of Q: a piece of some row has come
 * @gone_sem: a piece of the own input has gone
 * @done_sem: a piece is done
 */
struct single {
	struct axcc_build *b;
	const struct axcc_group *g;
	struct axcc_span all;
	int64_t only;
	struct axcc_cut cut;
	uint64_t rows;
	uint64_t row_bytes;
	uint32_t in_sem;
	uint32_t gone_sem;
	uint32_t done_sem;
};

static bool wants(const struct single *s, uint32_t i)
{
	return s->only < 0 || s->only == i;
}

/*
 * Member 0's contribution can go straight to where the sum will be, unless that is still an input.
 */
static struct axcc_place row_at(const struct single *s, uint32_t to, uint32_t from,
				struct axcc_span p)
{
	if (!from && !s->g->same[to])
		return axcc_at(s->b, s->g->out[to], p.lo);
	return axcc_place(axcc_group_rank(s->g, to), AXCC_BUF_TMP, s->rows + from * s->row_bytes +
			  (p.lo - s->all.lo) * s->b->s->elem_size);
}

static void push(const struct single *s, uint32_t i)
{
	uint32_t me = axcc_group_rank(s->g, i), queue = 0;

	for (uint32_t j = 0; j < s->cut.pieces; j++) {
		struct axcc_span p = axcc_part(s->b, s->all, j, s->cut.pieces);

		for (uint32_t k = 1; k < s->g->n; k++) {
			uint32_t to = (i + k) % s->g->n;
			struct axcc_step *step;

			if (!wants(s, to))
				continue;
			step = axcc_step_copy(s->b, me, queue++ % Q, row_at(s, to, i, p),
					 axcc_at(s->b, s->g->in[i], p.lo), p.len);
			axcc_step_post(s->b, step, me, axcc_group_rank(s->g, to), s->in_sem + j);
			if (s->g->same[i])
				axcc_step_post(s->b, step, me, me, s->gone_sem);
		}
	}
}

static struct axcc_span part(const struct single *s, uint32_t i)
{
	struct axcc_span piece = axcc_part(s->b, s->all, i / s->cut.parts, s->cut.pieces);

	return axcc_part(s->b, piece, i % s->cut.parts, s->cut.parts);
}

/* The own contribution; if member 0 adds up in place, it is where it should be. */
static void own(const struct single *s, uint32_t i)
{
	for (uint32_t j = 0; j < s->cut.pieces * s->cut.parts && (i || !s->g->same[i]); j++) {
		struct axcc_span p = part(s, j);

		axcc_step_copy(s->b, axcc_group_rank(s->g, i), j, row_at(s, i, i, p),
			  axcc_at(s->b, s->g->in[i], p.lo), p.len);
	}
}

static void sum(const struct single *s, uint32_t i)
{
	uint32_t me = axcc_group_rank(s->g, i);

	for (uint32_t j = 0; j < s->cut.pieces * s->cut.parts; j++) {
		struct axcc_span p = part(s, j);
		struct axcc_place out = axcc_at(s->b, s->g->out[i], p.lo);

		if (!p.len)
			continue;
		axcc_step_wait(s->b, me, s->in_sem + j / s->cut.parts, s->g->n - 1);
		axcc_step_wait_posted(s->b, me, s->gone_sem);
		if (i && s->g->same[i])
			axcc_step_copy(s->b, me, j, out, row_at(s, i, 0, p), p.len);
		axcc_step_post(s->b, axcc_step_reduce_rows(s->b, me, j, out, row_at(s, i, 1, p),
							   p.len,
						 s->g->n - 1, s->row_bytes), me, me, s->done_sem);
	}
	axcc_step_wait_posted(s->b, me, s->done_sem);
	axcc_step_flush(s->b, me);
}

static void reduce_at(struct axcc_build *b, const struct axcc_group *g, int64_t only)
{
	struct single s = { .b = b, .g = g, .all = { g->first, g->count }, .only = only };
	uint64_t bytes = g->count * b->s->elem_size;

	s.row_bytes = (bytes + 63) / 64 * 64;
	if (s.row_bytes > AXCC_STAGING_BYTES / g->n) {
		axcc_refuse(b, "would stage more than %llu MiB", AXCC_STAGING_BYTES >> 20);
		return;
	}
	s.cut = axcc_staged_cut(g->n - 1, bytes);
	s.rows = axcc_tmp(b, g->n * s.row_bytes);
	s.in_sem = axcc_sems(b, Q + 2);
	s.gone_sem = s.in_sem + Q;
	s.done_sem = s.in_sem + Q + 1;
	for (uint32_t i = 0; i < g->n; i++) {
		push(&s, i);
		if (!wants(&s, i))
			continue;
		own(&s, i);
		sum(&s, i);
	}
}

static void all_reduce(struct axcc_build *b, const struct axcc_group *g)
{
	reduce_at(b, g, -1);
}

static void reduce(struct axcc_build *b, const struct axcc_group *g)
{
	reduce_at(b, g, g->root);
}

/* The root pushes to all. */
static void broadcast(struct axcc_build *b, const struct axcc_group *g)
{
	struct axcc_span all = { g->first, g->count };
	uint32_t pieces = axcc_pieces(b, g->count, (Q + g->n - 1) / g->n);
	uint32_t root = axcc_group_rank(g, g->root), sem = axcc_sems(b, 1), queue = 0;

	for (uint32_t j = 0; j < pieces; j++) {
		struct axcc_span p = axcc_part(b, all, j, pieces);

		for (uint32_t k = 1; k <= g->n; k++) {
			uint32_t to = (g->root + k) % g->n;

			if (to == g->root && g->same[to])
				continue;
			axcc_step_post(b, axcc_step_copy(b, root, queue++ % Q,
							 axcc_at(b, g->out[to], p.lo),
					       axcc_at(b, g->in[g->root], p.lo), p.len),
				  root, axcc_group_rank(g, to), sem);
		}
	}
	for (uint32_t i = 0; i < g->n; i++) {
		axcc_step_wait_posted(b, axcc_group_rank(g, i), sem);
		axcc_step_flush(b, axcc_group_rank(g, i));
	}
}

static uint32_t order(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll,
		      uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	uint32_t node = leaf[0];

	for (uint32_t i = 1; i < g->n; i++)
		node = axcc_order_op(b, node, leaf[i]);
	*end = g->first + g->count;
	return node;
}

const struct axcc_algorithm axcc_algo_single = {
	.name = "single",
	.what = "everybody gets everything and adds it up itself",
	.build = {
		[AXCC_ALL_REDUCE] = all_reduce,
		[AXCC_BROADCAST] = broadcast,
		[AXCC_REDUCE] = reduce,
	},
	.order = order,
};
