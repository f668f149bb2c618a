// SPDX-License-Identifier: MIT
/*
 * rv32.c - the RISC-V interpreter: decoding, execution, CSRs, traps.
 *
 * Each halfword of RAM has a slot in the decode cache. A slot starts as OP_DECODE, which decodes
 * the instruction at its address into the slot and executes it; from then on the slot is
 * dispatched directly. Stores do not touch the cache: new code is seen after fence.i, as the
 * architecture says. Whatever the code does, the interpreter stays inside RAM, its cache and the
 * callbacks.
 */
#include "rv32.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define RV32_OPS(X) \
	X(DECODE) X(FETCH_FAULT) X(ILLEGAL) X(LI) X(JAL) X(JALR) \
	X(BEQ) X(BNE) X(BLT) X(BGE) X(BLTU) X(BGEU) \
	X(LB) X(LH) X(LW) X(LBU) X(LHU) X(SB) X(SH) X(SW) \
	X(ADDI) X(SLTI) X(SLTIU) X(XORI) X(ORI) X(ANDI) X(SLLI) X(SRLI) X(SRAI) \
	X(ADD) X(SUB) X(SLL) X(SLT) X(SLTU) X(XOR) X(SRL) X(SRA) X(OR) X(AND) \
	X(MUL) X(MULH) X(MULHSU) X(MULHU) X(DIV) X(DIVU) X(REM) X(REMU) \
	X(LR) X(SC) X(AMO) X(FENCE) X(FENCE_I) X(ECALL) X(EBREAK) X(MRET) X(WFI) X(CSR)

#define OP_ENUM(name) OP_##name,
enum { RV32_OPS(OP_ENUM) OP_COUNT };
#undef OP_ENUM

#define OP_LONG		0x80u	/* a 4-byte instruction; each op has a second dispatch entry */
#define REG_SINK	32u	/* where results for x0 go, so that x0 needs no test */

/**
 * struct insn - a decoded instruction
 * @op: OP_*, with OP_LONG if it takes 4 bytes
 * @rd: result register, REG_SINK for x0
 * @rs1: first source
 * @rs2: second source
 * @imm: immediate; absolute target (LI, JAL, branches); offset of the fault (FETCH_FAULT);
 *	the instruction's bits (ILLEGAL); funct5 (AMO); CSR number and funct3 << 12 (CSR)
 */
struct insn {
	uint8_t op;
	uint8_t rd;
	uint8_t rs1;
	uint8_t rs2;
	int32_t imm;
};

_Static_assert(OP_COUNT < OP_LONG, "ops do not fit");
_Static_assert(sizeof(struct insn) == 8, "slots of 8 bytes");

#define MSTATUS_MIE	(1u << 3)
#define MSTATUS_MPIE	(1u << 7)
#define MSTATUS_MPP	(3u << 11)
#define IRQ_MASK	((1u << AXON_RV32_IRQ_SOFTWARE) | (1u << AXON_RV32_IRQ_TIMER) | \
			 (1u << AXON_RV32_IRQ_EXTERNAL))
#define MISA		(1u << 30 | 1u << 0 | 1u << 2 | 1u << 8 | 1u << 12)	/* RV32 A C I M */
#define CAUSE_IRQ	(1u << 31)

/**
 * struct axon_rv32 - a core
 * @x: registers, and the sink
 * @pc: valid outside axon_rv32_run() and in its slow paths
 * @bus: as created
 * @cache: a slot per halfword of RAM, and one that faults behind the last
 * @low: first slot that may hold decoded code
 * @high: slot behind the last of them
 * @executed: instructions since reset
 * @cycle_offset: mcycle = @executed + this
 * @instret_offset: the same for minstret
 * @entry_pc: the handler's address at the last trap
 * @entry_executed: @executed at the last trap
 * @reserved_at: address of the LR reservation
 * @reserved: there is one
 * @waiting: in WFI
 * @stopped: a trap could not be taken
 * @stop: that trap
 * @tval: of the exception that a slow path is about to raise
 */
struct axon_rv32 {
	uint32_t x[33];
	uint32_t pc;
	struct axon_rv32_bus bus;
	struct insn *cache;
	uint32_t low, high;
	uint64_t executed;
	uint64_t cycle_offset, instret_offset;
	uint32_t mstatus, mie, mip, mtvec, mscratch, mepc, mcause, mtval;
	uint32_t entry_pc;
	uint64_t entry_executed;
	uint32_t reserved_at;
	bool reserved;
	bool waiting;
	bool stopped;
	struct axon_rv32_stop stop;
	uint32_t tval;
};

/* ---- decoding ---- */

static uint32_t bits(uint32_t word, unsigned int low, unsigned int count)
{
	return (word >> low) & ((1u << count) - 1);
}

static int32_t sext(uint32_t value, unsigned int width)
{
	return (int32_t)(value << (32 - width)) >> (32 - width);
}

static struct insn make(unsigned int op, uint32_t rd, uint32_t rs1, uint32_t rs2, int32_t imm)
{
	struct insn in = { op, rd ? rd : REG_SINK, rs1, rs2, imm };

	return in;
}

static struct insn illegal(uint32_t word)
{
	return make(OP_ILLEGAL, 0, 0, 0, (int32_t)word);
}

static struct insn decode_branch(uint32_t w, uint32_t pc)
{
	static const uint8_t ops[8] = {
		OP_BEQ, OP_BNE, OP_ILLEGAL, OP_ILLEGAL, OP_BLT, OP_BGE, OP_BLTU, OP_BGEU
	};
	uint32_t imm = bits(w, 31, 1) << 12 | bits(w, 7, 1) << 11 | bits(w, 25, 6) << 5 |
		       bits(w, 8, 4) << 1;
	unsigned int op = ops[bits(w, 12, 3)];

	if (op == OP_ILLEGAL)
		return illegal(w);
	return make(op, 0, bits(w, 15, 5), bits(w, 20, 5), (int32_t)(pc + (uint32_t)sext(imm, 13)));
}

static struct insn decode_load(uint32_t w)
{
	static const uint8_t ops[8] = {
		OP_LB, OP_LH, OP_LW, OP_ILLEGAL, OP_LBU, OP_LHU, OP_ILLEGAL, OP_ILLEGAL
	};
	unsigned int op = ops[bits(w, 12, 3)];

	if (op == OP_ILLEGAL)
		return illegal(w);
	return make(op, bits(w, 7, 5), bits(w, 15, 5), 0, (int32_t)w >> 20);
}

static struct insn decode_store(uint32_t w)
{
	uint32_t imm = bits(w, 25, 7) << 5 | bits(w, 7, 5);
	uint32_t f3 = bits(w, 12, 3);

	if (f3 > 2)
		return illegal(w);
	return make(OP_SB + f3, 0, bits(w, 15, 5), bits(w, 20, 5), sext(imm, 12));
}

static struct insn decode_imm(uint32_t w)
{
	static const uint8_t ops[8] = {
		OP_ADDI, OP_SLLI, OP_SLTI, OP_SLTIU, OP_XORI, OP_SRLI, OP_ORI, OP_ANDI
	};
	unsigned int op = ops[bits(w, 12, 3)];
	uint32_t f7 = bits(w, 25, 7);
	int32_t imm = (int32_t)w >> 20;

	if (op == OP_SLLI || op == OP_SRLI) {
		if (op == OP_SRLI && f7 == 0x20)
			op = OP_SRAI;
		else if (f7)
			return illegal(w);
		imm &= 31;
	}
	return make(op, bits(w, 7, 5), bits(w, 15, 5), 0, imm);
}

static struct insn decode_reg(uint32_t w)
{
	static const uint8_t base[8] = {
		OP_ADD, OP_SLL, OP_SLT, OP_SLTU, OP_XOR, OP_SRL, OP_OR, OP_AND
	};
	uint32_t f3 = bits(w, 12, 3);
	unsigned int op;

	switch (bits(w, 25, 7)) {
	case 0x00:
		op = base[f3];
		break;
	case 0x01:
		op = OP_MUL + f3;
		break;
	case 0x20:
		if (f3 != 0 && f3 != 5)
			return illegal(w);
		op = f3 ? OP_SRA : OP_SUB;
		break;
	default:
		return illegal(w);
	}
	return make(op, bits(w, 7, 5), bits(w, 15, 5), bits(w, 20, 5), 0);
}

static struct insn decode_amo(uint32_t w)
{
	uint32_t f5 = bits(w, 27, 5), rs2 = bits(w, 20, 5);
	unsigned int op = OP_AMO;

	if (bits(w, 12, 3) != 2)
		return illegal(w);
	if (f5 == 0x02 && rs2 == 0)
		op = OP_LR;
	else if (f5 == 0x03)
		op = OP_SC;
	else if (f5 != 0x01 && f5 & 3)
		return illegal(w);
	return make(op, bits(w, 7, 5), bits(w, 15, 5), rs2, (int32_t)f5);
}

static struct insn decode_system(uint32_t w)
{
	uint32_t f3 = bits(w, 12, 3);

	if (f3 == 4)
		return illegal(w);
	if (f3)
		return make(OP_CSR, bits(w, 7, 5), bits(w, 15, 5), 0,
			    (int32_t)(w >> 20 | f3 << 12));
	switch (w) {
	case 0x00000073:
		return make(OP_ECALL, 0, 0, 0, 0);
	case 0x00100073:
		return make(OP_EBREAK, 0, 0, 0, 0);
	case 0x30200073:
		return make(OP_MRET, 0, 0, 0, 0);
	case 0x10500073:
		return make(OP_WFI, 0, 0, 0, 0);
	}
	return illegal(w);
}

static struct insn decode_jal(uint32_t w, uint32_t pc)
{
	uint32_t imm = bits(w, 31, 1) << 20 | bits(w, 12, 8) << 12 | bits(w, 20, 1) << 11 |
		       bits(w, 21, 10) << 1;

	return make(OP_JAL, bits(w, 7, 5), 0, 0, (int32_t)(pc + (uint32_t)sext(imm, 21)));
}

static struct insn decode32(uint32_t w, uint32_t pc)
{
	uint32_t rd = bits(w, 7, 5);

	switch (bits(w, 0, 7)) {
	case 0x37:
		return make(OP_LI, rd, 0, 0, (int32_t)(w & 0xfffff000));
	case 0x17:
		return make(OP_LI, rd, 0, 0, (int32_t)(pc + (w & 0xfffff000)));
	case 0x6f:
		return decode_jal(w, pc);
	case 0x67:
		if (bits(w, 12, 3))
			return illegal(w);
		return make(OP_JALR, rd, bits(w, 15, 5), 0, (int32_t)w >> 20);
	case 0x63:
		return decode_branch(w, pc);
	case 0x03:
		return decode_load(w);
	case 0x23:
		return decode_store(w);
	case 0x13:
		return decode_imm(w);
	case 0x33:
		return decode_reg(w);
	case 0x2f:
		return decode_amo(w);
	case 0x73:
		return decode_system(w);
	case 0x0f:
		if (bits(w, 12, 3) > 1)
			return illegal(w);
		return make(bits(w, 12, 3) ? OP_FENCE_I : OP_FENCE, 0, 0, 0, 0);
	}
	return illegal(w);
}

/* Compressed, quadrant 0: accesses relative to a register, and addresses on the stack. */
static struct insn decode_c0(uint32_t w)
{
	uint32_t rd = 8 + bits(w, 2, 3), rs1 = 8 + bits(w, 7, 3);
	int32_t off = (int32_t)(bits(w, 10, 3) << 3 | bits(w, 6, 1) << 2 | bits(w, 5, 1) << 6);
	int32_t imm = (int32_t)(bits(w, 11, 2) << 4 | bits(w, 7, 4) << 6 | bits(w, 6, 1) << 2 |
				bits(w, 5, 1) << 3);

	switch (bits(w, 13, 3)) {
	case 0:
		return imm ? make(OP_ADDI, rd, 2, 0, imm) : illegal(w);
	case 2:
		return make(OP_LW, rd, rs1, 0, off);
	case 6:
		return make(OP_SW, 0, rs1, rd, off);
	}
	return illegal(w);
}

/* C.SRLI, C.SRAI, C.ANDI and the two-register operations. */
static struct insn decode_c_alu(uint32_t w, int32_t imm6)
{
	static const uint8_t ops[4] = { OP_SUB, OP_XOR, OP_OR, OP_AND };
	uint32_t rd = 8 + bits(w, 7, 3);
	bool high = bits(w, 12, 1);

	switch (bits(w, 10, 2)) {
	case 0:
		return high ? illegal(w) : make(OP_SRLI, rd, rd, 0, imm6);
	case 1:
		return high ? illegal(w) : make(OP_SRAI, rd, rd, 0, imm6);
	case 2:
		return make(OP_ANDI, rd, rd, 0, imm6);
	}
	return high ? illegal(w) : make(ops[bits(w, 5, 2)], rd, rd, 8 + bits(w, 2, 3), 0);
}

static struct insn decode_c_lui(uint32_t w, int32_t imm6)
{
	uint32_t rd = bits(w, 7, 5);
	uint32_t sp = bits(w, 12, 1) << 9 | bits(w, 6, 1) << 4 | bits(w, 5, 1) << 6 |
		      bits(w, 3, 2) << 7 | bits(w, 2, 1) << 5;

	if (!imm6)
		return illegal(w);
	if (rd == 2)
		return make(OP_ADDI, 2, 2, 0, sext(sp, 10));
	return make(OP_LI, rd, 0, 0, (int32_t)((uint32_t)imm6 << 12));
}

/* Quadrant 1: immediates, jumps, branches. */
static struct insn decode_c1(uint32_t w, uint32_t pc)
{
	uint32_t rd = bits(w, 7, 5), rs1 = 8 + bits(w, 7, 3);
	int32_t imm6 = sext(bits(w, 12, 1) << 5 | bits(w, 2, 5), 6);
	uint32_t jump = bits(w, 12, 1) << 11 | bits(w, 11, 1) << 4 | bits(w, 9, 2) << 8 |
			bits(w, 8, 1) << 10 | bits(w, 7, 1) << 6 | bits(w, 6, 1) << 7 |
			bits(w, 3, 3) << 1 | bits(w, 2, 1) << 5;
	uint32_t branch = bits(w, 12, 1) << 8 | bits(w, 10, 2) << 3 | bits(w, 5, 2) << 6 |
			  bits(w, 3, 2) << 1 | bits(w, 2, 1) << 5;
	int32_t jump_to = (int32_t)(pc + (uint32_t)sext(jump, 12));
	int32_t branch_to = (int32_t)(pc + (uint32_t)sext(branch, 9));

	switch (bits(w, 13, 3)) {
	case 0:
		return make(OP_ADDI, rd, rd, 0, imm6);
	case 1:
		return make(OP_JAL, 1, 0, 0, jump_to);
	case 2:
		return make(OP_LI, rd, 0, 0, imm6);
	case 3:
		return decode_c_lui(w, imm6);
	case 4:
		return decode_c_alu(w, imm6);
	case 5:
		return make(OP_JAL, 0, 0, 0, jump_to);
	case 6:
		return make(OP_BEQ, 0, rs1, 0, branch_to);
	}
	return make(OP_BNE, 0, rs1, 0, branch_to);
}

static struct insn decode_c_jump(uint32_t w)
{
	uint32_t rd = bits(w, 7, 5), rs2 = bits(w, 2, 5);

	if (!bits(w, 12, 1)) {
		if (rs2)
			return make(OP_ADD, rd, 0, rs2, 0);
		return rd ? make(OP_JALR, 0, rd, 0, 0) : illegal(w);
	}
	if (rs2)
		return make(OP_ADD, rd, rd, rs2, 0);
	return rd ? make(OP_JALR, 1, rd, 0, 0) : make(OP_EBREAK, 0, 0, 0, 0);
}

/* Quadrant 2: accesses relative to sp, full-register moves and jumps. */
static struct insn decode_c2(uint32_t w)
{
	uint32_t rd = bits(w, 7, 5);
	int32_t load = (int32_t)(bits(w, 12, 1) << 5 | bits(w, 4, 3) << 2 | bits(w, 2, 2) << 6);
	int32_t store = (int32_t)(bits(w, 9, 4) << 2 | bits(w, 7, 2) << 6);

	switch (bits(w, 13, 3)) {
	case 0:
		return bits(w, 12, 1) ? illegal(w)
				      : make(OP_SLLI, rd, rd, 0, (int32_t)bits(w, 2, 5));
	case 2:
		return rd ? make(OP_LW, rd, 2, 0, load) : illegal(w);
	case 4:
		return decode_c_jump(w);
	case 6:
		return make(OP_SW, 0, 2, bits(w, 2, 5), store);
	}
	return illegal(w);
}

static struct insn decode16(uint32_t w, uint32_t pc)
{
	switch (w & 3) {
	case 0:
		return decode_c0(w);
	case 1:
		return decode_c1(w, pc);
	}
	return decode_c2(w);
}

/* Fills the slot at offset @off of RAM, which is inside it and even. */
static void decode_slot(struct axon_rv32 *cpu, uint32_t off)
{
	uint32_t slot = off / 2, pc = cpu->bus.ram_base + off;
	struct insn in;
	uint16_t half[2];

	memcpy(&half[0], cpu->bus.ram + off, 2);
	if ((half[0] & 3) != 3) {
		in = decode16(half[0], pc);
	} else if (cpu->bus.ram_size - off < 4) {
		in = make(OP_FETCH_FAULT, 0, 0, 0, 2);
	} else {
		memcpy(&half[1], cpu->bus.ram + off + 2, 2);
		in = decode32((uint32_t)half[1] << 16 | half[0], pc);
		in.op |= OP_LONG;
	}
	cpu->cache[slot] = in;
	if (slot < cpu->low)
		cpu->low = slot;
	if (slot >= cpu->high)
		cpu->high = slot + 1;
}

static void flush(struct axon_rv32 *cpu)
{
	if (cpu->low < cpu->high)
		memset(cpu->cache + cpu->low, 0, (cpu->high - cpu->low) * sizeof(struct insn));
	cpu->low = cpu->bus.ram_size / 2;
	cpu->high = 0;
}

/* ---- control and status registers ---- */

static bool csr_read_only_zero(uint32_t csr)
{
	return csr == 0xf11 || csr == 0xf12 || csr == 0xf13 ||	/* mvendorid marchid mimpid */
	       csr == 0xf14 || csr == 0xf15 ||			/* mhartid mconfigptr */
	       csr == 0x310 ||					/* mstatush */
	       csr - 0x323 < 29 ||				/* mhpmevent3.. */
	       csr - 0xb03 < 29 || csr - 0xb83 < 29;		/* mhpmcounter3.., halves */
}

static bool csr_read(const struct axon_rv32 *cpu, uint32_t csr, uint32_t *value)
{
	/* The reading instruction is counted in @executed and not yet retired. */
	uint64_t done = cpu->executed - 1;

	switch (csr) {
	case 0x300: *value = cpu->mstatus | MSTATUS_MPP; break;
	case 0x301: *value = MISA; break;
	case 0x304: *value = cpu->mie; break;
	case 0x305: *value = cpu->mtvec; break;
	case 0x340: *value = cpu->mscratch; break;
	case 0x341: *value = cpu->mepc; break;
	case 0x342: *value = cpu->mcause; break;
	case 0x343: *value = cpu->mtval; break;
	case 0x344: *value = cpu->mip; break;
	case 0xb00: *value = (uint32_t)(done + cpu->cycle_offset); break;
	case 0xb02: *value = (uint32_t)(done + cpu->instret_offset); break;
	case 0xb80: *value = (uint32_t)((done + cpu->cycle_offset) >> 32); break;
	case 0xb82: *value = (uint32_t)((done + cpu->instret_offset) >> 32); break;
	default:
		*value = 0;
		return csr_read_only_zero(csr);
	}
	return true;
}

/* One half of a counter: the value written is the one that the next instruction reads. */
static void write_counter(struct axon_rv32 *cpu, uint64_t *offset, uint32_t value, bool high)
{
	uint64_t now = cpu->executed - 1 + *offset;

	if (high)
		now = (now & 0xffffffffu) | (uint64_t)value << 32;
	else
		now = (now & ~(uint64_t)0xffffffffu) | value;
	*offset = now - cpu->executed;
}

static bool csr_write(struct axon_rv32 *cpu, uint32_t csr, uint32_t value)
{
	switch (csr) {
	case 0x300: cpu->mstatus = value & (MSTATUS_MIE | MSTATUS_MPIE); break;
	case 0x301: break;
	case 0x304: cpu->mie = value & IRQ_MASK; break;
	case 0x305: cpu->mtvec = value & ~2u; break;
	case 0x340: cpu->mscratch = value; break;
	case 0x341: cpu->mepc = value & ~1u; break;
	case 0x342: cpu->mcause = value; break;
	case 0x343: cpu->mtval = value; break;
	case 0x344: break;	/* all three lines come from outside */
	case 0xb00: write_counter(cpu, &cpu->cycle_offset, value, false); break;
	case 0xb02: write_counter(cpu, &cpu->instret_offset, value, false); break;
	case 0xb80: write_counter(cpu, &cpu->cycle_offset, value, true); break;
	case 0xb82: write_counter(cpu, &cpu->instret_offset, value, true); break;
	default:
		return csr_read_only_zero(csr);
	}
	return true;
}

/* Return: false if the instruction is illegal. */
static bool do_csr(struct axon_rv32 *cpu, const struct insn *in)
{
	uint32_t csr = (uint32_t)in->imm & 0xfff, f3 = (uint32_t)in->imm >> 12;
	uint32_t source = f3 & 4 ? in->rs1 : cpu->x[in->rs1];
	bool swap = (f3 & 3) == 1, writes = swap || in->rs1;
	uint32_t old, value;

	if (writes && csr >> 10 == 3)
		return false;
	if (!csr_read(cpu, csr, &old))
		return false;
	if (swap)
		value = source;
	else if ((f3 & 3) == 2)
		value = old | source;
	else
		value = old & ~source;
	if (writes && !csr_write(cpu, csr, value))
		return false;
	cpu->x[in->rd] = old;
	return true;
}

/* ---- traps ---- */

/* Enters the handler for the instruction at pc. Return: false if the core stopped instead. */
static bool take_trap(struct axon_rv32 *cpu, uint32_t cause, uint32_t tval)
{
	bool looping = !(cause & CAUSE_IRQ) && cpu->pc == cpu->entry_pc &&
		       cpu->executed - cpu->entry_executed <= 1;

	if (!cpu->mtvec || looping) {
		cpu->stop = (struct axon_rv32_stop){ !cpu->mtvec, cause, cpu->pc, tval };
		cpu->stopped = true;
		return false;
	}
	cpu->mepc = cpu->pc;
	cpu->mcause = cause;
	cpu->mtval = tval;
	cpu->mstatus = cpu->mstatus & MSTATUS_MIE ? MSTATUS_MPIE : 0;
	cpu->reserved = false;
	cpu->pc = cpu->mtvec & ~3u;
	if (cause & CAUSE_IRQ && cpu->mtvec & 1)
		cpu->pc += 4 * (cause & ~CAUSE_IRQ);
	cpu->entry_pc = cpu->pc;
	cpu->entry_executed = cpu->executed;
	return true;
}

static bool irq_ready(const struct axon_rv32 *cpu)
{
	return cpu->mip & cpu->mie && cpu->mstatus & MSTATUS_MIE;
}

static bool take_irq(struct axon_rv32 *cpu)
{
	uint32_t ready = cpu->mip & cpu->mie;
	uint32_t irq = AXON_RV32_IRQ_TIMER;

	if (ready & 1u << AXON_RV32_IRQ_EXTERNAL)
		irq = AXON_RV32_IRQ_EXTERNAL;
	else if (ready & 1u << AXON_RV32_IRQ_SOFTWARE)
		irq = AXON_RV32_IRQ_SOFTWARE;
	return take_trap(cpu, CAUSE_IRQ | irq, 0);
}

static void do_mret(struct axon_rv32 *cpu)
{
	cpu->mstatus = MSTATUS_MPIE | (cpu->mstatus & MSTATUS_MPIE ? MSTATUS_MIE : 0);
	cpu->pc = cpu->mepc;
}

/* ---- memory, slow paths: each returns 0 or the cause of the exception, with cpu->tval ---- */

static bool in_ram(const struct axon_rv32 *cpu, uint32_t addr, unsigned int size)
{
	return addr - cpu->bus.ram_base <= cpu->bus.ram_size - size;
}

static uint32_t load_slow(struct axon_rv32 *cpu, uint32_t addr, unsigned int size, uint32_t *value)
{
	*value = 0;
	cpu->tval = addr;
	if (addr & (size - 1))
		return AXON_RV32_LOAD_MISALIGNED;
	if (!cpu->bus.load(cpu->bus.opaque, addr, size, value))
		return AXON_RV32_LOAD_ACCESS;
	return 0;
}

static uint32_t store_slow(struct axon_rv32 *cpu, uint32_t addr, unsigned int size, uint32_t value)
{
	cpu->tval = addr;
	if (addr & (size - 1))
		return AXON_RV32_STORE_MISALIGNED;
	if (!cpu->bus.store(cpu->bus.opaque, addr, size, value))
		return AXON_RV32_STORE_ACCESS;
	return 0;
}

static uint32_t do_lr(struct axon_rv32 *cpu, const struct insn *in)
{
	uint32_t addr = cpu->x[in->rs1];

	cpu->tval = addr;
	if (addr & 3)
		return AXON_RV32_LOAD_MISALIGNED;
	if (!in_ram(cpu, addr, 4))
		return AXON_RV32_LOAD_ACCESS;
	memcpy(&cpu->x[in->rd], cpu->bus.ram + (addr - cpu->bus.ram_base), 4);
	cpu->reserved = true;
	cpu->reserved_at = addr;
	return 0;
}

static uint32_t do_sc(struct axon_rv32 *cpu, const struct insn *in)
{
	uint32_t addr = cpu->x[in->rs1];
	bool held = cpu->reserved && cpu->reserved_at == addr;

	cpu->tval = addr;
	if (addr & 3)
		return AXON_RV32_STORE_MISALIGNED;
	if (!in_ram(cpu, addr, 4))
		return AXON_RV32_STORE_ACCESS;
	if (held)
		memcpy(cpu->bus.ram + (addr - cpu->bus.ram_base), &cpu->x[in->rs2], 4);
	cpu->reserved = false;
	cpu->x[in->rd] = !held;
	return 0;
}

static uint32_t amo_result(uint32_t f5, uint32_t old, uint32_t src)
{
	switch (f5) {
	case 0x00: return old + src;
	case 0x01: return src;
	case 0x04: return old ^ src;
	case 0x08: return old | src;
	case 0x0c: return old & src;
	case 0x10: return (int32_t)old < (int32_t)src ? old : src;
	case 0x14: return (int32_t)old > (int32_t)src ? old : src;
	case 0x18: return old < src ? old : src;
	}
	return old > src ? old : src;
}

static uint32_t do_amo(struct axon_rv32 *cpu, const struct insn *in)
{
	uint32_t addr = cpu->x[in->rs1], src = cpu->x[in->rs2], old;
	uint8_t *at;

	cpu->tval = addr;
	if (addr & 3)
		return AXON_RV32_STORE_MISALIGNED;
	if (!in_ram(cpu, addr, 4))
		return AXON_RV32_STORE_ACCESS;
	at = cpu->bus.ram + (addr - cpu->bus.ram_base);
	memcpy(&old, at, 4);
	src = amo_result((uint32_t)in->imm, old, src);
	memcpy(at, &src, 4);
	cpu->x[in->rd] = old;
	return 0;
}

/* ---- execution ---- */

static uint32_t divide(uint32_t a, uint32_t b)
{
	if (!b)
		return UINT32_MAX;
	if (a == 0x80000000u && b == UINT32_MAX)
		return a;
	return (uint32_t)((int32_t)a / (int32_t)b);
}

static uint32_t remainder_of(uint32_t a, uint32_t b)
{
	if (!b)
		return a;
	if (a == 0x80000000u && b == UINT32_MAX)
		return 0;
	return (uint32_t)((int32_t)a % (int32_t)b);
}

/* What the handlers below are made of; they use the locals of axon_rv32_run(). */
#define SRC1		(x[ip->rs1])
#define SRC2		(x[ip->rs2])
#define IMM		((uint32_t)ip->imm)
#define LENGTH		(1 + (ip->op >> 7))
#define PC		(base + (uint32_t)(ip - cache) * 2)
#define DISPATCH()	do { if (!left) goto out; left--; goto *labels[ip->op]; } while (0)
#define NEXT()		do { ip += LENGTH; DISPATCH(); } while (0)
#define RESULT(value)	do { x[ip->rd] = (value); NEXT(); } while (0)
#define SYNC()		do { cpu->pc = PC; cpu->executed = start + (max - left); } while (0)
#define JUMP(to) do { \
	uint32_t off_ = (to) - base; \
	if (off_ >= size) { \
		cpu->pc = (to); \
		goto fetch_fault; \
	} \
	ip = cache + off_ / 2; \
	DISPATCH(); \
} while (0)
#define BRANCH(condition) do { if (condition) JUMP(IMM); NEXT(); } while (0)
#define LOAD(type) do { \
	uint32_t addr_ = SRC1 + IMM, off_ = addr_ - base; \
	type value_; \
	if (off_ > size - sizeof(type) || addr_ & (sizeof(type) - 1)) { \
		uint32_t slow_; \
		SYNC(); \
		cause = load_slow(cpu, addr_, sizeof(type), &slow_); \
		if (cause) \
			goto trap; \
		x[ip->rd] = (uint32_t)(type)slow_; \
		goto accessed; \
	} \
	memcpy(&value_, ram + off_, sizeof(type)); \
	RESULT((uint32_t)value_); \
} while (0)
#define STORE(type) do { \
	uint32_t addr_ = SRC1 + IMM, off_ = addr_ - base; \
	type value_ = (type)SRC2; \
	if (off_ > size - sizeof(type) || addr_ & (sizeof(type) - 1)) { \
		SYNC(); \
		cause = store_slow(cpu, addr_, sizeof(type), value_); \
		if (cause) \
			goto trap; \
		goto accessed; \
	} \
	memcpy(ram + off_, &value_, sizeof(type)); \
	NEXT(); \
} while (0)

/* One long function on purpose: every handler jumps straight to the next one. */
enum axon_rv32_state axon_rv32_run(struct axon_rv32 *cpu, uint32_t max)
{
#define OP_LABEL(name) [OP_##name] = &&do_##name, [OP_##name | OP_LONG] = &&do_##name,
	static const void *const labels[256] = { RV32_OPS(OP_LABEL) };
#undef OP_LABEL
	struct insn *const cache = cpu->cache;
	uint8_t *const ram = cpu->bus.ram;
	uint32_t *const x = cpu->x;
	const uint32_t base = cpu->bus.ram_base, size = cpu->bus.ram_size;
	const uint64_t start = cpu->executed;
	struct insn *ip;
	uint32_t left = max, cause, tval;

	if (cpu->stopped)
		return AXON_RV32_STOPPED;
	if (cpu->waiting && !axon_rv32_wakeable(cpu))
		return AXON_RV32_WAITING;
	cpu->waiting = false;

resume:	/* at cpu->pc, with cpu->executed up to date */
	if (irq_ready(cpu) && !take_irq(cpu))
		return AXON_RV32_STOPPED;
	JUMP(cpu->pc);

fetch_fault:	/* cpu->pc lies outside RAM */
	cpu->executed = start + (max - left);
	if (!take_trap(cpu, AXON_RV32_FETCH_ACCESS, cpu->pc))
		return AXON_RV32_STOPPED;
	goto resume;

trap:	/* after SYNC(), with the cause, and the value in cpu->tval */
	if (!take_trap(cpu, cause, cpu->tval))
		return AXON_RV32_STOPPED;
	goto resume;

accessed:	/* a callback or CSR may have changed what is pending or enabled */
	if (!irq_ready(cpu))
		NEXT();
	cpu->pc = PC + 2 * LENGTH;
	goto resume;

do_DECODE:
	decode_slot(cpu, (uint32_t)(ip - cache) * 2);
	goto *labels[ip->op];
do_FETCH_FAULT:
	SYNC();
	cpu->tval = cpu->pc + IMM;
	cause = AXON_RV32_FETCH_ACCESS;
	goto trap;
do_ILLEGAL:
	tval = IMM;
	goto illegal;
illegal:
	SYNC();
	cpu->tval = tval;
	cause = AXON_RV32_ILLEGAL;
	goto trap;

do_LI: RESULT(IMM);
do_JAL: {
		uint32_t to = IMM;

		x[ip->rd] = PC + 2 * LENGTH;
		JUMP(to);
	}
do_JALR: {
		uint32_t to = (SRC1 + IMM) & ~1u;

		x[ip->rd] = PC + 2 * LENGTH;
		JUMP(to);
	}
do_BEQ: BRANCH(SRC1 == SRC2);
do_BNE: BRANCH(SRC1 != SRC2);
do_BLT: BRANCH((int32_t)SRC1 < (int32_t)SRC2);
do_BGE: BRANCH((int32_t)SRC1 >= (int32_t)SRC2);
do_BLTU: BRANCH(SRC1 < SRC2);
do_BGEU: BRANCH(SRC1 >= SRC2);

do_LB: LOAD(int8_t);
do_LH: LOAD(int16_t);
do_LW: LOAD(uint32_t);
do_LBU: LOAD(uint8_t);
do_LHU: LOAD(uint16_t);
do_SB: STORE(uint8_t);
do_SH: STORE(uint16_t);
do_SW: STORE(uint32_t);

do_ADDI: RESULT(SRC1 + IMM);
do_SLTI: RESULT((int32_t)SRC1 < ip->imm);
do_SLTIU: RESULT(SRC1 < IMM);
do_XORI: RESULT(SRC1 ^ IMM);
do_ORI: RESULT(SRC1 | IMM);
do_ANDI: RESULT(SRC1 & IMM);
do_SLLI: RESULT(SRC1 << IMM);
do_SRLI: RESULT(SRC1 >> IMM);
do_SRAI: RESULT((uint32_t)((int32_t)SRC1 >> IMM));

do_ADD: RESULT(SRC1 + SRC2);
do_SUB: RESULT(SRC1 - SRC2);
do_SLL: RESULT(SRC1 << (SRC2 & 31));
do_SLT: RESULT((int32_t)SRC1 < (int32_t)SRC2);
do_SLTU: RESULT(SRC1 < SRC2);
do_XOR: RESULT(SRC1 ^ SRC2);
do_SRL: RESULT(SRC1 >> (SRC2 & 31));
do_SRA: RESULT((uint32_t)((int32_t)SRC1 >> (SRC2 & 31)));
do_OR: RESULT(SRC1 | SRC2);
do_AND: RESULT(SRC1 & SRC2);

do_MUL: RESULT(SRC1 * SRC2);
do_MULH: RESULT((uint32_t)((uint64_t)((int64_t)(int32_t)SRC1 * (int32_t)SRC2) >> 32));
do_MULHSU: RESULT((uint32_t)((uint64_t)((int64_t)(int32_t)SRC1 * (int64_t)SRC2) >> 32));
do_MULHU: RESULT((uint32_t)(((uint64_t)SRC1 * SRC2) >> 32));
do_DIV: RESULT(divide(SRC1, SRC2));
do_DIVU: RESULT(SRC2 ? SRC1 / SRC2 : UINT32_MAX);
do_REM: RESULT(remainder_of(SRC1, SRC2));
do_REMU: RESULT(SRC2 ? SRC1 % SRC2 : SRC1);

do_LR:
	SYNC();
	cause = do_lr(cpu, ip);
	if (cause)
		goto trap;
	NEXT();
do_SC:
	SYNC();
	cause = do_sc(cpu, ip);
	if (cause)
		goto trap;
	NEXT();
do_AMO:
	SYNC();
	cause = do_amo(cpu, ip);
	if (cause)
		goto trap;
	NEXT();

do_FENCE:
	/* Callbacks may reach memory that other threads see. */
	atomic_thread_fence(memory_order_seq_cst);
	NEXT();
do_FENCE_I:
	ip += LENGTH;
	flush(cpu);
	DISPATCH();
do_ECALL:
	SYNC();
	cpu->tval = 0;
	cause = AXON_RV32_ECALL;
	goto trap;
do_EBREAK:
	SYNC();
	cpu->tval = cpu->pc;
	cause = AXON_RV32_BREAKPOINT;
	goto trap;
do_MRET:
	SYNC();
	do_mret(cpu);
	goto resume;
do_WFI:
	ip += LENGTH;
	SYNC();
	if (axon_rv32_wakeable(cpu))
		goto resume;
	cpu->waiting = true;
	return AXON_RV32_WAITING;
do_CSR:
	SYNC();
	if (do_csr(cpu, ip))
		goto accessed;
	memcpy(&tval, ram + (cpu->pc - base), 4);
	goto illegal;

out:
	SYNC();
	return AXON_RV32_RUNNING;
}

/* ---- life ---- */

int axon_rv32_create(const struct axon_rv32_bus *bus, struct axon_rv32 **result)
{
	struct axon_rv32 *cpu;
	uint32_t slots = bus->ram_size / 2;

	if (!bus->ram || !bus->load || !bus->store || bus->ram_size < 4 ||
	    bus->ram_size > 1u << 30 || (bus->ram_size | bus->ram_base) & 3 ||
	    bus->ram_size - 1 > UINT32_MAX - bus->ram_base)
		return -EINVAL;
	cpu = calloc(1, sizeof(*cpu));
	if (!cpu)
		return -ENOMEM;
	cpu->cache = calloc((size_t)slots + 1, sizeof(struct insn));
	if (!cpu->cache) {
		free(cpu);
		return -ENOMEM;
	}
	cpu->bus = *bus;
	cpu->low = slots;
	/* Code that runs off the end of RAM arrives here. */
	cpu->cache[slots] = make(OP_FETCH_FAULT, 0, 0, 0, 0);
	axon_rv32_reset(cpu, bus->ram_base);
	*result = cpu;
	return 0;
}

void axon_rv32_destroy(struct axon_rv32 *cpu)
{
	if (!cpu)
		return;
	free(cpu->cache);
	free(cpu);
}

void axon_rv32_reset(struct axon_rv32 *cpu, uint32_t pc)
{
	struct axon_rv32 fresh = { .bus = cpu->bus, .cache = cpu->cache };

	flush(cpu);
	fresh.low = cpu->low;
	fresh.high = cpu->high;
	fresh.pc = pc & ~1u;
	fresh.entry_pc = 1;	/* no instruction has this address */
	*cpu = fresh;
}

void axon_rv32_set_irq(struct axon_rv32 *cpu, enum axon_rv32_irq irq, bool level)
{
	if (level)
		cpu->mip |= 1u << irq;
	else
		cpu->mip &= ~(1u << irq);
}

bool axon_rv32_wakeable(const struct axon_rv32 *cpu)
{
	return cpu->mip & cpu->mie;
}

bool axon_rv32_waiting(const struct axon_rv32 *cpu)
{
	return cpu->waiting;
}

bool axon_rv32_irq_enabled(const struct axon_rv32 *cpu, enum axon_rv32_irq irq)
{
	return cpu->mie & 1u << irq;
}

uint32_t axon_rv32_reg(const struct axon_rv32 *cpu, unsigned int reg)
{
	return reg < 32 ? cpu->x[reg] : 0;
}

void axon_rv32_set_reg(struct axon_rv32 *cpu, unsigned int reg, uint32_t value)
{
	if (reg > 0 && reg < 32)
		cpu->x[reg] = value;
}

uint32_t axon_rv32_pc(const struct axon_rv32 *cpu)
{
	return cpu->pc;
}

uint64_t axon_rv32_executed(const struct axon_rv32 *cpu)
{
	return cpu->executed;
}

struct axon_rv32_stop axon_rv32_stop(const struct axon_rv32 *cpu)
{
	return cpu->stop;
}
