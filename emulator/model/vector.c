// SPDX-License-Identifier: MIT
/*
 * vector.c - interrupt vectors of queues: moderation, and interrupts lost on purpose.
 *
 * Decides when a vector is raised, never whether a completion wants it: that is queue.c's. Vector 0
 * belongs to card.c and does not come here.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/**
 * struct vector - moderation of an interrupt vector
 * @last: now_ns() of the last interrupt while moderated
 * @due: when the interrupt held back is raised at the latest; UINT64_MAX: none is
 * @waiting: completions the interrupt held back stands for
 */
struct vector {
	uint64_t last;
	uint64_t due;
	uint32_t waiting;
};

/**
 * struct axon_vectors - the vectors; the card thread's alone, but for @drop
 * @vector: by number
 * @next: the earliest @due
 * @drop: interrupts still to be dropped (any thread, atomic)
 */
struct axon_vectors {
	struct vector vector[AXON_NUM_VECTORS];
	uint64_t next;
	_Atomic uint64_t drop;
};

static bool dropped(struct axon_vectors *vs)
{
	uint64_t left = atomic_load_explicit(&vs->drop, memory_order_relaxed);

	while (left)
		if (atomic_compare_exchange_weak(&vs->drop, &left, left - 1))
			return true;
	return false;
}

static void find_next(struct axon_vectors *vs)
{
	vs->next = UINT64_MAX;
	for (uint32_t v = 0; v < AXON_NUM_VECTORS; v++)
		if (vs->vector[v].due < vs->next)
			vs->next = vs->vector[v].due;
}

static void raise_vector(struct axon_card *card, uint32_t v)
{
	struct vector *vec = &card->vectors->vector[v];

	vec->waiting = 0;
	if (vec->due != UINT64_MAX) {
		vec->due = UINT64_MAX;
		find_next(card->vectors);
	}
	if (!dropped(card->vectors))
		card->ops.irq(card->opaque, v);
}

void axon_vector_completion(struct axon_card *card, uint32_t v, bool wanted)
{
	struct vector *vec = &card->vectors->vector[v];
	bool held = vec->due != UINT64_MAX;
	uint32_t mod, count;
	uint64_t now, gap;

	if (!wanted && !held)
		return;
	mod = atomic_load_explicit(&card->msix_mod[v], memory_order_relaxed);
	gap = (uint64_t)(mod & AXON_MOD_USEC_MASK) * 1000;
	count = mod >> AXON_MOD_COUNT_SHIFT;
	if (!gap) {
		raise_vector(card, v);
		return;
	}
	vec->waiting++;
	if (held && (!count || vec->waiting < count))
		return;
	now = card->ops.now_ns(card->opaque);
	if (now - vec->last >= gap || (count && vec->waiting >= count)) {
		vec->last = now;
		raise_vector(card, v);
		return;
	}
	vec->due = vec->last + gap;
	if (vec->due < card->vectors->next)
		card->vectors->next = vec->due;
}

void axon_vectors_flush(struct axon_card *card, uint64_t now)
{
	struct axon_vectors *vs = card->vectors;

	if (now < vs->next)
		return;
	for (uint32_t v = 0; v < AXON_NUM_VECTORS; v++) {
		if (now < vs->vector[v].due)
			continue;
		vs->vector[v].last = now;
		raise_vector(card, v);
	}
}

uint64_t axon_vectors_deadline(const struct axon_card *card)
{
	return card->vectors->next;
}

int axon_vectors_drop(struct axon_card *card, int64_t count)
{
	if (count < 0)
		return -EINVAL;
	atomic_store(&card->vectors->drop, (uint64_t)count);
	return 0;
}

void axon_vectors_reset(struct axon_card *card)
{
	struct axon_vectors *vs = card->vectors;

	for (uint32_t v = 0; v < AXON_NUM_VECTORS; v++)
		vs->vector[v] = (struct vector){ .due = UINT64_MAX };
	vs->next = UINT64_MAX;
	atomic_store(&vs->drop, 0);
}

int axon_vectors_create(struct axon_card *card)
{
	card->vectors = calloc(1, sizeof(*card->vectors));
	if (!card->vectors)
		return -ENOMEM;
	axon_vectors_reset(card);
	return 0;
}

void axon_vectors_destroy(struct axon_card *card)
{
	free(card->vectors);
	card->vectors = NULL;
}
