// SPDX-License-Identifier: MIT
/*
 * nrt_failure.c - executions that fail: which status, what works afterwards, how to recover.
 */
#include "session.h"

static nrt_tensor_set_t *empty;

/* Fails with @want, then says unrecoverable; the other core is not concerned. */
static void check(void (*make)(struct program *), NRT_STATUS want)
{
	nrt_tensor_t *x;
	nrt_tensor_t *y;
	nrt_tensor_set_t *in;
	nrt_tensor_set_t *out;
	nrt_model_t *bad = NULL;
	nrt_model_t *good = NULL;
	float constant[16] = { 1 };
	float value = 41;
	struct program p;

	OK(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""));
	x = new_tensor(64, "x");
	y = new_tensor(64, "y");
	in = new_set();
	out = new_set();
	OK(nrt_add_tensor_to_tensor_set(in, "x", x));
	OK(nrt_add_tensor_to_tensor_set(out, "y", y));
	OK(nrt_tensor_write(x, &value, 0, sizeof(value)));
	make(&p);
	OK(load_program(&p, 0, &bad));
	program_add_const(&p, constant, 16);
	OK(load_program(&p, 1, &good));
	assert_int_equal(nrt_execute(bad, empty, empty), want);
	assert_int_equal(nrt_execute(bad, empty, empty), NRT_EXEC_UNIT_UNRECOVERABLE);
	OK(nrt_execute(good, in, out));
	OK(nrt_tensor_read(y, &value, 0, sizeof(value)));
	assert_true(value == 42);
	/* Tensors of the failed core can still be read. */
	OK(nrt_tensor_read(x, &value, 0, sizeof(value)));
	assert_true(value == 41);
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	OK(nrt_unload(bad));
	OK(nrt_unload(good));
	nrt_close();
}

static void test_bad_program(void **state)
{
	check(program_bad, NRT_INVALID);
}

static void test_out_of_bounds(void **state)
{
	check(program_wild, NRT_EXEC_OOB);
}

static void test_deadlock(void **state)
{
	check(program_deadlock, NRT_EXEC_COMPLETED_WITH_ERR);
}

static void test_timeout(void **state)
{
	setenv("NEURON_RT_EXEC_TIMEOUT", "1", 1);
	check(program_loop, NRT_TIMEOUT);
	unsetenv("NEURON_RT_EXEC_TIMEOUT");
}

/* A program writes past its output: the neighbour in memory keeps its contents. */
static void test_neighbour(void **state)
{
	nrt_tensor_t *x;
	nrt_tensor_t *y;
	nrt_tensor_t *z;
	nrt_tensor_set_t *in = new_set();
	nrt_tensor_set_t *out = new_set();
	nrt_model_t *model = NULL;
	uint8_t byte = 0;
	struct program p;
	unsigned int i;

	OK(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""));
	x = new_tensor(4096, "x");
	y = new_tensor(4096, "y");
	z = new_tensor(4096, "z");
	OK(nrt_tensor_memset(z, 0, 0x77, 4096));
	program_init(&p, "long");
	program_tensor(&p, "x", AXON_ELF_TENSOR_INPUT, AXON_DTYPE_UINT8, 4096);
	program_tensor(&p, "y", AXON_ELF_TENSOR_OUTPUT, AXON_DTYPE_UINT8, 4096);
	program_add(&p, inst_load_arg(8, 8));
	program_add(&p, inst_load_arg(9, 0));
	/* Starts in the middle of the output and goes on for a page. */
	program_add(&p, inst_dma(AXON_DMA_COPY, AXON_DTYPE_UINT8, 4096, 8, 2048, 9, 0));
	program_add(&p, inst_halt());
	OK(load_program(&p, 0, &model));
	OK(nrt_add_tensor_to_tensor_set(in, "x", x));
	OK(nrt_add_tensor_to_tensor_set(out, "y", y));
	assert_int_equal(nrt_execute(model, in, out), NRT_EXEC_OOB);
	for (i = 0; i < 4096; i++) {
		OK(nrt_tensor_read(z, &byte, i, 1));
		assert_int_equal(byte, 0x77);
	}
	OK(nrt_unload(model));
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	nrt_tensor_free(&z);
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_program),
		cmocka_unit_test(test_out_of_bounds),
		cmocka_unit_test(test_deadlock),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_neighbour),
	};
	int failed;

	nrt_allocate_tensor_set(&empty);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	nrt_destroy_tensor_set(&empty);
	return failed;
}
