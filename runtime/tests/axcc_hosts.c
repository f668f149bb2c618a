// SPDX-License-Identifier: MIT
/*
 * axcc_hosts.c - processes with several cards each, as on several hosts: operations on the cards of
 * each and over the network between them, and processes, cards and ranks that fail at any moment.
 *
 * axcc_hosts --rounds N: that many random failures.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "axon_isa.h"
#include "group.h"
#include "procs.h"
#include "slow.h"

/* Also for meeting, on a busy machine. */
#define TIMEOUT_MS	(6000u * SLOW)
#define MAX_COUNT	20000u

static uint32_t rounds = 3;

enum failure {
	FAIL_NONE,
	FAIL_KILL,	/* a process is killed */
	FAIL_STOP,	/* a process is stopped */
	FAIL_HANG,	/* a core is taken by something that does not end */
	FAIL_ABORT,
	NUM_FAILURES,
};

static const char *const failure_names[NUM_FAILURES] = {
	"-", "is killed", "is stopped", "hangs", "aborts",
};

/**
 * struct job - what the children do
 * @id: where they meet
 * @hosts: how many there are
 * @cards: of each, a rank on each
 * @mixed: ranks go around the hosts instead of one host after the other
 * @cases: FAIL_NONE: operations
 * @failure: how a rank fails
 * @victim: which rank, its process with FAIL_KILL and FAIL_STOP
 * @seed: of the operations
 */
struct job {
	struct axcc_unique_id id;
	uint32_t hosts;
	uint32_t cards;
	bool mixed;
	uint32_t cases;
	enum failure failure;
	uint32_t victim;
	uint32_t seed;
};

/**
 * struct host - a child
 * @job: what it does
 * @host: which one it is
 * @g: its cards; comm[i] is of rank @rank[i] of the communicator
 * @rank: same
 * @occupier: FAIL_HANG
 */
struct host {
	const struct job *job;
	uint32_t host;
	struct group g;
	uint32_t rank[GROUP_MAX_RANKS];
	struct occupier occupier;
};

static uint32_t total(const struct job *job)
{
	return job->hosts * job->cards;
}

static uint32_t host_of(const struct job *job, uint32_t rank)
{
	return job->mixed ? rank % job->hosts : rank / job->cards;
}

static uint32_t index_of(const struct job *job, uint32_t rank)
{
	return job->mixed ? rank / job->hosts : rank % job->cards;
}

static struct axcc_error error_of(struct axcc_comm *comm)
{
	struct axcc_error error = { 0 };

	axcc_comm_error(comm, &error);
	return error;
}

static int complain(const struct host *h, const char *what, int err)
{
	fprintf(stderr, "# host %u: %s: %d, %s\n", h->host, what, err,
		error_of(h->g.comm[0]).text);
	return 1;
}

static struct axcc_options options(uint32_t timeout_ms)
{
	return (struct axcc_options) { .size = sizeof(struct axcc_options),
				       .timeout_ms = timeout_ms };
}

static int join(struct host *h)
{
	struct axcc_options o = options(h->job->failure ? TIMEOUT_MS : 30000 * SLOW);
	uint32_t i, rank;
	int err;

	axcc_group_start();
	for (rank = 0; rank < total(h->job); rank++) {
		if (host_of(h->job, rank) != h->host)
			continue;
		i = index_of(h->job, rank);
		h->rank[i] = rank;
		if (axcc_comm_create(&o, &h->g.comm[i]))
			return complain(h, "create", 0);
		err = axcc_comm_init(h->g.comm[i], &h->job->id, total(h->job), rank,
				     group_dev(&h->g, i), 0);
		if (err)
			return complain(h, "init", err);
	}
	err = axcc_group_end();
	return err ? complain(h, "join", err) : 0;
}

/* One operation of all ranks of this process that have a communicator. Return: 0 or its error. */
static int one_op(struct host *h, uint32_t *seed, bool check, int *bad)
{
	uint64_t seq[GROUP_MAX_RANKS] = { 0 };
	struct axcc_comm **comm = h->g.comm;
	uint32_t ranks = 0, i;
	struct coll_case c;
	char why[256], what[256];
	int err = 0;

	for (i = 0; i < h->job->cards; i++)
		ranks = comm[i] ? axcc_comm_ranks(comm[i]) : ranks;
	c = coll_case_random(seed, ranks, MAX_COUNT);
	for (i = 0; check && i < h->job->cards; i++)
		if (comm[i])
			coll_fill(&c, ranks, axcc_comm_rank(comm[i]), &h->g.arena[i]);
	for (i = 0; i < h->job->cards && !err; i++)
		if (comm[i])
			err = coll_call(&c, comm[i], &h->g.arena[i], &seq[i]);
	for (i = 0; i < h->job->cards && !err; i++)
		if (comm[i])
			err = axcc_wait(comm[i], seq[i], -1);
	for (i = 0; i < h->job->cards && !err && check; i++) {
		if (!comm[i] || !coll_check(&c, ranks, axcc_comm_rank(comm[i]), &h->g.arena[i],
					    why, sizeof(why)))
			continue;
		coll_print(&c, ranks, what, sizeof(what));
		fprintf(stderr, "# host %u: %s: %s\n", h->host, what, why);
		*bad = 1;
	}
	return err;
}

static int run_cases(struct host *h)
{
	uint32_t seed = h->job->seed, i;
	int bad = 0, err;

	for (i = 0; i < h->job->cases && !bad; i++) {
		err = one_op(h, &seed, true, &bad);
		if (err)
			return complain(h, "operation", err);
	}
	return bad;
}

/* ---- failures ---- */

/* The rank that fails does so when the test says so. */
static void *run_victim(void *arg)
{
	struct host *h = arg;
	uint32_t i = index_of(h->job, h->job->victim);

	while (!atomic_load(&procs_shared->go))
		usleep(500);
	if (h->job->failure == FAIL_ABORT)
		axcc_comm_abort(h->g.comm[i]);
	else
		occupy_core(&h->occupier, group_dev(&h->g, i), 0);
	return NULL;
}

static bool is_whole_host(const struct job *job)
{
	return job->failure == FAIL_KILL || job->failure == FAIL_STOP;
}

static bool is_lost(const struct job *job, uint32_t rank)
{
	return is_whole_host(job) ? host_of(job, rank) == host_of(job, job->victim) :
		rank == job->victim;
}

static bool right_error(const struct job *job, const struct axcc_error *e)
{
	if (e->rank >= total(job) || !is_lost(job, e->rank))
		return false;
	switch (job->failure) {
	case FAIL_KILL:
		return e->kind == AXCC_ERROR_RANK_LOST || e->kind == AXCC_ERROR_NETWORK;
	case FAIL_STOP:
		return e->kind == AXCC_ERROR_TIMEOUT;
	case FAIL_HANG:
		/* Its own process knows why, the others only that nothing comes from it. */
		return e->kind == AXCC_ERROR_CARD || e->kind == AXCC_ERROR_TIMEOUT;
	default:
		return e->kind == AXCC_ERROR_ABORTED;
	}
}

/* Those that are left make a communicator of their own. */
static int shrink(struct host *h)
{
	struct axcc_comm *less[GROUP_MAX_RANKS] = { NULL };
	struct axcc_options o = options(20000 * SLOW);
	uint32_t i, left = 0;
	int err;

	for (i = 0; i < total(h->job); i++)
		left += !is_lost(h->job, i);
	axcc_group_start();
	for (i = 0; i < h->job->cards; i++)
		if (!is_lost(h->job, h->rank[i]) && !axcc_comm_create(&o, &less[i]))
			axcc_comm_shrink(h->g.comm[i], less[i]);
	err = axcc_group_end();
	for (i = 0; i < h->job->cards; i++) {
		axcc_comm_destroy(h->g.comm[i]);
		h->g.comm[i] = less[i];
		if (!err && less[i] && axcc_comm_ranks(less[i]) != left)
			err = 1;
	}
	return err ? complain(h, "shrink", err) : 0;
}

static int survive(struct host *h)
{
	uint32_t seed = h->job->seed, i, left = 0;
	struct axcc_error e = { 0 };
	bool first = true;
	int err = 0, bad = 0;

	while (!err) {
		err = one_op(h, &seed, false, &bad);
		if (first)
			atomic_fetch_add(&procs_shared->arrived, 1);
		first = false;
	}
	for (i = 0; i < h->job->cards; i++) {
		e = error_of(h->g.comm[i]);
		if (e.error != err || !right_error(h->job, &e)) {
			fprintf(stderr, "# host %u: rank %u: %d, kind %u, rank %u: %s\n", h->host,
				h->rank[i], err, e.kind, e.rank, e.text);
			return 1;
		}
		left += !is_lost(h->job, h->rank[i]);
	}
	if (!left)
		return 0;
	if (shrink(h))
		return 1;
	seed = 4711;
	for (i = 0; i < 4; i++) {
		err = one_op(h, &seed, true, &bad);
		if (err)
			return complain(h, "after the shrink", err);
	}
	return bad;
}

/* ---- children ---- */

static int run_host(void *arg, uint32_t proc)
{
	const struct job *job = arg;
	struct coll_case largest = { .count = MAX_COUNT, .dtype = AXON_DTYPE_INT64 };
	struct shape shape = shape_plain(job->cards, job->cards > 2 ? "ring" :
					 job->cards == 2 ? "pair" : "none");
	struct host h = { .job = job, .host = proc };
	bool victim = job->failure && !is_whole_host(job) && host_of(job, job->victim) == proc;
	bool started = false;
	pthread_t thread;
	int status;

	group_open(&h.g, &shape, coll_arena_size(&largest, total(job)));
	procs_meet(job->hosts);
	status = join(&h);
	if (!status && victim) {
		started = !pthread_create(&thread, NULL, run_victim, &h);
		status = !started;
	}
	if (!status)
		status = job->failure ? survive(&h) : run_cases(&h);
	if (started) {
		atomic_store(&procs_shared->go, 1);
		pthread_join(thread, NULL);
	}
	group_leave(&h.g);
	free_core(&h.occupier);
	group_close(&h.g);
	return status;
}

static void run(struct job *job)
{
	pid_t pid[MAX_PROCS];

	procs_root(&job->id);
	procs_start(job->hosts, run_host, job, pid);
	procs_finish(pid, job->hosts, NO_PROC);
	procs_end_root(NULL);
}

static void run_failing(struct job *job, uint32_t after_us)
{
	uint32_t host = host_of(job, job->victim);
	pid_t pid[MAX_PROCS];

	procs_root(&job->id);
	procs_start(job->hosts, run_host, job, pid);
	procs_wait_arrived(job->hosts);
	usleep(after_us);
	atomic_store(&procs_shared->go, 1);
	if (is_whole_host(job))
		kill(pid[host], job->failure == FAIL_KILL ? SIGKILL : SIGSTOP);
	procs_finish(pid, job->hosts, is_whole_host(job) ? host : NO_PROC);
	procs_end_root(NULL);
}

/* ---- tests ---- */

static void test_cases(void **state)
{
	static const struct job jobs[] = {
		{ .hosts = 2, .cards = 2, .cases = 60 },
		{ .hosts = 2, .cards = 3, .cases = 40, .mixed = true },
		{ .hosts = 3, .cards = 2, .cases = 40, .mixed = true },
		{ .hosts = 4, .cards = 4, .cases = 20 },
	};
	uint32_t i;

	for (i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		struct job job = jobs[i];

		job.seed = 1 + i;
		run(&job);
	}
}

static void test_each(void **state)
{
	uint32_t f;

	for (f = FAIL_KILL; f < NUM_FAILURES; f++) {
		struct job job = {
			.hosts = 3,
			.cards = 2,
			.failure = f,
			.victim = f,
			.seed = f,
		};

		printf("# rank %u %s\n", job.victim, failure_names[f]);
		run_failing(&job, 1000);
	}
}

static void test_random(void **state)
{
	uint32_t seed = (uint32_t)procs_now_ms() | 1, i;

	for (i = 0; i < rounds; i++) {
		struct job job = {
			.hosts = 2 + coll_random(&seed) % 2,
			.cards = 1 + coll_random(&seed) % 3,
			.mixed = coll_random(&seed) % 2,
			.failure = FAIL_KILL + coll_random(&seed) % (NUM_FAILURES - FAIL_KILL),
			.seed = coll_random(&seed),
		};
		uint32_t after_us = coll_random(&seed) % 200000;

		job.victim = coll_random(&seed) % total(&job);
		printf("# %u hosts of %u cards%s, seed %u: rank %u %s after %u us\n", job.hosts,
		       job.cards, job.mixed ? ", mixed" : "", job.seed, job.victim,
		       failure_names[job.failure], after_us);
		run_failing(&job, after_us);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_cases, procs_end_root),
		cmocka_unit_test_teardown(test_each, procs_end_root),
		cmocka_unit_test_teardown(test_random, procs_end_root),
	};

	if (argc == 3 && !strcmp(argv[1], "--rounds"))
		rounds = (uint32_t)strtoul(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, procs_setup, NULL);
}
