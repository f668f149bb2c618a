/* SPDX-License-Identifier: MIT */
/*
 * internal.h - how the files of libaxon meet: handles and the transport interface.
 *
 *   device.c         public functions: arguments, object counts, dispatch
 *   path.c           which cards there are (AXON_DEVICE)
 *   transport_drm.c  the kernel driver
 *   transport_soft.c the card in the process: operations; what is behind it is in soft_*.c
 */
#ifndef AXON_LIBAXON_INTERNAL_H
#define AXON_LIBAXON_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "axon/axon.h"

#define AXON_API	__attribute__((visibility("default")))

struct axon_transport;

/**
 * struct axon_device - a card; embedded in the transport's own structure
 * @ops: the transport
 * @refs: the handle and every object on the device
 * @log: where lines go, or NULL
 * @log_opaque: for @log
 * @path: device node or "soft:N"
 * @watch_lock: guards the watches of its buffers; held while they are told
 */
struct axon_device {
	const struct axon_transport *ops;
	atomic_uint refs;
	axon_log_fn log;
	void *log_opaque;
	char path[64];
	pthread_mutex_t watch_lock;
};

/*
 * The rest is likewise the first member of what a transport allocates. @users of a buffer are the
 * times its handle was given out; @watches are changed under the device's watch_lock.
 */
struct axon_bo {
	struct axon_device *dev;
	uint64_t size;
	uint32_t region;
	uint32_t flags;
	atomic_uint users;
	_Atomic(struct axon_bo_watch *) watches;
};

struct axon_vm {
	struct axon_device *dev;
	atomic_uint contexts;
};

struct axon_context {
	struct axon_device *dev;
	struct axon_vm *vm;
	atomic_uint queues;
};

struct axon_queue {
	struct axon_device *dev;
	struct axon_context *ctx;
};

/**
 * struct axon_transport - what carries out the operations
 *
 * Pointers are not NULL, counts are within the caps of axon_accel.h and objects belong to the
 * device; everything else is the transport's to check. Creating functions set dev (and vm, ctx)
 * in the common part; references and child counts are device.c's.
 */
struct axon_transport {
	void (*close)(struct axon_device *dev);
	int (*fd)(const struct axon_device *dev);
	/* As DEV_QUERY: *size in: bytes at ptr, out: bytes the answer has. */
	int (*query)(struct axon_device *dev, uint32_t type, void *ptr, uint32_t *size);
	int (*bo_create)(struct axon_device *dev, uint64_t size, uint32_t region, uint32_t flags,
			 struct axon_vm *vm, struct axon_bo **bo);
	void (*bo_destroy)(struct axon_bo *bo);
	int (*bo_map)(struct axon_bo *bo, void **ptr);
	int (*bo_info)(struct axon_bo *bo, struct drm_axon_bo_info *info);
	int (*bo_export)(struct axon_bo *bo, int *fd);
	/* May give a handle that exists already; bo_destroy is then called once more. */
	int (*bo_import)(struct axon_device *dev, int fd, struct axon_bo **bo);
	int (*vm_create)(struct axon_device *dev, struct axon_vm **vm);
	int (*vm_destroy)(struct axon_vm *vm);
	int (*vm_bind)(struct axon_vm *vm, const struct axon_bind *ops, uint32_t count,
		       uint32_t *done);
	int (*ctx_create)(struct axon_vm *vm, uint32_t priority, struct axon_context **ctx);
	int (*ctx_destroy)(struct axon_context *ctx);
	int (*ctx_state)(struct axon_context *ctx, struct drm_axon_ctx_get_state *state);
	int (*queue_create)(struct axon_context *ctx, const struct axon_queue_params *params,
			    struct axon_queue **queue);
	void (*queue_cancel)(struct axon_queue *queue);
	void (*queue_destroy)(struct axon_queue *queue);
	int (*queue_state)(struct axon_queue *queue, struct drm_axon_queue_get_state *state);
	int (*submit)(struct axon_queue *queue, const struct drm_axon_job *jobs, uint32_t count,
		      const struct axon_fence *waits, uint32_t wait_count, uint64_t *seqno);
	int (*wait)(struct axon_queue *queue, uint64_t seqno, uint64_t deadline_ns);
};

extern const struct axon_transport axon_transport_drm;
extern const struct axon_transport axon_transport_soft;

/* transport_drm.c, transport_soft.c: open a card; @dev has no references yet. */
int axon_drm_open(const char *path, axon_log_fn log, void *opaque, struct axon_device **dev);
int axon_soft_open(const char *path, axon_log_fn log, void *opaque, struct axon_device **dev);
/* Is this node one of ours? 0 or -ENODEV, -EACCES, ... */
int axon_drm_probe(const char *path);

/* path.c: the number of soft cards AXON_DEVICE asks for; 0: the kernel's; negative errno. */
int axon_soft_count(void);

/* device.c */
void axon_device_init(struct axon_device *dev, const struct axon_transport *ops, const char *path,
		      axon_log_fn log, void *opaque);
void axon_device_get(struct axon_device *dev);
void axon_device_put(struct axon_device *dev);
void axon_log(axon_log_fn log, void *opaque, enum axon_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
uint64_t axon_now_ns(void);

#define axon_dev_log(dev, level, ...) axon_log((dev)->log, (dev)->log_opaque, level, __VA_ARGS__)

#endif /* AXON_LIBAXON_INTERNAL_H */
