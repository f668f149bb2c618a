// SPDX-License-Identifier: MIT
/*
 * procs.c - see procs.h.
 */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "procs.h"
#include "slow.h"

#define PATIENCE_S	(60u * SLOW)

struct procs_shared *procs_shared;

int procs_setup(void **state)
{
	procs_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return procs_shared == MAP_FAILED;
}

uint64_t procs_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void procs_nap(void)
{
	nanosleep(&(struct timespec) { 0, 5000000 }, NULL);
}

void procs_meet(uint32_t procs)
{
	uint64_t end = procs_now_ms() + PATIENCE_S * 1000;

	atomic_fetch_add(&procs_shared->ready, 1);
	while (atomic_load(&procs_shared->ready) < procs && procs_now_ms() < end)
		procs_nap();
}

/* There under AddressSanitizer: a child that leaks was not content. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/*
 * Ends with its parent, and by whatever goes wrong: cmocka, which knows nothing of forks, would go
 * on after a failed assertion or a fault with the tests that are the parent's.
 */
static void be_child(void)
{
	static const int faults[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS };
	uint32_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		signal(faults[i], SIG_DFL);
	setenv("CMOCKA_TEST_ABORT", "1", 1);
}

static uint32_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

/*
 * Also without AddressSanitizer, and whatever it has been told not to speak of. libfabric keeps the
 * connection of a peer whose request to connect is unread when the endpoint is closed; an endpoint
 * that is not closed at all leaves twelve.
 */
#define LIBFABRICS	6u

static int check_descriptors(uint32_t before, uint32_t proc)
{
	uint32_t after = count_descriptors();

	if (after <= before + LIBFABRICS)
		return 0;
	fprintf(stderr, "# process %u leaves %u descriptors open\n", proc, after - before);
	return 1;
}

static int child(int (*fn)(void *arg, uint32_t proc), void *arg, uint32_t proc)
{
	uint32_t descriptors;
	int status;

	be_child();
	descriptors = count_descriptors();
	status = fn(arg, proc);
	if (!status)
		status = check_descriptors(descriptors, proc);
	if (!status && __lsan_do_recoverable_leak_check)
		status = __lsan_do_recoverable_leak_check();
	fflush(NULL);
	return status;
}

void procs_start(uint32_t procs, int (*fn)(void *arg, uint32_t proc), void *arg, pid_t *pid)
{
	uint32_t i;

	atomic_store(&procs_shared->ready, 0);
	atomic_store(&procs_shared->arrived, 0);
	atomic_store(&procs_shared->go, 0);
	fflush(NULL);
	for (i = 0; i < procs; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i])
			continue;
		/* Not exit(): what cmocka has set up is the parent's. */
		_exit(child(fn, arg, i));
	}
}

/* Return: it was not content. */
static bool finish_one(pid_t pid, uint32_t proc, uint64_t end_ms)
{
	pid_t got = 0;
	int status;

	while (!(got = waitpid(pid, &status, WNOHANG)) && procs_now_ms() < end_ms)
		procs_nap();
	if (got)
		return status != 0;
	fprintf(stderr, "# process %u does not end\n", proc);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return true;
}

void procs_finish(pid_t *pid, uint32_t procs, uint32_t lost)
{
	uint64_t end = procs_now_ms() + PATIENCE_S * 1000;
	uint32_t i, bad = 0;

	for (i = 0; i < procs; i++)
		bad += i != lost && finish_one(pid[i], i, end);
	if (lost < procs) {
		kill(pid[lost], SIGKILL);
		waitpid(pid[lost], NULL, 0);
	}
	assert_int_equal(bad, 0);
}

void procs_wait_arrived(uint32_t count)
{
	uint64_t end = procs_now_ms() + PATIENCE_S * 1000;

	while (atomic_load(&procs_shared->arrived) < count && procs_now_ms() < end)
		procs_nap();
	assert_true(atomic_load(&procs_shared->arrived) >= count);
}

/*
 * A port that nobody has, and nobody is given: those are 32768 and above, see
 * net.ipv4.ip_local_port_range.
 */
void procs_address(struct axcc_unique_id *id)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char address[32];
	uint16_t port;
	int fd, err;

	do {
		assert_int_equal(getrandom(&port, sizeof(port), 0), sizeof(port));
		port = 20000 + port % 12768;
		in.sin_port = htons(port);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(fd >= 0);
		err = bind(fd, (struct sockaddr *)&in, sizeof(in)) ? errno : 0;
		close(fd);
		assert_true(!err || err == EADDRINUSE);
	} while (err);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	assert_int_equal(axcc_unique_id_from_address(address, id), 0);
}

/* Has the root, so that the test has no thread when it forks. */
static pid_t keeper;

static void keep_root(int fd)
{
	struct axcc_unique_id id;
	struct axcc_root *root;

	be_child();
	if (axcc_root_create("127.0.0.1", &root, &id) || write(fd, &id, sizeof(id)) != sizeof(id))
		_exit(1);
	for (;;)
		pause();
}

int procs_end_root(void **state)
{
	if (keeper > 0) {
		kill(keeper, SIGKILL);
		waitpid(keeper, NULL, 0);
	}
	keeper = 0;
	return 0;
}

void procs_root(struct axcc_unique_id *id)
{
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	keeper = fork();
	assert_true(keeper >= 0);
	if (!keeper)
		keep_root(fd[1]);
	close(fd[1]);
	assert_int_equal(read(fd[0], id, sizeof(*id)), sizeof(*id));
	close(fd[0]);
}
