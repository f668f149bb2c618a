/* SPDX-License-Identifier: MIT */
/*
 * verify_parts.h - how the verifier's files meet: verify.c runs the schedule, verify_clock.c knows
 * what happened before what, verify_memory.c what every byte holds and who touched it. Nobody else
 * may include it.
 */
#ifndef AXON_LIBAXCC_VERIFY_PARTS_H
#define AXON_LIBAXCC_VERIFY_PARTS_H

#include "verify.h"

/* ---- what happened before what ---- */

#define AXCC_NO_CHAIN	0xffffffffu

/**
 * struct axcc_clock - a moment, as what is known to have ended by then
 * @refs: users
 * @ended: of each chain (queue of a rank in use): transfers known to have ended
 */
struct axcc_clock {
	uint32_t refs;
	uint32_t ended[];
};

/** struct axcc_moment - the end of transfer number @number of @chain; 0: before everything */
struct axcc_moment {
	uint32_t chain;
	uint32_t number;
};

/**
 * struct axcc_sent - a post
 * @target: whose semaphore
 * @rank: who posts
 * @step: of that rank
 * @from: rank in whose memory the transfer's source lies; without a transfer 0
 * @to: same of its target
 * @inc: increment
 * @sum: increments so far of the same source of posts
 * @sem: semaphore
 * @queue: of the transfer, or 0xff without
 * @sent: it has been posted
 * @moment: the end of its transfer
 * @clock: what was known when it was issued; NULL: not posted yet, or not of use any more
 */
struct axcc_sent {
	uint16_t target;
	uint16_t rank;
	uint32_t step;
	uint16_t from;
	uint16_t to;
	uint16_t inc;
	uint8_t sem;
	uint8_t queue;
	bool sent;
	uint64_t sum;
	struct axcc_moment moment;
	struct axcc_clock *clock;
};

/**
 * struct axcc_source - posts to one semaphore that arrive in order
 * @first: first of them in &axcc_clocks.sent
 * @count: how many
 * @known: how many of them the waits so far vouch for
 */
struct axcc_source {
	uint32_t first;
	uint32_t count;
	uint32_t known;
};

/**
 * struct axcc_sem - a semaphore
 * @first: first of its sources
 * @count: how many
 * @total: sum of all its posts
 * @most: most that is waited for
 * @value: during the run
 */
struct axcc_sem {
	uint32_t first;
	uint32_t count;
	uint64_t total;
	uint64_t most;
	uint64_t value;
};

/**
 * struct axcc_clocks - time of a schedule
 * @s: the schedule
 * @chains: how many queues are in use; of a BARRIER the last ones are the ranks' starts
 * @chain: of each rank and queue, or AXCC_NO_CHAIN
 * @issued: transfers so far, of each chain
 * @stream: of each rank: what its sequencer knows
 * @sem: of each rank and semaphore
 * @sent: all posts, by target, semaphore and source
 * @num_sent: how many
 * @of_step: of each rank's first step: index into @posts
 * @posts: of each step: 1 + index into @sent of its post and of its done, 0 without
 * @source: all sources
 */
struct axcc_clocks {
	const struct axcc_schedule *s;
	uint32_t chains;
	uint32_t chain[AXCC_MAX_RANKS][AXCC_QUEUES];
	uint32_t *issued;
	struct axcc_clock *stream[AXCC_MAX_RANKS];
	struct axcc_sem (*sem)[AXCC_SEMAPHORES];
	struct axcc_sent *sent;
	uint32_t num_sent;
	uint32_t of_step[AXCC_MAX_RANKS];
	uint32_t (*posts)[2];
	struct axcc_source *source;
};

int axcc_clocks_init(struct axcc_clocks *c, const struct axcc_schedule *s);

/* axcc_clocks_met() - BARRIER: does @rank know at its end that @other has started? */
bool axcc_clocks_met(const struct axcc_clocks *c, uint32_t rank, uint32_t other);

void axcc_clocks_free(struct axcc_clocks *c);

/* axcc_clocks_wait() - @rank has waited for @sem to reach @value: what does that tell? */
int axcc_clocks_wait(struct axcc_clocks *c, uint32_t rank, uint32_t sem, uint32_t value);

/* axcc_clocks_post() - step @step of @rank has ended at @moment and posts */
void axcc_clocks_post(struct axcc_clocks *c, uint32_t rank, uint32_t step,
		      struct axcc_moment moment);

/* axcc_clocks_before() - is @m known to have passed, for what happens at @now with @clock known? */
static inline bool axcc_clocks_before(struct axcc_moment m, const struct axcc_clock *clock,
				      struct axcc_moment now)
{
	return !m.number || (m.chain == now.chain && m.number <= now.number) ||
		clock->ended[m.chain] >= m.number;
}

/* axcc_clocks_ended() - same, for the end of @rank: its own transfers have ended */
static inline bool axcc_clocks_ended(const struct axcc_clocks *c, uint32_t rank,
				     struct axcc_moment m,
				     const struct axcc_clock *clock)
{
	if (!m.number || clock->ended[m.chain] >= m.number)
		return true;
	for (uint32_t q = 0; q < AXCC_QUEUES; q++)
		if (c->chain[rank][q] == m.chain)
			return true;
	return false;
}

/* ---- what every byte holds ---- */

/** struct axcc_readers - who read a piece since it was written, the newest of each chain */
struct axcc_readers {
	uint32_t count;
	uint32_t room;
	struct axcc_moment by[];
};

/**
 * struct axcc_piece - bytes with one history, up to the next piece
 * @start: first byte
 * @value: node of what they hold, AXCC_NO_VALUE
 * @shift: they hold bytes @start + @shift .. of the ranks' SRC
 * @written: when
 * @readers: since then
 */
struct axcc_piece {
	uint64_t start;
	int64_t shift;
	uint32_t value;
	struct axcc_moment written;
	struct axcc_readers *readers;
};

#define AXCC_NO_VALUE	0xffffffffu

/** struct axcc_memory - a buffer, or SRC and DST together */
struct axcc_memory {
	uint64_t bytes;
	struct axcc_piece *piece;
	uint32_t count;
	uint32_t room;
};

/** struct axcc_values - nodes of reductions, equal ones only once */
struct axcc_values {
	struct axcc_order_node *node;
	uint32_t count;
	uint32_t room;
	uint32_t *seen;
	uint32_t slots;
};

/**
 * struct axcc_verify - a proof under way
 * @s: the schedule
 * @report: result
 * @clocks: time
 * @memory: of each rank: SRC (in place also DST), DST, TMP
 * @values: what bytes hold
 * @rank: the step that is looked at
 * @step: same
 */
struct axcc_verify {
	const struct axcc_schedule *s;
	struct axcc_report *report;
	struct axcc_clocks clocks;
	struct axcc_memory memory[AXCC_MAX_RANKS][AXCC_NUM_BUFS];
	struct axcc_values values;
	uint32_t rank;
	uint32_t step;
};

/* axcc_verify_fail() - writes the report; Return: -EINVAL */
int axcc_verify_fail(struct axcc_verify *v, enum axcc_defect defect, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

int axcc_memory_init(struct axcc_verify *v);
void axcc_memory_free(struct axcc_verify *v);

/* axcc_memory_bounds() - are the ends of a transfer where they may be? */
int axcc_memory_bounds(struct axcc_verify *v, const struct axcc_step *step);

/* axcc_memory_transfer() - carries it out, with @clock known at its start, as @now */
int axcc_memory_transfer(struct axcc_verify *v, const struct axcc_step *step,
			 const struct axcc_clock *clock, struct axcc_moment now);

/* axcc_memory_result() - after the run: is everything there, and everybody done? */
int axcc_memory_result(struct axcc_verify *v);

#endif /* AXON_LIBAXCC_VERIFY_PARTS_H */
