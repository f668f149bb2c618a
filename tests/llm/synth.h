/* SPDX-License-Identifier: MIT */
/*
 * synth.h - models made of random numbers, so that decoders can be compared on any shape
 * without a model file.
 *
 * The same seed gives the same bytes on every machine.
 */
#ifndef SYNTH_H
#define SYNTH_H

#include <stdbool.h>
#include <stdint.h>

/* Shape of a model; the fields of the header of a checkpoint. */
struct synth_shape {
	uint32_t dim;
	uint32_t hidden_dim;
	uint32_t n_layers;
	uint32_t n_heads;
	uint32_t n_kv_heads;
	uint32_t vocab_size;	/* at least 3 + 256 */
	uint32_t seq_len;
	bool shared_classifier;
};

/* Both write a whole file. Return 0 or a negative errno. */
int synth_checkpoint(const char *path, const struct synth_shape *shape, uint64_t seed);
int synth_tokenizer(const char *path, uint32_t vocab_size, uint64_t seed);

#endif /* SYNTH_H */
