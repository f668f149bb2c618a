/* SPDX-License-Identifier: MIT */
/*
 * decoder.h - a Llama on the card: one compiled program, one launch for each token.
 *
 * Everything of the model happens on the card; the host writes a token and a position and reads
 * a token or its scores. Must never compute a part of the model itself.
 */
#ifndef AXON_LLM_DECODER_H
#define AXON_LLM_DECODER_H

#include "checkpoint.h"
#include "place.h"

struct decoder;

/**
 * decoder_create() - take a core, compile the model for it and load it
 * @ckpt: model; not used after the call
 * @where: core
 * @dec: result
 * @err: message of a failure
 *
 * One at a time in a process (it owns the runtime). Return: 0 or a negative errno.
 */
int decoder_create(const struct llm_checkpoint *ckpt, const struct place *where,
		   struct decoder **dec, struct llm_error *err);
void decoder_free(struct decoder *dec);

/* Compute one step: an llm_step_fn whose opaque pointer is the decoder. */
int decoder_step(void *opaque, uint32_t token, uint32_t pos, float *logits, uint32_t *next,
		 struct llm_error *err);

#endif /* AXON_LLM_DECODER_H */
