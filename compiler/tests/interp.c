/* SPDX-License-Identifier: MIT */
/*
 * interp.c - see interp.h. Written from Documentation/isa.rst alone, independently of the model.
 */
#include <gelf.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axon_elf.h"
#include "axon_isa.h"
#include "interp.h"

#define NE	AXON_NUM_ENGINES
#define NQ	AXON_NUM_DMA_QUEUES
#define PARTS	AXON_PARTITIONS
#define MAXN	AXON_MAX_FREE_ELEMS

struct transfer {
	struct axon_dma_desc d;
	uint8_t post_sem, post_op;
	uint16_t post_val;
};

struct range {
	uint8_t *at;
	size_t size;
	bool writable, owned;
};

struct interp {
	struct axon_inst *code[NE];
	uint32_t n[NE], pc[NE];
	uint64_t reg[NE][AXON_NUM_REGS];
	bool done[NE];
	uint32_t sem[AXON_NUM_SEMAPHORES];
	struct transfer *queue[NQ];
	uint32_t qhead[NQ], qtail[NQ], qcap[NQ];
	uint8_t *sbuf, *psum;
	struct range range[256];
	unsigned int nranges;
	uint64_t args[256];
	uint64_t executed;
	uint32_t rnd;
	bool bad;
	uint64_t used;		/* bytes of a partition touched so far */
	bool keep;		/* SBUF stays between runs */
	uint32_t *off[4];
	float *tmp[2];
};

static void fail(struct interp *in, const char *fmt, ...)
{
	va_list ap;

	if (in->bad)
		return;
	in->bad = true;
	fprintf(stderr, "interp: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
}

static uint32_t rnd(struct interp *in)
{
	in->rnd ^= in->rnd << 13;
	in->rnd ^= in->rnd >> 17;
	in->rnd ^= in->rnd << 5;
	return in->rnd;
}

/* ---- memory ---- */

static uint8_t *mem(struct interp *in, uint64_t addr, size_t size, bool write)
{
	unsigned int i;

	for (i = 0; i < in->nranges; i++) {
		uint64_t base = (uint64_t)(uintptr_t)in->range[i].at;

		if (addr >= base && addr - base <= in->range[i].size &&
		    size <= in->range[i].size - (addr - base) && (!write || in->range[i].writable))
			return in->range[i].at + (addr - base);
	}
	fail(in, "bad address %llx", (unsigned long long)addr);
	return NULL;
}

static uint8_t *chip(struct interp *in, unsigned int space, uint64_t part, uint64_t off,
		     size_t size)
{
	uint64_t bytes = space == AXON_SPACE_SBUF ? AXON_SBUF_PART_BYTES : AXON_PSUM_PART_BYTES;

	if (space > AXON_SPACE_PSUM || part >= PARTS || off > bytes || size > bytes - off) {
		fail(in, "bad chip address %llu %llu", (unsigned long long)part,
		     (unsigned long long)off);
		return NULL;
	}
	if (off + size > in->used)
		in->used = off + size;
	return (space == AXON_SPACE_SBUF ? in->sbuf : in->psum) + part * bytes + off;
}

static float from_bf16(uint16_t v)
{
	uint32_t b = (uint32_t)v << 16;
	float f;

	memcpy(&f, &b, 4);
	return f;
}

static uint16_t to_bf16(float f)
{
	uint32_t b;

	memcpy(&b, &f, 4);
	if (isnan(f))
		return (uint16_t)(b >> 16 | 0x40);
	return (uint16_t)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

static float get(struct interp *in, const uint8_t *at, unsigned int dtype)
{
	float f;
	uint16_t h;
	uint32_t u;
	_Float16 x;

	switch (dtype) {
	case AXON_DTYPE_FLOAT32:
		memcpy(&f, at, 4);
		return f;
	case AXON_DTYPE_BFLOAT16:
		memcpy(&h, at, 2);
		return from_bf16(h);
	case AXON_DTYPE_FLOAT16:
		memcpy(&x, at, 2);
		return (float)x;
	case AXON_DTYPE_UINT32:
		memcpy(&u, at, 4);
		return (float)u;
	case AXON_DTYPE_INT32:
		memcpy(&u, at, 4);
		return (float)(int32_t)u;
	case AXON_DTYPE_UINT8:
		return *at;
	default:
		fail(in, "type %u", dtype);
		return 0;
	}
}

static void put(struct interp *in, uint8_t *at, unsigned int dtype, float f)
{
	uint16_t h;
	uint32_t u;
	int32_t i;
	_Float16 x;

	switch (dtype) {
	case AXON_DTYPE_FLOAT32:
		memcpy(at, &f, 4);
		return;
	case AXON_DTYPE_BFLOAT16:
		h = to_bf16(f);
		memcpy(at, &h, 2);
		return;
	case AXON_DTYPE_FLOAT16:
		x = (_Float16)f;
		memcpy(at, &x, 2);
		return;
	case AXON_DTYPE_UINT32:
		u = f >= 4294967296.0f ? UINT32_MAX : f > 0 ? (uint32_t)rintf(f) : 0;
		memcpy(at, &u, 4);
		return;
	case AXON_DTYPE_INT32:
		i = f >= 2147483648.0f ? INT32_MAX : f < -2147483648.0f ? INT32_MIN :
			isnan(f) ? 0 : (int32_t)rintf(f);
		memcpy(at, &i, 4);
		return;
	default:
		fail(in, "type %u", dtype);
	}
}

/* ---- operands ---- */

static uint32_t count(const struct axon_ap *a)
{
	return (uint32_t)a->count[0] * a->count[1] * a->count[2] * a->count[3];
}

static bool start_ok(const struct axon_ap *a)
{
	if (!a->nparts || a->nparts > 128 || a->part + a->nparts > 128)
		return false;
	return a->nparts > 64 ? !a->part : a->part % (a->nparts > 32 ? 64 : 32) == 0;
}

/* Byte offsets of all elements of an operand in a partition. */
static uint32_t expand(struct interp *in, const struct axon_ap *a, unsigned int slot)
{
	uint32_t n = 0, size = axon_dtype_size(a->dtype), i[4];
	int64_t limit = a->space == AXON_SPACE_SBUF ? AXON_SBUF_PART_BYTES : AXON_PSUM_PART_BYTES;
	uint64_t total = (uint64_t)a->count[0] * a->count[1] * a->count[2] * a->count[3];

	if (!size || !start_ok(a) || !total || total > MAXN || a->offset % size) {
		fail(in, "bad operand %u: %u+%u, %ux%ux%ux%u", slot, a->part, a->nparts,
		     a->count[0], a->count[1], a->count[2], a->count[3]);
		return 0;
	}
	for (i[0] = 0; i[0] < a->count[0]; i[0]++)
		for (i[1] = 0; i[1] < a->count[1]; i[1]++)
			for (i[2] = 0; i[2] < a->count[2]; i[2]++)
				for (i[3] = 0; i[3] < a->count[3]; i[3]++) {
					int64_t o = (int64_t)i[0] * a->step[0] +
						    (int64_t)i[1] * a->step[1] +
						    (int64_t)i[2] * a->step[2] +
						    (int64_t)i[3] * a->step[3];

					o = a->offset + o * (int64_t)size;
					if (o < 0 || o + size > limit) {
						fail(in, "operand %u outside", slot);
						return 0;
					}
					if ((uint64_t)o + size > in->used)
						in->used = (uint64_t)o + size;
					in->off[slot][n++] = (uint32_t)o;
				}
	return n;
}

static uint8_t *elem(struct interp *in, const struct axon_ap *a, unsigned int slot, uint32_t p,
		     uint32_t i)
{
	return (a->space == AXON_SPACE_SBUF ? in->sbuf + (a->part + p) * AXON_SBUF_PART_BYTES
					    : in->psum + (a->part + p) * AXON_PSUM_PART_BYTES) +
	       in->off[slot][i];
}

static float at(struct interp *in, const struct axon_ap *a, unsigned int slot, uint32_t p,
		uint32_t i)
{
	return get(in, elem(in, a, slot, p, i), a->dtype);
}

static float imm(const struct axon_inst *x, unsigned int i)
{
	float f;

	memcpy(&f, &x->imm[i], 4);
	return f;
}

static float alu(struct interp *in, unsigned int op, float a, float b)
{
	switch (op) {
	case AXON_ALU_ADD: return a + b;
	case AXON_ALU_SUBTRACT: return a - b;
	case AXON_ALU_MULTIPLY: return a * b;
	case AXON_ALU_DIVIDE: return a / b;
	case AXON_ALU_MAX: return a > b ? a : b;
	case AXON_ALU_MIN: return a < b ? a : b;
	case AXON_ALU_EQ: return a == b;
	case AXON_ALU_GE: return a >= b;
	case AXON_ALU_GT: return a > b;
	default:
		fail(in, "operator %u", op);
		return 0;
	}
}

static float act(struct interp *in, unsigned int f, float x)
{
	switch (f) {
	case AXON_ACT_COPY: return x;
	case AXON_ACT_SQUARE: return x * x;
	case AXON_ACT_EXP: return expf(x);
	case AXON_ACT_SILU: return x / (1 + expf(-x));
	case AXON_ACT_SIGMOID: return 1 / (1 + expf(-x));
	case AXON_ACT_LOG: return logf(x);
	case AXON_ACT_SQRT: return sqrtf(x);
	case AXON_ACT_RSQRT: return 1 / sqrtf(x);
	case AXON_ACT_RELU: return x > 0 ? x : 0;
	default:
		fail(in, "function %u", f);
		return 0;
	}
}

/* ---- instructions ---- */

static void do_matmul(struct interp *in, const struct axon_inst *x)
{
	const struct axon_ap *d = &x->ap[0], *s = &x->ap[1], *v = &x->ap[2];
	uint32_t n = expand(in, d, 0), m = expand(in, s, 1), nv = expand(in, v, 2), i, j, k;

	if (in->bad)
		return;
	if (d->space != AXON_SPACE_PSUM || s->space || v->space || n != nv || n > 512 || m > 128 ||
	    d->nparts != m || s->nparts != v->nparts || d->dtype != AXON_DTYPE_FLOAT32 ||
	    s->dtype != v->dtype ||
	    in->off[0][0] / AXON_PSUM_BANK_BYTES != in->off[0][n - 1] / AXON_PSUM_BANK_BYTES) {
		fail(in, "matmul shapes: K %u/%u M %u/%u N %u/%u", s->nparts, v->nparts, m,
		     d->nparts, nv, n);
		return;
	}
	for (i = 0; i < m; i++) {
		float *acc = in->tmp[0];

		for (j = 0; j < n; j++)
			acc[j] = x->flags & AXON_F_ACCUMULATE ? at(in, d, 0, i, j) : 0;
		for (k = 0; k < s->nparts; k++) {
			float w = at(in, s, 1, k, i);

			for (j = 0; j < n; j++)
				acc[j] = fmaf(w, at(in, v, 2, k, j), acc[j]);
		}
		for (j = 0; j < n; j++)
			put(in, elem(in, d, 0, i, j), d->dtype, acc[j]);
	}
}

static bool same(struct interp *in, const struct axon_ap *a, const struct axon_ap *b)
{
	bool ok = a->nparts == b->nparts && !memcmp(a->count, b->count, sizeof(a->count));

	if (!ok)
		fail(in, "operands differ in shape");
	return ok;
}

static float scalar(struct interp *in, const struct axon_inst *x, unsigned int slot, bool tensor,
		    unsigned int i, uint32_t p)
{
	return tensor ? at(in, &x->ap[slot], slot, p, 0) : imm(x, i);
}

static void do_elementwise(struct interp *in, const struct axon_inst *x)
{
	const struct axon_ap *d = &x->ap[0], *a = &x->ap[1];
	uint32_t n = expand(in, d, 0), p, i;
	bool s2 = false, s3 = false;

	if (in->bad || (x->opcode != AXON_OP_MEMSET && (!same(in, d, a) || !expand(in, a, 1))))
		return;
	if (x->opcode == AXON_OP_TENSOR_TENSOR &&
	    (!same(in, d, &x->ap[2]) || !expand(in, &x->ap[2], 2)))
		return;
	if (x->opcode == AXON_OP_TENSOR_SCALAR || x->opcode == AXON_OP_ACTIVATION) {
		s2 = x->flags & 1;
		s3 = x->flags & 2;
		if (s2 && (expand(in, &x->ap[2], 2) != 1 || x->ap[2].nparts != d->nparts))
			fail(in, "scalar operand");
		if ((s3 || (x->opcode == AXON_OP_ACTIVATION && x->flags & AXON_F_SUM)) &&
		    (expand(in, &x->ap[3], 3) != 1 || x->ap[3].nparts != d->nparts))
			fail(in, "scalar operand");
	}
	for (p = 0; p < d->nparts && !in->bad; p++) {
		float sum = 0;

		for (i = 0; i < n; i++) {
			float r = x->opcode == AXON_OP_MEMSET ? 0 : at(in, a, 1, p, i);

			switch (x->opcode) {
			case AXON_OP_MEMSET:
				memcpy(elem(in, d, 0, p, i), &x->imm[0], axon_dtype_size(d->dtype));
				continue;
			case AXON_OP_TENSOR_TENSOR:
				r = alu(in, x->op0, r, at(in, &x->ap[2], 2, p, i));
				break;
			case AXON_OP_TENSOR_SCALAR: {
				float s = scalar(in, x, 2, s2, 0, p);

				r = x->flags & AXON_F_REVERSE0 ? alu(in, x->op0, s, r)
							       : alu(in, x->op0, r, s);
				s = scalar(in, x, 3, s3, 1, p);
				if (x->op1)
					r = x->flags & AXON_F_REVERSE1 ? alu(in, x->op1, s, r)
								       : alu(in, x->op1, r, s);
				break;
			}
			case AXON_OP_ACTIVATION:
				r = act(in, x->op0, fmaf(r, scalar(in, x, 3, s3, 0, p),
							 scalar(in, x, 2, s2, 1, p)));
				sum += r;
				break;
			}
			in->tmp[0][i] = r;
		}
		for (i = 0; i < n && x->opcode != AXON_OP_MEMSET; i++)
			put(in, elem(in, d, 0, p, i), d->dtype, in->tmp[0][i]);
		if (x->opcode == AXON_OP_ACTIVATION && x->flags & AXON_F_SUM)
			put(in, elem(in, &x->ap[3], 3, p, 0), AXON_DTYPE_FLOAT32, sum);
	}
}

static void do_reduce(struct interp *in, const struct axon_inst *x)
{
	const struct axon_ap *d = &x->ap[0], *a = &x->ap[1];
	uint32_t n = expand(in, d, 0), m = expand(in, a, 1), p, i, j, k;

	if (in->bad)
		return;
	for (i = 0; i < 4; i++)
		if (d->count[i] != (i < 4u - x->op1 ? a->count[i] : 1))
			fail(in, "reduce shape");
	k = m / n;
	for (p = 0; p < d->nparts && !in->bad; p++)
		for (i = 0; i < n; i++) {
			float r = at(in, a, 1, p, i * k);

			for (j = 1; j < k; j++)
				r = alu(in, x->op0, r, at(in, a, 1, p, i * k + j));
			put(in, elem(in, d, 0, p, i), d->dtype, r);
		}
}

static void do_max8(struct interp *in, const struct axon_inst *x)
{
	bool find = x->opcode == AXON_OP_FIND_INDEX8;
	const struct axon_ap *d = &x->ap[0], *src = &x->ap[find ? 2 : 1];
	uint32_t n, i, j, p, got;
	bool *used = calloc(MAXN, 1);

	expand(in, d, 0);
	n = expand(in, src, 2);
	if (find)
		expand(in, &x->ap[1], 1);
	if (!in->bad && (count(d) != 8 || n < 8 || n > 16384))
		fail(in, "max8 shape");
	for (p = 0; p < d->nparts && !in->bad; p++) {
		memset(used, 0, n);
		for (j = 0; j < 8; j++) {
			float want = find ? at(in, &x->ap[1], 1, p, j) : 0;

			got = UINT32_MAX;
			for (i = 0; i < n; i++) {
				float v = at(in, src, 2, p, i);

				if (used[i])
					continue;
				if (find ? v == want && got == UINT32_MAX
					 : got == UINT32_MAX || v > at(in, src, 2, p, got))
					got = i;
			}
			if (got != UINT32_MAX)
				used[got] = true;
			if (find)
				memcpy(elem(in, d, 0, p, j), &got, 4);
			else
				put(in, elem(in, d, 0, p, j), d->dtype, at(in, src, 2, p, got));
		}
	}
	free(used);
}

static void do_iota(struct interp *in, const struct axon_inst *x)
{
	const struct axon_ap *d = &x->ap[0], *pat = &x->ap[1];
	struct axon_ap walk = *d;
	uint32_t n = expand(in, d, 0), p, i;

	memcpy(walk.step, pat->step, sizeof(walk.step));
	walk.dtype = AXON_DTYPE_UINT32;
	walk.offset = 0;
	if (in->bad || !expand(in, &walk, 1))
		return;
	for (p = 0; p < d->nparts; p++)
		for (i = 0; i < n; i++)
			put(in, elem(in, d, 0, p, i), d->dtype,
			    (float)((int32_t)x->imm[0] + (int32_t)pat->offset * (int32_t)p +
				    (int32_t)(in->off[1][i] / 4)));
}

/* What AFFINE_SELECT compares with 0 for element @i of partition @p, modulo 2^32. */
static int32_t affine(const struct axon_inst *x, uint32_t p, uint32_t i)
{
	const struct axon_ap *d = &x->ap[0], *pat = &x->ap[2];
	uint32_t v = x->imm[0] + pat->offset * p;
	int a;

	for (a = 3; a >= 0; a--) {
		v += (uint32_t)(pat->step[a] * (int32_t)(i % d->count[a]));
		i /= d->count[a];
	}
	return (int32_t)v;
}

static void do_affine_select(struct interp *in, const struct axon_inst *x)
{
	const struct axon_ap *d = &x->ap[0], *s = &x->ap[1], *pat = &x->ap[2];
	uint32_t n = expand(in, d, 0), p, i;

	if (in->bad || !same(in, d, s) || !expand(in, s, 1))
		return;
	if (pat->space || pat->dtype || pat->part || pat->nparts || pat->count[0]) {
		fail(in, "affine_select: more than a pattern");
		return;
	}
	for (p = 0; p < d->nparts; p++)
		for (i = 0; i < n; i++)
			put(in, elem(in, d, 0, p, i), d->dtype,
			    alu(in, x->op0, (float)affine(x, p, i), 0) != 0 ? at(in, s, 1, p, i)
									    : imm(x, 1));
}

static void do_transpose(struct interp *in, const struct axon_inst *x)
{
	const struct axon_ap *d = &x->ap[0], *s = &x->ap[1];
	uint32_t n = expand(in, d, 0), m = expand(in, s, 1), i, j;

	if (!in->bad && (n != s->nparts || m != d->nparts))
		fail(in, "transpose shape");
	for (i = 0; i < m && !in->bad; i++)
		for (j = 0; j < n; j++)
			memcpy(elem(in, d, 0, i, j), elem(in, s, 1, j, i),
			       axon_dtype_size(d->dtype));
}

static void patch(struct interp *in, unsigned int e, struct axon_inst *x)
{
	unsigned int i;

	for (i = 0; i < AXON_NUM_PATCHES; i++) {
		uint64_t r;
		uint8_t f = x->patch[i].field;
		struct axon_ap *a = &x->ap[f >> 4 & 3];

		if (x->patch[i].reg == AXON_SREG_NONE)
			continue;
		r = in->reg[e][x->patch[i].reg];
		if (f == AXON_PATCH_DMA_SRC)
			x->dma.src += r;
		else if (f == AXON_PATCH_DMA_DST)
			x->dma.dst += r;
		else if (f == AXON_PATCH_DMA_INDEX)
			x->dma.index_addr += r;
		else if (f >= AXON_PATCH_DMA_COUNT0 && f <= AXON_PATCH_DMA_COUNT3)
			x->dma.count[f - AXON_PATCH_DMA_COUNT0] += (uint32_t)r;
		else if (f < 0x40 && (f & 15) == AXON_PATCH_OFFSET)
			a->offset += (uint32_t)r;
		else if (f < 0x40 && (f & 15) <= AXON_PATCH_COUNT3)
			a->count[(f & 15) - 1] += (uint16_t)r;
		else
			fail(in, "patch %x", f);
	}
}

static void queue_dma(struct interp *in, const struct axon_inst *x)
{
	unsigned int q = x->op0;

	if (q >= NQ) {
		fail(in, "queue %u", q);
		return;
	}
	if (in->qtail[q] == in->qcap[q]) {
		in->qcap[q] = in->qcap[q] ? in->qcap[q] * 2 : 64;
		in->queue[q] = realloc(in->queue[q], in->qcap[q] * sizeof(*in->queue[q]));
	}
	in->queue[q][in->qtail[q]++] = (struct transfer){
		.d = x->dma, .post_sem = x->post_sem, .post_op = x->post_op,
		.post_val = x->post_val,
	};
}

static void do_reg(struct interp *in, unsigned int e, const struct axon_inst *x)
{
	const struct axon_ctl *c = &x->ctl;
	uint64_t a = c->ra == AXON_SREG_NONE ? 0 : in->reg[e][c->ra];
	uint64_t b = c->rb == AXON_SREG_NONE ? c->imm : in->reg[e][c->rb], r = 0;
	uint32_t size = axon_dtype_size(c->dtype);
	uint8_t *m;

	if (x->opcode == AXON_OP_REG_LOAD) {
		m = mem(in, a + c->imm, size, false);
		if (m)
			memcpy(&r, m, size);
		in->reg[e][c->rd] = r;
		return;
	}
	switch (x->op0) {
	case AXON_RALU_MOV: r = b; break;
	case AXON_RALU_ADD: r = a + b; break;
	case AXON_RALU_SUB: r = a - b; break;
	case AXON_RALU_MUL: r = a * b; break;
	case AXON_RALU_AND: r = a & b; break;
	case AXON_RALU_OR: r = a | b; break;
	case AXON_RALU_XOR: r = a ^ b; break;
	case AXON_RALU_SHL: r = a << (b & 63); break;
	case AXON_RALU_SHR: r = a >> (b & 63); break;
	case AXON_RALU_MIN: r = a < b ? a : b; break;
	case AXON_RALU_MAX: r = a > b ? a : b; break;
	default: fail(in, "register operation %u", x->op0);
	}
	in->reg[e][c->rd] = r;
}

static void do_branch(struct interp *in, unsigned int e, const struct axon_inst *x)
{
	const struct axon_ctl *c = &x->ctl;
	int64_t a = c->ra == AXON_SREG_NONE ? 0 : (int64_t)in->reg[e][c->ra];
	int64_t b = c->rb == AXON_SREG_NONE ? (int64_t)c->imm : (int64_t)in->reg[e][c->rb];

	if (x->op0 == AXON_COND_ALWAYS || (x->op0 == AXON_COND_EQ && a == b) ||
	    (x->op0 == AXON_COND_NE && a != b) || (x->op0 == AXON_COND_LT && a < b) ||
	    (x->op0 == AXON_COND_GE && a >= b))
		in->pc[e] = c->target;
}

static void post(struct interp *in, uint8_t sem, uint8_t op, uint16_t val)
{
	if (op == AXON_POST_ADD)
		in->sem[sem] += val;
	else if (op)
		fail(in, "post %u", op);
}

static bool blocked(const struct interp *in, unsigned int e)
{
	const struct axon_inst *x = &in->code[e][in->pc[e]];
	uint32_t want = x->wait_val;

	if (x->wait_op == AXON_WAIT_NONE)
		return false;
	if (x->wait_reg != AXON_SREG_NONE)
		want += (uint32_t)in->reg[e][x->wait_reg];
	return (int32_t)(in->sem[x->wait_sem] - want) < 0;
}

static void step_engine(struct interp *in, unsigned int e)
{
	struct axon_inst x = in->code[e][in->pc[e]++];

	in->executed++;
	patch(in, e, &x);
	switch (x.opcode) {
	case AXON_OP_NOP: break;
	case AXON_OP_HALT: in->done[e] = true; break;
	case AXON_OP_REG_ALU:
	case AXON_OP_REG_LOAD: do_reg(in, e, &x); break;
	case AXON_OP_BRANCH: do_branch(in, e, &x); break;
	case AXON_OP_DMA: queue_dma(in, &x); return;
	case AXON_OP_MATMUL: do_matmul(in, &x); break;
	case AXON_OP_TRANSPOSE: do_transpose(in, &x); break;
	case AXON_OP_TENSOR_REDUCE: do_reduce(in, &x); break;
	case AXON_OP_MAX8:
	case AXON_OP_FIND_INDEX8: do_max8(in, &x); break;
	case AXON_OP_IOTA: do_iota(in, &x); break;
	case AXON_OP_AFFINE_SELECT: do_affine_select(in, &x); break;
	case AXON_OP_COPY:
	case AXON_OP_MEMSET:
	case AXON_OP_TENSOR_TENSOR:
	case AXON_OP_TENSOR_SCALAR:
	case AXON_OP_ACTIVATION: do_elementwise(in, &x); break;
	default: fail(in, "opcode %x", x.opcode);
	}
	if (in->pc[e] >= in->n[e] && !in->done[e])
		fail(in, "engine %u ran past its end", e);
	post(in, x.post_sem, x.post_op, x.post_val);
}

static uint8_t *dma_end(struct interp *in, unsigned int space, uint64_t addr, uint32_t size,
			bool wr)
{
	if (space == AXON_SPACE_MEM)
		return mem(in, addr, size, wr);
	return chip(in, space, addr >> AXON_PART_SHIFT, addr & (AXON_PART_STRIDE - 1), size);
}

static void step_queue(struct interp *in, unsigned int q)
{
	const struct transfer *t = &in->queue[q][in->qhead[q]++];
	const struct axon_dma_desc *d = &t->d;
	uint32_t i[4], ssize = axon_dtype_size(d->src_dtype), dsize = axon_dtype_size(d->dst_dtype);

	for (i[0] = 0; i[0] < 4; i[0]++)
		if (!d->count[i[0]] || d->count[i[0]] > 1u << 30)
			fail(in, "dma count %u", d->count[i[0]]);
	for (i[0] = 0; i[0] < d->count[0] && !in->bad; i[0]++) {
		int64_t s0 = i[0], d0 = i[0];

		if (d->flags) {
			uint32_t index = 0;
			uint8_t *m = mem(in, d->index_addr + 4ull * i[0], 4, false);

			if (m)
				memcpy(&index, m, 4);
			if (index >= d->index_bound)
				fail(in, "dma index %u of %u", index, d->index_bound);
			*(d->flags & AXON_DMA_F_GATHER ? &s0 : &d0) = index;
		}
		for (i[1] = 0; i[1] < d->count[1] && !in->bad; i[1]++)
			for (i[2] = 0; i[2] < d->count[2] && !in->bad; i[2]++)
				for (i[3] = 0; i[3] < d->count[3] && !in->bad; i[3]++) {
					uint64_t sa = d->src + (uint64_t)(s0 * d->src_step[0] +
						(int64_t)i[1] * d->src_step[1] +
						(int64_t)i[2] * d->src_step[2] +
						(int64_t)i[3] * d->src_step[3]);
					uint64_t da = d->dst + (uint64_t)(d0 * d->dst_step[0] +
						(int64_t)i[1] * d->dst_step[1] +
						(int64_t)i[2] * d->dst_step[2] +
						(int64_t)i[3] * d->dst_step[3]);
					uint8_t *s = dma_end(in, d->src_space, sa, ssize, false);
					uint8_t *w = dma_end(in, d->dst_space, da, dsize, true);

					if (!s || !w)
						return;
					if (d->op == AXON_DMA_ADD)
						put(in, w, d->dst_dtype,
						    get(in, w, d->dst_dtype) +
						    get(in, s, d->src_dtype));
					else if (d->src_dtype == d->dst_dtype)
						memmove(w, s, ssize);
					else
						put(in, w, d->dst_dtype, get(in, s, d->src_dtype));
				}
	}
	post(in, t->post_sem, t->post_op, t->post_val);
}

/* ---- a launch ---- */

/* Some of the runs favour one engine or queue, so that it gets as far ahead as it may. */
static int pick(struct interp *in, uint32_t favour)
{
	unsigned int able[NE + NQ], n = 0, i;

	for (i = 0; i < NE; i++)
		if (in->n[i] && !in->done[i] && !blocked(in, i))
			able[n++] = i;
	for (i = 0; i < NQ; i++)
		if (in->qhead[i] < in->qtail[i])
			able[n++] = NE + i;
	if (!n)
		return -1;
	for (i = 0; i < n && rnd(in) % 8; i++)
		if (able[i] == favour % (NE + NQ))
			return (int)able[i];
	return (int)able[rnd(in) % n];
}

static void reset(struct interp *in, uint32_t seed)
{
	size_t i;

	memset(in->pc, 0, sizeof(in->pc));
	memset(in->reg, 0, sizeof(in->reg));
	memset(in->done, 0, sizeof(in->done));
	memset(in->sem, 0, sizeof(in->sem));
	memset(in->qhead, 0, sizeof(in->qhead));
	memset(in->qtail, 0, sizeof(in->qtail));
	/* Undefined at the start of a launch: NaNs find who reads it. */
	for (i = 0; i < PARTS && !in->keep; i++)
		memset(in->sbuf + i * AXON_SBUF_PART_BYTES, 0xff, in->used);
	memset(in->psum, 0xff, PARTS * (size_t)AXON_PSUM_PART_BYTES);
	in->used = in->keep ? in->used : 0;
	for (i = 0; i < NE; i++) {
		in->reg[i][AXON_SREG_ARGS] = (uint64_t)(uintptr_t)in->args;
		in->reg[i][AXON_SREG_KEPT] = in->keep;
	}
	in->rnd = seed * 2654435761u + 1;
	in->executed = 0;
	in->bad = false;
}

int interp_run(struct interp *in, uint32_t seed)
{
	unsigned int e;
	int who;

	reset(in, seed);
	while (!in->bad) {
		who = pick(in, seed);
		if (who < 0)
			break;
		if (who < NE)
			step_engine(in, (unsigned int)who);
		else
			step_queue(in, (unsigned int)who - NE);
	}
	for (e = 0; e < NE && !in->bad; e++)
		if (in->n[e] && !in->done[e])
			fail(in, "deadlock: engine %u at %u: semaphore %u is %u, wanted %u",
			     e, in->pc[e], in->code[e][in->pc[e]].wait_sem,
			     in->sem[in->code[e][in->pc[e]].wait_sem],
			     in->code[e][in->pc[e]].wait_val);
	return in->bad ? -1 : 0;
}

void interp_keep(struct interp *in, bool keep)
{
	in->keep = keep;
}

uint64_t interp_executed(const struct interp *in)
{
	return in->executed;
}

/* ---- loading ---- */

static const char *const text[NE] = {
	".text.tensor", ".text.vector", ".text.scalar", ".text.gpsimd", ".text.sync",
};

static uint8_t *add_range(struct interp *in, void *data, size_t size, bool writable, bool owned)
{
	in->range[in->nranges++] = (struct range){ data, size, writable, owned };
	return data;
}

static void load_section(struct interp *in, const char *name, const Elf64_Shdr *sh,
			 const uint8_t *file, uint64_t base[2])
{
	unsigned int e;

	for (e = 0; e < NE; e++) {
		if (strcmp(name, text[e]))
			continue;
		in->n[e] = (uint32_t)(sh->sh_size / sizeof(struct axon_inst));
		in->code[e] = malloc(sh->sh_size);
		memcpy(in->code[e], file + sh->sh_offset, sh->sh_size);
	}
	if (!strcmp(name, ".const")) {
		uint8_t *m = malloc(sh->sh_size);

		memcpy(m, file + sh->sh_offset, sh->sh_size);
		base[0] = (uint64_t)(uintptr_t)add_range(in, m, sh->sh_size, false, true);
	}
	if (!strcmp(name, ".bss"))
		base[1] = (uint64_t)(uintptr_t)add_range(in, calloc(1, sh->sh_size), sh->sh_size,
							 true, true);
}

static void relocate(struct interp *in, const char *name, const Elf64_Shdr *sh, Elf *elf,
		     const uint8_t *file, const uint64_t base[2])
{
	const Elf64_Rela *r = (const void *)(file + sh->sh_offset);
	Elf64_Shdr *symh = elf64_getshdr(elf_getscn(elf, sh->sh_link));
	const Elf64_Sym *sym = (const void *)(file + symh->sh_offset);
	size_t i, n = sh->sh_size / sizeof(*r);
	unsigned int e;

	for (e = 0; e < NE && strcmp(name + strlen(".rela"), text[e]); e++)
		;
	for (i = 0; i < n && e < NE; i++) {
		const char *s = elf_strptr(elf, symh->sh_link,
					   sym[ELF64_R_SYM(r[i].r_info)].st_name);
		uint64_t v = base[strcmp(s, AXON_SYM_CONST) != 0] + (uint64_t)r[i].r_addend;

		memcpy((uint8_t *)in->code[e] + r[i].r_offset, &v, 8);
	}
}

static bool bind(struct interp *in, const Elf64_Shdr *sh, const uint8_t *file,
		 const struct interp_tensor *tensors, unsigned int n)
{
	const struct axon_elf_tensor *t = (const void *)(file + sh->sh_offset);
	size_t count_of = sh->sh_size / sizeof(*t), i;
	unsigned int j;

	for (i = 0; i < count_of; i++) {
		for (j = 0; j < n && strcmp(tensors[j].name, t[i].name); j++)
			;
		if (j == n || tensors[j].size != t[i].size) {
			fail(in, "tensor %s is missing or has another size", t[i].name);
			return false;
		}
		in->args[i] = (uint64_t)(uintptr_t)tensors[j].data;
		add_range(in, tensors[j].data, tensors[j].size,
			  t[i].usage == AXON_ELF_TENSOR_OUTPUT, false);
	}
	return true;
}

struct interp *interp_load(const void *file, size_t size, const struct interp_tensor *tensors,
			   unsigned int n)
{
	struct interp *in = calloc(1, sizeof(*in));
	Elf_Scn *scn = NULL;
	uint64_t base[2] = { 0 };
	size_t strndx;
	unsigned int i;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)file, size);
	in->sbuf = malloc(PARTS * (size_t)AXON_SBUF_PART_BYTES);
	in->psum = malloc(PARTS * (size_t)AXON_PSUM_PART_BYTES);
	for (i = 0; i < 4; i++)
		in->off[i] = malloc(MAXN * sizeof(uint32_t));
	in->tmp[0] = malloc(MAXN * sizeof(float));
	in->used = AXON_SBUF_PART_BYTES;
	add_range(in, in->args, sizeof(in->args), false, false);
	if (!elf || elf_getshdrstrndx(elf, &strndx)) {
		fail(in, "not an ELF file: %s", elf_errmsg(-1));
		goto bad;
	}
	while ((scn = elf_nextscn(elf, scn)))
		load_section(in, elf_strptr(elf, strndx, elf64_getshdr(scn)->sh_name),
			     elf64_getshdr(scn), file, base);
	while ((scn = elf_nextscn(elf, scn))) {
		const Elf64_Shdr *sh = elf64_getshdr(scn);
		const char *name = elf_strptr(elf, strndx, sh->sh_name);

		if (sh->sh_type == SHT_RELA)
			relocate(in, name, sh, elf, file, base);
		if (!strcmp(name, ".axon.tensors") && !bind(in, sh, file, tensors, n))
			goto bad;
	}
	elf_end(elf);
	return in;
bad:
	elf_end(elf);
	interp_free(in);
	return NULL;
}

void interp_free(struct interp *in)
{
	unsigned int i;

	if (!in)
		return;
	for (i = 0; i < NE; i++)
		free(in->code[i]);
	for (i = 0; i < NQ; i++)
		free(in->queue[i]);
	for (i = 0; i < in->nranges; i++)
		if (in->range[i].owned)
			free(in->range[i].at);
	for (i = 0; i < 4; i++)
		free(in->off[i]);
	free(in->tmp[0]);
	free(in->sbuf);
	free(in->psum);
	free(in);
}
