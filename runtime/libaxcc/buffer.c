// SPDX-License-Identifier: MIT
/*
 * buffer.c - buffers: found by their handle, bound for the ranks that reach them, forgotten when
 * the handle goes. It must never bind what nobody handed over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/* Between two buffers in an address space nothing is bound, so that overruns are faults. */
#define GUARD	CC_PAGE

static struct cc_buffer **chain(struct cc_team *team, const struct axon_bo *bo)
{
	uint64_t x = (uintptr_t)bo >> 4;

	return &team->buffers[(x ^ x >> 8 ^ x >> 16) % CC_BUFFER_CHAINS];
}

struct cc_buffer *cc_buffer_find(struct cc_team *team, const struct axon_bo *bo)
{
	struct cc_buffer *b;

	for (b = *chain(team, bo); b; b = b->next)
		if (b->bo == bo)
			return b;
	return NULL;
}

static void unchain(struct cc_team *team, struct cc_buffer *buffer)
{
	struct cc_buffer **link = chain(team, buffer->bo);

	while (*link && *link != buffer)
		link = &(*link)->next;
	if (*link)
		*link = buffer->next;
}

static void unbind(struct cc_member *member, struct cc_buffer *buffer)
{
	struct cc_binding *b = &buffer->bind[member->index];

	if (!b->bo)
		return;
	axon_vm_unmap(member->vm, b->va, buffer->size);
	cc_span_free(&member->space, b->va);
	if (b->own)
		axon_bo_destroy(b->bo);
	*b = (struct cc_binding) { 0 };
}

static void unbind_all(struct cc_team *team, struct cc_buffer *buffer)
{
	uint32_t i;

	for (i = 0; i < team->members; i++)
		unbind(&team->member[i], buffer);
}

/* Called by axon_bo_destroy(). */
static void on_gone(struct axon_bo_watch *watch)
{
	struct cc_buffer *buffer = (struct cc_buffer *)watch;
	struct cc_team *team = buffer->team;

	pthread_mutex_lock(&team->lock);
	if (!buffer->leaving) {
		cc_plans_forget(team, buffer);
		unchain(team, buffer);
		unbind_all(team, buffer);
		buffer->bo = NULL;
		/* An operation that nobody has carried out yet still names it. */
		if (!buffer->refs)
			free(buffer);
	}
	pthread_mutex_unlock(&team->lock);
}

static struct cc_buffer *make(struct cc_member *member, struct axon_bo *bo)
{
	struct cc_team *team = member->team;
	struct cc_buffer *b = calloc(1, sizeof(*b) + team->members * sizeof(b->bind[0]));

	if (!b)
		return NULL;
	b->watch.gone = on_gone;
	b->team = team;
	b->bo = bo;
	b->dev = member->dev;
	b->rank = member->rank;
	b->size = axon_bo_size(bo);
	return b;
}

/* The buffer as another device of this process knows it. */
static int import(struct cc_member *member, struct cc_buffer *buffer, struct cc_binding *b)
{
	int fd;
	int err = axon_bo_export(buffer->bo, &fd);

	if (err)
		return err;
	err = axon_bo_import(member->dev, fd, &b->bo);
	close(fd);
	b->own = !err;
	return err;
}

int cc_buffer_bind(struct cc_member *member, struct cc_buffer *buffer, uint64_t *va)
{
	struct cc_binding *b = &buffer->bind[member->index];
	uint64_t align = buffer->size >= CC_LARGE_PAGE ? CC_LARGE_PAGE : CC_PAGE;
	struct cc_binding new = { .bo = buffer->bo };
	int err = 0;

	if (b->bo) {
		*va = b->va;
		return 0;
	}
	if (!buffer->bo)
		return -EINVAL;
	if (buffer->dev != member->dev)
		err = import(member, buffer, &new);
	if (err)
		return err;
	err = cc_span_alloc(&member->space, buffer->size + GUARD, align, &new.va);
	if (err)
		goto fail;
	err = axon_vm_map(member->vm, new.bo, 0, new.va, buffer->size, DRM_AXON_BIND_NOEXEC);
	if (err)
		goto fail_span;
	*b = new;
	*va = new.va;
	return 0;
fail_span:
	cc_span_free(&member->space, new.va);
fail:
	if (new.own)
		axon_bo_destroy(new.bo);
	return err;
}

/* Whatever can be wrong with a buffer is found now, when its owner can still be told. */
static int check(struct cc_member *member, struct cc_buffer *buffer)
{
	struct drm_axon_bo_info info;
	uint64_t va;
	int fd;
	int err = axon_bo_info(buffer->bo, &info);

	if (err)
		return err;
	if (info.region != DRM_AXON_REGION_HBM)
		return -EINVAL;
	err = cc_buffer_bind(member, buffer, &va);
	if (err || member->team->ranks == 1)
		return err;
	err = axon_bo_export(buffer->bo, &fd);
	if (!err)
		close(fd);
	return err;
}

int cc_buffer_add(struct cc_member *member, struct axon_bo *bo)
{
	struct cc_team *team = member->team;
	struct cc_buffer *b = make(member, bo);
	int err;

	if (!b)
		return -ENOMEM;
	/* Not with the lock held: whoever destroys a buffer comes the other way round. */
	err = axon_bo_watch(bo, &b->watch);
	if (err) {
		free(b);
		return err;
	}
	pthread_mutex_lock(&team->lock);
	err = check(member, b);
	if (!err && !cc_buffer_find(team, bo)) {
		b->next = *chain(team, bo);
		*chain(team, bo) = b;
		pthread_mutex_unlock(&team->lock);
		return 0;
	}
	b->leaving = true;
	unbind_all(team, b);
	pthread_mutex_unlock(&team->lock);
	axon_bo_unwatch(member->dev, &b->watch);
	free(b);
	return err;
}

void cc_buffer_put(struct cc_buffer *buffer)
{
	if (buffer && !--buffer->refs && !buffer->bo)
		free(buffer);
}

int cc_buffer_new(struct cc_member *member, uint64_t size, struct cc_buffer **buffer)
{
	struct axon_bo *bo;
	struct cc_buffer *b;
	int err = axon_bo_create(member->dev, size, DRM_AXON_REGION_HBM, 0, NULL, &bo);

	if (err)
		return err;
	b = make(member, bo);
	if (!b) {
		axon_bo_destroy(bo);
		return -ENOMEM;
	}
	b->next = member->team->ours;
	member->team->ours = b;
	*buffer = b;
	return 0;
}

/* One of the library's own that nothing names any more. */
void cc_buffer_drop(struct cc_team *team, struct cc_buffer *buffer)
{
	struct cc_buffer **link = &team->ours;

	while (*link != buffer)
		link = &(*link)->next;
	*link = buffer->next;
	unbind_all(team, buffer);
	axon_bo_destroy(buffer->bo);
	free(buffer);
}

/* Nobody uses the team any more but those who destroy buffers. */
void cc_buffers_free(struct cc_team *team)
{
	struct cc_buffer *b;
	uint32_t i;

	while (team->ours)
		cc_buffer_drop(team, team->ours);
	for (i = 0; i < CC_BUFFER_CHAINS; i++)
		for (;;) {
			pthread_mutex_lock(&team->lock);
			b = team->buffers[i];
			if (b) {
				team->buffers[i] = b->next;
				b->leaving = true;
				unbind_all(team, b);
			}
			pthread_mutex_unlock(&team->lock);
			if (!b)
				break;
			axon_bo_unwatch(b->dev, &b->watch);
			free(b);
		}
}

static bool holds(const struct cc_buffer *b, const struct cc_member *member, uint64_t va)
{
	const struct cc_binding *at = &b->bind[member->index];

	return at->bo && va >= at->va && va - at->va < b->size;
}

uint32_t cc_buffer_owner(struct cc_team *team, const struct cc_member *member, uint64_t va)
{
	struct cc_buffer *b;
	uint32_t i;

	for (b = team->ours; b; b = b->next)
		if (holds(b, member, va))
			return b->rank;
	for (i = 0; i < CC_BUFFER_CHAINS; i++)
		for (b = team->buffers[i]; b; b = b->next)
			if (holds(b, member, va))
				return b->rank;
	return AXCC_NO_RANK;
}
