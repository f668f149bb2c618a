/* SPDX-License-Identifier: MIT */
/*
 * build.h - how algorithms write schedules.
 *
 * An algorithm works on a group: some ranks and where each has its operands, so that one algorithm
 * can be a phase of another. Errors are remembered in &axcc_build.err and everything after them
 * does nothing, so that algorithms need not check. Only what stands here may change a schedule.
 */
#ifndef AXON_LIBAXCC_BUILD_H
#define AXON_LIBAXCC_BUILD_H

#include "algorithms.h"
#include "schedule.h"
#include "topology.h"

#define AXCC_CHUNK_BYTES	(256u << 10)	/* most bytes of a transfer, up to 64 MiB in all */
#define AXCC_PIECE_BYTES	(4u << 10)	/* splitting below this only costs */
#define AXCC_STAGING_BYTES	(16ull << 20)	/* most TMP of algorithms that keep whole inputs */

struct axcc_algorithm;

/**
 * struct axcc_build - a schedule in the making
 * @s: it
 * @algorithm: that is at work
 * @topo: where the ranks sit
 * @chunk: most bytes of a transfer
 * @sems: semaphores given out
 * @posted: posts so far, of each rank and semaphore
 * @waited: what the rank has waited for so far, of each semaphore
 * @adopted: of each rank: waits that belong to a step
 * @seen: nodes of the order by what they are, 1 + node or 0; a power of two of them
 * @num_seen: how many
 * @plan: what an algorithm keeps from building to order, freed with free()
 * @err: 0 or what went wrong first
 * @why: same in words, for -EOPNOTSUPP
 */
struct axcc_build {
	struct axcc_schedule *s;
	const struct axcc_algorithm *algorithm;
	const struct axcc_topology *topo;
	uint64_t chunk;
	uint32_t sems;
	uint32_t (*posted)[AXCC_SEMAPHORES];
	uint32_t (*waited)[AXCC_SEMAPHORES];
	uint32_t adopted[AXCC_MAX_RANKS];
	uint32_t *seen;
	uint32_t num_seen;
	void *plan;
	int err;
	char why[AXCC_WHY_BYTES];
};

/**
 * struct axcc_orders - members of a group in orders in which neighbours are near
 * @rings: how many rings
 * @ring: members in the order of each ring
 * @cube: members such that those whose places differ in one bit are near
 */
struct axcc_orders {
	uint32_t rings;
	uint16_t ring[AXCC_MAX_RINGS][AXCC_MAX_RANKS];
	uint16_t cube[AXCC_MAX_RANKS];
};

/**
 * struct axcc_group - ranks that do something together
 * @n: how many members
 * @root: member, of BROADCAST and REDUCE
 * @first: first element of ALL_REDUCE, BROADCAST and REDUCE
 * @count: how many elements; of ALL_TO_ALL those of a block
 * @lo: first element of a member's block; REDUCE_SCATTER and ALL_GATHER
 * @len: elements of the block
 * @in: where element 0 of a member's input is, or would be: offsets are modulo 2^64
 * @out: same of its output
 * @same: input and output are the same memory
 * @spoil: REDUCE_SCATTER: the input may be written to
 * @sems: most semaphores to take, for those who can do with fewer; 0: no limit
 * @orders: by where the members sit
 */
struct axcc_group {
	uint32_t n;
	uint32_t root;
	uint64_t first;
	uint64_t count;
	uint64_t lo[AXCC_MAX_RANKS];
	uint64_t len[AXCC_MAX_RANKS];
	struct axcc_place in[AXCC_MAX_RANKS];
	struct axcc_place out[AXCC_MAX_RANKS];
	bool same[AXCC_MAX_RANKS];
	bool spoil[AXCC_MAX_RANKS];
	uint32_t sems;
	struct axcc_orders orders;
};

/** axcc_group_rank() - rank of a member */
static inline uint32_t axcc_group_rank(const struct axcc_group *g, uint32_t member)
{
	return g->in[member].rank;
}

/** axcc_group_arrange() - sets &axcc_group.orders by where the members sit */
void axcc_group_arrange(struct axcc_group *g, const struct axcc_topology *topo);

/* ---- parts of a range ---- */

/** struct axcc_span - elements @lo .. @lo + @len - 1 */
struct axcc_span {
	uint64_t lo;
	uint64_t len;
};

/**
 * axcc_part() - part @i of @m of a range: whole 64 bytes but for the last, nearly equal
 */
struct axcc_span axcc_part(const struct axcc_build *b, struct axcc_span range, uint64_t i,
			   uint64_t m);

/** axcc_part_of() - which of @m parts element @e of the range is in */
uint64_t axcc_part_of(const struct axcc_build *b, struct axcc_span range, uint64_t e, uint64_t m);

/**
 * axcc_pieces() - into how many transfers @len elements are cut: such that none is longer than a
 * chunk and, if that needs no pieces below AXCC_PIECE_BYTES, @queues queues have the same to do
 */
uint32_t axcc_pieces(const struct axcc_build *b, uint64_t len, uint32_t queues);

/**
 * struct axcc_cut - how a block is cut that others push to, in rows, and that is then added up
 * @pieces: of a row, each pushed by one transfer
 * @parts: of a piece, each added up by one transfer; @pieces * @parts is at most AXCC_QUEUES
 */
struct axcc_cut {
	uint32_t pieces;
	uint32_t parts;
};

/**
 * axcc_staged_cut() - cut such that pushing takes least, and adding up takes least
 * @rows: pushed to the block, one by each of the others, who push as many themselves
 * @bytes: of the block
 *
 * A transfer more takes its sequencer's time, and makes all of them shorter. A queue gets no second
 * push, since that would wait for the way of the first.
 */
struct axcc_cut axcc_staged_cut(uint32_t rows, uint64_t bytes);

/* ---- resources ---- */

/** axcc_sems() - @n semaphores at all ranks; Return: the first */
uint32_t axcc_sems(struct axcc_build *b, uint32_t n);

/** axcc_tmp() - @bytes of TMP at all ranks; Return: the offset, a multiple of 64 */
uint64_t axcc_tmp(struct axcc_build *b, uint64_t bytes);

/** axcc_refuse() - the algorithm cannot do it; @why as printf() */
void axcc_refuse(struct axcc_build *b, const char *why, ...) __attribute__((format(printf, 2, 3)));

/* ---- steps ---- */

static inline struct axcc_place axcc_place(uint32_t rank, enum axcc_buffer buffer, uint64_t offset)
{
	return (struct axcc_place) { .offset = offset, .rank = (uint16_t)rank,
				     .buffer = (uint8_t)buffer };
}

/** axcc_at() - element @e, counted from @base */
static inline struct axcc_place axcc_at(const struct axcc_build *b, struct axcc_place base,
					uint64_t e)
{
	base.offset += e * b->s->elem_size;
	return base;
}

/**
 * axcc_step_wait() - the next step of @rank waits until @sem is @value; nothing if that is 0 or
 * known
 */
void axcc_step_wait(struct axcc_build *b, uint32_t rank, uint32_t sem, uint32_t value);

/** axcc_step_wait_posted() - axcc_step_wait() for all posts made so far */
void axcc_step_wait_posted(struct axcc_build *b, uint32_t rank, uint32_t sem);

/** axcc_step_copy() - @rank copies @count elements; Return: the step, NULL with nothing to copy */
struct axcc_step *axcc_step_copy(struct axcc_build *b, uint32_t rank, uint32_t queue,
			    struct axcc_place dst, struct axcc_place src, uint64_t count);

/** axcc_step_reduce() - @rank reduces @count elements from the source into the target */
struct axcc_step *axcc_step_reduce(struct axcc_build *b, uint32_t rank, uint32_t queue,
			      struct axcc_place dst, struct axcc_place src, uint64_t count);

/** axcc_step_reduce_rows() - same with @rows rows of the source, @stride bytes apart */
struct axcc_step *axcc_step_reduce_rows(struct axcc_build *b, uint32_t rank, uint32_t queue,
				   struct axcc_place dst, struct axcc_place src, uint64_t count,
				   uint32_t rows, uint64_t stride);

/** axcc_step_none() - a step of @rank that waits and posts only */
struct axcc_step *axcc_step_none(struct axcc_build *b, uint32_t rank);

/**
 * axcc_step_post() - @step, of rank @by, posts 1 to @sem of @rank at its end
 *
 * A step has one post to another rank and one to its own. The step may be NULL.
 */
void axcc_step_post(struct axcc_build *b, struct axcc_step *step, uint32_t by, uint32_t rank,
	       uint32_t sem);

/** axcc_step_flush() - what @rank has been told to wait for, it waits for now */
void axcc_step_flush(struct axcc_build *b, uint32_t rank);

/** axcc_step_sync() - no member goes on before all have come here; takes a semaphore */
void axcc_step_sync(struct axcc_build *b, const struct axcc_group *g);

/* ---- order of reduction ---- */

/** axcc_order_leaf() - the contribution of @rank; Return: node */
uint32_t axcc_order_leaf(struct axcc_build *b, uint32_t rank);

/** axcc_order_op() - @left = @left op @right; Return: node */
uint32_t axcc_order_op(struct axcc_build *b, uint32_t left, uint32_t right);

/** axcc_order_range() - elements @first .. come about as @node says; in order, without gaps */
void axcc_order_range(struct axcc_build *b, uint64_t first, uint64_t count, uint32_t node);

/* ---- algorithms ---- */

typedef void (*axcc_build_fn)(struct axcc_build *b, const struct axcc_group *g);

/** struct axcc_levels - of a hierarchy: what is done inside rows and between them */
struct axcc_levels {
	const struct axcc_algorithm *row;
	const struct axcc_algorithm *column;
};

/**
 * struct axcc_algorithm - one way to do operations
 * @name: family, or family.variant
 * @what: one line for axcc_explain()
 * @build: writes the steps, by &enum axcc_coll; NULL: it cannot
 * @order: node of element @e of the vector, given those of the members' inputs; *@end becomes the
 *	first element after @e for which it may differ
 * @levels: of a hierarchy
 */
struct axcc_algorithm {
	const char *name;
	const char *what;
	axcc_build_fn build[AXCC_NUM_COLLS];
	uint32_t (*order)(struct axcc_build *b, const struct axcc_group *g, enum axcc_coll coll,
			  uint64_t e, const uint32_t *leaf, uint64_t *end);
	const struct axcc_levels *levels;
};

extern const struct axcc_algorithm axcc_algo_single;
extern const struct axcc_algorithm axcc_algo_mesh;
extern const struct axcc_algorithm axcc_algo_mesh_fused;
extern const struct axcc_algorithm axcc_algo_mesh_staged;
extern const struct axcc_algorithm axcc_algo_ring;
extern const struct axcc_algorithm axcc_algo_rhd;
extern const struct axcc_algorithm axcc_algo_rhd_direct;
extern const struct axcc_algorithm axcc_algo_rhd_staged;
extern const struct axcc_algorithm axcc_algo_direct;
extern const struct axcc_algorithm axcc_algo_hier_mesh;
extern const struct axcc_algorithm axcc_algo_hier_ring;
extern const struct axcc_algorithm axcc_algo_hier_mesh_ring;
extern const struct axcc_algorithm axcc_algo_hier_mesh_rhd;
extern const struct axcc_algorithm axcc_algo_hier_barrier;

#endif /* AXON_LIBAXCC_BUILD_H */
