// SPDX-License-Identifier: MIT
/*
 * axon_share.c - a buffer as a file descriptor, imported by the card it came from: one memory,
 * whatever is closed first, and nothing stays behind.
 */
#include "card.h"

#include <fcntl.h>
#include <unistd.h>

#define A	0x10000000ull
#define B	0x20000000ull
#define SIZE	(2 * MIB)

static void test_errors(void **state)
{
	struct axon_device *dev = open_card();
	struct axon_bo *private;
	struct axon_bo *bo;
	struct axon_vm *vm;
	int file;
	int fd;

	assert_int_equal(axon_bo_create(dev, 4096, DRM_AXON_REGION_HBM, 0, NULL, &bo), 0);
	assert_int_equal(axon_bo_export(NULL, &fd), -EINVAL);
	assert_int_equal(axon_bo_export(bo, NULL), -EINVAL);
	assert_int_equal(axon_bo_import(NULL, 0, &bo), -EINVAL);
	assert_int_equal(axon_bo_import(dev, 0, NULL), -EINVAL);
	axon_bo_destroy(bo);
	bo = (struct axon_bo *)&file;
	assert_int_equal(axon_bo_import(dev, -1, &bo), -EBADF);
	assert_null(bo);
	assert_int_equal(axon_bo_import(dev, 1 << 20, &bo), -EBADF);
	file = open("/dev/null", O_RDWR);
	assert_true(file >= 0);
	assert_int_equal(axon_bo_import(dev, file, &bo), -EINVAL);
	close(file);
	/* What belongs to one address space stays there. */
	assert_int_equal(axon_vm_create(dev, &vm), 0);
	assert_int_equal(axon_bo_create(dev, 4096, DRM_AXON_REGION_HBM, 0, vm, &private), 0);
	fd = 7;
	assert_int_equal(axon_bo_export(private, &fd), -EPERM);
	assert_int_equal(fd, -1);
	axon_bo_destroy(private);
	assert_int_equal(axon_vm_destroy(vm), 0);
	axon_device_close(dev);
}

/* A second handle of the same memory; both are closed, in both orders. */
static void test_same_buffer(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct drm_axon_bo_info info;
	unsigned int i;
	int fd;

	for (i = 0; i < 8; i++) {
		uint32_t region = i & 1 ? DRM_AXON_REGION_HBM : DRM_AXON_REGION_HOST;
		uint64_t before = memory_used(dev, region);
		struct axon_bo *again;
		struct axon_bo *bo;
		uint8_t *first;
		uint8_t *second;

		bo = new_bo(dev, c.vm, region, SIZE, A, 0, (void **)&first);
		assert_int_equal(axon_bo_export(bo, &fd), 0);
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		if (i & 2)
			axon_bo_destroy(bo);
		assert_int_equal(axon_bo_import(dev, fd, &again), 0);
		if (i & 4)
			assert_int_equal(close(fd), 0);
		assert_int_equal(axon_bo_size(again), SIZE);
		assert_int_equal(axon_bo_info(again, &info), 0);
		assert_int_equal(info.region, region);
		assert_int_equal(info.size, SIZE);
		assert_int_equal(info.peer, 0);
		assert_int_equal(axon_bo_map(again, (void **)&second), 0);
		assert_int_equal(axon_vm_map(c.vm, again, 0, B, SIZE, 0), 0);
		assert_int_equal(run_fill(c.queue, A, 0x40 + (uint8_t)i, SIZE), 0);
		assert_int_equal(second[0], 0x40 + i);
		assert_int_equal(second[SIZE - 1], 0x40 + i);
		second[5] = 0x99;
		assert_int_equal(run_copy(c.queue, B + 4096, B, 4096), 0);
		assert_int_equal(second[4096 + 5], 0x99);
		assert_int_equal(axon_vm_unmap(c.vm, A, SIZE), 0);
		assert_int_equal(axon_vm_unmap(c.vm, B, SIZE), 0);
		if (!(i & 2))
			axon_bo_destroy(bo);
		assert_int_equal(second[5], 0x99);
		axon_bo_destroy(again);
		if (!(i & 4))
			assert_int_equal(close(fd), 0);
		/* Page tables may stay for the address space. */
		assert_in_range(memory_used(dev, region), before, before + SIZE / 2);
	}
	close_client(&c);
	axon_device_close(dev);
}

/* The descriptor alone keeps the memory, a copy of it too; it goes with the last. */
static void test_descriptor_keeps(void **state)
{
	struct axon_device *dev = open_card();
	uint64_t before = memory_used(dev, DRM_AXON_REGION_HBM);
	struct axon_bo *bo;
	uint8_t *ptr;
	int copy;
	int fd;

	bo = new_bo(dev, NULL, DRM_AXON_REGION_HBM, SIZE, 0, 0, (void **)&ptr);
	ptr[SIZE - 1] = 0x77;
	assert_int_equal(axon_bo_export(bo, &fd), 0);
	axon_bo_destroy(bo);
	copy = dup(fd);
	assert_true(copy >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(memory_used(dev, DRM_AXON_REGION_HBM), before + SIZE);
	assert_int_equal(axon_bo_import(dev, copy, &bo), 0);
	assert_int_equal(axon_bo_map(bo, (void **)&ptr), 0);
	assert_int_equal(ptr[SIZE - 1], 0x77);
	axon_bo_destroy(bo);
	assert_int_equal(memory_used(dev, DRM_AXON_REGION_HBM), before + SIZE);
	assert_int_equal(close(copy), 0);
	assert_int_equal(memory_used(dev, DRM_AXON_REGION_HBM), before);
	axon_device_close(dev);
}

/* Many exports of one buffer and many imports of each; the handle is given as often as asked. */
static void test_many(void **state)
{
	struct axon_device *dev = open_card();
	uint64_t before = memory_used(dev, DRM_AXON_REGION_HBM);
	struct axon_bo *import[100];
	struct axon_bo *bo;
	uint8_t *ptr;
	int fd[100];
	int i;

	bo = new_bo(dev, NULL, DRM_AXON_REGION_HBM, 4096, 0, 0, (void **)&ptr);
	for (i = 0; i < 100; i++) {
		assert_int_equal(axon_bo_export(bo, &fd[i]), 0);
		assert_int_equal(axon_bo_import(dev, fd[i], &import[i]), 0);
	}
	for (i = 0; i < 100; i += 2)
		assert_int_equal(close(fd[i]), 0);
	axon_bo_destroy(bo);
	for (i = 99; i > 0; i--)
		axon_bo_destroy(import[i]);
	assert_int_equal(axon_bo_map(import[0], (void **)&ptr), 0);
	ptr[0] = 1;
	for (i = 1; i < 100; i += 2)
		assert_int_equal(close(fd[i]), 0);
	assert_int_equal(memory_used(dev, DRM_AXON_REGION_HBM), before + 4096);
	axon_bo_destroy(import[0]);
	assert_int_equal(memory_used(dev, DRM_AXON_REGION_HBM), before);
	axon_device_close(dev);
}

/* Memory that only closed descriptors kept is there when it is needed. */
static void test_full(void **state)
{
	struct axon_device *dev = open_card();
	struct axon_bo *bo;
	uint64_t part;
	int fd[16];
	int n = 0;
	int err;

	assert_int_equal(axon_bo_create(dev, SIZE, DRM_AXON_REGION_HBM, 0, NULL, &bo), 0);
	axon_bo_destroy(bo);
	for (part = 1ull << 39; part >= SIZE; part /= 2)
		if (!axon_bo_create(dev, part, DRM_AXON_REGION_HBM, 0, NULL, &bo))
			break;
	assert_true(part >= SIZE);
	axon_bo_destroy(bo);
	part /= 4;
	while (n < 16 && !(err = axon_bo_create(dev, part, DRM_AXON_REGION_HBM, 0, NULL, &bo))) {
		assert_int_equal(axon_bo_export(bo, &fd[n++]), 0);
		axon_bo_destroy(bo);
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(close(fd[--n]), 0);
	assert_int_equal(axon_bo_create(dev, part, DRM_AXON_REGION_HBM, 0, NULL, &bo), 0);
	axon_bo_destroy(bo);
	while (n)
		assert_int_equal(close(fd[--n]), 0);
	axon_device_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_same_buffer),
		cmocka_unit_test(test_descriptor_keeps),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
