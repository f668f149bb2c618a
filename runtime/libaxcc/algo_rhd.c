// SPDX-License-Identifier: MIT
/*
 * algo_rhd.c - recursive halving and doubling: log2(n) rounds.
 *
 * Members have virtual numbers, in an order that makes partners neighbours (&axcc_group.cube).
 *
 * n = 2^p	in round k of the reduction (k = p - 1 .. 0) v and v ^ 2^k swap: each pushes its
 *		sums of the blocks that are on the other's side and adds what comes to its own side.
 * other n	v pushes to v + 2^k the sums of the min(2^k, n - 2^k) blocks from v + 2^k on (modulo
 *		n), so that no rank idles and no block travels more than it must.
 *
 * Gathering goes the same ways backwards. What comes is added in the order of the rounds,
 * sum = own + come, in two ways that give the same bits:
 *
 * staged	it is put in TMP and added from there; so no handshake is needed within a wave.
 * direct	(n = 2^p, all-reduce) the partner adds it to the sum itself, when it has been told
 *		that what came in the round before is in. A way's latency more a round, but nothing
 *		is moved twice. For what is large.
 *
 * The data are cut into slices, each of which goes through all rounds on one DMA queue: while one
 * is added up another travels. What is too large for that goes in waves.
 *
 * BROADCAST and REDUCE are binomial trees over the virtual numbers, counted from the root.
 *
 * Documentation/collectives.rst, "Recursive halving and doubling".
 */
#include <errno.h>
#include <stdlib.h>

#include "build.h"

#define Q	AXCC_QUEUES
#define MAX_ROUNDS	7u	/* log2(AXCC_MAX_RANKS) */
#define SLICE_BYTES	(8u << 10)	/* cutting below this only costs */
#define MAX_SEMS	225u	/* so that hierarchies have some left */

/**
 * struct rhd - one operation in the making
 * @b: the schedule
 * @g: the group
 * @coll: which
 * @rounds: log2(n), rounded up
 * @slices: how many
 * @waves: how many
 * @in_sem: first of @rounds * @slices: what is to be added has come
 * @out_sem: first of @rounds * @slices: blocks have come
 * @direct: partners add to sums themselves
 * @credit_sem: first of @rounds * @slices: TMP is free again, or a sum may be added to
 * @done_sem: a transfer of one's own is done
 * @come: TMP: what comes, n - 1 lanes a slice
 * @sums: TMP: sums that are not the member's own, n lanes a slice
 * @lane: bytes of a slice of a block
 */
struct rhd {
	struct axcc_build *b;
	const struct axcc_group *g;
	enum axcc_coll coll;
	uint32_t rounds;
	uint32_t slices;
	uint32_t waves;
	bool direct;
	uint32_t in_sem;
	uint32_t out_sem;
	uint32_t credit_sem;
	uint32_t done_sem;
	uint64_t come;
	uint64_t sums;
	uint64_t lane;
};

/** struct at - slice @slice of wave @wave */
struct at {
	uint32_t wave;
	uint32_t slice;
};

static bool is_cube(uint32_t n)
{
	return !(n & (n - 1));
}

static uint32_t log2_up(uint32_t n)
{
	uint32_t p = 0;

	while (1u << p < n)
		p++;
	return p;
}

/*
 * The member that is v for a slice. Partners of a round are neighbours along one axis; what is
 * whole blocks of a vector takes the axes in another order in each slice, so that all links are in
 * use at once. Other operations have their blocks where they are: runs of them would break.
 */
static uint32_t member(const struct rhd *r, uint32_t v, uint32_t slice)
{
	uint32_t n = r->g->n, turn;

	if (r->coll == AXCC_ALL_REDUCE && is_cube(n) && n > 1) {
		turn = slice % log2_up(n);
		v = (v << turn | v >> (log2_up(n) - turn)) & (n - 1);
	}
	return r->g->orders.cube[v];
}

static uint32_t rank_of(const struct rhd *r, uint32_t v, struct at at)
{
	return axcc_group_rank(r->g, member(r, v, at.slice));
}

/* Who gets v's sums in round k, or from whom v gets some; when gathering the other way round. */
static uint32_t partner(uint32_t n, uint32_t v, uint32_t k, bool to)
{
	uint32_t d = 1u << k;

	if (is_cube(n))
		return v ^ d;
	return (to ? v + d : v + n - d) % n;
}

/* The blocks v adds to in round k, and gives away when gathering: num_blocks() from this one on. */
static uint32_t first_block(uint32_t n, uint32_t v, uint32_t k)
{
	return is_cube(n) ? v >> k << k : v;
}

static uint32_t num_blocks(uint32_t n, uint32_t k)
{
	uint32_t d = 1u << k;

	return d < n - d ? d : n - d;
}

static bool adds_to(uint32_t n, uint32_t v, uint32_t block, uint32_t k)
{
	return (block + n - first_block(n, v, k)) % n < num_blocks(n, k);
}

/* Slice @at of block @v. */
static struct axcc_span span(const struct rhd *r, uint32_t v, struct at at)
{
	uint64_t i = (uint64_t)at.wave * r->slices + at.slice, m = (uint64_t)r->waves * r->slices;
	const struct axcc_group *g = r->g;
	struct axcc_span s = { g->first, g->count };

	if (r->coll == AXCC_ALL_REDUCE)
		return axcc_part(r->b, axcc_part(r->b, s, i, m), v, g->n);
	v = member(r, v, at.slice);
	s = (struct axcc_span) { g->lo[v], g->len[v] };
	return axcc_part(r->b, s, i, m);
}

/* ---- transfers that follow each other in memory become one ---- */

/**
 * struct run - such transfers
 * @r: the operation
 * @rank: who does it
 * @queue: of the rank
 * @reduce: not a copy
 * @dst: target so far
 * @src: source so far
 * @count: elements so far
 * @last: the newest step
 */
struct run {
	struct rhd *r;
	uint32_t rank;
	uint32_t queue;
	bool reduce;
	struct axcc_place dst;
	struct axcc_place src;
	uint64_t count;
	struct axcc_step *last;
};

static bool same_place(struct axcc_place a, struct axcc_place b)
{
	return a.offset == b.offset && a.buffer == b.buffer && a.rank == b.rank;
}

static struct axcc_step *run_end(struct run *run)
{
	struct axcc_build *b = run->r->b;

	if (run->count && run->reduce)
		run->last = axcc_step_reduce(b, run->rank, run->queue, run->dst, run->src,
					     run->count);
	else if (run->count)
		run->last = axcc_step_copy(b, run->rank, run->queue, run->dst, run->src,
					   run->count);
	run->count = 0;
	return run->last;
}

static void run_add(struct run *run, struct axcc_place dst, struct axcc_place src, uint64_t count)
{
	struct axcc_build *b = run->r->b;

	if (!count)
		return;
	if (run->count && same_place(axcc_at(b, run->dst, run->count), dst) &&
	    same_place(axcc_at(b, run->src, run->count), src)) {
		run->count += count;
		return;
	}
	run_end(run);
	run->dst = dst;
	run->src = src;
	run->count = count;
}

/* ---- the rounds of a reduction ---- */

/* Where v adds up block @block. */
static struct axcc_place sum_at(const struct rhd *r, uint32_t v, uint32_t block, struct at at)
{
	uint32_t i = member(r, v, at.slice);
	uint64_t e = span(r, block, at).lo;

	if (r->coll == AXCC_ALL_REDUCE || block == v)
		return axcc_at(r->b, r->g->out[i], e);
	if (r->g->spoil[i])
		return axcc_at(r->b, r->g->in[i], e);
	return axcc_place(rank_of(r, v, at), AXCC_BUF_TMP,
			  r->sums + (at.slice * r->g->n + block) * r->lane);
}

static bool sums_in_input(const struct rhd *r, uint32_t v, uint32_t block, struct at at)
{
	uint32_t i = member(r, v, at.slice);

	return r->coll == AXCC_ALL_REDUCE || block == v ? r->g->same[i] : r->g->spoil[i];
}

/* Where v has its sum of a block before round @k: the input, if nothing was added to it yet. */
static struct axcc_place value_at(const struct rhd *r, uint32_t v, uint32_t block, uint32_t k,
				  struct at at)
{
	for (uint32_t j = k + 1; j < r->rounds; j++)
		if (adds_to(r->g->n, v, block, j))
			return sum_at(r, v, block, at);
	return axcc_at(r->b, r->g->in[member(r, v, at.slice)], span(r, block, at).lo);
}

/* Rounds bring 1, 2, 4, ... blocks. */
static struct axcc_place come_at(const struct rhd *r, uint32_t v, uint32_t k, struct at at)
{
	return axcc_place(rank_of(r, v, at), AXCC_BUF_TMP, r->come +
			  (at.slice * (r->g->n - 1) + (1u << k) - 1) * r->lane);
}

static void push_sums(struct rhd *r, uint32_t v, uint32_t k, struct at at)
{
	uint32_t n = r->g->n, to = partner(n, v, k, true), rank = rank_of(r, v, at);
	uint32_t sem = k * r->slices + at.slice;
	struct run run = { .r = r, .rank = rank, .queue = at.slice };
	struct axcc_place dst = come_at(r, to, k, at);

	if (r->coll == AXCC_REDUCE_SCATTER)
		axcc_step_wait_posted(r->b, rank, r->credit_sem + sem);
	for (uint32_t i = 0; i < num_blocks(n, k); i++) {
		uint32_t block = (first_block(n, to, k) + i) % n;
		uint64_t len = span(r, block, at).len;

		run_add(&run, dst, value_at(r, v, block, k, at), len);
		dst = axcc_at(r->b, dst, len);
	}
	axcc_step_post(r->b, run_end(&run), rank, rank_of(r, to, at), r->in_sem + sem);
}

/* The own contribution to what will be added to for the first time. Return: the last step. */
static struct axcc_step *own_sums(struct rhd *r, uint32_t v, uint32_t k, struct at at)
{
	uint32_t n = r->g->n;
	struct run run = { .r = r, .rank = rank_of(r, v, at), .queue = at.slice };

	for (uint32_t i = 0; i < num_blocks(n, k); i++) {
		uint32_t block = (first_block(n, v, k) + i) % n;
		struct axcc_place sum = sum_at(r, v, block, at);
		struct axcc_place value = value_at(r, v, block, k, at);

		if (!sums_in_input(r, v, block, at) && !same_place(sum, value))
			run_add(&run, sum, value, span(r, block, at).len);
	}
	return run_end(&run);
}

static void add_sums(struct rhd *r, uint32_t v, uint32_t k, struct at at)
{
	uint32_t n = r->g->n, rank = rank_of(r, v, at), sem = k * r->slices + at.slice;
	struct run run = { .r = r, .rank = rank, .queue = at.slice, .reduce = true };
	struct axcc_place src = come_at(r, v, k, at);

	axcc_step_wait_posted(r->b, rank, r->in_sem + sem);
	for (uint32_t i = 0; i < num_blocks(n, k); i++) {
		uint32_t block = (first_block(n, v, k) + i) % n;
		uint64_t len = span(r, block, at).len;

		run_add(&run, sum_at(r, v, block, at), src, len);
		src = axcc_at(r->b, src, len);
	}
	run_end(&run);
	if (!k)
		axcc_step_post(r->b, run.last, rank, rank, r->done_sem);
	if (r->coll == AXCC_REDUCE_SCATTER && at.wave + 1 < r->waves)
		axcc_step_post(r->b, run.last, rank,
			       rank_of(r, partner(n, v, k, false), at), r->credit_sem + sem);
}

#define FOR_SLICES(r, at, w, v)								\
	for (struct at at = { .wave = (w) }; at.slice < (r)->slices; at.slice++)	\
		for (uint32_t v = 0; v < (r)->g->n; v++)

/* ---- the same, direct ---- */

/* Does anything come to @v in round @k that can only be added when it says so? */
static bool needs_credit(const struct rhd *r, uint32_t v, uint32_t k, struct at at)
{
	uint64_t len = 0;

	for (uint32_t i = 0; i < num_blocks(r->g->n, k); i++)
		len += span(r, first_block(r->g->n, v, k) + i, at).len;
	return len && (k + 1 < r->rounds || !r->g->same[member(r, v, at.slice)]);
}

/* What came to @v in the round before, or its own contribution, is where the partner adds. */
static void give_credit(struct rhd *r, uint32_t v, uint32_t k, struct at at)
{
	uint32_t rank = rank_of(r, v, at), from = partner(r->g->n, v, k, false);
	uint32_t sem = k * r->slices + at.slice;
	struct axcc_step *step;

	if (!needs_credit(r, v, k, at))
		return;
	if (k + 1 == r->rounds) {
		step = own_sums(r, v, k, at);
	} else {
		axcc_step_wait_posted(r->b, rank, r->in_sem + r->slices + sem);
		step = axcc_step_none(r->b, rank);
	}
	axcc_step_post(r->b, step, rank, rank_of(r, from, at), r->credit_sem + sem);
}

static void push_direct(struct rhd *r, uint32_t v, uint32_t k, struct at at)
{
	uint32_t n = r->g->n, to = partner(n, v, k, true), rank = rank_of(r, v, at);
	uint32_t sem = k * r->slices + at.slice;
	struct run run = { .r = r, .rank = rank, .queue = at.slice, .reduce = true };

	if (k + 1 < r->rounds)
		axcc_step_wait_posted(r->b, rank, r->in_sem + r->slices + sem);
	if (needs_credit(r, to, k, at))
		axcc_step_wait_posted(r->b, rank, r->credit_sem + sem);
	for (uint32_t i = 0; i < num_blocks(n, k); i++) {
		uint32_t block = first_block(n, to, k) + i;

		run_add(&run, sum_at(r, to, block, at), value_at(r, v, block, k, at),
			span(r, block, at).len);
	}
	axcc_step_post(r->b, run_end(&run), rank, rank_of(r, to, at), r->in_sem + sem);
}

static void reduce_wave_direct(struct rhd *r, uint32_t wave)
{
	for (uint32_t k = r->rounds; k-- > 0; ) {
		FOR_SLICES(r, at, wave, v)
			give_credit(r, v, k, at);
		FOR_SLICES(r, at, wave, v)
			push_direct(r, v, k, at);
	}
}

static void reduce_wave(struct rhd *r, uint32_t wave)
{
	for (uint32_t k = r->rounds; k-- > 0; ) {
		FOR_SLICES(r, at, wave, v)
			push_sums(r, v, k, at);
		FOR_SLICES(r, at, wave, v)
			own_sums(r, v, k, at);
		FOR_SLICES(r, at, wave, v)
			add_sums(r, v, k, at);
	}
}

/* ---- the rounds of gathering ---- */

/* After the first round the own block is in the output: its copy stands in the same queue. */
static struct axcc_place block_at(const struct rhd *r, uint32_t v, uint32_t block, uint32_t k,
				  struct at at)
{
	uint32_t i = member(r, v, at.slice);

	return axcc_at(r->b, r->coll == AXCC_ALL_GATHER && !k ? r->g->in[i] : r->g->out[i],
		       span(r, block, at).lo);
}

static void push_blocks(struct rhd *r, uint32_t v, uint32_t k, struct at at)
{
	uint32_t n = r->g->n, to = partner(n, v, k, false), rank = rank_of(r, v, at);
	struct run run = { .r = r, .rank = rank, .queue = at.slice };

	if (k)
		axcc_step_wait_posted(r->b, rank, r->out_sem + (k - 1) * r->slices + at.slice);
	else if (r->direct)
		axcc_step_wait_posted(r->b, rank, r->in_sem + at.slice);
	for (uint32_t i = 0; i < num_blocks(n, k); i++) {
		uint32_t block = (first_block(n, v, k) + i) % n;
		struct axcc_span s = span(r, block, at);

		run_add(&run, axcc_at(r->b, r->g->out[member(r, to, at.slice)], s.lo),
			block_at(r, v, block, k, at), s.len);
	}
	axcc_step_post(r->b, run_end(&run), rank, rank_of(r, to, at),
		       r->out_sem + k * r->slices + at.slice);
}

static void own_block(struct rhd *r, uint32_t v, struct at at)
{
	struct axcc_span s = span(r, v, at);
	uint32_t i = member(r, v, at.slice), rank = rank_of(r, v, at);

	if (r->g->same[i])
		return;
	axcc_step_post(r->b, axcc_step_copy(r->b, rank, at.slice, axcc_at(r->b, r->g->out[i], s.lo),
				  axcc_at(r->b, r->g->in[i], s.lo), s.len), rank, rank,
				  r->done_sem);
}

static void gather_wave(struct rhd *r, uint32_t wave)
{
	for (uint32_t k = 0; k < r->rounds; k++) {
		FOR_SLICES(r, at, wave, v) {
			push_blocks(r, v, k, at);
			if (!k && r->coll == AXCC_ALL_GATHER)
				own_block(r, v, at);
		}
	}
	FOR_SLICES(r, at, wave, v)
		axcc_step_wait_posted(r->b, rank_of(r, v, at), r->out_sem +
				       + (r->rounds - 1) * r->slices + at.slice);
	for (uint32_t v = 0; v < r->g->n; v++)
		axcc_step_flush(r->b, axcc_group_rank(r->g, v));
}

/* ---- the operations ---- */

static uint64_t total(const struct axcc_group *g, enum axcc_coll coll)
{
	uint64_t most = 0;

	if (coll == AXCC_ALL_REDUCE)
		return g->count;
	for (uint32_t i = 0; i < g->n; i++)
		most = g->len[i] > most ? g->len[i] : most;
	return most * g->n;
}

static void cut(struct rhd *r)
{
	uint64_t bytes = total(r->g, r->coll) * r->b->s->elem_size, wave;
	uint32_t sems = (r->g->sems ? r->g->sems : MAX_SEMS) - 1;

	r->rounds = log2_up(r->g->n);
	sems /= (r->direct ? 3 : 2) * r->rounds;
	r->slices = sems < Q ? sems : Q;
	if (bytes / SLICE_BYTES < r->slices)
		r->slices = (uint32_t)(bytes / SLICE_BYTES) + !(bytes / SLICE_BYTES);
	wave = 2 * r->b->chunk * r->slices;	/* a round moves half of it */
	r->waves = (uint32_t)((bytes + wave - 1) / wave);
	r->waves += !r->waves;
	/* Slices and blocks are rounded to whole lines. */
	r->lane = (bytes / r->g->n / r->waves / r->slices / 64 + 3) * 64;
}

static struct rhd *begin(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll,
			 bool direct)
{
	struct rhd *r = calloc(1, sizeof(*r));
	uint32_t sems;

	if (!r) {
		b->err = -ENOMEM;
		return NULL;
	}
	*r = (struct rhd) { .b = b, .g = g, .coll = coll, .direct = direct };
	cut(r);
	sems = r->rounds * r->slices;
	r->in_sem = axcc_sems(b, (direct ? 3 : 2) * sems + 1);
	r->out_sem = r->in_sem + sems;
	/* Of the others, operations have one or the other. */
	r->credit_sem = direct ? r->out_sem + sems : r->out_sem;
	r->done_sem = r->credit_sem + sems;
	return r;
}

static void finish(struct rhd *r)
{
	for (uint32_t v = 0; v < r->g->n; v++) {
		for (uint32_t sem = r->in_sem; sem <= r->done_sem; sem++)
			axcc_step_wait_posted(r->b, axcc_group_rank(r->g, v), sem);
		axcc_step_flush(r->b, axcc_group_rank(r->g, v));
	}
	free(r);
}

static void all_reduce(struct axcc_build *b, const struct axcc_group *g)
{
	struct rhd *r = begin(b, g, AXCC_ALL_REDUCE, false);

	if (!r)
		return;
	r->come = axcc_tmp(b, r->slices * (g->n - 1) * r->lane);
	for (uint32_t wave = 0; wave < r->waves; wave++) {
		reduce_wave(r, wave);
		gather_wave(r, wave);
	}
	finish(r);
}

static void direct_all_reduce(struct axcc_build *b, const struct axcc_group *g)
{
	struct rhd *r;

	if (!is_cube(g->n)) {
		axcc_refuse(b, "needs a power of two of ranks");
		return;
	}
	r = begin(b, g, AXCC_ALL_REDUCE, true);
	if (!r)
		return;
	for (uint32_t wave = 0; wave < r->waves; wave++) {
		reduce_wave_direct(r, wave);
		gather_wave(r, wave);
	}
	finish(r);
}

static void reduce_scatter(struct axcc_build *b, const struct axcc_group *g)
{
	struct rhd *r = begin(b, g, AXCC_REDUCE_SCATTER, false);

	if (!r)
		return;
	r->come = axcc_tmp(b, r->slices * (g->n - 1) * r->lane);
	r->sums = axcc_tmp(b, r->slices * g->n * r->lane);
	for (uint32_t wave = 0; wave < r->waves; wave++)
		reduce_wave(r, wave);
	finish(r);
}

static void all_gather(struct axcc_build *b, const struct axcc_group *g)
{
	struct rhd *r = begin(b, g, AXCC_ALL_GATHER, false);

	if (!r)
		return;
	for (uint32_t wave = 0; wave < r->waves; wave++)
		gather_wave(r, wave);
	finish(r);
}

/* ---- trees ---- */

/* The virtual number of what stands at @u of a tree, the root at 0. */
static uint32_t tree_member(const struct axcc_group *g, uint32_t u)
{
	uint32_t root = 0;

	while (g->orders.cube[root] != g->root)
		root++;
	return g->orders.cube[is_cube(g->n) ? u ^ root : (u + root) % g->n];
}

/* Children of u are u + 2^k for k below this. */
static uint32_t tree_width(uint32_t n, uint32_t u)
{
	uint32_t k = u ? (uint32_t)__builtin_ctz(u) : log2_up(n);

	while (k && u + (1u << (k - 1)) >= n)
		k--;
	return k;
}

/*
 * Piece j goes to child k over queue j * width + k (modulo Q). Each queue has a semaphore at the
 * child.
 */
static void broadcast_at(struct axcc_build *b, const struct axcc_group *g, uint32_t u, uint32_t sem)
{
	uint32_t i = tree_member(g, u), me = axcc_group_rank(g, i), width = tree_width(g->n, u);
	uint32_t pieces = axcc_pieces(b, g->count, Q), up = 0, above = 1, come[Q] = { 0 };

	if (u) {
		up = (uint32_t)__builtin_ctz(u);
		above = tree_width(g->n, u & (u - 1));
	}
	for (uint32_t j = 0; j < pieces; j++) {
		struct axcc_span p = axcc_part(b, (struct axcc_span) { g->first, g->count }, j,
					       pieces);
		uint32_t from = (j * above + up) % Q;

		if (!p.len)
			continue;
		if (u)
			axcc_step_wait(b, me, sem + from, ++come[from]);
		for (uint32_t k = width; k-- > 0; ) {
			uint32_t to = tree_member(g, u + (1u << k)), q = (j * width + k) % Q;

			axcc_step_post(b, axcc_step_copy(b, me, q, axcc_at(b, g->out[to], p.lo),
					       axcc_at(b, u ? g->out[i] : g->in[i], p.lo), p.len),
				  me, axcc_group_rank(g, to), sem + q);
		}
		if (!u && !g->same[i])
			axcc_step_post(b, axcc_step_copy(b, me, j % Q, axcc_at(b, g->out[i], p.lo),
					       axcc_at(b, g->in[i], p.lo), p.len), me, me, sem + Q);
	}
	axcc_step_wait_posted(b, me, sem + Q);
	axcc_step_flush(b, me);
}

static void broadcast(struct axcc_build *b, const struct axcc_group *g)
{
	uint32_t sem = axcc_sems(b, Q + 1);

	for (uint32_t u = 0; u < g->n; u++)
		broadcast_at(b, g, u, sem);
}

/**
 * struct tree - REDUCE
 * @b: the schedule
 * @g: the group
 * @pieces: of the data
 * @in_sem: first of MAX_ROUNDS * Q: a piece of child k has come over queue q
 * @credit_sem: first of Q: the parent has added a piece of queue q
 * @done_sem: the root has added a piece
 * @rows: TMP: two for each child and queue
 * @sums: TMP: one for each queue
 * @row_bytes: of one
 */
struct tree {
	struct axcc_build *b;
	const struct axcc_group *g;
	uint32_t pieces;
	uint32_t in_sem;
	uint32_t credit_sem;
	uint32_t done_sem;
	uint64_t rows;
	uint64_t sums;
	uint64_t row_bytes;
};

static struct axcc_span piece(const struct tree *t, uint32_t j)
{
	return axcc_part(t->b, (struct axcc_span) { t->g->first, t->g->count }, j, t->pieces);
}

static struct axcc_place row_at(const struct tree *t, uint32_t u, uint32_t k, uint32_t j)
{
	return axcc_place(axcc_group_rank(t->g, tree_member(t->g, u)), AXCC_BUF_TMP, t->rows +
			  ((k * Q + j % Q) * 2 + j / Q % 2) * t->row_bytes);
}

/* Where u has its sum of piece @j; who has no children has only the input. */
static struct axcc_place tree_sum(const struct tree *t, uint32_t u, uint32_t j)
{
	uint32_t i = tree_member(t->g, u);

	if (!u)
		return axcc_at(t->b, t->g->out[i], piece(t, j).lo);
	if (!tree_width(t->g->n, u))
		return axcc_at(t->b, t->g->in[i], piece(t, j).lo);
	return axcc_place(axcc_group_rank(t->g, i), AXCC_BUF_TMP, t->sums + j % Q * t->row_bytes);
}

static void tree_own(const struct tree *t, uint32_t u, uint32_t j)
{
	uint32_t i = tree_member(t->g, u), rank = axcc_group_rank(t->g, i);

	if (u ? tree_width(t->g->n, u) != 0 : !t->g->same[i])
		axcc_step_copy(t->b, rank, j % Q, tree_sum(t, u, j),
			  axcc_at(t->b, t->g->in[i], piece(t, j).lo), piece(t, j).len);
}

/* @number: of the piece among those of its queue, from 1 on. */
static void tree_add(const struct tree *t, uint32_t u, uint32_t k, uint32_t j, uint32_t number)
{
	uint32_t rank = axcc_group_rank(t->g, tree_member(t->g, u)), q = j % Q;
	uint32_t child = axcc_group_rank(t->g, tree_member(t->g, u + (1u << k)));
	struct axcc_step *step;

	axcc_step_wait(t->b, rank, t->in_sem + k * Q + q, number);
	step = axcc_step_reduce(t->b, rank, q, tree_sum(t, u, j), row_at(t, u, k, j),
				piece(t, j).len);
	if (j + 2 * Q < t->pieces && piece(t, j + 2 * Q).len)
		axcc_step_post(t->b, step, rank, child, t->credit_sem + q);
	if (!u && k + 1 == tree_width(t->g->n, 0))
		axcc_step_post(t->b, step, rank, rank, t->done_sem);
}

static void tree_push(const struct tree *t, uint32_t u, uint32_t j, uint32_t number)
{
	uint32_t rank = axcc_group_rank(t->g, tree_member(t->g, u)), q = j % Q;
	uint32_t up = u & (u - 1), k = (uint32_t)__builtin_ctz(u);

	axcc_step_wait(t->b, rank, t->credit_sem + q, number < 3 ? 0 : number - 2);
	axcc_step_post(t->b, axcc_step_copy(t->b, rank, q, row_at(t, up, k, j), tree_sum(t, u, j),
				  piece(t, j).len),
		  rank, axcc_group_rank(t->g, tree_member(t->g, up)), t->in_sem + k * Q + q);
}

static void reduce_at(const struct tree *t, uint32_t u)
{
	uint32_t rank = axcc_group_rank(t->g, tree_member(t->g, u));

	for (uint32_t wave = 0; wave < t->pieces; wave += Q) {
		uint32_t end = wave + Q < t->pieces ? wave + Q : t->pieces;

		for (uint32_t j = wave; j < end; j++)
			tree_own(t, u, j);
		for (uint32_t k = 0; k < tree_width(t->g->n, u); k++)
			for (uint32_t j = wave; j < end && piece(t, j).len; j++)
				tree_add(t, u, k, j, j / Q + 1);
		for (uint32_t j = wave; u && j < end && piece(t, j).len; j++)
			tree_push(t, u, j, j / Q + 1);
	}
	axcc_step_wait_posted(t->b, rank, t->done_sem);
	axcc_step_flush(t->b, rank);
}

static void reduce(struct axcc_build *b, const struct axcc_group *g)
{
	struct tree t = { .b = b, .g = g };

	t.pieces = axcc_pieces(b, g->count, Q);
	t.row_bytes = (g->count * b->s->elem_size / t.pieces / 64 + 2) * 64;
	t.in_sem = axcc_sems(b, (MAX_ROUNDS + 1) * Q + 1);
	t.credit_sem = t.in_sem + MAX_ROUNDS * Q;
	t.done_sem = t.credit_sem + Q;
	t.rows = axcc_tmp(b, MAX_ROUNDS * Q * 2 * t.row_bytes);
	t.sums = axcc_tmp(b, Q * t.row_bytes);
	for (uint32_t u = 0; u < g->n; u++)
		reduce_at(&t, u);
}

/* In round k everybody tells the one 2^k further on all it has heard of. */
static void barrier(struct axcc_build *b, const struct axcc_group *g)
{
	uint32_t rounds = log2_up(g->n), sem = axcc_sems(b, rounds);

	for (uint32_t k = 0; k < rounds; k++) {
		for (uint32_t i = 0; i < g->n; i++) {
			uint32_t rank = axcc_group_rank(g, i);

			axcc_step_wait(b, rank, k ? sem + k - 1 : 0, k ? 1 : 0);
			axcc_step_post(b, axcc_step_none(b, rank), rank,
				  axcc_group_rank(g, (i + (1u << k)) % g->n), sem + k);
		}
	}
	for (uint32_t i = 0; i < g->n && rounds; i++) {
		axcc_step_wait(b, axcc_group_rank(g, i), sem + rounds - 1, 1);
		axcc_step_flush(b, axcc_group_rank(g, i));
	}
}

/* ---- order ---- */

static uint32_t tree_order(struct axcc_build *b, const struct axcc_group *g, uint32_t u,
			   const uint32_t *leaf)
{
	uint32_t node = leaf[tree_member(g, u)];

	for (uint32_t k = 0; k < tree_width(g->n, u); k++)
		node = axcc_order_op(b, node, tree_order(b, g, u + (1u << k), leaf));
	return node;
}

/* The sum of block @block when all rounds are over. */
static uint32_t block_order(const struct rhd *r, uint32_t block, uint32_t slice,
			    const uint32_t *leaf)
{
	uint32_t node[AXCC_MAX_RANKS], n = r->g->n;

	for (uint32_t v = 0; v < n; v++)
		node[v] = leaf[member(r, v, slice)];
	for (uint32_t k = log2_up(n); k-- > 0; )
		for (uint32_t v = 0; v < n; v++)
			if (adds_to(n, v, block, k))
				node[v] = axcc_order_op(r->b, node[v],
							node[partner(n, v, k, false)]);
	return node[block];
}

static uint32_t order_of(struct rhd r, uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	const struct axcc_group *g = r.g;
	struct axcc_span all = { g->first, g->count }, slice;
	struct axcc_build *b = r.b;
	enum axcc_coll coll = r.coll;
	uint32_t v, at = 0;

	*end = all.lo + all.len;
	if (coll == AXCC_REDUCE)
		return tree_order(b, g, 0, leaf);
	cut(&r);
	if (coll == AXCC_ALL_REDUCE) {
		uint64_t m = (uint64_t)r.waves * r.slices;

		at = (uint32_t)axcc_part_of(b, all, e, m);
		slice = axcc_part(b, all, at, m);
		v = (uint32_t)axcc_part_of(b, slice, e, g->n);
		all = axcc_part(b, slice, v, g->n);
	} else {
		for (v = 0; e - g->lo[g->orders.cube[v]] >= g->len[g->orders.cube[v]]; )
			v++;
		all = (struct axcc_span) { g->lo[g->orders.cube[v]], g->len[g->orders.cube[v]] };
	}
	*end = all.lo + all.len;
	return block_order(&r, v, at % r.slices, leaf);
}

static uint32_t order(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll,
		      uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	return order_of((struct rhd) { .b = b, .g = g, .coll = coll }, e, leaf, end);
}

static uint32_t order_direct(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll,
			     uint64_t e, const uint32_t *leaf, uint64_t *end)
{
	return order_of((struct rhd) { .b = b, .g = g, .coll = coll, .direct = true }, e, leaf,
			end);
}

const struct axcc_algorithm axcc_algo_rhd = {
	.name = "rhd",
	.what = "doubling, or a tree: log2(n) rounds",
	.build = {
		[AXCC_ALL_GATHER] = all_gather,
		[AXCC_BROADCAST] = broadcast,
		[AXCC_REDUCE] = reduce,
		[AXCC_BARRIER] = barrier,
	},
	.order = order,
};

const struct axcc_algorithm axcc_algo_rhd_staged = {
	.name = "rhd.staged",
	.what = "halving and doubling: log2(n) rounds; what comes is put aside, then added",
	.build = {
		[AXCC_ALL_REDUCE] = all_reduce,
		[AXCC_REDUCE_SCATTER] = reduce_scatter,
	},
	.order = order,
};

const struct axcc_algorithm axcc_algo_rhd_direct = {
	.name = "rhd.direct",
	.what = "halving and doubling; partners add to sums themselves",
	.build = {
		[AXCC_ALL_REDUCE] = direct_all_reduce,
	},
	.order = order_direct,
};
