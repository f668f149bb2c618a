// SPDX-License-Identifier: MIT
/*
 * nrt_profile.c - a profile of an execution: every instruction and transfer is in the file.
 */
#include "session.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include <nrt/nrt_profile.h>

#define N 64

/* Events of a name that have a duration. */
static unsigned int count(const json_t *root, const char *name)
{
	const json_t *events = json_object_get(root, "traceEvents");
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < json_array_size(events); i++) {
		const json_t *e = json_array_get(events, i);

		if (strcmp(json_string_value(json_object_get(e, "ph")), "X"))
			continue;
		assert_true(json_number_value(json_object_get(e, "dur")) >= 0);
		n += !strcmp(json_string_value(json_object_get(e, "name")), name);
	}
	return n;
}

static void test_profile(void **state)
{
	int fd = memfd_create("profile", 0);
	char path[64];
	nrt_tensor_t *x = new_tensor(N * 4, "x");
	nrt_tensor_t *y = new_tensor(N * 4, "y");
	nrt_tensor_set_t *in = new_set();
	nrt_tensor_set_t *out = new_set();
	nrt_model_t *model = NULL;
	float constant[N] = { 0 };
	struct program p;
	json_error_t error;
	json_t *root;

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	program_add_const(&p, constant, N);
	OK(load_program(&p, 0, &model));
	OK(nrt_add_tensor_to_tensor_set(in, "x", x));
	OK(nrt_add_tensor_to_tensor_set(out, "y", y));
	assert_int_equal(nrt_profile_stop(path), NRT_FAILURE);
	assert_int_equal(nrt_profile_start(NULL, path), NRT_INVALID_HANDLE);
	assert_int_equal(nrt_profile_start(model, ""), NRT_INVALID);
	OK(nrt_profile_start(model, path));
	assert_int_equal(nrt_profile_start(model, path), NRT_FAILURE);
	OK(nrt_execute(model, in, out));
	OK(nrt_execute(model, in, out));
	OK(nrt_profile_stop(path));
	root = json_load_file(path, 0, &error);
	if (!root)
		fail_msg("line %d: %s", error.line, error.text);
	assert_int_equal(count(root, "REG_LOAD"), 2);
	assert_int_equal(count(root, "HALT"), 1);
	assert_true(count(root, "DMA") >= 2);
	json_decref(root);
	/* Afterwards nothing is recorded, and a model may go with its profile running. */
	OK(nrt_execute(model, in, out));
	OK(nrt_profile_start(model, path));
	OK(nrt_unload(model));
	assert_int_equal(nrt_profile_stop(path), NRT_FAILURE);
	OK(load_program(&p, 0, &model));
	OK(nrt_profile_start(model, "/nonexistent/profile"));
	OK(nrt_execute(model, in, out));
	assert_int_equal(nrt_profile_stop(NULL), NRT_FAILURE);
	OK(nrt_unload(model));
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profile),
	};

	return cmocka_run_group_tests(tests, session_begin, session_end);
}
