// SPDX-License-Identifier: MIT
/*
 * cc.c - collectives of the nrt API over libaxcc: who belongs together, and what runs when.
 *
 * The published API names ranks by number only; a rank here is a visible core. The ranks meet at
 * NEURON_RT_ROOT_COMM_ID, or, when that is not set, where mpirun or srun, which started the
 * processes, lets them; a process that was started alone has a place of its own for its cores.
 * Nothing is calculated here: the cards do it, libaxcc starts them.
 *
 * Lifetime and locks. A core's membership is made by its first call and lives until nrt_close().
 * cc.lock guards the tables and is never held while ranks wait for each other; member.lock (outer)
 * is held by a core's own calls while they do, so that its operations keep their order. Between
 * them is cc.meet_lock, which is held while a launcher's processes wait for each other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "axcc/axcc.h"
#include "internal.h"

#define MAX_CORES	512u
#define MAX_TENSORS	256u	/* of one nrta_cc_prepare() */
/* Addresses of a rank for what the others share with it. */
#define SPACE		(1ull << 40)

/**
 * struct group - a communicator of some ranks
 * @comm: it
 * @count: ranks
 * @members: global ranks, in order
 * @next: of the same core
 */
struct group {
	struct axcc_comm *comm;
	uint32_t count;
	uint32_t *members;
	struct group *next;
};

/**
 * struct member - what a core is in the collectives
 * @lock: one call at a time that waits for other ranks
 * @core: whose
 * @space: its addresses in the card's address space: SPACE bytes; 0: none yet
 * @comm: all ranks; NULL before they met
 * @rank: its number
 * @ranks: how many there are
 * @groups: communicators of fewer
 */
struct member {
	pthread_mutex_t lock;
	struct nrt_core *core;
	uint64_t space;
	struct axcc_comm *comm;
	uint32_t rank;
	uint32_t ranks;
	struct group *groups;
};

/**
 * struct cc - all of it
 * @lock: guards the next two
 * @member: by visible core, made at its first use
 * @streams: of models that are loaded
 * @meet_lock: guards what follows
 * @root: where ranks meet, if that is in this process
 * @id: of the meeting place, while @coming is not 0
 * @ranks: that it is for
 * @coming: ranks of this process that have taken @id
 * @met: those that are through
 */
static struct cc {
	pthread_mutex_t lock;
	struct member *member[MAX_CORES];
	struct nrt_cc_stream *streams;
	pthread_mutex_t meet_lock;
	struct axcc_root *root;
	struct axcc_unique_id id;
	uint32_t ranks;
	uint32_t coming;
	uint32_t met;
} cc = { .lock = PTHREAD_MUTEX_INITIALIZER, .meet_lock = PTHREAD_MUTEX_INITIALIZER };

/**
 * struct nrt_cc_stream - the collectives of a model
 * @stream: their code; NULL after nrt_close()
 * @next: in cc.streams
 */
struct nrt_cc_stream {
	struct axcc_stream *stream;
	struct nrt_cc_stream *next;
};

/**
 * struct nrt_cc_context - a prepared operation
 * @session: of nrt_init() in which it was prepared; what it names has ended with that
 * @core: whose
 * @member: its membership
 * @comm: of the ranks that take part
 * @op: operation
 * @reduction: if it reduces
 * @dtype: element type
 * @count: tensors
 * @part: of each: buffers and elements
 */
struct nrt_cc_context {
	uint64_t session;
	struct nrt_core *core;
	struct member *member;
	struct axcc_comm *comm;
	nrt_cc_op_type_t op;
	enum axcc_reduction reduction;
	uint32_t dtype;
	size_t count;
	struct {
		struct axcc_buf send;
		struct axcc_buf recv;
		uint64_t elements;
	} part[];
};

static void log_line(void *opaque, enum axon_log_level level, const char *line)
{
	if (level == AXON_LOG_ERROR)
		nrt_err(NRT, "%s", line);
	else if (level == AXON_LOG_WARN)
		nrt_warn(NRT, "%s", line);
	else
		nrt_info(NRT, "%s", line);
}

/* What a failure of libaxcc is to the caller; the log says who and why. */
static NRT_STATUS failed(struct axcc_comm *comm, int err, const char *what)
{
	struct axcc_error e;

	if (comm && axcc_comm_error(comm, &e))
		nrt_err(NRT, "%s: %s", what, e.text);
	else
		nrt_err(NRT, "%s: %s", what, strerror(-err));
	switch (err) {
	case -EINVAL:
		return NRT_INVALID;
	case -ENOMEM:
	case -ENOSPC:
		return NRT_RESOURCE;
	case -ETIMEDOUT:
		return NRT_TIMEOUT;
	case -ECANCELED:
		return NRT_CLOSED;
	default:
		return NRT_EXEC_HW_ERR_COLLECTIVES;
	}
}

/* ---- meeting ---- */

static struct member *member_of(uint32_t vnc)
{
	struct member *m;

	pthread_mutex_lock(&cc.lock);
	m = cc.member[vnc];
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (m)
			pthread_mutex_init(&m->lock, NULL);
		cc.member[vnc] = m;
	}
	pthread_mutex_unlock(&cc.lock);
	return m;
}

/* A meeting place for the cores of all processes that a launcher has started, else of this one. */
static int make_place(uint32_t ranks)
{
	struct axcc_job job;
	int err = axcc_unique_id_from_pmix(nrt_timeout_ms, &cc.id, &job, &cc.root);

	if (err && err != -ENOENT)
		nrt_err(NRT, "the launcher does not bring the processes together (libpmix.so.2)");
	if (err != -ENOENT)
		return err;
	if (ranks <= nrt_core_count())
		return axcc_root_create("127.0.0.1", &cc.root, &cc.id);
	nrt_err(NRT, "%u ranks, but this process sees %u cores: NEURON_RT_ROOT_COMM_ID must say "
		"where the ranks of several processes meet, or mpirun or srun start them", ranks,
		nrt_core_count());
	return -EINVAL;
}

/* Takes the id of the meeting place, which the first who comes makes. */
static int take_place(uint32_t ranks, struct axcc_unique_id *id)
{
	int err = 0;

	pthread_mutex_lock(&cc.meet_lock);
	if (!cc.coming)
		err = make_place(ranks);
	else if (cc.ranks != ranks || cc.coming == ranks)
		err = -EINVAL;
	if (!err) {
		cc.ranks = ranks;
		cc.coming++;
		*id = cc.id;
	}
	pthread_mutex_unlock(&cc.meet_lock);
	return err;
}

/* The last one closes it. */
static void leave_place(void)
{
	pthread_mutex_lock(&cc.meet_lock);
	if (++cc.met == cc.coming) {
		axcc_root_destroy(cc.root);
		cc.root = NULL;
		cc.coming = cc.met = 0;
	}
	pthread_mutex_unlock(&cc.meet_lock);
}

static int meeting_place(uint32_t ranks, struct axcc_unique_id *id, bool *ours)
{
	const char *address = getenv("NEURON_RT_ROOT_COMM_ID");

	*ours = !address || !*address;
	return *ours ? take_place(ranks, id) : axcc_unique_id_from_address(address, id);
}

/* member.lock is held. */
static NRT_STATUS meet(struct nrt_core *core, struct member *m, uint32_t rank, uint32_t ranks)
{
	int err = m->space ? 0 : nrt_addr_reserve(core->card, SPACE, &m->space);
	const struct axcc_options options = {
		.vm = core->card->vm,
		.vm_start = m->space,
		.vm_end = m->space + SPACE,
		.size = sizeof(options),
		.timeout_ms = nrt_timeout_ms,
		.spin_us = 50,
		.log = log_line,
	};
	struct axcc_unique_id id;
	struct axcc_comm *comm;
	NRT_STATUS status = NRT_SUCCESS;
	bool ours;

	m->core = core;
	if (!err)
		err = axcc_comm_create(&options, &comm);
	if (err)
		return failed(NULL, err, "communicator");
	err = meeting_place(ranks, &id, &ours);
	if (!err) {
		err = axcc_comm_init(comm, &id, ranks, rank, core->card->dev, core->core);
		if (ours)
			leave_place();
	}
	if (err) {
		status = failed(comm, err, "the ranks did not meet");
		axcc_comm_destroy(comm);
		return status;
	}
	m->comm = comm;
	m->rank = rank;
	m->ranks = ranks;
	return NRT_SUCCESS;
}

/**
 * join() - the membership of a core, made if there is none
 * @rank: its global rank
 * @ranks: at least as many as were said before, the same if @whole
 *
 * On success member.lock is held.
 */
static NRT_STATUS join(int32_t vnc, uint32_t rank, uint32_t ranks, struct nrt_core **core,
		       struct member **member)
{
	NRT_STATUS status = nrt_ready();
	struct member *m;

	if (status)
		return status;
	*core = nrt_core_get(vnc);
	if (!*core || !ranks || rank >= ranks || ranks > AXCC_MAX_RANKS) {
		nrt_err(NRT, "core %d cannot be rank %u of %u", vnc, rank, ranks);
		return NRT_INVALID;
	}
	m = member_of((uint32_t)vnc);
	if (!m)
		return NRT_RESOURCE;
	pthread_mutex_lock(&m->lock);
	if (!m->comm)
		status = meet(*core, m, rank, ranks);
	else if (m->rank != rank || m->ranks != ranks)
		status = NRT_INVALID;
	if (status) {
		if (m->comm)
			nrt_err(NRT, "core %d is rank %u of %u already, not %u of %u", vnc, m->rank,
				m->ranks, rank, ranks);
		pthread_mutex_unlock(&m->lock);
		return status;
	}
	*member = m;
	return NRT_SUCCESS;
}

NRT_STATUS nrt_cc_join(int32_t vnc, uint32_t rank, uint32_t ranks)
{
	struct member *m;
	struct nrt_core *core;
	NRT_STATUS status = join(vnc, rank, ranks, &core, &m);

	if (!status)
		pthread_mutex_unlock(&m->lock);
	return status;
}

static void member_free(struct member *m)
{
	struct group *g;

	while (m->groups) {
		g = m->groups;
		m->groups = g->next;
		axcc_comm_destroy(g->comm);
		free(g->members);
		free(g);
	}
	axcc_comm_destroy(m->comm);
	if (m->space)
		nrt_addr_release(m->core->card, m->space);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void nrt_cc_close(void)
{
	pthread_mutex_lock(&cc.lock);
	for (struct nrt_cc_stream *s = cc.streams; s; s = s->next) {
		axcc_stream_destroy(s->stream);
		s->stream = NULL;
	}
	for (uint32_t i = 0; i < MAX_CORES; i++) {
		if (cc.member[i])
			member_free(cc.member[i]);
		cc.member[i] = NULL;
	}
	pthread_mutex_unlock(&cc.lock);
}

NRT_API NRT_STATUS nrt_build_global_comm(int32_t vnc, uint32_t g_device_id,
					 uint32_t g_device_count)
{
	return nrt_cc_join(vnc, g_device_id, g_device_count);
}

NRT_API NRT_STATUS nrt_cc_global_comm_init(uint32_t vnc, uint32_t g_device_id,
					   uint32_t g_device_count)
{
	return nrt_cc_join(vnc > INT32_MAX ? -1 : (int32_t)vnc, g_device_id, g_device_count);
}

/* ---- at once ---- */

NRT_API NRT_STATUS nrt_barrier(int32_t vnc, uint32_t g_device_id, uint32_t g_device_count)
{
	struct nrt_core *core;
	struct member *m;
	uint64_t seq;
	NRT_STATUS status = join(vnc, g_device_id, g_device_count, &core, &m);
	int err;

	if (status)
		return status;
	err = axcc_barrier(m->comm, &seq);
	if (!err)
		err = axcc_wait(m->comm, seq, -1);
	if (err)
		status = failed(m->comm, err, "barrier");
	pthread_mutex_unlock(&m->lock);
	return status;
}

/* A buffer of card memory for bytes that are the host's. */
static int host_buffer(struct nrt_core *core, uint64_t size, struct axcc_buf *buf, void **ptr)
{
	int err = axon_bo_create(core->card->dev, size, DRM_AXON_REGION_HBM,
				 DRM_AXON_BO_CPU_VISIBLE, NULL, &buf->bo);

	return err ? err : axon_bo_map(buf->bo, ptr);
}

static int gather(struct nrt_core *core, struct member *m, uint32_t size, const void *input,
		  void *output)
{
	struct axcc_buf send = { 0 }, recv = { 0 };
	void *from, *to;
	uint64_t seq;
	int err = host_buffer(core, size, &send, &from);

	if (!err)
		err = host_buffer(core, (uint64_t)size * m->ranks, &recv, &to);
	if (!err) {
		memcpy(from, input, size);
		err = axcc_all_gather(m->comm, send, recv, size, AXON_DTYPE_UINT8, &seq);
	}
	if (!err)
		err = axcc_wait(m->comm, seq, -1);
	if (!err)
		memcpy(output, to, (size_t)size * m->ranks);
	axon_bo_destroy(send.bo);
	axon_bo_destroy(recv.bo);
	return err;
}

NRT_API NRT_STATUS nrt_all_gather(int32_t vnc, uint32_t g_device_id, uint32_t g_device_count,
				  uint32_t rank_input_size, void *input, void *output)
{
	struct nrt_core *core;
	struct member *m;
	NRT_STATUS status = nrt_ready();
	int err;

	if (status)
		return status;
	if (!input || !output || !rank_input_size)
		return NRT_INVALID;
	status = join(vnc, g_device_id, g_device_count, &core, &m);
	if (status)
		return status;
	err = gather(core, m, rank_input_size, input, output);
	if (err)
		status = failed(m->comm, err, "all-gather");
	pthread_mutex_unlock(&m->lock);
	return status;
}

/* ---- prepared ---- */

static bool is_all(const struct member *m, const uint32_t *members, uint32_t count)
{
	if (count != m->ranks)
		return false;
	for (uint32_t i = 0; members && i < count; i++)
		if (members[i] != i)
			return false;
	return true;
}

static struct group *group_new(const uint32_t *members, uint32_t count)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->members = calloc(count, sizeof(*g->members));
	if (!g->members) {
		free(g);
		return NULL;
	}
	memcpy(g->members, members, count * sizeof(*members));
	g->count = count;
	return g;
}

/* The communicator of a replica group; its ranks wait for each other the first time. */
static NRT_STATUS group_get(struct member *m, const nrt_cc_comm_t *c, struct axcc_comm **comm)
{
	const struct axcc_options options = {
		.size = sizeof(options),
		.timeout_ms = nrt_timeout_ms,
		.spin_us = 50,
		.log = log_line,
	};
	NRT_STATUS status = NRT_SUCCESS;
	struct group *g;
	int err;

	if (is_all(m, c->replica_group, c->rank_n)) {
		*comm = m->comm;
		return NRT_SUCCESS;
	}
	for (g = m->groups; g; g = g->next)
		if (g->count == c->rank_n && !memcmp(g->members, c->replica_group,
						     g->count * sizeof(*g->members))) {
			*comm = g->comm;
			return NRT_SUCCESS;
		}
	g = group_new(c->replica_group, c->rank_n);
	if (!g)
		return NRT_RESOURCE;
	err = axcc_comm_create(&options, &g->comm);
	if (!err)
		err = axcc_comm_split(m->comm, g->members, g->count, g->comm);
	if (err) {
		status = failed(g->comm ? g->comm : m->comm, err, "replica group");
		axcc_comm_destroy(g->comm);
		free(g->members);
		free(g);
		return status;
	}
	g->next = m->groups;
	m->groups = g;
	*comm = g->comm;
	return NRT_SUCCESS;
}

static bool comm_ok(const nrt_cc_comm_t *c)
{
	if (!c || !c->rank_n || c->rank >= c->rank_n || c->rank_n > c->ctx_device_count ||
	    c->vnc > INT32_MAX)
		return false;
	if (!c->replica_group)
		return c->rank_n == c->ctx_device_count && c->rank == c->ctx_device_id;
	for (uint32_t i = 0; i < c->rank_n; i++)
		if (c->replica_group[i] >= c->ctx_device_count)
			return false;
	return c->replica_group[c->rank] == c->ctx_device_id;
}

static bool reduction_of(nrt_op_type_t op, enum axcc_reduction *reduction)
{
	switch (op) {
	case NRT_OP_ADD:
		*reduction = AXCC_SUM;
		return true;
	case NRT_OP_MAX:
		*reduction = AXCC_MAX;
		return true;
	case NRT_OP_MIN:
		*reduction = AXCC_MIN;
		return true;
	default:
		return false;
	}
}

static bool buffer_of(const struct nrt_tensor *t, const struct nrt_core *core, struct axcc_buf *buf)
{
	const struct nrt_storage *s = t ? t->storage : NULL;

	if (!s || s->user || s->host || !s->has_mem || s->mem.card != core->card)
		return false;
	*buf = (struct axcc_buf){ .bo = s->mem.bo, .offset = t->offset };
	return true;
}

/* Elements as libaxcc counts: what a rank gives (ALLGATHER), or keeps. False: sizes do not fit. */
static bool elements_of(const struct nrt_cc_context *ctx, const struct nrt_tensor *in,
			const struct nrt_tensor *out, uint32_t ranks, uint64_t *elements)
{
	uint64_t small = ctx->op == NRT_CC_REDUCESCATTER ? out->size : in->size;
	uint64_t large = ctx->op == NRT_CC_REDUCESCATTER ? in->size : out->size;
	uint32_t size = axon_dtype_size(ctx->dtype);

	*elements = small / size;
	if (small % size)
		return false;
	return ctx->op == NRT_CC_ALLREDUCE ? small == large :
	       large % ranks == 0 && large / ranks == small;
}

static NRT_STATUS fill_parts(struct nrt_cc_context *ctx, const nrt_tensor_list_t *input,
			     const nrt_tensor_list_t *output, uint32_t ranks)
{
	for (size_t i = 0; i < ctx->count; i++) {
		const struct nrt_tensor *in = input->tensors[i], *out = output->tensors[i];

		if (!buffer_of(in, ctx->core, &ctx->part[i].send) ||
		    !buffer_of(out, ctx->core, &ctx->part[i].recv)) {
			nrt_err(NRT, "tensor %zu of a collective does not lie in the memory of "
				"core %u's card", i, ctx->core->vnc);
			return NRT_INVALID;
		}
		if (!elements_of(ctx, in, out, ranks, &ctx->part[i].elements)) {
			nrt_err(NRT, "collective of %u ranks: tensors %s of %zu and %s of %zu "
				"bytes do not fit", ranks, in->name, in->size, out->name,
				out->size);
			return NRT_INVALID;
		}
	}
	return NRT_SUCCESS;
}

static NRT_STATUS prepare(struct nrt_core *core, struct member *m, const nrt_cc_comm_t *comm,
			  const nrt_tensor_list_t *input, const nrt_tensor_list_t *output,
			  struct nrt_cc_context *ctx)
{
	NRT_STATUS status;

	ctx->session = nrt_session();
	ctx->core = core;
	ctx->member = m;
	status = fill_parts(ctx, input, output, comm->rank_n);
	return status ? status : group_get(m, comm, &ctx->comm);
}

static bool list_ok(const nrt_tensor_list_t *list)
{
	return list && list->tensors && list->num_tensors && list->num_tensors <= MAX_TENSORS;
}

NRT_API NRT_STATUS nrta_cc_prepare(nrt_cc_comm_t *comm, nrt_tensor_list_t *input,
				   nrt_tensor_list_t *output, nrt_dtype_t dtype, nrt_op_type_t op,
				   nrt_cc_op_type_t cc_op, nrt_cc_context_t **cc_ctx)
{
	struct nrt_cc_context *ctx;
	struct nrt_core *core;
	struct member *m;
	NRT_STATUS status = nrt_ready();

	if (status)
		return status;
	if (!comm_ok(comm) || !list_ok(input) || !list_ok(output) || !cc_ctx ||
	    input->num_tensors != output->num_tensors || !axon_dtype_size((uint32_t)dtype) ||
	    (unsigned int)cc_op > NRT_CC_REDUCESCATTER)
		return NRT_INVALID;
	ctx = calloc(1, sizeof(*ctx) + input->num_tensors * sizeof(ctx->part[0]));
	if (!ctx)
		return NRT_RESOURCE;
	ctx->op = cc_op;
	ctx->dtype = (uint32_t)dtype;
	ctx->count = input->num_tensors;
	if (cc_op != NRT_CC_ALLGATHER && !reduction_of(op, &ctx->reduction))
		status = NRT_INVALID;
	if (!status)
		status = join((int32_t)comm->vnc, comm->ctx_device_id, comm->ctx_device_count,
			      &core, &m);
	if (!status) {
		status = prepare(core, m, comm, input, output, ctx);
		pthread_mutex_unlock(&m->lock);
	}
	if (status) {
		free(ctx);
		return status;
	}
	*cc_ctx = ctx;
	return NRT_SUCCESS;
}

static int start(const struct nrt_cc_context *ctx, size_t i, uint64_t *seq)
{
	switch (ctx->op) {
	case NRT_CC_ALLGATHER:
		return axcc_all_gather(ctx->comm, ctx->part[i].send, ctx->part[i].recv,
				       ctx->part[i].elements, ctx->dtype, seq);
	case NRT_CC_ALLREDUCE:
		return axcc_all_reduce(ctx->comm, ctx->part[i].send, ctx->part[i].recv,
				       ctx->part[i].elements, ctx->dtype, ctx->reduction, seq);
	default:
		return axcc_reduce_scatter(ctx->comm, ctx->part[i].send, ctx->part[i].recv,
					   ctx->part[i].elements, ctx->dtype, ctx->reduction, seq);
	}
}

NRT_STATUS nrt_cc_carry_out(struct nrt_cc_context *ctx)
{
	NRT_STATUS status = NRT_SUCCESS;
	uint64_t seq, last = 0;
	int err = 0, waited;

	pthread_mutex_lock(&ctx->member->lock);
	for (size_t i = 0; !err && i < ctx->count; i++) {
		err = start(ctx, i, &seq);
		if (!err)
			last = seq;
	}
	/* Whatever happens to the others, the tensors of those that were started are in use. */
	waited = last ? axcc_wait(ctx->comm, last, -1) : 0;
	if (!err)
		err = waited;
	if (err)
		status = failed(ctx->comm, err, "collective");
	pthread_mutex_unlock(&ctx->member->lock);
	nrt_cc_drop(ctx);
	return status;
}

void nrt_cc_drop(struct nrt_cc_context *ctx)
{
	free(ctx);
}

bool nrt_cc_vnc(const struct nrt_cc_context *ctx, uint32_t *vnc)
{
	if (ctx->session != nrt_session())
		return false;
	*vnc = ctx->core->vnc;
	return true;
}

/* ---- inside programs ---- */

_Static_assert((int)AXON_ELF_ALL_REDUCE == (int)AXCC_ALL_REDUCE &&
	       (int)AXON_ELF_ALL_GATHER == (int)AXCC_ALL_GATHER &&
	       (int)AXON_ELF_REDUCE_SCATTER == (int)AXCC_REDUCE_SCATTER &&
	       (int)AXON_ELF_ALL_TO_ALL == (int)AXCC_ALL_TO_ALL &&
	       (int)AXON_ELF_BROADCAST == (int)AXCC_BROADCAST &&
	       (int)AXON_ELF_REDUCE == (int)AXCC_REDUCE, "operations have one number");
_Static_assert((int)AXON_ELF_SUM == (int)AXCC_SUM && (int)AXON_ELF_MAX == (int)AXCC_MAX &&
	       (int)AXON_ELF_MIN == (int)AXCC_MIN, "reductions have one number");

/* Do @count elements for each of @blocks ranks lie in the scratch memory? */
static bool fits(uint64_t bss_size, uint64_t offset, uint64_t bytes, uint32_t blocks)
{
	return bytes <= (bss_size - offset) / blocks;
}

static bool stage_ok(const struct nrt_image *image, const struct axon_elf_collective *c,
		     uint32_t ranks)
{
	uint64_t bytes = c->count * axon_dtype_size(c->dtype);
	bool scatters = c->coll == AXON_ELF_REDUCE_SCATTER || c->coll == AXON_ELF_ALL_TO_ALL;
	bool gathers = c->coll == AXON_ELF_ALL_GATHER || c->coll == AXON_ELF_ALL_TO_ALL;

	return c->root < ranks && fits(image->bss_size, c->send, bytes, scatters ? ranks : 1) &&
	       fits(image->bss_size, c->recv, bytes, gathers ? ranks : 1);
}

static NRT_STATUS fill_stages(const struct nrt_image *image, uint32_t ranks, struct axon_bo *bo,
			      uint64_t bss, struct axcc_stage *stages)
{
	for (uint32_t i = 0; i < image->num_collectives; i++) {
		const struct axon_elf_collective c = nrt_image_collective(image, i);

		if (!stage_ok(image, &c, ranks)) {
			nrt_err(NMGR, "%s: collective %u of %u ranks leaves the scratch memory, "
				"or has no root", image->info.name, i, ranks);
			return NRT_INVALID;
		}
		stages[i] = (struct axcc_stage) {
			.coll = c.coll,
			.reduction = c.reduction,
			.dtype = c.dtype,
			.root = c.root,
			.count = c.count,
			.send = { .bo = bo, .offset = bss + c.send },
			.recv = { .bo = bo, .offset = bss + c.recv },
			.wait_sem = c.wait_sem,
			.wait_val = c.wait_val,
			.post_sem = c.post_sem,
			.post_val = 1,
		};
	}
	return NRT_SUCCESS;
}

static NRT_STATUS make_stream(struct member *m, const struct nrt_image *image,
			      const struct axcc_stage *stages, struct nrt_cc_stream **out)
{
	struct nrt_cc_stream *s = calloc(1, sizeof(*s));
	NRT_STATUS status;
	int err;

	if (!s)
		return NRT_RESOURCE;
	err = axcc_stream_create(m->comm, stages, image->num_collectives,
				 nrt_image_collective(image, 0).first_sem, &s->stream);
	if (err) {
		status = failed(m->comm, err, "collectives of a program");
		free(s);
		return status;
	}
	pthread_mutex_lock(&cc.lock);
	s->next = cc.streams;
	cc.streams = s;
	pthread_mutex_unlock(&cc.lock);
	*out = s;
	return NRT_SUCCESS;
}

NRT_STATUS nrt_cc_stream_new(struct nrt_core *core, uint32_t rank, uint32_t ranks,
			     const struct nrt_image *image, struct axon_bo *bo, uint64_t bss,
			     struct nrt_cc_stream **stream)
{
	struct axcc_stage *stages = calloc(image->num_collectives, sizeof(*stages));
	struct nrt_core *same;
	struct member *m;
	NRT_STATUS status = stages ? NRT_SUCCESS : NRT_RESOURCE;

	if (!status)
		status = fill_stages(image, ranks, bo, bss, stages);
	if (!status)
		status = join((int32_t)core->vnc, rank, ranks, &same, &m);
	if (!status) {
		status = make_stream(m, image, stages, stream);
		pthread_mutex_unlock(&m->lock);
	}
	free(stages);
	return status;
}

const struct axcc_stream *nrt_cc_stream_code(const struct nrt_cc_stream *stream)
{
	return stream->stream;
}

void nrt_cc_stream_free(struct nrt_cc_stream *stream)
{
	struct nrt_cc_stream **link = &cc.streams;

	if (!stream)
		return;
	pthread_mutex_lock(&cc.lock);
	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	pthread_mutex_unlock(&cc.lock);
	axcc_stream_destroy(stream->stream);
	free(stream);
}
