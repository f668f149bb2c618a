// SPDX-License-Identifier: MIT
/*
 * test-program.c - programs with collectives, from the compiler to the cards: every operation
 * inside a launch, beside what the engines do, on 1 to 4 soft cards with a thread each; and
 * executables whose collectives are damaged.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <gelf.h>
#include <nettle/sha2.h>

#include <axc/axc.h>
#include <nrt/nrt.h>

#define N		1003u	/* elements; no multiple of anything */
#define MAX_RANKS	4u
#define LAUNCHES	3u
#define QUEUE		9u	/* DMA queue of the copies */

enum { X, REDUCED, GATHERED, SCATTERED, ROOTS, MAXIMUM, EXCHANGED, NUM_TENSORS };

static const char *const name[NUM_TENSORS] = {
	"x", "reduced", "gathered", "scattered", "roots", "maximum", "exchanged"
};

/* An assertion of cmocka must not leave a thread of its own: threads say what failed and exit. */
#define CHECK(cond)									\
	do {										\
		if (!(cond)) {								\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);	\
			exit(1);							\
		}									\
	} while (0)

static uint64_t elements(unsigned int which, uint32_t ranks)
{
	return which == GATHERED || which == EXCHANGED ? (uint64_t)N * ranks : N;
}

/* ---- the program ---- */

static struct axc_tensor *tensor(struct axc_program *p, enum axc_usage usage, const char *what,
				 uint64_t n)
{
	return axc_tensor_new(p, usage, what, AXON_DTYPE_FLOAT32, 1, &n);
}

static void copy(struct axc_program *p, struct axc_tensor *dst, struct axc_tensor *src, uint64_t n)
{
	const struct axc_dma dma = {
		.engine = AXON_ENGINE_GPSIMD,
		.queue = QUEUE,
		.dst = { .tensor = dst, .step = { 0, 0, 0, 4 }, .region = AXC_REGION_ALL },
		.src = { .tensor = src, .step = { 0, 0, 0, 4 }, .region = AXC_REGION_ALL },
		.count = { 1, 1, 1, (uint32_t)n },
	};

	axc_dma(p, &dma);
}

static void collective(struct axc_program *p, enum axon_elf_coll coll,
		       enum axon_elf_reduction reduction, uint32_t root, struct axc_tensor *recv,
		       struct axc_tensor *send)
{
	const struct axc_collective c = {
		.coll = coll,
		.reduction = reduction,
		.engine = AXON_ENGINE_GPSIMD,
		.dtype = AXON_DTYPE_FLOAT32,
		.root = root,
		.count = N,
		.send = send,
		.recv = recv,
		.send_region = AXC_REGION_ALL,
		.recv_region = AXC_REGION_ALL,
	};

	axc_collective(p, &c);
}

static void *build(uint32_t ranks, size_t *size)
{
	struct axc_program *p = axc_program_new("collectives");
	struct axc_tensor *x = tensor(p, AXC_INPUT, name[X], N);
	struct axc_tensor *own = tensor(p, AXC_SCRATCH, NULL, N), *s[NUM_TENSORS];
	const char *text;
	void *elf = NULL;

	/*
	 * In a loop, so that who waits for it counts from a register: one that holds the rank at
	 * the start would do harm.
	 */
	axc_loop_begin(p, 3, NULL);
	copy(p, own, x, N);
	axc_loop_end(p);
	for (unsigned int i = REDUCED; i < NUM_TENSORS; i++)
		s[i] = tensor(p, AXC_SCRATCH, NULL, elements(i, ranks));
	copy(p, s[REDUCED], x, N);
	collective(p, AXON_ELF_ALL_REDUCE, AXON_ELF_SUM, 0, s[REDUCED], s[REDUCED]);
	collective(p, AXON_ELF_ALL_GATHER, 0, 0, s[GATHERED], own);
	collective(p, AXON_ELF_REDUCE_SCATTER, AXON_ELF_SUM, 0, s[SCATTERED], s[GATHERED]);
	collective(p, AXON_ELF_BROADCAST, 0, ranks - 1, s[ROOTS], own);
	copy(p, s[MAXIMUM], x, N);
	collective(p, AXON_ELF_REDUCE, AXON_ELF_MAX, ranks / 2, s[MAXIMUM], own);
	collective(p, AXON_ELF_ALL_TO_ALL, 0, 0, s[EXCHANGED], s[GATHERED]);
	for (unsigned int i = REDUCED; i < NUM_TENSORS; i++)
		copy(p, tensor(p, AXC_OUTPUT, name[i], elements(i, ranks)), s[i],
		     elements(i, ranks));
	if (axc_program_finish(p, &elf, size)) {
		axc_program_error(p, &text);
		fail_msg("%s", text);
	}
	axc_program_free(p);
	return elf;
}

/* ---- ranks ---- */

static float input(uint32_t rank, uint32_t launch, uint32_t i)
{
	return (float)((i * 7 + rank * 1000 + launch * 31) % 5003);
}

static float sum(uint32_t ranks, uint32_t launch, uint32_t i)
{
	float s = 0;

	for (uint32_t r = 0; r < ranks; r++)
		s += input(r, launch, i);
	return s;
}

/* Whole numbers: every sum is exact. */
static float expected(unsigned int which, uint32_t rank, uint32_t ranks, uint32_t launch,
		      uint32_t i)
{
	float most = 0;

	switch (which) {
	case REDUCED:
		return sum(ranks, launch, i);
	case GATHERED:
		return input(i / N, launch, i % N);
	case SCATTERED:	/* block @rank of what all have alike */
		return (float)ranks * input(rank, launch, i);
	case ROOTS:
		return input(ranks - 1, launch, i);
	case EXCHANGED:	/* everybody sends the block that it says is mine */
		return input(rank, launch, i % N);
	default:	/* MAXIMUM: only the root's */
		if (rank != ranks / 2)
			return input(rank, launch, i);
		for (uint32_t r = 0; r < ranks; r++)
			most = input(r, launch, i) > most ? input(r, launch, i) : most;
		return most;
	}
}

struct rank {
	pthread_t thread;
	uint32_t rank;
	uint32_t ranks;
	int32_t vnc;
	const void *elf;
	size_t size;
};

static void check_results(const struct rank *r, nrt_tensor_t **t, uint32_t launch)
{
	float *got = malloc(sizeof(*got) * N * r->ranks);

	CHECK(got);
	for (unsigned int w = REDUCED; w < NUM_TENSORS; w++) {
		uint64_t n = elements(w, r->ranks);

		CHECK(!nrt_tensor_read(t[w], got, 0, n * sizeof(*got)));
		for (uint32_t i = 0; i < n; i++) {
			float want = expected(w, r->rank, r->ranks, launch, i);

			if (got[i] == want)
				continue;
			fprintf(stderr, "rank %u of %u, launch %u: %s[%u] is %g, not %g\n", r->rank,
				r->ranks, launch, name[w], i, (double)got[i], (double)want);
			exit(1);
		}
	}
	free(got);
}

static void *run_rank(void *arg)
{
	const struct rank *r = arg;
	nrt_tensor_t *t[NUM_TENSORS] = { NULL };
	nrt_tensor_set_t *in, *out;
	nrt_model_t *model;
	float x[N];

	CHECK(!nrt_load_collectives(r->elf, r->size, r->vnc, 1, r->rank, r->ranks, &model));
	CHECK(!nrt_allocate_tensor_set(&in) && !nrt_allocate_tensor_set(&out));
	for (unsigned int i = 0; i < NUM_TENSORS; i++) {
		CHECK(!nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, r->vnc,
					   elements(i, r->ranks) * 4, name[i], &t[i]));
		CHECK(!nrt_add_tensor_to_tensor_set(i ? out : in, name[i], t[i]));
	}
	for (uint32_t launch = 0; launch < LAUNCHES; launch++) {
		for (uint32_t i = 0; i < N; i++)
			x[i] = input(r->rank, launch, i);
		CHECK(!nrt_tensor_write(t[X], x, 0, sizeof(x)));
		CHECK(!nrt_execute(model, in, out));
		check_results(r, t, launch);
	}
	CHECK(!nrt_unload(model));
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	for (unsigned int i = 0; i < NUM_TENSORS; i++)
		nrt_tensor_free(&t[i]);
	return NULL;
}

/* A card each, or, with fewer cards than ranks, cores of one card. */
static void with_ranks(const char *device, uint32_t ranks)
{
	struct rank r[MAX_RANKS];
	uint32_t cores, cards = (uint32_t)atoi(strchr(device, ':') + 1);
	size_t size;
	void *elf = build(ranks, &size);

	setenv("AXON_DEVICE", device, 1);
	assert_int_equal(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""), NRT_SUCCESS);
	assert_int_equal(nrt_get_visible_vnc_count(&cores), NRT_SUCCESS);
	for (uint32_t i = 0; i < ranks; i++) {
		r[i] = (struct rank){ .rank = i, .ranks = ranks, .elf = elf, .size = size };
		r[i].vnc = (int32_t)(i % cards * (cores / cards) + i / cards);
		assert_int_equal(pthread_create(&r[i].thread, NULL, run_rank, &r[i]), 0);
	}
	for (uint32_t i = 0; i < ranks; i++)
		pthread_join(r[i].thread, NULL);
	nrt_close();
	free(elf);
}

static void test_one(void **state)
{
	(void)state;
	with_ranks("soft:1", 1);
}

static void test_cards(void **state)
{
	(void)state;
	with_ranks("soft:2", 2);
	with_ranks("soft:3", 3);
	with_ranks("soft:4", 4);
}

static void test_cores(void **state)
{
	(void)state;
	with_ranks("soft:1", 2);
	with_ranks("soft:2", 4);
}

/* Alone it is refused; unloading after the session is fine. */
static void test_life(void **state)
{
	nrt_model_t *model;
	size_t size;
	void *elf = build(1, &size);

	(void)state;
	setenv("AXON_DEVICE", "soft:1", 1);
	assert_int_equal(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""), NRT_SUCCESS);
	assert_int_equal(nrt_load(elf, size, 0, 1, &model), NRT_INVALID);
	assert_int_equal(nrt_load_collectives(elf, size, 0, 1, 0, 1, &model), NRT_SUCCESS);
	nrt_close();
	assert_int_equal(nrt_unload(model), NRT_SUCCESS);
	free(elf);
}

/* ---- damage ---- */

/* Where section @section lies. */
static uint8_t *section(void *elf, size_t size, const char *section, size_t *bytes)
{
	Elf *e;
	Elf_Scn *scn = NULL;
	size_t names;
	GElf_Shdr sh;

	assert_int_not_equal(elf_version(EV_CURRENT), EV_NONE);
	e = elf_memory(elf, size);
	assert_non_null(e);
	assert_int_equal(elf_getshdrstrndx(e, &names), 0);
	do {
		scn = elf_nextscn(e, scn);
		assert_non_null(scn);
		assert_non_null(gelf_getshdr(scn, &sh));
	} while (strcmp(elf_strptr(e, names, sh.sh_name), section));
	elf_end(e);
	*bytes = sh.sh_size;
	return (uint8_t *)elf + sh.sh_offset;
}

/* The sum fits again: only what is damaged is at fault. */
static void sign(void *elf, size_t size)
{
	struct sha256_ctx sha;
	size_t bytes;
	uint8_t *note = section(elf, size, ".note.axon", &bytes);
	uint8_t *sum = note + bytes - sizeof(struct axon_elf_info) +
		offsetof(struct axon_elf_info, sha256);

	memset(sum, 0, SHA256_DIGEST_SIZE);
	sha256_init(&sha);
	sha256_update(&sha, size, elf);
	sha256_digest(&sha, SHA256_DIGEST_SIZE, sum);
}

static NRT_STATUS try_load(void *elf, size_t size)
{
	nrt_model_t *model = NULL;
	NRT_STATUS status;

	sign(elf, size);
	status = nrt_load_collectives(elf, size, 0, 1, 0, 1, &model);
	if (!status)
		assert_int_equal(nrt_unload(model), NRT_SUCCESS);
	return status;
}

static void test_damage(void **state)
{
	struct axon_elf_collective c;
	size_t size, bytes;
	void *elf = build(1, &size);
	uint8_t *at = section(elf, size, ".axon.collectives", &bytes);
	unsigned int refused = 0;

	(void)state;
	assert_int_equal(bytes, 6 * sizeof(c));
	setenv("AXON_DEVICE", "soft:1", 1);
	assert_int_equal(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""), NRT_SUCCESS);
	assert_int_equal(try_load(elf, size), NRT_SUCCESS);
	/* Any bit: an error, or a program that is another but whole. */
	for (size_t bit = 0; bit < 8 * bytes; bit++) {
		at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		refused += try_load(elf, size) != NRT_SUCCESS;
		at[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(refused > 4 * bytes);
#define REFUSED(change) do {						\
		uint8_t saved[sizeof(c)];				\
									\
		memcpy(saved, at, sizeof(c));				\
		memcpy(&c, at, sizeof(c));				\
		change;							\
		memcpy(at, &c, sizeof(c));				\
		assert_int_not_equal(try_load(elf, size), NRT_SUCCESS);	\
		memcpy(at, saved, sizeof(c));				\
	} while (0)
	REFUSED(c.coll = AXON_ELF_NUM_COLLS);
	REFUSED(c.reduction = AXON_ELF_NUM_REDUCTIONS);
	REFUSED(c.dtype = 0);
	REFUSED(c.root = 1);
	REFUSED(c.count = 0);
	REFUSED(c.count = UINT64_MAX);
	REFUSED(c.send = UINT64_MAX - 3);
	REFUSED(c.recv = UINT64_MAX / 2);
	REFUSED(c.wait_val = 0);
	REFUSED(c.wait_sem = c.first_sem);
	REFUSED(c.post_sem = c.first_sem);
	REFUSED(c.first_sem++);
	for (size_t i = 0; i < sizeof(c.reserved); i++)
		REFUSED(c.reserved[i] = 1);
	assert_int_equal(try_load(elf, size), NRT_SUCCESS);
	nrt_close();
	free(elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_cards),
		cmocka_unit_test(test_cores),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
