/* SPDX-License-Identifier: MIT */
/*
 * test_elf.c - the file: what an independent reader finds in it, and that it is always the same.
 */
#include <gelf.h>
#include <nettle/sha2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "axc/axc.h"
#include "axon_elf.h"
#include "axon_hw.h"

#define N	64u

static void *build(size_t *size, uint32_t *vector_insts)
{
	static const uint64_t shape[] = { 4, 16 };
	struct axc_program *p = axc_program_new("elf test");
	float one[N];
	unsigned int i;
	void *elf;

	for (i = 0; i < N; i++)
		one[i] = (float)i;
	struct axc_tensor *out = axc_tensor_new(p, AXC_OUTPUT, "out", AXON_DTYPE_FLOAT32, 2, shape);
	struct axc_tensor *state = axc_tensor_new(p, AXC_INOUT, "state", AXON_DTYPE_FLOAT32, 1,
						  &(uint64_t){ N });
	struct axc_tensor *in = axc_tensor_new(p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, 2, shape);
	struct axc_tensor *c = axc_const_new(p, AXON_DTYPE_FLOAT32, one, sizeof(one));
	struct axc_tensor *c2 = axc_const_new(p, AXON_DTYPE_FLOAT32, one, sizeof(one));
	struct axc_tensor *tmp = axc_tensor_new(p, AXC_SCRATCH, NULL, AXON_DTYPE_FLOAT32, 2, shape);
	struct axc_tile *a = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 4, 16);
	struct axc_tile *b = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 4, 16);

	axc_load(p, AXON_ENGINE_SYNC, 0, a, 0, 16, in, 0, 64);
	axc_load(p, AXON_ENGINE_SYNC, 1, b, 0, 16, c2, 0, 64);
	axc_tensor_tensor(p, AXON_ENGINE_VECTOR, AXON_ALU_ADD, axc_view(a), axc_view(a),
			  axc_view(b));
	axc_store(p, AXON_ENGINE_SYNC, 2, tmp, 0, 64, a, 0, 16);
	axc_load(p, AXON_ENGINE_SYNC, 0, b, 0, 16, c, 0, 64);
	axc_store(p, AXON_ENGINE_SYNC, 2, out, 0, 64, a, 0, 16);
	axc_store(p, AXON_ENGINE_SYNC, 2, state, 0, 64, b, 0, 16);
	axc_program_flops(p, 64);
	assert_int_equal(axc_program_finish(p, &elf, size), 0);
	*vector_insts = axc_program_insts(p, AXON_ENGINE_VECTOR);
	axc_program_free(p);
	return elf;
}

static void *section(Elf *elf, const char *name, Elf64_Shdr *sh)
{
	Elf_Scn *scn = NULL;
	size_t names;

	assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
	while ((scn = elf_nextscn(elf, scn))) {
		*sh = *elf64_getshdr(scn);
		if (!strcmp(elf_strptr(elf, names, sh->sh_name), name))
			return elf_rawdata(scn, NULL)->d_buf;
	}
	memset(sh, 0, sizeof(*sh));
	return NULL;
}

static void sections(void **state)
{
	uint32_t insts;
	size_t size;
	void *file = build(&size, &insts);
	const struct axon_elf_tensor *t;
	const struct axon_inst *code;
	Elf64_Shdr sh;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory(file, size);
	assert_non_null(elf);
	assert_int_equal(elf64_getehdr(elf)->e_machine, EM_AXON);
	assert_int_equal(elf64_getehdr(elf)->e_type, ET_EXEC);
	assert_int_equal(elf64_getehdr(elf)->e_flags, AXON_REVISION_A1);
	code = section(elf, ".text.vector", &sh);
	assert_int_equal(sh.sh_size, insts * sizeof(*code));
	assert_int_equal(sh.sh_flags, SHF_ALLOC | SHF_EXECINSTR);
	assert_int_equal(code[insts - 1].opcode, AXON_OP_HALT);
	assert_null(section(elf, ".text.tensor", &sh));
	section(elf, ".const", &sh);
	assert_int_equal(sh.sh_size, 2 * N * 4);
	assert_int_equal(sh.sh_flags, SHF_ALLOC);
	section(elf, ".bss", &sh);
	assert_int_equal(sh.sh_type, SHT_NOBITS);
	assert_int_equal(sh.sh_size, N * 4);
	t = section(elf, ".axon.tensors", &sh);
	assert_int_equal(sh.sh_size, 4 * sizeof(*t));
	assert_string_equal(t[0].name, "state");
	assert_string_equal(t[1].name, "in");
	assert_string_equal(t[2].name, "out");
	assert_string_equal(t[3].name, "state");
	assert_int_equal(t[1].usage, AXON_ELF_TENSOR_INPUT);
	assert_int_equal(t[3].usage, AXON_ELF_TENSOR_OUTPUT);
	assert_int_equal(t[1].ndim, 2);
	assert_int_equal(t[1].shape[1], 16);
	assert_int_equal(t[1].size, N * 4);
	elf_end(elf);
	free(file);
}

static void relocations(void **state)
{
	uint32_t insts;
	size_t size, i, nconst = 0, nbss = 0;
	void *file = build(&size, &insts);
	Elf64_Shdr sh, symh;
	const Elf64_Rela *r;
	const Elf64_Sym *sym;
	const struct axon_inst *code;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory(file, size);
	code = section(elf, ".text.sync", &sh);
	sym = section(elf, ".symtab", &symh);
	r = section(elf, ".rela.text.sync", &sh);
	assert_int_equal(sh.sh_size / sizeof(*r), 3);
	for (i = 0; i < 3; i++) {
		const char *name = elf_strptr(elf, symh.sh_link,
					      sym[ELF64_R_SYM(r[i].r_info)].st_name);
		const struct axon_inst *in = &code[r[i].r_offset / sizeof(*in)];

		assert_int_equal(ELF64_R_TYPE(r[i].r_info), R_AXON_ABS64);
		assert_int_equal(in->opcode, AXON_OP_DMA);
		if (!strcmp(name, AXON_SYM_CONST)) {
			nconst++;
			assert_int_equal(r[i].r_offset % sizeof(*in), 32);	/* dma.src */
			assert_int_equal(in->dma.src, 0);
			/* the second constant is loaded first */
			assert_int_equal(r[i].r_addend, nconst == 1 ? N * 4 : 0);
		} else {
			assert_string_equal(name, AXON_SYM_BSS);
			assert_int_equal(r[i].r_offset % sizeof(*in), 40);	/* dma.dst */
			nbss++;
		}
	}
	assert_int_equal(nconst, 2);
	assert_int_equal(nbss, 1);
	elf_end(elf);
	free(file);
}

static void note_and_sum(void **state)
{
	uint8_t sum[32], want[32];
	struct sha256_ctx sha;
	struct axon_elf_info info;
	uint32_t insts;
	size_t size, at;
	uint8_t *file = build(&size, &insts);
	const Elf64_Nhdr *n;
	Elf64_Shdr sh;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory((char *)file, size);
	n = section(elf, ".note.axon", &sh);
	assert_int_equal(sh.sh_type, SHT_NOTE);
	assert_int_equal(n->n_type, AXON_NOTE_INFO);
	assert_int_equal(n->n_descsz, sizeof(info));
	assert_int_equal(sh.sh_size, 12 + 8 + sizeof(info));
	assert_string_equal((const char *)(n + 1), AXON_NOTE_NAME);
	memcpy(&info, (const char *)(n + 1) + 8, sizeof(info));
	assert_string_equal(info.name, "elf test");
	assert_int_equal(info.flops, 64);
	assert_int_equal(info.num_cores, 1);
	at = sh.sh_offset + 12 + 8 + offsetof(struct axon_elf_info, sha256);
	memcpy(want, file + at, 32);
	memset(file + at, 0, 32);
	sha256_init(&sha);
	sha256_update(&sha, size, file);
	sha256_digest(&sha, 32, sum);
	assert_memory_equal(sum, want, 32);
	elf_end(elf);
	free(file);
}

static void same_bytes(void **state)
{
	uint32_t insts;
	size_t a_size, b_size;
	void *a = build(&a_size, &insts), *b = build(&b_size, &insts);

	assert_int_equal(a_size, b_size);
	assert_memory_equal(a, b, a_size);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections), cmocka_unit_test(relocations),
		cmocka_unit_test(note_and_sum), cmocka_unit_test(same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
