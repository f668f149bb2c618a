// SPDX-License-Identifier: MIT
/*
 * matmul.c - one square matrix product on the card.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <axc/axc.h>
#include <nrt/nrt.h>

#include "matmul.h"

#define CHECKED		256u

/**
 * struct matmul - a loaded product
 * @n: rows and columns
 * @dtype: of the factors
 * @a: left factor, transposed, as fp32 [k][m]
 * @b: right factor, as fp32 [k][n]
 * @model: the program
 * @inputs: @at and @bt
 * @outputs: @ct
 * @at: left factor on the card
 * @bt: right factor on the card
 * @ct: product
 */
struct matmul {
	uint32_t n;
	enum axon_dtype dtype;
	float *a;
	float *b;
	nrt_model_t *model;
	nrt_tensor_set_t *inputs;
	nrt_tensor_set_t *outputs;
	nrt_tensor_t *at;
	nrt_tensor_t *bt;
	nrt_tensor_t *ct;
};

static int status_error(struct llm_error *err, const char *what, NRT_STATUS status)
{
	return llm_fail(err, status == NRT_RESOURCE ? -ENOMEM : -EIO, "%s failed: %s", what,
			nrt_get_status_as_str(status));
}

/* Numbers in [-0.5, 0.5) that a bf16 holds exactly: both types then have the same product. */
static void fill(float *x, size_t count, uint32_t seed)
{
	for (size_t i = 0; i < count; i++) {
		seed = seed * 1664525u + 1013904223u;
		x[i] = (float)(seed >> 24) / 256.0f - 0.5f;
	}
}

static int load(struct matmul *m, struct llm_error *err)
{
	const uint64_t shape[2] = { m->n, m->n };
	struct axc_program *p = axc_program_new("matmul");
	struct axc_tensor *at, *bt, *ct;
	const char *text = "no memory";
	NRT_STATUS status;
	size_t size;
	void *elf;
	int ret;

	if (!p)
		return llm_fail(err, -ENOMEM, "no memory");
	at = axc_tensor_new(p, AXC_INPUT, "at", m->dtype, 2, shape);
	bt = axc_tensor_new(p, AXC_INPUT, "b", m->dtype, 2, shape);
	ct = axc_tensor_new(p, AXC_OUTPUT, "c", AXON_DTYPE_FLOAT32, 2, shape);
	axc_op_matmul(p, ct, at, bt, m->n, m->n, m->n);
	ret = axc_program_finish(p, &elf, &size);
	if (ret) {
		axc_program_error(p, &text);
		llm_fail(err, ret, "a product of %u x %u cannot be compiled: %s", m->n, m->n, text);
	}
	axc_program_free(p);
	if (ret)
		return ret;
	status = nrt_load(elf, size, 0, 1, &m->model);
	free(elf);
	return status == NRT_SUCCESS ? 0 : status_error(err, "loading the program", status);
}

/* Write fp32 numbers as the type of the factors; the upper half of an fp32 is a bf16. */
static NRT_STATUS write_factor(struct matmul *m, nrt_tensor_t *t, const float *x)
{
	const size_t count = (size_t)m->n * m->n;
	NRT_STATUS status;
	uint16_t *half;
	uint32_t bits;

	if (m->dtype == AXON_DTYPE_FLOAT32)
		return nrt_tensor_write(t, x, 0, count * sizeof(*x));
	half = malloc(count * sizeof(*half));
	if (!half)
		return NRT_RESOURCE;
	for (size_t i = 0; i < count; i++) {
		memcpy(&bits, &x[i], sizeof(bits));
		half[i] = bits >> 16;
	}
	status = nrt_tensor_write(t, half, 0, count * sizeof(*half));
	free(half);
	return status;
}

static NRT_STATUS add_tensor(struct matmul *m, nrt_tensor_set_t *set, const char *name,
			     uint32_t elem, nrt_tensor_t **t)
{
	NRT_STATUS status = nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0,
						(size_t)m->n * m->n * elem, name, t);

	if (status == NRT_SUCCESS)
		status = nrt_add_tensor_to_tensor_set(set, name, *t);
	return status;
}

static int make_tensors(struct matmul *m, struct llm_error *err)
{
	const uint32_t elem = axon_dtype_size(m->dtype);
	NRT_STATUS status = nrt_allocate_tensor_set(&m->inputs);

	if (status == NRT_SUCCESS)
		status = nrt_allocate_tensor_set(&m->outputs);
	if (status == NRT_SUCCESS)
		status = add_tensor(m, m->inputs, "at", elem, &m->at);
	if (status == NRT_SUCCESS)
		status = add_tensor(m, m->inputs, "b", elem, &m->bt);
	if (status == NRT_SUCCESS)
		status = add_tensor(m, m->outputs, "c", sizeof(float), &m->ct);
	if (status == NRT_SUCCESS)
		status = write_factor(m, m->at, m->a);
	if (status == NRT_SUCCESS)
		status = write_factor(m, m->bt, m->b);
	return status == NRT_SUCCESS ? 0 : status_error(err, "putting the matrices on the card",
							status);
}

int matmul_create(uint32_t n, enum axon_dtype dtype, struct matmul **out, struct llm_error *err)
{
	const size_t count = (size_t)n * n;
	struct matmul *m;
	int ret;

	if (n < 1 || n > MATMUL_MAX_N)
		return llm_fail(err, -EINVAL, "matrices have 1 to %u rows", MATMUL_MAX_N);
	m = calloc(1, sizeof(*m));
	if (!m)
		return llm_fail(err, -ENOMEM, "no memory");
	m->n = n;
	m->dtype = dtype;
	m->a = malloc(count * sizeof(float));
	m->b = malloc(count * sizeof(float));
	if (!m->a || !m->b) {
		matmul_free(m);
		return llm_fail(err, -ENOMEM, "no memory for matrices of %u x %u", n, n);
	}
	fill(m->a, count, 1);
	fill(m->b, count, 2);
	ret = load(m, err);
	if (!ret)
		ret = make_tensors(m, err);
	if (ret) {
		matmul_free(m);
		return ret;
	}
	*out = m;
	return 0;
}

void matmul_free(struct matmul *m)
{
	if (!m)
		return;
	if (m->model)
		nrt_unload(m->model);
	if (m->inputs)
		nrt_destroy_tensor_set(&m->inputs);
	if (m->outputs)
		nrt_destroy_tensor_set(&m->outputs);
	if (m->at)
		nrt_tensor_free(&m->at);
	if (m->bt)
		nrt_tensor_free(&m->bt);
	if (m->ct)
		nrt_tensor_free(&m->ct);
	free(m->a);
	free(m->b);
	free(m);
}

int matmul_run(struct matmul *m, struct llm_error *err)
{
	NRT_STATUS status = nrt_execute(m->model, m->inputs, m->outputs);

	return status == NRT_SUCCESS ? 0 : status_error(err, "multiplying on the card", status);
}

int matmul_check(struct matmul *m, struct llm_error *err)
{
	const size_t n = m->n, count = n * n;

	/* Spread over the whole product; with few elements some are looked at twice. */
	for (size_t i = 0; i < CHECKED; i++) {
		size_t at = (i * 2654435761u) % count, row = at / n, col = at % n;
		double want = 0, bound = 0;
		NRT_STATUS status;
		float got;

		for (size_t k = 0; k < n; k++) {
			double product = (double)m->a[k * n + row] * m->b[k * n + col];

			want += product;
			bound += fabs(product);
		}
		status = nrt_tensor_read(m->ct, &got, at * sizeof(got), sizeof(got));
		if (status != NRT_SUCCESS)
			return status_error(err, "reading the product", status);
		if (!(fabs(got - want) <= bound * 1e-5))
			return llm_fail(err, -EIO, "wrong product: row %zu, column %zu is %g, "
					"not %g", row, col, got, want);
	}
	return 0;
}
