// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_device.c - a card from probe to unplug, in order.
 *
 * Software state has the life of the DRM device (drmm); what touches the hardware ends in
 * axon_device_unplug(), after which files may stay open for as long as they like.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include <drm/drm_managed.h>

#include "axon_device.h"
#include "axon_fw_drv.h"
#include "axon_gem.h"
#include "axon_link.h"
#include "axon_mbox_drv.h"
#include "axon_prime.h"
#include "axon_queue.h"
#include "axon_sched.h"

/* ---- tables in HBM ---- */

static int pt_alloc(void *priv, u64 *addr, void **cookie)
{
	struct axon_device *axdev = priv;
	struct axon_hbm_mem *mem;
	int ret;

	mem = kmalloc(sizeof(*mem), GFP_KERNEL_ACCOUNT);
	if (!mem)
		return -ENOMEM;
	ret = axon_hbm_alloc(&axdev->hbm, AXON_PAGE_SIZE, true, mem);
	if (ret) {
		kfree(mem);
		return ret;
	}
	*addr = mem->extent[0].addr;
	*cookie = mem;
	memset_io(axdev->hbm_io + *addr, 0, AXON_PAGE_SIZE);
	/* zero for the card before a table above points here */
	wmb();
	return 0;
}

static void pt_free(void *priv, void *cookie)
{
	struct axon_device *axdev = priv;

	axon_hbm_free(&axdev->hbm, cookie);
	kfree(cookie);
}

static void pt_write(void *priv, u64 table, u32 index, u64 pte)
{
	struct axon_device *axdev = priv;

	writeq(pte, axdev->hbm_io + table + index * sizeof(pte));
}

const struct axon_pt_ops axon_device_pt_ops = {
	.alloc = pt_alloc,
	.free = pt_free,
	.write = pt_write,
};

/* ---- the kernel's address space ---- */

/**
 * axon_kas_map() - let the card see host memory of the driver's
 * @axdev: the card
 * @va: where in the kernel's address space
 * @addr: bus address
 * @size: bytes
 *
 * Return: 0 or a negative errno.
 */
int axon_kas_map(struct axon_device *axdev, u64 va, dma_addr_t addr, u64 size)
{
	struct axon_kas *kas = &axdev->kas;
	int ret;

	mutex_lock(&kas->lock);
	ret = axon_pt_map_prepare(&kas->pt, va, addr, size);
	if (!ret)
		axon_pt_map(&kas->pt, va, addr, size,
			    AXON_PTE_WRITE | AXON_PTE_TARGET_SYS << AXON_PTE_TARGET_SHIFT);
	else
		axon_pt_prune(&kas->pt, va, size);
	/* entries have left the write-combining buffers before the card is told of @va */
	wmb();
	mutex_unlock(&kas->lock);
	return ret;
}

/**
 * axon_kas_unmap() - end of axon_kas_map(); on return the card has forgotten the memory
 * @axdev: the card
 * @va: where
 * @size: bytes
 */
void axon_kas_unmap(struct axon_device *axdev, u64 va, u64 size)
{
	struct axon_kas *kas = &axdev->kas;

	mutex_lock(&kas->lock);
	/* rings are mapped in slots of whole leaves: nothing needs to be split */
	axon_pt_unmap(&kas->pt, va, size);
	/* likewise, before it drops what it has cached */
	wmb();
	if (kas->pt.stale && !axon_device_wedged(axdev) && axon_mbox_as_invalidate(axdev, 0)) {
		axon_device_wedge(axdev, "translations could not be invalidated");
		axon_reset_stop_dma(axdev);
	}
	axon_pt_reap(&kas->pt);
	mutex_unlock(&kas->lock);
}

static int kas_start(struct axon_device *axdev)
{
	struct axon_kas *kas = &axdev->kas;
	int ret;

	ret = axon_pt_init(&kas->pt, &axon_device_pt_ops, axdev);
	if (ret)
		return ret;
	ret = axon_mbox_as_create(axdev, 0, kas->pt.root->addr);
	if (ret)
		drm_err(&axdev->drm, "no kernel address space (%d)\n", ret);
	kas->live = !ret;
	return ret;
}

/* ---- silence ---- */

#ifdef CONFIG_LOCKDEP
static struct lockdep_map silent_map = STATIC_LOCKDEP_MAP_INIT("axon_device.silent", &silent_map);
#endif

/**
 * axon_device_wait_silent() - wait until a card that is leaving no longer touches any memory
 * @axdev: a card for which drm_dev_enter() failed
 *
 * Not inside drm_dev_enter(), of this card or another: the card waits for whoever is inside.
 */
void axon_device_wait_silent(struct axon_device *axdev)
{
	lock_map_acquire(&silent_map);
	lock_map_release(&silent_map);
	wait_for_completion(&axdev->silent);
}

/* Nothing in here may wait for another card. On return nobody is inside drm_dev_enter(). */
static void device_silence(struct axon_device *axdev)
{
	lock_map_acquire(&silent_map);
	/* CPU mappings are gone then, too */
	drm_dev_unplug(&axdev->drm);
	axon_mbox_stop(axdev);
	axon_reset_stop_dma(axdev);
	lock_map_release(&silent_map);
	complete_all(&axdev->silent);
}

/* ---- probe ---- */

static int read_identity(struct axon_device *axdev)
{
	u32 id = axon_read(axdev, AXON_REG_ID);
	u32 version = axon_read(axdev, AXON_REG_VERSION);

	if (id != AXON_ID_MAGIC) {
		drm_err(&axdev->drm, "not an Axon card: id %#x\n", id);
		return -ENODEV;
	}
	if (version >> 16 != AXON_HW_VERSION_MAJOR) {
		drm_err(&axdev->drm, "card has hardware version %u.%u, this driver knows %u.x\n",
			version >> 16, version & 0xffff, AXON_HW_VERSION_MAJOR);
		return -ENODEV;
	}
	axdev->revision = axon_read(axdev, AXON_REG_REVISION);
	axdev->features = axon_read(axdev, AXON_REG_FEATURES);
	axdev->serial = axon_read64(axdev, AXON_REG_SERIAL_LO);
	axdev->hbm_size = axon_read64(axdev, AXON_REG_HBM_SIZE_LO);
	axdev->num_stacks = axon_read(axdev, AXON_REG_HBM_STACKS);
	axdev->num_cores = axon_read(axdev, AXON_REG_CORES);
	axdev->num_queues = axon_read(axdev, AXON_REG_QUEUES);
	axdev->num_asids = axon_read(axdev, AXON_REG_ASIDS);
	if (!axdev->num_cores || axdev->num_cores > AXON_MAX_CORES ||
	    !axdev->num_queues || axdev->num_queues > AXON_MAX_QUEUES ||
	    axdev->num_asids < 2 || axdev->num_asids > AXON_MAX_ASIDS) {
		drm_err(&axdev->drm, "card claims %u cores, %u queues, %u address spaces\n",
			axdev->num_cores, axdev->num_queues, axdev->num_asids);
		return -ENODEV;
	}
	return 0;
}

static void hbm_fini(struct drm_device *drm, void *arg)
{
	struct axon_device *axdev = to_axon_device(drm);

	axon_pt_fini(&axdev->kas.pt);
	axon_hbm_fini(&axdev->hbm);
}

static void idas_fini(struct drm_device *drm, void *arg)
{
	struct axon_device *axdev = to_axon_device(drm);

	ida_destroy(&axdev->queue_ida);
	ida_destroy(&axdev->asid_ida);
}

static int init_hbm(struct axon_device *axdev)
{
	resource_size_t bar = pci_resource_len(axdev->pdev, AXON_BAR_HBM);
	int ret;

	if (axdev->hbm_size > bar) {
		drm_err(&axdev->drm, "card has %#llx bytes of HBM but a window of %pa\n",
			axdev->hbm_size, &bar);
		return -ENODEV;
	}
	ret = axon_hbm_init(&axdev->hbm, axdev->hbm_size, axdev->num_stacks);
	if (ret) {
		drm_err(&axdev->drm, "%u stacks of HBM in %#llx bytes (%d)\n", axdev->num_stacks,
			axdev->hbm_size, ret);
		return ret;
	}
	return drmm_add_action_or_reset(&axdev->drm, hbm_fini, NULL);
}

/**
 * axon_device_init() - software state; BARs are mapped, nothing was asked of the card
 * @axdev: the card
 *
 * Return: 0 or a negative errno.
 */
int axon_device_init(struct axon_device *axdev)
{
	u32 i;
	int ret;

	ida_init(&axdev->queue_ida);
	ida_init(&axdev->asid_ida);
	spin_lock_init(&axdev->hwq_lock);
	spin_lock_init(&axdev->queues_lock);
	spin_lock_init(&axdev->bos_lock);
	spin_lock_init(&axdev->imports_lock);
	INIT_LIST_HEAD(&axdev->queues);
	INIT_LIST_HEAD(&axdev->mapped_bos);
	INIT_LIST_HEAD(&axdev->imports);
	init_completion(&axdev->silent);
	init_completion(&axdev->gone);
	for (i = 0; i < AXON_MAX_CORES; i++)
		atomic64_set(&axdev->cores[i].last_end, 0);
	axon_reset_init(axdev);
	ret = drmm_add_action_or_reset(&axdev->drm, idas_fini, NULL);
	if (!ret)
		ret = drmm_mutex_init(&axdev->drm, &axdev->kas.lock);
	if (!ret)
		ret = axon_mbox_init(axdev);
	if (!ret)
		ret = axon_sched_init(axdev);
	if (!ret)
		ret = read_identity(axdev);
	if (!ret)
		ret = axon_link_init(axdev);
	if (!ret)
		ret = init_hbm(axdev);
	return ret;
}

/**
 * axon_device_start() - boot the card
 * @axdev: the card
 *
 * On failure nothing of the card is in use any more. Return: 0 or a negative errno.
 */
int axon_device_start(struct axon_device *axdev)
{
	int ret;

	/* whatever ran on it before: an earlier driver, a crashed kernel */
	ret = axon_reset_card(axdev);
	if (ret)
		return ret;
	pci_set_master(axdev->pdev);
	axon_link_start(axdev);
	ret = axon_irq_init(axdev);
	if (ret)
		return ret;
	ret = axon_fw_boot(axdev);
	if (!ret)
		ret = kas_start(axdev);
	if (ret) {
		axon_mbox_stop(axdev);
		axon_reset_stop_dma(axdev);
		axon_irq_fini(axdev);
		axon_link_stop(axdev);
		axon_reset_fini(axdev);
	}
	return ret;
}

/**
 * axon_device_unplug() - leave the device; files may still be open
 * @axdev: the card, registered
 */
void axon_device_unplug(struct axon_device *axdev)
{
	device_silence(axdev);
	axon_irq_fini(axdev);
	axon_link_stop(axdev);
	axon_reset_fini(axdev);
	axon_queue_fail_all(axdev, -ENODEV, true);
	axon_bo_unmap_all(axdev);
	/* timeouts and kills that began before find the device gone */
	flush_workqueue(axdev->reset_wq);
	complete_all(&axdev->gone);
	/* who waited was told; now other cards let go of the memory */
	axon_prime_cut(axdev, true);
}
