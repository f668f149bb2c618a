// SPDX-License-Identifier: MIT
/*
 * test_mutants.c - the verifier refuses what is wrong: schedules of all algorithms are damaged in
 * one place, and whatever it still accepts has to do its work in every order of running.
 *
 * That is decided by running (host.c), so that a test cannot agree with the verifier by sharing its
 * ideas. Prints what was done, what became of it, and what running the refused ones showed.
 */
#include "sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "axon_isa.h"
#include "mutate.h"
#include "verify.h"

#define TRIES		3u	/* of each mutation of each schedule */
#define RUNS		8u	/* of what was accepted */
#define RUNS_REFUSED	3u

/**
 * struct tally - what became of a mutation
 * @made: schedules it was done to
 * @refused: by the verifier
 * @shown: of those that could be run: wrong in one of few runs
 * @ran: refused ones that could be run
 * @defects: how often the verifier said what
 */
struct tally {
	uint32_t made;
	uint32_t refused;
	uint32_t shown;
	uint32_t ran;
	uint32_t defects[AXCC_NUM_DEFECTS];
};

static struct tally tallies[NUM_MUTATIONS];

/* Return: some of @runs runs gets stuck or has a wrong result. */
static bool goes_wrong(const struct axcc_schedule *s, uint32_t runs, uint64_t *seed)
{
	bool wrong = false;
	char why[200];

	for (uint32_t i = 0; i < runs && !wrong; i++) {
		struct host *h = host_create(s, random_next(seed));

		wrong = !host_run(h, random_next(seed)) || !host_check(h, why, sizeof(why));
		host_free(h);
	}
	return wrong;
}

/* Memory is only left, and the order only followed, where the verifier did not come to look. */
static bool can_run(enum axcc_defect d)
{
	return d != AXCC_DEFECT_SHAPE && d != AXCC_DEFECT_BOUNDS && d != AXCC_DEFECT_TARGET &&
		d != AXCC_DEFECT_OVERLAP && d != AXCC_DEFECT_ORDER;
}

/* What a report says can be acted on: the defect, where, and a sentence. */
static void check_report(const struct axcc_report *r, const struct axcc_schedule *s)
{
	const char *name = axcc_defect_str(r->defect);

	assert_true(r->defect > AXCC_DEFECT_NONE && r->defect < AXCC_NUM_DEFECTS);
	assert_memory_equal(r->text, name, strlen(name));
	assert_true(strlen(r->text) > strlen(name) + 10);
	assert_true(strlen(r->text) < sizeof(r->text) - 1);
	if (r->rank != AXCC_NO_RANK) {
		assert_true(r->rank < s->req.ranks);
		assert_non_null(strstr(r->text, "rank "));
	}
	if (r->rank != AXCC_NO_RANK && r->step != AXCC_NO_RANK)
		assert_true(r->step < s->rank[r->rank].num_steps);
	assert_null(strstr(r->text, "4294967295"));
}

static void one(const struct axcc_schedule *good, enum mutation m, bool run_refused, uint64_t *seed)
{
	struct axcc_schedule *bad = schedule_clone(good);
	struct tally *t = &tallies[m];
	struct axcc_report report;
	int err;

	if (!mutate(bad, m, seed)) {
		axcc_schedule_free(bad);
		return;
	}
	t->made++;
	err = axcc_schedule_verify(bad, &report);
	if (err) {
		assert_int_equal(err, -EINVAL);
		check_report(&report, bad);
		t->refused++;
		t->defects[report.defect]++;
		if (run_refused && can_run(report.defect)) {
			t->ran++;
			t->shown += goes_wrong(bad, RUNS_REFUSED, seed);
		}
	} else if (goes_wrong(bad, RUNS, seed)) {
		struct sample sample = { .req = good->req };

		fail_msg("%s: accepted after \"%s\"", sample_print(&sample, good->algorithm),
			 mutation_name(m));
	}
	axcc_schedule_free(bad);
}

static void all_mutations(const struct sample *sample, const struct axcc_topology *topo,
			  uint32_t algorithm, uint64_t *seed)
{
	struct axcc_tuning tuning = { .chunk_bytes = 4096 };
	struct axcc_schedule *s;
	int err = axcc_schedule_build(&sample->req, topo, algorithm, &tuning, &s, NULL);

	if (err == -EOPNOTSUPP)
		return;
	assert_int_equal(err, 0);
	assert_int_equal(axcc_schedule_verify(s, NULL), 0);
	for (uint32_t m = 0; m < NUM_MUTATIONS; m++)
		for (uint32_t i = 0; i < TRIES; i++)
			one(s, (enum mutation)m, !i, seed);
	axcc_schedule_free(s);
}

static void all_algorithms(enum axcc_coll coll, uint32_t ranks, uint64_t count, uint64_t *seed)
{
	struct axcc_topology *topo = sample_topology(ranks, (uint32_t)random_next(seed) % 60);
	struct sample sample;

	for (uint32_t a = 0; axcc_algorithm_name(a); a++)
		if (axcc_algorithm_can(a, coll) &&
		    sample_make(&sample, coll, ranks, count,
				(enum place)(random_next(seed) % NUM_PLACES), 0, seed))
			all_mutations(&sample, topo, a, seed);
	axcc_topology_free(topo);
}

static void print_tallies(void)
{
	print_message("%-22s %6s %8s %9s  %s\n", "mutation", "made", "refused", "run shows",
		      "said");
	for (uint32_t m = 0; m < NUM_MUTATIONS; m++) {
		const struct tally *t = &tallies[m];
		char said[300] = "";
		size_t len = 0;

		for (uint32_t d = 1; d < AXCC_NUM_DEFECTS; d++)
			if (t->defects[d])
				len += (size_t)snprintf(said + len, sizeof(said) - len, " %s %u",
							axcc_defect_str((enum axcc_defect)d),
							t->defects[d]);
		print_message("%-22s %6u %8u %4u/%-4u %s\n", mutation_name((enum mutation)m),
			      t->made, t->refused, t->shown, t->ran, said);
	}
}

static void test_mutants(void **state)
{
	/* Nobody can do without a post, or with one too many: all are waited for. */
	static const enum mutation always[] = { DROP_POST, POST_TWICE, POST_RANK, POST_SEM };
	static const uint64_t counts[] = { 1, 65, 3001 };
	uint32_t said[AXCC_NUM_DEFECTS] = { 0 };
	uint64_t seed = 11;

	for (uint32_t coll = 0; coll < AXCC_NUM_COLLS; coll++)
		for (uint32_t ranks = 2; ranks <= 9; ranks += 1 + ranks / 5)
			for (uint32_t c = 0; c < 3; c++)
				all_algorithms((enum axcc_coll)coll, ranks, counts[c], &seed);
	print_tallies();
	for (uint32_t m = 0; m < NUM_MUTATIONS; m++) {
		assert_true(tallies[m].made > 100);
		assert_true(tallies[m].refused > 0);
		for (uint32_t d = 0; d < AXCC_NUM_DEFECTS; d++)
			said[d] += tallies[m].defects[d];
	}
	for (uint32_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		assert_int_equal(tallies[always[i]].refused, tallies[always[i]].made);
	/* There is a way to everything that it can say. */
	for (uint32_t d = 1; d < AXCC_NUM_DEFECTS; d++)
		if (!said[d])
			fail_msg("nothing was called \"%s\"", axcc_defect_str((enum axcc_defect)d));
}

/* ---- what it says ---- */

/* Rank 0 pushes 16 elements to rank 1, which waits for them: two steps. */
static struct axcc_schedule *send(void)
{
	struct axcc_topology *topo = sample_topology(2, 0);
	struct axcc_request req = { .coll = AXCC_SEND, .ranks = 2, .count = 16,
				    .dtype = AXON_DTYPE_FLOAT32 };
	struct axcc_schedule *s;

	assert_int_equal(axcc_schedule_build(&req, topo, sample_algorithm("direct"), NULL, &s,
					     NULL), 0);
	axcc_topology_free(topo);
	assert_int_equal(s->rank[0].num_steps, 1);
	assert_int_equal(s->rank[1].num_steps, 1);
	return s;
}

static void says(struct axcc_schedule *s, const char *text)
{
	struct axcc_report report;

	assert_int_equal(axcc_schedule_verify(s, &report), -EINVAL);
	assert_string_equal(report.text, text);
	axcc_schedule_free(s);
}

static void test_messages(void **state)
{
	struct axcc_schedule *s = send();

	s->rank[0].steps[0].post = (struct axcc_post) { 0 };
	says(s, "unreachable: rank 1: waits until semaphore 0 is 1, but 0 are posted");
	s = send();
	s->rank[1].num_steps = s->rank[1].num_waits = 0;
	says(s, "unwaited: rank 1: 1 are posted to semaphore 0, waited for are 0");
	s = send();
	s->rank[0].steps[0].count++;
	says(s, "bounds: rank 0, step 0: reads bytes 0 + 68 of SRC of rank 0, which has 64");
	s = send();
	s->rank[0].steps[0].count--;
	says(s, "result: DST of rank 1 is wrong from byte 60 on: nobody writes it");
	s = send();
	s->rank[0].steps[0].dst.rank = 2;
	says(s, "shape: rank 0, step 0: a transfer that cannot be");
	s = send();
	s->rank[0].steps[0].src = (struct axcc_place) { .rank = 1, .buffer = AXCC_BUF_DST };
	says(s, "overlap: rank 0, step 0: source and target overlap, at rank 1");
	s = send();
	s->rank[0].steps[0].dst = (struct axcc_place) { .buffer = AXCC_BUF_SRC };
	says(s, "target: rank 0, step 0: writes to SRC of rank 0");
}

/* Two ranks of a barrier that wait before they post. */
static void test_circle(void **state)
{
	struct axcc_topology *topo = sample_topology(2, 0);
	struct axcc_request req = { .coll = AXCC_BARRIER, .ranks = 2 };
	struct axcc_schedule *s;

	assert_int_equal(axcc_schedule_build(&req, topo, sample_algorithm("mesh"), NULL, &s, NULL),
			 0);
	axcc_topology_free(topo);
	for (uint32_t r = 0; r < 2; r++) {
		struct axcc_step *st = s->rank[r].steps, post = st[0];

		assert_int_equal(s->rank[r].num_steps, 2);
		st[0] = st[1];
		st[1] = post;
	}
	says(s, "cycle: rank 0, step 0: rank 0 step 0 waits until semaphore 0 is 1, for rank 1; "
	     "rank 1 step 0 waits until semaphore 0 is 1, for rank 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_circle),
		cmocka_unit_test(test_mutants),
	};

	return cmocka_run_group_tests_name("axcc_mutants", tests, NULL, NULL);
}
