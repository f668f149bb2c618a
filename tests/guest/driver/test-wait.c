// SPDX-License-Identifier: MIT
/*
 * test-wait.c - QUEUE_WAIT: the end of a job, of a queue, of the time, and signals.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "drv.h"

static int64_t in_ms(int64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec + ms * 1000000;
}

static int queue_wait(struct env *e, uint64_t seqno, int64_t timeout_ns, uint32_t spin_us,
		      struct drm_axon_queue_wait *w)
{
	*w = (struct drm_axon_queue_wait){
		.queue_id = e->queue, .seqno = seqno, .timeout_ns = timeout_ns, .spin_us = spin_us,
	};
	return drv_ioctl(e->fd, DRM_IOCTL_AXON_QUEUE_WAIT, w);
}

static void test_good(struct env *e)
{
	struct drm_axon_queue_wait w;
	struct drm_axon_job job = job_nop();
	uint64_t seqno = 0;
	int ret = 0, i;

	is(queue_wait(e, 0, 0, 0, &w), 0, "before the first job there is nothing to wait for");
	is(queue_wait(e, 1, 0, 0, &w), -EINVAL, "a job that was never submitted");
	for (i = 0; i < 500 && !ret; i++) {
		ret = submit(e->fd, e->queue, &job, 1, NULL, 0, &seqno);
		if (!ret)
			ret = queue_wait(e, seqno, in_ms(30000), i % 2 ? AXON_MAX_SPIN_US : 0, &w);
		if (!ret && (w.completed < seqno || w.ctx_state))
			ret = -EPROTO;
	}
	is(ret, 0, "500 jobs, each waited for, asleep and spinning");
	is(queue_wait(e, 1, 0, 0, &w), 0, "a job of long ago, with no time left");
	is(queue_wait(e, seqno, 0, AXON_MAX_SPIN_US + 1, &w), -EINVAL, "spinning above the cap");
	e->queue += 1000;
	is(queue_wait(e, 1, 0, 0, &w), -ENOENT, "no such queue");
	e->queue -= 1000;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void *kick(void *thread)
{
	usleep(300000);
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

/* A launch that never ends: the time, a signal, then the kill. */
static void test_endless(int fd)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct drm_axon_queue_wait w;
	pthread_t self = pthread_self(), other;
	struct drm_axon_job job;
	uint64_t seqno = 0;
	struct env e;

	env_attach(&e, fd, 0, 3000);
	prog_write(e.code_mem, ENV_CODE, PROG_LOOP, 0);
	job = job_launch(ENV_CODE, 0);
	is(submit(fd, e.queue, &job, 1, NULL, 0, &seqno), 0, "an endless launch");
	is(queue_wait(&e, seqno, in_ms(200), 100, &w), -ETIME, "the waiter's time is up");
	sigaction(SIGUSR1, &act, NULL);
	if (pthread_create(&other, NULL, kick, &self))
		bail("no thread");
	w = (struct drm_axon_queue_wait){ .queue_id = e.queue, .seqno = seqno,
					  .timeout_ns = in_ms(30000) };
	/* not drv_ioctl(), which goes on after a signal */
	is(drv_ioctl_once(fd, DRM_IOCTL_AXON_QUEUE_WAIT, &w), -EINTR, "a signal ends the wait");
	pthread_join(other, NULL);
	is(queue_wait(&e, seqno, in_ms(30000), 0, &w), 0, "the kill ends it too");
	is(w.ctx_state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_TIMEDOUT, "and says how it ended");
	is(ctx_destroy(fd, e.ctx), 0, "context goes");
	is(vm_destroy(fd, e.vm), 0, "address space goes");
}

/* Jobs behind the one that failed never run; who waits for them is not left waiting. */
static void test_behind_failure(int fd)
{
	struct drm_axon_job jobs[3];
	struct drm_axon_queue_wait w;
	uint64_t seqno = 0;
	struct env e;

	env_attach(&e, fd, 1, 3000);
	jobs[0] = job_copy(ENV_DATA, ENV_NOWHERE, 64);
	jobs[1] = jobs[2] = job_nop();
	is(submit(fd, e.queue, jobs, 3, NULL, 0, &seqno), 0, "a fault and two jobs behind it");
	is(queue_wait(&e, seqno, in_ms(30000), 0, &w), 0, "the last one's waiter comes back");
	is(w.ctx_state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_FAULTED, "with the context's state");
	is(ctx_destroy(fd, e.ctx), 0, "context goes");
	is(vm_destroy(fd, e.vm), 0, "address space goes");
}

int main(void)
{
	struct env e;

	env_open(&e, 0, 0);
	test_good(&e);
	test_endless(e.fd);
	test_behind_failure(e.fd);
	env_close(&e);
	return done();
}
