// SPDX-License-Identifier: MIT
/*
 * telemetry.c - publishes the sensors, and tells when they leave their range.
 */
#include <stddef.h>

#include "fw.h"

#define PERIOD_DEFAULT_MS	1000u
#define PERIOD_MIN_MS		10u
#define PERIOD_MAX_MS		60000u

/* An event when the die gets hotter than HOT and one when it is below COOL again. */
#define TEMP_HOT		95000
#define TEMP_COOL		90000

static uint64_t period_us;
static uint64_t next;
static uint32_t updates;
static bool hot;
static uint32_t ecc_reported;

void telemetry_init(void)
{
	telemetry_set_period(PERIOD_DEFAULT_MS);
}

/* Return: false if @ms is out of range. The first refresh with the new period is due at once. */
bool telemetry_set_period(uint32_t ms)
{
	if (ms < PERIOD_MIN_MS || ms > PERIOD_MAX_MS)
		return false;
	period_us = (uint64_t)ms * USEC_PER_MSEC;
	next = time_now();
	return true;
}

uint64_t telemetry_next(void)
{
	return next;
}

static void read_sensors(struct axon_telemetry *t)
{
	t->temp_die = (int32_t)periph_read(AXON_P_TEMP_DIE);
	t->temp_hbm = (int32_t)periph_read(AXON_P_TEMP_HBM);
	t->power = periph_read(AXON_P_POWER);
	t->voltage = periph_read(AXON_P_VOLTAGE);
	t->clock_core = periph_read(AXON_P_CLOCK_CORE);
	t->clock_hbm = periph_read(AXON_P_CLOCK_HBM);
	t->energy = periph_read(AXON_P_ENERGY_LO);
	t->energy |= (uint64_t)periph_read(AXON_P_ENERGY_HI) << 32;
	t->hbm_ecc_ce = periph_read(AXON_P_HBM_ECC_CE);
	t->hbm_ecc_ue = periph_read(AXON_P_HBM_ECC_UE);
	t->sram_ecc_ce = periph_read(AXON_P_SRAM_ECC_CE);
	t->sram_ecc_ue = periph_read(AXON_P_SRAM_ECC_UE);
	t->uptime_us = time_uptime();
	t->faults_lost = fault_lost();
	t->requests = mbox_requests();
}

/* The sequence number is odd while words change; it is our own count, never read back. */
static void publish(struct axon_telemetry *t)
{
	volatile uint32_t *dst = (volatile uint32_t *)&mbox->telemetry;
	const uint32_t *src = (const uint32_t *)t;
	unsigned int i;

	t->updates = ++updates;
	mbox->telemetry.seq = 2 * updates - 1;
	fence();
	for (i = 1; i < sizeof(*t) / 4; i++)
		dst[i] = src[i];
	fence();
	mbox->telemetry.seq = 2 * updates;
}

/* What did not fit into the event ring is tried again at the next refresh. */
static void watch(const struct axon_telemetry *t)
{
	uint32_t ecc = t->hbm_ecc_ue + t->sram_ecc_ue;

	if ((!hot && t->temp_die >= TEMP_HOT) || (hot && t->temp_die < TEMP_COOL)) {
		if (event_send(AXON_EVENT_THERMAL, (uint64_t)(int64_t)t->temp_die, NULL)) {
			hot = !hot;
			log_line("die is %s: %d millidegrees", hot ? "hot" : "cool again",
				 (int)t->temp_die);
		}
	}
	if (ecc != ecc_reported && event_send(AXON_EVENT_ECC, ecc, NULL)) {
		ecc_reported = ecc;
		log_line("%u uncorrected memory errors", (unsigned int)ecc);
	}
}

void telemetry_run(void)
{
	struct axon_telemetry t = { 0 };
	uint64_t now = time_now();

	if (now < next)
		return;
	/* Not next + period: after a pause there is nothing to catch up with. */
	next = now + period_us;
	read_sensors(&t);
	publish(&t);
	watch(&t);
}
