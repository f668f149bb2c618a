/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * axon.c - the card as a PCI Express device of QEMU.
 *
 * All that the card does is in the model library (axon_card.h); this file gives it a place on the
 * bus: BARs, MSI-X, FLR, AER, DMA, properties, and a thread to run in. It must never compute: its
 * MMIO handlers hold QEMU's big lock (BQL), and while they run no other device is served.
 *
 * Threads and locks. Each card has one thread, which is the only one to make the "card thread's
 * calls" of the model, except while it is parked. Its DMA reaches plain RAM only and needs no lock.
 * The thread takes the BQL for one thing, to raise interrupts, and counts as parked while it waits
 * for it: so whoever holds the BQL may wait until it has parked. While it has other work,
 * interrupts leave through a bottom half instead, so that no lock keeps the card from working.
 * Cards of one fabric meet inside the model only: a card's thread may wake another card in its
 * slice, and never waits for one. Destroying or resetting a card waits for slices of others, under
 * the BQL; that ends, since no thread waits for the BQL in a slice.
 * Lock order: BQL, then AxonState::lock; never the other way round.
 *
 * The file has the shape of hw/misc/x.c; plugin.c loads it into a QEMU that was built without it.
 */
#include "compat.h"
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include "axon.h"
#include "axon_card.h"
#include "axon_hw.h"
#include "fabrics.h"

OBJECT_DECLARE_SIMPLE_TYPE(AxonState, AXON)

/* Extended configuration space; the list must begin at 0x100. */
#define AXON_AER_OFFSET		0x100
#define AXON_DSN_OFFSET		0x150

/* See axon_keep_apart(). */
#define AXON_TOGETHER		8			/* doorbells from one's own CPU */
#define AXON_STREAM_NS		(10 * SCALE_MS)		/* at most between those of a stream */
#define AXON_CROWDED_NS		SCALE_MS		/* of work, or of waiting for the CPU */
#define AXON_APART_AGAIN_NS	(100 * SCALE_MS)

/**
 * struct AxonState - one card
 * @parent_obj: QOM parent
 * @bar0: registers and doorbells, with @mbox_mr laid over part of it
 * @mbox_mr: mailbox SRAM, plain memory
 * @hbm: property: memory backend of HBM
 * @cores: property
 * @hbm_stacks: property
 * @revision: property
 * @serial: property
 * @poll_us: property: how long at most the thread polls after the last work before it sleeps
 * @fabric_name: property: fabric that the card is part of, or NULL
 * @topology: property: of that fabric
 * @fabric_cards: property: its places
 * @place: property: the card's
 * @fabric: that fabric; set while realized
 * @card: the model; set while realized
 * @irq_bh: raises the vectors in @irq_pending, on the main loop, when @thread does not
 * @irq_pending: bit per vector (atomic)
 * @thread: the card thread
 * @wakeup: ends the sleep of @thread
 * @work: set by whoever has work for @thread (atomic)
 * @asleep: @thread is, or is about to be, blocked on @wakeup (atomic)
 * @rung_on: host CPU that the last doorbell came from, -1 at first (atomic)
 * @poll_ns: how long @thread polls now; its own, as the next six
 * @apart: @thread keeps off the CPU that @rung_on was
 * @cpus: where it may run when it is not @apart
 * @others: where it may run now that it is
 * @together: how often in a row a doorbell came from its own CPU
 * @idle_at: when it last had nothing to do
 * @apart_from: it does not go apart before this time
 * @hold: @thread shall park; written under the BQL (atomic)
 * @quit: @thread shall end; written under the BQL (atomic)
 * @lock: guards the next four and the two conditions
 * @parked: @thread has parked
 * @yielded: @thread waits for the BQL, or had it a moment ago; it comes by axon_park() next
 * @ended: @thread no longer touches the card
 * @left: axon_exit() did not wait for @thread, which frees what is its own
 * @parked_cond: @parked, @yielded or @ended became true
 * @resume_cond: @hold became false
 * @log_until: no line is logged before this time, so that a guest cannot flood the operator; only
 *	the card thread's and the vCPU's messages race for it, and a lost one does no harm
 */
struct AxonState {
	PCIDevice parent_obj;
	MemoryRegion bar0;
	MemoryRegion mbox_mr;
	HostMemoryBackend *hbm;
	uint32_t cores;
	uint32_t hbm_stacks;
	uint32_t revision;
	uint64_t serial;
	uint32_t poll_us;
	char *fabric_name;
	char *topology;
	uint32_t fabric_cards;
	uint32_t place;
	AxonFabric *fabric;
	struct axon_card *card;
	QEMUBH *irq_bh;
	unsigned int irq_pending;
	QemuThread thread;
	EventNotifier wakeup;
	int work;
	int asleep;
	int rung_on;
	int64_t poll_ns;
	bool apart;
	cpu_set_t cpus;
	cpu_set_t others;
	unsigned int together;
	int64_t idle_at;
	int64_t apart_from;
	int hold;
	int quit;
	QemuMutex lock;
	bool parked;
	bool yielded;
	bool ended;
	bool left;
	QemuCond parked_cond;
	QemuCond resume_cond;
	int64_t log_until;
};

/* ---- what the model calls ---- */

/* Mappings outlive this call by far, so only RAM will do: a bounce buffer would go stale. */
static bool axon_dma_is_ram(AddressSpace *as, uint64_t addr, bool write)
{
	hwaddr offset, len = 1;
	MemoryRegion *mr = address_space_translate(as, addr, &offset, &len, write,
						   MEMTXATTRS_UNSPECIFIED);

	return memory_region_is_ram(mr) && !memory_region_is_ram_device(mr) &&
	       !(write && memory_region_is_rom(mr));
}

static void *axon_dma_map(void *opaque, uint64_t addr, uint64_t *len, bool write)
{
	PCIDevice *pci = opaque;
	dma_addr_t n = *len;
	void *host;

	/* With bus mastering off this address space is empty and everything is refused. */
	RCU_READ_LOCK_GUARD();
	if (!axon_dma_is_ram(pci_get_address_space(pci), addr, write))
		return NULL;
	host = pci_dma_map(pci, addr, &n,
			   write ? DMA_DIRECTION_FROM_DEVICE : DMA_DIRECTION_TO_DEVICE);
	if (host)
		*len = n;
	return host;
}

static void axon_dma_unmap(void *opaque, void *host, uint64_t len, bool write)
{
	pci_dma_unmap(opaque, host, len,
		      write ? DMA_DIRECTION_FROM_DEVICE : DMA_DIRECTION_TO_DEVICE, len);
}

static void axon_irq(void *opaque, unsigned int vector)
{
	AxonState *s = opaque;

	qatomic_or(&s->irq_pending, 1u << vector);
	/* The card thread sees to its own at the end of the slice: axon_deliver(). */
	if (!qemu_thread_is_self(&s->thread))
		qemu_bh_schedule(s->irq_bh);
}

static void axon_wake(void *opaque)
{
	AxonState *s = opaque;

	/* Pairs with axon_sleep(): either it sees the work, or this sees that it sleeps. */
	qatomic_set(&s->work, 1);
	smp_mb();
	if (qatomic_read(&s->asleep))
		event_notifier_set(&s->wakeup);
}

static uint64_t axon_now_ns(void *opaque)
{
	return get_clock();
}

static void axon_log(void *opaque, enum axon_card_log_level level, const char *line)
{
	AxonState *s = opaque;
	const char *id = DEVICE(s)->id;
	int64_t now = get_clock();

	if (level != AXON_CARD_ERROR) {
		qemu_log_mask(LOG_GUEST_ERROR, "axon %s: %s\n", id ? id : "", line);
		return;
	}
	if (now < s->log_until)
		return;
	s->log_until = now + NANOSECONDS_PER_SECOND / 10;
	error_report("axon %s: %s", id ? id : "", line);
}

static const struct axon_card_ops axon_ops = {
	.dma_map = axon_dma_map,
	.dma_unmap = axon_dma_unmap,
	.irq = axon_irq,
	.wake = axon_wake,
	.now_ns = axon_now_ns,
	.log = axon_log,
};

/* Under the BQL. */
static void axon_irq_bh(void *opaque)
{
	AxonState *s = opaque;
	unsigned int pending = qatomic_xchg(&s->irq_pending, 0);

	while (pending) {
		msix_notify(&s->parent_obj, ctz32(pending));
		pending &= pending - 1;
	}
}

/* ---- the card thread ---- */

/*
 * A full barrier in every thread of the process. QEMU before 8.1 leaves out the barriers of a guest
 * with one CPU: what it wrote to a ring may still be on its way while it reads an event index that
 * is older than what axon_card_prepare_sleep() has announced. Once a sleep this costs nothing.
 */
static bool axon_barrier_everywhere(void)
{
	return !syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* May the thread sleep, and for how many nanoseconds? -1: until it is woken. */
static bool axon_may_sleep(AxonState *s, int64_t *left)
{
	uint64_t deadline;

	*left = -1;
	if (!axon_card_prepare_sleep(s->card, &deadline))
		return false;
	/* Where the kernel has no such barrier it is enough to look again a little later. */
	if (!axon_barrier_everywhere())
		*left = SCALE_MS;
	else if (!axon_card_prepare_sleep(s->card, &deadline))
		return false;
	if (deadline != UINT64_MAX) {
		int64_t due = MAX((int64_t)(deadline - get_clock()), 0);

		*left = *left < 0 ? due : MIN(*left, due);
	}
	return !qatomic_read(&s->work) && !qatomic_read(&s->hold) && !qatomic_read(&s->quit);
}

/*
 * Polling is for work that comes while the thread looks. A guest CPU on whose host CPU it looks
 * cannot send any: it only waits for the thread to go. @yields: the thread offers that CPU to it.
 */
static bool axon_may_poll(AxonState *s, int64_t idle_ns, bool yields)
{
	return idle_ns < s->poll_ns && (yields || qatomic_read(&s->rung_on) != sched_getcpu());
}

static void axon_go_together(AxonState *s)
{
	cpu_set_t now;

	s->apart = false;
	/* Unless somebody has said meanwhile where it shall run. */
	if (!sched_getaffinity(0, sizeof(now), &now) && CPU_EQUAL(&now, &s->others))
		sched_setaffinity(0, sizeof(s->cpus), &s->cpus);
}

static void axon_go_apart(AxonState *s, int cpu)
{
	if (s->apart)
		axon_go_together(s);
	if (sched_getaffinity(0, sizeof(s->cpus), &s->cpus))
		return;
	s->others = s->cpus;
	CPU_CLR(cpu, &s->others);
	/* Refused where a sandbox forbids it: then it stays. */
	s->apart = CPU_COUNT(&s->others) && !sched_setaffinity(0, sizeof(s->others), &s->others);
}

/*
 * The host's scheduler likes to put the thread beside the guest CPU that wakes it, since one
 * sleeps while the other works. It does so because nobody polls there. So in a stream of short
 * commands the thread moves away; when the stream ends, where it runs is the scheduler's choice
 * again. A gang has threads enough to spread.
 */
static void axon_keep_apart(AxonState *s, int64_t slept_ns, bool gang)
{
	int cpu = qatomic_read(&s->rung_on);

	if (slept_ns >= AXON_STREAM_NS || gang) {
		s->together = 0;
		if (s->apart)
			axon_go_together(s);
		return;
	}
	if (!s->poll_us || cpu < 0 || cpu != sched_getcpu() || ++s->together < AXON_TOGETHER)
		return;
	s->together = 0;
	if (s->idle_at >= s->apart_from)
		axon_go_apart(s, cpu);
}

/*
 * Apart, the thread cannot go where there is room. So it must not when it works for long, or when
 * others want the CPU it has moved to: both show as a long time without a look at an idle card.
 */
static void axon_check_crowd(AxonState *s, bool busy)
{
	int64_t now = get_clock();

	if (now - s->idle_at > AXON_CROWDED_NS) {
		axon_go_together(s);
		s->apart_from = now + AXON_APART_AGAIN_NS;
	}
	if (!busy)
		s->idle_at = now;
}

/* More if a little more would have spared the sleep, a quarter if nothing would have. */
static void axon_poll_adapt(AxonState *s, int64_t slept_ns)
{
	int64_t most = s->poll_us * (int64_t)SCALE_US;

	s->poll_ns = slept_ns < most ? MIN(2 * s->poll_ns, most) : most / 4;
}

/* Blocks until somebody has work, the card's own deadline is reached or a stream has ended. */
static void axon_sleep(AxonState *s, bool gang)
{
	GPollFD fd = { .fd = event_notifier_get_fd(&s->wakeup), .events = G_IO_IN };
	int64_t left, start;

	qatomic_set(&s->work, 0);
	qatomic_set(&s->asleep, 1);
	smp_mb();
	if (axon_may_sleep(s, &left)) {
		if (s->apart && (left < 0 || left > AXON_STREAM_NS))
			left = AXON_STREAM_NS;
		start = get_clock();
		qemu_poll_ns(&fd, 1, left);
		s->idle_at = get_clock();
		axon_poll_adapt(s, s->idle_at - start);
		axon_keep_apart(s, s->idle_at - start, gang);
	}
	qatomic_set(&s->asleep, 0);
	event_notifier_test_and_clear(&s->wakeup);
}

static void axon_park(AxonState *s)
{
	qemu_mutex_lock(&s->lock);
	s->yielded = false;
	while (qatomic_read(&s->hold) && !qatomic_read(&s->quit)) {
		/* Said anew each time: axon_resume() and the next axon_hold() may both be over. */
		s->parked = true;
		qemu_cond_broadcast(&s->parked_cond);
		qemu_cond_wait(&s->resume_cond, &s->lock);
	}
	s->parked = false;
	qemu_mutex_unlock(&s->lock);
}

/*
 * Interrupts that the card raised in its last slice. Waking the main loop for them would cost an
 * idle card's user more than all the rest.
 */
static void axon_deliver(AxonState *s, bool more)
{
	uint64_t unused;

	if (!qatomic_read(&s->irq_pending))
		return;
	if (more) {
		qemu_bh_schedule(s->irq_bh);
		return;
	}
	/* The guest may get this CPU: what it sends must not wait for a thread that "polls". */
	if (!axon_may_poll(s, 0, false))
		axon_card_prepare_sleep(s->card, &unused);
	qemu_mutex_lock(&s->lock);
	s->yielded = true;
	qemu_cond_broadcast(&s->parked_cond);
	qemu_mutex_unlock(&s->lock);
	compat_bql_lock();
	if (!qatomic_read(&s->quit))
		axon_irq_bh(s);
	compat_bql_unlock();
	axon_park(s);
}

/* Return: false if the card has nothing to do. It may be gone when @quit is set. */
static bool axon_slice(AxonState *s)
{
	bool more = axon_card_run(s->card);

	if (s->apart)
		axon_check_crowd(s, more);
	axon_deliver(s, more);
	return more || qatomic_read(&s->quit);
}

static void axon_thread_fini(AxonState *s)
{
	event_notifier_cleanup(&s->wakeup);
	qemu_cond_destroy(&s->resume_cond);
	qemu_cond_destroy(&s->parked_cond);
	qemu_mutex_destroy(&s->lock);
	object_unref(OBJECT(s));
}

/* From here on the thread touches @s only if axon_exit() is over and has left that to it. */
static void axon_thread_end(AxonState *s)
{
	bool left;

	qemu_mutex_lock(&s->lock);
	s->ended = true;
	left = s->left;
	qemu_cond_broadcast(&s->parked_cond);
	qemu_mutex_unlock(&s->lock);
	if (!left)
		return;
	compat_bql_lock();
	axon_thread_fini(s);
	compat_bql_unlock();
}

static void *axon_thread(void *opaque)
{
	AxonState *s = opaque;
	int64_t idle_since = 0;
	bool gang = false;

	rcu_register_thread();		/* DMA walks memory under RCU */
	while (!qatomic_read(&s->quit)) {
		if (qatomic_read(&s->hold)) {
			axon_park(s);
			idle_since = 0;
		} else if (axon_slice(s)) {
			idle_since = 0;
		} else if (!idle_since) {
			idle_since = get_clock();
			gang = axon_card_waits_for(s->card) != AXON_NO_PEER;
		} else if (!axon_may_poll(s, get_clock() - idle_since, gang)) {
			axon_sleep(s, gang);
			idle_since = 0;
		} else if (gang) {
			/* The thread of the card that is waited for may want this very CPU. */
			sched_yield();
		} else {
			cpu_relax();
		}
	}
	rcu_unregister_thread();
	axon_thread_end(s);
	return NULL;
}

/* Parks the card thread. Until axon_resume() the caller makes the card thread's calls. BQL held. */
static void axon_hold(AxonState *s)
{
	qatomic_set(&s->hold, 1);
	event_notifier_set(&s->wakeup);
	qemu_mutex_lock(&s->lock);
	while (!s->parked && !s->yielded)	/* one slice at most */
		qemu_cond_wait(&s->parked_cond, &s->lock);
	qemu_mutex_unlock(&s->lock);
}

static void axon_resume(AxonState *s)
{
	qemu_mutex_lock(&s->lock);
	/* Taken back here, or the next axon_hold() could find this one's. */
	s->parked = false;
	qatomic_set(&s->hold, 0);
	qemu_cond_broadcast(&s->resume_cond);
	qemu_mutex_unlock(&s->lock);
}

/* ---- the bus ---- */

static uint64_t axon_bar0_read(void *opaque, hwaddr offset, unsigned int size)
{
	AxonState *s = opaque;

	/* The model takes an odd offset for what it is, an access of the wrong kind. */
	if (size != 4)
		offset |= 1;
	return axon_card_read(s->card, offset);
}

static void axon_bar0_write(void *opaque, hwaddr offset, uint64_t value, unsigned int size)
{
	AxonState *s = opaque;

	if (size != 4)
		offset |= 1;
	if (offset >= AXON_DOORBELL_OFFSET && !(offset & 3)) {
		qatomic_set(&s->rung_on, sched_getcpu());
		axon_card_doorbell(s->card, (offset - AXON_DOORBELL_OFFSET) / AXON_DOORBELL_STRIDE);
	} else {
		axon_card_write(s->card, offset, value);
	}
}

static const MemoryRegionOps axon_bar0_ops = {
	.read = axon_bar0_read,
	.write = axon_bar0_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
	.impl = { .min_access_size = 1, .max_access_size = 4, .unaligned = true },
};

static void axon_config_write(PCIDevice *pci, uint32_t addr, uint32_t value, int len)
{
	AxonState *s = AXON(pci);
	bool was_master = pci_get_word(pci->config + PCI_COMMAND) & PCI_COMMAND_MASTER;

	pci_default_write_config(pci, addr, value, len);
	pcie_cap_flr_write_config(pci, addr, value, len);
	pcie_aer_write_config(pci, addr, value, len);
	if (was_master && !(pci_get_word(pci->config + PCI_COMMAND) & PCI_COMMAND_MASTER)) {
		axon_hold(s);
		axon_card_drop_mappings(s->card);
		axon_resume(s);
	}
}

/* Power-on, bus reset and FLR alike. */
static void axon_reset(DeviceState *dev)
{
	AxonState *s = AXON(dev);

	axon_hold(s);
	axon_card_reset(s->card);
	qatomic_set(&s->irq_pending, 0);
	axon_resume(s);
}

/* ---- coming and going ---- */

static bool axon_map_hbm(AxonState *s, Error **errp)
{
	MemoryRegion *mr;

	if (!s->hbm) {
		error_setg(errp, "property 'hbm' must name a memory backend, e.g. -object "
			   "memory-backend-memfd,id=hbm0,size=1G,share=on -device axon,hbm=hbm0");
		return false;
	}
	if (host_memory_backend_is_mapped(s->hbm)) {
		error_setg(errp, "memory backend of property 'hbm' is in use already");
		return false;
	}
	mr = host_memory_backend_get_memory(s->hbm);
	if (!is_power_of_2(memory_region_size(mr))) {
		error_setg(errp, "the size of the memory backend must be a power of two");
		return false;
	}
	host_memory_backend_set_mapped(s->hbm, true);
	pci_register_bar(&s->parent_obj, AXON_BAR_HBM, PCI_BASE_ADDRESS_SPACE_MEMORY |
			 PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH, mr);
	return true;
}

static bool axon_map_regs(AxonState *s, Error **errp)
{
	Error *err = NULL;

	memory_region_init_io(&s->bar0, OBJECT(s), &axon_bar0_ops, s, "axon-regs", AXON_BAR0_SIZE);
	memory_region_init_ram_nomigrate(&s->mbox_mr, OBJECT(s), "axon-mbox", AXON_MBOX_SIZE, &err);
	if (err) {
		error_propagate(errp, err);
		return false;
	}
	memory_region_add_subregion_overlap(&s->bar0, AXON_MBOX_OFFSET, &s->mbox_mr, 1);
	pci_register_bar(&s->parent_obj, AXON_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY |
			 PCI_BASE_ADDRESS_MEM_TYPE_64, &s->bar0);
	return true;
}

/* D3hot only, and its state survives: there is nothing to save power on. */
static bool axon_add_pm(PCIDevice *pci, Error **errp)
{
	int at = pci_add_capability(pci, PCI_CAP_ID_PM, 0, PCI_PM_SIZEOF, errp);

	if (at < 0)
		return false;
	pci_set_word(pci->config + at + PCI_PM_PMC, PCI_PM_CAP_VER_1_2);
	pci_set_word(pci->config + at + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	pci_set_word(pci->wmask + at + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
	return true;
}

static bool axon_add_capabilities(AxonState *s, Error **errp)
{
	PCIDevice *pci = &s->parent_obj;

	if (!pci_bus_is_express(pci_get_bus(pci))) {
		error_setg(errp, "the card needs a PCI Express bus");
		return false;
	}
	if (pcie_endpoint_cap_init(pci, 0) < 0) {
		error_setg(errp, "no room for the PCI Express capability");
		return false;
	}
	pcie_cap_flr_init(pci);
	pcie_cap_deverr_init(pci);
	if (pcie_aer_init(pci, PCI_ERR_VER, AXON_AER_OFFSET, PCI_ERR_SIZEOF, errp) < 0)
		return false;
	pcie_dev_ser_num_init(pci, AXON_DSN_OFFSET, s->serial);
	return axon_add_pm(pci, errp);
}

static bool axon_add_msix(AxonState *s, Error **errp)
{
	unsigned int v;

	if (msix_init_exclusive_bar(&s->parent_obj, AXON_NUM_VECTORS, AXON_BAR_MSIX, errp) < 0)
		return false;
	for (v = 0; v < AXON_NUM_VECTORS; v++)
		msix_vector_use(&s->parent_obj, v);
	return true;
}

static bool axon_join_fabric(AxonState *s, Error **errp)
{
	if (!s->fabric_name) {
		if (!s->topology && !s->place)
			return true;
		error_setg(errp, "properties 'topology' and 'place' need 'fabric', a name that all "
			   "cards of the fabric share");
		return false;
	}
	if (s->place >= s->fabric_cards) {
		error_setg(errp, "place %u is not one of the %u of fabric '%s' ('fabric-cards')",
			   s->place, s->fabric_cards, s->fabric_name);
		return false;
	}
	s->fabric = axon_named_fabric_get(s->fabric_name, s->topology ? s->topology : "ring",
				    s->fabric_cards, errp);
	return s->fabric;
}

static bool axon_make_card(AxonState *s, Error **errp)
{
	MemoryRegion *hbm = host_memory_backend_get_memory(s->hbm);
	const struct axon_card_config config = {
		.cores = s->cores,
		.hbm_stacks = s->hbm_stacks,
		.revision = s->revision,
		.place = s->place,
		.serial = s->serial,
		.hbm_size = memory_region_size(hbm),
		.hbm = memory_region_get_ram_ptr(hbm),
		.mbox = memory_region_get_ram_ptr(&s->mbox_mr),
		.fabric = axon_named_fabric_of(s->fabric),
	};
	int ret = axon_card_create(&config, &axon_ops, s, &s->card);

	if (ret == -EINVAL)
		error_setg(errp, "the card cannot have these properties: cores must be 1..%u, "
			   "hbm-stacks 1, 2 or 4, revision 0x%x, HBM at least 2 MiB a stack",
			   AXON_MAX_CORES, AXON_REVISION_A1);
	else if (ret == -EEXIST)
		error_setg(errp, "place %u of fabric '%s' is taken", s->place, s->fabric_name);
	else if (ret)
		error_setg_errno(errp, -ret, "cannot create the card");
	return !ret;
}

/* Last in realize: from here on the card lives. */
static bool axon_start_thread(AxonState *s, Error **errp)
{
	char name[16];
	int ret = event_notifier_init(&s->wakeup, 0);

	if (ret) {
		error_setg_errno(errp, -ret, "cannot create the card's event");
		return false;
	}
	qemu_mutex_init(&s->lock);
	qemu_cond_init(&s->parked_cond);
	qemu_cond_init(&s->resume_cond);
	/* No guard against re-entry: the bottom half does nothing but raise interrupts. */
	s->irq_bh = qemu_bh_new(axon_irq_bh, s);
	s->hold = s->quit = s->work = s->asleep = 0;
	s->rung_on = -1;
	s->apart = false;
	s->together = 0;
	s->idle_at = s->apart_from = 0;
	s->poll_ns = s->poll_us * (int64_t)SCALE_US / 4;
	s->parked = s->yielded = s->ended = s->left = false;
	/* Of no consequence if it fails: see axon_may_sleep(). */
	syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	object_ref(OBJECT(s));
	snprintf(name, sizeof(name), "axon/%s", DEVICE(s)->id ? DEVICE(s)->id : "");
	qemu_thread_create(&s->thread, name, axon_thread, s, QEMU_THREAD_DETACHED);
	return true;
}

static void axon_release(AxonState *s)
{
	PCIDevice *pci = &s->parent_obj;

	axon_card_destroy(s->card);
	s->card = NULL;
	axon_named_fabric_put(s->fabric);
	s->fabric = NULL;
	if (msix_present(pci))
		msix_uninit_exclusive_bar(pci);
	if (pci->exp.aer_cap)
		pcie_aer_exit(pci);
	if (pci->exp.exp_cap)
		pcie_cap_exit(pci);
	/* A subregion holds a reference to its owner, which is this very device. */
	if (memory_region_is_mapped(&s->mbox_mr))
		memory_region_del_subregion(&s->bar0, &s->mbox_mr);
	host_memory_backend_set_mapped(s->hbm, false);
}

static void axon_realize(PCIDevice *pci, Error **errp)
{
	AxonState *s = AXON(pci);

	pci_config_set_revision(pci->config, s->revision);
	if (!axon_map_hbm(s, errp))
		return;
	if (!axon_map_regs(s, errp) || !axon_add_capabilities(s, errp) ||
	    !axon_add_msix(s, errp) || !axon_join_fabric(s, errp) || !axon_make_card(s, errp) ||
	    !axon_start_thread(s, errp))
		axon_release(s);
}

static void axon_exit(PCIDevice *pci)
{
	AxonState *s = AXON(pci);
	bool ended;

	qemu_mutex_lock(&s->lock);
	qatomic_set(&s->quit, 1);
	qemu_cond_broadcast(&s->resume_cond);
	event_notifier_set(&s->wakeup);
	/* A thread that waits for the BQL, which is ours, is done with the card too. */
	while (!s->ended && !s->yielded)
		qemu_cond_wait(&s->parked_cond, &s->lock);
	ended = s->ended;
	s->left = !ended;
	qemu_mutex_unlock(&s->lock);
	/* The model may still raise vector 0 from an MMIO write, but the BARs are gone by now. */
	axon_release(s);
	qemu_bh_delete(s->irq_bh);
	if (ended)
		axon_thread_fini(s);
}

/* ---- QOM ---- */

/* What can be made to fail while the machine runs, by qom-set. */
static const struct axon_knob_property {
	const char *name;
	enum axon_card_knob knob;
	const char *help;
} axon_knobs[] = {
	{ "x-temp-offset", AXON_KNOB_TEMP_OFFSET, "added to the die temperature, millidegrees" },
	{ "x-hbm-ecc-ce", AXON_KNOB_HBM_ECC_CE, "count so many corrected memory errors" },
	{ "x-hbm-ecc-ue", AXON_KNOB_HBM_ECC_UE, "count so many uncorrected memory errors" },
	{ "x-stall-fw", AXON_KNOB_STALL_FW, "1: the control core stops executing" },
	{ "x-drop-irq", AXON_KNOB_DROP_IRQ, "drop so many interrupts of queues" },
	{ "x-link-down", AXON_KNOB_LINK_DOWN, "1: the card's links are down" },
};

static void axon_set_knob(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
	const struct axon_knob_property *p = opaque;
	AxonState *s = AXON(obj);
	int64_t value;

	if (!visit_type_int64(v, name, &value, errp))
		return;
	if (!s->card)
		error_setg(errp, "%s can be set only while the card is plugged in", name);
	else if (axon_card_set(s->card, p->knob, value))
		error_setg(errp, "%s cannot be %" PRId64, name, value);
}

static COMPAT_PROP_CONST Property axon_properties[] = {
	DEFINE_PROP_LINK("hbm", AxonState, hbm, TYPE_MEMORY_BACKEND, HostMemoryBackend *),
	DEFINE_PROP_UINT32("cores", AxonState, cores, 2),
	DEFINE_PROP_UINT32("hbm-stacks", AxonState, hbm_stacks, 4),
	DEFINE_PROP_UINT32("revision", AxonState, revision, AXON_REVISION_A1),
	DEFINE_PROP_UINT64("serial", AxonState, serial, 0),
	DEFINE_PROP_UINT32("poll-us", AxonState, poll_us, 200),
	DEFINE_PROP_STRING("fabric", AxonState, fabric_name),
	DEFINE_PROP_STRING("topology", AxonState, topology),
	DEFINE_PROP_UINT32("fabric-cards", AxonState, fabric_cards, 2),
	DEFINE_PROP_UINT32("place", AxonState, place, 0),
	COMPAT_PROP_END
};

static const VMStateDescription axon_vmstate = {
	.name = TYPE_AXON,
	.unmigratable = 1,	/* HBM is written behind the migration code's back */
};

static void axon_class_init(ObjectClass *klass, COMPAT_CLASS_DATA *data)
{
	DeviceClass *dc = DEVICE_CLASS(klass);
	PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);
	size_t i;

	pc->realize = axon_realize;
	pc->exit = axon_exit;
	pc->config_write = axon_config_write;
	pc->vendor_id = AXON_PCI_VENDOR_ID;
	pc->device_id = AXON_PCI_DEVICE_ID;
	pc->class_id = AXON_PCI_CLASS;
	dc->desc = "Axon accelerator card";
	dc->vmsd = &axon_vmstate;
	compat_set_reset(dc, axon_reset);
	device_class_set_props(dc, axon_properties);
	set_bit(DEVICE_CATEGORY_MISC, dc->categories);
	for (i = 0; i < ARRAY_SIZE(axon_knobs); i++) {
		object_class_property_add(klass, axon_knobs[i].name, "int", NULL, axon_set_knob,
					  NULL, (void *)&axon_knobs[i]);
		object_class_property_set_description(klass, axon_knobs[i].name,
						      axon_knobs[i].help);
	}
}

static const TypeInfo axon_info = {
	.name = TYPE_AXON,
	.parent = TYPE_PCI_DEVICE,
	.instance_size = sizeof(AxonState),
	.class_init = axon_class_init,
	/* Not the conventional interface too, or the core would leave the express bit to us. */
	.interfaces = (COMPAT_IF_CONST InterfaceInfo[]) { { INTERFACE_PCIE_DEVICE }, { } },
};

void axon_register_types(void)
{
	type_register_static(&axon_info);
}

/* Queued when the object is loaded, run with the built-in types or by plugin.c. */
type_init(axon_register_types)
