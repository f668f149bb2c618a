/* SPDX-License-Identifier: MIT */
/*
 * internal.h - how the files of libnrt meet.
 *
 *   state.c    nrt_init(), nrt_close(): cards, cores, what the process sees
 *   card.c     memory of a card: buffers bound at addresses
 *   image.c    executables: checking and relocating; touches no card
 *   model.c    nrt_load(), nrt_execute()
 *   tensor.c   tensors
 *   set.c      tensor sets
 *   async.c    nrta_*: requests carried out by threads of the library
 *   cc.c       collectives, over libaxcc
 *   trace.c    nrt_sys_trace_*
 *   profile.c  nrt_profile_start(), nrt_profile_stop()
 *   missing.c  what is not implemented and says so
 *   log.c      the log; status.c: names of statuses
 *
 * The nrt API has no handle for "the library", so this is the one part with process-wide state
 * (state.c, log.c, async.c, cc.c, trace.c, profile.c). Nothing on the way of nrt_execute() takes a
 * process-wide lock.
 *
 * Locks, outer to inner: nrt_state.lock (init, close, counts) > cc.c's > profile.lock >
 * nrt_model.lock (one execution at a time) > nrt_card.lock (addresses, lists of a card) >
 * libaxon's own.
 */
#ifndef NRT_INTERNAL_H
#define NRT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "axon/axon.h"
#include "axon_elf.h"
#include "axon_hw.h"
#include "axon_isa.h"
#include "nrt/nrt.h"
#include "nrt/nrt_async.h"
#include "nrt/nrt_async_sendrecv.h"
#include "nrt/nrt_experimental.h"
#include "nrt/nrt_profile.h"
#include "nrt/nrt_sys_trace.h"
#include "nrt/nrt_version.h"
#include "nrt/ndebug_stream.h"

#define NRT_API		__attribute__((visibility("default")))

/* ---- log.c ---- */

enum nrt_log_level {
	NRT_LOG_QUIET = 0,
	NRT_LOG_ERROR = 1,
	NRT_LOG_WARN = 2,
	NRT_LOG_INFO = 3,
	NRT_LOG_DEBUG = 4,
	NRT_LOG_TRACE = 5,
};

/* Which layer speaks: the API, the model loader, the driver's user. */
enum nrt_log_component { NRT_LOG_NRT = 0, NRT_LOG_NMGR = 1, NRT_LOG_TDRV = 2, NRT_LOG_COMPONENTS };

/* Reads NEURON_RT_LOG_* again. */
void nrt_log_setup(void);
void nrt_log_write(enum nrt_log_component component, enum nrt_log_level level, const char *func,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* What a function says that is not implemented in this version. */
NRT_STATUS nrt_missing(const char *func, NRT_STATUS status);

#define nrt_err(component, ...) \
	nrt_log_write(NRT_LOG_##component, NRT_LOG_ERROR, __func__, __VA_ARGS__)
#define nrt_warn(component, ...) \
	nrt_log_write(NRT_LOG_##component, NRT_LOG_WARN, __func__, __VA_ARGS__)
#define nrt_info(component, ...) \
	nrt_log_write(NRT_LOG_##component, NRT_LOG_INFO, __func__, __VA_ARGS__)

/* ---- card.c ---- */

struct nrt_card;

struct nrt_extent {
	uint64_t addr;
	uint64_t size;
};

/**
 * struct nrt_mem - a buffer bound in its card's address space
 * @card: NULL once nrt_close() took it
 * @bo: the buffer
 * @ptr: CPU address
 * @addr: card address
 * @size: bytes, whole pages
 * @prev: in nrt_card.mems
 * @next: same
 */
struct nrt_mem {
	struct nrt_card *card;
	struct axon_bo *bo;
	uint8_t *ptr;
	uint64_t addr;
	uint64_t size;
	struct nrt_mem *prev;
	struct nrt_mem *next;
};

/* A piece of a buffer with its own permissions; pieces follow each other in buffer and space. */
struct nrt_piece {
	uint64_t size;
	uint32_t flags;		/* DRM_AXON_BIND_* */
	uint64_t addr;		/* result */
	uint8_t *ptr;		/* result */
};

/**
 * struct nrt_card - a card this process uses
 * @dev: the device
 * @vm: one address space for all of the process's cores of the card, so that they share tensors
 * @index: of the device
 * @num_cores: cores it has
 * @lock: guards @used .. @mems
 * @used: address ranges in use, sorted
 * @used_count: of @used
 * @used_room: of @used
 * @mems: every buffer
 */
struct nrt_card {
	struct axon_device *dev;
	struct axon_vm *vm;
	uint32_t index;
	uint32_t num_cores;
	pthread_mutex_t lock;
	struct nrt_extent *used;
	size_t used_count;
	size_t used_room;
	struct nrt_mem *mems;
};

/**
 * struct nrt_core - a core this process sees
 * @card: its card
 * @vnc: index among the visible ones
 * @core: index on its card
 * @ctx: context: a failure stops this core's work and no other's
 * @queue: the queue
 * @dead: an execution failed and banned the context (atomic)
 * @models: models loaded (atomic)
 */
struct nrt_core {
	struct nrt_card *card;
	uint32_t vnc;
	uint32_t core;
	struct axon_context *ctx;
	struct axon_queue *queue;
	atomic_bool dead;
	atomic_uint models;
};

int nrt_card_open(struct nrt_card *card, uint32_t index);
/* Takes the memory of whatever still lives; owners see nrt_mem.card == NULL. */
void nrt_card_close(struct nrt_card *card);
int nrt_core_open(struct nrt_core *core, uint32_t timeout_ms);
void nrt_core_close(struct nrt_core *core);
/**
 * nrt_mem_alloc() - a buffer whose pieces are bound with guard pages around them
 * @region: an &enum drm_axon_region
 * @shared: other cards and processes may be given it (nrt_mem_export())
 * @pieces: sizes and flags in, addresses out; a size of 0 is left out
 *
 * Return: 0 or negative errno.
 */
int nrt_mem_alloc(struct nrt_card *card, uint32_t region, bool shared, struct nrt_piece *pieces,
		  unsigned int count, struct nrt_mem *mem);
/* A dma-buf of the buffer that starts at CPU address @ptr and has @size bytes; -ENOENT: no such. */
int nrt_mem_export(struct nrt_card *card, uintptr_t ptr, uint64_t size, int *fd);
void nrt_mem_free(struct nrt_mem *mem);
/* Addresses that nobody else uses, for somebody who binds there himself. 0 or -ENOSPC, -ENOMEM. */
int nrt_addr_reserve(struct nrt_card *card, uint64_t size, uint64_t *addr);
void nrt_addr_release(struct nrt_card *card, uint64_t addr);
/* What an error of libaxon is to a caller of the nrt API. */
NRT_STATUS nrt_status_of(int err);
/* What the end of a job is; logs the details and marks the core dead. */
NRT_STATUS nrt_core_failed(struct nrt_core *core, int err, const char *what);
/* Submits jobs and waits for them. */
NRT_STATUS nrt_core_run(struct nrt_core *core, const struct drm_axon_job *jobs, uint32_t count,
			const char *what);

/* An &enum axon_engine in words. */
const char *nrt_engine_name(uint32_t engine);

/* ---- state.c ---- */

extern uint32_t nrt_timeout_ms;	/* NEURON_RT_EXEC_TIMEOUT of the running session */
/* NRT_SUCCESS while initialised, else NRT_UNINITIALIZED or NRT_CLOSED. */
NRT_STATUS nrt_ready(void);
/* A core by its index, NULL if there is none; -1 only where the caller allows it. */
struct nrt_core *nrt_core_get(int32_t vnc);
struct nrt_core *nrt_core_least_loaded(void);
uint32_t nrt_core_count(void);
uint32_t nrt_card_count(void);
/* Number of this session: handles of an earlier one are dead. */
uint64_t nrt_session(void);

/* ---- image.c ---- */

struct nrt_text {
	const uint8_t *bytes;
	uint64_t size;
	const uint8_t *rela;	/* Elf64_Rela, unaligned */
	uint64_t relocs;
};

/**
 * struct nrt_image - an executable that was checked; points into the caller's bytes
 * @text: code by &enum axon_engine; size 0: none
 * @constant: contents of .const
 * @constant_size: bytes
 * @bss_size: bytes
 * @tensors: struct axon_elf_tensor[], unaligned
 * @num_tensors: inputs and outputs
 * @num_inputs: of these, inputs
 * @collectives: struct axon_elf_collective[], unaligned
 * @num_collectives: how many
 * @symbol_is_bss: by symbol index; only for relocations
 * @info: the note
 */
struct nrt_image {
	struct nrt_text text[AXON_NUM_ENGINES];
	const uint8_t *constant;
	uint64_t constant_size;
	uint64_t bss_size;
	const uint8_t *tensors;
	uint32_t num_tensors;
	uint32_t num_inputs;
	const uint8_t *collectives;
	uint32_t num_collectives;
	const uint8_t *symtab;
	struct axon_elf_info info;
	/* Symbol table indices; 0: absent. */
	uint32_t sym_const;
	uint32_t sym_bss;
};

/**
 * nrt_image_parse() - check an executable completely
 * @revision: generation of the card it shall run on
 *
 * Return: NRT_SUCCESS; NRT_INVALID (damaged or not for this card), NRT_UNSUPPORTED_NEFF_VERSION;
 * the reason is in the log.
 */
NRT_STATUS nrt_image_parse(const void *bytes, size_t size, uint32_t revision,
			   struct nrt_image *image);
/* Copies a tensor's description out. */
struct axon_elf_tensor nrt_image_tensor(const struct nrt_image *image, uint32_t index);
/* The same for a collective. */
struct axon_elf_collective nrt_image_collective(const struct nrt_image *image, uint32_t index);
/* Copies an engine's code to @dst (card memory) and relocates it. */
void nrt_image_text(const struct nrt_image *image, unsigned int engine, uint8_t *dst,
		    uint64_t const_addr, uint64_t bss_addr);

/* ---- tensor.c ---- */

/**
 * struct nrt_storage - what is behind a tensor and its slices
 * @refs: tensors on it (atomic)
 * @session: of nrt_init() in which it was made
 * @core: whose queue copies and fills it; NULL without card memory
 * @mem: card or host memory
 * @has_mem: @mem is valid
 * @user: caller's memory put behind an empty tensor, or NULL; @mem is then its copy for the card
 * @size: bytes usable
 * @host: placed in host memory
 */
struct nrt_storage {
	atomic_uint refs;
	uint64_t session;
	struct nrt_core *core;
	struct nrt_mem mem;
	bool has_mem;
	bool host;
	uint8_t *user;
	size_t size;
};

/**
 * struct nrt_tensor - a range of a storage
 * @storage: NULL for an empty tensor
 * @offset: first byte
 * @size: bytes
 * @completions: executions that wrote it since it was reset (atomic)
 * @name: for logs
 */
struct nrt_tensor {
	struct nrt_storage *storage;
	size_t offset;
	size_t size;
	_Atomic uint64_t completions;
	char name[64];
};

/* Card address of a tensor for a core of @card; copies caller's memory's size. */
NRT_STATUS nrt_tensor_card_addr(struct nrt_tensor *tensor, struct nrt_core *core, uint64_t *addr);
/* Attached buffers: before and after an execution. */
void nrt_tensor_copy_in(struct nrt_tensor *tensor);
void nrt_tensor_copy_out(struct nrt_tensor *tensor);
void nrt_tensor_completed(struct nrt_tensor *tensor);
/* Changes whenever a tensor got other memory. */
uint64_t nrt_tensor_epoch(void);

/* ---- set.c ---- */

struct nrt_set;
/* NULL if there is no such name. */
struct nrt_tensor *nrt_set_find(const struct nrt_set *set, const char *name);
/* Never the same for two contents, of whatever set. */
uint64_t nrt_set_version(const struct nrt_set *set);

/* ---- model.c, profile.c ---- */

struct nrt_core *nrt_model_core(const struct nrt_model *model);
/* Executions write @count records to @addr from now on (0: none). Return: records of the last. */
uint32_t nrt_model_profile(struct nrt_model *model, uint64_t addr, uint32_t count);
/* A model (NULL: every model) goes away. */
void nrt_profile_forget(const struct nrt_model *model);

/* ---- async.c ---- */

/* Ends the threads; requests not begun fail with NRT_CLOSED. */
void nrt_async_stop(void);

/* ---- cc.c ---- */

struct axcc_stream;
struct nrt_cc_context;
struct nrt_cc_stream;
/* Makes a core a rank among all; waits for the others the first time. */
NRT_STATUS nrt_cc_join(int32_t vnc, uint32_t rank, uint32_t ranks);
/* Carries a prepared operation out and frees it. */
NRT_STATUS nrt_cc_carry_out(struct nrt_cc_context *ctx);
void nrt_cc_drop(struct nrt_cc_context *ctx);
/* The core it is for. Return: false: it is of an earlier session. */
bool nrt_cc_vnc(const struct nrt_cc_context *ctx, uint32_t *vnc);
/**
 * nrt_cc_stream_new() - what a program needs for its collectives; waits for the other ranks
 * @core: that will run it
 * @image: with collectives
 * @bo: that holds the program's .bss, and stays until nrt_cc_stream_free()
 * @bss: where in it
 *
 * Return: NRT_SUCCESS; NRT_INVALID (they do not fit in .bss, or into what the core is), or what
 * libaxcc said.
 */
NRT_STATUS nrt_cc_stream_new(struct nrt_core *core, uint32_t rank, uint32_t ranks,
			     const struct nrt_image *image, struct axon_bo *bo, uint64_t bss,
			     struct nrt_cc_stream **stream);
/* NULL after nrt_close(). */
const struct axcc_stream *nrt_cc_stream_code(const struct nrt_cc_stream *stream);
void nrt_cc_stream_free(struct nrt_cc_stream *stream);
/* Leaves every communicator. */
void nrt_cc_close(void);

/* ---- trace.c ---- */

extern atomic_bool nrt_trace_on;
/* An execution: gives the id that its end is to carry. */
uint64_t nrt_trace_begin(uint32_t vnc, const char *model);
void nrt_trace_end(uint32_t vnc, uint64_t id, const char *model);

#endif /* NRT_INTERNAL_H */
