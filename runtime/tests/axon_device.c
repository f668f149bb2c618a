// SPDX-License-Identifier: MIT
/*
 * axon_device.c - which cards there are, what they say of themselves, and what is refused.
 */
#include "card.h"

#include <sys/mman.h>
#include <unistd.h>

#include "axon_fw.h"

static void test_environment(void **state)
{
	uint32_t count;
	char path[64];
	char small[4];

	setenv("AXON_DEVICE", "soft:3", 1);
	assert_int_equal(axon_device_count(&count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(axon_device_path_of(2, path, sizeof(path)), 0);
	assert_string_equal(path, "soft:2");
	assert_int_equal(axon_device_path_of(3, path, sizeof(path)), -ENODEV);
	assert_int_equal(axon_device_path_of(0, small, sizeof(small)), -ENOSPC);
	setenv("AXON_DEVICE", "soft:0", 1);
	assert_int_equal(axon_device_count(&count), -EINVAL);
	setenv("AXON_DEVICE", "soft:x", 1);
	assert_int_equal(axon_device_count(&count), -EINVAL);
	setenv("AXON_DEVICE", "gpu", 1);
	assert_int_equal(axon_device_count(&count), -EINVAL);
	setenv("AXON_DEVICE", "soft", 1);
	assert_int_equal(axon_device_count(NULL), -EINVAL);
}

static void refused_hbm(const char *value)
{
	struct axon_device *dev = NULL;

	setenv("AXON_SOFT_HBM", value, 1);
	assert_int_equal(axon_device_open(0, &dev), -EINVAL);
	assert_null(dev);
	unsetenv("AXON_SOFT_HBM");
}

static void test_sizes(void **state)
{
	struct drm_axon_mem_region regions[8];
	struct axon_device *dev;
	uint32_t count = 8;
	uint64_t hbm = 0;
	uint32_t i;

	refused_hbm("0");
	refused_hbm("1");
	refused_hbm("3M");
	refused_hbm("-2M");
	refused_hbm("1GB");
	refused_hbm("99999999999999999999G");
	setenv("AXON_SOFT_HBM", "64M", 1);
	setenv("AXON_SOFT_CORES", "3", 1);
	assert_int_equal(axon_device_open(0, &dev), 0);
	assert_int_equal(axon_device_regions(dev, regions, &count), 0);
	for (i = 0; i < count; i++)
		if (regions[i].region == DRM_AXON_REGION_HBM)
			hbm += regions[i].size;
	assert_int_equal(hbm, 64 * MIB);
	count = 0;
	assert_int_equal(axon_device_cores(dev, NULL, &count), 0);
	assert_int_equal(count, 3);
	axon_device_close(dev);
	unsetenv("AXON_SOFT_HBM");
	unsetenv("AXON_SOFT_CORES");
}

static void test_queries(void **state)
{
	struct drm_axon_query_telemetry telemetry;
	struct drm_axon_query_device info;
	struct axon_device *dev = open_card();
	struct drm_axon_core cores[2];
	uint32_t count = 1;

	assert_int_equal(axon_device_query(dev, &info), 0);
	assert_int_equal(info.revision, 0xa1);
	assert_int_equal(info.state, DRM_AXON_STATE_READY);
	assert_true(strlen(info.fw_version_str) > 0);
	assert_true(info.num_asids > 1);
	assert_int_equal(info.vm_end, AXON_VM_END);
	assert_int_equal(axon_device_telemetry(dev, &telemetry), 0);
	assert_true(telemetry.updates > 0);
	assert_true(telemetry.temp_die > 0);
	/* Fewer than there are: the count still says how many. */
	assert_int_equal(axon_device_cores(dev, cores, &count), 0);
	assert_int_equal(count, info.num_cores);
	count = 0;
	assert_int_equal(axon_device_links(dev, NULL, &count), 0);
	assert_int_equal(axon_device_query(dev, NULL), -EINVAL);
	assert_int_equal(axon_device_query(NULL, &info), -EINVAL);
	axon_device_close(dev);
	axon_device_close(NULL);
}

static void *read_image(size_t *size)
{
	const char *path = getenv("AXON_TEST_FIRMWARE");
	FILE *file;
	void *bytes;

	assert_non_null(path);
	file = fopen(path, "rb");
	assert_non_null(file);
	bytes = malloc(AXON_FW_MAX_SIZE);
	*size = fread(bytes, 1, AXON_FW_MAX_SIZE, file);
	fclose(file);
	assert_true(*size > AXON_FW_HEADER_SIZE);
	return bytes;
}

static int open_with(const void *bytes, size_t size)
{
	struct axon_device *dev = NULL;
	int fd = memfd_create("firmware", 0);
	char path[64];
	int err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	setenv("AXON_FIRMWARE", path, 1);
	err = axon_device_open_path("soft", test_log, NULL, &dev);
	unsetenv("AXON_FIRMWARE");
	close(fd);
	if (!err)
		axon_device_close(dev);
	return err;
}

static void test_firmware(void **state)
{
	struct axon_device *dev = NULL;
	size_t size;
	uint8_t *image = read_image(&size);
	size_t at;

	assert_int_equal(open_with(image, size), 0);
	/* Every word of the header, and some of the payload. */
	for (at = 0; at < AXON_FW_HEADER_SIZE; at += 4) {
		image[at] ^= 0x40;
		assert_int_equal(open_with(image, size), -ENOEXEC);
		image[at] ^= 0x40;
	}
	for (at = AXON_FW_HEADER_SIZE; at < size; at += size / 7) {
		image[at] ^= 1;
		assert_int_equal(open_with(image, size), -ENOEXEC);
		image[at] ^= 1;
	}
	assert_int_equal(open_with(image, size - 1), -ENOEXEC);
	assert_int_equal(open_with(image, 100), -ENOEXEC);
	assert_int_equal(open_with(image, 0), -ENOEXEC);
	setenv("AXON_FIRMWARE", "/nonexistent/axon-fw.bin", 1);
	assert_int_equal(axon_device_open(0, &dev), -ENOENT);
	unsetenv("AXON_FIRMWARE");
	free(image);
}

static void test_paths(void **state)
{
	struct axon_device *dev = NULL;

	assert_int_equal(axon_device_open_path("/dev/accel/none", NULL, NULL, &dev), -ENODEV);
	assert_int_equal(axon_device_open_path("/dev/null", NULL, NULL, &dev), -ENODEV);
	assert_int_equal(axon_device_open_path(NULL, NULL, NULL, &dev), -EINVAL);
	assert_int_equal(axon_device_open(7, &dev), -ENODEV);
	assert_null(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_firmware),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
