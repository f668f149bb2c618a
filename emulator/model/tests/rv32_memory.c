// SPDX-License-Identifier: MIT
/*
 * rv32_memory.c - loads, stores, atomics and code in memory.
 */
#include <errno.h>

#include "rv32_machine.h"

static void loads_extend(void **state)
{
	struct machine *m = *state;

	poke(m, DATA, 0x8081f2f3);
	set(m, a1, DATA);
	step(m, I(0x03, 0, a0, a1, 0));
	assert_int_equal(reg(m, a0), 0xfffffff3);
	step(m, I(0x03, 4, a0, a1, 1));
	assert_int_equal(reg(m, a0), 0xf2);
	step(m, I(0x03, 1, a0, a1, 2));
	assert_int_equal(reg(m, a0), 0xffff8081);
	step(m, I(0x03, 5, a0, a1, 0));
	assert_int_equal(reg(m, a0), 0xf2f3);
	set(m, a1, DATA + 2048);
	step(m, LW(a0, a1, -2048));
	assert_int_equal(reg(m, a0), 0x8081f2f3);
}

static void stores_write_their_bytes_only(void **state)
{
	struct machine *m = *state;

	set(m, a0, 0x11223344);
	set(m, a1, DATA + 8);
	poke(m, DATA, 0xffffffff);
	step(m, S(0, a1, a0, -7));
	assert_int_equal(peek(m, DATA), 0xffff44ff);
	step(m, S(1, a1, a0, -6));
	assert_int_equal(peek(m, DATA), 0x334444ff);
	step(m, SW(a0, a1, -8));
	assert_int_equal(peek(m, DATA), 0x11223344);
}

static void device_accesses(void **state)
{
	struct machine *m = *state;

	m->device[1] = 0x80c1a2b3;
	set(m, a1, DEVICE);
	step(m, LW(a0, a1, 4));
	assert_int_equal(reg(m, a0), 0x80c1a2b3);
	step(m, I(0x03, 0, a0, a1, 4));
	assert_int_equal(reg(m, a0), 0xffffffb3);
	step(m, I(0x03, 5, a0, a1, 6));
	assert_int_equal(reg(m, a0), 0x80c1);
	set(m, a0, 0x99887766);
	step(m, S(0, a1, a0, 5));
	assert_int_equal(m->device[1], 0x80c166b3);
	step(m, S(1, a1, a0, 6));
	assert_int_equal(m->device[1], 0x776666b3);
	step(m, SW(a0, a1, 60));
	assert_int_equal(m->device[15], 0x99887766);
}

static void check_fault(struct machine *m, uint32_t word, uint32_t cause, uint32_t addr)
{
	struct trap trap = machine_catch(m, word);

	assert_int_equal(trap.cause, cause);
	assert_int_equal(trap.tval, addr);
	assert_int_equal(trap.epc, BASE + 8);
}

static void misaligned_accesses_trap(void **state)
{
	struct machine *m = *state;
	uint32_t where[] = { DATA, DEVICE }, i, off;

	for (i = 0; i < 2; i++) {
		set(m, a1, where[i]);
		for (off = 1; off < 4; off++) {
			check_fault(m, LW(a0, a1, off), AXON_RV32_LOAD_MISALIGNED, where[i] + off);
			check_fault(m, SW(a0, a1, off), AXON_RV32_STORE_MISALIGNED, where[i] + off);
		}
		check_fault(m, I(0x03, 1, a0, a1, 1), AXON_RV32_LOAD_MISALIGNED, where[i] + 1);
		check_fault(m, I(0x03, 5, a0, a1, 3), AXON_RV32_LOAD_MISALIGNED, where[i] + 3);
		check_fault(m, S(1, a1, a0, 1), AXON_RV32_STORE_MISALIGNED, where[i] + 1);
	}
}

static void holes_trap(void **state)
{
	static const uint32_t holes[] = {
		0, 4, DEVICE - 4, DEVICE + 64, BASE - 4, BASE + RAM_SIZE, 0xfffffffc,
	};
	struct machine *m = *state;
	size_t i;

	for (i = 0; i < sizeof(holes) / 4; i++) {
		set(m, a0, 0x5a5a);
		set(m, a1, holes[i]);
		check_fault(m, LW(a0, a1, 0), AXON_RV32_LOAD_ACCESS, holes[i]);
		assert_int_equal(reg(m, a0), 0x5a5a);
		check_fault(m, I(0x03, 4, a0, a1, 3), AXON_RV32_LOAD_ACCESS, holes[i] + 3);
		check_fault(m, SW(a0, a1, 0), AXON_RV32_STORE_ACCESS, holes[i]);
		check_fault(m, S(0, a1, a0, 1), AXON_RV32_STORE_ACCESS, holes[i] + 1);
	}
	/* the last word of RAM is no hole */
	set(m, a1, BASE + RAM_SIZE - 4);
	set(m, a0, 0x1234);
	step(m, SW(a0, a1, 0));
	assert_int_equal(peek(m, BASE + RAM_SIZE - 4), 0x1234);
}

static void atomics(void **state)
{
	static const struct {
		uint32_t f5, old, src, result;
	} cases[] = {
		{ 0x01, 1, 2, 2 }, { 0x00, 0xffffffff, 2, 1 }, { 0x04, 0xff00, 0x0ff0, 0xf0f0 },
		{ 0x0c, 0xff00, 0x0ff0, 0x0f00 }, { 0x08, 0xff00, 0x0ff0, 0xfff0 },
		{ 0x10, 0xffffffff, 1, 0xffffffff }, { 0x10, 1, 0x80000000, 0x80000000 },
		{ 0x14, 0xffffffff, 1, 1 }, { 0x14, 5, 0x80000000, 5 },
		{ 0x18, 0xffffffff, 1, 1 }, { 0x18, 3, 4, 3 },
		{ 0x1c, 0xffffffff, 1, 0xffffffff }, { 0x1c, 3, 4, 4 },
	};
	struct machine *m = *state;
	size_t i;

	set(m, a1, DATA);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		poke(m, DATA, cases[i].old);
		set(m, a2, cases[i].src);
		step(m, AMO(cases[i].f5, a0, a1, a2));
		assert_int_equal(reg(m, a0), cases[i].old);
		assert_int_equal(peek(m, DATA), cases[i].result);
		/* rd == rs2, acquire and release bits, result to x0 */
		poke(m, DATA, cases[i].old);
		step(m, AMO(cases[i].f5, a2, a1, a2) | 3u << 25);
		assert_int_equal(reg(m, a2), cases[i].old);
		assert_int_equal(peek(m, DATA), cases[i].result);
	}
}

static void atomics_need_ram(void **state)
{
	static const uint32_t f5s[] = { 0, 1, 3, 4, 8, 0xc, 0x10, 0x14, 0x18, 0x1c };
	struct machine *m = *state;
	size_t i;

	for (i = 0; i < sizeof(f5s) / 4; i++) {
		set(m, a1, DATA + 2);
		check_fault(m, AMO(f5s[i], a0, a1, a2), AXON_RV32_STORE_MISALIGNED, DATA + 2);
		set(m, a1, DEVICE);
		check_fault(m, AMO(f5s[i], a0, a1, a2), AXON_RV32_STORE_ACCESS, DEVICE);
	}
	set(m, a1, DATA + 1);
	check_fault(m, AMO(2, a0, a1, 0), AXON_RV32_LOAD_MISALIGNED, DATA + 1);
	set(m, a1, DEVICE);
	check_fault(m, AMO(2, a0, a1, 0), AXON_RV32_LOAD_ACCESS, DEVICE);
	assert_int_equal(m->device[0], 0);
}

static void load_reserved_store_conditional(void **state)
{
	struct machine *m = *state;
	const uint32_t code[] = {
		AMO(3, a0, a1, a2),		/* without a reservation: fails */
		AMO(2, a3, a1, 0), AMO(3, a4, a1, a2),	/* pair: succeeds */
		AMO(3, a5, a1, a2),		/* the reservation is used up */
		AMO(2, a6, a1, 0), AMO(3, a7, s1, a2),	/* another address: fails */
	};

	machine_load(m, code, 6);
	poke(m, DATA, 7);
	poke(m, DATA + 4, 8);
	set(m, a1, DATA);
	set(m, s1, DATA + 4);
	set(m, a2, 99);
	machine_run(m, 1);
	assert_int_equal(reg(m, a0), 1);
	assert_int_equal(peek(m, DATA), 7);
	machine_run(m, 2);
	assert_int_equal(reg(m, a3), 7);
	assert_int_equal(reg(m, a4), 0);
	assert_int_equal(peek(m, DATA), 99);
	machine_run(m, 3);
	assert_int_equal(reg(m, a5), 1);
	assert_int_equal(reg(m, a6), 99);
	assert_int_equal(reg(m, a7), 1);
	assert_int_equal(peek(m, DATA + 4), 8);
}

/* New code is seen after fence.i, not necessarily before. */
static void modified_code(void **state)
{
	struct machine *m = *state;
	const uint32_t code[] = {
		ADDI(a0, a0, 1),	/* becomes addi a0, a0, 100 */
		SW(a1, a2, 0), FENCE_I, FENCE, J(0, -16),
	};

	machine_load(m, code, 5);
	set(m, a1, ADDI(a0, a0, 100));
	set(m, a2, BASE);
	machine_run(m, 6);
	assert_int_equal(reg(m, a0), 101);
}

/* A word that one path enters in its middle. */
static void overlapping_instructions(void **state)
{
	struct machine *m = *state;

	/* lui a0, 0x45050: its upper half is c.li a0, 1 (0x4505) */
	const uint32_t code[] = { 0x45050537, J(0, -2) };

	machine_load(m, code, 2);
	machine_run(m, 1);
	assert_int_equal(reg(m, a0), 0x45050000);
	machine_run(m, 2);
	assert_int_equal(reg(m, a0), 1);
}

static void bad_bus_is_refused(void **state)
{
	struct machine *m = *state;
	struct axon_rv32_bus good = { m->ram, BASE, RAM_SIZE, device_load, device_store, m }, bus;
	struct axon_rv32 *cpu = NULL;

	bus = good;
	bus.ram_size = 2;
	assert_int_equal(axon_rv32_create(&bus, &cpu), -EINVAL);
	bus.ram_size = RAM_SIZE + 2;
	assert_int_equal(axon_rv32_create(&bus, &cpu), -EINVAL);
	bus = good;
	bus.ram_base = 0xffffc000;
	assert_int_equal(axon_rv32_create(&bus, &cpu), -EINVAL);
	bus.ram_base = BASE + 2;
	assert_int_equal(axon_rv32_create(&bus, &cpu), -EINVAL);
	bus = good;
	bus.load = NULL;
	assert_int_equal(axon_rv32_create(&bus, &cpu), -EINVAL);
	/* RAM may end where the address space does */
	bus = good;
	bus.ram_base = 0u - RAM_SIZE;
	assert_int_equal(axon_rv32_create(&bus, &cpu), 0);
	axon_rv32_destroy(cpu);
	axon_rv32_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_extend),
		cmocka_unit_test(stores_write_their_bytes_only),
		cmocka_unit_test(device_accesses),
		cmocka_unit_test_setup_teardown(misaligned_accesses_trap, machine_setup,
						machine_teardown),
		cmocka_unit_test_setup_teardown(holes_trap, machine_setup, machine_teardown),
		cmocka_unit_test(atomics),
		cmocka_unit_test_setup_teardown(atomics_need_ram, machine_setup, machine_teardown),
		cmocka_unit_test(load_reserved_store_conditional),
		cmocka_unit_test(modified_code),
		cmocka_unit_test(overlapping_instructions),
		cmocka_unit_test(bad_bus_is_refused),
	};

	return cmocka_run_group_tests(tests, machine_setup, machine_teardown);
}
