// SPDX-License-Identifier: MIT
/*
 * fw_requests.c - what the firmware makes of requests, good and bad, and of rings that are garbage.
 */
#include "fw_host.h"

static void bad_types(void **state)
{
	static const uint16_t types[] = { 0, 10, 11, 255, 256, 257, 0x7fff, 0xffff };
	size_t i;

	for (i = 0; i < sizeof(types) / 2; i++)
		assert_int_equal(host_call(*state, types[i], NULL, 0), AXON_MBOX_BAD_TYPE);
}

static void bad_lengths(void **state)
{
	static const uint16_t want[] = { 0, 0, 16, 16, 16, 48, 8, 8, 8, 8 };
	uint8_t data[sizeof(((struct axon_mbox_msg *)0)->data)] = { 0 };
	uint16_t type, length;

	for (type = AXON_MBOX_PING; type <= AXON_MBOX_GANG_RESET; type++) {
		for (length = 0; length <= sizeof(data); length++) {
			if (length != want[type])
				assert_int_equal(host_call(*state, type, data, length),
						 AXON_MBOX_BAD_LENGTH);
		}
		/* lengths beyond the message are only numbers */
		struct axon_mbox_msg msg = host_request(1, type, NULL, 0);

		msg.length = 0xffff;
		assert_int_equal(host_call_msg(*state, &msg).status, AXON_MBOX_BAD_LENGTH);
	}
	assert_string_equal(fake.called, "");
}

static void reserved_bits(void **state)
{
	struct axon_mbox_msg msg = host_request(5, AXON_MBOX_PING, NULL, 0), bad;
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		bad = msg;
		bad.status = 1u << bit;
		assert_int_equal(host_call_msg(*state, &bad).status, AXON_MBOX_BAD_PARAM);
		bad = msg;
		bad.reserved = 1u << bit;
		assert_int_equal(host_call_msg(*state, &bad).status, AXON_MBOX_BAD_PARAM);
	}
	for (bit = 0; bit < sizeof(msg.data); bit++) {
		bad = msg;
		bad.data[bit] = 1;
		assert_int_equal(host_call_msg(*state, &bad).status, AXON_MBOX_BAD_PARAM);
	}
	bad = msg;
	bad.seq = 0;
	assert_int_equal(host_call_msg(*state, &bad).status, AXON_MBOX_BAD_PARAM);
	assert_int_equal(host_call_msg(*state, &msg).status, AXON_MBOX_OK);
}

static void address_spaces(void **state)
{
	struct axon_mbox_as as = { .asid = 5, .root = 0x123456789000 };

	assert_int_equal(host_call(*state, AXON_MBOX_AS_CREATE, &as, sizeof(as)), AXON_MBOX_OK);
	assert_string_equal(fake.called, "mmu_enable");
	assert_int_equal(fake.asid, 5);
	assert_true(fake.root == 0x123456789000);
	assert_int_equal(host_call(*state, AXON_MBOX_AS_INVALIDATE, &as, sizeof(as)),
			 AXON_MBOX_BAD_PARAM);
	assert_int_equal(host_call(*state, AXON_MBOX_AS_DESTROY, &as, sizeof(as)),
			 AXON_MBOX_BAD_PARAM);
	assert_string_equal(fake.called, "mmu_enable");
	as.root = 0;
	assert_int_equal(host_call(*state, AXON_MBOX_AS_INVALIDATE, &as, sizeof(as)), AXON_MBOX_OK);
	assert_string_equal(fake.called, "mmu_invalidate");
	assert_int_equal(fake.queues_asid, 5);
	fake.asid_used = true;
	assert_int_equal(host_call(*state, AXON_MBOX_AS_DESTROY, &as, sizeof(as)), AXON_MBOX_BUSY);
	assert_string_equal(fake.called, "mmu_invalidate");
	fake.asid_used = false;
	assert_int_equal(host_call(*state, AXON_MBOX_AS_DESTROY, &as, sizeof(as)), AXON_MBOX_OK);
	assert_string_equal(fake.called, "mmu_disable");
}

static void bad_address_spaces(void **state)
{
	struct axon_mbox_as as = { .asid = AXON_MAX_ASIDS };
	uint16_t type;

	for (type = AXON_MBOX_AS_CREATE; type <= AXON_MBOX_AS_INVALIDATE; type++) {
		as = (struct axon_mbox_as){ .asid = AXON_MAX_ASIDS };
		assert_int_equal(host_call(*state, type, &as, sizeof(as)), AXON_MBOX_BAD_ID);
		as.asid = UINT32_MAX;
		assert_int_equal(host_call(*state, type, &as, sizeof(as)), AXON_MBOX_BAD_ID);
		as = (struct axon_mbox_as){ .asid = 1, .reserved = 1 };
		assert_int_equal(host_call(*state, type, &as, sizeof(as)), AXON_MBOX_BAD_PARAM);
	}
	assert_string_equal(fake.called, "");
}

static void queues(void **state)
{
	struct axon_mbox_queue q = {
		.queue = 3, .core = 1, .asid = 2, .ring_asid = 0, .entries = 256, .vector = 4,
		.sq = 0x7f0011223000, .cq = 0x7f0011224000, .state = 0x7f0011225000,
	};
	struct axon_mbox_queue_id id = { .queue = 3 };

	assert_int_equal(host_call(*state, AXON_MBOX_QUEUE_CREATE, &q, sizeof(q)), AXON_MBOX_OK);
	assert_string_equal(fake.called, "queue_create");
	assert_int_equal(fake.queue.id, 3);
	assert_int_equal(fake.queue.core, 1);
	assert_int_equal(fake.queue.asid, 2);
	assert_int_equal(fake.queue.ring_asid, 0);
	assert_int_equal(fake.queue.entries, 256);
	assert_int_equal(fake.queue.vector, 4);
	assert_true(fake.queue.sq == q.sq && fake.queue.cq == q.cq && fake.queue.state == q.state);
	assert_int_equal(host_call(*state, AXON_MBOX_QUEUE_DESTROY, &id, sizeof(id)), AXON_MBOX_OK);
	assert_string_equal(fake.called, "queue_destroy");
	id.reserved = 1;
	assert_int_equal(host_call(*state, AXON_MBOX_QUEUE_DESTROY, &id, sizeof(id)),
			 AXON_MBOX_BAD_PARAM);
	q.queue = AXON_MAX_QUEUES;
	assert_int_equal(host_call(*state, AXON_MBOX_QUEUE_CREATE, &q, sizeof(q)),
			 AXON_MBOX_BAD_ID);
}

static void kill_names_core_and_queue(void **state)
{
	struct axon_mbox_core core = { .core = 1, .queue = 7 };

	assert_int_equal(host_call(*state, AXON_MBOX_CORE_RESET, &core, sizeof(core)),
			 AXON_MBOX_OK);
	assert_string_equal(fake.called, "queue_kill");
	assert_int_equal(fake.core, 1);
	assert_int_equal(fake.kill_queue, 7);
	fake.result = AXON_P_NOT_FOUND;
	assert_int_equal(host_call(*state, AXON_MBOX_CORE_RESET, &core, sizeof(core)),
			 AXON_MBOX_NOT_FOUND);
	core.core = 2;
	assert_int_equal(host_call(*state, AXON_MBOX_CORE_RESET, &core, sizeof(core)),
			 AXON_MBOX_BAD_ID);
}

/* What the card answers becomes what the host reads. */
static void results_become_statuses(void **state)
{
	static const uint32_t statuses[][2] = {
		{ AXON_P_OK, AXON_MBOX_OK }, { AXON_P_BAD_ID, AXON_MBOX_BAD_ID },
		{ AXON_P_BAD_PARAM, AXON_MBOX_BAD_PARAM }, { AXON_P_BUSY, AXON_MBOX_BUSY },
		{ AXON_P_NOT_FOUND, AXON_MBOX_NOT_FOUND }, { 99, AXON_MBOX_BAD_PARAM },
	};
	struct axon_mbox_queue q = { 0 };
	struct axon_mbox_as as = { 0 };
	size_t i;

	for (i = 0; i < 6; i++) {
		fake.result = statuses[i][0];
		assert_int_equal(host_call(*state, AXON_MBOX_QUEUE_CREATE, &q, sizeof(q)),
				 statuses[i][1]);
		assert_int_equal(host_call(*state, AXON_MBOX_AS_CREATE, &as, sizeof(as)),
				 statuses[i][1]);
	}
}

static void impossible_request_tail(void **state)
{
	static const uint32_t tails[] = { 17, 100, 0x80000000, 0xffffffff };
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	size_t i;

	for (i = 0; i < 4; i++) {
		m->req_tail = tails[i];
		fw_ring(card);
		assert_int_equal(m->req_head, 0);
		assert_int_equal(m->resp_tail, 0);
	}
	/* said once, and over when the index is possible again */
	assert_non_null(strstr(m->log, "impossible index"));
	assert_null(strstr(strstr(m->log, "impossible index") + 1, "impossible index"));
	m->req_tail = 0;
	assert_int_equal(host_call(card, AXON_MBOX_PING, NULL, 0), AXON_MBOX_OK);
}

static void impossible_response_head(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_mbox_msg ping = host_request(9, AXON_MBOX_PING, NULL, 0);

	m->resp_head = 1;	/* nothing was written yet */
	host_put(card, &ping);
	fw_ring(card);
	assert_int_equal(m->resp_tail, 0);
	m->resp_head = 0;
	fw_ring(card);
	assert_int_equal(m->resp_tail, 1);
}

/* The firmware's own indices are the host's to read: writing them changes nothing. */
static void scribbled_indices(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_mbox_msg ping = host_request(9, AXON_MBOX_PING, NULL, 0);

	m->req_head = 0xdeadbeef;
	m->resp_tail = 0xdeadbeef;
	m->event_tail = 0xdeadbeef;
	host_put(card, &ping);
	fw_ring(card);
	assert_int_equal(m->req_head, 1);
	assert_int_equal(m->resp_tail, 1);
	assert_int_equal(m->response[0].status, AXON_MBOX_OK);
}

/* Requests stay where they are until there is room for their responses. */
static void full_response_ring(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	struct axon_mbox_msg msg;
	uint32_t i;

	for (i = 0; i < AXON_MBOX_SLOTS; i++) {
		msg = host_request(i + 1, AXON_MBOX_PING, NULL, 0);
		host_put(card, &msg);
	}
	fw_ring(card);
	for (i = 0; i < 4; i++) {
		msg = host_request(100 + i, AXON_MBOX_PING, NULL, 0);
		host_put(card, &msg);
	}
	fw_ring(card);
	assert_int_equal(m->req_head, AXON_MBOX_SLOTS);
	for (i = 0; i < AXON_MBOX_SLOTS; i++) {
		assert_true(host_get(card, &msg));
		assert_int_equal(msg.seq, i + 1);
	}
	/* without another ring of the doorbell: the firmware looks by itself now and then */
	fw_advance(card, 600000000);
	for (i = 0; i < 4; i++) {
		assert_true(host_get(card, &msg));
		assert_int_equal(msg.seq, 100 + i);
	}
}

/* The whole mailbox overwritten with noise, again and again. */
static void noise(void **state)
{
	struct axon_card *card = *state;
	struct axon_mbox *m = host_mbox(card);
	uint64_t rng = 2463534242u;
	uint32_t round, i, served = 0;

	for (round = 0; round < 3000; round++) {
		for (i = 0; i < sizeof(*m); i++) {
			rng ^= rng << 13;
			rng ^= rng >> 7;
			rng ^= rng << 17;
			card->mbox[i] = rng >> 20;
		}
		if (round % 2) {	/* half of the time requests that are taken */
			m->resp_head = served;
			m->req_tail = served + 1 + rng % AXON_MBOX_SLOTS;
			served = m->req_tail;
			m->request[rng % AXON_MBOX_SLOTS].type = rng >> 30 & 15;
		}
		fake.now += rng % 100000000;
		fw_ring(card);
		assert_int_equal(card->stage, AXON_STAGE_READY);
		if (round % 2)
			assert_int_equal(m->resp_tail, served);
	}
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fw_setup, fw_teardown)
	const struct CMUnitTest tests[] = {
		T(bad_types), T(bad_lengths), T(reserved_bits), T(address_spaces),
		T(bad_address_spaces), T(queues), T(kill_names_core_and_queue),
		T(results_become_statuses), T(impossible_request_tail),
		T(impossible_response_head), T(scribbled_indices), T(full_response_ring), T(noise),
	};

	fw_load(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
