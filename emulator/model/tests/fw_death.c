// SPDX-License-Identifier: MIT
/*
 * fw_death.c - how a firmware dies, and what the host sees of it.
 */
#include "fw_host.h"

#define SECOND	1000000000ull

static void check_dead(struct axon_card *card, uint32_t error)
{
	assert_int_equal(card->stage, AXON_STAGE_DEAD);
	assert_int_equal(card->boot_error, error);
	assert_int_equal(fake.dead_ints, 1);
	assert_true(card->int_status & AXON_INT_FW_DEAD);
	assert_true(axon_ctrl_deadline(card) == UINT64_MAX);
	/* dead is dead */
	atomic_store(&card->mbox_rung, 1);
	assert_false(axon_ctrl_run(card, 100000));
	assert_int_equal(fake.dead_ints, 1);
}

static void comes_back(struct axon_card *card)
{
	fake_card_reset(card);
	fake_boot(card, 0, fw_image, fw_size);
	fw_run(card);
	assert_int_equal(card->stage, AXON_STAGE_READY);
	assert_int_equal(host_call(card, AXON_MBOX_PING, NULL, 0), AXON_MBOX_OK);
}

static void stalled_core(void **state)
{
	struct axon_card *card = *state;

	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_STALL_FW, 1), 0);
	fake.now += 4 * SECOND;
	assert_false(axon_ctrl_run(card, 1000));
	assert_int_equal(card->stage, AXON_STAGE_READY);
	assert_true(axon_ctrl_deadline(card) <= fake.now + SECOND);
	fake.now += SECOND;
	assert_false(axon_ctrl_run(card, 1000));
	check_dead(card, AXON_BOOT_WATCHDOG);
	assert_non_null(strstr(fake.log, "watchdog"));
	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_STALL_FW, 0), 0);
	comes_back(card);
}

/* A short stall is no death. */
static void short_stall(void **state)
{
	struct axon_card *card = *state;

	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_STALL_FW, 1), 0);
	fw_advance(card, 2 * SECOND);
	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_STALL_FW, 0), 0);
	fw_advance(card, 2 * SECOND);
	fw_advance(card, 2 * SECOND);
	assert_int_equal(card->stage, AXON_STAGE_READY);
	assert_int_equal(host_call(card, AXON_MBOX_PING, NULL, 0), AXON_MBOX_OK);
}

/* The host did not run the card for a minute: not the firmware's fault. */
static void starved_card(void **state)
{
	struct axon_card *card = *state;

	fw_advance(card, 60 * SECOND);
	assert_int_equal(card->stage, AXON_STAGE_READY);
	fw_advance(card, 3600 * SECOND);
	assert_int_equal(host_call(card, AXON_MBOX_PING, NULL, 0), AXON_MBOX_OK);
}

/* Overwrites the firmware in control RAM, as a stray pointer would. */
static void patch(struct axon_card *card, uint32_t addr, uint32_t word)
{
	memcpy(axon_ctrl_ram(card) + (addr - AXON_CTRL_RAM_BASE), &word, 4);
}

/* Runs one word in place of the firmware's first instruction, before it is ever decoded. */
static void boot_patched(struct axon_card *card, uint32_t word)
{
	const struct axon_fw_header *h = (const void *)fw_image;

	fake_card_reset(card);
	fake_boot(card, 0, fw_image, fw_size);
	assert_int_equal(card->stage, AXON_STAGE_FW_START);
	patch(card, h->entry, word);
}

static void trap_before_ready(void **state)
{
	struct axon_card *card = *state;

	boot_patched(card, 0xffffffff);
	assert_false(axon_ctrl_run(card, 1000));
	assert_int_equal(card->stage, AXON_STAGE_FAILED);
	assert_int_equal(card->boot_error, AXON_BOOT_TRAP);
	assert_int_equal(fake.dead_ints, 0);
	assert_non_null(strstr(fake.log, "trap without a handler, cause 0x2"));
	comes_back(card);
}

/* The ROM arms the watchdog: a firmware that hangs at once fails to boot. */
static void hang_before_ready(void **state)
{
	struct axon_card *card = *state;

	boot_patched(card, 0x0000006f);		/* j . */
	assert_true(axon_ctrl_run(card, 100000));
	assert_int_equal(axon_ctrl_deadline(card), 0);
	fake.now += 6 * SECOND;
	assert_true(axon_ctrl_run(card, 100000));	/* grace */
	assert_false(axon_ctrl_run(card, 2000000));
	assert_int_equal(card->stage, AXON_STAGE_FAILED);
	assert_int_equal(card->boot_error, AXON_BOOT_WATCHDOG);
	comes_back(card);
}

static void sleep_before_ready(void **state)
{
	struct axon_card *card = *state;

	boot_patched(card, 0x10500073);		/* wfi, with nothing enabled */
	assert_false(axon_ctrl_run(card, 100000));
	assert_true(axon_ctrl_deadline(card) == fake.now + 5 * SECOND);
	fake.now += 5 * SECOND;
	assert_false(axon_ctrl_run(card, 100000));
	assert_int_equal(card->boot_error, AXON_BOOT_WATCHDOG);
}

/* The firmware's table of requests: a function and the length of its data, eight times. */
static uint32_t find_request_table(struct axon_card *card)
{
	static const uint32_t lengths[] = { 0, 16, 16, 16, 48, 8, 8, 8 };
	const uint32_t *ram = (const uint32_t *)axon_ctrl_ram(card);
	uint32_t i, j;

	for (i = 0; i < AXON_CTRL_RAM_SIZE / 4 - 16; i++) {
		for (j = 0; j < 8; j++) {
			if (ram[i + 2 * j] - AXON_CTRL_RAM_BASE >= AXON_CTRL_RAM_SIZE ||
			    ram[i + 2 * j + 1] != lengths[j])
				break;
		}
		if (j == 8)
			return AXON_CTRL_RAM_BASE + 4 * i;
	}
	fail_msg("no table of requests");
	return 0;
}

/* A trap in the running firmware: it writes the reason into its log and stops. */
static void trap_when_ready(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_mbox_msg ping = host_request(1, AXON_MBOX_PING, NULL, 0);

	patch(card, find_request_table(card), 0x10000000);
	fake.now += SECOND / 4;
	host_put(card, &ping);
	fw_ring(card);
	check_dead(card, AXON_BOOT_TRAP);
	assert_non_null(strstr(m->log, "[    0.250000] trap: mcause 0x1 mepc 0x10000000 "
			       "mtval 0x10000000\n"));
	assert_non_null(strstr(fake.log, "trap without a handler, cause 0x3"));
	comes_back(card);
}

/* Running over the stack is such a trap too, and reported from the stack for traps. */
static void stack_overflow(void **state)
{
	struct axon_card *card = *state;
	const struct axon_fw_header *h = (const void *)fw_image;
	uint32_t table, loop;

	/* in unused RAM: addi sp, sp, -256; sw ra, 0(sp); j back */
	loop = h->load_addr + 0x10000;
	table = find_request_table(card);
	patch(card, loop, 0xf0010113);
	patch(card, loop + 4, 0x00112023);
	patch(card, loop + 8, 0xff9ff06f);
	patch(card, table, loop);
	host_put(card, &(struct axon_mbox_msg){ .seq = 1, .type = AXON_MBOX_PING });
	fw_ring(card);
	check_dead(card, AXON_BOOT_TRAP);
	assert_non_null(strstr(host_mbox(card)->log,
			       "trap: mcause 0x7 mepc 0x80014004 mtval 0x7ff"));
	comes_back(card);
}

/* A request that never ends: the watchdog ends it. */
static void hang_when_ready(void **state)
{
	struct axon_card *card = *state;
	const struct axon_fw_header *h = (const void *)fw_image;
	uint32_t loop = h->load_addr + 0x10000;

	patch(card, loop, 0x0000006f);
	patch(card, find_request_table(card), loop);
	host_put(card, &(struct axon_mbox_msg){ .seq = 1, .type = AXON_MBOX_PING });
	atomic_store(&card->mbox_rung, 1);
	assert_true(axon_ctrl_run(card, 100000));
	fake.now += 6 * SECOND;
	fw_run(card);
	check_dead(card, AXON_BOOT_WATCHDOG);
	comes_back(card);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fw_setup, fw_teardown)
	const struct CMUnitTest tests[] = {
		T(stalled_core), T(short_stall), T(starved_card), T(trap_before_ready),
		T(hang_before_ready), T(sleep_before_ready), T(trap_when_ready),
		T(stack_overflow), T(hang_when_ready),
	};

	fw_load(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
