// SPDX-License-Identifier: MIT
/*
 * test_lower.c - schedules as instructions: read back step by step, nothing is lost, added or out
 * of place; and the allocator of addresses.
 */
#include "sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "internal.h"

/* Where the buffers of a rank are said to lie. */
#define VA(rank, buffer)	((uint64_t)((rank) + 1) << 36 | (uint64_t)((buffer) + 1) << 32)

static const uint8_t dma_op[] = { AXON_DMA_ADD, AXON_DMA_MAX, AXON_DMA_MIN };

static int address(void *opaque, uint32_t rank, enum axcc_buffer buffer, uint64_t *va)
{
	const struct axcc_schedule *s = opaque;

	assert_true(rank < s->req.ranks);
	*va = VA(rank, buffer);
	return 0;
}

static void same_post(const struct axcc_post *post, bool there, uint32_t rank, uint32_t sem,
		      uint32_t inc, uint32_t first_sem)
{
	assert_int_equal(there, post->inc != 0);
	if (!there)
		return;
	assert_int_equal(rank, post->rank);
	assert_int_equal(sem, first_sem + post->sem);
	assert_int_equal(inc, post->inc);
}

static void same_transfer(const struct axcc_schedule *s, const struct axcc_step *step,
			  const struct axon_inst *inst, uint32_t first_sem)
{
	const struct axon_dma_desc *d = &inst->dma;
	uint8_t op = step->kind == AXCC_STEP_REDUCE ? dma_op[s->req.reduction] : AXON_DMA_COPY;

	assert_int_equal(inst->opcode, AXON_OP_DMA);
	assert_int_equal(inst->op0, step->queue);
	assert_int_equal(d->src, VA(step->src.rank, step->src.buffer) + step->src.offset);
	assert_int_equal(d->dst, VA(step->dst.rank, step->dst.buffer) + step->dst.offset);
	assert_int_equal(d->op, op);
	assert_int_equal(d->src_dtype, s->req.dtype);
	assert_int_equal(d->dst_dtype, s->req.dtype);
	assert_int_equal((uint64_t)d->count[0] * d->count[1], 1);
	assert_int_equal(d->count[2], step->rows);
	assert_int_equal(d->count[3], step->count);
	assert_int_equal(d->src_step[2], step->row_stride);
	assert_int_equal(d->dst_step[2], 0);
	assert_int_equal(d->src_step[3], s->elem_size);
	assert_int_equal(d->dst_step[3], s->elem_size);
	same_post(&step->post, d->post_op == AXON_POST_ADD, d->post_rank, d->post_sem, d->post_val,
		  first_sem);
}

static void same_step(const struct axcc_schedule *s, uint32_t rank, const struct axcc_step *step,
		      const struct axon_inst *code, uint32_t *at, uint32_t first_sem)
{
	const struct axcc_wait *wait = &s->rank[rank].waits[step->first_wait];
	const struct axon_inst *inst;
	uint32_t i;

	for (i = 0; i < step->num_waits; i++) {
		inst = &code[*at + i];
		assert_int_equal(inst->wait_op, AXON_WAIT_GE);
		assert_int_equal(inst->wait_sem, first_sem + wait[i].sem);
		assert_int_equal(inst->wait_val, wait[i].value);
		if (i + 1 == step->num_waits)
			break;
		assert_int_equal(inst->opcode, AXON_OP_NOP);
		assert_int_equal(inst->post_op, AXON_POST_NONE);
	}
	*at += i;
	inst = &code[(*at)++];
	if (!step->num_waits)
		assert_int_equal(inst->wait_op, AXON_WAIT_NONE);
	if (step->kind != AXCC_STEP_NONE) {
		same_transfer(s, step, inst, first_sem);
	} else if (step->post.inc) {
		assert_int_equal(inst->opcode, AXON_OP_POST);
		same_post(&step->post, true, (uint32_t)inst->ctl.imm, inst->ctl.rd,
			  inst->ctl.target, first_sem);
	} else {
		assert_int_equal(inst->opcode, AXON_OP_NOP);
	}
	same_post(&step->done, inst->post_op == AXON_POST_ADD, rank, inst->post_sem, inst->post_val,
		  first_sem);
}

static void check_rank(const struct axcc_schedule *s, uint32_t rank, uint32_t first_sem)
{
	struct cc_lowering low = {
		.schedule = s,
		.rank = rank,
		.address = address,
		.opaque = (void *)s,
		.first_sem = first_sem,
	};
	struct axon_inst *code;
	uint32_t count, at = 0, i;

	assert_int_equal(cc_code_make(&low, &code, &count), 0);
	for (i = 0; i < s->rank[rank].num_steps; i++)
		same_step(s, rank, &s->rank[rank].steps[i], code, &at, first_sem);
	assert_int_equal(code[at++].opcode, AXON_OP_HALT);
	assert_int_equal(at, count);
	free(code);
}

static void test_all(void **state)
{
	uint64_t seed = 4;
	uint32_t made = 0, coll, a, ranks;

	for (coll = 0; coll < AXCC_NUM_COLLS; coll++)
		for (ranks = 1; ranks <= 9; ranks++)
			for (a = 0; axcc_algorithm_name(a); a++) {
				struct axcc_topology *topo = sample_topology(ranks, a + coll);
				struct axcc_schedule *s;
				struct sample sample;
				uint32_t r;

				if (axcc_algorithm_can(a, (enum axcc_coll)coll) &&
				    sample_make(&sample, (enum axcc_coll)coll, ranks, 777,
						(enum place)(made % NUM_PLACES), 0, &seed) &&
				    !axcc_schedule_build(&sample.req, topo, a, NULL, &s, NULL)) {
					for (r = 0; r < ranks; r++)
						check_rank(s, r, made % 7);
					axcc_schedule_free(s);
					made++;
				}
				axcc_topology_free(topo);
			}
	assert_true(made > 100);
}

static struct axcc_schedule *small(void)
{
	struct axcc_request req = { .coll = AXCC_ALL_REDUCE, .dtype = AXON_DTYPE_FLOAT32,
				    .ranks = 4, .count = 1000 };
	struct axcc_topology *topo;
	struct axcc_schedule *s;

	assert_int_equal(axcc_topology_make("ring", 4, 1, &topo), 0);
	assert_int_equal(axcc_schedule_build(&req, topo, sample_algorithm("ring"), NULL, &s, NULL),
			 0);
	axcc_topology_free(topo);
	return s;
}

/* Twice the same in one program: the second waits for as much more as the first was posted. */
static void test_twice(void **state)
{
	struct axcc_schedule *s = small();
	uint32_t sem[AXCC_SEMAPHORES] = { 0 }, first[AXCC_SEMAPHORES], count[2], i;
	struct cc_lowering low = { .schedule = s, .rank = 2, .address = address, .opaque = s,
				   .sem_value = sem };
	struct axon_inst *code[2];

	assert_int_equal(cc_code_make(&low, &code[0], &count[0]), 0);
	memcpy(first, sem, sizeof(sem));
	assert_int_equal(cc_code_make(&low, &code[1], &count[1]), 0);
	assert_int_equal(count[0], count[1]);
	for (i = 0; i < count[0]; i++) {
		if (code[0][i].wait_op)
			assert_int_equal(code[1][i].wait_val,
					 code[0][i].wait_val + first[code[0][i].wait_sem]);
		code[1][i].wait_val = code[0][i].wait_val;
		assert_memory_equal(&code[0][i], &code[1][i], sizeof(code[0][i]));
	}
	for (i = 0; i < AXCC_SEMAPHORES; i++)
		assert_int_equal(sem[i], 2 * first[i]);
	free(code[0]);
	free(code[1]);
	axcc_schedule_free(s);
}

/* Ranks of a gang that is not numbered as the schedule is. */
static void test_gang_ranks(void **state)
{
	static const uint16_t gang[4] = { 30, 20, 10, 0 };
	struct axcc_schedule *s = small();
	struct cc_lowering low = { .schedule = s, .rank = 1, .address = address, .opaque = s };
	struct axon_inst *code[2];
	uint32_t count, i, posts = 0;

	assert_int_equal(cc_code_make(&low, &code[0], &count), 0);
	low.gang_rank = gang;
	assert_int_equal(cc_code_make(&low, &code[1], &count), 0);
	for (i = 0; i < count; i++) {
		const struct axon_inst *plain = &code[0][i], *mapped = &code[1][i];

		if (plain->opcode == AXON_OP_POST) {
			assert_int_equal(mapped->ctl.imm, gang[plain->ctl.imm]);
			posts++;
		} else if (plain->opcode == AXON_OP_DMA && plain->dma.post_op) {
			assert_int_equal(mapped->dma.post_rank, gang[plain->dma.post_rank]);
			posts++;
		}
	}
	assert_true(posts > 0);
	free(code[0]);
	free(code[1]);
	axcc_schedule_free(s);
}

static int no_address(void *opaque, uint32_t rank, enum axcc_buffer buffer, uint64_t *va)
{
	return -ENOSPC;
}

static void test_no_address(void **state)
{
	struct axcc_schedule *s = small();
	struct cc_lowering low = { .schedule = s, .address = no_address };
	struct axon_inst *code;
	uint32_t count;

	assert_int_equal(cc_code_make(&low, &code, &count), -ENOSPC);
	axcc_schedule_free(s);
}

/* ---- addresses ---- */

static void test_span(void **state)
{
	struct cc_span span;
	uint64_t a, b, c, d;

	cc_span_init(&span, 0x1800, 0x10000);
	assert_int_equal(cc_span_alloc(&span, 0, 1, &a), -EINVAL);
	assert_int_equal(cc_span_alloc(&span, 0xf000, 1, &a), -ENOSPC);
	assert_int_equal(cc_span_alloc(&span, 0x1000, 0x1000, &a), 0);
	assert_int_equal(a, 0x2000);
	assert_int_equal(cc_span_alloc(&span, 0x800, 0x100, &b), 0);
	assert_int_equal(b, 0x1800);
	assert_int_equal(cc_span_alloc(&span, 0xd000, 0x1000, &c), 0);
	assert_int_equal(c, 0x3000);
	assert_int_equal(cc_span_alloc(&span, 1, 1, &d), -ENOSPC);
	cc_span_free(&span, a);
	cc_span_free(&span, 0x5000);
	assert_int_equal(cc_span_alloc(&span, 0x1001, 1, &d), -ENOSPC);
	assert_int_equal(cc_span_alloc(&span, 0x1000, 1, &d), 0);
	assert_int_equal(d, a);
	assert_int_equal(cc_span_alloc(&span, UINT64_MAX, 1, &d), -ENOSPC);
	assert_int_equal(cc_span_alloc(&span, 1, 1ull << 63, &d), -ENOSPC);
	cc_span_exit(&span);
}

/* Nothing given out twice, all of it comes back. */
static void test_span_random(void **state)
{
	uint64_t at[200] = { 0 }, size[200], seed = 9, all;
	struct cc_span span;
	uint32_t i, j, round;

	cc_span_init(&span, 0x1000, 0x100000);
	for (round = 0; round < 5000; round++) {
		i = (uint32_t)(random_next(&seed) % 200);
		if (at[i]) {
			cc_span_free(&span, at[i]);
			at[i] = 0;
			continue;
		}
		size[i] = 1 + random_next(&seed) % 0x2000;
		if (cc_span_alloc(&span, size[i], 1ull << random_next(&seed) % 13, &at[i])) {
			at[i] = 0;
			continue;
		}
		assert_true(at[i] >= 0x1000 && at[i] + size[i] <= 0x100000);
		for (j = 0; j < 200; j++)
			if (j != i && at[j])
				assert_true(at[i] + size[i] <= at[j] || at[j] + size[j] <= at[i]);
	}
	for (i = 0; i < 200; i++)
		if (at[i])
			cc_span_free(&span, at[i]);
	assert_int_equal(cc_span_alloc(&span, 0x100000 - 0x1000, 1, &all), 0);
	cc_span_exit(&span);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_gang_ranks),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_span_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
