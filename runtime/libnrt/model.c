// SPDX-License-Identifier: MIT
/*
 * model.c - models: an executable in a card's memory, and running it.
 *
 * nrt_execute() with the tensors of the time before is one submission and one wait: the arguments
 * stay where they are, nothing is allocated and no name is looked up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "axcc/axcc.h"
#include "internal.h"

#define INST_ALIGN	128ull

enum { PIECE_CODE, PIECE_CONST, PIECE_BSS, PIECE_ARGS, NUM_PIECES };

/**
 * struct nrt_model - a loaded executable
 * @session: of nrt_init() in which it was loaded
 * @core: it runs on
 * @mem: program descriptor and code, constants, scratch, arguments
 * @collectives: what the collectives sequencer does, or NULL
 * @cc_mem: its code
 * @program: card address of its struct axon_program
 * @bss: where the scratch memory lies in @mem's buffer
 * @args: card address of the argument block
 * @args_ptr: the same for the CPU
 * @tensors: inputs, then outputs
 * @num_tensors: of both
 * @num_inputs: of these, inputs
 * @pair: of an output: the input of the same name, or UINT32_MAX
 * @id: for logs and traces
 * @name: same
 * @lock: one execution at a time, since there is one argument block; guards the rest
 * @bound: tensors whose addresses stand in the arguments
 * @input_version: of the sets they came from
 * @output_version: same
 * @epoch: nrt_tensor_epoch() at that time
 * @attached: some of them are callers' memory
 * @profile: card address of profile records, or 0
 * @profile_count: how many fit
 * @profiled: records that the newest execution made
 */
struct nrt_model {
	uint64_t session;
	struct nrt_core *core;
	struct nrt_mem mem;
	struct nrt_cc_stream *collectives;
	struct nrt_mem cc_mem;
	uint64_t program;
	uint64_t bss;
	uint64_t args;
	uint64_t *args_ptr;
	struct axon_elf_tensor *tensors;
	uint32_t num_tensors;
	uint32_t num_inputs;
	uint32_t *pair;
	uint64_t id;
	char name[64];
	pthread_mutex_t lock;
	struct nrt_tensor **bound;
	uint64_t input_version;
	uint64_t output_version;
	uint64_t epoch;
	bool attached;
	uint64_t profile;
	uint32_t profile_count;
	uint32_t profiled;
};

static _Atomic uint64_t next_model = 1;

/* ---- load ---- */

static uint64_t inst_up(uint64_t size)
{
	return (size + INST_ALIGN - 1) & ~(INST_ALIGN - 1);
}

static uint64_t code_size(const struct nrt_image *image)
{
	uint64_t size = sizeof(struct axon_program);
	unsigned int i;

	for (i = 0; i < AXON_NUM_ENGINES; i++)
		size += inst_up(image->text[i].size);
	return size;
}

/* @keep: a number no other model of this process has. */
static void write_code(const struct nrt_image *image, const struct nrt_piece *pieces,
		       uint64_t keep)
{
	struct axon_program program = {
		.magic = AXON_PROGRAM_MAGIC,
		.version = image->info.isa_version,
		.keep = (image->info.isa_version & 0xffff) < AXON_ISA_KEEP_MINOR ? 0 : keep,
	};
	uint64_t at = sizeof(program);
	unsigned int i;

	for (i = 0; i < AXON_NUM_ENGINES; i++) {
		if (!image->text[i].size)
			continue;
		program.engine[i].addr = pieces[PIECE_CODE].addr + at;
		program.engine[i].count =
			(uint32_t)(image->text[i].size / sizeof(struct axon_inst));
		nrt_image_text(image, i, pieces[PIECE_CODE].ptr + at, pieces[PIECE_CONST].addr,
			       pieces[PIECE_BSS].addr);
		at += inst_up(image->text[i].size);
	}
	memcpy(pieces[PIECE_CODE].ptr, &program, sizeof(program));
	if (image->constant_size)
		memcpy(pieces[PIECE_CONST].ptr, image->constant, image->constant_size);
}

static NRT_STATUS place(struct nrt_model *model, const struct nrt_image *image)
{
	struct nrt_piece pieces[NUM_PIECES] = {
		[PIECE_CODE] = { code_size(image), DRM_AXON_BIND_READONLY },
		[PIECE_CONST] = { image->constant_size,
				  DRM_AXON_BIND_READONLY | DRM_AXON_BIND_NOEXEC },
		[PIECE_BSS] = { image->bss_size, DRM_AXON_BIND_NOEXEC },
		[PIECE_ARGS] = { (image->num_tensors ? image->num_tensors : 1) * sizeof(uint64_t),
				 DRM_AXON_BIND_READONLY | DRM_AXON_BIND_NOEXEC },
	};
	/* The others reach into the scratch memory of a program with collectives. */
	int err = nrt_mem_alloc(model->core->card, DRM_AXON_REGION_HBM, image->num_collectives,
				pieces, NUM_PIECES, &model->mem);

	if (err) {
		nrt_err(NMGR, "no memory for model %s: code %llu, constants %llu, scratch %llu: %s",
			model->name, (unsigned long long)pieces[PIECE_CODE].size,
			(unsigned long long)image->constant_size,
			(unsigned long long)image->bss_size, strerror(-err));
		return nrt_status_of(err);
	}
	write_code(image, pieces, model->id);
	model->program = pieces[PIECE_CODE].addr;
	model->args = pieces[PIECE_ARGS].addr;
	model->args_ptr = (uint64_t *)pieces[PIECE_ARGS].ptr;
	model->bss = (uint64_t)(pieces[PIECE_BSS].ptr - model->mem.ptr);
	return NRT_SUCCESS;
}

/* The collectives sequencer's code. The program's descriptor is the first in @model->mem. */
static NRT_STATUS place_collectives(struct nrt_model *model, uint32_t isa_version)
{
	const struct axcc_stream *s = nrt_cc_stream_code(model->collectives);
	struct nrt_piece piece = { s->count * sizeof(*s->code), DRM_AXON_BIND_READONLY };
	int err = nrt_mem_alloc(model->core->card, DRM_AXON_REGION_HBM, false, &piece, 1,
				&model->cc_mem);
	struct axon_program *program = (struct axon_program *)(void *)model->mem.ptr;

	if (err) {
		nrt_err(NMGR, "no memory for the collectives of model %s: %u instructions: %s",
			model->name, s->count, strerror(-err));
		return nrt_status_of(err);
	}
	memcpy(piece.ptr, s->code, s->count * sizeof(*s->code));
	program->engine[AXON_ENGINE_CC].addr = piece.addr;
	program->engine[AXON_ENGINE_CC].count = s->count;
	program->gang = s->gang;
	program->rank = s->rank;
	program->ranks = s->ranks;
	/* Its instructions are of the library's version, whatever the others are. */
	if ((isa_version & 0xffff) < AXON_ISA_GANG_MINOR)
		program->version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_GANG_MINOR;
	return NRT_SUCCESS;
}

/* Names that stand as input and as output are one tensor, updated in place. */
static void find_pairs(struct nrt_model *model)
{
	uint32_t i;
	uint32_t o;

	for (o = 0; o < model->num_tensors; o++)
		model->pair[o] = UINT32_MAX;
	for (o = model->num_inputs; o < model->num_tensors; o++)
		for (i = 0; i < model->num_inputs; i++)
			if (!strcmp(model->tensors[i].name, model->tensors[o].name))
				model->pair[o] = i;
}

static NRT_STATUS describe(struct nrt_model *model, const struct nrt_image *image)
{
	size_t room = image->num_tensors ? image->num_tensors : 1;
	uint32_t i;

	model->tensors = calloc(room, sizeof(*model->tensors));
	model->pair = calloc(room, sizeof(*model->pair));
	model->bound = calloc(room, sizeof(*model->bound));
	if (!model->tensors || !model->pair || !model->bound)
		return NRT_RESOURCE;
	model->num_tensors = image->num_tensors;
	model->num_inputs = image->num_inputs;
	for (i = 0; i < model->num_tensors; i++)
		model->tensors[i] = nrt_image_tensor(image, i);
	find_pairs(model);
	return NRT_SUCCESS;
}

static void model_free(struct nrt_model *model)
{
	nrt_cc_stream_free(model->collectives);
	nrt_mem_free(&model->cc_mem);
	nrt_mem_free(&model->mem);
	free(model->tensors);
	free(model->pair);
	free(model->bound);
	pthread_mutex_destroy(&model->lock);
	free(model);
}

static uint32_t card_revision(struct nrt_core *core, NRT_STATUS *status)
{
	struct drm_axon_query_device info;
	int err = axon_device_query(core->card->dev, &info);

	*status = nrt_status_of(err);
	return err ? 0 : info.revision;
}

static NRT_STATUS place_all(struct nrt_model *model, const struct nrt_image *image, uint32_t rank,
			    uint32_t ranks)
{
	NRT_STATUS status = describe(model, image);

	if (!status)
		status = place(model, image);
	if (status || !image->num_collectives)
		return status;
	status = nrt_cc_stream_new(model->core, rank, ranks, image, model->mem.bo, model->bss,
				   &model->collectives);
	return status ? status : place_collectives(model, image->info.isa_version);
}

/* @ranks: 0: not among ranks. */
static NRT_STATUS load(const void *bytes, size_t size, struct nrt_core *core, uint32_t rank,
		       uint32_t ranks, struct nrt_model **out)
{
	struct nrt_image image;
	struct nrt_model *model;
	NRT_STATUS status;
	uint32_t revision = card_revision(core, &status);

	if (!status)
		status = nrt_image_parse(bytes, size, revision, &image);
	if (status)
		return status;
	if (image.num_collectives && !ranks) {
		nrt_err(NMGR, "%s has collectives: nrt_load_collectives() says with whom",
			image.info.name);
		return NRT_INVALID;
	}
	model = calloc(1, sizeof(*model));
	if (!model)
		return NRT_RESOURCE;
	pthread_mutex_init(&model->lock, NULL);
	model->session = nrt_session();
	model->core = core;
	model->id = atomic_fetch_add(&next_model, 1);
	memcpy(model->name, image.info.name, sizeof(model->name));
	status = place_all(model, &image, rank, ranks);
	if (status) {
		model_free(model);
		return status;
	}
	atomic_fetch_add(&core->models, 1);
	nrt_info(NMGR, "model %s loaded on core %u", model->name, core->vnc);
	*out = model;
	return NRT_SUCCESS;
}

static NRT_STATUS load_on(const void *neff_bytes, size_t size, int32_t vnc, int32_t vnc_count,
			  uint32_t rank, uint32_t ranks, nrt_model_t **model)
{
	NRT_STATUS status = nrt_ready();
	struct nrt_core *core;

	if (status)
		return status;
	if (!neff_bytes || !model)
		return NRT_INVALID;
	*model = NULL;
	if (vnc_count > 1) {
		nrt_err(NRT, "%d cores asked for: this version runs a model on one", vnc_count);
		return NRT_LOAD_NOT_ENOUGH_NC;
	}
	core = vnc == -1 ? nrt_core_least_loaded() : nrt_core_get(vnc);
	if (!core || (vnc_count != 1 && vnc_count != -1)) {
		nrt_err(NRT, "no core %d of %u, or a count of %d", vnc, nrt_core_count(),
			vnc_count);
		return NRT_INVALID;
	}
	return load(neff_bytes, size, core, rank, ranks, model);
}

NRT_API NRT_STATUS nrt_load(const void *neff_bytes, size_t size, int32_t vnc, int32_t vnc_count,
			    nrt_model_t **model)
{
	return load_on(neff_bytes, size, vnc, vnc_count, 0, 0, model);
}

NRT_API NRT_STATUS nrt_load_collectives(const void *neff_bytes, size_t size, int32_t vnc,
					int32_t vnc_count, uint32_t ctx_device_id,
					uint32_t ctx_device_count, nrt_model_t **model)
{
	NRT_STATUS status = nrt_ready();

	if (status)
		return status;
	if (!ctx_device_count || ctx_device_id >= ctx_device_count)
		return NRT_INVALID;
	if (ctx_device_count > 1) {
		status = nrt_cc_join(vnc, ctx_device_id, ctx_device_count);
		if (status)
			return status;
	}
	return load_on(neff_bytes, size, vnc, vnc_count, ctx_device_id, ctx_device_count, model);
}

/* Of an earlier session, or of none. */
static bool is_stale(const struct nrt_model *model)
{
	return !model->mem.card || model->session != nrt_session();
}

NRT_API NRT_STATUS nrt_unload(nrt_model_t *model)
{
	if (!model)
		return NRT_INVALID_HANDLE;
	nrt_profile_forget(model);
	if (!is_stale(model))
		atomic_fetch_sub(&model->core->models, 1);
	model_free(model);
	return NRT_SUCCESS;
}

/* ---- facts ---- */

NRT_API NRT_STATUS nrt_get_model_vnc_count(const nrt_model_t *model, uint32_t *vnc_count)
{
	if (!model)
		return NRT_INVALID_HANDLE;
	if (!vnc_count)
		return NRT_INVALID;
	*vnc_count = 1;
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_get_model_nc_count(const nrt_model_t *model, uint32_t *vnc_count)
{
	return nrt_get_model_vnc_count(model, vnc_count);
}

NRT_API NRT_STATUS nrt_get_model_instance_count(nrt_model_t *model, uint32_t *instance_count)
{
	return nrt_get_model_vnc_count(model, instance_count);
}

NRT_API NRT_STATUS nrt_get_model_info(const nrt_model_t *model, nrt_model_info_t *info,
				      size_t info_size_in, size_t *info_size_out)
{
	nrt_model_info_t i;

	if (!model)
		return NRT_INVALID_HANDLE;
	if (!info || !info_size_in)
		return NRT_INVALID;
	if (is_stale(model))
		return NRT_CLOSED;
	i.vnc = model->core->vnc;
	if (info_size_in > sizeof(i))
		info_size_in = sizeof(i);
	memcpy(info, &i, info_size_in);
	if (info_size_out)
		*info_size_out = info_size_in;
	return NRT_SUCCESS;
}

/* One allocation: the array, then all shapes. */
NRT_API NRT_STATUS nrt_get_model_tensor_info(nrt_model_t *model,
					     nrt_tensor_info_array_t **tensor_info)
{
	nrt_tensor_info_array_t *array;
	uint32_t *shape;
	uint32_t i;
	uint32_t d;

	if (!model)
		return NRT_INVALID_HANDLE;
	if (!tensor_info)
		return NRT_INVALID;
	array = calloc(1, sizeof(*array) + model->num_tensors *
		       (sizeof(array->tensor_array[0]) + AXON_ELF_MAX_DIMS * sizeof(*shape)));
	if (!array)
		return NRT_RESOURCE;
	shape = (uint32_t *)&array->tensor_array[model->num_tensors];
	array->tensor_count = model->num_tensors;
	for (i = 0; i < model->num_tensors; i++, shape += AXON_ELF_MAX_DIMS) {
		const struct axon_elf_tensor *t = &model->tensors[i];
		nrt_tensor_info_t *info = &array->tensor_array[i];

		_Static_assert(sizeof(info->name) == sizeof(t->name), "names differ in size");
		memcpy(info->name, t->name, sizeof(info->name));
		info->usage = (nrt_tensor_usage_t)t->usage;
		info->size = t->size;
		info->dtype = (nrt_dtype_t)t->dtype;
		info->shape = shape;
		info->ndim = t->ndim;
		for (d = 0; d < t->ndim; d++)
			shape[d] = (uint32_t)t->shape[d];
	}
	*tensor_info = array;
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_free_model_tensor_info(nrt_tensor_info_array_t *tensor_info)
{
	free(tensor_info);
	return NRT_SUCCESS;
}

struct nrt_core *nrt_model_core(const struct nrt_model *model)
{
	return model->core;
}

uint32_t nrt_model_profile(struct nrt_model *model, uint64_t addr, uint32_t count)
{
	uint32_t profiled;

	pthread_mutex_lock(&model->lock);
	profiled = model->profiled;
	model->profile = addr;
	model->profile_count = count;
	model->profiled = 0;
	pthread_mutex_unlock(&model->lock);
	return profiled;
}

/* ---- execute ---- */

static NRT_STATUS bind_tensor(struct nrt_model *model, uint32_t index, const struct nrt_set *set,
			      uint64_t *addr)
{
	const struct axon_elf_tensor *want = &model->tensors[index];
	const char *usage = index < model->num_inputs ? "input" : "output";
	struct nrt_tensor *t = nrt_set_find(set, want->name);
	uint32_t pair = model->pair[index];

	if (!t) {
		nrt_err(NRT, "model %s: %s %s is not in the set", model->name, usage, want->name);
		return NRT_INVALID;
	}
	if (t->size != want->size) {
		nrt_err(NRT, "model %s: %s %s has %zu bytes, %llu are wanted", model->name, usage,
			want->name, t->size, (unsigned long long)want->size);
		return NRT_INVALID;
	}
	if (pair != UINT32_MAX && model->bound[pair] != t) {
		nrt_err(NRT, "model %s: %s is updated in place: it must be the same in both sets",
			model->name, want->name);
		return NRT_INVALID;
	}
	model->bound[index] = t;
	return nrt_tensor_card_addr(t, model->core, addr);
}

/* The slow way: other tensors than before. The lock is held. */
static NRT_STATUS bind_all(struct nrt_model *model, const struct nrt_set *in,
			   const struct nrt_set *out)
{
	uint64_t input_version = nrt_set_version(in);
	uint64_t output_version = nrt_set_version(out);
	uint64_t epoch = nrt_tensor_epoch();
	bool attached = false;
	uint32_t i;

	model->input_version = 0;	/* half bound: never taken for the time before */
	for (i = 0; i < model->num_tensors; i++) {
		uint64_t addr;
		NRT_STATUS status = bind_tensor(model, i, i < model->num_inputs ? in : out, &addr);

		if (status)
			return status;
		model->args_ptr[i] = addr;
		attached |= model->bound[i]->storage->user != NULL;
	}
	model->attached = attached;
	model->epoch = epoch;
	model->output_version = output_version;
	model->input_version = input_version;
	return NRT_SUCCESS;
}

static void copy_attached(struct nrt_model *model, bool in)
{
	uint32_t from = in ? 0 : model->num_inputs;
	uint32_t to = in ? model->num_inputs : model->num_tensors;
	uint32_t i;

	for (i = from; i < to; i++)
		if (in)
			nrt_tensor_copy_in(model->bound[i]);
		else
			nrt_tensor_copy_out(model->bound[i]);
}

static NRT_STATUS launch(struct nrt_model *model, uint32_t count)
{
	struct drm_axon_job job[16];
	NRT_STATUS status = NRT_SUCCESS;
	uint32_t i;

	for (i = 0; i < count && i < 16; i++)
		job[i] = (struct drm_axon_job) {
			.opcode = AXON_CMD_LAUNCH,
			.user_data = model->id,
			.operand = { model->program, model->args, model->profile,
				     model->profile_count },
		};
	while (!status && count) {
		uint32_t now = count < 16 ? count : 16;

		status = nrt_core_run(model->core, job, now, model->name);
		count -= now;
	}
	return status;
}

static NRT_STATUS count_records(struct nrt_model *model)
{
	struct drm_axon_queue_get_state state;
	int err = axon_queue_state(model->core->queue, &state);

	if (!err)
		model->profiled = state.last_profiled;
	return nrt_status_of(err);
}

static NRT_STATUS execute_locked(struct nrt_model *model, const struct nrt_set *in,
				 const struct nrt_set *out, uint32_t count)
{
	bool traced = atomic_load_explicit(&nrt_trace_on, memory_order_relaxed);
	NRT_STATUS status = NRT_SUCCESS;
	uint64_t id = 0;
	uint32_t i;

	if (model->input_version != nrt_set_version(in) ||
	    model->output_version != nrt_set_version(out) || model->epoch != nrt_tensor_epoch())
		status = bind_all(model, in, out);
	if (status)
		return status;
	if (model->attached)
		copy_attached(model, true);
	if (traced)
		id = nrt_trace_begin(model->core->vnc, model->name);
	status = launch(model, count);
	if (!status && model->profile)
		status = count_records(model);
	if (traced)
		nrt_trace_end(model->core->vnc, id, model->name);
	if (status)
		return status;
	if (model->attached)
		copy_attached(model, false);
	for (i = model->num_inputs; i < model->num_tensors; i++)
		nrt_tensor_completed(model->bound[i]);
	return NRT_SUCCESS;
}

static NRT_STATUS execute(nrt_model_t *model, const nrt_tensor_set_t *input_set,
			  nrt_tensor_set_t *output_set, uint32_t count)
{
	NRT_STATUS status = nrt_ready();

	if (status)
		return status;
	if (!model)
		return NRT_INVALID_HANDLE;
	if (!input_set || !output_set)
		return NRT_INVALID;
	if (is_stale(model)) {
		nrt_err(NRT, "model %s was loaded before nrt_close()", model->name);
		return NRT_CLOSED;
	}
	pthread_mutex_lock(&model->lock);
	status = execute_locked(model, input_set, output_set, count);
	pthread_mutex_unlock(&model->lock);
	return status;
}

NRT_API NRT_STATUS nrt_execute(nrt_model_t *model, const nrt_tensor_set_t *input_set,
			       nrt_tensor_set_t *output_set)
{
	return execute(model, input_set, output_set, 1);
}

NRT_API NRT_STATUS nrt_execute_repeat(nrt_model_t *model, const nrt_tensor_set_t *input_set,
				      nrt_tensor_set_t *output_set, int repeat_count)
{
	if (repeat_count <= 0)
		return NRT_INVALID;
	return execute(model, input_set, output_set, (uint32_t)repeat_count);
}
