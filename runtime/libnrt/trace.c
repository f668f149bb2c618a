// SPDX-License-Identifier: MIT
/*
 * trace.c - nrt_sys_trace_*: when each core ran what, as JSON.
 *
 * One kind of event is known, "nc_exec_running": a model begins and ends on a core. Times are
 * CLOCK_MONOTONIC of the host, taken before submission and after completion. Per core the newest
 * events are kept.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "internal.h"

#define EVENT_EXEC		"nc_exec_running"
#define MAX_NC			512u
#define DEFAULT_EVENTS		1000000u
#define ALL_NC			UINT64_MAX

struct event {
	uint64_t id;
	uint64_t time_ns;
	bool start;
	char model[32];
};

/* Events of one core: a ring that keeps the newest. */
struct ring {
	struct event *events;
	size_t room;
	size_t max;
	uint64_t written;
	uint64_t fetched;
};

struct nrt_sys_trace_config {
	uint64_t max_events;
	bool off[MAX_NC];
	bool exec_off;
};

struct nrt_sys_trace_fetch_options {
	uint64_t max_events;
	uint64_t nc_idx;
};

atomic_bool nrt_trace_on;

/**
 * struct trace - the trace that runs
 * @lock: guards the rest
 * @next_id: of the next execution
 */
static struct trace {
	pthread_mutex_t lock;
	uint64_t next_id;
	struct ring ring[MAX_NC];
	bool off[MAX_NC];
	uint64_t max_events;
} trace = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- recording ---- */

/* Grows while it may, so that a large limit costs nothing until it is used. */
static bool ring_grow(struct ring *ring)
{
	size_t room = ring->room ? 2 * ring->room : 256;
	struct event *events;

	if (room > ring->max)
		room = ring->max;
	if (ring->written < ring->room || room == ring->room)
		return ring->room != 0;
	events = realloc(ring->events, room * sizeof(*events));
	if (!events)
		return ring->room != 0;
	ring->events = events;
	ring->room = room;
	return true;
}

static void record(uint32_t vnc, uint64_t id, const char *model, bool start)
{
	struct ring *ring = &trace.ring[vnc];
	struct timespec ts;
	struct event *e;

	if (trace.off[vnc] || !ring_grow(ring))
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	e = &ring->events[ring->written++ % ring->room];
	e->id = id;
	e->time_ns = (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
	e->start = start;
	strncpy(e->model, model, sizeof(e->model) - 1);
	e->model[sizeof(e->model) - 1] = '\0';
}

uint64_t nrt_trace_begin(uint32_t vnc, const char *model)
{
	uint64_t id;

	pthread_mutex_lock(&trace.lock);
	id = ++trace.next_id;
	if (vnc < MAX_NC && trace.max_events)
		record(vnc, id, model, true);
	pthread_mutex_unlock(&trace.lock);
	return id;
}

void nrt_trace_end(uint32_t vnc, uint64_t id, const char *model)
{
	pthread_mutex_lock(&trace.lock);
	if (vnc < MAX_NC && trace.max_events)
		record(vnc, id, model, false);
	pthread_mutex_unlock(&trace.lock);
}

/* ---- configuration ---- */

NRT_API NRT_STATUS nrt_sys_trace_config_allocate(nrt_sys_trace_config_t **options)
{
	if (!options)
		return NRT_INVALID;
	*options = calloc(1, sizeof(**options));
	if (!*options)
		return NRT_RESOURCE;
	nrt_sys_trace_config_set_defaults(*options);
	return NRT_SUCCESS;
}

NRT_API void nrt_sys_trace_config_set_defaults(nrt_sys_trace_config_t *options)
{
	if (!options)
		return;
	memset(options, 0, sizeof(*options));
	options->max_events = DEFAULT_EVENTS;
}

NRT_API void nrt_sys_trace_config_free(nrt_sys_trace_config_t *options)
{
	free(options);
}

NRT_API void nrt_sys_trace_config_set_max_events_per_nc(nrt_sys_trace_config_t *options,
							uint64_t max_events_per_nc)
{
	if (options)
		options->max_events = max_events_per_nc;
}

NRT_API void nrt_sys_trace_config_set_capture_enabled_for_nc(nrt_sys_trace_config_t *options,
							     uint32_t nc_idx, bool enabled)
{
	if (options && nc_idx < MAX_NC)
		options->off[nc_idx] = !enabled;
}

NRT_API NRT_STATUS
nrt_sys_trace_config_set_capture_enabled_for_event_type(nrt_sys_trace_config_t *options,
							const char *event_type, bool enabled)
{
	if (!options || !event_type)
		return NRT_INVALID;
	if (strcmp(event_type, EVENT_EXEC)) {
		nrt_err(NRT, "no event type '%s'; there is only " EVENT_EXEC, event_type);
		return NRT_INVALID;
	}
	options->exec_off = !enabled;
	return NRT_SUCCESS;
}

static NRT_STATUS give_types(const char ***event_types, size_t *count, size_t n)
{
	const char **list;

	if (!event_types || !count)
		return NRT_INVALID;
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return NRT_RESOURCE;
	if (n)
		list[0] = strdup(EVENT_EXEC);
	if (n && !list[0]) {
		free(list);
		return NRT_RESOURCE;
	}
	*event_types = list;
	*count = n;
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_sys_trace_get_event_types(const char ***event_types, size_t *count)
{
	return give_types(event_types, count, 1);
}

NRT_API void nrt_sys_trace_free_event_types(const char **event_types, size_t count)
{
	size_t i;

	for (i = 0; event_types && i < count; i++)
		free((void *)(uintptr_t)event_types[i]);
	free(event_types);
}

NRT_API NRT_STATUS
nrt_sys_trace_config_get_enabled_event_types(nrt_sys_trace_config_t *options,
					     const char ***event_types, size_t *count)
{
	if (!options)
		return NRT_INVALID;
	return give_types(event_types, count, options->exec_off ? 0 : 1);
}

/* ---- start, stop ---- */

static void drop_all(void)
{
	size_t i;

	for (i = 0; i < MAX_NC; i++) {
		free(trace.ring[i].events);
		memset(&trace.ring[i], 0, sizeof(trace.ring[i]));
	}
}

NRT_API NRT_STATUS nrt_sys_trace_start(nrt_sys_trace_config_t *options)
{
	NRT_STATUS status = nrt_ready();
	nrt_sys_trace_config_t defaults;
	size_t i;

	if (status)
		return status;
	if (!options) {
		nrt_sys_trace_config_set_defaults(&defaults);
		options = &defaults;
	}
	pthread_mutex_lock(&trace.lock);
	if (atomic_load(&nrt_trace_on)) {
		status = NRT_FAILURE;
		nrt_err(NRT, "a trace runs already");
	} else {
		drop_all();
		trace.max_events = options->exec_off ? 0 : options->max_events;
		memcpy(trace.off, options->off, sizeof(trace.off));
		for (i = 0; i < MAX_NC; i++)
			trace.ring[i].max = trace.max_events;
		atomic_store(&nrt_trace_on, true);
	}
	pthread_mutex_unlock(&trace.lock);
	return status;
}

/* What was recorded can still be fetched. */
NRT_API NRT_STATUS nrt_sys_trace_stop(void)
{
	return atomic_exchange(&nrt_trace_on, false) ? NRT_SUCCESS : NRT_FAILURE;
}

/* ---- fetching ---- */

NRT_API NRT_STATUS
nrt_sys_trace_fetch_options_allocate(nrt_sys_trace_fetch_options_t **options)
{
	if (!options)
		return NRT_INVALID;
	*options = calloc(1, sizeof(**options));
	if (!*options)
		return NRT_RESOURCE;
	nrt_sys_trace_fetch_options_set_defaults(*options);
	return NRT_SUCCESS;
}

NRT_API void nrt_sys_trace_fetch_options_set_defaults(nrt_sys_trace_fetch_options_t *options)
{
	if (!options)
		return;
	options->max_events = DEFAULT_EVENTS;
	options->nc_idx = ALL_NC;
}

NRT_API void nrt_sys_trace_fetch_options_free(nrt_sys_trace_fetch_options_t *options)
{
	free(options);
}

NRT_API void
nrt_sys_trace_fetch_options_set_max_events_per_nc(nrt_sys_trace_fetch_options_t *options,
						  uint64_t max_events_per_nc)
{
	if (options)
		options->max_events = max_events_per_nc;
}

NRT_API void nrt_sys_trace_fetch_options_set_nc_idx(nrt_sys_trace_fetch_options_t *options,
						    uint64_t nc_idx)
{
	if (options)
		options->nc_idx = nc_idx;
}

static int add_events(json_t *array, uint32_t nc, struct ring *ring, uint64_t max)
{
	uint64_t from = ring->fetched;

	if (ring->written > ring->room && from < ring->written - ring->room)
		from = ring->written - ring->room;
	for (; from < ring->written && max; from++, max--) {
		const struct event *e = &ring->events[from % ring->room];
		json_t *json = json_pack("{s:s, s:s, s:I, s:i, s:{s:I, s:s%}}",
			"event_type", EVENT_EXEC, "phase", e->start ? "start" : "stop",
			"tracking_id", (json_int_t)e->id, "nc_idx", (int)nc, "data",
			"nc_timestamp_ns", (json_int_t)e->time_ns,
			"model_name", e->model, strlen(e->model));

		if (!json || json_array_append_new(array, json))
			return -1;
	}
	ring->fetched = from;
	return 0;
}

static char *fetch(const nrt_sys_trace_fetch_options_t *options)
{
	json_t *root = json_object();
	json_t *array = json_array();
	char *text = NULL;
	uint32_t i;
	int err = json_object_set_new(root, "events", array);

	pthread_mutex_lock(&trace.lock);
	for (i = 0; !err && i < MAX_NC; i++)
		if (trace.ring[i].room && (options->nc_idx == ALL_NC || options->nc_idx == i))
			err = add_events(array, i, &trace.ring[i], options->max_events);
	pthread_mutex_unlock(&trace.lock);
	if (!err)
		text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

NRT_API NRT_STATUS nrt_sys_trace_fetch_events(char **buffer, size_t *written_size,
					      const nrt_sys_trace_fetch_options_t *options)
{
	nrt_sys_trace_fetch_options_t defaults;

	if (!buffer || !written_size)
		return NRT_INVALID;
	if (!options) {
		nrt_sys_trace_fetch_options_set_defaults(&defaults);
		options = &defaults;
	}
	*buffer = fetch(options);
	if (!*buffer)
		return NRT_RESOURCE;
	*written_size = strlen(*buffer);
	return NRT_SUCCESS;
}

NRT_API void nrt_sys_trace_buffer_free(char *buffer)
{
	free(buffer);
}
