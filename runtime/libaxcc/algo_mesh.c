// SPDX-License-Identifier: MIT
/*
 * algo_mesh.c - every rank talks to every other directly.
 *
 * Member i owns block i. Where blocks are reduced, the owner i starts with its own contribution and
 * takes those of i + 1, i + 2, ... (modulo n) in that order, in two ways:
 *
 * fused	the owner fetches and adds, chunk by chunk. A chunk stays on one DMA queue from its
 *		first addition to its last copy out, so no semaphore is needed between, every input
 *		is read once and every output written once. Queue q begins with i + 1 + q and comes
 *		to i + 1 after the last, since all queues together are more than one link carries.
 *		For what is large.
 * staged	everybody pushes at once into rows of the owner's TMP, which one transfer adds up.
 *		One way's latency whatever n is, but three times the memory traffic. For what is
 *		small.
 *
 * Documentation/collectives.rst, "Mesh". It must not look at the topology.
 */
#include "build.h"

#define Q		AXCC_QUEUES
#define MANY_PIECES	8u	/* a queue */
#define LONGER		4u

static uint32_t rank_of(const struct axcc_group *g, uint32_t i)
{
	return axcc_group_rank(g, i % g->n);
}

/* The block of member i, of a vector that is cut or of given blocks. */
static struct axcc_span block(const struct axcc_build *b, const struct axcc_group *g,
			      enum axcc_coll coll, uint32_t i)
{
	if (coll == AXCC_REDUCE_SCATTER || coll == AXCC_ALL_GATHER)
		return (struct axcc_span) { g->lo[i], g->len[i] };
	return axcc_part(b, (struct axcc_span) { g->first, g->count }, i, g->n);
}

/* The @k-th (1 .. n - 1) that is added to what the owner @i has on queue @q. */
static uint32_t added(const struct axcc_group *g, uint32_t i, uint32_t q, uint32_t k)
{
	return (i + 1 + (k - 1 + q) % (g->n - 1)) % g->n;
}

static uint32_t sum_of(struct axcc_build *b, const struct axcc_group *g, const uint32_t *leaf,
		       uint32_t i, uint32_t q)
{
	uint32_t node = leaf[i];

	for (uint32_t k = 1; k < g->n; k++)
		node = axcc_order_op(b, node, leaf[added(g, i, q, k)]);
	return node;
}

/* Whose block element @e is in, @s. Return: n: nobody's. */
static uint32_t owner_of(const struct axcc_build *b, const struct axcc_group *g,
			 enum axcc_coll coll, uint64_t e, struct axcc_span *s)
{
	uint32_t i;

	for (i = 0; i < g->n; i++) {
		*s = block(b, g, coll, i);
		if (e - s->lo < s->len)
			break;
	}
	return i;
}

static uint32_t staged_order(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll,
			     uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	struct axcc_span s;
	uint32_t i = owner_of(b, g, coll, e, &s);

	*end = i < g->n ? s.lo + s.len : e + 1;
	return i < g->n ? sum_of(b, g, leaf, i, 0) : 0;
}

/* ---- fused ---- */

/**
 * struct fused - a reduction at the owner
 * @out_sem: a chunk of the result has come
 * @read_sem: a chunk of the own input has been read by its owner
 * @done_sem: an own chunk is done
 * @slots: REDUCE: where those who are not the root add up, one chunk a queue
 * @slot_bytes: of one; pieces are rounded to whole lines
 */
struct fused {
	struct axcc_build *b;
	const struct axcc_group *g;
	enum axcc_coll coll;
	uint32_t out_sem;
	uint32_t read_sem;
	uint32_t done_sem;
	uint64_t slots;
	uint64_t slot_bytes;
};

static bool adds_in_place(const struct fused *f, uint32_t i)
{
	return f->g->same[i] && (f->coll != AXCC_REDUCE || i == f->g->root);
}

/* Where owner @i adds up chunk @c, on queue @q. */
static struct axcc_place sum_at(const struct fused *f, uint32_t i, struct axcc_span c, uint32_t q)
{
	if (f->coll == AXCC_REDUCE && i != f->g->root)
		return axcc_place(rank_of(f->g, i), AXCC_BUF_TMP, f->slots + q * f->slot_bytes);
	return axcc_at(f->b, f->g->out[i], c.lo);
}

static bool pushes_to(const struct fused *f, uint32_t i, uint32_t to)
{
	if (f->coll == AXCC_REDUCE_SCATTER || to == i)
		return false;
	return f->coll == AXCC_ALL_REDUCE || to == f->g->root;
}

/* Step @k of a chunk: 0 starts, 1 .. n - 1 add, n .. 2n - 2 hand out. */
static void fused_step(const struct fused *f, uint32_t i, uint32_t k, struct axcc_span c,
		       uint32_t q)
{
	const struct axcc_group *g = f->g;
	struct axcc_place sum = sum_at(f, i, c, q);
	uint32_t me = rank_of(g, i), last = f->coll == AXCC_REDUCE_SCATTER ||
		(f->coll == AXCC_REDUCE && i == g->root) ? g->n - 1 : 2 * g->n - 2;
	struct axcc_step *step = NULL;
	uint32_t peer;

	if (!k) {
		if (!adds_in_place(f, i))
			axcc_step_copy(f->b, me, q, sum, axcc_at(f->b, g->in[i], c.lo), c.len);
		return;
	}
	peer = added(g, i, q, k < g->n ? k : k - g->n + 1);
	if (k < g->n) {
		step = axcc_step_reduce(f->b, me, q, sum, axcc_at(f->b, g->in[peer], c.lo), c.len);
		if (f->coll != AXCC_ALL_REDUCE)
			axcc_step_post(f->b, step, me, rank_of(g, peer), f->read_sem);
	} else if (pushes_to(f, i, peer)) {
		step = axcc_step_copy(f->b, me, q, axcc_at(f->b, g->out[peer], c.lo), sum, c.len);
		axcc_step_post(f->b, step, me, rank_of(g, peer), f->out_sem);
		if (f->coll == AXCC_REDUCE)
			last = k;
	}
	if (k == last)
		axcc_step_post(f->b, step, me, me, f->done_sem);
}

/* A wave is a chunk on every queue; the queues go through its steps side by side. */
static void fused_owner(const struct fused *f, uint32_t i)
{
	struct axcc_span all = block(f->b, f->g, f->coll, i);
	uint32_t pieces = axcc_pieces(f->b, all.len, Q);
	uint32_t steps = f->coll == AXCC_REDUCE_SCATTER ? f->g->n : 2 * f->g->n - 1;

	for (uint32_t wave = 0; wave < pieces; wave += Q)
		for (uint32_t k = 0; k < steps; k++)
			for (uint32_t q = 0; q < Q && wave + q < pieces; q++)
				fused_step(f, i, k, axcc_part(f->b, all, wave + q, pieces), q);
}

static void fused(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll)
{
	struct fused f = { .b = b, .g = g, .coll = coll, .slot_bytes = b->chunk + 64 };

	f.out_sem = axcc_sems(b, 3);
	f.read_sem = f.out_sem + 1;
	f.done_sem = f.out_sem + 2;
	if (coll == AXCC_REDUCE)
		f.slots = axcc_tmp(b, Q * f.slot_bytes);
	for (uint32_t i = 0; i < g->n; i++)
		fused_owner(&f, i);
	for (uint32_t i = 0; i < g->n; i++) {
		for (uint32_t s = 0; s < 3; s++)
			axcc_step_wait_posted(b, rank_of(g, i), f.out_sem + s);
		axcc_step_flush(b, rank_of(g, i));
	}
}

static uint32_t fused_order(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll,
			    uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	struct axcc_span all, piece;
	uint32_t i = owner_of(b, g, coll, e, &all), pieces, p;

	*end = e + 1;
	if (i == g->n)
		return 0;
	pieces = axcc_pieces(b, all.len, Q);
	p = (uint32_t)axcc_part_of(b, all, e, pieces);
	piece = axcc_part(b, all, p, pieces);
	*end = piece.lo + piece.len;
	return sum_of(b, g, leaf, i, p % Q);
}

static void fused_all_reduce(struct axcc_build *b, const struct axcc_group *g)
{
	fused(b, g, AXCC_ALL_REDUCE);
}

static void fused_reduce_scatter(struct axcc_build *b, const struct axcc_group *g)
{
	fused(b, g, AXCC_REDUCE_SCATTER);
}

static void fused_reduce(struct axcc_build *b, const struct axcc_group *g)
{
	fused(b, g, AXCC_REDUCE);
}

/* ---- staged ---- */

/**
 * struct staged - pushes into rows, then one addition
 * @rows: TMP: row k - 1 of the owner i is for member i + k
 * @row_bytes: of one row
 * @in_sem: first of Q: a piece of a row has come
 * @sum_sem: first of Q: a part of a piece has been added up
 * @out_sem: a piece of the result has come
 */
struct staged {
	struct axcc_build *b;
	const struct axcc_group *g;
	enum axcc_coll coll;
	uint64_t rows;
	uint64_t row_bytes;
	uint32_t in_sem;
	uint32_t sum_sem;
	uint32_t out_sem;
};

static struct axcc_cut staged_cut(const struct staged *s, uint64_t len)
{
	return axcc_staged_cut(s->g->n - 1, len * s->b->s->elem_size);
}

static struct axcc_place row_at(const struct staged *s, uint32_t owner, uint32_t k,
				struct axcc_span all, struct axcc_span piece)
{
	return axcc_place(rank_of(s->g, owner), AXCC_BUF_TMP, s->rows + (k - 1) * s->row_bytes +
			  (piece.lo - all.lo) * s->b->s->elem_size);
}

static void staged_push(const struct staged *s, uint32_t i, uint32_t *queue)
{
	for (uint32_t j = 0; j < Q; j++) {
		for (uint32_t k = 1; k < s->g->n; k++) {
			uint32_t owner = (i + s->g->n - k) % s->g->n;
			struct axcc_span all = block(s->b, s->g, s->coll, owner), p;
			struct axcc_cut cut = staged_cut(s, all.len);
			struct axcc_step *step;

			if (j >= cut.pieces)
				continue;
			p = axcc_part(s->b, all, j, cut.pieces);
			step = axcc_step_copy(s->b, rank_of(s->g, i), (*queue)++ % Q,
					 row_at(s, owner, k, all, p),
					 axcc_at(s->b, s->g->in[i], p.lo), p.len);
			axcc_step_post(s->b, step, rank_of(s->g, i), rank_of(s->g, owner),
				  s->in_sem + j);
		}
	}
}

static struct axcc_span staged_part(const struct staged *s, struct axcc_span all,
				    struct axcc_cut cut, uint32_t i)
{
	struct axcc_span piece = axcc_part(s->b, all, i / cut.parts, cut.pieces);

	return axcc_part(s->b, piece, i % cut.parts, cut.parts);
}

/* A part has a queue of its own, which adds after it has copied. */
static void staged_sum(const struct staged *s, uint32_t i)
{
	struct axcc_span all = block(s->b, s->g, s->coll, i);
	struct axcc_cut cut = staged_cut(s, all.len);
	uint32_t me = rank_of(s->g, i), parts = cut.pieces * cut.parts;

	for (uint32_t j = 0; j < parts && !s->g->same[i]; j++) {
		struct axcc_span p = staged_part(s, all, cut, j);

		axcc_step_copy(s->b, me, j, axcc_at(s->b, s->g->out[i], p.lo),
			       axcc_at(s->b, s->g->in[i], p.lo), p.len);
	}
	for (uint32_t j = 0; j < parts; j++) {
		struct axcc_span p = staged_part(s, all, cut, j);
		struct axcc_place sum = axcc_at(s->b, s->g->out[i], p.lo);
		struct axcc_step *step;

		if (!p.len)
			continue;
		axcc_step_wait(s->b, me, s->in_sem + j / cut.parts, s->g->n - 1);
		step = axcc_step_reduce_rows(s->b, me, j, sum, row_at(s, i, 1, all, p), p.len,
					     s->g->n - 1, s->row_bytes);
		axcc_step_post(s->b, step, me, me, s->sum_sem + j / cut.parts);
	}
}

static void staged_hand_out(const struct staged *s, uint32_t i, uint32_t *queue)
{
	struct axcc_span all = block(s->b, s->g, s->coll, i);
	struct axcc_cut cut = staged_cut(s, all.len);
	uint32_t me = rank_of(s->g, i);

	for (uint32_t j = 0; j < cut.pieces; j++) {
		struct axcc_span p = axcc_part(s->b, all, j, cut.pieces);

		axcc_step_wait_posted(s->b, me, s->sum_sem + j);
		for (uint32_t k = 1; k < s->g->n; k++) {
			uint32_t to = (i + k) % s->g->n;
			struct axcc_step *step;

			step = axcc_step_copy(s->b, me, (*queue)++ % Q,
					      axcc_at(s->b, s->g->out[to], p.lo),
					      axcc_at(s->b, s->g->out[i], p.lo), p.len);
			axcc_step_post(s->b, step, me, rank_of(s->g, to), s->out_sem);
		}
	}
}

static void staged(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll)
{
	struct staged s = { .b = b, .g = g, .coll = coll };
	uint64_t most = 0;

	for (uint32_t i = 0; i < g->n; i++) {
		struct axcc_span all = block(b, g, coll, i);

		most = all.len > most ? all.len : most;
	}
	s.row_bytes = (most * b->s->elem_size + 63) / 64 * 64;
	if (s.row_bytes > AXCC_STAGING_BYTES / g->n) {
		axcc_refuse(b, "would stage more than %llu MiB", AXCC_STAGING_BYTES >> 20);
		return;
	}
	s.rows = axcc_tmp(b, (g->n - 1) * s.row_bytes);
	s.in_sem = axcc_sems(b, 2 * Q + 1);
	s.sum_sem = s.in_sem + Q;
	s.out_sem = s.in_sem + 2 * Q;
	for (uint32_t i = 0; i < g->n; i++) {
		uint32_t queue = 0;

		staged_push(&s, i, &queue);
		staged_sum(&s, i);
		if (coll == AXCC_ALL_REDUCE)
			staged_hand_out(&s, i, &queue);
	}
	for (uint32_t i = 0; i < g->n; i++) {
		for (uint32_t j = 0; j <= Q; j++)
			axcc_step_wait_posted(b, rank_of(g, i), s.sum_sem + j);
		axcc_step_flush(b, rank_of(g, i));
	}
}

static void staged_all_reduce(struct axcc_build *b, const struct axcc_group *g)
{
	staged(b, g, AXCC_ALL_REDUCE);
}

static void staged_reduce_scatter(struct axcc_build *b, const struct axcc_group *g)
{
	staged(b, g, AXCC_REDUCE_SCATTER);
}

/* ---- what does not reduce ---- */

/* A member's own block, from its input to its output. */
static void own_block(struct axcc_build *b, const struct axcc_group *g, uint32_t i,
		      struct axcc_place dst, struct axcc_place src, uint64_t len, uint32_t sem)
{
	uint32_t pieces = axcc_pieces(b, len, Q), me = rank_of(g, i);

	for (uint32_t j = 0; j < pieces; j++) {
		struct axcc_span p = axcc_part(b, (struct axcc_span) { 0, len }, j, pieces);

		axcc_step_post(b, axcc_step_copy(b, me, j % Q, axcc_at(b, dst, p.lo),
						 axcc_at(b, src, p.lo),
				       p.len), me, me, sem);
	}
}

/*
 * Pieces of each of a member's @blocks blocks. One after the other go a piece of each block, each
 * over the next queue, so that all queues have the same to do; and what all blocks are copied from
 * is read again while it is near. What is written is not read here, so where there is much of it
 * the pieces are longer than a chunk.
 */
static uint32_t pieces_of(const struct axcc_build *b, uint64_t len, uint32_t blocks)
{
	uint32_t queues = blocks < Q ? Q / blocks : 1, pieces = axcc_pieces(b, len, queues);

	return pieces < MANY_PIECES * queues ? pieces :
		(pieces / LONGER + queues - 1) / queues * queues;
}

static void all_gather(struct axcc_build *b, const struct axcc_group *g)
{
	uint32_t sem = axcc_sems(b, 1);

	for (uint32_t i = 0; i < g->n; i++) {
		struct axcc_span all = { g->lo[i], g->len[i] };
		uint32_t first = g->same[i] ? 1 : 0, me = rank_of(g, i), queue = 0;
		uint32_t pieces = pieces_of(b, all.len, g->n - first);

		for (uint32_t j = 0; j < pieces; j++) {
			struct axcc_span p = axcc_part(b, all, j, pieces);

			for (uint32_t k = first; k < g->n; k++) {
				uint32_t to = (i + k) % g->n;
				struct axcc_step *step;

				step = axcc_step_copy(b, me, queue++ % Q,
						      axcc_at(b, g->out[to], p.lo),
						      axcc_at(b, g->in[i], p.lo), p.len);
				axcc_step_post(b, step, me, rank_of(g, to), sem);
			}
		}
	}
	for (uint32_t i = 0; i < g->n; i++) {
		axcc_step_wait_posted(b, rank_of(g, i), sem);
		axcc_step_flush(b, rank_of(g, i));
	}
}

/**
 * struct exchange - all-to-all
 * @in_sem: a piece has come
 * @out_sem: a piece of one's own has gone; only of those whose input is their output
 * @done_sem: a piece is in its place
 * @tmp: where pieces wait until one's own have gone
 */
struct exchange {
	struct axcc_build *b;
	const struct axcc_group *g;
	uint32_t in_sem;
	uint32_t out_sem;
	uint32_t done_sem;
	uint64_t tmp;
};

static void exchange_push(const struct exchange *x, uint32_t i)
{
	const struct axcc_group *g = x->g;
	struct axcc_span all = { 0, g->count };
	uint32_t first = g->same[i] ? 1 : 0, me = rank_of(g, i), queue = 0;
	uint32_t pieces = pieces_of(x->b, all.len, g->n - first);

	for (uint32_t j = 0; j < pieces; j++) {
		struct axcc_span p = axcc_part(x->b, all, j, pieces);

		for (uint32_t k = first; k < g->n; k++) {
			uint32_t to = (i + k) % g->n;
			struct axcc_place dst = g->same[to] ?
				axcc_place(rank_of(g, to), AXCC_BUF_TMP, x->tmp) : g->out[to];
			struct axcc_step *step;

			step = axcc_step_copy(x->b, me, queue++ % Q,
					 axcc_at(x->b, dst, i * g->count + p.lo),
					 axcc_at(x->b, g->in[i], to * g->count + p.lo), p.len);
			axcc_step_post(x->b, step, me, rank_of(g, to), x->in_sem);
			if (g->same[i])
				axcc_step_post(x->b, step, me, me, x->out_sem);
		}
	}
}

static void all_to_all(struct axcc_build *b, const struct axcc_group *g)
{
	struct exchange x = { .b = b, .g = g };
	bool stage = false;

	for (uint32_t i = 0; i < g->n; i++)
		stage = stage || g->same[i];
	x.in_sem = axcc_sems(b, 3);
	x.out_sem = x.in_sem + 1;
	x.done_sem = x.in_sem + 2;
	x.tmp = axcc_tmp(b, stage ? g->n * g->count * b->s->elem_size : 0);
	for (uint32_t i = 0; i < g->n; i++)
		exchange_push(&x, i);
	for (uint32_t i = 0; i < g->n; i++) {
		struct axcc_place tmp = axcc_place(rank_of(g, i), AXCC_BUF_TMP, x.tmp);

		axcc_step_wait_posted(b, rank_of(g, i), x.in_sem);
		axcc_step_wait_posted(b, rank_of(g, i), x.out_sem);
		for (uint32_t k = 1; k < g->n && g->same[i]; k++) {
			uint64_t e = (i + k) % g->n * g->count;

			own_block(b, g, i, axcc_at(b, g->out[i], e), axcc_at(b, tmp, e), g->count,
				  x.done_sem);
		}
		axcc_step_wait_posted(b, rank_of(g, i), x.done_sem);
		axcc_step_flush(b, rank_of(g, i));
	}
}

/*
 * The root gives every other member a part, which hands it on to the rest: so the root's links
 * carry the data once. Piece j of the part of member root + k comes over the root's queue
 * j * (n - 1) + k - 1 (modulo Q), each of which has a semaphore at the member, and is waited for by
 * number.
 */
static struct axcc_span piece_for(const struct axcc_build *b, const struct axcc_group *g,
				  uint32_t k,
				  uint32_t j, uint32_t pieces)
{
	struct axcc_span all = { g->first, g->count };

	return axcc_part(b, axcc_part(b, all, k - 1, g->n - 1), j, pieces);
}

static void broadcast_root(struct axcc_build *b, const struct axcc_group *g, uint32_t pieces,
			   uint32_t sem)
{
	uint32_t root = rank_of(g, g->root), queue = 0;

	for (uint32_t j = 0; j < pieces; j++) {
		for (uint32_t k = 1; k < g->n; k++, queue++) {
			struct axcc_span p = piece_for(b, g, k, j, pieces);
			uint32_t to = (g->root + k) % g->n;

			axcc_step_post(b, axcc_step_copy(b, root, queue % Q,
							 axcc_at(b, g->out[to], p.lo),
					       axcc_at(b, g->in[g->root], p.lo), p.len),
				  root, rank_of(g, to), sem + queue % Q);
		}
	}
}

static void broadcast_pass_on(struct axcc_build *b, const struct axcc_group *g, uint32_t k,
			      uint32_t pieces, uint32_t sem)
{
	uint32_t i = (g->root + k) % g->n, me = rank_of(g, i), queue = 0, come[Q] = { 0 };

	for (uint32_t j = 0; j < pieces; j++) {
		struct axcc_span p = piece_for(b, g, k, j, pieces);
		uint32_t from = (j * (g->n - 1) + k - 1) % Q;

		if (!p.len)
			continue;
		axcc_step_wait(b, me, sem + from, ++come[from]);
		for (uint32_t d = 1; d < g->n; d++) {
			uint32_t to = (i + d) % g->n;

			if (to == g->root)
				continue;
			axcc_step_post(b, axcc_step_copy(b, me, queue++ % Q,
							 axcc_at(b, g->out[to], p.lo),
					       axcc_at(b, g->out[i], p.lo), p.len),
				  me, rank_of(g, to), sem + Q);
		}
		axcc_step_flush(b, me);
	}
}

static void broadcast(struct axcc_build *b, const struct axcc_group *g)
{
	uint64_t most = (g->count + g->n - 2) / (g->n - 1);
	uint32_t pieces = axcc_pieces(b, most, (Q + g->n - 2) / (g->n - 1));
	uint32_t sem = axcc_sems(b, Q + 2);

	broadcast_root(b, g, pieces, sem);
	for (uint32_t k = 1; k < g->n; k++)
		broadcast_pass_on(b, g, k, pieces, sem);
	if (!g->same[g->root])
		own_block(b, g, g->root, axcc_at(b, g->out[g->root], g->first),
			  axcc_at(b, g->in[g->root], g->first), g->count, sem + Q + 1);
	for (uint32_t i = 0; i < g->n; i++) {
		axcc_step_wait_posted(b, rank_of(g, i), sem + Q);
		axcc_step_wait_posted(b, rank_of(g, i), sem + Q + 1);
		axcc_step_flush(b, rank_of(g, i));
	}
}

static void barrier(struct axcc_build *b, const struct axcc_group *g)
{
	axcc_step_sync(b, g);
}

const struct axcc_algorithm axcc_algo_mesh = {
	.name = "mesh",
	.what = "every rank talks to every other directly",
	.build = {
		[AXCC_ALL_GATHER] = all_gather,
		[AXCC_ALL_TO_ALL] = all_to_all,
		[AXCC_BROADCAST] = broadcast,
		[AXCC_BARRIER] = barrier,
	},
};

const struct axcc_algorithm axcc_algo_mesh_fused = {
	.name = "mesh.fused",
	.what = "each owner fetches and adds its part chunk by chunk, then hands it out",
	.build = {
		[AXCC_ALL_REDUCE] = fused_all_reduce,
		[AXCC_REDUCE_SCATTER] = fused_reduce_scatter,
		[AXCC_REDUCE] = fused_reduce,
	},
	.order = fused_order,
};

const struct axcc_algorithm axcc_algo_mesh_staged = {
	.name = "mesh.staged",
	.what = "all push into rows at the owner, which one transfer adds up",
	.build = {
		[AXCC_ALL_REDUCE] = staged_all_reduce,
		[AXCC_REDUCE_SCATTER] = staged_reduce_scatter,
	},
	.order = staged_order,
};
