/* SPDX-License-Identifier: MIT */
/*
 * card.h - a card with one address space, and clients on it, for the tests of libaxon. The card is
 * the one AXON_DEVICE names; the test runner sets AXON_DEVICE=soft.
 */
#ifndef RUNTIME_TESTS_CARD_H
#define RUNTIME_TESTS_CARD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "axon/axon.h"
#include "axon_hw.h"
#include "program.h"

#define WAIT_NS		(60ll * 1000000000)
#define MIB		(1ull << 20)

/* A client: address space, context, queue. */
struct client {
	struct axon_vm *vm;
	struct axon_context *ctx;
	struct axon_queue *queue;
};

static inline void test_log(void *opaque, enum axon_log_level level, const char *line)
{
	printf("# %d %s\n", (int)level, line);
}

static inline struct axon_device *open_nth(uint32_t index)
{
	struct axon_device *dev;
	char path[64];

	assert_int_equal(axon_device_path_of(index, path, sizeof(path)), 0);
	assert_int_equal(axon_device_open_path(path, test_log, NULL, &dev), 0);
	return dev;
}

static inline struct axon_device *open_card(void)
{
	return open_nth(0);
}

/* Bytes of a kind of memory that are taken, in all its regions. */
static inline uint64_t memory_used(struct axon_device *dev, uint32_t region)
{
	struct drm_axon_mem_region regions[8];
	uint32_t count = 8;
	uint64_t sum = 0;
	uint32_t i;

	assert_int_equal(axon_device_regions(dev, regions, &count), 0);
	for (i = 0; i < count; i++)
		if (regions[i].region == region)
			sum += regions[i].used;
	return sum;
}

static inline struct client open_client(struct axon_device *dev, uint32_t core,
					uint32_t timeout_ms)
{
	struct axon_queue_params params = { .core = core, .timeout_ms = timeout_ms };
	struct client c;

	assert_int_equal(axon_vm_create(dev, &c.vm), 0);
	assert_int_equal(axon_context_create(c.vm, DRM_AXON_PRIORITY_NORMAL, &c.ctx), 0);
	assert_int_equal(axon_queue_create(c.ctx, &params, &c.queue), 0);
	return c;
}

static inline void close_client(struct client *c)
{
	axon_queue_destroy(c->queue);
	assert_int_equal(axon_context_destroy(c->ctx), 0);
	assert_int_equal(axon_vm_destroy(c->vm), 0);
}

/* A buffer, bound at an address, with its CPU pointer. */
static inline struct axon_bo *new_bo(struct axon_device *dev, struct axon_vm *vm, uint32_t region,
				     uint64_t size, uint64_t addr, uint32_t flags, void **ptr)
{
	struct axon_bo *bo;

	assert_int_equal(axon_bo_create(dev, size, region, DRM_AXON_BO_CPU_VISIBLE, NULL, &bo), 0);
	assert_int_equal(axon_bo_map(bo, ptr), 0);
	if (vm)
		assert_int_equal(axon_vm_map(vm, bo, 0, addr, axon_bo_size(bo), flags), 0);
	return bo;
}

static inline int run_job(struct axon_queue *queue, const struct drm_axon_job *job)
{
	uint64_t seqno;
	int err = axon_submit(queue, job, 1, NULL, 0, &seqno);

	return err ? err : axon_wait(queue, seqno, WAIT_NS);
}

static inline int run_copy(struct axon_queue *queue, uint64_t dst, uint64_t src, uint64_t size)
{
	struct drm_axon_job job = { .opcode = AXON_CMD_COPY, .operand = { dst, src, size } };

	return run_job(queue, &job);
}

static inline int run_fill(struct axon_queue *queue, uint64_t dst, uint8_t value, uint64_t size)
{
	struct drm_axon_job job = { .opcode = AXON_CMD_FILL, .operand = { dst, value, size } };

	return run_job(queue, &job);
}

/* Puts code of the sync engine into an executable buffer at @addr. */
static inline struct axon_bo *new_code(struct axon_device *dev, struct axon_vm *vm, uint64_t addr,
				       const struct program *p)
{
	struct axon_program program = {
		.magic = AXON_PROGRAM_MAGIC,
		.version = p->isa_version,
	};
	struct axon_bo *bo;
	void *ptr;

	bo = new_bo(dev, vm, DRM_AXON_REGION_HBM, sizeof(program) + sizeof(p->code), addr,
		    DRM_AXON_BIND_READONLY, &ptr);
	program.engine[AXON_ENGINE_SYNC].addr = addr + sizeof(program);
	program.engine[AXON_ENGINE_SYNC].count = p->count;
	memcpy(ptr, &program, sizeof(program));
	memcpy((char *)ptr + sizeof(program), p->code, p->count * sizeof(p->code[0]));
	return bo;
}

static inline struct drm_axon_job launch_job(uint64_t program, uint64_t args)
{
	return (struct drm_axon_job) {
		.opcode = AXON_CMD_LAUNCH,
		.operand = { program, args },
	};
}

#endif /* RUNTIME_TESTS_CARD_H */
