// SPDX-License-Identifier: MIT
/*
 * test-save.c - the file of a training: what is written comes back, and anything else is refused
 * with a message that names the file.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <nettle/sha2.h>

#include "file.h"
#include "save.h"

#define STEP	5u

struct fixture {
	char path[64];
	struct corpus corpus;
	struct training t;
	char *data;
	size_t size;
};

static void fill(float *x, uint64_t n, float first)
{
	for (uint64_t i = 0; i < n; i++)
		x[i] = first + (float)i / 64;
}

static int make_training(struct fixture *f)
{
	struct train_config c;
	struct llm_config model;

	train_config_init(&c);
	c.steps = 10;
	c.dim = 8;
	c.heads = 2;
	c.layers = 1;
	c.hidden = 16;
	c.vocab = 12;
	train_config_complete(&c);
	model = train_model_config(&c);
	f->corpus.tok.vocab_size = c.vocab;
	memset(f->corpus.text_hash, 0x55, TRAIN_HASH_BYTES);
	memset(f->corpus.vocab_hash, 0x66, TRAIN_HASH_BYTES);
	if (training_init(&f->t, &c, llm_config_floats(&model), NULL))
		return -1;
	f->t.step = STEP;
	fill(f->t.loss, STEP, 1);
	fill(f->t.p, f->t.params, 2);
	fill(f->t.m, f->t.params, 3);
	fill(f->t.v, f->t.params, 4);
	return save_write(f->path, &f->t, &f->corpus, NULL);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	if (!f)
		return -1;
	*state = f;
	strcpy(f->path, "save-XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0 || close(fd) || make_training(f))
		return -1;
	return llm_read_file(f->path, "checkpoint", "", (void **)&f->data, &f->size, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	training_fini(&f->t);
	free(f->data);
	free(f);
	return 0;
}

static void write_file(const struct fixture *f, size_t size)
{
	FILE *out = fopen(f->path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(f->data, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

/* Make the checksum right again: a file that somebody made on purpose. */
static void sign(struct fixture *f)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, f->size - SHA256_DIGEST_SIZE, (const uint8_t *)f->data);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE,
		      (uint8_t *)f->data + f->size - SHA256_DIGEST_SIZE);
}

static void expect_error(const struct fixture *f, const char *word)
{
	struct llm_error err = { "" };
	struct training t = { 0 };

	assert_int_equal(save_read(f->path, &t, &f->corpus, &err), -EINVAL);
	assert_non_null(strstr(err.text, f->path));
	if (word && !strstr(err.text, word))
		fail_msg("'%s' is not in: %s", word, err.text);
	assert_null(t.p);
}

static void what_is_written_comes_back(void **state)
{
	struct fixture *f = *state;
	const size_t bytes = f->t.params * sizeof(float);
	struct training t;

	assert_int_equal(save_read(f->path, &t, &f->corpus, NULL), 0);
	assert_memory_equal(&t.config, &f->t.config, sizeof(t.config));
	assert_int_equal(t.params, f->t.params);
	assert_int_equal(t.step, STEP);
	assert_memory_equal(t.loss, f->t.loss, STEP * sizeof(float));
	assert_memory_equal(t.p, f->t.p, bytes);
	assert_memory_equal(t.m, f->t.m, bytes);
	assert_memory_equal(t.v, f->t.v, bytes);
	training_fini(&t);
}

static void truncated_anywhere(void **state)
{
	struct fixture *f = *state;

	assert_true(f->size > sizeof(struct save_header));
	for (size_t size = 1; size < f->size; size += size < 300 ? 1 : 37) {
		write_file(f, size);
		expect_error(f, size < 8 ? "not a checkpoint" : "truncated");
	}
	for (size_t cut = 1; cut <= 64; cut++) {
		write_file(f, f->size - cut);
		expect_error(f, "truncated");
	}
}

static void every_bit_of_the_header_flipped(void **state)
{
	struct fixture *f = *state;

	for (size_t bit = 0; bit < 8 * sizeof(struct save_header); bit++) {
		f->data[bit / 8] ^= 1 << bit % 8;
		write_file(f, f->size);
		expect_error(f, NULL);
		f->data[bit / 8] ^= 1 << bit % 8;
	}
}

static void any_byte_behind_it_flipped(void **state)
{
	struct fixture *f = *state;

	for (size_t at = sizeof(struct save_header); at < f->size; at += 13) {
		f->data[at] ^= 0x40;
		write_file(f, f->size);
		expect_error(f, "checksum");
		f->data[at] ^= 0x40;
	}
}

/* A right checksum over nonsense: no size or loop may trust it. */
static void extreme_values_with_a_right_checksum(void **state)
{
	static const uint32_t value[] = { 0, 1, 3, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fc00000,
					  0x7f800000, 0xff800000, 65536, 1u << 20, 100000001 };
	const size_t config = offsetof(struct save_header, config);
	struct fixture *f = *state;

	for (size_t at = config; at < config + sizeof(struct train_config); at += 4) {
		for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
			struct train_config changed;
			struct llm_error err = { "" };
			struct training t = { 0 };
			uint32_t old;
			int ret;

			memcpy(&old, f->data + at, 4);
			memcpy(f->data + at, &value[i], 4);
			memcpy(&changed, f->data + config, sizeof(changed));
			sign(f);
			write_file(f, f->size);
			ret = save_read(f->path, &t, &f->corpus, &err);
			/* Either it is a training of the same size, or it is refused. */
			if (!ret) {
				assert_int_equal(train_config_check(&changed, NULL), 0);
				assert_int_equal(t.params, f->t.params);
				training_fini(&t);
			} else {
				assert_true(ret == -EINVAL || ret == -ENOMEM);
				assert_non_null(strstr(err.text, ret == -EINVAL ? f->path :
						       "memory"));
			}
			memcpy(f->data + at, &old, 4);
		}
	}
}

static void counts_that_do_not_fit(void **state)
{
	static const uint64_t value[] = { 0, 6, 11, 1ull << 32, 1ull << 62, UINT64_MAX,
					  UINT64_MAX / 12 + 1 };
	const size_t fields[] = { offsetof(struct save_header, params),
				  offsetof(struct save_header, step) };
	struct fixture *f = *state;

	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
			uint64_t old;

			memcpy(&old, f->data + fields[k], 8);
			memcpy(f->data + fields[k], &value[i], 8);
			sign(f);
			write_file(f, f->size);
			expect_error(f, "truncated or damaged");
			memcpy(f->data + fields[k], &old, 8);
		}
	}
}

/* Three steps more and one number less in each array: the length is right, the rest is not. */
static void a_length_that_is_right_by_chance(void **state)
{
	struct save_header *h;
	struct fixture *f = *state;

	h = (struct save_header *)f->data;
	h->step += 3;
	h->params--;
	sign(f);
	write_file(f, f->size);
	expect_error(f, "not a training");
}

static void other_files(void **state)
{
	struct fixture *f = *state;

	memcpy(f->data, "\x40\0\0\0\xac\0\0\0", 8);	/* a model of llama2.c */
	write_file(f, f->size);
	expect_error(f, "not a checkpoint of axon-train");
	memcpy(f->data, SAVE_MAGIC, 8);
	f->data[8]++;
	write_file(f, f->size);
	expect_error(f, "version 2");
}

static void another_text_or_tokenizer(void **state)
{
	struct fixture *f = *state;

	f->corpus.text_hash[31] ^= 1;
	expect_error(f, "text");
	f->corpus.text_hash[31] ^= 1;
	f->corpus.vocab_hash[0] ^= 1;
	expect_error(f, "tokenizer");
	f->corpus.vocab_hash[0] ^= 1;
	f->corpus.tok.vocab_size++;
	expect_error(f, "tokenizer");
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_comes_back),
		TEST(truncated_anywhere),
		TEST(every_bit_of_the_header_flipped),
		TEST(any_byte_behind_it_flipped),
		TEST(extreme_values_with_a_right_checksum),
		TEST(counts_that_do_not_fit),
		TEST(a_length_that_is_right_by_chance),
		TEST(other_files),
		TEST(another_text_or_tokenizer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
