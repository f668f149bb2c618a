// SPDX-License-Identifier: MIT
/*
 * set.c - tensor sets: names for tensors. A set owns its names, not its tensors.
 *
 * A set carries a version that no other content of any set ever had, so that an execution can see
 * with one comparison that nothing changed since the last one.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct entry {
	char *name;
	struct nrt_tensor *tensor;
};

/**
 * struct nrt_set - a tensor set
 * @lock: guards the rest; sets are small and changed rarely
 * @entries: sorted by name
 * @count: of @entries
 * @room: of @entries
 * @version: of its content (atomic: read without the lock)
 */
struct nrt_set {
	pthread_mutex_t lock;
	struct entry *entries;
	size_t count;
	size_t room;
	_Atomic uint64_t version;
};

static _Atomic uint64_t next_version = 1;

static uint64_t new_version(void)
{
	return atomic_fetch_add(&next_version, 1);
}

uint64_t nrt_set_version(const struct nrt_set *set)
{
	return atomic_load_explicit(&set->version, memory_order_acquire);
}

/* Where a name stands, or where it would. The lock is held. */
static size_t find(const struct nrt_set *set, const char *name, bool *found)
{
	size_t low = 0;
	size_t high = set->count;

	*found = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = strcmp(set->entries[mid].name, name);

		if (!order) {
			*found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct nrt_tensor *nrt_set_find(const struct nrt_set *set, const char *name)
{
	struct nrt_set *s = (struct nrt_set *)(uintptr_t)set;	/* for its lock */
	struct nrt_tensor *tensor = NULL;
	bool found;
	size_t at;

	pthread_mutex_lock(&s->lock);
	at = find(s, name, &found);
	if (found)
		tensor = s->entries[at].tensor;
	pthread_mutex_unlock(&s->lock);
	return tensor;
}

NRT_API NRT_STATUS nrt_allocate_tensor_set(nrt_tensor_set_t **result)
{
	struct nrt_set *set;

	if (!result)
		return NRT_INVALID;
	set = calloc(1, sizeof(*set));
	if (!set)
		return NRT_RESOURCE;
	pthread_mutex_init(&set->lock, NULL);
	atomic_init(&set->version, new_version());
	*result = set;
	return NRT_SUCCESS;
}

NRT_API void nrt_destroy_tensor_set(nrt_tensor_set_t **tensor_set)
{
	struct nrt_set *set;
	size_t i;

	if (!tensor_set || !*tensor_set)
		return;
	set = *tensor_set;
	for (i = 0; i < set->count; i++)
		free(set->entries[i].name);
	free(set->entries);
	pthread_mutex_destroy(&set->lock);
	free(set);
	*tensor_set = NULL;
}

static NRT_STATUS insert(struct nrt_set *set, size_t at, const char *name,
			 struct nrt_tensor *tensor)
{
	char *copy;

	if (set->count == set->room) {
		size_t room = set->room ? 2 * set->room : 16;
		void *entries = realloc(set->entries, room * sizeof(*set->entries));

		if (!entries)
			return NRT_RESOURCE;
		set->entries = entries;
		set->room = room;
	}
	copy = strdup(name);
	if (!copy)
		return NRT_RESOURCE;
	memmove(&set->entries[at + 1], &set->entries[at],
		(set->count - at) * sizeof(*set->entries));
	set->entries[at] = (struct entry) { copy, tensor };
	set->count++;
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_add_tensor_to_tensor_set(nrt_tensor_set_t *tensor_set,
						const char *tensor_name, nrt_tensor_t *tensor)
{
	NRT_STATUS status = NRT_SUCCESS;
	struct nrt_set *set = tensor_set;
	bool found;
	size_t at;

	if (!set || !tensor_name || !*tensor_name || !tensor)
		return NRT_INVALID;
	if (strlen(tensor_name) >= NRT_TENSOR_NAME_MAX)
		return NRT_INVALID;
	pthread_mutex_lock(&set->lock);
	at = find(set, tensor_name, &found);
	if (found)
		set->entries[at].tensor = tensor;
	else
		status = insert(set, at, tensor_name, tensor);
	if (!status)
		atomic_store_explicit(&set->version, new_version(), memory_order_release);
	pthread_mutex_unlock(&set->lock);
	return status;
}

NRT_API NRT_STATUS nrt_get_tensor_from_tensor_set(nrt_tensor_set_t *tensor_set,
						  const char *tensor_name, nrt_tensor_t **tensor)
{
	struct nrt_tensor *found;

	if (!tensor_set || !tensor_name || !tensor)
		return NRT_INVALID;
	found = nrt_set_find(tensor_set, tensor_name);
	if (!found)
		return NRT_FAILURE;
	*tensor = found;
	return NRT_SUCCESS;
}
