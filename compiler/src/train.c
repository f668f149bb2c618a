/* SPDX-License-Identifier: MIT */
/*
 * train.c - the programs that train a Llama: gradient, evaluation, the optimiser's step.
 *
 * Operators one after the other, through memory: what the backward pass needs stays there, one set
 * of matrices a layer. Nothing here calculates; operators do.
 */
#include "train.h"

/**
 * struct layer - activations of a layer
 * @x: what enters it, [T][dim]
 * @n1: normed
 * @r1: of the norm, [T][1]
 * @qkv: queries, keys (both rotated), values side by side
 * @att: what attention gives
 * @lse: of attention, [T][n_heads]
 * @mid: @x and attention together
 * @n2: normed
 * @r2: of the norm
 * @ab: w1 and w3 times that, side by side; becomes its own gradient
 * @h: SwiGLU's result
 */
struct layer {
	struct axc_matrix x, n1, r1, qkv, att, lse, mid, n2, r2, ab, h;
};

/**
 * struct train - a program being made
 * @rows: T, tokens of a launch
 * @layer: of a gradient one for each layer; else all the same
 * @last: what leaves the last layer; then its gradient in the backward pass is @dx
 * @nf: that, normed; @rf of the norm
 * @logits: [T][vocab], become their own gradient
 */
struct train {
	struct axc_program *p;
	const struct axc_llama_train *t;
	uint64_t size;
	uint32_t rows, kv_dim, head_size;
	float eps;
	struct axc_tensor *params, *grads, *tokens, *targets, *loss, *losses;
	struct layer *layer;
	struct axc_matrix last, nf, rf, logits;
	struct axc_matrix dx, dn, datt, dqkv, dh;
};

static const struct axc_matrix none;

static struct axc_tensor *flat(struct train *tr, enum axc_usage usage, const char *name)
{
	return axc_tensor_new(tr->p, usage, name, AXON_DTYPE_FLOAT32, 1, &tr->size);
}

/* ---- memory ---- */

static struct axc_matrix scratch(struct train *tr, uint32_t cols)
{
	const uint64_t shape[] = { tr->rows, cols };

	return axc_matrix(axc_tensor_new(tr->p, AXC_SCRATCH, NULL, AXON_DTYPE_FLOAT32, 2, shape), 0,
			  tr->rows, cols);
}

static void make_layer(struct train *tr, struct layer *l)
{
	const struct axc_llama_config *c = &tr->t->model;

	l->n1 = scratch(tr, c->dim);
	l->r1 = scratch(tr, 1);
	l->qkv = scratch(tr, c->dim + 2 * tr->kv_dim);
	l->att = scratch(tr, c->dim);
	l->lse = scratch(tr, c->n_heads);
	l->mid = scratch(tr, c->dim);
	l->n2 = scratch(tr, c->dim);
	l->r2 = scratch(tr, 1);
	l->ab = scratch(tr, 2 * c->hidden_dim);
	l->h = scratch(tr, c->hidden_dim);
}

/* Without a backward pass the layers use the same memory; x alone alternates. */
static void make_layers(struct train *tr, bool keep)
{
	const struct axc_llama_config *c = &tr->t->model;
	struct axc_matrix x[2];
	uint32_t i;

	for (i = 0; i < 2 && !keep; i++)
		x[i] = scratch(tr, c->dim);
	for (i = 0; i < c->n_layers && !tr->p->err; i++) {
		if (i && !keep)
			tr->layer[i] = tr->layer[0];
		else
			make_layer(tr, &tr->layer[i]);
		tr->layer[i].x = keep ? scratch(tr, c->dim) : x[i & 1];
	}
	tr->last = keep ? scratch(tr, c->dim) : x[i & 1];
	tr->nf = scratch(tr, c->dim);
	tr->rf = scratch(tr, 1);
	tr->logits = scratch(tr, c->vocab);
}

static void make_gradients(struct train *tr)
{
	const struct axc_llama_config *c = &tr->t->model;

	tr->dx = scratch(tr, c->dim);
	tr->dn = scratch(tr, c->dim);
	tr->datt = scratch(tr, c->dim);
	tr->dqkv = scratch(tr, c->dim + 2 * tr->kv_dim);
	tr->dh = scratch(tr, c->hidden_dim);
}

static void make_tensors(struct train *tr)
{
	const uint64_t shape[] = { tr->t->batch, tr->t->model.seq_len }, rows = tr->rows, one = 1;

	tr->tokens = axc_tensor_new(tr->p, AXC_INPUT, AXC_TRAIN_TOKENS, AXON_DTYPE_UINT32, 2,
				    shape);
	tr->targets = axc_tensor_new(tr->p, AXC_INPUT, AXC_TRAIN_TARGETS, AXON_DTYPE_UINT32, 2,
				     shape);
	tr->params = flat(tr, AXC_INPUT, AXC_TRAIN_PARAMS);
	tr->loss = axc_tensor_new(tr->p, AXC_OUTPUT, AXC_TRAIN_LOSS, AXON_DTYPE_FLOAT32, 1, &one);
	tr->losses = axc_tensor_new(tr->p, AXC_OUTPUT, AXC_TRAIN_LOSSES, AXON_DTYPE_FLOAT32, 1,
				    &rows);
}

/* ---- parameters ---- */

static struct axc_matrix array_in(struct train *tr, struct axc_tensor *t, enum train_array a,
				  uint32_t layer)
{
	struct axc_llama_param param = train_param(tr->t, a, layer);

	return axc_matrix(t, param.first, param.rows, param.cols);
}

static struct axc_matrix weight(struct train *tr, enum train_array a, uint32_t layer)
{
	return array_in(tr, tr->params, a, layer);
}

static struct axc_matrix grad(struct train *tr, enum train_array a, uint32_t layer)
{
	struct axc_matrix m = array_in(tr, tr->grads, a, layer);

	m.region = train_param(tr->t, a, layer).bucket;
	return m;
}

typedef struct axc_matrix (*array_fn)(struct train *tr, enum train_array a, uint32_t layer);

static struct axc_linear one(struct train *tr, array_fn of, enum train_array a, uint32_t layer)
{
	return (struct axc_linear){ .n = 1, .w = { of(tr, a, layer) } };
}

static struct axc_linear attention_in(struct train *tr, array_fn of, uint32_t layer)
{
	return (struct axc_linear){ .n = 3, .w = { of(tr, ARRAY_WQ, layer), of(tr, ARRAY_WK, layer),
						   of(tr, ARRAY_WV, layer) } };
}

static struct axc_linear ffn_in(struct train *tr, array_fn of, uint32_t layer)
{
	return (struct axc_linear){ .n = 2, .w = { of(tr, ARRAY_W1, layer),
						   of(tr, ARRAY_W3, layer) } };
}

static struct axc_linear classifier(struct train *tr, array_fn of)
{
	return one(tr, of, tr->t->own_classifier ? ARRAY_WCLS : ARRAY_EMBEDDING, 0);
}

/* ---- forward ---- */

/* Queries and keys, which are rotated, side by side. */
static struct axc_matrix rotated(struct train *tr, struct axc_matrix qkv)
{
	return axc_matrix_cols(qkv, 0, tr->t->model.dim + tr->kv_dim);
}

static struct axc_matrix queries(struct train *tr, struct axc_matrix qkv)
{
	return axc_matrix_cols(qkv, 0, tr->t->model.dim);
}

static struct axc_matrix keys(struct train *tr, struct axc_matrix qkv)
{
	return axc_matrix_cols(qkv, tr->t->model.dim, tr->kv_dim);
}

static struct axc_matrix values(struct train *tr, struct axc_matrix qkv)
{
	return axc_matrix_cols(qkv, tr->t->model.dim + tr->kv_dim, tr->kv_dim);
}

static struct axc_batch_attention attention(struct train *tr, const struct layer *l)
{
	const struct axc_llama_config *c = &tr->t->model;

	return (struct axc_batch_attention){
		.n_heads = c->n_heads, .n_kv_heads = c->n_kv_heads, .head_size = tr->head_size,
		.seq = c->seq_len, .q = queries(tr, l->qkv), .k = keys(tr, l->qkv),
		.v = values(tr, l->qkv), .o = l->att, .lse = l->lse,
	};
}

static void forward_layer(struct train *tr, uint32_t i, struct axc_matrix out)
{
	const struct axc_llama_config *c = &tr->t->model;
	const struct layer *l = &tr->layer[i];
	struct axc_matrix a = axc_matrix_cols(l->ab, 0, c->hidden_dim);
	struct axc_matrix b = axc_matrix_cols(l->ab, c->hidden_dim, c->hidden_dim);
	struct axc_batch_attention at = attention(tr, l);
	struct axc_linear w = attention_in(tr, weight, i);

	axc_batch_rmsnorm(tr->p, l->n1, l->r1, l->x, weight(tr, ARRAY_RMS_ATT, i), tr->eps);
	axc_batch_linear(tr->p, l->qkv, l->n1, &w, none);
	axc_batch_rope(tr->p, rotated(tr, l->qkv), rotated(tr, l->qkv), c->seq_len, tr->head_size,
		       c->rope_theta, false);
	axc_batch_attention(tr->p, &at);
	w = one(tr, weight, ARRAY_WO, i);
	axc_batch_linear(tr->p, l->mid, l->att, &w, l->x);
	axc_batch_rmsnorm(tr->p, l->n2, l->r2, l->mid, weight(tr, ARRAY_RMS_FFN, i), tr->eps);
	w = ffn_in(tr, weight, i);
	axc_batch_linear(tr->p, l->ab, l->n2, &w, none);
	axc_batch_swiglu(tr->p, l->h, a, b);
	w = one(tr, weight, ARRAY_W2, i);
	axc_batch_linear(tr->p, out, l->h, &w, l->mid);
}

static void forward(struct train *tr, bool gradient)
{
	struct axc_linear w = classifier(tr, weight);
	uint32_t layers = tr->t->model.n_layers, i;

	axc_batch_gather(tr->p, tr->layer[0].x, weight(tr, ARRAY_EMBEDDING, 0), tr->tokens);
	for (i = 0; i < layers && !tr->p->err; i++)
		forward_layer(tr, i, i + 1 < layers ? tr->layer[i + 1].x : tr->last);
	axc_batch_rmsnorm(tr->p, tr->nf, tr->rf, tr->last, weight(tr, ARRAY_RMS_FINAL, 0), tr->eps);
	axc_batch_linear(tr->p, tr->logits, tr->nf, &w, none);
	axc_batch_cross_entropy(tr->p, tr->loss, tr->losses, gradient ? tr->logits : none,
				tr->logits, tr->targets);
}

/* ---- backward ---- */

static void bucket_done(struct train *tr, uint32_t bucket)
{
	if (tr->t->bucket_done && !tr->p->err)
		tr->t->bucket_done(tr->t->opaque, tr->p, tr->grads, bucket);
}

static void backward_classifier(struct train *tr)
{
	struct axc_linear w = classifier(tr, weight), dw = classifier(tr, grad);

	axc_batch_linear_dw(tr->p, &dw, tr->logits, tr->nf, false);
	axc_batch_linear_dx(tr->p, tr->dn, tr->logits, &w, none);
	axc_batch_rmsnorm_grad(tr->p, tr->dx, grad(tr, ARRAY_RMS_FINAL, 0), tr->dn, tr->last,
			       weight(tr, ARRAY_RMS_FINAL, 0), tr->rf, none);
	bucket_done(tr, 0);
}

/* dx is the gradient of what leaves the layer, and becomes that of mid. */
static void backward_ffn(struct train *tr, uint32_t i)
{
	const struct layer *l = &tr->layer[i];
	uint32_t hidden = tr->t->model.hidden_dim;
	struct axc_matrix a = axc_matrix_cols(l->ab, 0, hidden);
	struct axc_matrix b = axc_matrix_cols(l->ab, hidden, hidden);
	struct axc_linear w = one(tr, weight, ARRAY_W2, i), dw = one(tr, grad, ARRAY_W2, i);

	axc_batch_linear_dw(tr->p, &dw, tr->dx, l->h, false);
	axc_batch_linear_dx(tr->p, tr->dh, tr->dx, &w, none);
	axc_batch_swiglu_grad(tr->p, a, b, tr->dh, a, b);
	w = ffn_in(tr, weight, i);
	dw = ffn_in(tr, grad, i);
	axc_batch_linear_dw(tr->p, &dw, l->ab, l->n2, false);
	axc_batch_linear_dx(tr->p, tr->dn, l->ab, &w, none);
	axc_batch_rmsnorm_grad(tr->p, tr->dx, grad(tr, ARRAY_RMS_FFN, i), tr->dn, l->mid,
			       weight(tr, ARRAY_RMS_FFN, i), l->r2, tr->dx);
}

/* dx is the gradient of mid, and becomes that of what enters the layer. */
static void backward_attention(struct train *tr, uint32_t i)
{
	const struct layer *l = &tr->layer[i];
	const struct axc_llama_config *c = &tr->t->model;
	struct axc_batch_attention at = attention(tr, l);
	struct axc_linear w = one(tr, weight, ARRAY_WO, i), dw = one(tr, grad, ARRAY_WO, i);

	axc_batch_linear_dw(tr->p, &dw, tr->dx, l->att, false);
	axc_batch_linear_dx(tr->p, tr->datt, tr->dx, &w, none);
	axc_batch_attention_grad(tr->p, &at, queries(tr, tr->dqkv), keys(tr, tr->dqkv),
				 values(tr, tr->dqkv), tr->datt);
	axc_batch_rope(tr->p, rotated(tr, tr->dqkv), rotated(tr, tr->dqkv), c->seq_len,
		       tr->head_size, c->rope_theta, true);
	w = attention_in(tr, weight, i);
	dw = attention_in(tr, grad, i);
	axc_batch_linear_dw(tr->p, &dw, tr->dqkv, l->n1, false);
	axc_batch_linear_dx(tr->p, tr->dn, tr->dqkv, &w, none);
	axc_batch_rmsnorm_grad(tr->p, tr->dx, grad(tr, ARRAY_RMS_ATT, i), tr->dn, l->x,
			       weight(tr, ARRAY_RMS_ATT, i), l->r1, tr->dx);
}

static void backward(struct train *tr)
{
	struct axc_matrix table = grad(tr, ARRAY_EMBEDDING, 0);
	uint32_t layers = tr->t->model.n_layers, i;

	backward_classifier(tr);
	for (i = layers; i-- > 0 && !tr->p->err;) {
		backward_ffn(tr, i);
		backward_attention(tr, i);
		bucket_done(tr, layers - i);
	}
	/* What the classifier has left there, if it is the same table, is added to. */
	if (tr->t->own_classifier)
		axc_batch_zero(tr->p, table);
	axc_batch_scatter(tr->p, table, tr->tokens, tr->dx);
	bucket_done(tr, layers + 1);
}

static void emit_model(struct train *tr, bool gradient)
{
	const struct axc_llama_config *c = &tr->t->model;

	tr->rows = tr->t->batch * c->seq_len;
	tr->head_size = c->dim / c->n_heads;
	tr->kv_dim = tr->head_size * c->n_kv_heads;
	tr->eps = c->norm_eps == 0 ? 1e-5f : c->norm_eps;
	tr->layer = axc_zalloc(tr->p, c->n_layers * sizeof(*tr->layer));
	if (!tr->layer)
		return;
	make_tensors(tr);
	make_layers(tr, gradient);
	if (gradient) {
		tr->grads = flat(tr, AXC_OUTPUT, AXC_TRAIN_GRADS);
		axc_tensor_split(tr->grads, axc_llama_train_buckets(tr->t));
		make_gradients(tr);
	}
	forward(tr, gradient);
	if (gradient)
		backward(tr);
	free(tr->layer);
}

/* ---- the optimiser ---- */

/* Neighbours in the flat tensor that are treated alike are one range. */
static void emit_update(struct train *tr)
{
	const uint64_t one = 1, nhyper = AXC_ADAMW_SIZE;
	struct axc_tensor *params = flat(tr, AXC_INOUT, AXC_TRAIN_PARAMS);
	struct axc_tensor *m = flat(tr, AXC_INOUT, AXC_TRAIN_M);
	struct axc_tensor *v = flat(tr, AXC_INOUT, AXC_TRAIN_V);
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
		emit_model(&tr, which == AXC_TRAIN_GRAD);
	return tr.p->err;
}
