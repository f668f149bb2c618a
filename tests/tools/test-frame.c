// SPDX-License-Identifier: MIT
/*
 * test-frame.c - what axon-top shows of two readings.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "axon_hw.h"
#include "frame.h"

/* Two readings, one second apart, of a card with two cores. */
struct pair {
	struct drm_axon_core core_before[2], core_now[2];
	struct collect_card card_before, card_now;
	struct collect_reading before, now;
};

static void make_pair(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	strcpy(p->card_now.bdf, "0000:01:00.0");
	strcpy(p->card_now.node, "/dev/accel/accel0");
	p->card_now.valid = COLLECT_DEVICE | COLLECT_CORES | COLLECT_MEMORY | COLLECT_TELEMETRY;
	p->card_now.n_cores = 2;
	p->card_now.hbm_size = 1024ull << 20;
	p->card_now.hbm_used = 3ull << 20;
	p->card_now.telemetry.temp_die = 45500;
	p->card_now.telemetry.power = 12340;
	p->card_before = p->card_now;
	p->card_before.cores = p->core_before;
	p->card_now.cores = p->core_now;
	for (int i = 0; i < 2; i++) {
		p->core_before[i] = (struct drm_axon_core){ .id = i, .busy_ns = 1000 };
		p->core_now[i] = p->core_before[i];
	}
	p->before = (struct collect_reading){ .time = 10, .cards = &p->card_before, .n_cards = 1 };
	p->now = (struct collect_reading){ .time = 11, .cards = &p->card_now, .n_cards = 1 };
}

static const char *find(const struct frame *f, const char *what)
{
	for (uint32_t i = 0; i < f->count; i++) {
		if (strstr(f->line[i].text, what))
			return f->line[i].text;
	}
	return NULL;
}

static void usage_is_share_of_time(void **state)
{
	struct drm_axon_core a = { .busy_ns = 500000000 }, b = { .busy_ns = 1000000000 };

	assert_float_equal(frame_core_usage(&a, &b, 1.0), 0.5, 1e-9);
	assert_float_equal(frame_core_usage(&a, &b, 2.0), 0.25, 1e-9);
	assert_float_equal(frame_core_usage(&a, &b, 0.1), 1.0, 1e-9);
	assert_float_equal(frame_core_usage(&a, &a, 1.0), 0.0, 1e-9);
}

static void usage_unknown_when_counter_went_back(void **state)
{
	struct drm_axon_core a = { .busy_ns = 500 }, b = { .busy_ns = 1000 };

	assert_true(frame_core_usage(&b, &a, 1.0) < 0);
	assert_true(frame_core_usage(NULL, &a, 1.0) < 0);
	assert_true(frame_core_usage(&a, &b, 0.0) < 0);
}

static void busy_and_idle_core(void **state)
{
	struct pair p;
	struct frame f;

	make_pair(&p);
	p.core_now[1].busy_ns += 250000000;
	p.core_now[1].state = AXON_CORE_RUNNING;
	assert_int_equal(frame_build(&f, &p.before, &p.now, false), 0);
	assert_non_null(strstr(find(&f, "NC0"), " 0.0 %"));
	assert_non_null(strstr(find(&f, "NC1"), "[||||||||||  "));
	assert_non_null(strstr(find(&f, "NC1"), " 25.0 %"));
	assert_non_null(strstr(find(&f, "NC1"), "running"));
	frame_free(&f);
}

static void flops_instead_of_time(void **state)
{
	struct pair p;
	struct frame f;

	make_pair(&p);
	p.core_now[0].flops = 2000000000000ull;
	assert_int_equal(frame_build(&f, &p.before, &p.now, true), 0);
	assert_non_null(strstr(find(&f, "NC0"), "2.0000 TFLOP/s"));
	frame_free(&f);
}

static void first_reading_has_no_rates(void **state)
{
	const struct collect_reading none = { 0 };
	struct pair p;
	struct frame f;

	make_pair(&p);
	assert_int_equal(frame_build(&f, &none, &p.now, false), 0);
	assert_non_null(strstr(find(&f, "NC0"), "NA"));
	frame_free(&f);
}

static void reset_between_readings_has_no_rates(void **state)
{
	struct pair p;
	struct frame f;

	make_pair(&p);
	p.card_now.device.reset_count = 1;
	p.core_now[0].busy_ns += 1000;
	assert_int_equal(frame_build(&f, &p.before, &p.now, false), 0);
	assert_non_null(strstr(find(&f, "NC0"), "NA"));
	frame_free(&f);
}

static void card_that_went_away(void **state)
{
	struct pair p;
	struct frame f;

	make_pair(&p);
	p.card_now.error = -ENODEV;
	p.card_now.valid = 0;
	assert_int_equal(frame_build(&f, &p.before, &p.now, false), 0);
	assert_non_null(find(&f, "accel0: No such device"));
	assert_null(find(&f, "NC0"));
	frame_free(&f);
	p.now.n_cards = 0;
	assert_int_equal(frame_build(&f, &p.before, &p.now, false), 0);
	assert_non_null(find(&f, "no card"));
	frame_free(&f);
}

static void no_permission_says_what_to_do(void **state)
{
	struct pair p;
	struct frame f;

	make_pair(&p);
	p.card_now.error = -EACCES;
	p.card_now.valid = 0;
	assert_int_equal(frame_build(&f, &p.before, &p.now, false), 0);
	assert_non_null(strstr(find(&f, "Permission denied"), "udev rule"));
	frame_free(&f);
}

static void sensors_and_memory(void **state)
{
	struct pair p;
	struct frame f;

	make_pair(&p);
	assert_int_equal(frame_build(&f, &p.before, &p.now, false), 0);
	assert_non_null(find(&f, "die 45.5 C"));
	assert_non_null(find(&f, "12.34 W"));
	assert_non_null(find(&f, "3.0 of     1024.0 MiB"));
	frame_free(&f);
}

static void process_and_its_cpu_time(void **state)
{
	struct collect_process before = { .pid = 9, .user_ticks = 100 }, now;
	struct pair p;
	struct frame f;

	make_pair(&p);
	strcpy(before.bdf, p.card_now.bdf);
	strcpy(before.command, "story");
	now = before;
	now.hbm = 5 << 20;
	now.user_ticks += 50;
	p.before.processes = &before;
	p.now.processes = &now;
	p.before.n_processes = p.now.n_processes = 1;
	p.now.cpu = (struct collect_cpu){ .total = 200, .idle = 100, .cpus = 2 };
	assert_int_equal(frame_build(&f, &p.before, &p.now, false), 0);
	assert_non_null(strstr(find(&f, "story"), "5.0"));
	assert_non_null(find(&f, "System:  50.0 % of 2 CPUs"));
	frame_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usage_is_share_of_time),
		cmocka_unit_test(usage_unknown_when_counter_went_back),
		cmocka_unit_test(busy_and_idle_core),
		cmocka_unit_test(flops_instead_of_time),
		cmocka_unit_test(first_reading_has_no_rates),
		cmocka_unit_test(reset_between_readings_has_no_rates),
		cmocka_unit_test(card_that_went_away),
		cmocka_unit_test(no_permission_says_what_to_do),
		cmocka_unit_test(sensors_and_memory),
		cmocka_unit_test(process_and_its_cpu_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
