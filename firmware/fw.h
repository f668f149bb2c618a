/* SPDX-License-Identifier: MIT */
/*
 * fw.h - how the files of the firmware meet.
 *
 *   crt0.S       first instruction, trap entry
 *   main.c       start, the loop, interrupts and traps
 *   time.c       clock, timer, watchdog
 *   mbox.c       requests and responses: rings and form
 *   request.c    requests: what each does
 *   event.c      events to the host
 *   fault.c      fault FIFO to events
 *   telemetry.c  sensors, thermal and ECC events
 *   log.c        the log ring
 *   header.c     header of the image
 *
 * Machine mode, no allocation. Interrupt handlers only set flags (irq_flags); all work
 * is done by the loop in main.c, so nothing else needs a lock. The host can write the whole
 * mailbox at any time: indices are compared by difference, requests are copied before checking.
 */
#ifndef AXON_FIRMWARE_FW_H
#define AXON_FIRMWARE_FW_H

#include <stdbool.h>
#include <stdint.h>

#include "axon_fw.h"
#include "axon_hw.h"
#include "axon_mbox.h"

#define FW_VERSION_MAJOR	0u
#define FW_VERSION_MINOR	1u
#define FW_VERSION_PATCH	0u
#define FW_VERSION		(FW_VERSION_MAJOR << 24 | FW_VERSION_MINOR << 16 | FW_VERSION_PATCH)
#define FW_VERSION_STR		"0.1.0"
#define FW_MBOX_ABI		(AXON_MBOX_ABI_MAJOR << 16 | AXON_MBOX_ABI_MINOR)

#define mbox			((volatile struct axon_mbox *)AXON_CTRL_MBOX_BASE)

static inline uint32_t periph_read(uint32_t offset)
{
	return *(volatile uint32_t *)(AXON_CTRL_PERIPH_BASE + offset);
}

static inline void periph_write(uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(AXON_CTRL_PERIPH_BASE + offset) = value;
}

/* Orders accesses to the mailbox before and after it, as the host sees them. */
static inline void fence(void)
{
	__asm__ volatile("fence rw, rw" ::: "memory");
}

/* Bits of irq_flags: set by interrupt handlers, taken by the loop. */
#define IRQ_FLAG_MBOX		(1u << 0)
#define IRQ_FLAG_FAULT		(1u << 1)
#define IRQ_FLAG_TIMER		(1u << 2)

/* time.c */
#define USEC_PER_MSEC		1000u
uint64_t time_now(void);		/* microseconds of the card's clock */
uint64_t time_uptime(void);		/* since the firmware started */
void time_init(void);
void timer_set(uint64_t when);
void timer_stop(void);
void watchdog_feed(void);

/* mbox.c */
void mbox_init(void);
void mbox_serve(void);
uint32_t mbox_requests(void);

/* request.c */
/**
 * struct reply - what a request is answered with
 * @status: an &enum axon_mbox_status
 * @length: bytes of @data in use, a multiple of 4
 * @data: the rest of it is not sent
 */
struct reply {
	uint32_t status;
	uint32_t length;
	uint32_t data[sizeof(((struct axon_mbox_msg *)0)->data) / 4];
};
void request_run(const struct axon_mbox_msg *request, struct reply *reply);

/* event.c */
bool event_send(uint32_t type, uint64_t value, const struct axon_fault *fault);

/* fault.c */
void fault_drain(void);
uint32_t fault_lost(void);

/* telemetry.c */
void telemetry_init(void);
bool telemetry_set_period(uint32_t ms);
void telemetry_run(void);		/* refreshes if it is time */
uint64_t telemetry_next(void);		/* when it wants to run */

/* log.c; %u %d %x %s %c with widths, no 64-bit conversions */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* AXON_FIRMWARE_FW_H */
