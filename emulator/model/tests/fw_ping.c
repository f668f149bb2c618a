// SPDX-License-Identifier: MIT
/*
 * fw_ping.c - the firmware boots, answers PING, and keeps doing so.
 */
#include "fw_host.h"
#include "rv32.h"

static void boots_and_says_who_it_is(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	const struct axon_fw_header *h = (const void *)fw_image;

	assert_int_equal(m->magic, AXON_MBOX_MAGIC);
	assert_int_equal(m->abi, AXON_MBOX_ABI_MAJOR << 16 | AXON_MBOX_ABI_MINOR);
	assert_int_equal(m->abi, h->mbox_abi);
	assert_int_equal(m->fw_version, h->version);
	assert_string_equal(m->fw_version_str, h->version_str);
	assert_int_equal(m->req_head, 0);
	assert_int_equal(m->resp_tail, 0);
	assert_int_equal(m->event_tail, 0);
}

static void answers_ping(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox_msg ping = host_request(0x1234, AXON_MBOX_PING, NULL, 0), msg;
	struct axon_mbox_ping data;

	fake.now += 5000000;
	msg = host_call_msg(card, &ping);
	assert_int_equal(msg.status, AXON_MBOX_OK);
	assert_int_equal(msg.length, sizeof(data));
	memcpy(&data, msg.data, sizeof(data));
	assert_int_equal(data.uptime_us, 5000);
	assert_int_equal(data.requests, 0);
	assert_int_equal(fake.response_ints, 1);
	assert_int_equal(host_mbox(card)->req_head, 1);
}

static void answers_ten_thousand(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox_ping data;
	struct axon_mbox_msg msg;
	uint32_t i;

	for (i = 1; i <= 10000; i++) {
		struct axon_mbox_msg ping = host_request(i * 2654435761u | 1, AXON_MBOX_PING,
							 NULL, 0);

		fake.now += 1000;
		msg = host_call_msg(card, &ping);
		assert_int_equal(msg.status, AXON_MBOX_OK);
		memcpy(&data, msg.data, sizeof(data));
		assert_int_equal(data.requests, i - 1);
		assert_int_equal(data.uptime_us, i);
	}
	assert_int_equal(card->stage, AXON_STAGE_READY);
	assert_int_equal(host_mbox(card)->req_head, 10000);
}

/* A full ring of requests: one interrupt, answers in order. */
static void answers_a_batch(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox_msg msg;
	uint32_t i;

	for (i = 0; i < AXON_MBOX_SLOTS; i++) {
		msg = host_request(i + 1, AXON_MBOX_PING, NULL, 0);
		host_put(card, &msg);
	}
	fw_ring(card);
	assert_int_equal(fake.response_ints, 1);
	for (i = 0; i < AXON_MBOX_SLOTS; i++) {
		assert_true(host_get(card, &msg));
		assert_int_equal(msg.seq, i + 1);
	}
	assert_false(host_get(card, &msg));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(boots_and_says_who_it_is, fw_setup, fw_teardown),
		cmocka_unit_test_setup_teardown(answers_ping, fw_setup, fw_teardown),
		cmocka_unit_test_setup_teardown(answers_ten_thousand, fw_setup, fw_teardown),
		cmocka_unit_test_setup_teardown(answers_a_batch, fw_setup, fw_teardown),
	};

	fw_load(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
