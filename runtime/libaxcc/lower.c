// SPDX-License-Identifier: MIT
/*
 * lower.c - the steps of one rank of a schedule as instructions of the collectives sequencer. A
 * wait is part of the instruction that waits, further ones are NOPs before it. It trusts the
 * schedule, which must have been verified, and touches no card.
 */
#include <string.h>

#include "internal.h"

#define NO_ADDRESS	UINT64_MAX

/* Where the buffers of a rank lie, as far as they were asked for. */
struct addresses {
	uint64_t va[AXCC_MAX_RANKS][AXCC_NUM_BUFS];
};

static const uint8_t dma_op[AXCC_NUM_REDUCTIONS] = {
	[AXCC_SUM] = AXON_DMA_ADD,
	[AXCC_MAX] = AXON_DMA_MAX,
	[AXCC_MIN] = AXON_DMA_MIN,
};

struct axon_inst cc_inst(uint8_t opcode)
{
	struct axon_inst inst = { .opcode = opcode };
	unsigned int i;

	for (i = 0; i < AXON_NUM_PATCHES; i++)
		inst.patch[i].reg = AXON_SREG_NONE;
	inst.wait_reg = AXON_SREG_NONE;
	return inst;
}

uint32_t cc_lower_room(const struct cc_lowering *l)
{
	const struct axcc_rank_steps *r = &l->schedule->rank[l->rank];

	return r->num_steps + r->num_waits;
}

static void set_wait(const struct cc_lowering *l, struct axon_inst *inst,
		     const struct axcc_wait *wait)
{
	inst->wait_op = AXON_WAIT_GE;
	inst->wait_sem = (uint8_t)(l->first_sem + wait->sem);
	inst->wait_val = wait->value + (l->sem_value ? l->sem_value[wait->sem] : 0);
}

static void set_done(const struct cc_lowering *l, struct axon_inst *inst,
		     const struct axcc_post *done)
{
	if (!done->inc)
		return;
	inst->post_op = AXON_POST_ADD;
	inst->post_sem = (uint8_t)(l->first_sem + done->sem);
	inst->post_val = done->inc;
}

static uint16_t gang_rank(const struct cc_lowering *l, uint32_t rank)
{
	return l->gang_rank ? l->gang_rank[rank] : (uint16_t)rank;
}

static int place(const struct cc_lowering *l, struct addresses *a, const struct axcc_place *p,
		 __u64 *va)
{
	uint64_t *base = &a->va[p->rank][p->buffer];
	int err;

	if (*base == NO_ADDRESS) {
		err = l->address(l->opaque, p->rank, p->buffer, base);
		if (err)
			return err;
	}
	*va = *base + p->offset;
	return 0;
}

static int transfer(const struct cc_lowering *l, struct addresses *a, const struct axcc_step *step,
		    struct axon_inst *inst)
{
	const struct axcc_request *req = &l->schedule->req;
	int32_t size = (int32_t)l->schedule->elem_size;
	struct axon_dma_desc *d = &inst->dma;
	int err;

	err = place(l, a, &step->src, &d->src);
	if (!err)
		err = place(l, a, &step->dst, &d->dst);
	if (err)
		return err;
	d->src_space = d->dst_space = AXON_SPACE_MEM;
	d->src_dtype = d->dst_dtype = (uint8_t)req->dtype;
	d->op = step->kind == AXCC_STEP_REDUCE ? dma_op[req->reduction] : AXON_DMA_COPY;
	d->count[0] = d->count[1] = 1;
	d->count[2] = step->rows;
	d->count[3] = (uint32_t)step->count;
	/* Every row goes to the same target: row by row, in order. */
	d->src_step[2] = (int32_t)step->row_stride;
	d->src_step[3] = d->dst_step[3] = size;
	if (step->post.inc) {
		d->post_op = AXON_POST_ADD;
		d->post_rank = gang_rank(l, step->post.rank);
		d->post_sem = (uint8_t)(l->first_sem + step->post.sem);
		d->post_val = step->post.inc;
	}
	inst->op0 = step->queue;
	return 0;
}

static struct axon_inst post_inst(const struct cc_lowering *l, const struct axcc_post *post)
{
	struct axon_inst inst = cc_inst(AXON_OP_POST);

	inst.ctl.imm = gang_rank(l, post->rank);
	inst.ctl.rd = (uint8_t)(l->first_sem + post->sem);
	inst.ctl.ra = inst.ctl.rb = AXON_SREG_NONE;
	inst.ctl.dtype = AXON_POST_ADD;
	inst.ctl.target = post->inc;
	return inst;
}

static int lower_step(const struct cc_lowering *l, struct addresses *a,
		      const struct axcc_step *step, struct axon_inst *code, uint32_t *n)
{
	const struct axcc_wait *wait = &l->schedule->rank[l->rank].waits[step->first_wait];
	struct axon_inst inst;
	uint32_t i;
	int err;

	for (i = 0; i + 1 < step->num_waits; i++) {
		inst = cc_inst(AXON_OP_NOP);
		set_wait(l, &inst, &wait[i]);
		code[(*n)++] = inst;
	}
	if (step->kind != AXCC_STEP_NONE) {
		inst = cc_inst(AXON_OP_DMA);
		err = transfer(l, a, step, &inst);
		if (err)
			return err;
	} else {
		inst = step->post.inc ? post_inst(l, &step->post) : cc_inst(AXON_OP_NOP);
	}
	if (step->num_waits)
		set_wait(l, &inst, &wait[i]);
	set_done(l, &inst, &step->done);
	code[(*n)++] = inst;
	return 0;
}

/* Semaphores that are not back at 0: every post was waited for, so the sums are known. */
static void add_posts(const struct cc_lowering *l)
{
	const struct axcc_schedule *s = l->schedule;
	uint32_t rank, i;

	for (rank = 0; rank < s->req.ranks; rank++)
		for (i = 0; i < s->rank[rank].num_steps; i++) {
			const struct axcc_step *step = &s->rank[rank].steps[i];

			if (step->post.inc && step->post.rank == l->rank)
				l->sem_value[step->post.sem] += step->post.inc;
			if (step->done.inc && rank == l->rank)
				l->sem_value[step->done.sem] += step->done.inc;
		}
}

int cc_lower(const struct cc_lowering *l, struct axon_inst *code, uint32_t *count)
{
	const struct axcc_rank_steps *r = &l->schedule->rank[l->rank];
	struct addresses a;
	uint32_t i, n = 0;
	int err;

	memset(&a, 0xff, sizeof(a));
	for (i = 0; i < r->num_steps; i++) {
		err = lower_step(l, &a, &r->steps[i], code, &n);
		if (err)
			return err;
	}
	if (l->sem_value)
		add_posts(l);
	*count = n;
	return 0;
}
