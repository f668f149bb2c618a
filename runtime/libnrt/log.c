// SPDX-License-Identifier: MIT
/*
 * log.c - libnrt's log: NEURON_RT_LOG_LEVEL, NEURON_RT_LOG_LOCATION and their per-component forms.
 *
 * Lines go to standard error or to syslog. The library never writes anywhere else.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static const char *const component_name[NRT_LOG_COMPONENTS] = { "NRT", "NMGR", "TDRV" };
static const char *const level_name[] = { "QUIET", "ERROR", "WARN", "INFO", "DEBUG", "TRACE" };

/* Level of every component, and whether it goes to syslog. */
static atomic_int log_level[NRT_LOG_COMPONENTS] = { NRT_LOG_ERROR, NRT_LOG_ERROR, NRT_LOG_ERROR };
static atomic_bool log_syslog[NRT_LOG_COMPONENTS];
static pthread_once_t log_once = PTHREAD_ONCE_INIT;

static int parse_level(const char *text, int otherwise)
{
	size_t i;

	if (!text || !*text)
		return otherwise;
	if (!strcasecmp(text, "WARNING"))
		return NRT_LOG_WARN;
	for (i = 0; i < sizeof(level_name) / sizeof(level_name[0]); i++)
		if (!strcasecmp(text, level_name[i]))
			return (int)i;
	fprintf(stderr, "nrt: unknown log level '%s'\n", text);
	return otherwise;
}

static bool parse_location(const char *text, bool otherwise)
{
	if (!text || !*text)
		return otherwise;
	if (!strcasecmp(text, "syslog"))
		return true;
	if (strcasecmp(text, "console"))
		fprintf(stderr, "nrt: log location '%s' is neither console nor syslog\n", text);
	return false;
}

static void read_environment(void)
{
	int level = parse_level(getenv("NEURON_RT_LOG_LEVEL"), NRT_LOG_ERROR);
	bool location = parse_location(getenv("NEURON_RT_LOG_LOCATION"), false);
	char name[64];
	int i;

	for (i = 0; i < NRT_LOG_COMPONENTS; i++) {
		snprintf(name, sizeof(name), "NEURON_RT_LOG_LEVEL_%s", component_name[i]);
		atomic_store(&log_level[i], parse_level(getenv(name), level));
		snprintf(name, sizeof(name), "NEURON_RT_LOG_LOCATION_%s", component_name[i]);
		atomic_store(&log_syslog[i], parse_location(getenv(name), location));
	}
}

void nrt_log_setup(void)
{
	pthread_once(&log_once, read_environment);
	read_environment();
}

static void to_console(const char *component, const char *level, const char *func,
		       const char *text)
{
	struct timespec now;
	struct tm tm;
	char when[32];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%b-%d %H:%M:%S", &tm);
	fprintf(stderr, "%s.%06ld %d:%ld %s %s:%s: %s\n", when, now.tv_nsec / 1000, getpid(),
		syscall(SYS_gettid), level, component, func, text);
}

void nrt_log_write(enum nrt_log_component component, enum nrt_log_level level, const char *func,
		   const char *fmt, ...)
{
	static const int priority[] = { LOG_ERR, LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG,
					LOG_DEBUG };
	char text[512];
	va_list args;

	pthread_once(&log_once, read_environment);
	if ((int)level > atomic_load_explicit(&log_level[component], memory_order_relaxed))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (atomic_load(&log_syslog[component]))
		syslog(LOG_USER | priority[level], "nrt %s:%s: %s", component_name[component],
		       func, text);
	else
		to_console(component_name[component], level_name[level], func, text);
}

NRT_STATUS nrt_missing(const char *func, NRT_STATUS status)
{
	nrt_log_write(NRT_LOG_NRT, NRT_LOG_ERROR, func, "not implemented in this version: %s()",
		      func);
	return status;
}
