// SPDX-License-Identifier: MIT
/*
 * host.c - schedules carried out on plain memory.
 */
#include "host.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "axon_isa.h"

/* Posts that may be on their way at once; the oldest of a rank arrives when there are more. */
#define FLIGHTS	64u

/** struct queue - transfers handed over and not ended, oldest first */
struct queue {
	uint32_t *step;
	uint32_t head;
	uint32_t count;
	uint32_t room;
	bool moved;		/* the oldest has moved its data, but not ended */
};

/** struct flight - a post on its way; those of one source (schedule.h) stay in order */
struct flight {
	struct axcc_post post;
	uint32_t queue;
	uint32_t from;
	uint32_t to;
};

/**
 * struct rank - one rank
 * @mem: SRC (in place also DST), DST, TMP
 * @buf: where they start
 * @input: SRC as it was
 * @sem: semaphores
 * @pc: next step
 * @waited: waits of it that are over
 * @queue: DMA queues
 * @flight: posts of this rank on their way, oldest first
 * @flights: how many
 */
struct rank {
	uint8_t *mem[AXCC_NUM_BUFS];
	uint8_t *buf[AXCC_NUM_BUFS];
	uint8_t *input;
	uint64_t sem[AXCC_SEMAPHORES];
	uint32_t pc;
	uint32_t waited;
	struct queue queue[AXCC_QUEUES];
	struct flight flight[FLIGHTS];
	uint32_t flights;
};

struct host {
	const struct axcc_schedule *s;
	struct rank *rank;
	uint64_t seed;
	bool early;		/* somebody left a barrier before all had come */
};

uint64_t random_next(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* ---- elements ---- */

static float from_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint32_t to_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

static float load_fp16(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, man = h & 0x3ff;

	if (exp == 31)
		return from_bits(sign | 0x7f800000u | (man ? 0x400000u : 0) | man << 13);
	if (exp)
		return from_bits(sign | (exp + 112) << 23 | man << 13);
	return sign ? -ldexpf((float)man, -24) : ldexpf((float)man, -24);
}

/* Nearest even; overflow gives infinity. */
static uint16_t store_fp16(float f)
{
	uint32_t bits = to_bits(f), sign = bits >> 16 & 0x8000, mag = bits & 0x7fffffff;

	if (mag > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00 | (mag >> 13 & 0x3ff));
	if (mag >= 0x477ff000u)
		return (uint16_t)(sign | 0x7c00);
	if (mag < 0x38800000u)	/* denormal: units of 2^-24, and nearbyint() rounds to even */
		return (uint16_t)(sign | (uint32_t)nearbyint(ldexp((double)from_bits(mag), 24)));
	mag += 0xfff + (mag >> 13 & 1);
	return (uint16_t)(sign | ((mag >> 13) - (112u << 10)));
}

static uint16_t store_bf16(float f)
{
	uint32_t bits = to_bits(f);

	if ((bits & 0x7fffffff) > 0x7f800000u)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float load(uint32_t dtype, const uint8_t *at)
{
	uint16_t half;
	float f;

	if (dtype == AXON_DTYPE_FLOAT32) {
		memcpy(&f, at, sizeof(f));
		return f;
	}
	memcpy(&half, at, sizeof(half));
	return dtype == AXON_DTYPE_BFLOAT16 ? from_bits((uint32_t)half << 16) : load_fp16(half);
}

static void store(uint32_t dtype, uint8_t *at, float f)
{
	uint16_t half;

	if (dtype == AXON_DTYPE_FLOAT32) {
		memcpy(at, &f, sizeof(f));
		return;
	}
	half = dtype == AXON_DTYPE_BFLOAT16 ? store_bf16(f) : store_fp16(f);
	memcpy(at, &half, sizeof(half));
}

double host_value(uint32_t dtype, const uint8_t *at)
{
	int32_t i;

	if (dtype == AXON_DTYPE_UINT8)
		return *at;
	if (dtype != AXON_DTYPE_INT32)
		return (double)load(dtype, at);
	memcpy(&i, at, sizeof(i));
	return i;
}

static void op_int32(enum axcc_reduction op, uint8_t *dst, const uint8_t *src)
{
	int32_t a, b;

	memcpy(&a, dst, sizeof(a));
	memcpy(&b, src, sizeof(b));
	if (op == AXCC_SUM)
		a = (int32_t)((uint32_t)a + (uint32_t)b);
	else if (op == AXCC_MAX)
		a = a > b ? a : b;
	else
		a = a < b ? a : b;
	memcpy(dst, &a, sizeof(a));
}

void host_op(uint32_t dtype, enum axcc_reduction op, uint8_t *dst, const uint8_t *src)
{
	float a, b;

	if (dtype == AXON_DTYPE_INT32) {
		op_int32(op, dst, src);
		return;
	}
	if (dtype == AXON_DTYPE_UINT8) {
		*dst = op == AXCC_SUM ? (uint8_t)(*dst + *src) :
			(op == AXCC_MAX ? *dst > *src : *dst < *src) ? *dst : *src;
		return;
	}
	a = load(dtype, dst);
	b = load(dtype, src);
	if (op == AXCC_SUM)
		a = isnan(a + b) ? from_bits(0x7fc00000u) : a + b;
	else if (op == AXCC_MAX)
		a = a > b ? a : b;
	else
		a = a < b ? a : b;
	store(dtype, dst, a);
}

/* Values of all sizes, some special; sums of them are far from associative. */
static void random_element(uint32_t dtype, uint8_t *at, uint64_t *seed)
{
	uint64_t r = random_next(seed);
	float f;

	if (dtype == AXON_DTYPE_FLOAT32 || dtype == AXON_DTYPE_BFLOAT16 ||
	    dtype == AXON_DTYPE_FLOAT16) {
		f = ldexpf((float)(int32_t)(r & 0xffff) - 32768.0f, (int)(r >> 32 & 15) - 18);
		if (r >> 40 % 64 == 0)
			f = 0.0f;
		store(dtype, at, f);
		return;
	}
	memcpy(at, &r, axon_dtype_size(dtype));
}

/* ---- buffers ---- */

static bool aliased(const struct host *h, uint32_t r)
{
	return axcc_ranks_has(&h->s->req.in_place, r);
}

static uint64_t main_bytes(const struct host *h, uint32_t r)
{
	uint64_t src, dst, src_at, dst_at;

	axcc_schedule_bytes(&h->s->req, r, &src, &dst);
	axcc_schedule_alias(&h->s->req, r, &src_at, &dst_at);
	if (!aliased(h, r))
		return src;
	return src_at + src > dst_at + dst ? src_at + src : dst_at + dst;
}

static uint8_t *some_memory(struct host *h, uint64_t bytes)
{
	uint8_t *p = malloc(bytes + !bytes);

	assert_non_null(p);
	for (uint64_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)random_next(&h->seed);
	return p;
}

static void create_rank(struct host *h, uint32_t r)
{
	struct rank *rank = &h->rank[r];
	uint64_t src, dst, src_at, dst_at;

	axcc_schedule_bytes(&h->s->req, r, &src, &dst);
	axcc_schedule_alias(&h->s->req, r, &src_at, &dst_at);
	rank->mem[AXCC_BUF_SRC] = some_memory(h, main_bytes(h, r));
	rank->mem[AXCC_BUF_TMP] = some_memory(h, h->s->tmp_bytes);
	if (aliased(h, r)) {
		rank->buf[AXCC_BUF_SRC] = rank->mem[AXCC_BUF_SRC] + src_at;
		rank->buf[AXCC_BUF_DST] = rank->mem[AXCC_BUF_SRC] + dst_at;
	} else {
		rank->mem[AXCC_BUF_DST] = some_memory(h, dst);
		rank->buf[AXCC_BUF_SRC] = rank->mem[AXCC_BUF_SRC];
		rank->buf[AXCC_BUF_DST] = rank->mem[AXCC_BUF_DST];
	}
	rank->buf[AXCC_BUF_TMP] = rank->mem[AXCC_BUF_TMP];
	for (uint64_t i = 0; i < src; i += h->s->elem_size)
		random_element(h->s->req.dtype, rank->buf[AXCC_BUF_SRC] + i, &h->seed);
	rank->input = malloc(src + !src);
	assert_non_null(rank->input);
	memcpy(rank->input, rank->buf[AXCC_BUF_SRC], src);
}

struct host *host_create(const struct axcc_schedule *s, uint64_t seed)
{
	struct host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->s = s;
	h->seed = seed;
	h->rank = calloc(s->req.ranks, sizeof(*h->rank));
	assert_non_null(h->rank);
	for (uint32_t r = 0; r < s->req.ranks; r++)
		create_rank(h, r);
	return h;
}

void host_free(struct host *h)
{
	for (uint32_t r = 0; r < h->s->req.ranks; r++) {
		for (uint32_t b = 0; b < AXCC_NUM_BUFS; b++)
			free(h->rank[r].mem[b]);
		for (uint32_t q = 0; q < AXCC_QUEUES; q++)
			free(h->rank[r].queue[q].step);
		free(h->rank[r].input);
	}
	free(h->rank);
	free(h);
}

const uint8_t *host_out(const struct host *h, uint32_t rank)
{
	return h->rank[rank].buf[AXCC_BUF_DST];
}

const uint8_t *host_in(const struct host *h, uint32_t rank)
{
	return h->rank[rank].input;
}

/* ---- running ---- */

static void move_data(struct host *h, const struct axcc_step *st)
{
	uint8_t *dst = h->rank[st->dst.rank].buf[st->dst.buffer] + st->dst.offset;
	const uint8_t *src = h->rank[st->src.rank].buf[st->src.buffer] + st->src.offset;
	uint32_t size = h->s->elem_size;

	if (st->kind == AXCC_STEP_COPY) {
		memcpy(dst, src, st->count * size);
		return;
	}
	for (uint32_t row = 0; row < st->rows; row++, src += st->row_stride)
		for (uint64_t i = 0; i < st->count; i++)
			host_op(h->s->req.dtype, h->s->req.reduction, dst + i * size,
				src + i * size);
}

/* Post number @i arrives, or the oldest before it that it must not overtake. */
static void arrive(struct host *h, uint32_t r, uint32_t i)
{
	struct rank *rank = &h->rank[r];
	struct flight f = rank->flight[i];

	for (uint32_t j = 0; j < i; j++) {
		const struct flight *g = &rank->flight[j];

		if (g->queue == f.queue && g->from == f.from && g->to == f.to &&
		    g->post.rank == f.post.rank && g->post.sem == f.post.sem) {
			i = j;
			break;
		}
	}
	f = rank->flight[i];
	h->rank[f.post.rank].sem[f.post.sem] += f.post.inc;
	rank->flights--;
	memmove(rank->flight + i, rank->flight + i + 1, (rank->flights - i) * sizeof(f));
}

static void send(struct host *h, uint32_t r, const struct axcc_step *st,
		 const struct axcc_post *post)
{
	struct rank *rank = &h->rank[r];
	bool none = st->kind == AXCC_STEP_NONE;

	if (!post->inc)
		return;
	if (rank->flights == FLIGHTS)
		arrive(h, r, 0);
	rank->flight[rank->flights++] = (struct flight) {
		*post, none ? AXCC_QUEUES : st->queue, st->src.rank, st->dst.rank,
	};
}

static void hand_over(struct queue *q, uint32_t step)
{
	if (q->head + q->count == q->room) {
		if (q->head) {
			memmove(q->step, q->step + q->head, q->count * sizeof(*q->step));
			q->head = 0;
		} else {
			q->room = q->room ? 2 * q->room : 16;
			q->step = realloc(q->step, q->room * sizeof(*q->step));
			assert_non_null(q->step);
		}
	}
	q->step[q->head + q->count++] = step;
}

/* The sequencer takes one step. Return: it could. */
static bool take_step(struct host *h, uint32_t r)
{
	struct rank *rank = &h->rank[r];
	const struct axcc_rank_steps *rs = &h->s->rank[r];
	const struct axcc_step *st;

	if (rank->pc == rs->num_steps)
		return false;
	st = &rs->steps[rank->pc];
	for (; rank->waited < st->num_waits; rank->waited++) {
		const struct axcc_wait *w = &rs->waits[st->first_wait + rank->waited];

		if (rank->sem[w->sem] < w->value)
			return false;
	}
	if (st->kind != AXCC_STEP_NONE) {
		hand_over(&rank->queue[st->queue], rank->pc);
	} else {
		send(h, r, st, &st->post);
		send(h, r, st, &st->done);
	}
	rank->waited = 0;
	rank->pc++;
	if (h->s->req.coll == AXCC_BARRIER && rank->pc == rs->num_steps)
		for (uint32_t i = 0; i < h->s->req.ranks; i++)
			h->early |= !h->rank[i].pc;
	return true;
}

/* The oldest transfer moves its data, or ends. */
static bool work(struct host *h, uint32_t r, uint32_t q)
{
	struct queue *queue = &h->rank[r].queue[q];
	const struct axcc_step *st;

	if (!queue->count)
		return false;
	st = &h->s->rank[r].steps[queue->step[queue->head]];
	if (!queue->moved) {
		move_data(h, st);
		queue->moved = true;
		return true;
	}
	queue->moved = false;
	queue->head++;
	queue->count--;
	send(h, r, st, &st->post);
	send(h, r, st, &st->done);
	return true;
}

static bool act(struct host *h, uint32_t r, uint32_t what)
{
	if (what == 0)
		return take_step(h, r);
	if (what <= AXCC_QUEUES)
		return work(h, r, what - 1);
	if (!h->rank[r].flights)
		return false;
	arrive(h, r, what * 7919 % h->rank[r].flights);
	return true;
}

static bool is_over(const struct host *h)
{
	for (uint32_t r = 0; r < h->s->req.ranks; r++) {
		const struct rank *rank = &h->rank[r];

		if (rank->pc != h->s->rank[r].num_steps)
			return false;
		for (uint32_t q = 0; q < AXCC_QUEUES; q++)
			if (rank->queue[q].count)
				return false;
	}
	return true;
}

/* Some ranks, queues and posts are slow for a while: that reaches more orders than dice alone. */
bool host_run(struct host *h, uint64_t seed)
{
	const uint32_t kinds = 2 * AXCC_QUEUES + 2;
	uint32_t n = h->s->req.ranks;

	for (;;) {
		uint64_t pick = random_next(&seed);
		uint32_t r = (uint32_t)(pick % n), burst = 1u << (pick >> 32 & 7);
		uint32_t first = (uint32_t)(pick >> 40), tried;
		bool any = false;

		while (burst--)
			any |= act(h, r, (first += (uint32_t)(pick >> 20 & 3)) % kinds);
		if (any)
			continue;
		for (tried = 0; tried < n * kinds && !any; tried++)
			any = act(h, (r + tried / kinds) % n, (first + tried) % kinds);
		if (!any)
			return is_over(h);
	}
}

/* ---- checking ---- */

static bool wrong(char *why, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, size, format, ap);
	va_end(ap);
	return false;
}

/* The element as the order in the schedule has it. */
static void by_order(const struct host *h, uint32_t node, uint64_t e, uint8_t *result)
{
	const struct axcc_order_node *n = &h->s->order.nodes[node];
	uint8_t right[8];

	if (n->left == AXCC_ORDER_LEAF) {
		memcpy(result, h->rank[n->right].input + e * h->s->elem_size, h->s->elem_size);
		return;
	}
	by_order(h, n->left, e, result);
	by_order(h, n->right, e, right);
	host_op(h->s->req.dtype, h->s->req.reduction, result, right);
}

/* Rounding of one addition, relative to the sum of the magnitudes. */
static double rounding(uint32_t dtype)
{
	return dtype == AXON_DTYPE_FLOAT32 ? 0x1p-24 : dtype == AXON_DTYPE_BFLOAT16 ? 0x1p-8 :
		0x1p-11;
}

static bool near_plain(const struct host *h, uint64_t e, const uint8_t *got)
{
	uint32_t dtype = h->s->req.dtype, size = h->s->elem_size;
	double sum = 0, mag = 0, v = host_value(dtype, got), best = 0;
	uint8_t plain[8];

	memcpy(plain, h->rank[0].input + e * size, size);
	for (uint32_t r = 0; r < h->s->req.ranks; r++) {
		double x = host_value(dtype, h->rank[r].input + e * size);

		sum += x;
		mag += fabs(x);
		if (!r || (h->s->req.reduction == AXCC_MAX ? x > best : x < best))
			best = x;
		if (r)
			host_op(dtype, h->s->req.reduction, plain,
				h->rank[r].input + e * size);
	}
	if (h->s->req.reduction != AXCC_SUM)
		return v == best;
	if (dtype == AXON_DTYPE_INT32 || dtype == AXON_DTYPE_UINT8)
		return !memcmp(got, plain, size);
	return fabs(v - sum) <= mag * rounding(dtype) * (h->s->req.ranks + 1) ||
		mag > 60000.0;	/* fp16 may have overflowed on the way */
}

static bool check_reduced(const struct host *h, uint32_t r, uint64_t first, uint64_t count,
			  char *why, size_t size)
{
	const struct axcc_order *o = &h->s->order;
	uint32_t es = h->s->elem_size;
	uint8_t want[8];
	uint32_t i = 0;

	for (uint64_t e = first; e < first + count; e++) {
		const uint8_t *got = host_out(h, r) + (e - first) * es;

		while (o->ranges[i].first + o->ranges[i].count <= e)
			i++;
		by_order(h, o->ranges[i].node, e, want);
		if (memcmp(got, want, es))
			return wrong(why, size, "rank %u element %llu: %g instead of %g", r,
				     (unsigned long long)e, host_value(h->s->req.dtype, got),
				     host_value(h->s->req.dtype, want));
		if (!near_plain(h, e, got))
			return wrong(why, size, "rank %u element %llu: %g is no such sum", r,
				     (unsigned long long)e, host_value(h->s->req.dtype, got));
	}
	return true;
}

static bool check_copied(const struct host *h, uint32_t r, uint64_t at, uint32_t from,
			 uint64_t input,
			 char *why, size_t size)
{
	uint64_t bytes = h->s->req.count * h->s->elem_size;

	if (!memcmp(host_out(h, r) + at, h->rank[from].input + input, bytes))
		return true;
	return wrong(why, size, "rank %u has not what rank %u gave", r, from);
}

static bool check_rank(const struct host *h, uint32_t r, char *why, size_t size)
{
	const struct axcc_request *req = &h->s->req;
	uint64_t bytes = req->count * h->s->elem_size;
	bool ok = true;

	switch (req->coll) {
	case AXCC_ALL_REDUCE:
		return check_reduced(h, r, 0, req->count, why, size);
	case AXCC_REDUCE_SCATTER:
		return check_reduced(h, r, r * req->count, req->count, why, size);
	case AXCC_REDUCE:
		return r != req->root || check_reduced(h, r, 0, req->count, why, size);
	case AXCC_BROADCAST:
		return check_copied(h, r, 0, req->root, 0, why, size);
	case AXCC_SEND:
	case AXCC_RECV:
		return !r || check_copied(h, r, 0, 0, 0, why, size);
	case AXCC_BARRIER:
		return !h->early || wrong(why, size, "left the barrier too early");
	default:
		break;
	}
	for (uint32_t from = 0; ok && from < req->ranks; from++) {
		if (req->coll == AXCC_ALL_GATHER)
			ok = check_copied(h, r, from * bytes, from, 0, why, size);
		else if (req->coll == AXCC_ALL_TO_ALL)
			ok = check_copied(h, r, from * bytes, from, r * bytes, why, size);
		else if (req->targets[from] == r)
			ok = check_copied(h, r, 0, from, 0, why, size);
	}
	return ok;
}

bool host_check(const struct host *h, char *why, size_t size)
{
	for (uint32_t r = 0; r < h->s->req.ranks; r++) {
		uint64_t src, dst;

		axcc_schedule_bytes(&h->s->req, r, &src, &dst);
		if (!aliased(h, r) && memcmp(h->rank[r].buf[AXCC_BUF_SRC], h->rank[r].input, src))
			return wrong(why, size, "the input of rank %u was changed", r);
		if (!check_rank(h, r, why, size))
			return false;
	}
	return true;
}
