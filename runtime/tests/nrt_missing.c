// SPDX-License-Identifier: MIT
/*
 * nrt_missing.c - what is not implemented returns an error; one participant needs no fabric.
 */
#include "session.h"

#include <nrt/ndebug_stream.h>
#include <nrt/nrt_async.h>
#include <nrt/nrt_async_sendrecv.h>
#include <nrt/nrt_profile.h>

#define NOT(call) assert_int_not_equal(call, NRT_SUCCESS)

static void test_missing(void **state)
{
	nrt_profile_continuous_options_t *continuous = NULL;
	nrt_inspect_config_t *inspect = NULL;
	nrt_model_t *model = NULL;
	char message[64] = "";
	void *addr = NULL;
	size_t size = 0;
	int err = 0;
	int n = 0;

	NOT(nrt_load_collectives("x", 1, 0, 1, 0, 2, &model));
	NOT(nrt_build_global_comm(0, 0, 2));
	NOT(nrt_cc_global_comm_init(0, 0, 2));
	NOT(nrt_barrier(0, 0, 2));
	NOT(nrt_get_dmabuf_fd(0, 4096, &n));
	assert_int_equal(nrt_get_hbm_mmap_va(0, 0, &addr, &size), NRT_INVALID);
	NOT(nrt_get_attached_efa_bdf(message, message, &size));
	NOT(nrt_set_pool_eng_ucode(NULL));
	NOT(nrt_register_async_exec_callback(NULL, NULL));
	NOT(nrt_trace_start(true));
	NOT(nrt_trace_stop("x"));
	assert_null(nrt_get_libnccl_net(&err, message, sizeof(message)));
	assert_int_not_equal(err, 0);
	assert_true(strlen(message) > 0);
	NOT(nrta_cc_prepare(NULL, NULL, NULL, NRT_DTYPE_FLOAT32, NRT_OP_ADD, NRT_CC_ALLREDUCE,
			    NULL));
	NOT(nrt_async_sendrecv_init(0));
	NOT(nrt_async_sendrecv_get_max_num_pending_request(&n));
	NOT(nrt_debug_client_connect(0, &n));
	NOT(nrt_profile_continuous_options_allocate(&continuous));
	assert_null(continuous);
	NOT(nrt_inspect_config_allocate(&inspect));
	assert_null(inspect);
	NOT(nrt_inspect_begin());
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
		cmocka_unit_test(test_one_participant),
	};

	return cmocka_run_group_tests(tests, session_begin, session_end);
}
