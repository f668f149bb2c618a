/* SPDX-License-Identifier: MIT */
/*
 * schedule.h - a collective as data: what every rank's sequencer does, step by step.
 *
 * An algorithm makes a schedule, the verifier proves it, the cost model predicts its time, and the
 * lowering turns each rank's steps into instructions. A schedule holds offsets and ranks only: it
 * must never hold an address, a handle or anything of a card, so that the same one can be cached
 * and run on any buffers.
 *
 * What a step means
 * - A rank's steps are carried out by one in-order sequencer (AXON_ENGINE_CC). A step first waits,
 *   in order, until each semaphore of its wait list has at least the given value; a step that waits
 *   holds up all later steps of its rank.
 * - COPY and REDUCE then hand one transfer to DMA queue @queue of the rank (16 of them). The
 *   transfers of a queue run one after the other in the order of the steps: each starts when the
 *   one before has ended. Nothing orders queues against each other but semaphores.
 * - When a transfer has ended its data are where they belong; then it posts: @post to a semaphore
 *   of any rank (another rank's sees it a way's latency later), @done to one of its own. Who has
 *   waited for a post may touch what the transfer touched.
 * - NONE has no transfer: it waits, then posts.
 * - A REDUCE of several rows adds them to the same target one after the other, row 0 first.
 *
 * What may be relied on at the start: all ranks start together, their semaphores are 0, every SRC
 * is ready to be read and every DST and TMP to be written. Who composes schedules sees to the same
 * (a barrier between them, and the sums of the posts so far added to what is waited for).
 *
 * What must hold at the end, when a rank's last step and transfer have ended: nobody touches its
 * buffers any more, and its semaphores have got all their posts. So every semaphore that is posted
 * to is waited for, by its rank, to the sum of its posts.
 *
 * Semaphores only count up. Posts of one rank's sequencer to one semaphore arrive in order, and so
 * do those of one of its queues whose transfers have the same two ends; no others may be taken to.
 * So a wait for less than the sum of all posts is only good for a semaphore with a single such
 * source.
 *
 * Ends of a transfer never overlap. Ranks are those of the communicator; SRC and DST are what the
 * caller gave at that rank, TMP is @tmp_bytes there. A rank in @in_place has SRC and DST in the
 * same memory, as the operation has it (axcc_schedule_alias()).
 */
#ifndef AXON_LIBAXCC_SCHEDULE_H
#define AXON_LIBAXCC_SCHEDULE_H

#include "axcc/axcc.h"

#define AXCC_QUEUES		16u		/* DMA queues of a core */
#define AXCC_SEMAPHORES		256u		/* of a core; a schedule uses the first ones */
#define AXCC_MAX_STEPS		65536u		/* of a rank */
#define AXCC_MAX_TOTAL_STEPS	(4u << 20)	/* of all ranks */
#define AXCC_MAX_INSTS		(4 * AXCC_MAX_STEPS)	/* steps and waits of a rank */
#define AXCC_MAX_POST		65535u		/* increment of one post */
#define AXCC_MAX_ELEMENTS	0x7fffffffu	/* of a row of a transfer */

enum axcc_buffer {
	AXCC_BUF_SRC = 0,
	AXCC_BUF_DST = 1,
	AXCC_BUF_TMP = 2,
	AXCC_NUM_BUFS = 3,
};

enum axcc_step_kind {
	AXCC_STEP_NONE = 0,	/* waits and posts only */
	AXCC_STEP_COPY = 1,	/* dst = src */
	AXCC_STEP_REDUCE = 2,	/* dst = dst op src, op being the schedule's reduction */
};

/**
 * struct axcc_place - a place in some rank's memory
 * @offset: bytes into the buffer
 * @rank: whose
 * @buffer: an &enum axcc_buffer
 * @reserved: 0
 */
struct axcc_place {
	uint64_t offset;
	uint16_t rank;
	uint8_t buffer;
	uint8_t reserved[5];
};

/**
 * struct axcc_post - one post
 * @inc: what is added, at most AXCC_MAX_POST; 0: there is no post, the rest is 0
 * @rank: whose semaphore
 * @sem: which
 * @reserved: 0
 */
struct axcc_post {
	uint16_t inc;
	uint16_t rank;
	uint8_t sem;
	uint8_t reserved;
};

/**
 * struct axcc_wait - one wait: until semaphore @sem of the own rank is at least @value
 */
struct axcc_wait {
	uint32_t value;
	uint8_t sem;
	uint8_t reserved[3];
};

/**
 * struct axcc_step - one step of a rank
 * @src: first element read; COPY and REDUCE
 * @dst: first element written
 * @count: elements of a row, 1 .. AXCC_MAX_ELEMENTS; NONE: 0
 * @row_stride: bytes from a row of the source to the next, below 2^31; 0 with one row
 * @rows: of the source; COPY: 1; NONE: 0
 * @first_wait: its waits are &axcc_rank_steps.waits[@first_wait] and the @num_waits - 1 after it
 * @num_waits: 0: starts after the step before
 * @kind: an &enum axcc_step_kind
 * @queue: of COPY and REDUCE, below AXCC_QUEUES; NONE: 0
 * @post: at the end
 * @done: at the end; @done.rank is the own rank
 */
struct axcc_step {
	struct axcc_place src;
	struct axcc_place dst;
	uint64_t count;
	uint32_t row_stride;
	uint32_t rows;
	uint32_t first_wait;
	uint16_t num_waits;
	uint8_t kind;
	uint8_t queue;
	struct axcc_post post;
	struct axcc_post done;
};

/**
 * struct axcc_rank_steps - what one rank does
 * @steps: in order
 * @waits: of all steps
 * @num_steps: at most AXCC_MAX_STEPS
 * @num_waits: with @num_steps at most AXCC_MAX_INSTS
 * @room_steps: allocated
 * @room_waits: allocated
 */
struct axcc_rank_steps {
	struct axcc_step *steps;
	struct axcc_wait *waits;
	uint32_t num_steps;
	uint32_t num_waits;
	uint32_t room_steps;
	uint32_t room_waits;
};

/** struct axcc_ranks - a set of ranks */
struct axcc_ranks {
	uint64_t bits[AXCC_MAX_RANKS / 64];
};

static inline bool axcc_ranks_has(const struct axcc_ranks *set, uint32_t rank)
{
	return set->bits[rank / 64] >> (rank % 64) & 1;
}

static inline void axcc_ranks_add(struct axcc_ranks *set, uint32_t rank)
{
	set->bits[rank / 64] |= 1ull << (rank % 64);
}

/**
 * struct axcc_request - an operation for which a schedule is wanted
 * @coll: SEND and RECV are the same schedule: rank 0 of two sends, rank 1 receives
 * @reduction: of those that reduce, else 0
 * @dtype: an &enum axon_dtype
 * @ranks: 1 .. AXCC_MAX_RANKS
 * @root: of BROADCAST and REDUCE, else 0
 * @count: elements, as &struct axcc_stage has it; 0 for BARRIER
 * @in_place: ranks whose DST is their SRC, by the conventions of axcc.h
 * @targets: of PERMUTE: @ranks of them
 */
struct axcc_request {
	enum axcc_coll coll;
	enum axcc_reduction reduction;
	uint32_t dtype;
	uint32_t ranks;
	uint32_t root;
	uint64_t count;
	struct axcc_ranks in_place;
	const uint32_t *targets;
};

#define AXCC_ORDER_LEAF		0xffffffffu

/**
 * struct axcc_order_node - how an element of a result comes about
 * @left: node that is the target of the reduction, or AXCC_ORDER_LEAF
 * @right: node that is its source; of a leaf: the rank whose contribution it is
 */
struct axcc_order_node {
	uint32_t left;
	uint32_t right;
};

/**
 * struct axcc_order_range - elements that come about in the same way
 * @first: first element, counted in the SRC of a rank
 * @count: how many
 * @node: how
 */
struct axcc_order_range {
	uint64_t first;
	uint64_t count;
	uint32_t node;
};

/**
 * struct axcc_order - the order of reduction, as the algorithm's documentation has it
 * @nodes: a node comes after those it names
 * @ranges: all elements, in order
 *
 * Empty for operations that do not reduce.
 */
struct axcc_order {
	struct axcc_order_node *nodes;
	struct axcc_order_range *ranges;
	uint32_t num_nodes;
	uint32_t num_ranges;
	uint32_t room_nodes;
	uint32_t room_ranges;
};

/**
 * struct axcc_schedule - a collective as data
 * @req: what it does; @req.targets is the schedule's own copy
 * @elem_size: bytes of an element
 * @algorithm: name of the algorithm that made it
 * @tmp_bytes: of TMP, at each rank
 * @semaphores: of a core that are used: 0 .. @semaphores - 1
 * @order: in which elements are reduced; the verifier holds the steps to it
 * @rank: @req.ranks of them
 */
struct axcc_schedule {
	struct axcc_request req;
	uint32_t elem_size;
	const char *algorithm;
	uint64_t tmp_bytes;
	uint32_t semaphores;
	struct axcc_order order;
	struct axcc_rank_steps *rank;
};

/** axcc_schedule_free() - NULL does nothing */
void axcc_schedule_free(struct axcc_schedule *schedule);

/**
 * axcc_schedule_bytes() - size of SRC and DST of @rank, 0 for one that the operation does not use
 */
void axcc_schedule_bytes(const struct axcc_request *req, uint32_t rank, uint64_t *src,
			 uint64_t *dst);

/**
 * axcc_schedule_alias() - where SRC and DST of a rank in &axcc_request.in_place meet
 * @src_at: SRC starts at this byte of their common memory
 * @dst_at: DST starts at this byte
 */
void axcc_schedule_alias(const struct axcc_request *req, uint32_t rank, uint64_t *src_at,
			 uint64_t *dst_at);

#endif /* AXON_LIBAXCC_SCHEDULE_H */
