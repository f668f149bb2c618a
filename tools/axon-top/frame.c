// SPDX-License-Identifier: MIT
/*
 * frame.c - what axon-top shows, as lines of text.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "axon_hw.h"
#include "frame.h"

#define BAR_WIDTH	40

__attribute__((format(printf, 3, 4)))
static void add(struct frame *f, enum frame_style style, const char *fmt, ...)
{
	struct frame_line *line;
	va_list ap;
	char *text;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (ret < 0) {
		f->failed = true;
		return;
	}
	line = collect_grow((void **)&f->line, &f->count, sizeof(*line));
	if (!line) {
		free(text);
		f->failed = true;
		return;
	}
	line->style = style;
	line->text = text;
}

void frame_free(struct frame *f)
{
	for (uint32_t i = 0; i < f->count; i++)
		free(f->line[i].text);
	free(f->line);
	memset(f, 0, sizeof(*f));
}

/* ---- the same thing in the earlier reading ---- */

/* By address and name: another card may get the number of one that went. */
static const struct collect_card *same_card(const struct collect_reading *r,
					    const struct collect_card *c)
{
	for (uint32_t i = 0; i < r->n_cards; i++) {
		const struct collect_card *o = &r->cards[i];

		if (!strcmp(o->bdf, c->bdf) && !strcmp(o->node, c->node) &&
		    o->device.serial == c->device.serial &&
		    o->device.reset_count == c->device.reset_count)
			return o;
	}
	return NULL;
}

static const struct drm_axon_core *same_core(const struct collect_card *c, uint32_t id)
{
	for (uint32_t i = 0; c && i < c->n_cores; i++) {
		if (c->cores[i].id == id)
			return &c->cores[i];
	}
	return NULL;
}

static const struct collect_process *same_process(const struct collect_reading *r,
						  const struct collect_process *p)
{
	for (uint32_t i = 0; i < r->n_processes; i++) {
		if (r->processes[i].pid == p->pid && !strcmp(r->processes[i].command, p->command))
			return &r->processes[i];
	}
	return NULL;
}

double frame_core_usage(const struct drm_axon_core *before, const struct drm_axon_core *now,
			double seconds)
{
	double usage;

	if (!before || now->busy_ns < before->busy_ns || !(seconds > 0))
		return -1;
	usage = (now->busy_ns - before->busy_ns) / (seconds * 1e9);
	/* Counter and clock are not read at the same instant. */
	return usage > 1 ? 1 : usage;
}

/* ---- sections ---- */

static const char *core_state(uint32_t state)
{
	switch (state) {
	case AXON_CORE_IDLE:
		return "idle";
	case AXON_CORE_RUNNING:
		return "running";
	case AXON_CORE_RESETTING:
		return "resetting";
	default:
		return "unknown";
	}
}

static const char *card_state(const struct collect_card *c)
{
	if (c->asleep)
		return "asleep";
	if (!(c->valid & COLLECT_DEVICE))
		return "unknown";
	switch (c->device.state) {
	case DRM_AXON_STATE_READY:
		return "ready";
	case DRM_AXON_STATE_RESETTING:
		return "resetting";
	case DRM_AXON_STATE_WEDGED:
		return "wedged";
	default:
		return "unknown";
	}
}

static void add_core(struct frame *f, uint32_t number, const struct drm_axon_core *before,
		     const struct drm_axon_core *now, double seconds, bool flops)
{
	double usage = frame_core_usage(before, now, seconds);
	char bar[BAR_WIDTH + 1], value[32];
	int full = usage < 0 ? 0 : (int)(usage * BAR_WIDTH + 0.5);

	memset(bar, '|', full);
	memset(bar + full, ' ', BAR_WIDTH - full);
	bar[BAR_WIDTH] = '\0';
	if (usage < 0 || (flops && now->flops < before->flops))
		strcpy(value, "NA");
	else if (flops)
		snprintf(value, sizeof(value), "%.4f TFLOP/s",
			 (now->flops - before->flops) / seconds * 1e-12);
	else
		snprintf(value, sizeof(value), "%.1f %%", usage * 100);
	add(f, FRAME_BAR, "  NC%-3u [%s] %15s  %-9s %12llu launches", number, bar, value,
	    core_state(now->state), (unsigned long long)now->launches);
}

static void add_cores(struct frame *f, const struct collect_reading *before,
		      const struct collect_reading *now, bool flops)
{
	double seconds = now->time - before->time;
	uint32_t number = 0;

	add(f, FRAME_TITLE, "NeuronCore Utilization");
	for (uint32_t i = 0; i < now->n_cards; i++) {
		const struct collect_card *c = &now->cards[i], *old = same_card(before, c);

		add(f, FRAME_PLAIN, " card %u  %s  %s%s%s", c->index, c->bdf, card_state(c),
		    c->valid & COLLECT_DEVICE ? ", firmware " : "",
		    c->valid & COLLECT_DEVICE ? c->device.fw_version_str : "");
		if (c->error)
			add(f, FRAME_BAD, "  %s: %s%s%s", c->node, strerror(-c->error),
			    collect_hint(c) ? ": " : "", collect_hint(c) ? collect_hint(c) : "");
		if (c->valid & COLLECT_CORES) {
			for (uint32_t k = 0; k < c->n_cores; k++)
				add_core(f, number++, same_core(old, c->cores[k].id), &c->cores[k],
					 seconds, flops);
		}
	}
	if (now->unbound)
		add(f, FRAME_BAD, "  %u card(s) without a driver: %s", now->unbound,
		    collect_hint_unbound(now));
	else if (!now->n_cards)
		add(f, FRAME_BAD, "  no card");
}

static void add_cpu(struct frame *f, const struct collect_reading *before,
		    const struct collect_reading *now)
{
	double total = now->cpu.total - before->cpu.total, user = 0, sys = 0;
	const double second = sysconf(_SC_CLK_TCK) * (now->time - before->time);

	add(f, FRAME_TITLE, "VCPU Utilization");
	if (!(total > 0) || !(second > 0)) {
		add(f, FRAME_PLAIN, "  NA");
		return;
	}
	for (uint32_t i = 0; i < now->n_processes; i++) {
		const struct collect_process *p = &now->processes[i];
		const struct collect_process *old = same_process(before, p);

		/* A process with two cards is listed twice: count it once. */
		if (!old || (i && now->processes[i - 1].pid == p->pid))
			continue;
		user += p->user_ticks - old->user_ticks;
		sys += p->system_ticks - old->system_ticks;
	}
	add(f, FRAME_PLAIN, "  System: %5.1f %% of %u CPUs    Runtime: user %5.1f %%, "
	    "system %5.1f %% of one CPU",
	    100 * (1 - (now->cpu.idle - before->cpu.idle) / total), now->cpu.cpus,
	    100 * user / second, 100 * sys / second);
}

static void add_memory(struct frame *f, const struct collect_reading *now)
{
	const double mib = 1024.0 * 1024.0;

	add(f, FRAME_TITLE, "Memory Usage");
	for (uint32_t i = 0; i < now->n_cards; i++) {
		const struct collect_card *c = &now->cards[i];

		if (c->valid & COLLECT_MEMORY)
			add(f, FRAME_PLAIN, "  card %u  HBM %10.1f of %10.1f MiB", c->index,
			    c->hbm_used / mib, c->hbm_size / mib);
	}
	add(f, FRAME_PLAIN, "  %8s %5s %12s %12s  %-10s %s", "PID", "CARD", "HBM MiB", "HOST MiB",
	    "RUNTIME", "COMMAND");
	for (uint32_t i = 0; i < now->n_processes; i++) {
		const struct collect_process *p = &now->processes[i];
		char card[16] = "?";

		for (uint32_t k = 0; k < now->n_cards; k++) {
			if (!strcmp(now->cards[k].bdf, p->bdf))
				snprintf(card, sizeof(card), "%u", now->cards[k].index);
		}
		add(f, FRAME_PLAIN, "  %8d %5s %12.1f %12.1f  %-10s %s", p->pid, card, p->hbm / mib,
		    p->host / mib, p->runtime[0] ? p->runtime : "NA", p->command);
	}
	if (now->hidden)
		add(f, FRAME_PLAIN, "  (%u processes of other users could not be looked at)",
		    now->hidden);
}

static void add_sensors(struct frame *f, const struct collect_reading *now)
{
	add(f, FRAME_TITLE, "Sensors");
	for (uint32_t i = 0; i < now->n_cards; i++) {
		const struct collect_card *c = &now->cards[i];
		const struct drm_axon_query_telemetry *t = &c->telemetry;

		if (!(c->valid & COLLECT_TELEMETRY)) {
			add(f, FRAME_PLAIN, "  card %u  NA", c->index);
			continue;
		}
		add(f, FRAME_PLAIN, "  card %u  die %.1f C, HBM %.1f C   %.2f W, %.3f V   "
		    "core %.0f MHz, HBM %.0f MHz   ECC corrected %u, uncorrected %u", c->index,
		    t->temp_die / 1e3, t->temp_hbm / 1e3, t->power / 1e3, t->voltage / 1e3,
		    t->clock_core / 1e3, t->clock_hbm / 1e3, t->hbm_ecc_ce + t->sram_ecc_ce,
		    t->hbm_ecc_ue + t->sram_ecc_ue);
	}
}

int frame_build(struct frame *f, const struct collect_reading *before,
		const struct collect_reading *now, bool flops)
{
	memset(f, 0, sizeof(*f));
	add_cores(f, before, now, flops);
	add_cpu(f, before, now);
	add_memory(f, now);
	add_sensors(f, now);
	if (f->failed) {
		frame_free(f);
		return -ENOMEM;
	}
	return 0;
}
