/* SPDX-License-Identifier: MIT */
/* ref.h - a Llama in plain C, and other references for the tests: one loop per formula. */
#ifndef AXC_TESTS_REF_H
#define AXC_TESTS_REF_H

#include "axc/axc.h"

/* Random numbers in [-1, 1), the same on every machine. */
float ref_random(uint32_t *state);
void ref_fill(uint32_t *state, float *x, size_t n, float scale);

struct ref_llama {
	struct axc_llama_config c;
	struct axc_llama_weights w;
	float *mem;		/* all weights */
	float *k, *v;		/* [layer][pos][kv_dim] */
	float *logits;
};

void ref_llama_init(struct ref_llama *r, const struct axc_llama_config *c, uint32_t seed);
void ref_llama_free(struct ref_llama *r);
void ref_llama_step(struct ref_llama *r, uint32_t token, uint32_t pos);
uint32_t ref_argmax(const float *x, uint32_t n);
/* Largest difference, relative to the largest value. */
double ref_distance(const float *a, const float *b, size_t n);

void ref_matvec(float *out, const float *w, const float *x, uint32_t rows, uint32_t cols);
void ref_rmsnorm(float *out, const float *x, const float *w, uint32_t n, float eps);

#endif
