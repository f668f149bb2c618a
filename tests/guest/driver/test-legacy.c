// SPDX-License-Identifier: MIT
/*
 * test-legacy.c - what the DRM core offers and an accel driver must not: every ioctl number, with
 * zeros and with ones, as an ordinary user. On an unprotected driver some of them oops.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xf86drm.h>

#include "drv.h"

static int plain(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

static void test_named(int fd)
{
	static uint8_t arg[512];
	const struct {
		const char *name;
		unsigned long request;
	} refused[] = {
		{ "GET_MAGIC", DRM_IOCTL_GET_MAGIC },
		{ "AUTH_MAGIC", DRM_IOCTL_AUTH_MAGIC },
		{ "GET_UNIQUE", DRM_IOCTL_GET_UNIQUE },
		{ "SET_UNIQUE", DRM_IOCTL_SET_UNIQUE },
		{ "SET_VERSION", DRM_IOCTL_SET_VERSION },
		{ "SET_MASTER", DRM_IOCTL_SET_MASTER },
		{ "DROP_MASTER", DRM_IOCTL_DROP_MASTER },
		{ "GEM_FLINK", DRM_IOCTL_GEM_FLINK },
		{ "GEM_OPEN", DRM_IOCTL_GEM_OPEN },
		{ "GET_CLIENT", DRM_IOCTL_GET_CLIENT },
		{ "GET_STATS", DRM_IOCTL_GET_STATS },
		{ "SET_CLIENT_CAP", DRM_IOCTL_SET_CLIENT_CAP },
		{ "MODE_GETRESOURCES", DRM_IOCTL_MODE_GETRESOURCES },
		{ "MODE_CREATE_DUMB", DRM_IOCTL_MODE_CREATE_DUMB },
	};
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		memset(arg, 0, sizeof(arg));
		is(plain(fd, refused[i].request, arg), -EOPNOTSUPP, "%s", refused[i].name);
	}
}

/* VERSION, GEM_CLOSE, GET_CAP, PRIME_* */
static bool allowed(unsigned int nr)
{
	return nr == 0x00 || nr == 0x09 || nr == 0x0c || nr == 0x2d || nr == 0x2e;
}

/* Any number, any size, any direction; no answer is expected but the next one. */
static void test_all(int fd, int byte)
{
	static uint8_t arg[65536];
	static const unsigned int sizes[] = { 0, 4, 8, 16, 32, 64, 256, 16383 };
	unsigned int nr, dir, i, odd = 0;

	for (nr = 0; nr < 256; nr++) {
		for (dir = 0; dir < 4; dir++) {
			for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
				unsigned long cmd = _IOC(dir, 'd', nr, sizes[i]);
				int ret;

				memset(arg, byte, sizeof(arg));
				ret = plain(fd, cmd, arg);
				odd += nr < DRM_COMMAND_BASE && !allowed(nr) && ret != -EOPNOTSUPP;
			}
		}
	}
	is(odd, 0, "every number with bytes %#x: refused below the driver's range", byte);
}

static void test_alive(int fd)
{
	struct drm_axon_job nop = job_nop();
	drmVersionPtr v = drmGetVersion(fd);
	uint64_t cap = 0;
	struct env e;

	ok(v, "VERSION still works");
	drmFreeVersion(v);
	ok(!drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &cap) && cap == 1, "GET_CAP too");
	env_open(&e, 0, 0);
	is(run(e.fd, e.queue, &nop, 1), 0, "and a job");
	env_close(&e);
}

int main(void)
{
	int fd;

	if (!geteuid()) {
		/* what udev's rule does for the group render, here for everybody */
		if (chmod("/dev/accel/accel0", 0666))
			bail("chmod");
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			bail("setresuid");
	}
	fd = drv_open();
	ok(geteuid() != 0, "an ordinary user");
	test_named(fd);
	test_all(fd, 0);
	close(fd);
	fd = drv_open();
	test_all(fd, 0xff);
	test_alive(fd);
	{
		struct drm_axon_ctx_create c = { .priority = DRM_AXON_PRIORITY_HIGH };

		vm_create(fd, &c.vm_id);
		is(drv_ioctl(fd, DRM_IOCTL_AXON_CTX_CREATE, &c), -EACCES,
		   "no high priority for him");
	}
	close(fd);
	return done();
}
