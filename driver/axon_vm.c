// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_vm.c - address spaces of users: drm_gpuvm for what is mapped where, axon_pt.c for the
 * card's tables.
 *
 * DOC: changing a mapping
 *
 * A bind operation first gets everything it can fail for (tables, three VMAs, the buffer's DMA
 * mapping), then carries itself out without a way to fail. What it removes is kept until the card
 * has dropped its cached translations; only then buffers lose their reference and tables are
 * freed. So a buffer's memory is never given to somebody else while the card can reach it, and no
 * fences of jobs have to be attached to buffers: unmapping under a running job is that job's fault.
 *
 * A sibling card's memory that was mapped here goes when that card goes, without anybody's bind
 * operation: the entries are cleared, the mapping stays in drm_gpuvm (axon_vm_cut()).
 */
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_gpuvm.h>

#include "axon_device.h"
#include "axon_drv.h"
#include "axon_gem.h"
#include "axon_mbox_drv.h"
#include "axon_uobj.h"
#include "axon_vm.h"

/**
 * struct axon_vm - an address space
 * @base: base
 * @axdev: the card
 * @id: handle
 * @asid: on the card
 * @users: contexts; under &axon_file.lock a VM without users stays without
 * @lock: guards everything below and @base's mappings
 * @pt: tables
 * @dead: VMAs removed since the last invalidation
 * @live: the firmware knows it
 */
struct axon_vm {
	struct drm_gpuvm base;
	struct axon_device *axdev;
	u32 id;
	u32 asid;
	atomic_t users;
	struct mutex lock;	/* guards what follows and @base's mappings */
	struct axon_pt pt;
	struct list_head dead;
	bool live;
};

/**
 * struct axon_vma - a mapping
 * @base: base
 * @link: in &axon_vm.dead
 * @flags: DRM_AXON_BIND_*
 */
struct axon_vma {
	struct drm_gpuva base;
	struct list_head link;
	u32 flags;
};

/**
 * struct axon_bind - what one bind operation has in hand
 * @vm: the address space
 * @spare: VMAs: for the mapping and for what is left on both sides of it
 * @vm_bo: of the buffer to be mapped
 * @flags: DRM_AXON_BIND_*
 */
struct axon_bind {
	struct axon_vm *vm;
	struct axon_vma *spare[3];
	struct drm_gpuvm_bo *vm_bo;
	u32 flags;
};

static struct axon_vm *to_axon_vm(struct drm_gpuvm *gpuvm)
{
	return container_of(gpuvm, struct axon_vm, base);
}

static struct axon_vma *to_axon_vma(struct drm_gpuva *va)
{
	return container_of(va, struct axon_vma, base);
}

/* ---- lists of mappings, which the buffer's reservation guards ---- */

static void vm_bo_put(struct drm_gpuvm_bo *vm_bo)
{
	struct drm_gem_object *obj = vm_bo->obj;
	struct drm_gpuvm *gpuvm = vm_bo->vm;

	/* the last reference may take both along while we hold the lock that lies in one */
	drm_gem_object_get(obj);
	drm_gpuvm_get(gpuvm);
	dma_resv_lock(obj->resv, NULL);
	drm_gpuvm_bo_put(vm_bo);
	dma_resv_unlock(obj->resv);
	drm_gpuvm_put(gpuvm);
	drm_gem_object_put(obj);
}

static void vma_link(struct axon_vma *vma, struct drm_gpuvm_bo *vm_bo)
{
	struct drm_gem_object *obj = vm_bo->obj;

	dma_resv_lock(obj->resv, NULL);
	drm_gpuva_link(&vma->base, vm_bo);
	dma_resv_unlock(obj->resv);
}

static void vma_free(struct axon_vma *vma)
{
	struct drm_gpuvm_bo *vm_bo = vma->base.vm_bo;

	if (vm_bo) {
		struct drm_gem_object *obj = vm_bo->obj;

		drm_gpuvm_bo_get(vm_bo);
		dma_resv_lock(obj->resv, NULL);
		drm_gpuva_unlink(&vma->base);
		dma_resv_unlock(obj->resv);
		vm_bo_put(vm_bo);
	}
	kfree(vma);
}

/* ---- carrying out ---- */

static struct axon_vma *bind_take(struct axon_bind *bind)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bind->spare); i++) {
		struct axon_vma *vma = bind->spare[i];

		if (vma) {
			bind->spare[i] = NULL;
			return vma;
		}
	}
	return NULL;
}

static int step_map(struct drm_gpuva_op *op, void *priv)
{
	struct axon_bind *bind = priv;
	struct axon_vma *vma = bind_take(bind);

	if (WARN_ON_ONCE(!vma))
		return -EIO;
	vma->flags = bind->flags;
	drm_gpuva_map(&bind->vm->base, &vma->base, &op->map);
	vma_link(vma, bind->vm_bo);
	return 0;
}

static int step_remap(struct drm_gpuva_op *op, void *priv)
{
	struct axon_bind *bind = priv;
	struct axon_vma *old = to_axon_vma(op->remap.unmap->va);
	struct axon_vma *prev = op->remap.prev ? bind_take(bind) : NULL;
	struct axon_vma *next = op->remap.next ? bind_take(bind) : NULL;

	if (WARN_ON_ONCE((op->remap.prev && !prev) || (op->remap.next && !next)))
		return -EIO;
	drm_gpuva_remap(prev ? &prev->base : NULL, next ? &next->base : NULL, &op->remap);
	if (prev) {
		prev->flags = old->flags;
		vma_link(prev, old->base.vm_bo);
	}
	if (next) {
		next->flags = old->flags;
		vma_link(next, old->base.vm_bo);
	}
	list_add(&old->link, &bind->vm->dead);
	return 0;
}

static int step_unmap(struct drm_gpuva_op *op, void *priv)
{
	struct axon_bind *bind = priv;

	drm_gpuva_unmap(&op->unmap);
	list_add(&to_axon_vma(op->unmap.va)->link, &bind->vm->dead);
	return 0;
}

static void vm_free(struct drm_gpuvm *gpuvm)
{
	struct axon_vm *vm = to_axon_vm(gpuvm);

	mutex_destroy(&vm->lock);
	kfree(vm);
}

static const struct drm_gpuvm_ops vm_ops = {
	.vm_free = vm_free,
	.sm_step_map = step_map,
	.sm_step_remap = step_remap,
	.sm_step_unmap = step_unmap,
};

/* The card forgets what was removed; then it is freed. */
static int vm_flush(struct axon_vm *vm)
{
	struct axon_vma *vma, *next;
	int ret = 0;

	lockdep_assert_held(&vm->lock);
	/* tables have left the write-combining buffers before the card may look at them */
	wmb();
	if (vm->pt.stale) {
		ret = axon_mbox_as_invalidate(vm->axdev, vm->asid);
		if (ret) {
			/* it may still reach what is about to be freed */
			axon_device_wedge(vm->axdev, "translations could not be invalidated");
			axon_reset_stop_dma(vm->axdev);
		}
	}
	axon_pt_reap(&vm->pt);
	list_for_each_entry_safe(vma, next, &vm->dead, link)
		vma_free(vma);
	INIT_LIST_HEAD(&vm->dead);
	return ret;
}

static int bind_get_spares(struct axon_bind *bind)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bind->spare); i++) {
		bind->spare[i] = kzalloc(sizeof(*bind->spare[i]), GFP_KERNEL_ACCOUNT);
		if (!bind->spare[i])
			return -ENOMEM;
	}
	return 0;
}

static void bind_fini(struct axon_bind *bind)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bind->spare); i++)
		kfree(bind->spare[i]);
	if (bind->vm_bo)
		vm_bo_put(bind->vm_bo);
}

static u64 bind_pte_bits(struct axon_bo *bo, u32 flags)
{
	static const u64 target[] = {
		[DRM_AXON_REGION_HOST] = AXON_PTE_TARGET_SYS,
		[DRM_AXON_REGION_HBM] = AXON_PTE_TARGET_HBM,
		[DRM_AXON_REGION_LINK] = AXON_PTE_TARGET_LINK,
	};
	u64 bits = target[bo->region] << AXON_PTE_TARGET_SHIFT;

	bits |= (u64)bo->peer_id << AXON_PTE_PEER_SHIFT;
	if (!(flags & DRM_AXON_BIND_READONLY))
		bits |= AXON_PTE_WRITE;
	if (!(flags & DRM_AXON_BIND_NOEXEC))
		bits |= AXON_PTE_EXEC;
	return bits;
}

/* Walk the pieces of a mapping: make tables for them or, with @commit, write the entries. */
static int bind_pieces(struct axon_vm *vm, struct axon_bo *bo,
		       const struct drm_axon_bind_op *op, bool commit)
{
	u64 bits = bind_pte_bits(bo, op->flags);
	u64 va = op->addr, left = op->size;
	struct axon_bo_cursor c;
	u64 addr, n;

	axon_bo_cursor_init(&c, bo, op->bo_offset);
	while (left) {
		if (WARN_ON_ONCE(!axon_bo_cursor_next(&c, &addr, &n)))
			return -EIO;
		n = min(n, left);
		if (commit) {
			axon_pt_map(&vm->pt, va, addr, n, bits);
		} else {
			int ret;

			if (addr & ~AXON_PTE_ADDR_MASK || (addr + n - 1) >> 52)
				return -EFAULT;
			ret = axon_pt_map_prepare(&vm->pt, va, addr, n);
			if (ret)
				return ret;
		}
		va += n;
		left -= n;
	}
	return 0;
}

/* From here on the buffer's list of mappings tells of this address space (axon_vm_cut()). */
static int bind_get_vm_bo(struct axon_bind *bind, struct axon_bo *bo)
{
	struct drm_gem_object *obj = &bo->base.base;
	struct drm_gpuvm_bo *vm_bo = ERR_PTR(-ENOLINK);

	lockdep_assert_held(&bind->vm->lock);
	dma_resv_lock(obj->resv, NULL);
	if (!bo->cut)
		vm_bo = drm_gpuvm_bo_obtain(&bind->vm->base, obj);
	dma_resv_unlock(obj->resv);
	if (IS_ERR(vm_bo))
		return PTR_ERR(vm_bo);
	bind->vm_bo = vm_bo;
	return 0;
}

static int bind_map(struct axon_vm *vm, struct axon_bo *bo, const struct drm_axon_bind_op *op)
{
	struct axon_bind bind = { .vm = vm, .flags = op->flags };
	struct drm_gem_object *obj = &bo->base.base;
	int ret;

	ret = axon_bo_map_dma(bo);
	if (ret)
		return ret;
	ret = bind_get_spares(&bind);
	if (ret)
		goto out;
	ret = bind_get_vm_bo(&bind, bo);
	if (ret)
		goto out;
	ret = bind_pieces(vm, bo, op, false);
	if (ret) {
		axon_pt_prune(&vm->pt, op->addr, op->size);
		goto out;
	}
	ret = drm_gpuvm_sm_map(&vm->base, &bind, op->addr, op->size, obj, op->bo_offset);
	if (!WARN_ON_ONCE(ret))
		ret = bind_pieces(vm, bo, op, true);
out:
	bind_fini(&bind);
	return ret;
}

static int bind_unmap(struct axon_vm *vm, const struct drm_axon_bind_op *op)
{
	struct axon_bind bind = { .vm = vm };
	int ret;

	ret = bind_get_spares(&bind);
	if (!ret)
		ret = axon_pt_unmap_prepare(&vm->pt, op->addr, op->size);
	if (!ret) {
		ret = drm_gpuvm_sm_unmap(&vm->base, &bind, op->addr, op->size);
		if (!WARN_ON_ONCE(ret))
			axon_pt_unmap(&vm->pt, op->addr, op->size);
	}
	bind_fini(&bind);
	return ret;
}

/* ---- VM_BIND ---- */

static bool bind_op_bad(struct axon_device *axdev, const struct drm_axon_bind_op *op)
{
	u64 align = op->addr | op->size | op->bo_offset;

	if (AXON_IOCTL_DBG(axdev, op->op > DRM_AXON_BIND_UNMAP) ||
	    AXON_IOCTL_DBG(axdev, op->pad) ||
	    AXON_IOCTL_DBG(axdev, align & (AXON_PAGE_SIZE - 1)) ||
	    AXON_IOCTL_DBG(axdev, !op->size) ||
	    AXON_IOCTL_DBG(axdev, op->addr < AXON_VM_START || op->addr >= AXON_VM_END) ||
	    AXON_IOCTL_DBG(axdev, op->size > AXON_VM_END - op->addr))
		return true;
	if (op->op == DRM_AXON_BIND_MAP)
		return AXON_IOCTL_DBG(axdev, op->flags & ~DRM_AXON_BIND_FLAGS);
	return AXON_IOCTL_DBG(axdev, op->flags || op->handle || op->bo_offset);
}

static int bind_op(struct axon_vm *vm, struct drm_file *filp, const struct drm_axon_bind_op *op)
{
	struct drm_gem_object *obj;
	struct axon_bo *bo;
	int ret;

	if (op->op == DRM_AXON_BIND_UNMAP)
		return bind_unmap(vm, op);
	obj = drm_gem_object_lookup(filp, op->handle);
	if (!obj)
		return -ENOENT;
	bo = to_axon_bo(obj);
	if (AXON_IOCTL_DBG(vm->axdev, op->bo_offset >= obj->size ||
			   op->size > obj->size - op->bo_offset) ||
	    AXON_IOCTL_DBG(vm->axdev, bo->region == DRM_AXON_REGION_LINK &&
			   !(op->flags & DRM_AXON_BIND_NOEXEC)))
		ret = -EINVAL;
	else if (bo->owner && bo->owner != drm_gpuvm_resv_obj(&vm->base))
		ret = -EPERM;
	else
		ret = bind_map(vm, bo, op);
	drm_gem_object_put(obj);
	return ret;
}

static int vm_bind(struct axon_vm *vm, struct drm_file *filp, struct drm_axon_vm_bind *args,
		   const struct drm_axon_bind_op *ops)
{
	int flush, ret = 0;
	u32 i;

	mutex_lock(&vm->lock);
	if (!vm->live)
		ret = -ENOENT;
	for (i = 0; i < args->ops.count && !ret; i++) {
		ret = bind_op(vm, filp, &ops[i]);
		if (!ret)
			args->done++;
		cond_resched();
	}
	flush = vm_flush(vm);
	mutex_unlock(&vm->lock);
	return ret ?: flush;
}

/**
 * axon_vm_bind_ioctl() - DRM_IOCTL_AXON_VM_BIND
 * @drm: the card
 * @data: struct drm_axon_vm_bind
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_vm_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct drm_axon_vm_bind *args = data;
	struct drm_axon_bind_op *ops;
	struct axon_vm *vm;
	int idx, ret;
	u32 i;

	if (AXON_IOCTL_DBG(axdev, args->flags || args->done || args->pad) ||
	    AXON_IOCTL_DBG(axdev, !args->ops.count))
		return -EINVAL;
	ops = axon_array_in(axdev, &args->ops, sizeof(*ops), sizeof(*ops), AXON_MAX_BIND_OPS,
			    NULL, 0);
	if (IS_ERR(ops))
		return PTR_ERR(ops);
	ret = -EINVAL;
	for (i = 0; i < args->ops.count; i++)
		if (bind_op_bad(axdev, &ops[i]))
			goto out;
	ret = -ENODEV;
	if (!drm_dev_enter(drm, &idx))
		goto out;
	vm = axon_vm_lookup(filp->driver_priv, args->vm_id);
	if (!vm)
		ret = -ENOENT;
	else
		ret = axon_device_wedged(axdev) ? -EIO : vm_bind(vm, filp, args, ops);
	axon_vm_put(vm);
	drm_dev_exit(idx);
out:
	kvfree(ops);
	return ret;
}

/* ---- a sibling card goes ---- */

/* The next address space that a buffer is mapped in; @at is NULL or has a reference. */
static struct drm_gpuvm_bo *vm_bo_next(struct drm_gem_object *obj, struct drm_gpuvm_bo *at)
{
	struct drm_gpuvm_bo *next;

	dma_resv_assert_held(obj->resv);
	next = at ? list_next_entry(at, list.entry.gem) :
		    list_first_entry(&obj->gpuva.list, struct drm_gpuvm_bo, list.entry.gem);
	if (list_entry_is_head(next, &obj->gpuva.list, list.entry.gem))
		return NULL;
	return drm_gpuvm_bo_get(next);
}

static void vm_cut(struct axon_vm *vm, struct drm_gpuvm_bo *vm_bo, bool leaving)
{
	struct drm_gpuva *va;
	int idx;

	if (!drm_dev_enter(&vm->axdev->drm, &idx)) {
		if (leaving)
			axon_device_wait_silent(vm->axdev);
		return;
	}
	mutex_lock(&vm->lock);
	if (vm->live) {
		/* no entry spans the end of a mapping: nothing needs to be split */
		drm_gpuvm_bo_for_each_va(va, vm_bo)
			axon_pt_unmap(&vm->pt, va->va.addr, va->va.range);
		vm_flush(vm);
	}
	mutex_unlock(&vm->lock);
	drm_dev_exit(idx);
}

/**
 * axon_vm_cut() - end all mappings of a sibling's memory: the card cannot reach it any more
 * @bo: buffer of region LINK
 * @leaving: also wait for the card that @bo is of, if that is leaving too; see axon_prime.c
 *
 * They stay in place as mappings of nothing. Not inside drm_dev_enter() if @leaving.
 */
void axon_vm_cut(struct axon_bo *bo, bool leaving)
{
	struct drm_gem_object *obj = &bo->base.base;
	struct drm_gpuvm_bo *vm_bo, *next;

	dma_resv_lock(obj->resv, NULL);
	/* a bind that did not see this is on the list and holds its axon_vm.lock to the end */
	WRITE_ONCE(bo->cut, true);
	vm_bo = vm_bo_next(obj, NULL);
	dma_resv_unlock(obj->resv);
	while (vm_bo) {
		vm_cut(to_axon_vm(vm_bo->vm), vm_bo, leaving);
		dma_resv_lock(obj->resv, NULL);
		next = vm_bo_next(obj, vm_bo);
		dma_resv_unlock(obj->resv);
		vm_bo_put(vm_bo);
		vm_bo = next;
	}
}

/* ---- life ---- */

u32 axon_vm_asid(struct axon_vm *vm)
{
	return vm->asid;
}

struct drm_gem_object *axon_vm_resv_obj(struct axon_vm *vm)
{
	return drm_gpuvm_resv_obj(&vm->base);
}

/**
 * axon_vm_put() - drop a reference
 * @vm: may be NULL
 */
void axon_vm_put(struct axon_vm *vm)
{
	if (vm)
		drm_gpuvm_put(&vm->base);
}

/**
 * axon_vm_lookup() - find an address space by handle
 * @file: whose handles
 * @id: handle
 *
 * Return: the address space with a reference, or NULL.
 */
struct axon_vm *axon_vm_lookup(struct axon_file *file, u32 id)
{
	struct axon_vm *vm;

	xa_lock(&file->vms);
	vm = xa_load(&file->vms, id);
	if (vm)
		drm_gpuvm_get(&vm->base);
	xa_unlock(&file->vms);
	return vm;
}

/**
 * axon_vm_use() - a context wants to live in an address space
 * @file: whose handles; its lock is held
 * @id: handle
 *
 * Return: the address space with a reference, or NULL.
 */
struct axon_vm *axon_vm_use(struct axon_file *file, u32 id)
{
	struct axon_vm *vm;

	lockdep_assert_held(&file->lock);
	vm = axon_vm_lookup(file, id);
	if (vm)
		atomic_inc(&vm->users);
	return vm;
}

/**
 * axon_vm_unuse() - the context has no queues any more; its reference stays
 * @vm: may be NULL
 */
void axon_vm_unuse(struct axon_vm *vm)
{
	if (vm)
		atomic_dec(&vm->users);
}

/* Take the address space from the card and drop its mappings. No queue uses it. */
static void vm_tear_down(struct axon_vm *vm)
{
	struct axon_device *axdev = vm->axdev;
	struct drm_gpuva *va, *next;
	int idx;

	mutex_lock(&vm->lock);
	if (vm->live && drm_dev_enter(&axdev->drm, &idx)) {
		/* one that is just being given up may still be at work */
		if (axon_device_wedged(axdev) || axon_mbox_as_destroy(axdev, vm->asid)) {
			axon_device_wedge(axdev, "an address space could not be destroyed");
			axon_reset_stop_dma(axdev);
		}
		drm_dev_exit(idx);
	}
	vm->live = false;
	drm_gpuvm_for_each_va_safe(va, next, &vm->base) {
		if (va == &vm->base.kernel_alloc_node)
			continue;
		drm_gpuva_remove(va);
		vma_free(to_axon_vma(va));
	}
	axon_pt_fini(&vm->pt);
	mutex_unlock(&vm->lock);
	ida_free(&axdev->asid_ida, vm->asid);
	axon_vm_put(vm);
}

static struct axon_vm *vm_new(struct axon_device *axdev)
{
	struct axon_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	struct drm_gem_object *resv;

	if (!vm)
		return NULL;
	resv = drm_gpuvm_resv_object_alloc(&axdev->drm);
	if (!resv) {
		kfree(vm);
		return NULL;
	}
	vm->axdev = axdev;
	atomic_set(&vm->users, 0);
	mutex_init(&vm->lock);
	INIT_LIST_HEAD(&vm->dead);
	drm_gpuvm_init(&vm->base, "axon", 0, &axdev->drm, resv, AXON_VM_START,
		       AXON_VM_END - AXON_VM_START, 0, 0, &vm_ops);
	drm_gem_object_put(resv);
	return vm;
}

static int vm_create(struct axon_file *file, u32 *id)
{
	struct axon_device *axdev = file->axdev;
	struct axon_vm *vm;
	int ret;

	vm = vm_new(axdev);
	if (!vm)
		return -ENOMEM;
	ret = ida_alloc_range(&axdev->asid_ida, 1, axdev->num_asids - 1, GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		goto err_vm;
	vm->asid = ret;
	ret = axon_pt_init(&vm->pt, &axon_device_pt_ops, axdev);
	if (ret)
		goto err_asid;
	ret = axon_mbox_as_create(axdev, vm->asid, vm->pt.root->addr);
	if (ret)
		goto err_pt;
	vm->live = true;
	/* published last; a mapping or a context can come at once */
	drm_gpuvm_get(&vm->base);
	ret = xa_alloc(&file->vms, &vm->id, vm, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret)
		vm_tear_down(vm);
	else
		*id = vm->id;
	axon_vm_put(vm);
	return ret;

err_pt:
	axon_pt_fini(&vm->pt);
err_asid:
	ida_free(&axdev->asid_ida, vm->asid);
err_vm:
	axon_vm_put(vm);
	return ret;
}

/**
 * axon_vm_create_ioctl() - DRM_IOCTL_AXON_VM_CREATE
 * @drm: the card
 * @data: struct drm_axon_vm_create
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_vm_create_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct drm_axon_vm_create *args = data;
	struct axon_file *file = filp->driver_priv;
	int idx, ret;

	if (AXON_IOCTL_DBG(axdev, args->flags || args->vm_id))
		return -EINVAL;
	/* in this order: who holds the lock may be waiting for an unplug (axon_device.h) */
	mutex_lock(&file->lock);
	if (!drm_dev_enter(drm, &idx)) {
		mutex_unlock(&file->lock);
		return -ENODEV;
	}
	if (axon_device_wedged(axdev))
		ret = -EIO;
	else if (file->num_vms >= AXON_MAX_VMS_PER_FILE)
		ret = -ENOSPC;
	else
		ret = vm_create(file, &args->vm_id);
	if (!ret)
		file->num_vms++;
	drm_dev_exit(idx);
	mutex_unlock(&file->lock);
	return ret;
}

/**
 * axon_vm_destroy_ioctl() - DRM_IOCTL_AXON_VM_DESTROY
 * @drm: the card
 * @data: struct drm_axon_vm_destroy
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_vm_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct drm_axon_vm_destroy *args = data;
	struct axon_file *file = filp->driver_priv;
	struct axon_vm *vm;
	int ret = 0;

	if (AXON_IOCTL_DBG(to_axon_device(drm), args->pad))
		return -EINVAL;
	mutex_lock(&file->lock);
	vm = xa_load(&file->vms, args->vm_id);
	if (!vm) {
		ret = -ENOENT;
	} else if (atomic_read(&vm->users)) {
		ret = -EBUSY;
	} else {
		xa_erase(&file->vms, args->vm_id);
		file->num_vms--;
	}
	mutex_unlock(&file->lock);
	if (!ret)
		vm_tear_down(vm);
	return ret;
}

/**
 * axon_vm_close_all() - the file is closed; its contexts are gone
 * @file: the file
 */
void axon_vm_close_all(struct axon_file *file)
{
	struct axon_vm *vm;
	unsigned long id;

	xa_for_each(&file->vms, id, vm) {
		xa_erase(&file->vms, id);
		vm_tear_down(vm);
	}
}

/**
 * axon_vm_show() - list mappings for debugfs
 * @file: whose
 * @m: where to
 */
void axon_vm_show(struct axon_file *file, struct seq_file *m)
{
	static const char * const region[] = {
		[DRM_AXON_REGION_HOST] = "host",
		[DRM_AXON_REGION_HBM] = "hbm ",
		[DRM_AXON_REGION_LINK] = "link",
	};
	struct drm_gpuva *va;
	struct axon_vm *vm;
	unsigned long id;

	mutex_lock(&file->lock);
	xa_for_each(&file->vms, id, vm) {
		seq_printf(m, "vm %lu asid %u contexts %d\n", id, vm->asid,
			   atomic_read(&vm->users));
		mutex_lock(&vm->lock);
		drm_gpuvm_for_each_va(va, &vm->base) {
			struct axon_bo *bo = to_axon_bo(va->gem.obj);
			u32 flags = to_axon_vma(va)->flags;

			seq_printf(m, "  %012llx..%012llx %s%s%s + %#llx\n", va->va.addr,
				   va->va.addr + va->va.range,
				   READ_ONCE(bo->cut) ? "cut " : region[bo->region],
				   flags & DRM_AXON_BIND_READONLY ? " ro" : " rw",
				   flags & DRM_AXON_BIND_NOEXEC ? "" : "x", va->gem.offset);
		}
		mutex_unlock(&vm->lock);
	}
	mutex_unlock(&file->lock);
}
