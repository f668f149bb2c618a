/* SPDX-License-Identifier: MIT */
/*
 * llama_ref.h - a Llama decoder in plain fp32 C, the reference that the card is compared with.
 *
 * Written for being seen to be right, not for speed: one loop per formula, sums from left to
 * right. Shares nothing with the compiler or the card, so that a mistake there shows.
 */
#ifndef LLAMA_REF_H
#define LLAMA_REF_H

#include "checkpoint.h"

struct llama_ref;

/**
 * llama_ref_create() - a decoder at the start of a text
 * @ckpt: model, must outlive the decoder
 *
 * Return: NULL if there is no memory.
 */
struct llama_ref *llama_ref_create(const struct llm_checkpoint *ckpt);
void llama_ref_free(struct llama_ref *ref);

/**
 * llama_ref_step() - the scores of the token that follows
 * @ref: decoder
 * @token: token at @pos, below vocab_size
 * @pos: 0, 1, 2 ... below seq_len
 *
 * Return: vocab_size scores, valid until the next step.
 */
float *llama_ref_step(struct llama_ref *ref, uint32_t token, uint32_t pos);

#endif /* LLAMA_REF_H */
