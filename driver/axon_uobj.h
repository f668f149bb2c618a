/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_uobj.h - arrays in user memory.
 */
#ifndef AXON_UOBJ_H
#define AXON_UOBJ_H

#include <linux/types.h>

#include "axon_accel.h"

struct axon_device;

int axon_array_check(const struct drm_axon_array *a, size_t min_size, u32 max_count);
void *axon_array_in(struct axon_device *axdev, const struct drm_axon_array *a, size_t min_size,
		    size_t size, u32 max_count, void *few, u32 num_few);

#endif /* AXON_UOBJ_H */
