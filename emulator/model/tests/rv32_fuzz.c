// SPDX-License-Identifier: MIT
/*
 * rv32_fuzz.c - random code and random interrupts: the core stays inside its memory, executes no
 * more than it was asked to, and does the same again from the same seed.
 *
 * RAM and decode cache are allocations of their exact size, so a sanitizer sees every step outside.
 */
#include "rv32_machine.h"

#define ROUNDS		2000
#define SLICES		20
#define SLICE		500

static uint64_t rng_state;

static uint32_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 16);
}

/* A word that is a valid opcode more often than chance would have it. */
static uint32_t random_word(void)
{
	static const uint8_t opcodes[] = {
		0x03, 0x0f, 0x13, 0x17, 0x23, 0x2f, 0x33, 0x37, 0x63, 0x67, 0x6f, 0x73,
	};
	uint32_t word = rng();

	switch (rng() % 4) {
	case 0:
		return word;
	case 1:
		return word & ~0x00010002u;	/* two compressed ones, mostly */
	}
	return (word & ~0x7fu) | opcodes[rng() % sizeof(opcodes)];
}

/* Addresses that hit RAM, its edges, the device, or nothing. */
static uint32_t random_address(void)
{
	static const uint32_t bases[] = { BASE, BASE + RAM_SIZE - 64, DEVICE, DATA, 0, 0xffffffc0 };

	return bases[rng() % 6] + rng() % 64;
}

/* At a random place that installs a trap handler at another one, or the core would soon stop. */
static void start(struct machine *m)
{
	uint32_t entry = BASE + rng() % (RAM_SIZE - 16) / 2 * 2, i;

	poke(m, entry, CSRRW(0, MTVEC, t6));
	poke(m, entry + 4, CSRRW(0, MIE, t5));
	poke(m, entry + 8, CSRRWI(0, MSTATUS, 8));
	axon_rv32_reset(m->cpu, entry);
	for (i = 1; i < 32; i++)
		set(m, i, rng() % 4 ? random_address() : rng());
	set(m, t6, BASE + rng() % RAM_SIZE);
}

static uint64_t fuzz_round(struct machine *m, uint64_t seed, uint64_t *executed)
{
	uint64_t sum = 0;
	uint32_t i;

	rng_state = seed * 0x9e3779b97f4a7c15u + 1;
	for (i = 0; i < RAM_SIZE; i += 4)
		poke(m, BASE + i, random_word());
	memset(m->device, 0, sizeof(m->device));
	start(m);
	for (i = 0; i < SLICES; i++) {
		uint64_t before = axon_rv32_executed(m->cpu), done;
		uint32_t max = rng() % SLICE;
		enum axon_rv32_state state;

		axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_SOFTWARE, rng() & 1);
		axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_TIMER, rng() & 1);
		axon_rv32_set_irq(m->cpu, AXON_RV32_IRQ_EXTERNAL, rng() & 1);
		state = axon_rv32_run(m->cpu, max);
		done = axon_rv32_executed(m->cpu) - before;
		assert_true(done <= max);
		if (state == AXON_RV32_RUNNING)
			assert_int_equal(done, max);
		assert_int_equal(reg(m, 0), 0);
		if (state == AXON_RV32_STOPPED)
			start(m);
		*executed += done;
	}
	for (i = 0; i < 32; i++)
		sum = sum * 31 + reg(m, i);
	for (i = 0; i < RAM_SIZE; i += 4)
		sum = sum * 31 + peek(m, BASE + i);
	return sum;
}

static void random_code(void **state)
{
	static uint64_t first[ROUNDS];
	uint64_t executed = 0;
	uint32_t i;

	for (i = 0; i < ROUNDS; i++)
		first[i] = fuzz_round(*state, i, &executed);
	for (i = 0; i < ROUNDS; i += 7)
		assert_int_equal(fuzz_round(*state, i, &executed), first[i]);
	/* The rounds do not all end in a stop at once. */
	assert_true(executed > (uint64_t)ROUNDS * SLICES * 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_code, machine_setup, machine_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
