// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_fence.c - the fence of one command in a hardware queue.
 *
 * Others hold these fences for as long as they like (a sync_file holds the scheduler's fence,
 * which holds ours), so a fence points at nothing that can go away: its names are constants, its
 * lock lies in it, and it keeps the module.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "axon_fence.h"

/**
 * struct axon_fence - a fence and its lock
 * @base: base
 * @lock: of @base
 */
struct axon_fence {
	struct dma_fence base;
	spinlock_t lock;	/* of @base */
};

static const char *fence_driver_name(struct dma_fence *fence)
{
	return "axon";
}

static const char *fence_timeline_name(struct dma_fence *fence)
{
	return "axon-queue";
}

static void fence_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	/* last: a module with a reference to give back is not unloaded before that */
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops axon_fence_ops = {
	.get_driver_name = fence_driver_name,
	.get_timeline_name = fence_timeline_name,
	.release = fence_release,
};

/**
 * axon_fence_alloc() - memory of a fence, so that nothing is allocated where it is armed
 *
 * Return: a fence for axon_fence_init() or axon_fence_free(), NULL without memory.
 */
struct dma_fence *axon_fence_alloc(void)
{
	struct axon_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL_ACCOUNT);

	return fence ? &fence->base : NULL;
}

/**
 * axon_fence_free() - free a fence that was never initialised
 * @fence: may be NULL
 */
void axon_fence_free(struct dma_fence *fence)
{
	if (fence)
		kfree(container_of(fence, struct axon_fence, base));
}

/**
 * axon_fence_init() - arm a fence
 * @fence: from axon_fence_alloc()
 * @context: of its queue
 * @seqno: of its command
 */
void axon_fence_init(struct dma_fence *fence, u64 context, u64 seqno)
{
	struct axon_fence *f = container_of(fence, struct axon_fence, base);

	/* the caller runs in this module: it cannot be going away */
	__module_get(THIS_MODULE);
	spin_lock_init(&f->lock);
	dma_fence_init(fence, &axon_fence_ops, &f->lock, context, seqno);
}
