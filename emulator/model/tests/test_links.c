// SPDX-License-Identifier: MIT
/* Link pages: what they reach, what faults, what is counted, and peers that go under traffic. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "env.h"
#include "fabric.h"

#define VA		0x80000000ull
#define FAR_HBM		(8ull << 20)
#define SIZE		(1ull << 20)

/* A link page of @peer. */
#define TO(peer)	(ENV_RW | ENV_LINK | (uint64_t)(peer) << AXON_PTE_PEER_SHIFT)

/* Three cards in a row. @root: address space 1 of each. */
struct fixture {
	struct axon_fabric *fabric;
	struct env *env[3];
	uint64_t root[3];
};

static int setup(void **state)
{
	static const struct axon_fabric_link links[] = { { 0, 1 }, { 1, 2 } };
	struct axon_fabric_config cfg = { .places = 3, .uid = 9, .links = links, .num_links = 2 };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(axon_fabric_create(&cfg, &f->fabric), 0);
	memset(&fakes, 0, sizeof(fakes));
	fakes.ctrl_deadline = UINT64_MAX;
	for (uint32_t p = 0; p < 3; p++) {
		f->env[p] = env_init_linked(1, f->fabric, p);
		f->root[p] = ring_root(f->env[p], 1);
		assert_int_equal(axon_mmu_enable(f->env[p]->card, 1, f->root[p]), AXON_P_OK);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (uint32_t p = 0; p < 3; p++)
		if (f->env[p])
			env_fini(f->env[p]);
	axon_fabric_destroy(f->fabric);
	free(f);
	return 0;
}

static enum axon_status probe(struct fixture *f, uint32_t card, uint64_t va, unsigned int access)
{
	uint64_t len = 1;
	uint8_t *ptr;

	return axon_mmu_translate(f->env[card]->card, 1, va, &len, access, &ptr);
}

static enum axon_status fresh(struct fixture *f, uint32_t card, uint64_t va, unsigned int access)
{
	assert_int_equal(axon_mmu_invalidate(f->env[card]->card, 1), AXON_P_OK);
	return probe(f, card, va, access);
}

static uint32_t reg(struct fixture *f, uint32_t card, uint32_t peer, uint32_t r)
{
	return axon_card_read(f->env[card]->card, AXON_REG_PEER(peer, r));
}

static void translate(void **state)
{
	struct fixture *f = *state;
	struct env *e = f->env[0];
	uint64_t len = 1 << 20;
	uint8_t *ptr;

	env_map(e, f->root[0], VA, FAR_HBM, 3 * AXON_PAGE_SIZE, TO(2));
	env_map(e, f->root[0], VA + 3 * AXON_PAGE_SIZE, FAR_HBM + 3 * AXON_PAGE_SIZE,
		AXON_PAGE_SIZE, TO(1));
	for (int i = 0; i < 2; i++) {	/* from the tables, from the TLB */
		len = 1 << 20;
		assert_int_equal(axon_mmu_translate(e->card, 1, VA + 100, &len,
						    AXON_ACCESS_WRITE_FAR, &ptr), AXON_STATUS_OK);
		assert_ptr_equal(ptr, f->env[2]->card->hbm + FAR_HBM + 100);
		assert_int_equal(len, 3 * AXON_PAGE_SIZE - 100);
		assert_int_equal(axon_mmu_peer(e->card, 1, VA, AXON_ACCESS_WRITE_FAR), 2);
		/* Not for rings and the like, whether it is cached or not. */
		assert_int_equal(probe(f, 0, VA, AXON_ACCESS_READ), AXON_STATUS_FAULT_LINK);
		assert_int_equal(probe(f, 0, VA, AXON_ACCESS_WRITE), AXON_STATUS_FAULT_LINK);
		assert_int_equal(probe(f, 0, VA, AXON_ACCESS_EXEC), AXON_STATUS_FAULT_EXEC);
	}
	assert_int_equal(reg(f, 0, 2, AXON_PEER_ERRORS), 4);
	assert_int_equal(axon_mmu_peer(e->card, 1, VA + 3 * AXON_PAGE_SIZE,
				       AXON_ACCESS_READ_FAR), 1);
	/* A page of one's own is no link page for anybody. */
	env_map(e, f->root[0], VA + SIZE, FAR_HBM, AXON_PAGE_SIZE, ENV_RW);
	assert_int_equal(probe(f, 0, VA + SIZE, AXON_ACCESS_WRITE_FAR), AXON_STATUS_OK);
	assert_int_equal(probe(f, 0, VA + SIZE, AXON_ACCESS_WRITE), AXON_STATUS_OK);
	assert_int_equal(axon_mmu_peer(e->card, 1, VA + SIZE, AXON_ACCESS_WRITE_FAR),
			 AXON_NO_PEER);
}

static void faults(void **state)
{
	struct fixture *f = *state;
	struct env *e = f->env[1];
	uint64_t *pte = env_pte(e, f->root[1], VA, 0);
	const uint64_t last = ENV_HBM_SIZE - AXON_PAGE_SIZE;

	*pte = last | TO(0);
	assert_int_equal(fresh(f, 1, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_OK);
	*pte = ENV_HBM_SIZE | TO(0);
	assert_int_equal(fresh(f, 1, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_FAULT_PTE);
	*pte = FAR_HBM | (TO(0) & ~AXON_PTE_WRITE);
	assert_int_equal(fresh(f, 1, VA, AXON_ACCESS_WRITE_FAR), AXON_STATUS_FAULT_WRITE);
	assert_int_equal(fresh(f, 1, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_OK);
	assert_int_equal(probe(f, 1, VA, AXON_ACCESS_WRITE_FAR), AXON_STATUS_FAULT_WRITE);
	*pte = FAR_HBM | TO(0) | AXON_PTE_EXEC;
	assert_int_equal(fresh(f, 1, VA, AXON_ACCESS_EXEC), AXON_STATUS_FAULT_EXEC);
	*pte = FAR_HBM | TO(1);			/* itself */
	assert_int_equal(fresh(f, 1, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_FAULT_LINK);
	*pte = FAR_HBM | TO(3);			/* nobody */
	assert_int_equal(fresh(f, 1, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_FAULT_LINK);
	*pte = FAR_HBM | TO(255);
	assert_int_equal(fresh(f, 1, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_FAULT_LINK);
	for (uint32_t p = 0; p < 3; p++)
		assert_int_equal(reg(f, 1, p, AXON_PEER_ERRORS), 0);
	/* The same without a fabric. */
	struct env *alone = env_init(1);
	uint64_t root = ring_root(alone, 1), len = 1;
	uint8_t *ptr;

	assert_int_equal(axon_mmu_enable(alone->card, 1, root), AXON_P_OK);
	*env_pte(alone, root, VA, 0) = FAR_HBM | TO(0);
	assert_int_equal(axon_mmu_translate(alone->card, 1, VA, &len, AXON_ACCESS_READ_FAR, &ptr),
			 AXON_STATUS_FAULT_LINK);
	env_fini(alone);
}

/* A peer of another size: its end counts, not one's own; also for huge pages and runs. */
static void smaller_peer(void **state)
{
	struct fixture *f = *state;
	struct axon_card_config cfg = { .cores = 1, .hbm_stacks = 1, .revision = AXON_REVISION_A1,
					.hbm_size = 4 << 20, .fabric = f->fabric, .place = 2 };
	struct env *e = f->env[0];
	uint64_t huge = 0x40000000, len;
	struct axon_card *small;
	uint8_t *ptr;

	env_fini(f->env[2]);
	f->env[2] = NULL;
	assert_int_equal(axon_card_create(&cfg, &env_ops, e, &small), 0);
	for (uint64_t i = 0; i < 4; i++)
		*env_pte(e, f->root[0], huge + (i << 21), 1) = i << 21 | TO(2) | AXON_PTE_LEAF;
	len = 1ull << 30;
	assert_int_equal(axon_mmu_translate(e->card, 1, huge, &len, AXON_ACCESS_READ_FAR, &ptr),
			 AXON_STATUS_OK);
	assert_ptr_equal(ptr, axon_card_hbm(small));
	assert_int_equal(len, 4 << 20);
	assert_int_equal(probe(f, 0, huge + (4 << 20), AXON_ACCESS_READ_FAR),
			 AXON_STATUS_FAULT_PTE);
	axon_card_destroy(small);
}

/* Runs a card until it has nothing to do. */
static void run(struct env *e)
{
	for (int i = 0; axon_card_run(e->card); i++)
		assert_true(i < 100000);
}

static void command(struct ring *r, unsigned int opcode, uint64_t dst, uint64_t src, uint64_t size)
{
	ring_put(r, (struct axon_cmd){ .opcode = (uint16_t)opcode,
				       .copy = { .dst = dst, .src = src, .size = size } });
}

static struct axon_cqe done(struct env *e, struct ring *r)
{
	struct axon_cqe cqe;

	run(e);
	assert_true(ring_get(r, &cqe));
	return cqe;
}

/* Cycles of COPY without a link, and of @bytes at @mbps. */
static uint64_t plain(uint64_t bytes)
{
	return 840 + (bytes + 262) / 263;
}

static uint64_t wire(uint64_t bytes, uint64_t mbps)
{
	return 840 + (bytes * 1400 + mbps - 1) / mbps;
}

static void copies(void **state)
{
	struct fixture *f = *state;
	struct env *e = f->env[0];
	uint8_t *near = e->card->hbm + FAR_HBM, *mid = f->env[1]->card->hbm + FAR_HBM;
	uint8_t *far = f->env[2]->card->hbm + FAR_HBM;
	struct axon_cqe cqe;
	struct ring r;

	ring_init(&r, e, 3, 0, 1);
	env_map(e, f->root[0], VA, FAR_HBM, SIZE, ENV_RW);
	env_map(e, f->root[0], VA + SIZE, FAR_HBM, SIZE, TO(1));
	env_map(e, f->root[0], VA + 2 * SIZE, FAR_HBM, SIZE, TO(2));
	for (uint64_t i = 0; i < SIZE; i++)
		near[i] = (uint8_t)(i * 7 + (i >> 8));
	command(&r, AXON_CMD_COPY, VA + SIZE + 5, VA, 300001);
	cqe = done(e, &r);
	assert_int_equal(cqe.status, AXON_STATUS_OK);
	assert_memory_equal(mid + 5, near, 300001);
	/* 128 GB/s are slower than a copy: bytes / 91.4 a cycle; and 1000 ns. */
	assert_int_equal(cqe.cycles, wire(300001, 128000) + 1400);
	assert_int_equal(reg(f, 0, 1, AXON_PEER_WRITTEN_LO), 300001);
	assert_int_equal(reg(f, 0, 1, AXON_PEER_READ_LO), 0);
	/* Between two peers: read there and back, two hops to write. */
	command(&r, AXON_CMD_COPY, VA + 2 * SIZE, VA + SIZE + 5, 300001);
	cqe = done(e, &r);
	assert_memory_equal(far, near, 300001);
	assert_int_equal(cqe.cycles, wire(300001, 65536) + 2 * 1400 + 2800);
	assert_int_equal(reg(f, 0, 1, AXON_PEER_READ_LO), 300001);
	assert_int_equal(reg(f, 0, 2, AXON_PEER_WRITTEN_LO), 300001);
	memset(near, 0, SIZE);
	command(&r, AXON_CMD_COPY, VA, VA + 2 * SIZE, 77);
	cqe = done(e, &r);
	assert_memory_equal(far, near, 77);
	assert_int_equal(cqe.cycles, wire(77, 65536) + 2 * 2800);
	assert_int_equal(reg(f, 0, 2, AXON_PEER_READ_LO), 77);
	command(&r, AXON_CMD_FILL, VA + SIZE, 0x5a, SIZE);
	cqe = done(e, &r);
	for (uint64_t i = 0; i < SIZE; i++)
		assert_int_equal(mid[i], 0x5a);
	assert_int_equal(cqe.cycles, wire(SIZE, 128000) + 1400);
	/* Over the border of two peers: both ways are taken, the longer one lasts. */
	command(&r, AXON_CMD_FILL, VA + 2 * SIZE - 4096, 1, 8192);
	cqe = done(e, &r);
	assert_int_equal(cqe.cycles, 840 + (4096 * 1400 + 127999) / 128000 +
			 (4096 * 1400 + 65535) / 65536 + 2800);
	assert_int_equal(reg(f, 0, 1, AXON_PEER_WRITTEN_LO), 300001 + SIZE + 4096);
	/* At home nothing has changed. */
	command(&r, AXON_CMD_FILL, VA, 1, 12345);
	assert_int_equal(done(e, &r).cycles, plain(12345));
	/* What faults is not counted. */
	command(&r, AXON_CMD_FILL, VA + 3 * SIZE - 4096, 2, 8192);
	assert_int_equal(done(e, &r).status, AXON_STATUS_FAULT_UNMAPPED);
	assert_int_equal(reg(f, 0, 2, AXON_PEER_WRITTEN_LO), 300001 + 8192);
	assert_int_equal(reg(f, 1, 0, AXON_PEER_READ_LO), 0);
}

/* Rings and state pages behind a link are refused; a program descriptor too. */
static void what_stays_at_home(void **state)
{
	struct fixture *f = *state;
	struct env *e = f->env[0];
	struct axon_queue_params p = { .id = 1, .entries = 16, .vector = 1, .asid = 1,
				       .ring_asid = 1, .sq = VA, .cq = VA + 4096,
				       .state = VA + 8192 };
	struct ring r;

	env_map(e, f->root[0], VA, FAR_HBM, 3 * 4096, ENV_RW);
	for (int i = 0; i < 3; i++) {
		env_map(e, f->root[0], VA + (uint64_t)i * 4096, FAR_HBM, 4096, TO(1));
		axon_mmu_invalidate(e->card, 1);
		assert_int_equal(axon_queue_create(e->card, &p), AXON_P_BAD_PARAM);
		env_map(e, f->root[0], VA + (uint64_t)i * 4096, FAR_HBM, 4096, ENV_RW);
	}
	axon_mmu_invalidate(e->card, 1);
	assert_int_equal(axon_queue_create(e->card, &p), AXON_P_OK);
	ring_init(&r, e, 3, 0, 1);
	env_map(e, f->root[0], VA + SIZE, FAR_HBM, 4096, TO(1));
	ring_put(&r, (struct axon_cmd){ .opcode = AXON_CMD_LAUNCH, .launch.program = VA + SIZE });
	assert_int_equal(done(e, &r).status, AXON_STATUS_FAULT_LINK);
	assert_int_equal(fakes.fault.status, AXON_STATUS_FAULT_LINK);
	assert_int_equal(fakes.fault.addr, VA + SIZE);
}

/* A card that is down or gone is not reached, also where it was just before. */
static void down_and_gone(void **state)
{
	struct fixture *f = *state;
	struct env *e = f->env[0];

	env_map(e, f->root[0], VA, FAR_HBM, 4096, TO(1));
	env_map(e, f->root[0], VA + 4096, FAR_HBM, 4096, TO(2));
	assert_int_equal(probe(f, 0, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_OK);
	assert_int_equal(probe(f, 0, VA + 4096, AXON_ACCESS_READ_FAR), AXON_STATUS_OK);
	assert_int_equal(axon_card_set(f->env[1]->card, AXON_KNOB_LINK_DOWN, 1), 0);
	axon_card_run(e->card);
	assert_int_equal(probe(f, 0, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_FAULT_LINK);
	assert_int_equal(probe(f, 0, VA + 4096, AXON_ACCESS_READ_FAR), AXON_STATUS_OK);
	assert_int_equal(axon_card_set(f->env[1]->card, AXON_KNOB_LINK_DOWN, 0), 0);
	axon_card_run(e->card);
	assert_int_equal(probe(f, 0, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_OK);
	/* One's own links: nobody is reached. */
	assert_int_equal(axon_card_set(e->card, AXON_KNOB_LINK_DOWN, 1), 0);
	axon_card_run(e->card);
	assert_int_equal(probe(f, 0, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_FAULT_LINK);
	assert_int_equal(axon_card_set(e->card, AXON_KNOB_LINK_DOWN, 0), 0);
	axon_card_run(e->card);
	axon_card_reset(f->env[1]->card);
	axon_card_run(e->card);
	assert_int_equal(probe(f, 0, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_OK);
	env_fini(f->env[1]);
	f->env[1] = NULL;
	axon_card_run(e->card);
	assert_int_equal(probe(f, 0, VA, AXON_ACCESS_READ_FAR), AXON_STATUS_FAULT_LINK);
	assert_int_equal(reg(f, 0, 1, AXON_PEER_ERRORS), 3);
	assert_int_equal(probe(f, 0, VA + 4096, AXON_ACCESS_READ_FAR), AXON_STATUS_OK);
}

/* ---- peers go while others copy from and to them, each card in its own thread ---- */

struct traffic {
	struct fixture *f;
	uint32_t me;
	atomic_bool stop;
	_Atomic unsigned int ok;
	_Atomic unsigned int lost;
	pthread_t thread;
};

/* Copies between the other two cards until told to stop; a queue that stopped is made anew. */
static void *traffic(void *arg)
{
	struct traffic *t = arg;
	struct env *e = t->f->env[t->me];
	struct axon_cqe cqe;
	struct ring r;

	ring_init(&r, e, 3, 0, 1);
	while (!t->stop) {
		command(&r, AXON_CMD_COPY, VA, VA + SIZE, SIZE / 2);
		run(e);
		assert_true(ring_get(&r, &cqe));
		if (cqe.status == AXON_STATUS_OK) {
			t->ok++;
			continue;
		}
		assert_int_equal(cqe.status, AXON_STATUS_FAULT_LINK);
		t->lost++;
		assert_int_equal(axon_queue_destroy(e->card, 3), AXON_P_OK);
		ring_init(&r, e, 3, 0, 1);
	}
	return NULL;
}

/* Until a copy that had not begun when this was called has succeeded; at most ten seconds. */
static void wait_for_copies(struct traffic *t)
{
	unsigned int seen = t->ok;

	for (int i = 0; i < 100000 && t->ok - seen < 2; i++)
		usleep(100);
	assert_true(t->ok - seen >= 2);
}

static void peers_go_under_traffic(void **state)
{
	struct fixture *f = *state;
	struct traffic t[2] = { { .f = f, .me = 0 }, { .f = f, .me = 1 } };

	for (uint32_t i = 0; i < 2; i++) {
		/* From card 2 to the other one. */
		env_map(f->env[i], f->root[i], VA, FAR_HBM, SIZE, TO(1 - i));
		env_map(f->env[i], f->root[i], VA + SIZE, FAR_HBM + i * SIZE, SIZE, TO(2));
		assert_int_equal(pthread_create(&t[i].thread, NULL, traffic, &t[i]), 0);
	}
	for (int round = 0; round < 60 || (round < 2000 && !(t[0].lost && t[1].lost)); round++) {
		struct axon_card *card = f->env[2]->card;

		for (uint32_t i = 0; i < 2; i++)
			wait_for_copies(&t[i]);
		axon_card_set(card, AXON_KNOB_LINK_DOWN, 1);
		axon_card_set(card, AXON_KNOB_LINK_DOWN, 0);
		axon_card_reset(card);
		axon_card_destroy(card);
		struct axon_card_config cfg = {
			.cores = 1, .hbm_stacks = 1, .revision = AXON_REVISION_A1,
			.hbm_size = ENV_HBM_SIZE, .fabric = f->fabric, .place = 2,
		};

		assert_int_equal(axon_card_create(&cfg, &env_ops, f->env[2], &card), 0);
		f->env[2]->card = card;
	}
	for (uint32_t i = 0; i < 2; i++) {
		t[i].stop = true;
		pthread_join(t[i].thread, NULL);
		print_message("card %u: %u copies, %u lost\n", i, t[i].ok, t[i].lost);
		assert_true(t[i].lost > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(translate, setup, teardown),
		cmocka_unit_test_setup_teardown(faults, setup, teardown),
		cmocka_unit_test_setup_teardown(smaller_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(copies, setup, teardown),
		cmocka_unit_test_setup_teardown(what_stays_at_home, setup, teardown),
		cmocka_unit_test_setup_teardown(down_and_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(peers_go_under_traffic, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
