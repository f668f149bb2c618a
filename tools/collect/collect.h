/* SPDX-License-Identifier: MIT */
/*
 * collect.h - what the tools show: cards, cores, sensors, and the processes that use them.
 *
 * Identity comes from sysfs, processes from procfs, the rest through libaxon. One reading is a
 * snapshot; the tools print it, or the difference of two. Must never wake a sleeping card, never
 * keep a card open between two readings, and never print.
 */
#ifndef AXON_COLLECT_H
#define AXON_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "axon_accel.h"

/* Which parts of a struct collect_card are known. */
#define COLLECT_DEVICE		(1u << 0)
#define COLLECT_CORES		(1u << 1)
#define COLLECT_MEMORY		(1u << 2)
#define COLLECT_TELEMETRY	(1u << 3)
#define COLLECT_LINKS		(1u << 4)

/**
 * struct collect_card - one card
 * @index: the number that libaxon, the runtime and --card know it by: its rank among the cards that
 *	are there now
 * @minor: of its device node, which other drivers' cards share; of a soft card its number
 * @node: device node, or "soft:N"
 * @bdf: PCI address; empty on a soft card
 * @cpu_affinity: CPUs near it, as sysfs says it; empty if unknown
 * @numa_node: -1 if unknown
 * @soft: inside this process
 * @asleep: runtime suspended, so not asked
 * @error: why it was not asked or did not answer, a negative errno, or 0
 * @reason: what the library said about @error, or empty
 * @valid: COLLECT_* of what follows
 * @device: identity and state
 * @telemetry: sensors
 * @cores: array
 * @n_cores: its length
 * @links: array
 * @n_links: its length
 * @hbm_size: bytes of all stacks
 * @hbm_used: of them
 */
struct collect_card {
	uint32_t index;
	uint32_t minor;
	char node[64];
	char bdf[32];
	char cpu_affinity[256];
	int numa_node;
	bool soft;
	bool asleep;
	int error;
	char reason[200];
	uint32_t valid;
	struct drm_axon_query_device device;
	struct drm_axon_query_telemetry telemetry;
	struct drm_axon_core *cores;
	uint32_t n_cores;
	struct drm_axon_link *links;
	uint32_t n_links;
	uint64_t hbm_size;
	uint64_t hbm_used;
};

/**
 * struct collect_process - a process with a card open; one entry for each card
 * @pid: process
 * @bdf: the card
 * @command: arguments, separated by spaces
 * @runtime: version of libnrt it has loaded; empty if none
 * @clients: open files of the card
 * @hbm: bytes of its buffers on the card
 * @host: bytes of its buffers in host memory
 * @user_ticks: its CPU time (whole process)
 * @system_ticks: its CPU time in the kernel
 */
struct collect_process {
	pid_t pid;
	char bdf[32];
	char command[128];
	char runtime[32];
	uint32_t clients;
	uint64_t hbm;
	uint64_t host;
	uint64_t user_ticks;
	uint64_t system_ticks;
};

/* Ticks of all CPUs together, of /proc/stat. */
struct collect_cpu {
	uint64_t total;
	uint64_t idle;
	uint64_t system;
	uint32_t cpus;
};

/**
 * struct collect_reading - all of it at one moment
 * @time: CLOCK_MONOTONIC, seconds
 * @cards: array, in the order of @index
 * @n_cards: its length
 * @processes: array, in the order of the pid
 * @n_processes: its length
 * @hidden: processes that the permissions of this one kept from being looked at
 * @unbound: PCI functions that are cards but have no driver
 * @module: the driver's module is loaded
 * @cpu: of the machine
 */
struct collect_reading {
	double time;
	struct collect_card *cards;
	uint32_t n_cards;
	struct collect_process *processes;
	uint32_t n_processes;
	uint32_t hidden;
	uint32_t unbound;
	bool module;
	struct collect_cpu cpu;
};

/**
 * struct collect_source - where to look
 * @root: put before /sys, /proc and /dev; "" for this machine. With another root the cards are
 *	only listed, not asked: it holds files that were copied from elsewhere
 * @soft: list the soft cards of this process, not those of the machine
 */
struct collect_source {
	const char *root;
	bool soft;
};

/**
 * collect_read() - read everything
 * @src: where
 * @r: filled in; collect_free() it
 *
 * A card that does not answer is in the result with its error, a part that is unknown is marked
 * so. No cards is not an error.
 *
 * Return: 0, -ENOMEM, or -errno if there is no sysfs to look at.
 */
int collect_read(const struct collect_source *src, struct collect_reading *r);
void collect_free(struct collect_reading *r);

/* ---- parts, one file each ---- */

/* Cards by sysfs (sysfs.c). Adds to @r. */
int collect_sysfs(const struct collect_source *src, struct collect_reading *r);
/* Soft cards of this process, asked at once (card.c). Adds to @r. */
int collect_soft(struct collect_reading *r);
/* Ask a card through libaxon (card.c). Sets @card->error and @card->valid. */
void collect_ask(struct collect_card *card);
/* Processes (process.c). Adds to @r. */
int collect_processes(const struct collect_source *src, struct collect_reading *r);
/* CPUs (process.c). */
void collect_cpu(const struct collect_source *src, struct collect_cpu *cpu);

/* One more element of an array of @size bytes each, zeroed, or NULL (collect.c). */
void *collect_grow(void **array, uint32_t *count, size_t size);
/* The first line of a small file without the newline. 0 or -errno (collect.c). */
int collect_line(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * collect_hint_unbound() - what the user can do about cards without a driver
 * @r: with its number of them
 *
 * Return: a sentence.
 */
const char *collect_hint_unbound(const struct collect_reading *r);

/**
 * collect_hint() - what the user can do about an error of a card
 * @card: with its error
 *
 * Return: a sentence, or NULL if there is nothing to say.
 */
const char *collect_hint(const struct collect_card *card);

#endif /* AXON_COLLECT_H */
