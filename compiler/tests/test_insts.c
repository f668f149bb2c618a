/* SPDX-License-Identifier: MIT */
/*
 * test_insts.c - the builder's calls that no operator uses, executed on the soft card: what they
 * encode must be what Documentation/isa.rst says they mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "axc/axc.h"
#include "soft.h"

#define P	32u	/* partitions */
#define N	16u	/* elements */

struct bench {
	struct axc_program *p;
	struct axc_tensor *in, *out;
	struct axc_tile *a, *b;
	float src[P * N], dst[P * N];
};

static void begin(struct bench *b)
{
	const uint64_t n = P * N;
	unsigned int i;

	for (i = 0; i < P * N; i++)
		b->src[i] = (float)((i * 37) % 101) - 50;
	b->p = axc_program_new("instruction");
	b->in = axc_tensor_new(b->p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, 1, &n);
	b->out = axc_tensor_new(b->p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, 1, &n);
	b->a = axc_tile_new(b->p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, P, N);
	b->b = axc_tile_new(b->p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, P, N);
	axc_load(b->p, AXON_ENGINE_SYNC, 0, b->a, 0, N, b->in, 0, N * 4);
	axc_memset(b->p, AXON_ENGINE_VECTOR, axc_view(b->b), 0);
}

static void end(struct bench *b)
{
	struct interp_tensor t[] = { { "in", b->src, sizeof(b->src) },
				     { "out", b->dst, sizeof(b->dst) } };
	const char *text;
	struct soft *s;
	size_t size;
	void *elf;

	axc_store(b->p, AXON_ENGINE_SYNC, 1, b->out, 0, N * 4, b->b, 0, N);
	if (axc_program_finish(b->p, &elf, &size)) {
		axc_program_error(b->p, &text);
		fail_msg("%s", text);
	}
	axc_program_free(b->p);
	s = soft_load(elf, size, t, 2);
	assert_non_null(s);
	assert_int_equal(soft_run(s), 0);
	soft_free(s);
	free(elf);
}

#define CHECK(b, expression) do {						\
		unsigned int part, el;						\
		for (part = 0; part < P; part++)				\
			for (el = 0; el < N; el++)				\
				assert_true((b).dst[part * N + el] == (expression)); \
	} while (0)

static void select_where(void **state)
{
	struct bench b;
	struct axc_tile *pred;

	begin(&b);
	pred = axc_tile_new(b.p, AXON_SPACE_SBUF, AXON_DTYPE_UINT8, P, N);
	axc_tensor_scalar(b.p, AXON_ENGINE_VECTOR, axc_view(pred), axc_view(b.a), AXON_ALU_GT,
			  axc_s(10), AXON_ALU_NONE, axc_s(0));
	axc_select(b.p, AXON_ENGINE_GPSIMD, axc_view(b.b), axc_view(b.a), axc_view(pred));
	end(&b);
	CHECK(b, b.src[part * N + el] > 10 ? b.src[part * N + el] : 0);
}

static void affine_select(void **state)
{
	static const int16_t step[4] = { 0, 0, 0, -2 };
	struct bench b;

	begin(&b);
	axc_affine_select(b.p, axc_view(b.b), axc_view(b.a), AXON_ALU_GE, 3, 1, step, -7.5f);
	end(&b);
	CHECK(b, 3 + (int)part - 2 * (int)el >= 0 ? b.src[part * N + el] : -7.5f);
}

static void iota(void **state)
{
	static const int16_t step[4] = { 0, 0, 0, 3 };
	struct bench b;

	begin(&b);
	axc_iota(b.p, axc_view(b.b), -5, 100, step);
	end(&b);
	CHECK(b, (float)(-5 + 100 * (int)part + 3 * (int)el));
}

static void over_partitions(void **state)
{
	float sum[N] = { 0 };
	struct axc_view row;
	struct bench b;
	unsigned int i;

	begin(&b);
	row = axc_view(axc_tile_new(b.p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 1, N));
	axc_partition_reduce(b.p, AXON_ALU_ADD, row, axc_view(b.a));
	axc_partition_broadcast(b.p, axc_view(b.b), row);
	end(&b);
	for (i = 0; i < P * N; i++)
		sum[i % N] += b.src[i];
	CHECK(b, sum[el]);
}

static void transpose(void **state)
{
	struct axc_tile *t;
	struct bench b;

	begin(&b);
	t = axc_tile_new(b.p, AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, N, P);
	axc_transpose(b.p, axc_view(t), axc_view(b.a));
	axc_copy(b.p, AXON_ENGINE_SCALAR, axc_rows(axc_view(b.b), 0, N),
		 axc_cols(axc_view(t), 0, N));
	end(&b);
	CHECK(b, part < N ? b.src[el * N + part] : 0);
}

/* Bitwise operators, reversed operands, integers. */
static void bits(void **state)
{
	struct axc_scalar mask = { .is_bits = true, .bits = 0xfe };
	struct axc_scalar one = { .is_bits = true, .bits = 1 };
	struct axc_tile *u;
	struct bench b;

	begin(&b);
	u = axc_tile_new(b.p, AXON_SPACE_SBUF, AXON_DTYPE_INT32, P, N);
	axc_tensor_scalar(b.p, AXON_ENGINE_VECTOR, axc_view(u), axc_view(b.a), AXON_ALU_ADD,
			  axc_s(50), AXON_ALU_NONE, axc_s(0));
	axc_tensor_scalar(b.p, AXON_ENGINE_GPSIMD, axc_view(u), axc_view(u), AXON_ALU_AND, mask,
			  AXON_ALU_SHL, one);
	axc_tensor_scalar(b.p, AXON_ENGINE_VECTOR, axc_view(b.b), axc_view(u), AXON_ALU_SUBTRACT,
			  (struct axc_scalar){ .value = 1000, .reverse = true }, AXON_ALU_NONE,
			  axc_s(0));
	end(&b);
	CHECK(b, 1000 - (float)((((int)b.src[part * N + el] + 50) & 0xfe) << 1));
}

/* A loop whose instruction is moved by a register, and bf16 on the way. */
static void loop_offsets(void **state)
{
	struct axc_tile *half;
	struct axc_reg *i, *at;
	struct bench b;

	begin(&b);
	half = axc_tile_new(b.p, AXON_SPACE_SBUF, AXON_DTYPE_BFLOAT16, P, N);
	i = axc_loop_begin(b.p, N / 4, NULL);
	at = axc_reg_opi(b.p, AXON_RALU_SHL, i, 4);
	axc_copy(b.p, AXON_ENGINE_SCALAR,
		 axc_offset_reg(axc_cols(axc_view(half), 0, 4),
				axc_reg_opi(b.p, AXON_RALU_SHR, at, 1)),
		 axc_offset_reg(axc_cols(axc_view(b.a), 0, 4), at));
	axc_copy(b.p, AXON_ENGINE_VECTOR, axc_offset_reg(axc_cols(axc_view(b.b), 0, 4), at),
		 axc_offset_reg(axc_cols(axc_view(half), 0, 4),
				axc_reg_opi(b.p, AXON_RALU_SHR, at, 1)));
	axc_loop_end(b.p);
	end(&b);
	CHECK(b, b.src[part * N + el]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(select_where), cmocka_unit_test(affine_select),
		cmocka_unit_test(iota), cmocka_unit_test(over_partitions),
		cmocka_unit_test(transpose), cmocka_unit_test(bits), cmocka_unit_test(loop_offsets),
	};
	int ret;

	if (!soft_open())
		return 77;	/* meson: skipped, the runtime is not in this build */
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	soft_close();
	return ret;
}
