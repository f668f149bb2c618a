// SPDX-License-Identifier: MIT
/*
 * card-faults.c - the guest's half of faulty-card: asks the host for a fault of the card, then
 * looks at what a user sees of it.
 *
 * "ask: NAME VALUE CARD" on a line of its own sets a property of a card; the host answers by doing
 * it, for which there are two seconds.
 *
 * usage: card-faults FAULT
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "gang.h"

static void ask_soon(const char *what, unsigned int card)
{
	printf("ask: %s %u\n", what, card);
	fflush(stdout);
}

static void ask_of(const char *what, unsigned int card)
{
	ask_soon(what, card);
	sleep(2);
}

static void ask(const char *what)
{
	ask_of(what, 0);
}

static uint32_t dev_state(int fd)
{
	struct drm_axon_query_device d = { .state = 99 };
	uint32_t size = sizeof(d);

	drv_query(fd, DRM_AXON_QUERY_DEVICE, &d, &size);
	return d.state;
}

/* The completion is there, only nobody was told: found by the timer, without any damage. */
static void lost_irq(void)
{
	struct drm_axon_ctx_get_state s;
	struct drm_axon_job nop = job_nop();
	struct timespec from, to;
	unsigned int i;
	struct env e;
	int ret = 0;

	env_open(&e, 0, 1000);
	is(run(e.fd, e.queue, &nop, 1), 0, "a job");
	ask("x-drop-irq 1");
	clock_gettime(CLOCK_MONOTONIC, &from);
	is(run(e.fd, e.queue, &nop, 1), 0, "a job whose interrupt is lost ends");
	clock_gettime(CLOCK_MONOTONIC, &to);
	/* the timer looks after a quarter of the limit, not before: else no interrupt was lost */
	ok((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 >= 200,
	   "the timer found it");
	is(ctx_state(e.fd, e.ctx, &s), 0, "CTX_GET_STATE");
	is(s.state, 0, "nobody was banned for it");
	for (i = 0; i < 50 && !ret; i++)
		ret = run(e.fd, e.queue, &nop, 1);
	is(ret, 0, "and all goes on");
	env_close(&e);
}

static void dead_fw(void)
{
	struct drm_axon_job launch = job_launch(ENV_CODE, 0), nop = job_nop();
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };
	struct drm_axon_ctx_get_state cs;
	unsigned int i;
	uint32_t bo;
	struct env e;

	env_open(&e, 0, 600000);
	prog_write(e.code_mem, ENV_CODE, PROG_LOOP, 0);
	syncobj_create(e.fd, &s.handle);
	is(submit(e.fd, e.queue, &launch, 1, &s, 1, NULL), 0, "an endless launch");
	ask("x-stall-fw 1");
	is(syncobj_wait(e.fd, s.handle, 0, DRV_TIMEOUT_NS), 0, "the firmware dies: its fence ends");
	is(syncobj_error(e.fd, s.handle), -EIO, "with EIO");
	for (i = 0; i < 100 && dev_state(e.fd) != DRM_AXON_STATE_WEDGED; i++)
		usleep(50000);
	is(dev_state(e.fd), DRM_AXON_STATE_WEDGED, "the card is given up");
	is(ctx_state(e.fd, e.ctx, &cs), 0, "CTX_GET_STATE");
	is(cs.state, DRM_AXON_CTX_BANNED | DRM_AXON_CTX_DEVICE_RESET, "reset under the context");
	is(submit(e.fd, e.queue, &nop, 1, NULL, 0, NULL), -EIO, "SUBMIT: EIO");
	is(vm_create(e.fd, &bo), -EIO, "VM_CREATE: EIO");
	is(bo_create(e.fd, 4096, DRM_AXON_REGION_HBM, 0, 0, &bo), -EIO, "BO_CREATE: EIO");
	is(vm_unmap(e.fd, e.vm, ENV_DATA, ENV_SIZE), -EIO, "VM_BIND: EIO");
	is(queue_destroy(e.fd, e.queue), 0, "QUEUE_DESTROY works");
	is(ctx_destroy(e.fd, e.ctx), 0, "CTX_DESTROY too");
	is(vm_destroy(e.fd, e.vm), 0, "and VM_DESTROY");
	env_close(&e);
	ask("x-stall-fw 0");
	is(card_driver("unbind", "0000:01:00.0"), 0, "unbind");
	is(card_driver("bind", "0000:01:00.0"), 0, "bind");
	env_open(&e, 0, 0);
	is(dev_state(e.fd), DRM_AXON_STATE_READY, "the card is ready again");
	is(run(e.fd, e.queue, &nop, 1), 0, "and works");
	env_close(&e);
}

/* The machine takes the card out: the slot's button is pressed, the guest lets go. */
static void gone(void)
{
	struct drm_axon_job launch = job_launch(ENV_CODE, 0);
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };
	struct env e;
	unsigned int i;
	int ret = 0;

	env_open(&e, 0, 600000);
	prog_write(e.code_mem, ENV_CODE, PROG_LOOP, 0);
	syncobj_create(e.fd, &s.handle);
	is(submit(e.fd, e.queue, &launch, 1, &s, 1, NULL), 0, "an endless launch");
	ask("remove 1");
	for (i = 0; i < 300 && ret != -ENODEV; i++) {
		struct drm_axon_query_device d;
		uint32_t size = sizeof(d);

		ret = drv_query(e.fd, DRM_AXON_QUERY_DEVICE, &d, &size);
		usleep(100000);
	}
	is(ret, -ENODEV, "the card is gone: ENODEV");
	e.data_mem[4096] = 7;
	is(e.data_mem[4096], 7, "its memory shows a page of zeroes");
	env_close(&e);
	/* the driver is told first; the bus forgets the device after it has let go */
	for (i = 0; i < 300 && !access("/sys/bus/pci/devices/0000:01:00.0", F_OK); i++)
		usleep(100000);
	ok(access("/sys/bus/pci/devices/0000:01:00.0", F_OK), "no device left");
}

/* ---- two cards ---- */

#define FIRST		"0000:01:00.0"
#define SECOND		"0000:02:00.0"
#define VA		0x40000000ull	/* where the second card's memory is bound on the first */
#define SIZE		(3u << 20)

static uint32_t passed_on(int from, uint32_t region, int to, int *ret)
{
	uint32_t bo, handle;
	int fd;

	if (bo_create(from, SIZE, region, DRM_AXON_BO_CPU_VISIBLE, 0, &bo) ||
	    bo_export(from, bo, &fd))
		bail("no buffer to pass on");
	*ret = bo_import(to, fd, &handle);
	close(fd);
	return handle;
}

/* Two cards that no fabric joins. */
static void apart(void)
{
	struct drm_axon_query_device d;
	struct drm_axon_link l;
	struct drm_axon_job job = job_copy(VA, ENV_DATA, 4096);
	uint32_t size = sizeof(d), handle;
	struct env a, b;
	int ret;

	env_attach(&a, card_open(FIRST), 0, 0);
	env_attach(&b, card_open(SECOND), 0, 0);
	is(drv_query(a.fd, DRM_AXON_QUERY_DEVICE, &d, &size), 0, "DEVICE");
	is(d.fabric_uid, 0, "no fabric");
	is(d.fabric_cards, 0, "no places");
	is(d.fabric_id, AXON_NO_PEER, "no place");
	size = sizeof(l);
	is(drv_query(a.fd, DRM_AXON_QUERY_LINKS, &l, &size), 0, "LINKS");
	is(size, 0, "none");
	ok(access("/sys/bus/pci/devices/" FIRST "/fabric_uid", F_OK), "nor in sysfs");
	passed_on(b.fd, DRM_AXON_REGION_HBM, a.fd, &ret);
	is(ret, -EXDEV, "the other card's HBM: EXDEV");
	handle = passed_on(b.fd, DRM_AXON_REGION_HOST, a.fd, &ret);
	is(ret, 0, "its host memory is imported");
	is(vm_map(a.fd, a.vm, handle, 0, VA, SIZE, 0), 0, "bound");
	is(run(a.fd, a.queue, &job, 1), 0, "and written");
	env_close(&a);
	env_close(&b);
}

/* How a job of a context of its own ends: 0, or the status. */
static uint32_t outcome(struct env *e, struct drm_axon_job job)
{
	struct drm_axon_ctx_get_state s;
	uint32_t ctx, queue;

	if (ctx_create(e->fd, e->vm, &ctx) || queue_create(e->fd, ctx, 1, 0, &queue))
		bail("no queue");
	run(e->fd, queue, &job, 1);
	ctx_state(e->fd, ctx, &s);
	ctx_destroy(e->fd, ctx);
	return s.status;
}

static void two_cards(struct env *a, struct env *b, uint32_t *handle)
{
	struct drm_axon_job job = job_fill(VA, 1, SIZE);
	int ret;

	env_attach(a, card_open(FIRST), 0, 600000);
	env_attach(b, card_open(SECOND), 0, 600000);
	*handle = passed_on(b->fd, DRM_AXON_REGION_HBM, a->fd, &ret);
	if (ret || vm_map(a->fd, a->vm, *handle, 0, VA, SIZE, DRM_AXON_BIND_NOEXEC))
		bail("no link");
	is(run(a->fd, a->queue, &job, 1), 0, "the first card writes the second one's memory");
}

/* The kernel's events, as udev hears them. */
static int uevents(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		bail("no netlink");
	return fd;
}

static bool heard(int fd, const char *state)
{
	char text[4096];
	bool found = false;
	ssize_t n, i;

	while ((n = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		bool link = false, word = false;

		text[n] = 0;
		if (!strstr(text, "change@") || !strstr(text, FIRST))
			continue;
		for (i = 0; i < n; i += strlen(text + i) + 1) {
			link |= !strcmp(text + i, "AXON_LINK=1");
			word |= !strncmp(text + i, "AXON_LINK_STATE=", 16) &&
				!strcmp(text + i + 16, state);
		}
		found |= link && word;
	}
	return found;
}

static uint32_t link_state(int fd)
{
	struct drm_axon_link l = { .state = 99 };
	uint32_t size = sizeof(l);

	drv_query(fd, DRM_AXON_QUERY_LINKS, &l, &size);
	return l.state;
}

/* Gangs: one over all four cards, one on the two cores of the card whose links go. */
static void gangs_open(struct member m[6], const struct place *p)
{
	static const char * const card[4] = { FIRST, SECOND, "0000:03:00.0", "0000:04:00.0" };
	const struct gang inside[2] = { { GANG_PLACE + 64, 0, 2 }, { GANG_PLACE + 64, 1, 2 } };
	unsigned int i;

	for (i = 0; i < 4; i++)
		member_open(&m[i], p, card[i], 0, 600000);
	for (i = 0; i < 2; i++)
		member_open(&m[4 + i], p, SECOND, 1 - i, 600000);
	for (i = 0; i < 4; i++)
		member_start(&m[i], i, 4, GANG_MEET, 50);
	for (i = 0; i < 4; i++)
		is(member_end(&m[i]), 0, "four cards meet");
	for (i = 0; i < 2; i++)
		prog_gang(m[4 + i].e.code_mem, ENV_CODE, &inside[i], GANG_MEET, 50);
}

/* A gang over all cards is at work while the links of the second one go down. */
static void gangs_lose_links(struct member m[6])
{
	struct drm_axon_ctx_get_state s;
	unsigned int i;

	for (i = 0; i < 4; i++)
		member_start(&m[i], i, 4, GANG_SPIN, 1);
	for (i = 0; i < 4; i++)
		member_has_met(&m[i]);
	ask_of("x-link-down 1", 1);
	for (i = 0; i < 4; i++) {
		is(member_end(&m[i]), -ENOLINK, "down: member %u of a gang is told", i);
		s = member_state(&m[i]);
		is(s.status, AXON_STATUS_PEER_LOST, "down: status");
		is(s.peer, 1 + 1, "down: and who was lost");
	}
	for (i = 0; i < 2; i++)
		member_launch(&m[4 + i]);
	for (i = 0; i < 2; i++)
		is(member_end(&m[4 + i]), 0, "down: who needs no link meets");
}

static void link_down(void)
{
	struct pollfd p = { .events = POLLPRI };
	int events = uevents(), i;
	struct member m[6];
	struct place place;
	char word[16] = "";
	struct env a, b;
	uint32_t handle;

	two_cards(&a, &b, &handle);
	place_open(&place, SECOND);
	gangs_open(m, &place);
	p.fd = open("/sys/bus/pci/devices/" FIRST "/link1/state", O_RDONLY | O_CLOEXEC);
	for (i = 0; i < 2; i++) {
		const char *want = i ? "up" : "down";

		is(read(p.fd, word, sizeof(word)) > 0, 1, "the state is read");
		if (i)
			ask_of("x-link-down 0", 1);
		else
			gangs_lose_links(m);
		is(poll(&p, 1, 30000), 1, "%s: poll() tells", want);
		lseek(p.fd, 0, SEEK_SET);
		ok(card_file_is(FIRST, "link1/state", want), "%s: sysfs too", want);
		ok(heard(events, want), "%s: and an event", want);
		is(link_state(a.fd), i ? AXON_PEER_UP : AXON_PEER_DOWN, "%s: LINKS", want);
		is(outcome(&a, job_fill(VA, 1, 64)), i ? AXON_STATUS_OK : AXON_STATUS_FAULT_LINK,
		   "%s: writing there", want);
		is(outcome(&a, job_fill(ENV_DATA, 1, 64)), 0, "%s: the card works", want);
		is(outcome(&b, job_fill(ENV_DATA, 1, 64)), 0, "%s: the other too", want);
		is(vm_map(a.fd, a.vm, handle, 0, VA, SIZE, DRM_AXON_BIND_NOEXEC), 0,
		   "%s: it can be bound", want);
	}
	for (i = 0; i < 6; i++)
		member_close(&m[i]);
	gangs_open(m, &place);
	for (i = 0; i < 6; i++)
		member_close(&m[i]);
	place_close(&place);
	close(p.fd);
	close(events);
	env_close(&a);
	env_close(&b);
}

/* The firmware of the card whose memory the other has: its card is given up, and it is told. */
static void peer_dead(void)
{
	struct member m[2];
	struct place place;
	struct env a, b;
	uint32_t handle, i;

	two_cards(&a, &b, &handle);
	place_open(&place, SECOND);
	for (i = 0; i < 2; i++) {
		member_open(&m[i], &place, i ? SECOND : FIRST, 0, 600000);
		member_start(&m[i], i, 2, GANG_SPIN, 1);
	}
	for (i = 0; i < 2; i++)
		member_has_met(&m[i]);
	ask_of("x-stall-fw 1", 1);
	for (i = 0; i < 600 && dev_state(b.fd) != DRM_AXON_STATE_WEDGED; i++)
		usleep(50000);
	is(dev_state(b.fd), DRM_AXON_STATE_WEDGED, "the second card is given up");
	is(member_end(&m[1]), -EIO, "a member there: EIO");
	is(member_end(&m[0]), -ENOLINK, "and who was in a gang with it: ENOLINK");
	is(member_state(&m[0]).peer, 1 + 1, "told which");
	for (i = 0; i < 2; i++)
		member_close(&m[i]);
	place_close(&place);
	/* soon after */
	for (i = 0; i < 100 && vm_map(a.fd, a.vm, handle, 0, 2 * VA, 4096, DRM_AXON_BIND_NOEXEC) !=
	     -ENOLINK; i++)
		usleep(50000);
	is(vm_map(a.fd, a.vm, handle, 0, 2 * VA, 4096, DRM_AXON_BIND_NOEXEC), -ENOLINK,
	   "its memory is not bound any more");
	is(outcome(&a, job_copy(ENV_DATA, VA, 64)), AXON_STATUS_FAULT_UNMAPPED,
	   "nor reached where it was");
	is(outcome(&a, job_fill(ENV_DATA, 1, 64)), 0, "the first card works");
	ask_of("x-stall-fw 0", 1);
	env_close(&b);
	is(card_driver("unbind", SECOND), 0, "unbind");
	is(card_driver("bind", SECOND), 0, "bind");
	env_close(&a);
	two_cards(&a, &b, &handle);
	env_close(&a);
	env_close(&b);
}

/* The second card is pulled while the first one copies from and to its memory. */
static void peer_gone(void)
{
	struct drm_axon_job jobs[64];
	struct drm_axon_sync s = { .flags = DRM_AXON_SYNC_SIGNAL };
	struct drm_axon_ctx_get_state cs;
	struct env a, b;
	uint32_t handle, i;
	int ret = 0;

	two_cards(&a, &b, &handle);
	for (i = 0; i < 64; i++)
		jobs[i] = i & 1 ? job_copy(VA, VA + SIZE / 2, SIZE / 2) :
				  job_copy(VA + SIZE / 2, VA, SIZE / 2);
	syncobj_create(a.fd, &s.handle);
	ask_soon("remove 1", 1);
	for (i = 0; i < 3000000 && !ret; i++) {
		ret = submit(a.fd, a.queue, jobs, 64, &s, 1, NULL);
		if (!ret)
			syncobj_wait(a.fd, s.handle, 0, DRV_TIMEOUT_NS);
	}
	is(ret, -ECANCELED, "a user of its memory is told");
	ctx_state(a.fd, a.ctx, &cs);
	ok(cs.status == AXON_STATUS_FAULT_LINK || cs.status == AXON_STATUS_FAULT_UNMAPPED,
	   "status %u", cs.status);
	is(submit(b.fd, b.queue, jobs, 1, NULL, 0, NULL), -ENODEV, "its own user too");
	is(outcome(&a, job_fill(ENV_DATA, 1, 64)), 0, "the first card works");
	env_close(&b);
	for (i = 0; i < 300 && !access("/sys/bus/pci/devices/" SECOND, F_OK); i++)
		usleep(100000);
	ok(access("/sys/bus/pci/devices/" SECOND, F_OK), "no device left");
	for (i = 0; i < 300 && link_state(a.fd) != AXON_PEER_ABSENT; i++)
		usleep(100000);
	is(link_state(a.fd), AXON_PEER_ABSENT, "and no peer");
	is(outcome(&a, job_copy(ENV_DATA, VA, 64)), AXON_STATUS_FAULT_UNMAPPED,
	   "where its memory was is nothing");
	env_close(&a);
}

int main(int argc, char **argv)
{
	const struct {
		const char *name;
		void (*run)(void);
	} fault[] = {
		{ "lost-irq", lost_irq }, { "dead-fw", dead_fw }, { "gone", gone },
		{ "apart", apart }, { "link-down", link_down }, { "peer-dead", peer_dead },
		{ "peer-gone", peer_gone },
	};
	size_t i;

	for (i = 0; i < sizeof(fault) / sizeof(fault[0]); i++)
		if (argc == 2 && !strcmp(argv[1], fault[i].name)) {
			fault[i].run();
			return done();
		}
	fprintf(stderr, "usage: card-faults FAULT; faulty-card knows which\n");
	return 2;
}
