// SPDX-License-Identifier: MIT
/*
 * main.c - start, the loop, interrupts and traps.
 *
 * The card's management firmware. It serves the mailbox, publishes telemetry and reports faults;
 * it is never on the path of a command. Between events the core sleeps.
 */
#include <stddef.h>

#include "fw.h"

#define MSTATUS_MIE		(1u << 3)
#define MIE_TIMER		(1u << 7)
#define MIE_EXTERNAL		(1u << 11)
#define CAUSE_TIMER		0x80000007u
#define CAUSE_EXTERNAL		0x8000000bu

#define HOUSEKEEPING_US		500000u		/* longest sleep: the watchdog wants food */

static volatile uint32_t irq_flags;

int main(void);
void trap_interrupt(uint32_t cause);
void trap_fatal(uint32_t cause) __attribute__((noreturn));

#define csr_read(csr) ({ \
	uint32_t value_; \
	__asm__ volatile("csrr %0, " #csr : "=r"(value_)); \
	value_; \
})

static void irq_disable(void)
{
	__asm__ volatile("csrc mstatus, %0" :: "r"(MSTATUS_MIE) : "memory");
}

static void irq_enable(void)
{
	__asm__ volatile("csrs mstatus, %0" :: "r"(MSTATUS_MIE) : "memory");
}

/* From crt0.S. Sets flags and silences the source; the loop does the work. */
void trap_interrupt(uint32_t cause)
{
	uint32_t pending;

	if (cause == CAUSE_TIMER) {
		timer_stop();
		irq_flags |= IRQ_FLAG_TIMER;
		return;
	}
	pending = periph_read(AXON_P_IRQ_PENDING);
	periph_write(AXON_P_IRQ_PENDING, pending & AXON_P_IRQ_MBOX);
	if (pending & AXON_P_IRQ_MBOX)
		irq_flags |= IRQ_FLAG_MBOX;
	if (pending & AXON_P_IRQ_FAULT) {
		/* A level: it stays until the FIFO is empty, so it is masked until then. */
		periph_write(AXON_P_IRQ_ENABLE, AXON_P_IRQ_MBOX);
		irq_flags |= IRQ_FLAG_FAULT;
	}
}

/* From crt0.S: the firmware did something wrong. Says so and stops where the host sees it. */
void trap_fatal(uint32_t cause)
{
	/* A trap in here stops the core at once. */
	__asm__ volatile("csrw mtvec, zero");
	log_line("trap: mcause 0x%x mepc 0x%08x mtval 0x%08x", (unsigned int)cause,
		 (unsigned int)csr_read(mepc), (unsigned int)csr_read(mtval));
	for (;;)
		__asm__ volatile("ebreak");
}

/* Sleeps until an interrupt has set a flag; takes the flags. */
static uint32_t wait_for_work(void)
{
	uint32_t flags;
	uint64_t wake;

	irq_disable();
	wake = time_now() + HOUSEKEEPING_US;
	if (telemetry_next() < wake)
		wake = telemetry_next();
	timer_set(wake);
	while (!irq_flags) {
		/* Wakes although interrupts are disabled, so none is missed before it. */
		__asm__ volatile("wfi");
		irq_enable();
		irq_disable();
	}
	flags = irq_flags;
	irq_flags = 0;
	irq_enable();
	return flags;
}

int main(void)
{
	uint32_t flags;

	time_init();
	watchdog_feed();
	mbox_init();
	telemetry_init();
	log_line("axon firmware " FW_VERSION_STR ", revision 0x%x, %u cores",
		 (unsigned int)periph_read(AXON_P_REVISION),
		 (unsigned int)periph_read(AXON_P_NUM_CORES));
	telemetry_run();
	periph_write(AXON_P_IRQ_ENABLE, AXON_P_IRQ_MBOX | AXON_P_IRQ_FAULT);
	__asm__ volatile("csrw mie, %0" :: "r"(MIE_TIMER | MIE_EXTERNAL));
	periph_write(AXON_P_STAGE, AXON_STAGE_READY);
	for (;;) {
		flags = wait_for_work();
		watchdog_feed();
		if (flags & IRQ_FLAG_FAULT) {
			fault_drain();
			periph_write(AXON_P_IRQ_ENABLE, AXON_P_IRQ_MBOX | AXON_P_IRQ_FAULT);
		}
		/* Also after a timer: a full response ring has no interrupt when it empties. */
		mbox_serve();
		telemetry_run();
	}
}
