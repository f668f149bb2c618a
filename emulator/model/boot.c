// SPDX-License-Identifier: MIT
/*
 * boot.c - the boot ROM: takes the firmware image out of HBM, checks it, starts it.
 *
 * The host can write HBM at any time, so every byte is read once: the header into the ROM's own
 * variable, the payload into control RAM, and only these copies are checked. Nothing of an image
 * that fails a check stays in control RAM.
 *
 * Documentation/hardware.rst, "Boot".
 */
#include <string.h>

#include <nettle/sha2.h>

#include "internal.h"

static enum axon_boot_error check_range(const struct axon_card *card, uint64_t addr, uint32_t size)
{
	if (addr % AXON_PAGE_SIZE || size > AXON_FW_MAX_SIZE)
		return AXON_BOOT_BAD_RANGE;
	if (addr > card->cfg.hbm_size || size > card->cfg.hbm_size - addr)
		return AXON_BOOT_BAD_RANGE;
	return AXON_BOOT_OK;
}

static bool all_zero(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < size; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* Everything about the header but its hash; @size is the image's. */
static enum axon_boot_error check_header(const struct axon_card *card,
					 const struct axon_fw_header *h, uint32_t size)
{
	uint32_t load;

	if (h->magic != AXON_FW_MAGIC)
		return AXON_BOOT_BAD_MAGIC;
	if (h->header_size != AXON_FW_HEADER_SIZE)
		return AXON_BOOT_BAD_HEADER;
	if (h->rom_abi != AXON_FW_ROM_ABI)
		return AXON_BOOT_BAD_ABI;
	if (h->revision != card->cfg.revision)
		return AXON_BOOT_BAD_REVISION;
	if (h->payload_size != size - AXON_FW_HEADER_SIZE ||
	    !all_zero(h->reserved0, sizeof(h->reserved0)) ||
	    !all_zero(h->reserved, sizeof(h->reserved)) ||
	    !memchr(h->version_str, 0, sizeof(h->version_str)))
		return AXON_BOOT_BAD_HEADER;

	load = h->load_addr - AXON_CTRL_RAM_BASE;
	if (load > AXON_CTRL_RAM_SIZE || h->payload_size > AXON_CTRL_RAM_SIZE - load ||
	    h->load_addr % 4)
		return AXON_BOOT_BAD_BOUNDS;
	if (h->entry - h->load_addr >= h->payload_size || h->entry % 2)
		return AXON_BOOT_BAD_BOUNDS;
	/* The difference is right also for the end of RAM that load_addr + payload_size may be. */
	if (h->bss_end - AXON_CTRL_RAM_BASE > AXON_CTRL_RAM_SIZE ||
	    h->bss_end - AXON_CTRL_RAM_BASE < load + h->payload_size)
		return AXON_BOOT_BAD_BOUNDS;
	return AXON_BOOT_OK;
}

static bool hash_matches(const struct axon_fw_header *header, const uint8_t *payload)
{
	struct axon_fw_header h = *header;
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	_Static_assert(sizeof(h.sha256) == sizeof(digest), "the header holds a SHA-256");
	memset(h.sha256, 0, sizeof(h.sha256));
	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(h), (const uint8_t *)&h);
	sha256_update(&ctx, h.payload_size, payload);
	sha256_digest(&ctx, sizeof(digest), digest);
	return !memcmp(digest, header->sha256, sizeof(digest));
}

/* On success the image is in control RAM, all other bytes of which are zero. */
static enum axon_boot_error load_image(struct axon_card *card, struct axon_fw_header *header)
{
	uint64_t addr = atomic_load(&card->boot_addr);
	uint32_t size = atomic_load(&card->boot_size);
	uint8_t *ram = axon_ctrl_ram(card), *payload;
	enum axon_boot_error error = check_range(card, addr, size);

	if (error)
		return error;
	if (size < AXON_FW_HEADER_SIZE)
		return AXON_BOOT_BAD_HEADER;
	memcpy(header, card->hbm + addr, sizeof(*header));
	error = check_header(card, header, size);
	if (error)
		return error;
	memset(ram, 0, AXON_CTRL_RAM_SIZE);
	payload = ram + (header->load_addr - AXON_CTRL_RAM_BASE);
	memcpy(payload, card->hbm + addr + AXON_FW_HEADER_SIZE, header->payload_size);
	if (!hash_matches(header, payload)) {
		memset(ram, 0, AXON_CTRL_RAM_SIZE);
		return AXON_BOOT_BAD_HASH;
	}
	return AXON_BOOT_OK;
}

void axon_boot(struct axon_card *card)
{
	struct axon_fw_header header;
	enum axon_boot_error error;

	/* A second start would pull the memory from under a running firmware. */
	if (card->stage != AXON_STAGE_IDLE) {
		axon_card_log(card, AXON_CARD_WARN, "boot request ignored in stage %u",
			      card->stage);
		return;
	}
	card->boot_error = AXON_BOOT_OK;
	card->stage = AXON_STAGE_ROM_CHECK;
	error = load_image(card, &header);
	if (error) {
		axon_card_log(card, AXON_CARD_WARN, "firmware image refused, error %u", error);
		card->boot_error = error;
		card->stage = AXON_STAGE_FAILED;
		return;
	}
	axon_card_log(card, AXON_CARD_INFO, "firmware %s starts", header.version_str);
	axon_ctrl_start(card, header.entry);
}
