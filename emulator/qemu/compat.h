/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat.h - what the device needs to build unchanged against QEMU 7.2 to 10.2.
 *
 * AXON_QEMU_AT is the version of the headers: 702 is 7.2, 1000 is 10.0. In a QEMU tree this file
 * shrinks to its includes. It must hold nothing of the device itself.
 */
#ifndef AXON_QEMU_COMPAT_H
#define AXON_QEMU_COMPAT_H

#ifndef AXON_QEMU_AT
#error "AXON_QEMU_AT must say which QEMU this is built for"
#endif

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/event_notifier.h"
#include "qemu/guest-random.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/queue.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "hw/pci/pci.h"
#if AXON_QEMU_AT >= 800
#include "hw/pci/pci_device.h"		/* split out of pci.h */
#endif
#include "hw/pci/msix.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_aer.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#if AXON_QEMU_AT >= 1000		/* include/sysemu became include/system */
#include "system/dma.h"
#include "system/hostmem.h"
#else
#include "sysemu/dma.h"
#include "sysemu/hostmem.h"
#endif

#if AXON_QEMU_AT >= 1000		/* property tables are const and end by their size */
#define COMPAT_PROP_CONST const
#define COMPAT_PROP_END
#else
#define COMPAT_PROP_CONST
#define COMPAT_PROP_END DEFINE_PROP_END_OF_LIST(),
#endif

#if AXON_QEMU_AT >= 1001		/* class_init's data and interface lists are const */
#define COMPAT_CLASS_DATA const void
#define COMPAT_IF_CONST const
#else
#define COMPAT_CLASS_DATA void
#define COMPAT_IF_CONST
#endif

#if AXON_QEMU_AT >= 902			/* DeviceClass::reset got a setter */
#define compat_set_reset(dc, fn) device_class_set_legacy_reset(dc, fn)
#else
#define compat_set_reset(dc, fn) ((dc)->reset = (fn))
#endif

#if AXON_QEMU_AT >= 900			/* the big lock got the name that everybody used */
#define compat_bql_lock() bql_lock()
#define compat_bql_unlock() bql_unlock()
#else
#define compat_bql_lock() qemu_mutex_lock_iothread()
#define compat_bql_unlock() qemu_mutex_unlock_iothread()
#endif

/* What this QEMU allocates for a type; later ones do not tell, then what the caller believes. */
#if AXON_QEMU_AT < 800
#define compat_instance_size(type, believed) object_type_get_instance_size(type)
#else
#define compat_instance_size(type, believed) (believed)
#endif

#endif /* AXON_QEMU_COMPAT_H */
