// SPDX-License-Identifier: MIT
/*
 * library.c - loads libfabric and libpmix.
 *
 * Linked, they would be in every program that uses the runtime, and with libfabric the libraries of
 * its providers, of which PSM's take SIGINT, SIGTERM, SIGSEGV and more when they are loaded: Ctrl-C
 * was then an exit with status 1. Only who needs them has them, and keeps its signals.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "library.h"

static void *open_library(const char *name)
{
	struct sigaction before[NSIG], after;
	void *library;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, NULL, &before[sig]);
	library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	/* A handler that another thread has just set is lost only if the library took it. */
	for (sig = 1; sig < NSIG; sig++)
		if (!sigaction(sig, NULL, &after) && after.sa_handler != before[sig].sa_handler)
			sigaction(sig, &before[sig], NULL);
	return library;
}

static bool find(void *library, const struct cc_symbol *symbol)
{
	void *found = dlsym(library, symbol->name);

	/* ISO C has no way from a data pointer to a function. */
	memcpy(symbol->function, &found, sizeof(found));
	return found != NULL;
}

bool cc_library_load(const char *name, const struct cc_symbol *symbols, size_t count,
		     char *problem, size_t size)
{
	void *library = open_library(name);
	bool ok = library != NULL;
	size_t i;

	for (i = 0; ok && i < count; i++)
		ok = find(library, &symbols[i]);
	/* The dynamic linker's words begin with the library's name. */
	if (!ok)
		snprintf(problem, size, "%s", dlerror());
	if (library)
		dlclose(library);
	return ok;
}
