// SPDX-License-Identifier: MIT
/*
 * image.c - checks an executable (axon_elf.h) completely before anything of it is used.
 *
 * The bytes come from anybody. Every offset and count is checked by subtraction against what holds
 * it; whatever the format does not define is refused. No card is touched and nothing is allocated
 * but what libelf takes.
 */
#include <elf.h>
#include <string.h>

#include <gelf.h>
#include <libelf.h>
#include <nettle/sha2.h>

#include "internal.h"

#define NOTE_SIZE	(sizeof(Elf64_Nhdr) + 8 + sizeof(struct axon_elf_info))

_Static_assert(sizeof(AXON_NOTE_NAME) <= 8, "the note's name is padded to 8 bytes");

/* What the sections of a file may be. */
enum section {
	SEC_TEXT,	/* 5 of them, by engine */
	SEC_CONST = SEC_TEXT + AXON_NUM_ENGINES,
	SEC_BSS,
	SEC_TENSORS,
	SEC_COLLECTIVES,
	SEC_RELA,	/* 5 */
	SEC_NOTE = SEC_RELA + AXON_NUM_ENGINES,
	SEC_SYMTAB,
	SEC_STRTAB,
	SEC_SHSTRTAB,
	NUM_SECTIONS
};

static const struct section_rule {
	const char *name;
	uint32_t type;
	uint64_t flags;		/* of SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR */
} rule[NUM_SECTIONS] = {
	{ ".text.tensor", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR },
	{ ".text.vector", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR },
	{ ".text.scalar", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR },
	{ ".text.gpsimd", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR },
	{ ".text.sync", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR },
	{ ".const", SHT_PROGBITS, SHF_ALLOC },
	{ ".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE },
	{ ".axon.tensors", SHT_PROGBITS, 0 },
	{ ".axon.collectives", SHT_PROGBITS, 0 },
	{ ".rela.text.tensor", SHT_RELA, 0 },
	{ ".rela.text.vector", SHT_RELA, 0 },
	{ ".rela.text.scalar", SHT_RELA, 0 },
	{ ".rela.text.gpsimd", SHT_RELA, 0 },
	{ ".rela.text.sync", SHT_RELA, 0 },
	{ ".note.axon", SHT_NOTE, 0 },
	{ ".symtab", SHT_SYMTAB, 0 },
	{ ".strtab", SHT_STRTAB, 0 },
	{ ".shstrtab", SHT_STRTAB, 0 },
};

struct parser {
	const uint8_t *bytes;
	size_t size;
	Elf *elf;
	GElf_Ehdr ehdr;
	uint32_t revision;
	struct nrt_image *image;
	GElf_Shdr shdr[NUM_SECTIONS];
	size_t index[NUM_SECTIONS];	/* section header index; 0: absent */
};

#define refuse(...) (nrt_err(NMGR, __VA_ARGS__), NRT_INVALID)

/* ---- frame ---- */

/* The section header table is checked here, since libelf is to see nothing that points outside. */
static NRT_STATUS check_frame(struct parser *p)
{
	Elf64_Ehdr e;
	uint64_t room;

	if (p->size < sizeof(e))
		return refuse("%zu bytes are no executable", p->size);
	memcpy(&e, p->bytes, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG))
		return refuse("not an ELF file");
	if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
	    e.e_ident[EI_VERSION] != EV_CURRENT || e.e_version != EV_CURRENT ||
	    e.e_ident[EI_OSABI] || e.e_ident[EI_ABIVERSION])
		return refuse("not a 64-bit little endian ELF file of version 1");
	if (e.e_machine != EM_AXON)
		return refuse("made for machine 0x%x, the card is 0x%x", e.e_machine, EM_AXON);
	if (e.e_type != ET_EXEC || e.e_ehsize != sizeof(e) || e.e_entry || e.e_phoff || e.e_phnum)
		return refuse("not an executable: type %u, entry, or program headers", e.e_type);
	if (e.e_shentsize != sizeof(Elf64_Shdr) || e.e_shnum < 2 || e.e_shstrndx >= e.e_shnum ||
	    !e.e_shstrndx)
		return refuse("damaged section header table");
	if (e.e_shoff % 8 || e.e_shoff < sizeof(e) || e.e_shoff > p->size)
		return refuse("section headers lie outside the file");
	room = p->size - e.e_shoff;
	if (room / sizeof(Elf64_Shdr) < e.e_shnum)
		return refuse("section headers lie outside the file");
	if (e.e_flags != p->revision)
		return refuse("made for card generation 0x%x, this card is 0x%x", e.e_flags,
			      p->revision);
	return NRT_SUCCESS;
}

static NRT_STATUS check_place(const struct parser *p, const GElf_Shdr *sh, const char *name)
{
	if (sh->sh_size > AXON_ELF_MAX_SIZE)
		return refuse("section %s is too large", name);
	if (sh->sh_type == SHT_NOBITS || sh->sh_type == SHT_NULL)
		return NRT_SUCCESS;
	if (sh->sh_offset > p->size || sh->sh_size > p->size - sh->sh_offset)
		return refuse("section %s lies outside the file", name);
	return NRT_SUCCESS;
}

static NRT_STATUS take_section(struct parser *p, size_t index, const GElf_Shdr *sh,
			       const char *name)
{
	const uint64_t kinds = SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR;
	NRT_STATUS status = check_place(p, sh, name);
	unsigned int i;

	if (status)
		return status;
	for (i = 0; i < NUM_SECTIONS; i++)
		if (!strcmp(name, rule[i].name))
			break;
	if (i == NUM_SECTIONS)
		return NRT_SUCCESS;	/* by the format: ignored */
	if (p->index[i])
		return refuse("section %s stands twice", name);
	if (sh->sh_type != rule[i].type || (sh->sh_flags & kinds & ~rule[i].flags) ||
	    (rule[i].flags & ~sh->sh_flags & kinds))
		return refuse("section %s is of the wrong type or has the wrong flags", name);
	/* Sections start at whole pages of the card. */
	if (sh->sh_addralign > AXON_PAGE_SIZE || (sh->sh_addralign & (sh->sh_addralign - 1)))
		return refuse("section %s wants an impossible alignment", name);
	if (sh->sh_flags & SHF_COMPRESSED)
		return refuse("section %s is compressed", name);
	p->index[i] = index;
	p->shdr[i] = *sh;
	return NRT_SUCCESS;
}

static NRT_STATUS find_sections(struct parser *p)
{
	Elf_Scn *scn = NULL;
	NRT_STATUS status;
	GElf_Shdr strings;

	if (!gelf_getshdr(elf_getscn(p->elf, p->ehdr.e_shstrndx), &strings) ||
	    strings.sh_type != SHT_STRTAB)
		return refuse("damaged table of section names");
	status = check_place(p, &strings, ".shstrtab");
	while (!status && (scn = elf_nextscn(p->elf, scn))) {
		GElf_Shdr sh;
		const char *name;

		if (!gelf_getshdr(scn, &sh))
			return refuse("section header: %s", elf_errmsg(-1));
		name = elf_strptr(p->elf, p->ehdr.e_shstrndx, sh.sh_name);
		if (!name)
			return refuse("section name outside its table");
		status = take_section(p, elf_ndxscn(scn), &sh, name);
	}
	return status;
}

static const uint8_t *section_bytes(const struct parser *p, unsigned int i)
{
	return p->bytes + p->shdr[i].sh_offset;
}

/* ---- note ---- */

static NRT_STATUS check_hash(const struct parser *p, uint64_t at)
{
	static const uint8_t zero[SHA256_DIGEST_SIZE];
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	uint64_t rest = at + sizeof(zero);

	sha256_init(&ctx);
	sha256_update(&ctx, at, p->bytes);
	sha256_update(&ctx, sizeof(zero), zero);
	sha256_update(&ctx, p->size - rest, p->bytes + rest);
	sha256_digest(&ctx, sizeof(digest), digest);
	if (memcmp(digest, p->bytes + at, sizeof(digest)))
		return refuse("checksum does not match: the file is damaged");
	return NRT_SUCCESS;
}

static NRT_STATUS check_info(const struct parser *p)
{
	const struct axon_elf_info *info = &p->image->info;
	const uint32_t isa = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR;

	if (info->version < AXON_ELF_VERSION_ALONE || info->version > AXON_ELF_VERSION) {
		nrt_err(NMGR, "executable of format version %u, this library knows %u to %u",
			info->version, AXON_ELF_VERSION_ALONE, AXON_ELF_VERSION);
		return NRT_UNSUPPORTED_NEFF_VERSION;
	}
	if (info->isa_version >> 16 != isa >> 16 || info->isa_version > isa) {
		nrt_err(NMGR, "executable for instruction set %u.%u, the card has %u.%u",
			info->isa_version >> 16, info->isa_version & 0xffff, isa >> 16,
			isa & 0xffff);
		return NRT_UNSUPPORTED_NEFF_VERSION;
	}
	if (info->revision != p->revision)
		return refuse("made for card generation 0x%x, this card is 0x%x", info->revision,
			      p->revision);
	if (!memchr(info->name, 0, sizeof(info->name)) || info->reserved[0] || info->reserved[1])
		return refuse("damaged note");
	if (!info->num_cores)
		return refuse("an executable for no core");
	if (info->num_cores > 1) {
		nrt_err(NMGR, "%s wants %u cores; this version runs programs of one",
			info->name, info->num_cores);
		return NRT_LOAD_NOT_ENOUGH_NC;
	}
	return NRT_SUCCESS;
}

static NRT_STATUS parse_note(struct parser *p)
{
	const GElf_Shdr *sh = &p->shdr[SEC_NOTE];
	const uint8_t *bytes = section_bytes(p, SEC_NOTE);
	Elf64_Nhdr note;
	NRT_STATUS status;
	char name[8] = "";

	if (!p->index[SEC_NOTE] || sh->sh_size != NOTE_SIZE)
		return refuse("no note, or of the wrong size");
	memcpy(&note, bytes, sizeof(note));
	memcpy(name, bytes + sizeof(note), sizeof(name));
	if (note.n_namesz != sizeof(AXON_NOTE_NAME) ||
	    note.n_descsz != sizeof(struct axon_elf_info) || note.n_type != AXON_NOTE_INFO ||
	    memcmp(name, AXON_NOTE_NAME "\0\0\0", sizeof(name)))
		return refuse("the note is not one of ours");
	memcpy(&p->image->info, bytes + sizeof(note) + sizeof(name), sizeof(p->image->info));
	status = check_hash(p, sh->sh_offset + sizeof(note) + sizeof(name) +
			       offsetof(struct axon_elf_info, sha256));
	return status ? status : check_info(p);
}

/* ---- code ---- */

static NRT_STATUS parse_text(struct parser *p)
{
	const uint64_t inst = sizeof(struct axon_inst);
	unsigned int i;
	bool any = false;

	for (i = 0; i < AXON_NUM_ENGINES; i++) {
		const GElf_Shdr *sh = &p->shdr[SEC_TEXT + i];

		if (!p->index[SEC_TEXT + i] || !sh->sh_size)
			continue;
		if (sh->sh_size % inst || sh->sh_size / inst > AXON_MAX_PROGRAM_INSTS)
			return refuse("%s: %llu bytes are not 1 to %u instructions",
				      rule[SEC_TEXT + i].name, (unsigned long long)sh->sh_size,
				      AXON_MAX_PROGRAM_INSTS);
		p->image->text[i].bytes = section_bytes(p, SEC_TEXT + i);
		p->image->text[i].size = sh->sh_size;
		any = true;
	}
	return any ? NRT_SUCCESS : refuse("no code");
}

/* ---- relocations ---- */

/* A symbol relocations may name: which one, or 0. */
static NRT_STATUS classify_symbol(struct parser *p, const Elf64_Sym *sym, uint32_t index)
{
	const char *name = elf_strptr(p->elf, p->index[SEC_STRTAB], sym->st_name);
	bool is_const;

	if (!name)
		return refuse("symbol name outside its table");
	is_const = !strcmp(name, AXON_SYM_CONST);
	if (!is_const && strcmp(name, AXON_SYM_BSS))
		return NRT_SUCCESS;
	if (sym->st_value || !sym->st_shndx ||
	    sym->st_shndx != p->index[is_const ? SEC_CONST : SEC_BSS])
		return refuse("symbol %s is not the start of its section", name);
	if (is_const ? p->image->sym_const : p->image->sym_bss)
		return refuse("symbol %s stands twice", name);
	*(is_const ? &p->image->sym_const : &p->image->sym_bss) = index;
	return NRT_SUCCESS;
}

static NRT_STATUS parse_symbols(struct parser *p)
{
	const GElf_Shdr *sh = &p->shdr[SEC_SYMTAB];
	const uint8_t *bytes = section_bytes(p, SEC_SYMTAB);
	uint64_t count = sh->sh_size / sizeof(Elf64_Sym);
	NRT_STATUS status = NRT_SUCCESS;
	uint64_t i;

	if (!p->index[SEC_SYMTAB])
		return NRT_SUCCESS;
	if (sh->sh_entsize != sizeof(Elf64_Sym) || sh->sh_size % sizeof(Elf64_Sym) ||
	    !p->index[SEC_STRTAB] || sh->sh_link != p->index[SEC_STRTAB] || count > UINT32_MAX)
		return refuse("damaged symbol table");
	for (i = 1; !status && i < count; i++) {
		Elf64_Sym sym;

		memcpy(&sym, bytes + i * sizeof(sym), sizeof(sym));
		status = classify_symbol(p, &sym, (uint32_t)i);
	}
	return status;
}

static NRT_STATUS check_reloc(const struct parser *p, unsigned int engine, const Elf64_Rela *rela)
{
	uint64_t size = p->image->text[engine].size;
	uint32_t symbol = ELF64_R_SYM(rela->r_info);

	if (ELF64_R_TYPE(rela->r_info) == R_AXON_NONE)
		return NRT_SUCCESS;
	if (ELF64_R_TYPE(rela->r_info) != R_AXON_ABS64)
		return refuse("%s: unknown relocation %llu", rule[SEC_RELA + engine].name,
			      (unsigned long long)ELF64_R_TYPE(rela->r_info));
	if (rela->r_offset % 8 || size < 8 || rela->r_offset > size - 8)
		return refuse("%s: relocation outside the code", rule[SEC_RELA + engine].name);
	if (!symbol || (symbol != p->image->sym_const && symbol != p->image->sym_bss))
		return refuse("%s: relocation against another symbol than " AXON_SYM_CONST
			      " and " AXON_SYM_BSS, rule[SEC_RELA + engine].name);
	return NRT_SUCCESS;
}

static NRT_STATUS parse_relocs(struct parser *p, unsigned int engine)
{
	const GElf_Shdr *sh = &p->shdr[SEC_RELA + engine];
	struct nrt_text *text = &p->image->text[engine];
	NRT_STATUS status = NRT_SUCCESS;
	uint64_t i;

	if (!p->index[SEC_RELA + engine])
		return NRT_SUCCESS;
	if (sh->sh_entsize != sizeof(Elf64_Rela) || sh->sh_size % sizeof(Elf64_Rela) ||
	    !p->index[SEC_SYMTAB] || sh->sh_link != p->index[SEC_SYMTAB] ||
	    !p->index[SEC_TEXT + engine] || sh->sh_info != p->index[SEC_TEXT + engine])
		return refuse("damaged %s", rule[SEC_RELA + engine].name);
	text->rela = section_bytes(p, SEC_RELA + engine);
	text->relocs = sh->sh_size / sizeof(Elf64_Rela);
	for (i = 0; !status && i < text->relocs; i++) {
		Elf64_Rela rela;

		memcpy(&rela, text->rela + i * sizeof(rela), sizeof(rela));
		status = check_reloc(p, engine, &rela);
	}
	return status;
}

/* ---- tensors ---- */

struct axon_elf_tensor nrt_image_tensor(const struct nrt_image *image, uint32_t index)
{
	struct axon_elf_tensor t;

	memcpy(&t, image->tensors + (uint64_t)index * sizeof(t), sizeof(t));
	return t;
}

static bool shape_ok(const struct axon_elf_tensor *t)
{
	uint64_t size = axon_dtype_size(t->dtype);
	unsigned int i;

	if (!size || t->ndim > AXON_ELF_MAX_DIMS)
		return false;
	for (i = 0; i < AXON_ELF_MAX_DIMS; i++) {
		if (i >= t->ndim && t->shape[i])
			return false;
		if (i >= t->ndim)
			continue;
		/* nrt_tensor_info_t has 32 bits for an axis. */
		if (!t->shape[i] || t->shape[i] > UINT32_MAX ||
		    size > AXON_ELF_MAX_SIZE / t->shape[i])
			return false;
		size *= t->shape[i];
	}
	return size == t->size;
}

static NRT_STATUS check_tensor(const struct axon_elf_tensor *t, uint32_t index)
{
	unsigned int i;

	if (!t->name[0] || !memchr(t->name, 0, sizeof(t->name)))
		return refuse("tensor %u has no name", index);
	if (t->usage != AXON_ELF_TENSOR_INPUT && t->usage != AXON_ELF_TENSOR_OUTPUT)
		return refuse("tensor %s is neither input nor output", t->name);
	if (!shape_ok(t))
		return refuse("tensor %s: type, shape and size do not fit", t->name);
	for (i = 0; i < 5; i++)
		if (t->reserved0 || t->reserved1[i])
			return refuse("tensor %s: reserved fields are not 0", t->name);
	return NRT_SUCCESS;
}

/* Same name in the same usage: refused. As input and output: one tensor updated in place. */
static NRT_STATUS check_names(const struct nrt_image *image, const struct axon_elf_tensor *t,
			      uint32_t index)
{
	struct axon_elf_tensor other;
	uint32_t i;

	for (i = 0; i < index; i++) {
		/* Names first: comparing is cheap, copying 384 bytes is not. */
		if (strncmp((const char *)image->tensors + (uint64_t)i * sizeof(other), t->name,
			    sizeof(t->name)))
			continue;
		other = nrt_image_tensor(image, i);
		if (other.usage == t->usage)
			return refuse("tensor %s stands twice", t->name);
		if (other.size != t->size || other.dtype != t->dtype)
			return refuse("tensor %s differs as input and as output", t->name);
	}
	return NRT_SUCCESS;
}

static NRT_STATUS parse_tensors(struct parser *p)
{
	const GElf_Shdr *sh = &p->shdr[SEC_TENSORS];
	struct nrt_image *image = p->image;
	NRT_STATUS status = NRT_SUCCESS;
	uint64_t count = sh->sh_size / sizeof(struct axon_elf_tensor);
	uint32_t i;

	if (!p->index[SEC_TENSORS])
		return NRT_SUCCESS;
	if (sh->sh_size % sizeof(struct axon_elf_tensor) || count > AXON_ELF_MAX_TENSORS)
		return refuse("damaged list of tensors");
	image->tensors = section_bytes(p, SEC_TENSORS);
	image->num_tensors = (uint32_t)count;
	for (i = 0; !status && i < count; i++) {
		struct axon_elf_tensor t = nrt_image_tensor(image, i);

		status = check_tensor(&t, i);
		if (!status)
			status = check_names(image, &t, i);
		if (!status && t.usage == AXON_ELF_TENSOR_INPUT && i != image->num_inputs++)
			status = refuse("input %s stands behind an output", t.name);
	}
	return status;
}

/* ---- collectives ---- */

struct axon_elf_collective nrt_image_collective(const struct nrt_image *image, uint32_t index)
{
	struct axon_elf_collective c;

	memcpy(&c, image->collectives + (uint64_t)index * sizeof(c), sizeof(c));
	return c;
}

/* What is behind counts on the number of ranks: cc.c. */
static NRT_STATUS check_collective(const struct nrt_image *image, uint32_t index)
{
	const struct axon_elf_collective c = nrt_image_collective(image, index);
	bool reduces = c.coll == AXON_ELF_ALL_REDUCE || c.coll == AXON_ELF_REDUCE_SCATTER ||
		c.coll == AXON_ELF_REDUCE;
	bool has_root = c.coll == AXON_ELF_BROADCAST || c.coll == AXON_ELF_REDUCE;
	unsigned int i;

	if (c.coll >= AXON_ELF_NUM_COLLS || c.reduction >= AXON_ELF_NUM_REDUCTIONS ||
	    (c.reduction && !reduces) || (c.root && !has_root) || !axon_dtype_size(c.dtype))
		return refuse("collective %u: no such operation, reduction, root or type", index);
	if (!c.count || c.count > AXON_ELF_MAX_SIZE / axon_dtype_size(c.dtype) ||
	    c.send > image->bss_size || c.recv > image->bss_size)
		return refuse("collective %u lies outside the scratch memory", index);
	if (!c.wait_val || c.wait_sem >= c.first_sem || c.post_sem >= c.first_sem ||
	    c.first_sem != nrt_image_collective(image, 0).first_sem)
		return refuse("collective %u: semaphores do not fit", index);
	for (i = 0; i < sizeof(c.reserved); i++)
		if (c.reserved[i])
			return refuse("collective %u: reserved fields are not 0", index);
	return NRT_SUCCESS;
}

/* .bss has been looked at. */
static NRT_STATUS parse_collectives(struct parser *p)
{
	const GElf_Shdr *sh = &p->shdr[SEC_COLLECTIVES];
	uint64_t count = sh->sh_size / sizeof(struct axon_elf_collective);
	NRT_STATUS status = NRT_SUCCESS;
	uint32_t i;

	if (!p->index[SEC_COLLECTIVES])
		return NRT_SUCCESS;
	if (p->image->info.version == AXON_ELF_VERSION_ALONE)
		return refuse("format version %u has no collectives", AXON_ELF_VERSION_ALONE);
	if (sh->sh_size % sizeof(struct axon_elf_collective) || count > AXON_ELF_MAX_COLLECTIVES)
		return refuse("damaged list of collectives");
	p->image->collectives = section_bytes(p, SEC_COLLECTIVES);
	p->image->num_collectives = (uint32_t)count;
	for (i = 0; !status && i < count; i++)
		status = check_collective(p->image, i);
	return status;
}

/* ---- all of it ---- */

static NRT_STATUS parse_all(struct parser *p)
{
	struct nrt_image *image = p->image;
	NRT_STATUS status = find_sections(p);
	unsigned int i;

	/* The note first: its checksum tells damage from everything else. */
	if (!status)
		status = parse_note(p);
	if (!status)
		status = parse_text(p);
	if (!status)
		status = parse_symbols(p);
	for (i = 0; !status && i < AXON_NUM_ENGINES; i++)
		status = parse_relocs(p, i);
	if (!status)
		status = parse_tensors(p);
	if (status)
		return status;
	if (p->index[SEC_CONST] && p->shdr[SEC_CONST].sh_size) {
		image->constant = section_bytes(p, SEC_CONST);
		image->constant_size = p->shdr[SEC_CONST].sh_size;
	}
	if (p->index[SEC_BSS])
		image->bss_size = p->shdr[SEC_BSS].sh_size;
	return parse_collectives(p);
}

NRT_STATUS nrt_image_parse(const void *bytes, size_t size, uint32_t revision,
			   struct nrt_image *image)
{
	struct parser p = { .bytes = bytes, .size = size, .revision = revision, .image = image };
	NRT_STATUS status;

	memset(image, 0, sizeof(*image));
	status = check_frame(&p);
	if (status)
		return status;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return NRT_FAILURE;
	/* libelf takes no const, but writes only when asked to (ELF_C_WRITE). */
	p.elf = elf_memory((char *)(uintptr_t)bytes, size);
	if (!p.elf || !gelf_getehdr(p.elf, &p.ehdr))
		status = refuse("%s", elf_errmsg(-1));
	else
		status = parse_all(&p);
	elf_end(p.elf);
	return status;
}

void nrt_image_text(const struct nrt_image *image, unsigned int engine, uint8_t *dst,
		    uint64_t const_addr, uint64_t bss_addr)
{
	const struct nrt_text *text = &image->text[engine];
	uint64_t i;

	memcpy(dst, text->bytes, text->size);
	for (i = 0; i < text->relocs; i++) {
		Elf64_Rela rela;
		uint64_t value;

		memcpy(&rela, text->rela + i * sizeof(rela), sizeof(rela));
		if (ELF64_R_TYPE(rela.r_info) != R_AXON_ABS64)
			continue;
		value = (ELF64_R_SYM(rela.r_info) == image->sym_const ? const_addr : bss_addr) +
			(uint64_t)rela.r_addend;
		memcpy(dst + rela.r_offset, &value, sizeof(value));
	}
}
