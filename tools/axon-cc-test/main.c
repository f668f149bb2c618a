// SPDX-License-Identifier: MIT
/*
 * main.c - axon-cc-test: how fast collectives between cards are, and whether they are right. The
 * options are those of nccom-test where it has them.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axon_isa.h"
#include "cc-test.h"

#define MAX_ITERATIONS	1000000u
#define MAX_BYTES	(1ull << 40)

static const char help[] =
	"Usage: axon-cc-test [options] OPERATION\n\n"
	"Measure a collective operation between Axon cards and check its result.\n\n"
	"Operations: all_reduce, all_gather, reduce_scatter, alltoall, broadcast, reduce,\n"
	"permute, sendrecv, barrier.\n\n"
	"  -r, --nworkers N         ranks in all (default: one for each card)\n"
	"  -b, --minbytes SIZE      first size (default 32M); suffixes K, M, G\n"
	"  -e, --maxbytes SIZE      last size (default 32M)\n"
	"  -i, --stepbytes SIZE     from size to size by adding; or\n"
	"  -f, --stepfactor N       by multiplying (default 2)\n"
	"  -n, --iters N            measured operations of a size (default 20)\n"
	"  -w, --warmup_iters N     before them (default 5)\n"
	"  -d, --datatype TYPE      uint8 (default), int32, fp16, bf16, fp32\n"
	"  -o, --op NAME            sum (default), max, min\n"
	"      --root RANK          of broadcast and reduce (default 0)\n"
	"  -c, --check MODE         compare every element: random or all_ones\n"
	"      --seed N             of random data (default 1)\n"
	"  -t, --stats WHAT         avg (default) or a percentile: p50, p99, ...\n"
	"      --in-place           send and receive buffer are one\n"
	"      --cores-first        fill the cores of a card before the next card\n"
	"      --algorithm NAME     take that one instead of the fastest\n"
	"      --timeout MS         of an operation (default 30000)\n"
	"      --report-to-json-file FILE\n"
	"      --show-algorithm     a column with the algorithm that was taken\n"
	"  -q, --quiet              no table\n"
	"  -h, --help               this text\n\n"
	"Without any card, what would happen on some:\n"
	"      --explain[=json]     tell for each size which algorithm would be taken, how long\n"
	"                           it would take by the card's timing model, and why not the\n"
	"                           others\n"
	"      --topology SHAPE     where: pair, ring:N, line:N, mesh:N, torus:WxH (ring:RANKS)\n"
	"      --cores N            ranks on each card there (1)\n\n"
	"Several processes or hosts, each with some of the ranks:\n"
	"      --meet IP:PORT       address at the process with rank 0 (default:\n"
	"                           NEURON_RT_ROOT_COMM_ID, else as mpirun or srun say, else all\n"
	"                           ranks are in this process)\n"
	"      --first-rank N       first rank of this process (default 0)\n"
	"      --local-ranks N      how many it has (default: one for each card)\n";

enum {
	OPT_ROOT = 256, OPT_SEED, OPT_IN_PLACE, OPT_CORES_FIRST, OPT_ALGORITHM, OPT_TIMEOUT,
	OPT_JSON, OPT_MEET, OPT_FIRST_RANK, OPT_LOCAL_RANKS, OPT_SHOW_ALGORITHM, OPT_EXPLAIN,
	OPT_TOPOLOGY, OPT_CORES,
};

static int usage(const char *fmt, ...)
{
	va_list ap;

	fputs("axon-cc-test: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" (--help tells more)\n", stderr);
	return -EINVAL;
}

static int number(const char *option, const char *arg, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;
	unsigned long long v = 0;

	errno = 0;
	v = strtoull(arg, &end, 0);
	if (end == arg || *end || arg[0] == '-' || errno || v < min || v > max)
		return usage("%s: '%s' is not a number from %" PRIu64 " to %" PRIu64, option, arg,
			     min, max);
	*value = v;
	return 0;
}

static int number32(const char *option, const char *arg, uint32_t min, uint32_t max,
		    uint32_t *value)
{
	uint64_t v = 0;
	int ret = number(option, arg, min, max, &v);

	if (!ret)
		*value = (uint32_t)v;
	return ret;
}

static int bytes(const char *option, const char *arg, uint64_t *value)
{
	static const char suffix[] = "KMG";
	unsigned long long v;
	unsigned int shift = 0;
	const char *s;
	char *end;

	errno = 0;
	v = strtoull(arg, &end, 10);
	s = *end ? strchr(suffix, *end & ~0x20) : NULL;
	if (s && *end) {
		shift = 10 * (unsigned int)(s - suffix + 1);
		end++;
	}
	if (end == arg || *end || arg[0] == '-' || errno || v > MAX_BYTES >> shift)
		return usage("%s: '%s' is not a size such as 8, 64K or 32M", option, arg);
	*value = (uint64_t)v << shift;
	return 0;
}

static int parse_dtype(const char *arg, struct cc_options *opt)
{
	opt->dtype = cc_dtype_find(arg);
	return opt->dtype ? 0 : usage("-d: '%s' is not one of uint8, int32, fp16, bf16, fp32", arg);
}

static int parse_reduction(const char *arg, struct cc_options *opt)
{
	for (int i = 0; i < AXCC_NUM_REDUCTIONS; i++) {
		opt->reduction = (enum axcc_reduction)i;
		if (!strcmp(arg, axcc_reduction_str(opt->reduction)))
			return 0;
	}
	return usage("-o: '%s' is not one of sum, max, min", arg);
}

static int parse_check(const char *arg, struct cc_options *opt)
{
	if (!strcmp(arg, "random"))
		opt->check = CC_CHECK_RANDOM;
	else if (!strcmp(arg, "all_ones"))
		opt->check = CC_CHECK_ONES;
	else
		return usage("-c: '%s' is neither random nor all_ones", arg);
	return 0;
}

static int parse_stat(const char *arg, struct cc_options *opt)
{
	uint32_t p = 0;
	int ret;

	opt->stat = CC_STAT_AVG;
	if (!strcmp(arg, "avg"))
		return 0;
	if (arg[0] != 'p')
		return usage("-t: '%s' is neither avg nor a percentile such as p50", arg);
	ret = number32("-t", arg + 1, 0, 100, &p);
	if (!ret)
		opt->stat = (int)p;
	return ret;
}

static int parse_option(int c, const char *arg, struct cc_options *opt)
{
	switch (c) {
	case 'r':
		return number32("-r", arg, 1, AXCC_MAX_RANKS, &opt->ranks);
	case 'b':
		return bytes("-b", arg, &opt->min_bytes);
	case 'e':
		return bytes("-e", arg, &opt->max_bytes);
	case 'i':
		return bytes("-i", arg, &opt->step_bytes);
	case 'f':
		return number32("-f", arg, 2, 1u << 20, &opt->factor);
	case 'n':
		return number32("-n", arg, 1, MAX_ITERATIONS, &opt->iterations);
	case 'w':
		return number32("-w", arg, 0, MAX_ITERATIONS, &opt->warmup);
	case 'd':
		return parse_dtype(arg, opt);
	case 'o':
		return parse_reduction(arg, opt);
	case 'c':
		return parse_check(arg, opt);
	case 't':
		return parse_stat(arg, opt);
	case OPT_ROOT:
		return number32("--root", arg, 0, AXCC_MAX_RANKS - 1, &opt->root);
	case OPT_SEED:
		return number("--seed", arg, 0, UINT64_MAX, &opt->seed);
	case OPT_TIMEOUT:
		return number32("--timeout", arg, 1, 3600000, &opt->timeout_ms);
	case OPT_FIRST_RANK:
		return number32("--first-rank", arg, 0, AXCC_MAX_RANKS - 1, &opt->first_rank);
	case OPT_LOCAL_RANKS:
		return number32("--local-ranks", arg, 1, AXCC_MAX_RANKS, &opt->local_ranks);
	case OPT_ALGORITHM:
		opt->algorithm = arg;
		return 0;
	case OPT_JSON:
		opt->json = arg;
		return 0;
	case OPT_MEET:
		opt->meet = arg;
		return 0;
	case OPT_SHOW_ALGORITHM:
		opt->show_algorithm = true;
		return 0;
	case OPT_EXPLAIN:
		opt->explain = true;
		opt->explain_json = arg;
		return !arg || !strcmp(arg, "json") ? 0 :
			usage("--explain: '%s' is not json", arg);
	case OPT_TOPOLOGY:
		opt->topology = arg;
		return 0;
	case OPT_CORES:
		return number32("--cores", arg, 1, AXCC_MAX_RANKS, &opt->cores);
	case OPT_IN_PLACE:
		opt->in_place = true;
		return 0;
	case OPT_CORES_FIRST:
		opt->cores_first = true;
		return 0;
	case 'q':
		opt->quiet = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int check_sizes(const struct cc_options *opt)
{
	if (opt->max_bytes < opt->min_bytes)
		return usage("-e is less than -b");
	if (!opt->step_bytes && !opt->min_bytes)
		return usage("-b 0 wants -i");
	return 0;
}

/* As one of the processes of mpirun or srun: a rank each, or as many as --local-ranks says. */
static int launched(struct cc_options *opt)
{
	uint32_t each = opt->local_ranks ? opt->local_ranks : 1;
	struct axcc_job job;
	int ret = axcc_unique_id_from_pmix(opt->timeout_ms, &opt->id, &job, &opt->meeting);

	if (ret == -ENOENT)
		return 0;
	if (ret)
		return usage("the launcher does not bring processes together (libpmix.so.2): %s",
			     strerror(-ret));
	if (job.processes > AXCC_MAX_RANKS / each)
		return usage("%u processes with %u ranks each are more than %u", job.processes,
			     each, AXCC_MAX_RANKS);
	if (opt->ranks && opt->ranks != job.processes * each)
		return usage("-r %u, but %u processes with %u ranks each", opt->ranks,
			     job.processes, each);
	opt->launched = true;
	opt->local_ranks = each;
	opt->first_rank = job.process * each;
	opt->before = job.local_process * each;
	opt->ranks = job.processes * each;
	if (job.process)
		opt->quiet = true;
	return 0;
}

/* What follows from what was given. */
static int complete(struct cc_options *opt)
{
	uint32_t cards = 0;
	int ret;

	if (opt->explain)
		return check_sizes(opt);
	if (opt->topology || opt->cores > 1)
		return usage("--topology and --cores belong to --explain: cards are joined as they "
			     "are");

	if (!opt->meet) {
		ret = launched(opt);
		if (ret)
			return ret;
	}
	axon_device_count(&cards);
	if (!cards)
		cards = 1;
	if (!opt->ranks)
		opt->ranks = cards < AXCC_MAX_RANKS ? cards : AXCC_MAX_RANKS;
	if (!opt->local_ranks)
		opt->local_ranks = !opt->meet || cards > opt->ranks ? opt->ranks : cards;
	if (opt->root >= opt->ranks)
		return usage("--root: there is no rank %u", opt->root);
	if (opt->first_rank >= opt->ranks || opt->local_ranks > opt->ranks - opt->first_rank)
		return usage("ranks %u .. %u are not among %u", opt->first_rank,
			     opt->first_rank + opt->local_ranks - 1, opt->ranks);
	if (!opt->meet && !opt->launched && opt->local_ranks != opt->ranks)
		return usage("%u of %u ranks are elsewhere: --meet says where they meet",
			     opt->ranks - opt->local_ranks, opt->ranks);
	return check_sizes(opt);
}

static int parse(int argc, char **argv, struct cc_options *opt)
{
	static const struct option long_options[] = {
		{ "nworkers", required_argument, NULL, 'r' },
		{ "minbytes", required_argument, NULL, 'b' },
		{ "maxbytes", required_argument, NULL, 'e' },
		{ "stepbytes", required_argument, NULL, 'i' },
		{ "stepfactor", required_argument, NULL, 'f' },
		{ "iters", required_argument, NULL, 'n' },
		{ "warmup_iters", required_argument, NULL, 'w' },
		{ "datatype", required_argument, NULL, 'd' },
		{ "op", required_argument, NULL, 'o' },
		{ "root", required_argument, NULL, OPT_ROOT },
		{ "check", required_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, OPT_SEED },
		{ "stats", required_argument, NULL, 't' },
		{ "in-place", no_argument, NULL, OPT_IN_PLACE },
		{ "cores-first", no_argument, NULL, OPT_CORES_FIRST },
		{ "algorithm", required_argument, NULL, OPT_ALGORITHM },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "report-to-json-file", required_argument, NULL, OPT_JSON },
		{ "show-algorithm", no_argument, NULL, OPT_SHOW_ALGORITHM },
		{ "explain", optional_argument, NULL, OPT_EXPLAIN },
		{ "topology", required_argument, NULL, OPT_TOPOLOGY },
		{ "cores", required_argument, NULL, OPT_CORES },
		{ "quiet", no_argument, NULL, 'q' },
		{ "meet", required_argument, NULL, OPT_MEET },
		{ "first-rank", required_argument, NULL, OPT_FIRST_RANK },
		{ "local-ranks", required_argument, NULL, OPT_LOCAL_RANKS },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *short_options = "r:b:e:i:f:n:w:d:o:c:t:qh";
	int c, ret;

	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			exit(0);
		}
		ret = c == '?' ? usage("bad option") : parse_option(c, optarg, opt);
		if (ret)
			return ret;
	}
	if (optind + 1 != argc)
		return usage("one operation is wanted");
	opt->op = cc_op_find(argv[optind]);
	if (opt->op == CC_NUM_OPS)
		return usage("'%s' is no operation", argv[optind]);
	return complete(opt);
}

int main(int argc, char **argv)
{
	struct cc_options opt = {
		.dtype = AXON_DTYPE_UINT8,
		.reduction = AXCC_SUM,
		.min_bytes = 32 << 20,
		.max_bytes = 32 << 20,
		.factor = 2,
		.iterations = 20,
		.warmup = 5,
		.seed = 1,
		.stat = CC_STAT_AVG,
		.cores = 1,
		.meet = getenv("NEURON_RT_ROOT_COMM_ID"),
	};
	int ret;

	if (parse(argc, argv, &opt))
		return 2;
	ret = opt.explain ? cc_explain(&opt) : cc_run(&opt);
	axcc_root_destroy(opt.meeting);
	return ret;
}
