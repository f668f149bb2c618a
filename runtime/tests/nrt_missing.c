// SPDX-License-Identifier: MIT
/*
 * nrt_missing.c - what is not implemented returns an error; one participant needs nobody.
 */
#include "session.h"

#include <nrt/ndebug_stream.h>
#include <nrt/nrt_async.h>
#include <nrt/nrt_async_sendrecv.h>
#include <nrt/nrt_profile.h>

#define NOT(call) assert_int_not_equal(call, NRT_SUCCESS)

static void test_missing(void **state)
{
	char message[64] = "";
	void *addr = NULL;
	size_t size = 0;
	int err = 0;
	int n = 0;

	assert_int_equal(nrt_get_hbm_mmap_va(0, 0, &addr, &size), NRT_INVALID);
	NOT(nrt_get_attached_efa_bdf(message, message, &size));
	NOT(nrt_set_pool_eng_ucode(NULL));
	NOT(nrt_register_async_exec_callback(NULL, NULL));
	NOT(nrt_trace_start(true));
	NOT(nrt_trace_stop("x"));
	assert_null(nrt_get_libnccl_net(&err, message, sizeof(message)));
	assert_int_not_equal(err, 0);
	assert_true(strlen(message) > 0);
	NOT(nrt_debug_client_connect(0, &n));
	NOT(nrt_debug_client_read_one_event(0, NULL, NULL));
}

static void test_sendrecv(void **state)
{
	nrt_async_sendrecv_request_t *request = NULL;
	nrt_async_sendrecv_comm_t *comm = NULL;
	bool done = false;
	size_t size = 0;
	int n = 0;

	NOT(nrt_async_sendrecv_get_max_num_communicators_per_lnc(&n));
	NOT(nrt_async_sendrecv_get_max_num_pending_request(&n));
	NOT(nrt_async_sendrecv_init(0));
	NOT(nrt_async_sendrecv_close(0));
	NOT(nrt_async_sendrecv_connect("127.0.0.1", 0, 0, &comm));
	NOT(nrt_async_sendrecv_accept("127.0.0.1", 0, 0, &comm));
	NOT(nrt_async_sendrecv_test_comm(comm, &done));
	NOT(nrt_async_sendrecv_send_tensor(NULL, 0, 0, comm, &request));
	NOT(nrt_async_sendrecv_recv_tensor(NULL, 0, 0, comm, &request));
	NOT(nrt_async_sendrecv_test_request(request, &done, &size));
	NOT(nrt_async_sendrecv_flush(0));
	assert_null(comm);
	assert_null(request);
	assert_false(done);
}

static void test_profiles(void **state)
{
	nrt_profile_continuous_options_t *continuous = NULL;
	nrt_inspect_config_t *inspect = NULL;
	const char **types = NULL;
	size_t n = 0;

	NOT(nrt_profile_continuous_options_allocate(&continuous));
	NOT(nrt_profile_continuous_options_set_output_dir(continuous, "."));
	NOT(nrt_profile_continuous_start(continuous));
	NOT(nrt_profile_continuous_save(0, continuous));
	NOT(nrt_profile_continuous_stop());
	NOT(nrt_profile_continuous_options_free(continuous));
	assert_null(continuous);
	NOT(nrt_inspect_config_allocate(&inspect));
	NOT(nrt_inspect_config_set_defaults(inspect));
	NOT(nrt_inspect_config_set_session_id(inspect, 1));
	NOT(nrt_inspect_config_set_output_dir(inspect, "."));
	NOT(nrt_inspect_config_set_sys_trace_max_events_per_nc(inspect, 1));
	NOT(nrt_inspect_config_set_capture_enabled_for_nc(inspect, 0, true));
	NOT(nrt_inspect_config_set_capture_enabled_for_event_type_string(inspect, "x", true));
	NOT(nrt_inspect_config_set_enable_inspect(inspect, true));
	NOT(nrt_inspect_config_set_enable_inspect_on_fail(inspect, true));
	NOT(nrt_inspect_config_set_activity(inspect, "all", true));
	NOT(nrt_inspect_config_get_all_activity_types(&types, &n));
	NOT(nrt_inspect_config_get_enabled_activity_types(inspect, &types, &n));
	NOT(nrt_inspect_begin_with_options(inspect));
	NOT(nrt_inspect_begin());
	NOT(nrt_inspect_stop());
	NOT(nrt_inspect_config_free(inspect));
	assert_null(inspect);
	assert_null(types);
}

static void test_one_participant(void **state)
{
	char in[4] = "abc";
	char out[4] = "";

	OK(nrt_build_global_comm(0, 0, 1));
	OK(nrt_barrier(0, 0, 1));
	OK(nrt_all_gather(0, 0, 1, sizeof(in), in, out));
	assert_string_equal(out, "abc");
	assert_int_equal(nrt_barrier(0, 1, 1), NRT_INVALID);
	assert_int_equal(nrt_barrier(0, 0, 0), NRT_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_sendrecv),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_one_participant),
	};

	return cmocka_run_group_tests(tests, session_begin, session_end);
}
