/* SPDX-License-Identifier: MIT */
/*
 * axon-objdump.c - shows an executable: its note, tensors, sections and instructions.
 *
 * Reads a file that may be anything: every offset is checked before use, unknown codes are
 * printed as numbers. Changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "axon_elf.h"
#include "axon_isa.h"

static const char *const opcode_name[256] = {
	[AXON_OP_NOP] = "nop", [AXON_OP_HALT] = "halt", [AXON_OP_REG_ALU] = "reg",
	[AXON_OP_REG_LOAD] = "reg.load", [AXON_OP_REG_STORE] = "reg.store",
	[AXON_OP_BRANCH] = "branch", [AXON_OP_DMA] = "dma", [AXON_OP_DMA_RING] = "dma.ring",
	[AXON_OP_MATMUL] = "matmul", [AXON_OP_TRANSPOSE] = "transpose", [AXON_OP_COPY] = "copy",
	[AXON_OP_MEMSET] = "memset", [AXON_OP_TENSOR_TENSOR] = "tensor_tensor",
	[AXON_OP_TENSOR_SCALAR] = "tensor_scalar", [AXON_OP_TENSOR_REDUCE] = "reduce",
	[AXON_OP_ACTIVATION] = "activation", [AXON_OP_SELECT] = "select", [AXON_OP_MAX8] = "max8",
	[AXON_OP_FIND_INDEX8] = "find_index8", [AXON_OP_AFFINE_SELECT] = "affine_select",
	[AXON_OP_IOTA] = "iota", [AXON_OP_PARTITION_REDUCE] = "partition_reduce",
	[AXON_OP_PARTITION_BROADCAST] = "partition_broadcast",
};

static const char *const alu_name[] = {
	[AXON_ALU_NONE] = "none", [AXON_ALU_ADD] = "add", [AXON_ALU_SUBTRACT] = "sub",
	[AXON_ALU_MULTIPLY] = "mul", [AXON_ALU_DIVIDE] = "div", [AXON_ALU_MAX] = "max",
	[AXON_ALU_MIN] = "min", [AXON_ALU_EQ] = "eq", [AXON_ALU_NE] = "ne", [AXON_ALU_GE] = "ge",
	[AXON_ALU_GT] = "gt", [AXON_ALU_LE] = "le", [AXON_ALU_LT] = "lt", [AXON_ALU_AND] = "and",
	[AXON_ALU_OR] = "or", [AXON_ALU_XOR] = "xor", [AXON_ALU_SHL] = "shl",
	[AXON_ALU_SHR] = "shr", [AXON_ALU_IADD] = "iadd", [AXON_ALU_ISUB] = "isub",
};

static const char *const act_name[] = {
	[AXON_ACT_COPY] = "copy", [AXON_ACT_SQUARE] = "square", [AXON_ACT_RELU] = "relu",
	[AXON_ACT_EXP] = "exp", [AXON_ACT_SIGMOID] = "sigmoid", [AXON_ACT_SILU] = "silu",
	[AXON_ACT_TANH] = "tanh", [AXON_ACT_GELU_TANH] = "gelu_tanh", [AXON_ACT_LOG] = "log",
	[AXON_ACT_SQRT] = "sqrt", [AXON_ACT_RSQRT] = "rsqrt", [AXON_ACT_RECIPROCAL] = "reciprocal",
	[AXON_ACT_ABS] = "abs", [AXON_ACT_SIGN] = "sign",
};

static const char *const ralu_name[] = {
	[AXON_RALU_MOV] = "mov", [AXON_RALU_ADD] = "add", [AXON_RALU_SUB] = "sub",
	[AXON_RALU_MUL] = "mul", [AXON_RALU_AND] = "and", [AXON_RALU_OR] = "or",
	[AXON_RALU_XOR] = "xor", [AXON_RALU_SHL] = "shl", [AXON_RALU_SHR] = "shr",
	[AXON_RALU_DIV] = "div", [AXON_RALU_MIN] = "min", [AXON_RALU_MAX] = "max",
};

static const char *const cond_name[] = { "always", "eq", "ne", "lt", "ge" };

static const char *const dtype_name[] = {
	[AXON_DTYPE_INVALID] = "?", [AXON_DTYPE_UINT64] = "u64", [AXON_DTYPE_INT8] = "s8",
	[AXON_DTYPE_UINT8] = "u8", [AXON_DTYPE_INT16] = "s16", [AXON_DTYPE_UINT16] = "u16",
	[AXON_DTYPE_BFLOAT16] = "bf16", [AXON_DTYPE_FLOAT16] = "fp16", [AXON_DTYPE_INT32] = "s32",
	[AXON_DTYPE_UINT32] = "u32", [AXON_DTYPE_FLOAT32] = "fp32", [AXON_DTYPE_FP32R] = "fp32r",
	[AXON_DTYPE_INT64] = "s64", [AXON_DTYPE_FP8_E3] = "fp8e3", [AXON_DTYPE_FP8_E4] = "fp8e4",
	[AXON_DTYPE_FP8_E5] = "fp8e5",
};

#define NAME(table, i) \
	((i) < sizeof(table) / sizeof((table)[0]) && (table)[i] ? (table)[i] : "?")

static const char *space_name(unsigned int space)
{
	return space == AXON_SPACE_SBUF ? "sbuf" : space == AXON_SPACE_PSUM ? "psum" :
	       space == AXON_SPACE_MEM ? "mem" : "?";
}

/* ---- instructions ---- */

static void show_reg(unsigned int r, uint64_t imm)
{
	if (r == AXON_SREG_NONE)
		printf("%#" PRIx64, imm);
	else
		printf("r%u", r);
}

static void show_ap(const struct axon_ap *a)
{
	unsigned int i;
	bool shown = false;

	printf("  %s.%s[%u+%u]@%#x", space_name(a->space), NAME(dtype_name, a->dtype), a->part,
	       a->nparts, a->offset);
	for (i = 0; i < 4; i++) {
		if (a->count[i] == 1 && !(i == 3 && !shown))
			continue;
		printf("%c%ux%d", shown ? ',' : ':', a->count[i], a->step[i]);
		shown = true;
	}
}

static void show_dma_end(const char *what, unsigned int space, uint64_t addr, unsigned int dtype,
			 const __s32 *step)
{
	printf("  %s %s.%s", what, space_name(space), NAME(dtype_name, dtype));
	if (space == AXON_SPACE_MEM)
		printf("@%#" PRIx64, addr);
	else
		printf("[%u]@%#x", (unsigned int)(addr >> AXON_PART_SHIFT),
		       (unsigned int)(addr & (AXON_PART_STRIDE - 1)));
	printf(" step %d,%d,%d,%d", step[0], step[1], step[2], step[3]);
}

static void show_dma(const struct axon_inst *in)
{
	static const char *const op[] = { "copy", "add", "max", "min" };
	const struct axon_dma_desc *d = &in->dma;

	printf("  q%u %s%s%s%s [%u,%u,%u,%u]", in->op0, NAME(op, d->op),
	       d->flags & AXON_DMA_F_GATHER ? " gather" : "",
	       d->flags & AXON_DMA_F_SCATTER ? " scatter" : "",
	       d->flags & AXON_DMA_F_OOB_SKIP ? " skip" : "", d->count[0], d->count[1], d->count[2],
	       d->count[3]);
	show_dma_end("to", d->dst_space, d->dst, d->dst_dtype, d->dst_step);
	show_dma_end("from", d->src_space, d->src, d->src_dtype, d->src_step);
	if (d->flags)
		printf("  index mem@%#" PRIx64 " < %u", (uint64_t)d->index_addr, d->index_bound);
}

static void show_ctl(const struct axon_inst *in)
{
	const struct axon_ctl *c = &in->ctl;

	switch (in->opcode) {
	case AXON_OP_REG_ALU:
		printf(".%s  r%u = ", NAME(ralu_name, in->op0), c->rd);
		if (in->op0 != AXON_RALU_MOV)
			printf("r%u, ", c->ra);
		show_reg(c->rb, c->imm);
		break;
	case AXON_OP_REG_LOAD:
	case AXON_OP_REG_STORE:
		printf(".%s  r%u, [", NAME(dtype_name, c->dtype), c->rd);
		if (c->ra != AXON_SREG_NONE)
			printf("r%u + ", c->ra);
		printf("%#" PRIx64 "]", (uint64_t)c->imm);
		break;
	case AXON_OP_BRANCH:
		printf(".%s  ", NAME(cond_name, in->op0));
		if (in->op0 != AXON_COND_ALWAYS) {
			printf("r%u, ", c->ra);
			show_reg(c->rb, c->imm);
			printf(" -> ");
		}
		printf("%u", c->target);
		break;
	case AXON_OP_DMA_RING:
		printf("  q%u %u descriptors at r%u + %#" PRIx64, in->op0, c->target, c->ra,
		       (uint64_t)c->imm);
		break;
	default:
		break;
	}
}

static float as_float(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static void show_operation(const struct axon_inst *in)
{
	unsigned int i;

	switch (in->opcode) {
	case AXON_OP_TENSOR_SCALAR:
		printf(".%s.%s", NAME(alu_name, in->op0), NAME(alu_name, in->op1));
		break;
	case AXON_OP_TENSOR_REDUCE:
		printf(".%s/%u", NAME(alu_name, in->op0), in->op1);
		break;
	case AXON_OP_TENSOR_TENSOR:
	case AXON_OP_AFFINE_SELECT:
	case AXON_OP_PARTITION_REDUCE:
		printf(".%s", NAME(alu_name, in->op0));
		break;
	case AXON_OP_ACTIVATION:
		printf(".%s", NAME(act_name, in->op0));
		break;
	default:
		break;
	}
	if (in->flags)
		printf(" flags %#x", in->flags);
	for (i = 0; i < 4; i++)
		if (in->ap[i].nparts)
			show_ap(&in->ap[i]);
	if (in->opcode == AXON_OP_TENSOR_SCALAR || in->opcode == AXON_OP_ACTIVATION)
		printf("  imm %g, %g", (double)as_float(in->imm[0]), (double)as_float(in->imm[1]));
	else if (in->imm[0] || in->imm[1])
		printf("  imm %#x, %#x", in->imm[0], in->imm[1]);
}

static void show_patches(const struct axon_inst *in)
{
	static const char *const what[] = { "offset", "count0", "count1", "count2", "count3",
					    "part" };
	static const char *const dma[] = { "src", "dst", "count0", "count1", "count2", "count3",
					   "index" };
	unsigned int i, f;

	for (i = 0; i < AXON_NUM_PATCHES; i++) {
		if (in->patch[i].reg == AXON_SREG_NONE)
			continue;
		f = in->patch[i].field;
		if (f < 0x40)
			printf("  ap%u.%s", f >> 4, NAME(what, f & 15));
		else if (f >= AXON_PATCH_DMA_SRC && f <= AXON_PATCH_DMA_INDEX)
			printf("  %s", dma[f - AXON_PATCH_DMA_SRC]);
		else
			printf("  field %#x", f);
		printf(" += r%u", in->patch[i].reg);
	}
}

static void show_inst(unsigned int i, const struct axon_inst *in)
{
	const char *name = opcode_name[in->opcode];

	printf("%6u: ", i);
	if (in->wait_op) {
		printf("wait s%u %s %d", in->wait_sem, in->wait_op == AXON_WAIT_GE ? ">=" : "==",
		       (int32_t)in->wait_val);
		if (in->wait_reg != AXON_SREG_NONE)
			printf(" + r%u", in->wait_reg);
		printf("; ");
	}
	if (name)
		printf("%s", name);
	else
		printf("opcode %#x", in->opcode);
	if (in->opcode == AXON_OP_DMA)
		show_dma(in);
	else if (in->opcode < AXON_OP_DMA || in->opcode == AXON_OP_DMA_RING)
		show_ctl(in);
	else
		show_operation(in);
	show_patches(in);
	if (in->post_op)
		printf("; s%u %s %u", in->post_sem, in->post_op == AXON_POST_ADD ? "+=" :
		       in->post_op == AXON_POST_SUB ? "-=" : "=", in->post_val);
	printf("\n");
}

/* ---- sections ---- */

/* libelf has checked that the data lies in the file; data() of a NOBITS section is NULL. */
static const void *section_data(Elf_Scn *scn, size_t *size)
{
	Elf_Data *d = elf_rawdata(scn, NULL);

	*size = d && d->d_buf ? d->d_size : 0;
	return d ? d->d_buf : NULL;
}

static void show_note(Elf_Scn *scn)
{
	struct axon_elf_info info;
	const uint8_t *data;
	unsigned int i;
	size_t size;

	data = section_data(scn, &size);
	if (size < sizeof(Elf64_Nhdr) + 8 + sizeof(info)) {
		printf("note: too short\n");
		return;
	}
	memcpy(&info, data + sizeof(Elf64_Nhdr) + 8, sizeof(info));
	printf("program:   %.*s\n", (int)strnlen(info.name, sizeof(info.name)), info.name);
	printf("version:   %u, instruction set %u.%u, generation %x, cores %u\n", info.version,
	       info.isa_version >> 16, info.isa_version & 0xffff, info.revision, info.num_cores);
	printf("flops:     %" PRIu64 "\nsha256:    ", (uint64_t)info.flops);
	for (i = 0; i < sizeof(info.sha256); i++)
		printf("%02x", info.sha256[i]);
	printf("\n");
}

static void show_tensors(Elf_Scn *scn)
{
	struct axon_elf_tensor t;
	const uint8_t *data;
	size_t size, i;
	unsigned int j;

	data = section_data(scn, &size);
	for (i = 0; i < size / sizeof(t); i++) {
		memcpy(&t, data + i * sizeof(t), sizeof(t));
		printf("%-7s %3zu: %.*s %s[",
		       t.usage == AXON_ELF_TENSOR_INPUT ? "input" : "output", i,
		       (int)strnlen(t.name, sizeof(t.name)), t.name, NAME(dtype_name, t.dtype));
		for (j = 0; j < t.ndim && j < AXON_ELF_MAX_DIMS; j++)
			printf("%s%" PRIu64, j ? "," : "", (uint64_t)t.shape[j]);
		printf("] %" PRIu64 " bytes\n", (uint64_t)t.size);
	}
}

static void show_collectives(Elf_Scn *scn)
{
	static const char *const coll_name[] = {
		[AXON_ELF_ALL_REDUCE] = "all_reduce", [AXON_ELF_ALL_GATHER] = "all_gather",
		[AXON_ELF_REDUCE_SCATTER] = "reduce_scatter",
		[AXON_ELF_ALL_TO_ALL] = "all_to_all", [AXON_ELF_BROADCAST] = "broadcast",
		[AXON_ELF_REDUCE] = "reduce",
	};
	static const char *const reduction_name[] = { "sum", "max", "min" };
	struct axon_elf_collective c;
	const uint8_t *data;
	size_t size, i;

	data = section_data(scn, &size);
	for (i = 0; i < size / sizeof(c); i++) {
		memcpy(&c, data + i * sizeof(c), sizeof(c));
		printf("collective %zu: %s %s, %" PRIu64 " x %s, root %" PRIu32 ", .bss + %#" PRIx64
		       " to .bss + %#" PRIx64 ", at S%u >= %" PRIu32 ", then S%u\n", i,
		       NAME(coll_name, c.coll), NAME(reduction_name, c.reduction),
		       (uint64_t)c.count, NAME(dtype_name, c.dtype), c.root, (uint64_t)c.send,
		       (uint64_t)c.recv, c.wait_sem, c.wait_val, c.post_sem);
	}
}

static void show_code(Elf_Scn *scn, const char *name)
{
	struct axon_inst in;
	const uint8_t *data;
	size_t size, i;

	data = section_data(scn, &size);
	printf("\n%s: %zu instructions\n", name, size / sizeof(in));
	for (i = 0; i < size / sizeof(in); i++) {
		memcpy(&in, data + i * sizeof(in), sizeof(in));
		show_inst((unsigned int)i, &in);
	}
	if (size % sizeof(in))
		printf("        and %zu bytes more\n", size % sizeof(in));
}

static void show_relocs(Elf_Scn *scn, const char *name)
{
	Elf64_Rela r;
	const uint8_t *data;
	size_t size, i;

	data = section_data(scn, &size);
	printf("\n%s: %zu relocations\n", name, size / sizeof(r));
	for (i = 0; i < size / sizeof(r); i++) {
		memcpy(&r, data + i * sizeof(r), sizeof(r));
		printf("%6" PRIu64 "+%-3" PRIu64 " type %" PRIu64 " symbol %" PRIu64
		       " + %#" PRIx64 "\n",
		       (uint64_t)r.r_offset / sizeof(struct axon_inst),
		       (uint64_t)r.r_offset % sizeof(struct axon_inst),
		       (uint64_t)ELF64_R_TYPE(r.r_info), (uint64_t)ELF64_R_SYM(r.r_info),
		       (uint64_t)r.r_addend);
	}
}

struct options {
	bool headers, code, relocs;
};

static int show(Elf *elf, const char *file, const struct options *opt)
{
	Elf64_Ehdr *eh = elf_kind(elf) == ELF_K_ELF ? elf64_getehdr(elf) : NULL;
	Elf_Scn *scn = NULL;
	size_t names;

	if (!eh || eh->e_machine != EM_AXON || elf_getshdrstrndx(elf, &names)) {
		fprintf(stderr, "axon-objdump: %s: not an executable for the card\n", file);
		return 1;
	}
	while ((scn = elf_nextscn(elf, scn))) {
		Elf64_Shdr *sh = elf64_getshdr(scn);
		const char *name = sh ? elf_strptr(elf, names, sh->sh_name) : NULL;

		if (!name)
			continue;
		if (opt->headers && sh->sh_type == SHT_NOTE)
			show_note(scn);
		else if (opt->headers && !strcmp(name, ".axon.tensors"))
			show_tensors(scn);
		else if (opt->headers && !strcmp(name, ".axon.collectives"))
			show_collectives(scn);
		else if (opt->headers && (sh->sh_flags & SHF_ALLOC))
			printf("section:   %s %" PRIu64 " bytes\n", name, (uint64_t)sh->sh_size);
		if (opt->code && (sh->sh_flags & SHF_EXECINSTR) && sh->sh_type == SHT_PROGBITS)
			show_code(scn, name);
		if (opt->relocs && sh->sh_type == SHT_RELA)
			show_relocs(scn, name);
	}
	return 0;
}

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: axon-objdump [options] FILE...\n\n"
		"Show executables for the Axon card.\n\n"
		"  -x, --headers       note, sections and tensors (default)\n"
		"  -d, --disassemble   instructions of every engine\n"
		"  -r, --reloc         relocations\n"
		"  -h, --help          this text\n");
}

static int show_file(const char *name, const struct options *opt)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC), ret = 1;
	Elf *elf;

	if (fd < 0) {
		fprintf(stderr, "axon-objdump: %s: %s\n", name, strerror(errno));
		return 1;
	}
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf)
		ret = show(elf, name, opt);
	else
		fprintf(stderr, "axon-objdump: %s: %s\n", name, elf_errmsg(-1));
	elf_end(elf);
	close(fd);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "headers", no_argument, NULL, 'x' }, { "disassemble", no_argument, NULL, 'd' },
		{ "reloc", no_argument, NULL, 'r' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	struct options opt = { 0 };
	int c, ret = 0;

	while ((c = getopt_long(argc, argv, "xdrh", longs, NULL)) != -1) {
		switch (c) {
		case 'x':
			opt.headers = true;
			break;
		case 'd':
			opt.code = true;
			break;
		case 'r':
			opt.relocs = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind == argc) {
		usage(stderr);
		return 2;
	}
	if (!opt.code && !opt.relocs)
		opt.headers = true;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return 1;
	for (; optind < argc; optind++)
		ret |= show_file(argv[optind], &opt);
	return ret;
}
