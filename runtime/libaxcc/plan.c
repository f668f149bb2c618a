// SPDX-License-Identifier: MIT
/*
 * plan.c - from an operation whose buffers are known to programs in HBM, and the cache of both
 * halves of that way: schedules by operation, programs by operation and buffers. No schedule
 * becomes a program before the verifier has passed it.
 *
 * All of it is guarded by cc_team.lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAX_SCHEDULES	64u		/* kept */
#define MAX_PLANS	1024u
#define MIN_TMP		(64ull << 10)

/**
 * struct cc_schedule_entry - a schedule that was verified
 * @hash: of @schedule->req and @pair
 * @rank: ranks of the communicator, as in cc_launch
 * @schedule: it
 * @next: in cc_team.schedules, the one used last first
 */
struct cc_schedule_entry {
	uint64_t hash;
	uint32_t *rank;
	struct axcc_schedule *schedule;
	struct cc_schedule_entry *next;
};

/**
 * struct cc_plan - an operation on certain buffers
 * @hash: of what makes it different from others
 * @req: targets are @targets
 * @slot: of the gangs' memory
 * @algorithm: name of the schedule's
 * @rank: as in cc_launch, as are @part and @targets
 * @code: by index of the ranks of this process
 * @last: number of the newest job, by the same; 0 none
 * @next: in the hash chain, or in cc_team.dying
 * @newer: in order of use
 * @older: same
 */
struct cc_plan {
	uint64_t hash;
	struct axcc_request req;
	uint32_t slot;
	const char *algorithm;
	uint32_t *rank;
	uint32_t *targets;
	struct cc_part *part;
	struct cc_code *code;
	uint64_t *last;
	struct cc_plan *next;
	struct cc_plan *newer;
	struct cc_plan *older;
};

/* ---- what an operation is ---- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

static uint64_t request_hash(const struct axcc_request *req, const uint32_t *rank)
{
	uint64_t h = mix(req->coll | (uint64_t)req->reduction << 8 | (uint64_t)req->dtype << 16 |
			 (uint64_t)req->ranks << 32, req->count);
	uint32_t i;

	h = mix(mix(h, req->in_place.bits[0]), req->in_place.bits[1]);
	h = mix(h, req->root);
	for (i = 0; req->targets && i < req->ranks; i++)
		h = mix(h, req->targets[i]);
	for (i = 0; i < req->ranks; i++)
		h = mix(h, rank[i]);
	return h;
}

static bool same_request(const struct axcc_request *a, const struct axcc_request *b)
{
	return a->coll == b->coll && a->reduction == b->reduction && a->dtype == b->dtype &&
		a->ranks == b->ranks && a->root == b->root && a->count == b->count &&
		!memcmp(&a->in_place, &b->in_place, sizeof(a->in_place)) &&
		!a->targets == !b->targets &&
		(!a->targets || !memcmp(a->targets, b->targets, a->ranks * sizeof(*a->targets)));
}

static uint64_t launch_hash(const struct cc_launch *l)
{
	uint64_t h = mix(request_hash(&l->req, l->rank), l->slot);
	uint32_t i;

	for (i = 0; i < l->req.ranks; i++) {
		const struct cc_part *p = &l->part[i];

		h = mix(mix(h, (uintptr_t)p->src), p->src_offset);
		h = mix(mix(h, (uintptr_t)p->dst), p->dst_offset);
	}
	return h;
}

static bool same_launch(const struct cc_plan *plan, const struct cc_launch *l)
{
	return plan->slot == l->slot && same_request(&plan->req, &l->req) &&
		!memcmp(plan->part, l->part, l->req.ranks * sizeof(*l->part)) &&
		!memcmp(plan->rank, l->rank, l->req.ranks * sizeof(*l->rank));
}

/* ---- schedules ---- */

static void entry_free(struct cc_schedule_entry *e)
{
	axcc_schedule_free(e->schedule);
	free(e->rank);
	free(e);
}

/* The newest first; what is beyond the limit goes. */
static void entry_insert(struct cc_team *team, struct cc_schedule_entry *e)
{
	struct cc_schedule_entry **link = &team->schedules;
	uint32_t i;

	e->next = team->schedules;
	team->schedules = e;
	for (i = 0; *link && i < MAX_SCHEDULES; i++)
		link = &(*link)->next;
	while ((e = *link)) {
		*link = e->next;
		entry_free(e);
	}
}

static struct cc_schedule_entry *entry_find(struct cc_team *team, const struct cc_launch *l,
					    uint64_t hash)
{
	struct cc_schedule_entry **link = &team->schedules;
	struct cc_schedule_entry *e;

	for (; (e = *link); link = &e->next)
		if (e->hash == hash && same_request(&e->schedule->req, &l->req) &&
		    !memcmp(e->rank, l->rank, l->req.ranks * sizeof(*l->rank))) {
			*link = e->next;
			return e;
		}
	return NULL;
}

static int entry_make(struct cc_team *team, const struct cc_launch *l, uint64_t hash,
		      struct cc_schedule_entry **entry)
{
	size_t bytes = l->req.ranks * sizeof(*l->rank);
	struct cc_schedule_entry *e = calloc(1, sizeof(*e));
	int err = -ENOMEM;

	if (!e)
		return -ENOMEM;
	e->hash = hash;
	e->rank = malloc(bytes);
	if (e->rank) {
		memcpy(e->rank, l->rank, bytes);
		err = cc_schedule_make(team, l, &e->schedule);
	}
	if (err) {
		free(e->rank);
		free(e);
		return err;
	}
	*entry = e;
	return 0;
}

int cc_schedule_get(struct cc_team *team, const struct cc_launch *l,
		    const struct axcc_schedule **schedule)
{
	uint64_t hash = request_hash(&l->req, l->rank);
	struct cc_schedule_entry *e = entry_find(team, l, hash);
	int err = e ? 0 : entry_make(team, l, hash, &e);

	if (err)
		return err;
	entry_insert(team, e);
	*schedule = e->schedule;
	return 0;
}

/* ---- programs ---- */

/* What the addresses of a rank's program come from. */
struct addressing {
	struct cc_team *team;
	struct cc_member *member;
	const uint32_t *rank;
	const struct cc_part *part;
};

static int address(void *opaque, uint32_t rank, enum axcc_buffer buffer, uint64_t *va)
{
	struct addressing *a = opaque;
	const struct cc_part *p = &a->part[rank];
	struct cc_buffer *b = buffer == AXCC_BUF_SRC ? p->src : buffer == AXCC_BUF_DST ? p->dst :
		a->team->tmp[a->rank[rank]];
	uint64_t offset = buffer == AXCC_BUF_SRC ? p->src_offset :
		buffer == AXCC_BUF_DST ? p->dst_offset : 0;
	int err;

	if (!b)
		return -EINVAL;
	err = cc_buffer_bind(a->member, b, va);
	*va += offset;
	return err;
}

/* TMP only grows, by doubling; programs that were made with the old one go on using that. */
int cc_tmp_ensure(struct cc_team *team, const struct cc_launch *l, uint64_t bytes)
{
	uint64_t size = MIN_TMP;
	uint32_t i;
	int err;

	while (size < bytes)
		size *= 2;
	for (i = 0; bytes && i < l->req.ranks; i++) {
		struct cc_member *member = cc_member_of(team, l->rank[i]);
		struct cc_buffer **tmp = &team->tmp[l->rank[i]];

		if (!member || (*tmp && (*tmp)->size >= size))
			continue;
		team->met = member->index;
		err = cc_buffer_new(member, size, tmp);
		if (err)
			return err;
	}
	return 0;
}

/* The instructions of schedule rank @rank, with HALT. */
int cc_code_make(struct cc_lowering *low, struct axon_inst **code, uint32_t *count)
{
	struct axon_inst *inst = malloc((cc_lower_room(low) + 1) * sizeof(*inst));
	int err;

	if (!inst)
		return -ENOMEM;
	err = cc_lower(low, inst, count);
	if (err) {
		free(inst);
		return err;
	}
	inst[(*count)++] = cc_inst(AXON_OP_HALT);
	*code = inst;
	return 0;
}

static void write_program(struct cc_member *member, const struct cc_plan *plan, uint32_t rank,
			  const struct cc_code *at, const struct axon_inst *code, uint32_t count)
{
	struct axon_program program = {
		.magic = AXON_PROGRAM_MAGIC,
		.version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR,
	};

	program.engine[AXON_ENGINE_CC].addr = at->va + sizeof(program);
	program.engine[AXON_ENGINE_CC].count = count;
	if (plan->req.ranks > 1) {
		program.gang = member->gang + plan->slot * AXON_GANG_SIZE;
		program.rank = (uint16_t)rank;
		program.ranks = (uint16_t)plan->req.ranks;
	}
	memcpy(at->ptr, &program, sizeof(program));
	memcpy(at->ptr + sizeof(program), code, count * sizeof(*code));
}

static int make_program(struct cc_team *team, struct cc_plan *plan,
			const struct axcc_schedule *schedule, uint32_t rank)
{
	struct cc_member *member = cc_member_of(team, plan->rank[rank]);
	struct addressing a = { team, member, plan->rank, plan->part };
	struct cc_lowering low = {
		.schedule = schedule,
		.rank = rank,
		.address = address,
		.opaque = &a,
	};
	struct axon_inst *code;
	uint32_t count;
	uint64_t size;
	int err;

	team->met = member->index;
	err = cc_code_make(&low, &code, &count);
	if (err)
		return err;
	size = sizeof(struct axon_program) + count * sizeof(*code);
	err = cc_code_alloc(member, size, false, &plan->code[member->index]);
	if (err == -ENOSPC) {
		cc_plans_evict(team);
		err = cc_code_alloc(member, size, true, &plan->code[member->index]);
	}
	if (!err)
		write_program(member, plan, rank, &plan->code[member->index], code, count);
	free(code);
	return err;
}

/* ---- plans ---- */

static void plan_free(struct cc_team *team, struct cc_plan *plan)
{
	uint32_t i;

	for (i = 0; i < team->members; i++)
		cc_code_free(&team->member[i], &plan->code[i]);
	free(plan);
}

static void *take(char **at, size_t bytes)
{
	void *ptr = *at;

	*at += (bytes + 7) & ~(size_t)7;
	return ptr;
}

static struct cc_plan *plan_new(struct cc_team *team, const struct cc_launch *l, uint64_t hash)
{
	size_t n = l->req.ranks;
	struct cc_plan *plan;
	char *at;

	plan = calloc(1, sizeof(*plan) + n * (sizeof(*plan->part) + 2 * sizeof(uint32_t)) + 16 +
		      team->members * (sizeof(*plan->code) + sizeof(*plan->last)));
	if (!plan)
		return NULL;
	at = (char *)(plan + 1);
	plan->part = take(&at, n * sizeof(*plan->part));
	plan->code = take(&at, team->members * sizeof(*plan->code));
	plan->last = take(&at, team->members * sizeof(*plan->last));
	plan->rank = take(&at, n * sizeof(*plan->rank));
	plan->targets = take(&at, n * sizeof(*plan->targets));
	plan->hash = hash;
	plan->slot = l->slot;
	plan->req = l->req;
	memcpy(plan->part, l->part, n * sizeof(*plan->part));
	memcpy(plan->rank, l->rank, n * sizeof(*plan->rank));
	if (l->req.targets) {
		memcpy(plan->targets, l->req.targets, n * sizeof(*plan->targets));
		plan->req.targets = plan->targets;
	}
	return plan;
}

static int plan_make(struct cc_team *team, const struct cc_launch *l, uint64_t hash,
		     struct cc_plan **out)
{
	const struct axcc_schedule *schedule;
	struct cc_plan *plan;
	uint32_t i;
	int err = cc_schedule_get(team, l, &schedule);

	if (!err)
		err = cc_tmp_ensure(team, l, schedule->tmp_bytes);
	if (err)
		return err;
	plan = plan_new(team, l, hash);
	if (!plan)
		return -ENOMEM;
	plan->algorithm = schedule->algorithm;
	for (i = 0; i < l->req.ranks && !err; i++)
		if (cc_member_of(team, l->rank[i]))
			err = make_program(team, plan, schedule, i);
	if (err) {
		plan_free(team, plan);
		return err;
	}
	*out = plan;
	return 0;
}

static struct cc_plan **plan_chain(struct cc_team *team, uint64_t hash)
{
	return &team->plans[hash % CC_PLAN_CHAINS];
}

static void lru_remove(struct cc_team *team, struct cc_plan *plan)
{
	*(plan->newer ? &plan->newer->older : &team->newest) = plan->older;
	*(plan->older ? &plan->older->newer : &team->oldest) = plan->newer;
	plan->newer = plan->older = NULL;
}

static void lru_add(struct cc_team *team, struct cc_plan *plan)
{
	plan->older = team->newest;
	*(plan->older ? &plan->older->newer : &team->oldest) = plan;
	team->newest = plan;
}

static void plan_unlink(struct cc_team *team, struct cc_plan *plan)
{
	struct cc_plan **link = plan_chain(team, plan->hash);

	while (*link != plan)
		link = &(*link)->next;
	*link = plan->next;
	lru_remove(team, plan);
	team->num_plans--;
}

static bool plan_idle(struct cc_team *team, const struct cc_plan *plan)
{
	uint32_t i;

	for (i = 0; i < team->members; i++)
		if (plan->last[i] &&
		    axon_wait(team->member[i].queue, plan->last[i], 0) == -ETIMEDOUT)
			return false;
	return true;
}

/* Frees what has been given up and runs no more. */
static void sweep(struct cc_team *team)
{
	struct cc_plan **link = &team->dying;
	struct cc_plan *plan;

	while ((plan = *link)) {
		if (!plan_idle(team, plan)) {
			link = &plan->next;
			continue;
		}
		*link = plan->next;
		plan_free(team, plan);
	}
}

static void plan_drop(struct cc_team *team, struct cc_plan *plan)
{
	plan_unlink(team, plan);
	plan->next = team->dying;
	team->dying = plan;
}

/* Half of the plans go, the oldest first. */
void cc_plans_evict(struct cc_team *team)
{
	uint32_t keep = team->num_plans / 2;

	while (team->num_plans > keep)
		plan_drop(team, team->oldest);
	sweep(team);
}

void cc_plans_forget(struct cc_team *team, const struct cc_buffer *buffer)
{
	struct cc_plan *plan = team->newest;
	uint32_t i;

	while (plan) {
		struct cc_plan *older = plan->older;

		for (i = 0; i < plan->req.ranks; i++)
			if (plan->part[i].src == buffer || plan->part[i].dst == buffer)
				break;
		if (i < plan->req.ranks)
			plan_drop(team, plan);
		plan = older;
	}
	sweep(team);
}

void cc_plans_free(struct cc_team *team)
{
	struct cc_schedule_entry *e;
	struct cc_plan *plan;

	while (team->oldest)
		plan_drop(team, team->oldest);
	while ((plan = team->dying)) {
		team->dying = plan->next;
		plan_free(team, plan);
	}
	while ((e = team->schedules)) {
		team->schedules = e->next;
		entry_free(e);
	}
}

int cc_plan_get(struct cc_team *team, const struct cc_launch *l, struct cc_plan **out)
{
	uint64_t hash = launch_hash(l);
	struct cc_plan **chain = plan_chain(team, hash);
	struct cc_plan *plan;
	int err;

	for (plan = *chain; plan; plan = plan->next)
		if (plan->hash == hash && same_launch(plan, l)) {
			if (plan != team->newest) {
				lru_remove(team, plan);
				lru_add(team, plan);
			}
			*out = plan;
			return 0;
		}
	if (team->num_plans >= MAX_PLANS)
		cc_plans_evict(team);
	err = plan_make(team, l, hash, &plan);
	if (err)
		return err;
	plan->next = *chain;
	*chain = plan;
	lru_add(team, plan);
	team->num_plans++;
	*out = plan;
	return 0;
}

const char *cc_plan_algorithm(const struct cc_plan *plan)
{
	return plan->algorithm;
}

int cc_plan_submit(struct cc_team *team, struct cc_plan *plan, uint64_t *seqno)
{
	struct drm_axon_job job = { .opcode = AXON_CMD_LAUNCH };
	uint32_t i;
	int err;

	for (i = 0; i < team->members; i++) {
		if (!plan->code[i].chunk)
			continue;
		job.operand[0] = plan->code[i].va;
		team->met = i;
		err = axon_submit(team->member[i].queue, &job, 1, NULL, 0, &seqno[i]);
		if (err)
			return err;
		plan->last[i] = seqno[i];
	}
	return 0;
}

uint32_t cc_plan_rank(struct cc_team *team, const struct cc_member *member, uint64_t seqno,
		      uint32_t gang_rank)
{
	struct cc_plan *plan;

	for (plan = team->newest; plan; plan = plan->older)
		if (plan->last[member->index] == seqno && gang_rank < plan->req.ranks)
			return plan->rank[gang_rank];
	return AXCC_NO_RANK;
}
