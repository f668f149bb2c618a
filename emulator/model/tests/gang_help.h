/* SPDX-License-Identifier: MIT */
/*
 * gang_help.h - cards with firmware, joined or alone, and launches of gangs on them.
 *
 * Knows only axon_card.h and uapi/, as drivers do: what gangs do is tested as the documents say it.
 *
 * The cards are run by the caller, in turn, with a clock of paper; or each by a thread of its own.
 * In turn, a card that sleeps is not run until it is woken or its deadline comes, and the clock
 * stands while all sleep: a wake that the model forgets is a test that fails at once.
 */
#ifndef AXON_MODEL_TESTS_GANG_HELP_H
#define AXON_MODEL_TESTS_GANG_HELP_H

#include <pthread.h>
#include <stdatomic.h>

#include "axon_card.h"
#include "axon_hw.h"
#include "axon_mbox.h"
#include "insts.h"

#define GANG_MAX_CARDS	16u
#define GANG_QUEUES	16u	/* of a card: ids 0 .. 15 */
#define GANG_SLOTS	32u	/* programs in a card's memory */
#define GANG_CONTEXTS	3u	/* address spaces: 0, 1, 2; all see the same */

/* A card's memory. */
#define GANG_HBM_SIZE	(16ull << 20)
#define GANG_HBM_PLACES	(10ull << 20)	/* places for gangs, 64 bytes each */
#define GANG_HBM_DATA	(11ull << 20)	/* from here on it is the tests' */

/* Where the address spaces see it, the peers' and a page of the host's. */
#define GANG_NEAR	0x200000000000ull
#define GANG_PEER(p)	(0x300000000000ull + ((uint64_t)(p) << 32))
#define GANG_BUS_VA	0x100000000000ull

/* Cycles: Documentation/isa.rst, "Cycles". */
#define GANG_NOP	8ull
#define GANG_HALT	8ull
#define GANG_ALU	16ull
#define GANG_LOAD	700ull
#define GANG_STORE	100ull
#define GANG_POST	16ull
#define GANG_DMA	64ull
#define GANG_LOCAL	64ull	/* latency of a post between cores of one card */

/* Who runs the cards. */
enum gang_mode {
	GANG_UP,	/* the caller: 0, 1, 2, ... */
	GANG_DOWN,	/* the caller: ..., 2, 1, 0 */
	GANG_RANDOM,	/* the caller, in any order, some more often, with slices of any length */
	GANG_THREADS,	/* a thread each, which yields and sleeps now and then */
};

struct gang_world;

/**
 * struct gang_card - a card of the world
 * @world: its world
 * @place: its index, and its peer id
 * @card: NULL: removed
 * @hbm: its memory
 * @tables: end of its page tables
 * @seq: of the last mailbox request
 * @bus: the host's page at GANG_BUS_VA
 * @now: clock of paper (whoever runs the card, and callers of any thread: atomic)
 * @asleep: axon_card_prepare_sleep() has allowed it (its thread; atomic for the others)
 * @woken: since then there was a wake (any thread)
 * @deadline: until then
 * @fault: last fault record of each queue
 * @faults: number of them since the queue was made
 * @thread: GANG_THREADS
 * @stop: it shall end
 * @seed: of its pauses
 * @lock: guards @cond
 * @cond: @woken or @stop was set
 */
struct gang_card {
	struct gang_world *world;
	uint32_t place;
	struct axon_card *card;
	uint8_t *hbm;
	uint64_t tables;
	uint32_t seq;
	uint8_t *bus;
	_Atomic uint64_t now;
	atomic_bool asleep;
	atomic_bool woken;
	uint64_t deadline;
	struct axon_fault fault[GANG_QUEUES];
	unsigned int faults[GANG_QUEUES];
	pthread_t thread;
	atomic_bool stop;
	uint64_t seed;
	pthread_mutex_t lock;
	pthread_cond_t cond;
};

/**
 * struct gang_world - cards
 * @fabric: NULL: one card without
 * @cards: number of places
 * @cores: of each card
 * @mode: who runs them
 * @running: GANG_THREADS: the threads are there
 * @seed: of orders and slices
 * @tick: nanoseconds that the clock of paper moves with every look
 * @slices: run by the caller so far
 * @card: by place
 */
struct gang_world {
	struct axon_fabric *fabric;
	uint32_t cards;
	uint32_t cores;
	enum gang_mode mode;
	bool running;
	uint64_t seed;
	_Atomic uint64_t tick;
	uint64_t slices;
	struct gang_card card[GANG_MAX_CARDS];
};

/* Reads the firmware; every world boots its cards with it. */
void gang_image(const char *path);
/* @shape: as axon_fabric_parse(); NULL: a card that is alone. Cards are booted and have spaces. */
struct gang_world *gang_world(const char *shape, uint32_t cards, uint32_t cores);
void gang_world_end(struct gang_world *w);
/* From now on; GANG_RANDOM and GANG_THREADS take @seed. */
void gang_mode(struct gang_world *w, enum gang_mode mode, uint64_t seed);
/* Until every card sleeps. Fails the program if they never do. */
void gang_idle(struct gang_world *w);
/* Lets the cards work for a little. Return: false: all sleep. */
bool gang_round(struct gang_world *w);
uint64_t gang_real_ns(void);

/* A card goes (power, slot), is reset, comes and boots. */
void gang_card_remove(struct gang_world *w, uint32_t card);
void gang_card_add(struct gang_world *w, uint32_t card);
void gang_card_reset(struct gang_world *w, uint32_t card);
/* A mailbox call. Return: an &enum axon_mbox_status. */
uint32_t gang_call(struct gang_world *w, uint32_t card, uint32_t type, const void *data,
		   uint32_t len);
uint32_t gang_reg(struct gang_world *w, uint32_t card, uint32_t reg);
/* The queue whose launch runs on a core, or AXON_NO_QUEUE. */
uint32_t gang_core_queue(struct gang_world *w, uint32_t card, uint32_t core);
/* Takes the rings of all queues of a card out of its address spaces, or puts them back. */
void gang_rings(struct gang_world *w, uint32_t card, bool there);
/* Where @card has the places (and the data) of @home. */
enum gang_bound { GANG_BOUND, GANG_UNBOUND, GANG_ELSEWHERE };
void gang_places(struct gang_world *w, uint32_t card, uint32_t home, enum gang_bound how);
/* Takes the card's links down, or up again. */
void gang_links(struct gang_world *w, uint32_t card, bool up);
/* Cycles of a post from @a to @b. */
uint64_t gang_way(struct gang_world *w, uint32_t a, uint32_t b);

/* ---- addresses ---- */

/* @card's memory at @off, as @from sees it. */
uint64_t gang_va(uint32_t from, uint32_t card, uint64_t off);
/* Place @i for a gang. */
uint64_t gang_place(uint32_t from, uint32_t card, uint32_t i);
/* Its data area as the host sees it. */
void *gang_data(struct gang_world *w, uint32_t card, uint64_t off);

/* ---- programs ---- */

/**
 * struct gang_prog - a program that is being written
 * @card: whose memory it lies in
 * @off: where
 * @desc: its descriptor, written to memory by gang_ready()
 */
struct gang_prog {
	struct gang_card *card;
	uint64_t off;
	struct axon_program desc;
};

#define GANG_MAX_INSTS	128u	/* of one engine */

/* An empty program in @slot of a card. */
struct gang_prog gang_prog(struct gang_world *w, uint32_t card, uint32_t slot);
void gang_emit(struct gang_prog *p, unsigned int engine, struct axon_inst inst);
/* Makes it member @rank of @ranks of the gang at @va. */
void gang_join(struct gang_prog *p, uint64_t va, uint32_t rank, uint32_t ranks);
/* Puts the descriptor into memory. Return: its address. */
uint64_t gang_ready(struct gang_prog *p);

/* POST: semaphore @sem of @rank, by @op with @val. */
static inline struct axon_inst gang_post(uint32_t rank, unsigned int sem, unsigned int op,
					 uint32_t val)
{
	struct axon_inst i = fx_inst(AXON_OP_POST);

	i.ctl.imm = rank;
	i.ctl.rd = (uint8_t)sem;
	i.ctl.ra = AXON_SREG_NONE;
	i.ctl.rb = AXON_SREG_NONE;
	i.ctl.dtype = (uint8_t)op;
	i.ctl.target = val;
	return i;
}

static inline struct axon_inst gang_wait_eq(struct axon_inst i, unsigned int sem, uint32_t val)
{
	i.wait_sem = (uint8_t)sem;
	i.wait_op = AXON_WAIT_EQ;
	i.wait_val = val;
	return i;
}

static inline struct axon_inst gang_halt(void)
{
	return fx_inst(AXON_OP_HALT);
}

/* ---- queues ---- */

/**
 * struct gang_queue - a queue whose rings lie in its card's memory
 */
struct gang_queue {
	struct gang_world *w;
	uint32_t card;
	uint32_t id;
	uint32_t core;
	uint32_t asid;
	struct axon_cmd *sq;
	struct axon_cqe *cq;
	struct axon_qstate *state;
	uint32_t tail;
	uint32_t head;
};

#define GANG_ENTRIES	64u

/* Queue @id of @core, in address space @asid. */
void gang_queue(struct gang_queue *q, struct gang_world *w, uint32_t card, uint32_t id,
		uint32_t core, uint32_t asid);
void gang_queue_destroy(struct gang_queue *q);
/* Destroyed and made again, as a driver does with one that has stopped. */
void gang_queue_again(struct gang_queue *q);
void gang_submit(struct gang_queue *q, struct axon_cmd cmd);
void gang_launch(struct gang_queue *q, uint64_t program);
/* Takes a completion if there is one. */
bool gang_poll(struct gang_queue *q, struct axon_cqe *cqe);
/* Runs the cards until there is one. Return: false if in vain: all sleep, or it takes too long. */
bool gang_done(struct gang_queue *q, struct axon_cqe *cqe);
/* The same, must be there; its status. */
uint32_t gang_status(struct gang_queue *q);
/* Its last fault record; fails the program if there is none. */
struct axon_fault gang_fault(struct gang_queue *q);
/* CORE_RESET or GANG_RESET. */
uint32_t gang_kill(struct gang_queue *q, uint32_t type);

/* ---- whole gangs ---- */

#define GANG_MAX_MEMBERS	AXON_MAX_RANKS

/**
 * struct gang_member - one of them
 * @q: its queue
 * @prog: its program
 * @cqe: how it ended
 */
struct gang_member {
	struct gang_queue q;
	struct gang_prog prog;
	struct axon_cqe cqe;
};

/**
 * struct gang - a gang: rank r is on core r / cards of card r % cards
 * @w: where
 * @ranks: members
 * @home: card whose memory names it
 * @place: which place there
 * @m: members by rank
 */
struct gang {
	struct gang_world *w;
	uint32_t ranks;
	uint32_t home;
	uint32_t place;
	struct gang_member m[GANG_MAX_MEMBERS];
};

/*
 * Queues and empty programs for a gang. Its queues and its slots have numbers from @first on, so
 * that several gangs can be on the same cores.
 */
void gang_make(struct gang *g, struct gang_world *w, uint32_t ranks, uint32_t home, uint32_t place,
	       uint32_t first);
/* The same for one member in a place of its own: for a gang that was not made by gang_make(). */
void gang_member(struct gang *g, uint32_t rank, uint32_t card, uint32_t core, uint32_t id,
		 uint32_t asid);
/* Empty programs again, and new queues for those that have stopped. */
void gang_again(struct gang *g);
void gang_free(struct gang *g);
/* @inst for @engine of @rank. */
void gang_add(struct gang *g, uint32_t rank, unsigned int engine, struct axon_inst inst);
/* Whole programs: a post goes from rank to rank on @engine, @rounds times around. */
void gang_token(struct gang *g, unsigned int engine, uint32_t rounds);
/* Submits one member's launch; all of them. */
void gang_start_one(struct gang *g, uint32_t rank);
void gang_start(struct gang *g);
/* Waits for everybody's end. Fails the program if somebody's does not come. */
void gang_finish(struct gang *g);
/* Start, finish, and all are OK. */
void gang_run(struct gang *g);

#define gang_must(cond) do { \
		if (!(cond)) \
			gang_die(__FILE__, __LINE__, #cond); \
	} while (0)
void gang_die(const char *file, int line, const char *what) __attribute__((noreturn));

#endif /* AXON_MODEL_TESTS_GANG_HELP_H */
