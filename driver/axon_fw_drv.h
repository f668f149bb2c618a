/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_fw_drv.h - loading the firmware (axon_fw.h is the contract itself).
 */
#ifndef AXON_FW_DRV_H
#define AXON_FW_DRV_H

#include <linux/types.h>

#include "axon_fw.h"

struct axon_device;

int axon_fw_parse(const void *data, size_t size, struct axon_fw_header *header,
		  char *why, size_t why_size);
int axon_fw_boot(struct axon_device *axdev);
const char *axon_fw_stage_name(u32 stage);
const char *axon_fw_error_name(u32 error);

#endif /* AXON_FW_DRV_H */
