/* SPDX-License-Identifier: MIT */
/*
 * train_ref.h - a trainer of small Llamas in plain double-precision C, the reference that training
 * on the card is compared with.
 *
 * Made of the loops in ops_ref.c. Shares nothing with compiler, runtime or tools; what must be the
 * same for the same loss curve (layout of the parameters, how they begin, which tokens a step
 * sees) is written down here and there on its own.
 */
#ifndef TRAIN_REF_H
#define TRAIN_REF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct train_ref_config - shape of a model and of a step
 * @batch: sequences of a step
 * @own_classifier: else the embedding table is the classifier
 * @norm_eps: 0 means 1e-5
 * @rope_theta: 0 means 10000
 */
struct train_ref_config {
	uint32_t dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab, seq_len, batch;
	bool own_classifier;
	float norm_eps, rope_theta;
};

/**
 * struct train_ref_hyper - numbers of the optimiser
 * @clip: largest norm of the gradients, INFINITY: no limit
 */
struct train_ref_hyper {
	double rate, beta1, beta2, eps, decay, clip;
};

/**
 * struct train_ref - a model in training
 * @size: parameters
 * @params: the arrays of a llama2.c checkpoint in its order, without its tables of rotation:
 *	token_embedding, rms_att, wq, wk, wv, wo, rms_ffn, w1, w2, w3 (each for all layers),
 *	rms_final, wcls with own_classifier
 * @grads: same layout; set by train_ref_grad()
 * @m: first moments
 * @v: second moments
 * @losses: [batch * seq_len], of the last loss
 * @step: optimiser's steps so far
 */
struct train_ref {
	struct train_ref_config c;
	size_t size;
	double *params, *grads, *m, *v;
	double *losses;
	uint64_t step;
	struct train_ref_acts *acts;
};

/** train_ref_new() - a model with train_ref_init()'s parameters; NULL without memory */
struct train_ref *train_ref_new(const struct train_ref_config *c, uint64_t seed);
void train_ref_free(struct train_ref *r);

/**
 * train_ref_init() - the parameters a training begins with
 * @params: [size]
 *
 * Norms are 1. Any other parameter i of the flat layout is a * (k / 2^23 - 1) in fp32, where k is
 * the upper 24 bits of train_ref_random(seed, i) and a is 0.02 * sqrt(3) (standard deviation 0.02),
 * for wo and w2 that divided by sqrt(2 * n_layers).
 */
void train_ref_init(const struct train_ref_config *c, uint64_t seed, float *params);

/**
 * train_ref_random() - number @i of a sequence of random numbers: splitmix64 of seed + i * G
 *
 * x = seed + (i + 1) * 0x9e3779b97f4a7c15; x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
 * x = (x ^ x >> 27) * 0x94d049bb133111eb; x ^ x >> 31; all modulo 2^64.
 */
uint64_t train_ref_random(uint64_t seed, uint64_t i);

/**
 * train_ref_tokens() - what a step sees of a text of @n tokens
 * @step: from 0
 *
 * Sequence b of step s begins at token train_ref_random(~seed, s * batch + b) % (n - seq_len);
 * targets are one token further. @batch is the whole step's, over all cards.
 */
void train_ref_tokens(const struct train_ref_config *c, uint64_t seed, uint64_t step,
		      const uint32_t *text, size_t n, uint32_t *tokens, uint32_t *targets);

/** train_ref_loss() - mean loss in nats; sets losses */
double train_ref_loss(struct train_ref *r, const uint32_t *tokens, const uint32_t *targets);
/** train_ref_grad() - the same and its gradient */
double train_ref_grad(struct train_ref *r, const uint32_t *tokens, const uint32_t *targets);
/** train_ref_update() - a step of AdamW by grads; gives their norm. Norms' weights do not decay. */
double train_ref_update(struct train_ref *r, const struct train_ref_hyper *h);

#endif /* TRAIN_REF_H */
