// SPDX-License-Identifier: MIT
/*
 * test_dma_stream.c - runs that are so long that DMA moves them past the host's caches: every byte
 * is where it should be, at any address, and none beside it has changed.
 */
#define FX_FLAT
#include "engine_ref.h"

#define SRC	FX_DATA
#define DST	(FX_DATA + (8u << 20))
#define GUARD	256u
#define MOST	(2u << 20)

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

static struct axon_dma_desc desc(uint64_t dst, uint64_t src, unsigned int dtype, uint32_t n)
{
	struct axon_dma_desc d = fx_desc(dst, AXON_SPACE_MEM, src, AXON_SPACE_MEM, n);

	d.src_dtype = d.dst_dtype = (uint8_t)dtype;
	d.src_step[3] = d.dst_step[3] = (int32_t)axon_dtype_size(dtype);
	return d;
}

static void fill(uint64_t *s, uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)fx_rand(s);
}

/* Moves @n elements from @src on and looks at all that lies around @dst. */
static void try(struct fx *f, uint64_t *s, uint64_t dst, uint64_t src, unsigned int dtype,
		uint32_t n)
{
	static uint8_t in[MOST], want[MOST + 2 * GUARD], got[MOST + 2 * GUARD];
	uint32_t bytes = n * axon_dtype_size(dtype);

	assert_true(bytes <= MOST);
	fill(s, in, bytes);
	fill(s, want, bytes + 2 * GUARD);
	fx_poke(f, dst - GUARD, want, bytes + 2 * GUARD);
	fx_poke(f, src, in, bytes);
	/* Where the ends overlap the guards are the source. */
	fx_peek(f, dst - GUARD, want, bytes + 2 * GUARD);
	memcpy(want + GUARD, in, bytes);
	assert_int_equal(fx_one(f, 0, fx_dma(0, desc(dst, src, dtype, n))), AXON_STATUS_OK);
	fx_peek(f, dst - GUARD, got, bytes + 2 * GUARD);
	assert_memory_equal(got, want, bytes + 2 * GUARD);
}

/* Lengths around the one from which runs are long, and around whole lines. */
static void test_apart(void **state)
{
	static const uint32_t bytes[] = { (512u << 10) - 8, 512u << 10, (512u << 10) + 8,
					  (1u << 20) + 72, (1u << 20) + 1000 };
	static const unsigned int dtype[] = { AXON_DTYPE_UINT8, AXON_DTYPE_BFLOAT16,
					      AXON_DTYPE_FLOAT32, AXON_DTYPE_INT64 };
	uint64_t s = 1;

	for (uint32_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		for (uint32_t k = 0; k < 4; k++)
			try(*state, &s, DST + fx_below(&s, 130), SRC + fx_below(&s, 130), dtype[k],
			    bytes[i] / axon_dtype_size(dtype[k]) - fx_below(&s, 2));
}

/* The target begins before the source and ends in it: front to back gives the source's bytes. */
static void test_overlapping(void **state)
{
	uint64_t s = 2;

	for (uint32_t ahead = 1; ahead < GUARD; ahead += 1 + fx_below(&s, 60))
		try(*state, &s, DST, DST + ahead, AXON_DTYPE_UINT8, (600u << 10) + ahead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overlapping, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
