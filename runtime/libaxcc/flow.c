// SPDX-License-Identifier: MIT
/*
 * flow.c - flows: the card copies a piece of its memory into staging memory of the host, the
 * network carries it, the other card copies it out or adds it to what it has. Several pieces are
 * under way at once. The host moves no byte of them itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"

#define SLOT_BYTES	(512ull << 10)
#define LANE_SLOTS	4u		/* pieces of a direction under way */
#define SLOTS		(2 * LANE_SLOTS)
#define CARD_WAIT_NS	(20 * CC_MS)	/* before looking at the network again */
#define NET_WAIT_MS	100		/* before looking by itself whether the team failed */
#define VERDICT_NS	CC_SECOND	/* for the coordinator to say why the network failed */
#define TELL_NS		(100 * CC_MS)	/* between two reports that data do not come */
#define TOKEN_BYTES	8u
#define TOKEN_TAG	(1ull << 62)

/**
 * struct cc_staging - host memory of a rank that data go through
 * @bo: it
 * @ptr: for the network
 * @va: for the card
 * @memory: registered
 * @code: of each slot: a program that combines
 */
struct cc_staging {
	struct axon_bo *bo;
	uint8_t *ptr;
	uint64_t va;
	struct cc_net_memory *memory;
	struct cc_code code[SLOTS];
};

enum slot_state { SLOT_CARD, SLOT_READY, SLOT_NET, SLOT_DONE };

/* A piece under way. */
struct slot {
	struct cc_flow *flow;
	uint64_t at;
	uint64_t bytes;
	enum slot_state state;
	uint64_t seqno;
	struct cc_net_io io;
};

/**
 * struct lane - all flows of a direction
 * @out: which
 * @flow: @count flows, carried out in order
 * @next: the first that is not wholly under way
 * @at: bytes of it that are
 * @slot: ring of pieces, @used of them from @head on
 */
struct lane {
	bool out;
	struct cc_flow *flow;
	uint32_t count;
	uint32_t next;
	uint64_t at;
	struct slot slot[LANE_SLOTS];
	uint32_t head;
	uint32_t used;
};

/**
 * struct cc_flows - what the network may still touch after a failure: lives as long as the endpoint
 * @lane: outwards, inwards
 * @token: of barriers: sent, received
 * @io: of these
 * @memory: @token, registered
 */
struct cc_flows {
	struct lane lane[2];
	uint8_t token[2][TOKEN_BYTES];
	struct cc_net_io io[2];
	struct cc_net_memory *memory;
};

int cc_flows_new(struct cc_net *net, struct cc_flows **out)
{
	struct cc_flows *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	err = cc_net_register(net, f->token, sizeof(f->token), &f->memory);
	if (err) {
		free(f);
		return err;
	}
	*out = f;
	return 0;
}

void cc_flows_free(struct cc_flows *f)
{
	if (!f)
		return;
	cc_net_unregister(f->memory);
	free(f);
}

/* ---- staging memory ---- */

static int staging_map(struct cc_member *member, struct cc_staging *s)
{
	uint64_t size = SLOTS * SLOT_BYTES;
	void *ptr;
	uint32_t i;
	int err;

	err = axon_bo_create(member->dev, size, DRM_AXON_REGION_HOST, DRM_AXON_BO_CPU_VISIBLE, NULL,
			     &s->bo);
	if (!err)
		err = axon_bo_map(s->bo, &ptr);
	if (!err)
		err = cc_span_alloc(&member->space, size + CC_PAGE, CC_LARGE_PAGE, &s->va);
	if (!err)
		err = axon_vm_map(member->vm, s->bo, 0, s->va, size, DRM_AXON_BIND_NOEXEC);
	for (i = 0; i < SLOTS && !err; i++)
		err = cc_code_alloc(member, sizeof(struct axon_program) +
				    2 * sizeof(struct axon_inst), true, &s->code[i]);
	if (err)
		return err;
	s->ptr = ptr;
	return cc_net_register(member->team->remote->net, ptr, size, &s->memory);
}

/* The lock is held. */
static int staging_get(struct cc_member *member, struct cc_staging **out)
{
	int err;

	if (!member->staging) {
		member->staging = calloc(1, sizeof(*member->staging));
		if (!member->staging)
			return -ENOMEM;
		err = staging_map(member, member->staging);
		if (err) {
			cc_staging_free(member);
			return err;
		}
	}
	*out = member->staging;
	return 0;
}

void cc_staging_free(struct cc_member *member)
{
	struct cc_staging *s = member->staging;
	uint32_t i;

	if (!s)
		return;
	cc_net_unregister(s->memory);
	for (i = 0; i < SLOTS; i++)
		cc_code_free(member, &s->code[i]);
	if (s->va) {
		axon_vm_unmap(member->vm, s->va, SLOTS * SLOT_BYTES);
		cc_span_free(&member->space, s->va);
	}
	axon_bo_destroy(s->bo);
	free(s);
	member->staging = NULL;
}

/* ---- failing ---- */

static int fail(struct cc_team *team, const struct cc_doing *doing, uint32_t kind, int err,
		uint32_t rank, const char *detail)
{
	struct cc_blame blame = {
		.kind = kind,
		.error = err,
		.rank = rank,
		.coll = doing->coll,
		.nth = doing->nth,
	};

	snprintf(blame.detail, sizeof(blame.detail), "%s", detail);
	pthread_mutex_lock(&team->lock);
	cc_team_fail(team, &blame);
	err = team->error.error;
	pthread_mutex_unlock(&team->lock);
	return err;
}

static int failure(struct cc_team *team)
{
	return atomic_load_explicit(&team->failed, memory_order_acquire) ? team->error.error : 0;
}

/* A message failed. Most often that is because a process ended, and the coordinator knows which. */
static int net_failed(struct cc_team *team, const struct cc_doing *doing, uint32_t peer, int err)
{
	uint64_t until = cc_now_ns() + VERDICT_NS;
	struct timespec nap = { 0, 5 * (long)CC_MS };
	char detail[128];

	while (!failure(team) && cc_now_ns() < until)
		nanosleep(&nap, NULL);
	if (failure(team))
		return failure(team);
	snprintf(detail, sizeof(detail), "cannot be reached over the network: %s", strerror(-err));
	return fail(team, doing, AXCC_ERROR_NETWORK, -EHOSTUNREACH, peer, detail);
}

int cc_job_wait(struct cc_member *member, const struct cc_doing *doing, uint64_t seqno)
{
	struct cc_team *team = member->team;
	struct cc_req req = { .coll = doing->coll, .nth = doing->nth };
	/* Longer than a launch may take, but less than the coordinator waits for this process. */
	uint64_t limit = team->timeout_ms * CC_MS * 5 / 8;
	int err;

	err = axon_wait_until(member->queue, seqno, cc_now_ns() + limit);
	if (failure(team))
		return failure(team);
	return err ? cc_team_job_failed(member, &req, err) : 0;
}

/* ---- the card's part ---- */

static struct axon_inst combine_inst(const struct cc_flow *f, uint64_t dst, uint64_t src,
				     uint64_t bytes)
{
	struct axon_inst inst = cc_inst(AXON_OP_DMA);
	uint32_t size = axon_dtype_size(f->dtype);
	struct axon_dma_desc *d = &inst.dma;

	d->src = src;
	d->dst = dst;
	d->src_space = d->dst_space = AXON_SPACE_MEM;
	d->src_dtype = d->dst_dtype = (uint8_t)f->dtype;
	d->op = (uint8_t)f->op;
	d->count[0] = d->count[1] = d->count[2] = 1;
	d->count[3] = (uint32_t)(bytes / size);
	d->src_step[3] = d->dst_step[3] = (int32_t)size;
	return inst;
}

/* The slot's program; nothing runs it now. */
static void write_combine(const struct cc_code *code, const struct axon_inst *inst)
{
	struct axon_program program = {
		.magic = AXON_PROGRAM_MAGIC,
		.version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR,
	};
	struct axon_inst halt = cc_inst(AXON_OP_HALT);

	program.engine[AXON_ENGINE_CC].addr = code->va + sizeof(program);
	program.engine[AXON_ENGINE_CC].count = 2;
	memcpy(code->ptr, &program, sizeof(program));
	memcpy(code->ptr + sizeof(program), inst, sizeof(*inst));
	memcpy(code->ptr + sizeof(program) + sizeof(*inst), &halt, sizeof(halt));
}

static uint64_t slot_offset(const struct lane *lane, const struct slot *slot)
{
	uint64_t index = (uint64_t)(slot - lane->slot) + (lane->out ? 0 : LANE_SLOTS);

	return index * SLOT_BYTES;
}

static int submit(struct cc_team *team, struct lane *lane, struct slot *slot)
{
	struct cc_flow *f = slot->flow;
	struct cc_staging *s = f->member->staging;
	uint64_t at = s->va + slot_offset(lane, slot);
	struct drm_axon_job job = { .opcode = AXON_CMD_COPY };
	struct axon_inst inst;
	uint64_t va;
	int err;

	slot->state = SLOT_CARD;
	pthread_mutex_lock(&team->lock);
	err = cc_buffer_bind(f->member, f->buf, &va);
	pthread_mutex_unlock(&team->lock);
	if (err)
		return err;
	va += f->offset + slot->at;
	job.operand[0] = lane->out ? at : va;
	job.operand[1] = lane->out ? va : at;
	job.operand[2] = slot->bytes;
	if (!lane->out && f->op != AXON_DMA_COPY) {
		const struct cc_code *code = &s->code[slot_offset(lane, slot) / SLOT_BYTES];

		inst = combine_inst(f, va, at, slot->bytes);
		write_combine(code, &inst);
		job = (struct drm_axon_job) { .opcode = AXON_CMD_LAUNCH,
					      .operand = { code->va } };
	}
	return axon_submit(f->member->queue, &job, 1, NULL, 0, &slot->seqno);
}

/* ---- the network's part ---- */

/* Messages of two ranks arrive in order, so their ranks are enough to tell them from others. */
static uint64_t tag_of(uint32_t from, uint32_t to)
{
	return (uint64_t)from << 16 | to;
}

static int exchange(struct cc_team *team, struct lane *lane, struct slot *slot)
{
	struct cc_remote *r = team->remote;
	struct cc_flow *f = slot->flow;
	struct cc_staging *s = f->member->staging;
	uint8_t *ptr = s->ptr + slot_offset(lane, slot);
	uint32_t proc = r->proc_of[f->peer];

	slot->state = SLOT_NET;
	if (lane->out)
		return cc_net_send(r->net, proc, tag_of(f->member->rank, f->peer), ptr, slot->bytes,
				   s->memory, &slot->io);
	return cc_net_recv(r->net, proc, tag_of(f->peer, f->member->rank), ptr, slot->bytes,
			   s->memory, &slot->io);
}

/* ---- lanes ---- */

static bool lane_done(const struct lane *lane)
{
	return lane->next == lane->count && !lane->used;
}

/* The next piece, if it can start. */
static bool next_piece(struct lane *lane, struct slot **out)
{
	struct cc_flow *f;
	struct slot *slot;
	uint64_t bytes;

	while (lane->next < lane->count && lane->at == lane->flow[lane->next].bytes) {
		lane->next++;
		lane->at = 0;
	}
	if (lane->next == lane->count || lane->used == LANE_SLOTS)
		return false;
	f = &lane->flow[lane->next];
	bytes = f->bytes - lane->at < SLOT_BYTES ? f->bytes - lane->at : SLOT_BYTES;
	if (f->after && f->after->finished < lane->at + bytes)
		return false;
	slot = &lane->slot[(lane->head + lane->used) % LANE_SLOTS];
	*slot = (struct slot) { .flow = f, .at = lane->at, .bytes = bytes };
	*out = slot;
	return true;
}

static void accept_piece(struct lane *lane, const struct slot *slot)
{
	lane->at += slot->bytes;
	lane->used++;
}

/* A piece failed. Whose fault it is depends on where it was. */
static int piece_failed(struct cc_team *team, const struct cc_doing *doing, const struct slot *slot,
			int err)
{
	struct cc_req req = { .coll = doing->coll, .nth = doing->nth };

	if (failure(team))
		return failure(team);
	if (slot->state == SLOT_CARD)
		return cc_team_job_failed(slot->flow->member, &req, err);
	return net_failed(team, doing, slot->flow->peer, err);
}

static int start_pieces(struct cc_team *team, const struct cc_doing *doing, struct lane *lane,
			bool *moved)
{
	struct cc_staging *staging;
	struct slot *slot;
	int err;

	while (next_piece(lane, &slot)) {
		pthread_mutex_lock(&team->lock);
		err = staging_get(slot->flow->member, &staging);
		pthread_mutex_unlock(&team->lock);
		if (!err)
			err = lane->out ? submit(team, lane, slot) : exchange(team, lane, slot);
		if (err)
			return err == -EAGAIN ? 0 : piece_failed(team, doing, slot, err);
		accept_piece(lane, slot);
		*moved = true;
	}
	return 0;
}

static int advance(struct cc_team *team, struct lane *lane, struct slot *slot, bool *moved)
{
	int err;

	if (slot->state == SLOT_CARD) {
		err = axon_wait(slot->flow->member->queue, slot->seqno, 0);
		if (err)
			return err == -ETIMEDOUT ? 0 : err;
		*moved = true;
		slot->state = lane->out ? SLOT_READY : SLOT_DONE;
	}
	if (slot->state == SLOT_READY) {
		err = exchange(team, lane, slot);
		if (err == -EAGAIN)
			slot->state = SLOT_READY;
		return err == -EAGAIN ? 0 : err;
	}
	if (slot->state != SLOT_NET || !slot->io.done)
		return 0;
	*moved = true;
	if (slot->io.err)
		return slot->io.err;
	if (!lane->out)
		return submit(team, lane, slot);
	slot->state = SLOT_DONE;
	return 0;
}

/* What has ended leaves the ring in order. */
static void retire(struct lane *lane)
{
	while (lane->used && lane->slot[lane->head].state == SLOT_DONE) {
		struct slot *slot = &lane->slot[lane->head];

		slot->flow->finished += slot->bytes;
		lane->head = (lane->head + 1) % LANE_SLOTS;
		lane->used--;
	}
}

static int lane_step(struct cc_team *team, const struct cc_doing *doing, struct lane *lane,
		     bool *moved)
{
	uint32_t i;
	int err;

	for (i = 0; i < lane->used; i++) {
		struct slot *slot = &lane->slot[(lane->head + i) % LANE_SLOTS];

		err = slot->state == SLOT_DONE ? 0 : advance(team, lane, slot, moved);
		if (err < 0)
			return piece_failed(team, doing, slot, err);
		/* What is sent later must not overtake. */
		if (lane->out && (slot->state == SLOT_CARD || slot->state == SLOT_READY))
			break;
	}
	retire(lane);
	return start_pieces(team, doing, lane, moved);
}

static const struct slot *find_slot(const struct lane *lane, enum slot_state state)
{
	uint32_t i;

	for (i = 0; i < lane->used; i++) {
		const struct slot *slot = &lane->slot[(lane->head + i) % LANE_SLOTS];

		if (slot->state == state)
			return slot;
	}
	return NULL;
}

/* The network takes no more of it now, perhaps because there is no connection yet. */
static uint32_t refused(const struct lane *lane)
{
	return lane->next < lane->count ? lane->flow[lane->next].peer : AXCC_NO_RANK;
}

/* Who is waited for, if it is not a card. */
static uint32_t awaited(const struct lane *lane)
{
	const struct slot *slot = find_slot(&lane[1], SLOT_NET);

	if (!slot)
		slot = find_slot(&lane[0], SLOT_NET);
	if (!slot)
		slot = find_slot(&lane[0], SLOT_READY);
	if (slot)
		return slot->flow->peer;
	if (find_slot(&lane[0], SLOT_CARD) || find_slot(&lane[1], SLOT_CARD))
		return AXCC_NO_RANK;
	return refused(&lane[1]) != AXCC_NO_RANK ? refused(&lane[1]) : refused(&lane[0]);
}

static int poll_failed(struct cc_team *team, const struct cc_doing *doing, const struct lane *lane,
		       int err)
{
	uint32_t peer = awaited(lane);

	if (peer != AXCC_NO_RANK)
		return net_failed(team, doing, peer, err);
	return failure(team) ? failure(team) : fail(team, doing, AXCC_ERROR_INTERNAL, err,
						    team->member[0].rank, strerror(-err));
}

/* Nothing can be done right now: waits for a card if one works, else for the network. */
static int rest(struct cc_team *team, struct lane *lane)
{
	const struct slot *slot = find_slot(&lane[0], SLOT_CARD);

	if (!slot)
		slot = find_slot(&lane[1], SLOT_CARD);
	if (!slot)
		return cc_net_poll(team->remote->net, NET_WAIT_MS);
	/* How it ended is asked again. */
	axon_wait_until(slot->flow->member->queue, slot->seqno, cc_now_ns() + CARD_WAIT_NS);
	return cc_net_poll(team->remote->net, 0);
}

/* Data of @peer do not come for a long time: first asks the coordinator who is to blame. */
static int overdue(struct cc_team *team, const struct cc_doing *doing, uint32_t peer,
		   uint64_t since_ns, uint64_t *told_ns)
{
	uint64_t now = cc_now_ns();
	uint64_t quiet = now - since_ns;
	uint64_t limit = team->timeout_ms * CC_MS;

	if (quiet < limit - cc_remote_lead_ns(team))
		return 0;
	if (now - *told_ns >= TELL_NS) {
		cc_remote_stall(team, peer);
		*told_ns = now;
	}
	if (quiet < limit)
		return 0;
	/* The coordinator has had time to say who it is. */
	return cc_coordinates(team) ?
		fail(team, doing, AXCC_ERROR_TIMEOUT, -ETIME, peer,
		     "neither sends nor takes data") :
		fail(team, doing, AXCC_ERROR_TIMEOUT, -ETIME, 0,
		     "does not get on: it does not say who neither sends nor takes data");
}

int cc_flows_run(struct cc_team *team, const struct cc_doing *doing, struct cc_flow *out,
		 uint32_t num_out, struct cc_flow *in, uint32_t num_in)
{
	struct lane *lane = team->remote->flows->lane;
	uint64_t since = cc_now_ns();
	uint64_t told = 0;
	bool moved;
	int err = 0;

	lane[0] = (struct lane) { .out = true, .flow = out, .count = num_out };
	lane[1] = (struct lane) { .out = false, .flow = in, .count = num_in };
	while (!err && !(lane_done(&lane[0]) && lane_done(&lane[1]))) {
		moved = false;
		/* What comes in first: others wait for what goes out because of it. */
		err = lane_step(team, doing, &lane[1], &moved);
		if (!err)
			err = lane_step(team, doing, &lane[0], &moved);
		if (err || failure(team))
			break;
		if (moved) {
			since = cc_now_ns();
			err = cc_net_poll(team->remote->net, 0);
		} else {
			err = rest(team, lane);
		}
		if (err)
			err = poll_failed(team, doing, lane, err);
		else if (awaited(lane) != AXCC_NO_RANK)
			err = overdue(team, doing, awaited(lane), since, &told);
	}
	return err ? err : failure(team);
}

/* ---- barrier ---- */

static int start_token(struct cc_team *team, uint32_t to, uint32_t from)
{
	struct cc_remote *r = team->remote;
	struct cc_flows *f = r->flows;
	int err;

	while ((err = cc_net_recv(r->net, from, TOKEN_TAG, f->token[1], TOKEN_BYTES, f->memory,
				  &f->io[1])) == -EAGAIN)
		if (failure(team) || cc_net_poll(r->net, 1))
			return -EIO;
	if (err)
		return err;
	while ((err = cc_net_send(r->net, to, TOKEN_TAG, f->token[0], TOKEN_BYTES, f->memory,
				  &f->io[0])) == -EAGAIN)
		if (failure(team) || cc_net_poll(r->net, 1))
			return -EIO;
	return err;
}

static int token(struct cc_team *team, const struct cc_doing *doing, uint32_t to, uint32_t from)
{
	uint32_t to_rank = team->remote->proc[to].first, from_rank = team->remote->proc[from].first;
	struct cc_net_io *io = team->remote->flows->io;
	uint64_t since = cc_now_ns();
	uint64_t told = 0;
	int err = start_token(team, to, from);

	if (err)
		return failure(team) ? failure(team) : net_failed(team, doing, from_rank, err);
	while (!err && !(io[0].done && io[1].done)) {
		err = cc_net_poll(team->remote->net, NET_WAIT_MS);
		if (failure(team))
			return failure(team);
		if (!err)
			err = overdue(team, doing, io[1].done ? to_rank : from_rank, since, &told);
	}
	if (err || io[1].err)
		return failure(team) ? failure(team) :
			net_failed(team, doing, from_rank, err ? err : io[1].err);
	return io[0].err ? net_failed(team, doing, to_rank, io[0].err) : 0;
}

int cc_net_barrier(struct cc_team *team, const struct cc_doing *doing)
{
	struct cc_remote *r = team->remote;
	uint32_t step;
	int err = 0;

	for (step = 1; step < r->procs && !err; step *= 2)
		err = token(team, doing, (r->self + step) % r->procs,
			    (r->self + r->procs - step) % r->procs);
	return err;
}
