// SPDX-License-Identifier: MIT
/*
 * net_library.c - loads libfabric.
 *
 * Linked, it would be in every program that uses the runtime, and with it the libraries of its
 * providers, of which PSM's take SIGINT, SIGTERM, SIGSEGV and more when they are loaded: Ctrl-C was
 * then an exit with status 1. Only who opens an endpoint needs it, and keeps its signals.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "net_library.h"

#define NAME	"libfabric.so.1"

static struct cc_net_library library;
static bool loaded;
static char problem[128];

/* ISO C has no way from a data pointer to a function. */
static bool find(void *handle, const char *name, void *function)
{
	void *symbol = dlsym(handle, name);

	memcpy(function, &symbol, sizeof(symbol));
	return symbol != NULL;
}

static void load(void)
{
	struct sigaction before[NSIG], after;
	void *handle;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, NULL, &before[sig]);
	handle = dlopen(NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	/* A handler that another thread has just set is lost only if the library took that signal. */
	for (sig = 1; sig < NSIG; sig++)
		if (!sigaction(sig, NULL, &after) && after.sa_handler != before[sig].sa_handler)
			sigaction(sig, &before[sig], NULL);
	loaded = handle && find(handle, "fi_getinfo", &library.getinfo) &&
		find(handle, "fi_freeinfo", &library.freeinfo) &&
		find(handle, "fi_dupinfo", &library.dupinfo) &&
		find(handle, "fi_fabric", &library.fabric);
	/* The dynamic linker's words begin with the library's name. */
	if (!loaded)
		snprintf(problem, sizeof(problem), "%s", dlerror());
	if (handle)
		dlclose(handle);
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
