/* SPDX-License-Identifier: MIT */
/*
 * test_train.c - the programs of a training against the plain trainer in double precision.
 */
#include <errno.h>
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
#include "ref.h"
#include "run.h"
#include "train_ref.h"

static struct train_ref_config plain(const struct axc_llama_train *t)
{
	return (struct train_ref_config){
		t->model.dim, t->model.hidden_dim, t->model.n_layers, t->model.n_heads,
		t->model.n_kv_heads, t->model.vocab, t->model.seq_len, t->batch,
		t->own_classifier, t->model.norm_eps, t->model.rope_theta,
	};
}

/* Shapes: one that is all awkward, one of each kind of classifier and grouping. */
static const struct axc_llama_train shapes[] = {
	{ .model = { 48, 67, 2, 4, 2, 65, 33, 0, 0 }, .batch = 3 },
	{ .model = { 6, 5, 1, 3, 1, 3, 1, 0, 0 }, .batch = 1, .own_classifier = true },
	{ .model = { 130, 129, 1, 13, 13, 130, 7, 1e-6f, 500 }, .batch = 20,
	  .own_classifier = true },
};
#define NSHAPES	(sizeof(shapes) / sizeof(shapes[0]))

/* ---- the flat tensor ---- */

/* The parameters fill it without gaps, in the checkpoint's order; buckets count backwards. */
static void layout_of(const struct axc_llama_train *t)
{
	static const char * const order[] = {
		"token_embedding", "rms_att", "wq", "wk", "wv", "wo", "rms_ffn", "w1", "w2", "w3",
		"rms_final", "wcls",
	};
	const struct train_ref_config c = plain(t);
	struct train_ref *r = train_ref_new(&c, 1);
	struct axc_llama_param param;
	uint32_t i, a = 0, layer = 0, buckets = axc_llama_train_buckets(t), last;
	uint64_t at = 0;

	assert_int_equal(buckets, t->model.n_layers + 2);
	for (i = 0; !axc_llama_train_param(t, i, &param); i++) {
		if (strcmp(param.name, order[a])) {
			a++;
			layer = 0;
		}
		assert_string_equal(param.name, order[a]);
		assert_int_equal(param.layer, layer++);
		assert_int_equal(param.first, at);
		at += (uint64_t)param.rows * param.cols;
		assert_int_equal(param.decay, strncmp(param.name, "rms", 3) != 0);
		last = a == 0 ? buckets - 1 : a < 10 ? t->model.n_layers - param.layer : 0;
		assert_int_equal(param.bucket, last);
	}
	assert_int_equal(axc_llama_train_param(t, i, &param), -ENOENT);
	assert_int_equal(a, t->own_classifier ? 11 : 10);
	assert_int_equal(i, 9 * t->model.n_layers + (t->own_classifier ? 3 : 2));
	assert_int_equal(at, axc_llama_train_size(t));
	assert_int_equal(at, r->size);
	train_ref_free(r);
}

static void layout(void **state)
{
	unsigned int i;

	for (i = 0; i < NSHAPES; i++)
		layout_of(&shapes[i]);
}

/* Shapes that cannot be trained are refused by every call, and the program says what they are. */
static void bad_shapes(void **state)
{
	const struct axc_llama_train good = shapes[0];
	struct axc_llama_param param;
	struct axc_program *p;
	const char *text;
	unsigned int i;

	for (i = 0; i < 13; i++) {
		struct axc_llama_train t = good;
		uint32_t *field[] = {
			&t.model.dim, &t.model.hidden_dim, &t.model.n_layers, &t.model.n_heads,
			&t.model.n_kv_heads, &t.model.vocab, &t.model.seq_len, &t.batch,
		};

		if (i < 8)
			*field[i] = 0;
		else if (i < 11)
			*field[(const int[]){ 3, 4, 0 }[i - 8]] = (const uint32_t[]){
				5, 3, 4 * 130 }[i - 8];
		else
			*field[i == 11 ? 7 : 6] = UINT32_MAX;
		assert_int_equal(axc_llama_train_size(&t), 0);
		assert_int_equal(axc_llama_train_buckets(&t), 0);
		assert_int_equal(axc_llama_train_param(&t, 0, &param), -EINVAL);
		assert_int_equal(axc_llama_train(&t, AXC_TRAIN_UPDATE, &p), -EINVAL);
		assert_int_equal(axc_program_error(p, &text), -EINVAL);
		assert_non_null(strstr(text, "llama training: dim"));
		axc_program_free(p);
	}
	assert_int_equal(axc_llama_train(&good, 77, &p), -EINVAL);
	assert_int_equal(axc_llama_train(NULL, AXC_TRAIN_UPDATE, &p), -EINVAL);
}

/* ---- the optimiser ---- */

static void near(const float *got, const double *want, size_t n, double bound, const char *what)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!(fabs(got[i] - want[i]) <= bound * (1 + fabs(want[i]))))
			fail_msg("%s %zu: %.9g, not %.9g", what, i, got[i], want[i]);
}

/**
 * struct update - parameters on the card, beside those of the plain trainer
 */
struct update {
	float *w, *m, *v, *g, norm, hyper[AXC_ADAMW_SIZE];
};

static void set_hyper(struct update *u, const struct train_ref_hyper *h, double scale,
		      uint64_t step)
{
	const float hyper[AXC_ADAMW_SIZE] = {
		[AXC_ADAMW_RATE] = (float)h->rate, [AXC_ADAMW_BETA1] = (float)h->beta1,
		[AXC_ADAMW_BETA2] = (float)h->beta2, [AXC_ADAMW_EPS] = (float)h->eps,
		[AXC_ADAMW_DECAY] = (float)h->decay,
		[AXC_ADAMW_FIX1] = (float)(1 / (1 - pow(h->beta1, (double)step))),
		[AXC_ADAMW_FIX2] = (float)(1 / (1 - pow(h->beta2, (double)step))),
		[AXC_ADAMW_SCALE] = (float)scale, [AXC_ADAMW_CLIP] = (float)h->clip,
	};

	memcpy(u->hyper, hyper, sizeof(hyper));
}

/*
 * Some steps with random gradients. @scale is a power of two, so that the card, which gets gradients
 * divided by it, sees the same numbers.
 */
static void update_of(const struct axc_llama_train *t, double clip, double scale)
{
	/* As fp32 has them: else the difference would be the tolerance's largest part. */
	const struct train_ref_hyper h = { 1e-2, 0.9f, 0.95f, 1e-8f, 0.1f, clip };
	const struct train_ref_config c = plain(t);
	struct train_ref *r = train_ref_new(&c, 3);
	size_t n = r->size, bytes = n * sizeof(float), i;
	struct update u = { malloc(bytes), calloc(1, bytes), calloc(1, bytes), malloc(bytes) };
	struct interp_tensor tensor[] = {
		{ AXC_TRAIN_PARAMS, u.w, bytes }, { AXC_TRAIN_M, u.m, bytes },
		{ AXC_TRAIN_V, u.v, bytes }, { AXC_TRAIN_GRADS, u.g, bytes },
		{ AXC_TRAIN_HYPER, u.hyper, sizeof(u.hyper) }, { AXC_TRAIN_NORM, &u.norm, 4 },
	};
	uint32_t seed = 17, step;
	double norm;

	train_ref_init(&c, 3, u.w);
	for (step = 1; step <= 3; step++) {
		struct axc_program *p;

		ref_fill(&seed, u.g, n, step == 2 ? 1e-4f : 1.0f);
		for (i = 0; i < n; i++) {
			r->grads[i] = u.g[i];
			u.g[i] /= (float)scale;
		}
		norm = train_ref_update(r, &h);
		set_hyper(&u, &h, scale, step);
		assert_int_equal(axc_llama_train(t, AXC_TRAIN_UPDATE, &p), 0);
		run_program(p, tensor, 6, 0, 1e-5);
		assert_true(fabs(u.norm - norm) <= 2e-6 * norm);
		near(u.m, r->m, n, 1e-6, "m");
		near(u.v, r->v, n, 1e-6, "v");
		/* Three steps, in each two roundings of a weight: 6 * 2^-24; the step's own are
		 * smaller by the rate.
		 */
		near(u.w, r->params, n, 4e-7, "w");
	}
	train_ref_free(r);
	free(u.w);
	free(u.m);
	free(u.v);
	free(u.g);
}

static void update(void **state)
{
	unsigned int i;

	for (i = 0; i < NSHAPES; i++) {
		update_of(&shapes[i], INFINITY, 1);
		update_of(&shapes[i], 0.5, 0.25);
	}
}

/* No gradient at all, and a limit: nothing may become NaN, only decay moves the weights. */
static void update_without_gradient(void **state)
{
	const struct train_ref_hyper h = { 1e-2, 0.9, 0.95, 1e-8, 0.5, 1 };
	struct axc_llama_train t = shapes[1];
	size_t n = axc_llama_train_size(&t), bytes = n * sizeof(float), i;
	struct update u = { malloc(bytes), calloc(1, bytes), calloc(1, bytes), calloc(1, bytes) };
	struct interp_tensor tensor[] = {
		{ AXC_TRAIN_PARAMS, u.w, bytes }, { AXC_TRAIN_M, u.m, bytes },
		{ AXC_TRAIN_V, u.v, bytes }, { AXC_TRAIN_GRADS, u.g, bytes },
		{ AXC_TRAIN_HYPER, u.hyper, sizeof(u.hyper) }, { AXC_TRAIN_NORM, &u.norm, 4 },
	};
	struct axc_llama_param param;
	struct axc_program *p;
	uint32_t k;

	for (i = 0; i < n; i++)
		u.w[i] = 2;
	set_hyper(&u, &h, 1, 1);
	u.norm = 5;
	assert_int_equal(axc_llama_train(&t, AXC_TRAIN_UPDATE, &p), 0);
	run_program(p, tensor, 6, 0, 1e-6);
	assert_true(u.norm == 0);
	for (k = 0; !axc_llama_train_param(&t, k, &param); k++)
		for (i = 0; i < (size_t)param.rows * param.cols; i++)
			assert_true(fabs(u.w[param.first + i] - (param.decay ? 1.99 : 2)) < 1e-6);
	free(u.w);
	free(u.m);
	free(u.v);
	free(u.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout), cmocka_unit_test(bad_shapes),
		cmocka_unit_test(update), cmocka_unit_test(update_without_gradient),
	};
	int ret;

	run_open();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	run_close();
	return ret;
}
