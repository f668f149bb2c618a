// SPDX-License-Identifier: MIT
/*
 * nrt_session.c - init and close, which cores are seen, what old handles say.
 */
#include "session.h"

#include <nrt/nrt_version.h>

static void init(NRT_STATUS want)
{
	assert_int_equal(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""), want);
}

static void visible(const char *cores, const char *number, NRT_STATUS want, uint32_t count)
{
	uint32_t got = 0;

	if (cores)
		setenv("NEURON_RT_VISIBLE_CORES", cores, 1);
	if (number)
		setenv("NEURON_RT_NUM_CORES", number, 1);
	assert_int_equal(nrt_get_visible_nc_count(&got), want);
	if (!want)
		assert_int_equal(got, count);
	init(want);
	if (!want) {
		got = 0;
		OK(nrt_get_visible_vnc_count(&got));
		assert_int_equal(got, count);
		OK(nrt_get_total_nc_count(&got));
		assert_int_equal(got, 6);
		nrt_close();
	}
	unsetenv("NEURON_RT_VISIBLE_CORES");
	unsetenv("NEURON_RT_NUM_CORES");
}

static void test_visible_cores(void **state)
{
	setenv("AXON_DEVICE", "soft:2", 1);
	setenv("AXON_SOFT_CORES", "3", 1);
	setenv("AXON_SOFT_HBM", "64M", 1);
	visible(NULL, NULL, NRT_SUCCESS, 6);
	visible("3", NULL, NRT_SUCCESS, 1);
	visible("0-3", NULL, NRT_SUCCESS, 4);
	visible("2,3,4", NULL, NRT_SUCCESS, 3);
	visible("1-2,3", "1", NRT_SUCCESS, 3);
	visible(NULL, "0", NRT_SUCCESS, 6);
	visible(NULL, "2", NRT_SUCCESS, 2);
	visible("6", NULL, NRT_INVALID, 0);
	visible("4-6", NULL, NRT_INVALID, 0);
	visible("0,2", NULL, NRT_INVALID, 0);
	visible("3-1", NULL, NRT_INVALID, 0);
	visible("1,", NULL, NRT_INVALID, 0);
	visible("-1", NULL, NRT_INVALID, 0);
	visible("x", NULL, NRT_INVALID, 0);
	visible(NULL, "7", NRT_INVALID, 0);
	visible(NULL, "two", NRT_INVALID, 0);
	setenv("AXON_DEVICE", "soft", 1);
	unsetenv("AXON_SOFT_CORES");
	unsetenv("AXON_SOFT_HBM");
}

/* Tensors of one card are no use to a model on another. */
static void test_two_cards(void **state)
{
	nrt_tensor_t *x = NULL;
	nrt_tensor_t *y = NULL;
	nrt_tensor_set_t *in = new_set();
	nrt_tensor_set_t *out = new_set();
	nrt_model_t *model = NULL;
	float constant[16] = { 0 };
	struct program p;

	setenv("AXON_DEVICE", "soft:2", 1);
	init(NRT_SUCCESS);
	program_add_const(&p, constant, 16);
	OK(load_program(&p, 2, &model));
	OK(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 64, "x", &x));
	OK(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 3, 64, "y", &y));
	OK(nrt_add_tensor_to_tensor_set(in, "x", x));
	OK(nrt_add_tensor_to_tensor_set(out, "y", y));
	assert_int_equal(nrt_execute(model, in, out), NRT_INVALID);
	assert_int_equal(nrt_tensor_copy(x, 0, y, 0, 64), NRT_INVALID);
	OK(nrt_add_tensor_to_tensor_set(in, "x", y));
	OK(nrt_execute(model, in, out));
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	OK(nrt_unload(model));
	nrt_close();
	setenv("AXON_DEVICE", "soft", 1);
}

static void test_states(void **state)
{
	nrt_tensor_t *t = NULL;
	nrt_model_t *model = NULL;
	nrt_tensor_set_t *set = new_set();
	uint32_t count;
	char c = 0;
	float constant[4] = { 0 };
	struct program p;

	nrt_close();
	init(NRT_SUCCESS);
	init(NRT_FAILURE);
	OK(nrt_get_visible_nc_count(&count));
	program_add_const(&p, constant, 4);
	OK(load_program(&p, 0, &model));
	OK(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 64, "t", &t));
	/* Closing with a model loaded and a tensor alive: old handles say so, and can be freed. */
	nrt_close();
	assert_int_equal(nrt_tensor_read(t, &c, 0, 1), NRT_CLOSED);
	assert_int_equal(nrt_execute(model, set, set), NRT_CLOSED);
	assert_int_equal(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 64, "t", &t),
			 NRT_CLOSED);
	init(NRT_SUCCESS);
	assert_int_equal(nrt_execute(model, set, set), NRT_CLOSED);
	assert_null(nrt_tensor_get_va(t));
	nrt_tensor_free(&t);
	OK(nrt_unload(model));
	nrt_close();
	nrt_close();
	nrt_destroy_tensor_set(&set);
}

static void test_before_init(void **state)
{
	nrt_model_t *model = NULL;
	nrt_tensor_t *t = NULL;
	nrt_instance_info_t info;
	nrt_version_t version;
	uint32_t count = 0;
	unsigned int i;

	assert_int_equal(nrt_load("x", 1, 0, 1, &model), NRT_UNINITIALIZED);
	assert_int_equal(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 64, "t", &t),
			 NRT_UNINITIALIZED);
	OK(nrt_get_visible_nc_count(&count));
	assert_int_equal(count, 2);
	assert_int_equal(nrt_get_visible_nc_count(NULL), NRT_INVALID);
	OK(nrt_get_instance_info(&info, sizeof(info)));
	assert_string_equal(info.arch_name, "axon");
	memset(&version, 0xff, sizeof(version));
	OK(nrt_get_version(&version, 8));
	assert_int_equal(version.rt_major, 2);
	assert_int_equal(version.rt_minor, UINT64_MAX);
	OK(nrt_get_version(&version, sizeof(version)));
	assert_int_equal(nrt_get_version(NULL, 8), NRT_INVALID);
	assert_string_equal(nrt_get_status_as_str(NRT_EXEC_OOB), "NRT_EXEC_OOB");
	/* 28 statuses have a name, whatever else is asked for has none. */
	for (i = 0, count = 0; i < 2000; i++)
		count += strcmp(nrt_get_status_as_str((NRT_STATUS)i), "NRT_UNKNOWN") != 0;
	assert_int_equal(count, 28);
	assert_string_equal(nrt_get_status_as_str((NRT_STATUS)8), "NRT_UNKNOWN");
}

static void test_no_card(void **state)
{
	setenv("AXON_DEVICE", "nonsense", 1);
	init(NRT_INVALID);
	setenv("AXON_DEVICE", "soft", 1);
	setenv("AXON_FIRMWARE", "/dev/null", 1);
	init(NRT_FAILURE);
	unsetenv("AXON_FIRMWARE");
	init(NRT_SUCCESS);
	nrt_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_init),
		cmocka_unit_test(test_visible_cores),
		cmocka_unit_test(test_two_cards),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_no_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
