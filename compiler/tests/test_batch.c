/* SPDX-License-Identifier: MIT */
/*
 * test_batch.c - each operator on batches against the same formula in double precision, over
 * shapes around the limits of a tile and random ones.
 *
 * Every matrix is a part of a larger tensor, with elements before it and between its rows that must
 * not be touched. Bounds are made of u = 2^-24, what fp32 rounds by, and of how often an operator
 * rounds; each test says how.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ops_ref.h"
#include "ref.h"
#include "run.h"

#define U		(1.0 / (1 << 24))
#define MAX_MATS	12

/* Elements before a matrix and between its rows. */
#define BEFORE		5u
#define GAP		3u

/**
 * struct mat - a matrix of a test
 * @m: on the card
 * @all: the tensor's elements
 * @given: as they were before the run
 * @d: the matrix in double: random for inputs, what is wanted for outputs; zero at first
 */
struct mat {
	struct axc_matrix m;
	char name[16];
	float *all, *given;
	size_t n;
	double *d;
	bool written;
};

/**
 * struct bench - one operator
 */
struct bench {
	struct axc_program *p;
	struct mat mat[MAX_MATS];
	struct interp_tensor t[MAX_MATS + 2];
	unsigned int nmats, nt;
};

static uint32_t rnd_state = 12345;

static void begin(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->p = axc_program_new("test");
}

static struct mat *mat(struct bench *b, enum axc_usage usage, uint32_t rows, uint32_t cols,
		       float scale)
{
	struct mat *m = &b->mat[b->nmats++];
	uint64_t stride = cols + GAP;
	size_t i;

	m->n = BEFORE + rows * stride;
	m->all = malloc(m->n * sizeof(float));
	m->given = malloc(m->n * sizeof(float));
	m->d = calloc((size_t)rows * cols, sizeof(double));
	m->written = usage != AXC_INPUT;
	ref_fill(&rnd_state, m->all, m->n, scale);
	memcpy(m->given, m->all, m->n * sizeof(float));
	snprintf(m->name, sizeof(m->name), "mat%u", b->nmats);
	m->m = axc_matrix(axc_tensor_new(b->p, usage, m->name, AXON_DTYPE_FLOAT32, 1,
					 &(uint64_t){ m->n }), BEFORE, rows, cols);
	m->m.stride = (uint32_t)stride;
	for (i = 0; i < (size_t)rows * cols && usage != AXC_OUTPUT; i++)
		m->d[i] = m->all[BEFORE + i / cols * stride + i % cols];
	b->t[b->nt++] = (struct interp_tensor){ m->name, m->all, m->n * sizeof(float) };
	return m;
}

static struct mat *in(struct bench *b, uint32_t rows, uint32_t cols)
{
	return mat(b, AXC_INPUT, rows, cols, 1);
}

static struct mat *out(struct bench *b, uint32_t rows, uint32_t cols)
{
	return mat(b, AXC_OUTPUT, rows, cols, 1);
}

static struct mat *inout(struct bench *b, uint32_t rows, uint32_t cols)
{
	return mat(b, AXC_INOUT, rows, cols, 1);
}

static struct axc_tensor *vector(struct bench *b, enum axc_usage usage, const char *name,
				 enum axon_dtype dtype, void *data, uint64_t n)
{
	b->t[b->nt++] = (struct interp_tensor){ name, data, n * 4 };
	return axc_tensor_new(b->p, usage, name, dtype, 1, &n);
}

static double result(const struct mat *m, size_t i)
{
	return m->all[BEFORE + i / m->m.cols * m->m.stride + i % m->m.cols];
}

static double largest(const double *x, size_t n)
{
	double top = 1e-30;

	for (size_t i = 0; i < n; i++)
		top = fmax(top, fabs(x[i]));
	return top;
}

static size_t size_of(const struct mat *m)
{
	return (size_t)m->m.rows * m->m.cols;
}

/* @bound: for each element; NULL: @rel times the largest wanted */
static void check(const struct mat *m, const double *bound, double rel, const char *what)
{
	double top = largest(m->d, size_of(m));
	size_t i;

	for (i = 0; i < size_of(m); i++) {
		double most = bound ? bound[i] : rel * top, got = result(m, i);

		if (!(fabs(got - m->d[i]) <= most))
			fail_msg("%s [%u][%u]: element %zu is %.9g, not %.9g (bound %.3g)", what,
				 m->m.rows, m->m.cols, i, got, m->d[i], most);
	}
}

/* Nothing but the matrices that are written has changed. */
static void untouched(const struct mat *m)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (!m->written || i < BEFORE || (i - BEFORE) % m->m.stride >= m->m.cols)
			assert_memory_equal(&m->all[i], &m->given[i], sizeof(float));
}

static void run(struct bench *b)
{
	unsigned int i;

	run_program(b->p, b->t, b->nt, 0, 2e-5);
	for (i = 0; i < b->nmats; i++)
		untouched(&b->mat[i]);
}

static void end(struct bench *b)
{
	unsigned int i;

	for (i = 0; i < b->nmats; i++) {
		free(b->mat[i].all);
		free(b->mat[i].given);
		free(b->mat[i].d);
	}
}

static uint32_t pick(uint32_t most)
{
	return 1 + (uint32_t)((ref_random(&rnd_state) + 1) / 2 * (float)(most - 1));
}

static double *absolute(const double *x, size_t n)
{
	double *a = malloc(n * sizeof(*a));

	for (size_t i = 0; i < n; i++)
		a[i] = fabs(x[i]);
	return a;
}

/* ---- linear ---- */

/**
 * struct shape - of a linear layer: several weights, split at @out[]
 */
struct shape {
	uint32_t T, in, n, out[AXC_LINEAR_MAX];
};

static uint32_t total(const struct shape *s)
{
	uint32_t sum = 0, i;

	for (i = 0; i < s->n; i++)
		sum += s->out[i];
	return sum;
}

/* The weights, also one below the other in double. */
static struct axc_linear weights(struct bench *b, const struct shape *s, enum axc_usage usage,
				 double *d, struct mat **first)
{
	struct axc_linear w = { .n = s->n };
	uint32_t i;

	for (i = 0; i < s->n; i++) {
		struct mat *m = mat(b, usage, s->out[i], s->in, 1);

		*first = i ? *first : m;
		w.w[i] = m->m;
		memcpy(d, m->d, size_of(m) * sizeof(*d));
		d += size_of(m);
	}
	return w;
}

/*
 * A sum of k products, each step rounded once (fma), is off by at most k u times the sum of the
 * products' absolute values; one more rounding for each time it passes through memory.
 */
static double *sum_bound(const struct shape *s, const double *absolute_sum, size_t n, uint32_t k)
{
	double *bound = malloc(n * sizeof(*bound));
	size_t i;

	for (i = 0; i < n; i++)
		bound[i] = (k + 4) * U * (absolute_sum[i] + 1);
	return bound;
}

static void forward_of(const struct shape *s, bool add)
{
	uint32_t o = total(s);
	double *w = calloc((size_t)o * s->in, sizeof(*w)), *aw, *ax, *sum, *bound;
	struct mat *x, *y, *c = NULL, *first;
	struct axc_linear lin;
	struct bench b;

	begin(&b);
	x = in(&b, s->T, s->in);
	y = add ? inout(&b, s->T, o) : out(&b, s->T, o);
	c = add ? y : NULL;
	lin = weights(&b, s, AXC_INPUT, w, &first);
	axc_batch_linear(b.p, y->m, x->m, &lin, c ? c->m : (struct axc_matrix){ 0 });
	sum = calloc(size_of(y), sizeof(*sum));
	ref_linear(sum, x->d, w, s->T, o, s->in);
	for (size_t i = 0; i < size_of(y); i++)
		y->d[i] += sum[i];
	aw = absolute(w, (size_t)o * s->in);
	ax = absolute(x->d, size_of(x));
	ref_linear(sum, ax, aw, s->T, o, s->in);
	bound = sum_bound(s, sum, size_of(y), s->in);
	run(&b);
	check(y, bound, 0, "linear");
	free(w);
	free(aw);
	free(ax);
	free(sum);
	free(bound);
	end(&b);
}

static void dx_of(const struct shape *s, bool add)
{
	uint32_t o = total(s);
	double *w = calloc((size_t)o * s->in, sizeof(*w)), *aw, *ay, *sum, *bound;
	struct mat *dy, *dx, *c, *first;
	struct axc_linear lin;
	struct bench b;

	begin(&b);
	dy = in(&b, s->T, o);
	dx = out(&b, s->T, s->in);
	c = add ? in(&b, s->T, s->in) : NULL;
	lin = weights(&b, s, AXC_INPUT, w, &first);
	axc_batch_linear_dx(b.p, dx->m, dy->m, &lin, c ? c->m : (struct axc_matrix){ 0 });
	if (c)
		memcpy(dx->d, c->d, size_of(dx) * sizeof(double));
	ref_linear_dx(dx->d, dy->d, w, s->T, o, s->in);
	aw = absolute(w, (size_t)o * s->in);
	ay = absolute(dy->d, size_of(dy));
	sum = calloc(size_of(dx), sizeof(*sum));
	ref_linear_dx(sum, ay, aw, s->T, o, s->in);
	bound = sum_bound(s, sum, size_of(dx), o);
	run(&b);
	check(dx, bound, 0, "linear_dx");
	free(w);
	free(aw);
	free(ay);
	free(sum);
	free(bound);
	end(&b);
}

static void dw_of(const struct shape *s, bool add)
{
	uint32_t o = total(s), i;
	size_t n = (size_t)o * s->in;
	double *w = calloc(n, sizeof(*w)), *ax, *ay, *sum = calloc(n, sizeof(*sum)), *bound;
	struct mat *x, *dy, *first = NULL;
	struct axc_linear lin;
	struct bench b;

	begin(&b);
	x = in(&b, s->T, s->in);
	dy = in(&b, s->T, o);
	lin = weights(&b, s, add ? AXC_INOUT : AXC_OUTPUT, w, &first);
	axc_batch_linear_dw(b.p, &lin, dy->m, x->m, add);
	ref_linear_dw(w, dy->d, x->d, s->T, o, s->in);
	ax = absolute(x->d, size_of(x));
	ay = absolute(dy->d, size_of(dy));
	ref_linear_dw(sum, ay, ax, s->T, o, s->in);
	bound = sum_bound(s, sum, n, s->T);
	run(&b);
	for (i = 0, n = 0; i < s->n; n += size_of(&first[i++])) {
		memcpy(first[i].d, w + n, size_of(&first[i]) * sizeof(*w));
		check(&first[i], bound + n, 0, "linear_dw");
	}
	free(w);
	free(ax);
	free(ay);
	free(sum);
	free(bound);
	end(&b);
}

static void linear_of(const struct shape *s)
{
	forward_of(s, false);
	forward_of(s, true);
	dx_of(s, false);
	dx_of(s, true);
	dw_of(s, false);
	dw_of(s, true);
}

static void linear(void **state)
{
	static const struct shape shapes[] = {
		{ 1, 1, 1, { 1 } }, { 1, 513, 1, { 127 } }, { 127, 128, 1, { 513 } },
		{ 128, 127, 1, { 128 } }, { 129, 129, 1, { 129 } }, { 513, 48, 1, { 65 } },
		{ 257, 128, 1, { 128 } }, { 300, 48, 3, { 48, 24, 24 } },
		{ 385, 130, 2, { 129, 127 } }, { 256, 64, 4, { 1, 128, 129, 300 } },
	};
	unsigned int i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		linear_of(&shapes[i]);
	for (i = 0; i < 6; i++) {
		struct shape s = { pick(520), pick(280), pick(4),
				   { pick(140), pick(140), pick(140), pick(140) } };

		linear_of(&s);
	}
}

/* More columns than one pass sums or one panel holds, on every side. */
static void linear_large(void **state)
{
	linear_of(&(struct shape){ 130, 2100, 1, { 40 } });
	linear_of(&(struct shape){ 130, 40, 2, { 2100, 77 } });
	linear_of(&(struct shape){ 5, 3300, 1, { 130 } });
}

/* ---- embedding ---- */

static void embedding_of(uint32_t T, uint32_t rows, uint32_t dim, bool scatter, bool bad)
{
	uint32_t *index = malloc(T * sizeof(*index)), i, j;
	struct mat *table, *x;
	struct bench b;

	for (i = 0; i < T; i++)
		index[i] = pick(rows) - 1;
	if (bad)
		index[T - 1] = rows;
	begin(&b);
	table = scatter ? inout(&b, rows, dim) : in(&b, rows, dim);
	x = scatter ? in(&b, T, dim) : out(&b, T, dim);
	(scatter ? axc_batch_scatter(b.p, table->m, vector(&b, AXC_INPUT, "index",
							   AXON_DTYPE_UINT32, index, T), x->m)
		 : axc_batch_gather(b.p, x->m, table->m, vector(&b, AXC_INPUT, "index",
							       AXON_DTYPE_UINT32, index, T)));
	if (bad) {
		run_program(b.p, b.t, b.nt, -1, 0);
	} else {
		run(&b);
		/* In order of tokens, each sum rounded to fp32: so it is exact. */
		for (i = 0; i < T; i++)
			for (j = 0; j < dim; j++) {
				double *t = &table->d[(size_t)index[i] * dim + j];
				double *v = &x->d[(size_t)i * dim + j];

				if (scatter)
					*t = (float)(*t + *v);
				else
					*v = *t;
			}
		check(scatter ? table : x, NULL, 0, "embedding");
	}
	free(index);
	end(&b);
}

static void embedding(void **state)
{
	static const uint32_t sizes[] = { 1, 127, 128, 129, 513 };
	unsigned int i;

	for (i = 0; i < 5; i++) {
		embedding_of(sizes[i], 37, sizes[4 - i], false, false);
		embedding_of(sizes[i], 37, sizes[4 - i], true, false);
		embedding_of(sizes[i], 37, 5, true, true);
		embedding_of(sizes[i], 37, 5, false, true);
	}
}

/* ---- element by element ---- */

static const uint32_t planes[][2] = {
	{ 1, 1 }, { 127, 129 }, { 128, 513 }, { 129, 128 }, { 513, 127 }, { 300, 1 }, { 2, 2300 },
	{ 256, 64 },
};
#define NPLANES	(sizeof(planes) / sizeof(planes[0]))

static void add_and_zero(void **state)
{
	unsigned int i;
	size_t j;

	for (i = 0; i < NPLANES; i++) {
		struct mat *a, *c, *sum, *zero;
		struct bench b;

		begin(&b);
		a = in(&b, planes[i][0], planes[i][1]);
		c = inout(&b, planes[i][0], planes[i][1]);
		sum = out(&b, planes[i][0], planes[i][1]);
		zero = out(&b, planes[i][0], planes[i][1]);
		axc_batch_zero(b.p, zero->m);
		axc_batch_add(b.p, sum->m, a->m, c->m);
		axc_batch_add(b.p, c->m, c->m, sum->m);
		for (j = 0; j < size_of(a); j++) {	/* each sum rounded: exact */
			sum->d[j] = (float)(a->d[j] + c->d[j]);
			c->d[j] = (float)(c->d[j] + sum->d[j]);
		}
		run(&b);
		check(zero, NULL, 0, "zero");
		check(sum, NULL, 0, "add");
		check(c, NULL, 0, "add in place");
		end(&b);
	}
}

/*
 * About eight roundings, of which those of exp (1.1 ulp) and of the division are the largest; a
 * factor of two for where they add up.
 */
#define SWIGLU_BOUND	(16 * U)

static void swiglu_of(uint32_t T, uint32_t n, float scale)
{
	struct mat *a, *b, *h, *da, *db, *dh;
	struct bench t;

	begin(&t);
	a = mat(&t, AXC_INPUT, T, n, scale);
	b = in(&t, T, n);
	dh = in(&t, T, n);
	h = out(&t, T, n);
	da = out(&t, T, n);
	db = out(&t, T, n);
	axc_batch_swiglu(t.p, h->m, a->m, b->m);
	axc_batch_swiglu_grad(t.p, da->m, db->m, dh->m, a->m, b->m);
	ref_swiglu(h->d, a->d, b->d, size_of(h));
	ref_swiglu_grad(da->d, db->d, dh->d, a->d, b->d, size_of(h));
	run(&t);
	check(h, NULL, SWIGLU_BOUND, "swiglu");
	check(da, NULL, SWIGLU_BOUND, "swiglu da");
	check(db, NULL, SWIGLU_BOUND, "swiglu db");
	end(&t);
}

static void swiglu(void **state)
{
	unsigned int i;

	for (i = 0; i < NPLANES; i++)
		swiglu_of(planes[i][0], planes[i][1], i & 1 ? 8 : 1);
	swiglu_of(20, 20, 150);		/* exp over- and underflows */
}

/* The gradients may replace what they are the gradients of. */
static void swiglu_in_place(void **state)
{
	struct mat *a, *b, *dh;
	struct bench t;
	double *da, *db;

	begin(&t);
	a = inout(&t, 200, 70);
	b = inout(&t, 200, 70);
	dh = in(&t, 200, 70);
	axc_batch_swiglu_grad(t.p, a->m, b->m, dh->m, a->m, b->m);
	da = calloc(size_of(a), sizeof(*da));
	db = calloc(size_of(a), sizeof(*db));
	ref_swiglu_grad(da, db, dh->d, a->d, b->d, size_of(a));
	memcpy(a->d, da, size_of(a) * sizeof(*da));
	memcpy(b->d, db, size_of(a) * sizeof(*db));
	run(&t);
	check(a, NULL, SWIGLU_BOUND, "swiglu da in place");
	check(b, NULL, SWIGLU_BOUND, "swiglu db in place");
	free(da);
	free(db);
	end(&t);
}

/* ---- RMSNorm ---- */

/*
 * Sums of dim elements run into 16 partial sums and a tree: dim / 16 + 4 roundings; then a dozen of
 * single ones.
 */
static double norm_bound(uint32_t dim)
{
	return (dim / 16.0 + 20) * U;
}

/*
 * dx = r (g - z mean(g z)) with z = x r: the terms may cancel, so their sizes count and not the
 * result's: |g| and |mean(g z)| are at most 1 here. dw sums over tokens, T / 128 by partition,
 * then up to 128 in a row, of terms that grow like a random walk.
 */
static void check_norm_grad(const struct mat *x, const struct mat *r, const struct mat *dx,
			    const struct mat *dw)
{
	uint32_t dim = x->m.cols;
	double *bound = malloc((size_of(x) + dim) * sizeof(*bound)), f;
	size_t i;

	for (i = 0; i < size_of(x); i++) {
		f = r->d[i / dim];
		bound[i] = 4 * norm_bound(dim) * f * (1 + fabs(x->d[i] * f)) + 4 * U;
	}
	check(dx, bound, 0, "rmsnorm dx");
	for (i = 0; i < dim; i++)
		bound[i] = (x->m.rows / 128.0 + 140) * U * 4 * sqrt(x->m.rows);
	check(dw, bound, 0, "rmsnorm dw");
	free(bound);
}

static void norm_of(uint32_t T, uint32_t dim, float scale, bool residual, bool in_place)
{
	const double eps = 1e-5f;
	struct mat *x, *w, *y, *r, *dy, *dx, *dw, *c;
	struct bench b;
	size_t i;

	begin(&b);
	x = mat(&b, AXC_INPUT, T, dim, scale);
	w = in(&b, 1, dim);
	y = out(&b, T, dim);
	r = out(&b, T, 1);
	dy = in(&b, T, dim);
	dx = in_place ? inout(&b, T, dim) : out(&b, T, dim);
	dw = out(&b, 1, dim);
	c = in_place ? dx : residual ? in(&b, T, dim) : NULL;
	axc_batch_rmsnorm(b.p, y->m, r->m, x->m, w->m, (float)eps);
	axc_batch_rmsnorm_grad(b.p, dx->m, dw->m, dy->m, x->m, w->m, r->m,
			       c ? c->m : (struct axc_matrix){ 0 });
	if (c && c != dx)
		memcpy(dx->d, c->d, size_of(c) * sizeof(double));
	ref_rms(y->d, x->d, w->d, T, dim, eps);
	ref_rms_grad(dx->d, dw->d, dy->d, x->d, w->d, T, dim, eps);
	for (i = 0; i < size_of(x); i++)
		r->d[i / dim] += x->d[i] * x->d[i] / dim;
	for (i = 0; i < T; i++)
		r->d[i] = 1 / sqrt(r->d[i] + eps);
	run(&b);
	check(y, NULL, norm_bound(dim), "rmsnorm");
	check(r, NULL, norm_bound(dim), "rmsnorm r");
	check_norm_grad(x, r, dx, dw);
	end(&b);
}

static void rmsnorm(void **state)
{
	unsigned int i;

	for (i = 0; i < NPLANES; i++)
		norm_of(planes[i][0], planes[i][1], i & 1 ? 100 : 1, i & 2, i & 4);
	norm_of(3, 4100, 1, false, false);
	norm_of(40, 48, 1e-3f, true, false);	/* eps matters */
}

/* ---- rotary embedding ---- */

/* Two products and a sum of them: three roundings of something at most sqrt(2) as large. */
#define ROPE_BOUND	(5 * U)

static void rope_of(uint32_t sequences, uint32_t seq, uint32_t heads, uint32_t hs, float theta)
{
	struct mat *x, *y, *z;
	struct bench b;

	begin(&b);
	x = in(&b, sequences * seq, heads * hs);
	y = out(&b, sequences * seq, heads * hs);
	z = inout(&b, sequences * seq, heads * hs);
	axc_batch_rope(b.p, y->m, x->m, seq, hs, theta, false);
	axc_batch_rope(b.p, z->m, z->m, seq, hs, theta, true);
	memcpy(y->d, x->d, size_of(x) * sizeof(double));
	ref_rope(y->d, sequences * seq, seq, heads, hs, theta ? theta : 10000, false);
	ref_rope(z->d, sequences * seq, seq, heads, hs, theta ? theta : 10000, true);
	run(&b);
	check(y, NULL, ROPE_BOUND, "rope");
	check(z, NULL, ROPE_BOUND, "rope back");
	end(&b);
}

static void rope(void **state)
{
	rope_of(1, 1, 1, 2, 0);
	rope_of(3, 33, 4, 12, 0);
	rope_of(2, 127, 1, 128, 500);
	rope_of(1, 128, 3, 64, 0);
	rope_of(3, 129, 2, 48, 0);
	rope_of(1, 513, 5, 10, 0);
	rope_of(70, 2, 8, 32, 0);
}

/* ---- attention ---- */

/*
 * Scores are sums of head_size products, of which each rounds, but with either sign: their errors
 * grow like its root, and exp passes them on as relative errors of the probabilities. Sums over
 * keys add seq / 16 roundings, gradients go through three products in a row. All against the
 * largest element; scores grow with the square of @scale, and the errors of exp with them.
 */
static double attention_bound(uint32_t hs, uint32_t seq)
{
	return (4 * sqrt(hs) + seq / 8.0 + 16) * U;
}

static void attention_of(uint32_t sequences, uint32_t seq, uint32_t heads, uint32_t kv, uint32_t hs,
			 float scale)
{
	const struct ref_attn ref = { heads, kv, hs, seq };
	uint32_t T = sequences * seq;
	struct mat *q, *k, *v, *o, *lse, *dq, *dk, *dv, *dout;
	double most = attention_bound(hs, seq) * scale * scale;
	struct axc_batch_attention a;
	struct bench b;

	begin(&b);
	q = mat(&b, AXC_INPUT, T, heads * hs, scale);
	k = mat(&b, AXC_INPUT, T, kv * hs, scale);
	v = in(&b, T, kv * hs);
	o = out(&b, T, heads * hs);
	lse = out(&b, T, heads);
	dout = in(&b, T, heads * hs);
	dq = out(&b, T, heads * hs);
	dk = out(&b, T, kv * hs);
	dv = out(&b, T, kv * hs);
	a = (struct axc_batch_attention){ heads, kv, hs, seq, q->m, k->m, v->m, o->m, lse->m };
	axc_batch_attention(b.p, &a);
	axc_batch_attention_grad(b.p, &a, dq->m, dk->m, dv->m, dout->m);
	ref_attention(o->d, q->d, k->d, v->d, T, &ref);
	ref_attention_grad(dq->d, dk->d, dv->d, dout->d, q->d, k->d, v->d, T, &ref);
	run(&b);
	check(o, NULL, most, "attention");
	check(dv, NULL, most, "attention dv");
	/* With one token there is nothing to choose: q and k have no gradient but rounding. */
	if (seq == 1) {
		double near_zero[1024];

		for (unsigned int i = 0; i < 1024; i++)
			near_zero[i] = most * hs;
		assert_true(size_of(dq) <= 1024);
		check(dq, near_zero, 0, "attention dq");
		check(dk, near_zero, 0, "attention dk");
	} else {
		check(dq, NULL, most, "attention dq");
		check(dk, NULL, most, "attention dk");
	}
	end(&b);
}

static void attention(void **state)
{
	attention_of(1, 1, 1, 1, 1, 1);
	attention_of(3, 1, 4, 2, 8, 1);
	attention_of(3, 33, 4, 2, 12, 1);
	attention_of(1, 127, 1, 1, 128, 1);
	attention_of(2, 128, 2, 2, 32, 1);
	attention_of(2, 129, 6, 2, 10, 1);
	attention_of(1, 300, 3, 1, 16, 1);
	attention_of(2, 64, 4, 4, 32, 4);	/* nearly hard choices */
}

/* Blocks whose scores need more than one bank of PSUM. */
static void attention_long(void **state)
{
	attention_of(1, 700, 1, 1, 4, 1);
}

/* ---- cross-entropy ---- */

/*
 * exp, the sum (vocab / 16 + 4 roundings) and log, relative to the largest loss or gradient; a
 * large common offset of the logits costs their own rounding.
 */
static void entropy_of(uint32_t T, uint32_t vocab, float scale, bool grad, bool in_place)
{
	uint32_t *targets = malloc(T * sizeof(*targets)), i;
	float *losses = malloc(T * sizeof(*losses)), loss;
	double *want = calloc(T, sizeof(*want)), *d, mean, most = (vocab / 16.0 + 24) * U, top;
	struct axc_tensor *tl, *tls, *tt;
	struct mat *x, *dx;
	struct bench b;

	for (i = 0; i < T; i++)
		targets[i] = pick(vocab) - 1;
	targets[0] = vocab - 1;
	begin(&b);
	x = mat(&b, in_place ? AXC_INOUT : AXC_INPUT, T, vocab, scale);
	dx = in_place ? x : grad ? out(&b, T, vocab) : NULL;
	tl = vector(&b, AXC_OUTPUT, "loss", AXON_DTYPE_FLOAT32, &loss, 1);
	tls = vector(&b, AXC_OUTPUT, "losses", AXON_DTYPE_FLOAT32, losses, T);
	tt = vector(&b, AXC_INPUT, "targets", AXON_DTYPE_UINT32, targets, T);
	axc_batch_cross_entropy(b.p, tl, tls, dx ? dx->m : (struct axc_matrix){ 0 }, x->m, tt);
	d = calloc(size_of(x), sizeof(*d));
	mean = ref_cross_entropy(want, d, x->d, targets, T, vocab);
	if (dx)
		memcpy(dx->d, d, size_of(x) * sizeof(*d));
	run(&b);
	top = fmax(largest(want, T), 1);
	for (i = 0; i < T; i++)
		assert_true(fabs(losses[i] - want[i]) <= most * top);
	assert_true(fabs(loss - mean) <= (most + 300 * U) * top);
	if (dx)		/* against 1 / T, the most a gradient can be */
		for (size_t j = 0; j < size_of(x); j++)
			assert_true(fabs(result(dx, j) - d[j]) <= most / T);
	free(targets);
	free(losses);
	free(want);
	free(d);
	end(&b);
}

static void cross_entropy(void **state)
{
	static const uint32_t sizes[][2] = { { 1, 1 }, { 1, 65 }, { 127, 513 }, { 128, 128 },
					     { 129, 127 }, { 513, 129 }, { 300, 2 } };
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		entropy_of(sizes[i][0], sizes[i][1], 1, true, i & 1);
		entropy_of(sizes[i][0], sizes[i][1], 20, false, false);
	}
	entropy_of(5, 8192, 5, true, false);
}

/* A target outside the vocabulary ends the launch. */
static void bad_target(void **state)
{
	uint32_t targets[3] = { 1, 9, 2 };
	float losses[3], loss;
	struct axc_tensor *tl, *tls, *tt;
	struct mat *x;
	struct bench b;

	begin(&b);
	x = in(&b, 3, 9);
	tl = vector(&b, AXC_OUTPUT, "loss", AXON_DTYPE_FLOAT32, &loss, 1);
	tls = vector(&b, AXC_OUTPUT, "losses", AXON_DTYPE_FLOAT32, losses, 3);
	tt = vector(&b, AXC_INPUT, "targets", AXON_DTYPE_UINT32, targets, 3);
	axc_batch_cross_entropy(b.p, tl, tls, (struct axc_matrix){ 0 }, x->m, tt);
	run_program(b.p, b.t, b.nt, -1, 0);
	end(&b);
}

/* ---- what is refused ---- */

static void refused(struct bench *b, const char *words)
{
	const char *text;

	assert_int_equal(axc_program_error(b->p, &text), -EINVAL);
	if (!strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
	axc_program_free(b->p);
	end(b);
}

static void bad_calls(void **state)
{
	const struct axc_matrix none = { 0 };
	struct axc_linear w = { .n = 1 };
	struct mat *x, *y, *v;
	struct bench b;
	unsigned int i;

	for (i = 0; i < 12; i++) {
		struct axc_batch_attention a;

		begin(&b);
		x = in(&b, 6, 8);
		y = out(&b, 6, 8);
		v = in(&b, 1, 8);
		w.w[0] = v->m;
		a = (struct axc_batch_attention){ 2, 2, 4, 4, x->m, x->m, x->m, y->m, y->m };
		if (i == 0) {
			axc_batch_linear(b.p, y->m, x->m, &w, none);
			refused(&b, "linear: y is [6][8] and should be [6][1]");
		} else if (i == 1) {
			w.w[0].stride = 1u << 30;
			axc_batch_linear(b.p, y->m, x->m, &w, none);
			refused(&b, "does not lie in its tensor");
		} else if (i == 2) {
			axc_batch_add(b.p, y->m, x->m, axc_matrix_cols(x->m, 3, 6));
			refused(&b, "add: b: [6][0]");
		} else if (i == 3) {
			x->m.rows = 7;
			axc_batch_zero(b.p, x->m);
			refused(&b, "zero: dst: [7][8]");
		} else if (i == 4) {
			axc_batch_zero(b.p, x->m);
			refused(&b, "must not be written");
		} else if (i == 5) {
			axc_batch_rope(b.p, y->m, x->m, 6, 3, 0, false);
			refused(&b, "rope: [6][8], heads of 3, sequences of 6");
		} else if (i == 6) {
			axc_batch_attention(b.p, &a);
			refused(&b, "attention: 2 heads, 2 key/value heads of 4, sequences of 4");
		} else if (i == 7) {
			a.seq = 3;
			axc_batch_attention(b.p, &a);
			refused(&b, "lse is [6][8] and should be [6][2]");
		} else if (i == 8) {
			axc_batch_rmsnorm(b.p, y->m, none, x->m, x->m, 1e-5f);
			refused(&b, "rmsnorm: w is [6][8] and should be [1][8]");
		} else if (i == 9) {
			axc_batch_gather(b.p, y->m, x->m, v->m.tensor);
			refused(&b, "the index must be a tensor of 6 u32");
		} else if (i == 10) {
			axc_loop_begin(b.p, 2, NULL);
			axc_batch_swiglu(b.p, y->m, x->m, x->m);
			refused(&b, "cannot be used inside a loop");
		} else {
			w.n = 0;
			axc_batch_linear_dw(b.p, &w, y->m, x->m, false);
			refused(&b, "linear_dw: 1 to 4 weights");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linear), cmocka_unit_test(linear_large),
		cmocka_unit_test(embedding), cmocka_unit_test(add_and_zero),
		cmocka_unit_test(swiglu), cmocka_unit_test(swiglu_in_place),
		cmocka_unit_test(rmsnorm), cmocka_unit_test(rope), cmocka_unit_test(attention),
		cmocka_unit_test(attention_long), cmocka_unit_test(cross_entropy),
		cmocka_unit_test(bad_target), cmocka_unit_test(bad_calls),
	};
	int ret;

	run_open();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	run_close();
	return ret;
}
