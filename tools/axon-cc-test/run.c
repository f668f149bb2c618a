// SPDX-License-Identifier: MIT
/*
 * run.c - axon-cc-test's ranks: cards, communicators, buffers, the loop over sizes.
 *
 * One thread drives all ranks of the process, as a framework with one process a host would; only to
 * join each has its own. Time is that of the host, from the first call to the end of the last wait.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "axon_isa.h"
#include "cc-test.h"

#define MAX_CARDS	64u

/**
 * struct rank - a rank of this process
 * @comm: its communicator
 * @send: send buffer
 * @recv: receive buffer; @send's when in place
 * @send_ptr: CPU address
 * @recv_ptr: CPU address
 * @seq: of its newest operation
 * @sent: of its newest SEND, or 0
 */
struct rank {
	struct axcc_comm *comm;
	struct axcc_buf send;
	struct axcc_buf recv;
	void *send_ptr;
	void *recv_ptr;
	uint64_t seq;
	uint64_t sent;
};

/**
 * struct run - everything that lives while sizes are measured
 * @opt: options
 * @dev: cards that are open
 * @cards: how many
 * @rank: ranks of this process
 * @cannot_join: the first one here that could not, or NULL (atomic)
 * @targets: of PERMUTE
 * @times: one an iteration, seconds
 */
struct run {
	const struct cc_options *opt;
	struct axon_device *dev[MAX_CARDS];
	uint32_t cards;
	struct rank *rank;
	_Atomic(struct rank *) cannot_join;
	uint32_t *targets;
	double *times;
};

static int fail(int err, const char *fmt, ...)
{
	va_list ap;

	fputs("axon-cc-test: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(-err));
	return err;
}

static void log_line(void *opaque, enum axon_log_level level, const char *line)
{
	const struct run *run = opaque;

	/* Why one cannot join has been said; that the others were aborted then says nothing. */
	if (run && atomic_load(&run->cannot_join))
		return;
	if (level <= AXON_LOG_WARN)
		fprintf(stderr, "axon-cc-test: %s\n", line);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* ---- ranks ---- */

static int open_cards(struct run *run)
{
	uint32_t count;
	char path[64];
	int ret = axon_device_count(&count);

	if (ret)
		return fail(ret, "AXON_DEVICE");
	if (!count)
		return fail(-ENODEV, "no card (AXON_DEVICE=soft:%u makes %u in the process)",
			    run->opt->local_ranks, run->opt->local_ranks);
	if (count > run->opt->before + run->opt->local_ranks)
		count = run->opt->before + run->opt->local_ranks;
	if (count > MAX_CARDS)
		count = MAX_CARDS;
	for (; run->cards < count; run->cards++) {
		ret = axon_device_path_of(run->cards, path, sizeof(path));
		if (!ret)
			ret = axon_device_open_path(path, log_line, NULL, &run->dev[run->cards]);
		if (ret)
			return fail(ret, "card %u", run->cards);
	}
	return 0;
}

/* Card and core of a local rank. */
static int place(const struct run *run, uint32_t local, uint32_t *card, uint32_t *core)
{
	struct drm_axon_query_device info;
	int ret = axon_device_query(run->dev[0], &info);

	if (ret)
		return fail(ret, "card 0");
	if (local >= run->cards * info.num_cores)
		return fail(-EINVAL, "%u ranks, but %u cards with %u cores each",
			    run->opt->local_ranks, run->cards, info.num_cores);
	/* Soft cards are each process's own, and so there may be fewer than that. */
	local = (run->opt->before + local) % (run->cards * info.num_cores);
	*card = run->opt->cores_first ? local / info.num_cores : local % run->cards;
	*core = run->opt->cores_first ? local % info.num_cores : local / run->cards;
	return 0;
}

/**
 * struct joining - a rank of this process on its way to the others
 * @run: whose
 * @id: where they meet
 * @local: number in the process
 * @card: which one
 * @core: of it
 * @thread: joins
 * @err: how that went
 */
struct joining {
	struct run *run;
	const struct axcc_unique_id *id;
	uint32_t local;
	uint32_t card;
	uint32_t core;
	pthread_t thread;
	int err;
};

/* The others would wait for it until their time is over. */
static void cannot_join(struct joining *j)
{
	struct run *run = j->run;
	struct rank *nobody = NULL;

	if (!atomic_compare_exchange_strong(&run->cannot_join, &nobody, &run->rank[j->local]))
		return;
	for (uint32_t l = 0; l < run->opt->local_ranks; l++)
		if (l != j->local)
			axcc_comm_abort(run->rank[l].comm);
}

static void *join_main(void *arg)
{
	struct joining *j = arg;
	const struct cc_options *o = j->run->opt;

	j->err = axcc_comm_init(j->run->rank[j->local].comm, j->id, o->ranks,
				o->first_rank + j->local, j->run->dev[j->card], j->core);
	if (j->err)
		cannot_join(j);
	return NULL;
}

/* Return: 0, or the error of the rank that could not join, which has been said. */
static int join_all(struct run *run, struct joining *joining)
{
	uint32_t started = 0, first;
	struct rank *failed;
	struct axcc_error e;

	for (; started < run->opt->local_ranks; started++) {
		struct joining *j = &joining[started];
		int err = -pthread_create(&j->thread, NULL, join_main, j);

		/* It says itself how it went, so this may only if it is not there. */
		if (err) {
			j->err = err;
			cannot_join(j);
			break;
		}
	}
	for (uint32_t l = 0; l < started; l++)
		pthread_join(joining[l].thread, NULL);
	failed = atomic_load(&run->cannot_join);
	if (!failed)
		return 0;
	first = (uint32_t)(failed - run->rank);
	fprintf(stderr, "axon-cc-test: rank %u cannot join: %s\n", run->opt->first_rank + first,
		axcc_comm_error(failed->comm, &e) ? e.text : strerror(-joining[first].err));
	return joining[first].err;
}

static int start_init(struct run *run, const struct axcc_unique_id *id)
{
	struct joining joining[AXCC_MAX_RANKS];

	for (uint32_t l = 0; l < run->opt->local_ranks; l++) {
		struct joining *j = &joining[l];
		int ret;

		*j = (struct joining){ .run = run, .id = id, .local = l };
		ret = place(run, l, &j->card, &j->core);
		if (ret)
			return ret;
	}
	return join_all(run, joining);
}

static int init_here(struct run *run)
{
	struct axcc_comm *comm[AXCC_MAX_RANKS];
	struct axon_device *dev[AXCC_MAX_RANKS];
	uint32_t core[AXCC_MAX_RANKS];

	for (uint32_t l = 0; l < run->opt->ranks; l++) {
		uint32_t card;
		int ret = place(run, l, &card, &core[l]);

		if (ret)
			return ret;
		comm[l] = run->rank[l].comm;
		dev[l] = run->dev[card];
	}
	return axcc_comm_init_all(comm, dev, core, run->opt->ranks);
}

static int explain_failure(const struct run *run, int err, const char *what)
{
	for (uint32_t l = 0; l < run->opt->local_ranks; l++) {
		struct axcc_error e;

		if (run->rank[l].comm && axcc_comm_error(run->rank[l].comm, &e))
			return fail(err, "%s: %s", what, e.text);
	}
	return fail(err, "%s", what);
}

static int init_comms(struct run *run)
{
	const struct axcc_options options = {
		.size = sizeof(options),
		.timeout_ms = run->opt->timeout_ms,
		.algorithm = run->opt->algorithm,
		.spin_us = 50,
		.log = log_line,
		.log_opaque = run,
	};
	struct axcc_unique_id id;
	int ret = 0;

	for (uint32_t l = 0; !ret && l < run->opt->local_ranks; l++)
		ret = axcc_comm_create(&options, &run->rank[l].comm);
	if (ret == -EINVAL && options.algorithm)
		return fail(ret, "--algorithm: there is no '%s' (--explain names them)",
			    options.algorithm);
	if (ret)
		return fail(ret, "communicator");
	if (run->opt->meet) {
		ret = axcc_unique_id_from_address(run->opt->meet, &id);
		if (ret)
			return fail(ret, "--meet %s", run->opt->meet);
		return start_init(run, &id);
	}
	if (run->opt->launched)
		return start_init(run, &run->opt->id);
	ret = init_here(run);
	return ret ? explain_failure(run, ret, "communicator") : 0;
}

static int make_buffer(struct axon_device *dev, uint64_t bytes, struct axcc_buf *buf, void **ptr)
{
	int ret = axon_bo_create(dev, bytes ? bytes : 1, DRM_AXON_REGION_HBM,
				 DRM_AXON_BO_CPU_VISIBLE, NULL, &buf->bo);

	if (!ret)
		ret = axon_bo_map(buf->bo, ptr);
	return ret ? fail(ret, "buffer of %" PRIu64 " bytes", bytes) : 0;
}

static int make_buffers(struct run *run)
{
	const struct cc_size most = cc_size_of(run->opt, run->opt->max_bytes);
	uint32_t esz = axon_dtype_size(run->opt->dtype);
	uint64_t send = most.send * esz, recv = most.recv * esz;

	if (run->opt->in_place)
		send = recv = send > recv ? send : recv;
	for (uint32_t l = 0; l < run->opt->local_ranks; l++) {
		struct rank *r = &run->rank[l];
		uint32_t card, core;
		int ret = place(run, l, &card, &core);

		if (!ret)
			ret = make_buffer(run->dev[card], recv, &r->recv, &r->recv_ptr);
		if (!ret && !run->opt->in_place)
			ret = make_buffer(run->dev[card], send, &r->send, &r->send_ptr);
		if (ret)
			return ret;
	}
	return 0;
}

/* In place the send block lies where the operation wants it: axcc.h. */
static void aim(struct run *run, const struct cc_size *size)
{
	uint64_t esz = axon_dtype_size(run->opt->dtype);

	if (!run->opt->in_place)
		return;
	for (uint32_t l = 0; l < run->opt->local_ranks; l++) {
		struct rank *r = &run->rank[l];
		uint64_t block = (run->opt->first_rank + l) * size->count * esz;

		r->send = (struct axcc_buf){ .bo = r->recv.bo };
		r->recv.offset = 0;
		if (run->opt->op == CC_ALL_GATHER)
			r->send.offset = block;
		else if (run->opt->op == CC_REDUCE_SCATTER)
			r->recv.offset = block;
		r->send_ptr = (uint8_t *)r->recv_ptr + r->send.offset;
	}
}

/* ---- operations ---- */

static int call(struct run *run, struct rank *r, uint32_t rank, uint64_t count)
{
	const struct cc_options *o = run->opt;
	int ret;

	switch (o->op) {
	case CC_ALL_REDUCE:
		return axcc_all_reduce(r->comm, r->send, r->recv, count, o->dtype, o->reduction,
				       &r->seq);
	case CC_ALL_GATHER:
		return axcc_all_gather(r->comm, r->send, r->recv, count, o->dtype, &r->seq);
	case CC_REDUCE_SCATTER:
		return axcc_reduce_scatter(r->comm, r->send, r->recv, count, o->dtype,
					   o->reduction, &r->seq);
	case CC_ALL_TO_ALL:
		return axcc_all_to_all(r->comm, r->send, r->recv, count, o->dtype, &r->seq);
	case CC_BROADCAST:
		return axcc_broadcast(r->comm, r->send, r->recv, count, o->dtype, o->root, &r->seq);
	case CC_REDUCE:
		return axcc_reduce(r->comm, r->send, r->recv, count, o->dtype, o->reduction,
				   o->root, &r->seq);
	case CC_PERMUTE:
		return axcc_permute(r->comm, r->send, r->recv, count, o->dtype, run->targets,
				    &r->seq);
	case CC_SENDRECV:
		ret = axcc_send(r->comm, r->send, count, o->dtype, cc_target(o, rank), &r->sent);
		return ret ? ret : axcc_recv(r->comm, r->recv, count, o->dtype,
					     (rank + o->ranks - 1) % o->ranks, &r->seq);
	default:
		return axcc_barrier(r->comm, &r->seq);
	}
}

/* One operation of all ranks here. */
static int once(struct run *run, uint64_t count)
{
	int ret = 0, end;

	axcc_group_start();
	for (uint32_t l = 0; !ret && l < run->opt->local_ranks; l++)
		ret = call(run, &run->rank[l], run->opt->first_rank + l, count);
	end = axcc_group_end();
	if (!ret)
		ret = end;
	for (uint32_t l = 0; !ret && l < run->opt->local_ranks; l++) {
		struct rank *r = &run->rank[l];

		ret = axcc_wait(r->comm, r->seq, -1);
		if (!ret && r->sent)
			ret = axcc_wait(r->comm, r->sent, -1);
	}
	return ret;
}

/* Also for what is not checked: memory never written to would be read faster than any other. */
static void fill(struct run *run, const struct cc_size *size)
{
	const struct cc_options *o = run->opt;
	uint32_t esz = axon_dtype_size(o->dtype);

	for (uint32_t l = 0; l < o->local_ranks; l++) {
		struct rank *r = &run->rank[l];

		/* What is left from before must not be taken for a result. */
		memset((uint8_t *)r->recv_ptr + r->recv.offset, 0xa5, size->recv * esz);
		cc_fill(o, o->first_rank + l, r->send_ptr, size->send);
	}
}

static int check(struct run *run, const struct cc_size *size, int64_t *wrong)
{
	const struct cc_options *o = run->opt;
	int ret = once(run, size->count);

	*wrong = 0;
	for (uint32_t l = 0; !ret && l < o->local_ranks; l++)
		*wrong += (int64_t)cc_verify(o, size, o->first_rank + l,
					     (uint8_t *)run->rank[l].recv_ptr +
					     run->rank[l].recv.offset);
	return ret;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double statistic(const struct run *run)
{
	uint32_t n = run->opt->iterations;
	double sum = 0;

	if (run->opt->stat == CC_STAT_AVG) {
		for (uint32_t i = 0; i < n; i++)
			sum += run->times[i];
		return sum / n;
	}
	qsort(run->times, n, sizeof(*run->times), ascending);
	return run->times[(uint64_t)(n - 1) * (uint32_t)run->opt->stat / 100];
}

static int measure(struct run *run, uint64_t bytes, struct cc_result *x)
{
	const struct cc_options *o = run->opt;
	int ret = 0;

	*x = (struct cc_result){ .size = cc_size_of(o, bytes), .wrong = -1 };
	aim(run, &x->size);
	if (o->op != CC_BARRIER)
		fill(run, &x->size);
	if (o->check != CC_CHECK_NONE && o->op != CC_BARRIER)
		ret = check(run, &x->size, &x->wrong);
	for (uint32_t i = 0; !ret && i < o->warmup; i++)
		ret = once(run, x->size.count);
	for (uint32_t i = 0; !ret && i < o->iterations; i++) {
		double start = now();

		ret = once(run, x->size.count);
		run->times[i] = now() - start;
	}
	if (ret)
		return explain_failure(run, ret, cc_op_name(o->op));
	if (o->show_algorithm)
		snprintf(x->algorithm, sizeof(x->algorithm), "%s",
			 axcc_op_algorithm(run->rank[0].comm, run->rank[0].seq));
	x->seconds = statistic(run);
	x->algbw = (double)x->size.bytes / x->seconds * 1e-9;
	x->busbw = x->algbw * cc_bus_factor(o->op, o->ranks);
	return 0;
}

uint64_t cc_next_bytes(const struct cc_options *o, uint64_t bytes)
{
	if (o->step_bytes)
		return bytes > UINT64_MAX - o->step_bytes ? UINT64_MAX : bytes + o->step_bytes;
	return bytes > UINT64_MAX / o->factor ? UINT64_MAX : bytes * o->factor;
}

/* The others need rank 0's process until they are done, also for what they send each other. */
static int part(struct run *run)
{
	int ret = 0, end;

	axcc_group_start();
	for (uint32_t l = 0; !ret && l < run->opt->local_ranks; l++)
		ret = axcc_barrier(run->rank[l].comm, &run->rank[l].seq);
	end = axcc_group_end();
	if (!ret)
		ret = end;
	for (uint32_t l = 0; !ret && l < run->opt->local_ranks; l++)
		ret = axcc_wait(run->rank[l].comm, run->rank[l].seq, -1);
	return ret ? explain_failure(run, ret, "barrier at the end") : 0;
}

static int all_sizes(struct run *run, struct cc_report *report)
{
	const struct cc_options *o = run->opt;
	int wrong = 0, ret;

	for (uint64_t b = o->min_bytes; b <= o->max_bytes; b = cc_next_bytes(o, b)) {
		struct cc_result x;

		ret = measure(run, b, &x);
		if (ret)
			return ret;
		cc_report_add(report, &x);
		wrong |= x.wrong > 0;
		if (o->op == CC_BARRIER || b == UINT64_MAX)
			break;
	}
	ret = part(run);
	return ret || !wrong ? ret : -EBADMSG;
}

/* ---- life ---- */

static void clean_up(struct run *run)
{
	for (uint32_t l = 0; run->rank && l < run->opt->local_ranks; l++) {
		struct rank *r = &run->rank[l];

		axcc_comm_destroy(r->comm);
		if (!run->opt->in_place)
			axon_bo_destroy(r->send.bo);
		axon_bo_destroy(r->recv.bo);
	}
	while (run->cards)
		axon_device_close(run->dev[--run->cards]);
	free(run->rank);
	free(run->targets);
	free(run->times);
}

static int set_up(struct run *run)
{
	int ret;

	run->rank = calloc(run->opt->local_ranks, sizeof(*run->rank));
	run->targets = calloc(run->opt->ranks, sizeof(*run->targets));
	run->times = calloc(run->opt->iterations, sizeof(*run->times));
	if (!run->rank || !run->targets || !run->times)
		return fail(-ENOMEM, "memory");
	for (uint32_t r = 0; r < run->opt->ranks; r++)
		run->targets[r] = cc_target(run->opt, r);
	ret = open_cards(run);
	if (!ret)
		ret = init_comms(run);
	if (!ret)
		ret = make_buffers(run);
	return ret;
}

int cc_run(const struct cc_options *opt)
{
	struct run run = { .opt = opt };
	struct cc_report *report;
	int ret = set_up(&run), end;

	if (!ret) {
		report = cc_report_new(opt);
		if (report) {
			ret = all_sizes(&run, report);
			end = cc_report_end(report);
			if (end)
				fail(end, "%s", opt->json);
			if (!ret)
				ret = end;
		} else {
			ret = fail(-ENOMEM, "memory");
		}
	}
	clean_up(&run);
	return ret ? 1 : 0;
}
