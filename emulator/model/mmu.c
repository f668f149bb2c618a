// SPDX-License-Identifier: MIT
/*
 * mmu.c - address translation: page-table walks, the TLB, mappings of system memory, link pages.
 *
 * Every access of a ring, an engine or a DMA queue comes through here with the address space of the
 * context that owns it. Page tables belong to the guest and change under our hands: an entry is
 * read once and every address in it is checked. Nothing here may hand out a pointer to memory that
 * no page table of the address space names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"

#define TLB_BITS		11
#define TLB_ENTRIES		(1u << TLB_BITS)
#define TLB_EMPTY		UINT64_MAX
#define PAGE_MASK		((uint64_t)AXON_PAGE_SIZE - 1)
#define VA_END			(1ull << AXON_VA_BITS)
/* Neighbouring entries looked at on a miss, to give one long run instead of many pages. */
#define MERGE_PAGES		32u
#define MERGE_HUGE		4u
#define SYS_TABLE_MIN		64u
/* With more mappings than this axon_mmu_trim() drops them all; they come back on demand. */
#define SYS_MAPS_MAX		(1u << 18)

#define TABLE_BITS		(AXON_PTE_VALID | AXON_PTE_ADDR_MASK)

/**
 * struct tlb_entry - translation of one page and of what follows it
 * @tag: by AXON_ACCESS_*: tlb_tag() of the page if the access is allowed, else TLB_EMPTY
 * @host: where the page's first byte is
 * @span: bytes contiguous from @host, at least a page
 * @peer: LINK: place of the card whose HBM it is, else AXON_NO_PEER
 */
struct tlb_entry {
	uint64_t tag[AXON_NUM_ACCESSES];
	uint8_t *host;
	uint64_t span;
	uint32_t peer;
	uint32_t pad;
};

/**
 * struct sys_map - one dma_map() that has not been unmapped
 * @bus: bus address asked for
 * @len: length the bus gave; 0: the slot is free
 * @host: what the bus gave
 * @write: as asked for
 */
struct sys_map {
	uint64_t bus;
	uint64_t len;
	uint8_t *host;
	bool write;
};

/**
 * struct space - an address space
 * @root: HBM offset of the root table
 * @gen: grows whenever pointers handed out become invalid
 * @map: hash of the system mappings, open addressing, @slots entries (a power of two or 0)
 * @slots: size of @map
 * @maps: used entries of @map
 * @enabled: the rest counts
 */
struct space {
	uint64_t root;
	uint64_t gen;
	struct sys_map *map;
	uint32_t slots;
	uint32_t maps;
	bool enabled;
};

/**
 * struct axon_mmu - translation of one card; the card thread's alone
 * @tlb: direct-mapped, see tlb_slot()
 * @space: by address space id
 * @maps: sum of the spaces' @maps
 */
struct axon_mmu {
	_Alignas(64) struct tlb_entry tlb[TLB_ENTRIES];
	struct space space[AXON_MAX_ASIDS];
	uint64_t maps;
};

/**
 * struct leaf - where a walk ended
 * @pte: the leaf, valid
 * @table: HBM offset of the table it stands in
 * @index: its index there
 * @shift: log2 of its page size
 */
struct leaf {
	uint64_t pte;
	uint64_t table;
	uint32_t index;
	uint32_t shift;
};

static inline uint64_t tlb_tag(uint32_t asid, uint64_t va)
{
	return (va >> AXON_PAGE_SHIFT) << 6 | asid;
}

/* Mixes in higher bits: rows and operands tend to lie powers of two apart. */
static inline uint32_t tlb_slot(uint32_t asid, uint64_t va)
{
	uint64_t vpn = va >> AXON_PAGE_SHIFT;

	return (uint32_t)(vpn ^ vpn >> TLB_BITS ^ (uint64_t)asid << 5) & (TLB_ENTRIES - 1);
}

static void tlb_flush(struct axon_mmu *mmu, uint32_t asid)
{
	for (uint32_t i = 0; i < TLB_ENTRIES; i++) {
		struct tlb_entry *e = &mmu->tlb[i];

		/* A filled entry can always be read in some way. */
		if (e->tag[AXON_ACCESS_READ_FAR] != TLB_EMPTY &&
		    (e->tag[AXON_ACCESS_READ_FAR] & 63) == asid)
			memset(e->tag, 0xff, sizeof(e->tag));
	}
}

static uint64_t pte_read(const struct axon_card *card, uint64_t table, uint32_t index)
{
	const uint8_t *p = card->hbm + table + (uint64_t)index * 8;

	return __atomic_load_n((const uint64_t *)(const void *)p, __ATOMIC_RELAXED);
}

static bool table_ok(const struct axon_card *card, uint64_t offset)
{
	return !(offset & PAGE_MASK) && offset <= card->cfg.hbm_size - AXON_PAGE_SIZE;
}

/* ---- mappings of system memory ---- */

static uint32_t sys_hash(uint64_t bus, bool write, uint32_t slots)
{
	uint64_t h = (bus ^ (uint64_t)write << 62) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(h >> 32) & (slots - 1);
}

/* The slot that holds the mapping, or the free one where it belongs. There is always a free one. */
static struct sys_map *sys_slot(struct sys_map *map, uint32_t slots, uint64_t bus, bool write)
{
	uint32_t i = sys_hash(bus, write, slots);

	while (map[i].len && (map[i].bus != bus || map[i].write != write))
		i = (i + 1) & (slots - 1);
	return &map[i];
}

/* Makes room for one more entry. */
static bool sys_grow(struct space *space)
{
	uint32_t slots = space->slots ? space->slots * 2 : SYS_TABLE_MIN;
	struct sys_map *map;

	if (space->slots && space->maps < space->slots / 4 * 3)
		return true;
	map = calloc(slots, sizeof(*map));
	if (!map)
		return false;
	for (uint32_t i = 0; i < space->slots; i++) {
		const struct sys_map *old = &space->map[i];

		if (old->len)
			*sys_slot(map, slots, old->bus, old->write) = *old;
	}
	free(space->map);
	space->map = map;
	space->slots = slots;
	return true;
}

static void sys_drop(struct axon_card *card, struct space *space)
{
	for (uint32_t i = 0; i < space->slots; i++) {
		struct sys_map *map = &space->map[i];

		if (map->len)
			card->ops.dma_unmap(card->opaque, map->host, map->len, map->write);
	}
	card->mmu->maps -= space->maps;
	free(space->map);
	space->map = NULL;
	space->slots = 0;
	space->maps = 0;
}

/**
 * sys_map() - a host pointer for a bus address
 * @len: in: bytes wanted; out: bytes reachable, at most as many
 *
 * Return: NULL if the bus refuses.
 */
static uint8_t *sys_map(struct axon_card *card, struct space *space, uint64_t bus, uint64_t *len,
			bool write)
{
	struct sys_map *map;
	uint64_t got = *len;
	uint8_t *host;

	if (!sys_grow(space)) {
		axon_card_log(card, AXON_CARD_ERROR, "no memory for a DMA mapping");
		return NULL;
	}
	map = sys_slot(space->map, space->slots, bus, write);
	if (!map->len) {
		host = card->ops.dma_map(card->opaque, bus, &got, write);
		if (!host)
			return NULL;
		if (!got) {
			card->ops.dma_unmap(card->opaque, host, got, write);
			return NULL;
		}
		*map = (struct sys_map){ .bus = bus, .len = got, .host = host, .write = write };
		space->maps++;
		card->mmu->maps++;
	}
	if (*len > map->len)
		*len = map->len;
	return map->host;
}

/* ---- walks ---- */

static enum axon_status walk(const struct axon_card *card, uint64_t root, uint64_t va,
			     struct leaf *leaf)
{
	uint64_t table = root;

	for (int level = AXON_PT_LEVELS - 1; level >= 0; level--) {
		uint32_t index = (uint32_t)AXON_PT_INDEX(va, level);
		uint64_t pte = pte_read(card, table, index);

		if (!(pte & AXON_PTE_VALID))
			return AXON_STATUS_FAULT_UNMAPPED;
		if (level == 0 || (level == 1 && (pte & AXON_PTE_LEAF))) {
			*leaf = (struct leaf){
				.pte = pte, .table = table, .index = index,
				.shift = level ? AXON_HUGE_SHIFT : AXON_PAGE_SHIFT,
			};
			return AXON_STATUS_OK;
		}
		if (pte & ~TABLE_BITS)
			return AXON_STATUS_FAULT_PTE;
		table = pte & AXON_PTE_ADDR_MASK;
		if (!table_ok(card, table))
			return AXON_STATUS_FAULT_PTE;
	}
	return AXON_STATUS_FAULT_PTE;
}

static uint64_t leaf_target(const struct leaf *leaf)
{
	return (leaf->pte & AXON_PTE_TARGET_MASK) >> AXON_PTE_TARGET_SHIFT;
}

static uint32_t leaf_peer(const struct leaf *leaf)
{
	return (uint32_t)((leaf->pte & AXON_PTE_PEER_MASK) >> AXON_PTE_PEER_SHIFT);
}

/*
 * A link page that the rights allow. The peer's driver is not asked; that the page lies in its
 * memory is all there is to check.
 */
static enum axon_status link_check(struct axon_card *card, const struct leaf *leaf,
				   unsigned int access)
{
	uint64_t size = 1ull << leaf->shift, addr = leaf->pte & AXON_PTE_ADDR_MASK;
	uint32_t peer = leaf_peer(leaf);
	const struct axon_place *place;

	if (access == AXON_ACCESS_EXEC)
		return AXON_STATUS_FAULT_EXEC;
	if (peer >= card->fabric->places || peer == card->cfg.place)
		return AXON_STATUS_FAULT_LINK;
	if (access < AXON_ACCESS_READ_FAR || axon_fabric_state(card, peer) != AXON_PEER_UP) {
		axon_fabric_error(card, peer);
		return AXON_STATUS_FAULT_LINK;
	}
	place = &card->fabric->place[peer];
	if (size > place->hbm_size || addr > place->hbm_size - size)
		return AXON_STATUS_FAULT_PTE;
	return AXON_STATUS_OK;
}

static bool is_write(unsigned int access)
{
	return access == AXON_ACCESS_WRITE || access == AXON_ACCESS_WRITE_FAR;
}

static enum axon_status leaf_check(struct axon_card *card, const struct leaf *leaf,
				   unsigned int access)
{
	uint64_t size = 1ull << leaf->shift;
	uint64_t addr = leaf->pte & AXON_PTE_ADDR_MASK;
	uint64_t target = leaf_target(leaf);

	if ((leaf->pte & AXON_PTE_RESERVED) || (addr & (size - 1)))
		return AXON_STATUS_FAULT_PTE;
	if (target > AXON_PTE_TARGET_LINK)
		return AXON_STATUS_FAULT_PTE;
	if (target != AXON_PTE_TARGET_LINK && (leaf->pte & AXON_PTE_PEER_MASK))
		return AXON_STATUS_FAULT_PTE;
	if (target == AXON_PTE_TARGET_HBM &&
	    (size > card->cfg.hbm_size || addr > card->cfg.hbm_size - size))
		return AXON_STATUS_FAULT_PTE;
	if (is_write(access) && !(leaf->pte & AXON_PTE_WRITE))
		return AXON_STATUS_FAULT_WRITE;
	if (access == AXON_ACCESS_EXEC && !(leaf->pte & AXON_PTE_EXEC))
		return AXON_STATUS_FAULT_EXEC;
	return target == AXON_PTE_TARGET_LINK ? link_check(card, leaf, access) : AXON_STATUS_OK;
}

/*
 * Bytes of the same table that continue the leaf: same rights and target, next address. The first
 * @skip bytes of the leaf do not count. An entry is compared whole with what it should be, so it
 * needs no check of its own but the end of the memory, which has @limit bytes.
 */
static uint64_t leaf_run(const struct axon_card *card, const struct leaf *leaf, uint64_t skip,
			 uint64_t limit)
{
	uint64_t size = 1ull << leaf->shift;
	uint64_t run = size - skip;
	uint64_t want = leaf->pte;
	uint32_t end = leaf->index +
		       (leaf->shift == AXON_HUGE_SHIFT ? MERGE_HUGE : MERGE_PAGES);

	if (end > AXON_PT_ENTRIES)
		end = AXON_PT_ENTRIES;
	for (uint32_t i = leaf->index + 1; i < end; i++) {
		want += size;
		/* The address must not carry into the peer's field. */
		if (!(want & AXON_PTE_ADDR_MASK) || pte_read(card, leaf->table, i) != want)
			break;
		if ((want & AXON_PTE_ADDR_MASK) > limit - size)
			break;
		run += size;
	}
	return run;
}

/* @peer: place, or AXON_NO_PEER; a link page is there only for what may lie behind a link. */
static void tlb_fill(struct axon_mmu *mmu, uint32_t asid, uint64_t va, uint64_t rights,
		     uint32_t peer, uint8_t *host, uint64_t span)
{
	struct tlb_entry *e = &mmu->tlb[tlb_slot(asid, va)];
	uint64_t tag = tlb_tag(asid, va);

	e->tag[AXON_ACCESS_READ_FAR] = tag;
	e->tag[AXON_ACCESS_WRITE_FAR] = rights & AXON_PTE_WRITE ? tag : TLB_EMPTY;
	if (peer == AXON_NO_PEER) {
		e->tag[AXON_ACCESS_READ] = tag;
		e->tag[AXON_ACCESS_WRITE] = e->tag[AXON_ACCESS_WRITE_FAR];
		e->tag[AXON_ACCESS_EXEC] = rights & AXON_PTE_EXEC ? tag : TLB_EMPTY;
	} else {
		e->tag[AXON_ACCESS_READ] = e->tag[AXON_ACCESS_WRITE] = TLB_EMPTY;
		e->tag[AXON_ACCESS_EXEC] = TLB_EMPTY;
	}
	e->host = host;
	e->span = span;
	e->peer = peer;
}

/*
 * System memory is mapped for writing where the page table allows it, so that one mapping serves
 * reads and writes; if the bus refuses that (a ROM), reads still get their own.
 */
static enum axon_status sys_translate(struct axon_card *card, uint32_t asid, uint64_t va,
				      uint64_t bus, uint64_t run, uint64_t rights,
				      unsigned int access, uint64_t *len, uint8_t **ptr)
{
	struct space *space = &card->mmu->space[asid];
	uint64_t off = va & PAGE_MASK;
	bool write = rights & AXON_PTE_WRITE;
	uint64_t got = run;
	uint8_t *host = sys_map(card, space, bus, &got, write);

	if (!host && write && !is_write(access)) {
		write = false;
		rights &= ~AXON_PTE_WRITE;
		got = run;
		host = sys_map(card, space, bus, &got, write);
	}
	if (!host)
		return AXON_STATUS_FAULT_BUS;
	if (got >= AXON_PAGE_SIZE) {
		tlb_fill(card->mmu, asid, va, rights, AXON_NO_PEER, host, got);
		got -= off;
		host += off;
	} else if (got > off) {
		got -= off;
		host += off;
	} else {
		/* The bus gave less than a page, and what is wanted lies behind it. */
		got = AXON_PAGE_SIZE - off;
		host = sys_map(card, space, bus + off, &got, write);
		if (!host)
			return AXON_STATUS_FAULT_BUS;
	}
	if (*len > got)
		*len = got;
	*ptr = host;
	return AXON_STATUS_OK;
}

static __attribute__((noinline)) enum axon_status
translate_miss(struct axon_card *card, uint32_t asid, uint64_t va, uint64_t *len,
	       unsigned int access, uint8_t **ptr)
{
	struct axon_mmu *mmu = card->mmu;
	enum axon_status status;
	struct leaf leaf;
	uint64_t skip, addr, run, limit = card->cfg.hbm_size;
	uint32_t peer = AXON_NO_PEER;
	uint8_t *hbm = card->hbm;

	if (va >= VA_END)
		return AXON_STATUS_FAULT_ADDRESS;
	if (asid >= AXON_MAX_ASIDS || !mmu->space[asid].enabled)
		return AXON_STATUS_FAULT_UNMAPPED;
	status = walk(card, mmu->space[asid].root, va, &leaf);
	if (status == AXON_STATUS_OK)
		status = leaf_check(card, &leaf, access);
	if (status != AXON_STATUS_OK)
		return status;

	skip = va & ((1ull << leaf.shift) - 1) & ~PAGE_MASK;
	addr = (leaf.pte & AXON_PTE_ADDR_MASK) + skip;
	if (leaf_target(&leaf) == AXON_PTE_TARGET_SYS) {
		run = leaf_run(card, &leaf, skip, UINT64_MAX);
		return sys_translate(card, asid, va, addr, run, leaf.pte, access, len, ptr);
	}
	if (leaf_target(&leaf) == AXON_PTE_TARGET_LINK) {
		peer = leaf_peer(&leaf);
		hbm = card->fabric->place[peer].hbm;
		limit = card->fabric->place[peer].hbm_size;
	}
	run = leaf_run(card, &leaf, skip, limit);
	tlb_fill(mmu, asid, va, leaf.pte, peer, hbm + addr, run);
	*ptr = hbm + addr + (va & PAGE_MASK);
	if (*len > run - (va & PAGE_MASK))
		*len = run - (va & PAGE_MASK);
	return AXON_STATUS_OK;
}

enum axon_status axon_mmu_translate(struct axon_card *card, uint32_t asid, uint64_t va,
				    uint64_t *len, unsigned int access, uint8_t **ptr)
{
	const struct tlb_entry *e = &card->mmu->tlb[tlb_slot(asid, va)];
	uint64_t off = va & PAGE_MASK;

	if (__builtin_expect(e->tag[access] != tlb_tag(asid, va), 0))
		return translate_miss(card, asid, va, len, access, ptr);
	*ptr = e->host + off;
	if (*len > e->span - off)
		*len = e->span - off;
	return AXON_STATUS_OK;
}

uint32_t axon_mmu_peer(struct axon_card *card, uint32_t asid, uint64_t va, unsigned int access)
{
	const struct tlb_entry *e = &card->mmu->tlb[tlb_slot(asid, va)];
	uint64_t len = 1;
	uint8_t *ptr;

	/* What the bus gave less than a page of is not in the TLB, but such pages are no links. */
	if (e->tag[access] == tlb_tag(asid, va) ||
	    (axon_mmu_translate(card, asid, va, &len, access, &ptr) == AXON_STATUS_OK &&
	     e->tag[access] == tlb_tag(asid, va)))
		return e->peer;
	return AXON_NO_PEER;
}

enum axon_status axon_mmu_copy(struct axon_card *card, uint32_t asid, uint64_t va, void *buffer,
			       uint64_t len, unsigned int access, uint64_t *fault_va)
{
	enum axon_status status = AXON_STATUS_OK;
	uint8_t *buf = buffer;

	if (len && (va >= VA_END || len > VA_END - va))
		status = AXON_STATUS_FAULT_ADDRESS;
	while (len && status == AXON_STATUS_OK) {
		uint64_t run = len;
		uint8_t *p;

		status = axon_mmu_translate(card, asid, va, &run, access, &p);
		if (status != AXON_STATUS_OK)
			break;
		if (is_write(access))
			memcpy(p, buf, run);
		else
			memcpy(buf, p, run);
		va += run;
		buf += run;
		len -= run;
	}
	if (status != AXON_STATUS_OK && fault_va)
		*fault_va = va;
	return status;
}

enum axon_status axon_mmu_read(struct axon_card *card, uint32_t asid, uint64_t va, void *buf,
			       uint64_t len, uint64_t *fault_va)
{
	return axon_mmu_copy(card, asid, va, buf, len, AXON_ACCESS_READ, fault_va);
}

enum axon_status axon_mmu_write(struct axon_card *card, uint32_t asid, uint64_t va,
				const void *buf, uint64_t len, uint64_t *fault_va)
{
	/* It is only read. */
	return axon_mmu_copy(card, asid, va, (void *)(uintptr_t)buf, len, AXON_ACCESS_WRITE,
			     fault_va);
}

/* ---- life ---- */

static void space_drop(struct axon_card *card, uint32_t asid)
{
	struct space *space = &card->mmu->space[asid];

	tlb_flush(card->mmu, asid);
	sys_drop(card, space);
	space->gen++;
}

bool axon_mmu_enabled(struct axon_card *card, uint32_t asid)
{
	return asid < AXON_MAX_ASIDS && card->mmu->space[asid].enabled;
}

uint64_t axon_mmu_generation(struct axon_card *card, uint32_t asid)
{
	return card->mmu->space[asid].gen;
}

enum axon_p_result axon_mmu_enable(struct axon_card *card, uint32_t asid, uint64_t root)
{
	if (asid >= AXON_MAX_ASIDS)
		return AXON_P_BAD_ID;
	if (!table_ok(card, root))
		return AXON_P_BAD_PARAM;
	if (card->mmu->space[asid].enabled)
		return AXON_P_BUSY;
	card->mmu->space[asid].root = root;
	card->mmu->space[asid].enabled = true;
	card->mmu->space[asid].gen++;
	return AXON_P_OK;
}

enum axon_p_result axon_mmu_disable(struct axon_card *card, uint32_t asid)
{
	if (asid >= AXON_MAX_ASIDS)
		return AXON_P_BAD_ID;
	if (!card->mmu->space[asid].enabled)
		return AXON_P_NOT_FOUND;
	if (axon_queues_use_asid(card, asid))
		return AXON_P_BUSY;
	space_drop(card, asid);
	card->mmu->space[asid].enabled = false;
	axon_core_forget(card, asid);
	return AXON_P_OK;
}

enum axon_p_result axon_mmu_invalidate(struct axon_card *card, uint32_t asid)
{
	if (asid >= AXON_MAX_ASIDS)
		return AXON_P_BAD_ID;
	if (!card->mmu->space[asid].enabled)
		return AXON_P_NOT_FOUND;
	space_drop(card, asid);
	return AXON_P_OK;
}

void axon_mmu_drop_mappings(struct axon_card *card)
{
	for (uint32_t asid = 0; asid < AXON_MAX_ASIDS; asid++)
		if (card->mmu->space[asid].maps)
			space_drop(card, asid);
}

void axon_mmu_trim(struct axon_card *card)
{
	if (card->mmu->maps > SYS_MAPS_MAX)
		axon_mmu_drop_mappings(card);
}

/*
 * All of the TLB: peers change seldom, and what else it held comes back with a walk. Pointers that
 * others keep longer than a slice (rings) never are to link pages, so no generation changes.
 */
void axon_mmu_drop_links(struct axon_card *card)
{
	for (uint32_t i = 0; i < TLB_ENTRIES; i++)
		memset(card->mmu->tlb[i].tag, 0xff, sizeof(card->mmu->tlb[i].tag));
}

void axon_mmu_reset(struct axon_card *card)
{
	for (uint32_t asid = 0; asid < AXON_MAX_ASIDS; asid++) {
		sys_drop(card, &card->mmu->space[asid]);
		card->mmu->space[asid].gen++;
		card->mmu->space[asid].enabled = false;
		axon_core_forget(card, asid);
	}
	axon_mmu_drop_links(card);
}

int axon_mmu_create(struct axon_card *card)
{
	card->mmu = aligned_alloc(64, sizeof(*card->mmu));
	if (!card->mmu)
		return -ENOMEM;
	memset(card->mmu, 0, sizeof(*card->mmu));
	axon_mmu_reset(card);
	return 0;
}

void axon_mmu_destroy(struct axon_card *card)
{
	if (!card->mmu)
		return;
	axon_mmu_reset(card);
	free(card->mmu);
	card->mmu = NULL;
}
