// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_debugfs.c - looking inside: /sys/kernel/debug/accel/DEVICE/.
 */
#include <linux/seq_file.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_file.h>

#include "axon_device.h"
#include "axon_drv.h"
#include "axon_fw_drv.h"
#include "axon_mbox_drv.h"
#include "axon_queue.h"
#include "axon_vm.h"

static struct axon_device *entry_device(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return to_axon_device(entry->dev);
}

static int fw_log_show(struct seq_file *m, void *unused)
{
	struct axon_device *axdev = entry_device(m);
	int idx;

	if (!drm_dev_enter(&axdev->drm, &idx))
		return -ENODEV;
	axon_mbox_show_log(axdev, m);
	drm_dev_exit(idx);
	return 0;
}

static int fw_state_show(struct seq_file *m, void *unused)
{
	struct axon_device *axdev = entry_device(m);
	struct axon_mbox_ping ping;
	int idx, ret;

	if (!drm_dev_enter(&axdev->drm, &idx))
		return -ENODEV;
	seq_printf(m, "stage: %s\n",
		   axon_fw_stage_name(axon_read(axdev, AXON_REG_BOOT_STAGE)));
	seq_printf(m, "error: %s\n",
		   axon_fw_error_name(axon_read(axdev, AXON_REG_BOOT_ERROR)));
	seq_printf(m, "access error: %#x\n", axon_read(axdev, AXON_REG_ACCESS_ERROR));
	ret = axon_mbox_ping(axdev, &ping);
	drm_dev_exit(idx);
	if (ret)
		seq_printf(m, "ping: error %d\n", ret);
	else
		seq_printf(m, "ping: up %llu us, version %#x, %u requests\n", ping.uptime_us,
			   ping.fw_version, ping.requests);
	return 0;
}

static int queues_show(struct seq_file *m, void *unused)
{
	struct axon_device *axdev = entry_device(m);

	axon_queue_show(axdev, m);
	return 0;
}

static int vms_show(struct seq_file *m, void *unused)
{
	struct axon_device *axdev = entry_device(m);
	struct drm_file *filp;
	int ret;

	ret = mutex_lock_interruptible(&axdev->drm.filelist_mutex);
	if (ret)
		return ret;
	list_for_each_entry(filp, &axdev->drm.filelist, lhead)
		axon_vm_show(filp->driver_priv, m);
	mutex_unlock(&axdev->drm.filelist_mutex);
	return 0;
}

static int hbm_show(struct seq_file *m, void *unused)
{
	struct axon_device *axdev = entry_device(m);
	u32 i;

	for (i = 0; i < axdev->num_stacks; i++)
		seq_printf(m, "stack %u: %llu of %llu bytes used\n", i,
			   axon_hbm_used(&axdev->hbm, i), axon_hbm_stack_size(&axdev->hbm, i));
	return 0;
}

static const struct drm_debugfs_info axon_debugfs_files[] = {
	{ "fw_log", fw_log_show, 0 },
	{ "fw_state", fw_state_show, 0 },
	{ "hbm", hbm_show, 0 },
	{ "queues", queues_show, 0 },
	{ "vms", vms_show, 0 },
};

/**
 * axon_debugfs_init() - add the files
 * @axdev: the card, not yet registered
 */
void axon_debugfs_init(struct axon_device *axdev)
{
	drm_debugfs_add_files(&axdev->drm, axon_debugfs_files, ARRAY_SIZE(axon_debugfs_files));
}
