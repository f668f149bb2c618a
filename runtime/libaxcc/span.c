// SPDX-License-Identifier: MIT
/*
 * span.c - an allocator of addresses: first fit in a sorted list. It knows numbers only and must
 * never touch what they stand for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FIRST_ROOM	16u

void cc_span_init(struct cc_span *span, uint64_t start, uint64_t end)
{
	*span = (struct cc_span) { .start = start, .end = end };
}

void cc_span_exit(struct cc_span *span)
{
	free(span->used);
	*span = (struct cc_span) { 0 };
}

static int make_room(struct cc_span *span)
{
	size_t room = span->room ? 2 * span->room : FIRST_ROOM;
	struct cc_extent *used;

	if (span->count < span->room)
		return 0;
	used = realloc(span->used, room * sizeof(*used));
	if (!used)
		return -ENOMEM;
	span->used = used;
	span->room = room;
	return 0;
}

/* Does @size fit between @from and @to? *@addr: where. */
static bool fits(uint64_t from, uint64_t to, uint64_t size, uint64_t align, uint64_t *addr)
{
	uint64_t pad = (align - (from & (align - 1))) & (align - 1);

	if (from > to || pad > to - from || size > to - from - pad)
		return false;
	*addr = from + pad;
	return true;
}

int cc_span_alloc(struct cc_span *span, uint64_t size, uint64_t align, uint64_t *addr)
{
	uint64_t from = span->start;
	size_t i;
	int err = size ? make_room(span) : -EINVAL;

	if (err)
		return err;
	for (i = 0; i < span->count; i++) {
		if (fits(from, span->used[i].addr, size, align, addr))
			break;
		from = span->used[i].addr + span->used[i].size;
	}
	if (i == span->count && !fits(from, span->end, size, align, addr))
		return -ENOSPC;
	memmove(&span->used[i + 1], &span->used[i], (span->count - i) * sizeof(*span->used));
	span->used[i] = (struct cc_extent) { *addr, size };
	span->count++;
	return 0;
}

void cc_span_free(struct cc_span *span, uint64_t addr)
{
	size_t i;

	for (i = 0; i < span->count; i++)
		if (span->used[i].addr == addr)
			break;
	if (i == span->count)
		return;
	span->count--;
	memmove(&span->used[i], &span->used[i + 1], (span->count - i) * sizeof(*span->used));
}
