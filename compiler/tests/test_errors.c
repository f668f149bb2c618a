/* SPDX-License-Identifier: MIT */
/*
 * test_errors.c - mistakes: each is reported, by the call that made it, with a text that names it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "axc/axc.h"

struct fixture {
	struct axc_program *p;
	struct axc_tensor *in, *out;
	struct axc_tile *a, *b, *psum;
};

static struct fixture begin(void)
{
	struct fixture f = { .p = axc_program_new("test") };
	const uint64_t n = 64;

	f.in = axc_tensor_new(f.p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, 1, &n);
	f.out = axc_tensor_new(f.p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, 1, &n);
	f.a = axc_tile_new(f.p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 128, 64);
	f.b = axc_tile_new(f.p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 128, 64);
	f.psum = axc_tile_new(f.p, AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, 128, 1024);
	return f;
}

/* The mistake has been made: it is remembered, later calls do nothing, finishing fails. */
static void expect(struct fixture *f, int err, const char *word)
{
	const char *text;
	size_t size;
	void *elf;

	assert_int_equal(axc_program_error(f->p, &text), err);
	if (!strstr(text, word))
		fail_msg("\"%s\" does not say \"%s\"", text, word);
	assert_null(axc_tile_new(f->p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 1, 1));
	axc_copy(f->p, AXON_ENGINE_VECTOR, axc_view(f->a), axc_view(f->b));
	assert_int_equal(axc_program_finish(f->p, &elf, &size), err);
	axc_program_free(f->p);
}

#define MISTAKE(err, word, code) do {						\
		struct fixture f = begin();					\
		struct axc_program *p = f.p;					\
		struct axc_view a = axc_view(f.a), b = axc_view(f.b);		\
		(void)p;							\
		(void)a;							\
		(void)b;							\
		code;								\
		expect(&f, err, word);						\
	} while (0)

static void operands(void **state)
{
	MISTAKE(-EINVAL, "copy", axc_copy(p, AXON_ENGINE_TENSOR, a, b));
	MISTAKE(-EINVAL, "copy", axc_copy(p, AXON_ENGINE_VECTOR, a, axc_cols(b, 0, 8)));
	MISTAKE(-EINVAL, "outside", axc_memset(p, AXON_ENGINE_VECTOR, axc_cols(a, 60, 8), 0));
	MISTAKE(-EINVAL, "partitions", axc_memset(p, AXON_ENGINE_VECTOR, axc_rows(a, 16, 8), 0));
	MISTAKE(-EINVAL, "partitions", axc_memset(p, AXON_ENGINE_VECTOR, axc_rows(a, 120, 9), 0));
	MISTAKE(-EINVAL, "repeats", axc_memset(p, AXON_ENGINE_VECTOR, axc_axis(a, 2, 4, 0), 0));
	MISTAKE(-EINVAL, "missing", axc_memset(p, AXON_ENGINE_VECTOR, axc_view(NULL), 0));
	MISTAKE(-EINVAL, "type", axc_memset(p, AXON_ENGINE_VECTOR,
					    axc_as(a, AXON_DTYPE_FP8_E4), 0));
	MISTAKE(-EINVAL, "max8", axc_max8(p, axc_cols(a, 0, 7), b));
	MISTAKE(-EINVAL, "bitwise",
		axc_tensor_tensor(p, AXON_ENGINE_VECTOR, AXON_ALU_AND, a, a, b));
	MISTAKE(-EINVAL, "operator", axc_tensor_tensor(p, AXON_ENGINE_VECTOR, 99, a, a, b));
	MISTAKE(-EINVAL, "freed", axc_tile_free(p, f.a);
		axc_memset(p, AXON_ENGINE_VECTOR, a, 0));
	MISTAKE(-EINVAL, "twice", axc_tile_free(p, f.a); axc_tile_free(p, f.a));
}

static void products(void **state)
{
	MISTAKE(-EINVAL, "PSUM", axc_matmul(p, axc_cols(a, 0, 64), a, b, false));
	MISTAKE(-EINVAL, "shapes", axc_matmul(p, axc_cols(axc_view(f.psum), 0, 64), a, b, false));
	MISTAKE(-EINVAL, "bank", axc_matmul(p, axc_rows(axc_cols(axc_view(f.psum), 500, 64), 0, 64),
					    a, b, false));
	MISTAKE(-EINVAL, "constant", axc_const_new(p, AXON_DTYPE_INVALID, NULL, 4));
}

static void transfers(void **state)
{
	MISTAKE(-EINVAL, "in", axc_load(p, AXON_ENGINE_SYNC, 0, f.a, 0, 64, f.in, 0, 256));
	MISTAKE(-EINVAL, "tile", axc_load(p, AXON_ENGINE_SYNC, 0, f.a, 32, 64, f.in, 0, 0));
	MISTAKE(-EINVAL, "written", axc_store(p, AXON_ENGINE_SYNC, 0, f.in, 0, 0, f.a, 0, 64));
	MISTAKE(-EINVAL, "belongs", axc_store(p, AXON_ENGINE_SYNC, 0, f.out, 0, 0, f.a, 0, 64);
		axc_store(p, AXON_ENGINE_GPSIMD, 0, f.out, 0, 0, f.a, 0, 64));
	MISTAKE(-EINVAL, "queue", axc_store(p, AXON_ENGINE_SYNC, 16, f.out, 0, 0, f.a, 0, 64));
}

/* Mistakes that axc_program_finish() finds, when nothing more can come. */
#define LATE(word, code) MISTAKE(-EINVAL, word, {				\
		size_t late_size;						\
		void *late_elf;							\
		code;								\
		assert_int_equal(axc_program_error(p, NULL), 0);		\
		assert_int_equal(axc_program_finish(p, &late_elf, &late_size), -EINVAL); \
	})

static void keep(struct fixture *f, unsigned int queue, struct axc_tile *tile)
{
	axc_load_kept(f->p, AXON_ENGINE_SYNC, queue, tile, 0, 64,
		      axc_const_new(f->p, AXON_DTYPE_FLOAT32, NULL, 4 * 64 * 128), 0, 256);
}

static void kept(void **state)
{
	MISTAKE(-EINVAL, "constant",
		axc_load_kept(p, AXON_ENGINE_SYNC, 0, f.a, 0, 64, f.in, 0, 0));
	MISTAKE(-EINVAL, "loop", axc_loop_begin(p, 2, NULL); keep(&f, 0, f.a));
	MISTAKE(-EINVAL, "queue", axc_load(p, AXON_ENGINE_SYNC, 0, f.b, 0, 64, f.in, 0, 0);
		keep(&f, 0, f.a));
	MISTAKE(-EINVAL, "freed", keep(&f, 0, f.a); axc_tile_free(p, f.a));
	LATE("written", keep(&f, 0, f.a); axc_memset(p, AXON_ENGINE_VECTOR, a, 0));
	LATE("written", keep(&f, 0, f.a);
	     axc_load(p, AXON_ENGINE_SYNC, 0, f.a, 0, 64, f.in, 0, 0));
	LATE("another's", axc_tile_free(p, f.a);
	     f.a = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 128, 64); keep(&f, 0, f.a));
}

static void tensors(void **state)
{
	const uint64_t zero = 0, huge[] = { 1ull << 39, 1ull << 39 };

	MISTAKE(-EEXIST, "taken", axc_tensor_new(p, AXC_OUTPUT, "in", AXON_DTYPE_FLOAT32, 0, NULL));
	MISTAKE(-EINVAL, "name", axc_tensor_new(p, AXC_OUTPUT, "", AXON_DTYPE_FLOAT32, 0, NULL));
	MISTAKE(-EINVAL, "shape", axc_tensor_new(p, AXC_INPUT, "z", AXON_DTYPE_UINT8, 1, &zero));
	MISTAKE(-EINVAL, "shape", axc_tensor_new(p, AXC_INPUT, "z", AXON_DTYPE_UINT8, 2, huge));
	MISTAKE(-EINVAL, "tile", axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 129, 1));
	MISTAKE(-ENOSPC, "SBUF", axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 1, 49152));
	MISTAKE(-ENOSPC, "PSUM", axc_tile_new(p, AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, 1, 4096));
	assert_null(axc_program_new(""));
	assert_null(axc_program_new(NULL));
}

static void loops(void **state)
{
	MISTAKE(-EINVAL, "begin", axc_loop_end(p));
	MISTAKE(-EINVAL, "outside", struct axc_reg *i = axc_loop_begin(p, 2, NULL);
		axc_loop_end(p); axc_reg_opi(p, AXON_RALU_ADD, i, 1));
	MISTAKE(-EINVAL, "not freed", axc_loop_begin(p, 2, NULL);
		axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 1, 1); axc_loop_end(p));
	MISTAKE(-EINVAL, "another loop", axc_loop_begin(p, 2, NULL); axc_tile_free(p, f.a));
	MISTAKE(-EINVAL, "input or a constant", axc_reg_load(p, f.out, 0, AXON_DTYPE_UINT32));
	MISTAKE(-EINVAL, "offset", axc_reg_load(p, f.in, 254, AXON_DTYPE_UINT32));
	MISTAKE(-EINVAL, "operators cannot", axc_loop_begin(p, 2, NULL);
		axc_op_softmax(p, f.out, f.in, 1, 64));
}

static void loop_without_end(void **state)
{
	struct fixture f = begin();
	const char *text;
	size_t size;
	void *elf;

	axc_loop_begin(f.p, 2, NULL);
	assert_int_equal(axc_program_finish(f.p, &elf, &size), -EINVAL);
	axc_program_error(f.p, &text);
	assert_non_null(strstr(text, "no end"));
	axc_program_free(f.p);
}

static void many_registers(void **state)
{
	struct fixture f = begin();
	struct axc_reg *r[80];
	const char *text;
	unsigned int i;
	size_t size;
	void *elf;

	for (i = 0; i < 80; i++)
		r[i] = axc_reg_imm(f.p, i * 4);
	for (i = 0; i < 80; i++)
		axc_memset(f.p, AXON_ENGINE_VECTOR,
			   axc_offset_reg(axc_cols(axc_view(f.a), 0, 1), r[i]), 0);
	assert_int_equal(axc_program_finish(f.p, &elf, &size), -ENOSPC);
	axc_program_error(f.p, &text);
	assert_non_null(strstr(text, "register"));
	axc_program_free(f.p);
}

static void operators(void **state)
{
	const struct axc_llama_config good = { 64, 128, 1, 8, 4, 32, 16, 0, 0 };
	struct axc_llama_config c;
	struct axc_llama_weights w = { 0 };
	struct axc_program *q;
	const char *text;

	MISTAKE(-EINVAL, "matmul", axc_op_matmul(p, f.out, f.in, f.in, 8, 9, 8));
	MISTAKE(-EINVAL, "softmax", axc_op_softmax(p, f.out, f.in, 8, 9));
	c = good;
	c.n_heads = 7;
	assert_int_equal(axc_llama_decode(&c, &w, &q), -EINVAL);
	axc_program_free(q);
	assert_int_equal(axc_llama_decode(&good, &w, &q), -EINVAL);
	axc_program_error(q, &text);
	assert_non_null(strstr(text, "weights"));
	axc_program_free(q);
	assert_int_equal(axc_llama_decode(NULL, &w, &q), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operands), cmocka_unit_test(products),
		cmocka_unit_test(transfers), cmocka_unit_test(kept),
		cmocka_unit_test(tensors), cmocka_unit_test(loops),
		cmocka_unit_test(loop_without_end), cmocka_unit_test(many_registers),
		cmocka_unit_test(operators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
