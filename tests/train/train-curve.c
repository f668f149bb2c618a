// SPDX-License-Identifier: MIT
/*
 * train-curve.c - the losses axon-train should give, from the plain trainer in double precision.
 *
 * Shares nothing with tools/: vocabulary, order of the text and learning rate are written down here
 * once more. ASCII texts only. Settings are few and the rest are axon-train's defaults.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train_ref.h"

#define BOS	1u
#define RATE	2e-3
#define WARMUP	10u

static uint32_t *read_tokens(const char *path, uint32_t *count, uint32_t *vocab)
{
	uint32_t id[256] = { 0 }, n = 1, *token;
	FILE *f = fopen(path, "rb");
	int c;

	*vocab = 3;
	if (!f)
		return NULL;
	while ((c = fgetc(f)) != EOF) {
		id[c] = 1;
		n++;
	}
	for (c = 0; c < 256; c++)
		if (id[c])
			id[c] = (*vocab)++;
	token = calloc(n + 1, sizeof(*token));
	rewind(f);
	for (n = 0; token && (c = fgetc(f)) != EOF; )
		token[++n] = id[c];
	fclose(f);
	if (token)
		token[0] = token[n + 1] = BOS;
	*count = n + 2;
	return token;
}

static double rate(uint32_t step, uint32_t steps)
{
	if (step <= WARMUP)
		return RATE * step / WARMUP;
	return RATE * (0.1 + 0.9 * (steps - step) / (steps - WARMUP));
}

static void rows(const struct train_ref_config *c, uint64_t seed, uint32_t step,
		 const uint32_t *text, uint32_t n, uint32_t *tokens, uint32_t *targets)
{
	train_ref_tokens(c, seed, step, text, n, tokens, targets);
	for (uint32_t b = 0; b < c->batch; b++)
		tokens[b * c->seq_len] = BOS;
}

int main(int argc, char **argv)
{
	struct train_ref_config c = { .dim = 32, .hidden_dim = 96, .n_layers = 2, .n_heads = 2,
				      .n_kv_heads = 2, .seq_len = 24, .batch = 4 };
	const uint64_t seed = 7;
	uint32_t n, steps, *text, *tokens, *targets;
	struct train_ref *r;

	if (argc != 3) {
		fprintf(stderr, "Usage: train-curve TEXT STEPS\n");
		return 2;
	}
	steps = (uint32_t)strtoul(argv[2], NULL, 10);
	text = read_tokens(argv[1], &n, &c.vocab);
	r = text ? train_ref_new(&c, seed) : NULL;
	tokens = calloc(c.batch * c.seq_len, sizeof(*tokens));
	targets = calloc(c.batch * c.seq_len, sizeof(*targets));
	if (!r || !tokens || !targets) {
		fprintf(stderr, "train-curve: %s cannot be read, or no memory\n", argv[1]);
		return 1;
	}
	for (uint32_t step = 1; step <= steps; step++) {
		const struct train_ref_hyper h = { .rate = (float)rate(step, steps),
						   .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f,
						   .decay = 0.1f, .clip = 1 };

		rows(&c, seed, step - 1, text, n, tokens, targets);
		printf("%.9g\n", train_ref_grad(r, tokens, targets));
		train_ref_update(r, &h);
	}
	train_ref_free(r);
	free(text);
	free(tokens);
	free(targets);
	return 0;
}
