// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_ctx.c - contexts, the unit of failure.
 *
 * The first failure of any queue bans the context: its details are kept for CTX_GET_STATE, and a
 * work item takes its other queues from the card. Nothing of another context is touched.
 */
#include <linux/capability.h>
#include <linux/slab.h>

#include <drm/drm_file.h>

#include "axon_ctx.h"
#include "axon_device.h"
#include "axon_drv.h"
#include "axon_queue.h"
#include "axon_vm.h"

/* The firmware's record of a fault follows the completion; CTX_GET_STATE waits that long for it. */
#define AXON_FAULT_WAIT_MS	250

static void ctx_release(struct kref *ref)
{
	struct axon_ctx *ctx = container_of(ref, struct axon_ctx, ref);

	axon_vm_put(ctx->vm);
	mutex_destroy(&ctx->lock);
	kfree(ctx);
}

/**
 * axon_ctx_put() - drop a reference
 * @ctx: may be NULL
 */
void axon_ctx_put(struct axon_ctx *ctx)
{
	if (ctx)
		kref_put(&ctx->ref, ctx_release);
}

/**
 * axon_ctx_lookup() - find a context by handle
 * @file: whose handles
 * @id: handle
 *
 * Return: the context with a reference, or NULL.
 */
struct axon_ctx *axon_ctx_lookup(struct axon_file *file, u32 id)
{
	struct axon_ctx *ctx;

	xa_lock(&file->ctxs);
	ctx = xa_load(&file->ctxs, id);
	if (ctx)
		kref_get(&ctx->ref);
	xa_unlock(&file->ctxs);
	return ctx;
}

static void ctx_kill_work(struct work_struct *work)
{
	struct axon_ctx *ctx = container_of(work, struct axon_ctx, kill_work);
	struct axon_queue *q;
	int idx;

	if (drm_dev_enter(&ctx->axdev->drm, &idx)) {
		mutex_lock(&ctx->lock);
		list_for_each_entry(q, &ctx->queues, ctx_link)
			axon_queue_kill(q, -ECANCELED);
		mutex_unlock(&ctx->lock);
		drm_dev_exit(idx);
	}
	axon_ctx_put(ctx);
}

/**
 * axon_ctx_fail() - a queue failed: ban its context
 * @ctx: the context
 * @q: the queue
 * @flags: DRM_AXON_CTX_* beside BANNED
 * @status: an &enum axon_status
 * @seqno: of the failed job
 *
 * Any context. Only the first failure is recorded.
 */
void axon_ctx_fail(struct axon_ctx *ctx, struct axon_queue *q, u32 flags, u32 status, u64 seqno)
{
	unsigned long irq;
	bool first;

	spin_lock_irqsave(&ctx->fault_lock, irq);
	first = !(ctx->state & DRM_AXON_CTX_BANNED);
	if (first) {
		WRITE_ONCE(ctx->state, ctx->state | DRM_AXON_CTX_BANNED | flags);
		ctx->failure.status = status;
		ctx->failure.fault_queue = q->id;
		ctx->failure.engine = AXON_FAULT_NO_ENGINE;
		ctx->failure.seqno = seqno;
		ctx->fault_hwid = q->hwid;
		/* only a card that works tells more */
		ctx->has_fault = flags & DRM_AXON_CTX_DEVICE_RESET;
	}
	spin_unlock_irqrestore(&ctx->fault_lock, irq);
	if (!first)
		return;
	kref_get(&ctx->ref);
	if (!queue_work(ctx->axdev->reset_wq, &ctx->kill_work))
		axon_ctx_put(ctx);
}

/**
 * axon_ctx_fault_record() - the firmware's record of a fault
 * @ctx: the context
 * @q: the queue it names
 * @f: the record
 *
 * It usually comes after the completion, but may come before it.
 */
void axon_ctx_fault_record(struct axon_ctx *ctx, struct axon_queue *q, const struct axon_fault *f)
{
	struct drm_axon_ctx_get_state *fail = &ctx->failure;
	unsigned long irq;
	u32 flags = 0;

	if (axon_status_errno(f->status) == -EFAULT)
		flags = DRM_AXON_CTX_FAULTED;
	else if (f->status == AXON_STATUS_KILLED && READ_ONCE(q->kill_error) == -ETIME)
		flags = DRM_AXON_CTX_TIMEDOUT;
	axon_ctx_fail(ctx, q, flags, f->status, f->seqno);
	spin_lock_irqsave(&ctx->fault_lock, irq);
	if (!ctx->has_fault && ctx->fault_hwid == q->hwid && fail->seqno == f->seqno) {
		fail->engine = f->engine;
		fail->opcode = f->opcode;
		fail->pc = f->pc;
		fail->semaphore = f->semaphore;
		fail->sem_value = f->sem_value;
		fail->sem_wanted = f->sem_wanted;
		fail->fault_addr = f->addr;
		fail->peer = f->peer;
		ctx->has_fault = true;
		wake_up_all(&ctx->fault_wait);
		drm_dbg_driver(&ctx->axdev->drm,
			       "queue %u: status %u, engine %#x, pc %u, address %#llx\n",
			       q->hwid, f->status, f->engine, f->pc, f->addr);
	}
	spin_unlock_irqrestore(&ctx->fault_lock, irq);
}

/**
 * axon_ctx_create_ioctl() - DRM_IOCTL_AXON_CTX_CREATE
 * @drm: the card
 * @data: struct drm_axon_ctx_create
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_ctx_create_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct drm_axon_ctx_create *args = data;
	struct axon_file *file = filp->driver_priv;
	struct axon_ctx *ctx;
	int ret;

	if (AXON_IOCTL_DBG(axdev, args->flags) || AXON_IOCTL_DBG(axdev, args->ctx_id) ||
	    AXON_IOCTL_DBG(axdev, args->priority > DRM_AXON_PRIORITY_HIGH))
		return -EINVAL;
	if (args->priority == DRM_AXON_PRIORITY_HIGH && !capable(CAP_SYS_NICE))
		return -EACCES;
	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return -ENOMEM;
	kref_init(&ctx->ref);
	ctx->axdev = axdev;
	ctx->priority = args->priority;
	mutex_init(&ctx->lock);
	spin_lock_init(&ctx->fault_lock);
	INIT_LIST_HEAD(&ctx->queues);
	init_waitqueue_head(&ctx->fault_wait);
	INIT_WORK(&ctx->kill_work, ctx_kill_work);

	mutex_lock(&file->lock);
	ctx->vm = axon_vm_use(file, args->vm_id);
	if (!ctx->vm)
		ret = -ENOENT;
	else if (file->num_ctxs >= AXON_MAX_CTXS_PER_FILE)
		ret = -ENOSPC;
	else
		ret = xa_alloc(&file->ctxs, &ctx->id, ctx, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret) {
		axon_vm_unuse(ctx->vm);
		axon_ctx_put(ctx);
	} else {
		file->num_ctxs++;
		args->ctx_id = ctx->id;
	}
	mutex_unlock(&file->lock);
	return ret;
}

static void ctx_destroy(struct axon_file *file, struct axon_ctx *ctx)
{
	axon_queue_close_all(file, ctx);
	/* a kill under way holds a reference: after it nothing of the context is left */
	if (cancel_work_sync(&ctx->kill_work))
		axon_ctx_put(ctx);
	/* jobs that wait for somebody else's fence may hold the context, but use nothing of it */
	axon_vm_unuse(ctx->vm);
	axon_ctx_put(ctx);
}

/**
 * axon_ctx_destroy_ioctl() - DRM_IOCTL_AXON_CTX_DESTROY
 * @drm: the card
 * @data: struct drm_axon_ctx_destroy
 * @filp: the file
 *
 * Its queues are destroyed with it. Return: 0 or a negative errno.
 */
int axon_ctx_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct drm_axon_ctx_destroy *args = data;
	struct axon_file *file = filp->driver_priv;
	struct axon_ctx *ctx;

	if (AXON_IOCTL_DBG(to_axon_device(drm), args->pad))
		return -EINVAL;
	mutex_lock(&file->lock);
	ctx = xa_erase(&file->ctxs, args->ctx_id);
	if (ctx)
		file->num_ctxs--;
	mutex_unlock(&file->lock);
	if (!ctx)
		return -ENOENT;
	/*
	 * Queues are made under the lock, from finding the context to giving out the handle, so
	 * none comes any more. The lock is not held while they go: that may wait for an unplug,
	 * which waits for whoever is inside drm_dev_enter() or reads debugfs, and wants the lock.
	 */
	ctx_destroy(file, ctx);
	return 0;
}

/**
 * axon_ctx_get_state_ioctl() - DRM_IOCTL_AXON_CTX_GET_STATE
 * @drm: the card
 * @data: struct drm_axon_ctx_get_state
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_ctx_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct drm_axon_ctx_get_state *args = data;
	struct axon_ctx *ctx;
	u32 id = args->ctx_id;

	if (AXON_IOCTL_DBG(to_axon_device(drm),
			   memchr_inv(&args->state, 0, sizeof(*args) -
				      offsetof(typeof(*args), state))))
		return -EINVAL;
	ctx = axon_ctx_lookup(filp->driver_priv, id);
	if (!ctx)
		return -ENOENT;
	if (axon_ctx_banned(ctx))
		wait_event_interruptible_timeout(ctx->fault_wait, READ_ONCE(ctx->has_fault),
						 msecs_to_jiffies(AXON_FAULT_WAIT_MS));
	spin_lock_irq(&ctx->fault_lock);
	*args = ctx->failure;
	args->state = ctx->state;
	spin_unlock_irq(&ctx->fault_lock);
	args->ctx_id = id;
	axon_ctx_put(ctx);
	return 0;
}

/**
 * axon_ctx_close_all() - the file is closed
 * @file: the file
 */
void axon_ctx_close_all(struct axon_file *file)
{
	struct axon_ctx *ctx;
	unsigned long id;

	xa_for_each(&file->ctxs, id, ctx) {
		xa_erase(&file->ctxs, id);
		ctx_destroy(file, ctx);
	}
}
