/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_sync.h - syncobjs of a submission.
 */
#ifndef AXON_SYNC_H
#define AXON_SYNC_H

#include <linux/types.h>

#include "axon_accel.h"

struct axon_device;
struct dma_fence;
struct dma_fence_chain;
struct drm_file;
struct drm_sched_job;
struct drm_syncobj;

/* So many are no reason to allocate. */
#define AXON_FEW_SYNCS	2

/**
 * struct axon_sync_out - a syncobj to be signalled
 * @syncobj: with a reference
 * @chain: link of its timeline, or NULL for a binary one
 * @point: of the timeline
 */
struct axon_sync_out {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;
	u64 point;
};

/**
 * struct axon_syncs - syncobjs of a submission
 * @in: as the user gave them
 * @num: their number
 * @out: those to be signalled
 * @num_out: their number
 * @few_in: @in of the usual few
 * @few_out: likewise
 */
struct axon_syncs {
	struct drm_axon_sync *in;
	u32 num;
	struct axon_sync_out *out;
	u32 num_out;
	struct drm_axon_sync few_in[AXON_FEW_SYNCS];
	struct axon_sync_out few_out[AXON_FEW_SYNCS];
};

int axon_syncs_init(struct axon_syncs *s, struct axon_device *axdev, struct drm_file *filp,
		    const struct drm_axon_array *array);
int axon_syncs_wait(struct axon_syncs *s, struct drm_file *filp, struct drm_sched_job *job);
void axon_syncs_signal(struct axon_syncs *s, struct dma_fence *fence);
void axon_syncs_fini(struct axon_syncs *s);

#endif /* AXON_SYNC_H */
