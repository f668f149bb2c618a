// SPDX-License-Identifier: MIT
/*
 * device.c - the public functions: they check arguments, keep parents alive while children live,
 * and hand over to the transport. No card's state is kept here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "axon_hw.h"
#include "internal.h"

AXON_API uint32_t axon_version(void)
{
	return AXON_VERSION_MAJOR << 16 | AXON_VERSION_MINOR << 8 | AXON_VERSION_PATCH;
}

void axon_log(axon_log_fn log, void *opaque, enum axon_log_level level, const char *fmt, ...)
{
	char line[512];
	va_list args;

	if (!log)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log(opaque, level, line);
}

uint64_t axon_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

AXON_API const char *axon_status_str(uint32_t status)
{
	switch (status) {
	case AXON_STATUS_OK: return "ok";
	case AXON_STATUS_FAULT_UNMAPPED: return "access to an address that is not bound";
	case AXON_STATUS_FAULT_WRITE: return "write to a read-only page";
	case AXON_STATUS_FAULT_EXEC: return "instruction fetch from a page that is not executable";
	case AXON_STATUS_FAULT_PTE: return "bad page table entry";
	case AXON_STATUS_FAULT_BUS: return "the system bus refused an access";
	case AXON_STATUS_FAULT_LINK: return "no such peer card, or its link is down";
	case AXON_STATUS_FAULT_ADDRESS: return "address beyond 48 bits";
	case AXON_STATUS_BAD_PROGRAM: return "bad program descriptor";
	case AXON_STATUS_BAD_OPCODE: return "opcode unknown or not for this engine";
	case AXON_STATUS_BAD_OPERAND: return "bad operand";
	case AXON_STATUS_BAD_DMA: return "bad DMA descriptor";
	case AXON_STATUS_OOB_INDEX: return "gather or scatter index out of bounds";
	case AXON_STATUS_BAD_PC: return "ran past the end of its instructions";
	case AXON_STATUS_DEADLOCK: return "deadlock: a semaphore that nobody will raise";
	case AXON_STATUS_BAD_GANG: return "bad gang: rank, number of ranks or place";
	case AXON_STATUS_PEER_LOST: return "another member of its gang was lost";
	case AXON_STATUS_BAD_COMMAND: return "bad command";
	case AXON_STATUS_BAD_RING: return "impossible ring index";
	case AXON_STATUS_CQ_OVERFLOW: return "completion queue overflow";
	case AXON_STATUS_KILLED: return "ended by a core reset";
	case AXON_STATUS_QUEUE_GONE: return "its queue was destroyed";
	case AXON_STATUS_CARD_RESET: return "the card was reset";
	default: return "unknown status";
	}
}

/* ---- devices ---- */

void axon_device_init(struct axon_device *dev, const struct axon_transport *ops, const char *path,
		      axon_log_fn log, void *opaque)
{
	dev->ops = ops;
	atomic_init(&dev->refs, 1);
	dev->log = log;
	dev->log_opaque = opaque;
	snprintf(dev->path, sizeof(dev->path), "%s", path);
	pthread_mutex_init(&dev->watch_lock, NULL);
}

void axon_device_get(struct axon_device *dev)
{
	atomic_fetch_add_explicit(&dev->refs, 1, memory_order_relaxed);
}

void axon_device_put(struct axon_device *dev)
{
	if (atomic_fetch_sub_explicit(&dev->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&dev->watch_lock);
	dev->ops->close(dev);
}

AXON_API int axon_device_open_path(const char *path, axon_log_fn log, void *opaque,
				   struct axon_device **dev)
{
	if (!path || !dev)
		return -EINVAL;
	*dev = NULL;
	if (!strcmp(path, "soft") || !strncmp(path, "soft:", 5))
		return axon_soft_open(path, log, opaque, dev);
	return axon_drm_open(path, log, opaque, dev);
}

AXON_API int axon_device_open(uint32_t index, struct axon_device **dev)
{
	char path[64];
	int err;

	if (!dev)
		return -EINVAL;
	*dev = NULL;
	err = axon_device_path_of(index, path, sizeof(path));
	if (err)
		return err;
	return axon_device_open_path(path, NULL, NULL, dev);
}

AXON_API void axon_device_close(struct axon_device *dev)
{
	if (dev)
		axon_device_put(dev);
}

AXON_API const char *axon_device_path(const struct axon_device *dev)
{
	return dev ? dev->path : NULL;
}

AXON_API int axon_device_fd(const struct axon_device *dev)
{
	return dev ? dev->ops->fd(dev) : -EINVAL;
}

static int query_one(struct axon_device *dev, uint32_t type, void *ptr, uint32_t size)
{
	if (!dev || !ptr)
		return -EINVAL;
	memset(ptr, 0, size);	/* an older driver may know less of it */
	return dev->ops->query(dev, type, ptr, &size);
}

static int query_array(struct axon_device *dev, uint32_t type, void *ptr, uint32_t *count,
		       uint32_t stride)
{
	uint32_t size;
	int err;

	if (!dev || !count || *count > UINT32_MAX / stride)
		return -EINVAL;
	size = ptr ? *count * stride : 0;
	err = dev->ops->query(dev, type, ptr, &size);
	if (!err)
		*count = size / stride;
	return err;
}

AXON_API int axon_device_query(struct axon_device *dev, struct drm_axon_query_device *info)
{
	return query_one(dev, DRM_AXON_QUERY_DEVICE, info, sizeof(*info));
}

AXON_API int axon_device_telemetry(struct axon_device *dev, struct drm_axon_query_telemetry *info)
{
	return query_one(dev, DRM_AXON_QUERY_TELEMETRY, info, sizeof(*info));
}

AXON_API int axon_device_regions(struct axon_device *dev, struct drm_axon_mem_region *regions,
				 uint32_t *count)
{
	return query_array(dev, DRM_AXON_QUERY_MEM_REGIONS, regions, count, sizeof(*regions));
}

AXON_API int axon_device_cores(struct axon_device *dev, struct drm_axon_core *cores,
			       uint32_t *count)
{
	return query_array(dev, DRM_AXON_QUERY_CORES, cores, count, sizeof(*cores));
}

AXON_API int axon_device_links(struct axon_device *dev, struct drm_axon_link *links,
			       uint32_t *count)
{
	return query_array(dev, DRM_AXON_QUERY_LINKS, links, count, sizeof(*links));
}

/* ---- buffers ---- */

AXON_API int axon_bo_create(struct axon_device *dev, uint64_t size, uint32_t region,
			    uint32_t flags, struct axon_vm *vm, struct axon_bo **bo)
{
	int err;

	if (!dev || !bo || (vm && vm->dev != dev))
		return -EINVAL;
	*bo = NULL;
	err = dev->ops->bo_create(dev, size, region, flags, vm, bo);
	if (err)
		return err;
	atomic_fetch_add(&(*bo)->users, 1);
	axon_device_get(dev);
	return 0;
}

AXON_API int axon_bo_watch(struct axon_bo *bo, struct axon_bo_watch *watch)
{
	if (!bo || !watch || !watch->gone)
		return -EINVAL;
	pthread_mutex_lock(&bo->dev->watch_lock);
	watch->bo = bo;
	watch->next = atomic_load(&bo->watches);
	atomic_store(&bo->watches, watch);
	pthread_mutex_unlock(&bo->dev->watch_lock);
	return 0;
}

/* @watch's buffer exists: the lock is held and it was not told. */
static void watch_unlink(struct axon_bo_watch *watch)
{
	struct axon_bo_watch *w = atomic_load(&watch->bo->watches);

	if (w == watch) {
		atomic_store(&watch->bo->watches, watch->next);
		return;
	}
	while (w->next != watch)
		w = w->next;
	w->next = watch->next;
}

AXON_API void axon_bo_unwatch(struct axon_device *dev, struct axon_bo_watch *watch)
{
	if (!dev || !watch)
		return;
	pthread_mutex_lock(&dev->watch_lock);
	if (watch->bo)
		watch_unlink(watch);
	watch->bo = NULL;
	pthread_mutex_unlock(&dev->watch_lock);
}

static void tell_watches(struct axon_bo *bo)
{
	struct axon_bo_watch *watch;

	/* Who destroys a handle is its last user, so nobody adds one now. */
	if (!atomic_load(&bo->watches))
		return;
	pthread_mutex_lock(&bo->dev->watch_lock);
	while ((watch = atomic_load(&bo->watches))) {
		atomic_store(&bo->watches, watch->next);
		watch->bo = NULL;
		watch->gone(watch);
	}
	pthread_mutex_unlock(&bo->dev->watch_lock);
}

AXON_API void axon_bo_destroy(struct axon_bo *bo)
{
	struct axon_device *dev;

	if (!bo)
		return;
	dev = bo->dev;
	if (atomic_fetch_sub(&bo->users, 1) == 1)
		tell_watches(bo);
	dev->ops->bo_destroy(bo);
	axon_device_put(dev);
}

AXON_API int axon_bo_map(struct axon_bo *bo, void **ptr)
{
	if (!bo || !ptr)
		return -EINVAL;
	if (!(bo->flags & DRM_AXON_BO_CPU_VISIBLE))
		return -EINVAL;
	return bo->dev->ops->bo_map(bo, ptr);
}

AXON_API int axon_bo_info(struct axon_bo *bo, struct drm_axon_bo_info *info)
{
	if (!bo || !info)
		return -EINVAL;
	return bo->dev->ops->bo_info(bo, info);
}

AXON_API uint64_t axon_bo_size(const struct axon_bo *bo)
{
	return bo ? bo->size : 0;
}

AXON_API int axon_bo_export(struct axon_bo *bo, int *fd)
{
	if (!bo || !fd)
		return -EINVAL;
	*fd = -1;
	return bo->dev->ops->bo_export(bo, fd);
}

AXON_API int axon_bo_import(struct axon_device *dev, int fd, struct axon_bo **bo)
{
	int err;

	if (!dev || !bo)
		return -EINVAL;
	*bo = NULL;
	err = dev->ops->bo_import(dev, fd, bo);
	if (err)
		return err;
	/* It may be a handle that is known already. */
	atomic_fetch_add(&(*bo)->users, 1);
	axon_device_get(dev);
	return 0;
}

/* ---- address spaces ---- */

AXON_API int axon_vm_create(struct axon_device *dev, struct axon_vm **vm)
{
	int err;

	if (!dev || !vm)
		return -EINVAL;
	*vm = NULL;
	err = dev->ops->vm_create(dev, vm);
	if (!err)
		axon_device_get(dev);
	return err;
}

AXON_API int axon_vm_destroy(struct axon_vm *vm)
{
	struct axon_device *dev;
	int err;

	if (!vm)
		return 0;
	if (atomic_load(&vm->contexts))
		return -EBUSY;
	dev = vm->dev;
	err = dev->ops->vm_destroy(vm);
	if (!err)
		axon_device_put(dev);
	return err;
}

AXON_API int axon_vm_bind(struct axon_vm *vm, const struct axon_bind *ops, uint32_t count,
			  uint32_t *done)
{
	uint32_t n = 0;
	uint32_t i;
	int err;

	if (done)
		*done = 0;
	if (!vm || !ops || !count || count > AXON_MAX_BIND_OPS)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		bool map = ops[i].op == DRM_AXON_BIND_MAP;

		if (map != (ops[i].bo != NULL) || (ops[i].bo && ops[i].bo->dev != vm->dev))
			return -EINVAL;
	}
	err = vm->dev->ops->vm_bind(vm, ops, count, &n);
	if (done)
		*done = n;
	return err;
}

AXON_API int axon_vm_map(struct axon_vm *vm, struct axon_bo *bo, uint64_t bo_offset, uint64_t addr,
			 uint64_t size, uint32_t flags)
{
	struct axon_bind op = {
		.bo = bo,
		.op = DRM_AXON_BIND_MAP,
		.flags = flags,
		.bo_offset = bo_offset,
		.addr = addr,
		.size = size,
	};

	return axon_vm_bind(vm, &op, 1, NULL);
}

AXON_API int axon_vm_unmap(struct axon_vm *vm, uint64_t addr, uint64_t size)
{
	struct axon_bind op = {
		.op = DRM_AXON_BIND_UNMAP,
		.addr = addr,
		.size = size,
	};

	return axon_vm_bind(vm, &op, 1, NULL);
}

/* ---- contexts ---- */

AXON_API int axon_context_create(struct axon_vm *vm, uint32_t priority, struct axon_context **ctx)
{
	int err;

	if (!vm || !ctx)
		return -EINVAL;
	*ctx = NULL;
	err = vm->dev->ops->ctx_create(vm, priority, ctx);
	if (err)
		return err;
	atomic_fetch_add(&vm->contexts, 1);
	axon_device_get(vm->dev);
	return 0;
}

AXON_API int axon_context_destroy(struct axon_context *ctx)
{
	struct axon_device *dev;
	struct axon_vm *vm;
	int err;

	if (!ctx)
		return 0;
	if (atomic_load(&ctx->queues))
		return -EBUSY;
	dev = ctx->dev;
	vm = ctx->vm;
	err = dev->ops->ctx_destroy(ctx);
	if (err)
		return err;
	atomic_fetch_sub(&vm->contexts, 1);
	axon_device_put(dev);
	return 0;
}

AXON_API int axon_context_state(struct axon_context *ctx, struct drm_axon_ctx_get_state *state)
{
	if (!ctx || !state)
		return -EINVAL;
	return ctx->dev->ops->ctx_state(ctx, state);
}

/* ---- queues ---- */

AXON_API int axon_queue_create(struct axon_context *ctx, const struct axon_queue_params *params,
			       struct axon_queue **queue)
{
	int err;

	if (!ctx || !params || !queue || params->reserved[0] || params->reserved[1] ||
	    params->reserved[2])
		return -EINVAL;
	*queue = NULL;
	err = ctx->dev->ops->queue_create(ctx, params, queue);
	if (err)
		return err;
	atomic_fetch_add(&ctx->queues, 1);
	axon_device_get(ctx->dev);
	return 0;
}

AXON_API void axon_queue_cancel(struct axon_queue *queue)
{
	if (queue)
		queue->dev->ops->queue_cancel(queue);
}

AXON_API void axon_queue_destroy(struct axon_queue *queue)
{
	struct axon_context *ctx;
	struct axon_device *dev;

	if (!queue)
		return;
	ctx = queue->ctx;
	dev = queue->dev;
	dev->ops->queue_destroy(queue);
	atomic_fetch_sub(&ctx->queues, 1);
	axon_device_put(dev);
}

AXON_API int axon_queue_state(struct axon_queue *queue, struct drm_axon_queue_get_state *state)
{
	if (!queue || !state)
		return -EINVAL;
	return queue->dev->ops->queue_state(queue, state);
}

AXON_API int axon_submit(struct axon_queue *queue, const struct drm_axon_job *jobs, uint32_t count,
			 const struct axon_fence *waits, uint32_t wait_count, uint64_t *seqno)
{
	uint64_t last;
	uint32_t i;
	int err;

	/* One sync is libaxon's own, for the completion. */
	if (!queue || !jobs || !count || count > AXON_MAX_JOBS ||
	    wait_count > AXON_MAX_SYNCS - 1 || (wait_count && !waits))
		return -EINVAL;
	for (i = 0; i < wait_count; i++)
		if (!waits[i].queue || waits[i].queue->dev != queue->dev)
			return -EINVAL;
	err = queue->dev->ops->submit(queue, jobs, count, waits, wait_count, &last);
	if (!err && seqno)
		*seqno = last;
	return err;
}

AXON_API int axon_wait_until(struct axon_queue *queue, uint64_t seqno, uint64_t deadline_ns)
{
	if (!queue)
		return -EINVAL;
	return queue->dev->ops->wait(queue, seqno, deadline_ns);
}

AXON_API int axon_wait(struct axon_queue *queue, uint64_t seqno, int64_t timeout_ns)
{
	uint64_t deadline = 0;

	if (timeout_ns < 0)
		deadline = UINT64_MAX;
	else if (timeout_ns > 0)
		deadline = axon_now_ns() + (uint64_t)timeout_ns;
	return axon_wait_until(queue, seqno, deadline);
}
