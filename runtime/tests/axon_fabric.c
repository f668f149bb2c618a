// SPDX-License-Identifier: MIT
/*
 * axon_fabric.c - soft cards together: buffers of one used by another, and what is refused.
 */
#include "card.h"

#include <sys/wait.h>
#include <unistd.h>

#define A	0x10000000ull
#define B	0x20000000ull
#define SIZE	(2 * MIB)

static struct axon_device *open_nth(uint32_t index)
{
	struct axon_device *dev;
	char path[64];

	assert_int_equal(axon_device_path_of(index, path, sizeof(path)), 0);
	assert_int_equal(axon_device_open_path(path, test_log, NULL, &dev), 0);
	return dev;
}

static void use_cards(const char *device)
{
	setenv("AXON_DEVICE", device, 1);
}

/* Host memory of one card written by another; it outlives the card it was made on. */
static void test_host_memory(void **state)
{
	struct axon_device *first;
	struct axon_device *second;
	struct drm_axon_bo_info info;
	struct axon_bo *again;
	struct axon_bo *bo;
	struct client c;
	uint8_t *from;
	uint8_t *to;
	int fd;

	use_cards("soft:2");
	first = open_nth(0);
	second = open_nth(1);
	c = open_client(second, 0, 0);
	bo = new_bo(first, NULL, DRM_AXON_REGION_HOST, SIZE, 0, 0, (void **)&from);
	assert_int_equal(axon_bo_export(bo, &fd), 0);
	assert_int_equal(axon_bo_import(second, fd, &again), 0);
	assert_int_equal(axon_bo_info(again, &info), 0);
	assert_int_equal(info.region, DRM_AXON_REGION_HOST);
	assert_int_equal(axon_bo_map(again, (void **)&to), 0);
	assert_int_equal(axon_vm_map(c.vm, again, 0, A, SIZE, 0), 0);
	assert_int_equal(run_fill(c.queue, A, 0x3c, SIZE), 0);
	assert_int_equal(from[SIZE - 1], 0x3c);
	axon_bo_destroy(bo);
	axon_device_close(first);
	assert_int_equal(run_fill(c.queue, A, 0x3d, SIZE), 0);
	assert_int_equal(to[0], 0x3d);
	assert_int_equal(axon_bo_import(second, fd, &bo), -ENODEV);
	assert_int_equal(close(fd), 0);
	/* Passed on, it is a buffer of the second card. */
	assert_int_equal(axon_bo_export(again, &fd), 0);
	first = open_nth(0);
	assert_int_equal(axon_bo_import(first, fd, &bo), 0);
	assert_int_equal(axon_bo_map(bo, (void **)&from), 0);
	assert_int_equal(from[5], 0x3d);
	assert_int_equal(close(fd), 0);
	axon_bo_destroy(again);
	close_client(&c);
	axon_device_close(second);
	assert_int_equal(from[5], 0x3d);
	axon_bo_destroy(bo);
	axon_device_close(first);
}

static int child(int fd)
{
	struct axon_device *dev;
	struct axon_bo *bo;
	int err;

	err = axon_device_open(0, &dev);
	if (err)
		return 1;
	err = axon_bo_import(dev, fd, &bo);
	axon_device_close(dev);
	return err == -EOPNOTSUPP ? 0 : 2;
}

/* Another process has the descriptor, but not the memory; its own cards are its own. */
static void test_other_process(void **state)
{
	struct axon_device *dev;
	struct axon_bo *bo;
	int status;
	pid_t pid;
	int fd;

	use_cards("soft:2");
	dev = open_nth(0);
	assert_int_equal(axon_bo_create(dev, 4096, DRM_AXON_REGION_HBM, 0, NULL, &bo), 0);
	assert_int_equal(axon_bo_export(bo, &fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(child(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(close(fd), 0);
	axon_bo_destroy(bo);
	axon_device_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_memory),
		cmocka_unit_test(test_other_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
