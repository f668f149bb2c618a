// SPDX-License-Identifier: MIT
/*
 * time.c - clock, timer and watchdog.
 */
#include "fw.h"

#define WATCHDOG_US	5000000u	/* the loop wakes at least ten times as often */

static uint64_t started;

static volatile uint32_t *clint(uint32_t offset)
{
	return (volatile uint32_t *)(AXON_CTRL_CLINT_BASE + offset);
}

uint64_t time_now(void)
{
	uint32_t high, low;

	do {
		high = *clint(AXON_CLINT_MTIME + 4);
		low = *clint(AXON_CLINT_MTIME);
	} while (*clint(AXON_CLINT_MTIME + 4) != high);
	return (uint64_t)high << 32 | low;
}

uint64_t time_uptime(void)
{
	return time_now() - started;
}

void time_init(void)
{
	started = time_now();
}

void timer_set(uint64_t when)
{
	/* At no moment may the two halves together name a time before the one wanted. */
	*clint(AXON_CLINT_MTIMECMP + 4) = UINT32_MAX;
	*clint(AXON_CLINT_MTIMECMP) = (uint32_t)when;
	*clint(AXON_CLINT_MTIMECMP + 4) = (uint32_t)(when >> 32);
}

void timer_stop(void)
{
	*clint(AXON_CLINT_MTIMECMP + 4) = UINT32_MAX;
	*clint(AXON_CLINT_MTIMECMP) = UINT32_MAX;
}

void watchdog_feed(void)
{
	periph_write(AXON_P_WATCHDOG, WATCHDOG_US);
}
