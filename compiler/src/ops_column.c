/* SPDX-License-Identifier: MIT */
/*
 * ops_column.c - operators on activation vectors that lie as columns.
 */
#include "ops.h"

/* Standalone operators keep this much of a matrix on chip; more is streamed. */
#define RESIDENT_BYTES	(48u * 1024)

uint32_t axc_column_cols(uint32_t len)
{
	return (len + AXON_PARTITIONS - 1) / AXON_PARTITIONS;
}

uint32_t axc_column_parts(uint32_t len)
{
	uint32_t cols = axc_column_cols(len);

	return cols ? (len + cols - 1) / cols : 0;
}

struct axc_column axc_column_new(struct axc_program *p, uint32_t len)
{
	struct axc_column c = { .len = len, .parts = axc_column_parts(len),
				.cols = axc_column_cols(len) };

	c.tile = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, c.parts, c.cols);
	return c;
}

void axc_column_free(struct axc_program *p, struct axc_column *c)
{
	if (c && c->tile)
		axc_tile_free(p, c->tile);
	if (c)
		c->tile = NULL;
}

static struct axc_tile *psum(struct axc_program *p, uint32_t parts, uint32_t elems)
{
	return axc_tile_new(p, AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, parts, elems);
}

static bool column_ok(struct axc_program *p, const char *op, const struct axc_column *c)
{
	if (c && c->tile)
		return true;
	axc_fail(p, -EINVAL, "%s: a column is missing", op);
	return false;
}

/* Full columns in one transfer, the rest of the last one in another. */
static void column_dma(struct axc_program *p, const struct axc_column *c, struct axc_tensor *t,
		       uint64_t offset, bool load)
{
	uint32_t full = c->len / c->parts, rest = c->len % c->parts, i;

	for (i = 0; i < 2; i++) {
		struct axc_mem chip = { .tile = c->tile, .offset = i ? full * 4 : 0,
					.step = { 0, 0, 4, AXON_PART_STRIDE } };
		struct axc_mem mem = { .tensor = t, .region = AXC_REGION_ALL,
				       .offset = offset + (i ? (uint64_t)full * c->parts * 4 : 0),
				       .step = { 0, 0, (int32_t)(c->parts * 4), 4 } };

		if (!(i ? rest : full))
			continue;
		axc_dma(p, &(struct axc_dma){
			.engine = load ? SYNC : G,
			.queue = load ? INPUT_QUEUE : RESULT_QUEUE,
			.dst = load ? chip : mem,
			.src = load ? mem : chip,
			.count = { 1, 1, i ? 1 : full, i ? rest : c->parts },
		});
	}
}

void axc_column_load(struct axc_program *p, struct axc_column *c, struct axc_tensor *t,
		     uint64_t offset)
{
	if (!op_ready(p, "column load") || !column_ok(p, "column load", c))
		return;
	if (c->len % c->parts)
		axc_memset(p, G, axc_cols(axc_view(c->tile), c->cols - 1, 1), 0);
	column_dma(p, c, t, offset, true);
}

void axc_column_store(struct axc_program *p, struct axc_tensor *t, uint64_t offset,
		      const struct axc_column *c)
{
	if (op_ready(p, "column store") && column_ok(p, "column store", c))
		column_dma(p, c, t, offset, false);
}

/* ---- matrix times column ---- */

void mat_apply(struct axc_program *p, struct mat *m, struct axc_tile *dst,
	       const struct axc_column *src)
{
	uint32_t i, j;

	if (!p || p->err || !m)
		return;
	if (m->parts != src->parts || m->kt != src->cols) {
		axc_fail(p, -EINVAL, "matvec: the matrix has %u columns, the vector %u elements",
			 m->k, src->len);
		return;
	}
	for (i = 0; i < m->mt; i++)
		for (j = 0; j < m->kt; j++)
			axc_matmul(p, axc_cols(axc_view(dst), i, 1),
				   mat_factor(p, m, i * m->kt + j),
				   axc_cols(axc_view(src->tile), j, 1), j > 0);
}

void axc_op_matvec(struct axc_program *p, struct axc_column *dst, const float *w,
		   const struct axc_column *src)
{
	struct axc_tile *out;
	struct pack pack;
	struct mat *m;

	if (!op_ready(p, "matvec") || !column_ok(p, "matvec", dst) || !column_ok(p, "matvec", src))
		return;
	pack_init(&pack, src->parts);
	m = mat_column(p, &pack, w, dst->len, src->len);
	pack_ready(p, &pack, RESIDENT_BYTES);
	out = psum(p, dst->parts, dst->cols);
	mat_apply(p, m, out, src);
	axc_copy(p, V, axc_view(dst->tile), axc_view(out));
	axc_tile_free(p, out);
	pack_done(p, &pack);
	axc_program_flops(p, p ? p->flops + 2ull * dst->len * src->len : 0);
}

/* ---- norm ---- */

void op_fill_column(float *out, uint32_t stride, const float *w, uint32_t len)
{
	uint32_t parts = axc_column_parts(len), i;

	for (i = 0; i < len; i++)
		out[(size_t)(i % parts) * stride + i / parts] = w[i];
}

/*
 * The sum over partitions is a product with a matrix of ones, which leaves it in every partition,
 * where it is wanted next.
 */
void op_norm(struct axc_program *p, struct axc_column *dst, const struct axc_column *src,
	     struct axc_view w, struct axc_view ones, float eps)
{
	struct axc_tile *sq = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, src->parts,
					   src->cols);
	struct axc_tile *sum = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, src->parts, 2);
	struct axc_tile *all = psum(p, src->parts, 1);
	struct axc_view factor = axc_cols(axc_view(sum), 1, 1), x = axc_view(src->tile);

	axc_activation(p, AXON_ACT_SQUARE, axc_view(sq), x, axc_s(1), axc_s(0),
		       axc_cols(axc_view(sum), 0, 1));
	axc_matmul(p, axc_view(all), ones, axc_cols(axc_view(sum), 0, 1), false);
	axc_activation(p, AXON_ACT_RSQRT, factor, axc_view(all), axc_s(1.0f / (float)src->len),
		       axc_s(eps), axc_view(NULL));
	if (src->cols == 1) {
		axc_tensor_scalar(p, V, axc_view(dst->tile), x, AXON_ALU_MULTIPLY, axc_sv(factor),
				  AXON_ALU_MULTIPLY, axc_sv(w));
	} else {
		axc_tensor_scalar(p, V, axc_view(sq), x, AXON_ALU_MULTIPLY, axc_sv(factor),
				  AXON_ALU_NONE, axc_s(0));
		axc_tensor_tensor(p, V, AXON_ALU_MULTIPLY, axc_view(dst->tile), axc_view(sq), w);
	}
	axc_tile_free(p, sq);
	axc_tile_free(p, sum);
	axc_tile_free(p, all);
}

void axc_op_rmsnorm(struct axc_program *p, struct axc_column *dst, const struct axc_column *src,
		    const float *w, float eps)
{
	struct axc_tile *tile, *ones;
	struct axc_tensor *image;

	if (!op_ready(p, "rmsnorm") || !column_ok(p, "rmsnorm", dst) ||
	    !column_ok(p, "rmsnorm", src))
		return;
	if (dst->len != src->len || !w) {
		axc_fail(p, -EINVAL, "rmsnorm: %u elements from %u", dst->len, src->len);
		return;
	}
	image = axc_const_new(p, AXON_DTYPE_FLOAT32, NULL, 4ull * src->parts * src->cols);
	if (!image)
		return;
	op_fill_column(axc_const_data(image), src->cols, w, src->len);
	tile = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, src->parts, src->cols);
	axc_load(p, SYNC, INPUT_QUEUE, tile, 0, src->cols, image, 0, (int32_t)(src->cols * 4));
	ones = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, src->parts, src->parts);
	axc_memset(p, V, axc_view(ones), 0x3f800000);	/* 1.0 */
	op_norm(p, dst, src, axc_view(tile), axc_view(ones), eps);
	axc_tile_free(p, tile);
	axc_tile_free(p, ones);
}

void axc_op_add(struct axc_program *p, struct axc_column *dst, const struct axc_column *src)
{
	if (op_ready(p, "add") && column_ok(p, "add", dst) && column_ok(p, "add", src))
		axc_tensor_tensor(p, V, AXON_ALU_ADD, axc_view(dst->tile), axc_view(dst->tile),
				  axc_view(src->tile));
}

/* ---- feed-forward ---- */

void op_ffn(struct axc_program *p, struct axc_column *dst, bool add, struct mat *w1, struct mat *w3,
	    struct mat *w2, uint32_t hidden, const struct axc_column *src)
{
	struct axc_column h = axc_column_new(p, hidden);
	struct axc_tile *a = psum(p, h.parts, h.cols), *b = psum(p, h.parts, h.cols), *out;

	mat_apply(p, w1, a, src);
	axc_activation(p, AXON_ACT_SILU, axc_view(h.tile), axc_view(a), axc_s(1), axc_s(0),
		       axc_view(NULL));
	mat_apply(p, w3, b, src);
	axc_tensor_tensor(p, V, AXON_ALU_MULTIPLY, axc_view(h.tile), axc_view(h.tile), axc_view(b));
	out = psum(p, dst->parts, dst->cols);
	mat_apply(p, w2, out, &h);
	if (add)
		axc_tensor_tensor(p, V, AXON_ALU_ADD, axc_view(dst->tile), axc_view(dst->tile),
				  axc_view(out));
	else
		axc_copy(p, V, axc_view(dst->tile), axc_view(out));
	axc_tile_free(p, a);
	axc_tile_free(p, b);
	axc_tile_free(p, out);
	axc_column_free(p, &h);
}

void axc_op_swiglu(struct axc_program *p, struct axc_column *dst, const float *w1, const float *w2,
		   const float *w3, uint32_t hidden, const struct axc_column *src)
{
	struct pack in, out;
	struct mat *m1, *m3, *m2;

	if (!op_ready(p, "swiglu") || !column_ok(p, "swiglu", dst) || !column_ok(p, "swiglu", src))
		return;
	if (!hidden) {
		axc_fail(p, -EINVAL, "swiglu: no hidden elements");
		return;
	}
	pack_init(&in, src->parts);
	pack_init(&out, axc_column_parts(hidden));
	m1 = mat_column(p, &in, w1, hidden, src->len);
	m3 = mat_column(p, &in, w3, hidden, src->len);
	m2 = mat_column(p, &out, w2, dst->len, hidden);
	pack_ready(p, &in, RESIDENT_BYTES);
	pack_ready(p, &out, RESIDENT_BYTES);
	op_ffn(p, dst, false, m1, m3, m2, hidden, src);
	pack_done(p, &in);
	pack_done(p, &out);
}

/* ---- embedding ---- */

void axc_op_embedding(struct axc_program *p, struct axc_column *dst, const float *table,
		      uint32_t rows, struct axc_tensor *index)
{
	uint32_t row_len, i;
	struct axc_tensor *t;
	float *data;

	if (!op_ready(p, "embedding") || !column_ok(p, "embedding", dst))
		return;
	if (!index || !rows) {
		axc_fail(p, -EINVAL, "embedding: no index or no rows");
		return;
	}
	row_len = dst->parts * dst->cols;	/* with zeros at the end, as columns are */
	t = axc_const_new(p, AXON_DTYPE_FLOAT32, NULL, 4ull * row_len * rows);
	if (!t)
		return;
	data = axc_const_data(t);
	for (i = 0; i < rows; i++)
		memcpy(data + (size_t)i * row_len, table + (size_t)i * dst->len,
		       (size_t)dst->len * 4);
	axc_dma(p, &(struct axc_dma){
		.engine = SYNC,
		.queue = INPUT_QUEUE,
		.flags = AXON_DMA_F_GATHER,
		.dst = { .tile = dst->tile, .step = { 0, 0, 4, AXON_PART_STRIDE } },
		.src = { .tensor = t, .region = AXC_REGION_ALL,
			 .step = { (int32_t)(row_len * 4), 0, (int32_t)(dst->parts * 4), 4 } },
		.count = { 1, 1, dst->cols, dst->parts },
		.index = index,
		.index_bound = rows,
	});
}
