/* SPDX-License-Identifier: MIT */
/*
 * session.h - what the tests of libnrt share: a session, models from hand-made programs, sets.
 */
#ifndef RUNTIME_TESTS_SESSION_H
#define RUNTIME_TESTS_SESSION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <nrt/nrt.h>
#include <nrt/nrt_experimental.h>

#include "program.h"

#define OK(call) assert_int_equal(call, NRT_SUCCESS)

/*
 * An assertion of cmocka must not leave a thread or process of its own: those say what failed
 * and exit.
 */
#define CHECK(cond)									\
	do {										\
		if (!(cond)) {								\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);	\
			exit(1);							\
		}									\
	} while (0)

static inline int session_begin(void **state)
{
	return nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "test", "1.0");
}

static inline int session_end(void **state)
{
	nrt_close();
	return 0;
}

static inline NRT_STATUS load_program(const struct program *p, int32_t vnc, nrt_model_t **model)
{
	size_t size;
	void *bytes = program_build(p, &size);
	NRT_STATUS status = nrt_load(bytes, size, vnc, 1, model);

	/* The loader keeps nothing of it. */
	memset(bytes, 0xdd, size);
	free(bytes);
	return status;
}

static inline nrt_tensor_t *new_tensor(size_t size, const char *name)
{
	nrt_tensor_t *t = NULL;

	OK(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, size, name, &t));
	return t;
}

static inline nrt_tensor_set_t *new_set(void)
{
	nrt_tensor_set_t *set = NULL;

	OK(nrt_allocate_tensor_set(&set));
	return set;
}

#endif /* RUNTIME_TESTS_SESSION_H */
