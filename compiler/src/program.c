/* SPDX-License-Identifier: MIT */
/*
 * program.c - a program being recorded: its errors, tensors, registers and loops.
 *
 * Records only; nothing here decides about order or encodes an instruction.
 */
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

void axc_fail(struct axc_program *p, int err, const char *fmt, ...)
{
	va_list ap;

	if (!p || p->err)
		return;
	p->err = err;
	va_start(ap, fmt);
	vsnprintf(p->errtext, sizeof(p->errtext), fmt, ap);
	va_end(ap);
}

void *axc_zalloc(struct axc_program *p, size_t size)
{
	void *mem = calloc(1, size ? size : 1);

	if (!mem)
		axc_fail(p, -ENOMEM, "out of host memory");
	return mem;
}

/* @array points at the pointer to grow. */
bool axc_grow(struct axc_program *p, void *array, uint32_t *cap, uint32_t need, size_t elem)
{
	void **mem = array;
	uint32_t want = *cap ? *cap : 64;
	void *bigger;

	if (need <= *cap)
		return true;
	while (want < need && want <= UINT32_MAX / 2)
		want *= 2;
	if (want < need) {
		axc_fail(p, -ENOSPC, "the program is too large");
		return false;
	}
	bigger = realloc(*mem, want * elem);
	if (!bigger) {
		axc_fail(p, -ENOMEM, "out of host memory");
		return false;
	}
	*mem = bigger;
	*cap = want;
	return true;
}

struct op *axc_op_new(struct axc_program *p, enum op_kind kind)
{
	struct op *op;
	unsigned int i;

	if (!p || p->err)
		return NULL;
	if (p->finished) {
		axc_fail(p, -EINVAL, "the program is already finished");
		return NULL;
	}
	if (!axc_grow(p, &p->ops, &p->ops_cap, p->nops + 1, sizeof(*p->ops)))
		return NULL;
	op = &p->ops[p->nops++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->loop = p->loop;
	for (i = 0; i < AXON_NUM_PATCHES; i++)
		op->inst.patch[i].reg = AXON_SREG_NONE;
	return op;
}

struct axc_program *axc_program_new(const char *name)
{
	struct axc_program *p;

	if (!name || !*name || strlen(name) >= sizeof(p->name))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	strcpy(p->name, name);
	p->loop = -1;
	p->tensors_tail = &p->tensors;
	return p;
}

static void free_ops(struct axc_program *p)
{
	uint32_t i;

	for (i = 0; i < p->nops; i++)
		free(p->ops[i].loop_posts);
	free(p->ops);
	free(p->ccs);
	free(p->waits);
	for (i = 0; i < AXON_NUM_ENGINES; i++) {
		free(p->stream[i].inst);
		free(p->stream[i].reloc);
	}
}

void axc_program_free(struct axc_program *p)
{
	void *next;

	if (!p)
		return;
	op_cache_free(p);
	for (struct axc_tensor *t = p->tensors; t; t = next) {
		next = t->next;
		free(t->data);
		free(t);
	}
	for (struct axc_tile *t = p->tiles; t; t = next) {
		next = t->next;
		free(t);
	}
	for (struct axc_reg *r = p->regs; r; r = next) {
		next = r->next;
		free(r);
	}
	free_ops(p);
	free(p);
}

int axc_program_error(const struct axc_program *p, const char **text)
{
	if (text)
		*text = p ? p->errtext : "no program";
	return p ? p->err : -EINVAL;
}

void axc_program_flops(struct axc_program *p, uint64_t flops)
{
	if (p)
		p->flops = flops;
}

uint32_t axc_program_insts(const struct axc_program *p, enum axon_engine engine)
{
	return p && (unsigned int)engine < AXON_NUM_ENGINES ? p->stream[engine].n : 0;
}

int axc_program_finish(struct axc_program *p, void **data, size_t *size)
{
	if (!p || !data || !size)
		return -EINVAL;
	if (p->finished)
		axc_fail(p, -EINVAL, "axc_program_finish() was called twice");
	if (p->loop >= 0)
		axc_fail(p, -EINVAL, "a loop has no end");
	p->finished = true;
	if (p->err || check_kept(p) || schedule(p) || use_registers(p) || lay_out(p) ||
	    elf_write(p, data, size))
		return p->err;
	return 0;
}

/* ---- tensors ---- */

static struct axc_tensor *tensor_add(struct axc_program *p, enum tensor_kind kind, uint8_t dtype,
				     uint64_t size)
{
	struct axc_tensor *t = axc_zalloc(p, sizeof(*t));

	if (!t)
		return NULL;
	t->p = p;
	t->kind = kind;
	t->dtype = dtype;
	t->size = size;
	t->nregions = 1;
	*p->tensors_tail = t;
	p->tensors_tail = &t->next;
	return t;
}

static bool tensor_size(struct axc_program *p, const char *name, uint8_t dtype, unsigned int ndim,
			const uint64_t *shape, uint64_t *size)
{
	unsigned int i;

	*size = axon_dtype_size(dtype);
	if (!*size || ndim > AXON_ELF_MAX_DIMS || (ndim && !shape)) {
		axc_fail(p, -EINVAL, "tensor %s: bad type or number of dimensions", name);
		return false;
	}
	for (i = 0; i < ndim; i++) {
		if (!shape[i] || shape[i] > AXON_ELF_MAX_SIZE / *size) {
			axc_fail(p, -EINVAL, "tensor %s: bad shape", name);
			return false;
		}
		*size *= shape[i];
	}
	return true;
}

static bool name_ok(struct axc_program *p, enum axc_usage usage, const char *name)
{
	struct axc_tensor *t;
	unsigned int n = 0;

	if (usage == AXC_SCRATCH)
		return true;
	if (!name || !*name || strlen(name) >= sizeof(t->name)) {
		axc_fail(p, -EINVAL, "an input or output needs a name of 1 to 255 bytes");
		return false;
	}
	for (t = p->tensors; t; t = t->next) {
		n += t->kind == TENSOR_ARG ? 1 + (t->usage == AXC_INOUT) : 0;
		if (t->kind == TENSOR_ARG && !strcmp(t->name, name)) {
			axc_fail(p, -EEXIST, "tensor %s: the name is taken", name);
			return false;
		}
	}
	if (n + 1 + (usage == AXC_INOUT) > AXON_ELF_MAX_TENSORS) {
		axc_fail(p, -ENOSPC, "tensor %s: more than %u tensors", name, AXON_ELF_MAX_TENSORS);
		return false;
	}
	return true;
}

static struct axc_reg *reg_add(struct axc_program *p, enum reg_kind kind)
{
	struct axc_reg *r = axc_zalloc(p, sizeof(*r));

	if (!r)
		return NULL;
	r->p = p;
	r->kind = kind;
	r->loop = p->loop;
	memset(r->phys, NO_REG, sizeof(r->phys));
	r->next = p->regs;
	p->regs = r;
	return r;
}

struct axc_tensor *axc_tensor_new(struct axc_program *p, enum axc_usage usage, const char *name,
				  enum axon_dtype dtype, unsigned int ndim, const uint64_t *shape)
{
	struct axc_tensor *t;
	uint64_t size;

	if (!p || p->err)
		return NULL;
	if ((unsigned int)usage > AXC_SCRATCH) {
		axc_fail(p, -EINVAL, "tensor %s: bad usage", name ? name : "");
		return NULL;
	}
	if (!name_ok(p, usage, name) ||
	    !tensor_size(p, name ? name : "(scratch)", dtype, ndim, shape, &size))
		return NULL;
	t = tensor_add(p, usage == AXC_SCRATCH ? TENSOR_BSS : TENSOR_ARG, dtype, size);
	if (!t)
		return NULL;
	t->usage = usage;
	t->ndim = ndim;
	if (ndim)
		memcpy(t->shape, shape, ndim * sizeof(*shape));
	if (name)
		snprintf(t->name, sizeof(t->name), "%s", name);
	if (t->kind == TENSOR_ARG) {
		/* Lives everywhere: its definition is put before the first instruction. */
		t->addr = reg_add(p, REG_ARG);
		if (!t->addr)
			return NULL;
		t->addr->tensor = t;
		t->addr->loop = -1;
	}
	return t;
}

struct axc_tensor *axc_const_new(struct axc_program *p, enum axon_dtype dtype, const void *data,
				 uint64_t size)
{
	struct axc_tensor *t;
	uint8_t *copy;

	if (!p || p->err)
		return NULL;
	if (!axon_dtype_size(dtype) || !size || size > AXON_ELF_MAX_SIZE) {
		axc_fail(p, -EINVAL, "constant: bad type or size");
		return NULL;
	}
	copy = axc_zalloc(p, size);
	t = copy ? tensor_add(p, TENSOR_CONST, dtype, size) : NULL;
	if (!t) {
		free(copy);
		return NULL;
	}
	t->data = copy;
	if (data)
		memcpy(copy, data, size);
	return t;
}

void *axc_const_data(struct axc_tensor *t)
{
	return t && t->kind == TENSOR_CONST ? t->data : NULL;
}

uint64_t axc_tensor_size(const struct axc_tensor *t)
{
	return t ? t->size : 0;
}

void axc_tensor_split(struct axc_tensor *t, unsigned int parts)
{
	if (!t)
		return;
	if (!parts || parts > 65536)
		axc_fail(t->p, -EINVAL, "tensor %s: cannot be split into %u", t->name, parts);
	else
		t->nregions = parts;
}

/* ---- registers ---- */

/* A value made in a loop is gone after it: an engine may not have gone through the loop at all. */
bool axc_reg_usable(struct axc_program *p, const struct axc_reg *r, const char *what)
{
	int32_t loop;

	if (r->p != p) {
		axc_fail(p, -EINVAL, "%s: a register of another program", what);
		return false;
	}
	if (r->loop < 0)
		return true;
	for (loop = p->loop; loop >= 0; loop = p->ops[loop].loop)
		if (loop == r->loop)
			return true;
	axc_fail(p, -EINVAL, "%s: a register is used outside the loop it was made in", what);
	return false;
}

static struct axc_reg *reg_define(struct axc_program *p, enum reg_kind kind)
{
	struct op *op = axc_op_new(p, OP_REG);
	struct axc_reg *r = op ? reg_add(p, kind) : NULL;

	if (!r)
		return NULL;
	r->def = p->nops - 1;
	op->reg = r;
	return r;
}

struct axc_reg *axc_reg_imm(struct axc_program *p, uint64_t value)
{
	struct axc_reg *r = reg_define(p, REG_IMM);

	if (r)
		r->imm = value;
	return r;
}

struct axc_reg *axc_reg_load(struct axc_program *p, struct axc_tensor *t, uint64_t offset,
			     enum axon_dtype dtype)
{
	uint32_t size = axon_dtype_size(dtype);
	struct axc_reg *r;

	if (!p || p->err || !t)
		return NULL;
	if (t->p != p || t->kind == TENSOR_BSS ||
	    (t->kind == TENSOR_ARG && t->usage != AXC_INPUT)) {
		axc_fail(p, -EINVAL, "register load: only from an input or a constant");
		return NULL;
	}
	if (!size || dtype == AXON_DTYPE_FLOAT32 || dtype == AXON_DTYPE_BFLOAT16 ||
	    dtype == AXON_DTYPE_FLOAT16 || dtype >= AXON_DTYPE_FP8_E3 ||
	    dtype == AXON_DTYPE_FP32R || offset % size || offset > t->size ||
	    size > t->size - offset) {
		axc_fail(p, -EINVAL, "register load from %s: bad type or offset", t->name);
		return NULL;
	}
	r = reg_define(p, REG_LOAD);
	if (!r)
		return NULL;
	r->tensor = t;
	r->imm = offset;
	r->dtype = dtype;
	return r;
}

static struct axc_reg *reg_alu(struct axc_program *p, enum axon_reg_op op, struct axc_reg *a,
			       struct axc_reg *b, uint64_t imm, enum reg_kind kind)
{
	struct axc_reg *r;

	if (!p || p->err || !a || (kind == REG_OP && !b))
		return NULL;
	if ((unsigned int)op < AXON_RALU_ADD || (unsigned int)op > AXON_RALU_MAX) {
		axc_fail(p, -EINVAL, "register operation %d does not exist", op);
		return NULL;
	}
	if (!axc_reg_usable(p, a, "register operation") ||
	    (b && !axc_reg_usable(p, b, "register operation")))
		return NULL;
	r = reg_define(p, kind);
	if (!r)
		return NULL;
	r->op = op;
	r->a = a;
	r->b = b;
	r->imm = imm;
	return r;
}

struct axc_reg *axc_reg_op(struct axc_program *p, enum axon_reg_op op, struct axc_reg *a,
			   struct axc_reg *b)
{
	return reg_alu(p, op, a, b, 0, REG_OP);
}

struct axc_reg *axc_reg_opi(struct axc_program *p, enum axon_reg_op op, struct axc_reg *a,
			    uint64_t imm)
{
	return reg_alu(p, op, a, NULL, imm, REG_OPI);
}

/* ---- loops ---- */

struct axc_reg *axc_loop_begin(struct axc_program *p, uint64_t trips, struct axc_reg *trips_reg)
{
	struct axc_reg *r;
	struct op *op;

	if (!p || p->err)
		return NULL;
	if (p->loop_depth == MAX_LOOP_DEPTH || (!trips_reg && trips > INT32_MAX)) {
		axc_fail(p, -EINVAL, "loop: nested too deep or too many iterations");
		return NULL;
	}
	if (trips_reg && !axc_reg_usable(p, trips_reg, "loop"))
		return NULL;
	op = axc_op_new(p, OP_LOOP);
	if (!op)
		return NULL;
	op->trips = trips;
	op->trips_reg = trips_reg;
	op->loop_posts = axc_zalloc(p, NUM_PRODUCERS * sizeof(*op->loop_posts));
	p->loop = p->nops - 1;
	p->loop_depth++;
	r = reg_add(p, REG_LOOP);
	if (!r || p->err)
		return NULL;
	r->def = p->nops - 1;
	op->reg = r;
	return r;
}

void axc_loop_end(struct axc_program *p)
{
	struct axc_tile *t;
	struct op *op;

	if (!p || p->err)
		return;
	if (p->loop < 0) {
		axc_fail(p, -EINVAL, "a loop ends that did not begin");
		return;
	}
	for (t = p->tiles; t; t = t->next) {
		if (t->loop == p->loop && !t->freed) {
			axc_fail(p, -EINVAL, "a tile made in a loop is not freed at its end");
			return;
		}
	}
	op = axc_op_new(p, OP_END);
	if (!op)
		return;
	op->match = p->loop;
	p->ops[p->loop].match = p->nops - 1;
	p->loop = p->ops[p->loop].loop;
	op->loop = p->loop;
	p->loop_depth--;
}
