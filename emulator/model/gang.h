/* SPDX-License-Identifier: MIT */
/*
 * gang.h - launches that run at the same time and post to each other: what gang.c gives to queue.c
 * (who joins, who may start, who is lost) and to core.c (how far a member may go, posts).
 * Not for anybody outside this folder.
 *
 * A gang is a conservative parallel simulation. Every member has a clock; nothing that it does at
 * clock c reaches member i before c + the latency of the way. So member i may take a step at c as
 * long as c < min(next of the others + latency to i), where "next" is the earliest clock at which
 * a member could do anything: of its engines, DMA queues and posts on their way to it. What it
 * finds then never depends on which thread runs which card, or how fast.
 */
#ifndef AXON_MODEL_GANG_H
#define AXON_MODEL_GANG_H

#include "fabric.h"

/* Posts under way to one member; a sender beyond that is refused. */
#define AXON_GANG_MAX_POSTS	65536u

struct axon_gang;

/**
 * struct axon_gang_post - a post on its way
 * @when: cycle of its arrival
 * @val: operand
 * @seq: counts what the sender has sent
 * @rank: sender
 * @sem: semaphore
 * @op: an &enum axon_post_op, not NONE
 */
struct axon_gang_post {
	uint64_t when;
	uint32_t val;
	uint32_t seq;
	uint16_t rank;
	uint8_t sem;
	uint8_t op;
};

/* What a member may do now. */
enum axon_gang_turn {
	AXON_GANG_GO,		/* steps below a limit */
	AXON_GANG_POST,		/* take a post that has arrived, then as GO */
	AXON_GANG_WAIT,		/* nothing, until its card is called */
	AXON_GANG_DEADLOCK,	/* end: every member waits for a semaphore */
	AXON_GANG_LOST,		/* end: another member is lost */
};

/* ---- for queue.c; card thread ---- */

/**
 * struct axon_gang_name - where a launch wants to join
 * @place: card whose HBM the name lies in
 * @offset: in that HBM
 * @rank: which member
 * @ranks: of how many
 */
struct axon_gang_name {
	uint32_t place;
	uint64_t offset;
	uint32_t rank;
	uint32_t ranks;
};

/**
 * axon_gang_join() - become a member
 * @core: the launch's core
 * @gang: the gang; it stays until axon_gang_leave()
 *
 * The last one to join completes the gang and calls the cards of all.
 *
 * Return: 0, -EINVAL (BAD_GANG), -ENOMEM.
 */
int axon_gang_join(struct axon_card *card, uint32_t core, const struct axon_gang_name *name,
		   struct axon_gang **gang);
/*
 * The end of a member; @gang must not be used by it any more. Not @ok: the gang breaks, the others
 * end with PEER_LOST.
 */
void axon_gang_leave(struct axon_gang *gang, uint32_t rank, bool ok);
/* The same, but only if the gang waits for others to join and is not broken. Return: it did. */
bool axon_gang_leave_forming(struct axon_gang *gang, uint32_t rank);
/* Does @name still lead there? */
bool axon_gang_is(const struct axon_gang *gang, const struct axon_gang_name *name);
/* From here on its clock counts. */
void axon_gang_start(struct axon_gang *gang, uint32_t rank);
/* Order in which gangs were completed, from 1; 0: not yet. Hold axon_gang_choose() around it. */
uint64_t axon_gang_ticket(const struct axon_gang *gang);
/*
 * Around the choice of the gang that gets a core: no gang is completed meanwhile, so no core can
 * prefer a later one to an earlier one that it has not seen, and gangs never wait in a circle.
 */
void axon_gang_choose_begin(struct axon_card *card);
void axon_gang_choose_end(struct axon_card *card);
/* 1 + the rank that was lost first, 0: none. */
uint32_t axon_gang_lost(const struct axon_gang *gang);
/* Breaks the gang if the card of a member is not up any more, unless all are on one card. */
void axon_gang_check(struct axon_gang *gang);
/*
 * 1 + the rank that member @rank waits for, 0 if it does not wait: the lowest that has not joined,
 * or, in a complete gang, of those that can go on the one whose clock is behind. @place: where that
 * one is, AXON_NO_PEER if the gang is not complete.
 */
uint32_t axon_gang_behind(struct axon_gang *gang, uint32_t rank, uint32_t *place);

/* ---- for core.c; card thread ---- */

/**
 * axon_gang_look() - tell the others how far this member is, and ask what it may do
 * @rank: this member
 * @clock: of its next step, AXON_NEVER if all its engines wait for semaphores
 * @limit: AXON_GANG_GO, _POST: steps below this clock are safe
 * @post: AXON_GANG_POST: the post, whose time is not behind @clock
 */
enum axon_gang_turn axon_gang_look(struct axon_gang *gang, uint32_t rank, uint64_t clock,
				   uint64_t *limit, struct axon_gang_post *post);
/* Another member waits for this one to be at @clock or further: look before the next step. */
bool axon_gang_wanted(const struct axon_gang *gang, uint32_t rank, uint64_t clock);
/* Cycles of the way from one member to another. */
uint32_t axon_gang_latency(const struct axon_gang *gang, uint32_t from, uint32_t to);
/* The card's place, for &struct axon_link_use.wrote. */
uint32_t axon_gang_place(const struct axon_gang *gang, uint32_t rank);
/*
 * Sends @post to member @to; its rank and seq are filled in. @post->when is at least the sender's
 * clock and the latency. The receiver's answer may arrive @post->when plus the latency of the way
 * back: the sender's limit is no later. Return: false if there are too many posts under way to that
 * member.
 */
bool axon_gang_send(struct axon_gang *gang, uint32_t from, uint32_t to,
		    const struct axon_gang_post *post);

/* ---- for fabric.c ---- */

void axon_gangs_free(struct axon_fabric *fabric);

#endif /* AXON_MODEL_GANG_H */
