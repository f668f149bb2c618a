/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_sched.h - the DRM scheduler in front of a queue.
 */
#ifndef AXON_SCHED_H
#define AXON_SCHED_H

#include <drm/gpu_scheduler.h>

#include "axon_hw.h"

struct axon_device;
struct axon_queue;

/**
 * struct axon_job - a command on its way to the card
 * @base: base
 * @q: its queue, with a reference
 * @fence: hardware fence
 * @armed: @fence was initialised
 * @counted: in &axon_queue.pending
 * @cmd: the command
 */
struct axon_job {
	struct drm_sched_job base;
	struct axon_queue *q;
	struct dma_fence *fence;
	bool armed;
	bool counted;
	struct axon_cmd cmd;
};

int axon_sched_init(struct axon_device *axdev);
void axon_sched_exit(void);
int axon_sched_attach(struct axon_queue *q);
void axon_sched_detach(struct axon_queue *q);
struct axon_job *axon_job_alloc(struct axon_queue *q, u64 client);
void axon_job_arm(struct axon_job *job);
void axon_job_free(struct axon_job *job);

#endif /* AXON_SCHED_H */
