// SPDX-License-Identifier: MIT
/*
 * test_explain.c - what axcc_explain() says, as text and as JSON: that it is all there, that it is
 * what the library would do, and that both say the same.
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
#include "choose.h"
#include "explain.h"

static struct axcc_what_if question(enum axcc_coll coll, uint64_t count, const char *topology)
{
	return (struct axcc_what_if) {
		.size = sizeof(struct axcc_what_if), .coll = coll, .count = count,
		.dtype = coll == AXCC_BARRIER ? 0 : AXON_DTYPE_FLOAT32, .algorithm = "",
		.topology = topology,
	};
}

static void explain(const struct axcc_what_if *w, char **text)
{
	*text = NULL;
	assert_int_equal(axcc_explain(w, text), 0);
	assert_non_null(*text);
}

static json_t *json_of(struct axcc_what_if w)
{
	json_error_t error;
	char *text;
	json_t *j;

	w.json = true;
	explain(&w, &text);
	j = json_loads(text, 0, &error);
	if (!j)
		fail_msg("line %d: %s in %s", error.line, error.text, text);
	free(text);
	return j;
}

static const char *word(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	assert_true(json_is_string(v));
	return json_string_value(v);
}

static double number(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_number(v))
		fail_msg("%s is no number", key);
	return json_number_value(v);
}

static const json_t *chosen(const json_t *j)
{
	const json_t *c, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(j, "candidates"), i, c)
		if (!strcmp(word(c, "algorithm"), word(j, "chosen")))
			found = c;
	assert_non_null(found);
	return found;
}

/* Times add up; who has no time says why; who was not chosen says why not. */
static void check_candidate(const json_t *j, const json_t *c)
{
	const json_t *path = json_object_get(c, "path_us"), *part;
	const char *key;
	double sum = 0;

	if (strcmp(word(c, "algorithm"), word(j, "chosen")))
		assert_true(strlen(word(c, "why_not")) > 0);
	else
		assert_null(json_object_get(c, "why_not"));
	if (!path)
		return;
	assert_int_equal(json_object_size(path), 5);
	json_object_foreach((json_t *)(uintptr_t)path, key, part)
		sum += json_number_value(part);
	assert_true(fabs(sum - number(c, "time_us")) < 0.01 + number(c, "time_us") / 1000);
	assert_true(number(c, "time_us") > 0 || number(j, "ranks") < 2);
	assert_true(number(c, "time_us") >= number(c, "link_us") - 0.001);
	assert_true(number(c, "waits") >= 0);
	assert_true(number(c, "steps") >= 0);
	assert_true(json_is_boolean(json_object_get(c, "sampled")));
	if (number(j, "bytes") > 0)
		assert_true(fabs(number(c, "algbw_gb_s") * number(c, "time_us") * 1000 -
				 number(j, "bytes")) < 1 + number(j, "bytes") / 1000);
}

/* Text has what JSON has. */
static void check_text(const struct axcc_what_if *w, const json_t *j)
{
	char *text, line[100];
	const json_t *c;
	size_t i;

	explain(w, &text);
	snprintf(line, sizeof(line), "algorithm   %s: ", word(j, "chosen"));
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "time        %.2f us", number(chosen(j), "time_us"));
	assert_non_null(strstr(text, line));
	json_array_foreach(json_object_get(j, "candidates"), i, c) {
		snprintf(line, sizeof(line), "\n%s ", word(c, "algorithm"));
		assert_non_null(strstr(text, line));
		if (json_object_get(c, "why_not"))
			assert_non_null(strstr(text, word(c, "why_not")));
	}
	free(text);
}

static void test_all_operations(void **state)
{
	static const char *const shapes[] = { "pair", "mesh:4", "ring:5", "line:3", "torus:4x4" };
	static const uint64_t counts[] = { 1, 1000, 1 << 20 };

	for (uint32_t coll = 0; coll < AXCC_NUM_COLLS; coll++) {
		for (uint32_t s = 0; s < 5; s++) {
			for (uint32_t n = 0; n < 3; n++) {
				static const uint32_t targets[16] = { 1, 0 };
				struct axcc_what_if w = question((enum axcc_coll)coll, counts[n],
								 shapes[s]);
				const json_t *c;
				json_t *j;
				size_t i;

				if ((coll == AXCC_SEND || coll == AXCC_RECV ||
				     coll == AXCC_PERMUTE) && s)
					continue;
				w.targets = coll == AXCC_PERMUTE ? targets : NULL;
				w.count = coll == AXCC_BARRIER ? 0 : w.count;
				j = json_of(w);
				assert_string_equal(word(j, "operation"),
						    axcc_coll_str((enum axcc_coll)coll));
				assert_string_equal(word(j, "topology"), shapes[s]);
				json_array_foreach(json_object_get(j, "candidates"), i, c)
					check_candidate(j, c);
				check_text(&w, j);
				json_decref(j);
			}
		}
	}
}

/* It says what would be taken. */
static void test_same_choice(void **state)
{
	struct axcc_request req = { .coll = AXCC_ALL_REDUCE, .ranks = 16,
				    .dtype = AXON_DTYPE_FLOAT32 };
	struct axcc_topology *topo;

	assert_int_equal(axcc_topology_make("torus:4x4", 0, 1, &topo), 0);
	for (req.count = 2; req.count <= 64 << 20; req.count *= 32) {
		struct axcc_what_if w = question(AXCC_ALL_REDUCE, req.count, "torus:4x4");
		struct axcc_schedule *s;
		json_t *j = json_of(w);

		assert_int_equal(axcc_schedule_best(&req, topo, "", &s, NULL), 0);
		assert_string_equal(word(j, "chosen"), s->algorithm);
		axcc_schedule_free(s);
		json_decref(j);
	}
	axcc_topology_free(topo);
}

/* Who is asked for is taken, if he can. */
static void test_asked_for(void **state)
{
	struct axcc_what_if w = question(AXCC_ALL_REDUCE, 1 << 20, "mesh:4");
	char *text;
	json_t *j;

	w.algorithm = "rhd";
	j = json_of(w);
	assert_string_equal(word(j, "chosen"), "rhd.direct");
	assert_string_equal(word(j, "asked_for"), "rhd");
	json_decref(j);
	w.coll = AXCC_ALL_TO_ALL;
	explain(&w, &text);
	assert_non_null(strstr(text, "\"rhd\" was asked for, but cannot do it"));
	free(text);
	w.coll = AXCC_ALL_REDUCE;
	w.algorithm = NULL;
	setenv("AXCC_ALGO", "ring", 1);
	j = json_of(w);
	unsetenv("AXCC_ALGO");
	assert_string_equal(word(j, "chosen"), "ring");
	json_decref(j);
}

/* The order of reduction of few ranks; of many it is too long. */
static void test_order(void **state)
{
	struct axcc_what_if w = question(AXCC_ALL_REDUCE, 1 << 20, "mesh:4");
	json_t *j;

	w.algorithm = "mesh.staged";
	j = json_of(w);
	assert_string_equal(word(j, "order"), "elements 0 .. 262143: ((r0 + r1) + r2) + r3");
	json_decref(j);
	/* Only the first range: what one queue adds up. */
	w.algorithm = "mesh.fused";
	j = json_of(w);
	assert_string_equal(word(j, "order"), "elements 0 .. 16383: ((r0 + r1) + r2) + r3");
	json_decref(j);
	w.reduction = AXCC_MAX;
	w.algorithm = "single";
	w.count = 7;
	j = json_of(w);
	assert_string_equal(word(j, "order"), "elements 0 .. 6: ((r0 max r1) max r2) max r3");
	json_decref(j);
	w.topology = "torus:4x4";
	j = json_of(w);
	assert_true(json_is_null(json_object_get(j, "order")));
	json_decref(j);
}

static void refused(struct axcc_what_if w)
{
	char *text = NULL;

	assert_int_equal(axcc_explain(&w, &text), -EINVAL);
	assert_null(text);
}

static void test_bad_questions(void **state)
{
	const struct axcc_what_if good = question(AXCC_ALL_REDUCE, 100, "mesh:4");
	struct axcc_what_if w;

	assert_int_equal(axcc_explain(NULL, NULL), -EINVAL);
	assert_int_equal(axcc_explain(&good, NULL), -EINVAL);
	w = good; w.size--; refused(w);
	w = good; w.reserved0 = 1; refused(w);
	w = good; w.coll = AXCC_NUM_COLLS; refused(w);
	w = good; w.reduction = AXCC_NUM_REDUCTIONS; refused(w);
	w = good; w.dtype = 77; refused(w);
	w = good; w.root = 1; refused(w);
	w = good; w.count = AXCC_MAX_COUNT + 1; refused(w);
	w = good; w.topology = NULL; refused(w);
	w = good; w.topology = "mesh"; refused(w);
	w = good; w.topology = "mesh:"; refused(w);
	w = good; w.topology = "mesh:0"; refused(w);
	w = good; w.topology = "mesh:4 "; refused(w);
	w = good; w.topology = "mesh:-4"; refused(w);
	w = good; w.topology = "mesh:999"; refused(w);
	w = good; w.topology = "a-shape-with-a-long-name:4"; refused(w);
	w = good; w.cores = AXCC_MAX_RANKS; refused(w);
	w = good; w.algorithm = "nonsense"; refused(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_operations),
		cmocka_unit_test(test_same_choice),
		cmocka_unit_test(test_asked_for),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_bad_questions),
	};

	return cmocka_run_group_tests_name("axcc_explain", tests, NULL, NULL);
}
