// SPDX-License-Identifier: MIT
/*
 * cost.c - a schedule in time: sequencers, DMA queues, links and posts as events.
 *
 * The rules are the card's (isa.rst). An event is what happens next to an actor: the sequencer of a
 * rank, one of its queues, a post that arrives. The earliest comes first; of those at one time
 * first posts, then sequencers, then queues by number. The order of ranks does not matter then.
 *
 * Steps become instructions as the lowering makes them: the last wait of a step is on its own DMA
 * or POST, the others are NOPs, and so is a step that only waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cost.h"
#include "internal.h"

enum kind {
	EVENT_POST,
	EVENT_SEQUENCER,
	EVENT_QUEUE,
};

/**
 * struct event - something that is to happen
 * @time: cycle
 * @path: how it came to be then
 * @rank: whose
 * @kind: an &enum kind
 * @what: semaphore or queue
 * @inc: of a post
 */
struct event {
	uint64_t time;
	struct axcc_path path;
	uint16_t rank;
	uint8_t kind;
	uint8_t what;
	uint16_t inc;
};

/** struct waiting - a transfer that was handed over */
struct waiting {
	uint32_t step;
	uint64_t issued;
	struct axcc_path path;
};

/**
 * struct queue - a DMA queue
 * @t: the transfers it holds, a ring
 * @head: the oldest
 * @count: how many
 * @busy: the oldest is under way, and ends at the queue's next event
 */
struct queue {
	struct waiting t[AXON_DMA_QUEUE_DEPTH];
	uint32_t head;
	uint32_t count;
	bool busy;
};

enum state {
	STATE_RUNS,
	STATE_WAITS,	/* for @sem */
	STATE_FULL,	/* for room in queue @sem */
	STATE_ENDED,
};

/**
 * struct rank - a rank
 * @queue: its queues
 * @sem: its semaphores
 * @free: when its links are free again, by direction and link; of 2 * cards links
 * @used: cycles its links are in use, same
 * @queue_cycles: its queues are in use
 * @clock: of its sequencer
 * @path: same
 * @pc: next step
 * @waited: waits of it that are over
 * @state: an &enum state
 * @on: semaphore or queue it waits for
 */
struct rank {
	struct queue queue[AXCC_QUEUES];
	uint64_t sem[AXCC_SEMAPHORES];
	uint64_t *free[2];
	uint64_t *used[2];
	uint64_t queue_cycles;
	uint64_t clock;
	struct axcc_path path;
	uint32_t pc;
	uint32_t waited;
	enum state state;
	uint32_t on;
};

/**
 * struct sim - a schedule in time
 * @s: the schedule
 * @topo: where its ranks sit
 * @rank: the ranks
 * @event: what is to happen, a heap
 * @events: how many
 * @room: of @event
 * @p: result
 * @err: 0 or the first error
 */
struct sim {
	const struct axcc_schedule *s;
	const struct axcc_topology *topo;
	struct rank *rank;
	struct event *event;
	uint32_t events;
	uint32_t room;
	struct axcc_prediction *p;
	int err;
};

/* ---- events ---- */

static bool before(const struct event *a, const struct event *b)
{
	if (a->time != b->time)
		return a->time < b->time;
	if (a->kind != b->kind)
		return a->kind < b->kind;
	if (a->rank != b->rank)
		return a->rank < b->rank;
	return a->what < b->what;
}

static void add_event(struct sim *m, const struct event *e)
{
	uint32_t i = m->events;

	if (i == m->room) {
		uint32_t room = m->room ? 2 * m->room : 1024;
		void *p = realloc(m->event, room * sizeof(*m->event));

		if (!p) {
			m->err = -ENOMEM;
			return;
		}
		m->event = p;
		m->room = room;
	}
	m->events++;
	for (; i && before(e, &m->event[(i - 1) / 2]); i = (i - 1) / 2)
		m->event[i] = m->event[(i - 1) / 2];
	m->event[i] = *e;
}

static struct event next_event(struct sim *m)
{
	struct event first = m->event[0], last = m->event[--m->events];
	uint32_t i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= m->events)
			break;
		if (child + 1 < m->events && before(&m->event[child + 1], &m->event[child]))
			child++;
		if (!before(&m->event[child], &last))
			break;
		m->event[i] = m->event[child];
		i = child;
	}
	m->event[i] = last;
	return first;
}

static void add(struct sim *m, enum kind kind, uint32_t rank, uint32_t what, uint64_t time,
		const struct axcc_path *path, uint32_t inc)
{
	struct event e = {
		.time = time, .path = *path, .rank = (uint16_t)rank, .kind = (uint8_t)kind,
		.what = (uint8_t)what, .inc = (uint16_t)inc,
	};

	add_event(m, &e);
}

/* The sequencer goes on, at @time if that is later than what it did last. */
static void go_on(struct sim *m, uint32_t r, uint64_t time, const struct axcc_path *path)
{
	struct rank *rank = &m->rank[r];

	rank->state = STATE_RUNS;
	if (rank->clock < time) {
		rank->clock = time;
		rank->path = *path;
	}
	add(m, EVENT_SEQUENCER, r, 0, rank->clock, &rank->path, 0);
}

static void ended(struct sim *m, uint64_t time, const struct axcc_path *path)
{
	if (m->p->cycles < time) {
		m->p->cycles = time;
		m->p->path = *path;
	}
}

/* ---- ways ---- */

static uint64_t latency(const struct axcc_way *way)
{
	return way->hops ? axcc_ns_cycles(way->latency_ns) : AXON_CYCLES_LOCAL_POST;
}

static void post(struct sim *m, uint32_t from, const struct axcc_post *post, uint64_t time,
		 struct axcc_path path, bool arrived)
{
	uint64_t way = latency(axcc_topology_between(m->topo, from, post->rank));

	if (!post->inc)
		return;
	if (arrived)
		way = 0;
	path.latency += way;
	add(m, EVENT_POST, post->rank, post->sem, time + way, &path, post->inc);
}

/* ---- transfers ---- */

static uint64_t queue_cost(const struct sim *m, const struct axcc_step *st)
{
	uint64_t row = st->count * m->s->elem_size;

	if (row < AXON_DMA_MIN_RUN_BYTES)
		row = AXON_DMA_MIN_RUN_BYTES;
	row *= st->rows;
	return AXON_CYCLES_DMA_SETUP + (row * AXON_DMA_CYCLES_MUL + AXON_DMA_CYCLES_DIV - 1) /
		AXON_DMA_CYCLES_DIV;
}

/*
 * A direction (0 in, 1 out) of the first link of a way carries the data. Return: when it is free.
 */
static uint64_t take_link(struct sim *m, struct rank *rank, const struct axcc_way *way,
			  uint32_t dir,
			  uint64_t start, uint64_t bytes)
{
	uint64_t cycles, from = rank->free[dir][way->link];

	if (way->hops == AXCC_NO_WAY) {
		m->err = -EINVAL;
		return 0;
	}
	if (from < start)
		from = start;
	cycles = (bytes * (AXON_REF_CLOCK_HZ / 1000000) + way->mb_s - 1) / way->mb_s;
	rank->free[dir][way->link] = from + cycles;
	rank->used[dir][way->link] += cycles;
	return from + cycles;
}

/* The oldest transfer of a queue starts at @now. */
static void start_transfer(struct sim *m, uint32_t r, uint32_t q, uint64_t now)
{
	struct rank *rank = &m->rank[r];
	struct waiting *w = &rank->queue[q].t[rank->queue[q].head];
	const struct axcc_step *st = &m->s->rank[r].steps[w->step];
	const struct axcc_way *in = axcc_topology_between(m->topo, r, st->src.rank);
	const struct axcc_way *out = axcc_topology_between(m->topo, r, st->dst.rank);
	uint64_t bytes = st->count * m->s->elem_size, cost = queue_cost(m, st), end = now + cost;
	uint64_t free = 0, far = 0;

	if (in->hops) {
		free = take_link(m, rank, in, 0, now + AXON_CYCLES_DMA_SETUP, bytes * st->rows);
		far += 2 * latency(in);
	}
	if (out->hops) {
		uint64_t f = take_link(m, rank, out, 1, now + AXON_CYCLES_DMA_SETUP,
				       bytes * st->rows);

		free = f > free ? f : free;
		far += latency(out);
	}
	w->path.setup += AXON_CYCLES_DMA_SETUP;
	w->path.data += cost - AXON_CYCLES_DMA_SETUP;
	if (free > end) {
		w->path.link += free - end;
		end = free;
	}
	w->path.latency += far;
	end += far;
	rank->queue_cycles += end - now;
	m->p->transfers++;
	m->p->moved_bytes += bytes * st->rows;
	rank->queue[q].busy = true;
	add(m, EVENT_QUEUE, r, q, end, &w->path, 0);
}

/* When and by what the next transfer of a queue starts. */
static void schedule_queue(struct sim *m, uint32_t r, uint32_t q, uint64_t now,
			   const struct axcc_path *path)
{
	struct queue *queue = &m->rank[r].queue[q];
	struct waiting *w = &queue->t[queue->head];

	if (w->issued < now)
		w->path = *path;
	add(m, EVENT_QUEUE, r, q, w->issued > now ? w->issued : now, &w->path, 0);
}

static void end_transfer(struct sim *m, const struct event *e)
{
	struct rank *rank = &m->rank[e->rank];
	struct queue *queue = &rank->queue[e->what];
	const struct axcc_step *st = &m->s->rank[e->rank].steps[queue->t[queue->head].step];
	uint16_t to = m->topo->seat[st->dst.rank].card;
	bool there = st->post.inc && to == m->topo->seat[st->post.rank].card &&
		to != m->topo->seat[e->rank].card;

	queue->busy = false;
	queue->head = (queue->head + 1) % AXON_DMA_QUEUE_DEPTH;
	queue->count--;
	post(m, e->rank, &st->post, e->time, e->path, there);
	post(m, e->rank, &st->done, e->time, e->path, true);
	if (queue->count)
		schedule_queue(m, e->rank, e->what, e->time, &e->path);
	if (rank->state == STATE_FULL && rank->on == e->what)
		go_on(m, e->rank, e->time, &e->path);
	ended(m, e->time, &e->path);
}

/* ---- the sequencer ---- */

static void pass(struct rank *rank, uint64_t cycles)
{
	rank->clock += cycles;
	rank->path.sequencer += cycles;
}

/* Return: the step's waits are over; all but the last have taken an instruction. */
static bool waits_over(struct sim *m, uint32_t r, const struct axcc_step *st)
{
	struct rank *rank = &m->rank[r];
	const struct axcc_wait *waits = m->s->rank[r].waits + st->first_wait;
	uint32_t own = st->kind == AXCC_STEP_NONE && !st->post.inc ? st->num_waits :
		st->num_waits ? st->num_waits - 1u : 0;

	while (rank->waited < st->num_waits) {
		const struct axcc_wait *w = &waits[rank->waited];

		if (rank->sem[w->sem] < w->value) {
			rank->state = STATE_WAITS;
			rank->on = w->sem;
			return false;
		}
		rank->waited++;
		if (rank->waited <= own) {
			pass(rank, AXON_CYCLES_NOP);
			/* Others may be earlier now. */
			go_on(m, r, rank->clock, &rank->path);
			return false;
		}
	}
	return true;
}

static bool hand_over(struct sim *m, uint32_t r, const struct axcc_step *st)
{
	struct rank *rank = &m->rank[r];
	struct queue *queue = &rank->queue[st->queue];
	struct waiting *w;

	if (queue->count == AXON_DMA_QUEUE_DEPTH) {
		rank->state = STATE_FULL;
		rank->on = st->queue;
		return false;
	}
	pass(rank, AXON_CYCLES_DMA);
	w = &queue->t[(queue->head + queue->count++) % AXON_DMA_QUEUE_DEPTH];
	*w = (struct waiting) { .step = rank->pc, .issued = rank->clock, .path = rank->path };
	if (queue->count == 1)
		schedule_queue(m, r, st->queue, 0, &rank->path);
	return true;
}

static void run_sequencer(struct sim *m, uint32_t r)
{
	struct rank *rank = &m->rank[r];
	const struct axcc_step *st = &m->s->rank[r].steps[rank->pc];

	if (rank->pc == m->s->rank[r].num_steps) {
		pass(rank, AXON_CYCLES_NOP);
		rank->state = STATE_ENDED;
		ended(m, rank->clock, &rank->path);
		return;
	}
	if (!waits_over(m, r, st))
		return;
	if (st->kind == AXCC_STEP_NONE) {
		if (st->post.inc)
			pass(rank, AXON_CYCLES_POST);
		else if (!st->num_waits)
			pass(rank, AXON_CYCLES_NOP);
		post(m, r, &st->post, rank->clock, rank->path, false);
		post(m, r, &st->done, rank->clock, rank->path, true);
	} else if (!hand_over(m, r, st)) {
		return;
	}
	rank->waited = 0;
	rank->pc++;
	go_on(m, r, rank->clock, &rank->path);
}

static void arrive(struct sim *m, const struct event *e)
{
	struct rank *rank = &m->rank[e->rank];

	rank->sem[e->what] += e->inc;
	if (rank->state == STATE_WAITS && rank->on == e->what) {
		const struct axcc_rank_steps *rs = &m->s->rank[e->rank];
		const struct axcc_wait *w = &rs->waits[rs->steps[rank->pc].first_wait +
						       rank->waited];

		if (rank->sem[e->what] >= w->value)
			go_on(m, e->rank, e->time, &e->path);
	}
}

/* ---- all of it ---- */

static int setup(struct sim *m)
{
	uint32_t links = 2 * m->topo->cards;

	m->rank = calloc(m->s->req.ranks, sizeof(*m->rank));
	if (!m->rank)
		return -ENOMEM;
	for (uint32_t r = 0; r < m->s->req.ranks; r++) {
		uint64_t *all = calloc(4 * (size_t)links, sizeof(*all));

		if (!all)
			return -ENOMEM;
		m->rank[r].free[0] = all;
		m->rank[r].free[1] = all + links;
		m->rank[r].used[0] = all + 2 * links;
		m->rank[r].used[1] = all + 3 * links;
		add(m, EVENT_SEQUENCER, r, 0, 0, &m->rank[r].path, 0);
	}
	return m->err;
}

static void sum_up(struct sim *m)
{
	for (uint32_t r = 0; r < m->s->req.ranks; r++) {
		struct rank *rank = &m->rank[r];

		if (rank->state != STATE_ENDED && !m->err)
			m->err = -EINVAL;
		if (m->p->steps < m->s->rank[r].num_steps)
			m->p->steps = m->s->rank[r].num_steps;
		if (m->p->waits < m->s->rank[r].num_waits)
			m->p->waits = m->s->rank[r].num_waits;
		if (m->p->queue_cycles < rank->queue_cycles)
			m->p->queue_cycles = rank->queue_cycles;
		for (uint32_t l = 0; l < 4 * m->topo->cards; l++)
			if (m->p->link_cycles < rank->used[0][l])
				m->p->link_cycles = rank->used[0][l];
	}
	m->p->tmp_bytes = m->s->tmp_bytes;
}

int axcc_schedule_predict(const struct axcc_schedule *s, const struct axcc_topology *topo,
			  struct axcc_prediction *p)
{
	struct sim m = { .s = s, .topo = topo, .p = p };

	memset(p, 0, sizeof(*p));
	m.err = setup(&m);
	while (m.events && !m.err) {
		struct event e = next_event(&m);

		if (e.kind == EVENT_POST)
			arrive(&m, &e);
		else if (e.kind == EVENT_SEQUENCER)
			run_sequencer(&m, e.rank);
		else if (m.rank[e.rank].queue[e.what].busy)
			end_transfer(&m, &e);
		else
			start_transfer(&m, e.rank, e.what, e.time);
	}
	if (!m.err)
		sum_up(&m);
	for (uint32_t r = 0; m.rank && r < s->req.ranks; r++)
		free(m.rank[r].free[0]);
	free(m.rank);
	free(m.event);
	return m.err;
}
