/* SPDX-License-Identifier: MIT */
/*
 * soft.h - how the files of the soft card meet.
 *
 * The soft card is emulator/model in this process with a small driver above it, which does for one
 * process what axon.ko does for all: memory, page tables, queues, timeouts.
 *
 *   transport_soft.c  libaxon's operations
 *   soft_card.c       the card: making, booting, mailbox, who runs it, reset
 *   soft_mem.c        HBM, bus addresses, page tables
 *   soft_share.c      buffers that pass between cards, as file descriptors
 *   soft_fabric.c     the fabric that joins the cards of the process
 *   soft_all.c        what the soft cards of the process share
 *   soft_queue.c      rings, completions, failures, timeouts
 *   soft_wait.c       waiting for a job: running the card, and the others of a gang
 *
 * Threads. The model must be run by one thread at a time. A waiter runs the card itself until its
 * job has ended (no hand-over, no system call); a helper thread runs it when nobody waits. Whoever
 * runs it for jobs is "the runner" (soft_card.runner); others wait for news from it. A waiter
 * whose job is a member of a gang and cannot go on becomes the runner of other cards that can, one
 * after the other (soft_wait.c), so that one thread can drive all ranks. If that takes long, it
 * asks others for help.
 *
 * Locks, outer to inner:
 *   soft_card.gate   a queue for run, so that a runner cannot starve others; held only while
 *                    taking run
 *   soft_card.run    the model's card-thread calls, memory, page tables, list of queues, mailbox
 *   soft_queue.lock  submission: the ring's tail, jobs held back
 *   soft_card.sleep  sleeping and waking; nothing is called with it held
 *   soft_all.lock    what all cards share; taken for moments, no other lock of ours with it
 *
 * Nobody takes the run lock of a card while holding that of another.
 */
#ifndef AXON_LIBAXON_SOFT_H
#define AXON_LIBAXON_SOFT_H

#include <pthread.h>

#include "axon_card.h"
#include "axon_hw.h"
#include "axon_mbox.h"
#include "internal.h"

struct soft_card;

/* ---- soft_mem.c ---- */

/* A piece of a soft_space in use. */
struct soft_extent {
	uint64_t addr;
	uint64_t size;
	void *owner;
};

/**
 * struct soft_space - an allocator of addresses; guarded by soft_card.run
 * @start: first address
 * @end: first one beyond
 * @used: sorted by address
 * @count: of @used
 * @room: of @used
 * @bytes: sum of @used
 */
struct soft_space {
	uint64_t start;
	uint64_t end;
	struct soft_extent *used;
	size_t count;
	size_t room;
	uint64_t bytes;
};

/**
 * struct soft_pages - host memory, which may be a buffer of several cards
 * @refs: those buffers
 */
struct soft_pages {
	atomic_uint refs;
	uint8_t *ptr;
	uint64_t size;
};

struct soft_share;

/**
 * struct soft_bo - a buffer
 * @refs: its handles, every mapping of it, and @share (guarded by soft_card.run)
 * @handle: number for drm_axon_bo_info
 * @vm: only address space it may be bound in, or NULL
 * @ptr: its memory
 * @addr: offset in HBM, of this card or the peer, or bus address
 * @pages: HOST: its memory
 * @peer: LINK: place of the card whose memory it is
 * @cut: LINK: that card is gone (guarded by soft_card.run)
 * @share: what it was exported as, or NULL (guarded by soft_card.run)
 * @from: the other card's share it was made of, which it holds; or NULL
 * @next: with @from: in soft_card.imports
 */
struct soft_bo {
	struct axon_bo base;
	unsigned int refs;
	uint32_t handle;
	struct axon_vm *vm;
	uint8_t *ptr;
	uint64_t addr;
	struct soft_pages *pages;
	uint32_t peer;
	bool cut;
	struct soft_share *share;
	struct soft_share *from;
	struct soft_bo *next;
};

struct soft_mapping {
	uint64_t addr;
	uint64_t size;
	uint64_t bo_offset;
	struct soft_bo *bo;
	uint32_t flags;
};

/**
 * struct soft_vm - an address space; guarded by soft_card.run
 * @asid: its number on the card
 * @root: HBM offset of its root table
 * @map: sorted by address
 * @count: of @map
 * @room: of @map
 * @next: in soft_card.vms
 */
struct soft_vm {
	struct axon_vm base;
	uint32_t asid;
	uint64_t root;
	struct soft_mapping *map;
	size_t count;
	size_t room;
	struct soft_vm *next;
};

int soft_mem_init(struct soft_card *card, uint64_t hbm_size);
void soft_mem_exit(struct soft_card *card);
int soft_hbm_alloc(struct soft_card *card, uint64_t size, void *owner, uint64_t *addr);
void soft_hbm_free(struct soft_card *card, uint64_t addr);
uint64_t soft_hbm_used(struct soft_card *card, uint64_t start, uint64_t end);
/* The model's view of host memory; @card is a struct soft_card. */
void *soft_dma_map(void *card, uint64_t addr, uint64_t *len, bool write);
void soft_dma_unmap(void *card, void *host, uint64_t len, bool write);
int soft_bo_new(struct soft_card *card, uint64_t size, uint32_t region, struct soft_bo *bo);
void soft_pages_put(struct soft_pages *pages);
/* A buffer of @card in host memory that exists already; takes a reference of it. */
int soft_bo_wrap(struct soft_card *card, struct soft_pages *pages, struct soft_bo *bo);
void soft_bo_put(struct soft_card *card, struct soft_bo *bo);
/* The memory of a LINK buffer goes: its mappings lead nowhere from now on. */
int soft_bo_cut(struct soft_card *card, struct soft_bo *bo);
int soft_vm_init(struct soft_card *card, struct soft_vm *vm);
void soft_vm_exit(struct soft_card *card, struct soft_vm *vm);
/* Changes tables and the list of mappings; invalidating is the caller's. */
int soft_vm_change(struct soft_card *card, struct soft_vm *vm, const struct axon_bind *op);

/* ---- soft_all.c ---- */

struct soft_token;

/**
 * struct soft_place - a place of the fabric
 * @card: who is there and open; NULL: nobody, or he is on his way in or out
 * @pins: threads that use @card; it waits for them before it goes
 */
struct soft_place {
	struct soft_card *_Atomic card;
	atomic_uint pins;
};

/* What every thread of a gang looks at, so on a line of its own. */
struct soft_calls {
	/* Bit set: the card in that place can go on, and has not begun a slice since (atomic). */
	_Alignas(64) _Atomic uint64_t called;
	/* Threads that look after all that is called, so that no sleeper need be woken (atomic). */
	_Alignas(64) atomic_uint drivers;
	/* Threads that look at @called instead of sleeping (atomic), and how many may. */
	atomic_uint spinners;
	unsigned int max_spinners;
	/* Waiters whose jobs are heavy (atomic): a helper that is awake takes cards from them. */
	atomic_uint heavy;
	/* Helpers that were asked to take cards from busy threads (atomic), and how many may. */
	atomic_uint helpers;
	unsigned int max_helpers;
};

extern struct soft_calls soft_calls;

/**
 * struct soft_all - what the soft cards of the process share; with soft_calls the library's
 *	only global state
 *
 * A process that fork() made starts with an empty one.
 *
 * @lock: guards the rest, but for @place
 * @unpinned: some place lost its last pin while its card is going
 * @nonce: random, so that descriptors of other processes are known as such
 * @last_token: number of the newest descriptor
 * @shares: buffers that were exported
 * @tokens: descriptors that stand for them
 * @fabric: of the cards, while there are any in it
 * @places: of @fabric
 * @taken: bit set: a card has the place
 * @place: see above (atomic)
 */
struct soft_all {
	pthread_mutex_t lock;
	pthread_cond_t unpinned;
	uint64_t nonce;
	uint64_t last_token;
	struct soft_share *shares;
	struct soft_token *tokens;
	struct axon_fabric *fabric;
	uint32_t places;
	uint64_t taken;
	struct soft_place place[AXON_MAX_PEERS];
};

struct soft_all *soft_all_lock(void);
void soft_all_unlock(struct soft_all *all);
struct soft_place *soft_all_places(void);

/* ---- soft_fabric.c ---- */

/* Gives a card that is being opened its place in the fabric, or none. No card is locked. */
int soft_fabric_join(struct soft_card *card);
/* From now on others can pin it. */
void soft_fabric_show(struct soft_card *card);
/* Nobody pins it any more. No card is locked. */
void soft_fabric_hide(struct soft_card *card);
/* Its place can be another's; the model's card is gone. */
void soft_fabric_leave(struct soft_card *card);
/*
 * The card in another place of the fabric, which stays until soft_unpin(). Not for long, and never
 * while waiting for anything but that card's lock: who closes it waits.
 */
struct soft_card *soft_pin(struct soft_card *card, uint32_t place);
void soft_unpin(uint32_t place);

/* ---- soft_share.c ---- */

/* Gives up what nobody has a descriptor of any more, of every card. No card is locked. */
void soft_share_sweep(void);
/* As axon_bo_import(); takes the card's lock. */
int soft_share_import(struct soft_card *card, int fd, struct soft_bo **bo);
/* As axon_bo_export(). soft_card.run is held, as by all that follow. */
int soft_share_export(struct soft_card *card, struct soft_bo *bo, int *fd);
/* A buffer that was imported goes. */
void soft_share_drop(struct soft_card *card, struct soft_bo *bo);
/* Takes back what this card exported and nobody uses any more: soft_card.returned was set. */
void soft_share_reap(struct soft_card *card);
/*
 * The card goes: what it exported cannot be imported any more, and other cards lose what they
 * imported. No card is locked.
 */
void soft_share_cut(struct soft_card *card);
/* It is gone, and nobody else can reach it: frees what it exported. */
void soft_share_card_gone(struct soft_card *card);

/* ---- soft_queue.c ---- */

/* A job that waits for other queues or for room in its ring. */
struct soft_held {
	struct axon_cmd cmd;
	struct axon_fence *waits;	/* allocated; queue is NULL once it needs no more waiting */
	uint32_t wait_count;
	struct soft_held *next;
};

/**
 * struct soft_queue - a queue
 * @lock: guards the members up to @live
 * @last: sequence number of the newest job accepted (atomic: read by waiters)
 * @tail: commands written to the ring
 * @held: jobs not in the ring yet, oldest first
 * @held_end: where the next one is linked
 * @live: the card serves it
 * @gang: a waiter found that its job waited for its gang; likely again (atomic)
 * @heavy: that took so long that others should have helped; likely again (atomic)
 * @reaped: completions taken from the ring (written by the runner, atomic)
 * @completed: every job up to this one has ended (written under run, atomic)
 * @fail_seqno: the first job that did not end well, or UINT64_MAX (same)
 * @fail_error: how that one ended (written before @fail_seqno)
 * @later_error: how those after it ended (same)
 * @sq: submission ring
 * @cq: completion ring
 * @state: shared words
 * @entries: of both rings
 * @id: of the hardware queue
 * @core: it feeds
 * @timeout_ns: for a job on its core
 * @mem: HBM offset of rings and words
 * @first: its oldest job when time limits were looked at, 0 none (guarded by run)
 * @first_ns: since when
 * @timed_out: the driver killed its running job (guarded by run)
 * @faulted: @fault is valid (guarded by run, as all that follows)
 * @fault: what the firmware said about the failed job
 * @last_status: of the newest completion
 * @last_profiled: same
 * @last_cycles: same
 * @total_cycles: same
 * @next: in soft_card.queues
 */
struct soft_queue {
	struct axon_queue base;
	pthread_mutex_t lock;
	_Atomic uint64_t last;
	uint32_t tail;
	struct soft_held *held;
	struct soft_held **held_end;
	bool live;
	atomic_bool gang;
	atomic_bool heavy;
	_Atomic uint32_t reaped;
	_Atomic uint64_t completed;
	_Atomic uint64_t fail_seqno;
	int fail_error;
	int later_error;
	struct axon_cmd *sq;
	struct axon_cqe *cq;
	struct axon_qstate *state;
	uint32_t entries;
	uint32_t id;
	uint32_t core;
	uint64_t timeout_ns;
	uint64_t mem;
	uint64_t first;
	uint64_t first_ns;
	bool timed_out;
	bool faulted;
	struct axon_fault fault;
	uint32_t last_status;
	uint32_t last_profiled;
	uint64_t last_cycles;
	uint64_t total_cycles;
	struct soft_queue *next;
};

/**
 * struct soft_ctx - a context
 * @error: 0, or what SUBMIT says since it is banned (atomic)
 * @state: for drm_axon_ctx_get_state (guarded by soft_card.run)
 */
struct soft_ctx {
	struct axon_context base;
	atomic_int error;
	struct drm_axon_ctx_get_state state;
};

int soft_queue_init(struct soft_card *card, struct soft_queue *queue,
		    const struct axon_queue_params *params);
/* Takes it from the card; what has not ended is cancelled. */
void soft_queue_end(struct soft_card *card, struct soft_queue *queue);
void soft_queue_exit(struct soft_card *card, struct soft_queue *queue);
int soft_queue_submit(struct soft_card *card, struct soft_queue *queue,
		      const struct drm_axon_job *jobs, uint32_t count,
		      const struct axon_fence *waits, uint32_t wait_count, uint64_t *seqno);
static inline bool soft_has_ended(struct soft_queue *q, uint64_t seqno)
{
	return atomic_load_explicit(&q->completed, memory_order_acquire) >= seqno;
}

/* Takes completions, lets held jobs go. Return: true if a job has ended. */
bool soft_queues_reap(struct soft_card *card);
bool soft_queues_busy(struct soft_card *card);
/* Ends jobs that have had their core for too long. */
void soft_queues_check_time(struct soft_card *card, uint64_t now_ns);
/* The card was reset: every queue is gone, every context banned. */
void soft_queues_card_reset(struct soft_card *card);

/* ---- soft_wait.c ---- */

/* What became of an attempt to go on. */
enum soft_step {
	SOFT_AGAIN,	/* the card can go on, or what was waited for has happened */
	SOFT_IDLE,	/* there is nothing to do */
	SOFT_OTHERS,	/* other threads run what has to be done first */
	SOFT_BUSY,	/* another thread runs the card */
};

/*
 * Runs other cards that can go on, until @card can or none can. No card is locked. Not for longer
 * than a millisecond or one slice.
 */
enum soft_step soft_run_gang(struct soft_card *card);
/* Runs this card and others as long as they can go on, for busy threads. By the card's helper. */
void soft_help(struct soft_card *card);
/* As axon_wait_until(). */
int soft_queue_wait(struct soft_card *card, struct soft_queue *queue, uint64_t seqno,
		    uint64_t deadline_ns);

/* ---- soft_card.c ---- */

/* What runs on a core, as last seen, and since when. */
struct soft_core_watch {
	uint32_t queue;
	uint64_t seqno;
	uint64_t since_ns;
};

/**
 * struct soft_card - the card in this process; its device
 * @model: the card
 * @hbm: its memory, @hbm_size bytes
 * @mbox: its mailbox
 * @fabric: the fabric it is in, or NULL
 * @place: in @fabric; AXON_NO_PEER: none
 * @cores: cores
 * @num_queues: hardware queues
 * @num_asids: address spaces
 * @gate: see above
 * @run: see above; guards the members up to @stolen_ns
 * @hbm_space: allocator of HBM
 * @bus_space: allocator of bus addresses of host memory
 * @kernel: address space 0, where rings lie
 * @vms: all others
 * @asids: bit set: taken
 * @queue_ids: same
 * @queues: all
 * @mbox_seq: of the last request
 * @next_handle: of the next buffer
 * @imports: buffers made of other cards' exports
 * @ctxs: contexts that exist
 * @resets: card resets
 * @wedged: reset did not bring it back (atomic: read by anybody)
 * @watch: per core
 * @last_run_ns: when the card last worked
 * @sleep_until_ns: by when it wants to run again, while it sleeps; else 0
 * @next_check_ns: when time limits are looked at again
 * @stolen_ns: time in which this process did not run, kept from the card's clock (atomic)
 * @returned: something exported came back, soft_share_reap() takes it (atomic)
 * @want: threads that wait for @run (atomic)
 * @runner: 1 while a thread runs the card for jobs (atomic)
 * @sleepers: threads that wait on @news (atomic)
 * @runs: times the card worked (atomic)
 * @jobs: jobs not ended (atomic)
 * @held: of these, jobs not in a ring yet (atomic)
 * @more: its last slice left something to do (written by the runner, atomic)
 * @kicked: the card has work (atomic)
 * @deep: the helper sleeps until it is kicked (atomic)
 * @help: the helper shall help (atomic)
 * @stop: the helper must end (atomic)
 * @sleep: guards @news_count; whoever changes what the helper sleeps for holds it
 * @news: a job has ended, the runner has left, the card has work
 * @news_count: how often
 * @kick: for the helper
 * @helper: the thread
 * @helper_on: it was started
 * @fw_version: of the firmware that runs
 * @fw_mbox_abi: same
 * @fw_version_str: same
 * @firmware: image
 * @firmware_size: its bytes
 * @firmware_own: to be freed, or NULL
 */
struct soft_card {
	struct axon_device base;
	struct axon_card *model;
	uint8_t *hbm;
	uint64_t hbm_size;
	struct axon_mbox *mbox;
	struct axon_fabric *fabric;
	uint32_t place;
	uint32_t cores;
	uint32_t num_queues;
	uint32_t num_asids;

	pthread_mutex_t gate;
	pthread_mutex_t run;
	struct soft_space hbm_space;
	struct soft_space bus_space;
	struct soft_vm kernel;
	struct soft_vm *vms;
	uint64_t asids;
	uint64_t queue_ids[AXON_MAX_QUEUES / 64];
	struct soft_queue *queues;
	uint32_t mbox_seq;
	uint32_t next_handle;
	struct soft_bo *imports;
	uint32_t ctxs;
	uint32_t resets;
	atomic_bool wedged;
	struct soft_core_watch watch[AXON_MAX_CORES];
	uint64_t last_run_ns;
	uint64_t sleep_until_ns;
	uint64_t next_check_ns;
	_Atomic uint64_t stolen_ns;

	atomic_bool returned;
	atomic_uint want;
	atomic_uint runner;
	atomic_uint sleepers;
	_Atomic uint64_t runs;
	_Atomic uint64_t jobs;
	_Atomic uint64_t held;

	atomic_bool more;
	atomic_bool kicked;
	atomic_bool deep;
	atomic_bool help;
	atomic_bool stop;

	pthread_mutex_t sleep;
	pthread_cond_t news;
	uint64_t news_count;
	pthread_cond_t kick;
	pthread_t helper;
	bool helper_on;

	uint32_t fw_version;
	uint32_t fw_mbox_abi;
	char fw_version_str[33];
	const uint8_t *firmware;
	size_t firmware_size;
	void *firmware_own;
};

/* Where address space 0 sees HBM. */
#define SOFT_KERNEL_VA	(1ull << 40)

#define to_card(dev) ((struct soft_card *)(dev))

void soft_lock(struct soft_card *card);
void soft_unlock(struct soft_card *card);
/* Becomes the runner and takes the lock, if nobody runs the card. */
bool soft_run_begin(struct soft_card *card);
/* Lets the card work for a slice. Return: true if there is more to do right now. */
bool soft_run_slice(struct soft_card *card);
/* Can it go on, and has not begun a slice since? Only cards in a fabric know. */
static inline bool soft_called(struct soft_card *card)
{
	return card->fabric &&
		atomic_load(&soft_calls.called) >> card->place & 1;
}
/* It has something to do: whoever looks for work takes it. Nothing for a card without fabric. */
void soft_call(struct soft_card *card);
/* Takes that back: its slice begins, or it is gone. */
void soft_uncall(struct soft_card *card);
/* Its helper shall help, at once; unless enough do. */
void soft_ask_helper(struct soft_card *card);
/* Gives the lock up for a moment if somebody waits for it. */
void soft_run_yield(struct soft_card *card);
void soft_run_end(struct soft_card *card);
/* Wakes those who wait for news. */
void soft_wake(struct soft_card *card);
/* Sleeps until there is news since @count, or until @until_ns. */
void soft_sleep(struct soft_card *card, uint64_t count, uint64_t until_ns);
uint64_t soft_news(struct soft_card *card);
/* Nanoseconds in which this process could run; the card's clock. */
uint64_t soft_clock(struct soft_card *card);

int soft_card_start(struct soft_card *card);
void soft_card_stop(struct soft_card *card);
/* The firmware is dead: resets the card and starts it again. The caller holds run. */
void soft_card_recover(struct soft_card *card);

/**
 * soft_mbox() - ask the firmware; the caller holds run
 * @type: an &enum axon_mbox_type
 * @data: request
 * @len: its bytes
 *
 * Return: 0, -EINVAL, -EBUSY, -ENOENT (what the firmware said), -EIO (it does not answer).
 */
int soft_mbox(struct soft_card *card, uint32_t type, const void *data, uint32_t len);
/* Takes the firmware's events; fault records go to their queues. */
void soft_mbox_events(struct soft_card *card);
int soft_as_enable(struct soft_card *card, const struct soft_vm *vm);
int soft_as_disable(struct soft_card *card, const struct soft_vm *vm);
int soft_as_invalidate(struct soft_card *card, const struct soft_vm *vm);

#endif /* AXON_LIBAXON_SOFT_H */
