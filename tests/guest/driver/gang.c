// SPDX-License-Identifier: MIT
/*
 * gang.c - members of gangs for the driver's guest tests; see gang.h.
 *
 * Must never judge: the tests do.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "gang.h"

#define COUNT	8u	/* register: rounds or blocks so far */
#define OFFSET	9u	/* register: bytes so far */

enum { SEM_NEXT = 1, SEM_ACK, SEM_OWN, SEM_NEVER };

static struct axon_inst add(uint8_t reg, uint64_t n)
{
	struct axon_inst i = inst_ctl(AXON_OP_REG_ALU, reg, reg, n, 0);

	i.op0 = AXON_RALU_ADD;
	return i;
}

static struct axon_inst post(uint8_t semaphore, uint32_t rank)
{
	struct axon_inst i = inst_ctl(AXON_OP_POST, semaphore, AXON_SREG_NONE, rank,
				      AXON_POST_ADD);

	i.ctl.target = 1;
	return i;
}

/* It waits until the semaphore is at least @val + R[reg]. */
static struct axon_inst after(struct axon_inst i, uint8_t semaphore, uint8_t reg, uint32_t val)
{
	i.wait_op = AXON_WAIT_GE;
	i.wait_sem = semaphore;
	i.wait_reg = reg;
	i.wait_val = val;
	return i;
}

/* A block, of which the end that is ENV_DATA moves with OFFSET. */
static struct axon_inst block(uint64_t dst, uint64_t src)
{
	struct axon_inst i = inst(AXON_OP_DMA);

	i.dma = (struct axon_dma_desc){
		.src = src, .dst = dst,
		.src_space = AXON_SPACE_MEM, .dst_space = AXON_SPACE_MEM,
		.src_dtype = AXON_DTYPE_UINT32, .dst_dtype = AXON_DTYPE_UINT32,
		.count = { 1, 1, 1, GANG_BLOCK / 4 },
		.src_step = { 0, 0, 0, 4 }, .dst_step = { 0, 0, 0, 4 },
	};
	i.patch[0].reg = OFFSET;
	i.patch[0].field = src == ENV_DATA ? AXON_PATCH_DMA_SRC : AXON_PATCH_DMA_DST;
	return i;
}

static struct axon_inst store(uint64_t addr)
{
	return inst_ctl(AXON_OP_REG_STORE, AXON_SREG_RANKS, AXON_SREG_NONE, addr,
			AXON_DTYPE_UINT32);
}

static void put(void *mem, uint64_t addr, const struct gang *g, const struct axon_inst *code,
		uint32_t n)
{
	struct axon_program *p = mem;

	prog_put(mem, addr, code, n);
	p->gang = g->addr;
	p->rank = g->rank;
	p->ranks = g->ranks;
}

static uint32_t next(const struct gang *g)
{
	return g->ranks ? (g->rank + 1) % g->ranks : 0;
}

void prog_gang(void *mem, uint64_t addr, const struct gang *g, enum gang_kind kind,
	       uint32_t rounds)
{
	struct axon_inst code[8];
	uint32_t n = 0;

	if (rounds) {
		code[n++] = post(SEM_NEXT, next(g));
		code[n++] = add(COUNT, 1);
		code[n++] = after(inst(AXON_OP_NOP), SEM_NEXT, COUNT, 0);
		code[n++] = inst_branch(AXON_COND_LT, COUNT, rounds, 0);
	}
	code[n++] = store(ENV_DATA);
	if (kind == GANG_SPIN) {
		code[n] = inst_branch(AXON_COND_ALWAYS, AXON_SREG_NONE, 0, n);
		n++;
	}
	if (kind == GANG_WAIT)
		code[n++] = after(inst(AXON_OP_NOP), SEM_NEVER, AXON_SREG_NONE, 1);
	if (kind == GANG_FAULT)
		code[n++] = store(ENV_NOWHERE);
	code[n++] = inst(AXON_OP_HALT);
	put(mem, addr, g, code, n);
}

void prog_gang_send(void *mem, uint64_t addr, const struct gang *g, uint32_t blocks)
{
	struct axon_inst code[6];

	code[0] = block(GANG_BUFFER, ENV_DATA);
	code[0].dma.post_rank = next(g);
	code[0].dma.post_sem = SEM_NEXT;
	code[0].dma.post_op = AXON_POST_ADD;
	code[0].dma.post_val = 1;
	code[1] = add(COUNT, 1);
	code[2] = add(OFFSET, GANG_BLOCK);
	code[3] = after(inst(AXON_OP_NOP), SEM_ACK, COUNT, 0);
	code[4] = inst_branch(AXON_COND_LT, COUNT, blocks, 0);
	code[5] = inst(AXON_OP_HALT);
	put(mem, addr, g, code, 6);
}

void prog_gang_receive(void *mem, uint64_t addr, const struct gang *g, uint32_t blocks)
{
	struct axon_inst code[6];

	code[0] = add(COUNT, 1);
	code[1] = after(block(ENV_DATA, GANG_BUFFER), SEM_NEXT, COUNT, 0);
	code[1].post_sem = SEM_OWN;
	code[1].post_op = AXON_POST_ADD;
	code[1].post_val = 1;
	code[2] = add(OFFSET, GANG_BLOCK);
	code[3] = after(post(SEM_ACK, next(g)), SEM_OWN, COUNT, 0);
	code[4] = inst_branch(AXON_COND_LT, COUNT, blocks, 0);
	code[5] = inst(AXON_OP_HALT);
	put(mem, addr, g, code, 6);
}

void place_open(struct place *p, const char *card)
{
	uint32_t bo;

	p->fd = card_open_soon(card);
	if (bo_create(p->fd, 4096, DRM_AXON_REGION_HBM, 0, 0, &bo) ||
	    bo_export(p->fd, bo, &p->dma_buf))
		bail("no place for a gang");
}

void place_close(struct place *p)
{
	close(p->dma_buf);
	close(p->fd);
}

void member_open(struct member *m, const struct place *p, const char *card, uint32_t core,
		 uint32_t timeout_ms)
{
	uint32_t handle;

	env_attach(&m->e, card_open_soon(card), core, timeout_ms);
	m->fence = -1;
	if (bo_import(m->e.fd, p->dma_buf, &handle) ||
	    vm_map(m->e.fd, m->e.vm, handle, 0, GANG_PLACE, 4096, DRM_AXON_BIND_NOEXEC) ||
	    syncobj_create(m->e.fd, &m->sync))
		bail("no member");
}

void member_close(struct member *m)
{
	if (m->fence >= 0)
		close(m->fence);
	env_close(&m->e);
}

void member_launch(struct member *m)
{
	struct drm_axon_job job = job_launch(ENV_CODE, 0);
	struct drm_axon_sync s = { .handle = m->sync, .flags = DRM_AXON_SYNC_SIGNAL };

	if (m->fence >= 0)
		close(m->fence);
	if (submit(m->e.fd, m->e.queue, &job, 1, &s, 1, NULL))
		bail("a member cannot be launched");
	m->fence = syncobj_file(m->e.fd, m->sync);
}

void member_start(struct member *m, uint32_t rank, uint32_t ranks, enum gang_kind kind,
		  uint32_t rounds)
{
	const struct gang g = { GANG_PLACE, rank, ranks };

	memset(m->e.data_mem, 0, 4);
	prog_gang(m->e.code_mem, ENV_CODE, &g, kind, rounds);
	member_launch(m);
}

void member_has_met(struct member *m)
{
	unsigned int i;

	for (i = 0; i < DRV_TIMEOUT_NS / 1000000; i++) {
		if (*(volatile uint32_t *)m->e.data_mem)
			return;
		usleep(1000);
	}
	bail("a gang does not meet");
}

int member_end(struct member *m)
{
	struct pollfd p = { .fd = m->fence, .events = POLLIN };

	poll(&p, 1, DRV_TIMEOUT_NS / 1000000);
	return fence_error(m->fence);
}

struct drm_axon_ctx_get_state member_state(struct member *m)
{
	struct drm_axon_ctx_get_state s;

	ctx_state(m->e.fd, m->e.ctx, &s);
	return s;
}
