// SPDX-License-Identifier: MIT
/*
 * axcc_leave.c - ranks that go while others wait for them: nobody waits for the communicator's
 * timeout, which is far away here, to learn what is known already.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "axon_isa.h"
#include "group.h"

#define FAR_MS		600000u	/* the communicator's */
#define PATIENCE_S	60		/* the test's */

struct task {
	pthread_t thread;
	struct axcc_comm *comm;
	struct axcc_comm *into;
	struct axcc_unique_id id;
	struct axon_device *dev;
	uint64_t seq;
	int err;
};

static void nap(void)
{
	nanosleep(&(struct timespec) { 0, 20000000 }, NULL);
}

static void begin(struct task *t, void *(*fn)(void *))
{
	assert_int_equal(pthread_create(&t->thread, NULL, fn, t), 0);
}

/* It returns now, or the test fails. */
static void end(struct task *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += PATIENCE_S;
	assert_int_equal(pthread_timedjoin_np(t->thread, NULL, &ts), 0);
}

static struct axcc_comm *new_comm(uint32_t timeout_ms)
{
	struct axcc_options o = { .size = sizeof(o), .timeout_ms = timeout_ms };
	struct axcc_comm *comm;

	assert_int_equal(axcc_comm_create(&o, &comm), 0);
	return comm;
}

static void join(struct group *g, uint32_t timeout_ms)
{
	struct axcc_options o = { .size = sizeof(o), .timeout_ms = timeout_ms };

	group_join(g, &o);
}

static void *run_wait(void *arg)
{
	struct task *t = arg;

	t->err = axcc_wait(t->comm, t->seq, -1);
	return NULL;
}

/* A receive from a rank that goes with nothing under way. */
static void test_peer_leaves(void **state)
{
	struct shape shape = shape_plain(3, "ring");
	struct axcc_error error;
	struct task t = { 0 };
	struct group g;

	group_open(&g, &shape, 4096);
	join(&g, FAR_MS);
	t.comm = g.comm[0];
	assert_int_equal(axcc_recv(t.comm, (struct axcc_buf) { g.arena[0].bo, 0 }, 8,
				   AXON_DTYPE_UINT8, 1, &t.seq), 0);
	begin(&t, run_wait);
	/* Whom nobody waits for may go. */
	axcc_comm_destroy(g.comm[2]);
	g.comm[2] = NULL;
	nap();
	assert_int_equal(axcc_wait(t.comm, t.seq, 0), -ETIMEDOUT);
	axcc_comm_destroy(g.comm[1]);
	g.comm[1] = NULL;
	end(&t);
	assert_int_equal(t.err, -ECANCELED);
	assert_int_equal(axcc_comm_error(t.comm, &error), -ECANCELED);
	assert_int_equal(error.kind, AXCC_ERROR_ABORTED);
	assert_int_equal(error.rank, 1);
	group_close(&g);
}

static void *run_shrink(void *arg)
{
	struct task *t = arg;

	t->err = axcc_comm_shrink(t->comm, t->into);
	return NULL;
}

/* Two ranks shrink and wait for a third, which goes instead of coming. */
static void test_leaves_instead_of_shrinking(void **state)
{
	struct shape shape = shape_plain(4, "ring");
	struct task t[2] = { 0 };
	struct group g;
	uint32_t i;

	group_open(&g, &shape, 4096);
	join(&g, FAR_MS);
	axcc_comm_abort(g.comm[3]);
	for (i = 0; i < 2; i++) {
		t[i].comm = g.comm[i];
		t[i].into = new_comm(FAR_MS);
		begin(&t[i], run_shrink);
	}
	nap();
	axcc_comm_destroy(g.comm[2]);
	g.comm[2] = NULL;
	for (i = 0; i < 2; i++) {
		end(&t[i]);
		assert_int_equal(t[i].err, 0);
		assert_int_equal(axcc_comm_ranks(t[i].into), 2);
		assert_int_equal(axcc_comm_rank(t[i].into), i);
	}
	for (i = 0; i < 2; i++)
		axcc_comm_destroy(t[i].into);
	group_close(&g);
}

static void *run_init(void *arg)
{
	struct task *t = arg;

	t->err = axcc_comm_init(t->comm, &t->id, 2, 0, t->dev, 0);
	return NULL;
}

/* A socket of somebody else. */
static int occupy_port(char *address, size_t size)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, length), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &length), 0);
	snprintf(address, size, "127.0.0.1:%u", ntohs(in.sin_port));
	return fd;
}

/* Rank 0 cannot open the meeting place, which is another's, and is aborted. */
static void test_abort_at_a_taken_address(void **state)
{
	struct shape shape = shape_plain(1, "none");
	struct axcc_error error;
	struct task t = { 0 };
	char address[64];
	struct group g;
	int fd = occupy_port(address, sizeof(address));

	group_open(&g, &shape, 4096);
	t.dev = group_dev(&g, 0);
	t.comm = new_comm(FAR_MS);
	assert_int_equal(axcc_unique_id_from_address(address, &t.id), 0);
	begin(&t, run_init);
	nap();
	axcc_comm_abort(t.comm);
	end(&t);
	assert_int_equal(t.err, -ECANCELED);
	assert_int_equal(axcc_comm_error(t.comm, &error), -ECANCELED);
	assert_int_equal(error.kind, AXCC_ERROR_ABORTED);
	axcc_comm_destroy(t.comm);
	group_close(&g);
	close(fd);
}

/* What a group still held when the communicator failed has ended like everything else. */
static void test_failed_before_the_group_ended(void **state)
{
	struct shape shape = shape_plain(2, "pair");
	uint64_t seq;
	struct group g;

	group_open(&g, &shape, 4096);
	join(&g, FAR_MS);
	axcc_group_start();
	assert_int_equal(axcc_barrier(g.comm[0], &seq), 0);
	axcc_comm_abort(g.comm[1]);
	assert_int_equal(axcc_group_end(), -ECANCELED);
	assert_int_equal(axcc_wait(g.comm[0], seq, -1), -ECANCELED);
	group_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer_leaves),
		cmocka_unit_test(test_leaves_instead_of_shrinking),
		cmocka_unit_test(test_abort_at_a_taken_address),
		cmocka_unit_test(test_failed_before_the_group_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
