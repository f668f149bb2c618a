/* SPDX-License-Identifier: MIT */
/*
 * engine_loop.h - walks over the elements of several operands at once.
 *
 * Partitions are an axis like the others here: [64 partitions, 1 element] is one run of 64
 * elements, a partition pitch apart. Only for instructions whose elements do not depend on each
 * other: the order of the axes may change.
 */
#ifndef AXON_MODEL_ENGINE_LOOP_H
#define AXON_MODEL_ENGINE_LOOP_H

#include "core.h"

#define AXON_LOOP_OPS	4
#define AXON_LOOP_AXES	5

/**
 * struct axon_loop - common axes of some operands
 * @ops: operands; operand 0 gives the shape
 * @axes: axes left after merging, at least 1; the last is the innermost
 * @count: elements along each
 * @step: bytes (or, for a pattern of values, units) along each, by operand
 * @at: address (or value) of the current run's first element, by operand
 * @dtype: element type, by operand
 */
struct axon_loop {
	unsigned int ops;
	unsigned int axes;
	uint32_t count[AXON_LOOP_AXES];
	ptrdiff_t step[AXON_LOOP_OPS][AXON_LOOP_AXES];
	uintptr_t at[AXON_LOOP_OPS];
	uint8_t dtype[AXON_LOOP_OPS];
};

/* The raw axes of one operand: partition, then the free ones. */
void axon_loop_axes(const struct axon_operand *o, ptrdiff_t *step);
/* Operands in l->at, ->dtype, ->step (raw axes) of @shape become a walk over merged axes. */
void axon_loop_merge(struct axon_loop *l, const struct axon_operand *shape);
/* All of it for operands of the same shape. */
void axon_loop_make(struct axon_loop *l, const struct axon_operand *o, unsigned int ops);

static inline uint8_t *axon_loop_ptr(const struct axon_loop *l, unsigned int op)
{
	return (uint8_t *)l->at[op];
}

static inline uint32_t axon_loop_run(const struct axon_loop *l)
{
	return l->count[l->axes - 1];
}

static inline ptrdiff_t axon_loop_step(const struct axon_loop *l, unsigned int op)
{
	return l->step[op][l->axes - 1];
}

/* Moves on to the next run. Return: false after the last one. @idx: zeroed before the first. */
static inline bool axon_loop_next(struct axon_loop *l, uint32_t *idx)
{
	for (int a = (int)l->axes - 2; a >= 0; a--) {
		if (++idx[a] < l->count[a]) {
			for (unsigned int op = 0; op < l->ops; op++)
				l->at[op] += (uintptr_t)l->step[op][a];
			return true;
		}
		idx[a] = 0;
		for (unsigned int op = 0; op < l->ops; op++)
			l->at[op] -= (uintptr_t)l->step[op][a] * (l->count[a] - 1);
	}
	return false;
}

/**
 * struct axon_walk - the free axes of one operand in row-major order, merged
 */
struct axon_walk {
	unsigned int axes;
	uint32_t count[4];
	int32_t step[4];
};

/* Of free axes @first .. 3. */
void axon_walk_make(struct axon_walk *w, const struct axon_operand *o, unsigned int first);
/* The elements that @w reaches from @p, as fp32, in row-major order. */
void axon_walk_load(const struct axon_core *c, const struct axon_walk *w, unsigned int dtype,
		    const uint8_t *p, float *dst);
void axon_walk_store(const struct axon_core *c, const struct axon_walk *w, unsigned int dtype,
		     uint8_t *p, const float *src);
/* The same as axon_walk_load(), but no copy where they already are fp32 neighbours. */
const float *axon_walk_view(const struct axon_core *c, const struct axon_walk *w,
			    unsigned int dtype, const uint8_t *p, float *buf);

/* Same partitions and counts? */
bool axon_same_shape(const struct axon_operand *a, const struct axon_operand *b);
/* A step of more than 16 bytes along the innermost used axis: half the bandwidth. */
bool axon_wide(const struct axon_operand *o);

static inline bool axon_is_int(unsigned int dtype)
{
	return dtype != AXON_DTYPE_FLOAT32 && dtype != AXON_DTYPE_BFLOAT16 &&
		dtype != AXON_DTYPE_FLOAT16;
}

static inline bool axon_is_arith(unsigned int op)
{
	return op - 1u < 12;
}

static inline bool axon_is_bitwise(unsigned int op)
{
	return op >= AXON_ALU_AND && op <= AXON_ALU_ISUB;
}

static inline bool axon_is_reduction(unsigned int op)
{
	return op == AXON_ALU_ADD || op == AXON_ALU_MULTIPLY || op == AXON_ALU_MAX ||
		op == AXON_ALU_MIN;
}

/* Integers as 32-bit words: extended by sign, truncated. */
void axon_int_load(unsigned int dtype, uint32_t *dst, const uint8_t *src, ptrdiff_t step, size_t n);
void axon_int_store(unsigned int dtype, uint8_t *dst, ptrdiff_t step, const uint32_t *src,
		    size_t n);
/* n elements of @esz bytes, bits as they are. */
void axon_raw_copy(unsigned int esz, uint8_t *dst, ptrdiff_t dstep, const uint8_t *src,
		   ptrdiff_t sstep, size_t n);
/* n elements of @esz bytes become the low bytes of @val. */
void axon_raw_fill(unsigned int esz, uint8_t *dst, ptrdiff_t step, uint32_t val, size_t n);

#endif /* AXON_MODEL_ENGINE_LOOP_H */
