/* SPDX-License-Identifier: MIT */
/*
 * env.h - surroundings of a card for tests of its frame: bus, time, interrupts, page tables.
 *
 * The bus counts its mappings and refuses to take one back twice, so that a test which ends with
 * env_fini() has also shown that the card kept no mapping and returned each one as it got it.
 */
#ifndef AXON_MODEL_TESTS_ENV_H
#define AXON_MODEL_TESTS_ENV_H

#include "internal.h"

#define ENV_HBM_SIZE	(64ull << 20)
#define ENV_BUS_BASE	0x100000000ull
#define ENV_BUS_SIZE	(4ull << 20)
#define ENV_MAX_MAPS	8192

struct env_map {
	void *host;
	uint64_t len;
	bool write;
};

/**
 * struct env - a card and what surrounds it
 * @card: the card
 * @now: what now_ns() gives; grows by @step with every question
 * @irqs: interrupts by vector
 * @wakes: calls of wake()
 * @bus: host memory at ENV_BUS_BASE
 * @map_max: longest mapping the bus gives
 * @refuse: the bus refuses everything
 * @refuse_write: it refuses mappings for writing
 * @map: mappings not yet taken back
 * @maps: number of them
 * @maps_made: mappings ever made
 * @table_next: where the next page table is put in HBM
 */
struct env {
	struct axon_card *card;
	uint64_t now;
	uint64_t step;
	unsigned int irqs[AXON_NUM_VECTORS];
	_Atomic unsigned int wakes;
	uint8_t *bus;
	uint64_t map_max;
	bool refuse;
	bool refuse_write;
	struct env_map map[ENV_MAX_MAPS];
	unsigned int maps;
	unsigned int maps_made;
	uint64_t table_next;
};

struct env *env_init(uint32_t cores);
/* The same for a card in a fabric; zeroes no fakes. */
struct env *env_init_linked(uint32_t cores, struct axon_fabric *fabric, uint32_t place);
void env_fini(struct env *env);
extern const struct axon_card_ops env_ops;

/* An empty table in HBM. */
uint64_t env_table(struct env *env);
/* The entry for @va at @level (0 or 1), tables on the way are made. */
uint64_t *env_pte(struct env *env, uint64_t root, uint64_t va, int level);
/* Maps @size bytes page by page at @va to HBM offset or bus address @addr, with @bits. */
void env_map(struct env *env, uint64_t root, uint64_t va, uint64_t addr, uint64_t size,
	     uint64_t bits);

#define ENV_SYS		(AXON_PTE_TARGET_SYS << AXON_PTE_TARGET_SHIFT)
#define ENV_LINK	(AXON_PTE_TARGET_LINK << AXON_PTE_TARGET_SHIFT)
#define ENV_RW		(AXON_PTE_VALID | AXON_PTE_WRITE)

/* ---- fakes.c: cores and control core of paper ---- */

/**
 * struct fake_core - a core that runs what it is told to
 * @busy: a launch runs
 * @launch: the last one started
 * @starts: launches started
 * @aborts: launches aborted
 * @slices: calls of axon_core_run() that the next launch takes
 * @left: that the running one still takes
 * @refuse: axon_core_start() gives BAD_PROGRAM
 * @result: how launches end
 */
struct fake_core {
	bool busy;
	struct axon_launch launch;
	unsigned int starts;
	unsigned int aborts;
	unsigned int slices;
	unsigned int left;
	bool refuse;
	struct axon_launch_result result;
	struct axon_core_stats stats;
};

/**
 * struct fakes - what the fakes saw; zeroed by env_init()
 * @core: cores
 * @order: queues in the order their launches were started
 * @orders: number of them
 * @forgotten: address spaces given to axon_core_forget(), one bit each
 * @fault: last fault record
 * @faults: number of them
 * @boots: calls of axon_boot(), which sets READY
 * @ctrl_runs: calls of axon_ctrl_run()
 * @ctrl_deadline: what axon_ctrl_deadline() gives
 */
struct fakes {
	struct fake_core core[AXON_MAX_CORES];
	uint32_t order[64];
	unsigned int orders;
	uint64_t forgotten;
	struct axon_fault fault;
	unsigned int faults;
	unsigned int boots;
	unsigned int ctrl_runs;
	uint64_t ctrl_deadline;
};
extern struct fakes fakes;

/* ---- rings.c: a queue as its host sees it ---- */

/**
 * struct ring - host side of a queue
 * @env: its card
 * @p: parameters
 * @sq: commands
 * @cq: completions
 * @state: shared words
 * @tail: commands written
 * @head: completions read
 */
struct ring {
	struct env *env;
	struct axon_queue_params p;
	struct axon_cmd *sq;
	struct axon_cqe *cq;
	struct axon_qstate *state;
	uint32_t tail;
	uint32_t head;
};

#define RING_VA(id)	(0x10000000ull + (uint64_t)(id) * 0x10000)

/* Queue @id of @core, 16 entries, rings in HBM, in address space @asid (enabled if need be). */
void ring_init(struct ring *r, struct env *env, uint32_t id, uint32_t core, uint32_t asid);
/* Root table of an address space that ring_init() uses. */
uint64_t ring_root(struct env *env, uint32_t asid);
/* Writes a command; its seqno is the count of commands, its user_data 1000 more. */
void ring_put(struct ring *r, struct axon_cmd cmd);
/* Takes the next completion. Return: false if there is none. */
bool ring_get(struct ring *r, struct axon_cqe *cqe);

#endif /* AXON_MODEL_TESTS_ENV_H */
