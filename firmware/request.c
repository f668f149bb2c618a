// SPDX-License-Identifier: MIT
/*
 * request.c - what the requests do: form check, then one function a type.
 *
 * Requests were copied out of the mailbox before; nothing here reads it.
 */
#include <string.h>

#include "fw.h"

static uint32_t status_of(uint32_t result)
{
	switch (result) {
	case AXON_P_OK:
		return AXON_MBOX_OK;
	case AXON_P_BAD_ID:
		return AXON_MBOX_BAD_ID;
	case AXON_P_BUSY:
		return AXON_MBOX_BUSY;
	case AXON_P_NOT_FOUND:
		return AXON_MBOX_NOT_FOUND;
	}
	return AXON_MBOX_BAD_PARAM;
}

static void do_ping(const void *data, struct reply *reply)
{
	struct axon_mbox_ping ping = {
		.uptime_us = time_uptime(),
		.fw_version = FW_VERSION,
		.requests = mbox_requests(),
	};

	reply->length = sizeof(ping);
	memcpy(reply->data, &ping, sizeof(ping));
}

static uint32_t as_command(uint32_t asid, uint64_t root, uint32_t command)
{
	periph_write(AXON_P_AS_ID, asid);
	periph_write(AXON_P_AS_ROOT_LO, (uint32_t)root);
	periph_write(AXON_P_AS_ROOT_HI, (uint32_t)(root >> 32));
	periph_write(AXON_P_AS_CMD, command);
	return status_of(periph_read(AXON_P_AS_RESULT));
}

static void do_as_create(const void *data, struct reply *reply)
{
	const struct axon_mbox_as *as = data;

	if (as->reserved)
		reply->status = AXON_MBOX_BAD_PARAM;
	else
		reply->status = as_command(as->asid, as->root, AXON_P_AS_ENABLE);
}

static void do_as_other(const struct axon_mbox_as *as, struct reply *reply, uint32_t command)
{
	if (as->reserved || as->root)
		reply->status = AXON_MBOX_BAD_PARAM;
	else
		reply->status = as_command(as->asid, 0, command);
}

static void do_as_destroy(const void *data, struct reply *reply)
{
	do_as_other(data, reply, AXON_P_AS_DISABLE);
}

static void do_as_invalidate(const void *data, struct reply *reply)
{
	do_as_other(data, reply, AXON_P_AS_INVALIDATE);
}

static void do_queue_create(const void *data, struct reply *reply)
{
	const struct axon_mbox_queue *queue = data;

	periph_write(AXON_P_Q_ID, queue->queue);
	periph_write(AXON_P_Q_CORE, queue->core);
	periph_write(AXON_P_Q_ASID, queue->asid);
	periph_write(AXON_P_Q_RING_ASID, queue->ring_asid);
	periph_write(AXON_P_Q_ENTRIES, queue->entries);
	periph_write(AXON_P_Q_VECTOR, queue->vector);
	periph_write(AXON_P_Q_SQ_LO, (uint32_t)queue->sq);
	periph_write(AXON_P_Q_SQ_HI, (uint32_t)(queue->sq >> 32));
	periph_write(AXON_P_Q_CQ_LO, (uint32_t)queue->cq);
	periph_write(AXON_P_Q_CQ_HI, (uint32_t)(queue->cq >> 32));
	periph_write(AXON_P_Q_STATE_LO, (uint32_t)queue->state);
	periph_write(AXON_P_Q_STATE_HI, (uint32_t)(queue->state >> 32));
	periph_write(AXON_P_Q_CMD, AXON_P_Q_CREATE);
	reply->status = status_of(periph_read(AXON_P_Q_RESULT));
}

static void do_queue_destroy(const void *data, struct reply *reply)
{
	const struct axon_mbox_queue_id *id = data;

	if (id->reserved) {
		reply->status = AXON_MBOX_BAD_PARAM;
		return;
	}
	periph_write(AXON_P_Q_ID, id->queue);
	periph_write(AXON_P_Q_CMD, AXON_P_Q_DESTROY);
	reply->status = status_of(periph_read(AXON_P_Q_RESULT));
}

static void kill_launch(const struct axon_mbox_core *core, uint32_t cmd, struct reply *reply)
{
	periph_write(AXON_P_CORE_ID, core->core);
	periph_write(AXON_P_CORE_MATCH, core->queue);
	periph_write(AXON_P_CORE_CMD, cmd);
	reply->status = status_of(periph_read(AXON_P_CORE_RESULT));
	if (reply->status == AXON_MBOX_OK)
		log_line("core %u: launch of queue %u killed", (unsigned int)core->core,
			 (unsigned int)core->queue);
}

static void do_core_reset(const void *data, struct reply *reply)
{
	kill_launch(data, AXON_P_CORE_KILL, reply);
}

static void do_gang_reset(const void *data, struct reply *reply)
{
	kill_launch(data, AXON_P_CORE_KILL_WAITER, reply);
}

static void do_set_telemetry(const void *data, struct reply *reply)
{
	const struct axon_mbox_set_telemetry *set = data;

	if (set->reserved || !telemetry_set_period(set->period_ms))
		reply->status = AXON_MBOX_BAD_PARAM;
}

static const struct {
	void (*run)(const void *data, struct reply *reply);
	uint16_t length;
} types[] = {
	[AXON_MBOX_PING] = { do_ping, 0 },
	[AXON_MBOX_AS_CREATE] = { do_as_create, sizeof(struct axon_mbox_as) },
	[AXON_MBOX_AS_DESTROY] = { do_as_destroy, sizeof(struct axon_mbox_as) },
	[AXON_MBOX_AS_INVALIDATE] = { do_as_invalidate, sizeof(struct axon_mbox_as) },
	[AXON_MBOX_QUEUE_CREATE] = { do_queue_create, sizeof(struct axon_mbox_queue) },
	[AXON_MBOX_QUEUE_DESTROY] = { do_queue_destroy, sizeof(struct axon_mbox_queue_id) },
	[AXON_MBOX_CORE_RESET] = { do_core_reset, sizeof(struct axon_mbox_core) },
	[AXON_MBOX_SET_TELEMETRY] = { do_set_telemetry, sizeof(struct axon_mbox_set_telemetry) },
	[AXON_MBOX_GANG_RESET] = { do_gang_reset, sizeof(struct axon_mbox_core) },
};

#define NUM_TYPES	(sizeof(types) / sizeof(types[0]))

static uint32_t check(const struct axon_mbox_msg *msg)
{
	const uint32_t *words = (const uint32_t *)msg->data;
	unsigned int i;

	if (msg->type >= NUM_TYPES || !types[msg->type].run)
		return AXON_MBOX_BAD_TYPE;
	if (msg->length != types[msg->type].length)
		return AXON_MBOX_BAD_LENGTH;
	if (!msg->seq || msg->status || msg->reserved)
		return AXON_MBOX_BAD_PARAM;
	/* Every type's length is a multiple of 4. */
	for (i = msg->length / 4; i < sizeof(msg->data) / 4; i++) {
		if (words[i])
			return AXON_MBOX_BAD_PARAM;
	}
	return AXON_MBOX_OK;
}

/* @request lies in our memory, aligned to 8 bytes. */
void request_run(const struct axon_mbox_msg *request, struct reply *reply)
{
	reply->length = 0;
	reply->status = check(request);
	if (reply->status == AXON_MBOX_OK)
		types[request->type].run(request->data, reply);
}
