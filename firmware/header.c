// SPDX-License-Identifier: MIT
/*
 * header.c - the header of the image, as far as the compiler knows it.
 *
 * mkimage.py takes this section, fills in sizes, addresses and hash, and puts it before the
 * payload. So the constants of the contract are written once, in uapi/.
 */
#include "fw.h"

extern const struct axon_fw_header axon_header;

__attribute__((section(".axon.header"), used))
const struct axon_fw_header axon_header = {
	.magic = AXON_FW_MAGIC,
	.header_size = AXON_FW_HEADER_SIZE,
	.rom_abi = AXON_FW_ROM_ABI,
	.mbox_abi = FW_MBOX_ABI,
	.revision = AXON_REVISION_A1,
	.version = FW_VERSION,
	.version_str = FW_VERSION_STR,
};
