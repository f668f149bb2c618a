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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
