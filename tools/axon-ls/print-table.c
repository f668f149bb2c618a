// SPDX-License-Identifier: MIT
/*
 * print-table.c - axon-ls for people. The columns are neuron-ls's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols/libsmartcols.h>

#include "print.h"

enum column { DEVICE, CORES, CORE_IDS, MEMORY, CONNECTED, BDF, AFFINITY, NUMA, PID, COMMAND,
	      RUNTIME };

static const char *const heading[] = {
	"NEURON DEVICE", "NEURON CORES", "NEURON CORE IDS", "NEURON MEMORY", "CONNECTED DEVICES",
	"PCI BDF", "CPU AFFINITY", "NUMA NODE", "PID", "COMMAND", "RUNTIME VERSION",
};

bool ls_shows(const struct ls_options *opt, const struct collect_card *c,
	      const struct collect_process *p)
{
	return !strcmp(c->bdf, p->bdf) && c->bdf[0] && (opt->all || p->runtime[0]);
}

uint32_t ls_first_core(const struct collect_reading *r, uint32_t i)
{
	uint32_t first = 0;

	for (uint32_t k = 0; k < i; k++)
		first += r->cards[k].n_cores;
	return first;
}

static void format_size(char *buf, size_t size, uint64_t bytes)
{
	static const char *const unit[] = { "B", "KB", "MB", "GB", "TB" };
	double v = bytes;
	unsigned int u = 0;

	/* A page kept by the driver must not turn 1 GB into 1024.0 MB. */
	while (v >= 1023.95 && u < 4) {
		v /= 1024.0;
		u++;
	}
	snprintf(buf, size, "%.1f", v);
	if (strlen(buf) > 2 && !strcmp(buf + strlen(buf) - 2, ".0"))
		buf[strlen(buf) - 2] = '\0';
	snprintf(buf + strlen(buf), size - strlen(buf), " %s", unit[u]);
}

static void format_links(char *buf, size_t size, const struct collect_reading *r,
			 const struct collect_card *c)
{
	size_t n = 0;

	snprintf(buf, size, "none");
	for (uint32_t i = 0; i < c->n_links && n < size; i++) {
		const struct collect_card *peer = ls_peer(r, c, c->links[i].peer);

		if (peer && ls_is_neighbour(&c->links[i]))
			n += snprintf(buf + n, size - n, "%s%u", n ? ", " : "", peer->index);
	}
}

static int set(struct libscols_line *line, enum column col, const char *text)
{
	return scols_line_set_data(line, col, text);
}

static int set_card(struct libscols_line *line, const struct collect_reading *r, uint32_t i)
{
	const struct collect_card *c = &r->cards[i];
	char text[256];
	int ret;

	snprintf(text, sizeof(text), "%u", c->index);
	ret = set(line, DEVICE, text);
	snprintf(text, sizeof(text), "%u", c->n_cores);
	ret = ret ? ret : set(line, CORES, c->valid & COLLECT_CORES ? text : "NA");
	snprintf(text, sizeof(text), c->n_cores > 1 ? "%u-%u" : "%u", ls_first_core(r, i),
		 ls_first_core(r, i) + c->n_cores - 1);
	ret = ret ? ret : set(line, CORE_IDS, c->valid & COLLECT_CORES ? text : "NA");
	format_size(text, sizeof(text), c->hbm_size);
	ret = ret ? ret : set(line, MEMORY, c->valid & COLLECT_MEMORY ? text : "NA");
	format_links(text, sizeof(text), r, c);
	ret = ret ? ret : set(line, CONNECTED, c->valid & COLLECT_LINKS ? text : "NA");
	ret = ret ? ret : set(line, BDF, c->soft ? c->node : c->bdf);
	ret = ret ? ret : set(line, AFFINITY, c->cpu_affinity[0] ? c->cpu_affinity : "NA");
	snprintf(text, sizeof(text), "%d", c->numa_node);
	return ret ? ret : set(line, NUMA, text);
}

static int set_process(struct libscols_line *line, const struct collect_process *p)
{
	char text[32];
	int ret;

	snprintf(text, sizeof(text), "%d", p->pid);
	ret = set(line, PID, text);
	ret = ret ? ret : set(line, COMMAND, p->command);
	return ret ? ret : set(line, RUNTIME, p->runtime[0] ? p->runtime : "NA");
}

static int add_rows(struct libscols_table *tb, const struct collect_reading *r, uint32_t i,
		    const struct ls_options *opt)
{
	struct libscols_line *line = scols_table_new_line(tb, NULL);
	bool first = true;
	int ret;

	if (!line)
		return -ENOMEM;
	ret = set_card(line, r, i);
	for (uint32_t k = 0; !ret && opt->wide && k < r->n_processes; k++) {
		if (!ls_shows(opt, &r->cards[i], &r->processes[k]))
			continue;
		if (!first)
			line = scols_table_new_line(tb, NULL);
		first = false;
		ret = line ? set_process(line, &r->processes[k]) : -ENOMEM;
	}
	return ret;
}

static int make_columns(struct libscols_table *tb, const struct ls_options *opt)
{
	enum column last = opt->wide ? RUNTIME : NUMA;

	for (enum column c = DEVICE; c <= last; c++) {
		int flags = c == DEVICE || c == CORES || c == MEMORY || c == NUMA || c == PID ?
			    SCOLS_FL_RIGHT : 0;

		if (!scols_table_new_column(tb, heading[c], 0, flags))
			return -ENOMEM;
	}
	return 0;
}

int ls_print_table(const struct collect_reading *r, const struct ls_options *opt)
{
	struct libscols_table *tb;
	int ret;

	printf("instance-type: %s\ninstance-id: %s\nlogical-neuroncore-config: 1\n",
	       opt->instance_type, opt->instance_id);
	fflush(stdout);
	scols_init_debug(0);
	tb = scols_new_table();
	if (!tb)
		return -ENOMEM;
	/* Nothing is cut to the terminal's width: -w means wide, and scripts read this too. */
	scols_table_set_termforce(tb, SCOLS_TERMFORCE_NEVER);
	ret = make_columns(tb, opt);
	for (uint32_t i = 0; !ret && i < r->n_cards; i++)
		ret = add_rows(tb, r, i, opt);
	if (!ret)
		ret = scols_print_table(tb);
	scols_unref_table(tb);
	return ret;
}
