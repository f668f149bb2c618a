// SPDX-License-Identifier: MIT
/*
 * mutate.c - damages schedules.
 */
#include "mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host.h"

static const char *const names[NUM_MUTATIONS] = {
	[DROP_STEP] = "drop a step", [REPEAT_STEP] = "repeat a transfer",
	[REPEAT_WHOLE] = "repeat a step", [SWAP_STEPS] = "swap steps",
	[SWAP_PEERS] = "swap peers", [OTHER_BUFFER] = "other buffer",
	[SHIFT_SOURCE] = "shift source", [SHIFT_TARGET] = "shift target",
	[SHIFT_BOTH] = "shift both", [LENGTH] = "length by one", [ROWS] = "rows",
	[KIND] = "copy for reduce", [OTHER_QUEUE] = "other queue", [DROP_POST] = "drop a post",
	[POST_TWICE] = "post twice", [POST_RANK] = "post to another rank",
	[POST_SEM] = "post to another sem", [POST_EARLY] = "post too early",
	[DROP_WAIT] = "drop a wait", [WAIT_TWICE] = "wait for one more",
	[WAIT_LESS] = "wait for one less", [WAIT_SEM] = "wait for another sem",
	[WAIT_LATE] = "wait a step later", [WAIT_EARLY] = "wait earlier",
	[RANKS_LESS] = "a rank less", [RANKS_MORE] = "a rank more",
	[ORDER_SWAP] = "order: swap", [ORDER_TWICE] = "order: twice",
};

const char *mutation_name(enum mutation m)
{
	return names[m];
}

static void *copy_of(const void *p, size_t bytes)
{
	void *n = malloc(bytes + !bytes);

	assert_non_null(n);
	if (bytes)
		memcpy(n, p, bytes);
	return n;
}

struct axcc_schedule *schedule_clone(const struct axcc_schedule *s)
{
	struct axcc_schedule *n = copy_of(s, sizeof(*s));

	n->rank = copy_of(s->rank, s->req.ranks * sizeof(*s->rank));
	for (uint32_t r = 0; r < s->req.ranks; r++) {
		struct axcc_rank_steps *rs = &n->rank[r];

		rs->steps = copy_of(rs->steps, rs->num_steps * sizeof(*rs->steps));
		rs->waits = copy_of(rs->waits, rs->num_waits * sizeof(*rs->waits));
		rs->room_steps = rs->num_steps;
		rs->room_waits = rs->num_waits;
	}
	n->order.nodes = copy_of(s->order.nodes, s->order.num_nodes * sizeof(*s->order.nodes));
	n->order.ranges = copy_of(s->order.ranges,
				  s->order.num_ranges * sizeof(*s->order.ranges));
	if (s->req.targets)
		n->req.targets = copy_of(s->req.targets, s->req.ranks * sizeof(*s->req.targets));
	return n;
}

/* ---- steps and waits come and go ---- */

static void set_waits(struct axcc_rank_steps *rs)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < rs->num_steps; i++) {
		rs->steps[i].first_wait = at;
		at += rs->steps[i].num_waits;
	}
}

static void remove_wait(struct axcc_rank_steps *rs, uint32_t step, uint32_t w)
{
	uint32_t at = rs->steps[step].first_wait + w;

	rs->num_waits--;
	memmove(&rs->waits[at], &rs->waits[at + 1], (rs->num_waits - at) * sizeof(*rs->waits));
	rs->steps[step].num_waits--;
	set_waits(rs);
}

static void add_wait(struct axcc_rank_steps *rs, uint32_t step, struct axcc_wait wait)
{
	uint32_t at = rs->steps[step].first_wait + rs->steps[step].num_waits;

	rs->waits = realloc(rs->waits, (rs->num_waits + 1) * sizeof(*rs->waits));
	assert_non_null(rs->waits);
	memmove(&rs->waits[at + 1], &rs->waits[at], (rs->num_waits - at) * sizeof(*rs->waits));
	rs->waits[at] = wait;
	rs->num_waits++;
	rs->steps[step].num_waits++;
	set_waits(rs);
}

static void remove_step(struct axcc_rank_steps *rs, uint32_t step)
{
	while (rs->steps[step].num_waits)
		remove_wait(rs, step, 0);
	rs->num_steps--;
	memmove(&rs->steps[step], &rs->steps[step + 1],
		(rs->num_steps - step) * sizeof(*rs->steps));
	set_waits(rs);
}

static void insert_step(struct axcc_rank_steps *rs, uint32_t at, struct axcc_step step)
{
	step.num_waits = 0;
	rs->steps = realloc(rs->steps, (rs->num_steps + 1) * sizeof(*rs->steps));
	assert_non_null(rs->steps);
	memmove(&rs->steps[at + 1], &rs->steps[at], (rs->num_steps - at) * sizeof(*rs->steps));
	rs->steps[at] = step;
	rs->num_steps++;
	set_waits(rs);
}

/* ---- where ---- */

/** struct spot - a step of a rank */
struct spot {
	struct axcc_schedule *s;
	struct axcc_rank_steps *rs;
	struct axcc_step *st;
	uint32_t rank;
	uint32_t step;
};

enum what { ANY, TRANSFER, REDUCES, HAS_POST, HAS_WAIT };

static bool fits(const struct axcc_step *st, enum what what)
{
	switch (what) {
	case TRANSFER:
		return st->kind != AXCC_STEP_NONE;
	case REDUCES:
		return st->kind == AXCC_STEP_REDUCE;
	case HAS_POST:
		return st->post.inc || st->done.inc;
	case HAS_WAIT:
		return st->num_waits;
	default:
		return true;
	}
}

static bool pick(struct spot *spot, struct axcc_schedule *s, enum what what, uint64_t *seed)
{
	uint32_t found = 0, chosen;

	for (uint32_t r = 0; r < s->req.ranks; r++)
		for (uint32_t i = 0; i < s->rank[r].num_steps; i++)
			found += fits(&s->rank[r].steps[i], what);
	if (!found)
		return false;
	chosen = (uint32_t)(random_next(seed) % found);
	for (uint32_t r = 0; r < s->req.ranks; r++) {
		for (uint32_t i = 0; i < s->rank[r].num_steps; i++) {
			struct axcc_rank_steps *rs = &s->rank[r];

			if (!fits(&rs->steps[i], what) || chosen--)
				continue;
			*spot = (struct spot) { s, rs, &rs->steps[i], r, i };
			return true;
		}
	}
	return false;
}

/* Another number below @n than @not; @n is at least 2. */
static uint32_t other(uint32_t not, uint32_t n, uint64_t *seed)
{
	return (not + 1 + (uint32_t)(random_next(seed) % (n - 1))) % n;
}

/* ---- transfers ---- */

static bool step_mutation(struct axcc_schedule *s, enum mutation m, uint64_t *seed)
{
	struct axcc_step copy;
	struct spot at;
	uint32_t to;

	if (!pick(&at, s, m == REPEAT_STEP ? TRANSFER : ANY, seed))
		return false;
	copy = *at.st;
	switch (m) {
	case DROP_STEP:
		remove_step(at.rs, at.step);
		return true;
	case REPEAT_STEP:
		copy.post = copy.done = (struct axcc_post) { 0 };
		insert_step(at.rs, at.step + 1, copy);
		at.st = &at.rs->steps[at.step];		/* the repetition posts for both */
		at.rs->steps[at.step + 1].post = at.st->post;
		at.rs->steps[at.step + 1].done = at.st->done;
		at.st->post = at.st->done = (struct axcc_post) { 0 };
		return true;
	case REPEAT_WHOLE:
		insert_step(at.rs, at.step + 1, copy);
		for (uint32_t w = 0; w < copy.num_waits; w++)
			add_wait(at.rs, at.step + 1,
				 at.rs->waits[at.rs->steps[at.step].first_wait + w]);
		return true;
	default:
		if (at.rs->num_steps < 2)
			return false;
		to = other(at.step, at.rs->num_steps, seed);
		insert_step(at.rs, to + (to > at.step), copy);
		at.step += to < at.step;
		to += to > at.step;
		for (uint32_t w = 0; w < copy.num_waits; w++)
			add_wait(at.rs, to,
				 at.rs->waits[at.rs->steps[at.step].first_wait + w]);
		remove_step(at.rs, at.step);
		return true;
	}
}

static struct axcc_place *some_end(struct spot *at, uint64_t *seed)
{
	return random_next(seed) & 1 ? &at->st->src : &at->st->dst;
}

static bool transfer_mutation(struct axcc_schedule *s, enum mutation m, uint64_t *seed)
{
	uint64_t by = (random_next(seed) % 4 ? 1 : 64) * s->elem_size;
	struct axcc_place *end;
	struct spot at;

	if (!pick(&at, s, m == ROWS ? REDUCES : TRANSFER, seed))
		return false;
	if (random_next(seed) & 1)
		by = -by;
	end = some_end(&at, seed);
	switch (m) {
	case SWAP_PEERS:
		if (s->req.ranks < 2)
			return false;
		end->rank = (uint16_t)other(end->rank, s->req.ranks, seed);
		return true;
	case OTHER_BUFFER:
		end->buffer = (uint8_t)other(end->buffer, AXCC_NUM_BUFS, seed);
		return true;
	case SHIFT_SOURCE:
		at.st->src.offset += by;
		return true;
	case SHIFT_TARGET:
		at.st->dst.offset += by;
		return true;
	case SHIFT_BOTH:
		at.st->src.offset += by;
		at.st->dst.offset += by;
		return true;
	case LENGTH:
		at.st->count += random_next(seed) & 1 ? 1 : UINT64_MAX;
		return true;
	case ROWS:
		if (at.st->rows > 1 && random_next(seed) % 3 == 0) {
			at.st->row_stride += (uint32_t)by;
			return true;
		}
		at.st->rows += random_next(seed) & 1 ? 1 : UINT32_MAX;
		at.st->row_stride = at.st->rows > 1 ? at.st->row_stride + !at.st->row_stride *
			(uint32_t)(at.st->count * s->elem_size) : 0;
		return true;
	case KIND:
		at.st->kind = at.st->kind == AXCC_STEP_COPY && at.st->rows == 1 ?
			AXCC_STEP_REDUCE : AXCC_STEP_COPY;
		at.st->rows = 1;
		at.st->row_stride = 0;
		return true;
	default:
		at.st->queue = (uint8_t)other(at.st->queue, AXCC_QUEUES, seed);
		return true;
	}
}

/* ---- posts and waits ---- */

static bool post_mutation(struct axcc_schedule *s, enum mutation m, uint64_t *seed)
{
	struct axcc_post *p, old;
	struct spot at;

	if (!pick(&at, s, HAS_POST, seed))
		return false;
	p = at.st->post.inc && (!at.st->done.inc || random_next(seed) & 1) ? &at.st->post :
		&at.st->done;
	old = *p;
	switch (m) {
	case DROP_POST:
		*p = (struct axcc_post) { 0 };
		return true;
	case POST_TWICE:
		p->inc++;
		return true;
	case POST_RANK:
		if (s->req.ranks < 2)
			return false;
		p->rank = (uint16_t)other(p->rank, s->req.ranks, seed);
		return true;
	case POST_SEM:
		p->sem = (uint8_t)other(p->sem, s->semaphores + 1, seed);
		return true;
	default:
		if (!at.step)
			return false;
		*p = (struct axcc_post) { 0 };
		p = p == &at.st->post ? &at.st[-1].post : &at.st[-1].done;
		if (p->inc)
			return false;
		*p = old;
		return true;
	}
}

static bool wait_mutation(struct axcc_schedule *s, enum mutation m, uint64_t *seed)
{
	struct axcc_wait *w, old;
	struct spot at;
	uint32_t i;

	if (!pick(&at, s, HAS_WAIT, seed))
		return false;
	i = (uint32_t)(random_next(seed) % at.st->num_waits);
	w = &at.rs->waits[at.st->first_wait + i];
	old = *w;
	switch (m) {
	case DROP_WAIT:
		remove_wait(at.rs, at.step, i);
		return true;
	case WAIT_TWICE:
		w->value++;
		return true;
	case WAIT_LESS:
		w->value--;
		return true;
	case WAIT_SEM:
		w->sem = (uint8_t)other(w->sem, s->semaphores + 1, seed);
		return true;
	case WAIT_LATE:
		if (at.step + 1 == at.rs->num_steps)
			return false;
		remove_wait(at.rs, at.step, i);
		add_wait(at.rs, at.step + 1, old);
		return true;
	default:
		if (!at.step)
			return false;
		remove_wait(at.rs, at.step, i);
		add_wait(at.rs, (uint32_t)(random_next(seed) % at.step), old);
		return true;
	}
}

/* ---- the gang and the order ---- */

static bool rank_mutation(struct axcc_schedule *s, enum mutation m)
{
	struct axcc_rank_steps *last = &s->rank[s->req.ranks - 1];
	uint32_t *targets;

	if (m == RANKS_LESS) {
		if (s->req.ranks < 2 || s->req.root == s->req.ranks - 1)
			return false;
		s->req.ranks--;
		free(last->steps);
		free(last->waits);
		return true;
	}
	s->rank = realloc(s->rank, (s->req.ranks + 1) * sizeof(*s->rank));
	assert_non_null(s->rank);
	memset(&s->rank[s->req.ranks], 0, sizeof(*s->rank));
	if (s->req.targets) {
		targets = malloc((s->req.ranks + 1) * sizeof(*targets));
		assert_non_null(targets);
		memcpy(targets, s->req.targets, s->req.ranks * sizeof(*targets));
		targets[s->req.ranks] = s->req.ranks;	/* gives to itself */
		free((void *)(uintptr_t)s->req.targets);
		s->req.targets = targets;
	}
	s->req.ranks++;
	return true;
}

/* The order is left well-formed: what is wrong with it are the contributions. */
static bool order_mutation(struct axcc_schedule *s, enum mutation m, uint64_t *seed)
{
	struct axcc_order *o = &s->order;
	uint32_t inner = 0, chosen;

	for (uint32_t i = 0; i < o->num_nodes; i++)
		inner += o->nodes[i].left != AXCC_ORDER_LEAF;
	if (!inner)
		return false;
	chosen = (uint32_t)(random_next(seed) % inner);
	for (uint32_t i = 0; i < o->num_nodes; i++) {
		struct axcc_order_node *n = &o->nodes[i];
		uint32_t left = n->left;

		if (left == AXCC_ORDER_LEAF || chosen--)
			continue;
		n->left = n->right;
		n->right = m == ORDER_SWAP ? left : n->right;
		return true;
	}
	return false;
}

bool mutate(struct axcc_schedule *s, enum mutation m, uint64_t *seed)
{
	if (m <= SWAP_STEPS)
		return step_mutation(s, m, seed);
	if (m <= OTHER_QUEUE)
		return transfer_mutation(s, m, seed);
	if (m <= POST_EARLY)
		return post_mutation(s, m, seed);
	if (m <= WAIT_EARLY)
		return wait_mutation(s, m, seed);
	if (m <= RANKS_MORE)
		return rank_mutation(s, m);
	return order_mutation(s, m, seed);
}
