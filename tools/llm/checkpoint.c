// SPDX-License-Identifier: MIT
/*
 * checkpoint.c - read and check a model file, and write one. Trusts nothing in it.
 */
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "file.h"

#if __BYTE_ORDER != __LITTLE_ENDIAN
#error "the arrays are used where they lie in the file, which is little endian"
#endif

#define HEADER_WORDS	7

static const char get_hint[] =
	"A small one is stories260K.bin of the public collection karpathy/tinyllamas "
	"(about 1 MB; its tokenizer is tok512.bin)";

/* What is left of the file while the arrays are handed out. */
struct cursor {
	const char *path;
	const float *next;
	uint64_t left;		/* floats */
	struct llm_error *err;
};

struct field {
	const char *name;
	uint32_t *value;
	uint32_t max;
};

static int parse_header(struct llm_config *c, const int32_t *word, const char *path,
			struct llm_error *err)
{
	const struct field fields[HEADER_WORDS] = {
		{ "dim", &c->dim, LLM_MAX_DIM },
		{ "hidden_dim", &c->hidden_dim, LLM_MAX_HIDDEN },
		{ "n_layers", &c->n_layers, LLM_MAX_LAYERS },
		{ "n_heads", &c->n_heads, LLM_MAX_DIM },
		{ "n_kv_heads", &c->n_kv_heads, LLM_MAX_DIM },
		{ "vocab_size", &c->vocab_size, LLM_MAX_VOCAB },
		{ "seq_len", &c->seq_len, LLM_MAX_SEQ_LEN },
	};

	c->shared_classifier = word[5] > 0;
	for (int i = 0; i < HEADER_WORDS; i++) {
		/* Only the vocabulary may be negative: then the classifier has its own table. */
		int64_t v = i == 5 && word[i] < 0 ? -(int64_t)word[i] : word[i];

		if (v < 1 || v > fields[i].max)
			return llm_fail(err, -EINVAL,
					"%s: not a llama2.c checkpoint, or damaged: %s is %d "
					"(1..%u)",
					path, fields[i].name, word[i], fields[i].max);
		*fields[i].value = v;
	}
	if (c->dim % c->n_heads || (c->dim / c->n_heads) % 2)
		return llm_fail(err, -EINVAL,
				"%s: dim %u does not split into %u heads of an even size",
				path, c->dim, c->n_heads);
	if (c->n_heads % c->n_kv_heads)
		return llm_fail(err, -EINVAL, "%s: %u heads cannot share %u key/value heads",
				path, c->n_heads, c->n_kv_heads);
	c->head_size = c->dim / c->n_heads;
	c->kv_dim = c->head_size * c->n_kv_heads;
	return 0;
}

/* Hand out @layers x @rows x @cols floats. The caps keep the product below 2^63. */
static int take(struct cursor *cur, const char *name, const float **out, uint64_t layers,
		uint64_t rows, uint64_t cols)
{
	uint64_t count = layers * rows * cols;

	if (count > cur->left)
		return llm_fail(cur->err, -EINVAL,
				"%s: truncated: %s needs %llu bytes, %llu are left",
				cur->path, name,
				(unsigned long long)count * 4, (unsigned long long)cur->left * 4);
	/* A product with infinity or NaN would spoil every later token without a word. */
	for (uint64_t i = 0; out && i < count; i++) {
		if (!isfinite(cur->next[i]))
			return llm_fail(cur->err, -EINVAL,
					"%s: damaged: element %llu of %s is not a finite number",
					cur->path, (unsigned long long)i, name);
	}
	if (out)
		*out = cur->next;
	cur->next += count;
	cur->left -= count;
	return 0;
}

static int take_arrays(struct cursor *cur, const struct llm_config *c, struct llm_weights *w)
{
	const uint64_t l = c->n_layers;
	const struct {
		const char *name;
		const float **out;
		uint64_t layers, rows, cols;
	} arrays[] = {
		{ "token_embedding", &w->token_embedding, 1, c->vocab_size, c->dim },
		{ "rms_att", &w->rms_att, l, 1, c->dim },
		{ "wq", &w->wq, l, c->dim, c->dim },
		{ "wk", &w->wk, l, c->kv_dim, c->dim },
		{ "wv", &w->wv, l, c->kv_dim, c->dim },
		{ "wo", &w->wo, l, c->dim, c->dim },
		{ "rms_ffn", &w->rms_ffn, l, 1, c->dim },
		{ "w1", &w->w1, l, c->hidden_dim, c->dim },
		{ "w2", &w->w2, l, c->dim, c->hidden_dim },
		{ "w3", &w->w3, l, c->hidden_dim, c->dim },
		{ "rms_final", &w->rms_final, 1, 1, c->dim },
		/* Rotation tables of an older version of the format: present, not used. */
		{ "the rotation tables", NULL, 1, c->seq_len, c->head_size },
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(arrays) / sizeof(arrays[0]); i++)
		ret = take(cur, arrays[i].name, arrays[i].out, arrays[i].layers, arrays[i].rows,
			   arrays[i].cols);
	if (ret)
		return ret;
	if (c->shared_classifier)
		w->wcls = w->token_embedding;
	else
		ret = take(cur, "wcls", &w->wcls, 1, c->vocab_size, c->dim);
	return ret;
}

static int parse(struct llm_checkpoint *ckpt, const char *path, struct llm_error *err)
{
	struct cursor cur = { .path = path, .err = err };
	const size_t header = HEADER_WORDS * sizeof(int32_t);
	int ret;

	if (ckpt->size < header)
		return llm_fail(err, -EINVAL, "%s: truncated: %zu bytes, the header alone has %zu",
				path, ckpt->size, header);
	ret = parse_header(&ckpt->config, ckpt->data, path, err);
	if (ret)
		return ret;
	if ((ckpt->size - header) % sizeof(float))
		return llm_fail(err, -EINVAL, "%s: damaged: %zu bytes are not whole floats", path,
				ckpt->size - header);
	cur.next = (const float *)((const char *)ckpt->data + header);
	cur.left = (ckpt->size - header) / sizeof(float);
	ret = take_arrays(&cur, &ckpt->config, &ckpt->w);
	if (ret)
		return ret;
	if (cur.left)
		return llm_fail(err, -EINVAL,
				"%s: damaged: %llu bytes more than its header accounts for", path,
				(unsigned long long)cur.left * 4);
	return 0;
}

int llm_checkpoint_open(struct llm_checkpoint *ckpt, const char *path, struct llm_error *err)
{
	int ret;

	memset(ckpt, 0, sizeof(*ckpt));
	ret = llm_read_file(path, "checkpoint", get_hint, &ckpt->data, &ckpt->size, err);
	if (ret)
		return ret;
	ret = parse(ckpt, path, err);
	if (ret)
		llm_checkpoint_close(ckpt);
	return ret;
}

void llm_checkpoint_close(struct llm_checkpoint *ckpt)
{
	free(ckpt->data);
	memset(ckpt, 0, sizeof(*ckpt));
}

/* ---- writing ---- */

uint64_t llm_config_floats(const struct llm_config *c)
{
	const uint64_t layer = 2ull * c->dim + 2ull * c->dim * c->dim +
			       2ull * c->kv_dim * c->dim + 3ull * c->hidden_dim * c->dim;
	const uint64_t table = (uint64_t)c->vocab_size * c->dim;

	return c->n_layers * layer + c->dim + (c->shared_classifier ? 1 : 2) * table;
}

int llm_checkpoint_write(const char *path, const struct llm_config *config, const float *params,
			 struct llm_error *err)
{
	const uint32_t vocab = config->vocab_size;
	const int32_t word[HEADER_WORDS] = {
		config->dim, config->hidden_dim, config->n_layers, config->n_heads,
		config->n_kv_heads, config->shared_classifier ? vocab : -vocab, config->seq_len,
	};
	struct llm_config c;
	uint64_t all, own, unused;
	float *zero;
	int ret = parse_header(&c, word, path, err);

	if (ret)
		return ret;
	all = llm_config_floats(&c);
	own = c.shared_classifier ? 0 : (uint64_t)c.vocab_size * c.dim;
	unused = (uint64_t)c.seq_len * c.head_size;
	zero = calloc(unused, sizeof(*zero));
	if (!zero)
		return llm_fail(err, -ENOMEM, "%s: no memory", path);
	ret = llm_write_file(path, "checkpoint", (const struct llm_piece[]){
		{ word, sizeof(word) },
		{ params, (all - own) * sizeof(*params) },
		{ zero, unused * sizeof(*zero) },
		{ params + (all - own), own * sizeof(*params) },
	}, 4, err);
	free(zero);
	return ret;
}
