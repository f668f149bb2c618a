/* SPDX-License-Identifier: MIT */
/*
 * team.h - cards whose launches form a gang, one member each, for the test of gangs and the program
 * that measures them.
 *
 * The cards are soft ones; with AXON_DEVICE=drm they are the kernel's, and a test that needs more
 * of them than there are, or links between them, is skipped.
 */
#ifndef RUNTIME_TESTS_TEAM_H
#define RUNTIME_TESTS_TEAM_H

#include <stdbool.h>
#include <unistd.h>

#include "card.h"

#define CODE	0x10000000ull
#define GANG	0x20000000ull	/* memory of rank 0 that names the gang */
#define DATA	0x30000000ull	/* own */
#define NEXT	0x40000000ull	/* the next rank's DATA */
#define MAX	16u
#define ELEMS	1024u		/* of DATA, 32 bits each, if nothing else is said */
#define LINK	DRM_AXON_BIND_NOEXEC

/* A member of a gang, on a card of its own. */
struct member {
	struct axon_device *dev;
	struct client c;
	struct axon_bo *code;
	struct axon_bo *data;
	struct axon_bo *next;
	struct axon_bo *gang;
	uint32_t *words;
	uint64_t seqno;
};

struct team {
	struct member member[MAX];
	uint32_t ranks;
};

static inline bool is_soft(void)
{
	const char *device = getenv("AXON_DEVICE");

	return device && !strncmp(device, "soft", 4);
}

static inline void want_cards(uint32_t n)
{
	char device[16];
	uint32_t count;

	if (is_soft()) {
		snprintf(device, sizeof(device), "soft:%u", n);
		setenv("AXON_DEVICE", device, 1);
	}
	assert_int_equal(axon_device_count(&count), 0);
	if (count < n)
		skip();
}

/* A buffer of one card as one of another. */
static inline struct axon_bo *pass_on(struct axon_bo *bo, struct axon_device *to)
{
	struct axon_bo *import;
	int err;
	int fd;

	assert_int_equal(axon_bo_export(bo, &fd), 0);
	err = axon_bo_import(to, fd, &import);
	close(fd);
	if (err == -EXDEV && !is_soft())
		skip();
	assert_int_equal(err, 0);
	return import;
}

/* Cards and memory of a gang, @size bytes each; what the members run comes later. */
static inline void team_open_size(struct team *t, uint32_t ranks, uint32_t timeout_ms,
				  uint64_t size)
{
	uint32_t r;

	want_cards(ranks);
	memset(t, 0, sizeof(*t));
	t->ranks = ranks;
	for (r = 0; r < ranks; r++) {
		struct member *m = &t->member[r];
		char path[64];

		assert_int_equal(axon_device_path_of(r, path, sizeof(path)), 0);
		assert_int_equal(axon_device_open_path(path, test_log, NULL, &m->dev), 0);
		m->c = open_client(m->dev, 0, timeout_ms);
		m->data = new_bo(m->dev, m->c.vm, DRM_AXON_REGION_HBM, size, DATA, LINK,
				 (void **)&m->words);
	}
	for (r = 0; r < ranks; r++) {
		struct member *m = &t->member[r];

		m->next = pass_on(t->member[(r + 1) % ranks].data, m->dev);
		assert_int_equal(axon_vm_map(m->c.vm, m->next, 0, NEXT, size, LINK), 0);
		/* Any memory of HBM has a name to give; the gang's is rank 0's data. */
		m->gang = pass_on(t->member[0].data, m->dev);
		assert_int_equal(axon_vm_map(m->c.vm, m->gang, 0, GANG, size, LINK), 0);
	}
}

static inline void team_open(struct team *t, uint32_t ranks, uint32_t timeout_ms)
{
	team_open_size(t, ranks, timeout_ms, ELEMS * 4);
}

static inline void member_close(struct member *m)
{
	if (!m->dev)
		return;
	axon_bo_destroy(m->code);
	axon_bo_destroy(m->gang);
	axon_bo_destroy(m->next);
	axon_bo_destroy(m->data);
	close_client(&m->c);
	axon_device_close(m->dev);
	m->dev = NULL;
}

static inline void team_close(struct team *t)
{
	uint32_t r;

	for (r = 0; r < t->ranks; r++)
		member_close(&t->member[r]);
}

/* A member's code, which makes it rank @rank of @ranks of the gang that @gang leads to. */
static inline struct axon_bo *put_code(struct member *m, const struct program *p, uint64_t gang,
				       uint32_t rank, uint32_t ranks)
{
	struct axon_program *program;
	struct axon_bo *bo = new_code(m->dev, m->c.vm, CODE, p);

	assert_int_equal(axon_bo_map(bo, (void **)&program), 0);
	program->gang = gang;
	program->rank = (uint16_t)rank;
	program->ranks = (uint16_t)ranks;
	return bo;
}

static inline void set_code(struct team *t, uint32_t rank, const struct program *p)
{
	struct member *m = &t->member[rank];

	axon_bo_destroy(m->code);
	m->code = put_code(m, p, GANG, rank, t->ranks);
}

static inline struct axon_inst post_next(struct axon_inst dma, uint32_t rank)
{
	dma.dma.post_rank = (uint16_t)rank;
	dma.dma.post_sem = 1;
	dma.dma.post_op = AXON_POST_ADD;
	dma.dma.post_val = 1;
	return dma;
}

/* A post by the engine. */
static inline struct axon_inst inst_post(uint32_t rank, uint8_t sem)
{
	struct axon_inst i = inst_new(AXON_OP_POST);

	i.ctl.imm = rank;
	i.ctl.rd = sem;
	i.ctl.ra = AXON_SREG_NONE;
	i.ctl.rb = AXON_SREG_NONE;
	i.ctl.dtype = AXON_POST_ADD;
	i.ctl.target = 1;
	return i;
}

static inline void submit(struct member *m)
{
	struct drm_axon_job job = launch_job(CODE, 0);

	assert_int_equal(axon_submit(m->c.queue, &job, 1, NULL, 0, &m->seqno), 0);
}

static inline void submit_all(struct team *t)
{
	uint32_t r;

	for (r = 0; r < t->ranks; r++)
		submit(&t->member[r]);
}

static inline int wait_for(struct member *m)
{
	return axon_wait(m->c.queue, m->seqno, WAIT_NS);
}

#endif /* RUNTIME_TESTS_TEAM_H */
