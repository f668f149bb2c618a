// SPDX-License-Identifier: MIT
/*
 * pair.c - sends and receives. Those of a pair of ranks are matched in order, each direction for
 * itself; the half that comes second hands both over. Nothing here may wait with the team's lock
 * held.
 */
#include <errno.h>
#include <stdlib.h>

#include "remote.h"

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

/* ---- both halves ---- */

/* The job of a rank's half. */
static void half_launched(struct cc_team *team, const struct cc_half *h,
			  const struct cc_handed *handed, bool nothing)
{
	struct cc_member *m = cc_member_of(team, h->rank);
	struct cc_req *req = &m->req[h->seq % CC_MAX_REQS];

	if (nothing)
		req->state = CC_REQ_DONE;
	else
		cc_req_launched(req, m, handed);
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
	struct cc_handed handed;
	int err = 0;

	if (send->rank == recv->rank) {
		/* To itself: a rank is in a gang once, so it is a copy. */
		part[0].dst = recv->part.dst;
		part[0].dst_offset = recv->part.dst_offset;
		l.req.coll = AXCC_BROADCAST;
		l.req.ranks = 1;
	}
	if (send->count)
		err = cc_hand_over(team, &l, &handed, &blame);
	if (err)
		return err;
	half_launched(team, send, &handed, !send->count);
	half_launched(team, recv, &handed, !send->count);
	team->launched_ns = cc_now_ns();
	cc_team_wake(team);
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

/* ---- one half ---- */

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
int cc_half_arrive(struct cc_team *team, uint32_t rank, uint64_t seq, const struct cc_call *call,
		   const struct cc_part *part)
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

/* ---- several processes ---- */

static struct cc_req *half_req(struct cc_team *team, const struct cc_half *half)
{
	return &cc_member_of(team, half->rank)->req[half->seq % CC_MAX_REQS];
}

void cc_half_running(struct cc_team *team, struct cc_half *half)
{
	half_req(team, half)->state = CC_REQ_RUNNING;
	team->launched_ns = cc_now_ns();
	cc_team_wake(team);
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
		return cc_misled(team, 0, AXCC_SEND, 0, "started one that has not been called");
	}
	if (*send)
		cc_half_running(team, *send);
	if (*recv)
		cc_half_running(team, *recv);
	return true;
}

void cc_half_done(struct cc_team *team, struct cc_half *half)
{
	if (!half)
		return;
	half_req(team, half)->state = CC_REQ_DONE;
	cc_half_free(team, half);
}
