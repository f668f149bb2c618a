// SPDX-License-Identifier: MIT
/*
 * nrt_image.c - executables that are damaged, foreign or lying are refused, and nothing else
 * happens.
 */
#include "session.h"

#include <elf.h>
#include <stdio.h>

#include "axon_elf.h"
#include "internal.h"

static const float constant[16] = { 1, 2, 3 };

/* An exact copy on the heap, so that a byte read beyond it is seen by the sanitizer. */
static NRT_STATUS parse(const void *bytes, size_t size)
{
	struct nrt_image image;
	void *copy = malloc(size ? size : 1);
	NRT_STATUS status;

	memcpy(copy, bytes, size);
	status = nrt_image_parse(copy, size, PROGRAM_REVISION, &image);
	free(copy);
	return status;
}

static uint8_t *good(size_t *size)
{
	struct program p;

	program_add_const(&p, constant, 16);
	p.bss_size = 4096;
	p.relocs[p.num_relocs++] = (struct program_reloc) {
		.offset = 2 * sizeof(struct axon_inst) + offsetof(struct axon_inst, dma.dst),
		.type = R_AXON_ABS64,
		.bss = 1,
		.addend = 64,
	};
	return program_build(&p, size);
}

static void test_good(void **state)
{
	struct nrt_image image;
	struct axon_inst inst[5];
	size_t size;
	uint8_t *bytes = good(&size);

	OK(nrt_image_parse(bytes, size, PROGRAM_REVISION, &image));
	assert_int_equal(image.num_tensors, 2);
	assert_int_equal(image.num_inputs, 1);
	assert_int_equal(image.constant_size, 64);
	assert_int_equal(image.bss_size, 4096);
	assert_int_equal(image.text[AXON_ENGINE_SYNC].size, sizeof(inst));
	nrt_image_text(&image, AXON_ENGINE_SYNC, (uint8_t *)inst, 0x1111, 0x2000);
	assert_int_equal(inst[3].dma.src, 0x1111);
	assert_int_equal(inst[2].dma.dst, 0x2040);
	/* At an odd address it is the same. */
	memmove(bytes + 1, bytes, size - 1);
	free(bytes);
	bytes = good(&size);
	{
		uint8_t *odd = malloc(size + 1);

		memcpy(odd + 1, bytes, size);
		OK(nrt_image_parse(odd + 1, size, PROGRAM_REVISION, &image));
		free(odd);
	}
	free(bytes);
}

static void test_truncated(void **state)
{
	size_t size;
	uint8_t *bytes = good(&size);
	size_t n;

	for (n = 0; n < size; n += 64)
		assert_int_not_equal(parse(bytes, n), NRT_SUCCESS);
	assert_int_not_equal(parse(bytes, size - 1), NRT_SUCCESS);
	free(bytes);
}

/* Every bit of the file: the checksum finds what no other check does. */
static void test_flipped(void **state)
{
	size_t size;
	uint8_t *bytes = good(&size);
	size_t at;

	for (at = 0; at < size; at++) {
		bytes[at] ^= (uint8_t)(1u << at % 8);
		assert_int_not_equal(parse(bytes, size), NRT_SUCCESS);
		bytes[at] ^= (uint8_t)(1u << at % 8);
	}
	OK(parse(bytes, size));
	free(bytes);
}

/*
 * Headers changed and the checksum made right again: the checks themselves must hold. Some changes
 * are harmless (an alignment, the name of an unused section), so only the sanitizers judge here,
 * and what parses must be loadable without harm.
 */
static void test_sealed_mutations(void **state)
{
	static const uint8_t value[] = { 0, 1, 0x7f, 0x80, 0xff };
	size_t size;
	uint8_t *bytes = good(&size);
	size_t info = program_info_offset(bytes, size);
	Elf64_Ehdr ehdr;
	unsigned int refused = 0;
	size_t at;
	size_t v;

	memcpy(&ehdr, bytes, sizeof(ehdr));
	for (at = 0; at < size; at++) {
		uint8_t old = bytes[at];

		/* Headers, and every third byte of the rest. */
		if (at >= sizeof(ehdr) && at < ehdr.e_shoff && at % 3)
			continue;
		if (at >= info - 20 && at < info + 48)
			continue;	/* sealing needs to find the note */
		for (v = 0; v < sizeof(value); v++) {
			bytes[at] = value[v];
			program_seal(bytes, size);
			refused += parse(bytes, size) != NRT_SUCCESS;
		}
		bytes[at] = old;
	}
	assert_true(refused > 1000);
	free(bytes);
}

static void expect(NRT_STATUS want, void (*change)(struct program *))
{
	struct program p;
	size_t size;
	void *bytes;

	program_add_const(&p, constant, 16);
	p.bss_size = 64;
	change(&p);
	bytes = program_build(&p, &size);
	assert_int_equal(parse(bytes, size), want);
	free(bytes);
}

#define CHANGE(name, body) static void name(struct program *p) { body; }
CHANGE(nothing, (void)p)
CHANGE(other_generation, p->elf_flags = 0xa2)
CHANGE(newer_isa, p->isa_version++)
CHANGE(other_isa, p->isa_version += 1 << 16)
CHANGE(newer_format, p->version = 3)
CHANGE(two_cores, p->num_cores = 2)
CHANGE(no_cores, p->num_cores = 0)
CHANGE(no_code, p->count = 0; p->num_relocs = 0)
CHANGE(reloc_end, p->relocs[0].offset = p->count * sizeof(struct axon_inst))
CHANGE(reloc_straddles, p->relocs[0].offset = p->count * sizeof(struct axon_inst) - 4)
CHANGE(reloc_wraps, p->relocs[0].offset = -8ull)
CHANGE(reloc_odd, p->relocs[0].offset = 4)
CHANGE(reloc_kind, p->relocs[0].type = 2)
CHANGE(reloc_without_target, p->relocs[0].bss = 1; p->bss_size = 0)
CHANGE(reloc_none, p->relocs[0].type = R_AXON_NONE)
CHANGE(no_name, p->tensors[0].name[0] = '\0')
CHANGE(endless_name, memset(p->tensors[0].name, 'a', sizeof(p->tensors[0].name)))
CHANGE(same_name, strcpy(p->tensors[1].name, "x"); p->tensors[1].usage = 0)
CHANGE(pair_differs, strcpy(p->tensors[1].name, "x"); p->tensors[1].dtype = AXON_DTYPE_INT32)
CHANGE(pair, strcpy(p->tensors[1].name, "x"))
CHANGE(bad_usage, p->tensors[0].usage = 2)
CHANGE(wrong_order, p->tensors[0].usage = 1; p->tensors[1].usage = 0)
CHANGE(bad_dtype, p->tensors[0].dtype = 0)
CHANGE(bad_size, p->tensors[0].size--)
CHANGE(bad_ndim, p->tensors[0].ndim = 9)
CHANGE(empty_axis, p->tensors[0].shape[0] = 0; p->tensors[0].size = 0)
CHANGE(huge_axis, p->tensors[0].shape[0] = 1ull << 62; p->tensors[0].size = 0)
CHANGE(extra_axis, p->tensors[0].shape[1] = 1)
CHANGE(reserved, p->tensors[0].reserved1[4] = 1)
CHANGE(scalar, p->tensors[0].ndim = 0; p->tensors[0].shape[0] = 0; p->tensors[0].size = 4)
CHANGE(huge_bss, p->bss_size = (1ull << 40) + 1)

static void test_contents(void **state)
{
	expect(NRT_SUCCESS, nothing);
	expect(NRT_SUCCESS, pair);
	expect(NRT_SUCCESS, scalar);
	expect(NRT_SUCCESS, reloc_none);
	expect(NRT_INVALID, other_generation);
	expect(NRT_UNSUPPORTED_NEFF_VERSION, newer_isa);
	expect(NRT_UNSUPPORTED_NEFF_VERSION, other_isa);
	expect(NRT_UNSUPPORTED_NEFF_VERSION, newer_format);
	expect(NRT_LOAD_NOT_ENOUGH_NC, two_cores);
	expect(NRT_INVALID, no_cores);
	expect(NRT_INVALID, no_code);
	expect(NRT_INVALID, reloc_end);
	expect(NRT_INVALID, reloc_straddles);
	expect(NRT_INVALID, reloc_wraps);
	expect(NRT_INVALID, reloc_odd);
	expect(NRT_INVALID, reloc_kind);
	expect(NRT_INVALID, reloc_without_target);
	expect(NRT_INVALID, no_name);
	expect(NRT_INVALID, endless_name);
	expect(NRT_INVALID, same_name);
	expect(NRT_INVALID, pair_differs);
	expect(NRT_INVALID, bad_usage);
	expect(NRT_INVALID, wrong_order);
	expect(NRT_INVALID, bad_dtype);
	expect(NRT_INVALID, bad_size);
	expect(NRT_INVALID, bad_ndim);
	expect(NRT_INVALID, empty_axis);
	expect(NRT_INVALID, huge_axis);
	expect(NRT_INVALID, extra_axis);
	expect(NRT_INVALID, reserved);
	expect(NRT_INVALID, huge_bss);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_sealed_mutations),
		cmocka_unit_test(test_contents),
	};

	setenv("NEURON_RT_LOG_LEVEL", "QUIET", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
