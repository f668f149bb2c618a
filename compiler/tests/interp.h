/* SPDX-License-Identifier: MIT */
/*
 * interp.h - executes an executable in random order, for tests of the builder.
 *
 * The card's model runs engines by their clocks, always in the same order, and so can hide a
 * missing wait. This interpreter lets any engine or DMA queue that is not blocked go next, by a
 * random number, and so finds it. It is slow, has no clocks and no address translation, and is no
 * reference for arithmetic to the last bit.
 */
#ifndef AXC_TESTS_INTERP_H
#define AXC_TESTS_INTERP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interp_tensor {
	const char *name;
	void *data;
	size_t size;
};

struct interp;

/* NULL with a message on stderr if the file is wrong. @tensors: by name, in place ones once. */
struct interp *interp_load(const void *elf, size_t size, const struct interp_tensor *tensors,
			   unsigned int n);
void interp_free(struct interp *in);
/* 0, or -1 with a message on stderr: bad operand, address, deadlock, DMA index. */
int interp_run(struct interp *in, uint32_t seed);
/* From now on runs do, or do not, find SBUF as the run before left it (AXON_SREG_KEPT). */
void interp_keep(struct interp *in, bool keep);
/* Instructions executed by the last run. */
uint64_t interp_executed(const struct interp *in);

#endif
