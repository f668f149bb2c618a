// SPDX-License-Identifier: MIT
/*
 * axcc_hostile.c - a process of a communicator that does not keep to the protocol. One rank is the
 * library's, on a soft card; the other one is the test, which says over the wire what no library
 * would. What it did, with which operation and from where has to be in the library's error. And
 * strangers, which disturb nobody.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net.h"
#include "procs.h"
#include "regroup.h"

#define HOST		"far away"
#define PATIENCE_S	60

/**
 * struct act - a communicator of two ranks
 * @root: where they meet
 * @id: of it
 * @rank: the test's; the library's is the other one
 * @dev: the library's card
 * @comm: its handle
 * @thread: joins
 * @joined: how that went
 * @net: the test's endpoint, which takes nothing
 * @name: of it
 * @fd: connection to the other process
 * @other: where that one can be reached
 * @session: of the meeting
 */
struct act {
	struct axcc_root *root;
	struct axcc_unique_id id;
	uint32_t rank;
	struct axon_device *dev;
	struct axcc_comm *comm;
	pthread_t thread;
	int joined;
	struct cc_net *net;
	struct cc_net_name name;
	int fd;
	struct cc_address other;
	uint64_t session;
};

static struct cc_limit limit(void)
{
	return (struct cc_limit) { cc_now_ns() + PATIENCE_S * CC_SECOND, -1 };
}

static void quiet(void *opaque, enum axon_log_level level, const char *line)
{
}

static void *join(void *arg)
{
	struct act *act = arg;

	act->joined = axcc_comm_init(act->comm, &act->id, 2, !act->rank, act->dev, 0);
	return NULL;
}

static void say(const struct act *act, uint16_t type, const void *data, uint32_t size)
{
	struct cc_limit end = limit();

	assert_int_equal(cc_wire_send(act->fd, type, data, size, &end), 0);
}

static uint32_t hear(int fd, uint16_t want, void *data, uint32_t size)
{
	struct cc_limit end = limit();
	uint16_t type;

	assert_int_equal(cc_wire_recv(fd, &type, data, &size, &end), 0);
	assert_int_equal(type, want);
	return size;
}

/* Introduces the test's rank at the root. */
static void meet(struct act *act, const struct cc_address *own)
{
	struct cc_hello hello = { .ranks = 2, .rank = act->rank, .control = *own };
	uint64_t room[(sizeof(struct cc_table) + 2 * sizeof(hello)) / sizeof(uint64_t) + 1];
	struct cc_table *table = (struct cc_table *)room;
	struct cc_limit end = limit();
	struct cc_id id;
	int fd;

	memcpy(&id, act->id.bytes, sizeof(id));
	memcpy(hello.key, id.key, sizeof(hello.key));
	hello.seat.process = 1;
	strcpy(hello.seat.info.host, HOST);
	strcpy(hello.seat.info.card, "none");
	assert_int_equal(cc_address_connect(&id.address, &end, &fd), 0);
	assert_int_equal(cc_wire_send(fd, CC_WIRE_HELLO, &hello, sizeof(hello), &end), 0);
	for (;;) {
		uint32_t size = sizeof(*table) + 2 * sizeof(hello);
		uint16_t type;

		assert_int_equal(cc_wire_recv(fd, &type, table, &size, &end), 0);
		if (type == CC_WIRE_TABLE)
			break;
		assert_int_equal(type, CC_WIRE_CAME);
	}
	close(fd);
	act->other = table->rank[!act->rank].control;
	act->session = table->session;
}

/* The test is the process that starts everything. */
static void lead(struct act *act, int listen)
{
	uint64_t room[(sizeof(struct cc_go) + 2 * sizeof(struct cc_net_name)) / 8 + 1];
	struct cc_go *go = (struct cc_go *)room;
	struct cc_limit end = limit();
	struct cc_join said;

	assert_int_equal(cc_wire_ready(listen, POLLIN, &end), 0);
	act->fd = accept4(listen, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(act->fd >= 0);
	assert_int_equal(hear(act->fd, CC_WIRE_JOIN, &said, sizeof(said)), sizeof(said));
	assert_int_equal(said.blame.error, 0);
	go->procs = 2;
	go->name[0] = act->name;
	go->name[1] = said.name;
	say(act, CC_WIRE_GO, go, sizeof(*go) + 2 * sizeof(go->name[0]));
}

/* It is the other one. */
static void follow(struct act *act)
{
	uint64_t room[(sizeof(struct cc_go) + 2 * sizeof(struct cc_net_name)) / 8 + 1];
	struct cc_join own = { .session = act->session, .first_rank = 1, .name = act->name };
	struct cc_limit end = limit();

	assert_int_equal(cc_address_connect(&act->other, &end, &act->fd), 0);
	say(act, CC_WIRE_JOIN, &own, sizeof(own));
	hear(act->fd, CC_WIRE_GO, room, sizeof(room));
}

static void act_open_for(struct act *act, uint32_t rank, uint32_t timeout_ms)
{
	struct axcc_options options = { .size = sizeof(options), .timeout_ms = timeout_ms };
	struct cc_address own;
	char path[64];
	int listen;

	*act = (struct act) { .rank = rank };
	assert_int_equal(axcc_root_create("127.0.0.1", &act->root, &act->id), 0);
	assert_int_equal(axon_device_path_of(0, path, sizeof(path)), 0);
	assert_int_equal(axon_device_open_path(path, quiet, NULL, &act->dev), 0);
	assert_int_equal(axcc_comm_create(&options, &act->comm), 0);
	assert_int_equal(cc_address_parse("127.0.0.1", false, &own), 0);
	assert_int_equal(cc_net_open(&own, &act->net, &act->name), 0);
	assert_int_equal(cc_address_listen(&own, &listen), 0);
	assert_int_equal(pthread_create(&act->thread, NULL, join, act), 0);
	meet(act, &own);
	if (rank)
		follow(act);
	else
		lead(act, listen);
	close(listen);
	pthread_join(act->thread, NULL);
	assert_int_equal(act->joined, 0);
}

static void act_open(struct act *act, uint32_t rank)
{
	act_open_for(act, rank, 0);
}

static void act_close(struct act *act)
{
	/* First, or the library's rank waits for the test to take what it was sent. */
	close(act->fd);
	axcc_comm_destroy(act->comm);
	axon_device_close(act->dev);
	axcc_root_destroy(act->root);
	cc_net_close(act->net);
}

/* The library's rank says what is wrong, to its callers and to the one who did it. */
static void expect_failure(struct act *act, uint32_t coll, uint64_t nth, const char *what)
{
	struct cc_blame blame;
	struct axcc_error error;
	char text[64];

	assert_int_equal(hear(act->fd, CC_WIRE_FAIL, &blame, sizeof(blame)), sizeof(blame));
	assert_int_equal(blame.rank, act->rank);
	assert_int_equal(axcc_comm_error(act->comm, &error), -EPROTO);
	assert_int_equal(error.kind, AXCC_ERROR_INTERNAL);
	assert_int_equal(error.rank, act->rank);
	assert_string_equal(error.host, HOST);
	assert_int_equal(error.coll, coll);
	assert_non_null(strstr(error.text, what));
	snprintf(text, sizeof(text), "rank %u (%s, core 0 of none) ", act->rank, HOST);
	assert_non_null(strstr(error.text, text));
	if (nth) {
		snprintf(text, sizeof(text), "%s (collective %llu): ", axcc_coll_str(coll),
			 (unsigned long long)nth);
		assert_int_equal(strncmp(error.text, text, strlen(text)), 0);
	}
	assert_int_equal(axcc_barrier(act->comm, NULL), -EPROTO);
}

static void launch(const struct act *act, uint64_t nth)
{
	struct cc_wire_launch launch = { .nth = nth };

	say(act, CC_WIRE_LAUNCH, &launch, sizeof(launch));
}

/* A broadcast of nothing is over as soon as it is started. */
static uint64_t call_nothing(struct act *act)
{
	struct axcc_buf none = { 0 };
	uint64_t seq;

	assert_int_equal(axcc_broadcast(act->comm, none, none, 0, AXON_DTYPE_UINT8, 0, &seq), 0);
	return seq;
}

/* ---- the one that starts everything ---- */

static void test_launch_twice(void **state)
{
	struct cc_wire_post post;
	struct act act;
	uint64_t seq;

	act_open(&act, 0);
	assert_int_equal(axcc_barrier(act.comm, &seq), 0);
	hear(act.fd, CC_WIRE_POST, &post, sizeof(post));
	assert_int_equal(post.nth, 1);
	/* Nobody takes part, so it still runs at the second time. */
	launch(&act, 1);
	launch(&act, 1);
	assert_int_equal(axcc_wait(act.comm, seq, -1), -EPROTO);
	expect_failure(&act, AXCC_BARRIER, 1, "started it a second time");
	act_close(&act);
}

static void test_launch_again(void **state)
{
	struct cc_wire_post post;
	struct act act;
	uint64_t seq;
	uint32_t i;

	act_open(&act, 0);
	for (i = 1; i <= 3; i++) {
		seq = call_nothing(&act);
		hear(act.fd, CC_WIRE_POST, &post, sizeof(post));
		assert_int_equal(post.nth, i);
		launch(&act, i);
		assert_int_equal(axcc_wait(act.comm, seq, -1), 0);
	}
	launch(&act, 2);
	expect_failure(&act, AXCC_BROADCAST, 2, "started it a second time");
	act_close(&act);
}

static void test_launch_uncalled(void **state)
{
	struct act act;

	act_open(&act, 0);
	launch(&act, 7);
	expect_failure(&act, AXCC_NUM_COLLS, 0, "started a collective that nobody has called");
	act_close(&act);
}

static void test_pair_twice(void **state)
{
	struct cc_wire_launch pair = { .from = 0, .to = 1 };
	struct axcc_buf none = { 0 };
	struct cc_wire_post post;
	struct act act;
	uint64_t seq;

	act_open(&act, 0);
	assert_int_equal(axcc_recv(act.comm, none, 0, AXON_DTYPE_UINT8, 0, &seq), 0);
	hear(act.fd, CC_WIRE_POST, &post, sizeof(post));
	say(&act, CC_WIRE_LAUNCH, &pair, sizeof(pair));
	assert_int_equal(axcc_wait(act.comm, seq, -1), 0);
	say(&act, CC_WIRE_LAUNCH, &pair, sizeof(pair));
	expect_failure(&act, AXCC_SEND, 0, "started one that has not been called");
	act_close(&act);
}

/* The first one knows a half of its own, which is not lost when the other is missing. */
static void test_pair_half(void **state)
{
	struct cc_wire_launch pair = { .from = 1, .to = 1 };
	struct axcc_buf none = { 0 };
	struct cc_wire_post post;
	struct act act;

	act_open(&act, 0);
	assert_int_equal(axcc_send(act.comm, none, 0, AXON_DTYPE_UINT8, 1, NULL), 0);
	hear(act.fd, CC_WIRE_POST, &post, sizeof(post));
	say(&act, CC_WIRE_LAUNCH, &pair, sizeof(pair));
	expect_failure(&act, AXCC_SEND, 0, "started one that has not been called");
	act_close(&act);
}

/* ---- one that takes part ---- */

static void post(const struct act *act, uint32_t coll, uint64_t nth)
{
	struct cc_wire_post post = { .rank = 1, .coll = coll, .dtype = AXON_DTYPE_UINT8,
				     .nth = nth, .seq = nth };

	say(act, CC_WIRE_POST, &post, sizeof(post));
}

static void test_post_twice(void **state)
{
	struct act act;

	act_open(&act, 1);
	post(&act, AXCC_BARRIER, 1);
	post(&act, AXCC_BARRIER, 1);
	expect_failure(&act, AXCC_BARRIER, 1, "called it a second time");
	act_close(&act);
}

static void test_post_again(void **state)
{
	struct cc_wire_launch started;
	struct act act;
	uint64_t seq;
	uint32_t i;

	act_open(&act, 1);
	for (i = 1; i <= 2; i++) {
		post(&act, AXCC_BROADCAST, i);
		seq = call_nothing(&act);
		hear(act.fd, CC_WIRE_LAUNCH, &started, sizeof(started));
		assert_int_equal(started.nth, i);
		assert_int_equal(axcc_wait(act.comm, seq, -1), 0);
	}
	post(&act, AXCC_BROADCAST, 1);
	expect_failure(&act, AXCC_BROADCAST, 1, "called it a second time");
	act_close(&act);
}

/* ---- leaving ---- */

static void expect_nonsense(uint32_t rank, uint16_t type, uint32_t proc)
{
	struct act act;

	act_open(&act, rank);
	say(&act, type, &proc, sizeof(proc));
	expect_failure(&act, AXCC_NUM_COLLS, 0, "sent something that makes no sense");
	act_close(&act);
}

static void test_drain_nobody(void **state)
{
	expect_nonsense(0, CC_WIRE_DRAIN, 2);
}

static void test_drain_itself(void **state)
{
	expect_nonsense(0, CC_WIRE_DRAIN, 1);
}

static void test_drain_of_another(void **state)
{
	expect_nonsense(1, CC_WIRE_DRAIN, 1);
}

static void test_drain_twice(void **state)
{
	uint32_t proc = 0, answer;
	struct act act;

	act_open(&act, 0);
	say(&act, CC_WIRE_DRAIN, &proc, sizeof(proc));
	hear(act.fd, CC_WIRE_DRAINED, &answer, sizeof(answer));
	assert_int_equal(answer, proc);
	say(&act, CC_WIRE_DRAIN, &proc, sizeof(proc));
	expect_failure(&act, AXCC_NUM_COLLS, 0, "sent something that makes no sense");
	act_close(&act);
}

static void test_dismissed_early(void **state)
{
	expect_nonsense(0, CC_WIRE_DISMISS, 1);
}

static void test_drained_unasked(void **state)
{
	expect_nonsense(1, CC_WIRE_DRAINED, 0);
}

static void test_leave_twice(void **state)
{
	uint32_t rank = 1, proc;
	struct act act;

	act_open(&act, 1);
	say(&act, CC_WIRE_LEFT, &rank, sizeof(rank));
	hear(act.fd, CC_WIRE_DISMISS, &proc, sizeof(proc));
	assert_int_equal(proc, 1);
	say(&act, CC_WIRE_LEFT, &rank, sizeof(rank));
	expect_failure(&act, AXCC_NUM_COLLS, 0, "sent something that makes no sense");
	act_close(&act);
}

/* Nobody says that the library's rank may go: it goes when its time is over. */
static void leave_unanswered(uint32_t rank)
{
	uint32_t who;
	struct act act;

	act_open_for(&act, rank, 2000);
	axcc_comm_destroy(act.comm);
	act.comm = NULL;
	hear(act.fd, CC_WIRE_LEFT, &who, sizeof(who));
	assert_int_equal(who, !rank);
	/* The library's rank starts everything: it asks for itself. */
	if (rank)
		hear(act.fd, CC_WIRE_DRAIN, &who, sizeof(who));
	act_close(&act);
}

static void test_not_dismissed(void **state)
{
	leave_unanswered(0);
}

static void test_not_drained(void **state)
{
	leave_unanswered(1);
}

/* ---- people that are nobody ---- */

#define CROWD	600u	/* more than there are places */

/* A rank of this process. */
struct joiner {
	struct axcc_unique_id id;
	uint32_t rank;
	struct axon_device *dev;
	struct axcc_comm *comm;
	pthread_t thread;
	uint64_t seq;
	int err;
};

static void *join_by_address(void *arg)
{
	struct joiner *j = arg;

	j->err = axcc_comm_init(j->comm, &j->id, 2, j->rank, j->dev, j->rank);
	if (!j->err)
		j->err = axcc_barrier(j->comm, &j->seq);
	if (!j->err)
		j->err = axcc_wait(j->comm, j->seq, -1);
	return NULL;
}

static void begin(struct joiner *j, struct axon_device *dev, const struct axcc_unique_id *id,
		  uint32_t rank)
{
	struct axcc_options options = { .size = sizeof(options) };

	*j = (struct joiner) { .id = *id, .rank = rank, .dev = dev };
	assert_int_equal(axcc_comm_create(&options, &j->comm), 0);
	assert_int_equal(pthread_create(&j->thread, NULL, join_by_address, j), 0);
}

/* Both ends of a crowd are this process's. */
static void want_descriptors(void)
{
	struct rlimit files;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_max < 4 * CROWD)
		skip();
	files.rlim_cur = 4 * CROWD;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

/* Silent, stops in the middle, or rubbish; the root may be still to be opened. */
static int stranger(const struct cc_address *root, uint32_t kind)
{
	static const char rubbish[64] = "GET / HTTP/1.1\r\n\r\n";
	struct cc_limit end = limit();
	int fd, err;

	while ((err = cc_address_connect(root, &end, &fd)) == -ECONNREFUSED)
		nanosleep(&(struct timespec) { 0, 1000000 }, NULL);
	assert_int_equal(err, 0);
	/* It may have been hung up on by now. */
	if (kind)
		send(fd, rubbish, kind == 1 ? 5 : sizeof(rubbish), MSG_NOSIGNAL);
	return fd;
}

static void test_strangers(void **state)
{
	struct axcc_unique_id id;
	struct cc_id root;
	struct axon_device *dev;
	struct joiner joiner[2];
	int crowd[CROWD];
	char path[64];
	uint32_t i;

	want_descriptors();
	procs_address(&id);
	memcpy(&root, id.bytes, sizeof(root));
	assert_int_equal(axon_device_path_of(0, path, sizeof(path)), 0);
	assert_int_equal(axon_device_open_path(path, quiet, NULL, &dev), 0);
	begin(&joiner[0], dev, &id, 0);
	for (i = 0; i < CROWD; i++)
		crowd[i] = stranger(&root.address, i % 3);
	begin(&joiner[1], dev, &id, 1);
	for (i = 0; i < 2; i++) {
		pthread_join(joiner[i].thread, NULL);
		assert_int_equal(joiner[i].err, 0);
	}
	for (i = 0; i < CROWD; i++)
		close(crowd[i]);
	for (i = 0; i < 2; i++)
		axcc_comm_destroy(joiner[i].comm);
	axon_device_close(dev);
}

static void expect_end(int fd)
{
	struct cc_limit end = limit();
	char junk[64];
	uint32_t size = sizeof(junk);
	uint16_t type;

	assert_int_equal(cc_wire_recv(fd, &type, junk, &size, &end), -ECONNRESET);
	close(fd);
}

struct shrink {
	struct axcc_comm *comm;
	struct axcc_comm *into;
	pthread_t thread;
	int err;
};

static void *run_shrink(void *arg)
{
	struct shrink *s = arg;

	s->err = axcc_comm_shrink(s->comm, s->into);
	return NULL;
}

static int ask(const struct act *act)
{
	struct cc_call_together want = { .session = act->session, .rank = 1 };
	struct cc_limit end = limit();
	int fd;

	assert_int_equal(cc_address_connect(&act->other, &end, &fd), 0);
	assert_int_equal(cc_wire_send(fd, CC_WIRE_SHRINK, &want, sizeof(want), &end), 0);
	return fd;
}

/* At a process of a communicator: they do not keep it from hearing who wants to shrink. */
static void test_guests(void **state)
{
	struct axcc_options options = { .size = sizeof(options) };
	struct cc_together together;
	int crowd[CROWD], fd;
	struct shrink shrink;
	struct act act;
	uint32_t i;

	want_descriptors();
	act_open(&act, 1);
	for (i = 0; i < CROWD; i++)
		crowd[i] = stranger(&act.other, i % 3);
	expect_end(crowd[0]);
	fd = ask(&act);
	shrink.comm = act.comm;
	assert_int_equal(axcc_comm_create(&options, &shrink.into), 0);
	assert_int_equal(pthread_create(&shrink.thread, NULL, run_shrink, &shrink), 0);
	assert_int_equal(hear(fd, CC_WIRE_SHRUNK, &together, sizeof(together)), sizeof(together));
	assert_int_equal(together.blame.error, 0);
	assert_int_equal(together.count, 2);
	axcc_comm_abort(shrink.into);
	pthread_join(shrink.thread, NULL);
	assert_int_equal(shrink.err, -ECANCELED);
	axcc_comm_destroy(shrink.into);
	close(fd);
	for (i = 1; i < CROWD; i++)
		close(crowd[i]);
	act_close(&act);
}

static void test_silent_guest(void **state)
{
	struct act act;
	int silent, half;

	act_open(&act, 1);
	silent = stranger(&act.other, 0);
	half = stranger(&act.other, 1);
	expect_end(silent);
	expect_end(half);
	act_close(&act);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_launch_twice),
		cmocka_unit_test(test_launch_again),
		cmocka_unit_test(test_launch_uncalled),
		cmocka_unit_test(test_pair_twice),
		cmocka_unit_test(test_pair_half),
		cmocka_unit_test(test_post_twice),
		cmocka_unit_test(test_post_again),
		cmocka_unit_test(test_drain_nobody),
		cmocka_unit_test(test_drain_itself),
		cmocka_unit_test(test_drain_of_another),
		cmocka_unit_test(test_drain_twice),
		cmocka_unit_test(test_dismissed_early),
		cmocka_unit_test(test_drained_unasked),
		cmocka_unit_test(test_leave_twice),
		cmocka_unit_test(test_not_dismissed),
		cmocka_unit_test(test_not_drained),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_guests),
		cmocka_unit_test(test_silent_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
