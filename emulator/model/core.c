// SPDX-License-Identifier: MIT
/*
 * core.c - a launch from start to end: sequencers, semaphores, DMA queues and their order in time.
 *
 * Engines and DMA queues are actors with clocks. The one with the earliest clock takes its next
 * step; an engine precedes a DMA queue, a lower number a higher one, when clocks are equal. A post
 * is a step of its own at the time the instruction or transfer ends, so a semaphore always holds
 * what it would hold at the clock of whoever looks at it, and a blocked engine is looked at again
 * exactly when its semaphore changes. Where axon_core_run() stops and goes on is no step: it
 * changes nothing.
 *
 * A launch of a gang takes a step only when nothing that others do can reach it before (gang.h); a
 * post of theirs acts at its time, before every step at that time.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core.h"
#include "gang.h"

#define HUGE		(2ul << 20)
#define DMA_BUDGET	(128u << 10)	/* bytes between two looks at the host's clock */
#define LOOK_LOAD	16u		/* small instructions between them */

/* ---- life ---- */

static void free_core(struct axon_core *c)
{
	if (c->mem)
		munmap(c->mem, c->mem_size);
	free(c->row);
	free(c->mm_a);
	free(c->mm_b);
	free(c->mm_c);
	free(c);
}

static void clean(struct axon_dirty *d)
{
	*d = (struct axon_dirty){ .parts = 0, .lo = UINT32_MAX, .hi = 0 };
}

/* One mapping for SBUF and PSUM, touched by use, on huge pages where there are any. */
static int map_memory(struct axon_core *c)
{
	size_t sbuf = (AXON_SBUF_BYTES + HUGE - 1) / HUGE * HUGE;
	size_t psum = (AXON_PSUM_BYTES + HUGE - 1) / HUGE * HUGE;
	uintptr_t base;

	c->mem_size = sbuf + psum + HUGE;
	c->mem = mmap(NULL, c->mem_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->mem == MAP_FAILED) {
		c->mem = NULL;
		return -ENOMEM;
	}
	base = ((uintptr_t)c->mem + HUGE - 1) / HUGE * HUGE;
	/* Only a hint: without huge pages everything works, slower. */
	(void)madvise((void *)base, sbuf + psum, MADV_HUGEPAGE);
	c->space[AXON_SPACE_SBUF] = (uint8_t *)base;
	c->space[AXON_SPACE_PSUM] = (uint8_t *)base + sbuf;
	return 0;
}

int axon_core_create(struct axon_card *card, uint32_t index)
{
	struct axon_core *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->card = card;
	c->index = index;
	c->math = axon_math_pick();
	c->row = aligned_alloc(64, AXON_MAX_FREE_ELEMS * sizeof(float));
	c->mm_a = aligned_alloc(64, AXON_MM_MAX_K * AXON_MM_LDA * sizeof(float));
	c->mm_b = aligned_alloc(64, AXON_MM_MAX_K * AXON_MM_LDB * sizeof(float));
	c->mm_c = aligned_alloc(64, AXON_MM_MAX_M * AXON_MM_LDC * sizeof(float));
	if (!c->row || !c->mm_a || !c->mm_b || !c->mm_c || map_memory(c)) {
		free_core(c);
		return -ENOMEM;
	}
	clean(&c->dirty[0]);
	clean(&c->dirty[1]);
	atomic_store(&c->stats.state, AXON_CORE_IDLE);
	atomic_store(&c->stats.queue, AXON_NO_QUEUE);
	card->core[index] = c;
	return 0;
}

void axon_core_destroy(struct axon_card *card, uint32_t index)
{
	if (card->core[index])
		free_core(card->core[index]);
	card->core[index] = NULL;
}

struct axon_core_stats *axon_core_stats(struct axon_card *card, uint32_t index)
{
	return &card->core[index]->stats;
}

bool axon_core_busy(struct axon_card *card, uint32_t index)
{
	return card->core[index]->busy;
}

void axon_core_set_math(struct axon_card *card, uint32_t index, const struct axon_math *math)
{
	card->core[index]->math = math;
}

void axon_core_forget(struct axon_card *card, uint32_t asid)
{
	for (uint32_t i = 0; i < AXON_MAX_CORES; i++) {
		struct axon_core *c = card->core[i];

		if (c && !c->busy && c->owned && c->owner == asid)
			c->owned = false;
	}
}

/* ---- start and end ---- */

enum axon_status axon_core_check(const struct axon_program *p)
{
	uint64_t any = p->reserved0;

	if (p->magic != AXON_PROGRAM_MAGIC || p->version >> 16 != AXON_ISA_VERSION_MAJOR ||
	    (p->version & 0xffff) > AXON_ISA_VERSION_MINOR)
		return AXON_STATUS_BAD_PROGRAM;
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
		const struct axon_stream *s = &p->engine[e];

		any |= s->reserved;
		if (s->addr & (sizeof(struct axon_inst) - 1) || !s->addr != !s->count ||
		    s->count > AXON_MAX_PROGRAM_INSTS ||
		    s->addr > UINT64_MAX - (uint64_t)s->count * sizeof(struct axon_inst))
			return AXON_STATUS_BAD_PROGRAM;
	}
	if (any || (p->keep && (p->version & 0xffff) < AXON_ISA_KEEP_MINOR) ||
	    (p->gang && (p->version & 0xffff) < AXON_ISA_GANG_MINOR) ||
	    (!p->gang && (p->rank || p->ranks)))
		return AXON_STATUS_BAD_PROGRAM;
	if (p->gang && (p->gang % AXON_GANG_SIZE || p->ranks - 1u >= AXON_MAX_RANKS ||
			p->rank >= p->ranks))
		return AXON_STATUS_BAD_GANG;
	return AXON_STATUS_OK;
}

static void clear_memory(struct axon_core *c)
{
	static const uint32_t pitch[2] = { AXON_SBUF_PITCH, AXON_PSUM_PITCH };

	for (unsigned int s = 0; s < 2; s++) {
		const struct axon_dirty *d = &c->dirty[s];

		for (uint32_t p = 0; p < d->parts; p++)
			memset(c->space[s] + (size_t)p * pitch[s] + d->lo, 0, d->hi - d->lo);
		clean(&c->dirty[s]);
	}
}

static void start_engine(struct axon_core *c, unsigned int e, bool kept)
{
	const struct axon_stream *stream = &c->launch.program.engine[e];
	struct axon_seq *s = &c->seq[e];

	memset(s, 0, sizeof(*s));
	s->code = stream->addr;
	s->count = stream->count;
	s->reg[AXON_SREG_ARGS] = c->launch.args;
	s->reg[AXON_SREG_CORE] = c->index;
	s->reg[AXON_SREG_KEPT] = kept;
	s->reg[AXON_SREG_RANK] = c->launch.program.rank;
	s->reg[AXON_SREG_RANKS] = c->launch.program.ranks;
	s->state = stream->count ? AXON_SEQ_READY : AXON_SEQ_OFF;
	c->due[e] = stream->count ? 0 : AXON_NEVER;
}

/* What the MMU has shown may be gone since the last axon_core_run(). */
static void drop_windows(struct axon_core *c)
{
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++)
		c->seq[e].win.len = 0;
	for (uint32_t mask = c->dma_used; mask; mask &= mask - 1) {
		struct axon_dma_job *j = &c->dmaq[__builtin_ctz(mask)].job;

		j->src.win.len = j->dst.win.len = j->idx.len = 0;
	}
	c->prof_win.len = 0;
}

enum axon_status axon_core_start(struct axon_card *card, uint32_t index,
				 const struct axon_launch *launch)
{
	struct axon_core *c = card->core[index];
	enum axon_status st = axon_core_check(&launch->program);
	bool same = c->owned && c->owner == launch->asid;
	bool kept = same && launch->program.keep && c->launch.program.keep == launch->program.keep;

	if (st != AXON_STATUS_OK)
		return st;
	if (!same)
		clear_memory(c);
	c->owner = launch->asid;
	c->owned = true;
	c->launch = *launch;
	memset(c->sem, 0, sizeof(c->sem));
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++)
		start_engine(c, e, kept);
	drop_windows(c);
	for (uint32_t mask = c->dma_used; mask; mask &= mask - 1) {
		struct axon_dmaq *d = &c->dmaq[__builtin_ctz(mask)];

		d->clock = 0;
		d->head = d->count = 0;
		d->active = d->leaving = d->posting = false;
	}
	c->dma_mask = c->dma_used = 0;
	c->now = 0;
	c->limit = 0;
	if (card->fabric->places > 1)
		memset(&c->lines, 0, sizeof(c->lines));
	c->profiled = 0;
	c->flops = c->result_flops = 0;
	memset(&c->fault, 0, sizeof(c->fault));
	c->fault.engine = AXON_FAULT_NO_ENGINE;
	c->busy = true;
	atomic_store_explicit(&c->stats.queue, launch->queue, memory_order_relaxed);
	atomic_store_explicit(&c->stats.state, AXON_CORE_RUNNING, memory_order_relaxed);
	return AXON_STATUS_OK;
}

/* The card thread alone writes: no read-modify-write needed. */
static void stat_add(_Atomic uint64_t *stat, uint64_t n)
{
	atomic_store_explicit(stat, atomic_load_explicit(stat, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void end_launch(struct axon_core *c)
{
	c->busy = false;
	c->launch.gang = NULL;
	stat_add(&c->stats.cycles, c->now);
	stat_add(&c->stats.launches, 1);
	atomic_store_explicit(&c->stats.queue, AXON_NO_QUEUE, memory_order_relaxed);
	atomic_store_explicit(&c->stats.state, AXON_CORE_IDLE, memory_order_relaxed);
}

void axon_core_abort(struct axon_card *card, uint32_t index)
{
	struct axon_core *c = card->core[index];

	c->owned = false;
	if (c->busy)
		end_launch(c);
}

/* ---- faults ---- */

static void fault_at(struct axon_core *c, enum axon_status status, unsigned int engine,
		     unsigned int opcode, uint32_t pc, uint64_t addr)
{
	bool has_addr = status >= AXON_STATUS_FAULT_UNMAPPED &&
		status <= AXON_STATUS_FAULT_ADDRESS;

	c->fault.status = (uint16_t)status;
	c->fault.engine = (uint8_t)engine;
	c->fault.opcode = (uint8_t)opcode;
	c->fault.pc = pc;
	c->fault.addr = has_addr ? addr : 0;
}

static void deadlock(struct axon_core *c)
{
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
		const struct axon_seq *s = &c->seq[e];

		if (s->state != AXON_SEQ_WAIT_SEM)
			continue;
		fault_at(c, AXON_STATUS_DEADLOCK, e, s->inst.opcode, s->pc, 0);
		c->fault.semaphore = s->inst.wait_sem;
		c->fault.sem_value = c->sem[s->inst.wait_sem];
		c->fault.sem_wanted = s->wanted;
		return;
	}
}

/* ---- memory ---- */

enum axon_status axon_window_get(struct axon_core *c, struct axon_window *w, uint64_t va,
				 uint64_t want, unsigned int access)
{
	uint64_t len = want;
	uint8_t *ptr;
	enum axon_status st;

	if (va - w->va < w->len)
		return AXON_STATUS_OK;
	st = axon_mmu_translate(c->card, c->launch.asid, va, &len, access, &ptr);
	if (st != AXON_STATUS_OK)
		return st;
	w->va = va;
	w->len = len;
	w->ptr = ptr;
	return AXON_STATUS_OK;
}

static enum axon_status profile(struct axon_core *c, unsigned int engine, unsigned int opcode,
				uint32_t pc, uint64_t start, uint64_t end, uint64_t *addr)
{
	struct axon_profile_record rec = { .start = start, .end = end, .pc = pc,
					   .engine = (uint8_t)engine, .opcode = (uint8_t)opcode };
	uint64_t va = c->launch.profile + (uint64_t)c->profiled * sizeof(rec);
	struct axon_window *w = &c->prof_win;
	enum axon_status st;

	if (c->profiled >= c->launch.profile_count) {
		c->profiled += c->profiled < UINT32_MAX;
		return AXON_STATUS_OK;
	}
	*addr = va;
	st = axon_window_get(c, w, va, AXON_WINDOW, AXON_ACCESS_WRITE);
	if (st != AXON_STATUS_OK)
		return st;
	c->profiled++;
	if (w->len - (va - w->va) < sizeof(rec))
		return axon_mmu_write(c->card, c->launch.asid, va, &rec, sizeof(rec), addr);
	memcpy(w->ptr + (va - w->va), &rec, sizeof(rec));
	return AXON_STATUS_OK;
}

/* ---- semaphores ---- */

static bool satisfied(uint32_t value, unsigned int op, uint32_t wanted)
{
	return op == AXON_WAIT_EQ ? value == wanted : (int32_t)(value - wanted) >= 0;
}

static void ready(struct axon_core *c, unsigned int e, uint64_t when)
{
	struct axon_seq *s = &c->seq[e];

	s->state = AXON_SEQ_READY;
	if (s->clock < when)
		s->clock = when;
	c->due[e] = s->clock;
}

/* Return: true if an engine woke up. */
static bool post(struct axon_core *c, unsigned int sem, unsigned int op, uint32_t val,
		 uint64_t when)
{
	uint32_t *value = &c->sem[sem];
	bool woke = false;

	if (op == AXON_POST_ADD)
		*value += val;
	else if (op == AXON_POST_SUB)
		*value -= val;
	else
		*value = val;
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
		struct axon_seq *s = &c->seq[e];

		if (s->state != AXON_SEQ_WAIT_SEM || s->inst.wait_sem != sem ||
		    !satisfied(*value, s->inst.wait_op, s->wanted))
			continue;
		s->waited = true;
		ready(c, e, when);
		woke = true;
	}
	return woke;
}

/* ---- posts to other cores ---- */

bool axon_core_has_rank(const struct axon_core *c, uint64_t rank)
{
	return c->launch.gang && rank < c->launch.program.ranks;
}

bool axon_core_send(struct axon_core *c, uint32_t rank, unsigned int sem, unsigned int op,
		    uint32_t val, uint64_t when)
{
	struct axon_gang_post p = {
		.when = when,
		.val = val,
		.sem = (uint8_t)sem,
		.op = (uint8_t)op,
	};
	struct axon_gang *gang = c->launch.gang;
	uint32_t place = axon_gang_place(gang, rank), me = c->launch.program.rank;
	uint64_t answer = when + (rank == me ? 0 : axon_gang_latency(gang, rank, me));

	if (c->limit > answer)
		c->limit = answer;
	if (place != c->card->cfg.place)
		axon_fabric_count_post(c->card, place);
	return axon_gang_send(gang, me, rank, &p);
}

/* ---- DMA queues ---- */

void axon_core_queue_dma(struct axon_core *c, struct axon_seq *s, const struct axon_dma_desc *desc,
			 uint64_t ring, uint32_t count)
{
	unsigned int q = s->inst.op0;
	struct axon_dmaq *d = &c->dmaq[q];
	struct axon_transfer *t = &d->entry[(d->head + d->count) % AXON_DMAQ_DEPTH];

	if (desc)
		t->desc = *desc;
	t->ring = ring;
	t->left = count;
	t->pc = s->pc;
	t->opcode = s->inst.opcode;
	t->post_op = s->inst.post_op;
	t->post_sem = s->inst.post_sem;
	t->post_val = s->inst.post_val;
	t->issued = s->clock + axon_cost_ctl(t->opcode);
	if (!d->count++ && d->clock < t->issued)
		d->clock = t->issued;
	c->dma_due[q] = d->clock;
	if (!c->dma_mask || d->clock < c->dma_due[c->dma_first] ||
	    (d->clock == c->dma_due[c->dma_first] && q < c->dma_first))
		c->dma_first = q;
	c->dma_mask |= 1u << q;
	c->dma_used |= 1u << q;
}

/* The clock of @q is another. */
static void queue_moved(struct axon_core *c, unsigned int q)
{
	uint32_t mask = c->dma_mask;
	uint64_t best;

	c->dma_due[q] = c->dmaq[q].clock;
	if (!mask)
		return;
	c->dma_first = (uint32_t)__builtin_ctz(mask);
	best = c->dma_due[c->dma_first];
	for (mask &= mask - 1; mask; mask &= mask - 1) {
		uint32_t other = (uint32_t)__builtin_ctz(mask);

		if (c->dma_due[other] < best) {
			best = c->dma_due[other];
			c->dma_first = other;
		}
	}
}

/* The oldest transfer has ended and posted: the next one may start, a stalled engine go on. */
static void pop_transfer(struct axon_core *c, unsigned int q)
{
	struct axon_dmaq *d = &c->dmaq[q];

	d->posting = false;
	d->head = (d->head + 1) % AXON_DMAQ_DEPTH;
	if (!--d->count)
		c->dma_mask &= ~(1u << q);
	else if (d->clock < d->entry[d->head].issued)
		d->clock = d->entry[d->head].issued;
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++)
		if (c->seq[e].state == AXON_SEQ_WAIT_DMA && c->seq[e].inst.op0 == q)
			ready(c, e, d->clock);
}

static enum axon_status next_descriptor(struct axon_core *c, struct axon_dmaq *d,
					struct axon_transfer *t, uint64_t *addr)
{
	enum axon_status st;

	if (t->opcode == AXON_OP_DMA_RING) {
		st = axon_mmu_read(c->card, c->launch.asid, t->ring, &t->desc, sizeof(t->desc),
				   addr);
		if (st != AXON_STATUS_OK)
			return st;
		t->ring += sizeof(t->desc);
	}
	t->left--;
	d->active = true;
	if (c->card->fabric->places > 1) {
		axon_link_begin(&d->job.use);
		d->job.use.start = d->clock + axon_cost_dma(0, 0);
	}
	return axon_dma_prepare(c, &t->desc, &d->job);
}

/*
 * The data of a descriptor that posts have been moved: the post leaves so that it arrives when they
 * do, or goes on from there if it is for another card than they were.
 */
static void begin_leaving(struct axon_core *c, struct axon_dmaq *d,
			  const struct axon_dma_desc *desc)
{
	struct axon_gang *gang = c->launch.gang;
	uint32_t place = axon_gang_place(gang, desc->post_rank);
	bool there = c->card->fabric->places > 1 && d->job.use.wrote >> place & 1;

	d->leaving = true;
	d->end = d->clock;
	if (there)
		d->clock -= axon_gang_latency(gang, c->launch.program.rank, desc->post_rank);
}

static enum axon_status leave(struct axon_core *c, struct axon_dmaq *d,
			      const struct axon_transfer *t)
{
	const struct axon_dma_desc *desc = &t->desc;
	uint32_t way = axon_gang_latency(c->launch.gang, c->launch.program.rank, desc->post_rank);

	if (!axon_core_send(c, desc->post_rank, desc->post_sem, desc->post_op, desc->post_val,
			    d->clock + way))
		return AXON_STATUS_BAD_DMA;
	d->leaving = false;
	d->clock = d->end;
	d->posting = !t->left;
	return AXON_STATUS_OK;
}

static enum axon_status dma_step(struct axon_core *c, unsigned int q, uint64_t *addr)
{
	struct axon_dmaq *d = &c->dmaq[q];
	struct axon_transfer *t = &d->entry[d->head];
	enum axon_status st = AXON_STATUS_OK;
	uint64_t start = d->clock, end;
	bool done;

	c->load++;
	if (d->posting) {
		if (t->post_op)
			post(c, t->post_sem, t->post_op, t->post_val, start);
		pop_transfer(c, q);
		return AXON_STATUS_OK;
	}
	if (d->leaving)
		return leave(c, d, t);
	if (!d->active)
		st = next_descriptor(c, d, t, addr);
	if (st == AXON_STATUS_OK)
		st = axon_dma_work(c, &d->job, DMA_BUDGET, &done, addr);
	if (st != AXON_STATUS_OK)
		return st;
	c->load += (uint32_t)(d->job.cycles > 8192 ? LOOK_LOAD : d->job.cycles >> 9);
	/* Unfinished: its clock is still the earliest, so it goes on before anything else. */
	if (!done)
		return AXON_STATUS_OK;
	d->active = false;
	d->clock += d->job.cycles;
	if (c->card->fabric->places > 1)
		d->clock = axon_link_end(c->card, &d->job.use, &c->lines, d->clock);
	end = d->clock;
	if (c->now < end)
		c->now = end;
	if (t->desc.post_op)
		begin_leaving(c, d, &t->desc);
	else
		d->posting = !t->left;
	return c->launch.profile ? profile(c, 0x80 | q, t->opcode, t->pc, start, end, addr) :
		AXON_STATUS_OK;
}

/* ---- engines ---- */

static bool header_ok(const struct axon_inst *i)
{
	if (i->reserved || i->wait_op > AXON_WAIT_EQ || i->post_op > AXON_POST_SET)
		return false;
	if (!i->wait_op ? i->wait_sem || i->wait_val ||
			  (i->wait_reg && i->wait_reg != AXON_SREG_NONE) :
			  i->wait_reg >= AXON_NUM_REGS && i->wait_reg != AXON_SREG_NONE)
		return false;
	return i->post_op || !(i->post_sem || i->post_val);
}

static enum axon_status fetch(struct axon_core *c, struct axon_seq *s, uint64_t *addr)
{
	uint64_t va = s->code + (uint64_t)s->pc * sizeof(s->inst);
	enum axon_status st;

	s->inst.opcode = 0;
	if (s->pc >= s->count)
		return AXON_STATUS_BAD_PC;
	*addr = va;
	st = axon_window_get(c, &s->win, va, AXON_WINDOW, AXON_ACCESS_EXEC);
	if (st != AXON_STATUS_OK)
		return st;
	/* One copy: the user may write to his code while it is being checked. */
	if (s->win.len - (va - s->win.va) >= sizeof(s->inst)) {
		const uint8_t *code = s->win.ptr + (va - s->win.va);

		memcpy(&s->inst, code, sizeof(s->inst));
		/* Other engines come in between: time to bring the next one. */
		__builtin_prefetch(code + sizeof(s->inst));
		__builtin_prefetch(code + sizeof(s->inst) + 64);
	} else {
		st = axon_mmu_read(c->card, c->launch.asid, va, &s->inst, sizeof(s->inst), addr);
	}
	if (st != AXON_STATUS_OK)
		return st;
	if (!header_ok(&s->inst))
		return AXON_STATUS_BAD_OPERAND;
	s->fetched = true;
	s->waited = s->inst.wait_op == AXON_WAIT_NONE;
	return AXON_STATUS_OK;
}

static void block(struct axon_core *c, unsigned int e, enum axon_seq_state state)
{
	c->seq[e].state = state;
	c->due[e] = AXON_NEVER;
}

/* Return: true if the engine may go on. */
static bool wait_over(struct axon_core *c, unsigned int e)
{
	struct axon_seq *s = &c->seq[e];

	if (s->waited)
		return true;
	s->wanted = s->inst.wait_val;
	if (s->inst.wait_reg != AXON_SREG_NONE)
		s->wanted += (uint32_t)s->reg[s->inst.wait_reg];
	s->waited = satisfied(c->sem[s->inst.wait_sem], s->inst.wait_op, s->wanted);
	if (!s->waited)
		block(c, e, AXON_SEQ_WAIT_SEM);
	return s->waited;
}

static enum axon_status execute(struct axon_core *c, unsigned int e, struct axon_step *step,
				uint32_t *next, uint64_t *addr)
{
	struct axon_seq *s = &c->seq[e];
	struct axon_inst *inst = &s->inst;
	bool ok;

	if (!axon_inst_prepare(s, inst))
		return AXON_STATUS_BAD_OPERAND;
	if (inst->opcode < AXON_OP_MATMUL)
		return axon_exec_ctl(c, s, step, next, addr);
	if (e == AXON_ENGINE_TENSOR)
		ok = axon_exec_tensor(c, inst, step);
	else
		ok = axon_exec_vector(c, e, inst, step);
	return ok ? AXON_STATUS_OK : AXON_STATUS_BAD_OPERAND;
}

/* Effects are visible at the end: there the engine posts and takes its next instruction. */
static enum axon_status retire(struct axon_core *c, unsigned int e, const struct axon_step *step,
			       uint32_t next, uint64_t *addr)
{
	struct axon_seq *s = &c->seq[e];
	uint64_t start = s->clock;
	uint32_t pc = s->pc;
	bool dma = s->inst.opcode == AXON_OP_DMA || s->inst.opcode == AXON_OP_DMA_RING;

	s->clock += step->cycles;
	c->due[e] = s->clock;
	if (c->now < s->clock)
		c->now = s->clock;
	s->pc = next;
	s->fetched = false;
	s->halted = s->inst.opcode == AXON_OP_HALT;
	s->post_op = dma ? AXON_POST_NONE : s->inst.post_op;
	s->post_sem = s->inst.post_sem;
	s->post_val = s->inst.post_val;
	c->load += step->load;
	return c->launch.profile ? profile(c, e, s->inst.opcode, pc, start, s->clock, addr) :
		AXON_STATUS_OK;
}

static enum axon_status engine_step(struct axon_core *c, unsigned int e, uint64_t *addr)
{
	struct axon_seq *s = &c->seq[e];
	struct axon_step step = { 0 };
	enum axon_status st = AXON_STATUS_OK;
	uint32_t next;

	if (s->post_op) {
		unsigned int op = s->post_op;

		s->post_op = AXON_POST_NONE;
		/* An engine that woke at this clock may precede this one. */
		if (post(c, s->post_sem, op, s->post_val, s->clock))
			return AXON_STATUS_OK;
	}
	if (s->halted) {
		block(c, e, AXON_SEQ_OFF);
		return AXON_STATUS_OK;
	}
	if (!s->fetched)
		st = fetch(c, s, addr);
	if (st != AXON_STATUS_OK || !wait_over(c, e))
		return st;
	if (!axon_opcode_known(e, s->inst.opcode))
		return AXON_STATUS_BAD_OPCODE;
	if (s->inst.opcode == AXON_OP_DMA || s->inst.opcode == AXON_OP_DMA_RING) {
		if (s->inst.op0 >= AXON_NUM_DMA_QUEUES)
			return AXON_STATUS_BAD_OPERAND;
		if (c->dmaq[s->inst.op0].count == AXON_DMAQ_DEPTH) {
			block(c, e, AXON_SEQ_WAIT_DMA);
			return AXON_STATUS_OK;
		}
	}
	next = s->pc + 1;
	st = execute(c, e, &step, &next, addr);
	return st == AXON_STATUS_OK ? retire(c, e, &step, next, addr) : st;
}

/* ---- the order of things ---- */

/* The actor that is next: engine, 0x80 | DMA queue, or -1 if nothing can move. @clock: its. */
static int pick(const struct axon_core *c, uint64_t *clock)
{
	uint64_t best = AXON_NEVER;
	int who = -1;

	for (int e = 0; e < AXON_NUM_STREAMS; e++)
		if (c->due[e] < best) {
			best = c->due[e];
			who = e;
		}
	if (c->dma_mask && c->dma_due[c->dma_first] < best) {
		best = c->dma_due[c->dma_first];
		who = 0x80 | (int)c->dma_first;
	}
	*clock = best;
	return who;
}

static bool waits(const struct axon_core *c)
{
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++)
		if (c->seq[e].state == AXON_SEQ_WAIT_SEM)
			return true;
	return false;
}

static enum axon_core_turn lost(struct axon_core *c)
{
	fault_at(c, AXON_STATUS_PEER_LOST, AXON_FAULT_NO_ENGINE, 0, 0, 0);
	c->fault.peer = (uint16_t)axon_gang_lost(c->launch.gang);
	return AXON_CORE_ENDED;
}

/* The next step would be at @clock. Return: MORE: take it, or, if @again is set, choose anew. */
static enum axon_core_turn ask_gang(struct axon_core *c, uint64_t clock, bool *again)
{
	struct axon_gang_post p;

	*again = false;
	switch (axon_gang_look(c->launch.gang, c->launch.program.rank, clock, &c->limit, &p)) {
	case AXON_GANG_GO:
		return AXON_CORE_MORE;
	case AXON_GANG_POST:
		c->load++;
		post(c, p.sem, p.op, p.val, p.when);
		*again = true;
		return AXON_CORE_MORE;
	case AXON_GANG_WAIT:
		return AXON_CORE_WAITS;
	case AXON_GANG_DEADLOCK:
		deadlock(c);
		return AXON_CORE_ENDED;
	default:
		return lost(c);
	}
}

static bool must_ask(const struct axon_core *c, uint64_t clock)
{
	return clock >= c->limit ||
		axon_gang_wanted(c->launch.gang, c->launch.program.rank, clock);
}

static void step_fault(struct axon_core *c, int who, enum axon_status st, uint64_t addr)
{
	if (who & 0x80) {
		const struct axon_dmaq *d = &c->dmaq[who & 0x7f];
		const struct axon_transfer *t = &d->entry[d->head];

		fault_at(c, st, (unsigned int)who, t->opcode, t->pc, addr);
	} else {
		fault_at(c, st, (unsigned int)who, c->seq[who].inst.opcode, c->seq[who].pc, addr);
	}
}

static bool time_is_up(struct axon_core *c, uint64_t deadline_ns)
{
	if (c->load < LOOK_LOAD)
		return false;
	c->load = 0;
	return c->card->ops.now_ns(c->card->opaque) >= deadline_ns;
}

static enum axon_core_turn run_steps(struct axon_core *c, uint64_t deadline_ns)
{
	const struct axon_gang *gang = c->launch.gang;

	for (;;) {
		uint64_t addr = 0, clock;
		int who = pick(c, &clock);
		enum axon_status st;

		/* All have halted, or, alone, wait for semaphores that nobody posts to. */
		if (who < 0 && (!gang || !waits(c))) {
			deadlock(c);
			return AXON_CORE_ENDED;
		}
		if (gang && must_ask(c, clock)) {
			bool again;
			enum axon_core_turn turn = ask_gang(c, clock, &again);

			if (turn != AXON_CORE_MORE)
				return turn;
			if (again) {
				if (time_is_up(c, deadline_ns))
					return AXON_CORE_MORE;
				continue;
			}
		}
		if (who & 0x80) {
			unsigned int q = (unsigned int)who & 0x7f;

			st = dma_step(c, q, &addr);
			queue_moved(c, q);
		} else {
			st = engine_step(c, (unsigned int)who, &addr);
		}
		if (st != AXON_STATUS_OK) {
			step_fault(c, who, st, addr);
			return AXON_CORE_ENDED;
		}
		if (time_is_up(c, deadline_ns))
			return AXON_CORE_MORE;
	}
}

enum axon_core_turn axon_core_run(struct axon_card *card, uint32_t index, uint64_t deadline_ns,
				  struct axon_launch_result *result)
{
	struct axon_core *c = card->core[index];
	uint32_t rounding = axon_math_enter();
	enum axon_core_turn turn;

	drop_windows(c);
	if (c->launch.gang && axon_gang_lost(c->launch.gang))
		turn = lost(c);
	else
		turn = run_steps(c, deadline_ns);
	axon_math_leave(rounding);
	stat_add(&c->stats.flops, c->flops - c->result_flops);
	c->result_flops = c->flops;
	if (turn != AXON_CORE_ENDED)
		return turn;
	/* A context that faulted does not launch again: whoever comes next starts clean. */
	if (c->fault.status)
		c->owned = false;
	result->fault = c->fault;
	result->cycles = c->now;
	result->profiled = c->profiled;
	end_launch(c);
	return AXON_CORE_ENDED;
}
