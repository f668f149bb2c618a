/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_queue.h - queues: a ring that the card fetches commands from.
 */
#ifndef AXON_QUEUE_H
#define AXON_QUEUE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <drm/gpu_scheduler.h>

#include "axon_accel.h"
#include "axon_hw.h"

struct axon_ctx;
struct axon_device;
struct axon_fault;
struct axon_file;
struct dma_fence;
struct drm_device;
struct drm_file;
struct seq_file;

/**
 * struct axon_inflight - a command the card has and has not completed
 * @fence: its fence; NULL: nobody can ask for it
 * @seqno: its sequence number
 * @launch: it is an AXON_CMD_LAUNCH
 */
struct axon_inflight {
	struct dma_fence *fence;
	u64 seqno;
	bool launch;
};

/**
 * struct axon_queue - a queue
 * @ref: one for the handle, one a job, one of whoever looks
 * @axdev: the card
 * @ctx: context
 * @file: for its counters; outlives the hardware queue
 * @id: handle
 * @hwid: hardware queue
 * @core: core it feeds
 * @entries: ring size
 * @timeout_ms: how long a job may occupy the core
 * @fence_context: of the hardware fences
 * @ctx_link: in &axon_ctx.queues
 * @dev_link: in &axon_device.queues
 * @vec_link: in &axon_vector.queues
 *
 * @sched: scheduler from the device's pool
 * @entity: entity that feeds it
 * @pending: jobs given to run_job() and not yet to free_job()
 * @idle: woken when @pending reaches 0
 * @done: woken when a command has ended or the queue has stopped
 *
 * @timer: looks at the first command while one is in flight
 *
 * @submit_lock: guards @next_seqno and @closing
 * @next_seqno: of the next job
 * @closing: no more jobs
 *
 * @hw_lock: guards @hw_alive and the life of the ring memory
 * @hw_alive: the firmware knows the queue
 *
 * @lock: (irq) guards everything below
 * @sq: submission ring
 * @cq: completion ring
 * @state: words shared with the card
 * @sq_dma: bus addresses
 * @cq_dma: likewise
 * @state_dma: likewise
 * @doorbell: its doorbell register
 * @slots: commands in flight, by index
 * @tail: commands written
 * @head: commands completed
 * @stopped: no command is written any more
 * @rang: the newest command needed the doorbell: the card slept
 * @stop_error: what commands get that come later
 * @kill_error: what a command gets that was killed
 * @head_ns: since when the first command in flight is the first
 * @pushed: newest sequence number in the ring
 * @submitted: newest sequence number accepted
 * @completed: newest one that ended
 * @last_status: of the newest completion
 * @last_profiled: likewise
 * @last_cycles: likewise
 * @total_cycles: of all completions
 */
struct axon_queue {
	struct kref ref;
	struct axon_device *axdev;
	struct axon_ctx *ctx;
	struct axon_file *file;
	u32 id;
	u32 hwid;
	u32 core;
	u32 entries;
	u32 timeout_ms;
	u64 fence_context;
	struct list_head ctx_link;
	struct list_head dev_link;
	struct list_head vec_link;

	struct drm_gpu_scheduler *sched;
	struct drm_sched_entity entity;
	atomic_t pending;
	wait_queue_head_t idle;
	wait_queue_head_t done;

	struct delayed_work timer;

	struct mutex submit_lock;	/* guards @next_seqno, @closing */
	u64 next_seqno;
	bool closing;

	struct mutex hw_lock;	/* guards @hw_alive, the rings' life */
	bool hw_alive;

	spinlock_t lock;	/* (irq) guards everything below */
	struct axon_cmd *sq;
	struct axon_cqe *cq;
	struct axon_qstate *state;
	dma_addr_t sq_dma;
	dma_addr_t cq_dma;
	dma_addr_t state_dma;
	void __iomem *doorbell;
	struct axon_inflight *slots;
	u32 tail;
	u32 head;
	bool stopped;
	bool rang;
	int stop_error;
	int kill_error;
	u64 head_ns;
	u64 pushed;
	u64 submitted;
	u64 completed;
	u32 last_status;
	u32 last_profiled;
	u64 last_cycles;
	u64 total_cycles;
};

/**
 * struct axon_first - the first command in flight, when its timer has expired
 * @occupied_ns: how long it can have been at work
 * @first_ns: how long it has been the first
 * @launch: it needs the core
 * @status: not OK: the queue stopped and wrote no completion
 */
struct axon_first {
	s64 occupied_ns;
	s64 first_ns;
	bool launch;
	u32 status;
};

/* The command of a job. */
static inline struct axon_cmd axon_job_cmd(const struct drm_axon_job *job, u64 seqno)
{
	struct axon_cmd cmd = {
		.opcode = job->opcode,
		.seqno = seqno,
		.user_data = job->user_data,
	};

	memcpy(cmd.reserved, job->operand, sizeof(cmd.reserved));
	return cmd;
}

/*
 * The ring is halved: what the scheduler has in it is limited by its credits, what goes past it by
 * what is in flight altogether. So neither finds it full.
 */
static inline u32 axon_queue_share(const struct axon_queue *q)
{
	return q->entries / 2;
}

struct axon_queue *axon_queue_lookup(struct axon_file *file, u32 id);
void axon_queue_get(struct axon_queue *q);
void axon_queue_put(struct axon_queue *q);
void axon_queue_destroy(struct axon_queue *q);
void axon_queue_close_all(struct axon_file *file, struct axon_ctx *ctx);

int axon_queue_push(struct axon_queue *q, const struct axon_cmd *cmd, struct dma_fence *fence);
bool axon_queue_push_direct(struct axon_queue *q, const struct drm_axon_job *jobs, u32 num,
			    struct dma_fence *fence);
void axon_queue_irq(struct axon_queue *q);
bool axon_queue_poll(struct axon_queue *q, struct axon_first *first);
void axon_queue_poll_core(struct axon_device *axdev, u32 core);
void axon_queue_give_up(struct axon_queue *q, u32 status);
void axon_queue_ring(struct axon_queue *q);
void axon_queue_kill_job(struct axon_queue *q);
bool axon_queue_kill_waiter(struct axon_queue *q);
void axon_queue_kill(struct axon_queue *q, int error);
void axon_queue_fail_all(struct axon_device *axdev, int error, bool gone);
void axon_queue_fault_event(struct axon_device *axdev, const struct axon_fault *fault);
void axon_queue_show(struct axon_device *axdev, struct seq_file *m);

int axon_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int axon_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int axon_queue_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int axon_queue_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* AXON_QUEUE_H */
