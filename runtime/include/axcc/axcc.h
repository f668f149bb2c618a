/* SPDX-License-Identifier: MIT */
/*
 * axcc.h - libaxcc: collectives between Axon cards.
 *
 * A communicator joins a number of ranks, each a core of a card. The cards move and add the data
 * themselves, by DMA and semaphores; the host starts them and is woken. The library must never
 * compute what a card should, poll, write to standard output, or let a call wait without an end.
 *
 * Conventions
 * - Functions return 0 or a negative errno value and never touch errno.
 * - Ranks of a communicator may live in one thread, in threads, in processes and on hosts, in any
 *   mixture. Cards of one fabric talk over their links, others over the network.
 * - Every rank calls the same operations with the same arguments in the same order. If they do not,
 *   all of them learn so (-EPROTO), and axcc_comm_error() says which rank called what. Sends and
 *   receives only count for their two ranks and are in order for each pair and direction.
 * - Operations return at once and are waited for by their number. Operations of one communicator
 *   run in order, those of different communicators in any.
 * - A thread that drives several ranks calls an operation for each of them and waits after the
 *   last; axcc_group_start() is only needed around axcc_comm_init(). A group also hands over
 *   everything in it at once, which is cheaper.
 * - A communicator that failed stays failed: whatever is under way ends with the same error, and so
 *   does every later call but axcc_comm_error(), _abort(), _shrink() and _destroy().
 * - A handle may be used by several threads; operations of one communicator need an order that the
 *   caller gives them. axcc_comm_abort() may be called by any thread at any moment between
 *   axcc_comm_create() and axcc_comm_destroy().
 */
#ifndef AXCC_AXCC_H
#define AXCC_AXCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "axon/axon.h"

#ifdef __cplusplus
extern "C" {
#endif

#define AXCC_VERSION_MAJOR	0
#define AXCC_VERSION_MINOR	1
#define AXCC_VERSION_PATCH	0

#define AXCC_MAX_RANKS		128u	/* of a communicator */
#define AXCC_MAX_COUNT		(1ull << 40)	/* elements of an operation */
#define AXCC_DEFAULT_TIMEOUT_MS	30000u
#define AXCC_NO_RANK		0xffffffffu

struct axcc_comm;
struct axcc_root;
struct axon_inst;

/**
 * axcc_version() - version of the library in use
 *
 * Return: major << 16 | minor << 8 | patch.
 */
uint32_t axcc_version(void);

/* ---- names ---- */

/**
 * enum axcc_coll - operations
 * @AXCC_ALL_REDUCE: recv[i] = reduction of all ranks' send[i]; @count elements
 * @AXCC_ALL_GATHER: recv = the ranks' send one after the other; @count elements of each
 * @AXCC_REDUCE_SCATTER: recv[i] = reduction of all ranks' send[rank * count + i]; @count elements
 *	are left to each rank
 * @AXCC_ALL_TO_ALL: block r of send goes to rank r, which has it as block of its sender;
 *	@count elements a block
 * @AXCC_BROADCAST: recv = the root's send; @count elements
 * @AXCC_REDUCE: the root's recv[i] = reduction of all ranks' send[i]; @count elements
 * @AXCC_PERMUTE: send goes to the rank the caller says; @count elements
 * @AXCC_SEND: to one rank
 * @AXCC_RECV: from one rank
 * @AXCC_BARRIER: no data
 */
enum axcc_coll {
	AXCC_ALL_REDUCE = 0,
	AXCC_ALL_GATHER = 1,
	AXCC_REDUCE_SCATTER = 2,
	AXCC_ALL_TO_ALL = 3,
	AXCC_BROADCAST = 4,
	AXCC_REDUCE = 5,
	AXCC_PERMUTE = 6,
	AXCC_SEND = 7,
	AXCC_RECV = 8,
	AXCC_BARRIER = 9,
	AXCC_NUM_COLLS = 10,
};

/* How elements are reduced. The order is fixed; Documentation/collectives.rst says which. */
enum axcc_reduction {
	AXCC_SUM = 0,
	AXCC_MAX = 1,
	AXCC_MIN = 2,
	AXCC_NUM_REDUCTIONS = 3,
};

/** axcc_coll_str() - "all_reduce", ...; "unknown" for a value that is none */
const char *axcc_coll_str(enum axcc_coll coll);

/** axcc_reduction_str() - "sum", "max", "min"; "unknown" for a value that is none */
const char *axcc_reduction_str(enum axcc_reduction reduction);

/* ---- meeting ---- */

#define AXCC_UNIQUE_ID_BYTES	128u

/**
 * struct axcc_unique_id - where the ranks of one communicator meet; copied among them by the caller
 */
struct axcc_unique_id {
	uint8_t bytes[AXCC_UNIQUE_ID_BYTES];
};

/**
 * axcc_root_create() - make the place where the ranks of one communicator meet
 * @address: "ip:port", "[ip6]:port" or "ip" of this host; NULL: any port, on the address of the
 *	interface that has the default route, else the loopback
 * @root: result; its thread sleeps until ranks come
 * @id: result
 *
 * Return: 0, -EINVAL (address), -EADDRINUSE, -EADDRNOTAVAIL, -ENOMEM, or another error of sockets.
 */
int axcc_root_create(const char *address, struct axcc_root **root, struct axcc_unique_id *id);

/**
 * axcc_root_destroy() - close it; who is still meeting there fails
 *
 * Not needed any more when axcc_comm_init() has returned for the ranks of one process.
 */
void axcc_root_destroy(struct axcc_root *root);

/**
 * axcc_unique_id_from_address() - a meeting place that all can name without talking before
 * @address: "ip:port" or "[ip6]:port" of the host of rank 0, as in NEURON_RT_ROOT_COMM_ID. Rank 0
 *	is the root while it is in axcc_comm_init(); the others try until it is there
 * @id: result; the same for the same address
 *
 * Return: 0 or -EINVAL.
 */
int axcc_unique_id_from_address(const char *address, struct axcc_unique_id *id);

/**
 * struct axcc_job - the processes that a launcher has started together
 * @process: number of this one
 * @processes: how many there are
 * @local_process: number of this one among those on this host
 */
struct axcc_job {
	uint32_t process;
	uint32_t processes;
	uint32_t local_process;
};

/**
 * axcc_unique_id_from_pmix() - a meeting place for the processes that mpirun or srun has started
 * @timeout_ms: how long to wait for the others; 0: AXCC_DEFAULT_TIMEOUT_MS
 * @id: result, the same in all processes of the job
 * @job: result: who is there
 * @root: of process 0 the root, to be destroyed when all ranks have met; of others NULL
 *
 * All processes of the job have to call it, once for each communicator. How ranks are spread over
 * processes is the caller's: one each is what launchers mean.
 *
 * libpmix is loaded by the first call and stays open until the process exits. One call at a time
 * in a process, and as many in all processes.
 *
 * Return: 0, -EINVAL, -ENOENT (no such launcher has started this process), -ELIBACC (libpmix.so.2
 * cannot be loaded), -ETIME, -EIO or -EPROTO (PMIx), or as axcc_root_create().
 */
int axcc_unique_id_from_pmix(uint32_t timeout_ms, struct axcc_unique_id *id, struct axcc_job *job,
			     struct axcc_root **root);

/* ---- communicators ---- */

/**
 * struct axcc_options - how a communicator behaves; all 0 is a good choice
 * @size: sizeof(struct axcc_options), so that it can grow; 0 is refused
 * @timeout_ms: a rank that does not come to an operation, to the start or to a shrink within that
 *	time, or whose card does not get on, is taken for lost; 0: AXCC_DEFAULT_TIMEOUT_MS. A
 *	launch may take that long; between processes half of it
 * @algorithm: name or family of the algorithm to take wherever it can do the operation; NULL: that
 *	of the environment variable AXCC_ALGO, or the fastest. Between processes it is for what the
 *	cards of each do
 * @spin_us: waiting looks that long before it sleeps; 0: never
 * @vm: address space in which buffers are bound, of the rank's device; NULL: one of its own. With
 *	streams (axcc_stream_create()) it is that of the program
 * @vm_start: with @vm: addresses that the communicator may use: @vm_start <= a < @vm_end
 * @vm_end: same; multiples of 2 MiB, at least 64 GiB apart
 * @log: gets lines about what happens, or NULL; called by any thread that uses the communicator and
 *	by the library's own
 * @log_opaque: for @log
 */
struct axcc_options {
	size_t size;
	uint32_t timeout_ms;
	uint32_t spin_us;
	const char *algorithm;
	struct axon_vm *vm;
	uint64_t vm_start;
	uint64_t vm_end;
	axon_log_fn log;
	void *log_opaque;
};

/**
 * axcc_comm_create() - make a handle that belongs to no communicator yet
 * @options: NULL: all 0
 * @comm: result
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int axcc_comm_create(const struct axcc_options *options, struct axcc_comm **comm);

/**
 * axcc_comm_init() - join a communicator; returns when all ranks have joined
 * @comm: from axcc_comm_create()
 * @id: where the ranks meet
 * @ranks: how many, 1 .. AXCC_MAX_RANKS; the same for all
 * @rank: which one, every number once
 * @dev: its card; stays open until the communicator is destroyed
 * @core: core of it that runs the rank's programs; a core may be several ranks' of different
 *	communicators, of one communicator it is one rank's
 *
 * In a group it returns at once and axcc_group_end() waits; so one thread can do it for many ranks.
 *
 * Return: 0, -EINVAL, -ETIME (axcc_comm_error() names a rank that did not come), -EPROTO (ranks
 * do not fit together: another number of ranks, a rank or core twice, another version),
 * -ECANCELED (aborted), -EOPNOTSUPP (the ranks' cards cannot reach each other), -ELIBACC (ranks of
 * several processes, and one cannot load libfabric), -ECONNRESET (a rank went away), -ENOMEM, or an
 * error of libaxon or of sockets.
 */
int axcc_comm_init(struct axcc_comm *comm, const struct axcc_unique_id *id, uint32_t ranks,
		   uint32_t rank, struct axon_device *dev, uint32_t core);

/**
 * axcc_comm_init_all() - join ranks of this process to a communicator of their own
 * @comms: one handle a rank, from axcc_comm_create()
 * @devs: its card
 * @cores: its core; NULL: 0 for all
 * @ranks: how many
 *
 * No root and no sockets are needed. Return: as axcc_comm_init().
 */
int axcc_comm_init_all(struct axcc_comm *const *comms, struct axon_device *const *devs,
		       const uint32_t *cores, uint32_t ranks);

/**
 * axcc_comm_split() - make a communicator of some ranks of another
 * @comm: the other; stays as it is
 * @members: their ranks in @comm, in the order of their new ranks; the same at all of them
 * @count: how many; the caller is one of them, the others need not call
 * @into: from axcc_comm_create()
 *
 * In a group as axcc_comm_init(). Return: as that.
 */
int axcc_comm_split(struct axcc_comm *comm, const uint32_t *members, uint32_t count,
		    struct axcc_comm *into);

/**
 * axcc_comm_shrink() - go on without those that were lost
 * @comm: failed or aborted, or sound; stays as it is and has to be destroyed
 * @into: from axcc_comm_create(): the survivors in the order of their ranks
 *
 * Every survivor calls it. A rank is no survivor if anybody who calls has seen it fail (its process
 * or card gone, its card hung, it did not come in time), or if it does not come to this call in
 * time. In a group as axcc_comm_init(). Return: as that; -ESTALE: the others took this rank for
 * lost.
 */
int axcc_comm_shrink(struct axcc_comm *comm, struct axcc_comm *into);

/**
 * axcc_comm_abort() - end everything, now
 *
 * Operations under way, and calls that wait in any thread, return -ECANCELED; the other ranks learn
 * that this one left. Nothing of this rank touches its buffers when it returns.
 */
void axcc_comm_abort(struct axcc_comm *comm);

/**
 * axcc_comm_destroy() - leave and free; NULL does nothing
 *
 * Operations under way are ended as by axcc_comm_abort(). A rank that leaves with nothing under way
 * is no failure for the others until they call something that needs it; it waits until processes
 * have taken what it has sent them, at most for the communicator's timeout. With ranks in several
 * processes everything needs the process of rank 0, also a send between two others: its ranks leave
 * last, for instance after a barrier. No other thread may use the handle any more.
 */
void axcc_comm_destroy(struct axcc_comm *comm);

/**
 * struct axcc_rank_info - who a rank is
 * @host: name of its host
 * @card: path of its card there
 * @core: of the card
 * @pid: its process
 * @fabric_uid: fabric of the card, 0 none
 * @fabric_id: place in it, or AXON_NO_PEER (axon_hw.h)
 * @lost: it was seen to fail
 */
struct axcc_rank_info {
	char host[64];
	char card[64];
	uint32_t core;
	uint32_t pid;
	uint64_t fabric_uid;
	uint32_t fabric_id;
	uint32_t lost;
};

/** axcc_comm_ranks() - number of ranks, 0 before axcc_comm_init() */
uint32_t axcc_comm_ranks(const struct axcc_comm *comm);

/** axcc_comm_rank() - this rank, AXCC_NO_RANK before axcc_comm_init() */
uint32_t axcc_comm_rank(const struct axcc_comm *comm);

/** axcc_comm_rank_info() - Return: 0 or -EINVAL (no such rank). */
int axcc_comm_rank_info(const struct axcc_comm *comm, uint32_t rank, struct axcc_rank_info *info);

/* ---- errors ---- */

/**
 * enum axcc_error_kind - what happened
 * @AXCC_ERROR_NONE: nothing
 * @AXCC_ERROR_ABORTED: @rank called axcc_comm_abort(), or destroyed its handle too early
 * @AXCC_ERROR_TIMEOUT: @rank did not come in time
 * @AXCC_ERROR_RANK_LOST: the process of @rank ended, or its host cannot be reached
 * @AXCC_ERROR_CARD: the card of @rank failed, hung or was reset
 * @AXCC_ERROR_LINK: the link to the card of @rank failed
 * @AXCC_ERROR_MISMATCH: @rank called something else than this rank
 * @AXCC_ERROR_NETWORK: the network to the host of @rank failed
 * @AXCC_ERROR_INTERNAL: none of these; @rank is who met it
 */
enum axcc_error_kind {
	AXCC_ERROR_NONE = 0,
	AXCC_ERROR_ABORTED = 1,
	AXCC_ERROR_TIMEOUT = 2,
	AXCC_ERROR_RANK_LOST = 3,
	AXCC_ERROR_CARD = 4,
	AXCC_ERROR_LINK = 5,
	AXCC_ERROR_MISMATCH = 6,
	AXCC_ERROR_NETWORK = 7,
	AXCC_ERROR_INTERNAL = 8,
};

/**
 * struct axcc_error - why a communicator failed
 * @error: what its calls return: negative errno; 0: it is sound
 * @kind: an &enum axcc_error_kind
 * @rank: whose fault it is, or AXCC_NO_RANK
 * @core: of that rank's card
 * @coll: operation, an &enum axcc_coll; AXCC_NUM_COLLS: none, it happened in init or shrink
 * @seq: its number at the caller, 0 none
 * @host: of that rank
 * @card: of that rank
 * @text: all of it as one line
 */
struct axcc_error {
	int error;
	uint32_t kind;
	uint32_t rank;
	uint32_t core;
	uint32_t coll;
	uint32_t reserved0;
	uint64_t seq;
	char host[64];
	char card[64];
	char text[512];
};

/**
 * axcc_comm_error() - did the communicator fail, and why; never blocks
 *
 * The first failure counts. Operations that nobody waits for are looked at too.
 *
 * Return: @error->error.
 */
int axcc_comm_error(struct axcc_comm *comm, struct axcc_error *error);

/* ---- operations ---- */

/**
 * struct axcc_buf - where data are
 * @bo: buffer of the rank's device, in HBM (not a sibling's, not private to another address space)
 * @offset: bytes into it, a multiple of the element's size
 *
 * Bound at its first use and cached until axon_bo_destroy(). It must live until the operation has
 * ended.
 */
struct axcc_buf {
	struct axon_bo *bo;
	uint64_t offset;
};

/*
 * All operations: @dtype is an &enum axon_dtype (axon_isa.h). Those that reduce take FLOAT32,
 * BFLOAT16, FLOAT16, INT32 and UINT8, the others all types. In place is allowed where it says so;
 * other overlaps of send and recv are -EINVAL. @count may be 0. @seq (may be NULL) gets the number
 * of the operation for axcc_wait(); numbers grow by 1 with every operation of the communicator.
 *
 * Return: 0, -EINVAL, -EAGAIN (256 operations of this rank are under way: wait for the oldest),
 * -ENOSPC (HBM is full), -ENOMEM, or the communicator's error.
 */

/** axcc_all_reduce() - in place: recv = send */
int axcc_all_reduce(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
		    uint64_t count, uint32_t dtype, enum axcc_reduction reduction, uint64_t *seq);

/** axcc_all_gather() - in place: send is the rank's block of recv */
int axcc_all_gather(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
		    uint64_t count, uint32_t dtype, uint64_t *seq);

/** axcc_reduce_scatter() - in place: recv is the rank's block of send, the rest undefined after */
int axcc_reduce_scatter(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
			uint64_t count, uint32_t dtype, enum axcc_reduction reduction,
			uint64_t *seq);

/** axcc_all_to_all() - in place: recv = send */
int axcc_all_to_all(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
		    uint64_t count, uint32_t dtype, uint64_t *seq);

/** axcc_broadcast() - in place: recv = send; send is used at the root only */
int axcc_broadcast(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
		   uint64_t count, uint32_t dtype, uint32_t root, uint64_t *seq);

/** axcc_reduce() - in place: recv = send; recv is used at the root only */
int axcc_reduce(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
		uint64_t count, uint32_t dtype, enum axcc_reduction reduction, uint32_t root,
		uint64_t *seq);

/**
 * axcc_permute() - in place: recv = send
 * @targets: where each rank's data go, every rank at most once; AXCC_NO_RANK: nowhere. The
 *	same at all ranks. The recv of a rank nobody sends to is not touched
 */
int axcc_permute(struct axcc_comm *comm, struct axcc_buf send, struct axcc_buf recv,
		 uint64_t count, uint32_t dtype, const uint32_t *targets, uint64_t *seq);

/** axcc_send() - to rank @peer, which receives as much of the same type */
int axcc_send(struct axcc_comm *comm, struct axcc_buf send, uint64_t count, uint32_t dtype,
	      uint32_t peer, uint64_t *seq);

/** axcc_recv() - from rank @peer */
int axcc_recv(struct axcc_comm *comm, struct axcc_buf recv, uint64_t count, uint32_t dtype,
	      uint32_t peer, uint64_t *seq);

/** axcc_barrier() - ends when all ranks have called it and their earlier operations have ended */
int axcc_barrier(struct axcc_comm *comm, uint64_t *seq);

/**
 * axcc_wait() - wait until an operation has ended
 * @seq: its number
 * @timeout_ns: nanoseconds from now; 0 looks once; negative: as long as it takes (the
 *	communicator's timeout ends it)
 *
 * Return: 0, -ETIMEDOUT (with @timeout_ns >= 0: not yet; the communicator is not affected), -EINVAL
 * (no such operation, or it is in a group that has not ended), or the communicator's error.
 */
int axcc_wait(struct axcc_comm *comm, uint64_t seq, int64_t timeout_ns);

/**
 * axcc_op_algorithm() - which algorithm carries an operation out
 * @seq: its number
 *
 * Return: name as in axcc_explain(); "" if there is none: not all ranks have come yet, there is
 * nothing to do, the ranks are of several processes (whose cards may take several), or it is long
 * ago.
 */
const char *axcc_op_algorithm(struct axcc_comm *comm, uint64_t seq);

/**
 * axcc_group_start() - put off what this thread calls until axcc_group_end()
 *
 * For axcc_comm_init(), _split(), _shrink() and operations. Groups nest; the outermost counts.
 */
void axcc_group_start(void);

/**
 * axcc_group_end() - do what was put off
 *
 * Return: 0, -EINVAL (there is no group), or the first error; each communicator has its own.
 */
int axcc_group_end(void);

/* ---- collectives inside a program ---- */

/**
 * struct axcc_stage - a collective of a program
 * @coll: an &enum axcc_coll, not SEND or RECV
 * @reduction: an &enum axcc_reduction
 * @dtype: element type
 * @root: of BROADCAST and REDUCE
 * @count: elements, as of the function of that name
 * @send: buffer of this rank
 * @recv: buffer of this rank
 * @targets: of PERMUTE
 * @wait_sem: the stage starts when this semaphore of the core has reached @wait_val (AXON_WAIT_GE)
 * @post_sem: posted to, ADD @post_val, when all data of this rank are there
 * @wait_val: 0: starts after the stage before
 * @post_val: 0: nobody is told
 */
struct axcc_stage {
	uint32_t coll;
	uint32_t reduction;
	uint32_t dtype;
	uint32_t root;
	uint64_t count;
	struct axcc_buf send;
	struct axcc_buf recv;
	const uint32_t *targets;
	uint8_t wait_sem;
	uint8_t post_sem;
	uint16_t post_val;
	uint32_t wait_val;
};

/**
 * struct axcc_stream - what a program needs to do its collectives
 * @code: instructions for AXON_ENGINE_CC, position independent, with HALT at the end
 * @count: how many
 * @gang: for &struct axon_program.gang, an address in &axcc_options.vm
 * @rank: for &struct axon_program.rank
 * @ranks: for &struct axon_program.ranks
 */
struct axcc_stream {
	const struct axon_inst *code;
	uint32_t count;
	uint16_t rank;
	uint16_t ranks;
	uint64_t gang;
};

/**
 * axcc_stream_create() - make the collectives sequencer's code of this rank
 * @comm: made with &axcc_options.vm; all ranks of one fabric
 * @stages: carried out in order
 * @num_stages: how many
 * @first_sem: semaphores of the core that the stream may use, up to 255; the stages' own are below
 * @stream: result; good for any number of launches. Its buffers must live as long
 *
 * All ranks call it, with the same operations; it waits for them. Each launch of the program needs
 * a launch of all ranks' programs.
 *
 * Return: as the operations; -EOPNOTSUPP: no vm, or ranks that no link joins; -ENOSPC: not enough
 * semaphores.
 */
int axcc_stream_create(struct axcc_comm *comm, const struct axcc_stage *stages,
		       uint32_t num_stages, uint32_t first_sem, struct axcc_stream **stream);

/** axcc_stream_destroy() - free it; NULL does nothing */
void axcc_stream_destroy(struct axcc_stream *stream);

/* ---- predictions ---- */

/**
 * struct axcc_what_if - an operation to be thought about; no card is needed
 * @size: sizeof(struct axcc_what_if), so that it can grow
 * @coll: an &enum axcc_coll; SEND and RECV need two ranks
 * @reduction: an &enum axcc_reduction; 0 for those that do not reduce
 * @dtype: an &enum axon_dtype; of BARRIER 0
 * @root: of BROADCAST and REDUCE, else 0
 * @count: elements, as of the function of that name
 * @targets: of PERMUTE, else NULL
 * @algorithm: name or family, as in &axcc_options.algorithm; NULL: that of the environment variable
 *	AXCC_ALGO, or the fastest
 * @topology: "pair", "ring:N", "line:N", "mesh:N" (a link between any two), "torus:WxH"
 * @cores: ranks on each card; 0: 1
 * @reserved0: must be 0
 * @in_place: all ranks work in place
 * @json: as JSON
 */
struct axcc_what_if {
	size_t size;
	uint32_t coll;
	uint32_t reduction;
	uint32_t dtype;
	uint32_t root;
	uint64_t count;
	const uint32_t *targets;
	const char *algorithm;
	const char *topology;
	uint32_t cores;
	uint32_t reserved0;
	bool in_place;
	bool json;
};

/**
 * axcc_explain() - which algorithm would be taken, how long it would take, why the others lost
 * @what_if: the operation and where
 * @text: result, to be freed with free()
 *
 * Times are those of the card's timing model (Documentation/isa.rst, "Cycles"), not of this host.
 *
 * Return: 0, -EINVAL, -ENOMEM, -EOPNOTSUPP (no algorithm can do it).
 */
int axcc_explain(const struct axcc_what_if *what_if, char **text);

#ifdef __cplusplus
}
#endif

#endif /* AXCC_AXCC_H */
