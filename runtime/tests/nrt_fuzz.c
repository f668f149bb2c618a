// SPDX-License-Identifier: MIT
/*
 * nrt_fuzz.c - executables with random damage under a right checksum, loaded and run: whatever they
 * do, calls return a status, and another core's work is not touched.
 */
#include "session.h"

#define N	64
#define ROUNDS	300

/* Xorshift with a fixed seed: a failure can be had again. */
static uint64_t next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void damage(uint8_t *bytes, size_t size, uint64_t *seed)
{
	size_t info = program_info_offset(bytes, size);
	unsigned int n = 1 + next(seed) % 4;

	while (n--) {
		/* Half of it hits the code, which starts right behind the header. */
		size_t at = next(seed) % 2 ? next(seed) % size : 64 + next(seed) % 640;

		/* The note's head must stay for the checksum to be made. */
		if (at >= info - 24 && at < info + 48)
			continue;
		bytes[at] = next(seed) % 2 ? (uint8_t)next(seed) :
					     bytes[at] ^ (uint8_t)(1u << next(seed) % 8);
	}
	program_seal(bytes, size);
}

/* The neighbour's program on the other core, with its own tensors. */
struct neighbour {
	nrt_model_t *model;
	nrt_tensor_t *x;
	nrt_tensor_t *y;
	nrt_tensor_set_t *in;
	nrt_tensor_set_t *out;
};

static void neighbour_begin(struct neighbour *n)
{
	float constant[N];
	struct program p;
	unsigned int i;

	for (i = 0; i < N; i++)
		constant[i] = (float)i;
	program_add_const(&p, constant, N);
	OK(load_program(&p, 1, &n->model));
	n->x = new_tensor(N * 4, "x");
	n->y = new_tensor(N * 4, "y");
	n->in = new_set();
	n->out = new_set();
	OK(nrt_add_tensor_to_tensor_set(n->in, "x", n->x));
	OK(nrt_add_tensor_to_tensor_set(n->out, "y", n->y));
}

static void neighbour_check(struct neighbour *n)
{
	float got[N];
	unsigned int i;

	OK(nrt_execute(n->model, n->in, n->out));
	OK(nrt_tensor_read(n->y, got, 0, sizeof(got)));
	for (i = 0; i < N; i++)
		assert_true(got[i] == (float)i);
}

static void neighbour_end(struct neighbour *n)
{
	OK(nrt_unload(n->model));
	nrt_tensor_free(&n->x);
	nrt_tensor_free(&n->y);
	nrt_destroy_tensor_set(&n->in);
	nrt_destroy_tensor_set(&n->out);
}

/* With tensors as the model says it wants them. */
static NRT_STATUS run(nrt_model_t *model)
{
	nrt_tensor_info_array_t *info = NULL;
	nrt_tensor_t *tensors[8] = { NULL };
	nrt_tensor_set_t *sets[2] = { new_set(), new_set() };
	NRT_STATUS status = NRT_SUCCESS;
	uint64_t i;

	OK(nrt_get_model_tensor_info(model, &info));
	for (i = 0; i < info->tensor_count && i < 8 && !status; i++) {
		const nrt_tensor_info_t *t = &info->tensor_array[i];

		status = nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, t->size, t->name,
					     &tensors[i]);
		if (!status)
			status = nrt_add_tensor_to_tensor_set(sets[t->usage], t->name,
							      tensors[i]);
	}
	if (!status)
		status = nrt_execute(model, sets[0], sets[1]);
	OK(nrt_free_model_tensor_info(info));
	for (i = 0; i < 8; i++)
		nrt_tensor_free(&tensors[i]);
	nrt_destroy_tensor_set(&sets[0]);
	nrt_destroy_tensor_set(&sets[1]);
	return status;
}

static void test_damaged(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15ull;
	struct neighbour neighbour;
	unsigned int loaded = 0;
	unsigned int failed = 0;
	float constant[N] = { 1, 2, 3 };
	struct program p;
	unsigned int i;

	OK(session_begin(NULL));
	neighbour_begin(&neighbour);
	program_add_const(&p, constant, N);
	for (i = 0; i < ROUNDS; i++) {
		nrt_model_t *model = NULL;
		NRT_STATUS status;
		size_t size;
		uint8_t *bytes = program_build(&p, &size);

		damage(bytes, size, &seed);
		status = nrt_load(bytes, size, 0, 1, &model);
		free(bytes);
		if (status)
			continue;
		loaded++;
		status = run(model);
		OK(nrt_unload(model));
		if (!status)
			continue;
		failed++;
		neighbour_check(&neighbour);
		neighbour_end(&neighbour);
		nrt_close();
		OK(session_begin(NULL));
		neighbour_begin(&neighbour);
	}
	neighbour_check(&neighbour);
	neighbour_end(&neighbour);
	nrt_close();
	/* Otherwise nothing was tested. */
	assert_true(loaded > ROUNDS / 10);
	assert_true(failed > ROUNDS / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged),
	};

	setenv("NEURON_RT_LOG_LEVEL", "QUIET", 1);
	setenv("NEURON_RT_EXEC_TIMEOUT", "1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
