// SPDX-License-Identifier: MIT
/* Going to sleep, being rung, and interrupts held back by moderation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "env.h"

static const struct axon_cmd nop;

static int setup(void **state)
{
	*state = env_init(1);
	return 0;
}

static int teardown(void **state)
{
	env_fini(*state);
	return 0;
}

static void run(struct env *env)
{
	for (int i = 0; axon_card_run(env->card); i++)
		assert_true(i < 100000);
}

/* A completion whose reader wants an interrupt. */
static void complete(struct ring *r)
{
	struct axon_cqe cqe;

	r->state->cq_event = r->tail;
	ring_put(r, nop);
	run(r->env);
	assert_true(ring_get(r, &cqe));
}

/* What the host does when it submits. Return: it has to ring. */
static bool submit(struct ring *r)
{
	uint32_t old = r->tail;

	ring_put(r, nop);
	return axon_ring_needs_event(r->state->sq_event, r->tail, old);
}

static void sleep_is_announced(void **state)
{
	struct env *env = *state;
	struct ring a, b;
	uint64_t deadline;

	ring_init(&a, env, 0, 0, 0);
	ring_init(&b, env, 1, 0, 0);
	run(env);
	/* Awake: nobody has to ring. */
	assert_false(submit(&a));
	assert_false(axon_card_prepare_sleep(env->card, &deadline));
	run(env);
	assert_int_equal(a.state->sq_head, 1);
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
	assert_true(deadline == UINT64_MAX);
	assert_int_equal(a.state->sq_event, 1);
	assert_int_equal(b.state->sq_event, 0);
	/* Asleep: the first command of a batch rings, the others do not. */
	assert_true(submit(&a));
	assert_false(submit(&a));
	assert_true(submit(&b));
	run(env);
	assert_int_equal(a.state->sq_head, 3);
	assert_int_equal(a.state->sq_event, 2);
	assert_int_equal(b.state->sq_event, 0);
	assert_false(submit(&b));
}

/* The other queue's announcement is taken back by any slice, also one without work. */
static void taken_back(void **state)
{
	struct env *env = *state;
	uint64_t deadline;
	struct ring a;

	ring_init(&a, env, 0, 0, 0);
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
	assert_int_equal(a.state->sq_event, 0);
	assert_false(axon_card_run(env->card));
	assert_int_equal(a.state->sq_event, UINT32_MAX);
}

static void stale_ring_is_looked_at(void **state)
{
	struct env *env = *state;
	uint64_t deadline;
	struct ring a;

	ring_init(&a, env, 0, 0, 0);
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
	assert_int_equal(axon_mmu_invalidate(env->card, 0), AXON_P_OK);
	assert_false(axon_card_prepare_sleep(env->card, &deadline));
	run(env);
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
}

static void held_back_by_time(void **state)
{
	struct env *env = *state;
	struct ring r;
	uint64_t deadline, first;

	ring_init(&r, env, 0, 0, 0);
	axon_card_write(env->card, AXON_REG_MSIX_MOD(1), 1000);
	complete(&r);
	assert_int_equal(env->irqs[1], 1);
	first = env->now;
	complete(&r);
	complete(&r);
	assert_int_equal(env->irqs[1], 1);
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
	assert_in_range(deadline, first + 1000000 - 100000, first + 1000000);
	env->now = deadline;
	assert_false(axon_card_prepare_sleep(env->card, &deadline));
	run(env);
	assert_int_equal(env->irqs[1], 2);
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
	assert_true(deadline == UINT64_MAX);
	/* Long after the last one an interrupt comes at once. */
	env->now += 5000000;
	complete(&r);
	assert_int_equal(env->irqs[1], 3);
}

static void let_go_by_count(void **state)
{
	struct env *env = *state;
	struct axon_cqe cqe;
	struct ring r;

	ring_init(&r, env, 0, 0, 0);
	axon_card_write(env->card, AXON_REG_MSIX_MOD(1), 4 << AXON_MOD_COUNT_SHIFT | 60000);
	complete(&r);
	assert_int_equal(env->irqs[1], 1);
	complete(&r);
	/* The next two are not asked for, but wait with the first. */
	for (int i = 0; i < 2; i++) {
		ring_put(&r, nop);
		run(env);
		assert_true(ring_get(&r, &cqe));
		assert_int_equal(env->irqs[1], 1);
	}
	ring_put(&r, nop);
	run(env);
	assert_int_equal(env->irqs[1], 2);
}

/* A reader and the card that missed each other: found with the next slice or before sleep. */
static void missed(void **state)
{
	struct env *env = *state;
	struct axon_cqe cqe;
	uint64_t deadline;
	struct ring r;

	ring_init(&r, env, 0, 0, 0);
	r.state->cq_event = UINT32_MAX;
	ring_put(&r, nop);
	run(env);
	assert_int_equal(env->irqs[1], 0);
	r.state->cq_event = 0;
	assert_false(axon_card_prepare_sleep(env->card, &deadline));
	assert_int_equal(env->irqs[1], 1);
	/* Once: the reader has not moved yet. */
	run(env);
	assert_true(axon_card_prepare_sleep(env->card, &deadline));
	assert_int_equal(env->irqs[1], 1);
	assert_true(ring_get(&r, &cqe));
	/* The same with a slice in between. */
	ring_put(&r, nop);
	run(env);
	r.state->cq_event = 1;
	run(env);
	assert_int_equal(env->irqs[1], 2);
	assert_true(ring_get(&r, &cqe));
	/* A reader that takes completions without interrupts asks for none. */
	for (int i = 0; i < 3; i++) {
		ring_put(&r, nop);
		run(env);
		assert_true(ring_get(&r, &cqe));
		r.state->cq_event = r.state->cq_head - 1;
		run(env);
		assert_true(axon_card_prepare_sleep(env->card, &deadline));
	}
	assert_int_equal(env->irqs[1], 2);
}

static void vectors_are_independent(void **state)
{
	struct env *env = *state;
	struct ring a, b;

	ring_init(&a, env, 0, 0, 0);
	ring_init(&b, env, 1, 0, 0);
	axon_card_write(env->card, AXON_REG_MSIX_MOD(1), 1000);
	complete(&a);
	complete(&a);
	complete(&b);
	complete(&b);
	assert_int_equal(env->irqs[1], 1);
	assert_int_equal(env->irqs[2], 2);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(sleep_is_announced), T(taken_back), T(stale_ring_is_looked_at),
		T(held_back_by_time), T(let_go_by_count), T(missed),
		T(vectors_are_independent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
