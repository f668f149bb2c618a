/* SPDX-License-Identifier: MIT */
/*
 * remote.h - a team whose ranks live in several processes.
 *
 * Processes are numbered by their lowest ranks. Process 0 is the coordinator: all others have a
 * connection to it and to nobody else. What a rank calls is sent there, compared there, and started
 * from there when all have come; so all processes carry out the same operations in the same order,
 * and what went wrong is decided in one place. Bulk data never take that way.
 */
#ifndef AXON_LIBAXCC_REMOTE_H
#define AXON_LIBAXCC_REMOTE_H

#include "wire.h"

#define CC_MAX_ROOTS	64u	/* splits and shrinks that a process can be asked for */
#define CC_MAX_GUESTS	(2 * AXCC_MAX_RANKS)
#define CC_NET_NAME	128u	/* bytes of an endpoint's address */
/* Any message between processes of a team. */
#define CC_IN_ROOM	(sizeof(struct cc_wire_head) + sizeof(struct cc_wire_post) +	\
			 AXCC_MAX_RANKS * sizeof(uint32_t) + sizeof(struct cc_blame) + 64)

struct cc_net;
struct cc_flows;

/* What a process says of its endpoint. */
struct cc_net_name {
	uint32_t length;
	uint8_t bytes[CC_NET_NAME];
};

/* CC_WIRE_JOIN: a process is ready, or not. */
struct cc_join {
	uint64_t session;
	uint32_t first_rank;
	struct cc_blame blame;	/* error 0: it is */
	struct cc_net_name name;
};

/* CC_WIRE_GO: all are. */
struct cc_go {
	uint32_t procs;
	struct cc_net_name name[];
};

/* CC_WIRE_POST: a rank calls something. */
struct cc_wire_post {
	uint32_t rank;
	uint32_t coll;
	uint32_t reduction;
	uint32_t dtype;
	uint32_t root;
	uint32_t peer;
	uint64_t count;
	uint64_t nth;
	uint64_t seq;
	uint32_t targets[];	/* of PERMUTE */
};

/* CC_WIRE_LAUNCH: all have called collective @nth, or, with @nth 0, both sides of a transfer. */
struct cc_wire_launch {
	uint64_t nth;
	uint32_t from;
	uint32_t to;
};

/**
 * struct cc_proc - a process of the communicator
 * @first: its lowest rank
 * @ranks: all of them
 * @left: of these, how many have left
 * @takers: if all have: processes that may not have all of its data yet; except at the coordinator
 *	only this process is in it, from when it was asked
 * @count: how many there are
 * @control: where it can be reached
 * @fd: connection, or -1; process 0 has one to all, the others to process 0
 * @gone: it was closed
 * @stalled: it waits for data
 * @waits_for: of that rank
 * @in: bytes of a message that have come
 * @in_got: how many
 * @out: bytes that have to go
 * @out_size: how many
 * @out_room: allocated
 */
struct cc_proc {
	uint32_t first;
	struct axcc_ranks ranks;
	uint32_t left;
	struct axcc_ranks takers;
	uint32_t count;
	struct cc_address control;
	int fd;
	bool gone;
	bool stalled;
	uint32_t waits_for;
	uint8_t *in;
	uint32_t in_got;
	uint8_t *out;
	size_t out_size;
	size_t out_room;
};

/* A connection that has not said yet what it wants. */
struct cc_guest {
	int fd;
	uint64_t since_ns;
	uint32_t got;
	uint8_t *in;
};

/*
 * Something to be carried out by this process, in the order of the coordinator. With neither a
 * collective nor a half it is a mark: process @from wants to know when it is reached.
 */
struct cc_item {
	struct cc_op *op;		/* a collective */
	struct cc_half *send;		/* or a transfer: the halves of ranks of this process */
	struct cc_half *recv;
	uint32_t from;
	uint32_t to;
	struct cc_item *next;
};

/**
 * struct cc_remote - the other processes; guarded by cc_team.lock
 * @team: whose
 * @session: of the meeting
 * @self: this process
 * @procs: how many
 * @proc: all of them, in the order of their lowest ranks
 * @proc_of: by rank
 * @listen: where other processes connect
 * @own: its address
 * @guest: connections that have not said what they want, the oldest first
 * @guests: how many
 * @deaf_ns: until then nobody is taken: there was no descriptor for him
 * @root: meeting places that were opened for splits and shrinks
 * @num_roots: how many
 * @wake: readable: the control thread has something to do
 * @control: reads what the others say
 * @worker: carries out @items
 * @running: the threads
 * @stop: they must end
 * @work: there are items, or @stop
 * @items: oldest first
 * @items_end: where the next one is linked
 * @spare: items to be used again
 * @dismissed: nobody needs this process any more, which has left
 * @stalled_ns: since when it is known that something does not get on; 0: all does
 * @net: the network
 * @flows: what it works on
 */
struct cc_remote {
	struct cc_team *team;
	uint64_t session;
	uint32_t self;
	uint32_t procs;
	struct cc_proc *proc;
	uint16_t proc_of[AXCC_MAX_RANKS];
	int listen;
	struct cc_address own;
	struct cc_guest guest[CC_MAX_GUESTS];
	uint32_t guests;
	uint64_t deaf_ns;
	struct axcc_root *root[CC_MAX_ROOTS];
	uint32_t num_roots;
	int wake;
	pthread_t control;
	pthread_t worker;
	uint32_t running;
	bool stop;
	pthread_cond_t work;
	struct cc_item *items;
	struct cc_item **items_end;
	struct cc_item *spare;
	bool dismissed;
	uint64_t stalled_ns;
	struct cc_net *net;
	struct cc_flows *flows;
};

static inline struct cc_proc *cc_proc_of(struct cc_team *team, uint32_t rank)
{
	return &team->remote->proc[team->remote->proc_of[rank]];
}

static inline bool cc_coordinates(const struct cc_team *team)
{
	return !team->remote || !team->remote->self;
}

/*
 * Joins the processes of @table. @err: how making @team went; the others are told, and are not left
 * waiting. Takes @listen over. On failure @team is not remote.
 */
int cc_remote_start(struct cc_team *team, int err, const struct cc_table *table, uint32_t first,
		    int listen, const struct cc_limit *limit, struct cc_blame *blame);
/* Ends the threads and closes everything. */
void cc_remote_stop(struct cc_team *team);

/* The rest wants cc_team.lock held, and only sends or queues. */
void cc_remote_post(struct cc_team *team, uint32_t rank, uint64_t nth, uint64_t seq,
		    const struct cc_call *call);
/* All have come: tells the processes, and this one's worker. */
int cc_remote_launch(struct cc_team *team, struct cc_op *op);
int cc_remote_pair(struct cc_team *team, struct cc_half *send, struct cc_half *recv);
/* The worker's next item. On an error the team has failed. */
int cc_remote_add_item(struct cc_remote *r, const struct cc_item *what);
/* A message for another process. */
void cc_remote_queue(struct cc_remote *r, uint32_t proc, uint16_t type, const void *data,
		     size_t length);
void cc_remote_fail(struct cc_team *team, const struct cc_blame *blame);
void cc_remote_left(struct cc_team *team, uint32_t rank);
/* Process @p waits for data of a rank. */
void cc_stalled(struct cc_team *team, struct cc_proc *p, uint32_t waits_for);
/* Data of rank @from do not come; without the lock. */
void cc_remote_stall(struct cc_team *team, uint32_t from);

/* ---- procs.c: when a team comes together, which nobody else knows yet ---- */

/* Processes, in the order of their lowest ranks. */
int cc_procs_make(struct cc_remote *r, const struct cc_table *table);
/* Connects them. @err: as cc_remote_start(). */
int cc_procs_meet(struct cc_remote *r, const struct cc_table *table, int err,
		  const struct cc_limit *limit, struct cc_blame *blame);

/* ---- guest.c; the lock is held ---- */

/* Somebody connects. */
void cc_guest_take(struct cc_remote *r);
/* Hangs up on those whose time is over. Return: when to look again, or CC_NEVER. */
uint64_t cc_guests_look(struct cc_remote *r, uint64_t now);
/* A guest says something. */
void cc_guest_read(struct cc_team *team, uint32_t index);
/* @hang_up: or the connection is somebody else's now. */
void cc_guest_drop(struct cc_remote *r, uint32_t index, bool hang_up);

/* ---- drain.c: when a process that leaves may go; the lock is held ---- */

/* All ranks of a process have left: the coordinator asks the others for their marks. */
void cc_drain_begin(struct cc_remote *r, uint32_t proc);
/* What is said of it. Return: false: that cannot be. */
bool cc_drain_asked(struct cc_remote *r, const void *data, uint32_t length);
bool cc_drain_answered(struct cc_remote *r, uint32_t taker, const void *data, uint32_t length);
bool cc_drain_dismissed(struct cc_remote *r, const void *data, uint32_t length);
/* The worker has come to a mark. */
void cc_drain_reached(struct cc_remote *r, uint32_t proc);
/* A process has gone, and takes nothing any more. */
void cc_drain_gone(struct cc_remote *r, uint32_t proc);
/* Until this process, which has left, may go. Without the lock. */
void cc_drain_wait(struct cc_team *team);

/* hier.c: carries out an item; on an error the team has failed. Without the lock. */
int cc_hier_run(struct cc_team *team, const struct cc_item *item);

/* ---- op.c, for several processes; the lock is held ---- */

/*
 * What other processes say. NULL or false: that cannot be; the team has failed if it is known which
 * operation was meant.
 */

/* Fails the team: the rank's process says of an operation what cannot be. Return: false. */
bool cc_misled(struct cc_team *team, uint32_t rank, uint32_t coll, uint64_t nth, const char *what);
/* A rank of another process comes to an operation. */
bool cc_op_come(struct cc_team *team, uint32_t rank, uint64_t nth, uint64_t seq,
		const struct cc_call *call);
/* What the coordinator starts. */
struct cc_op *cc_op_go(struct cc_team *team, uint64_t nth);
/* The requests of this process' ranks are in the worker's hands. */
void cc_op_running(struct cc_team *team, struct cc_op *op);
/* They have ended well. */
void cc_item_done(struct cc_team *team, struct cc_item *item);

/* ---- pair.c, for several processes: the same ---- */

bool cc_half_go(struct cc_team *team, uint32_t from, uint32_t to, struct cc_half **send,
		struct cc_half **recv);
void cc_half_running(struct cc_team *team, struct cc_half *half);
/* @half may be NULL. */
void cc_half_done(struct cc_team *team, struct cc_half *half);
void cc_half_free(struct cc_team *team, struct cc_half *half);

/* ---- late.c, for several processes; the lock is held ---- */

/* How much before the timeout it is that the coordinator gives up. Without the lock, too. */
uint64_t cc_remote_lead_ns(const struct cc_team *team);
/*
 * The coordinator fails the team if a rank is overdue and nothing holds its process up.
 * Return: when it has to look again; CC_NEVER: not before something changes.
 */
uint64_t cc_late_judge(struct cc_team *team, uint64_t now);
/* Names the oldest collective under way, if there is one. */
void cc_op_oldest(struct cc_team *team, struct cc_blame *blame);

#endif /* AXON_LIBAXCC_REMOTE_H */
