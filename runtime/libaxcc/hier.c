// SPDX-License-Identifier: MIT
/*
 * hier.c - operations of a team of several processes: on the cards within a process, over the
 * network between the processes. It says what goes where; the cards and flow.c do it.
 *
 * Each process has a leader, its lowest rank or the root; where data of all ranks come together
 * they do so at the leaders. Reductions go in a fixed order: first the ranks of a process as the
 * schedule of that reduction has it, then processes in the order that stands at each function.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"

static const uint8_t dma_op[AXCC_NUM_REDUCTIONS] = {
	[AXCC_SUM] = AXON_DMA_ADD,
	[AXCC_MAX] = AXON_DMA_MAX,
	[AXCC_MIN] = AXON_DMA_MIN,
};

/* A place in the memory of a rank of this process. */
struct spot {
	struct cc_member *member;
	struct cc_buffer *buf;
	uint64_t offset;
};

/**
 * struct work - an operation in progress
 * @team: whose
 * @r: its processes
 * @op: the operation
 * @doing: for errors
 * @esz: bytes of an element
 * @leader: of this process
 * @local: ranks of this process, in order; the leader's place among them is @leader_index
 * @out: flows, room for @room of them
 * @in: same
 */
struct work {
	struct cc_team *team;
	struct cc_remote *r;
	struct cc_op *op;
	struct cc_doing doing;
	uint64_t esz;
	struct cc_member *leader;
	uint32_t leader_index;
	uint32_t local[AXCC_MAX_RANKS];
	struct cc_flow *out;
	struct cc_flow *in;
	uint32_t num_out;
	uint32_t num_in;
	uint32_t room;
};

/* ---- on the cards ---- */

static int internal(struct work *w, int err)
{
	struct cc_team *team = w->team;
	struct cc_blame blame = { .coll = w->doing.coll, .nth = w->doing.nth };

	pthread_mutex_lock(&team->lock);
	if (!cc_blame_cards(team, &blame))
		cc_blame_member(&team->member[team->met], err, &blame);
	cc_team_fail(team, &blame);
	err = team->error.error;
	pthread_mutex_unlock(&team->lock);
	return err;
}

static int launch(struct work *w, const struct cc_launch *l)
{
	struct cc_team *team = w->team;
	uint64_t seqno[AXCC_MAX_RANKS] = { 0 };
	struct cc_plan *plan;
	uint32_t i;
	int err;

	pthread_mutex_lock(&team->lock);
	err = cc_plan_get(team, l, &plan);
	if (!err)
		err = cc_plan_submit(team, plan, seqno);
	pthread_mutex_unlock(&team->lock);
	if (err)
		return internal(w, err);
	for (i = 0; i < team->members && !err; i++)
		if (seqno[i])
			err = cc_job_wait(&team->member[i], &w->doing, seqno[i]);
	return err;
}

/* A collective of this process' ranks; @part in their order. */
static int on_cards(struct work *w, enum axcc_coll coll, uint64_t count, const struct cc_part *part)
{
	uint32_t n = w->team->members, i;
	struct cc_launch l = {
		.req = {
			.coll = coll,
			.reduction = coll == AXCC_REDUCE ? w->op->req.reduction : 0,
			.dtype = w->op->req.dtype,
			.ranks = n,
			.root = w->leader_index,
			.count = count,
		},
		.rank = w->local,
		.part = part,
	};

	if (!count)
		return 0;
	for (i = 0; i < n; i++)
		if (part[i].src && part[i].src == part[i].dst &&
		    part[i].src_offset == part[i].dst_offset)
			axcc_ranks_add(&l.req.in_place, i);
	return launch(w, &l);
}

/* Reduces all local sources to @to, of the leader. */
static int reduce_to(struct work *w, const struct spot *to, uint64_t count)
{
	struct cc_part part[AXCC_MAX_RANKS];
	uint32_t i;

	for (i = 0; i < w->team->members; i++) {
		const struct cc_part *p = &w->op->part[w->local[i]];

		part[i] = (struct cc_part) { .src = p->src, .src_offset = p->src_offset };
	}
	part[w->leader_index].dst = to->buf;
	part[w->leader_index].dst_offset = to->offset;
	return on_cards(w, AXCC_REDUCE, count, part);
}

/* Brings what is at @from, of the leader, to the target of all other local ranks. */
static int spread(struct work *w, const struct spot *from, uint64_t count)
{
	struct cc_part part[AXCC_MAX_RANKS];
	const struct cc_part *own = &w->op->part[w->leader->rank];
	uint32_t i;

	if (w->team->members == 1)
		return 0;
	for (i = 0; i < w->team->members; i++) {
		const struct cc_part *p = &w->op->part[w->local[i]];

		part[i] = (struct cc_part) { .dst = p->dst, .dst_offset = p->dst_offset };
	}
	part[w->leader_index] = (struct cc_part) {
		.src = from->buf,
		.src_offset = from->offset,
		.dst = own->dst ? own->dst : from->buf,
		.dst_offset = own->dst ? own->dst_offset : from->offset,
	};
	return on_cards(w, AXCC_BROADCAST, count, part);
}

/* A copy on the cards of this process, by the card it comes from. */
static int copy(struct work *w, const struct spot *to, const struct spot *from, uint64_t bytes)
{
	struct drm_axon_job job = { .opcode = AXON_CMD_COPY };
	struct cc_team *team = w->team;
	uint64_t src, dst, seqno;
	int err;

	if (!bytes || (to->buf == from->buf && to->offset == from->offset))
		return 0;
	pthread_mutex_lock(&team->lock);
	err = cc_buffer_bind(from->member, from->buf, &src);
	if (!err)
		err = cc_buffer_bind(from->member, to->buf, &dst);
	pthread_mutex_unlock(&team->lock);
	if (err)
		return internal(w, err);
	job.operand[0] = dst + to->offset;
	job.operand[1] = src + from->offset;
	job.operand[2] = bytes;
	err = axon_submit(from->member->queue, &job, 1, NULL, 0, &seqno);
	if (err)
		return atomic_load(&team->failed) ? team->error.error : internal(w, err);
	return cc_job_wait(from->member, &w->doing, seqno);
}

/* Memory of the library's own at a rank, for what has no place in the user's. */
static int scratch(struct work *w, struct cc_member *member, uint64_t bytes, struct spot *out)
{
	struct cc_team *team = w->team;
	uint64_t size = CC_LARGE_PAGE;
	int err = 0;

	while (size < bytes)
		size *= 2;
	pthread_mutex_lock(&team->lock);
	if (!member->scratch || member->scratch->size < size)
		err = cc_buffer_new(member, size, &member->scratch);
	*out = (struct spot) { member, member->scratch, 0 };
	pthread_mutex_unlock(&team->lock);
	return err ? internal(w, err) : 0;
}

/* ---- over the network ---- */

static int flow_add(struct work *w, bool out, const struct spot *at, uint32_t peer, uint64_t bytes)
{
	uint32_t *n = out ? &w->num_out : &w->num_in;
	struct cc_flow *f = out ? w->out : w->in;

	if (!bytes)
		return 0;
	if (*n == w->room)
		return internal(w, -ENOBUFS);
	f[(*n)++] = (struct cc_flow) {
		.member = at->member,
		.peer = peer,
		.buf = at->buf,
		.offset = at->offset,
		.bytes = bytes,
		.op = AXON_DMA_COPY,
		.dtype = w->op->req.dtype,
	};
	return 0;
}

static void combine_last(struct work *w)
{
	if (w->num_in)
		w->in[w->num_in - 1].op = dma_op[w->op->req.reduction];
}

static int run_flows(struct work *w)
{
	int err = cc_flows_run(w->team, &w->doing, w->out, w->num_out, w->in, w->num_in);

	w->num_out = w->num_in = 0;
	return err;
}

static int need_flows(struct work *w, uint32_t n)
{
	w->out = calloc(n, sizeof(*w->out));
	w->in = calloc(n, sizeof(*w->in));
	w->room = n;
	return w->out && w->in ? 0 : internal(w, -ENOMEM);
}

static struct spot moved(const struct spot *at, uint64_t bytes)
{
	return (struct spot) { at->member, at->buf, at->offset + bytes };
}

static struct spot src_of(const struct work *w, uint32_t rank, uint64_t bytes)
{
	const struct cc_part *p = &w->op->part[rank];

	return (struct spot) { cc_member_of(w->team, rank), p->src, p->src_offset + bytes };
}

static struct spot dst_of(const struct work *w, uint32_t rank, uint64_t bytes)
{
	const struct cc_part *p = &w->op->part[rank];

	return (struct spot) { cc_member_of(w->team, rank), p->dst, p->dst_offset + bytes };
}

static uint32_t leader_of(const struct work *w, uint32_t proc)
{
	const struct axcc_request *req = &w->op->req;
	bool rooted = req->coll == AXCC_REDUCE || req->coll == AXCC_BROADCAST;

	if (rooted && w->r->proc_of[req->root] == proc)
		return req->root;
	return w->r->proc[proc].first;
}

static bool is_in(const struct work *w, uint32_t rank, uint32_t proc)
{
	return w->r->proc_of[rank] == proc;
}

/* ---- all_reduce ---- */

/* Elements of part @i of as many as there are processes. */
static uint64_t part_start(const struct work *w, uint64_t i)
{
	uint64_t n = w->r->procs, count = w->op->req.count;

	return count / n * i + (i < count % n ? i : count % n);
}

/* One step of the ring: part @give goes on, part @take comes from the process before. */
static int ring_step(struct work *w, const struct spot *acc, uint32_t give, uint32_t take,
		     bool combine)
{
	uint32_t n = w->r->procs, self = w->r->self;
	uint32_t next = leader_of(w, (self + 1) % n), last = leader_of(w, (self + n - 1) % n);
	uint64_t g0 = part_start(w, give), g1 = part_start(w, give + 1);
	uint64_t t0 = part_start(w, take), t1 = part_start(w, take + 1);
	struct spot from = moved(acc, g0 * w->esz), to = moved(acc, t0 * w->esz);
	int err = flow_add(w, true, &from, next, (g1 - g0) * w->esz);

	if (!err)
		err = flow_add(w, false, &to, last, (t1 - t0) * w->esz);
	if (!err && combine)
		combine_last(w);
	return err ? err : run_flows(w);
}

/*
 * The leaders' ring: part p is summed from process p + 1 on in ascending order, each adding what
 * comes to what it has.
 */
static int all_reduce(struct work *w)
{
	uint32_t n = w->r->procs, self = w->r->self, s;
	struct spot acc = dst_of(w, w->leader->rank, 0);
	int err = reduce_to(w, &acc, w->op->req.count);

	if (!err)
		err = need_flows(w, 1);
	for (s = 0; s + 1 < n && !err; s++)
		err = ring_step(w, &acc, (self + n - 1 - s) % n, (self + 2 * n - 2 - s) % n, true);
	for (s = 0; s + 1 < n && !err; s++)
		err = ring_step(w, &acc, (self + n - s) % n, (self + 2 * n - 1 - s) % n, false);
	return err ? err : spread(w, &acc, w->op->req.count);
}

/* ---- reduce ---- */

/* The root's process adds what comes from the others in their order. */
static int reduce(struct work *w)
{
	uint64_t bytes = w->op->req.count * w->esz;
	uint32_t root = w->op->req.root, proc;
	bool here = is_in(w, root, w->r->self);
	struct spot acc = dst_of(w, root, 0);
	int err = here ? 0 : scratch(w, w->leader, bytes, &acc);

	if (!err)
		err = reduce_to(w, &acc, w->op->req.count);
	if (!err)
		err = need_flows(w, w->r->procs);
	if (!err && !here)
		err = flow_add(w, true, &acc, root, bytes);
	for (proc = 0; proc < w->r->procs && here && !err; proc++) {
		if (proc == w->r->self)
			continue;
		err = flow_add(w, false, &acc, leader_of(w, proc), bytes);
		if (!err)
			combine_last(w);
	}
	return err ? err : run_flows(w);
}

/* ---- broadcast ---- */

/* A chain of processes from the root's on: each passes on what it has of it. */
static int broadcast(struct work *w)
{
	uint32_t n = w->r->procs, self = w->r->self;
	uint32_t first = w->r->proc_of[w->op->req.root];
	uint64_t bytes = w->op->req.count * w->esz;
	struct spot at = self == first ? src_of(w, w->leader->rank, 0) :
		dst_of(w, w->leader->rank, 0);
	int err = need_flows(w, 1);

	if (!err && self != first)
		err = flow_add(w, false, &at, leader_of(w, (self + n - 1) % n), bytes);
	if (!err && (self + 1) % n != first)
		err = flow_add(w, true, &at, leader_of(w, (self + 1) % n), bytes);
	if (!err && w->num_in && w->num_out)
		w->out[0].after = &w->in[0];
	if (!err)
		err = run_flows(w);
	if (err)
		return err;
	if (w->team->members > 1)
		return spread(w, &at, w->op->req.count);
	if (self != first)
		return 0;
	{
		struct spot own = dst_of(w, w->leader->rank, 0);

		return copy(w, &own, &at, bytes);
	}
}

/* ---- all_gather ---- */

/* Blocks of the ranks of @proc, in the leader's target. */
static int blocks(struct work *w, bool out, uint32_t proc, uint32_t peer)
{
	uint64_t bytes = w->op->req.count * w->esz;
	uint32_t rank;
	int err = 0;

	for (rank = 0; rank < w->team->ranks && !err; rank++) {
		struct spot at = dst_of(w, w->leader->rank, rank * bytes);

		if (is_in(w, rank, proc))
			err = flow_add(w, out, &at, peer, bytes);
	}
	return err;
}

static int all_gather(struct work *w)
{
	uint32_t n = w->r->procs, self = w->r->self, s, i;
	uint64_t bytes = w->op->req.count * w->esz;
	struct spot all = dst_of(w, w->leader->rank, 0);
	int err = need_flows(w, w->team->ranks);

	for (i = 0; i < w->team->members && !err; i++) {
		struct spot from = src_of(w, w->local[i], 0);
		struct spot to = moved(&all, w->local[i] * bytes);

		err = copy(w, &to, &from, bytes);
	}
	for (s = 0; s + 1 < n && !err; s++) {
		err = blocks(w, true, (self + n - s) % n, leader_of(w, (self + 1) % n));
		if (!err)
			err = blocks(w, false, (self + 2 * n - 1 - s) % n,
				     leader_of(w, (self + n - 1) % n));
		if (!err)
			err = run_flows(w);
	}
	return err ? err : spread(w, &all, w->op->req.count * w->team->ranks);
}

/* ---- reduce_scatter ---- */

/* The leader adds what comes from the process before, then the one before that, ... */
static int reduce_scatter(struct work *w)
{
	uint32_t n = w->r->procs, self = w->r->self, s, rank, i;
	uint64_t bytes = w->op->req.count * w->esz;
	struct spot acc;
	int err = scratch(w, w->leader, bytes * w->team->ranks, &acc);

	if (!err)
		err = reduce_to(w, &acc, w->op->req.count * w->team->ranks);
	if (!err)
		err = need_flows(w, w->team->ranks);
	for (s = 1; s < n && !err; s++) {
		uint32_t to = (self + s) % n, from = (self + n - s) % n;

		for (rank = 0; rank < w->team->ranks && !err; rank++) {
			struct spot at = moved(&acc, rank * bytes);

			if (is_in(w, rank, to))
				err = flow_add(w, true, &at, leader_of(w, to), bytes);
			if (!err && is_in(w, rank, self)) {
				err = flow_add(w, false, &at, leader_of(w, from), bytes);
				if (!err)
					combine_last(w);
			}
		}
		if (!err)
			err = run_flows(w);
	}
	for (i = 0; i < w->team->members && !err; i++) {
		struct spot from = moved(&acc, w->local[i] * bytes);
		struct spot to = dst_of(w, w->local[i], 0);

		err = copy(w, &to, &from, bytes);
	}
	return err;
}

/* ---- all_to_all, permute ---- */

/* Where a rank's data can be read while its target is written to. */
static int safe_source(struct work *w, uint32_t rank, uint64_t bytes, struct spot *out)
{
	struct spot from = src_of(w, rank, 0), to = dst_of(w, rank, 0);
	int err;

	*out = from;
	if (!from.buf || from.buf != to.buf)
		return 0;
	err = scratch(w, from.member, bytes, out);
	return err ? err : copy(w, out, &from, bytes);
}

static int exchange_round(struct work *w, const struct spot *src, uint32_t to, uint32_t from)
{
	uint64_t bytes = w->op->req.count * w->esz;
	uint32_t i, peer;
	int err = 0;

	for (i = 0; i < w->team->members && !err; i++)
		for (peer = 0; peer < w->team->ranks && !err; peer++) {
			struct spot at = moved(&src[i], peer * bytes);

			if (is_in(w, peer, to))
				err = flow_add(w, true, &at, peer, bytes);
		}
	/* In the order in which they are sent: by sender, then by receiver. */
	for (peer = 0; peer < w->team->ranks && !err; peer++)
		for (i = 0; i < w->team->members && !err; i++) {
			struct spot at = dst_of(w, w->local[i], peer * bytes);

			if (is_in(w, peer, from))
				err = flow_add(w, false, &at, peer, bytes);
		}
	return err ? err : run_flows(w);
}

static int all_to_all(struct work *w)
{
	uint32_t n = w->r->procs, self = w->r->self, members = w->team->members, s, i, j;
	uint64_t bytes = w->op->req.count * w->esz;
	struct spot src[AXCC_MAX_RANKS];
	int err = need_flows(w, w->team->ranks * members);

	for (i = 0; i < members && !err; i++)
		err = safe_source(w, w->local[i], bytes * w->team->ranks, &src[i]);
	for (i = 0; i < members && !err; i++)
		for (j = 0; j < members && !err; j++) {
			struct spot from = moved(&src[i], w->local[j] * bytes);
			struct spot to = dst_of(w, w->local[j], w->local[i] * bytes);

			err = copy(w, &to, &from, bytes);
		}
	for (s = 1; s < n && !err; s++)
		err = exchange_round(w, src, (self + s) % n, (self + n - s) % n);
	return err;
}

/* Every process takes senders in ascending order, so that the lowest always gets on. */
static int permute(struct work *w)
{
	const uint32_t *targets = w->op->req.targets;
	uint64_t bytes = w->op->req.count * w->esz;
	struct spot src[AXCC_MAX_RANKS];
	uint32_t i, rank;
	int err = need_flows(w, w->team->ranks);

	for (i = 0; i < w->team->members && !err; i++)
		err = safe_source(w, w->local[i], bytes, &src[i]);
	for (i = 0; i < w->team->members && !err; i++) {
		uint32_t to = targets[w->local[i]];
		struct spot at;

		if (to == AXCC_NO_RANK)
			continue;
		at = dst_of(w, to, 0);
		if (is_in(w, to, w->r->self))
			err = copy(w, &at, &src[i], bytes);
		else
			err = flow_add(w, true, &src[i], to, bytes);
	}
	for (rank = 0; rank < w->team->ranks && !err; rank++) {
		struct spot at;

		if (targets[rank] == AXCC_NO_RANK || is_in(w, rank, w->r->self) ||
		    !is_in(w, targets[rank], w->r->self))
			continue;
		at = dst_of(w, targets[rank], 0);
		err = flow_add(w, false, &at, rank, bytes);
	}
	return err ? err : run_flows(w);
}

/* ---- one item ---- */

static int collective(struct work *w)
{
	switch (w->op->req.coll) {
	case AXCC_ALL_REDUCE:
		return all_reduce(w);
	case AXCC_ALL_GATHER:
		return all_gather(w);
	case AXCC_REDUCE_SCATTER:
		return reduce_scatter(w);
	case AXCC_ALL_TO_ALL:
		return all_to_all(w);
	case AXCC_BROADCAST:
		return broadcast(w);
	case AXCC_REDUCE:
		return reduce(w);
	case AXCC_PERMUTE:
		return permute(w);
	default:
		return cc_net_barrier(w->team, &w->doing);
	}
}

static int run_collective(struct cc_team *team, struct cc_op *op)
{
	struct work w = {
		.team = team,
		.r = team->remote,
		.op = op,
		.doing = { op->req.coll, op->nth },
		.esz = axon_dtype_size(op->req.dtype),
	};
	uint32_t i;
	int err;

	if (!op->req.count && op->req.coll != AXCC_BARRIER)
		return 0;
	w.leader = cc_member_of(team, leader_of(&w, w.r->self));
	w.leader_index = w.leader->index;
	for (i = 0; i < team->members; i++)
		w.local[i] = team->member[i].rank;
	err = collective(&w);
	free(w.out);
	free(w.in);
	return err;
}

/* Both ranks are of this process: as in a team of one process. */
static int run_here(struct work *w, const struct cc_item *item)
{
	uint32_t rank[2] = { item->from, item->to };
	struct cc_part part[2] = { item->send->part, item->recv->part };
	struct cc_launch l = {
		.req = { .coll = AXCC_SEND, .dtype = item->send->dtype, .ranks = 2,
			 .count = item->send->count },
		.rank = rank,
		.part = part,
		.slot = cc_pair_slot(w->team, item->from, item->to),
	};

	if (item->from == item->to) {
		struct spot from = { w->leader, part[0].src, part[0].src_offset };
		struct spot to = { w->leader, part[1].dst, part[1].dst_offset };

		return copy(w, &to, &from, item->send->count * w->esz);
	}
	return launch(w, &l);
}

static int run_pair(struct cc_team *team, const struct cc_item *item)
{
	const struct cc_half *half = item->send ? item->send : item->recv;
	struct cc_flow flow = {
		.member = cc_member_of(team, half->rank),
		.peer = half->peer,
		.buf = item->send ? half->part.src : half->part.dst,
		.offset = item->send ? half->part.src_offset : half->part.dst_offset,
		.bytes = half->count * axon_dtype_size(half->dtype),
		.dtype = half->dtype,
	};
	struct work w = {
		.team = team,
		.r = team->remote,
		.doing = { half->coll, 0 },
		.esz = axon_dtype_size(half->dtype),
		.leader = cc_member_of(team, half->rank),
	};

	if (!half->count)
		return 0;
	if (item->send && item->recv)
		return run_here(&w, item);
	return cc_flows_run(team, &w.doing, &flow, item->send ? 1 : 0, &flow, item->send ? 0 : 1);
}

int cc_hier_run(struct cc_team *team, const struct cc_item *item)
{
	return item->op ? run_collective(team, item->op) : run_pair(team, item);
}
