// SPDX-License-Identifier: MIT
/*
 * axon_queue.c - submission, order, fences, waiting.
 */
#include "card.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#define A	0x10000000ull

static struct drm_axon_job fill_job(uint64_t dst, uint8_t value, uint64_t size)
{
	return (struct drm_axon_job) {
		.opcode = AXON_CMD_FILL,
		.operand = { dst, value, size },
	};
}

static void test_arguments(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct axon_queue_params params = { 0 };
	struct drm_axon_job jobs[AXON_MAX_JOBS] = { 0 };
	struct axon_fence never = { c.queue, 5 };
	struct axon_queue *queue = NULL;
	uint64_t seqno = 77;

	params.core = AXON_MAX_CORES;
	assert_int_equal(axon_queue_create(c.ctx, &params, &queue), -EINVAL);
	params.core = 0;
	params.entries = 17;
	assert_int_equal(axon_queue_create(c.ctx, &params, &queue), -EINVAL);
	params.entries = AXON_MAX_RING_ENTRIES * 2;
	assert_int_equal(axon_queue_create(c.ctx, &params, &queue), -EINVAL);
	params.entries = 0;
	params.flags = DRM_AXON_QUEUE_USER_MODE;
	assert_int_equal(axon_queue_create(c.ctx, &params, &queue), -EOPNOTSUPP);
	params.flags = 2;
	assert_int_equal(axon_queue_create(c.ctx, &params, &queue), -EINVAL);
	params.flags = 0;
	params.timeout_ms = AXON_MAX_TIMEOUT_MS + 1;
	assert_int_equal(axon_queue_create(c.ctx, &params, &queue), -EINVAL);
	assert_int_equal(axon_submit(c.queue, jobs, 0, NULL, 0, &seqno), -EINVAL);
	assert_int_equal(axon_submit(c.queue, jobs, AXON_MAX_JOBS + 1, NULL, 0, &seqno), -EINVAL);
	assert_int_equal(axon_submit(c.queue, NULL, 1, NULL, 0, &seqno), -EINVAL);
	assert_int_equal(axon_submit(c.queue, jobs, 1, &never, 1, &seqno), -EINVAL);
	jobs[1].flags = 1;
	assert_int_equal(axon_submit(c.queue, jobs, 2, NULL, 0, &seqno), -EINVAL);
	assert_int_equal(seqno, 77);
	assert_int_equal(axon_wait(c.queue, 1, 0), -EINVAL);
	assert_int_equal(axon_context_destroy(c.ctx), -EBUSY);
	close_client(&c);
	axon_device_close(dev);
}

/* Many more jobs than the ring has entries, all in order. */
static void test_many(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct axon_queue_params params = { .entries = 16 };
	struct drm_axon_job jobs[AXON_MAX_JOBS];
	struct drm_axon_queue_get_state s;
	struct axon_queue *queue;
	struct axon_bo *bo;
	uint64_t seqno = 0;
	uint8_t *ptr;
	unsigned int i;

	bo = new_bo(dev, c.vm, DRM_AXON_REGION_HBM, 4096, A, 0, (void **)&ptr);
	assert_int_equal(axon_queue_create(c.ctx, &params, &queue), 0);
	for (i = 0; i < AXON_MAX_JOBS; i++)
		jobs[i] = fill_job(A, (uint8_t)i, 4096 - i);
	for (i = 1; i <= 4; i++) {
		assert_int_equal(axon_submit(queue, jobs, AXON_MAX_JOBS, NULL, 0, &seqno), 0);
		assert_int_equal(seqno, i * AXON_MAX_JOBS);
	}
	assert_int_equal(axon_wait(queue, seqno, WAIT_NS), 0);
	for (i = 0; i < AXON_MAX_JOBS; i++)
		assert_int_equal(ptr[4095 - i], i);
	assert_int_equal(axon_queue_state(queue, &s), 0);
	assert_int_equal(s.submitted, seqno);
	assert_int_equal(s.completed, seqno);
	assert_int_equal(s.last_status, AXON_STATUS_OK);
	assert_true(s.total_cycles >= s.last_cycles);
	axon_queue_destroy(queue);
	axon_bo_destroy(bo);
	close_client(&c);
	axon_device_close(dev);
}

/* A job of one queue waits for a slow one of another, on the other core. */
static void test_fences(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct axon_queue_params params = { .core = 1 };
	struct axon_queue *second;
	struct drm_axon_job job;
	struct axon_fence fence = { .queue = c.queue };
	struct axon_bo *bo;
	uint64_t seqno;
	uint8_t *ptr;
	int round;

	bo = new_bo(dev, c.vm, DRM_AXON_REGION_HBM, 32 * MIB, A, 0, (void **)&ptr);
	assert_int_equal(axon_queue_create(c.ctx, &params, &second), 0);
	for (round = 1; round < 8; round++) {
		job = fill_job(A, (uint8_t)round, 32 * MIB);
		assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &fence.seqno), 0);
		job = (struct drm_axon_job) {
			.opcode = AXON_CMD_COPY,
			.operand = { A, A + 32 * MIB - 4096, 4096 },
		};
		assert_int_equal(axon_submit(second, &job, 1, &fence, 1, &seqno), 0);
		job = fill_job(A + 32 * MIB - 4096, 0xee, 4096);
		assert_int_equal(axon_submit(second, &job, 1, NULL, 0, &seqno), 0);
		assert_int_equal(axon_wait(second, seqno, WAIT_NS), 0);
		assert_int_equal(ptr[0], round);
		assert_int_equal(ptr[32 * MIB - 1], 0xee);
		assert_int_equal(axon_wait(c.queue, fence.seqno, 0), 0);
	}
	axon_queue_destroy(second);
	axon_bo_destroy(bo);
	close_client(&c);
	axon_device_close(dev);
}

/* Looks at memory that the card writes; that nothing orders the two is the point here. */
__attribute__((no_sanitize("thread"), noinline)) static uint8_t peek(const volatile uint8_t *ptr)
{
	return *ptr;
}

/* Nobody waits: the work is done all the same. */
static void test_unattended(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct timespec nap = { 0, 1000000 };
	struct drm_axon_job job;
	struct axon_bo *bo;
	volatile uint8_t *ptr;
	uint64_t seqno;
	int i;

	bo = new_bo(dev, c.vm, DRM_AXON_REGION_HBM, 4096, A, 0, (void **)&ptr);
	for (i = 1; i < 4; i++) {
		job = fill_job(A, (uint8_t)i, 4096);
		assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &seqno), 0);
		while (peek(&ptr[4095]) != i)
			nanosleep(&nap, NULL);
		nap.tv_nsec *= 10;	/* long enough for the card to go to sleep */
	}
	assert_int_equal(axon_wait(c.queue, seqno, WAIT_NS), 0);
	axon_bo_destroy(bo);
	close_client(&c);
	axon_device_close(dev);
}

static void test_wait_time(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 1000);
	struct drm_axon_job job;
	struct program p;
	struct axon_bo *bo;
	uint64_t seqno;

	program_loop(&p);
	bo = new_code(dev, c.vm, A, &p);
	job = launch_job(A, 0);
	assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &seqno), 0);
	assert_int_equal(axon_wait(c.queue, seqno, 0), -ETIMEDOUT);
	assert_int_equal(axon_wait(c.queue, seqno, 1000000), -ETIMEDOUT);
	assert_int_equal(axon_wait_until(c.queue, seqno, 1), -ETIMEDOUT);
	/* Destroying the queue ends the job. */
	axon_queue_destroy(c.queue);
	assert_int_equal(axon_context_destroy(c.ctx), 0);
	assert_int_equal(axon_vm_destroy(c.vm), 0);
	axon_bo_destroy(bo);
	axon_device_close(dev);
}

static void *wait_for_ever(void *arg)
{
	struct axon_fence *fence = arg;

	return (void *)(intptr_t)axon_wait(fence->queue, fence->seqno, -1);
}

/* Ends what runs and what stands behind it, under a thread that waits. */
static void test_cancel(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct axon_fence fence = { .queue = c.queue };
	struct timespec nap = { 0, 20000000 };
	struct axon_queue *other;
	struct axon_queue_params params = { 0 };
	struct drm_axon_job job;
	struct program p;
	struct axon_bo *bo;
	pthread_t waiter;
	uint64_t seqno;
	void *err;

	program_loop(&p);
	bo = new_code(dev, c.vm, A, &p);
	assert_int_equal(axon_queue_create(c.ctx, &params, &other), 0);
	job = launch_job(A, 0);
	assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &seqno), 0);
	assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &fence.seqno), 0);
	assert_int_equal(pthread_create(&waiter, NULL, wait_for_ever, &fence), 0);
	nanosleep(&nap, NULL);
	axon_queue_cancel(c.queue);
	assert_int_equal(pthread_join(waiter, &err), 0);
	assert_int_equal((intptr_t)err, -ECANCELED);
	assert_int_equal(axon_wait(c.queue, seqno, 0), -ECANCELED);
	assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &seqno), -ECANCELED);
	axon_queue_cancel(c.queue);
	/* No failure of the context: its other queues go on. */
	job = (struct drm_axon_job) { .opcode = AXON_CMD_NOP };
	assert_int_equal(run_job(other, &job), 0);
	axon_queue_destroy(other);
	close_client(&c);
	axon_bo_destroy(bo);
	axon_device_close(dev);
}

static void on_alarm(int signal)
{
}

/* Signals that interrupt a wait do not end it. */
static void test_signals(void **state)
{
	const struct itimerval fast = { { 0, 500 }, { 0, 500 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	struct sigaction act = { .sa_handler = on_alarm };
	struct sigaction restart = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct axon_bo *bo;
	uint8_t *ptr;
	int i;

	bo = new_bo(dev, c.vm, DRM_AXON_REGION_HBM, 32 * MIB, A, 0, (void **)&ptr);
	for (i = 1; i <= 16; i++) {
		sigaction(SIGALRM, i & 1 ? &act : &restart, NULL);
		setitimer(ITIMER_REAL, &fast, NULL);
		assert_int_equal(run_fill(c.queue, A, (uint8_t)i, 32 * MIB), 0);
		setitimer(ITIMER_REAL, &off, NULL);
		assert_int_equal(ptr[32 * MIB - 1], i);
	}
	axon_bo_destroy(bo);
	close_client(&c);
	axon_device_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_unattended),
		cmocka_unit_test(test_wait_time),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
