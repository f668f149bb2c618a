/* SPDX-License-Identifier: MIT */
/*
 * reduce.h - the gradients of all cards added up inside the program that computes them.
 */
#ifndef TRAIN_REDUCE_H
#define TRAIN_REDUCE_H

#include <axc/axc.h>

/**
 * struct reduce - what reduce_bucket() needs
 * @train: the model
 * @sum: set by it: buckets one after the other, gradients of this card, then of all
 */
struct reduce {
	const struct axc_llama_train *train;
	struct axc_tensor *sum;
};

/**
 * reduce_bucket() - &axc_llama_train.bucket_done: hands a bucket to the collectives sequencer,
 *	which adds it up while the engines go on with the backward pass
 * @opaque: a struct reduce
 *
 * A bucket is in pieces in the flat tensor: they are brought together in scratch memory, added up
 * in place, and brought back at the program's end, so that nothing waits for the sum before.
 */
void reduce_bucket(void *opaque, struct axc_program *p, struct axc_tensor *grads, uint32_t bucket);

#endif /* TRAIN_REDUCE_H */
