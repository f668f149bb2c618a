// SPDX-License-Identifier: MIT
/*
 * trainer.c - the programs of a training on the card, through the runtime.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <axc/axc.h>
#include <nrt/nrt.h>

#include "random.h"
#include "trainer.h"

enum { TOKENS, TARGETS, PARAMS, LOSS, LOSSES, GRADS, M, V, HYPER, NORM, NUM_TENSORS };

static const char *const tensor_name[NUM_TENSORS] = {
	[TOKENS] = AXC_TRAIN_TOKENS, [TARGETS] = AXC_TRAIN_TARGETS, [PARAMS] = AXC_TRAIN_PARAMS,
	[LOSS] = AXC_TRAIN_LOSS, [LOSSES] = AXC_TRAIN_LOSSES, [GRADS] = AXC_TRAIN_GRADS,
	[M] = AXC_TRAIN_M, [V] = AXC_TRAIN_V, [HYPER] = AXC_TRAIN_HYPER, [NORM] = AXC_TRAIN_NORM,
};

/**
 * struct program - a program and what it works on
 * @model: loaded
 * @in: inputs
 * @out: outputs
 */
struct program {
	nrt_model_t *model;
	nrt_tensor_set_t *in;
	nrt_tensor_set_t *out;
};

/**
 * struct trainer - what is on the card
 * @grad: loss and gradients
 * @update: AdamW
 * @tensor: all tensors
 * @tokens: of a step
 * @targets: of a step
 * @params: numbers of the flat arrays
 */
struct trainer {
	struct program grad;
	struct program update;
	nrt_tensor_t *tensor[NUM_TENSORS];
	uint32_t *tokens;
	uint32_t *targets;
	uint64_t params;
};

static struct axc_llama_train shape(const struct train_config *c)
{
	return (struct axc_llama_train){
		.model = { .dim = c->dim, .hidden_dim = c->hidden, .n_layers = c->layers,
			   .n_heads = c->heads, .n_kv_heads = c->kv_heads, .vocab = c->vocab,
			   .seq_len = c->seq },
		.batch = c->batch / c->cards,
	};
}

uint64_t trainer_params(const struct train_config *c)
{
	const struct axc_llama_train t = shape(c);

	return axc_llama_train_size(&t);
}

void trainer_begin(const struct train_config *c, float *p)
{
	const struct axc_llama_train t = shape(c);
	struct axc_llama_param param;

	for (uint32_t k = 0; !axc_llama_train_param(&t, k, &param); k++) {
		const uint64_t end = param.first + (uint64_t)param.rows * param.cols;
		double a = 0.02 * sqrt(3);

		if (!strcmp(param.name, "wo") || !strcmp(param.name, "w2"))
			a /= sqrt(2.0 * c->layers);
		for (uint64_t i = param.first; i < end; i++)
			p[i] = param.decay ? (float)a * ((float)(random_at(c->seed, i) >> 40) /
							 8388608.0f - 1.0f) : 1.0f;
	}
}

static int status_error(struct llm_error *err, const char *what, NRT_STATUS status)
{
	return llm_fail(err, status == NRT_RESOURCE ? -ENOMEM : -EIO, "%s failed: %s", what,
			nrt_get_status_as_str(status));
}

/* ---- set-up ---- */

static int load(const struct axc_llama_train *t, enum axc_train_program which,
		struct program *program, struct llm_error *err)
{
	const char *text = "no memory";
	struct axc_program *p = NULL;
	NRT_STATUS status;
	void *elf = NULL;
	size_t size;
	int ret = axc_llama_train(t, which, &p);

	if (!ret)
		ret = axc_program_finish(p, &elf, &size);
	if (ret) {
		axc_program_error(p, &text);
		llm_fail(err, ret, "this model cannot be trained on the card: %s", text);
	}
	axc_program_free(p);
	if (ret)
		return ret;
	status = nrt_load(elf, size, 0, 1, &program->model);
	free(elf);
	return status ? status_error(err, "loading a program", status) : 0;
}

static int make_tensor(struct trainer *t, int which, uint64_t elements, struct llm_error *err)
{
	NRT_STATUS status = nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, elements * 4,
						tensor_name[which], &t->tensor[which]);

	return status ? status_error(err, "getting memory on the card", status) : 0;
}

static int make_tensors(struct trainer *t, const struct train_config *c, struct llm_error *err)
{
	const uint64_t tokens = (uint64_t)c->batch / c->cards * c->seq;
	const uint64_t elements[NUM_TENSORS] = {
		[TOKENS] = tokens, [TARGETS] = tokens, [PARAMS] = t->params, [LOSS] = 1,
		[LOSSES] = tokens, [GRADS] = t->params, [M] = t->params, [V] = t->params,
		[HYPER] = AXC_ADAMW_SIZE, [NORM] = 1,
	};
	int ret = 0;

	for (int i = 0; !ret && i < NUM_TENSORS; i++)
		ret = make_tensor(t, i, elements[i], err);
	t->tokens = calloc(tokens, sizeof(*t->tokens));
	t->targets = calloc(tokens, sizeof(*t->targets));
	if (!ret && (!t->tokens || !t->targets))
		ret = llm_fail(err, -ENOMEM, "no memory for the tokens of a step");
	return ret;
}

/* @which: tensors, ended by NUM_TENSORS. */
static NRT_STATUS make_set(struct trainer *t, const int *which, nrt_tensor_set_t **set)
{
	NRT_STATUS status = nrt_allocate_tensor_set(set);

	for (; !status && *which < NUM_TENSORS; which++)
		status = nrt_add_tensor_to_tensor_set(*set, tensor_name[*which],
						      t->tensor[*which]);
	return status;
}

static int make_sets(struct trainer *t, struct llm_error *err)
{
	static const int grad_in[] = { TOKENS, TARGETS, PARAMS, NUM_TENSORS };
	static const int grad_out[] = { LOSS, LOSSES, GRADS, NUM_TENSORS };
	static const int update_in[] = { GRADS, HYPER, PARAMS, M, V, NUM_TENSORS };
	static const int update_out[] = { PARAMS, M, V, NORM, NUM_TENSORS };
	NRT_STATUS status = make_set(t, grad_in, &t->grad.in);

	if (!status)
		status = make_set(t, grad_out, &t->grad.out);
	if (!status)
		status = make_set(t, update_in, &t->update.in);
	if (!status)
		status = make_set(t, update_out, &t->update.out);
	return status ? status_error(err, "making tensor sets", status) : 0;
}

static int put(struct trainer *t, int which, const void *data, uint64_t bytes,
	       struct llm_error *err)
{
	NRT_STATUS status = nrt_tensor_write(t->tensor[which], data, 0, bytes);

	return status ? status_error(err, "writing to the card", status) : 0;
}

static int get(struct trainer *t, int which, void *data, uint64_t bytes, struct llm_error *err)
{
	NRT_STATUS status = nrt_tensor_read(t->tensor[which], data, 0, bytes);

	return status ? status_error(err, "reading from the card", status) : 0;
}

static int set_up(struct trainer *t, const struct training *training, struct llm_error *err)
{
	const struct axc_llama_train train = shape(&training->config);
	const uint64_t bytes = training->params * sizeof(float);
	int ret = load(&train, AXC_TRAIN_GRAD, &t->grad, err);

	t->params = training->params;
	if (!ret)
		ret = load(&train, AXC_TRAIN_UPDATE, &t->update, err);
	if (!ret)
		ret = make_tensors(t, &training->config, err);
	if (!ret)
		ret = make_sets(t, err);
	if (!ret)
		ret = put(t, PARAMS, training->p, bytes, err);
	if (!ret)
		ret = put(t, M, training->m, bytes, err);
	if (!ret)
		ret = put(t, V, training->v, bytes, err);
	return ret;
}

int trainer_open(const struct training *t, struct trainer **trainer, struct llm_error *err)
{
	int ret;

	/* The one place where cards would come together: the gradients' all-reduce. */
	if (t->config.cards > 1)
		return llm_fail(err, -EOPNOTSUPP, "--cards %u: this version trains on one card; "
				"collectives between cards are not there yet", t->config.cards);
	*trainer = calloc(1, sizeof(**trainer));
	if (!*trainer)
		return llm_fail(err, -ENOMEM, "no memory");
	ret = set_up(*trainer, t, err);
	if (ret) {
		trainer_close(*trainer);
		*trainer = NULL;
	}
	return ret;
}

static void program_free(struct program *p)
{
	if (p->model)
		nrt_unload(p->model);
	if (p->in)
		nrt_destroy_tensor_set(&p->in);
	if (p->out)
		nrt_destroy_tensor_set(&p->out);
}

void trainer_close(struct trainer *t)
{
	if (!t)
		return;
	program_free(&t->grad);
	program_free(&t->update);
	for (int i = 0; i < NUM_TENSORS; i++)
		nrt_tensor_free(&t->tensor[i]);
	free(t->tokens);
	free(t->targets);
	free(t);
}

/* ---- a step ---- */

/* base^n by multiplications, the same bits on every machine. */
static double power(double base, uint32_t n)
{
	double result = 1;

	for (; n; n >>= 1, base *= base)
		if (n & 1)
			result *= base;
	return result;
}

/* What AdamW is told. */
static void hyper(const struct train_config *c, uint32_t step, float *h)
{
	h[AXC_ADAMW_RATE] = train_rate(c, step);
	h[AXC_ADAMW_BETA1] = c->beta1;
	h[AXC_ADAMW_BETA2] = c->beta2;
	h[AXC_ADAMW_EPS] = c->eps;
	h[AXC_ADAMW_DECAY] = c->decay;
	h[AXC_ADAMW_FIX1] = (float)(1 / (1 - power(c->beta1, step)));
	h[AXC_ADAMW_FIX2] = (float)(1 / (1 - power(c->beta2, step)));
	h[AXC_ADAMW_SCALE] = 1.0f / (float)c->cards;
	h[AXC_ADAMW_CLIP] = c->clip > 0 ? c->clip : INFINITY;
}

static int run(struct program *p, const char *what, struct llm_error *err)
{
	NRT_STATUS status = nrt_execute(p->model, p->in, p->out);

	return status ? status_error(err, what, status) : 0;
}

int trainer_step(struct trainer *t, struct training *training, const struct corpus *corpus,
		 float *norm, struct llm_error *err)
{
	const struct train_config *c = &training->config;
	const uint64_t bytes = (uint64_t)c->batch / c->cards * c->seq * sizeof(*t->tokens);
	float h[AXC_ADAMW_SIZE], *loss = &training->loss[training->step];
	int ret;

	corpus_rows(corpus, c, training->step, 0, t->tokens, t->targets);
	hyper(c, training->step + 1, h);
	ret = put(t, TOKENS, t->tokens, bytes, err);
	if (!ret)
		ret = put(t, TARGETS, t->targets, bytes, err);
	if (!ret)
		ret = put(t, HYPER, h, sizeof(h), err);
	if (!ret)
		ret = run(&t->grad, "forward and backward", err);
	if (!ret)
		ret = run(&t->update, "the optimiser", err);
	if (!ret)
		ret = get(t, LOSS, loss, sizeof(*loss), err);
	if (!ret)
		ret = get(t, NORM, norm, sizeof(*norm), err);
	if (ret)
		return ret;
	training->step++;
	if (!isfinite(*loss) || !isfinite(*norm))
		return llm_fail(err, -EDOM, "the loss of step %u is no number any more; a lower "
				"--lr or a longer --warmup may help", training->step);
	return 0;
}

int trainer_fetch(struct trainer *t, struct training *training, struct llm_error *err)
{
	const uint64_t bytes = training->params * sizeof(float);
	int ret = get(t, PARAMS, training->p, bytes, err);

	if (!ret)
		ret = get(t, M, training->m, bytes, err);
	if (!ret)
		ret = get(t, V, training->v, bytes, err);
	return ret;
}
