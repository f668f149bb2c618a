// SPDX-License-Identifier: MIT
/*
 * fail-nth.c - every allocation and every copy from or to the user that an ioctl of the driver
 * does fails once.
 *
 * Each step of a program's life is done again and again, with the kernel told to fail the 1st, 2nd,
 * 3rd... thing that can fail in it, until it is through without a failure. A step that failed must
 * say a sensible errno and must work when it is asked again at once; what it may have left behind
 * is for KASAN, lockdep and kmemleak to find. Needs the debug kernel (/proc/self/fail-nth).
 *
 * usage: fail-nth NODE [SIBLING]; prints TAP; SIBLING is the node of another card of the fabric,
 *        whose buffers are then imported as well
 *        fail-nth --bind NAME STRIDE; the same for the driver's probe of a PCI device, e.g.
 *        0000:01:00.0, which must not be in use; only each STRIDEth allocation, since a probe takes
 *        seconds
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

#define VA_HBM		0x40000000ull
#define VA_HOST		0x80000000ull
#define VA_LINK		0xc0000000ull
#define BO_SIZE		(4u << 20)
/* No step has as many places that can fail; a step that never ends is a finding. */
#define MAX_PLACES	2000

/**
 * struct life - what the steps made so far
 * @node: device node, or with --bind the PCI device
 * @fail: /proc/self/fail-nth
 * @fd: the open file
 * @hbm: buffer in HBM
 * @host: buffer in host memory
 * @map: mapping of a buffer
 * @mapped: which
 * @vm: address space
 * @ctx: context
 * @queue: queue
 * @syncobj: what a submission signals
 * @dmabuf: exported buffer
 * @far: buffers of the sibling, exported: HBM, host memory
 * @near: the same, imported
 */
struct life {
	const char *node;
	int fail;
	int fd;
	__u32 hbm;
	__u32 host;
	void *map;
	__u32 mapped;
	__u32 vm;
	__u32 ctx;
	__u32 queue;
	__u32 syncobj;
	int dmabuf;
	int far[2];
	__u32 near[2];
};

/**
 * struct step - something that may fail
 * @name: for the report
 * @go: does it; 0 or a negative errno
 * @undo: takes it back so that it can be done again, or NULL when it can without
 */
struct step {
	const char *name;
	int (*go)(struct life *l);
	void (*undo)(struct life *l);
};

static int call(struct life *l, unsigned long request, void *arg)
{
	return drv_ioctl_once(l->fd, request, arg);
}

static int go_open(struct life *l)
{
	l->fd = open(l->node, O_RDWR | O_CLOEXEC);
	return l->fd < 0 ? -errno : 0;
}

static void undo_open(struct life *l)
{
	close(l->fd);
}

static int query(struct life *l, __u32 type)
{
	char answer[4096];
	struct drm_axon_dev_query q = { .type = type, .size = sizeof(answer),
					.ptr = (uintptr_t)answer };

	return call(l, DRM_IOCTL_AXON_DEV_QUERY, &q);
}

static int go_query_device(struct life *l)
{
	return query(l, DRM_AXON_QUERY_DEVICE);
}

static int go_query_regions(struct life *l)
{
	return query(l, DRM_AXON_QUERY_MEM_REGIONS);
}

static int go_query_cores(struct life *l)
{
	return query(l, DRM_AXON_QUERY_CORES);
}

static int go_query_links(struct life *l)
{
	return query(l, DRM_AXON_QUERY_LINKS);
}

static int go_query_telemetry(struct life *l)
{
	return query(l, DRM_AXON_QUERY_TELEMETRY);
}

static int go_vm(struct life *l)
{
	struct drm_axon_vm_create c = { 0 };
	int ret = call(l, DRM_IOCTL_AXON_VM_CREATE, &c);

	l->vm = c.vm_id;
	return ret;
}

static void undo_vm(struct life *l)
{
	struct drm_axon_vm_destroy d = { .vm_id = l->vm };

	call(l, DRM_IOCTL_AXON_VM_DESTROY, &d);
}

static int create_bo(struct life *l, __u32 region, __u32 vm, __u32 *handle)
{
	struct drm_axon_bo_create c = { .size = BO_SIZE, .region = region, .vm_id = vm,
					.flags = DRM_AXON_BO_CPU_VISIBLE };
	int ret = call(l, DRM_IOCTL_AXON_BO_CREATE, &c);

	*handle = c.handle;
	return ret;
}

static void close_bo(struct life *l, __u32 handle)
{
	struct drm_gem_close c = { .handle = handle };

	call(l, DRM_IOCTL_GEM_CLOSE, &c);
}

static int go_hbm(struct life *l)
{
	return create_bo(l, DRM_AXON_REGION_HBM, 0, &l->hbm);
}

static void undo_hbm(struct life *l)
{
	close_bo(l, l->hbm);
}

static int go_private(struct life *l)
{
	__u32 handle;
	int ret = create_bo(l, DRM_AXON_REGION_HBM, l->vm, &handle);

	if (!ret)
		close_bo(l, handle);
	return ret;
}

static int go_host(struct life *l)
{
	return create_bo(l, DRM_AXON_REGION_HOST, 0, &l->host);
}

static void undo_host(struct life *l)
{
	close_bo(l, l->host);
}

static void undo_map(struct life *l)
{
	if (l->map)
		munmap(l->map, BO_SIZE);
	l->map = NULL;
}

static int map_bo(struct life *l, __u32 handle)
{
	struct drm_axon_bo_mmap_offset m = { .handle = handle };
	int ret = call(l, DRM_IOCTL_AXON_BO_MMAP_OFFSET, &m);

	undo_map(l);
	if (ret)
		return ret;
	l->mapped = handle;
	l->map = mmap(NULL, BO_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, m.offset);
	if (l->map == MAP_FAILED) {
		l->map = NULL;
		return -errno;
	}
	return 0;
}

static int go_map_hbm(struct life *l)
{
	return map_bo(l, l->hbm);
}

static int go_map_host(struct life *l)
{
	return map_bo(l, l->host);
}

/*
 * Touching memory is done by the kernel: a fault that fails is then an error of the call, where
 * the program itself would be killed.
 */
static int go_touch(struct life *l)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, (char *)l->map + BO_SIZE / 2, 8192);
	close(fd);
	return n == 8192 ? 0 : -EFAULT;
}

static void undo_touch(struct life *l)
{
	map_bo(l, l->mapped);
}

static int bind_flags(struct life *l, __u32 op, __u32 handle, __u64 offset, __u64 addr, __u64 size,
		      __u32 flags)
{
	struct drm_axon_bind_op o = { .op = op, .flags = flags, .handle = handle,
				      .bo_offset = offset, .addr = addr, .size = size };
	struct drm_axon_vm_bind b = { .vm_id = l->vm, .ops = {
		.stride = sizeof(o), .count = 1, .ptr = (uintptr_t)&o } };

	return call(l, DRM_IOCTL_AXON_VM_BIND, &b);
}

static int bind_bo(struct life *l, __u32 op, __u32 handle, __u64 offset, __u64 addr, __u64 size)
{
	return bind_flags(l, op, handle, offset, addr, size, 0);
}

static int go_bind_hbm(struct life *l)
{
	return bind_bo(l, DRM_AXON_BIND_MAP, l->hbm, 0, VA_HBM, BO_SIZE);
}

static void undo_bind_hbm(struct life *l)
{
	bind_bo(l, DRM_AXON_BIND_UNMAP, 0, 0, VA_HBM, BO_SIZE);
}

static int go_bind_host(struct life *l)
{
	return bind_bo(l, DRM_AXON_BIND_MAP, l->host, 0, VA_HOST, BO_SIZE);
}

static void undo_bind_host(struct life *l)
{
	bind_bo(l, DRM_AXON_BIND_UNMAP, 0, 0, VA_HOST, BO_SIZE);
}

/* A page in the middle: the mapping and its large leaf are cut in three. */
static int go_punch(struct life *l)
{
	return bind_bo(l, DRM_AXON_BIND_UNMAP, 0, 0, VA_HBM + BO_SIZE / 2, 4096);
}

static int go_replace(struct life *l)
{
	return bind_bo(l, DRM_AXON_BIND_MAP, l->host, 8192, VA_HBM + 0x3000, 0x5000);
}

static void undo_cut(struct life *l)
{
	undo_bind_hbm(l);
	go_bind_hbm(l);
}

static int go_ctx(struct life *l)
{
	struct drm_axon_ctx_create c = { .vm_id = l->vm, .priority = DRM_AXON_PRIORITY_NORMAL };
	int ret = call(l, DRM_IOCTL_AXON_CTX_CREATE, &c);

	l->ctx = c.ctx_id;
	return ret;
}

static void undo_ctx(struct life *l)
{
	struct drm_axon_ctx_destroy d = { .ctx_id = l->ctx };

	call(l, DRM_IOCTL_AXON_CTX_DESTROY, &d);
}

static int go_queue(struct life *l)
{
	struct drm_axon_queue_create c = { .ctx_id = l->ctx };
	int ret = call(l, DRM_IOCTL_AXON_QUEUE_CREATE, &c);

	l->queue = c.queue_id;
	return ret;
}

static void undo_queue(struct life *l)
{
	struct drm_axon_queue_destroy d = { .queue_id = l->queue };

	call(l, DRM_IOCTL_AXON_QUEUE_DESTROY, &d);
}

static int go_syncobj(struct life *l)
{
	struct drm_syncobj_create c = { 0 };
	int ret = call(l, DRM_IOCTL_SYNCOBJ_CREATE, &c);

	l->syncobj = c.handle;
	return ret;
}

static void undo_syncobj(struct life *l)
{
	struct drm_syncobj_destroy d = { .handle = l->syncobj };

	call(l, DRM_IOCTL_SYNCOBJ_DESTROY, &d);
}

/* A wait for the point before and a signal of the next one, over three jobs. */
static int submit_next(struct life *l, __u64 point)
{
	struct drm_axon_job jobs[3] = {
		{ .opcode = AXON_CMD_NOP },
		{ .opcode = AXON_CMD_FILL, .operand = { VA_HBM, 0x5a, 4096 } },
		{ .opcode = AXON_CMD_NOP },
	};
	struct drm_axon_sync syncs[2] = {
		{ .handle = l->syncobj, .flags = DRM_AXON_SYNC_SIGNAL, .point = point + 1 },
		{ .handle = l->syncobj, .flags = DRM_AXON_SYNC_WAIT, .point = point },
	};
	struct drm_axon_submit s = {
		.queue_id = l->queue,
		.jobs = { .stride = sizeof(jobs[0]), .count = 3, .ptr = (uintptr_t)jobs },
		.syncs = { .stride = sizeof(syncs[0]), .count = point ? 2 : 1,
			   .ptr = (uintptr_t)syncs },
	};

	return call(l, DRM_IOCTL_AXON_SUBMIT, &s);
}

static int query_point(struct life *l, __u64 *point)
{
	struct drm_syncobj_timeline_array q = {
		.handles = (uintptr_t)&l->syncobj, .points = (uintptr_t)point,
		.count_handles = 1, .flags = DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED,
	};

	return call(l, DRM_IOCTL_SYNCOBJ_QUERY, &q);
}

static int go_submit(struct life *l)
{
	__u64 point = 0;
	int ret = query_point(l, &point);

	return ret ? ret : submit_next(l, point);
}

static int go_wait(struct life *l)
{
	__u64 point = 0;
	struct drm_syncobj_timeline_wait w = {
		.handles = (uintptr_t)&l->syncobj, .points = (uintptr_t)&point,
		.count_handles = 1, .flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL,
	};
	struct timespec now;
	int ret = query_point(l, &point);

	if (ret)
		return ret;
	clock_gettime(CLOCK_MONOTONIC, &now);
	w.timeout_nsec = (now.tv_sec + 30) * 1000000000ll;
	return call(l, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &w);
}

static int go_wait_queue(struct life *l)
{
	struct drm_axon_queue_wait w = { .queue_id = l->queue, .seqno = 1, .spin_us = 10 };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	w.timeout_ns = (now.tv_sec + 30) * 1000000000ll;
	return call(l, DRM_IOCTL_AXON_QUEUE_WAIT, &w);
}

static int go_states(struct life *l)
{
	struct drm_axon_ctx_get_state c = { .ctx_id = l->ctx };
	struct drm_axon_queue_get_state q = { .queue_id = l->queue };
	int ret = call(l, DRM_IOCTL_AXON_CTX_GET_STATE, &c);

	if (!ret && c.state)
		return -EIO;	/* nothing that failed here may have banned the context */
	return ret ? ret : call(l, DRM_IOCTL_AXON_QUEUE_GET_STATE, &q);
}

static int go_export(struct life *l)
{
	struct drm_prime_handle p = { .handle = l->host, .flags = DRM_CLOEXEC, .fd = -1 };
	int ret = call(l, DRM_IOCTL_PRIME_HANDLE_TO_FD, &p);

	l->dmabuf = p.fd;
	return ret;
}

static void undo_export(struct life *l)
{
	close(l->dmabuf);
}

static int go_import(struct life *l)
{
	struct drm_prime_handle p = { .fd = l->dmabuf };
	int ret = call(l, DRM_IOCTL_PRIME_FD_TO_HANDLE, &p);

	return ret ? ret : p.handle == l->host ? 0 : -EBADF;
}

static int import_far(struct life *l, int i)
{
	struct drm_prime_handle p = { .fd = l->far[i] };
	int ret = call(l, DRM_IOCTL_PRIME_FD_TO_HANDLE, &p);

	l->near[i] = p.handle;
	return ret;
}

static int go_import_link(struct life *l)
{
	return import_far(l, 0);
}

static void undo_import_link(struct life *l)
{
	close_bo(l, l->near[0]);
}

static int go_import_host(struct life *l)
{
	return import_far(l, 1);
}

static void undo_import_host(struct life *l)
{
	close_bo(l, l->near[1]);
}

static int go_bind_link(struct life *l)
{
	return bind_flags(l, DRM_AXON_BIND_MAP, l->near[0], 0, VA_LINK, BO_SIZE,
			  DRM_AXON_BIND_NOEXEC);
}

static int go_bind_far_host(struct life *l)
{
	return bind_bo(l, DRM_AXON_BIND_MAP, l->near[1], 0, VA_LINK, BO_SIZE);
}

static void undo_bind_far(struct life *l)
{
	bind_bo(l, DRM_AXON_BIND_UNMAP, 0, 0, VA_LINK, BO_SIZE);
}

static int go_map_far_host(struct life *l)
{
	return map_bo(l, l->near[1]);
}

/* What a sibling card has to offer; nothing fails here. */
static void open_sibling(struct life *l, const char *node)
{
	static const __u32 region[] = { DRM_AXON_REGION_HBM, DRM_AXON_REGION_HOST };
	struct life s = { .fd = open(node, O_RDWR | O_CLOEXEC) };
	int i;

	for (i = 0; i < 2; i++) {
		struct drm_prime_handle p = { .flags = DRM_CLOEXEC | DRM_RDWR };

		if (create_bo(&s, region[i], 0, &p.handle) ||
		    call(&s, DRM_IOCTL_PRIME_HANDLE_TO_FD, &p)) {
			perror(node);
			exit(1);
		}
		l->far[i] = p.fd;
	}
}

static int go_fdinfo(struct life *l)
{
	char path[64], text[4096];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", l->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text)) <= 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int go_bind(struct life *l)
{
	return card_driver("bind", l->node);
}

static void undo_bind(struct life *l)
{
	card_driver("unbind", l->node);
}

static const struct step steps_bind[] = {
	{ "probe", go_bind, undo_bind },
};

static const struct step steps[] = {
	{ "open", go_open, undo_open },
	{ "query the device", go_query_device, NULL },
	{ "query the memories", go_query_regions, NULL },
	{ "query the cores", go_query_cores, NULL },
	{ "query the sensors", go_query_telemetry, NULL },
	{ "create an address space", go_vm, undo_vm },
	{ "create a buffer in HBM", go_hbm, undo_hbm },
	{ "create a private buffer", go_private, NULL },
	{ "create a buffer in host memory", go_host, undo_host },
	{ "map the HBM buffer", go_map_hbm, undo_map },
	{ "touch it", go_touch, undo_touch },
	{ "unmap it, map the host buffer", go_map_host, undo_map },
	{ "touch that", go_touch, undo_touch },
	{ "bind the HBM buffer", go_bind_hbm, undo_bind_hbm },
	{ "bind the host buffer", go_bind_host, undo_bind_host },
	{ "unbind a page in the middle", go_punch, undo_cut },
	{ "bind over a part", go_replace, undo_cut },
	{ "create a context", go_ctx, undo_ctx },
	{ "create a queue", go_queue, undo_queue },
	{ "create a syncobj", go_syncobj, undo_syncobj },
	{ "submit", go_submit, NULL },
	{ "wait", go_wait, NULL },
	{ "wait for the queue", go_wait_queue, NULL },
	{ "ask for states", go_states, NULL },
	{ "export the host buffer", go_export, undo_export },
	{ "import it", go_import, NULL },
	{ "read fdinfo", go_fdinfo, NULL },
};

/* Done after the others, with a sibling. */
static const struct step steps_sibling[] = {
	{ "query the links", go_query_links, NULL },
	{ "import a sibling's HBM", go_import_link, undo_import_link },
	{ "bind it", go_bind_link, undo_bind_far },
	{ "import a sibling's host buffer", go_import_host, undo_import_host },
	{ "bind that over it", go_bind_far_host, undo_bind_far },
	{ "map it", go_map_far_host, undo_map },
	{ "touch it", go_touch, undo_touch },
};

/*
 * What a call may say that found no memory. The PCI core says ENODEV when interrupts need some, and
 * EBUSY when the record of a requested region does.
 */
static bool sensible(const struct step *s, int error)
{
	return error == -ENOMEM || error == -EFAULT || error == -ENOSPC || error == -EINTR ||
	       error == -EAGAIN || (s->go == go_bind && (error == -ENODEV || error == -EBUSY));
}

static void arm(struct life *l, unsigned int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", nth);

	/* taking the order back may itself be the copy that fails; it is taken back all the same */
	if (pwrite(l->fail, text, n, 0) != n && nth) {
		perror("/proc/self/fail-nth");
		exit(1);
	}
}

/* Did what was ordered come to pass? Reading this may be the copy that fails: then it had not. */
static bool came_to_pass(struct life *l)
{
	char text[16] = "";

	return pread(l->fail, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
}

/*
 * Every @stride th place fails once. Return: the number of calls that failed, or -1 with a reason
 * printed.
 */
static int run_step(struct life *l, const struct step *s, int stride)
{
	int nth, failed = 0;

	for (nth = 1; nth < MAX_PLACES; nth += stride) {
		bool hit;
		int ret;

		arm(l, nth);
		ret = s->go(l);
		hit = came_to_pass(l);
		arm(l, 0);
		if (!hit) {
			if (!ret)
				return failed;
			printf("# not disturbed, yet it failed: %s\n", strerror(-ret));
			return -1;
		}
		if (ret)
			failed++;
		if (ret && !sensible(s, ret)) {
			printf("# failure %d gave: %s\n", nth, strerror(-ret));
			return -1;
		}
		if (ret) {
			ret = s->go(l);
			if (ret) {
				printf("# after failure %d: %s\n", nth, strerror(-ret));
				return -1;
			}
		}
		if (s->undo)
			s->undo(l);
	}
	printf("# no end after %d failures\n", nth);
	return -1;
}

/* Return: the steps that failed. */
static unsigned int run_all(struct life *l, const struct step *s, unsigned int num,
			    unsigned int first, int stride, unsigned int *errors)
{
	unsigned int i, bad = 0;

	for (i = 0; i < num; i++) {
		int n = run_step(l, &s[i], stride);

		if (n < 0)
			bad++;
		else
			*errors += n;
		printf("%s %u - %s (%d errors)\n", n < 0 ? "not ok" : "ok", first + i, s[i].name,
		       n);
	}
	return bad;
}

static void set_knob(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		printf("# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Where a function of the kernel is, or all of a module if @name is NULL. */
static bool find_text(const char *name, const char *module, unsigned long long *start,
		      unsigned long long *end)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long addr, next = ~0ull;
	char line[512], sym[256], mod[64];

	*start = ~0ull;
	*end = 0;
	while (f && fgets(line, sizeof(line), f)) {
		int n = sscanf(line, "%llx %*c %255s [%63[^]]", &addr, sym, mod);

		if (n < 2 || (module && (n < 3 || strcmp(mod, module))))
			continue;
		if (name ? !strcmp(sym, name) : true) {
			*start = addr < *start ? addr : *start;
			*end = addr > *end ? addr : *end;
		}
	}
	/* a function ends where the next symbol is */
	rewind(f);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx", &addr) == 1 && addr > *end && addr < next)
			next = addr;
	*end = next;
	if (f)
		fclose(f);
	return *start != ~0ull;
}

static void set_range(const char *what, const char *kind, const char *name, const char *module)
{
	unsigned long long start, end;
	char knob[64], text[32];

	if (!find_text(name, module, &start, &end)) {
		printf("# no %s in this kernel\n", name ? name : module);
		return;
	}
	snprintf(knob, sizeof(knob), "%s/%s-start", what, kind);
	snprintf(text, sizeof(text), "0x%llx", start);
	set_knob(knob, text);
	snprintf(knob, sizeof(knob), "%s/%s-end", what, kind);
	snprintf(text, sizeof(text), "0x%llx", end);
	set_knob(knob, text);
}

/*
 * Two places of the 6.12 kernel do not survive a failed allocation, and everything after them would
 * be noise; no driver can do anything about either:
 * - the buddy allocator (drivers/gpu/buddy.c) corrupts itself when it cannot split a block:
 *   alloc_from_freetree() gives a block "back" that never left its tree;
 * - drm_minor_alloc() stores an error pointer as the minor's device, which its release then puts.
 */
static void spare_kernel(void)
{
	set_range("failslab", "reject", "split_block", NULL);
	set_range("fail_page_alloc", "reject", "split_block", NULL);
}

/*
 * There is one range to reject, so the allocator is left out by its cache here; and so are the
 * files of /proc/irq, whose making may fail without a word but whose removal then warns.
 */
static void spare_kernel_in_probe(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char path[320];
		bool spared;
		int fd;

		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/failslab", e->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		spared = !strcmp(e->d_name, "gpu_buddy_block") ||
			 !strcmp(e->d_name, "proc_dir_entry");
		if (write(fd, spared ? "0" : "1", 1) < 0)
			printf("# %s: %s\n", path, strerror(errno));
		close(fd);
	}
	if (dir)
		closedir(dir);
	set_knob("failslab/cache-filter", "Y");
	set_knob("fail_page_alloc/min-order", "20");
	set_range("failslab", "reject", "drm_sysfs_minor_alloc", "drm");
	/* the driver core around the probe is not the driver's business */
	set_range("failslab", "require", NULL, "axon");
}

/* What the kernel's knobs must be: everything may fail, also what may sleep, and say nothing. */
static void set_knobs(void)
{
	set_knob("failslab/ignore-gfp-wait", "N");
	set_knob("failslab/verbose", "0");
	set_knob("fail_page_alloc/ignore-gfp-wait", "N");
	set_knob("fail_page_alloc/ignore-gfp-highmem", "N");
	set_knob("fail_page_alloc/min-order", "0");
	set_knob("fail_page_alloc/verbose", "0");
	set_knob("fail_usercopy/verbose", "0");
	spare_kernel();
}

int main(int argc, char **argv)
{
	bool bind = argc > 3 && !strcmp(argv[1], "--bind");
	struct life l = { .node = "/dev/accel/accel0", .dmabuf = -1 };
	const struct step *s = bind ? steps_bind : steps;
	unsigned int num = bind ? 1 : sizeof(steps) / sizeof(steps[0]);
	bool sibling = !bind && argc > 2;
	unsigned int more = sibling ? sizeof(steps_sibling) / sizeof(steps_sibling[0]) : 0;
	int stride = bind ? atoi(argv[3]) : 1;
	unsigned int bad, errors = 0, enough = bind ? 10 : 50;

	if (argc > 1)
		l.node = argv[bind ? 2 : 1];
	l.fail = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (l.fail < 0) {
		printf("no /proc/self/fail-nth: not the debug kernel\n");
		return 77;
	}
	if (stride < 1) {
		fprintf(stderr, "usage: fail-nth NODE [SIBLING] | --bind NAME STRIDE\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	set_knobs();
	if (bind)
		spare_kernel_in_probe();
	printf("1..%u\n", num + more + 1);
	if (bind)
		undo_bind(&l);
	if (sibling)
		open_sibling(&l, argv[2]);
	bad = run_all(&l, s, num, 1, stride, &errors);
	bad += run_all(&l, steps_sibling, more, num + 1, stride, &errors);
	/* a test that no failure ever reached would pass on any driver */
	printf("%s %u - failures reached the driver (%u errors in all)\n",
	       errors > enough ? "ok" : "not ok", num + more + 1, errors);
	return bad || errors <= enough;
}
