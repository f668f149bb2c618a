// SPDX-License-Identifier: MIT
/*
 * fw_telemetry.c - sensors, the log, and the firmware's clock.
 */
#include "fw_host.h"

#define SECOND	1000000000ull

static uint32_t set_period(struct axon_card *card, uint32_t ms, uint32_t reserved)
{
	struct axon_mbox_set_telemetry set = { .period_ms = ms, .reserved = reserved };

	return host_call(card, AXON_MBOX_SET_TELEMETRY, &set, sizeof(set));
}

static void idle_values(void **state)
{
	struct axon_card *card = *state;
	const struct axon_telemetry *t = &host_mbox(card)->telemetry;

	assert_int_equal(t->seq, 2);
	assert_int_equal(t->updates, 1);
	/* two idle cores: 60 + 2 * 5 W, 35 C at the inlet */
	assert_int_equal(t->power, 70000);
	assert_int_equal(t->temp_die, 42000);
	assert_int_equal(t->temp_hbm, 40600);
	assert_int_equal(t->voltage, 813);
	assert_int_equal(t->clock_core, AXON_REF_CLOCK_HZ / 1000);
	assert_true(t->clock_hbm > 0);
	assert_int_equal(t->energy, 0);
	fw_advance(card, 1 * SECOND);
	assert_int_equal(t->seq, 4);
	assert_int_equal(t->updates, 2);
	assert_int_equal(t->energy, 70000000);
	assert_int_equal(t->uptime_us, 1000000);
	assert_int_equal(t->power, 70000);
	assert_int_equal(t->temp_die, 42000);
}

/* One core busy half of the time, its tensor engine at full rate while busy. */
static void load_shows(void **state)
{
	struct axon_card *card = *state;
	const struct axon_telemetry *t = &host_mbox(card)->telemetry;
	int32_t last;
	int i;

	fake.stats[1].busy_ns = SECOND / 2;
	fake.stats[1].cycles = 1000000;
	fake.stats[1].flops = 1000000ull * 60000;
	fw_advance(card, SECOND);
	assert_int_equal(t->power, 70000 + 25000);
	assert_in_range(t->energy, 94999999, 95000001);
	assert_true(t->temp_die > 42000 && t->temp_die < 44500);
	last = t->temp_die;
	for (i = 2; i < 100; i++) {
		fake.stats[1].busy_ns += SECOND / 2;
		fake.stats[1].cycles += 1000000;
		fake.stats[1].flops += 1000000ull * 60000;
		fw_advance(card, SECOND);
		assert_true(t->temp_die >= last);
		last = t->temp_die;
	}
	assert_int_equal((t->temp_die + 5) / 10, 4450);
	/* and cools down */
	fw_advance(card, 1000 * SECOND);
	assert_int_equal((t->temp_die + 5) / 10, 4200);
	assert_int_equal(t->power, 70000);
	/* a reset takes the counters back to 0: no negative work */
	fake.stats[1].busy_ns = 0;
	fake.stats[1].cycles = 0;
	fake.stats[1].flops = 0;
	fw_advance(card, SECOND);
	assert_int_equal(t->power, 70000);
	/* a counter that claims more than there was time for */
	fake.stats[0].busy_ns = 1000 * SECOND;
	fw_advance(card, SECOND);
	assert_int_equal(t->power, 70000 + 12000);
}

static void sensors_survive_reset(void **state)
{
	struct axon_card *card = *state;

	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_HBM_ECC_CE, 11), 0);
	fw_advance(card, 3 * SECOND);
	fake_card_reset(card);
	assert_int_equal(host_mbox(card)->magic, 0);
	fake_boot(card, 0x3000, fw_image, fw_size);
	fw_run(card);
	assert_int_equal(host_mbox(card)->telemetry.hbm_ecc_ce, 11);
	assert_int_equal(host_mbox(card)->telemetry.energy, 3 * 70000000);
	assert_int_equal(host_mbox(card)->telemetry.uptime_us, 0);
}

static void period(void **state)
{
	struct axon_card *card = *state;
	const struct axon_telemetry *t = &host_mbox(card)->telemetry;
	int i;

	assert_int_equal(set_period(card, 9, 0), AXON_MBOX_BAD_PARAM);
	assert_int_equal(set_period(card, 60001, 0), AXON_MBOX_BAD_PARAM);
	assert_int_equal(set_period(card, 0, 0), AXON_MBOX_BAD_PARAM);
	assert_int_equal(set_period(card, UINT32_MAX, 0), AXON_MBOX_BAD_PARAM);
	assert_int_equal(set_period(card, 100, 1), AXON_MBOX_BAD_PARAM);
	assert_int_equal(t->updates, 1);
	assert_int_equal(set_period(card, 10, 0), AXON_MBOX_OK);
	assert_int_equal(t->updates, 2);
	for (i = 0; i < 100; i++)
		fw_advance(card, 10000000);
	assert_int_equal(t->updates, 102);
	assert_int_equal(t->requests, 6);
	assert_int_equal(set_period(card, 60000, 0), AXON_MBOX_OK);
	fw_advance(card, 59 * SECOND);
	assert_int_equal(t->updates, 103);
	fw_advance(card, SECOND);
	assert_int_equal(t->updates, 104);
}

/* The card may sleep until the firmware's timer, and has to wake by then. */
static void deadline(void **state)
{
	struct axon_card *card = *state;
	uint64_t start = fake.now, when = axon_ctrl_deadline(card);

	assert_true(when > start && when <= start + SECOND / 2);
	fake.now = when - 1;
	assert_false(axon_ctrl_run(card, 1000));
	assert_true(axon_ctrl_deadline(card) == when);
	fake.now = when;
	assert_int_equal(axon_ctrl_deadline(card), 0);
	fw_run(card);
	assert_true(axon_ctrl_deadline(card) > when);
	/* the doorbell makes it run at once, and asking for the deadline does not take it */
	atomic_store(&card->mbox_rung, 1);
	assert_int_equal(axon_ctrl_deadline(card), 0);
	assert_int_equal(card->mbox_rung, 1);
	fw_run(card);
	assert_int_equal(card->mbox_rung, 0);
	assert_true(axon_ctrl_deadline(card) > fake.now);
}

static void log_text(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);

	assert_string_equal(m->log,
			    "[    0.000000] axon firmware 0.1.0, revision 0xa1, 2 cores\n");
	assert_int_equal(m->log_tail, strlen(m->log));
}

/* The ring keeps the newest bytes, in order. */
static void log_wraps(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_fault fault = { .core = 1 };
	static char text[AXON_MBOX_LOG_SIZE + 1];
	uint32_t i, from;
	char *line, *end;
	int last = -1;

	for (i = 0; i < 400; i++) {
		fault.queue = i;
		fake.now += 1000;
		axon_ctrl_push_fault(card, &fault);
		fw_run(card);
	}
	assert_true(m->log_tail > AXON_MBOX_LOG_SIZE);
	from = m->log_tail % AXON_MBOX_LOG_SIZE;
	memcpy(text, m->log + from, AXON_MBOX_LOG_SIZE - from);
	memcpy(text + AXON_MBOX_LOG_SIZE - from, m->log, from);
	line = strchr(text, '\n') + 1;
	while ((end = strchr(line, '\n'))) {
		unsigned int sec, usec, queue;

		*end = 0;
		assert_int_equal(sscanf(line, "[%u.%u] fault: queue %u", &sec, &usec, &queue), 3);
		assert_int_equal(usec, queue + 1);
		assert_true(last < 0 || (int)queue == last + 1);
		last = queue;
		line = end + 1;
	}
	assert_int_equal(*line, 0);
	assert_int_equal(last, 399);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fw_setup, fw_teardown)
	const struct CMUnitTest tests[] = {
		T(idle_values), T(load_shows), T(sensors_survive_reset), T(period), T(deadline),
		T(log_text), T(log_wraps),
	};

	fw_load(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
