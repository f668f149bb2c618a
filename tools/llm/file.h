/* SPDX-License-Identifier: MIT */
/*
 * file.h - a whole file in memory.
 *
 * Copied, not mapped: a file that shrinks while it is mapped kills its reader with SIGBUS.
 */
#ifndef LLM_FILE_H
#define LLM_FILE_H

#include <stddef.h>

#include "error.h"

/**
 * llm_read_file() - read a regular file
 * @path: which
 * @what: what it is for, in messages ("checkpoint")
 * @hint: appended when there is no such file: where to get one
 * @data: out: its bytes, 64-byte aligned; free() them
 * @size: out: how many, at least 1
 * @err: message of a failure
 *
 * Return: 0 or a negative errno.
 */
int llm_read_file(const char *path, const char *what, const char *hint, void **data,
		  size_t *size, struct llm_error *err);

#endif /* LLM_FILE_H */
