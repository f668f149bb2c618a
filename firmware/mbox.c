// SPDX-License-Identifier: MIT
/*
 * mbox.c - the request and response rings.
 *
 * Takes requests while there is room for their responses. Our own indices live in RAM; the
 * mailbox holds copies for the host, which are never read back.
 */
#include "fw.h"

#define MSG_WORDS	(sizeof(struct axon_mbox_msg) / 4)

static uint32_t head;		/* requests taken */
static uint32_t tail;		/* responses written */
static bool complained;		/* about impossible indices, since they were right */

void mbox_init(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(FW_VERSION_STR); i++)
		mbox->fw_version_str[i] = FW_VERSION_STR[i];
	mbox->abi = FW_MBOX_ABI;
	mbox->fw_version = FW_VERSION;
	fence();
	mbox->magic = AXON_MBOX_MAGIC;
}

uint32_t mbox_requests(void)
{
	return tail;
}

static void take(struct axon_mbox_msg *msg)
{
	volatile uint32_t *src = (volatile uint32_t *)&mbox->request[head % AXON_MBOX_SLOTS];
	uint32_t *dst = (uint32_t *)msg;
	unsigned int i;

	for (i = 0; i < MSG_WORDS; i++)
		dst[i] = src[i];
	fence();
	mbox->req_head = ++head;
}

static void answer(const struct axon_mbox_msg *request, const struct reply *reply)
{
	volatile struct axon_mbox_msg *msg = &mbox->response[tail % AXON_MBOX_SLOTS];
	volatile uint32_t *data = (volatile uint32_t *)msg->data;
	unsigned int i;

	msg->seq = request->seq;
	msg->type = request->type;
	msg->length = reply->length;
	msg->status = reply->status;
	msg->reserved = 0;
	for (i = 0; i < reply->length / 4; i++)
		data[i] = reply->data[i];
	for (; i < sizeof(msg->data) / 4; i++)
		data[i] = 0;
	fence();
	mbox->resp_tail = ++tail;
}

static void serve_one(void)
{
	/* Aligned for the 64-bit members of the data. */
	struct axon_mbox_msg request __attribute__((aligned(8)));
	struct reply reply;

	take(&request);
	request_run(&request, &reply);
	answer(&request, &reply);
}

/* Are the host's indices possible? If not, nothing is served until they are. */
static bool sane(uint32_t waiting, uint32_t unread)
{
	if (waiting <= AXON_MBOX_SLOTS && unread <= AXON_MBOX_SLOTS) {
		complained = false;
		return true;
	}
	if (!complained)
		log_line("mailbox: impossible index: %u requests, %u unread responses",
			 (unsigned int)waiting, (unsigned int)unread);
	complained = true;
	return false;
}

void mbox_serve(void)
{
	uint32_t waiting = mbox->req_tail - head;
	uint32_t unread = tail - mbox->resp_head;
	bool any = false;

	if (!sane(waiting, unread))
		return;
	fence();
	while (waiting-- && unread++ < AXON_MBOX_SLOTS) {
		serve_one();
		any = true;
	}
	if (any)
		periph_write(AXON_P_HOST_INT, AXON_INT_MBOX_RESPONSE);
}
