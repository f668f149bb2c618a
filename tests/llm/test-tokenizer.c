// SPDX-License-Identifier: MIT
/*
 * test-tokenizer.c - text to tokens and back; a damaged vocabulary gives an error.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "tokenizer.h"

/* Tokens after the three special ones and the 256 bytes. */
enum { SPACE = 259, A, B, C, AB, BC, ABC, SPACE_A, E_ACUTE, AA, VOCAB };

static const struct {
	const char *text;
	float score;
} pieces[] = {
	{ " ", -1 }, { "a", -2 }, { "b", -3 }, { "c", -4 }, { "ab", 1 }, { "bc", 2 }, { "abc", 3 },
	{ " a", 0.5f }, { "\xc3\xa9", -5 }, { "aa", 0.25f },
};

struct fixture {
	char path[64];
	char data[8192];
	size_t size;
	struct llm_tokenizer tok;
};

static void add(struct fixture *f, const void *data, size_t size)
{
	memcpy(f->data + f->size, data, size);
	f->size += size;
}

static void add_token(struct fixture *f, float score, const char *text)
{
	int32_t len = strlen(text);

	add(f, &score, sizeof(score));
	add(f, &len, sizeof(len));
	add(f, text, len);
}

static void write_file(struct fixture *f, size_t size)
{
	FILE *out = fopen(f->path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(f->data, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const int32_t longest = 7;
	char name[8];
	int fd;

	if (!f)
		return -1;
	*state = f;
	strcpy(f->path, "tokenizer-XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0)
		return -1;
	close(fd);
	add(f, &longest, sizeof(longest));
	add_token(f, 0, "<unk>");
	add_token(f, 0, "\n<s>\n");
	add_token(f, 0, "\n</s>\n");
	for (int i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "<0x%02X>", i);
		add_token(f, 0, name);
	}
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		add_token(f, pieces[i].score, pieces[i].text);
	write_file(f, f->size);
	return llm_tokenizer_open(&f->tok, f->path, VOCAB, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	llm_tokenizer_close(&f->tok);
	unlink(f->path);
	free(f);
	return 0;
}

static void expect(struct fixture *f, const char *text, const uint32_t *want, uint32_t n)
{
	uint32_t *ids, count;

	assert_int_equal(llm_tokenizer_encode(&f->tok, text, &ids, &count, NULL), 0);
	assert_int_equal(count, n + 1);
	assert_int_equal(ids[0], LLM_TOKEN_BOS);
	assert_memory_equal(ids + 1, want, n * sizeof(*want));
	free(ids);
}

#define EXPECT(f, text, ...) do { \
	const uint32_t want_[] = { __VA_ARGS__ }; \
	expect(f, text, want_, sizeof(want_) / sizeof(want_[0])); \
} while (0)

static void empty_prompt_is_bos(void **state)
{
	expect(*state, "", NULL, 0);
}

static void space_goes_before_a_prompt(void **state)
{
	EXPECT(*state, "b", SPACE, B);
	EXPECT(*state, "a", SPACE_A);
}

static void best_score_joins_first(void **state)
{
	/* "bc" (2) before "ab" (1), then "abc" (3); " a" is gone by then. */
	EXPECT(*state, "abc", SPACE, ABC);
	EXPECT(*state, "cab", SPACE, C, AB);
}

static void leftmost_of_equals_joins_first(void **state)
{
	EXPECT(*state, "baaa", SPACE, B, AA, A);
}

static void utf8_character_is_one_token(void **state)
{
	EXPECT(*state, "b\xc3\xa9", SPACE, B, E_ACUTE);
}

static void unknown_characters_become_bytes(void **state)
{
	EXPECT(*state, "b\xe2\x82\xac", SPACE, B, 3 + 0xe2, 3 + 0x82, 3 + 0xac);
	EXPECT(*state, "z", SPACE, 3 + 'z');
	EXPECT(*state, "\xff", SPACE, 3 + 0xff);
}

static void prompt_too_long_is_refused(void **state)
{
	struct fixture *f = *state;
	struct llm_error err = { "" };
	uint32_t *ids, count;
	char *text = malloc(LLM_MAX_PROMPT_BYTES + 2);

	assert_non_null(text);
	memset(text, 'b', LLM_MAX_PROMPT_BYTES + 1);
	text[LLM_MAX_PROMPT_BYTES + 1] = '\0';
	assert_int_equal(llm_tokenizer_encode(&f->tok, text, &ids, &count, &err), -E2BIG);
	assert_true(err.text[0] != '\0');
	text[LLM_MAX_PROMPT_BYTES] = '\0';
	assert_int_equal(llm_tokenizer_encode(&f->tok, text, &ids, &count, &err), 0);
	assert_int_equal(count, LLM_MAX_PROMPT_BYTES + 2);
	free(ids);
	free(text);
}

static void expect_text(struct fixture *f, uint32_t prev, uint32_t id, const char *want)
{
	char byte;
	size_t len;
	const char *text = llm_tokenizer_decode(&f->tok, prev, id, &byte, &len);

	assert_int_equal(len, strlen(want));
	assert_memory_equal(text, want, len);
}

static void decode(void **state)
{
	expect_text(*state, A, SPACE_A, " a");
	expect_text(*state, LLM_TOKEN_BOS, SPACE_A, "a");
	expect_text(*state, A, 3 + 'z', "z");
	expect_text(*state, A, 3 + 0xe2, "\xe2");
	expect_text(*state, A, 3 + '\n', "\n");
}

static void control_characters_stay_away_from_the_terminal(void **state)
{
	expect_text(*state, A, 3 + 0x1b, "");
	expect_text(*state, A, 3 + 0x07, "");
}

static void expect_bad_file(struct fixture *f, uint32_t vocab)
{
	struct llm_tokenizer tok;
	struct llm_error err = { "" };

	assert_int_equal(llm_tokenizer_open(&tok, f->path, vocab, &err), -EINVAL);
	assert_non_null(strstr(err.text, f->path));
	assert_null(tok.data);
}

static void truncated_anywhere(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 0; size < f->size; size++) {
		write_file(f, size);
		expect_bad_file(f, VOCAB);
	}
}

static void vocabulary_of_another_model(void **state)
{
	expect_bad_file(*state, VOCAB - 1);
	expect_bad_file(*state, VOCAB + 1);
}

static void bad_lengths(void **state)
{
	static const int32_t bad[] = { -1, 8, INT32_MAX, INT32_MIN };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(f->data + 8, &bad[i], sizeof(bad[i]));
		write_file(f, f->size);
		expect_bad_file(f, VOCAB);
	}
}

/* ---- long texts ---- */

/* The rule, word for word: look at all pairs, join the best one, the leftmost of equals. */
static uint32_t join_slowly(const struct llm_tokenizer *tok, uint32_t *ids, uint32_t n)
{
	for (;;) {
		uint32_t best = UINT32_MAX, best_id = 0;

		for (uint32_t i = 0; i + 1 < n; i++) {
			const struct llm_token *a = &tok->token[ids[i]];
			const struct llm_token *b = &tok->token[ids[i + 1]];

			for (uint32_t id = 0; id < tok->vocab_size; id++) {
				const struct llm_token *t = &tok->token[id];

				if (t->len != a->len + b->len || memcmp(t->text, a->text, a->len) ||
				    memcmp(t->text + a->len, b->text, b->len))
					continue;
				if (best == UINT32_MAX || t->score > tok->token[best_id].score) {
					best = i;
					best_id = id;
				}
				break;
			}
		}
		if (best == UINT32_MAX)
			return n;
		ids[best] = best_id;
		n--;
		memmove(&ids[best + 1], &ids[best + 2], (n - best - 1) * sizeof(*ids));
	}
}

static void a_text_joins_as_the_rule_says(void **state)
{
	struct fixture *f = *state;
	uint32_t want[300], *got, count, random = 1;
	char text[300];

	for (int round = 0; round < 200; round++) {
		size_t len = round + 1;

		for (size_t i = 0; i < len; i++) {
			random = random * 1664525u + 1013904223u;
			text[i] = "abc "[random >> 30];
			want[i] = text[i] == ' ' ? SPACE : A + (uint32_t)(text[i] - 'a');
		}
		assert_int_equal(llm_tokenizer_encode_text(&f->tok, text, len, &got, &count,
							   NULL), 0);
		assert_int_equal(count, join_slowly(&f->tok, want, len));
		assert_memory_equal(got, want, count * sizeof(*got));
		free(got);
	}
}

static void zero_bytes_are_text(void **state)
{
	static const uint32_t want[] = { A, 3, B };
	struct fixture *f = *state;
	uint32_t *ids, count;

	assert_int_equal(llm_tokenizer_encode_text(&f->tok, "a\0b", 3, &ids, &count, NULL), 0);
	assert_int_equal(count, 3);
	assert_memory_equal(ids, want, sizeof(want));
	free(ids);
}

static void text_too_long_is_refused(void **state)
{
	struct fixture *f = *state;
	struct llm_error err = { "" };
	uint32_t *ids, count;

	assert_int_equal(llm_tokenizer_encode_text(&f->tok, "", LLM_MAX_TEXT_BYTES + 1, &ids,
						   &count, &err), -E2BIG);
	assert_true(err.text[0] != '\0');
}

static void tokens_are_counted_without_a_model(void **state)
{
	struct fixture *f = *state;
	struct llm_tokenizer tok;
	struct llm_error err = { "" };

	assert_int_equal(llm_tokenizer_open(&tok, f->path, 0, &err), 0);
	assert_int_equal(tok.vocab_size, VOCAB);
	llm_tokenizer_close(&tok);
	/* Cut between tokens it is a smaller vocabulary; anywhere else it is damaged. */
	write_file(f, f->size - 1);
	expect_bad_file(f, 0);
	write_file(f, 3);
	expect_bad_file(f, 0);
	write_file(f, 4);
	expect_bad_file(f, 0);
}

/* ---- vocabularies of characters ---- */

static void characters_of_a_text(void **state)
{
	static const char text[] = "b\xc3\xa9 a\0\nbb\xe2\x82\xac", *want[] = {
		"<unk>", "\n<s>\n", "\n</s>\n", "", "\n", " ", "a", "b", "\xc3\xa9", "\xe2\x82\xac",
	};
	static const uint32_t want_ids[] = { 7, 8, 5, 6, 3, 4, 7, 7, 9 };
	struct fixture *f = *state;
	struct llm_tokenizer made, read;
	uint32_t *ids, count;

	assert_int_equal(llm_tokenizer_from_text(&made, text, sizeof(text) - 1, 100, NULL), 0);
	assert_int_equal(made.vocab_size, 10);
	assert_int_equal(llm_tokenizer_write(&made, f->path, NULL), 0);
	assert_int_equal(llm_tokenizer_open(&read, f->path, 10, NULL), 0);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(read.token[i].len, i == 3 ? 1 : strlen(want[i]));
		assert_memory_equal(read.token[i].text, want[i], read.token[i].len);
	}
	assert_int_equal(llm_tokenizer_encode_text(&read, text, sizeof(text) - 1, &ids, &count,
						   NULL), 0);
	assert_int_equal(count, 9);
	assert_memory_equal(ids, want_ids, sizeof(want_ids));
	free(ids);
	llm_tokenizer_close(&made);
	llm_tokenizer_close(&read);
}

/* Other tokens stand where the byte tokens of other vocabularies are. */
static void without_byte_tokens_some_text_is_refused(void **state)
{
	struct llm_tokenizer tok;
	struct llm_error err = { "" };
	uint32_t *ids, count;
	char text[256];

	(void)state;
	for (int i = 0; i < 128; i++)
		text[i] = i;
	assert_int_equal(llm_tokenizer_from_text(&tok, text, 100, 1000, NULL), 0);
	assert_int_equal(llm_tokenizer_encode(&tok, "0z", &ids, &count, &err), -EINVAL);
	assert_non_null(strstr(err.text, "0x7a"));
	llm_tokenizer_close(&tok);
}

static void too_many_characters(void **state)
{
	struct llm_tokenizer tok;
	struct llm_error err = { "" };

	(void)state;
	assert_int_equal(llm_tokenizer_from_text(&tok, "abc", 3, 6, &err), 0);
	llm_tokenizer_close(&tok);
	assert_int_equal(llm_tokenizer_from_text(&tok, "abcd", 4, 6, &err), -E2BIG);
	assert_non_null(strstr(err.text, "3 different"));
	assert_null(tok.data);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(empty_prompt_is_bos),
		TEST(space_goes_before_a_prompt),
		TEST(best_score_joins_first),
		TEST(leftmost_of_equals_joins_first),
		TEST(utf8_character_is_one_token),
		TEST(unknown_characters_become_bytes),
		TEST(prompt_too_long_is_refused),
		TEST(decode),
		TEST(control_characters_stay_away_from_the_terminal),
		TEST(truncated_anywhere),
		TEST(vocabulary_of_another_model),
		TEST(bad_lengths),
		TEST(a_text_joins_as_the_rule_says),
		TEST(zero_bytes_are_text),
		TEST(text_too_long_is_refused),
		TEST(tokens_are_counted_without_a_model),
		TEST(characters_of_a_text),
		TEST(without_byte_tokens_some_text_is_refused),
		TEST(too_many_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
