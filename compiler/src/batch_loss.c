/* SPDX-License-Identifier: MIT */
/*
 * batch_loss.c - softmax cross-entropy of a batch and its gradient.
 *
 * Targets come as numbers: a gather from the table 0, 1, 2 ... turns them into fp32 and refuses
 * those outside the vocabulary. Where a column's number equals a token's target, there is the
 * one of its one-hot row.
 */
#include "batch.h"

#define MAX_VOCAB	8192u

/**
 * struct entropy - one batch
 * @numbers: constant 0 .. vocab - 1
 * @ids: the targets as fp32 [T][1]
 * @columns: @numbers in every partition
 */
struct entropy {
	struct axc_matrix logits, dlogits, losses, ids;
	struct axc_tensor *numbers;
	struct axc_tile *columns;
};

/* Columns of a token's own numbers. */
enum { ID, NEG_TOP, SUM, PICKED, LOSS, NUM_COLS };

static void one(struct axc_program *p, enum axon_alu op, struct axc_view dst, struct axc_view a,
		struct axc_view b)
{
	axc_tensor_tensor(p, V, op, dst, a, b);
}

/* dlogits = (e / sum - hot) / T */
static void entropy_grad(struct axc_program *p, const struct entropy *en, struct axc_view e,
			 struct axc_view hot, struct axc_view sum)
{
	const float share = 1.0f / (float)en->logits.rows;

	axc_tensor_scalar(p, V, e, e, AXON_ALU_DIVIDE, axc_sv(sum), AXON_ALU_MULTIPLY,
			  axc_s(share));
	axc_tensor_scalar(p, S, hot, hot, AXON_ALU_MULTIPLY, axc_s(share), AXON_ALU_NONE, axc_s(0));
	axc_tensor_tensor(p, V, AXON_ALU_SUBTRACT, e, e, hot);
}

/*
 * loss = log(sum(exp(x - top))) - (x[target] - top): both terms are taken relative to the largest
 * logit, so that a large common offset costs no digits.
 */
static void entropy_math(struct axc_program *p, const struct axc_view *s, struct axc_view x,
			 struct axc_view e, struct axc_view hot)
{
	axc_reduce(p, V, AXON_ALU_MAX, 1, s[NEG_TOP], x);
	axc_tensor_scalar(p, V, s[NEG_TOP], s[NEG_TOP], AXON_ALU_MULTIPLY, axc_s(-1),
			  AXON_ALU_NONE, axc_s(0));
	axc_tensor_scalar(p, V, x, x, AXON_ALU_ADD, axc_sv(s[NEG_TOP]), AXON_ALU_NONE, axc_s(0));
	axc_activation(p, AXON_ACT_EXP, e, x, axc_s(1), axc_s(0), s[SUM]);
	one(p, AXON_ALU_MULTIPLY, x, x, hot);
	axc_reduce(p, V, AXON_ALU_ADD, 1, s[PICKED], x);
	axc_activation(p, AXON_ACT_LOG, s[LOSS], s[SUM], axc_s(1), axc_s(0), axc_view(NULL));
	one(p, AXON_ALU_SUBTRACT, s[LOSS], s[LOSS], s[PICKED]);
}

static void entropy_block(struct axc_program *p, void *ctx, const struct block *b)
{
	struct entropy *en = ctx;
	uint32_t vocab = en->logits.cols, i;
	struct axc_tile *x = sbuf(p, b->n, vocab), *e = sbuf(p, b->n, vocab);
	struct axc_tile *hot = sbuf(p, b->n, vocab), *s = sbuf(p, b->n, NUM_COLS);
	struct axc_view col[NUM_COLS];

	for (i = 0; i < NUM_COLS; i++)
		col[i] = axc_cols(axc_view(s), i, 1);
	block_load(p, x, 0, &en->logits, b, 0, vocab);
	block_load(p, s, ID, &en->ids, b, 0, 1);
	axc_tensor_scalar(p, V, axc_view(hot), part_view(en->columns, b->n, 0, vocab), AXON_ALU_EQ,
			  axc_sv(col[ID]), AXON_ALU_NONE, axc_s(0));
	entropy_math(p, col, axc_view(x), axc_view(e), axc_view(hot));
	block_store(p, &en->losses, b, 0, s, LOSS, 1);
	if (en->dlogits.tensor) {
		entropy_grad(p, en, axc_view(e), axc_view(hot), col[SUM]);
		block_store(p, &en->dlogits, b, 0, e, 0, vocab);
	}
	axc_tile_free(p, x);
	axc_tile_free(p, e);
	axc_tile_free(p, hot);
	axc_tile_free(p, s);
}

static void target_numbers(struct axc_program *p, struct entropy *en, struct axc_tensor *targets)
{
	const uint64_t rows = en->logits.rows, vocab = en->logits.cols;
	struct axc_tensor *ids = axc_tensor_new(p, AXC_SCRATCH, NULL, AXON_DTYPE_FLOAT32, 1, &rows);
	float *number;
	uint32_t i;

	en->numbers = axc_const_new(p, AXON_DTYPE_FLOAT32, NULL, 4 * vocab);
	number = axc_const_data(en->numbers);
	if (!ids || !number)
		return;
	for (i = 0; i < vocab; i++)
		number[i] = (float)i;
	en->ids = axc_matrix(ids, 0, (uint32_t)rows, 1);
	axc_batch_gather(p, en->ids, axc_matrix(en->numbers, 0, (uint32_t)vocab, 1), targets);
	en->columns = sbuf(p, smaller((uint32_t)rows, AXON_PARTITIONS), (uint32_t)vocab);
	row_spread(p, en->columns, en->numbers, 0, (uint32_t)vocab);
}

/* Rows of @cols neighbours, from loss @first on, are added up into @sum. */
static void add_losses(struct axc_program *p, struct axc_tensor *losses, struct axc_tile *sum,
		       uint32_t first, uint32_t rows, uint32_t cols)
{
	const struct block all = { .n = rows };
	struct axc_matrix m = axc_matrix(losses, first, rows, cols);
	struct axc_tile *t, *s;

	if (!rows || !cols)
		return;
	t = sbuf(p, rows, cols);
	s = sbuf(p, rows, 1);
	block_load(p, t, 0, &m, &all, 0, cols);
	axc_reduce(p, V, AXON_ALU_ADD, 1, axc_view(s), axc_view(t));
	one(p, AXON_ALU_ADD, part_view(sum, rows, 0, 1), part_view(sum, rows, 0, 1), axc_view(s));
	axc_tile_free(p, t);
	axc_tile_free(p, s);
}

static void mean_loss(struct axc_program *p, struct axc_tensor *loss, struct axc_tensor *losses,
		      uint32_t rows)
{
	struct axc_tile *sum = sbuf(p, AXON_PARTITIONS, 1), *ones = sbuf(p, AXON_PARTITIONS, 1);
	struct axc_tile *bank = psum(p, 1, 1);
	uint32_t cols = rows / AXON_PARTITIONS, rest = rows % AXON_PARTITIONS;

	axc_memset(p, V, axc_view(sum), 0);
	axc_memset(p, V, axc_view(ones), 0x3f800000);	/* 1.0 */
	add_losses(p, losses, sum, 0, AXON_PARTITIONS, cols);
	add_losses(p, losses, sum, rows - rest, rest, 1);
	axc_matmul(p, axc_view(bank), axc_view(ones), axc_view(sum), false);
	axc_tensor_scalar(p, V, part_view(sum, 1, 0, 1), axc_view(bank), AXON_ALU_MULTIPLY,
			  axc_s(1.0f / (float)rows), AXON_ALU_NONE, axc_s(0));
	block_store(p, &(struct axc_matrix){ .tensor = loss, .rows = 1, .cols = 1, .stride = 1 },
		    &(struct block){ .n = 1 }, 0, sum, 0, 1);
	axc_tile_free(p, sum);
	axc_tile_free(p, ones);
	axc_tile_free(p, bank);
}

void axc_batch_cross_entropy(struct axc_program *p, struct axc_tensor *loss,
			     struct axc_tensor *losses, struct axc_matrix dlogits,
			     struct axc_matrix logits, struct axc_tensor *targets)
{
	struct entropy en = { .logits = logits, .dlogits = dlogits };
	static const char op[] = "cross_entropy";

	if (!op_ready(p, op) ||
	    !matrix_ok(p, op, "logits", &logits, logits.rows, logits.cols) ||
	    !vector_ok(p, op, "targets", targets, AXON_DTYPE_UINT32, logits.rows) ||
	    !vector_ok(p, op, "losses", losses, AXON_DTYPE_FLOAT32, logits.rows) ||
	    !vector_ok(p, op, "loss", loss, AXON_DTYPE_FLOAT32, 1) ||
	    (dlogits.tensor &&
	     !matrix_ok(p, op, "dlogits", &dlogits, logits.rows, logits.cols)))
		return;
	if (logits.cols > MAX_VOCAB || logits.rows > 1u << 20) {
		axc_fail(p, -EINVAL, "%s: [%u][%u], at most [2^20][%u]", op, logits.rows,
			 logits.cols, MAX_VOCAB);
		return;
	}
	en.losses = axc_matrix(losses, 0, logits.rows, 1);
	target_numbers(p, &en, targets);
	blocks(p, logits.rows, entropy_block, &en);
	axc_tile_free(p, en.columns);
	mean_loss(p, loss, losses, logits.rows);
}
