/* SPDX-License-Identifier: MIT */
/*
 * tile.c - where tiles lie in SBUF and PSUM, and views of them.
 *
 * Addresses are given out in program order: a freed tile's place may be used by the next one. That
 * this is safe on engines running at once is sched.c's business, which looks at places, not tiles.
 */
#include "internal.h"

#define TILE_ALIGN	64u
/*
 * Tiles of up to SMALL bytes take turns in the first SMALL_TURN bytes of PSUM: enough that a
 * product need not wait for the reader of the last one, and few enough to stay in the caches of a
 * host that emulates the card.
 */
#define SMALL		(AXON_PSUM_BANK_BYTES / 4)
#define SMALL_TURN	(2 * AXON_PSUM_BANK_BYTES)

static uint32_t space_bytes(unsigned int space)
{
	return space == AXON_SPACE_PSUM ? AXON_PSUM_PART_BYTES : AXON_SBUF_PART_BYTES;
}

/* A live tile that overlaps [offset, offset + bytes), or NULL. */
static struct axc_tile *tile_at(const struct axc_program *p, unsigned int space, uint32_t offset,
				uint32_t bytes)
{
	struct axc_tile *t;

	for (t = p->tiles; t; t = t->next)
		if (!t->freed && t->space == space && t->offset < offset + bytes &&
		    offset < t->offset + t->bytes)
			return t;
	return NULL;
}

/* Next place at or after @offset where a tile may begin. */
static uint32_t place_ok(unsigned int space, uint32_t offset, uint32_t bytes)
{
	uint32_t bank = AXON_PSUM_BANK_BYTES;

	if (space != AXON_SPACE_PSUM)
		return offset;
	if (bytes > bank)
		return (offset + bank - 1) / bank * bank;
	return offset / bank == (offset + bytes - 1) / bank ? offset : (offset / bank + 1) * bank;
}

static bool find_place(const struct axc_program *p, unsigned int space, uint32_t bytes,
		       uint32_t from, uint32_t *place)
{
	uint32_t end = space_bytes(space), offset = place_ok(space, from, bytes);
	struct axc_tile *t;

	while (bytes <= end && offset <= end - bytes) {
		t = tile_at(p, space, offset, bytes);
		if (!t) {
			*place = offset;
			return true;
		}
		offset = place_ok(space, t->offset + t->bytes, bytes);
	}
	return false;
}

uint32_t axc_space_left(const struct axc_program *p, enum axon_space space)
{
	uint32_t best = 0, offset = 0, end, limit;
	struct axc_tile *t;

	if (!p || space > AXON_SPACE_PSUM)
		return 0;
	limit = space_bytes(space);
	while (offset < limit) {
		end = limit;
		for (t = p->tiles; t; t = t->next)
			if (!t->freed && t->space == space && t->offset + t->bytes > offset &&
			    t->offset < end)
				end = t->offset;
		if (end > offset && end - offset > best)
			best = end - offset;
		t = tile_at(p, space, end, 1);
		offset = t ? t->offset + t->bytes : limit;
	}
	return best;
}

static bool tile_place(struct axc_program *p, struct axc_tile *t)
{
	uint32_t from = t->space == AXON_SPACE_PSUM ? p->psum_next : 0;

	if (!find_place(p, t->space, t->bytes, from, &t->offset) &&
	    !find_place(p, t->space, t->bytes, 0, &t->offset)) {
		axc_fail(p, -ENOSPC, "no room for a tile of %u bytes a partition in %s (%u left)",
			 t->bytes, t->space == AXON_SPACE_PSUM ? "PSUM" : "SBUF",
			 axc_space_left(p, t->space));
		return false;
	}
	if (t->space == AXON_SPACE_PSUM)
		p->psum_next = (t->offset + t->bytes) %
			       (t->bytes <= SMALL ? SMALL_TURN : AXON_PSUM_PART_BYTES);
	return true;
}

struct axc_tile *axc_tile_new(struct axc_program *p, enum axon_space space, enum axon_dtype dtype,
			      unsigned int parts, unsigned int elems)
{
	uint32_t size = axon_dtype_size(dtype);
	struct axc_tile *t;

	if (!p || p->err)
		return NULL;
	if (space > AXON_SPACE_PSUM || !size || !parts || parts > AXON_PARTITIONS || !elems ||
	    elems > space_bytes(space) / size) {
		axc_fail(p, -EINVAL, "tile [%u][%u] of type %d: no such tile", parts, elems, dtype);
		return NULL;
	}
	t = axc_zalloc(p, sizeof(*t));
	if (!t)
		return NULL;
	t->p = p;
	t->space = space;
	t->dtype = dtype;
	t->parts = parts;
	t->elems = elems;
	t->bytes = (elems * size + TILE_ALIGN - 1) / TILE_ALIGN * TILE_ALIGN;
	t->loop = p->loop;
	t->freed = true;
	t->next = p->tiles;
	p->tiles = t;
	if (!tile_place(p, t))
		return NULL;
	t->freed = false;
	return t;
}

void axc_tile_free(struct axc_program *p, struct axc_tile *tile)
{
	if (!p || p->err || !tile)
		return;
	if (tile->p != p || tile->freed)
		axc_fail(p, -EINVAL, "a tile is freed twice");
	else if (tile->loop != p->loop)
		axc_fail(p, -EINVAL, "a tile is freed in another loop than it was made in");
	else if (tile->kept)
		axc_fail(p, -EINVAL, "a kept tile is freed");
	else
		tile->freed = true;
}

struct axc_view axc_view(struct axc_tile *tile)
{
	struct axc_view v = { .tile = tile, .count = { 1, 1, 1, 1 }, .step = { 0, 0, 0, 1 } };

	if (!tile)
		return v;
	v.dtype = tile->dtype;
	v.nparts = tile->parts;
	/* Counts end at 65535; more elements than that are reached through more axes. */
	v.count[3] = tile->elems > UINT16_MAX ? UINT16_MAX : tile->elems;
	return v;
}

/* A view that cannot be right becomes one without partitions, which every instruction refuses. */
static struct axc_view bad_view(struct axc_view v)
{
	v.nparts = 0;
	return v;
}

struct axc_view axc_cols(struct axc_view v, unsigned int first, unsigned int n)
{
	uint32_t size = axon_dtype_size(v.dtype);

	if (!n || n > UINT16_MAX || v.step[3] < 0 || first > AXON_SBUF_PART_BYTES)
		return bad_view(v);
	v.offset += first * size * (v.step[3] ? v.step[3] : 0);
	v.count[3] = n;
	return v;
}

struct axc_view axc_rows(struct axc_view v, unsigned int first, unsigned int n)
{
	if (first >= v.nparts || n > v.nparts - first)
		return bad_view(v);
	v.part += first;
	v.nparts = n;
	return v;
}

struct axc_view axc_axis(struct axc_view v, unsigned int axis, unsigned int count, int step)
{
	if (axis > 3 || !count || count > UINT16_MAX || step < INT16_MIN || step > INT16_MAX)
		return bad_view(v);
	v.count[axis] = count;
	v.step[axis] = step;
	return v;
}

struct axc_view axc_as(struct axc_view v, enum axon_dtype dtype)
{
	v.dtype = dtype;
	return v;
}

struct axc_view axc_offset_reg(struct axc_view v, struct axc_reg *reg)
{
	v.offset_reg = reg;
	return v;
}

struct axc_view axc_count_reg(struct axc_view v, unsigned int axis, struct axc_reg *reg)
{
	if (axis > 3)
		return bad_view(v);
	v.count_reg[axis] = reg;
	return v;
}

struct axc_scalar axc_s(float value)
{
	return (struct axc_scalar){ .value = value };
}

struct axc_scalar axc_sv(struct axc_view v)
{
	return (struct axc_scalar){ .view = v };
}
