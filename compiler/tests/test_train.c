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
#include "soft.h"
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
 * Some steps with random gradients. @scale is a power of two, so that the card, which gets
 * gradients divided by it, sees the same numbers.
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

/* ---- the gradient ---- */

/**
 * struct model - a launch's tensors, and the plain trainer with the same parameters
 * @copy: of the gradients, made bucket by bucket as each is said to be complete
 */
struct model {
	struct axc_llama_train t;
	struct train_ref *r;
	float *params, *grads, *copy, *losses, loss;
	uint32_t *tokens, *targets;
	struct axc_tensor *tcopy;
	uint32_t buckets;
};

static void model_init(struct model *m, const struct axc_llama_train *t, uint32_t seed)
{
	struct train_ref_config c = plain(t);
	size_t T = (size_t)t->batch * t->model.seq_len, i;

	memset(m, 0, sizeof(*m));
	m->t = *t;
	m->r = train_ref_new(&c, seed);
	m->params = malloc(m->r->size * sizeof(float));
	m->grads = calloc(m->r->size, sizeof(float));
	m->copy = calloc(m->r->size, sizeof(float));
	m->losses = calloc(T, sizeof(float));
	m->tokens = calloc(T, sizeof(*m->tokens));
	m->targets = calloc(T, sizeof(*m->targets));
	for (i = 0; i < m->r->size; i++) {	/* far from the start: nothing is nearly uniform */
		m->params[i] = (float)(m->r->params[i] + 0.15 * ref_random(&seed));
		m->r->params[i] = m->params[i];
	}
	for (i = 0; i < T; i++) {
		m->tokens[i] = train_ref_random(seed, 2 * i) % t->model.vocab;
		m->targets[i] = train_ref_random(seed, 2 * i + 1) % t->model.vocab;
	}
}

static void model_free(struct model *m)
{
	train_ref_free(m->r);
	free(m->params);
	free(m->grads);
	free(m->copy);
	free(m->losses);
	free(m->tokens);
	free(m->targets);
}

static void model_run(struct model *m, enum axc_train_program which, bool copy, int expect)
{
	size_t n = m->r->size * sizeof(float);
	size_t T = (size_t)m->t.batch * m->t.model.seq_len;
	struct interp_tensor tensor[7] = {
		{ AXC_TRAIN_TOKENS, m->tokens, T * 4 }, { AXC_TRAIN_TARGETS, m->targets, T * 4 },
		{ AXC_TRAIN_PARAMS, m->params, n }, { AXC_TRAIN_LOSS, &m->loss, 4 },
		{ AXC_TRAIN_LOSSES, m->losses, T * 4 }, { AXC_TRAIN_GRADS, m->grads, n },
		{ "copy", m->copy, n },
	};
	struct axc_program *p;
	const char *text;

	if (axc_llama_train(&m->t, which, &p)) {
		axc_program_error(p, &text);
		fail_msg("%s", text);
	}
	run_program(p, tensor, which == AXC_TRAIN_EVAL ? 5 : copy ? 7 : 6, expect, 2e-5);
}

/*
 * A number passes through about 15 operators a layer, each off by some 1e-6 of the largest (their
 * own tests say why), and back through as many; the errors are of either sign, so that 1e-5 of the
 * largest gradient of an array holds for the few layers here. Where an array's gradients are all
 * small because they cancel, a hundredth of the model's largest counts.
 */
static void check_grads(const struct model *m, double bound)
{
	struct axc_llama_param param;
	double all = 0, top, worst;
	uint32_t k;
	size_t i, n;

	for (i = 0; i < m->r->size; i++)
		all = fmax(all, fabs(m->r->grads[i]));
	for (k = 0; !axc_llama_train_param(&m->t, k, &param); k++) {
		const double *want = m->r->grads + param.first;
		const float *got = m->grads + param.first;

		n = (size_t)param.rows * param.cols;
		for (i = 0, top = all / 100, worst = 0; i < n; i++) {
			top = fmax(top, fabs(want[i]));
			worst = fmax(worst, isfinite(got[i]) ? fabs(got[i] - want[i]) : INFINITY);
		}
		if (!(worst <= bound * top))
			fail_msg("%s of layer %u is off by %.3g of %.3g", param.name, param.layer,
				 worst, top);
	}
}

static void check_losses(const struct model *m, double want)
{
	size_t T = (size_t)m->t.batch * m->t.model.seq_len, i;

	assert_true(fabs(m->loss - want) <= 1e-5 * (1 + fabs(want)));
	for (i = 0; i < T; i++)
		assert_true(fabs(m->losses[i] - m->r->losses[i]) <=
			    2e-5 * (1 + fabs(m->r->losses[i])));
}

static void gradient_of(const struct axc_llama_train *t, uint32_t seed)
{
	struct model m;
	double loss;

	model_init(&m, t, seed);
	loss = train_ref_grad(m.r, m.tokens, m.targets);
	model_run(&m, AXC_TRAIN_GRAD, false, 0);
	check_losses(&m, loss);
	check_grads(&m, 1e-5);
	memset(m.losses, 0xff, m.t.batch * m.t.model.seq_len * sizeof(float));
	model_run(&m, AXC_TRAIN_EVAL, false, 0);
	check_losses(&m, loss);
	model_free(&m);
}

static void gradient(void **state)
{
	unsigned int i;

	for (i = 0; i < NSHAPES; i++)
		gradient_of(&shapes[i], i);
	/* 3 layers; sequences of more than a block; several blocks of tokens in loops */
	gradient_of(&(struct axc_llama_train){
		.model = { 32, 40, 3, 4, 1, 70, 129, 0, 0 }, .batch = 3 }, 10);
	gradient_of(&(struct axc_llama_train){
		.model = { 24, 33, 2, 2, 2, 17, 16, 0, 0 }, .batch = 24, .own_classifier = true },
		11);
}

/*
 * The loss of the card itself, a little up and down along the gradient: the difference is 2 h times
 * the gradient's length. fp32 leaves about 1e-6 of the loss; with h = 0.02 that and the curvature
 * stay below a hundredth of it.
 */
static void difference(void **state)
{
	const float h = 0.02f;
	double length = 0, up, down;
	struct model m;
	float *middle;
	size_t i;

	model_init(&m, &shapes[0], 5);
	model_run(&m, AXC_TRAIN_GRAD, false, 0);
	middle = memcpy(malloc(m.r->size * 4), m.params, m.r->size * 4);
	for (i = 0; i < m.r->size; i++)
		length += (double)m.grads[i] * m.grads[i];
	length = sqrt(length);
	for (i = 0; i < m.r->size; i++)
		m.params[i] = middle[i] + h * m.grads[i] / (float)length;
	model_run(&m, AXC_TRAIN_EVAL, false, 0);
	up = m.loss;
	for (i = 0; i < m.r->size; i++)
		m.params[i] = middle[i] - h * m.grads[i] / (float)length;
	model_run(&m, AXC_TRAIN_EVAL, false, 0);
	down = m.loss;
	if (!(fabs((up - down) / (2 * h) - length) <= 0.01 * length))
		fail_msg("difference quotient %g, gradient %g", (up - down) / (2 * h), length);
	free(middle);
	model_free(&m);
}

/* A token, or a target, that does not exist ends the launch. */
static void bad_tokens(void **state)
{
	struct model m;

	model_init(&m, &shapes[1], 1);
	m.tokens[0] = m.t.model.vocab;
	model_run(&m, AXC_TRAIN_GRAD, false, -1);
	m.tokens[0] = 0;
	m.targets[0] = UINT32_MAX;
	model_run(&m, AXC_TRAIN_EVAL, false, -1);
	model_free(&m);
}

/* Copies a bucket as soon as it is said to be complete. */
static void copy_bucket(void *opaque, struct axc_program *p, struct axc_tensor *grads,
			uint32_t bucket)
{
	struct model *m = opaque;
	const uint64_t n = axc_tensor_size(grads) / 4;
	struct axc_llama_param param;
	uint32_t k;

	assert_int_equal(bucket, m->buckets++);
	if (!bucket)
		m->tcopy = axc_tensor_new(p, AXC_OUTPUT, "copy", AXON_DTYPE_FLOAT32, 1, &n);
	for (k = 0; !axc_llama_train_param(&m->t, k, &param); k++) {
		struct axc_mem end = { .offset = 4 * param.first, .step = { 0, 0, 0, 4 } };
		struct axc_dma dma = { .engine = AXON_ENGINE_VECTOR, .queue = 9, .dst = end,
				       .src = end, .count = { 1, 1, 1, param.rows * param.cols } };

		if (param.bucket != bucket)
			continue;
		dma.dst.tensor = m->tcopy;
		dma.src.tensor = grads;
		dma.src.region = bucket;
		axc_dma(p, &dma);
	}
}

static void buckets(void **state)
{
	struct axc_llama_train t;
	struct model m;
	unsigned int i;

	for (i = 0; i < NSHAPES; i++) {
		t = shapes[i];
		t.bucket_done = copy_bucket;
		t.opaque = &m;
		model_init(&m, &t, i);
		model_run(&m, AXC_TRAIN_GRAD, true, 0);
		assert_int_equal(m.buckets, axc_llama_train_buckets(&t));
		assert_memory_equal(m.copy, m.grads, m.r->size * sizeof(float));
		model_free(&m);
	}
}

/* ---- a training ---- */

static struct soft *load(const struct axc_llama_train *t, enum axc_train_program which,
			 const struct interp_tensor *tensor, unsigned int n)
{
	struct axc_program *p;
	struct soft *s;
	size_t size;
	void *elf;

	assert_int_equal(axc_llama_train(t, which, &p), 0);
	assert_int_equal(axc_program_finish(p, &elf, &size), 0);
	axc_program_free(p);
	s = soft_load(elf, size, tensor, n);
	assert_non_null(s);
	free(elf);
	return s;
}

/* A text with something to learn: words of a few letters in random order. */
static void make_text(uint32_t *text, uint32_t n)
{
	static const char * const word[] = { "abc ", "bead ", "cab ", "face ", "a ", "dad " };
	const char *w = "";
	uint32_t i;

	for (i = 0; i < n; i++) {
		w = *w ? w : word[train_ref_random(99, i) % 6];
		text[i] = *w == ' ' ? 0 : (uint32_t)(*w - 'a' + 1);
		w++;
	}
}

/*
 * The loss curve of the soft card and of the plain trainer. They begin alike; rounding makes them
 * differ by 1e-6 in the first step. A training amplifies that: two plain trainers whose parameters
 * begin one fp32 rounding apart differ by 6e-8 after 60 steps at this rate, and by 1e-2 at 5e-3,
 * where the steps overshoot. The bound of 1e-4 leaves a factor of a thousand for all operators'
 * roundings in all steps.
 */
static void curve(void **state)
{
	const struct axc_llama_train t = {
		.model = { 24, 40, 2, 4, 2, 7, 20, 0, 0 }, .batch = 8,
	};
	const struct train_ref_hyper h = { 2e-3, 0.9f, 0.95f, 1e-8f, 0.1f, 1 };
	const struct train_ref_config c = plain(&t);
	struct train_ref *r = train_ref_new(&c, 7);
	size_t n = r->size, bytes = n * sizeof(float), T = 160;
	struct update u = { malloc(bytes), calloc(1, bytes), calloc(1, bytes), malloc(bytes) };
	uint32_t text[1000], tokens[160], targets[160], step;
	float loss, losses[160];
	struct interp_tensor grad[] = {
		{ AXC_TRAIN_TOKENS, tokens, T * 4 }, { AXC_TRAIN_TARGETS, targets, T * 4 },
		{ AXC_TRAIN_PARAMS, u.w, bytes }, { AXC_TRAIN_LOSS, &loss, 4 },
		{ AXC_TRAIN_LOSSES, losses, T * 4 }, { AXC_TRAIN_GRADS, u.g, bytes },
	};
	struct interp_tensor tensor[] = {
		{ AXC_TRAIN_PARAMS, u.w, bytes }, { AXC_TRAIN_M, u.m, bytes },
		{ AXC_TRAIN_V, u.v, bytes }, { AXC_TRAIN_GRADS, u.g, bytes },
		{ AXC_TRAIN_HYPER, u.hyper, sizeof(u.hyper) }, { AXC_TRAIN_NORM, &u.norm, 4 },
	};
	double first = 0, want = 0;
	struct soft *sg, *su;

	if (!run_has_card())
		skip();
	sg = load(&t, AXC_TRAIN_GRAD, grad, 6);
	su = load(&t, AXC_TRAIN_UPDATE, tensor, 6);
	train_ref_init(&c, 7, u.w);
	make_text(text, 1000);
	for (step = 0; step < 60; step++) {
		train_ref_tokens(&c, 7, step, text, 1000, tokens, targets);
		want = train_ref_grad(r, tokens, targets);
		train_ref_update(r, &h);
		assert_int_equal(soft_run(sg), 0);
		set_hyper(&u, &h, 1, step + 1);
		assert_int_equal(soft_run(su), 0);
		first = step ? first : want;
		if (!(fabs(loss - want) <= (step ? 1e-4 : 1e-5)))
			fail_msg("step %u: loss %.7f, not %.7f", step, loss, want);
	}
	printf("# loss %.4f, then %.4f, the plain trainer's is %.4f\n", first, loss, want);
	assert_true(loss < 0.75 * first);
	soft_free(sg);
	soft_free(su);
	train_ref_free(r);
	free(u.w);
	free(u.m);
	free(u.v);
	free(u.g);
}

/* Programs of the size that is trained; their size must not follow the batch. */
static void sizes(void **state)
{
	const struct axc_llama_train big[] = {
		{ .model = { 128, 352, 4, 4, 4, 512, 128, 0, 0 }, .batch = 16 },
		{ .model = { 128, 352, 4, 4, 4, 512, 128, 0, 0 }, .batch = 64 },
		{ .model = { 512, 1376, 2, 8, 4, 8192, 512, 0, 0 }, .batch = 4,
		  .own_classifier = true },
	};
	uint32_t insts[3] = { 0 };
	unsigned int i, e;

	for (i = 0; i < 3; i++) {
		struct axc_program *p;
		const char *text;
		size_t size;
		void *elf;
		int err = axc_llama_train(&big[i], AXC_TRAIN_GRAD, &p);

		axc_program_error(p, &text);
		if (!err)
			err = axc_program_finish(p, &elf, &size);
		if (err)
			fail_msg("%s", text);
		for (e = 0; e < AXON_NUM_ENGINES; e++)
			insts[i] += axc_program_insts(p, e);
		printf("# %u layers, dim %u, %u x %u tokens: %u instructions, %zu bytes\n",
		       big[i].model.n_layers, big[i].model.dim, big[i].batch,
		       big[i].model.seq_len, insts[i], size);
		axc_program_free(p);
		free(elf);
	}
	assert_int_equal(insts[0], insts[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout), cmocka_unit_test(bad_shapes),
		cmocka_unit_test(update), cmocka_unit_test(update_without_gradient),
		cmocka_unit_test(gradient), cmocka_unit_test(difference),
		cmocka_unit_test(bad_tokens), cmocka_unit_test(buckets), cmocka_unit_test(curve),
		cmocka_unit_test(sizes),
	};
	int ret;

	run_open();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	run_close();
	return ret;
}
