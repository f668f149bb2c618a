// SPDX-License-Identifier: MIT
/* rings.c - a queue as its host sees it; see env.h. */
#include <assert.h>
#include <string.h>

#include "env.h"

#define RING_HBM(id)	((uint64_t)(id) * 0x10000)
#define SPACE_HBM	(32ull << 20)	/* root tables, at fixed places by address space */

uint64_t ring_root(struct env *env, uint32_t asid)
{
	return SPACE_HBM + (uint64_t)asid * AXON_PAGE_SIZE;
}

void ring_init(struct ring *r, struct env *env, uint32_t id, uint32_t core, uint32_t asid)
{
	uint64_t root = ring_root(env, asid);
	uint8_t *hbm = env->card->hbm + RING_HBM(id);

	memset(r, 0, sizeof(*r));
	r->env = env;
	env_map(env, root, RING_VA(id), RING_HBM(id), 0x10000, ENV_RW);
	if (!axon_mmu_enabled(env->card, asid))
		assert(axon_mmu_enable(env->card, asid, root) == AXON_P_OK);
	memset(hbm, 0, 0x10000);
	r->sq = (struct axon_cmd *)(void *)hbm;
	r->cq = (struct axon_cqe *)(void *)(hbm + 0x4000);
	r->state = (struct axon_qstate *)(void *)(hbm + 0x8000);
	r->p = (struct axon_queue_params){
		.id = id, .core = core, .asid = asid, .ring_asid = asid, .entries = 16,
		.vector = 1 + id % 7, .sq = RING_VA(id), .cq = RING_VA(id) + 0x4000,
		.state = RING_VA(id) + 0x8000,
	};
	assert(axon_queue_create(env->card, &r->p) == AXON_P_OK);
}

void ring_put(struct ring *r, struct axon_cmd cmd)
{
	cmd.seqno = r->tail + 1;
	cmd.user_data = r->tail + 1001;
	r->sq[r->tail % r->p.entries] = cmd;
	r->tail++;
	__atomic_store_n(&r->state->sq_tail, r->tail, __ATOMIC_RELEASE);
}

bool ring_get(struct ring *r, struct axon_cqe *cqe)
{
	*cqe = r->cq[r->head % r->p.entries];
	if ((cqe->phase & 1) == ((r->head / r->p.entries) & 1))
		return false;
	r->head++;
	__atomic_store_n(&r->state->cq_head, r->head, __ATOMIC_RELEASE);
	return true;
}
