/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_gem.h - buffers, in host memory or in HBM.
 */
#ifndef AXON_GEM_H
#define AXON_GEM_H

#include <drm/drm_gem_shmem_helper.h>

#include "axon_accel.h"
#include "axon_hbm.h"

struct axon_device;
struct drm_device;
struct drm_file;

/**
 * struct axon_bo - a buffer
 * @base: base; the pages of a host buffer
 * @region: an &enum drm_axon_region
 * @flags: DRM_AXON_BO_*
 * @owner: reservation object of the only VM it may be bound in, with a reference, or NULL
 * @hbm: memory of an HBM buffer
 * @mapped_link: host buffer with a DMA mapping: in &axon_device.mapped_bos, under its lock
 * @dummy: what a CPU mapping of HBM shows after the card is gone; set once
 *
 * Of an imported buffer (axon_prime.c) only:
 * @dma_buf: keeps @peer and its card's memory structures
 * @peer: the sibling card's buffer; its reservation object is this buffer's too
 * @peer_id: LINK: place of that card in the fabric
 * @import_link: LINK: in &axon_device.imports of that card, under its lock
 * @cut: LINK: the card is gone or given up: no new mappings; under the reservation
 * @pinned: HOST: the pages of @peer are held; under the reservation
 */
struct axon_bo {
	struct drm_gem_shmem_object base;
	u32 region;
	u32 flags;
	struct drm_gem_object *owner;
	struct axon_hbm_mem hbm;
	struct list_head mapped_link;
	struct page *dummy;

	struct dma_buf *dma_buf;
	struct axon_bo *peer;
	u32 peer_id;
	struct list_head import_link;
	bool cut;
	bool pinned;
};

#define to_axon_bo(obj)	container_of_const(obj, struct axon_bo, base.base)

/**
 * struct axon_bo_cursor - walks what a buffer is made of, in pieces contiguous for the card
 * @bo: the buffer, prepared by axon_bo_map_dma()
 * @skip: bytes still to be passed over
 * @index: next HBM extent
 * @sg: next entry of a host buffer's DMA mapping
 * @left: entries after it
 */
struct axon_bo_cursor {
	struct axon_bo *bo;
	u64 skip;
	u32 index;
	struct scatterlist *sg;
	u32 left;
};

void axon_bo_cursor_init(struct axon_bo_cursor *c, struct axon_bo *bo, u64 offset);
bool axon_bo_cursor_next(struct axon_bo_cursor *c, u64 *addr, u64 *size);
int axon_bo_map_dma(struct axon_bo *bo);
void axon_bo_unmap_dma(struct axon_bo *bo);
void axon_bo_unmap_all(struct axon_device *axdev);
void axon_bo_fini(struct axon_bo *bo);

struct drm_gem_object *axon_gem_create_object(struct drm_device *drm, size_t size);
int axon_bo_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int axon_bo_mmap_offset_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int axon_bo_info_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* AXON_GEM_H */
