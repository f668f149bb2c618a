// SPDX-License-Identifier: MIT
/*
 * ops.c - what each operation moves, and what must come out.
 *
 * Data are small whole numbers, so that sums are exact in every type and order: a result is right
 * or wrong, and no tolerance hides a lost or doubled contribution. Expected values are calculated
 * from the senders' seeds, never from a buffer that the operation could have written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "axon_isa.h"
#include "cc-test.h"

static const struct {
	const char *name;
	const char *alias;
	enum axcc_coll coll;
} ops[CC_NUM_OPS] = {
	[CC_ALL_REDUCE] = { "all_reduce", "allr", AXCC_ALL_REDUCE },
	[CC_ALL_GATHER] = { "all_gather", "allg", AXCC_ALL_GATHER },
	[CC_REDUCE_SCATTER] = { "reduce_scatter", "redsct", AXCC_REDUCE_SCATTER },
	[CC_ALL_TO_ALL] = { "alltoall", "all_to_all", AXCC_ALL_TO_ALL },
	[CC_BROADCAST] = { "broadcast", "bcast", AXCC_BROADCAST },
	[CC_REDUCE] = { "reduce", "red", AXCC_REDUCE },
	[CC_PERMUTE] = { "permute", "perm", AXCC_PERMUTE },
	[CC_SENDRECV] = { "sendrecv", "sr", AXCC_SEND },
	[CC_BARRIER] = { "barrier", "bar", AXCC_BARRIER },
};

static const struct {
	const char *name;
	uint32_t dtype;
} dtypes[] = {
	{ "uint8", AXON_DTYPE_UINT8 },
	{ "int32", AXON_DTYPE_INT32 },
	{ "fp16", AXON_DTYPE_FLOAT16 },
	{ "bf16", AXON_DTYPE_BFLOAT16 },
	{ "fp32", AXON_DTYPE_FLOAT32 },
};

const char *cc_op_name(enum cc_op op)
{
	return ops[op].name;
}

enum cc_op cc_op_find(const char *name)
{
	int op;

	for (op = 0; op < CC_NUM_OPS; op++)
		if (!strcmp(name, ops[op].name) || !strcmp(name, ops[op].alias))
			break;
	return (enum cc_op)op;
}

enum axcc_coll cc_op_coll(enum cc_op op)
{
	return ops[op].coll;
}

bool cc_op_reduces(enum cc_op op)
{
	return op == CC_ALL_REDUCE || op == CC_REDUCE_SCATTER || op == CC_REDUCE;
}

uint32_t cc_dtype_find(const char *name)
{
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (!strcmp(name, dtypes[i].name))
			return dtypes[i].dtype;
	return AXON_DTYPE_INVALID;
}

const char *cc_dtype_name(uint32_t dtype)
{
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (dtypes[i].dtype == dtype)
			return dtypes[i].name;
	return "?";
}

struct cc_size cc_size_of(const struct cc_options *opt, uint64_t bytes)
{
	uint32_t esz = axon_dtype_size(opt->dtype);
	uint64_t whole = bytes / esz, part = whole / opt->ranks;
	struct cc_size s = { .count = whole, .send = whole, .recv = whole };

	switch (opt->op) {
	case CC_ALL_GATHER:
		s = (struct cc_size){ .count = part, .send = part, .recv = part * opt->ranks };
		break;
	case CC_REDUCE_SCATTER:
		s = (struct cc_size){ .count = part, .send = part * opt->ranks, .recv = part };
		break;
	case CC_ALL_TO_ALL:
		s = (struct cc_size){ .count = part, .send = part * opt->ranks,
				      .recv = part * opt->ranks };
		break;
	case CC_BARRIER:
		s = (struct cc_size){ 0 };
		break;
	default:
		break;
	}
	s.bytes = (s.send > s.recv ? s.send : s.recv) * esz;
	return s;
}

double cc_bus_factor(enum cc_op op, uint32_t ranks)
{
	switch (op) {
	case CC_ALL_REDUCE:
		return 2.0 * (ranks - 1) / ranks;
	case CC_ALL_GATHER:
	case CC_REDUCE_SCATTER:
	case CC_ALL_TO_ALL:
		return (ranks - 1.0) / ranks;
	default:
		return 1.0;
	}
}

uint32_t cc_target(const struct cc_options *opt, uint32_t rank)
{
	return (rank + 1) % opt->ranks;
}

/*
 * Element @i of what @rank sends: splitmix64 of seed, rank and index, cut down so that the sum over
 * all ranks is exact: bf16 holds whole numbers up to 256.
 */
static uint32_t value(const struct cc_options *opt, uint32_t rank, uint64_t i)
{
	uint64_t z = opt->seed + (rank + 1ull) * 0x9e3779b97f4a7c15ull + i * 0xbf58476d1ce4e5b9ull;
	uint32_t range = 256 / opt->ranks < 2 ? 2 : 256 / opt->ranks;

	if (opt->check == CC_CHECK_ONES)
		return 1;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % range);
}

static void put(uint32_t dtype, void *to, uint64_t i, uint32_t v)
{
	float f = (float)v;
	uint32_t bits;
	uint16_t half;

	memcpy(&bits, &f, sizeof(bits));
	switch (dtype) {
	case AXON_DTYPE_UINT8:
		((uint8_t *)to)[i] = (uint8_t)v;
		return;
	case AXON_DTYPE_FLOAT32:
		((uint32_t *)to)[i] = bits;
		return;
	case AXON_DTYPE_BFLOAT16:
		((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
		return;
	case AXON_DTYPE_FLOAT16:
		/* Whole numbers of up to 2048: the exponent moves, the mantissa is cut. */
		half = v ? (uint16_t)(((bits >> 23) - 112) << 10 | (bits >> 13 & 0x3ff)) : 0;
		((uint16_t *)to)[i] = half;
		return;
	default:
		((uint32_t *)to)[i] = v;
	}
}

void cc_fill(const struct cc_options *opt, uint32_t rank, void *send, uint64_t elements)
{
	for (uint64_t i = 0; i < elements; i++)
		put(opt->dtype, send, i, value(opt, rank, i));
}

static uint32_t reduced(const struct cc_options *opt, uint64_t i)
{
	uint32_t v = value(opt, 0, i);

	for (uint32_t r = 1; r < opt->ranks; r++) {
		uint32_t x = value(opt, r, i);

		if (opt->reduction == AXCC_SUM)
			v += x;
		else if (opt->reduction == AXCC_MAX)
			v = x > v ? x : v;
		else
			v = x < v ? x : v;
	}
	return v;
}

/* Element @i of what @rank must have received. */
static uint32_t expected(const struct cc_options *opt, const struct cc_size *size, uint32_t rank,
			 uint64_t i)
{
	switch (opt->op) {
	case CC_ALL_REDUCE:
	case CC_REDUCE:
		return reduced(opt, i);
	case CC_REDUCE_SCATTER:
		return reduced(opt, rank * size->count + i);
	case CC_ALL_GATHER:
		return value(opt, (uint32_t)(i / size->count), i % size->count);
	case CC_ALL_TO_ALL:
		return value(opt, (uint32_t)(i / size->count),
			     rank * size->count + i % size->count);
	case CC_BROADCAST:
		return value(opt, opt->root, i);
	default:
		return value(opt, (rank + opt->ranks - 1) % opt->ranks, i);
	}
}

uint64_t cc_verify(const struct cc_options *opt, const struct cc_size *size, uint32_t rank,
		   const void *recv)
{
	uint32_t esz = axon_dtype_size(opt->dtype);
	uint64_t wrong = 0;

	if (opt->op == CC_REDUCE && rank != opt->root)
		return 0;
	for (uint64_t i = 0; i < size->recv; i++) {
		uint32_t v = expected(opt, size, rank, i), want = 0, got = 0;

		put(opt->dtype, &want, 0, v);
		memcpy(&got, (const uint8_t *)recv + i * esz, esz);
		if (got == want)
			continue;
		if (!wrong++)
			fprintf(stderr, "axon-cc-test: %s, %" PRIu64 " bytes: rank %u, "
				"element %" PRIu64 " is 0x%x, should be 0x%x\n",
				cc_op_name(opt->op), size->bytes, rank, i, got, want);
	}
	return wrong;
}
