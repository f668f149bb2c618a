// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_gem.c - buffers, in host memory (shmem) or in HBM.
 *
 * Nothing moves: HBM is given when a buffer is made and taken back when its last user is gone;
 * host pages are pinned and mapped for DMA at the first bind. An HBM buffer is cleared before
 * anybody sees it. CPU mappings of HBM are made by faults; after an unplug the fault handler
 * shows a zero page of the buffer's own instead, so that no process dies of it.
 *
 * What a dma-buf does with them is in axon_prime.c.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>

#include "axon_device.h"
#include "axon_drv.h"
#include "axon_gem.h"
#include "axon_prime.h"
#include "axon_vm.h"

/* Pages mapped by one CPU fault, aligned. */
#define AXON_FAULT_AROUND	64u

/* ---- what a buffer is made of ---- */

/**
 * axon_bo_cursor_init() - walk a buffer from an offset on
 * @c: to be filled in
 * @bo: the buffer
 * @offset: first byte
 */
void axon_bo_cursor_init(struct axon_bo_cursor *c, struct axon_bo *bo, u64 offset)
{
	*c = (struct axon_bo_cursor){ .bo = bo, .skip = offset };
	if (bo->region == DRM_AXON_REGION_HOST) {
		c->sg = bo->base.sgt->sgl;
		c->left = bo->base.sgt->nents;
	}
}

static bool cursor_raw(struct axon_bo_cursor *c, u64 *addr, u64 *size)
{
	const struct axon_hbm_mem *hbm = c->bo->peer ? &c->bo->peer->hbm : &c->bo->hbm;

	if (c->bo->region != DRM_AXON_REGION_HOST) {
		if (c->index == hbm->num)
			return false;
		*addr = hbm->extent[c->index].addr;
		*size = hbm->extent[c->index].size;
		c->index++;
		return true;
	}
	if (!c->left)
		return false;
	*addr = sg_dma_address(c->sg);
	*size = sg_dma_len(c->sg);
	c->sg = sg_next(c->sg);
	c->left--;
	return true;
}

/**
 * axon_bo_cursor_next() - the next piece
 * @c: the cursor
 * @addr: its address: bus address, or offset in the card's or the peer's HBM
 * @size: its bytes
 *
 * Return: false at the end of the buffer.
 */
bool axon_bo_cursor_next(struct axon_bo_cursor *c, u64 *addr, u64 *size)
{
	while (cursor_raw(c, addr, size)) {
		if (c->skip < *size) {
			*addr += c->skip;
			*size -= c->skip;
			c->skip = 0;
			return true;
		}
		c->skip -= *size;
	}
	return false;
}

/**
 * axon_bo_map_dma() - make a host buffer reachable for the card
 * @bo: the buffer; for HBM, its own or a sibling's, there is nothing to do
 *
 * Inside drm_dev_enter(). Return: 0 or a negative errno.
 */
int axon_bo_map_dma(struct axon_bo *bo)
{
	struct axon_device *axdev = to_axon_device(bo->base.base.dev);
	struct sg_table *sgt;

	if (bo->region != DRM_AXON_REGION_HOST)
		return 0;
	sgt = bo->peer ? axon_prime_map_dma(bo) : drm_gem_shmem_get_pages_sgt(&bo->base);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	spin_lock(&axdev->bos_lock);
	if (list_empty(&bo->mapped_link))
		list_add_tail(&bo->mapped_link, &axdev->mapped_bos);
	spin_unlock(&axdev->bos_lock);
	return 0;
}

/**
 * axon_bo_unmap_dma() - undo a host buffer's DMA mapping
 * @bo: the buffer; the device is still bound, but nothing uses the mapping any more
 */
void axon_bo_unmap_dma(struct axon_bo *bo)
{
	struct drm_gem_object *obj = &bo->base.base;
	struct sg_table *sgt;

	dma_resv_lock(obj->resv, NULL);
	sgt = bo->base.sgt;
	bo->base.sgt = NULL;
	dma_resv_unlock(obj->resv);
	if (!sgt)
		return;
	dma_unmap_sgtable(obj->dev->dev, sgt, DMA_BIDIRECTIONAL, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

/**
 * axon_bo_unmap_all() - undo DMA mappings while the driver still owns the device
 * @axdev: the card, unplugged and silent
 *
 * Buffers that open files hold stay, as memory.
 */
void axon_bo_unmap_all(struct axon_device *axdev)
{
	struct axon_bo *bo;

	for (;;) {
		bool live;

		spin_lock(&axdev->bos_lock);
		bo = list_first_entry_or_null(&axdev->mapped_bos, struct axon_bo, mapped_link);
		/* one that is being freed undoes its mapping itself */
		live = bo && kref_get_unless_zero(&bo->base.base.refcount);
		if (bo)
			list_del_init(&bo->mapped_link);
		spin_unlock(&axdev->bos_lock);
		if (!bo)
			return;
		if (!live)
			continue;
		axon_bo_unmap_dma(bo);
		drm_gem_object_put(&bo->base.base);
	}
}

/* ---- object functions ---- */

/**
 * axon_bo_fini() - what buffers of all kinds do first when they are freed
 * @bo: the buffer
 */
void axon_bo_fini(struct axon_bo *bo)
{
	struct axon_device *axdev = to_axon_device(bo->base.base.dev);

	spin_lock(&axdev->bos_lock);
	list_del_init(&bo->mapped_link);
	spin_unlock(&axdev->bos_lock);
	if (bo->dummy)
		__free_page(bo->dummy);
	bo->dummy = NULL;
}

static void bo_free_host(struct drm_gem_object *obj)
{
	struct axon_bo *bo = to_axon_bo(obj);
	struct drm_gem_object *owner = bo->owner;

	axon_bo_fini(bo);
	drm_gem_shmem_free(&bo->base);
	if (owner)
		drm_gem_object_put(owner);
}

static void bo_free_hbm(struct drm_gem_object *obj)
{
	struct axon_bo *bo = to_axon_bo(obj);
	struct drm_gem_object *owner = bo->owner;

	axon_bo_fini(bo);
	drm_gem_free_mmap_offset(obj);
	axon_hbm_free(&to_axon_device(obj->dev)->hbm, &bo->hbm);
	drm_gem_object_release(obj);
	kfree(bo);
	if (owner)
		drm_gem_object_put(owner);
}

static void bo_print_info(struct drm_printer *p, unsigned int indent,
			  const struct drm_gem_object *obj)
{
	const struct axon_bo *bo = to_axon_bo(obj);
	u32 i;

	drm_printf_indent(p, indent, "region=%s flags=%#x%s\n",
			  bo->region == DRM_AXON_REGION_HBM ? "hbm" : "host", bo->flags,
			  bo->owner ? " private" : "");
	for (i = 0; i < bo->hbm.num; i++)
		drm_printf_indent(p, indent, "hbm %#llx + %#llx\n", bo->hbm.extent[i].addr,
				  bo->hbm.extent[i].size);
	if (bo->region == DRM_AXON_REGION_HOST)
		drm_gem_shmem_print_info(&bo->base, p, indent);
}

static enum drm_gem_object_status bo_status(struct drm_gem_object *obj)
{
	struct axon_bo *bo = to_axon_bo(obj);

	return bo->region == DRM_AXON_REGION_HBM || bo->base.pages ? DRM_GEM_OBJECT_RESIDENT : 0;
}

static int bo_mmap_host(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct axon_bo *bo = to_axon_bo(obj);

	if (!(bo->flags & DRM_AXON_BO_CPU_VISIBLE))
		return -EINVAL;
	return drm_gem_shmem_mmap(&bo->base, vma);
}

/* The card is gone: a page of zeroes that belongs to this buffer alone. */
static vm_fault_t fault_dummy(struct axon_bo *bo, struct vm_fault *vmf)
{
	struct page *page = READ_ONCE(bo->dummy);

	if (!page) {
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page)
			return VM_FAULT_OOM;
		if (cmpxchg(&bo->dummy, NULL, page)) {
			__free_page(page);
			page = bo->dummy;
		}
	}
	return vmf_insert_pfn_prot(vmf->vma, vmf->address & PAGE_MASK, page_to_pfn(page),
				   vm_get_page_prot(vmf->vma->vm_flags));
}

static vm_fault_t fault_hbm(struct axon_bo *bo, struct vm_fault *vmf)
{
	struct axon_device *axdev = to_axon_device(bo->base.base.dev);
	struct vm_area_struct *vma = vmf->vma;
	u64 page = vmf->pgoff - drm_vma_node_start(&bo->base.base.vma_node);
	unsigned long first, addr, around = AXON_FAULT_AROUND * PAGE_SIZE;
	struct axon_bo_cursor c;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	u64 pa = 0, left = 0;

	if (page >= bo->base.base.size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	first = max(vma->vm_start, ALIGN_DOWN(vmf->address, around));
	page -= (ALIGN_DOWN(vmf->address, PAGE_SIZE) - first) >> PAGE_SHIFT;
	axon_bo_cursor_init(&c, bo, page << PAGE_SHIFT);
	for (addr = first; addr < vma->vm_end && addr < ALIGN_DOWN(vmf->address, around) + around;
	     addr += PAGE_SIZE) {
		vm_fault_t one;

		if (!left && !axon_bo_cursor_next(&c, &pa, &left))
			break;
		one = vmf_insert_pfn(vma, addr, (axdev->hbm_phys + pa) >> PAGE_SHIFT);
		/* only the page asked for decides */
		if (addr == ALIGN_DOWN(vmf->address, PAGE_SIZE))
			ret = one;
		pa += PAGE_SIZE;
		left -= PAGE_SIZE;
	}
	return ret;
}

static vm_fault_t bo_fault(struct vm_fault *vmf)
{
	struct axon_bo *bo = to_axon_bo(vmf->vma->vm_private_data);
	vm_fault_t ret;
	int idx;

	if (!drm_dev_enter(bo->base.base.dev, &idx))
		return fault_dummy(bo, vmf);
	ret = fault_hbm(bo, vmf);
	drm_dev_exit(idx);
	return ret;
}

static const struct vm_operations_struct bo_hbm_vm_ops = {
	.fault = bo_fault,
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
};

static int bo_mmap_hbm(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct axon_bo *bo = to_axon_bo(obj);

	if (!(bo->flags & DRM_AXON_BO_CPU_VISIBLE) || is_cow_mapping(vma->vm_flags))
		return -EINVAL;
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = pgprot_writecombine(vm_get_page_prot(vma->vm_flags));
	vma->vm_ops = &bo_hbm_vm_ops;
	return 0;
}

static const struct drm_gem_object_funcs bo_host_funcs = {
	.free = bo_free_host,
	.print_info = bo_print_info,
	.export = axon_prime_export,
	.mmap = bo_mmap_host,
	.status = bo_status,
	.vm_ops = &drm_gem_shmem_vm_ops,
};

static const struct drm_gem_object_funcs bo_hbm_funcs = {
	.free = bo_free_hbm,
	.print_info = bo_print_info,
	.export = axon_prime_export,
	.mmap = bo_mmap_hbm,
	.status = bo_status,
	.vm_ops = &bo_hbm_vm_ops,
};

/**
 * axon_gem_create_object() - memory of a host buffer, for the shmem helper
 * @drm: the card
 * @size: bytes
 *
 * Return: the object or an ERR_PTR().
 */
struct drm_gem_object *axon_gem_create_object(struct drm_device *drm, size_t size)
{
	struct axon_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL_ACCOUNT);

	if (!bo)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&bo->mapped_link);
	bo->base.base.funcs = &bo_host_funcs;
	return &bo->base.base;
}

/* ---- creation ---- */

static struct axon_bo *bo_create_hbm(struct axon_device *axdev, u64 size)
{
	struct axon_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!bo)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&bo->mapped_link);
	ret = axon_hbm_alloc(&axdev->hbm, size, false, &bo->hbm);
	if (ret) {
		kfree(bo);
		return ERR_PTR(ret);
	}
	bo->region = DRM_AXON_REGION_HBM;
	bo->base.base.funcs = &bo_hbm_funcs;
	drm_gem_private_object_init(&axdev->drm, &bo->base.base, size);
	ret = axon_hbm_clear(axdev, &bo->hbm);
	if (!ret)
		ret = drm_gem_create_mmap_offset(&bo->base.base);
	if (ret) {
		drm_gem_object_put(&bo->base.base);
		return ERR_PTR(ret);
	}
	return bo;
}

static struct axon_bo *bo_create_host(struct axon_device *axdev, u64 size)
{
	struct drm_gem_shmem_object *shmem = drm_gem_shmem_create(&axdev->drm, size);

	if (IS_ERR(shmem))
		return ERR_CAST(shmem);
	return to_axon_bo(&shmem->base);
}

static int bo_create(struct axon_device *axdev, struct drm_axon_bo_create *args,
		     struct drm_file *filp)
{
	struct axon_file *file = filp->driver_priv;
	struct axon_vm *vm = NULL;
	struct axon_bo *bo;
	int ret;

	if (args->vm_id) {
		vm = axon_vm_lookup(file, args->vm_id);
		if (!vm)
			return -ENOENT;
	}
	bo = args->region == DRM_AXON_REGION_HBM ? bo_create_hbm(axdev, args->size) :
						   bo_create_host(axdev, args->size);
	if (IS_ERR(bo)) {
		axon_vm_put(vm);
		return PTR_ERR(bo);
	}
	bo->flags = args->flags;
	if (vm) {
		bo->owner = axon_vm_resv_obj(vm);
		drm_gem_object_get(bo->owner);
		bo->base.base.resv = bo->owner->resv;
		axon_vm_put(vm);
	}
	ret = drm_gem_handle_create(filp, &bo->base.base, &args->handle);
	drm_gem_object_put(&bo->base.base);
	return ret;
}

/**
 * axon_bo_create_ioctl() - DRM_IOCTL_AXON_BO_CREATE
 * @drm: the card
 * @data: struct drm_axon_bo_create
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_bo_create_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct drm_axon_bo_create *args = data;
	int idx, ret;

	if (AXON_IOCTL_DBG(axdev, !args->size || args->size > AXON_MAX_BO_SIZE) ||
	    AXON_IOCTL_DBG(axdev, args->region > DRM_AXON_REGION_HBM) ||
	    AXON_IOCTL_DBG(axdev, args->flags & ~DRM_AXON_BO_FLAGS) ||
	    AXON_IOCTL_DBG(axdev, args->handle || args->reserved))
		return -EINVAL;
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	args->size = PAGE_ALIGN(args->size);
	ret = axon_device_wedged(axdev) ? -EIO : bo_create(axdev, args, filp);
	drm_dev_exit(idx);
	return ret;
}

/**
 * axon_bo_mmap_offset_ioctl() - DRM_IOCTL_AXON_BO_MMAP_OFFSET
 * @drm: the card
 * @data: struct drm_axon_bo_mmap_offset
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_bo_mmap_offset_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct drm_axon_bo_mmap_offset *args = data;
	struct drm_gem_object *obj;
	int idx, ret = 0;

	if (AXON_IOCTL_DBG(to_axon_device(drm), args->flags || args->offset))
		return -EINVAL;
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	obj = drm_gem_object_lookup(filp, args->handle);
	if (!obj)
		ret = -ENOENT;
	else if (!(to_axon_bo(obj)->flags & DRM_AXON_BO_CPU_VISIBLE))
		ret = -EINVAL;
	else
		args->offset = drm_vma_node_offset_addr(&obj->vma_node);
	drm_gem_object_put(obj);
	drm_dev_exit(idx);
	return ret;
}

/**
 * axon_bo_info_ioctl() - DRM_IOCTL_AXON_BO_INFO
 * @drm: the card
 * @data: struct drm_axon_bo_info
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_bo_info_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct drm_axon_bo_info *args = data;
	struct drm_gem_object *obj;
	int idx;

	if (AXON_IOCTL_DBG(to_axon_device(drm), args->region || args->size || args->flags ||
			   args->peer))
		return -EINVAL;
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	obj = drm_gem_object_lookup(filp, args->handle);
	if (obj) {
		args->region = to_axon_bo(obj)->region;
		args->size = obj->size;
		args->flags = to_axon_bo(obj)->flags;
		args->peer = to_axon_bo(obj)->peer_id;
		drm_gem_object_put(obj);
	}
	drm_dev_exit(idx);
	return obj ? 0 : -ENOENT;
}
