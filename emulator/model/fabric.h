/* SPDX-License-Identifier: MIT */
/*
 * fabric.h - the cards that reach each other, as the files of the model see them: fabric.c, link.c,
 * gang.c, mmu.c, card.c, dma.c, queue.c. Not for anybody outside this folder.
 *
 * A fabric is for all threads. What a card thread needs on its way (is that peer up, where is its
 * memory, how far is it) is read without a lock; who comes and goes takes fabric->lock.
 *
 * Order of locks: place->slice, fabric->lock, a gang's lock; the callbacks irq() and wake() of any
 * card may be called with all of them held. Nobody takes the slice of another place but whoever
 * leaves (axon_fabric_quiesce()), and he holds nothing then.
 */
#ifndef AXON_MODEL_FABRIC_H
#define AXON_MODEL_FABRIC_H

#include <pthread.h>

#include "axon_timing.h"
#include "internal.h"

/* Cycles of a post between cores of one card, and from a core to itself. */
#define AXON_LOCAL_LATENCY	AXON_CYCLES_LOCAL_POST

/**
 * struct axon_way - from one place to another
 * @hops: links; 0: the place itself
 * @first: the neighbour it goes to first
 * @latency_ns: one way
 * @cycles: the same in cycles of the reference clock; AXON_LOCAL_LATENCY for the place itself
 * @mbps: bytes a second / 10^6
 */
struct axon_way {
	uint32_t hops;
	uint32_t first;
	uint32_t latency_ns;
	uint32_t cycles;
	uint32_t mbps;
};

/* &struct axon_place.flags; a card is UP if it is PRESENT and nothing else. */
#define AXON_PLACE_PRESENT	1u
#define AXON_PLACE_DOWN		2u	/* AXON_KNOB_LINK_DOWN */
#define AXON_PLACE_RESET	4u

/**
 * struct axon_place - a place of a fabric
 * @slice: held by its card during axon_card_run(). Whoever leaves takes it once, and then this card
 *	has no pointer into his memory any more
 * @flags: AXON_PLACE_* (any thread, atomic)
 * @changed: since its card looked, AXON_PEER_STATE of some peer changed (any thread, atomic)
 * @card: who is there, or NULL (fabric->lock)
 * @taken: @card is there, or others may still reach its memory (fabric->lock)
 * @hbm: its memory; set before PRESENT is
 * @hbm_size: its size
 */
struct axon_place {
	_Alignas(64) pthread_mutex_t slice;
	_Atomic uint32_t flags;
	_Atomic uint32_t changed;
	struct axon_card *card;
	bool taken;
	uint8_t *hbm;
	uint64_t hbm_size;
};

/**
 * struct axon_fabric - a fabric; constant but for what is noted
 * @lock: guards @refs and what is noted
 * @refs: whoever made it, and the cards in it
 * @forming: gangs that wait for others to join, the oldest first (lock)
 * @spare: gangs that have ended, for the next ones (lock)
 * @tickets: gangs completed so far (lock)
 * @places: 1..AXON_MAX_PEERS
 * @lanes: of every link
 * @uid: AXON_REG_FABRIC_UID
 * @linked: made by axon_fabric_create(), else a card's own
 * @place: by peer id
 * @way: from place a to b: way[a * places + b]
 */
struct axon_fabric {
	pthread_mutex_t lock;
	uint32_t refs;
	uint32_t places;
	uint32_t lanes;
	uint64_t uid;
	bool linked;
	struct axon_gang *forming;
	struct axon_gang *spare;
	uint64_t tickets;
	struct axon_place *place;
	struct axon_way *way;
};

/**
 * struct axon_peer - what a card did to a peer; written by the card thread, read by any
 * @written: AXON_PEER_WRITTEN
 * @read: AXON_PEER_READ
 * @posts: AXON_PEER_POSTS
 * @errors: AXON_PEER_ERRORS
 */
struct axon_peer {
	_Atomic uint64_t written;
	_Atomic uint64_t read;
	_Atomic uint64_t posts;
	_Atomic uint32_t errors;
};

static inline const struct axon_way *axon_fabric_way(const struct axon_fabric *f, uint32_t from,
						     uint32_t to)
{
	return &f->way[from * f->places + to];
}

/* The place of a card; a card always has one. */
static inline struct axon_place *axon_card_place(const struct axon_card *card)
{
	return &card->fabric->place[card->cfg.place];
}

/*
 * Gives @card a fabric: its config's, or one of its own. It is not yet in its place.
 * 0, -EINVAL (no such place), -ENOMEM.
 */
int axon_fabric_join(struct axon_card *card);
/* Puts it there, with its memory. 0 or -EEXIST. */
int axon_fabric_attach(struct axon_card *card);
/* Takes it away: on return no other card knows it, and none has a pointer into its memory. */
void axon_fabric_detach(struct axon_card *card);
/* Gives the fabric back. */
void axon_fabric_part(struct axon_card *card);
/* Sets or clears a flag of the card's place and tells the others. Any thread. */
void axon_fabric_mark(struct axon_card *card, uint32_t flag, bool on);
/* Waits until every other card has begun a slice, or would, after this was called. */
void axon_fabric_quiesce(struct axon_card *card);
/* Around a slice. enter: true if AXON_PEER_STATE of some peer has changed. */
bool axon_fabric_enter(struct axon_card *card);
void axon_fabric_leave(struct axon_card *card);
/* An &enum axon_peer_state, as seen by @card. Any thread. */
uint32_t axon_fabric_state(const struct axon_card *card, uint32_t peer);
/* AXON_REG_FABRIC_* and AXON_REG_PEER(); false: no such register. Any thread. */
bool axon_fabric_read(const struct axon_card *card, uint32_t offset, uint32_t *value);
/* This card wrote to or read from @peer's HBM; an access of it ended with FAULT_LINK. */
void axon_fabric_count(struct axon_card *card, uint32_t peer, bool write, uint64_t bytes);
void axon_fabric_error(struct axon_card *card, uint32_t peer);
/* It sent a post to a core of @peer. */
void axon_fabric_count_post(struct axon_card *card, uint32_t peer);

/*
 * A lock that is held for a few hundred instructions at most: who finds it taken looks again for a
 * while before he sleeps, since sleeping and being woken costs both sides microseconds.
 */
void axon_brief_lock_init(pthread_mutex_t *lock);

#endif /* AXON_MODEL_FABRIC_H */
