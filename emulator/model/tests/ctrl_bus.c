// SPDX-License-Identifier: MIT
/*
 * ctrl_bus.c - what the control core's loads and stores reach, register by register, and that
 * everything else traps. Small programs stand in for the firmware.
 */
#include "ctrl_fakes.h"
#include "rv32_machine.h"

#define RESULT	0x40u		/* words of the mailbox */
#define CAUSE	0x44u
#define PERIPH(reg) (AXON_CTRL_PERIPH_BASE + (reg))
#define CLINT(reg)  (AXON_CTRL_CLINT_BASE + (reg))

static int setup(void **state)
{
	*state = fake_card_create();
	return 0;
}

static int teardown(void **state)
{
	fake_card_destroy(*state);
	return 0;
}

static uint32_t mbox_word(struct axon_card *card, uint32_t off)
{
	uint32_t word;

	memcpy(&word, card->mbox + off, 4);
	return word;
}

static void mbox_set(struct axon_card *card, uint32_t off, uint32_t word)
{
	memcpy(card->mbox + off, &word, 4);
}

/* Loads a constant: two words. */
static uint32_t *li(uint32_t *p, unsigned int r, uint32_t value)
{
	*p++ = LUI(r, (value + 0x800) >> 12);
	*p++ = ADDI(r, r, (int32_t)(value << 20) >> 20);
	return p;
}

/*
 * Executes one access with the address in a1 and the value in a2. The trap handler, like the end
 * of the program, waits for an interrupt that never comes.
 *
 * Return: the cause of the trap, or 0; a0 of the program is in the mailbox.
 */
static uint32_t access_by(struct axon_card *card, uint32_t word, uint32_t addr, uint32_t value)
{
	uint32_t code[32], *p = code;

	p = li(p, t6, AXON_CTRL_RAM_BASE + 0x100);
	*p++ = CSRRW(0, MTVEC, t6);
	p = li(p, t5, AXON_CTRL_MBOX_BASE);
	p = li(p, a1, addr);
	p = li(p, a2, value);
	*p++ = word;
	*p++ = SW(a0, t5, RESULT);
	*p++ = WFI;
	memcpy(axon_ctrl_ram(card), code, sizeof(code));
	p = code;
	*p++ = CSRRS(a3, MCAUSE, 0);
	*p++ = SW(a3, t5, CAUSE);
	*p++ = WFI;
	memcpy(axon_ctrl_ram(card) + 0x100, code, sizeof(code));
	mbox_set(card, RESULT, 0);
	mbox_set(card, CAUSE, 0);
	axon_ctrl_start(card, AXON_CTRL_RAM_BASE);
	assert_false(axon_ctrl_run(card, 1000));
	assert_int_equal(card->stage == AXON_STAGE_FW_START || card->stage == AXON_STAGE_READY, 1);
	return mbox_word(card, CAUSE);
}

static uint32_t load_from(struct axon_card *card, uint32_t addr)
{
	assert_int_equal(access_by(card, LW(a0, a1, 0), addr, 0), 0);
	return mbox_word(card, RESULT);
}

static void store_to(struct axon_card *card, uint32_t addr, uint32_t value)
{
	assert_int_equal(access_by(card, SW(a2, a1, 0), addr, value), 0);
}

static bool readable(uint32_t reg)
{
	if (reg >= AXON_P_FAULT_DATA)
		return reg < AXON_P_FAULT_DATA + sizeof(struct axon_fault);
	if (reg >= AXON_P_AS_ID)
		return reg <= AXON_P_AS_ROOT_HI || reg == AXON_P_AS_RESULT ||
		       (reg >= AXON_P_Q_ID && reg <= AXON_P_Q_STATE_HI) ||
		       reg == AXON_P_Q_RESULT || reg == AXON_P_CORE_ID ||
		       (reg >= AXON_P_CORE_RESULT && reg <= AXON_P_CORE_MATCH) ||
		       reg == AXON_P_FAULT_COUNT || reg == AXON_P_FAULT_LOST;
	if (reg >= AXON_P_TEMP_DIE)
		return reg <= AXON_P_SRAM_ECC_UE;
	return reg <= AXON_P_IRQ_ENABLE || reg == AXON_P_REVISION || reg == AXON_P_NUM_CORES;
}

static bool writable(uint32_t reg)
{
	if (reg >= AXON_P_AS_ID)
		return reg <= AXON_P_AS_CMD || (reg >= AXON_P_Q_ID && reg <= AXON_P_Q_CMD) ||
		       reg == AXON_P_CORE_ID || reg == AXON_P_CORE_CMD ||
		       reg == AXON_P_CORE_MATCH || reg == AXON_P_FAULT_POP;
	return reg <= AXON_P_HOST_INT || reg == AXON_P_WATCHDOG;
}

/* Every word of the page, and AXON_P_STAGE, which takes one value only. */
static void peripheral_holes(void **state)
{
	uint32_t reg;

	for (reg = 0; reg < AXON_CTRL_PERIPH_SIZE; reg += 4) {
		uint32_t cause = access_by(*state, LW(a0, a1, 0), PERIPH(reg), 0);

		if (cause != (readable(reg) ? 0 : AXON_RV32_LOAD_ACCESS))
			fail_msg("load of 0x%x: cause %u", reg, cause);
		cause = access_by(*state, SW(a2, a1, 0), PERIPH(reg), 0);
		if (cause != (writable(reg) ? 0 : AXON_RV32_STORE_ACCESS))
			fail_msg("store to 0x%x: cause %u", reg, cause);
	}
}

static void other_sizes_trap(void **state)
{
	static const uint32_t addrs[] = {
		PERIPH(AXON_P_AS_ID), PERIPH(AXON_P_AS_ID) + 2, CLINT(AXON_CLINT_MTIME),
		CLINT(AXON_CLINT_MSIP),
	};
	size_t i;

	for (i = 0; i < 4; i++) {
		assert_int_equal(access_by(*state, I(0x03, 0, a0, a1, 0), addrs[i], 0),
				 AXON_RV32_LOAD_ACCESS);
		assert_int_equal(access_by(*state, I(0x03, 1, a0, a1, 0), addrs[i], 0),
				 AXON_RV32_LOAD_ACCESS);
		assert_int_equal(access_by(*state, S(0, a1, a2, 0), addrs[i], 0),
				 AXON_RV32_STORE_ACCESS);
		assert_int_equal(access_by(*state, S(1, a1, a2, 0), addrs[i], 0),
				 AXON_RV32_STORE_ACCESS);
		assert_int_equal(access_by(*state, AMO(0, a0, a1, a2), addrs[i] & ~3u, 0),
				 AXON_RV32_STORE_ACCESS);
	}
}

static void region_ends(void **state)
{
	static const uint32_t holes[] = {
		0, AXON_CTRL_CLINT_BASE - 4, AXON_CTRL_CLINT_BASE + 4, CLINT(0xbff4), CLINT(0xc000),
		CLINT(AXON_CLINT_MTIMECMP + 8), AXON_CTRL_MBOX_BASE - 4,
		AXON_CTRL_MBOX_BASE + AXON_MBOX_SIZE, AXON_CTRL_PERIPH_BASE - 4,
		AXON_CTRL_PERIPH_BASE + AXON_CTRL_PERIPH_SIZE, AXON_CTRL_RAM_BASE - 4,
		AXON_CTRL_RAM_BASE + AXON_CTRL_RAM_SIZE, 0xfffffffc,
	};
	size_t i;

	for (i = 0; i < sizeof(holes) / 4; i++) {
		assert_int_equal(access_by(*state, LW(a0, a1, 0), holes[i], 0),
				 AXON_RV32_LOAD_ACCESS);
		assert_int_equal(access_by(*state, SW(a2, a1, 0), holes[i], 1),
				 AXON_RV32_STORE_ACCESS);
	}
	store_to(*state, AXON_CTRL_MBOX_BASE + AXON_MBOX_SIZE - 4, 0x1234);
	assert_int_equal(mbox_word(*state, AXON_MBOX_SIZE - 4), 0x1234);
	store_to(*state, AXON_CTRL_RAM_BASE + AXON_CTRL_RAM_SIZE - 4, 0x1234);
}

static void mailbox_sizes(void **state)
{
	struct axon_card *card = *state;
	const uint32_t at = AXON_CTRL_MBOX_BASE + 0x100;

	mbox_set(card, 0x100, 0x8070f0e0);
	assert_int_equal(load_from(card, at), 0x8070f0e0);
	assert_int_equal(access_by(card, I(0x03, 0, a0, a1, 0), at, 0), 0);
	assert_int_equal(mbox_word(card, RESULT), 0xffffffe0);
	assert_int_equal(access_by(card, I(0x03, 5, a0, a1, 0), at + 2, 0), 0);
	assert_int_equal(mbox_word(card, RESULT), 0x8070);
	assert_int_equal(access_by(card, S(0, a1, a2, 0), at + 1, 0xffffff55), 0);
	assert_int_equal(mbox_word(card, 0x100), 0x807055e0);
	assert_int_equal(access_by(card, S(1, a1, a2, 0), at + 2, 0xffff1122), 0);
	assert_int_equal(mbox_word(card, 0x100), 0x112255e0);
	assert_int_equal(access_by(card, LW(a0, a1, 0), at + 2, 0), AXON_RV32_LOAD_MISALIGNED);
}

static void timer(void **state)
{
	struct axon_card *card = *state;
	uint64_t power_on = fake.now;

	fake.now += 0x123456789abcull * 1000 + 999;
	assert_int_equal(load_from(card, CLINT(AXON_CLINT_MTIME)), 0x56789abc);
	assert_int_equal(load_from(card, CLINT(AXON_CLINT_MTIME) + 4), 0x1234);
	/* nobody sets the clock */
	assert_int_equal(access_by(card, SW(a2, a1, 0), CLINT(AXON_CLINT_MTIME), 0),
			 AXON_RV32_STORE_ACCESS);
	/* a host clock that went backwards gives no huge time */
	fake.now = power_on - 5;
	assert_int_equal(load_from(card, CLINT(AXON_CLINT_MTIME)), 0);
	store_to(card, CLINT(AXON_CLINT_MTIMECMP), 77);
	store_to(card, CLINT(AXON_CLINT_MTIMECMP) + 4, 88);
	assert_int_equal(load_from(card, CLINT(AXON_CLINT_MTIMECMP)), 77);
	assert_int_equal(load_from(card, CLINT(AXON_CLINT_MTIMECMP) + 4), 88);
	store_to(card, CLINT(AXON_CLINT_MSIP), 0xffffffff);
	assert_int_equal(load_from(card, CLINT(AXON_CLINT_MSIP)), 1);
}

static void stage_and_host_interrupts(void **state)
{
	static const uint32_t bad[] = { 0, 1, 2, 4, 5, 6, 0xffffffff };
	struct axon_card *card = *state;
	size_t i;

	for (i = 0; i < sizeof(bad) / 4; i++)
		assert_int_equal(access_by(card, SW(a2, a1, 0), PERIPH(AXON_P_STAGE), bad[i]),
				 AXON_RV32_STORE_ACCESS);
	assert_int_equal(card->stage, AXON_STAGE_FW_START);
	store_to(card, PERIPH(AXON_P_STAGE), AXON_STAGE_READY);
	assert_int_equal(card->stage, AXON_STAGE_READY);
	assert_int_equal(access_by(card, SW(a2, a1, 0), PERIPH(AXON_P_HOST_INT), 8),
			 AXON_RV32_STORE_ACCESS);
	assert_int_equal(fake.int_count, 0);
	store_to(card, PERIPH(AXON_P_HOST_INT), AXON_INT_MBOX_EVENT);
	assert_int_equal(card->int_status, AXON_INT_MBOX_EVENT);
	assert_int_equal(load_from(card, PERIPH(AXON_P_REVISION)), AXON_REVISION_A1);
	assert_int_equal(load_from(card, PERIPH(AXON_P_NUM_CORES)), 2);
}

static void doorbell_is_latched(void **state)
{
	struct axon_card *card = *state;

	assert_int_equal(load_from(card, PERIPH(AXON_P_IRQ_PENDING)), 0);
	atomic_store(&card->mbox_rung, 1);
	assert_int_equal(load_from(card, PERIPH(AXON_P_IRQ_PENDING)), AXON_P_IRQ_MBOX);
	assert_int_equal(card->mbox_rung, 0);
	store_to(card, PERIPH(AXON_P_IRQ_PENDING), ~AXON_P_IRQ_MBOX);
	assert_int_equal(load_from(card, PERIPH(AXON_P_IRQ_PENDING)), AXON_P_IRQ_MBOX);
	store_to(card, PERIPH(AXON_P_IRQ_PENDING), AXON_P_IRQ_MBOX);
	assert_int_equal(load_from(card, PERIPH(AXON_P_IRQ_PENDING)), 0);
	store_to(card, PERIPH(AXON_P_IRQ_ENABLE), 0xffffffff);
	assert_int_equal(load_from(card, PERIPH(AXON_P_IRQ_ENABLE)), 3);
}

static void fault_fifo(void **state)
{
	struct axon_card *card = *state;
	struct axon_fault fault = { .queue = 0x1234, .core = 0x5678, .addr = 0x1122334455667788 };
	uint32_t i, data = PERIPH(AXON_P_FAULT_DATA);

	assert_int_equal(load_from(card, data), 0);
	store_to(card, PERIPH(AXON_P_FAULT_POP), 1);	/* of an empty FIFO */
	assert_int_equal(load_from(card, PERIPH(AXON_P_FAULT_COUNT)), 0);
	for (i = 0; i < 70; i++) {
		fault.seqno = i;
		axon_ctrl_push_fault(card, &fault);
	}
	assert_int_equal(load_from(card, PERIPH(AXON_P_FAULT_COUNT)), 64);
	assert_int_equal(load_from(card, PERIPH(AXON_P_FAULT_LOST)), 6);
	assert_int_equal(load_from(card, PERIPH(AXON_P_IRQ_PENDING)), AXON_P_IRQ_FAULT);
	store_to(card, PERIPH(AXON_P_IRQ_PENDING), 3);	/* a level: stays */
	assert_int_equal(load_from(card, PERIPH(AXON_P_IRQ_PENDING)), AXON_P_IRQ_FAULT);
	assert_int_equal(load_from(card, data), 0x56781234);
	assert_int_equal(load_from(card, data + 24), 0x55667788);
	assert_int_equal(load_from(card, data + 28), 0x11223344);
	for (i = 0; i < 64; i++) {
		assert_int_equal(load_from(card, data + 32), i);
		store_to(card, PERIPH(AXON_P_FAULT_POP), 1);
	}
	assert_int_equal(load_from(card, PERIPH(AXON_P_FAULT_COUNT)), 0);
	assert_int_equal(load_from(card, PERIPH(AXON_P_IRQ_PENDING)), 0);
}

static void commands(void **state)
{
	struct axon_card *card = *state;

	fake.result = AXON_P_BUSY;
	store_to(card, PERIPH(AXON_P_AS_ID), 7);
	store_to(card, PERIPH(AXON_P_AS_ROOT_LO), 0x1000);
	store_to(card, PERIPH(AXON_P_AS_ROOT_HI), 2);
	store_to(card, PERIPH(AXON_P_AS_CMD), AXON_P_AS_ENABLE);
	assert_int_equal(load_from(card, PERIPH(AXON_P_AS_RESULT)), AXON_P_BUSY);
	assert_true(fake.root == 0x200001000);
	store_to(card, PERIPH(AXON_P_AS_CMD), 99);
	assert_int_equal(load_from(card, PERIPH(AXON_P_AS_RESULT)), AXON_P_BAD_PARAM);
	store_to(card, PERIPH(AXON_P_Q_CMD), 0);
	assert_int_equal(load_from(card, PERIPH(AXON_P_Q_RESULT)), AXON_P_BAD_PARAM);
	store_to(card, PERIPH(AXON_P_Q_ID), AXON_MAX_QUEUES);
	store_to(card, PERIPH(AXON_P_Q_CMD), AXON_P_Q_DESTROY);
	assert_int_equal(load_from(card, PERIPH(AXON_P_Q_RESULT)), AXON_P_BAD_ID);
	fake.stats[1].queue = 17;
	store_to(card, PERIPH(AXON_P_CORE_ID), 1);
	assert_int_equal(load_from(card, PERIPH(AXON_P_CORE_QUEUE)), 17);
	store_to(card, PERIPH(AXON_P_CORE_CMD), AXON_P_CORE_RESET);
	assert_string_equal(fake.called, "core_reset_any");
	store_to(card, PERIPH(AXON_P_CORE_MATCH), 17);
	store_to(card, PERIPH(AXON_P_CORE_CMD), AXON_P_CORE_KILL);
	assert_string_equal(fake.called, "queue_kill");
	assert_int_equal(fake.kill_queue, 17);
	store_to(card, PERIPH(AXON_P_CORE_CMD), 4);
	assert_int_equal(load_from(card, PERIPH(AXON_P_CORE_RESULT)), AXON_P_BAD_PARAM);
	store_to(card, PERIPH(AXON_P_CORE_ID), 2);
	store_to(card, PERIPH(AXON_P_CORE_CMD), AXON_P_CORE_RESET);
	assert_int_equal(load_from(card, PERIPH(AXON_P_CORE_RESULT)), AXON_P_BAD_ID);
	assert_int_equal(load_from(card, PERIPH(AXON_P_CORE_QUEUE)), AXON_NO_QUEUE);
}

/* 70 W for a day do not fit in 32 bits of microjoules. */
static void energy_is_64_bits(void **state)
{
	struct axon_card *card = *state;
	uint64_t energy;
	uint32_t low;

	fake.now += 86400000000000ull;
	low = load_from(card, PERIPH(AXON_P_ENERGY_LO));
	fake.now += 86400000000000ull;	/* the high half is that of the read above */
	energy = (uint64_t)load_from(card, PERIPH(AXON_P_ENERGY_HI)) << 32 | low;
	assert_in_range(energy, 6047999000000, 6048001000000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(peripheral_holes), T(other_sizes_trap), T(region_ends), T(mailbox_sizes),
		T(timer),
		T(stage_and_host_interrupts), T(doorbell_is_latched), T(fault_fifo), T(commands),
		T(energy_is_64_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
