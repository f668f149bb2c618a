/* SPDX-License-Identifier: MIT */
/*
 * ops_weights.c - weights: their order in memory and their way to SBUF.
 *
 * A matrix is cut at build time into the factors that the tensor engine takes, and these are laid
 * out so that any run of factors is one contiguous piece in each partition. A pack that fits comes
 * whole; a larger one comes piece by piece through a ring of tiles, one transfer ahead of use
 * for each tile of the ring.
 */
#include "ops.h"

#define RING_TILES	4u
#define RING_BYTES	(24u * 1024)	/* of a partition */

struct ring_tile {
	struct axc_tile *tile;
	const struct mat *mat;
	uint32_t first, count;	/* factors held */
};

struct op_cache {
	struct ring_tile ring[RING_TILES];
	unsigned int next;
	unsigned int next_queue, next_store, next_copy;
	/* The last table of rotary angles, and what it is for. */
	struct axc_tensor *angles;
	uint32_t seq, head_size;
	float theta;
};

static struct op_cache *cache(struct axc_program *p)
{
	if (!p->cache)
		p->cache = axc_zalloc(p, sizeof(*p->cache));
	return p->cache;
}

void op_cache_free(struct axc_program *p)
{
	free(p->cache);
	p->cache = NULL;
}

bool op_ready(struct axc_program *p, const char *op)
{
	if (!p || p->err || !cache(p))
		return false;
	if (p->loop < 0)
		return true;
	/* What operators keep between calls (constants, the ring) must not belong to a loop. */
	axc_fail(p, -EINVAL, "%s: operators cannot be used inside a loop", op);
	return false;
}

enum axon_engine op_copy_engine(struct axc_program *p)
{
	return p && !p->err && cache(p) && p->cache->next_copy++ % 2 ? S : V;
}

struct axc_tensor *op_rope_table(struct axc_program *p, uint32_t seq, uint32_t head_size,
				 float theta, rope_table_fn make)
{
	struct op_cache *c = p && !p->err ? cache(p) : NULL;

	if (!c)
		return NULL;
	if (!c->angles || c->seq != seq || c->head_size != head_size || c->theta != theta) {
		c->angles = make(p, seq, head_size, theta);
		c->seq = seq;
		c->head_size = head_size;
		c->theta = theta;
	}
	return c->angles;
}

/* ---- matrices ---- */

void pack_init(struct pack *pack, uint32_t parts)
{
	memset(pack, 0, sizeof(*pack));
	pack->parts = parts;
}

struct mat *mat_new(struct axc_program *p, struct pack *pack, uint32_t mp, uint32_t mt, uint32_t kt,
		    uint32_t k)
{
	struct mat *m;
	uint64_t cols = (uint64_t)mp * mt * kt;

	if (!p || p->err)
		return NULL;
	if (pack->nmats == PACK_MATS || cols > INT32_MAX / 4 - pack->cols) {
		axc_fail(p, -ENOSPC, "weights: more than a transfer can address");
		return NULL;
	}
	m = &pack->mat[pack->nmats];
	*m = (struct mat){ .pack = pack, .parts = pack->parts, .kt = kt, .mp = mp, .mt = mt,
			   .k = k, .first = pack->cols };
	m->row = axc_zalloc(p, (size_t)mp * mt * sizeof(*m->row));
	if (!m->row)
		return NULL;
	pack->nmats++;
	pack->cols += cols;
	return m;
}

void mat_rows(struct mat *m, const float *w, uint32_t rows)
{
	uint32_t i;

	for (i = 0; m && i < rows; i++)
		m->row[i] = w + (size_t)i * m->k;
}

struct mat *mat_column(struct axc_program *p, struct pack *pack, const float *w, uint32_t rows,
		       uint32_t k)
{
	struct mat *m = mat_new(p, pack, axc_column_parts(rows), axc_column_cols(rows),
				axc_column_cols(k), k);

	mat_rows(m, w, rows);
	return m;
}

struct mat *mat_moving(struct axc_program *p, struct pack *pack, const float *w, uint32_t rows,
		       uint32_t k)
{
	uint32_t n = rows < AXON_MM_MAX_N ? rows : AXON_MM_MAX_N;
	struct mat *m = mat_new(p, pack, n, (rows + n - 1) / n, axc_column_cols(k), k);

	mat_rows(m, w, rows);
	return m;
}

/* One row of a matrix: an output element; its inputs go down the partitions. */
static void fill_row(const struct mat *m, float *image, uint32_t out)
{
	const float *src = m->row[out];
	uint32_t cols = m->pack->cols, mti = out / m->mp, kti, i;
	int32_t c;

	for (kti = 0; src && kti < m->kt; kti++) {
		float *dst = image + m->first + (size_t)(mti * m->kt + kti) * m->mp + out % m->mp;

		for (i = 0; i < m->parts; i++) {
			c = (int32_t)(kti * m->parts + i);
			if (m->col)
				c = m->col[c];
			if (c >= 0 && c < (int32_t)m->k)
				dst[(size_t)i * cols] = src[c];
		}
	}
}

void pack_image(struct axc_program *p, struct pack *pack)
{
	uint32_t i, j;
	float *image;

	if (!p || p->err)
		return;
	pack->image = axc_const_new(p, AXON_DTYPE_FLOAT32, NULL,
				    (uint64_t)pack->parts * pack->cols * sizeof(float));
	image = axc_const_data(pack->image);
	for (i = 0; image && i < pack->nmats; i++)
		for (j = 0; j < pack->mat[i].mp * pack->mat[i].mt; j++)
			fill_row(&pack->mat[i], image, j);
}

static unsigned int weight_queue(struct op_cache *c)
{
	return c->next_queue++ % WEIGHT_QUEUES;
}

unsigned int op_load_queue(struct axc_program *p)
{
	return p && !p->err && cache(p) ? weight_queue(p->cache) : 0;
}

unsigned int op_store_queue(struct axc_program *p)
{
	return p && !p->err && cache(p) ? CACHE_QUEUE + p->cache->next_store++ % STORE_QUEUES :
					  CACHE_QUEUE;
}

void op_load(struct axc_program *p, bool keep, struct axc_tile *tile, uint32_t cols,
	     struct axc_tensor *t)
{
	if (!p || p->err || !cache(p))
		return;
	(keep ? axc_load_kept : axc_load)(p, SYNC, weight_queue(p->cache), tile, 0, cols, t, 0,
					  (int32_t)(cols * sizeof(float)));
}

void pack_load(struct axc_program *p, struct pack *pack, bool keep)
{
	if (!p || p->err || !cache(p))
		return;
	pack->tile = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, pack->parts, pack->cols);
	op_load(p, keep, pack->tile, pack->cols, pack->image);
}

void pack_ready(struct axc_program *p, struct pack *pack, uint32_t limit)
{
	if (!p || p->err)
		return;
	if (limit > axc_space_left(p, AXON_SPACE_SBUF) / 2)
		limit = axc_space_left(p, AXON_SPACE_SBUF) / 2;
	pack_image(p, pack);
	if (pack->cols <= limit / sizeof(float))
		pack_load(p, pack, false);
}

void pack_done(struct axc_program *p, struct pack *pack)
{
	unsigned int i, j;

	for (i = 0; i < pack->nmats; i++) {
		free(pack->mat[i].row);
		free(pack->mat[i].col);
		for (j = 0; p->cache && j < RING_TILES; j++)
			if (p->cache->ring[j].mat == &pack->mat[i])
				p->cache->ring[j].mat = NULL;
	}
	pack->nmats = 0;
	if (pack->tile && !pack->tile->kept)
		axc_tile_free(p, pack->tile);
	pack->tile = NULL;
}

/* ---- streaming ---- */

static struct ring_tile *ring_fill(struct axc_program *p, const struct mat *m, uint32_t s)
{
	struct op_cache *c = p->cache;
	struct ring_tile *r = &c->ring[c->next++ % RING_TILES];
	uint32_t room = RING_BYTES / sizeof(float) / m->mp, left = m->mt * m->kt - s;

	if (!r->tile)
		r->tile = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, AXON_PARTITIONS,
				       RING_BYTES / sizeof(float));
	r->mat = m;
	r->first = s;
	r->count = left < room ? left : room;
	axc_dma(p, &(struct axc_dma){
		.engine = SYNC,
		.queue = weight_queue(c),
		.dst = { .tile = r->tile, .step = { 0, 0, AXON_PART_STRIDE, 4 } },
		.src = { .tensor = m->pack->image, .region = AXC_REGION_ALL,
			 .offset = ((uint64_t)m->first + (uint64_t)s * m->mp) * 4,
			 .step = { 0, 0, (int32_t)(m->pack->cols * 4), 4 } },
		.count = { 1, 1, m->parts, r->count * m->mp },
	});
	return r;
}

struct axc_view mat_factor(struct axc_program *p, struct mat *m, uint32_t s)
{
	struct ring_tile *r = NULL;
	struct axc_view v;
	unsigned int i;

	if (!p || p->err || !cache(p) || !m)
		return axc_view(NULL);
	if (m->pack->tile)
		return axc_cols(axc_view(m->pack->tile), m->first + s * m->mp, m->mp);
	for (i = 0; i < RING_TILES && !r; i++)
		if (p->cache->ring[i].mat == m && s >= p->cache->ring[i].first &&
		    s - p->cache->ring[i].first < p->cache->ring[i].count)
			r = &p->cache->ring[i];
	if (!r)
		r = ring_fill(p, m, s);
	if (p->err)
		return axc_view(NULL);
	v = axc_rows(axc_view(r->tile), 0, m->parts);
	return axc_cols(v, (s - r->first) * m->mp, m->mp);
}
