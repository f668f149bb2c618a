/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.h - a Llama-2 model in the flat fp32 file format of llama2.c.
 *
 * Seven little-endian int32, then the float arrays in the order of struct llm_weights.
 * The reader accepts a file only if its length is exactly what the header says, so that a
 * truncated or damaged file is refused here and never read past its end later.
 */
#ifndef LLM_CHECKPOINT_H
#define LLM_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Caps on the header: far above any model of this format, far below any overflow. */
#define LLM_MAX_DIM		65536u
#define LLM_MAX_HIDDEN		(1u << 20)
#define LLM_MAX_LAYERS		1024u
#define LLM_MAX_VOCAB		(1u << 20)
#define LLM_MAX_SEQ_LEN		(1u << 20)

/* Token ids that mean something to the format. */
#define LLM_TOKEN_BOS		1u	/* starts a text, and ends it when it comes again */
#define LLM_TOKEN_BYTE0		3u	/* byte tokens: 3 + byte */

/**
 * struct llm_config - shape of a model
 * @dim: width of the residual stream
 * @hidden_dim: width of the feed-forward layer
 * @n_layers: layers
 * @n_heads: query heads
 * @n_kv_heads: key and value heads; divides @n_heads
 * @vocab_size: tokens
 * @seq_len: longest sequence
 * @head_size: @dim / @n_heads, even
 * @kv_dim: @head_size * @n_kv_heads
 * @shared_classifier: the classifier is the embedding table
 */
struct llm_config {
	uint32_t dim;
	uint32_t hidden_dim;
	uint32_t n_layers;
	uint32_t n_heads;
	uint32_t n_kv_heads;
	uint32_t vocab_size;
	uint32_t seq_len;
	uint32_t head_size;
	uint32_t kv_dim;
	bool shared_classifier;
};

/* The arrays, all layers of one array together; each matrix is [rows out][columns in]. */
struct llm_weights {
	const float *token_embedding;	/* [vocab][dim] */
	const float *rms_att;		/* [layer][dim] */
	const float *wq;		/* [layer][dim][dim] */
	const float *wk;		/* [layer][kv_dim][dim] */
	const float *wv;		/* [layer][kv_dim][dim] */
	const float *wo;		/* [layer][dim][dim] */
	const float *rms_ffn;		/* [layer][dim] */
	const float *w1;		/* [layer][hidden][dim] */
	const float *w2;		/* [layer][dim][hidden] */
	const float *w3;		/* [layer][hidden][dim] */
	const float *rms_final;		/* [dim] */
	const float *wcls;		/* [vocab][dim]; token_embedding if shared */
};

/**
 * struct llm_checkpoint - a model in memory
 * @config: its shape
 * @w: its arrays, inside @data
 * @data: the file
 * @size: its bytes
 */
struct llm_checkpoint {
	struct llm_config config;
	struct llm_weights w;
	void *data;
	size_t size;
};

/**
 * llm_checkpoint_open() - read and check a model
 * @ckpt: filled in; llm_checkpoint_close() it
 * @path: the file
 * @err: message of a failure: names the file and what is wrong
 *
 * Return: 0 or a negative errno (-EINVAL: not a model, or a damaged one).
 */
int llm_checkpoint_open(struct llm_checkpoint *ckpt, const char *path, struct llm_error *err);

/**
 * llm_checkpoint_close() - free a model
 * @ckpt: opened before, or all zero
 */
void llm_checkpoint_close(struct llm_checkpoint *ckpt);

/**
 * llm_config_floats() - parameters of a model
 * @config: checked
 */
uint64_t llm_config_floats(const struct llm_config *config);

/**
 * llm_checkpoint_write() - write a model, whole or not at all
 * @path: the file; see llm_write_file()
 * @config: shape; head_size and kv_dim are calculated, not looked at
 * @params: llm_config_floats() numbers, the arrays of struct llm_weights in its order; wcls only if
 *	it is not shared
 * @err: message of a failure
 *
 * Return: 0 or a negative errno (-EINVAL: a shape that llm_checkpoint_open() would refuse).
 */
int llm_checkpoint_write(const char *path, const struct llm_config *config, const float *params,
			 struct llm_error *err);

#endif /* LLM_CHECKPOINT_H */
