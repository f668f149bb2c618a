// SPDX-License-Identifier: MIT
/*
 * verify.c - runs a schedule without data. Semaphores only count up, so what one order of running
 * reaches, every order does: one run tells whether it can get stuck. Whether results can depend on
 * the order is told by what is known to have happened before what (verify_clock.c).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms.h"
#include "axon_isa.h"
#include "internal.h"
#include "verify_parts.h"

static const char *const defect_names[AXCC_NUM_DEFECTS] = {
	[AXCC_DEFECT_NONE] = "none",
	[AXCC_DEFECT_SHAPE] = "shape",
	[AXCC_DEFECT_BOUNDS] = "bounds",
	[AXCC_DEFECT_TARGET] = "target",
	[AXCC_DEFECT_OVERLAP] = "overlap",
	[AXCC_DEFECT_UNREACHABLE] = "unreachable",
	[AXCC_DEFECT_CYCLE] = "cycle",
	[AXCC_DEFECT_UNWAITED] = "unwaited",
	[AXCC_DEFECT_RACE] = "race",
	[AXCC_DEFECT_UNDEFINED] = "undefined",
	[AXCC_DEFECT_MIXED] = "mixed",
	[AXCC_DEFECT_ORDER] = "order",
	[AXCC_DEFECT_RESULT] = "result",
	[AXCC_DEFECT_BUSY] = "busy",
};

const char *axcc_defect_str(enum axcc_defect defect)
{
	return (uint32_t)defect < AXCC_NUM_DEFECTS ? defect_names[defect] : "unknown";
}

int axcc_verify_fail(struct axcc_verify *v, enum axcc_defect defect, const char *format, ...)
{
	struct axcc_report *r = v->report;
	size_t len = 0;
	va_list ap;

	r->defect = defect;
	r->rank = v->rank;
	r->step = v->step;
	if (v->rank != AXCC_NO_RANK && v->step != AXCC_NO_RANK)
		len = (size_t)snprintf(r->text, sizeof(r->text), "%s: rank %u, step %u: ",
				       axcc_defect_str(defect), v->rank, v->step);
	else if (v->rank != AXCC_NO_RANK)
		len = (size_t)snprintf(r->text, sizeof(r->text), "%s: rank %u: ",
				       axcc_defect_str(defect), v->rank);
	else
		len = (size_t)snprintf(r->text, sizeof(r->text), "%s: ", axcc_defect_str(defect));
	va_start(ap, format);
	vsnprintf(r->text + len, sizeof(r->text) - len, format, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- each step for itself ---- */

static bool place_ok(const struct axcc_verify *v, struct axcc_place p)
{
	return p.rank < v->s->req.ranks && p.buffer < AXCC_NUM_BUFS &&
		p.offset % v->s->elem_size == 0;
}

static bool is_zero(const void *p, size_t size)
{
	const uint8_t *b = p;

	while (size--)
		if (*b++)
			return false;
	return true;
}

static bool post_ok(const struct axcc_verify *v, const struct axcc_post *p)
{
	if (!p->inc)
		return is_zero(p, sizeof(*p));
	return p->rank < v->s->req.ranks && p->sem < v->s->semaphores;
}

static int check_step(struct axcc_verify *v, const struct axcc_rank_steps *rs,
		      const struct axcc_step *st)
{
	bool rows = st->rows > 1;

	if (st->first_wait > rs->num_waits || st->num_waits > rs->num_waits - st->first_wait)
		return axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "waits that are none");
	for (uint32_t i = 0; i < st->num_waits; i++) {
		const struct axcc_wait *w = &rs->waits[st->first_wait + i];

		if (w->sem >= v->s->semaphores || !w->value || w->value > INT32_MAX)
			return axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "semaphore %u, value %u",
						w->sem, w->value);
	}
	if (!post_ok(v, &st->post) || !post_ok(v, &st->done) ||
	    (st->done.inc && st->done.rank != v->rank))
		return axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "a post to nowhere");
	if (st->kind == AXCC_STEP_NONE) {
		if (st->count || st->rows || st->row_stride || st->queue ||
		    !is_zero(&st->src, sizeof(st->src)) || !is_zero(&st->dst, sizeof(st->dst)))
			return axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "a transfer that is none");
		return 0;
	}
	if (st->kind > AXCC_STEP_REDUCE || st->queue >= AXCC_QUEUES || !st->count ||
	    st->count > AXCC_MAX_ELEMENTS || !st->rows || st->rows > AXCC_MAX_ELEMENTS ||
	    st->row_stride > INT32_MAX || st->row_stride % v->s->elem_size ||
	    !rows != !st->row_stride || (rows && st->kind != AXCC_STEP_REDUCE) ||
	    !place_ok(v, st->src) || !place_ok(v, st->dst))
		return axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "a transfer that cannot be");
	if (st->kind == AXCC_STEP_REDUCE && !v->s->order.num_ranges)
		return axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "reduces where nothing is reduced");
	return axcc_memory_bounds(v, st);
}

static int check_steps(struct axcc_verify *v)
{
	const struct axcc_schedule *s = v->s;
	uint32_t size = s->req.coll == AXCC_BARRIER ? 1 : axon_dtype_size(s->req.dtype);
	int err = 0;

	v->rank = AXCC_NO_RANK;
	if (s->elem_size != size || s->semaphores > AXCC_SEMAPHORES)
		return axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "element size or semaphores");
	for (uint32_t r = 0; !err && r < s->req.ranks; r++) {
		const struct axcc_rank_steps *rs = &s->rank[r];
		uint32_t waits = 0;

		v->rank = r;
		v->step = 0;
		if (rs->num_steps > AXCC_MAX_STEPS ||
		    rs->num_waits > AXCC_MAX_INSTS - rs->num_steps)
			return axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "too many steps");
		for (; !err && v->step < rs->num_steps; v->step++) {
			const struct axcc_step *st = &rs->steps[v->step];

			/* Every wait belongs to one step, in order. */
			if (st->num_waits && st->first_wait != waits)
				err = axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "waits out of order");
			else
				err = check_step(v, rs, st);
			waits += st->num_waits;
		}
		if (!err && waits != rs->num_waits)
			err = axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "waits of no step");
	}
	return err;
}

static int check_semaphores(struct axcc_verify *v)
{
	v->step = AXCC_NO_RANK;
	for (v->rank = 0; v->rank < v->s->req.ranks; v->rank++) {
		for (uint32_t i = 0; i < v->s->semaphores; i++) {
			const struct axcc_sem *sem = &v->clocks.sem[v->rank][i];

			if (sem->most > sem->total)
				return axcc_verify_fail(v, AXCC_DEFECT_UNREACHABLE,
					"waits until semaphore %u is %llu, but %llu are posted", i,
					(unsigned long long)sem->most,
					(unsigned long long)sem->total);
			if (sem->most < sem->total)
				return axcc_verify_fail(v, AXCC_DEFECT_UNWAITED,
					"%llu are posted to semaphore %u, waited for are %llu",
					(unsigned long long)sem->total, i,
					(unsigned long long)sem->most);
		}
	}
	return 0;
}

/* ---- the run ---- */

/**
 * struct run - where the ranks are
 * @pc: next step
 * @waited: waits of it that are over
 * @blocked: the rank stands at a wait
 * @sem: what it waits for
 * @ready: ranks that can go on, newest last
 * @num_ready: how many
 */
struct run {
	uint32_t pc[AXCC_MAX_RANKS];
	uint32_t waited[AXCC_MAX_RANKS];
	bool blocked[AXCC_MAX_RANKS];
	uint32_t sem[AXCC_MAX_RANKS];
	uint32_t ready[AXCC_MAX_RANKS];
	uint32_t num_ready;
};

static void wake(struct axcc_verify *v, struct run *run, const struct axcc_post *post)
{
	if (!post->inc || !run->blocked[post->rank] || run->sem[post->rank] != post->sem)
		return;
	run->blocked[post->rank] = false;
	run->ready[run->num_ready++] = post->rank;
}

/* Return: 1: all waits of the step are over, 0: it has to wait, or an error. */
static int wait_for(struct axcc_verify *v, struct run *run, const struct axcc_step *st)
{
	const struct axcc_wait *waits = v->s->rank[v->rank].waits + st->first_wait;

	for (; run->waited[v->rank] < st->num_waits; run->waited[v->rank]++) {
		const struct axcc_wait *w = &waits[run->waited[v->rank]];
		int err;

		if (v->clocks.sem[v->rank][w->sem].value < w->value) {
			run->blocked[v->rank] = true;
			run->sem[v->rank] = w->sem;
			return 0;
		}
		err = axcc_clocks_wait(&v->clocks, v->rank, w->sem, w->value);
		if (err)
			return err;
	}
	run->waited[v->rank] = 0;
	return 1;
}

static int carry_out(struct axcc_verify *v, struct run *run, const struct axcc_step *st)
{
	struct axcc_moment now = { AXCC_NO_CHAIN, 0 };
	int err = 0;

	if (st->kind != AXCC_STEP_NONE) {
		now.chain = v->clocks.chain[v->rank][st->queue];
		now.number = ++v->clocks.issued[now.chain];
		err = axcc_memory_transfer(v, st, v->clocks.stream[v->rank], now);
	}
	axcc_clocks_post(&v->clocks, v->rank, v->step, now);
	wake(v, run, &st->post);
	wake(v, run, &st->done);
	return err;
}

static int run_rank(struct axcc_verify *v, struct run *run)
{
	const struct axcc_rank_steps *rs = &v->s->rank[v->rank];

	while (run->pc[v->rank] < rs->num_steps) {
		const struct axcc_step *st = &rs->steps[run->pc[v->rank]];
		int err;

		v->step = run->pc[v->rank];
		err = wait_for(v, run, st);
		if (err <= 0)
			return err;
		err = carry_out(v, run, st);
		if (err)
			return err;
		run->pc[v->rank]++;
	}
	return 0;
}

/* Who is to post what @rank waits for, and has not: a rank that is stuck itself. */
static uint32_t missing(const struct axcc_verify *v, uint32_t rank, uint32_t sem)
{
	const struct axcc_clocks *c = &v->clocks;
	const struct axcc_sem *s = &c->sem[rank][sem];

	for (uint32_t i = 0; i < s->count; i++) {
		const struct axcc_source *src = &c->source[s->first + i];

		for (uint32_t j = 0; j < src->count; j++)
			if (!c->sent[src->first + j].sent)
				return c->sent[src->first + j].rank;
	}
	return rank;
}

/* Follows who waits for whom until somebody comes up again. */
static int report_cycle(struct axcc_verify *v, const struct run *run, uint32_t rank)
{
	bool seen[AXCC_MAX_RANKS] = { false };
	char text[256] = "";
	size_t len = 0;
	uint32_t first;

	while (!seen[rank]) {
		seen[rank] = true;
		rank = missing(v, rank, run->sem[rank]);
	}
	first = rank;
	do {
		const struct axcc_wait *w = &v->s->rank[rank].waits[
			v->s->rank[rank].steps[run->pc[rank]].first_wait + run->waited[rank]];
		uint32_t next = missing(v, rank, run->sem[rank]);

		if (len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len,
				"%srank %u step %u waits until semaphore %u is %u, for rank %u",
				len ? "; " : "", rank, run->pc[rank], w->sem, w->value, next);
		rank = next;
	} while (rank != first);
	v->rank = rank;
	v->step = run->pc[rank];
	return axcc_verify_fail(v, AXCC_DEFECT_CYCLE, "%s", text);
}

static int run_all(struct axcc_verify *v)
{
	struct run *run = calloc(1, sizeof(*run));
	int err = 0;

	if (!run)
		return -ENOMEM;
	for (uint32_t r = v->s->req.ranks; r-- > 0; )
		run->ready[run->num_ready++] = r;
	while (!err && run->num_ready) {
		v->rank = run->ready[--run->num_ready];
		err = run_rank(v, run);
	}
	for (uint32_t r = 0; !err && r < v->s->req.ranks; r++)
		if (run->blocked[r])
			err = report_cycle(v, run, r);
	free(run);
	return err;
}

static int check_barrier(struct axcc_verify *v)
{
	for (uint32_t r = 0; v->s->req.coll == AXCC_BARRIER && r < v->s->req.ranks; r++)
		for (uint32_t i = 0; i < v->s->req.ranks; i++)
			if (!axcc_clocks_met(&v->clocks, r, i))
				return axcc_verify_fail(v, AXCC_DEFECT_RESULT,
					"rank %u may leave before rank %u has come", r, i);
	return 0;
}

int axcc_schedule_verify(const struct axcc_schedule *s, struct axcc_report *report)
{
	struct axcc_report unused;
	struct axcc_verify *v;
	int err = axcc_request_check(&s->req);

	if (!report)
		report = &unused;
	*report = (struct axcc_report) { .rank = AXCC_NO_RANK, .step = AXCC_NO_RANK };
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->s = s;
	v->report = report;
	v->rank = AXCC_NO_RANK;
	if (err) {
		axcc_verify_fail(v, AXCC_DEFECT_SHAPE, "the request");
		free(v);
		return err;
	}
	err = axcc_memory_init(v);
	if (!err)
		err = check_steps(v);
	if (!err)
		err = axcc_clocks_init(&v->clocks, s);
	if (!err)
		err = check_semaphores(v);
	if (!err)
		err = run_all(v);
	v->rank = AXCC_NO_RANK;
	if (!err)
		err = axcc_memory_result(v);
	if (!err)
		err = check_barrier(v);
	axcc_memory_free(v);
	axcc_clocks_free(&v->clocks);
	free(v);
	return err;
}
