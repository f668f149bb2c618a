// SPDX-License-Identifier: MIT
/*
 * soft_wait.c - waiting for a job of a soft card: the waiter runs the card, and when its job cannot
 * go on because its gang waits for other cards, it runs these.
 *
 * Never holds two cards: it lets go of one before it takes the next, so no two waiters can wait for
 * each other.
 */
#include <errno.h>

#include "soft.h"

#define MS			1000000ull
/* A sleeping waiter looks again after that long, whatever happens. */
#define IDLE_NAP_NS		(2 * MS)
#define WAIT_NAP_NS		(100 * MS)
/* Other cards are run for that long, then the own one has its turn. */
#define PEERS_NS		MS
/* A waiter whose gang is run by other threads looks that long before it sleeps. */
#define SPIN_NS			20000ull

/* Of a job that has ended. */
static int result(struct soft_queue *q, uint64_t seqno)
{
	uint64_t fail = atomic_load_explicit(&q->fail_seqno, memory_order_acquire);

	if (seqno < fail)
		return 0;
	return seqno == fail ? q->fail_error : q->later_error;
}

/* Runs the card until the job has ended, time is up or there is nothing to do. */
static void run_for(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
		    uint64_t deadline_ns)
{
	while (!soft_has_ended(q, seqno)) {
		if (!soft_run_slice(card))
			return;
		if (deadline_ns != UINT64_MAX && axon_now_ns() >= deadline_ns)
			return;
		soft_run_yield(card);
	}
}

/* ---- the other cards of a gang ---- */

/**
 * struct tour - a waiter's way through the cards of its gang
 * @card: its own
 * @queue: what it waits for, or NULL
 * @seqno: same
 * @until_ns: when it must be back
 * @tried: places it need not go to again, unless they are called
 * @busy: places that other threads run
 */
struct tour {
	struct soft_card *card;
	struct soft_queue *queue;
	uint64_t seqno;
	uint64_t until_ns;
	uint64_t tried;
	uint64_t busy;
};

/* The own card can go on, or need not. */
static bool is_over(const struct tour *t)
{
	return soft_called(t->card) || (t->queue && soft_has_ended(t->queue, t->seqno)) ||
	       axon_now_ns() >= t->until_ns;
}

/* Runs the card in a place until it cannot go on either. Return: whom it waits for. */
static uint32_t run_peer(struct tour *t, uint32_t place)
{
	struct soft_card *other = soft_pin(t->card, place);
	uint32_t next = AXON_NO_PEER;

	if (!other)
		return AXON_NO_PEER;
	if (soft_run_begin(other)) {
		while (soft_run_slice(other) && !is_over(t))
			soft_run_yield(other);
		next = axon_card_waits_for(other->model);
		soft_run_end(other);
	} else {
		t->busy |= 1ull << place;
	}
	soft_unpin(place);
	return next;
}

/* Where to go: to whom the last one waits for, or to anyone who was called. */
static uint32_t pick(const struct tour *t, uint32_t next)
{
	uint64_t called = atomic_load(&soft_calls.called) & ~t->busy & ~(1ull << t->card->place);

	if (next != AXON_NO_PEER && !((t->tried | t->busy) & ~called & 1ull << next))
		return next;
	return called ? (uint32_t)__builtin_ctzll(called) : AXON_NO_PEER;
}

static enum soft_step run_peers(struct tour *t, uint32_t next)
{
	for (;;) {
		next = pick(t, next);
		if (next == AXON_NO_PEER)
			return t->busy ? SOFT_OTHERS : SOFT_IDLE;
		t->tried |= 1ull << next;
		next = run_peer(t, next);
		if (is_over(t))
			return SOFT_AGAIN;
	}
}

enum soft_step soft_run_gang(struct soft_card *card, uint32_t peer)
{
	struct tour tour = {
		.card = card,
		.until_ns = axon_now_ns() + PEERS_NS,
		.tried = 1ull << card->place,
	};

	return run_peers(&tour, peer);
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Other threads run the gang: the next call comes soon. Unless there are more of us than CPUs. */
static enum soft_step spin(struct tour *t)
{
	enum soft_step step = SOFT_OTHERS;
	uint64_t until;

	if (atomic_fetch_add(&soft_calls.spinners, 1) < soft_calls.max_spinners) {
		until = axon_now_ns() + SPIN_NS;
		while (step == SOFT_OTHERS && axon_now_ns() < until) {
			relax();
			if (is_over(t))
				step = SOFT_AGAIN;
		}
	}
	atomic_fetch_sub(&soft_calls.spinners, 1);
	return step;
}

/* ---- waiting ---- */

/* Runs the own card, and others of its gang. */
static enum soft_step work(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
			   uint64_t deadline_ns)
{
	struct tour tour = {
		.card = card,
		.queue = q,
		.seqno = seqno,
	};
	uint32_t peer = AXON_NO_PEER;
	enum soft_step step;

	if (!soft_run_begin(card))
		return SOFT_BUSY;
	run_for(card, q, seqno, deadline_ns);
	if (card->fabric && !soft_has_ended(q, seqno))
		peer = axon_card_waits_for(card->model);
	soft_run_end(card);
	if (soft_has_ended(q, seqno) || !deadline_ns)
		return SOFT_AGAIN;
	/* The job is held back, or the card waits for its own timer. */
	if (peer == AXON_NO_PEER)
		return SOFT_IDLE;
	tour.tried = 1ull << card->place;
	tour.until_ns = axon_now_ns() + PEERS_NS;
	if (tour.until_ns > deadline_ns)
		tour.until_ns = deadline_ns;
	step = run_peers(&tour, peer);
	return step == SOFT_OTHERS ? spin(&tour) : step;
}

/* One attempt: run the card, or wait for whoever does. */
static void wait_step(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
		      uint64_t deadline_ns)
{
	enum soft_step step = work(card, q, seqno, deadline_ns);
	uint64_t news;
	uint64_t until;
	bool sleep;

	if (step == SOFT_AGAIN)
		return;
	/* From here on whoever has news counts it; look once more before sleeping. */
	atomic_fetch_add(&card->sleepers, 1);
	news = soft_news(card);
	sleep = step == SOFT_BUSY ? atomic_load(&card->runner) : !soft_called(card);
	if (sleep && !soft_has_ended(q, seqno)) {
		until = axon_now_ns() + (step == SOFT_BUSY ? WAIT_NAP_NS : IDLE_NAP_NS);
		soft_sleep(card, news, until < deadline_ns ? until : deadline_ns);
	}
	atomic_fetch_sub(&card->sleepers, 1);
}

int soft_queue_wait(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
		    uint64_t deadline_ns)
{
	if (seqno > atomic_load_explicit(&q->last, memory_order_acquire))
		return -EINVAL;
	while (!soft_has_ended(q, seqno)) {
		wait_step(card, q, seqno, deadline_ns);
		if (deadline_ns != UINT64_MAX && !soft_has_ended(q, seqno) &&
		    axon_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	}
	return result(q, seqno);
}
