// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_submit.c - DRM_IOCTL_AXON_SUBMIT: from the user's list of jobs to the scheduler.
 *
 * All jobs are built before the first is armed; from then on nothing fails, so that a list is
 * taken as a whole or not at all. No buffer is locked: see axon_vm.c on why that is safe.
 */
#include <linux/slab.h>

#include <drm/drm_file.h>

#include "axon_ctx.h"
#include "axon_device.h"
#include "axon_drv.h"
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
 * @jobs: jobs
 * @num: built so far
 * @syncs: syncobjs
 */
struct axon_submission {
	struct axon_device *axdev;
	struct axon_queue *q;
	struct drm_axon_job *in;
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
		job->cmd.opcode = sub->in[i].opcode;
		job->cmd.user_data = sub->in[i].user_data;
		memcpy(job->cmd.reserved, sub->in[i].operand, sizeof(job->cmd.reserved));
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
	for (i = 0; i < sub->num; i++) {
		struct axon_job *job = sub->jobs[i];

		/* a context of low priority takes the scheduler's time */
		if (q->ctx->priority != DRM_AXON_PRIORITY_LOW &&
		    xa_empty(&job->base.dependencies))
			job->pushed = axon_queue_try_push(q, &job->cmd, job->fence);
		drm_sched_entity_push_job(&job->base);
	}
	/* they belong to the scheduler now */
	sub->num = 0;
	dma_fence_put(last);
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
	if (!ret)
		ret = submission_build(sub, filp, args->jobs.count);
	if (ret)
		return ret;
	mutex_lock(&sub->q->submit_lock);
	ret = submission_check(sub->q);
	if (!ret) {
		submission_push(sub);
		args->seqno = sub->q->next_seqno - 1;
	}
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
			       AXON_MAX_JOBS);
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
