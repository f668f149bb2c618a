/* SPDX-License-Identifier: MIT */
/*
 * procs.h - children of a test that are ranks of communicators, for the tests of libaxcc.
 *
 * The test itself has no card and no thread, so that it can fork; every child says by its status
 * whether it was content. Whoever does not end in time is killed and has failed.
 */
#ifndef RUNTIME_TESTS_PROCS_H
#define RUNTIME_TESTS_PROCS_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "axcc/axcc.h"

#define MAX_PROCS	8u
#define NO_PROC		MAX_PROCS

/* What the test and its children share. */
struct procs_shared {
	_Atomic uint32_t ready;
	_Atomic uint32_t arrived;
	_Atomic uint32_t go;
};

extern struct procs_shared *procs_shared;

/* A setup function of cmocka. */
int procs_setup(void **state);
void procs_nap(void);
uint64_t procs_now_ms(void);
/* Forks: @fn is called with @arg and the child's number, and what it returns is its status. */
void procs_start(uint32_t procs, int (*fn)(void *arg, uint32_t proc), void *arg, pid_t *pid);
/* In a child: until all have come here. Making cards takes its time, and no timeout is for that. */
void procs_meet(uint32_t procs);
/* Until all but @lost have ended with 0; that one is killed. */
void procs_finish(pid_t *pid, uint32_t procs, uint32_t lost);
/* Until that many children have counted themselves in procs_shared->arrived. */
void procs_wait_arrived(uint32_t count);
/* An address of the loopback that rank 0 can open. */
void procs_address(struct axcc_unique_id *id);
/* A root, in a process of its own. */
void procs_root(struct axcc_unique_id *id);
/* Ends it; also a teardown function of cmocka. */
int procs_end_root(void **state);

#endif /* RUNTIME_TESTS_PROCS_H */
