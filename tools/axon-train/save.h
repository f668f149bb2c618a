/* SPDX-License-Identifier: MIT */
/*
 * save.h - a training on disk: all that is needed to go on to the same bits.
 *
 * The file, little endian: struct save_header, then fp32 loss[step], params[], m[] and v[] of
 * "params" numbers each, then the SHA-256 of everything before. A file is taken only if its length
 * is exactly what its header says and the sum is right; it is replaced by llm_write_file(), so that
 * there is always a whole one.
 */
#ifndef TRAIN_SAVE_H
#define TRAIN_SAVE_H

#include <stdint.h>

#include "config.h"
#include "corpus.h"

#define SAVE_MAGIC	"AXTRAIN\n"
#define SAVE_VERSION	1u

/**
 * struct save_header - what the file begins with
 * @magic: SAVE_MAGIC
 * @version: SAVE_VERSION
 * @size: of this header
 * @config: settings; all that random numbers depend on, besides @step, is in it
 * @params: of the model
 * @step: steps that are done
 * @text_hash: SHA-256 of the text
 * @vocab_hash: SHA-256 of the vocabulary's file
 */
struct save_header {
	char magic[8];
	uint32_t version;
	uint32_t size;
	struct train_config config;
	uint64_t params;
	uint64_t step;
	uint8_t text_hash[TRAIN_HASH_BYTES];
	uint8_t vocab_hash[TRAIN_HASH_BYTES];
};

_Static_assert(sizeof(struct save_header) == 176, "save_header is a file format");

/**
 * struct training - the state of a training
 * @config: settings
 * @params: numbers of each array below but @loss
 * @step: steps that are done
 * @loss: of each of them; room for all steps
 * @p: parameters, the arrays of struct llm_weights in its order
 * @m: first moments of AdamW
 * @v: second moments
 */
struct training {
	struct train_config config;
	uint64_t params;
	uint32_t step;
	float *loss;
	float *p;
	float *m;
	float *v;
};

/* Make room for @params numbers. Return: 0 or -ENOMEM. */
int training_init(struct training *t, const struct train_config *c, uint64_t params,
		  struct llm_error *err);
void training_fini(struct training *t);

/**
 * save_write() - replace the file of a training
 * @path: the file
 * @t: state
 * @corpus: its text
 * @err: message of a failure
 *
 * Return: 0 or a negative errno; then the old file is as it was.
 */
int save_write(const char *path, const struct training *t, const struct corpus *corpus,
	       struct llm_error *err);

/**
 * save_read() - read and check the file of a training
 * @path: the file
 * @t: filled in; training_fini() it
 * @corpus: the text that it must be of
 * @err: message of a failure: what is wrong with the file, or that it belongs to another text
 *
 * Return: 0 or a negative errno.
 */
int save_read(const char *path, struct training *t, const struct corpus *corpus,
	      struct llm_error *err);

#endif /* TRAIN_SAVE_H */
