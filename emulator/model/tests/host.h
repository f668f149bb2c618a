/* SPDX-License-Identifier: MIT */
/*
 * host.h - a whole card with its thread and the least of a driver, for tests of all together.
 *
 * Knows only axon_card.h and uapi/, as the QEMU device and the soft card do.
 */
#ifndef AXON_MODEL_TESTS_HOST_H
#define AXON_MODEL_TESTS_HOST_H

#include <pthread.h>
#include <stdatomic.h>

#include "axon_card.h"
#include "axon_hw.h"
#include "axon_isa.h"
#include "axon_mbox.h"

#define HOST_HBM_SIZE	(64ull << 20)
#define HOST_BUS_BASE	0x100000000ull
#define HOST_BUS_SIZE	(4ull << 20)
/* Where host_start() maps the bus and HBM in address spaces 0 and 1. */
#define HOST_BUS_VA	0x100000000000ull
#define HOST_HBM_VA	0x200000000000ull

/**
 * struct host - a card and its host
 * @card: the card
 * @thread: runs it
 * @lock: guards @work, and writes of @stop
 * @cond: either has become true
 * @work: wake() was called since the card thread last looked
 * @stop: the card thread shall end, or has (any thread, atomic)
 * @poll_ns: how long the thread polls before it sleeps (any thread, atomic)
 * @asleep: it sleeps (any thread, atomic)
 * @irqs: interrupts by vector (any thread, atomic)
 * @maps: mappings of the bus not given back (card thread)
 * @bus: memory of the host at HOST_BUS_BASE
 * @tables: end of the page tables in HBM
 * @seq: of the last mailbox request
 */
struct host {
	struct axon_card *card;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool work;
	atomic_bool stop;
	_Atomic uint64_t poll_ns;
	atomic_bool asleep;
	_Atomic unsigned int irqs[AXON_NUM_VECTORS];
	int maps;
	uint8_t *bus;
	uint64_t tables;
	uint32_t seq;
};

/* Makes a card with a running thread; @image is the path of a firmware image. */
struct host *host_start(const char *image, uint64_t poll_ns);
void host_end(struct host *h);
/* Ends the card's thread: from now on the caller runs the card. */
void host_stop_thread(struct host *h);
/* Copies the image again and boots. Return: the stage after it, READY or FAILED. */
uint32_t host_boot(struct host *h, const char *image);
/* Address spaces 0 and 1 see the bus (HOST_BUS_VA) and HBM (HOST_HBM_VA). */
void host_spaces(struct host *h);
/* A mailbox call. Return: an &enum axon_mbox_status. */
uint32_t host_call(struct host *h, uint32_t type, const void *data, uint32_t len,
		   struct axon_mbox_msg *response);
uint64_t host_now_ns(void);
/* Each waits at most ten seconds. Return: false if in vain. */
bool host_wait32(const uint32_t *word, uint32_t value);
bool host_wait_reg(struct host *h, uint32_t offset, uint32_t value);
/* Until the card thread sleeps. */
bool host_wait_sleep(struct host *h);
bool host_wait_irq(struct host *h, unsigned int vector);

/**
 * struct host_queue - a queue whose rings lie in the memory of the bus
 */
struct host_queue {
	struct host *h;
	uint32_t id;
	uint32_t entries;
	struct axon_cmd *sq;
	struct axon_cqe *cq;
	struct axon_qstate *state;
	uint32_t tail;
	uint32_t head;
	unsigned int doorbells;
};

/* Queue @id in address space 1, rings in 0. Return: an &enum axon_mbox_status. */
uint32_t host_queue_create(struct host_queue *q, struct host *h, uint32_t id, uint32_t core,
			   uint32_t entries);
/* Writes a command with seqno tail + 1 and rings if asked to. */
void host_submit(struct host_queue *q, struct axon_cmd cmd);
/* Waits for the next completion, at most ten seconds. */
bool host_complete(struct host_queue *q, struct axon_cqe *cqe);

/*
 * Puts a program into HBM: on every engine one instruction @opcode, AXON_OP_NOP or _BRANCH to
 * itself, then HALT. Return: its virtual address.
 */
uint64_t host_program(struct host *h, uint8_t opcode);

#endif /* AXON_MODEL_TESTS_HOST_H */
