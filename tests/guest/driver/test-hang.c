// SPDX-License-Identifier: MIT
/*
 * test-hang.c - a launch that never ends is killed, and nobody else notices but by waiting.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drv.h"

static int submit_signal(struct env *e, const struct drm_axon_job *job, uint32_t *sync)
{
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };

	if (syncobj_create(e->fd, &s.handle))
		bail("no syncobj");
	*sync = s.handle;
	return submit(e->fd, e->queue, job, 1, &s, 1, NULL);
}

static void end(struct env *e)
{
	is(ctx_destroy(e->fd, e->ctx), 0, "context goes");
	is(vm_destroy(e->fd, e->vm), 0, "address space goes");
}

/*
 * The victim's limit is shorter than the time the other one hangs, so its timer expires while it
 * has not begun. It must wait, not die.
 */
static void test_innocent(int fd, uint32_t other_core, const char *where)
{
	struct drm_axon_ctx_get_state s;
	struct drm_axon_job job, launch;
	uint32_t hung, waits, i;
	struct env bad, good;
	int ret = 0;

	env_attach(&bad, fd, 0, 2000);
	env_attach(&good, fd, other_core, 400);
	prog_write(bad.code_mem, ENV_CODE, PROG_LOOP, 0);
	prog_write(good.code_mem, ENV_CODE, PROG_HALT, 0);
	launch = job_launch(ENV_CODE, 0);
	is(submit_signal(&bad, &launch, &hung), 0, "%s: an endless launch", where);
	usleep(200000);
	is(submit_signal(&good, &launch, &waits), 0, "%s: an honest one", where);
	is(syncobj_wait(fd, waits, 0, DRV_TIMEOUT_NS), 0, "%s: it ends", where);
	is(syncobj_error(fd, waits), 0, "%s: without error", where);
	is(syncobj_wait(fd, hung, 0, DRV_TIMEOUT_NS), 0, "%s: the endless one ends too", where);
	is(syncobj_error(fd, hung), -ETIME, "%s: killed", where);
	ctx_state(fd, bad.ctx, &s);
	is(s.state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_TIMEDOUT, "%s: banned, timed out", where);
	is(s.status, AXON_STATUS_KILLED, "%s: status", where);
	ctx_state(fd, good.ctx, &s);
	is(s.state, 0, "%s: the other context is well", where);
	job = job_nop();
	for (i = 0; i < 100 && !ret; i++)
		ret = run(fd, good.queue, i % 2 ? &launch : &job, 1);
	is(ret, 0, "%s: and goes on", where);
	is(submit(fd, bad.queue, &job, 1, NULL, 0, NULL), -ECANCELED, "%s: no more for the bad one",
	   where);
	end(&bad);
	end(&good);
}

/* Destroying what runs for ever is quick and complete. */
static void test_destroy(int fd)
{
	struct drm_axon_job launch = job_launch(ENV_CODE, 0);
	uint32_t hung;
	struct env e;

	env_attach(&e, fd, 0, 600000);
	prog_write(e.code_mem, ENV_CODE, PROG_LOOP, 0);
	is(submit_signal(&e, &launch, &hung), 0, "an endless launch");
	usleep(100000);
	is(queue_destroy(fd, e.queue), 0, "its queue is destroyed");
	is(syncobj_wait(fd, hung, 0, 0), 0, "its fence has ended");
	is(syncobj_error(fd, hung), -ECANCELED, "cancelled");
	end(&e);
	env_attach(&e, drv_open(), 0, 600000);
	prog_write(e.code_mem, ENV_CODE, PROG_LOOP, 0);
	is(submit_signal(&e, &launch, &hung), 0, "another one");
	env_close(&e);
	ok(true, "its file is closed");
	env_attach(&e, fd, 0, 0);
	prog_write(e.code_mem, ENV_CODE, PROG_HALT, 0);
	is(run(fd, e.queue, &launch, 1), 0, "the core is free");
	end(&e);
}

int main(void)
{
	struct drm_axon_query_device d;
	uint32_t size = sizeof(d);
	int fd = drv_open();

	if (drv_query(fd, DRM_AXON_QUERY_DEVICE, &d, &size))
		bail("no DEVICE");
	test_innocent(fd, 0, "same core");
	if (d.num_cores > 1)
		test_innocent(fd, 1, "other core");
	else
		skip("one core only");
	test_destroy(fd);
	close(fd);
	return done();
}
