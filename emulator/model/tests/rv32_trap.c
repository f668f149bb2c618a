// SPDX-License-Identifier: MIT
/*
 * rv32_trap.c - exceptions, interrupts, WFI, CSRs, and traps that stop the core.
 */
#include "rv32_machine.h"

#define MIE_BIT		(1u << 3)
#define MPIE_BIT	(1u << 7)
#define MPP_BITS	(3u << 11)

static void exceptions(void **state)
{
	struct machine *m = *state;
	struct trap trap;

	trap = machine_catch(m, ECALL);
	assert_int_equal(trap.cause, AXON_RV32_ECALL);
	assert_int_equal(trap.epc, BASE + 8);
	assert_int_equal(trap.tval, 0);
	assert_int_equal(trap.mstatus, MPP_BITS);
	trap = machine_catch(m, EBREAK);
	assert_int_equal(trap.cause, AXON_RV32_BREAKPOINT);
	assert_int_equal(trap.tval, BASE + 8);
}

static void illegal_words(void **state)
{
	static const uint32_t words[] = {
		0x00000000, 0xffffffff, 0x0000007f, 0x0000001f, 0x0000003f,
		0x00000007, 0x00000027, 0x00000053,	/* floating point */
		0x00003003, 0x00006003, 0x00007003,	/* loads */
		0x00003023, 0x00007023,			/* stores */
		0x00001067, 0x00002063, 0x00003063,	/* jalr, branches */
		0x02001013, 0x02005013, 0x60005013,	/* shifts */
		0x40001033, 0x04000033, 0x40004033,	/* register operations */
		0x0000202f | 0x05u << 27, 0x0010202f | 0x02u << 27, 0x0000302f,	/* atomics */
		0x0000200f,				/* fence */
		0x10200073, 0x00200073, 0x12000073, 0x7b200073, 0x00004073,	/* system */
	};
	struct machine *m = *state;
	size_t i;

	for (i = 0; i < sizeof(words) / 4; i++) {
		struct trap trap = machine_catch(m, words[i]);
		bool short_one = (words[i] & 3) != 3;

		assert_int_equal(trap.cause, AXON_RV32_ILLEGAL);
		assert_int_equal(trap.tval, short_one ? words[i] & 0xffff : words[i]);
	}
}

static void illegal_csrs(void **state)
{
	struct machine *m = *state;
	uint32_t words[] = {
		CSRRS(a0, 0x7a0, 0), CSRRS(a0, 0x3a0, 0), CSRRS(a0, 0x180, 0), CSRRS(a0, 0xc00, 0),
		CSRRS(a0, 0x106, 0), CSRRS(a0, 0xfff, 0), CSRRW(a0, 0x000, a1),
		/* writes to read-only ones */
		CSRRW(0, MHARTID, a1), CSRRS(a0, MHARTID, a1), CSRRC(a0, 0xf11, a1),
		CSRRWI(0, MHARTID, 0), CSRRSI(0, MHARTID, 1),
	};
	size_t i;

	set(m, a0, 42);
	for (i = 0; i < sizeof(words) / 4; i++) {
		struct trap trap = machine_catch(m, words[i]);

		assert_int_equal(trap.cause, AXON_RV32_ILLEGAL);
		assert_int_equal(trap.tval, words[i]);
		assert_int_equal(reg(m, a0), 42);
	}
}

static void csr_operations(void **state)
{
	struct machine *m = *state;
	const uint32_t code[] = {
		CSRRW(a0, MSCRATCH, a1), CSRRS(a2, MSCRATCH, a3), CSRRC(a4, MSCRATCH, a5),
		CSRRWI(a6, MSCRATCH, 0x15), CSRRSI(a7, MSCRATCH, 0x0a), CSRRCI(s2, MSCRATCH, 0x1e),
		CSRRS(s3, MSCRATCH, 0),
	};

	machine_load(m, code, 7);
	set(m, a1, 0xf0f0);
	set(m, a3, 0x0f00);
	set(m, a5, 0xf000);
	machine_run(m, 7);
	assert_int_equal(reg(m, a0), 0);
	assert_int_equal(reg(m, a2), 0xf0f0);
	assert_int_equal(reg(m, a4), 0xfff0);
	assert_int_equal(reg(m, a6), 0x0ff0);
	assert_int_equal(reg(m, a7), 0x15);
	assert_int_equal(reg(m, s2), 0x1f);
	assert_int_equal(reg(m, s3), 0x01);
}

/* All ones into each register: what reads back are the bits that exist. */
static void csr_masks(void **state)
{
	static const struct {
		uint32_t csr, expect;
	} csrs[] = {
		{ MSTATUS, MIE_BIT | MPIE_BIT | MPP_BITS }, { MIE, 0x888 }, { MTVEC, 0xfffffffd },
		{ MSCRATCH, 0xffffffff }, { MEPC, 0xfffffffe }, { MCAUSE, 0xffffffff },
		{ MTVAL, 0xffffffff }, { MIP, 0 }, { MISA, 0x40001105 },
		{ 0x310, 0 }, { 0x323, 0 }, { 0x33f, 0 }, { 0xb03, 0 }, { 0xb1f, 0 }, { 0xb9f, 0 },
	};
	struct machine *m = *state;
	size_t i;

	for (i = 0; i < sizeof(csrs) / sizeof(csrs[0]); i++) {
		EXECUTE(m, ADDI(a1, 0, -1), CSRRW(0, csrs[i].csr, a1), CSRRS(a0, csrs[i].csr, 0));
		assert_int_equal(reg(m, a0), csrs[i].expect);
	}
	EXECUTE(m, CSRRS(a0, MHARTID, 0), CSRRS(a1, 0xf11, 0), CSRRS(a2, 0xf15, 0));
	assert_int_equal(reg(m, a0) | reg(m, a1) | reg(m, a2), 0);
}

static void counters(void **state)
{
	struct machine *m = *state;

	EXECUTE(m, ADDI(0, 0, 0), CSRRS(a0, MINSTRET, 0), CSRRS(a1, MCYCLE, 0),
		ADDI(a2, 0, -1), CSRRW(0, MINSTRET, a2), CSRRS(a3, MINSTRET, 0),
		CSRRS(a4, MINSTRETH, 0), CSRRWI(0, MCYCLEH, 7), CSRRS(a5, MCYCLEH, 0),
		CSRRS(a6, MCYCLE, 0));
	assert_int_equal(reg(m, a0), 1);
	assert_int_equal(reg(m, a1), 2);
	assert_int_equal(reg(m, a3), 0xffffffff);
	assert_int_equal(reg(m, a4), 1);
	assert_int_equal(reg(m, a5), 7);
	assert_int_equal(axon_rv32_executed(m->cpu), 10);
	/* 10 instructions, of which the write to the high half took none away from the low one */
	assert_int_equal(reg(m, a6), 8);
}

static void mret_restores(void **state)
{
	struct machine *m = *state;
	const uint32_t code[] = {
		U(0x17, a0, 0), ADDI(a0, a0, 0x100), CSRRW(0, MEPC, a0),
		CSRRW(0, MSTATUS, a1), MRET,
	};

	machine_load(m, code, 5);
	poke(m, BASE + 0x100, CSRRS(a2, MSTATUS, 0));
	set(m, a1, MPIE_BIT);
	machine_run(m, 6);
	assert_int_equal(reg(m, a2), MIE_BIT | MPIE_BIT | MPP_BITS);
	machine_load(m, code, 5);
	set(m, a1, MIE_BIT);
	machine_run(m, 6);
	assert_int_equal(reg(m, a2), MPIE_BIT | MPP_BITS);
}

/* Interrupts enabled, handler at HANDLER with the given mode; then a loop. */
static void irq_machine(struct machine *m, uint32_t mode, uint32_t mie)
{
	const uint32_t code[] = {
		CSRRW(0, MTVEC, t6), CSRRW(0, MIE, t5), CSRRSI(0, MSTATUS, 8), J(0, 0),
	};
	const uint32_t handler[] = { CSRRS(s8, MCAUSE, 0), CSRRS(s9, MEPC, 0), J(0, 0) };
	uint32_t i;

	machine_load(m, code, 4);
	for (i = 0; i < 12; i++)	/* each vector: its number in s7, then to the handler */
		poke(m, HANDLER + 4 * i, i ? J(0, 0x100 - 4 * (int32_t)i) : J(0, 0x100));
	memcpy(m->ram + (HANDLER + 0x100 - BASE), handler, sizeof(handler));
	set(m, t6, HANDLER | mode);
	set(m, t5, mie);
	machine_run(m, 4);
}

static void interrupts_are_taken(void **state)
{
	static const uint32_t irqs[] = { 3, 7, 11 };
	struct machine *m = *state;
	uint32_t mode;
	size_t i;

	for (i = 0; i < 3; i++) {
		for (mode = 0; mode < 2; mode++) {
			irq_machine(m, mode, 0x888);
			axon_rv32_set_irq(m->cpu, irqs[i], true);
			machine_run(m, 1);	/* the jump in the vector */
			assert_int_equal(axon_rv32_pc(m->cpu), HANDLER + 0x100);
			machine_run(m, 2);
			assert_int_equal(reg(m, s8), 0x80000000 | irqs[i]);
			assert_int_equal(reg(m, s9), BASE + 12);
			/* not taken again inside the handler */
			machine_run(m, 100);
			assert_int_equal(axon_rv32_pc(m->cpu), HANDLER + 0x108);
		}
	}
}

static void vectors_differ(void **state)
{
	struct machine *m = *state;

	irq_machine(m, 1, 0x888);
	poke(m, HANDLER + 4 * 7, ADDI(s7, 0, 7));
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_TIMER, true);
	machine_run(m, 1);
	assert_int_equal(reg(m, s7), 7);
	/* exceptions always go to the base */
	irq_machine(m, 1, 0);
	poke(m, BASE + 12, ECALL);
	poke(m, HANDLER, ADDI(s7, 0, 99));
	axon_rv32_reset(m->cpu, BASE);
	set(m, t6, HANDLER | 1);
	machine_run(m, 5);
	assert_int_equal(reg(m, s7), 99);
}

static void interrupts_have_an_order(void **state)
{
	struct machine *m = *state;

	irq_machine(m, 0, 0x888);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_TIMER, true);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_SOFTWARE, true);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_EXTERNAL, true);
	machine_run(m, 3);
	assert_int_equal(reg(m, s8), 0x8000000b);
	irq_machine(m, 0, 0x888);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_TIMER, true);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_SOFTWARE, true);
	machine_run(m, 3);
	assert_int_equal(reg(m, s8), 0x80000003);
}

static void masked_interrupts_wait(void **state)
{
	struct machine *m = *state;

	irq_machine(m, 0, 0x800);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_TIMER, true);
	machine_run(m, 50);
	assert_int_equal(axon_rv32_pc(m->cpu), BASE + 12);
	assert_false(axon_rv32_wakeable(m->cpu));
	assert_false(axon_rv32_irq_enabled(m->cpu, AXON_RV32_IRQ_TIMER));
	/* a line that falls before it is enabled is forgotten */
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_EXTERNAL, true);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_EXTERNAL, false);
	machine_run(m, 50);
	assert_int_equal(axon_rv32_pc(m->cpu), BASE + 12);
}

/* Enabling by CSR write takes effect before the next instruction. */
static void enabling_is_immediate(void **state)
{
	struct machine *m = *state;
	const uint32_t code[] = {
		CSRRW(0, MTVEC, t6), CSRRW(0, MIE, t5), ADDI(a0, 0, 1), CSRRSI(0, MSTATUS, 8),
		ADDI(a0, 0, 2),
	};

	machine_load(m, code, 5);
	poke(m, HANDLER, CSRRS(s9, MEPC, 0));
	set(m, t6, HANDLER);
	set(m, t5, 0x80);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_TIMER, true);
	machine_run(m, 5);
	assert_int_equal(reg(m, a0), 1);
	assert_int_equal(reg(m, s9), BASE + 16);
}

static void wfi(void **state)
{
	struct machine *m = *state;
	const uint32_t code[] = { CSRRW(0, MIE, t5), WFI, ADDI(a0, 0, 1), J(0, 0) };

	machine_load(m, code, 4);
	set(m, t5, 0x80);
	assert_int_equal(axon_rv32_run(m->cpu, 100), AXON_RV32_WAITING);
	assert_true(axon_rv32_waiting(m->cpu));
	assert_int_equal(axon_rv32_executed(m->cpu), 2);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_EXTERNAL, true);	/* not enabled */
	assert_int_equal(axon_rv32_run(m->cpu, 100), AXON_RV32_WAITING);
	assert_int_equal(axon_rv32_executed(m->cpu), 2);
	/* wakes without a trap: mstatus.MIE is clear */
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_TIMER, true);
	machine_run(m, 1);
	assert_int_equal(reg(m, a0), 1);
	assert_false(axon_rv32_waiting(m->cpu));
	/* does not wait if something is pending */
	machine_load(m, code, 4);
	set(m, t5, 0x80);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_TIMER, true);
	machine_run(m, 3);
	assert_int_equal(reg(m, a0), 1);
}

static void wfi_traps_after_it(void **state)
{
	struct machine *m = *state;

	irq_machine(m, 0, 0x888);
	poke(m, BASE + 12, WFI);
	axon_rv32_reset(m->cpu, BASE);
	set(m, t6, HANDLER);
	set(m, t5, 0x888);
	assert_int_equal(axon_rv32_run(m->cpu, 100), AXON_RV32_WAITING);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_SOFTWARE, true);
	machine_run(m, 3);
	assert_int_equal(reg(m, s8), 0x80000003);
	assert_int_equal(reg(m, s9), BASE + 16);
}

/* ---- traps that cannot be taken ---- */

static void check_stop(struct machine *m, bool no_handler, uint32_t cause, uint32_t epc)
{
	struct axon_rv32_stop stop;
	uint64_t executed;

	assert_int_equal(axon_rv32_run(m->cpu, 100), AXON_RV32_STOPPED);
	stop = axon_rv32_stop(m->cpu);
	assert_int_equal(stop.no_handler, no_handler);
	assert_int_equal(stop.cause, cause);
	assert_int_equal(stop.epc, epc);
	executed = axon_rv32_executed(m->cpu);
	assert_int_equal(axon_rv32_run(m->cpu, 100), AXON_RV32_STOPPED);
	assert_int_equal(axon_rv32_executed(m->cpu), executed);
}

static void no_handler_stops(void **state)
{
	struct machine *m = *state;
	const uint32_t code[] = { ADDI(a0, 0, 1), ECALL };
	const uint32_t irq[] = { CSRRW(0, MIE, t5), CSRRSI(0, MSTATUS, 8) };

	machine_load(m, code, 2);
	check_stop(m, true, AXON_RV32_ECALL, BASE + 4);
	machine_load(m, irq, 2);
	set(m, t5, 0x80);
	axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_TIMER, true);
	check_stop(m, true, 0x80000007, BASE + 8);
	/* a reset starts it again */
	EXECUTE(m, ADDI(a0, 0, 3));
	assert_int_equal(reg(m, a0), 3);
}

static void bad_handler_stops(void **state)
{
	struct machine *m = *state;
	const uint32_t code[] = { CSRRW(0, MTVEC, t6), ECALL };

	machine_load(m, code, 2);
	set(m, t6, DEVICE);		/* not RAM */
	check_stop(m, false, AXON_RV32_FETCH_ACCESS, DEVICE);
	machine_load(m, code, 2);
	set(m, t6, HANDLER);
	memset(m->ram + (HANDLER - BASE), 0, 4);	/* illegal */
	check_stop(m, false, AXON_RV32_ILLEGAL, HANDLER);
}

/* A handler that faults later goes round for ever, within the instructions it is given. */
static void looping_handler_is_bounded(void **state)
{
	struct machine *m = *state;
	const uint32_t code[] = { CSRRW(0, MTVEC, t6), ECALL };

	machine_load(m, code, 2);
	poke(m, HANDLER, ADDI(a0, a0, 1));
	poke(m, HANDLER + 4, ECALL);
	set(m, t6, HANDLER);
	machine_run(m, 2 + 1000);
	assert_int_equal(reg(m, a0), 500);
}

static void fetch_faults(void **state)
{
	struct machine *m = *state;
	struct trap trap;

	/* a jump out of RAM: the fault is at the target */
	set(m, a0, DEVICE + 4);
	trap = machine_catch(m, I(0x67, 0, ra, a0, 0));
	assert_int_equal(trap.cause, AXON_RV32_FETCH_ACCESS);
	assert_int_equal(trap.epc, DEVICE + 4);
	assert_int_equal(trap.tval, DEVICE + 4);
	assert_int_equal(reg(m, ra), BASE + 12);
	trap = machine_catch(m, J(0, -0x100));
	assert_int_equal(trap.epc, BASE + 8 - 0x100);
	trap = machine_catch(m, B(0, 0, 0, -0x100));
	assert_int_equal(trap.epc, BASE + 8 - 0x100);
	/* running off the end */
	poke(m, BASE + RAM_SIZE - 4, ADDI(a1, 0, 7));
	set(m, a0, BASE + RAM_SIZE - 4);
	trap = machine_catch(m, I(0x67, 0, 0, a0, 0));
	machine_run(m, 1);
	assert_int_equal(reg(m, a1), 7);
	/* an instruction of which one half is outside */
	poke(m, BASE + RAM_SIZE - 4, 0x00130001);	/* c.nop, half an addi */
	set(m, a0, BASE + RAM_SIZE - 2);
	trap = machine_catch(m, I(0x67, 0, 0, a0, 0));
	machine_run(m, 1);
	assert_int_equal(reg(m, s8), AXON_RV32_FETCH_ACCESS);
	assert_int_equal(reg(m, s9), BASE + RAM_SIZE - 2);
	assert_int_equal(reg(m, s10), BASE + RAM_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exceptions),
		cmocka_unit_test(illegal_words),
		cmocka_unit_test(illegal_csrs),
		cmocka_unit_test(csr_operations),
		cmocka_unit_test(csr_masks),
		cmocka_unit_test(counters),
		cmocka_unit_test(mret_restores),
		cmocka_unit_test(interrupts_are_taken),
		cmocka_unit_test(vectors_differ),
		cmocka_unit_test(interrupts_have_an_order),
		cmocka_unit_test(masked_interrupts_wait),
		cmocka_unit_test(enabling_is_immediate),
		cmocka_unit_test(wfi),
		cmocka_unit_test(wfi_traps_after_it),
		cmocka_unit_test(no_handler_stops),
		cmocka_unit_test(bad_handler_stops),
		cmocka_unit_test(looping_handler_is_bounded),
		cmocka_unit_test(fetch_faults),
	};

	return cmocka_run_group_tests(tests, machine_setup, machine_teardown);
}
