/* SPDX-License-Identifier: MIT */
/*
 * run.h - finishes a program and executes it everywhere: in the interpreter in two orders, and on
 * the soft card if there is one. Fails the cmocka test that calls it.
 */
#ifndef AXC_TESTS_RUN_H
#define AXC_TESTS_RUN_H

#include <stdbool.h>

#include "axc/axc.h"
#include "interp.h"

/* Once per process, around the tests. */
void run_open(void);
void run_close(void);
/* Is the soft card there? */
bool run_has_card(void);

/*
 * Finish @p, execute it, free it. Every execution starts with the tensors as given (the program's
 * own memory is as the last one left it); all must find about the same numbers: within @tolerance
 * of the largest of a tensor. Tensors are left as the last execution made them. @expect: 0, or -1
 * if the launch must fail.
 */
void run_program(struct axc_program *p, const struct interp_tensor *t, unsigned int n, int expect,
		 double tolerance);

#endif
