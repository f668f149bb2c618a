// SPDX-License-Identifier: MIT
/*
 * sampler.c - greedy, plain and top-p (nucleus) sampling.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler.h"

int llm_sampler_init(struct llm_sampler *s, uint32_t vocab_size, float temperature, float topp,
		     uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->candidate = calloc(vocab_size, sizeof(*s->candidate));
	if (!s->candidate)
		return -ENOMEM;
	s->vocab_size = vocab_size;
	s->temperature = temperature;
	s->topp = topp;
	s->state = seed;
	return 0;
}

void llm_sampler_fini(struct llm_sampler *s)
{
	free(s->candidate);
	memset(s, 0, sizeof(*s));
}

/* xorshift64*, its upper 24 bits as a number in [0, 1). */
static float random_float(struct llm_sampler *s)
{
	uint32_t bits;

	s->state ^= s->state >> 12;
	s->state ^= s->state << 25;
	s->state ^= s->state >> 27;
	bits = (s->state * 0x2545f4914f6cdd1dull) >> 32;
	return (float)(bits >> 8) / 16777216.0f;
}

uint32_t llm_argmax(const float *logits, uint32_t n)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < n; i++) {
		if (logits[i] > logits[best])
			best = i;
	}
	return best;
}

static void softmax(float *x, uint32_t n)
{
	float max = x[llm_argmax(x, n)], sum = 0.0f;

	for (uint32_t i = 0; i < n; i++) {
		x[i] = expf(x[i] - max);
		sum += x[i];
	}
	for (uint32_t i = 0; i < n; i++)
		x[i] /= sum;
}

static uint32_t sample_all(const float *prob, uint32_t n, float coin)
{
	float sum = 0.0f;

	for (uint32_t i = 0; i < n; i++) {
		sum += prob[i];
		if (coin < sum)
			return i;
	}
	return n - 1;	/* rounding: the sum stayed below the coin */
}

static int compare_candidates(const void *a, const void *b)
{
	const struct llm_candidate *x = a, *y = b;

	if (x->prob != y->prob)
		return x->prob < y->prob ? 1 : -1;
	return (x->id > y->id) - (x->id < y->id);
}

static uint32_t sample_topp(struct llm_sampler *s, const float *prob, float coin)
{
	struct llm_candidate *c = s->candidate;
	/* A token below this can be in no nucleus: leave it out of the sort. */
	const float cutoff = (1.0f - s->topp) / (float)(s->vocab_size - 1);
	float mass = 0.0f, sum = 0.0f;
	uint32_t n = 0, last;

	for (uint32_t i = 0; i < s->vocab_size; i++) {
		if (prob[i] >= cutoff)
			c[n++] = (struct llm_candidate){ .prob = prob[i], .id = i };
	}
	if (!n)
		return llm_argmax(prob, s->vocab_size);
	qsort(c, n, sizeof(*c), compare_candidates);
	for (last = 0; last < n; last++) {
		mass += c[last].prob;
		if (mass > s->topp)
			break;
	}
	if (last == n)
		last = n - 1;
	coin *= mass;
	for (uint32_t i = 0; i <= last; i++) {
		sum += c[i].prob;
		if (coin < sum)
			return c[i].id;
	}
	return c[last].id;
}

uint32_t llm_sample(struct llm_sampler *s, float *logits)
{
	float coin;

	if (s->temperature == 0.0f || s->vocab_size == 1)
		return llm_argmax(logits, s->vocab_size);
	for (uint32_t i = 0; i < s->vocab_size; i++)
		logits[i] /= s->temperature;
	softmax(logits, s->vocab_size);
	coin = random_float(s);
	if (s->topp <= 0.0f || s->topp >= 1.0f)
		return sample_all(logits, s->vocab_size, coin);
	return sample_topp(s, logits, coin);
}
