// SPDX-License-Identifier: MIT
/*
 * team.c - the ranks of one communicator in this process: making them, failing, freeing. A team
 * fails once and as a whole; it never comes back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "remote.h"

/* How long the card of another rank of this process may take to say why it left a gang. */
#define SETTLE_NS	(100 * CC_MS)

/* ---- who a rank is ---- */

static int take_ways(struct cc_seat *seat, struct axon_device *dev)
{
	struct drm_axon_link links[AXON_MAX_PEERS];
	uint32_t count = AXON_MAX_PEERS;
	uint32_t i;
	int err = axon_device_links(dev, links, &count);

	if (err)
		return err;
	for (i = 0; i < count && i < AXON_MAX_PEERS; i++) {
		if (links[i].peer >= AXON_MAX_PEERS || links[i].state != AXON_PEER_UP)
			continue;
		seat->way[links[i].peer] = (struct cc_way) {
			.mb_s = (uint32_t)(links[i].bandwidth / 1000000),
			.latency_ns = links[i].latency_ns,
			.hops = links[i].distance,
		};
	}
	return 0;
}

static uint64_t random64(void)
{
	uint64_t value;

	if (getrandom(&value, sizeof(value), 0) != sizeof(value))
		value = cc_now_ns() * 0x9e3779b97f4a7c15ull;
	return value;
}

/* Not the pid alone: containers have the same ones. A child of fork() is another process. */
static uint64_t process_token(void)
{
	static _Atomic uint64_t token;
	uint64_t none = 0;

	if (!atomic_load(&token))
		atomic_compare_exchange_strong(&token, &none, random64() | 1);
	return atomic_load(&token) ^ (uint64_t)getpid() << 32;
}

static uint64_t text_hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
	return h;
}

/* The machine, as long as it runs. */
static uint64_t host_number(void)
{
	char id[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file) {
		if (!fgets(id, sizeof(id), file))
			id[0] = '\0';
		fclose(file);
	}
	return text_hash(id);
}

int cc_seat_take(struct cc_seat *seat, struct axon_device *dev, uint32_t core)
{
	struct drm_axon_query_device info;
	int err = axon_device_query(dev, &info);

	if (err)
		return err;
	memset(seat, 0, sizeof(*seat));
	gethostname(seat->info.host, sizeof(seat->info.host) - 1);
	snprintf(seat->info.card, sizeof(seat->info.card), "%s", axon_device_path(dev));
	seat->info.core = core;
	seat->info.pid = (uint32_t)getpid();
	seat->info.fabric_uid = info.fabric_uid;
	seat->info.fabric_id = info.fabric_uid ? info.fabric_id : AXON_NO_PEER;
	seat->host = host_number();
	seat->process = process_token();
	/* A soft card is the handle's own; a device node is the same card in all processes. */
	seat->card = axon_device_fd(dev) >= 0 ? text_hash(seat->info.card) :
		(uintptr_t)dev ^ seat->process;
	return info.fabric_uid ? take_ways(seat, dev) : 0;
}

bool cc_same_card(const struct cc_seat *a, const struct cc_seat *b)
{
	if (a->info.fabric_uid || b->info.fabric_uid)
		return a->info.fabric_uid == b->info.fabric_uid &&
			a->info.fabric_id == b->info.fabric_id;
	return a->host == b->host && a->card == b->card;
}

static bool linked(const struct cc_seat *a, const struct cc_seat *b)
{
	if (cc_same_card(a, b))
		return true;
	return a->info.fabric_uid && a->info.fabric_uid == b->info.fabric_uid &&
		b->info.fabric_id < AXON_MAX_PEERS && a->way[b->info.fabric_id].hops;
}

static int blame_seat(struct cc_blame *blame, int error, uint32_t rank, uint32_t other,
		      const char *what)
{
	blame->kind = error == -EPROTO ? AXCC_ERROR_MISMATCH : AXCC_ERROR_LINK;
	blame->error = error;
	blame->rank = rank;
	snprintf(blame->detail, sizeof(blame->detail), "%s rank %u", what, other);
	return error;
}

static int check_seats(const struct cc_seat *seat, uint32_t ranks, struct cc_blame *blame)
{
	uint32_t a, b;

	for (b = 0; b < ranks; b++)
		for (a = 0; a < b; a++) {
			/* Ranks of different processes talk over the network. */
			if (seat[a].process == seat[b].process && !linked(&seat[a], &seat[b]))
				return blame_seat(blame, -EOPNOTSUPP, b, a,
						  "has a card that no link joins to that of");
			if (cc_same_card(&seat[a], &seat[b]) &&
			    seat[a].info.core == seat[b].info.core)
				return blame_seat(blame, -EPROTO, b, a, "has the core of");
		}
	return 0;
}

/* ---- making ---- */

static void init_sync(struct cc_team *team)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&team->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&team->cond, &attr);
	pthread_condattr_destroy(&attr);
}

static int init_ops(struct cc_team *team)
{
	uint32_t i;

	for (i = 0; i < CC_MAX_OPS; i++) {
		struct cc_op *op = &team->op[i];

		op->targets = calloc(team->ranks, sizeof(*op->targets));
		op->part = calloc(team->ranks, sizeof(*op->part));
		op->seq = calloc(team->members, sizeof(*op->seq));
		if (!op->targets || !op->part || !op->seq)
			return -ENOMEM;
	}
	return 0;
}

static int init_options(struct cc_team *team, const struct axcc_options *options)
{
	team->timeout_ms = options->timeout_ms ? options->timeout_ms : AXCC_DEFAULT_TIMEOUT_MS;
	team->spin_us = options->spin_us;
	team->log = options->log;
	team->log_opaque = options->log_opaque;
	if (!options->algorithm)
		return 0;
	team->algorithm = strdup(options->algorithm);
	return team->algorithm ? 0 : -ENOMEM;
}

static int init_members(struct cc_team *team, const struct cc_joiner *joiner)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < AXCC_MAX_RANKS; i++) {
		team->member_of[i] = CC_NO_MEMBER;
		team->identity[i] = i;
	}
	for (i = 0; i < team->members; i++) {
		struct cc_member *m = &team->member[i];

		m->team = team;
		m->index = i;
		m->rank = joiner[i].rank;
		m->dev = joiner[i].dev;
		m->core = joiner[i].core;
		team->member_of[m->rank] = (uint16_t)i;
		err = err ? err : cc_member_init(m, joiner[i].options);
	}
	return err;
}

static int init_gang(struct cc_team *team)
{
	uint64_t size = AXON_GANG_SIZE *
		(CC_FIRST_PAIR_SLOT + (uint64_t)team->ranks * team->ranks);
	uint32_t i;
	int err;

	if (team->ranks == 1)
		return 0;
	err = cc_buffer_new(&team->member[0], size, &team->gang);
	for (i = 0; i < team->members && !err; i++)
		err = cc_buffer_bind(&team->member[i], team->gang, &team->member[i].gang);
	return err;
}

static int init_team(struct cc_team *team, const struct cc_joiner *joiner)
{
	int err;

	team->member = calloc(team->members, sizeof(*team->member));
	if (!team->member)
		return -ENOMEM;
	err = init_options(team, joiner[0].options);
	if (!err)
		err = init_members(team, joiner);
	if (!err)
		err = init_ops(team);
	if (!err)
		err = init_gang(team);
	return err;
}

int cc_team_create(struct cc_seat *seat, uint32_t ranks, const struct cc_joiner *joiner,
		   uint32_t joiners, struct cc_team **out, struct cc_blame *blame)
{
	struct cc_team *team = NULL;
	int err = check_seats(seat, ranks, blame);

	if (!err) {
		team = calloc(1, sizeof(*team));
		err = team ? 0 : -ENOMEM;
	}
	if (err) {
		free(seat);
		return err;
	}
	init_sync(team);
	atomic_init(&team->refs, 1);
	team->seat = seat;
	team->ranks = ranks;
	team->members = joiners;
	err = init_team(team, joiner);
	if (err) {
		cc_team_put(team);
		return err;
	}
	*out = team;
	return 0;
}

/* ---- freeing ---- */

void cc_team_get(struct cc_team *team)
{
	atomic_fetch_add_explicit(&team->refs, 1, memory_order_relaxed);
}

static void free_ops(struct cc_team *team)
{
	uint32_t i, r;

	for (i = 0; i < CC_MAX_OPS; i++) {
		struct cc_op *op = &team->op[i];

		for (r = 0; op->part && r < team->ranks; r++)
			cc_part_put(&op->part[r]);
		free(op->targets);
		free(op->part);
		free(op->seq);
	}
	cc_pairs_free(team);
}

void cc_team_put(struct cc_team *team)
{
	uint32_t i;

	if (atomic_fetch_sub_explicit(&team->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (team->remote)
		cc_drain_wait(team);
	for (i = 0; team->member && i < team->members; i++)
		axon_queue_cancel(team->member[i].queue);
	cc_remote_stop(team);
	pthread_mutex_lock(&team->lock);
	free_ops(team);
	if (team->member)
		cc_plans_free(team);
	pthread_mutex_unlock(&team->lock);
	if (team->member)
		cc_buffers_free(team);
	for (i = 0; team->member && i < team->members; i++)
		cc_member_exit(&team->member[i]);
	pthread_cond_destroy(&team->cond);
	pthread_mutex_destroy(&team->lock);
	free(team->algorithm);
	free(team->member);
	free(team->seat);
	free(team);
}

/* ---- failing ---- */

void cc_rank_lost(struct cc_team *team, uint32_t rank)
{
	axcc_ranks_add(&team->lost, rank);
}

static bool costs_rank(uint32_t kind)
{
	return kind != AXCC_ERROR_MISMATCH && kind != AXCC_ERROR_INTERNAL;
}

void cc_team_fail(struct cc_team *team, const struct cc_blame *blame)
{
	uint32_t i;

	if (atomic_load(&team->failed))
		return;
	cc_error_make(&team->error, blame, team->seat);
	team->error_nth = blame->nth;
	if (blame->rank != AXCC_NO_RANK && costs_rank(blame->kind))
		cc_rank_lost(team, blame->rank);
	atomic_store_explicit(&team->failed, true, memory_order_release);
	for (i = 0; i < team->members; i++)
		axon_queue_cancel(team->member[i].queue);
	if (team->log)
		team->log(team->log_opaque, AXON_LOG_ERROR, team->error.text);
	if (team->remote)
		cc_remote_fail(team, blame);
	pthread_cond_broadcast(&team->cond);
}

/* The other ranks of this process look at their jobs, so that the one at fault is known. */
static void settle(struct cc_team *team)
{
	uint64_t until = cc_now_ns() + SETTLE_NS;
	struct drm_axon_queue_get_state state;
	uint32_t i;

	for (i = 0; i < team->members; i++)
		if (!axon_queue_state(team->member[i].queue, &state))
			axon_wait_until(team->member[i].queue, state.submitted, until);
}

int cc_team_job_failed(struct cc_member *member, const struct cc_req *req, int error)
{
	struct cc_team *team = member->team;
	struct cc_blame blame = { .coll = req->coll, .nth = req->nth };

	settle(team);
	pthread_mutex_lock(&team->lock);
	if (!atomic_load(&team->failed)) {
		if (!cc_blame_cards(team, &blame))
			cc_blame_member(member, error, &blame);
		cc_team_fail(team, &blame);
	}
	error = team->error.error;
	pthread_mutex_unlock(&team->lock);
	return error;
}

/* ---- leaving ---- */

static void fail_left(struct cc_team *team, uint32_t rank, uint32_t coll, uint64_t nth,
		      const char *detail)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_ABORTED,
		.error = -ECANCELED,
		.rank = rank,
		.coll = coll,
		.nth = nth,
	};

	snprintf(blame.detail, sizeof(blame.detail), "%s", detail);
	cc_team_fail(team, &blame);
}

/* The process that starts everything has left; what it has started goes on. */
static bool headless(const struct cc_team *team)
{
	const struct cc_proc *first = cc_coordinates(team) ? NULL : &team->remote->proc[0];

	return first && first->left == first->count;
}

void cc_team_check_gone(struct cc_team *team, uint32_t coll, uint64_t nth, uint32_t peer)
{
	uint32_t r;

	if (headless(team)) {
		fail_left(team, 0, coll, nth, "had left, whose process starts operations");
		return;
	}
	for (r = 0; r < team->ranks; r++)
		if (axcc_ranks_has(&team->gone, r) && (nth || r == peer)) {
			fail_left(team, r, coll, nth, "had left");
			return;
		}
}

/* Without a coordinator nobody starts what waits to be started. */
static void fail_posted(struct cc_team *team)
{
	uint32_t i, k;

	for (i = 0; headless(team) && i < team->members; i++)
		for (k = 0; k < CC_MAX_REQS; k++) {
			const struct cc_req *req = &team->member[i].req[k];

			if (req->state == CC_REQ_POSTED)
				cc_team_check_gone(team, req->coll, req->nth, req->peer);
		}
}

void cc_team_gone(struct cc_team *team, uint32_t rank)
{
	const struct cc_half *half;
	uint32_t i;

	axcc_ranks_add(&team->gone, rank);
	/* A shrink may have waited for nobody else. */
	pthread_cond_broadcast(&team->cond);
	/* Only the coordinator knows who has come. */
	if (!cc_coordinates(team)) {
		fail_posted(team);
		return;
	}
	/* Others wait for it in vain. */
	for (i = 0; i < CC_MAX_OPS && !atomic_load(&team->failed); i++)
		if (team->op[i].open && !axcc_ranks_has(&team->op[i].came, rank))
			fail_left(team, rank, team->op[i].req.coll, team->op[i].nth, "left");
	half = cc_half_for(team, rank);
	if (half)
		fail_left(team, rank, half->coll, 0, "left");
	if (cc_streams_need(team, rank))
		fail_left(team, rank, AXCC_NUM_COLLS, 0, "left");
}

void cc_team_leave(struct cc_member *member)
{
	struct cc_team *team = member->team;

	pthread_mutex_lock(&team->lock);
	if (!atomic_load(&team->failed) && !cc_member_idle(member))
		fail_left(team, member->rank, AXCC_NUM_COLLS, 0,
			  "left with operations under way");
	cc_team_gone(team, member->rank);
	if (team->remote)
		cc_remote_left(team, member->rank);
	pthread_mutex_unlock(&team->lock);
	cc_team_put(team);
}
