// SPDX-License-Identifier: MIT
/* gang_help.c - cards, who runs them, and launches of gangs; see gang_help.h. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gang_help.h"

#define HBM_IMAGE	(1ull << 20)
#define HBM_TABLES	(2ull << 20)
#define HBM_RINGS	(4ull << 20)	/* 64 KiB each */
#define HBM_PROGRAMS	(6ull << 20)
#define HBM_ELSEWHERE	(12ull << 20)
#define RING_SIZE	0x10000ull
#define PROGRAM_SIZE	0x20000ull
#define STREAM_SIZE	(GANG_MAX_INSTS * sizeof(struct axon_inst))
#define BUS_BASE	0x100000000ull
#define IMAGE_MAX	(512u << 10)

/* Nothing a test does takes as many slices, or as long. */
#define MAX_SLICES	20000000ull
#define WAIT_NS		60000000000ull

static uint8_t *image;
static size_t image_size;

void gang_die(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

uint64_t gang_real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void nap(uint64_t ns)
{
	const struct timespec ts = { .tv_nsec = (long)ns };

	nanosleep(&ts, NULL);
}

/* Something others have to do takes time. @end: 0 at first. Return: false: too much of it. */
static bool patience(uint64_t *end)
{
	uint64_t now = gang_real_ns();

	if (!*end)
		*end = now + WAIT_NS;
	nap(20000);
	return now < *end;
}

void gang_image(const char *path)
{
	FILE *file = fopen(path, "rb");

	gang_must(file);
	image = malloc(IMAGE_MAX);
	gang_must(image);
	image_size = fread(image, 1, IMAGE_MAX, file);
	gang_must(image_size && image_size < IMAGE_MAX);
	fclose(file);
}

/* ---- surroundings of a card ---- */

static void *dma_map(void *opaque, uint64_t addr, uint64_t *len, bool write)
{
	struct gang_card *c = opaque;

	(void)write;
	if (addr - BUS_BASE >= AXON_PAGE_SIZE)
		return NULL;
	if (*len > AXON_PAGE_SIZE - (addr - BUS_BASE))
		*len = AXON_PAGE_SIZE - (addr - BUS_BASE);
	return c->bus + (addr - BUS_BASE);
}

static void dma_unmap(void *opaque, void *host, uint64_t len, bool write)
{
	(void)opaque, (void)host, (void)len, (void)write;
}

static void irq(void *opaque, unsigned int vector)
{
	(void)opaque, (void)vector;
}

static void wake(void *opaque)
{
	struct gang_card *c = opaque;

	pthread_mutex_lock(&c->lock);
	c->woken = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static uint64_t now_ns(void *opaque)
{
	struct gang_card *c = opaque;

	if (c->world->running)
		return gang_real_ns();
	return c->now += c->world->tick;
}

static void log_line(void *opaque, enum axon_card_log_level level, const char *line)
{
	const struct gang_card *c = opaque;

	if (level == AXON_CARD_INFO)
		return;
	fprintf(stderr, "# card %u: %s\n", (unsigned int)c->place, line);
}

static const struct axon_card_ops ops = {
	.dma_map = dma_map, .dma_unmap = dma_unmap, .irq = irq, .wake = wake, .now_ns = now_ns,
	.log = log_line,
};

/* ---- who runs the cards ---- */

static bool wants(struct gang_card *c)
{
	return c->card && (!c->asleep || c->woken || c->now >= c->deadline);
}

/* One slice. Return: false: it sleeps now. */
static bool slice(struct gang_card *c)
{
	bool sleeps;

	c->woken = false;
	c->asleep = false;
	c->world->slices++;
	if (axon_card_run(c->card))
		return true;
	sleeps = axon_card_prepare_sleep(c->card, &c->deadline);
	c->asleep = sleeps;
	return !sleeps || c->woken;
}

/* Every card once, or some of them some times. */
static void random_round(struct gang_world *w)
{
	for (uint32_t n = w->cards; n; n--) {
		struct gang_card *c = &w->card[fx_below(&w->seed, w->cards)];
		uint32_t times = 1 + fx_below(&w->seed, 4);

		/* From one look at the clock a slice to very many. */
		w->tick = 10ull << fx_below(&w->seed, 13);
		while (times-- && wants(c))
			slice(c);
	}
}

bool gang_round(struct gang_world *w)
{
	bool any = false;

	if (w->running) {
		nap(20000);
		for (uint32_t i = 0; i < w->cards; i++)
			any |= w->card[i].card && (!w->card[i].asleep || w->card[i].woken);
		return any;
	}
	for (uint32_t i = 0; i < w->cards; i++)
		any |= wants(&w->card[i]);
	if (w->mode == GANG_RANDOM) {
		random_round(w);
		return any;
	}
	for (uint32_t i = 0; i < w->cards; i++) {
		struct gang_card *c = &w->card[w->mode == GANG_DOWN ? w->cards - 1 - i : i];

		if (wants(c))
			slice(c);
	}
	return any;
}

/* A bound for whatever is repeated with gang_round(). */
static bool endless(const struct gang_world *w, uint64_t slices, uint64_t *end)
{
	if (!w->running)
		return w->slices - slices > MAX_SLICES;
	return !patience(end);
}

/* Sleeps until it is woken, or the deadline. */
static void card_sleep(struct gang_card *c)
{
	struct timespec ts = { .tv_sec = (time_t)(c->deadline / 1000000000),
			       .tv_nsec = (long)(c->deadline % 1000000000) };

	pthread_mutex_lock(&c->lock);
	c->asleep = !c->woken;
	while (!c->woken && !c->stop) {
		if (c->deadline == UINT64_MAX)
			pthread_cond_wait(&c->cond, &c->lock);
		else if (pthread_cond_timedwait(&c->cond, &c->lock, &ts))
			break;
	}
	c->asleep = false;
	c->woken = false;
	pthread_mutex_unlock(&c->lock);
}

static void *card_thread(void *arg)
{
	struct gang_card *c = arg;

	while (!c->stop) {
		uint32_t dice = fx_below(&c->seed, 64);

		if (dice < 2)
			nap(fx_below(&c->seed, 100000));
		else if (dice < 8)
			sched_yield();
		if (axon_card_run(c->card))
			continue;
		if (axon_card_prepare_sleep(c->card, &c->deadline))
			card_sleep(c);
	}
	return NULL;
}

static void thread_start(struct gang_card *c)
{
	c->stop = false;
	c->asleep = false;
	gang_must(pthread_create(&c->thread, NULL, card_thread, c) == 0);
}

static void thread_stop(struct gang_card *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	/* Whoever goes on with it looks first. */
	c->asleep = false;
}

void gang_mode(struct gang_world *w, enum gang_mode mode, uint64_t seed)
{
	if (w->running)
		for (uint32_t i = 0; i < w->cards; i++)
			if (w->card[i].card)
				thread_stop(&w->card[i]);
	/* The clock of paper goes on from the real one: no card sees time go back. */
	for (uint32_t i = 0; w->running && i < w->cards; i++)
		w->card[i].now = gang_real_ns();
	w->mode = mode;
	w->running = mode == GANG_THREADS;
	w->seed = seed;
	w->tick = 100;
	for (uint32_t i = 0; w->running && i < w->cards; i++) {
		w->card[i].seed = seed * 64 + i;
		if (w->card[i].card)
			thread_start(&w->card[i]);
	}
}

void gang_idle(struct gang_world *w)
{
	uint64_t slices = w->slices, end = 0;

	/* Threads are looked at one after the other, so once is not enough. */
	for (uint32_t quiet = 0; quiet < (w->running ? 20 : 1);) {
		quiet = gang_round(w) ? 0 : quiet + 1;
		gang_must(!endless(w, slices, &end));
	}
}

/* ---- the least of a driver ---- */

static void wait_stage(struct gang_card *c, uint32_t stage)
{
	uint64_t slices = c->world->slices, end = 0;

	while (axon_card_read(c->card, AXON_REG_BOOT_STAGE) != stage) {
		gang_round(c->world);
		gang_must(!endless(c->world, slices, &end));
	}
}

static void boot(struct gang_card *c)
{
	memcpy(c->hbm + HBM_IMAGE, image, image_size);
	axon_card_write(c->card, AXON_REG_BOOT_ADDR_LO, HBM_IMAGE);
	axon_card_write(c->card, AXON_REG_BOOT_ADDR_HI, 0);
	axon_card_write(c->card, AXON_REG_BOOT_SIZE, (uint32_t)image_size);
	axon_card_write(c->card, AXON_REG_BOOT_CTRL, AXON_BOOT_START);
	c->seq = 0;
	wait_stage(c, AXON_STAGE_READY);
}

static void map(struct gang_card *c, uint64_t root, uint64_t va, int level, uint64_t entry)
{
	uint64_t table = root;

	for (int l = AXON_PT_LEVELS - 1;; l--) {
		uint64_t *pte = (uint64_t *)(void *)(c->hbm + table) + AXON_PT_INDEX(va, l);

		if (l == level) {
			*pte = entry;
			return;
		}
		if (!(*pte & AXON_PTE_VALID)) {
			memset(c->hbm + c->tables, 0, AXON_PAGE_SIZE);
			*pte = c->tables | AXON_PTE_VALID;
			c->tables += AXON_PAGE_SIZE;
			gang_must(c->tables <= HBM_RINGS);
		}
		table = *pte & AXON_PTE_ADDR_MASK;
	}
}

/* Entries for a page of the card's own memory and of a peer's. */
static uint64_t own(uint64_t off)
{
	return off | AXON_PTE_VALID | AXON_PTE_WRITE | AXON_PTE_LEAF | AXON_PTE_EXEC;
}

static uint64_t peers(uint32_t peer, uint64_t off)
{
	return off | AXON_PTE_VALID | AXON_PTE_WRITE | AXON_PTE_LEAF |
		AXON_PTE_TARGET_LINK << AXON_PTE_TARGET_SHIFT |
		(uint64_t)peer << AXON_PTE_PEER_SHIFT;
}

static void spaces(struct gang_card *c)
{
	const uint64_t root = HBM_TABLES;

	memset(c->hbm + root, 0, AXON_PAGE_SIZE);
	c->tables = root + AXON_PAGE_SIZE;
	map(c, root, GANG_BUS_VA, 0, BUS_BASE | AXON_PTE_VALID | AXON_PTE_WRITE | AXON_PTE_LEAF |
	    AXON_PTE_TARGET_SYS << AXON_PTE_TARGET_SHIFT);
	for (uint64_t off = 0; off < GANG_HBM_SIZE; off += 1ull << AXON_HUGE_SHIFT) {
		map(c, root, GANG_NEAR + off, 1, own(off));
		for (uint32_t p = 0; p < c->world->cards; p++)
			if (p != c->place)
				map(c, root, GANG_PEER(p) + off, 1, peers(p, off));
	}
	for (uint32_t asid = 0; asid < GANG_CONTEXTS; asid++) {
		struct axon_mbox_as as = { .asid = asid, .root = root };

		gang_must(gang_call(c->world, c->place, AXON_MBOX_AS_CREATE, &as, sizeof(as)) ==
			  AXON_MBOX_OK);
	}
}

static void take_events(struct gang_card *c)
{
	struct axon_mbox *m = axon_card_mbox(c->card);
	uint32_t tail = __atomic_load_n(&m->event_tail, __ATOMIC_ACQUIRE);

	while (m->event_head != tail) {
		const struct axon_mbox_event *e = &m->event[m->event_head % AXON_MBOX_EVENTS];

		if (e->type == AXON_EVENT_FAULT) {
			gang_must(e->fault.queue < GANG_QUEUES);
			c->fault[e->fault.queue] = e->fault;
			c->faults[e->fault.queue]++;
		}
		__atomic_store_n(&m->event_head, m->event_head + 1, __ATOMIC_RELEASE);
	}
}

uint32_t gang_call(struct gang_world *w, uint32_t card, uint32_t type, const void *data,
		   uint32_t len)
{
	struct gang_card *c = &w->card[card];
	struct axon_mbox *m = axon_card_mbox(c->card);
	struct axon_mbox_msg msg = { .seq = ++c->seq, .type = (uint16_t)type,
				     .length = (uint16_t)len };
	uint64_t slices = w->slices, end = 0;

	memcpy(msg.data, data, len);
	m->request[m->req_tail % AXON_MBOX_SLOTS] = msg;
	__atomic_store_n(&m->req_tail, m->req_tail + 1, __ATOMIC_RELEASE);
	axon_card_write(c->card, AXON_REG_MBOX_DOORBELL, 1);
	while (__atomic_load_n(&m->resp_tail, __ATOMIC_ACQUIRE) == m->resp_head) {
		gang_must(gang_round(w) || w->running);
		gang_must(!endless(w, slices, &end));
	}
	msg = m->response[m->resp_head % AXON_MBOX_SLOTS];
	__atomic_store_n(&m->resp_head, m->resp_head + 1, __ATOMIC_RELEASE);
	gang_must(msg.seq == c->seq);
	take_events(c);
	return msg.status;
}

uint32_t gang_reg(struct gang_world *w, uint32_t card, uint32_t reg)
{
	return axon_card_read(w->card[card].card, reg);
}

uint32_t gang_core_queue(struct gang_world *w, uint32_t card, uint32_t core)
{
	return gang_reg(w, card, AXON_REG_CORE(core, AXON_CORE_QUEUE));
}

void gang_links(struct gang_world *w, uint32_t card, bool up)
{
	gang_must(axon_card_set(w->card[card].card, AXON_KNOB_LINK_DOWN, !up) == 0);
}

uint64_t gang_way(struct gang_world *w, uint32_t a, uint32_t b)
{
	if (a == b)
		return GANG_LOCAL;
	/* 1.4 cycles a nanosecond, rounded up. */
	return (gang_reg(w, a, AXON_REG_PEER(b, AXON_PEER_LATENCY)) * 7ull + 4) / 5;
}

/* A page of 2 MiB in all address spaces of a card. */
static void remap(struct gang_world *w, uint32_t card, uint64_t va, uint64_t entry)
{
	map(&w->card[card], HBM_TABLES, va, 1, entry);
	for (uint32_t asid = 0; asid < GANG_CONTEXTS; asid++) {
		struct axon_mbox_as as = { .asid = asid };

		gang_must(gang_call(w, card, AXON_MBOX_AS_INVALIDATE, &as, sizeof(as)) ==
			  AXON_MBOX_OK);
	}
}

void gang_rings(struct gang_world *w, uint32_t card, bool there)
{
	/* One page holds them all. */
	remap(w, card, GANG_NEAR + HBM_RINGS, there ? own(HBM_RINGS) : 0);
}

void gang_places(struct gang_world *w, uint32_t card, uint32_t home, enum gang_bound how)
{
	uint64_t entry = card == home ? own(GANG_HBM_PLACES) : peers(home, GANG_HBM_PLACES);

	if (how == GANG_UNBOUND)
		entry = 0;
	if (how == GANG_ELSEWHERE)
		entry = own(HBM_ELSEWHERE);
	remap(w, card, gang_va(card, home, GANG_HBM_PLACES), entry);
}

void gang_card_add(struct gang_world *w, uint32_t card)
{
	struct gang_card *c = &w->card[card];
	struct axon_card_config config = {
		.cores = w->cores, .hbm_stacks = 1, .revision = AXON_REVISION_A1,
		.hbm_size = GANG_HBM_SIZE, .fabric = w->fabric, .place = card,
	};

	gang_must(!c->card);
	gang_must(axon_card_create(&config, &ops, c, &c->card) == 0);
	c->hbm = axon_card_hbm(c->card);
	memset(c->faults, 0, sizeof(c->faults));
	c->asleep = false;
	if (w->running)
		thread_start(c);
	boot(c);
	spaces(c);
}

void gang_card_remove(struct gang_world *w, uint32_t card)
{
	struct gang_card *c = &w->card[card];

	if (w->running)
		thread_stop(c);
	axon_card_destroy(c->card);
	c->card = NULL;
}

void gang_card_reset(struct gang_world *w, uint32_t card)
{
	struct gang_card *c = &w->card[card];

	axon_card_write(c->card, AXON_REG_RESET, AXON_RESET_CARD);
	wait_stage(c, AXON_STAGE_IDLE);
	memset(c->faults, 0, sizeof(c->faults));
	boot(c);
	spaces(c);
}

static struct axon_fabric *fabric(const char *shape, uint32_t cards)
{
	struct axon_fabric_config config = { .places = cards, .uid = 77 };
	struct axon_fabric *f;
	char error[100] = "";

	if (axon_fabric_parse(shape, &config, error, sizeof(error)))
		gang_die(__FILE__, __LINE__, error);
	gang_must(axon_fabric_create(&config, &f) == 0);
	free((void *)(uintptr_t)config.links);
	return f;
}

struct gang_world *gang_world(const char *shape, uint32_t cards, uint32_t cores)
{
	struct gang_world *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;

	gang_must(w && image && cards <= GANG_MAX_CARDS && (shape || cards == 1));
	w->cards = cards;
	w->cores = cores;
	w->tick = 100;
	if (shape)
		w->fabric = fabric(shape, cards);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	for (uint32_t i = 0; i < cards; i++) {
		struct gang_card *c = &w->card[i];

		c->world = w;
		c->place = i;
		c->now = gang_real_ns();
		c->bus = aligned_alloc(AXON_PAGE_SIZE, AXON_PAGE_SIZE);
		gang_must(c->bus);
		memset(c->bus, 0, AXON_PAGE_SIZE);
		pthread_mutex_init(&c->lock, NULL);
		pthread_cond_init(&c->cond, &attr);
		gang_card_add(w, i);
	}
	pthread_condattr_destroy(&attr);
	return w;
}

void gang_world_end(struct gang_world *w)
{
	for (uint32_t i = 0; i < w->cards; i++) {
		struct gang_card *c = &w->card[i];

		if (c->card)
			gang_card_remove(w, i);
		pthread_mutex_destroy(&c->lock);
		pthread_cond_destroy(&c->cond);
		free(c->bus);
	}
	axon_fabric_destroy(w->fabric);
	free(w);
}

/* ---- addresses and programs ---- */

uint64_t gang_va(uint32_t from, uint32_t card, uint64_t off)
{
	return (from == card ? GANG_NEAR : GANG_PEER(card)) + off;
}

uint64_t gang_place(uint32_t from, uint32_t card, uint32_t i)
{
	return gang_va(from, card, GANG_HBM_PLACES + i * AXON_GANG_SIZE);
}

void *gang_data(struct gang_world *w, uint32_t card, uint64_t off)
{
	return w->card[card].hbm + off;
}

struct gang_prog gang_prog(struct gang_world *w, uint32_t card, uint32_t slot)
{
	struct gang_prog p = { .card = &w->card[card], .off = HBM_PROGRAMS + slot * PROGRAM_SIZE };

	gang_must(slot < GANG_SLOTS);
	p.desc.magic = AXON_PROGRAM_MAGIC;
	p.desc.version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR;
	return p;
}

void gang_emit(struct gang_prog *p, unsigned int engine, struct axon_inst inst)
{
	struct axon_stream *s = &p->desc.engine[engine];
	uint64_t off = p->off + AXON_PAGE_SIZE + engine * STREAM_SIZE;

	gang_must(s->count < GANG_MAX_INSTS);
	s->addr = GANG_NEAR + off;
	memcpy(p->card->hbm + off + s->count++ * sizeof(inst), &inst, sizeof(inst));
}

void gang_join(struct gang_prog *p, uint64_t va, uint32_t rank, uint32_t ranks)
{
	p->desc.gang = va;
	p->desc.rank = (uint16_t)rank;
	p->desc.ranks = (uint16_t)ranks;
}

uint64_t gang_ready(struct gang_prog *p)
{
	memcpy(p->card->hbm + p->off, &p->desc, sizeof(p->desc));
	return GANG_NEAR + p->off;
}

/* ---- queues ---- */

void gang_queue(struct gang_queue *q, struct gang_world *w, uint32_t card, uint32_t id,
		uint32_t core, uint32_t asid)
{
	struct gang_card *c = &w->card[card];
	uint64_t off = HBM_RINGS + id * RING_SIZE;
	struct axon_mbox_queue msg = {
		.queue = id, .core = core, .asid = asid, .ring_asid = 0, .entries = GANG_ENTRIES,
		.vector = 1 + id % (AXON_NUM_VECTORS - 1), .sq = GANG_NEAR + off,
		.cq = GANG_NEAR + off + 0x4000, .state = GANG_NEAR + off + 0x8000,
	};

	gang_must(id < GANG_QUEUES);
	memset(c->hbm + off, 0, RING_SIZE);
	*q = (struct gang_queue){
		.w = w, .card = card, .id = id, .core = core, .asid = asid,
		.sq = (void *)(c->hbm + off),
		.cq = (void *)(c->hbm + off + 0x4000),
		.state = (void *)(c->hbm + off + 0x8000),
	};
	q->state->cq_event = UINT32_MAX;
	gang_must(gang_call(w, card, AXON_MBOX_QUEUE_CREATE, &msg, sizeof(msg)) == AXON_MBOX_OK);
	c->faults[id] = 0;
}

void gang_queue_destroy(struct gang_queue *q)
{
	struct axon_mbox_queue_id id = { .queue = q->id };

	gang_must(gang_call(q->w, q->card, AXON_MBOX_QUEUE_DESTROY, &id, sizeof(id)) ==
		  AXON_MBOX_OK);
}

void gang_queue_again(struct gang_queue *q)
{
	gang_queue_destroy(q);
	gang_queue(q, q->w, q->card, q->id, q->core, q->asid);
}

void gang_submit(struct gang_queue *q, struct axon_cmd cmd)
{
	uint32_t event;

	gang_must(q->tail - q->head < GANG_ENTRIES);
	cmd.seqno = q->tail + 1;
	cmd.user_data = q->tail + 1001;
	q->sq[q->tail % GANG_ENTRIES] = cmd;
	q->tail++;
	__atomic_store_n(&q->state->sq_tail, q->tail, __ATOMIC_RELEASE);
	atomic_thread_fence(memory_order_seq_cst);
	event = __atomic_load_n(&q->state->sq_event, __ATOMIC_RELAXED);
	if (axon_ring_needs_event(event, q->tail, q->tail - 1))
		axon_card_doorbell(q->w->card[q->card].card, q->id);
}

void gang_launch(struct gang_queue *q, uint64_t program)
{
	gang_submit(q, (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH, .launch.program = program });
}

bool gang_poll(struct gang_queue *q, struct axon_cqe *cqe)
{
	struct axon_cqe *entry = &q->cq[q->head % GANG_ENTRIES];
	const void *end_of_entry = &entry->profiled;
	const uint64_t *last = end_of_entry;
	uint64_t want = !(q->head & GANG_ENTRIES);

	if ((__atomic_load_n(last, __ATOMIC_ACQUIRE) >> 56 & 1) != want)
		return false;
	*cqe = *entry;
	q->head++;
	gang_must(cqe->seqno == q->head);
	__atomic_store_n(&q->state->cq_head, q->head, __ATOMIC_RELEASE);
	return true;
}

bool gang_done(struct gang_queue *q, struct axon_cqe *cqe)
{
	uint64_t slices = q->w->slices, end = 0;

	while (!gang_poll(q, cqe)) {
		if (!gang_round(q->w) && !q->w->running)
			return gang_poll(q, cqe);
		if (endless(q->w, slices, &end))
			return false;
	}
	return true;
}

uint32_t gang_status(struct gang_queue *q)
{
	struct axon_cqe cqe;

	gang_must(gang_done(q, &cqe));
	return cqe.status;
}

struct axon_fault gang_fault(struct gang_queue *q)
{
	struct gang_card *c = &q->w->card[q->card];
	uint64_t slices = q->w->slices, end = 0;

	for (take_events(c); !c->faults[q->id]; take_events(c)) {
		gang_must(gang_round(q->w) || q->w->running || c->faults[q->id]);
		gang_must(!endless(q->w, slices, &end));
	}
	return c->fault[q->id];
}

uint32_t gang_kill(struct gang_queue *q, uint32_t type)
{
	struct axon_mbox_core core = { .core = q->core, .queue = q->id };

	return gang_call(q->w, q->card, type, &core, sizeof(core));
}

/* ---- whole gangs ---- */

static void new_program(struct gang *g, uint32_t rank)
{
	struct gang_member *m = &g->m[rank];

	m->prog = gang_prog(g->w, m->q.card, m->q.id);
	gang_join(&m->prog, gang_place(m->q.card, g->home, g->place), rank, g->ranks);
}

void gang_member(struct gang *g, uint32_t rank, uint32_t card, uint32_t core, uint32_t id,
		 uint32_t asid)
{
	gang_queue(&g->m[rank].q, g->w, card, id, core, asid);
	new_program(g, rank);
}

void gang_make(struct gang *g, struct gang_world *w, uint32_t ranks, uint32_t home, uint32_t place,
	       uint32_t first)
{
	gang_must(ranks <= GANG_MAX_MEMBERS && ranks <= w->cards * w->cores);
	*g = (struct gang){ .w = w, .ranks = ranks, .home = home, .place = place };
	for (uint32_t r = 0; r < ranks; r++) {
		uint32_t core = r / w->cards;

		gang_member(g, r, r % w->cards, core, first + core, 1);
	}
}

void gang_again(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		if (g->m[r].cqe.status != AXON_STATUS_OK)
			gang_queue_again(&g->m[r].q);
		memset(&g->m[r].cqe, 0, sizeof(g->m[r].cqe));
		new_program(g, r);
	}
}

void gang_free(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		gang_queue_destroy(&g->m[r].q);
}

void gang_add(struct gang *g, uint32_t rank, unsigned int engine, struct axon_inst inst)
{
	gang_emit(&g->m[rank].prog, engine, inst);
}

void gang_token(struct gang *g, unsigned int engine, uint32_t rounds)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		struct axon_inst take = gang_post((r + 1) % g->ranks, 3, AXON_POST_ADD, 1);

		/* Round i of rank 0 waits for i, of the others for i + 1. */
		take = fx_wait(take, 3, r ? 1 : 0);
		take.wait_reg = 10;
		gang_add(g, r, engine, take);
		gang_add(g, r, engine, fx_alu(AXON_RALU_ADD, 10, 10, 1));
		gang_add(g, r, engine, fx_branch(AXON_COND_LT, 10, rounds, 0));
		gang_add(g, r, engine, fx_wait(gang_halt(), 3, rounds));
	}
}

void gang_start_one(struct gang *g, uint32_t rank)
{
	gang_launch(&g->m[rank].q, gang_ready(&g->m[rank].prog));
}

void gang_start(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		gang_start_one(g, r);
}

void gang_finish(struct gang *g)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		if (!gang_done(&g->m[r].q, &g->m[r].cqe)) {
			fprintf(stderr, "rank %u of %u does not end\n", r, g->ranks);
			abort();
		}
}

void gang_run(struct gang *g)
{
	gang_start(g);
	gang_finish(g);
	for (uint32_t r = 0; r < g->ranks; r++) {
		const struct axon_cqe *cqe = &g->m[r].cqe;

		if (cqe->status != AXON_STATUS_OK) {
			struct axon_fault f = gang_fault(&g->m[r].q);

			fprintf(stderr, "rank %u: status %u engine %u opcode %u pc %u peer %u\n", r,
				cqe->status, f.engine, f.opcode, f.pc, f.peer);
			abort();
		}
	}
}
