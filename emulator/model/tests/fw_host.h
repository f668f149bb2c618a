/* SPDX-License-Identifier: MIT */
/*
 * fw_host.h - the host's side of the mailbox, for tests of the firmware on the model.
 *
 * The image's path is the test program's only argument.
 */
#ifndef AXON_TESTS_FW_HOST_H
#define AXON_TESTS_FW_HOST_H

#include "ctrl_fakes.h"

static uint8_t fw_image[AXON_FW_MAX_SIZE];
static uint32_t fw_size;

static struct axon_mbox *host_mbox(struct axon_card *card)
{
	return (struct axon_mbox *)card->mbox;
}

/* Lets the firmware run until it sleeps; a bound, not a time. */
static void fw_run(struct axon_card *card)
{
	int slices = 10000;

	while (axon_ctrl_run(card, 1000))
		assert_true(--slices);
}

static void fw_ring(struct axon_card *card)
{
	atomic_store(&card->mbox_rung, 1);
	fw_run(card);
}

static inline void fw_advance(struct axon_card *card, uint64_t ns)
{
	fake.now += ns;
	fw_run(card);
}

static inline int fw_setup(void **state)
{
	struct axon_card *card = fake_card_create();

	fake_boot(card, 0x3000, fw_image, fw_size);
	assert_int_equal(card->boot_error, AXON_BOOT_OK);
	fw_run(card);
	assert_int_equal(card->stage, AXON_STAGE_READY);
	*state = card;
	return 0;
}

static int fw_teardown(void **state)
{
	fake_card_destroy(*state);
	return 0;
}

/* Writes a request without ringing. */
static inline void host_put(struct axon_card *card, const struct axon_mbox_msg *msg)
{
	struct axon_mbox *m = host_mbox(card);

	m->request[m->req_tail % AXON_MBOX_SLOTS] = *msg;
	m->req_tail++;
}

static inline bool host_get(struct axon_card *card, struct axon_mbox_msg *msg)
{
	struct axon_mbox *m = host_mbox(card);

	if (m->resp_head == m->resp_tail)
		return false;
	*msg = m->response[m->resp_head % AXON_MBOX_SLOTS];
	m->resp_head++;
	return true;
}

static inline struct axon_mbox_msg host_request(uint32_t seq, uint16_t type, const void *data,
						uint16_t length)
{
	struct axon_mbox_msg msg = { .seq = seq, .type = type, .length = length };

	if (length)
		memcpy(msg.data, data, length);
	return msg;
}

/* Sends and waits; checks what every response has in common. */
static inline struct axon_mbox_msg host_call_msg(struct axon_card *card,
						 const struct axon_mbox_msg *request)
{
	struct axon_mbox_msg msg;
	size_t i;

	host_put(card, request);
	fw_ring(card);
	assert_true(host_get(card, &msg));
	assert_int_equal(msg.seq, request->seq);
	assert_int_equal(msg.type, request->type);
	assert_int_equal(msg.reserved, 0);
	assert_true(msg.length <= sizeof(msg.data));
	for (i = msg.length; i < sizeof(msg.data); i++)
		assert_int_equal(msg.data[i], 0);
	return msg;
}

static inline uint32_t host_call(struct axon_card *card, uint16_t type, const void *data,
				 uint16_t length)
{
	struct axon_mbox_msg msg = host_request(77, type, data, length);

	return host_call_msg(card, &msg).status;
}

static void fw_load(int argc, char **argv)
{
	FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;

	if (!f) {
		fprintf(stderr, "usage: %s IMAGE\n", argv[0]);
		exit(2);
	}
	fw_size = (uint32_t)fread(fw_image, 1, sizeof(fw_image), f);
	if (ferror(f) || !feof(f) || !fw_size) {
		fprintf(stderr, "%s: cannot read, or too large\n", argv[1]);
		exit(2);
	}
	fclose(f);
}

#endif /* AXON_TESTS_FW_HOST_H */
