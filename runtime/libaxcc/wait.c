// SPDX-License-Identifier: MIT
/*
 * wait.c - waiting for operations: until the other ranks have come, then until the job has ended.
 * No wait may be without an end, and none may hold the team's lock but that on its condition.
 */
#include <errno.h>
#include <time.h>

#include "internal.h"

/* How often a rank is looked for that is about to come. */
#define LOOK_NS	(10 * CC_MS)

static int failure(struct cc_team *team)
{
	return atomic_load_explicit(&team->failed, memory_order_acquire) ? team->error.error : 0;
}

/* ---- for other ranks ---- */

void cc_team_sleep(struct cc_team *team, uint64_t ns)
{
	uint64_t now = cc_now_ns();
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
	return cc_is_pair(req->coll) ? rank == req->peer :
		!axcc_ranks_has(&cc_op_of(team, req->nth)->came, rank);
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

	if (team->remote || now >= cc_req_due_ns(team, req) + CC_MS * 2 * team->timeout_ms)
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
		cc_overdue(team, req);
	else if (now >= deadline_ns)
		return -ETIMEDOUT;
	else
		cc_team_sleep(team, now + LOOK_NS);
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
		uint64_t due = req->state == CC_REQ_POSTED ? cc_req_due_ns(team, req) : CC_NEVER;

		if (now < due && now >= deadline_ns)
			return -ETIMEDOUT;
		if (now < due)
			cc_team_sleep(team, due < deadline_ns ? due : deadline_ns);
		else if (past_due(team, req, now, deadline_ns) == -ETIMEDOUT && !failure(team))
			return -ETIMEDOUT;
	}
	return failure(team);
}

/* ---- for jobs ---- */

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

/* ---- looking on ---- */

/* The lock is held. Return: nothing of the rank is under way. */
bool cc_member_idle(struct cc_member *member)
{
	uint32_t i;

	for (i = 0; i < CC_MAX_REQS; i++)
		if (cc_req_busy(&member->req[i]))
			return false;
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
