// SPDX-License-Identifier: MIT
/*
 * test-race.c - handles that are destroyed while others use them; processes that are killed.
 *
 * Threads guess handles that exist now and then. Every call may fail with ENOENT and its kin; the
 * kernel must survive, and afterwards nothing may be left of what was made.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xf86drm.h>

#include "drv.h"

#define ROUNDS	300
#define IDS	4

static int fd;
static atomic_int surprises, done_ok;

static void count(int ret)
{
	switch (ret) {
	case 0:
		done_ok++;
		break;
	case -ENOENT:
	case -EBUSY:
	case -EINVAL:
	case -ECANCELED:
	case -ENOSPC:
	case -EPERM:
		break;
	default:
		surprises++;
	}
}

static void *maker(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg, i;
	uint32_t id;

	for (i = 0; i < ROUNDS; i++) {
		switch (rand_r(&seed) % 4) {
		case 0:
			count(vm_create(fd, &id));
			break;
		case 1:
			count(ctx_create(fd, 1 + rand_r(&seed) % IDS, &id));
			break;
		case 2:
			count(queue_create(fd, 1 + rand_r(&seed) % IDS, 0, 0, &id));
			break;
		case 3:
			count(bo_create(fd, 8192, rand_r(&seed) % 2, DRM_AXON_BO_CPU_VISIBLE, 0,
					&id));
			break;
		}
	}
	return NULL;
}

static void *breaker(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg, i;

	for (i = 0; i < ROUNDS; i++) {
		uint32_t id = 1 + rand_r(&seed) % IDS;

		switch (rand_r(&seed) % 4) {
		case 0:
			count(vm_destroy(fd, id));
			break;
		case 1:
			count(ctx_destroy(fd, id));
			break;
		case 2:
			count(queue_destroy(fd, id));
			break;
		case 3:
			count(bo_close(fd, id));
			break;
		}
	}
	return NULL;
}

static void *user(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg, i;
	struct drm_axon_queue_get_state qs;
	struct drm_axon_ctx_get_state cs;
	struct drm_axon_job jobs[3];
	uint8_t *p;

	for (i = 0; i < ROUNDS; i++) {
		uint32_t id = 1 + rand_r(&seed) % IDS, bo = 1 + rand_r(&seed) % IDS;

		switch (rand_r(&seed) % 6) {
		case 0:
			count(vm_map(fd, id, bo, 0, 0x100000, 8192, 0));
			break;
		case 1:
			count(vm_unmap(fd, id, 0x100000, 4096));
			break;
		case 2:
			jobs[0] = job_nop();
			jobs[1] = job_fill(0x100000, 3, 8192);
			jobs[2] = job_nop();
			count(submit(fd, id, jobs, 3, NULL, 0, NULL));
			break;
		case 3:
			count(queue_state(fd, id, &qs));
			break;
		case 4:
			count(ctx_state(fd, id, &cs));
			break;
		case 5:
			p = bo_map(fd, bo, 8192);
			if (p) {
				p[4096] = 1;
				munmap(p, 8192);
			}
			break;
		}
	}
	return NULL;
}

static uint64_t hbm_used_now(void)
{
	int other = drv_open();
	uint64_t used = hbm_used(other);

	close(other);
	return used;
}

static void test_threads(void)
{
	void *(* const body[])(void *) = { maker, breaker, user, user, maker, breaker };
	enum { N = sizeof(body) / sizeof(body[0]) };
	pthread_t t[N];
	unsigned int i;

	fd = drv_open();
	for (i = 0; i < N; i++)
		pthread_create(&t[i], NULL, body[i], (void *)(uintptr_t)(i + 17));
	for (i = 0; i < N; i++)
		pthread_join(t[i], NULL);
	close(fd);
	ok(done_ok > ROUNDS, "%d calls found what they wanted", done_ok);
	is(surprises, 0, "no error that has no reason");
}

/* Killed at any point of a loop of submissions, also with an endless launch under way. */
static void test_kill(void)
{
	unsigned int i, bad = 0;

	for (i = 0; i < 12; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			struct drm_axon_job jobs[8];
			struct env e;
			unsigned int n;

			env_open(&e, 0, 0);
			prog_write(e.code_mem, ENV_CODE, i % 3 ? PROG_STORE : PROG_LOOP, ENV_DATA);
			for (n = 0; n < 8; n++)
				jobs[n] = n % 2 ? job_launch(ENV_CODE, 0) :
						  job_fill(ENV_DATA, 1, 65536);
			for (;;)
				submit(e.fd, e.queue, jobs, 8, NULL, 0, NULL);
		}
		usleep(30000 + 17000 * i);
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
			bad++;
	}
	is(bad, 0, "12 processes killed while they submit");
}

static int storm(unsigned int seed)
{
	struct drm_axon_job jobs[AXON_MAX_JOBS];
	int node = drv_open(), ret = 0;
	uint32_t vm, ctx, i, n;

	for (i = 0; i < AXON_MAX_JOBS; i++)
		jobs[i] = job_nop();
	if (vm_create(node, &vm) || ctx_create(node, vm, &ctx))
		return 1;
	for (i = 0; i < 60 && !ret; i++) {
		struct drm_axon_queue_create c = {
			.ctx_id = ctx, .entries = AXON_MIN_RING_ENTRIES,
		};

		ret = drv_ioctl(node, DRM_IOCTL_AXON_QUEUE_CREATE, &c);
		for (n = 1 + rand_r(&seed) % 6; n && !ret; n--)
			ret = submit(node, c.queue_id, jobs, AXON_MAX_JOBS, NULL, 0, NULL);
		usleep(rand_r(&seed) % 300);
		if (!ret)
			ret = queue_destroy(node, c.queue_id);
	}
	close(node);
	return ret != 0;
}

/*
 * Queues destroyed with a thousand jobs behind a small ring: the scheduler is in the middle of
 * taking jobs while its entity is killed, which this kernel's scheduler does not survive by itself.
 */
static void test_storm(void)
{
	pid_t pid[3];
	int i, status, bad = 0;

	for (i = 0; i < 3; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(storm((unsigned int)i + 1));
	}
	for (i = 0; i < 3; i++)
		bad += waitpid(pid[i], &status, 0) != pid[i] || status;
	is(bad, 0, "180 queues destroyed with jobs behind them");
}

int main(void)
{
	uint64_t before = hbm_used_now(), after = 0;
	struct drm_axon_job nop = job_nop();
	unsigned int i;
	struct env e;

	test_threads();
	test_kill();
	test_storm();
	/* what a killed process held goes when its last job was cleaned up */
	for (i = 0; i < 100; i++) {
		after = hbm_used_now();
		if (after == before)
			break;
		usleep(50000);
	}
	is(after, before, "all HBM came back");
	env_open(&e, 0, 0);
	is(run(e.fd, e.queue, &nop, 1), 0, "the card works");
	env_close(&e);
	return done();
}
