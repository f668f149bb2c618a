/* SPDX-License-Identifier: MIT */
/*
 * group.h - soft cards of this process, or the driver's, as ranks of communicators, for the tests
 * of libaxcc. One thread drives all ranks.
 */
#ifndef RUNTIME_TESTS_GROUP_H
#define RUNTIME_TESTS_GROUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include "collective.h"

#define GROUP_MAX_CARDS	16u
#define GROUP_MAX_RANKS	16u

/**
 * struct shape - where ranks sit
 * @cards: how many
 * @fabric: AXON_SOFT_FABRIC of soft cards
 * @ranks: how many
 * @card: of each rank
 * @core: of each rank
 */
struct shape {
	uint32_t cards;
	const char *fabric;
	uint32_t ranks;
	uint8_t card[GROUP_MAX_RANKS];
	uint8_t core[GROUP_MAX_RANKS];
};

/**
 * struct group - the ranks of one communicator
 * @shape: where they are
 * @card: all cards, opened
 * @comm: by rank
 * @arena: by rank
 */
struct group {
	struct shape shape;
	struct axon_device *card[GROUP_MAX_CARDS];
	struct axcc_comm *comm[GROUP_MAX_RANKS];
	struct coll_arena arena[GROUP_MAX_RANKS];
};

/* The driver's cards, joined as they are: no soft cards are made. */
extern bool group_on_driver;
/*
 * Gets every line that a card logs, if it is not NULL; @card may still be opened. Cards log from
 * any thread, while the test sets it.
 */
extern void (*_Atomic group_log_hook)(struct axon_device **card, const char *line);

/* @cards cards, a rank on core 0 of each. */
struct shape shape_plain(uint32_t cards, const char *fabric);
/* Opens the cards, and arenas of @bytes. */
void group_open(struct group *g, const struct shape *shape, uint64_t bytes);
void group_close(struct group *g);
struct axon_device *group_dev(const struct group *g, uint32_t rank);
/* Makes communicators of all ranks. */
void group_join(struct group *g, const struct axcc_options *options);
void group_leave(struct group *g);
/* Runs a case on all ranks and compares everything; fails the test where something is wrong. */
void group_case(struct group *g, const struct coll_case *c);
/* The same without comparing. Return: 0 or the first error. */
int group_try(struct group *g, const struct coll_case *c);

/**
 * struct occupier - a program that keeps a core for itself
 */
struct occupier {
	struct axon_vm *vm;
	struct axon_context *ctx;
	struct axon_queue *queue;
	struct axon_bo *code;
};

/* As if the card hung. */
void occupy_core(struct occupier *o, struct axon_device *dev, uint32_t core);
/* Ends it, if it was begun. */
void free_core(struct occupier *o);

#endif /* RUNTIME_TESTS_GROUP_H */
