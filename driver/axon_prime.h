/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_prime.h - buffers that pass between files, processes and sibling cards.
 */
#ifndef AXON_PRIME_H
#define AXON_PRIME_H

#include <linux/types.h>

struct axon_bo;
struct axon_device;
struct dma_buf;
struct drm_device;
struct drm_file;
struct drm_gem_object;
struct sg_table;

struct dma_buf *axon_prime_export(struct drm_gem_object *obj, int flags);
struct drm_gem_object *axon_prime_import(struct drm_device *drm, struct dma_buf *dma_buf);
int axon_prime_handle_to_fd(struct drm_device *drm, struct drm_file *filp, u32 handle, u32 flags,
			    int *fd);
struct sg_table *axon_prime_map_dma(struct axon_bo *bo);
void axon_prime_cut(struct axon_device *axdev, bool leaving);

#endif /* AXON_PRIME_H */
