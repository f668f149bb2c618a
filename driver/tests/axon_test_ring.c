// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_test_ring.c - KUnit: index arithmetic of rings, also where 32 bits end.
 */
#include <kunit/test.h>
#include <linux/bitfield.h>

#include "axon_ring.h"

static void ring_test_phase(struct kunit *test)
{
	u32 entries;

	for (entries = AXON_MIN_RING_ENTRIES; entries <= AXON_MAX_RING_ENTRIES; entries *= 2) {
		KUNIT_EXPECT_EQ(test, axon_cq_phase(0, entries), 1);
		KUNIT_EXPECT_EQ(test, axon_cq_phase(entries - 1, entries), 1);
		KUNIT_EXPECT_EQ(test, axon_cq_phase(entries, entries), 0);
		KUNIT_EXPECT_EQ(test, axon_cq_phase(2 * entries - 1, entries), 0);
		KUNIT_EXPECT_EQ(test, axon_cq_phase(2 * entries, entries), 1);
		/* the index wraps after an even number of passes */
		KUNIT_EXPECT_EQ(test, axon_cq_phase(U32_MAX, entries), 0);
	}
}

static void ring_test_event(struct kunit *test)
{
	/* passed 5 going from 5 to 6, or from 3 to 9; not from 6 to 7 */
	KUNIT_EXPECT_TRUE(test, axon_ring_needs_event(5, 6, 5));
	KUNIT_EXPECT_TRUE(test, axon_ring_needs_event(5, 9, 3));
	KUNIT_EXPECT_FALSE(test, axon_ring_needs_event(5, 7, 6));
	KUNIT_EXPECT_FALSE(test, axon_ring_needs_event(5, 5, 4));
	/* a card that polls keeps the event one behind what it has fetched */
	KUNIT_EXPECT_FALSE(test, axon_ring_needs_event(U32_MAX, 1, 0));
	KUNIT_EXPECT_TRUE(test, axon_ring_needs_event(U32_MAX, 3, U32_MAX - 1));
	KUNIT_EXPECT_TRUE(test, axon_ring_needs_event(0, 1, U32_MAX));
	KUNIT_EXPECT_FALSE(test, axon_ring_needs_event(1, 1, U32_MAX));
}

static void ring_test_used(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, axon_ring_used(0, 0), 0);
	KUNIT_EXPECT_EQ(test, axon_ring_used(U32_MAX - 2, 5), 8);
}

static void ring_test_cqe(struct kunit *test)
{
	struct axon_cqe cqe = { .profiled = 0x11223344, .status = 0x5566, .phase = 1 };
	u64 word = *(u64 *)&cqe.profiled;

	KUNIT_EXPECT_EQ(test, FIELD_GET(AXON_CQE_PROFILED, word), 0x11223344);
	KUNIT_EXPECT_EQ(test, FIELD_GET(AXON_CQE_STATUS, word), 0x5566);
	KUNIT_EXPECT_EQ(test, FIELD_GET(AXON_CQE_PHASE, word), 1);
	cqe.phase = 0;
	word = *(u64 *)&cqe.profiled;
	KUNIT_EXPECT_EQ(test, FIELD_GET(AXON_CQE_PHASE, word), 0);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(ring_test_phase),
	KUNIT_CASE(ring_test_event),
	KUNIT_CASE(ring_test_used),
	KUNIT_CASE(ring_test_cqe),
	{}
};

static struct kunit_suite ring_suite = {
	.name = "axon_ring",
	.test_cases = ring_cases,
};

kunit_test_suite(ring_suite);
