// SPDX-License-Identifier: MIT
/*
 * state.c - nrt_init() and nrt_close(), which cores the process sees, and facts of the machine.
 *
 * The published API has one session a process; it lives here. Every core is shared with other
 * processes (the card runs their contexts in turn): nothing is reserved, see libnrt(7).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAX_CARDS	64u
#define MAX_CORES	(MAX_CARDS * AXON_MAX_CORES)

/**
 * struct nrt_state - the session
 * @lock: guards the arrays; held by nrt_init() and nrt_close() throughout
 * @state: 0 before nrt_init(), 1 ready, 2 after nrt_close() (atomic)
 * @session: counts nrt_init() (atomic)
 */
static struct nrt_state {
	pthread_mutex_t lock;
	atomic_int state;
	_Atomic uint64_t session;
	struct nrt_card card[MAX_CARDS];
	uint32_t num_cards;
	struct nrt_core core[MAX_CORES];
	atomic_uint num_cores;
	uint32_t total_cores;
} nrt = { .lock = PTHREAD_MUTEX_INITIALIZER };

uint32_t nrt_timeout_ms = AXON_DEFAULT_TIMEOUT_MS;

NRT_STATUS nrt_ready(void)
{
	switch (atomic_load_explicit(&nrt.state, memory_order_acquire)) {
	case 0:
		nrt_err(NRT, "nrt_init() has not been called");
		return NRT_UNINITIALIZED;
	case 1:
		return NRT_SUCCESS;
	default:
		nrt_err(NRT, "nrt_close() has been called");
		return NRT_CLOSED;
	}
}

uint64_t nrt_session(void)
{
	return atomic_load(&nrt.session);
}

struct nrt_core *nrt_core_get(int32_t vnc)
{
	if (vnc < 0 || (uint32_t)vnc >= atomic_load(&nrt.num_cores))
		return NULL;
	return &nrt.core[vnc];
}

struct nrt_core *nrt_core_least_loaded(void)
{
	struct nrt_core *best = NULL;
	uint32_t i;

	for (i = 0; i < atomic_load(&nrt.num_cores); i++)
		if (!best || atomic_load(&nrt.core[i].models) < atomic_load(&best->models))
			best = &nrt.core[i];
	return best;
}

uint32_t nrt_core_count(void)
{
	return atomic_load(&nrt.num_cores);
}

uint32_t nrt_card_count(void)
{
	return nrt.num_cards;
}

/* ---- which cores ---- */

static bool parse_number(const char **text, uint32_t *value)
{
	unsigned long n;
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	n = strtoul(*text, &end, 10);
	if (errno || n >= MAX_CORES)
		return false;
	*text = end;
	*value = (uint32_t)n;
	return true;
}

/* "3", "0-3", "0,1,2", "0-1,2": ascending without gaps. */
static bool parse_cores(const char *text, uint32_t *first, uint32_t *count)
{
	uint32_t from;
	uint32_t to;

	*count = 0;
	do {
		if (!parse_number(&text, &from))
			return false;
		to = from;
		if (*text == '-') {
			text++;
			if (!parse_number(&text, &to) || to < from)
				return false;
		}
		if (!*count)
			*first = from;
		else if (from != *first + *count)
			return false;
		*count += to - from + 1;
	} while (*text++ == ',');
	return text[-1] == '\0';
}

/* The range of cores that the environment asks for, of @total. */
static NRT_STATUS visible_range(uint32_t total, uint32_t *first, uint32_t *count)
{
	const char *visible = getenv("NEURON_RT_VISIBLE_CORES");
	const char *number = getenv("NEURON_RT_NUM_CORES");

	*first = 0;
	*count = total;
	if (visible && *visible) {
		if (!parse_cores(visible, first, count)) {
			nrt_err(NRT, "NEURON_RT_VISIBLE_CORES='%s' is not a number, a range "
				"or an ascending list without gaps",
				visible);
			return NRT_INVALID;
		}
	} else if (number && *number) {
		if (!parse_number(&number, count) || *number) {
			nrt_err(NRT, "NEURON_RT_NUM_CORES is not a number of cores");
			return NRT_INVALID;
		}
		if (!*count)
			*count = total;
	}
	if (*first >= total || *count > total - *first) {
		nrt_err(NRT, "NeuronCore(s) not available - Requested:nc%u-nc%u Available:%u",
			*first, *first + *count - 1, total);
		return NRT_INVALID;
	}
	return NRT_SUCCESS;
}

/* Cores of the whole machine, counted without a session. */
static NRT_STATUS count_cores(uint32_t *total)
{
	struct drm_axon_query_device info;
	struct axon_device *dev;
	uint32_t cards;
	uint32_t i;
	int err;

	*total = 0;
	err = axon_device_count(&cards);
	if (err) {
		nrt_err(NRT, "AXON_DEVICE is neither drm nor soft nor soft:N");
		return NRT_INVALID;
	}
	for (i = 0; i < cards; i++) {
		err = axon_device_open(i, &dev);
		if (!err) {
			err = axon_device_query(dev, &info);
			axon_device_close(dev);
		}
		if (err) {
			nrt_err(NRT, "card %u cannot be opened: %s", i, strerror(-err));
			return NRT_FAILURE;
		}
		*total += info.num_cores;
	}
	return NRT_SUCCESS;
}

static NRT_STATUS total_cores(uint32_t *total)
{
	NRT_STATUS status = NRT_SUCCESS;

	pthread_mutex_lock(&nrt.lock);
	if (atomic_load(&nrt.state) == 1)
		*total = nrt.total_cores;
	else
		status = count_cores(total);
	pthread_mutex_unlock(&nrt.lock);
	return status;
}

NRT_API NRT_STATUS nrt_get_total_vnc_count(uint32_t *vnc_count)
{
	return vnc_count ? total_cores(vnc_count) : NRT_INVALID;
}

NRT_API NRT_STATUS nrt_get_total_nc_count(uint32_t *vnc_count)
{
	return nrt_get_total_vnc_count(vnc_count);
}

NRT_API NRT_STATUS nrt_get_visible_vnc_count(uint32_t *vnc_count)
{
	NRT_STATUS status;
	uint32_t first;
	uint32_t total;

	if (!vnc_count)
		return NRT_INVALID;
	if (atomic_load(&nrt.state) == 1) {
		*vnc_count = nrt_core_count();
		return NRT_SUCCESS;
	}
	status = total_cores(&total);
	if (status)
		return status;
	return visible_range(total, &first, vnc_count);
}

NRT_API NRT_STATUS nrt_get_visible_nc_count(uint32_t *vnc_count)
{
	return nrt_get_visible_vnc_count(vnc_count);
}

/* ---- beginning and end ---- */

static uint32_t read_timeout(void)
{
	const char *text = getenv("NEURON_RT_EXEC_TIMEOUT");
	unsigned long seconds;
	char *end;

	if (!text || !*text)
		return AXON_DEFAULT_TIMEOUT_MS;
	errno = 0;
	seconds = strtoul(text, &end, 10);
	if (errno || *end || *text == '-' || !seconds) {
		nrt_warn(NRT, "NEURON_RT_EXEC_TIMEOUT='%s' is no number of seconds; %u s are taken",
			 text, AXON_DEFAULT_TIMEOUT_MS / 1000);
		return AXON_DEFAULT_TIMEOUT_MS;
	}
	if (seconds > AXON_MAX_TIMEOUT_MS / 1000) {
		nrt_warn(NRT, "NEURON_RT_EXEC_TIMEOUT: %u s are the longest there is",
			 AXON_MAX_TIMEOUT_MS / 1000);
		return AXON_MAX_TIMEOUT_MS;
	}
	return (uint32_t)seconds * 1000;
}

static void close_all(void)
{
	uint32_t cores = atomic_load(&nrt.num_cores);
	uint32_t i;

	atomic_store(&nrt.num_cores, 0);
	for (i = 0; i < cores; i++)
		nrt_core_close(&nrt.core[i]);
	for (i = 0; i < nrt.num_cards; i++)
		nrt_card_close(&nrt.card[i]);
	nrt.num_cards = 0;
}

static NRT_STATUS open_cards(void)
{
	uint32_t cards;
	uint32_t i;
	int err;

	err = axon_device_count(&cards);
	if (err) {
		nrt_err(NRT, "AXON_DEVICE is neither drm nor soft nor soft:N");
		return NRT_INVALID;
	}
	if (!cards) {
		nrt_err(NRT, "no card: no /dev/accel node belongs to the axon driver "
			"(AXON_DEVICE=soft makes one in this process)");
		return NRT_FAILURE;
	}
	nrt.total_cores = 0;
	for (i = 0; i < cards && i < MAX_CARDS; i++) {
		err = nrt_card_open(&nrt.card[i], i);
		if (err) {
			nrt_err(NRT, "card %u cannot be opened: %s", i, strerror(-err));
			return err == -ENOMEM || err == -ENOSPC ? NRT_RESOURCE : NRT_FAILURE;
		}
		nrt.num_cards++;
		nrt.total_cores += nrt.card[i].num_cores;
	}
	return NRT_SUCCESS;
}

static NRT_STATUS open_cores(uint32_t first, uint32_t count)
{
	uint32_t index = 0;
	uint32_t opened = 0;
	uint32_t c;
	uint32_t i;

	for (c = 0; c < nrt.num_cards; c++)
		for (i = 0; i < nrt.card[c].num_cores; i++, index++) {
			struct nrt_core *core = &nrt.core[opened];
			int err;

			if (index < first || index >= first + count)
				continue;
			memset(core, 0, sizeof(*core));
			core->card = &nrt.card[c];
			core->vnc = opened;
			core->core = i;
			err = nrt_core_open(core, nrt_timeout_ms);
			if (err) {
				nrt_err(NRT, "no context on card %u core %u: %s", c, i,
					strerror(-err));
				return nrt_status_of(err);
			}
			atomic_store(&nrt.num_cores, ++opened);
		}
	return NRT_SUCCESS;
}

static NRT_STATUS init_locked(void)
{
	NRT_STATUS status;
	uint32_t first;
	uint32_t count;

	if (atomic_load(&nrt.state) == 1) {
		nrt_err(NRT, "nrt_init() was called twice");
		return NRT_FAILURE;
	}
	nrt_timeout_ms = read_timeout();
	status = open_cards();
	if (!status)
		status = visible_range(nrt.total_cores, &first, &count);
	if (!status)
		status = open_cores(first, count);
	if (status) {
		close_all();
		return status;
	}
	atomic_fetch_add(&nrt.session, 1);
	atomic_store(&nrt.state, 1);
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_init(nrt_framework_type_t framework, const char *fw_version,
			    const char *fal_version)
{
	NRT_STATUS status;

	nrt_log_setup();
	nrt_info(NRT, "framework %d version %s, adapter %s", (int)framework,
		 fw_version ? fw_version : "", fal_version ? fal_version : "");
	pthread_mutex_lock(&nrt.lock);
	status = init_locked();
	pthread_mutex_unlock(&nrt.lock);
	return status;
}

NRT_API void nrt_close(void)
{
	pthread_mutex_lock(&nrt.lock);
	if (atomic_load(&nrt.state) == 1) {
		nrt_async_stop();
		nrt_cc_close();
		nrt_profile_forget(NULL);
		/* From here on every call says NRT_CLOSED; then the memory goes. */
		atomic_store(&nrt.state, 2);
		close_all();
	}
	pthread_mutex_unlock(&nrt.lock);
}

/* ---- facts ---- */

NRT_API NRT_STATUS nrt_get_instance_info(nrt_instance_info_t *info, size_t instance_info_len)
{
	nrt_instance_info_t i = {
		.family = NRT_INSTANCE_TRN2,
		.size = NRT_INSTANCE_SIZE_UNKNOWN,
		.arch_name = "axon",
		.device_revision = "a1",
	};

	if (!info || !instance_info_len)
		return NRT_INVALID;
	memcpy(info, &i, instance_info_len < sizeof(i) ? instance_info_len : sizeof(i));
	return NRT_SUCCESS;
}

static int hbm_of(struct nrt_card *card, nrt_vnc_memory_stats_t *stats)
{
	struct drm_axon_mem_region regions[16];
	uint32_t count = 16;
	uint32_t i;
	int err = axon_device_regions(card->dev, regions, &count);

	if (err)
		return err;
	for (i = 0; i < count && i < 16; i++)
		if (regions[i].region == DRM_AXON_REGION_HBM) {
			stats->bytes_used += regions[i].used;
			stats->bytes_limit += regions[i].size;
		}
	return 0;
}

NRT_API NRT_STATUS nrt_get_vnc_memory_stats(uint32_t vnc, nrt_vnc_memory_stats_t *stats,
					    size_t stats_size_in, size_t *stats_size_out)
{
	nrt_vnc_memory_stats_t s = { 0 };
	NRT_STATUS status = nrt_ready();
	struct nrt_core *core;
	int err;

	if (status)
		return status;
	core = vnc > INT32_MAX ? NULL : nrt_core_get((int32_t)vnc);
	if (!core || !stats || !stats_size_in)
		return NRT_INVALID;
	err = hbm_of(core->card, &s);
	if (err)
		return nrt_status_of(err);
	if (stats_size_in > sizeof(s))
		stats_size_in = sizeof(s);
	memcpy(stats, &s, stats_size_in);
	if (stats_size_out)
		*stats_size_out = stats_size_in;
	return NRT_SUCCESS;
}

/* An offset cannot be told, so only what a tensor starts at has a descriptor. */
NRT_API NRT_STATUS nrt_get_dmabuf_fd(uint64_t va, uint64_t size, int *fd)
{
	NRT_STATUS status = nrt_ready();
	int err = -ENOENT;
	uint32_t i;

	if (status)
		return status;
	if (!va || !size || !fd)
		return NRT_INVALID;
	for (i = 0; err == -ENOENT && i < nrt.num_cards; i++)
		err = nrt_mem_export(&nrt.card[i], (uintptr_t)va, size, fd);
	if (!err)
		return NRT_SUCCESS;
	nrt_err(NRT, "no dma-buf for %llu bytes at 0x%llx: %s", (unsigned long long)size,
		(unsigned long long)va, err == -ENOENT || err == -EPERM ?
		"they are not the start of a tensor's memory" : strerror(-err));
	return err == -ENOENT || err == -EPERM ? NRT_INVALID : nrt_status_of(err);
}

/* Cards are not renumbered for containers: host ids are the indices. */
NRT_API NRT_STATUS nrt_host_device_id_get(int neuron_dev, uint32_t *host_device_id)
{
	NRT_STATUS status = nrt_ready();

	if (status)
		return status;
	if (!host_device_id || neuron_dev < 0 || (uint32_t)neuron_dev >= nrt.num_cards)
		return NRT_INVALID;
	*host_device_id = (uint32_t)neuron_dev;
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_host_device_id_rid_map_get(uint32_t *count, uint32_t *host_did_to_rid_map)
{
	NRT_STATUS status = nrt_ready();
	uint32_t i;

	if (status)
		return status;
	if (!count || !host_did_to_rid_map)
		return NRT_INVALID;
	if (*count && *count < nrt.num_cards)
		return NRT_RESOURCE;
	*count = nrt.num_cards;
	for (i = 0; i < nrt.num_cards; i++)
		host_did_to_rid_map[i] = i;
	return NRT_SUCCESS;
}
