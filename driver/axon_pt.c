// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_pt.c - builder of the card's page tables.
 *
 * A change has two halves. *_prepare() makes every table the change needs and may fail; what is
 * mapped is the same before and after it. The second half cannot fail, so that a mapping request
 * is carried out as a whole or not at all. Tables that fall out of the tree are kept on a list
 * until the caller has invalidated the card's cached translations (axon_pt_reap()).
 *
 * Must never: read a table back from the card, free a table the card may still walk.
 */
#include <linux/align.h>
#include <linux/bug.h>
#include <linux/minmax.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "axon_pt.h"

static u32 level_shift(u32 level)
{
	return AXON_PAGE_SHIFT + 9 * level;
}

static bool slot_is_leaf(u64 slot)
{
	return slot & AXON_PTE_VALID;
}

static struct axon_pt_node *slot_node(u64 slot)
{
	return (struct axon_pt_node *)(uintptr_t)slot;
}

static struct axon_pt_node *node_alloc(struct axon_pt *pt, u32 level)
{
	struct axon_pt_node *node;
	int ret;

	node = kvzalloc(struct_size(node, slot, level ? AXON_PT_ENTRIES : 0), GFP_KERNEL_ACCOUNT);
	if (!node)
		return ERR_PTR(-ENOMEM);
	ret = pt->ops->alloc(pt->priv, &node->addr, &node->cookie);
	if (ret) {
		kvfree(node);
		return ERR_PTR(ret);
	}
	node->level = level;
	INIT_LIST_HEAD(&node->link);
	return node;
}

static void node_free(struct axon_pt *pt, struct axon_pt_node *node)
{
	pt->ops->free(pt->priv, node->cookie);
	kvfree(node);
}

static void node_free_tree(struct axon_pt *pt, struct axon_pt_node *node)
{
	u32 i;

	for (i = 0; node->level && i < AXON_PT_ENTRIES; i++)
		if (node->slot[i] && !slot_is_leaf(node->slot[i]))
			node_free_tree(pt, slot_node(node->slot[i]));
	node_free(pt, node);
}

/* The table hangs below an entry that no longer points at it. */
static void node_detach(struct axon_pt *pt, struct axon_pt_node *node)
{
	list_add(&node->link, &pt->detached);
	pt->stale = true;
}

/* Point an entry at a table; what it held before is the caller's business. */
static void node_hook(struct axon_pt *pt, struct axon_pt_node *parent, u32 index,
		      struct axon_pt_node *child)
{
	if (!parent->slot[index])
		parent->used++;
	parent->slot[index] = (uintptr_t)child;
	pt->ops->write(pt->priv, parent->addr, index, child->addr | AXON_PTE_VALID);
}

/* Replace a 2 MiB leaf by a table that maps the same. */
static struct axon_pt_node *leaf_split(struct axon_pt *pt, struct axon_pt_node *parent, u32 index)
{
	u64 pte = parent->slot[index] & ~AXON_PTE_LEAF;
	struct axon_pt_node *child = node_alloc(pt, 0);
	u32 i;

	if (IS_ERR(child))
		return child;
	for (i = 0; i < AXON_PT_ENTRIES; i++)
		pt->ops->write(pt->priv, child->addr, i,
			       (pte + i * AXON_PAGE_SIZE) | AXON_PTE_LEAF);
	bitmap_fill(child->valid, AXON_PT_ENTRIES);
	child->used = AXON_PT_ENTRIES;
	node_hook(pt, parent, index, child);
	pt->stale = true;
	return child;
}

/* The table of @level that covers @va, made if absent. */
static struct axon_pt_node *node_ensure(struct axon_pt *pt, u64 va, u32 level)
{
	struct axon_pt_node *node = pt->root;

	while (node->level > level) {
		u32 index = AXON_PT_INDEX(va, node->level);
		u64 slot = node->slot[index];
		struct axon_pt_node *child;

		if (slot && !slot_is_leaf(slot)) {
			node = slot_node(slot);
			continue;
		}
		if (slot) {
			child = leaf_split(pt, node, index);
			if (IS_ERR(child))
				return child;
		} else {
			child = node_alloc(pt, node->level - 1);
			if (IS_ERR(child))
				return child;
			node_hook(pt, node, index, child);
		}
		node = child;
	}
	return node;
}

/* The same when it is known to exist. */
static struct axon_pt_node *node_find(struct axon_pt *pt, u64 va, u32 level)
{
	struct axon_pt_node *node = pt->root;

	while (node && node->level > level) {
		u64 slot = node->slot[AXON_PT_INDEX(va, node->level)];

		node = slot_is_leaf(slot) ? NULL : slot_node(slot);
	}
	return node;
}

/* Bytes to map at once from here: one 2 MiB leaf, or pages up to the end of their table. */
static u64 chunk_size(u64 va, u64 pa, u64 size, bool *huge)
{
	*huge = IS_ALIGNED(va | pa, SZ_2M) && size >= SZ_2M;
	return *huge ? SZ_2M : min(size, SZ_2M - (va & (SZ_2M - 1)));
}

/**
 * axon_pt_map_prepare() - make the tables that a mapping needs
 * @pt: the address space
 * @va: first virtual address
 * @pa: address it shall translate to
 * @size: bytes, all contiguous
 *
 * Return: 0, or a negative errno; then axon_pt_prune() removes tables left empty.
 */
int axon_pt_map_prepare(struct axon_pt *pt, u64 va, u64 pa, u64 size)
{
	while (size) {
		bool huge;
		u64 n = chunk_size(va, pa, size, &huge);
		struct axon_pt_node *node = node_ensure(pt, va, huge ? 1 : 0);

		if (IS_ERR(node))
			return PTR_ERR(node);
		va += n;
		pa += n;
		size -= n;
	}
	return 0;
}

static void map_huge(struct axon_pt *pt, struct axon_pt_node *node, u64 va, u64 pte)
{
	u32 index = AXON_PT_INDEX(va, 1);
	u64 old = node->slot[index];

	pte |= AXON_PTE_VALID | AXON_PTE_LEAF;
	if (!old)
		node->used++;
	else
		pt->stale = true;
	node->slot[index] = pte;
	pt->ops->write(pt->priv, node->addr, index, pte);
	if (old && !slot_is_leaf(old))
		node_detach(pt, slot_node(old));
}

static void map_pages(struct axon_pt *pt, struct axon_pt_node *node, u64 va, u64 pte, u64 size)
{
	u32 index = AXON_PT_INDEX(va, 0);
	u32 end = index + (u32)(size >> AXON_PAGE_SHIFT);

	pte |= AXON_PTE_VALID | AXON_PTE_LEAF;
	for (; index < end; index++, pte += AXON_PAGE_SIZE) {
		if (__test_and_set_bit(index, node->valid))
			pt->stale = true;
		else
			node->used++;
		pt->ops->write(pt->priv, node->addr, index, pte);
	}
}

/**
 * axon_pt_map() - write the entries of a mapping, over whatever was there
 * @pt: the address space
 * @va: as given to axon_pt_map_prepare()
 * @pa: likewise
 * @size: likewise
 * @bits: AXON_PTE_WRITE, _EXEC and target of every entry
 */
void axon_pt_map(struct axon_pt *pt, u64 va, u64 pa, u64 size, u64 bits)
{
	while (size) {
		bool huge;
		u64 n = chunk_size(va, pa, size, &huge);
		struct axon_pt_node *node = node_find(pt, va, huge ? 1 : 0);

		if (WARN_ON_ONCE(!node))
			return;
		if (huge)
			map_huge(pt, node, va, pa | bits);
		else
			map_pages(pt, node, va, pa | bits, n);
		va += n;
		pa += n;
		size -= n;
	}
}

/* If a 2 MiB leaf covers @va and @va is not its first byte, make it a table. */
static int split_at(struct axon_pt *pt, u64 va)
{
	struct axon_pt_node *node;
	u32 index;

	if (IS_ALIGNED(va, SZ_2M))
		return 0;
	node = node_find(pt, va, 1);
	if (!node)
		return 0;
	index = AXON_PT_INDEX(va, 1);
	if (!slot_is_leaf(node->slot[index]))
		return 0;
	return PTR_ERR_OR_ZERO(leaf_split(pt, node, index));
}

/**
 * axon_pt_unmap_prepare() - make it possible to unmap exactly this range
 * @pt: the address space
 * @va: first virtual address
 * @size: bytes
 *
 * Return: 0 or a negative errno.
 */
int axon_pt_unmap_prepare(struct axon_pt *pt, u64 va, u64 size)
{
	int ret = split_at(pt, va);

	return ret ?: split_at(pt, va + size);
}

/*
 * Walk what lies in start..last below @node and drop tables left with no entry; with @leaves the
 * mappings are removed too.
 */
static void subtree_clear(struct axon_pt *pt, struct axon_pt_node *node, u64 start, u64 last,
			  bool leaves)
{
	u64 span = 1ull << level_shift(node->level);

	while (start <= last) {
		u64 end = min(last, start | (span - 1));
		u32 index = AXON_PT_INDEX(start, node->level);
		bool drop = false;

		if (!node->level) {
			drop = leaves && __test_and_clear_bit(index, node->valid);
		} else if (slot_is_leaf(node->slot[index])) {
			drop = leaves;
		} else if (node->slot[index]) {
			struct axon_pt_node *child = slot_node(node->slot[index]);

			subtree_clear(pt, child, start, end, leaves);
			if (!child->used) {
				drop = true;
				node_detach(pt, child);
			}
		}
		if (drop) {
			if (node->level)
				node->slot[index] = 0;
			node->used--;
			pt->ops->write(pt->priv, node->addr, index, 0);
			pt->stale = true;
		}
		start = end + 1;
	}
}

/**
 * axon_pt_unmap() - remove every mapping of a range
 * @pt: the address space
 * @va: as given to axon_pt_unmap_prepare()
 * @size: likewise
 */
void axon_pt_unmap(struct axon_pt *pt, u64 va, u64 size)
{
	subtree_clear(pt, pt->root, va, va + size - 1, true);
}

/**
 * axon_pt_prune() - drop tables without entries, after a failed axon_pt_map_prepare()
 * @pt: the address space
 * @va: first virtual address
 * @size: bytes
 */
void axon_pt_prune(struct axon_pt *pt, u64 va, u64 size)
{
	subtree_clear(pt, pt->root, va, va + size - 1, false);
}

/**
 * axon_pt_reap() - free detached tables
 * @pt: the address space
 *
 * To be called when the card no longer holds a translation made through them.
 */
void axon_pt_reap(struct axon_pt *pt)
{
	struct axon_pt_node *node, *next;

	list_for_each_entry_safe(node, next, &pt->detached, link)
		node_free(pt, node);
	INIT_LIST_HEAD(&pt->detached);
	pt->stale = false;
}

/**
 * axon_pt_init() - make an empty address space
 * @pt: to be filled in
 * @ops: table memory
 * @priv: first argument of @ops
 *
 * Return: 0 or a negative errno.
 */
int axon_pt_init(struct axon_pt *pt, const struct axon_pt_ops *ops, void *priv)
{
	pt->ops = ops;
	pt->priv = priv;
	pt->stale = false;
	INIT_LIST_HEAD(&pt->detached);
	pt->root = node_alloc(pt, AXON_PT_LEVELS - 1);
	if (IS_ERR(pt->root)) {
		int ret = PTR_ERR(pt->root);

		pt->root = NULL;
		return ret;
	}
	return 0;
}

/**
 * axon_pt_fini() - free all tables, without a write to the card
 * @pt: the address space, which the card no longer uses
 */
void axon_pt_fini(struct axon_pt *pt)
{
	if (!pt->root)
		return;
	axon_pt_reap(pt);
	node_free_tree(pt, pt->root);
	pt->root = NULL;
}
