// SPDX-License-Identifier: MIT
/*
 * drain.c - when a process that leaves may go. Data that it has sent may still lie in its endpoint
 * or on the way, and closing the endpoint loses them, although nothing is under way at its own
 * ranks any more. So the coordinator has every other process put a mark behind what it has to carry
 * out; when all have come to it, who left is dismissed.
 */
#include <string.h>

#include "remote.h"

static bool is_empty(const struct axcc_ranks *set)
{
	uint64_t bits = 0;
	uint32_t i;

	for (i = 0; i < AXCC_MAX_RANKS / 64; i++)
		bits |= set->bits[i];
	return !bits;
}

/* Process @taker has all data of @proc, or will never have them. */
static void taken(struct cc_remote *r, uint32_t taker, uint32_t proc)
{
	struct axcc_ranks *takers = &r->proc[proc].takers;

	takers->bits[taker / 64] &= ~(1ull << taker % 64);
	if (!is_empty(takers))
		return;
	/* The coordinator waits for itself and for all others that it has not dismissed. */
	pthread_cond_broadcast(&r->team->cond);
	if (proc != r->self)
		cc_remote_queue(r, proc, CC_WIRE_DISMISS, &proc, sizeof(proc));
}

void cc_drain_begin(struct cc_remote *r, uint32_t proc)
{
	struct cc_item mark = { .from = proc };
	uint32_t i;

	/* Itself, so that it is not dismissed before all have been asked. */
	axcc_ranks_add(&r->proc[proc].takers, proc);
	for (i = 0; i < r->procs; i++) {
		if (i == proc || r->proc[i].gone)
			continue;
		axcc_ranks_add(&r->proc[proc].takers, i);
		if (i == r->self)
			cc_remote_add_item(r, &mark);
		else
			cc_remote_queue(r, i, CC_WIRE_DRAIN, &proc, sizeof(proc));
	}
	taken(r, proc, proc);
}

/* All three messages name the process that has left. */
static bool take_proc(const struct cc_remote *r, const void *data, uint32_t length, uint32_t *proc)
{
	if (length != sizeof(*proc))
		return false;
	memcpy(proc, data, sizeof(*proc));
	return *proc < r->procs;
}

bool cc_drain_asked(struct cc_remote *r, const void *data, uint32_t length)
{
	struct cc_item mark = { 0 };
	uint32_t proc;

	if (!take_proc(r, data, length, &proc) || proc == r->self ||
	    axcc_ranks_has(&r->proc[proc].takers, r->self))
		return false;
	/* Once. */
	axcc_ranks_add(&r->proc[proc].takers, r->self);
	mark.from = proc;
	cc_remote_add_item(r, &mark);
	return true;
}

bool cc_drain_answered(struct cc_remote *r, uint32_t taker, const void *data, uint32_t length)
{
	uint32_t proc;

	if (!take_proc(r, data, length, &proc) || proc == taker ||
	    !axcc_ranks_has(&r->proc[proc].takers, taker))
		return false;
	taken(r, taker, proc);
	return true;
}

bool cc_drain_dismissed(struct cc_remote *r, const void *data, uint32_t length)
{
	const struct cc_proc *self = &r->proc[r->self];
	uint32_t proc;

	if (!take_proc(r, data, length, &proc) || proc != r->self || self->left < self->count)
		return false;
	r->dismissed = true;
	pthread_cond_broadcast(&r->team->cond);
	return true;
}

void cc_drain_reached(struct cc_remote *r, uint32_t proc)
{
	if (cc_coordinates(r->team))
		taken(r, r->self, proc);
	else
		cc_remote_queue(r, 0, CC_WIRE_DRAINED, &proc, sizeof(proc));
}

void cc_drain_gone(struct cc_remote *r, uint32_t proc)
{
	uint32_t i;

	for (i = 0; i < r->procs; i++)
		if (axcc_ranks_has(&r->proc[i].takers, proc))
			taken(r, proc, i);
	/* Without a coordinator nobody is dismissed; one that has left has all that was sent. */
	if (!proc)
		r->dismissed = true;
	pthread_cond_broadcast(&r->team->cond);
}

static bool may_go(const struct cc_remote *r)
{
	uint32_t i;

	if (!cc_coordinates(r->team))
		return r->dismissed;
	for (i = 0; i < r->procs; i++)
		if (!r->proc[i].gone && !is_empty(&r->proc[i].takers))
			return false;
	return true;
}

void cc_drain_wait(struct cc_team *team)
{
	struct cc_remote *r = team->remote;
	uint64_t end = cc_now_ns() + team->timeout_ms * CC_MS;

	pthread_mutex_lock(&team->lock);
	while (!atomic_load(&team->failed) && !may_go(r) && cc_now_ns() < end)
		cc_team_sleep(team, end);
	pthread_mutex_unlock(&team->lock);
}
