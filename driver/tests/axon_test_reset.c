// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_test_reset.c - KUnit: who is to blame for a timer that expired, and what a user is told.
 */
#include <kunit/test.h>

#include "axon_queue.h"
#include "axon_reset.h"

/* With a limit of 10: what becomes of a job of queue 5? */
static enum axon_verdict judge(u32 occupant, s64 occupied, s64 first, bool launch)
{
	const struct axon_first f = {
		.occupied_ns = occupied, .first_ns = first, .launch = launch,
	};

	return axon_reset_judge(occupant, 5, &f, 10);
}

static void reset_test_judge(struct kunit *test)
{
	const u32 me = 5, other = 6, idle = AXON_NO_QUEUE;

	/* another launch runs: not my fault */
	KUNIT_EXPECT_EQ(test, judge(other, 9, 9, true), AXON_VERDICT_INNOCENT);
	/* mine runs */
	KUNIT_EXPECT_EQ(test, judge(me, 9, 9, true), AXON_VERDICT_INNOCENT);
	KUNIT_EXPECT_EQ(test, judge(me, 10, 10, true), AXON_VERDICT_KILL);
	/* it waited long, and has run for a short time */
	KUNIT_EXPECT_EQ(test, judge(me, 9, 1000, true), AXON_VERDICT_INNOCENT);
	/* nobody runs although I wait */
	KUNIT_EXPECT_EQ(test, judge(idle, 9, 9, true), AXON_VERDICT_NUDGE);
	/* perhaps for others of a gang, and if not, because of the card */
	KUNIT_EXPECT_EQ(test, judge(idle, 10, 10, true), AXON_VERDICT_ASK);
	/* a clock that seems to run backwards kills nobody */
	KUNIT_EXPECT_EQ(test, judge(me, -5, -5, true), AXON_VERDICT_INNOCENT);
}

/* A launch that waits for its gang is not on its core, whoever is; it may also just wait for it. */
static void reset_test_judge_gang(struct kunit *test)
{
	const u32 other = 6, idle = AXON_NO_QUEUE;

	KUNIT_EXPECT_EQ(test, judge(other, 1000, 10, true), AXON_VERDICT_ASK);
	KUNIT_EXPECT_EQ(test, judge(other, 1, 10, true), AXON_VERDICT_ASK);
	/* launches of others come and go: the core is idle for a moment */
	KUNIT_EXPECT_EQ(test, judge(idle, 1, 10, true), AXON_VERDICT_ASK);
	/* copies have no gang; the core is not asked about */
	KUNIT_EXPECT_EQ(test, judge(idle, 10, 10, false), AXON_VERDICT_KILL);
	KUNIT_EXPECT_EQ(test, judge(idle, 9, 9, false), AXON_VERDICT_NUDGE);
}

static void reset_test_errno(struct kunit *test)
{
	u32 s;

	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_OK), 0);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_FAULT_UNMAPPED), -EFAULT);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_FAULT_ADDRESS), -EFAULT);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_BAD_PROGRAM), -EINVAL);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_DEADLOCK), -EDEADLK);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_BAD_GANG), -EINVAL);
	KUNIT_EXPECT_EQ(test, axon_status_errno(AXON_STATUS_PEER_LOST), -ENOLINK);
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
	KUNIT_CASE(reset_test_judge_gang),
	KUNIT_CASE(reset_test_errno),
	{}
};

static struct kunit_suite reset_suite = {
	.name = "axon_reset",
	.test_cases = reset_cases,
};

kunit_test_suite(reset_suite);
