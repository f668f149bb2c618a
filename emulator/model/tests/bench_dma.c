// SPDX-License-Identifier: MIT
/*
 * bench_dma.c - how fast the host moves and combines what DMA descriptors name: GB/s of the target
 * through the model's own MMU, by operation, type and size. Prints; asserts nothing about time.
 *
 * Arguments, all optional: the start of a name ("add fp32", "" for all), a set of kernels ("avx2";
 * "" for the fastest), bytes of a transfer, rounds (callgrind counts their instructions).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core.h"
#include "fabric.h"

#define VA		0x7f0000000000ull
#define HUGE		(1ull << AXON_HUGE_SHIFT)
#define AREA		(64ull << 20)		/* of each end, with room for an offset */
#define SRC		HUGE			/* in HBM, and from VA on; below: tables and code */
#define DST		(SRC + AREA + HUGE)
#define HBM_SIZE	(DST + AREA + HUGE)
#define CODE		(HUGE / 2)
#define ASID		1u
#define MOST		1000u			/* descriptors of a launch */

struct bench {
	struct axon_card card;
	uint64_t tables;
	struct axon_inst *code;
	const char *only;
	unsigned long rounds;
};

/* What mmu.c wants of the rest of the card. */
bool axon_queues_use_asid(struct axon_card *card, uint32_t asid)
{
	(void)card, (void)asid;
	return false;
}

void axon_card_log(struct axon_card *card, enum axon_card_log_level level, const char *fmt, ...)
{
	(void)card, (void)level;
	fprintf(stderr, "%s\n", fmt);
}

static uint64_t now(void *opaque)
{
	(void)opaque;
	return 0;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "bench_dma: %s\n", what);
	exit(1);
}

static uint64_t *pte(struct bench *b, uint64_t va, int level)
{
	uint64_t table = 0;

	for (int l = AXON_PT_LEVELS - 1;; l--) {
		uint64_t *p = (uint64_t *)(void *)(b->card.hbm + table) + AXON_PT_INDEX(va, l);

		if (l == level)
			return p;
		if (!*p) {
			b->tables += AXON_PAGE_SIZE;
			if (b->tables >= CODE)
				fail("too many page tables");
			*p = b->tables | AXON_PTE_VALID;
		}
		table = *p & AXON_PTE_ADDR_MASK;
	}
}

/* All of HBM at VA, in pages of 2 MiB but for the first, or all in pages of 4 KiB. */
static void map_all(struct bench *b, bool huge)
{
	const uint64_t bits = AXON_PTE_VALID | AXON_PTE_WRITE | AXON_PTE_EXEC | AXON_PTE_LEAF;

	axon_mmu_disable(&b->card, ASID);
	memset(b->card.hbm, 0, CODE);
	b->tables = 0;
	for (uint64_t at = 0; at < HBM_SIZE;) {
		bool big = huge && at >= HUGE;

		*pte(b, VA + at, big) = at | bits;
		at += big ? HUGE : AXON_PAGE_SIZE;
	}
	if (axon_mmu_enable(&b->card, ASID, 0) != AXON_P_OK)
		fail("no address space");
}

static void make(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->card.ops.now_ns = now;
	b->card.cfg.hbm_size = HBM_SIZE;
	b->card.hbm = mmap(NULL, HBM_SIZE + HUGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->card.hbm == MAP_FAILED)
		fail("no memory");
	b->card.hbm += -(uintptr_t)b->card.hbm & (HUGE - 1);
	/* As card.c does. */
	(void)madvise(b->card.hbm, HBM_SIZE, MADV_HUGEPAGE);
	for (uint64_t i = SRC; i < HBM_SIZE; i += 4) {
		float v = (float)(i % 8191) * 0x1p-8f;

		memcpy(b->card.hbm + i, &v, 4);
	}
	if (axon_fabric_join(&b->card) || axon_mmu_create(&b->card) ||
	    axon_core_create(&b->card, 0))
		fail("no core");
	b->code = (struct axon_inst *)(void *)(b->card.hbm + CODE);
}

static struct axon_inst empty(unsigned int opcode)
{
	struct axon_inst i;

	memset(&i, 0, sizeof(i));
	i.opcode = (uint8_t)opcode;
	i.wait_reg = AXON_SREG_NONE;
	for (unsigned int k = 0; k < AXON_NUM_PATCHES; k++)
		i.patch[k].reg = AXON_SREG_NONE;
	return i;
}

/* A program of @n times @d on one queue. */
static struct axon_launch program(struct bench *b, const struct axon_dma_desc *d, unsigned int n)
{
	struct axon_launch l = { .asid = ASID };

	for (unsigned int i = 0; i < n; i++) {
		b->code[i] = empty(AXON_OP_DMA);
		b->code[i].dma = *d;
	}
	b->code[n] = empty(AXON_OP_HALT);
	l.program.magic = AXON_PROGRAM_MAGIC;
	l.program.version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR;
	l.program.engine[AXON_ENGINE_CC].count = n + 1;
	l.program.engine[AXON_ENGINE_CC].addr = VA + CODE;
	return l;
}

/* Seconds of one of @times launches: the best of some rounds. */
static double time_of(struct bench *b, const struct axon_launch *l, unsigned int times)
{
	struct axon_launch_result r;
	double best = 1e9;

	for (unsigned long k = 0; k < b->rounds; k++) {
		double t = seconds();

		for (unsigned int i = 0; i < times; i++) {
			if (axon_core_start(&b->card, 0, l) != AXON_STATUS_OK)
				fail("the program is refused");
			while (!axon_core_run(&b->card, 0, UINT64_MAX, &r))
				;
			if (r.fault.status)
				fail("the launch faults");
		}
		t = seconds() - t;
		if (t < best)
			best = t;
	}
	return best / times;
}

static struct axon_dma_desc neighbours(unsigned int op, unsigned int dtype, uint64_t bytes,
				       unsigned int offset)
{
	unsigned int esz = axon_dtype_size(dtype);
	struct axon_dma_desc d = { .src = VA + SRC, .dst = VA + DST + offset,
				   .src_space = AXON_SPACE_MEM, .dst_space = AXON_SPACE_MEM,
				   .src_dtype = (uint8_t)dtype, .dst_dtype = (uint8_t)dtype,
				   .op = (uint8_t)op,
				   .count = { 1, 1, 1, (uint32_t)(bytes / esz) },
				   .src_step = { 0, 0, 0, (int32_t)esz },
				   .dst_step = { 0, 0, 0, (int32_t)esz } };

	return d;
}

static void measure(struct bench *b, const char *what, const char *type, unsigned int op,
		    unsigned int dtype, uint64_t bytes, unsigned int offset, const char *note)
{
	struct axon_dma_desc d = neighbours(op, dtype, bytes, offset);
	uint64_t most = (8ull << 20) / bytes;
	unsigned int n = most < 1 ? 1 : most > MOST ? MOST : (unsigned int)most;
	struct axon_launch l;
	char name[64];
	double s;

	snprintf(name, sizeof(name), "%s %s%s", what, type, note);
	if (strncmp(name, b->only, strlen(b->only)))
		return;
	l = program(b, &d, n);
	s = time_of(b, &l, 1) / n;
	printf("%-28s %9llu bytes %12.1f ns %8.2f GB/s\n", name, (unsigned long long)bytes, 1e9 * s,
	       1e-9 * (double)bytes / s);
}

/* Launches of a few small transfers, each posted and waited for: like a small collective. */
static void launches(struct bench *b)
{
	static const unsigned int transfers[] = { 0, 1, 6 };

	for (unsigned int i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++) {
		struct axon_dma_desc d = neighbours(AXON_DMA_ADD, AXON_DTYPE_FLOAT32, 8, 0);
		struct axon_launch l = program(b, &d, transfers[i]);
		char name[64];

		for (unsigned int k = 0; k < transfers[i]; k++) {
			b->code[k].op0 = (uint8_t)k;
			b->code[k].post_op = AXON_POST_ADD;
			b->code[k].post_val = 1;
			b->code[k + 1].wait_op = AXON_WAIT_GE;
			b->code[k + 1].wait_val = k + 1;
		}
		snprintf(name, sizeof(name), "launch with %u transfers", transfers[i]);
		if (!strncmp(name, b->only, strlen(b->only)))
			printf("%-44s %12.1f ns\n", name, 1e9 * time_of(b, &l, MOST));
	}
}

static void sweep(struct bench *b, const char *what, const char *type, unsigned int op,
		  unsigned int dtype, uint64_t only)
{
	static const uint64_t sizes[] = { 64, 4096, 65536, 1 << 20, 8 << 20, 64 << 20 };

	if (only) {
		measure(b, what, type, op, dtype, only, 0, "");
		return;
	}
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		measure(b, what, type, op, dtype, sizes[i], 0, "");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned int dtype;
	} types[] = {
		{ "fp32", AXON_DTYPE_FLOAT32 }, { "bf16", AXON_DTYPE_BFLOAT16 },
		{ "fp16", AXON_DTYPE_FLOAT16 }, { "int32", AXON_DTYPE_INT32 },
		{ "int16", AXON_DTYPE_INT16 }, { "uint8", AXON_DTYPE_UINT8 },
		{ "int8", AXON_DTYPE_INT8 },
	};
	static const char *const ops[] = { "copy", "add", "max", "min" };
	uint64_t bytes = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
	static struct bench b;
	const struct axon_math *m;

	make(&b);
	b.only = argc > 1 ? argv[1] : "";
	b.rounds = argc > 4 ? strtoul(argv[4], NULL, 0) : 7;
	if (bytes % 4 || bytes > AREA)
		fail("bytes: a multiple of 4, at most 64 MiB");
	for (unsigned int i = 0; argc > 2 && (m = axon_math_variant(i)); i++)
		if (!strcmp(m->name, argv[2]))
			axon_core_set_math(&b.card, 0, m);
	printf("kernels: %s\n", b.card.core[0]->math->name);
	map_all(&b, true);
	launches(&b);
	for (unsigned int op = 0; op < 4; op++)
		for (unsigned int t = 0; t < (op ? sizeof(types) / sizeof(types[0]) : 1); t++)
			sweep(&b, ops[op], types[t].name, op, types[t].dtype, bytes);
	if (bytes)
		return 0;
	for (unsigned int op = 0; op < 2; op++)
		measure(&b, ops[op], "fp32", op, AXON_DTYPE_FLOAT32, 1 << 20, 4, ", odd target");
	map_all(&b, false);
	for (unsigned int op = 0; op < 2; op++)
		measure(&b, ops[op], "fp32", op, AXON_DTYPE_FLOAT32, 8 << 20, 0, ", 4 KiB pages");
	return 0;
}
