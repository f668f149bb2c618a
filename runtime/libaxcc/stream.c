// SPDX-License-Identifier: MIT
/*
 * stream.c - collectives inside a program: the collectives sequencer's code for a list of them. It
 * makes code and never runs any.
 *
 * All ranks bring their buffers, then each lowers its own part. In a program nothing says that the
 * others are ready for a stage, so each stage begins with a barrier: every rank posts to one of two
 * semaphores of all others, which alternate, since a rank can be one stage ahead but never two.
 * After it all posts of the stage before have been made and waited for, so the schedule's
 * semaphores are used by every stage, each counting on from what the one before left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "remote.h"

#define READY_SEMS	2u
#define FIXED_SEMS	(READY_SEMS + 1)	/* and the one that own transfers post to */

/**
 * struct cc_streaming - a list of stages that all ranks share; guarded by cc_team.lock
 * @num: stages
 * @first_sem: first semaphore, as the first rank gave it
 * @req: of each stage, with @in_place of all ranks that have come
 * @targets: of each stage: @ranks of them
 * @part: of each stage, by rank
 * @came: who has brought his buffers
 * @count: how many
 * @slot: of the gangs' memory
 * @tmp: TMP by rank, not shared with operations, which may run on other cores meanwhile
 * @users: streams, and ranks that make one
 * @err: why it cannot be done, for all
 * @next: in cc_team.streamings
 */
struct cc_streaming {
	uint32_t num;
	uint32_t first_sem;
	struct axcc_request *req;
	uint32_t *targets;
	struct cc_part *part;
	struct axcc_ranks came;
	uint32_t count;
	uint32_t slot;
	struct cc_buffer *tmp[AXCC_MAX_RANKS];
	uint32_t users;
	int err;
	struct cc_streaming *next;
};

/* What stands behind a struct axcc_stream. */
struct stream {
	struct axcc_stream base;
	struct cc_member *member;
	struct cc_streaming *shared;
};

static struct cc_part *part_of(const struct cc_team *team, const struct cc_streaming *s,
			       uint32_t stage, uint32_t rank)
{
	return &s->part[(size_t)stage * team->ranks + rank];
}

/* ---- what the ranks bring ---- */

static struct cc_call call_of(const struct axcc_stage *stage)
{
	return (struct cc_call) {
		.coll = stage->coll,
		.reduction = stage->reduction,
		.dtype = stage->coll == AXCC_BARRIER ? AXON_DTYPE_UINT8 : stage->dtype,
		.root = stage->root,
		.count = stage->count,
		.targets = stage->targets,
		.send = stage->send,
		.recv = stage->recv,
	};
}

static void streaming_free(struct cc_streaming *s)
{
	free(s->req);
	free(s->targets);
	free(s->part);
	free(s);
}

static struct cc_streaming *streaming_new(struct cc_team *team, const struct axcc_stage *stages,
					  uint32_t num, uint32_t first_sem)
{
	struct cc_streaming *s = calloc(1, sizeof(*s));
	uint32_t i;

	if (!s)
		return NULL;
	s->num = num;
	s->first_sem = first_sem;
	s->req = calloc(num, sizeof(*s->req));
	s->targets = calloc((size_t)num * team->ranks, sizeof(*s->targets));
	s->part = calloc((size_t)num * team->ranks, sizeof(*s->part));
	if (!s->req || !s->targets || !s->part) {
		streaming_free(s);
		return NULL;
	}
	for (i = 0; i < num; i++) {
		struct cc_call call = call_of(&stages[i]);

		cc_call_request(team, &call, &s->req[i]);
		if (!call.targets)
			continue;
		s->req[i].targets = &s->targets[(size_t)i * team->ranks];
		memcpy(&s->targets[(size_t)i * team->ranks], call.targets,
		       team->ranks * sizeof(*s->targets));
	}
	s->next = team->streamings;
	team->streamings = s;
	return s;
}

static struct cc_streaming *streaming_find(struct cc_team *team, uint32_t rank)
{
	struct cc_streaming *s;

	for (s = team->streamings; s; s = s->next)
		if (s->count < team->ranks && !axcc_ranks_has(&s->came, rank))
			return s;
	return NULL;
}

bool cc_streams_need(const struct cc_team *team, uint32_t rank)
{
	const struct cc_streaming *s;

	for (s = team->streamings; s; s = s->next)
		if (s->count < team->ranks && !axcc_ranks_has(&s->came, rank))
			return true;
	return false;
}

static void streaming_put(struct cc_team *team, struct cc_streaming *s)
{
	struct cc_streaming **link = &team->streamings;
	uint32_t r, i;

	if (--s->users)
		return;
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	for (i = 0; i < s->num; i++)
		for (r = 0; r < team->ranks; r++)
			cc_part_put(part_of(team, s, i, r));
	for (r = 0; r < team->ranks; r++)
		if (s->tmp[r])
			cc_buffer_drop(team, s->tmp[r]);
	if (s->slot)
		team->streams[s->slot / 64] &= ~(1ull << s->slot % 64);
	streaming_free(s);
}

static int mismatch(struct cc_member *member, uint32_t stage, const char *what)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_MISMATCH,
		.error = -EPROTO,
		.rank = member->rank,
		.coll = AXCC_NUM_COLLS,
	};

	snprintf(blame.detail, sizeof(blame.detail),
		 "has another %s in stage %u of its program than the ranks before it", what, stage);
	cc_team_fail(member->team, &blame);
	return -EPROTO;
}

/* Compares stages with those of the ranks before. The lock is held. */
static int compare(struct cc_member *member, const struct cc_streaming *s,
		   const struct axcc_stage *stages, uint32_t num, uint32_t first_sem)
{
	const char *what;
	uint32_t i;

	if (num != s->num)
		return mismatch(member, num < s->num ? num : s->num, "number of operations");
	if (first_sem != s->first_sem)
		return mismatch(member, 0, "first semaphore");
	for (i = 0; i < num; i++) {
		struct cc_call call = call_of(&stages[i]);

		what = cc_call_difference(&s->req[i], &call);
		if (what)
			return mismatch(member, i, what);
	}
	return 0;
}

static int check_stages(const struct cc_member *member, const struct axcc_stage *stages,
			uint32_t num, uint32_t first_sem)
{
	uint32_t i;
	int err = 0;

	if (!stages || !num || num > CC_MAX_REQS || first_sem >= AXON_NUM_SEMAPHORES)
		return -EINVAL;
	for (i = 0; i < num && !err; i++) {
		struct cc_call call = call_of(&stages[i]);

		if (call.coll == AXCC_SEND || call.coll == AXCC_RECV ||
		    (stages[i].wait_val && stages[i].wait_sem >= first_sem) ||
		    (stages[i].post_val && stages[i].post_sem >= first_sem))
			return -EINVAL;
		err = cc_call_check(member->team, &call);
	}
	return err;
}

/* This rank's buffers of all stages. The lock is not held. */
static int bring(struct cc_member *member, const struct axcc_stage *stages, uint32_t num,
		 struct cc_part *part, bool *in_place)
{
	uint32_t i;
	int err;

	for (i = 0; i < num; i++) {
		struct cc_call call = call_of(&stages[i]);

		err = cc_call_part(member, &call, &part[i], &in_place[i]);
		if (err)
			break;
		cc_part_hold(&part[i]);
		pthread_mutex_unlock(&member->team->lock);
	}
	if (i == num)
		return 0;
	pthread_mutex_lock(&member->team->lock);
	while (i--)
		cc_part_put(&part[i]);
	pthread_mutex_unlock(&member->team->lock);
	return err;
}

static int take_slot(struct cc_team *team, struct cc_streaming *s)
{
	uint32_t slot;

	/* Slot 0 is that of operations. */
	for (slot = 1; slot < CC_STREAM_SLOTS; slot++)
		if (!(team->streams[slot / 64] & 1ull << slot % 64)) {
			team->streams[slot / 64] |= 1ull << slot % 64;
			s->slot = slot;
			return 0;
		}
	return -ENOSPC;
}

/* The rank comes with its buffers, which are the list's from now on. The lock is held. */
static void come(struct cc_member *member, struct cc_streaming *s, const struct cc_part *part,
		 const bool *in_place)
{
	uint32_t i;

	for (i = 0; i < s->num; i++) {
		*part_of(member->team, s, i, member->rank) = part[i];
		if (in_place[i])
			axcc_ranks_add(&s->req[i].in_place, member->rank);
	}
	axcc_ranks_add(&s->came, member->rank);
	if (++s->count < member->team->ranks)
		return;
	s->err = take_slot(member->team, s);
	pthread_cond_broadcast(&member->team->cond);
}

static void blame_absent(struct cc_team *team, const struct cc_streaming *s)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_TIMEOUT,
		.error = -ETIME,
		.coll = AXCC_NUM_COLLS,
		.detail = "did not bring its program's operations in time",
	};

	while (axcc_ranks_has(&s->came, blame.rank))
		blame.rank++;
	cc_team_fail(team, &blame);
}

/* Until all have come. The lock is held. */
static int wait_all(struct cc_team *team, struct cc_streaming *s)
{
	uint64_t deadline = cc_now_ns() + team->timeout_ms * CC_MS;

	while (s->count < team->ranks && !atomic_load(&team->failed)) {
		if (cc_now_ns() >= deadline) {
			blame_absent(team, s);
			break;
		}
		cc_team_sleep(team, deadline);
	}
	return atomic_load(&team->failed) ? team->error.error : s->err;
}

/* ---- making the code ---- */

/**
 * struct making - a rank's code in the making; the team's lock is held
 * @member: the rank
 * @s: what all share
 * @stage: being lowered
 * @code: so far, @count of @room instructions
 * @sem_value: what the schedules' semaphores have now
 * @drained: what the semaphore of own transfers has now
 */
struct making {
	struct cc_member *member;
	struct cc_streaming *s;
	uint32_t stage;
	struct axon_inst *code;
	uint32_t count;
	uint32_t room;
	uint32_t sem_value[AXCC_SEMAPHORES];
	uint32_t drained;
};

static int reserve(struct making *m, uint32_t more)
{
	struct axon_inst *code;
	uint32_t room = m->room ? m->room : 256;

	if (more > AXON_MAX_PROGRAM_INSTS - m->count)
		return -ENOSPC;
	while (room < m->count + more)
		room *= 2;
	if (room == m->room)
		return 0;
	code = realloc(m->code, room * sizeof(*code));
	if (!code)
		return -ENOMEM;
	m->code = code;
	m->room = room;
	return 0;
}

static void add_wait(struct making *m, uint32_t sem, uint32_t value)
{
	struct axon_inst inst = cc_inst(AXON_OP_NOP);

	inst.wait_op = AXON_WAIT_GE;
	inst.wait_sem = (uint8_t)sem;
	inst.wait_val = value;
	m->code[m->count++] = inst;
}

/* No rank goes on before all are ready for the stage. */
static void add_barrier(struct making *m)
{
	struct cc_team *team = m->member->team;
	uint32_t sem = m->s->first_sem + m->stage % READY_SEMS;
	uint32_t r;

	for (r = 0; r < team->ranks; r++) {
		struct axon_inst inst = cc_inst(AXON_OP_POST);

		if (r == m->member->rank)
			continue;
		inst.ctl.imm = r;
		inst.ctl.rd = (uint8_t)sem;
		inst.ctl.ra = inst.ctl.rb = AXON_SREG_NONE;
		inst.ctl.dtype = AXON_POST_ADD;
		inst.ctl.target = 1;
		m->code[m->count++] = inst;
	}
	if (team->ranks > 1)
		add_wait(m, sem, (team->ranks - 1) * (m->stage / READY_SEMS + 1));
}

/* Until this rank's own transfers of the stage have ended. */
static void add_drain(struct making *m, uint32_t first)
{
	struct axon_inst *last[AXON_NUM_DMA_QUEUES] = { NULL };
	uint32_t sem = m->s->first_sem + READY_SEMS;
	uint32_t i, before = m->drained;

	for (i = first; i < m->count; i++)
		if (m->code[i].opcode == AXON_OP_DMA)
			last[m->code[i].op0] = &m->code[i];
	for (i = 0; i < AXON_NUM_DMA_QUEUES; i++) {
		/* One that posts to this rank is waited for by the schedule itself. */
		if (!last[i] || last[i]->post_op != AXON_POST_NONE)
			continue;
		last[i]->post_op = AXON_POST_ADD;
		last[i]->post_sem = (uint8_t)sem;
		last[i]->post_val = 1;
		m->drained++;
	}
	if (m->drained != before)
		add_wait(m, sem, m->drained);
}

static int address(void *opaque, uint32_t rank, enum axcc_buffer buffer, uint64_t *va)
{
	struct making *m = opaque;
	const struct cc_part *p = part_of(m->member->team, m->s, m->stage, rank);
	struct cc_buffer *b = buffer == AXCC_BUF_SRC ? p->src : buffer == AXCC_BUF_DST ? p->dst :
		m->s->tmp[rank];
	int err = b ? cc_buffer_bind(m->member, b, va) : -EINVAL;

	if (!err && buffer != AXCC_BUF_TMP)
		*va += buffer == AXCC_BUF_SRC ? p->src_offset : p->dst_offset;
	return err;
}

static int lower(struct making *m, const struct axcc_schedule *schedule)
{
	struct cc_lowering low = {
		.schedule = schedule,
		.rank = m->member->rank,
		.address = address,
		.opaque = m,
		.first_sem = m->s->first_sem + FIXED_SEMS,
		.sem_value = m->sem_value,
	};
	uint32_t count, first = m->count;
	int err;

	if (low.first_sem + schedule->semaphores > AXON_NUM_SEMAPHORES)
		return -ENOSPC;
	err = reserve(m, cc_lower_room(&low) + AXON_NUM_DMA_QUEUES + 4);
	if (!err)
		err = cc_lower(&low, m->code + m->count, &count);
	if (err)
		return err;
	m->count += count;
	add_drain(m, first);
	return 0;
}

/* TMP of all ranks, which any of them may be the first to need. */
static int ensure_tmp(struct making *m, uint64_t bytes)
{
	struct cc_team *team = m->member->team;
	uint32_t i;
	int err;

	for (i = 0; bytes && i < team->members; i++) {
		struct cc_buffer **tmp = &m->s->tmp[team->member[i].rank];

		if (*tmp)
			continue;
		err = cc_buffer_new(&team->member[i], bytes, tmp);
		if (err)
			return err;
	}
	return 0;
}

static int make_stage(struct making *m, const struct axcc_stage *stage)
{
	struct cc_team *team = m->member->team;
	struct axcc_request *req = &m->s->req[m->stage];
	struct cc_launch l = {
		.req = *req,
		.rank = team->identity,
		.part = part_of(team, m->s, m->stage, 0),
	};
	const struct axcc_schedule *schedule;
	int err = reserve(m, team->ranks + 4);

	if (err)
		return err;
	if (stage->wait_val)
		add_wait(m, stage->wait_sem, stage->wait_val);
	add_barrier(m);
	if (req->count) {
		err = cc_schedule_get(team, &l, &schedule);
		if (!err)
			err = lower(m, schedule);
	}
	if (err || !stage->post_val)
		return err;
	err = reserve(m, 1);
	if (err)
		return err;
	m->code[m->count] = cc_inst(AXON_OP_NOP);
	m->code[m->count].post_op = AXON_POST_ADD;
	m->code[m->count].post_sem = stage->post_sem;
	m->code[m->count++].post_val = stage->post_val;
	return 0;
}

/* The largest TMP of all stages: one that was bound cannot grow. */
static int make_tmp(struct making *m)
{
	struct cc_team *team = m->member->team;
	const struct axcc_schedule *schedule;
	uint64_t bytes = 0;
	uint32_t i;
	int err;

	for (i = 0; i < m->s->num; i++) {
		struct cc_launch l = {
			.req = m->s->req[i],
			.rank = team->identity,
			.part = part_of(team, m->s, i, 0),
		};

		if (!l.req.count)
			continue;
		err = cc_schedule_get(team, &l, &schedule);
		if (err)
			return err;
		bytes = schedule->tmp_bytes > bytes ? schedule->tmp_bytes : bytes;
	}
	return ensure_tmp(m, bytes);
}

static int make(struct making *m, const struct axcc_stage *stages)
{
	int err = make_tmp(m);

	for (m->stage = 0; m->stage < m->s->num && !err; m->stage++)
		err = make_stage(m, &stages[m->stage]);
	if (!err)
		err = reserve(m, 1);
	if (!err)
		m->code[m->count++] = cc_inst(AXON_OP_HALT);
	return err;
}

/* ---- public functions ---- */

/* The list that this rank is the next to come to; its part goes there. The lock is held. */
static int join(struct cc_member *member, const struct axcc_stage *stages, uint32_t num,
		uint32_t first_sem, struct cc_part *part, const bool *in_place,
		struct cc_streaming **out)
{
	struct cc_team *team = member->team;
	struct cc_streaming *s = NULL;
	uint32_t i;
	int err = atomic_load(&team->failed) ? team->error.error : 0;

	if (!err) {
		s = streaming_find(team, member->rank);
		if (!s)
			s = streaming_new(team, stages, num, first_sem);
		err = s ? compare(member, s, stages, num, first_sem) : -ENOMEM;
	}
	for (i = 0; err && i < num; i++)
		cc_part_put(&part[i]);
	if (err)
		return err;
	s->users++;
	come(member, s, part, in_place);
	*out = s;
	return 0;
}

static int create(struct cc_member *member, const struct axcc_stage *stages, uint32_t num,
		  uint32_t first_sem, struct cc_part *part, const bool *in_place,
		  struct stream *stream)
{
	struct cc_team *team = member->team;
	struct making m = { .member = member };
	int err = join(member, stages, num, first_sem, part, in_place, &m.s);

	if (err)
		return err;
	err = wait_all(team, m.s);
	if (!err)
		err = make(&m, stages);
	if (err) {
		free(m.code);
		streaming_put(team, m.s);
		return err;
	}
	stream->base = (struct axcc_stream) { .code = m.code, .count = m.count };
	if (team->ranks > 1) {
		stream->base.gang = member->gang + m.s->slot * AXON_GANG_SIZE;
		stream->base.rank = (uint16_t)member->rank;
		stream->base.ranks = (uint16_t)team->ranks;
	}
	stream->member = member;
	stream->shared = m.s;
	cc_team_get(team);
	return 0;
}

static int make_stream(struct cc_member *member, const struct axcc_stage *stages, uint32_t num,
		       uint32_t first_sem, struct axcc_stream **out)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	struct cc_part *part = calloc(num, sizeof(*part));
	bool *in_place = calloc(num, sizeof(*in_place));
	int err = stream && part && in_place ? bring(member, stages, num, part, in_place) : -ENOMEM;

	if (!err) {
		pthread_mutex_lock(&member->team->lock);
		err = create(member, stages, num, first_sem, part, in_place, stream);
		pthread_mutex_unlock(&member->team->lock);
	}
	free(part);
	free(in_place);
	if (err)
		free(stream);
	else
		*out = &stream->base;
	return err;
}

/* In a group a thread makes it; the stages are the caller's until the group ends. */
struct stream_task {
	struct cc_task base;
	struct cc_member *member;
	const struct axcc_stage *stages;
	uint32_t num;
	uint32_t first_sem;
	struct axcc_stream **out;
};

static int run_stream(struct cc_task *base)
{
	struct stream_task *t = (struct stream_task *)base;

	return make_stream(t->member, t->stages, t->num, t->first_sem, t->out);
}

AXCC_API int axcc_stream_create(struct axcc_comm *comm, const struct axcc_stage *stages,
				uint32_t num_stages, uint32_t first_sem,
				struct axcc_stream **stream)
{
	struct cc_member *m = comm ? atomic_load(&comm->member) : NULL;
	struct stream_task *t;
	int err;

	if (!m || !stream)
		return -EINVAL;
	*stream = NULL;
	if (m->own_vm || m->team->remote)
		return -EOPNOTSUPP;
	err = check_stages(m, stages, num_stages, first_sem);
	if (err)
		return err;
	if (!cc_batch_open())
		return make_stream(m, stages, num_stages, first_sem, stream);
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct stream_task) {
		.base = { .run = run_stream, .comm = comm },
		.member = m,
		.stages = stages,
		.num = num_stages,
		.first_sem = first_sem,
		.out = stream,
	};
	cc_batch_task(&t->base);
	return 0;
}

AXCC_API void axcc_stream_destroy(struct axcc_stream *base)
{
	struct stream *stream = (struct stream *)base;
	struct cc_team *team;

	if (!stream)
		return;
	team = stream->member->team;
	pthread_mutex_lock(&team->lock);
	streaming_put(team, stream->shared);
	pthread_mutex_unlock(&team->lock);
	free((struct axon_inst *)stream->base.code);
	free(stream);
	cc_team_put(team);
}
