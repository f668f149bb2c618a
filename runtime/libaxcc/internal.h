/* SPDX-License-Identifier: MIT */
/*
 * internal.h - how the files of the live half of libaxcc meet. The pure half (schedules) is
 * schedule.h; it knows nothing of what stands here.
 *
 *   names.c     version, names of operations
 *   comm.c      public functions: arguments, handles
 *   batch.c     what is put off until axcc_group_end()
 *   root.c      where ranks meet; meet.c: how they do; wire.c: messages
 *   regroup.c   split and shrink
 *   remote.c    teams of several processes; procs.c: how they come together; guest.c: who connects
 *		 later; hier.c: their operations; flow.c: data between them; net.c: libfabric, which
 *		 net_library.c loads
 *   team.c      the ranks of one communicator in this process: making, failing, freeing
 *   call.c      what a rank calls and brings
 *   op.c        collectives: who has come, handing over to the cards; pair.c: sends and receives
 *   wait.c      waiting for them; late.c: ranks that do not come
 *   plan.c      schedules and programs, cached
 *   lower.c     a schedule's steps as instructions
 *   member.c    one rank: address space, queue, program memory
 *   buffer.c    buffers: binding them where a rank reaches them
 *   stream.c    collectives inside a program
 *   span.c      allocator of addresses
 *   ways.c      what the cards look like to the pure half, and its schedule for them
 *   error.c     what is said about a failure, and who is to blame
 *
 * Locks, outer to inner:
 *   cc_team.lock   operations, plans, buffers, the error. Held while libaxon binds and submits,
 *		    never while it waits
 *   cc_comm.lock   a handle's state; nothing is called with it held
 */
#ifndef AXON_LIBAXCC_INTERNAL_H
#define AXON_LIBAXCC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "axcc/axcc.h"
#include "axon_hw.h"
#include "axon_isa.h"
#include "schedule.h"

#define AXCC_API	__attribute__((visibility("default")))

#define CC_SECOND		1000000000ull
#define CC_MS			1000000ull
#define CC_PAGE			4096ull
#define CC_LARGE_PAGE		(2ull << 20)
/* Addresses that a communicator wants at least. */
#define CC_MIN_SPACE		(64ull << 30)
/* Operations of a rank that may be under way. */
#define CC_MAX_REQS		256u
/*
 * Collectives that the coordinator may know of: those that were started and that its own ranks have
 * not ended, and as many again, which ranks of other processes have called that ended theirs.
 */
#define CC_MAX_OPS		(2 * CC_MAX_REQS)

struct cc_blame;
struct cc_team;
struct cc_member;
struct cc_plan;
struct cc_schedule_entry;
struct cc_staging;
struct cc_remote;
struct cc_gathering;
struct cc_streaming;

/* ---- span.c ---- */

struct cc_extent {
	uint64_t addr;
	uint64_t size;
};

/**
 * struct cc_span - an allocator of addresses; no lock of its own
 * @start: first address
 * @end: first one beyond
 * @used: sorted by address
 * @count: of @used
 * @room: of @used
 */
struct cc_span {
	uint64_t start;
	uint64_t end;
	struct cc_extent *used;
	size_t count;
	size_t room;
};

void cc_span_init(struct cc_span *span, uint64_t start, uint64_t end);
void cc_span_exit(struct cc_span *span);
/* @align is a power of two. Return: 0, -ENOSPC, -ENOMEM. */
int cc_span_alloc(struct cc_span *span, uint64_t size, uint64_t align, uint64_t *addr);
void cc_span_free(struct cc_span *span, uint64_t addr);

/* ---- lower.c ---- */

/**
 * struct cc_lowering - what a schedule's steps become instructions with
 * @schedule: verified
 * @rank: of the schedule
 * @address: tells where a buffer of a rank of the schedule starts in the address space of the
 *	program; only asked for buffers that the steps name
 * @opaque: for @address
 * @first_sem: added to the schedule's semaphores
 * @sem_value: what the core's semaphores have at the start, by semaphore of the schedule; NULL: 0.
 *	It is brought up to what they have at the end
 * @gang_rank: rank in the gang of each rank of the schedule; NULL: the same
 */
struct cc_lowering {
	const struct axcc_schedule *schedule;
	uint32_t rank;
	int (*address)(void *opaque, uint32_t rank, enum axcc_buffer buffer, uint64_t *va);
	void *opaque;
	uint32_t first_sem;
	uint32_t *sem_value;
	const uint16_t *gang_rank;
};

/* Instructions that cc_lower() makes at most, HALT not included. */
uint32_t cc_lower_room(const struct cc_lowering *l);
/* Return: 0 or what @address gave; *@count: instructions written. */
int cc_lower(const struct cc_lowering *l, struct axon_inst *code, uint32_t *count);
struct axon_inst cc_inst(uint8_t opcode);

/* ---- buffer.c ---- */

/**
 * struct cc_binding - a buffer in the address space of a rank of this process
 * @bo: the buffer as that rank's device knows it; NULL: not bound
 * @va: where it is bound
 * @own: @bo was imported and is to be destroyed
 */
struct cc_binding {
	struct axon_bo *bo;
	uint64_t va;
	bool own;
};

/**
 * struct cc_buffer - a buffer that operations use; guarded by cc_team.lock
 * @watch: tells when the user's handle goes; must come first
 * @team: whose
 * @bo: its owner's handle; NULL: it was destroyed
 * @dev: its device
 * @rank: a rank of that device
 * @size: bytes
 * @refs: operations that name it and have not been handed over
 * @leaving: the library lets go of it, not its owner
 * @next: in the hash chain, or in cc_team.ours
 * @bind: by index of the ranks of this process
 */
struct cc_buffer {
	struct axon_bo_watch watch;
	struct cc_team *team;
	struct axon_bo *bo;
	struct axon_device *dev;
	uint32_t rank;
	uint64_t size;
	uint32_t refs;
	bool leaving;
	struct cc_buffer *next;
	struct cc_binding bind[];
};

/* The buffer behind a handle, or NULL. */
struct cc_buffer *cc_buffer_find(struct cc_team *team, const struct axon_bo *bo);
/* Makes it known, so that it can be found. The one function here that wants the lock not held. */
int cc_buffer_add(struct cc_member *member, struct axon_bo *bo);
/* An operation that named it has been handed over; NULL does nothing. */
void cc_buffer_put(struct cc_buffer *buffer);
/* A new one of the library's in @member's HBM, freed with the team. */
int cc_buffer_new(struct cc_member *member, uint64_t size, struct cc_buffer **buffer);
void cc_buffer_drop(struct cc_team *team, struct cc_buffer *buffer);
/* Binds it for @member, if it is not yet. */
int cc_buffer_bind(struct cc_member *member, struct cc_buffer *buffer, uint64_t *va);
/* Which rank's memory an address of @member's is; AXCC_NO_RANK: nobody's. */
uint32_t cc_buffer_owner(struct cc_team *team, const struct cc_member *member, uint64_t va);
/* At the end; nobody else uses the team. */
void cc_buffers_free(struct cc_team *team);

/* ---- member.c ---- */

/* A piece of HBM that holds programs. */
struct cc_code_chunk {
	struct axon_bo *bo;
	uint8_t *ptr;
	uint64_t va;
	uint64_t size;
	struct cc_span span;
	struct cc_code_chunk *next;
};

/**
 * struct cc_code - a place for a program
 * @chunk: NULL: none
 * @va: of the program
 * @ptr: same, for the CPU
 */
struct cc_code {
	struct cc_code_chunk *chunk;
	uint64_t va;
	uint8_t *ptr;
};

enum cc_req_state {
	CC_REQ_FREE = 0,	/* never used */
	CC_REQ_GROUPED = 1,	/* in a group that has not ended */
	CC_REQ_POSTED = 2,	/* others have not come yet */
	CC_REQ_LAUNCHED = 3,	/* a job of @queue ends it */
	CC_REQ_DONE = 4,
	CC_REQ_RUNNING = 5,	/* the worker has it (remote.h) */
};

/**
 * struct cc_req - an operation of a rank of this process; guarded by cc_team.lock
 * @state: an &enum cc_req_state
 * @coll: an &enum axcc_coll
 * @seq: number at its rank
 * @nth: collectives: number of the collective, the same at all ranks; SEND, RECV: 0
 * @queue: LAUNCHED: whose job ends it
 * @seqno: LAUNCHED: number of that job
 * @algorithm: LAUNCHED: name of the schedule's
 * @since_ns: when it was posted
 * @peer: SEND, RECV: the other rank
 */
struct cc_req {
	uint32_t state;
	uint32_t coll;
	uint64_t seq;
	uint64_t nth;
	struct axon_queue *queue;
	uint64_t seqno;
	const char *algorithm;
	uint64_t since_ns;
	uint32_t peer;
};

/**
 * struct cc_member - a rank of this process; guarded by cc_team.lock, but what stays as it is
 * @team: its communicator
 * @index: in cc_team.member
 * @rank: its rank
 * @core: of @dev
 * @dev: its card
 * @vm: address space
 * @own_vm: @vm was made by the library
 * @space: addresses of @vm
 * @ctx: context
 * @queue: all of its launches; cancelled when the team fails, freed with it
 * @gang: address of the gangs' memory
 * @code: program memory
 * @code_chunks: pieces of it
 * @req: ring of operations, by number
 * @seq: of the newest operation
 * @nth: number of the newest collective
 * @staging: host memory that data go through on their way to other processes, or NULL
 * @scratch: HBM for what has no place in the user's buffers, or NULL
 * @moved: jobs of @queue that had ended when one more was last seen to have
 * @moved_ns: when that was
 * @inside: calls under way that do not wait for other ranks (atomic)
 */
struct cc_member {
	struct cc_team *team;
	uint32_t index;
	uint32_t rank;
	uint32_t core;
	struct axon_device *dev;
	struct axon_vm *vm;
	bool own_vm;
	struct cc_span space;
	struct axon_context *ctx;
	struct axon_queue *queue;
	uint64_t gang;
	struct cc_code_chunk *code;
	uint32_t code_chunks;
	struct cc_req req[CC_MAX_REQS];
	uint64_t seq;
	uint64_t nth;
	struct cc_staging *staging;
	struct cc_buffer *scratch;
	uint64_t moved;
	uint64_t moved_ns;
	atomic_uint inside;
};

int cc_member_init(struct cc_member *member, const struct axcc_options *options);
/* No other thread uses it; works on what cc_member_init() did not finish. */
void cc_member_exit(struct cc_member *member);
/* Room for a program. Return: 0, -ENOSPC (there are many, and not @more), -ENOMEM, ... */
int cc_code_alloc(struct cc_member *member, uint64_t size, bool more, struct cc_code *code);
void cc_code_free(struct cc_member *member, struct cc_code *code);

/* ---- plan.c ---- */

/* What one rank brings to an operation. */
struct cc_part {
	struct cc_buffer *src;
	struct cc_buffer *dst;
	uint64_t src_offset;
	uint64_t dst_offset;
};

/**
 * struct cc_launch - an operation of some ranks whose buffers are known
 * @req: for the schedule; targets as in the schedule
 * @rank: rank of the communicator of each rank of the schedule
 * @part: what each brings
 * @slot: of the gangs' memory
 */
struct cc_launch {
	struct axcc_request req;
	const uint32_t *rank;
	const struct cc_part *part;
	uint32_t slot;
};

/* Programs for all of the launch's ranks of this process, made if they are not there. */
int cc_plan_get(struct cc_team *team, const struct cc_launch *launch, struct cc_plan **plan);
const char *cc_plan_algorithm(const struct cc_plan *plan);
/* Submits them. *@seqno: by index of the rank in this process. */
int cc_plan_submit(struct cc_team *team, struct cc_plan *plan, uint64_t *seqno);
/* The schedule of a launch, good until the next call. */
int cc_schedule_get(struct cc_team *team, const struct cc_launch *launch,
		    const struct axcc_schedule **schedule);
/* TMP of that many bytes at all of the launch's ranks of this process. */
int cc_tmp_ensure(struct cc_team *team, const struct cc_launch *launch, uint64_t bytes);
/* Lowers, with HALT at the end; free() *@code. */
int cc_code_make(struct cc_lowering *low, struct axon_inst **code, uint32_t *count);
/* Lets go of plans: the older half, those on a buffer, all. */
void cc_plans_evict(struct cc_team *team);
void cc_plans_forget(struct cc_team *team, const struct cc_buffer *buffer);
void cc_plans_free(struct cc_team *team);
/* The rank of the communicator that is @gang_rank in the newest job of a plan; or AXCC_NO_RANK. */
uint32_t cc_plan_rank(struct cc_team *team, const struct cc_member *member, uint64_t seqno,
		      uint32_t gang_rank);

/* ---- ways.c ---- */

/* A verified schedule, by the fastest algorithm or the one that was asked for. */
int cc_schedule_make(struct cc_team *team, const struct cc_launch *launch,
		     struct axcc_schedule **schedule);

/* ---- operations ---- */

/* What a rank calls. @peer is that of SEND and RECV, @root that of BROADCAST and REDUCE, else 0. */
struct cc_call {
	uint32_t coll;
	uint32_t reduction;
	uint32_t dtype;
	uint32_t root;
	uint32_t peer;
	uint64_t count;
	const uint32_t *targets;
	struct axcc_buf send;
	struct axcc_buf recv;
};

/**
 * struct cc_op - a collective to which not all ranks have come yet; guarded by cc_team.lock
 * @open: it is one
 * @running: the worker has it (remote.h)
 * @nth: its number; of one that is over until the next one takes its place
 * @first: the rank that came first; the others' calls are compared with its
 * @arrived: how many have come; in a process that does not coordinate: of its own
 * @came: who
 * @since_ns: when the first one came
 * @req: what it is, with @in_place of those that have come
 * @targets: of PERMUTE
 * @part: by rank
 * @seq: its number at each rank of this process, by index
 */
struct cc_op {
	bool open;
	bool running;
	uint64_t nth;
	uint32_t first;
	uint32_t arrived;
	struct axcc_ranks came;
	uint64_t since_ns;
	struct axcc_request req;
	uint32_t *targets;
	struct cc_part *part;
	uint64_t *seq;
};

/* A send or receive that waits for its other half. */
struct cc_half {
	uint32_t coll;
	uint32_t rank;
	uint32_t peer;
	uint32_t dtype;
	uint64_t count;
	uint64_t seq;
	uint64_t since_ns;
	struct cc_part part;
	struct cc_half *next;	/* of the pair, or of cc_team.spare_halves */
	struct cc_half *older;	/* of all that wait */
	struct cc_half *newer;
};

/*
 * Sends of one rank to another, or receives, oldest first; both only in a process that does not
 * coordinate, since it does not match them.
 */
struct cc_pair {
	struct cc_half *first;
	struct cc_half *last;
};

/* What is put off until a group ends. */
struct cc_later {
	struct cc_member *member;
	uint64_t seq;
	struct cc_part part;
	bool in_place;
};

static inline bool cc_is_pair(uint32_t coll)
{
	return coll == AXCC_SEND || coll == AXCC_RECV;
}

/* ---- call.c ---- */

/* What of a call needs no buffers. Return: 0 or -EINVAL. */
int cc_call_check(const struct cc_team *team, const struct cc_call *call);
/* @req->targets are the call's. */
void cc_call_request(const struct cc_team *team, const struct cc_call *call,
		     struct axcc_request *req);
/* What is not the same as in @req; NULL: nothing. */
const char *cc_call_difference(const struct axcc_request *req, const struct cc_call *call);
/* The rank's buffers of a checked call; leaves the team's lock held if it returns 0. */
int cc_call_part(struct cc_member *member, const struct cc_call *call, struct cc_part *part,
		 bool *in_place);
void cc_part_hold(const struct cc_part *part);
void cc_part_put(struct cc_part *part);

/* ---- op.c ---- */

/* What was handed over: the jobs' numbers by index of the rank, and how. */
struct cc_handed {
	uint64_t seqno[AXCC_MAX_RANKS];
	const char *algorithm;
};

uint64_t cc_now_ns(void);
int cc_post(struct cc_member *member, const struct cc_call *call, uint64_t *seq);
int cc_post_later(struct cc_member *member, const struct cc_call *call, struct cc_later *later,
		  uint64_t *seq);
int cc_post_now(struct cc_later *later, const struct cc_call *call);
/* The rest wants the lock held. Hands programs over; an error is the whole team's. */
int cc_hand_over(struct cc_team *team, const struct cc_launch *l, struct cc_handed *handed,
		 const struct cc_blame *blame);
/* The job of a request. */
void cc_req_launched(struct cc_req *req, const struct cc_member *member,
		     const struct cc_handed *handed);
/* It has not ended. */
bool cc_req_busy(const struct cc_req *req);

/* ---- pair.c; the lock is held ---- */

/* A rank comes with a send or a receive, its operation number @seq; @part: if it is of here. */
int cc_half_arrive(struct cc_team *team, uint32_t rank, uint64_t seq, const struct cc_call *call,
		   const struct cc_part *part);
/* The coordinator's: a send or receive that waits for one of @peer, or NULL. */
const struct cc_half *cc_half_for(const struct cc_team *team, uint32_t peer);
void cc_pairs_free(struct cc_team *team);
uint32_t cc_pair_slot(const struct cc_team *team, uint32_t a, uint32_t b);

/* ---- wait.c ---- */

/* Time that does not come. */
#define CC_NEVER	UINT64_MAX

/* Return: 0, -ETIMEDOUT (@deadline_ns is over), -EINVAL, or why the team failed. */
int cc_wait(struct cc_member *member, uint64_t seq, uint64_t deadline_ns);
/* Nothing of the rank is under way. The lock is held. */
bool cc_member_idle(struct cc_member *member);
/* Finds failures of operations that nobody waits for. */
void cc_member_look(struct cc_member *member);

/* ---- late.c; the lock is held ---- */

/* By when others must have come: not before time was over for the operation before. */
uint64_t cc_req_due_ns(const struct cc_team *team, const struct cc_req *req);
/* A rank of this process has waited for long enough. */
void cc_overdue(struct cc_team *team, const struct cc_req *req);

/* ---- stream.c ---- */

/* Is a list of stages waiting for that rank's? */
bool cc_streams_need(const struct cc_team *team, uint32_t rank);

/* ---- team.c ---- */

/* The way from a card to another of its fabric, as the card says. */
struct cc_way {
	uint32_t mb_s;
	uint32_t latency_ns;
	uint32_t hops;
};

/**
 * struct cc_seat - who a rank is and where it sits
 * @info: what everybody may know
 * @host: number of its host, equal for those that can share memory
 * @process: number of its process
 * @card: number of its card on that host
 * @way: from its card, by place
 */
struct cc_seat {
	struct axcc_rank_info info;
	uint64_t host;
	uint64_t process;
	uint64_t card;
	struct cc_way way[AXON_MAX_PEERS];
};

/* Fills in a seat. */
int cc_seat_take(struct cc_seat *seat, struct axon_device *dev, uint32_t core);

bool cc_same_card(const struct cc_seat *a, const struct cc_seat *b);

/* A rank of this process that joins a team. */
struct cc_joiner {
	uint32_t rank;
	struct axon_device *dev;
	uint32_t core;
	const struct axcc_options *options;
};

/**
 * struct cc_blame - what goes wrong
 * @kind: an &enum axcc_error_kind
 * @error: negative errno that calls return
 * @rank: whose fault it is, or AXCC_NO_RANK
 * @coll: operation; AXCC_NUM_COLLS: none
 * @nth: number of the collective; 0: none
 * @detail: goes on after "rank 3 (...) "
 */
struct cc_blame {
	uint32_t kind;
	int error;
	uint32_t rank;
	uint32_t coll;
	uint64_t nth;
	char detail[280];
};

#define CC_BUFFER_CHAINS	256u
#define CC_PLAN_CHAINS		256u
#define CC_NO_MEMBER		0xffffu
/* Gangs' memory: all ranks; streams; pairs of ranks. */
#define CC_STREAM_SLOTS		255u
#define CC_FIRST_PAIR_SLOT	(1 + CC_STREAM_SLOTS)

/**
 * struct cc_team - the ranks of one communicator in this process
 * @lock: see above; guards everything that does not stay as it is
 * @cond: an operation was handed over, or the team failed
 * @sleepers: threads that wait on @cond
 * @refs: handles (atomic)
 * @ranks: of the communicator
 * @members: of these, in this process
 * @timeout_ms: see axcc_options
 * @spin_us: same
 * @seat: by rank
 * @member: ranks of this process
 * @member_of: index in @member, by rank, or CC_NO_MEMBER
 * @identity: 0, 1, 2, ...
 * @algorithm: see axcc_options
 * @log: same
 * @log_opaque: same
 * @buffers: of the user, in hash chains
 * @ours: made by the library
 * @tmp: TMP of schedules, by rank
 * @gang: the gangs' memory
 * @schedules: cache
 * @plans: cache, in hash chains
 * @newest: plan used last
 * @oldest: plan not used for longest
 * @dying: plans given up that may still run
 * @num_plans: in @plans
 * @op: collectives, by number
 * @pair: sends and receives, by sender and receiver; NULL before the first
 * @oldest_half: of all in @pair, the one that has waited for longest; then cc_half.newer
 * @newest_half: of all in @pair
 * @spare_halves: to be used again
 * @met: index of the member whose card gave the last error while programs were made or submitted
 * @launched_ns: when an operation was last handed over, or seen to end by who waits for the next
 * @gone: ranks whose handle was destroyed
 * @failed: @error is set (atomic)
 * @error: why
 * @error_nth: number of the collective in @error, or 0
 * @lost: who was seen to fail
 * @streams: in use, by slot
 * @streamings: lists of stages
 * @gatherings: ranks that want a new communicator
 * @remote: the other processes; NULL: all ranks are in this one
 */
struct cc_team {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint32_t sleepers;
	atomic_uint refs;
	uint32_t ranks;
	uint32_t members;
	uint32_t timeout_ms;
	uint32_t spin_us;
	struct cc_seat *seat;
	struct cc_member *member;
	uint16_t member_of[AXCC_MAX_RANKS];
	uint32_t identity[AXCC_MAX_RANKS];
	char *algorithm;
	axon_log_fn log;
	void *log_opaque;

	struct cc_buffer *buffers[CC_BUFFER_CHAINS];
	struct cc_buffer *ours;
	struct cc_buffer *tmp[AXCC_MAX_RANKS];
	struct cc_buffer *gang;
	struct cc_schedule_entry *schedules;
	struct cc_plan *plans[CC_PLAN_CHAINS];
	struct cc_plan *newest;
	struct cc_plan *oldest;
	struct cc_plan *dying;
	uint32_t num_plans;

	struct cc_op op[CC_MAX_OPS];
	struct cc_pair *pair;
	struct cc_half *oldest_half;
	struct cc_half *newest_half;
	struct cc_half *spare_halves;
	uint32_t met;
	uint64_t launched_ns;
	struct axcc_ranks gone;
	atomic_bool failed;
	struct axcc_error error;
	uint64_t error_nth;
	struct axcc_ranks lost;
	uint64_t streams[(CC_STREAM_SLOTS + 63) / 64];
	struct cc_streaming *streamings;
	struct cc_gathering *gatherings;
	struct cc_remote *remote;
};

static inline struct cc_member *cc_member_of(struct cc_team *team, uint32_t rank)
{
	return team->member_of[rank] == CC_NO_MEMBER ? NULL : &team->member[team->member_of[rank]];
}

static inline struct cc_op *cc_op_of(struct cc_team *team, uint64_t nth)
{
	return &team->op[nth % CC_MAX_OPS];
}

/* An operation was handed over or has ended. The lock is held. */
static inline void cc_team_wake(struct cc_team *team)
{
	if (team->sleepers)
		pthread_cond_broadcast(&team->cond);
}

/* Until something of the team changes, or that time, CLOCK_MONOTONIC; it may be in vain. */
void cc_team_sleep(struct cc_team *team, uint64_t ns);

/*
 * Makes a team with @joiners, in the order of their ranks; *@blame says what is wrong. @seat is the
 * team's from then on, also on failure.
 */
int cc_team_create(struct cc_seat *seat, uint32_t ranks, const struct cc_joiner *joiner,
		   uint32_t joiners, struct cc_team **team, struct cc_blame *blame);
void cc_team_get(struct cc_team *team);
void cc_team_put(struct cc_team *team);
/* The first failure counts; everything of the team ends. The lock is held. */
void cc_team_fail(struct cc_team *team, const struct cc_blame *blame);
/* A job did not end well: finds out why. Return: the team's error. */
int cc_team_job_failed(struct cc_member *member, const struct cc_req *req, int error);
/* Fails if the operation needs a rank that has left; @peer: of SEND, RECV. The lock is held. */
void cc_team_check_gone(struct cc_team *team, uint32_t coll, uint64_t nth, uint32_t peer);
/* A rank has left. The lock is held. */
void cc_team_gone(struct cc_team *team, uint32_t rank);
/* A rank's handle goes. */
void cc_team_leave(struct cc_member *member);
void cc_rank_lost(struct cc_team *team, uint32_t rank);

/* ---- error.c ---- */

/* "all_reduce(sum, 1024 x float32)" */
void cc_call_str(const struct cc_call *call, char *buf, size_t size);
/* Fills in the public form. */
void cc_error_make(struct axcc_error *error, const struct cc_blame *blame,
		   const struct cc_seat *seat);
/* Is one that another process sent sound, and of a communicator of @ranks? Ends its text. */
bool cc_blame_check(struct cc_blame *blame, uint32_t ranks);
/* Takes one that is all of a message. Return: its error, or -EPROTO. */
int cc_blame_take(struct cc_blame *blame, const void *message, uint32_t ranks);
/* What the cards of this process say about a failure. Return: false: nothing. The lock is held. */
bool cc_blame_cards(const struct cc_team *team, struct cc_blame *blame);
/* If they do not know: @member met @error. */
void cc_blame_member(const struct cc_member *member, int error, struct cc_blame *blame);

/* ---- comm.c ---- */

/**
 * struct axcc_comm - a handle
 * @lock: guards the members up to @waits
 * @error: of an init, split or shrink that failed
 * @begun: one of those was called
 * @options: as given, with defaults; @algorithm is its own copy
 * @member: this rank, when the handle belongs to a team (atomic)
 * @waits: it waits with that team's condition for a new one
 * @aborted: axcc_comm_abort() was called (atomic)
 * @abort_fd: readable from then on
 */
struct axcc_comm {
	pthread_mutex_t lock;
	struct axcc_error error;
	bool begun;
	struct cc_team *waits;
	struct axcc_options options;
	_Atomic(struct cc_member *) member;
	atomic_bool aborted;
	int abort_fd;
};

/* Claims a handle for init, split or shrink. Return: 0, -EINVAL (used already), -ECANCELED. */
int cc_comm_begin(struct axcc_comm *comm);
/* Ends what was begun: with @member, or with an error that @blame (may be NULL) explains. */
int cc_comm_finish(struct axcc_comm *comm, struct cc_member *member, int err,
		   const struct cc_blame *blame);

/* While it waits for ranks of @team; NULL: no more. That team's lock is held. */
void cc_comm_waits(struct axcc_comm *comm, struct cc_team *team);
/* A team of ranks of this process, one a handle. */
int cc_join_here(struct axcc_comm *const *comms, struct axon_device *const *devs,
		 const uint32_t *cores, uint32_t ranks, struct cc_team **team,
		 struct cc_blame *blame);

/* ---- batch.c ---- */

/* Is this thread in a group? */
bool cc_batch_open(void);
int cc_batch_call(struct cc_member *member, const struct cc_call *call, uint64_t *seq);

/* An init, split or shrink, to be run in a thread of its own. */
struct cc_task {
	int (*run)(struct cc_task *task);
	struct axcc_comm *comm;
	struct cc_task *next;
	pthread_t thread;
	bool started;
	int err;
};

/* Takes @task over, which was malloc()ed. */
void cc_batch_task(struct cc_task *task);
/* Claims its handle, takes it over, and runs it, in a group at the end of that. */
int cc_task_begin(struct cc_task *task);

#endif /* AXON_LIBAXCC_INTERNAL_H */
