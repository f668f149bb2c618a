/* SPDX-License-Identifier: MIT */
/*
 * dma.c - transfers between tiles and tensors: checks, encoding, recording.
 */
#include <stddef.h>

#include "internal.h"

#define DMA_OFFSET(field) \
	((uint16_t)(offsetof(struct axon_inst, dma) + offsetof(struct axon_dma_desc, field)))

static void dma_patch(struct axc_program *p, struct op *op, struct axc_reg *reg, uint8_t field)
{
	if (!reg || !axc_reg_usable(p, reg, "dma"))
		return;
	if (op->npatch == AXON_NUM_PATCHES) {
		axc_fail(p, -ENOSPC, "dma: more than %u registers (each tensor argument takes one)",
			 AXON_NUM_PATCHES);
		return;
	}
	op->patch[op->npatch] = reg;
	op->inst.patch[op->npatch++].field = field;
}

/* The address of a tensor: arguments come in a register, the program's own by relocation. */
static void dma_address(struct axc_program *p, struct op *op, struct axc_tensor *t, uint8_t patch,
			uint16_t field)
{
	if (t->kind == TENSOR_ARG) {
		dma_patch(p, op, t->addr, patch);
		return;
	}
	op->reloc[op->nrelocs] = field;
	op->reloc_tensor[op->nrelocs++] = t;
}

/* Bytes an end spans before and after its first element. */
static void span(const struct axc_mem *m, const uint32_t *count, unsigned int first, int64_t *lo,
		 int64_t *hi)
{
	unsigned int i;

	*lo = 0;
	*hi = 0;
	for (i = first; i < 4; i++) {
		int64_t d = (int64_t)m->step[i] * (count[i] - 1);

		*(d < 0 ? lo : hi) += d;
	}
}

static bool memory_ok(struct axc_program *p, const char *end, const struct axc_mem *m,
		      const uint32_t *count, uint32_t index_bound, bool write)
{
	struct axc_tensor *t = m->tensor;
	uint32_t size = axon_dtype_size(m->dtype);
	int64_t lo, hi;

	span(m, count, index_bound != 0, &lo, &hi);
	if (index_bound)
		*(m->step[0] < 0 ? &lo : &hi) += (int64_t)m->step[0] * (index_bound - 1);
	if (t->p != p || m->offset > t->size || (int64_t)m->offset + lo < 0 ||
	    hi + size > (int64_t)(t->size - m->offset)) {
		axc_fail(p, -EINVAL, "dma: %s leaves tensor %s", end, t->name);
		return false;
	}
	if (m->region != AXC_REGION_ALL && m->region >= t->nregions) {
		axc_fail(p, -EINVAL, "dma: %s: tensor %s has no region %u", end, t->name,
			 m->region);
		return false;
	}
	if (write && (t->kind == TENSOR_CONST ||
		      (t->kind == TENSOR_ARG && t->usage == AXC_INPUT))) {
		axc_fail(p, -EINVAL, "dma: tensor %s must not be written", t->name);
		return false;
	}
	return true;
}

/* On chip a step walks partitions (multiples of the stride) or inside one (less than it). */
static bool chip_ok(struct axc_program *p, const char *end, const struct axc_mem *m,
		    const uint32_t *count, bool indexed)
{
	struct axc_tile *t = m->tile;
	int64_t part_lo = m->part, part_hi = m->part, lo = m->offset, hi = lo, d;
	bool ok = t->p == p && !t->freed && !indexed;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		int64_t s = m->step[i], n = count[i] - 1;
		bool parts = s >= (int64_t)AXON_PART_STRIDE || s <= -(int64_t)AXON_PART_STRIDE;

		ok = ok && (!parts || s % (int64_t)AXON_PART_STRIDE == 0);
		d = parts ? s / (int64_t)AXON_PART_STRIDE * n : s * n;
		if (parts)
			*(d < 0 ? &part_lo : &part_hi) += d;
		else
			*(d < 0 ? &lo : &hi) += d;
	}
	ok = ok && part_lo >= 0 && part_hi < t->parts && lo >= 0 &&
	     hi + axon_dtype_size(m->dtype) <= (int64_t)t->elems * axon_dtype_size(t->dtype);
	if (!ok)
		axc_fail(p, -EINVAL, "dma: %s leaves its tile ([%u] x %u elements), or bad steps",
			 end, t->parts, t->elems);
	return ok;
}

static bool end_ok(struct axc_program *p, const char *end, struct axc_mem *m, const uint32_t *count,
		   uint32_t index_bound, bool write)
{
	if (!m->tile == !m->tensor) {
		axc_fail(p, -EINVAL, "dma: %s must be a tile or a tensor", end);
		return false;
	}
	if (!m->dtype)
		m->dtype = m->tile ? m->tile->dtype : m->tensor->dtype;
	if (!axon_dtype_size(m->dtype) || m->offset >> 62) {
		axc_fail(p, -EINVAL, "dma: %s: bad type or offset", end);
		return false;
	}
	return m->tile ? chip_ok(p, end, m, count, index_bound != 0)
		       : memory_ok(p, end, m, count, index_bound, write);
}

static void dma_end(struct axc_program *p, struct op *op, const struct axc_mem *m, bool is_dst)
{
	uint8_t patch = is_dst ? AXON_PATCH_DMA_DST : AXON_PATCH_DMA_SRC;
	struct axon_dma_desc *d = &op->inst.dma;
	struct access *a = &op->access[op->naccess++];
	unsigned int i;
	uint64_t addr = m->offset;
	uint8_t space = AXON_SPACE_MEM;

	if (m->tile) {
		addr = AXON_CHIP_ADDR(m->part, m->tile->offset + m->offset);
		space = m->tile->space;
	} else {
		dma_address(p, op, m->tensor, patch, is_dst ? DMA_OFFSET(dst) : DMA_OFFSET(src));
	}
	for (i = 0; i < 2; i++)
		dma_patch(p, op, m->reg[i], patch);
	*(is_dst ? &d->dst : &d->src) = addr;
	*(is_dst ? &d->dst_space : &d->src_space) = space;
	*(is_dst ? &d->dst_dtype : &d->src_dtype) = m->dtype;
	memcpy(is_dst ? d->dst_step : d->src_step, m->step, sizeof(m->step));
	a->tile = m->tile;
	a->tensor = m->tensor;
	a->region = m->region;
	a->write = is_dst;
}

static bool dma_issue_ok(struct axc_program *p, const struct axc_dma *dma)
{
	const unsigned int both = AXON_DMA_F_GATHER | AXON_DMA_F_SCATTER;
	unsigned int indexed = dma->flags & both;

	if ((unsigned int)dma->engine >= AXON_NUM_ENGINES || dma->queue >= AXON_NUM_DMA_QUEUES ||
	    (unsigned int)dma->op > AXON_DMA_MIN || indexed == both ||
	    (dma->flags & ~(both | AXON_DMA_F_OOB_SKIP)) ||
	    ((dma->flags & AXON_DMA_F_OOB_SKIP) && !indexed)) {
		axc_fail(p, -EINVAL, "dma: bad engine, queue, operator or flags");
		return false;
	}
	if (!indexed != !dma->index || !dma->index != !dma->index_bound) {
		axc_fail(p, -EINVAL, "dma: gather and scatter want indices and a bound");
		return false;
	}
	/* Two engines on one queue would make its order, and so its count, unpredictable. */
	if (p->queue_owner[dma->queue] && p->queue_owner[dma->queue] != dma->engine + 1) {
		axc_fail(p, -EINVAL, "dma: queue %u belongs to engine %u", dma->queue,
			 p->queue_owner[dma->queue] - 1);
		return false;
	}
	p->queue_owner[dma->queue] = dma->engine + 1;
	return true;
}

static bool dma_keep_ok(struct axc_program *p, const struct axc_dma *dma)
{
	const struct axc_tile *tile = dma->dst.tile;
	const struct axc_tensor *t = dma->src.tensor;
	const char *why = NULL;
	unsigned int i;

	if (!dma->keep) {
		p->queue_plain |= 1u << dma->queue;
		return true;
	}
	if (!tile || !t || t->kind != TENSOR_CONST || dma->op || dma->flags)
		why = "only a constant can be kept, and as it is";
	else if (p->loop >= 0 || tile->loop >= 0)
		why = "nothing can be kept in a loop";
	else if (p->queue_plain >> dma->queue & 1)
		why = "its queue has had transfers that are not kept";
	for (i = 0; i < 4; i++)
		if (dma->count_reg[i] || (i < 2 && (dma->src.reg[i] || dma->dst.reg[i])))
			why = "what is kept must not depend on registers";
	if (why)
		axc_fail(p, -EINVAL, "dma: %s", why);
	return !why;
}

static bool overlap(const struct axc_tile *a, const struct axc_tile *b)
{
	return a->space == b->space && a->offset < b->offset + b->bytes &&
	       b->offset < a->offset + a->bytes;
}

/* What stays on chip is nobody else's, at no time of a launch. */
int check_kept(struct axc_program *p)
{
	const struct axc_tile *t, *u;
	uint32_t i, k;

	for (t = p->tiles; t && p->keeps && !p->err; t = t->next)
		for (u = t->kept ? p->tiles : NULL; u; u = u->next)
			if (u != t && overlap(t, u))
				axc_fail(p, -EINVAL, "the place of a kept tile is another's too");
	for (i = 0; i < p->nops && p->keeps && !p->err; i++)
		for (k = 0; k < p->ops[i].naccess; k++)
			if (p->ops[i].access[k].write && p->ops[i].access[k].tile &&
			    p->ops[i].access[k].tile->kept && !p->ops[i].keep)
				axc_fail(p, -EINVAL, "a kept tile is written to");
	return p->err;
}

static void dma_index(struct axc_program *p, struct op *op, const struct axc_dma *dma)
{
	struct axc_tensor *t = dma->index;
	struct access *a;

	if (!t)
		return;
	if (t->p != p || t->dtype != AXON_DTYPE_UINT32 || dma->index_offset % 4 ||
	    dma->index_offset > t->size ||
	    (uint64_t)op->inst.dma.count[0] * 4 > t->size - dma->index_offset) {
		axc_fail(p, -EINVAL, "dma: tensor %s is too short for the indices, or not u32",
			 t->name);
		return;
	}
	op->inst.dma.index_addr = dma->index_offset;
	op->inst.dma.index_bound = dma->index_bound;
	dma_address(p, op, t, AXON_PATCH_DMA_INDEX, DMA_OFFSET(index_addr));
	a = &op->access[op->naccess++];
	a->tensor = t;
	a->region = AXC_REGION_ALL;
}

static void dma_record(struct axc_program *p, const struct axc_dma *dma, const uint32_t *count)
{
	struct op *op = axc_op_new(p, OP_DMA);
	unsigned int i;

	if (!op)
		return;
	op->engine = dma->engine;
	op->queue = dma->queue;
	op->keep = dma->keep;
	if (dma->keep)
		p->keeps = dma->dst.tile->kept = true;
	op->inst.opcode = AXON_OP_DMA;
	op->inst.op0 = dma->queue;
	op->inst.dma.op = dma->op;
	op->inst.dma.flags = dma->flags;
	memcpy(op->inst.dma.count, count, sizeof(op->inst.dma.count));
	dma_end(p, op, &dma->dst, true);
	dma_end(p, op, &dma->src, false);
	dma_index(p, op, dma);
	for (i = 0; i < 4; i++) {
		dma_patch(p, op, dma->count_reg[i], AXON_PATCH_DMA_COUNT0 + i);
		if (dma->count_reg[i])
			op->inst.dma.count[i] = 0;
	}
}

void axc_dma(struct axc_program *p, const struct axc_dma *given)
{
	struct axc_dma dma;
	uint32_t count[4];
	unsigned int i;

	if (!p || p->err || !given)
		return;
	dma = *given;
	for (i = 0; i < 4; i++) {
		count[i] = dma.count[i] ? dma.count[i] : 1;
		if (count[i] > INT32_MAX) {
			axc_fail(p, -EINVAL, "dma: count %u is too large", count[i]);
			return;
		}
	}
	if (!dma_issue_ok(p, &dma) ||
	    !end_ok(p, "destination", &dma.dst, count,
		    dma.flags & AXON_DMA_F_SCATTER ? dma.index_bound : 0, true) ||
	    !end_ok(p, "source", &dma.src, count,
		    dma.flags & AXON_DMA_F_GATHER ? dma.index_bound : 0, false) ||
	    !dma_keep_ok(p, &dma))
		return;
	dma_record(p, &dma, count);
}

enum rows { LOAD, LOAD_KEPT, STORE };

static void rows(struct axc_program *p, enum rows what, enum axon_engine e, unsigned int queue,
		 struct axc_tile *tile, unsigned int first, unsigned int elems,
		 struct axc_tensor *t, uint64_t offset, int32_t row_bytes)
{
	struct axc_mem chip = { .tile = tile, .region = AXC_REGION_ALL };
	struct axc_mem mem = { .tensor = t, .offset = offset, .region = AXC_REGION_ALL };
	struct axc_dma dma = { .engine = e, .queue = queue, .keep = what == LOAD_KEPT };
	int32_t size;

	if (!p || p->err || !tile || !t)
		return;
	size = axon_dtype_size(tile->dtype);
	chip.offset = (uint64_t)first * size;
	chip.step[2] = AXON_PART_STRIDE;
	chip.step[3] = size;
	mem.step[2] = row_bytes;
	mem.step[3] = axon_dtype_size(t->dtype);
	dma.count[2] = tile->parts;
	dma.count[3] = elems;
	dma.dst = what == STORE ? mem : chip;
	dma.src = what == STORE ? chip : mem;
	axc_dma(p, &dma);
}

void axc_load(struct axc_program *p, enum axon_engine e, unsigned int queue, struct axc_tile *tile,
	      unsigned int first, unsigned int elems, struct axc_tensor *t, uint64_t offset,
	      int32_t row_bytes)
{
	rows(p, LOAD, e, queue, tile, first, elems, t, offset, row_bytes);
}

void axc_load_kept(struct axc_program *p, enum axon_engine e, unsigned int queue,
		   struct axc_tile *tile, unsigned int first, unsigned int elems,
		   struct axc_tensor *t, uint64_t offset, int32_t row_bytes)
{
	rows(p, LOAD_KEPT, e, queue, tile, first, elems, t, offset, row_bytes);
}

void axc_store(struct axc_program *p, enum axon_engine e, unsigned int queue, struct axc_tensor *t,
	       uint64_t offset, int32_t row_bytes, struct axc_tile *tile, unsigned int first,
	       unsigned int elems)
{
	rows(p, STORE, e, queue, tile, first, elems, t, offset, row_bytes);
}
