// SPDX-License-Identifier: MIT
/*
 * test-bo.c - buffers: sizes, zeroes, mappings, exhaustion, sharing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xf86drm.h>

#include "drv.h"

static bool all_zero(const uint8_t *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

static void test_rw(int fd, uint32_t region, const char *name)
{
	const size_t size = 5 << 20;
	struct drm_axon_bo_info info = { 0 };
	uint8_t *p;
	uint32_t bo;
	size_t i;

	is(bo_create(fd, size - 100, region, DRM_AXON_BO_CPU_VISIBLE, 0, &bo), 0,
	   "%s: create", name);
	info.handle = bo;
	is(drv_ioctl(fd, DRM_IOCTL_AXON_BO_INFO, &info), 0, "%s: info", name);
	is(info.size, size, "%s: size is rounded up", name);
	is(info.region, region, "%s: region", name);
	is(info.flags, DRM_AXON_BO_CPU_VISIBLE, "%s: flags", name);
	p = bo_map(fd, bo, size);
	ok(p, "%s: mmap", name);
	if (!p)
		return;
	ok(all_zero(p, size), "%s: is zero", name);
	for (i = 0; i < size; i += 4096)
		memset(p + i, (int)(i >> 12), 4096);
	for (i = 0; i < size && p[i + 4095] == (uint8_t)(i >> 12); i += 4096)
		;
	is(i, size, "%s: holds what was written", name);
	is(bo_close(fd, bo), 0, "%s: close while mapped", name);
	is(p[8192], 2, "%s: mapping outlives the handle", name);
	munmap(p, size);
	is(bo_create(fd, size, region, DRM_AXON_BO_CPU_VISIBLE, 0, &bo), 0, "%s: again", name);
	p = bo_map(fd, bo, size);
	ok(p && all_zero(p, size), "%s: is zero again", name);
	munmap(p, size);
	bo_close(fd, bo);
}

static void test_bad(int fd)
{
	uint64_t offset;
	uint32_t bo;

	is(bo_create(fd, 0, 0, 0, 0, &bo), -EINVAL, "size 0");
	is(bo_create(fd, AXON_MAX_BO_SIZE + 1, 0, 0, 0, &bo), -EINVAL, "size beyond the cap");
	is(bo_create(fd, UINT64_MAX, 1, 0, 0, &bo), -EINVAL, "size 2^64 - 1");
	is(bo_create(fd, 4096, 2, 0, 0, &bo), -EINVAL, "unknown region");
	is(bo_create(fd, 4096, 0, 2, 0, &bo), -EINVAL, "unknown flag");
	is(bo_create(fd, 4096, 0, 0, 99, &bo), -ENOENT, "no such VM");
	is(bo_offset(fd, 1234, &offset), -ENOENT, "no such buffer");
	is(bo_create(fd, 4096, DRM_AXON_REGION_HBM, 0, 0, &bo), 0, "not CPU_VISIBLE");
	is(bo_offset(fd, bo, &offset), -EINVAL, "is not mapped");
	bo_close(fd, bo);
	is(bo_close(fd, bo), -EINVAL, "closed twice");
	is(bo_create(fd, 4096, DRM_AXON_REGION_HBM, DRM_AXON_BO_CPU_VISIBLE, 0, &bo), 0, "visible");
	bo_offset(fd, bo, &offset);
	ok(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, offset) == MAP_FAILED,
	   "private mapping is refused");
	ok(mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, offset) == MAP_FAILED,
	   "mapping beyond the end is refused");
	bo_close(fd, bo);
}

static void test_full(int fd)
{
	enum { MAX = 4096 };
	static uint32_t bo[MAX];
	uint64_t before = hbm_used(fd), chunk = 64 << 20;
	uint32_t n = 0, one;
	int ret;

	do {
		ret = bo_create(fd, chunk, DRM_AXON_REGION_HBM, 0, 0, &bo[n]);
		if (!ret)
			n++;
	} while (!ret && n < MAX);
	is(ret, -ENOSPC, "HBM is full after %u buffers", n);
	is(bo_create(fd, AXON_MAX_BO_SIZE, DRM_AXON_REGION_HBM, 0, 0, &one), -ENOSPC,
	   "1 TiB does not fit");
	if (n) {
		bo_close(fd, bo[--n]);
		is(bo_create(fd, chunk, DRM_AXON_REGION_HBM, 0, 0, &bo[n]), 0, "freed is usable");
		n++;
	}
	while (n)
		bo_close(fd, bo[--n]);
	is(hbm_used(fd), before, "everything came back");
}

static void test_share(int fd)
{
	struct drm_prime_handle p = { .flags = DRM_CLOEXEC | DRM_RDWR };
	int other = drv_open();
	uint32_t bo, vm;
	uint8_t *a, *b;

	is(bo_create(fd, 4096, DRM_AXON_REGION_HBM, DRM_AXON_BO_CPU_VISIBLE, 0, &bo), 0,
	   "shared: create");
	p.handle = bo;
	is(drv_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &p), 0, "shared: export");
	is(drv_ioctl(other, DRM_IOCTL_PRIME_FD_TO_HANDLE, &p), 0, "shared: import by another file");
	a = bo_map(fd, bo, 4096);
	b = bo_map(other, p.handle, 4096);
	ok(a && b, "shared: both map it");
	if (a && b) {
		a[5] = 42;
		is(b[5], 42, "shared: same memory");
		munmap(a, 4096);
		munmap(b, 4096);
	}
	close(p.fd);
	bo_close(fd, bo);
	close(other);
	vm_create(fd, &vm);
	is(bo_create(fd, 4096, DRM_AXON_REGION_HBM, 0, vm, &bo), 0, "private to a VM");
	p = (struct drm_prime_handle){ .handle = bo, .flags = DRM_CLOEXEC };
	is(drv_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &p), -EPERM,
	   "a private buffer is not exported");
	is(vm_destroy(fd, vm), 0, "VM goes before its buffer");
	is(bo_close(fd, bo), 0, "then the buffer");
}

/* A child that forked with the mapping, a partial unmap, a moved mapping. */
static void test_vma(int fd)
{
	const size_t size = 16 * 4096;
	uint8_t *p, *q;
	uint32_t bo;
	int status = 1;
	pid_t pid;

	bo_create(fd, size, DRM_AXON_REGION_HBM, DRM_AXON_BO_CPU_VISIBLE, 0, &bo);
	p = bo_map(fd, bo, size);
	if (!p)
		bail("no mapping");
	p[15 * 4096] = 9;
	pid = fork();
	if (!pid)
		_exit(p[15 * 4096] == 9 ? 0 : 1);
	waitpid(pid, &status, 0);
	is(status, 0, "a child sees the mapping");
	munmap(p, 8 * 4096);
	is(p[15 * 4096], 9, "rest of a mapping after munmap of its head");
	q = mremap(p + 8 * 4096, 8 * 4096, 8 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED,
		   p);
	ok(q == p && q[7 * 4096] == 9, "a moved mapping shows the same bytes");
	ok(q == p && (q[0] = 1) && q[7 * 4096] == 9, "and can be written");
	munmap(p, 8 * 4096);
	bo_close(fd, bo);
}

int main(void)
{
	int fd = drv_open();

	test_rw(fd, DRM_AXON_REGION_HBM, "hbm");
	test_rw(fd, DRM_AXON_REGION_HOST, "host");
	test_bad(fd);
	test_full(fd);
	test_share(fd);
	test_vma(fd);
	close(fd);
	return done();
}
