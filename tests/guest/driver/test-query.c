// SPDX-License-Identifier: MIT
/*
 * test-query.c - the node opens, says what it is, and counts who uses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

#include "drv.h"

static void test_version(int fd)
{
	drmVersionPtr v = drmGetVersion(fd);

	ok(v && !strcmp(v->name, "axon"), "driver is called axon");
	is(v ? v->version_major : -1, AXON_UAPI_MAJOR, "uAPI major");
	drmFreeVersion(v);
}

static void test_device(int fd)
{
	struct drm_axon_query_device d = { 0 };
	uint32_t size = 0;

	is(drv_query(fd, DRM_AXON_QUERY_DEVICE, NULL, &size), 0, "size of DEVICE");
	is(size, sizeof(d), "DEVICE has the size of its structure");
	is(drv_query(fd, DRM_AXON_QUERY_DEVICE, &d, &size), 0, "DEVICE");
	is(d.pci_device, AXON_PCI_DEVICE_ID, "PCI id");
	is(d.revision, AXON_REVISION_A1, "generation");
	is(d.state, DRM_AXON_STATE_READY, "state");
	ok(d.num_cores >= 1 && d.num_cores <= AXON_MAX_CORES, "%u cores", d.num_cores);
	ok(d.num_asids >= 2 && d.num_queues >= 1, "%u ASIDs, %u queues", d.num_asids, d.num_queues);
	is(d.ref_clock_hz, AXON_REF_CLOCK_HZ, "reference clock");
	ok(d.fw_version_str[0], "firmware %.32s", d.fw_version_str);
}

/* What an operator reads without a program is the same. */
static void test_sysfs(int fd)
{
	struct drm_axon_query_device d = { 0 };
	char name[CARD_NAME], text[32];
	uint32_t size = sizeof(d);

	drv_query(fd, DRM_AXON_QUERY_DEVICE, &d, &size);
	card_name(fd, name);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)d.serial);
	ok(card_file_is(name, "serial", text), "sysfs: serial");
	ok(card_file_is(name, "fw_version", d.fw_version_str), "sysfs: fw_version");
	ok(card_file_is(name, "generation", "a1"), "sysfs: generation");
	ok(card_file_is(name, "state", "ready"), "sysfs: state");
	ok(card_file_is(name, "reset_count", "0"), "sysfs: reset_count");
	snprintf(text, sizeof(text), "%llu", (unsigned long long)hbm_used(fd));
	ok(card_file_is(name, "hbm_used", text), "sysfs: hbm_used");
	ok(card_file_is(name, "core0/state", "0"), "sysfs: state of a core");
}

static void test_sizes(int fd)
{
	uint8_t buf[256];
	uint32_t size = 8;

	memset(buf, 0xaa, sizeof(buf));
	is(drv_query(fd, DRM_AXON_QUERY_DEVICE, buf, &size), 0, "short buffer is fine");
	is(size, sizeof(struct drm_axon_query_device), "the whole size is told");
	is(buf[8], 0xaa, "nothing is written beyond it");
	size = 4096;
	is(drv_query(fd, DRM_AXON_QUERY_DEVICE, (void *)8, &size), -EFAULT, "bad address");
	size = 0;
	is(drv_query(fd, 77, NULL, &size), -EINVAL, "unknown type");
	is(drv_query(fd, DRM_AXON_QUERY_LINKS, NULL, &size), 0, "LINKS");
	is(size % sizeof(struct drm_axon_link), 0, "whole entries");
}

static void test_arrays(int fd)
{
	struct drm_axon_mem_region r[17];
	struct drm_axon_core c[AXON_MAX_CORES];
	struct drm_axon_query_telemetry t;
	uint32_t size = sizeof(r);

	is(drv_query(fd, DRM_AXON_QUERY_MEM_REGIONS, r, &size), 0, "MEM_REGIONS");
	ok(size >= 2 * sizeof(r[0]) && size % sizeof(r[0]) == 0, "host and HBM");
	is(r[0].region, DRM_AXON_REGION_HOST, "host first");
	ok(r[1].region == DRM_AXON_REGION_HBM && r[1].size && r[1].used < r[1].size, "HBM");
	size = sizeof(c);
	is(drv_query(fd, DRM_AXON_QUERY_CORES, c, &size), 0, "CORES");
	is(c[0].id, 0, "core 0");
	size = sizeof(t);
	is(drv_query(fd, DRM_AXON_QUERY_TELEMETRY, &t, &size), 0, "TELEMETRY");
	ok(t.updates && t.temp_die > 0 && t.power, "sensors have values");
}

static void test_fdinfo(int fd)
{
	char path[64], text[8192];
	uint32_t bo;
	int f, n;

	is(bo_create(fd, 3 << 20, DRM_AXON_REGION_HBM, 0, 0, &bo), 0, "3 MiB of HBM");
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = open(path, O_RDONLY);
	n = f < 0 ? -1 : (int)read(f, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	close(f);
	ok(strstr(text, "drm-driver:\taxon"), "fdinfo names the driver");
	ok(strstr(text, "drm-engine-core0:"), "fdinfo has the core's time");
	ok(strstr(text, "drm-total-hbm:\t3072 KiB"), "fdinfo counts HBM");
	is(bo_close(fd, bo), 0, "close");
}

int main(void)
{
	int fd = drv_open();

	test_version(fd);
	test_device(fd);
	test_sysfs(fd);
	test_sizes(fd);
	test_arrays(fd);
	test_fdinfo(fd);
	close(fd);
	return done();
}
