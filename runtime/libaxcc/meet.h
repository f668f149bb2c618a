/* SPDX-License-Identifier: MIT */
/*
 * meet.h - how ranks find each other before there is a team.
 */
#ifndef AXON_LIBAXCC_MEET_H
#define AXON_LIBAXCC_MEET_H

#include "wire.h"

#define CC_ID_MAGIC	0x31646963636378ull	/* "xcccid1" */

/**
 * struct cc_id - what struct axcc_unique_id holds
 * @magic: CC_ID_MAGIC
 * @key: who knows it is meant
 * @address: of the root
 * @by_rank_0: rank 0 is the root while it joins
 * @reserved: 0
 */
struct cc_id {
	uint64_t magic;
	uint8_t key[16];
	struct cc_address address;
	uint32_t by_rank_0;
	uint32_t reserved;
};
_Static_assert(sizeof(struct cc_id) <= AXCC_UNIQUE_ID_BYTES, "the id has grown");

/* A key that nobody can guess. */
int cc_id_key(struct cc_id *id);
/* Opens the meeting place that @id names; @id gets the port. */
int cc_root_start(struct cc_id *id, struct axcc_root **root);

/* A rank meets the others and becomes a member of their team. */
int cc_meet(struct axcc_comm *comm, const struct cc_id *id, uint32_t ranks, uint32_t rank,
	    struct axon_device *dev, uint32_t core, struct cc_member **member,
	    struct cc_blame *blame);
/* A rank that is in cc_meet() was aborted. */
void cc_meet_abort(const struct axcc_comm *comm);

#endif /* AXON_LIBAXCC_MEET_H */
