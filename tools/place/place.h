/* SPDX-License-Identifier: MIT */
/*
 * place.h - which core a program runs on: the options --card and --core, and nrt_init().
 *
 * The runtime takes its cores from the environment; a program that uses one core must not take
 * the others away from everybody else.
 */
#ifndef AXON_PLACE_H
#define AXON_PLACE_H

#include "error.h"

/**
 * struct place - which core
 * @card: card, or -1: any
 * @core: core of that card; of all cards if @card is -1; or -1: the first free one
 * @cards: more than 1: a core of each of the first @cards cards: number @core, or 0 if that is -1;
 *	all others of these cards are taken too, since the runtime takes cores without gaps
 */
struct place {
	int card;
	int core;
	uint32_t cards;
};

#define PLACE_ANY	{ .card = -1, .core = -1 }

#define PLACE_OPT_CARD	0x2000
#define PLACE_OPT_CORE	0x2001
#define PLACE_LONG_OPTIONS \
	{ "card", required_argument, NULL, PLACE_OPT_CARD }, \
	{ "core", required_argument, NULL, PLACE_OPT_CORE }

/* The lines of --help for them. */
extern const char place_options_help[];

/* Take one of the two options. Return: 0 or -EINVAL. */
int place_option(struct place *where, int letter, const char *arg, struct llm_error *err);

/**
 * place_start() - nrt_init() with one core, which is then core 0 of nrt_load(), or with those of
 *	several cards, of which place_core() tells
 * @where: core
 * @name: of the program
 * @err: message of a failure: what is missing and what to do
 *
 * Return: 0 or a negative errno; nrt_close() is up to the caller.
 */
int place_start(const struct place *where, const char *name, struct llm_error *err);

/* The core of card @card for nrt_load(), after place_start(). Return: 0 or a negative errno. */
int place_core(const struct place *where, uint32_t card, uint32_t *vnc, struct llm_error *err);

#endif /* AXON_PLACE_H */
