/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_hbm.h - who owns which part of the card's memory.
 */
#ifndef AXON_HBM_H
#define AXON_HBM_H

#include <linux/gpu_buddy.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#define AXON_MAX_STACKS		16u

struct axon_device;

/**
 * struct axon_hbm_stack - a stack of HBM
 * @mm: its allocator
 * @base: its first byte on the card
 */
struct axon_hbm_stack {
	struct gpu_buddy mm;
	u64 base;
};

/**
 * struct axon_hbm - the card's memory
 * @lock: guards everything here
 * @num: stacks
 * @stack: the stacks
 */
struct axon_hbm {
	struct mutex lock;	/* guards everything here */
	u32 num;
	struct axon_hbm_stack stack[AXON_MAX_STACKS];
};

/**
 * struct axon_hbm_extent - contiguous memory of a buffer
 * @addr: on the card
 * @size: bytes
 */
struct axon_hbm_extent {
	u64 addr;
	u64 size;
};

/**
 * struct axon_hbm_mem - memory that was given out
 * @blocks: by stack
 * @num: extents
 * @extent: the memory in the buffer's order
 */
struct axon_hbm_mem {
	struct list_head blocks[AXON_MAX_STACKS];
	u32 num;
	struct axon_hbm_extent *extent;
};

/* the manager itself: no device, KUnit runs it */
int axon_hbm_init(struct axon_hbm *hbm, u64 size, u32 stacks);
void axon_hbm_fini(struct axon_hbm *hbm);
int axon_hbm_alloc(struct axon_hbm *hbm, u64 size, bool contiguous, struct axon_hbm_mem *mem);
void axon_hbm_free(struct axon_hbm *hbm, struct axon_hbm_mem *mem);
u64 axon_hbm_used(struct axon_hbm *hbm, u32 stack);
u64 axon_hbm_stack_size(struct axon_hbm *hbm, u32 stack);

/* through BAR 2; the caller is inside drm_dev_enter() or probing */
int axon_hbm_clear(struct axon_device *axdev, const struct axon_hbm_mem *mem);

#endif /* AXON_HBM_H */
