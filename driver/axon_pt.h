/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_pt.h - builder of the card's page tables.
 *
 * Pure: knows neither DRM nor PCI; tables are reached through &struct axon_pt_ops, so that
 * KUnit runs it on plain memory.
 */
#ifndef AXON_PT_H
#define AXON_PT_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/types.h>

#include "axon_hw.h"

/**
 * struct axon_pt_ops - where tables live
 * @alloc: get 4 KiB of zeroed table memory; its card address goes to @addr, whatever @free needs
 *	to @cookie. Return: 0 or a negative errno
 * @free: give it back
 * @write: store one entry of the table at card address @table
 */
struct axon_pt_ops {
	int (*alloc)(void *priv, u64 *addr, void **cookie);
	void (*free)(void *priv, void *cookie);
	void (*write)(void *priv, u64 table, u32 index, u64 pte);
};

/**
 * struct axon_pt_node - a table, as the host remembers it
 * @addr: card address
 * @cookie: of &axon_pt_ops.alloc
 * @link: in &axon_pt.detached
 * @used: entries in use
 * @level: 0..AXON_PT_LEVELS - 1
 * @valid: level 0: which entries are in use
 * @slot: other levels: 0, a pointer to the next table's node, or (bit 0 set) a leaf entry
 *
 * The card's copy is never read back: the device is not trusted with the driver's pointers.
 */
struct axon_pt_node {
	u64 addr;
	void *cookie;
	struct list_head link;
	u16 used;
	u8 level;
	DECLARE_BITMAP(valid, AXON_PT_ENTRIES);
	u64 slot[];
};

/**
 * struct axon_pt - one address space's tables
 * @ops: table memory
 * @priv: first argument of @ops
 * @root: table of the highest level
 * @detached: tables cut off from the tree that the card may still have cached
 * @stale: a valid entry was changed or removed since axon_pt_reap(): the card's cached
 *	translations must be invalidated
 *
 * The caller serialises all calls.
 */
struct axon_pt {
	const struct axon_pt_ops *ops;
	void *priv;
	struct axon_pt_node *root;
	struct list_head detached;
	bool stale;
};

int axon_pt_init(struct axon_pt *pt, const struct axon_pt_ops *ops, void *priv);
void axon_pt_fini(struct axon_pt *pt);
int axon_pt_map_prepare(struct axon_pt *pt, u64 va, u64 pa, u64 size);
void axon_pt_map(struct axon_pt *pt, u64 va, u64 pa, u64 size, u64 bits);
int axon_pt_unmap_prepare(struct axon_pt *pt, u64 va, u64 size);
void axon_pt_unmap(struct axon_pt *pt, u64 va, u64 size);
void axon_pt_prune(struct axon_pt *pt, u64 va, u64 size);
void axon_pt_reap(struct axon_pt *pt);

#endif /* AXON_PT_H */
