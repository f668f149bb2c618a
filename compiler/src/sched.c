/* SPDX-License-Identifier: MIT */
/*
 * sched.c - finds out which instruction must wait for which.
 *
 * Program order is the meaning of a program; this pass makes engines and DMA queues respect it.
 * Everything whose order matters is a state: a piece of SBUF or PSUM between two tile borders, or a
 * region of a tensor. A state knows, by producer, the number of the last instruction that wrote it
 * and the last that read it since. Producers finish in order, so a number says it all.
 *
 * Numbers in loops are relative: what producer P has done is base + n, where base grows by P's
 * posts of one iteration (loop_posts) at each iteration's end, on every engine that waits for P
 * (layout.c keeps base in a register). So n starts again at the same value in every iteration,
 * and n - loop_posts is the same instruction one iteration ago. A loop body is walked twice:
 * first to see how it leaves the states, then, with that (one iteration ago) merged into the
 * states before the loop, to set the waits. After the loop both views are merged again, since it
 * may not have run at all. Each merge takes the later number of a producer: it may wait for more
 * than needed, but only ever for something earlier in program order, so there can be no deadlock.
 */
#include "internal.h"

struct snap {
	int32_t know[NUM_PRODUCERS];
};

/* What had been seen when a producer's posts (base + 1 ...) of this region were made. */
struct history {
	int32_t base;
	struct snap *snap;
	uint32_t n, cap;
};

struct state {
	int32_t w[NUM_PRODUCERS];
	int32_t r[NUM_PRODUCERS];
};

/**
 * struct sched - the walk
 * @count: posts of each producer, relative
 * @know: by engine: what it has seen of each producer, relative; forgotten at loop borders
 * @last_wait: by engine and producer: op with the last wait, plus one
 * @silent: the silent loop around, or NULL
 */
struct sched {
	struct axc_program *p;
	struct state *state;
	uint32_t nstates;
	int32_t count[NUM_PRODUCERS];
	int32_t know[AXON_NUM_ENGINES][NUM_PRODUCERS];
	struct history hist[NUM_PRODUCERS];
	uint32_t last_wait[AXON_NUM_ENGINES][NUM_PRODUCERS];
	struct op *silent;
};

/* ---- states ---- */

static int by_offset(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t find_border(const uint32_t *border, uint32_t n, uint32_t offset)
{
	const uint32_t *at = bsearch(&offset, border, n, sizeof(*border), by_offset);

	return at ? (uint32_t)(at - border) : 0;
}

/* Cut a space at every tile border; number the pieces from @first. Gives the next free number. */
static uint32_t cut_space(struct axc_program *p, unsigned int space, uint32_t first)
{
	uint32_t n = 0, m = 0, i, *border;
	struct axc_tile *t;

	for (t = p->tiles; t; t = t->next)
		n += 2;
	border = axc_zalloc(p, n * sizeof(*border));
	if (!border)
		return first;
	n = 0;
	for (t = p->tiles; t; t = t->next) {
		if (t->space == space) {
			border[n++] = t->offset;
			border[n++] = t->offset + t->bytes;
		}
	}
	qsort(border, n, sizeof(*border), by_offset);
	for (i = 0; i < n; i++)
		if (!i || border[i] != border[m - 1])
			border[m++] = border[i];
	for (t = p->tiles; t; t = t->next) {
		if (t->space != space)
			continue;
		t->seg_first = first + find_border(border, m, t->offset);
		t->seg_count = first + find_border(border, m, t->offset + t->bytes) - t->seg_first;
	}
	free(border);
	return first + m;
}

static bool is_written(const struct axc_tensor *t)
{
	return t->kind == TENSOR_BSS || (t->kind == TENSOR_ARG && t->usage != AXC_INPUT);
}

static void make_states(struct sched *s)
{
	struct axc_tensor *t;
	uint32_t n, i, j;

	n = cut_space(s->p, AXON_SPACE_SBUF, 0);
	n = cut_space(s->p, AXON_SPACE_PSUM, n);
	for (t = s->p->tensors; t; t = t->next) {
		t->state = n;
		n += is_written(t) ? t->nregions : 0;
	}
	s->nstates = n;
	s->state = axc_zalloc(s->p, n * sizeof(*s->state));
	if (!s->state)
		return;
	for (i = 0; i < n; i++) {
		for (j = 0; j < NUM_PRODUCERS; j++) {
			s->state[i].w[j] = NEVER;
			s->state[i].r[j] = NEVER;
		}
	}
}

static struct state *states_of(struct sched *s, const struct access *a, uint32_t *n)
{
	if (a->tile) {
		*n = a->tile->seg_count;
		return &s->state[a->tile->seg_first];
	}
	*n = 0;
	if (!a->tensor || !is_written(a->tensor))
		return s->state;
	if (a->region == AXC_REGION_ALL) {
		*n = a->tensor->nregions;
		return &s->state[a->tensor->state];
	}
	*n = 1;
	return &s->state[a->tensor->state + a->region];
}

static struct state *save_states(struct sched *s)
{
	size_t size = s->nstates * sizeof(*s->state);
	struct state *copy = axc_zalloc(s->p, size);

	if (copy)
		memcpy(copy, s->state, size);
	return copy;
}

/* The same post, seen after its loop's iteration: one iteration's posts less, if it was in it. */
static int32_t one_ago(int32_t n, int32_t before, int32_t posts)
{
	return n > before ? n - posts : n;
}

static int32_t later(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

/* state = the later of @old and what the loop left, one iteration ago */
static void merge_states(struct sched *s, const struct state *old, const int32_t *before,
			 const uint32_t *posts)
{
	uint32_t i, j;

	for (i = 0; i < s->nstates; i++) {
		struct state *now = &s->state[i];

		for (j = 0; j < NUM_PRODUCERS; j++) {
			now->w[j] = later(old[i].w[j], one_ago(now->w[j], before[j], posts[j]));
			now->r[j] = later(old[i].r[j], one_ago(now->r[j], before[j], posts[j]));
		}
	}
}

/* ---- knowledge ---- */

static void forget(struct sched *s)
{
	unsigned int i, j;

	for (i = 0; i < AXON_NUM_ENGINES; i++)
		for (j = 0; j < NUM_PRODUCERS; j++)
			s->know[i][j] = NEVER;
	for (j = 0; j < NUM_PRODUCERS; j++) {
		s->hist[j].base = s->count[j];
		s->hist[j].n = 0;
	}
}

static const struct snap *history(const struct sched *s, unsigned int prod, int32_t n)
{
	const struct history *h = &s->hist[prod];

	return n > h->base && n - h->base <= (int32_t)h->n ? &h->snap[n - h->base - 1] : NULL;
}

static void learn(struct sched *s, unsigned int engine, unsigned int prod, int32_t n)
{
	const struct snap *snap = history(s, prod, n);
	unsigned int j;

	for (j = 0; snap && j < NUM_PRODUCERS; j++)
		s->know[engine][j] = later(s->know[engine][j], snap->know[j]);
	s->know[engine][prod] = later(s->know[engine][prod], n);
}

/* A post has been made: whoever sees it knows what its engine knew. */
static void remember(struct sched *s, unsigned int engine, unsigned int prod)
{
	struct history *h = &s->hist[prod];
	struct snap *snap;

	if (!axc_grow(s->p, &h->snap, &h->cap, h->n + 1, sizeof(*h->snap)))
		return;
	snap = &h->snap[h->n++];
	memcpy(snap->know, s->know[engine], sizeof(snap->know));
	snap->know[engine] = s->count[engine];
	snap->know[prod] = s->count[prod];
}

/* ---- one instruction ---- */

static void add_wait(struct sched *s, uint32_t index, unsigned int prod, int32_t n)
{
	struct axc_program *p = s->p;
	struct op *op = &p->ops[index];

	if (!axc_grow(p, &p->waits, &p->waits_cap, p->nwaits + 1, sizeof(*p->waits)))
		return;
	if (!op->nwaits)
		op->waits = p->nwaits;
	p->waits[p->nwaits++] = (struct wait){ .producer = prod, .count = n };
	op->nwaits++;
	s->last_wait[op->engine][prod] = index + 1;
	learn(s, op->engine, prod, n);
}

static void set_waits(struct sched *s, uint32_t index, int32_t *need)
{
	const struct op *op = &s->p->ops[index];
	const struct snap *snap;
	unsigned int i, j;

	for (i = 0; i < NUM_PRODUCERS; i++)
		if (need[i] <= s->know[op->engine][i])
			need[i] = NEVER;
	/* What another wait of this instruction implies needs none of its own. */
	for (i = 0; i < NUM_PRODUCERS; i++) {
		for (j = 0; j < NUM_PRODUCERS && need[i] != NEVER; j++) {
			snap = i != j && need[j] != NEVER ? history(s, j, need[j]) : NULL;
			if (snap && snap->know[i] >= need[i])
				need[i] = NEVER;
		}
	}
	for (i = 0; i < NUM_PRODUCERS; i++)
		if (need[i] != NEVER)
			add_wait(s, index, i, need[i]);
}

static void find_needs(struct sched *s, const struct op *op, int32_t *need)
{
	uint32_t i, j, k, n;

	for (j = 0; j < NUM_PRODUCERS; j++)
		need[j] = NEVER;
	for (i = 0; i < op->naccess; i++) {
		struct state *st = states_of(s, &op->access[i], &n);

		for (k = 0; k < n; k++) {
			for (j = 0; j < NUM_PRODUCERS; j++) {
				need[j] = later(need[j], st[k].w[j]);
				if (op->access[i].write)
					need[j] = later(need[j], st[k].r[j]);
			}
		}
	}
	/* Engines are in order, a queue too, and a transfer starts after its engine's past. */
	need[op->engine] = NEVER;
	if (op->kind != OP_INST)
		need[producer_of(op)] = NEVER;
}

static void update_states(struct sched *s, const struct op *op, unsigned int prod, int32_t number)
{
	uint32_t i, j, k, n;

	for (i = 0; i < op->naccess; i++) {
		struct state *st = states_of(s, &op->access[i], &n);

		for (k = 0; k < n && !op->access[i].write; k++)
			st[k].r[prod] = number;
	}
	for (i = 0; i < op->naccess; i++) {
		struct state *st = states_of(s, &op->access[i], &n);

		for (k = 0; k < n && op->access[i].write; k++) {
			for (j = 0; j < NUM_PRODUCERS; j++) {
				st[k].w[j] = NEVER;
				st[k].r[j] = NEVER;
			}
			st[k].w[prod] = number;
		}
	}
}

static void walk_op(struct sched *s, uint32_t index, bool real)
{
	struct op *op = &s->p->ops[index];
	unsigned int prod = producer_of(op);
	int32_t need[NUM_PRODUCERS];

	if (real) {
		find_needs(s, op, need);
		set_waits(s, index, need);
	}
	update_states(s, op, prod, s->count[prod] + 1);
	if (s->silent)
		return;
	s->count[prod]++;
	if (real) {
		op->posts = true;
		remember(s, op->engine, prod);
	}
}

/* ---- loops ---- */

static void walk(struct sched *s, uint32_t from, uint32_t to, bool real);

/*
 * A loop of one engine without transfers: nobody else takes part, so nobody needs to know the
 * iteration. All of it counts as done with the engine's next post.
 */
static void walk_silent(struct sched *s, uint32_t index, bool real)
{
	static const uint32_t none[NUM_PRODUCERS];
	struct axc_program *p = s->p;
	struct op *loop = &p->ops[index], *end = &p->ops[loop->match];
	unsigned int e = (unsigned int)__builtin_ctz(loop->engines);
	int32_t know[NUM_PRODUCERS];
	struct state *old = save_states(s);
	const struct op *next = loop->match + 1 < p->nops ? end + 1 : NULL;

	if (!old)
		return;
	memcpy(know, s->know[e], sizeof(know));
	s->silent = loop;
	walk(s, index + 1, loop->match, real);
	s->silent = NULL;
	merge_states(s, old, s->count, none);
	free(old);
	/* It may have run no iteration, and so have waited for nothing. */
	memcpy(s->know[e], know, sizeof(know));
	end->nop_post = !(next && next->kind == OP_INST && next->engine == e);
	if (end->nop_post) {
		s->count[e]++;
		if (real)
			remember(s, e, e);
	}
}

static void walk_loop(struct sched *s, uint32_t index, bool real)
{
	struct op *loop = &s->p->ops[index];
	struct state *old = save_states(s);
	int32_t before[NUM_PRODUCERS];
	unsigned int j;

	if (!old)
		return;
	memcpy(before, s->count, sizeof(before));
	walk(s, index + 1, loop->match, false);
	for (j = 0; j < NUM_PRODUCERS; j++)
		loop->loop_posts[j] = s->count[j] - before[j];
	memcpy(s->count, before, sizeof(before));
	merge_states(s, old, before, loop->loop_posts);
	if (real) {
		forget(s);
		walk(s, index + 1, loop->match, true);
		memcpy(s->count, before, sizeof(before));
		merge_states(s, old, before, loop->loop_posts);
		forget(s);
	}
	free(old);
}

static void walk(struct sched *s, uint32_t from, uint32_t to, bool real)
{
	uint32_t i;

	for (i = from; i < to && !s->p->err; i++) {
		struct op *op = &s->p->ops[i];

		if (is_instruction(op)) {
			walk_op(s, i, real);
		} else if (op->kind == OP_LOOP && !s->silent && op->engines) {
			if (op->silent)
				walk_silent(s, i, real);
			else
				walk_loop(s, i, real);
			i = op->match;
		}
	}
}

static void classify_loops(struct axc_program *p)
{
	int32_t loop;
	uint32_t i;

	for (i = 0; i < p->nops; i++) {
		if (!is_instruction(&p->ops[i]))
			continue;
		for (loop = p->ops[i].loop; loop >= 0; loop = p->ops[loop].loop) {
			p->ops[loop].engines |= 1u << p->ops[i].engine;
			p->ops[loop].has_dma |= p->ops[i].kind == OP_DMA;
		}
	}
	for (i = 0; i < p->nops; i++)
		if (p->ops[i].kind == OP_LOOP)
			p->ops[i].silent = !p->ops[i].has_dma &&
					   !(p->ops[i].engines & (p->ops[i].engines - 1));
}

/*
 * An engine outside a loop moves its bases by all iterations at once when the loop has ended. For a
 * loop inside another that is once in each of the other's iterations, so it must go through that.
 */
static void join_outer_loops(struct axc_program *p, const struct op *loop, unsigned int engine)
{
	int32_t outer;

	for (outer = loop->loop; outer >= 0; outer = p->ops[outer].loop)
		p->ops[outer].engines |= 1u << engine;
}

/* Which engine must move which base at the end of each loop: who waits later, or around again. */
static void find_bases(struct sched *s)
{
	struct axc_program *p = s->p;
	uint32_t i, first;
	unsigned int c, j;

	for (i = 0; i < p->nops; i++) {
		struct op *loop = &p->ops[i];

		if (loop->kind != OP_LOOP)
			continue;
		for (first = i; p->ops[first].loop >= 0; )
			first = p->ops[first].loop;
		for (c = 0; c < AXON_NUM_ENGINES; c++)
			for (j = 0; j < NUM_PRODUCERS; j++)
				if (loop->loop_posts[j] && s->last_wait[c][j] > first)
					loop->base_moves[c] |= 1u << j;
		for (c = 0; c < AXON_NUM_ENGINES; c++) {
			p->bases[c] |= loop->base_moves[c];
			if (loop->base_moves[c])
				join_outer_loops(p, loop, c);
		}
	}
}

int schedule(struct axc_program *p)
{
	struct sched *s = axc_zalloc(p, sizeof(*s));
	unsigned int j;

	if (!s)
		return p->err;
	s->p = p;
	classify_loops(p);
	make_states(s);
	if (!p->err) {
		forget(s);
		walk(s, 0, p->nops, true);
	}
	if (!p->err)
		find_bases(s);
	for (j = 0; j < NUM_PRODUCERS; j++)
		free(s->hist[j].snap);
	free(s->state);
	free(s);
	return p->err;
}
