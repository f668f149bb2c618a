/* SPDX-License-Identifier: MIT */
/*
 * host.h - schedules carried out on plain memory, for tests: what a card would do, step by step, in
 * an order that a seed decides. It must not share code with the library: arithmetic and results are
 * written down again from Documentation/isa.rst.
 */
#ifndef AXON_LIBAXCC_TESTS_HOST_H
#define AXON_LIBAXCC_TESTS_HOST_H

#include "schedule.h"

/** struct host - ranks with buffers and semaphores */
struct host;

/** random_next() - a number; the same seed gives the same ones */
uint64_t random_next(uint64_t *seed);

/**
 * host_create() - buffers for a schedule, with inputs that @seed decides
 *
 * Every buffer is an allocation of its own size, so that a sanitizer sees what leaves it. Those of
 * ranks in place are one. Return: never NULL.
 */
struct host *host_create(const struct axcc_schedule *s, uint64_t seed);
void host_free(struct host *h);

/**
 * host_run() - carry it out, in an order that @seed decides
 *
 * Queues, transfers' data, ends and posts on their way all take turns at random. Return: true;
 * false: it got stuck.
 */
bool host_run(struct host *h, uint64_t seed);

/**
 * host_check() - is every byte of every output right, and everything else as it was?
 *
 * Reductions are compared bit by bit with the order in the schedule, and with plain sums in double
 * precision (fp32, bf16, fp16) within the types' rounding. @why gets a line.
 */
bool host_check(const struct host *h, char *why, size_t size);

/** host_out() - output of a rank, of axcc_schedule_bytes() bytes */
const uint8_t *host_out(const struct host *h, uint32_t rank);

/** host_in() - input of a rank as it was */
const uint8_t *host_in(const struct host *h, uint32_t rank);

/** host_op() - element of @dtype: dst = dst op src, as DMA does it */
void host_op(uint32_t dtype, enum axcc_reduction op, uint8_t *dst, const uint8_t *src);

/** host_value() - element as a number */
double host_value(uint32_t dtype, const uint8_t *at);

#endif /* AXON_LIBAXCC_TESTS_HOST_H */
