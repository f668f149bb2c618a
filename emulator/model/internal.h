/* SPDX-License-Identifier: MIT */
/*
 * internal.h - how the files of the card model meet. Not for anybody outside this folder.
 *
 *   card.c   registers, reset, the slice loop (axon_card_run)
 *   boot.c   boot ROM: checks and loads the firmware image
 *   rv32.c   the control core's interpreter; knows nothing of the card
 *   ctrl.c   the control core's memory map and peripherals, fault FIFO, watchdog
 *   sensors.c  power, temperature, energy and error counters, as the peripherals show them
 *   fabric.c  the cards that are linked, ways between them, who is up
 *   fabric_parse.c  a fabric from text
 *   link.c   bytes and cycles of transfers over links
 *   gang.c   launches that run together: who joins, who may go on, posts between them
 *   mmu.c    page-table walks, TLB, DMA mappings, link pages
 *   queue.c  rings, commands, completions, choice of what runs on a core
 *   vector.c interrupts of queues and their moderation
 *   core.c   a launch: sequencers, semaphores, discrete-event order, registers
 *   engine_*.c, dma.c  what instructions and descriptors do
 *   math*.c  arithmetic, the same bits on every host
 *   cost.c   cycles of every instruction
 *
 * Everything here runs on the card thread except where a comment says "any thread".
 */
#ifndef AXON_MODEL_INTERNAL_H
#define AXON_MODEL_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "axon_card.h"
#include "axon_fw.h"
#include "axon_hw.h"
#include "axon_isa.h"
#include "axon_mbox.h"

struct axon_fabric;	/* fabric.c; a card's part of it is described in fabric.h */
struct axon_gang;	/* gang.c */
struct axon_peer;	/* fabric.c */
struct axon_mmu;	/* mmu.c */
struct axon_queues;	/* queue.c */
struct axon_vectors;	/* vector.c */
struct axon_core;	/* core.c */
struct axon_ctrl;	/* ctrl.c */

/**
 * struct axon_card - one card
 * @cfg: as created
 * @ops: as created
 * @opaque: for @ops
 * @hbm: HBM, cfg.hbm_size bytes
 * @hbm_own: @hbm was allocated by the card
 * @mbox: mailbox SRAM
 * @mbox_own: @mbox was allocated by the card
 * @fabric: cfg.fabric, or one of the card's own with one place
 * @peer: what the card did to others, by place
 * @mmu: translation
 * @queues: rings
 * @vectors: interrupts of queues
 * @core: cores, cfg.cores of them
 * @ctrl: control core
 * @boot_addr: AXON_REG_BOOT_ADDR (any thread, atomic)
 * @boot_size: AXON_REG_BOOT_SIZE (any thread, atomic)
 * @boot_request: AXON_BOOT_START was written (any thread, atomic)
 * @reset_request: AXON_RESET_CARD was written (any thread, atomic)
 * @stage: an &enum axon_boot_stage (written by the card thread, read by any)
 * @boot_error: an &enum axon_boot_error (same)
 * @int_status: AXON_INT_* (any thread, atomic)
 * @int_mask: AXON_INT_* (any thread, atomic)
 * @mbox_rung: the mailbox doorbell was rung (any thread, atomic)
 * @access_error: AXON_REG_ACCESS_ERROR (any thread, atomic)
 * @reset_count: resets since power-on
 * @timestamp_hi: latched by a read of AXON_REG_TIMESTAMP_LO
 * @msix_mod: AXON_REG_MSIX_MOD (any thread, atomic)
 * @rung: one bit a queue: its doorbell was written (any thread, atomic)
 * @more: the last axon_card_run() left something undone
 * @ctrl_next: now_ns() before which the control core need not be looked at
 * @ctrl_kick: unless this is set: it got a fault record or a knob (any thread, atomic)
 * @gang_kick: a launch of it that waits for others of its gang has to look (any thread, atomic)
 */
struct axon_card {
	struct axon_card_config cfg;
	struct axon_card_ops ops;
	void *opaque;
	uint8_t *hbm;
	uint8_t *mbox;
	bool hbm_own;
	bool mbox_own;
	struct axon_fabric *fabric;
	struct axon_peer *peer;
	struct axon_mmu *mmu;
	struct axon_queues *queues;
	struct axon_vectors *vectors;
	struct axon_core *core[AXON_MAX_CORES];
	struct axon_ctrl *ctrl;
	_Atomic uint64_t boot_addr;
	_Atomic uint32_t boot_size;
	_Atomic uint32_t boot_request;
	_Atomic uint32_t reset_request;
	_Atomic uint32_t stage;
	_Atomic uint32_t boot_error;
	_Atomic uint32_t int_status;
	_Atomic uint32_t int_mask;
	_Atomic uint32_t mbox_rung;
	_Atomic uint32_t access_error;
	_Atomic uint32_t reset_count;
	_Atomic uint32_t timestamp_hi;
	_Atomic uint32_t msix_mod[AXON_NUM_VECTORS];
	_Atomic uint64_t rung[AXON_MAX_QUEUES / 64];
	bool more;
	uint64_t ctrl_next;
	_Atomic uint32_t ctrl_kick;
	_Atomic uint32_t gang_kick;
};

void axon_card_log(struct axon_card *card, enum axon_card_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Sets causes in INT_STATUS and raises vector 0 for those the mask lets through. */
void axon_card_host_int(struct axon_card *card, uint32_t causes);

/* ---- mmu.c ---- */

#define AXON_ACCESS_READ	0u
#define AXON_ACCESS_WRITE	1u
#define AXON_ACCESS_EXEC	2u
/* The same for what may also lie behind a link. */
#define AXON_ACCESS_READ_FAR	3u
#define AXON_ACCESS_WRITE_FAR	4u
#define AXON_NUM_ACCESSES	5u

int axon_mmu_create(struct axon_card *card);	/* sets card->mmu; 0 or -ENOMEM */
void axon_mmu_destroy(struct axon_card *card);
void axon_mmu_reset(struct axon_card *card);	/* disables all, drops every mapping */
/* Between slices: drops all mappings of system memory; _trim() only if there are very many. */
void axon_mmu_drop_mappings(struct axon_card *card);
void axon_mmu_trim(struct axon_card *card);
/* Between slices: drops all translations, since those of link pages may be stale. */
void axon_mmu_drop_links(struct axon_card *card);
bool axon_mmu_enabled(struct axon_card *card, uint32_t asid);
/* Changes whenever pointers of the address space become invalid; @asid < AXON_MAX_ASIDS. */
uint64_t axon_mmu_generation(struct axon_card *card, uint32_t asid);
enum axon_p_result axon_mmu_enable(struct axon_card *card, uint32_t asid, uint64_t root);
enum axon_p_result axon_mmu_disable(struct axon_card *card, uint32_t asid);
enum axon_p_result axon_mmu_invalidate(struct axon_card *card, uint32_t asid);

/**
 * axon_mmu_translate() - a host pointer for a virtual address
 * @va: first byte
 * @len: in: bytes wanted, not 0; out: bytes contiguous at the result, 1..wanted
 * @access: AXON_ACCESS_*
 * @ptr: result. Valid until the next axon_mmu_invalidate(), _disable() or _reset(); these never
 *	happen while an instruction executes, but may between two calls of axon_core_run()
 *
 * Return: AXON_STATUS_OK or AXON_STATUS_FAULT_*.
 */
enum axon_status axon_mmu_translate(struct axon_card *card, uint32_t asid, uint64_t va,
				    uint64_t *len, unsigned int access, uint8_t **ptr);
/*
 * Whose HBM @va lies in, which has just been translated for @access (READ_FAR or WRITE_FAR): a
 * place of the fabric, or AXON_NO_PEER if it is no link page.
 */
uint32_t axon_mmu_peer(struct axon_card *card, uint32_t asid, uint64_t va, unsigned int access);
/* Copies across pages; @fault_va gets the address that failed. _copy(): @access says which way. */
enum axon_status axon_mmu_copy(struct axon_card *card, uint32_t asid, uint64_t va, void *buf,
			       uint64_t len, unsigned int access, uint64_t *fault_va);
enum axon_status axon_mmu_read(struct axon_card *card, uint32_t asid, uint64_t va, void *buf,
			       uint64_t len, uint64_t *fault_va);
enum axon_status axon_mmu_write(struct axon_card *card, uint32_t asid, uint64_t va,
				const void *buf, uint64_t len, uint64_t *fault_va);

/* ---- link.c ---- */

#define AXON_LINK_IN	0u
#define AXON_LINK_OUT	1u

/**
 * struct axon_link_lines - a core's view of its card's links during a launch
 * @free: by direction and neighbour: when the link is free again
 */
struct axon_link_lines {
	uint64_t free[2][AXON_MAX_PEERS];
};

/**
 * struct axon_link_use - what one transfer has taken of the links so far
 * @start: cycle from which it can use them
 * @peer: by direction: whom @bytes are for, or AXON_NO_PEER
 * @bytes: that have not yet taken a link
 * @free: when the last link it took is free again
 * @own: in place of lines for a transfer that is alone
 * @wrote: places written to, one bit each
 * @latency: by direction: the longest way's, in cycles
 */
struct axon_link_use {
	uint64_t start;
	uint32_t peer[2];
	uint64_t bytes[2];
	uint64_t free;
	uint64_t own[2];
	uint64_t wrote;
	uint32_t latency[2];
};

void axon_link_begin(struct axon_link_use *use);
/* @bytes were moved from (_IN) or to (_OUT) @peer's HBM. @lines: NULL: nobody else uses links. */
void axon_link_move(struct axon_card *card, struct axon_link_use *use,
		    struct axon_link_lines *lines, unsigned int dir, uint32_t peer, uint64_t bytes);
/* When all has arrived; @end: the transfer's end without links. */
uint64_t axon_link_end(const struct axon_card *card, struct axon_link_use *use,
		       struct axon_link_lines *lines, uint64_t end);

/* ---- core.c ---- */

/**
 * struct axon_launch - a program to run
 * @asid: address space of code and data
 * @queue: queue it came from
 * @program: checked by axon_core_start()
 * @gang: NULL, or what it is member program.rank of; the queue's, until the launch has ended
 * @args: for AXON_SREG_ARGS
 * @profile: virtual address of the profile buffer, or 0
 * @profile_count: records it holds
 */
struct axon_launch {
	uint32_t asid;
	uint32_t queue;
	struct axon_program program;
	struct axon_gang *gang;
	uint64_t args;
	uint64_t profile;
	uint32_t profile_count;
};

/**
 * struct axon_launch_result - how a launch ended
 * @fault: status, engine, opcode, pc, semaphore, address and peer are set; the rest is the queue's
 * @cycles: modelled duration
 * @profiled: profile records made
 */
struct axon_launch_result {
	struct axon_fault fault;
	uint64_t cycles;
	uint32_t profiled;
};

/* Counters of a core; written by the card thread, read by any. */
struct axon_core_stats {
	_Atomic uint32_t state;		/* enum axon_core_state */
	_Atomic uint32_t queue;		/* or AXON_NO_QUEUE */
	_Atomic uint64_t busy_ns;
	_Atomic uint64_t cycles;
	_Atomic uint64_t launches;
	_Atomic uint64_t flops;
};

int axon_core_create(struct axon_card *card, uint32_t index);	/* sets card->core[index] */
void axon_core_destroy(struct axon_card *card, uint32_t index);
struct axon_core_stats *axon_core_stats(struct axon_card *card, uint32_t index);
bool axon_core_busy(struct axon_card *card, uint32_t index);
/* OK, or why @p cannot be launched; its gang's name is not looked up. */
enum axon_status axon_core_check(const struct axon_program *p);
/* What a core did with its slice. */
enum axon_core_turn {
	AXON_CORE_MORE = 0,	/* there is more to do */
	AXON_CORE_ENDED = 1,	/* the launch ended */
	AXON_CORE_WAITS = 2,	/* for others of its gang; card->gang_kick says when it can go on */
};
/* Core must be idle. Return: OK (it runs now) or BAD_PROGRAM. */
enum axon_status axon_core_start(struct axon_card *card, uint32_t index,
				 const struct axon_launch *launch);
/**
 * axon_core_run() - execute instructions
 * @deadline_ns: stop at the first instruction boundary after this now_ns(); do not ask for the
 *	time more often than every some 16 instructions or after a heavy one
 *
 * Return: AXON_CORE_ENDED: @result is filled and the core is idle.
 */
enum axon_core_turn axon_core_run(struct axon_card *card, uint32_t index, uint64_t deadline_ns,
				  struct axon_launch_result *result);
/* Ends the running launch without a result; the next start clears what it left. */
void axon_core_abort(struct axon_card *card, uint32_t index);
/*
 * The address space @asid is gone: whoever gets its number next is another context and must not see
 * what this one left in SBUF and PSUM. mmu.c says so on disable and reset.
 */
void axon_core_forget(struct axon_card *card, uint32_t asid);

/* ---- queue.c ---- */

/* libaxon has functions of these names and is linked with this library. */
#define axon_queue_create	axon_hw_queue_create
#define axon_queue_destroy	axon_hw_queue_destroy

/* As written to the AXON_P_Q_* peripherals. */
struct axon_queue_params {
	uint32_t id, core, asid, ring_asid, entries, vector;
	uint64_t sq, cq, state;
};

int axon_queues_create(struct axon_card *card);
void axon_queues_destroy(struct axon_card *card);
void axon_queues_reset(struct axon_card *card);
enum axon_p_result axon_queue_create(struct axon_card *card, const struct axon_queue_params *p);
enum axon_p_result axon_queue_destroy(struct axon_card *card, uint32_t id);
bool axon_queues_use_asid(struct axon_card *card, uint32_t asid);
/*
 * Kill the launch of @queue on @core if it is the one that runs or waits for its gang, or the COPY
 * or FILL that a queue of that core has under way; the queue stops (KILLED).
 */
enum axon_p_result axon_queue_kill(struct axon_card *card, uint32_t core, uint32_t queue);
/* The same, but only a launch that waits for others to join its gang. */
enum axon_p_result axon_queue_kill_waiter(struct axon_card *card, uint32_t core, uint32_t queue);
/* Cards have come, gone or changed: gangs whose members do not reach each other any more break. */
void axon_queues_links_changed(struct axon_card *card);
/* An address space has new translations: who waits for a gang must still be able to name it. */
void axon_queues_invalidated(struct axon_card *card, uint32_t asid);
enum axon_p_result axon_core_reset_any(struct axon_card *card, uint32_t core);
/* Fetch, run, complete until @deadline_ns or idle. Return: true if there is more to do. */
bool axon_queues_run(struct axon_card *card, uint64_t deadline_ns);
/* As axon_card_prepare_sleep() for the rings. */
bool axon_queues_prepare_sleep(struct axon_card *card, uint64_t *deadline_ns);
/* As axon_card_waits_for(). */
uint32_t axon_queues_wait_for(struct axon_card *card);

/* ---- vector.c ---- */

int axon_vectors_create(struct axon_card *card);
void axon_vectors_destroy(struct axon_card *card);
void axon_vectors_reset(struct axon_card *card);
/* A completion was written on vector @v; @wanted: its reader asks for an interrupt. */
void axon_vector_completion(struct axon_card *card, uint32_t v, bool wanted);
/* Raises what was held back until @now. */
void axon_vectors_flush(struct axon_card *card, uint64_t now);
/* now_ns() by which to flush, UINT64_MAX if nothing is held back. */
uint64_t axon_vectors_deadline(const struct axon_card *card);
/* AXON_KNOB_DROP_IRQ; any thread. 0 or -EINVAL. */
int axon_vectors_drop(struct axon_card *card, int64_t count);

/* ---- ctrl.c, boot.c ---- */

int axon_ctrl_create(struct axon_card *card);
void axon_ctrl_destroy(struct axon_card *card);
void axon_ctrl_reset(struct axon_card *card);
/* The boot ROM: copies, checks, loads; sets stage and boot_error. */
void axon_boot(struct axon_card *card);
/* The control core is started at @entry. */
void axon_ctrl_start(struct axon_card *card, uint32_t entry);
uint8_t *axon_ctrl_ram(struct axon_card *card);
/* Up to @max instructions. Return: true if it wants to go on (it is not in WFI). */
bool axon_ctrl_run(struct axon_card *card, uint32_t max);
/* now_ns() of the next timer or watchdog, 0 if it can go on now, UINT64_MAX if never. */
uint64_t axon_ctrl_deadline(struct axon_card *card);
void axon_ctrl_push_fault(struct axon_card *card, const struct axon_fault *fault);
/* Any thread. Every knob but AXON_KNOB_DROP_IRQ; 0 or -EINVAL. */
int axon_ctrl_set(struct axon_card *card, enum axon_card_knob knob, int64_t value);

#endif /* AXON_MODEL_INTERNAL_H */
