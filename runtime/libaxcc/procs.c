// SPDX-License-Identifier: MIT
/*
 * procs.c - the processes of a team: which there are, and how they come together. Each connects to
 * the coordinator, says whether it is ready and where data reach it, and goes on when all have.
 * Strangers, and those who say nothing, are hung up on.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow.h"
#include "net_library.h"
#include "remote.h"

#define JOIN_NS	(2 * CC_SECOND)	/* for a connection to say whose it is */

/* Processes, in the order of their lowest ranks. */
int cc_procs_make(struct cc_remote *r, const struct cc_table *table)
{
	uint64_t id[AXCC_MAX_RANKS];
	uint32_t rank, i;

	r->proc = calloc(table->ranks, sizeof(*r->proc));
	if (!r->proc)
		return -ENOMEM;
	for (rank = 0; rank < table->ranks; rank++) {
		for (i = 0; i < r->procs && id[i] != table->rank[rank].seat.process; i++)
			;
		if (i == r->procs) {
			id[r->procs++] = table->rank[rank].seat.process;
			r->proc[i].first = rank;
			r->proc[i].control = table->rank[rank].control;
			r->proc[i].fd = -1;
		}
		axcc_ranks_add(&r->proc[i].ranks, rank);
		r->proc[i].count++;
		r->proc_of[rank] = (uint16_t)i;
	}
	for (i = 0; i < r->procs; i++) {
		r->proc[i].in = malloc(CC_IN_ROOM);
		if (!r->proc[i].in)
			return -ENOMEM;
	}
	return 0;
}

/* ---- coming together ---- */

static void blame_proc(struct cc_blame *blame, uint32_t kind, int err, uint32_t rank,
		       const char *detail)
{
	*blame = (struct cc_blame) {
		.kind = kind,
		.error = err,
		.rank = rank,
		.coll = AXCC_NUM_COLLS,
	};
	snprintf(blame->detail, sizeof(blame->detail), "%s", detail);
}

static uint32_t ranks_of(const struct cc_remote *r)
{
	uint32_t ranks = 0, i;

	for (i = 0; i < r->procs; i++)
		ranks += r->proc[i].count;
	return ranks;
}

/* A connection says whose it is. Strangers, and those who say nothing, are hung up on. */
static int accept_one(struct cc_remote *r, struct cc_join *join, const struct cc_limit *limit)
{
	struct cc_limit soon = { cc_now_ns() + JOIN_NS, limit->abort_fd };
	uint32_t length = sizeof(*join);
	struct cc_proc *p;
	uint16_t type;
	int err = cc_wire_ready(r->listen, POLLIN, limit);
	int fd;

	if (err)
		return err;
	fd = accept4(r->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return cc_address_full(errno) ? -errno : 0;
	err = cc_wire_recv(fd, &type, join, &length, &soon);
	p = !err && type == CC_WIRE_JOIN && length == sizeof(*join) &&
		join->session == r->session && join->first_rank < AXCC_MAX_RANKS ?
		&r->proc[r->proc_of[join->first_rank]] : NULL;
	if (!p || p->first != join->first_rank || p->fd >= 0 || p == &r->proc[r->self]) {
		close(fd);
		return err == -ECANCELED ? err : 0;
	}
	p->fd = fd;
	return 1;
}

/* The coordinator: until all have said that they are ready. */
static int accept_all(struct cc_remote *r, struct cc_go *go, const struct cc_limit *limit,
		      struct cc_blame *blame)
{
	struct cc_join join;
	uint32_t missing = r->procs - 1;
	uint32_t i;
	int got;

	while (missing) {
		got = accept_one(r, &join, limit);
		if (got == -ETIME) {
			for (i = 1; i < r->procs && r->proc[i].fd >= 0; i++)
				;
			blame_proc(blame, AXCC_ERROR_TIMEOUT, -ETIME, r->proc[i].first,
				   "did not come in time");
		}
		if (got < 0)
			return got;
		if (!got)
			continue;
		missing--;
		if (join.blame.error && !cc_blame_check(&join.blame, ranks_of(r)))
			return -EPROTO;
		if (join.blame.error && !blame->error)
			*blame = join.blame;
		go->name[r->proc_of[join.first_rank]] = join.name;
	}
	return 0;
}

static void send_all_procs(struct cc_remote *r, uint16_t type, const void *data, size_t length,
			   const struct cc_limit *limit)
{
	uint32_t i;

	/* Who cannot be told is found out by the control thread. */
	for (i = 0; i < r->procs; i++)
		if (r->proc[i].fd >= 0)
			cc_wire_send(r->proc[i].fd, type, data, (uint32_t)length, limit);
}

static int coordinate(struct cc_remote *r, struct cc_go *go, size_t size,
		      const struct cc_limit *limit, struct cc_blame *blame)
{
	int err = accept_all(r, go, limit, blame);

	if (!err && blame->error)
		err = blame->error;
	if (err && !blame->error)
		blame_proc(blame, AXCC_ERROR_INTERNAL, err, r->proc[r->self].first,
			   "could not bring the processes together");
	send_all_procs(r, err ? CC_WIRE_FAIL : CC_WIRE_GO, err ? (void *)blame : (void *)go,
		       err ? sizeof(*blame) : size, limit);
	return err;
}

static int follow(struct cc_remote *r, const struct cc_join *join, const struct cc_address *to,
		  struct cc_go *go, size_t size, const struct cc_limit *limit,
		  struct cc_blame *blame)
{
	struct cc_proc *first = &r->proc[0];
	uint32_t length = (uint32_t)(size > sizeof(*blame) ? size : sizeof(*blame));
	uint16_t type;
	uint32_t room = length;
	int err;

	/* Who was too slow to say who he is has been hung up on, and may try again. */
	do {
		if (first->fd >= 0)
			close(first->fd);
		first->fd = -1;
		length = room;
		err = cc_address_connect(to, limit, &first->fd);
		if (!err)
			err = cc_wire_send(first->fd, CC_WIRE_JOIN, join, sizeof(*join), limit);
		if (!err)
			err = cc_wire_recv(first->fd, &type, go, &length, limit);
	} while ((err == -ECONNRESET || err == -EPIPE) && cc_now_ns() < limit->deadline_ns);
	if (err) {
		blame_proc(blame, err == -ETIME ? AXCC_ERROR_TIMEOUT : AXCC_ERROR_RANK_LOST, err, 0,
			   "cannot be reached by the others");
		return err;
	}
	if (type == CC_WIRE_GO && length == size && go->procs == r->procs)
		return 0;
	if (type != CC_WIRE_FAIL || length != sizeof(*blame))
		return -EPROTO;
	return cc_blame_take(blame, go, ranks_of(r));
}

/* There is no endpoint. */
static const char *why_closed(int err)
{
	if (err == -ELIBACC)
		return cc_net_library_problem();
	if (err == -EPROTONOSUPPORT)
		return "FI_PROVIDER leaves only shm, which polls: net or tcp is wanted";
	return strerror(-err);
}

int cc_procs_meet(struct cc_remote *r, const struct cc_table *table, int err,
		  const struct cc_limit *limit, struct cc_blame *blame)
{
	struct cc_join join = { .session = r->session, .first_rank = r->proc[r->self].first };
	size_t size = sizeof(struct cc_go) + r->procs * sizeof(struct cc_net_name);
	struct cc_go *go = calloc(1, size > sizeof(*blame) ? size : sizeof(*blame));

	if (!err && !go)
		err = -ENOMEM;
	if (!err)
		err = cc_net_open(&table->rank[join.first_rank].control, &r->net, &join.name);
	if (!err)
		err = cc_flows_new(r->net, &r->flows);
	if (err && !blame->error)
		blame_proc(blame, AXCC_ERROR_INTERNAL, err, join.first_rank, why_closed(err));
	join.blame = *blame;
	if (!go)
		return -ENOMEM;
	if (r->self) {
		err = follow(r, &join, &table->rank[0].control, go, size, limit, blame);
	} else {
		go->procs = r->procs;
		go->name[0] = join.name;
		err = coordinate(r, go, size, limit, blame);
	}
	if (!err)
		err = cc_net_connect(r->net, go->name, r->procs);
	free(go);
	return err;
}
