/* SPDX-License-Identifier: MIT */
/*
 * core.h - what the files that execute a launch share: core.c, engine_*.c, dma.c, cost.c.
 * Not for the rest of the model, which knows only the prototypes of internal.h.
 *
 * Everything runs on the card thread. A launch is a set of actors (5 engines, 16 DMA queues), each
 * with a clock; core.c lets the one with the earliest clock take its next step.
 */
#ifndef AXON_MODEL_CORE_H
#define AXON_MODEL_CORE_H

#include "axon_timing.h"
#include "internal.h"
#include "math_ops.h"

/*
 * Distance of partitions in the host's memory. An odd number of cache lines spreads a walk over the
 * partitions (every operand of a matmul is one) over all sets of L1; 33 lines more than a power of
 * two keep 2 KiB of every partition, the widest tile of a matmul, apart in the sets of L2.
 */
#define AXON_SBUF_PITCH		(AXON_SBUF_PART_BYTES + 33 * 64u)
#define AXON_PSUM_PITCH		(AXON_PSUM_PART_BYTES + 33 * 64u)
#define AXON_SBUF_BYTES		((size_t)AXON_PARTITIONS * AXON_SBUF_PITCH)
#define AXON_PSUM_BYTES		((size_t)AXON_PARTITIONS * AXON_PSUM_PITCH)

#define AXON_DMAQ_DEPTH		AXON_DMA_QUEUE_DEPTH
#define AXON_NEVER		UINT64_MAX

/* Bytes of code or memory asked of the MMU at once. */
#define AXON_WINDOW		65536u

/* Elements a kernel works on before they leave L1. */
#define AXON_CHUNK		1024u

enum axon_seq_state {
	AXON_SEQ_OFF = 0,	/* has no stream or has halted */
	AXON_SEQ_READY = 1,	/* its next step is due at its clock */
	AXON_SEQ_WAIT_SEM = 2,	/* blocked by inst.wait_sem */
	AXON_SEQ_WAIT_DMA = 3,	/* the DMA queue inst.op0 is full */
};

/**
 * struct axon_window - a piece of virtual memory the MMU has shown
 * @va: first byte
 * @len: bytes; 0: nothing. Valid during one axon_core_run() only
 * @ptr: where they are
 */
struct axon_window {
	uint64_t va;
	uint64_t len;
	uint8_t *ptr;
};

/**
 * struct axon_seq - an engine's sequencer
 * @clock: time of its next step
 * @pc: index of @inst
 * @count: instructions in the stream
 * @code: virtual address of the stream
 * @win: code the MMU has shown
 * @state: an &enum axon_seq_state
 * @fetched: @inst is the instruction at @pc, its header has been checked
 * @waited: and its wait is over
 * @halted: HALT has been executed; only its post is left
 * @post_op: post due at @clock, before anything else; AXON_POST_NONE: none
 * @post_sem: its semaphore
 * @post_val: its operand
 * @wanted: WAIT_SEM: the value waited for
 * @reg: registers
 * @inst: private copy of the instruction
 */
struct axon_seq {
	uint64_t clock;
	uint32_t pc;
	uint32_t count;
	uint64_t code;
	struct axon_window win;
	uint8_t state;
	bool fetched;
	bool waited;
	bool halted;
	uint8_t post_op;
	uint8_t post_sem;
	uint16_t post_val;
	uint32_t wanted;
	uint64_t reg[AXON_NUM_REGS];
	struct axon_inst inst;
};

/**
 * struct axon_transfer - an entry of a DMA queue
 * @desc: the descriptor (DMA), or the one being worked on (DMA_RING)
 * @ring: virtual address of the next descriptor (DMA_RING)
 * @left: descriptors not yet read
 * @issued: when the engine queued it
 * @pc: of the instruction
 * @opcode: of the instruction
 * @post_op: at the end
 * @post_sem: at the end
 * @post_val: at the end
 */
struct axon_transfer {
	struct axon_dma_desc desc;
	uint64_t ring;
	uint32_t left;
	uint64_t issued;
	uint32_t pc;
	uint8_t opcode;
	uint8_t post_op;
	uint8_t post_sem;
	uint16_t post_val;
};

/**
 * struct axon_dma_end - one end of a transfer
 * @mem: in memory, else on chip
 * @access: AXON_ACCESS_READ or _WRITE; @mem: READ_FAR or WRITE_FAR
 * @dtype: element type
 * @esz: its size
 * @base: virtual address (@mem) or host address of the first element
 * @step: bytes between neighbours; on chip those of the host
 * @peer: @mem: whose HBM @win shows, or AXON_NO_PEER; not set in a fabric of one place
 * @win: what the MMU has shown last; outlives the transfer, not an axon_core_run()
 */
struct axon_dma_end {
	bool mem;
	uint8_t access;
	uint8_t dtype;
	uint8_t esz;
	uint32_t peer;
	uint64_t base;
	int64_t step[4];
	struct axon_window win;
};

enum axon_dma_mode {
	AXON_DMA_MOVE = 0,	/* bytes as they are */
	AXON_DMA_FLOAT = 1,	/* through fp32 */
	AXON_DMA_INT = 2,	/* integers of one type, combined in it */
};

/**
 * struct axon_dma_job - a checked descriptor and how far it has got
 * @src: source
 * @dst: target
 * @idx: indices the MMU has shown
 * @count: axes that are left after merging, outermost first
 * @pos: position on each; on the innermost the elements done
 * @axes: number of axes, 1..4
 * @mode: an &enum axon_dma_mode
 * @op: an &enum axon_dma_op
 * @flags: AXON_DMA_F_*; with GATHER or SCATTER axis 0 is that of the rows
 * @stream: runs are that long that they go past the host's caches
 * @row_ready: @index holds the index of row pos[0]
 * @index: see @row_ready
 * @index_addr: virtual address of the indices
 * @index_bound: indices are below
 * @cycles: cost, known before the first byte moves
 * @use: what it takes of the links, on top of @cycles; not set in a fabric of one place
 */
struct axon_dma_job {
	struct axon_dma_end src;
	struct axon_dma_end dst;
	struct axon_window idx;
	uint64_t count[4];
	uint64_t pos[4];
	uint32_t axes;
	uint8_t mode;
	uint8_t op;
	uint8_t flags;
	bool stream;
	bool row_ready;
	uint32_t index;
	uint64_t index_addr;
	uint32_t index_bound;
	uint64_t cycles;
	struct axon_link_use use;
};

/**
 * struct axon_dmaq - a DMA queue
 * @clock: time of its next step; of an empty one the end of the last transfer
 * @end: @leaving: when the descriptor's transfer ends
 * @head: oldest entry
 * @count: entries
 * @active: @job is the oldest entry's (current) descriptor and unfinished
 * @leaving: its data have been moved, its post to another core leaves at @clock
 * @posting: the oldest entry has ended, its post is due at @clock
 * @job: work in progress; it may last over several axon_core_run()
 * @entry: ring of entries
 */
struct axon_dmaq {
	uint64_t clock;
	uint64_t end;
	uint32_t head;
	uint32_t count;
	bool active;
	bool leaving;
	bool posting;
	struct axon_dma_job job;
	struct axon_transfer entry[AXON_DMAQ_DEPTH];
};

/* Bytes of a space that may not be zero: partitions 0 .. parts - 1, bytes lo .. hi - 1. */
struct axon_dirty {
	uint32_t parts;
	uint32_t lo;
	uint32_t hi;
};

/**
 * struct axon_core - one core
 * @card: whose it is
 * @index: which one
 * @math: kernels
 * @mem: SBUF and PSUM as the host mapped them, for munmap()
 * @mem_size: its size
 * @space: SBUF and PSUM, partition pitch AXON_*_PITCH
 * @dirty: what has to be cleared for another context
 * @owner: asid of the context that used the core last
 * @owned: @owner is valid and its last launch, still in @launch, did not fail; else memory is
 *	cleared at the next start
 * @busy: a launch runs
 * @launch: it
 * @seq: engines
 * @dmaq: DMA queues
 * @dma_mask: DMA queues that are not empty
 * @dma_used: those that this launch has used: of the others there is nothing to reset
 * @due: clock of every engine that is READY, else AXON_NEVER: what the choice needs in one place
 * @dma_due: and the clocks of the DMA queues that are not empty
 * @dma_first: the one of them that is next, if any is not empty
 * @sem: semaphores
 * @now: latest clock that anything reached
 * @limit: with a gang: steps from this clock on need axon_gang_look()
 * @lines: when the card's links are free again, as far as this launch uses them
 * @profiled: profile records made
 * @flops: of this launch
 * @prof_win: piece of the profile buffer
 * @fault: why the launch ends; status OK while it runs
 * @load: host work since the clock was last looked at
 * @result_flops: @flops already in @stats
 * @stats: counters
 * @row: a whole row of one partition as fp32, for what cannot be done in chunks
 * @mm_a: packed stationary tile
 * @mm_b: packed moving tile
 * @mm_c: packed result
 */
struct axon_core {
	struct axon_card *card;
	uint32_t index;
	const struct axon_math *math;
	void *mem;
	size_t mem_size;
	uint8_t *space[2];
	struct axon_dirty dirty[2];
	uint32_t owner;
	bool owned;
	bool busy;
	struct axon_launch launch;
	struct axon_seq seq[AXON_NUM_STREAMS];
	struct axon_dmaq dmaq[AXON_NUM_DMA_QUEUES];
	uint32_t dma_mask;
	uint32_t dma_used;
	uint64_t due[AXON_NUM_STREAMS];
	uint64_t dma_due[AXON_NUM_DMA_QUEUES];
	uint32_t dma_first;
	uint32_t sem[AXON_NUM_SEMAPHORES];
	uint64_t now;
	uint64_t limit;
	struct axon_link_lines lines;
	uint32_t profiled;
	uint64_t flops;
	struct axon_window prof_win;
	struct axon_fault fault;
	uint32_t load;
	uint64_t result_flops;
	struct axon_core_stats stats;
	float *row;
	float *mm_a;
	float *mm_b;
	float *mm_c;
};

/* Row pitches of the packed tiles in elements: odd numbers of cache lines, as above. */
#define AXON_MM_LDA	144u
#define AXON_MM_LDB	528u
#define AXON_MM_LDC	528u

/**
 * struct axon_operand - a checked access pattern
 * @ptr: first element
 * @dtype: element type
 * @esz: its size
 * @nparts: partitions
 * @elems: elements in a partition
 * @space: AXON_SPACE_*
 * @pitch: bytes between partitions
 * @step: bytes between neighbours on each free axis
 * @count: elements on each free axis
 */
struct axon_operand {
	uint8_t *ptr;
	uint8_t dtype;
	uint8_t esz;
	uint8_t space;
	uint16_t nparts;
	uint32_t elems;
	ptrdiff_t pitch;
	int32_t step[4];
	uint32_t count[4];
};

/* How an executed instruction went on. */
struct axon_step {
	uint64_t cycles;	/* until the engine is free and the post is due */
	uint32_t load;		/* host work, in units of a small instruction */
};

/* core.c */
/*
 * Makes @w show the byte at @va and as many after it as the MMU gives, up to @want. What @w showed
 * before is kept if @va lies in it.
 */
enum axon_status axon_window_get(struct axon_core *c, struct axon_window *w, uint64_t va,
				 uint64_t want, unsigned int access);
/* For tests: the kernels to use from the next instruction on. */
void axon_core_set_math(struct axon_card *card, uint32_t index, const struct axon_math *math);
/* Queues a transfer of @s's instruction; there is room. @desc: DMA; NULL: DMA_RING from @ring. */
void axon_core_queue_dma(struct axon_core *c, struct axon_seq *s, const struct axon_dma_desc *desc,
			 uint64_t ring, uint32_t count);

/* Is @rank a member of the launch's gang? */
bool axon_core_has_rank(const struct axon_core *c, uint64_t rank);
/*
 * Sends a post to member @rank, which is one, to arrive at @when. Return: false: there are too many
 * on their way to it.
 */
bool axon_core_send(struct axon_core *c, uint32_t rank, unsigned int sem, unsigned int op,
		    uint32_t val, uint64_t when);

/* engine_decode.c */
extern const uint8_t axon_engine_esz[16];
/* Does @engine take @opcode at all? */
bool axon_opcode_known(unsigned int engine, unsigned int opcode);
/*
 * Checks every field that @inst's opcode does not use and applies the register patches. For
 * instructions with access patterns, DMA and control alike; operands are checked later.
 */
bool axon_inst_prepare(const struct axon_seq *s, struct axon_inst *inst);
/* Checks and turns @ap into @o. */
bool axon_operand_read(struct axon_core *c, const struct axon_ap *ap, struct axon_operand *o);
/* The same for an output: no broadcast; its bytes become dirty. */
bool axon_operand_write(struct axon_core *c, const struct axon_ap *ap, struct axon_operand *o);
/* Bytes @lo .. @hi - 1 of partitions below @parts may have been written. */
void axon_core_dirty(struct axon_core *c, unsigned int space, uint32_t parts, uint32_t lo,
		     uint32_t hi);

/* engine_*.c: execute; false: BAD_OPERAND */
bool axon_exec_tensor(struct axon_core *c, const struct axon_inst *inst, struct axon_step *step);
bool axon_exec_vector(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		      struct axon_step *step);
bool axon_exec_select(struct axon_core *c, unsigned int engine, const struct axon_inst *inst,
		      struct axon_step *step);

/* engine_ctl.c */
/* NOP .. DMA_RING; @next: pc after it; @addr: of a fault. The queue of a transfer has room. */
enum axon_status axon_exec_ctl(struct axon_core *c, struct axon_seq *s, struct axon_step *step,
			       uint32_t *next, uint64_t *addr);

/* dma.c */
enum axon_status axon_dma_prepare(struct axon_core *c, const struct axon_dma_desc *desc,
				  struct axon_dma_job *job);
/* Moves about @budget bytes. Return: OK with *@done, or a fault at *@addr. */
enum axon_status axon_dma_work(struct axon_core *c, struct axon_dma_job *job, uint64_t budget,
			       bool *done, uint64_t *addr);

/* cost.c: cycles of the reference clock */
uint64_t axon_cost_ctl(unsigned int opcode);
uint64_t axon_cost_matmul(uint32_t k, uint32_t m, uint32_t n, unsigned int dtype);
uint64_t axon_cost_transpose(uint32_t parts, uint32_t elems, unsigned int esz);
/* @passes: how often the elements go through the engine's lanes; @wide: step over 16 bytes */
uint64_t axon_cost_engine(unsigned int engine, uint64_t elems, unsigned int passes, bool wide);
uint64_t axon_cost_dma(uint64_t runs, uint64_t run_bytes);

#endif /* AXON_MODEL_CORE_H */
