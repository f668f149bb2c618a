/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_device.h - the card as the driver holds it, and the rules all files share.
 *
 * Lock order, outermost first. A lock may be taken while holding those above it, never the other
 * way round; files assert what they rely on.
 *
 *	axon_file.lock		handles of one file: creation against close
 *	axon_queue.submit_lock	order of one queue's jobs
 *	axon_vm.lock		one address space's mappings, of whichever card; never two at once
 *	dma_resv of one buffer	its pages, its list of mappings; an import shares its exporter's
 *	axon_hbm.lock		HBM allocator
 *	axon_ctx.lock		queues of a context
 *	axon_queue.hw_lock	life of one hardware queue
 *	axon_kas.lock		the kernel's own address space
 *	axon_mbox.lock		the mailbox: one request at a time
 *	axon_vector.lock	(irq) queues served by an interrupt
 *	axon_device.queues_lock	all queues of a card
 *	axon_queue.lock		(irq) ring indices, jobs in flight
 *	axon_device.hwq_lock, axon_ctx.fault_lock	(irq)
 *
 * Leaves, with nothing but each other's absence below them: axon_device.bos_lock and imports_lock.
 * The core's drm_file.prime.lock and drm_device.object_name_lock are held around
 * imports and are outside of all these but axon_file.lock.
 *
 * Work that ends fences (interrupts, timeouts, kills) takes axon_ctx.lock and what stands below it,
 * but axon_kas.lock; so nothing may be allocated with GFP_KERNEL while one of these is held.
 *
 * axon_file.lock is never taken inside drm_dev_enter(), and no queue is destroyed under it: that
 * may wait for the end of an unplug, which waits for everybody inside. All other locks may be
 * taken on either side.
 *
 * Cards meet where one has the other's memory mapped: axon_prime.c has the rules. A card that
 * leaves takes locks of others when it is silent; axon_device_wait_silent() tells lockdep who waits
 * for that.
 *
 * Every way in from user space is inside drm_dev_enter()/drm_dev_exit(). After drm_dev_unplug()
 * no BAR is touched any more; objects that open files still hold are plain memory then.
 */
#ifndef AXON_DEVICE_H
#define AXON_DEVICE_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/idr.h>
#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_print.h>

#include "axon_accel.h"
#include "axon_hbm.h"
#include "axon_hw.h"
#include "axon_mbox.h"
#include "axon_pt.h"

struct axon_queue;
struct axon_sched_pool;

/* Reject an argument of an ioctl and, with drm.debug, say which condition it failed. */
#define AXON_IOCTL_DBG(axdev, cond) \
	((cond) && (drm_dbg_driver(&(axdev)->drm, "%s:%d: refused: %s\n", \
				   __func__, __LINE__, #cond), true))

/* The kernel's address space (ASID 0): a slot of 8 MiB for the memories of each queue. */
#define AXON_KVA_BASE		0x10000000000ull
#define AXON_KVA_SLOT		0x800000ull
#define AXON_KVA_CQ		0x400000ull
#define AXON_KVA_STATE		0x600000ull

/**
 * struct axon_mbox_state - the host's end of the mailbox
 * @lock: one request at a time; guards everything but @done, @dead and the events
 * @done: the interrupt saw a response
 * @seq: last sequence number used
 * @req_tail: requests written
 * @resp_head: responses consumed
 * @event_head: events consumed; @event_lock
 * @event_lock: (irq) guards the event ring
 * @dead: no request may be sent any more
 * @mem: the mailbox SRAM
 */
struct axon_mbox_state {
	struct mutex lock;	/* one request at a time */
	struct completion done;
	u32 seq;
	u32 req_tail;
	u32 resp_head;
	u32 event_head;
	spinlock_t event_lock;	/* (irq) guards the event ring */
	bool dead;
	struct axon_mbox __iomem *mem;
};

/**
 * struct axon_kas - the kernel's address space on the card, which rings lie in
 * @lock: guards @pt
 * @pt: its tables
 * @live: the firmware knows it
 */
struct axon_kas {
	struct mutex lock;	/* guards @pt */
	struct axon_pt pt;
	bool live;
};

/**
 * struct axon_vector - an interrupt that serves queues
 * @axdev: the card
 * @lock: (irq) guards @queues
 * @queues: of &axon_queue.vec_link
 * @irq: Linux interrupt number, 0 if not requested
 * @name: in /proc/interrupts
 */
struct axon_vector {
	struct axon_device *axdev;
	spinlock_t lock;	/* (irq) guards @queues */
	struct list_head queues;
	int irq;
	char name[24];
};

/**
 * struct axon_core - what the driver knows of a core
 * @last_end: when the last launch on it ended (ktime ns); see axon_reset.c
 */
struct axon_core {
	atomic64_t last_end;
};

/**
 * struct axon_fabric - the cards this one can reach
 * @uid: equal on all cards of a fabric; 0: none
 * @id: this card's place, or AXON_NO_PEER
 * @cards: places
 * @told: state of each peer that was told last; @work only
 * @work: tells what changed
 */
struct axon_fabric {
	u64 uid;
	u32 id;
	u32 cards;
	u32 told[AXON_MAX_PEERS];
	struct work_struct work;
};

/**
 * struct axon_device - a card
 * @drm: base
 * @pdev: PCI function
 * @regs: BAR 0
 * @hbm_io: BAR 2, write-combining
 * @hbm_phys: CPU address of BAR 2, for mmap()
 * @hbm_size: bytes of HBM
 * @serial: serial number
 * @revision: AXON_REVISION_*
 * @features: AXON_FEATURE_*
 * @num_cores: cores
 * @num_queues: hardware queues
 * @num_asids: hardware address spaces
 * @num_stacks: stacks of HBM
 * @num_vectors: interrupts in use
 * @fw_version: of the running firmware
 * @fw_mbox_abi: of the running firmware
 * @fw_version_str: for people
 * @state: an &enum drm_axon_dev_state; changed by cmpxchg in axon_reset.c only
 * @reset_count: card resets since probe
 * @fabric: other cards
 * @hbm: memory manager
 * @mbox: mailbox
 * @kas: kernel's address space
 * @vec: interrupts; 0 is the firmware's
 * @cores: per core
 * @queue_ida: hardware queues in use
 * @asid_ida: address spaces in use
 * @hwq_lock: (irq) guards @hwq
 * @hwq: queues by hardware id, for events of the firmware
 * @queues_lock: guards @queues
 * @queues: all queues with hardware, by &axon_queue.dev_link
 * @bos_lock: guards @mapped_bos; a leaf lock
 * @mapped_bos: host buffers with a DMA mapping, undone at unplug
 * @imports_lock: guards @imports; a leaf lock
 * @imports: buffers of siblings that are this card's HBM, by &axon_bo.import_link
 * @sched_pool: schedulers, which outlive the device (axon_sched.c)
 * @submit_wq: where schedulers run jobs
 * @reset_wq: ordered: timeouts, kills and resets, one at a time
 * @wedge_work: carries out axon_device_wedge()
 * @cut_work: ends siblings' mappings of the memory of a card that was given up
 * @at_rest: the card was reset for good and does not touch any memory
 * @silent: the driver leaves the device, which does not touch any memory any more
 * @gone: the driver has left the device: no DMA, no rings
 * @telemetry_lock: one reader of the sensors at a time
 */
struct axon_device {
	struct drm_device drm;
	struct pci_dev *pdev;
	void __iomem *regs;
	void __iomem *hbm_io;
	phys_addr_t hbm_phys;
	u64 hbm_size;
	u64 serial;
	u32 revision;
	u32 features;
	u32 num_cores;
	u32 num_queues;
	u32 num_asids;
	u32 num_stacks;
	u32 num_vectors;
	u32 fw_version;
	u32 fw_mbox_abi;
	char fw_version_str[32];

	atomic_t state;
	atomic_t reset_count;

	struct axon_fabric fabric;
	struct axon_hbm hbm;
	struct axon_mbox_state mbox;
	struct axon_kas kas;
	struct axon_vector vec[AXON_NUM_VECTORS];
	struct axon_core cores[AXON_MAX_CORES];

	struct ida queue_ida;
	struct ida asid_ida;
	spinlock_t hwq_lock;	/* (irq) guards @hwq */
	struct axon_queue *hwq[AXON_MAX_QUEUES];
	spinlock_t queues_lock;	/* guards @queues */
	struct list_head queues;
	spinlock_t bos_lock;	/* guards @mapped_bos */
	struct list_head mapped_bos;
	spinlock_t imports_lock;	/* guards @imports */
	struct list_head imports;

	struct axon_sched_pool *sched_pool;
	struct workqueue_struct *submit_wq;
	struct workqueue_struct *reset_wq;
	struct work_struct wedge_work;
	struct work_struct cut_work;
	bool at_rest;
	struct completion silent;
	struct completion gone;
	struct mutex telemetry_lock;	/* one reader of the sensors at a time */
};

static inline struct axon_device *to_axon_device(struct drm_device *drm)
{
	return container_of(drm, struct axon_device, drm);
}

static inline u32 axon_read(struct axon_device *axdev, u32 reg)
{
	return readl(axdev->regs + reg);
}

static inline void axon_write(struct axon_device *axdev, u32 reg, u32 value)
{
	writel(value, axdev->regs + reg);
}

/* Low word first, as the register map wants it. */
static inline u64 axon_read64(struct axon_device *axdev, u32 reg)
{
	u64 lo = axon_read(axdev, reg);

	return lo | (u64)axon_read(axdev, reg + 4) << 32;
}

/* A counter that moves while it is read: until both reads of the high word agree. */
static inline u64 axon_read_counter(struct axon_device *axdev, u32 reg)
{
	u32 hi, lo, again = axon_read(axdev, reg + 4);
	int tries = 8;

	do {
		hi = again;
		lo = axon_read(axdev, reg);
		again = axon_read(axdev, reg + 4);
	} while (hi != again && --tries);
	return (u64)hi << 32 | lo;
}

static inline bool axon_device_wedged(struct axon_device *axdev)
{
	return atomic_read(&axdev->state) == DRM_AXON_STATE_WEDGED;
}

/* axon_device.c */
int axon_device_init(struct axon_device *axdev);
int axon_device_start(struct axon_device *axdev);
void axon_device_unplug(struct axon_device *axdev);
void axon_device_wait_silent(struct axon_device *axdev);
int axon_kas_map(struct axon_device *axdev, u64 va, dma_addr_t addr, u64 size);
void axon_kas_unmap(struct axon_device *axdev, u64 va, u64 size);
extern const struct axon_pt_ops axon_device_pt_ops;

/* axon_irq.c */
int axon_irq_init(struct axon_device *axdev);
void axon_irq_fini(struct axon_device *axdev);
u32 axon_irq_vector_of(struct axon_device *axdev, u32 hwid);

/* axon_reset.c */
int axon_reset_card(struct axon_device *axdev);
void axon_reset_stop_dma(struct axon_device *axdev);
void axon_device_wedge(struct axon_device *axdev, const char *why);
void axon_reset_init(struct axon_device *axdev);
void axon_reset_fini(struct axon_device *axdev);

/* the interfaces of the operator */
int axon_hwmon_init(struct axon_device *axdev);
int axon_sysfs_init(struct axon_device *axdev);
extern const struct attribute_group *axon_sysfs_groups[];
void axon_debugfs_init(struct axon_device *axdev);

#endif /* AXON_DEVICE_H */
