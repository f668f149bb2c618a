/* SPDX-License-Identifier: MIT */
/*
 * ops.h - what the operators share: weights on their way to SBUF, columns, constants.
 *
 * Engines by habit: sync brings weights (queues 0..3) and inputs (4); gpsimd moves caches and
 * results (5, 6), so that a result that is not ready never holds up the next weights.
 */
#ifndef AXC_OPS_H
#define AXC_OPS_H

#include "internal.h"

#define V	AXON_ENGINE_VECTOR
#define S	AXON_ENGINE_SCALAR
#define G	AXON_ENGINE_GPSIMD
#define SYNC	AXON_ENGINE_SYNC

#define WEIGHT_QUEUES	4u
#define INPUT_QUEUE	4u
#define CACHE_QUEUE	5u
#define RESULT_QUEUE	6u
#define STORE_QUEUES	2u	/* from CACHE_QUEUE on */

struct pack;

/**
 * struct mat - weights as the tensor engine wants them: @mt x @kt factors of [@parts][@mp]
 * @pack: where they lie
 * @parts: partitions (the k axis of one factor)
 * @kt: factors along k
 * @mp: columns (the m axis of one factor)
 * @mt: factors along m
 * @row: source of each of the mt * mp output elements, NULL for zeros; owned
 * @col: which source column each of the kt * parts input elements is, or -1; NULL: in order; owned
 * @k: source columns
 * @first: column of the pack at which it starts
 *
 * Factor s = mti * kt + kti is columns first + s * mp ... of the pack.
 */
struct mat {
	struct pack *pack;
	uint32_t parts, kt, mp, mt;
	const float **row;
	int32_t *col;
	uint32_t k;
	uint32_t first;
};

#define PACK_MATS	8u

/**
 * struct pack - weights that share partitions and so can come with one transfer
 * @image: constant [@parts][@cols] fp32
 * @tile: its place on chip, if all of it is there at once; else it is streamed in pieces
 */
struct pack {
	uint32_t parts, cols;
	struct mat mat[PACK_MATS];
	unsigned int nmats;
	struct axc_tensor *image;
	struct axc_tile *tile;
};

/** axc_column_parts() - partitions of a column of @len elements */
uint32_t axc_column_parts(uint32_t len);
uint32_t axc_column_cols(uint32_t len);

/** mat_new() - @mt * @mp outputs of @k inputs each; NULL on error. Fill row[] (and col[]) next. */
struct mat *mat_new(struct axc_program *p, struct pack *pack, uint32_t mp, uint32_t mt, uint32_t kt,
		    uint32_t k);
/** mat_rows() - row[] in order: @rows rows of @w, then zeros */
void mat_rows(struct mat *m, const float *w, uint32_t rows);
/** mat_column() - the matrix that turns a column of @k elements into one of @rows */
struct mat *mat_column(struct axc_program *p, struct pack *pack, const float *w, uint32_t rows,
		       uint32_t k);
/** mat_moving() - for row results: factors of up to 512 outputs, which the engine moves */
struct mat *mat_moving(struct axc_program *p, struct pack *pack, const float *w, uint32_t rows,
		       uint32_t k);

void pack_init(struct pack *pack, uint32_t parts);
/** pack_image() - all matrices are described: make the constant */
void pack_image(struct axc_program *p, struct pack *pack);
/** pack_load() - bring all of it on chip, for good if @keep; without it the pack is streamed */
void pack_load(struct axc_program *p, struct pack *pack, bool keep);
/** pack_ready() - pack_image(), and pack_load() if that takes at most @limit bytes a partition */
void pack_ready(struct axc_program *p, struct pack *pack, uint32_t limit);
/** pack_done() - its tile is free, its description gone */
void pack_done(struct axc_program *p, struct pack *pack);
/** mat_factor() - factor @s in SBUF, brought there if need be */
struct axc_view mat_factor(struct axc_program *p, struct mat *m, uint32_t s);

/** op_load() - a constant [tile's partitions][@cols] fp32 into a tile, for good if @keep */
void op_load(struct axc_program *p, bool keep, struct axc_tile *tile, uint32_t cols,
	     struct axc_tensor *t);
/** op_load_queue() - transfers to the chip take turns on the queues of sync */
unsigned int op_load_queue(struct axc_program *p);
/** op_store_queue() - transfers to memory take turns on the queues of gpsimd */
unsigned int op_store_queue(struct axc_program *p);
/** op_copy_engine() - vector and scalar engine take turns with copies */
enum axon_engine op_copy_engine(struct axc_program *p);
typedef struct axc_tensor *(*rope_table_fn)(struct axc_program *p, uint32_t seq,
					    uint32_t head_size, float theta);
/** op_rope_table() - the table that @make makes, once for operators in a row that want the same */
struct axc_tensor *op_rope_table(struct axc_program *p, uint32_t seq, uint32_t head_size,
				 float theta, rope_table_fn make);

/** op_ready() - checks common to all operators; false: do nothing */
bool op_ready(struct axc_program *p, const char *op);
/* dst in PSUM [m->mp][m->mt] = m times src */
void mat_apply(struct axc_program *p, struct mat *m, struct axc_tile *dst,
	       const struct axc_column *src);
/* dst = w * src / rms(src); @w: [parts][cols], @ones: [parts][parts] of 1.0, in SBUF */
void op_norm(struct axc_program *p, struct axc_column *dst, const struct axc_column *src,
	     struct axc_view w, struct axc_view ones, float eps);
/* src[] += w2 (silu(w1 norm) * (w3 norm)), or = */
void op_ffn(struct axc_program *p, struct axc_column *dst, bool add, struct mat *w1, struct mat *w3,
	    struct mat *w2, uint32_t hidden, const struct axc_column *src);
/* a norm's weights as [parts][cols] into @out, stride @stride */
void op_fill_column(float *out, uint32_t stride, const float *w, uint32_t len);
void op_logits(struct axc_program *p, struct axc_tensor *logits, struct axc_tensor *best,
	       struct mat *m, uint32_t rows, const struct axc_column *src);

/* What a transfer of V takes from registers; NULL: nothing. */
struct v_regs {
	struct axc_reg *rows, *chunks, *src, *dst;
};

/**
 * struct attn - attention of one model: what its layers share
 * @group: key/value heads of a tile; the last tile may have fewer
 * @ntiles: tiles of key/value heads
 * @parts: partitions of a full tile: group * head_size
 * @mult: query heads of one key/value head
 * @heads: query heads of a tile: group * mult
 * @hpad: @heads up to a power of two, so that no block of them crosses a PSUM bank
 * @chunks: chunks of 128 slots: slot 0 is the token itself, 1 + t position t of the cache
 * @k: by (tile, layer): mult queries, the token's key, the K cache; partition = element
 * @v: by tile: @chunks + 1 times a chunk, that is @layers_at_once times @parts columns;
 *	partition = slot % 128
 * @layers_at_once: layers whose caches are on chip together: all or one
 */
struct attn {
	struct axc_attention a;
	uint32_t layers;
	uint32_t group, ntiles, parts, mult, heads, hpad, chunks, kv_dim;
	struct axc_tile *consts;	/* rotation, score mask, group mask, identity */
	struct axc_tile *angles;	/* [parts][cos, sin] of the position */
	struct axc_tile *probs;		/* [heads][chunks * 128] */
	struct axc_reg *pos, *slots, *pos_or_1, *pos_bytes, *row_bytes, *score_trips;
	struct axc_reg *nchunks, *more_chunks, *last_chunk;
	struct v_regs v_first, v_full, v_last;
	struct axc_tile *k, *v;		/* in use: one of the buffers */
	struct axc_tile *kbuf[2], *vbuf[2];
	uint32_t layers_at_once;
	bool all;			/* in buffer 0 from the start */
};

/** attn_plan() - check and choose the shape; emits nothing */
bool attn_plan(struct axc_program *p, struct attn *at, const struct axc_attention *a,
	       uint32_t layers);
/**
 * attn_begin() - constants and registers
 * @all: the caches of all layers come at once
 * @keep: constants stay on chip
 */
void attn_begin(struct axc_program *p, struct attn *at, bool all, bool keep);
void attn_end(struct axc_program *p, struct attn *at);
struct mat *attn_mat_qk(struct axc_program *p, struct pack *pack, const struct attn *at,
			const float *wq, const float *wk, uint32_t k);
struct mat *attn_mat_v(struct axc_program *p, struct pack *pack, const struct attn *at,
		       const float *wv, uint32_t k);
struct mat *attn_mat_o(struct axc_program *p, struct pack *pack, const struct attn *at,
		       const float *wo, uint32_t rows);
uint32_t attn_cache_bytes(const struct attn *at, uint32_t layers);
/** attn_load_all() - with attn_begin(all): bring the caches; attn_store_all() at the end */
void attn_load_all(struct axc_program *p, struct attn *at);
void attn_store_all(struct axc_program *p, struct attn *at);
/* dst (+)= Wo attention(...) */
void attn_layer(struct axc_program *p, struct attn *at, uint32_t layer, struct axc_column *dst,
		bool add, struct mat *qk, struct mat *v, struct mat *o,
		const struct axc_column *src);

#endif /* AXC_OPS_H */
