/* SPDX-License-Identifier: MIT */
/*
 * elf.c - writes the executable: uapi/axon_elf.h, Documentation/executable.rst.
 *
 * The bytes depend on the program alone: no time, no names of machines, no addresses.
 */
#include <gelf.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "axon_hw.h"
#include "internal.h"

#define CONST_ALIGN	64u
#define MAX_SECTIONS	24

/* A note's parts are aligned to 4 bytes only, so the information is not where a C struct has it. */
#define NOTE_INFO	(sizeof(Elf64_Nhdr) + 8)
#define NOTE_SIZE	(NOTE_INFO + sizeof(struct axon_elf_info))

struct writer {
	struct axc_program *p;
	Elf *elf;
	char names[512];	/* .shstrtab */
	size_t names_len;
	char strings[64];	/* .strtab */
	size_t strings_len;
	Elf64_Sym syms[3];
	unsigned int nsyms;
	unsigned int sym_const, sym_bss;
	uint64_t const_size, bss_size;
	size_t text_index[AXON_NUM_ENGINES];
	size_t symtab_index;
	struct axon_elf_tensor *tensors;
	struct axon_elf_collective *ccs;
	Elf64_Rela *rela[AXON_NUM_ENGINES];
	uint8_t note[NOTE_SIZE];
};

static const char *const text_name[AXON_NUM_ENGINES] = {
	[AXON_ENGINE_TENSOR] = ".text.tensor", [AXON_ENGINE_VECTOR] = ".text.vector",
	[AXON_ENGINE_SCALAR] = ".text.scalar", [AXON_ENGINE_GPSIMD] = ".text.gpsimd",
	[AXON_ENGINE_SYNC] = ".text.sync",
};

static bool is_input(const struct axc_tensor *t)
{
	return t->kind == TENSOR_ARG && t->usage != AXC_OUTPUT;
}

static bool is_output(const struct axc_tensor *t)
{
	return t->kind == TENSOR_ARG && t->usage != AXC_INPUT;
}

/* Inputs, then outputs; what is updated in place is addressed as the input. */
void elf_number_args(struct axc_program *p)
{
	struct axc_tensor *t;
	uint32_t n = 0;

	for (t = p->tensors; t; t = t->next)
		if (is_input(t))
			t->arg = n++;
	for (t = p->tensors; t; t = t->next) {
		if (!is_output(t))
			continue;
		if (t->usage == AXC_OUTPUT)
			t->arg = n;
		n++;
	}
}

static bool elf_problem(struct writer *w, const char *what)
{
	axc_fail(w->p, -EIO, "%s: %s", what, elf_errmsg(-1));
	return false;
}

/* A section with its header; data is added by the caller. */
static Elf_Scn *section(struct writer *w, const char *name, uint32_t type, uint64_t flags,
			uint64_t align, uint64_t entsize)
{
	Elf_Scn *scn = elf_newscn(w->elf);
	Elf64_Shdr *sh = scn ? elf64_getshdr(scn) : NULL;
	size_t len = strlen(name) + 1;

	if (!sh || len > sizeof(w->names) - w->names_len) {
		elf_problem(w, name);
		return NULL;
	}
	sh->sh_name = w->names_len;
	memcpy(w->names + w->names_len, name, len);
	w->names_len += len;
	sh->sh_type = type;
	sh->sh_flags = flags;
	sh->sh_addralign = align;
	sh->sh_entsize = entsize;
	return scn;
}

static bool data(struct writer *w, Elf_Scn *scn, void *buf, uint64_t size, uint64_t align)
{
	Elf_Data *d = scn ? elf_newdata(scn) : NULL;

	if (!d)
		return elf_problem(w, "section data");
	d->d_buf = buf;
	d->d_size = size;
	d->d_align = align;
	d->d_type = ELF_T_BYTE;
	d->d_version = EV_CURRENT;
	return true;
}

static bool write_text(struct writer *w)
{
	unsigned int e;

	for (e = 0; e < AXON_NUM_ENGINES; e++) {
		struct stream *s = &w->p->stream[e];
		Elf_Scn *scn;

		if (!s->n)
			continue;
		scn = section(w, text_name[e], SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR,
			      sizeof(*s->inst), sizeof(*s->inst));
		if (!data(w, scn, s->inst, s->n * sizeof(*s->inst), sizeof(*s->inst)))
			return false;
		w->text_index[e] = elf_ndxscn(scn);
	}
	return true;
}

static unsigned int add_symbol(struct writer *w, const char *name, Elf_Scn *scn, uint64_t size)
{
	Elf64_Sym *sym = &w->syms[++w->nsyms];

	sym->st_name = w->strings_len;
	sym->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
	sym->st_shndx = elf_ndxscn(scn);
	sym->st_size = size;
	memcpy(w->strings + w->strings_len, name, strlen(name) + 1);
	w->strings_len += strlen(name) + 1;
	return w->nsyms;
}

static bool place_own_tensors(struct writer *w)
{
	struct axc_tensor *t;

	for (t = w->p->tensors; t; t = t->next) {
		uint64_t *end = t->kind == TENSOR_CONST ? &w->const_size : &w->bss_size;

		if (t->kind == TENSOR_ARG)
			continue;
		*end = (*end + CONST_ALIGN - 1) / CONST_ALIGN * CONST_ALIGN;
		t->offset = *end;
		*end += t->size;
		if (*end > AXON_ELF_MAX_SIZE) {
			axc_fail(w->p, -ENOSPC, "constants or scratch are too large for a file");
			return false;
		}
	}
	return true;
}

static bool write_memory(struct writer *w)
{
	struct axc_tensor *t;
	Elf_Scn *scn;
	Elf_Data *d;

	if (!place_own_tensors(w))
		return false;
	if (w->const_size) {
		scn = section(w, ".const", SHT_PROGBITS, SHF_ALLOC, CONST_ALIGN, 0);
		for (t = w->p->tensors; t; t = t->next)
			if (t->kind == TENSOR_CONST && !data(w, scn, t->data, t->size, CONST_ALIGN))
				return false;
		w->sym_const = add_symbol(w, AXON_SYM_CONST, scn, w->const_size);
	}
	if (w->bss_size) {
		scn = section(w, ".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, CONST_ALIGN, 0);
		d = scn ? elf_newdata(scn) : NULL;
		if (!d)
			return elf_problem(w, ".bss");
		d->d_size = w->bss_size;
		d->d_align = CONST_ALIGN;
		d->d_type = ELF_T_BYTE;
		d->d_version = EV_CURRENT;
		w->sym_bss = add_symbol(w, AXON_SYM_BSS, scn, w->bss_size);
	}
	return true;
}

static void describe(struct axon_elf_tensor *out, const struct axc_tensor *t, uint32_t usage)
{
	snprintf(out->name, sizeof(out->name), "%s", t->name);
	out->usage = usage;
	out->dtype = t->dtype;
	out->ndim = t->ndim;
	out->size = t->size;
	memcpy(out->shape, t->shape, sizeof(out->shape));
}

static bool write_tensors(struct writer *w)
{
	struct axc_tensor *t;
	uint32_t n = 0;
	Elf_Scn *scn;

	for (t = w->p->tensors; t; t = t->next)
		n += is_input(t) + is_output(t);
	if (!n)
		return true;
	w->tensors = axc_zalloc(w->p, n * sizeof(*w->tensors));
	if (!w->tensors)
		return false;
	n = 0;
	for (t = w->p->tensors; t; t = t->next)
		if (is_input(t))
			describe(&w->tensors[n++], t, AXON_ELF_TENSOR_INPUT);
	for (t = w->p->tensors; t; t = t->next)
		if (is_output(t))
			describe(&w->tensors[n++], t, AXON_ELF_TENSOR_OUTPUT);
	scn = section(w, ".axon.tensors", SHT_PROGBITS, 0, 8, sizeof(*w->tensors));
	return data(w, scn, w->tensors, n * sizeof(*w->tensors), 8);
}

static bool write_collectives(struct writer *w)
{
	uint32_t n = w->p->nccs, i;
	Elf_Scn *scn;

	if (!n)
		return true;
	w->ccs = axc_zalloc(w->p, n * sizeof(*w->ccs));
	if (!w->ccs)
		return false;
	for (i = 0; i < n; i++) {
		const struct cc *cc = &w->p->ccs[i];

		w->ccs[i] = cc->elf;
		w->ccs[i].send = cc->send->offset + cc->send_offset;
		w->ccs[i].recv = cc->recv->offset + cc->recv_offset;
	}
	scn = section(w, ".axon.collectives", SHT_PROGBITS, 0, 8, sizeof(*w->ccs));
	return data(w, scn, w->ccs, n * sizeof(*w->ccs), 8);
}

static bool write_note(struct writer *w)
{
	const Elf64_Nhdr hdr = {
		.n_namesz = sizeof(AXON_NOTE_NAME),
		.n_descsz = sizeof(struct axon_elf_info),
		.n_type = AXON_NOTE_INFO,
	};
	struct axon_elf_info info = {
		.version = w->p->nccs ? AXON_ELF_VERSION : AXON_ELF_VERSION_ALONE,
		.isa_version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR,
		.revision = AXON_REVISION_A1,
		.num_cores = 1,
		.flops = w->p->flops,
	};

	memcpy(info.name, w->p->name, sizeof(info.name));
	memcpy(w->note, &hdr, sizeof(hdr));
	memcpy(w->note + sizeof(hdr), AXON_NOTE_NAME, sizeof(AXON_NOTE_NAME));
	memcpy(w->note + NOTE_INFO, &info, sizeof(info));
	return data(w, section(w, ".note.axon", SHT_NOTE, 0, 4, 0), w->note, sizeof(w->note), 4);
}

static bool write_relocs(struct writer *w, unsigned int e)
{
	struct stream *s = &w->p->stream[e];
	char name[32];
	Elf64_Rela *r;
	Elf_Scn *scn;
	uint32_t i;

	if (!s->nrelocs)
		return true;
	r = axc_zalloc(w->p, s->nrelocs * sizeof(*r));
	if (!r)
		return false;
	w->rela[e] = r;
	for (i = 0; i < s->nrelocs; i++) {
		const struct axc_tensor *t = s->reloc[i].tensor;
		uint64_t sym = t->kind == TENSOR_CONST ? w->sym_const : w->sym_bss;

		r[i].r_offset = s->reloc[i].offset;
		r[i].r_info = ELF64_R_INFO(sym, R_AXON_ABS64);
		r[i].r_addend = s->reloc[i].addend + t->offset;
	}
	snprintf(name, sizeof(name), ".rela%s", text_name[e]);
	scn = section(w, name, SHT_RELA, SHF_INFO_LINK, 8, sizeof(*r));
	if (!data(w, scn, r, s->nrelocs * sizeof(*r), 8))
		return false;
	elf64_getshdr(scn)->sh_link = w->symtab_index;
	elf64_getshdr(scn)->sh_info = w->text_index[e];
	return true;
}

static bool write_tables(struct writer *w)
{
	Elf_Scn *sym = section(w, ".symtab", SHT_SYMTAB, 0, 8, sizeof(Elf64_Sym)), *str;
	unsigned int e;

	if (!data(w, sym, w->syms, (w->nsyms + 1) * sizeof(Elf64_Sym), 8))
		return false;
	w->symtab_index = elf_ndxscn(sym);
	str = section(w, ".strtab", SHT_STRTAB, 0, 1, 0);
	if (!data(w, str, w->strings, w->strings_len, 1))
		return false;
	elf64_getshdr(sym)->sh_link = elf_ndxscn(str);
	elf64_getshdr(sym)->sh_info = 1;	/* first global symbol */
	for (e = 0; e < AXON_NUM_ENGINES; e++)
		if (!write_relocs(w, e))
			return false;
	str = section(w, ".shstrtab", SHT_STRTAB, 0, 1, 0);
	if (!data(w, str, w->names, w->names_len, 1))
		return false;
	elf64_getehdr(w->elf)->e_shstrndx = elf_ndxscn(str);
	return true;
}

/* The sum covers the file with its own field zero, which it still is. */
static bool put_sum(struct writer *w, uint8_t *file, size_t size)
{
	struct sha256_ctx sha;
	Elf_Scn *scn = NULL;
	uint64_t at;

	while ((scn = elf_nextscn(w->elf, scn))) {
		Elf64_Shdr *sh = elf64_getshdr(scn);

		if (!sh || sh->sh_type != SHT_NOTE)
			continue;
		at = sh->sh_offset + NOTE_INFO + offsetof(struct axon_elf_info, sha256);
		sha256_init(&sha);
		sha256_update(&sha, size, file);
		sha256_digest(&sha, SHA256_DIGEST_SIZE, file + at);
		return true;
	}
	return elf_problem(w, "note");
}

/* libelf writes to descriptors only. */
static bool read_back(struct writer *w, int fd, void **out, size_t size)
{
	uint8_t *file = axc_zalloc(w->p, size);
	size_t done = 0;
	ssize_t n;

	if (!file)
		return false;
	while (done < size) {
		n = pread(fd, file + done, size - done, (off_t)done);
		if (n <= 0) {
			axc_fail(w->p, -EIO, "reading back the executable");
			free(file);
			return false;
		}
		done += (size_t)n;
	}
	if (!put_sum(w, file, size)) {
		free(file);
		return false;
	}
	*out = file;
	return true;
}

static bool write_file(struct writer *w, int fd, void **out, size_t *size)
{
	Elf64_Ehdr *eh;
	off_t len;

	w->elf = elf_begin(fd, ELF_C_WRITE, NULL);
	eh = w->elf ? elf64_newehdr(w->elf) : NULL;
	if (!eh)
		return elf_problem(w, "ELF header");
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_type = ET_EXEC;
	eh->e_machine = EM_AXON;
	eh->e_version = EV_CURRENT;
	eh->e_flags = AXON_REVISION_A1;
	if (!write_text(w) || !write_memory(w) || !write_tensors(w) || !write_collectives(w) ||
	    !write_note(w) || !write_tables(w))
		return false;
	len = elf_update(w->elf, ELF_C_WRITE);
	if (len < 0)
		return elf_problem(w, "writing the executable");
	*size = (size_t)len;
	return read_back(w, fd, out, *size);
}

int elf_write(struct axc_program *p, void **out, size_t *size)
{
	struct writer *w = axc_zalloc(p, sizeof(*w));
	unsigned int e;
	int fd;

	if (!w)
		return p->err;
	w->p = p;
	w->names_len = 1;
	w->strings_len = 1;
	fd = memfd_create("axc", MFD_CLOEXEC);
	if (elf_version(EV_CURRENT) == EV_NONE || fd < 0)
		elf_problem(w, "ELF library");
	else
		write_file(w, fd, out, size);
	if (w->elf)
		elf_end(w->elf);
	if (fd >= 0)
		close(fd);
	for (e = 0; e < AXON_NUM_ENGINES; e++)
		free(w->rela[e]);
	free(w->tensors);
	free(w->ccs);
	free(w);
	return p->err;
}
