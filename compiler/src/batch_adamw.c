/* SPDX-License-Identifier: MIT */
/*
 * batch_adamw.c - the optimiser: norm of the gradients, and AdamW in place.
 *
 * Parameters are a flat tensor here; where arrays begin does not matter. It is cut into pieces of
 * 128 partitions, WIDTH elements each, which are a loop, and what remains into two smaller ones.
 * Everything that changes from step to step comes in a tensor, so the program stays the same.
 */
#include "batch.h"

#define WIDTH	2048u

/* Columns behind those of &enum axc_adamw, calculated from them on the card. */
enum {
	COL_NORM = AXC_ADAMW_SIZE,
	COL_FACTOR,	/* of the gradients: scale, and what clipping leaves */
	COL_NOT1,	/* 1 - beta1 */
	COL_NOT2,	/* 1 - beta2 */
	COL_STEP,	/* rate * fix1 */
	COL_KEEP,	/* 1 - rate * decay */
	NUM_COLS,
};

/**
 * struct piece - part of a flat tensor: @parts rows of @cols, from element @first on
 * @iter: iteration of the loop around, or NULL; each moves on by parts * cols
 */
struct piece {
	uint64_t first;
	uint32_t parts, cols;
	struct axc_reg *iter;
};

typedef void (*piece_fn)(struct axc_program *p, void *ctx, const struct piece *pc);

static void pieces(struct axc_program *p, uint64_t first, uint64_t n, piece_fn fn, void *ctx)
{
	const uint64_t whole = (uint64_t)AXON_PARTITIONS * WIDTH;
	struct piece pc = { .first = first, .parts = AXON_PARTITIONS, .cols = WIDTH };
	uint64_t full = n / whole;

	if (full > 1) {
		pc.iter = axc_loop_begin(p, full, NULL);
		fn(p, ctx, &pc);
		axc_loop_end(p);
	} else if (full) {
		fn(p, ctx, &pc);
	}
	pc = (struct piece){ .first = first + full * whole, .parts = AXON_PARTITIONS,
			     .cols = (uint32_t)(n % whole / AXON_PARTITIONS) };
	if (pc.cols)
		fn(p, ctx, &pc);
	pc.first += (uint64_t)pc.parts * pc.cols;
	pc.parts = (uint32_t)(n % AXON_PARTITIONS);
	pc.cols = 1;
	if (pc.parts)
		fn(p, ctx, &pc);
}

static void piece_dma(struct axc_program *p, bool load, struct axc_tile *tile,
		      struct axc_tensor *t, const struct piece *pc)
{
	struct axc_mem mem = { .tensor = t, .offset = pc->first * 4, .region = AXC_REGION_ALL,
			       .step = { 0, 0, (int32_t)(pc->cols * 4), 4 } };
	struct axc_mem chip = { .tile = tile, .step = { 0, 0, AXON_PART_STRIDE, 4 } };

	if (pc->iter)
		mem.reg[0] = axc_reg_opi(p, AXON_RALU_MUL, pc->iter, 4ull * pc->parts * pc->cols);
	axc_dma(p, &(struct axc_dma){
		.engine = load ? SYNC : G,
		.queue = load ? op_load_queue(p) : op_store_queue(p),
		.dst = load ? chip : mem,
		.src = load ? mem : chip,
		.count = { 1, 1, pc->parts, pc->cols },
	});
}

static struct axc_tile *piece_load(struct axc_program *p, struct axc_tensor *t,
				   const struct piece *pc)
{
	struct axc_tile *tile = sbuf(p, pc->parts, pc->cols);

	piece_dma(p, true, tile, t, pc);
	return tile;
}

/* ---- norm ---- */

struct norm {
	struct axc_tensor *grads;
	struct axc_tile *sum;	/* [128][1] */
};

static void norm_piece(struct axc_program *p, void *ctx, const struct piece *pc)
{
	struct norm *n = ctx;
	struct axc_tile *g = piece_load(p, n->grads, pc), *s = sbuf(p, pc->parts, 1);
	struct axc_view sum = part_view(n->sum, pc->parts, 0, 1);

	axc_activation(p, AXON_ACT_SQUARE, axc_view(g), axc_view(g), axc_s(1), axc_s(0),
		       axc_view(s));
	axc_tensor_tensor(p, V, AXON_ALU_ADD, sum, sum, axc_view(s));
	axc_tile_free(p, g);
	axc_tile_free(p, s);
}

static struct axc_tile *ones_column(struct axc_program *p)
{
	struct axc_tile *ones = sbuf(p, AXON_PARTITIONS, 1);

	axc_memset(p, V, axc_view(ones), 0x3f800000);	/* 1.0 */
	return ones;
}

void axc_batch_norm(struct axc_program *p, struct axc_tensor *norm, struct axc_tensor *grads,
		    struct axc_tensor *hyper)
{
	struct norm n = { .grads = grads };
	struct axc_tile *ones, *all, *h;

	if (!op_ready(p, "norm") ||
	    !vector_ok(p, "norm", "the norm", norm, AXON_DTYPE_FLOAT32, 1) ||
	    !vector_ok(p, "norm", "hyper", hyper, AXON_DTYPE_FLOAT32, AXC_ADAMW_SIZE) ||
	    !vector_ok(p, "norm", "the gradients", grads, AXON_DTYPE_FLOAT32,
		       grads ? grads->size / 4 : 0))
		return;
	n.sum = sbuf(p, AXON_PARTITIONS, 1);
	axc_memset(p, V, axc_view(n.sum), 0);
	pieces(p, 0, grads->size / 4, norm_piece, &n);
	ones = ones_column(p);
	all = psum(p, 1, 1);
	h = sbuf(p, 1, 1);
	row_spread(p, h, hyper, 4 * AXC_ADAMW_SCALE, 1);
	axc_matmul(p, axc_view(all), axc_view(ones), axc_view(n.sum), false);
	axc_activation(p, AXON_ACT_SQRT, part_view(n.sum, 1, 0, 1), axc_view(all), axc_s(1),
		       axc_s(0), axc_view(NULL));
	axc_tensor_tensor(p, V, AXON_ALU_MULTIPLY, axc_view(h), axc_view(h),
			  part_view(n.sum, 1, 0, 1));
	axc_store(p, G, op_store_queue(p), norm, 0, 4, h, 0, 1);
	axc_tile_free(p, n.sum);
	axc_tile_free(p, ones);
	axc_tile_free(p, all);
	axc_tile_free(p, h);
}

/* ---- AdamW ---- */

/**
 * struct adamw - one range of parameters
 * @h: [128][NUM_COLS]: the step's numbers in every partition
 */
struct adamw {
	struct axc_tensor *params, *m, *v, *grads;
	struct axc_tile *h;
};

static struct axc_scalar number(const struct adamw *a, uint32_t parts, uint32_t col)
{
	return axc_sv(part_view(a->h, parts, col, 1));
}

static void scale(struct axc_program *p, enum axon_engine e, struct axc_view x,
		  struct axc_scalar by)
{
	axc_tensor_scalar(p, e, x, x, AXON_ALU_MULTIPLY, by, AXON_ALU_NONE, axc_s(0));
}

/* m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2; leaves g^2 in g. */
static void moments(struct axc_program *p, const struct adamw *a, uint32_t parts,
		    struct axc_view g, struct axc_view m, struct axc_view v, struct axc_view tmp)
{
	axc_tensor_scalar(p, V, tmp, g, AXON_ALU_MULTIPLY, number(a, parts, COL_FACTOR),
			  AXON_ALU_MULTIPLY, number(a, parts, COL_NOT1));
	scale(p, S, m, number(a, parts, AXC_ADAMW_BETA1));
	axc_tensor_tensor(p, V, AXON_ALU_ADD, m, m, tmp);
	axc_activation(p, AXON_ACT_SQUARE, g, g, number(a, parts, COL_FACTOR), axc_s(0),
		       axc_view(NULL));
	scale(p, S, v, number(a, parts, AXC_ADAMW_BETA2));
	scale(p, S, g, number(a, parts, COL_NOT2));
	axc_tensor_tensor(p, V, AXON_ALU_ADD, v, v, g);
}

/* w = w keep - step m / (sqrt(v fix2) + eps) */
static void descend(struct axc_program *p, const struct adamw *a, uint32_t parts,
		    struct axc_view w, struct axc_view m, struct axc_view v, struct axc_view tmp)
{
	axc_activation(p, AXON_ACT_SQRT, tmp, v, number(a, parts, AXC_ADAMW_FIX2), axc_s(0),
		       axc_view(NULL));
	axc_tensor_scalar(p, S, tmp, tmp, AXON_ALU_ADD, number(a, parts, AXC_ADAMW_EPS),
			  AXON_ALU_NONE, axc_s(0));
	axc_tensor_tensor(p, V, AXON_ALU_DIVIDE, tmp, m, tmp);
	scale(p, S, tmp, number(a, parts, COL_STEP));
	scale(p, V, w, number(a, parts, COL_KEEP));
	axc_tensor_tensor(p, V, AXON_ALU_SUBTRACT, w, w, tmp);
}

static void adamw_piece(struct axc_program *p, void *ctx, const struct piece *pc)
{
	struct adamw *a = ctx;
	struct axc_tile *g = piece_load(p, a->grads, pc), *m = piece_load(p, a->m, pc);
	struct axc_tile *v = piece_load(p, a->v, pc), *w = piece_load(p, a->params, pc);
	struct axc_tile *tmp = sbuf(p, pc->parts, pc->cols);

	moments(p, a, pc->parts, axc_view(g), axc_view(m), axc_view(v), axc_view(tmp));
	descend(p, a, pc->parts, axc_view(w), axc_view(m), axc_view(v), axc_view(tmp));
	piece_dma(p, false, m, a->m, pc);
	piece_dma(p, false, v, a->v, pc);
	piece_dma(p, false, w, a->params, pc);
	axc_tile_free(p, g);
	axc_tile_free(p, m);
	axc_tile_free(p, v);
	axc_tile_free(p, w);
	axc_tile_free(p, tmp);
}

/* dst = 1 - src */
static void one_minus(struct axc_program *p, struct axc_view dst, struct axc_view src)
{
	axc_tensor_scalar(p, V, dst, src, AXON_ALU_MULTIPLY, axc_s(-1), AXON_ALU_ADD, axc_s(1));
}

static void numbers(struct axc_program *p, struct axc_tile *h, struct axc_tensor *hyper,
		    struct axc_tensor *norm, bool decay)
{
	struct axc_view col[NUM_COLS];
	uint32_t i;

	for (i = 0; i < NUM_COLS; i++)
		col[i] = axc_cols(axc_view(h), i, 1);
	row_spread(p, h, hyper, 0, AXC_ADAMW_SIZE);
	axc_load(p, SYNC, op_load_queue(p), h, COL_NORM, 1, norm, 0, 0);
	/* Without a norm, or without a limit, the quotient is infinite; 1 wins against NaN. */
	axc_tensor_tensor(p, V, AXON_ALU_DIVIDE, col[COL_FACTOR], col[AXC_ADAMW_CLIP],
			  col[COL_NORM]);
	axc_tensor_scalar(p, V, col[COL_FACTOR], col[COL_FACTOR], AXON_ALU_MIN, axc_s(1),
			  AXON_ALU_MULTIPLY, axc_sv(col[AXC_ADAMW_SCALE]));
	one_minus(p, col[COL_NOT1], col[AXC_ADAMW_BETA1]);
	one_minus(p, col[COL_NOT2], col[AXC_ADAMW_BETA2]);
	axc_tensor_tensor(p, V, AXON_ALU_MULTIPLY, col[COL_STEP], col[AXC_ADAMW_RATE],
			  col[AXC_ADAMW_FIX1]);
	if (!decay) {
		axc_memset(p, V, col[COL_KEEP], 0x3f800000);	/* 1.0 */
		return;
	}
	axc_tensor_tensor(p, V, AXON_ALU_MULTIPLY, col[COL_KEEP], col[AXC_ADAMW_RATE],
			  col[AXC_ADAMW_DECAY]);
	one_minus(p, col[COL_KEEP], col[COL_KEEP]);
}

static bool adamw_ok(struct axc_program *p, const struct adamw *a, struct axc_tensor *hyper,
		     struct axc_tensor *norm, uint64_t first, uint64_t n)
{
	struct axc_tensor *t[] = { a->params, a->m, a->v, a->grads };
	static const char * const name[] = { "params", "m", "v", "grads" };
	unsigned int i;

	if (!vector_ok(p, "adamw", "hyper", hyper, AXON_DTYPE_FLOAT32, AXC_ADAMW_SIZE) ||
	    !vector_ok(p, "adamw", "the norm", norm, AXON_DTYPE_FLOAT32, 1))
		return false;
	for (i = 0; i < 4; i++) {
		if (!vector_ok(p, "adamw", name[i], t[i], AXON_DTYPE_FLOAT32,
			       t[i] ? t[i]->size / 4 : 0))
			return false;
		if (!n || first > t[i]->size / 4 || n > t[i]->size / 4 - first) {
			axc_fail(p, -EINVAL, "adamw: %s has %llu elements, not %llu from %llu on",
				 name[i], (unsigned long long)t[i]->size / 4,
				 (unsigned long long)n, (unsigned long long)first);
			return false;
		}
	}
	return true;
}

void axc_batch_adamw(struct axc_program *p, struct axc_tensor *params, struct axc_tensor *m,
		     struct axc_tensor *v, struct axc_tensor *grads, struct axc_tensor *hyper,
		     struct axc_tensor *norm, uint64_t first, uint64_t n, bool decay)
{
	struct adamw a = { .params = params, .m = m, .v = v, .grads = grads };

	if (!op_ready(p, "adamw") || !adamw_ok(p, &a, hyper, norm, first, n))
		return;
	a.h = sbuf(p, AXON_PARTITIONS, NUM_COLS);
	numbers(p, a.h, hyper, norm, decay);
	pieces(p, first, n, adamw_piece, &a);
	axc_tile_free(p, a.h);
}
