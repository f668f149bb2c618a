// SPDX-License-Identifier: MIT
/*
 * llama_ref.c - a Llama decoder in plain fp32 C.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "llama_ref.h"

#define RMS_EPSILON	1e-5f
#define ROPE_BASE	10000.0f

/**
 * struct llama_ref - a decoder and what it remembers
 * @ckpt: the model
 * @x: residual stream [dim]
 * @norm: normalised @x, later the heads' results [dim]
 * @q: queries [dim]
 * @out: of a matrix that goes back into the residual stream [dim]
 * @gate: feed-forward w1 x [hidden]
 * @up: feed-forward w3 x [hidden]
 * @score: of one head [seq_len]
 * @logits: [vocab]
 * @key: [layer][seq_len][kv_dim]
 * @value: [layer][seq_len][kv_dim]
 */
struct llama_ref {
	const struct llm_checkpoint *ckpt;
	float *x;
	float *norm;
	float *q;
	float *out;
	float *gate;
	float *up;
	float *score;
	float *logits;
	float *key;
	float *value;
};

struct llama_ref *llama_ref_create(const struct llm_checkpoint *ckpt)
{
	const struct llm_config *c = &ckpt->config;
	struct llama_ref *ref = calloc(1, sizeof(*ref));
	size_t cache = (size_t)c->n_layers * c->seq_len * c->kv_dim;

	if (!ref)
		return NULL;
	ref->ckpt = ckpt;
	ref->x = calloc(c->dim, sizeof(float));
	ref->norm = calloc(c->dim, sizeof(float));
	ref->q = calloc(c->dim, sizeof(float));
	ref->out = calloc(c->dim, sizeof(float));
	ref->gate = calloc(c->hidden_dim, sizeof(float));
	ref->up = calloc(c->hidden_dim, sizeof(float));
	ref->score = calloc(c->seq_len, sizeof(float));
	ref->logits = calloc(c->vocab_size, sizeof(float));
	ref->key = calloc(cache, sizeof(float));
	ref->value = calloc(cache, sizeof(float));
	if (ref->x && ref->norm && ref->q && ref->out && ref->gate && ref->up && ref->score &&
	    ref->logits && ref->key && ref->value)
		return ref;
	llama_ref_free(ref);
	return NULL;
}

void llama_ref_free(struct llama_ref *ref)
{
	if (!ref)
		return;
	free(ref->x);
	free(ref->norm);
	free(ref->q);
	free(ref->out);
	free(ref->gate);
	free(ref->up);
	free(ref->score);
	free(ref->logits);
	free(ref->key);
	free(ref->value);
	free(ref);
}

static void rms_norm(float *out, const float *x, const float *weight, uint32_t n)
{
	float sum = 0.0f, scale;

	for (uint32_t i = 0; i < n; i++)
		sum += x[i] * x[i];
	scale = 1.0f / sqrtf(sum / n + RMS_EPSILON);
	for (uint32_t i = 0; i < n; i++)
		out[i] = x[i] * scale * weight[i];
}

static void mat_vec(float *out, const float *w, const float *x, uint32_t rows, uint32_t cols)
{
	for (uint32_t r = 0; r < rows; r++) {
		const float *row = w + (size_t)r * cols;
		float sum = 0.0f;

		for (uint32_t i = 0; i < cols; i++)
			sum += row[i] * x[i];
		out[r] = sum;
	}
}

/* Turn each pair of neighbours of each head by an angle that grows with the position. */
static void rotate(float *x, uint32_t n, uint32_t head_size, uint32_t pos)
{
	for (uint32_t i = 0; i < n; i += 2) {
		float freq = powf(ROPE_BASE, -(float)(i % head_size) / head_size);
		float c = cosf(pos * freq), s = sinf(pos * freq);
		float a = x[i], b = x[i + 1];

		x[i] = a * c - b * s;
		x[i + 1] = a * s + b * c;
	}
}

static void softmax(float *x, uint32_t n)
{
	float max = x[0], sum = 0.0f;

	for (uint32_t i = 1; i < n; i++)
		max = x[i] > max ? x[i] : max;
	for (uint32_t i = 0; i < n; i++) {
		x[i] = expf(x[i] - max);
		sum += x[i];
	}
	for (uint32_t i = 0; i < n; i++)
		x[i] /= sum;
}

/* One query head over positions 0..pos; @key and @value are of the head it shares. */
static void attend(float *out, float *score, const float *q, const float *key,
		   const float *value, const struct llm_config *c, uint32_t pos)
{
	const uint32_t hs = c->head_size;

	for (uint32_t t = 0; t <= pos; t++) {
		float sum = 0.0f;

		for (uint32_t i = 0; i < hs; i++)
			sum += q[i] * key[(size_t)t * c->kv_dim + i];
		score[t] = sum / sqrtf(hs);
	}
	softmax(score, pos + 1);
	memset(out, 0, hs * sizeof(*out));
	for (uint32_t t = 0; t <= pos; t++) {
		for (uint32_t i = 0; i < hs; i++)
			out[i] += score[t] * value[(size_t)t * c->kv_dim + i];
	}
}

static void attention(struct llama_ref *ref, uint32_t layer, uint32_t pos)
{
	const struct llm_config *c = &ref->ckpt->config;
	const struct llm_weights *w = &ref->ckpt->w;
	const size_t square = (size_t)c->dim * c->dim, kv = (size_t)c->kv_dim * c->dim;
	const uint32_t group = c->n_heads / c->n_kv_heads;
	float *key = ref->key + (size_t)layer * c->seq_len * c->kv_dim;
	float *value = ref->value + (size_t)layer * c->seq_len * c->kv_dim;
	float *key_now = key + (size_t)pos * c->kv_dim;
	float *value_now = value + (size_t)pos * c->kv_dim;

	rms_norm(ref->norm, ref->x, w->rms_att + (size_t)layer * c->dim, c->dim);
	mat_vec(ref->q, w->wq + layer * square, ref->norm, c->dim, c->dim);
	mat_vec(key_now, w->wk + layer * kv, ref->norm, c->kv_dim, c->dim);
	mat_vec(value_now, w->wv + layer * kv, ref->norm, c->kv_dim, c->dim);
	rotate(ref->q, c->dim, c->head_size, pos);
	rotate(key_now, c->kv_dim, c->head_size, pos);
	for (uint32_t h = 0; h < c->n_heads; h++) {
		size_t at = (size_t)h * c->head_size, kv_at = (size_t)(h / group) * c->head_size;

		attend(ref->norm + at, ref->score, ref->q + at, key + kv_at, value + kv_at, c, pos);
	}
	mat_vec(ref->out, w->wo + layer * square, ref->norm, c->dim, c->dim);
	for (uint32_t i = 0; i < c->dim; i++)
		ref->x[i] += ref->out[i];
}

static void feed_forward(struct llama_ref *ref, uint32_t layer)
{
	const struct llm_config *c = &ref->ckpt->config;
	const struct llm_weights *w = &ref->ckpt->w;
	const size_t size = (size_t)c->hidden_dim * c->dim;

	rms_norm(ref->norm, ref->x, w->rms_ffn + (size_t)layer * c->dim, c->dim);
	mat_vec(ref->gate, w->w1 + layer * size, ref->norm, c->hidden_dim, c->dim);
	mat_vec(ref->up, w->w3 + layer * size, ref->norm, c->hidden_dim, c->dim);
	for (uint32_t i = 0; i < c->hidden_dim; i++) {
		float g = ref->gate[i];

		ref->gate[i] = g / (1.0f + expf(-g)) * ref->up[i];
	}
	mat_vec(ref->out, w->w2 + layer * size, ref->gate, c->dim, c->hidden_dim);
	for (uint32_t i = 0; i < c->dim; i++)
		ref->x[i] += ref->out[i];
}

float *llama_ref_step(struct llama_ref *ref, uint32_t token, uint32_t pos)
{
	const struct llm_config *c = &ref->ckpt->config;
	const struct llm_weights *w = &ref->ckpt->w;

	memcpy(ref->x, w->token_embedding + (size_t)token * c->dim, c->dim * sizeof(float));
	for (uint32_t l = 0; l < c->n_layers; l++) {
		attention(ref, l, pos);
		feed_forward(ref, l);
	}
	rms_norm(ref->norm, ref->x, w->rms_final, c->dim);
	mat_vec(ref->logits, w->wcls, ref->norm, c->vocab_size, c->dim);
	return ref->logits;
}
