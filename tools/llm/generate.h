/* SPDX-License-Identifier: MIT */
/*
 * generate.h - the command line and the loop of a program that tells a story.
 *
 * Shared by axon-llm and by the reference it is compared with, so that they differ in one
 * thing only: who computes a step. Must never compute one itself.
 */
#ifndef LLM_GENERATE_H
#define LLM_GENERATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "checkpoint.h"
#include "tokenizer.h"

/**
 * struct llm_options - what the user asked for; meaning and defaults as in llama2.c
 * @model: checkpoint
 * @tokenizer: vocabulary
 * @prompt: text to go on from
 * @temperature: see struct llm_sampler
 * @topp: see struct llm_sampler
 * @seed: of the random numbers, never 0
 * @steps: tokens; 0 or more than the model's sequence: the whole sequence
 * @print_tokens: print token ids, one a line, instead of text
 */
struct llm_options {
	const char *model;
	const char *tokenizer;
	const char *prompt;
	float temperature;
	float topp;
	uint64_t seed;
	uint32_t steps;
	bool print_tokens;
};

/* getopt_long() letters and long options that llm_option() takes. */
#define LLM_SHORT_OPTIONS	"t:p:s:n:i:z:"
#define LLM_OPT_PRINT_TOKENS	0x1000
#define LLM_LONG_OPTIONS \
	{ "temperature", required_argument, NULL, 't' }, \
	{ "top-p", required_argument, NULL, 'p' }, \
	{ "seed", required_argument, NULL, 's' }, \
	{ "steps", required_argument, NULL, 'n' }, \
	{ "prompt", required_argument, NULL, 'i' }, \
	{ "tokenizer", required_argument, NULL, 'z' }, \
	{ "print-tokens", no_argument, NULL, LLM_OPT_PRINT_TOKENS }

/* The lines of --help for them. */
extern const char llm_options_help[];

/**
 * llm_options_init() - the defaults: -t 1.0 -p 0.9 -n 256 -z tokenizer.bin, seed by the clock
 * @opt: filled in
 */
void llm_options_init(struct llm_options *opt);

/**
 * llm_option() - take one option
 * @opt: to change
 * @letter: what getopt_long() returned
 * @arg: optarg
 * @err: message of a failure
 *
 * Return: 0, -EINVAL for a bad value, -ENOENT if the option is not one of these.
 */
int llm_option(struct llm_options *opt, int letter, const char *arg, struct llm_error *err);

/**
 * typedef llm_step_fn - compute one step of the model
 * @opaque: the engine
 * @token: token at @pos
 * @pos: steps come in order, from 0, each below the model's seq_len
 * @logits: vocab_size scores of the token after it, or NULL
 * @next: the token with the best score, or NULL
 * @err: message of a failure
 *
 * Both are NULL while the prompt is read: only the state changes.
 * Return: 0 or a negative errno.
 */
typedef int (*llm_step_fn)(void *opaque, uint32_t token, uint32_t pos, float *logits,
			   uint32_t *next, struct llm_error *err);

/**
 * struct llm_stats - what a story took
 * @tokens: steps after the first one, which pays for everything that happens once
 * @seconds: for them
 */
struct llm_stats {
	uint32_t tokens;
	double seconds;
};

/**
 * llm_generate() - tell a story
 * @ckpt: the model
 * @tok: its vocabulary
 * @opt: how
 * @step: computes a step
 * @opaque: for @step
 * @out: where the text goes, token by token
 * @stats: filled in
 * @err: message of a failure
 *
 * Return: 0 or a negative errno.
 */
int llm_generate(const struct llm_checkpoint *ckpt, const struct llm_tokenizer *tok,
		 const struct llm_options *opt, llm_step_fn step, void *opaque, FILE *out,
		 struct llm_stats *stats, struct llm_error *err);

#endif /* LLM_GENERATE_H */
