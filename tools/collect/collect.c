// SPDX-License-Identifier: MIT
/*
 * collect.c - one reading, put together from its parts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collect.h"

void *collect_grow(void **array, uint32_t *count, size_t size)
{
	/* Doubling by the count alone: a power of two means that the array is full. */
	if (!(*count & (*count - 1))) {
		void *bigger = reallocarray(*array, *count ? *count * 2 : 1, size);

		if (!bigger)
			return NULL;
		*array = bigger;
	}
	return memset((char *)*array + size * (*count)++, 0, size);
}

int collect_line(char *buf, size_t size, const char *fmt, ...)
{
	char path[4096];
	va_list ap;
	ssize_t n;
	int fd, len;

	va_start(ap, fmt);
	len = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	buf[0] = '\0';
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0) {
		n = -errno;
		close(fd);
		return n;
	}
	close(fd);
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static int compare_cards(const void *a, const void *b)
{
	const struct collect_card *x = a, *y = b;

	return (x->minor > y->minor) - (x->minor < y->minor);
}

/* In the order of libaxon (path.c there), so that a number means the same card to everybody. */
static void number_cards(struct collect_reading *r)
{
	if (r->n_cards)
		qsort(r->cards, r->n_cards, sizeof(*r->cards), compare_cards);
	for (uint32_t i = 0; i < r->n_cards; i++)
		r->cards[i].index = i;
}

static int compare_processes(const void *a, const void *b)
{
	const struct collect_process *x = a, *y = b;

	if (x->pid != y->pid)
		return (x->pid > y->pid) - (x->pid < y->pid);
	return strcmp(x->bdf, y->bdf);
}

int collect_read(const struct collect_source *src, struct collect_reading *r)
{
	struct timespec ts;
	int ret;

	memset(r, 0, sizeof(*r));
	if (src->soft)
		ret = collect_soft(r);
	else
		ret = collect_sysfs(src, r);
	/* The cards' counters and their time belong together. */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	r->time = ts.tv_sec + ts.tv_nsec * 1e-9;
	collect_cpu(src, &r->cpu);
	if (!ret && !src->soft)
		ret = collect_processes(src, r);
	if (ret) {
		collect_free(r);
		return ret;
	}
	number_cards(r);
	if (r->n_processes)
		qsort(r->processes, r->n_processes, sizeof(*r->processes), compare_processes);
	return 0;
}

void collect_free(struct collect_reading *r)
{
	for (uint32_t i = 0; i < r->n_cards; i++) {
		free(r->cards[i].cores);
		free(r->cards[i].links);
	}
	free(r->cards);
	free(r->processes);
	memset(r, 0, sizeof(*r));
}

const char *collect_hint_unbound(const struct collect_reading *r)
{
	if (r->module)
		return "the module axon is loaded but did not take it: see the kernel log";
	return "load its driver: modprobe axon";
}

const char *collect_hint(const struct collect_card *card)
{
	if (card->soft && card->reason[0])
		return card->reason;
	switch (card->error) {
	case -EACCES:
	case -EPERM:
		return "run as root, or let your group use it: udev rule "
		       "SUBSYSTEM==\"accel\", GROUP=\"render\", MODE=\"0660\"";
	case -EIO:
		return "the card is broken beyond a reset: see the kernel log, reload the module";
	case -ENODEV:
		return "the card was removed or its driver unloaded";
	case -EPROTO:
		return "driver, firmware and library are of different versions: see the kernel log";
	case -ENOENT:
		return "the device node is missing: is /dev mounted (devtmpfs) and udev running?";
	default:
		return NULL;
	}
}
