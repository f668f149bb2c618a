// SPDX-License-Identifier: MIT
/*
 * algo_ring.c - data travel around rings of neighbours, in both directions.
 *
 * A stream is one direction of one ring; each has a part of every block and its share of the DMA
 * queues. A part is cut into chunks, one a queue (more go in waves), so that one chunk's addition
 * runs beside another's transfer. The sequence of a queue's pushes is a chain: its semaphores at
 * the receiver are posted to by nobody else, so arrivals are waited for by number.
 *
 * Reduction: block s starts at the member after its owner s, and at each member it comes to it is
 * added to what that has: sum = own + come. The target of a push has to hold the own contribution
 * already; where it is not the input itself it is copied there ahead of time, and a credit says so.
 *
 * Documentation/collectives.rst, "Ring". Nothing but neighbours in a ring may talk.
 */
#include <errno.h>
#include <stdlib.h>

#include "build.h"

#define Q	AXCC_QUEUES
#define AHEAD	3u		/* targets made ready before their turn */
#define SLOTS	(AHEAD + 1)	/* of TMP, a chain: the oldest is free when it is needed again */
#define MAX_STREAMS	(2 * AXCC_MAX_RINGS)

/**
 * struct ring - one operation in the making
 * @b: the schedule
 * @g: the group
 * @coll: which
 * @root: BROADCAST: who starts; REDUCE: where it ends; else 0
 * @streams: directions in use
 * @width: queues of a stream; also chunks of a wave
 * @waves: of a part
 * @in_sem: first of Q: data came
 * @credit_sem: first of Q: a target is ready
 * @done_sem: a transfer of one's own is done
 * @slots: TMP for sums on their way
 * @slot_bytes: of one
 * @come: arrivals on each chain of a position's member, before this step
 * @sent: sums pushed on each chain
 * @ready: sums for which a target was made ready, on each chain
 */
struct ring {
	struct axcc_build *b;
	const struct axcc_group *g;
	enum axcc_coll coll;
	uint32_t root;
	uint32_t streams;
	uint32_t width;
	uint32_t waves;
	uint32_t in_sem;
	uint32_t credit_sem;
	uint32_t done_sem;
	uint64_t slots;
	uint64_t slot_bytes;
	uint32_t come[AXCC_MAX_RANKS][Q];
	uint32_t sent[AXCC_MAX_RANKS][Q];
	uint32_t ready[AXCC_MAX_RANKS][Q];
};

/* Which chunk: of wave @wave, of stream @stream, chunk @chunk of it. */
struct at {
	uint32_t wave;
	uint32_t stream;
	uint32_t chunk;
};

static uint32_t chain_of(const struct ring *r, struct at at)
{
	return at.stream * (Q / r->streams) + at.chunk;
}

/*
 * Position of the root in its stream, which is counted as position 0 of BROADCAST, last of REDUCE.
 */
static uint32_t shift(const struct ring *r, uint32_t stream)
{
	const uint16_t *ring = r->g->orders.ring[stream / 2];
	uint32_t n = r->g->n, p = 0;

	if (r->coll != AXCC_BROADCAST && r->coll != AXCC_REDUCE)
		return 0;
	while (ring[p] != r->root)
		p++;
	if (stream & 1)
		p = (n - p) % n;
	return r->coll == AXCC_REDUCE ? (p + 1) % n : p;
}

/* The member at position @pos (modulo n) of a stream; data go to position + 1. */
static uint32_t member(const struct ring *r, uint32_t stream, uint32_t pos)
{
	uint32_t n = r->g->n, p = (pos + shift(r, stream)) % n;

	return r->g->orders.ring[stream / 2][stream & 1 ? (n - p) % n : p];
}

static struct axcc_span block(const struct ring *r, uint32_t i)
{
	const struct axcc_group *g = r->g;

	if (r->coll == AXCC_REDUCE_SCATTER || r->coll == AXCC_ALL_GATHER)
		return (struct axcc_span) { g->lo[i], g->len[i] };
	if (r->coll == AXCC_ALL_REDUCE)
		return axcc_part(r->b, (struct axcc_span) { g->first, g->count }, i, g->n);
	return (struct axcc_span) { g->first, g->count };
}

/* What @at is of the block of member @i. */
static struct axcc_span chunk_of(const struct ring *r, uint32_t i, struct at at)
{
	struct axcc_span part = axcc_part(r->b, block(r, i), at.stream, r->streams);

	return axcc_part(r->b, part, at.wave * r->width + at.chunk, r->waves * r->width);
}

static void setup(struct ring *r)
{
	uint64_t most = 0, bytes;

	r->streams = 2 * r->g->orders.rings;
	for (uint32_t i = 0; i < r->g->n; i++) {
		struct axcc_span s = block(r, i);

		most = s.len > most ? s.len : most;
	}
	bytes = (most * r->b->s->elem_size + r->streams - 1) / r->streams;
	r->width = (uint32_t)(bytes / AXCC_PIECE_BYTES < Q / r->streams ?
			      bytes / AXCC_PIECE_BYTES : Q / r->streams);
	r->width += !r->width;
	r->waves = (uint32_t)((bytes + r->width * r->b->chunk - 1) / (r->width * r->b->chunk));
	r->waves += !r->waves;
	/* Parts are rounded to whole lines. */
	r->slot_bytes = (bytes / (r->waves * r->width) / 64 + 3) * 64;
	r->in_sem = axcc_sems(r->b, 2 * Q + 1);
	r->credit_sem = r->in_sem + Q;
	r->done_sem = r->in_sem + 2 * Q;
}

/* ---- sums on their way ---- */

/* Pushes of a wave that add: block @block of step @t comes to position @pos. */
static uint32_t sums(const struct ring *r)
{
	return r->coll == AXCC_REDUCE ? 1 : r->g->n - 1;
}

static uint32_t block_of(const struct ring *r, uint32_t stream, uint32_t pos, uint32_t t)
{
	uint32_t n = r->g->n;

	return r->coll == AXCC_REDUCE ? 0 : member(r, stream, pos + 2 * n - 2 - t);
}

static bool is_last(const struct ring *r, uint32_t pos, uint32_t t)
{
	return r->coll == AXCC_REDUCE ? pos == r->g->n - 1 : t == r->g->n - 2;
}

/* Where the member at @pos adds what comes in step @t, as number @item of its chain. */
static struct axcc_place sum_at(const struct ring *r, struct at at, uint32_t pos, uint32_t t,
				uint32_t item, uint64_t e)
{
	uint32_t i = member(r, at.stream, pos);

	if (r->coll == AXCC_ALL_REDUCE || is_last(r, pos, t))
		return axcc_at(r->b, r->g->out[i], e);
	if (r->g->spoil[i])
		return axcc_at(r->b, r->g->in[i], e);
	return axcc_place(axcc_group_rank(r->g, i), AXCC_BUF_TMP, r->slots +
			  (chain_of(r, at) * SLOTS + item % SLOTS) * r->slot_bytes);
}

static bool is_input(const struct ring *r, struct at at, uint32_t pos, uint32_t t)
{
	uint32_t i = member(r, at.stream, pos);

	if (r->coll == AXCC_ALL_REDUCE || is_last(r, pos, t))
		return r->g->same[i];
	return r->g->spoil[i];
}

/* Copies the own contribution to where number @item of the chain will be added to. */
static void make_ready(struct ring *r, struct at at, uint32_t pos, uint32_t item)
{
	uint32_t t = item % sums(r), i = member(r, at.stream, pos);
	uint32_t rank = axcc_group_rank(r->g, i), q = chain_of(r, at);
	struct axcc_span c;
	struct axcc_step *step;

	at.wave = item / sums(r);
	if (at.wave >= r->waves || is_input(r, at, pos, t))
		return;
	c = chunk_of(r, block_of(r, at.stream, pos, t), at);
	if (!c.len)
		return;
	step = axcc_step_copy(r->b, rank, q, sum_at(r, at, pos, t, item, c.lo),
			 axcc_at(r->b, r->g->in[i], c.lo), c.len);
	axcc_step_post(r->b, step, rank,
		  axcc_group_rank(r->g, member(r, at.stream, pos + r->g->n - 1)),
		  r->credit_sem + q);
}

/* The member at @pos pushes a sum to the next: the own input first, then what it has added to. */
static void push_sum(struct ring *r, struct at at, uint32_t pos, uint32_t t)
{
	uint32_t i = member(r, at.stream, pos), to = member(r, at.stream, pos + 1);
	uint32_t rank = axcc_group_rank(r->g, i), q = chain_of(r, at);
	uint32_t item = at.wave * sums(r) + t;
	bool first = r->coll == AXCC_REDUCE ? !pos : !t;
	struct axcc_span c = chunk_of(r, block_of(r, at.stream, pos + 1, t), at);
	struct axcc_place src;
	struct axcc_step *step;

	if (c.len) {
		if (!is_input(r, at, (pos + 1) % r->g->n, t))
			axcc_step_wait(r->b, rank, r->credit_sem + q, ++r->ready[i][q]);
		src = first ? axcc_at(r->b, r->g->in[i], c.lo) :
			sum_at(r, at, pos, r->coll == AXCC_REDUCE ? t : t - 1,
			       r->coll == AXCC_REDUCE ? item : item - 1, c.lo);
		if (!first)
			axcc_step_wait(r->b, rank, r->in_sem + q, r->come[i][q]);
		step = axcc_step_reduce(r->b, rank, q,
				   sum_at(r, at, (pos + 1) % r->g->n, t, item, c.lo), src, c.len);
		axcc_step_post(r->b, step, rank, axcc_group_rank(r->g, to), r->in_sem + q);
	}
	if (r->coll != AXCC_REDUCE || pos)
		make_ready(r, at, pos, item + AHEAD);
}

/* Pushes of the whole vector or of blocks that are complete. */
static void push_block(struct ring *r, struct at at, uint32_t pos, uint32_t s, bool first)
{
	uint32_t i = member(r, at.stream, pos), to = member(r, at.stream, pos + 1);
	uint32_t rank = axcc_group_rank(r->g, i), q = chain_of(r, at);
	struct axcc_span c = chunk_of(r, s, at);
	struct axcc_step *step;

	if (!c.len)
		return;
	axcc_step_wait(r->b, rank, r->in_sem + q, first && r->coll != AXCC_ALL_REDUCE ? 0 :
		  r->come[i][q]);
	step = axcc_step_copy(r->b, rank, q, axcc_at(r->b, r->g->out[to], c.lo),
			 axcc_at(r->b, first && r->coll != AXCC_ALL_REDUCE ? r->g->in[i] :
				 r->g->out[i], c.lo), c.len);
	axcc_step_post(r->b, step, rank, axcc_group_rank(r->g, to), r->in_sem + q);
}

/* ---- walks ---- */

/* For every chunk of a wave, those of different streams beside each other. */
#define FOR_CHUNKS(r, at, w)							\
	for (struct at at = { .wave = (w) }; at.chunk < (r)->width; at.chunk++)	\
		for (at.stream = 0; at.stream < (r)->streams; at.stream++)

static void count_arrivals(struct ring *r)
{
	for (uint32_t i = 0; i < r->g->n; i++)
		for (uint32_t q = 0; q < Q; q++)
			r->come[i][q] = r->b->posted[axcc_group_rank(r->g, i)][r->in_sem + q];
}

/*
 * The root of REDUCE pushes nothing that it could follow up with the next target: all come first.
 */
static void first_targets(struct ring *r)
{
	bool reduce = r->coll == AXCC_REDUCE;
	uint32_t n = r->g->n, items = reduce && r->waves > AHEAD ? r->waves : AHEAD;

	for (uint32_t item = 0; item < items; item++)
		FOR_CHUNKS(r, at, 0)
			for (uint32_t pos = reduce; pos < n; pos++)
				if (item < AHEAD || pos == n - 1)
					make_ready(r, at, pos, item);
}

static void reduce_wave(struct ring *r, uint32_t wave)
{
	for (uint32_t t = 0; t < r->g->n - 1; t++) {
		count_arrivals(r);
		FOR_CHUNKS(r, at, wave)
			for (uint32_t pos = 0; pos < r->g->n; pos++)
				push_sum(r, at, pos, t);
	}
}

static void gather_wave(struct ring *r, uint32_t wave)
{
	uint32_t n = r->g->n;

	for (uint32_t t = 0; t < n - 1; t++) {
		count_arrivals(r);
		FOR_CHUNKS(r, at, wave)
			for (uint32_t pos = 0; pos < n; pos++)
				push_block(r, at, pos, member(r, at.stream, pos + n - t), !t);
	}
}

static void finish(struct ring *r)
{
	for (uint32_t i = 0; i < r->g->n; i++) {
		uint32_t rank = axcc_group_rank(r->g, i);

		for (uint32_t q = 0; q < Q; q++)
			axcc_step_wait_posted(r->b, rank, r->in_sem + q);
		axcc_step_wait_posted(r->b, rank, r->done_sem);
		axcc_step_flush(r->b, rank);
	}
}

/* What a member has already, from its input to its output. */
static void own_block(struct ring *r, uint32_t i, struct axcc_span s)
{
	uint32_t rank = axcc_group_rank(r->g, i), pieces = axcc_pieces(r->b, s.len, Q);

	for (uint32_t j = 0; j < pieces && !r->g->same[i]; j++) {
		struct axcc_span p = axcc_part(r->b, s, j, pieces);

		axcc_step_post(r->b, axcc_step_copy(r->b, rank, j % Q,
						    axcc_at(r->b, r->g->out[i], p.lo),
					  axcc_at(r->b, r->g->in[i], p.lo), p.len),
			  rank, rank, r->done_sem);
	}
}

static struct ring *begin(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r) {
		b->err = -ENOMEM;
		return NULL;
	}
	r->b = b;
	r->g = g;
	r->coll = coll;
	r->root = g->root;
	setup(r);
	return r;
}

static void all_reduce(struct axcc_build *b, const struct axcc_group *g)
{
	struct ring *r = begin(b, g, AXCC_ALL_REDUCE);

	if (!r)
		return;
	first_targets(r);
	for (uint32_t wave = 0; wave < r->waves; wave++) {
		reduce_wave(r, wave);
		gather_wave(r, wave);
	}
	finish(r);
	free(r);
}

static void reduce_scatter(struct axcc_build *b, const struct axcc_group *g)
{
	struct ring *r = begin(b, g, AXCC_REDUCE_SCATTER);

	if (!r)
		return;
	r->slots = axcc_tmp(b, Q * SLOTS * r->slot_bytes);
	first_targets(r);
	for (uint32_t wave = 0; wave < r->waves; wave++)
		reduce_wave(r, wave);
	finish(r);
	free(r);
}

static void all_gather(struct axcc_build *b, const struct axcc_group *g)
{
	struct ring *r = begin(b, g, AXCC_ALL_GATHER);

	if (!r)
		return;
	for (uint32_t wave = 0; wave < r->waves; wave++) {
		gather_wave(r, wave);
		for (uint32_t i = 0; !wave && i < g->n; i++)
			own_block(r, i, block(r, i));
	}
	finish(r);
	free(r);
}

/*
 * Data go along a stream wave by wave: in tick t position p does wave t - p. A member stands at
 * different positions of different streams; in this order none of them holds up the others.
 */
static void along(struct ring *r, void (*push)(struct ring *r, struct at at, uint32_t pos))
{
	uint32_t n = r->g->n;

	for (uint32_t tick = 0; tick < r->waves + n - 2; tick++) {
		uint32_t first = tick < r->waves ? 0 : tick - r->waves + 1;

		count_arrivals(r);
		FOR_CHUNKS(r, at, 0) {
			for (uint32_t pos = first; pos < n - 1 && pos <= tick; pos++) {
				at.wave = tick - pos;
				push(r, at, pos);
			}
		}
	}
}

static void pass_block(struct ring *r, struct at at, uint32_t pos)
{
	push_block(r, at, pos, r->g->root, !pos);
}

static void pass_sum(struct ring *r, struct at at, uint32_t pos)
{
	push_sum(r, at, pos, 0);
}

static void broadcast(struct axcc_build *b, const struct axcc_group *g)
{
	struct ring *r = begin(b, g, AXCC_BROADCAST);

	if (!r)
		return;
	along(r, pass_block);
	own_block(r, g->root, block(r, g->root));
	finish(r);
	free(r);
}

static void reduce(struct axcc_build *b, const struct axcc_group *g)
{
	struct ring *r = begin(b, g, AXCC_REDUCE);

	if (!r)
		return;
	r->slots = axcc_tmp(b, Q * SLOTS * r->slot_bytes);
	first_targets(r);
	along(r, pass_sum);
	finish(r);
	free(r);
}

/* ---- order ---- */

static uint32_t order(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll,
		      uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	struct ring r = { .b = b, .g = g, .coll = coll, .root = g->root,
			  .streams = 2 * g->orders.rings };
	uint32_t blocks = coll == AXCC_REDUCE ? 1 : g->n;

	for (uint32_t s = 0; s < blocks; s++) {
		for (uint32_t st = 0; st < r.streams; st++) {
			/* The block of the member at position s of this stream. */
			uint32_t owner = coll == AXCC_REDUCE ? 0 : member(&r, st, s);
			uint32_t last = coll == AXCC_REDUCE ? g->n - 1 : s, node;
			struct axcc_span p = axcc_part(b, block(&r, owner), st, r.streams);

			if (e - p.lo >= p.len)
				continue;
			*end = p.lo + p.len;
			node = leaf[member(&r, st, last + 1)];
			for (uint32_t k = 2; k <= g->n; k++)
				node = axcc_order_op(b, leaf[member(&r, st, last + k)], node);
			return node;
		}
	}
	*end = e + 1;
	return 0;
}

const struct axcc_algorithm axcc_algo_ring = {
	.name = "ring",
	.what = "from neighbour to neighbour, in both directions",
	.build = {
		[AXCC_ALL_REDUCE] = all_reduce,
		[AXCC_ALL_GATHER] = all_gather,
		[AXCC_REDUCE_SCATTER] = reduce_scatter,
		[AXCC_BROADCAST] = broadcast,
		[AXCC_REDUCE] = reduce,
	},
	.order = order,
};
