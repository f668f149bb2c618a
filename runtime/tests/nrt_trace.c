// SPDX-License-Identifier: MIT
/*
 * nrt_trace.c - the system trace: what clients parse of it is there.
 */
#include "session.h"

#include <jansson.h>

#include <nrt/nrt_sys_trace.h>

static json_t *fetch(uint64_t nc)
{
	nrt_sys_trace_fetch_options_t *options = NULL;
	json_t *root;
	char *text = NULL;
	size_t size = 0;

	OK(nrt_sys_trace_fetch_options_allocate(&options));
	if (nc != UINT64_MAX)
		nrt_sys_trace_fetch_options_set_nc_idx(options, nc);
	OK(nrt_sys_trace_fetch_events(&text, &size, options));
	nrt_sys_trace_fetch_options_free(options);
	assert_int_equal(strlen(text), size);
	root = json_loads(text, 0, NULL);
	nrt_sys_trace_buffer_free(text);
	assert_non_null(root);
	return root;
}

static size_t count(uint64_t nc)
{
	json_t *root = fetch(nc);
	size_t n = json_array_size(json_object_get(root, "events"));

	json_decref(root);
	return n;
}

static void test_trace(void **state)
{
	nrt_sys_trace_config_t *config = NULL;
	nrt_tensor_set_t *set = new_set();
	nrt_model_t *model[2] = { NULL, NULL };
	struct program p;
	json_t *root;
	json_t *start;
	json_t *stop;
	json_int_t begin;
	json_int_t end;
	unsigned int i;

	program_init(&p, "quote\" and \\ and a rather long name");
	program_add(&p, inst_halt());
	OK(load_program(&p, 0, &model[0]));
	OK(load_program(&p, 1, &model[1]));
	OK(nrt_sys_trace_config_allocate(&config));
	nrt_sys_trace_config_set_capture_enabled_for_nc(config, 1, false);
	assert_int_equal(nrt_sys_trace_config_set_capture_enabled_for_event_type(config, "x", true),
			 NRT_INVALID);
	nrt_sys_trace_config_set_max_events_per_nc(config, 300);
	OK(nrt_sys_trace_start(config));
	assert_int_equal(nrt_sys_trace_start(config), NRT_FAILURE);
	OK(nrt_execute(model[0], set, set));
	OK(nrt_execute(model[1], set, set));
	assert_int_equal(count(1), 0);
	root = fetch(0);
	assert_int_equal(json_array_size(json_object_get(root, "events")), 2);
	start = json_array_get(json_object_get(root, "events"), 0);
	stop = json_array_get(json_object_get(root, "events"), 1);
	assert_string_equal(json_string_value(json_object_get(start, "event_type")),
			    "nc_exec_running");
	assert_string_equal(json_string_value(json_object_get(start, "phase")), "start");
	assert_string_equal(json_string_value(json_object_get(stop, "phase")), "stop");
	assert_int_equal(json_integer_value(json_object_get(start, "tracking_id")),
			 json_integer_value(json_object_get(stop, "tracking_id")));
	begin = json_integer_value(json_object_get(json_object_get(start, "data"),
						   "nc_timestamp_ns"));
	end = json_integer_value(json_object_get(json_object_get(stop, "data"),
						 "nc_timestamp_ns"));
	assert_true(begin > 0 && end >= begin);
	json_decref(root);
	/* Fetched once; more than fit leave the newest. */
	assert_int_equal(count(UINT64_MAX), 0);
	for (i = 0; i < 400; i++)
		OK(nrt_execute(model[0], set, set));
	assert_int_equal(count(UINT64_MAX), 300);
	OK(nrt_sys_trace_stop());
	assert_int_equal(nrt_sys_trace_stop(), NRT_FAILURE);
	OK(nrt_execute(model[0], set, set));
	assert_int_equal(count(UINT64_MAX), 0);
	nrt_sys_trace_config_free(config);
	OK(nrt_unload(model[0]));
	OK(nrt_unload(model[1]));
	nrt_destroy_tensor_set(&set);
}

static void test_types(void **state)
{
	nrt_sys_trace_config_t *config = NULL;
	const char **types = NULL;
	size_t n = 0;

	OK(nrt_sys_trace_get_event_types(&types, &n));
	assert_int_equal(n, 1);
	assert_string_equal(types[0], "nc_exec_running");
	nrt_sys_trace_free_event_types(types, n);
	OK(nrt_sys_trace_config_allocate(&config));
	OK(nrt_sys_trace_config_set_capture_enabled_for_event_type(config, "nc_exec_running",
								   false));
	OK(nrt_sys_trace_config_get_enabled_event_types(config, &types, &n));
	assert_int_equal(n, 0);
	nrt_sys_trace_free_event_types(types, n);
	nrt_sys_trace_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, session_begin, session_end);
}
