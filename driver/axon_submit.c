// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_submit.c - DRM_IOCTL_AXON_SUBMIT: from the user's list of jobs to the ring, past the
 * scheduler when nothing has to wait, through it otherwise.
 *
 * A list is taken as a whole or not at all: everything is allocated before the first job is armed,
 * and from then on nothing fails. No buffer is locked: see axon_vm.c on why that is safe.
 */
#include <linux/slab.h>

#include <drm/drm_file.h>

#include "axon_ctx.h"
#include "axon_device.h"
#include "axon_drv.h"
#include "axon_fence.h"
#include "axon_queue.h"
#include "axon_sched.h"
#include "axon_submit.h"
#include "axon_sync.h"
#include "axon_uobj.h"

/**
 * struct axon_submission - a call under way
 * @axdev: the card
 * @q: the queue
 * @in: jobs as the user gave them
 * @one: @in of the usual single job
 * @jobs: jobs for the scheduler
 * @num: built so far
 * @syncs: syncobjs
 */
struct axon_submission {
	struct axon_device *axdev;
	struct axon_queue *q;
	struct drm_axon_job *in;
	struct drm_axon_job one;
	struct axon_job **jobs;
	u32 num;
	struct axon_syncs syncs;
};

/* Words that no command of this kind uses must be 0; what is in the others is the card's to say. */
static bool job_bad(struct axon_device *axdev, const struct drm_axon_job *in)
{
	const u64 *op = in->operand;

	if (AXON_IOCTL_DBG(axdev, in->flags))
		return true;
	switch (in->opcode) {
	case AXON_CMD_NOP:
		return AXON_IOCTL_DBG(axdev, memchr_inv(op, 0, sizeof(in->operand)));
	case AXON_CMD_LAUNCH:
		return AXON_IOCTL_DBG(axdev, op[3] >> 32 || op[4]);
	case AXON_CMD_COPY:
		return AXON_IOCTL_DBG(axdev, op[3] || op[4]);
	case AXON_CMD_FILL:
		return AXON_IOCTL_DBG(axdev, op[1] >> 8 || op[3] || op[4]);
	default:
		return AXON_IOCTL_DBG(axdev, true);
	}
}

static int submission_build(struct axon_submission *sub, struct drm_file *filp, u32 count)
{
	u32 i;

	sub->jobs = kvcalloc(count, sizeof(*sub->jobs), GFP_KERNEL_ACCOUNT);
	if (!sub->jobs)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		struct axon_job *job = axon_job_alloc(sub->q, filp->client_id);

		if (IS_ERR(job))
			return PTR_ERR(job);
		job->cmd = axon_job_cmd(&sub->in[i], 0);
		sub->jobs[sub->num++] = job;
	}
	return axon_syncs_wait(&sub->syncs, filp, &sub->jobs[0]->base);
}

static int submission_check(struct axon_queue *q)
{
	if (axon_device_wedged(q->axdev))
		return -EIO;
	if (axon_ctx_banned(q->ctx))
		return -ECANCELED;
	/* its handle has just been destroyed */
	return q->closing ? -ENOENT : 0;
}

/* Nothing in here fails: the first push may make the first job run. */
static void submission_push(struct axon_submission *sub)
{
	struct axon_queue *q = sub->q;
	struct dma_fence *last;
	u32 i;

	lockdep_assert_held(&q->submit_lock);
	for (i = 0; i < sub->num; i++) {
		sub->jobs[i]->cmd.seqno = q->next_seqno++;
		drm_sched_job_arm(&sub->jobs[i]->base);
		axon_job_arm(sub->jobs[i]);
	}
	last = dma_fence_get(&sub->jobs[sub->num - 1]->base.s_fence->finished);
	spin_lock_irq(&q->lock);
	q->submitted = q->next_seqno - 1;
	spin_unlock_irq(&q->lock);
	axon_syncs_signal(&sub->syncs, last);
	for (i = 0; i < sub->num; i++)
		drm_sched_entity_push_job(&sub->jobs[i]->base);
	/* they belong to the scheduler now */
	sub->num = 0;
	dma_fence_put(last);
}

/* Return: 0, -EAGAIN if the scheduler has to see to the jobs, or another negative errno. */
static int submission_direct(struct axon_submission *sub, u32 count)
{
	struct axon_queue *q = sub->q;
	struct dma_fence *fence = NULL;
	bool done;

	/* a context of low priority takes the scheduler's time */
	if (sub->syncs.num != sub->syncs.num_out || q->ctx->priority == DRM_AXON_PRIORITY_LOW)
		return -EAGAIN;
	if (sub->syncs.num_out) {
		fence = axon_fence_alloc();
		if (!fence)
			return -ENOMEM;
		axon_fence_init(fence, q->fence_context, q->next_seqno + count - 1);
	}
	done = axon_queue_push_direct(q, sub->in, count, fence);
	/* the card is at work already */
	if (done && fence)
		axon_syncs_signal(&sub->syncs, fence);
	dma_fence_put(fence);
	return done ? 0 : -EAGAIN;
}

static int submit_locked(struct axon_submission *sub, struct drm_file *filp, u32 count)
{
	int ret = submission_direct(sub, count);

	if (ret != -EAGAIN)
		return ret;
	ret = submission_build(sub, filp, count);
	if (!ret)
		submission_push(sub);
	return ret;
}

static void submission_fini(struct axon_submission *sub)
{
	u32 i;

	for (i = 0; i < sub->num; i++) {
		drm_sched_job_cleanup(&sub->jobs[i]->base);
		axon_job_free(sub->jobs[i]);
	}
	axon_syncs_fini(&sub->syncs);
	kvfree(sub->jobs);
	if (sub->in != &sub->one)
		kvfree(sub->in);
	axon_queue_put(sub->q);
}

static int submit(struct axon_submission *sub, struct drm_file *filp,
		  struct drm_axon_submit *args)
{
	int ret;

	sub->q = axon_queue_lookup(filp->driver_priv, args->queue_id);
	if (!sub->q)
		return -ENOENT;
	ret = submission_check(sub->q);
	if (ret)
		return ret;
	ret = axon_syncs_init(&sub->syncs, sub->axdev, filp, &args->syncs);
	if (ret)
		return ret;
	mutex_lock(&sub->q->submit_lock);
	ret = submission_check(sub->q);
	if (!ret)
		ret = submit_locked(sub, filp, args->jobs.count);
	args->seqno = ret ? 0 : sub->q->next_seqno - 1;
	mutex_unlock(&sub->q->submit_lock);
	return ret;
}

/**
 * axon_submit_ioctl() - DRM_IOCTL_AXON_SUBMIT
 * @drm: the card
 * @data: struct drm_axon_submit
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct axon_submission sub = { .axdev = axdev };
	struct drm_axon_submit *args = data;
	int idx, ret = -EINVAL;
	u32 i;

	if (AXON_IOCTL_DBG(axdev, args->flags || args->seqno) ||
	    AXON_IOCTL_DBG(axdev, !args->jobs.count))
		return -EINVAL;
	sub.in = axon_array_in(axdev, &args->jobs, sizeof(*sub.in), sizeof(*sub.in),
			       AXON_MAX_JOBS, &sub.one, 1);
	if (IS_ERR(sub.in))
		return PTR_ERR(sub.in);
	for (i = 0; i < args->jobs.count; i++)
		if (job_bad(axdev, &sub.in[i]))
			goto out;
	ret = -ENODEV;
	if (drm_dev_enter(drm, &idx)) {
		ret = submit(&sub, filp, args);
		drm_dev_exit(idx);
	}
out:
	submission_fini(&sub);
	return ret;
}
