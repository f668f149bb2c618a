// SPDX-License-Identifier: MIT
/*
 * test_cost.c - predicted times: cycles worked out by hand, bounds that physics sets, and that more
 * is never faster. Closed forms: test_forms.c.
 */
#include "sample.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "axon_isa.h"
#include "choose.h"

#define LATENCY	1400u	/* cycles of a hop of 1000 ns */

static struct axcc_topology *make(const char *shape, uint32_t cards, uint32_t cores)
{
	struct axcc_topology *t;

	assert_int_equal(axcc_topology_make(shape, cards, cores, &t), 0);
	return t;
}

/* @bytes are those of nccl-tests. */
static struct axcc_request request(enum axcc_coll coll, uint32_t ranks, uint64_t bytes,
				   bool in_place)
{
	struct axcc_request req = { .coll = coll, .ranks = ranks, .dtype = AXON_DTYPE_UINT8,
				    .count = bytes };

	if (coll == AXCC_ALL_GATHER || coll == AXCC_REDUCE_SCATTER || coll == AXCC_ALL_TO_ALL)
		req.count /= ranks;
	for (uint32_t r = 0; in_place && r < ranks; r++)
		axcc_ranks_add(&req.in_place, r);
	return req;
}

static struct axcc_prediction predict(const struct axcc_request *req,
				      const struct axcc_topology *topo, const char *algorithm)
{
	struct axcc_prediction p;

	assert_int_equal(axcc_predict(req, topo, sample_algorithm(algorithm), &p, NULL), 0);
	return p;
}

/* One byte from card to card. */
static void test_send(void **state)
{
	struct axcc_topology *topo = make("pair", 0, 1);
	struct axcc_request req = request(AXCC_SEND, 2, 1, false);
	struct axcc_prediction p = predict(&req, topo, "direct");

	/* Handed over, set up, 64 bytes' time at 16.4 a cycle, the way; a NOP that waits, HALT. */
	assert_int_equal(p.cycles, 64 + 840 + 4 + LATENCY + 8 + 8);
	assert_int_equal(p.path.sequencer, 64 + 8 + 8);
	assert_int_equal(p.path.setup, 840);
	assert_int_equal(p.path.data, 4);
	assert_int_equal(p.path.link, 0);
	assert_int_equal(p.path.latency, LATENCY);
	assert_int_equal(p.transfers, 1);
	assert_int_equal(p.moved_bytes, 1);
	axcc_topology_free(topo);
}

/* Between cores of one card there is no link: only the post takes its 64 cycles. */
static void test_send_inside(void **state)
{
	struct axcc_topology *topo = make("line", 1, 2);
	struct axcc_request req = request(AXCC_SEND, 2, 2300, false);
	struct axcc_prediction p = predict(&req, topo, "direct");

	assert_int_equal(p.cycles, 64 + 840 + 140 + 64 + 8 + 8);
	axcc_topology_free(topo);
}

static void test_barrier(void **state)
{
	struct axcc_topology *topo = make("ring", 4, 1);
	struct axcc_request req = request(AXCC_BARRIER, 4, 0, false);

	req.dtype = 0;
	/* Rank 0's second post goes to the one opposite, two hops away. */
	assert_int_equal(predict(&req, topo, "mesh").cycles, 2 * 16 + 2 * LATENCY + 8 + 8);
	/*
	 * Round 0 to the neighbour, round 1 to the one opposite; each sent when the last has come.
	 */
	assert_int_equal(predict(&req, topo, "rhd").cycles,
			 16 + LATENCY + 16 + 2 * LATENCY + 8 + 8);
	axcc_topology_free(topo);
}

/* Two pieces on one queue, one after the other, and on two queues, that share the link. */
static void test_link_shared(void **state)
{
	struct axcc_topology *topo = make("pair", 0, 1);
	struct axcc_request req = request(AXCC_SEND, 2, 2 * 4096, false);
	struct axcc_prediction p = predict(&req, topo, "direct");

	/* The second is handed over 64 cycles later and finds the link in use for 45 cycles. */
	assert_int_equal(p.cycles, 2 * 64 + 840 + 250 + LATENCY + 8 + 8);
	assert_int_equal(p.link_cycles, 2 * 45);
	topo->way[1].mb_s = topo->way[2].mb_s = 1000;
	p = predict(&req, topo, "direct");
	/* Now the link is what counts: 4096 bytes at 1000 MB/s, twice. */
	assert_int_equal(p.cycles, 64 + 840 + 2 * 5735 + LATENCY + 8 + 8);
	axcc_topology_free(topo);
}

/* A fetch waits there and back, a push only there. */
static void test_pull(void **state)
{
	struct axcc_topology *topo = make("pair", 0, 1);
	struct axcc_request req = request(AXCC_ALL_REDUCE, 2, 128, true);

	/* 64 bytes are added from the peer, 64 handed to it; what came is waited for, then done. */
	assert_int_equal(predict(&req, topo, "mesh.fused").cycles,
			 64 + 844 + 2 * LATENCY + 844 + LATENCY + 8 + 8 + 8);
	axcc_topology_free(topo);
}

static void within(double got, double want, double percent, const char *what)
{
	if (fabs(got - want) > want * percent / 100)
		fail_msg("%s: %.1f, expected %.1f", what, got, want);
}

/* Nobody is faster than links and queues allow, and for much data they are what counts. */
static void test_bounds(void **state)
{
	struct axcc_topology *topo = make("mesh", 4, 1);
	struct axcc_choice *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	for (uint32_t coll = 0; coll <= AXCC_REDUCE; coll++) {
		for (uint64_t bytes = 4096; bytes <= 64 << 20; bytes *= 4) {
			struct axcc_request req = request((enum axcc_coll)coll, 4, bytes, false);
			double best;

			assert_int_equal(axcc_choose(&req, topo, "", true, c), 0);
			for (uint32_t i = 0; i < c->count; i++) {
				const struct axcc_prediction *p = &c->candidate[i].p;

				if (c->candidate[i].err)
					continue;
				assert_true(p->cycles >= p->link_cycles);
				assert_true(p->cycles * AXCC_QUEUES >= p->queue_cycles);
				assert_int_equal(p->cycles, p->path.sequencer + p->path.setup +
						 p->path.data + p->path.link + p->path.latency);
			}
			best = axcc_cycles_ns(c->candidate[c->fastest].p.cycles);
			/* Three links in, 368 bytes a ns by all queues. */
			if (coll == AXCC_ALL_GATHER)
				assert_true(best > (double)bytes * 3 / 4 / 368);
			if (coll == AXCC_ALL_GATHER && bytes >= 16 << 20)
				assert_true(best < (double)bytes * 3 / 4 / 368 * 2);
			if (coll == AXCC_BROADCAST)
				assert_true(best > (double)bytes / (3 * 128));
		}
	}
	free(c);
	axcc_topology_free(topo);
}

/*
 * More data, and the same data over slower links, take longer; a little noise comes from cutting.
 */
static void test_monotonic(void **state)
{
	static const char *const shapes[] = { "mesh", "ring", "line" };
	struct axcc_choice *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	for (uint32_t coll = 0; coll <= AXCC_REDUCE; coll++) {
		for (uint32_t s = 0; s < 3; s++) {
			struct axcc_topology *topo = make(shapes[s], 6, 1);
			uint64_t last = 0, now;

			for (uint64_t bytes = 48; bytes <= 48 << 20; bytes *= 2) {
				struct axcc_request req = request((enum axcc_coll)coll, 6, bytes,
								  false);

				assert_int_equal(axcc_choose(&req, topo, "", true, c), 0);
				now = c->candidate[c->fastest].p.cycles;
				if (now < last - last / 20)
					fail_msg("%s, %s, %llu bytes", shapes[s],
						 axcc_coll_str(req.coll),
						 (unsigned long long)bytes);
				last = now;
			}
			for (uint32_t w = 0; w < 36; w++)
				topo->way[w].mb_s /= 10;
			{
				struct axcc_request req = request((enum axcc_coll)coll, 6, 48 << 20,
								  false);

				assert_int_equal(axcc_choose(&req, topo, "", true, c), 0);
				assert_true(c->candidate[c->fastest].p.cycles > 2 * last);
			}
			axcc_topology_free(topo);
		}
	}
	free(c);
}

/* What is predicted from smaller counts is near what all of it gives. */
static void test_samples(void **state)
{
	struct axcc_topology *topo = make("torus:4x4", 0, 1);
	uint32_t sampled = 0;

	for (uint32_t a = 0; axcc_algorithm_name(a); a++) {
		struct axcc_tuning tuning = { .no_order = true };
		struct axcc_request req = request(AXCC_ALL_REDUCE, 16, 4ull << 30, true);
		struct axcc_prediction p, full;
		struct axcc_schedule *s;

		if (!axcc_algorithm_can(a, AXCC_ALL_REDUCE) ||
		    axcc_predict(&req, topo, a, &p, NULL) == -EOPNOTSUPP)
			continue;
		assert_int_equal(axcc_schedule_build(&req, topo, a, &tuning, &s, NULL), 0);
		assert_int_equal(axcc_schedule_predict(s, topo, &full), 0);
		sampled += p.sampled;
		if (!p.sampled)
			assert_int_equal(p.cycles, full.cycles);
		within((double)p.cycles, (double)full.cycles, 5, axcc_algorithm_name(a));
		within((double)p.moved_bytes, (double)full.moved_bytes, 2, "bytes");
		axcc_schedule_free(s);
	}
	assert_true(sampled);
	axcc_topology_free(topo);
}

/* The choice: named, by family, by environment, what cannot be done, and names that are none. */
static void test_choice(void **state)
{
	struct axcc_topology *topo = make("mesh", 5, 1);
	struct axcc_request req = request(AXCC_ALL_REDUCE, 5, 1000, false);
	struct axcc_choice *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	unsetenv("AXCC_ALGO");
	assert_int_equal(axcc_choose(&req, topo, "ring", false, c), 0);
	assert_int_equal(c->count, 1);
	assert_string_equal(axcc_algorithm_name(c->candidate[c->best].index), "ring");
	assert_int_equal(axcc_choose(&req, topo, "mesh", false, c), 0);
	assert_int_equal(c->count, 2);
	assert_int_equal(axcc_choose(&req, topo, "mesh.fused", true, c), 0);
	assert_true(c->count > 5);
	assert_string_equal(axcc_algorithm_name(c->candidate[c->best].index), "mesh.fused");
	/* Five ranks have no rows. */
	assert_int_equal(axcc_choose(&req, topo, "hier", false, c), 0);
	assert_false(c->candidate[c->best].wanted);
	assert_int_equal(axcc_choose(&req, topo, "me", false, c), -EINVAL);
	assert_int_equal(axcc_choose(&req, topo, "mesh.", false, c), -EINVAL);
	setenv("AXCC_ALGO", "rhd", 1);
	assert_int_equal(axcc_choose(&req, topo, NULL, false, c), 0);
	assert_string_equal(axcc_algorithm_name(c->candidate[c->best].index), "rhd.staged");
	assert_int_equal(axcc_choose(&req, topo, "", false, c), 0);
	assert_true(c->count > 5);
	setenv("AXCC_ALGO", "nonsense", 1);
	assert_int_equal(axcc_choose(&req, topo, NULL, false, c), -EINVAL);
	unsetenv("AXCC_ALGO");
	req.count = AXCC_MAX_COUNT + 1;
	assert_int_equal(axcc_choose(&req, topo, NULL, false, c), -EINVAL);
	free(c);
	axcc_topology_free(topo);
}

/* Cards that cannot reach each other have no schedule. */
static void test_no_way(void **state)
{
	struct axcc_request req = request(AXCC_ALL_REDUCE, 2, 1000, false);
	struct axcc_topology *topo;
	struct axcc_schedule *s;

	assert_int_equal(axcc_topology_create(2, 2, &topo), 0);
	assert_int_equal(axcc_topology_finish(topo), 0);
	assert_int_equal(axcc_schedule_best(&req, topo, NULL, &s, NULL), -EOPNOTSUPP);
	axcc_topology_free(topo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_send_inside),
		cmocka_unit_test(test_barrier),
		cmocka_unit_test(test_link_shared),
		cmocka_unit_test(test_pull),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_monotonic),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_no_way),
	};

	return cmocka_run_group_tests_name("axcc_cost", tests, NULL, NULL);
}
