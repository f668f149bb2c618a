/* SPDX-License-Identifier: MIT */
/*
 * layout.c - turns the recorded program into one instruction stream per engine.
 *
 * Gives registers to values by their life time, puts waits and posts into instructions (NOPs where
 * one needs more than one wait), makes loops of branches, and notes what the loader must relocate.
 */
#include <stddef.h>

#include "internal.h"

#define FIRST_REG	3u	/* after zero, arguments and core index */

/**
 * struct place - the stream being made
 * @owner: value in each register, or NULL
 * @next_free: earliest op after which a register becomes free
 * @base: register that counts a producer's past iterations, or NO_REG
 * @tmp: register for base arithmetic
 * @kept_from: branch in front of the kept transfers being put, or NO_BRANCH
 * @kept: how many of them, by queue
 */
struct place {
	struct axc_program *p;
	unsigned int engine;
	struct stream *out;
	struct axc_reg *owner[AXON_NUM_REGS];
	bool taken[AXON_NUM_REGS];
	uint32_t next_free;
	uint8_t base[NUM_PRODUCERS];
	uint8_t tmp;
	uint32_t depth;
	uint32_t start[MAX_LOOP_DEPTH], skip[MAX_LOOP_DEPTH];
	uint32_t kept_from;
	uint32_t kept[AXON_NUM_DMA_QUEUES];
};

#define NO_BRANCH	UINT32_MAX

static const struct axon_inst empty_inst = {
	.wait_reg = AXON_SREG_NONE,
	.patch = { { AXON_SREG_NONE, 0 }, { AXON_SREG_NONE, 0 },
		   { AXON_SREG_NONE, 0 }, { AXON_SREG_NONE, 0 } },
};

static struct axon_inst *append(struct place *pl)
{
	struct stream *out = pl->out;

	/* One is kept for HALT. */
	if (out->n >= AXON_MAX_PROGRAM_INSTS - 1) {
		axc_fail(pl->p, -ENOSPC, "more than %u instructions on engine %u",
			 AXON_MAX_PROGRAM_INSTS, pl->engine);
		return NULL;
	}
	if (!axc_grow(pl->p, &out->inst, &out->cap, out->n + 1, sizeof(*out->inst)))
		return NULL;
	out->inst[out->n] = empty_inst;
	return &out->inst[out->n++];
}

static uint8_t take_reg(struct place *pl)
{
	unsigned int i;

	for (i = FIRST_REG; i < AXON_NUM_REGS; i++) {
		if (!pl->taken[i]) {
			pl->taken[i] = true;
			return i;
		}
	}
	axc_fail(pl->p, -ENOSPC, "engine %u has no register left", pl->engine);
	return NO_REG;
}

static uint8_t give_reg(struct place *pl, struct axc_reg *r)
{
	uint8_t i = take_reg(pl);

	if (i == NO_REG)
		return i;
	pl->owner[i] = r;
	r->phys[pl->engine] = i;
	if (r->last_use[pl->engine] < pl->next_free)
		pl->next_free = r->last_use[pl->engine];
	return i;
}

static void release_regs(struct place *pl, uint32_t done)
{
	uint32_t last;
	unsigned int i;

	if (done < pl->next_free)
		return;
	pl->next_free = UINT32_MAX;
	for (i = FIRST_REG; i < AXON_NUM_REGS; i++) {
		if (!pl->owner[i])
			continue;
		last = pl->owner[i]->last_use[pl->engine];
		if (last <= done) {
			pl->owner[i] = NULL;
			pl->taken[i] = false;
		} else if (last < pl->next_free) {
			pl->next_free = last;
		}
	}
}

static uint8_t reg_of(struct place *pl, const struct axc_reg *r)
{
	uint8_t i = r->phys[pl->engine];

	if (i == NO_REG)
		axc_fail(pl->p, -EIO, "internal: a register value is missing on engine %u",
			 pl->engine);
	return i;
}

static void add_reloc(struct place *pl, uint32_t field, struct axc_tensor *t, uint64_t addend)
{
	struct stream *out = pl->out;

	if (!axc_grow(pl->p, &out->reloc, &out->reloc_cap, out->nrelocs + 1, sizeof(*out->reloc)))
		return;
	out->reloc[out->nrelocs].offset = (out->n - 1) * sizeof(struct axon_inst) + field;
	out->reloc[out->nrelocs].tensor = t;
	out->reloc[out->nrelocs++].addend = addend;
}

/* ---- control ---- */

static void put_alu(struct place *pl, unsigned int op, uint8_t rd, uint8_t ra, uint8_t rb,
		    uint64_t imm)
{
	struct axon_inst *in = append(pl);

	if (!in)
		return;
	in->opcode = AXON_OP_REG_ALU;
	in->op0 = op;
	in->ctl.rd = rd;
	in->ctl.ra = ra;
	in->ctl.rb = rb;
	in->ctl.imm = imm;
}

static void put_load(struct place *pl, uint8_t rd, uint8_t ra, uint64_t imm, unsigned int dtype)
{
	struct axon_inst *in = append(pl);

	if (!in)
		return;
	in->opcode = AXON_OP_REG_LOAD;
	in->ctl.rd = rd;
	in->ctl.ra = ra;
	in->ctl.rb = AXON_SREG_NONE;
	in->ctl.imm = imm;
	in->ctl.dtype = dtype;
}

static uint32_t put_branch(struct place *pl, unsigned int cond, uint8_t ra, uint8_t rb,
			   uint64_t imm, uint32_t target)
{
	struct axon_inst *in = append(pl);

	if (!in)
		return 0;
	in->opcode = AXON_OP_BRANCH;
	in->op0 = cond;
	in->ctl.ra = ra;
	in->ctl.rb = rb;
	in->ctl.imm = imm;
	in->ctl.target = target;
	return pl->out->n - 1;
}

static void put_reg(struct place *pl, struct axc_reg *r)
{
	uint8_t a = AXON_SREG_NONE, b = AXON_SREG_NONE, rd;

	if (!r->used[pl->engine])
		return;
	if (r->a)
		a = reg_of(pl, r->a);
	if (r->b)
		b = reg_of(pl, r->b);
	rd = give_reg(pl, r);
	if (r->kind == REG_IMM) {
		put_alu(pl, AXON_RALU_MOV, rd, AXON_SREG_NONE, AXON_SREG_NONE, r->imm);
	} else if (r->kind == REG_LOAD && r->tensor->kind == TENSOR_CONST) {
		put_load(pl, rd, AXON_SREG_NONE, 0, r->dtype);
		add_reloc(pl, offsetof(struct axon_inst, ctl.imm), r->tensor, r->imm);
	} else if (r->kind == REG_LOAD) {
		put_load(pl, rd, reg_of(pl, r->tensor->addr), r->imm, r->dtype);
	} else {
		put_alu(pl, r->op, rd, a, b, r->imm);
	}
}

/* Iterations of a loop this engine takes no part in have still moved the producers it waits for. */
static void move_bases_at_once(struct place *pl, const struct op *loop)
{
	uint32_t moves = loop->base_moves[pl->engine];
	unsigned int j;

	for (j = 0; j < NUM_PRODUCERS; j++) {
		if (!(moves >> j & 1))
			continue;
		if (!loop->trips_reg) {
			put_alu(pl, AXON_RALU_ADD, pl->base[j], pl->base[j], AXON_SREG_NONE,
				loop->trips * loop->loop_posts[j]);
			continue;
		}
		put_alu(pl, AXON_RALU_MUL, pl->tmp, reg_of(pl, loop->trips_reg), AXON_SREG_NONE,
			loop->loop_posts[j]);
		put_alu(pl, AXON_RALU_ADD, pl->base[j], pl->base[j], pl->tmp, 0);
	}
}

static void put_loop(struct place *pl, const struct op *loop)
{
	uint8_t counter;

	if (!(loop->engines >> pl->engine & 1))
		return;
	pl->skip[pl->depth] = NO_BRANCH;
	if (loop->trips_reg)
		pl->skip[pl->depth] = put_branch(pl, AXON_COND_EQ, reg_of(pl, loop->trips_reg),
						 AXON_SREG_NONE, 0, 0);
	else if (!loop->trips)
		pl->skip[pl->depth] = put_branch(pl, AXON_COND_ALWAYS, AXON_SREG_NONE,
						 AXON_SREG_NONE, 0, 0);
	counter = give_reg(pl, loop->reg);
	put_alu(pl, AXON_RALU_MOV, counter, AXON_SREG_NONE, AXON_SREG_NONE, 0);
	pl->start[pl->depth++] = pl->out->n;
}

static void put_end(struct place *pl, const struct op *end)
{
	const struct op *loop = &pl->p->ops[end->match];
	uint8_t counter, trips = AXON_SREG_NONE;
	struct axon_inst *in;
	unsigned int j;

	if (!(loop->engines >> pl->engine & 1)) {
		move_bases_at_once(pl, loop);
		return;
	}
	pl->depth--;
	counter = reg_of(pl, loop->reg);
	for (j = 0; j < NUM_PRODUCERS; j++)
		if (loop->base_moves[pl->engine] >> j & 1)
			put_alu(pl, AXON_RALU_ADD, pl->base[j], pl->base[j], AXON_SREG_NONE,
				loop->loop_posts[j]);
	put_alu(pl, AXON_RALU_ADD, counter, counter, AXON_SREG_NONE, 1);
	if (loop->trips_reg)
		trips = reg_of(pl, loop->trips_reg);
	put_branch(pl, AXON_COND_LT, counter, trips, loop->trips_reg ? 0 : loop->trips,
		   pl->start[pl->depth]);
	if (pl->p->err)
		return;
	if (pl->skip[pl->depth] != NO_BRANCH)
		pl->out->inst[pl->skip[pl->depth]].ctl.target = pl->out->n;
	if (!end->nop_post)
		return;
	in = append(pl);
	if (!in)
		return;
	in->opcode = AXON_OP_NOP;
	in->post_sem = PRODUCER_SEM(pl->engine);
	in->post_op = AXON_POST_ADD;
	in->post_val = 1;
}

/* ---- instructions ---- */

static void set_wait(struct place *pl, struct axon_inst *in, const struct wait *w)
{
	in->wait_sem = PRODUCER_SEM(w->producer);
	in->wait_op = AXON_WAIT_GE;
	in->wait_val = (uint32_t)w->count;
	in->wait_reg = pl->base[w->producer];
}

static void put_inst(struct place *pl, const struct op *op)
{
	const struct wait *w = &pl->p->waits[op->waits];
	struct axon_inst *in;
	unsigned int i;

	for (i = 0; i + 1 < op->nwaits; i++) {
		in = append(pl);
		if (!in)
			return;
		in->opcode = AXON_OP_NOP;
		set_wait(pl, in, &w[i]);
	}
	in = append(pl);
	if (!in)
		return;
	*in = op->inst;
	in->wait_reg = AXON_SREG_NONE;
	if (op->nwaits)
		set_wait(pl, in, &w[op->nwaits - 1]);
	if (op->posts) {
		in->post_sem = op->kind == OP_CC ? CC_TRIGGER_SEM : PRODUCER_SEM(producer_of(op));
		in->post_op = AXON_POST_ADD;
		in->post_val = 1;
	}
	for (i = 0; i < op->npatch; i++)
		in->patch[i].reg = reg_of(pl, op->patch[i]);
	for (i = 0; i < op->nrelocs; i++) {
		uint64_t *field = (uint64_t *)((char *)in + op->reloc[i]);
		uint64_t addend = *field;

		*field = 0;
		add_reloc(pl, op->reloc[i], op->reloc_tensor[i], addend);
	}
}

/* ---- what stays on chip ---- */

static void put_kept(struct place *pl, const struct op *op)
{
	if (pl->kept_from == NO_BRANCH) {
		memset(pl->kept, 0, sizeof(pl->kept));
		pl->kept_from = put_branch(pl, AXON_COND_NE, AXON_SREG_KEPT, AXON_SREG_NONE, 0, 0);
	}
	pl->kept[op->queue]++;
	put_inst(pl, op);
}

/*
 * Where the tiles are on chip already, a NOP a queue posts what the transfers would have. Nothing
 * was on these queues before, so a count that runs ahead of other transfers there cannot be.
 */
static void end_kept(struct place *pl)
{
	uint32_t over;
	unsigned int q;

	if (pl->kept_from == NO_BRANCH)
		return;
	over = put_branch(pl, AXON_COND_ALWAYS, AXON_SREG_NONE, AXON_SREG_NONE, 0, 0);
	if (pl->p->err)
		return;
	pl->out->inst[pl->kept_from].ctl.target = pl->out->n;
	pl->kept_from = NO_BRANCH;
	for (q = 0; q < AXON_NUM_DMA_QUEUES; q++) {
		struct axon_inst *in = pl->kept[q] ? append(pl) : NULL;

		if (!in)
			continue;
		if (pl->kept[q] > UINT16_MAX)
			axc_fail(pl->p, -ENOSPC, "more than %u kept transfers on a queue",
				 UINT16_MAX);
		in->opcode = AXON_OP_NOP;
		in->post_sem = PRODUCER_SEM(QUEUE_PRODUCER(q));
		in->post_op = AXON_POST_ADD;
		in->post_val = (uint16_t)pl->kept[q];
	}
	if (!pl->p->err)
		pl->out->inst[over].ctl.target = pl->out->n;
}

/* Does @op, which is no kept transfer, put something into this engine's stream? */
static bool puts_something(const struct place *pl, const struct op *op)
{
	if (is_instruction(op))
		return op->engine == pl->engine;
	return op->kind != OP_REG || op->reg->used[pl->engine];
}

static void put_arguments(struct place *pl)
{
	struct axc_tensor *t;
	uint8_t rd;

	for (t = pl->p->tensors; t; t = t->next) {
		if (!t->addr || !t->addr->used[pl->engine])
			continue;
		rd = give_reg(pl, t->addr);
		put_load(pl, rd, AXON_SREG_ARGS, 8ull * t->arg, AXON_DTYPE_UINT64);
	}
}

static void take_bases(struct place *pl)
{
	unsigned int j;

	memset(pl->base, AXON_SREG_NONE, sizeof(pl->base));
	if (!pl->p->bases[pl->engine])
		return;
	for (j = 0; j < NUM_PRODUCERS; j++)
		if (pl->p->bases[pl->engine] >> j & 1)
			pl->base[j] = take_reg(pl);
	pl->tmp = take_reg(pl);
}

static void lay_out_engine(struct axc_program *p, unsigned int engine)
{
	struct place pl = { .p = p, .engine = engine, .out = &p->stream[engine],
			    .next_free = UINT32_MAX, .kept_from = NO_BRANCH };
	struct axon_inst *in;
	uint32_t i;

	/* Bases count from 0, which these do not start at. */
	pl.taken[AXON_SREG_RANK] = pl.taken[AXON_SREG_RANKS] = pl.taken[AXON_SREG_KEPT] = true;
	take_bases(&pl);
	pl.taken[AXON_SREG_RANK] = pl.taken[AXON_SREG_RANKS] = false;
	pl.taken[AXON_SREG_KEPT] = p->keeps;
	put_arguments(&pl);
	for (i = 0; i < p->nops && !p->err; i++) {
		const struct op *op = &p->ops[i];

		if (!op->keep && puts_something(&pl, op))
			end_kept(&pl);
		if (op->keep && op->engine == engine)
			put_kept(&pl, op);
		else if (is_instruction(op) && op->engine == engine)
			put_inst(&pl, op);
		else if (op->kind == OP_REG)
			put_reg(&pl, op->reg);
		else if (op->kind == OP_LOOP)
			put_loop(&pl, op);
		else if (op->kind == OP_END)
			put_end(&pl, op);
		release_regs(&pl, i);
	}
	end_kept(&pl);
	if (!pl.out->n)
		return;
	in = append(&pl);
	if (in)
		in->opcode = AXON_OP_HALT;
}

int lay_out(struct axc_program *p)
{
	unsigned int e;

	elf_number_args(p);
	for (e = 0; e < AXON_NUM_ENGINES && !p->err; e++)
		lay_out_engine(p, e);
	return p->err;
}
