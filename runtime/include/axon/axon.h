/* SPDX-License-Identifier: MIT */
/*
 * axon.h - libaxon: the operations of an Axon card, one call each.
 *
 * The library is what stands between a program and the card, be it behind the kernel driver
 * (/dev/accel/accelN) or in the process itself (the soft card). It must never add policy: no
 * retries, no caches of results, no output, no signal handlers, no global state.
 *
 * Conventions
 * - Functions return 0 or a negative errno value and never touch errno.
 * - Handles are opaque. A handle may be used by many threads at once; destroying it while
 *   another thread uses it is the caller's error. Destroying NULL does nothing.
 * - Objects hang in a tree: device > buffer, address space > context > queue. Address spaces and
 *   contexts that still have children refuse to be destroyed (-EBUSY); a device may be closed at
 *   any time and lives on until its last object is destroyed.
 * - -ECONNRESET: the card was reset under the handle, what ran is lost; make a new context.
 *   -EIO: the card is broken beyond that. -ENODEV: it is gone.
 * - Structures named drm_axon_* are the kernel's (axon_accel.h) and mean the same on a soft card.
 */
#ifndef AXON_AXON_H
#define AXON_AXON_H

#include <stddef.h>
#include <stdint.h>

#include "axon_accel.h"

#ifdef __cplusplus
extern "C" {
#endif

#define AXON_VERSION_MAJOR	0
#define AXON_VERSION_MINOR	1
#define AXON_VERSION_PATCH	0

struct axon_device;
struct axon_bo;
struct axon_vm;
struct axon_context;
struct axon_queue;

/**
 * axon_version() - version of the library in use
 *
 * Return: major << 16 | minor << 8 | patch.
 */
uint32_t axon_version(void);

/* ---- devices ---- */

/**
 * axon_device_count() - how many cards there are
 * @count: result
 *
 * The environment variable AXON_DEVICE chooses: "drm" or unset: nodes below /dev/accel whose
 * driver is axon; "soft" or "soft:N": one or N soft cards.
 *
 * Return: 0 (also with no card at all) or -EINVAL (NULL, or AXON_DEVICE cannot be understood).
 */
int axon_device_count(uint32_t *count);

/**
 * axon_device_open() - open a card by its index
 * @index: 0 .. axon_device_count() - 1
 * @dev: result
 *
 * A soft card is made by its opening: two openings are two cards. The cards of AXON_DEVICE=soft:N
 * that a process has open are joined by a fabric, whose shape AXON_SOFT_FABRIC names: index is the
 * card's place. A second opening of an index that is open is a card outside the fabric. Its size
 * comes from AXON_SOFT_HBM (bytes, with suffix K, M or G; default 1G) and AXON_SOFT_CORES
 * (default 2), its firmware from the library or the file named by AXON_FIRMWARE.
 *
 * Return: 0, -ENODEV (no such card), -EACCES (permission), -EINVAL, -ENOMEM, -EPROTO (driver or
 * firmware speak another version), -ENOEXEC (the card refused the firmware image), -ETIMEDOUT
 * (the firmware did not come up), or what reading the image gave.
 */
int axon_device_open(uint32_t index, struct axon_device **dev);

/* How much a line of the library's log matters. */
enum axon_log_level {
	AXON_LOG_ERROR = 0,
	AXON_LOG_WARN = 1,
	AXON_LOG_INFO = 2,
};

/**
 * typedef axon_log_fn - takes one line of text, without newline
 *
 * Called by any thread that uses the device, and by the soft card's own; it must not call back
 * into the library.
 */
typedef void (*axon_log_fn)(void *opaque, enum axon_log_level level, const char *line);

/**
 * axon_device_open_path() - open a card by its device node
 * @path: e.g. "/dev/accel/accel0"; "soft" or "soft:N" for a soft card, where N is its place in
 *	the fabric if AXON_DEVICE asks for that many cards, else only a name
 * @log: gets the reasons of failures and what happens on a soft card, or NULL
 * @opaque: passed to @log
 * @dev: result
 *
 * Return: as axon_device_open(); -ENODEV if the node belongs to another driver.
 */
int axon_device_open_path(const char *path, axon_log_fn log, void *opaque,
			  struct axon_device **dev);

/**
 * axon_device_path_of() - device node of a card by its index
 * @index: 0 .. axon_device_count() - 1, in the order of the nodes' numbers
 * @buf: result, NUL terminated, for axon_device_open_path()
 * @size: bytes of @buf
 *
 * Return: 0, -ENODEV (no such card), -ENOSPC (@buf is too small), -EINVAL.
 */
int axon_device_path_of(uint32_t index, char *buf, size_t size);

/** axon_device_close() - drop the handle; the card is let go with its last object */
void axon_device_close(struct axon_device *dev);

/** axon_device_path() - its device node, or "soft:N"; valid until the device is closed */
const char *axon_device_path(const struct axon_device *dev);

/**
 * axon_device_fd() - the file behind a device, for poll() or PRIME; stays the library's
 *
 * Return: file descriptor, or -EOPNOTSUPP for a soft card.
 */
int axon_device_fd(const struct axon_device *dev);

/** axon_device_query() - identity and state of the card */
int axon_device_query(struct axon_device *dev, struct drm_axon_query_device *info);

/** axon_device_telemetry() - sensors as the firmware last published them */
int axon_device_telemetry(struct axon_device *dev, struct drm_axon_query_telemetry *info);

/**
 * axon_device_regions() - memories of the card
 * @regions: array, or NULL to learn the count
 * @count: in: its size; out: how many there are, even if more than fit
 */
int axon_device_regions(struct axon_device *dev, struct drm_axon_mem_region *regions,
			uint32_t *count);

/** axon_device_cores() - cores and what they did; as axon_device_regions() */
int axon_device_cores(struct axon_device *dev, struct drm_axon_core *cores, uint32_t *count);

/** axon_device_links() - links to other cards, none on a card without; as axon_device_regions() */
int axon_device_links(struct axon_device *dev, struct drm_axon_link *links, uint32_t *count);

/* ---- buffers ---- */

/**
 * axon_bo_create() - allocate memory, zeroed
 * @size: bytes, rounded up to whole pages
 * @region: DRM_AXON_REGION_HOST or DRM_AXON_REGION_HBM
 * @flags: DRM_AXON_BO_*
 * @vm: NULL, or the only address space it will be bound in
 * @bo: result
 *
 * Return: 0, -EINVAL, -ENOSPC (HBM is full), -ENOMEM.
 */
int axon_bo_create(struct axon_device *dev, uint64_t size, uint32_t region, uint32_t flags,
		   struct axon_vm *vm, struct axon_bo **bo);

/**
 * axon_bo_destroy() - drop the handle and its CPU mapping
 *
 * The memory lives until it is bound nowhere.
 */
void axon_bo_destroy(struct axon_bo *bo);

/**
 * axon_bo_map() - CPU address of a buffer made with DRM_AXON_BO_CPU_VISIBLE
 * @ptr: result, valid until axon_bo_destroy()
 *
 * Return: 0, -EINVAL (not CPU_VISIBLE), -ENOMEM.
 */
int axon_bo_map(struct axon_bo *bo, void **ptr);

/** axon_bo_info() - what the card's driver knows of a buffer */
int axon_bo_info(struct axon_bo *bo, struct drm_axon_bo_info *info);

/** axon_bo_size() - its size in bytes, rounded */
uint64_t axon_bo_size(const struct axon_bo *bo);

/**
 * axon_bo_export() - a file descriptor that stands for a buffer: a dma-buf
 * @fd: result, for axon_bo_import() by any card that can reach the memory; with the kernel driver
 *	also in another process, to which it can be sent (SCM_RIGHTS). The caller closes it
 *
 * The descriptor keeps the memory alive, also when the buffer is destroyed. On a soft card it does
 * so while the card is open.
 *
 * Return: 0, -EPERM (made for one address space only, or itself memory of another card), -EMFILE,
 * -EINVAL, -ENOMEM, -ENODEV.
 */
int axon_bo_export(struct axon_bo *bo, int *fd);

/**
 * axon_bo_import() - the buffer behind a file descriptor
 * @dev: the card that is to use it
 * @fd: from axon_bo_export(); stays the caller's, and can be closed at once
 * @bo: result, to be destroyed like any buffer
 *
 * A buffer of @dev itself is that buffer; it may be the very handle that is known already, which is
 * then to be destroyed once more. Host memory of another card is the same memory. HBM of another
 * card of the fabric is a buffer of region DRM_AXON_REGION_LINK (axon_bo_info() says which card's):
 * it has no CPU address, can be bound only with DRM_AXON_BIND_NOEXEC and cannot be exported. When
 * that card goes, bindings stay and accesses through them are faults.
 *
 * Return: 0, -EBADF (not a file descriptor), -EINVAL (not a buffer's), -EXDEV (HBM of a card that
 * is not in @dev's fabric), -EOPNOTSUPP (of another driver; of a soft card in another process),
 * -ENOLINK (the card whose memory it is is gone), -ENODEV, -ENOMEM.
 */
int axon_bo_import(struct axon_device *dev, int fd, struct axon_bo **bo);

/**
 * struct axon_bo_watch - wants to know when a buffer's handle goes
 * @gone: called by axon_bo_destroy() in its thread, once, before the memory is let go. It may call
 *	libaxon, but for axon_bo_watch() and axon_bo_unwatch(), and for axon_bo_destroy() of what is
 *	watched
 * @bo: the library's
 * @next: the library's
 */
struct axon_bo_watch {
	void (*gone)(struct axon_bo_watch *watch);
	struct axon_bo *bo;
	struct axon_bo_watch *next;
};

/**
 * axon_bo_watch() - be told when the last user of a handle destroys it
 *
 * For who keeps something by buffer, such as where it is bound: an address of a handle says nothing
 * once the handle is gone. @watch is the caller's and stays in place until @gone or
 * axon_bo_unwatch().
 */
int axon_bo_watch(struct axon_bo *bo, struct axon_bo_watch *watch);

/**
 * axon_bo_unwatch() - not any more; @watch->gone is not running when it returns, and never will
 * @dev: device of the buffer
 */
void axon_bo_unwatch(struct axon_device *dev, struct axon_bo_watch *watch);

/* ---- address spaces ---- */

/**
 * axon_vm_create() - make an empty address space
 *
 * Return: 0, -ENOSPC (none left), -ENOMEM.
 */
int axon_vm_create(struct axon_device *dev, struct axon_vm **vm);

/** axon_vm_destroy() - unbinds everything. Return: 0, or -EBUSY while a context uses it. */
int axon_vm_destroy(struct axon_vm *vm);

/**
 * struct axon_bind - one change of an address space
 * @bo: MAP: the buffer; UNMAP: NULL
 * @op: DRM_AXON_BIND_MAP or DRM_AXON_BIND_UNMAP
 * @flags: DRM_AXON_BIND_*
 * @bo_offset: MAP: bytes into the buffer
 * @addr: first virtual address
 * @size: bytes
 *
 * The last three are multiples of 4096.
 */
struct axon_bind {
	struct axon_bo *bo;
	uint32_t op;
	uint32_t flags;
	uint64_t bo_offset;
	uint64_t addr;
	uint64_t size;
};

/**
 * axon_vm_bind() - change an address space; done when it returns
 * @ops: carried out in order
 * @count: 1 .. AXON_MAX_BIND_OPS
 * @done: if not NULL: how many were carried out
 *
 * Return: 0, -EINVAL, -ENOMEM, -EPERM (the buffer is private to another address space).
 */
int axon_vm_bind(struct axon_vm *vm, const struct axon_bind *ops, uint32_t count, uint32_t *done);

/** axon_vm_map() - bind one range of one buffer */
int axon_vm_map(struct axon_vm *vm, struct axon_bo *bo, uint64_t bo_offset, uint64_t addr,
		uint64_t size, uint32_t flags);

/** axon_vm_unmap() - unbind one range; what is not bound in it does not matter */
int axon_vm_unmap(struct axon_vm *vm, uint64_t addr, uint64_t size);

/* ---- contexts ---- */

/**
 * axon_context_create() - make the unit of failure: when one queue of it fails, all stop
 * @vm: address space of its queues
 * @priority: a &enum drm_axon_priority
 * @ctx: result
 *
 * Return: 0, -EINVAL, -EACCES (priority HIGH without permission), -ENOSPC, -ENOMEM.
 */
int axon_context_create(struct axon_vm *vm, uint32_t priority, struct axon_context **ctx);

/** axon_context_destroy() - Return: 0, or -EBUSY while it has queues. */
int axon_context_destroy(struct axon_context *ctx);

/**
 * axon_context_state() - did it fail, and where
 * @state: result; @state.state has DRM_AXON_CTX_* bits
 */
int axon_context_state(struct axon_context *ctx, struct drm_axon_ctx_get_state *state);

/* ---- queues, submission, waiting ---- */

/**
 * struct axon_queue_params - what a queue is made with
 * @core: core it feeds
 * @flags: 0
 * @entries: size of its ring, a power of two; 0: the driver's choice
 * @timeout_ms: how long a job may occupy its core; 0: AXON_DEFAULT_TIMEOUT_MS
 * @spin_us: axon_wait() looks that long before it blocks, if the card was awake; 0: never spin
 * @reserved: must be 0
 */
struct axon_queue_params {
	uint32_t core;
	uint32_t flags;
	uint32_t entries;
	uint32_t timeout_ms;
	uint32_t spin_us;
	uint32_t reserved[3];
};

/**
 * axon_queue_create() - make a queue
 *
 * Return: 0, -EINVAL, -ENOSPC (no hardware queue left), -EOPNOTSUPP (flags), -ECANCELED (the
 * context is banned), -ECONNRESET, -ENOMEM.
 */
int axon_queue_create(struct axon_context *ctx, const struct axon_queue_params *params,
		      struct axon_queue **queue);

/**
 * axon_queue_cancel() - end everything of a queue that has not ended, with -ECANCELED
 *
 * The card touches nothing for it any more when this returns. Threads that wait for its jobs wake
 * up, submitting is -ECANCELED from now on; the handle stays. May be called by any thread, more
 * than once.
 */
void axon_queue_cancel(struct axon_queue *queue);

/** axon_queue_destroy() - what has not ended ends with -ECANCELED */
void axon_queue_destroy(struct axon_queue *queue);

/** axon_queue_state() - counters of a queue */
int axon_queue_state(struct axon_queue *queue, struct drm_axon_queue_get_state *state);

/**
 * struct axon_fence - a job, as something to wait for
 * @queue: its queue
 * @seqno: what axon_submit() returned
 */
struct axon_fence {
	struct axon_queue *queue;
	uint64_t seqno;
};

/**
 * axon_submit() - hand jobs to the card
 * @jobs: carried out in order; all or none are accepted
 * @count: 1 .. AXON_MAX_JOBS
 * @waits: jobs of other queues of the same device that must end first, or NULL
 * @wait_count: 0 .. AXON_MAX_SYNCS - 1
 * @seqno: if not NULL: number of the last job; numbers of a queue grow by 1
 *
 * A job that failed counts as ended for those that wait for it.
 *
 * Return: 0, -EINVAL, -ECANCELED (the context is banned), -ECONNRESET, -EIO, -ENODEV, -ENOMEM.
 */
int axon_submit(struct axon_queue *queue, const struct drm_axon_job *jobs, uint32_t count,
		const struct axon_fence *waits, uint32_t wait_count, uint64_t *seqno);

/**
 * axon_wait() - wait until a job has ended
 * @seqno: its number
 * @timeout_ns: nanoseconds from now; 0 looks once; negative: as long as it takes (the card ends
 *	every job at its queue's timeout, so this has an end too)
 *
 * Return: 0 it ended well; -ETIMEDOUT it has not ended yet; else how it failed: -ETIME (it took
 * longer than the queue's timeout), -EFAULT (address translation), -EINVAL (bad program, operand
 * or command), -EDEADLK (its engines wait for each other), -ENOLINK (another member of its gang
 * failed or went; @peer of axon_context_state() says which), -ECANCELED (its context failed or its
 * queue was destroyed), -ECONNRESET, -EIO, -ENODEV. axon_context_state() has the details.
 */
int axon_wait(struct axon_queue *queue, uint64_t seqno, int64_t timeout_ns);

/**
 * axon_wait_until() - the same with a deadline
 * @deadline_ns: CLOCK_MONOTONIC
 */
int axon_wait_until(struct axon_queue *queue, uint64_t seqno, uint64_t deadline_ns);

/** axon_status_str() - an &enum axon_status (axon_hw.h) in words; never NULL */
const char *axon_status_str(uint32_t status);

#ifdef __cplusplus
}
#endif

#endif /* AXON_AXON_H */
