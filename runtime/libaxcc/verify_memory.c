// SPDX-License-Identifier: MIT
/*
 * verify_memory.c - what every byte holds and who touched it last, piece by piece.
 *
 * A buffer is a row of pieces, each of bytes with one history: which node of which reductions they
 * hold, of which bytes of the inputs, who wrote them, who has read them since. Transfers cut
 * pieces; the work is that of the pieces, not of the bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "verify_parts.h"

/* ---- values ---- */

static uint32_t value_slot(const struct axcc_values *v, struct axcc_order_node n)
{
	uint64_t h = ((uint64_t)n.left << 32 | n.right) * 0x9e3779b97f4a7c15ull;
	uint32_t i = (uint32_t)(h >> 32) & (v->slots - 1);

	for (; v->seen[i]; i = (i + 1) & (v->slots - 1)) {
		const struct axcc_order_node *other = &v->node[v->seen[i] - 1];

		if (other->left == n.left && other->right == n.right)
			break;
	}
	return i;
}

static bool values_grow(struct axcc_values *v)
{
	uint32_t room = v->room ? 2 * v->room : 1024;
	void *p;

	if (v->count < v->room)
		return true;
	p = realloc(v->node, room * sizeof(*v->node));
	if (!p)
		return false;
	v->node = p;
	v->room = room;
	free(v->seen);
	v->slots = 2 * room;
	v->seen = calloc(v->slots, sizeof(*v->seen));
	if (!v->seen)
		return false;
	for (uint32_t i = 0; i < v->count; i++)
		v->seen[value_slot(v, v->node[i])] = i + 1;
	return true;
}

/*
 * Equal nodes are one, so that equal reductions are told by their number. Return: NO_VALUE: ENOMEM
 */
static uint32_t value_of(struct axcc_values *v, uint32_t left, uint32_t right)
{
	struct axcc_order_node n = { left, right };
	uint32_t i;

	if (!values_grow(v))
		return AXCC_NO_VALUE;
	i = value_slot(v, n);
	if (!v->seen[i]) {
		v->node[v->count] = n;
		v->seen[i] = ++v->count;
	}
	return v->seen[i] - 1;
}

static uint32_t contribution(struct axcc_values *v, uint32_t rank)
{
	return value_of(v, AXCC_ORDER_LEAF, rank);
}

/* ---- pieces ---- */

static uint64_t end_of(const struct axcc_memory *m, uint32_t i)
{
	return i + 1 < m->count ? m->piece[i + 1].start : m->bytes;
}

/* The piece that holds byte @at. */
static uint32_t find(const struct axcc_memory *m, uint64_t at)
{
	uint32_t low = 0, high = m->count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (m->piece[mid].start <= at)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static struct axcc_readers *copy_readers(const struct axcc_readers *r)
{
	size_t size = sizeof(*r) + r->count * sizeof(r->by[0]);
	struct axcc_readers *n = malloc(size);

	if (n) {
		memcpy(n, r, size);
		n->room = n->count;
	}
	return n;
}

/* Makes a piece start at @at. Return: its index, or UINT32_MAX without memory. */
static uint32_t split(struct axcc_memory *m, uint64_t at)
{
	struct axcc_readers *readers = NULL;
	uint32_t i;

	if (at == m->bytes)
		return m->count;
	i = find(m, at);
	if (m->piece[i].start == at)
		return i;
	if (m->count == m->room) {
		uint32_t room = 2 * m->room + 16;
		void *p = realloc(m->piece, room * sizeof(*m->piece));

		if (!p)
			return UINT32_MAX;
		m->piece = p;
		m->room = room;
	}
	if (m->piece[i].readers) {
		readers = copy_readers(m->piece[i].readers);
		if (!readers)
			return UINT32_MAX;
	}
	memmove(&m->piece[i + 2], &m->piece[i + 1], (m->count - i - 1) * sizeof(*m->piece));
	m->count++;
	m->piece[i + 1] = m->piece[i];
	m->piece[i + 1].start = at;
	m->piece[i + 1].readers = readers;
	return i + 1;
}

/* @now reads the piece; who is known to be done need not be remembered. */
static bool add_reader(struct axcc_piece *p, const struct axcc_clock *clock, struct axcc_moment now)
{
	struct axcc_readers *r = p->readers;
	uint32_t kept = 0;

	for (uint32_t i = 0; r && i < r->count; i++)
		if (!axcc_clocks_before(r->by[i], clock, now))
			r->by[kept++] = r->by[i];
	if (!r || kept == r->room) {
		uint32_t room = r ? 2 * r->room + 2 : 2;

		r = realloc(r, sizeof(*r) + room * sizeof(r->by[0]));
		if (!r)
			return false;
		r->room = room;
		p->readers = r;
	}
	r->by[kept] = now;
	r->count = kept + 1;
	return true;
}

/* ---- buffers ---- */

static bool aliased(const struct axcc_verify *v, uint32_t rank)
{
	return axcc_ranks_has(&v->s->req.in_place, rank);
}

static uint64_t buffer_bytes(const struct axcc_verify *v, struct axcc_place p)
{
	uint64_t src, dst;

	axcc_schedule_bytes(&v->s->req, p.rank, &src, &dst);
	return p.buffer == AXCC_BUF_SRC ? src : p.buffer == AXCC_BUF_DST ? dst : v->s->tmp_bytes;
}

/* The memory a place is in; *@at becomes the byte in it. */
static struct axcc_memory *memory_of(struct axcc_verify *v, struct axcc_place p, uint64_t *at)
{
	uint64_t src, dst;

	*at = p.offset;
	if (p.buffer == AXCC_BUF_TMP || !aliased(v, p.rank))
		return &v->memory[p.rank][p.buffer];
	axcc_schedule_alias(&v->s->req, p.rank, &src, &dst);
	*at += p.buffer == AXCC_BUF_SRC ? src : dst;
	return &v->memory[p.rank][AXCC_BUF_SRC];
}

static bool fresh(struct axcc_memory *m, uint64_t bytes)
{
	m->bytes = bytes;
	if (!bytes)
		return true;
	m->piece = malloc(16 * sizeof(*m->piece));
	if (!m->piece)
		return false;
	m->room = 16;
	m->count = 1;
	m->piece[0] = (struct axcc_piece) { .value = AXCC_NO_VALUE };
	return true;
}

static bool fill_input(struct axcc_verify *v, uint32_t rank, uint64_t bytes)
{
	uint64_t at;
	struct axcc_memory *m = memory_of(v, (struct axcc_place) { .rank = (uint16_t)rank,
								   .buffer = AXCC_BUF_SRC }, &at);
	uint32_t from, to, value = contribution(&v->values, rank);

	if (!bytes)
		return true;
	from = split(m, at);
	to = split(m, at + bytes);
	if (from == UINT32_MAX || to == UINT32_MAX || value == AXCC_NO_VALUE)
		return false;
	for (uint32_t i = from; i < to; i++) {
		m->piece[i].value = value;
		m->piece[i].shift = -(int64_t)at;
	}
	return true;
}

int axcc_memory_init(struct axcc_verify *v)
{
	for (uint32_t r = 0; r < v->s->req.ranks; r++) {
		uint64_t src, dst, src_at, dst_at;
		struct axcc_memory *m = v->memory[r];
		bool ok;

		axcc_schedule_bytes(&v->s->req, r, &src, &dst);
		axcc_schedule_alias(&v->s->req, r, &src_at, &dst_at);
		if (aliased(v, r))
			ok = fresh(&m[AXCC_BUF_SRC], src_at + src > dst_at + dst ? src_at + src :
				   dst_at + dst);
		else
			ok = fresh(&m[AXCC_BUF_SRC], src) && fresh(&m[AXCC_BUF_DST], dst);
		if (!ok || !fresh(&m[AXCC_BUF_TMP], v->s->tmp_bytes) || !fill_input(v, r, src))
			return -ENOMEM;
	}
	return 0;
}

void axcc_memory_free(struct axcc_verify *v)
{
	for (uint32_t r = 0; r < v->s->req.ranks; r++) {
		for (uint32_t b = 0; b < AXCC_NUM_BUFS; b++) {
			struct axcc_memory *m = &v->memory[r][b];

			for (uint32_t i = 0; i < m->count; i++)
				free(m->piece[i].readers);
			free(m->piece);
		}
	}
	free(v->values.node);
	free(v->values.seen);
}

/* ---- bounds ---- */

static const char *const buffer_names[] = { "SRC", "DST", "TMP" };

static int check_end(struct axcc_verify *v, struct axcc_place p, uint64_t bytes, const char *what)
{
	uint64_t size = buffer_bytes(v, p);

	if (p.offset <= size && bytes <= size - p.offset)
		return 0;
	return axcc_verify_fail(v, AXCC_DEFECT_BOUNDS,
				"%s bytes %llu + %llu of %s of rank %u, which has %llu", what,
				(unsigned long long)p.offset, (unsigned long long)bytes,
				buffer_names[p.buffer], p.rank, (unsigned long long)size);
}

int axcc_memory_bounds(struct axcc_verify *v, const struct axcc_step *st)
{
	uint64_t row = st->count * v->s->elem_size, src_at, dst_at;
	uint64_t all = row + (uint64_t)(st->rows - 1) * st->row_stride;
	const struct axcc_memory *src, *dst;
	int err;

	err = check_end(v, st->src, all, "reads");
	if (!err)
		err = check_end(v, st->dst, row, "writes");
	if (err)
		return err;
	if (st->dst.buffer == AXCC_BUF_SRC &&
	    !(v->s->req.coll == AXCC_REDUCE_SCATTER && aliased(v, st->dst.rank)))
		return axcc_verify_fail(v, AXCC_DEFECT_TARGET, "writes to SRC of rank %u",
					st->dst.rank);
	src = memory_of(v, st->src, &src_at);
	dst = memory_of(v, st->dst, &dst_at);
	if (src == dst && src_at < dst_at + row && dst_at < src_at + all)
		return axcc_verify_fail(v, AXCC_DEFECT_OVERLAP,
					"source and target overlap, at rank %u", st->dst.rank);
	return 0;
}

/* ---- transfers ---- */

static int check_read(struct axcc_verify *v, const struct axcc_step *st, struct axcc_place at,
		      const struct axcc_piece *p, const struct axcc_clock *clock,
		      struct axcc_moment now)
{
	if (p->value == AXCC_NO_VALUE)
		return axcc_verify_fail(v, AXCC_DEFECT_UNDEFINED,
					"reads byte %llu of %s of rank %u, which nobody wrote",
					(unsigned long long)at.offset, buffer_names[at.buffer],
					at.rank);
	if (!axcc_clocks_before(p->written, clock, now))
		return axcc_verify_fail(v, AXCC_DEFECT_RACE,
					"reads %s of rank %u, byte %llu, which may come later",
					buffer_names[at.buffer], at.rank,
					(unsigned long long)at.offset);
	return 0;
}

static int check_write(struct axcc_verify *v, struct axcc_place at, const struct axcc_piece *p,
		       const struct axcc_clock *clock, struct axcc_moment now)
{
	bool ok = axcc_clocks_before(p->written, clock, now);

	for (uint32_t i = 0; ok && p->readers && i < p->readers->count; i++)
		ok = axcc_clocks_before(p->readers->by[i], clock, now);
	if (ok)
		return 0;
	return axcc_verify_fail(v, AXCC_DEFECT_RACE,
				"writes to %s of rank %u, byte %llu, which others may still %s",
				buffer_names[at.buffer], at.rank, (unsigned long long)at.offset,
				axcc_clocks_before(p->written, clock, now) ? "read" : "write");
}

/* What the target holds when a source of @value, @shift has come to it. */
static int combine(struct axcc_verify *v, const struct axcc_step *st, struct axcc_piece *p,
		   uint32_t value, int64_t shift)
{
	if (st->kind == AXCC_STEP_COPY) {
		p->value = value;
		p->shift = shift;
		return 0;
	}
	if (p->shift != shift)
		return axcc_verify_fail(v, AXCC_DEFECT_MIXED,
					"reduces elements of different numbers into rank %u",
					st->dst.rank);
	p->value = value_of(&v->values, p->value, value);
	return p->value == AXCC_NO_VALUE ? -ENOMEM : 0;
}

static int write_bytes(struct axcc_verify *v, const struct axcc_step *st, struct axcc_place to,
		       uint64_t bytes, const struct axcc_piece *from,
		       const struct axcc_clock *clock, struct axcc_moment now, int64_t moved)
{
	uint64_t at;
	struct axcc_memory *m = memory_of(v, to, &at);
	uint32_t first = split(m, at), end = split(m, at + bytes);

	if (first == UINT32_MAX || end == UINT32_MAX)
		return -ENOMEM;
	for (uint32_t i = first; i < end; i++) {
		struct axcc_piece *p = &m->piece[i];
		int err = check_write(v, to, p, clock, now);

		if (!err && st->kind == AXCC_STEP_REDUCE)
			err = check_read(v, st, to, p, clock, now);
		if (!err)
			err = combine(v, st, p, from->value, from->shift - moved);
		if (err)
			return err;
		free(p->readers);
		p->readers = NULL;
		p->written = now;
	}
	return 0;
}

/* One row: each piece of the source goes to what is opposite. */
static int transfer_row(struct axcc_verify *v, const struct axcc_step *st, struct axcc_place from,
			const struct axcc_clock *clock, struct axcc_moment now)
{
	uint64_t row = st->count * v->s->elem_size, src_at, dst_at;
	struct axcc_memory *m = memory_of(v, from, &src_at);
	uint32_t first, end;

	memory_of(v, st->dst, &dst_at);
	first = split(m, src_at);
	end = split(m, src_at + row);
	if (first == UINT32_MAX || end == UINT32_MAX)
		return -ENOMEM;
	/* Writing may cut pieces of this very memory, but none before what is still to be read. */
	for (uint64_t at = src_at; at < src_at + row; ) {
		uint32_t i = find(m, at);
		struct axcc_piece p = m->piece[i];
		uint64_t to = end_of(m, i);
		struct axcc_place src = from, dst = st->dst;
		int err;

		src.offset += at - src_at;
		dst.offset += at - src_at;
		err = check_read(v, st, src, &p, clock, now);
		if (!err && !add_reader(&m->piece[i], clock, now))
			err = -ENOMEM;
		if (!err)
			err = write_bytes(v, st, dst, to - at, &p, clock, now,
					  (int64_t)(dst_at - src_at));
		if (err)
			return err;
		at = to;
	}
	return 0;
}

int axcc_memory_transfer(struct axcc_verify *v, const struct axcc_step *st,
			 const struct axcc_clock *clock, struct axcc_moment now)
{
	struct axcc_place from = st->src;
	int err = 0;

	for (uint32_t i = 0; !err && i < st->rows; i++, from.offset += st->row_stride)
		err = transfer_row(v, st, from, clock, now);
	return err;
}

/* ---- results ---- */

static int expect(struct axcc_verify *v, uint32_t rank, uint64_t at, uint64_t bytes, uint32_t value,
		  uint64_t input)
{
	struct axcc_place place = { .offset = at, .rank = (uint16_t)rank, .buffer = AXCC_BUF_DST };
	struct axcc_memory *m;
	uint64_t from;

	if (!bytes)
		return 0;
	if (value == AXCC_NO_VALUE)
		return -ENOMEM;
	m = memory_of(v, place, &from);
	for (uint32_t i = find(m, from); i < m->count && m->piece[i].start < from + bytes; i++) {
		const struct axcc_piece *p = &m->piece[i];

		if (p->value == value && p->shift == (int64_t)(input - from))
			continue;
		place.offset = p->start < from ? at : at + p->start - from;
		return axcc_verify_fail(v, AXCC_DEFECT_RESULT,
					"DST of rank %u is wrong from byte %llu on: %s",
					rank, (unsigned long long)place.offset,
					p->value == AXCC_NO_VALUE ? "nobody writes it" :
					p->value == value ? "it has other elements" :
					"other contributions, or in another order");
	}
	return 0;
}

/* The nodes of the order as values; every rank's contribution is in each of those it is made of. */
static int order_values(struct axcc_verify *v, uint32_t **values)
{
	const struct axcc_order *o = &v->s->order;
	struct axcc_ranks *in = calloc(o->num_nodes + 1, sizeof(*in));
	int err = 0;

	*values = calloc(o->num_nodes + 1, sizeof(**values));
	if (!in || !*values)
		err = -ENOMEM;
	for (uint32_t i = 0; !err && i < o->num_nodes; i++) {
		const struct axcc_order_node *n = &o->nodes[i];

		if (n->left == AXCC_ORDER_LEAF) {
			if (n->right >= v->s->req.ranks)
				err = axcc_verify_fail(v, AXCC_DEFECT_ORDER, "no rank %u",
						       n->right);
			else
				axcc_ranks_add(&in[i], n->right);
			(*values)[i] = contribution(&v->values, n->right);
			continue;
		}
		if (n->left >= i || n->right >= i) {
			err = axcc_verify_fail(v, AXCC_DEFECT_ORDER, "node %u comes too early", i);
			break;
		}
		for (uint32_t w = 0; w < AXCC_MAX_RANKS / 64; w++) {
			if (in[n->left].bits[w] & in[n->right].bits[w])
				err = axcc_verify_fail(v, AXCC_DEFECT_ORDER,
						       "node %u has a contribution twice", i);
			in[i].bits[w] = in[n->left].bits[w] | in[n->right].bits[w];
		}
		(*values)[i] = value_of(&v->values, (*values)[n->left], (*values)[n->right]);
		if ((*values)[i] == AXCC_NO_VALUE)
			err = -ENOMEM;
	}
	for (uint32_t i = 0; !err && i < o->num_ranges; i++)
		for (uint32_t r = 0; !err && r < v->s->req.ranks; r++)
			if (o->ranges[i].node >= o->num_nodes ||
			    !axcc_ranks_has(&in[o->ranges[i].node], r))
				err = axcc_verify_fail(v, AXCC_DEFECT_ORDER,
						       "element %llu lacks rank %u",
						       (unsigned long long)o->ranges[i].first, r);
	free(in);
	return err;
}

/* The outputs that elements first .. of the reduction are in, at all ranks. */
static int expect_range(struct axcc_verify *v, const struct axcc_order_range *range, uint32_t value)
{
	const struct axcc_request *req = &v->s->req;
	uint32_t size = v->s->elem_size;
	uint64_t at = range->first, end = range->first + range->count;
	int err = 0;

	if (req->coll == AXCC_REDUCE)
		return expect(v, req->root, at * size, range->count * size, value, at * size);
	if (req->coll == AXCC_ALL_REDUCE) {
		for (uint32_t r = 0; !err && r < req->ranks; r++)
			err = expect(v, r, at * size, range->count * size, value, at * size);
		return err;
	}
	for (; !err && at < end; ) {
		uint32_t r = (uint32_t)(at / req->count);
		uint64_t stop = (r + 1) * req->count < end ? (r + 1) * req->count : end;

		err = expect(v, r, (at - r * req->count) * size, (stop - at) * size, value,
			     at * size);
		at = stop;
	}
	return err;
}

static int reduced(struct axcc_verify *v)
{
	const struct axcc_request *req = &v->s->req;
	const struct axcc_order *o = &v->s->order;
	uint64_t all = req->count * (req->coll == AXCC_REDUCE_SCATTER ? req->ranks : 1), at = 0;
	uint32_t *values;
	int err = order_values(v, &values);

	for (uint32_t i = 0; !err && i < o->num_ranges; i++) {
		const struct axcc_order_range *range = &o->ranges[i];

		if (range->first != at || range->count > all - at)
			err = axcc_verify_fail(v, AXCC_DEFECT_ORDER, "its ranges leave gaps");
		else
			err = expect_range(v, range, values[range->node]);
		at += range->count;
	}
	free(values);
	if (!err && at != all)
		err = axcc_verify_fail(v, AXCC_DEFECT_ORDER, "it ends at element %llu of %llu",
				       (unsigned long long)at, (unsigned long long)all);
	return err;
}

/* What rank @r gets from rank @from, without reduction. */
static int gathered(struct axcc_verify *v, uint32_t r, uint32_t from)
{
	const struct axcc_request *req = &v->s->req;
	uint64_t bytes = req->count * v->s->elem_size, at = 0, input = 0;

	switch (req->coll) {
	case AXCC_ALL_GATHER:
		at = from * bytes;
		break;
	case AXCC_ALL_TO_ALL:
		at = from * bytes;
		input = r * bytes;
		break;
	case AXCC_BROADCAST:
		if (from != req->root)
			return 0;
		break;
	case AXCC_PERMUTE:
		if (req->targets[from] != r)
			return 0;
		break;
	case AXCC_SEND:
	case AXCC_RECV:
		if (from || !r)
			return 0;
		break;
	default:
		return 0;
	}
	return expect(v, r, at, bytes, contribution(&v->values, from), input);
}

/* When rank @r ends, what it knows of must be all that was done to its memory. */
static int all_done(struct axcc_verify *v, uint32_t r)
{
	const struct axcc_clock *clock = v->clocks.stream[r];

	for (uint32_t b = 0; b < AXCC_NUM_BUFS; b++) {
		const struct axcc_memory *m = &v->memory[r][b];

		for (uint32_t i = 0; i < m->count; i++) {
			const struct axcc_piece *p = &m->piece[i];
			bool ok = axcc_clocks_ended(&v->clocks, r, p->written, clock);

			for (uint32_t j = 0; ok && p->readers && j < p->readers->count; j++)
				ok = axcc_clocks_ended(&v->clocks, r, p->readers->by[j], clock);
			if (!ok)
				return axcc_verify_fail(v, AXCC_DEFECT_BUSY,
							"rank %u ends with %s, byte %llu, in use",
							r, buffer_names[b],
							(unsigned long long)p->start);
		}
	}
	return 0;
}

int axcc_memory_result(struct axcc_verify *v)
{
	const struct axcc_request *req = &v->s->req;
	bool reduces = req->coll == AXCC_ALL_REDUCE || req->coll == AXCC_REDUCE_SCATTER ||
		req->coll == AXCC_REDUCE;
	int err = reduces ? reduced(v) : 0;

	for (uint32_t r = 0; !err && r < req->ranks; r++) {
		for (uint32_t from = 0; !err && !reduces && from < req->ranks; from++)
			err = gathered(v, r, from);
		if (!err)
			err = all_done(v, r);
	}
	return err;
}
