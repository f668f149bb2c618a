// SPDX-License-Identifier: MIT
/*
 * ctrl.c - the control core among its memories and peripherals.
 *
 * Implements the second half of uapi/axon_fw.h: control RAM, the mailbox SRAM, timer, watchdog,
 * fault FIFO and the peripherals by which the firmware works the card. What the firmware does
 * with them is not known here, and whatever it does the model must survive it.
 *
 * Documentation/hardware.rst, "Control core".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "rv32.h"
#include "sensors.h"

#define CLINT_SIZE		0x0000c000u
#define FAULT_SLOTS		64u
#define FAULT_WORDS		(sizeof(struct axon_fault) / 4)
#define RUN_CHUNK		4096u		/* instructions between looks at the inputs */
#define BOOT_WATCHDOG_US	5000000u	/* armed by the ROM until the firmware does */
/*
 * The watchdog runs on the host's clock, which goes on while the host does not run the card. So
 * an expired watchdog bites only when the firmware had this many instructions to feed it late.
 */
#define WATCHDOG_GRACE		1000000u
#define TEMP_OFFSET_MAX		200000		/* millidegrees */
#define NEVER			UINT64_MAX

_Static_assert(sizeof(struct axon_fault) % 4 == 0, "read word by word");

/**
 * struct axon_ctrl - the control core and its surroundings; the card thread's but for @stalled
 * @cpu: the core
 * @ram: control RAM
 * @running: started and not dead
 * @stalled: AXON_KNOB_STALL_FW (any thread)
 * @power_on_ns: now_ns() at power-on, where mtime is 0
 * @msip: software interrupt
 * @mtimecmp: microseconds
 * @irq_latched: AXON_P_IRQ_MBOX if the host rang since the last acknowledgement
 * @irq_enable: AXON_P_IRQ_ENABLE
 * @watchdog: mtime at which it bites, or NEVER
 * @watchdog_late: it expired, and
 * @watchdog_seen: at this count of instructions that was noticed
 * @as_id: operand, as the following ones
 * @fault: ring of records, the oldest at @fault_head
 * @fault_head: index of the oldest
 * @fault_count: records
 * @fault_lost: records that found it full
 * @energy_hi: latched by a read of AXON_P_ENERGY_LO
 * @sensors: survive a reset of the card
 */
struct axon_ctrl {
	struct axon_rv32 *cpu;
	uint8_t *ram;
	bool running;
	atomic_bool stalled;
	uint64_t power_on_ns;
	uint32_t msip;
	uint64_t mtimecmp;
	uint32_t irq_latched;
	uint32_t irq_enable;
	uint64_t watchdog;
	bool watchdog_late;
	uint64_t watchdog_seen;
	uint32_t as_id;
	uint64_t as_root;
	uint32_t as_result;
	struct axon_queue_params queue;
	uint32_t queue_result;
	uint32_t core_id;
	uint32_t core_match;
	uint32_t core_result;
	struct axon_fault fault[FAULT_SLOTS];
	uint32_t fault_head;
	uint32_t fault_count;
	uint32_t fault_lost;
	uint32_t energy_hi;
	struct axon_sensors sensors;
};

/* ---- time ---- */

static uint64_t now_ns(struct axon_card *card)
{
	return card->ops.now_ns(card->opaque);
}

static uint64_t mtime(struct axon_card *card)
{
	uint64_t now = now_ns(card), start = card->ctrl->power_on_ns;

	return now > start ? (now - start) / 1000 : 0;
}

/* now_ns() at which mtime reaches @us. */
static uint64_t mtime_to_ns(const struct axon_ctrl *ctrl, uint64_t us)
{
	if (us > (UINT64_MAX - ctrl->power_on_ns) / 1000)
		return NEVER;
	return ctrl->power_on_ns + us * 1000;
}

static void set_low(uint64_t *word, uint32_t value)
{
	*word = (*word & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *word, uint32_t value)
{
	*word = (*word & UINT32_MAX) | (uint64_t)value << 32;
}

/* ---- interrupt lines ---- */

static uint32_t irq_pending(const struct axon_ctrl *ctrl)
{
	return ctrl->irq_latched | (ctrl->fault_count ? AXON_P_IRQ_FAULT : 0);
}

static void update_lines(struct axon_card *card)
{
	struct axon_ctrl *ctrl = card->ctrl;

	axon_rv32_set_irq(ctrl->cpu, AXON_RV32_IRQ_SOFTWARE, ctrl->msip);
	axon_rv32_set_irq(ctrl->cpu, AXON_RV32_IRQ_TIMER, mtime(card) >= ctrl->mtimecmp);
	axon_rv32_set_irq(ctrl->cpu, AXON_RV32_IRQ_EXTERNAL,
			  irq_pending(ctrl) & ctrl->irq_enable);
}

/* Takes what other threads asked for and updates the lines. */
static void poll_inputs(struct axon_card *card)
{
	if (atomic_load_explicit(&card->mbox_rung, memory_order_relaxed) &&
	    atomic_exchange(&card->mbox_rung, 0))
		card->ctrl->irq_latched |= AXON_P_IRQ_MBOX;
	update_lines(card);
}

/* ---- mailbox SRAM: the host reads and writes it at the same time ---- */

/* Acquire and release: what the firmware stores before an index is seen before the index. */

static bool mbox_load(struct axon_card *card, uint32_t off, unsigned int size, uint32_t *value)
{
	uint8_t *at = card->mbox + off;

	switch (size) {
	case 1:
		*value = atomic_load_explicit((_Atomic uint8_t *)at, memory_order_acquire);
		return true;
	case 2:
		*value = atomic_load_explicit((_Atomic uint16_t *)at, memory_order_acquire);
		return true;
	}
	*value = atomic_load_explicit((_Atomic uint32_t *)at, memory_order_acquire);
	return true;
}

static bool mbox_store(struct axon_card *card, uint32_t off, unsigned int size, uint32_t value)
{
	uint8_t *at = card->mbox + off;

	switch (size) {
	case 1:
		atomic_store_explicit((_Atomic uint8_t *)at, value, memory_order_release);
		return true;
	case 2:
		atomic_store_explicit((_Atomic uint16_t *)at, value, memory_order_release);
		return true;
	}
	atomic_store_explicit((_Atomic uint32_t *)at, value, memory_order_release);
	return true;
}

/* ---- timer ---- */

static bool clint_load(struct axon_card *card, uint32_t off, uint32_t *value)
{
	struct axon_ctrl *ctrl = card->ctrl;

	switch (off) {
	case AXON_CLINT_MSIP:
		*value = ctrl->msip;
		return true;
	case AXON_CLINT_MTIMECMP:
		*value = (uint32_t)ctrl->mtimecmp;
		return true;
	case AXON_CLINT_MTIMECMP + 4:
		*value = (uint32_t)(ctrl->mtimecmp >> 32);
		return true;
	case AXON_CLINT_MTIME:
		*value = (uint32_t)mtime(card);
		return true;
	case AXON_CLINT_MTIME + 4:
		*value = (uint32_t)(mtime(card) >> 32);
		return true;
	}
	return false;
}

static bool clint_store(struct axon_card *card, uint32_t off, uint32_t value)
{
	struct axon_ctrl *ctrl = card->ctrl;

	switch (off) {
	case AXON_CLINT_MSIP:
		ctrl->msip = value & 1;
		break;
	case AXON_CLINT_MTIMECMP:
		set_low(&ctrl->mtimecmp, value);
		break;
	case AXON_CLINT_MTIMECMP + 4:
		set_high(&ctrl->mtimecmp, value);
		break;
	default:
		return false;	/* mtime is the card's clock: nobody sets it */
	}
	update_lines(card);
	return true;
}

/* ---- peripherals ---- */

static bool fault_load(const struct axon_ctrl *ctrl, uint32_t off, uint32_t *value)
{
	uint32_t words[FAULT_WORDS] = { 0 };

	if (off - AXON_P_FAULT_DATA >= sizeof(struct axon_fault))
		return false;
	if (ctrl->fault_count)
		memcpy(words, &ctrl->fault[ctrl->fault_head], sizeof(words));
	*value = words[(off - AXON_P_FAULT_DATA) / 4];
	return true;
}

static uint32_t energy_load(struct axon_card *card)
{
	uint64_t energy = axon_sensors_energy(&card->ctrl->sensors, card, now_ns(card));

	card->ctrl->energy_hi = (uint32_t)(energy >> 32);
	return (uint32_t)energy;
}

static uint32_t core_queue(struct axon_card *card)
{
	uint32_t id = card->ctrl->core_id;

	return id < card->cfg.cores ? axon_core_stats(card, id)->queue : AXON_NO_QUEUE;
}

static bool resource_load(struct axon_card *card, uint32_t off, uint32_t *value)
{
	struct axon_ctrl *ctrl = card->ctrl;

	switch (off) {
	case AXON_P_AS_ID: *value = ctrl->as_id; break;
	case AXON_P_AS_ROOT_LO: *value = (uint32_t)ctrl->as_root; break;
	case AXON_P_AS_ROOT_HI: *value = (uint32_t)(ctrl->as_root >> 32); break;
	case AXON_P_AS_RESULT: *value = ctrl->as_result; break;
	case AXON_P_Q_ID: *value = ctrl->queue.id; break;
	case AXON_P_Q_CORE: *value = ctrl->queue.core; break;
	case AXON_P_Q_ASID: *value = ctrl->queue.asid; break;
	case AXON_P_Q_RING_ASID: *value = ctrl->queue.ring_asid; break;
	case AXON_P_Q_ENTRIES: *value = ctrl->queue.entries; break;
	case AXON_P_Q_VECTOR: *value = ctrl->queue.vector; break;
	case AXON_P_Q_SQ_LO: *value = (uint32_t)ctrl->queue.sq; break;
	case AXON_P_Q_SQ_HI: *value = (uint32_t)(ctrl->queue.sq >> 32); break;
	case AXON_P_Q_CQ_LO: *value = (uint32_t)ctrl->queue.cq; break;
	case AXON_P_Q_CQ_HI: *value = (uint32_t)(ctrl->queue.cq >> 32); break;
	case AXON_P_Q_STATE_LO: *value = (uint32_t)ctrl->queue.state; break;
	case AXON_P_Q_STATE_HI: *value = (uint32_t)(ctrl->queue.state >> 32); break;
	case AXON_P_Q_RESULT: *value = ctrl->queue_result; break;
	case AXON_P_CORE_ID: *value = ctrl->core_id; break;
	case AXON_P_CORE_MATCH: *value = ctrl->core_match; break;
	case AXON_P_CORE_RESULT: *value = ctrl->core_result; break;
	case AXON_P_CORE_QUEUE: *value = core_queue(card); break;
	case AXON_P_FAULT_COUNT: *value = ctrl->fault_count; break;
	case AXON_P_FAULT_LOST: *value = ctrl->fault_lost; break;
	default:
		return fault_load(ctrl, off, value);
	}
	return true;
}

static bool periph_load(struct axon_card *card, uint32_t off, uint32_t *value)
{
	struct axon_ctrl *ctrl = card->ctrl;

	switch (off) {
	case AXON_P_IRQ_PENDING:
		poll_inputs(card);
		*value = irq_pending(ctrl);
		return true;
	case AXON_P_IRQ_ENABLE:
		*value = ctrl->irq_enable;
		return true;
	case AXON_P_REVISION:
		*value = card->cfg.revision;
		return true;
	case AXON_P_NUM_CORES:
		*value = card->cfg.cores;
		return true;
	case AXON_P_ENERGY_LO:
		*value = energy_load(card);
		return true;
	case AXON_P_ENERGY_HI:
		*value = ctrl->energy_hi;
		return true;
	}
	if (off >= AXON_P_TEMP_DIE && off <= AXON_P_SRAM_ECC_UE) {
		*value = axon_sensors_read(&ctrl->sensors, card, now_ns(card), off);
		return true;
	}
	return resource_load(card, off, value);
}

static enum axon_p_result as_command(struct axon_card *card, uint32_t cmd)
{
	const struct axon_ctrl *ctrl = card->ctrl;
	enum axon_p_result result;

	if (ctrl->as_id >= AXON_MAX_ASIDS)
		return AXON_P_BAD_ID;
	switch (cmd) {
	case AXON_P_AS_ENABLE:
		return axon_mmu_enable(card, ctrl->as_id, ctrl->as_root);
	case AXON_P_AS_DISABLE:
		if (axon_queues_use_asid(card, ctrl->as_id))
			return AXON_P_BUSY;
		return axon_mmu_disable(card, ctrl->as_id);
	case AXON_P_AS_INVALIDATE:
		result = axon_mmu_invalidate(card, ctrl->as_id);
		if (result == AXON_P_OK)
			axon_queues_invalidated(card, ctrl->as_id);
		return result;
	}
	return AXON_P_BAD_PARAM;
}

static enum axon_p_result queue_command(struct axon_card *card, uint32_t cmd)
{
	const struct axon_ctrl *ctrl = card->ctrl;

	if (ctrl->queue.id >= AXON_MAX_QUEUES)
		return AXON_P_BAD_ID;
	switch (cmd) {
	case AXON_P_Q_CREATE:
		return axon_queue_create(card, &ctrl->queue);
	case AXON_P_Q_DESTROY:
		return axon_queue_destroy(card, ctrl->queue.id);
	}
	return AXON_P_BAD_PARAM;
}

static enum axon_p_result core_command(struct axon_card *card, uint32_t cmd)
{
	const struct axon_ctrl *ctrl = card->ctrl;

	if (ctrl->core_id >= card->cfg.cores)
		return AXON_P_BAD_ID;
	switch (cmd) {
	case AXON_P_CORE_RESET:
		return axon_core_reset_any(card, ctrl->core_id);
	case AXON_P_CORE_KILL:
		return axon_queue_kill(card, ctrl->core_id, ctrl->core_match);
	case AXON_P_CORE_KILL_WAITER:
		return axon_queue_kill_waiter(card, ctrl->core_id, ctrl->core_match);
	}
	return AXON_P_BAD_PARAM;
}

static void fault_pop(struct axon_ctrl *ctrl)
{
	if (!ctrl->fault_count)
		return;
	ctrl->fault_head = (ctrl->fault_head + 1) % FAULT_SLOTS;
	ctrl->fault_count--;
}

static bool resource_store(struct axon_card *card, uint32_t off, uint32_t value)
{
	struct axon_ctrl *ctrl = card->ctrl;

	switch (off) {
	case AXON_P_AS_ID: ctrl->as_id = value; break;
	case AXON_P_AS_ROOT_LO: set_low(&ctrl->as_root, value); break;
	case AXON_P_AS_ROOT_HI: set_high(&ctrl->as_root, value); break;
	case AXON_P_AS_CMD: ctrl->as_result = as_command(card, value); break;
	case AXON_P_Q_ID: ctrl->queue.id = value; break;
	case AXON_P_Q_CORE: ctrl->queue.core = value; break;
	case AXON_P_Q_ASID: ctrl->queue.asid = value; break;
	case AXON_P_Q_RING_ASID: ctrl->queue.ring_asid = value; break;
	case AXON_P_Q_ENTRIES: ctrl->queue.entries = value; break;
	case AXON_P_Q_VECTOR: ctrl->queue.vector = value; break;
	case AXON_P_Q_SQ_LO: set_low(&ctrl->queue.sq, value); break;
	case AXON_P_Q_SQ_HI: set_high(&ctrl->queue.sq, value); break;
	case AXON_P_Q_CQ_LO: set_low(&ctrl->queue.cq, value); break;
	case AXON_P_Q_CQ_HI: set_high(&ctrl->queue.cq, value); break;
	case AXON_P_Q_STATE_LO: set_low(&ctrl->queue.state, value); break;
	case AXON_P_Q_STATE_HI: set_high(&ctrl->queue.state, value); break;
	case AXON_P_Q_CMD: ctrl->queue_result = queue_command(card, value); break;
	case AXON_P_CORE_ID: ctrl->core_id = value; break;
	case AXON_P_CORE_MATCH: ctrl->core_match = value; break;
	case AXON_P_CORE_CMD: ctrl->core_result = core_command(card, value); break;
	case AXON_P_FAULT_POP:
		fault_pop(ctrl);
		update_lines(card);
		break;
	default:
		return false;
	}
	return true;
}

static void watchdog_set(struct axon_card *card, uint32_t us)
{
	card->ctrl->watchdog = us ? mtime(card) + us : NEVER;
	card->ctrl->watchdog_late = false;
}

static bool periph_store(struct axon_card *card, uint32_t off, uint32_t value)
{
	struct axon_ctrl *ctrl = card->ctrl;

	switch (off) {
	case AXON_P_IRQ_PENDING:
		ctrl->irq_latched &= ~value;
		update_lines(card);
		return true;
	case AXON_P_IRQ_ENABLE:
		ctrl->irq_enable = value & (AXON_P_IRQ_MBOX | AXON_P_IRQ_FAULT);
		update_lines(card);
		return true;
	case AXON_P_HOST_INT:
		if (value & ~(AXON_INT_ALL & ~AXON_INT_LINK))
			return false;
		axon_card_host_int(card, value);
		return true;
	case AXON_P_STAGE:
		if (value != AXON_STAGE_READY)
			return false;
		card->stage = AXON_STAGE_READY;
		return true;
	case AXON_P_WATCHDOG:
		watchdog_set(card, value);
		return true;
	}
	return resource_store(card, off, value);
}

/* ---- the bus: accesses are naturally aligned, so one that starts in a region ends there ---- */

static bool ctrl_load(void *opaque, uint32_t addr, unsigned int size, uint32_t *value)
{
	struct axon_card *card = opaque;

	if (addr - AXON_CTRL_MBOX_BASE < AXON_MBOX_SIZE)
		return mbox_load(card, addr - AXON_CTRL_MBOX_BASE, size, value);
	if (size != 4)
		return false;
	if (addr - AXON_CTRL_PERIPH_BASE < AXON_CTRL_PERIPH_SIZE)
		return periph_load(card, addr - AXON_CTRL_PERIPH_BASE, value);
	if (addr - AXON_CTRL_CLINT_BASE < CLINT_SIZE)
		return clint_load(card, addr - AXON_CTRL_CLINT_BASE, value);
	return false;
}

static bool ctrl_store(void *opaque, uint32_t addr, unsigned int size, uint32_t value)
{
	struct axon_card *card = opaque;

	if (addr - AXON_CTRL_MBOX_BASE < AXON_MBOX_SIZE)
		return mbox_store(card, addr - AXON_CTRL_MBOX_BASE, size, value);
	if (size != 4)
		return false;
	if (addr - AXON_CTRL_PERIPH_BASE < AXON_CTRL_PERIPH_SIZE)
		return periph_store(card, addr - AXON_CTRL_PERIPH_BASE, value);
	if (addr - AXON_CTRL_CLINT_BASE < CLINT_SIZE)
		return clint_store(card, addr - AXON_CTRL_CLINT_BASE, value);
	return false;
}

/* ---- running ---- */

static void die(struct axon_card *card, enum axon_boot_error why)
{
	bool was_ready = card->stage == AXON_STAGE_READY;

	card->ctrl->running = false;
	card->boot_error = why;
	card->stage = was_ready ? AXON_STAGE_DEAD : AXON_STAGE_FAILED;
	if (was_ready)
		axon_card_host_int(card, AXON_INT_FW_DEAD);
}

static void die_of_trap(struct axon_card *card)
{
	struct axon_rv32_stop stop = axon_rv32_stop(card->ctrl->cpu);

	axon_card_log(card, AXON_CARD_ERROR,
		      "firmware stopped: %s, cause 0x%x, pc 0x%08x, value 0x%08x",
		      stop.no_handler ? "trap without a handler" : "trap in the trap handler",
		      stop.cause, stop.epc, stop.tval);
	die(card, AXON_BOOT_TRAP);
}

static bool watchdog_bites(struct axon_card *card)
{
	struct axon_ctrl *ctrl = card->ctrl;

	if (ctrl->watchdog == NEVER || mtime(card) < ctrl->watchdog)
		return false;
	if (ctrl->stalled ||
	    (axon_rv32_waiting(ctrl->cpu) && !axon_rv32_wakeable(ctrl->cpu)))
		return true;
	if (!ctrl->watchdog_late) {
		ctrl->watchdog_late = true;
		ctrl->watchdog_seen = axon_rv32_executed(ctrl->cpu);
	}
	return axon_rv32_executed(ctrl->cpu) - ctrl->watchdog_seen >= WATCHDOG_GRACE;
}

bool axon_ctrl_run(struct axon_card *card, uint32_t max)
{
	struct axon_ctrl *ctrl = card->ctrl;
	enum axon_rv32_state state;
	uint32_t chunk;

	while (ctrl->running) {
		poll_inputs(card);
		if (watchdog_bites(card)) {
			axon_card_log(card, AXON_CARD_ERROR,
				      "firmware did not feed the watchdog, pc 0x%08x",
				      axon_rv32_pc(ctrl->cpu));
			die(card, AXON_BOOT_WATCHDOG);
			return false;
		}
		if (ctrl->stalled)
			return false;
		if (!max)
			return !axon_rv32_waiting(ctrl->cpu) || axon_rv32_wakeable(ctrl->cpu);
		chunk = max < RUN_CHUNK ? max : RUN_CHUNK;
		max -= chunk;
		state = axon_rv32_run(ctrl->cpu, chunk);
		if (state == AXON_RV32_STOPPED)
			die_of_trap(card);
		if (state == AXON_RV32_WAITING) {
			poll_inputs(card);
			if (!axon_rv32_wakeable(ctrl->cpu))
				return false;
		}
	}
	return false;
}

uint64_t axon_ctrl_deadline(struct axon_card *card)
{
	struct axon_ctrl *ctrl = card->ctrl;
	uint64_t when = ctrl->watchdog;

	if (!ctrl->running)
		return NEVER;
	if (!ctrl->stalled) {
		/* The doorbell is only looked at: axon_ctrl_run() takes it. */
		if (atomic_load(&card->mbox_rung))
			return 0;
		update_lines(card);
		if (!axon_rv32_waiting(ctrl->cpu) || axon_rv32_wakeable(ctrl->cpu))
			return 0;
		if (axon_rv32_irq_enabled(ctrl->cpu, AXON_RV32_IRQ_TIMER) && ctrl->mtimecmp < when)
			when = ctrl->mtimecmp;
	}
	return when == NEVER ? NEVER : mtime_to_ns(ctrl, when);
}

/* ---- what the rest of the card calls ---- */

void axon_ctrl_push_fault(struct axon_card *card, const struct axon_fault *fault)
{
	struct axon_ctrl *ctrl = card->ctrl;

	if (ctrl->fault_count == FAULT_SLOTS) {
		ctrl->fault_lost++;
		return;
	}
	ctrl->fault[(ctrl->fault_head + ctrl->fault_count++) % FAULT_SLOTS] = *fault;
	update_lines(card);
}

int axon_ctrl_set(struct axon_card *card, enum axon_card_knob knob, int64_t value)
{
	struct axon_ctrl *ctrl = card->ctrl;

	switch (knob) {
	case AXON_KNOB_TEMP_OFFSET:
		if (value < -TEMP_OFFSET_MAX || value > TEMP_OFFSET_MAX)
			return -EINVAL;
		ctrl->sensors.temp_offset = (int32_t)value;
		return 0;
	case AXON_KNOB_HBM_ECC_CE:
	case AXON_KNOB_HBM_ECC_UE:
		if (value < 0 || value > INT32_MAX)
			return -EINVAL;
		if (knob == AXON_KNOB_HBM_ECC_CE)
			ctrl->sensors.ecc_ce += (uint32_t)value;
		else
			ctrl->sensors.ecc_ue += (uint32_t)value;
		return 0;
	case AXON_KNOB_STALL_FW:
		if (value != 0 && value != 1)
			return -EINVAL;
		ctrl->stalled = value;
		return 0;
	default:
		return -EINVAL;
	}
}

uint8_t *axon_ctrl_ram(struct axon_card *card)
{
	return card->ctrl->ram;
}

void axon_ctrl_start(struct axon_card *card, uint32_t entry)
{
	struct axon_ctrl *ctrl = card->ctrl;

	axon_rv32_reset(ctrl->cpu, entry);
	watchdog_set(card, BOOT_WATCHDOG_US);
	ctrl->running = true;
	card->stage = AXON_STAGE_FW_START;
}

static void clear_mbox(struct axon_card *card)
{
	uint32_t off;

	for (off = 0; off < AXON_MBOX_SIZE; off += 4)
		mbox_store(card, off, 4, 0);
}

void axon_ctrl_reset(struct axon_card *card)
{
	struct axon_ctrl *ctrl = card->ctrl;

	ctrl->running = false;
	axon_rv32_reset(ctrl->cpu, AXON_CTRL_RAM_BASE);
	memset(ctrl->ram, 0, AXON_CTRL_RAM_SIZE);
	clear_mbox(card);
	atomic_store(&card->mbox_rung, 0);
	ctrl->msip = 0;
	ctrl->mtimecmp = NEVER;
	ctrl->irq_latched = 0;
	ctrl->irq_enable = 0;
	ctrl->watchdog = NEVER;
	ctrl->watchdog_late = false;
	ctrl->as_id = 0;
	ctrl->as_root = 0;
	ctrl->as_result = 0;
	memset(&ctrl->queue, 0, sizeof(ctrl->queue));
	ctrl->queue_result = 0;
	ctrl->core_id = 0;
	ctrl->core_match = 0;
	ctrl->core_result = 0;
	ctrl->fault_head = 0;
	ctrl->fault_count = 0;
	ctrl->fault_lost = 0;
}

int axon_ctrl_create(struct axon_card *card)
{
	struct axon_rv32_bus bus = {
		.ram_base = AXON_CTRL_RAM_BASE,
		.ram_size = AXON_CTRL_RAM_SIZE,
		.load = ctrl_load,
		.store = ctrl_store,
		.opaque = card,
	};
	struct axon_ctrl *ctrl = calloc(1, sizeof(*ctrl));
	int ret = -ENOMEM;

	if (!ctrl)
		return -ENOMEM;
	ctrl->ram = calloc(1, AXON_CTRL_RAM_SIZE);
	if (!ctrl->ram)
		goto err;
	bus.ram = ctrl->ram;
	ret = axon_rv32_create(&bus, &ctrl->cpu);
	if (ret)
		goto err_ram;
	card->ctrl = ctrl;
	ctrl->power_on_ns = now_ns(card);
	axon_sensors_init(&ctrl->sensors, card, ctrl->power_on_ns);
	axon_ctrl_reset(card);
	return 0;
err_ram:
	free(ctrl->ram);
err:
	free(ctrl);
	return ret;
}

void axon_ctrl_destroy(struct axon_card *card)
{
	struct axon_ctrl *ctrl = card->ctrl;

	if (!ctrl)
		return;
	axon_rv32_destroy(ctrl->cpu);
	free(ctrl->ram);
	free(ctrl);
	card->ctrl = NULL;
}
