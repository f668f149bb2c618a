// SPDX-License-Identifier: MIT
/*
 * tensor.c - tensors: allocation, slices, attached buffers, moving bytes.
 *
 * A tensor is a range of a counted storage. Small transfers are copies through the CPU mapping;
 * large ones inside a card are done by the card. What runs at the same time is not tracked: a
 * caller that writes a tensor during an execution gets what it asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

/* From here on the card moves and fills by itself. */
#define CARD_COPY_MIN	(64u << 10)

static _Atomic uint64_t epoch = 1;

/* Orders executions that give the same attached buffer its copy for the card. */
static pthread_mutex_t attach_lock = PTHREAD_MUTEX_INITIALIZER;

/* For nrt_tensor_check_output_completion(). */
static pthread_mutex_t completion_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t completion_news = PTHREAD_COND_INITIALIZER;
static atomic_uint completion_waiters;

uint64_t nrt_tensor_epoch(void)
{
	return atomic_load_explicit(&epoch, memory_order_acquire);
}

/* ---- storage ---- */

static struct nrt_storage *storage_new(size_t size)
{
	struct nrt_storage *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	s->session = nrt_session();
	s->size = size;
	return s;
}

static void storage_put(struct nrt_storage *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	/* After nrt_close() the card's memory is gone and mem.card is NULL. */
	if (s->has_mem)
		nrt_mem_free(&s->mem);
	free(s);
}

static NRT_STATUS storage_alloc(struct nrt_storage *s, struct nrt_core *core, bool host)
{
	struct nrt_piece piece = {
		.size = s->size,
		.flags = DRM_AXON_BIND_NOEXEC,
	};
	int err;

	err = nrt_mem_alloc(core->card, host ? DRM_AXON_REGION_HOST : DRM_AXON_REGION_HBM, true,
			    &piece, 1, &s->mem);
	if (err) {
		nrt_err(NRT, "%zu bytes on card %u: %s", s->size, core->card->index,
			strerror(-err));
		return nrt_status_of(err);
	}
	s->has_mem = true;
	s->host = host;
	s->core = core;
	return NRT_SUCCESS;
}

/* The bytes of a tensor for the CPU; NULL and a status if there are none. */
static uint8_t *tensor_bytes(const struct nrt_tensor *t, NRT_STATUS *status)
{
	const struct nrt_storage *s = t->storage;

	*status = NRT_SUCCESS;
	if (!s) {
		nrt_err(NRT, "tensor %s has no storage", t->name);
		*status = NRT_INVALID;
		return NULL;
	}
	if (s->user)
		return s->user + t->offset;
	if (!s->mem.card) {
		*status = NRT_CLOSED;
		return NULL;
	}
	return s->mem.ptr + t->offset;
}

static struct nrt_tensor *tensor_new(const char *name)
{
	struct nrt_tensor *t = calloc(1, sizeof(*t));

	if (t && name)
		snprintf(t->name, sizeof(t->name), "%s", name);
	return t;
}

/* ---- allocation ---- */

NRT_API NRT_STATUS nrt_tensor_allocate_empty(const char *name, nrt_tensor_t **tensor)
{
	NRT_STATUS status = nrt_ready();

	if (status)
		return status;
	if (!tensor)
		return NRT_INVALID;
	*tensor = tensor_new(name);
	return *tensor ? NRT_SUCCESS : NRT_RESOURCE;
}

NRT_API NRT_STATUS nrt_tensor_allocate(nrt_tensor_placement_t tensor_placement, int vnc,
				       size_t size, const char *name, nrt_tensor_t **tensor)
{
	NRT_STATUS status = nrt_ready();
	struct nrt_core *core;
	struct nrt_tensor *t;

	if (status)
		return status;
	if (!tensor)
		return NRT_INVALID;
	*tensor = NULL;
	if (tensor_placement == NRT_TENSOR_PLACEMENT_VIRTUAL) {
		status = nrt_tensor_allocate_empty(name, tensor);
		if (!status)
			(*tensor)->size = size;
		return status;
	}
	core = nrt_core_get(vnc);
	if (!core || !size || size > AXON_MAX_BO_SIZE ||
	    (tensor_placement != NRT_TENSOR_PLACEMENT_DEVICE &&
	     tensor_placement != NRT_TENSOR_PLACEMENT_HOST)) {
		nrt_err(NRT, "no tensor of %zu bytes, placement %d, on core %d", size,
			(int)tensor_placement, vnc);
		return NRT_INVALID;
	}
	t = tensor_new(name);
	if (!t)
		return NRT_RESOURCE;
	t->size = size;
	t->storage = storage_new(size);
	status = t->storage ? storage_alloc(t->storage, core,
					    tensor_placement == NRT_TENSOR_PLACEMENT_HOST) :
			      NRT_RESOURCE;
	if (status) {
		nrt_tensor_free(&t);
		return status;
	}
	*tensor = t;
	return NRT_SUCCESS;
}

NRT_API void nrt_tensor_free(nrt_tensor_t **tensor)
{
	if (!tensor || !*tensor)
		return;
	storage_put((*tensor)->storage);
	free(*tensor);
	*tensor = NULL;
}

NRT_API NRT_STATUS nrt_tensor_allocate_slice(const nrt_tensor_t *tensor_source, size_t offset,
					     size_t size, const char *name,
					     nrt_tensor_t **tensor_slice)
{
	NRT_STATUS status = nrt_ready();
	struct nrt_tensor *t;

	if (status)
		return status;
	if (!tensor_source || !tensor_slice || !size)
		return NRT_INVALID;
	if (!tensor_source->storage || offset > tensor_source->size ||
	    size > tensor_source->size - offset) {
		nrt_err(NRT, "slice of %zu bytes at %zu of tensor %s, which has %zu", size, offset,
			tensor_source->name, tensor_source->size);
		return NRT_INVALID;
	}
	t = tensor_new(name);
	if (!t)
		return NRT_RESOURCE;
	t->storage = tensor_source->storage;
	t->offset = tensor_source->offset + offset;
	t->size = size;
	atomic_fetch_add(&t->storage->refs, 1);
	*tensor_slice = t;
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_tensor_attach_buffer(nrt_tensor_t *tensor, void *buffer, size_t size)
{
	NRT_STATUS status = nrt_ready();
	struct nrt_storage *s;

	if (status)
		return status;
	if (!tensor || !buffer || !size)
		return NRT_INVALID;
	s = storage_new(size);
	if (!s)
		return NRT_RESOURCE;
	s->user = buffer;
	storage_put(tensor->storage);
	tensor->storage = s;
	tensor->offset = 0;
	tensor->size = size;
	atomic_fetch_add(&epoch, 1);
	return NRT_SUCCESS;
}

/* ---- facts ---- */

NRT_API size_t nrt_tensor_get_size(const nrt_tensor_t *tensor)
{
	return tensor ? tensor->size : 0;
}

NRT_API void *nrt_tensor_get_va(const nrt_tensor_t *tensor)
{
	NRT_STATUS status;

	return tensor ? tensor_bytes(tensor, &status) : NULL;
}

NRT_API NRT_STATUS
nrt_tensor_get_device_allocation_info(const nrt_tensor_t *tensor,
				      nrt_tensor_device_allocation_info_t *alloc_info)
{
	const struct nrt_storage *s;

	if (!tensor || !alloc_info)
		return NRT_INVALID;
	s = tensor->storage;
	if (!s || s->user || s->host) {
		nrt_err(NRT, "tensor %s does not lie in the memory of a card", tensor->name);
		return NRT_INVALID;
	}
	if (!s->mem.card)
		return NRT_CLOSED;
	*alloc_info = (nrt_tensor_device_allocation_info_t) {
		.physical_address = s->mem.addr + tensor->offset,
		.size = tensor->size,
	};
	return NRT_SUCCESS;
}

/* ---- moving bytes ---- */

static NRT_STATUS check_range(const struct nrt_tensor *t, uint64_t offset, uint64_t size)
{
	if (offset > t->size || size > t->size - offset) {
		nrt_err(NRT, "%llu bytes at %llu of tensor %s, which has %zu",
			(unsigned long long)size, (unsigned long long)offset, t->name,
			t->size);
		return NRT_INVALID;
	}
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_tensor_read(const nrt_tensor_t *tensor, void *buf, size_t offset,
				   size_t size)
{
	const uint8_t *bytes;
	NRT_STATUS status;

	if (!tensor || (!buf && size))
		return NRT_INVALID;
	bytes = tensor_bytes(tensor, &status);
	if (!status)
		status = check_range(tensor, offset, size);
	if (!status && size)
		memcpy(buf, bytes + offset, size);
	return status;
}

NRT_API NRT_STATUS nrt_tensor_write(nrt_tensor_t *tensor, const void *buf, size_t offset,
				    size_t size)
{
	NRT_STATUS status;
	uint8_t *bytes;

	if (!tensor || (!buf && size))
		return NRT_INVALID;
	bytes = tensor_bytes(tensor, &status);
	if (!status)
		status = check_range(tensor, offset, size);
	if (!status && size)
		memcpy(bytes + offset, buf, size);
	return status;
}

/* All pieces are checked before the first moves: a batch is done whole or not at all. */
static NRT_STATUS check_batches(const nrt_tensor_batch_t *batches, uint64_t num_batches)
{
	NRT_STATUS status = NRT_SUCCESS;
	uint64_t b;
	uint32_t i;

	if (!batches && num_batches)
		return NRT_INVALID;
	for (b = 0; b < num_batches; b++) {
		if (!batches[b].tensor || (!batches[b].ops && batches[b].num_ops))
			return NRT_INVALID;
		if (!tensor_bytes(batches[b].tensor, &status))
			return status;
		for (i = 0; !status && i < batches[b].num_ops; i++) {
			const nrt_tensor_batch_op_t *op = &batches[b].ops[i];

			if (!op->buffer && op->size)
				return NRT_INVALID;
			status = check_range(batches[b].tensor, op->offset, op->size);
		}
		if (status)
			return status;
	}
	return NRT_SUCCESS;
}

static NRT_STATUS move_batches(const nrt_tensor_batch_t *batches, uint64_t num_batches, bool write)
{
	NRT_STATUS status = check_batches(batches, num_batches);
	uint64_t b;
	uint32_t i;

	for (b = 0; !status && b < num_batches; b++) {
		uint8_t *bytes = tensor_bytes(batches[b].tensor, &status);

		for (i = 0; i < batches[b].num_ops; i++) {
			const nrt_tensor_batch_op_t *op = &batches[b].ops[i];

			if (!op->size)
				continue;
			if (write)
				memcpy(bytes + op->offset, op->buffer, op->size);
			else
				memcpy(op->buffer, bytes + op->offset, op->size);
		}
	}
	return status;
}

NRT_API NRT_STATUS nrt_tensor_read_batch(const nrt_tensor_batch_t *batches, uint64_t num_batches,
					 bool unsafe)
{
	return move_batches(batches, num_batches, false);
}

NRT_API NRT_STATUS nrt_tensor_write_batch(const nrt_tensor_batch_t *batches, uint64_t num_batches,
					  bool unsafe)
{
	return move_batches(batches, num_batches, true);
}

/* Is this in the memory of a card that can work on it itself? */
static bool on_card(const struct nrt_tensor *t)
{
	return t->storage && !t->storage->user && t->storage->mem.card && t->storage->core;
}

static uint64_t card_addr(const struct nrt_tensor *t, uint64_t offset)
{
	return t->storage->mem.addr + t->offset + offset;
}

static NRT_STATUS card_copy(const struct nrt_tensor *src, uint64_t src_offset,
			    const struct nrt_tensor *dst, uint64_t dst_offset, uint64_t size)
{
	struct drm_axon_job job = {
		.opcode = AXON_CMD_COPY,
		.operand = { card_addr(dst, dst_offset), card_addr(src, src_offset), size },
	};

	return nrt_core_run(dst->storage->core, &job, 1, "nrt_tensor_copy");
}

NRT_API NRT_STATUS nrt_tensor_copy(const nrt_tensor_t *src, size_t src_offset, nrt_tensor_t *dst,
				   size_t dst_offset, size_t size)
{
	const uint8_t *from;
	NRT_STATUS status;
	uint8_t *to;

	if (!src || !dst)
		return NRT_INVALID;
	from = tensor_bytes(src, &status);
	if (!from)
		return status;
	to = tensor_bytes(dst, &status);
	if (!to)
		return status;
	status = check_range(src, src_offset, size);
	if (!status)
		status = check_range(dst, dst_offset, size);
	if (status || !size)
		return status;
	if (on_card(src) && on_card(dst) && src->storage->mem.card != dst->storage->mem.card) {
		nrt_err(NRT, "tensors %s and %s lie on different cards", src->name, dst->name);
		return NRT_INVALID;
	}
	/* The card's copy does not know of overlaps. */
	if (size >= CARD_COPY_MIN && on_card(src) && on_card(dst) && src->storage != dst->storage)
		return card_copy(src, src_offset, dst, dst_offset, size);
	memmove(to + dst_offset, from + src_offset, size);
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_tensor_memset(nrt_tensor_t *tensor, uint64_t offset, int value, size_t size)
{
	NRT_STATUS status;
	uint8_t *bytes;

	if (!tensor)
		return NRT_INVALID;
	bytes = tensor_bytes(tensor, &status);
	if (!status)
		status = check_range(tensor, offset, size);
	if (status || !size)
		return status;
	if (size >= CARD_COPY_MIN && on_card(tensor)) {
		struct drm_axon_job job = {
			.opcode = AXON_CMD_FILL,
			.operand = { card_addr(tensor, offset), (uint8_t)value, size },
		};

		return nrt_core_run(tensor->storage->core, &job, 1, "nrt_tensor_memset");
	}
	memset(bytes + offset, value, size);
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_memcpy_to_device(void *dest, const void *src, size_t size)
{
	if ((!dest || !src) && size)
		return NRT_INVALID;
	if (size)
		memcpy(dest, src, size);
	return NRT_SUCCESS;
}

/* ---- executions ---- */

NRT_STATUS nrt_tensor_card_addr(struct nrt_tensor *tensor, struct nrt_core *core, uint64_t *addr)
{
	struct nrt_storage *s = tensor->storage;
	NRT_STATUS status;

	if (!s) {
		nrt_err(NRT, "tensor %s has no storage", tensor->name);
		return NRT_INVALID;
	}
	/* An attached buffer gets its copy for the card with the first execution. */
	if (s->user) {
		pthread_mutex_lock(&attach_lock);
		status = s->has_mem ? NRT_SUCCESS : storage_alloc(s, core, true);
		pthread_mutex_unlock(&attach_lock);
		if (status)
			return status;
	}
	if (!s->mem.card)
		return NRT_CLOSED;
	if (s->mem.card != core->card) {
		nrt_err(NRT, "tensor %s lies on card %u, the model runs on card %u", tensor->name,
			s->mem.card->index, core->card->index);
		return NRT_INVALID;
	}
	*addr = s->mem.addr + tensor->offset;
	return NRT_SUCCESS;
}

void nrt_tensor_copy_in(struct nrt_tensor *tensor)
{
	struct nrt_storage *s = tensor->storage;

	if (s->user)
		memcpy(s->mem.ptr + tensor->offset, s->user + tensor->offset, tensor->size);
}

void nrt_tensor_copy_out(struct nrt_tensor *tensor)
{
	struct nrt_storage *s = tensor->storage;

	if (s->user)
		memcpy(s->user + tensor->offset, s->mem.ptr + tensor->offset, tensor->size);
}

void nrt_tensor_completed(struct nrt_tensor *tensor)
{
	atomic_fetch_add(&tensor->completions, 1);
	if (!atomic_load(&completion_waiters))
		return;
	pthread_mutex_lock(&completion_lock);
	pthread_cond_broadcast(&completion_news);
	pthread_mutex_unlock(&completion_lock);
}

static struct timespec in_microseconds(int64_t us)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += us / 1000000;
	ts.tv_nsec += us % 1000000 * 1000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

NRT_API NRT_STATUS nrt_tensor_check_output_completion(const nrt_tensor_t *output_tensor,
						      int64_t timeout,
						      uint64_t expected_completion_count)
{
	/* A negative timeout waits for ever and warns after this long. */
	const int64_t warn_us = 30000000;
	struct timespec until = in_microseconds(timeout < 0 ? warn_us : timeout);
	int err = 0;

	if (!output_tensor)
		return NRT_INVALID;
	atomic_fetch_add(&completion_waiters, 1);
	pthread_mutex_lock(&completion_lock);
	while (atomic_load(&output_tensor->completions) < expected_completion_count) {
		err = pthread_cond_timedwait(&completion_news, &completion_lock, &until);
		if (!err)
			continue;
		if (timeout >= 0)
			break;
		nrt_warn(NRT, "still waiting for tensor %s", output_tensor->name);
		until = in_microseconds(warn_us);
	}
	err = atomic_load(&output_tensor->completions) < expected_completion_count;
	pthread_mutex_unlock(&completion_lock);
	atomic_fetch_sub(&completion_waiters, 1);
	return err ? NRT_TIMEOUT : NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_tensor_reset_output_completion(nrt_tensor_t *output_tensor)
{
	if (!output_tensor)
		return NRT_INVALID;
	atomic_store(&output_tensor->completions, 0);
	return NRT_SUCCESS;
}
