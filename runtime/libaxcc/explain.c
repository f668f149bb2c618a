// SPDX-License-Identifier: MIT
/*
 * explain.c - a choice in words, as text and as JSON: what is predicted for each algorithm and what
 * keeps those behind that were not taken.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axon_isa.h"
#include "explain.h"
#include "internal.h"

#define MAX_ORDER_RANKS	8u	/* orders of more ranks are too long to read */

double axcc_bus_factor(enum axcc_coll coll, uint32_t ranks)
{
	switch (coll) {
	case AXCC_ALL_REDUCE:
		return 2.0 * (ranks - 1) / ranks;
	case AXCC_ALL_GATHER:
	case AXCC_REDUCE_SCATTER:
	case AXCC_ALL_TO_ALL:
		return (double)(ranks - 1) / ranks;
	default:
		return 1.0;
	}
}

uint64_t axcc_total_bytes(const struct axcc_request *req)
{
	uint64_t bytes = req->count * axon_dtype_size(req->dtype);

	if (req->coll == AXCC_ALL_GATHER || req->coll == AXCC_REDUCE_SCATTER ||
	    req->coll == AXCC_ALL_TO_ALL)
		return bytes * req->ranks;
	return bytes;
}

/**
 * struct explain - what is to be said
 * @req: the operation
 * @where: topology
 * @choice: what was found
 * @order: of the chosen schedule's first elements, or NULL
 */
struct explain {
	const struct axcc_request *req;
	const char *where;
	struct axcc_choice choice;
	char *order;
};

static double microseconds(uint64_t cycles)
{
	return axcc_cycles_ns(cycles) / 1000;
}

/* 10^9 bytes a second. */
static double bandwidth(const struct explain *x, const struct axcc_prediction *p, bool bus)
{
	if (!p->cycles)
		return 0;
	return (double)axcc_total_bytes(x->req) / axcc_cycles_ns(p->cycles) *
		(bus ? axcc_bus_factor(x->req->coll, x->req->ranks) : 1);
}

/* ---- reasons ---- */

static const char *const path_names[] = {
	"sequencer", "setup", "data", "link", "latency",
};

static const char *const path_words[] = {
	"instructions one after the other", "setting up transfers one after the other",
	"moving data one after the other", "waiting for links", "posts and data on their way",
};

#define NUM_PATHS	5u

static uint64_t path_part(const struct axcc_prediction *p, uint32_t i)
{
	const uint64_t parts[NUM_PATHS] = {
		p->path.sequencer, p->path.setup, p->path.data, p->path.link, p->path.latency,
	};

	return parts[i];
}

/* What of the longest chain of events takes most longer than with the chosen one. */
static uint32_t worst_part(const struct axcc_prediction *p, const struct axcc_prediction *best)
{
	int64_t most = INT64_MIN;
	uint32_t worst = 0;

	for (uint32_t i = 0; i < NUM_PATHS; i++) {
		int64_t more = (int64_t)(path_part(p, i) - path_part(best, i));

		if (more > most) {
			most = more;
			worst = i;
		}
	}
	return worst;
}

/* Who is not as fast as the fastest is compared with that, who is with the chosen one. */
static void why_not(const struct explain *x, const struct axcc_candidate *c, char *text,
		    size_t size)
{
	const struct axcc_candidate *b = &x->choice.candidate[x->choice.best];
	const struct axcc_candidate *f = &x->choice.candidate[x->choice.fastest];
	uint32_t part;

	if (c == b) {
		snprintf(text, size, "chosen");
	} else if (c->err) {
		snprintf(text, size, "%s", c->why);
	} else if (b->wanted && !c->wanted) {
		snprintf(text, size, "not asked for");
	} else if (!axcc_as_fast(&c->p, &f->p)) {
		part = worst_part(&c->p, &f->p);
		snprintf(text, size, "%.1f us of %s, %s %.1f us",
			 microseconds(path_part(&c->p, part)), path_words[part],
			 axcc_algorithm_name(f->index), microseconds(path_part(&f->p, part)));
	} else if (c->p.moved_bytes != b->p.moved_bytes) {
		snprintf(text, size, "as fast within %u %%, but moves %.2f times the bytes",
			 AXCC_TIE_PERCENT, (double)c->p.moved_bytes / (double)b->p.moved_bytes);
	} else if (c->p.waits != b->p.waits) {
		snprintf(text, size, "as fast within %u %%, but waits %llu times, not %llu",
			 AXCC_TIE_PERCENT, (unsigned long long)c->p.waits,
			 (unsigned long long)b->p.waits);
	} else {
		snprintf(text, size, "not faster");
	}
}

/* ---- order of reduction ---- */

static void print_node(FILE *f, const struct axcc_order *o, uint32_t node, const char *op,
		       bool outer)
{
	const struct axcc_order_node *n = &o->nodes[node];

	if (n->left == AXCC_ORDER_LEAF) {
		fprintf(f, "r%u", n->right);
		return;
	}
	if (!outer)
		fputc('(', f);
	print_node(f, o, n->left, op, false);
	fputs(op, f);
	print_node(f, o, n->right, op, false);
	if (!outer)
		fputc(')', f);
}

/* How the first elements come about; only for few ranks, others say it by the algorithm. */
static int find_order(struct explain *x, const struct axcc_topology *topo)
{
	static const char *const ops[] = { " + ", " max ", " min " };
	struct axcc_schedule *s;
	size_t size;
	FILE *f;
	int err;

	if (x->req->ranks > MAX_ORDER_RANKS)
		return 0;
	err = axcc_schedule_build(x->req, topo, x->choice.candidate[x->choice.best].index, NULL, &s,
				  NULL);
	if (err || !s->order.num_ranges) {
		if (!err)
			axcc_schedule_free(s);
		return err;
	}
	f = open_memstream(&x->order, &size);
	if (f) {
		fprintf(f, "elements 0 .. %llu: ",
			(unsigned long long)s->order.ranges[0].count - 1);
		print_node(f, &s->order, s->order.ranges[0].node, ops[x->req->reduction], true);
		fclose(f);
	}
	axcc_schedule_free(s);
	return x->order ? 0 : -ENOMEM;
}

/* ---- text ---- */

static const char *dtype_name(uint32_t dtype)
{
	static const char *const names[] = {
		[AXON_DTYPE_UINT64] = "uint64", [AXON_DTYPE_INT64] = "int64",
		[AXON_DTYPE_UINT32] = "uint32", [AXON_DTYPE_INT32] = "int32",
		[AXON_DTYPE_UINT16] = "uint16", [AXON_DTYPE_INT16] = "int16",
		[AXON_DTYPE_UINT8] = "uint8", [AXON_DTYPE_INT8] = "int8",
		[AXON_DTYPE_FLOAT32] = "fp32", [AXON_DTYPE_FP32R] = "fp32r",
		[AXON_DTYPE_FLOAT16] = "fp16", [AXON_DTYPE_BFLOAT16] = "bf16",
		[AXON_DTYPE_FP8_E3] = "fp8_e3", [AXON_DTYPE_FP8_E4] = "fp8_e4",
		[AXON_DTYPE_FP8_E5] = "fp8_e5",
	};
	const char *name = dtype < sizeof(names) / sizeof(names[0]) ? names[dtype] : NULL;

	return name ? name : "none";
}

static bool reduces(const struct axcc_request *req)
{
	return req->coll == AXCC_ALL_REDUCE || req->coll == AXCC_REDUCE_SCATTER ||
		req->coll == AXCC_REDUCE;
}

static bool any_in_place(const struct axcc_request *req)
{
	return req->in_place.bits[0] || req->in_place.bits[1];
}

static void print_operation(FILE *f, const struct explain *x)
{
	const struct axcc_request *req = x->req;

	fprintf(f, "%s", axcc_coll_str(req->coll));
	if (reduces(req))
		fprintf(f, " %s", axcc_reduction_str(req->reduction));
	if (req->coll != AXCC_BARRIER)
		fprintf(f, ", %llu x %s, %llu bytes%s", (unsigned long long)req->count,
			dtype_name(req->dtype), (unsigned long long)axcc_total_bytes(req),
			any_in_place(req) ? ", in place" : "");
	fprintf(f, ", %u ranks on %s\n", req->ranks, x->where);
}

static void print_chosen(FILE *f, const struct explain *x)
{
	const struct axcc_candidate *b = &x->choice.candidate[x->choice.best];

	fprintf(f, "algorithm   %s: %s\n", axcc_algorithm_name(b->index),
		axcc_algorithm_what(b->index));
	if (x->choice.wish && !b->wanted)
		fprintf(f, "            (\"%s\" was asked for, but cannot do it)\n",
			x->choice.wish);
	fprintf(f, "time        %.2f us%s\n", microseconds(b->p.cycles),
		b->p.sampled ? ", from smaller counts" : "");
	if (axcc_total_bytes(x->req))
		fprintf(f, "bandwidth   %.2f GB/s, bus %.2f GB/s\n", bandwidth(x, &b->p, false),
			bandwidth(x, &b->p, true));
	fprintf(f, "steps       %llu a rank, %llu transfers, %llu bytes moved, %llu bytes of TMP\n",
		(unsigned long long)b->p.steps, (unsigned long long)b->p.transfers,
		(unsigned long long)b->p.moved_bytes, (unsigned long long)b->p.tmp_bytes);
	fprintf(f, "spent on   ");
	for (uint32_t i = 0; i < NUM_PATHS; i++)
		fprintf(f, " %s %.2f us%s", path_names[i], microseconds(path_part(&b->p, i)),
			i + 1 < NUM_PATHS ? "," : "\n");
	if (b->p.cycles)
		fprintf(f, "in use      busiest link %.0f %%, DMA queues %.0f %%\n",
			100.0 * (double)b->p.link_cycles / (double)b->p.cycles,
			100.0 * (double)b->p.queue_cycles / AXCC_QUEUES / (double)b->p.cycles);
	if (x->order)
		fprintf(f, "order       %s\n", x->order);
}

static void print_table(FILE *f, const struct explain *x)
{
	fprintf(f, "\n%-15s %12s %12s  %s\n", "algorithm", "time (us)", "bus (GB/s)", "why not");
	for (uint32_t i = 0; i < x->choice.count; i++) {
		const struct axcc_candidate *c = &x->choice.candidate[i];
		char why[200];

		why_not(x, c, why, sizeof(why));
		if (c->err)
			fprintf(f, "%-15s %12s %12s  %s\n", axcc_algorithm_name(c->index), "-", "-",
				why);
		else
			fprintf(f, "%-15s %12.2f %12.2f  %s\n", axcc_algorithm_name(c->index),
				microseconds(c->p.cycles), bandwidth(x, &c->p, true), why);
	}
}

static char *as_text(const struct explain *x)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	print_operation(f, x);
	print_chosen(f, x);
	print_table(f, x);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- JSON ---- */

static json_t *candidate_json(const struct explain *x, const struct axcc_candidate *c)
{
	const struct axcc_prediction *p = &c->p;
	json_t *j, *path;
	char why[200];

	why_not(x, c, why, sizeof(why));
	if (c->err)
		return json_pack("{s:s, s:s}", "algorithm", axcc_algorithm_name(c->index),
				 "why_not", why);
	path = json_object();
	for (uint32_t i = 0; path && i < NUM_PATHS; i++)
		json_object_set_new(path, path_names[i], json_real(microseconds(path_part(p, i))));
	j = json_pack("{s:s, s:s, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:o}",
		      "algorithm", axcc_algorithm_name(c->index),
		      "what", axcc_algorithm_what(c->index),
		      "time_us", microseconds(p->cycles),
		      "algbw_gb_s", bandwidth(x, p, false),
		      "busbw_gb_s", bandwidth(x, p, true),
		      "steps", (json_int_t)p->steps,
		      "waits", (json_int_t)p->waits,
		      "transfers", (json_int_t)p->transfers,
		      "moved_bytes", (json_int_t)p->moved_bytes,
		      "tmp_bytes", (json_int_t)p->tmp_bytes,
		      "link_us", microseconds(p->link_cycles),
		      "queue_us", microseconds(p->queue_cycles / AXCC_QUEUES),
		      "sampled", (int)p->sampled,
		      "path_us", path);
	if (j && c != &x->choice.candidate[x->choice.best])
		json_object_set_new(j, "why_not", json_string(why));
	return j;
}

static char *as_json(const struct explain *x)
{
	const struct axcc_request *req = x->req;
	json_t *all = json_array(), *j;
	char *text = NULL;

	for (uint32_t i = 0; all && i < x->choice.count; i++)
		json_array_append_new(all, candidate_json(x, &x->choice.candidate[i]));
	j = json_pack("{s:s, s:s?, s:s, s:I, s:I, s:i, s:i, s:b, s:s, s:s?, s:s, s:s?, s:o}",
		      "operation", axcc_coll_str(req->coll),
		      "reduction", reduces(req) ? axcc_reduction_str(req->reduction) : NULL,
		      "dtype", dtype_name(req->dtype),
		      "count", (json_int_t)req->count,
		      "bytes", (json_int_t)axcc_total_bytes(req),
		      "ranks", (int)req->ranks,
		      "root", (int)req->root,
		      "in_place", (int)any_in_place(req),
		      "topology", x->where,
		      "asked_for", x->choice.wish,
		      "chosen", axcc_algorithm_name(x->choice.candidate[x->choice.best].index),
		      "order", x->order,
		      "candidates", all);
	if (j)
		text = json_dumps(j, JSON_INDENT(2));
	json_decref(j);
	return text;
}

int axcc_explain_request(const struct axcc_request *req, const struct axcc_topology *topo,
			 const char *where, const char *wish, bool json, char **text)
{
	struct explain *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return -ENOMEM;
	x->req = req;
	x->where = where;
	err = axcc_choose(req, topo, wish, true, &x->choice);
	if (!err)
		err = find_order(x, topo);
	if (!err) {
		*text = json ? as_json(x) : as_text(x);
		if (!*text)
			err = -ENOMEM;
	}
	free(x->order);
	free(x);
	return err;
}

/* ---- what others call ---- */

static int check_what_if(const struct axcc_what_if *w)
{
	if (!w || w->size != sizeof(*w) || !w->topology || w->reserved0)
		return -EINVAL;
	return 0;
}

static int make_topology(const struct axcc_what_if *w, struct axcc_topology **topo)
{
	const char *colon = strrchr(w->topology, ':');
	char shape[16];
	uint32_t cards = 0;
	char rest;

	if (!strncmp(w->topology, "torus:", 6) || !colon)
		return axcc_topology_make(w->topology, 0, w->cores ? w->cores : 1, topo);
	if ((size_t)(colon - w->topology) >= sizeof(shape) ||
	    sscanf(colon + 1, "%3u%c", &cards, &rest) != 1 || !cards)
		return -EINVAL;
	memcpy(shape, w->topology, (size_t)(colon - w->topology));
	shape[colon - w->topology] = 0;
	return axcc_topology_make(shape, cards, w->cores ? w->cores : 1, topo);
}

AXCC_API int axcc_explain(const struct axcc_what_if *w, char **text)
{
	struct axcc_request req = { 0 };
	struct axcc_topology *topo;
	char where[64];
	int err = text ? check_what_if(w) : -EINVAL;

	if (!err)
		err = make_topology(w, &topo);
	if (err)
		return err;
	req.coll = (enum axcc_coll)w->coll;
	req.reduction = (enum axcc_reduction)w->reduction;
	req.dtype = w->dtype;
	req.ranks = topo->ranks;
	req.root = w->root;
	req.count = w->count;
	req.targets = w->targets;
	for (uint32_t r = 0; r < req.ranks && w->in_place; r++)
		axcc_ranks_add(&req.in_place, r);
	if (topo->ranks > topo->cards)
		snprintf(where, sizeof(where), "%.32s, %u cores a card", w->topology, w->cores);
	else
		snprintf(where, sizeof(where), "%.32s", w->topology);
	err = axcc_explain_request(&req, topo, where, w->algorithm, w->json, text);
	axcc_topology_free(topo);
	return err;
}
