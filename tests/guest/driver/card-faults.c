// SPDX-License-Identifier: MIT
/*
 * card-faults.c - the guest's half of faulty-card: asks the host for a fault of the card, then
 * looks at what a user sees of it.
 *
 * "ask: NAME VALUE" on a line of its own sets a property of the card; the host answers by doing it,
 * for which there are two seconds.
 *
 * usage: card-faults lost-irq | dead-fw | gone
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "drv.h"

static void ask(const char *what)
{
	printf("ask: %s\n", what);
	fflush(stdout);
	sleep(2);
}

static uint32_t dev_state(int fd)
{
	struct drm_axon_query_device d = { .state = 99 };
	uint32_t size = sizeof(d);

	drv_query(fd, DRM_AXON_QUERY_DEVICE, &d, &size);
	return d.state;
}

/* The completion is there, only nobody was told: found by the timer, without any damage. */
static void lost_irq(void)
{
	struct drm_axon_ctx_get_state s;
	struct drm_axon_job nop = job_nop();
	struct timespec from, to;
	unsigned int i;
	struct env e;
	int ret = 0;

	env_open(&e, 0, 1000);
	is(run(e.fd, e.queue, &nop, 1), 0, "a job");
	ask("x-drop-irq 1");
	clock_gettime(CLOCK_MONOTONIC, &from);
	is(run(e.fd, e.queue, &nop, 1), 0, "a job whose interrupt is lost ends");
	clock_gettime(CLOCK_MONOTONIC, &to);
	/* the timer looks after a quarter of the limit, not before: else no interrupt was lost */
	ok((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 >= 200,
	   "the timer found it");
	is(ctx_state(e.fd, e.ctx, &s), 0, "CTX_GET_STATE");
	is(s.state, 0, "nobody was banned for it");
	for (i = 0; i < 50 && !ret; i++)
		ret = run(e.fd, e.queue, &nop, 1);
	is(ret, 0, "and all goes on");
	env_close(&e);
}

static void dead_fw(void)
{
	struct drm_axon_job launch = job_launch(ENV_CODE, 0), nop = job_nop();
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };
	struct drm_axon_ctx_get_state cs;
	unsigned int i;
	uint32_t bo;
	struct env e;

	env_open(&e, 0, 600000);
	prog_write(e.code_mem, ENV_CODE, PROG_LOOP, 0);
	syncobj_create(e.fd, &s.handle);
	is(submit(e.fd, e.queue, &launch, 1, &s, 1, NULL), 0, "an endless launch");
	ask("x-stall-fw 1");
	is(syncobj_wait(e.fd, s.handle, 0, DRV_TIMEOUT_NS), 0, "the firmware dies: its fence ends");
	is(syncobj_error(e.fd, s.handle), -EIO, "with EIO");
	for (i = 0; i < 100 && dev_state(e.fd) != DRM_AXON_STATE_WEDGED; i++)
		usleep(50000);
	is(dev_state(e.fd), DRM_AXON_STATE_WEDGED, "the card is given up");
	is(ctx_state(e.fd, e.ctx, &cs), 0, "CTX_GET_STATE");
	is(cs.state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_DEVICE_RESET, "reset under the context");
	is(submit(e.fd, e.queue, &nop, 1, NULL, 0, NULL), -EIO, "SUBMIT: EIO");
	is(vm_create(e.fd, &bo), -EIO, "VM_CREATE: EIO");
	is(bo_create(e.fd, 4096, DRM_AXON_REGION_HBM, 0, 0, &bo), -EIO, "BO_CREATE: EIO");
	is(vm_unmap(e.fd, e.vm, ENV_DATA, ENV_SIZE), -EIO, "VM_BIND: EIO");
	is(queue_destroy(e.fd, e.queue), 0, "QUEUE_DESTROY works");
	is(ctx_destroy(e.fd, e.ctx), 0, "CTX_DESTROY too");
	is(vm_destroy(e.fd, e.vm), 0, "and VM_DESTROY");
	env_close(&e);
	ask("x-stall-fw 0");
	is(card_driver("unbind", "0000:01:00.0"), 0, "unbind");
	is(card_driver("bind", "0000:01:00.0"), 0, "bind");
	env_open(&e, 0, 0);
	is(dev_state(e.fd), DRM_AXON_STATE_READY, "the card is ready again");
	is(run(e.fd, e.queue, &nop, 1), 0, "and works");
	env_close(&e);
}

/* The machine takes the card out: the slot's button is pressed, the guest lets go. */
static void gone(void)
{
	struct drm_axon_job launch = job_launch(ENV_CODE, 0);
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };
	struct env e;
	unsigned int i;
	int ret = 0;

	env_open(&e, 0, 600000);
	prog_write(e.code_mem, ENV_CODE, PROG_LOOP, 0);
	syncobj_create(e.fd, &s.handle);
	is(submit(e.fd, e.queue, &launch, 1, &s, 1, NULL), 0, "an endless launch");
	ask("remove 1");
	for (i = 0; i < 300 && ret != -ENODEV; i++) {
		struct drm_axon_query_device d;
		uint32_t size = sizeof(d);

		ret = drv_query(e.fd, DRM_AXON_QUERY_DEVICE, &d, &size);
		usleep(100000);
	}
	is(ret, -ENODEV, "the card is gone: ENODEV");
	e.data_mem[4096] = 7;
	is(e.data_mem[4096], 7, "its memory shows a page of zeroes");
	env_close(&e);
	/* the driver is told first; the bus forgets the device after it has let go */
	for (i = 0; i < 300 && !access("/sys/bus/pci/devices/0000:01:00.0", F_OK); i++)
		usleep(100000);
	ok(access("/sys/bus/pci/devices/0000:01:00.0", F_OK), "no device left");
}

int main(int argc, char **argv)
{
	const struct {
		const char *name;
		void (*run)(void);
	} fault[] = { { "lost-irq", lost_irq }, { "dead-fw", dead_fw }, { "gone", gone } };
	size_t i;

	for (i = 0; i < sizeof(fault) / sizeof(fault[0]); i++)
		if (argc == 2 && !strcmp(argv[1], fault[i].name)) {
			fault[i].run();
			return done();
		}
	fprintf(stderr, "usage: card-faults lost-irq | dead-fw | gone\n");
	return 2;
}
