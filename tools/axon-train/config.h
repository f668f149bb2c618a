/* SPDX-License-Identifier: MIT */
/*
 * config.h - what is trained, and how: the settings that decide about the result.
 *
 * The same settings, text and vocabulary give the same bits. So these, and no others, are kept in a
 * checkpoint, and a run that goes on has to have them as they were.
 */
#ifndef TRAIN_CONFIG_H
#define TRAIN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checkpoint.h"
#include "error.h"

#define TRAIN_MAX_CARDS		64u
/* The most that softmax and cross-entropy on the card take (axc_batch_cross_entropy()). */
#define TRAIN_MAX_VOCAB		8192u

/**
 * struct train_config - settings; lies like this in a checkpoint, see save.h
 * @cards: data-parallel ranks
 * @steps: of the whole training
 * @batch: sequences of a step, over all cards; a multiple of @cards
 * @seq: tokens of a sequence
 * @dim: width of the residual stream
 * @layers: layers
 * @heads: query heads
 * @kv_heads: key and value heads
 * @hidden: width of the feed-forward layer
 * @vocab: tokens; by the text or the tokenizer
 * @warmup: steps in which the learning rate rises
 * @rate: highest learning rate
 * @decay: weight decay
 * @beta1: of AdamW
 * @beta2: of AdamW
 * @eps: of AdamW
 * @clip: largest norm of the gradients; 0: no limit
 * @reserved0: 0
 * @seed: of the first parameters and the order of the text
 */
struct train_config {
	uint32_t cards;
	uint32_t steps;
	uint32_t batch;
	uint32_t seq;
	uint32_t dim;
	uint32_t layers;
	uint32_t heads;
	uint32_t kv_heads;
	uint32_t hidden;
	uint32_t vocab;
	uint32_t warmup;
	float rate;
	float decay;
	float beta1;
	float beta2;
	float eps;
	float clip;
	uint32_t reserved0;
	uint64_t seed;
};

_Static_assert(sizeof(struct train_config) == 80, "train_config is part of a file");

/* getopt_long() numbers of the settings' options; the setting's index is added. */
#define TRAIN_OPT_SETTING	0x3000

/**
 * train_num_settings() - how many options there are
 *
 * Each is a field of struct train_config; @vocab has none.
 */
unsigned int train_num_settings(void);

/** train_setting_name() - "dim" of --dim */
const char *train_setting_name(unsigned int setting);

/** train_settings_help() - print the lines of --help, with the defaults */
void train_settings_help(void);

/** train_config_init() - the defaults; @kv_heads and @hidden are 0: by @heads and @dim */
void train_config_init(struct train_config *c);

/**
 * train_set() - take one option
 * @c: to change
 * @setting: which
 * @arg: its argument
 * @given: a bit for each setting; the setting's is set
 * @err: message of a failure
 *
 * Return: 0 or -EINVAL.
 */
int train_set(struct train_config *c, unsigned int setting, const char *arg, uint32_t *given,
	      struct llm_error *err);

/** train_config_complete() - calculate what depends on others and was not given */
void train_config_complete(struct train_config *c);

/**
 * train_config_check() - every field in its range, and do they fit together
 *
 * Return: 0 or -EINVAL.
 */
int train_config_check(const struct train_config *c, struct llm_error *err);

/**
 * train_config_agree() - are the settings given those that a training was begun with?
 * @c: with the settings that were given
 * @given: which
 * @begun: the training's
 * @path: of its checkpoint
 * @err: message of a failure
 *
 * Return: 0 or -EINVAL; the message names the first setting that differs.
 */
int train_config_agree(const struct train_config *c, uint32_t given,
		       const struct train_config *begun, const char *path, struct llm_error *err);

/** train_model_config() - the model's shape as its file has it */
struct llm_config train_model_config(const struct train_config *c);

/**
 * train_rate() - learning rate of a step
 * @step: from 1
 *
 * Rises from 0 to @rate in @warmup steps and falls from there in a straight line to a tenth of it
 * at the last step. Nothing but +, -, * and /: the same bits on every machine.
 */
float train_rate(const struct train_config *c, uint32_t step);

#endif /* TRAIN_CONFIG_H */
