/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_reset.h - what happens when something hangs.
 */
#ifndef AXON_RESET_H
#define AXON_RESET_H

#include <linux/types.h>

struct axon_first;
struct axon_queue;

/**
 * enum axon_verdict - on a job whose timer expired
 * @AXON_VERDICT_INNOCENT: ask again later
 * @AXON_VERDICT_NUDGE: the card seems not to know of it: ring, ask again later
 * @AXON_VERDICT_ASK: its time is over if it waits for its gang, which only the firmware knows
 * @AXON_VERDICT_KILL: its time is over
 */
enum axon_verdict {
	AXON_VERDICT_INNOCENT,
	AXON_VERDICT_NUDGE,
	AXON_VERDICT_ASK,
	AXON_VERDICT_KILL,
};

enum axon_verdict axon_reset_judge(u32 occupant, u32 hwid, const struct axon_first *first,
				   s64 limit_ns);
void axon_reset_timeout(struct axon_queue *q);

#endif /* AXON_RESET_H */
