// SPDX-License-Identifier: MIT
/*
 * test-train-ref.c - the plain trainer's gradients against finite differences of its own results.
 *
 * In double precision, with four points at steps of h = 1e-4, the difference quotient is off by
 * about h^4 = 1e-16 times the fifth derivative (RMSNorm of small numbers makes it 1e6 or so) and by
 * 1e-16 / h = 1e-12 times the function: far below the bound of 1e-8, which no wrong formula
 * passes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ops_ref.h"
#include "train_ref.h"

#define STEP	1e-4
#define BOUND	1e-8

static uint64_t counter;

static double uniform(void)
{
	return (double)(train_ref_random(7, counter++) >> 11) / (1ull << 52) - 1;
}

static double *random_of(size_t n)
{
	double *x = malloc(n * sizeof(*x));

	for (size_t i = 0; i < n; i++)
		x[i] = uniform();
	return x;
}

/* A number that follows from what is differentiated. */
typedef double (*number_fn)(void *ctx);

static double slope(number_fn fn, void *ctx, double *x)
{
	double at = *x, f[5];

	for (int i = -2; i <= 2; i++) {
		*x = at + i * STEP;
		f[i + 2] = fn(ctx);
	}
	*x = at;
	return (8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * STEP);
}

/* @grad against the difference quotient of @fn in each of x[0 .. n - 1]. */
static void check(number_fn fn, void *ctx, double *x, const double *grad, size_t n,
		  const char *what)
{
	for (size_t i = 0; i < n; i++) {
		double d = slope(fn, ctx, &x[i]);

		if (!(fabs(d - grad[i]) <= BOUND * (1 + fabs(d))))
			fail_msg("%s: element %zu: gradient %.12g, difference quotient %.12g", what,
				 i, grad[i], d);
	}
}

/**
 * struct op - one operator: up to three inputs and a result, of which a weighted sum is the number
 */
struct op {
	double *in[3], *out, *weight, *grad[3];
	size_t n[3], nout;
	size_t T, a, b;
	struct ref_attn attn;
	bool inverse;
	uint32_t *targets;
	void (*run)(struct op *o);
};

static double weighted(void *ctx)
{
	struct op *o = ctx;
	double sum = 0;

	o->run(o);
	for (size_t i = 0; i < o->nout; i++)
		sum += o->weight[i] * o->out[i];
	return sum;
}

static struct op make(void (*run)(struct op *o), size_t nout, size_t n0, size_t n1, size_t n2)
{
	struct op o = { .run = run, .nout = nout, .n = { n0, n1, n2 } };

	o.out = calloc(nout, sizeof(double));
	o.weight = random_of(nout);
	for (int i = 0; i < 3; i++) {
		o.in[i] = random_of(o.n[i]);
		o.grad[i] = calloc(o.n[i] + 1, sizeof(double));
	}
	return o;
}

static void finish(struct op *o, const char *what)
{
	for (int i = 0; i < 3; i++)
		check(weighted, o, o->in[i], o->grad[i], o->n[i], what);
	for (int i = 0; i < 3; i++) {
		free(o->in[i]);
		free(o->grad[i]);
	}
	free(o->out);
	free(o->weight);
}

static void run_linear(struct op *o)
{
	ref_linear(o->out, o->in[0], o->in[1], o->T, o->a, o->b);
}

static void linear(void **state)
{
	struct op o = make(run_linear, 5 * 3, 5 * 4, 3 * 4, 0);

	o.T = 5;
	o.a = 3;
	o.b = 4;
	ref_linear_dx(o.grad[0], o.weight, o.in[1], 5, 3, 4);
	ref_linear_dw(o.grad[1], o.weight, o.in[0], 5, 3, 4);
	finish(&o, "linear");
}

static void run_rms(struct op *o)
{
	ref_rms(o->out, o->in[0], o->in[1], o->T, o->a, 1e-3);
}

static void rmsnorm(void **state)
{
	struct op o = make(run_rms, 4 * 7, 4 * 7, 7, 0);

	o.T = 4;
	o.a = 7;
	ref_rms_grad(o.grad[0], o.grad[1], o.weight, o.in[0], o.in[1], 4, 7, 1e-3);
	finish(&o, "rmsnorm");
}

static void run_rope(struct op *o)
{
	memcpy(o->out, o->in[0], o->nout * sizeof(double));
	ref_rope(o->out, 10, 5, 3, 4, 10000, o->inverse);
}

/* The gradient of a rotation is the rotation back. */
static void rope(void **state)
{
	for (int inverse = 0; inverse < 2; inverse++) {
		struct op o = make(run_rope, 10 * 12, 10 * 12, 0, 0);

		o.inverse = inverse;
		memcpy(o.grad[0], o.weight, o.nout * sizeof(double));
		ref_rope(o.grad[0], 10, 5, 3, 4, 10000, !inverse);
		finish(&o, "rope");
	}
}

static void run_attention(struct op *o)
{
	ref_attention(o->out, o->in[0], o->in[1], o->in[2], o->T, &o->attn);
}

static void attention(void **state)
{
	static const struct ref_attn shapes[] = {
		{ 4, 2, 3, 5 }, { 1, 1, 2, 1 }, { 3, 3, 4, 7 }, { 6, 1, 2, 2 },
	};

	for (size_t i = 0; i < 4; i++) {
		const struct ref_attn *a = &shapes[i];
		size_t T = 2 * a->seq, nq = T * a->heads * a->head_size;
		size_t nk = T * a->kv_heads * a->head_size;
		struct op o = make(run_attention, nq, nq, nk, nk);

		o.T = T;
		o.attn = *a;
		ref_attention_grad(o.grad[0], o.grad[1], o.grad[2], o.weight, o.in[0], o.in[1],
				   o.in[2], T, a);
		finish(&o, "attention");
	}
}

static void run_swiglu(struct op *o)
{
	ref_swiglu(o->out, o->in[0], o->in[1], o->nout);
}

static void swiglu(void **state)
{
	struct op o = make(run_swiglu, 50, 50, 50, 0);

	for (size_t i = 0; i < 50; i++)
		o.in[0][i] *= 6;
	ref_swiglu_grad(o.grad[0], o.grad[1], o.weight, o.in[0], o.in[1], 50);
	finish(&o, "swiglu");
}

static void run_entropy(struct op *o)
{
	*o->out = ref_cross_entropy(NULL, NULL, o->in[0], o->targets, o->T, o->a);
}

static void cross_entropy(void **state)
{
	uint32_t targets[6] = { 0, 8, 3, 3, 1, 7 };
	struct op o = make(run_entropy, 1, 6 * 9, 0, 0);

	o.T = 6;
	o.a = 9;
	o.targets = targets;
	o.weight[0] = 1;
	ref_cross_entropy(NULL, o.grad[0], o.in[0], targets, 6, 9);
	finish(&o, "cross entropy");
}

/* The whole model, all parameters. */
struct model {
	struct train_ref *r;
	uint32_t tokens[64], targets[64];
};

static double model_loss(void *ctx)
{
	struct model *m = ctx;

	return train_ref_loss(m->r, m->tokens, m->targets);
}

static void model(void **state)
{
	static const struct train_ref_config shapes[] = {
		{ 8, 6, 2, 2, 1, 7, 5, 2, false, 0, 0 }, { 6, 5, 1, 3, 3, 4, 3, 2, true, 0, 0 },
		{ 4, 3, 3, 1, 1, 3, 1, 1, false, 1e-3f, 100 },
	};

	for (size_t i = 0; i < 3; i++) {
		struct model m = { .r = train_ref_new(&shapes[i], i) };
		double loss;

		for (size_t k = 0; k < m.r->size; k++)	/* larger, so that softmax is bent */
			m.r->params[k] += 0.5 * uniform();
		for (size_t t = 0; t < shapes[i].batch * shapes[i].seq_len; t++) {
			m.tokens[t] = (uint32_t)(t * 5 + 1) % shapes[i].vocab;
			m.targets[t] = (uint32_t)(t * 3 + 2) % shapes[i].vocab;
		}
		loss = train_ref_grad(m.r, m.tokens, m.targets);
		assert_true(loss == model_loss(&m));
		check(model_loss, &m, m.r->params, m.r->grads, m.r->size, "model");
		train_ref_free(m.r);
	}
}

/* The first step is rate * sign(gradient) beside eps, whatever the betas; then the decay. */
static void adamw(void **state)
{
	double w[3] = { 1, -2, 3 }, m[3] = { 0 }, v[3] = { 0 };
	const double g[3] = { 5, -1e-3, 0 };
	const struct ref_adamw a = { .rate = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 0,
				     .decay = 0.5, .fix1 = 1 / (1 - 0.9), .fix2 = 1 / (1 - 0.99),
				     .factor = 2 };

	ref_adamw(w, m, v, g, 2, &a, true);
	assert_true(fabs(w[0] - (1 * 0.95 - 0.1)) < 1e-12);
	assert_true(fabs(w[1] - (-2 * 0.95 + 0.1)) < 1e-12);
	assert_true(fabs(m[0] - 0.1 * 10) < 1e-12 && fabs(v[0] - 0.01 * 100) < 1e-12);
	assert_true(w[2] == 3);
}

/* It learns: a text of one repeated pattern becomes certain. */
static void learns(void **state)
{
	const struct train_ref_config c = { 16, 24, 2, 4, 2, 5, 12, 4, false, 0, 0 };
	const struct train_ref_hyper h = { 1e-2, 0.9, 0.95, 1e-8, 0.1, 1 };
	struct train_ref *r = train_ref_new(&c, 1);
	uint32_t text[100], tokens[48], targets[48];
	double first = 0, loss = 0;

	for (uint32_t i = 0; i < 100; i++)
		text[i] = i % 5;
	for (uint32_t step = 0; step < 60; step++) {
		train_ref_tokens(&c, 1, step, text, 100, tokens, targets);
		loss = train_ref_grad(r, tokens, targets);
		first = step ? first : loss;
		train_ref_update(r, &h);
	}
	assert_true(fabs(first - log(5)) < 0.5);
	assert_true(loss < 0.05);
	train_ref_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linear), cmocka_unit_test(rmsnorm), cmocka_unit_test(rope),
		cmocka_unit_test(attention), cmocka_unit_test(swiglu),
		cmocka_unit_test(cross_entropy), cmocka_unit_test(model), cmocka_unit_test(adamw),
		cmocka_unit_test(learns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
