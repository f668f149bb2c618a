// SPDX-License-Identifier: MIT
/*
 * soft_all.c - what the soft cards of a process share. Cards that reach each other's memory must
 * know of each other, so this is the one exception to "no global state"; it must hold nothing
 * while no card is open.
 */
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "soft.h"

#define EMPTY { .lock = PTHREAD_MUTEX_INITIALIZER, .unpinned = PTHREAD_COND_INITIALIZER }

struct soft_calls soft_calls;
static struct soft_all all = EMPTY;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The threads that ran the parent's cards, and perhaps held the lock, are not in the child. */
static void forget(void)
{
	static const struct soft_all empty = EMPTY;

	memcpy(&all, &empty, sizeof(all));
	atomic_store(&soft_calls.called, 0);
	atomic_store(&soft_calls.drivers, 0);
	atomic_store(&soft_calls.spinners, 0);
	atomic_store(&soft_calls.heavy, 0);
	atomic_store(&soft_calls.helpers, 0);
}

static void init(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	/* Who works and who looks for work take turns; alone on a CPU nobody should look. */
	soft_calls.max_spinners = cpus > 1 ? (unsigned int)cpus : 0;
	soft_calls.max_helpers = cpus > 1 ? (unsigned int)cpus - 1 : 0;
	/* Without it only the child of a fork() is at a loss, and it was told not to use cards. */
	pthread_atfork(NULL, NULL, forget);
}

struct soft_all *soft_all_lock(void)
{
	pthread_once(&once, init);
	pthread_mutex_lock(&all.lock);
	/* Without entropy yet 0 does: a mistaken descriptor still names its process. */
	if (!all.nonce && getrandom(&all.nonce, sizeof(all.nonce), GRND_NONBLOCK) < 0)
		all.nonce = 0;
	return &all;
}

void soft_all_unlock(struct soft_all *a)
{
	pthread_mutex_unlock(&a->lock);
}

struct soft_place *soft_all_places(void)
{
	return all.place;
}
