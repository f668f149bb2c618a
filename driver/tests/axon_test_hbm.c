// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_test_hbm.c - KUnit: who gets which part of the card's memory.
 */
#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "axon_hbm.h"

#define STACKS		4u
#define SIZE		(64ull * SZ_1M)

static int hbm_test_init(struct kunit *test)
{
	struct axon_hbm *hbm = kunit_kzalloc(test, sizeof(*hbm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, hbm);
	KUNIT_ASSERT_EQ(test, axon_hbm_init(hbm, SIZE, STACKS), 0);
	test->priv = hbm;
	return 0;
}

static void hbm_test_exit(struct kunit *test)
{
	axon_hbm_fini(test->priv);
}

static u64 used(struct axon_hbm *hbm)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < STACKS; i++)
		sum += axon_hbm_used(hbm, i);
	return sum;
}

static u64 bytes(const struct axon_hbm_mem *mem)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < mem->num; i++)
		sum += mem->extent[i].size;
	return sum;
}

static void hbm_test_bad(struct kunit *test)
{
	struct axon_hbm *hbm = kunit_kzalloc(test, sizeof(*hbm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, hbm);
	KUNIT_EXPECT_EQ(test, axon_hbm_init(hbm, SIZE, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, axon_hbm_init(hbm, SIZE, AXON_MAX_STACKS + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, axon_hbm_init(hbm, SIZE + SZ_4K, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, axon_hbm_init(hbm, 0, 1), -EINVAL);
}

static void hbm_test_spread(struct kunit *test)
{
	struct axon_hbm *hbm = test->priv;
	struct axon_hbm_mem mem;

	/* more than a stack has */
	KUNIT_ASSERT_EQ(test, axon_hbm_alloc(hbm, SIZE / 2, false, &mem), 0);
	KUNIT_EXPECT_EQ(test, bytes(&mem), SIZE / 2);
	KUNIT_EXPECT_GE(test, mem.num, 2);
	KUNIT_EXPECT_EQ(test, used(hbm), SIZE / 2);
	axon_hbm_free(hbm, &mem);
	KUNIT_EXPECT_EQ(test, used(hbm), 0);
	/* all but the first page, which is nobody's */
	KUNIT_EXPECT_EQ(test, axon_hbm_alloc(hbm, SIZE, false, &mem), -ENOSPC);
	KUNIT_EXPECT_EQ(test, used(hbm), 0);
	KUNIT_ASSERT_EQ(test, axon_hbm_alloc(hbm, SIZE - SZ_4K, false, &mem), 0);
	KUNIT_EXPECT_NE(test, mem.extent[0].addr, 0);
	axon_hbm_free(hbm, &mem);
}

static void hbm_test_contiguous(struct kunit *test)
{
	struct axon_hbm *hbm = test->priv;
	struct axon_hbm_mem mem;

	KUNIT_ASSERT_EQ(test, axon_hbm_alloc(hbm, SZ_4M, true, &mem), 0);
	KUNIT_EXPECT_EQ(test, mem.num, 1);
	KUNIT_EXPECT_EQ(test, mem.extent[0].size, SZ_4M);
	axon_hbm_free(hbm, &mem);
	KUNIT_EXPECT_EQ(test, axon_hbm_alloc(hbm, SIZE / 2, true, &mem), -ENOSPC);
}

/* Nobody gets what another has. */
static void hbm_test_disjoint(struct kunit *test)
{
	enum { N = 40 };
	struct axon_hbm_mem *mem = kunit_kcalloc(test, N, sizeof(*mem), GFP_KERNEL);
	u8 *owner = kunit_kzalloc(test, SIZE / SZ_4K, GFP_KERNEL);
	struct axon_hbm *hbm = test->priv;
	struct rnd_state rnd;
	u32 i, j, round, clash = 0;
	u64 a;

	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_NOT_NULL(test, owner);
	prandom_seed_state(&rnd, 99);
	for (round = 0; round < 400; round++) {
		u64 size = (1 + prandom_u32_state(&rnd) % 700) * (u64)SZ_4K;

		i = prandom_u32_state(&rnd) % N;
		for (j = 0; j < mem[i].num; j++)
			for (a = 0; a < mem[i].extent[j].size; a += SZ_4K)
				owner[(mem[i].extent[j].addr + a) / SZ_4K] = 0;
		if (mem[i].num)
			axon_hbm_free(hbm, &mem[i]);
		if (axon_hbm_alloc(hbm, size, round % 7 == 0, &mem[i]))
			continue;
		KUNIT_EXPECT_EQ(test, bytes(&mem[i]), size);
		for (j = 0; j < mem[i].num; j++)
			for (a = 0; a < mem[i].extent[j].size; a += SZ_4K)
				clash += owner[(mem[i].extent[j].addr + a) / SZ_4K]++;
	}
	KUNIT_EXPECT_EQ(test, clash, 0);
	for (i = 0; i < N; i++)
		if (mem[i].num)
			axon_hbm_free(hbm, &mem[i]);
	KUNIT_EXPECT_EQ(test, used(hbm), 0);
}

static struct kunit_case hbm_cases[] = {
	KUNIT_CASE(hbm_test_bad),
	KUNIT_CASE(hbm_test_spread),
	KUNIT_CASE(hbm_test_contiguous),
	KUNIT_CASE(hbm_test_disjoint),
	{}
};

static struct kunit_suite hbm_suite = {
	.name = "axon_hbm",
	.init = hbm_test_init,
	.exit = hbm_test_exit,
	.test_cases = hbm_cases,
};

kunit_test_suite(hbm_suite);
