/* SPDX-License-Identifier: MIT */
/*
 * neuron_driver_shared_tensor_batch_op.h - one piece of a batched tensor transfer.
 */
#ifndef NEURON_DRIVER_SHARED_TENSOR_BATCH_OP_H
#define NEURON_DRIVER_SHARED_TENSOR_BATCH_OP_H

#include <stdint.h>

/**
 * struct nrt_tensor_batch_op - a byte range of a tensor and host memory of the same size
 * @offset: first byte in the tensor
 * @size: bytes
 * @buffer: host memory read from or written to
 */
typedef struct nrt_tensor_batch_op {
	uint64_t offset;
	uint64_t size;
	void *buffer;
} nrt_tensor_batch_op_t;

#endif /* NEURON_DRIVER_SHARED_TENSOR_BATCH_OP_H */
