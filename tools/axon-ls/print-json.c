// SPDX-License-Identifier: MIT
/*
 * print-json.c - axon-ls for programs. The keys are neuron-ls's, all of them and no other;
 * what is not known is null.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "print.h"

/* A command line may hold any bytes; JSON text is UTF-8. */
static json_t *any_string(const char *text)
{
	json_t *s = json_string(text);
	char ascii[256];
	size_t n = 0;

	if (s)
		return s;
	for (; text[n] && n < sizeof(ascii) - 1; n++)
		ascii[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
	ascii[n] = '\0';
	return json_string(ascii);
}

static json_t *number_if(bool known, uint64_t v)
{
	return known ? json_integer(v) : json_null();
}

static json_t *links(const struct collect_reading *r, const struct collect_card *c)
{
	json_t *a;

	if (!(c->valid & COLLECT_LINKS))
		return json_null();
	a = json_array();
	for (uint32_t i = 0; a && i < c->n_links; i++) {
		const struct collect_card *peer = ls_peer(r, c, c->links[i].peer);

		if (peer && ls_is_neighbour(&c->links[i]))
			json_array_append_new(a, json_integer(peer->index));
	}
	return a;
}

static json_t *core_ids(const struct collect_reading *r, uint32_t i)
{
	const struct collect_card *c = &r->cards[i];
	uint32_t first = ls_first_core(r, i);
	json_t *a;

	if (!(c->valid & COLLECT_CORES))
		return json_null();
	a = json_array();
	for (uint32_t k = 0; a && k < c->n_cores; k++)
		json_array_append_new(a, json_integer(first + k));
	return a;
}

static json_t *processes(const struct collect_reading *r, const struct collect_card *c,
			 const struct ls_options *opt)
{
	json_t *a = json_array();

	for (uint32_t k = 0; a && k < r->n_processes; k++) {
		const struct collect_process *p = &r->processes[k];

		if (ls_shows(opt, c, p))
			json_array_append_new(a, json_pack("{s:i,s:o,s:s}", "pid", (int)p->pid,
				"command", any_string(p->command), "neuron_runtime_version",
				p->runtime[0] ? p->runtime : "NA"));
	}
	return a;
}

static json_t *card(const struct collect_reading *r, uint32_t i, const struct ls_options *opt)
{
	const struct collect_card *c = &r->cards[i];

	return json_pack("{s:i,s:s,s:o,s:i,s:o,s:o,s:i,s:o,s:o,s:o}",
			 "neuron_device", (int)c->index,
			 "bdf", c->soft ? c->node : c->bdf,
			 "cpu_affinity", any_string(c->cpu_affinity),
			 "numa_node", c->numa_node,
			 "connected_to", links(r, c),
			 "nc_count", number_if(c->valid & COLLECT_CORES, c->n_cores),
			 "logical_neuroncore_config", 1,
			 "memory_size", number_if(c->valid & COLLECT_MEMORY, c->hbm_size),
			 "neuroncore_ids", core_ids(r, i),
			 "neuron_processes", processes(r, c, opt));
}

int ls_print_json(const struct collect_reading *r, const struct ls_options *opt)
{
	json_t *list = json_array();
	int ret = list ? 0 : -ENOMEM;

	for (uint32_t i = 0; !ret && i < r->n_cards; i++) {
		json_t *c = card(r, i, opt);

		ret = c && !json_array_append_new(list, c) ? 0 : -ENOMEM;
	}
	if (!ret && (json_dumpf(list, stdout, JSON_INDENT(4)) || putchar('\n') == EOF))
		ret = -EIO;
	json_decref(list);
	return ret;
}
