/* SPDX-License-Identifier: MIT */
/*
 * ops_attention.c - grouped-query attention of one token with its cache in memory.
 *
 * Key/value heads are taken in tiles of up to 128 partitions, partition = element of a head of the
 * tile. Queries are projected so that the query heads of one key/value head lie in the same
 * partitions, one column each (j); so rotation, scores and the sum over values need no
 * movement between partitions but the two that matrix products do anyway. For a tile:
 *
 *	q[parts][mult], k[parts]	projected, rotated: x * cos + R (x * sin)
 *	w[parts][heads]			q spread over heads, other groups' elements zero, times
 *					-1/sqrt(head_size)
 *	-scores[heads][slots]		w' [k | K cache]: slot 0 is this token, 1 + t position t
 *	probs[heads][slots]		exp(min - (-scores)), and their sum
 *	pt[128][chunk][heads]		probs' diag(1/sum), 128 slots a chunk
 *	out[parts][heads]		sum over chunks of V' pt, V by slots too; then masked and
 *					summed over groups: a column for each j, as Wo takes it
 *
 * So the token's own key and value never go through memory first, and all work follows the
 * position.
 */
#include <math.h>

#include "ops.h"

#define CHUNK		128u
#define PT_BANKS	2u	/* of PSUM for pt; a cache that needs more is done chunk by chunk */
#define SCORE_BANKS	4u	/* of PSUM for scores; longer ones go to SBUF */

static struct axc_tile *sbuf(struct axc_program *p, uint32_t parts, uint32_t elems)
{
	return axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, parts, elems);
}

static struct axc_tile *psum(struct axc_program *p, uint32_t parts, uint32_t elems)
{
	return axc_tile_new(p, AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, parts, elems);
}

static uint32_t div_up(uint32_t a, uint32_t b)
{
	return (a + b - 1) / b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Key/value heads, partitions and query heads of tile @t. */
static uint32_t tile_group(const struct attn *at, uint32_t t)
{
	return smaller(at->group, at->a.n_kv_heads - t * at->group);
}

static uint32_t tile_parts(const struct attn *at, uint32_t t)
{
	return tile_group(at, t) * at->a.head_size;
}

static uint32_t k_stride(const struct attn *at)
{
	return at->mult + 1 + at->a.seq_len;
}

/* Columns of a chunk of V: the layers side by side, so that a chunk is one piece. */
static uint32_t chunk_cols(const struct attn *at)
{
	return at->layers_at_once * at->parts;
}

/* Columns of all of V for one tile of heads. */
static uint32_t v_cols(const struct attn *at)
{
	return (at->chunks + 1) * chunk_cols(at);
}

/* ---- constants ---- */

#define COL_ROT(at)	0u
#define COL_SMASK(at)	((at)->parts)
#define COL_GMASK(at)	((at)->parts + (at)->group)
#define COL_EYE(at)	((at)->parts + 2 * (at)->group)
#define NUM_COLS(at)	(COL_EYE(at) + (at)->heads)

static void load_consts(struct axc_program *p, struct attn *at, bool keep)
{
	uint32_t rows = at->parts > at->heads ? at->parts : at->heads, cols = NUM_COLS(at), i, g;
	struct axc_tensor *t = axc_const_new(p, AXON_DTYPE_FLOAT32, NULL, 4ull * rows * cols);
	float *c = axc_const_data(t);

	if (!c)
		return;
	for (i = 0; i < at->parts; i++) {
		/* rotated[2n] = -x[2n + 1], rotated[2n + 1] = x[2n]; stationary is [from][to] */
		c[i * cols + (i ^ 1)] = i & 1 ? -1.0f : 1.0f;
		g = i / at->a.head_size;
		c[i * cols + COL_SMASK(at) + g] = -1.0f / sqrtf((float)at->a.head_size);
		c[i * cols + COL_GMASK(at) + g] = 1.0f;
	}
	for (i = 0; i < at->heads; i++)
		c[i * cols + COL_EYE(at) + i] = 1.0f;
	at->consts = sbuf(p, rows, cols);
	op_load(p, keep, at->consts, cols, t);
}

static struct axc_view const_view(const struct attn *at, uint32_t parts, uint32_t col, uint32_t n)
{
	return axc_cols(axc_rows(axc_view(at->consts), 0, parts), col, n);
}

/*
 * cos and sin of every position, each twice because neighbours share an angle, calculated in fp32
 * as llama2.c does: a different rounding of the angle would show in the tokens.
 */
static void load_angles(struct axc_program *p, struct attn *at)
{
	uint32_t hs = at->a.head_size, pos, i;
	struct axc_tensor *t = axc_const_new(p, AXON_DTYPE_FLOAT32, NULL,
					     8ull * hs * at->a.seq_len);
	float *c = axc_const_data(t), freq, val;

	if (!c)
		return;
	for (i = 0; i < hs; i++) {
		freq = 1.0f / powf(at->a.theta, (float)(i & ~1u) / (float)hs);
		for (pos = 0; pos < at->a.seq_len; pos++) {
			val = (float)pos * freq;
			c[((size_t)pos * hs + i) * 2] = cosf(val);
			c[((size_t)pos * hs + i) * 2 + 1] = sinf(val);
		}
	}
	at->angles = sbuf(p, at->parts, 2);
	axc_dma(p, &(struct axc_dma){
		.engine = SYNC,
		.queue = INPUT_QUEUE,
		.flags = AXON_DMA_F_GATHER,
		.dst = { .tile = at->angles,
			 .step = { 0, (int32_t)(hs * AXON_PART_STRIDE), AXON_PART_STRIDE, 4 } },
		.src = { .tensor = t, .region = AXC_REGION_ALL,
			 .step = { (int32_t)(hs * 8), 0, 8, 4 } },
		.count = { 1, at->group, hs, 2 },
		.index = at->a.pos,
		.index_bound = at->a.seq_len,
	});
}

/* ---- set-up ---- */

static bool attn_ok(struct axc_program *p, const struct axc_attention *a, uint32_t layers)
{
	uint64_t cache = 4ull * layers * a->n_kv_heads * a->head_size * a->seq_len;

	if (!a->n_heads || !a->n_kv_heads || a->n_heads % a->n_kv_heads || !a->head_size ||
	    a->head_size % 2 || a->head_size > 128 || a->n_heads / a->n_kv_heads > 128 ||
	    !a->seq_len || a->seq_len > 16384 ||
	    4ull * a->n_kv_heads * a->head_size * a->seq_len > INT32_MAX || a->n_heads > 65536 ||
	    !layers || layers > 65536) {
		axc_fail(p, -EINVAL, "attention: %u heads, %u key/value heads of %u, %u positions",
			 a->n_heads, a->n_kv_heads, a->head_size, a->seq_len);
		return false;
	}
	if (!a->pos || a->pos->dtype != AXON_DTYPE_UINT32 || !a->k_cache || !a->v_cache ||
	    a->k_cache->dtype != AXON_DTYPE_FLOAT32 || a->v_cache->dtype != AXON_DTYPE_FLOAT32 ||
	    a->k_cache->size != cache || a->v_cache->size != cache) {
		axc_fail(p, -EINVAL, "attention: caches must be fp32 of %llu bytes, pos u32",
			 (unsigned long long)cache);
		return false;
	}
	return true;
}

static void attn_shape(struct attn *at)
{
	uint32_t hs = at->a.head_size, fit = smaller(CHUNK / hs, at->a.n_kv_heads);

	at->mult = at->a.n_heads / at->a.n_kv_heads;
	at->kv_dim = at->a.n_kv_heads * hs;
	fit = smaller(fit, CHUNK / at->mult);
	at->ntiles = div_up(at->a.n_kv_heads, fit);
	at->group = div_up(at->a.n_kv_heads, at->ntiles);
	at->ntiles = div_up(at->a.n_kv_heads, at->group);
	at->parts = at->group * hs;
	at->heads = at->group * at->mult;
	for (at->hpad = 1; at->hpad < at->heads; at->hpad *= 2)
		;
	at->chunks = div_up(at->a.seq_len, CHUNK);
}

/*
 * V comes with three transfers: the rest of chunk 0 (slot 0 is the token's own), whole chunks
 * after it, and the slots of a last one. A transfer must move something: one that has nothing to
 * do moves a row to a spare chunk that nobody reads.
 */
static void v_registers(struct axc_program *p, struct attn *at)
{
	uint64_t chunk = 4ull * chunk_cols(at), spare = chunk * at->chunks, row = 4ull * at->kv_dim;
	struct axc_reg *full = axc_reg_opi(p, AXON_RALU_SHR, at->slots, 7), *some, *r;

	at->last_chunk = axc_reg_opi(p, AXON_RALU_MUL, at->more_chunks, chunk);
	/* chunk 0 */
	at->v_first.rows = axc_reg_opi(p, AXON_RALU_MIN, at->pos_or_1, CHUNK - 1);
	some = axc_reg_opi(p, AXON_RALU_MIN, at->pos, 1);
	some = axc_reg_opi(p, AXON_RALU_XOR, some, 1);
	at->v_first.dst = axc_reg_opi(p, AXON_RALU_MUL, some, spare);
	/* chunks 1 .. full - 1 */
	some = axc_reg_opi(p, AXON_RALU_SHR, full, 1);
	some = axc_reg_opi(p, AXON_RALU_MIN, some, 1);
	r = axc_reg_opi(p, AXON_RALU_MUL, some, CHUNK - 1);
	at->v_full.rows = axc_reg_opi(p, AXON_RALU_ADD, r, 1);
	r = axc_reg_opi(p, AXON_RALU_MAX, full, 2);
	at->v_full.chunks = axc_reg_opi(p, AXON_RALU_SUB, r, 1);
	some = axc_reg_opi(p, AXON_RALU_XOR, some, 1);
	at->v_full.dst = axc_reg_opi(p, AXON_RALU_MUL, some, spare - chunk);
	/* the last one, if it is neither full nor the first */
	r = axc_reg_opi(p, AXON_RALU_AND, at->slots, CHUNK - 1);
	some = axc_reg_op(p, AXON_RALU_MUL, axc_reg_opi(p, AXON_RALU_MIN, full, 1),
			  axc_reg_opi(p, AXON_RALU_MIN, r, 1));
	r = axc_reg_op(p, AXON_RALU_MUL, r, some);
	at->v_last.rows = axc_reg_opi(p, AXON_RALU_MAX, r, 1);
	r = axc_reg_opi(p, AXON_RALU_SHL, full, 7);
	r = axc_reg_opi(p, AXON_RALU_SUB, r, 1);
	r = axc_reg_op(p, AXON_RALU_MUL, r, some);
	at->v_last.src = axc_reg_opi(p, AXON_RALU_MUL, r, row);
	r = axc_reg_opi(p, AXON_RALU_MUL, full, chunk);
	r = axc_reg_opi(p, AXON_RALU_SUB, r, spare);
	at->v_last.dst = axc_reg_op(p, AXON_RALU_MUL, r, some);
}

/* Everything that follows from the position, for whichever engine asks. */
static void attn_registers(struct axc_program *p, struct attn *at)
{
	struct axc_reg *pos = axc_reg_load(p, at->a.pos, 0, AXON_DTYPE_UINT32);

	at->pos = pos;
	at->slots = axc_reg_opi(p, AXON_RALU_ADD, pos, 1);
	at->pos_or_1 = axc_reg_opi(p, AXON_RALU_MAX, pos, 1);
	at->pos_bytes = axc_reg_opi(p, AXON_RALU_SHL, pos, 2);
	at->row_bytes = axc_reg_opi(p, AXON_RALU_MUL, pos, 4ull * at->kv_dim);
	at->nchunks = axc_reg_opi(p, AXON_RALU_ADD, pos, CHUNK);
	at->nchunks = axc_reg_opi(p, AXON_RALU_SHR, at->nchunks, 7);
	at->more_chunks = axc_reg_opi(p, AXON_RALU_SUB, at->nchunks, 1);
	at->score_trips = axc_reg_opi(p, AXON_RALU_ADD, pos, AXON_MM_MAX_N);
	at->score_trips = axc_reg_opi(p, AXON_RALU_SHR, at->score_trips, 9);
	v_registers(p, at);
}

/* Bytes of a partition that the caches of @layers layers take on chip. */
uint32_t attn_cache_bytes(const struct attn *at, uint32_t layers)
{
	uint64_t n = (k_stride(at) + (uint64_t)(at->chunks + 1) * at->parts) * at->ntiles;

	n *= 4ull * layers;
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

bool attn_plan(struct axc_program *p, struct attn *at, const struct axc_attention *a,
	       uint32_t layers)
{
	memset(at, 0, sizeof(*at));
	at->a = *a;
	if (a->theta == 0)
		at->a.theta = 10000.0f;
	if (!attn_ok(p, a, layers))
		return false;
	at->layers = layers;
	attn_shape(at);
	return true;
}

void attn_begin(struct axc_program *p, struct attn *at, bool all, bool keep)
{
	struct axc_view last;

	at->all = all;
	at->layers_at_once = all ? at->layers : 1;
	load_angles(p, at);
	load_consts(p, at, keep);
	attn_registers(p, at);
	/* What follows the last slot in its chunk must be zero; it stays so for all layers. */
	at->probs = sbuf(p, at->heads, at->chunks * CHUNK);
	last = axc_cols(axc_view(at->probs), 0, CHUNK);
	axc_memset(p, G, axc_offset_reg(last, axc_reg_opi(p, AXON_RALU_MUL, at->more_chunks,
							  4 * CHUNK)), 0);
}

static void free_tile(struct axc_program *p, struct axc_tile **tile)
{
	if (*tile)
		axc_tile_free(p, *tile);
	*tile = NULL;
}

void attn_end(struct axc_program *p, struct attn *at)
{
	unsigned int i;

	free_tile(p, &at->consts);
	free_tile(p, &at->angles);
	free_tile(p, &at->probs);
	for (i = 0; i < 2; i++) {
		free_tile(p, &at->kbuf[i]);
		free_tile(p, &at->vbuf[i]);
	}
}

/* ---- weights ---- */

/* Tile t: outputs of query column 0 .. mult - 1, then the key. */
struct mat *attn_mat_qk(struct axc_program *p, struct pack *pack, const struct attn *at,
			const float *wq, const float *wk, uint32_t k)
{
	struct mat *m = mat_new(p, pack, at->parts, at->ntiles * (at->mult + 1),
				axc_column_cols(k), k);
	uint32_t t, j, i, hs = at->a.head_size;

	for (t = 0; m && t < at->ntiles; t++) {
		for (j = 0; j <= at->mult; j++) {
			const float **row = m->row + (t * (at->mult + 1) + j) * at->parts;

			for (i = 0; i < tile_parts(at, t); i++) {
				uint32_t kv = t * at->group + i / hs, e = i % hs;
				size_t q = ((size_t)kv * at->mult + j) * hs + e;

				row[i] = j < at->mult ? wq + q * k : wk + ((size_t)kv * hs + e) * k;
			}
		}
	}
	return m;
}

/* Values as a row, in pieces of whole tiles. */
struct mat *attn_mat_v(struct axc_program *p, struct pack *pack, const struct attn *at,
		       const float *wv, uint32_t k)
{
	uint32_t n = smaller(at->kv_dim, AXON_MM_MAX_N / at->parts * at->parts);
	struct mat *m = mat_new(p, pack, n, div_up(at->kv_dim, n), axc_column_cols(k), k);

	mat_rows(m, wv, at->kv_dim);
	return m;
}

/* The input of Wo is tile by tile, query column by query column. */
struct mat *attn_mat_o(struct axc_program *p, struct pack *pack, const struct attn *at,
		       const float *wo, uint32_t rows)
{
	uint32_t kt = at->ntiles * at->mult, hs = at->a.head_size, s, i;
	struct mat *m = mat_new(p, pack, axc_column_parts(rows), axc_column_cols(rows), kt,
				at->a.n_heads * hs);

	if (!m)
		return NULL;
	mat_rows(m, wo, rows);
	m->col = axc_zalloc(p, (size_t)kt * at->parts * sizeof(*m->col));
	for (s = 0; m->col && s < kt; s++) {
		uint32_t t = s / at->mult, j = s % at->mult;

		for (i = 0; i < at->parts; i++) {
			uint32_t kv = t * at->group + i / hs;

			m->col[s * at->parts + i] = i >= tile_parts(at, t) ? -1 :
				(int32_t)((kv * at->mult + j) * hs + i % hs);
		}
	}
	return m;
}

/* ---- caches ---- */

/* A caller's caches may not have been split by layers. */
static uint32_t region(const struct attn *at, uint32_t first, uint32_t n)
{
	return n == 1 && at->a.k_cache->nregions == at->layers &&
	       at->a.v_cache->nregions == at->layers ? first : AXC_REGION_ALL;
}

/* K of tile @t, layers first .. first + n - 1: after the queries and the token's own key. */
static void load_k(struct axc_program *p, struct attn *at, uint32_t first, uint32_t n, uint32_t t,
		   uint32_t slot)
{
	uint32_t seq = at->a.seq_len, base = slot * k_stride(at) * n;

	axc_dma(p, &(struct axc_dma){
		.engine = G,
		.queue = CACHE_QUEUE,
		.dst = { .tile = at->k, .offset = 4ull * (base + at->mult + 1),
			 .step = { 0, (int32_t)(k_stride(at) * 4), AXON_PART_STRIDE, 4 } },
		.src = { .tensor = at->a.k_cache, .region = region(at, first, n),
			 .offset = 4ull * seq * ((uint64_t)first * at->kv_dim + t * at->parts),
			 .step = { 0, (int32_t)(at->kv_dim * seq * 4), (int32_t)(seq * 4), 4 } },
		.count = { 1, n, tile_parts(at, t), seq },
		.count_reg = { NULL, NULL, NULL, at->pos_or_1 },
	});
}

/**
 * struct v_dma - a transfer of V
 * @row: first row of the cache
 * @part: partition of that row
 * @chunk: chunk of that row
 * @chunks: chunks at most
 * @rows: rows of a chunk at most
 */
struct v_dma {
	uint32_t row, part, chunk, chunks, rows;
	const struct v_regs *regs;
};

static void v_dma(struct axc_program *p, struct attn *at, uint32_t first, uint32_t n, uint32_t t,
		  uint32_t slot, const struct v_dma *d)
{
	uint32_t row = at->kv_dim * 4;

	axc_dma(p, &(struct axc_dma){
		.engine = G,
		.queue = CACHE_QUEUE,
		.dst = { .tile = at->v, .part = d->part,
			 .offset = 4ull * (slot * v_cols(at) + d->chunk * chunk_cols(at)),
			 .step = { (int32_t)(at->parts * 4), (int32_t)(chunk_cols(at) * 4),
				   AXON_PART_STRIDE, 4 },
			 .reg = { d->regs->dst } },
		.src = { .tensor = at->a.v_cache, .region = region(at, first, n),
			 .offset = ((uint64_t)first * at->a.seq_len + d->row) * row +
				   4ull * t * at->parts,
			 .step = { (int32_t)(at->a.seq_len * row), (int32_t)(CHUNK * row),
				   (int32_t)row, 4 },
			 .reg = { d->regs->src } },
		.count = { n, d->chunks, d->rows, tile_parts(at, t) },
		.count_reg = { NULL, d->regs->chunks, d->regs->rows, NULL },
	});
}

static void load_v(struct axc_program *p, struct attn *at, uint32_t first, uint32_t n, uint32_t t,
		   uint32_t slot)
{
	struct axc_view last = axc_cols(axc_view(at->v), slot * v_cols(at), chunk_cols(at));
	uint32_t seq = at->a.seq_len;

	/* Slots after the last one meet probabilities of zero, but must not be NaN. */
	axc_memset(p, G, axc_offset_reg(last, at->last_chunk), 0);
	v_dma(p, at, first, n, t, slot, &(struct v_dma){
		.part = 1, .chunks = 1, .rows = smaller(CHUNK - 1, seq), .regs = &at->v_first });
	if (seq >= 2 * CHUNK)
		v_dma(p, at, first, n, t, slot, &(struct v_dma){
			.row = CHUNK - 1, .chunk = 1, .chunks = seq / CHUNK - 1, .rows = CHUNK,
			.regs = &at->v_full });
	if (seq > CHUNK)
		v_dma(p, at, first, n, t, slot, &(struct v_dma){
			.chunk = at->chunks, .chunks = 1, .rows = CHUNK - 1, .regs = &at->v_last });
}

/* The tiles for one (layer, tile), or for all at once. */
static void take_buffers(struct axc_program *p, struct attn *at, unsigned int buf)
{
	uint32_t tiles = at->all ? at->ntiles : 1;

	if (!at->kbuf[buf]) {
		at->kbuf[buf] = sbuf(p, at->parts, tiles * k_stride(at) * at->layers_at_once);
		at->vbuf[buf] = sbuf(p, CHUNK, tiles * v_cols(at));
	}
	at->k = at->kbuf[buf];
	at->v = at->vbuf[buf];
}

void attn_load_all(struct axc_program *p, struct attn *at)
{
	uint32_t t;

	take_buffers(p, at, 0);
	for (t = 0; t < at->ntiles; t++) {
		load_k(p, at, 0, at->layers, t, t);
		load_v(p, at, 0, at->layers, t, t);
	}
}

static void store_k(struct axc_program *p, struct attn *at, uint32_t first, uint32_t n, uint32_t t,
		    uint32_t slot)
{
	uint32_t seq = at->a.seq_len;

	axc_dma(p, &(struct axc_dma){
		.engine = G,
		.queue = RESULT_QUEUE,
		.dst = { .tensor = at->a.k_cache, .region = region(at, first, n),
			 .offset = 4ull * seq * ((uint64_t)first * at->kv_dim + t * at->parts),
			 .step = { 0, 0, (int32_t)(at->kv_dim * seq * 4), (int32_t)(seq * 4) },
			 .reg = { at->pos_bytes } },
		.src = { .tile = at->k, .offset = 4ull * (slot * k_stride(at) * n + at->mult),
			 .step = { 0, 0, (int32_t)(k_stride(at) * 4), AXON_PART_STRIDE } },
		.count = { 1, 1, n, tile_parts(at, t) },
	});
}

static void store_v(struct axc_program *p, struct attn *at, uint32_t first, uint32_t n, uint32_t t,
		    uint32_t slot)
{
	uint32_t row = at->kv_dim * 4;

	axc_dma(p, &(struct axc_dma){
		.engine = G,
		.queue = RESULT_QUEUE,
		.dst = { .tensor = at->a.v_cache, .region = region(at, first, n),
			 .offset = (uint64_t)first * at->a.seq_len * row + 4ull * t * at->parts,
			 .step = { 0, 0, (int32_t)(at->a.seq_len * row), 4 },
			 .reg = { at->row_bytes } },
		.src = { .tile = at->v, .offset = 4ull * slot * v_cols(at),
			 .step = { 0, 0, (int32_t)(at->parts * 4), 4 } },
		.count = { 1, 1, n, tile_parts(at, t) },
	});
}

void attn_store_all(struct axc_program *p, struct attn *at)
{
	uint32_t t;

	for (t = 0; t < at->ntiles; t++) {
		store_k(p, at, 0, at->layers, t, t);
		store_v(p, at, 0, at->layers, t, t);
	}
}

/* ---- one tile ---- */

/**
 * struct part - one tile of key/value heads of one layer
 * @parts: its partitions
 * @heads: its query heads
 * @qk: its queries, key and K cache: column of at->k
 * @v: its V by slots: element of at->v
 */
struct part {
	uint32_t parts, group, heads;
	uint32_t qk, v;
};

static struct axc_view k_view(const struct attn *at, const struct part *t, uint32_t col, uint32_t n)
{
	return axc_cols(axc_rows(axc_view(at->k), 0, t->parts), t->qk + col, n);
}

/* Queries and key: projected, turned by the position's angles, beside the K cache. */
static void project(struct axc_program *p, struct attn *at, const struct part *t, uint32_t tile,
		    struct mat *qk, const struct axc_column *src)
{
	uint32_t n = at->mult + 1, j, i;
	struct axc_tile *raw = psum(p, at->parts, n), *turned = psum(p, t->parts, n);
	struct axc_tile *parts = sbuf(p, t->parts, 2 * n);
	struct axc_view v = axc_view(parts), a, angle;

	for (j = 0; j < n; j++) {
		for (i = 0; i < qk->kt; i++) {
			uint32_t s = (tile * n + j) * qk->kt + i;

			axc_matmul(p, axc_cols(axc_rows(axc_view(raw), 0, t->parts), j, 1),
				   axc_cols(mat_factor(p, qk, s), 0, t->parts),
				   axc_cols(axc_view(src->tile), i, 1), i > 0);
		}
	}
	/* [x * cos | x * sin] at once */
	a = axc_axis(axc_axis(axc_rows(axc_view(raw), 0, t->parts), 2, 2, 0), 3, n, 1);
	angle = axc_rows(axc_view(at->angles), 0, t->parts);
	angle = axc_axis(axc_axis(angle, 2, 2, 1), 3, n, 0);
	axc_tensor_tensor(p, V, AXON_ALU_MULTIPLY, axc_axis(axc_axis(v, 2, 2, (int)n), 3, n, 1), a,
			  angle);
	axc_matmul(p, axc_view(turned), const_view(at, t->parts, COL_ROT(at), t->parts),
		   axc_cols(v, n, n), false);
	axc_tensor_tensor(p, V, AXON_ALU_ADD, k_view(at, t, 0, n), axc_cols(v, 0, n),
			  axc_view(turned));
	axc_tile_free(p, raw);
	axc_tile_free(p, turned);
	axc_tile_free(p, parts);
}

/* Each head's query where its group's keys are, zero elsewhere; scaled and negated. */
static struct axc_tile *spread(struct axc_program *p, struct attn *at, const struct part *t)
{
	struct axc_tile *w = sbuf(p, t->parts, t->heads);
	struct axc_view q = k_view(at, t, 0, at->mult);
	struct axc_view mask = const_view(at, t->parts, COL_SMASK(at), t->group);
	struct axc_view dst = axc_view(w);

	dst = axc_axis(axc_axis(dst, 2, t->group, (int)at->mult), 3, at->mult, 1);
	q = axc_axis(q, 2, t->group, 0);
	mask = axc_axis(axc_axis(mask, 2, t->group, 1), 3, at->mult, 0);
	axc_tensor_tensor(p, V, AXON_ALU_MULTIPLY, dst, q, mask);
	return w;
}

static struct axc_view counted(struct axc_view v, uint32_t max, struct axc_reg *reg)
{
	return axc_count_reg(axc_cols(v, 0, max), 3, reg);
}

/* min(512, slots - 512 * i), a product's width in iteration @i, and its offset in bytes */
static struct axc_reg *piece(struct axc_program *p, struct attn *at, struct axc_reg *i,
			     struct axc_reg **bytes)
{
	struct axc_reg *n = axc_reg_opi(p, AXON_RALU_SHL, i, 9);

	*bytes = axc_reg_opi(p, AXON_RALU_SHL, i, 11);
	n = axc_reg_op(p, AXON_RALU_SUB, at->slots, n);
	return axc_reg_opi(p, AXON_RALU_MIN, n, AXON_MM_MAX_N);
}

/* -scores of all slots, in PSUM if they fit there, else in SBUF. */
static struct axc_tile *score(struct axc_program *p, struct attn *at, const struct part *t,
			      struct axc_tile *w)
{
	uint32_t seq = at->a.seq_len, max = smaller(seq, AXON_MM_MAX_N), fit;
	struct axc_view keys = k_view(at, t, at->mult, max), dst;
	struct axc_tile *out, *bank;
	struct axc_reg *i, *n, *bytes;

	fit = SCORE_BANKS * AXON_PSUM_BANK_BYTES / 4;
	out = seq <= fit ? psum(p, t->heads, seq) : sbuf(p, t->heads, seq);
	if (seq <= AXON_MM_MAX_N) {
		axc_matmul(p, axc_count_reg(axc_view(out), 3, at->slots), axc_view(w),
			   axc_count_reg(keys, 3, at->slots), false);
		return out;
	}
	i = axc_loop_begin(p, 0, at->score_trips);
	n = piece(p, at, i, &bytes);
	keys = axc_count_reg(axc_offset_reg(keys, bytes), 3, n);
	dst = axc_offset_reg(counted(axc_view(out), max, n), bytes);
	if (seq <= fit) {
		axc_matmul(p, dst, axc_view(w), keys, false);
	} else {
		bank = psum(p, t->heads, max);
		axc_matmul(p, counted(axc_view(bank), max, n), axc_view(w), keys, false);
		axc_copy(p, S, dst, counted(axc_view(bank), max, n));
		axc_tile_free(p, bank);
	}
	axc_loop_end(p);
	return out;
}

/* probs = exp(min(s) - s); returns diag(1 / sum), which normalizes and transposes in one product */
static struct axc_tile *softmax(struct axc_program *p, struct attn *at, const struct part *t,
				struct axc_tile *scores)
{
	uint32_t seq = at->a.seq_len;
	struct axc_tile *scalars = sbuf(p, t->heads, 2), *diag = sbuf(p, t->heads, t->heads);
	struct axc_view low = axc_cols(axc_view(scalars), 0, 1);
	struct axc_view sum = axc_cols(axc_view(scalars), 1, 1);
	struct axc_view s = counted(axc_view(scores), seq, at->slots);
	struct axc_view pr = counted(axc_rows(axc_view(at->probs), 0, t->heads), seq, at->slots);

	axc_reduce(p, V, AXON_ALU_MIN, 1, low, s);
	axc_activation(p, AXON_ACT_EXP, pr, s, axc_s(-1.0f), axc_sv(low), sum);
	axc_tensor_scalar(p, V, axc_view(diag), const_view(at, t->heads, COL_EYE(at), t->heads),
			  AXON_ALU_DIVIDE, axc_sv(sum), AXON_ALU_NONE, axc_s(0));
	axc_tile_free(p, scalars);
	return diag;
}

/* A loop does all chunks but the first: its iteration's offset in bytes, @stride a chunk. */
static struct axc_reg *chunk_offset(struct axc_program *p, struct axc_reg *i, uint64_t stride)
{
	return i ? axc_reg_opi(p, AXON_RALU_MUL, i, stride) : NULL;
}

/* pt[128][heads] = a chunk of probabilities, transposed and normalized; @i NULL: the first */
static void turn_chunk(struct axc_program *p, struct attn *at, const struct part *t,
		       struct axc_view pt, struct axc_tile *diag, struct axc_reg *i)
{
	struct axc_view pr = axc_rows(axc_view(at->probs), 0, t->heads);

	pr = axc_cols(pr, i ? CHUNK : 0, CHUNK);
	pr = axc_offset_reg(pr, chunk_offset(p, i, 4 * CHUNK));
	axc_matmul(p, pt, pr, axc_view(diag), false);
}

/* out (+)= V' pt of a chunk */
static void add_chunk(struct axc_program *p, struct attn *at, const struct part *t,
		      struct axc_tile *out, struct axc_view pt, struct axc_reg *i)
{
	uint32_t chunk = chunk_cols(at);
	struct axc_view v = axc_cols(axc_view(at->v), t->v + (i ? chunk : 0), t->parts);

	v = axc_offset_reg(v, chunk_offset(p, i, 4ull * chunk));
	axc_matmul(p, axc_view(out), v, pt, i != NULL);
}

static struct axc_view chunk_of(struct axc_program *p, const struct attn *at, const struct part *t,
				struct axc_tile *tile, struct axc_reg *i)
{
	struct axc_view v = axc_cols(axc_view(tile), i ? at->hpad : 0, t->heads);

	return axc_offset_reg(v, chunk_offset(p, i, 4ull * at->hpad));
}

static struct axc_view all_chunks(const struct attn *at, const struct part *t,
				  struct axc_tile *tile)
{
	struct axc_view v = axc_cols(axc_view(tile), 0, t->heads);

	return axc_count_reg(axc_axis(v, 2, at->chunks, (int)at->hpad), 2, at->nchunks);
}

/* All chunks side by side: two loops that concern the tensor engine alone. */
static void values_at_once(struct axc_program *p, struct attn *at, const struct part *t,
			   struct axc_tile *out, struct axc_tile *diag)
{
	uint32_t n = at->chunks * at->hpad;
	struct axc_tile *raw = psum(p, CHUNK, n), *pt = sbuf(p, CHUNK, n);
	struct axc_reg *i;

	if (at->chunks > 1) {
		i = axc_loop_begin(p, 0, at->more_chunks);
		turn_chunk(p, at, t, chunk_of(p, at, t, raw, i), diag, i);
		axc_loop_end(p);
	}
	turn_chunk(p, at, t, chunk_of(p, at, t, raw, NULL), diag, NULL);
	axc_copy(p, V, all_chunks(at, t, pt), all_chunks(at, t, raw));
	add_chunk(p, at, t, out, chunk_of(p, at, t, pt, NULL), NULL);
	if (at->chunks > 1) {
		i = axc_loop_begin(p, 0, at->more_chunks);
		add_chunk(p, at, t, out, chunk_of(p, at, t, pt, i), i);
		axc_loop_end(p);
	}
	axc_tile_free(p, raw);
	axc_tile_free(p, pt);
}

static void one_chunk(struct axc_program *p, struct attn *at, const struct part *t,
		      struct axc_tile *out, struct axc_tile *diag, struct axc_reg *i)
{
	struct axc_tile *raw = psum(p, CHUNK, t->heads), *pt = sbuf(p, CHUNK, t->heads);

	turn_chunk(p, at, t, axc_view(raw), diag, i);
	axc_copy(p, V, axc_view(pt), axc_view(raw));
	add_chunk(p, at, t, out, axc_view(pt), i);
	axc_tile_free(p, raw);
	axc_tile_free(p, pt);
}

static void values(struct axc_program *p, struct attn *at, const struct part *t,
		   struct axc_tile *out, struct axc_tile *diag)
{
	if (at->chunks * at->hpad * 4 <= PT_BANKS * AXON_PSUM_BANK_BYTES) {
		values_at_once(p, at, t, out, diag);
		return;
	}
	one_chunk(p, at, t, out, diag, NULL);
	one_chunk(p, at, t, out, diag, axc_loop_begin(p, 0, at->more_chunks));
	axc_loop_end(p);
}

/* Of each head keep the elements of its own group: a column for every j. */
static void gather_heads(struct axc_program *p, struct attn *at, const struct part *t,
			 struct axc_view dst, struct axc_tile *out)
{
	struct axc_view mask = const_view(at, t->parts, COL_GMASK(at), t->group);
	struct axc_tile *own;
	struct axc_view v;

	if (t->group == 1) {
		axc_copy(p, V, dst, axc_view(out));
		return;
	}
	own = sbuf(p, t->parts, t->heads);
	v = axc_axis(axc_axis(axc_view(own), 2, t->group, (int)at->mult), 3, at->mult, 1);
	mask = axc_axis(axc_axis(mask, 2, t->group, 1), 3, at->mult, 0);
	axc_tensor_tensor(p, V, AXON_ALU_MULTIPLY, v,
			  axc_axis(axc_axis(axc_view(out), 2, t->group, (int)at->mult), 3,
				   at->mult, 1), mask);
	v = axc_axis(axc_axis(axc_view(own), 2, at->mult, 1), 3, t->group, (int)at->mult);
	axc_reduce(p, V, AXON_ALU_ADD, 1, axc_axis(axc_axis(dst, 2, at->mult, 1), 3, 1, 1), v);
	axc_tile_free(p, own);
}

static void attend(struct axc_program *p, struct attn *at, const struct part *t,
		   struct axc_view dst)
{
	struct axc_tile *w = spread(p, at, t), *scores, *diag, *out;

	scores = score(p, at, t, w);
	diag = softmax(p, at, t, scores);
	axc_tile_free(p, scores);
	axc_tile_free(p, w);
	out = psum(p, t->parts, t->heads);
	values(p, at, t, out, diag);
	gather_heads(p, at, t, dst, out);
	axc_tile_free(p, out);
	axc_tile_free(p, diag);
}

/* ---- a layer ---- */

/**
 * struct value - the token's value, made as a row in pieces that hold whole tiles of heads
 * @row: current piece, in PSUM, or NULL
 * @piece: its number
 */
struct value {
	struct axc_tile *row;
	uint32_t piece;
};

/* The token's value goes to slot 0 of V, which is in partition 0. */
static void place_value(struct axc_program *p, struct attn *at, const struct part *t, uint32_t tile,
			struct value *val, struct mat *v, const struct axc_column *src)
{
	uint32_t first = tile * at->parts, piece = first / v->mp, n, j;

	if (!val->row || val->piece != piece) {
		if (val->row)
			axc_tile_free(p, val->row);
		n = smaller(v->mp, at->kv_dim - piece * v->mp);
		val->row = psum(p, 1, n);
		val->piece = piece;
		for (j = 0; j < v->kt; j++)
			axc_matmul(p, axc_view(val->row), axc_cols(axc_view(src->tile), j, 1),
				   axc_cols(mat_factor(p, v, piece * v->kt + j), 0, n), j > 0);
	}
	axc_copy(p, S, axc_cols(axc_rows(axc_view(at->v), 0, 1), t->v, t->parts),
		 axc_cols(axc_view(val->row), first - piece * v->mp, t->parts));
}

static void output(struct axc_program *p, struct attn *at, struct axc_column *dst, bool add,
		   struct mat *o, struct axc_tile *heads)
{
	struct axc_tile *out = psum(p, dst->parts, dst->cols);
	uint32_t i, s, n;

	for (i = 0; i < o->mt; i++) {
		for (s = 0; s < o->kt; s++) {
			n = tile_parts(at, s / at->mult);
			axc_matmul(p, axc_cols(axc_view(out), i, 1),
				   axc_rows(mat_factor(p, o, i * o->kt + s), 0, n),
				   axc_cols(axc_rows(axc_view(heads), 0, n), s, 1), s > 0);
		}
	}
	if (add)
		axc_tensor_tensor(p, V, AXON_ALU_ADD, axc_view(dst->tile), axc_view(dst->tile),
				  axc_view(out));
	else
		axc_copy(p, V, axc_view(dst->tile), axc_view(out));
	axc_tile_free(p, out);
}

void attn_layer(struct axc_program *p, struct attn *at, uint32_t layer, struct axc_column *dst,
		bool add, struct mat *qk, struct mat *v, struct mat *o,
		const struct axc_column *src)
{
	struct value val = { 0 };
	struct axc_tile *heads;
	struct part t;
	uint32_t i;

	if (!p || p->err || !qk || !v || !o)
		return;
	heads = sbuf(p, at->parts, at->ntiles * at->mult);
	for (i = 0; i < at->ntiles && !p->err; i++) {
		t = (struct part){ .parts = tile_parts(at, i), .group = tile_group(at, i) };
		t.heads = t.group * at->mult;
		if (at->all) {
			t.qk = (i * at->layers + layer) * k_stride(at);
			t.v = i * v_cols(at) + layer * at->parts;
		} else {
			take_buffers(p, at, (layer * at->ntiles + i) & 1);
			load_k(p, at, layer, 1, i, 0);
			load_v(p, at, layer, 1, i, 0);
		}
		place_value(p, at, &t, i, &val, v, src);
		project(p, at, &t, i, qk, src);
		attend(p, at, &t, axc_cols(axc_rows(axc_view(heads), 0, t.parts), i * at->mult,
					   at->mult));
		if (!at->all) {
			store_k(p, at, layer, 1, i, 0);
			store_v(p, at, layer, 1, i, 0);
		}
	}
	if (val.row)
		axc_tile_free(p, val.row);
	output(p, at, dst, add, o, heads);
	axc_tile_free(p, heads);
}

void axc_op_attention(struct axc_program *p, struct axc_column *dst, const struct axc_attention *a,
		      uint32_t layer, const float *wq, const float *wk, const float *wv,
		      const float *wo, const struct axc_column *src)
{
	struct mat *qk, *v, *o;
	struct pack in, out;
	struct attn at;
	uint64_t per_layer;

	if (!op_ready(p, "attention"))
		return;
	if (!dst || !dst->tile || !src || !src->tile || !a || !a->k_cache) {
		axc_fail(p, -EINVAL, "attention: something is missing");
		return;
	}
	per_layer = 4ull * a->n_kv_heads * a->head_size * a->seq_len;
	if (!per_layer || layer >= a->k_cache->size / per_layer) {
		axc_fail(p, -EINVAL, "attention: the caches have no layer %u", layer);
		return;
	}
	if (!attn_plan(p, &at, a, (uint32_t)(a->k_cache->size / per_layer)))
		return;
	attn_begin(p, &at, false, false);
	pack_init(&in, src->parts);
	pack_init(&out, at.parts);
	qk = attn_mat_qk(p, &in, &at, wq, wk, src->len);
	v = attn_mat_v(p, &in, &at, wv, src->len);
	o = attn_mat_o(p, &out, &at, wo, dst->len);
	pack_ready(p, &in, 32 * 1024);
	pack_ready(p, &out, 32 * 1024);
	attn_layer(p, &at, layer, dst, false, qk, v, o, src);
	pack_done(p, &in);
	pack_done(p, &out);
	attn_end(p, &at);
}
