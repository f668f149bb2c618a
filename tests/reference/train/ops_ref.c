// SPDX-License-Identifier: MIT
/*
 * ops_ref.c - see ops_ref.h. Never to be made fast at the price of a second look.
 */
#include <math.h>
#include <stdlib.h>

#include "ops_ref.h"

void ref_linear(double *y, const double *x, const double *w, size_t T, size_t out, size_t in)
{
	for (size_t t = 0; t < T; t++) {
		for (size_t o = 0; o < out; o++) {
			double sum = 0;

			for (size_t i = 0; i < in; i++)
				sum += x[t * in + i] * w[o * in + i];
			y[t * out + o] = sum;
		}
	}
}

void ref_linear_dx(double *dx, const double *dy, const double *w, size_t T, size_t out, size_t in)
{
	for (size_t t = 0; t < T; t++)
		for (size_t o = 0; o < out; o++)
			for (size_t i = 0; i < in; i++)
				dx[t * in + i] += dy[t * out + o] * w[o * in + i];
}

void ref_linear_dw(double *dw, const double *dy, const double *x, size_t T, size_t out, size_t in)
{
	for (size_t t = 0; t < T; t++)
		for (size_t o = 0; o < out; o++)
			for (size_t i = 0; i < in; i++)
				dw[o * in + i] += dy[t * out + o] * x[t * in + i];
}

static double rms_factor(const double *x, size_t dim, double eps)
{
	double sum = 0;

	for (size_t i = 0; i < dim; i++)
		sum += x[i] * x[i];
	return 1 / sqrt(sum / (double)dim + eps);
}

void ref_rms(double *y, const double *x, const double *w, size_t T, size_t dim, double eps)
{
	for (size_t t = 0; t < T; t++) {
		double r = rms_factor(x + t * dim, dim, eps);

		for (size_t i = 0; i < dim; i++)
			y[t * dim + i] = w[i] * x[t * dim + i] * r;
	}
}

/* d/dx of r = (mean(x^2) + eps)^-1/2 is -r^3 x / dim */
void ref_rms_grad(double *dx, double *dw, const double *dy, const double *x, const double *w,
		  size_t T, size_t dim, double eps)
{
	for (size_t t = 0; t < T; t++, dx += dim, dy += dim, x += dim) {
		double r = rms_factor(x, dim, eps), dr = 0;

		for (size_t i = 0; i < dim; i++) {
			dw[i] += dy[i] * x[i] * r;
			dr += dy[i] * w[i] * x[i];
		}
		for (size_t i = 0; i < dim; i++)
			dx[i] += dy[i] * w[i] * r - dr * r * r * r * x[i] / (double)dim;
	}
}

void ref_rope(double *x, size_t T, size_t seq, size_t heads, size_t head_size, float theta,
	      bool inverse)
{
	for (size_t t = 0; t < T; t++) {
		for (size_t i = 0; i < heads * head_size; i += 2) {
			float freq = 1.0f / powf(theta, (float)(i % head_size) / (float)head_size);
			float angle = (float)(t % seq) * freq;
			double c = cosf(angle), s = inverse ? -sinf(angle) : sinf(angle);
			double *pair = x + t * heads * head_size + i, a = pair[0], b = pair[1];

			pair[0] = a * c - b * s;
			pair[1] = a * s + b * c;
		}
	}
}

/* Probabilities of one query: @q of position @pos, keys @k of its sequence, @ld apart. */
static void probabilities(double *p, const double *q, const double *k, size_t ld, size_t pos,
			  size_t head_size)
{
	double top = -INFINITY, sum = 0;

	for (size_t j = 0; j <= pos; j++) {
		p[j] = 0;
		for (size_t i = 0; i < head_size; i++)
			p[j] += q[i] * k[j * ld + i];
		p[j] /= sqrt((double)head_size);
		top = fmax(top, p[j]);
	}
	for (size_t j = 0; j <= pos; j++)
		sum += p[j] = exp(p[j] - top);
	for (size_t j = 0; j <= pos; j++)
		p[j] /= sum;
}

void ref_attention(double *o, const double *q, const double *k, const double *v, size_t T,
		   const struct ref_attn *a)
{
	size_t hs = a->head_size, ldq = a->heads * hs, ld = a->kv_heads * hs;
	double *p = calloc(a->seq, sizeof(*p));

	for (size_t t = 0; t < T; t++) {
		size_t pos = t % a->seq, first = t - pos;

		for (size_t h = 0; h < a->heads; h++) {
			size_t kv = first * ld + h / (a->heads / a->kv_heads) * hs;
			double *to = o + t * ldq + h * hs;

			probabilities(p, q + t * ldq + h * hs, k + kv, ld, pos, hs);
			for (size_t i = 0; i < hs; i++) {
				to[i] = 0;
				for (size_t j = 0; j <= pos; j++)
					to[i] += p[j] * v[kv + j * ld + i];
			}
		}
	}
	free(p);
}

/* One query: dp is the gradient of the probabilities, then of the scores. */
static void query_grad(double *dq, double *dk, double *dv, const double *dout, const double *q,
		       const double *k, const double *v, double *p, double *dp, size_t ld,
		       size_t pos, size_t hs)
{
	double mean = 0;

	probabilities(p, q, k, ld, pos, hs);
	for (size_t j = 0; j <= pos; j++) {
		dp[j] = 0;
		for (size_t i = 0; i < hs; i++) {
			dp[j] += dout[i] * v[j * ld + i];
			dv[j * ld + i] += p[j] * dout[i];
		}
		mean += p[j] * dp[j];
	}
	for (size_t j = 0; j <= pos; j++) {
		double ds = p[j] * (dp[j] - mean) / sqrt((double)hs);

		for (size_t i = 0; i < hs; i++) {
			dq[i] += ds * k[j * ld + i];
			dk[j * ld + i] += ds * q[i];
		}
	}
}

void ref_attention_grad(double *dq, double *dk, double *dv, const double *dout, const double *q,
			const double *k, const double *v, size_t T, const struct ref_attn *a)
{
	size_t hs = a->head_size, ldq = a->heads * hs, ld = a->kv_heads * hs;
	double *p = calloc(a->seq, sizeof(*p)), *dp = calloc(a->seq, sizeof(*dp));

	for (size_t t = 0; t < T; t++) {
		size_t pos = t % a->seq, first = t - pos;

		for (size_t h = 0; h < a->heads; h++) {
			size_t kv = first * ld + h / (a->heads / a->kv_heads) * hs;
			size_t at = t * ldq + h * hs;

			query_grad(dq + at, dk + kv, dv + kv, dout + at, q + at, k + kv, v + kv, p,
				   dp, ld, pos, hs);
		}
	}
	free(p);
	free(dp);
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

void ref_swiglu(double *h, const double *a, const double *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h[i] = a[i] * sigmoid(a[i]) * b[i];
}

void ref_swiglu_grad(double *da, double *db, const double *dh, const double *a, const double *b,
		     size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double s = sigmoid(a[i]);

		da[i] += dh[i] * b[i] * (s + a[i] * s * (1 - s));
		db[i] += dh[i] * a[i] * s;
	}
}

double ref_cross_entropy(double *losses, double *dlogits, const double *logits,
			 const uint32_t *targets, size_t T, size_t vocab)
{
	double total = 0;

	for (size_t t = 0; t < T; t++) {
		const double *x = logits + t * vocab;
		double top = -INFINITY, sum = 0, loss;

		for (size_t i = 0; i < vocab; i++)
			top = fmax(top, x[i]);
		for (size_t i = 0; i < vocab; i++)
			sum += exp(x[i] - top);
		loss = log(sum) + top - x[targets[t]];
		if (losses)
			losses[t] = loss;
		total += loss;
		for (size_t i = 0; dlogits && i < vocab; i++)
			dlogits[t * vocab + i] += (exp(x[i] - top) / sum - (i == targets[t])) /
						  (double)T;
	}
	return total / (double)T;
}

void ref_adamw(double *w, double *m, double *v, const double *g, size_t n,
	       const struct ref_adamw *a, bool decay)
{
	for (size_t i = 0; i < n; i++) {
		double grad = g[i] * a->factor;

		m[i] = a->beta1 * m[i] + (1 - a->beta1) * grad;
		v[i] = a->beta2 * v[i] + (1 - a->beta2) * grad * grad;
		if (decay)
			w[i] -= a->rate * a->decay * w[i];
		w[i] -= a->rate * (m[i] * a->fix1) / (sqrt(v[i] * a->fix2) + a->eps);
	}
}
