// SPDX-License-Identifier: MIT
/*
 * main.c - axon-ls: list the cards, their cores, memory, links and users.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <axon/axon.h>

#include "print.h"

static const char help[] =
	"Usage: axon-ls [options]\n\n"
	"List the Axon cards of this machine.\n\n"
	"  -w, --wide             also the processes that use them through the runtime\n"
	"  -a, --show-all-procs   also the other processes (implies -w)\n"
	"  -t, --topology         also draw which card is linked to which\n"
	"  -j, --json-output      JSON, with neuron-ls's keys, instead of a table\n"
	"      --sysroot DIR      list the cards of a copied /sys and /proc below DIR\n"
	"  -h, --help             this text\n\n"
	"With AXON_DEVICE=soft: the soft card that a program with this environment would get.\n";

enum { OPT_SYSROOT = 1 };

/* On EC2 these are instance type and id; elsewhere what the firmware calls the machine. */
static void read_instance(const struct collect_source *src, struct ls_options *opt)
{
	if (collect_line(opt->instance_type, sizeof(opt->instance_type),
			 "%s/sys/class/dmi/id/product_name", src->root) || !opt->instance_type[0])
		strcpy(opt->instance_type, "NA");
	if (collect_line(opt->instance_id, sizeof(opt->instance_id),
			 "%s/sys/class/dmi/id/board_asset_tag", src->root) || !opt->instance_id[0])
		strcpy(opt->instance_id, "NA");
}

/* Why the list is empty. */
static void explain_none(const struct collect_reading *r)
{
	if (r->unbound)
		fprintf(stderr, "axon-ls: %u card(s) without a driver: %s\n", r->unbound,
			collect_hint_unbound(r));
	else
		fprintf(stderr, "axon-ls: no Axon card in this machine (AXON_DEVICE=soft uses a "
			"soft card)\n");
}

/* Cards that did not answer. Return: how many. */
static uint32_t explain_errors(const struct collect_reading *r)
{
	uint32_t bad = 0;

	for (uint32_t i = 0; i < r->n_cards; i++) {
		const struct collect_card *c = &r->cards[i];
		const char *hint = collect_hint(c);

		if (c->asleep)
			fprintf(stderr, "axon-ls: %s sleeps; it is not woken for this\n", c->node);
		if (!c->error)
			continue;
		bad++;
		fprintf(stderr, "axon-ls: %s: %s%s%s\n", c->node, strerror(-c->error),
			hint ? ": " : "", hint ? hint : "");
	}
	return bad;
}

static int list(const struct collect_source *src, struct ls_options *opt, bool json)
{
	struct collect_reading r;
	int ret = collect_read(src, &r);

	if (ret) {
		fprintf(stderr, "axon-ls: cannot read %s: %s\n",
			src->soft ? "AXON_DEVICE" : "/sys/class/accel", strerror(-ret));
		return 1;
	}
	read_instance(src, opt);
	if (json)
		ret = ls_print_json(&r, opt);
	else if (r.n_cards)
		ret = ls_print_table(&r, opt);
	if (!ret && !json && r.n_cards && opt->topology)
		ret = ls_print_topology(stdout, &r);
	if (ret || fflush(stdout)) {
		fprintf(stderr, "axon-ls: cannot print: %s\n", strerror(ret ? -ret : errno));
		ret = 1;
	}
	if (!r.n_cards) {
		explain_none(&r);
		ret = 1;
	}
	if (explain_errors(&r))
		ret = 1;
	if (opt->wide && r.hidden)
		fprintf(stderr, "axon-ls: %u processes of other users could not be looked at; root "
			"sees them all\n", r.hidden);
	collect_free(&r);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "wide", no_argument, NULL, 'w' },
		{ "show-all-procs", no_argument, NULL, 'a' },
		{ "topology", no_argument, NULL, 't' },
		{ "json-output", no_argument, NULL, 'j' },
		{ "sysroot", required_argument, NULL, OPT_SYSROOT },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *device = getenv("AXON_DEVICE");
	struct collect_source src = { .root = "" };
	struct ls_options opt = { 0 };
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "watjh", long_options, NULL)) != -1) {
		switch (c) {
		case 'a':
			opt.all = true;
			/* fall through */
		case 'w':
			opt.wide = true;
			break;
		case 't':
			opt.topology = true;
			break;
		case 'j':
			json = true;
			break;
		case OPT_SYSROOT:
			src.root = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (optind != argc) {
		fprintf(stderr, "axon-ls: '%s' is not an option (see axon-ls --help)\n",
			argv[optind]);
		return 2;
	}
	src.soft = !src.root[0] && device && !strncmp(device, "soft", 4);
	return list(&src, &opt, json);
}
