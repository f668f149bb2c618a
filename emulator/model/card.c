// SPDX-License-Identifier: MIT
/*
 * card.c - the card's outside: registers, reset, the slice loop.
 *
 * Registers are read and written by any thread while the card thread works, so everything they
 * touch is atomic and nothing here waits. What a register asks for (boot, reset, a doorbell) is
 * taken up by axon_card_run() on the card thread.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fabric.h"

#define SLICE_NS		50000u
/* Instructions of the control core between two looks at the rings. */
#define CTRL_BATCH		1000u
#define HBM_MAX			(1ull << 44)
#define HBM_UNIT		(1ull << AXON_HUGE_SHIFT)
#define HOLE			UINT32_MAX

#define get(field)		atomic_load_explicit(&(field), memory_order_relaxed)
#define put(field, value)	atomic_store_explicit(&(field), value, memory_order_relaxed)

void axon_card_log(struct axon_card *card, enum axon_card_log_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (!card->ops.log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	card->ops.log(card->opaque, level, line);
}

void axon_card_host_int(struct axon_card *card, uint32_t causes)
{
	/* Sequentially consistent: a mask written at the same time sees the cause, or we see it. */
	atomic_fetch_or(&card->int_status, causes);
	if (causes & atomic_load(&card->int_mask))
		card->ops.irq(card->opaque, 0);
}

/* ---- registers: any thread ---- */

/* The first bad access stays until it is cleared. */
static void bad_access(struct axon_card *card, uint32_t offset)
{
	uint32_t none = 0;

	atomic_compare_exchange_strong(&card->access_error, &none, offset | 1);
}

static uint32_t half(uint64_t value, uint32_t offset)
{
	return (uint32_t)(offset & 4 ? value >> 32 : value);
}

/* The request counts from the moment it was written, not from when the card thread sees it. */
static uint32_t read_stage(struct axon_card *card)
{
	uint32_t stage = atomic_load_explicit(&card->stage, memory_order_acquire);

	if (atomic_load(&card->reset_request))
		return AXON_STAGE_RESETTING;
	if (stage == AXON_STAGE_IDLE && atomic_load(&card->boot_request))
		return AXON_STAGE_ROM_CHECK;
	return stage;
}

static uint32_t read_timestamp(struct axon_card *card)
{
	uint64_t now = card->ops.now_ns(card->opaque);

	put(card->timestamp_hi, (uint32_t)(now >> 32));
	return (uint32_t)now;
}

static bool read_core(struct axon_card *card, uint32_t offset, uint32_t *value)
{
	uint32_t core = (offset - AXON_REG_CORE(0, 0)) / 0x40;
	uint32_t reg = (offset - AXON_REG_CORE(0, 0)) % 0x40;
	struct axon_core_stats *stats;

	if (offset < AXON_REG_CORE(0, 0) || core >= card->cfg.cores)
		return false;
	stats = axon_core_stats(card, core);
	switch (reg) {
	case AXON_CORE_STATE:
		*value = get(stats->state);
		return true;
	case AXON_CORE_QUEUE:
		*value = get(stats->queue);
		return true;
	case AXON_CORE_BUSY_LO:
	case AXON_CORE_BUSY_HI:
		*value = half(get(stats->busy_ns), reg - AXON_CORE_BUSY_LO);
		return true;
	case AXON_CORE_CYCLES_LO:
	case AXON_CORE_CYCLES_HI:
		*value = half(get(stats->cycles), reg - AXON_CORE_CYCLES_LO);
		return true;
	case AXON_CORE_LAUNCHES_LO:
	case AXON_CORE_LAUNCHES_HI:
		*value = half(get(stats->launches), reg - AXON_CORE_LAUNCHES_LO);
		return true;
	case AXON_CORE_FLOPS_LO:
	case AXON_CORE_FLOPS_HI:
		*value = half(get(stats->flops), reg - AXON_CORE_FLOPS_LO);
		return true;
	default:
		return false;
	}
}

/* What the card is made of. */
static bool read_identity(struct axon_card *card, uint32_t offset, uint32_t *value)
{
	const struct axon_card_config *cfg = &card->cfg;

	switch (offset) {
	case AXON_REG_ID:
		*value = AXON_ID_MAGIC;
		return true;
	case AXON_REG_VERSION:
		*value = AXON_HW_VERSION_MAJOR << 16 | AXON_HW_VERSION_MINOR;
		return true;
	case AXON_REG_REVISION:
		*value = cfg->revision;
		return true;
	case AXON_REG_CORES:
		*value = cfg->cores;
		return true;
	case AXON_REG_HBM_SIZE_LO:
	case AXON_REG_HBM_SIZE_HI:
		*value = half(cfg->hbm_size, offset - AXON_REG_HBM_SIZE_LO);
		return true;
	case AXON_REG_HBM_STACKS:
		*value = cfg->hbm_stacks;
		return true;
	case AXON_REG_QUEUES:
		*value = AXON_MAX_QUEUES;
		return true;
	case AXON_REG_ASIDS:
		*value = AXON_MAX_ASIDS;
		return true;
	case AXON_REG_VECTORS:
		*value = AXON_NUM_VECTORS;
		return true;
	case AXON_REG_SERIAL_LO:
	case AXON_REG_SERIAL_HI:
		*value = half(cfg->serial, offset - AXON_REG_SERIAL_LO);
		return true;
	case AXON_REG_FEATURES:
		*value = card->fabric->linked ? AXON_FEATURE_LINKS : 0;
		return true;
	default:
		return false;
	}
}

static bool read_state(struct axon_card *card, uint32_t offset, uint32_t *value)
{
	switch (offset) {
	case AXON_REG_ACCESS_ERROR:
		*value = get(card->access_error);
		return true;
	case AXON_REG_TIMESTAMP_LO:
		*value = read_timestamp(card);
		return true;
	case AXON_REG_TIMESTAMP_HI:
		*value = get(card->timestamp_hi);
		return true;
	case AXON_REG_BOOT_ADDR_LO:
	case AXON_REG_BOOT_ADDR_HI:
		*value = half(get(card->boot_addr), offset - AXON_REG_BOOT_ADDR_LO);
		return true;
	case AXON_REG_BOOT_SIZE:
		*value = get(card->boot_size);
		return true;
	case AXON_REG_BOOT_STAGE:
		*value = read_stage(card);
		return true;
	case AXON_REG_BOOT_ERROR:
		*value = get(card->boot_error);
		return true;
	case AXON_REG_RESET_COUNT:
		*value = get(card->reset_count);
		return true;
	case AXON_REG_INT_STATUS:
		*value = atomic_load(&card->int_status);
		return true;
	case AXON_REG_INT_MASK:
		*value = get(card->int_mask);
		return true;
	default:
		return false;
	}
}

static bool mod_vector(uint32_t offset, uint32_t *v)
{
	if (offset < AXON_REG_MSIX_MOD(0) || offset >= AXON_REG_MSIX_MOD(AXON_NUM_VECTORS))
		return false;
	*v = (offset - AXON_REG_MSIX_MOD(0)) / 4;
	return true;
}

uint32_t axon_card_read(struct axon_card *card, uint32_t offset)
{
	uint32_t value, v;

	if (!(offset & 3) && offset < AXON_REGS_SIZE) {
		if (read_state(card, offset, &value) || read_identity(card, offset, &value) ||
		    read_core(card, offset, &value) || axon_fabric_read(card, offset, &value))
			return value;
		if (mod_vector(offset, &v))
			return get(card->msix_mod[v]);
	}
	bad_access(card, offset);
	return HOLE;
}

static void write_boot_addr(struct axon_card *card, uint32_t offset, uint32_t value)
{
	uint64_t old = get(card->boot_addr), new;

	do {
		if (offset == AXON_REG_BOOT_ADDR_LO)
			new = (old & ~0xffffffffull) | value;
		else
			new = (old & 0xffffffffull) | (uint64_t)value << 32;
	} while (!atomic_compare_exchange_weak(&card->boot_addr, &old, new));
}

static void write_mask(struct axon_card *card, uint32_t value)
{
	uint32_t fresh = value & AXON_INT_ALL & ~atomic_exchange(&card->int_mask,
								 value & AXON_INT_ALL);

	/* A cause that came while it was masked is not lost. */
	if (fresh & atomic_load(&card->int_status))
		card->ops.irq(card->opaque, 0);
}

/* A register that makes the card thread do something. @key: the only value it takes. */
static bool write_request(struct axon_card *card, _Atomic uint32_t *request, uint32_t value,
			  uint32_t key)
{
	if (value != key)
		return false;
	atomic_store(request, 1);
	card->ops.wake(card->opaque);
	return true;
}

static bool write_reg(struct axon_card *card, uint32_t offset, uint32_t value)
{
	uint32_t v;

	switch (offset) {
	case AXON_REG_ACCESS_ERROR:
		/* Any set bit clears the one record there is. */
		if (value)
			put(card->access_error, 0);
		return true;
	case AXON_REG_BOOT_ADDR_LO:
	case AXON_REG_BOOT_ADDR_HI:
		write_boot_addr(card, offset, value);
		return true;
	case AXON_REG_BOOT_SIZE:
		put(card->boot_size, value);
		return true;
	case AXON_REG_BOOT_CTRL:
		return write_request(card, &card->boot_request, value, AXON_BOOT_START);
	case AXON_REG_RESET:
		return write_request(card, &card->reset_request, value, AXON_RESET_CARD);
	case AXON_REG_INT_STATUS:
		atomic_fetch_and(&card->int_status, ~value);
		return true;
	case AXON_REG_INT_MASK:
		write_mask(card, value);
		return true;
	case AXON_REG_MBOX_DOORBELL:
		return write_request(card, &card->mbox_rung, 1, 1);
	default:
		if (!mod_vector(offset, &v))
			return false;
		put(card->msix_mod[v], value);
		return true;
	}
}

void axon_card_write(struct axon_card *card, uint32_t offset, uint32_t value)
{
	if ((offset & 3) || offset >= AXON_REGS_SIZE || !write_reg(card, offset, value))
		bad_access(card, offset);
}

void axon_card_doorbell(struct axon_card *card, uint32_t queue)
{
	if (queue >= AXON_MAX_QUEUES)
		return;
	atomic_fetch_or(&card->rung[queue / 64], 1ull << queue % 64);
	card->ops.wake(card->opaque);
}

/* ---- the card thread ---- */

static void registers_reset(struct axon_card *card)
{
	atomic_store(&card->boot_addr, 0);
	atomic_store(&card->boot_size, 0);
	atomic_store(&card->boot_request, 0);
	atomic_store(&card->boot_error, AXON_BOOT_OK);
	atomic_store(&card->int_status, 0);
	atomic_store(&card->int_mask, 0);
	atomic_store(&card->mbox_rung, 0);
	atomic_store(&card->access_error, 0);
	atomic_store(&card->timestamp_hi, 0);
	for (uint32_t v = 0; v < AXON_NUM_VECTORS; v++)
		atomic_store(&card->msix_mod[v], 0);
	for (uint32_t i = 0; i < AXON_MAX_QUEUES / 64; i++)
		atomic_store(&card->rung[i], 0);
}

void axon_card_reset(struct axon_card *card)
{
	atomic_store(&card->stage, AXON_STAGE_RESETTING);
	axon_fabric_mark(card, AXON_PLACE_RESET, true);
	axon_fabric_quiesce(card);
	axon_ctrl_reset(card);
	axon_queues_reset(card);
	axon_vectors_reset(card);
	axon_mmu_reset(card);
	registers_reset(card);
	card->ctrl_next = 0;
	card->more = false;
	atomic_fetch_add(&card->reset_count, 1);
	axon_fabric_mark(card, AXON_PLACE_RESET, false);
	atomic_store(&card->stage, AXON_STAGE_IDLE);
	/* Last: from here on the host reads IDLE, and what it writes counts. */
	atomic_store(&card->reset_request, 0);
}

void axon_card_drop_mappings(struct axon_card *card)
{
	axon_mmu_drop_mappings(card);
}

static bool ctrl_alive(struct axon_card *card)
{
	uint32_t stage = get(card->stage);

	return stage == AXON_STAGE_FW_START || stage == AXON_STAGE_READY;
}

static void take_requests(struct axon_card *card)
{
	if (atomic_load_explicit(&card->reset_request, memory_order_acquire))
		axon_card_reset(card);
	if (!get(card->boot_request))
		return;
	if (get(card->stage) == AXON_STAGE_IDLE) {
		axon_boot(card);
		card->ctrl_next = 0;
	} else {
		axon_card_log(card, AXON_CARD_WARN, "boot request in stage %u dropped",
			      (unsigned int)get(card->stage));
	}
	atomic_store(&card->boot_request, 0);
}

/* The control core mostly sleeps; it is looked at only when something could have woken it. */
static bool run_ctrl(struct axon_card *card, uint64_t now)
{
	if (!ctrl_alive(card)) {
		/* Nobody will answer; that must not keep the card awake. */
		if (get(card->mbox_rung) || get(card->ctrl_kick)) {
			atomic_store(&card->mbox_rung, 0);
			atomic_store(&card->ctrl_kick, 0);
		}
		return false;
	}
	if (now < card->ctrl_next && !get(card->mbox_rung) && !get(card->ctrl_kick))
		return false;
	atomic_store(&card->ctrl_kick, 0);
	if (axon_ctrl_run(card, CTRL_BATCH)) {
		card->ctrl_next = 0;
		return true;
	}
	card->ctrl_next = axon_ctrl_deadline(card);
	return card->ctrl_next <= now;
}

static void links_changed(struct axon_card *card)
{
	axon_mmu_drop_links(card);
	axon_queues_links_changed(card);
	axon_card_host_int(card, AXON_INT_LINK);
}

bool axon_card_run(struct axon_card *card)
{
	uint64_t now = card->ops.now_ns(card->opaque);
	uint64_t deadline = now + SLICE_NS;
	bool more;

	/* Outside of the slice: a reset waits for the slices of others. */
	take_requests(card);
	if (axon_fabric_enter(card))
		links_changed(card);
	axon_mmu_trim(card);
	do {
		more = run_ctrl(card, now);
		more |= axon_queues_run(card, deadline);
		if (!more)
			break;
		now = card->ops.now_ns(card->opaque);
	} while (now < deadline);
	axon_fabric_leave(card);
	card->more = more;
	return more;
}

/* Requests of any thread that axon_card_run() has not taken up. */
static bool requested(struct axon_card *card)
{
	if (atomic_load(&card->reset_request) || atomic_load(&card->boot_request) ||
	    atomic_load(&card->mbox_rung) || atomic_load(&card->ctrl_kick) ||
	    atomic_load(&card->gang_kick) || atomic_load(&axon_card_place(card)->changed))
		return true;
	for (uint32_t i = 0; i < AXON_MAX_QUEUES / 64; i++)
		if (atomic_load(&card->rung[i]))
			return true;
	return false;
}

bool axon_card_prepare_sleep(struct axon_card *card, uint64_t *deadline_ns)
{
	bool idle = !card->more && axon_queues_prepare_sleep(card, deadline_ns);

	if (!idle) {
		*deadline_ns = UINT64_MAX;
		return false;
	}
	if (ctrl_alive(card)) {
		uint64_t deadline = axon_ctrl_deadline(card);

		if (deadline < *deadline_ns)
			*deadline_ns = deadline;
	}
	/* After everything is announced: who comes later sees it and wakes us. */
	atomic_thread_fence(memory_order_seq_cst);
	return !requested(card) && *deadline_ns > card->ops.now_ns(card->opaque);
}

uint32_t axon_card_waits_for(struct axon_card *card)
{
	return axon_queues_wait_for(card);
}

int axon_card_set(struct axon_card *card, enum axon_card_knob knob, int64_t value)
{
	int ret;

	if (knob == AXON_KNOB_DROP_IRQ)
		return axon_vectors_drop(card, value);
	if (knob == AXON_KNOB_LINK_DOWN) {
		if (value != 0 && value != 1)
			return -EINVAL;
		axon_fabric_mark(card, AXON_PLACE_DOWN, value);
		return 0;
	}
	ret = axon_ctrl_set(card, knob, value);
	if (ret)
		return ret;
	atomic_store(&card->ctrl_kick, 1);
	card->ops.wake(card->opaque);
	return 0;
}

void *axon_card_hbm(struct axon_card *card)
{
	return card->hbm;
}

void *axon_card_mbox(struct axon_card *card)
{
	return card->mbox;
}

/* ---- life ---- */

static bool config_ok(const struct axon_card_config *cfg)
{
	if (cfg->cores < 1 || cfg->cores > AXON_MAX_CORES)
		return false;
	if (cfg->hbm_stacks != 1 && cfg->hbm_stacks != 2 && cfg->hbm_stacks != 4)
		return false;
	if (cfg->revision != AXON_REVISION_A1 || (!cfg->fabric && cfg->place))
		return false;
	if (!cfg->hbm_size || cfg->hbm_size > HBM_MAX ||
	    cfg->hbm_size % (HBM_UNIT * cfg->hbm_stacks))
		return false;
	return (uintptr_t)cfg->hbm % AXON_PAGE_SIZE == 0 &&
	       (uintptr_t)cfg->mbox % AXON_PAGE_SIZE == 0;
}

static bool ops_ok(const struct axon_card_ops *ops)
{
	return ops->dma_map && ops->dma_unmap && ops->irq && ops->wake && ops->now_ns;
}

static int memory_create(struct axon_card *card)
{
	card->hbm = card->cfg.hbm;
	card->mbox = card->cfg.mbox;
	if (!card->hbm) {
		void *p = mmap(NULL, card->cfg.hbm_size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			return -ENOMEM;
		/* An optimisation the host may refuse. */
		(void)madvise(p, card->cfg.hbm_size, MADV_HUGEPAGE);
		card->hbm = p;
		card->hbm_own = true;
	}
	if (!card->mbox) {
		card->mbox = aligned_alloc(AXON_PAGE_SIZE, AXON_MBOX_SIZE);
		if (!card->mbox)
			return -ENOMEM;
		card->mbox_own = true;
	}
	return 0;
}

static int parts_create(struct axon_card *card)
{
	int ret = memory_create(card);

	if (!ret)
		ret = axon_fabric_join(card);
	if (!ret)
		ret = axon_mmu_create(card);
	for (uint32_t c = 0; !ret && c < card->cfg.cores; c++)
		ret = axon_core_create(card, c);
	if (!ret)
		ret = axon_vectors_create(card);
	if (!ret)
		ret = axon_queues_create(card);
	if (!ret)
		ret = axon_ctrl_create(card);
	/* At last: from now on others can reach its memory. */
	if (!ret)
		ret = axon_fabric_attach(card);
	return ret;
}

int axon_card_create(const struct axon_card_config *config, const struct axon_card_ops *ops,
		     void *opaque, struct axon_card **card)
{
	struct axon_card *c;
	int ret;

	if (!config_ok(config) || !ops_ok(ops))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->cfg = *config;
	c->ops = *ops;
	c->opaque = opaque;
	ret = parts_create(c);
	if (ret) {
		axon_card_destroy(c);
		return ret;
	}
	*card = c;
	return 0;
}

void axon_card_destroy(struct axon_card *card)
{
	if (!card)
		return;
	if (card->fabric)
		axon_fabric_detach(card);
	/* Launches end before their cores go, mappings before the card does. */
	if (card->queues)
		axon_queues_reset(card);
	if (card->ctrl)
		axon_ctrl_destroy(card);
	axon_queues_destroy(card);
	axon_vectors_destroy(card);
	axon_mmu_destroy(card);
	for (uint32_t c = 0; c < card->cfg.cores; c++)
		if (card->core[c])
			axon_core_destroy(card, c);
	axon_fabric_part(card);
	if (card->hbm_own)
		munmap(card->hbm, card->cfg.hbm_size);
	if (card->mbox_own)
		free(card->mbox);
	free(card);
}
