// SPDX-License-Identifier: MIT
/*
 * test-fault.c - a context that does wrong dies alone, and learns why.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drv.h"

struct fault {
	const char *name;
	int prog;		/* launch that, or -1: run @job */
	uint64_t operand;
	struct drm_axon_job job;
	int error;
	uint32_t status;
	uint64_t addr;
};

static void test_one(const struct fault *f, struct env *good)
{
	struct drm_axon_job job = f->job, nop = job_nop();
	struct drm_axon_ctx_get_state s;
	uint32_t queue2, fresh;
	struct env e;

	env_attach(&e, good->fd, 0, 0);
	if (queue_create(e.fd, e.ctx, 0, 0, &queue2))
		bail("no second queue");
	if (f->prog >= 0) {
		prog_write(e.code_mem, ENV_CODE, f->prog, f->operand);
		job = job_launch(ENV_CODE, 0);
	}
	is(run(e.fd, e.queue, &job, 1), f->error, "%s: fence", f->name);
	is(ctx_state(e.fd, e.ctx, &s), 0, "%s: CTX_GET_STATE", f->name);
	ok(s.state & DRM_AXON_CTX_BANNED, "%s: banned", f->name);
	is(!!(s.state & DRM_AXON_CTX_FAULTED), f->error == -EFAULT, "%s: faulted", f->name);
	is(s.status, f->status, "%s: status", f->name);
	is(s.fault_queue, e.queue, "%s: queue", f->name);
	is(s.fault_addr, f->addr, "%s: address", f->name);
	is(s.seqno, 1, "%s: job", f->name);
	if (f->prog >= 0 && f->status != AXON_STATUS_BAD_PROGRAM)
		is(s.engine, AXON_ENGINE_SYNC, "%s: engine", f->name);
	if (f->prog == PROG_DEADLOCK)
		ok(s.semaphore == 7 && s.sem_value == 0 && s.sem_wanted == 3,
		   "%s: semaphore %u has %u, wants %u", f->name, s.semaphore, s.sem_value,
		   s.sem_wanted);
	is(submit(e.fd, e.queue, &nop, 1, NULL, 0, NULL), -ECANCELED, "%s: no more jobs", f->name);
	is(submit(e.fd, queue2, &nop, 1, NULL, 0, NULL), -ECANCELED, "%s: nor on its other queue",
	   f->name);
	is(queue_create(e.fd, e.ctx, 0, 0, &fresh), -ECANCELED, "%s: nor a new queue", f->name);
	is(run(good->fd, good->queue, &nop, 1), 0, "%s: another context goes on", f->name);
	is(ctx_destroy(e.fd, e.ctx), 0, "%s: destroy", f->name);
	is(vm_destroy(e.fd, e.vm), 0, "%s: its VM", f->name);
}

/* Jobs behind the one that fails end too. */
static void test_behind(struct env *good)
{
	struct drm_axon_sync s[2] = {
		{ .flags = DRM_AXON_SYNC_SIGNAL }, { .flags = DRM_AXON_SYNC_SIGNAL },
	};
	struct drm_axon_job jobs[40];
	unsigned int i;
	struct env e;

	env_attach(&e, good->fd, 0, 0);
	syncobj_create(e.fd, &s[0].handle);
	syncobj_create(e.fd, &s[1].handle);
	for (i = 0; i < 40; i++)
		jobs[i] = job_copy(ENV_DATA, ENV_DATA + 4096, 4096);
	jobs[9] = job_fill(ENV_NOWHERE, 0, 4096);
	is(submit(e.fd, e.queue, jobs, 10, &s[0], 1, NULL), 0, "ten jobs, the last one bad");
	if (!submit(e.fd, e.queue, jobs, 40, &s[1], 1, NULL)) {
		is(syncobj_wait(e.fd, s[1].handle, 0, DRV_TIMEOUT_NS), 0, "jobs behind it end");
		is(syncobj_error(e.fd, s[1].handle), -ECANCELED, "cancelled");
	} else {
		skip("the context was dead before more jobs came");
	}
	is(syncobj_wait(e.fd, s[0].handle, 0, DRV_TIMEOUT_NS), 0, "the bad one ends");
	is(syncobj_error(e.fd, s[0].handle), -EFAULT, "with its own error");
	ctx_destroy(e.fd, e.ctx);
	vm_destroy(e.fd, e.vm);
}

int main(void)
{
	struct drm_axon_job bad_size = job_copy(ENV_DATA, ENV_DATA, 0);
	const struct fault faults[] = {
		{ "copy from nowhere", -1, 0, job_copy(ENV_DATA, ENV_NOWHERE, 64), -EFAULT,
		  AXON_STATUS_FAULT_UNMAPPED, ENV_NOWHERE },
		{ "fill nowhere", -1, 0, job_fill(ENV_NOWHERE + 8192, 1, 64), -EFAULT,
		  AXON_STATUS_FAULT_UNMAPPED, ENV_NOWHERE + 8192 },
		{ "address beyond 48 bits", -1, 0, job_fill(1ull << 60, 1, 64), -EFAULT,
		  AXON_STATUS_FAULT_ADDRESS, 1ull << 60 },
		{ "copy of nothing", -1, 0, bad_size, -EINVAL, AXON_STATUS_BAD_COMMAND, 0 },
		{ "program nowhere", -1, 0, job_launch(ENV_NOWHERE, 0), -EFAULT,
		  AXON_STATUS_FAULT_UNMAPPED, ENV_NOWHERE },
		{ "no program", -1, 0, job_launch(ENV_DATA, 0), -EINVAL,
		  AXON_STATUS_BAD_PROGRAM, 0 },
		{ "store nowhere", PROG_STORE, ENV_NOWHERE + 64, { 0 }, -EFAULT,
		  AXON_STATUS_FAULT_UNMAPPED, ENV_NOWHERE + 64 },
		{ "load nowhere", PROG_LOAD, ENV_NOWHERE + 128, { 0 }, -EFAULT,
		  AXON_STATUS_FAULT_UNMAPPED, ENV_NOWHERE + 128 },
		{ "unknown opcode", PROG_BAD_OPCODE, 0, { 0 }, -EINVAL, AXON_STATUS_BAD_OPCODE, 0 },
		{ "end of the stream", PROG_RUN_OUT, 0, { 0 }, -EINVAL, AXON_STATUS_BAD_PC, 0 },
		{ "deadlock", PROG_DEADLOCK, 0, { 0 }, -EDEADLK, AXON_STATUS_DEADLOCK, 0 },
	};
	struct env good;
	size_t i;

	env_open(&good, 0, 0);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		test_one(&faults[i], &good);
	test_behind(&good);
	env_close(&good);
	return done();
}
