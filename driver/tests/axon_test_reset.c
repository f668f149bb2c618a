// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_test_reset.c - KUnit: who is to blame for a timer that expired, and what a user is told.
 */
#include <kunit/test.h>

#include "axon_queue.h"
#include "axon_reset.h"

static void reset_test_judge(struct kunit *test)
{
	const u32 me = 5, other = 6, idle = AXON_NO_QUEUE;

	/* another launch runs: never my fault, however long it takes */
	KUNIT_EXPECT_EQ(test, axon_reset_judge(other, me, 1000, 10), AXON_VERDICT_INNOCENT);
	/* mine runs */
	KUNIT_EXPECT_EQ(test, axon_reset_judge(me, me, 9, 10), AXON_VERDICT_INNOCENT);
	KUNIT_EXPECT_EQ(test, axon_reset_judge(me, me, 10, 10), AXON_VERDICT_KILL);
	/* nobody runs although I wait */
	KUNIT_EXPECT_EQ(test, axon_reset_judge(idle, me, 9, 10), AXON_VERDICT_NUDGE);
	KUNIT_EXPECT_EQ(test, axon_reset_judge(idle, me, 10, 10), AXON_VERDICT_KILL);
	/* a clock that seems to run backwards kills nobody */
	KUNIT_EXPECT_EQ(test, axon_reset_judge(me, me, -5, 10), AXON_VERDICT_INNOCENT);
}

static void reset_test_errno(struct kunit *test)
{
	u32 s;

	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_OK), 0);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_FAULT_UNMAPPED), -EFAULT);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_FAULT_ADDRESS), -EFAULT);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_BAD_PROGRAM), -EINVAL);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_DEADLOCK), -EDEADLK);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_BAD_COMMAND), -EINVAL);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_KILLED), -ECANCELED);
	/* whatever a card says, it is an error */
	for (s = 1; s < 0x10000; s++)
		if (axon_status_errno(s) >= 0)
			break;
	KUNIT_EXPECT_EQ(test, s, 0x10000);
}

static struct kunit_case reset_cases[] = {
	KUNIT_CASE(reset_test_judge),
	KUNIT_CASE(reset_test_errno),
	{}
};

static struct kunit_suite reset_suite = {
	.name = "axon_reset",
	.test_cases = reset_cases,
};

kunit_test_suite(reset_suite);
