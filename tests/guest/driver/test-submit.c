// SPDX-License-Identifier: MIT
/*
 * test-submit.c - jobs, their order, their fences.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drv.h"

static void test_kinds(struct env *e)
{
	struct drm_axon_job jobs[4];
	struct drm_axon_queue_get_state qs;
	struct drm_axon_ctx_get_state cs;
	unsigned int i;

	jobs[0] = job_nop();
	is(run(e->fd, e->queue, jobs, 1), 0, "NOP");
	jobs[0] = job_fill(ENV_DATA, 0x5a, 8192);
	is(run(e->fd, e->queue, jobs, 1), 0, "FILL");
	for (i = 0; i < 8192 && e->data_mem[i] == 0x5a; i++)
		;
	ok(i == 8192 && !e->data_mem[8192], "filled, and nothing more");
	memcpy(e->data_mem, "copy me", 8);
	jobs[0] = job_copy(ENV_DATA + 20000, ENV_DATA, 8);
	is(run(e->fd, e->queue, jobs, 1), 0, "COPY");
	ok(!memcmp(e->data_mem + 20000, "copy me", 8), "copied");
	prog_write(e->code_mem, ENV_CODE, PROG_STORE, ENV_DATA + 64);
	memset(e->data_mem + 64, 0xff, 4);
	jobs[0] = job_launch(ENV_CODE, 0);
	is(run(e->fd, e->queue, jobs, 1), 0, "LAUNCH");
	ok(!memcmp(e->data_mem + 64, "\0\0\0", 4), "the program stored its core's number");
	jobs[0] = job_fill(ENV_DATA, 1, 4096);
	jobs[1] = job_copy(ENV_DATA + 4096, ENV_DATA, 4096);
	jobs[2] = job_fill(ENV_DATA, 2, 4096);
	jobs[3] = job_copy(ENV_DATA + 8192, ENV_DATA, 4096);
	is(run(e->fd, e->queue, jobs, 4), 0, "four jobs in order");
	ok(e->data_mem[4096 + 7] == 1 && e->data_mem[8192 + 7] == 2, "order was kept");
	is(queue_state(e->fd, e->queue, &qs), 0, "QUEUE_GET_STATE");
	is(qs.submitted, 8, "submitted");
	is(qs.completed, 8, "completed");
	is(qs.last_status, AXON_STATUS_OK, "status");
	ok(qs.total_cycles >= qs.last_cycles && qs.total_cycles, "cycles were counted");
	is(ctx_state(e->fd, e->ctx, &cs), 0, "CTX_GET_STATE");
	is(cs.state, 0, "nothing failed");
}

static void test_sync(struct env *e)
{
	struct drm_axon_sync s[4] = { 0 };
	struct drm_axon_job jobs[2];
	uint32_t tl, bin, gate;
	uint64_t seqno, point;

	syncobj_create(e->fd, &tl);
	syncobj_create(e->fd, &bin);
	syncobj_create(e->fd, &gate);
	jobs[0] = job_fill(ENV_DATA, 7, 16);
	s[0] = (struct drm_axon_sync){ .handle = gate };
	is(submit(e->fd, e->queue, jobs, 1, s, 1, NULL), -EINVAL,
	   "wait for a syncobj without fence");
	s[0].handle = 999;
	is(submit(e->fd, e->queue, jobs, 1, s, 1, NULL), -ENOENT, "wait for no syncobj");
	s[0].flags = DRM_AXON_SYNC_SIGNAL;
	is(submit(e->fd, e->queue, jobs, 1, s, 1, NULL), -ENOENT, "signal no syncobj");
	for (point = 1; point <= 20; point++) {
		s[0] = (struct drm_axon_sync){ .handle = tl, .point = point - 1 };
		s[1] = (struct drm_axon_sync){
			.handle = tl, .point = point, .flags = DRM_AXON_SYNC_SIGNAL,
		};
		jobs[0] = job_fill(ENV_DATA, (uint8_t)point, 16);
		if (submit(e->fd, e->queue, jobs, 1, point == 1 ? &s[1] : s, point == 1 ? 1 : 2,
			   &seqno))
			break;
	}
	is(point, 21, "a timeline of 20 points");
	is(syncobj_wait(e->fd, tl, 20, DRV_TIMEOUT_NS), 0, "its last point comes");
	is(e->data_mem[3], 20, "in order");
	s[0] = (struct drm_axon_sync){ .handle = bin, .flags = DRM_AXON_SYNC_SIGNAL };
	s[1] = (struct drm_axon_sync){ .handle = tl, .point = 21, .flags = DRM_AXON_SYNC_SIGNAL };
	jobs[0] = jobs[1] = job_nop();
	is(submit(e->fd, e->queue, jobs, 2, s, 2, &seqno), 0, "two jobs, two signals");
	is(syncobj_wait(e->fd, bin, 0, DRV_TIMEOUT_NS), 0, "binary");
	is(syncobj_wait(e->fd, tl, 21, DRV_TIMEOUT_NS), 0, "timeline");
	is(syncobj_error(e->fd, bin), 0, "no error");
}

/* A second queue waits for the first, on another core of the same context. */
static void test_cross(struct env *e)
{
	struct drm_axon_query_device d;
	uint32_t size = sizeof(d), q, sync, i;
	struct drm_axon_job job;
	struct drm_axon_sync s;

	if (drv_query(e->fd, DRM_AXON_QUERY_DEVICE, &d, &size))
		bail("no DEVICE");
	is(queue_create(e->fd, e->ctx, d.num_cores - 1, 0, &q), 0, "another queue");
	syncobj_create(e->fd, &sync);
	for (i = 0; i < 50; i++) {
		s = (struct drm_axon_sync){ .handle = sync, .flags = DRM_AXON_SYNC_SIGNAL };
		job = job_fill(ENV_DATA, (uint8_t)i, 4096);
		if (submit(e->fd, e->queue, &job, 1, &s, 1, NULL))
			break;
		s.flags = DRM_AXON_SYNC_WAIT;
		job = job_copy(ENV_DATA + 4096, ENV_DATA, 4096);
		if (submit(e->fd, q, &job, 1, &s, 1, NULL))
			break;
		job = job_nop();
		if (run(e->fd, q, &job, 1) || e->data_mem[4096] != (uint8_t)i)
			break;
	}
	is(i, 50, "a queue waits for another, 50 times");
	is(queue_destroy(e->fd, q), 0, "QUEUE_DESTROY");
	is(queue_destroy(e->fd, q), -ENOENT, "twice");
	is(submit(e->fd, q, &job, 1, NULL, 0, NULL), -ENOENT, "SUBMIT to a queue that is gone");
}

/*
 * Jobs that wait, which the scheduler puts into the ring, and jobs that do not, which go there
 * directly: more of both than the ring has room for, and each sees what the one before it wrote.
 */
static void test_mixed(struct env *e)
{
	struct drm_axon_queue_create c = { .ctx_id = e->ctx, .entries = AXON_MIN_RING_ENTRIES };
	struct drm_axon_job jobs[2], nop = job_nop();
	struct drm_axon_sync s[2];
	uint32_t tl, i, bad = 0;
	uint64_t point = 0;
	int ret = 0;

	is(drv_ioctl(e->fd, DRM_IOCTL_AXON_QUEUE_CREATE, &c), 0, "a small ring");
	syncobj_create(e->fd, &tl);
	for (i = 0; i < 200 && !ret; i++) {
		bool waits = point && i % 16 >= 12;

		jobs[0] = job_fill(ENV_DATA, (uint8_t)i, 16);
		jobs[1] = job_copy(ENV_DATA + 4096 + i * 16, ENV_DATA, 16);
		s[0] = (struct drm_axon_sync){
			.handle = tl, .point = point + 1, .flags = DRM_AXON_SYNC_SIGNAL,
		};
		s[1] = (struct drm_axon_sync){ .handle = tl, .point = point };
		ret = submit(e->fd, c.queue_id, jobs, 2, s, waits ? 2 : 1, NULL);
		point++;
	}
	is(ret, 0, "400 jobs that wait and do not, through 16 entries");
	is(run(e->fd, c.queue_id, &nop, 1), 0, "they end");
	is(syncobj_wait(e->fd, tl, point, DRV_TIMEOUT_NS), 0, "so does the timeline");
	for (i = 0; i < 200; i++)
		bad += e->data_mem[4096 + i * 16] != (uint8_t)i;
	is(bad, 0, "each saw what came before it, and nothing else");
	queue_destroy(e->fd, c.queue_id);
}

static void test_queue_args(struct env *e)
{
	struct drm_axon_queue_create c = { .ctx_id = e->ctx, .flags = DRM_AXON_QUEUE_USER_MODE };
	uint32_t q[AXON_MAX_QUEUES_PER_CTX + 1], n;
	int ret = 0;

	is(drv_ioctl(e->fd, DRM_IOCTL_AXON_QUEUE_CREATE, &c), -EOPNOTSUPP,
	   "user mode is for later");
	is(queue_create(e->fd, 999, 0, 0, &q[0]), -ENOENT, "no such context");
	is(queue_create(e->fd, e->ctx, 63, 0, &q[0]), -EINVAL, "no such core");
	is(queue_create(e->fd, e->ctx, 0, AXON_MAX_TIMEOUT_MS + 1, &q[0]), -EINVAL,
	   "timeout too long");
	c = (struct drm_axon_queue_create){ .ctx_id = e->ctx, .entries = AXON_MAX_RING_ENTRIES };
	is(drv_ioctl(e->fd, DRM_IOCTL_AXON_QUEUE_CREATE, &c), 0, "largest ring");
	is(queue_destroy(e->fd, c.queue_id), 0, "and away");
	c.queue_id = 0;
	c.entries = AXON_MIN_RING_ENTRIES;
	is(drv_ioctl(e->fd, DRM_IOCTL_AXON_QUEUE_CREATE, &c), 0, "smallest ring");
	{
		struct drm_axon_job jobs[AXON_MAX_JOBS];

		for (n = 0; n < AXON_MAX_JOBS; n++)
			jobs[n] = job_nop();
		for (n = 0; n < 20 && !ret; n++)
			ret = run(e->fd, c.queue_id, jobs, AXON_MAX_JOBS);
		is(ret, 0, "5120 jobs through 16 entries");
	}
	queue_destroy(e->fd, c.queue_id);
	for (n = 0; n <= AXON_MAX_QUEUES_PER_CTX && !ret; n++)
		ret = queue_create(e->fd, e->ctx, 0, 0, &q[n]);
	is(ret, -ENOSPC, "at most %u queues", AXON_MAX_QUEUES_PER_CTX);
	for (n--; n--; )
		queue_destroy(e->fd, q[n]);
}

int main(void)
{
	struct env e;

	env_open(&e, 0, 0);
	test_kinds(&e);
	test_sync(&e);
	test_cross(&e);
	test_mixed(&e);
	test_queue_args(&e);
	is(vm_destroy(e.fd, e.vm), -EBUSY, "VM in use");
	is(ctx_destroy(e.fd, e.ctx), 0, "CTX_DESTROY takes its queues along");
	is(queue_destroy(e.fd, e.queue), -ENOENT, "so they are gone");
	is(vm_destroy(e.fd, e.vm), 0, "VM is free");
	env_close(&e);
	return done();
}
