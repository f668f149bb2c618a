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

void from_psum(struct axc_program *p, struct axc_view dst, struct axc_view src)
{
	axc_copy(p, op_copy_engine(p), dst, src);
}

void transpose_run(struct axc_program *p, struct axc_tile *dst, uint32_t dst_first,
		   uint32_t dst_step, struct axc_tile *src, uint32_t src_first, uint32_t rows,
		   uint32_t m, uint32_t g)
{
	struct axc_tile *bank = psum(p, m, g * rows);
	struct axc_view to = part_view(dst, m, dst_first, rows), from = axc_view(bank);
	uint32_t i;

	for (i = 0; i < g; i++)
		axc_transpose(p, axc_cols(axc_view(bank), i * rows, rows),
			      part_view(src, rows, src_first + i * m, m));
	from = axc_axis(axc_cols(from, 0, rows), 2, g, (int)rows);
	from_psum(p, axc_axis(to, 2, g, (int)dst_step), from);
	axc_tile_free(p, bank);
}

/* ---- moving ---- */

/* One transfer: the card takes the rows in order, so equal targets add up in that order. */
static void indexed(struct axc_program *p, const struct axc_matrix *dst,
		    const struct axc_matrix *src, struct axc_tensor *index, bool scatter)
{
	const struct block all = { .n = 1 };
	struct axc_mem to = block_mem(p, dst, &all, 0), from = block_mem(p, src, &all, 0);

	to.step[0] = to.step[2];
	from.step[0] = from.step[2];
	axc_dma(p, &(struct axc_dma){
		.engine = G,
		.queue = op_store_queue(p),
		.op = scatter ? AXON_DMA_ADD : AXON_DMA_COPY,
		.flags = scatter ? AXON_DMA_F_SCATTER : AXON_DMA_F_GATHER,
		.dst = to,
		.src = from,
		.count = { scatter ? src->rows : dst->rows, 1, 1, src->cols },
		.index = index,
		.index_bound = scatter ? dst->rows : src->rows,
	});
}

void axc_batch_gather(struct axc_program *p, struct axc_matrix dst, struct axc_matrix table,
		      struct axc_tensor *index)
{
	if (op_ready(p, "gather") &&
	    matrix_ok(p, "gather", "dst", &dst, dst.rows, table.cols) &&
	    matrix_ok(p, "gather", "the table", &table, table.rows, dst.cols) &&
	    vector_ok(p, "gather", "the index", index, AXON_DTYPE_UINT32, dst.rows))
		indexed(p, &dst, &table, index, false);
}

void axc_batch_scatter(struct axc_program *p, struct axc_matrix table, struct axc_tensor *index,
		       struct axc_matrix src)
{
	if (op_ready(p, "scatter") &&
	    matrix_ok(p, "scatter", "src", &src, src.rows, table.cols) &&
	    matrix_ok(p, "scatter", "the table", &table, table.rows, src.cols) &&
	    vector_ok(p, "scatter", "the index", index, AXON_DTYPE_UINT32, src.rows))
		indexed(p, &table, &src, index, true);
}

/**
 * struct each - an operator element by element on up to three matrices
 * @col: first column of the piece that is on chip
 * @cols: its columns
 */
struct each {
	struct axc_matrix dst, a, b;
	uint32_t col, cols;
	struct axc_tile *tile;
};

static void zero_block(struct axc_program *p, void *ctx, const struct block *b)
{
	struct each *e = ctx;

	block_store(p, &e->dst, b, e->col, e->tile, 0, e->cols);
}

void axc_batch_zero(struct axc_program *p, struct axc_matrix dst)
{
	struct each e = { .dst = dst };

	if (!op_ready(p, "zero") || !matrix_ok(p, "zero", "dst", &dst, dst.rows, dst.cols))
		return;
	e.tile = sbuf(p, smaller(dst.rows, AXON_PARTITIONS), smaller(dst.cols, WIDTH));
	axc_memset(p, V, axc_view(e.tile), 0);
	for (e.col = 0; e.col < dst.cols && !p->err; e.col += e.cols) {
		e.cols = smaller(dst.cols - e.col, WIDTH);
		blocks(p, dst.rows, zero_block, &e);
	}
	axc_tile_free(p, e.tile);
}

static void add_block(struct axc_program *p, void *ctx, const struct block *b)
{
	struct each *e = ctx;
	struct axc_tile *x = sbuf(p, b->n, e->cols), *y = sbuf(p, b->n, e->cols);

	block_load(p, x, 0, &e->a, b, e->col, e->cols);
	block_load(p, y, 0, &e->b, b, e->col, e->cols);
	axc_tensor_tensor(p, V, AXON_ALU_ADD, axc_view(x), axc_view(x), axc_view(y));
	block_store(p, &e->dst, b, e->col, x, 0, e->cols);
	axc_tile_free(p, x);
	axc_tile_free(p, y);
}

void axc_batch_add(struct axc_program *p, struct axc_matrix dst, struct axc_matrix a,
		   struct axc_matrix b)
{
	struct each e = { .dst = dst, .a = a, .b = b };

	if (!op_ready(p, "add") || !matrix_ok(p, "add", "dst", &dst, dst.rows, dst.cols) ||
	    !matrix_ok(p, "add", "a", &a, dst.rows, dst.cols) ||
	    !matrix_ok(p, "add", "b", &b, dst.rows, dst.cols))
		return;
	for (e.col = 0; e.col < dst.cols && !p->err; e.col += e.cols) {
		e.cols = smaller(dst.cols - e.col, WIDTH);
		blocks(p, dst.rows, add_block, &e);
	}
}
