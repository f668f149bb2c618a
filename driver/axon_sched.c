// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_sched.c - the DRM scheduler in front of a queue: dependencies, and order behind them.
 *
 * Jobs that wait for nothing, in a queue where nobody waits, go past it: axon_queue_push_direct().
 *
 * DOC: life of schedulers
 *
 * A finished fence points at its scheduler for its timeline's name, and a sync_file may keep the
 * fence after queue, file and device are gone. So the memory of schedulers is never given back
 * while the module is loaded: a device takes a pool, one scheduler a hardware queue, and returns
 * it when it goes; the next device gets the same pool. A queue initialises and finishes "its"
 * scheduler, whose name is a constant, in place.
 */
#include <linux/slab.h>

#include <drm/drm_managed.h>

#include "axon_ctx.h"
#include "axon_device.h"
#include "axon_fence.h"
#include "axon_queue.h"
#include "axon_sched.h"

/**
 * struct axon_sched_pool - schedulers of a device
 * @link: in the list of unused pools
 * @sched: by hardware queue
 */
struct axon_sched_pool {
	struct list_head link;
	struct drm_gpu_scheduler sched[AXON_MAX_QUEUES];
};

static LIST_HEAD(unused_pools);
static DEFINE_MUTEX(unused_pools_lock);

static struct axon_job *to_axon_job(struct drm_sched_job *job)
{
	return container_of(job, struct axon_job, base);
}

static struct dma_fence *sched_run_job(struct drm_sched_job *sched_job)
{
	struct axon_job *job = to_axon_job(sched_job);
	struct axon_queue *q = job->q;
	int ret;

	if (!job->counted) {
		job->counted = true;
		atomic_inc(&q->pending);
	}
	ret = axon_queue_push(q, &job->cmd, job->fence);
	if (ret)
		return ERR_PTR(ret);
	return dma_fence_get(job->fence);
}

static void sched_free_job(struct drm_sched_job *sched_job)
{
	struct axon_job *job = to_axon_job(sched_job);
	struct axon_queue *q = job->q;

	drm_sched_job_cleanup(sched_job);
	if (job->counted && atomic_dec_and_test(&q->pending))
		wake_up_all(&q->idle);
	axon_job_free(job);
}

static const struct drm_sched_backend_ops sched_ops = {
	.run_job = sched_run_job,
	.free_job = sched_free_job,
};

/**
 * axon_job_alloc() - everything a job needs later
 * @q: its queue; a reference is taken
 * @client: id of the file, for the scheduler's traces
 *
 * Return: a job whose &axon_job.base is initialised, or an ERR_PTR().
 */
struct axon_job *axon_job_alloc(struct axon_queue *q, u64 client)
{
	struct axon_job *job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	int ret = -ENOMEM;

	if (!job)
		return ERR_PTR(ret);
	job->fence = axon_fence_alloc();
	if (job->fence)
		ret = drm_sched_job_init(&job->base, &q->entity, 1, q, client);
	if (ret) {
		axon_fence_free(job->fence);
		kfree(job);
		return ERR_PTR(ret);
	}
	axon_queue_get(q);
	job->q = q;
	return job;
}

/**
 * axon_job_arm() - initialise the hardware fence of a job that has its sequence number
 * @job: the job
 */
void axon_job_arm(struct axon_job *job)
{
	axon_fence_init(job->fence, job->q->fence_context, job->cmd.seqno);
	job->armed = true;
}

/**
 * axon_job_free() - free a job after drm_sched_job_cleanup()
 * @job: the job
 */
void axon_job_free(struct axon_job *job)
{
	if (job->armed)
		dma_fence_put(job->fence);
	else
		axon_fence_free(job->fence);
	axon_queue_put(job->q);
	kfree(job);
}

/**
 * axon_sched_attach() - give a queue its scheduler
 * @q: the queue, which has its hardware number
 *
 * Return: 0 or a negative errno.
 */
int axon_sched_attach(struct axon_queue *q)
{
	struct axon_device *axdev = q->axdev;
	struct drm_sched_init_args args = {
		.ops = &sched_ops,
		.submit_wq = axdev->submit_wq,
		.num_rqs = 1,
		.credit_limit = axon_queue_share(q),
		/* axon_queue.timer sees to it, since not all jobs come by here */
		.timeout = MAX_SCHEDULE_TIMEOUT,
		.name = "axon",
		.dev = &axdev->pdev->dev,
	};
	int ret;

	q->sched = &axdev->sched_pool->sched[q->hwid];
	ret = drm_sched_init(q->sched, &args);
	if (ret)
		return ret;
	ret = drm_sched_entity_init(&q->entity, DRM_SCHED_PRIORITY_KERNEL, &q->sched, 1, NULL);
	if (ret)
		drm_sched_fini(q->sched);
	return ret;
}

/**
 * axon_sched_detach() - take the scheduler away again
 * @q: the queue; it has stopped, so that jobs end at once, or the device is gone
 *
 * Jobs that still wait for somebody else's fence end with -ESRCH when that has ended.
 */
void axon_sched_detach(struct axon_queue *q)
{
	/* let those through that wait for nothing: they get the queue's own error */
	wait_event_timeout(q->sched->job_scheduled, !spsc_queue_count(&q->entity.job_queue),
			   HZ / 4);
	/*
	 * The scheduler must stand still while the entity is killed: this kernel's
	 * drm_sched_entity_pop_job() puts an entity that is being killed back into the run queue,
	 * and two then take jobs from it.
	 */
	drm_sched_wqueue_stop(q->sched);
	drm_sched_entity_fini(&q->entity);
	drm_sched_wqueue_start(q->sched);
	/* drm_sched_fini() would forget what is still on its list */
	wait_event(q->idle, !atomic_read(&q->pending));
	drm_sched_fini(q->sched);
}

static void pool_return(struct drm_device *drm, void *arg)
{
	struct axon_sched_pool *pool = arg;

	mutex_lock(&unused_pools_lock);
	list_add(&pool->link, &unused_pools);
	mutex_unlock(&unused_pools_lock);
}

static struct axon_sched_pool *pool_take(void)
{
	struct axon_sched_pool *pool;

	mutex_lock(&unused_pools_lock);
	pool = list_first_entry_or_null(&unused_pools, struct axon_sched_pool, link);
	if (pool)
		list_del(&pool->link);
	mutex_unlock(&unused_pools_lock);
	return pool ?: kvzalloc(sizeof(*pool), GFP_KERNEL);
}

static void wq_destroy(struct drm_device *drm, void *wq)
{
	destroy_workqueue(wq);
}

static int wq_make(struct axon_device *axdev, struct workqueue_struct **wq,
		   struct workqueue_struct *made)
{
	if (!made)
		return -ENOMEM;
	*wq = made;
	return drmm_add_action_or_reset(&axdev->drm, wq_destroy, made);
}

/**
 * axon_sched_init() - schedulers and work queues of a device
 * @axdev: the card
 *
 * Return: 0 or a negative errno.
 */
int axon_sched_init(struct axon_device *axdev)
{
	int ret;

	axdev->sched_pool = pool_take();
	if (!axdev->sched_pool)
		return -ENOMEM;
	ret = drmm_add_action_or_reset(&axdev->drm, pool_return, axdev->sched_pool);
	if (ret)
		return ret;
	ret = wq_make(axdev, &axdev->submit_wq, alloc_workqueue("axon-submit", WQ_MEM_RECLAIM, 0));
	if (!ret)
		ret = wq_make(axdev, &axdev->reset_wq,
			      alloc_ordered_workqueue("axon-reset", WQ_MEM_RECLAIM));
	return ret;
}

/**
 * axon_sched_exit() - the module is unloaded
 *
 * A sync_file that still holds a fence keeps the module (axon_fence.c), so none is left.
 */
void axon_sched_exit(void)
{
	struct axon_sched_pool *pool, *next;

	list_for_each_entry_safe(pool, next, &unused_pools, link)
		kvfree(pool);
}
