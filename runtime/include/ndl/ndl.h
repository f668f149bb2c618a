/* SPDX-License-Identifier: MIT */
/*
 * ndl.h - limits and the version structure of the published driver library.
 *
 * The driver library itself (functions ndl_*) is internal to the published runtime and has no
 * counterpart here: libaxon (axon/axon.h) is what stands at its place.
 */
#ifndef NDL_H
#define NDL_H

#include <stddef.h>
#include <stdint.h>

#include "neuron_driver_shared.h"

#define NEURON_DEVICE_PREFIX	"/dev/neuron"
#define NEURON_MAX_DEVICES	64
#define MAX_NC_PER_DEVICE	8
#define MAX_HBM_PER_DEVICE	4
#define NDL_COPY_BUF_SIZE	(2ull * 1024 * 1024)

typedef struct ndl_version_info {
	uint16_t driver_major_version;
	uint16_t driver_minor_version;
	char driver_full_version[32];
	uint16_t library_major_version;
	uint16_t library_minor_version;
} ndl_version_info_t;

#endif /* NDL_H */
