// SPDX-License-Identifier: MIT
/*
 * gang.c - gangs: who is in one, in which order they get cores, how far a member may run ahead of
 * the others, and posts between members.
 *
 * Knows nothing of instructions or rings. Everything dynamic is under the gang's lock, which is
 * held for some tens of nanoseconds and taken by a member only when it comes to its limit, sends,
 * or is wanted; forming gangs and the order of complete ones are under fabric->lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "gang.h"

/* Room for posts that a member keeps from gang to gang. */
#define KEPT_POSTS	1024u

enum member_state {
	MEMBER_ABSENT = 0,
	MEMBER_JOINED,
	MEMBER_STARTED,
	MEMBER_ENDED,
};

/**
 * struct member - a member of a gang; guarded by the gang's lock but for what is noted
 * @wanted: some other member waits until this one's clock is that far (read without the lock)
 * @card: whose thread runs it; not valid when it has ended
 * @core: its core there
 * @place: its card's place; constant from joining on
 * @state: an &enum member_state
 * @waits: it cannot go on; its card must be called when it can
 * @on: @waits: the member it waits for, or itself: nothing is on its way to it
 * @time: @waits: it can go on when @on is further than this, less the latency
 * @next: the earliest clock at which it can do anything
 * @seq: posts it has sent
 * @post: heap of posts on their way to it, the earliest at 0
 * @posts: number of them
 * @room: allocated
 */
struct member {
	_Alignas(64) _Atomic uint64_t wanted;
	struct axon_card *card;
	uint32_t core;
	uint32_t place;
	uint8_t state;
	bool waits;
	uint32_t on;
	uint64_t time;
	uint64_t next;
	uint32_t seq;
	struct axon_gang_post *post;
	uint32_t posts;
	uint32_t room;
};

/**
 * struct axon_gang - a gang
 * @lock: guards @deadlock and members
 * @fabric: constant
 * @place: with @offset the name; constant
 * @offset: see @place
 * @ranks: members; constant
 * @room: members there is room for; constant
 * @lost: 1 + the rank that was lost first (written under @lock, read by any)
 * @deadlock: all of them wait
 * @joined: members that have joined (fabric->lock)
 * @refs: of them, those that have not left (fabric->lock)
 * @ticket: axon_gang_ticket() (fabric->lock)
 * @link: next in fabric->forming or fabric->spare (fabric->lock)
 * @member: by rank
 */
struct axon_gang {
	pthread_mutex_t lock;
	struct axon_fabric *fabric;
	uint32_t place;
	uint64_t offset;
	uint32_t ranks;
	uint32_t room;
	_Atomic uint32_t lost;
	bool deadlock;
	uint32_t joined;
	uint32_t refs;
	uint64_t ticket;
	struct axon_gang *link;
	struct member *member;
};

static uint32_t latency(const struct axon_gang *g, uint32_t from, uint32_t to)
{
	return axon_fabric_way(g->fabric, g->member[from].place, g->member[to].place)->cycles;
}

/* The card of @m has something to look at. Its own thread finds out without being woken. */
static void call(struct member *m, const struct axon_card *me)
{
	if (m->state != MEMBER_JOINED && m->state != MEMBER_STARTED)
		return;
	m->waits = false;
	atomic_store(&m->card->gang_kick, 1);
	if (m->card != me)
		m->card->ops.wake(m->card->opaque);
}

static void call_all(struct axon_gang *g, const struct axon_card *me)
{
	for (uint32_t r = 0; r < g->ranks; r++)
		call(&g->member[r], me);
}

/* ---- posts: a heap, by time, sender, order of sending ---- */

static bool before(const struct axon_gang_post *a, const struct axon_gang_post *b)
{
	if (a->when != b->when)
		return a->when < b->when;
	return a->rank != b->rank ? a->rank < b->rank : (int32_t)(a->seq - b->seq) < 0;
}

static bool push(struct member *m, const struct axon_gang_post *post)
{
	uint32_t i = m->posts;

	if (m->posts == m->room) {
		uint32_t room = m->room ? 2 * m->room : 16;
		struct axon_gang_post *p;

		if (room > AXON_GANG_MAX_POSTS)
			return false;
		p = realloc(m->post, room * sizeof(*p));
		if (!p)
			return false;
		m->post = p;
		m->room = room;
	}
	m->posts++;
	for (; i && before(post, &m->post[(i - 1) / 2]); i = (i - 1) / 2)
		m->post[i] = m->post[(i - 1) / 2];
	m->post[i] = *post;
	return true;
}

static struct axon_gang_post pop(struct member *m)
{
	struct axon_gang_post top = m->post[0], last = m->post[--m->posts];
	uint32_t i = 0;

	for (;;) {
		uint32_t c = 2 * i + 1;

		if (c >= m->posts)
			break;
		if (c + 1 < m->posts && before(&m->post[c + 1], &m->post[c]))
			c++;
		if (!before(&m->post[c], &last))
			break;
		m->post[i] = m->post[c];
		i = c;
	}
	if (m->posts)
		m->post[i] = last;
	return top;
}

/* ---- clocks ---- */

/* The clock that @from has to be at for @to to do what is due at @time. */
static uint64_t enough(const struct axon_gang *g, uint32_t from, uint32_t to, uint64_t time)
{
	uint32_t l = latency(g, from, to);

	return time < l ? 0 : time - l + 1;
}

/* @me is at @next: whoever has waited for that is called, and what others still want is noted. */
static void publish(struct axon_gang *g, uint32_t me, uint64_t next)
{
	struct member *m = &g->member[me];
	uint64_t wanted = AXON_NEVER;

	m->next = next;
	for (uint32_t r = 0; r < g->ranks; r++) {
		struct member *w = &g->member[r];
		uint64_t at;

		if (!w->waits || w->on != me || r == me)
			continue;
		at = enough(g, me, r, w->time);
		if (next >= at)
			call(w, m->card);
		else if (at < wanted)
			wanted = at;
	}
	atomic_store_explicit(&m->wanted, wanted, memory_order_relaxed);
}

/* Nothing that others do reaches @me before this clock; @on: the member that says so. */
static uint64_t horizon(const struct axon_gang *g, uint32_t me, uint32_t *on)
{
	uint64_t least = AXON_NEVER;

	*on = me;
	for (uint32_t r = 0; r < g->ranks; r++) {
		const struct member *m = &g->member[r];
		uint64_t at;

		if (r == me || m->next == AXON_NEVER)
			continue;
		at = m->next + latency(g, r, me);
		if (at < least) {
			least = at;
			*on = r;
		}
	}
	return least;
}

/* Does everybody who has not ended wait for a semaphore, with nothing on its way? */
static bool all_wait(const struct axon_gang *g)
{
	bool any = false;

	for (uint32_t r = 0; r < g->ranks; r++) {
		const struct member *m = &g->member[r];

		if (m->next != AXON_NEVER)
			return false;
		any |= m->state == MEMBER_STARTED;
	}
	return any;
}

/* @me cannot go on before what is due at @time. */
static void wait_for(struct axon_gang *g, uint32_t me, uint32_t on, uint64_t time)
{
	struct member *m = &g->member[me], *other = &g->member[on];
	uint64_t at;

	m->waits = true;
	m->on = on;
	m->time = time;
	if (on == me)
		return;
	at = enough(g, on, me, time);
	if (at < atomic_load_explicit(&other->wanted, memory_order_relaxed))
		atomic_store_explicit(&other->wanted, at, memory_order_relaxed);
}

static enum axon_gang_turn look(struct axon_gang *g, uint32_t me, uint64_t clock, uint64_t *limit,
				struct axon_gang_post *post)
{
	struct member *m = &g->member[me];
	uint64_t arrival = m->posts ? m->post[0].when : AXON_NEVER;
	uint64_t next = arrival < clock ? arrival : clock, safe;
	enum axon_gang_turn turn = AXON_GANG_GO;
	uint32_t on;

	if (g->deadlock)
		return AXON_GANG_DEADLOCK;
	if (atomic_load_explicit(&g->lost, memory_order_relaxed))
		return AXON_GANG_LOST;
	m->waits = false;
	publish(g, me, next);
	safe = horizon(g, me, &on);
	if (next < safe) {
		if (arrival <= clock) {
			*post = pop(m);
			arrival = m->posts ? m->post[0].when : AXON_NEVER;
			turn = AXON_GANG_POST;
		}
		*limit = safe < arrival ? safe : arrival;
		return turn;
	}
	if (next == AXON_NEVER && all_wait(g)) {
		g->deadlock = true;
		call_all(g, m->card);
		return AXON_GANG_DEADLOCK;
	}
	wait_for(g, me, next == AXON_NEVER ? me : on, next);
	return AXON_GANG_WAIT;
}

enum axon_gang_turn axon_gang_look(struct axon_gang *g, uint32_t rank, uint64_t clock,
				   uint64_t *limit, struct axon_gang_post *post)
{
	enum axon_gang_turn turn;

	pthread_mutex_lock(&g->lock);
	turn = look(g, rank, clock, limit, post);
	pthread_mutex_unlock(&g->lock);
	return turn;
}

bool axon_gang_wanted(const struct axon_gang *g, uint32_t rank, uint64_t clock)
{
	return clock >= atomic_load_explicit(&g->member[rank].wanted, memory_order_relaxed);
}

uint32_t axon_gang_latency(const struct axon_gang *g, uint32_t from, uint32_t to)
{
	return latency(g, from, to);
}

uint32_t axon_gang_place(const struct axon_gang *g, uint32_t rank)
{
	return g->member[rank].place;
}

static bool send(struct axon_gang *g, uint32_t from, uint32_t to,
		 const struct axon_gang_post *post)
{
	struct member *s = &g->member[from], *t = &g->member[to];
	struct axon_gang_post p = *post;

	if (t->state == MEMBER_ENDED)
		return true;
	p.rank = (uint16_t)from;
	p.seq = s->seq;
	if (!push(t, &p))
		return false;
	s->seq++;
	if (p.when < t->next)
		t->next = p.when;
	/* It can go on when the sender has passed the time of sending. */
	if (t->waits && p.when < t->time)
		wait_for(g, to, from, p.when);
	return true;
}

bool axon_gang_send(struct axon_gang *g, uint32_t from, uint32_t to,
		    const struct axon_gang_post *post)
{
	bool sent;

	pthread_mutex_lock(&g->lock);
	sent = send(g, from, to, post);
	pthread_mutex_unlock(&g->lock);
	return sent;
}

void axon_gang_start(struct axon_gang *g, uint32_t rank)
{
	pthread_mutex_lock(&g->lock);
	g->member[rank].state = MEMBER_STARTED;
	pthread_mutex_unlock(&g->lock);
}

/* ---- who is lost ---- */

static void lose(struct axon_gang *g, uint32_t rank)
{
	if (g->deadlock || atomic_load_explicit(&g->lost, memory_order_relaxed))
		return;
	atomic_store_explicit(&g->lost, rank + 1, memory_order_release);
	call_all(g, NULL);
}

uint32_t axon_gang_lost(const struct axon_gang *g)
{
	return atomic_load_explicit(&g->lost, memory_order_acquire);
}

static bool is_member(const struct member *m)
{
	return m->state == MEMBER_JOINED || m->state == MEMBER_STARTED;
}

static void check(struct axon_gang *g)
{
	uint32_t first = AXON_NO_PEER, lost = AXON_NO_PEER;
	bool spread = false;

	for (uint32_t r = 0; r < g->ranks; r++) {
		const struct member *m = &g->member[r];

		if (!is_member(m))
			continue;
		if (first == AXON_NO_PEER)
			first = m->place;
		spread |= m->place != first;
		if (lost == AXON_NO_PEER &&
		    atomic_load(&g->fabric->place[m->place].flags) != AXON_PLACE_PRESENT)
			lost = r;
	}
	if (spread && lost != AXON_NO_PEER)
		lose(g, lost);
}

/* The first one that is not there, or the one whose clock is behind and that could go on. */
static uint32_t find_behind(const struct axon_gang *g, uint32_t me, bool complete)
{
	uint64_t least = AXON_NEVER;
	uint32_t found = 0;

	for (uint32_t r = 0; r < g->ranks; r++) {
		const struct member *m = &g->member[r];

		if (m->state == MEMBER_ABSENT)
			return r + 1;
		if (r == me || !is_member(m) || m->waits || !complete)
			continue;
		if (!found || m->next < least) {
			least = m->next;
			found = r + 1;
		}
	}
	return found;
}

uint32_t axon_gang_behind(struct axon_gang *g, uint32_t rank, uint32_t *place)
{
	struct axon_fabric *f = g->fabric;
	uint32_t who = 0;

	pthread_mutex_lock(&f->lock);
	pthread_mutex_lock(&g->lock);
	*place = AXON_NO_PEER;
	if (g->member[rank].state == MEMBER_JOINED || g->member[rank].waits)
		who = find_behind(g, rank, g->ticket);
	if (who && g->ticket)
		*place = g->member[who - 1].place;
	pthread_mutex_unlock(&g->lock);
	pthread_mutex_unlock(&f->lock);
	return who;
}

/* ---- joining and leaving ---- */

static void free_gang(struct axon_gang *g)
{
	for (uint32_t r = 0; r < g->room; r++)
		free(g->member[r].post);
	pthread_mutex_destroy(&g->lock);
	free(g->member);
	free(g);
}

void axon_gangs_free(struct axon_fabric *f)
{
	struct axon_gang *next;

	for (struct axon_gang *g = f->spare; g; g = next) {
		next = g->link;
		free_gang(g);
	}
}

/* Room for @ranks members; those there are keep their heaps. Return: false: no memory. */
static bool grow_gang(struct axon_gang *g, uint32_t ranks)
{
	struct member *m = aligned_alloc(64, ranks * sizeof(*m));

	if (!m)
		return false;
	memset(m, 0, ranks * sizeof(*m));
	if (g->room)
		memcpy(m, g->member, g->room * sizeof(*m));
	free(g->member);
	g->member = m;
	g->room = ranks;
	return true;
}

static struct axon_gang *make_gang(uint32_t ranks)
{
	struct axon_gang *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	if (!grow_gang(g, ranks)) {
		free(g);
		return NULL;
	}
	axon_brief_lock_init(&g->lock);
	return g;
}

/*
 * One that was given back, rather one that is large enough; a new one only if there is none: so
 * there are never more than were in use at a time, whatever their sizes. fabric->lock is held.
 */
static struct axon_gang *get_gang(struct axon_fabric *f, uint32_t ranks)
{
	struct axon_gang **p = &f->spare, *g;

	while (*p && (*p)->room < ranks)
		p = &(*p)->link;
	if (!*p)
		p = &f->spare;
	g = *p;
	if (!g)
		return make_gang(ranks);
	if (g->room < ranks && !grow_gang(g, ranks))
		return NULL;
	*p = g->link;
	return g;
}

static void reset_gang(struct axon_gang *g, struct axon_fabric *f,
		       const struct axon_gang_name *name)
{
	g->fabric = f;
	g->place = name->place;
	g->offset = name->offset;
	g->ranks = name->ranks;
	atomic_store(&g->lost, 0);
	g->deadlock = false;
	g->joined = g->refs = 0;
	g->ticket = 0;
	g->link = NULL;
	for (uint32_t r = 0; r < g->ranks; r++) {
		struct member *m = &g->member[r];

		m->state = MEMBER_ABSENT;
		m->waits = false;
		m->next = 0;
		m->seq = 0;
		m->posts = 0;
		atomic_store_explicit(&m->wanted, AXON_NEVER, memory_order_relaxed);
	}
}

static bool has_core(const struct axon_gang *g, const struct axon_card *card, uint32_t core)
{
	for (uint32_t r = 0; r < g->ranks; r++) {
		const struct member *m = &g->member[r];

		if (is_member(m) && m->card == card && m->core == core)
			return true;
	}
	return false;
}

/*
 * The first gang of that name that has no such member yet, a new one at the end if there is none.
 * fabric->lock is held.
 */
static int find_gang(struct axon_card *card, uint32_t core, const struct axon_gang_name *name,
		     struct axon_gang **gang)
{
	struct axon_fabric *f = card->fabric;
	struct axon_gang **p;

	for (p = &f->forming; *p; p = &(*p)->link) {
		struct axon_gang *g = *p;

		if (g->place != name->place || g->offset != name->offset)
			continue;
		if (name->rank < g->ranks && g->member[name->rank].state != MEMBER_ABSENT)
			continue;
		if (g->ranks != name->ranks)
			return -EINVAL;
		if (has_core(g, card, core))
			return -EINVAL;
		*gang = g;
		return 0;
	}
	*p = get_gang(f, name->ranks);
	if (!*p)
		return -ENOMEM;
	reset_gang(*p, f, name);
	*gang = *p;
	return 0;
}

/* It is complete or broken: nobody joins any more. fabric->lock is held. */
static void close_gang(struct axon_gang *g)
{
	for (struct axon_gang **p = &g->fabric->forming; *p; p = &(*p)->link)
		if (*p == g) {
			*p = g->link;
			break;
		}
	g->link = NULL;
}

/* fabric->lock and the gang's are held. */
static void check_and_close(struct axon_gang *g)
{
	check(g);
	if (!g->ticket && axon_gang_lost(g))
		close_gang(g);
}

void axon_gang_check(struct axon_gang *g)
{
	pthread_mutex_lock(&g->fabric->lock);
	pthread_mutex_lock(&g->lock);
	check_and_close(g);
	pthread_mutex_unlock(&g->lock);
	pthread_mutex_unlock(&g->fabric->lock);
}

int axon_gang_join(struct axon_card *card, uint32_t core, const struct axon_gang_name *name,
		   struct axon_gang **gang)
{
	struct axon_fabric *f = card->fabric;
	struct axon_gang *g;
	struct member *m;
	int ret;

	pthread_mutex_lock(&f->lock);
	ret = find_gang(card, core, name, &g);
	if (!ret) {
		pthread_mutex_lock(&g->lock);
		m = &g->member[name->rank];
		m->card = card;
		m->core = core;
		m->place = card->cfg.place;
		m->state = MEMBER_JOINED;
		g->refs++;
		if (++g->joined == g->ranks) {
			close_gang(g);
			g->ticket = ++f->tickets;
			call_all(g, card);
		}
		/* Who had joined when a card went down has looked; for later ones nobody does. */
		check_and_close(g);
		pthread_mutex_unlock(&g->lock);
		*gang = g;
	}
	pthread_mutex_unlock(&f->lock);
	return ret;
}

/* For the next one. What a flood of posts took is not kept. fabric->lock is held. */
static void put_gang(struct axon_gang *g)
{
	struct axon_fabric *f = g->fabric;

	for (uint32_t r = 0; r < g->ranks; r++) {
		struct member *m = &g->member[r];

		if (m->room <= KEPT_POSTS)
			continue;
		free(m->post);
		m->post = NULL;
		m->room = 0;
	}
	g->link = f->spare;
	f->spare = g;
}

/* fabric->lock is held. */
static void leave(struct axon_gang *g, uint32_t rank, bool ok)
{
	struct member *m = &g->member[rank];

	pthread_mutex_lock(&g->lock);
	m->state = MEMBER_ENDED;
	m->waits = false;
	m->posts = 0;
	if (!ok)
		lose(g, rank);
	publish(g, rank, AXON_NEVER);
	if (!g->deadlock && !axon_gang_lost(g) && g->ticket && all_wait(g)) {
		g->deadlock = true;
		call_all(g, m->card);
	}
	m->card = NULL;
	pthread_mutex_unlock(&g->lock);
	if (!g->ticket)
		close_gang(g);
	if (!--g->refs)
		put_gang(g);
}

void axon_gang_leave(struct axon_gang *g, uint32_t rank, bool ok)
{
	struct axon_fabric *f = g->fabric;

	pthread_mutex_lock(&f->lock);
	leave(g, rank, ok);
	pthread_mutex_unlock(&f->lock);
}

bool axon_gang_leave_forming(struct axon_gang *g, uint32_t rank)
{
	struct axon_fabric *f = g->fabric;
	bool forming;

	pthread_mutex_lock(&f->lock);
	forming = !g->ticket && !axon_gang_lost(g);
	if (forming)
		leave(g, rank, false);
	pthread_mutex_unlock(&f->lock);
	return forming;
}

bool axon_gang_is(const struct axon_gang *g, const struct axon_gang_name *name)
{
	return g->place == name->place && g->offset == name->offset;
}

uint64_t axon_gang_ticket(const struct axon_gang *g)
{
	return g->ticket;
}

void axon_gang_choose_begin(struct axon_card *card)
{
	pthread_mutex_lock(&card->fabric->lock);
}

void axon_gang_choose_end(struct axon_card *card)
{
	pthread_mutex_unlock(&card->fabric->lock);
}
