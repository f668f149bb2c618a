// SPDX-License-Identifier: MIT
/*
 * soft_mem.c - memory of the soft card: HBM, bus addresses of host memory, page tables.
 *
 * Everything here is called with soft_card.run held. The card reaches host memory only by bus
 * addresses handed out here; a pointer is never a bus address.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "soft.h"

#define PAGE			((uint64_t)AXON_PAGE_SIZE)
#define HUGE			(1ull << AXON_HUGE_SHIFT)
#define BUS_START		0x100000000ull
#define BUS_END			(1ull << 46)
/* More than this is given back to the host instead of being written with zeros. */
#define DISCARD_MIN		(16 * PAGE)

/* ---- addresses ---- */

/* Index of the first extent that ends beyond @addr. */
static size_t space_find(const struct soft_space *space, uint64_t addr)
{
	size_t low = 0;
	size_t high = space->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (space->used[mid].addr + space->used[mid].size > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static int space_insert(struct soft_space *space, size_t at, uint64_t addr, uint64_t size,
			void *owner)
{
	if (space->count == space->room) {
		size_t room = space->room ? 2 * space->room : 64;
		void *used = realloc(space->used, room * sizeof(*space->used));

		if (!used)
			return -ENOMEM;
		space->used = used;
		space->room = room;
	}
	memmove(&space->used[at + 1], &space->used[at],
		(space->count - at) * sizeof(*space->used));
	space->used[at] = (struct soft_extent) { addr, size, owner };
	space->count++;
	space->bytes += size;
	return 0;
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/* First fit from below. */
static int space_alloc(struct soft_space *space, uint64_t size, uint64_t align, void *owner,
		       uint64_t *addr)
{
	uint64_t from = space->start;
	size_t i;

	for (i = 0; i <= space->count; i++) {
		uint64_t end = i < space->count ? space->used[i].addr : space->end;
		uint64_t start = align_up(from, align);

		if (start <= end && size <= end - start) {
			*addr = start;
			return space_insert(space, i, start, size, owner);
		}
		if (i < space->count)
			from = end + space->used[i].size;
	}
	return -ENOSPC;
}

/* A page from above, so that page tables do not cut up what large buffers need. */
static int space_alloc_page(struct soft_space *space, void *owner, uint64_t *addr)
{
	uint64_t end = space->end;
	size_t i;

	for (i = space->count; ; i--) {
		uint64_t from = i ? space->used[i - 1].addr + space->used[i - 1].size :
				    space->start;

		if (end - from >= PAGE) {
			*addr = end - PAGE;
			return space_insert(space, i, *addr, PAGE, owner);
		}
		if (!i)
			return -ENOSPC;
		end = space->used[i - 1].addr;
	}
}

static void space_remove(struct soft_space *space, size_t at)
{
	space->bytes -= space->used[at].size;
	space->count--;
	memmove(&space->used[at], &space->used[at + 1],
		(space->count - at) * sizeof(*space->used));
}

/* ---- HBM ---- */

int soft_mem_init(struct soft_card *card, uint64_t hbm_size)
{
	uint64_t head;
	uint8_t *hbm;

	if (hbm_size > SIZE_MAX - HUGE)
		return -ENOMEM;
	/* NORESERVE: what is not touched costs nothing, as the default size is not meant to. */
	hbm = mmap(NULL, hbm_size + HUGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hbm == MAP_FAILED)
		return -ENOMEM;
	/* So that the card's huge pages can be the host's; what is too much goes back. */
	head = -(uintptr_t)hbm & (HUGE - 1);
	if (head)
		munmap(hbm, head);
	hbm += head;
	munmap(hbm + hbm_size, HUGE - head);
	card->hbm = hbm;
	card->hbm_size = hbm_size;
	card->hbm_space.end = hbm_size;
	card->bus_space.start = BUS_START;
	card->bus_space.end = BUS_END;
	return 0;
}

void soft_mem_exit(struct soft_card *card)
{
	if (card->hbm)
		munmap(card->hbm, card->hbm_size);
	free(card->hbm_space.used);
	free(card->bus_space.used);
}

static void hbm_clear(struct soft_card *card, uint64_t addr, uint64_t size)
{
	if (size < DISCARD_MIN || madvise(card->hbm + addr, size, MADV_DONTNEED))
		memset(card->hbm + addr, 0, size);
}

int soft_hbm_alloc(struct soft_card *card, uint64_t size, void *owner, uint64_t *addr)
{
	int err = space_alloc(&card->hbm_space, size, size >= HUGE ? HUGE : PAGE, owner, addr);

	/* Only a hint, and only for what is large: a small one must not cost 2 MiB of zeros. */
	if (!err && size >= HUGE)
		(void)madvise(card->hbm + *addr, size - size % HUGE, MADV_HUGEPAGE);
	return err;
}

/* Memory is cleared when it is freed, so that free memory is always zero. */
void soft_hbm_free(struct soft_card *card, uint64_t addr)
{
	size_t i = space_find(&card->hbm_space, addr);

	hbm_clear(card, addr, card->hbm_space.used[i].size);
	space_remove(&card->hbm_space, i);
}

uint64_t soft_hbm_used(struct soft_card *card, uint64_t start, uint64_t end)
{
	const struct soft_space *space = &card->hbm_space;
	uint64_t used = 0;
	size_t i;

	for (i = space_find(space, start); i < space->count && space->used[i].addr < end; i++) {
		uint64_t from = space->used[i].addr;
		uint64_t to = from + space->used[i].size;

		used += (to < end ? to : end) - (from > start ? from : start);
	}
	return used;
}

/* ---- host memory ---- */

void *soft_dma_map(void *opaque, uint64_t addr, uint64_t *len, bool write)
{
	struct soft_card *card = opaque;
	const struct soft_space *space = &card->bus_space;
	size_t i = space_find(space, addr);
	const struct soft_bo *bo;
	uint64_t skip;

	if (i == space->count || addr < space->used[i].addr)
		return NULL;
	bo = space->used[i].owner;
	skip = addr - space->used[i].addr;
	if (*len > bo->base.size - skip)
		*len = bo->base.size - skip;
	return bo->ptr + skip;
}

void soft_dma_unmap(void *opaque, void *host, uint64_t len, bool write)
{
	/* The memory cannot go while it is bound, and unbinding invalidates. */
}

static struct soft_pages *pages_new(uint64_t size)
{
	struct soft_pages *pages = calloc(1, sizeof(*pages));
	void *ptr;

	if (!pages)
		return NULL;
	ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ptr == MAP_FAILED) {
		free(pages);
		return NULL;
	}
	pages->ptr = ptr;
	pages->size = size;
	return pages;
}

/* Buffers of different cards let go of it under different locks. */
void soft_pages_put(struct soft_pages *pages)
{
	if (atomic_fetch_sub_explicit(&pages->refs, 1, memory_order_acq_rel) != 1)
		return;
	munmap(pages->ptr, pages->size);
	free(pages);
}

int soft_bo_wrap(struct soft_card *card, struct soft_pages *pages, struct soft_bo *bo)
{
	uint64_t size = pages->size;
	int err;

	err = space_alloc(&card->bus_space, size, size >= HUGE ? HUGE : PAGE, bo, &bo->addr);
	if (err)
		return -ENOMEM;
	atomic_fetch_add_explicit(&pages->refs, 1, memory_order_relaxed);
	bo->base.size = size;
	bo->base.region = DRM_AXON_REGION_HOST;
	bo->refs = 1;
	bo->pages = pages;
	bo->ptr = pages->ptr;
	return 0;
}

static int host_new(struct soft_card *card, uint64_t size, struct soft_bo *bo)
{
	struct soft_pages *pages = pages_new(size);
	int err;

	if (!pages)
		return -ENOMEM;
	atomic_init(&pages->refs, 1);
	err = soft_bo_wrap(card, pages, bo);
	soft_pages_put(pages);
	return err;
}

/* Buffers start with one reference, for the handle; @size is whole pages. */
int soft_bo_new(struct soft_card *card, uint64_t size, uint32_t region, struct soft_bo *bo)
{
	int err;

	if (region == DRM_AXON_REGION_HOST)
		return host_new(card, size, bo);
	bo->base.size = size;
	bo->base.region = region;
	bo->refs = 1;
	err = soft_hbm_alloc(card, size, bo, &bo->addr);
	if (!err)
		bo->ptr = card->hbm + bo->addr;
	return err;
}

void soft_bo_put(struct soft_card *card, struct soft_bo *bo)
{
	if (--bo->refs)
		return;
	if (bo->base.region == DRM_AXON_REGION_HBM) {
		soft_hbm_free(card, bo->addr);
	} else if (bo->base.region == DRM_AXON_REGION_HOST) {
		space_remove(&card->bus_space, space_find(&card->bus_space, bo->addr));
		soft_pages_put(bo->pages);
	}
	if (bo->from)
		soft_share_drop(card, bo);
	free(bo);
}

/* ---- page tables ---- */

static uint64_t *pt_entry(struct soft_card *card, uint64_t table, uint64_t va, int level)
{
	return (uint64_t *)(card->hbm + table) + AXON_PT_INDEX(va, level);
}

/* A table entry that covers @va on @level, made of a huge page if need be. */
static int pt_make_table(struct soft_card *card, struct soft_vm *vm, uint64_t *entry)
{
	uint64_t old = *entry;
	uint64_t *table;
	uint64_t addr;
	unsigned int i;
	int err;

	err = space_alloc_page(&card->hbm_space, vm, &addr);
	if (err)
		return -ENOMEM;
	if (old & AXON_PTE_VALID) {
		table = (uint64_t *)(card->hbm + addr);
		for (i = 0; i < AXON_PT_ENTRIES; i++)
			table[i] = old + i * PAGE;
	}
	*entry = addr | AXON_PTE_VALID;
	return 0;
}

/**
 * pt_walk() - the entry of @level that covers @va
 * @create: make tables on the way
 * @entry: result; NULL if there is none and @create is false
 *
 * Return: on success the level where the walk ended (above @level if an entry is absent or a huge
 * page is in the way and @create is false); -ENOMEM.
 */
static int pt_walk(struct soft_card *card, struct soft_vm *vm, uint64_t va, int level, bool create,
		   uint64_t **entry)
{
	uint64_t table = vm->root;
	int l;

	for (l = AXON_PT_LEVELS - 1; l > level; l--) {
		uint64_t *e = pt_entry(card, table, va, l);
		bool leaf = (*e & AXON_PTE_VALID) && (*e & AXON_PTE_LEAF);

		if (!(*e & AXON_PTE_VALID) || leaf) {
			int err = create ? pt_make_table(card, vm, e) : 0;

			if (err)
				return err;
			if (!create) {
				*entry = leaf ? e : NULL;
				return l;
			}
		}
		table = *e & AXON_PTE_ADDR_MASK;
	}
	*entry = pt_entry(card, table, va, level);
	return level;
}

static bool is_table(uint64_t pte)
{
	return (pte & AXON_PTE_VALID) && !(pte & AXON_PTE_LEAF);
}

static uint64_t span(int level)
{
	return 1ull << (AXON_PAGE_SHIFT + 9 * level);
}

/* May the next piece of a mapping be a huge page? Makes the tables down to it if it may. */
static int pt_huge(struct soft_card *card, struct soft_vm *vm, uint64_t va, uint64_t pa,
		   uint64_t size, uint64_t **entry)
{
	int err;

	if ((va | pa) & (HUGE - 1) || size < HUGE)
		return 0;
	err = pt_walk(card, vm, va, 1, true, entry);
	if (err < 0)
		return err;
	return !is_table(**entry);
}

/*
 * Writes the entries of a range, or with @leaf 0 only makes every table they need: that pass comes
 * first, so that a shortage of memory changes nothing the card could see.
 */
static int pt_map(struct soft_card *card, struct soft_vm *vm, uint64_t va, uint64_t pa,
		  uint64_t size, uint64_t leaf)
{
	while (size) {
		uint64_t *entry = NULL;
		uint64_t step = HUGE;
		int huge = pt_huge(card, vm, va, pa, size, &entry);

		if (huge < 0)
			return huge;
		if (!huge) {
			int err = pt_walk(card, vm, va, 0, true, &entry);

			if (err < 0)
				return err;
			step = PAGE;
		}
		if (leaf)
			*entry = pa | leaf;
		va += step;
		pa += step;
		size -= step;
	}
	return 0;
}

/* Clears the entries of a range; with @split only cuts the huge pages at its ends. */
static int pt_unmap(struct soft_card *card, struct soft_vm *vm, uint64_t va, uint64_t size,
		    bool split)
{
	uint64_t end = va + size;

	while (va < end) {
		uint64_t *entry;
		int level = pt_walk(card, vm, va, 0, false, &entry);
		uint64_t next = (va & ~(span(level) - 1)) + span(level);

		if (entry && level == 1 && ((va & (HUGE - 1)) || end < next)) {
			int err = pt_make_table(card, vm, entry);

			if (err)
				return err;
			continue;
		}
		if (entry && !split)
			*entry = 0;
		va = next;
	}
	return 0;
}

/* ---- address spaces ---- */

int soft_vm_init(struct soft_card *card, struct soft_vm *vm)
{
	return space_alloc_page(&card->hbm_space, vm, &vm->root) ? -ENOMEM : 0;
}

void soft_vm_exit(struct soft_card *card, struct soft_vm *vm)
{
	struct soft_space *space = &card->hbm_space;
	size_t i;

	for (i = 0; i < vm->count; i++)
		soft_bo_put(card, vm->map[i].bo);
	free(vm->map);
	for (i = space->count; i-- > 0; )
		if (space->used[i].owner == vm)
			soft_hbm_free(card, space->used[i].addr);
}

static int map_reserve(struct soft_vm *vm)
{
	/* One change adds at most two: the new one, and the second half of one cut in two. */
	if (vm->count + 2 > vm->room) {
		size_t room = vm->room ? 2 * vm->room : 16;
		void *map = realloc(vm->map, room * sizeof(*vm->map));

		if (!map)
			return -ENOMEM;
		vm->map = map;
		vm->room = room;
	}
	return 0;
}

static void map_insert(struct soft_vm *vm, size_t at, const struct soft_mapping *m)
{
	memmove(&vm->map[at + 1], &vm->map[at], (vm->count - at) * sizeof(*m));
	vm->map[at] = *m;
	vm->count++;
}

/* Cuts a range out of the list. Gives the index where its successor stands. */
static size_t map_cut(struct soft_card *card, struct soft_vm *vm, uint64_t addr, uint64_t size)
{
	uint64_t end = addr + size;
	size_t i = 0;

	while (i < vm->count && vm->map[i].addr + vm->map[i].size <= addr)
		i++;
	while (i < vm->count && vm->map[i].addr < end) {
		struct soft_mapping *m = &vm->map[i];
		uint64_t m_end = m->addr + m->size;
		struct soft_mapping tail = *m;

		if (m->addr < addr && m_end > end) {
			m->size = addr - m->addr;
			tail.addr = end;
			tail.size = m_end - end;
			tail.bo_offset += end - m->addr;
			tail.bo->refs++;
			map_insert(vm, i + 1, &tail);
			return i + 1;
		}
		if (m->addr < addr) {
			m->size = addr - m->addr;
			i++;
		} else if (m_end > end) {
			m->bo_offset += end - m->addr;
			m->addr = end;
			m->size = m_end - end;
			return i;
		} else {
			/* The card's cached translations are gone: soft_vm_change(). */
			vm->count--;
			memmove(m, m + 1, (vm->count - i) * sizeof(*m));
			soft_bo_put(card, tail.bo);
		}
	}
	return i;
}

static uint64_t leaf_flags(const struct soft_bo *bo, uint32_t flags)
{
	static const uint64_t target[] = {
		[DRM_AXON_REGION_HOST] = AXON_PTE_TARGET_SYS,
		[DRM_AXON_REGION_HBM] = AXON_PTE_TARGET_HBM,
		[DRM_AXON_REGION_LINK] = AXON_PTE_TARGET_LINK,
	};
	uint64_t leaf = AXON_PTE_VALID | AXON_PTE_LEAF;

	if (!(flags & DRM_AXON_BIND_READONLY))
		leaf |= AXON_PTE_WRITE;
	if (!(flags & DRM_AXON_BIND_NOEXEC))
		leaf |= AXON_PTE_EXEC;
	leaf |= target[bo->base.region] << AXON_PTE_TARGET_SHIFT;
	if (bo->base.region == DRM_AXON_REGION_LINK)
		leaf |= (uint64_t)bo->peer << AXON_PTE_PEER_SHIFT;
	return leaf;
}

static int change_check(const struct soft_vm *vm, const struct axon_bind *op)
{
	const struct soft_bo *bo = (const struct soft_bo *)op->bo;
	bool map = op->op == DRM_AXON_BIND_MAP;

	if (!map && op->op != DRM_AXON_BIND_UNMAP)
		return -EINVAL;
	if (!op->size || (op->addr | op->size | op->bo_offset) & (PAGE - 1))
		return -EINVAL;
	if (op->addr < AXON_VM_START || op->addr >= AXON_VM_END ||
	    op->size > AXON_VM_END - op->addr)
		return -EINVAL;
	if (op->flags & ~(map ? DRM_AXON_BIND_FLAGS : 0u))
		return -EINVAL;
	if (!map)
		return op->bo_offset ? -EINVAL : 0;
	if (op->bo_offset > bo->base.size || op->size > bo->base.size - op->bo_offset)
		return -EINVAL;
	if (bo->base.region == DRM_AXON_REGION_LINK && !(op->flags & DRM_AXON_BIND_NOEXEC))
		return -EINVAL;
	if (bo->cut)
		return -ENOLINK;
	return bo->vm && bo->vm != &vm->base ? -EPERM : 0;
}

int soft_vm_change(struct soft_card *card, struct soft_vm *vm, const struct axon_bind *op)
{
	struct soft_bo *bo = (struct soft_bo *)op->bo;
	struct soft_mapping m = {
		.addr = op->addr,
		.size = op->size,
		.bo_offset = op->bo_offset,
		.bo = bo,
		.flags = op->flags,
	};
	size_t at;
	int err;

	err = change_check(vm, op);
	if (!err)
		err = map_reserve(vm);
	/* Everything that can fail comes before anything the card can see. */
	if (!err)
		err = pt_unmap(card, vm, op->addr, op->size, true);
	if (!err && bo)
		err = pt_map(card, vm, op->addr, bo->addr + op->bo_offset, op->size, 0);
	if (err)
		return err;
	pt_unmap(card, vm, op->addr, op->size, false);
	/* Before buffers that were bound here may go. */
	err = soft_as_invalidate(card, vm);
	at = map_cut(card, vm, op->addr, op->size);
	if (!bo)
		return err;
	pt_map(card, vm, op->addr, bo->addr + op->bo_offset, op->size,
	       leaf_flags(bo, op->flags));
	bo->refs++;
	map_insert(vm, at, &m);
	return err;
}

/* The entries go, the list stays: it says what is bound, if only to nothing. */
static bool vm_cut(struct soft_card *card, struct soft_vm *vm, const struct soft_bo *bo)
{
	bool any = false;
	size_t i;

	for (i = 0; i < vm->count; i++)
		if (vm->map[i].bo == bo) {
			/* Nothing is split: no page of a mapping reaches beyond it. */
			pt_unmap(card, vm, vm->map[i].addr, vm->map[i].size, false);
			any = true;
		}
	return any;
}

int soft_bo_cut(struct soft_card *card, struct soft_bo *bo)
{
	struct soft_vm *vm;
	int err = 0;

	bo->cut = true;
	for (vm = card->vms; vm; vm = vm->next)
		if (vm_cut(card, vm, bo) && soft_as_invalidate(card, vm))
			err = -EIO;
	return err;
}
