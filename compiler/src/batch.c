/* SPDX-License-Identifier: MIT */
/*
 * batch.c - matrices in memory and their blocks of rows, and the operators that only move them.
 *
 * Nothing here calculates but for sums of two matrices.
 */
#include "batch.h"

/* Columns of a matrix that an element by element operator has on chip at once. */
#define WIDTH	2048u

struct axc_matrix axc_matrix(struct axc_tensor *t, uint64_t first, uint32_t rows, uint32_t cols)
{
	return (struct axc_matrix){ .tensor = t, .offset = first * 4, .rows = rows, .cols = cols,
				    .stride = cols };
}

struct axc_matrix axc_matrix_cols(struct axc_matrix m, uint32_t first, uint32_t n)
{
	/* Columns that do not exist make a matrix that every operator refuses. */
	m.cols = first > m.cols || n > m.cols - first ? 0 : n;
	m.offset += 4ull * first;
	return m;
}

/* ---- checks ---- */

/* A transfer's steps are 32 bits: that bounds 128 rows. */
static bool matrix_fits(const struct axc_matrix *m)
{
	const struct axc_tensor *t = m->tensor;
	uint64_t last;

	if (!m->rows || !m->cols || m->stride < m->cols || m->offset % 4 ||
	    m->stride > INT32_MAX / 4 / AXON_PARTITIONS || m->offset > t->size)
		return false;
	last = (uint64_t)(m->rows - 1) * m->stride + m->cols;
	return last <= (t->size - m->offset) / 4;
}

bool matrix_ok(struct axc_program *p, const char *op, const char *name, const struct axc_matrix *m,
	       uint32_t rows, uint32_t cols)
{
	if (!m->tensor || m->tensor->p != p || m->tensor->dtype != AXON_DTYPE_FLOAT32) {
		axc_fail(p, -EINVAL, "%s: %s must be in a tensor of fp32", op, name);
		return false;
	}
	if (!matrix_fits(m)) {
		axc_fail(p, -EINVAL, "%s: %s: [%u][%u], rows %u elements apart, does not lie in "
			 "its tensor", op, name, m->rows, m->cols, m->stride);
		return false;
	}
	if (m->rows != rows || m->cols != cols) {
		axc_fail(p, -EINVAL, "%s: %s is [%u][%u] and should be [%u][%u]", op, name,
			 m->rows, m->cols, rows, cols);
		return false;
	}
	return true;
}

bool vector_ok(struct axc_program *p, const char *op, const char *name, const struct axc_tensor *t,
	       enum axon_dtype dtype, uint64_t n)
{
	if (t && t->p == p && t->dtype == dtype && t->size == n * axon_dtype_size(dtype))
		return true;
	axc_fail(p, -EINVAL, "%s: %s must be a tensor of %llu %s", op, name,
		 (unsigned long long)n, dtype == AXON_DTYPE_UINT32 ? "u32" : "fp32");
	return false;
}

/* ---- blocks ---- */

struct axc_tile *sbuf(struct axc_program *p, uint32_t parts, uint32_t elems)
{
	return axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, parts, elems);
}

struct axc_tile *psum(struct axc_program *p, uint32_t parts, uint32_t elems)
{
	return axc_tile_new(p, AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, parts, elems);
}

void blocks(struct axc_program *p, uint32_t rows, block_fn fn, void *ctx)
{
	struct block b = { .n = AXON_PARTITIONS, .step = AXON_PARTITIONS };
	uint32_t full = rows / AXON_PARTITIONS;

	if (full > 1) {
		b.iter = axc_loop_begin(p, full, NULL);
		fn(p, ctx, &b);
		axc_loop_end(p);
	} else if (full) {
		fn(p, ctx, &b);
	}
	if (rows % AXON_PARTITIONS) {
		b = (struct block){ .first = full * AXON_PARTITIONS, .n = rows % AXON_PARTITIONS };
		fn(p, ctx, &b);
	}
}

struct axc_mem block_mem(struct axc_program *p, const struct axc_matrix *m, const struct block *b,
			 uint32_t col)
{
	struct axc_mem mem = {
		.tensor = m->tensor,
		.offset = m->offset + 4ull * ((uint64_t)b->first * m->stride + col),
		.step = { 0, 0, (int32_t)(m->stride * 4), 4 },
		.region = m->region,
	};

	if (b->iter)
		mem.reg[0] = axc_reg_opi(p, AXON_RALU_MUL, b->iter, 4ull * b->step * m->stride);
	return mem;
}

static void block_dma(struct axc_program *p, bool load, struct axc_tile *tile, uint32_t first,
		      const struct axc_matrix *m, const struct block *b, uint32_t col, uint32_t n)
{
	struct axc_mem mem = block_mem(p, m, b, col);
	struct axc_mem chip = { .tile = tile, .offset = 4ull * first,
				.step = { 0, 0, AXON_PART_STRIDE, 4 } };

	axc_dma(p, &(struct axc_dma){
		.engine = load ? SYNC : G,
		.queue = load ? op_load_queue(p) : op_store_queue(p),
		.dst = load ? chip : mem,
		.src = load ? mem : chip,
		.count = { 1, 1, b->n, n },
	});
}

void block_load(struct axc_program *p, struct axc_tile *tile, uint32_t first,
		const struct axc_matrix *m, const struct block *b, uint32_t col, uint32_t n)
{
	block_dma(p, true, tile, first, m, b, col, n);
}

void block_store(struct axc_program *p, const struct axc_matrix *m, const struct block *b,
		 uint32_t col, struct axc_tile *tile, uint32_t first, uint32_t n)
{
	block_dma(p, false, tile, first, m, b, col, n);
}

void row_spread(struct axc_program *p, struct axc_tile *tile, struct axc_tensor *t, uint64_t offset,
		uint32_t n)
{
	axc_load(p, SYNC, op_load_queue(p), tile, 0, n, t, offset, 0);
}

struct axc_view part_view(struct axc_tile *tile, uint32_t rows, uint32_t first, uint32_t n)
{
	return axc_cols(axc_rows(axc_view(tile), 0, rows), first, n);
}
