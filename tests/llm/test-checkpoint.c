// SPDX-License-Identifier: MIT
/*
 * test-checkpoint.c - a damaged model file gives an error that names it, and nothing worse.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "synth.h"

static const struct synth_shape shape = { 16, 24, 2, 4, 2, 300, 8, true };

/* A good model in memory, and the path where its damaged copies go. */
struct fixture {
	char path[64];
	char *data;
	size_t size;
};

static void write_file(const struct fixture *f, const void *data, size_t size)
{
	FILE *out = fopen(f->path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(data, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

static int make_model(struct fixture *f, const struct synth_shape *s)
{
	struct stat st;
	int fd;

	if (synth_checkpoint(f->path, s, 7))
		return -1;
	fd = open(f->path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		return -1;
	f->size = st.st_size;
	f->data = malloc(f->size);
	if (!f->data || read(fd, f->data, f->size) != (ssize_t)f->size)
		return -1;
	return close(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	if (!f)
		return -1;
	*state = f;
	strcpy(f->path, "checkpoint-XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0)
		return -1;
	close(fd);
	return make_model(f, &shape);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	free(f->data);
	free(f);
	return 0;
}

/* Refused, with a message that names the file. */
static void expect_error(const struct fixture *f, int want)
{
	struct llm_checkpoint ckpt;
	struct llm_error err = { "" };

	assert_int_equal(llm_checkpoint_open(&ckpt, f->path, &err), want);
	assert_non_null(strstr(err.text, f->path));
	assert_null(ckpt.data);
}

static void good_model(void **state)
{
	struct fixture *f = *state;
	struct llm_checkpoint ckpt;
	struct llm_error err = { "" };

	assert_int_equal(llm_checkpoint_open(&ckpt, f->path, &err), 0);
	assert_int_equal(ckpt.config.dim, 16);
	assert_int_equal(ckpt.config.head_size, 4);
	assert_int_equal(ckpt.config.kv_dim, 8);
	assert_int_equal(ckpt.config.vocab_size, 300);
	assert_true(ckpt.config.shared_classifier);
	assert_ptr_equal(ckpt.w.wcls, ckpt.w.token_embedding);
	assert_memory_equal(ckpt.w.token_embedding, f->data + 28, 300 * 16 * sizeof(float));
	llm_checkpoint_close(&ckpt);
}

static void own_classifier(void **state)
{
	struct synth_shape s = shape;
	struct fixture *f = *state;
	struct llm_checkpoint ckpt;
	struct llm_error err = { "" };

	s.shared_classifier = false;
	free(f->data);
	assert_int_equal(make_model(f, &s), 0);
	assert_int_equal(llm_checkpoint_open(&ckpt, f->path, &err), 0);
	assert_false(ckpt.config.shared_classifier);
	assert_memory_equal(ckpt.w.wcls, f->data + f->size - 300 * 16 * sizeof(float),
			    300 * 16 * sizeof(float));
	llm_checkpoint_close(&ckpt);
}

static void truncated_anywhere(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 0; size < f->size; size += 64) {
		write_file(f, f->data, size);
		expect_error(f, -EINVAL);
	}
	for (size_t cut = 1; cut <= 64 && cut < f->size; cut++) {
		write_file(f, f->data, f->size - cut);
		expect_error(f, -EINVAL);
	}
}

static void longer_than_its_header(void **state)
{
	struct fixture *f = *state;
	char *longer = calloc(1, f->size + 8);

	assert_non_null(longer);
	memcpy(longer, f->data, f->size);
	for (size_t extra = 1; extra <= 8; extra++) {
		write_file(f, longer, f->size + extra);
		expect_error(f, -EINVAL);
	}
	free(longer);
}

static void every_header_bit_flipped(void **state)
{
	struct fixture *f = *state;

	for (int bit = 0; bit < 7 * 32; bit++) {
		f->data[bit / 8] ^= 1 << (bit % 8);
		write_file(f, f->data, f->size);
		expect_error(f, -EINVAL);
		f->data[bit / 8] ^= 1 << (bit % 8);
	}
}

static void extreme_header_values(void **state)
{
	static const int32_t value[] = { 0, -1, 1, INT32_MAX, INT32_MIN, 65536, 1 << 20, 1 << 30 };
	struct fixture *f = *state;

	for (int field = 0; field < 7; field++) {
		for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
			int32_t old;

			memcpy(&old, f->data + 4 * field, sizeof(old));
			memcpy(f->data + 4 * field, &value[i], sizeof(old));
			write_file(f, f->data, f->size);
			expect_error(f, -EINVAL);
			memcpy(f->data + 4 * field, &old, sizeof(old));
		}
	}
}

/* All fields at their caps at once: the sizes must not wrap around to something that fits. */
static void all_fields_huge(void **state)
{
	static const int32_t huge[7] = { LLM_MAX_DIM, LLM_MAX_HIDDEN, LLM_MAX_LAYERS, 1, 1,
					 LLM_MAX_VOCAB, LLM_MAX_SEQ_LEN };
	struct fixture *f = *state;

	memcpy(f->data, huge, sizeof(huge));
	write_file(f, f->data, f->size);
	expect_error(f, -EINVAL);
}

static void weight_not_a_number(void **state)
{
	static const uint32_t bad[] = { 0x7fc00000, 0x7f800000, 0xff800000 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(f->data + 28 + 4 * 5000, &bad[i], sizeof(bad[i]));
		write_file(f, f->data, f->size);
		expect_error(f, -EINVAL);
	}
}

static void missing_file_says_where_to_get_one(void **state)
{
	struct fixture *f = *state;
	struct llm_checkpoint ckpt;
	struct llm_error err = { "" };

	unlink(f->path);
	assert_int_equal(llm_checkpoint_open(&ckpt, f->path, &err), -ENOENT);
	assert_non_null(strstr(err.text, f->path));
	assert_non_null(strstr(err.text, "stories260K.bin"));
}

static void not_a_regular_file(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	expect_error(f, -EINVAL);
	unlink(f->path);
	assert_int_equal(mkdir(f->path, 0700), 0);
	expect_error(f, -EINVAL);
	rmdir(f->path);
}

/* ---- writing ---- */

static void read_file(const char *path, char *buf, size_t room, size_t *size)
{
	FILE *in = fopen(path, "rb");

	assert_non_null(in);
	*size = fread(buf, 1, room, in);
	fclose(in);
}

/* What is read and written again is the same file, the unused tables aside, which are zero. */
static void write_again(struct fixture *f, const struct synth_shape *s)
{
	struct llm_checkpoint ckpt;
	uint64_t floats, own, unused;
	float *params;
	size_t size;
	char *data;

	free(f->data);
	assert_int_equal(make_model(f, s), 0);
	assert_int_equal(llm_checkpoint_open(&ckpt, f->path, NULL), 0);
	floats = llm_config_floats(&ckpt.config);
	own = s->shared_classifier ? 0 : (uint64_t)s->vocab_size * s->dim;
	unused = s->seq_len * ckpt.config.head_size;
	assert_int_equal(28 + 4 * (floats + unused), f->size);
	params = calloc(floats, sizeof(*params));
	data = malloc(f->size + 1);
	assert_non_null(params);
	assert_non_null(data);
	memcpy(params, ckpt.w.token_embedding, (floats - own) * sizeof(*params));
	memcpy(params + floats - own, ckpt.w.wcls, own * sizeof(*params));
	assert_int_equal(llm_checkpoint_write(f->path, &ckpt.config, params, NULL), 0);
	read_file(f->path, data, f->size + 1, &size);
	assert_int_equal(size, f->size);
	assert_memory_equal(data, f->data, f->size);
	llm_checkpoint_close(&ckpt);
	free(params);
	free(data);
}

static void what_is_written_can_be_read(void **state)
{
	struct synth_shape s = shape;

	write_again(*state, &s);
	s.shared_classifier = false;
	write_again(*state, &s);
}

static void a_shape_that_cannot_be_read_is_not_written(void **state)
{
	const struct llm_config bad = { .dim = 16, .hidden_dim = 24, .n_layers = 2, .n_heads = 3,
					.n_kv_heads = 1, .vocab_size = 300, .seq_len = 8 };
	struct fixture *f = *state;
	struct llm_error err = { "" };
	struct stat st;
	float param = 0;

	assert_int_equal(llm_checkpoint_write(f->path, &bad, &param, &err), -EINVAL);
	assert_non_null(strstr(err.text, "3 heads"));
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_size, f->size);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_model),
		TEST(own_classifier),
		TEST(truncated_anywhere),
		TEST(longer_than_its_header),
		TEST(every_header_bit_flipped),
		TEST(extreme_header_values),
		TEST(all_fields_huge),
		TEST(weight_not_a_number),
		TEST(missing_file_says_where_to_get_one),
		TEST(not_a_regular_file),
		TEST(what_is_written_can_be_read),
		TEST(a_shape_that_cannot_be_read_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
