/* SPDX-License-Identifier: MIT */
/*
 * core_fixture.h - a core on its own: a card of paper and an MMU of one table, for tests of
 * launches. Included once by a test program; defines the functions of mmu.c.
 *
 * Virtual page v of the fixture lies in host page (pages - 1 - v): neighbours in virtual memory are
 * no neighbours in the host's, so that everything that crosses a page has to notice. With FX_FLAT
 * defined they are (benchmarks).
 */
#ifndef AXON_TEST_CORE_FIXTURE_H
#define AXON_TEST_CORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core.h"
#include "fabric.h"
#include "insts.h"

#define FX_VA		0x7f0000000000ull
#ifdef FX_FLAT
#define FX_PAGES	16384u
#else
#define FX_PAGES	1024u
#endif
#define FX_PAGE		4096u
#define FX_CODE		(FX_VA)			/* 64 pages for each engine */
#define FX_CODE_SIZE	(64ull * FX_PAGE)
#define FX_DATA		(FX_VA + 512ull * FX_PAGE)
#define FX_DATA_SIZE	((FX_PAGES - 512ull) * FX_PAGE)
#define FX_R		1u
#define FX_W		2u
#define FX_X		4u

struct fx {
	struct axon_card card;
	struct axon_core *core;
	uint8_t *mem;
	uint8_t rights[FX_PAGES];
	uint64_t time;
	uint32_t count[AXON_NUM_STREAMS];
	struct axon_launch launch;
	uint64_t slices;
	uint64_t far;		/* from this address on it is place 1's memory; 0: nothing is */
};

static struct fx *fx_of(struct axon_card *card)
{
	return (struct fx *)((char *)card - offsetof(struct fx, card));
}

static inline uint64_t fx_page(uint64_t page)
{
#ifdef FX_FLAT
	return page;
#else
	return FX_PAGES - 1 - page;
#endif
}

static uint64_t fx_now(void *opaque)
{
	struct fx *f = opaque;

	return f->time += 100;
}

enum axon_status axon_mmu_translate(struct axon_card *card, uint32_t asid, uint64_t va,
				    uint64_t *len, unsigned int access, uint8_t **ptr)
{
	static const uint8_t need[] = { FX_R, FX_R | FX_W, FX_R | FX_X, FX_R, FX_R | FX_W };
	struct fx *f = fx_of(card);
	uint64_t page = (va - FX_VA) / FX_PAGE, off = va % FX_PAGE;

	(void)asid;
	assert_true(*len != 0);
	if (va >> AXON_VA_BITS)
		return AXON_STATUS_FAULT_ADDRESS;
	if (va < FX_VA || page >= FX_PAGES || !(f->rights[page] & FX_R))
		return AXON_STATUS_FAULT_UNMAPPED;
	if ((f->rights[page] & need[access]) != need[access])
		return access == AXON_ACCESS_EXEC ? AXON_STATUS_FAULT_EXEC :
			AXON_STATUS_FAULT_WRITE;
	*ptr = f->mem + fx_page(page) * FX_PAGE + off;
#ifdef FX_FLAT
	if (*len > FX_PAGES * (uint64_t)FX_PAGE - (va - FX_VA))
		*len = FX_PAGES * (uint64_t)FX_PAGE - (va - FX_VA);
#else
	if (*len > FX_PAGE - off)
		*len = FX_PAGE - off;
#endif
	return AXON_STATUS_OK;
}

enum axon_status axon_mmu_copy(struct axon_card *card, uint32_t asid, uint64_t va, void *buf,
			       uint64_t len, unsigned int access, uint64_t *fault_va)
{
	uint8_t *b = buf;

	while (len) {
		uint64_t n = len;
		uint8_t *p;
		enum axon_status st = axon_mmu_translate(card, asid, va, &n, access, &p);

		if (st != AXON_STATUS_OK) {
			*fault_va = va;
			return st;
		}
		if (access == AXON_ACCESS_WRITE || access == AXON_ACCESS_WRITE_FAR)
			memcpy(p, b, n);
		else
			memcpy(b, p, n);
		va += n;
		b += n;
		len -= n;
	}
	return AXON_STATUS_OK;
}

enum axon_status axon_mmu_read(struct axon_card *card, uint32_t asid, uint64_t va, void *buf,
			       uint64_t len, uint64_t *fault_va)
{
	return axon_mmu_copy(card, asid, va, buf, len, AXON_ACCESS_READ, fault_va);
}

enum axon_status axon_mmu_write(struct axon_card *card, uint32_t asid, uint64_t va,
				const void *buf, uint64_t len, uint64_t *fault_va)
{
	return axon_mmu_copy(card, asid, va, (void *)(uintptr_t)buf, len, AXON_ACCESS_WRITE,
			     fault_va);
}

uint32_t axon_mmu_peer(struct axon_card *card, uint32_t asid, uint64_t va, unsigned int access)
{
	const struct fx *f = fx_of(card);

	(void)asid, (void)access;
	return f->far && va >= f->far ? 1 : AXON_NO_PEER;
}

FX_FN struct fx *fx_new(void)
{
	struct fx *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->mem = calloc(FX_PAGES, FX_PAGE);
	assert_non_null(f->mem);
	f->card.ops.now_ns = fx_now;
	f->card.opaque = f;
	for (uint32_t i = 0; i < FX_PAGES; i++)
		f->rights[i] = i < 512 ? FX_R | FX_X : FX_R | FX_W;
	assert_int_equal(axon_fabric_join(&f->card), 0);
	assert_int_equal(axon_core_create(&f->card, 0), 0);
	f->core = f->card.core[0];
	return f;
}

static inline void fx_free(struct fx *f)
{
	axon_core_destroy(&f->card, 0);
	axon_fabric_part(&f->card);
	free(f->mem);
	free(f);
}

/* Memory as the card sees it; any rights. */
FX_FN void fx_poke(struct fx *f, uint64_t va, const void *buf, size_t len)
{
	const uint8_t *b = buf;

	for (size_t i = 0; i < len; i++) {
		uint64_t page = (va + i - FX_VA) / FX_PAGE;

		f->mem[fx_page(page) * FX_PAGE + (va + i) % FX_PAGE] = b[i];
	}
}

FX_FN void fx_peek(struct fx *f, uint64_t va, void *buf, size_t len)
{
	uint8_t *b = buf;

	for (size_t i = 0; i < len; i++) {
		uint64_t page = (va + i - FX_VA) / FX_PAGE;

		b[i] = f->mem[fx_page(page) * FX_PAGE + (va + i) % FX_PAGE];
	}
}

/* Byte @off of partition @part. */
static inline uint8_t *fx_chip(struct fx *f, unsigned int space, unsigned int part, uint32_t off)
{
	return f->core->space[space] +
		(size_t)part * (space == AXON_SPACE_SBUF ? AXON_SBUF_PITCH : AXON_PSUM_PITCH) + off;
}

static inline float fx_f32(struct fx *f, unsigned int space, unsigned int part, uint32_t off)
{
	float v;

	memcpy(&v, fx_chip(f, space, part, off), 4);
	return v;
}

static inline void fx_set_f32(struct fx *f, unsigned int space, unsigned int part, uint32_t off,
			      float v)
{
	memcpy(fx_chip(f, space, part, off), &v, 4);
}

/* ---- programs ---- */

static inline void fx_clear(struct fx *f)
{
	memset(f->count, 0, sizeof(f->count));
}

FX_FN void fx_emit(struct fx *f, unsigned int engine, struct axon_inst i)
{
	fx_poke(f, FX_CODE + engine * FX_CODE_SIZE + f->count[engine]++ * sizeof(i), &i, sizeof(i));
}

static inline void fx_program(struct fx *f)
{
	f->launch.program.magic = AXON_PROGRAM_MAGIC;
	f->launch.program.version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR;
	for (unsigned int e = 0; e < AXON_NUM_STREAMS; e++) {
		f->launch.program.engine[e].count = f->count[e];
		f->launch.program.engine[e].addr =
			f->count[e] ? FX_CODE + e * FX_CODE_SIZE : 0;
	}
}

/*
 * Runs what was emitted. @slice: host nanoseconds (100 a look) of each axon_core_run(), 0: one.
 * A launch that does not end in a million slices fails the test.
 */
FX_FN struct axon_launch_result fx_run(struct fx *f, uint64_t slice)
{
	struct axon_launch_result r;

	fx_program(f);
	assert_int_equal(axon_core_start(&f->card, 0, &f->launch), AXON_STATUS_OK);
	assert_true(axon_core_busy(&f->card, 0));
	for (f->slices = 1; f->slices < 1000000; f->slices++)
		if (axon_core_run(&f->card, 0, slice ? f->time + slice : UINT64_MAX, &r)) {
			assert_false(axon_core_busy(&f->card, 0));
			return r;
		}
	fail_msg("launch does not end");
	return r;
}

/* A program of one instruction. Return: how it ended. */
FX_FN enum axon_status fx_one(struct fx *f, unsigned int engine, struct axon_inst i)
{
	fx_clear(f);
	fx_emit(f, engine, i);
	fx_emit(f, engine, fx_inst(AXON_OP_HALT));
	return (enum axon_status)fx_run(f, 0).fault.status;
}

#endif /* AXON_TEST_CORE_FIXTURE_H */
