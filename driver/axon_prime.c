// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_prime.c - buffers that pass between files, processes and sibling cards, as dma-bufs.
 *
 * Only this driver's cards take its dma-bufs: attaching is refused, and what is imported is known
 * by the operations of the dma-buf. Imported into its own card a buffer is the same buffer.
 * Imported into a sibling it becomes an object of that card which holds the dma-buf, and so the
 * exporter's object and its card's memory structures:
 *
 * - HBM: region LINK, bound as link pages;
 * - host memory: the exporter's pages, pinned and mapped for the importing card as well.
 *
 * DOC: when the exporter goes
 *
 * Every LINK buffer is on the list of the card whose memory it is. A card that is unbound, removed
 * or given up walks the list (axon_prime_cut()): it marks each buffer, so that no mapping of it is
 * made any more, clears the page table entries of those there are, and has the importing card drop
 * its translations. Mappings and handles stay, dead.
 *
 * This is work in another card's address spaces, by whoever takes the exporter away; the rules that
 * keep two cards which import from each other from waiting for each other:
 *
 * 1. The importing card is touched inside its own drm_dev_enter(). Its axon_vm.lock is the only
 *    lock of the driver held meanwhile, and of these only one at a time.
 * 2. If it is leaving itself, the exporter waits until it is silent. A card becomes silent (no
 *    interrupts, reset) before it waits for anybody, and nobody waits so inside drm_dev_enter(),
 *    since all cards' drm_dev_unplug() wait for whoever is inside, whatever the card.
 * 3. A card that is given up does not wait so: its memory is not let go. It cuts from a work item
 *    of its own, after its fences have ended, since axon_vm.lock is held while memory is allocated.
 *
 * Must never: give a user an address of a peer; let a peer's memory go while a card can reach it.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_prime.h>

#include "axon_device.h"
#include "axon_gem.h"
#include "axon_link.h"
#include "axon_prime.h"
#include "axon_vm.h"

/* ---- export ---- */

static int dmabuf_attach(struct dma_buf *dma_buf, struct dma_buf_attachment *attach)
{
	return -EOPNOTSUPP;
}

static const struct dma_buf_ops axon_dmabuf_ops = {
	.attach = dmabuf_attach,
	/* the core wants both; without an attachment nobody gets here */
	.map_dma_buf = drm_gem_map_dma_buf,
	.unmap_dma_buf = drm_gem_unmap_dma_buf,
	.release = drm_gem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
};

/**
 * axon_prime_export() - make the dma-buf of a buffer
 * @obj: the buffer, of this card's own memory
 * @flags: of its file
 *
 * Return: the dma-buf or an ERR_PTR().
 */
struct dma_buf *axon_prime_export(struct drm_gem_object *obj, int flags)
{
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &axon_dmabuf_ops,
		.size = obj->size,
		.flags = flags,
		.priv = obj,
		.resv = obj->resv,
	};

	/* a private buffer shares its VM's reservation, which others must not wait for */
	if (to_axon_bo(obj)->owner)
		return ERR_PTR(-EPERM);
	return drm_gem_dmabuf_export(obj->dev, &info);
}

/**
 * axon_prime_handle_to_fd() - DRM_IOCTL_PRIME_HANDLE_TO_FD
 * @drm: the card
 * @filp: the file
 * @handle: buffer
 * @flags: DRM_CLOEXEC, DRM_RDWR
 * @fd: result
 *
 * The core would hand out an imported buffer's dma-buf again. Return: 0 or a negative errno.
 */
int axon_prime_handle_to_fd(struct drm_device *drm, struct drm_file *filp, u32 handle, u32 flags,
			    int *fd)
{
	struct drm_gem_object *obj = drm_gem_object_lookup(filp, handle);
	bool link = obj && to_axon_bo(obj)->region == DRM_AXON_REGION_LINK;

	drm_gem_object_put(obj);
	if (AXON_IOCTL_DBG(to_axon_device(drm), link))
		return -EPERM;
	return drm_gem_prime_handle_to_fd(drm, filp, handle, flags, fd);
}

/* ---- objects made by import ---- */

static struct axon_device *bo_home(struct axon_bo *bo)
{
	return to_axon_device(bo->peer->base.base.dev);
}

static void import_unpin(struct axon_bo *bo)
{
	if (!bo->pinned)
		return;
	dma_resv_lock(bo->base.base.resv, NULL);
	drm_gem_shmem_unpin_locked(&bo->peer->base);
	dma_resv_unlock(bo->base.base.resv);
}

static void import_free(struct drm_gem_object *obj)
{
	struct axon_bo *bo = to_axon_bo(obj);
	struct axon_device *home = bo_home(bo);

	spin_lock(&home->imports_lock);
	list_del_init(&bo->import_link);
	spin_unlock(&home->imports_lock);
	axon_bo_fini(bo);
	axon_bo_unmap_dma(bo);
	import_unpin(bo);
	drm_gem_object_release(obj);
	/* the exporter's object, its card's structures and the reservation may go with it */
	dma_buf_put(bo->dma_buf);
	kfree(bo);
}

static void import_print_info(struct drm_printer *p, unsigned int indent,
			      const struct drm_gem_object *obj)
{
	const struct axon_bo *bo = to_axon_bo(obj);

	if (bo->region == DRM_AXON_REGION_LINK)
		drm_printf_indent(p, indent, "region=link peer=%u%s\n", bo->peer_id,
				  READ_ONCE(bo->cut) ? " cut" : "");
	else
		drm_printf_indent(p, indent, "region=host of %s\n",
				  dev_name(bo->peer->base.base.dev->dev));
}

/* What is resident is so on the exporter's account too; "shared" says that. */
static enum drm_gem_object_status import_status(struct drm_gem_object *obj)
{
	struct axon_bo *bo = to_axon_bo(obj);
	bool there = bo->region == DRM_AXON_REGION_LINK ? !READ_ONCE(bo->cut) : bo->pinned;

	return there ? DRM_GEM_OBJECT_RESIDENT : 0;
}

/* The exporter's mapping, with the dma-buf as its file: this object is no part of it. */
static int import_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct axon_bo *bo = to_axon_bo(obj);
	int ret;

	vma->vm_private_data = NULL;
	vma->vm_ops = NULL;
	ret = dma_buf_mmap(bo->dma_buf, vma, 0);
	if (!ret)
		drm_gem_object_put(obj);	/* drm_gem_mmap_obj() took it for the mapping */
	return ret;
}

static const struct drm_gem_object_funcs import_host_funcs = {
	.free = import_free,
	.print_info = import_print_info,
	.mmap = import_mmap,
	.status = import_status,
};

/* Without mmap: a sibling's HBM is mapped through the sibling only. */
static const struct drm_gem_object_funcs import_link_funcs = {
	.free = import_free,
	.print_info = import_print_info,
	.status = import_status,
};

static struct sg_table *import_make_sgt(struct axon_bo *bo)
{
	struct drm_gem_object *obj = &bo->base.base;
	struct sg_table *sgt;
	int ret;

	sgt = drm_prime_pages_to_sg(obj->dev, bo->peer->base.pages, obj->size >> PAGE_SHIFT);
	if (IS_ERR(sgt))
		return sgt;
	ret = dma_map_sgtable(obj->dev->dev, sgt, DMA_BIDIRECTIONAL, 0);
	if (!ret)
		return sgt;
	sg_free_table(sgt);
	kfree(sgt);
	return ERR_PTR(ret);
}

/**
 * axon_prime_map_dma() - map a sibling's host buffer for this card
 * @bo: imported buffer of region HOST; inside drm_dev_enter() of its card
 *
 * Return: the mapping, which is also in the object, or an ERR_PTR().
 */
struct sg_table *axon_prime_map_dma(struct axon_bo *bo)
{
	struct drm_gem_shmem_object *shmem = &bo->base;
	struct sg_table *sgt;
	int ret = 0;

	dma_resv_lock(shmem->base.resv, NULL);
	sgt = shmem->sgt;
	if (!sgt && !bo->pinned) {
		ret = drm_gem_shmem_pin_locked(&bo->peer->base);
		bo->pinned = !ret;
	}
	if (!sgt) {
		sgt = ret ? ERR_PTR(ret) : import_make_sgt(bo);
		shmem->sgt = IS_ERR(sgt) ? NULL : sgt;
	}
	dma_resv_unlock(shmem->base.resv);
	return sgt;
}

/* ---- import ---- */

static struct axon_bo *import_new(struct axon_device *axdev, struct dma_buf *dma_buf)
{
	struct axon_bo *peer = to_axon_bo((struct drm_gem_object *)dma_buf->priv);
	bool link = peer->region == DRM_AXON_REGION_HBM;
	struct axon_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL_ACCOUNT);

	if (!bo)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&bo->mapped_link);
	INIT_LIST_HEAD(&bo->import_link);
	bo->peer = peer;
	bo->dma_buf = dma_buf;
	get_dma_buf(dma_buf);
	bo->region = link ? DRM_AXON_REGION_LINK : DRM_AXON_REGION_HOST;
	bo->flags = link ? 0 : peer->flags;
	bo->peer_id = link ? bo_home(bo)->fabric.id : 0;
	bo->base.base.funcs = link ? &import_link_funcs : &import_host_funcs;
	drm_gem_private_object_init(&axdev->drm, &bo->base.base, dma_buf->size);
	bo->base.base.resv = dma_buf->resv;
	return bo;
}

/* The exporter will find the buffer when it goes, unless it is gone already. */
static int import_join(struct axon_bo *bo)
{
	struct axon_device *home = bo_home(bo);
	bool wedged;

	spin_lock(&home->imports_lock);
	wedged = axon_device_wedged(home);
	if (!wedged && bo->region == DRM_AXON_REGION_LINK)
		list_add_tail(&bo->import_link, &home->imports);
	spin_unlock(&home->imports_lock);
	return wedged ? -ENOLINK : 0;
}

static struct axon_bo *import_sibling(struct axon_device *axdev, struct dma_buf *dma_buf)
{
	struct axon_bo *bo = import_new(axdev, dma_buf);
	int idx, ret = -ENOLINK;

	if (IS_ERR(bo))
		return bo;
	/* whoever gets in here is seen by the exporter's unplug */
	if (drm_dev_enter(&bo_home(bo)->drm, &idx)) {
		ret = import_join(bo);
		drm_dev_exit(idx);
	}
	if (!ret && bo->region == DRM_AXON_REGION_HOST)
		ret = drm_gem_create_mmap_offset(&bo->base.base);
	if (ret) {
		drm_gem_object_put(&bo->base.base);
		return ERR_PTR(ret);
	}
	return bo;
}

/**
 * axon_prime_import() - take in a dma-buf
 * @drm: the card
 * @dma_buf: somebody's
 *
 * Return: the object, or an ERR_PTR(): EOPNOTSUPP memory of another driver; EXDEV HBM of a card
 * that is not in this one's fabric; ENOLINK the card it belongs to is gone or was given up.
 */
struct drm_gem_object *axon_prime_import(struct drm_device *drm, struct dma_buf *dma_buf)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct drm_gem_object *obj = dma_buf->priv;
	struct axon_bo *bo;
	int idx;

	if (AXON_IOCTL_DBG(axdev, dma_buf->ops != &axon_dmabuf_ops))
		return ERR_PTR(-EOPNOTSUPP);
	if (obj->dev == drm) {
		drm_gem_object_get(obj);
		return obj;
	}
	if (AXON_IOCTL_DBG(axdev, to_axon_bo(obj)->region == DRM_AXON_REGION_HBM &&
			   !axon_link_joins(axdev, to_axon_device(obj->dev))))
		return ERR_PTR(-EXDEV);
	if (!drm_dev_enter(drm, &idx))
		return ERR_PTR(-ENODEV);
	bo = axon_device_wedged(axdev) ? ERR_PTR(-EIO) : import_sibling(axdev, dma_buf);
	drm_dev_exit(idx);
	return IS_ERR(bo) ? ERR_CAST(bo) : &bo->base.base;
}

/* ---- the exporter goes ---- */

/* One of the buffers that siblings made of this card's memory, with its card; NULL: none left. */
static struct axon_bo *cut_take(struct axon_device *axdev)
{
	struct axon_bo *bo, *next, *found = NULL;

	spin_lock(&axdev->imports_lock);
	list_for_each_entry_safe(bo, next, &axdev->imports, import_link) {
		list_del_init(&bo->import_link);
		/* one that is being freed has no mapping any more */
		if (kref_get_unless_zero(&bo->base.base.refcount)) {
			/* whoever frees it takes this lock first, and has the card meanwhile */
			drm_dev_get(bo->base.base.dev);
			found = bo;
			break;
		}
	}
	spin_unlock(&axdev->imports_lock);
	return found;
}

/**
 * axon_prime_cut() - end every mapping that sibling cards have of a card's memory
 * @axdev: the card; it takes no imports any more
 * @leaving: the driver leaves it, its memory can be somebody else's afterwards: also wait for
 *	siblings that are leaving; then not inside drm_dev_enter()
 */
void axon_prime_cut(struct axon_device *axdev, bool leaving)
{
	struct axon_bo *bo;

	while ((bo = cut_take(axdev))) {
		struct drm_device *sibling = bo->base.base.dev;

		axon_vm_cut(bo, leaving);
		drm_gem_object_put(&bo->base.base);
		drm_dev_put(sibling);
	}
}
