// SPDX-License-Identifier: MIT
/*
 * reduce.c - the gradients of all cards added up inside the program that computes them.
 */
#include "reduce.h"

/* Of the store engine; libaxc's operators use those below 7. */
#define TO_SUM		7u
#define FROM_SUM	8u

static void move(struct axc_program *p, unsigned int queue, struct axc_mem dst, struct axc_mem src,
		 uint64_t elements)
{
	struct axc_dma dma = {
		.engine = AXON_ENGINE_GPSIMD,
		.queue = queue,
		.dst = dst,
		.src = src,
		.count = { 1, 1, 1, (uint32_t)elements },
	};

	dma.dst.step[3] = dma.src.step[3] = sizeof(float);
	axc_dma(p, &dma);
}

/* Where bucket @bucket begins in the sum; for a number that is none, how large that is. */
static uint64_t bucket_begin(const struct axc_llama_train *t, uint32_t bucket)
{
	struct axc_llama_param param;
	uint64_t n = 0;

	for (uint32_t k = 0; !axc_llama_train_param(t, k, &param); k++)
		if (param.bucket < bucket)
			n += (uint64_t)param.rows * param.cols;
	return n;
}

/* All pieces of a bucket. */
static void pieces(const struct reduce *r, struct axc_program *p, struct axc_tensor *grads,
		   uint32_t bucket, bool back)
{
	uint64_t at = bucket_begin(r->train, bucket);
	struct axc_llama_param param;

	for (uint32_t k = 0; !axc_llama_train_param(r->train, k, &param); k++) {
		const uint64_t n = (uint64_t)param.rows * param.cols;
		const struct axc_mem flat = { .tensor = grads, .region = bucket,
					      .offset = param.first * sizeof(float) };
		const struct axc_mem sum = { .tensor = r->sum, .region = bucket,
					     .offset = at * sizeof(float) };

		if (param.bucket != bucket)
			continue;
		move(p, back ? FROM_SUM : TO_SUM, back ? flat : sum, back ? sum : flat, n);
		at += n;
	}
}

void reduce_bucket(void *opaque, struct axc_program *p, struct axc_tensor *grads, uint32_t bucket)
{
	struct reduce *r = opaque;
	const uint32_t buckets = axc_llama_train_buckets(r->train);
	const uint64_t size = bucket_begin(r->train, buckets);
	struct axc_collective c = {
		.coll = AXON_ELF_ALL_REDUCE,
		.reduction = AXON_ELF_SUM,
		.engine = AXON_ENGINE_GPSIMD,
		.dtype = AXON_DTYPE_FLOAT32,
		.send_region = bucket,
		.recv_region = bucket,
	};

	if (!bucket) {
		r->sum = axc_tensor_new(p, AXC_SCRATCH, NULL, AXON_DTYPE_FLOAT32, 1, &size);
		axc_tensor_split(r->sum, buckets);
	}
	pieces(r, p, grads, bucket, false);
	c.send = c.recv = r->sum;
	c.send_offset = c.recv_offset = bucket_begin(r->train, bucket) * sizeof(float);
	c.count = bucket_begin(r->train, bucket + 1) - bucket_begin(r->train, bucket);
	axc_collective(p, &c);
	for (uint32_t b = 0; bucket + 1 == buckets && b < buckets; b++)
		pieces(r, p, grads, b, true);
}
