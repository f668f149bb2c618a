// SPDX-License-Identifier: MIT
/*
 * test-reserved.c - every bit that means nothing is refused, one at a time, without side effect.
 *
 * For each ioctl: a call that would succeed, and a mask of the bits that must be 0 on entry. Each
 * of them is set alone; the call must fail with EINVAL and the structure stay as it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drv.h"

static struct env e;

struct kase {
	const char *name;
	unsigned long request;
	size_t size;
	uint8_t good[64];	/* the call */
	uint8_t zero[64];	/* bits that must be 0 */
};

#define ZERO(k, type, member) \
	memset((k).zero + offsetof(type, member), 0xff, sizeof(((type *)0)->member))
#define ZERO_BITS(k, type, member, bits) do { \
	__typeof__(((type *)0)->member) v_ = (bits); \
	memcpy((k).zero + offsetof(type, member), &v_, sizeof(v_)); \
} while (0)

static void flip(const struct kase *k)
{
	unsigned int bit, tried = 0, bad = 0;
	uint8_t arg[64];

	for (bit = 0; bit < k->size * 8; bit++) {
		int ret;

		if (!(k->zero[bit / 8] & 1 << bit % 8))
			continue;
		memcpy(arg, k->good, sizeof(arg));
		arg[bit / 8] ^= 1 << bit % 8;
		ret = drv_ioctl(e.fd, k->request, arg);
		tried++;
		arg[bit / 8] ^= 1 << bit % 8;
		if (ret != -EINVAL || memcmp(arg, k->good, k->size)) {
			if (!bad)
				is(ret, -EINVAL, "%s: byte %u bit %u", k->name, bit / 8, bit % 8);
			bad++;
		}
	}
	ok(tried && !bad, "%s: %u bits, each refused alone", k->name, tried);
}

#define KASE(var, nr, type, ...) \
	struct kase var = { .name = #nr, .request = DRM_IOCTL_AXON_##nr, .size = sizeof(type) }; \
	do { \
		const type a_ = { __VA_ARGS__ }; \
		memcpy(var.good, &a_, sizeof(a_)); \
	} while (0)

static void test_memory(void)
{
	typedef struct drm_axon_bo_create bc;
	typedef struct drm_axon_bo_mmap_offset bm;
	typedef struct drm_axon_bo_info bi;
	typedef struct drm_axon_vm_create vc;
	typedef struct drm_axon_vm_destroy vd;

	{
		KASE(k, BO_CREATE, bc, .size = 4096);
		ZERO_BITS(k, bc, flags, ~DRM_AXON_BO_FLAGS);
		ZERO_BITS(k, bc, region, ~1u);
		ZERO(k, bc, handle);
		ZERO(k, bc, reserved);
		flip(&k);
	}
	{
		KASE(k, BO_MMAP_OFFSET, bm, .handle = e.data);
		ZERO(k, bm, flags);
		ZERO(k, bm, offset);
		flip(&k);
	}
	{
		KASE(k, BO_INFO, bi, .handle = e.data);
		ZERO(k, bi, region);
		ZERO(k, bi, size);
		ZERO(k, bi, flags);
		ZERO(k, bi, peer);
		flip(&k);
	}
	{
		KASE(k, VM_CREATE, vc, 0);
		ZERO(k, vc, flags);
		ZERO(k, vc, vm_id);
		flip(&k);
	}
	{
		KASE(k, VM_DESTROY, vd, .vm_id = e.vm);
		ZERO(k, vd, pad);
		flip(&k);
	}
}

static void test_context(void)
{
	typedef struct drm_axon_ctx_create cc;
	typedef struct drm_axon_ctx_destroy cd;
	typedef struct drm_axon_ctx_get_state cs;
	typedef struct drm_axon_queue_create qc;
	typedef struct drm_axon_queue_destroy qd;
	typedef struct drm_axon_queue_get_state qs;
	typedef struct drm_axon_queue_wait qw;

	{
		KASE(k, CTX_CREATE, cc, .vm_id = e.vm);
		ZERO(k, cc, flags);
		ZERO(k, cc, ctx_id);
		ZERO_BITS(k, cc, priority, ~3u);
		flip(&k);
	}
	{
		KASE(k, CTX_DESTROY, cd, .ctx_id = e.ctx);
		ZERO(k, cd, pad);
		flip(&k);
	}
	{
		KASE(k, CTX_GET_STATE, cs, .ctx_id = e.ctx);
		memset(k.zero + 4, 0xff, sizeof(cs) - 4);
		flip(&k);
	}
	{
		KASE(k, QUEUE_CREATE, qc, .ctx_id = e.ctx);
		ZERO_BITS(k, qc, flags, ~DRM_AXON_QUEUE_USER_MODE);
		ZERO_BITS(k, qc, timeout_ms, 0xfff00000u);
		ZERO_BITS(k, qc, core, ~7u);
		/* a single bit is a power of two: those out of range */
		ZERO_BITS(k, qc, entries, 0xfffe000fu);
		ZERO(k, qc, queue_id);
		ZERO(k, qc, reserved);
		flip(&k);
	}
	{
		KASE(k, QUEUE_DESTROY, qd, .queue_id = e.queue);
		ZERO(k, qd, pad);
		flip(&k);
	}
	{
		KASE(k, QUEUE_GET_STATE, qs, .queue_id = e.queue);
		memset(k.zero + 4, 0xff, sizeof(qs) - 4);
		flip(&k);
	}
	{
		KASE(k, QUEUE_WAIT, qw, .queue_id = e.queue);
		ZERO(k, qw, flags);
		ZERO(k, qw, ctx_state);
		ZERO(k, qw, completed);
		ZERO(k, qw, pad);
		ZERO_BITS(k, qw, spin_us, 0xfffffc00u);
		/* nothing was submitted */
		ZERO(k, qw, seqno);
		flip(&k);
	}
}

static void test_calls(void)
{
	static struct drm_axon_bind_op op;
	static struct drm_axon_job job;
	typedef struct drm_axon_vm_bind vb;
	typedef struct drm_axon_submit su;
	typedef struct drm_axon_queue_wait qw;

	op = (struct drm_axon_bind_op){ .handle = e.data, .addr = ENV_NOWHERE, .size = 4096 };
	job = job_nop();
	{
		KASE(k, VM_BIND, vb, .vm_id = e.vm, .ops = { sizeof(op), 1, (uintptr_t)&op });
		ZERO(k, vb, flags);
		ZERO(k, vb, done);
		ZERO(k, vb, pad);
		ZERO_BITS(k, vb, ops.stride, 7);
		ZERO_BITS(k, vb, ops.count, 0xfffff800u);
		flip(&k);
	}
	{
		KASE(k, SUBMIT, su, .queue_id = e.queue,
		     .jobs = { sizeof(job), 1, (uintptr_t)&job });
		ZERO(k, su, flags);
		ZERO(k, su, seqno);
		ZERO_BITS(k, su, jobs.stride, 7);
		ZERO_BITS(k, su, jobs.count, 0xfffffe00u);
		ZERO_BITS(k, su, syncs.count, 0xfffff800u);
		flip(&k);
	}
	{
		KASE(k, QUEUE_WAIT, qw, .queue_id = e.queue);
		ZERO(k, qw, flags);
		ZERO(k, qw, pad);
		ZERO(k, qw, ctx_state);
		ZERO(k, qw, completed);
		/* a single bit above the cap */
		ZERO_BITS(k, qw, spin_us, 0xfffffc00u);
		flip(&k);
	}
}

/* The same for the elements of arrays: @set puts them behind a call. */
static void flip_element(const char *name, uint8_t *elem, const uint8_t *zero, size_t size,
			 int (*call)(void))
{
	unsigned int bit, tried = 0, bad = 0;

	for (bit = 0; bit < size * 8; bit++) {
		if (!(zero[bit / 8] & 1 << bit % 8))
			continue;
		elem[bit / 8] ^= 1 << bit % 8;
		bad += call() != -EINVAL;
		elem[bit / 8] ^= 1 << bit % 8;
		tried++;
	}
	ok(tried && !bad, "%s: %u bits, each refused alone (%u were not)", name, tried, bad);
}

static struct drm_axon_bind_op the_op;
static struct drm_axon_job the_job;
static struct drm_axon_sync the_sync;

static int call_bind(void)
{
	struct drm_axon_vm_bind b = {
		.vm_id = e.vm, .ops = { sizeof(the_op), 1, (uintptr_t)&the_op },
	};

	return drv_ioctl(e.fd, DRM_IOCTL_AXON_VM_BIND, &b);
}

static int call_submit(void)
{
	return submit(e.fd, e.queue, &the_job, 1, &the_sync, the_sync.handle ? 1 : 0, NULL);
}

static void test_elements(void)
{
	struct drm_axon_bind_op zop = {
		.flags = ~DRM_AXON_BIND_FLAGS, .op = ~1u, .pad = ~0u,
		.bo_offset = 0xfff, .addr = 0xfff | ~0ull << 48, .size = 0xfff,
	};
	struct drm_axon_job zjob = {
		.opcode = ~3u, .flags = ~0u, .operand = { ~0ull, ~0ull, ~0ull, ~0ull, ~0ull },
	};
	struct drm_axon_sync zsync = { .flags = ~DRM_AXON_SYNC_SIGNAL };
	uint32_t sync;

	the_op = (struct drm_axon_bind_op){ .handle = e.data, .addr = ENV_NOWHERE, .size = 4096 };
	flip_element("bind map", (uint8_t *)&the_op, (uint8_t *)&zop, sizeof(zop), call_bind);
	the_op = (struct drm_axon_bind_op){
		.op = DRM_AXON_BIND_UNMAP, .addr = ENV_NOWHERE, .size = 4096,
	};
	zop.op = ~1u;
	zop.flags = ~0u;
	zop.handle = ~0u;
	zop.bo_offset = ~0ull;
	flip_element("bind unmap", (uint8_t *)&the_op, (uint8_t *)&zop, sizeof(zop), call_bind);
	the_job = job_nop();
	flip_element("job nop", (uint8_t *)&the_job, (uint8_t *)&zjob, sizeof(zjob), call_submit);
	the_job = job_copy(ENV_DATA, ENV_DATA + 64, 8);
	memset(zjob.operand, 0, sizeof(zjob.operand));
	zjob.operand[3] = ~0ull;
	zjob.operand[4] = ~0ull;
	flip_element("job copy", (uint8_t *)&the_job, (uint8_t *)&zjob, sizeof(zjob), call_submit);
	the_job = job_fill(ENV_DATA, 1, 8);
	zjob.operand[1] = ~0xffull;
	flip_element("job fill", (uint8_t *)&the_job, (uint8_t *)&zjob, sizeof(zjob), call_submit);
	prog_write(e.code_mem, ENV_CODE, PROG_HALT, 0);
	the_job = job_launch(ENV_CODE, 0);
	zjob.operand[1] = 0;
	zjob.operand[3] = ~0xffffffffull;
	flip_element("job launch", (uint8_t *)&the_job, (uint8_t *)&zjob, sizeof(zjob),
		     call_submit);
	syncobj_create(e.fd, &sync);
	the_job = job_nop();
	the_sync = (struct drm_axon_sync){ .handle = sync, .flags = DRM_AXON_SYNC_SIGNAL };
	flip_element("sync", (uint8_t *)&the_sync, (uint8_t *)&zsync, sizeof(zsync), call_submit);
}

static void test_counts(void)
{
	struct drm_axon_job *jobs = calloc(AXON_MAX_JOBS + 1, sizeof(*jobs));
	struct drm_axon_vm_bind b = { .vm_id = e.vm, .ops = { 40, 1, 8 } };
	struct drm_axon_submit s = { .queue_id = e.queue };
	struct { struct drm_axon_job job; uint64_t more; } wide = { .job = job_nop() };

	is(submit(e.fd, e.queue, jobs, 0, NULL, 0, NULL), -EINVAL, "no jobs");
	is(submit(e.fd, e.queue, jobs, AXON_MAX_JOBS, NULL, 0, NULL), 0, "as many as the cap");
	is(submit(e.fd, e.queue, jobs, AXON_MAX_JOBS + 1, NULL, 0, NULL), -EINVAL, "one more");
	is(submit(e.fd, e.queue, jobs, 0x80000000u, NULL, 0, NULL), -EINVAL, "2^31");
	is(submit(e.fd, e.queue, jobs, ~0u, NULL, 0, NULL), -EINVAL, "2^32 - 1");
	is(drv_ioctl(e.fd, DRM_IOCTL_AXON_VM_BIND, &b), -EFAULT, "array at a bad address");
	b.ops.ptr = (uint64_t)-4096;
	is(drv_ioctl(e.fd, DRM_IOCTL_AXON_VM_BIND, &b), -EFAULT, "array in the kernel's half");
	s.jobs = (struct drm_axon_array){ sizeof(wide), 1, (uintptr_t)&wide };
	is(drv_ioctl(e.fd, DRM_IOCTL_AXON_SUBMIT, &s), 0, "longer elements whose tail is 0");
	s.seqno = 0;
	wide.more = 1;
	is(drv_ioctl(e.fd, DRM_IOCTL_AXON_SUBMIT, &s), -EINVAL,
	   "longer elements that say something");
	s.jobs.stride = 48;
	is(drv_ioctl(e.fd, DRM_IOCTL_AXON_SUBMIT, &s), -EINVAL, "shorter than the first version");
	s.jobs.stride = 1u << 31;
	is(drv_ioctl(e.fd, DRM_IOCTL_AXON_SUBMIT, &s), -EINVAL, "absurdly long elements");
	free(jobs);
}

int main(void)
{
	struct drm_axon_ctx_get_state state;
	struct drm_axon_job nop = job_nop();

	env_open(&e, 0, 0);
	test_memory();
	test_context();
	test_calls();
	test_elements();
	test_counts();
	is(run(e.fd, e.queue, &nop, 1), 0, "the queue still works");
	ctx_state(e.fd, e.ctx, &state);
	is(state.state, 0, "nothing failed");
	env_close(&e);
	return done();
}
