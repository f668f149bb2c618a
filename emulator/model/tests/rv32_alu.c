// SPDX-License-Identifier: MIT
/*
 * rv32_alu.c - every integer instruction of RV32IM against what C says, edge cases first.
 */
#include "rv32_machine.h"

static const uint32_t values[] = {
	0, 1, 2, 3, 7, 31, 32, 33, 0x7f, 0x80, 0xff, 0x7ff, 0x800, 0xfff, 0x7fff, 0x8000, 0xffff,
	0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0xdeadbeef, 0x12345678,
};

#define NUM_VALUES (sizeof(values) / sizeof(values[0]))

static uint32_t expect_base(uint32_t f3, uint32_t a, uint32_t b)
{
	switch (f3) {
	case 0: return a + b;
	case 1: return a << (b & 31);
	case 2: return (int32_t)a < (int32_t)b;
	case 3: return a < b;
	case 4: return a ^ b;
	case 5: return a >> (b & 31);
	case 6: return a | b;
	}
	return a & b;
}

static uint32_t expect_alternate(uint32_t f3, uint32_t a, uint32_t b)
{
	return f3 ? (uint32_t)((int32_t)a >> (b & 31)) : a - b;
}

/* In 64 bits, where nothing overflows; the two special cases as the manual has them. */
static uint32_t expect_m(uint32_t f3, uint32_t a, uint32_t b)
{
	int64_t sa = (int32_t)a, sb = (int32_t)b;

	switch (f3) {
	case 0: return (uint32_t)(a * (uint64_t)b);
	case 1: return (uint32_t)((uint64_t)(sa * sb) >> 32);
	case 2: return (uint32_t)((uint64_t)(sa * (int64_t)b) >> 32);
	case 3: return (uint32_t)((a * (uint64_t)b) >> 32);
	case 4: return b ? (uint32_t)(sa / sb) : 0xffffffff;
	case 5: return b ? a / b : 0xffffffff;
	case 6: return b ? (uint32_t)(sa % sb) : a;
	}
	return b ? a % b : a;
}

typedef uint32_t (*expect_fn)(uint32_t f3, uint32_t a, uint32_t b);

static void check_reg(struct machine *m, uint32_t f3, uint32_t f7, expect_fn expect)
{
	size_t i, j;

	for (i = 0; i < NUM_VALUES; i++) {
		for (j = 0; j < NUM_VALUES; j++) {
			set(m, a1, values[i]);
			set(m, a2, values[j]);
			step(m, R(0x33, f3, f7, a0, a1, a2));
			assert_int_equal(reg(m, a0), expect(f3, values[i], values[j]));
			/* result in a source register */
			step(m, R(0x33, f3, f7, a1, a1, a2));
			assert_int_equal(reg(m, a1), expect(f3, values[i], values[j]));
		}
	}
}

static void register_operations(void **state)
{
	uint32_t f3;

	for (f3 = 0; f3 < 8; f3++) {
		check_reg(*state, f3, 0x00, expect_base);
		check_reg(*state, f3, 0x01, expect_m);
	}
	check_reg(*state, 0, 0x20, expect_alternate);
	check_reg(*state, 5, 0x20, expect_alternate);
}

static void immediate_operations(void **state)
{
	static const int32_t imms[] = { 0, 1, -1, 2047, -2048, 0x555, -0x555 };
	static const uint32_t f3s[] = { 0, 2, 3, 4, 6, 7 };
	struct machine *m = *state;
	size_t i, j, k;

	for (i = 0; i < NUM_VALUES; i++) {
		for (j = 0; j < 7; j++) {
			for (k = 0; k < 6; k++) {
				set(m, a1, values[i]);
				step(m, I(0x13, f3s[k], a0, a1, imms[j]));
				assert_int_equal(reg(m, a0), expect_base(f3s[k], values[i],
									 (uint32_t)imms[j]));
			}
		}
	}
}

static void shifts_by_immediate(void **state)
{
	struct machine *m = *state;
	uint32_t shift;
	size_t i;

	for (i = 0; i < NUM_VALUES; i++) {
		for (shift = 0; shift < 32; shift++) {
			set(m, a1, values[i]);
			step(m, R(0x13, 1, 0x00, a0, a1, shift));
			assert_int_equal(reg(m, a0), values[i] << shift);
			step(m, R(0x13, 5, 0x00, a0, a1, shift));
			assert_int_equal(reg(m, a0), values[i] >> shift);
			step(m, R(0x13, 5, 0x20, a0, a1, shift));
			assert_int_equal(reg(m, a0), (uint32_t)((int32_t)values[i] >> shift));
		}
	}
}

static void division_edges(void **state)
{
	struct machine *m = *state;

	set(m, a1, 0x80000000);
	set(m, a2, 0xffffffff);
	step(m, R(0x33, 4, 1, a0, a1, a2));
	assert_int_equal(reg(m, a0), 0x80000000);
	step(m, R(0x33, 6, 1, a0, a1, a2));
	assert_int_equal(reg(m, a0), 0);
	set(m, a1, (uint32_t)-7);
	set(m, a2, 2);
	step(m, R(0x33, 4, 1, a0, a1, a2));
	assert_int_equal(reg(m, a0), (uint32_t)-3);
	step(m, R(0x33, 6, 1, a0, a1, a2));
	assert_int_equal(reg(m, a0), (uint32_t)-1);
	set(m, a2, 0);
	step(m, R(0x33, 4, 1, a0, a1, a2));
	assert_int_equal(reg(m, a0), 0xffffffff);
	step(m, R(0x33, 6, 1, a0, a1, a2));
	assert_int_equal(reg(m, a0), (uint32_t)-7);
}

static void upper_immediates(void **state)
{
	struct machine *m = *state;

	EXECUTE(m, LUI(a0, 0xfffff), LUI(a1, 0x12345), U(0x17, a2, 0x1), U(0x17, a3, 0xfffff));
	assert_int_equal(reg(m, a0), 0xfffff000);
	assert_int_equal(reg(m, a1), 0x12345000);
	assert_int_equal(reg(m, a2), BASE + 8 + 0x1000);
	assert_int_equal(reg(m, a3), BASE + 12 - 0x1000);
}

static void x0_stays_zero(void **state)
{
	struct machine *m = *state;

	set(m, a1, 5);
	step(m, ADDI(0, a1, 3));
	assert_int_equal(reg(m, 0), 0);
	step(m, R(0x33, 0, 0, a0, 0, 0));
	assert_int_equal(reg(m, a0), 0);
	EXECUTE(m, LUI(0, 0x12345), J(0, 4), ADDI(a0, 0, 1), U(0x17, 0, 1), ADDI(a1, 0, 2));
	assert_int_equal(reg(m, a0), 1);
	assert_int_equal(reg(m, a1), 2);
}

static void branches(void **state)
{
	static const uint32_t f3s[] = { 0, 1, 4, 5, 6, 7 };
	struct machine *m = *state;
	size_t i, j, k;

	for (i = 0; i < NUM_VALUES; i++) {
		for (j = 0; j < NUM_VALUES; j++) {
			uint32_t a = values[i], b = values[j];
			bool taken[] = { a == b, a != b, (int32_t)a < (int32_t)b,
					 (int32_t)a >= (int32_t)b, a < b, a >= b };

			for (k = 0; k < 6; k++) {
				set(m, a1, a);
				set(m, a2, b);
				step(m, B(f3s[k], a1, a2, 0x7f6));
				assert_int_equal(axon_rv32_pc(m->cpu),
						 BASE + (taken[k] ? 0x7f6 : 4));
			}
		}
	}
}

static void jumps_link(void **state)
{
	struct machine *m = *state;

	step(m, J(ra, 0x7ffe));
	assert_int_equal(axon_rv32_pc(m->cpu), BASE + 0x7ffe);
	assert_int_equal(reg(m, ra), BASE + 4);
	set(m, a0, BASE + 0x101);
	step(m, I(0x67, 0, a0, a0, -0x10));	/* bit 0 of the target is dropped, rd == rs1 */
	assert_int_equal(axon_rv32_pc(m->cpu), BASE + 0xf0);
	assert_int_equal(reg(m, a0), BASE + 4);
	/* backwards */
	EXECUTE(m, J(0, 8), J(0, 8), J(0, -4));
	assert_int_equal(axon_rv32_pc(m->cpu), BASE + 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(register_operations),
		cmocka_unit_test(immediate_operations),
		cmocka_unit_test(shifts_by_immediate),
		cmocka_unit_test(division_edges),
		cmocka_unit_test(upper_immediates),
		cmocka_unit_test(x0_stays_zero),
		cmocka_unit_test(branches),
		cmocka_unit_test(jumps_link),
	};

	return cmocka_run_group_tests(tests, machine_setup, machine_teardown);
}
