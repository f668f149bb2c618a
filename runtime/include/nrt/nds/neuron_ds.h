/* SPDX-License-Identifier: MIT */
/*
 * neuron_ds.h - sizes of the published per-process counter store. Internal there and without known
 * users; here counters are read from the card's sysfs and by axon_device_cores().
 */
#ifndef NEURON_DS_H
#define NEURON_DS_H

#include <stdint.h>

#define NDS_ND_COUNTER_COUNT	31
#define NDS_NC_COUNTER_COUNT	31
#define NDS_EXT_NC_COUNTER_COUNT	64
#define NDS_MAX_PROCESSES	16

#endif /* NEURON_DS_H */
