/* SPDX-License-Identifier: MIT */
/*
 * cc.c - collectives inside a program: checks and recording.
 *
 * The engine that hands one over waits for its data as for any operands and raises a semaphore; the
 * collectives sequencer, whose code the loader makes, waits for that, and raises the semaphore of
 * its own when it is done. To the scheduler it is one more queue.
 */
#include "internal.h"

static bool cc_fail(struct axc_program *p, const char *what)
{
	axc_fail(p, -EINVAL, "collective: %s", what);
	return false;
}

/* With one rank; how much more there is with several is checked when the program is loaded. */
static bool buffer_ok(struct axc_program *p, const struct axc_tensor *t, uint64_t offset,
		      uint32_t region, uint64_t bytes)
{
	if (!t || t->p != p || t->kind != TENSOR_BSS)
		return cc_fail(p, "buffers are scratch tensors of the program");
	if (offset > t->size || bytes > t->size - offset)
		return cc_fail(p, "the data leave their tensor");
	if (region != AXC_REGION_ALL && region >= t->nregions)
		return cc_fail(p, "the tensor has no such region");
	return true;
}

static bool reduces(uint32_t coll)
{
	return coll == AXON_ELF_ALL_REDUCE || coll == AXON_ELF_REDUCE_SCATTER ||
		coll == AXON_ELF_REDUCE;
}

static bool has_root(uint32_t coll)
{
	return coll == AXON_ELF_BROADCAST || coll == AXON_ELF_REDUCE;
}

static bool collective_ok(struct axc_program *p, const struct axc_collective *c)
{
	uint64_t esz = axon_dtype_size(c->dtype);

	if ((unsigned int)c->coll >= AXON_ELF_NUM_COLLS ||
	    (unsigned int)c->reduction >= AXON_ELF_NUM_REDUCTIONS ||
	    (unsigned int)c->engine >= AXON_NUM_ENGINES || !esz)
		return cc_fail(p, "bad operation, reduction, type or engine");
	if ((c->reduction && !reduces(c->coll)) || (c->root && !has_root(c->coll)))
		return cc_fail(p, "this operation has no reduction, or no root");
	if (!c->count || c->count > AXON_ELF_MAX_SIZE / esz)
		return cc_fail(p, "no elements, or too many");
	if (p->loop >= 0)
		return cc_fail(p, "it cannot stand in a loop");
	if (p->nccs == AXON_ELF_MAX_COLLECTIVES)
		return cc_fail(p, "too many in one program");
	return buffer_ok(p, c->send, c->send_offset, c->send_region, c->count * esz) &&
	       buffer_ok(p, c->recv, c->recv_offset, c->recv_region, c->count * esz);
}

static void add_access(struct op *op, struct axc_tensor *t, uint32_t region, bool write)
{
	op->access[op->naccess++] = (struct access){ .tensor = t, .region = region,
						     .write = write };
}

void axc_collective(struct axc_program *p, const struct axc_collective *c)
{
	struct op *op;
	struct cc *cc;

	if (!p || p->err || !c || !collective_ok(p, c) ||
	    !axc_grow(p, &p->ccs, &p->ccs_cap, p->nccs + 1, sizeof(*p->ccs)))
		return;
	op = axc_op_new(p, OP_CC);
	if (!op)
		return;
	op->engine = c->engine;
	op->inst.opcode = AXON_OP_NOP;
	add_access(op, c->recv, c->recv_region, true);
	add_access(op, c->send, c->send_region, false);
	cc = &p->ccs[p->nccs++];
	*cc = (struct cc){
		.elf = {
			.coll = c->coll,
			.reduction = c->reduction,
			.dtype = c->dtype,
			.root = c->root,
			.count = c->count,
			.wait_val = p->nccs,
			.wait_sem = CC_TRIGGER_SEM,
			.post_sem = PRODUCER_SEM(CC_PRODUCER),
			.first_sem = CC_FIRST_SEM,
		},
		.send = c->send,
		.recv = c->recv,
		.send_offset = c->send_offset,
		.recv_offset = c->recv_offset,
	};
}
