/* SPDX-License-Identifier: MIT */
/*
 * sensors.h - what the card's sensors would show. Used by ctrl.c only.
 */
#ifndef AXON_MODEL_SENSORS_H
#define AXON_MODEL_SENSORS_H

#include "internal.h"

/**
 * struct axon_sensors - state of the power and thermal model
 * @last_ns: time of the last update
 * @power: milliwatts, the mean since the update before
 * @energy: microjoules since power-on
 * @die: degrees Celsius, without @temp_offset
 * @hbm: degrees Celsius
 * @busy_ns: a core's counter at the last update
 * @cycles: the same
 * @flops: the same
 * @temp_offset: AXON_KNOB_TEMP_OFFSET (any thread)
 * @ecc_ce: corrected errors in HBM (any thread)
 * @ecc_ue: uncorrected ones (any thread)
 */
struct axon_sensors {
	uint64_t last_ns;
	double power;
	double energy;
	double die;
	double hbm;
	uint64_t busy_ns[AXON_MAX_CORES];
	uint64_t cycles[AXON_MAX_CORES];
	uint64_t flops[AXON_MAX_CORES];
	_Atomic int32_t temp_offset;
	_Atomic uint32_t ecc_ce;
	_Atomic uint32_t ecc_ue;
};

void axon_sensors_init(struct axon_sensors *s, struct axon_card *card, uint64_t now_ns);
/* The value of a sensor peripheral (AXON_P_TEMP_DIE .. AXON_P_SRAM_ECC_UE but ENERGY_*). */
uint32_t axon_sensors_read(struct axon_sensors *s, struct axon_card *card, uint64_t now_ns,
			   uint32_t reg);
uint64_t axon_sensors_energy(struct axon_sensors *s, struct axon_card *card, uint64_t now_ns);

#endif /* AXON_MODEL_SENSORS_H */
