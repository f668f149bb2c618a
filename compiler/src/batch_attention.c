/* SPDX-License-Identifier: MIT */
/*
 * batch_attention.c - causal grouped-query attention of a batch, and its gradient.
 *
 * Sequences, key/value heads and the query heads of each are loops; inside, a sequence is cut into
 * blocks of 128 tokens, and only blocks on and below the diagonal exist. Scores are taken with
 * queries in partitions: softmax is a sum over the free axis then. For one query head:
 *
 *	s[q][k] = q' k			scale = 1 / sqrt(head_size) goes into exp
 *	p = exp(scale s - lse)		lse: log of the row's sum of exp(scale s)
 *	o[q] = sum over k of p v
 *
 * and backwards, with d[q] = sum over the head of dout * o, which is sum over k of p dp:
 *
 *	dp[q][k] = dout' v
 *	ds = p (dp - d)
 *	dv[k] += p' dout,  dk[k] += scale ds' q,  dq[q] = scale ds k
 */
#include <math.h>

#include "batch.h"

#define B		AXON_PARTITIONS		/* tokens of a block */
#define MAX_SEQ		4096u
#define MASKED		-1e30f			/* far below any score, and exp of it is 0 */

/**
 * struct heads - where the loops are
 * @nb: blocks of a sequence
 * @mult: query heads of a key/value head
 * @batch: iteration: sequence, or NULL if there is one
 * @kv: iteration: key/value head, or NULL
 * @q: query head, or NULL if there is one
 * @mask: [128][128]: 0 where a key is not after its query, MASKED elsewhere
 */
struct heads {
	struct axc_program *p;
	const struct axc_batch_attention *a;
	struct axc_matrix dq, dk, dv, dout;
	uint32_t nb, mult;
	float scale;
	struct axc_reg *batch, *kv, *q;
	struct axc_tile *mask;
};

static uint32_t block_rows(const struct heads *h, uint32_t i)
{
	return smaller(B, h->a->seq - i * B);
}

static struct axc_reg *plus(struct axc_program *p, struct axc_reg *a, struct axc_reg *b)
{
	return !a ? b : !b ? a : axc_reg_op(p, AXON_RALU_ADD, a, b);
}

static struct axc_reg *times(struct axc_program *p, struct axc_reg *a, uint64_t by)
{
	return a ? axc_reg_opi(p, AXON_RALU_MUL, a, by) : NULL;
}

/* Block @i of this sequence and of head @head, which is @width columns, as an end of a transfer. */
static struct axc_mem head_mem(const struct heads *h, const struct axc_matrix *m, uint32_t i,
			       struct axc_reg *head, uint32_t width)
{
	const struct block b = { .first = i * B };
	struct axc_mem mem = block_mem(h->p, m, &b, 0);

	mem.reg[0] = plus(h->p, times(h->p, h->batch, 4ull * h->a->seq * m->stride),
			  times(h->p, head, 4ull * width));
	return mem;
}

static void head_dma(const struct heads *h, bool load, struct axc_tile *tile, uint32_t first,
		     const struct axc_matrix *m, uint32_t i, struct axc_reg *head, uint32_t width)
{
	struct axc_mem mem = head_mem(h, m, i, head, width);
	struct axc_mem chip = { .tile = tile, .offset = 4ull * first,
				.step = { 0, 0, AXON_PART_STRIDE, 4 } };

	axc_dma(h->p, &(struct axc_dma){
		.engine = load ? SYNC : G,
		.queue = load ? op_load_queue(h->p) : op_store_queue(h->p),
		.dst = load ? chip : mem,
		.src = load ? mem : chip,
		.count = { 1, 1, block_rows(h, i), width },
	});
}

/**
 * struct side - one head of one sequence on chip, twice
 * @rows: [128][nb * head_size]: a token a partition, blocks side by side
 * @cols: [head_size][seq]: transposed
 */
struct side {
	struct axc_tile *rows, *cols;
};

static struct side side_load(const struct heads *h, const struct axc_matrix *m,
			     struct axc_reg *head)
{
	uint32_t hs = h->a->head_size, n, i;
	struct side s = {
		.rows = sbuf(h->p, smaller(B, h->a->seq), h->nb * hs),
		.cols = sbuf(h->p, hs, h->a->seq),
	};

	for (i = 0; i < h->nb; i++) {
		n = block_rows(h, i);
		head_dma(h, true, s.rows, i * hs, m, i, head, hs);
		transpose_run(h->p, s.cols, i * B, 0, s.rows, i * hs, n, hs, 1);
	}
	return s;
}

static void side_free(const struct heads *h, struct side *s)
{
	axc_tile_free(h->p, s->rows);
	axc_tile_free(h->p, s->cols);
}

static struct axc_view side_rows(const struct heads *h, const struct side *s, uint32_t i)
{
	return part_view(s->rows, block_rows(h, i), i * h->a->head_size, h->a->head_size);
}

static struct axc_view side_cols(const struct heads *h, const struct side *s, uint32_t i)
{
	return axc_cols(axc_view(s->cols), i * B, block_rows(h, i));
}

/* ---- loops ---- */

static struct axc_reg *loop(struct axc_program *p, uint32_t n)
{
	return n > 1 ? axc_loop_begin(p, n, NULL) : NULL;
}

static void loop_end(struct axc_program *p, uint32_t n)
{
	if (n > 1)
		axc_loop_end(p);
}

/* For each sequence and key/value head. */
static void for_heads(struct heads *h, void (*fn)(struct heads *h))
{
	const struct axc_batch_attention *a = h->a;
	static const int16_t step[4] = { 0, 0, 0, -1 };
	uint32_t sequences = a->q.rows / a->seq, n = smaller(B, a->seq);

	h->nb = div_up(a->seq, B);
	h->mult = a->n_heads / a->n_kv_heads;
	h->scale = 1.0f / sqrtf((float)a->head_size);
	h->mask = sbuf(h->p, n, n);
	axc_memset(h->p, G, axc_view(h->mask), 0);
	axc_affine_select(h->p, axc_view(h->mask), axc_view(h->mask), AXON_ALU_GE, 0, 1, step,
			  MASKED);
	h->batch = loop(h->p, sequences);
	h->kv = loop(h->p, a->n_kv_heads);
	fn(h);
	loop_end(h->p, a->n_kv_heads);
	loop_end(h->p, sequences);
	axc_tile_free(h->p, h->mask);
}

/* A query head of the key/value head: kv * mult + @g, @g from a loop over them. */
static struct axc_reg *query_head(struct heads *h, struct axc_reg *g)
{
	return plus(h->p, times(h->p, h->kv, h->mult), g);
}

/* ---- result ---- */

/* Scores of query block @i with all keys up to its own, not scaled yet. */
static struct axc_tile *score_row(struct heads *h, struct axc_tile *q, const struct side *k,
				  uint32_t i)
{
	uint32_t n = block_rows(h, i), at, m;
	struct axc_tile *s = sbuf(h->p, n, i * B + n), *bank;

	for (at = 0; at < i * B; at += m) {
		m = smaller(i * B - at, BANK_FLOATS);
		bank = psum(h->p, n, m);
		axc_matmul(h->p, axc_view(bank), axc_view(q), axc_cols(axc_view(k->cols), at, m),
			   false);
		from_psum(h->p, axc_cols(axc_view(s), at, m), axc_view(bank));
		axc_tile_free(h->p, bank);
	}
	bank = psum(h->p, n, n);
	axc_matmul(h->p, axc_view(bank), axc_view(q), side_cols(h, k, i), false);
	axc_tensor_tensor(h->p, V, AXON_ALU_ADD, axc_cols(axc_view(s), at, n), axc_view(bank),
			  part_view(h->mask, n, 0, n));
	axc_tile_free(h->p, bank);
	return s;
}

/* s = exp(scale (s - top)); sum[0] gets the row's sum, sum[1] log of the sum of exp(scale s). */
static void exp_row(struct heads *h, struct axc_view s, struct axc_tile *sum)
{
	struct axc_view total = axc_cols(axc_view(sum), 0, 1), lse = axc_cols(axc_view(sum), 1, 1);
	struct axc_view top = axc_cols(axc_view(sum), 2, 1);

	axc_reduce(h->p, V, AXON_ALU_MAX, 1, top, s);
	axc_tensor_scalar(h->p, V, top, top, AXON_ALU_MULTIPLY, axc_s(-h->scale), AXON_ALU_NONE,
			  axc_s(0));
	axc_activation(h->p, AXON_ACT_EXP, s, s, axc_s(h->scale), axc_sv(top), total);
	axc_activation(h->p, AXON_ACT_LOG, lse, total, axc_s(1), axc_s(0), axc_view(NULL));
	axc_tensor_tensor(h->p, V, AXON_ALU_SUBTRACT, lse, lse, top);
}

/* o = (s v) / total, s by blocks of keys */
static void weigh_values(struct heads *h, struct axc_tile *s, struct axc_tile *v,
			 struct axc_tile *o, struct axc_view total, uint32_t i)
{
	uint32_t n = block_rows(h, i), hs = h->a->head_size, j, m;
	struct axc_tile *bank = psum(h->p, n, hs), *turned = sbuf(h->p, B, B);

	for (j = 0; j <= i; j++) {
		m = block_rows(h, j);
		transpose_run(h->p, turned, 0, 0, s, j * B, n, m, 1);
		axc_matmul(h->p, axc_view(bank), part_view(turned, m, 0, n),
			   part_view(v, m, j * hs, hs), j > 0);
	}
	axc_tensor_scalar(h->p, V, axc_view(o), axc_view(bank), AXON_ALU_DIVIDE, axc_sv(total),
			  AXON_ALU_NONE, axc_s(0));
	axc_tile_free(h->p, bank);
	axc_tile_free(h->p, turned);
}

static void attend_block(struct heads *h, const struct side *k, struct axc_tile *v, uint32_t i)
{
	uint32_t n = block_rows(h, i), hs = h->a->head_size;
	struct axc_tile *q = sbuf(h->p, n, hs), *turned = sbuf(h->p, hs, n), *s;
	struct axc_tile *sum = sbuf(h->p, n, 3);

	head_dma(h, true, q, 0, &h->a->q, i, h->q, hs);
	transpose_run(h->p, turned, 0, 0, q, 0, n, hs, 1);
	s = score_row(h, turned, k, i);
	exp_row(h, axc_view(s), sum);
	weigh_values(h, s, v, q, axc_cols(axc_view(sum), 0, 1), i);
	head_dma(h, false, q, 0, &h->a->o, i, h->q, hs);
	head_dma(h, false, sum, 1, &h->a->lse, i, h->q, 1);
	axc_tile_free(h->p, q);
	axc_tile_free(h->p, turned);
	axc_tile_free(h->p, s);
	axc_tile_free(h->p, sum);
}

static void attend(struct heads *h)
{
	uint32_t hs = h->a->head_size, i;
	struct side k = side_load(h, &h->a->k, h->kv);
	struct axc_tile *v = sbuf(h->p, smaller(B, h->a->seq), h->nb * hs);

	for (i = 0; i < h->nb; i++)
		head_dma(h, true, v, i * hs, &h->a->v, i, h->kv, hs);
	h->q = query_head(h, loop(h->p, h->mult));
	for (i = 0; i < h->nb && !h->p->err; i++)
		attend_block(h, &k, v, i);
	loop_end(h->p, h->mult);
	side_free(h, &k);
	axc_tile_free(h->p, v);
}

/* ---- gradient ---- */

/**
 * struct grad - one key/value head of one sequence
 * @k: keys
 * @v: values
 * @q: of the query head, and so are those below
 * @dout: gradient of its result
 * @numbers: [128][2 * nb]: -lse and -d of its tokens, block by block
 * @dq: [128][nb * head_size]
 * @dk: the same, summed over the query heads
 * @dv: the same
 */
struct grad {
	struct side k, v, q, dout;
	struct axc_tile *numbers, *dq, *dk, *dv;
};

static struct axc_view number(const struct heads *h, const struct grad *g, uint32_t i, uint32_t col)
{
	return part_view(g->numbers, block_rows(h, i), 2 * i + col, 1);
}

static struct axc_view sum_view(const struct heads *h, struct axc_tile *sum, uint32_t i)
{
	return part_view(sum, block_rows(h, i), i * h->a->head_size, h->a->head_size);
}

/* -lse and -d of each token */
static void load_numbers(struct heads *h, struct grad *g)
{
	uint32_t hs = h->a->head_size, i;
	struct axc_tile *o = sbuf(h->p, smaller(B, h->a->seq), hs);

	for (i = 0; i < h->nb; i++) {
		struct axc_view part = part_view(o, block_rows(h, i), 0, hs);

		head_dma(h, true, g->numbers, 2 * i, &h->a->lse, i, h->q, 1);
		head_dma(h, true, o, 0, &h->a->o, i, h->q, hs);
		axc_tensor_tensor(h->p, V, AXON_ALU_MULTIPLY, part, part,
				  side_rows(h, &g->dout, i));
		axc_reduce(h->p, V, AXON_ALU_ADD, 1, number(h, g, i, 1), part);
		part = axc_cols(number(h, g, i, 0), 0, 2);
		axc_tensor_scalar(h->p, V, part, part, AXON_ALU_MULTIPLY, axc_s(-1), AXON_ALU_NONE,
				  axc_s(0));
	}
	axc_tile_free(h->p, o);
}

/* p = exp(scale q' k - lse) for query block @i and key block @j */
static void probabilities(struct heads *h, const struct grad *g, struct axc_view p, uint32_t i,
			  uint32_t j)
{
	uint32_t n = block_rows(h, i), m = block_rows(h, j);
	struct axc_tile *bank = psum(h->p, n, m);

	axc_matmul(h->p, axc_view(bank), side_cols(h, &g->q, i), side_cols(h, &g->k, j), false);
	if (i == j)
		axc_tensor_tensor(h->p, V, AXON_ALU_ADD, p, axc_view(bank),
				  part_view(h->mask, n, 0, m));
	axc_activation(h->p, AXON_ACT_EXP, p, i == j ? p : axc_view(bank), axc_s(h->scale),
		       axc_sv(number(h, g, i, 0)), axc_view(NULL));
	axc_tile_free(h->p, bank);
}

/* ds = p (dout' v - d) */
static void score_grad(struct heads *h, const struct grad *g, struct axc_view ds, struct axc_view p,
		       uint32_t i, uint32_t j)
{
	struct axc_tile *bank = psum(h->p, block_rows(h, i), block_rows(h, j));

	axc_matmul(h->p, axc_view(bank), side_cols(h, &g->dout, i), side_cols(h, &g->v, j), false);
	axc_tensor_scalar(h->p, S, ds, axc_view(bank), AXON_ALU_ADD, axc_sv(number(h, g, i, 1)),
			  AXON_ALU_NONE, axc_s(0));
	axc_tensor_tensor(h->p, V, AXON_ALU_MULTIPLY, ds, ds, p);
	axc_tile_free(h->p, bank);
}

/* dq += ds k */
static void add_dq(struct heads *h, const struct grad *g, struct axc_tile *ds, uint32_t i,
		   uint32_t j)
{
	uint32_t n = block_rows(h, i), m = block_rows(h, j);
	struct axc_tile *bank = psum(h->p, n, h->a->head_size), *turned = sbuf(h->p, m, n);

	transpose_run(h->p, turned, 0, 0, ds, 0, n, m, 1);
	axc_matmul(h->p, axc_view(bank), axc_view(turned), side_rows(h, &g->k, j), false);
	axc_tensor_tensor(h->p, V, AXON_ALU_ADD, sum_view(h, g->dq, i), sum_view(h, g->dq, i),
			  axc_view(bank));
	axc_tile_free(h->p, bank);
	axc_tile_free(h->p, turned);
}

/* All queries of one head against the keys of block @j. */
static void key_block(struct heads *h, const struct grad *g, uint32_t j)
{
	uint32_t m = block_rows(h, j), hs = h->a->head_size, i;
	struct axc_tile *dk = psum(h->p, m, hs), *dv = psum(h->p, m, hs);

	for (i = j; i < h->nb && !h->p->err; i++) {
		uint32_t n = block_rows(h, i);
		struct axc_tile *p = sbuf(h->p, n, m), *ds = sbuf(h->p, n, m);

		probabilities(h, g, axc_view(p), i, j);
		axc_matmul(h->p, axc_view(dv), axc_view(p), side_rows(h, &g->dout, i), i > j);
		score_grad(h, g, axc_view(ds), axc_view(p), i, j);
		axc_matmul(h->p, axc_view(dk), axc_view(ds), side_rows(h, &g->q, i), i > j);
		add_dq(h, g, ds, i, j);
		axc_tile_free(h->p, p);
		axc_tile_free(h->p, ds);
	}
	axc_tensor_tensor(h->p, V, AXON_ALU_ADD, sum_view(h, g->dk, j), sum_view(h, g->dk, j),
			  axc_view(dk));
	axc_tensor_tensor(h->p, V, AXON_ALU_ADD, sum_view(h, g->dv, j), sum_view(h, g->dv, j),
			  axc_view(dv));
	axc_tile_free(h->p, dk);
	axc_tile_free(h->p, dv);
}

static struct axc_tile *zeros(struct heads *h)
{
	struct axc_tile *t = sbuf(h->p, smaller(B, h->a->seq), h->nb * h->a->head_size);

	axc_memset(h->p, G, axc_view(t), 0);
	return t;
}

/* Blocks of @sum times @by to memory. */
static void store_sums(struct heads *h, struct axc_tile *sum, const struct axc_matrix *m,
		       struct axc_reg *head, float by)
{
	uint32_t hs = h->a->head_size, i;

	if (by != 1)
		axc_tensor_scalar(h->p, S, axc_view(sum), axc_view(sum), AXON_ALU_MULTIPLY,
				  axc_s(by), AXON_ALU_NONE, axc_s(0));
	for (i = 0; i < h->nb; i++)
		head_dma(h, false, sum, i * hs, m, i, head, hs);
	axc_tile_free(h->p, sum);
}

static void query_grad(struct heads *h, struct grad *g)
{
	uint32_t j;

	g->q = side_load(h, &h->a->q, h->q);
	g->dout = side_load(h, &h->dout, h->q);
	g->numbers = sbuf(h->p, smaller(B, h->a->seq), 2 * h->nb);
	load_numbers(h, g);
	g->dq = zeros(h);
	for (j = 0; j < h->nb && !h->p->err; j++)
		key_block(h, g, j);
	store_sums(h, g->dq, &h->dq, h->q, h->scale);
	side_free(h, &g->q);
	side_free(h, &g->dout);
	axc_tile_free(h->p, g->numbers);
}

static void attend_grad(struct heads *h)
{
	struct grad g = {
		.k = side_load(h, &h->a->k, h->kv), .v = side_load(h, &h->a->v, h->kv),
		.dk = zeros(h), .dv = zeros(h),
	};

	h->q = query_head(h, loop(h->p, h->mult));
	query_grad(h, &g);
	loop_end(h->p, h->mult);
	side_free(h, &g.k);
	side_free(h, &g.v);
	store_sums(h, g.dk, &h->dk, h->kv, h->scale);
	store_sums(h, g.dv, &h->dv, h->kv, 1);
}

/* ---- checks ---- */

static bool attention_ok(struct axc_program *p, const char *op, const struct axc_batch_attention *a)
{
	uint32_t rows, cols, kv_cols;

	if (!a || !a->n_heads || !a->n_kv_heads || a->n_heads % a->n_kv_heads || !a->head_size ||
	    a->head_size > 128 || a->n_heads > 65536 || !a->seq || a->seq > MAX_SEQ ||
	    a->q.rows % a->seq) {
		axc_fail(p, -EINVAL, "%s: %u heads, %u key/value heads of %u, sequences of %u in "
			 "%u tokens", op, a ? a->n_heads : 0, a ? a->n_kv_heads : 0,
			 a ? a->head_size : 0, a ? a->seq : 0, a ? a->q.rows : 0);
		return false;
	}
	rows = a->q.rows;
	cols = a->n_heads * a->head_size;
	kv_cols = a->n_kv_heads * a->head_size;
	return matrix_ok(p, op, "q", &a->q, rows, cols) &&
	       matrix_ok(p, op, "k", &a->k, rows, kv_cols) &&
	       matrix_ok(p, op, "v", &a->v, rows, kv_cols) &&
	       matrix_ok(p, op, "o", &a->o, rows, cols) &&
	       matrix_ok(p, op, "lse", &a->lse, rows, a->n_heads);
}

/* Score, value and their like: half of the square is left out, whole blocks of it at least. */
static void count_flops(struct axc_program *p, const struct axc_batch_attention *a,
			unsigned int products)
{
	axc_program_flops(p, p->flops + (uint64_t)products * a->q.rows * (a->seq + 1) *
			     a->n_heads * a->head_size);
}

void axc_batch_attention(struct axc_program *p, const struct axc_batch_attention *a)
{
	struct heads h = { .p = p, .a = a };

	if (!op_ready(p, "attention") || !attention_ok(p, "attention", a))
		return;
	for_heads(&h, attend);
	count_flops(p, a, 2);
}

void axc_batch_attention_grad(struct axc_program *p, const struct axc_batch_attention *a,
			      struct axc_matrix dq, struct axc_matrix dk, struct axc_matrix dv,
			      struct axc_matrix dout)
{
	struct heads h = { .p = p, .a = a, .dq = dq, .dk = dk, .dv = dv, .dout = dout };
	static const char op[] = "attention_grad";

	if (!op_ready(p, op) || !attention_ok(p, op, a) ||
	    !matrix_ok(p, op, "dq", &dq, a->q.rows, a->q.cols) ||
	    !matrix_ok(p, op, "dk", &dk, a->q.rows, a->k.cols) ||
	    !matrix_ok(p, op, "dv", &dv, a->q.rows, a->k.cols) ||
	    !matrix_ok(p, op, "dout", &dout, a->q.rows, a->q.cols))
		return;
	for_heads(&h, attend_grad);
	count_flops(p, a, 5);
}
