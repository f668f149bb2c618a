// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_test_pt.c - KUnit: page tables on plain memory, read as the card would read them.
 */
#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "axon_pt.h"

#define MAX_TABLES	256
#define BASE		0x40000000ull	/* of the part of the address space that tests use */
#define PAGES		2048u		/* its size: four leaves of 2 MiB */

/**
 * struct fake - table memory
 * @table: content by table, or NULL
 * @live: tables in use
 * @budget: allocations that still succeed
 */
struct fake {
	u64 *table[MAX_TABLES];
	u32 live;
	u32 budget;
};

static int fake_alloc(void *priv, u64 *addr, void **cookie)
{
	struct fake *f = priv;
	u32 i;

	if (!f->budget)
		return -ENOSPC;
	for (i = 0; i < MAX_TABLES && f->table[i]; i++)
		;
	if (i == MAX_TABLES)
		return -ENOSPC;
	f->table[i] = kzalloc(AXON_PAGE_SIZE, GFP_KERNEL);
	if (!f->table[i])
		return -ENOMEM;
	f->budget--;
	f->live++;
	*addr = (u64)(i + 1) << AXON_PAGE_SHIFT;
	*cookie = (void *)(uintptr_t)(i + 1);
	return 0;
}

static void fake_free(void *priv, void *cookie)
{
	u32 i = (uintptr_t)cookie - 1;
	struct fake *f = priv;

	kfree(f->table[i]);
	f->table[i] = NULL;
	f->live--;
}

static void fake_write(void *priv, u64 table, u32 index, u64 pte)
{
	struct fake *f = priv;

	f->table[(table >> AXON_PAGE_SHIFT) - 1][index] = pte;
}

static const struct axon_pt_ops fake_ops = {
	.alloc = fake_alloc,
	.free = fake_free,
	.write = fake_write,
};

/* What the card finds for an address: 0 or its translation; all ones: a broken table. */
static u64 card_walk(struct fake *f, struct axon_pt *pt, u64 va, u64 *bits)
{
	u64 table = pt->root->addr;
	int level;

	for (level = AXON_PT_LEVELS - 1; level >= 0; level--) {
		u64 shift = AXON_PAGE_SHIFT + 9 * level;
		u64 *t = f->table[(table >> AXON_PAGE_SHIFT) - 1];
		u64 pte;

		if (!t)
			return ~0ull;
		pte = t[AXON_PT_INDEX(va, level)];
		if (!(pte & AXON_PTE_VALID))
			return 0;
		if (!level || (level == 1 && pte & AXON_PTE_LEAF)) {
			*bits = pte & ~(AXON_PTE_ADDR_MASK | AXON_PTE_VALID | AXON_PTE_LEAF);
			return (pte & AXON_PTE_ADDR_MASK) | (va & (BIT_ULL(shift) - 1));
		}
		if (pte & ~(AXON_PTE_VALID | AXON_PTE_ADDR_MASK))
			return ~0ull;
		table = pte & AXON_PTE_ADDR_MASK;
	}
	return ~0ull;
}

struct env {
	struct fake fake;
	struct axon_pt pt;
	u64 want[PAGES];	/* translation of each page, 0: none */
};

static int pt_test_init(struct kunit *test)
{
	struct env *e = kunit_kzalloc(test, sizeof(*e), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, e);
	e->fake.budget = MAX_TABLES;
	KUNIT_ASSERT_EQ(test, axon_pt_init(&e->pt, &fake_ops, &e->fake), 0);
	test->priv = e;
	return 0;
}

static void pt_test_exit(struct kunit *test)
{
	struct env *e = test->priv;

	axon_pt_fini(&e->pt);
	KUNIT_EXPECT_EQ(test, e->fake.live, 0);
}

static int do_map(struct env *e, u32 page, u64 pa, u32 n)
{
	u64 va = BASE + (u64)page * AXON_PAGE_SIZE, size = (u64)n * AXON_PAGE_SIZE;
	int ret = axon_pt_map_prepare(&e->pt, va, pa, size);
	u32 i;

	if (ret) {
		axon_pt_prune(&e->pt, va, size);
		return ret;
	}
	axon_pt_map(&e->pt, va, pa, size, AXON_PTE_WRITE);
	for (i = 0; i < n; i++)
		e->want[page + i] = pa + (u64)i * AXON_PAGE_SIZE;
	return 0;
}

static int do_unmap(struct env *e, u32 page, u32 n)
{
	u64 va = BASE + (u64)page * AXON_PAGE_SIZE, size = (u64)n * AXON_PAGE_SIZE;
	int ret = axon_pt_unmap_prepare(&e->pt, va, size);

	if (ret)
		return ret;
	axon_pt_unmap(&e->pt, va, size);
	memset(&e->want[page], 0, n * sizeof(e->want[0]));
	return 0;
}

static void check(struct kunit *test, struct env *e)
{
	u32 i, bad = 0;

	for (i = 0; i < PAGES; i++) {
		u64 va = BASE + (u64)i * AXON_PAGE_SIZE;
		u64 bits = 0, got = card_walk(&e->fake, &e->pt, va, &bits);

		bad += got != e->want[i] || (got && bits != AXON_PTE_WRITE);
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

static void pt_test_pages(struct kunit *test)
{
	struct env *e = test->priv;

	KUNIT_EXPECT_EQ(test, do_map(e, 3, 0x7000, 5), 0);
	check(test, e);
	KUNIT_EXPECT_FALSE(test, e->pt.stale);
	KUNIT_EXPECT_EQ(test, e->fake.live, 4);
	KUNIT_EXPECT_EQ(test, do_unmap(e, 4, 2), 0);
	check(test, e);
	KUNIT_EXPECT_TRUE(test, e->pt.stale);
	KUNIT_EXPECT_EQ(test, do_unmap(e, 0, PAGES), 0);
	/* cut off, but kept until the card has forgotten them */
	KUNIT_EXPECT_EQ(test, e->fake.live, 4);
	axon_pt_reap(&e->pt);
	KUNIT_EXPECT_EQ(test, e->fake.live, 1);
}

static void pt_test_huge(struct kunit *test)
{
	struct env *e = test->priv;

	KUNIT_EXPECT_EQ(test, do_map(e, 512, SZ_4M, 1024), 0);
	check(test, e);
	/* root and two tables: no level 0 */
	KUNIT_EXPECT_EQ(test, e->fake.live, 3);
	KUNIT_EXPECT_EQ(test, do_unmap(e, 700, 1), 0);
	check(test, e);
	KUNIT_EXPECT_EQ(test, e->fake.live, 4);
	KUNIT_EXPECT_EQ(test, do_map(e, 512, SZ_8M, 512), 0);
	check(test, e);
	axon_pt_reap(&e->pt);
	KUNIT_EXPECT_EQ(test, e->fake.live, 3);
	/* physically unaligned: pages, even where the virtual address is aligned */
	KUNIT_EXPECT_EQ(test, do_map(e, 1024, SZ_2M + SZ_4K, 512), 0);
	check(test, e);
	KUNIT_EXPECT_EQ(test, e->fake.live, 4);
}

/* A request that finds no memory for its tables changes nothing, whichever table it lacks. */
static void pt_test_no_memory(struct kunit *test)
{
	struct env *e = test->priv;
	u32 budget, live = e->fake.live;
	int ret;

	for (budget = 0; budget < 16; budget++) {
		e->fake.budget = budget;
		ret = do_map(e, 500, 0x123000, 600);
		if (!ret)
			break;
		KUNIT_EXPECT_EQ(test, ret, -ENOSPC);
		check(test, e);
		axon_pt_reap(&e->pt);
		KUNIT_EXPECT_EQ(test, e->fake.live, live);
	}
	KUNIT_EXPECT_LT(test, budget, 16);
	check(test, e);
	e->fake.budget = MAX_TABLES;
	KUNIT_EXPECT_EQ(test, do_map(e, 0, SZ_2M, 512), 0);
	e->fake.budget = 0;
	KUNIT_EXPECT_EQ(test, do_unmap(e, 7, 1), -ENOSPC);
	check(test, e);
}

static void pt_test_far(struct kunit *test)
{
	static const u64 at[] = { 0, 1ull << 20, 1ull << 39, (1ull << 47) - SZ_4K,
				  (1ull << 48) - SZ_4K };
	struct env *e = test->priv;
	u64 bits;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		KUNIT_ASSERT_EQ(test, axon_pt_map_prepare(&e->pt, at[i], at[i] + SZ_4K, SZ_4K), 0);
		axon_pt_map(&e->pt, at[i], at[i] + SZ_4K, SZ_4K, 0);
	}
	for (i = 0; i < ARRAY_SIZE(at); i++)
		KUNIT_EXPECT_EQ(test, card_walk(&e->fake, &e->pt, at[i], &bits), at[i] + SZ_4K);
	/* the whole space at once, most of it empty */
	KUNIT_EXPECT_EQ(test, axon_pt_unmap_prepare(&e->pt, 0, 1ull << 48), 0);
	axon_pt_unmap(&e->pt, 0, 1ull << 48);
	axon_pt_reap(&e->pt);
	KUNIT_EXPECT_EQ(test, e->fake.live, 1);
}

/* What a link page needs stands in every entry, also of a leaf that was split, and nothing else. */
static void pt_test_link(struct kunit *test)
{
	const u64 link = AXON_PTE_WRITE | AXON_PTE_TARGET_LINK << AXON_PTE_TARGET_SHIFT;
	const u64 bits[] = { link | 3ull << AXON_PTE_PEER_SHIFT,
			     link | AXON_PTE_PEER_MASK };
	struct env *e = test->priv;
	u32 i, page;

	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		u64 got = 0, bad = 0, va = BASE + i * SZ_4M, pa = (1ull << 47) + SZ_4M;

		KUNIT_EXPECT_EQ(test, bits[i] & AXON_PTE_RESERVED, 0);
		/* a leaf of 2 MiB, and a page beyond it */
		KUNIT_ASSERT_EQ(test, axon_pt_map_prepare(&e->pt, va, pa, SZ_2M + SZ_4K), 0);
		axon_pt_map(&e->pt, va, pa, SZ_2M + SZ_4K, bits[i]);
		KUNIT_ASSERT_EQ(test, axon_pt_unmap_prepare(&e->pt, va + 5 * SZ_4K, SZ_4K), 0);
		axon_pt_unmap(&e->pt, va + 5 * SZ_4K, SZ_4K);
		for (page = 0; page <= 512; page++) {
			u64 want = page == 5 ? 0 : pa + page * SZ_4K;

			bad += card_walk(&e->fake, &e->pt, va + page * SZ_4K, &got) != want ||
			       (want && got != bits[i]);
		}
		KUNIT_EXPECT_EQ(test, bad, 0);
	}
}

static void pt_test_random(struct kunit *test)
{
	struct env *e = test->priv;
	struct rnd_state rnd;
	u32 round;

	prandom_seed_state(&rnd, 4711);
	for (round = 0; round < 400; round++) {
		u32 n = 1 + prandom_u32_state(&rnd) % (round % 3 ? 30 : 1100);
		u32 page = prandom_u32_state(&rnd) % (PAGES - n + 1);
		u64 pa = (u64)(1 + prandom_u32_state(&rnd) % 4096) * AXON_PAGE_SIZE;

		e->fake.budget = prandom_u32_state(&rnd) % 8 ? MAX_TABLES : 1;
		/* aligned alike now and then, so that big pages occur */
		if (round % 2)
			pa = SZ_1G + (u64)page * AXON_PAGE_SIZE;
		if (prandom_u32_state(&rnd) % 3)
			do_map(e, page, pa, n);
		else
			do_unmap(e, page, n);
		check(test, e);
		if (round % 5 == 0)
			axon_pt_reap(&e->pt);
	}
}

static struct kunit_case pt_cases[] = {
	KUNIT_CASE(pt_test_pages),
	KUNIT_CASE(pt_test_huge),
	KUNIT_CASE(pt_test_no_memory),
	KUNIT_CASE(pt_test_far),
	KUNIT_CASE(pt_test_link),
	KUNIT_CASE(pt_test_random),
	{}
};

static struct kunit_suite pt_suite = {
	.name = "axon_pt",
	.init = pt_test_init,
	.exit = pt_test_exit,
	.test_cases = pt_cases,
};

kunit_test_suite(pt_suite);
