// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_sysfs.c - identity of a card, counters of its cores and links, below the PCI device.
 *
 *	serial, fw_version, generation, state, reset_count, hbm_total, hbm_used
 *	fabric_uid, fabric_id (of a card that is part of a fabric)
 *	core<N>/state, busy_ns, cycles, launches, flops
 *	link<P>/state, lanes, distance, bandwidth, latency_ns, errors, written, read, posts
 */
#include <linux/device.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "axon_device.h"
#include "axon_fw_drv.h"
#include "axon_link.h"

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

static ssize_t fabric_uid_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axon_device *axdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%016llx\n", axdev->fabric.uid);
}
static DEVICE_ATTR_RO(fabric_uid);

static ssize_t fabric_id_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axon_device *axdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", axdev->fabric.id);
}
static DEVICE_ATTR_RO(fabric_id);

static struct attribute *axon_attrs[] = {
	&dev_attr_serial.attr,
	&dev_attr_fw_version.attr,
	&dev_attr_generation.attr,
	&dev_attr_state.attr,
	&dev_attr_reset_count.attr,
	&dev_attr_hbm_total.attr,
	&dev_attr_hbm_used.attr,
	&dev_attr_fabric_uid.attr,
	&dev_attr_fabric_id.attr,
	NULL
};

static umode_t axon_attr_visible(struct kobject *kobj, struct attribute *attr, int index)
{
	struct axon_device *axdev = dev_get_drvdata(kobj_to_dev(kobj));
	bool fabric = attr == &dev_attr_fabric_uid.attr || attr == &dev_attr_fabric_id.attr;

	return fabric && !axdev->fabric.uid ? 0 : attr->mode;
}

static const struct attribute_group axon_group = {
	.attrs = axon_attrs,
	.is_visible = axon_attr_visible,
};

const struct attribute_group *axon_sysfs_groups[] = {
	&axon_group,
	NULL
};

/* ---- cores and links: a folder each ---- */

enum unit_show { SHOW_32, SHOW_64, SHOW_MBPS, SHOW_LINK_STATE };

/**
 * struct unit_file - a file of a folder
 * @name: of the file
 * @reg: register, from the first one of the core or link on
 * @show: how it is shown
 */
struct unit_file {
	const char *name;
	u32 reg;
	enum unit_show show;
};

static const struct unit_file core_files[] = {
	{ "state", AXON_CORE_STATE, SHOW_32 },
	{ "busy_ns", AXON_CORE_BUSY_LO, SHOW_64 },
	{ "cycles", AXON_CORE_CYCLES_LO, SHOW_64 },
	{ "launches", AXON_CORE_LAUNCHES_LO, SHOW_64 },
	{ "flops", AXON_CORE_FLOPS_LO, SHOW_64 },
};

static const struct unit_file link_files[] = {
	{ "state", AXON_PEER_STATE, SHOW_LINK_STATE },
	{ "lanes", AXON_PEER_LANES, SHOW_32 },
	{ "distance", AXON_PEER_HOPS, SHOW_32 },
	{ "bandwidth", AXON_PEER_BANDWIDTH, SHOW_MBPS },
	{ "latency_ns", AXON_PEER_LATENCY, SHOW_32 },
	{ "errors", AXON_PEER_ERRORS, SHOW_32 },
	{ "written", AXON_PEER_WRITTEN_LO, SHOW_64 },
	{ "read", AXON_PEER_READ_LO, SHOW_64 },
	{ "posts", AXON_PEER_POSTS_LO, SHOW_64 },
};

#define UNIT_MAX_FILES	ARRAY_SIZE(link_files)

/**
 * struct unit_attr - a file of a certain core or link
 * @dev: base
 * @reg: its register
 * @show: how it is shown
 */
struct unit_attr {
	struct device_attribute dev;
	u32 reg;
	enum unit_show show;
};

/**
 * struct unit_group - the folder of a core or link
 * @group: base
 * @attrs: its files
 * @list: the same for @group
 * @name: of the folder
 */
struct unit_group {
	struct attribute_group group;
	struct unit_attr attrs[UNIT_MAX_FILES];
	struct attribute *list[UNIT_MAX_FILES + 1];
	char name[16];
};

static ssize_t unit_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct unit_attr *a = container_of(attr, struct unit_attr, dev);
	struct axon_device *axdev = dev_get_drvdata(dev);
	u64 value;
	int idx;

	if (!drm_dev_enter(&axdev->drm, &idx))
		return -ENODEV;
	value = a->show == SHOW_64 ? axon_read_counter(axdev, a->reg) : axon_read(axdev, a->reg);
	drm_dev_exit(idx);
	if (a->show == SHOW_LINK_STATE)
		return sysfs_emit(buf, "%s\n", axon_link_state_name(value));
	return sysfs_emit(buf, "%llu\n", a->show == SHOW_MBPS ? value * 1000000 : value);
}

static int unit_add(struct axon_device *axdev, const char *kind, u32 index, u32 base,
		    const struct unit_file *files, u32 num)
{
	struct device *dev = &axdev->pdev->dev;
	struct unit_group *g = devm_kzalloc(dev, sizeof(*g), GFP_KERNEL);
	u32 i;

	static_assert(ARRAY_SIZE(core_files) <= UNIT_MAX_FILES);
	if (!g)
		return -ENOMEM;
	for (i = 0; i < num; i++) {
		struct unit_attr *a = &g->attrs[i];

		sysfs_attr_init(&a->dev.attr);
		a->dev.attr.name = files[i].name;
		a->dev.attr.mode = 0444;
		a->dev.show = unit_show;
		a->reg = base + files[i].reg;
		a->show = files[i].show;
		g->list[i] = &a->dev.attr;
	}
	snprintf(g->name, sizeof(g->name), "%s%u", kind, index);
	g->group.name = g->name;
	g->group.attrs = g->list;
	return devm_device_add_group(dev, &g->group);
}

/**
 * axon_sysfs_init() - make the folders of the cores and links
 * @axdev: the card
 *
 * Return: 0 or a negative errno.
 */
int axon_sysfs_init(struct axon_device *axdev)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < axdev->num_cores && !ret; i++)
		ret = unit_add(axdev, "core", i, AXON_REG_CORE(i, 0), core_files,
			       ARRAY_SIZE(core_files));
	for (i = 0; i < axdev->fabric.cards && !ret; i++)
		if (i != axdev->fabric.id)
			ret = unit_add(axdev, "link", i, AXON_REG_PEER(i, 0), link_files,
				       ARRAY_SIZE(link_files));
	return ret;
}
