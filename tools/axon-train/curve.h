/* SPDX-License-Identifier: MIT */
/*
 * curve.h - the losses of a training as a picture (SVG).
 *
 * The same losses give the same bytes.
 */
#ifndef TRAIN_CURVE_H
#define TRAIN_CURVE_H

#include <stdint.h>

#include "error.h"

/**
 * curve_write() - draw
 * @path: the file
 * @loss: of each step, finite
 * @steps: how many, at least 1
 * @unit: what the losses are, in words
 * @title: one line; any text
 * @err: message of a failure
 *
 * Thin: the loss of each step, of many steps the mean of neighbours. Thick: the mean of
 * CURVE_WINDOW steps up to each.
 *
 * Return: 0 or a negative errno.
 */
int curve_write(const char *path, const float *loss, uint32_t steps, const char *unit,
		const char *title, struct llm_error *err);

/* Steps whose mean is "the loss" where one number is given. */
#define CURVE_WINDOW	50u

/* Mean of the last CURVE_WINDOW losses of @steps, or of all if there are fewer. */
double curve_mean(const float *loss, uint32_t steps);

#endif /* TRAIN_CURVE_H */
