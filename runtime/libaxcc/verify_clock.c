// SPDX-License-Identifier: MIT
/*
 * verify_clock.c - what is known to have happened before what, by vector clocks.
 *
 * Only what holds for every timing counts. A wait for a semaphore vouches for a post if without it,
 * and without those that arrive after it, the value could not have been reached: with several
 * sources of posts all the others may already have posted everything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "verify_parts.h"

/* ---- posts, sorted into sources ---- */

_Static_assert(AXCC_MAX_RANKS <= 256, "ranks have 8 bits in a key");

/* Where a post comes from and goes to, as one number. */
static uint64_t source_key(const struct axcc_sent *p)
{
	return (uint64_t)p->target << 48 | (uint64_t)p->sem << 40 | (uint64_t)p->rank << 24 |
		(uint64_t)p->queue << 16 | (uint64_t)p->from << 8 | p->to;
}

static int by_source(const void *pa, const void *pb)
{
	const struct axcc_sent *a = pa, *b = pb;
	uint64_t ka = source_key(a), kb = source_key(b);

	if (ka != kb)
		return ka < kb ? -1 : 1;
	return a->step < b->step ? -1 : a->step > b->step;
}

static void add_post(struct axcc_clocks *c, uint32_t rank, uint32_t step,
		     const struct axcc_step *st,
		     const struct axcc_post *post)
{
	struct axcc_sent *p = &c->sent[c->num_sent];

	if (!post->inc)
		return;
	*p = (struct axcc_sent) {
		.target = post->rank, .sem = post->sem, .inc = post->inc,
		.rank = (uint16_t)rank, .step = step, .queue = 0xff,
	};
	if (st->kind != AXCC_STEP_NONE) {
		p->queue = st->queue;
		p->from = st->src.rank;
		p->to = st->dst.rank;
	}
	c->num_sent++;
}

static void collect(struct axcc_clocks *c)
{
	for (uint32_t r = 0; r < c->s->req.ranks; r++) {
		const struct axcc_rank_steps *rs = &c->s->rank[r];

		for (uint32_t i = 0; i < rs->num_steps; i++) {
			add_post(c, r, i, &rs->steps[i], &rs->steps[i].post);
			add_post(c, r, i, &rs->steps[i], &rs->steps[i].done);
		}
	}
	qsort(c->sent, c->num_sent, sizeof(*c->sent), by_source);
}

static void sort_into_sources(struct axcc_clocks *c)
{
	uint32_t sources = 0;

	for (uint32_t i = 0; i < c->num_sent; i++) {
		struct axcc_sent *p = &c->sent[i];
		struct axcc_sem *sem = &c->sem[p->target][p->sem];
		uint32_t of = c->of_step[p->rank] + p->step;

		c->posts[of][c->posts[of][0] != 0] = i + 1;
		p->sum = p->inc;
		if (i && source_key(p) == source_key(p - 1)) {
			p->sum += p[-1].sum;
			c->source[sources - 1].count++;
		} else {
			if (!sem->count++)
				sem->first = sources;
			c->source[sources++] = (struct axcc_source) { .first = i, .count = 1 };
		}
		sem->total += p->inc;
	}
}

static void count_waits(struct axcc_clocks *c)
{
	for (uint32_t r = 0; r < c->s->req.ranks; r++) {
		const struct axcc_rank_steps *rs = &c->s->rank[r];

		for (uint32_t w = 0; w < rs->num_waits; w++) {
			struct axcc_sem *sem = &c->sem[r][rs->waits[w].sem];

			if (rs->waits[w].value > sem->most)
				sem->most = rs->waits[w].value;
		}
	}
}

/* ---- clocks ---- */

static struct axcc_clock *clock_new(const struct axcc_clocks *c, const struct axcc_clock *from)
{
	size_t size = sizeof(struct axcc_clock) + c->chains * sizeof(uint32_t);
	struct axcc_clock *n = calloc(1, size);

	if (!n)
		return NULL;
	if (from)
		memcpy(n, from, size);
	n->refs = 1;
	return n;
}

static void clock_put(struct axcc_clock *clock)
{
	if (clock && !--clock->refs)
		free(clock);
}

static uint32_t count_steps(struct axcc_clocks *c)
{
	uint32_t steps = 0;

	for (uint32_t r = 0; r < c->s->req.ranks; r++) {
		const struct axcc_rank_steps *rs = &c->s->rank[r];

		c->of_step[r] = steps;
		steps += rs->num_steps;
		for (uint32_t q = 0; q < AXCC_QUEUES; q++)
			c->chain[r][q] = AXCC_NO_CHAIN;
		for (uint32_t i = 0; i < rs->num_steps; i++) {
			uint32_t *chain = &c->chain[r][rs->steps[i].queue];

			if (rs->steps[i].kind != AXCC_STEP_NONE && *chain == AXCC_NO_CHAIN)
				*chain = c->chains++;
		}
	}
	return steps;
}

int axcc_clocks_init(struct axcc_clocks *c, const struct axcc_schedule *s)
{
	uint32_t steps;

	c->s = s;
	steps = count_steps(c);
	c->chains += s->req.coll == AXCC_BARRIER ? s->req.ranks : 0;
	c->issued = calloc(c->chains + 1, sizeof(*c->issued));
	c->sem = calloc(s->req.ranks, sizeof(*c->sem));
	c->sent = calloc(2 * (size_t)steps + 1, sizeof(*c->sent));
	c->posts = calloc((size_t)steps + 1, sizeof(*c->posts));
	c->source = calloc(2 * (size_t)steps + 1, sizeof(*c->source));
	if (!c->issued || !c->sem || !c->sent || !c->posts || !c->source)
		return -ENOMEM;
	for (uint32_t r = 0; r < s->req.ranks; r++) {
		c->stream[r] = clock_new(c, NULL);
		if (!c->stream[r])
			return -ENOMEM;
		if (s->req.coll == AXCC_BARRIER)
			c->stream[r]->ended[c->chains - 1 - r] = 1;
	}
	collect(c);
	sort_into_sources(c);
	count_waits(c);
	return 0;
}

bool axcc_clocks_met(const struct axcc_clocks *c, uint32_t rank, uint32_t other)
{
	return c->stream[rank]->ended[c->chains - 1 - other];
}

void axcc_clocks_free(struct axcc_clocks *c)
{
	for (uint32_t i = 0; i < c->num_sent; i++)
		clock_put(c->sent[i].clock);
	for (uint32_t r = 0; r < AXCC_MAX_RANKS; r++)
		clock_put(c->stream[r]);
	free(c->issued);
	free(c->sem);
	free(c->sent);
	free(c->posts);
	free(c->source);
}

/* What a post's sender knew, and the post's own transfer, are known from now on. */
static int learn(struct axcc_clocks *c, uint32_t rank, const struct axcc_sent *p)
{
	struct axcc_clock *mine = c->stream[rank];

	/* Knowledge travels whole: who knows of a transfer knows what its issuer knew. */
	if (p->moment.number && p->moment.number <= mine->ended[p->moment.chain])
		return 0;
	if (mine->refs > 1) {
		mine = clock_new(c, mine);
		if (!mine)
			return -ENOMEM;
		clock_put(c->stream[rank]);
		c->stream[rank] = mine;
	}
	for (uint32_t i = 0; i < c->chains; i++)
		if (p->clock->ended[i] > mine->ended[i])
			mine->ended[i] = p->clock->ended[i];
	if (p->moment.number && p->moment.number > mine->ended[p->moment.chain])
		mine->ended[p->moment.chain] = p->moment.number;
	return 0;
}

/* The newest post that is vouched for knows all that the ones before it did. */
static int vouch(struct axcc_clocks *c, uint32_t rank, struct axcc_source *src, uint64_t sum)
{
	uint32_t known = src->known;
	struct axcc_sent *last;
	int err;

	while (known < src->count && (!known || c->sent[src->first + known - 1].sum < sum))
		known++;
	if (known == src->known)
		return 0;
	last = &c->sent[src->first + known - 1];
	if (!last->clock)
		return -EINVAL;	/* cannot be: the sum was reached */
	err = learn(c, rank, last);
	for (uint32_t i = src->known; i < known; i++) {
		clock_put(c->sent[src->first + i].clock);
		c->sent[src->first + i].clock = NULL;
	}
	src->known = known;
	return err;
}

int axcc_clocks_wait(struct axcc_clocks *c, uint32_t rank, uint32_t sem, uint32_t value)
{
	const struct axcc_sem *s = &c->sem[rank][sem];

	for (uint32_t i = 0; i < s->count; i++) {
		struct axcc_source *src = &c->source[s->first + i];
		uint64_t own = c->sent[src->first + src->count - 1].sum;
		uint64_t others = s->total - own;
		int err;

		if (value <= others)
			continue;
		err = vouch(c, rank, src, value - others);
		if (err)
			return err;
	}
	return 0;
}

void axcc_clocks_post(struct axcc_clocks *c, uint32_t rank, uint32_t step,
		      struct axcc_moment moment)
{
	const uint32_t *posts = c->posts[c->of_step[rank] + step];

	for (uint32_t i = 0; i < 2 && posts[i]; i++) {
		struct axcc_sent *p = &c->sent[posts[i] - 1];

		p->sent = true;
		p->moment = moment;
		p->clock = c->stream[rank];
		p->clock->refs++;
		c->sem[p->target][p->sem].value += p->inc;
	}
}
