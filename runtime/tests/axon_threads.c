// SPDX-License-Identifier: MIT
/*
 * axon_threads.c - many threads on one card: submitting, binding, failing.
 */
#include "card.h"

#include <pthread.h>

#define THREADS	6
#define ROUNDS	60
#define A	0x10000000ull

struct worker {
	struct axon_device *dev;
	unsigned int index;
	int failed;
};

#define WANT(cond) do { if (!(cond)) { w->failed = __LINE__; return NULL; } } while (0)

/* Its own client; buffers come and go, the contents must be its own. */
static void *client_thread(void *arg)
{
	struct worker *w = arg;
	struct client c = open_client(w->dev, w->index % 2, 0);
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		uint8_t value = (uint8_t)(w->index * 40 + i % 40);
		size_t size = 4096 * (1 + i % 5);
		struct axon_bo *bo;
		uint8_t *ptr;
		size_t b;

		bo = new_bo(w->dev, c.vm, i & 1 ? DRM_AXON_REGION_HOST : DRM_AXON_REGION_HBM,
			    size, A, 0, (void **)&ptr);
		WANT(!run_fill(c.queue, A, value, size));
		for (b = 0; b < size; b++)
			WANT(ptr[b] == value);
		WANT(!axon_vm_unmap(c.vm, A, size));
		axon_bo_destroy(bo);
	}
	close_client(&c);
	return NULL;
}

/* Fails again and again, and makes a new context each time. */
static void *failing_thread(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	for (i = 0; i < ROUNDS / 4; i++) {
		struct client c = open_client(w->dev, i % 2, 0);

		WANT(run_fill(c.queue, A, 1, 4096) == -EFAULT);
		close_client(&c);
	}
	return NULL;
}

static void test_clients(void **state)
{
	struct worker worker[THREADS];
	pthread_t thread[THREADS];
	struct axon_device *dev = open_card();
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		worker[i] = (struct worker) { dev, i, 0 };
		assert_int_equal(pthread_create(&thread[i], NULL, i ? client_thread :
						failing_thread, &worker[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(worker[i].failed, 0);
	}
	axon_device_close(dev);
}

struct shared {
	struct axon_queue *queue;
	int failed;
};

static void *share_thread(void *arg)
{
	struct shared *w = arg;
	struct drm_axon_job job = { .opcode = AXON_CMD_NOP };
	unsigned int i;

	for (i = 0; i < 2000; i++) {
		uint64_t seqno;

		WANT(!axon_submit(w->queue, &job, 1, NULL, 0, &seqno));
		WANT(i % 3 || !axon_wait(w->queue, seqno, WAIT_NS));
	}
	return NULL;
}

/* All on one queue: every job is counted once. */
static void test_one_queue(void **state)
{
	struct drm_axon_queue_get_state s;
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct shared shared = { c.queue, 0 };
	pthread_t thread[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, share_thread, &shared), 0);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(shared.failed, 0);
	assert_int_equal(axon_wait(c.queue, 8000, WAIT_NS), 0);
	assert_int_equal(axon_queue_state(c.queue, &s), 0);
	assert_int_equal(s.completed, 8000);
	close_client(&c);
	axon_device_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_one_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
