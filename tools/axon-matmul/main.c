// SPDX-License-Identifier: MIT
/*
 * main.c - axon-matmul: keep a core busy with a matrix product and check the result. A load for
 * axon-top and for burn-in, and the smallest whole program on the runtime.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nrt/nrt.h>

#include "matmul.h"
#include "place.h"

struct options {
	uint32_t n;
	enum axon_dtype dtype;
	double seconds;
	struct place where;
};

static const char help[] =
	"Usage: axon-matmul [options]\n\n"
	"Multiply two random matrices on an Axon card again and again and check the product.\n\n"
	"  -n, --size N           rows and columns (default 512)\n"
	"  -d, --dtype TYPE       of the factors: fp32 (default) or bf16\n"
	"  -s, --seconds S        for how long (default 5; at least one product is made)\n"
	"%s"
	"  -h, --help             this text\n\n"
	"An interrupt (Ctrl-C) ends it early, with the same check and figures.\n";

/* The only thing that a signal handler may touch. */
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static int multiply(const struct options *opt, struct llm_error *err)
{
	struct matmul *m;
	uint64_t count = 0;
	double start, took;
	int ret = matmul_create(opt->n, opt->dtype, &m, err);

	if (ret)
		return ret;
	start = now();
	do {
		ret = matmul_run(m, err);
		count++;
	} while (!ret && !stop && now() - start < opt->seconds);
	took = now() - start;
	if (!ret)
		ret = matmul_check(m, err);
	matmul_free(m);
	if (!ret)
		printf("%llu products of %u x %u in %.1f s, %.2f GFLOP/s, result correct\n",
		       (unsigned long long)count, opt->n, opt->n, took,
		       2e-9 * opt->n * opt->n * opt->n * count / took);
	return ret;
}

static int parse_size(const char *arg, uint32_t *n, struct llm_error *err)
{
	char *end;
	unsigned long v = strtoul(arg, &end, 10);

	if (end == arg || *end || arg[0] == '-' || v < 1 || v > MATMUL_MAX_N)
		return llm_fail(err, -EINVAL, "-n: '%s' is not a number from 1 to %u", arg,
				MATMUL_MAX_N);
	*n = v;
	return 0;
}

static int parse_seconds(const char *arg, double *seconds, struct llm_error *err)
{
	char *end;
	double v = strtod(arg, &end);

	if (end == arg || *end || !isfinite(v) || v < 0)
		return llm_fail(err, -EINVAL, "-s: '%s' is not a number of seconds", arg);
	*seconds = v;
	return 0;
}

static int parse_dtype(const char *arg, enum axon_dtype *dtype, struct llm_error *err)
{
	if (!strcmp(arg, "fp32"))
		*dtype = AXON_DTYPE_FLOAT32;
	else if (!strcmp(arg, "bf16"))
		*dtype = AXON_DTYPE_BFLOAT16;
	else
		return llm_fail(err, -EINVAL, "-d: '%s' is neither fp32 nor bf16", arg);
	return 0;
}

static int parse(int argc, char **argv, struct options *opt, struct llm_error *err)
{
	static const struct option long_options[] = {
		{ "size", required_argument, NULL, 'n' },
		{ "dtype", required_argument, NULL, 'd' },
		{ "seconds", required_argument, NULL, 's' },
		PLACE_LONG_OPTIONS,
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c, ret = 0;

	while (!ret && (c = getopt_long(argc, argv, "n:d:s:h", long_options, NULL)) != -1) {
		switch (c) {
		case 'n':
			ret = parse_size(optarg, &opt->n, err);
			break;
		case 'd':
			ret = parse_dtype(optarg, &opt->dtype, err);
			break;
		case 's':
			ret = parse_seconds(optarg, &opt->seconds, err);
			break;
		case PLACE_OPT_CARD:
		case PLACE_OPT_CORE:
			ret = place_option(&opt->where, c, optarg, err);
			break;
		case 'h':
			printf(help, place_options_help);
			exit(0);
		default:
			exit(2);
		}
	}
	if (!ret && optind != argc)
		ret = llm_fail(err, -EINVAL, "'%s' is not an option (see axon-matmul --help)",
			       argv[optind]);
	return ret;
}

int main(int argc, char **argv)
{
	struct options opt = { .n = 512, .dtype = AXON_DTYPE_FLOAT32, .seconds = 5,
			       .where = PLACE_ANY };
	const struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct llm_error err = { "" };
	int ret;

	if (parse(argc, argv, &opt, &err)) {
		fprintf(stderr, "axon-matmul: %s\n", err.text);
		return 2;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	ret = place_start(&opt.where, "axon-matmul", &err);
	if (!ret) {
		ret = multiply(&opt, &err);
		nrt_close();
	}
	if (!ret && fflush(stdout))
		ret = llm_fail(&err, -errno, "cannot print: %s", strerror(errno));
	if (ret)
		fprintf(stderr, "axon-matmul: %s\n", err.text);
	return ret ? 1 : 0;
}
