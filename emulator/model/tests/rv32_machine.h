/* SPDX-License-Identifier: MIT */
/*
 * rv32_machine.h - a core with RAM and one device, and an assembler of single words, for the tests
 * of rv32.c.
 */
#ifndef AXON_TESTS_RV32_MACHINE_H
#define AXON_TESTS_RV32_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rv32.h"

#define BASE		0x80000000u
#define RAM_SIZE	0x8000u
#define HANDLER		(BASE + 0x4000)	/* traps: see machine_catch() */
#define DATA		(BASE + 0x6000)
#define DEVICE		0x10000000u	/* 64 bytes of registers; anything else faults */

/* Words of the device; every access is counted. */
struct machine {
	struct axon_rv32 *cpu;
	uint8_t *ram;
	uint32_t device[16];
	unsigned int loads, stores;
	uint32_t bad_accesses;	/* misaligned, of odd size or inside RAM: a bug of the core */
};

enum { zero, ra, sp, gp, tp, t0, t1, t2, s0, s1, a0, a1, a2, a3, a4, a5, a6, a7,
	s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6 };

static inline uint32_t R(uint32_t op, uint32_t f3, uint32_t f7, uint32_t rd, uint32_t rs1,
			 uint32_t rs2)
{
	return f7 << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | rd << 7 | op;
}

static inline uint32_t I(uint32_t op, uint32_t f3, uint32_t rd, uint32_t rs1, int32_t imm)
{
	return (uint32_t)imm << 20 | rs1 << 15 | f3 << 12 | rd << 7 | op;
}

static inline uint32_t S(uint32_t f3, uint32_t rs1, uint32_t rs2, int32_t imm)
{
	uint32_t u = (uint32_t)imm;

	return (u >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | (u & 31) << 7 | 0x23;
}

static inline uint32_t B(uint32_t f3, uint32_t rs1, uint32_t rs2, int32_t imm)
{
	uint32_t u = (uint32_t)imm;

	return (u >> 12 & 1) << 31 | (u >> 5 & 0x3f) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 |
	       (u >> 1 & 15) << 8 | (u >> 11 & 1) << 7 | 0x63;
}

static inline uint32_t U(uint32_t op, uint32_t rd, uint32_t imm20)
{
	return imm20 << 12 | rd << 7 | op;
}

static inline uint32_t J(uint32_t rd, int32_t imm)
{
	uint32_t u = (uint32_t)imm;

	return (u >> 20 & 1) << 31 | (u >> 1 & 0x3ff) << 21 | (u >> 11 & 1) << 20 |
	       (u >> 12 & 0xff) << 12 | rd << 7 | 0x6f;
}

#define ADDI(rd, rs1, imm)	I(0x13, 0, rd, rs1, imm)
#define LUI(rd, imm20)		U(0x37, rd, imm20)
#define LW(rd, rs1, imm)	I(0x03, 2, rd, rs1, imm)
#define SW(rs2, rs1, imm)	S(2, rs1, rs2, imm)
#define CSRRW(rd, csr, rs1)	I(0x73, 1, rd, rs1, csr)
#define CSRRS(rd, csr, rs1)	I(0x73, 2, rd, rs1, csr)
#define CSRRC(rd, csr, rs1)	I(0x73, 3, rd, rs1, csr)
#define CSRRWI(rd, csr, imm)	I(0x73, 5, rd, imm, csr)
#define CSRRSI(rd, csr, imm)	I(0x73, 6, rd, imm, csr)
#define CSRRCI(rd, csr, imm)	I(0x73, 7, rd, imm, csr)
#define AMO(f5, rd, rs1, rs2)	R(0x2f, 2, (f5) << 2, rd, rs1, rs2)
#define ECALL			0x00000073u
#define EBREAK			0x00100073u
#define MRET			0x30200073u
#define WFI			0x10500073u
#define FENCE			0x0ff0000fu
#define FENCE_I			0x0000100fu

enum { MSTATUS = 0x300, MISA = 0x301, MIE = 0x304, MTVEC = 0x305, MSCRATCH = 0x340, MEPC = 0x341,
	MCAUSE = 0x342, MTVAL = 0x343, MIP = 0x344, MCYCLE = 0xb00, MINSTRET = 0xb02,
	MCYCLEH = 0xb80, MINSTRETH = 0xb82, MHARTID = 0xf14 };

static bool device_access(struct machine *m, uint32_t addr, unsigned int size)
{
	if ((size != 1 && size != 2 && size != 4) || addr % size || addr - BASE < RAM_SIZE)
		m->bad_accesses++;
	return addr - DEVICE < sizeof(m->device);
}

static bool device_load(void *opaque, uint32_t addr, unsigned int size, uint32_t *value)
{
	struct machine *m = opaque;

	if (!device_access(m, addr, size))
		return false;
	m->loads++;
	*value = m->device[(addr - DEVICE) / 4] >> addr % 4 * 8;
	if (size < 4)
		*value &= (1u << size * 8) - 1;
	return true;
}

static bool device_store(void *opaque, uint32_t addr, unsigned int size, uint32_t value)
{
	struct machine *m = opaque;

	if (!device_access(m, addr, size))
		return false;
	m->stores++;
	memcpy((uint8_t *)m->device + (addr - DEVICE), &value, size);
	return true;
}

static inline int machine_setup(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct axon_rv32_bus bus = {
		.ram_base = BASE, .ram_size = RAM_SIZE,
		.load = device_load, .store = device_store, .opaque = m,
	};

	assert_non_null(m);
	m->ram = calloc(1, RAM_SIZE);
	assert_non_null(m->ram);
	bus.ram = m->ram;
	assert_int_equal(axon_rv32_create(&bus, &m->cpu), 0);
	*state = m;
	return 0;
}

static inline int machine_teardown(void **state)
{
	struct machine *m = *state;

	assert_int_equal(m->bad_accesses, 0);
	axon_rv32_destroy(m->cpu);
	free(m->ram);
	free(m);
	return 0;
}

static inline void poke(struct machine *m, uint32_t addr, uint32_t word)
{
	memcpy(m->ram + (addr - BASE), &word, 4);
}

static inline uint32_t peek(struct machine *m, uint32_t addr)
{
	uint32_t word;

	memcpy(&word, m->ram + (addr - BASE), 4);
	return word;
}

static inline uint32_t reg(struct machine *m, unsigned int r)
{
	return axon_rv32_reg(m->cpu, r);
}

static inline void set(struct machine *m, unsigned int r, uint32_t value)
{
	axon_rv32_set_reg(m->cpu, r, value);
}

/* Fresh core with the code at BASE. */
static inline void machine_load(struct machine *m, const uint32_t *code, size_t words)
{
	memcpy(m->ram, code, words * 4);
	axon_rv32_reset(m->cpu, BASE);
}

static inline void machine_run(struct machine *m, uint32_t count)
{
	assert_int_equal(axon_rv32_run(m->cpu, count), AXON_RV32_RUNNING);
}

/* Loads the words and executes as many instructions. */
#define EXECUTE(m, ...) do { \
	const uint32_t code_[] = { __VA_ARGS__ }; \
	machine_load(m, code_, sizeof(code_) / 4); \
	machine_run(m, sizeof(code_) / 4); \
} while (0)

/* One instruction on registers that were set before; the rest of the state is fresh. */
static inline void step(struct machine *m, uint32_t word)
{
	uint32_t saved[32];
	unsigned int i;

	for (i = 0; i < 32; i++)
		saved[i] = reg(m, i);
	machine_load(m, &word, 1);
	for (i = 0; i < 32; i++)
		set(m, i, saved[i]);
	machine_run(m, 1);
}

/*
 * Executes one instruction that must trap. A handler that starts with four CSR reads gives cause,
 * epc and tval, and mstatus.
 */
struct trap {
	uint32_t cause, epc, tval, mstatus;
};

static inline struct trap machine_catch(struct machine *m, uint32_t word)
{
	const uint32_t handler[] = {
		CSRRS(s8, MCAUSE, 0), CSRRS(s9, MEPC, 0), CSRRS(s10, MTVAL, 0),
		CSRRS(s11, MSTATUS, 0), J(0, 0),
	};
	uint32_t code[] = { LUI(t6, HANDLER >> 12), CSRRW(0, MTVEC, t6), word };
	uint32_t saved[32];
	unsigned int i;

	for (i = 0; i < 32; i++)
		saved[i] = reg(m, i);
	memcpy(m->ram + (HANDLER - BASE), handler, sizeof(handler));
	machine_load(m, code, 3);
	machine_run(m, 2);
	for (i = 0; i < 32; i++)
		set(m, i, saved[i]);
	machine_run(m, 1 + 4);
	return (struct trap){ reg(m, s8), reg(m, s9), reg(m, s10), reg(m, s11) };
}

#endif /* AXON_TESTS_RV32_MACHINE_H */
