// SPDX-License-Identifier: MIT
/*
 * build.c - appends steps to a schedule and keeps count of its semaphores. It must not know what
 * the steps are for; whether they are right is the verifier's business.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "axon_timing.h"
#include "build.h"
#include "internal.h"

#define LINE	64u	/* bytes of a cache line, which no two transfers should share */

struct axcc_span axcc_part(const struct axcc_build *b, struct axcc_span range, uint64_t i,
			   uint64_t m)
{
	uint64_t unit = LINE / b->s->elem_size, units = (range.len + unit - 1) / unit;
	uint64_t from = units * i / m * unit, to = units * (i + 1) / m * unit;

	if (from > range.len)
		from = range.len;
	if (to > range.len)
		to = range.len;
	return (struct axcc_span) { range.lo + from, to - from };
}

uint64_t axcc_part_of(const struct axcc_build *b, struct axcc_span range, uint64_t e, uint64_t m)
{
	uint64_t unit = LINE / b->s->elem_size, units = (range.len + unit - 1) / unit;

	return (((e - range.lo) / unit + 1) * m - 1) / units;
}

uint32_t axcc_pieces(const struct axcc_build *b, uint64_t len, uint32_t queues)
{
	uint64_t bytes = len * b->s->elem_size, least = (bytes + b->chunk - 1) / b->chunk;
	uint64_t most = bytes / AXCC_PIECE_BYTES;

	if (least > queues)
		return (uint32_t)((least + queues - 1) / queues * queues);
	if (most > queues)
		most = queues;
	return (uint32_t)(most > least ? most : least + !least);
}

/*
 * How many transfers, at most @most, when @bytes are shared among them and each makes @each: where
 * each * transfers * hand-over + bytes / (transfers * rate) is least.
 */
static uint32_t fewest(uint64_t bytes, uint32_t each, uint32_t most)
{
	uint64_t cycles = bytes * AXON_DMA_CYCLES_MUL / AXON_DMA_CYCLES_DIV;
	uint32_t m = 1;

	while (m < most && (m + 1ull) * (m + 1) * each * AXON_CYCLES_DMA <= cycles)
		m++;
	return m;
}

struct axcc_cut axcc_staged_cut(uint32_t rows, uint64_t bytes)
{
	struct axcc_cut cut = { .parts = 1 };
	uint32_t sums = fewest(bytes * rows, 1, AXCC_QUEUES);

	cut.pieces = fewest(bytes, rows, AXCC_QUEUES / rows);
	if (sums > cut.pieces)
		cut.parts = sums / cut.pieces;
	return cut;
}

/* ---- resources ---- */

uint32_t axcc_sems(struct axcc_build *b, uint32_t n)
{
	uint32_t first = b->sems;

	if (AXCC_SEMAPHORES - first < n) {
		axcc_refuse(b, "needs more than %u semaphores", AXCC_SEMAPHORES);
		return 0;
	}
	b->sems += n;
	return first;
}

uint64_t axcc_tmp(struct axcc_build *b, uint64_t bytes)
{
	uint64_t first = b->s->tmp_bytes;

	b->s->tmp_bytes += (bytes + LINE - 1) / LINE * LINE;
	return first;
}

void axcc_refuse(struct axcc_build *b, const char *why, ...)
{
	va_list ap;

	if (b->err)
		return;
	b->err = -EOPNOTSUPP;
	va_start(ap, why);
	vsnprintf(b->why, sizeof(b->why), why, ap);
	va_end(ap);
}

/* ---- steps ---- */

static bool grow(struct axcc_build *b, void **array, uint32_t *room, uint32_t used, size_t size)
{
	uint32_t more = *room ? 2 * *room : 64;
	void *p;

	if (used < *room)
		return true;
	p = realloc(*array, more * size);
	if (!p) {
		b->err = -ENOMEM;
		return false;
	}
	*array = p;
	*room = more;
	return true;
}

void axcc_step_wait(struct axcc_build *b, uint32_t rank, uint32_t sem, uint32_t value)
{
	struct axcc_rank_steps *r = &b->s->rank[rank];

	if (b->err || value <= b->waited[rank][sem])
		return;
	if (!grow(b, (void **)&r->waits, &r->room_waits, r->num_waits, sizeof(*r->waits)))
		return;
	b->waited[rank][sem] = value;
	r->waits[r->num_waits++] = (struct axcc_wait) { .value = value, .sem = (uint8_t)sem };
}

void axcc_step_wait_posted(struct axcc_build *b, uint32_t rank, uint32_t sem)
{
	axcc_step_wait(b, rank, sem, b->posted[rank][sem]);
}

struct axcc_step *axcc_step_none(struct axcc_build *b, uint32_t rank)
{
	struct axcc_rank_steps *r = &b->s->rank[rank];
	struct axcc_step *step;
	uint32_t waits = r->num_waits - b->adopted[rank];

	if (b->err)
		return NULL;
	if (r->num_steps == AXCC_MAX_STEPS ||
	    r->num_waits + r->num_steps >= AXCC_MAX_INSTS || waits > UINT16_MAX) {
		axcc_refuse(b, "needs more than %u steps", AXCC_MAX_STEPS);
		return NULL;
	}
	if (!grow(b, (void **)&r->steps, &r->room_steps, r->num_steps, sizeof(*r->steps)))
		return NULL;
	step = &r->steps[r->num_steps++];
	*step = (struct axcc_step) { .first_wait = b->adopted[rank], .num_waits = (uint16_t)waits };
	b->adopted[rank] = r->num_waits;
	return step;
}

static struct axcc_step *transfer(struct axcc_build *b, uint32_t rank, uint32_t queue,
				  struct axcc_place dst, struct axcc_place src, uint64_t count)
{
	struct axcc_step *step;

	if (!count)
		return NULL;
	if (count > AXCC_MAX_ELEMENTS) {
		axcc_refuse(b, "transfers of more than %u elements", AXCC_MAX_ELEMENTS);
		return NULL;
	}
	step = axcc_step_none(b, rank);
	if (!step)
		return NULL;
	step->kind = AXCC_STEP_COPY;
	step->queue = (uint8_t)queue;
	step->src = src;
	step->dst = dst;
	step->count = count;
	step->rows = 1;
	return step;
}

struct axcc_step *axcc_step_copy(struct axcc_build *b, uint32_t rank, uint32_t queue,
			    struct axcc_place dst, struct axcc_place src, uint64_t count)
{
	return transfer(b, rank, queue, dst, src, count);
}

struct axcc_step *axcc_step_reduce(struct axcc_build *b, uint32_t rank, uint32_t queue,
			      struct axcc_place dst, struct axcc_place src, uint64_t count)
{
	return axcc_step_reduce_rows(b, rank, queue, dst, src, count, 1, 0);
}

struct axcc_step *axcc_step_reduce_rows(struct axcc_build *b, uint32_t rank, uint32_t queue,
				   struct axcc_place dst, struct axcc_place src, uint64_t count,
				   uint32_t rows, uint64_t stride)
{
	struct axcc_step *step;

	if (rows > 1 && stride > INT32_MAX) {
		axcc_refuse(b, "rows too far apart");
		return NULL;
	}
	step = rows ? transfer(b, rank, queue, dst, src, count) : NULL;
	if (!step)
		return NULL;
	step->kind = AXCC_STEP_REDUCE;
	step->rows = rows;
	step->row_stride = rows > 1 ? (uint32_t)stride : 0;
	return step;
}

void axcc_step_post(struct axcc_build *b, struct axcc_step *step, uint32_t by, uint32_t rank,
		    uint32_t sem)
{
	struct axcc_post *post;

	if (b->err || !step)
		return;
	post = rank == by ? &step->done : &step->post;
	*post = (struct axcc_post) { .inc = 1, .rank = (uint16_t)rank, .sem = (uint8_t)sem };
	b->posted[rank][sem]++;
}

void axcc_step_flush(struct axcc_build *b, uint32_t rank)
{
	if (!b->err && b->adopted[rank] != b->s->rank[rank].num_waits)
		axcc_step_none(b, rank);
}

void axcc_step_sync(struct axcc_build *b, const struct axcc_group *g)
{
	uint32_t sem = axcc_sems(b, 1);

	for (uint32_t i = 0; i < g->n; i++) {
		uint32_t rank = axcc_group_rank(g, i);

		for (uint32_t k = 1; k < g->n; k++)
			axcc_step_post(b, axcc_step_none(b, rank), rank,
				  axcc_group_rank(g, (i + k) % g->n), sem);
	}
	for (uint32_t i = 0; i < g->n; i++) {
		axcc_step_wait_posted(b, axcc_group_rank(g, i), sem);
		axcc_step_flush(b, axcc_group_rank(g, i));
	}
}

/* ---- order of reduction ---- */

static uint32_t slot_of(const struct axcc_build *b, struct axcc_order_node n)
{
	uint64_t h = ((uint64_t)n.left << 32 | n.right) * 0x9e3779b97f4a7c15ull;
	uint32_t i = (uint32_t)(h >> 32) & (b->num_seen - 1);

	for (; b->seen[i]; i = (i + 1) & (b->num_seen - 1)) {
		const struct axcc_order_node *other = &b->s->order.nodes[b->seen[i] - 1];

		if (other->left == n.left && other->right == n.right)
			break;
	}
	return i;
}

static bool more_seen(struct axcc_build *b)
{
	const struct axcc_order *o = &b->s->order;

	if (2 * o->num_nodes < b->num_seen)
		return true;
	free(b->seen);
	b->num_seen = b->num_seen ? 4 * b->num_seen : 1024;
	b->seen = calloc(b->num_seen, sizeof(*b->seen));
	if (!b->seen) {
		b->err = -ENOMEM;
		return false;
	}
	for (uint32_t i = 0; i < o->num_nodes; i++)
		b->seen[slot_of(b, o->nodes[i])] = i + 1;
	return true;
}

/* Equal nodes are one, so that ranges can be many. */
static uint32_t node(struct axcc_build *b, uint32_t left, uint32_t right)
{
	struct axcc_order *o = &b->s->order;
	struct axcc_order_node n = { left, right };
	uint32_t i;

	if (b->err || !more_seen(b))
		return 0;
	i = slot_of(b, n);
	if (b->seen[i])
		return b->seen[i] - 1;
	if (!grow(b, (void **)&o->nodes, &o->room_nodes, o->num_nodes, sizeof(*o->nodes)))
		return 0;
	o->nodes[o->num_nodes] = n;
	b->seen[i] = ++o->num_nodes;
	return o->num_nodes - 1;
}

uint32_t axcc_order_leaf(struct axcc_build *b, uint32_t rank)
{
	return node(b, AXCC_ORDER_LEAF, rank);
}

uint32_t axcc_order_op(struct axcc_build *b, uint32_t left, uint32_t right)
{
	return node(b, left, right);
}

void axcc_order_range(struct axcc_build *b, uint64_t first, uint64_t count, uint32_t at)
{
	struct axcc_order *o = &b->s->order;

	if (b->err || !grow(b, (void **)&o->ranges, &o->room_ranges, o->num_ranges,
			    sizeof(*o->ranges)))
		return;
	o->ranges[o->num_ranges++] = (struct axcc_order_range) { first, count, at };
}
