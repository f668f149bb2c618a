// SPDX-License-Identifier: MIT
/*
 * config.c - the settings of a training: their options, defaults and ranges.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

enum kind { COUNT, SEED, REAL };

/**
 * struct setting - a field of struct train_config and its option
 * @name: of the option, without --
 * @arg: what --help calls its argument
 * @kind: type of the field
 * @at: its offset
 * @min: smallest value
 * @max: largest value
 * @help: what it is
 */
struct setting {
	const char *name;
	const char *arg;
	enum kind kind;
	size_t at;
	double min;
	double max;
	const char *help;
};

#define AT(field)	offsetof(struct train_config, field)

static const struct setting settings[] = {
	{ "cards", "N", COUNT, AT(cards), 1, TRAIN_MAX_CARDS,
	  "cards that share the sequences of a step" },
	{ "steps", "N", COUNT, AT(steps), 1, 100000000, "steps of the training" },
	{ "batch", "N", COUNT, AT(batch), 1, 65536, "sequences of a step, over all cards" },
	{ "seq", "N", COUNT, AT(seq), 1, 65536, "tokens of a sequence" },
	{ "dim", "N", COUNT, AT(dim), 2, LLM_MAX_DIM, "width of the model" },
	{ "layers", "N", COUNT, AT(layers), 1, LLM_MAX_LAYERS, "layers" },
	{ "heads", "N", COUNT, AT(heads), 1, LLM_MAX_DIM, "attention heads" },
	{ "kv-heads", "N", COUNT, AT(kv_heads), 1, LLM_MAX_DIM,
	  "key and value heads (default: as many as heads)" },
	{ "hidden", "N", COUNT, AT(hidden), 1, LLM_MAX_HIDDEN,
	  "width of the feed-forward layer (default: 8/3 dim)" },
	{ "lr", "X", REAL, AT(rate), 1e-9, 10, "highest learning rate" },
	{ "warmup", "N", COUNT, AT(warmup), 0, 100000000, "steps in which it rises from 0" },
	{ "decay", "X", REAL, AT(decay), 0, 10, "weight decay of AdamW" },
	{ "beta1", "X", REAL, AT(beta1), 0, 0.999999, "of AdamW" },
	{ "beta2", "X", REAL, AT(beta2), 0, 0.999999, "of AdamW" },
	{ "clip", "X", REAL, AT(clip), 0, 1e9, "largest norm of the gradients; 0: no limit" },
	{ "seed", "N", SEED, AT(seed), 0, 0, "of the random numbers" },
};

#define NUM_SETTINGS	(sizeof(settings) / sizeof(settings[0]))

unsigned int train_num_settings(void)
{
	return NUM_SETTINGS;
}

const char *train_setting_name(unsigned int setting)
{
	return settings[setting].name;
}

static uint32_t count_of(const struct train_config *c, const struct setting *s)
{
	uint32_t v;

	memcpy(&v, (const char *)c + s->at, sizeof(v));
	return v;
}

static float real_of(const struct train_config *c, const struct setting *s)
{
	float v;

	memcpy(&v, (const char *)c + s->at, sizeof(v));
	return v;
}

static void print_value(const struct train_config *c, const struct setting *s, char *text,
			size_t size)
{
	if (s->kind == COUNT)
		snprintf(text, size, "%u", count_of(c, s));
	else if (s->kind == SEED)
		snprintf(text, size, "%llu", (unsigned long long)c->seed);
	else
		snprintf(text, size, "%g", real_of(c, s));
}

void train_settings_help(void)
{
	struct train_config c;
	char value[32];

	train_config_init(&c);
	for (size_t i = 0; i < NUM_SETTINGS; i++) {
		const struct setting *s = &settings[i];
		int pad = 16 - (int)(strlen(s->name) + strlen(s->arg));

		print_value(&c, s, value, sizeof(value));
		printf("      --%s %s%*s%s", s->name, s->arg, pad, "", s->help);
		printf(strstr(s->help, "default") ? "\n" : " (default %s)\n", value);
	}
}

void train_config_init(struct train_config *c)
{
	*c = (struct train_config){
		.cards = 1, .steps = 1000, .batch = 4, .seq = 256, .dim = 96, .layers = 3,
		.heads = 6, .warmup = 50, .rate = 4e-3f, .decay = 0.1f, .beta1 = 0.9f,
		.beta2 = 0.99f, .eps = 1e-8f, .clip = 1.0f, .seed = 1,
	};
}

void train_config_complete(struct train_config *c)
{
	if (!c->kv_heads)
		c->kv_heads = c->heads;
	if (!c->hidden)
		c->hidden = ((uint64_t)c->dim * 8 / 3 + 15) / 16 * 16;
}

/* ---- taking options ---- */

static int set_count(const struct setting *s, const char *arg, uint32_t *out,
		     struct llm_error *err)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(arg, &end, 10);
	if (end == arg || *end || errno || v < s->min || v > s->max)
		return llm_fail(err, -EINVAL, "--%s: '%s' is not a number from %.0f to %.0f",
				s->name, arg, s->min, s->max);
	*out = v;
	return 0;
}

static int set_seed(const struct setting *s, const char *arg, uint64_t *out,
		    struct llm_error *err)
{
	char *end;

	errno = 0;
	*out = strtoull(arg, &end, 10);
	if (end == arg || *end || errno || strchr(arg, '-'))
		return llm_fail(err, -EINVAL, "--%s: '%s' is not a whole number of 64 bits",
				s->name, arg);
	return 0;
}

static int set_real(const struct setting *s, const char *arg, float *out, struct llm_error *err)
{
	char *end;
	float v;

	errno = 0;
	v = strtof(arg, &end);
	if (end == arg || *end || errno || !(v >= s->min && v <= s->max))
		return llm_fail(err, -EINVAL, "--%s: '%s' is not a number from %g to %g", s->name,
				arg, s->min, s->max);
	*out = v;
	return 0;
}

int train_set(struct train_config *c, unsigned int setting, const char *arg, uint32_t *given,
	      struct llm_error *err)
{
	const struct setting *s = &settings[setting];
	uint32_t count = 0;
	float real = 0;
	int ret;

	if (s->kind == COUNT) {
		ret = set_count(s, arg, &count, err);
		if (!ret)
			memcpy((char *)c + s->at, &count, sizeof(count));
	} else if (s->kind == SEED) {
		ret = set_seed(s, arg, &c->seed, err);
	} else {
		ret = set_real(s, arg, &real, err);
		if (!ret)
			memcpy((char *)c + s->at, &real, sizeof(real));
	}
	*given |= 1u << setting;
	return ret;
}

/* ---- checks ---- */

static int check_ranges(const struct train_config *c, struct llm_error *err)
{
	for (size_t i = 0; i < NUM_SETTINGS; i++) {
		const struct setting *s = &settings[i];
		double v = s->kind == REAL ? real_of(c, s) : s->kind == COUNT ? count_of(c, s) : 0;

		/* Limits of fp32 settings are those that an argument was rounded to. */
		if (!(v >= (float)s->min && v <= (s->kind == REAL ? (float)s->max : s->max)))
			return llm_fail(err, -EINVAL, "%s is %g (%g to %g)", s->name, v, s->min,
					s->max);
	}
	if (c->vocab <= LLM_TOKEN_BOS || c->vocab > TRAIN_MAX_VOCAB)
		return llm_fail(err, -EINVAL, "a vocabulary of %u tokens cannot be trained (2 to "
				"%u)", c->vocab, TRAIN_MAX_VOCAB);
	if (c->eps != 1e-8f || c->reserved0)
		return llm_fail(err, -EINVAL, "a setting of another version");
	return 0;
}

int train_config_check(const struct train_config *c, struct llm_error *err)
{
	int ret = check_ranges(c, err);

	if (ret)
		return ret;
	if (c->batch % c->cards)
		return llm_fail(err, -EINVAL, "a batch of %u does not split evenly over %u cards",
				c->batch, c->cards);
	if (c->dim % c->heads || c->dim / c->heads % 2)
		return llm_fail(err, -EINVAL, "dim %u does not split into %u heads of an even size",
				c->dim, c->heads);
	if (c->heads % c->kv_heads)
		return llm_fail(err, -EINVAL, "%u heads cannot share %u key/value heads", c->heads,
				c->kv_heads);
	return 0;
}

int train_config_agree(const struct train_config *c, uint32_t given,
		       const struct train_config *begun, const char *path, struct llm_error *err)
{
	for (size_t i = 0; i < NUM_SETTINGS; i++) {
		const struct setting *s = &settings[i];
		size_t size = s->kind == SEED ? sizeof(uint64_t) : sizeof(uint32_t);
		char now[32], then[32];

		if (!(given & 1u << i) ||
		    !memcmp((const char *)c + s->at, (const char *)begun + s->at, size))
			continue;
		print_value(c, s, now, sizeof(now));
		print_value(begun, s, then, sizeof(then));
		return llm_fail(err, -EINVAL, "--%s %s: %s was begun with %s, and a training goes "
				"on as it began", s->name, now, path, then);
	}
	return 0;
}

/* ---- what follows from them ---- */

struct llm_config train_model_config(const struct train_config *c)
{
	return (struct llm_config){
		.dim = c->dim, .hidden_dim = c->hidden, .n_layers = c->layers,
		.n_heads = c->heads, .n_kv_heads = c->kv_heads, .vocab_size = c->vocab,
		.seq_len = c->seq, .head_size = c->dim / c->heads,
		.kv_dim = c->dim / c->heads * c->kv_heads, .shared_classifier = true,
	};
}

float train_rate(const struct train_config *c, uint32_t step)
{
	double left;

	if (step <= c->warmup)
		return (float)((double)c->rate * step / c->warmup);
	left = (double)(c->steps - step) / (c->steps - c->warmup);
	return (float)(c->rate * (0.1 + 0.9 * left));
}
