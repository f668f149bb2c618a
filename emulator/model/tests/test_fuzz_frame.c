// SPDX-License-Identifier: MIT
/*
 * Whatever a guest writes into registers, page tables, queue parameters and rings: the card neither
 * crashes nor hangs, and gives back every mapping. Seeded, so that a failure can be repeated;
 * AXON_FUZZ_ROUNDS in the environment makes it longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env.h"

#define QUEUES		6u
#define SPACES		3u
#define TABLE_PAGES	64u
#define TABLE_HBM	(40ull << 20)

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t below(uint64_t n)
{
	return rnd() % n;
}

static bool once_in(uint64_t n)
{
	return below(n) == 0;
}

static unsigned int rounds(unsigned int normal)
{
	const char *text = getenv("AXON_FUZZ_ROUNDS");

	return text ? (unsigned int)strtoul(text, NULL, 0) : normal;
}

/* A number that is likely to be at some edge. */
static uint64_t edgy(void)
{
	uint64_t v = once_in(2) ? 1ull << below(64) : rnd();

	return v + below(3) - 1;
}

static void fuzz_registers(void **state)
{
	struct env *env = env_init(3);

	for (unsigned int i = 0; i < rounds(100000); i++) {
		uint32_t offset = (uint32_t)(once_in(16) ? edgy() : below(0x600) & ~3ull);

		if (once_in(2))
			axon_card_read(env->card, offset);
		else
			axon_card_write(env->card, offset, (uint32_t)edgy());
		if (once_in(50))
			axon_card_write(env->card, AXON_REG_RESET, AXON_RESET_CARD);
		if (once_in(50))
			axon_card_doorbell(env->card, (uint32_t)below(300));
		if (once_in(100))
			axon_card_run(env->card);
	}
	env_fini(env);
}

/* Mostly valid entries, so that walks get somewhere. */
static uint64_t random_pte(void)
{
	uint64_t pte = TABLE_HBM + below(TABLE_PAGES) * AXON_PAGE_SIZE;

	if (!once_in(3))
		return pte | AXON_PTE_VALID;
	if (once_in(4))
		pte = below(ENV_HBM_SIZE / 4096 + 4) * 4096;
	if (once_in(8))
		pte = (ENV_BUS_BASE + below(ENV_BUS_SIZE + 0x10000)) & AXON_PTE_ADDR_MASK;
	pte |= AXON_PTE_VALID;
	if (once_in(3))
		pte |= AXON_PTE_WRITE;
	if (once_in(4))
		pte |= AXON_PTE_EXEC;
	if (once_in(4))
		pte |= AXON_PTE_LEAF;
	if (once_in(4))
		pte |= ENV_SYS;
	if (once_in(16))
		pte ^= 1ull << below(64);
	return pte;
}

/* An address whose walk stays in the entries that random_tables() fills. */
static uint64_t random_va(void)
{
	uint64_t va = below(4096);

	if (once_in(32))
		return edgy();
	for (int level = 0; level < AXON_PT_LEVELS; level++)
		va |= below(8) << (12 + 9 * level);
	return va;
}

static void random_tables(struct env *env)
{
	for (unsigned int t = 0; t < TABLE_PAGES; t++) {
		uint64_t *table = (void *)(env->card->hbm + TABLE_HBM + t * AXON_PAGE_SIZE);

		for (unsigned int i = 0; i < 8; i++)
			table[i] = random_pte();
	}
}

static bool in(const uint8_t *ptr, uint64_t len, const uint8_t *base, uint64_t size)
{
	return ptr >= base && len <= size && (uint64_t)(ptr - base) <= size - len;
}

static void fuzz_tables(void **state)
{
	struct env *env = env_init(1);
	unsigned int hits = 0;

	random_tables(env);
	for (uint32_t asid = 0; asid < SPACES; asid++)
		axon_mmu_enable(env->card, asid, TABLE_HBM + asid * AXON_PAGE_SIZE);
	for (unsigned int i = 0; i < rounds(100000); i++) {
		uint64_t len = 1 + below(1 << below(24)), want = len, fault;
		uint8_t *ptr, buf[300];

		env->map_max = once_in(4) ? 1 + below(5000) : UINT64_MAX;
		if (axon_mmu_translate(env->card, (uint32_t)below(SPACES), random_va(), &len,
				       (unsigned int)below(3), &ptr) == AXON_STATUS_OK) {
			hits++;
			assert_in_range(len, 1, want);
			assert_true(in(ptr, len, env->card->hbm, ENV_HBM_SIZE) ||
				    in(ptr, len, env->bus, ENV_BUS_SIZE));
		}
		axon_mmu_read(env->card, (uint32_t)below(SPACES), random_va(), buf,
			      below(sizeof(buf)), &fault);
		if (once_in(100))
			axon_mmu_invalidate(env->card, (uint32_t)below(SPACES));
		if (once_in(200))
			random_tables(env);
	}
	/* Otherwise the test shows nothing. */
	assert_true(hits > rounds(100000) / 100);
	env_fini(env);
}

static void fuzz_params(void **state)
{
	struct env *env = env_init(2);
	unsigned int made = 0;
	struct ring good;

	ring_init(&good, env, 200, 0, 1);
	for (unsigned int i = 0; i < rounds(50000); i++) {
		struct axon_queue_params p = good.p;
		uint32_t *words[] = { &p.core, &p.asid, &p.ring_asid, &p.entries, &p.vector };

		p.id = (uint32_t)below(8);
		if (once_in(2))
			*words[below(5)] = (uint32_t)(once_in(2) ? below(80) : edgy());
		if (once_in(4))
			p.sq = edgy();
		if (once_in(4))
			p.state += below(0x20000) & ~0xfffull;
		if (axon_queue_create(env->card, &p) == AXON_P_OK)
			made++;
		axon_card_run(env->card);
		if (once_in(2))
			axon_queue_destroy(env->card, (uint32_t)below(8));
		axon_mmu_disable(env->card, (uint32_t)below(3));
	}
	assert_true(made > 0);
	env_fini(env);
}

static struct axon_cmd random_cmd(void)
{
	struct axon_cmd cmd = { .opcode = (uint16_t)below(4) };

	switch (cmd.opcode) {
	case AXON_CMD_COPY:
	case AXON_CMD_FILL:
		cmd.copy.dst = RING_VA(QUEUES + 1) + below(0x10000);
		cmd.copy.src = cmd.opcode == AXON_CMD_FILL ? below(256) :
			       RING_VA(QUEUES + 2) + below(0x10000);
		cmd.copy.size = 1 + below(0x4000);
		break;
	case AXON_CMD_LAUNCH:
		cmd.launch.program = RING_VA(QUEUES + 1) + (below(0x10000) & ~127ull);
		break;
	}
	/* Rarely, or every queue would stop at once. */
	if (once_in(40))
		((uint64_t *)&cmd)[below(8)] = edgy();
	return cmd;
}

static void poke_ring(struct ring *r)
{
	if (once_in(200))
		r->state->sq_tail = (uint32_t)edgy();
	if (once_in(200))
		r->state->cq_head = (uint32_t)edgy();
	if (once_in(50))
		r->state->cq_event = (uint32_t)edgy();
	if (once_in(100))
		memset(&r->state->sq_head, (int)below(256), 64);
}

static void remake_ring(struct ring *r, struct env *env, uint32_t id)
{
	axon_queue_destroy(env->card, id);
	ring_init(r, env, id, (uint32_t)below(2), (uint32_t)below(2));
}

/* The host's side of a few queues, playing by the rules most of the time. */
static void work_rings(struct env *env, struct ring *ring)
{
	struct ring *r = &ring[below(QUEUES)];
	struct axon_cqe cqe;

	for (uint64_t n = below(8); n; n--)
		if (r->tail - r->head < r->p.entries)
			ring_put(r, random_cmd());
	poke_ring(r);
	axon_card_run(env->card);
	while (ring_get(r, &cqe) && !once_in(20))
		;
	if (r->state->status && once_in(3))
		remake_ring(r, env, r->p.id);
}

static void fuzz_rings(void **state)
{
	struct env *env = env_init(2);
	struct ring ring[QUEUES];
	uint64_t done = 0, deadline;

	for (uint32_t asid = 0; asid < 2; asid++)
		for (uint32_t i = 1; i < 3; i++)
			env_map(env, ring_root(env, asid), RING_VA(QUEUES + i),
				i == 1 ? 20ull << 20 : ENV_BUS_BASE, 0xf000,
				ENV_RW | (i == 1 ? 0 : ENV_SYS));
	for (uint32_t i = 0; i < QUEUES; i++)
		ring_init(&ring[i], env, i, i & 1, 0);
	for (unsigned int i = 0; i < rounds(50000); i++) {
		env->step = 1 + below(30000);
		fakes.core[below(2)].slices = (unsigned int)below(4);
		fakes.core[below(2)].refuse = once_in(20);
		fakes.core[below(2)].result.fault.status = once_in(20) ? 17 : 0;
		work_rings(env, ring);
		if (once_in(20))
			axon_card_write(env->card, AXON_REG_MSIX_MOD(below(8)), (uint32_t)edgy());
		if (once_in(20))
			axon_queue_kill(env->card, (uint32_t)below(2), (uint32_t)below(QUEUES));
		if (once_in(50))
			axon_mmu_invalidate(env->card, (uint32_t)below(2));
		if (once_in(10))
			axon_card_prepare_sleep(env->card, &deadline);
		done += ring[0].head;
	}
	assert_true(done > 0);
	assert_true(fakes.faults > 0);
	env_fini(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fuzz_registers), cmocka_unit_test(fuzz_tables),
		cmocka_unit_test(fuzz_params), cmocka_unit_test(fuzz_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
