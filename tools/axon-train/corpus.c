// SPDX-License-Identifier: MIT
/*
 * corpus.c - text to tokens, tokens to sequences.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>

#include "corpus.h"
#include "file.h"
#include "random.h"

_Static_assert(TRAIN_HASH_BYTES == SHA256_DIGEST_SIZE, "hashes are SHA-256");

static void hash(const void *data, size_t size, uint8_t *out)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, size, data);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
}

static int encode(struct corpus *corpus, const char *text, size_t len, struct llm_error *err)
{
	uint32_t *ids, count;
	int ret = llm_tokenizer_encode_text(&corpus->tok, text, len, &ids, &count, err);

	if (ret)
		return ret;
	corpus->token = calloc((size_t)count + 2, sizeof(*ids));
	if (!corpus->token) {
		free(ids);
		return llm_fail(err, -ENOMEM, "no memory for %u tokens", count);
	}
	corpus->token[0] = LLM_TOKEN_BOS;
	memcpy(corpus->token + 1, ids, count * sizeof(*ids));
	corpus->token[count + 1] = LLM_TOKEN_BOS;
	corpus->count = count + 2;
	free(ids);
	return 0;
}

static int open_vocabulary(struct corpus *corpus, const char *tokenizer, const char *text,
			   size_t len, struct llm_error *err)
{
	int ret;

	corpus->own_vocabulary = !tokenizer;
	if (!tokenizer)
		return llm_tokenizer_from_text(&corpus->tok, text, len, TRAIN_MAX_VOCAB, err);
	ret = llm_tokenizer_open(&corpus->tok, tokenizer, 0, err);
	if (!ret && (corpus->tok.vocab_size <= LLM_TOKEN_BOS ||
		     corpus->tok.vocab_size > TRAIN_MAX_VOCAB))
		ret = llm_fail(err, -EINVAL, "%s: a vocabulary of %u tokens cannot be trained (2 "
			       "to %u)", tokenizer, corpus->tok.vocab_size, TRAIN_MAX_VOCAB);
	return ret;
}

int corpus_open(struct corpus *corpus, const char *path, const char *tokenizer,
		struct llm_error *err)
{
	struct llm_error why = { "" };
	size_t len;
	void *text;
	int ret;

	memset(corpus, 0, sizeof(*corpus));
	ret = llm_read_file(path, "text", "A licence in /usr/share/common-licenses is one", &text,
			    &len, err);
	if (ret)
		return ret;
	ret = open_vocabulary(corpus, tokenizer, text, len, &why);
	if (!ret)
		ret = encode(corpus, text, len, &why);
	if (ret) {
		llm_fail(err, ret, "%s: %s", path, why.text);
		corpus_close(corpus);
	} else {
		hash(text, len, corpus->text_hash);
		hash(corpus->tok.data, corpus->tok.size, corpus->vocab_hash);
	}
	free(text);
	return ret;
}

void corpus_close(struct corpus *corpus)
{
	llm_tokenizer_close(&corpus->tok);
	free(corpus->token);
	memset(corpus, 0, sizeof(*corpus));
}

int corpus_check(const struct corpus *corpus, const struct train_config *c, struct llm_error *err)
{
	if (corpus->count > c->seq)
		return 0;
	return llm_fail(err, -EINVAL, "the text has %u tokens, too few for sequences of %u",
			corpus->count - 2, c->seq);
}

void corpus_rows(const struct corpus *corpus, const struct train_config *c, uint32_t step,
		 uint32_t rank, uint32_t *tokens, uint32_t *targets)
{
	const uint64_t starts = corpus->count - c->seq;
	const size_t bytes = c->seq * sizeof(*tokens);

	for (uint32_t row = rank; row < c->batch; row += c->cards) {
		uint64_t place = random_at(~c->seed, (uint64_t)step * c->batch + row);
		const uint32_t *from = corpus->token + place % starts;

		memcpy(tokens, from, bytes);
		memcpy(targets, from + 1, bytes);
		tokens[0] = LLM_TOKEN_BOS;
		tokens += c->seq;
		targets += c->seq;
	}
}
