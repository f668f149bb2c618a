/* SPDX-License-Identifier: MIT */
/*
 * train.c - the programs that train a Llama: the optimiser's step.
 */
#include "train.h"

struct train {
	struct axc_program *p;
	const struct axc_llama_train *t;
	uint64_t size;
};

static struct axc_tensor *flat(struct train *tr, enum axc_usage usage, const char *name)
{
	return axc_tensor_new(tr->p, usage, name, AXON_DTYPE_FLOAT32, 1, &tr->size);
}

/* ---- the optimiser ---- */

/* Neighbours in the flat tensor that are treated alike are one range. */
static void emit_update(struct train *tr)
{
	const uint64_t one = 1, nhyper = AXC_ADAMW_SIZE;
	struct axc_tensor *params = flat(tr, AXC_INOUT, AXC_TRAIN_PARAMS);
	struct axc_tensor *m = flat(tr, AXC_INOUT, AXC_TRAIN_M), *v = flat(tr, AXC_INOUT, AXC_TRAIN_V);
	struct axc_tensor *grads = flat(tr, AXC_INPUT, AXC_TRAIN_GRADS);
	struct axc_tensor *hyper = axc_tensor_new(tr->p, AXC_INPUT, AXC_TRAIN_HYPER,
						  AXON_DTYPE_FLOAT32, 1, &nhyper);
	struct axc_tensor *norm = axc_tensor_new(tr->p, AXC_OUTPUT, AXC_TRAIN_NORM,
						 AXON_DTYPE_FLOAT32, 1, &one);
	struct axc_llama_param param;
	uint64_t first = 0, n = 0;
	bool decay = true;
	uint32_t i;

	axc_batch_norm(tr->p, norm, grads, hyper);
	for (i = 0; !axc_llama_train_param(tr->t, i, &param); i++) {
		if (param.decay != decay) {
			axc_batch_adamw(tr->p, params, m, v, grads, hyper, norm, first, n, decay);
			first += n;
			n = 0;
			decay = param.decay;
		}
		n += (uint64_t)param.rows * param.cols;
	}
	axc_batch_adamw(tr->p, params, m, v, grads, hyper, norm, first, n, decay);
	axc_program_flops(tr->p, 17 * tr->size);
}

static const char * const program_name[] = {
	[AXC_TRAIN_GRAD] = "llama-train-grad",
	[AXC_TRAIN_EVAL] = "llama-train-eval",
	[AXC_TRAIN_UPDATE] = "llama-train-update",
};

int axc_llama_train(const struct axc_llama_train *t, enum axc_train_program which,
		    struct axc_program **program)
{
	struct train tr = { .t = t };
	const struct axc_llama_config *c;

	if (!t || !program || (unsigned int)which > AXC_TRAIN_UPDATE)
		return -EINVAL;
	tr.p = axc_program_new(program_name[which]);
	*program = tr.p;
	if (!tr.p)
		return -ENOMEM;
	tr.size = axc_llama_train_size(t);
	c = &t->model;
	if (!tr.size)
		axc_fail(tr.p, -EINVAL, "llama training: dim %u, hidden %u, %u layers, %u heads, "
			 "%u key/value heads, vocabulary %u, %u x %u tokens", c->dim,
			 c->hidden_dim, c->n_layers, c->n_heads, c->n_kv_heads, c->vocab,
			 t->batch, c->seq_len);
	else if (which == AXC_TRAIN_UPDATE)
		emit_update(&tr);
	else
		axc_fail(tr.p, -ENOSYS, "llama training: only the optimiser's step is there yet");
	return tr.p->err;
}
