// SPDX-License-Identifier: MIT
/*
 * report.c - progress and log.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "curve.h"
#include "report.h"

#define TERMINAL_PERIOD	0.1	/* seconds between two versions of the line */
#define LINE_PERIOD	5.0	/* seconds between two lines */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* ---- the log ---- */

/* Write a line and let go of @line. A whole line at once: a reader sees no half of one. */
static int put_line(struct report *r, json_t *line, struct llm_error *err)
{
	int ret = 0;

	errno = ENOMEM;
	if (!line || json_dumpf(line, r->log, JSON_COMPACT | JSON_REAL_PRECISION(9)) ||
	    fputc('\n', r->log) == EOF || fflush(r->log))
		ret = llm_fail(err, -errno, "%s: cannot write the log: %s", r->log_path,
			       strerror(errno));
	json_decref(line);
	return ret;
}

static int log_begin(struct report *r, const struct training *t, const struct corpus *corpus,
		     const char *text, struct llm_error *err)
{
	const struct train_config *c = &t->config;
	json_t *name = json_string(text), *line;

	/* A path need not be UTF-8, JSON must be. */
	if (!name)
		name = json_string("?");
	line = json_pack("{s:o,s:I,s:s,s:I,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i}",
			 "text", name, "tokens", (json_int_t)corpus->count - 2, "unit", r->unit,
			 "params", (json_int_t)t->params, "first_step", t->step + 1,
			 "steps", c->steps, "cards", c->cards, "batch", c->batch, "seq", c->seq,
			 "dim", c->dim, "layers", c->layers, "heads", c->heads,
			 "kv_heads", c->kv_heads, "hidden", c->hidden, "vocab", c->vocab);
	return put_line(r, line, err);
}

int report_open(struct report *r, const char *log, const struct training *t,
		const struct corpus *corpus, const char *text, struct llm_error *err)
{
	*r = (struct report){ .log_path = log, .terminal = isatty(STDERR_FILENO),
			      .first = t->step,
			      .unit = corpus->own_vocabulary ? "character" : "token" };
	r->start = now();
	if (!log)
		return 0;
	r->log = fopen(log, t->step ? "ae" : "we");
	if (!r->log)
		return llm_fail(err, -errno, "%s: cannot open the log: %s", log, strerror(errno));
	return log_begin(r, t, corpus, text, err);
}

int report_close(struct report *r, struct llm_error *err)
{
	FILE *log = r->log;

	report_break(r);
	r->log = NULL;
	if (log && fclose(log))
		return llm_fail(err, -errno, "%s: cannot write the log: %s", r->log_path,
				strerror(errno));
	return 0;
}

/* ---- progress ---- */

void report_break(struct report *r)
{
	if (r->open_line)
		fputc('\n', stderr);
	r->open_line = false;
}

static void put_progress(struct report *r, const struct training *t, double time)
{
	const struct train_config *c = &t->config;
	const double took = time - r->start;
	const uint32_t done = t->step - r->first;
	const unsigned int left = took / done * (c->steps - t->step);

	if (r->terminal)
		fputc('\r', stderr);
	fprintf(stderr, "step %u/%u  loss %.3f nats per %s  %.0f tokens/s  %u:%02u left", t->step,
		c->steps, curve_mean(t->loss, t->step), r->unit,
		took > 0 ? (double)done * c->batch * c->seq / took : 0.0, left / 60, left % 60);
	fputs(r->terminal ? "\033[K" : "\n", stderr);
	fflush(stderr);
	r->open_line = r->terminal;
}

int report_step(struct report *r, const struct training *t, float rate, float norm,
		struct llm_error *err)
{
	const double time = now();
	json_t *line;

	if (time >= r->next || t->step == t->config.steps) {
		put_progress(r, t, time);
		r->next = time + (r->terminal ? TERMINAL_PERIOD : LINE_PERIOD);
	}
	if (!r->log)
		return 0;
	line = json_pack("{s:i,s:f,s:f,s:f,s:f}", "step", t->step,
			 "loss", (double)t->loss[t->step - 1], "rate", (double)rate,
			 "norm", (double)norm, "seconds", time - r->start);
	return put_line(r, line, err);
}
