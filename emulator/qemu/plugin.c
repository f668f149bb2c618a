/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugin.c - brings the device into a QEMU that was built without it.
 *
 * "-plugin file=qemu-axon.so" is QEMU's door for TCG plugins; one that opens it is ordinary code in
 * the process and may register a device type as well, and plugins are loaded before devices are
 * made. (With LD_PRELOAD the type registers itself, see the end of axon.c.) The device is compiled
 * against the headers of one exact QEMU package, so this file's other duty is to refuse any
 * other: a struct that differs by one field would corrupt the emulator's memory.
 *
 * Not part of a QEMU tree that builds the device in.
 */
#include "compat.h"
#include "axon.h"
#include "hw/qdev-core.h"
#include "qapi/qapi-commands-control.h"
#include "qemu/qemu-plugin.h"
#include "qemu-version.h"

/* Which API of plugins this asks for; it uses none of it. */
QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* The package, to the last digit of its version, is the one whose headers were used. */
static bool axon_same_package(void)
{
	VersionInfo *v = qmp_query_version(NULL);
	bool same = v && !strcmp(v->package, QEMU_PKGVERSION);

	if (!same)
		error_report("axon: built for QEMU package '%s', this is '%s': rebuild the device "
			     "(scripts/qemu-headers, then the part 'qemu')",
			     QEMU_PKGVERSION, v ? v->package : "unknown");
	qapi_free_VersionInfo(v);
	return same;
}

/* The structs that ours embeds have the size that this QEMU gives them. */
static bool axon_same_layout(void)
{
	const struct {
		const char *type;
		size_t size;
	} want[] = {
		{ TYPE_DEVICE, sizeof(DeviceState) },
		{ TYPE_PCI_DEVICE, sizeof(PCIDevice) },
		{ TYPE_MEMORY_REGION, sizeof(MemoryRegion) },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		size_t have = compat_instance_size(want[i].type, want[i].size);

		if (have == want[i].size)
			continue;
		error_report("axon: '%s' has %zu bytes in this QEMU, %zu in the headers the "
			     "device was built with: rebuild it", want[i].type, have, want[i].size);
		return false;
	}
	return true;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
					   int argc, char **argv)
{
	if (!info->system_emulation) {
		error_report("axon: a PCI device needs system emulation");
		return -1;
	}
	if (argc) {
		error_report("axon: unknown plugin option '%s'; options of a card belong to "
			     "-device axon", argv[0]);
		return -1;
	}
	if (!axon_same_package() || !axon_same_layout())
		return -1;
	if (!object_class_by_name(TYPE_AXON))	/* LD_PRELOADed as well */
		axon_register_types();
	return 0;
}
