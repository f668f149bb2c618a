// SPDX-License-Identifier: MIT
/*
 * test_wire.c - addresses and messages: what is written is read, what is wrong is refused, no wait
 * is without an end.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "regroup.h"

static struct cc_limit soon(int abort_fd)
{
	return (struct cc_limit) { cc_now_ns() + 50 * CC_MS, abort_fd };
}

static struct cc_limit late(void)
{
	return (struct cc_limit) { cc_now_ns() + 30 * CC_SECOND, -1 };
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {
		"", ":", ":80", "1.2.3", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:-1", "1.2.3.4:65536",
		"1.2.3.4:+5", "1.2.3.4: 5", "[::1", "[::1]x", "[::1]:", "::1:5:", "host:80",
		"1.2.3.4:80:80", "[1.2.3.4.5]:1", "1.2.3.4:99999999999999999999",
	};
	struct cc_address a;
	char longer[200];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cc_address_parse(bad[i], false, &a), -EINVAL);
	memset(longer, '1', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(cc_address_parse(longer, false, &a), -EINVAL);
	assert_int_equal(cc_address_parse(NULL, false, &a), -EINVAL);
	assert_int_equal(cc_address_parse("1.2.3.4", true, &a), -EINVAL);
	assert_int_equal(cc_address_parse("1.2.3.4:0", true, &a), -EINVAL);
	assert_int_equal(cc_address_parse("1.2.3.4", false, &a), 0);
	assert_int_equal(a.family, AF_INET);
	assert_int_equal(a.port, 0);
	assert_int_equal(cc_address_parse("127.0.0.1:65535", true, &a), 0);
	assert_int_equal(a.port, 65535);
	assert_memory_equal(a.ip, "\x7f\0\0\1", 4);
	assert_true(cc_address_is_loopback(&a));
	assert_int_equal(cc_address_parse("[fd00::2]:45", true, &a), 0);
	assert_int_equal(a.family, AF_INET6);
	assert_int_equal(a.port, 45);
	assert_int_equal(a.ip[0], 0xfd);
	assert_int_equal(a.ip[15], 2);
	assert_false(cc_address_is_loopback(&a));
	assert_int_equal(cc_address_parse("[::1]", false, &a), 0);
	assert_true(cc_address_is_loopback(&a));
	cc_address_own(&a);
	assert_true(a.family == AF_INET || a.family == AF_INET6);
}

static void test_ids(void **state)
{
	struct axcc_unique_id a, b;

	assert_int_equal(axcc_unique_id_from_address("10.0.0.1:5", &a), 0);
	assert_int_equal(axcc_unique_id_from_address("10.0.0.1:5", &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(axcc_unique_id_from_address("10.0.0.1:6", &b), 0);
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_int_equal(axcc_unique_id_from_address("10.0.0.1", &b), -EINVAL);
	assert_int_equal(axcc_unique_id_from_address(NULL, &b), -EINVAL);
}

static void pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

static void test_messages(void **state)
{
	struct cc_limit limit = late();
	char text[32];
	uint32_t length;
	uint16_t type;
	int fd[2];

	pair(fd);
	assert_int_equal(cc_wire_send(fd[0], 7, "hello", 6, &limit), 0);
	assert_int_equal(cc_wire_send(fd[0], 8, NULL, 0, &limit), 0);
	length = sizeof(text);
	assert_int_equal(cc_wire_recv(fd[1], &type, text, &length, &limit), 0);
	assert_int_equal(type, 7);
	assert_int_equal(length, 6);
	assert_string_equal(text, "hello");
	length = 0;
	assert_int_equal(cc_wire_recv(fd[1], &type, text, &length, &limit), 0);
	assert_int_equal(type, 8);
	assert_int_equal(length, 0);
	/* More than there is room for. */
	assert_int_equal(cc_wire_send(fd[0], 9, "hello", 6, &limit), 0);
	length = 5;
	assert_int_equal(cc_wire_recv(fd[1], &type, text, &length, &limit), -EPROTO);
	close(fd[0]);
	close(fd[1]);
}

static void bad_head(struct cc_wire_head head)
{
	struct cc_limit limit = late();
	char text[32];
	uint32_t length = sizeof(text);
	uint16_t type;
	int fd[2];

	pair(fd);
	assert_int_equal(write(fd[0], &head, sizeof(head)), sizeof(head));
	assert_int_equal(cc_wire_recv(fd[1], &type, text, &length, &limit), -EPROTO);
	close(fd[0]);
	close(fd[1]);
}

static void test_bad_heads(void **state)
{
	struct cc_wire_head head;

	head = cc_wire_head_make(1, 4);
	head.magic ^= 1;
	bad_head(head);
	head = cc_wire_head_make(1, 4);
	head.version++;
	bad_head(head);
	head = cc_wire_head_make(1, 4);
	head.reserved = 1;
	bad_head(head);
	bad_head(cc_wire_head_make(1, CC_WIRE_MAX + 1));
	bad_head(cc_wire_head_make(1, UINT32_MAX));
}

static void test_ends(void **state)
{
	int event = eventfd(0, 0);
	struct cc_limit limit = soon(event);
	struct cc_wire_head head = cc_wire_head_make(1, 100);
	char text[128];
	uint32_t length = sizeof(text);
	uint16_t type;
	int fd[2], i;

	pair(fd);
	/* Half a message, then nothing. */
	assert_int_equal(write(fd[0], &head, sizeof(head)), sizeof(head));
	assert_int_equal(cc_wire_recv(fd[1], &type, text, &length, &limit), -ETIME);
	assert_int_equal(write(fd[0], &head, sizeof(head)), sizeof(head));
	close(fd[0]);
	limit = late();
	assert_int_equal(cc_wire_recv(fd[1], &type, text, &length, &limit), -ECONNRESET);
	close(fd[1]);
	/* Nobody reads. */
	pair(fd);
	limit = soon(event);
	for (i = 0; i < 100000 && !cc_wire_send(fd[0], 1, text, sizeof(text), &limit); i++)
		;
	assert_int_equal(cc_wire_send(fd[0], 1, text, sizeof(text), &limit), -ETIME);
	limit = late();
	limit.abort_fd = event;
	assert_int_equal(eventfd_write(event, 1), 0);
	assert_int_equal(cc_wire_send(fd[0], 1, text, sizeof(text), &limit), -ECANCELED);
	assert_int_equal(cc_wire_recv(fd[0], &type, text, &length, &limit), -ECANCELED);
	close(fd[1]);
	limit.abort_fd = -1;
	assert_int_equal(cc_wire_send(fd[0], 1, text, sizeof(text), &limit), -ECONNRESET);
	close(fd[0]);
	close(event);
}

static void test_connect(void **state)
{
	socklen_t size = sizeof(int);
	int one = 0;
	struct cc_limit limit = late();
	struct cc_address a;
	int listen, fd, gone;

	assert_int_equal(cc_address_parse("127.0.0.1", false, &a), 0);
	assert_int_equal(cc_address_listen(&a, &listen), 0);
	assert_true(a.port > 0);
	assert_int_equal(cc_address_listen(&a, &gone), -EADDRINUSE);
	assert_int_equal(cc_address_connect(&a, &limit, &fd), 0);
	assert_int_equal(cc_wire_ready(listen, POLLIN, &limit), 0);
	/* Small messages do not wait for one another, in either direction. */
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, &size), 0);
	assert_int_equal(one, 1);
	gone = accept(listen, NULL, NULL);
	assert_true(gone >= 0);
	one = 0;
	assert_int_equal(getsockopt(gone, IPPROTO_TCP, TCP_NODELAY, &one, &size), 0);
	assert_int_equal(one, 1);
	close(gone);
	close(fd);
	close(listen);
	assert_int_equal(cc_address_connect(&a, &limit, &fd), -ECONNREFUSED);
}

/* ---- what others say ---- */

static struct cc_blame good_blame(void)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_TIMEOUT,
		.error = -ETIME,
		.rank = 2,
		.coll = AXCC_NUM_COLLS,
	};

	memset(blame.detail, 'x', sizeof(blame.detail));
	return blame;
}

static void test_blames(void **state)
{
	struct cc_blame good = good_blame(), bad, took = { 0 };

	assert_int_equal(cc_blame_take(&took, &good, 3), -ETIME);
	assert_int_equal(took.rank, 2);
	assert_int_equal(strlen(took.detail), sizeof(took.detail) - 1);
	took = (struct cc_blame) { 0 };
	assert_int_equal(cc_blame_take(&took, &good, 2), -EPROTO);
	assert_int_equal(took.error, 0);
	bad = good;
	bad.rank = AXCC_NO_RANK;
	assert_true(cc_blame_check(&bad, 1));
	bad.error = 0;
	assert_false(cc_blame_check(&bad, 1));
	bad.error = 1;
	assert_false(cc_blame_check(&bad, 1));
	bad.error = INT32_MIN;
	assert_false(cc_blame_check(&bad, 1));
	bad = good;
	bad.kind = AXCC_ERROR_NONE;
	assert_false(cc_blame_check(&bad, 3));
	bad.kind = AXCC_ERROR_INTERNAL + 1;
	assert_false(cc_blame_check(&bad, 3));
	bad = good;
	bad.coll = AXCC_NUM_COLLS + 1;
	assert_false(cc_blame_check(&bad, 3));
}

static void test_answers(void **state)
{
	struct cc_together good = { .id.magic = CC_ID_MAGIC, .count = 2, .member = { 3, 1 } }, bad;

	assert_true(cc_together_check(&good, 4));
	assert_false(cc_together_check(&good, 3));
	bad = good;
	bad.member[1] = UINT16_MAX;
	assert_false(cc_together_check(&bad, 4));
	bad = good;
	bad.count = 0;
	assert_false(cc_together_check(&bad, 4));
	bad.count = UINT32_MAX;
	assert_false(cc_together_check(&bad, 4));
	bad = good;
	bad.id.magic ^= 1;
	assert_false(cc_together_check(&bad, 4));
	bad = good;
	bad.blame = good_blame();
	assert_true(cc_together_check(&bad, 4));
	assert_false(cc_together_check(&bad, 2));
}

/* ---- the root, and people it does not know ---- */

static void hello_to(const struct cc_id *id, uint32_t rank, uint32_t ranks, int *fd)
{
	struct cc_limit limit = late();
	struct cc_hello hello = { .rank = rank, .ranks = ranks };

	memcpy(hello.key, id->key, sizeof(hello.key));
	snprintf(hello.seat.info.host, sizeof(hello.seat.info.host), "host %u", rank);
	assert_int_equal(cc_address_connect(&id->address, &limit, fd), 0);
	assert_int_equal(cc_wire_send(*fd, CC_WIRE_HELLO, &hello, sizeof(hello), &limit), 0);
}

/* Until a message of that type comes. */
static void expect(int fd, uint16_t want, void *data, uint32_t size)
{
	struct cc_limit limit = late();
	uint32_t length;
	uint16_t type;

	do {
		length = size;
		assert_int_equal(cc_wire_recv(fd, &type, data, &length, &limit), 0);
	} while (type == CC_WIRE_CAME && want != CC_WIRE_CAME);
	assert_int_equal(type, want);
}

static void expect_end(int fd)
{
	struct cc_limit limit = late();
	char junk[64];
	uint32_t length = sizeof(junk);
	uint16_t type;

	assert_int_equal(cc_wire_recv(fd, &type, junk, &length, &limit), -ECONNRESET);
	close(fd);
}

static struct axcc_root *new_root(struct cc_id *id)
{
	struct axcc_unique_id unique;
	struct axcc_root *root;

	assert_int_equal(axcc_root_create("127.0.0.1", &root, &unique), 0);
	memcpy(id, unique.bytes, sizeof(*id));
	return root;
}

static void test_root(void **state)
{
	size_t size = sizeof(struct cc_table) + 3 * sizeof(struct cc_hello);
	struct cc_table *table = malloc(size);
	struct cc_limit limit = late();
	struct cc_id id, wrong;
	struct axcc_root *root = new_root(&id);
	int fd[3], stranger, silent;
	uint32_t i;

	/* Who says nothing, nonsense, or does not know the key, disturbs nobody. */
	assert_int_equal(cc_address_connect(&id.address, &limit, &silent), 0);
	assert_int_equal(cc_address_connect(&id.address, &limit, &stranger), 0);
	assert_int_equal(write(stranger, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	expect_end(stranger);
	wrong = id;
	wrong.key[3] ^= 1;
	hello_to(&wrong, 0, 3, &stranger);
	expect_end(stranger);
	hello_to(&id, 3, 3, &stranger);
	expect_end(stranger);
	hello_to(&id, 0, AXCC_MAX_RANKS + 1, &stranger);
	expect_end(stranger);
	for (i = 3; i--;)
		hello_to(&id, i, 3, &fd[i]);
	for (i = 0; i < 3; i++) {
		expect(fd[i], CC_WIRE_TABLE, table, (uint32_t)size);
		assert_int_equal(table->ranks, 3);
		assert_string_equal(table->rank[2].seat.info.host, "host 2");
		close(fd[i]);
	}
	close(silent);
	axcc_root_destroy(root);
	free(table);
}

#define CROWD	600u	/* more than a root has places */

/* Both ends of all of them are this process's. */
static void want_descriptors(void)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < 4 * CROWD)
		skip();
	limit.rlim_cur = 4 * CROWD;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Strangers that take all places and keep them: silent ones, and ones that stop in the middle. */
static void test_root_crowd(void **state)
{
	size_t size = sizeof(struct cc_table) + 3 * sizeof(struct cc_hello);
	struct cc_table *table = malloc(size);
	struct cc_limit limit = late();
	int crowd[CROWD], fd[3];
	struct axcc_ranks came;
	struct axcc_root *root;
	struct cc_id id;
	uint32_t i;

	want_descriptors();
	root = new_root(&id);
	hello_to(&id, 1, 3, &fd[1]);
	expect(fd[1], CC_WIRE_CAME, &came, sizeof(came));
	for (i = 0; i < CROWD; i++) {
		assert_int_equal(cc_address_connect(&id.address, &limit, &crowd[i]), 0);
		if (i % 2)
			assert_int_equal(write(crowd[i], "GET /", 5), 5);
	}
	/* The oldest go; a rank that has come does not, and others come. */
	expect_end(crowd[0]);
	expect_end(crowd[1]);
	hello_to(&id, 0, 3, &fd[0]);
	hello_to(&id, 2, 3, &fd[2]);
	for (i = 0; i < 3; i++) {
		expect(fd[i], CC_WIRE_TABLE, table, (uint32_t)size);
		close(fd[i]);
	}
	for (i = 2; i < CROWD; i++)
		close(crowd[i]);
	axcc_root_destroy(root);
	free(table);
}

/* Even where there is room for all, nobody stays who does not say who he is. */
static void test_root_silence(void **state)
{
	size_t size = sizeof(struct cc_table) + 2 * sizeof(struct cc_hello);
	struct cc_table *table = malloc(size);
	struct cc_limit limit = late();
	struct axcc_ranks came;
	struct cc_id id;
	struct axcc_root *root = new_root(&id);
	int fd[2], silent, half;

	assert_int_equal(cc_address_connect(&id.address, &limit, &silent), 0);
	assert_int_equal(cc_address_connect(&id.address, &limit, &half), 0);
	assert_int_equal(write(half, "GET /", 5), 5);
	hello_to(&id, 0, 2, &fd[0]);
	expect(fd[0], CC_WIRE_CAME, &came, sizeof(came));
	expect_end(silent);
	expect_end(half);
	/* A rank is not held to that. */
	hello_to(&id, 1, 2, &fd[1]);
	expect(fd[0], CC_WIRE_TABLE, table, (uint32_t)size);
	expect(fd[1], CC_WIRE_TABLE, table, (uint32_t)size);
	close(fd[0]);
	close(fd[1]);
	axcc_root_destroy(root);
	free(table);
}

static void test_root_called_off(void **state)
{
	struct cc_blame blame = { .kind = AXCC_ERROR_TIMEOUT, .error = -ETIME, .rank = 2 };
	struct cc_limit limit = late();
	struct cc_id id;
	struct axcc_root *root = new_root(&id);
	struct axcc_ranks came;
	struct cc_blame got;
	int fd[3];

	hello_to(&id, 0, 3, &fd[0]);
	expect(fd[0], CC_WIRE_CAME, &came, sizeof(came));
	hello_to(&id, 1, 3, &fd[1]);
	expect(fd[0], CC_WIRE_CAME, &came, sizeof(came));
	assert_true(axcc_ranks_has(&came, 0) && axcc_ranks_has(&came, 1));
	/* One gives up and says why; who comes later hears it too. */
	assert_int_equal(cc_wire_send(fd[0], CC_WIRE_REFUSE, &blame, sizeof(blame), &limit), 0);
	expect(fd[1], CC_WIRE_REFUSE, &got, sizeof(got));
	assert_int_equal(got.error, -ETIME);
	assert_int_equal(got.rank, 2);
	hello_to(&id, 2, 3, &fd[2]);
	expect(fd[2], CC_WIRE_REFUSE, &got, sizeof(got));
	assert_int_equal(got.error, -ETIME);
	close(fd[0]);
	close(fd[1]);
	close(fd[2]);
	axcc_root_destroy(root);
}

/* A rank that begins to talk nonsense is as good as gone. */
static void root_nonsense(uint16_t type, struct cc_blame blame)
{
	struct cc_limit limit = late();
	struct cc_id id;
	struct axcc_root *root = new_root(&id);
	struct axcc_ranks came;
	struct cc_blame got;
	int fd[2];

	hello_to(&id, 0, 3, &fd[0]);
	expect(fd[0], CC_WIRE_CAME, &came, sizeof(came));
	hello_to(&id, 1, 3, &fd[1]);
	expect(fd[1], CC_WIRE_CAME, &came, sizeof(came));
	assert_int_equal(cc_wire_send(fd[0], type, &blame, sizeof(blame), &limit), 0);
	expect(fd[1], CC_WIRE_REFUSE, &got, sizeof(got));
	assert_int_equal(got.kind, AXCC_ERROR_RANK_LOST);
	assert_int_equal(got.rank, 0);
	close(fd[0]);
	close(fd[1]);
	axcc_root_destroy(root);
}

static void test_root_nonsense(void **state)
{
	struct cc_blame blame = good_blame();

	root_nonsense(CC_WIRE_HELLO, blame);
	blame.rank = 3;
	root_nonsense(CC_WIRE_REFUSE, blame);
}

static void test_root_lost(void **state)
{
	struct cc_id id;
	struct axcc_root *root = new_root(&id);
	struct axcc_ranks came;
	struct cc_blame got;
	int fd[2];

	hello_to(&id, 1, 3, &fd[0]);
	expect(fd[0], CC_WIRE_CAME, &came, sizeof(came));
	hello_to(&id, 2, 3, &fd[1]);
	expect(fd[1], CC_WIRE_CAME, &came, sizeof(came));
	close(fd[0]);
	expect(fd[1], CC_WIRE_REFUSE, &got, sizeof(got));
	assert_int_equal(got.kind, AXCC_ERROR_RANK_LOST);
	assert_int_equal(got.rank, 1);
	/* Destroyed with ranks in it: they are hung up on. */
	axcc_root_destroy(root);
	expect_end(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_blames),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_root_crowd),
		cmocka_unit_test(test_root_silence),
		cmocka_unit_test(test_root_called_off),
		cmocka_unit_test(test_root_nonsense),
		cmocka_unit_test(test_root_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
