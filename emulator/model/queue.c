// SPDX-License-Identifier: MIT
/*
 * queue.c - rings: commands are fetched, run and completed here.
 *
 * Rings and their state pages are memory of the host or of a guest's user, who may write anything
 * into them at any time: indices are compared by difference, a command is copied once and only the
 * copy is looked at. What a queue's owner does wrong stops that queue and no other. Nothing here
 * allocates, locks or waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gang.h"

/* A core runs this long before the rings are looked at again. */
#define CORE_QUANTUM_NS		10000u
/* While a launch on a core waits for its gang, its busy time is brought up to date that often. */
#define WAIT_LOOK_NS		50000000u
/* Bytes of a COPY or FILL between two looks at the clock. */
#define MOVE_CHUNK		65536u
/* Commands between two looks at the clock. */
#define STEPS_PER_CLOCK		64u

/* Cost of COPY and FILL: Documentation/hardware.rst, "Commands". */
#define MOVE_SETUP_CYCLES	840u
#define MOVE_BYTES_PER_CYCLE	263u
#define MOVE_MAX		(1ull << 40)

#define VA_END			(1ull << AXON_VA_BITS)

#define load_relaxed(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_relaxed(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

/* What a queue does between fetch and completion of a command. */
enum work {
	WORK_NONE,
	WORK_MOVE,	/* COPY or FILL under way */
	WORK_WAIT,	/* LAUNCH, the core is busy */
	WORK_GANG,	/* LAUNCH of a gang that is not complete, or whose core is busy */
	WORK_LAUNCH,	/* LAUNCH on the core */
};

/**
 * struct window - entries of a ring that lie behind each other in host memory
 * @ptr: entry @first
 * @first: index of the first one, below the ring's size
 * @count: number of them; 0: nothing is known
 */
struct window {
	uint8_t *ptr;
	uint32_t first;
	uint32_t count;
};

/**
 * struct queue - a queue
 * @p: as created
 * @state: host pointer of the state page, of generation @gen
 * @gen: axon_mmu_generation() of ring_asid that @state, @sq and @cq belong to
 * @sq: part of the submission ring
 * @cq: part of the completion ring
 * @head: commands fetched
 * @tail: sq_tail when last looked at, already checked
 * @cq_tail: completions written
 * @cq_head: cq_head when last looked at, already checked
 * @cq_told: completions that the reader needs no interrupt for: it had one, or has taken them
 * @used: created
 * @stopped: a command failed; nothing more is fetched until destruction
 * @work: what @cmd does
 * @cmd: command under way, a private copy
 * @program: LAUNCH: what it points at, a private copy
 * @gang: LAUNCH: NULL, or what it is a member of: set while it has not been left
 * @done: WORK_MOVE: bytes done
 * @use: WORK_MOVE: what it took of the links
 */
struct queue {
	struct axon_queue_params p;
	struct axon_qstate *state;
	uint64_t gen;
	struct window sq;
	struct window cq;
	uint32_t head;
	uint32_t tail;
	uint32_t cq_tail;
	uint32_t cq_head;
	uint32_t cq_told;
	bool used;
	bool stopped;
	enum work work;
	struct axon_cmd cmd;
	struct axon_program program;
	struct axon_gang *gang;
	uint64_t done;
	struct axon_link_use use;
};

/**
 * struct sched - who runs on a core
 * @running: queue, or AXON_NO_QUEUE
 * @last: queue that ran last; the next one is looked for behind it
 * @waiting: queues of the core in WORK_WAIT
 * @joined: queues of the core in WORK_GANG
 * @gang_ran: the launch that ran last was a gang's
 * @since: now_ns() up to which busy_ns has been counted
 */
struct sched {
	uint32_t running;
	uint32_t last;
	uint32_t waiting;
	uint32_t joined;
	bool gang_ran;
	uint64_t since;
};

/**
 * struct axon_queues - all rings of a card; the card thread's alone
 * @queue: by id
 * @active: ids in use
 * @actives: number of them
 * @sched: by core
 * @announced: sq_event says that the card sleeps
 */
struct axon_queues {
	struct queue queue[AXON_MAX_QUEUES];
	uint16_t active[AXON_MAX_QUEUES];
	uint32_t actives;
	struct sched sched[AXON_MAX_CORES];
	bool announced;
};

static uint64_t now_ns(struct axon_card *card)
{
	return card->ops.now_ns(card->opaque);
}

/* ---- memory of a ring ---- */

/* Host pointer of entry @index; NULL with @status and @addr set if it cannot be reached. */
static uint8_t *ring_entry(struct axon_card *card, struct queue *q, struct window *w,
			   uint64_t ring, uint32_t index, uint32_t size, unsigned int access,
			   enum axon_status *status, uint64_t *addr)
{
	uint64_t len;
	uint8_t *ptr;

	if (index - w->first < w->count)
		return w->ptr + (uint64_t)(index - w->first) * size;
	len = (uint64_t)(q->p.entries - index) * size;
	*addr = ring + (uint64_t)index * size;
	*status = axon_mmu_translate(card, q->p.ring_asid, *addr, &len, access, &ptr);
	if (*status == AXON_STATUS_OK && len < size)
		*status = AXON_STATUS_FAULT_BUS;
	if (*status != AXON_STATUS_OK)
		return NULL;
	*w = (struct window){ .ptr = ptr, .first = index, .count = (uint32_t)(len / size) };
	return ptr;
}

/* After an invalidation every pointer into the rings is stale. */
static enum axon_status ring_refresh(struct axon_card *card, struct queue *q)
{
	uint64_t len = sizeof(struct axon_qstate);
	enum axon_status status;
	uint8_t *ptr;

	if (q->state && q->gen == axon_mmu_generation(card, q->p.ring_asid))
		return AXON_STATUS_OK;
	q->state = NULL;
	q->sq.count = 0;
	q->cq.count = 0;
	status = axon_mmu_translate(card, q->p.ring_asid, q->p.state, &len, AXON_ACCESS_WRITE,
				    &ptr);
	if (status == AXON_STATUS_OK && len < sizeof(struct axon_qstate))
		status = AXON_STATUS_FAULT_BUS;
	if (status != AXON_STATUS_OK)
		return status;
	q->state = (struct axon_qstate *)(void *)ptr;
	q->gen = axon_mmu_generation(card, q->p.ring_asid);
	return AXON_STATUS_OK;
}

/* ---- completion ---- */

static enum axon_status cqe_room(struct queue *q)
{
	if (q->cq_tail - q->cq_head < q->p.entries)
		return AXON_STATUS_OK;
	q->cq_head = load_acquire(&q->state->cq_head);
	if (q->cq_tail - q->cq_head < q->p.entries)
		return AXON_STATUS_OK;
	if (q->cq_tail - q->cq_head == q->p.entries)
		return AXON_STATUS_CQ_OVERFLOW;
	/* Whatever it is now, it has not been checked. */
	q->cq_head = q->cq_tail - q->p.entries;
	return AXON_STATUS_BAD_RING;
}

/* Return: OK, or why the completion could not be written; @addr is set for a fault. */
static enum axon_status cqe_post(struct axon_card *card, struct queue *q, uint64_t cycles,
				 uint32_t profiled, enum axon_status status, uint64_t *addr)
{
	struct axon_cqe cqe = {
		.seqno = q->cmd.seqno,
		.user_data = q->cmd.user_data,
		.cycles = cycles,
		.profiled = profiled,
		.status = (uint16_t)status,
		.phase = !(q->cq_tail & q->p.entries),
	};
	enum axon_status ring = cqe_room(q);
	uint64_t last;
	uint8_t *entry;

	if (ring != AXON_STATUS_OK)
		return ring;
	entry = ring_entry(card, q, &q->cq, q->p.cq, q->cq_tail & (q->p.entries - 1),
			   sizeof(cqe), AXON_ACCESS_WRITE, &ring, addr);
	if (!entry)
		return ring;
	memcpy(entry, &cqe, offsetof(struct axon_cqe, profiled));
	memcpy(&last, (uint8_t *)&cqe + offsetof(struct axon_cqe, profiled), sizeof(last));
	store_release((uint64_t *)(void *)(entry + offsetof(struct axon_cqe, profiled)), last);
	q->cq_tail++;
	store_release(&q->state->cq_tail, q->cq_tail);
	store_release(&q->state->completed, q->cmd.seqno);
	return AXON_STATUS_OK;
}

/* The launch under way is no member of its gang any more. */
static void leave_gang(struct queue *q, bool ok)
{
	if (q->gang)
		axon_gang_leave(q->gang, q->program.rank, ok);
	q->gang = NULL;
}

/**
 * queue_fail() - stop a queue
 * @fault: status, engine, opcode, pc, semaphore, address and peer are set
 * @cqe: the command under way gets a completion
 */
static void queue_fail(struct axon_card *card, struct queue *q, struct axon_fault fault,
		       bool cqe, uint64_t cycles, uint32_t profiled)
{
	uint64_t addr;

	q->stopped = true;
	q->work = WORK_NONE;
	leave_gang(q, false);
	if (ring_refresh(card, q) == AXON_STATUS_OK) {
		store_release(&q->state->status, (uint32_t)fault.status);
		/* Where there is no room the status word and the record must do. */
		if (cqe)
			cqe_post(card, q, cycles, profiled, fault.status, &addr);
	}
	fault.queue = (uint16_t)q->p.id;
	fault.core = (uint16_t)q->p.core;
	fault.asid = (uint16_t)q->p.asid;
	fault.seqno = cqe ? q->cmd.seqno : 0;
	fault.user_data = cqe ? q->cmd.user_data : 0;
	axon_ctrl_push_fault(card, &fault);
	atomic_store_explicit(&card->ctrl_kick, 1, memory_order_relaxed);
	/* Whoever waits must learn of it, whatever completion it waits for. */
	axon_vector_completion(card, q->p.vector, true);
}

/* No instruction is at fault. */
static struct axon_fault fault_of(enum axon_status status, uint64_t addr)
{
	return (struct axon_fault){
		.status = (uint16_t)status,
		.engine = AXON_FAULT_NO_ENGINE,
		.addr = status <= AXON_STATUS_FAULT_ADDRESS ? addr : 0,
	};
}

/* The ring itself is at fault; no completion can be written. */
static void ring_fail(struct axon_card *card, struct queue *q, enum axon_status status,
		      uint64_t addr)
{
	queue_fail(card, q, fault_of(status, addr), false, 0, 0);
}

/* The command under way is at fault. */
static void cmd_fail(struct axon_card *card, struct queue *q, enum axon_status status,
		     uint64_t addr)
{
	queue_fail(card, q, fault_of(status, addr), true, 0, 0);
}

/* The same because of, or by the look of it because of, member @peer - 1 of its gang. */
static void gang_fail(struct axon_card *card, struct queue *q, enum axon_status status,
		      uint32_t peer)
{
	struct axon_fault fault = fault_of(status, 0);

	fault.peer = (uint16_t)peer;
	queue_fail(card, q, fault, true, 0, 0);
}

static void cmd_done(struct axon_card *card, struct queue *q, uint64_t cycles, uint32_t profiled)
{
	enum axon_status ring;
	uint64_t addr = 0;
	uint32_t event;
	bool wanted;

	q->work = WORK_NONE;
	leave_gang(q, true);
	ring = cqe_post(card, q, cycles, profiled, AXON_STATUS_OK, &addr);
	if (ring != AXON_STATUS_OK) {
		ring_fail(card, q, ring, addr);
		return;
	}
	/* The completion is out before the event index is read: pairs with the reader's barrier. */
	atomic_thread_fence(memory_order_seq_cst);
	event = load_relaxed(&q->state->cq_event);
	wanted = axon_ring_needs_event(event, q->cq_tail, q->cq_tail - 1);
	if (wanted)
		q->cq_told = q->cq_tail;
	axon_vector_completion(card, q->p.vector, wanted);
}

/*
 * Did the reader ask for an interrupt at the moment its completion was written, and neither of the
 * two saw the other? A reader that keeps to the barriers of struct axon_qstate does not need this.
 * There are emulators that leave out a guest's barriers. Return: an interrupt was raised.
 */
static bool missed_event(struct axon_card *card, struct queue *q)
{
	uint32_t event, head;

	if (q->cq_told == q->cq_tail)
		return false;
	/* The event first: it is written after the head. */
	event = load_acquire(&q->state->cq_event);
	head = load_relaxed(&q->state->cq_head);
	if (q->cq_tail - head < q->cq_tail - q->cq_told)
		q->cq_told = head;
	if (!axon_ring_needs_event(event, q->cq_tail, q->cq_told))
		return false;
	q->cq_told = q->cq_tail;
	axon_vector_completion(card, q->p.vector, true);
	return true;
}

/* ---- commands ---- */

static bool fetch(struct axon_card *card, struct queue *q)
{
	enum axon_status status = AXON_STATUS_BAD_RING;
	uint64_t addr = 0;
	uint8_t *entry;

	if (q->head == q->tail) {
		uint32_t tail = load_acquire(&q->state->sq_tail);

		if (tail == q->head)
			return false;
		if (tail - q->head > q->p.entries) {
			ring_fail(card, q, AXON_STATUS_BAD_RING, 0);
			return false;
		}
		q->tail = tail;
	}
	entry = ring_entry(card, q, &q->sq, q->p.sq, q->head & (q->p.entries - 1),
			   sizeof(q->cmd), AXON_ACCESS_READ, &status, &addr);
	if (!entry) {
		ring_fail(card, q, status, addr);
		return false;
	}
	memcpy(&q->cmd, entry, sizeof(q->cmd));
	/* The ring may change now; no compiler may read it again in place of the copy. */
	__asm__ volatile("" ::: "memory");
	q->head++;
	store_relaxed(&q->state->sq_event, q->head - 1);
	store_release(&q->state->sq_head, q->head);
	return true;
}

static bool range_ok(uint64_t va, uint64_t size)
{
	return va < VA_END && size <= VA_END - va;
}

static void begin_move(struct axon_card *card, struct queue *q)
{
	const struct axon_cmd *cmd = &q->cmd;
	bool fill = cmd->opcode == AXON_CMD_FILL;

	if (cmd->copy.reserved || cmd->reserved[4] || !cmd->copy.size ||
	    cmd->copy.size > MOVE_MAX || (fill && cmd->copy.src > 0xff)) {
		cmd_fail(card, q, AXON_STATUS_BAD_COMMAND, 0);
		return;
	}
	if (!range_ok(cmd->copy.dst, cmd->copy.size)) {
		cmd_fail(card, q, AXON_STATUS_FAULT_ADDRESS, cmd->copy.dst);
		return;
	}
	if (!fill && !range_ok(cmd->copy.src, cmd->copy.size)) {
		cmd_fail(card, q, AXON_STATUS_FAULT_ADDRESS, cmd->copy.src);
		return;
	}
	q->done = 0;
	axon_link_begin(&q->use);
	q->use.start = MOVE_SETUP_CYCLES;
	q->work = WORK_MOVE;
}

/* Where the gang's name lies. Return: OK, or a fault at the program's gang, or BAD_GANG. */
static enum axon_status gang_name(struct axon_card *card, const struct queue *q,
				  struct axon_gang_name *name)
{
	uint64_t len = AXON_GANG_SIZE, size = card->cfg.hbm_size;
	const uint8_t *hbm = card->hbm;
	enum axon_status status;
	uint32_t peer;
	uint8_t *ptr;

	status = axon_mmu_translate(card, q->p.asid, q->program.gang, &len, AXON_ACCESS_READ_FAR,
				    &ptr);
	if (status != AXON_STATUS_OK)
		return status;
	name->place = card->cfg.place;
	peer = axon_mmu_peer(card, q->p.asid, q->program.gang, AXON_ACCESS_READ_FAR);
	if (peer != AXON_NO_PEER) {
		name->place = peer;
		hbm = card->fabric->place[peer].hbm;
		size = card->fabric->place[peer].hbm_size;
	}
	name->offset = (uintptr_t)ptr - (uintptr_t)hbm;
	name->rank = q->program.rank;
	name->ranks = q->program.ranks;
	return name->offset < size ? AXON_STATUS_OK : AXON_STATUS_BAD_GANG;
}

static void join_gang(struct axon_card *card, struct queue *q)
{
	struct axon_gang_name name;
	enum axon_status status = gang_name(card, q, &name);
	int ret;

	if (status != AXON_STATUS_OK) {
		cmd_fail(card, q, status, q->program.gang);
		return;
	}
	ret = axon_gang_join(card, q->p.core, &name, &q->gang);
	if (ret) {
		if (ret == -ENOMEM)
			axon_card_log(card, AXON_CARD_ERROR, "no memory for a gang of %u",
				      (unsigned int)name.ranks);
		cmd_fail(card, q, AXON_STATUS_BAD_GANG, 0);
		return;
	}
	q->work = WORK_GANG;
	card->queues->sched[q->p.core].joined++;
}

/* The program descriptor is read here, once. */
static void begin_launch(struct axon_card *card, struct queue *q)
{
	const struct axon_cmd *cmd = &q->cmd;
	enum axon_status status;
	uint64_t addr = 0;

	if (cmd->launch.reserved || cmd->reserved[4] ||
	    cmd->launch.program % sizeof(struct axon_inst)) {
		cmd_fail(card, q, AXON_STATUS_BAD_COMMAND, 0);
		return;
	}
	status = axon_mmu_read(card, q->p.asid, cmd->launch.program, &q->program,
			       sizeof(q->program), &addr);
	if (status == AXON_STATUS_OK)
		status = axon_core_check(&q->program);
	if (status != AXON_STATUS_OK) {
		cmd_fail(card, q, status, addr);
		return;
	}
	if (q->program.gang) {
		join_gang(card, q);
		return;
	}
	q->work = WORK_WAIT;
	card->queues->sched[q->p.core].waiting++;
}

static void begin(struct axon_card *card, struct queue *q)
{
	const struct axon_cmd *cmd = &q->cmd;
	uint64_t unused;

	if (cmd->flags || cmd->reserved0) {
		cmd_fail(card, q, AXON_STATUS_BAD_COMMAND, 0);
		return;
	}
	switch (cmd->opcode) {
	case AXON_CMD_NOP:
		unused = cmd->reserved[0] | cmd->reserved[1] | cmd->reserved[2] |
			 cmd->reserved[3] | cmd->reserved[4];
		if (unused)
			cmd_fail(card, q, AXON_STATUS_BAD_COMMAND, 0);
		else
			cmd_done(card, q, 0, 0);
		break;
	case AXON_CMD_LAUNCH:
		begin_launch(card, q);
		break;
	case AXON_CMD_COPY:
	case AXON_CMD_FILL:
		begin_move(card, q);
		break;
	default:
		cmd_fail(card, q, AXON_STATUS_BAD_COMMAND, 0);
	}
}

/* @bytes from @done on were moved. */
static void move_count(struct axon_card *card, struct queue *q, uint64_t bytes)
{
	const struct axon_cmd *cmd = &q->cmd;
	uint32_t peer;

	if (card->fabric->places == 1)
		return;
	if (cmd->opcode == AXON_CMD_COPY) {
		peer = axon_mmu_peer(card, q->p.asid, cmd->copy.src + q->done,
				     AXON_ACCESS_READ_FAR);
		if (peer != AXON_NO_PEER)
			axon_link_move(card, &q->use, NULL, AXON_LINK_IN, peer, bytes);
	}
	peer = axon_mmu_peer(card, q->p.asid, cmd->copy.dst + q->done, AXON_ACCESS_WRITE_FAR);
	if (peer != AXON_NO_PEER)
		axon_link_move(card, &q->use, NULL, AXON_LINK_OUT, peer, bytes);
}

/* Some bytes of a COPY or FILL. Return: OK, or a fault with @addr. */
static enum axon_status move_run(struct axon_card *card, struct queue *q, uint64_t *moved,
				 uint64_t *addr)
{
	const struct axon_cmd *cmd = &q->cmd;
	uint64_t run = cmd->copy.size - q->done;
	enum axon_status status;
	uint8_t *dst, *src = NULL;

	if (run > MOVE_CHUNK)
		run = MOVE_CHUNK;
	if (cmd->opcode == AXON_CMD_COPY) {
		*addr = cmd->copy.src + q->done;
		status = axon_mmu_translate(card, q->p.asid, *addr, &run, AXON_ACCESS_READ_FAR,
					    &src);
		if (status != AXON_STATUS_OK)
			return status;
	}
	*addr = cmd->copy.dst + q->done;
	status = axon_mmu_translate(card, q->p.asid, *addr, &run, AXON_ACCESS_WRITE_FAR, &dst);
	if (status != AXON_STATUS_OK)
		return status;
	if (src)
		memmove(dst, src, run);
	else
		memset(dst, (int)cmd->copy.src, run);
	*moved = run;
	move_count(card, q, run);
	return AXON_STATUS_OK;
}

static void move(struct axon_card *card, struct queue *q)
{
	uint64_t end = q->done + MOVE_CHUNK;

	while (q->done < q->cmd.copy.size && q->done < end) {
		enum axon_status status;
		uint64_t moved, addr;

		status = move_run(card, q, &moved, &addr);
		if (status != AXON_STATUS_OK) {
			cmd_fail(card, q, status, addr);
			return;
		}
		q->done += moved;
	}
	if (q->done == q->cmd.copy.size) {
		uint64_t cycles = MOVE_SETUP_CYCLES +
			(q->done + MOVE_BYTES_PER_CYCLE - 1) / MOVE_BYTES_PER_CYCLE;

		cmd_done(card, q, axon_link_end(card, &q->use, NULL, cycles), 0);
	}
}

/* One command of a queue, or a piece of it. Return: something was done. */
static bool step(struct axon_card *card, struct queue *q)
{
	if (q->stopped)
		return false;
	switch (q->work) {
	case WORK_NONE:
		if (!fetch(card, q))
			return false;
		begin(card, q);
		return true;
	case WORK_MOVE:
		move(card, q);
		return true;
	default:
		return false;
	}
}

/* ---- cores ---- */

static void count_busy(struct axon_card *card, uint32_t core, uint64_t now)
{
	struct sched *s = &card->queues->sched[core];

	atomic_fetch_add_explicit(&axon_core_stats(card, core)->busy_ns, now - s->since,
				  memory_order_relaxed);
	s->since = now;
}

static void core_taken(struct axon_card *card, uint32_t core, uint32_t queue)
{
	struct axon_core_stats *stats = axon_core_stats(card, core);
	struct sched *s = &card->queues->sched[core];

	s->running = queue;
	s->last = queue;
	s->since = now_ns(card);
	atomic_store_explicit(&stats->queue, queue, memory_order_relaxed);
	atomic_store_explicit(&stats->state, AXON_CORE_RUNNING, memory_order_relaxed);
}

static void core_freed(struct axon_card *card, uint32_t core)
{
	struct axon_core_stats *stats = axon_core_stats(card, core);

	count_busy(card, core, now_ns(card));
	card->queues->sched[core].running = AXON_NO_QUEUE;
	atomic_store_explicit(&stats->state, AXON_CORE_IDLE, memory_order_relaxed);
	atomic_store_explicit(&stats->queue, AXON_NO_QUEUE, memory_order_relaxed);
}

/* Of the complete gangs that wait for the core the one that was complete first. */
static struct queue *next_gang(struct axon_card *card, uint32_t core)
{
	struct axon_queues *qs = card->queues;
	struct queue *best = NULL;
	uint64_t first = UINT64_MAX;

	axon_gang_choose_begin(card);
	for (uint32_t i = 0; i < qs->actives; i++) {
		struct queue *q = &qs->queue[qs->active[i]];
		uint64_t ticket;

		if (q->work != WORK_GANG || q->p.core != core)
			continue;
		ticket = axon_gang_ticket(q->gang);
		if (ticket && ticket < first) {
			best = q;
			first = ticket;
		}
	}
	axon_gang_choose_end(card);
	return best;
}

/* The core is idle and a queue waits: the next one behind the last that ran. */
static struct queue *next_waiting(struct axon_queues *qs, uint32_t core)
{
	struct queue *best = NULL;
	uint32_t best_distance = UINT32_MAX;

	for (uint32_t i = 0; i < qs->actives; i++) {
		struct queue *q = &qs->queue[qs->active[i]];
		uint32_t distance = (q->p.id - qs->sched[core].last - 1) % AXON_MAX_QUEUES;

		if (q->work == WORK_WAIT && q->p.core == core && distance < best_distance) {
			best = q;
			best_distance = distance;
		}
	}
	return best;
}

/*
 * The core is idle: who gets it? Gangs come first, since members on other cores may wait for
 * theirs, but between two of them whoever else waits has a turn, or it might never.
 */
static struct queue *next_launch(struct axon_card *card, uint32_t core)
{
	const struct sched *s = &card->queues->sched[core];
	struct queue *q = NULL;

	if (s->joined && !(s->waiting && s->gang_ran))
		q = next_gang(card, core);
	if (!q && s->waiting)
		q = next_waiting(card->queues, core);
	return q;
}

/* It does not wait for its core any more. */
static void dequeue(struct axon_card *card, const struct queue *q)
{
	if (q->work == WORK_WAIT)
		card->queues->sched[q->p.core].waiting--;
	else if (q->work == WORK_GANG)
		card->queues->sched[q->p.core].joined--;
}

static void launch(struct axon_card *card, struct queue *q)
{
	struct axon_launch launch = {
		.asid = q->p.asid,
		.queue = q->p.id,
		.program = q->program,
		.gang = q->gang,
		.args = q->cmd.launch.args,
		.profile = q->cmd.launch.profile,
		.profile_count = q->cmd.launch.profile_count,
	};
	enum axon_status status;

	dequeue(card, q);
	card->queues->sched[q->p.core].last = q->p.id;
	card->queues->sched[q->p.core].gang_ran = q->gang;
	status = axon_core_start(card, q->p.core, &launch);
	if (status != AXON_STATUS_OK) {
		cmd_fail(card, q, status, 0);
		return;
	}
	if (q->gang)
		axon_gang_start(q->gang, q->program.rank);
	q->work = WORK_LAUNCH;
	core_taken(card, q->p.core, q->p.id);
}

static void launch_done(struct axon_card *card, uint32_t core,
			const struct axon_launch_result *result)
{
	struct queue *q = &card->queues->queue[card->queues->sched[core].running];

	core_freed(card, core);
	if (result->fault.status == AXON_STATUS_OK)
		cmd_done(card, q, result->cycles, result->profiled);
	else
		queue_fail(card, q, result->fault, true, result->cycles, result->profiled);
}

/* @now: read anew if the core has worked. Return: the core works, or could. */
static bool core_step(struct axon_card *card, uint32_t core, uint64_t *now, uint64_t deadline_ns)
{
	struct sched *s = &card->queues->sched[core];
	struct axon_launch_result result;
	enum axon_core_turn turn;
	uint64_t until;

	while (s->running == AXON_NO_QUEUE) {
		struct queue *q = next_launch(card, core);

		if (!q)
			return false;
		launch(card, q);
	}
	until = *now + CORE_QUANTUM_NS;
	if (until > deadline_ns)
		until = deadline_ns;
	turn = axon_core_run(card, core, until, &result);
	*now = now_ns(card);
	if (turn == AXON_CORE_ENDED)
		launch_done(card, core, &result);
	else
		count_busy(card, core, *now);
	return turn != AXON_CORE_WAITS;
}

static void core_abort(struct axon_card *card, uint32_t core)
{
	axon_core_abort(card, core);
	core_freed(card, core);
}

enum axon_p_result axon_queue_kill(struct axon_card *card, uint32_t core, uint32_t queue)
{
	struct axon_queues *qs = card->queues;
	uint32_t peer = 0, place;
	struct queue *q;

	if (core >= card->cfg.cores || queue >= AXON_MAX_QUEUES)
		return AXON_P_BAD_ID;
	q = &qs->queue[queue];
	if ((q->work != WORK_LAUNCH && q->work != WORK_GANG && q->work != WORK_MOVE) ||
	    q->p.core != core)
		return AXON_P_NOT_FOUND;
	if (q->gang)
		peer = axon_gang_behind(q->gang, q->program.rank, &place);
	if (q->work == WORK_LAUNCH)
		core_abort(card, core);
	dequeue(card, q);
	gang_fail(card, q, AXON_STATUS_KILLED, peer);
	return AXON_P_OK;
}

enum axon_p_result axon_queue_kill_waiter(struct axon_card *card, uint32_t core, uint32_t queue)
{
	struct axon_queues *qs = card->queues;
	uint32_t peer, place;
	struct queue *q;

	if (core >= card->cfg.cores || queue >= AXON_MAX_QUEUES)
		return AXON_P_BAD_ID;
	q = &qs->queue[queue];
	if (q->work != WORK_GANG || q->p.core != core)
		return AXON_P_NOT_FOUND;
	peer = axon_gang_behind(q->gang, q->program.rank, &place);
	if (!axon_gang_leave_forming(q->gang, q->program.rank))
		return AXON_P_NOT_FOUND;
	q->gang = NULL;
	dequeue(card, q);
	gang_fail(card, q, AXON_STATUS_KILLED, peer);
	return AXON_P_OK;
}

enum axon_p_result axon_core_reset_any(struct axon_card *card, uint32_t core)
{
	if (core >= card->cfg.cores)
		return AXON_P_BAD_ID;
	if (card->queues->sched[core].running == AXON_NO_QUEUE)
		return AXON_P_NOT_FOUND;
	return axon_queue_kill(card, core, card->queues->sched[core].running);
}

/* ---- gangs ---- */

/* Launches that wait for their core end when another member of their gang is lost. */
static void drop_lost(struct axon_card *card)
{
	struct axon_queues *qs = card->queues;

	for (uint32_t i = 0; i < qs->actives; i++) {
		struct queue *q = &qs->queue[qs->active[i]];
		uint32_t lost = q->work == WORK_GANG ? axon_gang_lost(q->gang) : 0;

		if (!lost)
			continue;
		dequeue(card, q);
		gang_fail(card, q, AXON_STATUS_PEER_LOST, lost);
	}
}

/* Another card has called. Return: true if one has. */
static bool take_call(struct axon_card *card)
{
	if (!atomic_load_explicit(&card->gang_kick, memory_order_relaxed) ||
	    !atomic_exchange(&card->gang_kick, 0))
		return false;
	drop_lost(card);
	return true;
}

void axon_queues_links_changed(struct axon_card *card)
{
	struct axon_queues *qs = card->queues;

	for (uint32_t i = 0; i < qs->actives; i++)
		if (qs->queue[qs->active[i]].gang)
			axon_gang_check(qs->queue[qs->active[i]].gang);
}

/* The name of the gang that a launch waits for is not bound any more, or elsewhere. */
static void lose_name(struct axon_card *card, struct queue *q, enum axon_status status)
{
	if (!axon_gang_leave_forming(q->gang, q->program.rank))
		return;
	q->gang = NULL;
	dequeue(card, q);
	cmd_fail(card, q, status, q->program.gang);
}

void axon_queues_invalidated(struct axon_card *card, uint32_t asid)
{
	struct axon_queues *qs = card->queues;

	for (uint32_t i = 0; i < qs->actives; i++) {
		struct queue *q = &qs->queue[qs->active[i]];
		struct axon_gang_name name;
		enum axon_status status;

		if (q->work != WORK_GANG || q->p.asid != asid)
			continue;
		status = gang_name(card, q, &name);
		if (status == AXON_STATUS_OK && !axon_gang_is(q->gang, &name))
			status = AXON_STATUS_BAD_GANG;
		if (status != AXON_STATUS_OK)
			lose_name(card, q, status);
	}
}

uint32_t axon_queues_wait_for(struct axon_card *card)
{
	struct axon_queues *qs = card->queues;
	uint32_t found = AXON_NO_PEER;

	for (uint32_t i = 0; i < qs->actives; i++) {
		struct queue *q = &qs->queue[qs->active[i]];
		uint32_t place;

		if (!q->gang || !axon_gang_behind(q->gang, q->program.rank, &place))
			continue;
		if (place == AXON_NO_PEER)
			place = card->cfg.place;
		if (place != card->cfg.place)
			return place;
		found = place;
	}
	return found;
}

/* ---- the loop ---- */

/* Once a slice: pointers may be stale and the announcement of sleep is over. */
static void take_up(struct axon_card *card)
{
	struct axon_queues *qs = card->queues;

	for (uint32_t i = 0; i < qs->actives; i++) {
		struct queue *q = &qs->queue[qs->active[i]];
		enum axon_status status;

		if (q->stopped)
			continue;
		status = ring_refresh(card, q);
		if (status != AXON_STATUS_OK) {
			/* The core must not go on for a queue that has stopped. */
			if (q->work == WORK_LAUNCH)
				core_abort(card, q->p.core);
			dequeue(card, q);
			ring_fail(card, q, status, q->p.state);
			continue;
		}
		if (qs->announced)
			store_relaxed(&q->state->sq_event, q->head - 1);
		missed_event(card, q);
	}
	qs->announced = false;
	for (uint32_t i = 0; i < AXON_MAX_QUEUES / 64; i++)
		if (atomic_load_explicit(&card->rung[i], memory_order_relaxed))
			atomic_exchange(&card->rung[i], 0);
}

bool axon_queues_run(struct axon_card *card, uint64_t deadline_ns)
{
	struct axon_queues *qs = card->queues;
	uint64_t now = now_ns(card);
	uint32_t steps = 0;

	take_up(card);
	take_call(card);
	if (axon_vectors_deadline(card) != UINT64_MAX)
		axon_vectors_flush(card, now);
	for (;;) {
		bool more = false, long_work = false;
		uint64_t before = now;

		for (uint32_t i = 0; i < qs->actives; i++) {
			struct queue *q = &qs->queue[qs->active[i]];

			if (step(card, q)) {
				more = true;
				steps++;
			}
			long_work |= q->work != WORK_NONE;
		}
		for (uint32_t c = 0; c < card->cfg.cores; c++)
			more |= core_step(card, c, &now, deadline_ns);
		more |= take_call(card);
		if (!more)
			return false;
		if (long_work || steps >= STEPS_PER_CLOCK) {
			steps = 0;
			if (now == before)
				now = now_ns(card);
			axon_vectors_flush(card, now);
			if (now >= deadline_ns)
				return true;
		}
	}
}

bool axon_queues_prepare_sleep(struct axon_card *card, uint64_t *deadline_ns)
{
	struct axon_queues *qs = card->queues;
	bool waits = false;

	*deadline_ns = UINT64_MAX;
	for (uint32_t i = 0; i < qs->actives; i++) {
		struct queue *q = &qs->queue[qs->active[i]];

		if (q->stopped)
			continue;
		if (q->work == WORK_MOVE || !q->state ||
		    q->gen != axon_mmu_generation(card, q->p.ring_asid))
			return false;
		/* What comes behind a launch that waits has to wait too. */
		if (q->work != WORK_NONE)
			continue;
		store_relaxed(&q->state->sq_event, q->head);
		qs->announced = true;
	}
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i < qs->actives; i++) {
		struct queue *q = &qs->queue[qs->active[i]];

		if (q->stopped)
			continue;
		if ((q->work == WORK_NONE && load_relaxed(&q->state->sq_tail) != q->head) ||
		    missed_event(card, q))
			return false;
		waits |= q->work == WORK_LAUNCH;
	}
	*deadline_ns = axon_vectors_deadline(card);
	if (waits && *deadline_ns > now_ns(card) + WAIT_LOOK_NS)
		*deadline_ns = now_ns(card) + WAIT_LOOK_NS;
	return true;
}

/* ---- life ---- */

static bool reachable(struct axon_card *card, uint32_t asid, uint64_t va, uint64_t size,
		      unsigned int access)
{
	if (va % AXON_PAGE_SIZE || !range_ok(va, size))
		return false;
	while (size) {
		uint64_t len = size;
		uint8_t *ptr;

		if (axon_mmu_translate(card, asid, va, &len, access, &ptr) != AXON_STATUS_OK)
			return false;
		va += len;
		size -= len;
	}
	return true;
}

static bool params_ok(struct axon_card *card, const struct axon_queue_params *p)
{
	if (p->core >= card->cfg.cores || p->vector == 0 || p->vector >= AXON_NUM_VECTORS)
		return false;
	if (p->entries < AXON_MIN_RING_ENTRIES || p->entries > AXON_MAX_RING_ENTRIES ||
	    (p->entries & (p->entries - 1)))
		return false;
	if (!axon_mmu_enabled(card, p->asid) || !axon_mmu_enabled(card, p->ring_asid) ||
	    (p->ring_asid != 0 && p->ring_asid != p->asid))
		return false;
	return reachable(card, p->ring_asid, p->sq, p->entries * sizeof(struct axon_cmd),
			 AXON_ACCESS_READ) &&
	       reachable(card, p->ring_asid, p->cq, p->entries * sizeof(struct axon_cqe),
			 AXON_ACCESS_WRITE) &&
	       reachable(card, p->ring_asid, p->state, sizeof(struct axon_qstate),
			 AXON_ACCESS_WRITE);
}

enum axon_p_result axon_queue_create(struct axon_card *card, const struct axon_queue_params *p)
{
	struct axon_queues *qs = card->queues;
	struct queue *q;

	if (p->id >= AXON_MAX_QUEUES)
		return AXON_P_BAD_ID;
	q = &qs->queue[p->id];
	if (q->used)
		return AXON_P_BUSY;
	if (!params_ok(card, p))
		return AXON_P_BAD_PARAM;
	memset(q, 0, sizeof(*q));
	q->p = *p;
	if (ring_refresh(card, q) != AXON_STATUS_OK)
		return AXON_P_BAD_PARAM;
	store_relaxed(&q->state->sq_head, 0);
	store_relaxed(&q->state->sq_event, UINT32_MAX);
	store_relaxed(&q->state->cq_tail, 0);
	store_relaxed(&q->state->status, (uint32_t)AXON_STATUS_OK);
	store_release(&q->state->completed, 0);
	q->used = true;
	qs->active[qs->actives++] = (uint16_t)p->id;
	return AXON_P_OK;
}

/* The owner asked for the end: no fault record, but a completion for what was cut off. */
static void queue_end(struct axon_card *card, struct queue *q)
{
	uint64_t addr;

	if (q->work == WORK_LAUNCH)
		core_abort(card, q->p.core);
	dequeue(card, q);
	leave_gang(q, false);
	if (q->stopped || ring_refresh(card, q) != AXON_STATUS_OK)
		return;
	store_release(&q->state->status, (uint32_t)AXON_STATUS_QUEUE_GONE);
	if (q->work != WORK_NONE &&
	    cqe_post(card, q, 0, 0, AXON_STATUS_QUEUE_GONE, &addr) == AXON_STATUS_OK)
		axon_vector_completion(card, q->p.vector, true);
}

enum axon_p_result axon_queue_destroy(struct axon_card *card, uint32_t id)
{
	struct axon_queues *qs = card->queues;
	struct queue *q;

	if (id >= AXON_MAX_QUEUES)
		return AXON_P_BAD_ID;
	q = &qs->queue[id];
	if (!q->used)
		return AXON_P_NOT_FOUND;
	queue_end(card, q);
	memset(q, 0, sizeof(*q));
	for (uint32_t i = 0; i < qs->actives; i++) {
		if (qs->active[i] != id)
			continue;
		/* Keeps the order, so that taking turns stays fair. */
		memmove(&qs->active[i], &qs->active[i + 1],
			(qs->actives - i - 1) * sizeof(qs->active[0]));
		qs->actives--;
		break;
	}
	return AXON_P_OK;
}

bool axon_queues_use_asid(struct axon_card *card, uint32_t asid)
{
	const struct axon_queues *qs = card->queues;

	for (uint32_t i = 0; i < qs->actives; i++) {
		const struct queue *q = &qs->queue[qs->active[i]];

		if (q->p.asid == asid || q->p.ring_asid == asid)
			return true;
	}
	return false;
}

void axon_queues_reset(struct axon_card *card)
{
	struct axon_queues *qs = card->queues;

	for (uint32_t c = 0; c < card->cfg.cores; c++) {
		struct axon_core_stats *stats = axon_core_stats(card, c);

		if (qs->sched[c].running != AXON_NO_QUEUE)
			core_abort(card, c);
		qs->sched[c] = (struct sched){ .running = AXON_NO_QUEUE };
		atomic_store(&stats->state, AXON_CORE_IDLE);
		atomic_store(&stats->queue, AXON_NO_QUEUE);
		atomic_store(&stats->busy_ns, 0);
		atomic_store(&stats->cycles, 0);
		atomic_store(&stats->launches, 0);
		atomic_store(&stats->flops, 0);
	}
	for (uint32_t i = 0; i < qs->actives; i++)
		leave_gang(&qs->queue[qs->active[i]], false);
	memset(qs->queue, 0, sizeof(qs->queue));
	qs->actives = 0;
	qs->announced = false;
}

int axon_queues_create(struct axon_card *card)
{
	card->queues = calloc(1, sizeof(*card->queues));
	if (!card->queues)
		return -ENOMEM;
	for (uint32_t c = 0; c < AXON_MAX_CORES; c++)
		card->queues->sched[c].running = AXON_NO_QUEUE;
	axon_queues_reset(card);
	return 0;
}

void axon_queues_destroy(struct axon_card *card)
{
	free(card->queues);
	card->queues = NULL;
}
