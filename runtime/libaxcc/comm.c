// SPDX-License-Identifier: MIT
/*
 * comm.c - the public functions: arguments and handles. What they do stands elsewhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "choose.h"
#include "meet.h"

/* ---- handles ---- */

static int check_options(const struct axcc_options *o)
{
	if (o->size != sizeof(*o) || o->timeout_ms > AXON_MAX_TIMEOUT_MS)
		return -EINVAL;
	if (axcc_wish_check(o->algorithm))
		return -EINVAL;
	if (!o->vm)
		return o->vm_start || o->vm_end ? -EINVAL : 0;
	if ((o->vm_start | o->vm_end) & (CC_LARGE_PAGE - 1) || o->vm_start >= o->vm_end ||
	    o->vm_end - o->vm_start < CC_MIN_SPACE)
		return -EINVAL;
	return 0;
}

AXCC_API int axcc_comm_create(const struct axcc_options *options, struct axcc_comm **out)
{
	struct axcc_options o = { .size = sizeof(o) };
	struct axcc_comm *comm;
	int err;

	if (!out)
		return -EINVAL;
	*out = NULL;
	if (options)
		o = *options;
	err = check_options(&o);
	if (err)
		return err;
	if (o.algorithm) {
		o.algorithm = strdup(o.algorithm);
		if (!o.algorithm)
			return -ENOMEM;
	}
	comm = calloc(1, sizeof(*comm));
	if (comm)
		comm->abort_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!comm || comm->abort_fd < 0) {
		err = comm ? -errno : -ENOMEM;
		free((char *)o.algorithm);
		free(comm);
		return err;
	}
	comm->options = o;
	comm->error.coll = AXCC_NUM_COLLS;
	comm->error.rank = AXCC_NO_RANK;
	pthread_mutex_init(&comm->lock, NULL);
	*out = comm;
	return 0;
}

AXCC_API void axcc_comm_destroy(struct axcc_comm *comm)
{
	struct cc_member *member;

	if (!comm)
		return;
	member = atomic_load(&comm->member);
	if (member)
		cc_team_leave(member);
	close(comm->abort_fd);
	pthread_mutex_destroy(&comm->lock);
	free((char *)comm->options.algorithm);
	free(comm);
}

int cc_comm_begin(struct axcc_comm *comm)
{
	int err = 0;

	if (!comm)
		return -EINVAL;
	pthread_mutex_lock(&comm->lock);
	if (comm->begun)
		err = -EINVAL;
	else
		comm->begun = true;
	pthread_mutex_unlock(&comm->lock);
	return err;
}

static void abort_member(struct cc_member *member)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_ABORTED,
		.error = -ECANCELED,
		.rank = member->rank,
		.coll = AXCC_NUM_COLLS,
		.detail = "aborted",
	};

	pthread_mutex_lock(&member->team->lock);
	cc_team_fail(member->team, &blame);
	pthread_mutex_unlock(&member->team->lock);
}

int cc_comm_finish(struct axcc_comm *comm, struct cc_member *member, int err,
		   const struct cc_blame *blame)
{
	struct cc_blame plain = {
		.kind = err == -ECANCELED ? AXCC_ERROR_ABORTED : AXCC_ERROR_INTERNAL,
		.error = err,
		.rank = AXCC_NO_RANK,
		.coll = AXCC_NUM_COLLS,
	};

	if (err) {
		pthread_mutex_lock(&comm->lock);
		cc_error_make(&comm->error, blame && blame->error ? blame : &plain, NULL);
		pthread_mutex_unlock(&comm->lock);
		if (comm->options.log)
			comm->options.log(comm->options.log_opaque, AXON_LOG_ERROR,
					  comm->error.text);
		return err;
	}
	atomic_store(&comm->member, member);
	/* It may have come when there was no team to abort. */
	if (!atomic_load(&comm->aborted))
		return 0;
	abort_member(member);
	return -ECANCELED;
}

void cc_comm_waits(struct axcc_comm *comm, struct cc_team *team)
{
	pthread_mutex_lock(&comm->lock);
	comm->waits = team;
	pthread_mutex_unlock(&comm->lock);
}

/* It may wait for others with their team's condition. */
static void wake_waiting(struct axcc_comm *comm)
{
	pthread_mutex_lock(&comm->lock);
	if (comm->waits)
		pthread_cond_broadcast(&comm->waits->cond);
	pthread_mutex_unlock(&comm->lock);
}

AXCC_API void axcc_comm_abort(struct axcc_comm *comm)
{
	struct cc_member *member;

	if (!comm)
		return;
	atomic_store(&comm->aborted, true);
	eventfd_write(comm->abort_fd, 1);
	cc_meet_abort(comm);
	wake_waiting(comm);
	member = atomic_load(&comm->member);
	if (member)
		abort_member(member);
}

/* ---- joining ---- */

static int check_joiners(struct axcc_comm *const *comms, struct axon_device *const *devs,
			 uint32_t ranks)
{
	uint32_t i, j;

	if (!comms || !devs || !ranks || ranks > AXCC_MAX_RANKS)
		return -EINVAL;
	for (i = 0; i < ranks; i++) {
		if (!comms[i] || !devs[i])
			return -EINVAL;
		for (j = 0; j < i; j++)
			if (comms[i] == comms[j])
				return -EINVAL;
	}
	return 0;
}

/* All ranks are here: no meeting is needed. */
int cc_join_here(struct axcc_comm *const *comms, struct axon_device *const *devs,
		 const uint32_t *cores, uint32_t ranks, struct cc_team **team,
		 struct cc_blame *blame)
{
	struct cc_joiner joiner[AXCC_MAX_RANKS];
	struct cc_seat *seat = calloc(ranks, sizeof(*seat));
	uint32_t i;
	int err = seat ? 0 : -ENOMEM;

	for (i = 0; i < ranks && !err; i++) {
		joiner[i] = (struct cc_joiner) {
			.rank = i,
			.dev = devs[i],
			.core = cores ? cores[i] : 0,
			.options = &comms[i]->options,
		};
		err = cc_seat_take(&seat[i], devs[i], joiner[i].core);
		if (!err && atomic_load(&comms[i]->aborted))
			err = -ECANCELED;
	}
	if (err) {
		free(seat);
		return err;
	}
	return cc_team_create(seat, ranks, joiner, ranks, team, blame);
}

AXCC_API int axcc_comm_init_all(struct axcc_comm *const *comms, struct axon_device *const *devs,
				const uint32_t *cores, uint32_t ranks)
{
	struct cc_blame blame = { 0 };
	struct cc_team *team;
	uint32_t i, begun;
	int err = check_joiners(comms, devs, ranks);
	int one;

	if (err)
		return err;
	for (begun = 0; begun < ranks && !err; begun += !err)
		err = cc_comm_begin(comms[begun]);
	if (!err)
		err = cc_join_here(comms, devs, cores, ranks, &team, &blame);
	if (err) {
		for (i = 0; i < begun; i++)
			cc_comm_finish(comms[i], NULL, err, &blame);
		return err;
	}
	for (i = 0; i < ranks; i++) {
		if (i)
			cc_team_get(team);
		one = cc_comm_finish(comms[i], &team->member[i], 0, NULL);
		err = err ? err : one;
	}
	return err;
}

/* Joining by a unique id, now or in a group. */
struct init_task {
	struct cc_task base;
	struct cc_id id;
	uint32_t ranks;
	uint32_t rank;
	uint32_t core;
	struct axon_device *dev;
};

static int run_init(struct cc_task *base)
{
	struct init_task *t = (struct init_task *)base;
	struct cc_member *member = NULL;
	struct cc_blame blame = { 0 };
	int err = cc_meet(base->comm, &t->id, t->ranks, t->rank, t->dev, t->core, &member, &blame);

	return cc_comm_finish(base->comm, member, err, &blame);
}

AXCC_API int axcc_comm_init(struct axcc_comm *comm, const struct axcc_unique_id *id,
			    uint32_t ranks, uint32_t rank, struct axon_device *dev, uint32_t core)
{
	struct init_task *t;

	if (!comm || !id || !dev || !ranks || ranks > AXCC_MAX_RANKS || rank >= ranks)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct init_task) {
		.base = { .run = run_init, .comm = comm },
		.ranks = ranks,
		.rank = rank,
		.core = core,
		.dev = dev,
	};
	memcpy(&t->id, id->bytes, sizeof(t->id));
	if (t->id.magic != CC_ID_MAGIC) {
		free(t);
		return -EINVAL;
	}
	return cc_task_begin(&t->base);
}

/* ---- what is known ---- */

static struct cc_member *member_of(const struct axcc_comm *comm)
{
	return comm ? atomic_load_explicit(&((struct axcc_comm *)comm)->member,
					   memory_order_acquire) : NULL;
}

AXCC_API uint32_t axcc_comm_ranks(const struct axcc_comm *comm)
{
	struct cc_member *m = member_of(comm);

	return m ? m->team->ranks : 0;
}

AXCC_API uint32_t axcc_comm_rank(const struct axcc_comm *comm)
{
	struct cc_member *m = member_of(comm);

	return m ? m->rank : AXCC_NO_RANK;
}

AXCC_API int axcc_comm_rank_info(const struct axcc_comm *comm, uint32_t rank,
				 struct axcc_rank_info *info)
{
	struct cc_member *m = member_of(comm);

	if (!m || !info || rank >= m->team->ranks)
		return -EINVAL;
	pthread_mutex_lock(&m->team->lock);
	*info = m->team->seat[rank].info;
	info->lost = axcc_ranks_has(&m->team->lost, rank);
	pthread_mutex_unlock(&m->team->lock);
	return 0;
}

/* The number that the failed collective has at this rank, or 0. */
static uint64_t seq_of(const struct cc_member *m, uint64_t nth)
{
	uint32_t i;

	for (i = 0; nth && i < CC_MAX_REQS; i++)
		if (m->req[i].nth == nth)
			return m->req[i].seq;
	return 0;
}

AXCC_API int axcc_comm_error(struct axcc_comm *comm, struct axcc_error *error)
{
	struct cc_member *m = member_of(comm);

	if (!comm || !error)
		return -EINVAL;
	if (!m) {
		pthread_mutex_lock(&comm->lock);
		*error = comm->error;
		pthread_mutex_unlock(&comm->lock);
		return error->error;
	}
	cc_member_look(m);
	*error = (struct axcc_error) { .rank = AXCC_NO_RANK, .coll = AXCC_NUM_COLLS };
	pthread_mutex_lock(&m->team->lock);
	if (atomic_load(&m->team->failed)) {
		*error = m->team->error;
		error->seq = seq_of(m, m->team->error_nth);
	}
	pthread_mutex_unlock(&m->team->lock);
	return error->error;
}

/* ---- operations ---- */

static int post(struct axcc_comm *comm, const struct cc_call *call, uint64_t *seq)
{
	struct cc_member *m = member_of(comm);

	if (seq)
		*seq = 0;
	if (!m)
		return -EINVAL;
	return cc_batch_open() ? cc_batch_call(m, call, seq) : cc_post(m, call, seq);
}

AXCC_API int axcc_all_reduce(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
			     uint64_t count, uint32_t dtype, enum axcc_reduction reduction,
			     uint64_t *seq)
{
	struct cc_call call = {
		.coll = AXCC_ALL_REDUCE,
		.reduction = reduction,
		.dtype = dtype,
		.count = count,
		.send = send,
		.recv = recv,
	};

	return post(comm, &call, seq);
}

AXCC_API int axcc_all_gather(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
			     uint64_t count, uint32_t dtype, uint64_t *seq)
{
	struct cc_call call = {
		.coll = AXCC_ALL_GATHER,
		.dtype = dtype,
		.count = count,
		.send = send,
		.recv = recv,
	};

	return post(comm, &call, seq);
}

AXCC_API int axcc_reduce_scatter(struct axcc_comm *comm, struct axcc_buf send,
				 struct axcc_buf recv, uint64_t count, uint32_t dtype,
				 enum axcc_reduction reduction, uint64_t *seq)
{
	struct cc_call call = {
		.coll = AXCC_REDUCE_SCATTER,
		.reduction = reduction,
		.dtype = dtype,
		.count = count,
		.send = send,
		.recv = recv,
	};

	return post(comm, &call, seq);
}

AXCC_API int axcc_all_to_all(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
			     uint64_t count, uint32_t dtype, uint64_t *seq)
{
	struct cc_call call = {
		.coll = AXCC_ALL_TO_ALL,
		.dtype = dtype,
		.count = count,
		.send = send,
		.recv = recv,
	};

	return post(comm, &call, seq);
}

AXCC_API int axcc_broadcast(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
			    uint64_t count, uint32_t dtype, uint32_t root, uint64_t *seq)
{
	struct cc_call call = {
		.coll = AXCC_BROADCAST,
		.dtype = dtype,
		.root = root,
		.count = count,
		.send = send,
		.recv = recv,
	};

	return post(comm, &call, seq);
}

AXCC_API int axcc_reduce(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
			 uint64_t count, uint32_t dtype, enum axcc_reduction reduction,
			 uint32_t root, uint64_t *seq)
{
	struct cc_call call = {
		.coll = AXCC_REDUCE,
		.reduction = reduction,
		.dtype = dtype,
		.root = root,
		.count = count,
		.send = send,
		.recv = recv,
	};

	return post(comm, &call, seq);
}

AXCC_API int axcc_permute(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
			  uint64_t count, uint32_t dtype, const uint32_t *targets, uint64_t *seq)
{
	struct cc_call call = {
		.coll = AXCC_PERMUTE,
		.dtype = dtype,
		.count = count,
		.targets = targets,
		.send = send,
		.recv = recv,
	};

	return post(comm, &call, seq);
}

AXCC_API int axcc_send(struct axcc_comm *comm, struct axcc_buf send, uint64_t count,
		       uint32_t dtype, uint32_t peer, uint64_t *seq)
{
	struct cc_call call = {
		.coll = AXCC_SEND,
		.dtype = dtype,
		.count = count,
		.peer = peer,
		.send = send,
	};

	return post(comm, &call, seq);
}

AXCC_API int axcc_recv(struct axcc_comm *comm, struct axcc_buf recv, uint64_t count,
		       uint32_t dtype, uint32_t peer, uint64_t *seq)
{
	struct cc_call call = {
		.coll = AXCC_RECV,
		.dtype = dtype,
		.count = count,
		.peer = peer,
		.recv = recv,
	};

	return post(comm, &call, seq);
}

AXCC_API int axcc_barrier(struct axcc_comm *comm, uint64_t *seq)
{
	struct cc_call call = { .coll = AXCC_BARRIER, .dtype = AXON_DTYPE_UINT8 };

	return post(comm, &call, seq);
}

AXCC_API const char *axcc_op_algorithm(struct axcc_comm *comm, uint64_t seq)
{
	struct cc_member *m = member_of(comm);
	const char *name = NULL;

	if (!m)
		return "";
	pthread_mutex_lock(&m->team->lock);
	if (m->req[seq % CC_MAX_REQS].seq == seq)
		name = m->req[seq % CC_MAX_REQS].algorithm;
	pthread_mutex_unlock(&m->team->lock);
	return name ? name : "";
}

AXCC_API int axcc_wait(struct axcc_comm *comm, uint64_t seq, int64_t timeout_ns)
{
	struct cc_member *m = member_of(comm);
	uint64_t deadline = UINT64_MAX;

	if (!m)
		return -EINVAL;
	if (!timeout_ns)
		deadline = 0;
	else if (timeout_ns > 0)
		deadline = cc_now_ns() + (uint64_t)timeout_ns;
	return cc_wait(m, seq, deadline);
}
