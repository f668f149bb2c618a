// SPDX-License-Identifier: MIT
/*
 * op.c - collectives: who has come, and handing over to the cards.
 *
 * A rank that calls a collective arrives at the team's record of it. The last one to arrive hands
 * the programs of all ranks over; the others find their jobs then. So nobody's card waits for a
 * rank that has not called, calls are compared before anything runs, and every buffer is known when
 * programs are made. Nothing here may wait with the team's lock held.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "remote.h"

uint64_t cc_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * CC_SECOND + (uint64_t)ts.tv_nsec;
}

/* ---- jobs ---- */

void cc_req_launched(struct cc_req *req, const struct cc_member *member,
		     const struct cc_handed *handed)
{
	req->queue = member->queue;
	req->seqno = handed->seqno[member->index];
	req->algorithm = handed->algorithm;
	req->state = CC_REQ_LAUNCHED;
}

/* Hands programs over. An error is the whole team's: others count on it. */
int cc_hand_over(struct cc_team *team, const struct cc_launch *l, struct cc_handed *handed,
		 const struct cc_blame *blame)
{
	struct cc_blame b = *blame;
	struct cc_plan *plan;
	int err = cc_plan_get(team, l, &plan);

	if (!err)
		err = cc_plan_submit(team, plan, handed->seqno);
	if (!err) {
		handed->algorithm = cc_plan_algorithm(plan);
		return 0;
	}
	if (!cc_blame_cards(team, &b))
		cc_blame_member(&team->member[team->met], err, &b);
	cc_team_fail(team, &b);
	return err;
}

/* ---- arriving ---- */

static void op_open(struct cc_team *team, struct cc_op *op, const struct cc_call *call,
		    uint64_t nth, uint32_t rank)
{
	op->open = true;
	op->running = false;
	op->nth = nth;
	op->first = rank;
	op->arrived = 0;
	op->since_ns = cc_now_ns();
	memset(&op->came, 0, sizeof(op->came));
	cc_call_request(team, call, &op->req);
	if (!op->req.targets)
		return;
	memcpy(op->targets, call->targets, team->ranks * sizeof(*op->targets));
	op->req.targets = op->targets;
}

static int mismatch(struct cc_team *team, const struct cc_op *op, uint32_t rank,
		    const struct cc_call *call, const char *what)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_MISMATCH,
		.error = -EPROTO,
		.rank = rank,
		.coll = call->coll,
		.nth = op->nth,
	};
	char own[96], other[96];
	struct cc_call first = {
		.coll = op->req.coll,
		.reduction = op->req.reduction,
		.dtype = op->req.dtype,
		.root = op->req.root,
		.count = op->req.count,
	};

	cc_call_str(call, own, sizeof(own));
	cc_call_str(&first, other, sizeof(other));
	snprintf(blame.detail, sizeof(blame.detail), "called %s, rank %u %s: another %s", own,
		 op->first, other, what);
	cc_team_fail(team, &blame);
	return -EPROTO;
}

static void op_close(struct cc_team *team, struct cc_op *op)
{
	uint32_t i;

	for (i = 0; i < team->ranks; i++)
		cc_part_put(&op->part[i]);
	op->open = false;
}

/* All have come, and all are of this process. */
static int op_launch(struct cc_team *team, struct cc_op *op)
{
	struct cc_blame blame = { .coll = op->req.coll, .nth = op->nth };
	struct cc_launch l = {
		.req = op->req,
		.rank = team->identity,
		.part = op->part,
	};
	bool nothing = !op->req.count && op->req.coll != AXCC_BARRIER;
	struct cc_handed handed;
	uint32_t i;
	int err = nothing ? 0 : cc_hand_over(team, &l, &handed, &blame);

	for (i = 0; i < team->members && !err; i++) {
		struct cc_member *m = &team->member[i];
		struct cc_req *req = &m->req[op->seq[i] % CC_MAX_REQS];

		if (nothing)
			req->state = CC_REQ_DONE;
		else
			cc_req_launched(req, m, &handed);
	}
	team->launched_ns = cc_now_ns();
	op_close(team, op);
	cc_team_wake(team);
	return err;
}

/* Only the coordinator sees all ranks come. */
static int op_complete(struct cc_team *team, struct cc_op *op)
{
	return team->remote ? cc_remote_launch(team, op) : op_launch(team, op);
}

/* Rank @rank, of this process (then with @part) or another, comes to its collective number @nth. */
static int op_arrive(struct cc_team *team, uint32_t rank, uint64_t nth, const struct cc_call *call,
		     const struct cc_part *part, bool in_place)
{
	struct cc_op *op = cc_op_of(team, nth);
	const char *what;

	if (!op->open)
		op_open(team, op, call, nth, rank);
	what = cc_call_difference(&op->req, call);
	if (what)
		return mismatch(team, op, rank, call, what);
	if (part) {
		op->part[rank] = *part;
		cc_part_hold(part);
	}
	axcc_ranks_add(&op->came, rank);
	if (in_place)
		axcc_ranks_add(&op->req.in_place, rank);
	return ++op->arrived == team->ranks ? op_complete(team, op) : 0;
}

/* ---- posting ---- */

/* Its job has not ended. */
static bool on_card(const struct cc_req *req)
{
	return req->state == CC_REQ_LAUNCHED &&
		axon_wait(req->queue, req->seqno, 0) == -ETIMEDOUT;
}

/* It has not ended. */
bool cc_req_busy(const struct cc_req *req)
{
	return req->state == CC_REQ_GROUPED || req->state == CC_REQ_POSTED ||
		req->state == CC_REQ_RUNNING || on_card(req);
}

/* The place of the next operation, if the one that had it before has ended. */
static int next_req(struct cc_member *member, struct cc_req **out)
{
	struct cc_req *req = &member->req[(member->seq + 1) % CC_MAX_REQS];

	if (cc_req_busy(req))
		return -EAGAIN;
	*out = req;
	return 0;
}

/* A number for the operation. The lock is held. */
static int number(struct cc_member *member, const struct cc_call *call, uint32_t state,
		  struct cc_req **out)
{
	struct cc_team *team = member->team;
	struct cc_req *req = NULL;
	int err = atomic_load(&team->failed) ? team->error.error : next_req(member, &req);

	if (err || !req)
		return err;
	*req = (struct cc_req) {
		.state = state,
		.coll = call->coll,
		.peer = call->peer,
		.seq = ++member->seq,
		.nth = cc_is_pair(call->coll) ? 0 : ++member->nth,
		.since_ns = cc_now_ns(),
	};
	*out = req;
	return 0;
}

/* The lock is held. */
static int arrive(struct cc_member *member, struct cc_req *req, const struct cc_call *call,
		  const struct cc_part *part, bool in_place)
{
	struct cc_team *team = member->team;

	req->state = CC_REQ_POSTED;
	cc_team_check_gone(team, call->coll, req->nth, call->peer);
	if (atomic_load(&team->failed))
		return team->error.error;
	if (!cc_coordinates(team))
		cc_remote_post(team, member->rank, req->nth, req->seq, call);
	if (cc_is_pair(call->coll))
		return cc_half_arrive(team, member->rank, req->seq, call, part);
	cc_op_of(team, req->nth)->seq[member->index] = req->seq;
	return op_arrive(team, member->rank, req->nth, call, part, in_place);
}

int cc_post(struct cc_member *member, const struct cc_call *call, uint64_t *seq)
{
	struct cc_part part;
	struct cc_req *req;
	bool in_place;
	int err;

	atomic_fetch_add(&member->inside, 1);
	err = cc_call_check(member->team, call);
	if (!err)
		err = cc_call_part(member, call, &part, &in_place);
	if (!err) {
		err = number(member, call, CC_REQ_POSTED, &req);
		if (!err && seq)
			*seq = req->seq;
		if (!err)
			err = arrive(member, req, call, &part, in_place);
		pthread_mutex_unlock(&member->team->lock);
	}
	atomic_fetch_sub(&member->inside, 1);
	return err;
}

int cc_post_later(struct cc_member *member, const struct cc_call *call, struct cc_later *later,
		  uint64_t *seq)
{
	struct cc_req *req;
	int err;

	atomic_fetch_add(&member->inside, 1);
	err = cc_call_check(member->team, call);
	if (!err)
		err = cc_call_part(member, call, &later->part, &later->in_place);
	if (!err) {
		err = number(member, call, CC_REQ_GROUPED, &req);
		if (!err) {
			cc_part_hold(&later->part);
			later->member = member;
			later->seq = req->seq;
			if (seq)
				*seq = req->seq;
		}
		pthread_mutex_unlock(&member->team->lock);
	}
	atomic_fetch_sub(&member->inside, 1);
	return err;
}

int cc_post_now(struct cc_later *later, const struct cc_call *call)
{
	struct cc_member *member = later->member;
	struct cc_team *team = member->team;
	struct cc_req *req = &member->req[later->seq % CC_MAX_REQS];
	int err;

	atomic_fetch_add(&member->inside, 1);
	pthread_mutex_lock(&team->lock);
	err = arrive(member, req, call, &later->part, later->in_place);
	cc_part_put(&later->part);
	pthread_mutex_unlock(&team->lock);
	atomic_fetch_sub(&member->inside, 1);
	return err;
}

/* ---- several processes ---- */

/* A rank's process says of a collective what cannot be. Return: false. */
bool cc_misled(struct cc_team *team, uint32_t rank, uint32_t coll, uint64_t nth, const char *what)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_INTERNAL,
		.error = -EPROTO,
		.rank = rank,
		.coll = coll,
		.nth = nth,
	};

	snprintf(blame.detail, sizeof(blame.detail), "%s", what);
	cc_team_fail(team, &blame);
	return false;
}

/* Has the rank come to that collective before? One that is over is closed and keeps its number. */
static bool has_come(const struct cc_op *op, uint64_t nth, uint32_t rank)
{
	return op->open ? op->nth == nth && axcc_ranks_has(&op->came, rank) : nth <= op->nth;
}

bool cc_op_come(struct cc_team *team, uint32_t rank, uint64_t nth, uint64_t seq,
		const struct cc_call *call)
{
	struct cc_op *op = cc_op_of(team, nth);

	if (cc_call_check(team, call))
		return false;
	cc_team_check_gone(team, call->coll, nth, call->peer);
	if (atomic_load(&team->failed))
		return true;
	if (cc_is_pair(call->coll))
		return !nth && !cc_half_arrive(team, rank, seq, call, NULL);
	if (!nth || (op->open && op->nth != nth))
		return false;
	if (has_come(op, nth, rank))
		return cc_misled(team, rank, call->coll, nth, "called it a second time");
	/* What goes wrong now has failed the team. */
	op_arrive(team, rank, nth, call, NULL, false);
	return true;
}

void cc_op_running(struct cc_team *team, struct cc_op *op)
{
	uint32_t i;

	op->running = true;
	for (i = 0; i < team->members; i++)
		team->member[i].req[op->seq[i] % CC_MAX_REQS].state = CC_REQ_RUNNING;
	team->launched_ns = cc_now_ns();
	cc_team_wake(team);
}

struct cc_op *cc_op_go(struct cc_team *team, uint64_t nth)
{
	struct cc_op *op = cc_op_of(team, nth);

	if (op->open && op->nth == nth && op->arrived == team->members && !op->running) {
		cc_op_running(team, op);
		return op;
	}
	if (op->nth != nth)
		cc_misled(team, 0, AXCC_NUM_COLLS, 0,
			  "started a collective that nobody has called");
	else if (op->open && !op->running)
		cc_misled(team, 0, op->req.coll, nth, "started it before all have called it");
	else
		cc_misled(team, 0, op->req.coll, nth, "started it a second time");
	return NULL;
}

void cc_item_done(struct cc_team *team, struct cc_item *item)
{
	uint32_t i;

	cc_half_done(team, item->send);
	cc_half_done(team, item->recv);
	for (i = 0; item->op && i < team->members; i++)
		team->member[i].req[item->op->seq[i] % CC_MAX_REQS].state = CC_REQ_DONE;
	if (item->op)
		op_close(team, item->op);
	cc_team_wake(team);
}
