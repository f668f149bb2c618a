/* SPDX-License-Identifier: MIT */
/*
 * flow.h - data from a card's memory to a card of another process: through staging memory of the
 * host and the network.
 */
#ifndef AXON_LIBAXCC_FLOW_H
#define AXON_LIBAXCC_FLOW_H

#include "net.h"

/* What the worker is doing, for errors. */
struct cc_doing {
	uint32_t coll;
	uint64_t nth;
};

/**
 * struct cc_flow - bytes that go out of a card's memory, or come into it
 * @member: rank of this process
 * @peer: rank of another process
 * @buf: its memory, bound for @member
 * @offset: first byte of it
 * @bytes: how many
 * @op: an &enum axon_dma_op: what comes in is combined with what is there by the card
 * @dtype: with @op
 * @after: going out: not before these bytes have come in; or NULL
 * @finished: bytes that are where they belong
 */
struct cc_flow {
	struct cc_member *member;
	uint32_t peer;
	struct cc_buffer *buf;
	uint64_t offset;
	uint64_t bytes;
	uint32_t op;
	uint32_t dtype;
	const struct cc_flow *after;
	uint64_t finished;
};

/*
 * Carries out flows, those of a direction one after the other, both directions at once. On an error
 * the team has failed.
 */
int cc_flows_run(struct cc_team *team, const struct cc_doing *doing, struct cc_flow *out,
		 uint32_t num_out, struct cc_flow *in, uint32_t num_in);
/* No process goes on before all have come here. */
int cc_net_barrier(struct cc_team *team, const struct cc_doing *doing);
/* Waits for a job of the worker's. On an error the team has failed. */
int cc_job_wait(struct cc_member *member, const struct cc_doing *doing, uint64_t seqno);
void cc_staging_free(struct cc_member *member);
int cc_flows_new(struct cc_net *net, struct cc_flows **flows);
void cc_flows_free(struct cc_flows *flows);

#endif /* AXON_LIBAXCC_FLOW_H */
