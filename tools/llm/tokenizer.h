/* SPDX-License-Identifier: MIT */
/*
 * tokenizer.h - text to tokens and back, by the tokenizer.bin of llama2.c.
 *
 * The file: int32 longest token, then for each token float32 score, int32 length, bytes.
 */
#ifndef LLM_TOKENIZER_H
#define LLM_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define LLM_MAX_TOKEN_BYTES	4096u
#define LLM_MAX_PROMPT_BYTES	65536u
#define LLM_MAX_TEXT_BYTES	(64u << 20)

/* One token; @text is not NUL terminated and lies in the file's bytes. */
struct llm_token {
	const char *text;
	uint32_t len;
	float score;
};

/**
 * struct llm_tokenizer - a vocabulary
 * @vocab_size: tokens
 * @token: by id
 * @sorted: ids in the order of their text, then of the id
 * @data: the file
 * @size: its bytes
 */
struct llm_tokenizer {
	uint32_t vocab_size;
	struct llm_token *token;
	uint32_t *sorted;
	void *data;
	size_t size;
};

/**
 * llm_tokenizer_open() - read and check a vocabulary
 * @tok: filled in; llm_tokenizer_close() it
 * @path: the file
 * @vocab_size: tokens that it must have: the model's; 0: there is no model yet
 * @err: message of a failure
 *
 * Return: 0 or a negative errno.
 */
int llm_tokenizer_open(struct llm_tokenizer *tok, const char *path, uint32_t vocab_size,
		       struct llm_error *err);

/**
 * llm_tokenizer_from_text() - the vocabulary of a text's characters
 * @tok: filled in; llm_tokenizer_close() it
 * @text: the text
 * @len: its bytes
 * @max_tokens: the most that are wanted, more than three
 * @err: message of a failure
 *
 * Tokens 0, 1 and 2 are the special ones of the format, then come the characters (UTF-8) in the
 * order of their bytes. There are no byte tokens: a character that is not in the text cannot be
 * expressed.
 *
 * Return: 0 or a negative errno (-E2BIG: too many different characters).
 */
int llm_tokenizer_from_text(struct llm_tokenizer *tok, const char *text, size_t len,
			    uint32_t max_tokens, struct llm_error *err);

/* Write the vocabulary's file, whole or not at all. Return: 0 or a negative errno. */
int llm_tokenizer_write(const struct llm_tokenizer *tok, const char *path, struct llm_error *err);

/**
 * llm_tokenizer_close() - free a vocabulary
 * @tok: opened before, or all zero
 */
void llm_tokenizer_close(struct llm_tokenizer *tok);

/**
 * llm_tokenizer_encode() - the tokens of a prompt
 * @tok: vocabulary
 * @text: prompt; may be empty
 * @ids: out: BOS and the prompt's tokens; free() it
 * @count: out: how many, at least 1
 * @err: message of a failure
 *
 * A space goes before a prompt that is not empty. Characters the vocabulary does not have
 * become byte tokens, which is an error if it has none; then the neighbours whose union has
 * the best score are joined until none can be.
 *
 * Return: 0 or a negative errno.
 */
int llm_tokenizer_encode(const struct llm_tokenizer *tok, const char *text, uint32_t **ids,
			 uint32_t *count, struct llm_error *err);

/**
 * llm_tokenizer_encode_text() - the tokens of a text, without BOS and a space before
 * @tok: vocabulary
 * @text: may have zero bytes in it
 * @len: its bytes
 * @ids: out: tokens; free() it
 * @count: out: how many, at most @len
 * @err: message of a failure
 *
 * Otherwise as llm_tokenizer_encode(); takes time proportional to len * log(len).
 *
 * Return: 0 or a negative errno.
 */
int llm_tokenizer_encode_text(const struct llm_tokenizer *tok, const char *text, size_t len,
			      uint32_t **ids, uint32_t *count, struct llm_error *err);

/**
 * llm_tokenizer_decode() - the text of a token
 * @tok: vocabulary
 * @prev: token before it: after BOS a leading space is dropped
 * @id: the token, below @tok->vocab_size
 * @byte: room for the text of a byte token
 * @len: out: bytes of text
 *
 * Return: the text, not NUL terminated.
 */
const char *llm_tokenizer_decode(const struct llm_tokenizer *tok, uint32_t prev, uint32_t id,
				 char *byte, size_t *len);

#endif /* LLM_TOKENIZER_H */
