// SPDX-License-Identifier: MIT
/*
 * The whole card with the real firmware and a thread of its own: boots, is told of address spaces
 * and queues by mailbox, runs commands, reports what fails, is reset and boots again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host.h"

static const char *image;
static const struct axon_cmd nop;

static int setup(void **state)
{
	*state = host_start(image, 50000);
	return 0;
}

static int teardown(void **state)
{
	host_end(*state);
	return 0;
}

static void nops(void **state)
{
	struct host_queue q[2];
	struct axon_cqe cqe;

	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(host_queue_create(&q[i], *state, i, i, 64), AXON_MBOX_OK);
	for (uint32_t round = 0; round < 500; round++) {
		uint32_t n = round % 64 + 1;

		for (uint32_t i = 0; i < 2 * n; i++)
			host_submit(&q[i & 1], nop);
		for (uint32_t i = 0; i < 2 * n; i++) {
			assert_true(host_complete(&q[i & 1], &cqe));
			assert_int_equal(cqe.status, AXON_STATUS_OK);
			assert_int_equal(cqe.seqno, q[i & 1].head);
		}
	}
	/* The card polls while there is work. */
	assert_true(q[0].doorbells + q[1].doorbells < q[0].tail);
}

static void copy(void **state)
{
	struct host *h = *state;
	uint8_t *hbm = axon_card_hbm(h->card);
	struct host_queue q;
	struct axon_cqe cqe;

	assert_int_equal(host_queue_create(&q, h, 0, 0, 16), AXON_MBOX_OK);
	for (uint32_t i = 0; i < 300000; i++)
		h->bus[(2 << 20) + i] = (uint8_t)(i * 31 >> 3);
	host_submit(&q, (struct axon_cmd){ .opcode = AXON_CMD_COPY, .copy = {
		.dst = HOST_HBM_VA + (20 << 20) + 5, .src = HOST_BUS_VA + (2 << 20),
		.size = 300000 } });
	host_submit(&q, (struct axon_cmd){ .opcode = AXON_CMD_FILL, .copy = {
		.dst = HOST_HBM_VA + (20 << 20) + 100005, .src = 0x5a, .size = 10 } });
	for (int i = 0; i < 2; i++) {
		assert_true(host_complete(&q, &cqe));
		assert_int_equal(cqe.status, AXON_STATUS_OK);
	}
	assert_memory_equal(hbm + (20 << 20) + 5, h->bus + (2 << 20), 100000);
	assert_int_equal(hbm[(20 << 20) + 100005 + 9], 0x5a);
	assert_memory_equal(hbm + (20 << 20) + 100015, h->bus + (2 << 20) + 100010, 199990);
}

static void launch(void **state)
{
	struct host *h = *state;
	struct host_queue q;
	struct axon_cqe cqe;
	uint64_t program = host_program(h, AXON_OP_NOP);

	assert_int_equal(host_queue_create(&q, h, 0, 1, 16), AXON_MBOX_OK);
	for (int i = 0; i < 5; i++) {
		host_submit(&q, (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH,
						   .launch.program = program });
		assert_true(host_complete(&q, &cqe));
		assert_int_equal(cqe.status, AXON_STATUS_OK);
		assert_true(cqe.cycles > 0);
	}
	assert_int_equal(axon_card_read(h->card, AXON_REG_CORE(1, AXON_CORE_LAUNCHES_LO)), 5);
	assert_true(axon_card_read(h->card, AXON_REG_CORE(1, AXON_CORE_CYCLES_LO)) >=
		    5 * cqe.cycles);
	assert_int_equal(axon_card_read(h->card, AXON_REG_CORE(0, AXON_CORE_LAUNCHES_LO)), 0);
}

/* A launch that never ends is killed by mailbox; meanwhile other queues work. */
static void endless_launch(void **state)
{
	struct host *h = *state;
	struct axon_mbox *m = axon_card_mbox(h->card);
	struct axon_mbox_core kill = { .core = 1, .queue = 2 };
	uint64_t program = host_program(h, AXON_OP_BRANCH);
	struct host_queue q, other;
	struct axon_cqe cqe;

	assert_int_equal(host_queue_create(&q, h, 2, 1, 16), AXON_MBOX_OK);
	assert_int_equal(host_queue_create(&other, h, 3, 1, 16), AXON_MBOX_OK);
	host_submit(&q, (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH, .launch.program = program });
	assert_true(host_wait_reg(h, AXON_REG_CORE(1, AXON_CORE_QUEUE), 2));
	host_submit(&other, nop);
	assert_true(host_complete(&other, &cqe));
	kill.queue = 3;
	assert_int_equal(host_call(h, AXON_MBOX_CORE_RESET, &kill, sizeof(kill), NULL),
			 AXON_MBOX_NOT_FOUND);
	kill.queue = 2;
	assert_int_equal(host_call(h, AXON_MBOX_CORE_RESET, &kill, sizeof(kill), NULL),
			 AXON_MBOX_OK);
	assert_true(host_complete(&q, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_KILLED);
	assert_true(host_wait32(&m->event_tail, 1));
	assert_int_equal(m->event[0].fault.status, AXON_STATUS_KILLED);
	assert_int_equal(axon_card_read(h->card, AXON_REG_CORE(1, AXON_CORE_STATE)),
			 AXON_CORE_IDLE);
}

static void faults_become_events(void **state)
{
	struct host *h = *state;
	struct axon_mbox *m = axon_card_mbox(h->card);
	struct axon_cmd cmd = { .opcode = AXON_CMD_COPY, .user_data = 99, .copy = {
		.dst = HOST_HBM_VA, .src = 0x666000, .size = 64 } };
	struct axon_mbox_queue_id id = { .queue = 4 };
	struct host_queue q;
	struct axon_cqe cqe;

	axon_card_write(h->card, AXON_REG_INT_MASK, AXON_INT_MBOX_EVENT);
	assert_int_equal(host_queue_create(&q, h, 4, 0, 16), AXON_MBOX_OK);
	host_submit(&q, cmd);
	assert_true(host_complete(&q, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_FAULT_UNMAPPED);
	assert_true(host_wait32(&m->event_tail, 1));
	assert_int_equal(m->event[0].type, AXON_EVENT_FAULT);
	assert_int_equal(m->event[0].fault.queue, 4);
	assert_int_equal(m->event[0].fault.addr, 0x666000);
	assert_int_equal(m->event[0].fault.user_data, 99);
	assert_int_equal(m->event[0].fault.asid, 1);
	assert_true(host_wait_irq(h, 0));
	assert_int_equal(host_call(h, AXON_MBOX_QUEUE_DESTROY, &id, sizeof(id), NULL),
			 AXON_MBOX_OK);
	assert_int_equal(host_queue_create(&q, h, 4, 0, 16), AXON_MBOX_OK);
	host_submit(&q, nop);
	assert_true(host_complete(&q, &cqe));
	assert_int_equal(cqe.status, AXON_STATUS_OK);
}

static void sleeps_and_wakes(void **state)
{
	struct host *h = *state;
	struct host_queue q;
	struct axon_cqe cqe;

	h->poll_ns = 0;
	assert_int_equal(host_queue_create(&q, h, 0, 0, 16), AXON_MBOX_OK);
	for (uint32_t i = 0; i < 200; i++) {
		if (i % 2)
			assert_true(host_wait_sleep(h));
		host_submit(&q, nop);
		assert_true(host_complete(&q, &cqe));
	}
	assert_true(q.doorbells > 0);
}

static void reset_and_again(void **state)
{
	struct host *h = *state;
	struct host_queue q;
	struct axon_cqe cqe;

	for (uint32_t i = 1; i <= 5; i++) {
		assert_int_equal(host_queue_create(&q, h, 0, 0, 16), AXON_MBOX_OK);
		host_submit(&q, nop);
		assert_true(host_complete(&q, &cqe));
		axon_card_write(h->card, AXON_REG_RESET, AXON_RESET_CARD);
		assert_true(host_wait_reg(h, AXON_REG_BOOT_STAGE, AXON_STAGE_IDLE));
		assert_int_equal(axon_card_read(h->card, AXON_REG_RESET_COUNT), i);
		assert_int_equal(host_boot(h, image), AXON_STAGE_READY);
		host_spaces(h);
	}
}

/**
 * struct hammer - a thread that uses every call which any thread may use
 * @h: the host
 * @seed: of its numbers
 */
struct hammer {
	struct host *h;
	uint32_t seed;
};

static uint32_t next(struct hammer *hammer)
{
	hammer->seed = hammer->seed * 1664525 + 1013904223;
	return hammer->seed >> 8;
}

static void *hammer_thread(void *arg)
{
	struct hammer *hammer = arg;
	struct axon_card *card = hammer->h->card;

	for (int i = 0; i < 20000; i++) {
		uint32_t offset = next(hammer) % 0x600 & ~3u, value = next(hammer);

		axon_card_read(card, offset);
		axon_card_write(card, offset, value % 3 ? value : 1u << value % 32);
		axon_card_doorbell(card, next(hammer) % 300);
		if (i % 1000 == 0)
			axon_card_write(card, AXON_REG_RESET, AXON_RESET_CARD);
		if (i % 100 == 0)
			axon_card_set(card, AXON_KNOB_DROP_IRQ, value % 10);
	}
	return NULL;
}

/* Registers, doorbells and knobs are used from three threads while the card works. */
static void any_thread(void **state)
{
	struct host *h = *state;
	struct hammer hammer[3];
	struct host_queue q;
	struct axon_cqe cqe;
	pthread_t thread[3];

	for (uint32_t i = 0; i < 3; i++) {
		hammer[i] = (struct hammer){ h, i };
		assert_int_equal(pthread_create(&thread[i], NULL, hammer_thread, &hammer[i]), 0);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	axon_card_write(h->card, AXON_REG_RESET, AXON_RESET_CARD);
	assert_true(host_wait_reg(h, AXON_REG_BOOT_STAGE, AXON_STAGE_IDLE));
	assert_int_equal(host_boot(h, image), AXON_STAGE_READY);
	host_spaces(h);
	assert_int_equal(host_queue_create(&q, h, 0, 0, 16), AXON_MBOX_OK);
	host_submit(&q, nop);
	assert_true(host_complete(&q, &cqe));
}

int main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nops), T(copy), T(launch), T(endless_launch), T(faults_become_events),
		T(sleeps_and_wakes), T(reset_and_again), T(any_thread),
	};

	if (argc != 2)
		return 2;
	image = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
