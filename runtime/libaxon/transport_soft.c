// SPDX-License-Identifier: MIT
/*
 * transport_soft.c - libaxon's operations on a card in this process.
 *
 * Checks what the kernel driver would check, with the same errors, so that nobody above can tell
 * the difference. How the card works and who runs it: soft.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "axon_fw.h"
#include "axon_isa.h"
#include "soft.h"

#define DEFAULT_HBM		(1ull << 30)
#define DEFAULT_CORES		2u
#define HBM_UNIT		(2ull << 20)
#define MAX_HBM			(1ull << 40)

/* The image of this build, linked in (soft_firmware.S). */
extern const uint8_t axon_soft_firmware[] __attribute__((visibility("hidden")));
extern const uint8_t axon_soft_firmware_end[] __attribute__((visibility("hidden")));

/* ---- opening ---- */

static int parse_hbm(uint64_t *size)
{
	const char *env = getenv("AXON_SOFT_HBM");
	unsigned long long n;
	unsigned int shift = 0;
	char *end;

	*size = DEFAULT_HBM;
	if (!env || !*env)
		return 0;
	errno = 0;
	n = strtoull(env, &end, 0);
	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'M' || *end == 'm')
		shift = 20;
	else if (*end == 'G' || *end == 'g')
		shift = 30;
	if (end == env || *env == '-' || errno || (*end && (!shift || end[1])))
		return -EINVAL;
	if (!n || n > MAX_HBM >> shift || (n << shift) % HBM_UNIT)
		return -EINVAL;
	*size = n << shift;
	return 0;
}

static int parse_cores(uint32_t *cores)
{
	const char *env = getenv("AXON_SOFT_CORES");
	unsigned long n;
	char *end;

	*cores = DEFAULT_CORES;
	if (!env || !*env)
		return 0;
	n = strtoul(env, &end, 10);
	if (end == env || *end || !n || n > AXON_MAX_CORES)
		return -EINVAL;
	*cores = (uint32_t)n;
	return 0;
}

static int read_all(int fd, void *buf, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, (char *)buf + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		got += (size_t)n;
	}
	return 0;
}

static int read_firmware(struct soft_card *card, const char *path)
{
	struct stat st;
	int err = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		err = -errno;
	} else if (st.st_size <= 0 || (uint64_t)st.st_size > AXON_FW_MAX_SIZE) {
		err = -ENOEXEC;
	} else {
		card->firmware_size = (size_t)st.st_size;
		card->firmware_own = malloc(card->firmware_size);
		err = card->firmware_own ? read_all(fd, card->firmware_own, card->firmware_size) :
					   -ENOMEM;
		card->firmware = card->firmware_own;
	}
	if (fd >= 0)
		close(fd);
	if (err)
		axon_dev_log(&card->base, AXON_LOG_ERROR, "%s: firmware %s: %s", card->base.path,
			     path, strerror(-err));
	return err;
}

static int find_firmware(struct soft_card *card)
{
	const char *env = getenv("AXON_FIRMWARE");

	if (env && *env)
		return read_firmware(card, env);
	card->firmware = axon_soft_firmware;
	card->firmware_size = (size_t)(axon_soft_firmware_end - axon_soft_firmware);
	return 0;
}

static void init_locks(struct soft_card *card)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&card->gate, NULL);
	pthread_mutex_init(&card->run, NULL);
	pthread_mutex_init(&card->sleep, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&card->news, &attr);
	pthread_cond_init(&card->kick, &attr);
	pthread_condattr_destroy(&attr);
}

/* First everybody else lets go of the card, then it goes. */
static void soft_close(struct axon_device *base)
{
	struct soft_card *card = to_card(base);

	soft_fabric_hide(card);
	soft_share_cut(card);
	soft_card_stop(card);
	soft_fabric_leave(card);
	soft_share_card_gone(card);
	soft_mem_exit(card);
	free(card->firmware_own);
	pthread_cond_destroy(&card->kick);
	pthread_cond_destroy(&card->news);
	pthread_mutex_destroy(&card->sleep);
	pthread_mutex_destroy(&card->run);
	pthread_mutex_destroy(&card->gate);
	free(card);
}

int axon_soft_open(const char *path, axon_log_fn log, void *opaque, struct axon_device **out)
{
	struct soft_card *card;
	uint64_t hbm;
	int err;

	card = calloc(1, sizeof(*card));
	if (!card)
		return -ENOMEM;
	axon_device_init(&card->base, &axon_transport_soft, path, log, opaque);
	init_locks(card);
	err = parse_hbm(&hbm);
	if (!err)
		err = parse_cores(&card->cores);
	if (err)
		axon_dev_log(&card->base, AXON_LOG_ERROR,
			     "%s: AXON_SOFT_HBM wants a multiple of 2M, AXON_SOFT_CORES 1 to %u",
			     path, AXON_MAX_CORES);
	if (!err)
		err = find_firmware(card);
	if (!err)
		err = soft_mem_init(card, hbm);
	if (!err)
		err = soft_fabric_join(card);
	if (!err)
		err = soft_card_start(card);
	if (err) {
		soft_close(&card->base);
		return err;
	}
	soft_fabric_show(card);
	*out = &card->base;
	return 0;
}

static int soft_fd(const struct axon_device *dev)
{
	return -EOPNOTSUPP;
}

/* ---- queries ---- */

static uint64_t reg64(struct soft_card *card, uint32_t offset)
{
	uint64_t low;
	uint32_t high = axon_card_read(card->model, offset + 4);
	uint32_t again;

	/* A counter may carry between its halves. */
	for (;;) {
		low = axon_card_read(card->model, offset);
		again = axon_card_read(card->model, offset + 4);
		if (again == high)
			return (uint64_t)high << 32 | low;
		high = again;
	}
}

static void query_device(struct soft_card *card, struct drm_axon_query_device *d)
{
	*d = (struct drm_axon_query_device) {
		.pci_vendor = AXON_PCI_VENDOR_ID,
		.pci_device = AXON_PCI_DEVICE_ID,
		.revision = axon_card_read(card->model, AXON_REG_REVISION),
		.state = atomic_load(&card->wedged) ? DRM_AXON_STATE_WEDGED : DRM_AXON_STATE_READY,
		.fw_version = card->fw_version,
		.mbox_abi = card->fw_mbox_abi,
		.isa_version = AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR,
		.num_cores = card->cores,
		.num_queues = card->num_queues,
		.num_asids = card->num_asids,
		.hbm_stacks = axon_card_read(card->model, AXON_REG_HBM_STACKS),
		.reset_count = card->resets,
		.serial = reg64(card, AXON_REG_SERIAL_LO),
		.ref_clock_hz = AXON_REF_CLOCK_HZ,
		.vm_start = AXON_VM_START,
		.vm_end = AXON_VM_END,
		.numa_node = -1,
		.fabric_cards = axon_card_read(card->model, AXON_REG_FABRIC_CARDS),
		.fabric_uid = reg64(card, AXON_REG_FABRIC_UID_LO),
		.fabric_id = axon_card_read(card->model, AXON_REG_FABRIC_ID),
	};
	memcpy(d->fw_version_str, card->fw_version_str, sizeof(d->fw_version_str) - 1);
}

static uint32_t query_regions(struct soft_card *card, struct drm_axon_mem_region *r)
{
	uint32_t stacks = axon_card_read(card->model, AXON_REG_HBM_STACKS);
	uint64_t size = card->hbm_size / stacks;
	uint32_t i;

	r[0] = (struct drm_axon_mem_region) {
		.region = DRM_AXON_REGION_HOST,
		.min_page = AXON_PAGE_SIZE,
		.used = card->bus_space.bytes,
	};
	for (i = 0; i < stacks; i++)
		r[1 + i] = (struct drm_axon_mem_region) {
			.region = DRM_AXON_REGION_HBM,
			.instance = (uint16_t)i,
			.min_page = AXON_PAGE_SIZE,
			.size = size,
			.used = soft_hbm_used(card, i * size, (i + 1) * size),
			.cpu_visible = size,
		};
	return 1 + stacks;
}

static void query_cores(struct soft_card *card, struct drm_axon_core *cores)
{
	uint32_t i;

	for (i = 0; i < card->cores; i++)
		cores[i] = (struct drm_axon_core) {
			.id = i,
			.state = axon_card_read(card->model, AXON_REG_CORE(i, AXON_CORE_STATE)),
			.busy_ns = reg64(card, AXON_REG_CORE(i, AXON_CORE_BUSY_LO)),
			.cycles = reg64(card, AXON_REG_CORE(i, AXON_CORE_CYCLES_LO)),
			.launches = reg64(card, AXON_REG_CORE(i, AXON_CORE_LAUNCHES_LO)),
			.flops = reg64(card, AXON_REG_CORE(i, AXON_CORE_FLOPS_LO)),
		};
}

static void query_telemetry(struct soft_card *card, struct drm_axon_query_telemetry *t)
{
	const struct axon_telemetry *from = &card->mbox->telemetry;

	/* The firmware cannot write while the lock is held, so one copy is consistent. */
	*t = (struct drm_axon_query_telemetry) {
		.timestamp_ns = axon_now_ns(),
		.temp_die = from->temp_die,
		.temp_hbm = from->temp_hbm,
		.power = from->power,
		.voltage = from->voltage,
		.clock_core = from->clock_core,
		.clock_hbm = from->clock_hbm,
		.energy = from->energy,
		.hbm_ecc_ce = from->hbm_ecc_ce,
		.hbm_ecc_ue = from->hbm_ecc_ue,
		.sram_ecc_ce = from->sram_ecc_ce,
		.sram_ecc_ue = from->sram_ecc_ue,
		.uptime_us = from->uptime_us,
		.updates = from->updates,
		.faults_lost = from->faults_lost,
	};
}

static uint32_t query_links(struct soft_card *card, struct drm_axon_link *links)
{
	uint32_t places = axon_card_read(card->model, AXON_REG_FABRIC_CARDS);
	uint32_t self = axon_card_read(card->model, AXON_REG_FABRIC_ID);
	uint32_t n = 0;
	uint32_t p;

	for (p = 0; p < places && n < AXON_MAX_PEERS; p++) {
		if (p == self)
			continue;
		links[n++] = (struct drm_axon_link) {
			.peer = p,
			.state = axon_card_read(card->model, AXON_REG_PEER(p, AXON_PEER_STATE)),
			.lanes = axon_card_read(card->model, AXON_REG_PEER(p, AXON_PEER_LANES)),
			.distance = axon_card_read(card->model, AXON_REG_PEER(p, AXON_PEER_HOPS)),
			.bandwidth = 1000000ull * axon_card_read(card->model,
						AXON_REG_PEER(p, AXON_PEER_BANDWIDTH)),
			.latency_ns = axon_card_read(card->model,
						     AXON_REG_PEER(p, AXON_PEER_LATENCY)),
			.errors = axon_card_read(card->model, AXON_REG_PEER(p, AXON_PEER_ERRORS)),
			.written = reg64(card, AXON_REG_PEER(p, AXON_PEER_WRITTEN_LO)),
			.read = reg64(card, AXON_REG_PEER(p, AXON_PEER_READ_LO)),
			.posts = reg64(card, AXON_REG_PEER(p, AXON_PEER_POSTS_LO)),
		};
	}
	return n;
}

static int soft_query(struct axon_device *base, uint32_t type, void *ptr, uint32_t *size)
{
	struct soft_card *card = to_card(base);
	union {
		struct drm_axon_query_device device;
		struct drm_axon_mem_region regions[1 + 4];
		struct drm_axon_core cores[AXON_MAX_CORES];
		struct drm_axon_query_telemetry telemetry;
		struct drm_axon_link links[AXON_MAX_PEERS];
	} u;
	uint32_t have = 0;
	int err = 0;

	memset(&u, 0, sizeof(u));
	if (type == DRM_AXON_QUERY_MEM_REGIONS)
		soft_share_sweep();
	soft_lock(card);
	switch (type) {
	case DRM_AXON_QUERY_DEVICE:
		query_device(card, &u.device);
		have = sizeof(u.device);
		break;
	case DRM_AXON_QUERY_MEM_REGIONS:
		have = query_regions(card, u.regions) * (uint32_t)sizeof(u.regions[0]);
		break;
	case DRM_AXON_QUERY_CORES:
		query_cores(card, u.cores);
		have = card->cores * (uint32_t)sizeof(u.cores[0]);
		break;
	case DRM_AXON_QUERY_TELEMETRY:
		query_telemetry(card, &u.telemetry);
		have = sizeof(u.telemetry);
		break;
	case DRM_AXON_QUERY_LINKS:
		have = query_links(card, u.links) * (uint32_t)sizeof(u.links[0]);
		break;
	default:
		err = -EINVAL;
	}
	soft_unlock(card);
	if (err)
		return err;
	if (ptr)
		memcpy(ptr, &u, *size < have ? *size : have);
	*size = have;
	return 0;
}

/* ---- buffers ---- */

static int soft_bo_create(struct axon_device *base, uint64_t size, uint32_t region, uint32_t flags,
			  struct axon_vm *vm, struct axon_bo **out)
{
	struct soft_card *card = to_card(base);
	struct soft_bo *bo;
	int err;

	if (!size || size > AXON_MAX_BO_SIZE || flags & ~DRM_AXON_BO_FLAGS ||
	    (region != DRM_AXON_REGION_HOST && region != DRM_AXON_REGION_HBM))
		return -EINVAL;
	bo = calloc(1, sizeof(*bo));
	if (!bo)
		return -ENOMEM;
	bo->base.dev = base;
	bo->base.flags = flags;
	bo->vm = vm;
	size = (size + AXON_PAGE_SIZE - 1) & ~(AXON_PAGE_SIZE - 1ull);
	soft_lock(card);
	bo->handle = ++card->next_handle;
	err = soft_bo_new(card, size, region, bo);
	soft_unlock(card);
	if (err == -ENOSPC) {
		/* Perhaps descriptors were closed that kept memory. */
		soft_share_sweep();
		soft_lock(card);
		err = soft_bo_new(card, size, region, bo);
		soft_unlock(card);
	}
	if (err) {
		free(bo);
		return err;
	}
	*out = &bo->base;
	return 0;
}

static void soft_bo_destroy(struct axon_bo *base)
{
	struct soft_card *card = to_card(base->dev);

	soft_lock(card);
	soft_bo_put(card, (struct soft_bo *)base);
	soft_unlock(card);
}

static int soft_bo_map(struct axon_bo *base, void **ptr)
{
	*ptr = ((struct soft_bo *)base)->ptr;
	return 0;
}

static int soft_bo_info(struct axon_bo *base, struct drm_axon_bo_info *info)
{
	*info = (struct drm_axon_bo_info) {
		.handle = ((struct soft_bo *)base)->handle,
		.region = base->region,
		.size = base->size,
		.flags = base->flags,
		.peer = base->region == DRM_AXON_REGION_LINK ? ((struct soft_bo *)base)->peer : 0,
	};
	return 0;
}

static int soft_bo_export(struct axon_bo *base, int *fd)
{
	struct soft_card *card = to_card(base->dev);
	int err;

	soft_share_sweep();
	soft_lock(card);
	err = soft_share_export(card, (struct soft_bo *)base, fd);
	soft_unlock(card);
	return err;
}

static int soft_bo_import(struct axon_device *base, int fd, struct axon_bo **out)
{
	struct soft_bo *bo;
	int err;

	soft_share_sweep();
	err = soft_share_import(to_card(base), fd, &bo);
	if (!err)
		*out = &bo->base;
	return err;
}

/* ---- address spaces ---- */

static int take_asid(struct soft_card *card, uint32_t *asid)
{
	uint32_t max = card->num_asids;
	uint32_t live = 0;
	uint32_t i;

	for (i = 1; i < max; i++)
		live += card->asids >> i & 1;
	if (live >= AXON_MAX_VMS_PER_FILE)
		return -ENOSPC;
	for (i = 1; i < max; i++)
		if (!(card->asids >> i & 1)) {
			card->asids |= 1ull << i;
			*asid = i;
			return 0;
		}
	return -ENOSPC;
}

static int vm_create_locked(struct soft_card *card, struct soft_vm *vm)
{
	int err = take_asid(card, &vm->asid);

	if (err)
		return err;
	err = soft_vm_init(card, vm);
	if (err)
		goto fail;
	err = soft_as_enable(card, vm);
	if (err)
		goto fail_root;
	vm->next = card->vms;
	card->vms = vm;
	return 0;
fail_root:
	soft_vm_exit(card, vm);
fail:
	card->asids &= ~(1ull << vm->asid);
	return err;
}

static int soft_vm_create(struct axon_device *base, struct axon_vm **out)
{
	struct soft_card *card = to_card(base);
	struct soft_vm *vm = calloc(1, sizeof(*vm));
	int err;

	if (!vm)
		return -ENOMEM;
	vm->base.dev = base;
	soft_lock(card);
	err = vm_create_locked(card, vm);
	soft_unlock(card);
	if (err) {
		free(vm);
		return err;
	}
	*out = &vm->base;
	return 0;
}

static int soft_vm_destroy(struct axon_vm *base)
{
	struct soft_card *card = to_card(base->dev);
	struct soft_vm *vm = (struct soft_vm *)base;
	struct soft_vm **link = &card->vms;

	soft_lock(card);
	/* No queue is left, so this can only fail on a dead card, which knows no spaces. */
	soft_as_disable(card, vm);
	while (*link != vm)
		link = &(*link)->next;
	*link = vm->next;
	soft_vm_exit(card, vm);
	card->asids &= ~(1ull << vm->asid);
	soft_unlock(card);
	free(vm);
	return 0;
}

static int soft_vm_bind(struct axon_vm *base, const struct axon_bind *ops, uint32_t count,
			uint32_t *done)
{
	struct soft_card *card = to_card(base->dev);
	int err = 0;
	uint32_t i;

	soft_lock(card);
	if (atomic_load(&card->wedged))
		err = -EIO;
	for (i = 0; !err && i < count; i++) {
		err = soft_vm_change(card, (struct soft_vm *)base, &ops[i]);
		*done = err ? i : i + 1;
	}
	soft_unlock(card);
	return err;
}

/* ---- contexts ---- */

static int soft_ctx_create(struct axon_vm *vm, uint32_t priority, struct axon_context **out)
{
	struct soft_card *card = to_card(vm->dev);
	struct soft_ctx *ctx;
	bool full;

	if (priority > DRM_AXON_PRIORITY_HIGH)
		return -EINVAL;
	/* The rings of one process compete with nobody. */
	if (priority == DRM_AXON_PRIORITY_HIGH && geteuid())
		return -EACCES;
	if (atomic_load(&card->wedged))
		return -EIO;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return -ENOMEM;
	ctx->base.dev = vm->dev;
	ctx->base.vm = vm;
	soft_lock(card);
	full = card->ctxs >= AXON_MAX_CTXS_PER_FILE;
	if (!full)
		card->ctxs++;
	soft_unlock(card);
	if (full) {
		free(ctx);
		return -ENOSPC;
	}
	*out = &ctx->base;
	return 0;
}

static int soft_ctx_destroy(struct axon_context *base)
{
	struct soft_card *card = to_card(base->dev);

	soft_lock(card);
	card->ctxs--;
	soft_unlock(card);
	free(base);
	return 0;
}

static int soft_ctx_state(struct axon_context *base, struct drm_axon_ctx_get_state *state)
{
	struct soft_card *card = to_card(base->dev);

	soft_lock(card);
	*state = ((struct soft_ctx *)base)->state;
	soft_unlock(card);
	return 0;
}

/* ---- queues ---- */

static int soft_queue_create(struct axon_context *ctx, const struct axon_queue_params *params,
			     struct axon_queue **out)
{
	struct soft_card *card = to_card(ctx->dev);
	struct soft_queue *queue = calloc(1, sizeof(*queue));
	int err;

	if (!queue)
		return -ENOMEM;
	queue->base.dev = ctx->dev;
	queue->base.ctx = ctx;
	soft_lock(card);
	err = soft_queue_init(card, queue, params);
	soft_unlock(card);
	if (err) {
		free(queue);
		return err;
	}
	*out = &queue->base;
	return 0;
}

static void soft_queue_cancel(struct axon_queue *base)
{
	struct soft_card *card = to_card(base->dev);

	soft_lock(card);
	soft_queue_end(card, (struct soft_queue *)base);
	soft_unlock(card);
	soft_wake(card);
}

static void soft_queue_destroy(struct axon_queue *base)
{
	struct soft_card *card = to_card(base->dev);

	soft_lock(card);
	soft_queue_exit(card, (struct soft_queue *)base);
	soft_unlock(card);
	soft_wake(card);
	free(base);
}

static int soft_queue_state(struct axon_queue *base, struct drm_axon_queue_get_state *state)
{
	struct soft_queue *q = (struct soft_queue *)base;
	struct soft_card *card = to_card(base->dev);

	/* Whoever polls instead of waiting brings his job forward as well. */
	if (atomic_load(&q->completed) != atomic_load(&q->last) && soft_run_begin(card)) {
		soft_run_slice(card);
		soft_run_end(card);
	}
	soft_lock(card);
	*state = (struct drm_axon_queue_get_state) {
		.queue_id = q->id + 1,
		.last_status = q->last_status,
		.submitted = atomic_load(&q->last),
		.completed = atomic_load(&q->completed),
		.last_cycles = q->last_cycles,
		.total_cycles = q->total_cycles,
		.last_profiled = q->last_profiled,
	};
	soft_unlock(card);
	return 0;
}

static int soft_submit(struct axon_queue *base, const struct drm_axon_job *jobs, uint32_t count,
		       const struct axon_fence *waits, uint32_t wait_count, uint64_t *seqno)
{
	return soft_queue_submit(to_card(base->dev), (struct soft_queue *)base, jobs, count, waits,
				 wait_count, seqno);
}

static int soft_wait(struct axon_queue *base, uint64_t seqno, uint64_t deadline_ns)
{
	return soft_queue_wait(to_card(base->dev), (struct soft_queue *)base, seqno, deadline_ns);
}

const struct axon_transport axon_transport_soft = {
	.close = soft_close,
	.fd = soft_fd,
	.query = soft_query,
	.bo_create = soft_bo_create,
	.bo_destroy = soft_bo_destroy,
	.bo_map = soft_bo_map,
	.bo_info = soft_bo_info,
	.bo_export = soft_bo_export,
	.bo_import = soft_bo_import,
	.vm_create = soft_vm_create,
	.vm_destroy = soft_vm_destroy,
	.vm_bind = soft_vm_bind,
	.ctx_create = soft_ctx_create,
	.ctx_destroy = soft_ctx_destroy,
	.ctx_state = soft_ctx_state,
	.queue_create = soft_queue_create,
	.queue_cancel = soft_queue_cancel,
	.queue_destroy = soft_queue_destroy,
	.queue_state = soft_queue_state,
	.submit = soft_submit,
	.wait = soft_wait,
};
