// SPDX-License-Identifier: MIT
/*
 * engine_loop.c - walks over operands, and moves of elements that are not arithmetic.
 */
#include "engine_loop.h"

/* A run shorter than this gives way to a longer axis. */
#define SHORT_RUN	16u

void axon_loop_axes(const struct axon_operand *o, ptrdiff_t *step)
{
	step[0] = o->pitch;
	for (unsigned int a = 0; a < 4; a++)
		step[a + 1] = o->step[a];
}

static bool mergeable(const struct axon_loop *l, unsigned int outer, unsigned int inner,
		      uint32_t count)
{
	for (unsigned int op = 0; op < l->ops; op++)
		if (l->step[op][outer] != l->step[op][inner] * (ptrdiff_t)count)
			return false;
	return true;
}

static void move_axis(struct axon_loop *l, unsigned int to, unsigned int from)
{
	for (unsigned int op = 0; op < l->ops; op++)
		l->step[op][to] = l->step[op][from];
}

static void longest_inside(struct axon_loop *l)
{
	unsigned int last = l->axes - 1, best = last;

	for (unsigned int a = 0; a < last; a++)
		if (l->count[a] > l->count[best])
			best = a;
	if (best == last)
		return;
	uint32_t count = l->count[last];

	l->count[last] = l->count[best];
	l->count[best] = count;
	for (unsigned int op = 0; op < l->ops; op++) {
		ptrdiff_t step = l->step[op][last];

		l->step[op][last] = l->step[op][best];
		l->step[op][best] = step;
	}
}

void axon_loop_merge(struct axon_loop *l, const struct axon_operand *shape)
{
	unsigned int n = 0;

	for (unsigned int a = 0; a < AXON_LOOP_AXES; a++) {
		uint32_t count = a ? shape->count[a - 1] : shape->nparts;

		if (count == 1)
			continue;
		if (n && mergeable(l, n - 1, a, count)) {
			l->count[n - 1] *= count;
			move_axis(l, n - 1, a);
			continue;
		}
		l->count[n] = count;
		if (n != a)
			move_axis(l, n, a);
		n++;
	}
	if (!n)
		l->count[n++] = 1;
	l->axes = n;
	if (n > 1 && l->count[n - 1] < SHORT_RUN)
		longest_inside(l);
}

void axon_loop_make(struct axon_loop *l, const struct axon_operand *o, unsigned int ops)
{
	l->ops = ops;
	for (unsigned int i = 0; i < ops; i++) {
		l->at[i] = (uintptr_t)o[i].ptr;
		l->dtype[i] = o[i].dtype;
		axon_loop_axes(&o[i], l->step[i]);
	}
	axon_loop_merge(l, o);
}

void axon_walk_make(struct axon_walk *w, const struct axon_operand *o, unsigned int first)
{
	unsigned int n = 0;

	for (unsigned int a = first; a < 4; a++) {
		if (o->count[a] == 1)
			continue;
		if (n && w->step[n - 1] == (int64_t)o->step[a] * o->count[a]) {
			w->count[n - 1] *= o->count[a];
			w->step[n - 1] = o->step[a];
			continue;
		}
		w->count[n] = o->count[a];
		w->step[n++] = o->step[a];
	}
	if (!n) {
		w->count[0] = 1;
		w->step[n++] = o->esz;
	}
	w->axes = n;
}

/* Calls for every run of the innermost axis; @k counts elements before it. */
#define WALK_RUNS(w, p, k, body)							\
	do {										\
		uint32_t idx_[4] = { 0 };						\
		int last_ = (int)(w)->axes - 1, a_;					\
		size_t k = 0;								\
											\
		for (;;) {								\
			body;								\
			k += (w)->count[last_];						\
			for (a_ = last_ - 1; a_ >= 0; a_--) {				\
				if (++idx_[a_] < (w)->count[a_]) {			\
					p += (w)->step[a_];				\
					break;						\
				}							\
				idx_[a_] = 0;						\
				p -= (ptrdiff_t)(w)->step[a_] * ((w)->count[a_] - 1);	\
			}								\
			if (a_ < 0)							\
				break;							\
		}									\
	} while (0)

void axon_walk_load(const struct axon_core *c, const struct axon_walk *w, unsigned int dtype,
		    const uint8_t *p, float *dst)
{
	WALK_RUNS(w, p, k, c->math->load[dtype](dst + k, p, w->step[last_], w->count[last_]));
}

void axon_walk_store(const struct axon_core *c, const struct axon_walk *w, unsigned int dtype,
		     uint8_t *p, const float *src)
{
	WALK_RUNS(w, p, k, c->math->store[dtype](p, w->step[last_], src + k, w->count[last_]));
}

const float *axon_walk_view(const struct axon_core *c, const struct axon_walk *w,
			    unsigned int dtype, const uint8_t *p, float *buf)
{
	if (dtype == AXON_DTYPE_FLOAT32 && w->axes == 1 && w->step[0] == 4)
		return (const float *)p;
	axon_walk_load(c, w, dtype, p, buf);
	return buf;
}

bool axon_same_shape(const struct axon_operand *a, const struct axon_operand *b)
{
	return a->nparts == b->nparts && !memcmp(a->count, b->count, sizeof(a->count));
}

bool axon_wide(const struct axon_operand *o)
{
	for (int a = 3; a >= 0; a--)
		if (o->count[a] > 1)
			return o->step[a] > 16 || o->step[a] < -16;
	return false;
}

/* Neighbours get a loop of their own, which the compiler can turn into vectors. */
#define INT_LOAD(type)									\
	do {										\
		if (step == (ptrdiff_t)sizeof(type))					\
			for (size_t i = 0; i < n; i++)					\
				dst[i] = (uint32_t)((const type *)src)[i];		\
		else									\
			for (size_t i = 0; i < n; i++, src += step)			\
				dst[i] = (uint32_t)*(const type *)src;			\
	} while (0)

/* Operands of engines are aligned to their elements. */
void axon_int_load(unsigned int dtype, uint32_t *dst, const uint8_t *src, ptrdiff_t step, size_t n)
{
	switch (dtype) {
	case AXON_DTYPE_INT8:
		INT_LOAD(int8_t);
		break;
	case AXON_DTYPE_UINT8:
		INT_LOAD(uint8_t);
		break;
	case AXON_DTYPE_INT16:
		INT_LOAD(int16_t);
		break;
	case AXON_DTYPE_UINT16:
		INT_LOAD(uint16_t);
		break;
	default:
		INT_LOAD(uint32_t);
		break;
	}
}

#define INT_STORE(type)									\
	do {										\
		if (step == (ptrdiff_t)sizeof(type))					\
			for (size_t i = 0; i < n; i++)					\
				((type *)dst)[i] = (type)src[i];			\
		else									\
			for (size_t i = 0; i < n; i++, dst += step)			\
				*(type *)dst = (type)src[i];				\
	} while (0)

void axon_int_store(unsigned int dtype, uint8_t *dst, ptrdiff_t step, const uint32_t *src,
		    size_t n)
{
	switch (axon_engine_esz[dtype]) {
	case 1:
		INT_STORE(uint8_t);
		break;
	case 2:
		INT_STORE(uint16_t);
		break;
	default:
		INT_STORE(uint32_t);
		break;
	}
}

/* Not typed pointers: ends of a DMA transfer lie at any byte. */
#define RAW_COPY(type)									\
	do {										\
		for (size_t i = 0; i < n; i++, dst += dstep, src += sstep) {		\
			type x;								\
											\
			memcpy(&x, src, sizeof(x));					\
			memcpy(dst, &x, sizeof(x));					\
		}									\
	} while (0)

void axon_raw_copy(unsigned int esz, uint8_t *dst, ptrdiff_t dstep, const uint8_t *src,
		   ptrdiff_t sstep, size_t n)
{
	if (dstep == (ptrdiff_t)esz && sstep == (ptrdiff_t)esz) {
		memmove(dst, src, n * esz);
		return;
	}
	switch (esz) {
	case 1:
		RAW_COPY(uint8_t);
		break;
	case 2:
		RAW_COPY(uint16_t);
		break;
	case 4:
		RAW_COPY(uint32_t);
		break;
	default:
		RAW_COPY(uint64_t);
		break;
	}
}

/* Neighbours; the compiler makes vectors of it. */
#define RAW_FILL(type)									\
	do {										\
		const type x = (type)val;						\
											\
		for (size_t i = 0; i < n; i++)						\
			memcpy(dst + i * sizeof(x), &x, sizeof(x));			\
	} while (0)

void axon_raw_fill(unsigned int esz, uint8_t *dst, ptrdiff_t step, uint32_t val, size_t n)
{
	uint64_t wide = val;

	if (step != (ptrdiff_t)esz) {
		axon_raw_copy(esz, dst, step, (const uint8_t *)&wide, 0, n);
		return;
	}
	switch (esz) {
	case 1:
		memset(dst, (int)(val & 0xff), n);
		break;
	case 2:
		RAW_FILL(uint16_t);
		break;
	default:
		RAW_FILL(uint32_t);
		break;
	}
}
