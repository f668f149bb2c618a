// SPDX-License-Identifier: MIT
/*
 * sensors.c - power, temperature, energy: a plausible model driven by what the cores really did.
 *
 * Documentation/hardware.rst ("Sensors") states the formulas. Nothing here may influence a result
 * or a cycle count. An update covers the whole time since the last one in closed form, so it does
 * not matter how often somebody looks.
 */
#include "sensors.h"

#include <math.h>

/* Watts. With eight cores: 100 W idle, 500 W at full rate, the published figure. */
#define POWER_BOARD		60.0
#define POWER_CORE_IDLE		5.0
#define POWER_CORE_BUSY		12.0	/* a launch is on the core */
#define POWER_CORE_TENSOR	38.0	/* its tensor engine runs at its peak rate */
/* Peak of the tensor engine: 128 x 128 multiply-adds at 2.4 GHz, per reference cycle. */
#define PEAK_FLOPS_PER_CYCLE	(2.0 * 128 * 128 * 2.4e9 / (double)AXON_REF_CLOCK_HZ)

#define TEMP_INLET		35.0	/* degrees Celsius */
#define DIE_KELVIN_PER_WATT	0.10
#define DIE_SECONDS		8.0	/* time constant */
#define HBM_KELVIN_PER_WATT	0.08
#define HBM_SECONDS		20.0

#define VOLTAGE_NO_LOAD		820.0	/* millivolts */
#define VOLTAGE_PER_WATT	0.1	/* the load line */
#define CLOCK_CORE_KHZ		((uint32_t)(AXON_REF_CLOCK_HZ / 1000))
#define CLOCK_HBM_KHZ		1400000u

#define MIN_UPDATE_NS		1000000u	/* shorter spans would only show noise */

static double idle_watts(const struct axon_card *card)
{
	return POWER_BOARD + POWER_CORE_IDLE * card->cfg.cores;
}

void axon_sensors_init(struct axon_sensors *s, struct axon_card *card, uint64_t now_ns)
{
	double watts = idle_watts(card);

	*s = (struct axon_sensors){
		.last_ns = now_ns,
		.power = watts * 1e3,
		.die = TEMP_INLET + watts * DIE_KELVIN_PER_WATT,
		.hbm = TEMP_INLET + watts * HBM_KELVIN_PER_WATT,
	};
}

/* How far a counter moved; a card reset sets it back to 0. */
static uint64_t advance(uint64_t *last, uint64_t now)
{
	uint64_t delta = now >= *last ? now - *last : now;

	*last = now;
	return delta;
}

static double core_watts(struct axon_sensors *s, struct axon_card *card, uint32_t index,
			 double elapsed_ns)
{
	struct axon_core_stats *stats = axon_core_stats(card, index);
	double busy, rate, cycles;

	busy = (double)advance(&s->busy_ns[index], stats->busy_ns) / elapsed_ns;
	cycles = (double)advance(&s->cycles[index], stats->cycles);
	rate = (double)advance(&s->flops[index], stats->flops);
	rate = cycles > 0 ? rate / (cycles * PEAK_FLOPS_PER_CYCLE) : 0;
	return fmin(busy, 1.0) * (POWER_CORE_BUSY + fmin(rate, 1.0) * POWER_CORE_TENSOR);
}

static double approach(double temp, double target, double seconds, double constant)
{
	return target + (temp - target) * exp(-seconds / constant);
}

static void update(struct axon_sensors *s, struct axon_card *card, uint64_t now_ns)
{
	double elapsed_ns, watts = idle_watts(card);
	uint32_t i;

	if (now_ns < s->last_ns || now_ns - s->last_ns < MIN_UPDATE_NS)
		return;
	elapsed_ns = (double)(now_ns - s->last_ns);
	for (i = 0; i < card->cfg.cores; i++)
		watts += core_watts(s, card, i, elapsed_ns);
	s->last_ns = now_ns;
	s->power = watts * 1e3;
	s->energy += watts * elapsed_ns * 1e-3;
	s->die = approach(s->die, TEMP_INLET + watts * DIE_KELVIN_PER_WATT,
			  elapsed_ns * 1e-9, DIE_SECONDS);
	s->hbm = approach(s->hbm, TEMP_INLET + watts * HBM_KELVIN_PER_WATT,
			  elapsed_ns * 1e-9, HBM_SECONDS);
}

uint32_t axon_sensors_read(struct axon_sensors *s, struct axon_card *card, uint64_t now_ns,
			   uint32_t reg)
{
	update(s, card, now_ns);
	switch (reg) {
	case AXON_P_TEMP_DIE:
		return (uint32_t)((int32_t)(s->die * 1e3) + s->temp_offset);
	case AXON_P_TEMP_HBM:
		return (uint32_t)(int32_t)(s->hbm * 1e3);
	case AXON_P_POWER:
		return (uint32_t)s->power;
	case AXON_P_CLOCK_CORE:
		return CLOCK_CORE_KHZ;
	case AXON_P_CLOCK_HBM:
		return CLOCK_HBM_KHZ;
	case AXON_P_VOLTAGE:
		return (uint32_t)(VOLTAGE_NO_LOAD - VOLTAGE_PER_WATT * s->power * 1e-3);
	case AXON_P_HBM_ECC_CE:
		return s->ecc_ce;
	case AXON_P_HBM_ECC_UE:
		return s->ecc_ue;
	}
	return 0;	/* AXON_P_SRAM_ECC_*: the model has no errors there */
}

uint64_t axon_sensors_energy(struct axon_sensors *s, struct axon_card *card, uint64_t now_ns)
{
	update(s, card, now_ns);
	return (uint64_t)s->energy;
}
