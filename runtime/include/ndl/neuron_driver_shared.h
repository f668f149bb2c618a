/* SPDX-License-Identifier: MIT */
/*
 * neuron_driver_shared.h - numbers of the published driver interface that programs may name.
 *
 * Source compatibility only: axon.ko has its own interface (axon_accel.h) and takes none of these.
 */
#ifndef NEURON_DRIVER_SHARED_H
#define NEURON_DRIVER_SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "neuron_driver_shared_tensor_batch_op.h"

enum neuron_driver_feature_flag {
	NEURON_DRIVER_FEATURE_DMABUF = 1ull << 0,
	NEURON_DRIVER_FEATURE_ASYNC_DMA = 1ull << 1,
	NEURON_DRIVER_FEATURE_BATCH_DMAQ_INIT = 1ull << 2,
	NEURON_DRIVER_FEATURE_BIG_CORE_MAPS = 1ull << 3,
	NEURON_DRIVER_FEATURE_MEM_ALLOC_TYPE = 1ull << 4,
	NEURON_DRIVER_FEATURE_HBM_SCRUB = 1ull << 5,
	NEURON_DRIVER_FEATURE_MEM_ALLOC64 = 1ull << 6,
	NEURON_DRIVER_FEATURE_CONTIGUOUS_SCRATCHPAD = 1ull << 7,
	NEURON_DRIVER_FEATURE_ZEROCOPY = 1ull << 8,
};

#endif /* NEURON_DRIVER_SHARED_H */
