// SPDX-License-Identifier: MIT
/* System memory through the MMU: mappings are kept, shared, and given back exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "env.h"

#define VA	0x7000000000ull
#define RW_SYS	(ENV_RW | ENV_SYS)

struct fixture {
	struct env *env;
	uint64_t root;
};

static int setup(void **state)
{
	static struct fixture f;

	f.env = env_init(1);
	f.root = env_table(f.env);
	assert_int_equal(axon_mmu_enable(f.env->card, 1, f.root), AXON_P_OK);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	env_fini(f->env);
	return 0;
}

static enum axon_status probe(struct fixture *f, uint64_t va, unsigned int access)
{
	uint64_t len = 1;
	uint8_t *ptr;

	return axon_mmu_translate(f->env->card, 1, va, &len, access, &ptr);
}

static void one_mapping(void **state)
{
	struct fixture *f = *state;
	uint64_t len = 8192;
	uint8_t *ptr;

	env_map(f->env, f->root, VA, ENV_BUS_BASE + 0x3000, 0x4000, RW_SYS);
	assert_int_equal(axon_mmu_translate(f->env->card, 1, VA + 5, &len, AXON_ACCESS_READ,
					    &ptr), AXON_STATUS_OK);
	assert_ptr_equal(ptr, f->env->bus + 0x3005);
	assert_int_equal(len, 8192);
	for (int i = 0; i < 100; i++)
		assert_int_equal(probe(f, VA + 40 * i, AXON_ACCESS_WRITE), AXON_STATUS_OK);
	assert_int_equal(f->env->maps_made, 1);
	/* Other pages push the entry out of the TLB; the mapping stays. */
	for (uint64_t i = 1; i < 512; i++)
		env_map(f->env, f->root, VA + (i << 23), ENV_BUS_BASE, 0x1000, RW_SYS);
	for (uint64_t i = 1; i < 512; i++)
		assert_int_equal(probe(f, VA + (i << 23), AXON_ACCESS_READ), AXON_STATUS_OK);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	assert_int_equal(f->env->maps_made, 2);
}

static void invalidate_gives_back(void **state)
{
	struct fixture *f = *state;
	uint64_t other = env_table(f->env), len = 1;
	uint8_t *ptr;

	assert_int_equal(axon_mmu_enable(f->env->card, 2, other), AXON_P_OK);
	env_map(f->env, f->root, VA, ENV_BUS_BASE, 0x1000, RW_SYS);
	env_map(f->env, other, VA, ENV_BUS_BASE, 0x1000, RW_SYS);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	assert_int_equal(axon_mmu_translate(f->env->card, 2, VA, &len, AXON_ACCESS_READ, &ptr),
			 AXON_STATUS_OK);
	assert_int_equal(f->env->maps, 2);
	assert_int_equal(axon_mmu_invalidate(f->env->card, 1), AXON_P_OK);
	assert_int_equal(f->env->maps, 1);
	assert_int_equal(axon_mmu_disable(f->env->card, 2), AXON_P_OK);
	assert_int_equal(f->env->maps, 0);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	axon_card_drop_mappings(f->env->card);
	assert_int_equal(f->env->maps, 0);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	axon_card_reset(f->env->card);
	assert_int_equal(f->env->maps, 0);
}

/* A bus that gives a few bytes at a time still gives the right ones. */
static void short_mappings(void **state)
{
	struct fixture *f = *state;
	uint8_t in[9000], out[9000];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 13 + 1);
	f->env->map_max = 96;
	env_map(f->env, f->root, VA, ENV_BUS_BASE + 0x1000, 0x3000, RW_SYS);
	assert_int_equal(axon_mmu_write(f->env->card, 1, VA + 11, in, sizeof(in), NULL),
			 AXON_STATUS_OK);
	assert_memory_equal(f->env->bus + 0x1000 + 11, in, sizeof(in));
	assert_int_equal(axon_mmu_read(f->env->card, 1, VA + 11, out, sizeof(out), NULL),
			 AXON_STATUS_OK);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(axon_mmu_invalidate(f->env->card, 1), AXON_P_OK);
	assert_int_equal(f->env->maps, 0);
}

static void many_mappings(void **state)
{
	struct fixture *f = *state;

	/* Every second page of the bus: nothing merges. */
	for (uint64_t i = 0; i < 512; i++)
		env_map(f->env, f->root, VA + (i << 12), ENV_BUS_BASE + (i << 13), 0x1000,
			RW_SYS);
	for (uint64_t i = 0; i < 512; i++)
		assert_int_equal(axon_mmu_write(f->env->card, 1, VA + (i << 12), &i, sizeof(i),
						NULL), AXON_STATUS_OK);
	assert_int_equal(f->env->maps, 512);
	for (uint64_t i = 0; i < 512; i++)
		assert_memory_equal(f->env->bus + (i << 13), &i, sizeof(i));
}

static void refusals(void **state)
{
	struct fixture *f = *state;

	env_map(f->env, f->root, VA, ENV_BUS_BASE, 0x1000, RW_SYS);
	env_map(f->env, f->root, VA + 0x1000, ENV_BUS_BASE + ENV_BUS_SIZE, 0x1000, RW_SYS);
	assert_int_equal(probe(f, VA + 0x1000, AXON_ACCESS_READ), AXON_STATUS_FAULT_BUS);
	f->env->refuse = true;
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_BUS);
	f->env->refuse = false;
	/* Memory that can only be read is still read through a writable page. */
	f->env->refuse_write = true;
	assert_int_equal(probe(f, VA, AXON_ACCESS_WRITE), AXON_STATUS_FAULT_BUS);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	assert_int_equal(probe(f, VA, AXON_ACCESS_WRITE), AXON_STATUS_FAULT_BUS);
}

/* A mapping made for a long run must not show more than a run that has become short. */
static void run_got_shorter(void **state)
{
	struct fixture *f = *state;
	uint64_t len = 0x4000;
	uint8_t *ptr;

	env_map(f->env, f->root, VA, ENV_BUS_BASE, 0x4000, RW_SYS);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	/* The same pages at another address, but fewer of them. */
	env_map(f->env, f->root, VA + (1 << 30), ENV_BUS_BASE, 0x2000, RW_SYS);
	assert_int_equal(axon_mmu_translate(f->env->card, 1, VA + (1 << 30), &len,
					    AXON_ACCESS_READ, &ptr), AXON_STATUS_OK);
	assert_int_equal(len, 0x2000);
	assert_int_equal(f->env->maps, 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_mapping), T(invalidate_gives_back), T(short_mappings), T(many_mappings),
		T(refusals), T(run_got_shorter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
