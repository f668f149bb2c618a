// SPDX-License-Identifier: MIT
/*
 * meet.c - a rank meets the others at the root, then the ranks of its own process, and a team is
 * made of them.
 *
 * Threads of one process know nothing of each other but the meeting's number, so this file has the
 * library's only global: the meetings that are going on in this process. It is empty whenever
 * nobody joins.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "meet.h"
#include "remote.h"

#define RETRY_NS	(20 * CC_MS)	/* between attempts to reach a root that is not there yet */

/* ---- at the root ---- */

/* Before the next attempt. Return: 0, -ETIME (there is none any more), -ECANCELED. */
static int nap(const struct cc_limit *limit)
{
	struct cc_limit soon = { cc_now_ns() + RETRY_NS, limit->abort_fd };

	if (soon.deadline_ns >= limit->deadline_ns)
		return -ETIME;
	/* poll() passes over what is no descriptor; only an abort ends it early. */
	return cc_wire_ready(-1, 0, &soon) == -ECANCELED ? -ECANCELED : 0;
}

static bool may_come(int err)
{
	return err == -ECONNREFUSED || err == -EHOSTUNREACH || err == -ENETUNREACH ||
		err == -EADDRINUSE || err == -ECONNRESET || err == -ETIMEDOUT;
}

/*
 * Until it is there, if rank 0 has still to open it. He himself has: if he does not reach it, it
 * has ended, and nobody will.
 */
static int reach_root(const struct cc_id *id, uint32_t rank, const struct cc_limit *limit, int *fd)
{
	int err, ended = 0;

	while (!ended && (err = cc_address_connect(&id->address, limit, fd))) {
		if (!id->by_rank_0 || !rank || !may_come(err))
			return err;
		ended = nap(limit);
	}
	return ended;
}

static void blame_missing(struct cc_blame *blame, const struct axcc_ranks *came, uint32_t ranks)
{
	uint32_t r;

	for (r = 0; r < ranks && axcc_ranks_has(came, r); r++)
		;
	blame->kind = AXCC_ERROR_TIMEOUT;
	blame->error = -ETIME;
	blame->rank = r < ranks ? r : AXCC_NO_RANK;
	snprintf(blame->detail, sizeof(blame->detail), "did not come in time");
}

/* What the root says until it gives the table, which it does last. */
static int listen_root(int fd, const struct cc_hello *hello, struct cc_table *table,
		       uint32_t room, const struct cc_limit *limit, struct cc_blame *blame)
{
	struct axcc_ranks came = { { 0 } };
	uint32_t length;
	uint16_t type;
	int err;

	axcc_ranks_add(&came, hello->rank);
	for (;;) {
		length = room;
		err = cc_wire_recv(fd, &type, table, &length, limit);
		if (err == -ETIME)
			blame_missing(blame, &came, hello->ranks);
		if (err)
			return err;
		if (type == CC_WIRE_TABLE && length == room && table->ranks == hello->ranks)
			return 0;
		if (type == CC_WIRE_REFUSE && length == sizeof(*blame))
			return cc_blame_take(blame, table, hello->ranks);
		if (type != CC_WIRE_CAME || length != sizeof(came))
			return -EPROTO;
		memcpy(&came, table, sizeof(came));
	}
}

static void blame_aborted(struct cc_blame *blame, uint32_t rank)
{
	*blame = (struct cc_blame) {
		.kind = AXCC_ERROR_ABORTED,
		.error = -ECANCELED,
		.rank = rank,
		.coll = AXCC_NUM_COLLS,
		.detail = "aborted while the ranks met",
	};
}

/* Tells the others why, so that they do not blame the one who went. */
static void give_up(int fd, const struct cc_hello *hello, int err, struct cc_blame *blame)
{
	struct cc_limit now = { cc_now_ns() + CC_SECOND, -1 };

	if (err == -ECANCELED)
		blame_aborted(blame, hello->rank);
	cc_wire_send(fd, CC_WIRE_REFUSE, blame, sizeof(*blame), &now);
}

/* Root or not: says who it is and learns who all are. free() *@out. */
static int meet_at_root(const struct cc_id *id, const struct cc_hello *hello,
			const struct cc_limit *limit, struct cc_table **out,
			struct cc_blame *blame)
{
	uint32_t size = (uint32_t)(sizeof(**out) + hello->ranks * sizeof(*hello));
	struct cc_table *table;
	int fd, err;

	if (size < sizeof(*blame))
		return -EPROTO;
	table = malloc(size);
	if (!table)
		return -ENOMEM;
	err = reach_root(id, hello->rank, limit, &fd);
	if (err) {
		snprintf(blame->detail, sizeof(blame->detail), "the root cannot be reached: %s",
			 strerror(-err));
		blame->error = err;
		blame->kind = AXCC_ERROR_NETWORK;
		blame->rank = id->by_rank_0 ? 0 : AXCC_NO_RANK;
		if (err == -ECANCELED)
			blame_aborted(blame, hello->rank);
		free(table);
		return err;
	}
	err = cc_wire_send(fd, CC_WIRE_HELLO, hello, sizeof(*hello), limit);
	if (!err)
		err = listen_root(fd, hello, table, size, limit, blame);
	if (err == -ETIME || err == -ECANCELED)
		give_up(fd, hello, err, blame);
	close(fd);
	if (err) {
		free(table);
		return err;
	}
	*out = table;
	return 0;
}

/* Rank 0 of an address that is known beforehand opens the place itself. */
static int open_root(const struct cc_id *id, uint32_t rank, const struct cc_limit *limit,
		     struct axcc_root **root)
{
	struct cc_id copy = *id;
	int err, ended = 0;

	*root = NULL;
	if (!id->by_rank_0 || rank)
		return 0;
	/* The one before it may not have gone yet. */
	while (!ended && (err = cc_root_start(&copy, root)) == -EADDRINUSE)
		ended = nap(limit);
	return ended == -ECANCELED ? ended : err;
}

/* ---- the ranks of this process ---- */

/**
 * struct meeting - ranks of this process that have the same table
 * @session: the meeting's number
 * @ranks: of the communicator
 * @expected: ranks of this process
 * @count: of these, here
 * @joiner: in the order of their ranks, once all are here
 * @listen: control socket of each
 * @abort_fd: readable: one of them was aborted
 * @users: who has still to look at the result
 * @done: there is one
 * @err: it
 * @blame: why
 * @team: it
 * @next: in the list
 */
struct meeting {
	uint64_t session;
	uint32_t ranks;
	uint32_t expected;
	uint32_t count;
	struct cc_joiner joiner[AXCC_MAX_RANKS];
	int listen[AXCC_MAX_RANKS];
	int abort_fd;
	uint32_t users;
	bool done;
	int err;
	struct cc_blame blame;
	struct cc_team *team;
	struct meeting *next;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct meeting *meetings;
} here = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

void cc_meet_abort(const struct axcc_comm *comm)
{
	struct meeting *m;
	uint32_t i;

	pthread_mutex_lock(&here.lock);
	for (m = here.meetings; m; m = m->next)
		for (i = 0; i < m->count; i++)
			if (m->joiner[i].options == &comm->options)
				eventfd_write(m->abort_fd, 1);
	pthread_cond_broadcast(&here.cond);
	pthread_mutex_unlock(&here.lock);
}

static struct meeting *meeting_find(const struct cc_table *table, uint64_t process)
{
	struct meeting *m;
	uint32_t r;

	for (m = here.meetings; m; m = m->next)
		if (m->session == table->session && !m->done)
			return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->abort_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->abort_fd < 0) {
		free(m);
		return NULL;
	}
	m->session = table->session;
	m->ranks = table->ranks;
	for (r = 0; r < table->ranks; r++)
		m->expected += table->rank[r].seat.process == process;
	m->next = here.meetings;
	here.meetings = m;
	return m;
}

static void meeting_put(struct meeting *m)
{
	struct meeting **link = &here.meetings;
	uint32_t i;

	if (--m->users)
		return;
	while (*link != m)
		link = &(*link)->next;
	*link = m->next;
	for (i = 0; i < m->count; i++)
		if (m->listen[i] >= 0)
			close(m->listen[i]);
	close(m->abort_fd);
	free(m);
}

/* In the order of ranks. */
static void insert(struct meeting *m, const struct cc_joiner *joiner, int listen)
{
	uint32_t i = m->count++;

	for (; i && m->joiner[i - 1].rank > joiner->rank; i--) {
		m->joiner[i] = m->joiner[i - 1];
		m->listen[i] = m->listen[i - 1];
	}
	m->joiner[i] = *joiner;
	m->listen[i] = listen;
	m->users++;
}

static struct cc_seat *seats_of(const struct cc_table *table)
{
	struct cc_seat *seat = calloc(table->ranks, sizeof(*seat));
	uint32_t r;

	for (r = 0; seat && r < table->ranks; r++) {
		seat[r] = table->rank[r].seat;
		seat[r].info.host[sizeof(seat[r].info.host) - 1] = '\0';
		seat[r].info.card[sizeof(seat[r].info.card) - 1] = '\0';
	}
	return seat;
}

/* The last of this process makes the team for all. The lock is not held. */
static void make(struct meeting *m, const struct cc_table *table, uint64_t deadline_ns)
{
	struct cc_limit limit = { deadline_ns, m->abort_fd };
	struct cc_seat *seat = seats_of(table);

	m->err = seat ? cc_team_create(seat, m->ranks, m->joiner, m->count, &m->team, &m->blame) :
		-ENOMEM;
	if (m->expected == m->ranks)
		return;
	/* The other processes hear of a failure, too. */
	m->err = cc_remote_start(m->team, m->err, table, m->joiner[0].rank, m->listen[0], &limit,
				 &m->blame);
	m->listen[0] = -1;
	if (m->err && m->team) {
		cc_team_put(m->team);
		m->team = NULL;
	}
}

static void sleep_until(uint64_t deadline_ns)
{
	/* The condition's clock is the wall's; a jump of it only means looking early or late. */
	uint64_t now = cc_now_ns();
	uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec ts;

	if (left > CC_SECOND)
		left = CC_SECOND;
	clock_gettime(CLOCK_REALTIME, &ts);
	left += (uint64_t)ts.tv_nsec;
	ts.tv_sec += (time_t)(left / CC_SECOND);
	ts.tv_nsec = (long)(left % CC_SECOND);
	pthread_cond_timedwait(&here.cond, &here.lock, &ts);
}

static void blame_absent(struct meeting *m, const struct cc_table *table, uint64_t process)
{
	struct axcc_ranks came = { { 0 } };
	uint32_t r, i;

	for (r = 0; r < table->ranks; r++)
		if (table->rank[r].seat.process != process)
			axcc_ranks_add(&came, r);
	for (i = 0; i < m->count; i++)
		axcc_ranks_add(&came, m->joiner[i].rank);
	blame_missing(&m->blame, &came, table->ranks);
}

/* Until all of this process are here, and the last one has made the team. */
static void gather(struct meeting *m, struct axcc_comm *comm, const struct cc_joiner *joiner,
		   const struct cc_table *table, uint64_t process, const struct cc_limit *limit)
{
	if (m->count == m->expected) {
		/* An abort that came before it was here has found no meeting. */
		if (atomic_load(&comm->aborted))
			eventfd_write(m->abort_fd, 1);
		pthread_mutex_unlock(&here.lock);
		make(m, table, limit->deadline_ns);
		pthread_mutex_lock(&here.lock);
		m->done = true;
		pthread_cond_broadcast(&here.cond);
	}
	while (!m->done) {
		if (atomic_load(&comm->aborted) && m->count < m->expected) {
			m->err = -ECANCELED;
			blame_aborted(&m->blame, joiner->rank);
			m->done = true;
		} else if (cc_now_ns() >= limit->deadline_ns && m->count < m->expected) {
			m->err = -ETIME;
			blame_absent(m, table, process);
			m->done = true;
		} else {
			sleep_until(limit->deadline_ns);
		}
	}
	pthread_cond_broadcast(&here.cond);
}

static int join_local(struct axcc_comm *comm, const struct cc_table *table,
		      const struct cc_joiner *joiner, int listen, const struct cc_limit *limit,
		      struct cc_member **member, struct cc_blame *blame)
{
	uint64_t process = table->rank[joiner->rank].seat.process;
	struct meeting *m;
	int err;

	pthread_mutex_lock(&here.lock);
	m = meeting_find(table, process);
	if (!m) {
		pthread_mutex_unlock(&here.lock);
		close(listen);
		return -ENOMEM;
	}
	insert(m, joiner, listen);
	gather(m, comm, joiner, table, process, limit);
	err = m->err;
	*blame = m->blame;
	if (!err) {
		*member = cc_member_of(m->team, joiner->rank);
		/* The maker's reference is the last one's to look. */
		if (m->users > 1)
			cc_team_get(m->team);
	}
	meeting_put(m);
	pthread_mutex_unlock(&here.lock);
	return err;
}

int cc_meet(struct axcc_comm *comm, const struct cc_id *id, uint32_t ranks, uint32_t rank,
	    struct axon_device *dev, uint32_t core, struct cc_member **member,
	    struct cc_blame *blame)
{
	uint32_t timeout_ms = comm->options.timeout_ms ? comm->options.timeout_ms :
		AXCC_DEFAULT_TIMEOUT_MS;
	struct cc_limit limit = { cc_now_ns() + timeout_ms * CC_MS, comm->abort_fd };
	struct cc_joiner joiner = { rank, dev, core, &comm->options };
	struct cc_hello hello = { .ranks = ranks, .rank = rank };
	struct cc_table *table;
	struct axcc_root *root;
	int listen, err;

	blame->coll = AXCC_NUM_COLLS;
	err = cc_seat_take(&hello.seat, dev, core);
	if (err)
		return err;
	memcpy(hello.key, id->key, sizeof(hello.key));
	cc_address_own(&hello.control);
	/* A root on the loopback means one host. */
	if (cc_address_is_loopback(&id->address))
		cc_address_parse("127.0.0.1", false, &hello.control);
	err = cc_address_listen(&hello.control, &listen);
	if (err)
		return err;
	err = open_root(id, rank, &limit, &root);
	if (!err)
		err = meet_at_root(id, &hello, &limit, &table, blame);
	axcc_root_destroy(root);
	if (err) {
		close(listen);
		return err;
	}
	err = join_local(comm, table, &joiner, listen, &limit, member, blame);
	free(table);
	return err;
}
