// SPDX-License-Identifier: MIT
/*
 * process.c - who uses the cards, by the fdinfo that the kernel's drm clients have, and what
 * the CPUs do.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect.h"

#define MAX_CLIENTS	1024

/* One drm client of one process. */
struct client {
	bool ours;
	char bdf[32];
	uint64_t id;
	uint64_t hbm;
	uint64_t host;
};

/* Clients of the process at hand that were counted already: dup()ed files share one. */
struct seen {
	struct {
		char bdf[32];
		uint64_t id;
	} client[MAX_CLIENTS];
	uint32_t count;
};

/* "123 KiB" in bytes. */
static uint64_t parse_size(const char *text)
{
	char *end;
	uint64_t v = strtoull(text, &end, 10);

	while (*end == ' ' || *end == '\t')
		end++;
	if (!strncmp(end, "KiB", 3))
		return v << 10;
	if (!strncmp(end, "MiB", 3))
		return v << 20;
	if (!strncmp(end, "GiB", 3))
		return v << 30;
	return v;
}

/* Is it "drm-total-<region>" with a region whose name begins so ("hbm" also means hbm0, hbm1)? */
static bool total_of(const char *key, const char *region)
{
	static const char prefix[] = "drm-total-";

	return !strncmp(key, prefix, sizeof(prefix) - 1) &&
	       !strncmp(key + sizeof(prefix) - 1, region, strlen(region));
}

static void parse_fdinfo_line(struct client *c, char *line)
{
	char *value = strchr(line, ':');

	if (!value)
		return;
	*value++ = '\0';
	while (isspace((unsigned char)*value))
		value++;
	value[strcspn(value, "\n")] = '\0';
	if (!strcmp(line, "drm-driver"))
		c->ours = !strcmp(value, AXON_DRIVER_NAME);
	else if (!strcmp(line, "drm-pdev"))
		snprintf(c->bdf, sizeof(c->bdf), "%s", value);
	else if (!strcmp(line, "drm-client-id"))
		c->id = strtoull(value, NULL, 10);
	else if (total_of(line, "hbm"))
		c->hbm += parse_size(value);
	else if (total_of(line, "host") || total_of(line, "system") || total_of(line, "memory"))
		c->host += parse_size(value);
}

static int read_client(const char *root, pid_t pid, const char *fd, struct client *c)
{
	char path[512], line[256];
	FILE *f;

	memset(c, 0, sizeof(*c));
	snprintf(path, sizeof(path), "%s/proc/%d/fdinfo/%.32s", root, pid, fd);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		parse_fdinfo_line(c, line);
	fclose(f);
	return c->ours ? 0 : -ENOENT;
}

/* Only files of accel devices are worth reading: a machine has many files. */
static bool is_accel(const char *root, pid_t pid, const char *fd)
{
	char path[512], target[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/proc/%d/fd/%.32s", root, pid, fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return !strncmp(target, "/dev/accel/", 11);
}

static bool first_time(struct seen *seen, const struct client *c)
{
	for (uint32_t i = 0; i < seen->count; i++) {
		if (seen->client[i].id == c->id && !strcmp(seen->client[i].bdf, c->bdf))
			return false;
	}
	if (seen->count == MAX_CLIENTS)
		return false;
	strcpy(seen->client[seen->count].bdf, c->bdf);
	seen->client[seen->count++].id = c->id;
	return true;
}

static void read_command(const char *root, struct collect_process *p)
{
	char path[512];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%d/cmdline", root, p->pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(p->command, 1, sizeof(p->command) - 1, f);
		fclose(f);
	}
	while (n && !p->command[n - 1])
		n--;
	/* Arguments end with NUL; what would disturb a table or terminal is not printed. */
	for (size_t i = 0; i < n; i++) {
		if (iscntrl((unsigned char)p->command[i]))
			p->command[i] = ' ';
	}
	p->command[n] = '\0';
	if (!n)
		collect_line(p->command, sizeof(p->command), "%s/proc/%d/comm", root, p->pid);
}

/* The runtime's version stands in the name of the file that is mapped: libnrt.so.MAJOR.MINOR... */
static void read_runtime(const char *root, struct collect_process *p)
{
	char path[512], line[4400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%d/maps", root, p->pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (!p->runtime[0] && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, "/libnrt.so.");

		if (!at)
			continue;
		at += strlen("/libnrt.so.");
		snprintf(p->runtime, sizeof(p->runtime), "%.*s",
			 (int)strspn(at, "0123456789."), at);
	}
	fclose(f);
}

static void read_times(const char *root, struct collect_process *p)
{
	char text[1024], *at;
	unsigned long long user, sys;

	if (collect_line(text, sizeof(text), "%s/proc/%d/stat", root, p->pid))
		return;
	at = strrchr(text, ')');	/* the name may hold spaces and brackets */
	if (at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
			 &sys) == 2) {
		p->user_ticks = user;
		p->system_ticks = sys;
	}
}

static int add_client(const struct collect_source *src, struct collect_reading *r, pid_t pid,
		      const struct client *c)
{
	struct collect_process *p;

	for (uint32_t i = r->n_processes; i-- > 0 && r->processes[i].pid == pid;) {
		p = &r->processes[i];
		if (strcmp(p->bdf, c->bdf))
			continue;
		p->clients++;
		p->hbm += c->hbm;
		p->host += c->host;
		return 0;
	}
	p = collect_grow((void **)&r->processes, &r->n_processes, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->pid = pid;
	p->clients = 1;
	p->hbm = c->hbm;
	p->host = c->host;
	strcpy(p->bdf, c->bdf);
	read_command(src->root, p);
	read_runtime(src->root, p);
	read_times(src->root, p);
	return 0;
}

static int read_process(const struct collect_source *src, struct collect_reading *r, pid_t pid,
			struct seen *seen)
{
	char path[512];
	struct client c;
	struct dirent *e;
	int ret = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc/%d/fd", src->root, pid);
	dir = opendir(path);
	if (!dir) {
		if (errno == EACCES)
			r->hidden++;
		return 0;	/* or it has ended */
	}
	seen->count = 0;
	while (!ret && (e = readdir(dir))) {
		if (!isdigit((unsigned char)e->d_name[0]) || !is_accel(src->root, pid, e->d_name))
			continue;
		if (!read_client(src->root, pid, e->d_name, &c) && first_time(seen, &c))
			ret = add_client(src, r, pid, &c);
	}
	closedir(dir);
	return ret;
}

int collect_processes(const struct collect_source *src, struct collect_reading *r)
{
	struct seen *seen;
	char path[512];
	struct dirent *e;
	int ret = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc", src->root);
	dir = opendir(path);
	if (!dir)
		return 0;	/* a captured tree may be without; then nothing is known */
	seen = malloc(sizeof(*seen));
	if (!seen)
		ret = -ENOMEM;
	while (!ret && (e = readdir(dir))) {
		if (isdigit((unsigned char)e->d_name[0]))
			ret = read_process(src, r, atoi(e->d_name), seen);
	}
	free(seen);
	closedir(dir);
	return ret;
}

void collect_cpu(const struct collect_source *src, struct collect_cpu *cpu)
{
	unsigned long long t[8] = { 0 };
	char path[512], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/stat", src->root);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "cpu ", 4))
			sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1],
			       &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
		else if (!strncmp(line, "cpu", 3))
			cpu->cpus++;
	}
	fclose(f);
	for (int i = 0; i < 8; i++)
		cpu->total += t[i];
	cpu->idle = t[3] + t[4];
	cpu->system = t[2] + t[5] + t[6];
}
