// SPDX-License-Identifier: MIT
/*
 * drv.c - what the driver's guest tests share; see drv.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <linux/sync_file.h>
#include <xf86drm.h>

#include "drv.h"

static int count, failed;

static void result(const char *word, const char *after, const char *fmt, va_list ap)
{
	printf("%s %d - ", word, ++count);
	vprintf(fmt, ap);
	printf("%s\n", after);
	fflush(stdout);
}

void ok(bool good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	result(good ? "ok" : "not ok", "", fmt, ap);
	va_end(ap);
	failed += !good;
}

void is(long long got, long long want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	result(got == want ? "ok" : "not ok", "", fmt, ap);
	va_end(ap);
	if (got != want)
		printf("# got %lld (%#llx), want %lld (%#llx)\n", got, got, want, want);
	failed += got != want;
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	result("ok", " # SKIP", fmt, ap);
	va_end(ap);
}

int done(void)
{
	printf("1..%d\n", count);
	return failed != 0;
}

void bail(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" (%s)\n", strerror(errno));
	exit(1);
}

int drv_open_nr(int nr)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/accel/accel%d", nr);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int drv_open(void)
{
	int nr, fd;

	for (nr = 0; nr < 16; nr++) {
		fd = drv_open_nr(nr);
		if (fd >= 0)
			return fd;
	}
	bail("no accel node can be opened");
}

void card_name(int fd, char name[CARD_NAME])
{
	struct stat st;
	char path[96], link[256];
	ssize_t n;

	if (fstat(fd, &st))
		bail("fstat");
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device", major(st.st_rdev),
		 minor(st.st_rdev));
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		bail("readlink %s", path);
	link[n] = 0;
	snprintf(name, CARD_NAME, "%.60s", strrchr(link, '/') + 1);
}

unsigned int cards_list(char name[][CARD_NAME], unsigned int max)
{
	struct dirent **e;
	int i, n = scandir("/sys/bus/pci/drivers/axon", &e, NULL, alphasort);
	unsigned int found = 0;

	for (i = 0; i < n; i++) {
		/* devices have names like 0000:01:00.0 */
		if (strchr(e[i]->d_name, ':') && found < max)
			snprintf(name[found++], CARD_NAME, "%.60s", e[i]->d_name);
		free(e[i]);
	}
	if (n >= 0)
		free(e);
	return found;
}

int card_open(const char *name)
{
	char path[300];
	int fd = -ENODEV;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/accel", name);
	dir = opendir(path);
	while (dir && fd < 0 && (e = readdir(dir))) {
		if (strncmp(e->d_name, "accel", 5))
			continue;
		snprintf(path, sizeof(path), "/dev/accel/%.250s", e->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return fd < 0 ? -ENODEV : fd;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

bool card_file_is(const char *name, const char *file, const char *want)
{
	char path[160], text[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", name, file);
	f = fopen(path, "r");
	if (f && !fgets(text, sizeof(text), f))
		text[0] = 0;
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = 0;
	if (!f || strcmp(text, want))
		printf("# %s: got '%s', want '%s'\n", path, text, want);
	return f && !strcmp(text, want);
}

int card_driver(const char *what, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/axon/%s", what);
	return write_file(path, name);
}

int card_take(const char *name, enum card_how how)
{
	char path[160];

	if (how == CARD_UNBOUND)
		return card_driver("unbind", name);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", name,
		 how == CARD_REMOVED ? "remove" : "reset");
	return write_file(path, "1");
}

int card_bring_back(const char *name, enum card_how how)
{
	int ret = 0;

	if (how == CARD_REMOVED)
		return write_file("/sys/bus/pci/rescan", "1");
	if (how == CARD_RESET)
		ret = card_driver("unbind", name);
	return ret ? ret : card_driver("bind", name);
}

int card_open_soon(const char *name)
{
	int i, fd = -ENODEV;

	for (i = 0; i < 6000 && fd < 0; i++) {
		fd = card_open(name);
		if (fd < 0)
			usleep(10000);
	}
	if (fd < 0)
		bail("%s does not come back", name);
	return fd;
}

int drv_ioctl_once(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

int drv_ioctl(int fd, unsigned long request, void *arg)
{
	return drmIoctl(fd, request, arg) ? -errno : 0;
}

int drv_query(int fd, uint32_t type, void *data, uint32_t *size)
{
	struct drm_axon_dev_query q = { .type = type, .size = *size, .ptr = (uintptr_t)data };
	int ret = drv_ioctl(fd, DRM_IOCTL_AXON_DEV_QUERY, &q);

	*size = q.size;
	return ret;
}

int bo_create(int fd, uint64_t size, uint32_t region, uint32_t flags, uint32_t vm,
	      uint32_t *handle)
{
	struct drm_axon_bo_create c = {
		.size = size, .region = region, .flags = flags, .vm_id = vm,
	};
	int ret = drv_ioctl(fd, DRM_IOCTL_AXON_BO_CREATE, &c);

	*handle = c.handle;
	return ret;
}

int bo_close(int fd, uint32_t handle)
{
	struct drm_gem_close c = { .handle = handle };

	return drv_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &c);
}

int bo_offset(int fd, uint32_t handle, uint64_t *offset)
{
	struct drm_axon_bo_mmap_offset m = { .handle = handle };
	int ret = drv_ioctl(fd, DRM_IOCTL_AXON_BO_MMAP_OFFSET, &m);

	*offset = m.offset;
	return ret;
}

void *bo_map(int fd, uint32_t handle, uint64_t size)
{
	uint64_t offset;
	void *p;

	if (bo_offset(fd, handle, &offset))
		return NULL;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	return p == MAP_FAILED ? NULL : p;
}

int bo_info(int fd, uint32_t handle, struct drm_axon_bo_info *info)
{
	*info = (struct drm_axon_bo_info){ .handle = handle };
	return drv_ioctl(fd, DRM_IOCTL_AXON_BO_INFO, info);
}

int bo_export(int fd, uint32_t handle, int *dma_buf)
{
	struct drm_prime_handle p = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };
	int ret = drv_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &p);

	*dma_buf = ret ? -1 : p.fd;
	return ret;
}

int bo_import(int fd, int dma_buf, uint32_t *handle)
{
	struct drm_prime_handle p = { .fd = dma_buf };
	int ret = drv_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &p);

	*handle = p.handle;
	return ret;
}

uint32_t bo_pass(int from, uint32_t bo, int to)
{
	uint32_t handle = 0;
	int fd;

	if (bo_export(from, bo, &fd) || bo_import(to, fd, &handle))
		bail("a buffer cannot be passed on");
	close(fd);
	return handle;
}

uint64_t hbm_used(int fd)
{
	struct drm_axon_mem_region r[17];
	uint32_t i, size = sizeof(r);
	uint64_t used = 0;

	if (drv_query(fd, DRM_AXON_QUERY_MEM_REGIONS, r, &size))
		bail("no regions");
	for (i = 1; i < size / sizeof(r[0]); i++)
		used += r[i].used;
	return used;
}

int vm_create(int fd, uint32_t *vm)
{
	struct drm_axon_vm_create c = { 0 };
	int ret = drv_ioctl(fd, DRM_IOCTL_AXON_VM_CREATE, &c);

	*vm = c.vm_id;
	return ret;
}

int vm_destroy(int fd, uint32_t vm)
{
	struct drm_axon_vm_destroy d = { .vm_id = vm };

	return drv_ioctl(fd, DRM_IOCTL_AXON_VM_DESTROY, &d);
}

static int vm_op(int fd, uint32_t vm, struct drm_axon_bind_op *op)
{
	struct drm_axon_vm_bind b = {
		.vm_id = vm, .ops = { sizeof(*op), 1, (uintptr_t)op },
	};

	return drv_ioctl(fd, DRM_IOCTL_AXON_VM_BIND, &b);
}

int vm_map(int fd, uint32_t vm, uint32_t bo, uint64_t offset, uint64_t addr, uint64_t size,
	   uint32_t flags)
{
	struct drm_axon_bind_op op = {
		.op = DRM_AXON_BIND_MAP, .flags = flags, .handle = bo, .bo_offset = offset,
		.addr = addr, .size = size,
	};

	return vm_op(fd, vm, &op);
}

int vm_unmap(int fd, uint32_t vm, uint64_t addr, uint64_t size)
{
	struct drm_axon_bind_op op = { .op = DRM_AXON_BIND_UNMAP, .addr = addr, .size = size };

	return vm_op(fd, vm, &op);
}

int ctx_create(int fd, uint32_t vm, uint32_t *ctx)
{
	struct drm_axon_ctx_create c = { .vm_id = vm, .priority = DRM_AXON_PRIORITY_NORMAL };
	int ret = drv_ioctl(fd, DRM_IOCTL_AXON_CTX_CREATE, &c);

	*ctx = c.ctx_id;
	return ret;
}

int ctx_destroy(int fd, uint32_t ctx)
{
	struct drm_axon_ctx_destroy d = { .ctx_id = ctx };

	return drv_ioctl(fd, DRM_IOCTL_AXON_CTX_DESTROY, &d);
}

int ctx_state(int fd, uint32_t ctx, struct drm_axon_ctx_get_state *state)
{
	*state = (struct drm_axon_ctx_get_state){ .ctx_id = ctx };
	return drv_ioctl(fd, DRM_IOCTL_AXON_CTX_GET_STATE, state);
}

int queue_create(int fd, uint32_t ctx, uint32_t core, uint32_t timeout_ms, uint32_t *queue)
{
	struct drm_axon_queue_create c = { .ctx_id = ctx, .core = core, .timeout_ms = timeout_ms };
	int ret = drv_ioctl(fd, DRM_IOCTL_AXON_QUEUE_CREATE, &c);

	*queue = c.queue_id;
	return ret;
}

int queue_destroy(int fd, uint32_t queue)
{
	struct drm_axon_queue_destroy d = { .queue_id = queue };

	return drv_ioctl(fd, DRM_IOCTL_AXON_QUEUE_DESTROY, &d);
}

int queue_state(int fd, uint32_t queue, struct drm_axon_queue_get_state *state)
{
	*state = (struct drm_axon_queue_get_state){ .queue_id = queue };
	return drv_ioctl(fd, DRM_IOCTL_AXON_QUEUE_GET_STATE, state);
}

int syncobj_create(int fd, uint32_t *handle)
{
	struct drm_syncobj_create c = { 0 };
	int ret = drv_ioctl(fd, DRM_IOCTL_SYNCOBJ_CREATE, &c);

	*handle = c.handle;
	return ret;
}

int syncobj_destroy(int fd, uint32_t handle)
{
	struct drm_syncobj_destroy d = { .handle = handle };

	return drv_ioctl(fd, DRM_IOCTL_SYNCOBJ_DESTROY, &d);
}

static int64_t deadline(int64_t timeout_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec + timeout_ns;
}

int syncobj_wait(int fd, uint32_t handle, uint64_t point, int64_t timeout_ns)
{
	struct drm_syncobj_timeline_wait w = {
		.handles = (uintptr_t)&handle, .points = (uintptr_t)&point, .count_handles = 1,
	};

	w.timeout_nsec = deadline(timeout_ns);
	return drv_ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &w);
}

int syncobj_file(int fd, uint32_t handle)
{
	struct drm_syncobj_handle h = {
		.handle = handle, .fd = -1,
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE,
	};

	if (drv_ioctl(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &h))
		bail("syncobj %u has no fence", handle);
	return h.fd;
}

int fence_error(int fence_fd)
{
	struct sync_fence_info fence = { 0 };
	struct sync_file_info info = {
		.num_fences = 1, .sync_fence_info = (uintptr_t)&fence,
	};

	if (ioctl(fence_fd, SYNC_IOC_FILE_INFO, &info))
		bail("sync_file tells nothing");
	/* 1: signalled, 0: not yet */
	return fence.status == 1 ? 0 : fence.status ? fence.status : -EBUSY;
}

int syncobj_error(int fd, uint32_t handle)
{
	int file = syncobj_file(fd, handle), ret = fence_error(file);

	close(file);
	return ret;
}

int submit(int fd, uint32_t queue, const struct drm_axon_job *jobs, uint32_t num,
	   const struct drm_axon_sync *syncs, uint32_t num_syncs, uint64_t *seqno)
{
	struct drm_axon_submit s = {
		.queue_id = queue,
		.jobs = { sizeof(*jobs), num, (uintptr_t)jobs },
		.syncs = { sizeof(*syncs), num_syncs, (uintptr_t)syncs },
	};
	int ret = drv_ioctl(fd, DRM_IOCTL_AXON_SUBMIT, &s);

	if (seqno)
		*seqno = s.seqno;
	return ret;
}

int run(int fd, uint32_t queue, const struct drm_axon_job *jobs, uint32_t num)
{
	struct drm_axon_sync sync = { .flags = DRM_AXON_SYNC_SIGNAL };
	int ret;

	if (syncobj_create(fd, &sync.handle))
		bail("no syncobj");
	ret = submit(fd, queue, jobs, num, &sync, 1, NULL);
	if (!ret)
		ret = syncobj_wait(fd, sync.handle, 0, DRV_TIMEOUT_NS);
	if (!ret)
		ret = syncobj_error(fd, sync.handle);
	syncobj_destroy(fd, sync.handle);
	return ret;
}

int go(int fd, uint32_t queue, struct drm_axon_job job)
{
	struct drm_axon_queue_wait w = { .queue_id = queue };
	struct timespec now;
	int ret = submit(fd, queue, &job, 1, NULL, 0, (uint64_t *)&w.seqno);

	if (ret)
		return ret;
	clock_gettime(CLOCK_MONOTONIC, &now);
	w.timeout_ns = now.tv_sec * 1000000000ll + 2 * DRV_TIMEOUT_NS;
	ret = drv_ioctl(fd, DRM_IOCTL_AXON_QUEUE_WAIT, &w);
	return ret ? ret : w.ctx_state ? -ECANCELED : 0;
}

struct drm_axon_job job_nop(void)
{
	return (struct drm_axon_job){ .opcode = AXON_CMD_NOP };
}

struct drm_axon_job job_copy(uint64_t dst, uint64_t src, uint64_t size)
{
	return (struct drm_axon_job){ .opcode = AXON_CMD_COPY, .operand = { dst, src, size } };
}

struct drm_axon_job job_fill(uint64_t dst, uint8_t byte, uint64_t size)
{
	return (struct drm_axon_job){ .opcode = AXON_CMD_FILL, .operand = { dst, byte, size } };
}

struct drm_axon_job job_launch(uint64_t program, uint64_t args)
{
	return (struct drm_axon_job){ .opcode = AXON_CMD_LAUNCH, .operand = { program, args } };
}

struct axon_inst inst(uint8_t opcode)
{
	struct axon_inst i = { .opcode = opcode, .wait_reg = AXON_SREG_NONE };
	unsigned int n;

	for (n = 0; n < AXON_NUM_PATCHES; n++)
		i.patch[n].reg = AXON_SREG_NONE;
	return i;
}

struct axon_inst inst_ctl(uint8_t opcode, uint8_t rd, uint8_t ra, uint64_t imm, uint8_t dtype)
{
	struct axon_inst i = inst(opcode);

	i.ctl = (struct axon_ctl){
		.imm = imm, .rd = rd, .ra = ra, .rb = AXON_SREG_NONE, .dtype = dtype,
	};
	return i;
}

struct axon_inst inst_branch(enum axon_cond cond, uint8_t ra, uint64_t imm, uint32_t target)
{
	struct axon_inst i = inst_ctl(AXON_OP_BRANCH, 0, ra, imm, 0);

	i.op0 = cond;
	i.ctl.target = target;
	return i;
}

void prog_put(void *mem, uint64_t addr, const struct axon_inst *code, uint32_t n)
{
	struct axon_program *p = mem;

	memset(p, 0, sizeof(*p));
	p->magic = AXON_PROGRAM_MAGIC;
	p->version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR;
	p->engine[AXON_ENGINE_SYNC].addr = addr + sizeof(*p);
	p->engine[AXON_ENGINE_SYNC].count = n;
	memcpy(p + 1, code, n * sizeof(code[0]));
}

void prog_write(void *mem, uint64_t addr, int kind, uint64_t operand)
{
	struct axon_inst code[3];
	uint32_t n = 0;

	switch (kind) {
	case PROG_LOOP:
		code[n++] = inst_branch(AXON_COND_ALWAYS, AXON_SREG_NONE, 0, 0);
		code[n++] = inst_branch(AXON_COND_ALWAYS, AXON_SREG_NONE, 0, 0);
		break;
	case PROG_STORE:
		/* register 2 is the core's number; what is stored does not matter */
		code[n++] = inst_ctl(AXON_OP_REG_STORE, AXON_SREG_CORE, AXON_SREG_NONE, operand,
				     AXON_DTYPE_UINT32);
		break;
	case PROG_LOAD:
		code[n++] = inst_ctl(AXON_OP_REG_LOAD, 3, AXON_SREG_NONE, operand,
				     AXON_DTYPE_UINT32);
		break;
	case PROG_DEADLOCK:
		code[n] = inst(AXON_OP_NOP);
		code[n].wait_op = AXON_WAIT_GE;
		code[n].wait_sem = 7;
		code[n++].wait_val = 3;
		break;
	case PROG_BAD_OPCODE:
		code[n++] = inst(0x7f);
		break;
	case PROG_RUN_OUT:
		code[n++] = inst(AXON_OP_NOP);
		break;
	}
	if (kind != PROG_RUN_OUT)
		code[n++] = inst(AXON_OP_HALT);
	prog_put(mem, addr, code, n);
}

static uint32_t env_bo(struct env *e, uint64_t addr, uint8_t **mem)
{
	uint32_t bo;

	if (bo_create(e->fd, ENV_SIZE, DRM_AXON_REGION_HBM, DRM_AXON_BO_CPU_VISIBLE, e->vm, &bo) ||
	    vm_map(e->fd, e->vm, bo, 0, addr, ENV_SIZE, 0))
		bail("no buffer at %#llx", (unsigned long long)addr);
	*mem = bo_map(e->fd, bo, ENV_SIZE);
	if (!*mem)
		bail("buffer cannot be mapped");
	return bo;
}

void env_attach(struct env *e, int fd, uint32_t core, uint32_t timeout_ms)
{
	e->fd = fd;
	if (vm_create(fd, &e->vm) || ctx_create(fd, e->vm, &e->ctx) ||
	    queue_create(fd, e->ctx, core, timeout_ms, &e->queue))
		bail("no queue on core %u", core);
	e->code = env_bo(e, ENV_CODE, &e->code_mem);
	e->data = env_bo(e, ENV_DATA, &e->data_mem);
}

void env_open(struct env *e, uint32_t core, uint32_t timeout_ms)
{
	env_attach(e, drv_open(), core, timeout_ms);
}

void env_settle(struct env *e)
{
	const struct drm_axon_job nop = job_nop();
	uint32_t ctx, queue, i;

	if (ctx_create(e->fd, e->vm, &ctx) || queue_create(e->fd, ctx, 0, 0, &queue))
		bail("no queue to ask with");
	/* The card looks at its queues in turn: at the third it has been round twice. */
	for (i = 0; i < 3; i++)
		if (run(e->fd, queue, &nop, 1))
			bail("a card does not work");
	ctx_destroy(e->fd, ctx);
}

void env_close(struct env *e)
{
	munmap(e->code_mem, ENV_SIZE);
	munmap(e->data_mem, ENV_SIZE);
	close(e->fd);
}
