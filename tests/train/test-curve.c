// SPDX-License-Identifier: MIT
/*
 * test-curve.c - the picture of the losses: points where they belong, of any number, any title.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "curve.h"
#include "file.h"

static char path[64];

static int setup(void **state)
{
	int fd;

	strcpy(path, "curve-XXXXXX");
	fd = mkstemp(path);
	*state = NULL;
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static char *draw(const float *loss, uint32_t steps, const char *title)
{
	char *text, *svg;
	size_t size;

	assert_int_equal(curve_write(path, loss, steps, "nats", title, NULL), 0);
	assert_int_equal(llm_read_file(path, "curve", "", (void **)&text, &size, NULL), 0);
	svg = strndup(text, size);
	assert_non_null(svg);
	free(text);
	assert_int_equal(strncmp(svg, "<svg ", 5), 0);
	assert_string_equal(svg + size - 7, "</svg>\n");
	assert_null(strstr(svg, "nan"));
	assert_null(strstr(svg, "inf"));
	return svg;
}

/* The points of a line; all must lie in the picture. */
static uint32_t points(const char *svg, const char *id, double *x, double *y, uint32_t max)
{
	const char *at = strstr(svg, id);
	uint32_t n = 0;
	int len;

	assert_non_null(at);
	at = strstr(at, "points=\"");
	assert_non_null(at);
	for (at += 8; *at != '"'; at += len) {
		double px, py;

		assert_int_equal(sscanf(at, "%lf,%lf %n", &px, &py, &len), 2);
		assert_true(px >= 0 && px <= 800 && py >= 0 && py <= 450);
		assert_true(n < max);
		x[n] = px;
		y[n++] = py;
	}
	return n;
}

static void a_falling_loss_falls(void **state)
{
	double x[1000], y[1000];
	float loss[100];
	char *svg;

	(void)state;
	for (int i = 0; i < 100; i++)
		loss[i] = 4.0f - (float)i / 50;
	svg = draw(loss, 100, "falls");
	assert_int_equal(points(svg, "\"steps\"", x, y, 1000), 100);
	for (int i = 1; i < 100; i++)
		assert_true(x[i] > x[i - 1] && y[i] > y[i - 1]);
	assert_int_equal(points(svg, "\"mean\"", x, y, 1000), 100);
	for (int i = 1; i < 100; i++)
		assert_true(y[i] >= y[i - 1]);
	free(svg);
}

static void any_number_of_steps(void **state)
{
	static const uint32_t count[] = { 1, 2, 3, 709, 710, 711, 1421, 100000 };
	static float loss[100000];
	static double x[1000], y[1000];

	(void)state;
	for (int i = 0; i < 100000; i++)
		loss[i] = 1.0f + (float)(i * 7919 % 1000) / 500;
	for (size_t i = 0; i < sizeof(count) / sizeof(count[0]); i++) {
		char *svg = draw(loss, count[i], "many");

		assert_int_equal(points(svg, "\"steps\"", x, y, 1000),
				 count[i] < 710 ? count[i] : 710);
		free(svg);
	}
}

static void awkward_losses(void **state)
{
	static const float awkward[][3] = {
		{ 0, 0, 0 }, { 2, 2, 2 }, { 1e30f, 1e30f, 1e30f }, { 1e-30f, 2e-30f, 1e-30f },
		{ -1, 0, 1 }, { 3e38f, 0, -3e38f }, { 1e6f, 1e6f + 0.5f, 1e6f },
	};
	double x[10], y[10];

	(void)state;
	for (size_t i = 0; i < sizeof(awkward) / sizeof(awkward[0]); i++) {
		char *svg = draw(awkward[i], 3, "awkward");

		assert_int_equal(points(svg, "\"steps\"", x, y, 10), 3);
		free(svg);
	}
}

static void a_title_is_only_text(void **state)
{
	const float loss = 1;
	char *svg = draw(&loss, 1, "a<b>&\"c\n");

	(void)state;
	assert_non_null(strstr(svg, ">a&lt;b>&amp;\"c?<"));
	free(svg);
}

static void same_losses_same_bytes(void **state)
{
	const float loss[] = { 3, 2, 1 };
	char *a = draw(loss, 3, "x"), *b = draw(loss, 3, "x");

	(void)state;
	assert_string_equal(a, b);
	free(a);
	free(b);
}

static void mean_of_the_last_steps(void **state)
{
	float loss[120];

	(void)state;
	for (int i = 0; i < 120; i++)
		loss[i] = (float)i;
	assert_true(curve_mean(loss, 1) == 0);
	assert_true(curve_mean(loss, 3) == 1);
	assert_true(curve_mean(loss, 120) == 94.5);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_falling_loss_falls),
		TEST(any_number_of_steps),
		TEST(awkward_losses),
		TEST(a_title_is_only_text),
		TEST(same_losses_same_bytes),
		cmocka_unit_test(mean_of_the_last_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
