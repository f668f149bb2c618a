/* SPDX-License-Identifier: MIT */
/*
 * slow.h - how many times slower a test may be than usual. Limits of time in tests are there to end
 * what hangs, and never to say how fast something is: they are multiplied by this.
 */
#ifndef RUNTIME_TESTS_SLOW_H
#define RUNTIME_TESTS_SLOW_H

/* ThreadSanitizer takes five to fifteen times as long, much of it where no limit runs. */
#ifdef __SANITIZE_THREAD__
#define SLOW	4u
#else
#define SLOW	1u
#endif

#endif /* RUNTIME_TESTS_SLOW_H */
