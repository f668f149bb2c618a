// SPDX-License-Identifier: MIT
/*
 * nrt_execute.c - load, tensors in, execution, tensors out.
 */
#include "session.h"

#include <pthread.h>

#define N 300

static void test_tensor_info(void **state)
{
	nrt_tensor_info_array_t *info = NULL;
	nrt_model_t *model = NULL;
	nrt_model_info_t mi;
	struct program p;
	uint32_t count = 0;
	size_t size = 0;

	program_inplace(&p, N);
	OK(load_program(&p, 1, &model));
	OK(nrt_get_model_tensor_info(model, &info));
	assert_int_equal(info->tensor_count, 4);
	assert_string_equal(info->tensor_array[1].name, "cache");
	assert_int_equal(info->tensor_array[1].usage, NRT_TENSOR_USAGE_INPUT);
	assert_int_equal(info->tensor_array[2].usage, NRT_TENSOR_USAGE_OUTPUT);
	assert_int_equal(info->tensor_array[3].size, N * 4);
	assert_int_equal(info->tensor_array[3].dtype, NRT_DTYPE_FLOAT32);
	assert_int_equal(info->tensor_array[3].ndim, 1);
	assert_int_equal(info->tensor_array[3].shape[0], N);
	OK(nrt_free_model_tensor_info(info));
	OK(nrt_get_model_vnc_count(model, &count));
	assert_int_equal(count, 1);
	OK(nrt_get_model_info(model, &mi, sizeof(mi), &size));
	assert_int_equal(mi.vnc, 1);
	assert_int_equal(size, sizeof(mi));
	OK(nrt_unload(model));
	assert_int_equal(nrt_unload(NULL), NRT_INVALID_HANDLE);
}

static void check_add(nrt_model_t *model, nrt_tensor_set_t *in, nrt_tensor_set_t *out,
		      nrt_tensor_t *x, nrt_tensor_t *y, const float *constant, float base)
{
	float buf[N];
	unsigned int i;

	for (i = 0; i < N; i++)
		buf[i] = base + (float)i;
	OK(nrt_tensor_write(x, buf, 0, sizeof(buf)));
	OK(nrt_execute(model, in, out));
	OK(nrt_tensor_read(y, buf, 0, sizeof(buf)));
	for (i = 0; i < N; i++)
		assert_true(buf[i] == base + (float)i + constant[i]);
}

static void test_execute(void **state)
{
	nrt_tensor_t *x = new_tensor(N * 4, "a");
	nrt_tensor_t *y = new_tensor(N * 4, "b");
	nrt_tensor_t *other = new_tensor(N * 4, "c");
	nrt_tensor_set_t *in = new_set();
	nrt_tensor_set_t *out = new_set();
	nrt_model_t *model = NULL;
	float constant[N];
	struct program p;
	unsigned int i;

	for (i = 0; i < N; i++)
		constant[i] = (float)(i * i);
	program_add_const(&p, constant, N);
	OK(load_program(&p, -1, &model));
	OK(nrt_add_tensor_to_tensor_set(in, "x", x));
	OK(nrt_add_tensor_to_tensor_set(out, "y", y));
	for (i = 0; i < 10; i++)
		check_add(model, in, out, x, y, constant, (float)(1000 * i));
	/* Another tensor under the same name is taken. */
	OK(nrt_add_tensor_to_tensor_set(out, "y", other));
	check_add(model, in, out, x, other, constant, 5);
	/* And slices: input and output inside one allocation. */
	nrt_tensor_free(&other);
	{
		nrt_tensor_t *pool = new_tensor(N * 8 + 64, "pool");
		nrt_tensor_t *low = NULL;
		nrt_tensor_t *high = NULL;

		OK(nrt_tensor_allocate_slice(pool, 32, N * 4, "low", &low));
		OK(nrt_tensor_allocate_slice(pool, 64 + N * 4, N * 4, "high", &high));
		nrt_tensor_free(&pool);
		OK(nrt_add_tensor_to_tensor_set(in, "x", low));
		OK(nrt_add_tensor_to_tensor_set(out, "y", high));
		check_add(model, in, out, low, high, constant, 7);
		nrt_tensor_free(&low);
		nrt_tensor_free(&high);
	}
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	assert_null(in);
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	OK(nrt_unload(model));
}

/* Its output is AXON_SREG_KEPT. */
static nrt_model_t *load_kept(uint32_t isa_version)
{
	struct axon_inst store = inst_load_arg(AXON_SREG_KEPT, 0);
	nrt_model_t *model = NULL;
	struct program p;

	program_init(&p, "kept");
	p.isa_version = isa_version;
	program_tensor(&p, "y", AXON_ELF_TENSOR_OUTPUT, AXON_DTYPE_UINT64, 1);
	program_add(&p, inst_load_arg(8, 0));
	store.opcode = AXON_OP_REG_STORE;
	store.ctl.ra = 8;
	program_add(&p, store);
	program_add(&p, inst_halt());
	OK(load_program(&p, 0, &model));
	return model;
}

static uint64_t kept(nrt_model_t *model, nrt_tensor_set_t *in, nrt_tensor_set_t *out,
		     nrt_tensor_t *y)
{
	uint64_t value = 99;

	OK(nrt_execute(model, in, out));
	OK(nrt_tensor_read(y, &value, 0, sizeof(value)));
	return value;
}

/* What a launch leaves on chip is there for the same model, loaded once, and nobody else. */
static void test_kept(void **state)
{
	const uint32_t now = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR;
	nrt_model_t *a = load_kept(now), *b = load_kept(now);
	nrt_model_t *old = load_kept(AXON_ISA_VERSION_MAJOR << 16 | 1);
	nrt_tensor_t *y = new_tensor(8, "y");
	nrt_tensor_set_t *in = new_set(), *out = new_set();

	OK(nrt_add_tensor_to_tensor_set(out, "y", y));
	assert_int_equal(kept(a, in, out, y), 0);
	assert_int_equal(kept(a, in, out, y), 1);
	assert_int_equal(kept(a, in, out, y), 1);
	assert_int_equal(kept(b, in, out, y), 0);
	assert_int_equal(kept(a, in, out, y), 0);
	assert_int_equal(kept(old, in, out, y), 0);
	assert_int_equal(kept(old, in, out, y), 0);
	assert_int_equal(kept(a, in, out, y), 0);
	OK(nrt_unload(a));
	a = load_kept(now);
	assert_int_equal(kept(a, in, out, y), 0);
	assert_int_equal(kept(a, in, out, y), 1);
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_tensor_free(&y);
	OK(nrt_unload(a));
	OK(nrt_unload(b));
	OK(nrt_unload(old));
}

static void test_inplace(void **state)
{
	nrt_tensor_t *x = new_tensor(N * 4, "x");
	nrt_tensor_t *y = new_tensor(N * 4, "y");
	nrt_tensor_t *cache = new_tensor(N * 4, "cache");
	nrt_tensor_t *wrong = new_tensor(N * 4, "wrong");
	nrt_tensor_set_t *in = new_set();
	nrt_tensor_set_t *out = new_set();
	nrt_model_t *model = NULL;
	float buf[N];
	struct program p;
	unsigned int i;

	program_inplace(&p, N);
	OK(load_program(&p, 0, &model));
	OK(nrt_add_tensor_to_tensor_set(in, "x", x));
	OK(nrt_add_tensor_to_tensor_set(in, "cache", cache));
	OK(nrt_add_tensor_to_tensor_set(out, "cache", wrong));
	OK(nrt_add_tensor_to_tensor_set(out, "y", y));
	assert_int_equal(nrt_execute(model, in, out), NRT_INVALID);
	OK(nrt_add_tensor_to_tensor_set(out, "cache", cache));
	for (i = 0; i < N; i++)
		buf[i] = (float)i;
	OK(nrt_tensor_write(x, buf, 0, sizeof(buf)));
	OK(nrt_execute(model, in, out));
	OK(nrt_execute_repeat(model, in, out, 40));
	OK(nrt_tensor_read(y, buf, 0, sizeof(buf)));
	for (i = 0; i < N; i++)
		assert_true(buf[i] == 41.0f * (float)i);
	assert_int_equal(nrt_execute_repeat(model, in, out, 0), NRT_INVALID);
	OK(nrt_unload(model));
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	nrt_tensor_free(&cache);
	nrt_tensor_free(&wrong);
}

static void test_refused(void **state)
{
	nrt_tensor_t *x = new_tensor(N * 4, "x");
	nrt_tensor_t *small = new_tensor(N * 4 - 4, "small");
	nrt_tensor_set_t *in = new_set();
	nrt_tensor_set_t *out = new_set();
	nrt_model_t *model = (nrt_model_t *)16;
	float constant[N] = { 0 };
	struct program p;

	program_add_const(&p, constant, N);
	assert_int_equal(load_program(&p, 99, &model), NRT_INVALID);
	assert_null(model);
	assert_int_equal(load_program(&p, -2, &model), NRT_INVALID);
	assert_int_equal(nrt_load("not an executable", 17, 0, 1, &model), NRT_INVALID);
	assert_int_equal(nrt_load(NULL, 0, 0, 1, &model), NRT_INVALID);
	OK(load_program(&p, 0, &model));
	assert_int_equal(nrt_execute(model, in, out), NRT_INVALID);
	OK(nrt_add_tensor_to_tensor_set(in, "x", x));
	assert_int_equal(nrt_execute(model, in, out), NRT_INVALID);
	OK(nrt_add_tensor_to_tensor_set(out, "y", small));
	assert_int_equal(nrt_execute(model, in, out), NRT_INVALID);
	assert_int_equal(nrt_execute(NULL, in, out), NRT_INVALID_HANDLE);
	assert_int_equal(nrt_execute(model, NULL, out), NRT_INVALID);
	OK(nrt_add_tensor_to_tensor_set(out, "y", x));
	OK(nrt_execute(model, in, out));
	OK(nrt_unload(model));
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_tensor_free(&x);
	nrt_tensor_free(&small);
}

/* A caller's own memory behind a tensor. */
static void test_attached(void **state)
{
	float *source = malloc(N * 4);
	float *target = calloc(N, 4);
	nrt_tensor_t *x = NULL;
	nrt_tensor_t *y = NULL;
	nrt_tensor_set_t *in = new_set();
	nrt_tensor_set_t *out = new_set();
	nrt_model_t *model = NULL;
	float constant[N];
	struct program p;
	unsigned int i;

	for (i = 0; i < N; i++) {
		constant[i] = 3;
		source[i] = (float)i;
	}
	program_add_const(&p, constant, N);
	OK(load_program(&p, 0, &model));
	OK(nrt_tensor_allocate_empty("x", &x));
	OK(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, 0, N * 4, "y", &y));
	OK(nrt_add_tensor_to_tensor_set(in, "x", x));
	OK(nrt_add_tensor_to_tensor_set(out, "y", y));
	assert_int_equal(nrt_execute(model, in, out), NRT_INVALID);
	OK(nrt_tensor_attach_buffer(x, source, N * 4));
	OK(nrt_tensor_attach_buffer(y, target, N * 4));
	assert_ptr_equal(nrt_tensor_get_va(y), target);
	OK(nrt_execute(model, in, out));
	for (i = 0; i < N; i++)
		assert_true(target[i] == (float)i + 3);
	/* Attaching other memory is seen by the next execution. */
	OK(nrt_tensor_attach_buffer(x, target, N * 4));
	OK(nrt_execute(model, in, out));
	for (i = 0; i < N; i++)
		assert_true(target[i] == (float)i + 6);
	OK(nrt_unload(model));
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	free(source);
	free(target);
}

static void *run_many(void *arg)
{
	nrt_model_t *model = arg;
	nrt_tensor_t *x = NULL;
	nrt_tensor_t *y = NULL;
	nrt_tensor_set_t *in = NULL;
	nrt_tensor_set_t *out = NULL;
	float buf[N];
	unsigned int round;
	unsigned int i;
	bool bad = nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, N * 4, "x", &x) ||
		   nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_HOST, 0, N * 4, "y", &y) ||
		   nrt_allocate_tensor_set(&in) || nrt_allocate_tensor_set(&out) ||
		   nrt_add_tensor_to_tensor_set(in, "x", x) ||
		   nrt_add_tensor_to_tensor_set(out, "y", y);

	for (round = 0; round < 50 && !bad; round++) {
		for (i = 0; i < N; i++)
			buf[i] = (float)(round + i);
		bad |= nrt_tensor_write(x, buf, 0, sizeof(buf)) || nrt_execute(model, in, out) ||
		       nrt_tensor_read(y, buf, 0, sizeof(buf));
		for (i = 0; i < N; i++)
			bad |= buf[i] != (float)(round + i) + 2;
	}
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	return bad ? arg : NULL;
}

/* Two models on two cores, and two threads on one of the models. */
static void test_threads(void **state)
{
	nrt_model_t *model[2] = { NULL, NULL };
	pthread_t thread[4];
	float constant[N];
	struct program p;
	unsigned int i;

	for (i = 0; i < N; i++)
		constant[i] = 2;
	program_add_const(&p, constant, N);
	OK(load_program(&p, 0, &model[0]));
	OK(load_program(&p, 1, &model[1]));
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run_many, model[i % 2]), 0);
	for (i = 0; i < 4; i++) {
		void *bad;

		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
	OK(nrt_unload(model[0]));
	OK(nrt_unload(model[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tensor_info),
		cmocka_unit_test(test_execute),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_inplace),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_attached),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, session_begin, session_end);
}
