/* SPDX-License-Identifier: MIT */
/*
 * engine_ref.h - what instructions ought to do, element by element, for comparison with the model.
 * Written from Documentation/isa.rst and on purpose without any of the model's helpers.
 */
#ifndef AXON_TEST_ENGINE_REF_H
#define AXON_TEST_ENGINE_REF_H

#include <math.h>

#include "core_fixture.h"

static inline float ref_nan(float v)
{
	const uint32_t bits = 0x7fc00000;
	float f;

	memcpy(&f, &bits, 4);
	return v == v ? v : f;
}

/* Address of element (i0, i1, i2, i3) in partition p of @ap. */
static inline uint8_t *ref_at(struct fx *f, const struct axon_ap *ap, unsigned int p,
			      const uint32_t *i)
{
	int64_t off = ap->offset;

	for (int a = 0; a < 4; a++)
		off += (int64_t)i[a] * ap->step[a] * axon_dtype_size(ap->dtype);
	return fx_chip(f, ap->space, ap->part + p, (uint32_t)off);
}

static inline float ref_from_f16(uint16_t h)
{
	float sign = h & 0x8000 ? -1.0f : 1.0f;
	uint32_t bits = (uint32_t)(h & 0x8000) << 16 | 0x7fc00000 | (uint32_t)(h & 0x3ff) << 13;
	int exp = h >> 10 & 31, man = h & 0x3ff;
	float f;

	if (exp < 31)
		return sign * ldexpf((float)(exp ? man + 1024 : man), (exp ? exp : 1) - 25);
	if (!man)
		return sign * INFINITY;
	memcpy(&f, &bits, 4);
	return f;
}

/* In units of the last place of the exponent that fits, nearest even by rint(). */
static inline uint16_t ref_f16(float v)
{
	uint32_t u;
	uint16_t sign;
	double q;
	int exp;

	memcpy(&u, &v, 4);
	sign = (uint16_t)(u >> 16 & 0x8000);
	if (v != v)
		return (uint16_t)(sign | 0x7e00 | (u >> 13 & 0x3ff));
	if (isinf(v))
		return sign | 0x7c00;
	frexp(fabs((double)v), &exp);
	exp = exp - 1 < -14 || v == 0 ? -14 : exp - 1;
	q = rint(ldexp(fabs((double)v), 10 - exp));
	/* 2048 units are 1024 of the next exponent; the sum of the fields carries by itself */
	if (exp > 15 || (exp == 15 && q >= 2048))
		return sign | 0x7c00;
	return (uint16_t)(sign | ((exp + 14) * 1024 + (int)q));
}

static inline float ref_decode(unsigned int dtype, const uint8_t *p)
{
	uint32_t u = 0;
	float f;

	memcpy(&u, p, axon_dtype_size(dtype));
	switch (dtype) {
	case AXON_DTYPE_INT8:
		return (float)(int8_t)u;
	case AXON_DTYPE_UINT8:
	case AXON_DTYPE_UINT16:
		return (float)u;
	case AXON_DTYPE_INT16:
		return (float)(int16_t)u;
	case AXON_DTYPE_INT32:
		return (float)(int32_t)u;
	case AXON_DTYPE_UINT32:
		return (float)u;
	case AXON_DTYPE_BFLOAT16:
		u <<= 16;
		memcpy(&f, &u, 4);
		return f;
	case AXON_DTYPE_FLOAT16:
		return ref_from_f16((uint16_t)u);
	default:
		memcpy(&f, p, 4);
		return f;
	}
}

static inline double ref_saturate(float v, double lo, double hi)
{
	double d = v != v ? 0.0 : rint((double)v);

	return d < lo ? lo : d > hi ? hi : d;
}

/* Rounds to 8 bits of significand in double, where fp32 values are exact. */
static inline uint16_t ref_bf16(float v)
{
	uint32_t u, down, up;
	float fd, fu;
	double mid;

	memcpy(&u, &v, 4);
	if (v != v)
		return (uint16_t)(u >> 16 | 0x40);
	if (isinf(v))
		return (uint16_t)(u >> 16);
	down = u & 0xffff0000u;
	up = down + 0x10000u;
	memcpy(&fd, &down, 4);
	memcpy(&fu, &up, 4);
	/* what follows the largest number is infinity's place: 2^128 */
	mid = ((double)fd + (isinf(fu) ? copysign(0x1p128, fd) : (double)fu)) / 2;
	if (fabs((double)v) > fabs(mid) || (fabs((double)v) == fabs(mid) && (down >> 16 & 1)))
		return (uint16_t)(up >> 16);
	return (uint16_t)(down >> 16);
}

static inline void ref_encode(unsigned int dtype, uint8_t *p, float v)
{
	uint16_t b;
	int64_t i = 0;

	switch (dtype) {
	case AXON_DTYPE_INT8:
		i = (int64_t)ref_saturate(v, -128, 127);
		break;
	case AXON_DTYPE_UINT8:
		i = (int64_t)ref_saturate(v, 0, 255);
		break;
	case AXON_DTYPE_INT16:
		i = (int64_t)ref_saturate(v, -32768, 32767);
		break;
	case AXON_DTYPE_UINT16:
		i = (int64_t)ref_saturate(v, 0, 65535);
		break;
	case AXON_DTYPE_INT32:
		i = (int64_t)ref_saturate(v, -0x1p31, 0x1p31 - 1);
		break;
	case AXON_DTYPE_UINT32:
		i = (int64_t)ref_saturate(v, 0, 0x1p32 - 1);
		break;
	case AXON_DTYPE_BFLOAT16:
		b = ref_bf16(v);
		memcpy(p, &b, 2);
		return;
	case AXON_DTYPE_FLOAT16:
		b = ref_f16(v);
		memcpy(p, &b, 2);
		return;
	default:
		memcpy(p, &v, 4);
		return;
	}
	memcpy(p, &i, axon_dtype_size(dtype));
}

/* Integers of the bitwise group. */
static inline uint32_t ref_int(unsigned int dtype, const uint8_t *p)
{
	uint32_t u = 0;

	memcpy(&u, p, axon_dtype_size(dtype));
	if (dtype == AXON_DTYPE_INT8)
		return (uint32_t)(int32_t)(int8_t)u;
	if (dtype == AXON_DTYPE_INT16)
		return (uint32_t)(int32_t)(int16_t)u;
	return u;
}

static inline uint32_t ref_bit_op(unsigned int op, uint32_t a, uint32_t b)
{
	switch (op) {
	case AXON_ALU_AND:
		return a & b;
	case AXON_ALU_OR:
		return a | b;
	case AXON_ALU_XOR:
		return a ^ b;
	case AXON_ALU_SHL:
		return b > 31 ? 0 : a << b;
	case AXON_ALU_SHR:
		return b > 31 ? 0 : a >> b;
	case AXON_ALU_IADD:
		return a + b;
	default:
		return a - b;
	}
}

static inline float ref_op(unsigned int op, float a, float b)
{
	switch (op) {
	case AXON_ALU_ADD:
		return ref_nan(a + b);
	case AXON_ALU_SUBTRACT:
		return ref_nan(a - b);
	case AXON_ALU_MULTIPLY:
		return ref_nan(a * b);
	case AXON_ALU_DIVIDE:
		return ref_nan(a / b);
	case AXON_ALU_MAX:
		return a > b ? a : b;
	case AXON_ALU_MIN:
		return a < b ? a : b;
	case AXON_ALU_EQ:
		return a == b;
	case AXON_ALU_NE:
		return a != b;
	case AXON_ALU_GE:
		return a >= b;
	case AXON_ALU_GT:
		return a > b;
	case AXON_ALU_LE:
		return a <= b;
	default:
		return a < b;
	}
}

static inline bool ref_is_int(unsigned int dtype)
{
	return dtype != AXON_DTYPE_FLOAT32 && dtype != AXON_DTYPE_BFLOAT16 &&
		dtype != AXON_DTYPE_FLOAT16 && dtype != AXON_DTYPE_FP32R;
}

static inline int64_t ref_signed(unsigned int dtype, const uint8_t *p)
{
	uint32_t v = ref_int(dtype, p);

	return dtype == AXON_DTYPE_UINT32 ? (int64_t)v : (int64_t)(int32_t)v;
}

/* What @d makes of one element. */
static inline void ref_combine(const struct axon_dma_desc *d, const uint8_t *src, uint8_t *dst)
{
	uint32_t esz = axon_dtype_size(d->dst_dtype);

	if (d->src_dtype == d->dst_dtype && d->op == AXON_DMA_COPY) {
		memcpy(dst, src, esz);
	} else if (d->src_dtype == d->dst_dtype && ref_is_int(d->src_dtype)) {
		int64_t a = ref_signed(d->dst_dtype, dst), b = ref_signed(d->src_dtype, src);
		int64_t r = d->op == AXON_DMA_ADD ? a + b :
			d->op == AXON_DMA_MAX ? (a > b ? a : b) : (a < b ? a : b);

		memcpy(dst, &r, esz);
	} else {
		float b = ref_decode(d->src_dtype, src), a = ref_decode(d->dst_dtype, dst);

		if (d->op)
			b = ref_op(d->op == AXON_DMA_ADD ? AXON_ALU_ADD : d->op == AXON_DMA_MAX ?
				   AXON_ALU_MAX : AXON_ALU_MIN, a, b);
		ref_encode(d->dst_dtype, dst, b);
	}
}

/* The tree of 16 partials. */
static inline float ref_reduce(unsigned int op, const float *v, uint32_t n)
{
	float part[16];
	uint32_t have = 0;

	for (uint32_t i = 0; i < n; i++) {
		part[i % 16] = i < 16 ? v[i] : ref_op(op, part[i % 16], v[i]);
		have += i < 16;
	}
	for (uint32_t w = 8; w; w /= 2)
		for (uint32_t j = 0; j < w; j++)
			if (j + w < have)
				part[j] = ref_op(op, part[j], part[j + w]);
	return op == AXON_ALU_MAX || op == AXON_ALU_MIN ? part[0] : ref_nan(part[0]);
}

/* Next index tuple. Return: false after the last. */
static inline bool ref_next(uint32_t *i, const uint16_t *count)
{
	for (int a = 3; a >= 0; a--) {
		if (++i[a] < count[a])
			return true;
		i[a] = 0;
	}
	return false;
}

/* All elements of a partition as fp32, row-major. Return: how many. */
static inline uint32_t ref_row(struct fx *f, const struct axon_ap *ap, unsigned int p, float *v)
{
	uint32_t i[4] = { 0 }, n = 0;

	do
		v[n++] = ref_decode(ap->dtype, ref_at(f, ap, p, i));
	while (ref_next(i, ap->count));
	return n;
}

/* ---- random operands ---- */

static const uint8_t ref_dtypes[] = {
	AXON_DTYPE_FLOAT32, AXON_DTYPE_BFLOAT16, AXON_DTYPE_FLOAT16, AXON_DTYPE_FP32R,
	AXON_DTYPE_INT8, AXON_DTYPE_UINT8, AXON_DTYPE_INT16, AXON_DTYPE_UINT16,
	AXON_DTYPE_INT32, AXON_DTYPE_UINT32,
};

static inline unsigned int ref_any_dtype(uint64_t *s)
{
	return fx_below(s, 2) ? AXON_DTYPE_FLOAT32 : ref_dtypes[fx_below(s, sizeof(ref_dtypes))];
}

static inline unsigned int ref_int_dtype(uint64_t *s)
{
	return ref_dtypes[4 + fx_below(s, 6)];
}

/* A start partition that @nparts may have. */
static inline unsigned int ref_part(uint64_t *s, unsigned int nparts)
{
	if (nparts > 64)
		return 0;
	return nparts > 32 ? fx_below(s, 2) * 64 : fx_below(s, 4) * 32;
}

static inline unsigned int ref_nparts(uint64_t *s)
{
	static const uint8_t often[] = { 1, 2, 31, 32, 33, 64, 65, 127, 128 };

	return fx_below(s, 3) ? 1 + fx_below(s, 8) : often[fx_below(s, sizeof(often))];
}

/* Counts whose product is at most @limit; often few elements, often one axis. */
static inline void ref_counts(uint64_t *s, uint16_t *count, uint32_t limit)
{
	static const uint16_t often[] = { 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257,
					  1500 };
	uint32_t left = limit;

	for (int a = 0; a < 4; a++)
		count[a] = 1;
	for (int a = 3; a >= 0; a--) {
		uint32_t c = often[fx_below(s, sizeof(often) / sizeof(often[0]))];

		count[a] = (uint16_t)(c <= left ? c : 1);
		left /= count[a];
		if (!fx_below(s, 3))
			break;
	}
}

/*
 * Steps for @ap's counts, inside [@lo, @lo + @size) of a partition; @out: no two elements share a
 * place. Packed, spread, reversed or, for inputs, broadcast.
 */
static inline void ref_place(uint64_t *s, struct axon_ap *ap, uint32_t lo, uint32_t size, bool out)
{
	uint32_t esz = axon_dtype_size(ap->dtype), span = 1, room = size / esz, left = 1;
	int64_t first = 0;

	for (int a = 0; a < 4; a++)
		left *= ap->count[a];
	for (int a = 3; a >= 0; a--) {
		uint32_t gap = fx_below(s, 3) ? 1 : 1 + fx_below(s, 3);
		int64_t step = (int64_t)span * gap;

		if (step * left > room)		/* the axes outside need room too */
			step = span;
		left /= ap->count[a];
		ap->step[a] = (int16_t)step;
		span = (uint32_t)(step * ap->count[a]);
		if (!out && !fx_below(s, 8)) {
			ap->step[a] = 0;
		} else if (!fx_below(s, 6)) {
			ap->step[a] = (int16_t)-step;
			first += step * (ap->count[a] - 1);
		}
	}
	ap->offset = (uint32_t)(lo + first * esz);
}

#define REF_REGION	(24u * 1024)	/* operands of a test lie in regions of this size */

/* Operand number @k: @counts in region @k of SBUF, or (at most 4 KiB) of PSUM. */
static inline struct axon_ap ref_operand(uint64_t *s, unsigned int k, unsigned int dtype,
					 unsigned int nparts, const uint16_t *count, bool out)
{
	struct axon_ap ap = { .dtype = (uint8_t)dtype, .nparts = (uint8_t)nparts };
	uint32_t bytes = axon_dtype_size(dtype);

	memcpy(ap.count, count, sizeof(ap.count));
	for (int a = 0; a < 4; a++)
		bytes *= count[a];
	ap.part = (uint8_t)ref_part(s, nparts);
	if (bytes <= 4096 && !fx_below(s, 4)) {
		ap.space = AXON_SPACE_PSUM;
		ref_place(s, &ap, k * 4096, 4096, out);
	} else {
		ref_place(s, &ap, k * REF_REGION + fx_below(s, 64) * 4, REF_REGION - 256, out);
	}
	return ap;
}

/* Values as they come: numbers of all sizes, zeros, infinities, NaNs, denormals. */
static inline float ref_value(uint64_t *s)
{
	uint64_t r = fx_rand(s);
	uint32_t bits = (uint32_t)(r >> 32);
	float v;

	switch (r % 24) {
	case 0:
		return 0.0f;
	case 1:
		return -0.0f;
	case 2:
		return (r & 256) ? INFINITY : -INFINITY;
	case 3:
		bits = (bits & 0x807fffff) | 0x7f800000;	/* some NaN, also signalling */
		break;
	case 4:
		bits &= 0x807fffff;				/* denormal */
		break;
	case 5:
		break;						/* anything */
	default:
		return (float)((int32_t)bits >> (16 + r % 12)) / 64.0f;
	}
	memcpy(&v, &bits, 4);
	return v;
}

/* Fills the first @bytes of all partitions of both spaces with values as fp32, or bits. */
static inline void ref_fill(struct fx *f, uint64_t *s, uint32_t bytes, bool bits)
{
	for (unsigned int space = 0; space < 2; space++)
		for (unsigned int p = 0; p < AXON_PARTITIONS; p++)
			for (uint32_t b = 0; b < bytes && b < (space ? AXON_PSUM_PART_BYTES :
							       AXON_SBUF_PART_BYTES); b += 4) {
				float v = ref_value(s);
				uint32_t r = (uint32_t)fx_rand(s);

				memcpy(fx_chip(f, space, p, b), bits ? (void *)&r : (void *)&v, 4);
			}
}

#endif /* AXON_TEST_ENGINE_REF_H */
