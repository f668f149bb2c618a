/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_mbox_drv.h - requests to the firmware (axon_mbox.h is the contract itself).
 */
#ifndef AXON_MBOX_DRV_H
#define AXON_MBOX_DRV_H

#include <linux/types.h>

struct axon_device;
struct axon_queue;
struct axon_telemetry;
struct seq_file;

int axon_mbox_init(struct axon_device *axdev);
int axon_mbox_start(struct axon_device *axdev);
void axon_mbox_stop(struct axon_device *axdev);
void axon_mbox_irq_response(struct axon_device *axdev);
void axon_mbox_irq_events(struct axon_device *axdev);
int axon_mbox_ping(struct axon_device *axdev, struct axon_mbox_ping *ping);
int axon_mbox_as_create(struct axon_device *axdev, u32 asid, u64 root);
int axon_mbox_as_destroy(struct axon_device *axdev, u32 asid);
int axon_mbox_as_invalidate(struct axon_device *axdev, u32 asid);
int axon_mbox_queue_create(struct axon_device *axdev, const struct axon_mbox_queue *queue);
int axon_mbox_queue_destroy(struct axon_device *axdev, u32 hwid);
int axon_mbox_core_reset(struct axon_device *axdev, u32 core, u32 hwid);
int axon_mbox_gang_reset(struct axon_device *axdev, u32 core, u32 hwid);
int axon_mbox_telemetry(struct axon_device *axdev, struct axon_telemetry *t);
void axon_mbox_show_log(struct axon_device *axdev, struct seq_file *m);

#endif /* AXON_MBOX_DRV_H */
