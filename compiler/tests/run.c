/* SPDX-License-Identifier: MIT */
/* run.c - see run.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ref.h"
#include "run.h"
#include "soft.h"

#define MAX_TENSORS	16

static bool have_soft;

void run_open(void)
{
	have_soft = soft_open();
}

void run_close(void)
{
	if (have_soft)
		soft_close();
}

bool run_has_card(void)
{
	return have_soft;
}

static void save(void **to, const struct interp_tensor *t, unsigned int n)
{
	unsigned int i;

	assert_true(n <= MAX_TENSORS);
	for (i = 0; i < n; i++)
		to[i] = memcpy(malloc(t[i].size), t[i].data, t[i].size);
}

static void restore(void **from, const struct interp_tensor *t, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		memcpy(t[i].data, from[i], t[i].size);
}

static void forget(void **from, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		free(from[i]);
}

/* The same on the soft card; both must have found about the same numbers. */
static void run_soft(const void *elf, size_t size, const struct interp_tensor *t, unsigned int n,
		     int expect, void **given, double tolerance)
{
	struct soft *s = soft_load(elf, size, t, n);
	void *before[MAX_TENSORS];
	unsigned int i;

	assert_non_null(s);
	save(before, t, n);
	restore(given, t, n);
	assert_int_equal(soft_run(s), expect);
	soft_free(s);
	if (expect) {	/* the card's context is gone */
		soft_close();
		assert_true(soft_open());
	}
	for (i = 0; i < n; i++)
		if (!expect && memcmp(before[i], t[i].data, t[i].size))
			assert_true(ref_distance(t[i].data, before[i], t[i].size / 4) < tolerance);
	forget(before, n);
}

void run_program(struct axc_program *p, const struct interp_tensor *t, unsigned int n, int expect,
		 double tolerance)
{
	void *given[MAX_TENSORS];
	struct interp *in;
	const char *text;
	uint32_t seed;
	size_t size;
	void *elf;

	if (axc_program_finish(p, &elf, &size)) {
		axc_program_error(p, &text);
		fail_msg("%s", text);
	}
	axc_program_free(p);
	save(given, t, n);
	in = interp_load(elf, size, t, n);
	assert_non_null(in);
	for (seed = 1; seed <= 2; seed++) {
		restore(given, t, n);
		assert_int_equal(interp_run(in, seed), expect);
	}
	interp_free(in);
	if (have_soft)
		run_soft(elf, size, t, n, expect, given, tolerance);
	forget(given, n);
	free(elf);
}
