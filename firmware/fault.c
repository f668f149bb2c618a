// SPDX-License-Identifier: MIT
/*
 * fault.c - empties the fault FIFO into events and the log.
 */
#include "fw.h"

static uint32_t dropped;	/* records that found the event ring full */

static void read_record(struct axon_fault *fault)
{
	uint32_t *words = (uint32_t *)fault;
	unsigned int i;

	for (i = 0; i < sizeof(*fault) / 4; i++)
		words[i] = periph_read(AXON_P_FAULT_DATA + 4 * i);
	periph_write(AXON_P_FAULT_POP, 1);
}

void fault_drain(void)
{
	/* Records that arrive meanwhile come with an interrupt of their own. */
	uint32_t count = periph_read(AXON_P_FAULT_COUNT);
	struct axon_fault fault;

	while (count--) {
		read_record(&fault);
		if (!event_send(AXON_EVENT_FAULT, 0, &fault))
			dropped++;
		log_line("fault: queue %u core %u asid %u status %u engine 0x%02x pc %u "
			 "addr 0x%08x%08x", fault.queue, fault.core, fault.asid, fault.status,
			 fault.engine, (unsigned int)fault.pc, (unsigned int)(fault.addr >> 32),
			 (unsigned int)fault.addr);
	}
}

uint32_t fault_lost(void)
{
	return periph_read(AXON_P_FAULT_LOST) + dropped;
}
