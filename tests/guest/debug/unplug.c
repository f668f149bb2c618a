// SPDX-License-Identifier: MIT
/*
 * unplug.c - the driver is taken from a card while a program's threads use it in every way.
 *
 * Each round: threads that share one open file create, bind, submit, map and read for a moment;
 * then the card is unbound under them. The unbinding must end, every thread must be told ENODEV
 * soon, mapped memory must stay readable, and what is closed afterwards must not touch the card.
 * Then the card is bound again and must work. Whether something was used after it was freed is for
 * the kernel to say: run it on the debug kernel too.
 *
 * usage: unplug NAME [ROUNDS]; NAME is a PCI device, e.g. 0000:02:00.0; prints TAP
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "drv.h"

#define VA		0x40000000ull
#define BO_SIZE		(1u << 20)
/* Nothing here is measured; these only keep a hang from lasting for ever. */
#define LIMIT_S		60

/**
 * struct shared - what the threads of a round have
 * @name: PCI device
 * @fd: open file
 * @over: leave even without ENODEV
 * @calls: calls that succeeded, so that a round in which nothing happened is seen
 */
struct shared {
	const char *name;
	int fd;
	atomic_bool over;
	atomic_uint calls;
};

/* The result of a call, which is counted. */
static int did(struct shared *s, int ret)
{
	if (!ret)
		atomic_fetch_add(&s->calls, 1);
	return ret;
}

static int call(struct shared *s, unsigned long request, void *arg)
{
	return did(s, drv_ioctl(s->fd, request, arg));
}

static int some_bo(struct shared *s, __u32 region, __u32 *handle)
{
	return did(s, bo_create(s->fd, BO_SIZE, region, DRM_AXON_BO_CPU_VISIBLE, 0, handle));
}

/* Others may be in the way (busy, nothing left); only the end of the card ends a thread. */
static bool goes_on(struct shared *s, int ret)
{
	return ret != -ENODEV && !atomic_load(&s->over);
}

static void *spaces(void *arg)
{
	struct shared *s = arg;
	__u32 vm;
	int ret;

	do {
		ret = did(s, vm_create(s->fd, &vm));
		if (!ret)
			did(s, vm_destroy(s->fd, vm));
	} while (goes_on(s, ret));
	return NULL;
}

static void *mappings(void *arg)
{
	struct shared *s = arg;
	__u32 vm, bo[2], i = 0;
	int ret;

	if (did(s, vm_create(s->fd, &vm)) || some_bo(s, DRM_AXON_REGION_HBM, &bo[0]) ||
	    some_bo(s, DRM_AXON_REGION_HOST, &bo[1]))
		return NULL;
	do {
		ret = did(s, vm_map(s->fd, vm, bo[i++ & 1], 0, VA, BO_SIZE, 0));
		if (!ret && !(i & 3))
			ret = did(s, vm_unmap(s->fd, vm, VA, BO_SIZE));
	} while (goes_on(s, ret));
	return NULL;
}

static int one_queue(struct shared *s, __u32 vm, __u32 syncobj)
{
	struct drm_axon_job jobs[8] = { { .opcode = AXON_CMD_NOP } };
	struct drm_axon_sync sync = { .handle = syncobj, .flags = DRM_AXON_SYNC_SIGNAL };
	struct drm_syncobj_wait w = { .handles = (uintptr_t)&syncobj, .count_handles = 1 };
	struct timespec now;
	__u32 ctx, queue;
	int ret, i;

	ret = did(s, ctx_create(s->fd, vm, &ctx));
	if (ret)
		return ret;
	ret = did(s, queue_create(s->fd, ctx, 0, 0, &queue));
	for (i = 0; i < 16 && !ret; i++)
		ret = did(s, submit(s->fd, queue, jobs, 8, &sync, 1, NULL));
	if (!ret) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		w.timeout_nsec = (now.tv_sec + LIMIT_S) * 1000000000ll;
		ret = call(s, DRM_IOCTL_SYNCOBJ_WAIT, &w);
	}
	ctx_destroy(s->fd, ctx);
	return ret;
}

static void *jobs(void *arg)
{
	struct shared *s = arg;
	__u32 vm, syncobj;
	int ret;

	if (did(s, vm_create(s->fd, &vm)) || did(s, syncobj_create(s->fd, &syncobj)))
		return NULL;
	do {
		ret = one_queue(s, vm, syncobj);
	} while (goes_on(s, ret));
	return NULL;
}

static void *memory(void *arg)
{
	struct shared *s = arg;
	int ret;

	do {
		struct drm_axon_bo_mmap_offset m = { 0 };
		volatile char *p;

		ret = some_bo(s, DRM_AXON_REGION_HBM, &m.handle);
		if (ret)
			continue;
		ret = call(s, DRM_IOCTL_AXON_BO_MMAP_OFFSET, &m);
		p = ret ? MAP_FAILED : mmap(NULL, BO_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
					    s->fd, m.offset);
		if (p != MAP_FAILED) {
			p[0] = p[BO_SIZE / 2] + 1;
			munmap((void *)p, BO_SIZE);
		}
		bo_close(s->fd, m.handle);
	} while (goes_on(s, ret));
	return NULL;
}

static void read_file(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

static void read_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	char path[512];

	while (dir && (e = readdir(dir))) {
		if (e->d_type != DT_REG || !strncmp(e->d_name, "resource", 8) ||
		    !strcmp(e->d_name, "rom"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		read_file(path);
	}
	if (dir)
		closedir(dir);
}

/* All an operator can read: sysfs, sensors, debugfs, fdinfo. */
static void *readers(void *arg)
{
	struct shared *s = arg;
	char path[300];

	do {
		char answer[4096];
		struct drm_axon_dev_query q = { .type = DRM_AXON_QUERY_CORES,
						.size = sizeof(answer), .ptr = (uintptr_t)answer };

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", s->name);
		read_folder(path);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/core0", s->name);
		read_folder(path);
		snprintf(path, sizeof(path), "/sys/kernel/debug/accel/%s", s->name);
		read_folder(path);
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->fd);
		read_file(path);
		if (call(s, DRM_IOCTL_AXON_DEV_QUERY, &q) == -ENODEV)
			break;
	} while (!atomic_load(&s->over));
	return NULL;
}

static void *map_some(struct shared *s, __u32 region)
{
	struct drm_axon_bo_mmap_offset m = { 0 };
	char *p;

	if (some_bo(s, region, &m.handle) || call(s, DRM_IOCTL_AXON_BO_MMAP_OFFSET, &m))
		return NULL;
	p = mmap(NULL, BO_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, m.offset);
	if (p == MAP_FAILED)
		return NULL;
	memset(p, 0x77, 8192);
	return p;
}

static bool join(pthread_t *threads, int n)
{
	struct timespec end;
	bool all = true;
	int i;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LIMIT_S;
	for (i = 0; i < n; i++)
		if (pthread_timedjoin_np(threads[i], NULL, &end))
			all = false;
	return all;
}

/* Return: NULL, or what went wrong. */
static const char *run_round(const char *name)
{
	void *(*const work[])(void *) = { spaces, spaces, mappings, jobs, jobs, memory, readers };
	enum { N = sizeof(work) / sizeof(work[0]) };
	struct shared s = { .name = name };
	volatile char *hbm, *host;
	struct timespec moment = { .tv_nsec = 400 * 1000 * 1000 };
	pthread_t threads[N];
	int i, ret;

	s.fd = card_open(name);
	if (s.fd < 0)
		return "the card cannot be opened";
	hbm = map_some(&s, DRM_AXON_REGION_HBM);
	host = map_some(&s, DRM_AXON_REGION_HOST);
	if (!hbm || !host)
		return "no memory could be mapped";
	for (i = 0; i < N; i++)
		if (pthread_create(&threads[i], NULL, work[i], &s))
			return "no thread";
	nanosleep(&moment, NULL);
	ret = card_driver("unbind", name);
	if (ret)
		return "unbind failed";
	printf("# %u calls before\n", atomic_load(&s.calls));
	if (!join(threads, N)) {
		printf("not ok - a thread never came back\n");
		exit(1);	/* the stack they use is this function's */
	}
	if (!atomic_load(&s.calls))
		return "nothing was going on";
	/* the card's memory is gone, but no program dies of that */
	hbm[BO_SIZE - 1] = 1;
	hbm[0] = hbm[BO_SIZE - 1];
	if (host[0] != 0x77)
		return "host memory lost its content";
	munmap((void *)hbm, BO_SIZE);
	close(s.fd);	/* the host buffer's mapping keeps the file */
	munmap((void *)host, BO_SIZE);
	return card_driver("bind", name) ? "the card cannot be bound again" : NULL;
}

int main(int argc, char **argv)
{
	int i, rounds = argc > 2 ? atoi(argv[2]) : 3, bad = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: unplug NAME [ROUNDS]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%d\n", rounds);
	for (i = 1; i <= rounds; i++) {
		const char *why = run_round(argv[1]);

		printf("%s %d - round %d%s%s\n", why ? "not ok" : "ok", i, i, why ? ": " : "",
		       why ? why : "");
		bad += !!why;
	}
	return bad != 0;
}
