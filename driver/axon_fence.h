/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_fence.h - the fence of one command in a hardware queue.
 */
#ifndef AXON_FENCE_H
#define AXON_FENCE_H

#include <linux/dma-fence.h>

struct dma_fence *axon_fence_alloc(void);
void axon_fence_free(struct dma_fence *fence);
void axon_fence_init(struct dma_fence *fence, u64 context, u64 seqno);

#endif /* AXON_FENCE_H */
