// SPDX-License-Identifier: MIT
/*
 * fw_boot.c - the boot ROM: every way an image can be wrong gives its own error, and leaves
 * nothing behind.
 */
#include <nettle/sha2.h>

#include "fw_host.h"

#define WHERE	0x10000u

static int setup(void **state)
{
	*state = fake_card_create();
	return 0;
}

static uint32_t boot(struct axon_card *card, uint64_t addr, const void *image, uint32_t size)
{
	fake_card_reset(card);
	fake_boot(card, addr, image, size);
	if (card->boot_error) {
		assert_int_equal(card->stage, AXON_STAGE_FAILED);
		assert_false(axon_ctrl_run(card, 1000));
		assert_true(axon_ctrl_deadline(card) == UINT64_MAX);
	} else {
		assert_int_equal(card->stage, AXON_STAGE_FW_START);
	}
	return card->boot_error;
}

static bool ram_is_zero(struct axon_card *card)
{
	uint32_t i;

	for (i = 0; i < AXON_CTRL_RAM_SIZE; i++) {
		if (axon_ctrl_ram(card)[i])
			return false;
	}
	return true;
}

/* A copy of the image in its own allocation, so that a sanitizer guards its end. */
static uint8_t *copy_image(void)
{
	uint8_t *copy = malloc(fw_size);

	assert_non_null(copy);
	memcpy(copy, fw_image, fw_size);
	return copy;
}

/* Makes the hash right again, so that only the field under test is wrong. */
static void seal(uint8_t *image, uint32_t size)
{
	struct axon_fw_header *h = (void *)image;
	struct sha256_ctx ctx;

	memset(h->sha256, 0, sizeof(h->sha256));
	sha256_init(&ctx);
	sha256_update(&ctx, size, image);
	sha256_digest(&ctx, sizeof(h->sha256), h->sha256);
}

static void truncated(void **state)
{
	struct axon_card *card = *state;
	uint32_t size;

	for (size = 0; size < fw_size; size += 64) {
		uint32_t error = boot(card, WHERE, fw_image, size);

		/* the header says another size */
		assert_int_equal(error, AXON_BOOT_BAD_HEADER);
		assert_true(ram_is_zero(card));
	}
	assert_int_equal(boot(card, WHERE, fw_image, fw_size - 1), AXON_BOOT_BAD_HEADER);
	assert_int_equal(boot(card, WHERE, fw_image, fw_size + 1), AXON_BOOT_BAD_HEADER);
	assert_int_equal(boot(card, WHERE, fw_image, fw_size), AXON_BOOT_OK);
}

/* Truncated, and the header says so: the hash is what notices. */
static void truncated_consistently(void **state)
{
	struct axon_card *card = *state;
	uint8_t *image = copy_image();
	struct axon_fw_header *h = (void *)image;
	uint32_t size;

	for (size = AXON_FW_HEADER_SIZE + 64; size < fw_size; size += 64) {
		h->payload_size = size - AXON_FW_HEADER_SIZE;
		assert_int_equal(boot(card, WHERE, image, size), AXON_BOOT_BAD_HASH);
		assert_true(ram_is_zero(card));
	}
	free(image);
}

static bool expected(uint32_t offset, uint32_t error)
{
	if (offset < 4)
		return error == AXON_BOOT_BAD_MAGIC;
	if (offset < 8)
		return error == AXON_BOOT_BAD_HEADER;
	if (offset < 12)
		return error == AXON_BOOT_BAD_ABI;
	if (offset < 16)	/* mbox_abi is the driver's business */
		return error == AXON_BOOT_BAD_HASH;
	if (offset < 20)
		return error == AXON_BOOT_BAD_REVISION;
	if (offset < 24)
		return error == AXON_BOOT_BAD_HEADER;
	if (offset < 36)	/* addresses: a flip may give others that are possible */
		return error == AXON_BOOT_BAD_BOUNDS || error == AXON_BOOT_BAD_HASH;
	if (offset < 40)
		return error == AXON_BOOT_BAD_HASH;
	if (offset < 48)
		return error == AXON_BOOT_BAD_HEADER;
	if (offset < 112)
		return error == AXON_BOOT_BAD_HASH;
	return error == AXON_BOOT_BAD_HEADER;
}

static void flipped_header_bits(void **state)
{
	struct axon_card *card = *state;
	uint8_t *image = copy_image();
	uint32_t bit;

	for (bit = 0; bit < 8 * AXON_FW_HEADER_SIZE; bit++) {
		image[bit / 8] ^= 1u << bit % 8;
		if (!expected(bit / 8, boot(card, WHERE, image, fw_size)))
			fail_msg("bit %u: error %u", bit, card->boot_error);
		assert_true(ram_is_zero(card));
		image[bit / 8] ^= 1u << bit % 8;
	}
	assert_int_equal(boot(card, WHERE, image, fw_size), AXON_BOOT_OK);
	free(image);
}

static void flipped_payload_bits(void **state)
{
	struct axon_card *card = *state;
	uint8_t *image = copy_image();
	uint32_t at;

	for (at = AXON_FW_HEADER_SIZE; at < fw_size; at += 61) {
		image[at] ^= 1u << at % 8;
		assert_int_equal(boot(card, WHERE, image, fw_size), AXON_BOOT_BAD_HASH);
		image[at] ^= 1u << at % 8;
	}
	image[fw_size - 1] ^= 0x80;
	assert_int_equal(boot(card, WHERE, image, fw_size), AXON_BOOT_BAD_HASH);
	assert_true(ram_is_zero(card));
	free(image);
}

/* Addresses, each with a hash that fits. */
static void bounds(void **state)
{
	const uint32_t base = AXON_CTRL_RAM_BASE, end = base + AXON_CTRL_RAM_SIZE, n = 64;
	const struct {
		uint32_t load, entry, bss_end, error;
	} cases[] = {
		{ base, base, base + n, AXON_BOOT_OK },
		{ base + 8, base + 8 + n - 2, end, AXON_BOOT_OK },
		{ end - n, end - n, end, AXON_BOOT_OK },
		{ base - 4, base, end, AXON_BOOT_BAD_BOUNDS },
		{ 0, 0, end, AXON_BOOT_BAD_BOUNDS },
		{ 0xffffffc0, 0xffffffc0, end, AXON_BOOT_BAD_BOUNDS },
		{ end, end, end, AXON_BOOT_BAD_BOUNDS },
		{ end - n + 4, end - n + 4, end, AXON_BOOT_BAD_BOUNDS },
		{ base + 2, base + 2, end, AXON_BOOT_BAD_BOUNDS },
		{ base, base + n, end, AXON_BOOT_BAD_BOUNDS },
		{ base + 4, base, end, AXON_BOOT_BAD_BOUNDS },
		{ base, base + 1, end, AXON_BOOT_BAD_BOUNDS },
		{ base, 0, end, AXON_BOOT_BAD_BOUNDS },
		{ base, base, base + n - 4, AXON_BOOT_BAD_BOUNDS },
		{ base, base, end + 4, AXON_BOOT_BAD_BOUNDS },
		{ base, base, base - 4, AXON_BOOT_BAD_BOUNDS },
		{ base, base, 0, AXON_BOOT_BAD_BOUNDS },
		{ base, base, 0xffffffff, AXON_BOOT_BAD_BOUNDS },
	};
	struct axon_card *card = *state;
	struct axon_fw_header *h;
	uint8_t *image = copy_image();
	size_t i;

	h = (void *)image;
	h->payload_size = n;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		h->load_addr = cases[i].load;
		h->entry = cases[i].entry;
		h->bss_end = cases[i].bss_end;
		seal(image, AXON_FW_HEADER_SIZE + n);
		if (boot(card, WHERE, image, AXON_FW_HEADER_SIZE + n) != cases[i].error)
			fail_msg("case %zu: error %u", i, card->boot_error);
	}
	free(image);
}

static void empty_payload(void **state)
{
	uint8_t *image = copy_image();
	struct axon_fw_header *h = (void *)image;

	h->payload_size = 0;
	h->load_addr = h->entry = h->bss_end = AXON_CTRL_RAM_BASE;
	seal(image, AXON_FW_HEADER_SIZE);
	assert_int_equal(boot(*state, WHERE, image, AXON_FW_HEADER_SIZE), AXON_BOOT_BAD_BOUNDS);
	free(image);
}

/* The version is printed, so it has to end. */
static void version_without_end(void **state)
{
	uint8_t *image = copy_image();
	struct axon_fw_header *h = (void *)image;

	memset(h->version_str, 'x', sizeof(h->version_str));
	seal(image, fw_size);
	assert_int_equal(boot(*state, WHERE, image, fw_size), AXON_BOOT_BAD_HEADER);
	free(image);
}

/* As large as control RAM, at the very end of HBM. */
static void largest_image(void **state)
{
	struct axon_card *card = *state;
	uint8_t *image = calloc(1, AXON_FW_MAX_SIZE);
	struct axon_fw_header *h = (void *)image;

	assert_non_null(image);
	memcpy(image, fw_image, AXON_FW_HEADER_SIZE);
	h->payload_size = AXON_CTRL_RAM_SIZE;
	h->load_addr = h->entry = AXON_CTRL_RAM_BASE;
	h->bss_end = AXON_CTRL_RAM_BASE + AXON_CTRL_RAM_SIZE;
	image[AXON_FW_MAX_SIZE - 1] = 0x5a;
	seal(image, AXON_FW_MAX_SIZE);
	card->cfg.hbm_size = 0x3000 + AXON_FW_MAX_SIZE;
	assert_int_equal(boot(card, 0x3000, image, AXON_FW_MAX_SIZE), AXON_BOOT_OK);
	assert_int_equal(axon_ctrl_ram(card)[AXON_CTRL_RAM_SIZE - 1], 0x5a);
	card->cfg.hbm_size--;
	assert_int_equal(boot(card, 0x3000, image, AXON_FW_MAX_SIZE), AXON_BOOT_BAD_RANGE);
	free(image);
}

static void ranges(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t size;
	} bad[] = {
		{ 1, 1024 }, { WHERE + 4, 1024 }, { WHERE + 2048, 1024 },
		{ FAKE_HBM_SIZE, 1024 }, { FAKE_HBM_SIZE - 4096, 4097 },
		{ FAKE_HBM_SIZE + 4096, 0 }, { UINT64_MAX - 4095, 4096 },
		{ UINT64_MAX - 4095, 8192 },
		{ 1ull << 63, 1024 }, { WHERE, AXON_FW_MAX_SIZE + 1 }, { WHERE, UINT32_MAX },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(boot(*state, bad[i].addr, fw_image, bad[i].size),
				 AXON_BOOT_BAD_RANGE);
	assert_int_equal(boot(*state, FAKE_HBM_SIZE, fw_image, 0), AXON_BOOT_BAD_HEADER);
}

/* The rest of control RAM is zero, and a second start of a running card is refused. */
static void loads_once(void **state)
{
	struct axon_card *card = *state;
	const struct axon_fw_header *h = (const void *)fw_image;
	uint32_t load = h->load_addr - AXON_CTRL_RAM_BASE, i;
	uint8_t *ram = axon_ctrl_ram(card);

	fake_card_reset(card);
	memset(ram, 0xee, AXON_CTRL_RAM_SIZE);
	fake_boot(card, WHERE, fw_image, fw_size);
	assert_int_equal(card->boot_error, AXON_BOOT_OK);
	assert_memory_equal(ram + load, fw_image + AXON_FW_HEADER_SIZE, h->payload_size);
	for (i = 0; i < load; i++)
		assert_int_equal(ram[i], 0);
	for (i = load + h->payload_size; i < AXON_CTRL_RAM_SIZE; i++)
		assert_int_equal(ram[i], 0);
	fw_run(card);
	assert_int_equal(card->stage, AXON_STAGE_READY);
	memset(card->hbm + WHERE, 0, AXON_FW_HEADER_SIZE);
	axon_boot(card);
	assert_int_equal(card->stage, AXON_STAGE_READY);
	assert_int_equal(host_call(card, AXON_MBOX_PING, NULL, 0), AXON_MBOX_OK);
}

/* Payloads of noise with a good hash: whatever they do, the card survives and ends in a stage. */
static void random_payloads(void **state)
{
	struct axon_card *card = *state;
	uint8_t *image = copy_image();
	struct axon_fw_header *h = (void *)image;
	uint64_t rng = 88172645463325252u;
	uint32_t round, i;

	for (round = 0; round < 200; round++) {
		for (i = AXON_FW_HEADER_SIZE; i < fw_size; i++) {
			rng ^= rng << 13;
			rng ^= rng >> 7;
			rng ^= rng << 17;
			image[i] = rng >> 24;
		}
		h->entry = h->load_addr + 2 * (rng % (h->payload_size / 2));
		seal(image, fw_size);
		assert_int_equal(boot(card, WHERE, image, fw_size), AXON_BOOT_OK);
		axon_ctrl_run(card, 20000);
		fake.now += 6000000000u;
		axon_ctrl_run(card, 2000000);
		assert_int_equal(card->stage, AXON_STAGE_FAILED);
		assert_true(card->boot_error == AXON_BOOT_TRAP ||
			    card->boot_error == AXON_BOOT_WATCHDOG);
	}
	free(image);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated),
		cmocka_unit_test(truncated_consistently),
		cmocka_unit_test(flipped_header_bits),
		cmocka_unit_test(flipped_payload_bits),
		cmocka_unit_test(bounds),
		cmocka_unit_test(empty_payload),
		cmocka_unit_test(version_without_end),
		cmocka_unit_test_setup_teardown(largest_image, setup, fw_teardown),
		cmocka_unit_test(ranges),
		cmocka_unit_test(loads_once),
		cmocka_unit_test(random_payloads),
	};

	fw_load(argc, argv);
	return cmocka_run_group_tests(tests, setup, fw_teardown);
}
