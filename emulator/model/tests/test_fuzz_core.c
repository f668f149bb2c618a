// SPDX-License-Identifier: MIT
/*
 * test_fuzz_core.c - programs of random bytes and of good instructions with random damage: whatever
 * they are, the launch ends or can be ended, and nothing outside of the core is touched (sanitizers
 * watch). Arguments: number of programs, seed.
 */
#include "engine_ref.h"

static unsigned int programs = 150;
static uint64_t seed = 1;

static uint8_t any_opcode(uint64_t *s)
{
	static const uint8_t ops[] = {
		AXON_OP_NOP, AXON_OP_HALT, AXON_OP_REG_ALU, AXON_OP_REG_LOAD, AXON_OP_REG_STORE,
		AXON_OP_BRANCH, AXON_OP_DMA, AXON_OP_DMA, AXON_OP_DMA, AXON_OP_DMA_RING,
		AXON_OP_MATMUL, AXON_OP_TRANSPOSE, AXON_OP_COPY, AXON_OP_MEMSET,
		AXON_OP_TENSOR_TENSOR, AXON_OP_TENSOR_SCALAR, AXON_OP_TENSOR_REDUCE,
		AXON_OP_ACTIVATION, AXON_OP_SELECT, AXON_OP_MAX8, AXON_OP_FIND_INDEX8,
		AXON_OP_AFFINE_SELECT, AXON_OP_IOTA, AXON_OP_PARTITION_REDUCE,
		AXON_OP_PARTITION_BROADCAST,
	};

	return ops[fx_below(s, sizeof(ops))];
}

static struct axon_ap any_ap(uint64_t *s, unsigned int nparts)
{
	uint16_t count[4];
	struct axon_ap ap;

	ref_counts(s, count, fx_below(s, 4) ? 600 : 8);
	ap = ref_operand(s, fx_below(s, 4), ref_any_dtype(s), nparts, count, fx_below(s, 2));
	if (!fx_below(s, 6))
		ap.offset = (uint32_t)fx_rand(s);
	if (!fx_below(s, 12))
		ap.step[fx_below(s, 4)] = (int16_t)fx_rand(s);
	if (!fx_below(s, 12))
		ap.count[fx_below(s, 4)] = (uint16_t)fx_rand(s);
	return ap;
}

static uint64_t any_address(uint64_t *s, unsigned int space)
{
	if (!fx_below(s, 10))
		return fx_rand(s) >> fx_below(s, 64);
	if (space == AXON_SPACE_MEM)
		return FX_DATA + fx_below(s, FX_DATA_SIZE);
	return AXON_CHIP_ADDR(fx_below(s, 128), fx_below(s, 16384));
}

static int32_t any_step(uint64_t *s)
{
	switch (fx_below(s, 5)) {
	case 0:
		return (int32_t)AXON_PART_STRIDE * ((int32_t)fx_below(s, 5) - 2);
	case 1:
		return (int32_t)fx_rand(s) >> fx_below(s, 32);
	default:
		return 1 << fx_below(s, 5);
	}
}

static struct axon_dma_desc any_desc(uint64_t *s)
{
	struct axon_dma_desc d = { .op = (uint8_t)fx_below(s, 4) };

	d.src_space = (uint8_t)fx_below(s, 3);
	d.dst_space = (uint8_t)fx_below(s, 3);
	d.src_dtype = ref_dtypes[fx_below(s, sizeof(ref_dtypes))];
	d.dst_dtype = fx_below(s, 2) ? d.src_dtype : ref_dtypes[fx_below(s, sizeof(ref_dtypes))];
	d.src = any_address(s, d.src_space);
	d.dst = any_address(s, d.dst_space);
	for (int a = 0; a < 4; a++) {
		d.count[a] = fx_below(s, 8) ? 1 + fx_below(s, 20) :
			(uint32_t)fx_rand(s) >> fx_below(s, 32);
		d.src_step[a] = any_step(s);
		d.dst_step[a] = any_step(s);
	}
	if (!fx_below(s, 3)) {
		d.flags = (uint8_t)fx_below(s, 8);
		d.index_addr = any_address(s, AXON_SPACE_MEM);
		d.index_bound = fx_below(s, 4) ? fx_below(s, 100) : (uint32_t)fx_rand(s);
	}
	return d;
}

static void any_ctl(uint64_t *s, struct axon_inst *i)
{
	i->ctl.rd = fx_below(s, 2) ? AXON_SREG_NONE : (uint8_t)fx_below(s, 64);
	i->ctl.ra = fx_below(s, 2) ? AXON_SREG_NONE : (uint8_t)fx_below(s, 64);
	i->ctl.rb = fx_below(s, 2) ? AXON_SREG_NONE : (uint8_t)fx_below(s, 64);
	if (i->opcode == AXON_OP_REG_ALU || i->opcode == AXON_OP_BRANCH) {
		i->ctl.imm = i->ctl.rb == AXON_SREG_NONE ? fx_rand(s) >> fx_below(s, 64) : 0;
		i->ctl.target = i->opcode == AXON_OP_BRANCH ? fx_below(s, 12) : 0;
		i->op0 = (uint8_t)fx_below(s, 12);
		return;
	}
	i->ctl.imm = any_address(s, AXON_SPACE_MEM) & ~7ull;
	i->ctl.dtype = (uint8_t)fx_below(s, 16);
	if (i->opcode != AXON_OP_DMA_RING)
		return;
	i->ctl.rd = i->ctl.rb = AXON_SREG_NONE;
	i->ctl.dtype = 0;
	i->ctl.target = 1 + fx_below(s, 6);
}

/* Something an assembler might have written, more or less. */
static struct axon_inst any_inst(uint64_t *s)
{
	struct axon_inst i = fx_inst(any_opcode(s));
	unsigned int nparts = ref_nparts(s);

	if (!fx_below(s, 4))
		i = fx_wait(i, fx_below(s, 4), fx_below(s, 3));
	if (!fx_below(s, 2))
		i = fx_post(i, fx_below(s, 4), fx_below(s, 5));
	if (i.opcode == AXON_OP_DMA) {
		i.dma = any_desc(s);
		i.op0 = (uint8_t)fx_below(s, 17);
	} else if (i.opcode >= AXON_OP_MATMUL) {
		for (unsigned int k = 0; k < 2 + fx_below(s, 3); k++)
			i.ap[k] = any_ap(s, fx_below(s, 8) ? nparts : ref_nparts(s));
		i.op0 = (uint8_t)fx_below(s, 24);
		i.op1 = (uint8_t)(fx_below(s, 2) ? fx_below(s, 24) : 0);
		i.flags = (uint8_t)(fx_below(s, 2) ? fx_below(s, 16) : 0);
		i.imm[0] = fx_below(s, 2) ? (uint32_t)fx_rand(s) : 0;
		i.imm[1] = fx_below(s, 2) ? (uint32_t)fx_rand(s) : 0;
		if (fx_below(s, 2))
			memcpy(i.ap[1].count, i.ap[0].count, 8);
		if (fx_below(s, 2))
			memcpy(i.ap[2].count, i.ap[0].count, 8);
	} else if (i.opcode > AXON_OP_HALT) {
		any_ctl(s, &i);
	}
	if (!fx_below(s, 8)) {
		i.patch[0].reg = (uint8_t)fx_below(s, 65);
		i.patch[0].field = (uint8_t)fx_rand(s);
	}
	for (unsigned int k = fx_below(s, 16); k > 13; k--)	/* damage */
		((uint8_t *)&i)[fx_below(s, sizeof(i))] ^= (uint8_t)(1u << fx_below(s, 8));
	return i;
}

static void emit_program(struct fx *f, uint64_t *s)
{
	fx_clear(f);
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
		unsigned int n = fx_below(s, 3) ? 0 : fx_below(s, fx_below(s, 3) ? 3 : 12);

		for (unsigned int k = 0; k < n; k++) {
			struct axon_inst i = any_inst(s);

			if (!fx_below(s, 20))
				for (unsigned int b = 0; b < sizeof(i); b++)
					((uint8_t *)&i)[b] = (uint8_t)fx_rand(s);
			fx_emit(f, e, i);
		}
		if (n)
			fx_emit(f, e, fx_inst(AXON_OP_HALT));
	}
}

/* A ring's descriptors, some of them good. */
static void fill_memory(struct fx *f, uint64_t *s)
{
	for (int k = 0; k < 50; k++) {
		struct axon_dma_desc d = any_desc(s);

		fx_poke(f, FX_DATA + (fx_below(s, FX_DATA_SIZE - 200) & ~7u), &d, sizeof(d));
	}
}

/* Everything a launch can have changed. */
static uint64_t digest(struct fx *f, const struct axon_launch_result *r)
{
	const struct {
		const void *p;
		size_t n;
	} parts[] = {
		{ f->mem, (size_t)FX_PAGES * FX_PAGE },
		{ f->core->space[0], AXON_SBUF_BYTES },
		{ f->core->space[1], AXON_PSUM_BYTES },
		{ &r->fault, sizeof(r->fault) },
		{ &r->cycles, sizeof(r->cycles) },
		{ &r->profiled, sizeof(r->profiled) },
	};
	uint64_t h = 1;

	for (unsigned int k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
		for (size_t i = 0; i < parts[k].n; i += 4) {
			uint32_t w;

			memcpy(&w, (const uint8_t *)parts[k].p + i, 4);
			h = (h ^ w) * 0x9e3779b97f4a7c15ull;
			h ^= h >> 29;
		}
	return h;
}

/* One random launch. Return: true if it ended. */
static bool launch(struct fx *f, uint64_t *s, uint64_t slice, struct axon_launch_result *r)
{
	fill_memory(f, s);
	emit_program(f, s);
	fx_program(f);
	f->launch.profile = fx_below(s, 3) ? 0 : FX_DATA + fx_below(s, 65536);
	f->launch.profile_count = fx_below(s, 20);
	f->launch.asid = fx_below(s, 2);
	assert_int_equal(axon_core_start(&f->card, 0, &f->launch), AXON_STATUS_OK);
	for (uint64_t used = 0; used < 30000; used += slice)
		if (axon_core_run(&f->card, 0, f->time + slice, r)) {
			assert_false(axon_core_busy(&f->card, 0));
			return true;
		}
	axon_core_abort(&f->card, 0);
	assert_false(axon_core_busy(&f->card, 0));
	return false;
}

static void test_random_programs(void **state)
{
	unsigned int ok = 0, faults = 0, endless = 0;
	const struct axon_math *m;
	uint64_t s = seed;

	(void)state;
	for (unsigned int k = 0; k < programs; k++) {
		struct fx *f = fx_new();

		for (unsigned int v = 0; axon_math_variant(v); v++)
			if ((m = axon_math_variant(v)) && v == k % 3)
				axon_core_set_math(&f->card, 0, m);
		for (int again = 0; again < 20; again++) {
			struct axon_launch_result r;

			if (!launch(f, &s, 1000, &r))
				endless++;
			else if (r.fault.status)
				faults++;
			else
				ok++;
		}
		fx_free(f);
	}
	print_message("%u launches ended well, %u with a fault, %u were stopped\n", ok, faults,
		      endless);
	/* a fuzzer that only ever meets the first check is none */
	assert_true(ok > programs / 4 && faults > programs);
}

/* The same launches with every set of kernels and slices of other lengths: the same bits. */
static void test_same_everywhere(void **state)
{
	static const uint64_t slice[] = { 30000, 500, 1700 };
	const struct axon_math *m;

	(void)state;
	for (unsigned int k = 0; k < programs / 30; k++) {
		uint64_t want[20] = { 0 };
		int most = 20;

		for (unsigned int v = 0; (m = axon_math_variant(v)); v++) {
			uint64_t s = seed * 1000 + k;
			struct fx *f = fx_new();

			axon_core_set_math(&f->card, 0, m);
			ref_fill(f, &s, 4 * REF_REGION, k & 1);
			for (int again = 0; again < most; again++) {
				struct axon_launch_result r;
				uint64_t got;

				memset(&r, 0, sizeof(r));
				/* where it is stopped depends on the slices: no more of this */
				if (!launch(f, &s, slice[v % 3], &r)) {
					most = again;
					break;
				}
				got = digest(f, &r);
				if (!v)
					want[again] = got;
				if (got != want[again])
					fail_msg("%s differs, seed %llu, program %u, launch %d",
						 m->name, (unsigned long long)seed, k, again);
			}
			fx_free(f);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_programs),
		cmocka_unit_test(test_same_everywhere),
	};

	if (argc > 1)
		programs = (unsigned int)strtoul(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
