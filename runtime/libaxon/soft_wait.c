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
/* After that long others are asked to help. */
#define LONG_NS			50000ull
/* With their help it takes at least that long. */
#define HELPED_NS		(LONG_NS / 2)
/* A waiter of a gang that cannot go on looks that long before it sleeps. */
#define SPIN_NS			20000ull
/* A helper longer: the next operation comes soon, and waking it costs its caller most of that. */
#define HELP_NS			100000ull
/* Cards run between two looks at the clock. */
#define TURNS_PER_CLOCK		16u

/* Of a job that has ended. */
static int result(struct soft_queue *q, uint64_t seqno)
{
	uint64_t fail = atomic_load_explicit(&q->fail_seqno, memory_order_acquire);

	if (seqno < fail)
		return 0;
	return seqno == fail ? q->fail_error : q->later_error;
}

/* ---- the other cards of a gang ---- */

/**
 * struct tour - a thread's way through the cards that can go on
 * @card: its own
 * @queue: what it waits for, or NULL
 * @seqno: same
 * @until_ns: when it must be back
 * @long_ns: from then on this is a long piece of work, which others should share
 * @last: place of the card that ran last
 * @runs: cards it has run
 */
struct tour {
	struct soft_card *card;
	struct soft_queue *queue;
	uint64_t seqno;
	uint64_t until_ns;
	uint64_t long_ns;
	uint32_t last;
	uint32_t runs;
};

/* The own card need not go on. */
static bool is_over(const struct tour *t)
{
	return t->queue && soft_has_ended(t->queue, t->seqno);
}

/* Cards that can go on, but for @card. */
static uint64_t called_others(const struct soft_card *card)
{
	return atomic_load(&soft_calls.called) & ~(1ull << card->place);
}

/*
 * There is more to do than one thread should do alone: whoever waits for one of the cards @called
 * that nobody runs shall do it himself, or its helper, if nobody looks for work anyway.
 */
static void share(struct soft_card *card, uint64_t called)
{
	if (atomic_load(&soft_calls.spinners))
		return;
	for (; called; called &= called - 1) {
		uint32_t place = (uint32_t)__builtin_ctzll(called);
		struct soft_card *other = soft_pin(card, place);

		if (!other)
			continue;
		if (!atomic_load(&other->runner)) {
			if (atomic_load(&other->sleepers))
				soft_wake(other);
			else
				soft_ask_helper(other);
		}
		soft_unpin(place);
	}
}

/* Runs the card in a place until it cannot go on. Return: false if another thread does. */
static bool run_peer(struct tour *t, uint32_t place)
{
	struct soft_card *other = soft_pin(t->card, place);
	bool begun;

	/* It is on its way out. */
	if (!other)
		return false;
	begun = soft_run_begin(other);
	if (begun) {
		t->runs++;
		while (soft_run_slice(other)) {
			share(t->card, called_others(t->card) & ~(1ull << place));
			if (is_over(t) || axon_now_ns() >= t->until_ns) {
				soft_call(other);
				break;
			}
			soft_run_yield(other);
		}
		soft_run_end(other);
	}
	soft_unpin(place);
	return begun;
}

/* Cards that can go on, but for the own one if another thread runs it. */
static uint64_t called_of(const struct tour *t)
{
	return atomic_load_explicit(&t->card->runner, memory_order_relaxed) ?
		called_others(t->card) : atomic_load(&soft_calls.called);
}

/*
 * The one of @called that comes next behind the last. A card that has run gets as far as the others
 * are, and would come no further before they have run too.
 */
static uint32_t next_place(const struct tour *t, uint64_t called)
{
	uint64_t behind = called & ~(((2ull << t->last) - 1));

	return (uint32_t)__builtin_ctzll(behind ? behind : called);
}

/*
 * Runs other cards as long as they can go on and it is not the own one's turn. Return: SOFT_OTHERS
 * if other threads run them.
 */
static enum soft_step run_peers(struct tour *t)
{
	uint64_t busy = 0;
	uint64_t called;
	uint32_t place;
	uint32_t turns;

	for (turns = 1; !is_over(t); turns++) {
		called = called_of(t) & ~busy;
		if (!called)
			return busy ? SOFT_OTHERS : SOFT_IDLE;
		place = next_place(t, called);
		t->last = place;
		if (place == t->card->place)
			break;
		if (!run_peer(t, place))
			busy |= 1ull << place;
		if (turns % TURNS_PER_CLOCK == 0) {
			uint64_t now = axon_now_ns();

			if (now >= t->until_ns)
				break;
			if (now >= t->long_ns) {
				/* The first one is for this thread. */
				called = called_others(t->card) & ~busy;
				share(t->card, called & (called - 1));
				t->long_ns = now + LONG_NS;
			}
		}
	}
	return SOFT_AGAIN;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* There is something for this thread, or nothing to wait for any more. */
static bool is_called(const struct tour *t)
{
	if (is_over(t))
		return true;
	/* Light work is done sooner by one thread than by two. */
	return called_of(t) && (t->queue || atomic_load(&soft_calls.heavy));
}

/* Looks for something to do until @until_ns. Return: there is something. */
static bool look_out(struct tour *t, uint64_t until_ns)
{
	bool found = false;

	/* Unless there are more of us than CPUs. */
	if (atomic_fetch_add(&soft_calls.spinners, 1) < soft_calls.max_spinners) {
		while (!found && axon_now_ns() < until_ns) {
			relax();
			found = is_called(t);
		}
	}
	atomic_fetch_sub(&soft_calls.spinners, 1);
	return found;
}

/* Like run_peers(), but looks for @ns whether another call comes. */
static enum soft_step run_and_look(struct tour *t, uint64_t ns)
{
	uint64_t until = axon_now_ns() + ns;
	enum soft_step step;

	do {
		uint32_t runs = t->runs;

		step = run_peers(t);
		if (runs != t->runs)
			until = axon_now_ns() + ns;
	} while (step != SOFT_AGAIN && look_out(t, until));
	return step;
}

static struct tour begin_tour(struct soft_card *card)
{
	uint64_t now = axon_now_ns();

	return (struct tour) {
		.card = card,
		.until_ns = now + PEERS_NS,
		.long_ns = now + LONG_NS,
		.last = card->place,
	};
}

enum soft_step soft_run_gang(struct soft_card *card)
{
	struct tour tour = begin_tour(card);

	return run_peers(&tour);
}

/* Runs the card until it has nothing to do. */
static bool run_called(struct soft_card *card)
{
	if (!soft_called(card) || !soft_run_begin(card))
		return false;
	while (soft_run_slice(card) && !atomic_load(&card->stop))
		soft_run_yield(card);
	soft_run_end(card);
	return true;
}

void soft_help(struct soft_card *card)
{
	enum soft_step step = SOFT_AGAIN;

	while (step == SOFT_AGAIN && !atomic_load(&card->stop)) {
		struct tour tour = begin_tour(card);

		if (!run_called(card))
			step = run_and_look(&tour, HELP_NS);
	}
}

/* ---- waiting ---- */

/*
 * From here to stop_driving() this thread looks after every card that is called: who calls one
 * need not wake a sleeper for it.
 */
static void start_driving(void)
{
	atomic_fetch_add(&soft_calls.drivers, 1);
}

/* Whoever sleeps while his card could go on must look after it himself from now on. */
static void stop_driving(struct soft_card *card)
{
	uint64_t called;

	atomic_fetch_sub(&soft_calls.drivers, 1);
	if (soft_called(card))
		soft_wake(card);
	for (called = called_others(card); called; called &= called - 1) {
		uint32_t place = (uint32_t)__builtin_ctzll(called);
		struct soft_card *other = soft_pin(card, place);

		if (!other)
			continue;
		soft_wake(other);
		soft_unpin(place);
	}
}

/* Runs the card until the job has ended, time is up or there is nothing to do. */
static void run_for(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
		    uint64_t deadline_ns)
{
	while (!soft_has_ended(q, seqno)) {
		if (!soft_run_slice(card))
			return;
		if (deadline_ns != UINT64_MAX && axon_now_ns() >= deadline_ns)
			break;
		if (atomic_load_explicit(&q->gang, memory_order_relaxed))
			share(card, called_others(card));
		soft_run_yield(card);
	}
	/* There may be more. */
	soft_call(card);
}

/* Runs the own card. Return: SOFT_IDLE if the job cannot go on, SOFT_OTHERS if due to its gang. */
static enum soft_step run_own(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
			      uint64_t deadline_ns)
{
	uint32_t peer = AXON_NO_PEER;

	if (!soft_run_begin(card))
		return SOFT_BUSY;
	run_for(card, q, seqno, deadline_ns);
	if (card->fabric && !soft_has_ended(q, seqno))
		peer = axon_card_waits_for(card->model);
	soft_run_end(card);
	if (soft_has_ended(q, seqno) || !deadline_ns)
		return SOFT_AGAIN;
	return peer == AXON_NO_PEER ? SOFT_IDLE : SOFT_OTHERS;
}

/* Runs the own card, and others of its gang. */
static enum soft_step work(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
			   uint64_t deadline_ns)
{
	enum soft_step step = run_own(card, q, seqno, deadline_ns);
	struct tour tour;

	if (step == SOFT_OTHERS)
		atomic_store_explicit(&q->gang, true, memory_order_relaxed);
	else if (step != SOFT_BUSY || !atomic_load_explicit(&q->gang, memory_order_relaxed))
		return step;
	tour = begin_tour(card);
	tour.queue = q;
	tour.seqno = seqno;
	if (tour.until_ns > deadline_ns)
		tour.until_ns = deadline_ns;
	return run_and_look(&tour, SPIN_NS);
}

/* Sleeps until there is news, unless it is there. */
static void doze(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
		 uint64_t deadline_ns, bool busy)
{
	uint64_t until = axon_now_ns() + (busy ? WAIT_NAP_NS : IDLE_NAP_NS);
	uint64_t news = soft_news(card);

	if (!soft_has_ended(q, seqno) &&
	    (atomic_load(&card->runner) || (!busy && !soft_called(card))))
		soft_sleep(card, news, until < deadline_ns ? until : deadline_ns);
}

/* One attempt: run the card and its gang, or wait for whoever does. @driving: start_driving(). */
static void wait_step(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
		      uint64_t deadline_ns, bool *driving)
{
	enum soft_step step;

	if (!*driving && atomic_load_explicit(&q->gang, memory_order_relaxed)) {
		start_driving();
		*driving = true;
	}
	step = work(card, q, seqno, deadline_ns);
	if (step == SOFT_AGAIN)
		return;
	/* From here on whoever has news counts it; look once more before sleeping. */
	atomic_fetch_add(&card->sleepers, 1);
	if (*driving)
		stop_driving(card);
	*driving = false;
	doze(card, q, seqno, deadline_ns, step == SOFT_BUSY);
	atomic_fetch_sub(&card->sleepers, 1);
}

/**
 * struct gang_wait - a wait for a job of a gang
 * @heavy: the last one took long, so help is asked for from the start
 * @began_ns: 0: it is none
 */
struct gang_wait {
	bool heavy;
	uint64_t began_ns;
};

static struct gang_wait begin_wait(struct soft_card *card, struct soft_queue *q, uint64_t seqno)
{
	struct gang_wait w = { 0 };

	if (!atomic_load_explicit(&q->gang, memory_order_relaxed) || soft_has_ended(q, seqno))
		return w;
	w.heavy = atomic_load_explicit(&q->heavy, memory_order_relaxed);
	w.began_ns = axon_now_ns();
	if (w.heavy) {
		atomic_fetch_add(&soft_calls.heavy, 1);
		share(card, called_others(card));
	}
	return w;
}

static void end_wait(struct soft_queue *q, struct gang_wait w)
{
	if (w.heavy)
		atomic_fetch_sub(&soft_calls.heavy, 1);
	if (w.began_ns)
		atomic_store_explicit(&q->heavy, axon_now_ns() - w.began_ns >
				      (w.heavy ? HELPED_NS : LONG_NS), memory_order_relaxed);
}

int soft_queue_wait(struct soft_card *card, struct soft_queue *q, uint64_t seqno,
		    uint64_t deadline_ns)
{
	struct gang_wait wait;
	bool driving = false;

	if (seqno > atomic_load_explicit(&q->last, memory_order_acquire))
		return -EINVAL;
	wait = begin_wait(card, q, seqno);
	while (!soft_has_ended(q, seqno)) {
		wait_step(card, q, seqno, deadline_ns, &driving);
		if (deadline_ns != UINT64_MAX && !soft_has_ended(q, seqno) &&
		    axon_now_ns() >= deadline_ns)
			break;
	}
	if (driving)
		stop_driving(card);
	end_wait(q, wait);
	return soft_has_ended(q, seqno) ? result(q, seqno) : -ETIMEDOUT;
}
