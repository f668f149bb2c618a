/* SPDX-License-Identifier: MIT */
/*
 * library.h - libraries that only some programs need, loaded when they do.
 */
#ifndef AXON_LIBAXCC_LIBRARY_H
#define AXON_LIBAXCC_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct cc_symbol - a function of a library
 * @name: as it is exported
 * @function: address of the pointer that becomes it
 */
struct cc_symbol {
	const char *name;
	void *function;
};

/**
 * cc_library_load() - load a library for good and find what is needed of it
 * @name: file name
 * @symbols: what is needed
 * @count: how many
 * @problem: result if it fails: one line for the log; may be NULL
 * @size: of @problem, or 0
 *
 * The signal handlers that the library takes are given back.
 */
bool cc_library_load(const char *name, const struct cc_symbol *symbols, size_t count,
		     char *problem, size_t size);

#endif /* AXON_LIBAXCC_LIBRARY_H */
