// SPDX-License-Identifier: MIT
/*
 * async.c - nrta_*: requests that are scheduled now and carried out by a thread of their unit.
 *
 * A unit is (core, kind, queue) with a bounded list of requests and one thread, made with its first
 * request. Requests of a unit complete in order; the newest completed number is one word. Nothing
 * tracks what depends on what: that is the caller's, as published.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

#define MAX_LNC		512u
#define MAX_PENDING	64u
#define NUM_TENSOR_Q	2u
#define MAX_QUEUES	NUM_TENSOR_Q
#define MAX_ERRORS	1024u

struct nrta_error_tracker {
	pthread_mutex_t lock;	/* guards the rest */
	uint32_t lnc;
	size_t count;
	nrta_error_t *given;	/* what get_list() handed out last */
	nrta_error_t list[MAX_ERRORS];
};

/* One request; what it means depends on the unit's kind. */
struct request {
	nrta_seq_t seq;
	struct nrta_error_tracker *err;
	union {
		struct {
			struct nrt_tensor *tensor;
			void *buf;
			uint64_t offset;
			uint64_t size;
		} move;
		struct {
			struct nrt_tensor *src;
			struct nrt_tensor *dst;
			uint64_t src_offset;
			uint64_t dst_offset;
			uint64_t size;
		} copy;
		struct {
			struct nrt_model *model;
			const nrt_tensor_set_t *in;
			nrt_tensor_set_t *out;
		} run;
		struct nrt_cc_context *cc;
	};
};

struct watcher {
	nrta_seq_t seq;
	int fd;
	struct watcher *next;
};

/**
 * struct unit - an execution unit
 * @lock: guards the rest
 * @news: a request came, or the end
 * @thread: carries requests out
 * @started: @thread runs
 * @stop: it must end
 * @head: requests taken, free running
 * @tail: requests put
 * @ring: requests
 * @issued: number of the newest request
 * @completed: number of the newest completed one
 * @watchers: descriptors to make readable
 */
struct unit {
	pthread_mutex_t lock;
	pthread_cond_t news;
	pthread_t thread;
	bool started;
	bool stop;
	uint32_t head;
	uint32_t tail;
	struct request ring[MAX_PENDING];
	uint64_t issued;
	uint64_t completed;
	struct watcher *watchers;
};

/* Units by (core, kind, queue), made when they are first used; guarded by units_lock. */
static pthread_mutex_t units_lock = PTHREAD_MUTEX_INITIALIZER;
static struct unit *units[MAX_LNC][NRTA_XU_TYPE_NUM][MAX_QUEUES];

static nrta_xu_id_t xu_id(uint32_t lnc, uint32_t xu, uint32_t queue)
{
	return (nrta_xu_id_t)((lnc * NRTA_XU_TYPE_NUM + xu) * MAX_QUEUES + queue);
}

static struct unit *unit_of(nrta_seq_t seq)
{
	uint32_t id = (uint32_t)NRTA_SEQ_GET_XU_ID(seq);
	struct unit *u = NULL;

	if (id >= MAX_LNC * NRTA_XU_TYPE_NUM * MAX_QUEUES)
		return NULL;
	pthread_mutex_lock(&units_lock);
	u = units[id / MAX_QUEUES / NRTA_XU_TYPE_NUM][id / MAX_QUEUES % NRTA_XU_TYPE_NUM]
		 [id % MAX_QUEUES];
	pthread_mutex_unlock(&units_lock);
	return u;
}

/* ---- the thread ---- */

static NRT_STATUS carry_out(uint32_t xu, const struct request *r)
{
	switch (xu) {
	case NRTA_XU_TENSOR_READ:
		return nrt_tensor_read(r->move.tensor, r->move.buf, r->move.offset, r->move.size);
	case NRTA_XU_TENSOR_WRITE:
		return nrt_tensor_write(r->move.tensor, r->move.buf, r->move.offset,
					r->move.size);
	case NRTA_XU_TENSOR_OP:
		return nrt_tensor_copy(r->copy.src, r->copy.src_offset, r->copy.dst,
				       r->copy.dst_offset, r->copy.size);
	case NRTA_XU_COLLECTIVES:
		return nrt_cc_carry_out(r->cc);
	default:
		return nrt_execute(r->run.model, r->run.in, r->run.out);
	}
}

/* A request that is not begun any more gives back what it owns. */
static void give_up(uint32_t xu, const struct request *r)
{
	if (xu == NRTA_XU_COLLECTIVES)
		nrt_cc_drop(r->cc);
}

static void track_error(struct nrta_error_tracker *err, nrta_seq_t seq, NRT_STATUS status)
{
	if (!err || !status)
		return;
	pthread_mutex_lock(&err->lock);
	if (err->count < MAX_ERRORS)
		err->list[err->count++] = (nrta_error_t) { seq, (uint64_t)status };
	pthread_mutex_unlock(&err->lock);
}

/* The unit's lock is held. */
static void notify(struct unit *u, nrta_seq_t seq)
{
	struct watcher **link = &u->watchers;

	while (*link) {
		struct watcher *w = *link;
		uint64_t one = 1;

		if (w->seq > seq) {
			link = &w->next;
			continue;
		}
		/* The caller may have closed its end; then nobody is left to tell. */
		if (write(w->fd, &one, sizeof(one)) < 0)
			nrt_warn(NRT, "a completion descriptor cannot be written");
		close(w->fd);
		*link = w->next;
		free(w);
	}
}

static void *unit_main(void *arg)
{
	struct unit *u = arg;

	pthread_mutex_lock(&u->lock);
	for (;;) {
		struct request r;
		NRT_STATUS status = NRT_CLOSED;
		uint32_t xu;
		bool stop;

		while (u->head == u->tail && !u->stop)
			pthread_cond_wait(&u->news, &u->lock);
		if (u->head == u->tail)
			break;
		r = u->ring[u->head % MAX_PENDING];
		stop = u->stop;
		pthread_mutex_unlock(&u->lock);
		xu = (uint32_t)NRTA_SEQ_GET_XU_ID(r.seq) / MAX_QUEUES % NRTA_XU_TYPE_NUM;
		if (stop)
			give_up(xu, &r);
		else
			status = carry_out(xu, &r);
		track_error(r.err, r.seq, status);
		pthread_mutex_lock(&u->lock);
		u->head++;
		u->completed = NRTA_SEQ_GET_SEQ_NUM(r.seq);
		notify(u, r.seq);
	}
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

static struct unit *unit_new(void)
{
	struct unit *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->news, NULL);
	return u;
}

static NRT_STATUS unit_get(uint32_t lnc, uint32_t xu, uint32_t queue, struct unit **out)
{
	struct unit **slot = &units[lnc][xu][queue];
	NRT_STATUS status = NRT_SUCCESS;

	pthread_mutex_lock(&units_lock);
	if (!*slot)
		*slot = unit_new();
	if (!*slot)
		status = NRT_RESOURCE;
	else if (!(*slot)->started) {
		(*slot)->stop = false;
		(*slot)->started = !pthread_create(&(*slot)->thread, NULL, unit_main, *slot);
		if (!(*slot)->started)
			status = NRT_RESOURCE;
	}
	*out = *slot;
	pthread_mutex_unlock(&units_lock);
	return status;
}

static void unit_stop(struct unit *u)
{
	if (!u || !u->started)
		return;
	pthread_mutex_lock(&u->lock);
	u->stop = true;
	pthread_cond_signal(&u->news);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->thread, NULL);
	u->started = false;
}

/* Numbers go on where they were, so that those of an earlier session stay completed. */
void nrt_async_stop(void)
{
	uint32_t lnc;
	uint32_t xu;
	uint32_t q;

	pthread_mutex_lock(&units_lock);
	for (lnc = 0; lnc < MAX_LNC; lnc++)
		for (xu = 0; xu < NRTA_XU_TYPE_NUM; xu++)
			for (q = 0; q < MAX_QUEUES; q++)
				unit_stop(units[lnc][xu][q]);
	pthread_mutex_unlock(&units_lock);
}

/* ---- scheduling ---- */

static NRT_STATUS schedule(uint32_t lnc, uint32_t xu, int queue, struct request *r,
			   nrta_seq_t *req_sequence)
{
	NRT_STATUS status;
	struct unit *u;

	if (!req_sequence || queue < 0 || (uint32_t)queue >= MAX_QUEUES || lnc >= MAX_LNC)
		return NRT_INVALID;
	status = unit_get(lnc, xu, (uint32_t)queue, &u);
	if (status)
		return status;
	pthread_mutex_lock(&u->lock);
	if (u->stop) {
		status = NRT_CLOSED;
	} else if (u->tail - u->head == MAX_PENDING) {
		status = NRT_QUEUE_FULL;
	} else {
		r->seq = (uint64_t)xu_id(lnc, xu, (uint32_t)queue) << 48 | ++u->issued;
		*req_sequence = r->seq;
		u->ring[u->tail++ % MAX_PENDING] = *r;
		pthread_cond_signal(&u->news);
	}
	pthread_mutex_unlock(&u->lock);
	return status;
}

/* The core whose unit works on a tensor: where it was allocated. */
static NRT_STATUS tensor_lnc(const struct nrt_tensor *t, uint32_t *lnc)
{
	NRT_STATUS status = nrt_ready();

	if (status)
		return status;
	if (!t || !t->storage)
		return NRT_INVALID;
	*lnc = t->storage->core && t->storage->session == nrt_session() ?
		t->storage->core->vnc : 0;
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrta_tensor_write(nrt_tensor_t *tensor, const void *buf, uint64_t offset,
				     uint64_t size, int queue, nrta_error_tracker_t *err,
				     nrta_seq_t *req_sequence)
{
	struct request r = { .err = err };
	uint32_t lnc;
	NRT_STATUS status = tensor_lnc(tensor, &lnc);

	if (status || !buf)
		return status ? status : NRT_INVALID;
	r.move.tensor = tensor;
	r.move.buf = (void *)(uintptr_t)buf;
	r.move.offset = offset;
	r.move.size = size;
	return schedule(lnc, NRTA_XU_TENSOR_WRITE, queue, &r, req_sequence);
}

NRT_API NRT_STATUS nrta_tensor_read(void *buf, nrt_tensor_t *tensor, uint64_t offset,
				    uint64_t size, int queue, nrta_error_tracker_t *err,
				    nrta_seq_t *req_sequence)
{
	struct request r = { .err = err };
	uint32_t lnc;
	NRT_STATUS status = tensor_lnc(tensor, &lnc);

	if (status || !buf)
		return status ? status : NRT_INVALID;
	r.move.tensor = tensor;
	r.move.buf = buf;
	r.move.offset = offset;
	r.move.size = size;
	return schedule(lnc, NRTA_XU_TENSOR_READ, queue, &r, req_sequence);
}

NRT_API NRT_STATUS nrta_tensor_copy(nrt_tensor_t *src, uint64_t src_offset, nrt_tensor_t *dst,
				    uint64_t dst_offset, uint64_t size, int queue,
				    nrta_error_tracker_t *err, nrta_seq_t *req_sequence)
{
	struct request r = { .err = err };
	uint32_t lnc;
	NRT_STATUS status = tensor_lnc(src, &lnc);

	if (status || !dst)
		return status ? status : NRT_INVALID;
	r.copy.src = src;
	r.copy.dst = dst;
	r.copy.src_offset = src_offset;
	r.copy.dst_offset = dst_offset;
	r.copy.size = size;
	return schedule(lnc, NRTA_XU_TENSOR_OP, queue, &r, req_sequence);
}

NRT_API NRT_STATUS nrta_execute_schedule(nrt_model_t *model, const nrt_tensor_set_t *input,
					 nrt_tensor_set_t *output, int queue,
					 nrta_error_tracker_t *err, nrta_seq_t *req_sequence)
{
	struct request r = { .err = err };
	nrt_model_info_t info;
	NRT_STATUS status = nrt_ready();

	if (status)
		return status;
	if (!input || !output || queue)
		return NRT_INVALID;
	status = nrt_get_model_info(model, &info, sizeof(info), NULL);
	if (status)
		return status;
	r.run.model = model;
	r.run.in = input;
	r.run.out = output;
	return schedule(info.vnc, NRTA_XU_COMPUTE, queue, &r, req_sequence);
}

NRT_API NRT_STATUS nrta_cc_schedule(nrt_cc_context_t **cc_ctx, int queue,
				    nrta_error_tracker_t *err, nrta_seq_t *req_sequence)
{
	struct request r = { .err = err };
	NRT_STATUS status = nrt_ready();
	uint32_t vnc;

	if (status)
		return status;
	if (!cc_ctx || !*cc_ctx || queue)
		return NRT_INVALID;
	if (!nrt_cc_vnc(*cc_ctx, &vnc)) {
		/* Nobody else can free it. */
		nrt_cc_drop(*cc_ctx);
		*cc_ctx = NULL;
		return NRT_CLOSED;
	}
	r.cc = *cc_ctx;
	status = schedule(vnc, NRTA_XU_COLLECTIVES, queue, &r, req_sequence);
	/* It belongs to the request now. */
	if (!status)
		*cc_ctx = NULL;
	return status;
}

/* ---- completion ---- */

/* A unit and whether a number of it was ever given. */
static NRT_STATUS check_seq(nrta_seq_t seq, struct unit **out)
{
	struct unit *u = unit_of(seq);
	uint64_t number = NRTA_SEQ_GET_SEQ_NUM(seq);
	bool known = false;

	if (!u)
		return NRT_INVALID;
	pthread_mutex_lock(&u->lock);
	known = number && number <= u->issued;
	pthread_mutex_unlock(&u->lock);
	*out = u;
	return known ? NRT_SUCCESS : NRT_INVALID;
}

NRT_API NRT_STATUS nrta_is_completed(nrta_seq_t seq, bool *is_completed)
{
	struct unit *u;
	NRT_STATUS status;

	if (!is_completed)
		return NRT_INVALID;
	status = check_seq(seq, &u);
	if (status)
		return status;
	pthread_mutex_lock(&u->lock);
	*is_completed = u->completed >= NRTA_SEQ_GET_SEQ_NUM(seq);
	pthread_mutex_unlock(&u->lock);
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrta_get_sequence(uint32_t lnc, nrta_xu_t xu, int queue, nrta_seq_t *seq)
{
	nrta_seq_t base;
	struct unit *u;

	if (!seq || lnc >= nrt_core_count() || (unsigned int)xu >= NRTA_XU_TYPE_NUM || queue < 0 ||
	    (uint32_t)queue >= MAX_QUEUES)
		return NRT_INVALID;
	base = (uint64_t)xu_id(lnc, xu, (uint32_t)queue) << 48;
	u = unit_of(base);
	*seq = base;
	if (!u)
		return NRT_SUCCESS;
	pthread_mutex_lock(&u->lock);
	*seq |= u->completed;
	pthread_mutex_unlock(&u->lock);
	return NRT_SUCCESS;
}

static NRT_STATUS watch(struct unit *u, nrta_seq_t seq, int fd)
{
	struct watcher *w = calloc(1, sizeof(*w));

	if (!w)
		return NRT_RESOURCE;
	w->seq = seq;
	w->fd = dup(fd);	/* the caller may close its own at any time */
	if (w->fd < 0) {
		free(w);
		return NRT_RESOURCE;
	}
	w->next = u->watchers;
	u->watchers = w;
	if (u->completed >= NRTA_SEQ_GET_SEQ_NUM(seq))
		notify(u, seq);
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrta_get_completion_handle(nrta_seq_t seq, int *fd)
{
	struct unit *u;
	NRT_STATUS status;

	if (!fd)
		return NRT_INVALID;
	status = check_seq(seq, &u);
	if (status)
		return status;
	*fd = eventfd(0, EFD_CLOEXEC);
	if (*fd < 0)
		return NRT_RESOURCE;
	pthread_mutex_lock(&u->lock);
	status = watch(u, seq, *fd);
	pthread_mutex_unlock(&u->lock);
	if (status)
		close(*fd);
	return status;
}

/* ---- errors ---- */

NRT_API NRT_STATUS nrta_error_tracker_create(uint32_t lnc_idx,
					     nrta_error_tracker_t **error_tracker)
{
	NRT_STATUS status = nrt_ready();

	if (status)
		return status;
	if (!error_tracker || lnc_idx >= nrt_core_count())
		return NRT_INVALID;
	*error_tracker = calloc(1, sizeof(**error_tracker));
	if (!*error_tracker)
		return NRT_RESOURCE;
	(*error_tracker)->lnc = lnc_idx;
	pthread_mutex_init(&(*error_tracker)->lock, NULL);
	return NRT_SUCCESS;
}

NRT_API void nrta_error_tracker_destroy(nrta_error_tracker_t *error_tracker)
{
	if (!error_tracker)
		return;
	pthread_mutex_destroy(&error_tracker->lock);
	free(error_tracker->given);
	free(error_tracker);
}

/* The list is valid until the next call or the tracker's end. */
NRT_API NRT_STATUS nrta_error_tracker_get_list(nrta_error_tracker_t *error_tracker,
					       const nrta_error_t **list, size_t *error_count)
{
	NRT_STATUS status = NRT_SUCCESS;
	nrta_error_t *copy;

	if (!error_tracker || !list || !error_count)
		return NRT_INVALID;
	pthread_mutex_lock(&error_tracker->lock);
	copy = malloc((error_tracker->count + 1) * sizeof(*copy));
	if (copy) {
		memcpy(copy, error_tracker->list, error_tracker->count * sizeof(*copy));
		free(error_tracker->given);
		error_tracker->given = copy;
		*list = copy;
		*error_count = error_tracker->count;
		error_tracker->count = 0;
	} else {
		status = NRT_RESOURCE;
	}
	pthread_mutex_unlock(&error_tracker->lock);
	return status;
}
