// SPDX-License-Identifier: MIT
/*
 * algorithms.c - the table of algorithms, and what they have in common: checks of the request, the
 * group of all ranks, the case of one rank. It must not choose; that is the cost model's part.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms.h"
#include "axon_isa.h"
#include "build.h"
#include "internal.h"

/* In the order of preference between equals. */
static const struct axcc_algorithm *const table[] = {
	&axcc_algo_direct,
	&axcc_algo_single,
	&axcc_algo_mesh,
	&axcc_algo_mesh_fused,
	&axcc_algo_mesh_staged,
	&axcc_algo_ring,
	&axcc_algo_rhd,
	&axcc_algo_rhd_direct,
	&axcc_algo_rhd_staged,
	&axcc_algo_hier_mesh,
	&axcc_algo_hier_ring,
	&axcc_algo_hier_mesh_ring,
	&axcc_algo_hier_mesh_rhd,
	&axcc_algo_hier_barrier,
};

#define MAX_CHUNK_BYTES	(1u << 30)
#define LARGE_CHUNK_BYTES	(1u << 20)
#define FEW_CHUNKS	256u
#define MANY_CHUNKS	4096u

#define NUM_ALGORITHMS	(sizeof(table) / sizeof(table[0]))

const char *axcc_algorithm_name(uint32_t index)
{
	return index < NUM_ALGORITHMS ? table[index]->name : NULL;
}

const char *axcc_algorithm_what(uint32_t index)
{
	return index < NUM_ALGORITHMS ? table[index]->what : NULL;
}

bool axcc_algorithm_can(uint32_t index, enum axcc_coll coll)
{
	return index < NUM_ALGORITHMS && (uint32_t)coll < AXCC_NUM_COLLS &&
		table[index]->build[coll];
}

bool axcc_algorithm_matches(uint32_t index, const char *name)
{
	size_t len = strlen(name);

	return index < NUM_ALGORITHMS && !strncmp(table[index]->name, name, len) &&
		(!table[index]->name[len] || table[index]->name[len] == '.');
}

/* ---- requests ---- */

static bool reduces(enum axcc_coll coll)
{
	return coll == AXCC_ALL_REDUCE || coll == AXCC_REDUCE_SCATTER || coll == AXCC_REDUCE;
}

static bool has_root(enum axcc_coll coll)
{
	return coll == AXCC_BROADCAST || coll == AXCC_REDUCE;
}

static bool can_reduce(uint32_t dtype)
{
	return dtype == AXON_DTYPE_FLOAT32 || dtype == AXON_DTYPE_BFLOAT16 ||
		dtype == AXON_DTYPE_FLOAT16 || dtype == AXON_DTYPE_INT32 ||
		dtype == AXON_DTYPE_UINT8;
}

static bool targets_ok(const struct axcc_request *req)
{
	struct axcc_ranks seen = { 0 };

	if (!req->targets)
		return false;
	for (uint32_t r = 0; r < req->ranks; r++) {
		uint32_t to = req->targets[r];

		if (to == AXCC_NO_RANK)
			continue;
		if (to >= req->ranks || axcc_ranks_has(&seen, to))
			return false;
		axcc_ranks_add(&seen, to);
	}
	return true;
}

int axcc_request_check(const struct axcc_request *req)
{
	if (!req || (uint32_t)req->coll >= AXCC_NUM_COLLS || !req->ranks ||
	    req->ranks > AXCC_MAX_RANKS || req->count > AXCC_MAX_COUNT)
		return -EINVAL;
	if (reduces(req->coll) ? (uint32_t)req->reduction >= AXCC_NUM_REDUCTIONS ||
	    !can_reduce(req->dtype) : (uint32_t)req->reduction != 0)
		return -EINVAL;
	if (has_root(req->coll) ? req->root >= req->ranks : req->root != 0)
		return -EINVAL;
	if (req->coll == AXCC_PERMUTE ? !targets_ok(req) : req->targets != NULL)
		return -EINVAL;
	if ((req->coll == AXCC_SEND || req->coll == AXCC_RECV) && req->ranks != 2)
		return -EINVAL;
	if (req->coll == AXCC_BARRIER)
		return req->count ? -EINVAL : 0;
	return axon_dtype_size(req->dtype) ? 0 : -EINVAL;
}

/* ---- the group of all ranks ---- */

static struct axcc_place shifted(uint32_t rank, enum axcc_buffer buffer, uint64_t bytes)
{
	return axcc_place(rank, buffer, 0 - bytes);
}

static void set_member(struct axcc_group *g, const struct axcc_request *req, uint32_t r,
		       uint32_t size)
{
	uint64_t block = r * req->count * size;

	g->lo[r] = r * req->count;
	g->len[r] = req->count;
	g->in[r] = axcc_place(r, AXCC_BUF_SRC, 0);
	g->out[r] = axcc_place(r, AXCC_BUF_DST, 0);
	g->same[r] = axcc_ranks_has(&req->in_place, r);
	g->spoil[r] = g->same[r];
	switch (req->coll) {
	case AXCC_ALL_REDUCE:
		if (g->same[r])
			g->in[r] = g->out[r];
		break;
	case AXCC_ALL_GATHER:
		g->in[r] = shifted(r, AXCC_BUF_SRC, block);
		break;
	case AXCC_REDUCE_SCATTER:
		g->out[r] = shifted(r, AXCC_BUF_DST, block);
		break;
	case AXCC_BROADCAST:
	case AXCC_REDUCE:
		g->same[r] = g->same[r] && r == req->root;
		g->spoil[r] = false;
		break;
	default:
		break;
	}
}

static struct axcc_group *whole_group(const struct axcc_request *req, uint32_t size,
				      const struct axcc_topology *topo)
{
	struct axcc_group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->n = req->ranks;
	g->root = req->root;
	g->count = req->count;
	for (uint32_t r = 0; r < req->ranks; r++)
		set_member(g, req, r, size);
	axcc_group_arrange(g, topo);
	return g;
}

/* One rank has its result already; it only may have to go elsewhere. */
static void alone(struct axcc_build *b, const struct axcc_group *g)
{
	uint32_t pieces = axcc_pieces(b, g->count, AXCC_QUEUES);
	const struct axcc_request *req = &b->s->req;

	if (g->same[0] || (req->coll == AXCC_PERMUTE && req->targets[0] == AXCC_NO_RANK))
		return;
	for (uint32_t j = 0; j < pieces; j++) {
		struct axcc_span p = axcc_part(b, (struct axcc_span) { 0, g->count }, j, pieces);

		axcc_step_copy(b, 0, j % AXCC_QUEUES, axcc_at(b, g->out[0], p.lo),
			  axcc_at(b, g->in[0], p.lo), p.len);
	}
}

/* ---- the order of all elements ---- */

static void write_order(struct axcc_build *b, const struct axcc_group *g)
{
	const struct axcc_request *req = &b->s->req;
	uint64_t all = req->coll == AXCC_REDUCE_SCATTER ? req->count * req->ranks : req->count;
	uint32_t leaf[AXCC_MAX_RANKS];

	for (uint32_t r = 0; r < req->ranks; r++)
		leaf[r] = axcc_order_leaf(b, r);
	for (uint64_t e = 0, end; e < all && !b->err; e = end) {
		uint32_t node = leaf[0];

		end = all;
		if (g->n > 1)
			node = b->algorithm->order(b, g, req->coll, e, leaf, &end);
		axcc_order_range(b, e, end - e, node);
	}
}

/* ---- making ---- */

/*
 * Small enough that what one transfer wrote is in the host's cache for the next (the emulated
 * card's speed), large enough that setup and way cost little, and not too many steps.
 */
static uint64_t chunk_for(const struct axcc_request *req)
{
	uint64_t src, dst, bytes, chunk = AXCC_CHUNK_BYTES;

	axcc_schedule_bytes(req, req->root, &src, &dst);
	bytes = src > dst ? src : dst;
	while ((chunk < LARGE_CHUNK_BYTES && bytes / chunk > FEW_CHUNKS) ||
	       (chunk < MAX_CHUNK_BYTES && bytes / chunk > MANY_CHUNKS))
		chunk *= 2;
	return chunk;
}

static int begin(struct axcc_build *b, const struct axcc_request *req, uint32_t index,
		 const struct axcc_tuning *tuning)
{
	uint32_t *targets;

	b->s = calloc(1, sizeof(*b->s));
	if (!b->s)
		return -ENOMEM;
	b->algorithm = table[index];
	b->chunk = tuning && tuning->chunk_bytes ? tuning->chunk_bytes : chunk_for(req);
	b->s->req = *req;
	b->s->req.targets = NULL;
	b->s->algorithm = table[index]->name;
	b->s->elem_size = req->coll == AXCC_BARRIER ? 1 : axon_dtype_size(req->dtype);
	b->s->rank = calloc(req->ranks, sizeof(*b->s->rank));
	b->posted = calloc(req->ranks, sizeof(*b->posted));
	b->waited = calloc(req->ranks, sizeof(*b->waited));
	if (!b->s->rank || !b->posted || !b->waited)
		return -ENOMEM;
	if (!req->targets)
		return 0;
	targets = malloc(req->ranks * sizeof(*targets));
	if (!targets)
		return -ENOMEM;
	memcpy(targets, req->targets, req->ranks * sizeof(*targets));
	b->s->req.targets = targets;
	return 0;
}

static int make(struct axcc_build *b, const struct axcc_topology *topo, bool order)
{
	const struct axcc_request *req = &b->s->req;
	struct axcc_group *g = whole_group(req, b->s->elem_size, topo);
	uint64_t total = 0;

	if (!g)
		return -ENOMEM;
	if (g->n == 1)
		alone(b, g);
	else if (req->count || req->coll == AXCC_BARRIER)
		b->algorithm->build[req->coll](b, g);
	if (reduces(req->coll) && order)
		write_order(b, g);
	free(g);
	b->s->semaphores = b->sems;
	for (uint32_t r = 0; r < req->ranks; r++)
		total += b->s->rank[r].num_steps;
	if (total > AXCC_MAX_TOTAL_STEPS)
		axcc_refuse(b, "needs more than %u steps in all", AXCC_MAX_TOTAL_STEPS);
	return b->err;
}

int axcc_schedule_build(const struct axcc_request *req, const struct axcc_topology *topo,
			uint32_t index, const struct axcc_tuning *tuning,
			struct axcc_schedule **schedule, char *why)
{
	struct axcc_build b = { .topo = topo };
	int err = axcc_request_check(req);

	if (err || !topo || topo->ranks != req->ranks || index >= NUM_ALGORITHMS)
		return -EINVAL;
	if (tuning && tuning->chunk_bytes && (tuning->chunk_bytes < AXCC_PIECE_BYTES ||
					      tuning->chunk_bytes > MAX_CHUNK_BYTES ||
					      tuning->chunk_bytes % 64))
		return -EINVAL;
	if (!table[index]->build[req->coll]) {
		if (why)
			snprintf(why, AXCC_WHY_BYTES, "does not do this operation");
		return -EOPNOTSUPP;
	}
	err = begin(&b, req, index, tuning);
	if (!err)
		err = make(&b, topo, !tuning || !tuning->no_order);
	if (err == -EOPNOTSUPP && why)
		memcpy(why, b.why, AXCC_WHY_BYTES);
	free(b.posted);
	free(b.waited);
	free(b.seen);
	free(b.plan);
	if (err)
		axcc_schedule_free(b.s);
	else
		*schedule = b.s;
	return err;
}
