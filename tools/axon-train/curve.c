// SPDX-License-Identifier: MIT
/*
 * curve.c - axes, two lines and a title as SVG.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "curve.h"
#include "file.h"

/* The picture, and the rectangle in it that the lines fill. */
#define WIDTH	800
#define HEIGHT	450
#define LEFT	70.0
#define RIGHT	780.0
#define TOP	50.0
#define BOTTOM	390.0
#define POINTS	710u	/* more than that cannot be told apart */

/**
 * struct axis - values along one side of the rectangle
 * @lo: value at @from
 * @hi: value at @to
 * @step: between two ticks
 * @from: place in the picture
 * @to: place in the picture
 */
struct axis {
	double lo;
	double hi;
	double step;
	double from;
	double to;
};

static double place(const struct axis *a, double v)
{
	return a->from + (v - a->lo) / (a->hi - a->lo) * (a->to - a->from);
}

/* 1, 2 or 5 times a power of ten, so that there are about six ticks. */
static double tick_step(double span)
{
	double raw = span / 6, power = pow(10, floor(log10(raw)));

	if (raw <= power)
		return power;
	if (raw <= 2 * power)
		return 2 * power;
	return raw <= 5 * power ? 5 * power : 10 * power;
}

double curve_mean(const float *loss, uint32_t steps)
{
	uint32_t n = steps < CURVE_WINDOW ? steps : CURVE_WINDOW;
	double sum = 0;

	for (uint32_t i = steps - n; i < steps; i++)
		sum += loss[i];
	return sum / n;
}

/* Mean of the steps that share point @i of @n. */
static double bin_mean(const float *loss, uint32_t steps, uint32_t i, uint32_t n)
{
	uint32_t from = (uint64_t)steps * i / n, to = (uint64_t)steps * (i + 1) / n;
	double sum = 0;

	for (uint32_t k = from; k < to; k++)
		sum += loss[k];
	return sum / (to - from);
}

static struct axis loss_axis(const float *loss, uint32_t steps, uint32_t n)
{
	struct axis a = { .lo = INFINITY, .hi = -INFINITY, .from = BOTTOM, .to = TOP };

	for (uint32_t i = 0; i < n; i++) {
		double v = bin_mean(loss, steps, i, n);

		a.lo = fmin(a.lo, v);
		a.hi = fmax(a.hi, v);
	}
	/* A flat line is drawn in the middle. */
	if (a.hi - a.lo < 1e-6 * fmax(1, fabs(a.hi))) {
		double room = fmax(0.5, fabs(a.hi) / 4);

		a.lo -= room;
		a.hi += room;
	}
	a.step = tick_step(a.hi - a.lo);
	a.lo = floor(a.lo / a.step) * a.step;
	a.hi = ceil(a.hi / a.step) * a.step;
	return a;
}

static struct axis step_axis(uint32_t steps)
{
	struct axis a = { .lo = 0, .hi = steps, .from = LEFT, .to = RIGHT };

	a.step = fmax(1, tick_step(a.hi));
	return a;
}

static void put_text(FILE *f, double x, double y, const char *how, const char *text)
{
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, how);
	for (; *text; text++) {
		if (*text == '<' || *text == '&')
			fprintf(f, *text == '<' ? "&lt;" : "&amp;");
		else if ((unsigned char)*text >= 0x20 && (unsigned char)*text < 0x7f)
			fputc(*text, f);
		else
			fputc('?', f);
	}
	fputs("</text>\n", f);
}

static void put_axes(FILE *f, const struct axis *x, const struct axis *y)
{
	char label[32];

	fprintf(f, "<g stroke=\"#ddd\">\n");
	for (double v = y->lo; v <= y->hi + y->step / 2; v += y->step)
		fprintf(f, "<path d=\"M%.1f %.1fH%.1f\"/>\n", LEFT, place(y, v), RIGHT);
	for (double v = x->lo; v <= x->hi; v += x->step)
		fprintf(f, "<path d=\"M%.1f %.1fV%.1f\"/>\n", place(x, v), TOP, BOTTOM);
	fprintf(f, "</g>\n");
	for (double v = y->lo; v <= y->hi + y->step / 2; v += y->step) {
		snprintf(label, sizeof(label), "%.6g", fabs(v) < y->step / 2 ? 0 : v);
		put_text(f, LEFT - 8, place(y, v) + 4, "text-anchor=\"end\"", label);
	}
	for (double v = x->lo; v <= x->hi; v += x->step) {
		snprintf(label, sizeof(label), "%.0f", v);
		put_text(f, place(x, v), BOTTOM + 20, "text-anchor=\"middle\"", label);
	}
}

static void put_lines(FILE *f, const float *loss, uint32_t steps, uint32_t n,
		      const struct axis *x, const struct axis *y)
{
	fprintf(f, "<g fill=\"none\" stroke-linejoin=\"round\">\n"
		   "<polyline id=\"steps\" stroke=\"#9bc\" points=\"");
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, "%.1f,%.1f ", place(x, (double)steps * (i + 1) / n),
			place(y, bin_mean(loss, steps, i, n)));
	fprintf(f, "\"/>\n<polyline id=\"mean\" stroke=\"#036\" stroke-width=\"2\" points=\"");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t step = (uint64_t)steps * (i + 1) / n;

		fprintf(f, "%.1f,%.1f ", place(x, step), place(y, curve_mean(loss, step)));
	}
	fprintf(f, "\"/>\n</g>\n");
}

static void draw(FILE *f, const float *loss, uint32_t steps, const char *unit, const char *title)
{
	const uint32_t n = steps < POINTS ? steps : POINTS;
	const struct axis x = step_axis(steps), y = loss_axis(loss, steps, n);

	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		   "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
		   "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	put_text(f, LEFT, 28, "font-size=\"16\"", title);
	put_text(f, RIGHT, BOTTOM + 44, "text-anchor=\"end\"", "step");
	put_text(f, LEFT, TOP - 8, "", unit);
	put_axes(f, &x, &y);
	put_lines(f, loss, steps, n, &x, &y);
	fprintf(f, "</svg>\n");
}

int curve_write(const char *path, const float *loss, uint32_t steps, const char *unit,
		const char *title, struct llm_error *err)
{
	struct llm_piece piece;
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int ret;

	if (!f)
		return llm_fail(err, -ENOMEM, "no memory for the curve");
	draw(f, loss, steps, unit, title);
	if (fclose(f)) {
		free(text);
		return llm_fail(err, -ENOMEM, "no memory for the curve");
	}
	piece = (struct llm_piece){ text, size };
	ret = llm_write_file(path, "curve", &piece, 1, err);
	free(text);
	return ret;
}
