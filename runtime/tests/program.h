/* SPDX-License-Identifier: MIT */
/*
 * program.h - instructions and executables made by hand, for the tests of libaxon and libnrt.
 */
#ifndef RUNTIME_TESTS_PROGRAM_H
#define RUNTIME_TESTS_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "axon_elf.h"
#include "axon_isa.h"

#define PROGRAM_REVISION	0xa1u

struct axon_inst inst_new(uint8_t opcode);
struct axon_inst inst_halt(void);
/* rd = the u64 at args + offset */
struct axon_inst inst_load_arg(uint8_t rd, uint64_t offset);
struct axon_inst inst_jump(uint32_t target);
struct axon_inst inst_wait(uint8_t sem, uint32_t value);
/* memory at R[dst] op= memory at R[src]; AXON_SREG_NONE as register takes the address instead */
struct axon_inst inst_dma(uint8_t op, uint8_t dtype, uint32_t count, uint8_t dst_reg, uint64_t dst,
			  uint8_t src_reg, uint64_t src);

/* A relocation of the sync engine's code. */
struct program_reloc {
	uint64_t offset;
	uint32_t type;
	int bss;		/* against __axon_bss, else __axon_const */
	int64_t addend;
};

/**
 * struct program - what an executable is made of; all code is the sync engine's
 */
struct program {
	const char *name;
	struct axon_inst code[32];
	uint32_t count;
	const void *constant;
	size_t constant_size;
	uint64_t bss_size;
	struct axon_elf_tensor tensors[8];
	uint32_t num_tensors;
	struct program_reloc relocs[8];
	uint32_t num_relocs;
	uint32_t isa_version;
	uint32_t num_cores;
	uint32_t version;
	uint32_t elf_flags;
};

void program_init(struct program *p, const char *name);
void program_add(struct program *p, struct axon_inst inst);
void program_tensor(struct program *p, const char *name, uint32_t usage, uint32_t dtype,
		    uint32_t elements);
/* The executable's bytes, malloc()ed. */
void *program_build(const struct program *p, size_t *size);
/* Makes the checksum right again after bytes were changed. */
void program_seal(void *bytes, size_t size);
/* Offset of the note's struct axon_elf_info. */
size_t program_info_offset(const void *bytes, size_t size);

/* y[n] = x[n] + constant[n], fp32, by DMA. */
void program_add_const(struct program *p, const float *constant, uint32_t n);
void program_loop(struct program *p);		/* never ends */
void program_deadlock(struct program *p);	/* waits for a semaphore nobody raises */
void program_wild(struct program *p);		/* writes to an address nobody bound */
void program_bad(struct program *p);		/* an opcode that is none */
/* cache[n] += x[n], in place; y[n] = cache[n] */
void program_inplace(struct program *p, uint32_t n);

#endif /* RUNTIME_TESTS_PROGRAM_H */
