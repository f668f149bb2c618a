// SPDX-License-Identifier: MIT
/* env.c - surroundings of a card for tests of its frame; see env.h. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env.h"

static void *env_dma_map(void *opaque, uint64_t addr, uint64_t *len, bool write)
{
	struct env *env = opaque;
	uint64_t off = addr - ENV_BUS_BASE;

	assert(*len);
	if (env->refuse || (write && env->refuse_write) || off >= ENV_BUS_SIZE ||
	    env->maps == ENV_MAX_MAPS)
		return NULL;
	if (*len > ENV_BUS_SIZE - off)
		*len = ENV_BUS_SIZE - off;
	if (*len > env->map_max)
		*len = env->map_max;
	env->map[env->maps++] = (struct env_map){ env->bus + off, *len, write };
	env->maps_made++;
	return env->bus + off;
}

static void env_dma_unmap(void *opaque, void *host, uint64_t len, bool write)
{
	struct env *env = opaque;

	for (unsigned int i = 0; i < env->maps; i++) {
		struct env_map *m = &env->map[i];

		if (m->host == host && m->len == len && m->write == write) {
			*m = env->map[--env->maps];
			return;
		}
	}
	fprintf(stderr, "unmap of what was not mapped\n");
	abort();
}

static void env_irq(void *opaque, unsigned int vector)
{
	struct env *env = opaque;

	assert(vector < AXON_NUM_VECTORS);
	env->irqs[vector]++;
}

static void env_wake(void *opaque)
{
	struct env *env = opaque;

	env->wakes++;
}

static uint64_t env_now_ns(void *opaque)
{
	struct env *env = opaque;

	env->now += env->step;
	return env->now;
}

const struct axon_card_ops env_ops = {
	.dma_map = env_dma_map,
	.dma_unmap = env_dma_unmap,
	.irq = env_irq,
	.wake = env_wake,
	.now_ns = env_now_ns,
};

struct env *env_init(uint32_t cores)
{
	memset(&fakes, 0, sizeof(fakes));
	fakes.ctrl_deadline = UINT64_MAX;
	return env_init_linked(cores, NULL, 0);
}

struct env *env_init_linked(uint32_t cores, struct axon_fabric *fabric, uint32_t place)
{
	struct axon_card_config config = {
		.cores = cores, .hbm_stacks = 2, .revision = AXON_REVISION_A1,
		.serial = 0x1122334455667788ull, .hbm_size = ENV_HBM_SIZE, .fabric = fabric,
		.place = place,
	};
	struct env *env = calloc(1, sizeof(*env));
	int ret;

	assert(env);
	env->now = 1000000000;
	env->step = 100;
	env->map_max = UINT64_MAX;
	env->bus = aligned_alloc(AXON_PAGE_SIZE, ENV_BUS_SIZE);
	assert(env->bus);
	memset(env->bus, 0, ENV_BUS_SIZE);
	ret = axon_card_create(&config, &env_ops, env, &env->card);
	assert(!ret);
	/* The last 16 MiB hold page tables, tests use what lies below. */
	env->table_next = ENV_HBM_SIZE - (16 << 20);
	return env;
}

void env_fini(struct env *env)
{
	axon_card_destroy(env->card);
	assert(env->maps == 0);
	free(env->bus);
	free(env);
}

uint64_t env_table(struct env *env)
{
	uint64_t table = env->table_next;

	assert(table < ENV_HBM_SIZE);
	env->table_next += AXON_PAGE_SIZE;
	memset(env->card->hbm + table, 0, AXON_PAGE_SIZE);
	return table;
}

uint64_t *env_pte(struct env *env, uint64_t root, uint64_t va, int level)
{
	uint64_t table = root;

	for (int l = AXON_PT_LEVELS - 1;; l--) {
		uint64_t *pte = (uint64_t *)(void *)(env->card->hbm + table) +
				AXON_PT_INDEX(va, l);

		if (l == level)
			return pte;
		if (!(*pte & AXON_PTE_VALID))
			*pte = env_table(env) | AXON_PTE_VALID;
		table = *pte & AXON_PTE_ADDR_MASK;
	}
}

void env_map(struct env *env, uint64_t root, uint64_t va, uint64_t addr, uint64_t size,
	     uint64_t bits)
{
	for (uint64_t off = 0; off < size; off += AXON_PAGE_SIZE)
		*env_pte(env, root, va + off, 0) = (addr + off) | bits | AXON_PTE_LEAF;
}
