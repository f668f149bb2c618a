// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_query.c - DRM_IOCTL_AXON_DEV_QUERY: what a card is and does.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_file.h>

#include "axon_device.h"
#include "axon_drv.h"
#include "axon_isa.h"
#include "axon_link.h"
#include "axon_mbox_drv.h"

/* An answer: memory that the caller frees. */
struct answer {
	void *data;
	u32 size;
};

static int answer_alloc(struct answer *a, size_t size)
{
	a->data = kzalloc(size, GFP_KERNEL);
	a->size = size;
	return a->data ? 0 : -ENOMEM;
}

static int query_device(struct axon_device *axdev, struct answer *a)
{
	struct drm_axon_query_device *d;

	if (answer_alloc(a, sizeof(*d)))
		return -ENOMEM;
	d = a->data;
	d->pci_vendor = axdev->pdev->vendor;
	d->pci_device = axdev->pdev->device;
	d->revision = axdev->revision;
	d->state = atomic_read(&axdev->state);
	d->fw_version = axdev->fw_version;
	d->mbox_abi = axdev->fw_mbox_abi;
	d->isa_version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR;
	d->num_cores = axdev->num_cores;
	d->num_queues = axdev->num_queues;
	d->num_asids = axdev->num_asids;
	d->hbm_stacks = axdev->num_stacks;
	d->reset_count = atomic_read(&axdev->reset_count);
	d->serial = axdev->serial;
	d->ref_clock_hz = AXON_REF_CLOCK_HZ;
	d->vm_start = AXON_VM_START;
	d->vm_end = AXON_VM_END;
	strscpy(d->fw_version_str, axdev->fw_version_str, sizeof(d->fw_version_str));
	d->numa_node = dev_to_node(&axdev->pdev->dev);
	d->fabric_cards = axdev->fabric.cards;
	d->fabric_uid = axdev->fabric.uid;
	d->fabric_id = axdev->fabric.id;
	return 0;
}

static int query_regions(struct axon_device *axdev, struct answer *a)
{
	struct drm_axon_mem_region *r;
	u32 i;

	if (answer_alloc(a, (1 + axdev->num_stacks) * sizeof(*r)))
		return -ENOMEM;
	r = a->data;
	r->region = DRM_AXON_REGION_HOST;
	r->min_page = PAGE_SIZE;
	for (i = 0; i < axdev->num_stacks; i++) {
		r++;
		r->region = DRM_AXON_REGION_HBM;
		r->instance = i;
		r->min_page = AXON_PAGE_SIZE;
		r->size = axon_hbm_stack_size(&axdev->hbm, i);
		r->used = axon_hbm_used(&axdev->hbm, i);
		r->cpu_visible = r->size;
	}
	return 0;
}

static int query_cores(struct axon_device *axdev, struct answer *a)
{
	struct drm_axon_core *c;
	u32 i;

	if (answer_alloc(a, axdev->num_cores * sizeof(*c)))
		return -ENOMEM;
	c = a->data;
	for (i = 0; i < axdev->num_cores; i++, c++) {
		c->id = i;
		c->state = axon_read(axdev, AXON_REG_CORE(i, AXON_CORE_STATE));
		c->busy_ns = axon_read_counter(axdev, AXON_REG_CORE(i, AXON_CORE_BUSY_LO));
		c->cycles = axon_read_counter(axdev, AXON_REG_CORE(i, AXON_CORE_CYCLES_LO));
		c->launches = axon_read_counter(axdev, AXON_REG_CORE(i, AXON_CORE_LAUNCHES_LO));
		c->flops = axon_read_counter(axdev, AXON_REG_CORE(i, AXON_CORE_FLOPS_LO));
	}
	return 0;
}

static int query_telemetry(struct axon_device *axdev, struct answer *a)
{
	struct drm_axon_query_telemetry *q;
	struct axon_telemetry t;
	int ret;

	ret = axon_mbox_telemetry(axdev, &t);
	if (!ret)
		ret = answer_alloc(a, sizeof(*q));
	if (ret)
		return ret;
	q = a->data;
	q->timestamp_ns = ktime_get_ns();
	q->temp_die = t.temp_die;
	q->temp_hbm = t.temp_hbm;
	q->power = t.power;
	q->voltage = t.voltage;
	q->clock_core = t.clock_core;
	q->clock_hbm = t.clock_hbm;
	q->energy = t.energy;
	q->hbm_ecc_ce = t.hbm_ecc_ce;
	q->hbm_ecc_ue = t.hbm_ecc_ue;
	q->sram_ecc_ce = t.sram_ecc_ce;
	q->sram_ecc_ue = t.sram_ecc_ue;
	q->uptime_us = t.uptime_us;
	q->updates = t.updates;
	q->faults_lost = t.faults_lost;
	return 0;
}

static int query_links(struct axon_device *axdev, struct answer *a)
{
	struct drm_axon_link *l;
	u32 p;

	/* a card alone in its fabric has as many as one without: none */
	if (axdev->fabric.cards < 2)
		return 0;
	if (answer_alloc(a, (axdev->fabric.cards - 1) * sizeof(*l)))
		return -ENOMEM;
	l = a->data;
	for (p = 0; p < axdev->fabric.cards; p++)
		if (p != axdev->fabric.id)
			axon_link_read(axdev, p, l++);
	return 0;
}

static int query(struct axon_device *axdev, u32 type, struct answer *a)
{
	switch (type) {
	case DRM_AXON_QUERY_DEVICE:
		return query_device(axdev, a);
	case DRM_AXON_QUERY_MEM_REGIONS:
		return query_regions(axdev, a);
	case DRM_AXON_QUERY_CORES:
		return query_cores(axdev, a);
	case DRM_AXON_QUERY_TELEMETRY:
		return query_telemetry(axdev, a);
	case DRM_AXON_QUERY_LINKS:
		return query_links(axdev, a);
	default:
		return AXON_IOCTL_DBG(axdev, true) ? -EINVAL : 0;
	}
}

/**
 * axon_query_ioctl() - DRM_IOCTL_AXON_DEV_QUERY
 * @drm: the card
 * @data: struct drm_axon_dev_query
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_query_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct drm_axon_dev_query *args = data;
	struct answer a = {};
	int idx, ret;

	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	ret = query(to_axon_device(drm), args->type, &a);
	drm_dev_exit(idx);
	if (!ret && args->ptr &&
	    copy_to_user(u64_to_user_ptr(args->ptr), a.data, min(args->size, a.size)))
		ret = -EFAULT;
	if (!ret)
		args->size = a.size;
	kfree(a.data);
	return ret;
}
