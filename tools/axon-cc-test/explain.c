// SPDX-License-Identifier: MIT
/*
 * explain.c - what libaxcc would do with an operation, and why. Opens no card.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axon_isa.h"
#include "cc-test.h"

/* The operation whose @bytes are shown, as the library knows it. */
static int explain_one(const struct cc_options *o, const uint32_t *targets, uint64_t bytes,
		       char **text)
{
	const struct cc_size size = cc_size_of(o, bytes);
	const bool barrier = o->op == CC_BARRIER;
	/* Everybody sends to one and receives from one: what cards do is the same. */
	const enum axcc_coll coll = o->op == CC_SENDRECV ? AXCC_PERMUTE : cc_op_coll(o->op);
	const struct axcc_what_if w = {
		.size = sizeof(w),
		.coll = coll,
		.reduction = cc_op_reduces(o->op) ? o->reduction : 0,
		.dtype = barrier ? 0 : o->dtype,
		.root = o->op == CC_BROADCAST || o->op == CC_REDUCE ? o->root : 0,
		.count = barrier ? 0 : size.count,
		.targets = coll == AXCC_PERMUTE ? targets : NULL,
		.algorithm = o->algorithm,
		.topology = o->topology,
		.cores = o->cores,
		.in_place = o->in_place,
		.json = o->explain_json,
	};

	return axcc_explain(&w, text);
}

/* "mesh:4" has 4 cards, "torus:4x2" 8, "pair" 2; 0: the library will say what is wrong. */
static uint32_t cards_of(const char *topology)
{
	unsigned int a = 0, b = 1;

	if (!strcmp(topology, "pair"))
		return 2;
	topology = strchr(topology, ':');
	if (!topology || sscanf(topology + 1, "%3ux%3u", &a, &b) < 1)
		return 0;
	return a * b;
}

static int complain(const struct cc_options *o, int err)
{
	fprintf(stderr, "axon-cc-test: %s of %u ranks on %s: %s\n", cc_op_name(o->op), o->ranks,
		o->topology, err == -EOPNOTSUPP ? "no algorithm can do it" : strerror(-err));
	return 1;
}

int cc_explain(struct cc_options *o)
{
	uint32_t targets[AXCC_MAX_RANKS];
	char shape[32];
	bool first = true;

	if (!o->topology) {
		snprintf(shape, sizeof(shape), "ring:%u", o->ranks ? o->ranks : 4);
		o->topology = shape;
	}
	o->ranks = cards_of(o->topology) * o->cores;
	if (!o->ranks || o->ranks > AXCC_MAX_RANKS) {
		fprintf(stderr, "axon-cc-test: --topology: '%s' is not pair, ring:N, line:N, "
			"mesh:N or torus:WxH with 1 to %u ranks\n", o->topology, AXCC_MAX_RANKS);
		return 2;
	}
	for (uint32_t r = 0; r < o->ranks; r++)
		targets[r] = cc_target(o, r);
	if (o->explain_json)
		puts("[");
	for (uint64_t b = o->min_bytes; b <= o->max_bytes; b = cc_next_bytes(o, b)) {
		char *text;
		int err = explain_one(o, targets, b, &text);

		if (err)
			return complain(o, err);
		printf("%s%s\n", first ? "" : o->explain_json ? ",\n" : "\n", text);
		free(text);
		first = false;
		if (o->op == CC_BARRIER || b == UINT64_MAX)
			break;
	}
	if (o->explain_json)
		puts("]");
	return fflush(stdout) ? 1 : 0;
}
