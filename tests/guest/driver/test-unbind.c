// SPDX-License-Identifier: MIT
/*
 * test-unbind.c - the driver leaves a card that files, mappings and jobs still use.
 *
 * As root, through sysfs. Everything a process holds must end in errors, never in a signal, a
 * hang or an oops; and the card must work when it is bound again.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/sync_file.h>
#include <xf86drm.h>

#include "drv.h"

static char device[CARD_NAME];

static atomic_bool stop;

/* A user that never looks at errors. */
static void *hammer(void *arg)
{
	struct env *e = arg;
	struct drm_axon_job job = job_fill(ENV_DATA, 1, 4096);
	uint32_t bo;

	while (!stop) {
		run(e->fd, e->queue, &job, 1);
		if (!bo_create(e->fd, 65536, DRM_AXON_REGION_HBM, 0, 0, &bo))
			bo_close(e->fd, bo);
		vm_map(e->fd, e->vm, e->data, 0, ENV_NOWHERE, ENV_SIZE, 0);
		vm_unmap(e->fd, e->vm, ENV_NOWHERE, 4096);
	}
	return NULL;
}

/* run() ends the program if a syncobj cannot be made, which is what an unplugged card does. */
static void *touch(void *arg)
{
	struct env *e = arg;
	volatile uint8_t *p = e->data_mem;
	unsigned int i = 0;

	while (!stop) {
		p[i] = p[(i + 4096) % ENV_SIZE];
		i = (i + 4096) % ENV_SIZE;
	}
	return NULL;
}

static void *hammer_raw(void *arg)
{
	struct env *e = arg;
	struct drm_axon_job job = job_fill(ENV_DATA, 1, 4096);
	uint32_t bo;

	while (!stop) {
		submit(e->fd, e->queue, &job, 1, NULL, 0, NULL);
		if (!bo_create(e->fd, 65536, DRM_AXON_REGION_HBM, 0, 0, &bo))
			bo_close(e->fd, bo);
		vm_map(e->fd, e->vm, e->data, 0, ENV_NOWHERE, ENV_SIZE, 0);
		vm_unmap(e->fd, e->vm, ENV_NOWHERE, 4096);
		usleep(100);
	}
	return NULL;
}

/* A sync_file outlives everything; its names must still be there. */
static void look_at_fence(int fd)
{
	struct sync_fence_info fence = { 0 };
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&fence };

	is(ioctl(fd, SYNC_IOC_FILE_INFO, &info), 0, "the fence's file can be looked at");
	ok(fence.obj_name[0] && fence.driver_name[0], "it has names: %s, %s", fence.driver_name,
	   fence.obj_name);
	is(fence.status, -ENODEV, "and ended with ENODEV");
}

static void test_open(void)
{
	struct drm_axon_query_device d;
	struct drm_axon_job job = job_launch(ENV_CODE, 0);
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };
	struct drm_syncobj_handle h = {
		.fd = -1, .flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE,
	};
	uint32_t size = sizeof(d), bo;
	uint8_t *host;
	struct env e;

	env_open(&e, 0, 600000);
	card_name(e.fd, device);
	bo_create(e.fd, 65536, DRM_AXON_REGION_HOST, DRM_AXON_BO_CPU_VISIBLE, 0, &bo);
	vm_map(e.fd, e.vm, bo, 0, ENV_NOWHERE, 65536, 0);
	host = bo_map(e.fd, bo, 65536);
	memset(host, 6, 65536);
	e.data_mem[0] = 5;
	prog_write(e.code_mem, ENV_CODE, PROG_LOOP, 0);
	syncobj_create(e.fd, &s.handle);
	is(submit(e.fd, e.queue, &job, 1, &s, 1, NULL), 0, "an endless launch");
	h.handle = s.handle;
	is(drv_ioctl(e.fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &h), 0, "its fence as a file");
	is(card_driver("unbind", device), 0, "unbind");
	is(drv_query(e.fd, DRM_AXON_QUERY_DEVICE, &d, &size), -ENODEV, "query: ENODEV");
	is(submit(e.fd, e.queue, &job, 1, NULL, 0, NULL), -ENODEV, "submit: ENODEV");
	is(vm_create(e.fd, &bo), -ENODEV, "VM_CREATE: ENODEV");
	ok(e.data_mem[8192] == 0, "a mapping of HBM shows zeroes");
	e.data_mem[8192] = 3;
	is(e.data_mem[8192], 3, "and can be written");
	is(host[5], 6, "host memory is still there");
	look_at_fence(h.fd);
	munmap(host, 65536);
	env_close(&e);
	ok(true, "everything closed");
	is(card_driver("bind", device), 0, "bind");
	look_at_fence(h.fd);
	close(h.fd);
}

static void test_busy(unsigned int rounds)
{
	unsigned int i;
	int bad = 0;

	for (i = 0; i < rounds; i++) {
		pthread_t t[3];
		struct env e;

		env_open(&e, 0, 0);
		stop = false;
		pthread_create(&t[0], NULL, hammer_raw, &e);
		pthread_create(&t[1], NULL, hammer_raw, &e);
		pthread_create(&t[2], NULL, touch, &e);
		usleep(50000 + i * 7000);
		bad += card_driver("unbind", device) != 0;
		usleep(20000);
		stop = true;
		pthread_join(t[0], NULL);
		pthread_join(t[1], NULL);
		pthread_join(t[2], NULL);
		env_close(&e);
		bad += card_driver("bind", device) != 0;
	}
	is(bad, 0, "%u times unbind under load and bind", rounds);
}

static void test_works(void)
{
	struct drm_axon_job job = job_launch(ENV_CODE, 0);
	pthread_t t;
	struct env e;

	env_open(&e, 0, 0);
	prog_write(e.code_mem, ENV_CODE, PROG_HALT, 0);
	is(run(e.fd, e.queue, &job, 1), 0, "the card works again");
	stop = false;
	pthread_create(&t, NULL, hammer, &e);
	usleep(300000);
	stop = true;
	pthread_join(t, NULL);
	ok(true, "and under load");
	env_close(&e);
}

int main(void)
{
	if (geteuid()) {
		printf("needs root\n");
		return 77;
	}
	test_open();
	test_busy(10);
	test_works();
	return done();
}
