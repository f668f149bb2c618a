/* SPDX-License-Identifier: MIT */
/*
 * frame.h - what axon-top shows, as lines of text made from two readings.
 *
 * The same lines go to a terminal and to --once. Must never look at the machine or draw.
 */
#ifndef AXON_TOP_FRAME_H
#define AXON_TOP_FRAME_H

#include "collect.h"

enum frame_style {
	FRAME_PLAIN,
	FRAME_TITLE,	/* heading of a section */
	FRAME_BAR,	/* utilisation of a core */
	FRAME_BAD,	/* something is wrong with a card */
};

struct frame_line {
	enum frame_style style;
	char *text;
};

/**
 * struct frame - lines
 * @line: array
 * @count: its length
 * @failed: memory ran out while it was made: do not show it
 */
struct frame {
	struct frame_line *line;
	uint32_t count;
	bool failed;
};

/**
 * frame_build() - make the lines
 * @f: filled in; frame_free() it
 * @before: earlier reading, for what is counted
 * @now: reading to show
 * @flops: show FLOP/s of the cores, not the time that they were busy
 *
 * Return: 0 or -ENOMEM.
 */
int frame_build(struct frame *f, const struct collect_reading *before,
		const struct collect_reading *now, bool flops);
void frame_free(struct frame *f);

/**
 * frame_core_usage() - share of the time between two readings that a core was busy
 * @before: the same core earlier, or NULL
 * @now: the core
 * @seconds: between them
 *
 * Return: 0..1, or -1 if it cannot be told (new, or its counter was reset between).
 */
double frame_core_usage(const struct drm_axon_core *before, const struct drm_axon_core *now,
			double seconds);

#endif /* AXON_TOP_FRAME_H */
