// SPDX-License-Identifier: MIT
/*
 * nrt_launched.c - processes that mpirun started find each other: no NEURON_RT_ROOT_COMM_ID.
 *
 * Without arguments this is the test, which starts mpirun; with a number it is one of its
 * processes, that many cores of which are ranks.
 */
#include "session.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES	3u

static const char *self;

/* ---- one process ---- */

struct core {
	pthread_t thread;
	uint32_t vnc;
	uint32_t rank;
	uint32_t ranks;
};

static void *run_core(void *arg)
{
	struct core *c = arg;
	uint32_t own[2] = { c->rank, ~c->rank }, all[16];

	CHECK(!nrt_all_gather((int32_t)c->vnc, c->rank, c->ranks, sizeof(own), own, all));
	for (uint32_t r = 0; r < c->ranks; r++)
		CHECK(all[2 * r] == r && all[2 * r + 1] == ~r);
	return NULL;
}

static void session(uint32_t process, uint32_t cores)
{
	struct core core[2];

	CHECK(!nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "test", "1.0"));
	for (uint32_t i = 0; i < cores; i++) {
		core[i] = (struct core) {
			.vnc = i, .rank = process * cores + i, .ranks = PROCESSES * cores,
		};
		CHECK(!pthread_create(&core[i].thread, NULL, run_core, &core[i]));
	}
	for (uint32_t i = 0; i < cores; i++)
		pthread_join(core[i].thread, NULL);
	nrt_close();
}

/* A second session in the process finds the others too. */
static int launched(uint32_t cores)
{
	const char *process = getenv("PMIX_RANK");

	CHECK(process);
	session((uint32_t)atoi(process), cores);
	session((uint32_t)atoi(process), cores);
	return 0;
}

/* ---- the test ---- */

static int mpirun(char *cores)
{
	char *argv[] = { "mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "3",
			 (char *)self, cores, NULL };
	int status;
	pid_t pid = fork();

	if (!pid) {
		execvp(argv[0], argv);
		_exit(127);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_one_core_each(void **state)
{
	assert_int_equal(mpirun("1"), 0);
}

static void test_two_cores_each(void **state)
{
	assert_int_equal(mpirun("2"), 0);
}

/* Alone, and with more ranks than cores: nobody says where to meet. */
static void test_nobody_says(void **state)
{
	uint32_t own = 0, all[64];

	OK(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "test", "1.0"));
	assert_int_equal(nrt_all_gather(0, 0, 64, sizeof(own), &own, all), NRT_INVALID);
	nrt_close();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_core_each),
		cmocka_unit_test(test_two_cores_each),
		cmocka_unit_test(test_nobody_says),
	};

	unsetenv("NEURON_RT_ROOT_COMM_ID");
	if (argc == 2)
		return launched((uint32_t)atoi(argv[1]));
	self = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
