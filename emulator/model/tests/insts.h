/* SPDX-License-Identifier: MIT */
/*
 * insts.h - instructions as tests write them, and random numbers that are the same everywhere.
 * Knows uapi/ only.
 */
#ifndef AXON_MODEL_TESTS_INSTS_H
#define AXON_MODEL_TESTS_INSTS_H

#include <stdint.h>
#include <string.h>

#include "axon_isa.h"

/* Not inline: hundreds of calls in a file, and sanitizers make each of them big. */
#define FX_FN		static __attribute__((noinline, unused))

/* ---- instructions ---- */

static inline struct axon_inst fx_inst(unsigned int opcode)
{
	struct axon_inst i;

	memset(&i, 0, sizeof(i));
	i.opcode = (uint8_t)opcode;
	i.wait_reg = AXON_SREG_NONE;
	for (unsigned int k = 0; k < AXON_NUM_PATCHES; k++)
		i.patch[k].reg = AXON_SREG_NONE;
	return i;
}

static inline struct axon_inst fx_wait(struct axon_inst i, unsigned int sem, uint32_t val)
{
	i.wait_sem = (uint8_t)sem;
	i.wait_op = AXON_WAIT_GE;
	i.wait_val = val;
	return i;
}

static inline struct axon_inst fx_post(struct axon_inst i, unsigned int sem, uint32_t val)
{
	i.post_sem = (uint8_t)sem;
	i.post_op = AXON_POST_ADD;
	i.post_val = (uint16_t)val;
	return i;
}

static inline struct axon_inst fx_alu(unsigned int op, unsigned int rd, unsigned int ra,
				      uint64_t imm)
{
	struct axon_inst i = fx_inst(AXON_OP_REG_ALU);

	i.op0 = (uint8_t)op;
	i.ctl.rd = (uint8_t)rd;
	i.ctl.ra = (uint8_t)ra;
	i.ctl.rb = AXON_SREG_NONE;
	i.ctl.imm = imm;
	return i;
}

static inline struct axon_inst fx_branch(unsigned int cond, unsigned int ra, uint64_t imm,
					 uint32_t target)
{
	struct axon_inst i = fx_inst(AXON_OP_BRANCH);

	i.op0 = (uint8_t)cond;
	i.ctl.ra = (uint8_t)ra;
	i.ctl.rb = AXON_SREG_NONE;
	i.ctl.imm = imm;
	i.ctl.target = target;
	return i;
}

static inline struct axon_inst fx_mem(unsigned int opcode, unsigned int rd, uint64_t va,
				      unsigned int dtype)
{
	struct axon_inst i = fx_inst(opcode);

	i.ctl.rd = (uint8_t)rd;
	i.ctl.ra = AXON_SREG_NONE;
	i.ctl.rb = AXON_SREG_NONE;
	i.ctl.imm = va;
	i.ctl.dtype = (uint8_t)dtype;
	return i;
}

/* @n neighbours in each of @nparts partitions. */
static inline struct axon_ap fx_ap(unsigned int space, unsigned int dtype, unsigned int part,
				   unsigned int nparts, uint32_t offset, unsigned int n)
{
	struct axon_ap ap = { .offset = offset, .space = (uint8_t)space, .dtype = (uint8_t)dtype,
			      .part = (uint8_t)part, .nparts = (uint8_t)nparts,
			      .step = { 0, 0, 0, 1 }, .count = { 1, 1, 1, (uint16_t)n } };

	return ap;
}

/* @bytes neighbouring bytes from @src to @dst, each a virtual or a chip address. */
FX_FN struct axon_dma_desc fx_desc(uint64_t dst, unsigned int dspace, uint64_t src,
					   unsigned int sspace, uint32_t bytes)
{
	struct axon_dma_desc d = { .src = src, .dst = dst, .src_space = (uint8_t)sspace,
				   .dst_space = (uint8_t)dspace, .src_dtype = AXON_DTYPE_UINT8,
				   .dst_dtype = AXON_DTYPE_UINT8, .count = { 1, 1, 1, bytes },
				   .src_step = { 0, 0, 0, 1 }, .dst_step = { 0, 0, 0, 1 } };

	return d;
}

static inline struct axon_inst fx_dma(unsigned int queue, struct axon_dma_desc d)
{
	struct axon_inst i = fx_inst(AXON_OP_DMA);

	i.op0 = (uint8_t)queue;
	i.dma = d;
	return i;
}

/* ---- randomness: the same everywhere ---- */

static inline uint64_t fx_rand(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline uint32_t fx_below(uint64_t *s, uint32_t n)
{
	return (uint32_t)(fx_rand(s) % n);
}

#endif /* AXON_MODEL_TESTS_INSTS_H */
