// SPDX-License-Identifier: MIT
/*
 * regroup.c - split and shrink: ranks of a communicator, which may have failed, come together again
 * and make another one.
 *
 * In one process they find each other in the team. Ranks of several processes ask the process of
 * the lowest rank that they think alive, each over a connection of its own, since those of the team
 * may be broken; its control thread collects them, opens a meeting place and tells all where it is.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "regroup.h"

/* A rank that wants a new communicator. */
struct regroup_task {
	struct cc_task base;
	struct cc_member *member;
	struct cc_call_together want;
};

static uint64_t timeout_ns(const struct cc_team *team)
{
	return team->timeout_ms * CC_MS;
}

/* ---- who belongs to it ---- */

static bool same_members(const struct cc_call_together *a, const struct cc_call_together *b)
{
	return a->count == b->count && !memcmp(a->member, b->member, a->count * sizeof(*a->member));
}

static struct cc_gathering *gathering_of(struct cc_team *team, const struct cc_call_together *want)
{
	struct cc_gathering *g;
	uint32_t i;

	for (g = team->gatherings; g; g = g->next)
		if (!g->done && !g->making && same_members(&g->want, want) &&
		    !axcc_ranks_has(&g->came, want->rank))
			return g;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->want = *want;
	g->want.lost = team->lost;
	g->deadline_ns = cc_now_ns() + timeout_ns(team);
	for (i = 0; i < AXCC_MAX_RANKS; i++)
		g->fd[i] = -1;
	g->next = team->gatherings;
	team->gatherings = g;
	return g;
}

static void gathering_unlink(struct cc_team *team, struct cc_gathering *g)
{
	struct cc_gathering **link = &team->gatherings;

	while (*link != g)
		link = &(*link)->next;
	*link = g->next;
}

static void come(struct cc_gathering *g, const struct cc_call_together *want)
{
	axcc_ranks_add(&g->came, want->rank);
	g->want.lost.bits[0] |= want->lost.bits[0];
	g->want.lost.bits[1] |= want->lost.bits[1];
}

/* Is a rank of the old communicator meant, and not known to be lost? */
static bool expected(const struct cc_team *team, const struct cc_gathering *g, uint32_t rank)
{
	uint32_t i;

	if (!g->want.count)
		return !axcc_ranks_has(&g->want.lost, rank) && !axcc_ranks_has(&team->gone, rank);
	for (i = 0; i < g->want.count; i++)
		if (g->want.member[i] == rank)
			return true;
	return false;
}

/* Who has not come yet, or AXCC_NO_RANK. */
static uint32_t absent(const struct cc_team *team, const struct cc_gathering *g)
{
	uint32_t r;

	for (r = 0; r < team->ranks; r++)
		if (expected(team, g, r) && !axcc_ranks_has(&g->came, r))
			return r;
	return AXCC_NO_RANK;
}

/* Time is over: a shrink goes on without who is not there, a split cannot. */
static void give_up(struct cc_team *team, struct cc_gathering *g)
{
	uint32_t r = absent(team, g);

	if (g->want.count) {
		g->blame = (struct cc_blame) {
			.kind = AXCC_ERROR_TIMEOUT,
			.error = -ETIME,
			.rank = r,
			.coll = AXCC_NUM_COLLS,
			.detail = "did not come to the split in time",
		};
		return;
	}
	for (; r != AXCC_NO_RANK; r = absent(team, g)) {
		axcc_ranks_add(&g->want.lost, r);
		cc_rank_lost(team, r);
	}
}

/* The new communicator's ranks, in order. Return: how many. */
static uint32_t list_members(const struct cc_team *team, const struct cc_gathering *g,
			     uint16_t *member)
{
	uint32_t r, n = 0;

	if (g->want.count) {
		memcpy(member, g->want.member, g->want.count * sizeof(*member));
		return g->want.count;
	}
	for (r = 0; r < team->ranks; r++)
		if (expected(team, g, r) && axcc_ranks_has(&g->came, r))
			member[n++] = (uint16_t)r;
	return n;
}

static struct cc_blame left_out(uint32_t rank)
{
	return (struct cc_blame) {
		.kind = AXCC_ERROR_RANK_LOST,
		.error = -ESTALE,
		.rank = rank,
		.coll = AXCC_NUM_COLLS,
		.detail = "was taken for lost by the others",
	};
}

/* ---- one process ---- */

/* Makes the team, without the lock. */
static void make_here(struct cc_team *team, struct cc_gathering *g)
{
	struct axcc_comm *into[AXCC_MAX_RANKS];
	struct axon_device *dev[AXCC_MAX_RANKS];
	uint32_t core[AXCC_MAX_RANKS];
	uint16_t member[AXCC_MAX_RANKS];
	struct cc_team *made;
	uint32_t n, i;
	int err;

	n = list_members(team, g, member);
	if (!n) {
		/* All were taken for lost by one another; each learns that it was. */
		g->done = true;
		pthread_cond_broadcast(&team->cond);
		return;
	}
	for (i = 0; i < n; i++) {
		struct cc_member *m = cc_member_of(team, member[i]);

		into[i] = g->into[member[i]];
		dev[i] = m->dev;
		core[i] = m->core;
	}
	g->making = true;
	pthread_mutex_unlock(&team->lock);
	err = cc_join_here(into, dev, core, n, &made, &g->blame);
	pthread_mutex_lock(&team->lock);
	if (err && !g->blame.error)
		g->blame = (struct cc_blame) {
			.kind = AXCC_ERROR_INTERNAL,
			.error = err,
			.rank = AXCC_NO_RANK,
			.coll = AXCC_NUM_COLLS,
		};
	for (i = 0; i < n && !err; i++) {
		if (i)
			cc_team_get(made);
		g->made[member[i]] = &made->member[i];
	}
	g->done = true;
	pthread_cond_broadcast(&team->cond);
}

/* Until the team is made, by this rank or another. The lock is held. */
static void gather_here(struct cc_team *team, struct cc_gathering *g, struct axcc_comm *into)
{
	while (!g->done) {
		if (!g->making && atomic_load(&into->aborted)) {
			/* The others cannot do without a member that they have counted. */
			g->blame = (struct cc_blame) {
				.kind = AXCC_ERROR_ABORTED,
				.error = -ECANCELED,
				.rank = AXCC_NO_RANK,
				.coll = AXCC_NUM_COLLS,
				.detail = "aborted",
			};
			g->done = true;
			pthread_cond_broadcast(&team->cond);
			break;
		}
		if (!g->making && absent(team, g) != AXCC_NO_RANK &&
		    cc_now_ns() >= g->deadline_ns)
			give_up(team, g);
		if (!g->making && g->blame.error) {
			g->done = true;
			pthread_cond_broadcast(&team->cond);
		} else if (!g->making && absent(team, g) == AXCC_NO_RANK) {
			make_here(team, g);
		} else {
			cc_team_sleep(team, g->making ? cc_now_ns() + CC_SECOND : g->deadline_ns);
		}
	}
}

static int regroup_here(struct regroup_task *t, struct cc_member **member, struct cc_blame *blame)
{
	struct cc_team *team = t->member->team;
	struct axcc_comm *into = t->base.comm;
	uint32_t rank = t->member->rank;
	struct cc_gathering *g;

	pthread_mutex_lock(&team->lock);
	if (!t->want.count && axcc_ranks_has(&team->lost, rank))
		*blame = left_out(rank);
	g = blame->error ? NULL : gathering_of(team, &t->want);
	if (!g) {
		pthread_mutex_unlock(&team->lock);
		return blame->error ? blame->error : -ENOMEM;
	}
	come(g, &t->want);
	g->into[rank] = into;
	g->users++;
	/* The one before may have waited for this. */
	pthread_cond_broadcast(&team->cond);
	cc_comm_waits(into, team);
	gather_here(team, g, into);
	cc_comm_waits(into, NULL);
	*member = g->made[rank];
	*blame = g->blame;
	if (!blame->error && !*member)
		*blame = left_out(rank);
	if (!--g->users) {
		gathering_unlink(team, g);
		free(g);
	}
	pthread_mutex_unlock(&team->lock);
	return blame->error;
}

/* ---- several processes: the process that is asked ---- */

static void answer(struct cc_gathering *g, uint32_t rank, const struct cc_together *together)
{
	struct cc_limit now = { cc_now_ns() + CC_SECOND, -1 };

	/* It fits into the socket; who has gone in the meantime misses nothing. */
	cc_wire_send(g->fd[rank], CC_WIRE_SHRUNK, together, sizeof(*together), &now);
	close(g->fd[rank]);
	g->fd[rank] = -1;
}

static bool in_list(const struct cc_together *t, uint32_t rank)
{
	uint32_t i;

	for (i = 0; i < t->count; i++)
		if (t->member[i] == rank)
			return true;
	return false;
}

/* A place where they meet; the root's thread lives until this team is freed, and sleeps. */
static void open_place(struct cc_team *team, struct cc_gathering *g, struct cc_together *t)
{
	struct cc_remote *r = team->remote;
	struct axcc_root *root;
	int err = r->num_roots < CC_MAX_ROOTS ? 0 : -ENOSPC;

	t->id = (struct cc_id) { .magic = CC_ID_MAGIC, .address = r->own };
	t->id.address.port = 0;
	if (!err)
		err = cc_id_key(&t->id);
	if (!err)
		err = cc_root_start(&t->id, &root);
	if (!err) {
		r->root[r->num_roots++] = root;
		return;
	}
	t->blame = (struct cc_blame) {
		.kind = AXCC_ERROR_INTERNAL,
		.error = err,
		.rank = team->member[0].rank,
		.coll = AXCC_NUM_COLLS,
		.detail = "cannot open a place to meet",
	};
}

static void conclude(struct cc_team *team, struct cc_gathering *g)
{
	struct cc_together t = { .blame = g->blame };
	struct cc_together out = { 0 };
	uint32_t r;

	t.count = list_members(team, g, t.member);
	if (!t.blame.error)
		open_place(team, g, &t);
	for (r = 0; r < team->ranks; r++) {
		if (g->fd[r] < 0)
			continue;
		out.blame = left_out(r);
		answer(g, r, t.blame.error || in_list(&t, r) ? &t : &out);
	}
	gathering_unlink(team, g);
	free(g);
}

static bool good_request(const struct cc_team *team, const struct cc_call_together *want)
{
	struct axcc_ranks seen = { { 0 } };
	uint32_t i;

	if (want->session != team->remote->session || want->rank >= team->ranks ||
	    want->count > team->ranks)
		return false;
	for (i = 0; i < want->count; i++) {
		if (want->member[i] >= team->ranks || axcc_ranks_has(&seen, want->member[i]))
			return false;
		axcc_ranks_add(&seen, want->member[i]);
	}
	return !want->count || axcc_ranks_has(&seen, want->rank);
}

bool cc_gather_ask(struct cc_team *team, int fd, const void *data, uint32_t length)
{
	struct cc_call_together want;
	struct cc_gathering *g;

	if (length != sizeof(want))
		return false;
	memcpy(&want, data, sizeof(want));
	if (!good_request(team, &want))
		return false;
	g = gathering_of(team, &want);
	if (!g)
		return false;
	come(g, &want);
	g->fd[want.rank] = fd;
	return true;
}

uint64_t cc_gather_look(struct cc_team *team, uint64_t now_ns)
{
	struct cc_gathering *g, *next;
	uint64_t due = UINT64_MAX;

	for (g = team->gatherings; g; g = next) {
		next = g->next;
		if (absent(team, g) != AXCC_NO_RANK && now_ns >= g->deadline_ns)
			give_up(team, g);
		if (g->blame.error || absent(team, g) == AXCC_NO_RANK)
			conclude(team, g);
		else if (g->deadline_ns < due)
			due = g->deadline_ns;
	}
	return due;
}

void cc_gather_free(struct cc_team *team)
{
	struct cc_gathering *g;
	uint32_t r;

	while ((g = team->gatherings)) {
		team->gatherings = g->next;
		for (r = 0; r < AXCC_MAX_RANKS; r++)
			if (g->fd[r] >= 0)
				close(g->fd[r]);
		free(g);
	}
}

/* ---- several processes: the rank that asks ---- */

/* The process to ask: that of the lowest rank not known to be lost. */
static uint32_t whom_to_ask(struct cc_team *team, const struct cc_call_together *want)
{
	uint32_t r;

	if (want->count)
		return team->remote->proc_of[want->member[0]];
	for (r = 0; r < team->ranks; r++)
		if (!axcc_ranks_has(&want->lost, r) && !axcc_ranks_has(&team->gone, r))
			return team->remote->proc_of[r];
	return team->remote->self;
}

bool cc_together_check(struct cc_together *together, uint32_t ranks)
{
	uint32_t i;

	if (together->blame.error)
		return cc_blame_check(&together->blame, ranks);
	if (together->id.magic != CC_ID_MAGIC || !together->count || together->count > ranks)
		return false;
	for (i = 0; i < together->count; i++)
		if (together->member[i] >= ranks)
			return false;
	return true;
}

static int ask(struct cc_team *team, uint32_t proc, const struct cc_call_together *want,
	       const struct cc_limit *limit, struct cc_together *together)
{
	uint32_t length = sizeof(*together);
	uint16_t type;
	int fd;
	int err = cc_address_connect(&team->remote->proc[proc].control, limit, &fd);

	if (err)
		return err == -ECANCELED ? err : -ECONNRESET;
	err = cc_wire_send(fd, CC_WIRE_SHRINK, want, sizeof(*want), limit);
	if (!err)
		err = cc_wire_recv(fd, &type, together, &length, limit);
	close(fd);
	if (!err && (type != CC_WIRE_SHRUNK || length != sizeof(*together) ||
		     !cc_together_check(together, team->ranks)))
		err = -EPROTO;
	return err;
}

/* A process that cannot be asked is lost with all its ranks. */
static void lose_proc(struct cc_team *team, uint32_t proc, struct cc_call_together *want)
{
	uint32_t r;

	for (r = 0; r < team->ranks; r++)
		if (team->remote->proc_of[r] == proc)
			axcc_ranks_add(&want->lost, r);
}

static int meet_again(struct regroup_task *t, const struct cc_together *together,
		      struct cc_member **member, struct cc_blame *blame)
{
	uint32_t i;

	for (i = 0; i < together->count; i++)
		if (together->member[i] == t->member->rank)
			break;
	if (i == together->count)
		return -EPROTO;
	return cc_meet(t->base.comm, &together->id, together->count, i, t->member->dev,
		       t->member->core, member, blame);
}

/* One attempt. *@again: somebody was lost meanwhile, and without him it may work. */
static int attempt(struct regroup_task *t, struct cc_member **member, struct cc_blame *blame,
		   bool *again)
{
	struct cc_team *team = t->member->team;
	struct cc_limit limit = {
		cc_now_ns() + timeout_ns(team) + cc_remote_lead_ns(team),
		t->base.comm->abort_fd,
	};
	uint32_t proc = whom_to_ask(team, &t->want);
	struct cc_together together;
	bool lost;
	int err = ask(team, proc, &t->want, &limit, &together);

	lost = err == -ECONNRESET || err == -ETIME;
	*again = lost && !t->want.count && proc != team->remote->self;
	if (lost)
		lose_proc(team, proc, &t->want);
	if (err)
		return err;
	*blame = together.blame;
	if (blame->error)
		return blame->error;
	err = meet_again(t, &together, member, blame);
	*again = !t->want.count && (err == -ECONNRESET || err == -ETIME);
	if (*again && blame->rank < together.count)
		axcc_ranks_add(&t->want.lost, together.member[blame->rank]);
	return err;
}

static int regroup_far(struct regroup_task *t, struct cc_member **member, struct cc_blame *blame)
{
	struct cc_team *team = t->member->team;
	uint64_t end = cc_now_ns() + 3 * timeout_ns(team);
	bool again;
	int err;

	pthread_mutex_lock(&team->lock);
	t->want.lost = team->lost;
	pthread_mutex_unlock(&team->lock);
	do {
		if (!t->want.count && axcc_ranks_has(&t->want.lost, t->want.rank)) {
			*blame = left_out(t->want.rank);
			return blame->error;
		}
		*blame = (struct cc_blame) { 0 };
		err = attempt(t, member, blame, &again);
	} while (err && again && cc_now_ns() < end);
	return err;
}

/* ---- public functions ---- */

static int run_regroup(struct cc_task *base)
{
	struct regroup_task *t = (struct regroup_task *)base;
	struct cc_member *member = NULL;
	struct cc_blame blame = { 0 };
	int err;

	err = t->member->team->remote ? regroup_far(t, &member, &blame) :
		regroup_here(t, &member, &blame);
	return cc_comm_finish(base->comm, member, err, &blame);
}

static int regroup(struct axcc_comm *comm, const uint32_t *members, uint32_t count,
		   struct axcc_comm *into)
{
	struct cc_member *m = atomic_load(&comm->member);
	struct regroup_task *t;
	uint32_t i;

	if (!m || into == comm)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->base.run = run_regroup;
	t->base.comm = into;
	t->member = m;
	t->want.session = m->team->remote ? m->team->remote->session : 0;
	t->want.rank = m->rank;
	t->want.count = count;
	for (i = 0; i < count; i++)
		t->want.member[i] = (uint16_t)members[i];
	return cc_task_begin(&t->base);
}

AXCC_API int axcc_comm_split(struct axcc_comm *comm, const uint32_t *members, uint32_t count,
			     struct axcc_comm *into)
{
	uint32_t ranks = axcc_comm_ranks(comm);
	struct axcc_ranks seen = { { 0 } };
	uint32_t i;

	if (!comm || !members || !into || !count || count > ranks)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		if (members[i] >= ranks || axcc_ranks_has(&seen, members[i]))
			return -EINVAL;
		axcc_ranks_add(&seen, members[i]);
	}
	if (!axcc_ranks_has(&seen, axcc_comm_rank(comm)))
		return -EINVAL;
	return regroup(comm, members, count, into);
}

AXCC_API int axcc_comm_shrink(struct axcc_comm *comm, struct axcc_comm *into)
{
	if (!comm || !into)
		return -EINVAL;
	return regroup(comm, NULL, 0, into);
}
