// SPDX-License-Identifier: MIT
/* Registers of BAR 0: values, holes, interrupt causes, requests to the card thread. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "env.h"

static int setup(void **state)
{
	*state = env_init(2);
	return 0;
}

static int teardown(void **state)
{
	env_fini(*state);
	return 0;
}

static void identity(void **state)
{
	struct axon_card *card = ((struct env *)*state)->card;

	assert_int_equal(axon_card_read(card, AXON_REG_ID), AXON_ID_MAGIC);
	assert_int_equal(axon_card_read(card, AXON_REG_VERSION),
			 AXON_HW_VERSION_MAJOR << 16 | AXON_HW_VERSION_MINOR);
	assert_int_equal(axon_card_read(card, AXON_REG_REVISION), AXON_REVISION_A1);
	assert_int_equal(axon_card_read(card, AXON_REG_CORES), 2);
	assert_int_equal(axon_card_read(card, AXON_REG_HBM_SIZE_LO), ENV_HBM_SIZE);
	assert_int_equal(axon_card_read(card, AXON_REG_HBM_SIZE_HI), 0);
	assert_int_equal(axon_card_read(card, AXON_REG_HBM_STACKS), 2);
	assert_int_equal(axon_card_read(card, AXON_REG_QUEUES), AXON_MAX_QUEUES);
	assert_int_equal(axon_card_read(card, AXON_REG_ASIDS), AXON_MAX_ASIDS);
	assert_int_equal(axon_card_read(card, AXON_REG_VECTORS), AXON_NUM_VECTORS);
	assert_int_equal(axon_card_read(card, AXON_REG_SERIAL_LO), 0x55667788);
	assert_int_equal(axon_card_read(card, AXON_REG_SERIAL_HI), 0x11223344);
	assert_int_equal(axon_card_read(card, AXON_REG_FEATURES), 0);
	assert_int_equal(axon_card_read(card, AXON_REG_CORE(1, AXON_CORE_QUEUE)),
			 AXON_NO_QUEUE);
	assert_int_equal(axon_card_read(card, AXON_REG_ACCESS_ERROR), 0);
}

static void holes(void **state)
{
	struct axon_card *card = ((struct env *)*state)->card;

	assert_int_equal(axon_card_read(card, 0x50), UINT32_MAX);
	assert_int_equal(axon_card_read(card, 0x54), UINT32_MAX);
	assert_int_equal(axon_card_read(card, AXON_REG_ACCESS_ERROR), 0x51);
	axon_card_write(card, AXON_REG_ACCESS_ERROR, 1);
	assert_int_equal(axon_card_read(card, AXON_REG_ACCESS_ERROR), 0);
	axon_card_write(card, AXON_REG_ID, 7);
	assert_int_equal(axon_card_read(card, AXON_REG_ID), AXON_ID_MAGIC);
	assert_int_equal(axon_card_read(card, AXON_REG_ACCESS_ERROR), AXON_REG_ID | 1);
	axon_card_write(card, AXON_REG_ACCESS_ERROR, UINT32_MAX);
	/* Write-only, beyond the cores, unaligned, beyond the registers. */
	assert_int_equal(axon_card_read(card, AXON_REG_RESET), UINT32_MAX);
	assert_int_equal(axon_card_read(card, AXON_REG_CORE(2, 0)), UINT32_MAX);
	assert_int_equal(axon_card_read(card, 2), UINT32_MAX);
	assert_int_equal(axon_card_read(card, UINT32_MAX), UINT32_MAX);
	assert_int_equal(axon_card_read(card, AXON_REGS_SIZE), UINT32_MAX);
	assert_int_equal(axon_card_read(card, AXON_REG_ACCESS_ERROR), AXON_REG_RESET | 1);
}

static void timestamp(void **state)
{
	struct env *env = *state;

	env->now = 0x1fffffff0;
	env->step = 0x20;
	assert_int_equal(axon_card_read(env->card, AXON_REG_TIMESTAMP_LO), 0x10);
	assert_int_equal(axon_card_read(env->card, AXON_REG_TIMESTAMP_HI), 2);
	env->now = 0x500000000;
	assert_int_equal(axon_card_read(env->card, AXON_REG_TIMESTAMP_HI), 2);
}

static void causes(void **state)
{
	struct env *env = *state;
	struct axon_card *card = env->card;

	axon_card_host_int(card, AXON_INT_MBOX_EVENT);
	assert_int_equal(env->irqs[0], 0);
	assert_int_equal(axon_card_read(card, AXON_REG_INT_STATUS), AXON_INT_MBOX_EVENT);
	/* Unmasking delivers what is pending. */
	axon_card_write(card, AXON_REG_INT_MASK, UINT32_MAX);
	assert_int_equal(axon_card_read(card, AXON_REG_INT_MASK), AXON_INT_ALL);
	assert_int_equal(env->irqs[0], 1);
	axon_card_write(card, AXON_REG_INT_STATUS, AXON_INT_MBOX_RESPONSE);
	assert_int_equal(axon_card_read(card, AXON_REG_INT_STATUS), AXON_INT_MBOX_EVENT);
	axon_card_write(card, AXON_REG_INT_STATUS, AXON_INT_MBOX_EVENT);
	assert_int_equal(axon_card_read(card, AXON_REG_INT_STATUS), 0);
	axon_card_host_int(card, AXON_INT_FW_DEAD);
	assert_int_equal(env->irqs[0], 2);
	axon_card_write(card, AXON_REG_INT_MASK, AXON_INT_ALL);
	assert_int_equal(env->irqs[0], 2);
}

static void boot_and_reset(void **state)
{
	struct env *env = *state;
	struct axon_card *card = env->card;

	axon_card_write(card, AXON_REG_BOOT_ADDR_LO, 0x12345000);
	axon_card_write(card, AXON_REG_BOOT_ADDR_HI, 0x6);
	axon_card_write(card, AXON_REG_BOOT_SIZE, 77);
	assert_int_equal(card->boot_addr, 0x612345000);
	assert_int_equal(axon_card_read(card, AXON_REG_BOOT_SIZE), 77);
	axon_card_write(card, AXON_REG_BOOT_CTRL, 2);
	assert_int_equal(axon_card_read(card, AXON_REG_ACCESS_ERROR), AXON_REG_BOOT_CTRL | 1);
	assert_int_equal(axon_card_read(card, AXON_REG_BOOT_STAGE), AXON_STAGE_IDLE);
	axon_card_write(card, AXON_REG_BOOT_CTRL, AXON_BOOT_START);
	assert_int_equal(env->wakes, 1);
	assert_int_equal(axon_card_read(card, AXON_REG_BOOT_STAGE), AXON_STAGE_ROM_CHECK);
	axon_card_run(card);
	assert_int_equal(fakes.boots, 1);
	assert_int_equal(axon_card_read(card, AXON_REG_BOOT_STAGE), AXON_STAGE_READY);
	/* Not in IDLE: dropped. */
	axon_card_write(card, AXON_REG_BOOT_CTRL, AXON_BOOT_START);
	axon_card_run(card);
	assert_int_equal(fakes.boots, 1);

	axon_card_write(card, AXON_REG_RESET, 1);
	assert_int_equal(axon_card_read(card, AXON_REG_BOOT_STAGE), AXON_STAGE_READY);
	axon_card_write(card, AXON_REG_RESET, AXON_RESET_CARD);
	assert_int_equal(axon_card_read(card, AXON_REG_BOOT_STAGE), AXON_STAGE_RESETTING);
	axon_card_run(card);
	assert_int_equal(axon_card_read(card, AXON_REG_BOOT_STAGE), AXON_STAGE_IDLE);
	assert_int_equal(axon_card_read(card, AXON_REG_RESET_COUNT), 1);
	assert_int_equal(axon_card_read(card, AXON_REG_BOOT_ADDR_LO), 0);
	assert_int_equal(axon_card_read(card, AXON_REG_ACCESS_ERROR), 0);
}

static void reset_keeps_hbm(void **state)
{
	struct env *env = *state;

	env->card->hbm[12345] = 99;
	axon_card_write(env->card, AXON_REG_INT_MASK, AXON_INT_ALL);
	axon_card_write(env->card, AXON_REG_MSIX_MOD(3), 55);
	assert_int_equal(axon_card_read(env->card, AXON_REG_MSIX_MOD(3)), 55);
	axon_card_reset(env->card);
	assert_int_equal(env->card->hbm[12345], 99);
	assert_int_equal(axon_card_read(env->card, AXON_REG_INT_MASK), 0);
	assert_int_equal(axon_card_read(env->card, AXON_REG_MSIX_MOD(3)), 0);
	assert_int_equal(axon_card_read(env->card, AXON_REG_RESET_COUNT), 1);
}

static void doorbells_wake(void **state)
{
	struct env *env = *state;
	uint64_t deadline;

	axon_card_doorbell(env->card, AXON_MAX_QUEUES);
	assert_int_equal(env->wakes, 0);
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
	assert_true(deadline == UINT64_MAX);
	axon_card_doorbell(env->card, 255);
	assert_int_equal(env->wakes, 1);
	assert_false(axon_card_prepare_sleep(env->card, &deadline));
	assert_false(axon_card_run(env->card));
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
	/* With no firmware the mailbox doorbell must not keep the card awake. */
	axon_card_write(env->card, AXON_REG_MBOX_DOORBELL, 0);
	assert_int_equal(env->wakes, 2);
	assert_false(axon_card_prepare_sleep(env->card, &deadline));
	assert_false(axon_card_run(env->card));
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
}

static void control_core_runs_when_due(void **state)
{
	struct env *env = *state;
	uint64_t deadline;
	unsigned int runs;

	axon_card_write(env->card, AXON_REG_BOOT_CTRL, AXON_BOOT_START);
	fakes.ctrl_deadline = env->now + 1000000;
	axon_card_run(env->card);
	runs = fakes.ctrl_runs;
	assert_true(runs > 0);
	axon_card_run(env->card);
	assert_int_equal(fakes.ctrl_runs, runs);
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
	assert_true(deadline == fakes.ctrl_deadline);
	axon_card_write(env->card, AXON_REG_MBOX_DOORBELL, 0);
	axon_card_run(env->card);
	assert_int_equal(fakes.ctrl_runs, runs + 1);
	assert_int_equal(axon_card_set(env->card, AXON_KNOB_STALL_FW, 1), 0);
	assert_false(axon_card_prepare_sleep(env->card, &deadline));
	axon_card_run(env->card);
	assert_int_equal(fakes.ctrl_runs, runs + 2);
	env->now = fakes.ctrl_deadline;
	assert_false(axon_card_prepare_sleep(env->card, &deadline));
	fakes.ctrl_deadline = UINT64_MAX;
	axon_card_run(env->card);
	assert_int_equal(fakes.ctrl_runs, runs + 3);
}

static int try_config(struct axon_card_config config)
{
	struct axon_card *card = NULL;
	static struct env env;
	int ret = axon_card_create(&config, &env_ops, &env, &card);

	axon_card_destroy(card);
	return ret;
}

static void configs(void **state)
{
	const struct axon_card_config good = {
		.cores = 1, .hbm_stacks = 4, .revision = AXON_REVISION_A1, .hbm_size = 8 << 20,
	};
	struct axon_card_ops ops = env_ops;
	struct axon_card_config c = good;
	struct axon_card *card;

	assert_int_equal(try_config(c), 0);
	c = good, c.cores = 0;
	assert_int_equal(try_config(c), -EINVAL);
	c = good, c.cores = AXON_MAX_CORES + 1;
	assert_int_equal(try_config(c), -EINVAL);
	c = good, c.hbm_stacks = 3;
	assert_int_equal(try_config(c), -EINVAL);
	c = good, c.hbm_size = 6 << 20;
	assert_int_equal(try_config(c), -EINVAL);
	c = good, c.hbm_size = 0;
	assert_int_equal(try_config(c), -EINVAL);
	c = good, c.hbm_size = 1ull << 60;
	assert_int_equal(try_config(c), -EINVAL);
	c = good, c.revision = 0xa2;
	assert_int_equal(try_config(c), -EINVAL);
	c = good, c.place = 1;
	assert_int_equal(try_config(c), -EINVAL);
	c = good, c.mbox = (void *)16;
	assert_int_equal(try_config(c), -EINVAL);
	ops.wake = NULL;
	assert_int_equal(axon_card_create(&good, &ops, NULL, &card), -EINVAL);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(identity), T(holes), T(timestamp), T(causes), T(boot_and_reset),
		T(reset_keeps_hbm), T(doorbells_wake), T(control_core_runs_when_due), T(configs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
