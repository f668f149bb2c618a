// SPDX-License-Identifier: MIT
/*
 * test-sampler.c - choosing tokens: what must never be chosen is not, and a seed means the
 * same tokens everywhere.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sampler.h"

#define N	8

/* Probabilities 0.5, 0.25, 0.125 ... at temperature 1, in mixed order. */
static const float prob[N] = { 0.0625f, 0.5f, 0.03125f, 0.25f, 0.015625f, 0.125f, 0.0078125f,
			       0.0078125f };

static uint32_t draw(struct llm_sampler *s)
{
	float logits[N];

	for (int i = 0; i < N; i++)
		logits[i] = logf(prob[i]);
	return llm_sample(s, logits);
}

static void count(float temperature, float topp, uint32_t draws, uint32_t *hits)
{
	struct llm_sampler s;

	memset(hits, 0, N * sizeof(*hits));
	assert_int_equal(llm_sampler_init(&s, N, temperature, topp, 12345), 0);
	for (uint32_t i = 0; i < draws; i++) {
		uint32_t t = draw(&s);

		assert_true(t < N);
		hits[t]++;
	}
	llm_sampler_fini(&s);
}

static void greedy_takes_the_best(void **state)
{
	uint32_t hits[N];

	count(0.0f, 0.9f, 100, hits);
	assert_int_equal(hits[1], 100);
}

static void first_of_equals(void **state)
{
	const float logits[4] = { 1.0f, 3.0f, 3.0f, 3.0f };

	assert_int_equal(llm_argmax(logits, 4), 1);
}

static void all_follow_their_probability(void **state)
{
	uint32_t hits[N];

	count(1.0f, 1.0f, 100000, hits);
	for (int i = 0; i < N; i++)
		assert_true(fabsf(hits[i] / 100000.0f - prob[i]) < 0.01f);
}

static void topp_leaves_out_the_tail(void **state)
{
	uint32_t hits[N];

	/* 0.5 + 0.25 passes 0.7: only these two, two to one. */
	count(1.0f, 0.7f, 30000, hits);
	assert_int_equal(hits[1] + hits[3], 30000);
	assert_true(fabsf(hits[1] / 30000.0f - 2.0f / 3.0f) < 0.02f);
}

static void low_temperature_sharpens(void **state)
{
	uint32_t hits[N];

	count(0.1f, 1.0f, 10000, hits);
	assert_true(hits[1] > 9900);
}

static void seed_is_xorshift64star(void **state)
{
	/* Equal scores: the token is the coin's place. First outputs of xorshift64* from 1. */
	static const uint64_t published[3] = { 5180492295206395165ull, 12380297144915551517ull,
					       13389498078930870103ull };
	struct llm_sampler s;

	assert_int_equal(llm_sampler_init(&s, 1024, 1.0f, 1.0f, 1), 0);
	for (int i = 0; i < 3; i++) {
		float logits[1024] = { 0 };

		assert_int_equal(llm_sample(&s, logits), published[i] >> 54);
	}
	llm_sampler_fini(&s);
}

/* A model gone wrong gives NaN: any token, but a token. */
static void nan_scores_stay_in_range(void **state)
{
	for (int mode = 0; mode < 3; mode++) {
		struct llm_sampler s;
		float logits[N];

		assert_int_equal(llm_sampler_init(&s, N, mode ? 1.0f : 0.0f,
						  mode == 1 ? 1.0f : 0.5f, 1), 0);
		for (int i = 0; i < N; i++)
			logits[i] = NAN;
		assert_true(llm_sample(&s, logits) < N);
		llm_sampler_fini(&s);
	}
}

static void one_token_vocabulary(void **state)
{
	struct llm_sampler s;
	float logit = 1.0f;

	assert_int_equal(llm_sampler_init(&s, 1, 1.0f, 0.9f, 1), 0);
	assert_int_equal(llm_sample(&s, &logit), 0);
	llm_sampler_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greedy_takes_the_best),
		cmocka_unit_test(first_of_equals),
		cmocka_unit_test(all_follow_their_probability),
		cmocka_unit_test(topp_leaves_out_the_tail),
		cmocka_unit_test(low_temperature_sharpens),
		cmocka_unit_test(seed_is_xorshift64star),
		cmocka_unit_test(nan_scores_stay_in_range),
		cmocka_unit_test(one_token_vocabulary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
