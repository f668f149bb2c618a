/* SPDX-License-Identifier: MIT */
/*
 * ops_ref.h - the operators of a Llama's training in plain double-precision C: what the card's
 * are compared with.
 *
 * Written for being seen to be right: one loop per formula, no tricks, no shared code with the
 * compiler. Matrices are row-major, T rows of tokens. Gradients are added to what is there.
 */
#ifndef OPS_REF_H
#define OPS_REF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y[T][out] = x[T][in] w[out][in]' */
void ref_linear(double *y, const double *x, const double *w, size_t T, size_t out, size_t in);
void ref_linear_dx(double *dx, const double *dy, const double *w, size_t T, size_t out, size_t in);
void ref_linear_dw(double *dw, const double *dy, const double *x, size_t T, size_t out, size_t in);

/* y = w * x / sqrt(mean(x^2) + eps) for each row */
void ref_rms(double *y, const double *x, const double *w, size_t T, size_t dim, double eps);
void ref_rms_grad(double *dx, double *dw, const double *dy, const double *x, const double *w,
		  size_t T, size_t dim, double eps);

/*
 * Rotate neighbouring pairs of x[T][heads * head_size] in place; row t is position t % seq. The
 * angles are those of llama2.c to the bit: calculated in float.
 */
void ref_rope(double *x, size_t T, size_t seq, size_t heads, size_t head_size, float theta,
	      bool inverse);

/**
 * struct ref_attn - causal attention inside each sequence
 * @heads: query heads
 * @kv_heads: key/value heads
 * @head_size: of both
 * @seq: tokens of a sequence
 */
struct ref_attn {
	size_t heads, kv_heads, head_size, seq;
};

/* o, q: [T][heads * head_size]; k, v: [T][kv_heads * head_size] */
void ref_attention(double *o, const double *q, const double *k, const double *v, size_t T,
		   const struct ref_attn *a);
void ref_attention_grad(double *dq, double *dk, double *dv, const double *dout, const double *q,
			const double *k, const double *v, size_t T, const struct ref_attn *a);

/* h = silu(a) * b, n elements */
void ref_swiglu(double *h, const double *a, const double *b, size_t n);
void ref_swiglu_grad(double *da, double *db, const double *dh, const double *a, const double *b,
		     size_t n);

/*
 * Mean over T of log(sum(exp(logits))) - logits[target]; @losses and @dlogits (gradient of the
 * mean) may be NULL.
 */
double ref_cross_entropy(double *losses, double *dlogits, const double *logits,
			 const uint32_t *targets, size_t T, size_t vocab);

/**
 * struct ref_adamw - numbers of one step
 * @fix1: 1 / (1 - beta1^step)
 * @fix2: 1 / (1 - beta2^step)
 * @factor: of the gradients: scale and clipping
 */
struct ref_adamw {
	double rate, beta1, beta2, eps, decay, fix1, fix2, factor;
};

/* One step for n parameters; decay only if @decay. */
void ref_adamw(double *w, double *m, double *v, const double *g, size_t n,
	       const struct ref_adamw *a, bool decay);

#endif /* OPS_REF_H */
