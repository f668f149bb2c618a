// SPDX-License-Identifier: MIT
/*
 * collective.c - see collective.h.
 *
 * Inputs are small whole numbers, so that sums are exact in every type and in every order (orders
 * are the business of the schedules' own tests).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axon_isa.h"
#include "collective.h"

#define GUARD		96u	/* bytes before, between and behind that nobody may touch */
#define PATTERN(i)	((uint8_t)(0xa5 ^ (i) * 7))

uint32_t coll_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* ---- numbers ---- */

static int value(const struct coll_case *c, uint32_t rank, uint64_t index)
{
	uint32_t x = (uint32_t)(index * 2654435761u) ^ (rank * 40503u + c->seed);

	x ^= x >> 15;
	x *= 2246822519u;
	x ^= x >> 13;
	return (int)(x % 9) - (c->dtype == AXON_DTYPE_UINT8 ? 0 : 4);
}

static uint32_t f32_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

/* Whole numbers up to 2048 are exact in fp16. */
static uint16_t f16_bits(int v)
{
	uint32_t mag = (uint32_t)(v < 0 ? -v : v);
	uint16_t sign = v < 0 ? 0x8000 : 0;
	int e = 0;

	if (!mag)
		return 0;
	while (mag >> (e + 1))
		e++;
	return (uint16_t)(sign | (uint32_t)(e + 15) << 10 | ((mag << 10 >> e) & 0x3ff));
}

static void store(uint32_t dtype, uint8_t *at, int v)
{
	uint32_t size = axon_dtype_size(dtype);
	uint64_t bits;

	switch (dtype) {
	case AXON_DTYPE_FLOAT32:
	case AXON_DTYPE_FP32R:
		bits = f32_bits((float)v);
		break;
	case AXON_DTYPE_BFLOAT16:
		bits = f32_bits((float)v) >> 16;
		break;
	case AXON_DTYPE_FLOAT16:
		bits = f16_bits(v);
		break;
	default:
		bits = (uint64_t)(int64_t)v;
		break;
	}
	memcpy(at, &bits, size);
}

/* ---- where things are ---- */

static uint64_t src_count(const struct coll_case *c, uint32_t ranks, uint32_t rank)
{
	switch (c->coll) {
	case AXCC_REDUCE_SCATTER:
	case AXCC_ALL_TO_ALL:
		return c->count * ranks;
	case AXCC_BROADCAST:
		return rank == c->root ? c->count : 0;
	case AXCC_BARRIER:
		return 0;
	default:
		return c->count;
	}
}

static uint64_t dst_count(const struct coll_case *c, uint32_t ranks, uint32_t rank)
{
	switch (c->coll) {
	case AXCC_ALL_GATHER:
	case AXCC_ALL_TO_ALL:
		return c->count * ranks;
	case AXCC_REDUCE:
		return rank == c->root ? c->count : 0;
	case AXCC_BARRIER:
		return 0;
	default:
		return c->count;
	}
}

/* Both may be as long as any rank has them. */
static uint64_t most(const struct coll_case *c, uint32_t ranks)
{
	return c->count * ranks * axon_dtype_size(c->dtype);
}

static uint64_t src_at(const struct coll_case *c, uint32_t ranks, uint32_t rank)
{
	uint32_t size = axon_dtype_size(c->dtype);

	if (c->in_place && c->coll == AXCC_ALL_GATHER)
		return GUARD + c->count * rank * size;
	return GUARD;
}

static uint64_t dst_at(const struct coll_case *c, uint32_t ranks, uint32_t rank)
{
	uint32_t size = axon_dtype_size(c->dtype);

	if (c->in_place && c->coll == AXCC_REDUCE_SCATTER)
		return GUARD + c->count * rank * size;
	if (c->in_place)
		return GUARD;
	/* Of another alignment than the source. */
	return 2 * GUARD + (most(c, ranks) + size - 1) / size * size + 3 * size;
}

uint64_t coll_arena_size(const struct coll_case *c, uint32_t ranks)
{
	return 3 * GUARD + 2 * most(c, ranks) + 64;
}

int coll_arena_open(struct coll_arena *a, struct axon_device *dev, uint64_t size)
{
	void *ptr;
	int err;

	err = axon_bo_create(dev, size, DRM_AXON_REGION_HBM, DRM_AXON_BO_CPU_VISIBLE, NULL, &a->bo);
	if (err)
		return err;
	err = axon_bo_map(a->bo, &ptr);
	a->ptr = ptr;
	a->size = size;
	return err;
}

void coll_arena_close(struct coll_arena *a)
{
	axon_bo_destroy(a->bo);
	a->bo = NULL;
}

/* ---- cases ---- */

static uint32_t target_of(const struct coll_case *c, uint32_t ranks, uint32_t rank)
{
	return rank < c->skip ? AXCC_NO_RANK : (rank + c->shift) % ranks;
}

struct coll_case coll_case_random(uint32_t *seed, uint32_t ranks, uint64_t max_count)
{
	static const uint32_t colls[] = {
		AXCC_ALL_REDUCE, AXCC_ALL_GATHER, AXCC_REDUCE_SCATTER, AXCC_ALL_TO_ALL,
		AXCC_BROADCAST, AXCC_REDUCE, AXCC_PERMUTE, AXCC_BARRIER,
	};
	static const uint32_t reducing[] = {
		AXON_DTYPE_FLOAT32, AXON_DTYPE_BFLOAT16, AXON_DTYPE_FLOAT16, AXON_DTYPE_INT32,
		AXON_DTYPE_UINT8,
	};
	static const uint32_t others[] = { AXON_DTYPE_INT8, AXON_DTYPE_UINT16, AXON_DTYPE_INT64 };
	struct coll_case c = { .coll = colls[coll_random(seed) % 8] };
	bool moves = c.coll != AXCC_ALL_REDUCE && c.coll != AXCC_REDUCE_SCATTER &&
		c.coll != AXCC_REDUCE;
	uint32_t bits = 0;

	while (1ull << bits < max_count)
		bits++;
	c.dtype = reducing[coll_random(seed) % 5];
	if (moves && coll_random(seed) % 2)
		c.dtype = others[coll_random(seed) % 3];
	c.reduction = coll_random(seed) % AXCC_NUM_REDUCTIONS;
	/* As many short ones as long ones. */
	c.count = coll_random(seed) % (1ull << coll_random(seed) % (bits + 1));
	if (c.count > max_count)
		c.count = max_count;
	if (c.coll == AXCC_BARRIER) {
		c.count = 0;
		c.dtype = AXON_DTYPE_UINT8;
	}
	c.root = coll_random(seed) % ranks;
	c.in_place = coll_random(seed) % 2;
	c.shift = coll_random(seed) % ranks;
	c.skip = coll_random(seed) % 3 ? 0 : coll_random(seed) % ranks;
	c.seed = coll_random(seed);
	return c;
}

void coll_print(const struct coll_case *c, uint32_t ranks, char *buf, size_t size)
{
	snprintf(buf, size, "%s, %u ranks, type %u, %s, count %llu, root %u, %s place, shift %u, "
		 "skip %u, seed %u", axcc_coll_str(c->coll), ranks, c->dtype,
		 axcc_reduction_str(c->reduction), (unsigned long long)c->count, c->root,
		 c->in_place ? "in" : "out of", c->shift, c->skip, c->seed);
}

/* What is in the arena before the collective. */
static void lay_out(const struct coll_case *c, uint32_t ranks, uint32_t rank, uint8_t *p)
{
	uint64_t n = src_count(c, ranks, rank), all = coll_arena_size(c, ranks), i;
	uint32_t size = axon_dtype_size(c->dtype);
	uint8_t *src = p + src_at(c, ranks, rank);

	for (i = 0; i < all; i++)
		p[i] = PATTERN(i);
	for (i = 0; i < n; i++)
		store(c->dtype, src + i * size, value(c, rank, i));
}

void coll_fill(const struct coll_case *c, uint32_t ranks, uint32_t rank, struct coll_arena *a)
{
	lay_out(c, ranks, rank, a->ptr);
}

int coll_call(const struct coll_case *c, struct axcc_comm *comm, struct coll_arena *a,
	      uint64_t *seq)
{
	uint32_t ranks = axcc_comm_ranks(comm), rank = axcc_comm_rank(comm), r;
	struct axcc_buf src = { a->bo, src_at(c, ranks, rank) };
	struct axcc_buf dst = { a->bo, dst_at(c, ranks, rank) };
	uint32_t targets[AXCC_MAX_RANKS];

	switch (c->coll) {
	case AXCC_ALL_REDUCE:
		return axcc_all_reduce(comm, src, dst, c->count, c->dtype, c->reduction, seq);
	case AXCC_ALL_GATHER:
		return axcc_all_gather(comm, src, dst, c->count, c->dtype, seq);
	case AXCC_REDUCE_SCATTER:
		return axcc_reduce_scatter(comm, src, dst, c->count, c->dtype, c->reduction, seq);
	case AXCC_ALL_TO_ALL:
		return axcc_all_to_all(comm, src, dst, c->count, c->dtype, seq);
	case AXCC_BROADCAST:
		return axcc_broadcast(comm, src, dst, c->count, c->dtype, c->root, seq);
	case AXCC_REDUCE:
		return axcc_reduce(comm, src, dst, c->count, c->dtype, c->reduction, c->root, seq);
	case AXCC_PERMUTE:
		for (r = 0; r < ranks; r++)
			targets[r] = target_of(c, ranks, r);
		return axcc_permute(comm, src, dst, c->count, c->dtype, targets, seq);
	default:
		return axcc_barrier(comm, seq);
	}
}

struct axcc_stage coll_stage(const struct coll_case *c, uint32_t ranks, uint32_t rank,
			     struct coll_arena *a, uint32_t *targets)
{
	uint32_t r;

	for (r = 0; r < ranks; r++)
		targets[r] = target_of(c, ranks, r);
	return (struct axcc_stage) {
		.coll = c->coll,
		.reduction = c->reduction,
		.dtype = c->dtype,
		.root = c->coll == AXCC_BROADCAST || c->coll == AXCC_REDUCE ? c->root : 0,
		.count = c->count,
		.send = { a->bo, src_at(c, ranks, rank) },
		.recv = { a->bo, dst_at(c, ranks, rank) },
		.targets = c->coll == AXCC_PERMUTE ? targets : NULL,
	};
}

/* ---- what must come out ---- */

static int reduced(const struct coll_case *c, uint32_t ranks, uint64_t index)
{
	int v = value(c, 0, index), other;
	uint32_t r;

	for (r = 1; r < ranks; r++) {
		other = value(c, r, index);
		if (c->reduction == AXCC_SUM)
			v += other;
		else if (c->reduction == AXCC_MAX ? other > v : other < v)
			v = other;
	}
	return v;
}

/* Element @i of a rank's output. Return: false: it stays as it was. */
static bool output(const struct coll_case *c, uint32_t ranks, uint32_t rank, uint64_t i, int *v)
{
	uint32_t r;

	switch (c->coll) {
	case AXCC_ALL_GATHER:
		*v = value(c, (uint32_t)(i / c->count), i % c->count);
		return true;
	case AXCC_REDUCE_SCATTER:
		*v = reduced(c, ranks, rank * c->count + i);
		return true;
	case AXCC_ALL_TO_ALL:
		*v = value(c, (uint32_t)(i / c->count), rank * c->count + i % c->count);
		return true;
	case AXCC_BROADCAST:
		*v = value(c, c->root, i);
		return true;
	case AXCC_PERMUTE:
		for (r = 0; r < ranks; r++)
			if (target_of(c, ranks, r) == rank)
				break;
		*v = r < ranks ? value(c, r, i) : 0;
		return r < ranks;
	default:
		*v = reduced(c, ranks, i);
		return true;
	}
}

/* What may have changed although it is no output: it is what it is. */
static void undefined(const struct coll_case *c, uint32_t ranks, uint32_t rank,
		      const struct coll_arena *a, uint8_t *want)
{
	uint64_t from = src_at(c, ranks, rank);

	if (c->in_place && c->coll == AXCC_REDUCE_SCATTER)
		memcpy(want + from, a->ptr + from,
		       src_count(c, ranks, rank) * axon_dtype_size(c->dtype));
}

/* What must be in the arena after the collective. */
static void expect(const struct coll_case *c, uint32_t ranks, uint32_t rank,
		   const struct coll_arena *a, uint8_t *want)
{
	uint64_t n = dst_count(c, ranks, rank), i;
	uint32_t size = axon_dtype_size(c->dtype);
	uint8_t *dst = want + dst_at(c, ranks, rank);
	int v;

	lay_out(c, ranks, rank, want);
	undefined(c, ranks, rank, a, want);
	for (i = 0; i < n; i++)
		if (output(c, ranks, rank, i, &v))
			store(c->dtype, dst + i * size, v);
}

int coll_check(const struct coll_case *c, uint32_t ranks, uint32_t rank,
	       const struct coll_arena *a, char *why, size_t size)
{
	uint64_t dst = dst_at(c, ranks, rank), n = coll_arena_size(c, ranks), i = 0;
	uint8_t *want = malloc(n);
	int ret = 0;

	if (!want) {
		snprintf(why, size, "rank %u: no memory to compare with", rank);
		return -1;
	}
	expect(c, ranks, rank, a, want);
	if (memcmp(want, a->ptr, n)) {
		while (a->ptr[i] == want[i])
			i++;
		snprintf(why, size, "rank %u: byte %llu (output at %llu..%llu) is 0x%02x, not "
			 "0x%02x", rank, (unsigned long long)i, (unsigned long long)dst,
			 (unsigned long long)(dst + dst_count(c, ranks, rank) *
					      axon_dtype_size(c->dtype)), a->ptr[i], want[i]);
		ret = -1;
	}
	free(want);
	return ret;
}
