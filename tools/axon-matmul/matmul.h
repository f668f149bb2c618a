/* SPDX-License-Identifier: MIT */
/*
 * matmul.h - one square matrix product on the card, again and again, and whether it is right.
 *
 * The runtime is up when this is used (place_start()); it must not choose a core itself.
 */
#ifndef AXON_MATMUL_H
#define AXON_MATMUL_H

#include <stdint.h>

#include "axon_isa.h"
#include "error.h"

#define MATMUL_MAX_N	16384u

struct matmul;

/**
 * matmul_create() - compile c = a b for n x n matrices of random numbers and load it
 * @n: 1 .. MATMUL_MAX_N
 * @dtype: of a and b: AXON_DTYPE_FLOAT32 or AXON_DTYPE_BFLOAT16; c is fp32
 * @m: result
 * @err: message of a failure
 *
 * Return: 0 or a negative errno.
 */
int matmul_create(uint32_t n, enum axon_dtype dtype, struct matmul **m, struct llm_error *err);
void matmul_free(struct matmul *m);

/* Multiply once; returns when the card is done. Return: 0 or a negative errno. */
int matmul_run(struct matmul *m, struct llm_error *err);

/* Compare some hundred elements with sums in double. Return: 0, or -EIO for a wrong one. */
int matmul_check(struct matmul *m, struct llm_error *err);

#endif /* AXON_MATMUL_H */
