/* SPDX-License-Identifier: MIT */
/*
 * error.h - a message for the person at the terminal, next to the errno of the failed call.
 *
 * The functions in this folder return 0 or -errno and never print: the program that called
 * them does. Must never hold anything but text.
 */
#ifndef LLM_ERROR_H
#define LLM_ERROR_H

#include <stdarg.h>
#include <stdio.h>

/**
 * struct llm_error - why a call failed
 * @text: one sentence without a newline; says which file and what to do about it
 */
struct llm_error {
	char text[512];
};

/**
 * llm_fail() - fill in an error
 * @err: where the text goes, or NULL
 * @code: negative errno
 * @fmt: as for printf()
 *
 * Return: @code, so that a caller can write "return llm_fail(...)".
 */
__attribute__((format(printf, 3, 4)))
static inline int llm_fail(struct llm_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return code;
}

#endif /* LLM_ERROR_H */
