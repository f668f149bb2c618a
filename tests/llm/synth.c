// SPDX-License-Identifier: MIT
/*
 * synth.c - models made of random numbers.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "synth.h"

#define SPECIAL_TOKENS	(3u + 256u)
#define MAX_PIECE	7

struct writer {
	FILE *f;
	uint64_t state;
};

static uint32_t random_u32(struct writer *w)
{
	w->state ^= w->state >> 12;
	w->state ^= w->state << 25;
	w->state ^= w->state >> 27;
	return (w->state * 0x2545f4914f6cdd1dull) >> 32;
}

/* Uniform in [-1, 1). */
static float random_float(struct writer *w)
{
	return (float)(random_u32(w) >> 8) / 8388608.0f - 1.0f;
}

static void put_float(struct writer *w, float v)
{
	fwrite(&v, sizeof(v), 1, w->f);
}

static void put_int(struct writer *w, int32_t v)
{
	fwrite(&v, sizeof(v), 1, w->f);
}

/* Matrices whose outputs are as large as their inputs: neither fades nor explodes. */
static void put_matrices(struct writer *w, uint32_t count, uint32_t rows, uint32_t cols)
{
	float scale = sqrtf(3.0f / cols);

	for (uint64_t i = 0; i < (uint64_t)count * rows * cols; i++)
		put_float(w, scale * random_float(w));
}

static void put_norms(struct writer *w, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		put_float(w, 1.0f + 0.25f * random_float(w));
}

/* Token 1 would end the text: as a classifier row its score stays close to 0, never the best. */
static void put_vocab(struct writer *w, const struct synth_shape *s)
{
	for (uint32_t t = 0; t < s->vocab_size; t++) {
		float scale = t == 1 ? 0.001f : 1.0f;

		for (uint32_t i = 0; i < s->dim; i++)
			put_float(w, scale * random_float(w));
	}
}

static int close_writer(struct writer *w)
{
	int bad = ferror(w->f);

	return fclose(w->f) || bad ? -EIO : 0;
}

int synth_checkpoint(const char *path, const struct synth_shape *s, uint64_t seed)
{
	struct writer w = { .f = fopen(path, "wb"), .state = seed };
	const uint32_t head_size = s->dim / s->n_heads, kv_dim = head_size * s->n_kv_heads;

	if (!w.f)
		return -errno;
	put_int(&w, s->dim);
	put_int(&w, s->hidden_dim);
	put_int(&w, s->n_layers);
	put_int(&w, s->n_heads);
	put_int(&w, s->n_kv_heads);
	put_int(&w, s->shared_classifier ? (int32_t)s->vocab_size : -(int32_t)s->vocab_size);
	put_int(&w, s->seq_len);
	put_vocab(&w, s);
	put_norms(&w, (uint64_t)s->n_layers * s->dim);
	put_matrices(&w, s->n_layers, s->dim, s->dim);
	put_matrices(&w, s->n_layers, kv_dim, s->dim);
	put_matrices(&w, s->n_layers, kv_dim, s->dim);
	put_matrices(&w, s->n_layers, s->dim, s->dim);
	put_norms(&w, (uint64_t)s->n_layers * s->dim);
	put_matrices(&w, s->n_layers, s->hidden_dim, s->dim);
	put_matrices(&w, s->n_layers, s->dim, s->hidden_dim);
	put_matrices(&w, s->n_layers, s->hidden_dim, s->dim);
	put_norms(&w, s->dim);
	for (uint64_t i = 0; i < (uint64_t)s->seq_len * head_size; i++)
		put_float(&w, 0.0f);
	if (!s->shared_classifier)
		put_vocab(&w, s);
	return close_writer(&w);
}

static void put_token(struct writer *w, float score, const char *text)
{
	put_float(w, score);
	put_int(w, strlen(text));
	fwrite(text, 1, strlen(text), w->f);
}

int synth_tokenizer(const char *path, uint32_t vocab_size, uint64_t seed)
{
	struct writer w = { .f = fopen(path, "wb"), .state = seed };
	char text[MAX_PIECE + 1];

	if (!w.f)
		return -errno;
	if (vocab_size < SPECIAL_TOKENS) {
		fclose(w.f);
		return -EINVAL;
	}
	put_int(&w, MAX_PIECE);
	put_token(&w, 0.0f, "<unk>");
	put_token(&w, 0.0f, "\n<s>\n");
	put_token(&w, 0.0f, "\n</s>\n");
	for (int i = 0; i < 256; i++) {
		snprintf(text, sizeof(text), "<0x%02X>", i);
		put_token(&w, 0.0f, text);
	}
	/* Single characters first, then pieces, the longer the better their score. */
	for (uint32_t i = SPECIAL_TOKENS; i < vocab_size; i++) {
		uint32_t n = i - SPECIAL_TOKENS, len = n < 27 ? 1 : 2 + random_u32(&w) % 3;

		for (uint32_t k = 0; k < len; k++)
			text[k] = 'a' + random_u32(&w) % 26;
		if (n < 27)
			text[0] = n < 26 ? 'a' + (int)n : ' ';
		text[len] = '\0';
		put_token(&w, (float)len - (float)i * 1e-4f, text);
	}
	return close_writer(&w);
}
