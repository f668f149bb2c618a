// SPDX-License-Identifier: MIT
/*
 * test-link.c - two cards of a fabric: what they know of each other, a sibling's memory imported,
 * bound and copied from and to, who keeps it alive, who cannot reach it.
 *
 * What happens when one of the cards goes is in test-link-gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/udmabuf.h>

#include "drv.h"

#define VA		0x40000000ull	/* where a sibling's memory is bound */
#define BIG		(6u << 20)	/* pages of 2 MiB and of 4 KiB */
#define NOEXEC		DRM_AXON_BIND_NOEXEC
#define VISIBLE		DRM_AXON_BO_CPU_VISIBLE

static struct env a, b;
static struct drm_axon_query_device da, db;

static struct drm_axon_link link_of(int fd, uint32_t peer)
{
	struct drm_axon_link l[AXON_MAX_PEERS];
	uint32_t i, size = sizeof(l);

	if (drv_query(fd, DRM_AXON_QUERY_LINKS, l, &size))
		bail("no links");
	for (i = 0; i < size / sizeof(l[0]) && i < AXON_MAX_PEERS; i++)
		if (l[i].peer == peer)
			return l[i];
	bail("no link to card %u", peer);
}

static void test_query(void)
{
	struct drm_axon_link l = link_of(a.fd, db.fabric_id);
	char name[CARD_NAME], file[32], text[32];
	uint32_t size = 0;

	ok(da.fabric_uid && da.fabric_uid == db.fabric_uid, "both are in one fabric");
	is(da.fabric_cards, db.fabric_cards, "of as many places");
	ok(da.fabric_id < da.fabric_cards && db.fabric_id < da.fabric_cards &&
	   da.fabric_id != db.fabric_id, "each in its own");
	is(drv_query(a.fd, DRM_AXON_QUERY_LINKS, NULL, &size), 0, "the size of the answer");
	is(size, (da.fabric_cards - 1) * sizeof(l), "is one entry a peer");
	is(l.state, AXON_PEER_UP, "the peer is up");
	is(l.distance, 1, "and the next one");
	ok(l.lanes && l.bandwidth >= 1000000 && l.latency_ns, "%u lanes, %llu bytes/s, %u ns",
	   l.lanes, (unsigned long long)l.bandwidth, l.latency_ns);
	is(l.reserved, 0, "reserved is 0");

	card_name(a.fd, name);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)da.fabric_uid);
	ok(card_file_is(name, "fabric_uid", text), "sysfs: fabric_uid");
	snprintf(text, sizeof(text), "%u", da.fabric_id);
	ok(card_file_is(name, "fabric_id", text), "sysfs: fabric_id");
	snprintf(file, sizeof(file), "link%u/state", db.fabric_id);
	ok(card_file_is(name, file, "up"), "sysfs: state of the link");
	snprintf(file, sizeof(file), "link%u/bandwidth", db.fabric_id);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)l.bandwidth);
	ok(card_file_is(name, file, text), "sysfs: its bandwidth");
	snprintf(file, sizeof(file), "link%u/distance", db.fabric_id);
	ok(card_file_is(name, file, "1"), "sysfs: its length");
}

/* What an import is, and what it refuses. */
static void test_object(void)
{
	struct drm_axon_bo_info info;
	uint32_t bo, vm, other, link, again;
	uint64_t offset;
	int fd, copy;

	bo_create(b.fd, BIG, DRM_AXON_REGION_HBM, VISIBLE, 0, &bo);
	is(bo_export(b.fd, bo, &fd), 0, "export");
	is(bo_import(a.fd, fd, &link), 0, "import by the sibling");
	is(bo_import(a.fd, fd, &again), 0, "and once more");
	is(again, link, "is the same handle");
	is(bo_info(a.fd, link, &info), 0, "BO_INFO");
	is(info.region, DRM_AXON_REGION_LINK, "region LINK");
	is(info.peer, db.fabric_id, "of that card");
	is(info.size, BIG, "its size");
	is(info.flags, 0, "not visible for the CPU");
	is(bo_offset(a.fd, link, &offset), -EINVAL, "no mmap() through the importer");
	is(bo_export(a.fd, link, &copy), -EPERM, "not exported again");
	is(bo_import(b.fd, fd, &again), 0, "imported by its own card");
	is(again, bo, "it is the buffer itself");
	is(vm_map(a.fd, a.vm, link, 0, VA, BIG, 0), -EINVAL, "not bound for execution");
	is(vm_map(a.fd, a.vm, link, 0, VA, BIG, DRM_AXON_BIND_READONLY), -EINVAL,
	   "nor read-only so");
	is(vm_map(a.fd, a.vm, link, 4096, VA, BIG, NOEXEC), -EINVAL, "not beyond its end");
	is(vm_map(a.fd, a.vm, link, BIG, VA, 4096, NOEXEC), -EINVAL, "not behind it");
	is(vm_map(a.fd, a.vm, link, 0, VA, BIG, NOEXEC), 0, "bound");
	is(vm_unmap(a.fd, a.vm, VA + 4096, 4096), 0, "unbound in part");
	is(vm_map(a.fd, a.vm, a.data, 0, VA, 4096, NOEXEC), 0, "replaced in part");
	is(vm_unmap(a.fd, a.vm, VA, BIG), 0, "unbound");
	is(bo_close(a.fd, link), 0, "closed");
	is(bo_create(a.fd, 4096, DRM_AXON_REGION_LINK, 0, 0, &other), -EINVAL,
	   "BO_CREATE makes none");
	close(fd);
	bo_close(b.fd, bo);
	vm_create(b.fd, &vm);
	bo_create(b.fd, 4096, DRM_AXON_REGION_HBM, 0, vm, &bo);
	is(bo_export(b.fd, bo, &fd), -EPERM, "a private buffer is not exported");
	bo_close(b.fd, bo);
	vm_destroy(b.fd, vm);
	bo_create(b.fd, 4096, DRM_AXON_REGION_HBM, 0, 0, &bo);
	link = bo_pass(b.fd, bo, a.fd);
	vm_create(a.fd, &vm);
	is(vm_map(a.fd, vm, link, 0, VA, 4096, NOEXEC), 0, "bound in another VM");
	is(vm_destroy(a.fd, vm), 0, "which is destroyed with it");
	bo_close(a.fd, link);
	bo_close(b.fd, bo);
}

/* Memory of other drivers, and files that are none. */
static void test_foreign(void)
{
	struct udmabuf_create c = { .size = 65536, .flags = UDMABUF_FLAGS_CLOEXEC };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd = -1;
	uint32_t handle;

	is(bo_import(a.fd, a.fd, &handle), -EINVAL, "a file that is no buffer");
	is(bo_import(a.fd, -1, &handle), -EBADF, "no file");
	c.memfd = memfd_create("x", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (!ftruncate(c.memfd, c.size) && !fcntl(c.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		fd = ioctl(dev, UDMABUF_CREATE, &c);
	if (fd < 0)
		skip("no udmabuf in this kernel");
	else
		is(bo_import(a.fd, fd, &handle), -EOPNOTSUPP, "another driver's memory");
	close(fd);
	close(c.memfd);
	close(dev);
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	size_t i;

	for (i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = seed >> 24;
	}
}

static const struct {
	uint32_t far, near, size;
} copies[] = {
	{ 0, 0, BIG }, { 0, 0, 1 }, { 4095, 1, 2 }, { 4097, 3, 12345 }, { (2 << 20) - 5, 7, 10 },
	{ (2 << 20) + 4096 - 3, 0, 2 << 20 }, { BIG - 1, BIG - 1, 1 }, { 1, BIG - 99, 98 },
};

/*
 * @e copies between its own memory and the sibling's, both ways; what arrives is what was sent, and
 * nothing beside it moves.
 */
static void copy_between(struct env *e, struct env *sibling, uint32_t sibling_id, const char *name)
{
	uint8_t *far, *near, *want = malloc(BIG);
	uint32_t far_bo, near_bo, link, i, bad = 0;
	struct drm_axon_link before, after;
	uint64_t bytes = 0;

	bo_create(sibling->fd, BIG, DRM_AXON_REGION_HBM, VISIBLE, 0, &far_bo);
	bo_create(e->fd, BIG, DRM_AXON_REGION_HBM, VISIBLE, 0, &near_bo);
	far = bo_map(sibling->fd, far_bo, BIG);
	near = bo_map(e->fd, near_bo, BIG);
	link = bo_pass(sibling->fd, far_bo, e->fd);
	if (!far || !near || !want || vm_map(e->fd, e->vm, link, 0, VA, BIG, NOEXEC) ||
	    vm_map(e->fd, e->vm, near_bo, 0, 2 * VA, BIG, NOEXEC))
		bail("no memory to copy");
	before = link_of(e->fd, sibling_id);
	for (i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
		uint32_t f = copies[i].far, n = copies[i].near, size = copies[i].size;
		struct drm_axon_job put = job_copy(VA + f, 2 * VA + n, size);
		struct drm_axon_job get = job_copy(2 * VA + n, VA + f, size);

		fill(near, BIG, i);
		fill(far, BIG, ~i);
		memcpy(want, far, BIG);
		memcpy(want + f, near + n, size);
		bad += run(e->fd, e->queue, &put, 1) != 0 || memcmp(want, far, BIG);
		fill(near, BIG, i + 100);
		memcpy(want, near, BIG);
		memcpy(want + n, far + f, size);
		bad += run(e->fd, e->queue, &get, 1) != 0 || memcmp(want, near, BIG);
		bytes += size;
	}
	is(bad, 0, "%s: %u copies there and back", name, i);
	after = link_of(e->fd, sibling_id);
	is(after.written - before.written, bytes, "%s: bytes written are counted", name);
	is(after.read - before.read, bytes, "%s: and bytes read", name);
	is(after.errors, before.errors, "%s: no errors", name);
	vm_unmap(e->fd, e->vm, VA, BIG);
	vm_unmap(e->fd, e->vm, 2 * VA, BIG);
	munmap(far, BIG);
	munmap(near, BIG);
	free(want);
	bo_close(e->fd, link);
	bo_close(e->fd, near_bo);
	bo_close(sibling->fd, far_bo);
}

/* Many buffers in pieces, so that pages of the peer are in any order. */
static void test_scattered(void)
{
	enum { N = 24, SIZE = 3 * 4096 };
	uint32_t bo[N], link[N], i, bad = 0;
	uint8_t *p[N];

	for (i = 0; i < N; i++) {
		bo_create(b.fd, SIZE, DRM_AXON_REGION_HBM, VISIBLE, 0, &bo[i]);
		p[i] = bo_map(b.fd, bo[i], SIZE);
		link[i] = bo_pass(b.fd, bo[i], a.fd);
		bad += !p[i] || vm_map(a.fd, a.vm, link[i], 0, VA + (N - 1 - i) * SIZE, SIZE,
				       NOEXEC);
	}
	is(bad, 0, "%u buffers bound side by side", N);
	for (i = 0; i < N; i++) {
		struct drm_axon_job job = job_fill(VA + (N - 1 - i) * SIZE + 1, i + 1, SIZE - 2);

		bad += run(a.fd, a.queue, &job, 1) != 0;
	}
	for (i = 0; i < N && !bad; i++)
		bad += p[i][0] || p[i][SIZE - 1] || p[i][1] != i + 1 ||
		       memcmp(p[i] + 1, p[i] + 2, SIZE - 3);
	is(bad, 0, "each is filled with its own byte and no more");
	vm_unmap(a.fd, a.vm, VA, N * SIZE);
	for (i = 0; i < N; i++) {
		munmap(p[i], SIZE);
		bo_close(a.fd, link[i]);
		bo_close(b.fd, bo[i]);
	}
}

/* @job must fail with @status in a context of its own; the card goes on. */
static void fails(uint32_t vm, struct drm_axon_job job, uint32_t status, uint64_t addr,
		  const char *name)
{
	struct drm_axon_ctx_get_state s;
	uint32_t ctx, queue;

	if (ctx_create(a.fd, vm, &ctx) || queue_create(a.fd, ctx, 1, 0, &queue))
		bail("no queue");
	is(run(a.fd, queue, &job, 1), -EFAULT, "%s: EFAULT", name);
	ctx_state(a.fd, ctx, &s);
	is(s.status, status, "%s: status", name);
	is(s.fault_addr, addr, "%s: address", name);
	is(s.state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_FAULTED, "%s: state", name);
	ctx_destroy(a.fd, ctx);
}

static void test_rights(void)
{
	struct drm_axon_job job;
	uint32_t bo, link, vm;
	uint8_t *p;

	bo_create(b.fd, 8192, DRM_AXON_REGION_HBM, VISIBLE, 0, &bo);
	p = bo_map(b.fd, bo, 8192);
	link = bo_pass(b.fd, bo, a.fd);
	vm_map(a.fd, a.vm, link, 0, VA, 4096, NOEXEC | DRM_AXON_BIND_READONLY);
	fails(a.vm, job_fill(VA, 1, 16), AXON_STATUS_FAULT_WRITE, VA, "read-only");
	is(p[0], 0, "nothing was written");
	job = job_copy(ENV_DATA, VA, 4096);
	is(run(a.fd, a.queue, &job, 1), 0, "but it can be read");
	/* a program in a peer's memory */
	vm_map(a.fd, a.vm, link, 0, VA, 8192, NOEXEC);
	prog_write(p, VA, PROG_HALT, 0);
	fails(a.vm, job_launch(VA, 0), AXON_STATUS_FAULT_LINK, VA, "program behind a link");
	/* the code alone: its descriptor is the card's own */
	prog_write(a.code_mem, VA - sizeof(struct axon_program), PROG_HALT, 0);
	memcpy(p, a.code_mem + sizeof(struct axon_program), 512);
	fails(a.vm, job_launch(ENV_CODE, 0), AXON_STATUS_FAULT_EXEC, VA, "code behind a link");
	/* another address space, in which nothing was bound */
	vm_create(a.fd, &vm);
	fails(vm, job_fill(VA, 1, 16), AXON_STATUS_FAULT_UNMAPPED, VA, "another VM");
	vm_destroy(a.fd, vm);
	vm_unmap(a.fd, a.vm, VA, 8192);
	fails(a.vm, job_fill(VA, 1, 16), AXON_STATUS_FAULT_UNMAPPED, VA, "unbound");
	munmap(p, 8192);
	bo_close(a.fd, link);
	bo_close(b.fd, bo);
}

/*
 * A process to which nothing was handed: it has its own file, in which the importer's handle means
 * nothing, and no call that takes an address of a peer.
 */
static void test_isolation(void)
{
	uint32_t bo, link;
	int status = -1;
	uint8_t *p;
	pid_t pid;

	bo_create(b.fd, 65536, DRM_AXON_REGION_HBM, VISIBLE, 0, &bo);
	p = bo_map(b.fd, bo, 65536);
	memset(p, 0x5a, 65536);
	link = bo_pass(b.fd, bo, a.fd);
	vm_map(a.fd, a.vm, link, 0, VA, 65536, NOEXEC);
	pid = fork();
	if (!pid) {
		char name[CARD_NAME];
		struct drm_axon_bo_info info;
		uint32_t handle, bad = 0;
		struct env e;
		uint64_t at;

		card_name(a.fd, name);
		env_attach(&e, card_open(name), 1, 0);
		for (handle = 1; handle < 64; handle++)
			if (!bo_info(e.fd, handle, &info))
				bad += info.region == DRM_AXON_REGION_LINK;
		/* whatever it copies from, it is not the sibling's */
		for (at = 0; at < AXON_VM_END; at = at ? at << 1 : 4096) {
			struct drm_axon_job job = job_copy(ENV_DATA, VA | at, 4096);
			uint32_t ctx, queue;

			memset(e.data_mem, 0, 4096);
			if (ctx_create(e.fd, e.vm, &ctx) || queue_create(e.fd, ctx, 1, 0, &queue))
				_exit(100);
			bad += run(e.fd, queue, &job, 1) != -EFAULT && e.data_mem[5] == 0x5a;
			bad += e.data_mem[5] == 0x5a;
			ctx_destroy(e.fd, ctx);
		}
		_exit(bad);
	}
	waitpid(pid, &status, 0);
	is(status, 0, "a process without the import finds nothing of it");
	vm_unmap(a.fd, a.vm, VA, 65536);
	munmap(p, 65536);
	bo_close(a.fd, link);
	bo_close(b.fd, bo);
}

/* Host memory of the sibling is one memory for both cards and the CPU. */
static void test_host(void)
{
	const uint32_t size = 3 << 20;
	struct drm_axon_job job;
	struct drm_axon_bo_info info;
	uint32_t bo, imported, i;
	uint8_t *p, *q;

	bo_create(b.fd, size, DRM_AXON_REGION_HOST, VISIBLE, 0, &bo);
	p = bo_map(b.fd, bo, size);
	imported = bo_pass(b.fd, bo, a.fd);
	bo_info(a.fd, imported, &info);
	is(info.region, DRM_AXON_REGION_HOST, "host memory: region HOST");
	is(info.flags, VISIBLE, "host memory: visible as before");
	is(info.peer, 0, "host memory: no peer");
	q = bo_map(a.fd, imported, size);
	ok(p && q, "host memory: both map it");
	if (!p || !q)
		bail("no mapping");
	fill(p, size, 1);
	ok(!memcmp(p, q, size), "host memory: the same bytes");
	is(vm_map(a.fd, a.vm, imported, 0, VA, size, 0), 0, "host memory: bound");
	job = job_copy(ENV_DATA, VA + size - 4096, 4096);
	is(run(a.fd, a.queue, &job, 1), 0, "host memory: the importer reads it");
	ok(!memcmp(a.data_mem, p + size - 4096, 4096), "host memory: what is there");
	job = job_fill(VA + 1, 0x33, size - 1);
	is(run(a.fd, a.queue, &job, 1), 0, "host memory: and writes");
	for (i = 1; i < size && p[i] == 0x33; i++)
		;
	is(i, size, "host memory: what it should");
	bo_close(b.fd, bo);
	munmap(p, size);
	is(q[77], 0x33, "host memory: stays when its card's handle is closed");
	is(run(a.fd, a.queue, &job, 1), 0, "host memory: for the card too");
	bo_close(a.fd, imported);
	is(q[77], 0x33, "host memory: a mapping outlives the handles");
	munmap(q, size);
	vm_unmap(a.fd, a.vm, VA, size);
}

static void wait_for(int fd, uint64_t used, const char *name)
{
	int i;

	/* the last reference may be a file's, which the kernel drops a moment later */
	for (i = 0; i < 500 && hbm_used(fd) != used; i++)
		usleep(10000);
	is(hbm_used(fd), used, "%s", name);
}

/* Handle, dma-buf, importer's handle and mapping are closed in every order. */
static void test_orders(void)
{
	uint64_t before = hbm_used(b.fd), tables = hbm_used(a.fd);
	unsigned int order, i, bad = 0;

	for (order = 0; order < 4 * 4 * 4 * 4; order++) {
		unsigned int step[4] = { order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 };
		struct drm_axon_job job = job_fill(VA, order, 16);
		uint32_t bo, link = 0;
		uint8_t *p;
		int fd;

		if ((1u << step[0] | 1u << step[1] | 1u << step[2] | 1u << step[3]) != 15)
			continue;
		bo_create(b.fd, 65536, DRM_AXON_REGION_HBM, VISIBLE, 0, &bo);
		p = bo_map(b.fd, bo, 65536);
		bad += bo_export(b.fd, bo, &fd) || bo_import(a.fd, fd, &link) ||
		       vm_map(a.fd, a.vm, link, 0, VA, 65536, NOEXEC);
		for (i = 0; i < 4; i++) {
			bool bound = true;
			unsigned int j;

			switch (step[i]) {
			case 0:
				bad += bo_close(b.fd, bo) != 0;
				break;
			case 1:
				close(fd);
				break;
			case 2:
				bad += bo_close(a.fd, link) != 0;
				break;
			case 3:
				bad += vm_unmap(a.fd, a.vm, VA, 65536) != 0;
				break;
			}
			for (j = 0; j <= i; j++)
				bound = bound && step[j] != 3;
			if (!bound)
				continue;
			bad += run(a.fd, a.queue, &job, 1) != 0 || p[5] != (uint8_t)order;
			p[5] = ~order;
		}
		munmap(p, 65536);
	}
	is(bad, 0, "closed in every order, reachable while bound");
	wait_for(b.fd, before, "nothing is left on the exporter");
	wait_for(a.fd, tables, "nor of tables on the importer");
}

static void send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &m, 0) != 1)
		bail("sendmsg");
}

static int receive_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/*
 * Another process makes the memory, hands it over and is killed; what it handed over lives on. The
 * file of the node that it had is gone with it.
 */
static void test_processes(void)
{
	uint64_t before = hbm_used(b.fd);
	struct drm_axon_job job = job_copy(ENV_DATA, VA, 65536);
	uint32_t link = 0, i;
	char name[CARD_NAME];
	int sock[2], fd;
	pid_t pid;

	card_name(b.fd, name);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		bail("socketpair");
	pid = fork();
	if (!pid) {
		int node = card_open(name), mine;
		uint32_t bo;
		uint8_t *p;

		bo_create(node, 65536, DRM_AXON_REGION_HBM, VISIBLE, 0, &bo);
		p = bo_map(node, bo, 65536);
		memset(p, 0x42, 65536);
		bo_export(node, bo, &mine);
		send_fd(sock[1], mine);
		pause();
		_exit(0);
	}
	fd = receive_fd(sock[0]);
	ok(fd >= 0, "a buffer from another process");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(hbm_used(b.fd) > before, "outlives the process that made it");
	is(bo_import(a.fd, fd, &link), 0, "is imported after that");
	close(fd);
	is(vm_map(a.fd, a.vm, link, 0, VA, 65536, NOEXEC), 0, "and bound");
	is(run(a.fd, a.queue, &job, 1), 0, "and read");
	for (i = 0; i < ENV_SIZE && a.data_mem[i] == 0x42; i++)
		;
	is(i, ENV_SIZE, "with what the other wrote");
	bo_close(a.fd, link);
	is(run(a.fd, a.queue, &job, 1), 0, "the mapping alone keeps it");
	vm_unmap(a.fd, a.vm, VA, 65536);
	wait_for(b.fd, before, "then it is given back");
	close(sock[0]);
	close(sock[1]);
}

/* A process that imports and is killed while its card copies. */
static void test_killed_importer(void)
{
	uint64_t before;
	char name[CARD_NAME];
	uint32_t bo, i;
	int fd, bad = 0;

	card_name(a.fd, name);
	bo_create(b.fd, BIG, DRM_AXON_REGION_HBM, VISIBLE, 0, &bo);
	bo_export(b.fd, bo, &fd);
	before = hbm_used(a.fd);
	for (i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (!pid) {
			struct drm_axon_job job = job_fill(VA, 7, BIG);
			uint32_t link;
			struct env e;

			env_attach(&e, card_open(name), 1, 0);
			if (bo_import(e.fd, fd, &link) ||
			    vm_map(e.fd, e.vm, link, 0, VA, BIG, NOEXEC))
				_exit(1);
			for (;;)
				run(e.fd, e.queue, &job, 1);
		}
		usleep(100000 + 7000 * i);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	is(bad, 0, "importers killed at work");
	wait_for(a.fd, before, "left nothing on their card");
	close(fd);
	bo_close(b.fd, bo);
}

static uint64_t fdinfo_kib(int fd, const char *key)
{
	unsigned long long kib = ~0ull;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			sscanf(line + strlen(key) + 1, "%llu", &kib);
	if (f)
		fclose(f);
	return kib;
}

static void test_fdinfo(void)
{
	uint64_t hbm = fdinfo_kib(a.fd, "drm-total-hbm"), host = fdinfo_kib(a.fd, "drm-total-host");
	uint64_t shared = fdinfo_kib(b.fd, "drm-shared-hbm");
	uint32_t bo, link;

	is(fdinfo_kib(a.fd, "drm-total-link"), 0, "fdinfo: nothing imported");
	bo_create(b.fd, BIG, DRM_AXON_REGION_HBM, 0, 0, &bo);
	link = bo_pass(b.fd, bo, a.fd);
	is(fdinfo_kib(a.fd, "drm-total-link"), BIG >> 10, "fdinfo: total");
	is(fdinfo_kib(a.fd, "drm-shared-link"), BIG >> 10, "fdinfo: all of it shared");
	is(fdinfo_kib(a.fd, "drm-resident-link"), BIG >> 10, "fdinfo: resident");
	is(fdinfo_kib(a.fd, "drm-total-hbm"), hbm, "fdinfo: not this card's HBM");
	is(fdinfo_kib(a.fd, "drm-total-host"), host, "fdinfo: nor the host's");
	is(fdinfo_kib(b.fd, "drm-shared-hbm"), shared + (BIG >> 10), "fdinfo: shared by its owner");
	bo_close(a.fd, link);
	bo_close(b.fd, bo);
}

int main(void)
{
	uint32_t size = sizeof(da);
	char name[2][CARD_NAME];

	if (cards_list(name, 2) < 2)
		bail("two cards are needed");
	env_attach(&a, card_open_soon(name[0]), 0, 0);
	env_attach(&b, card_open_soon(name[1]), 0, 0);
	drv_query(a.fd, DRM_AXON_QUERY_DEVICE, &da, &size);
	drv_query(b.fd, DRM_AXON_QUERY_DEVICE, &db, &size);
	if (!da.fabric_uid)
		bail("the cards are not in a fabric");
	test_query();
	test_object();
	test_foreign();
	copy_between(&a, &b, db.fabric_id, "first card");
	copy_between(&b, &a, da.fabric_id, "second card");
	test_scattered();
	test_rights();
	test_isolation();
	test_host();
	test_orders();
	test_processes();
	test_killed_importer();
	test_fdinfo();
	env_close(&a);
	env_close(&b);
	return done();
}
