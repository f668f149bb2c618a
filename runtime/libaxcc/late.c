// SPDX-License-Identifier: MIT
/*
 * late.c - ranks that do not come: when their time is over, and which one is named. Who comes late
 * because its card or its process is held up is not the one.
 */
#include "remote.h"

/* ---- of this process ---- */

/* By when others must have come: not before time was over for the operation before. */
uint64_t cc_req_due_ns(const struct cc_team *team, const struct cc_req *req)
{
	uint64_t since = req->since_ns > team->launched_ns ? req->since_ns : team->launched_ns;

	return since + team->timeout_ms * CC_MS;
}

/* Ranks did not come to a collective; @rank: the one to be named, or AXCC_NO_RANK: the first. */
static void missing(struct cc_team *team, const struct cc_op *op, uint32_t rank)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_TIMEOUT,
		.error = -ETIME,
		.rank = rank,
		.coll = op->req.coll,
		.nth = op->nth,
	};
	uint32_t absent = 0, i;

	for (i = 0; i < team->ranks; i++) {
		if (axcc_ranks_has(&op->came, i))
			continue;
		/* In other processes it may be late through no fault of its own. */
		if (!team->remote)
			cc_rank_lost(team, i);
		if (blame.rank == AXCC_NO_RANK)
			blame.rank = i;
		absent++;
	}
	if (absent > 1)
		snprintf(blame.detail, sizeof(blame.detail),
			 "and %u more did not come within %u ms", absent - 1, team->timeout_ms);
	else
		snprintf(blame.detail, sizeof(blame.detail), "did not come within %u ms",
			 team->timeout_ms);
	cc_team_fail(team, &blame);
}

static void missing_rank(struct cc_team *team, uint32_t rank, uint32_t coll, uint64_t nth,
			 const char *what)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_TIMEOUT,
		.error = -ETIME,
		.rank = rank,
		.coll = coll,
		.nth = nth,
	};

	snprintf(blame.detail, sizeof(blame.detail), "%s within %u ms", what, team->timeout_ms);
	cc_team_fail(team, &blame);
}

/* A rank of this process has waited for long enough. */
void cc_overdue(struct cc_team *team, const struct cc_req *req)
{
	struct cc_blame blame = { .coll = req->coll, .nth = req->nth };

	/* A card that has failed says more than that somebody did not come. */
	if (cc_blame_cards(team, &blame))
		cc_team_fail(team, &blame);
	else if (!cc_coordinates(team))
		missing_rank(team, 0, req->coll, req->nth, "did not say who has come");
	else if (cc_is_pair(req->coll))
		missing_rank(team, req->peer, req->coll, 0, "did not come");
	else
		missing(team, cc_op_of(team, req->nth), AXCC_NO_RANK);
}

/* ---- seen by the coordinator ---- */

uint64_t cc_remote_lead_ns(const struct cc_team *team)
{
	uint64_t quarter = team->timeout_ms * CC_MS / 4;

	return quarter < 2 * CC_SECOND ? quarter : 2 * CC_SECOND;
}

static uint64_t allowed_ns(const struct cc_team *team)
{
	return team->timeout_ms * CC_MS - cc_remote_lead_ns(team);
}

static uint64_t half_due(const struct cc_team *team, const struct cc_half *h)
{
	return h ? h->since_ns + allowed_ns(team) : CC_NEVER;
}

static uint64_t op_due(const struct cc_team *team, const struct cc_op *op)
{
	uint64_t since = op->since_ns > team->launched_ns ? op->since_ns : team->launched_ns;

	return op->open && op->arrived < team->ranks ? since + allowed_ns(team) : CC_NEVER;
}

static uint64_t ops_due(struct cc_team *team)
{
	uint64_t due = half_due(team, team->oldest_half);
	uint32_t i;

	for (i = 0; i < CC_MAX_OPS; i++)
		if (op_due(team, &team->op[i]) < due)
			due = op_due(team, &team->op[i]);
	return due;
}

/* The first rank that did not come although nothing holds its process up. */
static uint32_t at_fault(struct cc_team *team, const struct cc_op *op)
{
	uint32_t r;

	for (r = 0; r < team->ranks; r++)
		if (!axcc_ranks_has(&op->came, r) && !cc_proc_of(team, r)->stalled)
			return r;
	return AXCC_NO_RANK;
}

static bool ops_judge(struct cc_team *team, uint64_t now_ns)
{
	const struct cc_half *h;
	uint32_t i, rank;

	for (i = 0; i < CC_MAX_OPS; i++) {
		if (now_ns < op_due(team, &team->op[i]))
			continue;
		rank = at_fault(team, &team->op[i]);
		if (rank == AXCC_NO_RANK)
			continue;
		missing(team, &team->op[i], rank);
		return true;
	}
	for (h = team->oldest_half; h && now_ns >= half_due(team, h); h = h->newer) {
		if (cc_proc_of(team, h->peer)->stalled)
			continue;
		missing_rank(team, h->peer, h->coll, 0, "did not come");
		return true;
	}
	return false;
}

void cc_op_oldest(struct cc_team *team, struct cc_blame *blame)
{
	uint32_t i;

	for (i = 0; i < CC_MAX_OPS; i++) {
		const struct cc_op *op = &team->op[i];

		if (!op->open || (blame->nth && op->nth > blame->nth))
			continue;
		blame->nth = op->nth;
		blame->coll = op->req.coll;
	}
}

/* ---- whose fault it is ---- */

/* Time for all to say what they wait for. */
static uint64_t gather_ns(const struct cc_team *team)
{
	return cc_remote_lead_ns(team) / 2;
}

/* Goes from one that waits to the one it waits for, up to one that does not wait. */
static void judge_stall(struct cc_team *team)
{
	struct cc_remote *r = team->remote;
	struct cc_blame blame = {
		.kind = AXCC_ERROR_TIMEOUT,
		.error = -ETIME,
		.coll = AXCC_NUM_COLLS,
		.detail = "does not get on: it neither sends nor takes data",
	};
	struct cc_proc *p = NULL;
	uint32_t i;

	for (i = 0; i < r->procs && !p; i++)
		if (r->proc[i].stalled)
			p = &r->proc[i];
	for (i = 0; p && i < r->procs; i++) {
		blame.rank = p->waits_for;
		p = cc_proc_of(team, p->waits_for);
		if (!p->stalled)
			break;
	}
	if (!p)
		return;
	cc_op_oldest(team, &blame);
	cc_team_fail(team, &blame);
}

/*
 * Time is over for something. Who did not come to an operation may only be held up by the one
 * before, so all have a moment to say what they wait for.
 */
uint64_t cc_late_judge(struct cc_team *team, uint64_t now)
{
	struct cc_remote *r = team->remote;
	uint64_t due = ops_due(team);
	uint32_t i;

	if (!r->stalled_ns && now < due)
		return due;
	if (!r->stalled_ns)
		r->stalled_ns = now;
	due = r->stalled_ns + gather_ns(team);
	if (now < due)
		return due;
	if (!ops_judge(team, now))
		judge_stall(team);
	/* Or all came in the meantime after all. Who still waits says so again. */
	r->stalled_ns = 0;
	for (i = 0; i < r->procs; i++)
		r->proc[i].stalled = false;
	return atomic_load(&team->failed) ? CC_NEVER : now + CC_MS;
}
