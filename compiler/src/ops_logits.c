/* SPDX-License-Identifier: MIT */
/*
 * ops_logits.c - the classifier: a row of logits, and which of them is the largest.
 *
 * The vector is stationary and the weights move, 512 outputs a product, so that logits come out
 * as a row. Rows are done in groups that fit a bank or four of PSUM, or a tile of SBUF.
 */
#include <float.h>

#include "ops.h"

#define GROUP		4096u	/* logits of a group: at most 16384, a multiple of 512 */
#define PSUM_GROUP	2048u	/* a vocabulary up to this needs no copy to SBUF */

/**
 * struct best - the eight largest of each group, to find the largest of all
 * @value: [1][groups * 8]
 * @index: [1][groups * 8], in the whole vocabulary, as fp32 (exact below 2^24)
 * @found: [1][8] scratch: indices inside a group
 */
struct best {
	struct axc_tile *value, *index, *found;
	uint32_t groups;
};

static struct axc_tile *row(struct axc_program *p, enum axon_dtype dtype, uint32_t n)
{
	return axc_tile_new(p, AXON_SPACE_SBUF, dtype, 1, n);
}

static void products(struct axc_program *p, struct mat *m, uint32_t piece, uint32_t n,
		     struct axc_view dst, const struct axc_column *src)
{
	uint32_t j;

	for (j = 0; j < m->kt; j++)
		axc_matmul(p, dst, axc_cols(axc_view(src->tile), j, 1),
			   axc_cols(mat_factor(p, m, piece * m->kt + j), 0, n), j > 0);
}

/* Logits first .. first + n - 1 into @dst, in PSUM or SBUF. */
static void group_logits(struct axc_program *p, struct mat *m, uint32_t first, uint32_t n,
			 struct axc_tile *dst, const struct axc_column *src)
{
	uint32_t at, len;

	for (at = 0; at < n && !p->err; at += len) {
		struct axc_tile *bank;

		len = n - at < m->mp ? n - at : m->mp;
		if (dst->space == AXON_SPACE_PSUM) {
			products(p, m, (first + at) / m->mp, len, axc_cols(axc_view(dst), at, len),
				 src);
			continue;
		}
		bank = axc_tile_new(p, AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, 1, len);
		products(p, m, (first + at) / m->mp, len, axc_view(bank), src);
		axc_copy(p, S, axc_cols(axc_view(dst), at, len), axc_view(bank));
		axc_tile_free(p, bank);
	}
}

static void group_best(struct axc_program *p, struct best *b, uint32_t group, uint32_t first,
		       struct axc_view values)
{
	struct axc_view top = axc_cols(axc_view(b->value), group * 8, 8);

	axc_max8(p, top, values);
	axc_find_index8(p, axc_view(b->found), top, values);
	if (b->groups > 1)
		axc_tensor_scalar(p, V, axc_cols(axc_view(b->index), group * 8, 8),
				  axc_view(b->found), AXON_ALU_ADD, axc_s((float)first),
				  AXON_ALU_NONE, axc_s(0));
}

/*
 * The largest of the groups' largest. Among equals FIND_INDEX8 gives the first, which is in the
 * first group that has it, where it is the first in order.
 */
static void best_of_groups(struct axc_program *p, struct best *b)
{
	uint32_t n = b->groups * 8;
	struct axc_tile *top = row(p, AXON_DTYPE_FLOAT32, 8);
	struct axc_tile *number = row(p, AXON_DTYPE_FLOAT32, n);
	static const int16_t step[4] = { 0, 0, 0, 1 };

	axc_iota(p, axc_view(number), 0, 0, step);
	axc_max8(p, axc_view(top), axc_view(b->value));
	axc_find_index8(p, axc_view(b->found), axc_view(top), axc_view(b->value));
	axc_tensor_scalar(p, V, axc_view(number), axc_view(number), AXON_ALU_EQ,
			  axc_sv(axc_cols(axc_view(b->found), 0, 1)), AXON_ALU_NONE, axc_s(0));
	axc_tensor_tensor(p, V, AXON_ALU_MULTIPLY, axc_view(number), axc_view(number),
			  axc_view(b->index));
	axc_reduce(p, V, AXON_ALU_ADD, 1, axc_cols(axc_view(b->found), 0, 1), axc_view(number));
	axc_tile_free(p, top);
	axc_tile_free(p, number);
}

static void store_row(struct axc_program *p, struct axc_tensor *t, uint64_t offset,
		      struct axc_tile *tile, uint32_t n)
{
	axc_dma(p, &(struct axc_dma){
		.engine = G,
		.queue = RESULT_QUEUE,
		.dst = { .tensor = t, .offset = offset, .step = { 0, 0, 0, 4 },
			 .region = AXC_REGION_ALL },
		.src = { .tile = tile, .step = { 0, 0, 0, 4 } },
		.count = { 1, 1, 1, n },
	});
}

static void one_group(struct axc_program *p, struct axc_tensor *logits, struct mat *m,
		      struct best *b, uint32_t group, uint32_t rows, const struct axc_column *src)
{
	uint32_t first = group * GROUP, n = rows - first < GROUP ? rows - first : GROUP;
	bool small = rows <= PSUM_GROUP && n >= 8;
	struct axc_tile *dst = axc_tile_new(p, small ? AXON_SPACE_PSUM : AXON_SPACE_SBUF,
					    AXON_DTYPE_FLOAT32, 1, n < 8 ? 8 : n);
	float low = -FLT_MAX;
	uint32_t bits;

	memcpy(&bits, &low, sizeof(bits));
	if (n < 8)
		axc_memset(p, V, axc_view(dst), bits);
	group_logits(p, m, first, n, dst, src);
	store_row(p, logits, 4ull * first, dst, n);
	if (b)
		group_best(p, b, group, first, axc_view(dst));
	axc_tile_free(p, dst);
}

void op_logits(struct axc_program *p, struct axc_tensor *logits, struct axc_tensor *best,
	       struct mat *m, uint32_t rows, const struct axc_column *src)
{
	struct best b = { .groups = (rows + GROUP - 1) / GROUP };
	uint32_t i;

	if (!p || p->err || !m)
		return;
	if (best) {
		b.value = row(p, AXON_DTYPE_FLOAT32, b.groups * 8);
		b.index = row(p, AXON_DTYPE_FLOAT32, b.groups * 8);
		b.found = row(p, AXON_DTYPE_UINT32, 8);
	}
	for (i = 0; i < b.groups && !p->err; i++)
		one_group(p, logits, m, best ? &b : NULL, i, rows, src);
	if (!best)
		return;
	if (b.groups > 1)
		best_of_groups(p, &b);
	store_row(p, best, 0, b.found, 1);
	axc_tile_free(p, b.value);
	axc_tile_free(p, b.index);
	axc_tile_free(p, b.found);
}

void axc_op_logits(struct axc_program *p, struct axc_tensor *logits, struct axc_tensor *best,
		   const float *w, uint32_t rows, const struct axc_column *src)
{
	struct pack pack;
	struct mat *m;

	if (!op_ready(p, "logits"))
		return;
	if (!logits || !src || !src->tile || !rows || rows > 1u << 24 ||
	    logits->dtype != AXON_DTYPE_FLOAT32 || (best && best->dtype != AXON_DTYPE_UINT32)) {
		axc_fail(p, -EINVAL, "logits: rows must be 1 to 2^24, logits fp32, index u32");
		return;
	}
	pack_init(&pack, src->parts);
	m = mat_moving(p, &pack, w, rows, src->len);
	pack_ready(p, &pack, 32 * 1024);
	op_logits(p, logits, best, m, rows, src);
	pack_done(p, &pack);
}
