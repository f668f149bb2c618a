/* SPDX-License-Identifier: MIT */
/*
 * corpus.h - the text of a training as tokens, and which of them a step sees.
 *
 * The tokens stand between two BOS: "BOS text BOS", so that a model can learn where a text ends. A
 * sequence is a piece of that with seq + 1 tokens whose first is replaced by BOS: a program that
 * generates starts with BOS too. The first seq tokens are what the model reads, the last seq what
 * it should answer.
 *
 * Sequence b of step s (from 0) begins at token random_at(~seed, s * batch + b) % (n - seq) of the
 * n tokens. That is all there is to the order: it does not depend on the cards, or on what happened
 * before.
 */
#ifndef TRAIN_CORPUS_H
#define TRAIN_CORPUS_H

#include <stdint.h>

#include "config.h"
#include "tokenizer.h"

#define TRAIN_HASH_BYTES	32u

/**
 * struct corpus - a text and its vocabulary
 * @tok: vocabulary
 * @own_vocabulary: made of the text's characters
 * @token: the tokens with BOS before and behind
 * @count: how many
 * @text_hash: SHA-256 of the text
 * @vocab_hash: SHA-256 of the vocabulary's file
 */
struct corpus {
	struct llm_tokenizer tok;
	bool own_vocabulary;
	uint32_t *token;
	uint32_t count;
	uint8_t text_hash[TRAIN_HASH_BYTES];
	uint8_t vocab_hash[TRAIN_HASH_BYTES];
};

/**
 * corpus_open() - read a text
 * @corpus: filled in; corpus_close() it
 * @path: the text
 * @tokenizer: file of its vocabulary, or NULL: the text's characters
 * @err: message of a failure
 *
 * Return: 0 or a negative errno.
 */
int corpus_open(struct corpus *corpus, const char *path, const char *tokenizer,
		struct llm_error *err);
void corpus_close(struct corpus *corpus);

/* Is it long enough for sequences of @c->seq? Return: 0 or -EINVAL. */
int corpus_check(const struct corpus *corpus, const struct train_config *c, struct llm_error *err);

/**
 * corpus_rows() - the sequences of a step that one card takes
 * @corpus: text
 * @c: settings
 * @step: from 0
 * @rank: the card takes sequences @rank, @rank + cards, @rank + 2 * cards, ...
 * @tokens: out: [batch / cards][seq]
 * @targets: out: the same, one token further
 */
void corpus_rows(const struct corpus *corpus, const struct train_config *c, uint32_t step,
		 uint32_t rank, uint32_t *tokens, uint32_t *targets);

#endif /* TRAIN_CORPUS_H */
