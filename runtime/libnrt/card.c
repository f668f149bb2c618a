// SPDX-License-Identifier: MIT
/*
 * card.c - a card and its cores as libnrt uses them: one address space a card, one context and one
 * queue a core, buffers bound at addresses chosen here, and what libaxon's errors mean.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define PAGE		4096ull
#define HUGE		(2ull << 20)
/* Where addresses start: the first 2 MiB catch what is computed from 0. */
#define ADDR_START	HUGE
/* A waiter looks that long before it blocks (drm): longer than a short launch takes. */
#define SPIN_US		200

static uint64_t page_up(uint64_t size)
{
	return (size + PAGE - 1) & ~(PAGE - 1);
}

/* ---- opening ---- */

static void axon_log_line(void *opaque, enum axon_log_level level, const char *line)
{
	static const enum nrt_log_level map[] = { NRT_LOG_ERROR, NRT_LOG_WARN, NRT_LOG_INFO };

	nrt_log_write(NRT_LOG_TDRV, map[level], "axon", "%s", line);
}

int nrt_card_open(struct nrt_card *card, uint32_t index)
{
	struct drm_axon_query_device info;
	char path[64];
	int err;

	memset(card, 0, sizeof(*card));
	card->index = index;
	err = axon_device_path_of(index, path, sizeof(path));
	if (err)
		return err;
	err = axon_device_open_path(path, axon_log_line, NULL, &card->dev);
	if (err)
		return err;
	err = axon_device_query(card->dev, &info);
	if (!err)
		err = axon_vm_create(card->dev, &card->vm);
	if (err) {
		axon_device_close(card->dev);
		return err;
	}
	card->num_cores = info.num_cores;
	pthread_mutex_init(&card->lock, NULL);
	return 0;
}

void nrt_card_close(struct nrt_card *card)
{
	while (card->mems)
		nrt_mem_free(card->mems);
	axon_vm_destroy(card->vm);
	axon_device_close(card->dev);
	free(card->used);
	pthread_mutex_destroy(&card->lock);
}

int nrt_core_open(struct nrt_core *core, uint32_t timeout_ms)
{
	struct axon_queue_params params = {
		.core = core->core,
		.timeout_ms = timeout_ms,
		.spin_us = SPIN_US,
	};
	int err;

	err = axon_context_create(core->card->vm, DRM_AXON_PRIORITY_NORMAL, &core->ctx);
	if (err)
		return err;
	err = axon_queue_create(core->ctx, &params, &core->queue);
	if (err) {
		axon_context_destroy(core->ctx);
		core->ctx = NULL;
	}
	return err;
}

void nrt_core_close(struct nrt_core *core)
{
	axon_queue_destroy(core->queue);
	axon_context_destroy(core->ctx);
}

/* ---- addresses ---- */

static int addr_insert(struct nrt_card *card, size_t at, uint64_t addr, uint64_t size)
{
	if (card->used_count == card->used_room) {
		size_t room = card->used_room ? 2 * card->used_room : 64;
		void *used = realloc(card->used, room * sizeof(*card->used));

		if (!used)
			return -ENOMEM;
		card->used = used;
		card->used_room = room;
	}
	memmove(&card->used[at + 1], &card->used[at],
		(card->used_count - at) * sizeof(*card->used));
	card->used[at] = (struct nrt_extent) { addr, size };
	card->used_count++;
	return 0;
}

/* First fit. The lock is held. */
static int addr_alloc(struct nrt_card *card, uint64_t size, uint64_t align, uint64_t *addr)
{
	uint64_t from = ADDR_START;
	size_t i;

	for (i = 0; i <= card->used_count; i++) {
		bool last = i == card->used_count;
		uint64_t end = last ? AXON_VM_END : card->used[i].addr;
		uint64_t start = (from + align - 1) & ~(align - 1);

		if (start <= end && size <= end - start) {
			*addr = start;
			return addr_insert(card, i, start, size);
		}
		if (!last)
			from = end + card->used[i].size;
	}
	return -ENOSPC;
}

static void addr_free(struct nrt_card *card, uint64_t addr)
{
	size_t i = 0;

	while (card->used[i].addr != addr)
		i++;
	card->used_count--;
	memmove(&card->used[i], &card->used[i + 1],
		(card->used_count - i) * sizeof(*card->used));
}

int nrt_addr_reserve(struct nrt_card *card, uint64_t size, uint64_t *addr)
{
	int err;

	pthread_mutex_lock(&card->lock);
	err = addr_alloc(card, size, HUGE, addr);
	pthread_mutex_unlock(&card->lock);
	return err;
}

void nrt_addr_release(struct nrt_card *card, uint64_t addr)
{
	pthread_mutex_lock(&card->lock);
	addr_free(card, addr);
	pthread_mutex_unlock(&card->lock);
}

/* ---- buffers ---- */

/* Addresses of the pieces: each at a whole page (large ones at 2 MiB), a guard page after each. */
static uint64_t lay_out(struct nrt_piece *pieces, unsigned int count, uint64_t *bo_size)
{
	uint64_t offset = 0;
	unsigned int i;

	*bo_size = 0;
	for (i = 0; i < count; i++) {
		uint64_t size = page_up(pieces[i].size);

		pieces[i].addr = offset;
		*bo_size += size;
		offset += size ? size + PAGE : 0;
	}
	return offset;
}

static int bind_pieces(struct nrt_card *card, struct nrt_mem *mem, struct nrt_piece *pieces,
		       unsigned int count)
{
	struct axon_bind ops[8];
	uint64_t bo_offset = 0;
	uint32_t n = 0;
	unsigned int i;

	for (i = 0; i < count; i++) {
		uint64_t size = page_up(pieces[i].size);

		pieces[i].addr += mem->addr;
		pieces[i].ptr = mem->ptr + bo_offset;
		if (!size)
			continue;
		ops[n++] = (struct axon_bind) {
			.bo = mem->bo,
			.op = DRM_AXON_BIND_MAP,
			.flags = pieces[i].flags,
			.bo_offset = bo_offset,
			.addr = pieces[i].addr,
			.size = size,
		};
		bo_offset += size;
	}
	return axon_vm_bind(card->vm, ops, n, NULL);
}

static void mem_link(struct nrt_card *card, struct nrt_mem *mem)
{
	mem->prev = NULL;
	mem->next = card->mems;
	if (card->mems)
		card->mems->prev = mem;
	card->mems = mem;
}

static void mem_unlink(struct nrt_card *card, struct nrt_mem *mem)
{
	if (mem->prev)
		mem->prev->next = mem->next;
	else
		card->mems = mem->next;
	if (mem->next)
		mem->next->prev = mem->prev;
}

int nrt_mem_alloc(struct nrt_card *card, uint32_t region, bool shared, struct nrt_piece *pieces,
		  unsigned int count, struct nrt_mem *mem)
{
	uint64_t bo_size;
	uint64_t size;
	void *ptr;
	int err;

	memset(mem, 0, sizeof(*mem));
	if (count > 8)
		return -EINVAL;
	size = lay_out(pieces, count, &bo_size);
	if (!size)
		return -EINVAL;
	err = axon_bo_create(card->dev, bo_size, region, DRM_AXON_BO_CPU_VISIBLE,
			     shared ? NULL : card->vm, &mem->bo);
	if (err)
		return err;
	err = axon_bo_map(mem->bo, &ptr);
	if (err)
		goto fail_bo;
	mem->ptr = ptr;
	mem->size = size;
	pthread_mutex_lock(&card->lock);
	err = addr_alloc(card, size, bo_size >= HUGE ? HUGE : PAGE, &mem->addr);
	if (!err) {
		mem->card = card;
		mem_link(card, mem);
	}
	pthread_mutex_unlock(&card->lock);
	if (err)
		goto fail_bo;
	err = bind_pieces(card, mem, pieces, count);
	if (err)
		nrt_mem_free(mem);
	return err;
fail_bo:
	axon_bo_destroy(mem->bo);
	memset(mem, 0, sizeof(*mem));
	return err;
}

void nrt_mem_free(struct nrt_mem *mem)
{
	struct nrt_card *card = mem->card;

	if (!card)
		return;
	axon_vm_unmap(card->vm, mem->addr, mem->size);
	axon_bo_destroy(mem->bo);
	pthread_mutex_lock(&card->lock);
	addr_free(card, mem->addr);
	mem_unlink(card, mem);
	pthread_mutex_unlock(&card->lock);
	memset(mem, 0, sizeof(*mem));
}

int nrt_mem_export(struct nrt_card *card, uintptr_t ptr, uint64_t size, int *fd)
{
	struct nrt_mem *mem;
	int err = -ENOENT;

	pthread_mutex_lock(&card->lock);
	for (mem = card->mems; mem && (uintptr_t)mem->ptr != ptr; mem = mem->next)
		;
	if (mem && size && size <= axon_bo_size(mem->bo))
		err = axon_bo_export(mem->bo, fd);
	pthread_mutex_unlock(&card->lock);
	return err;
}

/* ---- errors ---- */

NRT_STATUS nrt_status_of(int err)
{
	switch (err) {
	case 0:
		return NRT_SUCCESS;
	case -ENOMEM:
	case -ENOSPC:
		return NRT_RESOURCE;
	case -EINVAL:
		return NRT_INVALID;
	case -ENODEV:
	case -EIO:
	case -ECONNRESET:
		return NRT_EXEC_UNIT_UNRECOVERABLE;
	case -ETIMEDOUT:
		return NRT_TIMEOUT;
	default:
		return NRT_FAILURE;
	}
}

static NRT_STATUS job_status(int err)
{
	switch (err) {
	case -ETIME:
		return NRT_TIMEOUT;
	case -EFAULT:
		return NRT_EXEC_OOB;
	case -EINVAL:
		return NRT_INVALID;
	case -EDEADLK:
		return NRT_EXEC_COMPLETED_WITH_ERR;
	case -ENOLINK:
		return NRT_EXEC_HW_ERR_COLLECTIVES;
	case -ENOMEM:
		return NRT_RESOURCE;
	default:
		return NRT_EXEC_UNIT_UNRECOVERABLE;
	}
}

const char *nrt_engine_name(uint32_t engine)
{
	static const char *const name[] = { "tensor", "vector", "scalar", "gpsimd", "sync",
					    "cc" };

	if (engine < AXON_NUM_STREAMS)
		return name[engine];
	return engine & 0x80 && engine != 0xff ? "DMA queue" : "no engine";
}

NRT_STATUS nrt_core_failed(struct nrt_core *core, int err, const char *what)
{
	struct drm_axon_ctx_get_state s = { 0 };

	axon_context_state(core->ctx, &s);
	if (s.state & DRM_AXON_CTX_BANNED)
		atomic_store(&core->dead, true);
	if (err == -ETIME && s.peer)
		nrt_err(NRT, "(FATAL-RT-UNDEFINED-STATE) execution timeout (%u ms) on "
			"Neuron Device %u NC %u, model %s, waiting for rank %u",
			nrt_timeout_ms, core->card->index, core->core, what, s.peer - 1);
	else if (err == -ETIME)
		nrt_err(NRT, "(FATAL-RT-UNDEFINED-STATE) execution timeout (%u ms) on "
			"Neuron Device %u NC %u, model %s, "
			"waiting for execution completion notification",
			nrt_timeout_ms, core->card->index, core->core, what);
	else if (err == -ENOLINK && s.peer)
		nrt_err(NRT, "collective failed on Neuron Device %u NC %u, model %s: rank %u was "
			"lost",
			core->card->index, core->core, what, s.peer - 1);
	else if (s.status == AXON_STATUS_DEADLOCK)
		nrt_err(NRT, "deadlock on Neuron Device %u NC %u, model %s: %s engine at "
			"instruction %u waits for semaphore %u to be %u, it is %u",
			core->card->index, core->core, what, nrt_engine_name(s.engine), s.pc,
			s.semaphore, s.sem_wanted, s.sem_value);
	else
		nrt_err(NRT, "execution failed on Neuron Device %u NC %u, model %s: %s "
			"(%s; %s, instruction %u, opcode 0x%x, address 0x%llx)",
			core->card->index, core->core, what, strerror(-err),
			axon_status_str(s.status), nrt_engine_name(s.engine), s.pc, s.opcode,
			(unsigned long long)s.fault_addr);
	return job_status(err);
}

NRT_STATUS nrt_core_run(struct nrt_core *core, const struct drm_axon_job *jobs, uint32_t count,
			const char *what)
{
	uint64_t seqno;
	int err;

	if (atomic_load_explicit(&core->dead, memory_order_relaxed)) {
		nrt_err(NRT, "core %u was stopped by an earlier failure; "
			"nrt_close() and nrt_init() bring it back",
			core->vnc);
		return NRT_EXEC_UNIT_UNRECOVERABLE;
	}
	err = axon_submit(core->queue, jobs, count, NULL, 0, &seqno);
	/* The driver ends every job at the queue's time limit, so this wait ends. */
	if (!err)
		err = axon_wait(core->queue, seqno, -1);
	return err ? nrt_core_failed(core, err, what) : NRT_SUCCESS;
}
