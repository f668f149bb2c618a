// SPDX-License-Identifier: MIT
/*
 * algo_direct.c - each source pushes to its target: permute, send and receive. It must not touch
 * the output of a rank that nobody sends to.
 */
#include "build.h"
#include "internal.h"

#define Q	AXCC_QUEUES

static uint32_t target_of(const struct axcc_request *req, uint32_t rank)
{
	if (req->coll == AXCC_PERMUTE)
		return req->targets[rank];
	return rank ? AXCC_NO_RANK : 1;
}

/**
 * struct direct - a permutation
 * @in_sem: a piece has come
 * @gone_sem: a piece has gone, from an input that is to be overwritten
 * @tmp: where pieces wait for that
 */
struct direct {
	struct axcc_build *b;
	const struct axcc_group *g;
	uint32_t in_sem;
	uint32_t gone_sem;
	uint64_t tmp;
};

/* A rank's input must go before something comes in its place. */
static bool waits(const struct direct *d, uint32_t i)
{
	uint32_t to = target_of(&d->b->s->req, i);

	return d->g->same[i] && to != AXCC_NO_RANK && to != i;
}

static void push(const struct direct *d, uint32_t i)
{
	uint32_t to = target_of(&d->b->s->req, i), pieces = axcc_pieces(d->b, d->g->count, Q);
	struct axcc_place dst;

	if (to == AXCC_NO_RANK || (to == i && d->g->same[i]))
		return;
	dst = waits(d, to) ? axcc_place(to, AXCC_BUF_TMP, d->tmp) : d->g->out[to];
	for (uint32_t j = 0; j < pieces; j++) {
		struct axcc_span p = axcc_part(d->b, (struct axcc_span) { 0, d->g->count }, j,
					       pieces);
		struct axcc_step *step;

		step = axcc_step_copy(d->b, i, j % Q, axcc_at(d->b, dst, p.lo),
				 axcc_at(d->b, d->g->in[i], p.lo), p.len);
		axcc_step_post(d->b, step, i, to, d->in_sem);
		if (waits(d, i))
			axcc_step_post(d->b, step, i, i, d->gone_sem);
	}
}

static void put_down(const struct direct *d, uint32_t i)
{
	uint32_t pieces = axcc_pieces(d->b, d->g->count, Q);

	axcc_step_wait_posted(d->b, i, d->gone_sem);
	for (uint32_t j = 0; j < pieces; j++) {
		struct axcc_span p = axcc_part(d->b, (struct axcc_span) { 0, d->g->count }, j,
					       pieces);

		axcc_step_copy(d->b, i, j % Q, axcc_at(d->b, d->g->out[i], p.lo),
			  axcc_at(d->b, axcc_place(i, AXCC_BUF_TMP, d->tmp), p.lo), p.len);
	}
}

static void permute(struct axcc_build *b, const struct axcc_group *g)
{
	struct direct d = { .b = b, .g = g };
	bool stage = false;

	for (uint32_t i = 0; i < g->n; i++)
		stage = stage || waits(&d, i);
	d.in_sem = axcc_sems(b, 2);
	d.gone_sem = d.in_sem + 1;
	d.tmp = axcc_tmp(b, stage ? g->count * b->s->elem_size : 0);
	for (uint32_t i = 0; i < g->n; i++)
		push(&d, i);
	for (uint32_t i = 0; i < g->n; i++) {
		bool comes = b->posted[i][d.in_sem];

		axcc_step_wait_posted(b, i, d.in_sem);
		if (comes && waits(&d, i))
			put_down(&d, i);
		axcc_step_wait_posted(b, i, d.gone_sem);
		axcc_step_flush(b, i);
	}
}

const struct axcc_algorithm axcc_algo_direct = {
	.name = "direct",
	.what = "each source pushes to its target",
	.build = {
		[AXCC_PERMUTE] = permute,
		[AXCC_SEND] = permute,
		[AXCC_RECV] = permute,
	},
};
