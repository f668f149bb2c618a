/* SPDX-License-Identifier: MIT */
/* ref.c - see ref.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ref.h"

float ref_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return (float)(int32_t)*state / 2147483648.0f;
}

void ref_fill(uint32_t *state, float *x, size_t n, float scale)
{
	size_t i;

	for (i = 0; i < n; i++)
		x[i] = ref_random(state) * scale;
}

void ref_matvec(float *out, const float *w, const float *x, uint32_t rows, uint32_t cols)
{
	uint32_t i, j;

	for (i = 0; i < rows; i++) {
		out[i] = 0;
		for (j = 0; j < cols; j++)
			out[i] += w[(size_t)i * cols + j] * x[j];
	}
}

void ref_rmsnorm(float *out, const float *x, const float *w, uint32_t n, float eps)
{
	float ss = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		ss += x[i] * x[i];
	ss = 1.0f / sqrtf(ss / (float)n + eps);
	for (i = 0; i < n; i++)
		out[i] = w[i] * (ss * x[i]);
}

uint32_t ref_argmax(const float *x, uint32_t n)
{
	uint32_t best = 0, i;

	for (i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return best;
}

double ref_distance(const float *a, const float *b, size_t n)
{
	double top = 1e-30, diff = 0, d;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!isfinite(a[i]) || !isfinite(b[i]))
			return INFINITY;
		if (fabs(b[i]) > top)
			top = fabs(b[i]);
		d = fabs((double)a[i] - b[i]);
		if (d > diff)
			diff = d;
	}
	return diff / top;
}

void ref_llama_init(struct ref_llama *r, const struct axc_llama_config *c, uint32_t seed)
{
	size_t dim = c->dim, hid = c->hidden_dim, kv = dim / c->n_heads * c->n_kv_heads;
	size_t L = c->n_layers, sizes[12] = {
		c->vocab * dim, L * dim, L * dim * dim, L * kv * dim, L * kv * dim, L * dim * dim,
		L * dim, L * hid * dim, L * dim * hid, L * hid * dim, dim, c->vocab * dim,
	}, total = 0, i;
	const float **p = (const float **)&r->w;
	float *m;

	for (i = 0; i < 12; i++)
		total += sizes[i];
	r->c = *c;
	m = r->mem = malloc(total * sizeof(float));
	for (i = 0; i < 12; i++) {
		p[i] = m;
		ref_fill(&seed, m, sizes[i], i == 0 || i == 11 ? 1.0f : 2.0f / sqrtf((float)dim));
		if (i == 1 || i == 6 || i == 10)
			for (size_t j = 0; j < sizes[i]; j++)
				m[j] += 1.0f;
		m += sizes[i];
	}
	r->k = calloc(L * c->seq_len * kv, sizeof(float));
	r->v = calloc(L * c->seq_len * kv, sizeof(float));
	r->logits = calloc(c->vocab, sizeof(float));
}

void ref_llama_free(struct ref_llama *r)
{
	free(r->mem);
	free(r->k);
	free(r->v);
	free(r->logits);
}

static void rotate(float *x, uint32_t n, uint32_t hs, uint32_t pos)
{
	uint32_t i;

	for (i = 0; i < n; i += 2) {
		float freq = 1.0f / powf(10000.0f, (float)(i % hs) / (float)hs);
		float val = (float)pos * freq, c = cosf(val), s = sinf(val), a = x[i], b = x[i + 1];

		x[i] = a * c - b * s;
		x[i + 1] = a * s + b * c;
	}
}

static void attention(struct ref_llama *r, uint32_t layer, uint32_t pos, const float *q, float *out)
{
	uint32_t hs = r->c.dim / r->c.n_heads, kv = hs * r->c.n_kv_heads, h, t, i;
	uint32_t mult = r->c.n_heads / r->c.n_kv_heads;
	float *att = malloc((pos + 1) * sizeof(float));

	for (h = 0; h < r->c.n_heads; h++) {
		float top = -INFINITY, sum = 0;

		for (t = 0; t <= pos; t++) {
			size_t at = ((size_t)layer * r->c.seq_len + t) * kv + h / mult * hs;
			const float *k = r->k + at;

			att[t] = 0;
			for (i = 0; i < hs; i++)
				att[t] += q[h * hs + i] * k[i];
			att[t] /= sqrtf((float)hs);
			top = att[t] > top ? att[t] : top;
		}
		for (t = 0; t <= pos; t++)
			sum += att[t] = expf(att[t] - top);
		memset(out + h * hs, 0, hs * sizeof(float));
		for (t = 0; t <= pos; t++) {
			size_t at = ((size_t)layer * r->c.seq_len + t) * kv + h / mult * hs;
			const float *v = r->v + at;

			for (i = 0; i < hs; i++)
				out[h * hs + i] += att[t] / sum * v[i];
		}
	}
	free(att);
}

static void ref_layer(struct ref_llama *r, uint32_t l, uint32_t pos, float *x)
{
	uint32_t dim = r->c.dim, hid = r->c.hidden_dim, hs = dim / r->c.n_heads, i;
	uint32_t kvd = hs * r->c.n_kv_heads;
	float *n = malloc(dim * 4), *q = malloc(dim * 4), *a = malloc(dim * 4);
	float *h = malloc(hid * 4), *g = malloc(hid * 4);
	float *k = r->k + ((size_t)l * r->c.seq_len + pos) * kvd;
	float *v = r->v + ((size_t)l * r->c.seq_len + pos) * kvd;
	size_t sq = (size_t)dim * dim, kv = (size_t)kvd * dim, ff = (size_t)hid * dim;

	ref_rmsnorm(n, x, r->w.rms_att + (size_t)l * dim, dim, 1e-5f);
	ref_matvec(q, r->w.wq + l * sq, n, dim, dim);
	ref_matvec(k, r->w.wk + l * kv, n, kvd, dim);
	ref_matvec(v, r->w.wv + l * kv, n, kvd, dim);
	rotate(q, dim, hs, pos);
	rotate(k, kvd, hs, pos);
	attention(r, l, pos, q, a);
	ref_matvec(n, r->w.wo + l * sq, a, dim, dim);
	for (i = 0; i < dim; i++)
		x[i] += n[i];
	ref_rmsnorm(n, x, r->w.rms_ffn + (size_t)l * dim, dim, 1e-5f);
	ref_matvec(h, r->w.w1 + l * ff, n, hid, dim);
	ref_matvec(g, r->w.w3 + l * ff, n, hid, dim);
	for (i = 0; i < hid; i++)
		h[i] = h[i] / (1.0f + expf(-h[i])) * g[i];
	ref_matvec(n, r->w.w2 + l * ff, h, dim, hid);
	for (i = 0; i < dim; i++)
		x[i] += n[i];
	free(n);
	free(q);
	free(a);
	free(h);
	free(g);
}

void ref_llama_step(struct ref_llama *r, uint32_t token, uint32_t pos)
{
	uint32_t dim = r->c.dim, l;
	float *x = malloc(dim * 4);

	memcpy(x, r->w.token_embedding + (size_t)token * dim, dim * 4);
	for (l = 0; l < r->c.n_layers; l++)
		ref_layer(r, l, pos, x);
	ref_rmsnorm(x, x, r->w.rms_final, dim, 1e-5f);
	ref_matvec(r->logits, r->w.wcls ? r->w.wcls : r->w.token_embedding, x, r->c.vocab, dim);
	free(x);
}
