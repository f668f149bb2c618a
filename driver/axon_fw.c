// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_fw.c - finds the firmware, puts it into HBM and lets the boot ROM start it.
 *
 * The host checks what it needs itself (bounds, mailbox ABI) and leaves the rest, above all the
 * hash, to the ROM. Must never: trust a length in the image before it is compared with the file's.
 */
#include <linux/delay.h>
#include <linux/firmware.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "axon_device.h"
#include "axon_fw_drv.h"
#include "axon_mbox_drv.h"

#define AXON_BOOT_DEADLINE_US	(20 * USEC_PER_SEC)

static const char * const stage_name[] = {
	[AXON_STAGE_IDLE] = "idle",
	[AXON_STAGE_ROM_CHECK] = "ROM checks the image",
	[AXON_STAGE_FW_START] = "firmware starts",
	[AXON_STAGE_READY] = "ready",
	[AXON_STAGE_FAILED] = "failed",
	[AXON_STAGE_DEAD] = "dead",
	[AXON_STAGE_RESETTING] = "resetting",
};

static const char * const error_name[] = {
	[AXON_BOOT_OK] = "none",
	[AXON_BOOT_BAD_RANGE] = "address or size of the image outside HBM",
	[AXON_BOOT_BAD_MAGIC] = "bad magic",
	[AXON_BOOT_BAD_HEADER] = "bad header",
	[AXON_BOOT_BAD_ABI] = "image is for another ROM",
	[AXON_BOOT_BAD_REVISION] = "image is for another generation of the card",
	[AXON_BOOT_BAD_BOUNDS] = "image does not fit control RAM",
	[AXON_BOOT_BAD_HASH] = "hash does not match",
	[AXON_BOOT_TRAP] = "firmware trapped",
	[AXON_BOOT_WATCHDOG] = "watchdog",
};

/**
 * axon_fw_stage_name() - for messages
 * @stage: an &enum axon_boot_stage, or anything a device says
 *
 * Return: text.
 */
const char *axon_fw_stage_name(u32 stage)
{
	return stage < ARRAY_SIZE(stage_name) ? stage_name[stage] : "unknown stage";
}

/**
 * axon_fw_error_name() - for messages
 * @error: an &enum axon_boot_error, or anything a device says
 *
 * Return: text.
 */
const char *axon_fw_error_name(u32 error)
{
	return error < ARRAY_SIZE(error_name) ? error_name[error] : "unknown error";
}

/**
 * axon_fw_parse() - is this an image for this driver?
 * @data: the file
 * @size: its size
 * @header: copy of the header
 * @why: gets the reason when it is not
 * @why_size: bytes there
 *
 * Return: 0 or -EINVAL.
 */
int axon_fw_parse(const void *data, size_t size, struct axon_fw_header *header,
		  char *why, size_t why_size)
{
	if (size < sizeof(*header) || size > AXON_FW_MAX_SIZE) {
		snprintf(why, why_size, "%zu bytes is no size of an image", size);
		return -EINVAL;
	}
	memcpy(header, data, sizeof(*header));
	if (header->magic != AXON_FW_MAGIC) {
		snprintf(why, why_size, "magic is %#x, not %#x", header->magic, AXON_FW_MAGIC);
		return -EINVAL;
	}
	if (header->header_size != AXON_FW_HEADER_SIZE ||
	    header->payload_size != size - AXON_FW_HEADER_SIZE) {
		snprintf(why, why_size, "header says %u + %u bytes, the file has %zu",
			 header->header_size, header->payload_size, size);
		return -EINVAL;
	}
	if (header->mbox_abi >> 16 != AXON_MBOX_ABI_MAJOR) {
		snprintf(why, why_size, "image speaks mailbox ABI %u.%u, this driver %u.%u",
			 header->mbox_abi >> 16, header->mbox_abi & 0xffff,
			 AXON_MBOX_ABI_MAJOR, AXON_MBOX_ABI_MINOR);
		return -EINVAL;
	}
	if (strnlen(header->version_str, sizeof(header->version_str)) ==
	    sizeof(header->version_str)) {
		snprintf(why, why_size, "version text is not terminated");
		return -EINVAL;
	}
	return 0;
}

static int fw_wait_ready(struct axon_device *axdev)
{
	u32 stage;
	int ret;

	ret = read_poll_timeout(axon_read, stage,
				stage == AXON_STAGE_READY || stage == AXON_STAGE_FAILED ||
				stage == AXON_STAGE_DEAD,
				1000, AXON_BOOT_DEADLINE_US, false, axdev, AXON_REG_BOOT_STAGE);
	if (!ret && stage == AXON_STAGE_READY)
		return 0;
	drm_err(&axdev->drm, "firmware did not boot: stage \"%s\", error \"%s\"\n",
		axon_fw_stage_name(stage),
		axon_fw_error_name(axon_read(axdev, AXON_REG_BOOT_ERROR)));
	return ret ?: -EIO;
}

static int fw_start(struct axon_device *axdev, const struct firmware *fw)
{
	struct axon_hbm_mem mem;
	u64 addr;
	int ret;

	ret = axon_hbm_alloc(&axdev->hbm, roundup_pow_of_two(PAGE_ALIGN(fw->size)), true, &mem);
	if (ret)
		return ret;
	addr = mem.extent[0].addr;
	memcpy_toio(axdev->hbm_io + addr, fw->data, fw->size);
	/* stale indices of an earlier driver would look like requests */
	memset_io(axdev->mbox.mem, 0, sizeof(struct axon_mbox));
	/* the image must have left the write-combining buffers before the ROM reads it */
	wmb();
	axon_write(axdev, AXON_REG_BOOT_ADDR_LO, lower_32_bits(addr));
	axon_write(axdev, AXON_REG_BOOT_ADDR_HI, upper_32_bits(addr));
	axon_write(axdev, AXON_REG_BOOT_SIZE, fw->size);
	axon_write(axdev, AXON_REG_BOOT_CTRL, AXON_BOOT_START);
	ret = fw_wait_ready(axdev);
	if (ret)
		axon_reset_card(axdev);
	axon_hbm_free(&axdev->hbm, &mem);
	return ret;
}

/**
 * axon_fw_boot() - load the firmware and wait until it answers the mailbox
 * @axdev: the card, after reset
 *
 * Return: 0 or a negative errno; the reason is in the log.
 */
int axon_fw_boot(struct axon_device *axdev)
{
	struct axon_fw_header header;
	const struct firmware *fw;
	char why[96];
	int ret;

	ret = request_firmware(&fw, AXON_FW_NAME, &axdev->pdev->dev);
	if (ret) {
		drm_err(&axdev->drm, "no firmware %s (%d)\n", AXON_FW_NAME, ret);
		return ret;
	}
	ret = axon_fw_parse(fw->data, fw->size, &header, why, sizeof(why));
	if (ret)
		drm_err(&axdev->drm, "firmware %s: %s\n", AXON_FW_NAME, why);
	else
		ret = fw_start(axdev, fw);
	release_firmware(fw);
	if (ret)
		return ret;
	ret = axon_mbox_start(axdev);
	if (ret)
		return ret;
	drm_info(&axdev->drm, "firmware %s\n", axdev->fw_version_str);
	return 0;
}

MODULE_FIRMWARE(AXON_FW_NAME);
