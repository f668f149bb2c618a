// SPDX-License-Identifier: MIT
/*
 * engine_vector.c - elementwise instructions, reductions and activation functions: what the
 * vector, scalar and gpsimd engines share.
 */
#include "engine_loop.h"

/* Scratch of one chunk: an operand or the result, fp32 or 32-bit words. */
struct chunk {
	float v[AXON_LOOP_OPS][AXON_CHUNK] __attribute__((aligned(64)));
};

/* Host work of @elems elements in units of a small instruction. */
static uint32_t load_of(uint64_t elems)
{
	return 1 + (uint32_t)(elems >> 11);
}

/* ---- fp32 expressions over chunks ---- */

struct expr {
	unsigned int op0, op1;
	bool reverse0, reverse1;
	bool s0_tensor, s1_tensor;
	float imm[2];
};

/* in[i] of the inputs 1.., with bit i of @one set where it is one element for all. */
typedef void expr_fn(const struct axon_core *c, const struct expr *e, float *out,
		     const float *const *in, unsigned int one, size_t n);

/*
 * Do @n elements at @src overlap those at @dst without being the same? Then the vectors' width
 * would show in the result if they were used in place.
 */
static bool shifted(const uint8_t *src, const uint8_t *dst, uint32_t n)
{
	return src != dst && src < dst + 4 * (size_t)n && dst < src + 4 * (size_t)n;
}

static void run_chunks(const struct axon_core *c, const struct axon_loop *l, expr_fn *fn,
		       const struct expr *e, struct chunk *tmp)
{
	uint32_t run = axon_loop_run(l);
	const float *in[AXON_LOOP_OPS];

	for (uint32_t i = 0; i < run; i += AXON_CHUNK) {
		uint32_t n = run - i < AXON_CHUNK ? run - i : AXON_CHUNK;
		ptrdiff_t dstep = axon_loop_step(l, 0);
		uint8_t *dst = axon_loop_ptr(l, 0) + i * dstep;
		bool direct = l->dtype[0] == AXON_DTYPE_FLOAT32 && dstep == 4;
		unsigned int one = 0;

		for (unsigned int op = 1; op < l->ops; op++) {
			ptrdiff_t step = axon_loop_step(l, op);
			const uint8_t *p = axon_loop_ptr(l, op) + i * step;

			in[op] = tmp->v[op];
			if (l->dtype[op] == AXON_DTYPE_FLOAT32 && step == 4 &&
			    !shifted(p, dst, n))
				in[op] = (const float *)p;
			else
				c->math->load[l->dtype[op]](tmp->v[op], p, step, step ? n : 1);
			one |= !step << op;
		}
		float *out = direct ? (float *)dst : tmp->v[0];

		fn(c, e, out, in, one, n);
		if (!direct)
			c->math->store[l->dtype[0]](dst, dstep, out, n);
	}
}

static void run_loop(const struct axon_core *c, struct axon_loop *l, expr_fn *fn,
		     const struct expr *e)
{
	uint32_t idx[AXON_LOOP_AXES] = { 0 };
	struct chunk tmp;

	do
		run_chunks(c, l, fn, e, &tmp);
	while (axon_loop_next(l, idx));
}

static void expr_tt(const struct axon_core *c, const struct expr *e, float *out,
		    const float *const *in, unsigned int one, size_t n)
{
	c->math->bin[e->op0](out, in[1], in[2], n, one >> 1);
}

/* One step of TENSOR_SCALAR; @ones: AXON_BCAST_A for @a, AXON_BCAST_B for @s. */
static void ts_step(const struct axon_core *c, unsigned int op, bool reverse, float *out,
		    const float *a, const float *s, unsigned int ones, size_t n)
{
	if (reverse)
		c->math->bin[op](out, s, a, n, (ones & 1) << 1 | ones >> 1);
	else
		c->math->bin[op](out, a, s, n, ones);
}

static void expr_ts(const struct axon_core *c, const struct expr *e, float *out,
		    const float *const *in, unsigned int one, size_t n)
{
	unsigned int op = 2, ones = one >> 1 & AXON_BCAST_A;
	const float *s = &e->imm[0];

	if (e->s0_tensor) {
		ones |= (one >> op & 1) << 1;
		s = in[op++];
	} else {
		ones |= AXON_BCAST_B;
	}
	ts_step(c, e->op0, e->reverse0, out, in[1], s, ones, n);
	if (!e->op1)
		return;
	if (e->s1_tensor)
		ts_step(c, e->op1, e->reverse1, out, out, in[op], (one >> op & 1) << 1, n);
	else
		ts_step(c, e->op1, e->reverse1, out, out, &e->imm[1], AXON_BCAST_B, n);
}

/* ---- the bitwise group ---- */

#define BIT_LOOP(expr)									\
	for (size_t i = 0; i < n; i++) {						\
		uint32_t x = a[ones & 1 ? 0 : i], y = b[ones & 2 ? 0 : i];		\
											\
		out[i] = expr;								\
	}										\
	break

static void bit_step(unsigned int op, uint32_t *out, const uint32_t *a, const uint32_t *b,
		     unsigned int ones, size_t n)
{
	switch (op) {
	case AXON_ALU_AND:
		BIT_LOOP(x & y);
	case AXON_ALU_OR:
		BIT_LOOP(x | y);
	case AXON_ALU_XOR:
		BIT_LOOP(x ^ y);
	case AXON_ALU_SHL:
		BIT_LOOP(y < 32 ? x << y : 0);
	case AXON_ALU_SHR:
		BIT_LOOP(y < 32 ? x >> y : 0);
	case AXON_ALU_IADD:
		BIT_LOOP(x + y);
	default:
		BIT_LOOP(x - y);
	}
}

struct bits {
	unsigned int op[2];
	bool reverse[2];
	bool tensor[2];
	uint32_t imm[2];
};

static void bit_chunk(const struct axon_loop *l, const struct bits *b, uint32_t i, uint32_t n)
{
	uint32_t v[AXON_LOOP_OPS][AXON_CHUNK];
	unsigned int op = 2;

	for (unsigned int k = 1; k < l->ops; k++) {
		ptrdiff_t step = axon_loop_step(l, k);

		axon_int_load(l->dtype[k], v[k], axon_loop_ptr(l, k) + i * step, step, n);
	}
	for (unsigned int k = 0; k < 2 && b->op[k]; k++) {
		const uint32_t *a = k ? v[0] : v[1];
		const uint32_t *s = b->tensor[k] ? v[op++] : &b->imm[k];
		unsigned int one = !b->tensor[k];

		if (b->reverse[k])
			bit_step(b->op[k], v[0], s, a, one, n);
		else
			bit_step(b->op[k], v[0], a, s, one << 1, n);
	}
	axon_int_store(l->dtype[0], axon_loop_ptr(l, 0) + i * axon_loop_step(l, 0),
		       axon_loop_step(l, 0), v[0], n);
}

static bool run_bits(struct axon_loop *l, const struct bits *b)
{
	uint32_t idx[AXON_LOOP_AXES] = { 0 };

	for (unsigned int op = 0; op < l->ops; op++)
		if (!axon_is_int(l->dtype[op]))
			return false;
	do {
		uint32_t run = axon_loop_run(l);

		for (uint32_t i = 0; i < run; i += AXON_CHUNK)
			bit_chunk(l, b, i, run - i < AXON_CHUNK ? run - i : AXON_CHUNK);
	} while (axon_loop_next(l, idx));
	return true;
}

/* ---- instructions ---- */

static void set_cost(struct axon_step *step, unsigned int engine, const struct axon_operand *o,
		     unsigned int n, unsigned int passes)
{
	bool wide = false;

	for (unsigned int i = 0; i < n; i++)
		wide |= axon_wide(&o[i]);
	step->cycles = axon_cost_engine(engine, o[n - 1].elems, passes, wide);
	step->load = load_of((uint64_t)o[n - 1].elems * o[n - 1].nparts);
}

static bool exec_tt(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		    struct axon_step *step)
{
	struct axon_operand o[3];
	struct axon_loop l;

	if (!axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) ||
	    !axon_operand_read(c, &inst->ap[2], &o[2]) ||
	    !axon_same_shape(&o[0], &o[1]) || !axon_same_shape(&o[0], &o[2]))
		return false;
	set_cost(step, engine, o, 3, inst->op0 == AXON_ALU_DIVIDE ? 8 : 2);
	axon_loop_make(&l, o, 3);
	if (axon_is_bitwise(inst->op0)) {
		struct bits b = { .op = { inst->op0 }, .tensor = { true } };

		return run_bits(&l, &b);
	}
	if (!axon_is_arith(inst->op0))
		return false;
	struct expr e = { .op0 = inst->op0 };

	run_loop(c, &l, expr_tt, &e);
	return true;
}

/* One element a partition, spread over the free axes. */
static bool partition_scalar(struct axon_core *c, const struct axon_ap *ap,
			     const struct axon_operand *like, struct axon_operand *o)
{
	if (!axon_operand_read(c, ap, o) || o->elems != 1 || o->nparts != like->nparts)
		return false;
	for (unsigned int a = 0; a < 4; a++) {
		o->count[a] = like->count[a];
		o->step[a] = 0;
	}
	o->elems = like->elems;
	return true;
}

static bool exec_ts(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		    struct axon_step *step)
{
	bool s0 = inst->flags & AXON_F_S0_TENSOR, s1 = inst->flags & AXON_F_S1_TENSOR;
	bool r0 = inst->flags & AXON_F_REVERSE0, r1 = inst->flags & AXON_F_REVERSE1;
	struct axon_operand o[4];
	struct axon_loop l;
	unsigned int n = 2;

	if (!axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) || !axon_same_shape(&o[0], &o[1]))
		return false;
	set_cost(step, engine, o, 2,
		 inst->op0 == AXON_ALU_DIVIDE || inst->op1 == AXON_ALU_DIVIDE ? 8 : 1);
	if ((s0 && !partition_scalar(c, &inst->ap[2], &o[0], &o[n++])) ||
	    (s1 && !partition_scalar(c, &inst->ap[3], &o[0], &o[n++])))
		return false;
	axon_loop_make(&l, o, n);
	if (axon_is_bitwise(inst->op0) && (!inst->op1 || axon_is_bitwise(inst->op1))) {
		struct bits b = { { inst->op0, inst->op1 }, { r0, r1 }, { s0, s1 },
				  { inst->imm[0], inst->imm[1] } };

		return run_bits(&l, &b);
	}
	if (!axon_is_arith(inst->op0) || (inst->op1 && !axon_is_arith(inst->op1)))
		return false;
	struct expr e = { inst->op0, inst->op1, r0, r1, s0, s1,
			  { axon_f32(inst->imm[0]), axon_f32(inst->imm[1]) } };

	run_loop(c, &l, expr_ts, &e);
	return true;
}

static void run_copy(const struct axon_core *c, struct axon_loop *l)
{
	uint32_t idx[AXON_LOOP_AXES] = { 0 }, run = axon_loop_run(l);
	ptrdiff_t ds = axon_loop_step(l, 0), ss = axon_loop_step(l, 1);
	unsigned int dt = l->dtype[0], st = l->dtype[1];
	float tmp[AXON_CHUNK];

	do {
		uint8_t *dst = axon_loop_ptr(l, 0);
		const uint8_t *src = axon_loop_ptr(l, 1);

		if (dt == st) {
			axon_raw_copy(axon_engine_esz[dt], dst, ds, src, ss, run);
			continue;
		}
		for (uint32_t i = 0; i < run; i += AXON_CHUNK) {
			uint32_t n = run - i < AXON_CHUNK ? run - i : AXON_CHUNK;

			c->math->load[st](tmp, src + i * ss, ss, n);
			c->math->store[dt](dst + i * ds, ds, tmp, n);
		}
	} while (axon_loop_next(l, idx));
}

/* @broadcast: src has one partition, which all of dst get. */
static bool exec_copy(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		      struct axon_step *step, bool broadcast)
{
	struct axon_operand o[2];
	struct axon_loop l;

	if (!axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]))
		return false;
	if (broadcast) {
		if (o[1].nparts != 1)
			return false;
		o[1].nparts = o[0].nparts;
		o[1].pitch = 0;
	}
	if (!axon_same_shape(&o[0], &o[1]))
		return false;
	set_cost(step, engine, o, 2, 1);
	axon_loop_make(&l, o, 2);
	run_copy(c, &l);
	return true;
}

static bool exec_memset(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
			struct axon_step *step)
{
	uint32_t idx[AXON_LOOP_AXES] = { 0 };
	struct axon_operand o;
	struct axon_loop l;

	if (!axon_operand_write(c, &inst->ap[0], &o))
		return false;
	set_cost(step, engine, &o, 1, 1);
	axon_loop_make(&l, &o, 1);
	do
		axon_raw_fill(o.esz, axon_loop_ptr(&l, 0), axon_loop_step(&l, 0), inst->imm[0],
			      axon_loop_run(&l));
	while (axon_loop_next(&l, idx));
	return true;
}

/* ---- reductions ---- */

#define FEW	16u	/* elements whose reduction is a tree and nothing before it */

/* Distances of the elements that @w reaches from the first one. */
static void walk_offsets(const struct axon_walk *w, ptrdiff_t *off)
{
	uint32_t i[4] = { 0 }, n = 0;
	int a;

	do {
		off[n] = 0;
		for (unsigned int k = 0; k < w->axes; k++)
			off[n] += (ptrdiff_t)w->step[k] * i[k];
		n++;
		for (a = (int)w->axes - 1; a >= 0 && ++i[a] == w->count[a]; a--)
			i[a] = 0;
	} while (a >= 0);
}

/*
 * Sums (or the like) of fewer than FEW elements: lanes are results. @o[1] has only the axes that
 * stay; element j of a sum is @off[j] away.
 */
static void reduce_few(const struct axon_core *c, unsigned int op, const struct axon_operand *o,
		       const ptrdiff_t *off, uint32_t few)
{
	float part[FEW][AXON_CHUNK / 4] __attribute__((aligned(64)));
	uint32_t idx[AXON_LOOP_AXES] = { 0 }, most = AXON_CHUNK / 4;
	struct axon_loop l;

	axon_loop_make(&l, o, 2);
	do {
		ptrdiff_t ds = axon_loop_step(&l, 0), ss = axon_loop_step(&l, 1);

		for (uint32_t i = 0, run = axon_loop_run(&l); i < run; i += most) {
			uint32_t n = run - i < most ? run - i : most;
			const uint8_t *src = axon_loop_ptr(&l, 1) + i * ss;

			for (uint32_t j = 0; j < few; j++)
				c->math->load[l.dtype[1]](part[j], src + off[j], ss, n);
			if (few == 1 && op < AXON_ALU_MAX)
				c->math->act[AXON_ACT_COPY](part[0], part[0], n);
			for (uint32_t w = FEW / 2; w; w >>= 1)
				for (uint32_t j = 0; j < w && j + w < few; j++)
					c->math->bin[op](part[j], part[j], part[j + w], n, 0);
			c->math->store[l.dtype[0]](axon_loop_ptr(&l, 0) + i * ds, ds, part[0], n);
		}
	} while (axon_loop_next(&l, idx));
}

/* Longer sums: one after the other, lanes are the partial sums. */
static void reduce_many(const struct axon_core *c, unsigned int op, const struct axon_operand *o,
			const struct axon_walk *w, unsigned int keep)
{
	uint32_t i[4] = { 0 };

	for (uint32_t n = 0; n < o[0].elems; n++) {
		ptrdiff_t src = 0, dst = 0;
		float out[AXON_PARTITIONS];

		for (unsigned int a = 0; a < keep; a++) {
			src += (ptrdiff_t)o[1].step[a] * i[a];
			dst += (ptrdiff_t)o[0].step[a] * i[a];
		}
		for (uint32_t p = 0; p < o[0].nparts; p++)
			out[p] = c->math->reduce(op,
				axon_walk_view(c, w, o[1].dtype, o[1].ptr + src + p * o[1].pitch,
					       c->row), o[1].elems / o[0].elems);
		c->math->store[o[0].dtype](o[0].ptr + dst, o[0].pitch, out, o[0].nparts);
		for (int a = (int)keep - 1; a >= 0; a--) {
			if (++i[a] < o[0].count[a])
				break;
			i[a] = 0;
		}
	}
}

static bool exec_reduce(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
			struct axon_step *step)
{
	unsigned int keep = 4 - inst->op1;
	struct axon_operand o[2];
	ptrdiff_t off[FEW];
	struct axon_walk w;

	if (inst->op1 - 1u > 3 || !axon_is_reduction(inst->op0) ||
	    !axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) || o[0].nparts != o[1].nparts)
		return false;
	for (unsigned int a = 0; a < 4; a++)
		if (o[0].count[a] != (a < keep ? o[1].count[a] : 1))
			return false;
	set_cost(step, engine, o, 2, 1);
	axon_walk_make(&w, &o[1], keep);
	if (o[1].elems / o[0].elems >= FEW) {
		reduce_many(c, inst->op0, o, &w, keep);
		return true;
	}
	walk_offsets(&w, off);
	for (unsigned int a = keep; a < 4; a++)
		o[1].count[a] = 1;
	reduce_few(c, inst->op0, o, off, o[1].elems / o[0].elems);
	return true;
}

/* Few elements a partition: a column at a time, down the partitions. */
static void reduce_columns(const struct axon_core *c, unsigned int op,
			   const struct axon_operand *src, const struct axon_walk *w, float *out)
{
	float col[AXON_PARTITIONS];

	for (uint32_t n = 0; n < src->elems; n++) {
		c->math->load[src->dtype](col, src->ptr + (ptrdiff_t)n * w->step[0], src->pitch,
					  src->nparts);
		for (uint32_t p = 1; p < src->nparts; p++)
			col[0] = op == AXON_ALU_ADD ? col[0] + col[p] :
				op == AXON_ALU_MULTIPLY ? col[0] * col[p] :
				op == AXON_ALU_MAX ? (col[0] > col[p] ? col[0] : col[p]) :
				(col[0] < col[p] ? col[0] : col[p]);
		out[n] = src->nparts > 1 && op < AXON_ALU_MAX ? axon_canon(col[0]) : col[0];
	}
}

static bool exec_partition_reduce(struct axon_core *c, unsigned int engine,
				  const struct axon_inst *inst, struct axon_step *step)
{
	struct axon_operand o[2];
	struct axon_walk w, wd;

	if (!axon_is_reduction(inst->op0) || !axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) || o[0].nparts != 1 ||
	    memcmp(o[0].count, o[1].count, sizeof(o[0].count)))
		return false;
	set_cost(step, engine, o, 2, 1);
	step->cycles += axon_cost_engine(engine, o[1].nparts, 1, false);
	axon_walk_make(&wd, &o[0], 0);
	axon_walk_make(&w, &o[1], 0);
	if (w.axes == 1 && w.count[0] <= 4) {
		reduce_columns(c, inst->op0, &o[1], &w, c->row);
	} else {
		axon_walk_load(c, &w, o[1].dtype, o[1].ptr, c->row);
		for (uint32_t p = 1; p < o[1].nparts; p++)
			c->math->bin[inst->op0](c->row, c->row,
				axon_walk_view(c, &w, o[1].dtype, o[1].ptr + p * o[1].pitch,
					       c->mm_b), o[1].elems, 0);
	}
	axon_walk_store(c, &wd, o[0].dtype, o[0].ptr, c->row);
	return true;
}

/* ---- activation ---- */

static void expr_act(const struct axon_core *c, const struct expr *e, float *out,
		     const float *const *in, unsigned int one, size_t n)
{
	const float *scale = &e->imm[0], *bias = &e->imm[1];
	unsigned int ones = AXON_BCAST_A | AXON_BCAST_B, op = 2;

	/* A broadcast source becomes a row first: affine() and act() want one. */
	if (one & 2)
		for (size_t i = 0; i < n; i++)
			out[i] = *in[1];
	if (e->s1_tensor) {
		bias = in[op];
		if (!(one >> op++ & 1))
			ones &= ~AXON_BCAST_B;
	}
	if (e->s0_tensor) {
		scale = in[op];
		if (!(one >> op++ & 1))
			ones &= ~AXON_BCAST_A;
	}
	c->math->affine(out, one & 2 ? out : in[1], scale, bias, n, ones);
	c->math->act[e->op0](out, out, n);
}

/* With SUM: every partition's results in a row, before they are converted. */
static void act_rows(struct axon_core *c, const struct expr *e, const struct axon_operand *o,
		     unsigned int ops, const struct axon_operand *sum)
{
	struct axon_walk wd, ws;
	float total[AXON_PARTITIONS];

	axon_walk_make(&wd, &o[0], 0);
	axon_walk_make(&ws, &o[1], 0);
	for (uint32_t p = 0; p < o[0].nparts; p++) {
		float scalar[2];
		const float *in[AXON_LOOP_OPS] = { NULL, NULL, &scalar[0], &scalar[1] };

		for (unsigned int op = 2; op < ops; op++)
			c->math->load[o[op].dtype](&scalar[op - 2], o[op].ptr + p * o[op].pitch,
						   4, 1);
		in[1] = axon_walk_view(c, &ws, o[1].dtype, o[1].ptr + p * o[1].pitch, c->mm_b);
		expr_act(c, e, c->row, in, 12, o[0].elems);
		total[p] = c->math->reduce(AXON_ALU_ADD, c->row, o[0].elems);
		axon_walk_store(c, &wd, o[0].dtype, o[0].ptr + p * o[0].pitch, c->row);
	}
	c->math->store[sum->dtype](sum->ptr, sum->pitch, total, o[0].nparts);
}

/* The same of one element a partition: a column, whose sums are its results. */
static void act_column(const struct axon_core *c, const struct expr *e,
		       const struct axon_operand *o, unsigned int ops,
		       const struct axon_operand *sum)
{
	float v[AXON_LOOP_OPS][AXON_PARTITIONS] __attribute__((aligned(64)));
	const float *in[AXON_LOOP_OPS] = { NULL, v[1], v[2], v[3] };
	uint32_t n = o[0].nparts;

	for (unsigned int op = 1; op < ops; op++)
		c->math->load[o[op].dtype](v[op], o[op].ptr, o[op].pitch, n);
	expr_act(c, e, v[0], in, 0, n);
	c->math->store[o[0].dtype](o[0].ptr, o[0].pitch, v[0], n);
	c->math->store[sum->dtype](sum->ptr, sum->pitch, v[0], n);
}

static bool exec_act(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		     struct axon_step *step)
{
	struct expr e = { .op0 = inst->op0, .s0_tensor = inst->flags & AXON_F_SCALE_TENSOR,
			  .s1_tensor = inst->flags & AXON_F_BIAS_TENSOR,
			  .imm = { axon_f32(inst->imm[0]), axon_f32(inst->imm[1]) } };
	struct axon_operand o[4], sum;
	struct axon_loop l;
	unsigned int n = 2;

	if (inst->op0 >= AXON_NUM_ACTS || !axon_operand_write(c, &inst->ap[0], &o[0]) ||
	    !axon_operand_read(c, &inst->ap[1], &o[1]) || !axon_same_shape(&o[0], &o[1]))
		return false;
	set_cost(step, engine, o, 2, 1);
	if ((e.s1_tensor && !partition_scalar(c, &inst->ap[2], &o[0], &o[n++])) ||
	    (e.s0_tensor && !partition_scalar(c, &inst->ap[3], &o[0], &o[n++])))
		return false;
	if (inst->flags & AXON_F_SUM) {
		if (!axon_operand_write(c, &inst->ap[3], &sum) || sum.elems != 1 ||
		    sum.nparts != o[0].nparts || sum.dtype != AXON_DTYPE_FLOAT32)
			return false;
		if (o[0].elems == 1)
			act_column(c, &e, o, n, &sum);
		else
			act_rows(c, &e, o, n, &sum);
		return true;
	}
	axon_loop_make(&l, o, n);
	run_loop(c, &l, expr_act, &e);
	return true;
}

bool axon_exec_vector(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		      struct axon_step *step)
{
	switch (inst->opcode) {
	case AXON_OP_COPY:
		return exec_copy(c, engine, inst, step, false);
	case AXON_OP_PARTITION_BROADCAST:
		return exec_copy(c, engine, inst, step, true);
	case AXON_OP_MEMSET:
		return exec_memset(c, engine, inst, step);
	case AXON_OP_TENSOR_TENSOR:
		return exec_tt(c, engine, inst, step);
	case AXON_OP_TENSOR_SCALAR:
		return exec_ts(c, engine, inst, step);
	case AXON_OP_TENSOR_REDUCE:
		return exec_reduce(c, engine, inst, step);
	case AXON_OP_PARTITION_REDUCE:
		return exec_partition_reduce(c, engine, inst, step);
	case AXON_OP_ACTIVATION:
		return exec_act(c, engine, inst, step);
	default:
		return axon_exec_select(c, engine, inst, step);
	}
}
