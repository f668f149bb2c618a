// SPDX-License-Identifier: MIT
/*
 * axon_memory.c - buffers and address spaces: what is bound is seen, what is not is not.
 */
#include "card.h"

#define A	0x10000000ull
#define B	0x20000000ull

static void test_buffers(void **state)
{
	struct axon_device *dev = open_card();
	struct drm_axon_bo_info info;
	struct axon_bo *bo = NULL;
	uint32_t region;
	uint64_t *ptr;
	uint64_t i;

	assert_int_equal(axon_bo_create(dev, 0, DRM_AXON_REGION_HBM, 0, NULL, &bo), -EINVAL);
	assert_int_equal(axon_bo_create(dev, 4096, 2, 0, NULL, &bo), -EINVAL);
	assert_int_equal(axon_bo_create(dev, 4096, DRM_AXON_REGION_HBM, 2, NULL, &bo), -EINVAL);
	assert_int_equal(axon_bo_create(dev, 1ull << 39, DRM_AXON_REGION_HBM, 0, NULL, &bo),
			 -ENOSPC);
	assert_int_equal(axon_bo_create(dev, UINT64_MAX, DRM_AXON_REGION_HBM, 0, NULL, &bo),
			 -EINVAL);
	assert_int_equal(axon_bo_create(dev, 4096, DRM_AXON_REGION_HBM, 0, NULL, &bo), 0);
	assert_int_equal(axon_bo_map(bo, (void **)&ptr), -EINVAL);
	axon_bo_destroy(bo);
	for (region = DRM_AXON_REGION_HOST; region <= DRM_AXON_REGION_HBM; region++) {
		bo = new_bo(dev, NULL, region, 5000, 0, 0, (void **)&ptr);
		assert_int_equal(axon_bo_size(bo), 8192);
		assert_int_equal(axon_bo_info(bo, &info), 0);
		assert_int_equal(info.region, region);
		assert_int_equal(info.size, 8192);
		assert_int_equal(info.flags, DRM_AXON_BO_CPU_VISIBLE);
		for (i = 0; i < 1024; i++)
			assert_int_equal(ptr[i], 0);
		memset(ptr, 0x5a, 8192);
		axon_bo_destroy(bo);
	}
	axon_device_close(dev);
}

/* Memory comes back zeroed, whoever wrote into it before. */
static void test_zeroed(void **state)
{
	struct axon_device *dev = open_card();
	size_t sizes[] = { 4096, 256 << 10, 4 << 20 };
	unsigned int i;
	size_t b;

	for (i = 0; i < 6; i++) {
		size_t size = sizes[i % 3];
		uint8_t *ptr;
		struct axon_bo *bo = new_bo(dev, NULL, DRM_AXON_REGION_HBM, size, 0, 0,
					    (void **)&ptr);

		for (b = 0; b < size; b++)
			assert_int_equal(ptr[b], 0);
		memset(ptr, 0xff, size);
		axon_bo_destroy(bo);
	}
	axon_device_close(dev);
}

/* Until HBM is full, whatever its size; what is freed can be had again. */
static void test_full(void **state)
{
	struct axon_device *dev = open_card();
	struct drm_axon_mem_region regions[8];
	struct axon_bo *bo[64];
	uint32_t count = 8;
	unsigned int n = 0;
	uint64_t part = 0;
	uint32_t i;
	int err = 0;

	assert_int_equal(axon_device_regions(dev, regions, &count), 0);
	for (i = 0; i < count; i++)
		if (regions[i].region == DRM_AXON_REGION_HBM)
			part += regions[i].size / 16;
	while (n < 64 && !(err = axon_bo_create(dev, part, DRM_AXON_REGION_HBM, 0, NULL, &bo[n])))
		n++;
	assert_int_equal(err, -ENOSPC);
	assert_in_range(n, 8, 16);
	axon_bo_destroy(bo[--n]);
	assert_int_equal(axon_bo_create(dev, part, DRM_AXON_REGION_HBM, 0, NULL, &bo[n]), 0);
	n++;
	while (n)
		axon_bo_destroy(bo[--n]);
	axon_device_close(dev);
}

static void test_bind_arguments(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct client other = open_client(dev, 0, 0);
	struct axon_bind ops[2];
	struct axon_bo *private;
	struct axon_bo *bo;
	uint32_t done;
	void *ptr;

	bo = new_bo(dev, NULL, DRM_AXON_REGION_HBM, 8192, 0, 0, &ptr);
	assert_int_equal(axon_vm_map(c.vm, bo, 0, A, 0, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, 0, A + 1, 4096, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, 1, A, 4096, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, 0, A, 100, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, 0, 0, 4096, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, 0, AXON_VM_END, 4096, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, 0, AXON_VM_END - 4096, 8192, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, 0, A, 12288, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, 8192, A, 4096, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, -4096ull, A, 8192, 0), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, bo, 0, A, 4096, 4), -EINVAL);
	assert_int_equal(axon_vm_map(c.vm, NULL, 0, A, 4096, 0), -EINVAL);
	assert_int_equal(axon_vm_unmap(c.vm, A, 4095), -EINVAL);
	assert_int_equal(axon_vm_unmap(c.vm, AXON_VM_START, AXON_VM_END - AXON_VM_START), 0);
	assert_int_equal(axon_bo_create(dev, 4096, DRM_AXON_REGION_HBM, 0, c.vm, &private), 0);
	assert_int_equal(axon_vm_map(other.vm, private, 0, A, 4096, 0), -EPERM);
	assert_int_equal(axon_vm_map(c.vm, private, 0, A, 4096, 0), 0);
	/* The first of two is carried out, the second not. */
	ops[0] = (struct axon_bind) { .bo = bo, .addr = B, .size = 4096 };
	ops[1] = (struct axon_bind) { .bo = bo, .addr = B, .size = 1 << 30 };
	assert_int_equal(axon_vm_bind(c.vm, ops, 2, &done), -EINVAL);
	assert_int_equal(done, 1);
	assert_int_equal(run_fill(c.queue, B, 1, 4096), 0);
	assert_int_equal(axon_vm_bind(c.vm, ops, 0, &done), -EINVAL);
	assert_int_equal(axon_vm_bind(c.vm, ops, AXON_MAX_BIND_OPS + 1, &done), -EINVAL);
	axon_bo_destroy(bo);
	axon_bo_destroy(private);
	close_client(&c);
	close_client(&other);
	axon_device_close(dev);
}

static void test_copy_between_regions(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	size_t size = 5 * MIB + 12288;
	struct axon_bo *host;
	struct axon_bo *hbm;
	uint8_t *from;
	uint8_t *to;
	size_t i;

	host = new_bo(dev, c.vm, DRM_AXON_REGION_HOST, size, A + 4096, 0, (void **)&from);
	hbm = new_bo(dev, c.vm, DRM_AXON_REGION_HBM, size, B, 0, (void **)&to);
	for (i = 0; i < size; i++)
		from[i] = (uint8_t)(i * 7 + (i >> 12));
	assert_int_equal(run_copy(c.queue, B, A + 4096, size), 0);
	assert_memory_equal(from, to, size);
	memset(from, 0, size);
	assert_int_equal(run_copy(c.queue, A + 4096 + 3, B + 5, size - 8), 0);
	assert_memory_equal(from + 3, to + 5, size - 8);
	assert_int_equal(from[0], 0);
	axon_bo_destroy(host);
	axon_bo_destroy(hbm);
	close_client(&c);
	axon_device_close(dev);
}

/* Rebinding, holes in huge pages, pieces of buffers. */
static void test_rebind(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct axon_bo *big;
	struct axon_bo *small;
	uint8_t *big_ptr;
	uint8_t *small_ptr;

	big = new_bo(dev, c.vm, DRM_AXON_REGION_HBM, 6 * MIB, A, 0, (void **)&big_ptr);
	small = new_bo(dev, NULL, DRM_AXON_REGION_HOST, 8192, 0, 0, (void **)&small_ptr);
	/* A page of the small one in the middle of a huge page of the big one. */
	assert_int_equal(axon_vm_map(c.vm, small, 4096, A + 3 * MIB, 4096, 0), 0);
	assert_int_equal(run_fill(c.queue, A, 0x11, 6 * MIB), 0);
	assert_int_equal(big_ptr[3 * MIB - 1], 0x11);
	assert_int_equal(big_ptr[3 * MIB], 0);
	assert_int_equal(big_ptr[3 * MIB + 4096], 0x11);
	assert_int_equal(small_ptr[0], 0);
	assert_int_equal(small_ptr[4096], 0x11);
	/* Back to the big one over the whole range, by huge pages. */
	assert_int_equal(axon_vm_map(c.vm, big, 0, A, 6 * MIB, 0), 0);
	assert_int_equal(run_fill(c.queue, A, 0x22, 6 * MIB), 0);
	assert_int_equal(big_ptr[3 * MIB], 0x22);
	assert_int_equal(small_ptr[4096], 0x11);
	/* The memory outlives its handle while it is bound. */
	axon_bo_destroy(big);
	assert_int_equal(run_fill(c.queue, A, 0x33, 6 * MIB), 0);
	assert_int_equal(axon_vm_unmap(c.vm, A + 2 * MIB, 4096), 0);
	assert_int_equal(run_fill(c.queue, A + 2 * MIB + 4096, 0x44, 4 * MIB - 4096), 0);
	assert_int_equal(run_fill(c.queue, A, 0x44, 2 * MIB), 0);
	assert_int_equal(run_fill(c.queue, A + 2 * MIB, 0x44, 1), -EFAULT);
	axon_bo_destroy(small);
	close_client(&c);
	axon_device_close(dev);
}

struct counted_watch {
	struct axon_bo_watch watch;
	unsigned int told;
};

static void count_gone(struct axon_bo_watch *watch)
{
	((struct counted_watch *)watch)->told++;
}

static void test_watch(void **state)
{
	struct axon_device *dev = open_card();
	struct counted_watch w[3] = { { { count_gone } }, { { count_gone } }, { { count_gone } } };
	struct axon_bo_watch none = { NULL };
	struct axon_bo *bo;
	void *ptr;
	unsigned int i;

	bo = new_bo(dev, NULL, DRM_AXON_REGION_HBM, 4096, 0, 0, &ptr);
	assert_int_equal(axon_bo_watch(NULL, &w[0].watch), -EINVAL);
	assert_int_equal(axon_bo_watch(bo, &none), -EINVAL);
	for (i = 0; i < 3; i++)
		assert_int_equal(axon_bo_watch(bo, &w[i].watch), 0);
	axon_bo_unwatch(dev, &w[1].watch);
	axon_bo_unwatch(dev, &w[1].watch);
	axon_bo_destroy(bo);
	for (i = 0; i < 3; i++)
		assert_int_equal(w[i].told, i != 1);
	/* What was told is watched no more. */
	axon_bo_unwatch(dev, &w[0].watch);
	/* The first and the last of a list. */
	bo = new_bo(dev, NULL, DRM_AXON_REGION_HBM, 4096, 0, 0, &ptr);
	for (i = 0; i < 3; i++)
		assert_int_equal(axon_bo_watch(bo, &w[i].watch), 0);
	axon_bo_unwatch(dev, &w[0].watch);
	axon_bo_unwatch(dev, &w[2].watch);
	axon_bo_destroy(bo);
	assert_int_equal(w[0].told + w[2].told, 2);
	assert_int_equal(w[1].told, 1);
	axon_device_close(dev);
}

static void test_limits(void **state)
{
	struct axon_device *dev = open_card();
	struct axon_vm *vm[AXON_MAX_VMS_PER_FILE + 1];
	struct axon_context *many[AXON_MAX_CTXS_PER_FILE];
	struct axon_context *ctx;
	unsigned int n = 0;
	unsigned int c;
	int err;

	while (!(err = axon_vm_create(dev, &vm[n])) && n < AXON_MAX_VMS_PER_FILE)
		n++;
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(n, AXON_MAX_VMS_PER_FILE);
	assert_int_equal(axon_context_create(vm[0], DRM_AXON_PRIORITY_NORMAL, &ctx), 0);
	assert_int_equal(axon_vm_destroy(vm[0]), -EBUSY);
	assert_int_equal(axon_context_destroy(ctx), 0);
	assert_int_equal(axon_context_create(vm[0], 3, &ctx), -EINVAL);
	for (c = 0; c < AXON_MAX_CTXS_PER_FILE; c++)
		assert_int_equal(axon_context_create(vm[1], 0, &many[c]), 0);
	assert_int_equal(axon_context_create(vm[1], 0, &ctx), -ENOSPC);
	while (c)
		assert_int_equal(axon_context_destroy(many[--c]), 0);
	/* The device lives on under its objects. */
	axon_device_close(dev);
	while (n)
		assert_int_equal(axon_vm_destroy(vm[--n]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_bind_arguments),
		cmocka_unit_test(test_copy_between_regions),
		cmocka_unit_test(test_rebind),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
