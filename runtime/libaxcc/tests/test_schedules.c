// SPDX-License-Identifier: MIT
/*
 * test_schedules.c - every operation with every algorithm: the verifier accepts it, and carried out
 * on plain memory in random orders it gives the right bits everywhere.
 */
#include "sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "axon_isa.h"
#include "verify.h"

/* Counts around what is cut: lines, pieces, chunks (the small chunk of these tests), and none. */
static const uint64_t counts[] = { 0, 1, 2, 3, 7, 15, 16, 17, 63, 64, 65, 129, 500, 1025, 2999 };

#define NUM_COUNTS	(sizeof(counts) / sizeof(counts[0]))

static uint32_t made, refused;

/* Makes one, proves it and runs it. */
static void one(const struct sample *sample, const struct axcc_topology *topo, uint32_t algorithm,
		uint64_t chunk, uint64_t *seed)
{
	struct axcc_tuning tuning = { .chunk_bytes = chunk };
	struct axcc_schedule *s;
	struct axcc_report report;
	char why[AXCC_WHY_BYTES];
	struct host *h;
	int err;

	err = axcc_schedule_build(&sample->req, topo, algorithm, &tuning, &s, why);
	if (err == -EOPNOTSUPP) {
		refused++;
		return;
	}
	assert_int_equal(err, 0);
	made++;
	err = axcc_schedule_verify(s, &report);
	if (err)
		fail_msg("%s: %s", sample_print(sample, s->algorithm), report.text);
	h = host_create(s, random_next(seed));
	if (!host_run(h, random_next(seed)))
		fail_msg("%s: stuck", sample_print(sample, s->algorithm));
	if (!host_check(h, why, sizeof(why)))
		fail_msg("%s: %s", sample_print(sample, s->algorithm), why);
	host_free(h);
	axcc_schedule_free(s);
}

static void all_algorithms(enum axcc_coll coll, uint32_t ranks, uint64_t count, enum place place,
			   uint32_t dtype, uint64_t chunk, uint64_t *seed)
{
	struct axcc_topology *topo = sample_topology(ranks, (uint32_t)random_next(seed) % 60);
	struct sample sample;

	for (uint32_t a = 0; axcc_algorithm_name(a); a++)
		if (axcc_algorithm_can(a, coll) &&
		    sample_make(&sample, coll, ranks, count, place, dtype, seed))
			one(&sample, topo, a, chunk, seed);
	axcc_topology_free(topo);
}

/* 1 to 16 ranks, all counts; types, reductions, roots, targets, topologies by dice. */
static void test_small_groups(void **state)
{
	uint64_t seed = 1;

	for (uint32_t coll = 0; coll < AXCC_NUM_COLLS; coll++)
		for (uint32_t ranks = 1; ranks <= 16; ranks++)
			for (uint32_t c = 0; c < NUM_COUNTS; c++)
				all_algorithms((enum axcc_coll)coll, ranks, counts[c],
					       (enum place)(random_next(&seed) % NUM_PLACES), 0,
					       4096, &seed);
	assert_true(made > 5000);
	assert_true(refused < made / 4);
}

/* Every type with every way to be in place, sizes that need several waves. */
static void test_types(void **state)
{
	static const uint32_t types[] = {
		AXON_DTYPE_FLOAT32, AXON_DTYPE_BFLOAT16, AXON_DTYPE_FLOAT16, AXON_DTYPE_INT32,
		AXON_DTYPE_UINT8,
	};
	uint64_t seed = 2;

	for (uint32_t coll = 0; coll < AXCC_NUM_COLLS; coll++)
		for (uint32_t t = 0; t < 5; t++)
			for (uint32_t place = 0; place < NUM_PLACES; place++)
				for (uint32_t ranks = 2; ranks <= 5; ranks++)
					all_algorithms((enum axcc_coll)coll, ranks,
						       20000 + random_next(&seed) % 4000,
						       (enum place)place, types[t], 4096, &seed);
}

/* Chunks that are small beside the data: many waves, all windows and credits in use. */
static void test_many_waves(void **state)
{
	uint64_t seed = 3;

	for (uint32_t coll = 0; coll < AXCC_NUM_COLLS; coll++)
		for (uint32_t ranks = 2; ranks <= 9; ranks++)
			all_algorithms((enum axcc_coll)coll, ranks, 400001 / ranks,
				       (enum place)(ranks % NUM_PLACES), AXON_DTYPE_UINT8, 4096,
				       &seed);
}

static void test_large_groups(void **state)
{
	static const uint32_t groups[] = { 17, 24, 32, 45, 64 };
	uint64_t seed = 4;

	for (uint32_t coll = 0; coll < AXCC_NUM_COLLS; coll++)
		for (uint32_t g = 0; g < 5; g++)
			all_algorithms((enum axcc_coll)coll, groups[g],
				       random_next(&seed) % 700,
				       (enum place)(random_next(&seed) % NUM_PLACES), 0, 4096,
				       &seed);
}

/* 128 ranks, and what a card would really get: only proved, since running takes its time. */
static void test_proof_only(void **state)
{
	static const struct {
		uint32_t ranks;
		uint64_t count;
	} cases[] = { { 128, 12345 }, { 64, 1 << 20 }, { 4, 16 << 20 }, { 16, 16 << 20 } };
	struct sample sample;
	uint64_t seed = 5;

	for (uint32_t c = 0; c < 4; c++) {
		struct axcc_topology *topo = sample_topology(cases[c].ranks, 3);

		for (uint32_t a = 0; axcc_algorithm_name(a); a++) {
			struct axcc_schedule *s;
			struct axcc_report report;

			if (!axcc_algorithm_can(a, AXCC_ALL_REDUCE))
				continue;
			assert_true(sample_make(&sample, AXCC_ALL_REDUCE, cases[c].ranks,
						cases[c].count, PLACE_ALL, AXON_DTYPE_FLOAT32,
						&seed));
			if (axcc_schedule_build(&sample.req, topo, a, NULL, &s, NULL))
				continue;
			if (axcc_schedule_verify(s, &report))
				fail_msg("%s: %s", sample_print(&sample, s->algorithm),
					 report.text);
			axcc_schedule_free(s);
		}
		axcc_topology_free(topo);
	}
}

/* The same request gives the same steps: ranks make their schedules each for itself. */
static void test_same_again(void **state)
{
	struct sample sample;
	uint64_t seed = 6;

	for (uint32_t a = 0; axcc_algorithm_name(a); a++) {
		struct axcc_topology *topo;
		struct axcc_schedule *s[2];
		int err;

		if (!axcc_algorithm_can(a, AXCC_ALL_REDUCE))
			continue;
		topo = sample_topology(12, 1);
		assert_true(sample_make(&sample, AXCC_ALL_REDUCE, 12, 5000, PLACE_NONE,
					AXON_DTYPE_FLOAT32, &seed));
		err = axcc_schedule_build(&sample.req, topo, a, NULL, &s[0], NULL);
		axcc_topology_free(topo);
		if (err == -EOPNOTSUPP)	/* twelve are too few, or too many */
			continue;
		assert_int_equal(err, 0);
		topo = sample_topology(12, 1);
		assert_int_equal(axcc_schedule_build(&sample.req, topo, a, NULL, &s[1], NULL), 0);
		for (uint32_t r = 0; r < 12; r++) {
			assert_int_equal(s[0]->rank[r].num_steps, s[1]->rank[r].num_steps);
			assert_memory_equal(s[0]->rank[r].steps, s[1]->rank[r].steps,
					    s[0]->rank[r].num_steps * sizeof(struct axcc_step));
		}
		axcc_schedule_free(s[0]);
		axcc_schedule_free(s[1]);
		axcc_topology_free(topo);
	}
}

static void expect_invalid(const struct axcc_request *req, const struct axcc_topology *topo)
{
	struct axcc_schedule *s;

	assert_int_equal(axcc_schedule_build(req, topo, sample_algorithm("ring"), NULL, &s, NULL),
			 -EINVAL);
}

static void test_bad_requests(void **state)
{
	struct axcc_topology *topo = sample_topology(4, 0);
	const struct axcc_request good = { .coll = AXCC_ALL_REDUCE, .ranks = 4, .count = 5,
					   .dtype = AXON_DTYPE_FLOAT32 };
	uint32_t targets[4] = { 1, 1, 2, 3 };
	struct axcc_tuning tuning = { .chunk_bytes = 100 };
	struct axcc_schedule *s;
	char why[AXCC_WHY_BYTES];
	struct axcc_request r;

	r = good; r.coll = AXCC_NUM_COLLS; expect_invalid(&r, topo);
	r = good; r.ranks = 0; expect_invalid(&r, topo);
	r = good; r.ranks = AXCC_MAX_RANKS + 1; expect_invalid(&r, topo);
	r = good; r.ranks = 5; expect_invalid(&r, topo);
	r = good; r.count = AXCC_MAX_COUNT + 1; expect_invalid(&r, topo);
	r = good; r.dtype = AXON_DTYPE_INT64; expect_invalid(&r, topo);
	r = good; r.dtype = 200; expect_invalid(&r, topo);
	r = good; r.reduction = AXCC_NUM_REDUCTIONS; expect_invalid(&r, topo);
	r = good; r.root = 1; expect_invalid(&r, topo);
	r = good; r.targets = targets; expect_invalid(&r, topo);
	r = good; r.coll = AXCC_BROADCAST; r.root = 4; expect_invalid(&r, topo);
	r = good; r.coll = AXCC_ALL_GATHER; r.reduction = AXCC_MAX; expect_invalid(&r, topo);
	r = good; r.coll = AXCC_PERMUTE; expect_invalid(&r, topo);
	r.targets = targets; expect_invalid(&r, topo);
	r = good; r.coll = AXCC_SEND; expect_invalid(&r, topo);
	r = good; r.coll = AXCC_BARRIER; expect_invalid(&r, topo);
	expect_invalid(&good, NULL);
	expect_invalid(NULL, topo);
	assert_int_equal(axcc_schedule_build(&good, topo, 99, NULL, &s, NULL), -EINVAL);
	assert_int_equal(axcc_schedule_build(&good, topo, 1, &tuning, &s, NULL), -EINVAL);
	r = good;
	r.coll = AXCC_ALL_TO_ALL;
	assert_int_equal(axcc_schedule_build(&r, topo, sample_algorithm("ring"), NULL, &s, why),
			 -EOPNOTSUPP);
	assert_string_equal(why, "does not do this operation");
	r = good;
	r.count = 1ull << 30;
	assert_int_equal(axcc_schedule_build(&r, topo, sample_algorithm("single"), NULL, &s, why),
			 -EOPNOTSUPP);
	assert_string_equal(why, "would stage more than 16 MiB");
	axcc_topology_free(topo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_groups),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_many_waves),
		cmocka_unit_test(test_large_groups),
		cmocka_unit_test(test_proof_only),
		cmocka_unit_test(test_same_again),
		cmocka_unit_test(test_bad_requests),
	};

	return cmocka_run_group_tests_name("axcc_schedules", tests, NULL, NULL);
}
