/* SPDX-License-Identifier: MIT */
/*
 * ops_matmul.c - operators on matrices in memory: product and softmax.
 */
#include "ops.h"

#define K_TILE	AXON_MM_MAX_K
#define M_TILE	AXON_MM_MAX_M
#define N_TILE	AXON_MM_MAX_N

static uint32_t div_up(uint32_t a, uint32_t b)
{
	return (a + b - 1) / b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/**
 * struct panel - columns of a factor in SBUF: all of k, in tiles of 128
 * @tile: [128][kt * width]
 * @n: columns in use
 */
struct panel {
	struct axc_tile *tile;
	uint32_t width, n;
};

/**
 * struct product - one matrix product
 * @a: all of the left factor, or one panel of it
 * @b: right panels, used in turn
 */
struct product {
	struct axc_tensor *c, *at, *b;
	uint32_t m, k, n, kt;
	struct panel left, right[2];
	unsigned int queue;
};

/* Columns first .. first + n - 1 of [k][cols] in memory: full tiles of k at once, then the rest. */
static void load_panel(struct axc_program *p, struct product *pr, struct panel *pa,
		       struct axc_tensor *t, uint32_t cols, uint32_t first, uint32_t n)
{
	uint32_t size = axon_dtype_size(t->dtype), full = pr->k / K_TILE, rest = pr->k % K_TILE, i;

	pa->n = n;
	for (i = 0; i < 2; i++) {
		if (!(i ? rest : full))
			continue;
		axc_dma(p, &(struct axc_dma){
			.engine = SYNC,
			.queue = pr->queue++ % WEIGHT_QUEUES,
			.dst = { .tile = pa->tile,
				 .offset = i ? (uint64_t)full * pa->width * size : 0,
				 .step = { 0, (int32_t)(pa->width * size), AXON_PART_STRIDE,
					   (int32_t)size } },
			.src = { .tensor = t, .region = AXC_REGION_ALL,
				 .offset = (i ? (uint64_t)full * K_TILE * cols * size : 0) +
					   (uint64_t)first * size,
				 .step = { 0, (int32_t)(K_TILE * cols * size),
					   (int32_t)(cols * size), (int32_t)size } },
			.count = { 1, i ? 1 : full, i ? rest : K_TILE, n },
		});
	}
}

static struct axc_view panel_tile(const struct product *pr, const struct panel *pa, uint32_t kt,
				  uint32_t first, uint32_t n)
{
	struct axc_view v = axc_rows(axc_view(pa->tile), 0, smaller(K_TILE, pr->k - kt * K_TILE));

	return axc_cols(v, kt * pa->width + first, n);
}

/* c[i .. i + mlen)[j .. j + nlen): all of k in one bank, then out through SBUF. */
static void block(struct axc_program *p, struct product *pr, const struct panel *right, uint32_t i,
		  uint32_t left_first, uint32_t j)
{
	uint32_t mlen = smaller(M_TILE, pr->m - i), nlen = right->n, kt;
	uint32_t size = axon_dtype_size(pr->c->dtype);
	struct axc_tile *bank = axc_tile_new(p, AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, mlen, nlen);
	struct axc_tile *out = axc_tile_new(p, AXON_SPACE_SBUF, pr->c->dtype, mlen, nlen);

	for (kt = 0; kt < pr->kt; kt++)
		axc_matmul(p, axc_view(bank), panel_tile(pr, &pr->left, kt, left_first, mlen),
			   panel_tile(pr, right, kt, 0, nlen), kt > 0);
	axc_copy(p, (i / M_TILE) & 1 ? S : V, axc_view(out), axc_view(bank));
	axc_store(p, G, CACHE_QUEUE + ((i / M_TILE) & 1), pr->c, ((uint64_t)i * pr->n + j) * size,
		  (int32_t)(pr->n * size), out, 0, nlen);
	axc_tile_free(p, bank);
	axc_tile_free(p, out);
}

static bool product_ok(struct axc_program *p, const struct product *pr)
{
	const struct axc_tensor *c = pr->c, *a = pr->at, *b = pr->b;

	if (!c || !a || !b || !pr->m || !pr->k || !pr->n || a->dtype != b->dtype ||
	    (a->dtype != AXON_DTYPE_FLOAT32 && a->dtype != AXON_DTYPE_BFLOAT16 &&
	     a->dtype != AXON_DTYPE_FLOAT16) || axon_dtype_size(c->dtype) > 4) {
		axc_fail(p, -EINVAL, "matmul: factors must be fp32, bf16 or fp16, both the same");
		return false;
	}
	if (a->size != (uint64_t)pr->k * pr->m * axon_dtype_size(a->dtype) ||
	    b->size != (uint64_t)pr->k * pr->n * axon_dtype_size(b->dtype) ||
	    c->size != (uint64_t)pr->m * pr->n * axon_dtype_size(c->dtype) ||
	    pr->m > INT32_MAX / 4 / K_TILE || pr->n > INT32_MAX / 4 / K_TILE || pr->k > 1u << 20) {
		axc_fail(p, -EINVAL, "matmul: tensors do not have the shape %u x %u x %u", pr->m,
			 pr->k, pr->n);
		return false;
	}
	return true;
}

/* Widths of the panels: all of m if it fits in 96 KiB a partition, 2 x 512 of n beside it. */
static bool make_panels(struct axc_program *p, struct product *pr)
{
	uint32_t size = axon_dtype_size(pr->at->dtype), room, i;
	uint32_t left = axc_space_left(p, AXON_SPACE_SBUF);

	room = left / 2 / size / pr->kt;
	pr->left.width = smaller(pr->m, room / M_TILE * M_TILE);
	room = left / 5 / size / pr->kt;
	pr->right[0].width = smaller(smaller(pr->n, N_TILE), room);
	if (!pr->left.width || !pr->right[0].width) {
		axc_fail(p, -ENOSPC, "matmul: k = %u is too large for SBUF", pr->k);
		return false;
	}
	pr->left.tile = axc_tile_new(p, AXON_SPACE_SBUF, pr->at->dtype, K_TILE,
				     pr->kt * pr->left.width);
	for (i = 0; i < 2; i++) {
		pr->right[i].width = pr->right[0].width;
		pr->right[i].tile = axc_tile_new(p, AXON_SPACE_SBUF, pr->b->dtype, K_TILE,
						 pr->kt * pr->right[i].width);
	}
	return !p->err;
}

void axc_op_matmul(struct axc_program *p, struct axc_tensor *c, struct axc_tensor *at,
		   struct axc_tensor *b, uint32_t m, uint32_t k, uint32_t n)
{
	struct product pr = { .c = c, .at = at, .b = b, .m = m, .k = k, .n = n };
	uint32_t i, j, ii, turn = 0;

	if (!op_ready(p, "matmul") || !product_ok(p, &pr))
		return;
	pr.kt = div_up(k, K_TILE);
	if (!make_panels(p, &pr))
		return;
	for (i = 0; i < m && !p->err; i += pr.left.width) {
		uint32_t rows = smaller(pr.left.width, m - i);

		load_panel(p, &pr, &pr.left, at, m, i, rows);
		for (j = 0; j < n && !p->err; j += pr.right[0].width) {
			struct panel *right = &pr.right[turn++ & 1];

			load_panel(p, &pr, right, b, n, j, smaller(right->width, n - j));
			for (ii = 0; ii < rows; ii += M_TILE)
				block(p, &pr, right, i + ii, ii, j);
		}
	}
	axc_tile_free(p, pr.left.tile);
	axc_tile_free(p, pr.right[0].tile);
	axc_tile_free(p, pr.right[1].tile);
	axc_program_flops(p, p->flops + 2ull * m * k * n);
}

/* ---- softmax ---- */

static void softmax_rows(struct axc_program *p, struct axc_tensor *dst, struct axc_tensor *src,
			 uint32_t first, uint32_t rows, uint32_t cols)
{
	struct axc_tile *x = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, rows, cols);
	struct axc_tile *s = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, rows, 2);
	struct axc_view v = axc_view(x), top = axc_cols(axc_view(s), 0, 1);
	struct axc_view sum = axc_cols(axc_view(s), 1, 1);
	uint64_t offset = 4ull * first * cols;

	axc_load(p, SYNC, INPUT_QUEUE, x, 0, cols, src, offset, (int32_t)(cols * 4));
	axc_reduce(p, V, AXON_ALU_MAX, 1, top, v);
	axc_tensor_scalar(p, V, top, top, AXON_ALU_MULTIPLY, axc_s(-1), AXON_ALU_NONE, axc_s(0));
	axc_activation(p, AXON_ACT_EXP, v, v, axc_s(1), axc_sv(top), sum);
	axc_tensor_scalar(p, V, v, v, AXON_ALU_DIVIDE, axc_sv(sum), AXON_ALU_NONE, axc_s(0));
	axc_store(p, G, RESULT_QUEUE, dst, offset, (int32_t)(cols * 4), x, 0, cols);
	axc_tile_free(p, x);
	axc_tile_free(p, s);
}

void axc_op_softmax(struct axc_program *p, struct axc_tensor *dst, struct axc_tensor *src,
		    uint32_t rows, uint32_t cols)
{
	uint32_t i;

	if (!op_ready(p, "softmax"))
		return;
	if (!dst || !src || dst->dtype != AXON_DTYPE_FLOAT32 || src->dtype != AXON_DTYPE_FLOAT32 ||
	    !rows || !cols || cols > 32768 || src->size != 4ull * rows * cols ||
	    dst->size != src->size) {
		axc_fail(p, -EINVAL, "softmax: fp32 [%u][%u], at most 32768 columns", rows, cols);
		return;
	}
	for (i = 0; i < rows && !p->err; i += AXON_PARTITIONS)
		softmax_rows(p, dst, src, i, smaller(AXON_PARTITIONS, rows - i), cols);
}
