// SPDX-License-Identifier: MIT
/*
 * group.c - see group.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axon_hw.h"
#include "group.h"
#include "program.h"

bool group_on_driver;
void (*_Atomic group_log_hook)(struct axon_device **card, const char *line);

static void log_line(void *opaque, enum axon_log_level level, const char *line)
{
	void (*hook)(struct axon_device **card, const char *line) = atomic_load(&group_log_hook);

	if (hook)
		hook(opaque, line);
	if (level <= AXON_LOG_ERROR)
		printf("# %s\n", line);
}

struct shape shape_plain(uint32_t cards, const char *fabric)
{
	struct shape s = { .cards = cards, .fabric = fabric, .ranks = cards };
	uint32_t r;

	for (r = 0; r < cards; r++)
		s.card[r] = (uint8_t)r;
	return s;
}

struct axon_device *group_dev(const struct group *g, uint32_t rank)
{
	return g->card[g->shape.card[rank]];
}

static void make_soft_cards(const struct shape *shape)
{
	char text[32];

	snprintf(text, sizeof(text), "soft:%u", shape->cards);
	setenv("AXON_DEVICE", text, 1);
	setenv("AXON_SOFT_FABRIC", shape->fabric, 1);
}

void group_open(struct group *g, const struct shape *shape, uint64_t bytes)
{
	char text[32];
	uint32_t i;

	*g = (struct group) { .shape = *shape };
	if (!group_on_driver)
		make_soft_cards(shape);
	for (i = 0; i < shape->cards; i++) {
		assert_int_equal(axon_device_path_of(i, text, sizeof(text)), 0);
		assert_int_equal(axon_device_open_path(text, log_line, &g->card[i],
						       &g->card[i]), 0);
	}
	for (i = 0; i < shape->ranks; i++)
		assert_int_equal(coll_arena_open(&g->arena[i], group_dev(g, i), bytes), 0);
}

void group_close(struct group *g)
{
	uint32_t i;

	group_leave(g);
	for (i = 0; i < g->shape.ranks; i++)
		coll_arena_close(&g->arena[i]);
	for (i = 0; i < g->shape.cards; i++)
		axon_device_close(g->card[i]);
}

void group_join(struct group *g, const struct axcc_options *options)
{
	struct axon_device *dev[GROUP_MAX_RANKS];
	uint32_t core[GROUP_MAX_RANKS];
	uint32_t r;

	for (r = 0; r < g->shape.ranks; r++) {
		dev[r] = group_dev(g, r);
		core[r] = g->shape.core[r];
		assert_int_equal(axcc_comm_create(options, &g->comm[r]), 0);
	}
	assert_int_equal(axcc_comm_init_all(g->comm, dev, core, g->shape.ranks), 0);
}

void group_leave(struct group *g)
{
	uint32_t r;

	for (r = 0; r < g->shape.ranks; r++) {
		axcc_comm_destroy(g->comm[r]);
		g->comm[r] = NULL;
	}
}

int group_try(struct group *g, const struct coll_case *c)
{
	uint64_t seq[GROUP_MAX_RANKS] = { 0 };
	uint32_t r;
	int err, first = 0;

	for (r = 0; r < g->shape.ranks; r++)
		coll_fill(c, g->shape.ranks, r, &g->arena[r]);
	for (r = 0; r < g->shape.ranks; r++) {
		err = coll_call(c, g->comm[r], &g->arena[r], &seq[r]);
		first = first ? first : err;
	}
	for (r = 0; r < g->shape.ranks; r++) {
		err = first ? first : axcc_wait(g->comm[r], seq[r], -1);
		first = first ? first : err;
	}
	return first;
}

static void print_case(const struct group *g, const struct coll_case *c, const char *why)
{
	char text[256];

	coll_print(c, g->shape.ranks, text, sizeof(text));
	print_error("soft:%u, %s: %s: %s\n", g->shape.cards, g->shape.fabric, text, why);
}

void group_case(struct group *g, const struct coll_case *c)
{
	struct axcc_error error;
	char why[256];
	uint32_t r;
	int err = group_try(g, c);

	if (err) {
		axcc_comm_error(g->comm[0], &error);
		print_case(g, c, error.text);
		assert_int_equal(err, 0);
	}
	for (r = 0; r < g->shape.ranks; r++)
		if (coll_check(c, g->shape.ranks, r, &g->arena[r], why, sizeof(why))) {
			print_case(g, c, why);
			fail();
		}
}

/* ---- a core that is taken ---- */

#define LOOP_ADDR	0x10000000ull

void occupy_core(struct occupier *o, struct axon_device *dev, uint32_t core)
{
	struct axon_queue_params params = { .core = core, .timeout_ms = 60000 };
	struct drm_axon_job job = { .opcode = AXON_CMD_LAUNCH, .operand = { LOOP_ADDR } };
	struct axon_program program = { .magic = AXON_PROGRAM_MAGIC };
	struct program p;
	uint64_t seqno;
	void *ptr;

	program_loop(&p);
	program.version = p.isa_version;
	program.engine[AXON_ENGINE_SYNC].addr = LOOP_ADDR + sizeof(program);
	program.engine[AXON_ENGINE_SYNC].count = p.count;
	assert_int_equal(axon_vm_create(dev, &o->vm), 0);
	assert_int_equal(axon_context_create(o->vm, DRM_AXON_PRIORITY_NORMAL, &o->ctx), 0);
	assert_int_equal(axon_queue_create(o->ctx, &params, &o->queue), 0);
	assert_int_equal(axon_bo_create(dev, sizeof(program) + sizeof(p.code),
					DRM_AXON_REGION_HBM, DRM_AXON_BO_CPU_VISIBLE, NULL,
					&o->code), 0);
	assert_int_equal(axon_bo_map(o->code, &ptr), 0);
	memcpy(ptr, &program, sizeof(program));
	memcpy((char *)ptr + sizeof(program), p.code, p.count * sizeof(p.code[0]));
	assert_int_equal(axon_vm_map(o->vm, o->code, 0, LOOP_ADDR, axon_bo_size(o->code),
				     DRM_AXON_BIND_READONLY), 0);
	assert_int_equal(axon_submit(o->queue, &job, 1, NULL, 0, &seqno), 0);
}

void free_core(struct occupier *o)
{
	if (!o->vm)
		return;
	axon_queue_destroy(o->queue);
	axon_context_destroy(o->ctx);
	axon_bo_destroy(o->code);
	axon_vm_destroy(o->vm);
}
