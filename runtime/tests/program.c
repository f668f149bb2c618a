// SPDX-License-Identifier: MIT
/*
 * program.c - see program.h. The ELF file is written by libelf, so that the loader is not tested
 * against its own idea of the format.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gelf.h>
#include <libelf.h>
#include <nettle/sha2.h>

#include "program.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)

/* ---- instructions ---- */

struct axon_inst inst_new(uint8_t opcode)
{
	struct axon_inst i;
	unsigned int n;

	memset(&i, 0, sizeof(i));
	i.opcode = opcode;
	i.wait_reg = AXON_SREG_NONE;
	for (n = 0; n < AXON_NUM_PATCHES; n++)
		i.patch[n].reg = AXON_SREG_NONE;
	return i;
}

struct axon_inst inst_halt(void)
{
	return inst_new(AXON_OP_HALT);
}

struct axon_inst inst_load_arg(uint8_t rd, uint64_t offset)
{
	struct axon_inst i = inst_new(AXON_OP_REG_LOAD);

	i.ctl.rd = rd;
	i.ctl.ra = AXON_SREG_ARGS;
	i.ctl.rb = AXON_SREG_NONE;
	i.ctl.imm = offset;
	i.ctl.dtype = AXON_DTYPE_UINT64;
	return i;
}

struct axon_inst inst_jump(uint32_t target)
{
	struct axon_inst i = inst_new(AXON_OP_BRANCH);

	i.op0 = AXON_COND_ALWAYS;
	i.ctl.rd = AXON_SREG_NONE;
	i.ctl.ra = AXON_SREG_NONE;
	i.ctl.rb = AXON_SREG_NONE;
	i.ctl.target = target;
	return i;
}

struct axon_inst inst_wait(uint8_t sem, uint32_t value)
{
	struct axon_inst i = inst_new(AXON_OP_NOP);

	i.wait_sem = sem;
	i.wait_op = AXON_WAIT_GE;
	i.wait_val = value;
	return i;
}

struct axon_inst inst_dma(uint8_t op, uint8_t dtype, uint32_t count, uint8_t dst_reg, uint64_t dst,
			  uint8_t src_reg, uint64_t src)
{
	struct axon_inst i = inst_new(AXON_OP_DMA);
	int step = (int)axon_dtype_size(dtype);

	i.dma.src = src;
	i.dma.dst = dst;
	i.dma.src_space = AXON_SPACE_MEM;
	i.dma.dst_space = AXON_SPACE_MEM;
	i.dma.src_dtype = dtype;
	i.dma.dst_dtype = dtype;
	i.dma.op = op;
	i.dma.count[0] = 1;
	i.dma.count[1] = 1;
	i.dma.count[2] = 1;
	i.dma.count[3] = count;
	i.dma.src_step[3] = step;
	i.dma.dst_step[3] = step;
	if (dst_reg != AXON_SREG_NONE)
		i.patch[0] = (struct axon_patch) { dst_reg, AXON_PATCH_DMA_DST };
	if (src_reg != AXON_SREG_NONE)
		i.patch[1] = (struct axon_patch) { src_reg, AXON_PATCH_DMA_SRC };
	return i;
}

/* ---- programs ---- */

void program_init(struct program *p, const char *name)
{
	memset(p, 0, sizeof(*p));
	p->name = name;
	p->isa_version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR;
	p->num_cores = 1;
	p->version = AXON_ELF_VERSION;
	p->elf_flags = PROGRAM_REVISION;
}

void program_add(struct program *p, struct axon_inst inst)
{
	CHECK(p->count < 32);
	p->code[p->count++] = inst;
}

void program_tensor(struct program *p, const char *name, uint32_t usage, uint32_t dtype,
		    uint32_t elements)
{
	struct axon_elf_tensor *t = &p->tensors[p->num_tensors++];

	CHECK(p->num_tensors <= 8);
	strncpy(t->name, name, sizeof(t->name) - 1);
	t->usage = usage;
	t->dtype = dtype;
	t->ndim = 1;
	t->shape[0] = elements;
	t->size = (uint64_t)elements * axon_dtype_size(dtype);
}

void program_add_const(struct program *p, const float *constant, uint32_t n)
{
	program_init(p, "add_const");
	p->constant = constant;
	p->constant_size = n * sizeof(*constant);
	program_tensor(p, "x", AXON_ELF_TENSOR_INPUT, AXON_DTYPE_FLOAT32, n);
	program_tensor(p, "y", AXON_ELF_TENSOR_OUTPUT, AXON_DTYPE_FLOAT32, n);
	program_add(p, inst_load_arg(8, 0));
	program_add(p, inst_load_arg(9, 8));
	program_add(p, inst_dma(AXON_DMA_COPY, AXON_DTYPE_FLOAT32, n, 9, 0, 8, 0));
	/* Same queue, so it comes after the copy. The source is relocated. */
	program_add(p, inst_dma(AXON_DMA_ADD, AXON_DTYPE_FLOAT32, n, 9, 0, AXON_SREG_NONE, 0));
	p->relocs[p->num_relocs++] = (struct program_reloc) {
		.offset = 3 * sizeof(struct axon_inst) + offsetof(struct axon_inst, dma.src),
		.type = R_AXON_ABS64,
	};
	program_add(p, inst_halt());
}

void program_loop(struct program *p)
{
	program_init(p, "loop");
	program_add(p, inst_jump(0));
	program_add(p, inst_halt());
}

void program_deadlock(struct program *p)
{
	program_init(p, "deadlock");
	program_add(p, inst_wait(7, 3));
	program_add(p, inst_halt());
}

void program_wild(struct program *p)
{
	program_init(p, "wild");
	program_add(p, inst_dma(AXON_DMA_COPY, AXON_DTYPE_UINT8, 64, AXON_SREG_NONE,
				0x123456789000ull, AXON_SREG_ARGS, 0));
	program_add(p, inst_halt());
}

void program_bad(struct program *p)
{
	program_init(p, "bad");
	program_add(p, inst_new(0xee));
	program_add(p, inst_halt());
}

void program_inplace(struct program *p, uint32_t n)
{
	program_init(p, "inplace");
	program_tensor(p, "x", AXON_ELF_TENSOR_INPUT, AXON_DTYPE_FLOAT32, n);
	program_tensor(p, "cache", AXON_ELF_TENSOR_INPUT, AXON_DTYPE_FLOAT32, n);
	program_tensor(p, "cache", AXON_ELF_TENSOR_OUTPUT, AXON_DTYPE_FLOAT32, n);
	program_tensor(p, "y", AXON_ELF_TENSOR_OUTPUT, AXON_DTYPE_FLOAT32, n);
	program_add(p, inst_load_arg(8, 0));
	program_add(p, inst_load_arg(9, 16));
	program_add(p, inst_load_arg(10, 24));
	program_add(p, inst_dma(AXON_DMA_ADD, AXON_DTYPE_FLOAT32, n, 9, 0, 8, 0));
	program_add(p, inst_dma(AXON_DMA_COPY, AXON_DTYPE_FLOAT32, n, 10, 0, 9, 0));
	program_add(p, inst_halt());
}

/* ---- the file ---- */

struct strings {
	char bytes[512];
	size_t size;
};

static size_t add_string(struct strings *s, const char *text)
{
	size_t at = s->size;

	CHECK(at + strlen(text) + 1 <= sizeof(s->bytes));
	strcpy(s->bytes + at, text);
	s->size += strlen(text) + 1;
	return at;
}

struct writer {
	Elf *elf;
	struct strings names;
};

static Elf_Scn *add_section(struct writer *w, const char *name, uint32_t type, uint64_t flags,
			    const void *bytes, size_t size, uint64_t entsize)
{
	Elf_Scn *scn = elf_newscn(w->elf);
	Elf_Data *data = elf_newdata(scn);
	GElf_Shdr sh;

	CHECK(scn && data && gelf_getshdr(scn, &sh));
	data->d_buf = (void *)(uintptr_t)bytes;
	data->d_size = size;
	data->d_align = 8;
	data->d_type = ELF_T_BYTE;
	data->d_version = EV_CURRENT;
	sh.sh_name = (uint32_t)add_string(&w->names, name);
	sh.sh_type = type;
	sh.sh_flags = flags;
	sh.sh_entsize = entsize;
	CHECK(gelf_update_shdr(scn, &sh));
	return scn;
}

static void link_section(Elf_Scn *scn, Elf_Scn *link, Elf_Scn *info)
{
	GElf_Shdr sh;

	CHECK(gelf_getshdr(scn, &sh));
	sh.sh_link = (uint32_t)elf_ndxscn(link);
	sh.sh_info = info ? (uint32_t)elf_ndxscn(info) : 1;
	CHECK(gelf_update_shdr(scn, &sh));
}

struct __attribute__((packed)) note {
	Elf64_Nhdr header;
	char name[8];
	struct axon_elf_info info;
};

static void write_code(struct writer *w, const struct program *p, Elf64_Sym *syms,
		       struct strings *strtab, Elf64_Rela *relas)
{
	Elf_Scn *text = add_section(w, ".text.sync", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR,
				    p->code, p->count * sizeof(p->code[0]), 0);
	Elf_Scn *constant = NULL;
	Elf_Scn *bss = NULL;
	Elf_Scn *str;
	Elf_Scn *sym;
	uint32_t i;

	if (p->constant_size)
		constant = add_section(w, ".const", SHT_PROGBITS, SHF_ALLOC, p->constant,
				       p->constant_size, 0);
	if (p->bss_size)
		bss = add_section(w, ".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, NULL,
				  p->bss_size, 0);
	memset(syms, 0, 3 * sizeof(*syms));
	add_string(strtab, "");
	syms[1].st_name = (uint32_t)add_string(strtab, AXON_SYM_CONST);
	syms[1].st_shndx = constant ? (uint16_t)elf_ndxscn(constant) : 0;
	syms[2].st_name = (uint32_t)add_string(strtab, AXON_SYM_BSS);
	syms[2].st_shndx = bss ? (uint16_t)elf_ndxscn(bss) : 0;
	/* A symbol of an absent section would be undefined: leave it out. */
	if (!bss)
		syms[2].st_name = 0;
	if (!constant)
		syms[1].st_name = 0;
	str = add_section(w, ".strtab", SHT_STRTAB, 0, strtab->bytes, strtab->size, 0);
	sym = add_section(w, ".symtab", SHT_SYMTAB, 0, syms, 3 * sizeof(*syms), sizeof(*syms));
	link_section(sym, str, NULL);
	for (i = 0; i < p->num_relocs; i++)
		relas[i] = (Elf64_Rela) {
			.r_offset = p->relocs[i].offset,
			.r_info = ELF64_R_INFO(p->relocs[i].bss ? 2u : 1u, p->relocs[i].type),
			.r_addend = p->relocs[i].addend,
		};
	if (p->num_relocs)
		link_section(add_section(w, ".rela.text.sync", SHT_RELA, SHF_INFO_LINK, relas,
					 p->num_relocs * sizeof(*relas), sizeof(*relas)),
			     sym, text);
}

static void write_elf(int fd, const struct program *p)
{
	struct note note = {
		.header = { sizeof(AXON_NOTE_NAME), sizeof(note.info), AXON_NOTE_INFO },
		.name = AXON_NOTE_NAME,
		.info = {
			.version = p->version,
			.isa_version = p->isa_version,
			.revision = PROGRAM_REVISION,
			.num_cores = p->num_cores,
		},
	};
	struct strings strtab = { .size = 0 };
	struct writer w = { .names = { .size = 0 } };
	Elf64_Rela relas[8];
	Elf64_Sym syms[3];
	GElf_Ehdr ehdr;
	Elf_Scn *names;

	strncpy(note.info.name, p->name, sizeof(note.info.name) - 1);
	CHECK(elf_version(EV_CURRENT) != EV_NONE);
	w.elf = elf_begin(fd, ELF_C_WRITE, NULL);
	CHECK(w.elf && gelf_newehdr(w.elf, ELFCLASS64) && gelf_getehdr(w.elf, &ehdr));
	ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr.e_type = ET_EXEC;
	ehdr.e_machine = EM_AXON;
	ehdr.e_version = EV_CURRENT;
	ehdr.e_flags = p->elf_flags;
	add_string(&w.names, "");
	write_code(&w, p, syms, &strtab, relas);
	if (p->num_tensors)
		add_section(&w, ".axon.tensors", SHT_PROGBITS, 0, p->tensors,
			    p->num_tensors * sizeof(p->tensors[0]), sizeof(p->tensors[0]));
	add_section(&w, ".note.axon", SHT_NOTE, 0, &note, sizeof(note), 0);
	names = add_section(&w, ".shstrtab", SHT_STRTAB, 0, w.names.bytes, 0, 0);
	elf_getdata(names, NULL)->d_size = w.names.size;
	ehdr.e_shstrndx = (uint16_t)elf_ndxscn(names);
	CHECK(gelf_update_ehdr(w.elf, &ehdr));
	CHECK(elf_update(w.elf, ELF_C_WRITE) > 0);
	elf_end(w.elf);
}

size_t program_info_offset(const void *bytes, size_t size)
{
	const char *b = bytes;
	size_t i;

	/* The note is the only place where this stands with its size in front. */
	for (i = 0; i + sizeof(struct note) <= size; i += 4) {
		struct note note;

		memcpy(&note, b + i, sizeof(note));
		if (note.header.n_namesz == sizeof(AXON_NOTE_NAME) &&
		    note.header.n_descsz == sizeof(note.info) &&
		    note.header.n_type == AXON_NOTE_INFO && !strcmp(note.name, AXON_NOTE_NAME))
			return i + offsetof(struct note, info);
	}
	abort();
}

void program_seal(void *bytes, size_t size)
{
	uint8_t *hash = (uint8_t *)bytes + program_info_offset(bytes, size) +
			offsetof(struct axon_elf_info, sha256);
	struct sha256_ctx ctx;

	memset(hash, 0, SHA256_DIGEST_SIZE);
	sha256_init(&ctx);
	sha256_update(&ctx, size, bytes);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, hash);
}

void *program_build(const struct program *p, size_t *size)
{
	int fd = memfd_create("program", MFD_CLOEXEC);
	void *bytes;

	CHECK(fd >= 0);
	write_elf(fd, p);
	*size = (size_t)lseek(fd, 0, SEEK_END);
	bytes = malloc(*size);
	CHECK(bytes && pread(fd, bytes, *size, 0) == (ssize_t)*size);
	close(fd);
	program_seal(bytes, *size);
	return bytes;
}
