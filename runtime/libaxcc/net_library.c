// SPDX-License-Identifier: MIT
/*
 * net_library.c - loads libfabric.
 */
#include <pthread.h>
#include <stdbool.h>

#include "library.h"
#include "net_library.h"

#define NAME	"libfabric.so.1"

static struct cc_net_library library;
static bool loaded;
static char problem[128];

static void load(void)
{
	const struct cc_symbol symbols[] = {
		{ "fi_getinfo", &library.getinfo },
		{ "fi_freeinfo", &library.freeinfo },
		{ "fi_dupinfo", &library.dupinfo },
		{ "fi_fabric", &library.fabric },
	};

	loaded = cc_library_load(NAME, symbols, sizeof(symbols) / sizeof(symbols[0]), problem,
				 sizeof(problem));
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

const struct cc_net_library *cc_net_library(void)
{
	pthread_once(&once, load);
	return loaded ? &library : NULL;
}

const char *cc_net_library_problem(void)
{
	pthread_once(&once, load);
	return problem;
}
