// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_test_uobj.c - KUnit: which arrays are taken.
 */
#include <kunit/test.h>

#include "axon_uobj.h"

static void uobj_test_check(struct kunit *test)
{
	static const struct {
		u32 stride;
		u32 count;
		int ret;
	} t[] = {
		{ 40, 1, 0 },
		{ 40, 1024, 0 },
		{ 48, 1, 0 },
		{ 1024, 1, 0 },
		{ 40, 1025, -EINVAL },
		{ 40, 0x80000000u, -EINVAL },
		{ 40, U32_MAX, -EINVAL },
		{ 0, 1, -EINVAL },
		{ 32, 1, -EINVAL },
		{ 41, 1, -EINVAL },
		{ 44, 1, -EINVAL },
		{ 1032, 1, -EINVAL },
		{ U32_MAX & ~7u, 1, -EINVAL },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct drm_axon_array a = { .stride = t[i].stride, .count = t[i].count };

		KUNIT_EXPECT_EQ_MSG(test, axon_array_check(&a, 40, 1024), t[i].ret,
				    "stride %u, count %u", t[i].stride, t[i].count);
	}
}

static struct kunit_case uobj_cases[] = {
	KUNIT_CASE(uobj_test_check),
	{}
};

static struct kunit_suite uobj_suite = {
	.name = "axon_uobj",
	.test_cases = uobj_cases,
};

kunit_test_suite(uobj_suite);
