/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * axon.h - what plugin.c needs of axon.c.
 */
#ifndef AXON_QEMU_AXON_H
#define AXON_QEMU_AXON_H

#define TYPE_AXON "axon"

/* Makes the device type known. Once a process. */
void axon_register_types(void);

#endif /* AXON_QEMU_AXON_H */
