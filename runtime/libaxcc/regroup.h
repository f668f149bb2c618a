/* SPDX-License-Identifier: MIT */
/*
 * regroup.h - from the ranks of one communicator to another of some of them.
 */
#ifndef AXON_LIBAXCC_REGROUP_H
#define AXON_LIBAXCC_REGROUP_H

#include "meet.h"
#include "remote.h"

/**
 * struct cc_call_together - CC_WIRE_SHRINK: a rank wants a new communicator
 * @session: of the old one
 * @rank: its rank there
 * @count: members that it names, in their order; 0: all that are left
 * @lost: whom it has seen fail
 * @member: @count ranks of the old communicator
 */
struct cc_call_together {
	uint64_t session;
	uint32_t rank;
	uint32_t count;
	struct axcc_ranks lost;
	uint16_t member[AXCC_MAX_RANKS];
};

/**
 * struct cc_together - CC_WIRE_SHRUNK: the answer
 * @id: where the new ones meet
 * @blame: error 0: all is well
 * @count: how many they are
 * @member: ranks in the old communicator, in the order of the new ranks
 */
struct cc_together {
	struct cc_id id;
	struct cc_blame blame;
	uint32_t count;
	uint32_t reserved;
	uint16_t member[AXCC_MAX_RANKS];
};

/**
 * struct cc_gathering - ranks that want the same new communicator; guarded by cc_team.lock
 * @want: what they have said, with @lost of all of them; @rank: unused
 * @came: who has said so
 * @deadline_ns: by when all must have
 * @fd: several processes: to whom the answer goes, by rank
 * @into: one process: the new handles, by rank
 * @made: one process: the new members, by rank
 * @users: one process: who has still to look
 * @making: one process: somebody makes the team
 * @done: there is a result
 * @blame: error 0: it is a good one
 * @next: in cc_team.gatherings
 */
struct cc_gathering {
	struct cc_call_together want;
	struct axcc_ranks came;
	uint64_t deadline_ns;
	int fd[AXCC_MAX_RANKS];
	struct axcc_comm *into[AXCC_MAX_RANKS];
	struct cc_member *made[AXCC_MAX_RANKS];
	uint32_t users;
	bool making;
	bool done;
	struct cc_blame blame;
	struct cc_gathering *next;
};

/* For the control thread; the lock is held. Takes @fd, over which a rank asks, if it is true. */
bool cc_gather_ask(struct cc_team *team, int fd, const void *data, uint32_t length);
/* Concludes what is complete or overdue. Return: when to look again, or UINT64_MAX. */
uint64_t cc_gather_look(struct cc_team *team, uint64_t now_ns);
void cc_gather_free(struct cc_team *team);
/* Is an answer sound that a process of a communicator of @ranks sent? */
bool cc_together_check(struct cc_together *together, uint32_t ranks);

#endif /* AXON_LIBAXCC_REGROUP_H */
