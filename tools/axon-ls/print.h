/* SPDX-License-Identifier: MIT */
/*
 * print.h - the ways axon-ls shows a reading. Must never look at the machine itself.
 */
#ifndef AXON_LS_PRINT_H
#define AXON_LS_PRINT_H

#include <stdio.h>

#include "collect.h"

/**
 * struct ls_options - what to show
 * @wide: processes too
 * @all: also those that do not use the runtime
 * @topology: which card is linked to which
 * @instance_type: of the machine
 * @instance_id: of the machine
 */
struct ls_options {
	bool wide;
	bool all;
	bool topology;
	char instance_type[64];
	char instance_id[64];
};

/* Both print to stdout and return 0 or a negative errno. */
int ls_print_table(const struct collect_reading *r, const struct ls_options *opt);
int ls_print_json(const struct collect_reading *r, const struct ls_options *opt);

/* Draws every fabric. Return: 0, or -EIO. */
int ls_print_topology(FILE *out, const struct collect_reading *r);

/* The card in a place of the fabric that @c is part of, or NULL. */
const struct collect_card *ls_peer(const struct collect_reading *r, const struct collect_card *c,
				   uint32_t place);

/* Is the card at its end one link away, not further? */
bool ls_is_neighbour(const struct drm_axon_link *link);

/* Is @p one to show, and of card @c? */
bool ls_shows(const struct ls_options *opt, const struct collect_card *c,
	      const struct collect_process *p);

/* Number of the first core of card @i: cores are numbered through all cards. */
uint32_t ls_first_core(const struct collect_reading *r, uint32_t i);

#endif /* AXON_LS_PRINT_H */
