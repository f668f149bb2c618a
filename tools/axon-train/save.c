// SPDX-License-Identifier: MIT
/*
 * save.c - write and read a training. Trusts nothing in the file.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>

#include "file.h"
#include "save.h"

#if __BYTE_ORDER != __LITTLE_ENDIAN
#error "the arrays are written as they lie in memory; the file is little endian"
#endif

#define PIECES	6	/* header, losses, parameters, two moments, sum */

int training_init(struct training *t, const struct train_config *c, uint64_t params,
		  struct llm_error *err)
{
	*t = (struct training){ .config = *c, .params = params };
	t->loss = calloc(c->steps, sizeof(*t->loss));
	t->p = calloc(params, sizeof(*t->p));
	t->m = calloc(params, sizeof(*t->m));
	t->v = calloc(params, sizeof(*t->v));
	if (t->loss && t->p && t->m && t->v)
		return 0;
	training_fini(t);
	return llm_fail(err, -ENOMEM, "no memory for %llu parameters", (unsigned long long)params);
}

void training_fini(struct training *t)
{
	free(t->loss);
	free(t->p);
	free(t->m);
	free(t->v);
	memset(t, 0, sizeof(*t));
}

/* ---- writing ---- */

static void sum(const struct llm_piece *piece, size_t pieces, uint8_t *out)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	for (size_t i = 0; i < pieces; i++)
		sha256_update(&ctx, piece[i].size, piece[i].data);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
}

int save_write(const char *path, const struct training *t, const struct corpus *corpus,
	       struct llm_error *err)
{
	struct save_header h = { .magic = SAVE_MAGIC, .version = SAVE_VERSION, .size = sizeof(h),
				 .config = t->config, .params = t->params, .step = t->step };
	const size_t bytes = t->params * sizeof(float);
	uint8_t digest[SHA256_DIGEST_SIZE];
	const struct llm_piece piece[PIECES] = {
		{ &h, sizeof(h) },
		{ t->loss, t->step * sizeof(float) },
		{ t->p, bytes },
		{ t->m, bytes },
		{ t->v, bytes },
		{ digest, sizeof(digest) },
	};

	memcpy(h.text_hash, corpus->text_hash, sizeof(h.text_hash));
	memcpy(h.vocab_hash, corpus->vocab_hash, sizeof(h.vocab_hash));
	sum(piece, PIECES - 1, digest);
	return llm_write_file(path, "checkpoint", piece, PIECES, err);
}

/* ---- reading ---- */

/* The length that the header promises; sizes are compared by division, so nothing wraps. */
static bool length_fits(const struct save_header *h, uint64_t size)
{
	uint64_t left = size - sizeof(*h) - SHA256_DIGEST_SIZE;

	if (left % sizeof(float))
		return false;
	left /= sizeof(float);
	if (h->step > left)
		return false;
	left -= h->step;
	return left % 3 == 0 && left / 3 == h->params;
}

static int check_header(const struct save_header *h, const char *path, struct llm_error *err)
{
	if (h->version != SAVE_VERSION || h->size != sizeof(*h))
		return llm_fail(err, -EINVAL, "%s: a checkpoint of version %u with a header of %u "
				"bytes; this program reads version %u with %zu", path, h->version,
				h->size, SAVE_VERSION, sizeof(*h));
	return 0;
}

/* What a right sum cannot promise: that the one who wrote the file wrote sense. */
static int check_content(const struct save_header *h, const char *path, struct llm_error *err)
{
	struct llm_error why = { "" };
	struct llm_config model;

	if (train_config_check(&h->config, &why))
		return llm_fail(err, -EINVAL, "%s: not a training that this program began: %s",
				path, why.text);
	model = train_model_config(&h->config);
	if (h->params != llm_config_floats(&model) || h->step > h->config.steps)
		return llm_fail(err, -EINVAL, "%s: not a training that this program began: %llu "
				"parameters, step %llu of %u", path, (unsigned long long)h->params,
				(unsigned long long)h->step, h->config.steps);
	return 0;
}

static int check_file(const void *data, size_t size, const char *path, struct llm_error *err)
{
	const struct save_header *h = data;
	const struct llm_piece all = { data, size - SHA256_DIGEST_SIZE };
	uint8_t digest[SHA256_DIGEST_SIZE];
	int ret;

	if (size < sizeof(h->magic) || memcmp(h->magic, SAVE_MAGIC, sizeof(h->magic)))
		return llm_fail(err, -EINVAL, "%s: not a checkpoint of axon-train", path);
	if (size < sizeof(*h) + SHA256_DIGEST_SIZE)
		return llm_fail(err, -EINVAL, "%s: truncated: %zu bytes", path, size);
	ret = check_header(h, path, err);
	if (ret)
		return ret;
	if (!length_fits(h, size))
		return llm_fail(err, -EINVAL, "%s: truncated or damaged: %zu bytes are not what "
				"its header promises", path, size);
	sum(&all, 1, digest);
	if (memcmp(digest, (const char *)data + all.size, sizeof(digest)))
		return llm_fail(err, -EINVAL, "%s: damaged: its checksum is wrong", path);
	return check_content(h, path, err);
}

static int check_corpus(const struct save_header *h, const struct corpus *corpus, const char *path,
			struct llm_error *err)
{
	if (memcmp(h->text_hash, corpus->text_hash, sizeof(h->text_hash)))
		return llm_fail(err, -EINVAL, "%s: begun with another text, or this one was "
				"changed since", path);
	if (memcmp(h->vocab_hash, corpus->vocab_hash, sizeof(h->vocab_hash)) ||
	    h->config.vocab != corpus->tok.vocab_size)
		return llm_fail(err, -EINVAL, "%s: begun with another tokenizer; name the one it "
				"was begun with by -z, or none if there was none", path);
	return 0;
}

int save_read(const char *path, struct training *t, const struct corpus *corpus,
	      struct llm_error *err)
{
	const struct save_header *h;
	const float *from;
	size_t size;
	void *data;
	int ret = llm_read_file(path, "checkpoint", "axon-train writes one with --checkpoint",
				&data, &size, err);

	if (ret)
		return ret;
	h = data;
	ret = check_file(data, size, path, err);
	if (!ret)
		ret = check_corpus(h, corpus, path, err);
	if (!ret)
		ret = training_init(t, &h->config, h->params, err);
	if (!ret) {
		t->step = h->step;
		from = (const float *)(h + 1);
		memcpy(t->loss, from, h->step * sizeof(*from));
		from += h->step;
		memcpy(t->p, from, h->params * sizeof(*from));
		memcpy(t->m, from + h->params, h->params * sizeof(*from));
		memcpy(t->v, from + 2 * h->params, h->params * sizeof(*from));
	}
	free(data);
	return ret;
}
