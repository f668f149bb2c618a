// SPDX-License-Identifier: MIT
/*
 * cost.c - what instructions and transfers cost, in cycles of the reference clock (1.4 GHz).
 *
 * The formulas and where their numbers come from: Documentation/isa.rst, "Cycles". Costs depend on
 * the program alone, never on the host or on data.
 */
#include "core.h"

/* Cycles of an engine's own clock (in MHz) as reference cycles, rounded up. */
static uint64_t at_mhz(uint64_t cycles, uint64_t mhz)
{
	return (cycles * (AXON_REF_CLOCK_HZ / 1000000) + mhz - 1) / mhz;
}

uint64_t axon_cost_ctl(unsigned int opcode)
{
	switch (opcode) {
	case AXON_OP_NOP:
	case AXON_OP_HALT:
		return AXON_CYCLES_NOP;
	case AXON_OP_REG_ALU:
	case AXON_OP_BRANCH:
		return 16;
	case AXON_OP_POST:
		return AXON_CYCLES_POST;
	case AXON_OP_REG_LOAD:
		return 700;
	case AXON_OP_REG_STORE:
		return 100;
	default:		/* DMA, DMA_RING: hand-over to the queue */
		return AXON_CYCLES_DMA;
	}
}

uint64_t axon_cost_matmul(uint32_t k, uint32_t m, uint32_t n, unsigned int dtype)
{
	/* The array is filled and emptied whatever part of it is used. */
	uint64_t stream = n < 64 ? 64 : n;
	uint64_t cycles = 32 + stream;

	(void)k;
	(void)m;
	if (dtype == AXON_DTYPE_FLOAT32)
		cycles *= 4;
	return at_mhz(64 + cycles, 2400);
}

uint64_t axon_cost_transpose(uint32_t parts, uint32_t elems, unsigned int esz)
{
	uint64_t stream = parts < 64 ? 64 : parts;

	(void)elems;
	return at_mhz(64 + (32 + stream) * (esz == 4 ? 4 : 1), 2400);
}

uint64_t axon_cost_engine(unsigned int engine, uint64_t elems, unsigned int passes, bool wide)
{
	uint64_t cycles = elems * passes;

	if (wide)
		cycles *= 2;
	if (cycles < 64)
		cycles = 64;
	cycles += 60;
	switch (engine) {
	case AXON_ENGINE_VECTOR:
		return at_mhz(cycles, 960);
	case AXON_ENGINE_GPSIMD:
		return at_mhz(2 * cycles, 1200);
	default:
		return at_mhz(cycles, 1200);
	}
}

uint64_t axon_cost_dma(uint64_t runs, uint64_t run_bytes)
{
	/* 23 bytes a nanosecond; a run moves at least 64 bytes. Saturates. */
	uint64_t bytes = run_bytes < AXON_DMA_MIN_RUN_BYTES ? AXON_DMA_MIN_RUN_BYTES : run_bytes;
	uint64_t total;

	if (__builtin_mul_overflow(runs, bytes, &total) || total > 1ull << 48)
		total = 1ull << 48;
	return AXON_CYCLES_DMA_SETUP + (total * AXON_DMA_CYCLES_MUL + AXON_DMA_CYCLES_DIV - 1) /
		AXON_DMA_CYCLES_DIV;
}
