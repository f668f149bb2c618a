// SPDX-License-Identifier: MIT
/* host.c - a whole card with its thread and the least of a driver; see host.h. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"

#define IMAGE_HBM	(1ull << 20)
#define TABLES_HBM	(4ull << 20)
#define PROGRAM_HBM	(16ull << 20)
#define WAIT_NS		10000000000ull

#define must(cond) do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort(); \
		} \
	} while (0)

uint64_t host_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- surroundings of the card ---- */

static void *dma_map(void *opaque, uint64_t addr, uint64_t *len, bool write)
{
	struct host *h = opaque;
	uint64_t off = addr - HOST_BUS_BASE;

	if (off >= HOST_BUS_SIZE)
		return NULL;
	if (*len > HOST_BUS_SIZE - off)
		*len = HOST_BUS_SIZE - off;
	h->maps++;
	return h->bus + off;
}

static void dma_unmap(void *opaque, void *host, uint64_t len, bool write)
{
	struct host *h = opaque;

	h->maps--;
}

static void irq(void *opaque, unsigned int vector)
{
	struct host *h = opaque;

	h->irqs[vector]++;
}

static void wake(void *opaque)
{
	struct host *h = opaque;

	pthread_mutex_lock(&h->lock);
	h->work = true;
	pthread_cond_signal(&h->cond);
	pthread_mutex_unlock(&h->lock);
}

static uint64_t now_ns(void *opaque)
{
	return host_now_ns();
}

static void log_line(void *opaque, enum axon_card_log_level level, const char *line)
{
	fprintf(stderr, "# card: %s\n", line);
}

static const struct axon_card_ops ops = {
	.dma_map = dma_map, .dma_unmap = dma_unmap, .irq = irq, .wake = wake, .now_ns = now_ns,
	.log = log_line,
};

/* Sleeps until wake() or the deadline. Return: false if the thread shall end. */
static bool sleep_until(struct host *h, uint64_t deadline)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline / 1000000000), .tv_nsec = (long)(deadline % 1000000000),
	};
	bool more;

	pthread_mutex_lock(&h->lock);
	h->asleep = !h->work;
	while (!h->work && !h->stop) {
		if (deadline == UINT64_MAX)
			pthread_cond_wait(&h->cond, &h->lock);
		else if (pthread_cond_timedwait(&h->cond, &h->lock, &ts))
			break;
	}
	h->asleep = false;
	h->work = false;
	more = !h->stop;
	pthread_mutex_unlock(&h->lock);
	return more;
}

static void *card_thread(void *arg)
{
	struct host *h = arg;
	uint64_t last = 0, deadline;

	while (!h->stop) {
		if (axon_card_run(h->card)) {
			last = host_now_ns();
			continue;
		}
		if (host_now_ns() - last < h->poll_ns)
			continue;
		if (!axon_card_prepare_sleep(h->card, &deadline))
			continue;
		if (!sleep_until(h, deadline))
			break;
		last = host_now_ns();
	}
	return NULL;
}

/* ---- the least of a driver ---- */

/* For loops that wait: lets others run, the card thread first of all. Return: time is left. */
static bool patience(uint64_t *end)
{
	if (!*end)
		*end = host_now_ns() + WAIT_NS;
	sched_yield();
	return host_now_ns() < *end;
}

bool host_wait32(const uint32_t *word, uint32_t value)
{
	uint64_t end = 0;

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		if (!patience(&end))
			return false;
	return true;
}

bool host_wait_reg(struct host *h, uint32_t offset, uint32_t value)
{
	uint64_t end = 0;

	while (axon_card_read(h->card, offset) != value)
		if (!patience(&end))
			return false;
	return true;
}

bool host_wait_sleep(struct host *h)
{
	uint64_t end = 0;

	while (!h->asleep)
		if (!patience(&end))
			return false;
	return true;
}

bool host_wait_irq(struct host *h, unsigned int vector)
{
	uint64_t end = 0;

	while (!h->irqs[vector])
		if (!patience(&end))
			return false;
	return true;
}

static uint32_t wait_stage(struct host *h, uint32_t a, uint32_t b)
{
	uint64_t end = 0;
	uint32_t stage;

	do {
		stage = axon_card_read(h->card, AXON_REG_BOOT_STAGE);
	} while (stage != a && stage != b && patience(&end));
	return stage;
}

uint32_t host_boot(struct host *h, const char *image)
{
	uint8_t *to = (uint8_t *)axon_card_hbm(h->card) + IMAGE_HBM;
	FILE *file = fopen(image, "rb");
	size_t size;

	must(file);
	size = fread(to, 1, 1 << 20, file);
	fclose(file);
	axon_card_write(h->card, AXON_REG_BOOT_ADDR_LO, IMAGE_HBM);
	axon_card_write(h->card, AXON_REG_BOOT_ADDR_HI, 0);
	axon_card_write(h->card, AXON_REG_BOOT_SIZE, (uint32_t)size);
	axon_card_write(h->card, AXON_REG_BOOT_CTRL, AXON_BOOT_START);
	h->seq = 0;
	return wait_stage(h, AXON_STAGE_READY, AXON_STAGE_FAILED);
}

uint32_t host_call(struct host *h, uint32_t type, const void *data, uint32_t len,
		   struct axon_mbox_msg *response)
{
	struct axon_mbox *m = axon_card_mbox(h->card);
	uint32_t slot = m->req_tail % AXON_MBOX_SLOTS;
	struct axon_mbox_msg msg = { .seq = ++h->seq, .type = (uint16_t)type,
				     .length = (uint16_t)len };

	if (len)
		memcpy(msg.data, data, len);
	m->request[slot] = msg;
	__atomic_store_n(&m->req_tail, m->req_tail + 1, __ATOMIC_RELEASE);
	axon_card_write(h->card, AXON_REG_MBOX_DOORBELL, 1);
	must(host_wait32(&m->resp_tail, m->resp_head + 1));
	msg = m->response[m->resp_head % AXON_MBOX_SLOTS];
	__atomic_store_n(&m->resp_head, m->resp_head + 1, __ATOMIC_RELEASE);
	must(msg.seq == h->seq);
	if (response)
		*response = msg;
	return msg.status;
}

static uint64_t *pte_at(struct host *h, uint64_t root, uint64_t va, int level)
{
	uint8_t *hbm = axon_card_hbm(h->card);
	uint64_t table = root;

	for (int l = AXON_PT_LEVELS - 1;; l--) {
		uint64_t *pte = (uint64_t *)(void *)(hbm + table) + AXON_PT_INDEX(va, l);

		if (l == level)
			return pte;
		if (!(*pte & AXON_PTE_VALID)) {
			memset(hbm + h->tables, 0, AXON_PAGE_SIZE);
			*pte = h->tables | AXON_PTE_VALID;
			h->tables += AXON_PAGE_SIZE;
		}
		table = *pte & AXON_PTE_ADDR_MASK;
	}
}

void host_spaces(struct host *h)
{
	const uint64_t bits = AXON_PTE_VALID | AXON_PTE_WRITE | AXON_PTE_EXEC | AXON_PTE_LEAF;
	uint64_t root = h->tables;

	memset((uint8_t *)axon_card_hbm(h->card) + root, 0, AXON_PAGE_SIZE);
	h->tables += AXON_PAGE_SIZE;
	for (uint64_t off = 0; off < HOST_BUS_SIZE; off += AXON_PAGE_SIZE)
		*pte_at(h, root, HOST_BUS_VA + off, 0) = (HOST_BUS_BASE + off) | bits |
			AXON_PTE_TARGET_SYS << AXON_PTE_TARGET_SHIFT;
	for (uint64_t off = 0; off < HOST_HBM_SIZE; off += 1ull << AXON_HUGE_SHIFT)
		*pte_at(h, root, HOST_HBM_VA + off, 1) = off | bits;
	for (uint32_t asid = 0; asid < 2; asid++) {
		struct axon_mbox_as as = { .asid = asid, .root = root };

		must(host_call(h, AXON_MBOX_AS_CREATE, &as, sizeof(as), NULL) == AXON_MBOX_OK);
	}
}

struct host *host_start(const char *image, uint64_t poll_ns)
{
	struct axon_card_config config = {
		.cores = 2, .hbm_stacks = 4, .revision = AXON_REVISION_A1,
		.hbm_size = HOST_HBM_SIZE,
	};
	struct host *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;

	must(h);
	h->bus = aligned_alloc(AXON_PAGE_SIZE, HOST_BUS_SIZE);
	must(h->bus);
	memset(h->bus, 0, HOST_BUS_SIZE);
	h->poll_ns = poll_ns;
	h->tables = TABLES_HBM;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->cond, &attr);
	pthread_condattr_destroy(&attr);
	must(axon_card_create(&config, &ops, h, &h->card) == 0);
	must(pthread_create(&h->thread, NULL, card_thread, h) == 0);
	if (image) {
		must(host_boot(h, image) == AXON_STAGE_READY);
		host_spaces(h);
	}
	return h;
}

void host_stop_thread(struct host *h)
{
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->cond);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
}

void host_end(struct host *h)
{
	if (!h->stop)
		host_stop_thread(h);
	axon_card_destroy(h->card);
	must(h->maps == 0);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->cond);
	free(h->bus);
	free(h);
}

/* ---- queues ---- */

uint32_t host_queue_create(struct host_queue *q, struct host *h, uint32_t id, uint32_t core,
			   uint32_t entries)
{
	uint64_t off = (uint64_t)id << 17;
	struct axon_mbox_queue msg = {
		.queue = id, .core = core, .asid = 1, .ring_asid = 0, .entries = entries,
		.vector = 1 + id % (AXON_NUM_VECTORS - 1), .sq = HOST_BUS_VA + off,
		.cq = HOST_BUS_VA + off + 0x10000, .state = HOST_BUS_VA + off + 0x18000,
	};

	must(id < 8 && entries <= 1024);
	memset(h->bus + off, 0, 0x20000);
	*q = (struct host_queue){
		.h = h, .id = id, .entries = entries,
		.sq = (void *)(h->bus + off),
		.cq = (void *)(h->bus + off + 0x10000),
		.state = (void *)(h->bus + off + 0x18000),
	};
	/* No interrupts until asked for. */
	q->state->cq_event = UINT32_MAX;
	return host_call(h, AXON_MBOX_QUEUE_CREATE, &msg, sizeof(msg), NULL);
}

void host_submit(struct host_queue *q, struct axon_cmd cmd)
{
	uint32_t event;

	cmd.seqno = q->tail + 1;
	q->sq[q->tail & (q->entries - 1)] = cmd;
	q->tail++;
	__atomic_store_n(&q->state->sq_tail, q->tail, __ATOMIC_RELEASE);
	atomic_thread_fence(memory_order_seq_cst);
	event = __atomic_load_n(&q->state->sq_event, __ATOMIC_RELAXED);
	if (axon_ring_needs_event(event, q->tail, q->tail - 1)) {
		q->doorbells++;
		axon_card_doorbell(q->h->card, q->id);
	}
}

bool host_complete(struct host_queue *q, struct axon_cqe *cqe)
{
	struct axon_cqe *entry = &q->cq[q->head & (q->entries - 1)];
	const void *end_of_entry = &entry->profiled;
	const uint64_t *last = end_of_entry;
	uint64_t want = !(q->head & q->entries), end = 0;

	for (unsigned int spins = 1;
	     (__atomic_load_n(last, __ATOMIC_ACQUIRE) >> 56 & 1) != want; spins++)
		if (spins % 4096 == 0 && !patience(&end))
			return false;
	*cqe = *entry;
	q->head++;
	__atomic_store_n(&q->state->cq_head, q->head, __ATOMIC_RELEASE);
	return true;
}

uint64_t host_program(struct host *h, uint8_t opcode)
{
	uint8_t *hbm = axon_card_hbm(h->card);
	struct axon_program *program = (void *)(hbm + PROGRAM_HBM);
	struct axon_inst *inst = (void *)(hbm + PROGRAM_HBM + AXON_PAGE_SIZE);

	memset(program, 0, sizeof(*program));
	program->magic = AXON_PROGRAM_MAGIC;
	program->version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR;
	memset(inst, 0, 2 * sizeof(*inst));
	for (int i = 0; i < 2; i++) {
		inst[i].wait_reg = AXON_SREG_NONE;
		for (unsigned int p = 0; p < AXON_NUM_PATCHES; p++)
			inst[i].patch[p].reg = AXON_SREG_NONE;
	}
	inst[0].opcode = opcode;
	if (opcode == AXON_OP_BRANCH) {
		inst[0].op0 = AXON_COND_ALWAYS;
		inst[0].ctl.rd = AXON_SREG_NONE;
		inst[0].ctl.ra = AXON_SREG_NONE;
		inst[0].ctl.rb = AXON_SREG_NONE;
	}
	inst[1].opcode = AXON_OP_HALT;
	for (int e = 0; e < AXON_NUM_STREAMS; e++)
		program->engine[e] = (struct axon_stream){
			.addr = HOST_HBM_VA + PROGRAM_HBM + AXON_PAGE_SIZE, .count = 2 };
	return HOST_HBM_VA + PROGRAM_HBM;
}
