/* SPDX-License-Identifier: MIT */
/*
 * batch_rows.c - operators on batches whose tokens do not see each other: RMSNorm, rotary
 * embedding, SwiGLU, each with its gradient.
 *
 * A token is a partition; sums over a row are sums over the free axis. Only the gradient of
 * RMSNorm's weights sums over tokens: by partition while the batch goes by, over the partitions
 * by a product with ones at the end.
 */
#include <math.h>

#include "batch.h"

#define NORM_MAX	8192u	/* elements of a row that RMSNorm has on chip */
#define ROPE_MAX	8192u
#define WIDTH		1024u	/* columns of SwiGLU that are on chip at once */

static void multiply(struct axc_program *p, enum axon_engine e, struct axc_view dst,
		     struct axc_view a, struct axc_scalar by)
{
	axc_tensor_scalar(p, e, dst, a, AXON_ALU_MULTIPLY, by, AXON_ALU_NONE, axc_s(0));
}

static void two(struct axc_program *p, enum axon_alu op, struct axc_view dst, struct axc_view a,
		struct axc_view b)
{
	axc_tensor_tensor(p, V, op, dst, a, b);
}

/* ---- RMSNorm ---- */

/**
 * struct rms - a norm or its gradient
 * @wide: the weights in every partition
 * @sum: by partition, sums over its tokens of what makes dw
 */
struct rms {
	struct axc_matrix x, y, w, r, dx, dy, c;
	float eps;
	struct axc_tile *wide, *sum;
};

static bool norm_shape_ok(struct axc_program *p, const char *op, const struct axc_matrix *x)
{
	if (x->cols <= NORM_MAX)
		return true;
	axc_fail(p, -EINVAL, "%s: rows of %u elements, at most %u", op, x->cols, NORM_MAX);
	return false;
}

static void spread_weights(struct axc_program *p, struct rms *n)
{
	n->wide = sbuf(p, smaller(n->x.rows, AXON_PARTITIONS), n->x.cols);
	row_spread(p, n->wide, n->w.tensor, n->w.offset, n->w.cols);
}

static void rmsnorm_block(struct axc_program *p, void *ctx, const struct block *b)
{
	struct rms *n = ctx;
	uint32_t dim = n->x.cols;
	struct axc_tile *x = sbuf(p, b->n, dim), *y = sbuf(p, b->n, dim), *s = sbuf(p, b->n, 2);
	struct axc_view sum = axc_cols(axc_view(s), 0, 1), r = axc_cols(axc_view(s), 1, 1);

	block_load(p, x, 0, &n->x, b, 0, dim);
	axc_activation(p, AXON_ACT_SQUARE, axc_view(y), axc_view(x), axc_s(1), axc_s(0), sum);
	axc_activation(p, AXON_ACT_RSQRT, r, sum, axc_s(1.0f / (float)dim), axc_s(n->eps),
		       axc_view(NULL));
	multiply(p, S, axc_view(y), axc_view(x), axc_sv(r));
	two(p, AXON_ALU_MULTIPLY, axc_view(y), axc_view(y), part_view(n->wide, b->n, 0, dim));
	block_store(p, &n->y, b, 0, y, 0, dim);
	if (n->r.tensor)
		block_store(p, &n->r, b, 0, s, 1, 1);
	axc_tile_free(p, x);
	axc_tile_free(p, y);
	axc_tile_free(p, s);
}

void axc_batch_rmsnorm(struct axc_program *p, struct axc_matrix y, struct axc_matrix r,
		       struct axc_matrix x, struct axc_matrix w, float eps)
{
	struct rms n = { .x = x, .y = y, .w = w, .r = r, .eps = eps };

	if (!op_ready(p, "rmsnorm") || !matrix_ok(p, "rmsnorm", "x", &x, y.rows, y.cols) ||
	    !matrix_ok(p, "rmsnorm", "y", &y, x.rows, x.cols) ||
	    !matrix_ok(p, "rmsnorm", "w", &w, 1, x.cols) ||
	    (r.tensor && !matrix_ok(p, "rmsnorm", "r", &r, x.rows, 1)) ||
	    !norm_shape_ok(p, "rmsnorm", &x))
		return;
	spread_weights(p, &n);
	blocks(p, x.rows, rmsnorm_block, &n);
	axc_tile_free(p, n.wide);
}

/*
 * With g = dy w and z = x r: dx = r (g - z mean(g z)), dw = sum over tokens of dy z. x becomes z
 * and is scratch afterwards, so is t; dy becomes dx.
 */
static void rms_grad_sums(struct axc_program *p, struct rms *n, uint32_t rows, struct axc_view x,
			  struct axc_view dy, struct axc_view t, struct axc_view r,
			  struct axc_view mean)
{
	struct axc_view sum = part_view(n->sum, rows, 0, n->x.cols);
	struct axc_view w = part_view(n->wide, rows, 0, n->x.cols);

	multiply(p, S, x, x, axc_sv(r));
	two(p, AXON_ALU_MULTIPLY, t, dy, x);
	two(p, AXON_ALU_ADD, sum, sum, t);
	two(p, AXON_ALU_MULTIPLY, t, t, w);
	axc_reduce(p, V, AXON_ALU_ADD, 1, mean, t);
	multiply(p, V, mean, mean, axc_s(-1.0f / (float)n->x.cols));
	two(p, AXON_ALU_MULTIPLY, dy, dy, w);
	multiply(p, S, x, x, axc_sv(mean));
	two(p, AXON_ALU_ADD, dy, dy, x);
	multiply(p, S, dy, dy, axc_sv(r));
}

static void rms_grad_block(struct axc_program *p, void *ctx, const struct block *b)
{
	struct rms *n = ctx;
	uint32_t dim = n->x.cols;
	struct axc_tile *x = sbuf(p, b->n, dim), *dy = sbuf(p, b->n, dim), *t = sbuf(p, b->n, dim);
	struct axc_tile *s = sbuf(p, b->n, 2);

	block_load(p, x, 0, &n->x, b, 0, dim);
	block_load(p, dy, 0, &n->dy, b, 0, dim);
	block_load(p, s, 0, &n->r, b, 0, 1);
	rms_grad_sums(p, n, b->n, axc_view(x), axc_view(dy), axc_view(t),
		      axc_cols(axc_view(s), 0, 1), axc_cols(axc_view(s), 1, 1));
	if (n->c.tensor) {
		block_load(p, t, 0, &n->c, b, 0, dim);
		two(p, AXON_ALU_ADD, axc_view(dy), axc_view(dy), axc_view(t));
	}
	block_store(p, &n->dx, b, 0, dy, 0, dim);
	axc_tile_free(p, x);
	axc_tile_free(p, dy);
	axc_tile_free(p, t);
	axc_tile_free(p, s);
}

/* dst = sums of @sum over the partitions */
static void sum_partitions(struct axc_program *p, struct axc_matrix *dst, struct axc_tile *sum)
{
	const struct block row = { .n = 1 };
	struct axc_tile *ones = sbuf(p, sum->parts, 1), *out = sbuf(p, 1, dst->cols), *bank;
	uint32_t at, n;

	axc_memset(p, V, axc_view(ones), 0x3f800000);	/* 1.0 */
	for (at = 0; at < dst->cols && !p->err; at += n) {
		n = smaller(dst->cols - at, BANK_FLOATS);
		bank = psum(p, 1, n);
		axc_matmul(p, axc_view(bank), axc_view(ones), axc_cols(axc_view(sum), at, n),
			   false);
		from_psum(p, axc_cols(axc_view(out), at, n), axc_view(bank));
		axc_tile_free(p, bank);
	}
	block_store(p, dst, &row, 0, out, 0, dst->cols);
	axc_tile_free(p, ones);
	axc_tile_free(p, out);
}

void axc_batch_rmsnorm_grad(struct axc_program *p, struct axc_matrix dx, struct axc_matrix dw,
			    struct axc_matrix dy, struct axc_matrix x, struct axc_matrix w,
			    struct axc_matrix r, struct axc_matrix c)
{
	struct rms n = { .x = x, .w = w, .r = r, .dx = dx, .dy = dy, .c = c };
	static const char op[] = "rmsnorm_grad";

	if (!op_ready(p, op) || !matrix_ok(p, op, "x", &x, dx.rows, dx.cols) ||
	    !matrix_ok(p, op, "dx", &dx, x.rows, x.cols) ||
	    !matrix_ok(p, op, "dy", &dy, x.rows, x.cols) ||
	    !matrix_ok(p, op, "w", &w, 1, x.cols) || !matrix_ok(p, op, "dw", &dw, 1, x.cols) ||
	    !matrix_ok(p, op, "r", &r, x.rows, 1) ||
	    (c.tensor && !matrix_ok(p, op, "c", &c, x.rows, x.cols)) || !norm_shape_ok(p, op, &x))
		return;
	spread_weights(p, &n);
	n.sum = sbuf(p, smaller(x.rows, AXON_PARTITIONS), x.cols);
	axc_memset(p, V, axc_view(n.sum), 0);
	blocks(p, x.rows, rms_grad_block, &n);
	axc_tile_free(p, n.wide);
	sum_partitions(p, &dw, n.sum);
	axc_tile_free(p, n.sum);
}

/* ---- rotary embedding ---- */

/**
 * struct rope - a rotation
 * @table: constant [seq][cos of each pair, sin of each pair]
 * @half: pairs of a head
 * @angles: of the positions of a block
 */
struct rope {
	struct axc_matrix x, y, table;
	uint32_t heads, half;
	bool inverse;
	struct axc_tile *angles;
};

/* Even (@odd 0) or odd elements of the pairs of all heads. */
static struct axc_view pairs(const struct rope *r, struct axc_tile *tile, unsigned int odd)
{
	struct axc_view v = axc_axis(axc_view(tile), 2, r->heads, (int)(2 * r->half));

	return axc_axis(axc_cols(v, odd, 1), 3, r->half, 2);
}

/* Cosines (@which 0) or sines, the same for all heads. */
static struct axc_view angles(const struct rope *r, unsigned int which)
{
	struct axc_view v = axc_cols(axc_view(r->angles), which * r->half, r->half);

	return axc_axis(v, 2, r->heads, 0);
}

static void rope_block(struct axc_program *p, const struct rope *r, const struct block *b)
{
	struct axc_tile *x = sbuf(p, b->n, r->x.cols), *y = sbuf(p, b->n, r->x.cols);
	struct axc_tile *t = sbuf(p, b->n, r->x.cols);
	struct axc_view c = angles(r, 0), s = angles(r, 1), even = pairs(r, x, 0);
	struct axc_view odd = pairs(r, x, 1), even_s = pairs(r, t, 0), odd_s = pairs(r, t, 1);

	block_load(p, x, 0, &r->x, b, 0, r->x.cols);
	two(p, AXON_ALU_MULTIPLY, even_s, even, s);
	two(p, AXON_ALU_MULTIPLY, odd_s, odd, s);
	two(p, AXON_ALU_MULTIPLY, even, even, c);
	two(p, AXON_ALU_MULTIPLY, odd, odd, c);
	two(p, r->inverse ? AXON_ALU_ADD : AXON_ALU_SUBTRACT, pairs(r, y, 0), even, odd_s);
	two(p, r->inverse ? AXON_ALU_SUBTRACT : AXON_ALU_ADD, pairs(r, y, 1), odd, even_s);
	block_store(p, &r->y, b, 0, y, 0, r->y.cols);
	axc_tile_free(p, x);
	axc_tile_free(p, y);
	axc_tile_free(p, t);
}

/* Positions first .. first + n - 1 of every sequence. */
static void rope_positions(struct axc_program *p, struct rope *r, uint32_t seq, uint32_t first)
{
	struct block b = { .first = first, .n = smaller(seq - first, AXON_PARTITIONS),
			   .step = seq };
	uint32_t sequences = r->x.rows / seq;

	r->angles = sbuf(p, b.n, 2 * r->half);
	block_load(p, r->angles, 0, &r->table, &b, 0, 2 * r->half);
	if (sequences > 1)
		b.iter = axc_loop_begin(p, sequences, NULL);
	rope_block(p, r, &b);
	if (sequences > 1)
		axc_loop_end(p);
	axc_tile_free(p, r->angles);
}

/*
 * Angles are calculated in fp32 as llama2.c does: another rounding of the angle would show in
 * what a model writes that was trained with it.
 */
static struct axc_tensor *rope_table(struct axc_program *p, uint32_t seq, uint32_t head_size,
				     float theta)
{
	struct axc_tensor *t = axc_const_new(p, AXON_DTYPE_FLOAT32, NULL, 4ull * seq * head_size);
	float *c = axc_const_data(t), freq, angle;
	uint32_t half = head_size / 2, pos, i;

	for (i = 0; c && i < half; i++) {
		freq = 1.0f / powf(theta, (float)(2 * i) / (float)head_size);
		for (pos = 0; pos < seq; pos++) {
			angle = (float)pos * freq;
			c[(size_t)pos * head_size + i] = cosf(angle);
			c[(size_t)pos * head_size + half + i] = sinf(angle);
		}
	}
	return t;
}

void axc_batch_rope(struct axc_program *p, struct axc_matrix y, struct axc_matrix x, uint32_t seq,
		    uint32_t head_size, float theta, bool inverse)
{
	struct rope r = { .x = x, .y = y, .half = head_size / 2, .inverse = inverse };
	struct axc_tensor *table;
	uint32_t first;

	if (!op_ready(p, "rope") || !matrix_ok(p, "rope", "x", &x, y.rows, y.cols) ||
	    !matrix_ok(p, "rope", "y", &y, x.rows, x.cols))
		return;
	if (!head_size || head_size % 2 || x.cols % head_size || !seq || x.rows % seq ||
	    x.cols > ROPE_MAX || !(theta >= 0)) {
		axc_fail(p, -EINVAL, "rope: [%u][%u], heads of %u, sequences of %u", x.rows,
			 x.cols, head_size, seq);
		return;
	}
	r.heads = x.cols / head_size;
	table = op_rope_table(p, seq, head_size, theta == 0 ? 10000.0f : theta, rope_table);
	if (!table)
		return;
	r.table = axc_matrix(table, 0, seq, head_size);
	for (first = 0; first < seq && !p->err; first += AXON_PARTITIONS)
		rope_positions(p, &r, seq, first);
}

/* ---- SwiGLU ---- */

/**
 * struct swiglu - columns @col .. @col + @n - 1 of all matrices
 */
struct swiglu {
	struct axc_matrix h, a, b, da, db, dh;
	uint32_t col, n;
};

static void swiglu_block(struct axc_program *p, void *ctx, const struct block *b)
{
	struct swiglu *s = ctx;
	struct axc_tile *x = sbuf(p, b->n, s->n), *y = sbuf(p, b->n, s->n);

	block_load(p, x, 0, &s->a, b, s->col, s->n);
	block_load(p, y, 0, &s->b, b, s->col, s->n);
	axc_activation(p, AXON_ACT_SILU, axc_view(x), axc_view(x), axc_s(1), axc_s(0),
		       axc_view(NULL));
	two(p, AXON_ALU_MULTIPLY, axc_view(x), axc_view(x), axc_view(y));
	block_store(p, &s->h, b, s->col, x, 0, s->n);
	axc_tile_free(p, x);
	axc_tile_free(p, y);
}

/*
 * With s = sigmoid(a) and q = a s: db = dh q, da = dh b (s + q (1 - s)). dh becomes db, b becomes
 * da; the others are scratch afterwards.
 */
static void swiglu_grad_math(struct axc_program *p, struct axc_view dh, struct axc_view a,
			     struct axc_view b, struct axc_view s, struct axc_view q)
{
	axc_activation(p, AXON_ACT_SIGMOID, s, a, axc_s(1), axc_s(0), axc_view(NULL));
	two(p, AXON_ALU_MULTIPLY, q, a, s);
	axc_tensor_scalar(p, S, a, s, AXON_ALU_MULTIPLY, axc_s(-1), AXON_ALU_ADD, axc_s(1));
	two(p, AXON_ALU_MULTIPLY, a, a, q);
	two(p, AXON_ALU_ADD, a, a, s);
	two(p, AXON_ALU_MULTIPLY, b, b, dh);
	two(p, AXON_ALU_MULTIPLY, b, b, a);
	two(p, AXON_ALU_MULTIPLY, dh, dh, q);
}

static void swiglu_grad_block(struct axc_program *p, void *ctx, const struct block *blk)
{
	struct swiglu *s = ctx;
	struct axc_tile *t[5];
	unsigned int i;

	for (i = 0; i < 5; i++)
		t[i] = sbuf(p, blk->n, s->n);
	block_load(p, t[0], 0, &s->dh, blk, s->col, s->n);
	block_load(p, t[1], 0, &s->a, blk, s->col, s->n);
	block_load(p, t[2], 0, &s->b, blk, s->col, s->n);
	swiglu_grad_math(p, axc_view(t[0]), axc_view(t[1]), axc_view(t[2]), axc_view(t[3]),
			 axc_view(t[4]));
	block_store(p, &s->da, blk, s->col, t[2], 0, s->n);
	block_store(p, &s->db, blk, s->col, t[0], 0, s->n);
	for (i = 0; i < 5; i++)
		axc_tile_free(p, t[i]);
}

static void by_columns(struct axc_program *p, struct swiglu *s, block_fn fn)
{
	for (s->col = 0; s->col < s->a.cols && !p->err; s->col += s->n) {
		s->n = smaller(s->a.cols - s->col, WIDTH);
		blocks(p, s->a.rows, fn, s);
	}
}

void axc_batch_swiglu(struct axc_program *p, struct axc_matrix h, struct axc_matrix a,
		      struct axc_matrix b)
{
	struct swiglu s = { .h = h, .a = a, .b = b };

	if (op_ready(p, "swiglu") && matrix_ok(p, "swiglu", "h", &h, h.rows, h.cols) &&
	    matrix_ok(p, "swiglu", "a", &a, h.rows, h.cols) &&
	    matrix_ok(p, "swiglu", "b", &b, h.rows, h.cols))
		by_columns(p, &s, swiglu_block);
}

void axc_batch_swiglu_grad(struct axc_program *p, struct axc_matrix da, struct axc_matrix db,
			   struct axc_matrix dh, struct axc_matrix a, struct axc_matrix b)
{
	struct swiglu s = { .a = a, .b = b, .da = da, .db = db, .dh = dh };
	static const char op[] = "swiglu_grad";

	if (op_ready(p, op) && matrix_ok(p, op, "dh", &dh, dh.rows, dh.cols) &&
	    matrix_ok(p, op, "a", &a, dh.rows, dh.cols) &&
	    matrix_ok(p, op, "b", &b, dh.rows, dh.cols) &&
	    matrix_ok(p, op, "da", &da, dh.rows, dh.cols) &&
	    matrix_ok(p, op, "db", &db, dh.rows, dh.cols))
		by_columns(p, &s, swiglu_grad_block);
}
