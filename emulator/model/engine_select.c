// SPDX-License-Identifier: MIT
/*
 * engine_select.c - instructions that choose elements or count them: SELECT, AFFINE_SELECT, IOTA,
 * MAX8, FIND_INDEX8.
 */
#include "engine_loop.h"

#define MAX_SEARCH	16384u	/* elements MAX8 and FIND_INDEX8 look through */

static void set_cost(struct axon_step *step, unsigned int engine, const struct axon_operand *o,
		     unsigned int passes)
{
	step->cycles = axon_cost_engine(engine, o->elems, passes, axon_wide(o));
	step->load = 1 + (uint32_t)((uint64_t)o->elems * o->nparts >> 10);
}

/* @n elements of operand @op from element @i of the run on, in the type of operand 0. */
static void select_source(const struct axon_core *c, const struct axon_loop *l, uint32_t i,
			  uint32_t n, uint8_t *out)
{
	uint32_t esz = axon_engine_esz[l->dtype[0]];
	ptrdiff_t step = axon_loop_step(l, 1);
	const uint8_t *src = axon_loop_ptr(l, 1) + i * step;
	float tmp[AXON_CHUNK];

	if (l->dtype[0] == l->dtype[1]) {
		axon_raw_copy(esz, out, esz, src, step, n);
		return;
	}
	c->math->load[l->dtype[1]](tmp, src, step, n);
	c->math->store[l->dtype[0]](out, esz, tmp, n);
}

/* Where they are neighbours every element is written, chosen or as it was: no branch. */
#define CHOOSE(type)									\
	do {										\
		const type *v = (const type *)val;					\
		type *d = (type *)dst;							\
											\
		if (ds == (ptrdiff_t)sizeof(type))					\
			for (uint32_t k = 0; k < n; k++)				\
				d[k] = pred[k] ? v[k] : d[k];				\
		else									\
			for (uint32_t k = 0; k < n; k++, dst += ds)			\
				if (pred[k])						\
					*(type *)dst = v[k];				\
	} while (0)

static void choose(uint32_t esz, uint8_t *dst, ptrdiff_t ds, const uint32_t *pred,
		   const uint8_t *val, uint32_t n)
{
	if (esz == 1)
		CHOOSE(uint8_t);
	else if (esz == 2)
		CHOOSE(uint16_t);
	else
		CHOOSE(uint32_t);
}

static void select_run(const struct axon_core *c, const struct axon_loop *l)
{
	uint32_t esz = axon_engine_esz[l->dtype[0]], run = axon_loop_run(l);
	uint8_t val[AXON_CHUNK * 4] __attribute__((aligned(64)));
	uint32_t pred[AXON_CHUNK];

	for (uint32_t i = 0; i < run; i += AXON_CHUNK) {
		uint32_t n = run - i < AXON_CHUNK ? run - i : AXON_CHUNK;
		ptrdiff_t ds = axon_loop_step(l, 0), ps = axon_loop_step(l, 2);

		axon_int_load(l->dtype[2], pred, axon_loop_ptr(l, 2) + i * ps, ps, n);
		select_source(c, l, i, n, val);
		choose(esz, axon_loop_ptr(l, 0) + i * ds, ds, pred, val, n);
	}
}

static bool exec_select(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
			struct axon_step *step)
{
	uint32_t idx[AXON_LOOP_AXES] = { 0 };
	struct axon_operand o[3];
	struct axon_loop l;

	if (!axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) ||
	    !axon_operand_read(c, &inst->ap[2], &o[2]) || !axon_is_int(o[2].dtype) ||
	    !axon_same_shape(&o[0], &o[1]) || !axon_same_shape(&o[0], &o[2]))
		return false;
	set_cost(step, engine, &o[1], 2);
	axon_loop_make(&l, o, 3);
	do
		select_run(c, &l);
	while (axon_loop_next(&l, idx));
	return true;
}

/*
 * The pattern of AFFINE_SELECT and IOTA as operand @op of a loop: its "address" is the value, which
 * counts modulo 2^32 along the axes.
 */
static bool pattern_operand(struct axon_loop *l, unsigned int op, const struct axon_ap *ap,
			    uint32_t base)
{
	if (ap->space || ap->dtype || ap->part || ap->nparts)
		return false;
	l->at[op] = base;
	l->dtype[op] = AXON_DTYPE_INT32;
	l->step[op][0] = (int32_t)ap->offset;
	for (unsigned int a = 0; a < 4; a++) {
		if (ap->count[a])
			return false;
		l->step[op][a + 1] = ap->step[a];
	}
	return true;
}

#define KEEP_IF(cond)									\
	do {										\
		for (uint32_t k = 0; k < n; k++) {					\
			int32_t x = (int32_t)(v + k * step);				\
											\
			val[k] = (cond) ? val[k] : fill;				\
		}									\
	} while (0)

/* val[k] stays where (@v + k * @step) @op 0, else it becomes @fill. */
static void keep_if(unsigned int op, float *val, uint32_t v, uint32_t step, float fill, uint32_t n)
{
	switch (op) {
	case AXON_ALU_EQ:
		KEEP_IF(x == 0);
		break;
	case AXON_ALU_NE:
		KEEP_IF(x != 0);
		break;
	case AXON_ALU_GE:
		KEEP_IF(x >= 0);
		break;
	case AXON_ALU_GT:
		KEEP_IF(x > 0);
		break;
	case AXON_ALU_LE:
		KEEP_IF(x <= 0);
		break;
	default:
		KEEP_IF(x < 0);
		break;
	}
}

static void affine_run(const struct axon_core *c, const struct axon_loop *l, unsigned int op,
		       float fill)
{
	uint32_t run = axon_loop_run(l);
	float val[AXON_CHUNK];

	for (uint32_t i = 0; i < run; i += AXON_CHUNK) {
		uint32_t n = run - i < AXON_CHUNK ? run - i : AXON_CHUNK;
		ptrdiff_t ds = axon_loop_step(l, 0), ss = axon_loop_step(l, 1);
		uint32_t vs = (uint32_t)axon_loop_step(l, 2);

		c->math->load[l->dtype[1]](val, axon_loop_ptr(l, 1) + i * ss, ss, n);
		keep_if(op, val, (uint32_t)l->at[2] + i * vs, vs, fill, n);
		c->math->store[l->dtype[0]](axon_loop_ptr(l, 0) + i * ds, ds, val, n);
	}
}

static bool exec_affine(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
			struct axon_step *step)
{
	uint32_t idx[AXON_LOOP_AXES] = { 0 };
	struct axon_operand o[2];
	struct axon_loop l = { .ops = 3 };

	if (inst->op0 < AXON_ALU_EQ || inst->op0 > AXON_ALU_LT ||
	    !axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) || !axon_same_shape(&o[0], &o[1]) ||
	    !pattern_operand(&l, 2, &inst->ap[2], inst->imm[0]))
		return false;
	set_cost(step, engine, &o[1], 1);
	for (unsigned int op = 0; op < 2; op++) {
		l.at[op] = (uintptr_t)o[op].ptr;
		l.dtype[op] = o[op].dtype;
		axon_loop_axes(&o[op], l.step[op]);
	}
	axon_loop_merge(&l, &o[0]);
	do
		affine_run(c, &l, inst->op0, axon_f32(inst->imm[1]));
	while (axon_loop_next(&l, idx));
	return true;
}

/* The range of an integer type. */
static void limits(unsigned int dtype, int32_t *lo, int32_t *hi)
{
	static const int32_t range[][2] = {
		[AXON_DTYPE_INT8] = { INT8_MIN, INT8_MAX },
		[AXON_DTYPE_UINT8] = { 0, UINT8_MAX },
		[AXON_DTYPE_INT16] = { INT16_MIN, INT16_MAX },
		[AXON_DTYPE_UINT16] = { 0, UINT16_MAX },
		[AXON_DTYPE_INT32] = { INT32_MIN, INT32_MAX },
		[AXON_DTYPE_UINT32] = { 0, INT32_MAX },
	};

	*lo = range[dtype][0];
	*hi = range[dtype][1];
}

/* Counted values to an integer type saturate, without going through fp32. */
static void iota_ints(unsigned int dtype, uint8_t *dst, ptrdiff_t ds, uint32_t v, uint32_t vs,
		      uint32_t n)
{
	uint32_t val[AXON_CHUNK];
	int32_t lo, hi;

	limits(dtype, &lo, &hi);
	for (uint32_t k = 0; k < n; k++) {
		int32_t x = (int32_t)(v + k * vs);

		val[k] = (uint32_t)(x < lo ? lo : x > hi ? hi : x);
	}
	axon_int_store(dtype, dst, ds, val, n);
}

static void iota_run(const struct axon_core *c, const struct axon_loop *l)
{
	uint32_t run = axon_loop_run(l), vs = (uint32_t)axon_loop_step(l, 1);
	ptrdiff_t ds = axon_loop_step(l, 0);
	unsigned int dtype = l->dtype[0];

	for (uint32_t i = 0; i < run; i += AXON_CHUNK) {
		uint32_t n = run - i < AXON_CHUNK ? run - i : AXON_CHUNK;
		uint32_t v = (uint32_t)l->at[1] + i * vs;
		uint8_t *dst = axon_loop_ptr(l, 0) + i * ds;
		float val[AXON_CHUNK];

		if (axon_is_int(dtype)) {
			iota_ints(dtype, dst, ds, v, vs, n);
			continue;
		}
		for (uint32_t k = 0; k < n; k++)
			val[k] = (float)(int32_t)(v + k * vs);
		c->math->store[dtype](dst, ds, val, n);
	}
}

static bool exec_iota(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		      struct axon_step *step)
{
	uint32_t idx[AXON_LOOP_AXES] = { 0 };
	struct axon_operand o;
	struct axon_loop l = { .ops = 2 };

	if (!axon_operand_write(c, &inst->ap[0], &o) ||
	    !pattern_operand(&l, 1, &inst->ap[1], inst->imm[0]))
		return false;
	set_cost(step, engine, &o, 1);
	l.at[0] = (uintptr_t)o.ptr;
	l.dtype[0] = o.dtype;
	axon_loop_axes(&o, l.step[0]);
	axon_loop_merge(&l, &o);
	do
		iota_run(c, &l);
	while (axon_loop_next(&l, idx));
	return true;
}

/* ---- MAX8, FIND_INDEX8 ---- */

/* A NaN is smaller than every number; equal elements keep their order. */
static bool max8_less(float a, float b)
{
	return a != a ? b == b : a < b;
}

static void max8_row(const float *src, uint32_t n, float *top)
{
	uint32_t have = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at;

		if (have == 8 && !max8_less(top[7], src[i]))
			continue;
		at = have < 8 ? have++ : 7;
		for (; at && max8_less(top[at - 1], src[i]); at--)
			top[at] = top[at - 1];
		top[at] = src[i];
	}
}

static bool exec_max8(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		      struct axon_step *step)
{
	struct axon_operand o[2];
	struct axon_walk w, wd;

	if (!axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) || o[0].nparts != o[1].nparts ||
	    o[0].elems != 8 || o[1].elems < 8 || o[1].elems > MAX_SEARCH)
		return false;
	set_cost(step, engine, &o[1], 1);
	axon_walk_make(&wd, &o[0], 0);
	axon_walk_make(&w, &o[1], 0);
	for (uint32_t p = 0; p < o[0].nparts; p++) {
		float top[8];

		max8_row(axon_walk_view(c, &w, o[1].dtype, o[1].ptr + p * o[1].pitch, c->row),
			 o[1].elems, top);
		axon_walk_store(c, &wd, o[0].dtype, o[0].ptr + p * o[0].pitch, top);
	}
	return true;
}

#define NOT_FOUND	0xffffffffu

static uint32_t find(const float *src, uint32_t n, uint32_t from, float v)
{
	uint32_t i = from;

	/* Sixteen at a time without a branch between them. */
	for (; n - i >= 16; i += 16) {
		uint32_t any = 0;

		for (uint32_t k = 0; k < 16; k++)
			any |= src[i + k] == v;
		if (any)
			break;
	}
	for (; i < n; i++)
		if (src[i] == v)
			return i;
	return NOT_FOUND;
}

static void find8_row(const float *src, uint32_t n, const float *val, uint32_t *out)
{
	for (unsigned int j = 0; j < 8; j++) {
		uint32_t from = 0;

		for (unsigned int k = 0; k < j; k++)
			if (val[k] == val[j])
				from = out[k] == NOT_FOUND ? n : out[k] + 1;
		out[j] = find(src, n, from, val[j]);
	}
}

static bool exec_find(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		      struct axon_step *step)
{
	struct axon_operand o[3];
	struct axon_walk wd, wv, w;

	if (!axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) ||
	    !axon_operand_read(c, &inst->ap[2], &o[2]) || o[0].nparts != o[1].nparts ||
	    o[0].nparts != o[2].nparts || o[0].elems != 8 || o[1].elems != 8 ||
	    o[0].dtype != AXON_DTYPE_UINT32 || o[2].elems > MAX_SEARCH)
		return false;
	set_cost(step, engine, &o[2], 1);
	axon_walk_make(&wd, &o[0], 0);
	axon_walk_make(&wv, &o[1], 0);
	axon_walk_make(&w, &o[2], 0);
	for (uint32_t p = 0; p < o[0].nparts; p++) {
		float val[8], bits[8];
		uint32_t out[8];

		axon_walk_load(c, &wv, o[1].dtype, o[1].ptr + p * o[1].pitch, val);
		find8_row(axon_walk_view(c, &w, o[2].dtype, o[2].ptr + p * o[2].pitch, c->row),
			  o[2].elems, val, out);
		/* Indices travel as fp32 bits: a store of that type moves them as they are. */
		memcpy(bits, out, sizeof(bits));
		axon_walk_store(c, &wd, AXON_DTYPE_FLOAT32, o[0].ptr + p * o[0].pitch, bits);
	}
	return true;
}

bool axon_exec_select(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		      struct axon_step *step)
{
	switch (inst->opcode) {
	case AXON_OP_SELECT:
		return exec_select(c, engine, inst, step);
	case AXON_OP_MAX8:
		return exec_max8(c, engine, inst, step);
	case AXON_OP_FIND_INDEX8:
		return exec_find(c, engine, inst, step);
	case AXON_OP_AFFINE_SELECT:
		return exec_affine(c, engine, inst, step);
	case AXON_OP_IOTA:
		return exec_iota(c, engine, inst, step);
	default:
		return false;
	}
}
