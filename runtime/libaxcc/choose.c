// SPDX-License-Identifier: MIT
/*
 * choose.c - predicts what each algorithm would take and chooses. It must not know algorithms by
 * name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "internal.h"
#include "verify.h"

#define FULL_STEPS	50000u		/* schedules of more steps are not looked at as a whole */
#define FIRST_BYTES	(4ull << 20)	/* how much of a large operation is looked at first */

/* ---- predictions ---- */

static uint64_t count_steps(const struct axcc_schedule *s)
{
	uint64_t steps = 0;

	for (uint32_t r = 0; r < s->req.ranks; r++)
		steps += s->rank[r].num_steps;
	return steps;
}

/* For @count elements in place of the request's. @steps: of all ranks. */
static int predict_count(const struct axcc_request *req, const struct axcc_topology *topo,
			 uint32_t index, uint64_t count, struct axcc_prediction *p, uint64_t *steps,
			 char *why)
{
	struct axcc_tuning tuning = { .no_order = true };
	struct axcc_request part = *req;
	struct axcc_schedule *s;
	int err;

	part.count = count;
	err = axcc_schedule_build(&part, topo, index, &tuning, &s, why);
	if (err)
		return err;
	*steps = count_steps(s);
	err = axcc_schedule_predict(s, topo, p);
	axcc_schedule_free(s);
	return err;
}

static uint64_t extend(uint64_t small, uint64_t large, double factor)
{
	double v = (double)large + ((double)large - (double)small) * factor;

	return v > 0 ? (uint64_t)v : 0;
}

/* From half of some count and that count to more, by @factor times the half. */
static void extrapolate(const struct axcc_prediction *half, struct axcc_prediction *p,
			double factor)
{
	p->cycles = extend(half->cycles, p->cycles, factor);
	p->steps = extend(half->steps, p->steps, factor);
	p->waits = extend(half->waits, p->waits, factor);
	p->transfers = extend(half->transfers, p->transfers, factor);
	p->moved_bytes = extend(half->moved_bytes, p->moved_bytes, factor);
	p->link_cycles = extend(half->link_cycles, p->link_cycles, factor);
	p->queue_cycles = extend(half->queue_cycles, p->queue_cycles, factor);
	p->tmp_bytes = extend(half->tmp_bytes, p->tmp_bytes, factor);
	p->path.sequencer = extend(half->path.sequencer, p->path.sequencer, factor);
	p->path.setup = extend(half->path.setup, p->path.setup, factor);
	p->path.data = extend(half->path.data, p->path.data, factor);
	p->path.link = extend(half->path.link, p->path.link, factor);
	p->path.latency = extend(half->path.latency, p->path.latency, factor);
	p->sampled = true;
}

int axcc_predict(const struct axcc_request *req, const struct axcc_topology *topo, uint32_t index,
		 struct axcc_prediction *p, char *why)
{
	struct axcc_prediction half;
	uint64_t src, dst, bytes, steps, count;
	uint32_t shift = 0;
	int err = axcc_request_check(req);

	if (err)
		return err;
	axcc_schedule_bytes(req, req->root, &src, &dst);
	bytes = src > dst ? src : dst;
	while (bytes >> shift > FIRST_BYTES)
		shift++;
	for (;;) {
		count = req->count >> shift;
		err = predict_count(req, topo, index, count, p, &steps, why);
		if (err || !shift || steps >= FULL_STEPS)
			break;
		shift--;
	}
	if (err || !shift)
		return err;
	err = predict_count(req, topo, index, count / 2, &half, &steps, why);
	if (!err)
		extrapolate(&half, p, (double)(req->count - count) / (double)(count - count / 2));
	return err;
}

/* ---- the choice ---- */

static bool named(const char *wish)
{
	for (uint32_t i = 0; axcc_algorithm_name(i); i++)
		if (axcc_algorithm_matches(i, wish))
			return true;
	return false;
}

static bool wanted(const struct axcc_choice *c, uint32_t index)
{
	return !c->wish || axcc_algorithm_matches(index, c->wish);
}

/* Return: -ENOMEM, or 0; other errors are the candidate's. */
static int look_at(struct axcc_choice *c, const struct axcc_request *req,
		   const struct axcc_topology *topo, uint32_t index)
{
	struct axcc_candidate *cand = &c->candidate[c->count++];

	cand->index = index;
	cand->wanted = wanted(c, index);
	cand->why[0] = 0;
	cand->err = axcc_predict(req, topo, index, &cand->p, cand->why);
	if (cand->err == -EINVAL)
		strcpy(cand->why, "needs a way between cards that is none");
	return cand->err == -ENOMEM ? -ENOMEM : 0;
}

static int look_at_all(struct axcc_choice *c, const struct axcc_request *req,
		       const struct axcc_topology *topo, bool only_wanted)
{
	int err = 0;

	c->count = 0;
	for (uint32_t i = 0; !err && axcc_algorithm_name(i); i++)
		if (axcc_algorithm_can(i, req->coll) && c->count < AXCC_MAX_CANDIDATES &&
		    (!only_wanted || wanted(c, i)))
			err = look_at(c, req, topo, i);
	return err;
}

/* Is @a to be taken rather than @b, both being about as fast? */
static bool lighter(const struct axcc_prediction *a, const struct axcc_prediction *b)
{
	if (a->moved_bytes != b->moved_bytes)
		return a->moved_bytes < b->moved_bytes;
	if (a->waits != b->waits)
		return a->waits < b->waits;
	return a->cycles < b->cycles;
}

static bool competes(const struct axcc_candidate *c, bool only_wanted)
{
	return !c->err && (c->wanted || !only_wanted);
}

static int pick(struct axcc_choice *c, bool only_wanted)
{
	const struct axcc_candidate *cand = c->candidate;
	bool found = false;

	for (uint32_t i = 0; i < c->count; i++) {
		if (!competes(&cand[i], only_wanted))
			continue;
		if (!found || cand[i].p.cycles < cand[c->fastest].p.cycles)
			c->fastest = i;
		found = true;
	}
	c->best = c->fastest;
	for (uint32_t i = 0; i < c->count; i++)
		if (competes(&cand[i], only_wanted) &&
		    axcc_as_fast(&cand[i].p, &cand[c->fastest].p) &&
		    lighter(&cand[i].p, &cand[c->best].p))
			c->best = i;
	return found ? 0 : -EOPNOTSUPP;
}

/* What is asked for, or NULL. */
static const char *wish_of(const char *wish)
{
	if (!wish)
		wish = getenv("AXCC_ALGO");
	return wish && *wish ? wish : NULL;
}

int axcc_wish_check(const char *wish)
{
	wish = wish_of(wish);
	return !wish || named(wish) ? 0 : -EINVAL;
}

int axcc_choose(const struct axcc_request *req, const struct axcc_topology *topo, const char *wish,
		bool all, struct axcc_choice *c)
{
	int err = axcc_request_check(req);

	if (err || !topo || topo->ranks != req->ranks)
		return -EINVAL;
	wish = wish_of(wish);
	if (wish && !named(wish))
		return -EINVAL;
	c->wish = wish;
	c->best = c->fastest = 0;
	err = look_at_all(c, req, topo, !all);
	if (!err)
		err = pick(c, true);
	if (err != -EOPNOTSUPP || !wish)
		return err;
	/* Not every algorithm can do every operation. */
	err = all ? 0 : look_at_all(c, req, topo, false);
	return err ? err : pick(c, false);
}

int axcc_schedule_best(const struct axcc_request *req, const struct axcc_topology *topo,
		       const char *wish, struct axcc_schedule **schedule,
		       struct axcc_report *report)
{
	struct axcc_choice *c = malloc(sizeof(*c));
	struct axcc_schedule *s;
	int err;

	if (!c)
		return -ENOMEM;
	err = axcc_choose(req, topo, wish, false, c);
	if (!err)
		err = axcc_schedule_build(req, topo, c->candidate[c->best].index, NULL, &s, NULL);
	free(c);
	if (err)
		return err;
	err = axcc_schedule_verify(s, report);
	if (err) {
		axcc_schedule_free(s);
		return err == -EINVAL ? -EBADMSG : err;
	}
	*schedule = s;
	return 0;
}
