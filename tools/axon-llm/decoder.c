// SPDX-License-Identifier: MIT
/*
 * decoder.c - a Llama on the card.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <axc/axc.h>
#include <nrt/nrt.h>

#include "decoder.h"

enum tensor { TOKEN, POS, K_CACHE, V_CACHE, LOGITS, NEXT, TENSORS };

static const char *const tensor_name[TENSORS] = {
	[TOKEN] = AXC_LLAMA_TOKEN,
	[POS] = AXC_LLAMA_POS,
	[K_CACHE] = AXC_LLAMA_K_CACHE,
	[V_CACHE] = AXC_LLAMA_V_CACHE,
	[LOGITS] = AXC_LLAMA_LOGITS,
	[NEXT] = AXC_LLAMA_NEXT,
};

/**
 * struct decoder - the loaded model
 * @up: nrt_init() went well
 * @vocab: tokens
 * @model: the program
 * @inputs: what a launch reads; the caches are in both sets
 * @outputs: what it writes
 * @tensor: in the order of &enum tensor
 */
struct decoder {
	bool up;
	uint32_t vocab;
	nrt_model_t *model;
	nrt_tensor_set_t *inputs;
	nrt_tensor_set_t *outputs;
	nrt_tensor_t *tensor[TENSORS];
};

static int status_error(struct llm_error *err, const char *what, NRT_STATUS status)
{
	int code = -EIO;

	if (status == NRT_RESOURCE)
		code = -ENOMEM;
	else if (status == NRT_TIMEOUT)
		code = -ETIMEDOUT;
	return llm_fail(err, code, "%s failed: %s", what, nrt_get_status_as_str(status));
}

/* ---- program and tensors ---- */

static int compile(const struct llm_checkpoint *ckpt, void **elf, size_t *size,
		   struct llm_error *err)
{
	const struct llm_config *c = &ckpt->config;
	const struct axc_llama_config config = {
		.dim = c->dim,
		.hidden_dim = c->hidden_dim,
		.n_layers = c->n_layers,
		.n_heads = c->n_heads,
		.n_kv_heads = c->n_kv_heads,
		.vocab = c->vocab_size,
		.seq_len = c->seq_len,
	};
	const struct axc_llama_weights weights = {
		.token_embedding = ckpt->w.token_embedding,
		.rms_att = ckpt->w.rms_att,
		.wq = ckpt->w.wq,
		.wk = ckpt->w.wk,
		.wv = ckpt->w.wv,
		.wo = ckpt->w.wo,
		.rms_ffn = ckpt->w.rms_ffn,
		.w1 = ckpt->w.w1,
		.w2 = ckpt->w.w2,
		.w3 = ckpt->w.w3,
		.rms_final = ckpt->w.rms_final,
		.wcls = c->shared_classifier ? NULL : ckpt->w.wcls,
	};
	struct axc_program *program = NULL;
	const char *text = "";
	int ret = axc_llama_decode(&config, &weights, &program);

	if (!ret)
		ret = axc_program_finish(program, elf, size);
	if (ret) {
		if (program)
			axc_program_error(program, &text);
		llm_fail(err, ret, "this model cannot be compiled for the card: %s (%s)",
			 text[0] ? text : "no details", strerror(-ret));
	}
	axc_program_free(program);
	return ret;
}

static int load(struct decoder *dec, const struct llm_checkpoint *ckpt, struct llm_error *err)
{
	NRT_STATUS status;
	void *elf = NULL;
	size_t size = 0;
	int ret = compile(ckpt, &elf, &size, err);

	if (ret)
		return ret;
	status = nrt_load(elf, size, 0, 1, &dec->model);
	free(elf);
	return status == NRT_SUCCESS ? 0 : status_error(err, "loading the program", status);
}

static int add_tensor(struct decoder *dec, enum tensor t, size_t size, bool input, bool output,
		      struct llm_error *err)
{
	const char *name = tensor_name[t];
	NRT_STATUS status = nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, size, name,
						&dec->tensor[t]);

	if (status == NRT_SUCCESS)
		status = nrt_tensor_memset(dec->tensor[t], 0, 0, size);
	if (status == NRT_SUCCESS && input)
		status = nrt_add_tensor_to_tensor_set(dec->inputs, name, dec->tensor[t]);
	if (status == NRT_SUCCESS && output)
		status = nrt_add_tensor_to_tensor_set(dec->outputs, name, dec->tensor[t]);
	if (status == NRT_SUCCESS)
		return 0;
	return status_error(err, "allocating memory on the card", status);
}

static int make_tensors(struct decoder *dec, const struct llm_config *c, struct llm_error *err)
{
	const size_t cache = (size_t)c->n_layers * c->seq_len * c->kv_dim * sizeof(float);
	NRT_STATUS status = nrt_allocate_tensor_set(&dec->inputs);
	int ret;

	if (status == NRT_SUCCESS)
		status = nrt_allocate_tensor_set(&dec->outputs);
	if (status != NRT_SUCCESS)
		return status_error(err, "making tensor sets", status);
	ret = add_tensor(dec, TOKEN, sizeof(uint32_t), true, false, err);
	if (!ret)
		ret = add_tensor(dec, POS, sizeof(uint32_t), true, false, err);
	if (!ret)
		ret = add_tensor(dec, K_CACHE, cache, true, true, err);
	if (!ret)
		ret = add_tensor(dec, V_CACHE, cache, true, true, err);
	if (!ret)
		ret = add_tensor(dec, LOGITS, c->vocab_size * sizeof(float), false, true, err);
	if (!ret)
		ret = add_tensor(dec, NEXT, sizeof(uint32_t), false, true, err);
	return ret;
}

int decoder_create(const struct llm_checkpoint *ckpt, const struct place *where,
		   struct decoder **out, struct llm_error *err)
{
	struct decoder *dec = calloc(1, sizeof(*dec));
	int ret;

	if (!dec)
		return llm_fail(err, -ENOMEM, "no memory");
	dec->vocab = ckpt->config.vocab_size;
	ret = place_start(where, "axon-llm", err);
	if (!ret) {
		dec->up = true;
		ret = load(dec, ckpt, err);
	}
	if (!ret)
		ret = make_tensors(dec, &ckpt->config, err);
	if (ret) {
		decoder_free(dec);
		return ret;
	}
	*out = dec;
	return 0;
}

void decoder_free(struct decoder *dec)
{
	if (!dec)
		return;
	if (dec->model)
		nrt_unload(dec->model);
	if (dec->inputs)
		nrt_destroy_tensor_set(&dec->inputs);
	if (dec->outputs)
		nrt_destroy_tensor_set(&dec->outputs);
	for (int i = 0; i < TENSORS; i++) {
		if (dec->tensor[i])
			nrt_tensor_free(&dec->tensor[i]);
	}
	if (dec->up)
		nrt_close();
	free(dec);
}

int decoder_step(void *opaque, uint32_t token, uint32_t pos, float *logits, uint32_t *next,
		 struct llm_error *err)
{
	struct decoder *dec = opaque;
	NRT_STATUS status;

	status = nrt_tensor_write(dec->tensor[TOKEN], &token, 0, sizeof(token));
	if (status == NRT_SUCCESS)
		status = nrt_tensor_write(dec->tensor[POS], &pos, 0, sizeof(pos));
	if (status != NRT_SUCCESS)
		return status_error(err, "writing a token to the card", status);
	status = nrt_execute(dec->model, dec->inputs, dec->outputs);
	if (status != NRT_SUCCESS)
		return status_error(err, "computing a token on the card", status);
	if (logits)
		status = nrt_tensor_read(dec->tensor[LOGITS], logits, 0,
					 dec->vocab * sizeof(*logits));
	if (status == NRT_SUCCESS && next)
		status = nrt_tensor_read(dec->tensor[NEXT], next, 0, sizeof(*next));
	if (status != NRT_SUCCESS)
		return status_error(err, "reading the result from the card", status);
	return 0;
}
