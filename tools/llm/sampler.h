/* SPDX-License-Identifier: MIT */
/*
 * sampler.h - the next token out of the model's scores.
 *
 * Same scores, same seed, same token on every machine: the random numbers and the order of
 * equal scores are defined here, not by the C library.
 */
#ifndef LLM_SAMPLER_H
#define LLM_SAMPLER_H

#include <stdint.h>

/* A candidate of top-p sampling. */
struct llm_candidate {
	float prob;
	uint32_t id;
};

/**
 * struct llm_sampler - how to choose
 * @vocab_size: tokens
 * @temperature: 0: always the best; 1: as the model says
 * @topp: choose among the best tokens that together have this probability; 0 or 1: all
 * @state: of the random numbers; not 0
 * @candidate: work space, @vocab_size long
 */
struct llm_sampler {
	uint32_t vocab_size;
	float temperature;
	float topp;
	uint64_t state;
	struct llm_candidate *candidate;
};

/**
 * llm_sampler_init() - make a sampler
 * @s: filled in; llm_sampler_fini() it
 * @vocab_size: tokens
 * @temperature: see struct llm_sampler
 * @topp: see struct llm_sampler
 * @seed: not 0
 *
 * Return: 0 or -ENOMEM.
 */
int llm_sampler_init(struct llm_sampler *s, uint32_t vocab_size, float temperature, float topp,
		     uint64_t seed);
void llm_sampler_fini(struct llm_sampler *s);

/**
 * llm_argmax() - the best token; of equal ones the first
 * @logits: scores
 * @n: how many
 */
uint32_t llm_argmax(const float *logits, uint32_t n);

/**
 * llm_sample() - choose a token
 * @s: sampler
 * @logits: scores, overwritten
 */
uint32_t llm_sample(struct llm_sampler *s, float *logits);

#endif /* LLM_SAMPLER_H */
