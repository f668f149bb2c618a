// SPDX-License-Identifier: MIT
/*
 * transport_drm.c - libaxon's operations as ioctls of axon.ko.
 *
 * One ioctl per operation. A queue owns a timeline syncobj whose points are the queue's sequence
 * numbers, so that a fence is a plain number to everybody above. Never interprets user data.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>

#include "axon_hw.h"
#include "internal.h"

#define INLINE_SYNCS	16u	/* more than this is allocated */

struct node_bo;

/**
 * struct node_device - a card
 * @fd: of its node
 * @prime: guards @shared and the members of a node_bo that are its; held from asking the kernel
 *	for an imported handle until that is in @shared, and while one of these is closed
 * @shared: buffers that were exported or imported: the kernel knows these and gives the same
 *	handle again when one is imported, without counting how often
 */
struct node_device {
	struct axon_device base;
	int fd;
	pthread_mutex_t prime;
	struct node_bo *shared;
};

/**
 * struct node_bo - a GEM handle
 * @lock: guards @ptr
 * @ptr: CPU mapping, or NULL
 * @is_shared: it is in node_device.shared (guarded by prime, as what follows)
 * @users: times it was given to the program
 * @next: in node_device.shared
 */
struct node_bo {
	struct axon_bo base;
	pthread_mutex_t lock;
	void *ptr;
	uint32_t handle;
	bool is_shared;
	unsigned int users;
	struct node_bo *next;
};

struct node_vm {
	struct axon_vm base;
	uint32_t id;
};

struct node_ctx {
	struct axon_context base;
	uint32_t id;
};

/**
 * struct node_queue - a queue and its timeline
 * @lock: orders submissions, so that points are signalled in ascending order; guards @last
 * @last: sequence number of the newest job
 * @id: of the queue
 * @syncobj: timeline; point = sequence number
 * @spin_us: how long a waiter looks before it blocks
 * @good: up to here jobs are known to have ended well (atomic)
 * @canceled: the kernel has destroyed it (atomic)
 */
struct node_queue {
	struct axon_queue base;
	pthread_mutex_t lock;
	uint64_t last;
	uint32_t id;
	uint32_t syncobj;
	uint32_t spin_us;
	_Atomic uint64_t good;
	atomic_bool canceled;
};

#define to_node(type, ptr) ((struct node_##type *)(ptr))

static int device_fd(const struct axon_device *dev)
{
	return ((const struct node_device *)dev)->fd;
}

static int call(const struct axon_device *dev, unsigned long request, void *arg)
{
	return drmIoctl(device_fd(dev), request, arg) ? -errno : 0;
}

/* ---- devices ---- */

static int check_driver(int fd)
{
	drmVersionPtr version = drmGetVersion(fd);
	int err = 0;

	if (!version)
		return -ENODEV;
	if (version->name_len != (int)strlen(AXON_DRIVER_NAME) ||
	    memcmp(version->name, AXON_DRIVER_NAME, strlen(AXON_DRIVER_NAME)))
		err = -ENODEV;
	else if (version->version_major != AXON_UAPI_MAJOR)
		err = -EPROTO;
	drmFreeVersion(version);
	return err;
}

/*
 * The driver behind a node by sysfs, since merely opening another vendor's card can have effects.
 * 1: ours; 0: another's; negative: sysfs does not say.
 */
static int sysfs_driver(const char *path)
{
	const char *name = strrchr(path, '/');
	char link[128];
	char target[256];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/class/accel/%s/device/driver", name ? name + 1 : path);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	name = strrchr(target, '/');
	return !strcmp(name ? name + 1 : target, AXON_DRIVER_NAME);
}

int axon_drm_probe(const char *path)
{
	int ours = sysfs_driver(path);
	int err;
	int fd;

	if (ours >= 0)
		return ours ? 0 : -ENODEV;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = check_driver(fd);
	close(fd);
	/* A driver of another version is ours: opening it says what is wrong. */
	return err == -EPROTO ? 0 : err;
}

int axon_drm_open(const char *path, axon_log_fn log, void *opaque, struct axon_device **out)
{
	struct node_device *dev;
	int err;
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		err = errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
		axon_log(log, opaque, AXON_LOG_ERROR, "%s: %s", path, strerror(-err));
		return err;
	}
	err = check_driver(fd);
	if (err) {
		axon_log(log, opaque, AXON_LOG_ERROR, err == -EPROTO ?
			 "%s: driver speaks another major version of the interface" :
			 "%s: not an axon card", path);
		goto fail;
	}
	err = -ENOMEM;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		goto fail;
	axon_device_init(&dev->base, &axon_transport_drm, path, log, opaque);
	dev->fd = fd;
	pthread_mutex_init(&dev->prime, NULL);
	*out = &dev->base;
	return 0;
fail:
	close(fd);
	return err;
}

static void drm_close(struct axon_device *base)
{
	close(device_fd(base));
	pthread_mutex_destroy(&to_node(device, base)->prime);
	free(base);
}

static int drm_query(struct axon_device *base, uint32_t type, void *ptr, uint32_t *size)
{
	struct drm_axon_dev_query q = {
		.type = type,
		.size = *size,
		.ptr = (uintptr_t)ptr,
	};
	int err = call(base, DRM_IOCTL_AXON_DEV_QUERY, &q);

	if (!err)
		*size = q.size;
	return err;
}

/* ---- buffers ---- */

static int drm_bo_create(struct axon_device *base, uint64_t size, uint32_t region, uint32_t flags,
			 struct axon_vm *vm, struct axon_bo **out)
{
	struct drm_axon_bo_create req = {
		.size = size,
		.region = region,
		.flags = flags,
		.vm_id = vm ? to_node(vm, vm)->id : 0,
	};
	struct node_bo *bo;
	int err;

	bo = calloc(1, sizeof(*bo));
	if (!bo)
		return -ENOMEM;
	err = call(base, DRM_IOCTL_AXON_BO_CREATE, &req);
	if (err) {
		free(bo);
		return err;
	}
	pthread_mutex_init(&bo->lock, NULL);
	bo->base.dev = base;
	bo->base.size = req.size;
	bo->base.region = region;
	bo->base.flags = flags;
	bo->handle = req.handle;
	bo->users = 1;
	*out = &bo->base;
	return 0;
}

static void bo_free(struct node_bo *bo)
{
	if (bo->ptr)
		munmap(bo->ptr, bo->base.size);
	drmCloseBufferHandle(device_fd(bo->base.dev), bo->handle);
	pthread_mutex_destroy(&bo->lock);
	free(bo);
}

static void share_locked(struct node_device *dev, struct node_bo *bo)
{
	if (bo->is_shared)
		return;
	bo->is_shared = true;
	bo->next = dev->shared;
	dev->shared = bo;
}

static void unshare_locked(struct node_device *dev, struct node_bo *bo)
{
	struct node_bo **link = &dev->shared;

	if (!bo->is_shared)
		return;
	while (*link != bo)
		link = &(*link)->next;
	*link = bo->next;
}

static void drm_bo_destroy(struct axon_bo *base)
{
	struct node_device *dev = to_node(device, base->dev);
	struct node_bo *bo = to_node(bo, base);

	pthread_mutex_lock(&dev->prime);
	if (!--bo->users) {
		unshare_locked(dev, bo);
		bo_free(bo);
	}
	pthread_mutex_unlock(&dev->prime);
}

static int map_locked(struct node_bo *bo)
{
	struct drm_axon_bo_mmap_offset req = { .handle = bo->handle };
	void *ptr;
	int err;

	if (bo->ptr)
		return 0;
	err = call(bo->base.dev, DRM_IOCTL_AXON_BO_MMAP_OFFSET, &req);
	if (err)
		return err;
	ptr = mmap(NULL, bo->base.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   device_fd(bo->base.dev), (off_t)req.offset);
	if (ptr == MAP_FAILED)
		return -errno;
	bo->ptr = ptr;
	return 0;
}

static int drm_bo_map(struct axon_bo *base, void **ptr)
{
	struct node_bo *bo = to_node(bo, base);
	int err;

	pthread_mutex_lock(&bo->lock);
	err = map_locked(bo);
	if (!err)
		*ptr = bo->ptr;
	pthread_mutex_unlock(&bo->lock);
	return err;
}

static int drm_bo_info(struct axon_bo *base, struct drm_axon_bo_info *info)
{
	memset(info, 0, sizeof(*info));
	info->handle = to_node(bo, base)->handle;
	return call(base->dev, DRM_IOCTL_AXON_BO_INFO, info);
}

static int drm_bo_export(struct axon_bo *base, int *fd)
{
	struct node_device *dev = to_node(device, base->dev);
	struct node_bo *bo = to_node(bo, base);
	int err = 0;

	pthread_mutex_lock(&dev->prime);
	if (drmPrimeHandleToFD(dev->fd, bo->handle, DRM_CLOEXEC | DRM_RDWR, fd))
		err = -errno;
	else
		share_locked(dev, bo);
	pthread_mutex_unlock(&dev->prime);
	return err;
}

/* A handle that the kernel has just given. Takes it over, also when it fails. */
static int adopt_locked(struct node_device *dev, uint32_t handle, struct node_bo **out)
{
	struct drm_axon_bo_info info = { .handle = handle };
	struct node_bo *bo = calloc(1, sizeof(*bo));
	int err = bo ? call(&dev->base, DRM_IOCTL_AXON_BO_INFO, &info) : -ENOMEM;

	*out = bo;
	if (err) {
		drmCloseBufferHandle(dev->fd, handle);
		free(bo);
		return err;
	}
	pthread_mutex_init(&bo->lock, NULL);
	bo->base.dev = &dev->base;
	bo->base.size = info.size;
	bo->base.region = info.region;
	bo->base.flags = info.flags;
	bo->handle = handle;
	share_locked(dev, bo);
	return 0;
}

static int import_locked(struct node_device *dev, int fd, struct node_bo **out)
{
	struct node_bo *bo;
	uint32_t handle;
	int err;

	if (drmPrimeFDToHandle(dev->fd, fd, &handle))
		return -errno;
	for (bo = dev->shared; bo && bo->handle != handle; bo = bo->next)
		;
	if (!bo) {
		err = adopt_locked(dev, handle, &bo);
		if (err)
			return err;
	}
	bo->users++;
	*out = bo;
	return 0;
}

static int drm_bo_import(struct axon_device *base, int fd, struct axon_bo **out)
{
	struct node_device *dev = to_node(device, base);
	struct node_bo *bo = NULL;
	int err;

	pthread_mutex_lock(&dev->prime);
	err = import_locked(dev, fd, &bo);
	pthread_mutex_unlock(&dev->prime);
	if (!err)
		*out = &bo->base;
	return err;
}

/* ---- address spaces ---- */

static int drm_vm_create(struct axon_device *base, struct axon_vm **out)
{
	struct drm_axon_vm_create req = { 0 };
	struct node_vm *vm;
	int err;

	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	err = call(base, DRM_IOCTL_AXON_VM_CREATE, &req);
	if (err) {
		free(vm);
		return err;
	}
	vm->base.dev = base;
	vm->id = req.vm_id;
	*out = &vm->base;
	return 0;
}

static int drm_vm_destroy(struct axon_vm *base)
{
	struct drm_axon_vm_destroy req = { .vm_id = to_node(vm, base)->id };
	int err = call(base->dev, DRM_IOCTL_AXON_VM_DESTROY, &req);

	/* After a hot-unplug the kernel frees it with the file. */
	if (err && err != -ENODEV)
		return err;
	free(base);
	return 0;
}

static int drm_vm_bind(struct axon_vm *base, const struct axon_bind *ops, uint32_t count,
		       uint32_t *done)
{
	struct drm_axon_bind_op few[INLINE_SYNCS];
	struct drm_axon_bind_op *list = few;
	struct drm_axon_vm_bind req = { .vm_id = to_node(vm, base)->id };
	uint32_t i;
	int err;

	if (count > INLINE_SYNCS) {
		list = malloc(count * sizeof(*list));
		if (!list)
			return -ENOMEM;
	}
	for (i = 0; i < count; i++)
		list[i] = (struct drm_axon_bind_op) {
			.op = ops[i].op,
			.flags = ops[i].flags,
			.handle = ops[i].bo ? to_node(bo, ops[i].bo)->handle : 0,
			.bo_offset = ops[i].bo_offset,
			.addr = ops[i].addr,
			.size = ops[i].size,
		};
	req.ops = (struct drm_axon_array) {
		.stride = sizeof(*list),
		.count = count,
		.ptr = (uintptr_t)list,
	};
	err = call(base->dev, DRM_IOCTL_AXON_VM_BIND, &req);
	*done = err ? req.done : count;
	if (list != few)
		free(list);
	return err;
}

/* ---- contexts ---- */

static int drm_ctx_create(struct axon_vm *vm, uint32_t priority, struct axon_context **out)
{
	struct drm_axon_ctx_create req = {
		.vm_id = to_node(vm, vm)->id,
		.priority = priority,
	};
	struct node_ctx *ctx;
	int err;

	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return -ENOMEM;
	err = call(vm->dev, DRM_IOCTL_AXON_CTX_CREATE, &req);
	if (err) {
		free(ctx);
		return err;
	}
	ctx->base.dev = vm->dev;
	ctx->base.vm = vm;
	ctx->id = req.ctx_id;
	*out = &ctx->base;
	return 0;
}

static int drm_ctx_destroy(struct axon_context *base)
{
	struct drm_axon_ctx_destroy req = { .ctx_id = to_node(ctx, base)->id };
	int err = call(base->dev, DRM_IOCTL_AXON_CTX_DESTROY, &req);

	if (err && err != -ENODEV)
		return err;
	free(base);
	return 0;
}

static int drm_ctx_state(struct axon_context *base, struct drm_axon_ctx_get_state *state)
{
	memset(state, 0, sizeof(*state));
	state->ctx_id = to_node(ctx, base)->id;
	return call(base->dev, DRM_IOCTL_AXON_CTX_GET_STATE, state);
}

/* ---- queues ---- */

/* The kernel says ECANCELED for any banned context; tell a reset of the card from it. */
static int banned_error(struct axon_context *ctx, int err)
{
	struct drm_axon_ctx_get_state state;

	if (err == -ECANCELED && !drm_ctx_state(ctx, &state) &&
	    (state.state & DRM_AXON_CTX_DEVICE_RESET))
		return -ECONNRESET;
	return err;
}

static int drm_queue_create(struct axon_context *ctx, const struct axon_queue_params *params,
			    struct axon_queue **out)
{
	struct drm_axon_queue_create req = {
		.ctx_id = to_node(ctx, ctx)->id,
		.core = params->core,
		.flags = params->flags,
		.entries = params->entries,
		.timeout_ms = params->timeout_ms,
	};
	struct drm_axon_queue_destroy undo = { 0 };
	struct node_queue *queue;
	int err;

	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	err = call(ctx->dev, DRM_IOCTL_AXON_QUEUE_CREATE, &req);
	if (err) {
		err = banned_error(ctx, err);
		goto fail;
	}
	if (drmSyncobjCreate(device_fd(ctx->dev), 0, &queue->syncobj)) {
		err = -errno;
		goto fail_queue;
	}
	pthread_mutex_init(&queue->lock, NULL);
	queue->base.dev = ctx->dev;
	queue->base.ctx = ctx;
	queue->id = req.queue_id;
	queue->spin_us = params->spin_us < AXON_MAX_SPIN_US ? params->spin_us : AXON_MAX_SPIN_US;
	*out = &queue->base;
	return 0;
fail_queue:
	undo.queue_id = req.queue_id;
	call(ctx->dev, DRM_IOCTL_AXON_QUEUE_DESTROY, &undo);
fail:
	free(queue);
	return err;
}

static void drm_queue_cancel(struct axon_queue *base)
{
	struct node_queue *queue = to_node(queue, base);
	struct drm_axon_queue_destroy req = { .queue_id = queue->id };

	pthread_mutex_lock(&queue->lock);
	/* Its number may be another queue's afterwards. */
	if (!atomic_exchange(&queue->canceled, true))
		/* Fails only when the card is gone; the kernel then frees it with the file. */
		call(base->dev, DRM_IOCTL_AXON_QUEUE_DESTROY, &req);
	pthread_mutex_unlock(&queue->lock);
}

static void drm_queue_destroy(struct axon_queue *base)
{
	struct node_queue *queue = to_node(queue, base);

	drm_queue_cancel(base);
	drmSyncobjDestroy(device_fd(base->dev), queue->syncobj);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

static int drm_queue_state(struct axon_queue *base, struct drm_axon_queue_get_state *state)
{
	memset(state, 0, sizeof(*state));
	state->queue_id = to_node(queue, base)->id;
	return call(base->dev, DRM_IOCTL_AXON_QUEUE_GET_STATE, state);
}

/* ---- submission ---- */

static int submit_locked(struct node_queue *queue, struct drm_axon_submit *req, uint32_t jobs,
			 struct drm_axon_sync *signal)
{
	int err;

	signal->point = queue->last + jobs;
	err = call(queue->base.dev, DRM_IOCTL_AXON_SUBMIT, req);
	if (err)
		return err;
	/* Points are sequence numbers: a driver that counts otherwise cannot be waited for. */
	if (req->seqno != signal->point)
		return -EPROTO;
	queue->last = req->seqno;
	return 0;
}

static int drm_submit(struct axon_queue *base, const struct drm_axon_job *jobs, uint32_t count,
		      const struct axon_fence *waits, uint32_t wait_count, uint64_t *seqno)
{
	struct node_queue *queue = to_node(queue, base);
	struct drm_axon_sync few[INLINE_SYNCS];
	struct drm_axon_sync *syncs = few;
	struct drm_axon_submit req = {
		.queue_id = queue->id,
		.jobs = { sizeof(*jobs), count, (uintptr_t)jobs },
	};
	uint32_t i;
	int err;

	if (wait_count + 1 > INLINE_SYNCS) {
		syncs = malloc((wait_count + 1) * sizeof(*syncs));
		if (!syncs)
			return -ENOMEM;
	}
	for (i = 0; i < wait_count; i++)
		syncs[i] = (struct drm_axon_sync) {
			.handle = to_node(queue, waits[i].queue)->syncobj,
			.flags = DRM_AXON_SYNC_WAIT,
			.point = waits[i].seqno,
		};
	syncs[i] = (struct drm_axon_sync) {
		.handle = queue->syncobj,
		.flags = DRM_AXON_SYNC_SIGNAL,
	};
	req.syncs = (struct drm_axon_array) { sizeof(*syncs), i + 1, (uintptr_t)syncs };
	pthread_mutex_lock(&queue->lock);
	err = atomic_load(&queue->canceled) ? -ECANCELED :
		submit_locked(queue, &req, count, &syncs[i]);
	pthread_mutex_unlock(&queue->lock);
	if (syncs != few)
		free(syncs);
	*seqno = req.seqno;
	return banned_error(base->ctx, err);
}

/* A job of a context that failed: did this one end well before, was it the cause, or a victim? */
static int failed_job(struct node_queue *queue, uint64_t seqno,
		      const struct drm_axon_ctx_get_state *ctx)
{
	if (ctx->fault_queue == queue->id && ctx->status) {
		if (seqno < ctx->seqno)
			return 0;
		if (seqno == ctx->seqno && (ctx->state & DRM_AXON_CTX_TIMEDOUT))
			return -ETIME;
		if (seqno == ctx->seqno)
			return axon_status_errno(ctx->status);
	} else if (seqno <= atomic_load(&queue->good)) {
		return 0;
	}
	return (ctx->state & DRM_AXON_CTX_DEVICE_RESET) ? -ECONNRESET : -ECANCELED;
}

/* How a job ended that has ended, or never will. While the context is not banned all is well. */
static int job_result(struct node_queue *queue, uint64_t seqno, uint32_t ctx_state)
{
	struct drm_axon_ctx_get_state ctx;
	uint64_t good = atomic_load(&queue->good);
	int err;

	if (ctx_state) {
		err = drm_ctx_state(queue->base.ctx, &ctx);
		return err ? err : failed_job(queue, seqno, &ctx);
	}
	while (good < seqno && !atomic_compare_exchange_weak(&queue->good, &good, seqno))
		;
	return 0;
}

static int drm_wait(struct axon_queue *base, uint64_t seqno, uint64_t deadline_ns)
{
	struct node_queue *queue = to_node(queue, base);
	struct drm_axon_queue_wait req = {
		.queue_id = queue->id,
		.seqno = seqno,
		.timeout_ns = deadline_ns > INT64_MAX ? INT64_MAX : (int64_t)deadline_ns,
		.spin_us = queue->spin_us,
	};
	int err;

	if (seqno <= atomic_load(&queue->good))
		return 0;
	if (atomic_load(&queue->canceled))
		return -ECANCELED;
	err = call(base->dev, DRM_IOCTL_AXON_QUEUE_WAIT, &req);
	/* What ended because it was cancelled looks like all others to the kernel's fence. */
	if (atomic_load(&queue->canceled))
		return -ECANCELED;
	if (err)
		return err == -ETIME ? -ETIMEDOUT : err;
	return job_result(queue, seqno, req.ctx_state);
}

const struct axon_transport axon_transport_drm = {
	.close = drm_close,
	.fd = device_fd,
	.query = drm_query,
	.bo_create = drm_bo_create,
	.bo_destroy = drm_bo_destroy,
	.bo_map = drm_bo_map,
	.bo_info = drm_bo_info,
	.bo_export = drm_bo_export,
	.bo_import = drm_bo_import,
	.vm_create = drm_vm_create,
	.vm_destroy = drm_vm_destroy,
	.vm_bind = drm_vm_bind,
	.ctx_create = drm_ctx_create,
	.ctx_destroy = drm_ctx_destroy,
	.ctx_state = drm_ctx_state,
	.queue_create = drm_queue_create,
	.queue_cancel = drm_queue_cancel,
	.queue_destroy = drm_queue_destroy,
	.queue_state = drm_queue_state,
	.submit = drm_submit,
	.wait = drm_wait,
};
