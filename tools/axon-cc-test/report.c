// SPDX-License-Identifier: MIT
/*
 * report.c - the table, as nccom-test and nccl-tests print it, and the JSON with the same names.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "axon_isa.h"
#include "cc-test.h"

struct cc_report {
	const struct cc_options *opt;
	json_t *results;
	double busbw;
	uint32_t count;
	uint64_t wrong;
	bool checked;
	char time_key[24];
};

static void print_head(const struct cc_report *r)
{
	printf("%14s %14s %8s %14s %14s %14s", "size(B)", "count(elems)", "type", r->time_key,
	       "algbw(GB/s)", "busbw(GB/s)");
	if (r->opt->show_algorithm)
		printf(" %12s", "algorithm");
	if (r->opt->check != CC_CHECK_NONE)
		printf(" %8s", "wrong");
	putchar('\n');
}

struct cc_report *cc_report_new(const struct cc_options *opt)
{
	struct cc_report *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->opt = opt;
	r->results = json_array();
	if (!r->results) {
		free(r);
		return NULL;
	}
	if (opt->stat == CC_STAT_AVG)
		snprintf(r->time_key, sizeof(r->time_key), "time:avg(us)");
	else
		snprintf(r->time_key, sizeof(r->time_key), "time:p%d(us)", opt->stat);
	if (!opt->quiet)
		print_head(r);
	return r;
}

static void print_line(const struct cc_report *r, const struct cc_result *x)
{
	printf("%14" PRIu64 " %14" PRIu64 " %8s %14.2f %14.3f %14.3f", x->size.bytes,
	       x->size.count, cc_dtype_name(r->opt->dtype), x->seconds * 1e6, x->algbw, x->busbw);
	if (r->opt->show_algorithm)
		printf(" %12s", x->algorithm);
	if (x->wrong >= 0)
		printf(" %8" PRId64, x->wrong);
	putchar('\n');
	fflush(stdout);
}

void cc_report_add(struct cc_report *r, const struct cc_result *x)
{
	json_t *o = json_pack("{s:I, s:I, s:s, s:f, s:f, s:f}", "size(B)",
			      (json_int_t)x->size.bytes, "count(elems)", (json_int_t)x->size.count,
			      "type", cc_dtype_name(r->opt->dtype), "algbw(GB/s)", x->algbw,
			      "busbw(GB/s)", x->busbw, r->time_key, x->seconds * 1e6);

	if (o && x->algorithm[0])
		json_object_set_new(o, "algorithm", json_string(x->algorithm));
	if (o && x->wrong >= 0)
		json_object_set_new(o, "wrong", json_integer(x->wrong));
	json_array_append_new(r->results, o);
	r->busbw += x->busbw;
	r->count++;
	if (x->wrong > 0)
		r->wrong += (uint64_t)x->wrong;
	r->checked |= x->wrong >= 0;
	if (!r->opt->quiet)
		print_line(r, x);
}

static int write_json(const struct cc_report *r)
{
	json_t *root = json_pack("{s:s, s:i, s:O}", "operation", cc_op_name(r->opt->op), "ranks",
				 (int)r->opt->ranks, "results", r->results);
	int ret = 0;

	errno = 0;
	if (!root)
		ret = -ENOMEM;
	else if (json_dump_file(root, r->opt->json, JSON_INDENT(1)))
		ret = errno ? -errno : -EIO;
	json_decref(root);
	return ret;
}

int cc_report_end(struct cc_report *r)
{
	int ret = 0;

	if (!r->opt->quiet && r->count) {
		printf("Avg bus bandwidth: %.4f GB/s\n", r->busbw / r->count);
		if (r->checked)
			printf("%s\n", r->wrong ? "WRONG RESULTS" : "all elements correct");
	}
	if (r->opt->json)
		ret = write_json(r);
	json_decref(r->results);
	free(r);
	return ret;
}
