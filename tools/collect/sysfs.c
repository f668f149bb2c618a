// SPDX-License-Identifier: MIT
/*
 * sysfs.c - which cards there are, without opening one.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "axon_hw.h"
#include "collect.h"

/* The value of @key in a uevent file's text, cut at the end of its line. */
static bool uevent_value(char *out, size_t size, const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (!strncmp(line, key, len) && line[len] == '=') {
			snprintf(out, size, "%.*s", (int)strcspn(line + len + 1, "\n"),
				 line + len + 1);
			return true;
		}
	}
	return false;
}

/* All of a small file. */
static int read_text(char *buf, size_t size, const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return -errno;
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	fclose(f);
	return 0;
}

static int add_card(const struct collect_source *src, struct collect_reading *r, uint32_t minor,
		    const char *device, const char *bdf)
{
	struct collect_card *card;
	char text[64];

	card = collect_grow((void **)&r->cards, &r->n_cards, sizeof(*card));
	if (!card)
		return -ENOMEM;
	card->minor = minor;
	card->numa_node = -1;
	snprintf(card->node, sizeof(card->node), "/dev/accel/accel%u", minor);
	snprintf(card->bdf, sizeof(card->bdf), "%s", bdf);
	collect_line(card->cpu_affinity, sizeof(card->cpu_affinity), "%s/local_cpulist", device);
	if (!collect_line(text, sizeof(text), "%s/numa_node", device))
		card->numa_node = atoi(text);
	/* Opening a card or asking it anything may wake it: look here first. */
	if (!collect_line(text, sizeof(text), "%s/power/runtime_status", device))
		card->asleep = !strcmp(text, "suspended");
	if (!card->asleep && !src->root[0])
		collect_ask(card);
	return 0;
}

/* Is this entry of /sys/class/accel one of ours? */
static int look_at(const struct collect_source *src, struct collect_reading *r, const char *name)
{
	char device[512], path[600], text[4096], driver[64], bdf[32];
	unsigned int minor;
	char rest;

	if (sscanf(name, "accel%u%c", &minor, &rest) != 1)
		return 0;
	snprintf(device, sizeof(device), "%s/sys/class/accel/accel%u/device", src->root, minor);
	snprintf(path, sizeof(path), "%s/uevent", device);
	if (read_text(text, sizeof(text), path))
		return 0;	/* gone since the folder was read, or no PCI device */
	if (!uevent_value(driver, sizeof(driver), text, "DRIVER") ||
	    strcmp(driver, AXON_DRIVER_NAME))
		return 0;
	if (!uevent_value(bdf, sizeof(bdf), text, "PCI_SLOT_NAME"))
		snprintf(bdf, sizeof(bdf), "unknown");
	return add_card(src, r, minor, device, bdf);
}

/* Cards that nobody drives: the usual reason for an empty list. */
static void count_unbound(const struct collect_source *src, struct collect_reading *r)
{
	char path[512], text[4096], id[32], want[32], driver[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", src->root);
	dir = opendir(path);
	if (!dir)
		return;
	snprintf(want, sizeof(want), "%04X:%04X", AXON_PCI_VENDOR_ID, AXON_PCI_DEVICE_ID);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%.64s/uevent", src->root,
			 e->d_name);
		if (!read_text(text, sizeof(text), path) &&
		    uevent_value(id, sizeof(id), text, "PCI_ID") && !strcmp(id, want) &&
		    !uevent_value(driver, sizeof(driver), text, "DRIVER"))
			r->unbound++;
	}
	closedir(dir);
}

int collect_sysfs(const struct collect_source *src, struct collect_reading *r)
{
	char path[512];
	struct dirent *e;
	int ret = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/class", src->root);
	dir = opendir(path);
	if (!dir)
		return -errno;
	closedir(dir);
	count_unbound(src, r);
	snprintf(path, sizeof(path), "%s/sys/module/axon", src->root);
	r->module = !access(path, F_OK);
	snprintf(path, sizeof(path), "%s/sys/class/accel", src->root);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;	/* a kernel without accel has no cards */
	while (!ret && (e = readdir(dir)))
		ret = look_at(src, r, e->d_name);
	closedir(dir);
	return ret;
}
