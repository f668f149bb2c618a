// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_queue.c - hardware queues: ring, doorbell, completions, death.
 *
 * What the card writes (completions, its half of the state page) is checked before it is
 * believed: completions must come in order and name the command that is due. A card that breaks
 * this loses the queue, not the kernel.
 *
 * A queue that failed is stopped at once, in the interrupt: its remaining commands end with an
 * error. Sibling queues of the context follow from a work item (axon_ctx.c).
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_utils.h>

#include "axon_ctx.h"
#include "axon_device.h"
#include "axon_drv.h"
#include "axon_fence.h"
#include "axon_mbox_drv.h"
#include "axon_queue.h"
#include "axon_reset.h"
#include "axon_ring.h"
#include "axon_sched.h"
#include "axon_vm.h"

/* ---- completions ---- */

/* The first command in flight has ended. */
static void queue_end_first(struct axon_queue *q, int error)
{
	struct axon_inflight *slot = &q->slots[q->head & (q->entries - 1)];

	lockdep_assert_held(&q->lock);
	if (error && slot->fence)
		dma_fence_set_error(slot->fence, error);
	q->completed = slot->seqno;
	q->head++;
	q->head_ns = ktime_get_ns();
	/* whoever waits for this queue goes first */
	wake_up_all(&q->done);
	if (slot->fence)
		dma_fence_signal(slot->fence);
	dma_fence_put(slot->fence);
	slot->fence = NULL;
}

static void queue_stop(struct axon_queue *q, int error)
{
	lockdep_assert_held(&q->lock);
	if (!q->stopped) {
		q->stopped = true;
		q->stop_error = error;
	}
	while (q->head != q->tail)
		queue_end_first(q, q->stop_error);
	wake_up_all(&q->done);
}

static void queue_account(struct axon_queue *q, const struct axon_inflight *slot, u64 cycles)
{
	struct axon_core *core = &q->axdev->cores[q->core];
	u64 now = ktime_get_ns();
	u64 since = max_t(u64, q->head_ns, atomic64_read(&core->last_end));

	q->last_cycles = cycles;
	q->total_cycles += cycles;
	atomic64_add(cycles, &q->file->cycles[q->core]);
	if (!slot->launch)
		return;
	if (now > since)
		atomic64_add(now - since, &q->file->busy_ns[q->core]);
	atomic64_set(&core->last_end, now);
}

static void queue_broken(struct axon_queue *q, const char *what)
{
	drm_err_ratelimited(&q->axdev->drm, "queue %u: card wrote %s: queue given up\n",
			    q->hwid, what);
	axon_ctx_fail(q->ctx, q, 0, AXON_STATUS_BAD_RING, q->completed);
	queue_stop(q, -EIO);
}

/* One completion entry, of which @word is the last. */
static void queue_complete(struct axon_queue *q, const struct axon_cqe *cqe, u64 word)
{
	struct axon_inflight *slot = &q->slots[q->head & (q->entries - 1)];
	u32 status = FIELD_GET(AXON_CQE_STATUS, word);
	u64 seqno = READ_ONCE(cqe->seqno);
	u64 cycles = READ_ONCE(cqe->cycles);
	int error;

	if (q->head == q->tail || seqno != slot->seqno) {
		queue_broken(q, "a completion nobody waits for");
		return;
	}
	q->last_status = status;
	q->last_profiled = FIELD_GET(AXON_CQE_PROFILED, word);
	queue_account(q, slot, cycles);
	if (status == AXON_STATUS_OK) {
		queue_end_first(q, 0);
		return;
	}
	error = axon_status_errno(status);
	if ((status == AXON_STATUS_KILLED || status == AXON_STATUS_QUEUE_GONE) && q->kill_error)
		error = q->kill_error;
	/* the end that axon_queue_kill() asked for is no failure of the context */
	if (status != AXON_STATUS_QUEUE_GONE || !q->kill_error)
		axon_ctx_fail(q->ctx, q, error == -EFAULT ? DRM_AXON_CTX_FAULTED :
			      error == -ETIME ? DRM_AXON_CTX_TIMEDOUT : 0, status, seqno);
	queue_end_first(q, error);
	queue_stop(q, -ECANCELED);
}

/* Take all completions; bounded by what is in flight. */
static void queue_drain(struct axon_queue *q)
{
	u32 idx;

	lockdep_assert_held(&q->lock);
	while (!q->stopped) {
		const struct axon_cqe *cqe;
		u64 word;

		idx = q->head;
		cqe = &q->cq[idx & (q->entries - 1)];
		word = READ_ONCE(*(const u64 *)&cqe->profiled);
		if (!!(word & AXON_CQE_PHASE) == axon_cq_phase(idx, q->entries)) {
			/* the phase is written last, so it is read first */
			dma_rmb();
			queue_complete(q, cqe, word);
			continue;
		}
		if (READ_ONCE(q->state->cq_event) == idx)
			break;
		WRITE_ONCE(q->state->cq_head, idx);
		WRITE_ONCE(q->state->cq_event, idx);
		/* the card reads cq_event after it wrote an entry; look again after writing it */
		mb();
	}
}

/**
 * axon_queue_irq() - the queue's interrupt fired
 * @q: the queue, kept alive by its vector's lock
 */
void axon_queue_irq(struct axon_queue *q)
{
	bool cookie = dma_fence_begin_signalling();

	spin_lock(&q->lock);
	queue_drain(q);
	spin_unlock(&q->lock);
	dma_fence_end_signalling(cookie);
}

/**
 * axon_queue_poll() - take completions without an interrupt
 * @q: the queue
 * @first: what is known of its first command then
 *
 * Return: false if nothing is in flight any more.
 */
bool axon_queue_poll(struct axon_queue *q, struct axon_first *first)
{
	const struct axon_inflight *slot;
	u64 since, head, now;
	bool busy;

	spin_lock_irq(&q->lock);
	first->status = q->stopped ? AXON_STATUS_OK : READ_ONCE(q->state->status);
	/* the card writes a status before the completion that goes with it */
	rmb();
	queue_drain(q);
	busy = q->head != q->tail;
	slot = &q->slots[q->head & (q->entries - 1)];
	first->launch = busy && slot->launch;
	head = q->head_ns;
	since = head;
	if (first->launch)
		since = max_t(u64, since, atomic64_read(&q->axdev->cores[q->core].last_end));
	spin_unlock_irq(&q->lock);
	now = ktime_get_ns();
	first->occupied_ns = now - since;
	first->first_ns = now - head;
	return busy;
}

/**
 * axon_queue_poll_core() - take the completions of everybody who uses a core
 * @axdev: the card; inside drm_dev_enter()
 * @core: the core
 *
 * For whoever asks since when a launch can have had it: &axon_core.last_end is then that of the
 * last launch which has ended.
 */
void axon_queue_poll_core(struct axon_device *axdev, u32 core)
{
	bool cookie = dma_fence_begin_signalling();
	struct axon_queue *q;

	spin_lock(&axdev->queues_lock);
	list_for_each_entry(q, &axdev->queues, dev_link) {
		if (q->core != core)
			continue;
		spin_lock_irq(&q->lock);
		queue_drain(q);
		spin_unlock_irq(&q->lock);
	}
	spin_unlock(&axdev->queues_lock);
	dma_fence_end_signalling(cookie);
}

/* ---- submission ---- */

/* A quarter: see axon_reset.c. */
static unsigned long queue_period(struct axon_queue *q)
{
	return max(msecs_to_jiffies(q->timeout_ms) / 4, 1ul);
}

static void queue_timer(struct work_struct *work)
{
	struct axon_queue *q = container_of(to_delayed_work(work), struct axon_queue, timer);
	bool busy;

	axon_reset_timeout(q);
	spin_lock_irq(&q->lock);
	busy = q->head != q->tail;
	spin_unlock_irq(&q->lock);
	if (busy)
		queue_delayed_work(q->axdev->reset_wq, &q->timer, queue_period(q));
}

/* Room was checked. */
static void queue_write(struct axon_queue *q, const struct axon_cmd *cmd, struct dma_fence *fence)
{
	u32 tail = q->tail;
	struct axon_inflight *slot = &q->slots[tail & (q->entries - 1)];

	lockdep_assert_held(&q->lock);
	slot->fence = fence ? dma_fence_get(fence) : NULL;
	slot->seqno = cmd->seqno;
	slot->launch = cmd->opcode == AXON_CMD_LAUNCH;
	if (q->head == tail)
		q->head_ns = ktime_get_ns();
	q->sq[tail & (q->entries - 1)] = *cmd;
	q->tail = tail + 1;
	q->pushed = cmd->seqno;
	/* the entry before the index that publishes it */
	dma_wmb();
	WRITE_ONCE(q->state->sq_tail, q->tail);
	/* the index before the question whether the card sleeps: a store before a load */
	mb();
	WRITE_ONCE(q->rang, axon_ring_needs_event(READ_ONCE(q->state->sq_event), q->tail, tail));
	if (q->rang)
		writel(q->tail, q->doorbell);
	if (!delayed_work_pending(&q->timer))
		queue_delayed_work(q->axdev->reset_wq, &q->timer, queue_period(q));
}

/**
 * axon_queue_push_direct() - give commands to the card past the scheduler
 * @q: the queue; its submit_lock is held
 * @jobs: jobs that wait for nothing
 * @num: number
 * @fence: of the last, or NULL; the queue takes a reference
 *
 * What the scheduler would do two context switches later. Only if every earlier command of the
 * queue is in the ring, so that the order stays, and there is room.
 *
 * Return: false if the scheduler has to see to them; nothing was done then.
 */
bool axon_queue_push_direct(struct axon_queue *q, const struct drm_axon_job *jobs, u32 num,
			    struct dma_fence *fence)
{
	u32 i, used;
	bool ok;

	lockdep_assert_held(&q->submit_lock);
	spin_lock_irq(&q->lock);
	used = axon_ring_used(q->head, q->tail);
	ok = !q->stopped && q->pushed == q->next_seqno - 1 && used <= axon_queue_share(q) &&
	     num <= axon_queue_share(q) - used;
	for (i = 0; ok && i < num; i++) {
		struct axon_cmd cmd = axon_job_cmd(&jobs[i], q->next_seqno++);

		queue_write(q, &cmd, i == num - 1 ? fence : NULL);
		q->submitted = cmd.seqno;
	}
	spin_unlock_irq(&q->lock);
	return ok;
}

/**
 * axon_queue_push() - give a command to the card
 * @q: the queue; the scheduler's credits keep the ring from overflowing
 * @cmd: the command
 * @fence: initialised; the queue takes a reference
 *
 * Return: 0, or the error of a queue that has stopped.
 */
int axon_queue_push(struct axon_queue *q, const struct axon_cmd *cmd, struct dma_fence *fence)
{
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&q->lock, flags);
	if (q->stopped) {
		ret = q->stop_error;
		q->completed = cmd->seqno;
	} else if (WARN_ON_ONCE(axon_ring_used(q->head, q->tail) >= q->entries)) {
		ret = -EIO;
	} else {
		queue_write(q, cmd, fence);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	return ret;
}

/**
 * axon_queue_ring() - ring the doorbell whatever the card said
 * @q: the queue
 */
void axon_queue_ring(struct axon_queue *q)
{
	spin_lock_irq(&q->lock);
	if (!q->stopped)
		writel(q->tail, q->doorbell);
	spin_unlock_irq(&q->lock);
}

/* ---- the hardware queue ---- */

static u64 queue_kva(struct axon_queue *q)
{
	return AXON_KVA_BASE + q->hwid * AXON_KVA_SLOT;
}

static size_t sq_bytes(struct axon_queue *q)
{
	return PAGE_ALIGN(q->entries * sizeof(struct axon_cmd));
}

static size_t cq_bytes(struct axon_queue *q)
{
	return PAGE_ALIGN(q->entries * sizeof(struct axon_cqe));
}

static void *ring_alloc(struct axon_queue *q, size_t size, dma_addr_t *dma)
{
	return dma_alloc_coherent(&q->axdev->pdev->dev, size, dma,
				  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
}

static void ring_free(struct axon_queue *q, size_t size, void *mem, dma_addr_t dma)
{
	if (mem)
		dma_free_coherent(&q->axdev->pdev->dev, size, mem, dma);
}

/* The card no longer knows the queue; nobody reads the rings any more (stopped). */
static void queue_free_rings(struct axon_queue *q)
{
	ring_free(q, sq_bytes(q), q->sq, q->sq_dma);
	ring_free(q, cq_bytes(q), q->cq, q->cq_dma);
	ring_free(q, PAGE_SIZE, q->state, q->state_dma);
	q->sq = NULL;
	q->cq = NULL;
	q->state = NULL;
}

static int queue_alloc_rings(struct axon_queue *q)
{
	q->sq = ring_alloc(q, sq_bytes(q), &q->sq_dma);
	q->cq = ring_alloc(q, cq_bytes(q), &q->cq_dma);
	q->state = ring_alloc(q, PAGE_SIZE, &q->state_dma);
	if (q->sq && q->cq && q->state)
		return 0;
	queue_free_rings(q);
	return -ENOMEM;
}

static void queue_unmap_rings(struct axon_queue *q)
{
	axon_kas_unmap(q->axdev, queue_kva(q), AXON_KVA_SLOT);
}

static int queue_map_rings(struct axon_queue *q)
{
	u64 va = queue_kva(q);
	int ret;

	ret = axon_kas_map(q->axdev, va, q->sq_dma, sq_bytes(q));
	if (!ret)
		ret = axon_kas_map(q->axdev, va + AXON_KVA_CQ, q->cq_dma, cq_bytes(q));
	if (!ret)
		ret = axon_kas_map(q->axdev, va + AXON_KVA_STATE, q->state_dma, PAGE_SIZE);
	if (ret)
		queue_unmap_rings(q);
	return ret;
}

/* Interrupts and events find the queue from now on. */
static void queue_publish(struct axon_queue *q)
{
	struct axon_device *axdev = q->axdev;
	struct axon_vector *vec = &axdev->vec[axon_irq_vector_of(axdev, q->hwid)];

	spin_lock_irq(&vec->lock);
	list_add_tail(&q->vec_link, &vec->queues);
	spin_unlock_irq(&vec->lock);
	spin_lock_irq(&axdev->hwq_lock);
	axdev->hwq[q->hwid] = q;
	spin_unlock_irq(&axdev->hwq_lock);
	spin_lock(&axdev->queues_lock);
	list_add_tail(&q->dev_link, &axdev->queues);
	spin_unlock(&axdev->queues_lock);
}

static void queue_unpublish(struct axon_queue *q)
{
	struct axon_device *axdev = q->axdev;
	struct axon_vector *vec = &axdev->vec[axon_irq_vector_of(axdev, q->hwid)];

	spin_lock(&axdev->queues_lock);
	list_del_init(&q->dev_link);
	spin_unlock(&axdev->queues_lock);
	spin_lock_irq(&axdev->hwq_lock);
	axdev->hwq[q->hwid] = NULL;
	spin_unlock_irq(&axdev->hwq_lock);
	spin_lock_irq(&vec->lock);
	list_del_init(&q->vec_link);
	spin_unlock_irq(&vec->lock);
}

static int queue_start(struct axon_queue *q)
{
	struct axon_mbox_queue m = {
		.queue = q->hwid,
		.core = q->core,
		.asid = axon_vm_asid(q->ctx->vm),
		.ring_asid = 0,
		.entries = q->entries,
		.vector = axon_irq_vector_of(q->axdev, q->hwid),
		.sq = queue_kva(q),
		.cq = queue_kva(q) + AXON_KVA_CQ,
		.state = queue_kva(q) + AXON_KVA_STATE,
	};
	int ret;

	mutex_lock(&q->hw_lock);
	ret = axon_mbox_queue_create(q->axdev, &m);
	q->hw_alive = !ret;
	mutex_unlock(&q->hw_lock);
	return ret;
}

/*
 * Take the queue from the card. On return the card does not touch the rings, whatever it takes.
 * Completions that came before are counted.
 */
static void queue_hw_stop(struct axon_queue *q)
{
	struct axon_device *axdev = q->axdev;

	lockdep_assert_held(&q->hw_lock);
	if (!q->hw_alive)
		return;
	if (axon_mbox_queue_destroy(axdev, q->hwid)) {
		axon_device_wedge(axdev, "a queue could not be destroyed");
		axon_reset_stop_dma(axdev);
	}
	q->hw_alive = false;
}

/**
 * axon_queue_kill() - take a queue from the card and end its commands
 * @q: the queue
 * @error: what they get
 *
 * Inside drm_dev_enter(). Nothing here allocates: fences wait for it.
 */
void axon_queue_kill(struct axon_queue *q, int error)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&q->hw_lock);
	/* no new commands, so that the firmware ends a queue that is not refilled */
	spin_lock_irq(&q->lock);
	queue_drain(q);
	if (!q->kill_error)
		q->kill_error = error;
	spin_unlock_irq(&q->lock);
	queue_hw_stop(q);
	spin_lock_irq(&q->lock);
	/* the end of a launch that was cut off: from now on others have its core */
	queue_drain(q);
	queue_stop(q, error);
	spin_unlock_irq(&q->lock);
	mutex_unlock(&q->hw_lock);
	dma_fence_end_signalling(cookie);
}

/* What follows is a timeout's work. Return: seqno of the first command, 0 if there is none. */
static u64 queue_kill_begin(struct axon_queue *q)
{
	u64 seqno;

	spin_lock_irq(&q->lock);
	WRITE_ONCE(q->kill_error, -ETIME);
	seqno = q->head == q->tail ? 0 : q->slots[q->head & (q->entries - 1)].seqno;
	spin_unlock_irq(&q->lock);
	return seqno;
}

/*
 * The firmware has killed the launch: its completion carries the end. If none comes, the queue is
 * taken from the card.
 */
static void queue_kill_end(struct axon_queue *q, u64 seqno, bool killed)
{
	unsigned long end = jiffies + HZ;
	struct axon_first first;

	while (killed && time_before(jiffies, end)) {
		if (!axon_queue_poll(q, &first))
			return;
		fsleep(1000);
	}
	axon_ctx_fail(q->ctx, q, DRM_AXON_CTX_TIMEDOUT, AXON_STATUS_KILLED, seqno);
	axon_queue_kill(q, -ETIME);
}

/**
 * axon_queue_kill_job() - the first command has run too long
 * @q: the queue; inside drm_dev_enter()
 */
void axon_queue_kill_job(struct axon_queue *q)
{
	u64 seqno = queue_kill_begin(q);

	queue_kill_end(q, seqno, !axon_mbox_core_reset(q->axdev, q->core, q->hwid));
}

/**
 * axon_queue_kill_waiter() - kill the first command if it is a launch that waits for its gang
 * @q: the queue; inside drm_dev_enter()
 *
 * A launch that waits for its core is left alone.
 *
 * Return: true if it was killed.
 */
bool axon_queue_kill_waiter(struct axon_queue *q)
{
	bool killed = false;
	u64 seqno;

	/* axon_queue_kill() does not come between: its error would be taken back here */
	mutex_lock(&q->hw_lock);
	if (!q->hw_alive || q->kill_error)
		goto out;
	seqno = queue_kill_begin(q);
	killed = !axon_mbox_gang_reset(q->axdev, q->core, q->hwid);
	if (killed)
		goto out;
	spin_lock_irq(&q->lock);
	WRITE_ONCE(q->kill_error, 0);
	spin_unlock_irq(&q->lock);
out:
	mutex_unlock(&q->hw_lock);
	if (killed)
		queue_kill_end(q, seqno, true);
	return killed;
}

/**
 * axon_queue_give_up() - the card stopped the queue and wrote no completion
 * @q: the queue; inside drm_dev_enter()
 * @status: what the card says
 */
void axon_queue_give_up(struct axon_queue *q, u32 status)
{
	struct axon_first first;

	/* the completion may be a moment behind the status */
	fsleep(1000);
	if (!axon_queue_poll(q, &first))
		return;
	dev_err_ratelimited(q->axdev->drm.dev, "queue %u stopped with status %u\n", q->hwid,
			    status);
	axon_ctx_fail(q->ctx, q, 0, status, q->completed);
	axon_queue_kill(q, -EIO);
}

/**
 * axon_queue_fail_all() - the card is gone or given up: end every command
 * @axdev: the card, which no longer does DMA
 * @error: what commands get
 * @gone: the driver leaves the device: also give back its memory
 */
void axon_queue_fail_all(struct axon_device *axdev, int error, bool gone)
{
	struct axon_queue *q;
	LIST_HEAD(done);

	for (;;) {
		spin_lock(&axdev->queues_lock);
		q = list_first_entry_or_null(&axdev->queues, struct axon_queue, dev_link);
		if (q) {
			/* whoever is on the list still has the reference of its handle */
			axon_queue_get(q);
			list_move_tail(&q->dev_link, &done);
		}
		spin_unlock(&axdev->queues_lock);
		if (!q)
			break;
		axon_ctx_fail(q->ctx, q, DRM_AXON_CTX_DEVICE_RESET, AXON_STATUS_CARD_RESET,
			      q->completed);
		mutex_lock(&q->hw_lock);
		spin_lock_irq(&q->lock);
		if (!q->stopped)
			queue_drain(q);
		queue_stop(q, error);
		spin_unlock_irq(&q->lock);
		q->hw_alive = false;
		if (gone)
			queue_free_rings(q);
		mutex_unlock(&q->hw_lock);
		axon_queue_put(q);
	}
	spin_lock(&axdev->queues_lock);
	list_splice(&done, &axdev->queues);
	spin_unlock(&axdev->queues_lock);
}

/**
 * axon_queue_fault_event() - the firmware tells why a queue stopped
 * @axdev: the card
 * @fault: its record
 */
void axon_queue_fault_event(struct axon_device *axdev, const struct axon_fault *fault)
{
	struct axon_queue *q;
	unsigned long flags;

	if (fault->queue >= axdev->num_queues) {
		dev_warn_ratelimited(axdev->drm.dev, "fault of a queue %u that does not exist\n",
				     fault->queue);
		return;
	}
	spin_lock_irqsave(&axdev->hwq_lock, flags);
	q = axdev->hwq[array_index_nospec(fault->queue, AXON_MAX_QUEUES)];
	/* the queue may be gone, and its number may belong to another */
	if (q && fault->asid == axon_vm_asid(q->ctx->vm))
		axon_ctx_fault_record(q->ctx, q, fault);
	spin_unlock_irqrestore(&axdev->hwq_lock, flags);
}

/* ---- life ---- */

static void queue_release(struct kref *ref)
{
	struct axon_queue *q = container_of(ref, struct axon_queue, ref);

	axon_ctx_put(q->ctx);
	mutex_destroy(&q->submit_lock);
	mutex_destroy(&q->hw_lock);
	kvfree(q->slots);
	kfree(q);
}

void axon_queue_get(struct axon_queue *q)
{
	kref_get(&q->ref);
}

void axon_queue_put(struct axon_queue *q)
{
	if (q)
		kref_put(&q->ref, queue_release);
}

/**
 * axon_queue_lookup() - find a queue by handle
 * @file: whose handles
 * @id: handle
 *
 * Return: the queue with a reference, or NULL.
 */
struct axon_queue *axon_queue_lookup(struct axon_file *file, u32 id)
{
	struct axon_queue *q;

	xa_lock(&file->queues);
	q = xa_load(&file->queues, id);
	if (q)
		axon_queue_get(q);
	xa_unlock(&file->queues);
	return q;
}

static struct axon_queue *queue_new(struct axon_ctx *ctx, struct axon_file *file,
				    const struct drm_axon_queue_create *args)
{
	struct axon_queue *q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);

	if (!q)
		return NULL;
	kref_init(&q->ref);
	q->axdev = file->axdev;
	q->file = file;
	q->core = args->core;
	q->entries = args->entries ?: 256;
	q->timeout_ms = args->timeout_ms ?: AXON_DEFAULT_TIMEOUT_MS;
	q->fence_context = dma_fence_context_alloc(1);
	q->next_seqno = 1;
	INIT_LIST_HEAD(&q->ctx_link);
	INIT_LIST_HEAD(&q->dev_link);
	INIT_LIST_HEAD(&q->vec_link);
	init_waitqueue_head(&q->idle);
	init_waitqueue_head(&q->done);
	INIT_DELAYED_WORK(&q->timer, queue_timer);
	mutex_init(&q->submit_lock);
	mutex_init(&q->hw_lock);
	spin_lock_init(&q->lock);
	q->slots = kvcalloc(q->entries, sizeof(*q->slots), GFP_KERNEL_ACCOUNT);
	if (!q->slots) {
		mutex_destroy(&q->submit_lock);
		mutex_destroy(&q->hw_lock);
		kfree(q);
		return NULL;
	}
	kref_get(&ctx->ref);
	q->ctx = ctx;
	return q;
}

/* From memory to a queue the card works on; inside drm_dev_enter(). */
static int queue_bring_up(struct axon_queue *q)
{
	struct axon_device *axdev = q->axdev;
	int ret;

	ret = ida_alloc_max(&axdev->queue_ida, axdev->num_queues - 1, GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		return ret;
	q->hwid = ret;
	q->doorbell = axdev->regs + AXON_DOORBELL_OFFSET + q->hwid * AXON_DOORBELL_STRIDE;
	ret = queue_alloc_rings(q);
	if (ret)
		goto err_id;
	ret = queue_map_rings(q);
	if (ret)
		goto err_rings;
	ret = axon_sched_attach(q);
	if (ret)
		goto err_map;
	queue_publish(q);
	ret = queue_start(q);
	if (ret)
		goto err_sched;
	return 0;

err_sched:
	queue_unpublish(q);
	axon_sched_detach(q);
err_map:
	queue_unmap_rings(q);
err_rings:
	queue_free_rings(q);
err_id:
	ida_free(&axdev->queue_ida, q->hwid);
	return ret;
}

/* Undo queue_bring_up() of a queue that never had a handle; inside drm_dev_enter(). */
static void queue_bring_down(struct axon_queue *q)
{
	axon_queue_kill(q, -ECANCELED);
	axon_sched_detach(q);
	cancel_delayed_work_sync(&q->timer);
	queue_unpublish(q);
	queue_unmap_rings(q);
	queue_free_rings(q);
	ida_free(&q->axdev->queue_ida, q->hwid);
}

/*
 * Not inside drm_dev_enter(): if the device is being unplugged, this waits until it no longer
 * does DMA and axon_queue_fail_all() has freed the rings.
 */
static void queue_tear_down(struct axon_queue *q)
{
	struct axon_device *axdev = q->axdev;
	int idx;

	mutex_lock(&q->submit_lock);
	q->closing = true;
	mutex_unlock(&q->submit_lock);
	if (drm_dev_enter(&axdev->drm, &idx)) {
		axon_queue_kill(q, -ECANCELED);
		drm_dev_exit(idx);
	} else {
		wait_for_completion(&axdev->gone);
	}
	axon_sched_detach(q);
	cancel_delayed_work_sync(&q->timer);
	if (drm_dev_enter(&axdev->drm, &idx)) {
		queue_unpublish(q);
		queue_unmap_rings(q);
		queue_free_rings(q);
		drm_dev_exit(idx);
	} else {
		wait_for_completion(&axdev->gone);
		queue_unpublish(q);
	}
	ida_free(&axdev->queue_ida, q->hwid);
}

static void queue_leave(struct axon_queue *q)
{
	struct axon_ctx *ctx = q->ctx;

	mutex_lock(&ctx->lock);
	list_del_init(&q->ctx_link);
	ctx->num_queues--;
	mutex_unlock(&ctx->lock);
}

/**
 * axon_queue_destroy() - end of a queue whose handle is gone
 * @q: the queue; its handle's reference is consumed
 *
 * Not inside drm_dev_enter().
 */
void axon_queue_destroy(struct axon_queue *q)
{
	queue_leave(q);
	queue_tear_down(q);
	axon_queue_put(q);
}

/**
 * axon_queue_close_all() - destroy the queues of a context or of a whole file
 * @file: the file
 * @ctx: the context, or NULL
 *
 * Not inside drm_dev_enter().
 */
void axon_queue_close_all(struct axon_file *file, struct axon_ctx *ctx)
{
	struct axon_queue *q;
	unsigned long id;

	xa_lock(&file->queues);
	xa_for_each(&file->queues, id, q) {
		if (ctx && q->ctx != ctx)
			continue;
		__xa_erase(&file->queues, id);
		xa_unlock(&file->queues);
		axon_queue_destroy(q);
		xa_lock(&file->queues);
	}
	xa_unlock(&file->queues);
}

/* Count the queue in its context, unless that died meanwhile. */
static int queue_join(struct axon_queue *q)
{
	struct axon_ctx *ctx = q->ctx;
	int ret = 0;

	mutex_lock(&ctx->lock);
	if (axon_ctx_banned(ctx))
		ret = -ECANCELED;
	else if (ctx->num_queues >= AXON_MAX_QUEUES_PER_CTX)
		ret = -ENOSPC;
	if (!ret) {
		list_add_tail(&q->ctx_link, &ctx->queues);
		ctx->num_queues++;
	}
	mutex_unlock(&ctx->lock);
	return ret;
}

static bool queue_args_bad(struct axon_device *axdev, const struct drm_axon_queue_create *a)
{
	return AXON_IOCTL_DBG(axdev, a->flags & ~DRM_AXON_QUEUE_USER_MODE) ||
	       AXON_IOCTL_DBG(axdev, a->core >= axdev->num_cores) ||
	       AXON_IOCTL_DBG(axdev, a->entries && (!is_power_of_2(a->entries) ||
						    a->entries < AXON_MIN_RING_ENTRIES ||
						    a->entries > AXON_MAX_RING_ENTRIES)) ||
	       AXON_IOCTL_DBG(axdev, a->timeout_ms > AXON_MAX_TIMEOUT_MS) ||
	       AXON_IOCTL_DBG(axdev, a->queue_id) ||
	       AXON_IOCTL_DBG(axdev, a->reserved[0] || a->reserved[1] || a->reserved[2]);
}

/* Give out a handle: the last thing that can fail, for then another thread may destroy it. */
static int queue_hand_out(struct axon_file *file, struct axon_queue *q)
{
	int ret = queue_join(q);

	if (ret)
		return ret;
	axon_queue_get(q);
	ret = xa_alloc(&file->queues, &q->id, q, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret) {
		queue_leave(q);
		axon_queue_put(q);
	}
	return ret;
}

/*
 * The caller holds the file's lock, so nothing in here may wait for an unplug: what fails is
 * undone before drm_dev_exit().
 */
static int queue_create(struct axon_file *file, struct axon_ctx *ctx,
			struct drm_axon_queue_create *args)
{
	struct axon_queue *q = queue_new(ctx, file, args);
	int idx, ret = -ENODEV;

	if (!q)
		return -ENOMEM;
	if (drm_dev_enter(&file->axdev->drm, &idx)) {
		ret = queue_bring_up(q);
		if (!ret) {
			ret = queue_hand_out(file, q);
			if (ret)
				queue_bring_down(q);
		}
		drm_dev_exit(idx);
	}
	if (!ret)
		args->queue_id = q->id;
	axon_queue_put(q);
	return ret;
}

/**
 * axon_queue_create_ioctl() - DRM_IOCTL_AXON_QUEUE_CREATE
 * @drm: the card
 * @data: struct drm_axon_queue_create
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct drm_axon_queue_create *args = data;
	struct axon_file *file = filp->driver_priv;
	struct axon_ctx *ctx;
	int ret;

	if (queue_args_bad(axdev, args))
		return -EINVAL;
	if (AXON_IOCTL_DBG(axdev, args->flags & DRM_AXON_QUEUE_USER_MODE))
		return -EOPNOTSUPP;
	args->core = array_index_nospec(args->core, axdev->num_cores);
	mutex_lock(&file->lock);
	ctx = axon_ctx_lookup(file, args->ctx_id);
	if (!ctx)
		ret = -ENOENT;
	else if (axon_device_wedged(axdev))
		ret = -EIO;
	else if (axon_ctx_banned(ctx))
		ret = -ECANCELED;
	else
		ret = queue_create(file, ctx, args);
	mutex_unlock(&file->lock);
	axon_ctx_put(ctx);
	return ret;
}

/**
 * axon_queue_destroy_ioctl() - DRM_IOCTL_AXON_QUEUE_DESTROY
 * @drm: the card
 * @data: struct drm_axon_queue_destroy
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct drm_axon_queue_destroy *args = data;
	struct axon_file *file = filp->driver_priv;
	struct axon_queue *q;

	if (AXON_IOCTL_DBG(axdev, args->pad))
		return -EINVAL;
	q = xa_erase(&file->queues, args->queue_id);
	if (!q)
		return -ENOENT;
	axon_queue_destroy(q);
	return 0;
}

/* Has the job ended, or will it never run? */
static bool queue_done(struct axon_queue *q, u64 seqno)
{
	return READ_ONCE(q->completed) >= seqno || READ_ONCE(q->stopped);
}

/* Take completions without an interrupt for a while; others that want to run are let through. */
static void queue_spin(struct axon_queue *q, u64 seqno, u32 spin_us)
{
	ktime_t end = ktime_add_us(ktime_get(), spin_us);
	bool cookie;

	while (!queue_done(q, seqno) && !signal_pending(current) &&
	       ktime_before(ktime_get(), end)) {
		cookie = dma_fence_begin_signalling();
		spin_lock_irq(&q->lock);
		queue_drain(q);
		spin_unlock_irq(&q->lock);
		dma_fence_end_signalling(cookie);
		cond_resched();
		cpu_relax();
	}
}

/**
 * axon_queue_wait_ioctl() - DRM_IOCTL_AXON_QUEUE_WAIT
 * @drm: the card
 * @data: struct drm_axon_queue_wait
 * @filp: the file
 *
 * Outside drm_dev_enter(): a waiter must not hold up an unplug, which stops the queue and so ends
 * the wait. Only memory that the queue's reference keeps is touched.
 *
 * Return: 0 or a negative errno.
 */
int axon_queue_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct drm_axon_queue_wait *args = data;
	struct axon_queue *q;
	long left;
	int ret = 0;

	if (AXON_IOCTL_DBG(axdev, args->flags || args->pad) ||
	    AXON_IOCTL_DBG(axdev, args->ctx_state || args->completed) ||
	    AXON_IOCTL_DBG(axdev, args->spin_us > AXON_MAX_SPIN_US))
		return -EINVAL;
	q = axon_queue_lookup(filp->driver_priv, args->queue_id);
	if (!q)
		return -ENOENT;
	if (AXON_IOCTL_DBG(axdev, args->seqno > READ_ONCE(q->submitted))) {
		ret = -EINVAL;
		goto out;
	}
	/*
	 * A card that had to be woken may be an emulated one that gets this very CPU only when we
	 * sleep, and one that is far from done in any case.
	 */
	if (args->spin_us && !READ_ONCE(q->rang))
		queue_spin(q, args->seqno, args->spin_us);
	left = wait_event_interruptible_timeout(q->done, queue_done(q, args->seqno),
						drm_timeout_abs_to_jiffies(args->timeout_ns));
	if (left < 0) {
		/* restarted with the same structure, whose answers must still be 0 then */
		ret = left;
		goto out;
	}
	if (!left && !queue_done(q, args->seqno))
		ret = -ETIME;
	args->completed = READ_ONCE(q->completed);
	args->ctx_state = READ_ONCE(q->ctx->state);
out:
	axon_queue_put(q);
	return ret;
}

/**
 * axon_queue_get_state_ioctl() - DRM_IOCTL_AXON_QUEUE_GET_STATE
 * @drm: the card
 * @data: struct drm_axon_queue_get_state
 * @filp: the file
 *
 * Return: 0 or a negative errno.
 */
int axon_queue_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *filp)
{
	struct axon_device *axdev = to_axon_device(drm);
	struct drm_axon_queue_get_state *args = data;
	struct axon_queue *q;

	if (AXON_IOCTL_DBG(axdev, memchr_inv(&args->last_status, 0, sizeof(*args) -
					     offsetof(typeof(*args), last_status))))
		return -EINVAL;
	q = axon_queue_lookup(filp->driver_priv, args->queue_id);
	if (!q)
		return -ENOENT;
	spin_lock_irq(&q->lock);
	args->last_status = q->last_status;
	args->submitted = q->submitted;
	args->completed = q->completed;
	args->last_cycles = q->last_cycles;
	args->total_cycles = q->total_cycles;
	args->last_profiled = q->last_profiled;
	spin_unlock_irq(&q->lock);
	axon_queue_put(q);
	return 0;
}

/**
 * axon_queue_show() - list queues for debugfs
 * @axdev: the card
 * @m: where to
 */
void axon_queue_show(struct axon_device *axdev, struct seq_file *m)
{
	struct axon_queue *q;

	seq_puts(m, "hwid core asid entries submitted completed in-flight status state\n");
	spin_lock(&axdev->queues_lock);
	list_for_each_entry(q, &axdev->queues, dev_link) {
		spin_lock_irq(&q->lock);
		seq_printf(m, "%4u %4u %4u %7u %9llu %9llu %9u %6u %s\n", q->hwid, q->core,
			   axon_vm_asid(q->ctx->vm), q->entries, q->submitted, q->completed,
			   axon_ring_used(q->head, q->tail), q->last_status,
			   q->stopped ? "stopped" : "running");
		spin_unlock_irq(&q->lock);
	}
	spin_unlock(&axdev->queues_lock);
}
