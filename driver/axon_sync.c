// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_sync.c - syncobjs of a submission: what it waits for, what it signals.
 *
 * Everything is looked up and allocated before the first job is armed, so that signalling cannot
 * fail after that.
 */
#include <linux/dma-fence-chain.h>
#include <linux/slab.h>

#include <drm/drm_syncobj.h>
#include <drm/gpu_scheduler.h>

#include "axon_device.h"
#include "axon_sync.h"
#include "axon_uobj.h"

static int sync_out_get(struct axon_sync_out *out, struct drm_file *filp,
			const struct drm_axon_sync *in)
{
	out->syncobj = drm_syncobj_find(filp, in->handle);
	if (!out->syncobj)
		return -ENOENT;
	out->point = in->point;
	if (!in->point)
		return 0;
	out->chain = dma_fence_chain_alloc();
	return out->chain ? 0 : -ENOMEM;
}

/**
 * axon_syncs_init() - take in the list, prepare what will be signalled
 * @s: to be filled in; axon_syncs_fini() in any case
 * @axdev: the card
 * @filp: whose handles
 * @array: array of struct drm_axon_sync
 *
 * Return: 0 or a negative errno.
 */
int axon_syncs_init(struct axon_syncs *s, struct axon_device *axdev, struct drm_file *filp,
		    const struct drm_axon_array *array)
{
	int ret = 0;
	u32 i;

	s->in = axon_array_in(axdev, array, sizeof(*s->in), sizeof(*s->in), AXON_MAX_SYNCS,
			      s->few_in, AXON_FEW_SYNCS);
	if (IS_ERR(s->in)) {
		ret = PTR_ERR(s->in);
		s->in = NULL;
		return ret;
	}
	s->num = s->in ? array->count : 0;
	for (i = 0; i < s->num; i++)
		if (AXON_IOCTL_DBG(axdev, s->in[i].flags & ~DRM_AXON_SYNC_SIGNAL))
			return -EINVAL;
	if (!s->num)
		return 0;
	s->out = s->few_out;
	if (s->num > AXON_FEW_SYNCS)
		s->out = kvcalloc(s->num, sizeof(*s->out), GFP_KERNEL_ACCOUNT);
	if (!s->out)
		return -ENOMEM;
	for (i = 0; i < s->num && !ret; i++)
		if (s->in[i].flags & DRM_AXON_SYNC_SIGNAL)
			ret = sync_out_get(&s->out[s->num_out++], filp, &s->in[i]);
	return ret;
}

/**
 * axon_syncs_wait() - make a job wait for every WAIT
 * @s: the list
 * @filp: whose handles
 * @job: the first job
 *
 * Return: 0 or a negative errno; -EINVAL for a syncobj or point without a fence.
 */
int axon_syncs_wait(struct axon_syncs *s, struct drm_file *filp, struct drm_sched_job *job)
{
	u32 i;

	for (i = 0; i < s->num; i++) {
		struct dma_fence *fence;
		int ret;

		if (s->in[i].flags & DRM_AXON_SYNC_SIGNAL)
			continue;
		ret = drm_syncobj_find_fence(filp, s->in[i].handle, s->in[i].point, 0, &fence);
		if (!ret)
			ret = drm_sched_job_add_dependency(job, fence);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * axon_syncs_signal() - put the last job's fence into every SIGNAL; cannot fail
 * @s: the list
 * @fence: the fence
 */
void axon_syncs_signal(struct axon_syncs *s, struct dma_fence *fence)
{
	u32 i;

	for (i = 0; i < s->num_out; i++) {
		struct axon_sync_out *out = &s->out[i];

		if (out->chain)
			drm_syncobj_add_point(out->syncobj, out->chain, fence, out->point);
		else
			drm_syncobj_replace_fence(out->syncobj, fence);
		/* the timeline owns the link now */
		out->chain = NULL;
	}
}

/**
 * axon_syncs_fini() - give everything back
 * @s: the list
 */
void axon_syncs_fini(struct axon_syncs *s)
{
	u32 i;

	for (i = 0; i < s->num_out; i++) {
		if (s->out[i].syncobj)
			drm_syncobj_put(s->out[i].syncobj);
		dma_fence_chain_free(s->out[i].chain);
	}
	if (s->out != s->few_out)
		kvfree(s->out);
	if (s->in != s->few_in)
		kvfree(s->in);
}
