// SPDX-License-Identifier: MIT
/*
 * train_ref.c - see train_ref.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops_ref.h"
#include "train_ref.h"

enum { EMB, RMS_ATT, WQ, WK, WV, WO, RMS_FFN, W1, W2, W3, RMS_FINAL, WCLS, NARRAYS };

/**
 * struct train_ref_acts - what the backward pass needs, and the gradients on their way
 * @x: [layers + 1][T][dim]: what enters each layer, and what leaves the last
 * @mid: [layers][T][dim]: after attention
 */
struct train_ref_acts {
	double *x, *n1, *q, *k, *v, *att, *mid, *n2, *a, *b, *h, *nf, *logits;
	double *dx, *dn, *dq, *dk, *dv, *datt, *da, *db, *dh, *dlogits;
};

static size_t tokens_of(const struct train_ref_config *c)
{
	return (size_t)c->batch * c->seq_len;
}

static size_t kv_dim(const struct train_ref_config *c)
{
	return c->dim / c->n_heads * c->n_kv_heads;
}

static size_t array_size(const struct train_ref_config *c, int a)
{
	size_t dim = c->dim, hid = c->hidden_dim;
	const size_t size[NARRAYS] = {
		[EMB] = c->vocab * dim, [RMS_ATT] = dim, [WQ] = dim * dim, [WK] = kv_dim(c) * dim,
		[WV] = kv_dim(c) * dim, [WO] = dim * dim, [RMS_FFN] = dim, [W1] = hid * dim,
		[W2] = dim * hid, [W3] = hid * dim, [RMS_FINAL] = dim, [WCLS] = c->vocab * dim,
	};

	return size[a];
}

static size_t layers_of(const struct train_ref_config *c, int a)
{
	if (a == WCLS)
		return c->own_classifier;
	return a == EMB || a == RMS_FINAL ? 1 : c->n_layers;
}

/* Where array @a of layer @l begins. */
static size_t place(const struct train_ref_config *c, int a, size_t l)
{
	size_t at = 0;

	for (int i = 0; i < a; i++)
		at += array_size(c, i) * layers_of(c, i);
	return at + array_size(c, a) * l;
}

uint64_t train_ref_random(uint64_t seed, uint64_t i)
{
	uint64_t x = seed + (i + 1) * 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void train_ref_init(const struct train_ref_config *c, uint64_t seed, float *params)
{
	for (int a = 0; a < NARRAYS; a++) {
		size_t first = place(c, a, 0), n = array_size(c, a) * layers_of(c, a);
		double scale = 0.02 * sqrt(3);

		if (a == WO || a == W2)
			scale /= sqrt(2.0 * c->n_layers);
		for (size_t i = first; i < first + n; i++) {
			float k = (float)(train_ref_random(seed, i) >> 40);

			params[i] = a == RMS_ATT || a == RMS_FFN || a == RMS_FINAL ? 1 :
				    (float)scale * (k / 8388608.0f - 1.0f);
		}
	}
}

void train_ref_tokens(const struct train_ref_config *c, uint64_t seed, uint64_t step,
		      const uint32_t *text, size_t n, uint32_t *tokens, uint32_t *targets)
{
	for (uint32_t b = 0; b < c->batch; b++) {
		size_t at = train_ref_random(~seed, step * c->batch + b) % (n - c->seq_len);

		memcpy(tokens + (size_t)b * c->seq_len, text + at, c->seq_len * sizeof(*text));
		memcpy(targets + (size_t)b * c->seq_len, text + at + 1, c->seq_len * sizeof(*text));
	}
}

/* ---- a model ---- */

static bool make_acts(struct train_ref *r)
{
	const struct train_ref_config *c = &r->c;
	struct train_ref_acts *s = r->acts;
	size_t T = tokens_of(c), L = c->n_layers, row = T * c->dim, kv = T * kv_dim(c);
	size_t hid = T * c->hidden_dim, voc = T * c->vocab;
	struct { double **to; size_t n; } want[] = {
		{ &s->x, (L + 1) * row }, { &s->n1, L * row }, { &s->q, L * row },
		{ &s->k, L * kv }, { &s->v, L * kv }, { &s->att, L * row }, { &s->mid, L * row },
		{ &s->n2, L * row }, { &s->a, L * hid }, { &s->b, L * hid }, { &s->h, L * hid },
		{ &s->nf, row }, { &s->logits, voc }, { &s->dx, row }, { &s->dn, row },
		{ &s->dq, row }, { &s->dk, kv }, { &s->dv, kv },
		{ &s->datt, row }, { &s->da, hid }, { &s->db, hid }, { &s->dh, hid },
		{ &s->dlogits, voc },
	};
	bool ok = true;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		*want[i].to = calloc(want[i].n, sizeof(double));
		ok = ok && *want[i].to;
	}
	return ok;
}

struct train_ref *train_ref_new(const struct train_ref_config *c, uint64_t seed)
{
	struct train_ref *r = calloc(1, sizeof(*r));
	float *params;

	if (!r)
		return NULL;
	r->c = *c;
	if (r->c.norm_eps == 0)
		r->c.norm_eps = 1e-5f;
	if (r->c.rope_theta == 0)
		r->c.rope_theta = 10000.0f;
	r->size = place(c, NARRAYS - 1, layers_of(c, NARRAYS - 1));
	r->params = calloc(r->size, sizeof(double));
	r->grads = calloc(r->size, sizeof(double));
	r->m = calloc(r->size, sizeof(double));
	r->v = calloc(r->size, sizeof(double));
	r->losses = calloc(tokens_of(c), sizeof(double));
	r->acts = calloc(1, sizeof(*r->acts));
	params = calloc(r->size, sizeof(float));
	if (!r->params || !r->grads || !r->m || !r->v || !r->losses || !r->acts || !params ||
	    !make_acts(r)) {
		free(params);
		train_ref_free(r);
		return NULL;
	}
	train_ref_init(c, seed, params);
	for (size_t i = 0; i < r->size; i++)
		r->params[i] = params[i];
	free(params);
	return r;
}

void train_ref_free(struct train_ref *r)
{
	double **act = (double **)(r ? r->acts : NULL);

	if (!r)
		return;
	for (size_t i = 0; act && i < sizeof(*r->acts) / sizeof(*act); i++)
		free(act[i]);
	free(r->acts);
	free(r->params);
	free(r->grads);
	free(r->m);
	free(r->v);
	free(r->losses);
	free(r);
}

static struct ref_attn attn_of(const struct train_ref_config *c)
{
	return (struct ref_attn){ .heads = c->n_heads, .kv_heads = c->n_kv_heads,
				  .head_size = c->dim / c->n_heads, .seq = c->seq_len };
}

static const double *weight(const struct train_ref *r, int a, size_t l)
{
	return r->params + place(&r->c, a, l);
}

static double *grad(struct train_ref *r, int a, size_t l)
{
	return r->grads + place(&r->c, a, l);
}

static const double *classifier(const struct train_ref *r)
{
	return weight(r, r->c.own_classifier ? WCLS : EMB, 0);
}

static void add(double *to, const double *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += a[i];
}

/* ---- forward ---- */

static void forward_layer(struct train_ref *r, size_t l)
{
	const struct train_ref_config *c = &r->c;
	size_t T = tokens_of(c), dim = c->dim, kv = kv_dim(c), hid = c->hidden_dim;
	size_t hs = dim / c->n_heads;
	struct ref_attn at = attn_of(c);
	struct train_ref_acts *s = r->acts;
	double *x = s->x + l * T * dim, *next = x + T * dim, *mid = s->mid + l * T * dim;
	double *n1 = s->n1 + l * T * dim, *n2 = s->n2 + l * T * dim;
	double *q = s->q + l * T * dim, *k = s->k + l * T * kv, *v = s->v + l * T * kv;
	double *att = s->att + l * T * dim, *a = s->a + l * T * hid, *b = s->b + l * T * hid;
	double *h = s->h + l * T * hid;

	ref_rms(n1, x, weight(r, RMS_ATT, l), T, dim, c->norm_eps);
	ref_linear(q, n1, weight(r, WQ, l), T, dim, dim);
	ref_linear(k, n1, weight(r, WK, l), T, kv, dim);
	ref_linear(v, n1, weight(r, WV, l), T, kv, dim);
	ref_rope(q, T, c->seq_len, c->n_heads, hs, c->rope_theta, false);
	ref_rope(k, T, c->seq_len, c->n_kv_heads, hs, c->rope_theta, false);
	ref_attention(att, q, k, v, T, &at);
	ref_linear(mid, att, weight(r, WO, l), T, dim, dim);
	add(mid, x, T * dim);
	ref_rms(n2, mid, weight(r, RMS_FFN, l), T, dim, c->norm_eps);
	ref_linear(a, n2, weight(r, W1, l), T, hid, dim);
	ref_linear(b, n2, weight(r, W3, l), T, hid, dim);
	ref_swiglu(h, a, b, T * hid);
	ref_linear(next, h, weight(r, W2, l), T, dim, hid);
	add(next, mid, T * dim);
}

static void forward(struct train_ref *r, const uint32_t *tokens)
{
	const struct train_ref_config *c = &r->c;
	size_t T = tokens_of(c), dim = c->dim;
	struct train_ref_acts *s = r->acts;

	for (size_t t = 0; t < T; t++)
		memcpy(s->x + t * dim, weight(r, EMB, 0) + tokens[t] * dim, dim * sizeof(double));
	for (size_t l = 0; l < c->n_layers; l++)
		forward_layer(r, l);
	ref_rms(s->nf, s->x + c->n_layers * T * dim, weight(r, RMS_FINAL, 0), T, dim, c->norm_eps);
	ref_linear(s->logits, s->nf, classifier(r), T, c->vocab, dim);
}

double train_ref_loss(struct train_ref *r, const uint32_t *tokens, const uint32_t *targets)
{
	forward(r, tokens);
	return ref_cross_entropy(r->losses, NULL, r->acts->logits, targets, tokens_of(&r->c),
				 r->c.vocab);
}

/* ---- backward ---- */

static void zero(double *x, size_t n)
{
	memset(x, 0, n * sizeof(*x));
}

/* dx is the gradient of what leaves the layer; becomes that of mid */
static void backward_ffn(struct train_ref *r, size_t l)
{
	const struct train_ref_config *c = &r->c;
	size_t T = tokens_of(c), dim = c->dim, hid = c->hidden_dim;
	struct train_ref_acts *s = r->acts;
	const double *n2 = s->n2 + l * T * dim, *a = s->a + l * T * hid, *b = s->b + l * T * hid;

	zero(s->dh, T * hid);
	zero(s->da, T * hid);
	zero(s->db, T * hid);
	zero(s->dn, T * dim);
	ref_linear_dw(grad(r, W2, l), s->dx, s->h + l * T * hid, T, dim, hid);
	ref_linear_dx(s->dh, s->dx, weight(r, W2, l), T, dim, hid);
	ref_swiglu_grad(s->da, s->db, s->dh, a, b, T * hid);
	ref_linear_dw(grad(r, W1, l), s->da, n2, T, hid, dim);
	ref_linear_dw(grad(r, W3, l), s->db, n2, T, hid, dim);
	ref_linear_dx(s->dn, s->da, weight(r, W1, l), T, hid, dim);
	ref_linear_dx(s->dn, s->db, weight(r, W3, l), T, hid, dim);
	ref_rms_grad(s->dx, grad(r, RMS_FFN, l), s->dn, s->mid + l * T * dim,
		     weight(r, RMS_FFN, l), T, dim, c->norm_eps);
}

/* dx is the gradient of mid; becomes that of what enters the layer */
static void backward_attention(struct train_ref *r, size_t l)
{
	const struct train_ref_config *c = &r->c;
	size_t T = tokens_of(c), dim = c->dim, kv = kv_dim(c), hs = dim / c->n_heads;
	struct ref_attn at = attn_of(c);
	struct train_ref_acts *s = r->acts;
	const double *n1 = s->n1 + l * T * dim;

	zero(s->datt, T * dim);
	zero(s->dq, T * dim);
	zero(s->dk, T * kv);
	zero(s->dv, T * kv);
	zero(s->dn, T * dim);
	ref_linear_dw(grad(r, WO, l), s->dx, s->att + l * T * dim, T, dim, dim);
	ref_linear_dx(s->datt, s->dx, weight(r, WO, l), T, dim, dim);
	ref_attention_grad(s->dq, s->dk, s->dv, s->datt, s->q + l * T * dim, s->k + l * T * kv,
			   s->v + l * T * kv, T, &at);
	ref_rope(s->dq, T, c->seq_len, c->n_heads, hs, c->rope_theta, true);
	ref_rope(s->dk, T, c->seq_len, c->n_kv_heads, hs, c->rope_theta, true);
	ref_linear_dw(grad(r, WQ, l), s->dq, n1, T, dim, dim);
	ref_linear_dw(grad(r, WK, l), s->dk, n1, T, kv, dim);
	ref_linear_dw(grad(r, WV, l), s->dv, n1, T, kv, dim);
	ref_linear_dx(s->dn, s->dq, weight(r, WQ, l), T, dim, dim);
	ref_linear_dx(s->dn, s->dk, weight(r, WK, l), T, kv, dim);
	ref_linear_dx(s->dn, s->dv, weight(r, WV, l), T, kv, dim);
	ref_rms_grad(s->dx, grad(r, RMS_ATT, l), s->dn, s->x + l * T * dim, weight(r, RMS_ATT, l),
		     T, dim, c->norm_eps);
}

double train_ref_grad(struct train_ref *r, const uint32_t *tokens, const uint32_t *targets)
{
	const struct train_ref_config *c = &r->c;
	size_t T = tokens_of(c), dim = c->dim;
	struct train_ref_acts *s = r->acts;
	double loss;

	forward(r, tokens);
	zero(r->grads, r->size);
	zero(s->dlogits, T * c->vocab);
	zero(s->dn, T * dim);
	zero(s->dx, T * dim);
	loss = ref_cross_entropy(r->losses, s->dlogits, s->logits, targets, T, c->vocab);
	ref_linear_dw(grad(r, c->own_classifier ? WCLS : EMB, 0), s->dlogits, s->nf, T, c->vocab,
		      dim);
	ref_linear_dx(s->dn, s->dlogits, classifier(r), T, c->vocab, dim);
	ref_rms_grad(s->dx, grad(r, RMS_FINAL, 0), s->dn, s->x + c->n_layers * T * dim,
		     weight(r, RMS_FINAL, 0), T, dim, c->norm_eps);
	for (size_t l = c->n_layers; l-- > 0;) {
		backward_ffn(r, l);
		backward_attention(r, l);
	}
	for (size_t t = 0; t < T; t++)
		add(grad(r, EMB, 0) + tokens[t] * dim, s->dx + t * dim, dim);
	return loss;
}

/* ---- the optimiser ---- */

double train_ref_update(struct train_ref *r, const struct train_ref_hyper *h)
{
	struct ref_adamw a = { .rate = h->rate, .beta1 = h->beta1, .beta2 = h->beta2,
			       .eps = h->eps, .decay = h->decay };
	double norm = 0;

	r->step++;
	for (size_t i = 0; i < r->size; i++)
		norm += r->grads[i] * r->grads[i];
	norm = sqrt(norm);
	a.fix1 = 1 / (1 - pow(h->beta1, (double)r->step));
	a.fix2 = 1 / (1 - pow(h->beta2, (double)r->step));
	a.factor = norm > h->clip ? h->clip / norm : 1;
	for (int i = 0; i < NARRAYS; i++) {
		size_t at = place(&r->c, i, 0), n = array_size(&r->c, i) * layers_of(&r->c, i);

		ref_adamw(r->params + at, r->m + at, r->v + at, r->grads + at, n, &a,
			  i != RMS_ATT && i != RMS_FFN && i != RMS_FINAL);
	}
	return norm;
}
