/* SPDX-License-Identifier: MIT */
/*
 * file.h - a whole file in memory, and a whole file written so that a crash leaves the old one.
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

/**
 * llm_check_output() - could llm_write_file() write this file?
 * @path: which
 * @what: what it is for, in messages
 * @err: message of a failure
 *
 * For a program that has something long to do before it writes. Changes nothing.
 *
 * Return: 0 or a negative errno.
 */
int llm_check_output(const char *path, const char *what, struct llm_error *err);

/* Part of a file to write. */
struct llm_piece {
	const void *data;
	size_t size;
};

/**
 * llm_write_file() - write a regular file, whole or not at all
 * @path: which; a symbolic link to a file stays one
 * @what: what it is for, in messages
 * @piece: its bytes, one piece after the other
 * @pieces: how many
 * @err: message of a failure
 *
 * Written as @path with ".tmp" appended, brought to the disk, and then put in the place of what was
 * there: whenever the process dies or the machine fails, @path is the old file or the new one. What
 * a killed writer left behind, the next one replaces. A file has one writer at a time.
 *
 * Return: 0 or a negative errno; then the old file is as it was.
 */
int llm_write_file(const char *path, const char *what, const struct llm_piece *piece,
		   size_t pieces, struct llm_error *err);

#endif /* LLM_FILE_H */
