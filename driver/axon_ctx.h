/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_ctx.h - contexts: queues that fail together, in one address space.
 */
#ifndef AXON_CTX_H
#define AXON_CTX_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "axon_accel.h"
#include "axon_fw.h"

struct axon_device;
struct axon_file;
struct axon_queue;
struct axon_vm;
struct drm_device;
struct drm_file;

/**
 * struct axon_ctx - a context
 * @ref: one for the handle, one a queue, one a queued @kill_work
 * @axdev: the card
 * @vm: address space
 * @priority: an &enum drm_axon_priority
 * @id: handle
 * @lock: guards @queues and @num_queues
 * @queues: of &axon_queue.ctx_link
 * @num_queues: their number
 * @fault_lock: (irq) guards everything below but @kill_work
 * @state: DRM_AXON_CTX_*; BANNED is also read without the lock
 * @failure: the first failure, as CTX_GET_STATE reports it
 * @fault_hwid: hardware queue of the first failure, whose fault record is awaited
 * @has_fault: the firmware's record of it has come
 * @fault_wait: woken when it comes
 * @kill_work: stops all queues after a failure
 */
struct axon_ctx {
	struct kref ref;
	struct axon_device *axdev;
	struct axon_vm *vm;
	u32 priority;
	u32 id;

	struct mutex lock;	/* guards @queues, @num_queues */
	struct list_head queues;
	u32 num_queues;

	spinlock_t fault_lock;	/* (irq) guards what follows but @kill_work */
	u32 state;
	struct drm_axon_ctx_get_state failure;
	u32 fault_hwid;
	bool has_fault;
	wait_queue_head_t fault_wait;
	struct work_struct kill_work;
};

static inline bool axon_ctx_banned(struct axon_ctx *ctx)
{
	return READ_ONCE(ctx->state) & DRM_AXON_CTX_BANNED;
}

struct axon_ctx *axon_ctx_lookup(struct axon_file *file, u32 id);
void axon_ctx_put(struct axon_ctx *ctx);
void axon_ctx_fail(struct axon_ctx *ctx, struct axon_queue *q, u32 flags, u32 status, u64 seqno);
void axon_ctx_fault_record(struct axon_ctx *ctx, struct axon_queue *q, const struct axon_fault *f);
void axon_ctx_close_all(struct axon_file *file);

int axon_ctx_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int axon_ctx_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int axon_ctx_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* AXON_CTX_H */
