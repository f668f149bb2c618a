// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_sysfs.c - identity of a card and counters of its cores, below the PCI device.
 *
 *	serial, fw_version, revision, state, reset_count, hbm_total, hbm_used
 *	core<N>/state, busy_ns, cycles, launches, flops
 */
#include <linux/device.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "axon_device.h"
#include "axon_fw_drv.h"

static const char * const state_name[] = {
	[DRM_AXON_STATE_READY] = "ready",
	[DRM_AXON_STATE_RESETTING] = "resetting",
	[DRM_AXON_STATE_WEDGED] = "wedged",
};

static ssize_t serial_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axon_device *axdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%016llx\n", axdev->serial);
}
static DEVICE_ATTR_RO(serial);

static ssize_t fw_version_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axon_device *axdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", axdev->fw_version_str);
}
static DEVICE_ATTR_RO(fw_version);

/* "revision" is the PCI core's own file; this one names the generation. */
static ssize_t generation_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axon_device *axdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%x\n", axdev->revision);
}
static DEVICE_ATTR_RO(generation);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axon_device *axdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", state_name[atomic_read(&axdev->state)]);
}
static DEVICE_ATTR_RO(state);

static ssize_t reset_count_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axon_device *axdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n", atomic_read(&axdev->reset_count));
}
static DEVICE_ATTR_RO(reset_count);

static ssize_t hbm_total_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axon_device *axdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%llu\n", axdev->hbm_size);
}
static DEVICE_ATTR_RO(hbm_total);

static ssize_t hbm_used_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axon_device *axdev = dev_get_drvdata(dev);
	u64 used = 0;
	u32 i;

	for (i = 0; i < axdev->num_stacks; i++)
		used += axon_hbm_used(&axdev->hbm, i);
	return sysfs_emit(buf, "%llu\n", used);
}
static DEVICE_ATTR_RO(hbm_used);

static struct attribute *axon_attrs[] = {
	&dev_attr_serial.attr,
	&dev_attr_fw_version.attr,
	&dev_attr_generation.attr,
	&dev_attr_state.attr,
	&dev_attr_reset_count.attr,
	&dev_attr_hbm_total.attr,
	&dev_attr_hbm_used.attr,
	NULL
};

static const struct attribute_group axon_group = {
	.attrs = axon_attrs,
};

const struct attribute_group *axon_sysfs_groups[] = {
	&axon_group,
	NULL
};

/* ---- cores ---- */

/**
 * struct core_attr - a counter of a core
 * @dev: base
 * @core: which core
 * @reg: register of the counter, low word
 * @wide: it has 64 bits
 */
struct core_attr {
	struct device_attribute dev;
	u32 core;
	u32 reg;
	bool wide;
};

static const struct {
	const char *name;
	u32 reg;
	bool wide;
} core_files[] = {
	{ "state", AXON_CORE_STATE, false },
	{ "busy_ns", AXON_CORE_BUSY_LO, true },
	{ "cycles", AXON_CORE_CYCLES_LO, true },
	{ "launches", AXON_CORE_LAUNCHES_LO, true },
	{ "flops", AXON_CORE_FLOPS_LO, true },
};

/**
 * struct core_group - the folder of a core
 * @group: base
 * @attrs: its files
 * @list: the same for @group
 * @name: of the folder
 */
struct core_group {
	struct attribute_group group;
	struct core_attr attrs[ARRAY_SIZE(core_files)];
	struct attribute *list[ARRAY_SIZE(core_files) + 1];
	char name[16];
};

static ssize_t core_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct core_attr *a = container_of(attr, struct core_attr, dev);
	struct axon_device *axdev = dev_get_drvdata(dev);
	u32 reg = AXON_REG_CORE(a->core, a->reg);
	u64 value;
	int idx;

	if (!drm_dev_enter(&axdev->drm, &idx))
		return -ENODEV;
	value = a->wide ? axon_read_counter(axdev, reg) : axon_read(axdev, reg);
	drm_dev_exit(idx);
	return sysfs_emit(buf, "%llu\n", value);
}

/**
 * axon_sysfs_init() - make the folders of the cores
 * @axdev: the card
 *
 * Return: 0 or a negative errno.
 */
int axon_sysfs_init(struct axon_device *axdev)
{
	struct device *dev = &axdev->pdev->dev;
	u32 core, i;
	int ret;

	for (core = 0; core < axdev->num_cores; core++) {
		struct core_group *g = devm_kzalloc(dev, sizeof(*g), GFP_KERNEL);

		if (!g)
			return -ENOMEM;
		for (i = 0; i < ARRAY_SIZE(core_files); i++) {
			struct core_attr *a = &g->attrs[i];

			sysfs_attr_init(&a->dev.attr);
			a->dev.attr.name = core_files[i].name;
			a->dev.attr.mode = 0444;
			a->dev.show = core_show;
			a->core = core;
			a->reg = core_files[i].reg;
			a->wide = core_files[i].wide;
			g->list[i] = &a->dev.attr;
		}
		snprintf(g->name, sizeof(g->name), "core%u", core);
		g->group.name = g->name;
		g->group.attrs = g->list;
		ret = devm_device_add_group(dev, &g->group);
		if (ret)
			return ret;
	}
	return 0;
}
