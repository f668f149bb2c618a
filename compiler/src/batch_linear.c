/* SPDX-License-Identifier: MIT */
/*
 * batch_linear.c - linear layers on batches: result, gradient of the input, gradients of weights.
 *
 * The tensor engine sums over partitions. Result and gradient of the input sum over the columns of
 * the left factor, so its blocks of rows are transposed on the way and stand as the stationary
 * factor; weights move, transposed once for the result, as they lie for the gradient. Gradients of
 * weights sum over tokens, which are the partitions already: nothing is transposed, and the sums
 * stay in PSUM over the whole batch.
 */
#include "batch.h"

#define K_TILES		16u	/* tiles of 128 summed in one go; more are added in memory */
#define PANEL_BYTES	(64u * 1024)	/* of a partition for the right factor */
#define DW_BANKS	6u	/* of PSUM for sums over the batch */
#define DW_TILES	16u

/**
 * struct ktile - up to 128 of the columns that are summed over
 * @col: first, in the left factor
 * @w: weight they belong to (gradient of the input)
 * @row: its row
 * @n: how many
 */
struct ktile {
	uint32_t col, w, row, n;
};

/**
 * struct product - dst = left * right + add
 * @forward: right is the weights transposed, else the weights
 * @k: tiles of the current pass
 * @first: columns @first .. @first + @n - 1 of dst are the current panel
 * @right: the panel: [128][nk * n], tile j from column j * n on
 */
struct product {
	struct axc_matrix dst, left, add;
	const struct axc_linear *w;
	bool forward;
	struct ktile k[K_TILES];
	unsigned int nk;
	uint32_t first, n;
	struct axc_tile *right;
};

/* The tile after @t; n is 0 if there is none. A tile never crosses weights. */
static struct ktile next_ktile(const struct product *pr, struct ktile t)
{
	uint32_t rows = pr->forward ? pr->left.cols : pr->w->w[t.w].rows;

	t.col += t.n;
	t.row += t.n;
	if (t.row == rows && !pr->forward && t.w + 1 < pr->w->n) {
		t.row = 0;
		rows = pr->w->w[++t.w].rows;
	}
	t.n = smaller(rows - t.row, AXON_PARTITIONS);
	return t;
}

/* ---- the right factor ---- */

/* Rows @row .. @row + @rows - 1 of weight @i go to columns @to ... of the panel, transposed. */
static void panel_transposed(struct axc_program *p, struct product *pr, unsigned int i,
			     uint32_t row, uint32_t rows, uint32_t to)
{
	const struct ktile *k = pr->k, *last = &pr->k[pr->nk - 1];
	const struct block b = { .first = row, .n = rows };
	uint32_t cols = last->col + last->n - k->col, j, g;
	struct axc_tile *rough = sbuf(p, rows, cols);

	block_load(p, rough, 0, &pr->w->w[i], &b, k->col, cols);
	for (j = 0; j < pr->nk; j += g) {
		for (g = 1; g < 4 && j + g < pr->nk && k[j + g].n == k[j].n; g++)
			;
		transpose_run(p, pr->right, j * pr->n + to, pr->n, rough, k[j].col - k->col, rows,
			      k[j].n, g);
	}
	axc_tile_free(p, rough);
}

/* Rows of the weights, one after the other, are columns of the result. */
static void fill_transposed(struct axc_program *p, struct product *pr)
{
	uint32_t base = 0, row, rows, to;
	unsigned int i;

	for (i = 0; i < pr->w->n; base += pr->w->w[i++].rows) {
		for (row = 0; row < pr->w->w[i].rows && !p->err; row += rows) {
			to = base + row;
			rows = smaller(pr->w->w[i].rows - row, AXON_PARTITIONS);
			if (to < pr->first) {
				rows = smaller(rows, pr->first - to);
				continue;
			}
			if (to >= pr->first + pr->n)
				return;
			rows = smaller(rows, pr->first + pr->n - to);
			panel_transposed(p, pr, i, row, rows, to - pr->first);
		}
	}
}

static void fill_plain(struct axc_program *p, struct product *pr)
{
	unsigned int j;

	for (j = 0; j < pr->nk; j++) {
		const struct ktile *k = &pr->k[j];
		const struct block b = { .first = k->row, .n = k->n };

		block_load(p, pr->right, j * pr->n, &pr->w->w[k->w], &b, pr->first, pr->n);
	}
}

/* ---- blocks of the left factor ---- */

static struct axc_tile *left_transposed(struct axc_program *p, const struct product *pr,
					const struct block *b)
{
	const struct ktile *k = pr->k, *last = &pr->k[pr->nk - 1];
	uint32_t cols = last->col + last->n - k->col, j, g;
	struct axc_tile *rough = sbuf(p, b->n, cols);
	struct axc_tile *left = sbuf(p, AXON_PARTITIONS, pr->nk * b->n);

	block_load(p, rough, 0, &pr->left, b, k->col, cols);
	for (j = 0; j < pr->nk; j += g) {
		for (g = 1; g < 4 && j + g < pr->nk && k[j + g].n == k[j].n; g++)
			;
		transpose_run(p, left, j * b->n, b->n, rough, k[j].col - k->col, b->n, k[j].n, g);
	}
	axc_tile_free(p, rough);
	return left;
}

static void product_block(struct axc_program *p, void *ctx, const struct block *b)
{
	const struct product *pr = ctx;
	struct axc_tile *left = left_transposed(p, pr, b), *out = sbuf(p, b->n, pr->n), *bank;
	uint32_t at, n, j;

	if (pr->add.tensor)
		block_load(p, out, 0, &pr->add, b, pr->first, pr->n);
	for (at = 0; at < pr->n && !p->err; at += n) {
		struct axc_view part;

		n = smaller(pr->n - at, BANK_FLOATS);
		bank = psum(p, b->n, n);
		part = axc_cols(axc_view(out), at, n);
		for (j = 0; j < pr->nk; j++)
			axc_matmul(p, axc_view(bank), part_view(left, pr->k[j].n, j * b->n, b->n),
				   part_view(pr->right, pr->k[j].n, j * pr->n + at, n), j > 0);
		if (pr->add.tensor)
			axc_tensor_tensor(p, V, AXON_ALU_ADD, part, axc_view(bank), part);
		else
			from_psum(p, part, axc_view(bank));
		axc_tile_free(p, bank);
	}
	block_store(p, &pr->dst, b, pr->first, out, 0, pr->n);
	axc_tile_free(p, left);
	axc_tile_free(p, out);
}

/* All columns of the result for the tiles in k[]. */
static void product_pass(struct axc_program *p, struct product *pr)
{
	uint32_t most = PANEL_BYTES / 4 / pr->nk;

	if (most > 2 * BANK_FLOATS)
		most = 2 * BANK_FLOATS;
	for (pr->first = 0; pr->first < pr->dst.cols && !p->err; pr->first += pr->n) {
		pr->n = smaller(pr->dst.cols - pr->first, most);
		pr->right = sbuf(p, AXON_PARTITIONS, pr->nk * pr->n);
		if (pr->forward)
			fill_transposed(p, pr);
		else
			fill_plain(p, pr);
		blocks(p, pr->dst.rows, product_block, pr);
		axc_tile_free(p, pr->right);
	}
}

static void product(struct axc_program *p, struct product *pr)
{
	struct ktile t = { 0 };

	for (t = next_ktile(pr, t); t.n && !p->err;) {
		for (pr->nk = 0; pr->nk < K_TILES && t.n; t = next_ktile(pr, t))
			pr->k[pr->nk++] = t;
		product_pass(p, pr);
		pr->add = pr->dst;	/* what is left of the sum is added to it */
	}
}

/* ---- checks ---- */

/* Weights of @cols columns; gives the sum of their rows, 0 if something is wrong. */
static uint32_t linear_rows(struct axc_program *p, const char *op, const struct axc_linear *w,
			    uint32_t cols)
{
	uint64_t rows = 0;
	unsigned int i;

	if (!w || !w->n || w->n > AXC_LINEAR_MAX) {
		axc_fail(p, -EINVAL, "%s: 1 to %u weights", op, AXC_LINEAR_MAX);
		return 0;
	}
	for (i = 0; i < w->n; i++) {
		if (!matrix_ok(p, op, "a weight", &w->w[i], w->w[i].rows, cols))
			return 0;
		rows += w->w[i].rows;
	}
	if (rows > INT32_MAX) {
		axc_fail(p, -EINVAL, "%s: the weights have %llu rows", op,
			 (unsigned long long)rows);
		return 0;
	}
	return (uint32_t)rows;
}

static void count_flops(struct axc_program *p, uint64_t rows, uint64_t out, uint64_t in)
{
	axc_program_flops(p, p->flops + 2 * rows * out * in);
}

void axc_batch_linear(struct axc_program *p, struct axc_matrix y, struct axc_matrix x,
		      const struct axc_linear *w, struct axc_matrix c)
{
	struct product pr = { .dst = y, .left = x, .add = c, .w = w, .forward = true };
	uint32_t out;

	if (!op_ready(p, "linear"))
		return;
	out = linear_rows(p, "linear", w, x.cols);
	if (!out || !matrix_ok(p, "linear", "x", &x, y.rows, x.cols) ||
	    !matrix_ok(p, "linear", "y", &y, x.rows, out) ||
	    (c.tensor && !matrix_ok(p, "linear", "c", &c, x.rows, out)))
		return;
	product(p, &pr);
	count_flops(p, x.rows, out, x.cols);
}

void axc_batch_linear_dx(struct axc_program *p, struct axc_matrix dx, struct axc_matrix dy,
			 const struct axc_linear *w, struct axc_matrix c)
{
	struct product pr = { .dst = dx, .left = dy, .add = c, .w = w };
	uint32_t out;

	if (!op_ready(p, "linear_dx"))
		return;
	out = linear_rows(p, "linear_dx", w, dx.cols);
	if (!out || !matrix_ok(p, "linear_dx", "dy", &dy, dx.rows, out) ||
	    !matrix_ok(p, "linear_dx", "dx", &dx, dy.rows, dx.cols) ||
	    (c.tensor && !matrix_ok(p, "linear_dx", "c", &c, dx.rows, dx.cols)))
		return;
	product(p, &pr);
	count_flops(p, dy.rows, out, dx.cols);
}

/* ---- gradients of weights ---- */

/**
 * struct dw - sums over the batch
 * @k: rows of the weights that are being summed, @nk tiles
 * @first: columns of x in use, @n of them
 * @acc: the sums, by tile and by bank of columns
 */
struct dw {
	const struct axc_linear *w;
	struct axc_matrix dy, x;
	bool add;
	struct ktile k[DW_TILES];
	unsigned int nk;
	uint32_t first, n;
	struct axc_tile *acc[DW_TILES][DW_BANKS];
};

static void dw_block(struct axc_program *p, void *ctx, const struct block *b)
{
	const struct dw *d = ctx;
	const struct ktile *k = d->k, *last = &d->k[d->nk - 1];
	uint32_t cols = last->col + last->n - k->col, at;
	struct axc_tile *dy = sbuf(p, b->n, cols), *x = sbuf(p, b->n, d->n);
	unsigned int j;

	block_load(p, dy, 0, &d->dy, b, k->col, cols);
	block_load(p, x, 0, &d->x, b, d->first, d->n);
	for (j = 0; j < d->nk; j++)
		for (at = 0; at < d->n && !p->err; at += BANK_FLOATS)
			axc_matmul(p, axc_view(d->acc[j][at / BANK_FLOATS]),
				   axc_cols(axc_view(dy), k[j].col - k->col, k[j].n),
				   axc_cols(axc_view(x), at, smaller(d->n - at, BANK_FLOATS)),
				   true);
	axc_tile_free(p, dy);
	axc_tile_free(p, x);
}

static void dw_store(struct axc_program *p, const struct dw *d, const struct ktile *k,
		     uint32_t at, struct axc_tile *acc)
{
	const struct block b = { .first = k->row, .n = k->n };
	uint32_t n = smaller(d->n - at, BANK_FLOATS);
	struct axc_tile *out = sbuf(p, k->n, n);

	if (d->add) {
		block_load(p, out, 0, &d->w->w[k->w], &b, d->first + at, n);
		axc_tensor_tensor(p, V, AXON_ALU_ADD, axc_view(out), axc_view(out), axc_view(acc));
	} else {
		from_psum(p, axc_view(out), axc_view(acc));
	}
	block_store(p, &d->w->w[k->w], &b, d->first + at, out, 0, n);
	axc_tile_free(p, out);
}

/* The rows in k[], columns first .. first + n - 1. */
static void dw_pass(struct axc_program *p, struct dw *d)
{
	unsigned int j;
	uint32_t at;

	for (j = 0; j < d->nk; j++) {
		for (at = 0; at < d->n && !p->err; at += BANK_FLOATS) {
			struct axc_tile *acc = psum(p, d->k[j].n, smaller(d->n - at, BANK_FLOATS));

			d->acc[j][at / BANK_FLOATS] = acc;
			axc_memset(p, V, axc_view(acc), 0);
		}
	}
	blocks(p, d->x.rows, dw_block, d);
	for (j = 0; j < d->nk; j++) {
		for (at = 0; at < d->n && !p->err; at += BANK_FLOATS) {
			dw_store(p, d, &d->k[j], at, d->acc[j][at / BANK_FLOATS]);
			axc_tile_free(p, d->acc[j][at / BANK_FLOATS]);
		}
	}
}

/* Tiles of rows whose sums over @n columns find room at once. */
static unsigned int dw_tiles(uint32_t n)
{
	uint32_t each = div_up(n, 16) * 16, fit;

	fit = n > BANK_FLOATS ? DW_BANKS / div_up(n, BANK_FLOATS) : DW_BANKS * (BANK_FLOATS / each);
	return fit > DW_TILES ? DW_TILES : fit;
}

void axc_batch_linear_dw(struct axc_program *p, const struct axc_linear *dw, struct axc_matrix dy,
			 struct axc_matrix x, bool add)
{
	struct dw d = { .w = dw, .dy = dy, .x = x, .add = add };
	const struct product order = { .w = dw };
	struct ktile t = { 0 };
	uint32_t out;

	if (!op_ready(p, "linear_dw"))
		return;
	out = linear_rows(p, "linear_dw", dw, x.cols);
	if (!out || !matrix_ok(p, "linear_dw", "dy", &dy, x.rows, out) ||
	    !matrix_ok(p, "linear_dw", "x", &x, dy.rows, x.cols))
		return;
	for (t = next_ktile(&order, t); t.n && !p->err;) {
		uint32_t width = smaller(x.cols, DW_BANKS * BANK_FLOATS), most = dw_tiles(width);

		for (d.nk = 0; d.nk < most && t.n; t = next_ktile(&order, t))
			d.k[d.nk++] = t;
		for (d.first = 0; d.first < x.cols; d.first += d.n) {
			d.n = smaller(x.cols - d.first, width);
			dw_pass(p, &d);
		}
	}
	count_flops(p, x.rows, out, x.cols);
}
