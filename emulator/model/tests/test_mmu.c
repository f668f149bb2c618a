// SPDX-License-Identifier: MIT
/* Page-table walks: what is translated, what faults, and what a run of pages is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "env.h"

#define VA	0x123456789000ull

struct fixture {
	struct env *env;
	uint64_t root;
};

static int setup(void **state)
{
	static struct fixture f;

	f.env = env_init(1);
	f.root = env_table(f.env);
	assert_int_equal(axon_mmu_enable(f.env->card, 3, f.root), AXON_P_OK);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	env_fini(f->env);
	return 0;
}

/* Translates one byte at @va. */
static enum axon_status probe(struct fixture *f, uint64_t va, unsigned int access)
{
	uint64_t len = 1;
	uint8_t *ptr;

	return axon_mmu_translate(f->env->card, 3, va, &len, access, &ptr);
}

/* The same with nothing cached before. */
static enum axon_status fresh(struct fixture *f, uint64_t va, unsigned int access)
{
	assert_int_equal(axon_mmu_invalidate(f->env->card, 3), AXON_P_OK);
	return probe(f, va, access);
}

static void small_page(void **state)
{
	struct fixture *f = *state;
	uint64_t len = 100;
	uint8_t *ptr;

	env_map(f->env, f->root, VA, 0x5000, 0x1000, ENV_RW);
	for (int i = 0; i < 2; i++) {
		len = 100;
		assert_int_equal(axon_mmu_translate(f->env->card, 3, VA + 4090, &len,
						    AXON_ACCESS_WRITE, &ptr), AXON_STATUS_OK);
		assert_ptr_equal(ptr, f->env->card->hbm + 0x5000 + 4090);
		assert_int_equal(len, 6);
	}
	assert_int_equal(probe(f, VA + 0x1000, AXON_ACCESS_READ), AXON_STATUS_FAULT_UNMAPPED);
	assert_int_equal(probe(f, VA - 1, AXON_ACCESS_READ), AXON_STATUS_FAULT_UNMAPPED);
}

static void huge_page(void **state)
{
	struct fixture *f = *state;
	uint64_t va = VA & ~0x1fffffull, len = 1ull << 30;
	uint8_t *ptr;

	*env_pte(f->env, f->root, va, 1) = 0x400000 | ENV_RW | AXON_PTE_LEAF;
	assert_int_equal(axon_mmu_translate(f->env->card, 3, va + 0x12345, &len,
					    AXON_ACCESS_READ, &ptr), AXON_STATUS_OK);
	assert_ptr_equal(ptr, f->env->card->hbm + 0x400000 + 0x12345);
	assert_int_equal(len, 0x200000 - 0x12345);
	/* Not aligned to its size. */
	*env_pte(f->env, f->root, va, 1) = 0x401000 | ENV_RW | AXON_PTE_LEAF;
	assert_int_equal(fresh(f, va, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
	/* Reaches over the end of HBM. */
	*env_pte(f->env, f->root, va, 1) = ENV_HBM_SIZE | ENV_RW | AXON_PTE_LEAF;
	assert_int_equal(fresh(f, va, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
}

static void rights(void **state)
{
	struct fixture *f = *state;

	env_map(f->env, f->root, VA, 0x5000, 0x1000, AXON_PTE_VALID);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	assert_int_equal(probe(f, VA, AXON_ACCESS_WRITE), AXON_STATUS_FAULT_WRITE);
	assert_int_equal(probe(f, VA, AXON_ACCESS_EXEC), AXON_STATUS_FAULT_EXEC);
	env_map(f->env, f->root, VA, 0x5000, 0x1000, AXON_PTE_VALID | AXON_PTE_EXEC);
	assert_int_equal(fresh(f, VA, AXON_ACCESS_EXEC), AXON_STATUS_OK);
	assert_int_equal(probe(f, VA, AXON_ACCESS_WRITE), AXON_STATUS_FAULT_WRITE);
	env_map(f->env, f->root, VA, 0x5000, 0x1000, ENV_RW);
	assert_int_equal(fresh(f, VA, AXON_ACCESS_WRITE), AXON_STATUS_OK);
	assert_int_equal(probe(f, VA, AXON_ACCESS_EXEC), AXON_STATUS_FAULT_EXEC);
}

static void bad_leaves(void **state)
{
	struct fixture *f = *state;
	uint64_t *pte = env_pte(f->env, f->root, VA, 0);

	for (int bit = 0; bit < 64; bit++) {
		if (!(AXON_PTE_RESERVED >> bit & 1))
			continue;
		*pte = 0x5000 | ENV_RW | 1ull << bit;
		assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
	}
	*pte = 0x5000 | ENV_RW | AXON_PTE_TARGET_MASK;
	assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
	*pte = 0x5000 | ENV_RW | 1ull << AXON_PTE_PEER_SHIFT;
	assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
	*pte = 0x5000 | ENV_RW | ENV_LINK | 7ull << AXON_PTE_PEER_SHIFT;
	assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_LINK);
	*pte = ENV_HBM_SIZE | ENV_RW;
	assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
	*pte = AXON_PTE_ADDR_MASK | ENV_RW;
	assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
	*pte = (ENV_HBM_SIZE - 0x1000) | ENV_RW;
	assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	/* Without VALID nothing else counts. */
	*pte = ~AXON_PTE_VALID;
	assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_UNMAPPED);
}

static void bad_tables(void **state)
{
	struct fixture *f = *state;

	env_map(f->env, f->root, VA, 0x5000, 0x1000, ENV_RW);
	for (int level = 1; level < AXON_PT_LEVELS; level++) {
		uint64_t *pte = env_pte(f->env, f->root, VA, level);
		uint64_t good = *pte;

		*pte = good | AXON_PTE_WRITE;
		assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
		*pte = good | ENV_SYS;
		assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
		*pte = ENV_HBM_SIZE | AXON_PTE_VALID;
		assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
		*pte = AXON_PTE_ADDR_MASK | AXON_PTE_VALID;
		assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
		if (level > 1) {
			*pte = good | AXON_PTE_LEAF;
			assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
		}
		*pte = 0;
		assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_UNMAPPED);
		*pte = good;
		assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	}
}

static void address_range(void **state)
{
	struct fixture *f = *state;
	uint64_t top = (1ull << AXON_VA_BITS) - 0x1000, fault = 0;
	uint8_t buf[8192];

	env_map(f->env, f->root, top, 0x5000, 0x1000, ENV_RW);
	assert_int_equal(probe(f, top + 0xfff, AXON_ACCESS_READ), AXON_STATUS_OK);
	assert_int_equal(probe(f, top + 0x1000, AXON_ACCESS_READ), AXON_STATUS_FAULT_ADDRESS);
	/* An alias of a mapped page in the bits above must not hit. */
	assert_int_equal(probe(f, top | 1ull << 48, AXON_ACCESS_READ),
			 AXON_STATUS_FAULT_ADDRESS);
	assert_int_equal(probe(f, UINT64_MAX, AXON_ACCESS_READ), AXON_STATUS_FAULT_ADDRESS);
	assert_int_equal(axon_mmu_read(f->env->card, 3, top, buf, 4096, &fault), AXON_STATUS_OK);
	assert_int_equal(axon_mmu_read(f->env->card, 3, top, buf, 4097, &fault),
			 AXON_STATUS_FAULT_ADDRESS);
	assert_int_equal(fault, top);
	assert_int_equal(axon_mmu_write(f->env->card, 3, UINT64_MAX, buf, 2, &fault),
			 AXON_STATUS_FAULT_ADDRESS);
}

static void copies_cross_pages(void **state)
{
	struct fixture *f = *state;
	uint8_t in[10000], out[10000];
	uint64_t fault = 0;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	/* In HBM backwards, so that no two pages are neighbours. */
	for (int i = 0; i < 4; i++)
		env_map(f->env, f->root, VA + 0x1000 * i, 0x9000 - 0x1000 * i, 0x1000, ENV_RW);
	assert_int_equal(axon_mmu_write(f->env->card, 3, VA + 100, in, sizeof(in), &fault),
			 AXON_STATUS_OK);
	assert_int_equal(axon_mmu_read(f->env->card, 3, VA + 100, out, sizeof(out), &fault),
			 AXON_STATUS_OK);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(f->env->card->hbm[0x9000 + 100], in[0]);
	assert_int_equal(f->env->card->hbm[0x8000], in[4096 - 100]);
	assert_int_equal(axon_mmu_write(f->env->card, 3, VA + 0x3f00, in, 300, &fault),
			 AXON_STATUS_FAULT_UNMAPPED);
	assert_int_equal(fault, VA + 0x4000);
}

static uint64_t run_at(struct fixture *f, uint64_t va)
{
	uint64_t len = 1ull << 30;
	uint8_t *ptr;

	assert_int_equal(axon_mmu_invalidate(f->env->card, 3), AXON_P_OK);
	assert_int_equal(axon_mmu_translate(f->env->card, 3, va, &len, AXON_ACCESS_READ, &ptr),
			 AXON_STATUS_OK);
	return len;
}

static void runs(void **state)
{
	struct fixture *f = *state;
	uint64_t va = 0x40000000;

	env_map(f->env, f->root, va, 0x10000, 0x8000, ENV_RW);
	assert_int_equal(run_at(f, va + 1), 0x8000 - 1);
	/* Other rights, a gap, a hole end a run. */
	*env_pte(f->env, f->root, va + 0x3000, 0) &= ~AXON_PTE_WRITE;
	assert_int_equal(run_at(f, va), 0x3000);
	*env_pte(f->env, f->root, va + 0x3000, 0) = 0x23000 | ENV_RW;
	assert_int_equal(run_at(f, va), 0x3000);
	*env_pte(f->env, f->root, va + 0x3000, 0) = 0;
	assert_int_equal(run_at(f, va), 0x3000);
	/* It ends with HBM, even where the tables go on. */
	env_map(f->env, f->root, va, ENV_HBM_SIZE - 0x2000, 0x4000, ENV_RW);
	assert_int_equal(run_at(f, va), 0x2000);
	assert_int_equal(fresh(f, va + 0x2000, AXON_ACCESS_READ), AXON_STATUS_FAULT_PTE);
}

static void cached_until_invalidated(void **state)
{
	struct fixture *f = *state;
	uint64_t gen = axon_mmu_generation(f->env->card, 3);

	env_map(f->env, f->root, VA, 0x5000, 0x1000, ENV_RW);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	*env_pte(f->env, f->root, VA, 0) = 0;
	assert_int_equal(fresh(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_UNMAPPED);
	assert_int_not_equal(axon_mmu_generation(f->env->card, 3), gen);
}

static void spaces(void **state)
{
	struct fixture *f = *state;
	struct axon_card *card = f->env->card;
	uint64_t other = env_table(f->env), len = 1;
	uint8_t *ptr;

	env_map(f->env, f->root, VA, 0x5000, 0x1000, ENV_RW);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_OK);
	assert_int_equal(axon_mmu_translate(card, 4, VA, &len, AXON_ACCESS_READ, &ptr),
			 AXON_STATUS_FAULT_UNMAPPED);
	assert_int_equal(axon_mmu_enable(card, 4, other), AXON_P_OK);
	assert_int_equal(axon_mmu_translate(card, 4, VA, &len, AXON_ACCESS_READ, &ptr),
			 AXON_STATUS_FAULT_UNMAPPED);
	assert_int_equal(axon_mmu_enable(card, 4, other), AXON_P_BUSY);
	assert_int_equal(axon_mmu_enable(card, AXON_MAX_ASIDS, other), AXON_P_BAD_ID);
	assert_int_equal(axon_mmu_enable(card, 5, other + 8), AXON_P_BAD_PARAM);
	assert_int_equal(axon_mmu_enable(card, 5, ENV_HBM_SIZE), AXON_P_BAD_PARAM);
	assert_int_equal(axon_mmu_disable(card, 5), AXON_P_NOT_FOUND);
	assert_int_equal(axon_mmu_invalidate(card, 5), AXON_P_NOT_FOUND);
	assert_int_equal(axon_mmu_disable(card, UINT32_MAX), AXON_P_BAD_ID);
	fakes.forgotten = 0;
	assert_int_equal(axon_mmu_disable(card, 3), AXON_P_OK);
	assert_true(fakes.forgotten == 1u << 3);
	assert_int_equal(probe(f, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_UNMAPPED);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(small_page), T(huge_page), T(rights), T(bad_leaves), T(bad_tables),
		T(address_range), T(copies_cross_pages), T(runs), T(cached_until_invalidated),
		T(spaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
