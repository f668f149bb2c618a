/* SPDX-License-Identifier: MIT */
/*
 * llama.c - one decoding step of a Llama-type decoder as a program.
 *
 * A model whose weights fit in SBUF gets them with three transfers a layer, all issued at the
 * start of the first step and kept for the next ones, and its caches with a few for all layers
 * together; a larger one streams both.
 */
#include "ops.h"

/* Of 192 KiB a partition: what weights and caches may take to be brought as a whole. */
#define RESIDENT_WEIGHTS	(112u * 1024)
#define RESIDENT_CACHES		(40u * 1024)

/**
 * struct layer - packs of one layer
 * @in: what multiplies the normed residual: queries, keys, values, w1, w3
 * @o: Wo
 * @out: w2
 */
struct layer {
	struct pack in, o, out;
	struct mat *qk, *v, *wo, *w1, *w3, *w2;
};

struct llama {
	struct axc_program *p;
	struct axc_llama_config c;
	const struct axc_llama_weights *w;
	uint32_t head_size, kv_dim;
	struct axc_tensor *token, *pos, *k, *v, *logits, *next;
	struct axc_tile *norms;		/* [parts][(2 * layers + 1) * cols, then parts of 1.0] */
	struct axc_column x, normed;
	struct layer *layer;
	struct pack cls;
	struct mat *mcls;
	struct attn at;
	bool resident;
};

static bool config_ok(struct llama *l)
{
	const struct axc_llama_config *c = &l->c;
	const struct axc_llama_weights *w = l->w;

	if (!c->dim || !c->hidden_dim || !c->n_layers || !c->n_heads || !c->n_kv_heads ||
	    !c->vocab || !c->seq_len || c->dim % c->n_heads || c->n_heads % c->n_kv_heads ||
	    c->dim > 16384 || c->hidden_dim > 65536 || c->n_layers > 1024 || c->vocab > 1u << 24) {
		axc_fail(l->p, -EINVAL, "llama: dim %u, hidden %u, %u layers, %u heads, "
			 "%u key/value heads, vocabulary %u, %u positions", c->dim,
			 c->hidden_dim, c->n_layers, c->n_heads, c->n_kv_heads, c->vocab,
			 c->seq_len);
		return false;
	}
	if (!w->token_embedding || !w->rms_att || !w->wq || !w->wk || !w->wv || !w->wo ||
	    !w->rms_ffn || !w->w1 || !w->w2 || !w->w3 || !w->rms_final) {
		axc_fail(l->p, -EINVAL, "llama: weights are missing");
		return false;
	}
	return true;
}

static void make_tensors(struct llama *l)
{
	const struct axc_llama_config *c = &l->c;
	const uint64_t one = 1, vocab = c->vocab;
	const uint64_t k[] = { c->n_layers, l->kv_dim, c->seq_len };
	const uint64_t v[] = { c->n_layers, c->seq_len, l->kv_dim };

	l->token = axc_tensor_new(l->p, AXC_INPUT, AXC_LLAMA_TOKEN, AXON_DTYPE_UINT32, 1, &one);
	l->pos = axc_tensor_new(l->p, AXC_INPUT, AXC_LLAMA_POS, AXON_DTYPE_UINT32, 1, &one);
	l->k = axc_tensor_new(l->p, AXC_INOUT, AXC_LLAMA_K_CACHE, AXON_DTYPE_FLOAT32, 3, k);
	l->v = axc_tensor_new(l->p, AXC_INOUT, AXC_LLAMA_V_CACHE, AXON_DTYPE_FLOAT32, 3, v);
	l->logits = axc_tensor_new(l->p, AXC_OUTPUT, AXC_LLAMA_LOGITS, AXON_DTYPE_FLOAT32, 1,
				   &vocab);
	l->next = axc_tensor_new(l->p, AXC_OUTPUT, AXC_LLAMA_NEXT, AXON_DTYPE_UINT32, 1, &one);
	axc_tensor_split(l->k, c->n_layers);
	axc_tensor_split(l->v, c->n_layers);
}

static void load_norms(struct llama *l)
{
	uint32_t cols = l->x.cols, ones = (2 * l->c.n_layers + 1) * cols, n = ones + l->x.parts, i;
	struct axc_tensor *t = axc_const_new(l->p, AXON_DTYPE_FLOAT32, NULL, 4ull * l->x.parts * n);
	float *data = axc_const_data(t);

	if (!data)
		return;
	for (i = 0; i < l->c.n_layers; i++) {
		op_fill_column(data + 2 * i * cols, n, l->w->rms_att + (size_t)i * l->c.dim,
			       l->c.dim);
		op_fill_column(data + (2 * i + 1) * cols, n, l->w->rms_ffn + (size_t)i * l->c.dim,
			       l->c.dim);
	}
	op_fill_column(data + 2 * i * cols, n, l->w->rms_final, l->c.dim);
	for (i = 0; i < l->x.parts * l->x.parts; i++)
		data[i / l->x.parts * n + ones + i % l->x.parts] = 1.0f;
	l->norms = axc_tile_new(l->p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, l->x.parts, n);
	op_load(l->p, l->resident, l->norms, n, t);
}

static void describe_layer(struct llama *l, uint32_t i)
{
	const struct axc_llama_weights *w = l->w;
	struct layer *la = &l->layer[i];
	uint32_t dim = l->c.dim, hidden = l->c.hidden_dim;
	size_t sq = (size_t)dim * dim, kv = (size_t)l->kv_dim * dim, ff = (size_t)hidden * dim;

	pack_init(&la->in, l->x.parts);
	pack_init(&la->o, l->at.parts);
	pack_init(&la->out, axc_column_parts(hidden));
	la->v = attn_mat_v(l->p, &la->in, &l->at, w->wv + i * kv, dim);
	la->qk = attn_mat_qk(l->p, &la->in, &l->at, w->wq + i * sq, w->wk + i * kv, dim);
	la->w1 = mat_column(l->p, &la->in, w->w1 + i * ff, hidden, dim);
	la->w3 = mat_column(l->p, &la->in, w->w3 + i * ff, hidden, dim);
	la->wo = attn_mat_o(l->p, &la->o, &l->at, w->wo + i * sq, dim);
	la->w2 = mat_column(l->p, &la->out, w->w2 + i * ff, dim, hidden);
}

/* What there is and whether it fits; nothing is emitted yet. */
static void describe_weights(struct llama *l)
{
	uint64_t total = 0;
	uint32_t i;

	pack_init(&l->cls, l->x.parts);
	l->mcls = mat_moving(l->p, &l->cls, l->w->wcls ? l->w->wcls : l->w->token_embedding,
			     l->c.vocab, l->c.dim);
	total = l->cls.cols;
	for (i = 0; i < l->c.n_layers && !l->p->err; i++) {
		describe_layer(l, i);
		total += l->layer[i].in.cols + l->layer[i].o.cols + l->layer[i].out.cols;
	}
	l->resident = total * 4 <= RESIDENT_WEIGHTS;
}

static void place_weights(struct llama *l)
{
	uint32_t i;

	for (i = 0; i < l->c.n_layers; i++) {
		pack_image(l->p, &l->layer[i].in);
		pack_image(l->p, &l->layer[i].o);
		pack_image(l->p, &l->layer[i].out);
	}
	pack_image(l->p, &l->cls);
	for (i = 0; i < l->c.n_layers && l->resident; i++) {
		pack_load(l->p, &l->layer[i].in, true);
		pack_load(l->p, &l->layer[i].o, true);
		pack_load(l->p, &l->layer[i].out, true);
	}
	if (l->resident)
		pack_load(l->p, &l->cls, true);
}

static void norm(struct llama *l, uint32_t i)
{
	struct axc_view all = axc_view(l->norms);
	uint32_t ones = (2 * l->c.n_layers + 1) * l->x.cols;

	op_norm(l->p, &l->normed, &l->x, axc_cols(all, i * l->x.cols, l->x.cols),
		axc_cols(all, ones, l->x.parts), l->c.norm_eps);
}

static void emit_layers(struct llama *l)
{
	uint32_t i;

	for (i = 0; i < l->c.n_layers && !l->p->err; i++) {
		struct layer *la = &l->layer[i];

		norm(l, 2 * i);
		attn_layer(l->p, &l->at, i, &l->x, true, la->qk, la->v, la->wo, &l->normed);
		norm(l, 2 * i + 1);
		op_ffn(l->p, &l->x, true, la->w1, la->w3, la->w2, l->c.hidden_dim, &l->normed);
	}
}

static uint64_t flops(const struct llama *l)
{
	uint64_t dim = l->c.dim, layer = dim * dim * 2 + 2 * dim * l->kv_dim +
					 3 * dim * l->c.hidden_dim;

	return 2 * (l->c.n_layers * layer + dim * l->c.vocab);
}

static void emit_step(struct llama *l)
{
	const struct axc_llama_config *c = &l->c;
	struct axc_attention a = {
		.n_heads = c->n_heads, .n_kv_heads = c->n_kv_heads, .head_size = l->head_size,
		.seq_len = c->seq_len, .theta = c->rope_theta,
	};

	make_tensors(l);
	a.k_cache = l->k;
	a.v_cache = l->v;
	a.pos = l->pos;
	l->x = axc_column_new(l->p, c->dim);
	l->normed = axc_column_new(l->p, c->dim);
	if (l->p->err || !attn_plan(l->p, &l->at, &a, c->n_layers))
		return;
	describe_weights(l);
	axc_op_embedding(l->p, &l->x, l->w->token_embedding, c->vocab, l->token);
	attn_begin(l->p, &l->at, l->resident &&
		   attn_cache_bytes(&l->at, c->n_layers) <= RESIDENT_CACHES, l->resident);
	load_norms(l);
	place_weights(l);
	if (l->at.all)
		attn_load_all(l->p, &l->at);
	emit_layers(l);
	if (l->at.all)
		attn_store_all(l->p, &l->at);
	norm(l, 2 * c->n_layers);
	op_logits(l->p, l->logits, l->next, l->mcls, c->vocab, &l->normed);
	axc_program_flops(l->p, flops(l));
}

static void llama_free(struct llama *l)
{
	uint32_t i;

	for (i = 0; l->layer && i < l->c.n_layers; i++) {
		pack_done(l->p, &l->layer[i].in);
		pack_done(l->p, &l->layer[i].o);
		pack_done(l->p, &l->layer[i].out);
	}
	pack_done(l->p, &l->cls);
	free(l->layer);
	free(l);
}

int axc_llama_decode(const struct axc_llama_config *config, const struct axc_llama_weights *weights,
		     struct axc_program **program)
{
	struct axc_program *p;
	struct llama *l;

	if (!config || !weights || !program)
		return -EINVAL;
	p = axc_program_new("llama-decode");
	*program = p;
	l = p ? axc_zalloc(p, sizeof(*l)) : NULL;
	if (!l)
		return -ENOMEM;
	l->p = p;
	l->c = *config;
	l->w = weights;
	if (l->c.norm_eps == 0)
		l->c.norm_eps = 1e-5f;
	if (config_ok(l)) {
		l->head_size = l->c.dim / l->c.n_heads;
		l->kv_dim = l->head_size * l->c.n_kv_heads;
		l->layer = axc_zalloc(p, l->c.n_layers * sizeof(*l->layer));
		if (l->layer)
			emit_step(l);
	}
	llama_free(l);
	return p->err;
}
