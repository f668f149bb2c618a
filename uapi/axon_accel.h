/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * axon_accel.h - the ioctls of /dev/accel/accelN.
 *
 * The contract between axon.ko and user space. Rules: every structure is a multiple of 8 bytes
 * with no implicit padding; pads, unknown flags and output members that are not 0 on entry are
 * refused (EINVAL); structures grow at the end and 0 means the old behaviour; arrays are
 * {stride, count, pointer} with a published cap; handles and ids start at 1 and belong to one
 * file; timeouts are absolute CLOCK_MONOTONIC nanoseconds. Prose: Documentation/uapi.rst.
 */
#ifndef AXON_ACCEL_H
#define AXON_ACCEL_H

#include "axon_types.h"
#ifdef __KERNEL__
#include <drm/drm.h>
#else
#include <drm.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define AXON_DRIVER_NAME	"axon"
#define AXON_UAPI_MAJOR		1
#define AXON_UAPI_MINOR		1

#define DRM_AXON_DEV_QUERY		0x00
#define DRM_AXON_BO_CREATE		0x01
#define DRM_AXON_BO_MMAP_OFFSET		0x02
#define DRM_AXON_BO_INFO		0x03
#define DRM_AXON_VM_CREATE		0x04
#define DRM_AXON_VM_DESTROY		0x05
#define DRM_AXON_VM_BIND		0x06
#define DRM_AXON_CTX_CREATE		0x07
#define DRM_AXON_CTX_DESTROY		0x08
#define DRM_AXON_CTX_GET_STATE		0x09
#define DRM_AXON_QUEUE_CREATE		0x0a
#define DRM_AXON_QUEUE_DESTROY		0x0b
#define DRM_AXON_QUEUE_GET_STATE	0x0c
#define DRM_AXON_SUBMIT			0x0d
#define DRM_AXON_QUEUE_WAIT		0x0e

/* Caps. */
#define AXON_MAX_SYNCS			1024u
#define AXON_MAX_BIND_OPS		1024u
#define AXON_MAX_JOBS			256u
#define AXON_MAX_VMS_PER_FILE		32u
#define AXON_MAX_CTXS_PER_FILE		64u
#define AXON_MAX_QUEUES_PER_CTX		64u
#define AXON_MAX_BO_SIZE		(1ull << 40)
/* Virtual addresses that VM_BIND takes; below and above is nothing. */
#define AXON_VM_START			0x10000ull
#define AXON_VM_END			(1ull << 47)
#define AXON_DEFAULT_TIMEOUT_MS		30000u
#define AXON_MAX_TIMEOUT_MS		600000u
#define AXON_MAX_SPIN_US		1000u

/**
 * struct drm_axon_array - an array in user memory
 * @stride: bytes of one element: at least the first published size, a multiple of 8
 * @count: elements; the cap stands where the array is used
 * @ptr: user address
 */
struct drm_axon_array {
	__u32 stride;
	__u32 count;
	__u64 ptr;
};
AXON_ASSERT_SIZE(struct drm_axon_array, 16);

/* ---- DEV_QUERY ---- */

enum drm_axon_query_type {
	DRM_AXON_QUERY_DEVICE = 0,	/* struct drm_axon_query_device */
	DRM_AXON_QUERY_MEM_REGIONS = 1,	/* array of struct drm_axon_mem_region */
	DRM_AXON_QUERY_CORES = 2,	/* array of struct drm_axon_core */
	DRM_AXON_QUERY_TELEMETRY = 3,	/* struct drm_axon_query_telemetry */
	DRM_AXON_QUERY_LINKS = 4,	/* array of struct drm_axon_link, may be empty */
};

/**
 * struct drm_axon_dev_query - DRM_IOCTL_AXON_DEV_QUERY
 * @type: an &enum drm_axon_query_type
 * @size: in: bytes at @ptr; out: bytes the answer has. The kernel writes the smaller of both
 * @ptr: user address, or 0 to learn the size
 *
 * Errors: EINVAL unknown type; EFAULT; ENODEV the card is gone.
 */
struct drm_axon_dev_query {
	__u32 type;
	__u32 size;
	__u64 ptr;
};
AXON_ASSERT_SIZE(struct drm_axon_dev_query, 16);

/* States of the device. */
enum drm_axon_dev_state {
	DRM_AXON_STATE_READY = 0,
	DRM_AXON_STATE_RESETTING = 1,
	DRM_AXON_STATE_WEDGED = 2,	/* every call that needs the card fails with EIO */
};

/**
 * struct drm_axon_query_device - identity of the card
 * @pci_vendor: PCI ids
 * @pci_device: PCI ids
 * @revision: AXON_REVISION_*
 * @state: an &enum drm_axon_dev_state
 * @fw_version: as in struct axon_fw_header
 * @mbox_abi: the firmware's mailbox ABI
 * @isa_version: of the instructions the card executes
 * @num_cores: cores
 * @num_queues: hardware queues
 * @num_asids: hardware address spaces, 0 included
 * @hbm_stacks: stacks of HBM
 * @reset_count: card resets since the driver was bound
 * @serial: serial number
 * @ref_clock_hz: clock that cycles are counted in
 * @vm_start: first virtual address VM_BIND takes
 * @vm_end: first one it does not
 * @fw_version_str: NUL terminated
 * @numa_node: of the PCI slot, -1 if unknown
 * @fabric_cards: places of the fabric the card is part of; 0: none
 * @fabric_uid: equal on all cards of a fabric; 0: none
 * @fabric_id: the card's place in it, or AXON_NO_PEER (axon_hw.h)
 * @pad: 0
 */
struct drm_axon_query_device {
	__u32 pci_vendor;
	__u32 pci_device;
	__u32 revision;
	__u32 state;
	__u32 fw_version;
	__u32 mbox_abi;
	__u32 isa_version;
	__u32 num_cores;
	__u32 num_queues;
	__u32 num_asids;
	__u32 hbm_stacks;
	__u32 reset_count;
	__u64 serial;
	__u64 ref_clock_hz;
	__u64 vm_start;
	__u64 vm_end;
	char fw_version_str[32];
	__s32 numa_node;
	__u32 fabric_cards;
	__u64 fabric_uid;
	__u32 fabric_id;
	__u32 pad;
};
AXON_ASSERT_SIZE(struct drm_axon_query_device, 136);
AXON_ASSERT_OFFSET(struct drm_axon_query_device, fabric_cards, 116);

enum drm_axon_region {
	DRM_AXON_REGION_HOST = 0,	/* host memory, reached by DMA */
	DRM_AXON_REGION_HBM = 1,	/* the card's own; instance = stack */
	DRM_AXON_REGION_LINK = 2,	/* a sibling card's HBM, imported; not for BO_CREATE */
};

struct drm_axon_mem_region {
	__u16 region;		/* an &enum drm_axon_region */
	__u16 instance;
	__u32 min_page;		/* bytes */
	__u64 size;		/* HOST: 0, no limit of the card's */
	__u64 used;
	__u64 cpu_visible;
};
AXON_ASSERT_SIZE(struct drm_axon_mem_region, 32);

/**
 * struct drm_axon_core - a core and what it did
 * @id: index
 * @state: an &enum axon_core_state (axon_hw.h)
 * @busy_ns: host nanoseconds with a launch on it, since reset
 * @cycles: modelled cycles of all launches
 * @launches: launches ended
 * @flops: floating point operations of its tensor engine
 */
struct drm_axon_core {
	__u32 id;
	__u32 state;
	__u64 busy_ns;
	__u64 cycles;
	__u64 launches;
	__u64 flops;
};
AXON_ASSERT_SIZE(struct drm_axon_core, 40);

/* Sensors as the firmware last published them; units as in struct axon_telemetry. */
struct drm_axon_query_telemetry {
	__u64 timestamp_ns;	/* CLOCK_MONOTONIC of the reading */
	__s32 temp_die;
	__s32 temp_hbm;
	__u32 power;
	__u32 voltage;
	__u32 clock_core;
	__u32 clock_hbm;
	__u64 energy;
	__u32 hbm_ecc_ce;
	__u32 hbm_ecc_ue;
	__u32 sram_ecc_ce;
	__u32 sram_ecc_ue;
	__u64 uptime_us;
	__u32 updates;
	__u32 faults_lost;
};
AXON_ASSERT_SIZE(struct drm_axon_query_telemetry, 72);

/**
 * struct drm_axon_link - the way to another card of the fabric
 * @peer: its place in the fabric (&drm_axon_query_device.fabric_id there)
 * @state: an &enum axon_peer_state (axon_hw.h)
 * @lanes: of the narrowest link on the way
 * @distance: links on the way
 * @bandwidth: bytes a second, one direction
 * @latency_ns: one way
 * @errors: accesses that ended with AXON_STATUS_FAULT_LINK
 * @written: bytes this card wrote into the peer's HBM since power-on
 * @read: bytes this card read from there
 * @posts: semaphores of the peer this card posted to
 * @reserved: 0
 *
 * One for every place of the fabric but the card's own, by place, also those that are empty.
 */
struct drm_axon_link {
	__u32 peer;
	__u32 state;
	__u32 lanes;
	__u32 distance;
	__u64 bandwidth;
	__u32 latency_ns;
	__u32 errors;
	__u64 written;
	__u64 read;
	__u64 posts;
	__u64 reserved;
};
AXON_ASSERT_SIZE(struct drm_axon_link, 64);

/* ---- buffers ---- */

#define DRM_AXON_BO_CPU_VISIBLE		(1u << 0)	/* will be mapped by mmap() */
#define DRM_AXON_BO_FLAGS		DRM_AXON_BO_CPU_VISIBLE

/**
 * struct drm_axon_bo_create - DRM_IOCTL_AXON_BO_CREATE
 * @size: in: bytes, not 0; out: rounded up to whole pages
 * @region: an &enum drm_axon_region
 * @flags: DRM_AXON_BO_*
 * @vm_id: 0, or the only VM it may be bound in (it then shares that VM's reservation)
 * @handle: out: GEM handle
 * @reserved: must be 0
 *
 * The memory is zero. Errors: EINVAL; ENOENT no such VM; ENOSPC HBM is full; ENOMEM.
 */
struct drm_axon_bo_create {
	__u64 size;
	__u32 region;
	__u32 flags;
	__u32 vm_id;
	__u32 handle;
	__u64 reserved;
};
AXON_ASSERT_SIZE(struct drm_axon_bo_create, 32);

/**
 * struct drm_axon_bo_mmap_offset - DRM_IOCTL_AXON_BO_MMAP_OFFSET
 * @handle: GEM handle, made with DRM_AXON_BO_CPU_VISIBLE
 * @flags: must be 0
 * @offset: out: for mmap() of the device file, MAP_SHARED
 *
 * Errors: EINVAL flags or not CPU_VISIBLE; ENOENT.
 */
struct drm_axon_bo_mmap_offset {
	__u32 handle;
	__u32 flags;
	__u64 offset;
};
AXON_ASSERT_SIZE(struct drm_axon_bo_mmap_offset, 16);

/**
 * struct drm_axon_bo_info - DRM_IOCTL_AXON_BO_INFO
 * @handle: GEM handle
 * @region: out: an &enum drm_axon_region
 * @size: out: bytes
 * @flags: out: DRM_AXON_BO_*
 * @peer: in: 0; out: LINK: place of the card whose memory it is; else 0
 */
struct drm_axon_bo_info {
	__u32 handle;
	__u32 region;
	__u64 size;
	__u32 flags;
	__u32 peer;
};
AXON_ASSERT_SIZE(struct drm_axon_bo_info, 24);

/* ---- address spaces ---- */

/**
 * struct drm_axon_vm_create - DRM_IOCTL_AXON_VM_CREATE
 * @flags: must be 0
 * @vm_id: out
 *
 * Errors: ENOSPC: AXON_MAX_VMS_PER_FILE, or every hardware address space is taken.
 */
struct drm_axon_vm_create {
	__u32 flags;
	__u32 vm_id;
};
AXON_ASSERT_SIZE(struct drm_axon_vm_create, 8);

/* DRM_IOCTL_AXON_VM_DESTROY: ENOENT; EBUSY while a context uses it. */
struct drm_axon_vm_destroy {
	__u32 vm_id;
	__u32 pad;
};
AXON_ASSERT_SIZE(struct drm_axon_vm_destroy, 8);

enum drm_axon_bind_type {
	DRM_AXON_BIND_MAP = 0,
	DRM_AXON_BIND_UNMAP = 1,
};

#define DRM_AXON_BIND_READONLY		(1u << 0)
#define DRM_AXON_BIND_NOEXEC		(1u << 1)	/* no instruction fetch */
#define DRM_AXON_BIND_FLAGS		(DRM_AXON_BIND_READONLY | DRM_AXON_BIND_NOEXEC)

/**
 * struct drm_axon_bind_op - one change of an address space
 * @op: an &enum drm_axon_bind_type
 * @flags: MAP: DRM_AXON_BIND_*; UNMAP: 0
 * @handle: MAP: GEM handle; UNMAP: 0
 * @pad: must be 0
 * @bo_offset: MAP: bytes into the buffer; UNMAP: 0
 * @addr: first virtual address
 * @size: bytes
 *
 * @bo_offset, @addr and @size are multiples of 4096. A MAP replaces what was mapped there.
 */
struct drm_axon_bind_op {
	__u32 op;
	__u32 flags;
	__u32 handle;
	__u32 pad;
	__u64 bo_offset;
	__u64 addr;
	__u64 size;
};
AXON_ASSERT_SIZE(struct drm_axon_bind_op, 40);

/**
 * struct drm_axon_vm_bind - DRM_IOCTL_AXON_VM_BIND
 * @vm_id: the address space
 * @flags: must be 0 (asynchronous binds are reserved)
 * @ops: array of struct drm_axon_bind_op, 1..AXON_MAX_BIND_OPS, carried out in order
 * @done: out: operations carried out; less than @ops.count only with an error
 * @pad: must be 0
 *
 * Synchronous: on return the card sees the new mappings and no longer the old ones.
 * Errors: EINVAL, ENOENT (vm, handle), ENOMEM, EPERM (buffer is private to another VM), ENOLINK
 * (the card that an imported buffer belongs to is gone).
 */
struct drm_axon_vm_bind {
	__u32 vm_id;
	__u32 flags;
	struct drm_axon_array ops;
	__u32 done;
	__u32 pad;
};
AXON_ASSERT_SIZE(struct drm_axon_vm_bind, 32);

/* ---- contexts ---- */

enum drm_axon_priority {
	DRM_AXON_PRIORITY_LOW = 0,
	DRM_AXON_PRIORITY_NORMAL = 1,
	DRM_AXON_PRIORITY_HIGH = 2,	/* wants CAP_SYS_NICE: EACCES */
};

/**
 * struct drm_axon_ctx_create - DRM_IOCTL_AXON_CTX_CREATE
 * @vm_id: address space of all its queues
 * @priority: an &enum drm_axon_priority
 * @flags: must be 0
 * @ctx_id: out
 *
 * A context is the unit of failure: a fault or timeout of one queue stops all its queues and
 * bans it, and no other.
 */
struct drm_axon_ctx_create {
	__u32 vm_id;
	__u32 priority;
	__u32 flags;
	__u32 ctx_id;
};
AXON_ASSERT_SIZE(struct drm_axon_ctx_create, 16);

struct drm_axon_ctx_destroy {
	__u32 ctx_id;
	__u32 pad;
};
AXON_ASSERT_SIZE(struct drm_axon_ctx_destroy, 8);

#define DRM_AXON_CTX_BANNED		(1u << 0)	/* SUBMIT fails with ECANCELED */
#define DRM_AXON_CTX_TIMEDOUT		(1u << 1)
#define DRM_AXON_CTX_FAULTED		(1u << 2)
#define DRM_AXON_CTX_DEVICE_RESET	(1u << 3)	/* the card was reset under it */

/**
 * struct drm_axon_ctx_get_state - DRM_IOCTL_AXON_CTX_GET_STATE
 * @ctx_id: the context
 * @state: out: DRM_AXON_CTX_*
 * @status: out: an &enum axon_status of the first failure
 * @fault_queue: out: id of the queue that failed
 * @engine: out: as in struct axon_fault
 * @opcode: out
 * @pc: out
 * @semaphore: out
 * @sem_value: out
 * @sem_wanted: out
 * @fault_addr: out
 * @seqno: out: the failed job
 * @peer: out: as in struct axon_fault: 1 + rank in the job's gang, 0 none
 * @pad: out: 0
 *
 * Everything after @state is 0 while nothing failed.
 */
struct drm_axon_ctx_get_state {
	__u32 ctx_id;
	__u32 state;
	__u32 status;
	__u32 fault_queue;
	__u32 engine;
	__u32 opcode;
	__u32 pc;
	__u32 semaphore;
	__u32 sem_value;
	__u32 sem_wanted;
	__u64 fault_addr;
	__u64 seqno;
	__u32 peer;
	__u32 pad;
};
AXON_ASSERT_SIZE(struct drm_axon_ctx_get_state, 64);

/* ---- queues ---- */

#define DRM_AXON_QUEUE_USER_MODE	(1u << 0)	/* reserved: EOPNOTSUPP in this version */

/**
 * struct drm_axon_queue_create - DRM_IOCTL_AXON_QUEUE_CREATE
 * @ctx_id: its context
 * @core: core it feeds
 * @flags: 0
 * @entries: ring size, a power of two, AXON_MIN_RING_ENTRIES..AXON_MAX_RING_ENTRIES; 0: 256
 * @timeout_ms: a job may occupy its core that long; 0: AXON_DEFAULT_TIMEOUT_MS; at most
 *	AXON_MAX_TIMEOUT_MS
 * @queue_id: out
 * @reserved: must be 0
 *
 * Errors: EINVAL, ENOENT, ENOSPC (no hardware queue left), EOPNOTSUPP, ECANCELED (banned).
 */
struct drm_axon_queue_create {
	__u32 ctx_id;
	__u32 core;
	__u32 flags;
	__u32 entries;
	__u32 timeout_ms;
	__u32 queue_id;
	__u64 reserved[3];
};
AXON_ASSERT_SIZE(struct drm_axon_queue_create, 48);

struct drm_axon_queue_destroy {
	__u32 queue_id;
	__u32 pad;
};
AXON_ASSERT_SIZE(struct drm_axon_queue_destroy, 8);

/**
 * struct drm_axon_queue_get_state - DRM_IOCTL_AXON_QUEUE_GET_STATE
 * @queue_id: the queue
 * @last_status: out: an &enum axon_status of the newest completion
 * @submitted: out: seqno of the newest job accepted
 * @completed: out: seqno of the newest job completed
 * @last_cycles: out: modelled cycles of the newest completion
 * @total_cycles: out: of all of them
 * @last_profiled: out: profile records the newest launch made
 * @pad: out: 0
 */
struct drm_axon_queue_get_state {
	__u32 queue_id;
	__u32 last_status;
	__u64 submitted;
	__u64 completed;
	__u64 last_cycles;
	__u64 total_cycles;
	__u32 last_profiled;
	__u32 pad;
};
AXON_ASSERT_SIZE(struct drm_axon_queue_get_state, 48);

/* ---- submission ---- */

/**
 * struct drm_axon_job - one command
 * @opcode: an &enum axon_cmd_opcode (axon_hw.h)
 * @flags: must be 0
 * @user_data: passed through to the completion
 * @operand: the words of struct axon_cmd after user_data
 */
struct drm_axon_job {
	__u32 opcode;
	__u32 flags;
	__u64 user_data;
	__u64 operand[5];
};
AXON_ASSERT_SIZE(struct drm_axon_job, 56);

#define DRM_AXON_SYNC_WAIT		0u
#define DRM_AXON_SYNC_SIGNAL		1u

/**
 * struct drm_axon_sync - a syncobj to wait for or to signal
 * @handle: DRM syncobj
 * @flags: DRM_AXON_SYNC_WAIT or DRM_AXON_SYNC_SIGNAL
 * @point: timeline point; 0 for a binary syncobj
 */
struct drm_axon_sync {
	__u32 handle;
	__u32 flags;
	__u64 point;
};
AXON_ASSERT_SIZE(struct drm_axon_sync, 16);

/**
 * struct drm_axon_submit - DRM_IOCTL_AXON_SUBMIT
 * @queue_id: the queue
 * @flags: must be 0
 * @jobs: array of struct drm_axon_job, 1..AXON_MAX_JOBS; all or none are accepted
 * @syncs: array of struct drm_axon_sync, 0..AXON_MAX_SYNCS: the first job waits for every WAIT,
 *	every SIGNAL is signalled when the last job has ended (with an error if it failed)
 * @seqno: out: of the last job; the first one has @seqno - @jobs.count + 1
 *
 * Errors: EINVAL, ENOENT, ECANCELED (the context is banned), EIO (wedged), ENODEV (gone),
 * ENOMEM. Fence errors: ETIME (timeout), EFAULT (address translation), EINVAL (bad program,
 * operand, command, gang), EDEADLK (deadlock), ENOLINK (another member of the gang was lost),
 * ECANCELED (killed with its context), ENODEV.
 */
struct drm_axon_submit {
	__u32 queue_id;
	__u32 flags;
	struct drm_axon_array jobs;
	struct drm_axon_array syncs;
	__u64 seqno;
};
AXON_ASSERT_SIZE(struct drm_axon_submit, 48);

/**
 * struct drm_axon_queue_wait - DRM_IOCTL_AXON_QUEUE_WAIT
 * @queue_id: the queue
 * @flags: must be 0
 * @seqno: wait until this job has ended; not above the newest one submitted
 * @timeout_ns: absolute, CLOCK_MONOTONIC
 * @spin_us: look for that long before going to sleep, if the card was awake; at most
 *	AXON_MAX_SPIN_US
 * @ctx_state: out: DRM_AXON_CTX_*; 0: every job up to @seqno ended well
 * @completed: out: seqno of the newest job completed
 * @pad: must be 0
 *
 * The short way to wait for one's own queue: the interrupt wakes the caller itself. It also ends
 * when the queue has stopped; the jobs that are left will never run then. Syncobjs remain the way
 * to wait for several queues or devices, and to hand a job to others.
 * Errors: EINVAL, ENOENT, ETIME, ERESTARTSYS.
 */
struct drm_axon_queue_wait {
	__u32 queue_id;
	__u32 flags;
	__u64 seqno;
	__s64 timeout_ns;
	__u32 spin_us;
	__u32 ctx_state;
	__u64 completed;
	__u64 pad;
};
AXON_ASSERT_SIZE(struct drm_axon_queue_wait, 48);

#define DRM_IOCTL_AXON(nr, type) \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_AXON_##nr, struct drm_axon_##type)
#define DRM_IOCTL_AXON_DEV_QUERY	DRM_IOCTL_AXON(DEV_QUERY, dev_query)
#define DRM_IOCTL_AXON_BO_CREATE	DRM_IOCTL_AXON(BO_CREATE, bo_create)
#define DRM_IOCTL_AXON_BO_MMAP_OFFSET	DRM_IOCTL_AXON(BO_MMAP_OFFSET, bo_mmap_offset)
#define DRM_IOCTL_AXON_BO_INFO		DRM_IOCTL_AXON(BO_INFO, bo_info)
#define DRM_IOCTL_AXON_VM_CREATE	DRM_IOCTL_AXON(VM_CREATE, vm_create)
#define DRM_IOCTL_AXON_VM_DESTROY	DRM_IOCTL_AXON(VM_DESTROY, vm_destroy)
#define DRM_IOCTL_AXON_VM_BIND		DRM_IOCTL_AXON(VM_BIND, vm_bind)
#define DRM_IOCTL_AXON_CTX_CREATE	DRM_IOCTL_AXON(CTX_CREATE, ctx_create)
#define DRM_IOCTL_AXON_CTX_DESTROY	DRM_IOCTL_AXON(CTX_DESTROY, ctx_destroy)
#define DRM_IOCTL_AXON_CTX_GET_STATE	DRM_IOCTL_AXON(CTX_GET_STATE, ctx_get_state)
#define DRM_IOCTL_AXON_QUEUE_CREATE	DRM_IOCTL_AXON(QUEUE_CREATE, queue_create)
#define DRM_IOCTL_AXON_QUEUE_DESTROY	DRM_IOCTL_AXON(QUEUE_DESTROY, queue_destroy)
#define DRM_IOCTL_AXON_QUEUE_GET_STATE	DRM_IOCTL_AXON(QUEUE_GET_STATE, queue_get_state)
#define DRM_IOCTL_AXON_SUBMIT		DRM_IOCTL_AXON(SUBMIT, submit)
#define DRM_IOCTL_AXON_QUEUE_WAIT	DRM_IOCTL_AXON(QUEUE_WAIT, queue_wait)

#ifdef __cplusplus
}
#endif

#endif /* AXON_ACCEL_H */
