/* SPDX-License-Identifier: MIT */
/*
 * ctrl_fakes.h - a card that consists of a control core only, for its tests.
 *
 * Takes the place of card.c, mmu.c, queue.c and core.c at link time: records what the control core
 * asked of them and answers what the test wants. Time stands still unless the test moves it.
 */
#ifndef AXON_TESTS_CTRL_FAKES_H
#define AXON_TESTS_CTRL_FAKES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "internal.h"

#define FAKE_HBM_SIZE	(4u << 20)

/* What the fakes saw and what they answer. */
static struct {
	uint64_t now;
	uint32_t int_count;
	uint32_t response_ints;
	uint32_t event_ints;
	uint32_t dead_ints;
	char log[256];
	enum axon_p_result result;
	char called[32];
	uint32_t asid;
	uint32_t queues_asid;
	uint64_t root;
	struct axon_queue_params queue;
	uint32_t core, kill_queue;
	bool asid_used;
	struct axon_core_stats stats[AXON_MAX_CORES];
} fake;

static uint64_t fake_now_ns(void *opaque)
{
	return fake.now;
}

static void fake_wake(void *opaque)
{
}

void axon_card_log(struct axon_card *card, enum axon_card_log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(fake.log, sizeof(fake.log), fmt, args);
	va_end(args);
}

void axon_card_host_int(struct axon_card *card, uint32_t causes)
{
	atomic_fetch_or(&card->int_status, causes);
	fake.int_count++;
	fake.response_ints += !!(causes & AXON_INT_MBOX_RESPONSE);
	fake.event_ints += !!(causes & AXON_INT_MBOX_EVENT);
	fake.dead_ints += !!(causes & AXON_INT_FW_DEAD);
}

static enum axon_p_result fake_call(const char *name)
{
	snprintf(fake.called, sizeof(fake.called), "%s", name);
	return fake.result;
}

enum axon_p_result axon_mmu_enable(struct axon_card *card, uint32_t asid, uint64_t root)
{
	fake.asid = asid;
	fake.root = root;
	return fake_call("mmu_enable");
}

enum axon_p_result axon_mmu_disable(struct axon_card *card, uint32_t asid)
{
	fake.asid = asid;
	return fake_call("mmu_disable");
}

enum axon_p_result axon_mmu_invalidate(struct axon_card *card, uint32_t asid)
{
	fake.asid = asid;
	return fake_call("mmu_invalidate");
}

void axon_queues_invalidated(struct axon_card *card, uint32_t asid)
{
	fake.queues_asid = asid;
}

enum axon_p_result axon_queue_create(struct axon_card *card, const struct axon_queue_params *p)
{
	fake.queue = *p;
	return fake_call("queue_create");
}

enum axon_p_result axon_queue_destroy(struct axon_card *card, uint32_t id)
{
	fake.queue.id = id;
	return fake_call("queue_destroy");
}

bool axon_queues_use_asid(struct axon_card *card, uint32_t asid)
{
	return fake.asid_used;
}

enum axon_p_result axon_queue_kill(struct axon_card *card, uint32_t core, uint32_t queue)
{
	fake.core = core;
	fake.kill_queue = queue;
	return fake_call("queue_kill");
}

enum axon_p_result axon_queue_kill_waiter(struct axon_card *card, uint32_t core,
					  uint32_t queue)
{
	fake.core = core;
	fake.kill_queue = queue;
	return fake_call("queue_kill_waiter");
}

enum axon_p_result axon_core_reset_any(struct axon_card *card, uint32_t core)
{
	fake.core = core;
	return fake_call("core_reset_any");
}

struct axon_core_stats *axon_core_stats(struct axon_card *card, uint32_t index)
{
	return &fake.stats[index];
}

static struct axon_card *fake_card_create(void)
{
	struct axon_card *card = calloc(1, sizeof(*card));

	assert_non_null(card);
	memset(&fake, 0, sizeof(fake));
	fake.now = 1000000000;
	card->cfg.cores = 2;
	card->cfg.hbm_stacks = 1;
	card->cfg.revision = AXON_REVISION_A1;
	card->cfg.hbm_size = FAKE_HBM_SIZE;
	card->ops.now_ns = fake_now_ns;
	card->ops.wake = fake_wake;
	card->hbm = calloc(1, FAKE_HBM_SIZE);
	card->mbox = aligned_alloc(AXON_PAGE_SIZE, AXON_MBOX_SIZE);
	assert_non_null(card->hbm);
	assert_non_null(card->mbox);
	assert_int_equal(axon_ctrl_create(card), 0);
	return card;
}

static void fake_card_destroy(struct axon_card *card)
{
	axon_ctrl_destroy(card);
	free(card->hbm);
	free(card->mbox);
	free(card);
}

/* Like a reset of the whole card, as far as the control core sees it. */
static inline void fake_card_reset(struct axon_card *card)
{
	axon_ctrl_reset(card);
	card->stage = AXON_STAGE_IDLE;
	card->boot_error = AXON_BOOT_OK;
	card->int_status = 0;
}

/* Puts an image at @addr of HBM and lets the boot ROM take it. */
static inline void fake_boot(struct axon_card *card, uint64_t addr, const void *image,
			     uint32_t size)
{
	if (addr < FAKE_HBM_SIZE && size <= FAKE_HBM_SIZE - addr && size <= AXON_FW_MAX_SIZE)
		memcpy(card->hbm + addr, image, size);
	card->boot_addr = addr;
	card->boot_size = size;
	axon_boot(card);
}

#endif /* AXON_TESTS_CTRL_FAKES_H */
