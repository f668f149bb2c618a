/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * axon_elf.h - the executable: what is special about an ELF file for the card.
 *
 * The contract between whoever writes executables (compiler/) and whoever loads them (runtime/).
 * Prose: Documentation/executable.rst.
 *
 * ELF64, little endian, ET_EXEC, e_machine EM_AXON, e_flags = card generation. Sections, all
 * found by name; each may stand once:
 *   .text.tensor .text.vector .text.scalar .text.gpsimd .text.sync
 *		struct axon_inst[]; SHF_ALLOC | SHF_EXECINSTR; a missing one is an idle engine
 *   .const	constants; SHF_ALLOC; bound read-only
 *   .bss	SHT_NOBITS: scratch in HBM, SHF_ALLOC | SHF_WRITE; zero before the first launch only
 *   .axon.tensors	struct axon_elf_tensor[]: inputs, then outputs, in argument order
 *   .axon.collectives	struct axon_elf_collective[]: what the collectives sequencer does in
 *		a launch, in order; its code is made by the loader. Since version 2
 *   .rela.text.*	struct Elf64_Rela: R_AXON_* against the symbols below
 *   .note.axon	one note, name AXON_NOTE_NAME, type AXON_NOTE_INFO, struct axon_elf_info
 *   .symtab .strtab .shstrtab
 *
 * The argument block (AXON_SREG_ARGS) is an array of u64: the virtual address of every tensor in
 * the order of .axon.tensors.
 */
#ifndef AXON_ELF_H
#define AXON_ELF_H

#include "axon_types.h"

#define EM_AXON			0xa805
#define AXON_ELF_VERSION	2u
/* What an executable without collectives says: loaders of version 1 take it. */
#define AXON_ELF_VERSION_ALONE	1u

#define AXON_NOTE_NAME		"Axon"
#define AXON_NOTE_INFO		1u

/* Symbols relocations refer to: SHN of their section, value 0. */
#define AXON_SYM_CONST		"__axon_const"
#define AXON_SYM_BSS		"__axon_bss"

/* Relocations; r_offset is relative to the section. */
#define R_AXON_NONE		0u
#define R_AXON_ABS64		1u	/* u64 at r_offset = address of the symbol + addend */

/* Caps the loader enforces. */
#define AXON_ELF_MAX_TENSORS	4096u
#define AXON_ELF_MAX_COLLECTIVES 1024u
#define AXON_ELF_MAX_SIZE	(1ull << 40)

#define AXON_ELF_TENSOR_INPUT	0u	/* nrt_tensor_usage_t */
#define AXON_ELF_TENSOR_OUTPUT	1u
#define AXON_ELF_MAX_DIMS	8u

/**
 * struct axon_elf_tensor - an input or output, 384 bytes
 * @name: NUL terminated, not empty; unique in its usage
 * @usage: AXON_ELF_TENSOR_*
 * @dtype: an &enum axon_dtype
 * @ndim: 0..AXON_ELF_MAX_DIMS
 * @reserved0: must be 0
 * @size: bytes; the product of @shape and the element size
 * @shape: elements along each axis, unused ones are 0
 * @reserved1: must be 0
 *
 * An input that the program updates in place (a cache) stands twice, as input and as output, with
 * the same name; the runtime then wants the same tensor in both sets.
 */
struct axon_elf_tensor {
	char name[256];
	__u32 usage;
	__u32 dtype;
	__u32 ndim;
	__u32 reserved0;
	__u64 size;
	__u64 shape[AXON_ELF_MAX_DIMS];
	__u64 reserved1[5];
};
AXON_ASSERT_SIZE(struct axon_elf_tensor, 384);

/* What a collective does; @count is elements, as MPI counts them. n ranks. */
enum axon_elf_coll {
	AXON_ELF_ALL_REDUCE = 0,	/* send: count, recv: count */
	AXON_ELF_ALL_GATHER = 1,	/* send: count, recv: n * count */
	AXON_ELF_REDUCE_SCATTER = 2,	/* send: n * count, recv: count */
	AXON_ELF_ALL_TO_ALL = 3,	/* send: n * count, recv: n * count */
	AXON_ELF_BROADCAST = 4,		/* send (of root): count, recv: count */
	AXON_ELF_REDUCE = 5,		/* send: count, recv (of root): count */
	AXON_ELF_NUM_COLLS = 6,
};

enum axon_elf_reduction {
	AXON_ELF_SUM = 0,
	AXON_ELF_MAX = 1,
	AXON_ELF_MIN = 2,
	AXON_ELF_NUM_REDUCTIONS = 3,
};

/**
 * struct axon_elf_collective - a collective of a launch, 64 bytes
 * @coll: an &enum axon_elf_coll
 * @reduction: an &enum axon_elf_reduction; 0 where nothing is reduced
 * @dtype: an &enum axon_dtype
 * @root: of BROADCAST and REDUCE, else 0
 * @count: elements, not 0
 * @send: offset in .bss
 * @recv: offset in .bss; the same as @send: in place
 * @wait_val: it starts when semaphore @wait_sem has reached this (AXON_WAIT_GE); not 0
 * @wait_sem: see @wait_val
 * @post_sem: is added 1 to when the data of this rank are there
 * @first_sem: semaphores from this one on are the loader's; the same in all, above all others
 * @reserved: must be 0
 */
struct axon_elf_collective {
	__u32 coll;
	__u32 reduction;
	__u32 dtype;
	__u32 root;
	__u64 count;
	__u64 send;
	__u64 recv;
	__u32 wait_val;
	__u8 wait_sem;
	__u8 post_sem;
	__u8 first_sem;
	__u8 reserved[17];
};
AXON_ASSERT_SIZE(struct axon_elf_collective, 64);
AXON_ASSERT_OFFSET(struct axon_elf_collective, wait_val, 40);
AXON_ASSERT_OFFSET(struct axon_elf_collective, reserved, 47);

/**
 * struct axon_elf_info - the note
 * @version: AXON_ELF_VERSION with collectives, else AXON_ELF_VERSION_ALONE
 * @isa_version: AXON_ISA_VERSION_MAJOR << 16 | _MINOR the code was made for
 * @revision: card generation
 * @num_cores: cores the program wants; 1
 * @sha256: SHA-256 of the whole file with this field zero
 * @flops: floating point operations of one launch, 0 if unknown
 * @name: of the program, for logs; NUL terminated
 * @reserved: must be 0
 */
struct axon_elf_info {
	__u32 version;
	__u32 isa_version;
	__u32 revision;
	__u32 num_cores;
	__u8 sha256[32];
	__u64 flops;
	char name[64];
	__u64 reserved[2];
};
AXON_ASSERT_SIZE(struct axon_elf_info, 136);

#endif /* AXON_ELF_H */
