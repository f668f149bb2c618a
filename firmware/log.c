// SPDX-License-Identifier: MIT
/*
 * log.c - the log ring: lines of text with the time since start, for people.
 *
 * The ring keeps the newest bytes. A reader that wants whole lines starts after the first newline.
 */
#include <stdarg.h>
#include <stdio.h>

#include "fw.h"

#define LINE_MAX	160

static void put(const char *text, unsigned int length)
{
	uint32_t tail = mbox->log_tail;
	unsigned int i;

	for (i = 0; i < length; i++)
		mbox->log[(tail + i) % AXON_MBOX_LOG_SIZE] = text[i];
	fence();
	mbox->log_tail = tail + length;
}

void log_line(const char *fmt, ...)
{
	uint64_t now = time_uptime();
	char line[LINE_MAX];
	va_list args;
	int length, more;

	length = snprintf(line, sizeof(line), "[%5u.%06u] ", (unsigned int)(now / 1000000),
			  (unsigned int)(now % 1000000));
	if (length < 0)
		return;
	va_start(args, fmt);
	/* One byte stays free for the newline. */
	more = vsnprintf(line + length, sizeof(line) - 1 - length, fmt, args);
	va_end(args);
	if (more < 0)
		return;
	length += more;
	if (length > LINE_MAX - 2)
		length = LINE_MAX - 2;
	line[length++] = '\n';
	put(line, length);
}
