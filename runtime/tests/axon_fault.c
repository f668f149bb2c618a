// SPDX-License-Identifier: MIT
/*
 * axon_fault.c - programs that fail: the caller learns why, nobody else is harmed.
 */
#include <time.h>

#include "card.h"

#define CODE	0x10000000ull
#define DATA	0x20000000ull

/* Launches code of a fresh client; checks the error and gives the context's state. */
static int run_program(struct axon_device *dev, const struct program *p,
		       struct drm_axon_ctx_get_state *s)
{
	struct client c = open_client(dev, 0, 500);
	struct axon_bo *bo = new_code(dev, c.vm, CODE, p);
	struct drm_axon_job job = launch_job(CODE, CODE);
	int err = run_job(c.queue, &job);

	assert_int_equal(axon_context_state(c.ctx, s), 0);
	if (err) {
		struct axon_queue *queue;
		struct axon_queue_params params = { 0 };

		/* Banned: nothing more is accepted. */
		assert_true(s->state & DRM_AXON_CTX_BANNED);
		assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, NULL), -ECANCELED);
		assert_int_equal(axon_queue_create(c.ctx, &params, &queue), -ECANCELED);
	}
	axon_bo_destroy(bo);
	close_client(&c);
	return err;
}

static void test_programs(void **state)
{
	struct axon_device *dev = open_card();
	struct drm_axon_ctx_get_state s;
	struct program p;

	program_init(&p, "good");
	program_add(&p, inst_halt());
	assert_int_equal(run_program(dev, &p, &s), 0);
	assert_int_equal(s.state, 0);
	assert_int_equal(s.status, 0);

	program_bad(&p);
	assert_int_equal(run_program(dev, &p, &s), -EINVAL);
	assert_int_equal(s.status, AXON_STATUS_BAD_OPCODE);
	assert_int_equal(s.engine, AXON_ENGINE_SYNC);
	assert_int_equal(s.opcode, 0xee);

	program_deadlock(&p);
	assert_int_equal(run_program(dev, &p, &s), -EDEADLK);
	assert_int_equal(s.status, AXON_STATUS_DEADLOCK);
	assert_int_equal(s.semaphore, 7);
	assert_int_equal(s.sem_wanted, 3);
	assert_int_equal(s.sem_value, 0);

	program_wild(&p);
	assert_int_equal(run_program(dev, &p, &s), -EFAULT);
	assert_int_equal(s.status, AXON_STATUS_FAULT_UNMAPPED);
	assert_int_equal(s.fault_addr, 0x123456789000ull);
	assert_true(s.state & DRM_AXON_CTX_FAULTED);

	program_loop(&p);
	assert_int_equal(run_program(dev, &p, &s), -ETIME);
	assert_true(s.state & DRM_AXON_CTX_TIMEDOUT);

	program_init(&p, "no end");
	program_add(&p, inst_new(AXON_OP_NOP));
	assert_int_equal(run_program(dev, &p, &s), -EINVAL);
	assert_int_equal(s.status, AXON_STATUS_BAD_PC);
	axon_device_close(dev);
}

/* Commands that cannot be right are refused before the card sees them; the context goes on. */
static void test_commands(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct drm_axon_job job = { .opcode = 0x77 };
	struct drm_axon_ctx_get_state s;

	assert_int_equal(run_job(c.queue, &job), -EINVAL);
	job = (struct drm_axon_job) { .opcode = AXON_CMD_NOP, .operand = { 1 } };
	assert_int_equal(run_job(c.queue, &job), -EINVAL);
	job = (struct drm_axon_job) { .opcode = AXON_CMD_FILL, .operand = { DATA, 256, 1 } };
	assert_int_equal(run_job(c.queue, &job), -EINVAL);
	job = (struct drm_axon_job) { .opcode = AXON_CMD_NOP };
	assert_int_equal(run_job(c.queue, &job), 0);
	/* What only the card can know ends the context. */
	job = (struct drm_axon_job) { .opcode = AXON_CMD_COPY, .operand = { DATA, DATA, 0 } };
	assert_int_equal(run_job(c.queue, &job), -EINVAL);
	assert_int_equal(axon_context_state(c.ctx, &s), 0);
	assert_int_equal(s.status, AXON_STATUS_BAD_COMMAND);
	close_client(&c);
	c = open_client(dev, 0, 0);
	job = launch_job(DATA, 0);
	assert_int_equal(run_job(c.queue, &job), -EFAULT);
	close_client(&c);
	axon_device_close(dev);
}

/* What a client may not do to memory that is bound for it. */
static void test_permissions(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct drm_axon_ctx_get_state s;
	struct drm_axon_job job;
	struct axon_bo *bo;
	uint8_t *ptr;

	bo = new_bo(dev, c.vm, DRM_AXON_REGION_HBM, 4096, DATA, DRM_AXON_BIND_READONLY,
		    (void **)&ptr);
	assert_int_equal(run_fill(c.queue, DATA, 1, 64), -EFAULT);
	assert_int_equal(axon_context_state(c.ctx, &s), 0);
	assert_int_equal(s.status, AXON_STATUS_FAULT_WRITE);
	assert_int_equal(ptr[0], 0);
	axon_bo_destroy(bo);
	close_client(&c);

	c = open_client(dev, 0, 0);
	bo = new_bo(dev, c.vm, DRM_AXON_REGION_HBM, 4096, DATA, DRM_AXON_BIND_NOEXEC,
		    (void **)&ptr);
	((struct axon_program *)ptr)->magic = AXON_PROGRAM_MAGIC;
	((struct axon_program *)ptr)->version = AXON_ISA_VERSION_MAJOR << 16;
	((struct axon_program *)ptr)->engine[AXON_ENGINE_SYNC].addr = DATA + 128;
	((struct axon_program *)ptr)->engine[AXON_ENGINE_SYNC].count = 1;
	*(struct axon_inst *)(ptr + 128) = inst_halt();
	job = launch_job(DATA, 0);
	assert_int_equal(run_job(c.queue, &job), -EFAULT);
	assert_int_equal(axon_context_state(c.ctx, &s), 0);
	assert_int_equal(s.status, AXON_STATUS_FAULT_EXEC);
	axon_bo_destroy(bo);
	close_client(&c);
	axon_device_close(dev);
}

/* A stranger knows the address of another's data and reaches nothing. */
static void test_isolation(void **state)
{
	struct axon_device *dev = open_card();
	struct client victim = open_client(dev, 0, 0);
	struct client stranger = open_client(dev, 0, 0);
	struct axon_bo *bo;
	uint8_t *ptr;
	unsigned int i;

	bo = new_bo(dev, victim.vm, DRM_AXON_REGION_HBM, 4096, DATA, 0, (void **)&ptr);
	assert_int_equal(run_fill(victim.queue, DATA, 0x42, 4096), 0);
	assert_int_equal(run_fill(stranger.queue, DATA, 0x66, 4096), -EFAULT);
	for (i = 0; i < 4096; i++)
		assert_int_equal(ptr[i], 0x42);
	/* The victim goes on. */
	assert_int_equal(run_fill(victim.queue, DATA, 0x43, 4096), 0);
	assert_int_equal(ptr[4095], 0x43);
	/* Nor after the stranger comes again. */
	close_client(&stranger);
	stranger = open_client(dev, 0, 0);
	assert_int_equal(run_copy(stranger.queue, DATA, DATA, 64), -EFAULT);
	assert_int_equal(ptr[0], 0x43);
	close_client(&stranger);
	axon_bo_destroy(bo);
	close_client(&victim);
	axon_device_close(dev);
}

/* One queue of a context fails: its sister is stopped, jobs behind are cancelled. */
static void test_cancel(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct axon_queue_params params = { .core = 1 };
	struct drm_axon_job jobs[3] = { { 0 } };
	struct axon_queue *sister;
	uint64_t seqno;

	assert_int_equal(axon_queue_create(c.ctx, &params, &sister), 0);
	assert_int_equal(axon_submit(sister, jobs, 1, NULL, 0, &seqno), 0);
	assert_int_equal(axon_wait(sister, seqno, WAIT_NS), 0);
	jobs[1] = launch_job(DATA, 0);
	assert_int_equal(axon_submit(c.queue, jobs, 3, NULL, 0, &seqno), 0);
	assert_int_equal(axon_wait(c.queue, seqno, WAIT_NS), -ECANCELED);
	assert_int_equal(axon_wait(c.queue, seqno - 1, WAIT_NS), -EFAULT);
	assert_int_equal(axon_wait(c.queue, seqno - 2, WAIT_NS), 0);
	assert_int_equal(axon_wait(sister, 1, WAIT_NS), 0);
	assert_int_equal(axon_submit(sister, jobs, 1, NULL, 0, &seqno), -ECANCELED);
	axon_queue_destroy(sister);
	close_client(&c);
	axon_device_close(dev);
}

/* An endless loop with a short limit, while another context uses the same core. */
static void test_timeout_and_neighbour(void **state)
{
	struct axon_device *dev = open_card();
	struct client bad = open_client(dev, 0, 200);
	struct client good = open_client(dev, 0, 0);
	struct client other = open_client(dev, 1, 0);
	struct drm_axon_job job = launch_job(CODE, 0);
	struct drm_axon_job copy = { .opcode = AXON_CMD_FILL, .operand = { DATA, 9, 4096 } };
	struct axon_bo *data;
	struct axon_bo *code;
	struct program p;
	uint64_t queued;
	uint64_t seqno;
	uint8_t *ptr;

	program_loop(&p);
	code = new_code(dev, bad.vm, CODE, &p);
	data = new_bo(dev, good.vm, DRM_AXON_REGION_HBM, 4096, DATA, 0, (void **)&ptr);
	assert_int_equal(axon_submit(bad.queue, &job, 1, NULL, 0, &seqno), 0);
	/* Queued behind it on the same core: runs once the loop is killed. */
	assert_int_equal(axon_submit(good.queue, &copy, 1, NULL, 0, &queued), 0);
	/* The other core is not concerned at all. */
	copy = (struct drm_axon_job) { .opcode = AXON_CMD_NOP };
	assert_int_equal(run_job(other.queue, &copy), 0);
	assert_int_equal(axon_wait(good.queue, queued, WAIT_NS), 0);
	assert_int_equal(ptr[4095], 9);
	assert_int_equal(axon_wait(bad.queue, seqno, WAIT_NS), -ETIME);
	assert_int_equal(run_fill(good.queue, DATA, 10, 4096), 0);
	assert_int_equal(ptr[0], 10);
	axon_bo_destroy(code);
	axon_bo_destroy(data);
	close_client(&bad);
	close_client(&good);
	close_client(&other);
	axon_device_close(dev);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/*
 * A queue gets the number of one that is gone, and the same core: the time of the other's job is
 * not its own. What is asserted is that it has its time, which a slow host cannot change.
 */
static void test_number_again(void **state)
{
	struct axon_device *dev = open_card();
	struct drm_axon_job job = launch_job(CODE, 0);
	struct axon_bo *code;
	struct program p;
	uint64_t start;
	int i;

	program_loop(&p);
	for (i = 0; i < 2; i++) {
		struct client c = open_client(dev, 0, 200);

		code = new_code(dev, c.vm, CODE, &p);
		start = now_ns();
		assert_int_equal(run_job(c.queue, &job), -ETIME);
		assert_true(now_ns() - start >= 200000000ull);
		axon_bo_destroy(code);
		close_client(&c);
	}
	axon_device_close(dev);
}

/* A launch that waits for others of its gang: its core is anybody's, its time is its own. */
static void test_gang_alone(void **state)
{
	struct axon_device *dev = open_card();
	struct client bad = open_client(dev, 0, 200);
	struct client good = open_client(dev, 0, 0);
	struct drm_axon_job job = launch_job(CODE, 0);
	struct drm_axon_ctx_get_state s;
	struct axon_program *program;
	struct axon_bo *good_code;
	struct axon_bo *code;
	struct program p;
	uint64_t seqno;

	program_init(&p, "halt");
	program_add(&p, inst_halt());
	code = new_code(dev, bad.vm, CODE, &p);
	good_code = new_code(dev, good.vm, CODE, &p);
	assert_int_equal(axon_bo_map(code, (void **)&program), 0);
	program->gang = CODE;
	program->ranks = 3;
	program->rank = 1;
	assert_int_equal(axon_submit(bad.queue, &job, 1, NULL, 0, &seqno), 0);
	assert_int_equal(run_job(good.queue, &job), 0);
	assert_int_equal(axon_wait(bad.queue, seqno, WAIT_NS), -ETIME);
	assert_int_equal(axon_context_state(bad.ctx, &s), 0);
	assert_true(s.state & DRM_AXON_CTX_TIMEDOUT);
	assert_int_equal(s.peer, 1);
	assert_int_equal(run_job(good.queue, &job), 0);
	axon_bo_destroy(code);
	axon_bo_destroy(good_code);
	close_client(&bad);
	close_client(&good);
	axon_device_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_isolation),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_timeout_and_neighbour),
		cmocka_unit_test(test_number_again),
		cmocka_unit_test(test_gang_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
