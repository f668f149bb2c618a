// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_test_fw.c - KUnit: firmware images that are not.
 */
#include <kunit/test.h>
#include <linux/slab.h>

#include "axon_fw_drv.h"
#include "axon_mbox.h"

#define PAYLOAD		64u

struct image {
	struct axon_fw_header header;
	u8 payload[PAYLOAD];
};

static void good_image(struct image *i)
{
	memset(i, 0, sizeof(*i));
	i->header.magic = AXON_FW_MAGIC;
	i->header.header_size = AXON_FW_HEADER_SIZE;
	i->header.payload_size = PAYLOAD;
	i->header.mbox_abi = AXON_MBOX_ABI_MAJOR << 16 | AXON_MBOX_ABI_MINOR;
	strscpy(i->header.version_str, "1.2.3", sizeof(i->header.version_str));
}

static int parse(struct image *i, size_t size, char *why)
{
	struct axon_fw_header h;

	why[0] = '\0';
	return axon_fw_parse(i, size, &h, why, 96);
}

static void fw_test_good(struct kunit *test)
{
	struct axon_fw_header h;
	struct image i;
	char why[96];

	good_image(&i);
	KUNIT_EXPECT_EQ(test, axon_fw_parse(&i, sizeof(i), &h, why, sizeof(why)), 0);
	KUNIT_EXPECT_STREQ(test, h.version_str, "1.2.3");
	/* a newer minor speaks to us */
	i.header.mbox_abi += 7;
	KUNIT_EXPECT_EQ(test, parse(&i, sizeof(i), why), 0);
}

static void fw_test_sizes(struct kunit *test)
{
	struct image i;
	char why[96];
	size_t n;

	good_image(&i);
	for (n = 0; n < sizeof(i); n++)
		KUNIT_EXPECT_EQ(test, parse(&i, n, why), -EINVAL);
	KUNIT_EXPECT_EQ(test, parse(&i, AXON_FW_MAX_SIZE + 1, why), -EINVAL);
	i.header.payload_size = U32_MAX;
	KUNIT_EXPECT_EQ(test, parse(&i, sizeof(i), why), -EINVAL);
	i.header.payload_size = 0;
	KUNIT_EXPECT_EQ(test, parse(&i, sizeof(i), why), -EINVAL);
	KUNIT_EXPECT_GT(test, strlen(why), 0);
}

static void fw_test_fields(struct kunit *test)
{
	struct image i;
	char why[96];

	good_image(&i);
	i.header.magic ^= 1;
	KUNIT_EXPECT_EQ(test, parse(&i, sizeof(i), why), -EINVAL);
	good_image(&i);
	i.header.header_size = 128;
	KUNIT_EXPECT_EQ(test, parse(&i, sizeof(i), why), -EINVAL);
	good_image(&i);
	memset(i.header.version_str, 'x', sizeof(i.header.version_str));
	KUNIT_EXPECT_EQ(test, parse(&i, sizeof(i), why), -EINVAL);
}

/* Another major is refused, and both versions are named. */
static void fw_test_abi(struct kunit *test)
{
	struct image i;
	char why[96], mine[16];

	good_image(&i);
	i.header.mbox_abi = (AXON_MBOX_ABI_MAJOR + 1) << 16 | 5;
	KUNIT_EXPECT_EQ(test, parse(&i, sizeof(i), why), -EINVAL);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, "2.5"));
	snprintf(mine, sizeof(mine), "%u.%u", AXON_MBOX_ABI_MAJOR, AXON_MBOX_ABI_MINOR);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, mine));
}

static void fw_test_names(struct kunit *test)
{
	u32 i;

	for (i = 0; i < 16; i++) {
		KUNIT_EXPECT_NOT_NULL(test, axon_fw_stage_name(i));
		KUNIT_EXPECT_NOT_NULL(test, axon_fw_error_name(i));
	}
	KUNIT_EXPECT_STREQ(test, axon_fw_stage_name(U32_MAX), "unknown stage");
	KUNIT_EXPECT_STREQ(test, axon_fw_error_name(U32_MAX), "unknown error");
}

static struct kunit_case fw_cases[] = {
	KUNIT_CASE(fw_test_good),
	KUNIT_CASE(fw_test_sizes),
	KUNIT_CASE(fw_test_fields),
	KUNIT_CASE(fw_test_abi),
	KUNIT_CASE(fw_test_names),
	{}
};

static struct kunit_suite fw_suite = {
	.name = "axon_fw",
	.test_cases = fw_cases,
};

kunit_test_suite(fw_suite);
