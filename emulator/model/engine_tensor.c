// SPDX-License-Identifier: MIT
/*
 * engine_tensor.c - the tensor engine: MATMUL and TRANSPOSE.
 *
 * A tile whose rows are neighbours in memory is used where it lies; any other is packed into the
 * core's scratch first. Both ways every sum runs over k in ascending order.
 */
#include "engine_loop.h"

/* Columns up to which lanes run along m: a row of the moving tile would not fill them. */
#define MV_MAX_N	12u

/* All elements of a partition in one bank of PSUM? */
static bool in_one_bank(const struct axon_operand *o, const struct axon_ap *ap)
{
	int64_t lo = ap->offset, hi = ap->offset;

	for (unsigned int a = 0; a < 4; a++) {
		int64_t span = (int64_t)o->step[a] * (o->count[a] - 1);

		lo += span < 0 ? span : 0;
		hi += span > 0 ? span : 0;
	}
	return lo / AXON_PSUM_BANK_BYTES == (hi + o->esz - 1) / AXON_PSUM_BANK_BYTES;
}

static bool row_of(const struct axon_walk *w, unsigned int esz)
{
	return w->axes == 1 && (w->step[0] == (int32_t)esz || w->count[0] == 1);
}

/* Rows of @o as fp32 in @buf, @ld elements apart. */
static void pack(const struct axon_core *c, const struct axon_operand *o,
		 const struct axon_walk *w, float *buf, size_t ld)
{
	for (uint32_t k = 0; k < o->nparts; k++)
		axon_walk_load(c, w, o->dtype, o->ptr + k * o->pitch, buf + k * ld);
}

/*
 * The columns of @o as fp32 in @buf, @ld elements apart. @w has one axis, so that a column is a
 * walk over the partitions.
 */
static void load_columns(const struct axon_core *c, const struct axon_operand *o,
			 const struct axon_walk *w, float *buf, size_t ld)
{
	for (uint32_t j = 0; j < o->elems; j++)
		c->math->load[o->dtype](buf + j * ld, o->ptr + (ptrdiff_t)j * w->step[0], o->pitch,
					o->nparts);
}

static void store_columns(const struct axon_core *c, const struct axon_operand *o,
			  const struct axon_walk *w, const float *buf, size_t ld)
{
	for (uint32_t j = 0; j < o->elems; j++)
		c->math->store[o->dtype](o->ptr + (ptrdiff_t)j * w->step[0], o->pitch, buf + j * ld,
					 o->nparts);
}

/* Few columns, lanes along m. Results stand in mm_c by columns until they are written. */
static void matmul_columns(struct axon_core *c, const struct axon_operand *dst,
			   const struct axon_operand *st, const struct axon_operand *mov,
			   const struct axon_walk *w, bool accumulate)
{
	uint32_t m = st->elems, n = mov->elems;
	struct axon_mv mv = { .a = st->ptr, .x = c->mm_b, .c = c->mm_c, .lda = (size_t)st->pitch,
			      .ldx = AXON_MM_LDA, .ldc = AXON_MM_LDA, .k = st->nparts, .m = m,
			      .n = n, .dtype = st->dtype };

	load_columns(c, mov, &w[2], c->mm_b, AXON_MM_LDA);
	if (!row_of(&w[1], st->esz)) {
		pack(c, st, &w[1], c->mm_a, AXON_MM_LDA);
		mv.a = (const uint8_t *)c->mm_a;
		mv.lda = AXON_MM_LDA * sizeof(float);
		mv.dtype = AXON_DTYPE_FLOAT32;
	}
	if (accumulate)
		load_columns(c, dst, &w[0], c->mm_c, AXON_MM_LDA);
	else
		for (uint32_t j = 0; j < n; j++)
			memset(c->mm_c + j * AXON_MM_LDA, 0,
			       (m + AXON_MV_PAD - 1) / AXON_MV_PAD * AXON_MV_PAD * sizeof(float));
	c->math->mv(&mv);
	store_columns(c, dst, &w[0], c->mm_c, AXON_MM_LDA);
}

static void matmul_rows(struct axon_core *c, const struct axon_operand *dst,
			const struct axon_operand *st, const struct axon_operand *mov,
			const struct axon_walk *w, bool accumulate)
{
	bool fp32 = st->dtype == AXON_DTYPE_FLOAT32, direct = row_of(&w[0], 4);
	struct axon_mm mm = { .a = (const float *)st->ptr, .b = (const float *)mov->ptr,
			      .c = (float *)dst->ptr, .lda = (size_t)st->pitch / 4,
			      .ldb = (size_t)mov->pitch / 4, .ldc = (size_t)dst->pitch / 4,
			      .k = st->nparts, .m = st->elems, .n = mov->elems,
			      .accumulate = accumulate };

	if (!fp32 || !row_of(&w[1], 4)) {
		pack(c, st, &w[1], c->mm_a, AXON_MM_LDA);
		mm.a = c->mm_a;
		mm.lda = AXON_MM_LDA;
	}
	if (!fp32 || !row_of(&w[2], 4)) {
		pack(c, mov, &w[2], c->mm_b, AXON_MM_LDB);
		mm.b = c->mm_b;
		mm.ldb = AXON_MM_LDB;
	}
	if (!direct) {
		mm.c = c->mm_c;
		mm.ldc = AXON_MM_LDC;
		if (accumulate)
			pack(c, dst, &w[0], c->mm_c, AXON_MM_LDC);
	}
	c->math->mm(&mm);
	if (!direct)
		for (uint32_t i = 0; i < dst->nparts; i++)
			axon_walk_store(c, &w[0], AXON_DTYPE_FLOAT32, dst->ptr + i * dst->pitch,
					c->mm_c + i * AXON_MM_LDC);
}

static bool exec_matmul(struct axon_core *c, const struct axon_inst *inst, struct axon_step *step)
{
	struct axon_operand o[3];
	struct axon_walk w[3];
	bool acc = inst->flags & AXON_F_ACCUMULATE;

	if (!axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) ||
	    !axon_operand_read(c, &inst->ap[2], &o[2]))
		return false;
	if (o[0].space != AXON_SPACE_PSUM || inst->ap[0].dtype != AXON_DTYPE_FLOAT32 ||
	    o[1].space != AXON_SPACE_SBUF || o[2].space != AXON_SPACE_SBUF ||
	    inst->ap[1].dtype != inst->ap[2].dtype || inst->ap[1].dtype == AXON_DTYPE_FP32R ||
	    axon_is_int(o[1].dtype))
		return false;
	if (o[1].nparts != o[2].nparts || o[0].nparts != o[1].elems || o[0].elems != o[2].elems ||
	    o[1].elems > AXON_MM_MAX_M || o[2].elems > AXON_MM_MAX_N ||
	    !in_one_bank(&o[0], &inst->ap[0]))
		return false;
	for (unsigned int i = 0; i < 3; i++)
		axon_walk_make(&w[i], &o[i], 0);
	step->cycles = axon_cost_matmul(o[1].nparts, o[1].elems, o[2].elems, o[1].dtype);
	uint64_t flops = 2ull * o[1].nparts * o[1].elems * o[2].elems;

	step->load = 1 + (uint32_t)(flops >> 15);
	c->flops += flops;
	if (o[2].elems <= MV_MAX_N && o[1].elems > 1 && w[0].axes == 1 && w[2].axes == 1)
		matmul_columns(c, &o[0], &o[1], &o[2], w, acc);
	else
		matmul_rows(c, &o[0], &o[1], &o[2], w, acc);
	return true;
}

static bool exec_transpose(struct axon_core *c, const struct axon_inst *inst,
			   struct axon_step *step)
{
	struct axon_operand o[2];

	if (!axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]))
		return false;
	if (o[0].space != AXON_SPACE_PSUM || o[1].space != AXON_SPACE_SBUF ||
	    inst->ap[0].dtype != inst->ap[1].dtype || o[0].esz == 1 ||
	    o[0].nparts != o[1].elems || o[0].elems != o[1].nparts ||
	    !in_one_bank(&o[0], &inst->ap[0]))
		return false;
	step->cycles = axon_cost_transpose(o[1].nparts, o[1].elems, o[1].esz);
	step->load = 1 + o[1].nparts * o[1].elems / 1024;

	/* Element (i, j) of the source by row-major j; of the target by row-major i. */
	uint32_t i[4] = { 0 };

	for (uint32_t j = 0; j < o[1].elems; j++) {
		const uint8_t *src = o[1].ptr;
		uint8_t *dst = o[0].ptr + j * o[0].pitch;

		for (unsigned int a = 0; a < 4; a++)
			src += (ptrdiff_t)o[1].step[a] * i[a];
		for (uint32_t k = 0; k < o[0].elems;) {
			uint32_t run = o[0].count[3], q = k / run;
			uint8_t *to = dst;

			for (int a = 2; a >= 0; a--) {
				to += (ptrdiff_t)o[0].step[a] * (q % o[0].count[a]);
				q /= o[0].count[a];
			}
			axon_raw_copy(o[0].esz, to, o[0].step[3], src + k * o[1].pitch,
				      o[1].pitch, run);
			k += run;
		}
		for (int a = 3; a >= 0; a--) {
			if (++i[a] < o[1].count[a])
				break;
			i[a] = 0;
		}
	}
	return true;
}

bool axon_exec_tensor(struct axon_core *c, const struct axon_inst *inst, struct axon_step *step)
{
	if (inst->opcode == AXON_OP_MATMUL)
		return exec_matmul(c, inst, step);
	return exec_transpose(c, inst, step);
}
