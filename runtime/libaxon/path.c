// SPDX-License-Identifier: MIT
/*
 * path.c - which cards there are, by AXON_DEVICE.
 *
 * A card's index is its rank among the nodes whose driver is axon, in the order of their minors.
 * Nothing is cached: cards come and go.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define ACCEL_DIR	"/dev/accel"
#define MAX_MINORS	256u	/* accel minors are below this (drivers/accel/drm_accel.c) */
#define MAX_SOFT	64u

int axon_soft_count(void)
{
	const char *env = getenv("AXON_DEVICE");
	unsigned long n;
	char *end;

	if (!env || !*env || !strcmp(env, "drm"))
		return 0;
	if (!strcmp(env, "soft"))
		return 1;
	if (strncmp(env, "soft:", 5))
		return -EINVAL;
	n = strtoul(env + 5, &end, 10);
	if (end == env + 5 || *end || !n || n > MAX_SOFT)
		return -EINVAL;
	return (int)n;
}

/* Calls back for every node of ours until @want have been seen; gives how many. */
static uint32_t scan(uint32_t want, char *path, size_t size)
{
	bool present[MAX_MINORS] = { false };
	struct dirent *entry;
	unsigned int minor;
	uint32_t found = 0;
	DIR *dir;

	dir = opendir(ACCEL_DIR);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, "accel%u", &minor) == 1 && minor < MAX_MINORS)
			present[minor] = true;
	closedir(dir);
	for (minor = 0; minor < MAX_MINORS && found < want; minor++) {
		char name[sizeof(ACCEL_DIR) + 16];
		int err;

		if (!present[minor])
			continue;
		snprintf(name, sizeof(name), ACCEL_DIR "/accel%u", minor);
		err = axon_drm_probe(name);
		/* A card that may not be opened is still a card: its open says why not. */
		if (err && err != -EACCES)
			continue;
		found++;
		if (path)
			snprintf(path, size, "%s", name);
	}
	return found;
}

AXON_API int axon_device_count(uint32_t *count)
{
	int soft;

	if (!count)
		return -EINVAL;
	soft = axon_soft_count();
	if (soft < 0)
		return soft;
	*count = soft ? (uint32_t)soft : scan(UINT32_MAX, NULL, 0);
	return 0;
}

AXON_API int axon_device_path_of(uint32_t index, char *buf, size_t size)
{
	char path[64];
	int soft;

	if (!buf)
		return -EINVAL;
	soft = axon_soft_count();
	if (soft < 0)
		return soft;
	if (soft) {
		if (index >= (uint32_t)soft)
			return -ENODEV;
		snprintf(path, sizeof(path), "soft:%u", index);
	} else if (index == UINT32_MAX || scan(index + 1, path, sizeof(path)) != index + 1) {
		return -ENODEV;
	}
	if (strlen(path) >= size)
		return -ENOSPC;
	strcpy(buf, path);
	return 0;
}
