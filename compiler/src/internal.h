/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of libaxc share; never installed.
 *
 * A program is recorded as a list of struct op in the order of the caller's calls ("program
 * order"), then finished in passes: use.c (which engine needs which register), sched.c (waits and
 * posts), layout.c (instruction streams), elf.c (the file).
 */
#ifndef AXC_INTERNAL_H
#define AXC_INTERNAL_H

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "axc/axc.h"
#include "axon_elf.h"

/*
 * Producers: whoever finishes things and has a counting semaphore: engines, then DMA queues, then
 * the collectives sequencer.
 */
#define NUM_PRODUCERS	(AXON_NUM_ENGINES + AXON_NUM_DMA_QUEUES + 1)
#define QUEUE_PRODUCER(q)	(AXON_NUM_ENGINES + (q))
#define CC_PRODUCER	(AXON_NUM_ENGINES + AXON_NUM_DMA_QUEUES)
/* Semaphore of a producer: its number plus one, so that 0 stays free for hand-written code. */
#define PRODUCER_SEM(prod)	((uint8_t)((prod) + 1))

/* What the collectives sequencer waits for, and the first that the loader's code may use. */
#define CC_TRIGGER_SEM	((uint8_t)(NUM_PRODUCERS + 1))
#define CC_FIRST_SEM	((uint8_t)(NUM_PRODUCERS + 2))

#define NEVER	INT32_MIN	/* "nothing to wait for" among relative counts */

#define MAX_LOOP_DEPTH	8
#define NO_REG		0xffu

enum op_kind {
	OP_INST,	/* an engine instruction */
	OP_DMA,
	OP_CC,		/* a collective: handed to the collectives sequencer by its engine */
	OP_REG,		/* definition of a struct axc_reg */
	OP_LOOP,
	OP_END,		/* of a loop */
};

/* Something whose order of use matters: a tile or a region of a tensor. */
struct access {
	struct axc_tile *tile;		/* or NULL */
	struct axc_tensor *tensor;	/* or NULL */
	uint32_t region;		/* of the tensor, or AXC_REGION_ALL */
	bool write;
};

#define MAX_ACCESS	5
#define MAX_RELOCS	3

struct wait {
	uint8_t producer;
	int32_t count;	/* relative, see sched.c */
};

/**
 * struct op - one recorded step
 * @inst: encoded but for registers, waits and posts
 * @patch: registers of inst.patch[]
 * @access: what it reads and writes
 * @reloc: field of @inst that wants the address of @reloc_tensor added, when finished
 * @reg: OP_REG: the value; OP_LOOP: the iteration number
 * @match: OP_LOOP, OP_END: the other one
 * @loop: index of the innermost OP_LOOP around it, or -1; of an OP_LOOP: of the one around that
 * @trips: OP_LOOP without @trips_reg
 * @engines: OP_LOOP: bit mask of the engines with instructions inside
 * @base_moves: OP_LOOP: by engine, bit mask of producers whose base it must move at the end
 * @has_dma: OP_LOOP: there are transfers inside
 * @silent: OP_LOOP: one engine, no DMA: posts once, at its end
 * @nop_post: OP_END of a silent loop: an extra instruction is needed for that post
 * @keep: OP_DMA: left out of launches that find its tile on chip
 * @loop_posts: OP_LOOP: posts of one iteration, by producer
 * @waits: first in &struct axc_program.waits
 */
struct op {
	uint8_t kind;
	uint8_t engine;
	uint8_t queue;
	uint8_t npatch;
	uint8_t naccess;
	uint8_t nrelocs;
	uint8_t nwaits;
	uint8_t engines;
	uint32_t base_moves[AXON_NUM_ENGINES];
	bool posts;
	bool has_dma;
	bool silent;
	bool nop_post;
	bool keep;
	struct axon_inst inst;
	struct axc_reg *patch[AXON_NUM_PATCHES];
	struct access access[MAX_ACCESS];
	uint16_t reloc[MAX_RELOCS];
	struct axc_tensor *reloc_tensor[MAX_RELOCS];
	struct axc_reg *reg;
	struct axc_reg *trips_reg;
	uint64_t trips;
	uint32_t match;
	int32_t loop;
	uint32_t *loop_posts;
	uint32_t waits;
};

struct axc_tile {
	struct axc_program *p;
	struct axc_tile *next;	/* all of the program */
	uint8_t space;
	uint8_t dtype;
	uint16_t parts;
	uint32_t elems;
	uint32_t offset;
	uint32_t bytes;		/* of a partition, rounded up */
	int32_t loop;		/* made in this loop, or -1 */
	bool freed;
	bool kept;		/* what is in it outlives the launch */
	uint32_t seg_first;	/* states it covers, set by sched.c */
	uint32_t seg_count;
};

enum tensor_kind { TENSOR_ARG, TENSOR_CONST, TENSOR_BSS };

struct axc_tensor {
	struct axc_program *p;
	struct axc_tensor *next;
	enum tensor_kind kind;
	enum axc_usage usage;
	uint8_t dtype;
	char name[256];
	unsigned int ndim;
	uint64_t shape[8];
	uint64_t size;
	uint8_t *data;		/* const */
	uint64_t offset;	/* in .const or .bss */
	uint32_t arg;		/* index in the argument block, set by elf_number_args() */
	uint32_t state;		/* first region's, set by sched.c */
	uint32_t nregions;
	struct axc_reg *addr;	/* TENSOR_ARG: its address */
};

enum reg_kind { REG_IMM, REG_LOAD, REG_OP, REG_OPI, REG_LOOP, REG_ARG };

struct axc_reg {
	struct axc_program *p;
	struct axc_reg *next;
	enum reg_kind kind;
	uint8_t op;
	uint8_t dtype;
	uint64_t imm;
	struct axc_reg *a, *b;
	struct axc_tensor *tensor;
	int32_t loop;		/* lives in this loop, or -1 */
	uint32_t def;		/* op */
	bool used[AXON_NUM_ENGINES];
	uint32_t last_use[AXON_NUM_ENGINES];
	uint8_t phys[AXON_NUM_ENGINES];
};

struct stream {
	struct axon_inst *inst;
	uint32_t n, cap;
	struct { uint32_t offset; struct axc_tensor *tensor; uint64_t addend; } *reloc;
	uint32_t nrelocs, reloc_cap;
};

/* A collective and where its data lie. */
struct cc {
	struct axon_elf_collective elf;	/* but for @send and @recv */
	struct axc_tensor *send, *recv;
	uint64_t send_offset, recv_offset;
};

struct axc_program {
	char name[64];
	int err;
	char errtext[256];
	bool finished;
	uint64_t flops;

	struct op *ops;
	uint32_t nops, ops_cap;
	int32_t loop;		/* innermost open OP_LOOP, or -1 */
	unsigned int loop_depth;

	struct axc_tensor *tensors, **tensors_tail;
	struct axc_tile *tiles;
	struct axc_reg *regs;
	uint32_t psum_next;	/* PSUM search starts here, so that banks take turns */
	uint8_t queue_owner[AXON_NUM_DMA_QUEUES];	/* engine + 1 */
	uint32_t queue_plain;	/* bit q: queue q had transfers that every launch makes */
	bool keeps;		/* there are tiles that outlive the launch */

	/* bases[c] bit p: engine c counts producer p relative to a register (sched.c) */
	uint32_t bases[AXON_NUM_ENGINES];
	struct wait *waits;
	uint32_t nwaits, waits_cap;
	struct stream stream[AXON_NUM_ENGINES];

	struct cc *ccs;		/* in program order */
	uint32_t nccs, ccs_cap;

	struct op_cache *cache;	/* constants shared by operators */
};

/* program.c */
void axc_fail(struct axc_program *p, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void *axc_zalloc(struct axc_program *p, size_t size);
bool axc_grow(struct axc_program *p, void *array, uint32_t *cap, uint32_t need, size_t elem);
struct op *axc_op_new(struct axc_program *p, enum op_kind kind);
bool axc_reg_usable(struct axc_program *p, const struct axc_reg *r, const char *what);

/* The passes of axc_program_finish(), in this order. 0 or -errno, also remembered in p. */
int schedule(struct axc_program *p);
int use_registers(struct axc_program *p);
int lay_out(struct axc_program *p);
int elf_write(struct axc_program *p, void **data, size_t *size);

/* What an op posts to when it has finished: an in-order queue, not the engine that feeds it. */
static inline unsigned int producer_of(const struct op *op)
{
	if (op->kind == OP_CC)
		return CC_PRODUCER;
	return op->kind == OP_DMA ? QUEUE_PRODUCER(op->queue) : op->engine;
}

/* Does @op stand in its engine's stream? */
static inline bool is_instruction(const struct op *op)
{
	return op->kind == OP_INST || op->kind == OP_DMA || op->kind == OP_CC;
}

/* dma.c */
int check_kept(struct axc_program *p);

/* elf.c */
void elf_number_args(struct axc_program *p);

/* ops_*.c */
void op_cache_free(struct axc_program *p);

#endif /* AXC_INTERNAL_H */
