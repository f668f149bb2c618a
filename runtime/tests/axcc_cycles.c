// SPDX-License-Identifier: MIT
/*
 * axcc_cycles.c - predicted times against those of the card: operations are carried out by soft
 * cards, whose cycles are compared with what axcc_explain() says of the same fabric.
 *
 * Cycles are those of the timing model on both sides, so nothing here depends on the host, and both
 * have to be the same to the cycle: both follow the rules of Documentation/isa.rst, "Cycles".
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "axon_isa.h"
#include "collective.h"

#define MAX_CARDS	16u
#define PATIENCE_NS	(60 * 1000000000ll)

/* Checking goes byte by byte: above this the results are the business of axcc_cards. */
#define MAX_CHECKED	(4u << 20)

/**
 * struct cards - a fabric of soft cards
 * @n: how many; a rank each
 * @dev: they
 * @arena: a buffer on each
 */
struct cards {
	uint32_t n;
	struct axon_device *dev[MAX_CARDS];
	struct coll_arena arena[MAX_CARDS];
};

static void quiet(void *opaque, enum axon_log_level level, const char *line)
{
}

/* @largest: the operation with most data */
static void open_cards(struct cards *c, const char *fabric, uint32_t n,
		       const struct coll_case *largest)
{
	uint64_t bytes = coll_arena_size(largest, n);
	char device[16], path[64];

	snprintf(device, sizeof(device), "soft:%u", n);
	setenv("AXON_DEVICE", device, 1);
	setenv("AXON_SOFT_FABRIC", fabric, 1);
	c->n = n;
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(axon_device_path_of(i, path, sizeof(path)), 0);
		assert_int_equal(axon_device_open_path(path, quiet, NULL, &c->dev[i]), 0);
		assert_int_equal(coll_arena_open(&c->arena[i], c->dev[i], bytes), 0);
	}
}

static void close_cards(struct cards *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		coll_arena_close(&c->arena[i]);
		axon_device_close(c->dev[i]);
	}
}

/* Modelled cycles of all launches of a card's first core. */
static uint64_t cycles_of(struct axon_device *dev)
{
	struct drm_axon_core core[16];
	uint32_t count = 16;

	assert_int_equal(axon_device_cores(dev, core, &count), 0);
	assert_true(count >= 1);
	return core[0].cycles;
}

static void join(const struct cards *c, const char *algorithm, struct axcc_comm **comm)
{
	struct axcc_options o = { .size = sizeof(o), .algorithm = algorithm };

	for (uint32_t i = 0; i < c->n; i++)
		assert_int_equal(axcc_comm_create(&o, &comm[i]), 0);
	assert_int_equal(axcc_comm_init_all(comm, c->dev, NULL, c->n), 0);
}

static void succeed(int err, struct axcc_comm *comm)
{
	struct axcc_error e = { 0 };

	if (!err)
		return;
	axcc_comm_error(comm, &e);
	fail_msg("rank %u: %d: %s", axcc_comm_rank(comm), err, e.text);
}

/* Carries an operation out and checks it. Return: cycles of the rank that took longest. */
static uint64_t run(struct cards *c, const char *algorithm, const struct coll_case *op)
{
	uint64_t before[MAX_CARDS], seq[MAX_CARDS], most = 0, took;
	bool checked = coll_arena_size(op, c->n) * c->n <= MAX_CHECKED;
	struct axcc_comm *comm[MAX_CARDS];
	char why[200];

	join(c, algorithm, comm);
	for (uint32_t i = 0; checked && i < c->n; i++)
		coll_fill(op, c->n, i, &c->arena[i]);
	for (uint32_t i = 0; i < c->n; i++) {
		before[i] = cycles_of(c->dev[i]);
		succeed(coll_call(op, comm[i], &c->arena[i], &seq[i]), comm[i]);
	}
	for (uint32_t i = 0; i < c->n; i++)
		succeed(axcc_wait(comm[i], seq[i], PATIENCE_NS), comm[i]);
	for (uint32_t i = 0; i < c->n; i++) {
		took = cycles_of(c->dev[i]) - before[i];
		most = took > most ? took : most;
		if (checked && coll_check(op, c->n, i, &c->arena[i], why, sizeof(why)))
			fail_msg("%s: %s", algorithm, why);
		axcc_comm_destroy(comm[i]);
	}
	return most;
}

static json_t *explain(const struct coll_case *op, const char *topology)
{
	struct axcc_what_if w = {
		.size = sizeof(w), .coll = op->coll, .reduction = op->reduction,
		.dtype = op->coll == AXCC_BARRIER ? 0 : op->dtype, .root = op->root,
		.count = op->count, .algorithm = "",
		.topology = topology, .in_place = op->in_place, .json = true,
	};
	json_t *j;
	char *text;

	assert_int_equal(axcc_explain(&w, &text), 0);
	j = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(j);
	return j;
}

/* Every algorithm that does it. */
static const char *const families[] = { "mesh", "rhd", "ring" };
#define NUM_FAMILIES	(sizeof(families) / sizeof(families[0]))
#define ALL_FAMILIES	((1u << NUM_FAMILIES) - 1)

/* Its bit; "mesh" is "mesh.fused" and others. */
static uint32_t family_of(const char *algorithm)
{
	for (uint32_t i = 0; i < NUM_FAMILIES; i++)
		if (!strncmp(algorithm, families[i], strlen(families[i])))
			return 1u << i;
	return 0;
}

/* Return: which of @families were compared. */
static uint32_t compare(struct cards *c, const struct coll_case *op, const char *topology)
{
	json_t *j = explain(op, topology), *cand;
	uint32_t compared = 0, found = 0;
	char line[120];
	size_t i;

	coll_print(op, c->n, line, sizeof(line));
	json_array_foreach(json_object_get(j, "candidates"), i, cand) {
		const char *name = json_string_value(json_object_get(cand, "algorithm"));
		json_t *us = json_object_get(cand, "time_us");
		uint64_t want, got;

		if (!us)
			continue;
		want = (uint64_t)llround(json_number_value(us) * (AXON_REF_CLOCK_HZ / 1000000));
		got = run(c, name, op);
		compared++;
		found |= family_of(name);
		print_message("%-10s %-14s %12llu %12llu  %s\n", topology, name,
			      (unsigned long long)want, (unsigned long long)got, line);
		if (got != want)
			fail_msg("%s, %s on %s: %llu cycles predicted, %llu taken", line, name,
				 topology, (unsigned long long)want, (unsigned long long)got);
	}
	assert_true(compared > 0);
	json_decref(j);
	return found;
}

static const uint32_t colls[] = {
	AXCC_ALL_REDUCE, AXCC_ALL_GATHER, AXCC_REDUCE_SCATTER, AXCC_ALL_TO_ALL, AXCC_BROADCAST,
	AXCC_REDUCE, AXCC_BARRIER,
};

static struct coll_case operation(uint32_t coll, uint64_t count, bool in_place)
{
	struct coll_case op = {
		.coll = coll, .dtype = AXON_DTYPE_FLOAT32, .count = count, .in_place = in_place,
		.seed = 5,
	};

	if (coll == AXCC_BARRIER)
		op.count = 0;
	return op;
}

static void heading(void)
{
	print_message("%-10s %-14s %12s %12s\n", "fabric", "algorithm", "predicted", "taken");
}

/* All operations; sizes around those where one algorithm takes over from another. */
static void all_operations(const char *fabric, const char *topology, uint32_t n)
{
	static const uint64_t counts[] = { 3, 1000, 65537 };
	struct coll_case most = operation(AXCC_ALL_TO_ALL, counts[2], false);
	struct cards c;

	open_cards(&c, fabric, n, &most);
	heading();
	for (uint32_t i = 0; i < sizeof(colls) / sizeof(colls[0]); i++) {
		for (uint32_t k = 0; k < 3; k++) {
			struct coll_case op = operation(colls[i], counts[k], k % 2);

			compare(&c, &op, topology);
			if (colls[i] == AXCC_BARRIER)
				break;
		}
	}
	close_cards(&c);
}

static void test_mesh(void **state)
{
	all_operations("mesh", "mesh:4", 4);
}

static void test_ring(void **state)
{
	all_operations("ring", "ring:5", 5);
}

/* Those of Documentation/collectives.rst, "Predicted times and closed forms". */
static void all_reduces(const char *fabric, const char *topology)
{
	struct coll_case op = operation(AXCC_ALL_REDUCE, 2 << 20, true);
	struct cards c;

	open_cards(&c, fabric, 16, &op);
	heading();
	for (; op.count >= 16 << 10; op.count /= 128)
		assert_int_equal(compare(&c, &op, topology), ALL_FAMILIES);
	close_cards(&c);
}

static void test_sixteen(void **state)
{
	all_reduces("torus:4x4", "torus:4x4");
	all_reduces("mesh", "mesh:16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mesh),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_sixteen),
	};

	return cmocka_run_group_tests_name("axcc_cycles", tests, NULL, NULL);
}
