/* SPDX-License-Identifier: MIT */
/*
 * test_ops.c - each operator alone against plain C, over shapes around the limits of a tile.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ref.h"
#include "run.h"

static const uint32_t sizes[] = { 1, 2, 64, 127, 128, 129, 300, 513 };
#define NSIZES	(sizeof(sizes) / sizeof(sizes[0]))

static struct axc_tensor *vector(struct axc_program *p, enum axc_usage usage, const char *name,
				 enum axon_dtype dtype, uint64_t n)
{
	return axc_tensor_new(p, usage, name, dtype, 1, &n);
}

/* What both executors may differ by, relative to the largest number. */
#define TOLERANCE	2e-5

static void run(struct axc_program *p, const struct interp_tensor *t, unsigned int n, int expect)
{
	run_program(p, t, n, expect, TOLERANCE);
}

static float *random_floats(size_t n, float scale)
{
	static uint32_t seed = 4711;
	float *x = malloc(n * sizeof(*x));

	ref_fill(&seed, x, n, scale);
	return x;
}

/* In column form: in, an operator, out. */
struct vec {
	struct axc_program *p;
	struct axc_tensor *in, *out;
	struct axc_column x, y;
	float *src, *dst, *want;
	uint32_t m, n;
};

static void vec_begin(struct vec *v, uint32_t m, uint32_t n)
{
	v->m = m;
	v->n = n;
	v->p = axc_program_new("test");
	v->in = vector(v->p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, n);
	v->out = vector(v->p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, m);
	v->x = axc_column_new(v->p, n);
	v->y = axc_column_new(v->p, m);
	axc_column_load(v->p, &v->x, v->in, 0);
	v->src = random_floats(n, 1);
	v->dst = calloc(m, 4);
	v->want = calloc(m, 4);
}

static void vec_end(struct vec *v)
{
	struct interp_tensor t[] = { { "in", v->src, v->n * 4 }, { "out", v->dst, v->m * 4 } };

	axc_column_store(v->p, v->out, 0, &v->y);
	run(v->p, t, 2, 0);
	assert_true(ref_distance(v->dst, v->want, v->m) < 2e-5);
	free(v->src);
	free(v->dst);
	free(v->want);
}

static void matvec(void **state)
{
	unsigned int i, j;

	for (i = 0; i < NSIZES; i++) {
		for (j = 0; j < NSIZES; j++) {
			struct vec v;
			float *w = random_floats((size_t)sizes[i] * sizes[j], 1);

			vec_begin(&v, sizes[i], sizes[j]);
			axc_op_matvec(v.p, &v.y, w, &v.x);
			ref_matvec(v.want, w, v.src, v.m, v.n);
			vec_end(&v);
			free(w);
		}
	}
}

/* More weights than fit on chip. */
static void matvec_streamed(void **state)
{
	float *w = random_floats(3000 * 1100, 1);
	struct vec v;

	vec_begin(&v, 3000, 1100);
	axc_op_matvec(v.p, &v.y, w, &v.x);
	ref_matvec(v.want, w, v.src, v.m, v.n);
	vec_end(&v);
	free(w);
}

static void rmsnorm(void **state)
{
	unsigned int i;

	for (i = 0; i < NSIZES; i++) {
		struct vec v;
		float *w = random_floats(sizes[i], 2);

		vec_begin(&v, sizes[i], sizes[i]);
		axc_op_rmsnorm(v.p, &v.y, &v.x, w, 1e-5f);
		ref_rmsnorm(v.want, v.src, w, v.n, 1e-5f);
		vec_end(&v);
		free(w);
	}
}

static void swiglu(void **state)
{
	unsigned int i, j;

	for (i = 0; i < NSIZES; i++) {
		uint32_t hidden = sizes[NSIZES - 1 - i], n = sizes[i];
		float *w1 = random_floats((size_t)hidden * n, 1), *h1 = malloc(hidden * 4);
		float *w3 = random_floats((size_t)hidden * n, 1), *h3 = malloc(hidden * 4);
		float *w2 = random_floats((size_t)n * hidden, 1);
		struct vec v;

		vec_begin(&v, n, n);
		axc_op_swiglu(v.p, &v.y, w1, w2, w3, hidden, &v.x);
		axc_op_add(v.p, &v.y, &v.x);
		ref_matvec(h1, w1, v.src, hidden, n);
		ref_matvec(h3, w3, v.src, hidden, n);
		for (j = 0; j < hidden; j++)
			h1[j] = h1[j] / (1 + expf(-h1[j])) * h3[j];
		ref_matvec(v.want, w2, h1, n, hidden);
		for (j = 0; j < n; j++)
			v.want[j] += v.src[j];
		vec_end(&v);
		free(w1);
		free(w2);
		free(w3);
		free(h1);
		free(h3);
	}
}

static void embedding(void **state)
{
	unsigned int i;

	for (i = 0; i < NSIZES; i++) {
		uint32_t n = sizes[i], rows = 37, bad;
		float *table = random_floats((size_t)rows * n, 1), *out = malloc(n * 4);

		for (bad = 0; bad < 2; bad++) {
			uint32_t index = bad ? rows : rows - 1;
			struct interp_tensor t[] = { { "index", &index, 4 },
						     { "out", out, n * 4 } };
			struct axc_program *p = axc_program_new("test");
			struct axc_tensor *in = vector(p, AXC_INPUT, "index", AXON_DTYPE_UINT32, 1);
			struct axc_tensor *o = vector(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, n);
			struct axc_column x = axc_column_new(p, n);

			axc_op_embedding(p, &x, table, rows, in);
			axc_column_store(p, o, 0, &x);
			run(p, t, 2, bad ? -1 : 0);
			if (!bad)
				assert_memory_equal(out, table + (size_t)(rows - 1) * n, n * 4);
		}
		free(table);
		free(out);
	}
}

/* @same: all logits equal; the first must win */
static void logits_of(uint32_t rows, uint32_t n, bool same)
{
	float *w = random_floats((size_t)rows * n, 1), *x = random_floats(n, 1);
	float *out = calloc(rows, 4), *want = calloc(rows, 4);
	uint32_t best = 12345, i;
	struct interp_tensor t[] = { { "x", x, n * 4 }, { "out", out, rows * 4 },
				     { "best", &best, 4 } };
	struct axc_program *p = axc_program_new("test");
	struct axc_tensor *in = vector(p, AXC_INPUT, "x", AXON_DTYPE_FLOAT32, n);
	struct axc_tensor *o = vector(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, rows);
	struct axc_tensor *b = vector(p, AXC_OUTPUT, "best", AXON_DTYPE_UINT32, 1);
	struct axc_column c = axc_column_new(p, n);

	for (i = 0; same && i < rows; i++)
		memcpy(w + (size_t)i * n, w, n * 4);
	axc_column_load(p, &c, in, 0);
	axc_op_logits(p, o, b, w, rows, &c);
	ref_matvec(want, w, x, rows, n);
	run(p, t, 3, 0);
	assert_true(ref_distance(out, want, rows) < 2e-5);
	assert_int_equal(best, same ? 0 : ref_argmax(out, rows));
	free(w);
	free(x);
	free(out);
	free(want);
}

static void logits(void **state)
{
	static const uint32_t rows[] = { 1, 7, 8, 9, 512, 513, 2048, 2049, 4096, 4097, 4100, 8200 };
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		logits_of(rows[i], 64, false);
		logits_of(rows[i], 3, true);
	}
	logits_of(9000, 200, false);
}

static void softmax(void **state)
{
	static const uint32_t shape[][2] = { { 1, 1 }, { 3, 129 }, { 128, 513 }, { 130, 8 },
					     { 2, 5000 } };
	unsigned int i, r, c;

	for (i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
		uint64_t dims[] = { shape[i][0], shape[i][1] };
		size_t n = dims[0] * dims[1];
		float *x = random_floats(n, 30), *y = calloc(n, 4), *want = calloc(n, 4);
		struct interp_tensor t[] = { { "x", x, n * 4 }, { "y", y, n * 4 } };
		struct axc_program *p = axc_program_new("test");
		struct axc_tensor *in = axc_tensor_new(p, AXC_INPUT, "x", AXON_DTYPE_FLOAT32, 2,
						       dims);
		struct axc_tensor *out = axc_tensor_new(p, AXC_OUTPUT, "y", AXON_DTYPE_FLOAT32, 2,
							dims);

		axc_op_softmax(p, out, in, shape[i][0], shape[i][1]);
		for (r = 0; r < dims[0]; r++) {
			float *a = x + r * dims[1], *b = want + r * dims[1], top = a[0], sum = 0;

			for (c = 0; c < dims[1]; c++)
				top = a[c] > top ? a[c] : top;
			for (c = 0; c < dims[1]; c++)
				sum += b[c] = expf(a[c] - top);
			for (c = 0; c < dims[1]; c++)
				b[c] /= sum;
		}
		run(p, t, 2, 0);
		assert_true(ref_distance(y, want, n) < 2e-5);
		free(x);
		free(y);
		free(want);
	}
}

static uint16_t bf16(float f)
{
	uint32_t b;

	memcpy(&b, &f, 4);
	return (uint16_t)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

static float from_bf16(uint16_t h)
{
	uint32_t b = (uint32_t)h << 16;
	float f;

	memcpy(&f, &b, 4);
	return f;
}

static void product(uint32_t m, uint32_t k, uint32_t n, bool half)
{
	uint64_t da[] = { k, m }, db[] = { k, n }, dc[] = { m, n };
	float *a = random_floats((size_t)k * m, 1), *b = random_floats((size_t)k * n, 1);
	uint16_t *ha = malloc((size_t)k * m * 2), *hb = malloc((size_t)k * n * 2);
	float *c = calloc((size_t)m * n, 4), *want = calloc((size_t)m * n, 4);
	enum axon_dtype type = half ? AXON_DTYPE_BFLOAT16 : AXON_DTYPE_FLOAT32;
	struct interp_tensor t[] = {
		{ "a", half ? (void *)ha : a, (size_t)k * m * (half ? 2 : 4) },
		{ "b", half ? (void *)hb : b, (size_t)k * n * (half ? 2 : 4) },
		{ "c", c, (size_t)m * n * 4 },
	};
	struct axc_program *p = axc_program_new("test");
	struct axc_tensor *ta = axc_tensor_new(p, AXC_INPUT, "a", type, 2, da);
	struct axc_tensor *tb = axc_tensor_new(p, AXC_INPUT, "b", type, 2, db);
	struct axc_tensor *tc = axc_tensor_new(p, AXC_OUTPUT, "c", AXON_DTYPE_FLOAT32, 2, dc);
	size_t i, j, l;

	for (i = 0; i < (size_t)k * m; i++)
		a[i] = half ? from_bf16(ha[i] = bf16(a[i])) : a[i];
	for (i = 0; i < (size_t)k * n; i++)
		b[i] = half ? from_bf16(hb[i] = bf16(b[i])) : b[i];
	axc_op_matmul(p, tc, ta, tb, m, k, n);
	for (i = 0; i < m; i++)
		for (l = 0; l < k; l++)
			for (j = 0; j < n; j++)
				want[i * n + j] += a[l * m + i] * b[l * n + j];
	run(p, t, 3, 0);
	assert_true(ref_distance(c, want, (size_t)m * n) < 2e-5);
	free(a);
	free(b);
	free(ha);
	free(hb);
	free(c);
	free(want);
}

static void matmul(void **state)
{
	product(1, 1, 1, false);
	product(127, 129, 513, false);
	product(129, 513, 127, false);
	product(513, 127, 129, true);
	product(200, 64, 1100, false);
	/* the left factor does not fit at once */
	product(300, 9000, 20, false);
}

static struct axc_attention attention_of(struct axc_program *p, uint32_t heads, uint32_t kv,
					 uint32_t hs, uint32_t seq)
{
	const uint64_t dims[] = { 2, kv * hs, seq }, one = 1;

	return (struct axc_attention){
		.n_heads = heads, .n_kv_heads = kv, .head_size = hs, .seq_len = seq,
		.k_cache = axc_tensor_new(p, AXC_INOUT, "k", AXON_DTYPE_FLOAT32, 3, dims),
		.v_cache = axc_tensor_new(p, AXC_INOUT, "v", AXON_DTYPE_FLOAT32, 3, dims),
		.pos = axc_tensor_new(p, AXC_INPUT, "pos", AXON_DTYPE_UINT32, 1, &one),
	};
}

/* At position 0 attention is Wo V x, whatever the keys; and the caches must get K x and V x. */
static void attention_alone(void **state)
{
	uint32_t n = 100, pos = 0, heads = 6, kv = 3, hs = 10, seq = 140, i;
	float *wq = random_floats(60 * 100, 1), *wk = random_floats(30 * 100, 1);
	float *wv = random_floats(30 * 100, 1), *wo = random_floats(100 * 60, 1);
	float *x = random_floats(n, 1), *y = calloc(n, 4), want[100], v[30], spread[60], key[30];
	size_t cache = 2 * 30 * 140 * 4;
	float *k_cache = calloc(1, cache), *v_cache = calloc(1, cache);
	struct interp_tensor t[] = { { "in", x, n * 4 }, { "out", y, n * 4 },
				     { "k", k_cache, cache }, { "v", v_cache, cache },
				     { "pos", &pos, 4 } };
	struct axc_program *p = axc_program_new("test");
	struct axc_attention a = attention_of(p, heads, kv, hs, seq);
	struct axc_tensor *in = vector(p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, n);
	struct axc_tensor *out = vector(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, n);
	struct axc_column cx = axc_column_new(p, n), cy = axc_column_new(p, n);

	axc_column_load(p, &cx, in, 0);
	axc_op_attention(p, &cy, &a, 1, wq, wk, wv, wo, &cx);
	axc_column_store(p, out, 0, &cy);
	run(p, t, 5, 0);
	ref_matvec(v, wv, x, 30, n);
	ref_matvec(key, wk, x, 30, n);
	for (i = 0; i < 60; i++)
		spread[i] = v[i / hs / 2 * hs + i % hs];
	ref_matvec(want, wo, spread, n, 60);
	assert_true(ref_distance(y, want, n) < 2e-5);
	for (i = 0; i < 30; i++) {
		assert_true(fabsf(k_cache[(30 + i) * seq] - key[i]) < 1e-4f);
		assert_true(fabsf(v_cache[seq * 30 + i] - v[i]) < 1e-4f);
		assert_true(k_cache[i * seq] == 0);	/* the other layer's */
	}
	free(wq);
	free(wk);
	free(wv);
	free(wo);
	free(x);
	free(y);
	free(k_cache);
	free(v_cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matvec), cmocka_unit_test(matvec_streamed),
		cmocka_unit_test(rmsnorm), cmocka_unit_test(swiglu), cmocka_unit_test(embedding),
		cmocka_unit_test(logits), cmocka_unit_test(softmax), cmocka_unit_test(matmul),
		cmocka_unit_test(attention_alone),
	};
	int ret;

	run_open();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	run_close();
	return ret;
}
