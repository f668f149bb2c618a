// SPDX-License-Identifier: MIT
/*
 * soft_queue.c - queues of the soft card: submission, completion, failure.
 *
 * Numbers of jobs grow by 1. `completed` says up to which number all have ended, `fail_seqno` which
 * one was the first that did not end well; so a job's result is two loads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "soft.h"

#define MS			1000000ull
#define DEFAULT_ENTRIES		256u
/* The firmware hands a fault record on within that. */
#define FAULT_WAIT_NS		(100 * MS)

#define to_ctx(ctx_) ((struct soft_ctx *)(ctx_))

/* ---- submission ---- */

/* Puts a command into the ring; there is room. q->lock is held. */
static void ring_put(struct soft_card *card, struct soft_queue *q, const struct axon_cmd *cmd)
{
	uint32_t tail = q->tail;

	q->sq[tail & (q->entries - 1)] = *cmd;
	q->tail = tail + 1;
	__atomic_store_n(&q->state->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

/* Tells the card, if it sleeps, that the ring moved on from @old. q->lock is held. */
static void ring_doorbell(struct soft_card *card, struct soft_queue *q, uint32_t old)
{
	uint32_t event;

	if (q->tail == old)
		return;
	/* The card stores sq_event, or who runs it takes the call back; then looks at sq_tail. */
	atomic_thread_fence(memory_order_seq_cst);
	soft_call(card);
	event = __atomic_load_n(&q->state->sq_event, __ATOMIC_RELAXED);
	if (axon_ring_needs_event(event, q->tail, old))
		axon_card_doorbell(card->model, q->id);
}

static bool ring_has_room(struct soft_queue *q)
{
	return q->tail - atomic_load_explicit(&q->reaped, memory_order_acquire) < q->entries;
}

static void held_free(struct soft_card *card, struct soft_held *h)
{
	atomic_fetch_sub_explicit(&card->held, 1, memory_order_relaxed);
	free(h->waits);
	free(h);
}

static bool held_ready(struct soft_held *h)
{
	uint32_t i;

	for (i = 0; i < h->wait_count; i++) {
		struct soft_queue *other = (struct soft_queue *)h->waits[i].queue;

		if (other && !soft_has_ended(other, h->waits[i].seqno))
			return false;
		h->waits[i].queue = NULL;
	}
	return true;
}

/* Lets held jobs go, as far as it goes. Both locks are held. */
static void pump(struct soft_card *card, struct soft_queue *q)
{
	uint32_t old = q->tail;

	while (q->held && q->live && ring_has_room(q) && held_ready(q->held)) {
		struct soft_held *h = q->held;

		ring_put(card, q, &h->cmd);
		q->held = h->next;
		if (!q->held)
			q->held_end = &q->held;
		held_free(card, h);
	}
	ring_doorbell(card, q, old);
}

static struct soft_held *hold(struct soft_card *card, const struct axon_cmd *cmd,
			      const struct axon_fence *waits, uint32_t wait_count)
{
	struct soft_held *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->cmd = *cmd;
	if (wait_count) {
		h->waits = malloc(wait_count * sizeof(*waits));
		if (!h->waits) {
			free(h);
			return NULL;
		}
		memcpy(h->waits, waits, wait_count * sizeof(*waits));
		h->wait_count = wait_count;
	}
	atomic_fetch_add_explicit(&card->held, 1, memory_order_relaxed);
	return h;
}

static struct axon_cmd make_cmd(const struct drm_axon_job *job, uint64_t seqno)
{
	struct axon_cmd cmd = {
		.opcode = (uint16_t)job->opcode,
		.seqno = seqno,
		.user_data = job->user_data,
	};

	_Static_assert(sizeof(cmd.reserved) == sizeof(job->operand), "operands changed");
	memcpy(cmd.reserved, job->operand, sizeof(cmd.reserved));
	return cmd;
}

/* The slow way: some of the jobs cannot enter the ring now. q->lock is held. */
static int submit_held(struct soft_card *card, struct soft_queue *q,
		       const struct drm_axon_job *jobs, uint32_t count,
		       const struct axon_fence *waits, uint32_t wait_count, uint64_t first)
{
	struct soft_held *list = NULL;
	struct soft_held **end = &list;
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct axon_cmd cmd = make_cmd(&jobs[i], first + i);

		*end = hold(card, &cmd, waits, i ? 0 : wait_count);
		if (!*end)
			goto fail;
		end = &(*end)->next;
	}
	*q->held_end = list;
	q->held_end = end;
	return 0;
fail:
	while (list) {
		struct soft_held *next = list->next;

		held_free(card, list);
		list = next;
	}
	return -ENOMEM;
}

static bool waits_over(const struct axon_fence *waits, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (!soft_has_ended((struct soft_queue *)waits[i].queue, waits[i].seqno))
			return false;
	return true;
}

static int submit_locked(struct soft_card *card, struct soft_queue *q,
			 const struct drm_axon_job *jobs, uint32_t count,
			 const struct axon_fence *waits, uint32_t wait_count, uint64_t *seqno)
{
	uint32_t used = q->tail - atomic_load_explicit(&q->reaped, memory_order_acquire);
	uint64_t first = atomic_load_explicit(&q->last, memory_order_relaxed) + 1;
	uint32_t old = q->tail;
	uint32_t i;
	int err;

	err = atomic_load(&to_ctx(q->base.ctx)->error);
	if (!err && !q->live)
		err = -ECANCELED;
	if (err)
		return err;
	*seqno = first + count - 1;
	/* Before the card can complete them. */
	atomic_fetch_add(&card->jobs, count);
	if (q->held || count > q->entries - used || !waits_over(waits, wait_count)) {
		err = submit_held(card, q, jobs, count, waits, wait_count, first);
		if (err) {
			atomic_fetch_sub(&card->jobs, count);
			return err;
		}
		atomic_store(&q->last, *seqno);
		return 0;
	}
	atomic_store(&q->last, *seqno);
	for (i = 0; i < count; i++) {
		struct axon_cmd cmd = make_cmd(&jobs[i], first + i);

		ring_put(card, q, &cmd);
	}
	ring_doorbell(card, q, old);
	return 0;
}

/* As the kernel driver: words that no command of this kind uses must be 0. */
static bool job_bad(const struct drm_axon_job *job)
{
	const __u64 *op = job->operand;

	if (job->flags)
		return true;
	switch (job->opcode) {
	case AXON_CMD_NOP:
		return op[0] || op[1] || op[2] || op[3] || op[4];
	case AXON_CMD_LAUNCH:
		return op[3] >> 32 || op[4];
	case AXON_CMD_COPY:
		return op[3] || op[4];
	case AXON_CMD_FILL:
		return op[1] >> 8 || op[3] || op[4];
	default:
		return true;
	}
}

int soft_queue_submit(struct soft_card *card, struct soft_queue *q,
		      const struct drm_axon_job *jobs, uint32_t count,
		      const struct axon_fence *waits, uint32_t wait_count, uint64_t *seqno)
{
	uint32_t i;
	int err;

	if (atomic_load_explicit(&card->wedged, memory_order_relaxed))
		return -EIO;
	for (i = 0; i < count; i++)
		if (job_bad(&jobs[i]))
			return -EINVAL;
	for (i = 0; i < wait_count; i++)
		if (waits[i].seqno > atomic_load(&((struct soft_queue *)waits[i].queue)->last))
			return -EINVAL;
	pthread_mutex_lock(&q->lock);
	err = submit_locked(card, q, jobs, count, waits, wait_count, seqno);
	pthread_mutex_unlock(&q->lock);
	return err;
}

/* ---- failure ---- */

/*
 * Ends everything of a queue: the job @seqno (0: the oldest) with @error, those after it with
 * @later. soft_card.run is held. Return: true if the card still serves the queue.
 */
static bool queue_end(struct soft_card *card, struct soft_queue *q, uint64_t seqno, int error,
		      int later)
{
	uint64_t completed;
	uint64_t last;
	bool live;

	pthread_mutex_lock(&q->lock);
	live = q->live;
	q->live = false;
	while (q->held) {
		struct soft_held *next = q->held->next;

		held_free(card, q->held);
		q->held = next;
	}
	q->held_end = &q->held;
	last = atomic_load(&q->last);
	completed = atomic_load(&q->completed);
	if (atomic_load(&q->fail_seqno) == UINT64_MAX) {
		q->fail_error = error;
		q->later_error = later;
		atomic_store_explicit(&q->fail_seqno, seqno ? seqno : completed + 1,
				      memory_order_release);
	}
	atomic_store_explicit(&q->completed, last, memory_order_release);
	pthread_mutex_unlock(&q->lock);
	atomic_fetch_sub(&card->jobs, last - completed);
	return live;
}

/* Takes the queue from the card. */
static void queue_unplug(struct soft_card *card, struct soft_queue *q)
{
	struct axon_mbox_queue_id id = { .queue = q->id };

	/* It only fails if the firmware is dead; resetting the card then ends the queue. */
	soft_mbox(card, AXON_MBOX_QUEUE_DESTROY, &id, sizeof(id));
}

static void fill_state(struct soft_queue *q, uint32_t status, uint64_t seqno)
{
	struct drm_axon_ctx_get_state *state = &to_ctx(q->base.ctx)->state;

	state->status = status;
	state->fault_queue = q->id + 1;
	state->seqno = seqno;
	state->engine = AXON_FAULT_NO_ENGINE;
	if (!q->faulted || q->fault.seqno != seqno)
		return;
	state->engine = q->fault.engine;
	state->opcode = q->fault.opcode;
	state->pc = q->fault.pc;
	state->semaphore = q->fault.semaphore;
	state->sem_value = q->fault.sem_value;
	state->sem_wanted = q->fault.sem_wanted;
	state->fault_addr = q->fault.addr;
	state->peer = q->fault.peer;
}

/* The firmware passes the record on a moment after the completion. */
static void wait_fault(struct soft_card *card, struct soft_queue *q)
{
	uint64_t until = axon_now_ns() + FAULT_WAIT_NS;

	soft_mbox_events(card);
	while (!q->faulted && axon_now_ns() < until) {
		axon_card_run(card->model);
		soft_mbox_events(card);
	}
}

/* A job failed: its context is banned, whatever its queues still had is cancelled. */
static void context_fail(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
			 uint32_t status)
{
	struct soft_ctx *ctx = to_ctx(q->base.ctx);
	int error = q->timed_out ? -ETIME : axon_status_errno(status);
	struct soft_queue *other;

	wait_fault(card, q);
	fill_state(q, status, seqno);
	ctx->state.state |= DRM_AXON_CTX_BANNED |
			    (q->timed_out ? DRM_AXON_CTX_TIMEDOUT : DRM_AXON_CTX_FAULTED);
	axon_dev_log(&card->base, AXON_LOG_WARN,
		     "%s: job %llu of queue %u on core %u failed: %s "
		     "(engine %u, instruction %u, opcode 0x%x, address 0x%llx)",
		     card->base.path, (unsigned long long)seqno, q->id + 1, q->core,
		     q->timed_out ? "took too long" : axon_status_str(status),
		     ctx->state.engine, ctx->state.pc, ctx->state.opcode,
		     (unsigned long long)ctx->state.fault_addr);
	atomic_store(&ctx->error, -ECANCELED);
	if (queue_end(card, q, seqno, error, -ECANCELED))
		queue_unplug(card, q);
	for (other = card->queues; other; other = other->next)
		if (other->base.ctx == q->base.ctx && other != q &&
		    queue_end(card, other, 0, -ECANCELED, -ECANCELED))
			queue_unplug(card, other);
}

void soft_queues_card_reset(struct soft_card *card)
{
	struct soft_queue *q;

	for (q = card->queues; q; q = q->next) {
		struct soft_ctx *ctx = to_ctx(q->base.ctx);

		ctx->state.state |= DRM_AXON_CTX_BANNED | DRM_AXON_CTX_DEVICE_RESET;
		atomic_store(&ctx->error, -ECONNRESET);
		queue_end(card, q, 0, -ECONNRESET, -ECONNRESET);
	}
	memset(card->watch, 0, sizeof(card->watch));
	soft_wake(card);
}

/* ---- completion ---- */

static void take_completion(struct soft_card *card, struct soft_queue *q,
			    const struct axon_cqe *cqe)
{
	q->last_status = q->timed_out && cqe->status ? AXON_STATUS_KILLED : cqe->status;
	q->last_profiled = cqe->profiled;
	q->last_cycles = cqe->cycles;
	q->total_cycles += cqe->cycles;
	if (cqe->status != AXON_STATUS_OK) {
		context_fail(card, q, cqe->seqno, q->last_status);
		return;
	}
	atomic_store_explicit(&q->completed, cqe->seqno, memory_order_release);
	atomic_fetch_sub(&card->jobs, 1);
}

/* The card stops a queue over its ring itself without a completion. */
static void check_stopped(struct soft_card *card, struct soft_queue *q)
{
	uint32_t status = __atomic_load_n(&q->state->status, __ATOMIC_ACQUIRE);
	uint32_t head = atomic_load_explicit(&q->reaped, memory_order_relaxed);

	if (status == AXON_STATUS_OK ||
	    head != __atomic_load_n(&q->state->cq_tail, __ATOMIC_ACQUIRE))
		return;
	q->last_status = status;
	context_fail(card, q, atomic_load(&q->completed) + 1, status);
}

static bool queue_reap(struct soft_card *card, struct soft_queue *q)
{
	uint32_t head = atomic_load_explicit(&q->reaped, memory_order_relaxed);
	uint32_t tail = __atomic_load_n(&q->state->cq_tail, __ATOMIC_ACQUIRE);
	bool ended = false;

	while (q->live && head != tail) {
		struct axon_cqe cqe = q->cq[head & (q->entries - 1)];

		head++;
		__atomic_store_n(&q->state->cq_head, head, __ATOMIC_RELEASE);
		/* No interrupt is wanted: every slice is followed by this function. */
		__atomic_store_n(&q->state->cq_event, head - 1, __ATOMIC_RELAXED);
		atomic_store_explicit(&q->reaped, head, memory_order_release);
		take_completion(card, q, &cqe);
		ended = true;
	}
	return ended;
}

bool soft_queues_reap(struct soft_card *card)
{
	struct soft_queue *q;
	bool ended = false;

	for (q = card->queues; q; q = q->next)
		if (q->live)
			ended |= queue_reap(card, q);
	if (!atomic_load_explicit(&card->held, memory_order_relaxed))
		return ended;
	/* Jobs held back may wait for what has just ended. */
	for (q = card->queues; q; q = q->next) {
		pthread_mutex_lock(&q->lock);
		pump(card, q);
		pthread_mutex_unlock(&q->lock);
	}
	return ended;
}

/* ---- time limits ---- */

/* @how: AXON_MBOX_CORE_RESET or AXON_MBOX_GANG_RESET. */
static void kill_job(struct soft_card *card, struct soft_queue *q, uint32_t how)
{
	struct axon_mbox_core req = { .core = q->core, .queue = q->id };

	/* Its end may not have been taken yet. */
	if (q->timed_out)
		return;
	q->timed_out = true;
	/* NOT_FOUND: it has just ended by itself, or it does not wait for its gang. */
	if (soft_mbox(card, how, &req, sizeof(req)))
		q->timed_out = false;
}

/*
 * A launch that waits for others to join its gang does not have its core, so that nobody else need
 * be charged for it: its wait is its own time.
 */
static void check_waiter(struct soft_card *card, struct soft_queue *q, uint64_t now)
{
	uint64_t first = atomic_load(&q->completed) + 1;

	if (first > atomic_load(&q->last)) {
		q->first = 0;
	} else if (q->first != first) {
		q->first = first;
		q->first_ns = now;
	} else if (now > q->first_ns && now - q->first_ns > q->timeout_ns) {
		kill_job(card, q, AXON_MBOX_GANG_RESET);
		/* If it does not wait: ask again later. */
		q->first_ns += q->timeout_ns / 4;
	}
}

static void check_core(struct soft_card *card, uint32_t core, uint64_t now)
{
	uint32_t id = axon_card_read(card->model, AXON_REG_CORE(core, AXON_CORE_QUEUE));
	struct soft_core_watch *watch = &card->watch[core];
	struct soft_queue *q = NULL;
	uint64_t running;

	if (id != AXON_NO_QUEUE)
		for (q = card->queues; q && (q->id != id || !q->live); q = q->next)
			;
	if (!q) {
		watch->seqno = 0;
		return;
	}
	running = __atomic_load_n(&q->state->completed, __ATOMIC_ACQUIRE) + 1;
	if (watch->queue != id || watch->seqno != running) {
		*watch = (struct soft_core_watch) { id, running, now };
		return;
	}
	if (now > watch->since_ns && now - watch->since_ns > q->timeout_ns)
		kill_job(card, q, AXON_MBOX_CORE_RESET);
}

void soft_queues_check_time(struct soft_card *card, uint64_t now)
{
	struct soft_queue *q;
	uint32_t core;

	if (!atomic_load(&card->jobs))
		return;
	for (core = 0; core < card->cores; core++)
		check_core(card, core, now);
	for (q = card->queues; q; q = q->next)
		if (q->live) {
			check_waiter(card, q, now);
			check_stopped(card, q);
		}
}

/* ---- beginning and end ---- */

static int take_id(struct soft_card *card, uint32_t *id)
{
	uint32_t i;

	for (i = 0; i < card->num_queues; i++)
		if (!(card->queue_ids[i / 64] & 1ull << i % 64)) {
			card->queue_ids[i / 64] |= 1ull << i % 64;
			*id = i;
			return 0;
		}
	return -ENOSPC;
}

static uint64_t pages(uint64_t bytes)
{
	return (bytes + AXON_PAGE_SIZE - 1) & ~(AXON_PAGE_SIZE - 1ull);
}

static int plug(struct soft_card *card, struct soft_queue *q)
{
	uint64_t sq_size = pages(q->entries * sizeof(*q->sq));
	uint64_t cq_size = pages(q->entries * sizeof(*q->cq));
	uint32_t asid = ((struct soft_vm *)q->base.ctx->vm)->asid;
	struct axon_mbox_queue req = {
		.queue = q->id,
		.core = q->core,
		.asid = asid,
		.entries = q->entries,
		.vector = 1 + q->id % (AXON_NUM_VECTORS - 1),
	};
	int err = soft_hbm_alloc(card, sq_size + cq_size + AXON_PAGE_SIZE, q, &q->mem);

	if (err)
		return err;
	q->sq = (struct axon_cmd *)(card->hbm + q->mem);
	q->cq = (struct axon_cqe *)(card->hbm + q->mem + sq_size);
	q->state = (struct axon_qstate *)(card->hbm + q->mem + sq_size + cq_size);
	q->state->cq_event = UINT32_MAX;
	req.sq = SOFT_KERNEL_VA + q->mem;
	req.cq = req.sq + sq_size;
	req.state = req.cq + cq_size;
	err = soft_mbox(card, AXON_MBOX_QUEUE_CREATE, &req, sizeof(req));
	if (err)
		soft_hbm_free(card, q->mem);
	return err;
}

static int check_params(struct soft_card *card, const struct axon_queue_params *p)
{
	if (p->flags)
		return p->flags & ~DRM_AXON_QUEUE_USER_MODE ? -EINVAL : -EOPNOTSUPP;
	if (p->core >= card->cores || p->timeout_ms > AXON_MAX_TIMEOUT_MS)
		return -EINVAL;
	if (p->entries && (p->entries & (p->entries - 1) || p->entries < AXON_MIN_RING_ENTRIES ||
			   p->entries > AXON_MAX_RING_ENTRIES))
		return -EINVAL;
	return 0;
}

static uint32_t queues_of(struct soft_card *card, const struct axon_context *ctx)
{
	struct soft_queue *q;
	uint32_t count = 0;

	for (q = card->queues; q; q = q->next)
		count += q->base.ctx == ctx;
	return count;
}

/* soft_card.run is held; q->base is set. */
int soft_queue_init(struct soft_card *card, struct soft_queue *q,
		    const struct axon_queue_params *params)
{
	uint32_t timeout = params->timeout_ms ? params->timeout_ms : AXON_DEFAULT_TIMEOUT_MS;
	int err = check_params(card, params);

	if (!err)
		err = atomic_load(&to_ctx(q->base.ctx)->error);
	if (!err && queues_of(card, q->base.ctx) >= AXON_MAX_QUEUES_PER_CTX)
		err = -ENOSPC;
	if (!err)
		err = take_id(card, &q->id);
	if (err)
		return err;
	q->core = params->core;
	q->entries = params->entries ? params->entries : DEFAULT_ENTRIES;
	q->timeout_ns = timeout * MS;
	q->held_end = &q->held;
	atomic_init(&q->fail_seqno, UINT64_MAX);
	err = plug(card, q);
	if (err) {
		card->queue_ids[q->id / 64] &= ~(1ull << q->id % 64);
		return err;
	}
	pthread_mutex_init(&q->lock, NULL);
	q->live = true;
	q->next = card->queues;
	card->queues = q;
	return 0;
}

/* Jobs of other queues no longer wait for this one. */
static void forget(struct soft_queue *other, const struct soft_queue *gone)
{
	struct soft_held *h;
	uint32_t i;

	pthread_mutex_lock(&other->lock);
	for (h = other->held; h; h = h->next)
		for (i = 0; i < h->wait_count; i++)
			if (h->waits[i].queue == &gone->base)
				h->waits[i].queue = NULL;
	pthread_mutex_unlock(&other->lock);
}

/* soft_card.run is held. */
void soft_queue_end(struct soft_card *card, struct soft_queue *q)
{
	if (queue_end(card, q, 0, -ECANCELED, -ECANCELED))
		queue_unplug(card, q);
}

/* soft_card.run is held; frees nothing of the structure itself. */
void soft_queue_exit(struct soft_card *card, struct soft_queue *q)
{
	struct soft_queue **link = &card->queues;
	struct soft_queue *other;

	soft_queue_end(card, q);
	/* The next queue gets its number, but not the time of its last job. */
	if (card->watch[q->core].queue == q->id)
		card->watch[q->core].seqno = 0;
	while (*link != q)
		link = &(*link)->next;
	*link = q->next;
	for (other = card->queues; other; other = other->next)
		forget(other, q);
	soft_hbm_free(card, q->mem);
	card->queue_ids[q->id / 64] &= ~(1ull << q->id % 64);
	pthread_mutex_destroy(&q->lock);
}
