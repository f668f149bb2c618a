/* SPDX-License-Identifier: MIT */
/*
 * train_layout.c - where each parameter lies in the flat tensor of a training.
 *
 * The order is the checkpoint's; programs, optimiser, tools and tests all ask here.
 */
#include "train.h"

#define MAX_DIM		4096u
#define MAX_HIDDEN	32768u
#define MAX_VOCAB	8192u	/* axc_batch_cross_entropy()'s */
#define MAX_SEQ		4096u
#define MAX_TOKENS	(1u << 20)

enum shape { ROW, SQUARE, KV, UP, DOWN, TABLE };

static const struct {
	const char *name;
	enum shape shape;
	bool each_layer;
} array[NUM_ARRAYS] = {
	[ARRAY_EMBEDDING] = { "token_embedding", TABLE, false },
	[ARRAY_RMS_ATT] = { "rms_att", ROW, true },
	[ARRAY_WQ] = { "wq", SQUARE, true },
	[ARRAY_WK] = { "wk", KV, true },
	[ARRAY_WV] = { "wv", KV, true },
	[ARRAY_WO] = { "wo", SQUARE, true },
	[ARRAY_RMS_FFN] = { "rms_ffn", ROW, true },
	[ARRAY_W1] = { "w1", UP, true },
	[ARRAY_W2] = { "w2", DOWN, true },
	[ARRAY_W3] = { "w3", UP, true },
	[ARRAY_RMS_FINAL] = { "rms_final", ROW, false },
	[ARRAY_WCLS] = { "wcls", TABLE, false },
};

bool train_shape_ok(const struct axc_llama_train *t)
{
	const struct axc_llama_config *c = &t->model;

	return c->dim && c->dim <= MAX_DIM && c->hidden_dim && c->hidden_dim <= MAX_HIDDEN &&
	       c->n_layers && c->n_layers <= 1024 && c->n_heads && c->n_kv_heads && c->vocab &&
	       c->vocab <= MAX_VOCAB && c->seq_len && c->seq_len <= MAX_SEQ && t->batch &&
	       t->batch <= MAX_TOKENS / c->seq_len && c->dim % c->n_heads == 0 &&
	       c->dim / c->n_heads % 2 == 0 && c->dim / c->n_heads <= AXON_PARTITIONS &&
	       c->n_heads % c->n_kv_heads == 0 && c->norm_eps >= 0 && c->rope_theta >= 0;
}

static void array_shape(const struct axc_llama_config *c, enum shape shape, uint32_t *rows,
			uint32_t *cols)
{
	uint32_t kv_dim = c->dim / c->n_heads * c->n_kv_heads;

	*rows = shape == ROW ? 1 : shape == TABLE ? c->vocab : shape == KV ? kv_dim :
		shape == UP ? c->hidden_dim : c->dim;
	*cols = shape == DOWN ? c->hidden_dim : c->dim;
}

/* Arrays of the flat tensor. */
static unsigned int num_arrays(const struct axc_llama_train *t)
{
	return t->own_classifier ? NUM_ARRAYS : ARRAY_WCLS;
}

static uint32_t array_layers(const struct axc_llama_train *t, unsigned int a)
{
	return array[a].each_layer ? t->model.n_layers : 1;
}

static uint32_t array_bucket(const struct axc_llama_train *t, unsigned int a, uint32_t layer)
{
	if (a == ARRAY_EMBEDDING)
		return t->model.n_layers + 1;
	return array[a].each_layer ? t->model.n_layers - layer : 0;
}

struct axc_llama_param train_param(const struct axc_llama_train *t, enum train_array which,
				   uint32_t layer)
{
	struct axc_llama_param param = { .name = array[which].name, .layer = layer };
	unsigned int a;
	uint32_t rows, cols;

	for (a = 0; a < which; a++) {
		array_shape(&t->model, array[a].shape, &rows, &cols);
		param.first += (uint64_t)rows * cols * array_layers(t, a);
	}
	array_shape(&t->model, array[which].shape, &param.rows, &param.cols);
	param.first += (uint64_t)param.rows * param.cols * layer;
	param.bucket = array_bucket(t, which, layer);
	param.decay = array[which].shape != ROW;
	return param;
}

uint64_t axc_llama_train_size(const struct axc_llama_train *t)
{
	struct axc_llama_param last;
	unsigned int a;

	if (!t || !train_shape_ok(t))
		return 0;
	a = num_arrays(t) - 1;
	last = train_param(t, a, array_layers(t, a) - 1);
	return last.first + (uint64_t)last.rows * last.cols;
}

uint32_t axc_llama_train_buckets(const struct axc_llama_train *t)
{
	return t && train_shape_ok(t) ? t->model.n_layers + 2 : 0;
}

int axc_llama_train_param(const struct axc_llama_train *t, uint32_t i,
			  struct axc_llama_param *param)
{
	unsigned int a;

	if (!t || !param || !train_shape_ok(t))
		return -EINVAL;
	for (a = 0; a < num_arrays(t); a++) {
		if (i < array_layers(t, a)) {
			*param = train_param(t, a, i);
			return 0;
		}
		i -= array_layers(t, a);
	}
	return -ENOENT;
}
