// SPDX-License-Identifier: MIT
/*
 * nrt_async.c - requests that complete later, and their errors.
 */
#include "session.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <nrt/nrt_async.h>

#define N 64

static void wait_for(nrta_seq_t seq)
{
	struct timespec nap = { 0, 100000 };
	unsigned int tries = 0;
	bool done = false;

	while (!done) {
		assert_true(tries++ < 100000);
		OK(nrta_is_completed(seq, &done));
		if (!done)
			nanosleep(&nap, NULL);
	}
}

static void test_flow(void **state)
{
	nrt_tensor_t *x = new_tensor(N * 4, "x");
	nrt_tensor_t *y = new_tensor(N * 4, "y");
	nrt_tensor_t *z = new_tensor(N * 4, "z");
	nrt_tensor_set_t *in = new_set();
	nrt_tensor_set_t *out = new_set();
	nrta_error_tracker_t *tracker = NULL;
	const nrta_error_t *list;
	nrt_model_t *model = NULL;
	float constant[N];
	float buf[N];
	struct program p;
	struct pollfd pfd = { .events = POLLIN };
	nrta_seq_t seq;
	nrta_seq_t newest;
	size_t errors = 9;
	unsigned int i;

	for (i = 0; i < N; i++) {
		constant[i] = 1;
		buf[i] = (float)i;
	}
	program_add_const(&p, constant, N);
	OK(load_program(&p, 0, &model));
	OK(nrt_add_tensor_to_tensor_set(in, "x", x));
	OK(nrt_add_tensor_to_tensor_set(out, "y", y));
	OK(nrta_error_tracker_create(0, &tracker));
	OK(nrta_tensor_write(x, buf, 0, sizeof(buf), 0, tracker, &seq));
	wait_for(seq);
	OK(nrta_execute_schedule(model, in, out, 0, tracker, &seq));
	assert_int_equal(NRTA_SEQ_GET_SEQ_NUM(seq), 1);
	OK(nrta_get_completion_handle(seq, &pfd.fd));
	assert_int_equal(poll(&pfd, 1, 60000), 1);
	close(pfd.fd);
	OK(nrta_get_sequence(0, NRTA_XU_COMPUTE, 0, &newest));
	assert_int_equal(newest, seq);
	/* One that has completed already. */
	OK(nrta_get_completion_handle(seq, &pfd.fd));
	assert_int_equal(poll(&pfd, 1, 60000), 1);
	close(pfd.fd);
	OK(nrta_tensor_copy(y, 0, z, 0, N * 4, 0, tracker, &seq));
	wait_for(seq);
	memset(buf, 0, sizeof(buf));
	OK(nrta_tensor_read(buf, z, 0, sizeof(buf), 0, tracker, &seq));
	wait_for(seq);
	for (i = 0; i < N; i++)
		assert_true(buf[i] == (float)i + 1);
	OK(nrta_error_tracker_get_list(tracker, &list, &errors));
	assert_int_equal(errors, 0);
	/* A wrong range is found when it is carried out. */
	OK(nrta_tensor_read(buf, z, N * 4, 4, 0, tracker, &seq));
	wait_for(seq);
	OK(nrta_error_tracker_get_list(tracker, &list, &errors));
	assert_int_equal(errors, 1);
	assert_int_equal(list[0].seq_id, seq);
	assert_int_equal(list[0].error_code, NRT_INVALID);
	nrta_error_tracker_destroy(tracker);
	OK(nrt_unload(model));
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	nrt_tensor_free(&z);
}

static void test_order_and_full(void **state)
{
	nrt_tensor_t *t = new_tensor(4 << 20, "t");
	uint8_t *buf = calloc(1, 4 << 20);
	nrta_seq_t last = 0;
	nrta_seq_t seq;
	unsigned int full = 0;
	unsigned int i;

	for (i = 0; i < 400; i++) {
		NRT_STATUS status = nrta_tensor_write(t, buf, 0, 4 << 20, 1, NULL, &seq);

		if (status == NRT_QUEUE_FULL) {
			full++;
			wait_for(last - 62);
			continue;
		}
		OK(status);
		assert_true(!last || seq == last + 1);
		last = seq;
	}
	wait_for(last);
	assert_true(full > 0);
	nrt_tensor_free(&t);
	free(buf);
}

static void test_refused(void **state)
{
	nrt_tensor_t *t = new_tensor(64, "t");
	nrt_tensor_set_t *set = new_set();
	nrta_seq_t seq;
	bool done;
	char c;

	assert_int_equal(nrta_is_completed(~0ull, &done), NRT_INVALID);
	assert_int_equal(nrta_is_completed(0, &done), NRT_INVALID);
	assert_int_equal(nrta_tensor_write(t, &c, 0, 1, 9, NULL, &seq), NRT_INVALID);
	assert_int_equal(nrta_tensor_write(t, &c, 0, 1, -1, NULL, &seq), NRT_INVALID);
	assert_int_equal(nrta_tensor_write(NULL, &c, 0, 1, 0, NULL, &seq), NRT_INVALID);
	assert_int_equal(nrta_execute_schedule(NULL, set, set, 0, NULL, &seq),
			 NRT_INVALID_HANDLE);
	assert_int_equal(nrta_get_sequence(99, NRTA_XU_COMPUTE, 0, &seq), NRT_INVALID);
	nrt_tensor_free(&t);
	nrt_destroy_tensor_set(&set);
}

/* Closing with requests under way; afterwards a new session works. */
static void test_close(void **state)
{
	nrt_tensor_t *t = new_tensor(64, "t");
	nrta_seq_t seq;
	unsigned int i;
	char c = 1;

	for (i = 0; i < 30; i++)
		OK(nrta_tensor_write(t, &c, i, 1, 0, NULL, &seq));
	nrt_close();
	wait_for(seq);
	nrt_tensor_free(&t);
	OK(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""));
	t = new_tensor(64, "t");
	OK(nrta_tensor_write(t, &c, 0, 1, 0, NULL, &seq));
	wait_for(seq);
	nrt_tensor_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow),
		cmocka_unit_test(test_order_and_full),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests(tests, session_begin, session_end);
}
