// SPDX-License-Identifier: MIT
/* Rings: commands in order, completions, copies, launches taking turns, what stops a queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "env.h"

#define DATA_HBM	(8ull << 20)
#define DATA_VA		0x80000000ull
#define DATA_SIZE	(1ull << 20)

static int setup(void **state)
{
	*state = env_init(2);
	return 0;
}

static int teardown(void **state)
{
	env_fini(*state);
	return 0;
}

static const struct axon_cmd nop;

static void run(struct env *env)
{
	for (int i = 0; axon_card_run(env->card); i++)
		assert_true(i < 100000);
}

static void put_launch(struct ring *r, uint64_t program)
{
	ring_put(r, (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH, .launch.program = program });
}

static void nops(void **state)
{
	struct env *env = *state;
	struct ring r;
	struct axon_cqe cqe;
	uint64_t seqno = 0;

	ring_init(&r, env, 5, 0, 0);
	assert_int_equal(r.state->sq_event, UINT32_MAX);
	/* Many times around, with batches of every size. */
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t n = round % 16 + 1;

		for (uint32_t i = 0; i < n; i++)
			ring_put(&r, nop);
		run(env);
		assert_int_equal(r.state->sq_head, r.tail);
		assert_int_equal(r.state->sq_event, r.tail - 1);
		assert_int_equal(r.state->cq_tail, r.tail);
		assert_int_equal(r.state->completed, r.tail);
		for (uint32_t i = 0; i < n; i++) {
			assert_true(ring_get(&r, &cqe));
			assert_int_equal(cqe.seqno, ++seqno);
			assert_int_equal(cqe.user_data, seqno + 1000);
			assert_int_equal(cqe.status, AXON_STATUS_OK);
		}
		assert_false(ring_get(&r, &cqe));
	}
	assert_int_equal(fakes.faults, 0);
}

/* The interrupt comes when the completion waited for is among the new ones, and only then. */
static void event_index(void **state)
{
	struct env *env = *state;
	struct ring r;

	ring_init(&r, env, 0, 0, 0);
	r.state->cq_event = 2;
	ring_put(&r, nop);
	ring_put(&r, nop);
	run(env);
	assert_int_equal(env->irqs[1], 0);
	ring_put(&r, nop);
	run(env);
	assert_int_equal(env->irqs[1], 1);
	ring_put(&r, nop);
	run(env);
	assert_int_equal(env->irqs[1], 1);
	assert_int_equal(axon_card_set(env->card, AXON_KNOB_DROP_IRQ, 1), 0);
	r.state->cq_event = 4;
	ring_put(&r, nop);
	run(env);
	assert_int_equal(env->irqs[1], 1);
	r.state->cq_event = 5;
	ring_put(&r, nop);
	run(env);
	assert_int_equal(env->irqs[1], 2);
}

static void map_data(struct env *env, uint32_t asid)
{
	env_map(env, ring_root(env, asid), DATA_VA, DATA_HBM, DATA_SIZE, ENV_RW);
	/* Then the bus, its pages in pairs the wrong way round. */
	for (uint64_t off = 0; off < DATA_SIZE; off += 0x1000)
		env_map(env, ring_root(env, asid), DATA_VA + DATA_SIZE + off,
			ENV_BUS_BASE + (off ^ 0x1000), 0x1000, ENV_RW | ENV_SYS);
}

static void copies(void **state)
{
	struct env *env = *state;
	uint8_t *hbm = env->card->hbm + DATA_HBM;
	struct axon_cqe cqe;
	struct ring r;

	ring_init(&r, env, 1, 0, 7);
	map_data(env, 7);
	ring_put(&r, (struct axon_cmd){ .opcode = AXON_CMD_FILL, .copy = {
		.dst = DATA_VA + 3, .src = 0xa5, .size = 500000 } });
	ring_put(&r, (struct axon_cmd){ .opcode = AXON_CMD_COPY, .copy = {
		.dst = DATA_VA + DATA_SIZE + 100, .src = DATA_VA, .size = 600001 } });
	run(env);
	assert_true(ring_get(&r, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_OK);
	assert_true(cqe.cycles > 0);
	assert_true(ring_get(&r, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_OK);
	assert_int_equal(hbm[2], 0);
	assert_int_equal(hbm[3], 0xa5);
	assert_int_equal(hbm[500002], 0xa5);
	assert_int_equal(hbm[500003], 0);
	for (uint64_t i = 0; i < 600001; i++) {
		uint64_t off = i + 100;

		if (env->bus[off ^ 0x1000] != hbm[i])
			fail_msg("byte %u differs", (unsigned int)i);
	}
	assert_int_equal(env->bus[(600101ull) ^ 0x1000], 0);
}

/* Another queue's commands do not wait for the end of a long copy. */
static void copies_are_sliced(void **state)
{
	struct env *env = *state;
	struct axon_cqe cqe;
	struct ring a, b;

	ring_init(&a, env, 1, 0, 7);
	ring_init(&b, env, 2, 0, 7);
	map_data(env, 7);
	env->step = 20000;
	ring_put(&a, (struct axon_cmd){ .opcode = AXON_CMD_FILL, .copy = {
		.dst = DATA_VA, .src = 1, .size = DATA_SIZE } });
	ring_put(&b, nop);
	assert_true(axon_card_run(env->card));
	assert_false(ring_get(&a, &cqe));
	assert_true(ring_get(&b, &cqe));
	run(env);
	assert_true(ring_get(&a, &cqe));
}

static void expect_stop(struct ring *r, enum axon_status status, uint64_t addr)
{
	struct axon_cqe cqe;

	run(r->env);
	assert_true(ring_get(r, &cqe));
	assert_int_equal(cqe.status, status);
	assert_int_equal(r->state->status, status);
	assert_int_equal(fakes.faults, 1);
	assert_int_equal(fakes.fault.status, status);
	assert_int_equal(fakes.fault.queue, r->p.id);
	assert_int_equal(fakes.fault.core, r->p.core);
	assert_int_equal(fakes.fault.asid, r->p.asid);
	assert_int_equal(fakes.fault.seqno, cqe.seqno);
	assert_int_equal(fakes.fault.user_data, cqe.user_data);
	assert_int_equal(fakes.fault.addr, addr);
	/* It stays stopped, and whoever waits has been told. */
	ring_put(r, nop);
	run(r->env);
	assert_false(ring_get(r, &cqe));
	assert_int_equal(r->env->irqs[r->p.vector], 1);
	assert_int_equal(axon_queue_destroy(r->env->card, r->p.id), AXON_P_OK);
	memset(&fakes.fault, 0, sizeof(fakes.fault));
	fakes.faults = 0;
	memset(r->env->irqs, 0, sizeof(r->env->irqs));
}

static void one_bad(struct env *env, struct axon_cmd cmd, enum axon_status status, uint64_t addr)
{
	struct ring r;

	ring_init(&r, env, 9, 1, 7);
	r.state->cq_event = 100;
	ring_put(&r, cmd);
	expect_stop(&r, status, addr);
}

static void bad_commands(void **state)
{
	const struct axon_cmd copy = { .opcode = AXON_CMD_COPY, .copy = {
		.dst = DATA_VA, .src = DATA_VA + 0x1000, .size = 16 } };
	struct env *env = *state;
	struct axon_cmd c;

	c = nop, c.opcode = 77;
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	c = nop, c.flags = 1;
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	c = nop, c.reserved0 = 1;
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	for (int i = 0; i < 5; i++) {
		c = nop, c.reserved[i] = 1;
		one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	}
	c = copy, c.copy.reserved = 1;
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	c = copy, c.reserved[4] = 1;
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	c = copy, c.copy.size = 0;
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	c = copy, c.copy.size = (1ull << 40) + 1;
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	c = copy, c.opcode = AXON_CMD_FILL, c.copy.src = 256;
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	c = copy, c.copy.dst = UINT64_MAX;
	one_bad(env, c, AXON_STATUS_FAULT_ADDRESS, UINT64_MAX);
	c = copy, c.copy.src = (1ull << 48) - 15;
	one_bad(env, c, AXON_STATUS_FAULT_ADDRESS, c.copy.src);
	c = (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH, .launch.program = 64 };
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	c.launch.program = DATA_VA, c.launch.reserved = 1;
	one_bad(env, c, AXON_STATUS_BAD_COMMAND, 0);
	c.launch.reserved = 0;
	one_bad(env, c, AXON_STATUS_FAULT_UNMAPPED, DATA_VA);
	map_data(env, 7);
	c = copy, c.copy.size = 2 * DATA_SIZE, c.copy.src = DATA_VA + 8, c.copy.dst = DATA_VA;
	one_bad(env, c, AXON_STATUS_FAULT_UNMAPPED, DATA_VA + 2 * DATA_SIZE);
	*env_pte(env, ring_root(env, 7), DATA_VA, 0) &= ~AXON_PTE_WRITE;
	axon_mmu_invalidate(env->card, 7);
	one_bad(env, copy, AXON_STATUS_FAULT_WRITE, DATA_VA);
}

static void launch_fault(void **state)
{
	struct env *env = *state;

	ring_root(env, 7);
	fakes.core[1].result.fault = (struct axon_fault){
		.status = AXON_STATUS_FAULT_EXEC, .engine = 2, .opcode = 9, .pc = 33,
		.addr = 0x1234,
	};
	env_map(env, ring_root(env, 7), DATA_VA, DATA_HBM, 0x1000, ENV_RW);
	one_bad(env, (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH, .launch.program = DATA_VA },
		AXON_STATUS_FAULT_EXEC, 0x1234);
	fakes.core[1].refuse = true;
	one_bad(env, (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH, .launch.program = DATA_VA },
		AXON_STATUS_BAD_PROGRAM, 0);
}

static void launches(void **state)
{
	struct env *env = *state;
	struct axon_program *program = (void *)(env->card->hbm + DATA_HBM);
	struct axon_cqe cqe;
	struct ring r;

	ring_init(&r, env, 3, 1, 7);
	map_data(env, 7);
	program->magic = AXON_PROGRAM_MAGIC;
	fakes.core[1].slices = 2;
	fakes.core[1].result = (struct axon_launch_result){ .cycles = 77, .profiled = 5 };
	ring_put(&r, (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH, .launch = {
		.program = DATA_VA, .args = 11, .profile = 22, .profile_count = 33 } });
	env->step = 30000;
	assert_true(axon_card_run(env->card));
	assert_int_equal(axon_card_read(env->card, AXON_REG_CORE(1, AXON_CORE_STATE)),
			 AXON_CORE_RUNNING);
	assert_int_equal(axon_card_read(env->card, AXON_REG_CORE(1, AXON_CORE_QUEUE)), 3);
	assert_true(axon_card_read(env->card, AXON_REG_CORE(1, AXON_CORE_BUSY_LO)) > 0);
	run(env);
	assert_int_equal(axon_card_read(env->card, AXON_REG_CORE(1, AXON_CORE_STATE)),
			 AXON_CORE_IDLE);
	assert_int_equal(axon_card_read(env->card, AXON_REG_CORE(1, AXON_CORE_QUEUE)),
			 AXON_NO_QUEUE);
	assert_true(ring_get(&r, &cqe));
	assert_int_equal(cqe.cycles, 77);
	assert_int_equal(cqe.profiled, 5);
	assert_int_equal(fakes.core[1].launch.asid, 7);
	assert_int_equal(fakes.core[1].launch.queue, 3);
	assert_int_equal(fakes.core[1].launch.args, 11);
	assert_int_equal(fakes.core[1].launch.profile, 22);
	assert_int_equal(fakes.core[1].launch.profile_count, 33);
	assert_int_equal(fakes.core[1].launch.program.magic, AXON_PROGRAM_MAGIC);
}

/* Queues of a core take turns, whatever one of them has piled up; other work goes on meanwhile. */
static void turns(void **state)
{
	static const uint32_t want[] = { 2, 4, 6, 2, 4, 6, 2, 2 };
	struct env *env = *state;
	struct axon_cqe cqe;
	struct ring r[3], other;

	for (uint32_t i = 0; i < 3; i++)
		ring_init(&r[i], env, 2 + 2 * i, 0, 7);
	ring_init(&other, env, 9, 0, 7);
	map_data(env, 7);
	fakes.core[0].slices = 3;
	for (int i = 0; i < 4; i++)
		put_launch(&r[0], DATA_VA);
	for (int i = 0; i < 2; i++) {
		put_launch(&r[1], DATA_VA);
		put_launch(&r[2], DATA_VA);
	}
	env->step = 30000;
	axon_card_run(env->card);
	ring_put(&other, nop);
	axon_card_run(env->card);
	assert_true(ring_get(&other, &cqe));
	assert_false(ring_get(&r[1], &cqe));
	run(env);
	assert_int_equal(fakes.orders, 8);
	assert_memory_equal(fakes.order, want, sizeof(want));
}

static void kill(void **state)
{
	struct env *env = *state;
	struct axon_cqe cqe;
	struct ring a, b;

	ring_init(&a, env, 1, 0, 7);
	ring_init(&b, env, 2, 0, 7);
	map_data(env, 7);
	fakes.core[0].slices = 1000;
	put_launch(&a, DATA_VA);
	put_launch(&b, DATA_VA);
	env->step = 30000;
	axon_card_run(env->card);
	assert_int_equal(axon_queue_kill(env->card, 0, 2), AXON_P_NOT_FOUND);
	assert_int_equal(axon_queue_kill(env->card, 1, 1), AXON_P_NOT_FOUND);
	assert_int_equal(axon_queue_kill(env->card, 2, 1), AXON_P_BAD_ID);
	assert_int_equal(axon_queue_kill(env->card, 0, AXON_NO_QUEUE), AXON_P_BAD_ID);
	assert_int_equal(axon_core_reset_any(env->card, 1), AXON_P_NOT_FOUND);
	assert_int_equal(axon_queue_kill(env->card, 0, 1), AXON_P_OK);
	assert_int_equal(fakes.core[0].aborts, 1);
	assert_true(ring_get(&a, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_KILLED);
	assert_int_equal(a.state->status, AXON_STATUS_KILLED);
	assert_int_equal(fakes.fault.status, AXON_STATUS_KILLED);
	/* The other one gets the core. */
	axon_card_run(env->card);
	assert_int_equal(fakes.core[0].launch.queue, 2);
	assert_int_equal(axon_core_reset_any(env->card, 0), AXON_P_OK);
	assert_true(ring_get(&b, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_KILLED);
}

/* A copy is no launch, but it can take as long. */
static void kill_copy(void **state)
{
	struct env *env = *state;
	struct axon_cqe cqe;
	struct ring a;

	ring_init(&a, env, 1, 1, 7);
	map_data(env, 7);
	env->step = 20000;
	ring_put(&a, (struct axon_cmd){ .opcode = AXON_CMD_FILL, .copy = {
		.dst = DATA_VA, .src = 1, .size = DATA_SIZE } });
	assert_true(axon_card_run(env->card));
	assert_int_equal(axon_queue_kill(env->card, 0, 1), AXON_P_NOT_FOUND);
	assert_int_equal(axon_queue_kill(env->card, 1, 1), AXON_P_OK);
	assert_int_equal(fakes.core[1].aborts, 0);
	assert_true(ring_get(&a, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_KILLED);
	assert_int_equal(axon_queue_kill(env->card, 1, 1), AXON_P_NOT_FOUND);
}

static void destroy(void **state)
{
	struct env *env = *state;
	struct axon_cqe cqe;
	struct ring a, b;

	ring_init(&a, env, 1, 0, 7);
	ring_init(&b, env, 2, 0, 7);
	map_data(env, 7);
	fakes.core[0].slices = 1000;
	put_launch(&a, DATA_VA);
	put_launch(&b, DATA_VA);
	env->step = 30000;
	axon_card_run(env->card);
	assert_int_equal(axon_mmu_disable(env->card, 7), AXON_P_BUSY);
	assert_int_equal(axon_queue_destroy(env->card, 2), AXON_P_OK);
	assert_true(ring_get(&b, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_QUEUE_GONE);
	assert_int_equal(fakes.core[0].aborts, 0);
	assert_int_equal(axon_queue_destroy(env->card, 1), AXON_P_OK);
	assert_int_equal(fakes.core[0].aborts, 1);
	assert_true(ring_get(&a, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_QUEUE_GONE);
	assert_int_equal(fakes.faults, 0);
	assert_int_equal(axon_queue_destroy(env->card, 1), AXON_P_NOT_FOUND);
	assert_int_equal(axon_queue_destroy(env->card, AXON_MAX_QUEUES), AXON_P_BAD_ID);
	assert_int_equal(axon_mmu_disable(env->card, 7), AXON_P_OK);
	run(env);
	assert_int_equal(fakes.core[0].starts, 1);
}

static void reset_ends_launches(void **state)
{
	struct env *env = *state;
	struct ring a;

	ring_init(&a, env, 1, 0, 7);
	map_data(env, 7);
	fakes.core[0].slices = 1000;
	put_launch(&a, DATA_VA);
	env->step = 30000;
	axon_card_run(env->card);
	axon_card_reset(env->card);
	assert_int_equal(fakes.core[0].aborts, 1);
	assert_int_equal(axon_card_read(env->card, AXON_REG_CORE(0, AXON_CORE_BUSY_LO)), 0);
	assert_false(axon_card_run(env->card));
	assert_int_equal(axon_queue_destroy(env->card, 1), AXON_P_NOT_FOUND);
}

static void bad_indices(void **state)
{
	struct env *env = *state;
	struct axon_cqe cqe;
	struct ring r;

	ring_init(&r, env, 1, 0, 0);
	r.state->sq_tail = 17;
	run(env);
	assert_int_equal(r.state->status, AXON_STATUS_BAD_RING);
	assert_int_equal(fakes.fault.status, AXON_STATUS_BAD_RING);
	assert_int_equal(fakes.fault.engine, AXON_FAULT_NO_ENGINE);
	assert_false(ring_get(&r, &cqe));

	ring_init(&r, env, 2, 0, 0);
	for (int i = 0; i < 16; i++)
		ring_put(&r, nop);
	run(env);
	ring_put(&r, nop);
	run(env);
	assert_int_equal(r.state->status, AXON_STATUS_CQ_OVERFLOW);
	assert_int_equal(r.state->cq_tail, 16);

	ring_init(&r, env, 3, 0, 0);
	for (int i = 0; i < 16; i++)
		ring_put(&r, nop);
	run(env);
	r.state->cq_head = 17;
	ring_put(&r, nop);
	run(env);
	assert_int_equal(r.state->status, AXON_STATUS_BAD_RING);
	assert_int_equal(fakes.faults, 3);
}

static void bad_params(void **state)
{
	struct env *env = *state;
	struct axon_queue_params p;
	struct ring r;

	ring_init(&r, env, 1, 0, 7);
	assert_int_equal(axon_queue_create(env->card, &r.p), AXON_P_BUSY);
#define BAD(field, value, result) do { \
		p = r.p; \
		p.id = 2; \
		p.field = value; \
		assert_int_equal(axon_queue_create(env->card, &p), result); \
	} while (0)
	BAD(id, AXON_MAX_QUEUES, AXON_P_BAD_ID);
	BAD(core, 2, AXON_P_BAD_PARAM);
	BAD(asid, 8, AXON_P_BAD_PARAM);
	BAD(asid, AXON_MAX_ASIDS, AXON_P_BAD_PARAM);
	BAD(ring_asid, 0, AXON_P_BAD_PARAM);
	BAD(ring_asid, 8, AXON_P_BAD_PARAM);
	BAD(entries, 0, AXON_P_BAD_PARAM);
	BAD(entries, 8, AXON_P_BAD_PARAM);
	BAD(entries, 24, AXON_P_BAD_PARAM);
	BAD(entries, 131072, AXON_P_BAD_PARAM);
	BAD(entries, 65536, AXON_P_BAD_PARAM);	/* reaches beyond what is mapped */
	BAD(vector, 0, AXON_P_BAD_PARAM);
	BAD(vector, AXON_NUM_VECTORS, AXON_P_BAD_PARAM);
	BAD(sq, r.p.sq + 64, AXON_P_BAD_PARAM);
	BAD(sq, 0x1000, AXON_P_BAD_PARAM);
	BAD(cq, UINT64_MAX & ~0xfffull, AXON_P_BAD_PARAM);
	BAD(state, r.p.state + 128, AXON_P_BAD_PARAM);
	*env_pte(env, ring_root(env, 7), RING_VA(1) + 0x8000, 0) &= ~AXON_PTE_WRITE;
	axon_mmu_invalidate(env->card, 7);
	BAD(id, 2, AXON_P_BAD_PARAM);
#undef BAD
	assert_int_equal(axon_queues_use_asid(env->card, 8), 0);
	assert_int_equal(axon_queues_use_asid(env->card, 7), 1);
}

/* Rings move with their page table, and a ring that is gone stops its queue, not the card. */
static void rings_are_translated_again(void **state)
{
	struct env *env = *state;
	struct axon_cqe cqe;
	struct ring r, b;

	ring_init(&r, env, 1, 0, 7);
	ring_init(&b, env, 2, 0, 7);
	for (int i = 0; i < 3; i++) {
		ring_put(&r, nop);
		run(env);
		assert_true(ring_get(&r, &cqe));
	}
	memcpy(env->card->hbm + DATA_HBM, r.sq, 0x10000);
	env_map(env, ring_root(env, 7), RING_VA(1), DATA_HBM, 0x10000, ENV_RW);
	assert_int_equal(axon_mmu_invalidate(env->card, 7), AXON_P_OK);
	r.sq = (void *)(env->card->hbm + DATA_HBM);
	r.cq = (void *)(env->card->hbm + DATA_HBM + 0x4000);
	r.state = (void *)(env->card->hbm + DATA_HBM + 0x8000);
	for (int i = 0; i < 40; i++) {
		ring_put(&r, nop);
		run(env);
		assert_true(ring_get(&r, &cqe));
	}
	fakes.core[0].slices = 1000;
	map_data(env, 7);
	put_launch(&r, DATA_VA);
	env->step = 30000;
	axon_card_run(env->card);
	*env_pte(env, ring_root(env, 7), RING_VA(1) + 0x8000, 0) = 0;
	assert_int_equal(axon_mmu_invalidate(env->card, 7), AXON_P_OK);
	axon_card_run(env->card);
	assert_int_equal(fakes.fault.status, AXON_STATUS_FAULT_UNMAPPED);
	assert_int_equal(fakes.fault.addr, RING_VA(1) + 0x8000);
	assert_int_equal(fakes.core[0].aborts, 1);
	ring_put(&b, nop);
	run(env);
	assert_true(ring_get(&b, &cqe));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nops), T(event_index), T(copies), T(copies_are_sliced), T(bad_commands),
		T(launch_fault), T(launches), T(turns), T(kill), T(kill_copy), T(destroy),
		T(reset_ends_launches), T(bad_indices), T(bad_params),
		T(rings_are_translated_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
