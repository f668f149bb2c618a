/* SPDX-License-Identifier: MIT */
/*
 * soft.h - executes an executable on the soft card through libnrt.
 *
 * In a build without the runtime soft_open() says that there is none, and tests use the
 * interpreter alone.
 */
#ifndef AXC_TESTS_SOFT_H
#define AXC_TESTS_SOFT_H

#include <stdbool.h>
#include <stddef.h>

#include "interp.h"

/* Once per process; false without the runtime. */
bool soft_open(void);
void soft_close(void);

struct soft;

/* NULL with a message on stderr. Tensors as for interp_load(). */
struct soft *soft_load(const void *elf, size_t size, const struct interp_tensor *tensors,
		       unsigned int n);
void soft_free(struct soft *s);
/* Copies tensors there, executes, copies them back. 0 or -1. */
int soft_run(struct soft *s);

#endif
