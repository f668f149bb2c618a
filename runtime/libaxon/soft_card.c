// SPDX-License-Identifier: MIT
/*
 * soft_card.c - the soft card itself: making it, booting its firmware, its mailbox, who runs it
 * when, and bringing it back after its firmware died.
 *
 * Locks and threads: soft.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "axon_fw.h"
#include "soft.h"

#define MS			1000000ull
#define BOOT_TIMEOUT_NS		(10000 * MS)
#define MBOX_TIMEOUT_NS		(5000 * MS)
#define CHECK_PERIOD_NS		MS
/* The card's clock stands still for gaps above this: the process was stopped. */
#define GAP_NS			(200 * MS)
/* The helper looks that often while the card is in use, and that long after. */
#define TICK_NS			100000ull
#define MAX_TICK_NS		(2 * MS)
#define LINGER_NS		(5 * MS)
/* And that often for jobs that wait for other cards. */
#define GANG_CHECK_NS		(20 * MS)

static uint32_t load32(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store32(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* ---- locks, sleeping ---- */

static void lock_in_turn(struct soft_card *card)
{
	atomic_fetch_add(&card->want, 1);
	pthread_mutex_lock(&card->gate);
	pthread_mutex_lock(&card->run);
	pthread_mutex_unlock(&card->gate);
	atomic_fetch_sub(&card->want, 1);
}

void soft_lock(struct soft_card *card)
{
	/* Nobody is passed by: who waits is counted before he stands in the queue. */
	if (atomic_load_explicit(&card->want, memory_order_relaxed) ||
	    pthread_mutex_trylock(&card->run))
		lock_in_turn(card);
	if (atomic_load_explicit(&card->returned, memory_order_relaxed))
		soft_share_reap(card);
}

void soft_unlock(struct soft_card *card)
{
	/* The mailbox lets the card work, so jobs may have ended that no runner saw. */
	bool ended = atomic_load(&card->jobs) && soft_queues_reap(card);

	pthread_mutex_unlock(&card->run);
	if (ended)
		soft_wake(card);
}

void soft_wake(struct soft_card *card)
{
	if (!atomic_load(&card->sleepers))
		return;
	pthread_mutex_lock(&card->sleep);
	card->news_count++;
	pthread_cond_broadcast(&card->news);
	pthread_mutex_unlock(&card->sleep);
}

uint64_t soft_news(struct soft_card *card)
{
	uint64_t count;

	pthread_mutex_lock(&card->sleep);
	count = card->news_count;
	pthread_mutex_unlock(&card->sleep);
	return count;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec) {
		.tv_sec = (time_t)(ns / 1000000000ull),
		.tv_nsec = (long)(ns % 1000000000ull),
	};
}

void soft_sleep(struct soft_card *card, uint64_t count, uint64_t until_ns)
{
	struct timespec ts = to_timespec(until_ns);

	pthread_mutex_lock(&card->sleep);
	while (card->news_count == count &&
	       !pthread_cond_timedwait(&card->news, &card->sleep, &ts))
		;
	pthread_mutex_unlock(&card->sleep);
}

static void nap(uint64_t ns)
{
	struct timespec ts = to_timespec(ns);

	nanosleep(&ts, NULL);
}

/* ---- what the model needs ---- */

uint64_t soft_clock(struct soft_card *card)
{
	return axon_now_ns() - atomic_load_explicit(&card->stolen_ns, memory_order_relaxed);
}

static uint64_t now_cb(void *opaque)
{
	return soft_clock(opaque);
}

static void irq_cb(void *opaque, unsigned int vector)
{
	/* Whoever runs the card looks at every ring after each slice. */
}

void soft_call(struct soft_card *card)
{
	/* If it is called already, a look costs the others nothing. */
	if (card->fabric && !soft_called(card))
		atomic_fetch_or(&soft_calls.called, 1ull << card->place);
}

void soft_uncall(struct soft_card *card)
{
	if (soft_called(card))
		atomic_fetch_and(&soft_calls.called, ~(1ull << card->place));
}

static void wake_cb(void *opaque)
{
	struct soft_card *card = opaque;

	soft_call(card);
	/* A waiter sleeps that runs no card, since his gang could not go on. */
	if (card->fabric && !atomic_load(&soft_calls.drivers) && !atomic_load(&card->runner))
		soft_wake(card);
	/* The order against the helper's: it sets deep, then looks at kicked. */
	atomic_store(&card->kicked, true);
	if (atomic_load(&card->deep)) {
		pthread_mutex_lock(&card->sleep);
		pthread_cond_signal(&card->kick);
		pthread_mutex_unlock(&card->sleep);
	}
}

void soft_ask_helper(struct soft_card *card)
{
	if (atomic_load(&card->help))
		return;
	if (atomic_fetch_add(&soft_calls.helpers, 1) >= soft_calls.max_helpers ||
	    atomic_exchange(&card->help, true)) {
		atomic_fetch_sub(&soft_calls.helpers, 1);
		return;
	}
	pthread_mutex_lock(&card->sleep);
	pthread_cond_signal(&card->kick);
	pthread_mutex_unlock(&card->sleep);
}

static void log_cb(void *opaque, enum axon_card_log_level level, const char *line)
{
	struct soft_card *card = opaque;

	axon_dev_log(&card->base, (enum axon_log_level)level, "%s: %s", card->base.path, line);
}

static const struct axon_card_ops card_ops = {
	.dma_map = soft_dma_map,
	.dma_unmap = soft_dma_unmap,
	.irq = irq_cb,
	.wake = wake_cb,
	.now_ns = now_cb,
	.log = log_cb,
};

/* ---- boot ---- */

static uint32_t stage(struct soft_card *card)
{
	return axon_card_read(card->model, AXON_REG_BOOT_STAGE);
}

static const char *boot_error_str(uint32_t error)
{
	static const char *const text[] = {
		[AXON_BOOT_OK] = "no error",
		[AXON_BOOT_BAD_RANGE] = "size or place of the image",
		[AXON_BOOT_BAD_MAGIC] = "not a firmware image",
		[AXON_BOOT_BAD_HEADER] = "damaged header",
		[AXON_BOOT_BAD_ABI] = "made for another boot ROM",
		[AXON_BOOT_BAD_REVISION] = "made for another card generation",
		[AXON_BOOT_BAD_BOUNDS] = "addresses outside the control core's memory",
		[AXON_BOOT_BAD_HASH] = "checksum does not match",
		[AXON_BOOT_TRAP] = "the firmware trapped",
		[AXON_BOOT_WATCHDOG] = "the firmware hangs",
	};

	return error < sizeof(text) / sizeof(text[0]) ? text[error] : "unknown error";
}

static int wait_ready(struct soft_card *card)
{
	uint64_t deadline = axon_now_ns() + BOOT_TIMEOUT_NS;
	uint32_t error;

	while (stage(card) != AXON_STAGE_READY) {
		bool more = axon_card_run(card->model);

		if (stage(card) == AXON_STAGE_FAILED || stage(card) == AXON_STAGE_DEAD) {
			error = axon_card_read(card->model, AXON_REG_BOOT_ERROR);
			axon_dev_log(&card->base, AXON_LOG_ERROR, "%s: firmware refused: %s",
				     card->base.path, boot_error_str(error));
			return error == AXON_BOOT_TRAP || error == AXON_BOOT_WATCHDOG ?
				-ETIMEDOUT : -ENOEXEC;
		}
		if (axon_now_ns() > deadline) {
			axon_dev_log(&card->base, AXON_LOG_ERROR,
				     "%s: the firmware did not come up (stage %u)",
				     card->base.path, stage(card));
			return -ETIMEDOUT;
		}
		if (!more)
			nap(20000);
	}
	return 0;
}

static int check_firmware(struct soft_card *card)
{
	const struct axon_mbox *mbox = card->mbox;

	if (load32(&mbox->magic) != AXON_MBOX_MAGIC || mbox->abi >> 16 != AXON_MBOX_ABI_MAJOR) {
		axon_dev_log(&card->base, AXON_LOG_ERROR,
			     "%s: the firmware's mailbox is of another version (0x%x)",
			     card->base.path, mbox->abi);
		return -EPROTO;
	}
	card->fw_version = mbox->fw_version;
	card->fw_mbox_abi = mbox->abi;
	memcpy(card->fw_version_str, mbox->fw_version_str, sizeof(mbox->fw_version_str));
	return 0;
}

static int boot(struct soft_card *card)
{
	uint64_t size = (card->firmware_size + AXON_PAGE_SIZE - 1) & ~(AXON_PAGE_SIZE - 1ull);
	uint64_t addr;
	int err;

	if (!card->firmware_size || card->firmware_size > AXON_FW_MAX_SIZE) {
		axon_dev_log(&card->base, AXON_LOG_ERROR,
			     "%s: a firmware image of %zu bytes cannot be one",
			     card->base.path, card->firmware_size);
		return -ENOEXEC;
	}
	err = soft_hbm_alloc(card, size, card, &addr);
	if (err)
		return err;
	memcpy(card->hbm + addr, card->firmware, card->firmware_size);
	axon_card_write(card->model, AXON_REG_BOOT_ADDR_LO, (uint32_t)addr);
	axon_card_write(card->model, AXON_REG_BOOT_ADDR_HI, (uint32_t)(addr >> 32));
	axon_card_write(card->model, AXON_REG_BOOT_SIZE, (uint32_t)card->firmware_size);
	axon_card_write(card->model, AXON_REG_BOOT_CTRL, AXON_BOOT_START);
	err = wait_ready(card);
	soft_hbm_free(card, addr);
	return err ? err : check_firmware(card);
}

/* ---- mailbox ---- */

static int mbox_wait(struct soft_card *card, uint32_t head)
{
	uint64_t deadline = axon_now_ns() + MBOX_TIMEOUT_NS;

	while (load32(&card->mbox->resp_tail) == head) {
		bool more = axon_card_run(card->model);

		if (stage(card) != AXON_STAGE_READY || axon_now_ns() > deadline)
			return -EIO;
		if (!more && load32(&card->mbox->resp_tail) == head)
			nap(20000);
	}
	return 0;
}

static int mbox_error(uint32_t status)
{
	switch (status) {
	case AXON_MBOX_OK:
		return 0;
	case AXON_MBOX_BUSY:
		return -EBUSY;
	case AXON_MBOX_NOT_FOUND:
		return -ENOENT;
	default:
		return -EINVAL;
	}
}

int soft_mbox(struct soft_card *card, uint32_t type, const void *data, uint32_t len)
{
	struct axon_mbox *mbox = card->mbox;
	uint32_t tail = mbox->req_tail;
	uint32_t head = mbox->resp_head;
	struct axon_mbox_msg msg = {
		.seq = ++card->mbox_seq ? card->mbox_seq : ++card->mbox_seq,
		.type = (uint16_t)type,
		.length = (uint16_t)len,
	};
	int err;

	if (atomic_load(&card->wedged))
		return -EIO;
	memcpy(msg.data, data, len);
	mbox->request[tail % AXON_MBOX_SLOTS] = msg;
	store32(&mbox->req_tail, tail + 1);
	axon_card_write(card->model, AXON_REG_MBOX_DOORBELL, 1);
	err = mbox_wait(card, head);
	if (err) {
		axon_dev_log(&card->base, AXON_LOG_ERROR,
			     "%s: the firmware does not answer request %u",
			     card->base.path, type);
		return err;
	}
	msg = mbox->response[head % AXON_MBOX_SLOTS];
	store32(&mbox->resp_head, head + 1);
	if (msg.seq != card->mbox_seq || msg.type != type)
		return -EIO;
	return mbox_error(msg.status);
}

static void take_fault(struct soft_card *card, const struct axon_fault *fault)
{
	struct soft_queue *q;

	for (q = card->queues; q; q = q->next)
		if (q->id == fault->queue) {
			q->fault = *fault;
			q->faulted = true;
		}
}

void soft_mbox_events(struct soft_card *card)
{
	struct axon_mbox *mbox = card->mbox;
	uint32_t head = mbox->event_head;
	struct axon_mbox_event event;

	while (head != load32(&mbox->event_tail)) {
		event = mbox->event[head % AXON_MBOX_EVENTS];
		store32(&mbox->event_head, ++head);
		if (event.type == AXON_EVENT_FAULT)
			take_fault(card, &event.fault);
		else if (event.type == AXON_EVENT_THERMAL)
			axon_dev_log(&card->base, AXON_LOG_WARN, "%s: die at %lld mC",
				     card->base.path, (long long)event.value);
		else if (event.type == AXON_EVENT_ECC)
			axon_dev_log(&card->base, AXON_LOG_ERROR,
				     "%s: %llu uncorrected memory errors", card->base.path,
				     (unsigned long long)event.value);
	}
}

static int as_request(struct soft_card *card, uint32_t type, uint32_t asid, uint64_t root)
{
	struct axon_mbox_as as = { .asid = asid, .root = root };

	return soft_mbox(card, type, &as, sizeof(as));
}

int soft_as_enable(struct soft_card *card, const struct soft_vm *vm)
{
	return as_request(card, AXON_MBOX_AS_CREATE, vm->asid, vm->root);
}

int soft_as_disable(struct soft_card *card, const struct soft_vm *vm)
{
	return as_request(card, AXON_MBOX_AS_DESTROY, vm->asid, 0);
}

int soft_as_invalidate(struct soft_card *card, const struct soft_vm *vm)
{
	return as_request(card, AXON_MBOX_AS_INVALIDATE, vm->asid, 0);
}

/* ---- reset ---- */

static int bring_up(struct soft_card *card)
{
	struct soft_vm *vm;
	int err = boot(card);

	card->mbox_seq = 0;
	if (!err)
		err = soft_as_enable(card, &card->kernel);
	for (vm = card->vms; !err && vm; vm = vm->next)
		err = soft_as_enable(card, vm);
	return err;
}

/* The firmware is dead. Everything that ran is lost; address spaces and buffers are kept. */
void soft_card_recover(struct soft_card *card)
{
	axon_dev_log(&card->base, AXON_LOG_ERROR, "%s: the firmware died (%s), resetting the card",
		     card->base.path,
		     boot_error_str(axon_card_read(card->model, AXON_REG_BOOT_ERROR)));
	axon_card_reset(card->model);
	soft_queues_card_reset(card);
	card->resets++;
	if (bring_up(card)) {
		axon_dev_log(&card->base, AXON_LOG_ERROR, "%s: the card does not come back",
			     card->base.path);
		atomic_store(&card->wedged, true);
	}
}

/* ---- who runs the card ---- */

bool soft_run_begin(struct soft_card *card)
{
	unsigned int none = 0;

	if (atomic_load_explicit(&card->runner, memory_order_relaxed) ||
	    !atomic_compare_exchange_strong(&card->runner, &none, 1))
		return false;
	soft_lock(card);
	return true;
}

void soft_run_end(struct soft_card *card)
{
	pthread_mutex_unlock(&card->run);
	/* Ordered before the look at sleepers in soft_wake(): one of them goes on. */
	atomic_store(&card->runner, 0);
	/* Not while somebody looks after all cards; when he stops, he wakes who must go on. */
	if (!card->fabric || !atomic_load(&soft_calls.drivers))
		soft_wake(card);
}

void soft_run_yield(struct soft_card *card)
{
	if (!atomic_load_explicit(&card->want, memory_order_relaxed))
		return;
	pthread_mutex_unlock(&card->run);
	pthread_mutex_lock(&card->gate);
	pthread_mutex_lock(&card->run);
	pthread_mutex_unlock(&card->gate);
}

/* A stopped or starved process must not make the card's watchdog bite. */
static uint64_t mind_the_gap(struct soft_card *card)
{
	uint64_t now = soft_clock(card);
	uint64_t due = card->sleep_until_ns ? card->sleep_until_ns : card->last_run_ns;

	if (due < now && now - due > GAP_NS) {
		atomic_fetch_add(&card->stolen_ns, now - due);
		now = due;
	}
	card->sleep_until_ns = 0;
	card->last_run_ns = now;
	return now;
}

static void check(struct soft_card *card, uint64_t now)
{
	card->next_check_ns = now + CHECK_PERIOD_NS;
	if (stage(card) != AXON_STAGE_READY && !atomic_load(&card->wedged))
		soft_card_recover(card);
	soft_mbox_events(card);
	soft_queues_check_time(card, now);
}

bool soft_run_slice(struct soft_card *card)
{
	uint64_t now = mind_the_gap(card);
	bool more;

	soft_uncall(card);
	more = axon_card_run(card->model);
	atomic_store_explicit(&card->more, more, memory_order_relaxed);
	atomic_fetch_add_explicit(&card->runs, 1, memory_order_relaxed);
	if (soft_queues_reap(card))
		soft_wake(card);
	if (now >= card->next_check_ns)
		check(card, now);
	return more;
}

/* ---- the helper ---- */

/* Sleeps until @until_ns, with @deep also until the card has work: @kicked. False: stop. */
static bool helper_sleep(struct soft_card *card, uint64_t until_ns, bool deep, bool *kicked)
{
	struct timespec ts = to_timespec(until_ns);
	bool stop;
	int err = 0;

	pthread_mutex_lock(&card->sleep);
	if (deep)
		atomic_store(&card->deep, true);
	while (!atomic_load(&card->stop) && !atomic_load(&card->help) && !err &&
	       !(deep && atomic_load(&card->kicked)))
		err = pthread_cond_timedwait(&card->kick, &card->sleep, &ts);
	atomic_store(&card->deep, false);
	*kicked = atomic_exchange(&card->kicked, false) && deep;
	stop = atomic_load(&card->stop);
	pthread_mutex_unlock(&card->sleep);
	return !stop;
}

/* Announces that the card will sleep. Return: until when, 0: it must not. */
static uint64_t go_to_sleep(struct soft_card *card)
{
	/* Hours are as good as for ever; jobs that wait for their gang have time limits. */
	uint64_t most = card->last_run_ns +
		(atomic_load(&card->jobs) ? GANG_CHECK_NS : 3600000 * MS);
	uint64_t deadline;

	if (!axon_card_prepare_sleep(card->model, &deadline))
		return 0;
	card->sleep_until_ns = deadline < most ? deadline : most;
	return card->sleep_until_ns + atomic_load(&card->stolen_ns);
}

/**
 * helper_run() - run the card until there is nothing to do
 * @sleep: then put it to sleep
 * @until_ns: until when it may sleep; 0: it may not
 *
 * Return: true if there was something to do.
 */
static bool helper_run(struct soft_card *card, bool sleep, uint64_t *until_ns)
{
	bool worked = soft_called(card);
	bool gang = false;

	*until_ns = 0;
	if (!soft_run_begin(card))
		return true;
	while (soft_run_slice(card)) {
		worked = true;
		soft_run_yield(card);
	}
	if (sleep)
		*until_ns = go_to_sleep(card);
	else if (card->fabric)
		gang = axon_card_waits_for(card->model) != AXON_NO_PEER;
	soft_run_end(card);
	/* Nobody waits for the gang perhaps; then it is all the helpers'. */
	if (gang && soft_run_gang(card) == SOFT_AGAIN)
		worked = true;
	return worked;
}

/*
 * Work that nobody does: jobs that no thread has looked after since the last time, or something to
 * do while the one who drives the gang runs other cards of it.
 */
static bool is_left_alone(struct soft_card *card, bool alone)
{
	if (!atomic_load(&card->jobs) || atomic_load(&card->runner))
		return false;
	return alone || atomic_load_explicit(&card->more, memory_order_relaxed) ||
	       soft_called(card);
}

/*
 * While the card is in use the helper looks now and then whether jobs wait that nobody runs; the
 * threads that wait for their jobs run the card themselves and need no waking. After a while
 * without use, or without anything to do but to wait for other cards, it puts the card to sleep,
 * and then only a doorbell, another card or the card's own timer wakes it.
 */
static void *helper_main(void *arg)
{
	struct soft_card *card = arg;
	uint64_t busy_ns = axon_now_ns();
	uint64_t seen = 0;
	uint64_t tick = TICK_NS;
	bool kicked = false;
	bool going = true;

	while (going) {
		uint64_t runs = atomic_load_explicit(&card->runs, memory_order_relaxed);
		uint64_t now = axon_now_ns();
		uint64_t until = 0;
		/* Whoever rang is likely to wait and to run the card: he goes first. */
		bool alone = runs == seen && !kicked;
		bool left = is_left_alone(card, alone);
		bool idle;

		if (atomic_exchange(&card->help, false)) {
			soft_help(card);
			atomic_fetch_sub(&soft_calls.helpers, 1);
			left = false;
			busy_ns = now;
		}
		if (!alone)
			busy_ns = now;
		idle = now - busy_ns > LINGER_NS && (left || !atomic_load(&card->jobs));
		if ((left || idle) && helper_run(card, idle, &until))
			busy_ns = now;
		seen = atomic_load_explicit(&card->runs, memory_order_relaxed);
		tick = kicked ? TICK_NS / 2 : alone ? TICK_NS :
		       tick < MAX_TICK_NS ? 2 * tick : MAX_TICK_NS;
		going = helper_sleep(card, until ? until : now + tick, until != 0, &kicked);
	}
	return NULL;
}

static int helper_start(struct soft_card *card)
{
	if (pthread_create(&card->helper, NULL, helper_main, card))
		return -ENOMEM;
	card->helper_on = true;
	return 0;
}

/* ---- beginning and end ---- */

static int make_model(struct soft_card *card)
{
	struct axon_card_config config = {
		.cores = card->cores,
		.hbm_stacks = 1,
		.revision = AXON_REVISION_A1,
		.serial = 0x50f7u,
		.hbm_size = card->hbm_size,
		.hbm = card->hbm,
		.fabric = card->fabric,
		.place = card->fabric ? card->place : 0,
	};
	int err = axon_card_create(&config, &card_ops, card, &card->model);

	if (err)
		return err;
	card->mbox = axon_card_mbox(card->model);
	card->num_queues = axon_card_read(card->model, AXON_REG_QUEUES);
	card->num_asids = axon_card_read(card->model, AXON_REG_ASIDS);
	if (card->num_queues > AXON_MAX_QUEUES || card->num_asids > AXON_MAX_ASIDS)
		return -EPROTO;
	return 0;
}

/* Address space 0 sees all of HBM from SOFT_KERNEL_VA on: rings lie there. */
static int make_kernel_space(struct soft_card *card)
{
	struct soft_bo all = {
		.base = { .region = DRM_AXON_REGION_HBM, .size = card->hbm_size },
		.refs = 1,
	};
	struct axon_bind op = {
		.bo = &all.base,
		.op = DRM_AXON_BIND_MAP,
		.flags = DRM_AXON_BIND_NOEXEC,
		.addr = SOFT_KERNEL_VA,
		.size = card->hbm_size,
	};
	int err = soft_vm_init(card, &card->kernel);

	card->asids = 1;
	if (err)
		return err;
	err = bring_up(card);
	if (!err)
		err = soft_vm_change(card, &card->kernel, &op);
	/* The mapping stays; it has no buffer that could be freed. */
	card->kernel.count = 0;
	return err;
}

int soft_card_start(struct soft_card *card)
{
	int err = make_model(card);

	if (err)
		return err;
	card->last_run_ns = soft_clock(card);
	soft_lock(card);
	err = make_kernel_space(card);
	soft_unlock(card);
	return err ? err : helper_start(card);
}

void soft_card_stop(struct soft_card *card)
{
	if (card->helper_on) {
		pthread_mutex_lock(&card->sleep);
		atomic_store(&card->stop, true);
		pthread_cond_signal(&card->kick);
		pthread_mutex_unlock(&card->sleep);
		pthread_join(card->helper, NULL);
		if (atomic_load(&card->help))
			atomic_fetch_sub(&soft_calls.helpers, 1);
	}
	axon_card_destroy(card->model);
	if (card->kernel.root)
		soft_vm_exit(card, &card->kernel);
}
