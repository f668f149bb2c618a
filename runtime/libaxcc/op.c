// SPDX-License-Identifier: MIT
/*
 * op.c - operations: what a rank brings, who has come, handing over to the cards, waiting.
 *
 * A rank that calls a collective arrives at the team's record of it. The last one to arrive hands
 * the programs of all ranks over; the others find their jobs then. So nobody's card waits for a
 * rank that has not called, calls are compared before anything runs, and every buffer is known when
 * programs are made. Nothing here may wait with the team's lock held.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "remote.h"

uint64_t cc_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * CC_SECOND + (uint64_t)ts.tv_nsec;
}

/* Time that does not come. */
#define NEVER	UINT64_MAX
/* How often a rank is looked for that is about to come. */
#define LOOK_NS	(10 * CC_MS)

/* ---- what a rank brings ---- */

static bool is_pair(uint32_t coll)
{
	return coll == AXCC_SEND || coll == AXCC_RECV;
}

static bool reduces(uint32_t coll)
{
	return coll == AXCC_ALL_REDUCE || coll == AXCC_REDUCE_SCATTER || coll == AXCC_REDUCE;
}

static bool can_reduce(uint32_t dtype)
{
	return dtype == AXON_DTYPE_FLOAT32 || dtype == AXON_DTYPE_BFLOAT16 ||
		dtype == AXON_DTYPE_FLOAT16 || dtype == AXON_DTYPE_INT32 ||
		dtype == AXON_DTYPE_UINT8;
}

static bool good_targets(const uint32_t *targets, uint32_t ranks)
{
	struct axcc_ranks seen = { { 0 } };
	uint32_t i;

	for (i = 0; i < ranks; i++) {
		if (targets[i] == AXCC_NO_RANK)
			continue;
		if (targets[i] >= ranks || axcc_ranks_has(&seen, targets[i]))
			return false;
		axcc_ranks_add(&seen, targets[i]);
	}
	return true;
}

int cc_call_check(const struct cc_team *team, const struct cc_call *call)
{
	if (call->coll >= AXCC_NUM_COLLS || !axon_dtype_size(call->dtype) ||
	    call->count > AXCC_MAX_COUNT)
		return -EINVAL;
	if (reduces(call->coll) && (call->reduction >= AXCC_NUM_REDUCTIONS ||
				    !can_reduce(call->dtype)))
		return -EINVAL;
	if (call->root >= team->ranks || call->peer >= team->ranks)
		return -EINVAL;
	if (call->coll == AXCC_PERMUTE && (!call->targets ||
					   !good_targets(call->targets, team->ranks)))
		return -EINVAL;
	return 0;
}

void cc_call_request(const struct cc_team *team, const struct cc_call *call,
		     struct axcc_request *req)
{
	*req = (struct axcc_request) {
		.coll = call->coll,
		.reduction = reduces(call->coll) ? call->reduction : 0,
		.dtype = call->dtype,
		.ranks = team->ranks,
		.root = call->root,
		.count = call->count,
		.targets = call->coll == AXCC_PERMUTE ? call->targets : NULL,
	};
}

/* Sizes of what @rank brings. A rank that sends or receives is as in the schedule of two. */
static void call_bytes(const struct cc_call *call, uint32_t rank, const struct axcc_request *req,
		       uint64_t *src, uint64_t *dst)
{
	uint64_t bytes = call->count * axon_dtype_size(call->dtype);

	if (!is_pair(call->coll)) {
		axcc_schedule_bytes(req, rank, src, dst);
		return;
	}
	*src = call->coll == AXCC_SEND ? bytes : 0;
	*dst = call->coll == AXCC_RECV ? bytes : 0;
}

static int check_buf(const struct axcc_buf *buf, uint64_t bytes, uint32_t esz)
{
	uint64_t size;

	if (!bytes)
		return 0;
	if (!buf->bo || buf->offset % esz)
		return -EINVAL;
	size = axon_bo_size(buf->bo);
	return buf->offset > size || bytes > size - buf->offset ? -EINVAL : 0;
}

/* *@in_place: they are the same memory, as the operation has it. */
static int check_overlap(const struct axcc_request *req, uint32_t rank, const struct cc_call *call,
			 uint64_t src, uint64_t dst, bool *in_place)
{
	uint64_t s = call->send.offset, d = call->recv.offset;
	uint64_t src_at, dst_at;

	*in_place = false;
	if (!src || !dst || call->send.bo != call->recv.bo)
		return 0;
	axcc_schedule_alias(req, rank, &src_at, &dst_at);
	*in_place = s - src_at == d - dst_at;
	if (*in_place)
		return 0;
	return (s <= d ? d - s < src : s - d < dst) ? -EINVAL : 0;
}

/* Finds buffers with the lock held; a new one needs it open for a moment. */
static int get_buffers(struct cc_member *member, const struct axcc_buf *buf[2],
		       struct cc_buffer *found[2])
{
	struct cc_team *team = member->team;
	uint32_t i = 0;
	int err;

	pthread_mutex_lock(&team->lock);
	while (i < 2) {
		found[i] = buf[i] ? cc_buffer_find(team, buf[i]->bo) : NULL;
		if (!buf[i] || found[i]) {
			if (found[i] && found[i]->dev != member->dev)
				goto foreign;
			i++;
			continue;
		}
		pthread_mutex_unlock(&team->lock);
		err = cc_buffer_add(member, buf[i]->bo);
		if (err)
			return err;
		pthread_mutex_lock(&team->lock);
		i = 0;
	}
	return 0;
foreign:
	pthread_mutex_unlock(&team->lock);
	return -EINVAL;
}

int cc_call_part(struct cc_member *member, const struct cc_call *call, struct cc_part *part,
		 bool *in_place)
{
	uint32_t esz = axon_dtype_size(call->dtype);
	struct cc_buffer *found[2];
	const struct axcc_buf *buf[2];
	struct axcc_request req;
	uint64_t src, dst;
	int err;

	cc_call_request(member->team, call, &req);
	call_bytes(call, member->rank, &req, &src, &dst);
	err = check_buf(&call->send, src, esz);
	if (!err)
		err = check_buf(&call->recv, dst, esz);
	if (!err)
		err = check_overlap(&req, member->rank, call, src, dst, in_place);
	if (err)
		return err;
	buf[0] = src ? &call->send : NULL;
	buf[1] = dst ? &call->recv : NULL;
	err = get_buffers(member, buf, found);
	if (err)
		return err;
	*part = (struct cc_part) {
		.src = found[0],
		.dst = found[1],
		.src_offset = src ? call->send.offset : 0,
		.dst_offset = dst ? call->recv.offset : 0,
	};
	return 0;
}

void cc_part_hold(const struct cc_part *part)
{
	if (part->src)
		part->src->refs++;
	if (part->dst)
		part->dst->refs++;
}

void cc_part_put(struct cc_part *part)
{
	cc_buffer_put(part->src);
	cc_buffer_put(part->dst);
	*part = (struct cc_part) { 0 };
}

/* ---- jobs ---- */

/* What was handed over: the jobs' numbers by index of the rank, and how. */
struct handed {
	uint64_t seqno[AXCC_MAX_RANKS];
	const char *algorithm;
};

static void set_job(struct cc_req *req, const struct cc_member *member, const struct handed *handed)
{
	req->queue = member->queue;
	req->seqno = handed->seqno[member->index];
	req->algorithm = handed->algorithm;
	req->state = CC_REQ_LAUNCHED;
}

static void wake(struct cc_team *team)
{
	if (team->sleepers)
		pthread_cond_broadcast(&team->cond);
}

/* Hands programs over. An error is the whole team's: others count on it. */
static int launch(struct cc_team *team, const struct cc_launch *l, struct handed *handed,
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

/* ---- collectives ---- */

static struct cc_op *op_of(struct cc_team *team, uint64_t nth)
{
	return &team->op[nth % CC_MAX_OPS];
}

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

const char *cc_call_difference(const struct axcc_request *req, const struct cc_call *call)
{
	if (call->coll != req->coll)
		return "operation";
	if (call->count != req->count)
		return "count";
	if (call->dtype != req->dtype)
		return "type";
	if (reduces(call->coll) && call->reduction != req->reduction)
		return "reduction";
	if (call->root != req->root)
		return "root";
	if (req->targets && memcmp(call->targets, req->targets,
				   req->ranks * sizeof(*req->targets)))
		return "targets";
	return NULL;
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
	struct handed handed;
	uint32_t i;
	int err = nothing ? 0 : launch(team, &l, &handed, &blame);

	for (i = 0; i < team->members && !err; i++) {
		struct cc_member *m = &team->member[i];
		struct cc_req *req = &m->req[op->seq[i] % CC_MAX_REQS];

		if (nothing)
			req->state = CC_REQ_DONE;
		else
			set_job(req, m, &handed);
	}
	team->launched_ns = cc_now_ns();
	op_close(team, op);
	wake(team);
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
	struct cc_op *op = op_of(team, nth);
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

/* ---- sends and receives ---- */

static struct cc_pair *pair_of(struct cc_team *team, uint32_t from, uint32_t to)
{
	if (!team->pair)
		team->pair = calloc((size_t)team->ranks * team->ranks, sizeof(*team->pair));
	return team->pair ? &team->pair[(size_t)from * team->ranks + to] : NULL;
}

static struct cc_half *half_new(struct cc_team *team)
{
	struct cc_half *h = team->spare_halves;

	if (!h)
		return calloc(1, sizeof(*h));
	team->spare_halves = h->next;
	return h;
}

void cc_half_free(struct cc_team *team, struct cc_half *h)
{
	cc_part_put(&h->part);
	h->next = team->spare_halves;
	team->spare_halves = h;
}

uint32_t cc_pair_slot(const struct cc_team *team, uint32_t a, uint32_t b)
{
	return CC_FIRST_PAIR_SLOT + (a < b ? a * team->ranks + b : b * team->ranks + a);
}

/* The job of a rank's half. */
static void half_launched(struct cc_team *team, const struct cc_half *h,
			  const struct handed *handed, bool nothing)
{
	struct cc_member *m = cc_member_of(team, h->rank);
	struct cc_req *req = &m->req[h->seq % CC_MAX_REQS];

	if (nothing)
		req->state = CC_REQ_DONE;
	else
		set_job(req, m, handed);
}

static int pair_launch(struct cc_team *team, const struct cc_half *send, const struct cc_half *recv)
{
	struct cc_blame blame = { .coll = AXCC_SEND };
	uint32_t rank[2] = { send->rank, recv->rank };
	struct cc_part part[2] = { send->part, recv->part };
	struct cc_launch l = {
		.req = { .coll = AXCC_SEND, .dtype = send->dtype, .ranks = 2,
			 .count = send->count },
		.rank = rank,
		.part = part,
		.slot = cc_pair_slot(team, send->rank, recv->rank),
	};
	struct handed handed;
	int err = 0;

	if (send->rank == recv->rank) {
		/* To itself: a rank is in a gang once, so it is a copy. */
		part[0].dst = recv->part.dst;
		part[0].dst_offset = recv->part.dst_offset;
		l.req.coll = AXCC_BROADCAST;
		l.req.ranks = 1;
	}
	if (send->count)
		err = launch(team, &l, &handed, &blame);
	if (err)
		return err;
	half_launched(team, send, &handed, !send->count);
	half_launched(team, recv, &handed, !send->count);
	team->launched_ns = cc_now_ns();
	wake(team);
	return 0;
}

static int pair_mismatch(struct cc_team *team, const struct cc_half *h, const struct cc_half *first)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_MISMATCH,
		.error = -EPROTO,
		.rank = h->rank,
		.coll = h->coll,
	};

	snprintf(blame.detail, sizeof(blame.detail),
		 "called %s of %llu elements of type %u, but rank %u %s of %llu of type %u",
		 axcc_coll_str(h->coll), (unsigned long long)h->count, h->dtype, first->rank,
		 axcc_coll_str(first->coll), (unsigned long long)first->count, first->dtype);
	cc_team_fail(team, &blame);
	return -EPROTO;
}

/* Both have come, in this order or the other. Takes them over. */
static int pair_complete(struct cc_team *team, struct cc_half *late, struct cc_half *first)
{
	struct cc_half *send = late->coll == AXCC_SEND ? late : first;
	struct cc_half *recv = late->coll == AXCC_SEND ? first : late;
	int err;

	if (first->count != late->count || first->dtype != late->dtype)
		err = pair_mismatch(team, late, first);
	else if (!team->remote)
		err = pair_launch(team, send, recv);
	else if (!(err = cc_remote_pair(team, send, recv)))
		return 0;
	cc_half_free(team, late);
	cc_half_free(team, first);
	return err;
}

static void pair_append(struct cc_team *team, struct cc_pair *pair, struct cc_half *h)
{
	h->next = NULL;
	*(pair->first ? &pair->last->next : &pair->first) = h;
	pair->last = h;
	h->newer = NULL;
	h->older = team->newest_half;
	*(h->older ? &h->older->newer : &team->oldest_half) = h;
	team->newest_half = h;
}

/* The oldest half of a kind. */
static struct cc_half *pair_take(struct cc_team *team, struct cc_pair *pair, uint32_t coll)
{
	struct cc_half *before = NULL;
	struct cc_half *h;

	for (h = pair->first; h && h->coll != coll; h = h->next)
		before = h;
	if (!h)
		return NULL;
	*(before ? &before->next : &pair->first) = h->next;
	if (pair->last == h)
		pair->last = before;
	*(h->older ? &h->older->newer : &team->oldest_half) = h->newer;
	*(h->newer ? &h->newer->older : &team->newest_half) = h->older;
	return h;
}

/* Rank @rank comes with a send or a receive, its operation number @seq. */
static int half_arrive(struct cc_team *team, uint32_t rank, uint64_t seq,
		       const struct cc_call *call, const struct cc_part *part)
{
	bool sends = call->coll == AXCC_SEND;
	struct cc_pair *pair = pair_of(team, sends ? rank : call->peer, sends ? call->peer : rank);
	struct cc_half *h = half_new(team);
	struct cc_half *other = NULL;

	if (!h || !pair) {
		free(h);
		return -ENOMEM;
	}
	*h = (struct cc_half) {
		.coll = call->coll,
		.rank = rank,
		.peer = call->peer,
		.dtype = call->dtype,
		.count = call->count,
		.seq = seq,
		.since_ns = cc_now_ns(),
	};
	if (part) {
		h->part = *part;
		cc_part_hold(part);
	}
	if (cc_coordinates(team))
		other = pair_take(team, pair, sends ? AXCC_RECV : AXCC_SEND);
	if (other)
		return pair_complete(team, h, other);
	pair_append(team, pair, h);
	return 0;
}

const struct cc_half *cc_half_for(const struct cc_team *team, uint32_t peer)
{
	const struct cc_half *h = team->oldest_half;

	while (h && h->peer != peer)
		h = h->newer;
	return h;
}

void cc_pairs_free(struct cc_team *team)
{
	struct cc_half *h;

	while ((h = team->oldest_half)) {
		team->oldest_half = h->newer;
		cc_half_free(team, h);
	}
	free(team->pair);
	while ((h = team->spare_halves)) {
		team->spare_halves = h->next;
		free(h);
	}
}

/* ---- posting ---- */

/* Its job has not ended. */
static bool on_card(const struct cc_req *req)
{
	return req->state == CC_REQ_LAUNCHED &&
		axon_wait(req->queue, req->seqno, 0) == -ETIMEDOUT;
}

/* The place of the next operation, if the one that had it before has ended. */
static int next_req(struct cc_member *member, struct cc_req **out)
{
	struct cc_req *req = &member->req[(member->seq + 1) % CC_MAX_REQS];

	if (req->state == CC_REQ_GROUPED || req->state == CC_REQ_POSTED ||
	    req->state == CC_REQ_RUNNING)
		return -EAGAIN;
	if (on_card(req))
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
		.nth = is_pair(call->coll) ? 0 : ++member->nth,
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
	if (is_pair(call->coll))
		return half_arrive(team, member->rank, req->seq, call, part);
	op_of(team, req->nth)->seq[member->index] = req->seq;
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

/* ---- waiting ---- */

static int failure(struct cc_team *team)
{
	return atomic_load_explicit(&team->failed, memory_order_acquire) ? team->error.error : 0;
}

/* By when others must have come: not before time was over for the operation before. */
static uint64_t due_ns(const struct cc_team *team, const struct cc_req *req)
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
static void overdue(struct cc_team *team, const struct cc_req *req)
{
	struct cc_blame blame = { .coll = req->coll, .nth = req->nth };

	/* A card that has failed says more than that somebody did not come. */
	if (cc_blame_cards(team, &blame))
		cc_team_fail(team, &blame);
	else if (!cc_coordinates(team))
		missing_rank(team, 0, req->coll, req->nth, "did not say who has come");
	else if (is_pair(req->coll))
		missing_rank(team, req->peer, req->coll, 0, "did not come");
	else
		missing(team, op_of(team, req->nth), AXCC_NO_RANK);
}

static void sleep_until(struct cc_team *team, uint64_t ns, uint64_t now)
{
	struct timespec ts;

	/* pthread's clock cannot take for ever. */
	if (ns > now + 3600 * CC_SECOND)
		ns = now + 3600 * CC_SECOND;
	ts = (struct timespec) { (time_t)(ns / CC_SECOND), (long)(ns % CC_SECOND) };

	team->sleepers++;
	pthread_cond_timedwait(&team->cond, &team->lock, &ts);
	team->sleepers--;
}

/*
 * By when a job must have ended. The queue's limit is half of that or less: a job that it ends
 * says who is to blame.
 */
static uint64_t job_due_ns(const struct cc_team *team, uint64_t deadline_ns)
{
	uint64_t due = cc_now_ns() + CC_MS * 2 * team->timeout_ms;

	return due < deadline_ns ? due : deadline_ns;
}

static bool waits_for(struct cc_team *team, const struct cc_req *req, uint32_t rank)
{
	return is_pair(req->coll) ? rank == req->peer :
		!axcc_ranks_has(&op_of(team, req->nth)->came, rank);
}

/* Its job has not ended well, or not yet. */
static bool unwell(const struct cc_req *req)
{
	return req->state == CC_REQ_LAUNCHED && axon_wait(req->queue, req->seqno, 0);
}

/*
 * A rank of this process that the request waits for and that does not come because its card is
 * still at an operation before, or has failed there: not all ranks are done with one at the same
 * time.
 * @job: the oldest of them.
 */
static struct cc_member *held_up(struct cc_team *team, const struct cc_req *req, struct cc_req *job)
{
	struct cc_member *found = NULL;
	uint32_t i, k;

	for (i = 0; i < team->members && !found; i++) {
		struct cc_member *m = &team->member[i];

		for (k = 0; waits_for(team, req, m->rank) && k < CC_MAX_REQS; k++) {
			if (!unwell(&m->req[k]) || (found && m->req[k].seqno > job->seqno))
				continue;
			found = m;
			*job = m->req[k];
		}
	}
	return found;
}

/*
 * A rank of this process that the request waits for has a call under way: it is held up by a card
 * that is slow to answer, its own or another's, and not by itself. Not for ever: cards are given
 * up.
 */
static bool comes(struct cc_team *team, const struct cc_req *req, uint64_t now)
{
	uint32_t i;

	if (team->remote || now >= due_ns(team, req) + CC_MS * 2 * team->timeout_ms)
		return false;
	for (i = 0; i < team->members; i++)
		if (waits_for(team, req, team->member[i].rank) &&
		    atomic_load(&team->member[i].inside))
			return true;
	return false;
}

/* That job's end, or its failure. Leaves the lock meanwhile. */
static int wait_held_up(struct cc_member *member, const struct cc_req *job, uint64_t deadline_ns)
{
	struct cc_team *team = member->team;
	uint64_t until = job_due_ns(team, deadline_ns);
	int err;

	pthread_mutex_unlock(&team->lock);
	err = axon_wait_until(job->queue, job->seqno, until);
	if (err && (err != -ETIMEDOUT || until != deadline_ns) && !failure(team))
		err = cc_team_job_failed(member, job, err);
	pthread_mutex_lock(&team->lock);
	/* From now on it can come. */
	if (!err)
		team->launched_ns = cc_now_ns();
	return err;
}

/*
 * The others have had their time. Return: 0, an error of @team, or -ETIMEDOUT: it is the deadline
 * that is over. The lock is held.
 */
static int past_due(struct cc_team *team, const struct cc_req *req, uint64_t now,
		    uint64_t deadline_ns)
{
	struct cc_req job;
	struct cc_member *held = held_up(team, req, &job);

	if (held)
		return wait_held_up(held, &job, deadline_ns);
	if (!comes(team, req, now))
		overdue(team, req);
	else if (now >= deadline_ns)
		return -ETIMEDOUT;
	else
		sleep_until(team, now + LOOK_NS, now);
	return 0;
}

/* Until the request has a job or is done. The lock is held. */
static int wait_others(struct cc_member *member, struct cc_req *req, uint64_t seq,
		       uint64_t deadline_ns)
{
	struct cc_team *team = member->team;

	while (req->seq == seq && !failure(team) &&
	       (req->state == CC_REQ_POSTED || req->state == CC_REQ_RUNNING)) {
		uint64_t now = cc_now_ns();
		/* What runs is the worker's to give up. */
		uint64_t due = req->state == CC_REQ_POSTED ? due_ns(team, req) : NEVER;

		if (now < due && now >= deadline_ns)
			return -ETIMEDOUT;
		if (now < due)
			sleep_until(team, due < deadline_ns ? due : deadline_ns, now);
		else if (past_due(team, req, now, deadline_ns) == -ETIMEDOUT && !failure(team))
			return -ETIMEDOUT;
	}
	return failure(team);
}

/* Has the queue got on within the communicator's time? Several threads may ask. */
static bool moves(struct cc_member *member)
{
	struct cc_team *team = member->team;
	struct drm_axon_queue_get_state state;
	uint64_t now;
	bool moves;

	if (axon_queue_state(member->queue, &state))
		return false;
	pthread_mutex_lock(&team->lock);
	/* Not before, or another thread's time may be the later one. */
	now = cc_now_ns();
	if (state.completed != member->moved) {
		member->moved = state.completed;
		member->moved_ns = now;
	}
	moves = now - member->moved_ns < team->timeout_ms * CC_MS;
	pthread_mutex_unlock(&team->lock);
	return moves;
}

/* The job of a request, without the lock. */
static int wait_job(struct cc_member *member, const struct cc_req *req, uint64_t deadline_ns)
{
	struct cc_team *team = member->team;
	uint64_t until;
	int err;

	for (;;) {
		until = job_due_ns(team, deadline_ns);
		err = axon_wait_until(req->queue, req->seqno, until);
		if (failure(team))
			return failure(team);
		if (!err || (err == -ETIMEDOUT && until == deadline_ns))
			return err;
		if (err != -ETIMEDOUT || !moves(member))
			return cc_team_job_failed(member, req, err);
	}
}

static void spin(struct cc_member *member, const struct cc_req *req, uint64_t seq,
		 uint64_t deadline_ns)
{
	uint64_t until = cc_now_ns() + member->team->spin_us * 1000ull;

	if (until > deadline_ns)
		until = deadline_ns;
	while (cc_now_ns() < until && req->seq == seq && req->state == CC_REQ_POSTED) {
		pthread_mutex_unlock(&member->team->lock);
		pthread_mutex_lock(&member->team->lock);
	}
}

int cc_wait(struct cc_member *member, uint64_t seq, uint64_t deadline_ns)
{
	struct cc_team *team = member->team;
	struct cc_req *req = &member->req[seq % CC_MAX_REQS];
	struct cc_req copy = { 0 };
	int err = 0;

	pthread_mutex_lock(&team->lock);
	if (!seq || seq > member->seq || (req->seq == seq && req->state == CC_REQ_GROUPED))
		err = -EINVAL;
	if (!err && req->seq == seq && req->state == CC_REQ_POSTED && team->spin_us && deadline_ns)
		spin(member, req, seq, deadline_ns);
	if (!err)
		err = wait_others(member, req, seq, deadline_ns);
	/* One that has made room for a newer one had ended. */
	if (!err && req->seq == seq)
		copy = *req;
	pthread_mutex_unlock(&team->lock);
	if (err || copy.state != CC_REQ_LAUNCHED)
		return err;
	atomic_fetch_add(&member->inside, 1);
	err = wait_job(member, &copy, deadline_ns);
	atomic_fetch_sub(&member->inside, 1);
	return err;
}

/* ---- several processes ---- */

/* A rank's process says of a collective what cannot be. Return: false. */
static bool misled(struct cc_team *team, uint32_t rank, uint32_t coll, uint64_t nth,
		   const char *what)
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
	struct cc_op *op = op_of(team, nth);

	if (cc_call_check(team, call))
		return false;
	cc_team_check_gone(team, call->coll, nth, call->peer);
	if (atomic_load(&team->failed))
		return true;
	if (is_pair(call->coll))
		return !nth && !half_arrive(team, rank, seq, call, NULL);
	if (!nth || (op->open && op->nth != nth))
		return false;
	if (has_come(op, nth, rank))
		return misled(team, rank, call->coll, nth, "called it a second time");
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
	wake(team);
}

struct cc_op *cc_op_go(struct cc_team *team, uint64_t nth)
{
	struct cc_op *op = op_of(team, nth);

	if (op->open && op->nth == nth && op->arrived == team->members && !op->running) {
		cc_op_running(team, op);
		return op;
	}
	if (op->nth != nth)
		misled(team, 0, AXCC_NUM_COLLS, 0, "started a collective that nobody has called");
	else if (op->open && !op->running)
		misled(team, 0, op->req.coll, nth, "started it before all have called it");
	else
		misled(team, 0, op->req.coll, nth, "started it a second time");
	return NULL;
}

static struct cc_req *half_req(struct cc_team *team, const struct cc_half *half)
{
	return &cc_member_of(team, half->rank)->req[half->seq % CC_MAX_REQS];
}

void cc_half_running(struct cc_team *team, struct cc_half *half)
{
	half_req(team, half)->state = CC_REQ_RUNNING;
	team->launched_ns = cc_now_ns();
	wake(team);
}

bool cc_half_go(struct cc_team *team, uint32_t from, uint32_t to, struct cc_half **send,
		struct cc_half **recv)
{
	struct cc_pair *pair = pair_of(team, from, to);

	if (!pair)
		return false;
	*send = cc_member_of(team, from) ? pair_take(team, pair, AXCC_SEND) : NULL;
	*recv = cc_member_of(team, to) ? pair_take(team, pair, AXCC_RECV) : NULL;
	if ((cc_member_of(team, from) && !*send) || (cc_member_of(team, to) && !*recv) ||
	    (!*send && !*recv)) {
		if (*send)
			cc_half_free(team, *send);
		if (*recv)
			cc_half_free(team, *recv);
		return misled(team, 0, AXCC_SEND, 0, "started one that has not been called");
	}
	if (*send)
		cc_half_running(team, *send);
	if (*recv)
		cc_half_running(team, *recv);
	return true;
}

static void half_done(struct cc_team *team, struct cc_half *half)
{
	if (!half)
		return;
	half_req(team, half)->state = CC_REQ_DONE;
	cc_half_free(team, half);
}

void cc_item_done(struct cc_team *team, struct cc_item *item)
{
	uint32_t i;

	half_done(team, item->send);
	half_done(team, item->recv);
	for (i = 0; item->op && i < team->members; i++)
		team->member[i].req[item->op->seq[i] % CC_MAX_REQS].state = CC_REQ_DONE;
	if (item->op)
		op_close(team, item->op);
	wake(team);
}

static uint64_t allowed_ns(const struct cc_team *team)
{
	return team->timeout_ms * CC_MS - cc_remote_lead_ns(team);
}

static uint64_t half_due(const struct cc_team *team, const struct cc_half *h)
{
	return h ? h->since_ns + allowed_ns(team) : NEVER;
}

static uint64_t op_due(const struct cc_team *team, const struct cc_op *op)
{
	uint64_t since = op->since_ns > team->launched_ns ? op->since_ns : team->launched_ns;

	return op->open && op->arrived < team->ranks ? since + allowed_ns(team) : NEVER;
}

uint64_t cc_ops_due(struct cc_team *team)
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

bool cc_ops_judge(struct cc_team *team, uint64_t now_ns)
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

/* ---- looking on ---- */

/* The lock is held. Return: nothing of the rank is under way. */
bool cc_member_idle(struct cc_member *member)
{
	uint32_t i;

	for (i = 0; i < CC_MAX_REQS; i++) {
		struct cc_req *req = &member->req[i];

		if (req->state == CC_REQ_GROUPED || req->state == CC_REQ_POSTED ||
		    req->state == CC_REQ_RUNNING || on_card(req))
			return false;
	}
	return true;
}

/* Finds failures of operations that nobody waits for. */
void cc_member_look(struct cc_member *member)
{
	struct cc_team *team = member->team;
	uint64_t first, seq;

	pthread_mutex_lock(&team->lock);
	seq = member->seq;
	pthread_mutex_unlock(&team->lock);
	first = seq > CC_MAX_REQS ? seq - CC_MAX_REQS + 1 : 1;
	for (; first <= seq && !failure(team); first++)
		if (cc_wait(member, first, 0) == -ETIMEDOUT)
			return;
}
