// SPDX-License-Identifier: MIT
/*
 * engine_decode.c - what may stand in an instruction: fields by opcode, patches, access patterns.
 *
 * After these checks an engine may follow an operand's pointer and steps without looking.
 */
#include "core.h"

#define ENG(e)		(1u << AXON_ENGINE_##e)
#define ENG_ALL		(ENG(TENSOR) | ENG(VECTOR) | ENG(SCALAR) | ENG(GPSIMD) | ENG(SYNC) | \
			 ENG(CC))
#define ENG_VSG		(ENG(VECTOR) | ENG(SCALAR) | ENG(GPSIMD))
#define ENG_VG		(ENG(VECTOR) | ENG(GPSIMD))

enum body { BODY_NONE, BODY_AP, BODY_CTL, BODY_DMA };

/**
 * struct opcode_spec - which fields an opcode uses
 * @engines: engines that take it, one bit each
 * @body: what the last 96 bytes hold
 * @flags: flags it knows
 * @aps: access patterns it always uses, one bit each
 * @imms: immediates it always uses
 * @ops: bit 0: op0, bit 1: op1
 */
struct opcode_spec {
	uint8_t engines;
	uint8_t body;
	uint8_t flags;
	uint8_t aps;
	uint8_t imms;
	uint8_t ops;
};

static const struct opcode_spec specs[AXON_OP_PARTITION_BROADCAST + 1] = {
	[AXON_OP_NOP] = { ENG_ALL, BODY_NONE, 0, 0, 0, 0 },
	[AXON_OP_HALT] = { ENG_ALL, BODY_NONE, 0, 0, 0, 0 },
	[AXON_OP_REG_ALU] = { ENG_ALL, BODY_CTL, 0, 0, 0, 1 },
	[AXON_OP_REG_LOAD] = { ENG_ALL, BODY_CTL, 0, 0, 0, 0 },
	[AXON_OP_REG_STORE] = { ENG_ALL, BODY_CTL, 0, 0, 0, 0 },
	[AXON_OP_BRANCH] = { ENG_ALL, BODY_CTL, 0, 0, 0, 1 },
	[AXON_OP_DMA] = { ENG_ALL, BODY_DMA, 0, 0, 0, 1 },
	[AXON_OP_DMA_RING] = { ENG_ALL, BODY_CTL, 0, 0, 0, 1 },
	[AXON_OP_POST] = { ENG_ALL, BODY_CTL, 0, 0, 0, 0 },
	[AXON_OP_MATMUL] = { ENG(TENSOR), BODY_AP, AXON_F_ACCUMULATE, 7, 0, 0 },
	[AXON_OP_TRANSPOSE] = { ENG(TENSOR), BODY_AP, 0, 3, 0, 0 },
	[AXON_OP_COPY] = { ENG_VSG, BODY_AP, 0, 3, 0, 0 },
	[AXON_OP_MEMSET] = { ENG_VSG, BODY_AP, 0, 1, 1, 0 },
	[AXON_OP_TENSOR_TENSOR] = { ENG_VG, BODY_AP, 0, 7, 0, 1 },
	[AXON_OP_TENSOR_SCALAR] = { ENG_VSG, BODY_AP, AXON_F_S0_TENSOR | AXON_F_S1_TENSOR |
				    AXON_F_REVERSE0 | AXON_F_REVERSE1, 3, 0, 3 },
	[AXON_OP_TENSOR_REDUCE] = { ENG_VG, BODY_AP, 0, 3, 0, 3 },
	[AXON_OP_ACTIVATION] = { ENG(SCALAR), BODY_AP, AXON_F_BIAS_TENSOR | AXON_F_SCALE_TENSOR |
				 AXON_F_SUM, 3, 0, 1 },
	[AXON_OP_SELECT] = { ENG_VG, BODY_AP, 0, 7, 0, 0 },
	[AXON_OP_MAX8] = { ENG(VECTOR), BODY_AP, 0, 3, 0, 0 },
	[AXON_OP_FIND_INDEX8] = { ENG(VECTOR), BODY_AP, 0, 7, 0, 0 },
	[AXON_OP_AFFINE_SELECT] = { ENG(GPSIMD), BODY_AP, 0, 7, 3, 1 },
	[AXON_OP_IOTA] = { ENG(GPSIMD), BODY_AP, 0, 3, 1, 0 },
	[AXON_OP_PARTITION_REDUCE] = { ENG(GPSIMD), BODY_AP, 0, 3, 0, 1 },
	[AXON_OP_PARTITION_BROADCAST] = { ENG(GPSIMD), BODY_AP, 0, 3, 0, 0 },
};

/* Element sizes of the types engines take; 0 for the others. */
const uint8_t axon_engine_esz[16] = {
	[AXON_DTYPE_INT8] = 1, [AXON_DTYPE_UINT8] = 1,
	[AXON_DTYPE_INT16] = 2, [AXON_DTYPE_UINT16] = 2,
	[AXON_DTYPE_BFLOAT16] = 2, [AXON_DTYPE_FLOAT16] = 2,
	[AXON_DTYPE_INT32] = 4, [AXON_DTYPE_UINT32] = 4,
	[AXON_DTYPE_FLOAT32] = 4, [AXON_DTYPE_FP32R] = 4,
};

bool axon_opcode_known(unsigned int engine, unsigned int opcode)
{
	return opcode < sizeof(specs) / sizeof(specs[0]) && specs[opcode].engines >> engine & 1;
}

static bool body_zero(const struct axon_inst *inst, unsigned int ap)
{
	uint64_t w[3];

	memcpy(w, &inst->ap[ap], sizeof(w));
	return !(w[0] | w[1] | w[2]);
}

/* What the flags add: S0 in ap[2] in place of imm[0] and the like. */
static bool flag_operands(const struct axon_inst *inst, unsigned int *aps, unsigned int *imms)
{
	switch (inst->opcode) {
	case AXON_OP_TENSOR_SCALAR:
		if (inst->flags & AXON_F_S0_TENSOR)
			*aps |= 4;
		else
			*imms |= 1;
		if (!inst->op1)
			return !(inst->flags & (AXON_F_S1_TENSOR | AXON_F_REVERSE1));
		if (inst->flags & AXON_F_S1_TENSOR)
			*aps |= 8;
		else
			*imms |= 2;
		return true;
	case AXON_OP_ACTIVATION:
		if (inst->flags & AXON_F_BIAS_TENSOR)
			*aps |= 4;
		else
			*imms |= 2;
		if (inst->flags & AXON_F_SCALE_TENSOR)
			*aps |= 8;
		else
			*imms |= 1;
		if (inst->flags & AXON_F_SUM)
			*aps |= 8;
		return (inst->flags & (AXON_F_SUM | AXON_F_SCALE_TENSOR)) !=
			(AXON_F_SUM | AXON_F_SCALE_TENSOR);
	default:
		return true;
	}
}

static bool patch_ap(struct axon_inst *inst, unsigned int field, uint64_t val, unsigned int aps,
		     unsigned int imms)
{
	if (field == AXON_PATCH_IMM0 || field == AXON_PATCH_IMM1) {
		if (!(imms >> (field - AXON_PATCH_IMM0) & 1))
			return false;
		inst->imm[field - AXON_PATCH_IMM0] += (uint32_t)val;
		return true;
	}
	if (field >> 4 > 3 || !(aps >> (field >> 4) & 1))
		return false;
	struct axon_ap *ap = &inst->ap[field >> 4];

	switch (field & 15) {
	case AXON_PATCH_OFFSET:
		ap->offset += (uint32_t)val;
		return true;
	case AXON_PATCH_COUNT0:
	case AXON_PATCH_COUNT1:
	case AXON_PATCH_COUNT2:
	case AXON_PATCH_COUNT3:
		ap->count[(field & 15) - AXON_PATCH_COUNT0] += (uint16_t)val;
		return true;
	case AXON_PATCH_PART:
		ap->part += (uint8_t)val;
		return true;
	default:
		return false;
	}
}

static bool patch_dma(struct axon_inst *inst, unsigned int field, uint64_t val)
{
	switch (field) {
	case AXON_PATCH_DMA_SRC:
		inst->dma.src += val;
		return true;
	case AXON_PATCH_DMA_DST:
		inst->dma.dst += val;
		return true;
	case AXON_PATCH_DMA_COUNT0:
	case AXON_PATCH_DMA_COUNT1:
	case AXON_PATCH_DMA_COUNT2:
	case AXON_PATCH_DMA_COUNT3:
		inst->dma.count[field - AXON_PATCH_DMA_COUNT0] += (uint32_t)val;
		return true;
	case AXON_PATCH_DMA_INDEX:
		inst->dma.index_addr += val;
		return true;
	default:
		return false;
	}
}

static bool apply_patches(const struct axon_seq *s, struct axon_inst *inst, unsigned int body,
			  unsigned int aps, unsigned int imms)
{
	for (unsigned int i = 0; i < AXON_NUM_PATCHES; i++) {
		struct axon_patch p = inst->patch[i];
		bool ok;

		if (p.reg == AXON_SREG_NONE && !p.field)
			continue;
		if (p.reg >= AXON_NUM_REGS)
			return false;
		ok = body == BODY_AP ? patch_ap(inst, p.field, s->reg[p.reg], aps, imms) :
			body == BODY_DMA && patch_dma(inst, p.field, s->reg[p.reg]);
		if (!ok)
			return false;
	}
	return true;
}

bool axon_inst_prepare(const struct axon_seq *s, struct axon_inst *inst)
{
	const struct opcode_spec *spec = &specs[inst->opcode];
	unsigned int aps = spec->aps, imms = spec->imms;
	uint64_t patches;

	if (inst->flags & ~spec->flags || (inst->op0 && !(spec->ops & 1)) ||
	    (inst->op1 && !(spec->ops & 2)) || !flag_operands(inst, &aps, &imms))
		return false;
	if ((inst->imm[0] && !(imms & 1)) || (inst->imm[1] && !(imms & 2)))
		return false;
	if (spec->body == BODY_NONE || spec->body == BODY_AP)
		for (unsigned int i = 0; i < 4; i++)
			if (!(aps >> i & 1) && !body_zero(inst, i))
				return false;
	memcpy(&patches, inst->patch, sizeof(patches));
	/* Four slots with reg = AXON_SREG_NONE and field 0: nothing to do. */
	return patches == 0x00ff00ff00ff00ffull || apply_patches(s, inst, spec->body, aps, imms);
}

static bool parts_ok(unsigned int part, unsigned int nparts)
{
	if (nparts - 1u >= AXON_PARTITIONS)
		return false;
	if (nparts > 64)
		return part == 0;
	if (nparts > 32)
		return !(part & ~64u);
	return !(part & ~96u);
}

/* @lo, @hi: lowest and one past the highest byte in a partition. */
static inline bool operand(struct axon_core *c, const struct axon_ap *ap, struct axon_operand *o,
			   uint32_t *lo, uint32_t *hi)
{
	int64_t low = ap->offset, high = ap->offset;
	uint64_t elems = 1;
	uint32_t esz, size;

	if (ap->dtype >= AXON_NUM_DTYPES || ap->space > AXON_SPACE_PSUM ||
	    !parts_ok(ap->part, ap->nparts))
		return false;
	esz = axon_engine_esz[ap->dtype];
	if (!esz || ap->offset & (esz - 1))
		return false;
	size = ap->space == AXON_SPACE_SBUF ? AXON_SBUF_PART_BYTES : AXON_PSUM_PART_BYTES;
	for (unsigned int a = 0; a < 4; a++) {
		int32_t step = ap->step[a] * (int32_t)esz;
		uint32_t count = ap->count[a];
		int64_t span = (int64_t)step * ((int64_t)count - 1);

		if (!count)
			return false;
		elems *= count;		/* below 2^64: four 16-bit factors */
		low += span < 0 ? span : 0;
		high += span > 0 ? span : 0;
		o->step[a] = step;
		o->count[a] = count;
	}
	if (elems > AXON_MAX_FREE_ELEMS || low < 0 || high + esz > size)
		return false;
	o->dtype = ap->dtype == AXON_DTYPE_FP32R ? AXON_DTYPE_FLOAT32 : ap->dtype;
	o->esz = (uint8_t)esz;
	o->space = ap->space;
	o->nparts = ap->nparts;
	o->elems = (uint32_t)elems;
	o->pitch = ap->space == AXON_SPACE_SBUF ? AXON_SBUF_PITCH : AXON_PSUM_PITCH;
	o->ptr = c->space[ap->space] + ap->part * o->pitch + ap->offset;
	*lo = (uint32_t)low;
	*hi = (uint32_t)high + esz;
	return true;
}

bool axon_operand_read(struct axon_core *c, const struct axon_ap *ap, struct axon_operand *o)
{
	uint32_t lo, hi;

	return operand(c, ap, o, &lo, &hi);
}

bool axon_operand_write(struct axon_core *c, const struct axon_ap *ap, struct axon_operand *o)
{
	uint32_t lo, hi;

	if (!operand(c, ap, o, &lo, &hi))
		return false;
	for (unsigned int a = 0; a < 4; a++)
		if (!o->step[a] && o->count[a] > 1)
			return false;
	axon_core_dirty(c, ap->space, ap->part + ap->nparts, lo, hi);
	return true;
}

void axon_core_dirty(struct axon_core *c, unsigned int space, uint32_t parts, uint32_t lo,
		     uint32_t hi)
{
	struct axon_dirty *d = &c->dirty[space];

	if (parts > d->parts)
		d->parts = parts;
	if (lo < d->lo)
		d->lo = lo;
	if (hi > d->hi)
		d->hi = hi;
}
