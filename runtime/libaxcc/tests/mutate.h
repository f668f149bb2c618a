/* SPDX-License-Identifier: MIT */
/*
 * mutate.h - schedules damaged in one place, for tests of who is to refuse them. It must not know
 * what is found out how.
 */
#ifndef AXON_LIBAXCC_TESTS_MUTATE_H
#define AXON_LIBAXCC_TESTS_MUTATE_H

#include "schedule.h"

/* What is done to a schedule, at a place that a seed decides. */
enum mutation {
	DROP_STEP,	/* a step, with its waits and posts, is gone */
	REPEAT_STEP,	/* a transfer is made twice; posts and waits once */
	REPEAT_WHOLE,	/* a step is there twice */
	SWAP_STEPS,	/* two steps of a rank change places */
	SWAP_PEERS,	/* a transfer's source or target is at another rank */
	OTHER_BUFFER,	/* ... in another buffer of the rank */
	SHIFT_SOURCE,	/* ... starts a few elements off */
	SHIFT_TARGET,
	SHIFT_BOTH,
	LENGTH,		/* an element more or less */
	ROWS,		/* a row more or less, or another distance between them */
	KIND,		/* copies what was reduced, and the other way round */
	OTHER_QUEUE,
	DROP_POST,
	POST_TWICE,	/* a post counts twice */
	POST_RANK,	/* a post goes to another rank */
	POST_SEM,	/* ... to another semaphore */
	POST_EARLY,	/* a post is made by the step before */
	DROP_WAIT,
	WAIT_TWICE,	/* a wait is for one more */
	WAIT_LESS,	/* ... for one less */
	WAIT_SEM,	/* ... for another semaphore */
	WAIT_LATE,	/* a wait belongs to the step after */
	WAIT_EARLY,	/* ... to a step before: ranks may wait in a circle */
	RANKS_LESS,	/* a rank is not of the gang */
	RANKS_MORE,	/* a rank more that does nothing */
	ORDER_SWAP,	/* the order of reduction has two contributions changed */
	ORDER_TWICE,	/* ... has one in place of another */
	NUM_MUTATIONS,
};

const char *mutation_name(enum mutation m);

/** schedule_clone() - a copy; never NULL */
struct axcc_schedule *schedule_clone(const struct axcc_schedule *s);

/** mutate() - Return: false: there is nothing in the schedule that this could be done to */
bool mutate(struct axcc_schedule *s, enum mutation m, uint64_t *seed);

#endif /* AXON_LIBAXCC_TESTS_MUTATE_H */
