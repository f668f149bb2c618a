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

/* Read one token. Return its bytes in the file, 0 if it is damaged. */
static size_t parse_token(struct llm_token *t, const char *p, size_t left, int32_t longest,
			  int32_t *len)
{
	const size_t head = sizeof(t->score) + sizeof(*len);

	memcpy(&t->score, p, sizeof(t->score));
	memcpy(len, p + sizeof(t->score), sizeof(*len));
	if (isnan(t->score) || *len < 0 || *len > longest || (size_t)*len > left - head)
		return 0;
	t->text = p + head;
	t->len = *len;
	return head + *len;
}

static int parse_tokens(struct llm_tokenizer *tok, const char *path, struct llm_error *err)
{
	const char *p = tok->data;
	size_t left = tok->size, n;
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
		if (left < sizeof(float) + sizeof(len))
			return llm_fail(err, -EINVAL,
					"%s: ends after %u of the model's %u tokens: damaged, or "
					"the tokenizer of another model", path, i, tok->vocab_size);
		n = parse_token(&tok->token[i], p, left, longest, &len);
		if (!n)
			return llm_fail(err, -EINVAL, "%s: damaged at token %u (length %d)", path,
					i, len);
		p += n;
		left -= n;
	}
	if (left)
		return llm_fail(err, -EINVAL,
				"%s: %zu bytes after the model's %u tokens: damaged, or the "
				"tokenizer of another model", path, left, tok->vocab_size);
	return 0;
}

/* How many tokens there are, where no model says so. What is wrong, parse_tokens() finds. */
static uint32_t count_tokens(const char *p, size_t left)
{
	struct llm_token t;
	uint32_t n = 0;
	int32_t len;

	if (left < sizeof(len))
		return 1;
	p += sizeof(len);
	left -= sizeof(len);
	while (left >= sizeof(float) + sizeof(len) && n < LLM_MAX_VOCAB) {
		size_t bytes = parse_token(&t, p, left, LLM_MAX_TOKEN_BYTES, &len);

		if (!bytes)
			break;
		p += bytes;
		left -= bytes;
		n++;
	}
	/* A piece of a token at the end counts, so that it is seen to be damaged. */
	return n + (left > 0 || !n);
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

/* Make the tables of a vocabulary whose file is in place. */
static int take_file(struct llm_tokenizer *tok, const char *path, struct llm_error *err)
{
	int ret;

	tok->token = calloc(tok->vocab_size, sizeof(*tok->token));
	tok->sorted = calloc(tok->vocab_size, sizeof(*tok->sorted));
	if (tok->token && tok->sorted)
		ret = parse_tokens(tok, path, err);
	else
		ret = llm_fail(err, -ENOMEM, "%s: no memory", path);
	if (ret) {
		llm_tokenizer_close(tok);
		return ret;
	}
	for (uint32_t i = 0; i < tok->vocab_size; i++)
		tok->sorted[i] = i;
	qsort_r(tok->sorted, tok->vocab_size, sizeof(*tok->sorted), compare_ids, tok);
	return 0;
}

int llm_tokenizer_open(struct llm_tokenizer *tok, const char *path, uint32_t vocab_size,
		       struct llm_error *err)
{
	int ret;

	memset(tok, 0, sizeof(*tok));
	ret = llm_read_file(path, "tokenizer", "Name the model's tokenizer with -z", &tok->data,
			    &tok->size, err);
	if (ret)
		return ret;
	tok->vocab_size = vocab_size ? vocab_size : count_tokens(tok->data, tok->size);
	return take_file(tok, path, err);
}

void llm_tokenizer_close(struct llm_tokenizer *tok)
{
	free(tok->token);
	free(tok->sorted);
	free(tok->data);
	memset(tok, 0, sizeof(*tok));
}

/* ---- encoding ---- */

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
static size_t char_len(const char *p, size_t left)
{
	size_t n = 1;

	while (n < 4 && n < left && ((unsigned char)p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* The token of a byte that no other token expresses, or NO_TOKEN. */
static uint32_t byte_fallback(const struct llm_tokenizer *tok, char c)
{
	const uint32_t id = LLM_TOKEN_BYTE0 + (unsigned char)c;
	char byte;

	/* A vocabulary need not have them: then other tokens stand there. */
	if (id < tok->vocab_size && byte_token(&tok->token[id], &byte) && byte == c)
		return id;
	return NO_TOKEN;
}

static int split_chars(const struct llm_tokenizer *tok, const char *text, size_t left,
		       uint32_t *ids, uint32_t *count, struct llm_error *err)
{
	uint32_t n = 0;

	while (left) {
		size_t len = char_len(text, left);
		uint32_t id = lookup(tok, text, len);

		left -= len;
		if (id != NO_TOKEN) {
			ids[n++] = id;
			text += len;
			continue;
		}
		for (; len; len--, text++) {
			id = byte_fallback(tok, *text);
			if (id == NO_TOKEN)
				return llm_fail(err, -EINVAL,
						"the text has byte 0x%02x, which this vocabulary "
						"of %u tokens cannot express", (unsigned char)*text,
						tok->vocab_size);
			ids[n++] = id;
		}
	}
	*count = n;
	return 0;
}

/* ---- joining ---- */

/* A pair that can be joined: the token at @at and the one after it become @id. */
struct joint {
	float score;
	uint32_t at;
	uint32_t id;
};

/**
 * struct merge - tokens being joined
 * @tok: vocabulary
 * @ids: tokens, where they stood at first; NO_TOKEN: joined to one before
 * @next: place of the token after this one, or @n
 * @prev: place of the one before it, or NO_TOKEN
 * @pair: what this token and the next would become, or NO_TOKEN
 * @n: places
 * @heap: joints, the best first; one whose pair has changed meanwhile is dropped when it comes up
 * @count: joints
 * @room: for so many
 *
 * The heap makes a long text possible: each join looks at three pairs, not at all of them.
 */
struct merge {
	const struct llm_tokenizer *tok;
	uint32_t *ids;
	uint32_t *next;
	uint32_t *prev;
	uint32_t *pair;
	uint32_t n;
	struct joint *heap;
	size_t count;
	size_t room;
};

/* The best score comes first; of equal ones the leftmost. */
static bool before(const struct joint *a, const struct joint *b)
{
	return a->score != b->score ? a->score > b->score : a->at < b->at;
}

static int heap_push(struct merge *m, struct joint j)
{
	size_t i = m->count;

	if (m->count == m->room) {
		size_t room = m->room ? 2 * m->room : 256;
		struct joint *heap = reallocarray(m->heap, room, sizeof(*heap));

		if (!heap)
			return -ENOMEM;
		m->heap = heap;
		m->room = room;
	}
	m->count++;
	for (; i && before(&j, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = j;
	return 0;
}

static struct joint heap_pop(struct merge *m)
{
	struct joint top = m->heap[0], last = m->heap[--m->count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < m->count) {
		if (child + 1 < m->count && before(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (!before(&m->heap[child], &last))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = last;
	return top;
}

/* Look at the pair that begins at @at again. */
static int set_pair(struct merge *m, uint32_t at)
{
	uint32_t next = m->next[at], id = NO_TOKEN;

	if (next < m->n)
		id = join(m->tok, m->ids[at], m->ids[next]);
	m->pair[at] = id;
	if (id == NO_TOKEN)
		return 0;
	return heap_push(m, (struct joint){ m->tok->token[id].score, at, id });
}

static int join_all(struct merge *m)
{
	int ret = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		m->next[i] = i + 1;
		m->prev[i] = i ? i - 1 : NO_TOKEN;
	}
	for (uint32_t i = 0; !ret && i < m->n; i++)
		ret = set_pair(m, i);
	while (!ret && m->count) {
		struct joint j = heap_pop(m);
		uint32_t gone = m->next[j.at];

		if (m->pair[j.at] != j.id)
			continue;
		m->ids[j.at] = j.id;
		m->ids[gone] = NO_TOKEN;
		m->pair[gone] = NO_TOKEN;
		m->next[j.at] = m->next[gone];
		if (m->next[gone] < m->n)
			m->prev[m->next[gone]] = j.at;
		ret = set_pair(m, j.at);
		if (!ret && m->prev[j.at] != NO_TOKEN)
			ret = set_pair(m, m->prev[j.at]);
	}
	return ret;
}

/* Join the best pair, leftmost first, until there is none. */
static int merge(const struct llm_tokenizer *tok, uint32_t *ids, uint32_t *n)
{
	struct merge m = { .tok = tok, .ids = ids, .n = *n };
	uint32_t left = 0;
	int ret = -ENOMEM;

	m.next = calloc(m.n + 1, sizeof(*m.next));
	m.prev = calloc(m.n + 1, sizeof(*m.prev));
	m.pair = calloc(m.n + 1, sizeof(*m.pair));
	if (m.next && m.prev && m.pair)
		ret = join_all(&m);
	for (uint32_t i = 0; !ret && i < m.n; i++) {
		if (ids[i] != NO_TOKEN)
			ids[left++] = ids[i];
	}
	*n = left;
	free(m.next);
	free(m.prev);
	free(m.pair);
	free(m.heap);
	return ret;
}

/* ---- whole texts ---- */

/* Encode a text behind the @count tokens that are there already and may join with it. */
static int encode(const struct llm_tokenizer *tok, const char *text, size_t len, uint32_t *ids,
		  uint32_t *count, struct llm_error *err)
{
	uint32_t n = 0;
	int ret = split_chars(tok, text, len, ids + *count, &n, err);

	*count += n;
	if (!ret && merge(tok, ids, count))
		ret = llm_fail(err, -ENOMEM, "no memory to encode a text of %zu bytes", len);
	return ret;
}

int llm_tokenizer_encode_text(const struct llm_tokenizer *tok, const char *text, size_t len,
			      uint32_t **ids, uint32_t *count, struct llm_error *err)
{
	int ret;

	if (len > LLM_MAX_TEXT_BYTES)
		return llm_fail(err, -E2BIG, "the text has %zu bytes, the most is %u", len,
				LLM_MAX_TEXT_BYTES);
	*count = 0;
	*ids = calloc(len + 1, sizeof(**ids));
	if (!*ids)
		return llm_fail(err, -ENOMEM, "no memory for a text of %zu bytes", len);
	ret = encode(tok, text, len, *ids, count, err);
	if (ret)
		free(*ids);
	return ret;
}

int llm_tokenizer_encode(const struct llm_tokenizer *tok, const char *text, uint32_t **ids,
			 uint32_t *count, struct llm_error *err)
{
	const size_t len = strlen(text);
	uint32_t *id, space, n = 0;
	int ret;

	if (tok->vocab_size <= LLM_TOKEN_BOS)
		return llm_fail(err, -EINVAL, "a vocabulary of %u tokens has no start token",
				tok->vocab_size);
	if (len > LLM_MAX_PROMPT_BYTES)
		return llm_fail(err, -E2BIG, "the prompt has %zu bytes, the most is %u", len,
				LLM_MAX_PROMPT_BYTES);
	id = calloc(len + 2, sizeof(*id));
	if (!id)
		return llm_fail(err, -ENOMEM, "no memory for the prompt");
	id[0] = LLM_TOKEN_BOS;
	space = lookup(tok, " ", 1);
	if (len && space != NO_TOKEN)
		id[1 + n++] = space;
	/* BOS never joins: the rest is encoded without it. */
	ret = encode(tok, text, len, id + 1, &n, err);
	if (ret) {
		free(id);
		return ret;
	}
	*ids = id;
	*count = n + 1;
	return 0;
}

/* ---- a vocabulary of characters ---- */

static const char *const special[LLM_TOKEN_BYTE0] = { "<unk>", "\n<s>\n", "\n</s>\n" };

/*
 * A character as a number: its bytes from the top, zeros below. All bytes but the first are
 * continuation bytes, never 0, so that the number also says how many there are.
 */
static uint32_t char_key(const char *p, size_t len)
{
	unsigned char b[4] = { 0 };

	memcpy(b, p, len);
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/**
 * struct char_set - characters, each once, in the order of their bytes
 * @key: see char_key()
 * @count: how many
 * @room: the most that are wanted
 */
struct char_set {
	uint32_t *key;
	uint32_t count;
	uint32_t room;
};

static bool char_set_add(struct char_set *set, uint32_t key)
{
	uint32_t lo = 0, hi = set->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (set->key[mid] < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < set->count && set->key[lo] == key)
		return true;
	if (set->count == set->room)
		return false;
	memmove(&set->key[lo + 1], &set->key[lo], (set->count - lo) * sizeof(key));
	set->key[lo] = key;
	set->count++;
	return true;
}

static bool list_chars(struct char_set *set, const char *text, size_t len)
{
	size_t n;

	for (size_t at = 0; at < len; at += n) {
		n = char_len(text + at, len - at);
		if (!char_set_add(set, char_key(text + at, n)))
			return false;
	}
	return true;
}

static char *put_token(char *p, const char *text, int32_t len)
{
	const float score = 0.0f;

	memcpy(p, &score, sizeof(score));
	memcpy(p + sizeof(score), &len, sizeof(len));
	memcpy(p + sizeof(score) + sizeof(len), text, len);
	return p + sizeof(score) + sizeof(len) + len;
}

/* The file of a vocabulary of the special tokens and these characters. */
static int write_chars(struct llm_tokenizer *tok, const struct char_set *set)
{
	const int32_t longest = strlen(special[2]);
	char *p = calloc(tok->vocab_size + 1, sizeof(float) + sizeof(int32_t) + longest);

	if (!p)
		return -ENOMEM;
	tok->data = p;
	memcpy(p, &longest, sizeof(longest));
	p += sizeof(longest);
	for (uint32_t i = 0; i < LLM_TOKEN_BYTE0; i++)
		p = put_token(p, special[i], strlen(special[i]));
	for (uint32_t i = 0; i < set->count; i++) {
		const uint32_t k = set->key[i];
		const char text[4] = { k >> 24, k >> 16, k >> 8, k };
		int32_t len = 1;

		while (len < 4 && text[len])
			len++;
		p = put_token(p, text, len);
	}
	tok->size = p - (char *)tok->data;
	return 0;
}

int llm_tokenizer_from_text(struct llm_tokenizer *tok, const char *text, size_t len,
			    uint32_t max_tokens, struct llm_error *err)
{
	struct char_set set = { .room = max_tokens - LLM_TOKEN_BYTE0 };
	int ret = 0;

	memset(tok, 0, sizeof(*tok));
	set.key = calloc((size_t)set.room + 1, sizeof(*set.key));
	if (!set.key)
		return llm_fail(err, -ENOMEM, "no memory for a vocabulary");
	if (!list_chars(&set, text, len))
		ret = llm_fail(err, -E2BIG, "the text has more than %u different characters; is it "
			       "text?", set.room);
	tok->vocab_size = LLM_TOKEN_BYTE0 + set.count;
	if (!ret && write_chars(tok, &set))
		ret = llm_fail(err, -ENOMEM, "no memory for a vocabulary");
	free(set.key);
	return ret ? ret : take_file(tok, "vocabulary", err);
}

int llm_tokenizer_write(const struct llm_tokenizer *tok, const char *path, struct llm_error *err)
{
	const struct llm_piece file = { tok->data, tok->size };

	return llm_write_file(path, "tokenizer", &file, 1, err);
}

/* ---- decoding ---- */

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
