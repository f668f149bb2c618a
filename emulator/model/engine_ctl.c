// SPDX-License-Identifier: MIT
/*
 * engine_ctl.c - what every engine's sequencer does: registers, branches, hand-over to DMA.
 */
#include "core.h"
#include "gang.h"

static bool is_reg(unsigned int r)
{
	return r < AXON_NUM_REGS;
}

static bool reserved_zero(const struct axon_ctl *ctl)
{
	uint64_t any = 0;

	for (unsigned int i = 0; i < sizeof(ctl->reserved) / sizeof(ctl->reserved[0]); i++)
		any |= ctl->reserved[i];
	return !any;
}

/* rb or imm, one of the two. */
static bool second(const struct axon_seq *s, const struct axon_ctl *ctl, uint64_t *val)
{
	if (ctl->rb == AXON_SREG_NONE) {
		*val = ctl->imm;
		return true;
	}
	if (!is_reg(ctl->rb) || ctl->imm)
		return false;
	*val = s->reg[ctl->rb];
	return true;
}

/* R[ra] + imm, where ra may be absent. */
static bool address(const struct axon_seq *s, const struct axon_ctl *ctl, uint64_t *va)
{
	*va = ctl->imm;
	if (ctl->ra == AXON_SREG_NONE)
		return true;
	if (!is_reg(ctl->ra))
		return false;
	*va += s->reg[ctl->ra];
	return true;
}

static bool alu(unsigned int op, uint64_t a, uint64_t b, uint64_t *r)
{
	switch (op) {
	case AXON_RALU_MOV:
		*r = b;
		return true;
	case AXON_RALU_ADD:
		*r = a + b;
		return true;
	case AXON_RALU_SUB:
		*r = a - b;
		return true;
	case AXON_RALU_MUL:
		*r = a * b;
		return true;
	case AXON_RALU_AND:
		*r = a & b;
		return true;
	case AXON_RALU_OR:
		*r = a | b;
		return true;
	case AXON_RALU_XOR:
		*r = a ^ b;
		return true;
	case AXON_RALU_SHL:
		*r = a << (b & 63);
		return true;
	case AXON_RALU_SHR:
		*r = a >> (b & 63);
		return true;
	case AXON_RALU_DIV:
		*r = b ? a / b : 0;
		return b;
	case AXON_RALU_MIN:
		*r = a < b ? a : b;
		return true;
	case AXON_RALU_MAX:
		*r = a > b ? a : b;
		return true;
	default:
		return false;
	}
}

static bool reg_alu(struct axon_seq *s)
{
	const struct axon_ctl *ctl = &s->inst.ctl;
	bool mov = s->inst.op0 == AXON_RALU_MOV;
	uint64_t b;

	if (!is_reg(ctl->rd) || ctl->dtype || ctl->target ||
	    (mov ? ctl->ra != AXON_SREG_NONE : !is_reg(ctl->ra)) || !second(s, ctl, &b))
		return false;
	return alu(s->inst.op0, mov ? 0 : s->reg[ctl->ra], b, &s->reg[ctl->rd]);
}

static bool branch(struct axon_seq *s, uint32_t *next)
{
	const struct axon_ctl *ctl = &s->inst.ctl;
	int64_t a, b;
	uint64_t ub;
	bool take;

	if (ctl->dtype || ctl->target >= s->count || (ctl->rd && ctl->rd != AXON_SREG_NONE))
		return false;
	if (s->inst.op0 == AXON_COND_ALWAYS) {
		*next = ctl->target;
		return ctl->ra == AXON_SREG_NONE && ctl->rb == AXON_SREG_NONE && !ctl->imm;
	}
	if (!is_reg(ctl->ra) || !second(s, ctl, &ub))
		return false;
	a = (int64_t)s->reg[ctl->ra];
	b = (int64_t)ub;
	switch (s->inst.op0) {
	case AXON_COND_EQ:
		take = a == b;
		break;
	case AXON_COND_NE:
		take = a != b;
		break;
	case AXON_COND_LT:
		take = a < b;
		break;
	case AXON_COND_GE:
		take = a >= b;
		break;
	default:
		return false;
	}
	if (take)
		*next = ctl->target;
	return true;
}

static bool int_type(unsigned int dtype)
{
	return dtype == AXON_DTYPE_INT8 || dtype == AXON_DTYPE_UINT8 ||
		dtype == AXON_DTYPE_INT16 || dtype == AXON_DTYPE_UINT16 ||
		dtype == AXON_DTYPE_INT32 || dtype == AXON_DTYPE_UINT32 ||
		dtype == AXON_DTYPE_INT64 || dtype == AXON_DTYPE_UINT64;
}

static uint64_t extend(unsigned int dtype, uint64_t v)
{
	switch (dtype) {
	case AXON_DTYPE_INT8:
		return (uint64_t)(int64_t)(int8_t)v;
	case AXON_DTYPE_INT16:
		return (uint64_t)(int64_t)(int16_t)v;
	case AXON_DTYPE_INT32:
		return (uint64_t)(int64_t)(int32_t)v;
	default:
		return v;
	}
}

static enum axon_status reg_mem(struct axon_core *c, struct axon_seq *s, uint64_t *fault)
{
	const struct axon_ctl *ctl = &s->inst.ctl;
	uint32_t asid = c->launch.asid, size = axon_dtype_size(ctl->dtype);
	uint64_t va, v = 0;
	enum axon_status st;

	if (!is_reg(ctl->rd) || ctl->rb != AXON_SREG_NONE || ctl->target ||
	    !int_type(ctl->dtype) || !address(s, ctl, &va) || va & (size - 1))
		return AXON_STATUS_BAD_OPERAND;
	if (s->inst.opcode == AXON_OP_REG_STORE)
		return axon_mmu_write(c->card, asid, va, &s->reg[ctl->rd], size, fault);
	st = axon_mmu_read(c->card, asid, va, &v, size, fault);
	if (st == AXON_STATUS_OK)
		s->reg[ctl->rd] = extend(ctl->dtype, v);
	return st;
}

static bool dma_ring(struct axon_core *c, struct axon_seq *s)
{
	const struct axon_ctl *ctl = &s->inst.ctl;
	uint64_t va;

	if (ctl->rd != AXON_SREG_NONE || ctl->rb != AXON_SREG_NONE || ctl->dtype ||
	    ctl->target - 1 >= AXON_DMA_RING_MAX || !address(s, ctl, &va) || va & 7)
		return false;
	axon_core_queue_dma(c, s, NULL, va, ctl->target);
	return true;
}

/* A post to a member of the gang leaves when the instruction ends. */
static bool post_far(struct axon_core *c, const struct axon_seq *s, uint64_t cycles)
{
	const struct axon_ctl *ctl = &s->inst.ctl;
	uint64_t rank;
	uint32_t way;

	if (ctl->rb != AXON_SREG_NONE || ctl->dtype == AXON_POST_NONE ||
	    ctl->dtype > AXON_POST_SET || ctl->target > UINT16_MAX || !address(s, ctl, &rank) ||
	    !axon_core_has_rank(c, rank))
		return false;
	way = axon_gang_latency(c->launch.gang, c->launch.program.rank, (uint32_t)rank);
	return axon_core_send(c, (uint32_t)rank, ctl->rd, ctl->dtype, ctl->target,
			      s->clock + cycles + way);
}

enum axon_status axon_exec_ctl(struct axon_core *c, struct axon_seq *s, struct axon_step *step,
			       uint32_t *next, uint64_t *addr)
{
	bool ok = true;

	step->cycles = axon_cost_ctl(s->inst.opcode);
	step->load = 1;
	switch (s->inst.opcode) {
	case AXON_OP_REG_ALU:
		ok = reserved_zero(&s->inst.ctl) && reg_alu(s);
		break;
	case AXON_OP_BRANCH:
		ok = reserved_zero(&s->inst.ctl) && branch(s, next);
		break;
	case AXON_OP_REG_LOAD:
	case AXON_OP_REG_STORE:
		if (reserved_zero(&s->inst.ctl))
			return reg_mem(c, s, addr);
		ok = false;
		break;
	case AXON_OP_DMA:
		axon_core_queue_dma(c, s, &s->inst.dma, 0, 1);
		break;
	case AXON_OP_DMA_RING:
		ok = reserved_zero(&s->inst.ctl) && dma_ring(c, s);
		break;
	case AXON_OP_POST:
		ok = reserved_zero(&s->inst.ctl) && post_far(c, s, step->cycles);
		break;
	default:	/* NOP, HALT */
		break;
	}
	return ok ? AXON_STATUS_OK : AXON_STATUS_BAD_OPERAND;
}
