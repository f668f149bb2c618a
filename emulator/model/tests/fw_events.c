// SPDX-License-Identifier: MIT
/*
 * fw_events.c - faults, heat and memory errors reach the host; what finds no room is counted.
 */
#include <errno.h>

#include "fw_host.h"

static struct axon_fault make_fault(uint32_t i)
{
	return (struct axon_fault){
		.queue = i, .core = 1, .asid = 2, .status = AXON_STATUS_FAULT_UNMAPPED,
		.engine = 3, .opcode = 4, .pc = 5 + i, .addr = 0x123456789abc + i, .seqno = 6 + i,
		.user_data = 0xfedcba9876543210 + i,
	};
}

static uint32_t refreshed_lost(struct axon_card *card)
{
	fw_advance(card, 1100000000);
	return host_mbox(card)->telemetry.faults_lost;
}

static void fault_becomes_event(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_fault fault = make_fault(9);

	axon_ctrl_push_fault(card, &fault);
	fw_run(card);
	assert_int_equal(m->event_tail, 1);
	assert_int_equal(m->event[0].seq, 1);
	assert_int_equal(m->event[0].type, AXON_EVENT_FAULT);
	assert_int_equal(m->event[0].value, 0);
	assert_memory_equal(&m->event[0].fault, &fault, sizeof(fault));
	assert_int_equal(fake.event_ints, 1);
	assert_non_null(strstr(m->log, "fault: queue 9 core 1 asid 2 status 1 engine 0x03 pc 14 "
			       "addr 0x0000123456789ac5\n"));
	/* and the next one */
	fault = make_fault(10);
	axon_ctrl_push_fault(card, &fault);
	fw_run(card);
	assert_int_equal(m->event_tail, 2);
	assert_int_equal(m->event[1].seq, 2);
	assert_int_equal(m->event[1].fault.queue, 10);
}

/* More events than the ring holds: the oldest stay, the others are counted. */
static void full_event_ring(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_fault fault;
	uint32_t i;

	for (i = 0; i < AXON_MBOX_EVENTS + 10; i++) {
		fault = make_fault(i);
		axon_ctrl_push_fault(card, &fault);
		fw_run(card);
	}
	assert_int_equal(m->event_tail, AXON_MBOX_EVENTS);
	for (i = 0; i < AXON_MBOX_EVENTS; i++) {
		assert_int_equal(m->event[i].seq, i + 1);
		assert_int_equal(m->event[i].fault.queue, i);
	}
	assert_int_equal(refreshed_lost(card), 10);
	/* room again */
	m->event_head = 3;
	fault = make_fault(200);
	axon_ctrl_push_fault(card, &fault);
	fw_run(card);
	assert_int_equal(m->event_tail, AXON_MBOX_EVENTS + 1);
	assert_int_equal(m->event[0].fault.queue, 200);
	assert_int_equal(m->event[0].seq, AXON_MBOX_EVENTS + 1);
	assert_int_equal(refreshed_lost(card), 10);
}

/* More faults at once than the FIFO holds. */
static void full_fifo(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_fault fault;
	uint32_t i;

	for (i = 0; i < 64 + 7; i++) {
		fault = make_fault(i);
		axon_ctrl_push_fault(card, &fault);
	}
	fw_run(card);
	assert_int_equal(m->event_tail, 64);
	assert_int_equal(m->event[63].fault.queue, 63);
	assert_int_equal(refreshed_lost(card), 7);
}

static void impossible_event_head(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_fault fault = make_fault(1);

	m->event_head = 12345;
	axon_ctrl_push_fault(card, &fault);
	fw_run(card);
	assert_int_equal(m->event_tail, 0);
	assert_int_equal(refreshed_lost(card), 1);
	m->event_head = 0;
	axon_ctrl_push_fault(card, &fault);
	fw_run(card);
	assert_int_equal(m->event_tail, 1);
	assert_int_equal(m->event[0].seq, 1);
}

static void heat(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);

	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_TEMP_OFFSET, 40000), 0);
	fw_advance(card, 1100000000);
	assert_int_equal(m->event_tail, 0);
	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_TEMP_OFFSET, 70000), 0);
	fw_advance(card, 1100000000);
	assert_int_equal(m->event_tail, 1);
	assert_int_equal(m->event[0].type, AXON_EVENT_THERMAL);
	assert_true(m->event[0].value == (uint64_t)m->telemetry.temp_die);
	assert_true(m->telemetry.temp_die > 95000);
	/* still hot: nothing new to say */
	fw_advance(card, 1100000000);
	assert_int_equal(m->event_tail, 1);
	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_TEMP_OFFSET, -100000), 0);
	fw_advance(card, 1100000000);
	assert_int_equal(m->event_tail, 2);
	assert_true((int64_t)m->event[1].value < 0);
	assert_non_null(strstr(m->log, "die is hot"));
	assert_non_null(strstr(m->log, "die is cool again"));
}

static void memory_errors(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);

	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_HBM_ECC_CE, 5), 0);
	fw_advance(card, 1100000000);
	assert_int_equal(m->telemetry.hbm_ecc_ce, 5);
	assert_int_equal(m->event_tail, 0);	/* corrected ones are only counted */
	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_HBM_ECC_UE, 2), 0);
	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_HBM_ECC_UE, 1), 0);
	fw_advance(card, 1100000000);
	assert_int_equal(m->telemetry.hbm_ecc_ue, 3);
	assert_int_equal(m->event_tail, 1);
	assert_int_equal(m->event[0].type, AXON_EVENT_ECC);
	assert_int_equal(m->event[0].value, 3);
	fw_advance(card, 1100000000);
	assert_int_equal(m->event_tail, 1);
}

/* An error that found the ring full is told when there is room. */
static void memory_error_is_not_lost(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_fault fault = make_fault(0);
	uint32_t i;

	for (i = 0; i < AXON_MBOX_EVENTS; i++) {
		axon_ctrl_push_fault(card, &fault);
		fw_run(card);
	}
	assert_int_equal(axon_ctrl_set(card, AXON_KNOB_HBM_ECC_UE, 1), 0);
	fw_advance(card, 1100000000);
	assert_int_equal(m->event_tail, AXON_MBOX_EVENTS);
	m->event_head = 1;
	fw_advance(card, 1100000000);
	assert_int_equal(m->event_tail, AXON_MBOX_EVENTS + 1);
	assert_int_equal(m->event[0].type, AXON_EVENT_ECC);
}

static void bad_knobs(void **state)
{
	assert_int_equal(axon_ctrl_set(*state, AXON_KNOB_TEMP_OFFSET, 200001), -EINVAL);
	assert_int_equal(axon_ctrl_set(*state, AXON_KNOB_TEMP_OFFSET, INT64_MIN), -EINVAL);
	assert_int_equal(axon_ctrl_set(*state, AXON_KNOB_HBM_ECC_CE, -1), -EINVAL);
	assert_int_equal(axon_ctrl_set(*state, AXON_KNOB_HBM_ECC_UE, INT64_MAX), -EINVAL);
	assert_int_equal(axon_ctrl_set(*state, AXON_KNOB_STALL_FW, 2), -EINVAL);
	assert_int_equal(axon_ctrl_set(*state, (enum axon_card_knob)77, 0), -EINVAL);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fw_setup, fw_teardown)
	const struct CMUnitTest tests[] = {
		T(fault_becomes_event), T(full_event_ring), T(full_fifo), T(impossible_event_head),
		T(heat), T(memory_errors), T(memory_error_is_not_lost), T(bad_knobs),
	};

	fw_load(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
