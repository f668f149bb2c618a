// SPDX-License-Identifier: MIT
/*
 * event.c - the event ring towards the host.
 */
#include "fw.h"

static uint32_t sequence;
static uint32_t tail;		/* the mailbox holds a copy, which is never read back */

static void copy_fault(volatile struct axon_fault *to, const struct axon_fault *from)
{
	volatile uint32_t *dst = (volatile uint32_t *)to;
	const uint32_t *src = (const uint32_t *)from;
	unsigned int i;

	for (i = 0; i < sizeof(*from) / 4; i++)
		dst[i] = src[i];
}

/**
 * event_send() - tell the host
 * @fault: NULL but for AXON_EVENT_FAULT
 *
 * Return: false if the ring is full (or its head impossible, which is the same to us).
 */
bool event_send(uint32_t type, uint64_t value, const struct axon_fault *fault)
{
	static const struct axon_fault none;
	volatile struct axon_mbox_event *event = &mbox->event[tail % AXON_MBOX_EVENTS];

	if (tail - mbox->event_head >= AXON_MBOX_EVENTS)
		return false;
	event->seq = ++sequence;
	event->type = type;
	event->value = value;
	copy_fault(&event->fault, fault ? fault : &none);
	fence();
	mbox->event_tail = ++tail;
	periph_write(AXON_P_HOST_INT, AXON_INT_MBOX_EVENT);
	return true;
}
