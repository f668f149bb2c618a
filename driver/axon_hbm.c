// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_hbm.c - allocator of the card's memory: one buddy allocator a stack.
 *
 * A request is served from the emptiest stack, and only if none can hold it whole from several.
 * Nothing is ever moved or evicted: no memory left is -ENOSPC. Memory is cleared before it is
 * given to a user (axon_hbm_clear()), since it may hold another user's data or, after the driver
 * was loaded again, anything.
 */
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "axon_device.h"
#include "axon_hbm.h"

/* The card's first page stays unused, so that no table or buffer has the address 0. */
#define AXON_HBM_RESERVED	SZ_4K

/**
 * axon_hbm_init() - take a card's memory under management
 * @hbm: to be filled in, zeroed
 * @size: bytes
 * @stacks: number of stacks of equal size
 *
 * Return: 0 or a negative errno.
 */
int axon_hbm_init(struct axon_hbm *hbm, u64 size, u32 stacks)
{
	u64 each;
	int ret;

	if (!stacks || stacks > AXON_MAX_STACKS || size % ((u64)stacks * SZ_2M))
		return -EINVAL;
	each = size / stacks;
	if (!each)
		return -EINVAL;
	mutex_init(&hbm->lock);
	for (hbm->num = 0; hbm->num < stacks; hbm->num++) {
		struct axon_hbm_stack *s = &hbm->stack[hbm->num];
		u64 skip = hbm->num ? 0 : AXON_HBM_RESERVED;

		s->base = hbm->num * each + skip;
		ret = gpu_buddy_init(&s->mm, each - skip, SZ_4K);
		if (ret) {
			axon_hbm_fini(hbm);
			return ret;
		}
	}
	return 0;
}

/**
 * axon_hbm_fini() - end of the manager; everything has been given back
 * @hbm: the memory
 */
void axon_hbm_fini(struct axon_hbm *hbm)
{
	while (hbm->num)
		gpu_buddy_fini(&hbm->stack[--hbm->num].mm);
	mutex_destroy(&hbm->lock);
}

static u32 emptiest_stack(struct axon_hbm *hbm)
{
	u32 i, best = 0;

	for (i = 1; i < hbm->num; i++)
		if (hbm->stack[i].mm.avail > hbm->stack[best].mm.avail)
			best = i;
	return best;
}

/* The buddy allocator splits a size into powers of two; each block is aligned to its own size. */
static int alloc_from(struct axon_hbm *hbm, u32 stack, u64 size, bool contiguous,
		      struct axon_hbm_mem *mem)
{
	struct gpu_buddy *mm = &hbm->stack[stack].mm;

	if (size > mm->avail)
		return -ENOSPC;
	return gpu_buddy_alloc_blocks(mm, 0, mm->size, size, SZ_4K, &mem->blocks[stack],
				      contiguous ? GPU_BUDDY_CONTIGUOUS_ALLOCATION : 0);
}

static int alloc_spread(struct axon_hbm *hbm, u64 size, struct axon_hbm_mem *mem)
{
	u32 i;

	for (i = 0; i < hbm->num && size; i++) {
		u64 n = min(size, hbm->stack[i].mm.avail);
		int ret;

		if (!n)
			continue;
		ret = alloc_from(hbm, i, n, false, mem);
		if (ret)
			return ret;
		size -= n;
	}
	return size ? -ENOSPC : 0;
}

static void free_blocks(struct axon_hbm *hbm, struct axon_hbm_mem *mem)
{
	u32 i;

	lockdep_assert_held(&hbm->lock);
	for (i = 0; i < hbm->num; i++)
		if (!list_empty(&mem->blocks[i]))
			gpu_buddy_free_list(&hbm->stack[i].mm, &mem->blocks[i], 0);
}

/* Write down blocks as extents, merging neighbours. */
static int list_extents(struct axon_hbm *hbm, struct axon_hbm_mem *mem)
{
	struct gpu_buddy_block *block;
	u32 i, n = 0;

	for (i = 0; i < hbm->num; i++)
		n += list_count_nodes(&mem->blocks[i]);
	mem->extent = kvcalloc(n, sizeof(*mem->extent), GFP_KERNEL_ACCOUNT);
	if (!mem->extent)
		return -ENOMEM;
	for (i = 0; i < hbm->num; i++) {
		list_for_each_entry(block, &mem->blocks[i], link) {
			struct axon_hbm_extent *last = mem->extent + mem->num - 1;
			u64 addr = hbm->stack[i].base + gpu_buddy_block_offset(block);
			u64 size = gpu_buddy_block_size(&hbm->stack[i].mm, block);

			if (mem->num && last->addr + last->size == addr) {
				last->size += size;
				continue;
			}
			mem->extent[mem->num++] = (struct axon_hbm_extent){ addr, size };
		}
	}
	return 0;
}

/**
 * axon_hbm_alloc() - get memory
 * @hbm: the memory
 * @size: bytes, a multiple of 4096, not 0
 * @contiguous: it must be one extent
 * @mem: result; its content is undefined
 *
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int axon_hbm_alloc(struct axon_hbm *hbm, u64 size, bool contiguous, struct axon_hbm_mem *mem)
{
	u32 i;
	int ret;

	memset(mem, 0, sizeof(*mem));
	for (i = 0; i < AXON_MAX_STACKS; i++)
		INIT_LIST_HEAD(&mem->blocks[i]);
	mutex_lock(&hbm->lock);
	ret = alloc_from(hbm, emptiest_stack(hbm), size, contiguous, mem);
	if (ret == -ENOSPC && !contiguous)
		ret = alloc_spread(hbm, size, mem);
	if (!ret)
		ret = list_extents(hbm, mem);
	if (ret)
		free_blocks(hbm, mem);
	mutex_unlock(&hbm->lock);
	return ret;
}

/**
 * axon_hbm_free() - give memory back
 * @hbm: the memory
 * @mem: as filled in by axon_hbm_alloc(); the card reaches it no more
 */
void axon_hbm_free(struct axon_hbm *hbm, struct axon_hbm_mem *mem)
{
	mutex_lock(&hbm->lock);
	free_blocks(hbm, mem);
	mutex_unlock(&hbm->lock);
	kvfree(mem->extent);
	mem->extent = NULL;
	mem->num = 0;
}

/**
 * axon_hbm_used() - bytes of a stack that are given out
 * @hbm: the memory
 * @stack: its number
 *
 * Return: bytes.
 */
u64 axon_hbm_used(struct axon_hbm *hbm, u32 stack)
{
	u64 used;

	mutex_lock(&hbm->lock);
	used = hbm->stack[stack].mm.size - hbm->stack[stack].mm.avail;
	mutex_unlock(&hbm->lock);
	return used;
}

/**
 * axon_hbm_stack_size() - bytes of a stack that can be given out
 * @hbm: the memory
 * @stack: its number
 *
 * Return: bytes.
 */
u64 axon_hbm_stack_size(struct axon_hbm *hbm, u32 stack)
{
	return hbm->stack[stack].mm.size;
}

/**
 * axon_hbm_clear() - zero memory
 * @axdev: the card
 * @mem: the memory
 *
 * Return: 0, or -EINTR if the process was killed meanwhile.
 */
int axon_hbm_clear(struct axon_device *axdev, const struct axon_hbm_mem *mem)
{
	u32 i;

	for (i = 0; i < mem->num; i++) {
		u64 addr = mem->extent[i].addr;
		u64 left = mem->extent[i].size;

		while (left) {
			u64 n = min_t(u64, left, SZ_2M);

			memset_io(axdev->hbm_io + addr, 0, n);
			addr += n;
			left -= n;
			if (fatal_signal_pending(current))
				return -EINTR;
			cond_resched();
		}
	}
	/* write-combining buffers are empty before anybody can be told of the memory */
	wmb();
	return 0;
}
