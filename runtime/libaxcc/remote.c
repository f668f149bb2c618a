// SPDX-License-Identifier: MIT
/*
 * remote.c - the other processes of a team: what is said over the connections, and the thread that
 * carries out what the coordinator starts.
 *
 * Messages are queued with the team's lock held and sent at once as far as the socket takes them;
 * the control thread sends the rest. It sleeps in poll() and wakes for messages, for a process that
 * goes, and when something is overdue.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow.h"
#include "regroup.h"

#define MAX_OUT		(16u << 20)	/* a process that takes nothing is given up then */

/* ---- sending ---- */

static void wake_control(struct cc_remote *r)
{
	/* Full means that it is awake already. */
	eventfd_write(r->wake, 1);
}

static void flush(struct cc_proc *p)
{
	ssize_t n = 1;

	while (p->fd >= 0 && p->out_size && n > 0) {
		n = send(p->fd, p->out, p->out_size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			return;
		p->out_size -= (size_t)n;
		memmove(p->out, p->out + n, p->out_size);
	}
}

static bool out_reserve(struct cc_proc *p, size_t more)
{
	size_t room = p->out_room ? p->out_room : 4096;
	uint8_t *out;

	if (p->out_size + more > MAX_OUT)
		return false;
	while (room < p->out_size + more)
		room *= 2;
	if (room == p->out_room)
		return true;
	out = realloc(p->out, room);
	if (!out)
		return false;
	p->out = out;
	p->out_room = room;
	return true;
}

static void queue(struct cc_remote *r, struct cc_proc *p, uint16_t type, const void *data,
		  size_t length, const void *more, size_t more_length)
{
	struct cc_wire_head head = cc_wire_head_make(type, (uint32_t)(length + more_length));

	if (p->fd < 0 || p->gone)
		return;
	if (!out_reserve(p, sizeof(head) + length + more_length)) {
		/* Without this message it would wait for ever: it is better gone. */
		shutdown(p->fd, SHUT_RDWR);
		return;
	}
	memcpy(p->out + p->out_size, &head, sizeof(head));
	p->out_size += sizeof(head);
	memcpy(p->out + p->out_size, data, length);
	p->out_size += length;
	if (more_length)
		memcpy(p->out + p->out_size, more, more_length);
	p->out_size += more_length;
	flush(p);
	if (p->out_size)
		wake_control(r);
}

/* To the coordinator; from it, to all. */
static void tell(struct cc_remote *r, uint16_t type, const void *data, size_t length)
{
	uint32_t i;

	for (i = 0; i < r->procs; i++)
		queue(r, &r->proc[i], type, data, length, NULL, 0);
}

void cc_remote_queue(struct cc_remote *r, uint32_t proc, uint16_t type, const void *data,
		     size_t length)
{
	queue(r, &r->proc[proc], type, data, length, NULL, 0);
}

void cc_remote_post(struct cc_team *team, uint32_t rank, uint64_t nth, uint64_t seq,
		    const struct cc_call *call)
{
	struct cc_wire_post post = {
		.rank = rank,
		.coll = call->coll,
		.reduction = call->reduction,
		.dtype = call->dtype,
		.root = call->root,
		.peer = call->peer,
		.count = call->count,
		.nth = nth,
		.seq = seq,
	};

	queue(team->remote, &team->remote->proc[0], CC_WIRE_POST, &post, sizeof(post),
	      call->targets, call->targets ? team->ranks * sizeof(*call->targets) : 0);
}

void cc_remote_fail(struct cc_team *team, const struct cc_blame *blame)
{
	tell(team->remote, CC_WIRE_FAIL, blame, sizeof(*blame));
	if (team->remote->net)
		cc_net_wake(team->remote->net);
	pthread_cond_broadcast(&team->remote->work);
}

void cc_remote_left(struct cc_team *team, uint32_t rank)
{
	struct cc_remote *r = team->remote;
	struct cc_proc *self = &r->proc[r->self];

	tell(r, CC_WIRE_LEFT, &rank, sizeof(rank));
	if (++self->left == self->count && cc_coordinates(team))
		cc_drain_begin(r, r->self);
	/* A shrink may have waited for nobody else. */
	wake_control(r);
}

/* ---- work ---- */

/* Not done by this process, it is not done by the others either. */
static int no_memory(struct cc_team *team)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_INTERNAL,
		.error = -ENOMEM,
		.rank = team->member[0].rank,
		.coll = AXCC_NUM_COLLS,
	};

	cc_team_fail(team, &blame);
	return -ENOMEM;
}

int cc_remote_add_item(struct cc_remote *r, const struct cc_item *what)
{
	struct cc_item *item = r->spare;

	if (item)
		r->spare = item->next;
	else
		item = malloc(sizeof(*item));
	if (!item)
		return no_memory(r->team);
	*item = *what;
	item->next = NULL;
	*r->items_end = item;
	r->items_end = &item->next;
	pthread_cond_signal(&r->work);
	return 0;
}

int cc_remote_launch(struct cc_team *team, struct cc_op *op)
{
	struct cc_wire_launch launch = { .nth = op->nth };
	struct cc_item item = { .op = op };
	int err = cc_remote_add_item(team->remote, &item);

	if (err)
		return err;
	cc_op_running(team, op);
	tell(team->remote, CC_WIRE_LAUNCH, &launch, sizeof(launch));
	return 0;
}

static void tell_pair(struct cc_remote *r, uint32_t rank, const struct cc_wire_launch *launch)
{
	uint32_t proc = r->proc_of[rank];

	if (proc != r->self)
		cc_remote_queue(r, proc, CC_WIRE_LAUNCH, launch, sizeof(*launch));
}

int cc_remote_pair(struct cc_team *team, struct cc_half *send, struct cc_half *recv)
{
	struct cc_remote *r = team->remote;
	struct cc_wire_launch launch = { .from = send->rank, .to = recv->rank };
	struct cc_item item = { .from = send->rank, .to = recv->rank };
	int err = 0;

	item.send = cc_member_of(team, send->rank) ? send : NULL;
	item.recv = cc_member_of(team, recv->rank) ? recv : NULL;
	if (item.send || item.recv)
		err = cc_remote_add_item(r, &item);
	if (err)
		return err;
	tell_pair(r, send->rank, &launch);
	if (r->proc_of[recv->rank] != r->proc_of[send->rank])
		tell_pair(r, recv->rank, &launch);
	if (item.send)
		cc_half_running(team, send);
	else
		cc_half_free(team, send);
	if (item.recv)
		cc_half_running(team, recv);
	else
		cc_half_free(team, recv);
	return 0;
}

static bool is_mark(const struct cc_item *item)
{
	return !item->op && !item->send && !item->recv;
}

static void *worker_main(void *arg)
{
	struct cc_remote *r = arg;
	struct cc_team *team = r->team;
	struct cc_item *item;
	int err;

	pthread_mutex_lock(&team->lock);
	while (!r->stop) {
		item = atomic_load(&team->failed) ? NULL : r->items;
		if (!item) {
			pthread_cond_wait(&r->work, &team->lock);
			continue;
		}
		pthread_mutex_unlock(&team->lock);
		err = is_mark(item) ? 0 : cc_hier_run(team, item);
		pthread_mutex_lock(&team->lock);
		if (err)
			continue;
		r->items = item->next;
		if (!r->items)
			r->items_end = &r->items;
		if (is_mark(item))
			cc_drain_reached(r, item->from);
		else
			cc_item_done(team, item);
		item->next = r->spare;
		r->spare = item;
	}
	pthread_mutex_unlock(&team->lock);
	return NULL;
}

/* ---- what others say ---- */

static void nonsense(struct cc_team *team, const struct cc_proc *p)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_INTERNAL,
		.error = -EPROTO,
		.rank = p->first,
		.coll = AXCC_NUM_COLLS,
		.detail = "sent something that makes no sense",
	};

	cc_team_fail(team, &blame);
}

static bool take_post(struct cc_team *team, struct cc_proc *p, const void *data, uint32_t length)
{
	struct cc_wire_post post;
	uint32_t targets[AXCC_MAX_RANKS];
	struct cc_call call;

	if (length < sizeof(post))
		return false;
	memcpy(&post, data, sizeof(post));
	length -= sizeof(post);
	if (post.rank >= team->ranks || !axcc_ranks_has(&p->ranks, post.rank))
		return false;
	call = (struct cc_call) {
		.coll = post.coll,
		.reduction = post.reduction,
		.dtype = post.dtype,
		.root = post.root,
		.peer = post.peer,
		.count = post.count,
	};
	if (post.coll == AXCC_PERMUTE) {
		if (length != team->ranks * sizeof(*targets))
			return false;
		memcpy(targets, (const char *)data + sizeof(post), length);
		call.targets = targets;
	} else if (length) {
		return false;
	}
	return cc_op_come(team, post.rank, post.nth, post.seq, &call);
}

static bool take_launch(struct cc_team *team, const void *data, uint32_t length)
{
	struct cc_wire_launch launch;
	struct cc_item item = { 0 };

	if (length != sizeof(launch))
		return false;
	memcpy(&launch, data, sizeof(launch));
	if (launch.nth) {
		item.op = cc_op_go(team, launch.nth);
		if (item.op)
			cc_remote_add_item(team->remote, &item);
		return item.op;
	}
	if (launch.from >= team->ranks || launch.to >= team->ranks)
		return false;
	item.from = launch.from;
	item.to = launch.to;
	if (!cc_half_go(team, launch.from, launch.to, &item.send, &item.recv))
		return false;
	cc_remote_add_item(team->remote, &item);
	return true;
}

static bool take_fail(struct cc_team *team, const void *data, uint32_t length)
{
	struct cc_blame blame = { 0 };

	if (length != sizeof(blame))
		return false;
	cc_blame_take(&blame, data, team->ranks);
	if (!blame.error)
		return false;
	/* Also tells the others, if this is the coordinator. */
	cc_team_fail(team, &blame);
	return true;
}

static bool take_stall(struct cc_team *team, struct cc_proc *p, const void *data, uint32_t length)
{
	uint32_t waits_for;

	if (length != sizeof(waits_for))
		return false;
	memcpy(&waits_for, data, sizeof(waits_for));
	if (waits_for >= team->ranks)
		return false;
	cc_stalled(team, p, waits_for);
	return true;
}

static bool take_left(struct cc_team *team, struct cc_proc *p, const void *data, uint32_t length)
{
	uint32_t rank;

	if (length != sizeof(rank))
		return false;
	memcpy(&rank, data, sizeof(rank));
	if (rank >= team->ranks || !axcc_ranks_has(&p->ranks, rank) ||
	    axcc_ranks_has(&team->gone, rank))
		return false;
	p->left++;
	cc_team_gone(team, rank);
	if (p->left == p->count && cc_coordinates(team))
		cc_drain_begin(team->remote, (uint32_t)(p - team->remote->proc));
	return true;
}

static bool take(struct cc_team *team, struct cc_proc *p, uint16_t type, const void *data,
		 uint32_t length)
{
	struct cc_remote *r = team->remote;
	bool first = cc_coordinates(team);

	/* After a failure only a shrink and leaving mean anything. */
	if (atomic_load(&team->failed) && type != CC_WIRE_LEFT)
		return true;
	switch (type) {
	case CC_WIRE_POST:
		return first && take_post(team, p, data, length);
	case CC_WIRE_LAUNCH:
		return !first && take_launch(team, data, length);
	case CC_WIRE_FAIL:
		return take_fail(team, data, length);
	case CC_WIRE_STALL:
		return first && take_stall(team, p, data, length);
	case CC_WIRE_LEFT:
		return take_left(team, p, data, length);
	case CC_WIRE_DRAIN:
		return !first && cc_drain_asked(r, data, length);
	case CC_WIRE_DRAINED:
		return first && cc_drain_answered(r, (uint32_t)(p - r->proc), data, length);
	case CC_WIRE_DISMISS:
		return !first && cc_drain_dismissed(r, data, length);
	default:
		return false;
	}
}

/* Whole messages in the buffer. Return: false: nonsense. */
static bool take_messages(struct cc_team *team, struct cc_proc *p)
{
	struct cc_wire_head head;
	uint32_t size;

	while (p->in_got >= sizeof(head)) {
		memcpy(&head, p->in, sizeof(head));
		size = (uint32_t)sizeof(head) + head.length;
		if (cc_wire_head_check(&head) || size > CC_IN_ROOM)
			return false;
		if (p->in_got < size)
			return true;
		if (!take(team, p, head.type, p->in + sizeof(head), head.length))
			return false;
		p->in_got -= size;
		memmove(p->in, p->in + size, p->in_got);
	}
	return true;
}

static void went(struct cc_team *team, struct cc_proc *p)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_RANK_LOST,
		.error = -ECONNRESET,
		.rank = p->first,
		.coll = AXCC_NUM_COLLS,
		.detail = "ended: its process is gone, or its host",
	};
	uint32_t r;

	p->gone = true;
	cc_drain_gone(team->remote, (uint32_t)(p - team->remote->proc));
	if (p->left == p->count)
		return;
	for (r = 0; r < team->ranks; r++)
		if (axcc_ranks_has(&p->ranks, r))
			cc_rank_lost(team, r);
	cc_op_oldest(team, &blame);
	cc_team_fail(team, &blame);
}

static void read_from(struct cc_team *team, struct cc_proc *p)
{
	ssize_t n = recv(p->fd, p->in + p->in_got, CC_IN_ROOM - p->in_got, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		went(team, p);
		return;
	}
	p->in_got += (uint32_t)n;
	if (take_messages(team, p))
		return;
	nonsense(team, p);
	p->gone = true;
}

/* ---- what is overdue ---- */

/* When something is due next; what is due already is dealt with. */
static uint64_t look_at_time(struct cc_team *team)
{
	uint64_t now = cc_now_ns();
	uint64_t due = cc_gather_look(team, now);
	uint64_t at = cc_guests_look(team->remote, now);

	due = at < due ? at : due;
	if (!atomic_load(&team->failed) && cc_coordinates(team)) {
		at = cc_late_judge(team, now);
		due = at < due ? at : due;
	}
	return due;
}

void cc_stalled(struct cc_team *team, struct cc_proc *p, uint32_t waits_for)
{
	struct cc_remote *r = team->remote;

	p->stalled = true;
	p->waits_for = waits_for;
	if (!r->stalled_ns) {
		r->stalled_ns = cc_now_ns();
		wake_control(r);
	}
}

void cc_remote_stall(struct cc_team *team, uint32_t from)
{
	struct cc_remote *r = team->remote;

	pthread_mutex_lock(&team->lock);
	if (cc_coordinates(team))
		cc_stalled(team, &r->proc[r->self], from);
	else
		tell(r, CC_WIRE_STALL, &from, sizeof(from));
	pthread_mutex_unlock(&team->lock);
}

/* ---- the control thread ---- */

static uint32_t fill_fds(struct cc_remote *r, struct pollfd *fds, struct cc_proc **of)
{
	uint32_t i, n = 0;

	fds[n++] = (struct pollfd) { .fd = r->wake, .events = POLLIN };
	/* poll() passes over what is no descriptor. */
	fds[n++] = (struct pollfd) {
		.fd = cc_now_ns() < r->deaf_ns ? -1 : r->listen,
		.events = POLLIN,
	};
	for (i = 0; i < r->guests; i++)
		fds[n++] = (struct pollfd) { .fd = r->guest[i].fd, .events = POLLIN };
	for (i = 0; i < r->procs; i++) {
		struct cc_proc *p = &r->proc[i];

		if (p->fd < 0 || p->gone)
			continue;
		of[n] = p;
		fds[n++] = (struct pollfd) {
			.fd = p->fd,
			.events = (short)(POLLIN | (p->out_size ? POLLOUT : 0)),
		};
	}
	return n;
}

static int poll_ms(uint64_t due_ns)
{
	uint64_t now = cc_now_ns();
	uint64_t ms;

	if (due_ns == UINT64_MAX)
		return -1;
	ms = due_ns > now ? (due_ns - now) / CC_MS + 1 : 0;
	return ms > 60000 ? 60000 : (int)ms;
}

/* What poll() has found. @guests: how many there were. */
static void serve(struct cc_team *team, const struct pollfd *fds, uint32_t n, uint32_t guests,
		  struct cc_proc **of)
{
	struct cc_remote *r = team->remote;
	eventfd_t junk;
	uint32_t i;

	if (fds[0].revents)
		eventfd_read(r->wake, &junk);
	for (i = 2 + guests; i < n; i++) {
		if (fds[i].revents & POLLOUT)
			flush(of[i]);
		if (fds[i].revents & ~POLLOUT)
			read_from(team, of[i]);
	}
	/* From the end, since dropping one moves those behind it. */
	for (i = guests; i--;)
		if (fds[2 + i].revents)
			cc_guest_read(team, i);
	if (fds[1].revents)
		cc_guest_take(r);
}

static void *control_main(void *arg)
{
	struct cc_remote *r = arg;
	struct cc_team *team = r->team;
	struct pollfd fds[AXCC_MAX_RANKS + CC_MAX_GUESTS + 2];
	struct cc_proc *of[AXCC_MAX_RANKS + CC_MAX_GUESTS + 2];
	uint32_t n, guests;
	uint64_t due;
	int got;

	pthread_mutex_lock(&team->lock);
	while (!r->stop) {
		due = look_at_time(team);
		guests = r->guests;
		n = fill_fds(r, fds, of);
		pthread_mutex_unlock(&team->lock);
		got = poll(fds, n, poll_ms(due));
		pthread_mutex_lock(&team->lock);
		if (got > 0)
			serve(team, fds, n, guests, of);
	}
	pthread_mutex_unlock(&team->lock);
	return NULL;
}

/* ---- beginning ---- */

static int remote_new(struct cc_team *team, const struct cc_table *table, uint32_t first,
		      int listen, struct cc_remote **out)
{
	struct cc_remote *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->team = team;
	r->session = table->session;
	r->listen = listen;
	r->items_end = &r->items;
	pthread_cond_init(&r->work, NULL);
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = r->wake < 0 ? -errno : cc_procs_make(r, table);
	r->self = r->proc_of[first];
	r->own = table->rank[first].control;
	*out = r;
	return err;
}

static void remote_free(struct cc_remote *r)
{
	struct cc_item *item;
	uint32_t i;

	if (r->net)
		cc_net_stop(r->net);
	cc_flows_free(r->flows);
	for (i = 0; r->team && i < r->team->members; i++)
		cc_staging_free(&r->team->member[i]);
	cc_net_close(r->net);
	for (i = 0; i < r->procs; i++) {
		if (r->proc[i].fd >= 0)
			close(r->proc[i].fd);
		free(r->proc[i].in);
		free(r->proc[i].out);
	}
	while ((item = r->spare)) {
		r->spare = item->next;
		free(item);
	}
	while (r->guests)
		cc_guest_drop(r, r->guests - 1, true);
	for (i = 0; i < r->num_roots; i++)
		axcc_root_destroy(r->root[i]);
	if (r->wake >= 0)
		close(r->wake);
	if (r->listen >= 0)
		close(r->listen);
	pthread_cond_destroy(&r->work);
	free(r->proc);
	free(r);
}

static int start_threads(struct cc_remote *r)
{
	if (pthread_create(&r->control, NULL, control_main, r))
		return -EAGAIN;
	r->running++;
	if (pthread_create(&r->worker, NULL, worker_main, r))
		return -EAGAIN;
	r->running++;
	return 0;
}

int cc_remote_start(struct cc_team *team, int err, const struct cc_table *table, uint32_t first,
		    int listen, const struct cc_limit *limit, struct cc_blame *blame)
{
	struct cc_remote *r = NULL;
	int made = remote_new(team, table, first, listen, &r);

	if (!r) {
		close(listen);
		return made;
	}
	err = err ? err : made;
	if (made) {
		remote_free(r);
		return made;
	}
	err = cc_procs_meet(r, table, err, limit, blame);
	if (err || !team) {
		remote_free(r);
		return err ? err : -EPROTO;
	}
	team->remote = r;
	err = start_threads(r);
	if (err)
		cc_remote_stop(team);
	return err;
}

void cc_remote_stop(struct cc_team *team)
{
	struct cc_remote *r = team->remote;
	struct cc_item *item;

	if (!r)
		return;
	pthread_mutex_lock(&team->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->work);
	wake_control(r);
	if (r->net)
		cc_net_wake(r->net);
	pthread_mutex_unlock(&team->lock);
	if (r->running > 0)
		pthread_join(r->control, NULL);
	if (r->running > 1)
		pthread_join(r->worker, NULL);
	pthread_mutex_lock(&team->lock);
	while ((item = r->items)) {
		r->items = item->next;
		if (item->send)
			cc_half_free(team, item->send);
		if (item->recv)
			cc_half_free(team, item->recv);
		free(item);
	}
	cc_gather_free(team);
	team->remote = NULL;
	pthread_mutex_unlock(&team->lock);
	remote_free(r);
}
