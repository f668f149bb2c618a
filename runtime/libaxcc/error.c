// SPDX-License-Identifier: MIT
/*
 * error.c - what is said about a failure, and what the cards say about whose it is. It decides
 * nothing: failing a team is team.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAX_ERRNO	4095

static const char *dtype_str(uint32_t dtype)
{
	static const char *const names[] = {
		[AXON_DTYPE_UINT64] = "uint64",
		[AXON_DTYPE_INT8] = "int8",
		[AXON_DTYPE_UINT8] = "uint8",
		[AXON_DTYPE_INT16] = "int16",
		[AXON_DTYPE_UINT16] = "uint16",
		[AXON_DTYPE_BFLOAT16] = "bfloat16",
		[AXON_DTYPE_FLOAT16] = "float16",
		[AXON_DTYPE_INT32] = "int32",
		[AXON_DTYPE_UINT32] = "uint32",
		[AXON_DTYPE_FLOAT32] = "float32",
		[AXON_DTYPE_FP32R] = "fp32r",
		[AXON_DTYPE_INT64] = "int64",
		[AXON_DTYPE_FP8_E3] = "fp8_e3",
		[AXON_DTYPE_FP8_E4] = "fp8_e4",
		[AXON_DTYPE_FP8_E5] = "fp8_e5",
	};

	return dtype < sizeof(names) / sizeof(names[0]) && names[dtype] ? names[dtype] : "?";
}

void cc_call_str(const struct cc_call *call, char *buf, size_t size)
{
	const char *name = axcc_coll_str(call->coll);

	switch (call->coll) {
	case AXCC_BARRIER:
		snprintf(buf, size, "%s", name);
		break;
	case AXCC_ALL_REDUCE:
	case AXCC_REDUCE_SCATTER:
		snprintf(buf, size, "%s(%s, %llu x %s)", name, axcc_reduction_str(call->reduction),
			 (unsigned long long)call->count, dtype_str(call->dtype));
		break;
	case AXCC_REDUCE:
		snprintf(buf, size, "%s(%s, %llu x %s, root %u)", name,
			 axcc_reduction_str(call->reduction), (unsigned long long)call->count,
			 dtype_str(call->dtype), call->root);
		break;
	case AXCC_BROADCAST:
		snprintf(buf, size, "%s(%llu x %s, root %u)", name,
			 (unsigned long long)call->count, dtype_str(call->dtype), call->root);
		break;
	default:
		snprintf(buf, size, "%s(%llu x %s)", name, (unsigned long long)call->count,
			 dtype_str(call->dtype));
		break;
	}
}

static int rank_str(char *buf, size_t size, uint32_t rank, const struct axcc_rank_info *info)
{
	if (rank == AXCC_NO_RANK)
		return 0;
	if (!info || !info->card[0])
		return snprintf(buf, size, "rank %u ", rank);
	return snprintf(buf, size, "rank %u (%s, core %u of %s) ", rank, info->host, info->core,
			info->card);
}

void cc_error_make(struct axcc_error *error, const struct cc_blame *blame,
		   const struct cc_seat *seat)
{
	const struct axcc_rank_info *info = seat && blame->rank != AXCC_NO_RANK ?
		&seat[blame->rank].info : NULL;
	size_t room = sizeof(error->text);
	char op[64] = "";
	char who[192] = "";

	*error = (struct axcc_error) {
		.error = blame->error,
		.kind = blame->kind,
		.rank = blame->rank,
		.core = info ? info->core : 0,
		.coll = blame->coll,
	};
	if (info) {
		memcpy(error->host, info->host, sizeof(error->host));
		memcpy(error->card, info->card, sizeof(error->card));
	}
	if (blame->coll < AXCC_NUM_COLLS && blame->nth)
		snprintf(op, sizeof(op), "%s (collective %llu): ", axcc_coll_str(blame->coll),
			 (unsigned long long)blame->nth);
	else if (blame->coll < AXCC_NUM_COLLS)
		snprintf(op, sizeof(op), "%s: ", axcc_coll_str(blame->coll));
	rank_str(who, sizeof(who), blame->rank, info);
	snprintf(error->text, room, "%s%s%s", op, who,
		 blame->detail[0] ? blame->detail : strerror(-blame->error));
}

bool cc_blame_check(struct cc_blame *blame, uint32_t ranks)
{
	blame->detail[sizeof(blame->detail) - 1] = '\0';
	return blame->error < 0 && blame->error >= -MAX_ERRNO && blame->kind &&
		blame->kind <= AXCC_ERROR_INTERNAL && blame->coll <= AXCC_NUM_COLLS &&
		(blame->rank < ranks || blame->rank == AXCC_NO_RANK);
}

int cc_blame_take(struct cc_blame *blame, const void *message, uint32_t ranks)
{
	struct cc_blame told;

	memcpy(&told, message, sizeof(told));
	if (!cc_blame_check(&told, ranks))
		return -EPROTO;
	*blame = told;
	return told.error;
}

/* ---- what the cards say ---- */

/* The operation whose job that was, or NULL. */
static const struct cc_req *req_of(const struct cc_member *m, uint64_t seqno)
{
	uint32_t i;

	for (i = 0; i < CC_MAX_REQS; i++)
		if (m->req[i].state == CC_REQ_LAUNCHED && m->req[i].queue == m->queue &&
		    m->req[i].seqno == seqno)
			return &m->req[i];
	return NULL;
}

/* The rank of the communicator that a fault record's peer means. */
static uint32_t peer_rank(const struct cc_member *m, const struct drm_axon_ctx_get_state *state)
{
	const struct cc_req *req = req_of(m, state->seqno);
	uint32_t rank = state->peer - 1;

	if (!state->peer)
		return AXCC_NO_RANK;
	if (!req)
		return cc_plan_rank(m->team, m, state->seqno, rank);
	if (req->coll == AXCC_SEND)
		return rank ? req->peer : m->rank;
	if (req->coll == AXCC_RECV)
		return rank ? m->rank : req->peer;
	return rank < m->team->ranks ? rank : AXCC_NO_RANK;
}

/* Adds up by which members of this process, by index, each other one cannot be reached. */
static void count_cut(const struct cc_member *m, uint32_t *cut)
{
	const struct cc_team *team = m->team;
	struct drm_axon_link links[AXON_MAX_PEERS];
	uint32_t count = AXON_MAX_PEERS, i, k;

	if (axon_device_links(m->dev, links, &count))
		return;
	for (i = 0; i < team->members; i++)
		for (k = 0; k < count && k < AXON_MAX_PEERS; k++)
			cut[i] += links[k].state != AXON_PEER_UP &&
				links[k].peer == team->seat[team->member[i].rank].info.fabric_id;
}

/*
 * Both ends of a link that is down see that. It is the one whom most others cannot reach; if there
 * are several, @owner.
 */
static uint32_t whose_link(const struct cc_team *team, uint32_t owner)
{
	uint32_t cut[AXCC_MAX_RANKS] = { 0 };
	uint32_t most = 0, i;

	for (i = 0; i < team->members; i++)
		count_cut(&team->member[i], cut);
	for (i = 0; i < team->members; i++)
		most = cut[i] > most ? cut[i] : most;
	for (i = 0; most && i < team->members; i++)
		if (cut[i] == most && (owner == AXCC_NO_RANK ||
				       cut[team->member_of[owner]] != most))
			owner = team->member[i].rank;
	return owner;
}

static void blame_fault(const struct cc_member *m, const struct drm_axon_ctx_get_state *state,
			struct cc_blame *blame)
{
	uint32_t owner = AXCC_NO_RANK;

	if (state->status == AXON_STATUS_FAULT_LINK)
		owner = whose_link(m->team, cc_buffer_owner(m->team, m, state->fault_addr));
	if (owner != AXCC_NO_RANK) {
		blame->kind = AXCC_ERROR_LINK;
		blame->error = -ENOLINK;
		blame->rank = owner;
		snprintf(blame->detail, sizeof(blame->detail),
			 "cannot be reached over its links");
		return;
	}
	blame->kind = AXCC_ERROR_CARD;
	blame->error = -EIO;
	blame->rank = m->rank;
	snprintf(blame->detail, sizeof(blame->detail),
		 "failed: %s (instruction %u, address 0x%llx)", axon_status_str(state->status),
		 state->pc, (unsigned long long)state->fault_addr);
}

static void blame_rank(struct cc_blame *blame, uint32_t rank, const char *detail)
{
	blame->kind = AXCC_ERROR_CARD;
	blame->error = -EIO;
	blame->rank = rank;
	snprintf(blame->detail, sizeof(blame->detail), "%s", detail);
}

/* The card takes no work any more. */
static bool dead(const struct cc_member *m)
{
	struct drm_axon_query_device info;
	int err = axon_device_query(m->dev, &info);

	return err == -EIO || err == -ENODEV || (!err && info.state != DRM_AXON_STATE_READY);
}

/* The most certain evidence first; @round says how certain. */
static bool judge(const struct cc_member *m, uint32_t round, struct cc_blame *blame)
{
	struct drm_axon_ctx_get_state state;
	uint32_t peer;

	if (round == 0 && dead(m)) {
		blame_rank(blame, m->rank, "has a card that is dead, gone or being reset");
		return true;
	}
	if (axon_context_state(m->ctx, &state) || !state.state)
		return false;
	peer = peer_rank(m, &state);
	if (round == 0 && state.state & DRM_AXON_CTX_DEVICE_RESET) {
		blame_rank(blame, m->rank, "lost its work to a reset of its card");
		return true;
	}
	if (round == 1 && state.state & DRM_AXON_CTX_FAULTED &&
	    state.status != AXON_STATUS_PEER_LOST) {
		blame_fault(m, &state, blame);
		return true;
	}
	if (round == 2 && state.state & DRM_AXON_CTX_TIMEDOUT) {
		blame_rank(blame, peer == AXCC_NO_RANK ? m->rank : peer,
			   "does not get on: its card hangs");
		return true;
	}
	if (round == 3 && state.status == AXON_STATUS_PEER_LOST && peer != AXCC_NO_RANK) {
		blame_rank(blame, peer, "stopped in the middle: its card failed or went away");
		return true;
	}
	return false;
}

bool cc_blame_cards(const struct cc_team *team, struct cc_blame *blame)
{
	uint32_t round, i;

	for (round = 0; round < 4; round++)
		for (i = 0; i < team->members; i++)
			if (judge(&team->member[i], round, blame))
				return true;
	return false;
}

void cc_blame_member(const struct cc_member *member, int error, struct cc_blame *blame)
{
	if (error == -ETIMEDOUT || error == -ETIME) {
		blame_rank(blame, member->rank, "does not get on");
		return;
	}
	blame->kind = error == -EIO || error == -ENODEV ? AXCC_ERROR_CARD : AXCC_ERROR_INTERNAL;
	blame->error = error;
	blame->rank = member->rank;
	snprintf(blame->detail, sizeof(blame->detail), "failed: %s", strerror(-error));
}
