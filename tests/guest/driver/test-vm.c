// SPDX-License-Identifier: MIT
/*
 * test-vm.c - address spaces: what is mapped where, seen by the card itself through copies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drv.h"

#define MB	(1ull << 20)
#define BIG	(8 * MB)
#define VA	(1ull << 32)

static void test_args(int fd)
{
	uint32_t vm, other, bo, priv;

	is(vm_create(fd, &vm), 0, "VM_CREATE");
	is(vm_create(fd, &other), 0, "another");
	bo_create(fd, 2 * MB, DRM_AXON_REGION_HBM, 0, 0, &bo);
	bo_create(fd, 4096, DRM_AXON_REGION_HBM, 0, other, &priv);
	is(vm_map(fd, vm, bo, 0, VA, 2 * MB, 0), 0, "map");
	is(vm_map(fd, vm, bo, 0, VA + 1, 4096, 0), -EINVAL, "unaligned address");
	is(vm_map(fd, vm, bo, 0, VA, 100, 0), -EINVAL, "unaligned size");
	is(vm_map(fd, vm, bo, 7, VA, 4096, 0), -EINVAL, "unaligned offset");
	is(vm_map(fd, vm, bo, 0, VA, 0, 0), -EINVAL, "size 0");
	is(vm_map(fd, vm, bo, 0, 0, 4096, 0), -EINVAL, "below VM_START");
	is(vm_map(fd, vm, bo, 0, AXON_VM_END - 4096, 8192, 0), -EINVAL, "across VM_END");
	is(vm_map(fd, vm, bo, 0, AXON_VM_END - 4096, 4096, 0), 0, "last page");
	is(vm_map(fd, vm, bo, 0, ~0xfffull, 8192, 0), -EINVAL, "wraps");
	is(vm_map(fd, vm, bo, 2 * MB, VA, 4096, 0), -EINVAL, "offset at the end");
	is(vm_map(fd, vm, bo, 2 * MB - 4096, VA, 8192, 0), -EINVAL, "beyond the end");
	is(vm_map(fd, vm, bo, ~0xfffull, VA, 8192, 0), -EINVAL, "offset that wraps");
	is(vm_map(fd, vm, bo, 0, VA, 4096, 4), -EINVAL, "unknown flag");
	is(vm_map(fd, vm, 999, 0, VA, 4096, 0), -ENOENT, "no such buffer");
	is(vm_map(fd, 999, bo, 0, VA, 4096, 0), -ENOENT, "no such VM");
	is(vm_map(fd, vm, priv, 0, VA, 4096, 0), -EPERM, "buffer of another VM");
	is(vm_map(fd, other, priv, 0, VA, 4096, 0), 0, "in its own VM");
	is(vm_unmap(fd, vm, VA, 2 * MB), 0, "unmap");
	is(vm_unmap(fd, vm, VA, 2 * MB), 0, "unmap what is not mapped");
	is(vm_unmap(fd, vm, AXON_VM_START, AXON_VM_END - AXON_VM_START), 0, "unmap everything");
	is(vm_destroy(fd, vm), 0, "VM_DESTROY");
	is(vm_destroy(fd, vm), -ENOENT, "twice");
	is(vm_destroy(fd, other), 0, "VM_DESTROY with a mapping");
	bo_close(fd, bo);
	bo_close(fd, priv);
}

static void test_limits(int fd)
{
	uint32_t vm[AXON_MAX_VMS_PER_FILE + 1], n;
	int ret = 0;

	for (n = 0; n <= AXON_MAX_VMS_PER_FILE && !ret; n++)
		ret = vm_create(fd, &vm[n]);
	is(ret, -ENOSPC, "at most %u VMs", AXON_MAX_VMS_PER_FILE);
	for (n--; n--; )
		vm_destroy(fd, vm[n]);
}

/* Where the card's view of VA comes from, page by page: -1 is unmapped. */
struct shadow {
	struct env e;
	uint32_t bo[2];
	uint8_t *mem[2];
	int16_t page[BIG / 4096];	/* buffer << 12 | page of it */
};

static uint8_t mark(int where)
{
	return (uint8_t)(where * 37 + (where >> 12) * 101 + 11);
}

static void shadow_map(struct shadow *s, int b, uint32_t from, uint32_t at, uint32_t n)
{
	uint32_t i;

	if (vm_map(s->e.fd, s->e.vm, s->bo[b], from * 4096ull, VA + at * 4096ull, n * 4096ull, 0))
		bail("map of %u pages at %u", n, at);
	for (i = 0; i < n; i++)
		s->page[at + i] = (int16_t)(b << 12 | (from + i));
}

static void shadow_unmap(struct shadow *s, uint32_t at, uint32_t n)
{
	if (vm_unmap(s->e.fd, s->e.vm, VA + at * 4096ull, n * 4096ull))
		bail("unmap of %u pages at %u", n, at);
	memset(&s->page[at], 0xff, n * sizeof(s->page[0]));
}

/* One command a mapped page: its first byte is copied to the data page, 256 at a time. */
static bool shadow_check(struct shadow *s)
{
	struct drm_axon_job jobs[256];
	uint32_t at = 0;

	while (at < BIG / 4096) {
		int where[256];
		uint32_t n = 0, i;

		for (; at < BIG / 4096 && n < 256; at++) {
			if (s->page[at] < 0)
				continue;
			where[n] = s->page[at];
			jobs[n] = job_copy(ENV_DATA + n, VA + at * 4096ull, 1);
			n++;
		}
		if (!n)
			return true;
		if (run(s->e.fd, s->e.queue, jobs, n))
			return false;
		for (i = 0; i < n; i++)
			if (s->e.data_mem[i] != mark(where[i]))
				return false;
	}
	return true;
}

static void test_model(uint32_t region, const char *name, unsigned int seed)
{
	static struct shadow s;
	uint32_t b, i;

	env_open(&s.e, 0, 0);
	for (b = 0; b < 2; b++) {
		if (bo_create(s.e.fd, BIG, region, DRM_AXON_BO_CPU_VISIBLE, 0, &s.bo[b]))
			bail("no buffer");
		s.mem[b] = bo_map(s.e.fd, s.bo[b], BIG);
		if (!s.mem[b])
			bail("no mapping");
		for (i = 0; i < BIG / 4096; i++)
			s.mem[b][i * 4096] = mark((int)(b << 12 | i));
	}
	memset(s.page, 0xff, sizeof(s.page));
	shadow_map(&s, 0, 0, 0, BIG / 4096);
	ok(shadow_check(&s), "%s: whole buffer", name);
	shadow_unmap(&s, 3, 1);
	ok(shadow_check(&s), "%s: a hole in a big page", name);
	shadow_map(&s, 1, 512, 512, 512);
	ok(shadow_check(&s), "%s: big page over big page", name);
	shadow_map(&s, 1, 1, 600, 1);
	ok(shadow_check(&s), "%s: page in a big page", name);
	shadow_map(&s, 0, 512, 512, 512);
	ok(shadow_check(&s), "%s: big page over pages", name);
	for (i = 0; i < 150; i++) {
		uint32_t n = 1 + (uint32_t)rand_r(&seed) % (rand_r(&seed) % 4 ? 40 : 900);
		uint32_t at = (uint32_t)rand_r(&seed) % (BIG / 4096 - n + 1);
		uint32_t from = (uint32_t)rand_r(&seed) % (BIG / 4096 - n + 1);

		if (rand_r(&seed) % 3)
			shadow_map(&s, rand_r(&seed) % 2, from, at, n);
		else
			shadow_unmap(&s, at, n);
		if (i % 10 == 9 && !shadow_check(&s))
			break;
	}
	is(i, 150, "%s: random maps and unmaps, as the card sees them", name);
	/* what is not mapped faults */
	shadow_unmap(&s, 0, BIG / 4096);
	is(run(s.e.fd, s.e.queue, (struct drm_axon_job[]){ job_copy(ENV_DATA, VA + 4096, 1) }, 1),
	   -EFAULT, "%s: unmapped faults", name);
	for (b = 0; b < 2; b++)
		munmap(s.mem[b], BIG);
	env_close(&s.e);
}

static void test_readonly(void)
{
	struct drm_axon_ctx_get_state state;
	struct drm_axon_job job;
	struct env e;

	env_open(&e, 0, 0);
	is(vm_map(e.fd, e.vm, e.data, 0, VA, ENV_SIZE, DRM_AXON_BIND_READONLY), 0, "read-only map");
	job = job_copy(ENV_DATA + 4096, VA, 4096);
	is(run(e.fd, e.queue, &job, 1), 0, "can be read");
	job = job_fill(VA, 1, 1);
	is(run(e.fd, e.queue, &job, 1), -EFAULT, "cannot be written");
	ctx_state(e.fd, e.ctx, &state);
	is(state.status, AXON_STATUS_FAULT_WRITE, "status says so");
	is(state.fault_addr, VA, "and where");
	env_close(&e);
}

static void test_multi(int fd)
{
	struct drm_axon_bind_op op[3] = {
		{ .addr = VA, .size = 4096 },
		{ .addr = VA + 4096, .size = 4096 },
		{ .addr = VA + 8192, .size = 4096 },
	};
	struct drm_axon_vm_bind b = { .ops = { sizeof(op[0]), 3, (uintptr_t)op } };
	uint32_t bo;

	vm_create(fd, &b.vm_id);
	bo_create(fd, 4096, DRM_AXON_REGION_HOST, 0, 0, &bo);
	op[0].handle = bo;
	op[1].handle = 4711;
	op[2].handle = bo;
	is(drv_ioctl(fd, DRM_IOCTL_AXON_VM_BIND, &b), -ENOENT, "second of three operations fails");
	is(b.done, 1, "one was done");
	vm_destroy(fd, b.vm_id);
	bo_close(fd, bo);
}

int main(void)
{
	int fd = drv_open();

	test_args(fd);
	test_limits(fd);
	test_multi(fd);
	test_model(DRM_AXON_REGION_HBM, "hbm", 1);
	test_model(DRM_AXON_REGION_HOST, "host", 2);
	test_readonly();
	close(fd);
	return done();
}
