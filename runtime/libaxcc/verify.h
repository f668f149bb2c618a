/* SPDX-License-Identifier: MIT */
/*
 * verify.h - the proof that a schedule does what it is for, whatever the timing.
 *
 * The verifier trusts nothing in a schedule but the request. It must never depend on how algorithms
 * work; what they document as their order of reduction is part of the schedule and is checked too.
 */
#ifndef AXON_LIBAXCC_VERIFY_H
#define AXON_LIBAXCC_VERIFY_H

#include "schedule.h"

/**
 * enum axcc_defect - what is wrong with a schedule
 * @AXCC_DEFECT_NONE: nothing
 * @AXCC_DEFECT_SHAPE: a field has a value it cannot have
 * @AXCC_DEFECT_BOUNDS: a transfer leaves its buffer
 * @AXCC_DEFECT_TARGET: a transfer writes to what is only an input
 * @AXCC_DEFECT_OVERLAP: source and target of a transfer overlap
 * @AXCC_DEFECT_UNREACHABLE: more is waited for than is ever posted
 * @AXCC_DEFECT_CYCLE: ranks wait for each other
 * @AXCC_DEFECT_UNWAITED: a post may come when its rank has ended
 * @AXCC_DEFECT_RACE: nothing orders two accesses to the same bytes
 * @AXCC_DEFECT_UNDEFINED: bytes are read that nobody has written
 * @AXCC_DEFECT_MIXED: elements are reduced that do not belong together
 * @AXCC_DEFECT_ORDER: the order of reduction lacks a contribution, or has one twice
 * @AXCC_DEFECT_RESULT: an output is not what it should be, or is not reduced in its order
 * @AXCC_DEFECT_BUSY: a rank ends while others may still touch its buffers
 */
enum axcc_defect {
	AXCC_DEFECT_NONE = 0,
	AXCC_DEFECT_SHAPE,
	AXCC_DEFECT_BOUNDS,
	AXCC_DEFECT_TARGET,
	AXCC_DEFECT_OVERLAP,
	AXCC_DEFECT_UNREACHABLE,
	AXCC_DEFECT_CYCLE,
	AXCC_DEFECT_UNWAITED,
	AXCC_DEFECT_RACE,
	AXCC_DEFECT_UNDEFINED,
	AXCC_DEFECT_MIXED,
	AXCC_DEFECT_ORDER,
	AXCC_DEFECT_RESULT,
	AXCC_DEFECT_BUSY,
	AXCC_NUM_DEFECTS,
};

/** axcc_defect_str() - "race", ...; "unknown" for a value that is none */
const char *axcc_defect_str(enum axcc_defect defect);

/**
 * struct axcc_report - the first defect found
 * @defect: an &enum axcc_defect
 * @rank: whose step it is, or AXCC_NO_RANK
 * @step: which, or AXCC_NO_RANK
 * @text: all of it as one line
 */
struct axcc_report {
	enum axcc_defect defect;
	uint32_t rank;
	uint32_t step;
	char text[400];
};

/**
 * axcc_schedule_verify() - prove a schedule
 * @s: the schedule
 * @report: what is wrong with it, or NULL
 *
 * Takes time for each step and each range of bytes that steps tell apart, not for each byte.
 *
 * Return: 0, -EINVAL (@report says why), -ENOMEM.
 */
int axcc_schedule_verify(const struct axcc_schedule *s, struct axcc_report *report);

#endif /* AXON_LIBAXCC_VERIFY_H */
