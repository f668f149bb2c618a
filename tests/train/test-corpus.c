// SPDX-License-Identifier: MIT
/*
 * test-corpus.c - which tokens a step sees: random numbers as published, the same rows whatever the
 * number of cards, all of the text; and the settings' ranges and learning rate.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpus.h"
#include "random.h"

static const char text[] = "the quick brown fox jumps over the lazy dog\n";

struct fixture {
	char path[64];
	char tok[64];
	struct corpus corpus;
	struct train_config c;
};

static int make_file(char *path, const char *name, const void *data, size_t size)
{
	FILE *out;
	int fd;

	strcpy(path, name);
	fd = mkstemp(path);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out)
		return -1;
	return fwrite(data, 1, size, out) != size || fclose(out) ? -1 : 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	train_config_init(&f->c);
	f->c.seq = 7;
	f->c.batch = 12;
	if (make_file(f->path, "corpus-XXXXXX", text, strlen(text)))
		return -1;
	if (corpus_open(&f->corpus, f->path, NULL, NULL))
		return -1;
	f->c.vocab = f->corpus.tok.vocab_size;
	train_config_complete(&f->c);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corpus_close(&f->corpus);
	unlink(f->path);
	if (f->tok[0])
		unlink(f->tok);
	free(f);
	return 0;
}

/* The first numbers of splitmix64 with seed 0 and 1234567, as its authors' code gives them. */
static void random_numbers_are_splitmix64(void **state)
{
	(void)state;
	assert_int_equal(random_at(0, 0), 0xe220a8397b1dcdaf);
	assert_int_equal(random_at(0, 1), 0x6e789e6aa1b965f4);
	assert_int_equal(random_at(0, 2), 0x06c45d188009454f);
	assert_int_equal(random_at(1234567, 0), 6457827717110365317u);
	assert_int_equal(random_at(1234567, 1), 3203168211198807973u);
	assert_int_equal(random_at(1234567, 4), 16408922859458223821u);
}

static void text_stands_between_two_bos(void **state)
{
	struct fixture *f = *state;
	const struct corpus *co = &f->corpus;

	assert_int_equal(co->count, strlen(text) + 2);
	assert_int_equal(co->token[0], LLM_TOKEN_BOS);
	assert_int_equal(co->token[co->count - 1], LLM_TOKEN_BOS);
	for (size_t i = 0; i < strlen(text); i++) {
		const struct llm_token *t = &co->tok.token[co->token[i + 1]];

		assert_int_equal(t->len, 1);
		assert_int_equal(t->text[0], text[i]);
	}
	/* 26 letters, space and line feed behind the three special tokens */
	assert_int_equal(co->tok.vocab_size, 3 + 28);
}

static void rows_follow_the_rule(void **state)
{
	struct fixture *f = *state;
	const struct corpus *co = &f->corpus;
	const uint32_t seq = f->c.seq;
	uint32_t tokens[12 * 7], targets[12 * 7];

	for (uint32_t step = 0; step < 50; step++) {
		corpus_rows(co, &f->c, step, 0, tokens, targets);
		for (uint32_t b = 0; b < f->c.batch; b++) {
			const uint32_t *from = co->token + random_at(~f->c.seed, step * 12 + b) %
							   (co->count - seq);

			assert_int_equal(tokens[b * seq], LLM_TOKEN_BOS);
			assert_memory_equal(tokens + b * seq + 1, from + 1, 4 * (seq - 1));
			assert_memory_equal(targets + b * seq, from + 1, 4 * seq);
		}
	}
}

/* Whatever the number of cards, together they take the rows that one card takes. */
static void cards_share_the_same_rows(void **state)
{
	struct fixture *f = *state;
	const uint32_t seq = f->c.seq;
	uint32_t all[12 * 7], all_targets[12 * 7], own[12 * 7], targets[12 * 7];

	for (uint32_t step = 0; step < 20; step++) {
		f->c.cards = 1;
		corpus_rows(&f->corpus, &f->c, step, 0, all, all_targets);
		for (f->c.cards = 2; f->c.cards <= 12; f->c.cards++) {
			if (f->c.batch % f->c.cards)
				continue;
			for (uint32_t row = 0; row < f->c.batch; row++) {
				uint32_t at = row / f->c.cards * seq;

				corpus_rows(&f->corpus, &f->c, step, row % f->c.cards, own,
					    targets);
				assert_memory_equal(own + at, all + row * seq, 4 * seq);
				assert_memory_equal(targets + at, all_targets + row * seq,
						    4 * seq);
			}
		}
	}
}

/* Every token but the first BOS is a target sooner or later: the last BOS too. */
static void all_of_the_text_is_learnt(void **state)
{
	struct fixture *f = *state;
	const uint32_t starts = f->corpus.count - f->c.seq;
	bool seen[64] = { false };

	for (uint32_t i = 0; i < 2000; i++)
		seen[random_at(~f->c.seed, i) % starts] = true;
	for (uint32_t i = 0; i < starts; i++)
		assert_true(seen[i]);
	f->c.seq = f->corpus.count - 1;
	assert_int_equal(corpus_check(&f->corpus, &f->c, NULL), 0);
	f->c.seq++;
	assert_int_equal(corpus_check(&f->corpus, &f->c, NULL), -EINVAL);
}

/* A vocabulary without text in it, of which the text has a byte that it lacks. */
static void a_tokenizer_that_does_not_fit(void **state)
{
	struct fixture *f = *state;
	struct llm_error err = { "" };
	struct llm_tokenizer tok;
	struct corpus other;

	assert_int_equal(make_file(f->tok, "tok-XXXXXX", "", 0), 0);
	assert_int_equal(llm_tokenizer_from_text(&tok, "the quick", 9, 100, NULL), 0);
	assert_int_equal(llm_tokenizer_write(&tok, f->tok, NULL), 0);
	llm_tokenizer_close(&tok);
	assert_int_equal(corpus_open(&other, f->path, f->tok, &err), -EINVAL);
	assert_non_null(strstr(err.text, f->path));
	assert_non_null(strstr(err.text, "0x62"));
	assert_null(other.token);
}

static void bad_texts(void **state)
{
	struct fixture *f = *state;
	struct llm_error err = { "" };
	struct corpus other;
	FILE *out = fopen(f->path, "w");

	assert_non_null(out);
	fclose(out);
	assert_int_equal(corpus_open(&other, f->path, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "empty"));
	assert_int_equal(corpus_open(&other, "/dev/null", NULL, &err), -EINVAL);
	assert_int_equal(corpus_open(&other, "/nonexistent", NULL, &err), -ENOENT);
}

/* ---- settings ---- */

static int set(struct train_config *c, const char *name, const char *arg, struct llm_error *err)
{
	uint32_t given = 0;

	for (unsigned int i = 0; i < train_num_settings(); i++) {
		if (!strcmp(train_setting_name(i), name))
			return train_set(c, i, arg, &given, err);
	}
	fail_msg("no setting %s", name);
	return 0;
}

static void arguments_are_checked(void **state)
{
	static const char *const bad[][2] = {
		{ "cards", "0" }, { "cards", "65" }, { "steps", "0" }, { "steps", "-1" },
		{ "steps", "1e3" }, { "steps", "" }, { "batch", "99999999999999999999" },
		{ "seq", "0x10" }, { "dim", "1" }, { "lr", "nan" }, { "lr", "inf" }, { "lr", "0" },
		{ "lr", "1e-40" }, { "lr", "fast" }, { "decay", "-1" }, { "beta1", "1" },
		{ "clip", "-0.1" }, { "seed", "-1" }, { "seed", "18446744073709551616" },
		{ "seed", "x" },
	};
	struct train_config c;

	(void)state;
	train_config_init(&c);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct llm_error err = { "" };

		assert_int_equal(set(&c, bad[i][0], bad[i][1], &err), -EINVAL);
		assert_non_null(strstr(err.text, bad[i][0]));
	}
	assert_int_equal(set(&c, "seed", "18446744073709551615", NULL), 0);
	assert_int_equal(c.seed, UINT64_MAX);
	assert_int_equal(set(&c, "beta2", "0.999999", NULL), 0);
	c.vocab = 100;
	train_config_complete(&c);
	assert_int_equal(train_config_check(&c, NULL), 0);
}

static void the_first_difference_is_named(void **state)
{
	struct train_config c, begun;
	struct llm_error err = { "" };

	(void)state;
	train_config_init(&c);
	begun = c;
	c.dim = 128;
	c.rate = 0.5f;
	assert_int_equal(train_config_agree(&c, 0, &begun, "file", &err), 0);
	assert_int_equal(train_config_agree(&c, UINT32_MAX, &begun, "file", &err), -EINVAL);
	assert_non_null(strstr(err.text, "--dim 128: file was begun with 96"));
}

static void the_rate_rises_and_falls(void **state)
{
	struct train_config c;

	(void)state;
	train_config_init(&c);
	assert_true(train_rate(&c, 1) == (float)((double)c.rate / c.warmup));
	assert_true(train_rate(&c, c.warmup) == c.rate);
	assert_true(train_rate(&c, c.steps) == (float)((double)c.rate * 0.1));
	for (uint32_t step = 2; step <= c.steps; step++)
		assert_int_equal(train_rate(&c, step) > train_rate(&c, step - 1),
				 step <= c.warmup);
	c.warmup = 2 * c.steps;
	assert_true(train_rate(&c, c.steps) == (float)((double)c.rate / 2));
	c.warmup = 0;
	assert_true(train_rate(&c, 1) < c.rate && train_rate(&c, 1) > 0.99f * c.rate);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(random_numbers_are_splitmix64),
		TEST(text_stands_between_two_bos),
		TEST(rows_follow_the_rule),
		TEST(cards_share_the_same_rows),
		TEST(all_of_the_text_is_learnt),
		TEST(a_tokenizer_that_does_not_fit),
		TEST(bad_texts),
		TEST(arguments_are_checked),
		TEST(the_first_difference_is_named),
		TEST(the_rate_rises_and_falls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
