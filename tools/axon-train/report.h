/* SPDX-License-Identifier: MIT */
/*
 * report.h - what a training says while it goes on: a line on stderr, and a log of JSON lines.
 *
 * On a terminal the line is written over and over; elsewhere there is a new one every few seconds.
 * The log has a line for each step; a run that goes on appends, so that a step which was lost to a
 * crash and done again stands there twice, with the same loss.
 */
#ifndef TRAIN_REPORT_H
#define TRAIN_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "save.h"

/**
 * struct report - where it is said
 * @log: JSON lines, or NULL
 * @log_path: its name
 * @terminal: stderr is one
 * @open_line: the terminal's line has no end yet
 * @unit: "character" or "token"
 * @first: steps that were done before this run
 * @start: time of its first step
 * @next: time of the next line
 */
struct report {
	FILE *log;
	const char *log_path;
	bool terminal;
	bool open_line;
	const char *unit;
	uint32_t first;
	double start;
	double next;
};

/**
 * report_open() - begin
 * @r: filled in; report_close() it
 * @log: file of the log, or NULL
 * @t: the training; one with steps done appends to the log
 * @corpus: its text
 * @text: name of that
 * @err: message of a failure
 *
 * Return: 0 or a negative errno.
 */
int report_open(struct report *r, const char *log, const struct training *t,
		const struct corpus *corpus, const char *text, struct llm_error *err);

/**
 * report_step() - a step is done
 * @r: report
 * @t: the training, the step's loss included
 * @rate: its learning rate
 * @norm: its norm of the gradients
 * @err: message of a failure
 *
 * Return: 0 or a negative errno (the log cannot be written).
 */
int report_step(struct report *r, const struct training *t, float rate, float norm,
		struct llm_error *err);

/* End the terminal's line, so that something else can be printed. */
void report_break(struct report *r);

int report_close(struct report *r, struct llm_error *err);

#endif /* TRAIN_REPORT_H */
