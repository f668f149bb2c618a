/* SPDX-License-Identifier: MIT */
/*
 * use.c - which engine needs which register value, and up to where.
 *
 * Walks the program backwards: an instruction needs its registers on its engine, a needed value
 * needs its operands there. What no engine needs is never calculated.
 */
#include "internal.h"

static void need(struct axc_program *p, struct axc_reg *r, unsigned int engine, uint32_t at)
{
	int32_t loop = p->ops[at].loop, outer = -1;
	uint32_t last = at;

	/* A value from outside a loop is needed until the loop's last iteration has ended. */
	for (; loop >= 0 && loop != r->loop; loop = p->ops[loop].loop)
		outer = loop;
	if (outer >= 0)
		last = p->ops[outer].match;
	r->used[engine] = true;
	if (last > r->last_use[engine])
		r->last_use[engine] = last;
}

static void use_of_loop(struct axc_program *p, uint32_t end)
{
	struct op *loop = &p->ops[p->ops[end].match];
	unsigned int e;

	for (e = 0; e < AXON_NUM_ENGINES; e++) {
		if (loop->engines >> e & 1) {
			loop->reg->used[e] = true;
			loop->reg->last_use[e] = end;
		} else if (!loop->base_moves[e]) {
			continue;
		}
		if (loop->trips_reg)
			need(p, loop->trips_reg, e, end);
	}
}

int use_registers(struct axc_program *p)
{
	unsigned int e, k;
	uint32_t i;

	for (i = p->nops; i-- > 0;) {
		struct op *op = &p->ops[i];

		for (k = 0; k < op->npatch; k++)
			need(p, op->patch[k], op->engine, i);
		if (op->kind == OP_END)
			use_of_loop(p, i);
		if (op->kind != OP_REG)
			continue;
		for (e = 0; e < AXON_NUM_ENGINES; e++) {
			if (!op->reg->used[e])
				continue;
			if (op->reg->a)
				need(p, op->reg->a, e, i);
			if (op->reg->b)
				need(p, op->reg->b, e, i);
			if (op->reg->tensor && op->reg->tensor->addr)
				need(p, op->reg->tensor->addr, e, i);
		}
	}
	return p->err;
}
