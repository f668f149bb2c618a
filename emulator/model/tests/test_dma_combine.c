// SPDX-License-Identifier: MIT
/*
 * test_dma_combine.c - neighbours combined by DMA, as collectives do it: every set of kernels gives
 * the reference's bits, at any address, across pages, and up to where a page is missing.
 */
#include "engine_ref.h"

#define MOST	5000u			/* elements */
#define SRC	FX_DATA
#define DST	(FX_DATA + 64 * 4096)

static int setup(void **state)
{
	*state = fx_new();
	return 0;
}

static int teardown(void **state)
{
	fx_free(*state);
	return 0;
}

static struct axon_dma_desc desc(unsigned int op, unsigned int dtype, uint64_t dst, uint64_t src,
				 uint32_t n)
{
	struct axon_dma_desc d = fx_desc(dst, AXON_SPACE_MEM, src, AXON_SPACE_MEM, n);

	d.op = (uint8_t)op;
	d.src_dtype = d.dst_dtype = (uint8_t)dtype;
	d.src_step[3] = d.dst_step[3] = (int32_t)axon_dtype_size(dtype);
	return d;
}

/* An element: a value of any kind as that type, or any bits. */
static void element(uint64_t *s, unsigned int dtype, uint8_t *p)
{
	if (fx_below(s, 4)) {
		ref_encode(dtype, p, ref_value(s));
	} else {
		uint32_t bits = (uint32_t)fx_rand(s);

		memcpy(p, &bits, axon_dtype_size(dtype));
	}
}

static void elements(uint64_t *s, unsigned int dtype, uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		element(s, dtype, p + i * axon_dtype_size(dtype));
}

static void expect(const struct axon_dma_desc *d, const uint8_t *src, uint8_t *dst, uint32_t n)
{
	uint32_t esz = axon_dtype_size(d->dst_dtype);

	for (uint32_t i = 0; i < n; i++)
		ref_combine(d, src + i * esz, dst + i * esz);
}

static uint32_t length(uint64_t *s)
{
	switch (fx_below(s, 4)) {
	case 0:
		return fx_below(s, 40);
	case 1:
		return (uint32_t)(16 << fx_below(s, 8)) + fx_below(s, 3) - 1;
	default:
		return fx_below(s, 600);
	}
}

/* Kernels alone: each byte is what it should be, also those around and those of the source. */
static void test_kernels(void **state)
{
	static uint8_t src[MOST * 4 + 256], dst[sizeof(src)], was[sizeof(src)], want[sizeof(src)];
	const struct axon_math *m;
	uint64_t s = 1;

	(void)state;
	for (unsigned int r = 0; r < 6000; r++) {
		unsigned int dtype = ref_dtypes[r % sizeof(ref_dtypes)], op = 1 + fx_below(&s, 3);
		uint32_t esz = axon_dtype_size(dtype), n = length(&s);
		uint32_t a = 64 + fx_below(&s, 64), b = 64 + fx_below(&s, 64);
		uint32_t all = n * esz + 192;
		struct axon_dma_desc d = desc(op, dtype, 0, 0, n);

		memset(src, 0x5a, all);
		memset(want, 0xa5, all);
		elements(&s, dtype, src + a, n);
		elements(&s, dtype, want + b, n);
		memcpy(was, src, all);
		memcpy(dst, want, all);
		expect(&d, src + a, want + b, n);
		for (unsigned int v = 0; (m = axon_math_variant(v)); v++) {
			static uint8_t out[sizeof(dst)];

			memcpy(out, dst, all);
			m->combine[dtype][op](out + b, src + a, n);
			if (memcmp(out, want, all))
				fail_msg("%s: type %u, op %u, %u elements at %u from %u", m->name,
					 dtype, op, n, b, a);
			assert_memory_equal(src, was, all);
		}
	}
}

/* 16-bit floats: every value against those that are special, both ways around. */
static void test_halves(void **state)
{
	static const uint8_t types[] = { AXON_DTYPE_BFLOAT16, AXON_DTYPE_FLOAT16 };
	static const uint16_t other[] = {
		0x0000, 0x8000, 0x0001, 0x8001, 0x007f, 0x0080, 0x03ff, 0x0400, 0x3c00, 0xbc00,
		0x3f80, 0xbf80, 0x7bff, 0xfbff, 0x7f7f, 0xff7f, 0x7c00, 0xfc00, 0x7f80, 0xff80,
		0x7e00, 0x7c01, 0xfdff, 0x7fc0, 0x7f81, 0xffbf, 0xffff, 0x4321, 0xc321,
	};
	static uint16_t all[65536], one[65536], want[65536], got[65536];
	const struct axon_math *m;

	(void)state;
	for (unsigned int i = 0; i < 65536; i++)
		all[i] = (uint16_t)i;
	for (unsigned int k = 0; k < 2 * sizeof(other) / sizeof(other[0]); k++)
		for (unsigned int t = 0; t < 6; t++) {
			unsigned int op = 1 + t / 2, dtype = types[t % 2];
			struct axon_dma_desc d = desc(op, dtype, 0, 0, 65536);
			const uint16_t *src = k & 1 ? all : one, *dst = k & 1 ? one : all;

			for (unsigned int i = 0; i < 65536; i++)
				one[i] = other[k / 2];
			memcpy(want, dst, sizeof(want));
			expect(&d, (const uint8_t *)src, (uint8_t *)want, 65536);
			for (unsigned int v = 0; (m = axon_math_variant(v)); v++) {
				memcpy(got, dst, sizeof(got));
				m->combine[dtype][op]((uint8_t *)got, (const uint8_t *)src, 65536);
				for (unsigned int i = 0; i < 65536; i++)
					if (got[i] != want[i])
						fail_msg("%s: type %u, op %u: %#x and %#x give %#x,"
							 " not %#x", m->name, dtype, op, dst[i],
							 src[i], got[i], want[i]);
			}
		}
}

/* The special values of isa.rst, "Numbers", written out. */
static void test_special_values(void **state)
{
	static const struct {
		unsigned int op;
		uint32_t dst, src, want;
	} c[] = {
		{ AXON_DMA_ADD, 0x7f800000, 0xff800000, 0x7fc00000 },	/* inf - inf */
		{ AXON_DMA_ADD, 0xffc12345, 0x3f800000, 0x7fc00000 },
		{ AXON_DMA_ADD, 0x80000000, 0x80000000, 0x80000000 },	/* -0 + -0 */
		{ AXON_DMA_ADD, 0x00000000, 0x80000000, 0x00000000 },
		{ AXON_DMA_ADD, 0x00000001, 0x00000001, 0x00000002 },	/* denormals stay */
		{ AXON_DMA_ADD, 0x7f7fffff, 0x7f7fffff, 0x7f800000 },
		{ AXON_DMA_MAX, 0x7f812345, 0x3f800000, 0x3f800000 },	/* the second wins */
		{ AXON_DMA_MAX, 0x3f800000, 0xff812345, 0xff812345 },	/* and stays what it is */
		{ AXON_DMA_MAX, 0x80000000, 0x00000000, 0x00000000 },
		{ AXON_DMA_MAX, 0x00000000, 0x80000000, 0x80000000 },
		{ AXON_DMA_MIN, 0xff800000, 0x7f800000, 0xff800000 },
		{ AXON_DMA_MIN, 0x00000000, 0x80000000, 0x80000000 },
		{ AXON_DMA_MIN, 0x80000000, 0x00000000, 0x00000000 },
		{ AXON_DMA_MIN, 0x7fc00001, 0x00000001, 0x00000001 },
		{ AXON_DMA_MIN, 0x00000001, 0x7f800001, 0x7f800001 },
	};
	const struct axon_math *m;
	uint32_t dst[37], src[37];

	(void)state;
	for (unsigned int k = 0; k < sizeof(c) / sizeof(c[0]); k++)
		for (unsigned int v = 0; (m = axon_math_variant(v)); v++) {
			for (unsigned int i = 0; i < 37; i++) {
				dst[i] = c[k].dst;
				src[i] = c[k].src;
			}
			m->combine[AXON_DTYPE_FLOAT32][c[k].op]((uint8_t *)dst, (uint8_t *)src, 37);
			for (unsigned int i = 0; i < 37; i++)
				assert_int_equal(dst[i], c[k].want);
		}
}

/* Through the card, in one piece and in slices: pages, odd addresses, elements across pages. */
static void test_transfers(void **state)
{
	static uint8_t src[MOST * 4], was[MOST * 4], want[MOST * 4], got[MOST * 4];
	struct fx *f = *state;
	const struct axon_math *m;
	uint64_t s = 2;

	for (unsigned int r = 0; r < 300; r++) {
		unsigned int dtype = ref_dtypes[r % sizeof(ref_dtypes)], op = fx_below(&s, 4);
		uint32_t n = 1 + fx_below(&s, MOST), bytes = n * axon_dtype_size(dtype);
		struct axon_dma_desc d = desc(op, dtype, DST + fx_below(&s, 5000),
					      SRC + fx_below(&s, 5000), n);

		elements(&s, dtype, src, n);
		elements(&s, dtype, was, n);
		memcpy(want, was, bytes);
		expect(&d, src, want, n);
		fx_poke(f, d.src, src, bytes);
		for (unsigned int v = 0; (m = axon_math_variant(v)); v++) {
			axon_core_set_math(&f->card, 0, m);
			fx_poke(f, d.dst, was, bytes);
			fx_clear(f);
			fx_emit(f, AXON_ENGINE_CC, fx_dma(2, d));
			fx_emit(f, AXON_ENGINE_CC, fx_inst(AXON_OP_HALT));
			assert_int_equal(fx_run(f, r & 1).fault.status, AXON_STATUS_OK);
			fx_peek(f, d.dst, got, bytes);
			if (memcmp(got, want, bytes))
				fail_msg("%s: type %u, op %u, %u elements", m->name, dtype, op, n);
		}
	}
}

/*
 * A page is missing, of either end: what comes before the first element that needs it is combined,
 * nothing else is touched, not even the bytes of that element that are on the page before.
 */
static void test_faults(void **state)
{
	static uint8_t src[MOST * 4], was[MOST * 4], want[MOST * 4], got[MOST * 4];
	struct fx *f = *state;
	const struct axon_math *m;
	uint64_t s = 3;

	for (unsigned int r = 0; r < 200; r++) {
		unsigned int dtype = ref_dtypes[r % sizeof(ref_dtypes)], op = fx_below(&s, 4);
		uint32_t n = MOST / 2 + fx_below(&s, MOST / 2), esz = axon_dtype_size(dtype);
		struct axon_dma_desc d = desc(op, dtype, DST + fx_below(&s, 5000),
					      SRC + fx_below(&s, 5000), n);
		bool target = fx_below(&s, 2);
		uint64_t from = target ? d.dst : d.src;
		uint64_t gone = (from + fx_below(&s, n * esz)) / FX_PAGE * FX_PAGE;
		uint8_t *rights = &f->rights[(gone - FX_VA) / FX_PAGE], had = *rights;
		/* only a write needs W */
		uint8_t left = target && fx_below(&s, 2) ? FX_R : 0;
		uint32_t good = gone <= from ? 0 : (uint32_t)((gone - from) / esz);

		elements(&s, dtype, src, n);
		elements(&s, dtype, was, n);
		memcpy(want, was, n * esz);
		expect(&d, src, want, good);
		fx_poke(f, d.src, src, n * esz);
		for (unsigned int v = 0; (m = axon_math_variant(v)); v++) {
			struct axon_launch_result l;

			axon_core_set_math(&f->card, 0, m);
			fx_poke(f, d.dst, was, n * esz);
			*rights = left;
			fx_clear(f);
			fx_emit(f, AXON_ENGINE_CC, fx_dma(2, d));
			fx_emit(f, AXON_ENGINE_CC, fx_inst(AXON_OP_HALT));
			l = fx_run(f, r & 1);
			*rights = had;
			assert_int_equal(l.fault.status, left ? AXON_STATUS_FAULT_WRITE :
					 AXON_STATUS_FAULT_UNMAPPED);
			assert_true(l.fault.addr == (gone < from ? from : gone));
			fx_peek(f, d.dst, got, n * esz);
			if (memcmp(got, want, n * esz))
				fail_msg("%s: type %u, op %u, %u of %u elements good", m->name,
					 dtype, op, good, n);
		}
	}
}

/*
 * Target and source the same elements: each is combined with itself. Any other overlap is
 * undefined, but the same for every set of kernels.
 */
static void test_overlap(void **state)
{
	static uint8_t was[MOST * 4], want[MOST * 4], got[MOST * 4];
	struct fx *f = *state;
	const struct axon_math *m;
	uint64_t s = 4;

	for (unsigned int r = 0; r < 200; r++) {
		unsigned int dtype = ref_dtypes[r % sizeof(ref_dtypes)], op = 1 + fx_below(&s, 3);
		uint32_t esz = axon_dtype_size(dtype), all = MOST / 2 * esz;
		uint32_t n = 1 + fx_below(&s, MOST / 4), at = fx_below(&s, 1000);
		uint32_t by = r & 1 ? fx_below(&s, 300) : 0;
		bool up = fx_below(&s, 2);
		struct axon_dma_desc d = desc(op, dtype, SRC + at + (up ? by : 0),
					      SRC + at + (up ? 0 : by), n);

		elements(&s, dtype, was, MOST / 2);
		memcpy(want, was, all);
		if (!by)
			expect(&d, was + at, want + at, n);
		for (unsigned int v = 0; (m = axon_math_variant(v)); v++) {
			axon_core_set_math(&f->card, 0, m);
			fx_poke(f, SRC, was, all);
			assert_int_equal(fx_one(f, AXON_ENGINE_CC, fx_dma(2, d)), AXON_STATUS_OK);
			fx_peek(f, SRC, got, all);
			if (by && !v)
				memcpy(want, got, all);
			if (memcmp(got, want, all))
				fail_msg("%s: type %u, op %u, %u elements, %s by %u", m->name,
					 dtype, op, n, up ? "up" : "down", by);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernels),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_special_values),
		cmocka_unit_test_setup_teardown(test_transfers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overlap, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
