// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_hwmon.c - the card's sensors for lm-sensors and all who read hwmon.
 */
#include <linux/err.h>
#include <linux/hwmon.h>

#include "axon_device.h"
#include "axon_mbox_drv.h"

static const char * const temp_label[] = { "die", "hbm" };

static umode_t hwmon_is_visible(const void *data, enum hwmon_sensor_types type, u32 attr,
				int channel)
{
	return 0444;
}

static int hwmon_value(const struct axon_telemetry *t, enum hwmon_sensor_types type, u32 attr,
		       int channel, long *val)
{
	if (type == hwmon_temp && attr == hwmon_temp_input)
		*val = channel ? t->temp_hbm : t->temp_die;
	else if (type == hwmon_power && attr == hwmon_power_input)
		*val = (long)t->power * 1000;
	else if (type == hwmon_energy && attr == hwmon_energy_input)
		*val = t->energy;
	else if (type == hwmon_in && attr == hwmon_in_input)
		*val = t->voltage;
	else
		return -EOPNOTSUPP;
	return 0;
}

static int hwmon_read(struct device *dev, enum hwmon_sensor_types type, u32 attr, int channel,
		      long *val)
{
	struct axon_device *axdev = dev_get_drvdata(dev);
	struct axon_telemetry t;
	int idx, ret;

	if (!drm_dev_enter(&axdev->drm, &idx))
		return -ENODEV;
	ret = axon_mbox_telemetry(axdev, &t);
	drm_dev_exit(idx);
	return ret ?: hwmon_value(&t, type, attr, channel, val);
}

static int hwmon_read_string(struct device *dev, enum hwmon_sensor_types type, u32 attr,
			     int channel, const char **str)
{
	if (type != hwmon_temp || attr != hwmon_temp_label)
		return -EOPNOTSUPP;
	*str = temp_label[channel];
	return 0;
}

static const struct hwmon_ops axon_hwmon_ops = {
	.is_visible = hwmon_is_visible,
	.read = hwmon_read,
	.read_string = hwmon_read_string,
};

static const struct hwmon_channel_info * const axon_hwmon_info[] = {
	HWMON_CHANNEL_INFO(temp, HWMON_T_INPUT | HWMON_T_LABEL, HWMON_T_INPUT | HWMON_T_LABEL),
	HWMON_CHANNEL_INFO(power, HWMON_P_INPUT),
	HWMON_CHANNEL_INFO(energy, HWMON_E_INPUT),
	HWMON_CHANNEL_INFO(in, HWMON_I_INPUT),
	NULL
};

static const struct hwmon_chip_info axon_hwmon_chip = {
	.ops = &axon_hwmon_ops,
	.info = axon_hwmon_info,
};

/**
 * axon_hwmon_init() - register the sensors
 * @axdev: the card, booted
 *
 * Return: 0 or a negative errno.
 */
int axon_hwmon_init(struct axon_device *axdev)
{
	struct device *hwmon;

	if (!IS_REACHABLE(CONFIG_HWMON))
		return 0;
	hwmon = devm_hwmon_device_register_with_info(&axdev->pdev->dev, "axon", axdev,
						     &axon_hwmon_chip, NULL);
	return PTR_ERR_OR_ZERO(hwmon);
}
