/* SPDX-License-Identifier: MIT */
/*
 * batch.h - what the operators on batches of tokens share: checks of matrices, blocks of rows.
 *
 * An operator takes its rows in blocks of 128, one a partition. Full blocks are a loop, so that a
 * program's size does not follow the batch; what remains is a block of its own.
 */
#ifndef AXC_BATCH_H
#define AXC_BATCH_H

#include "ops.h"

#define BANK_FLOATS	(AXON_PSUM_BANK_BYTES / 4)

/**
 * struct block - rows that are worked on together
 * @first: first row, in the first iteration
 * @n: rows, at most 128
 * @iter: iteration of the loop around, or NULL
 * @step: rows by which an iteration moves on
 */
struct block {
	uint32_t first;
	uint32_t n;
	struct axc_reg *iter;
	uint32_t step;
};

typedef void (*block_fn)(struct axc_program *p, void *ctx, const struct block *b);

static inline uint32_t div_up(uint32_t a, uint32_t b)
{
	return (a + b - 1) / b;
}

static inline uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/** blocks() - @fn for every block of @rows rows */
void blocks(struct axc_program *p, uint32_t rows, block_fn fn, void *ctx);

/** matrix_ok() - @m lies in its tensor and has this shape; else the program has failed */
bool matrix_ok(struct axc_program *p, const char *op, const char *name, const struct axc_matrix *m,
	       uint32_t rows, uint32_t cols);
/** vector_ok() - a tensor of exactly @n elements of @dtype */
bool vector_ok(struct axc_program *p, const char *op, const char *name, const struct axc_tensor *t,
	       enum axon_dtype dtype, uint64_t n);

struct axc_tile *sbuf(struct axc_program *p, uint32_t parts, uint32_t elems);
struct axc_tile *psum(struct axc_program *p, uint32_t parts, uint32_t elems);

/** block_mem() - a block's rows of a matrix, from column @col on, as an end of a transfer */
struct axc_mem block_mem(struct axc_program *p, const struct axc_matrix *m, const struct block *b,
			 uint32_t col);
/**
 * block_load() - columns @col .. @col + @n - 1 of a block's rows, into elements @first ... of
 * partitions 0 ...
 */
void block_load(struct axc_program *p, struct axc_tile *tile, uint32_t first,
		const struct axc_matrix *m, const struct block *b, uint32_t col, uint32_t n);
void block_store(struct axc_program *p, const struct axc_matrix *m, const struct block *b,
		 uint32_t col, struct axc_tile *tile, uint32_t first, uint32_t n);
/** row_spread() - @n elements of a tensor, from byte @offset on, into every partition of @tile */
void row_spread(struct axc_program *p, struct axc_tile *tile, struct axc_tensor *t, uint64_t offset,
		uint32_t n);
/** part_view() - partitions 0 .. @rows - 1 of a tile, elements @first .. @first + @n - 1 */
struct axc_view part_view(struct axc_tile *tile, uint32_t rows, uint32_t first, uint32_t n);
/**
 * transpose_run() - dst[j][dst_first + i * dst_step + r] = src[r][src_first + i * m + j]
 * @rows: of the source: r < @rows <= 128
 * @m: columns of a piece, at most 128: j < @m
 * @g: pieces, at most 4: i < @g
 *
 * Goes through a bank of PSUM, with one copy for all pieces.
 */
void transpose_run(struct axc_program *p, struct axc_tile *dst, uint32_t dst_first,
		   uint32_t dst_step, struct axc_tile *src, uint32_t src_first, uint32_t rows,
		   uint32_t m, uint32_t g);
/** from_psum() - copy a result of the tensor engine; vector and scalar take turns */
void from_psum(struct axc_program *p, struct axc_view dst, struct axc_view src);

#endif /* AXC_BATCH_H */
