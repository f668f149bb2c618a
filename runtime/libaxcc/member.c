// SPDX-License-Identifier: MIT
/*
 * member.c - one rank of this process: its address space, its context and queue, and the memory
 * that its programs lie in. It knows nothing of operations.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define CODE_CHUNK	(1ull << 20)	/* program memory is taken from HBM in such pieces */
#define CODE_CHUNKS	16u		/* and is no more than that many */

static int make_vm(struct cc_member *member, const struct axcc_options *options)
{
	struct drm_axon_query_device info;
	int err;

	if (options->vm) {
		member->vm = options->vm;
		cc_span_init(&member->space, options->vm_start, options->vm_end);
		return 0;
	}
	err = axon_device_query(member->dev, &info);
	if (!err)
		err = axon_vm_create(member->dev, &member->vm);
	if (err)
		return err;
	member->own_vm = true;
	cc_span_init(&member->space, info.vm_start, info.vm_end);
	return 0;
}

/*
 * How long a launch may take. Between processes it is half the communicator's time, so that the
 * process whose card hangs can say so before the others give it up.
 */
static uint32_t launch_ms(const struct cc_team *team)
{
	return team->members < team->ranks ? (team->timeout_ms + 1) / 2 : team->timeout_ms;
}

int cc_member_init(struct cc_member *member, const struct axcc_options *options)
{
	struct axon_queue_params params = {
		.core = member->core,
		.timeout_ms = launch_ms(member->team),
		.spin_us = options->spin_us,
	};
	int err = make_vm(member, options);

	if (!err)
		err = axon_context_create(member->vm, DRM_AXON_PRIORITY_NORMAL, &member->ctx);
	if (!err)
		err = axon_queue_create(member->ctx, &params, &member->queue);
	return err;
}

static void chunk_free(struct cc_member *member, struct cc_code_chunk *chunk)
{
	axon_vm_unmap(member->vm, chunk->va, chunk->size);
	cc_span_free(&member->space, chunk->va);
	axon_bo_destroy(chunk->bo);
	cc_span_exit(&chunk->span);
	free(chunk);
}

void cc_member_exit(struct cc_member *member)
{
	struct cc_code_chunk *chunk;

	axon_queue_destroy(member->queue);
	if (member->ctx)
		axon_context_destroy(member->ctx);
	while ((chunk = member->code)) {
		member->code = chunk->next;
		chunk_free(member, chunk);
	}
	if (member->own_vm)
		axon_vm_destroy(member->vm);
	cc_span_exit(&member->space);
}

/* ---- program memory ---- */

static int chunk_map(struct cc_member *member, struct cc_code_chunk *chunk)
{
	void *ptr;
	int err;

	err = axon_bo_create(member->dev, chunk->size, DRM_AXON_REGION_HBM,
			     DRM_AXON_BO_CPU_VISIBLE, NULL, &chunk->bo);
	if (err)
		return err;
	err = axon_bo_map(chunk->bo, &ptr);
	if (!err)
		err = cc_span_alloc(&member->space, chunk->size + CC_PAGE, CC_PAGE, &chunk->va);
	if (err)
		goto fail;
	err = axon_vm_map(member->vm, chunk->bo, 0, chunk->va, chunk->size,
			  DRM_AXON_BIND_READONLY);
	if (err)
		goto fail_span;
	chunk->ptr = ptr;
	cc_span_init(&chunk->span, 0, chunk->size);
	return 0;
fail_span:
	cc_span_free(&member->space, chunk->va);
fail:
	axon_bo_destroy(chunk->bo);
	return err;
}

static int chunk_new(struct cc_member *member, uint64_t size)
{
	struct cc_code_chunk *chunk = calloc(1, sizeof(*chunk));
	int err;

	if (!chunk)
		return -ENOMEM;
	chunk->size = size < CODE_CHUNK ? CODE_CHUNK : (size + CC_PAGE - 1) & ~(CC_PAGE - 1);
	err = chunk_map(member, chunk);
	if (err) {
		free(chunk);
		return err;
	}
	chunk->next = member->code;
	member->code = chunk;
	member->code_chunks++;
	return 0;
}

static int alloc_from(struct cc_code_chunk *chunk, uint64_t size, struct cc_code *code)
{
	uint64_t at;
	int err = cc_span_alloc(&chunk->span, size, sizeof(struct axon_inst), &at);

	if (err)
		return err;
	*code = (struct cc_code) { chunk, chunk->va + at, chunk->ptr + at };
	return 0;
}

int cc_code_alloc(struct cc_member *member, uint64_t size, bool more, struct cc_code *code)
{
	struct cc_code_chunk *chunk;
	int err = -ENOSPC;

	for (chunk = member->code; chunk && err; chunk = chunk->next)
		err = alloc_from(chunk, size, code);
	if (err != -ENOSPC)
		return err;
	/* What is larger than a chunk gets one of its own, whatever there is already. */
	if (member->code_chunks >= CODE_CHUNKS && size <= CODE_CHUNK && !more)
		return -ENOSPC;
	err = chunk_new(member, size);
	return err ? err : alloc_from(member->code, size, code);
}

static void chunk_drop(struct cc_member *member, struct cc_code_chunk *chunk)
{
	struct cc_code_chunk **link = &member->code;

	while (*link != chunk)
		link = &(*link)->next;
	*link = chunk->next;
	member->code_chunks--;
	chunk_free(member, chunk);
}

void cc_code_free(struct cc_member *member, struct cc_code *code)
{
	if (!code->chunk)
		return;
	cc_span_free(&code->chunk->span, code->va - code->chunk->va);
	if (!code->chunk->span.count && code->chunk->size > CODE_CHUNK)
		chunk_drop(member, code->chunk);
	*code = (struct cc_code) { 0 };
}
