/* SPDX-License-Identifier: MIT */
/*
 * train.h - what the files about training a Llama share: names and places of its parameters.
 */
#ifndef AXC_TRAIN_H
#define AXC_TRAIN_H

#include "batch.h"

/* Arrays of the flat tensor, in its order; the last one is there with own_classifier only. */
enum train_array {
	ARRAY_EMBEDDING,
	ARRAY_RMS_ATT,
	ARRAY_WQ,
	ARRAY_WK,
	ARRAY_WV,
	ARRAY_WO,
	ARRAY_RMS_FFN,
	ARRAY_W1,
	ARRAY_W2,
	ARRAY_W3,
	ARRAY_RMS_FINAL,
	ARRAY_WCLS,
	NUM_ARRAYS,
};

/** train_shape_ok() - can it be trained? */
bool train_shape_ok(const struct axc_llama_train *t);
/** train_param() - one array of one layer; the shape must be good */
struct axc_llama_param train_param(const struct axc_llama_train *t, enum train_array which,
				   uint32_t layer);

#endif /* AXC_TRAIN_H */
