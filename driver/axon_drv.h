/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_drv.h - an open file and the handles in it.
 */
#ifndef AXON_DRV_H
#define AXON_DRV_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "axon_hw.h"

struct axon_device;
struct drm_device;
struct drm_driver;
struct drm_file;
struct drm_printer;

/**
 * struct axon_file - an open file
 * @axdev: the card
 * @lock: creation and destruction of handles
 * @vms: address spaces by handle
 * @ctxs: contexts by handle
 * @queues: queues by handle
 * @num_vms: entries of @vms; @lock
 * @num_ctxs: entries of @ctxs; @lock
 * @busy_ns: time its launches occupied each core
 * @cycles: modelled cycles of its commands, by core
 *
 * An array owns a reference of each object in it; a reader takes its own under the array's lock.
 */
struct axon_file {
	struct axon_device *axdev;
	struct mutex lock;	/* creation and destruction of handles */
	struct xarray vms;
	struct xarray ctxs;
	struct xarray queues;
	u32 num_vms;
	u32 num_ctxs;
	atomic64_t busy_ns[AXON_MAX_CORES];
	atomic64_t cycles[AXON_MAX_CORES];
};

extern const struct drm_driver axon_drm_driver;

int axon_pci_register(void);
void axon_pci_unregister(void);
int axon_query_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
void axon_show_fdinfo(struct drm_printer *p, struct drm_file *file);

#endif /* AXON_DRV_H */
