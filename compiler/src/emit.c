/* SPDX-License-Identifier: MIT */
/*
 * emit.c - one function per engine instruction: checks operands, encodes, records.
 *
 * Everything the card would refuse with BAD_OPERAND and that is known at build time is refused
 * here, with a text that names instruction and operand.
 */
#include "internal.h"

struct operand {
	const char *name;
	struct axc_view v;
	bool write;
};

static bool partitions_ok(unsigned int part, unsigned int n)
{
	if (!n || n > AXON_PARTITIONS || part > AXON_PARTITIONS - n)
		return false;
	if (n > 64)
		return part == 0;
	return part % (n > 32 ? 64 : 32) == 0;
}

static uint32_t elements(const struct axc_view *v)
{
	return (uint32_t)v->count[0] * v->count[1] * v->count[2] * v->count[3];
}

/* Lowest and highest byte, relative to the tile, for the largest counts. */
static bool extent_ok(const struct axc_view *v)
{
	int64_t lo = v->offset, hi = lo, size = axon_dtype_size(v->dtype), d;
	uint64_t n = 1;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (!v->count[i])
			return false;
		n *= v->count[i];
		d = (int64_t)v->step[i] * (v->count[i] - 1) * size;
		if (d < 0)
			lo += d;
		else
			hi += d;
	}
	return n <= AXON_MAX_FREE_ELEMS && lo >= 0 &&
	       hi + size <= (int64_t)v->tile->elems * axon_dtype_size(v->tile->dtype);
}

static bool view_ok(struct axc_program *p, const char *inst, const struct operand *o)
{
	const struct axc_view *v = &o->v;
	const struct axc_tile *t = v->tile;
	uint32_t size = axon_dtype_size(v->dtype);
	const char *why = NULL;
	unsigned int i;

	if (!t) {
		axc_fail(p, -EINVAL, "%s: %s is missing", inst, o->name);
		return false;
	}
	if (t->p != p || t->freed)
		why = "a tile that was freed or is another program's";
	else if (!size || size == 8 || v->dtype >= AXON_DTYPE_FP8_E3 || v->offset % size)
		why = "a type no engine takes, or a misaligned offset";
	else if (!partitions_ok(v->part, v->nparts) || v->part + v->nparts > t->parts)
		why = "partitions that do not exist or must not start there";
	else if (!extent_ok(v))
		why = "elements outside the tile, or too many";
	for (i = 0; !why && o->write && i < 4; i++)
		if (v->count[i] > 1 && !v->step[i])
			why = "an output that repeats elements";
	if (why)
		axc_fail(p, -EINVAL, "%s: %s: %s ([%u+%u] x %ux%ux%ux%u)", inst, o->name, why,
			 v->part, v->nparts, v->count[0], v->count[1], v->count[2], v->count[3]);
	return !why;
}

static void add_patch(struct axc_program *p, struct op *op, const char *inst, struct axc_reg *reg,
		      uint8_t field)
{
	if (!reg || !axc_reg_usable(p, reg, inst))
		return;
	if (op->npatch == AXON_NUM_PATCHES) {
		axc_fail(p, -ENOSPC, "%s: more than %u registers", inst, AXON_NUM_PATCHES);
		return;
	}
	op->patch[op->npatch] = reg;
	op->inst.patch[op->npatch++].field = field;
}

static void put_operand(struct axc_program *p, struct op *op, const char *inst, unsigned int slot,
			const struct operand *o)
{
	const struct axc_view *v = &o->v;
	struct axon_ap *ap = &op->inst.ap[slot];
	unsigned int i;

	ap->offset = v->tile->offset + v->offset;
	ap->space = v->tile->space;
	ap->dtype = v->dtype;
	ap->part = v->part;
	ap->nparts = v->nparts;
	add_patch(p, op, inst, v->offset_reg, AXON_PATCH_AP(slot, AXON_PATCH_OFFSET));
	for (i = 0; i < 4; i++) {
		ap->step[i] = v->step[i];
		ap->count[i] = v->count_reg[i] ? 0 : v->count[i];
		add_patch(p, op, inst, v->count_reg[i], AXON_PATCH_AP(slot, AXON_PATCH_COUNT0 + i));
	}
	op->access[op->naccess++] = (struct access){ .tile = v->tile, .write = o->write };
}

/* Record an instruction; operands without a tile are left out. */
static struct op *emit(struct axc_program *p, enum axon_engine e, enum axon_opcode opcode,
		       const char *inst, const struct operand *o, unsigned int n)
{
	struct op *op;
	unsigned int i;

	if (!p || p->err)
		return NULL;
	if ((unsigned int)e >= AXON_NUM_ENGINES) {
		axc_fail(p, -EINVAL, "%s: no engine %d", inst, e);
		return NULL;
	}
	for (i = 0; i < n; i++)
		if (o[i].name && !view_ok(p, inst, &o[i]))
			return NULL;
	op = axc_op_new(p, OP_INST);
	if (!op)
		return NULL;
	op->engine = e;
	op->inst.opcode = opcode;
	for (i = 0; i < n; i++)
		if (o[i].name)
			put_operand(p, op, inst, i, &o[i]);
	return p->err ? NULL : op;
}

static bool engine_in(struct axc_program *p, const char *inst, enum axon_engine e,
		      unsigned int mask)
{
	if (!p || p->err)
		return false;
	if ((unsigned int)e < AXON_NUM_ENGINES && (mask >> e & 1))
		return true;
	axc_fail(p, -EINVAL, "%s: engine %d does not execute it", inst, e);
	return false;
}

#define ON_VECTOR	(1u << AXON_ENGINE_VECTOR)
#define ON_SCALAR	(1u << AXON_ENGINE_SCALAR)
#define ON_GPSIMD	(1u << AXON_ENGINE_GPSIMD)

static bool same_shape(struct axc_program *p, const char *inst, const struct axc_view *a,
		       const struct axc_view *b)
{
	unsigned int i;
	bool ok = a->nparts == b->nparts;

	for (i = 0; i < 4; i++)
		ok = ok && a->count[i] == b->count[i] && a->count_reg[i] == b->count_reg[i];
	if (!ok)
		axc_fail(p, -EINVAL, "%s: operands differ in shape ([%u] x %ux%ux%ux%u and "
			 "[%u] x %ux%ux%ux%u)", inst, a->nparts, a->count[0], a->count[1],
			 a->count[2], a->count[3], b->nparts, b->count[0], b->count[1],
			 b->count[2], b->count[3]);
	return ok;
}

static bool alu_ok(struct axc_program *p, const char *inst, unsigned int op, bool reduction)
{
	bool ok = (op >= AXON_ALU_ADD && op <= AXON_ALU_LT) ||
		  (op >= AXON_ALU_AND && op <= AXON_ALU_ISUB);

	if (reduction)
		ok = op == AXON_ALU_ADD || op == AXON_ALU_MULTIPLY || op == AXON_ALU_MAX ||
		     op == AXON_ALU_MIN;
	if (!ok)
		axc_fail(p, -EINVAL, "%s: operator %u is not allowed", inst, op);
	return ok;
}

static bool in_one_bank(const struct axc_view *v)
{
	uint32_t last = v->offset;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (v->step[i] < 0)
			return false;
		last += (uint32_t)v->step[i] * (v->count[i] - 1) * axon_dtype_size(v->dtype);
	}
	last += axon_dtype_size(v->dtype) - 1;
	return (v->tile->offset + v->offset) / AXON_PSUM_BANK_BYTES ==
	       (v->tile->offset + last) / AXON_PSUM_BANK_BYTES;
}

void axc_matmul(struct axc_program *p, struct axc_view dst, struct axc_view stat,
		struct axc_view mov, bool accumulate)
{
	const struct operand o[] = {
		{ "dst", dst, true }, { "stationary", stat, false }, { "moving", mov, false },
	};
	const char *why = NULL;
	struct op *op = emit(p, AXON_ENGINE_TENSOR, AXON_OP_MATMUL, "matmul", o, 3);

	if (!op)
		return;
	if (dst.tile->space != AXON_SPACE_PSUM || dst.dtype != AXON_DTYPE_FLOAT32 ||
	    !in_one_bank(&dst))
		why = "dst must be fp32 in one bank of PSUM";
	else if (stat.tile->space != AXON_SPACE_SBUF || mov.tile->space != AXON_SPACE_SBUF ||
		 stat.dtype != mov.dtype ||
		 (stat.dtype != AXON_DTYPE_FLOAT32 && stat.dtype != AXON_DTYPE_BFLOAT16 &&
		  stat.dtype != AXON_DTYPE_FLOAT16))
		why = "factors must be fp32, bf16 or fp16 in SBUF, both the same";
	else if (stat.nparts != mov.nparts || elements(&stat) != dst.nparts ||
		 elements(&mov) != elements(&dst) || elements(&mov) > AXON_MM_MAX_N)
		why = "shapes do not fit";
	if (why)
		axc_fail(p, -EINVAL, "matmul: %s (K %u and %u, M %u and %u, N %u and %u)", why,
			 stat.nparts, mov.nparts, elements(&stat), dst.nparts, elements(&mov),
			 elements(&dst));
	op->inst.flags = accumulate ? AXON_F_ACCUMULATE : 0;
}

void axc_transpose(struct axc_program *p, struct axc_view dst, struct axc_view src)
{
	const struct operand o[] = { { "dst", dst, true }, { "src", src, false } };
	struct op *op = emit(p, AXON_ENGINE_TENSOR, AXON_OP_TRANSPOSE, "transpose", o, 2);
	uint32_t size = axon_dtype_size(src.dtype);

	if (op && (dst.tile->space != AXON_SPACE_PSUM || src.tile->space != AXON_SPACE_SBUF ||
		   src.dtype != dst.dtype || (size != 2 && size != 4) || !in_one_bank(&dst) ||
		   elements(&src) != dst.nparts || elements(&dst) != src.nparts))
		axc_fail(p, -EINVAL, "transpose: SBUF [P][N] to a bank of PSUM [N][P], same type");
}

void axc_copy(struct axc_program *p, enum axon_engine e, struct axc_view dst, struct axc_view src)
{
	const struct operand o[] = { { "dst", dst, true }, { "src", src, false } };

	if (engine_in(p, "copy", e, ON_VECTOR | ON_SCALAR | ON_GPSIMD) &&
	    same_shape(p, "copy", &dst, &src))
		emit(p, e, AXON_OP_COPY, "copy", o, 2);
}

void axc_memset(struct axc_program *p, enum axon_engine e, struct axc_view dst, uint32_t bits)
{
	const struct operand o[] = { { "dst", dst, true } };
	struct op *op;

	if (!engine_in(p, "memset", e, ON_VECTOR | ON_SCALAR | ON_GPSIMD))
		return;
	op = emit(p, e, AXON_OP_MEMSET, "memset", o, 1);
	if (op)
		op->inst.imm[0] = bits;
}

static bool is_bitwise(unsigned int op)
{
	return op >= AXON_ALU_AND;
}

static bool bitwise_types_ok(struct axc_program *p, const char *inst, unsigned int alu,
			     const struct axc_view *v)
{
	bool is_float = v->dtype == AXON_DTYPE_FLOAT32 || v->dtype == AXON_DTYPE_BFLOAT16 ||
			v->dtype == AXON_DTYPE_FLOAT16 || v->dtype == AXON_DTYPE_FP32R;

	if (!is_bitwise(alu) || !is_float)
		return true;
	axc_fail(p, -EINVAL, "%s: a bitwise operator wants integers", inst);
	return false;
}

void axc_tensor_tensor(struct axc_program *p, enum axon_engine e, enum axon_alu alu,
		       struct axc_view dst, struct axc_view a, struct axc_view b)
{
	const struct operand o[] = { { "dst", dst, true }, { "a", a, false }, { "b", b, false } };
	const char *inst = "tensor_tensor";
	struct op *op;

	if (!engine_in(p, inst, e, ON_VECTOR | ON_GPSIMD) || !alu_ok(p, inst, alu, false) ||
	    !same_shape(p, inst, &dst, &a) || !same_shape(p, inst, &dst, &b) ||
	    !bitwise_types_ok(p, inst, alu, &dst) || !bitwise_types_ok(p, inst, alu, &a) ||
	    !bitwise_types_ok(p, inst, alu, &b))
		return;
	op = emit(p, e, AXON_OP_TENSOR_TENSOR, inst, o, 3);
	if (op)
		op->inst.op0 = alu;
}

/* One element a partition, as many partitions as @like. */
static bool per_partition(struct axc_program *p, const char *inst, const struct axc_view *v,
			  const struct axc_view *like)
{
	if (!v->tile || (elements(v) == 1 && v->nparts == like->nparts))
		return true;
	axc_fail(p, -EINVAL, "%s: a scalar operand must have one element in each partition", inst);
	return false;
}

static uint32_t scalar_bits(const struct axc_scalar *s)
{
	uint32_t bits;

	if (s->view.tile)
		return 0;
	if (s->is_bits)
		return s->bits;
	memcpy(&bits, &s->value, sizeof(bits));
	return bits;
}

void axc_tensor_scalar(struct axc_program *p, enum axon_engine e, struct axc_view dst,
		       struct axc_view a, enum axon_alu op0, struct axc_scalar s0,
		       enum axon_alu op1, struct axc_scalar s1)
{
	const struct operand o[] = {
		{ "dst", dst, true }, { "a", a, false },
		{ s0.view.tile ? "s0" : NULL, s0.view, false },
		{ s1.view.tile ? "s1" : NULL, s1.view, false },
	};
	const char *inst = "tensor_scalar";
	struct op *op;

	if (!engine_in(p, inst, e, ON_VECTOR | ON_SCALAR | ON_GPSIMD) ||
	    !alu_ok(p, inst, op0, false) || (op1 && !alu_ok(p, inst, op1, false)) ||
	    !same_shape(p, inst, &dst, &a) || !per_partition(p, inst, &s0.view, &dst) ||
	    !per_partition(p, inst, &s1.view, &dst) || !bitwise_types_ok(p, inst, op0, &a) ||
	    !bitwise_types_ok(p, inst, op0, &dst))
		return;
	if ((op1 && is_bitwise(op0) != is_bitwise(op1)) ||
	    (!op1 && (s1.view.tile || s1.reverse || scalar_bits(&s1)))) {
		axc_fail(p, -EINVAL, "%s: the two steps do not fit", inst);
		return;
	}
	op = emit(p, e, AXON_OP_TENSOR_SCALAR, inst, o, 4);
	if (!op)
		return;
	op->inst.op0 = op0;
	op->inst.op1 = op1;
	op->inst.imm[0] = scalar_bits(&s0);
	op->inst.imm[1] = scalar_bits(&s1);
	op->inst.flags = (s0.view.tile ? AXON_F_S0_TENSOR : 0) |
			 (s1.view.tile ? AXON_F_S1_TENSOR : 0) |
			 (s0.reverse ? AXON_F_REVERSE0 : 0) | (s1.reverse ? AXON_F_REVERSE1 : 0);
}

void axc_reduce(struct axc_program *p, enum axon_engine e, enum axon_alu alu, unsigned int axes,
		struct axc_view dst, struct axc_view src)
{
	const struct operand o[] = { { "dst", dst, true }, { "src", src, false } };
	struct axc_view want = src;
	unsigned int i;
	struct op *op;

	if (!engine_in(p, "reduce", e, ON_VECTOR | ON_GPSIMD) || !alu_ok(p, "reduce", alu, true))
		return;
	if (!axes || axes > 4) {
		axc_fail(p, -EINVAL, "reduce: %u axes", axes);
		return;
	}
	for (i = 4 - axes; i < 4; i++) {
		want.count[i] = 1;
		want.count_reg[i] = NULL;
	}
	if (!same_shape(p, "reduce", &dst, &want))
		return;
	op = emit(p, e, AXON_OP_TENSOR_REDUCE, "reduce", o, 2);
	if (!op)
		return;
	op->inst.op0 = alu;
	op->inst.op1 = axes;
}

void axc_activation(struct axc_program *p, enum axon_act f, struct axc_view dst,
		    struct axc_view src, struct axc_scalar scale, struct axc_scalar bias,
		    struct axc_view sum)
{
	bool st = scale.view.tile;
	const struct operand o[] = {
		{ "dst", dst, true }, { "src", src, false },
		{ bias.view.tile ? "bias" : NULL, bias.view, false },
		{ st ? "scale" : sum.tile ? "sum" : NULL, st ? scale.view : sum, !st },
	};
	const char *inst = "activation";
	struct op *op;

	if (!p || p->err)
		return;
	if ((unsigned int)f >= AXON_NUM_ACTS || scale.reverse || bias.reverse ||
	    (sum.tile && (st || sum.dtype != AXON_DTYPE_FLOAT32))) {
		axc_fail(p, -EINVAL, "%s: bad function, or sum and scale tensor together", inst);
		return;
	}
	if (!same_shape(p, inst, &dst, &src) || !per_partition(p, inst, &bias.view, &dst) ||
	    !per_partition(p, inst, &o[3].v, &dst))
		return;
	op = emit(p, AXON_ENGINE_SCALAR, AXON_OP_ACTIVATION, inst, o, 4);
	if (!op)
		return;
	op->inst.op0 = f;
	op->inst.imm[0] = scalar_bits(&scale);
	op->inst.imm[1] = scalar_bits(&bias);
	op->inst.flags = (bias.view.tile ? AXON_F_BIAS_TENSOR : 0) |
			 (st ? AXON_F_SCALE_TENSOR : 0) | (sum.tile ? AXON_F_SUM : 0);
}

void axc_select(struct axc_program *p, enum axon_engine e, struct axc_view dst,
		struct axc_view src, struct axc_view pred)
{
	const struct operand o[] = {
		{ "dst", dst, true }, { "src", src, false }, { "predicate", pred, false },
	};

	if (engine_in(p, "select", e, ON_VECTOR | ON_GPSIMD) &&
	    same_shape(p, "select", &dst, &src) && same_shape(p, "select", &dst, &pred) &&
	    bitwise_types_ok(p, "select", AXON_ALU_AND, &pred))
		emit(p, e, AXON_OP_SELECT, "select", o, 3);
}

#define MAX8_ELEMS	16384u

static bool eight(struct axc_program *p, const char *inst, const struct axc_view *v,
		  const struct axc_view *src)
{
	if (elements(v) == 8 && v->nparts == src->nparts && elements(src) <= MAX8_ELEMS)
		return true;
	axc_fail(p, -EINVAL, "%s: 8 results a partition, from at most %u elements", inst,
		 MAX8_ELEMS);
	return false;
}

void axc_max8(struct axc_program *p, struct axc_view dst, struct axc_view src)
{
	const struct operand o[] = { { "dst", dst, true }, { "src", src, false } };

	if (!p || p->err || !eight(p, "max8", &dst, &src))
		return;
	if (elements(&src) < 8)
		axc_fail(p, -EINVAL, "max8: fewer than 8 elements");
	else
		emit(p, AXON_ENGINE_VECTOR, AXON_OP_MAX8, "max8", o, 2);
}

void axc_find_index8(struct axc_program *p, struct axc_view dst, struct axc_view values,
		     struct axc_view src)
{
	const struct operand o[] = {
		{ "dst", dst, true }, { "values", values, false }, { "src", src, false },
	};

	if (!p || p->err || !eight(p, "find_index8", &dst, &src) ||
	    !eight(p, "find_index8", &values, &src))
		return;
	if (dst.dtype != AXON_DTYPE_UINT32)
		axc_fail(p, -EINVAL, "find_index8: dst must be u32");
	else
		emit(p, AXON_ENGINE_VECTOR, AXON_OP_FIND_INDEX8, "find_index8", o, 3);
}

static void put_pattern(struct op *op, unsigned int slot, int32_t part_step, const int16_t step[4])
{
	op->inst.ap[slot].offset = (uint32_t)part_step;
	memcpy(op->inst.ap[slot].step, step, 4 * sizeof(*step));
}

void axc_affine_select(struct axc_program *p, struct axc_view dst, struct axc_view src,
		       enum axon_alu cmp, int32_t base, int32_t part_step, const int16_t step[4],
		       float fill)
{
	const struct operand o[] = { { "dst", dst, true }, { "src", src, false } };
	struct axc_scalar f = axc_s(fill);
	struct op *op;

	if (!p || p->err || !same_shape(p, "affine_select", &dst, &src))
		return;
	if (cmp < AXON_ALU_EQ || cmp > AXON_ALU_LT) {
		axc_fail(p, -EINVAL, "affine_select: operator %d is no comparison", cmp);
		return;
	}
	op = emit(p, AXON_ENGINE_GPSIMD, AXON_OP_AFFINE_SELECT, "affine_select", o, 2);
	if (!op)
		return;
	op->inst.op0 = cmp;
	op->inst.imm[0] = (uint32_t)base;
	op->inst.imm[1] = scalar_bits(&f);
	put_pattern(op, 2, part_step, step);
}

void axc_iota(struct axc_program *p, struct axc_view dst, int32_t base, int32_t part_step,
	      const int16_t step[4])
{
	const struct operand o[] = { { "dst", dst, true } };
	struct op *op = emit(p, AXON_ENGINE_GPSIMD, AXON_OP_IOTA, "iota", o, 1);

	if (!op)
		return;
	op->inst.imm[0] = (uint32_t)base;
	put_pattern(op, 1, part_step, step);
}

void axc_partition_reduce(struct axc_program *p, enum axon_alu alu, struct axc_view dst,
			  struct axc_view src)
{
	const struct operand o[] = { { "dst", dst, true }, { "src", src, false } };
	struct axc_view want = src;
	struct op *op;

	want.nparts = 1;
	if (!p || p->err || !alu_ok(p, "partition_reduce", alu, true) ||
	    !same_shape(p, "partition_reduce", &dst, &want))
		return;
	op = emit(p, AXON_ENGINE_GPSIMD, AXON_OP_PARTITION_REDUCE, "partition_reduce", o, 2);
	if (op)
		op->inst.op0 = alu;
}

void axc_partition_broadcast(struct axc_program *p, struct axc_view dst, struct axc_view src)
{
	const struct operand o[] = { { "dst", dst, true }, { "src", src, false } };
	const char *inst = "partition_broadcast";
	struct axc_view want = dst;

	want.nparts = 1;
	if (p && !p->err && same_shape(p, inst, &src, &want))
		emit(p, AXON_ENGINE_GPSIMD, AXON_OP_PARTITION_BROADCAST, inst, o, 2);
}
