// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_drv.c - the DRM driver: open files, table of ioctls, what the core may do for a user.
 *
 * DOC: filter of core ioctls
 *
 * An accel file has no DRM master, and several ioctls of the core follow that pointer without
 * asking (GET_MAGIC and GET_UNIQUE oops on Debian's 6.12). So only the core ioctls that mean
 * something here are let through.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>

#include "axon_accel.h"
#include "axon_ctx.h"
#include "axon_device.h"
#include "axon_drv.h"
#include "axon_gem.h"
#include "axon_prime.h"
#include "axon_queue.h"
#include "axon_sched.h"
#include "axon_submit.h"
#include "axon_vm.h"

static int axon_open(struct drm_device *drm, struct drm_file *filp)
{
	struct axon_file *file;
	int idx;

	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (file) {
		file->axdev = to_axon_device(drm);
		mutex_init(&file->lock);
		xa_init_flags(&file->vms, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
		xa_init_flags(&file->ctxs, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
		xa_init_flags(&file->queues, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
		filp->driver_priv = file;
	}
	drm_dev_exit(idx);
	return file ? 0 : -ENOMEM;
}

static void axon_postclose(struct drm_device *drm, struct drm_file *filp)
{
	struct axon_file *file = filp->driver_priv;

	axon_ctx_close_all(file);
	axon_vm_close_all(file);
	xa_destroy(&file->queues);
	xa_destroy(&file->ctxs);
	xa_destroy(&file->vms);
	mutex_destroy(&file->lock);
	kfree(file);
}

static bool core_ioctl_allowed(unsigned int nr)
{
	switch (nr) {
	case DRM_IOCTL_NR(DRM_IOCTL_VERSION):
	case DRM_IOCTL_NR(DRM_IOCTL_GET_CAP):
	case DRM_IOCTL_NR(DRM_IOCTL_GEM_CLOSE):
	case DRM_IOCTL_NR(DRM_IOCTL_PRIME_HANDLE_TO_FD):
	case DRM_IOCTL_NR(DRM_IOCTL_PRIME_FD_TO_HANDLE):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_CREATE):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_DESTROY):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_WAIT):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_RESET):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_SIGNAL):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_QUERY):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_TRANSFER):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL):
	case DRM_IOCTL_NR(DRM_IOCTL_SYNCOBJ_EVENTFD):
		return true;
	default:
		return nr >= DRM_COMMAND_BASE && nr < DRM_COMMAND_END;
	}
}

static bool ioctl_refused(struct file *filp, unsigned int cmd)
{
	struct drm_file *file = filp->private_data;

	return AXON_IOCTL_DBG(to_axon_device(file->minor->dev),
			      !core_ioctl_allowed(DRM_IOCTL_NR(cmd)));
}

static long axon_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return ioctl_refused(filp, cmd) ? -EOPNOTSUPP : drm_ioctl(filp, cmd, arg);
}

#ifdef CONFIG_COMPAT
static long axon_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return ioctl_refused(filp, cmd) ? -EOPNOTSUPP : drm_compat_ioctl(filp, cmd, arg);
}
#else
#define axon_compat_ioctl NULL
#endif

static const struct drm_ioctl_desc axon_ioctls[] = {
	DRM_IOCTL_DEF_DRV(AXON_DEV_QUERY, axon_query_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_BO_CREATE, axon_bo_create_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_BO_MMAP_OFFSET, axon_bo_mmap_offset_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_BO_INFO, axon_bo_info_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_VM_CREATE, axon_vm_create_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_VM_DESTROY, axon_vm_destroy_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_VM_BIND, axon_vm_bind_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_CTX_CREATE, axon_ctx_create_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_CTX_DESTROY, axon_ctx_destroy_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_CTX_GET_STATE, axon_ctx_get_state_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_QUEUE_CREATE, axon_queue_create_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_QUEUE_DESTROY, axon_queue_destroy_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_QUEUE_GET_STATE, axon_queue_get_state_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_SUBMIT, axon_submit_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXON_QUEUE_WAIT, axon_queue_wait_ioctl, 0),
};

static const struct file_operations axon_fops = {
	.owner = THIS_MODULE,
	.open = accel_open,
	.release = drm_release,
	.unlocked_ioctl = axon_ioctl,
	.compat_ioctl = axon_compat_ioctl,
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.mmap = drm_gem_mmap,
	.show_fdinfo = drm_show_fdinfo,
	.fop_flags = FOP_UNSIGNED_OFFSET,
};

const struct drm_driver axon_drm_driver = {
	.driver_features = DRIVER_COMPUTE_ACCEL | DRIVER_GEM | DRIVER_GEM_GPUVA | DRIVER_SYNCOBJ |
			   DRIVER_SYNCOBJ_TIMELINE,
	.open = axon_open,
	.postclose = axon_postclose,
	.ioctls = axon_ioctls,
	.num_ioctls = ARRAY_SIZE(axon_ioctls),
	.fops = &axon_fops,
	.gem_create_object = axon_gem_create_object,
	.gem_prime_import = axon_prime_import,
	.prime_handle_to_fd = axon_prime_handle_to_fd,
	.show_fdinfo = axon_show_fdinfo,
	.name = AXON_DRIVER_NAME,
	.desc = "Axon accelerator",
	.date = "20260101",
	.major = AXON_UAPI_MAJOR,
	.minor = AXON_UAPI_MINOR,
};

static int __init axon_init(void)
{
	return axon_pci_register();
}

static void __exit axon_exit(void)
{
	axon_pci_unregister();
	axon_sched_exit();
}

module_init(axon_init);
module_exit(axon_exit);

MODULE_DESCRIPTION("Axon accelerator");
MODULE_AUTHOR("The Axon authors");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
