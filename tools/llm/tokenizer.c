// SPDX-License-Identifier: MIT
/*
 * tokenizer.c - text to tokens and back. Trusts neither the file nor the prompt.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "file.h"
#include "tokenizer.h"

#define NO_TOKEN	UINT32_MAX

/* ---- the file ---- */

static int parse_tokens(struct llm_tokenizer *tok, size_t size, const char *path,
			struct llm_error *err)
{
	const char *p = tok->data;
	size_t left = size;
	int32_t longest, len;

	if (left < sizeof(longest))
		return llm_fail(err, -EINVAL, "%s: truncated: no header", path);
	memcpy(&longest, p, sizeof(longest));
	if (longest < 1 || (uint32_t)longest > LLM_MAX_TOKEN_BYTES)
		return llm_fail(err, -EINVAL, "%s: not a tokenizer.bin: longest token %d (1..%u)",
				path, longest, LLM_MAX_TOKEN_BYTES);
	p += sizeof(longest);
	left -= sizeof(longest);
	for (uint32_t i = 0; i < tok->vocab_size; i++) {
		struct llm_token *t = &tok->token[i];

		if (left < sizeof(t->score) + sizeof(len))
			return llm_fail(err, -EINVAL,
					"%s: ends after %u of the model's %u tokens: damaged, or "
					"the tokenizer of another model", path, i, tok->vocab_size);
		memcpy(&t->score, p, sizeof(t->score));
		memcpy(&len, p + sizeof(t->score), sizeof(len));
		p += sizeof(t->score) + sizeof(len);
		left -= sizeof(t->score) + sizeof(len);
		if (isnan(t->score) || len < 0 || len > longest || (size_t)len > left)
			return llm_fail(err, -EINVAL, "%s: damaged at token %u (length %d)", path,
					i, len);
		t->text = p;
		t->len = len;
		p += len;
		left -= len;
	}
	if (left)
		return llm_fail(err, -EINVAL,
				"%s: %zu bytes after the model's %u tokens: damaged, or the "
				"tokenizer of another model", path, left, tok->vocab_size);
	return 0;
}

static int compare_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int ret = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return ret ? ret : (a_len > b_len) - (a_len < b_len);
}

static int compare_ids(const void *a, const void *b, void *opaque)
{
	const struct llm_tokenizer *tok = opaque;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int ret = compare_text(tok->token[x].text, tok->token[x].len, tok->token[y].text,
			       tok->token[y].len);

	return ret ? ret : (x > y) - (x < y);
}

int llm_tokenizer_open(struct llm_tokenizer *tok, const char *path, uint32_t vocab_size,
		       struct llm_error *err)
{
	size_t size;
	int ret;

	memset(tok, 0, sizeof(*tok));
	tok->vocab_size = vocab_size;
	ret = llm_read_file(path, "tokenizer", "Name the model's tokenizer with -z", &tok->data,
			    &size, err);
	if (ret)
		return ret;
	tok->token = calloc(vocab_size, sizeof(*tok->token));
	tok->sorted = calloc(vocab_size, sizeof(*tok->sorted));
	if (tok->token && tok->sorted)
		ret = parse_tokens(tok, size, path, err);
	else
		ret = llm_fail(err, -ENOMEM, "%s: no memory", path);
	if (ret) {
		llm_tokenizer_close(tok);
		return ret;
	}
	for (uint32_t i = 0; i < vocab_size; i++)
		tok->sorted[i] = i;
	qsort_r(tok->sorted, vocab_size, sizeof(*tok->sorted), compare_ids, tok);
	return 0;
}

void llm_tokenizer_close(struct llm_tokenizer *tok)
{
	free(tok->token);
	free(tok->sorted);
	free(tok->data);
	memset(tok, 0, sizeof(*tok));
}

/* ---- encoding ---- */

/* The lowest id with exactly this text. */
static uint32_t lookup(const struct llm_tokenizer *tok, const char *text, size_t len)
{
	uint32_t lo = 0, hi = tok->vocab_size;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct llm_token *t = &tok->token[tok->sorted[mid]];

		if (compare_text(t->text, t->len, text, len) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < tok->vocab_size) {
		const struct llm_token *t = &tok->token[tok->sorted[lo]];

		if (!compare_text(t->text, t->len, text, len))
			return tok->sorted[lo];
	}
	return NO_TOKEN;
}

/* The token of two neighbours joined, or NO_TOKEN. */
static uint32_t join(const struct llm_tokenizer *tok, uint32_t a, uint32_t b)
{
	const struct llm_token *x = &tok->token[a], *y = &tok->token[b];
	char text[2 * LLM_MAX_TOKEN_BYTES];

	memcpy(text, x->text, x->len);
	memcpy(text + x->len, y->text, y->len);
	return lookup(tok, text, (size_t)x->len + y->len);
}

/* Bytes of the UTF-8 character at @p; a stray continuation byte belongs to what is before it. */
static size_t char_len(const char *p)
{
	size_t n = 1;

	while (n < 4 && ((unsigned char)p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static int split_chars(const struct llm_tokenizer *tok, const char *text, uint32_t *ids,
		       uint32_t *count, struct llm_error *err)
{
	uint32_t n = 0;

	while (*text) {
		size_t len = char_len(text);
		uint32_t id = lookup(tok, text, len);

		if (id != NO_TOKEN) {
			ids[n++] = id;
			text += len;
			continue;
		}
		for (; len; len--, text++) {
			id = LLM_TOKEN_BYTE0 + (unsigned char)*text;
			if (id >= tok->vocab_size)
				return llm_fail(err, -EINVAL,
						"the prompt has byte 0x%02x, which this vocabulary "
						"of %u tokens cannot express", (unsigned char)*text,
						tok->vocab_size);
			ids[n++] = id;
		}
	}
	*count = n;
	return 0;
}

/*
 * Join the best pair, leftmost first, until there is none. @pair[i] is what ids[i] and
 * ids[i + 1] would become; a step changes only the pairs on both sides of the joint.
 */
static uint32_t merge(const struct llm_tokenizer *tok, uint32_t *ids, uint32_t *pair, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i++)
		pair[i] = join(tok, ids[i], ids[i + 1]);
	for (;;) {
		uint32_t best = NO_TOKEN;

		for (uint32_t i = 0; i + 1 < n; i++) {
			if (pair[i] == NO_TOKEN)
				continue;
			if (best == NO_TOKEN ||
			    tok->token[pair[i]].score > tok->token[pair[best]].score)
				best = i;
		}
		if (best == NO_TOKEN)
			return n;
		ids[best] = pair[best];
		n--;
		memmove(&ids[best + 1], &ids[best + 2], (n - best - 1) * sizeof(*ids));
		memmove(&pair[best], &pair[best + 1], (n - best - 1) * sizeof(*pair));
		if (best > 0)
			pair[best - 1] = join(tok, ids[best - 1], ids[best]);
		if (best + 1 < n)
			pair[best] = join(tok, ids[best], ids[best + 1]);
	}
}

int llm_tokenizer_encode(const struct llm_tokenizer *tok, const char *text, uint32_t **ids,
			 uint32_t *count, struct llm_error *err)
{
	size_t len = strlen(text);
	uint32_t *id, *pair, space, start = 1, n = 0;
	int ret;

	if (tok->vocab_size <= LLM_TOKEN_BOS)
		return llm_fail(err, -EINVAL, "a vocabulary of %u tokens has no start token",
				tok->vocab_size);
	if (len > LLM_MAX_PROMPT_BYTES)
		return llm_fail(err, -E2BIG, "the prompt has %zu bytes, the most is %u", len,
				LLM_MAX_PROMPT_BYTES);
	id = calloc(len + 2, sizeof(*id));
	pair = calloc(len + 2, sizeof(*pair));
	if (!id || !pair) {
		free(id);
		free(pair);
		return llm_fail(err, -ENOMEM, "no memory for the prompt");
	}
	id[0] = LLM_TOKEN_BOS;
	space = lookup(tok, " ", 1);
	if (len && space != NO_TOKEN)
		id[start++] = space;
	ret = split_chars(tok, text, id + start, &n, err);
	if (ret) {
		free(id);
		free(pair);
		return ret;
	}
	/* BOS never joins: the pairs begin after it. */
	n = merge(tok, id + 1, pair, start - 1 + n);
	free(pair);
	*ids = id;
	*count = n + 1;
	return 0;
}

/* ---- decoding ---- */

/* Is it the name of a byte token, "<0x0A>"? */
static bool byte_token(const struct llm_token *t, char *byte)
{
	char hex[3] = { 0 };

	if (t->len != 6 || memcmp(t->text, "<0x", 3) || t->text[5] != '>')
		return false;
	memcpy(hex, t->text + 3, 2);
	if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
		return false;
	*byte = strtoul(hex, NULL, 16);
	return true;
}

const char *llm_tokenizer_decode(const struct llm_tokenizer *tok, uint32_t prev, uint32_t id,
				 char *byte, size_t *len)
{
	const struct llm_token *t = &tok->token[id];
	const char *text = t->text;

	*len = t->len;
	if (prev == LLM_TOKEN_BOS && *len && text[0] == ' ') {
		text++;
		(*len)--;
	}
	if (byte_token(t, byte)) {
		*len = 1;
		text = byte;
	}
	/* A lone control character from the model must not reach the terminal. */
	if (*len == 1 && iscntrl((unsigned char)text[0]) && !isspace((unsigned char)text[0]))
		*len = 0;
	return text;
}
