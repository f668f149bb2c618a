/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_link.h - the fabric a card is part of.
 */
#ifndef AXON_LINK_H
#define AXON_LINK_H

#include <linux/types.h>

struct axon_device;
struct drm_axon_link;

int axon_link_init(struct axon_device *axdev);
void axon_link_start(struct axon_device *axdev);
void axon_link_stop(struct axon_device *axdev);
void axon_link_irq(struct axon_device *axdev);
bool axon_link_joins(struct axon_device *a, struct axon_device *b);
void axon_link_read(struct axon_device *axdev, u32 peer, struct drm_axon_link *link);
const char *axon_link_state_name(u32 state);

#endif /* AXON_LINK_H */
