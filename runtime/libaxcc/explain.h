/* SPDX-License-Identifier: MIT */
/*
 * explain.h - a choice in words. It must not decide anything.
 */
#ifndef AXON_LIBAXCC_EXPLAIN_H
#define AXON_LIBAXCC_EXPLAIN_H

#include "choose.h"

/**
 * axcc_bus_factor() - what bandwidths of an operation are multiplied with to compare them with
 * those of a link: nccl-tests' definition
 */
double axcc_bus_factor(enum axcc_coll coll, uint32_t ranks);

/** axcc_total_bytes() - size of an operation, by nccl-tests' definition */
uint64_t axcc_total_bytes(const struct axcc_request *req);

/**
 * axcc_explain_request() - which algorithm, what it takes, and why not the others
 * @req: the operation
 * @topo: where its ranks sit
 * @where: the topology in words
 * @wish: as for axcc_choose()
 * @json: a JSON object, else text for a terminal
 * @text: result, to be freed
 *
 * Return: as axcc_choose().
 */
int axcc_explain_request(const struct axcc_request *req, const struct axcc_topology *topo,
			 const char *where, const char *wish, bool json, char **text);

#endif /* AXON_LIBAXCC_EXPLAIN_H */
