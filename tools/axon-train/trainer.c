// SPDX-License-Identifier: MIT
/*
 * trainer.c - the programs of a training on the cards, through the runtime.
 *
 * All cards do the same at the same time, each on sequences of its own; inside the program that
 * computes the gradients they add them up. So all of them make the same step, and stay alike in
 * every bit.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <axc/axc.h>
#include <nrt/nrt.h>

#include "random.h"
#include "reduce.h"
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
 * struct worker - a card
 * @trainer: whose
 * @rank: which one
 * @vnc: its core
 * @grad: loss and gradients
 * @update: AdamW
 * @tensor: all tensors
 * @tokens: of a step
 * @targets: of a step
 * @hyper: numbers of the optimiser for a step
 * @loss: of the newest step, of this card's sequences
 * @norm: of the newest step, of all gradients
 * @thread: that does the job, except of rank 0
 * @job: what all cards do
 * @ret: how it went
 * @err: why
 */
struct worker {
	struct trainer *trainer;
	uint32_t rank;
	int32_t vnc;
	struct program grad;
	struct program update;
	nrt_tensor_t *tensor[NUM_TENSORS];
	uint32_t *tokens;
	uint32_t *targets;
	float hyper[AXC_ADAMW_SIZE];
	float loss;
	float norm;
	pthread_t thread;
	int (*job)(struct worker *w, struct llm_error *err);
	int ret;
	struct llm_error err;
};

/**
 * struct trainer - what is on the cards
 * @training: settings and state
 * @corpus: text; of a step
 * @cards: workers
 * @worker: by rank
 */
struct trainer {
	const struct training *training;
	const struct corpus *corpus;
	uint32_t cards;
	struct worker *worker;
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

/* ---- all cards at once ---- */

static void *work(void *opaque)
{
	struct worker *w = opaque;

	w->ret = w->job(w, &w->err);
	return NULL;
}

/* Lets every card do @job; those that wait for others need a thread each. */
static int on_all(struct trainer *t, int (*job)(struct worker *w, struct llm_error *err),
		  struct llm_error *err)
{
	uint32_t started = 1, r;

	for (r = 0; r < t->cards; r++) {
		t->worker[r].job = job;
		t->worker[r].ret = 0;
	}
	for (; started < t->cards; started++) {
		struct worker *w = &t->worker[started];
		int ret = pthread_create(&w->thread, NULL, work, w);

		if (!ret)
			continue;
		w->ret = llm_fail(&w->err, -ret, "no thread for card %u: %s", started,
				  strerror(ret));
		break;
	}
	work(&t->worker[0]);
	for (r = 1; r < started; r++)
		pthread_join(t->worker[r].thread, NULL);
	for (r = 0; r < t->cards; r++)
		if (t->worker[r].ret) {
			*err = t->worker[r].err;
			return t->worker[r].ret;
		}
	return 0;
}

/* ---- set-up ---- */

static int load(struct worker *w, enum axc_train_program which, struct program *program,
		struct llm_error *err)
{
	struct axc_llama_train t = shape(&w->trainer->training->config);
	struct reduce reduce = { .train = &t };
	const char *text = "no memory";
	struct axc_program *p = NULL;
	NRT_STATUS status;
	void *elf = NULL;
	size_t size;
	int ret;

	if (w->trainer->cards > 1) {
		t.bucket_done = reduce_bucket;
		t.opaque = &reduce;
	}
	ret = axc_llama_train(&t, which, &p);
	if (!ret)
		ret = axc_program_finish(p, &elf, &size);
	if (ret) {
		axc_program_error(p, &text);
		llm_fail(err, ret, "this model cannot be trained on the card: %s", text);
	}
	axc_program_free(p);
	if (ret)
		return ret;
	status = nrt_load_collectives(elf, size, w->vnc, 1, w->rank, w->trainer->cards,
				      &program->model);
	free(elf);
	return status ? status_error(err, "loading a program", status) : 0;
}

static int make_tensor(struct worker *w, int which, uint64_t elements, struct llm_error *err)
{
	NRT_STATUS status = nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, w->vnc,
						elements * 4, tensor_name[which],
						&w->tensor[which]);

	return status ? status_error(err, "getting memory on the card", status) : 0;
}

static int make_tensors(struct worker *w, struct llm_error *err)
{
	const struct train_config *c = &w->trainer->training->config;
	const uint64_t params = w->trainer->training->params;
	const uint64_t tokens = (uint64_t)c->batch / c->cards * c->seq;
	const uint64_t elements[NUM_TENSORS] = {
		[TOKENS] = tokens, [TARGETS] = tokens, [PARAMS] = params, [LOSS] = 1,
		[LOSSES] = tokens, [GRADS] = params, [M] = params, [V] = params,
		[HYPER] = AXC_ADAMW_SIZE, [NORM] = 1,
	};
	int ret = 0;

	for (int i = 0; !ret && i < NUM_TENSORS; i++)
		ret = make_tensor(w, i, elements[i], err);
	w->tokens = calloc(tokens, sizeof(*w->tokens));
	w->targets = calloc(tokens, sizeof(*w->targets));
	if (!ret && (!w->tokens || !w->targets))
		ret = llm_fail(err, -ENOMEM, "no memory for the tokens of a step");
	return ret;
}

/* @which: tensors, ended by NUM_TENSORS. */
static NRT_STATUS make_set(struct worker *w, const int *which, nrt_tensor_set_t **set)
{
	NRT_STATUS status = nrt_allocate_tensor_set(set);

	for (; !status && *which < NUM_TENSORS; which++)
		status = nrt_add_tensor_to_tensor_set(*set, tensor_name[*which],
						      w->tensor[*which]);
	return status;
}

static int make_sets(struct worker *w, struct llm_error *err)
{
	static const int grad_in[] = { TOKENS, TARGETS, PARAMS, NUM_TENSORS };
	static const int grad_out[] = { LOSS, LOSSES, GRADS, NUM_TENSORS };
	static const int update_in[] = { GRADS, HYPER, PARAMS, M, V, NUM_TENSORS };
	static const int update_out[] = { PARAMS, M, V, NORM, NUM_TENSORS };
	NRT_STATUS status = make_set(w, grad_in, &w->grad.in);

	if (!status)
		status = make_set(w, grad_out, &w->grad.out);
	if (!status)
		status = make_set(w, update_in, &w->update.in);
	if (!status)
		status = make_set(w, update_out, &w->update.out);
	return status ? status_error(err, "making tensor sets", status) : 0;
}

static int put(struct worker *w, int which, const void *data, uint64_t bytes,
	       struct llm_error *err)
{
	NRT_STATUS status = nrt_tensor_write(w->tensor[which], data, 0, bytes);

	return status ? status_error(err, "writing to the card", status) : 0;
}

static int get(struct worker *w, int which, void *data, uint64_t bytes, struct llm_error *err)
{
	NRT_STATUS status = nrt_tensor_read(w->tensor[which], data, 0, bytes);

	return status ? status_error(err, "reading from the card", status) : 0;
}

static int set_up(struct worker *w, struct llm_error *err)
{
	const struct training *training = w->trainer->training;
	const uint64_t bytes = training->params * sizeof(float);
	int ret = load(w, AXC_TRAIN_GRAD, &w->grad, err);

	if (!ret)
		ret = load(w, AXC_TRAIN_UPDATE, &w->update, err);
	if (!ret)
		ret = make_tensors(w, err);
	if (!ret)
		ret = make_sets(w, err);
	if (!ret)
		ret = put(w, PARAMS, training->p, bytes, err);
	if (!ret)
		ret = put(w, M, training->m, bytes, err);
	if (!ret)
		ret = put(w, V, training->v, bytes, err);
	return ret;
}

int trainer_open(const struct training *training, const uint32_t *cores, struct trainer **trainer,
		 struct llm_error *err)
{
	const uint32_t cards = training->config.cards;
	struct trainer *t = calloc(1, sizeof(*t));
	int ret;

	*trainer = NULL;
	if (t)
		t->worker = calloc(cards, sizeof(*t->worker));
	if (!t || !t->worker) {
		free(t);
		return llm_fail(err, -ENOMEM, "no memory");
	}
	t->training = training;
	t->cards = cards;
	for (uint32_t r = 0; r < cards; r++) {
		t->worker[r].trainer = t;
		t->worker[r].rank = r;
		t->worker[r].vnc = (int32_t)cores[r];
	}
	ret = on_all(t, set_up, err);
	if (ret) {
		trainer_close(t);
		return ret;
	}
	*trainer = t;
	return 0;
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
	for (uint32_t r = 0; r < t->cards; r++) {
		struct worker *w = &t->worker[r];

		program_free(&w->grad);
		program_free(&w->update);
		for (int i = 0; i < NUM_TENSORS; i++)
			nrt_tensor_free(&w->tensor[i]);
		free(w->tokens);
		free(w->targets);
	}
	free(t->worker);
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

static int step(struct worker *w, struct llm_error *err)
{
	const struct training *training = w->trainer->training;
	const struct train_config *c = &training->config;
	const uint64_t bytes = (uint64_t)c->batch / c->cards * c->seq * sizeof(*w->tokens);
	int ret;

	corpus_rows(w->trainer->corpus, c, training->step, w->rank, w->tokens, w->targets);
	hyper(c, training->step + 1, w->hyper);
	ret = put(w, TOKENS, w->tokens, bytes, err);
	if (!ret)
		ret = put(w, TARGETS, w->targets, bytes, err);
	if (!ret)
		ret = put(w, HYPER, w->hyper, sizeof(w->hyper), err);
	if (!ret)
		ret = run(&w->grad, "forward and backward", err);
	if (!ret)
		ret = run(&w->update, "the optimiser", err);
	if (!ret)
		ret = get(w, LOSS, &w->loss, sizeof(w->loss), err);
	if (!ret)
		ret = get(w, NORM, &w->norm, sizeof(w->norm), err);
	return ret;
}

int trainer_step(struct trainer *t, struct training *training, const struct corpus *corpus,
		 float *norm, struct llm_error *err)
{
	double sum = 0;
	int ret;

	t->corpus = corpus;
	ret = on_all(t, step, err);
	if (ret)
		return ret;
	/* For the report only: every card has had as many tokens. */
	for (uint32_t r = 0; r < t->cards; r++)
		sum += t->worker[r].loss;
	training->loss[training->step] = (float)(sum / t->cards);
	*norm = t->worker[0].norm;
	training->step++;
	if (!isfinite(sum) || !isfinite(*norm))
		return llm_fail(err, -EDOM, "the loss of step %u is no number any more; a lower "
				"--lr or a longer --warmup may help", training->step);
	return 0;
}

/* All cards must have come to the same bits; what is on disk was on every one of them. */
static int compare(struct trainer *t, int which, const float *data, uint64_t bytes,
		   struct llm_error *err)
{
	float *other = malloc(bytes);
	int ret = other ? 0 : llm_fail(err, -ENOMEM, "no memory");

	for (uint32_t r = 1; !ret && r < t->cards; r++) {
		ret = get(&t->worker[r], which, other, bytes, err);
		if (!ret && memcmp(other, data, bytes))
			ret = llm_fail(err, -EIO, "card %u has other %s than card 0 after step %u",
				       r, tensor_name[which], t->training->step);
	}
	free(other);
	return ret;
}

int trainer_fetch(struct trainer *t, struct training *training, struct llm_error *err)
{
	const uint64_t bytes = training->params * sizeof(float);
	const struct {
		int which;
		float *data;
	} state[] = { { PARAMS, training->p }, { M, training->m }, { V, training->v } };
	int ret = 0;

	for (unsigned int i = 0; !ret && i < 3; i++) {
		ret = get(&t->worker[0], state[i].which, state[i].data, bytes, err);
		if (!ret && t->cards > 1)
			ret = compare(t, state[i].which, state[i].data, bytes, err);
	}
	return ret;
}
