// SPDX-License-Identifier: MIT
/*
 * axon_reset.c - the firmware dies: what ran is lost with -ECONNRESET, the card comes back.
 */
#include "card.h"

#include <time.h>

#include "soft.h"

#define CODE	0x10000000ull
#define DATA	0x20000000ull

/* The fault is repaired at the moment the card is reset, as a person would do it. */
static void repair(void *opaque, enum axon_log_level level, const char *line)
{
	struct axon_device **dev = opaque;

	test_log(NULL, level, line);
	if (strstr(line, "resetting"))
		axon_card_set(to_card(*dev)->model, AXON_KNOB_STALL_FW, 0);
}

static void stall(struct axon_device *dev)
{
	assert_int_equal(axon_card_set(to_card(dev)->model, AXON_KNOB_STALL_FW, 1), 0);
}

static struct axon_device *repairable_card(struct axon_device **dev)
{
	assert_int_equal(axon_device_open_path("soft", repair, dev, dev), 0);
	return *dev;
}

static void test_reset(void **state)
{
	struct axon_device *handle;
	struct axon_device *dev = repairable_card(&handle);
	struct client c = open_client(dev, 0, 0);
	struct drm_axon_job job = launch_job(CODE, 0);
	struct drm_axon_ctx_get_state s;
	struct drm_axon_query_device info;
	struct axon_queue_params params = { 0 };
	struct axon_context *ctx;
	struct axon_queue *queue;
	struct axon_bo *code;
	struct axon_bo *data;
	struct program p;
	uint64_t seqno;
	uint8_t *ptr;

	program_loop(&p);
	code = new_code(dev, c.vm, CODE, &p);
	data = new_bo(dev, c.vm, DRM_AXON_REGION_HBM, 4096, DATA, 0, (void **)&ptr);
	assert_int_equal(run_fill(c.queue, DATA, 3, 4096), 0);
	assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &seqno), 0);
	stall(dev);
	assert_int_equal(axon_wait(c.queue, seqno, WAIT_NS), -ECONNRESET);
	assert_int_equal(axon_context_state(c.ctx, &s), 0);
	assert_true(s.state & DRM_AXON_CTX_DEVICE_RESET);
	assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &seqno), -ECONNRESET);
	/* Memory and address space are as they were; a new context works on them. */
	assert_int_equal(axon_device_query(dev, &info), 0);
	assert_int_equal(info.reset_count, 1);
	assert_int_equal(info.state, DRM_AXON_STATE_READY);
	assert_int_equal(ptr[4095], 3);
	assert_int_equal(axon_context_create(c.vm, DRM_AXON_PRIORITY_NORMAL, &ctx), 0);
	assert_int_equal(axon_queue_create(ctx, &params, &queue), 0);
	assert_int_equal(run_fill(queue, DATA, 4, 4096), 0);
	assert_int_equal(ptr[4095], 4);
	axon_queue_destroy(queue);
	assert_int_equal(axon_context_destroy(ctx), 0);
	axon_bo_destroy(code);
	axon_bo_destroy(data);
	close_client(&c);
	axon_device_close(dev);
}

/* Nobody uses the card when its firmware dies: it is brought back all the same. */
static void test_reset_idle(void **state)
{
	struct timespec nap = { 0, 20000000 };
	struct axon_device *handle;
	struct axon_device *dev = repairable_card(&handle);
	struct drm_axon_query_device info = { 0 };
	unsigned int tries = 0;

	stall(dev);
	while (!info.reset_count) {
		assert_true(tries++ < 3000);
		nanosleep(&nap, NULL);
		assert_int_equal(axon_device_query(dev, &info), 0);
	}
	assert_int_equal(info.state, DRM_AXON_STATE_READY);
	axon_device_close(dev);
}

/* The fault stays: the card is given up, every call says so, nothing hangs. */
static void test_wedged(void **state)
{
	struct axon_device *dev = open_card();
	struct client c = open_client(dev, 0, 0);
	struct drm_axon_job job = launch_job(CODE, 0);
	struct drm_axon_query_device info;
	struct axon_context *ctx;
	struct axon_bo *code;
	struct program p;
	uint64_t seqno;

	program_loop(&p);
	code = new_code(dev, c.vm, CODE, &p);
	assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &seqno), 0);
	stall(dev);
	assert_int_equal(axon_wait(c.queue, seqno, WAIT_NS), -ECONNRESET);
	assert_int_equal(axon_device_query(dev, &info), 0);
	assert_int_equal(info.state, DRM_AXON_STATE_WEDGED);
	assert_int_equal(axon_submit(c.queue, &job, 1, NULL, 0, &seqno), -EIO);
	assert_int_equal(axon_vm_map(c.vm, code, 0, DATA, 4096, 0), -EIO);
	assert_int_equal(axon_context_create(c.vm, DRM_AXON_PRIORITY_NORMAL, &ctx), -EIO);
	axon_bo_destroy(code);
	close_client(&c);
	axon_device_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_idle),
		cmocka_unit_test(test_wedged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
