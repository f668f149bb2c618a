// SPDX-License-Identifier: MIT
/*
 * axon_fabric.c - soft cards together: buffers of one used by another, and what is refused.
 */
#include "card.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#define A	0x10000000ull
#define B	0x20000000ull
#define SIZE	(2 * MIB)

static void use_cards(const char *device)
{
	setenv("AXON_DEVICE", device, 1);
	unsetenv("AXON_SOFT_FABRIC");
}

static void use_fabric(const char *device, const char *shape)
{
	use_cards(device);
	setenv("AXON_SOFT_FABRIC", shape, 1);
}

/* Links from a card to every other place, by place. */
static uint32_t get_links(struct axon_device *dev, struct drm_axon_link *links)
{
	uint32_t count = AXON_MAX_PEERS;

	assert_int_equal(axon_device_links(dev, links, &count), 0);
	return count;
}

static const struct drm_axon_link *link_of(struct axon_device *dev, uint32_t peer,
					   struct drm_axon_link *links)
{
	uint32_t count = get_links(dev, links);
	uint32_t i;

	for (i = 0; i < count; i++)
		if (links[i].peer == peer)
			return &links[i];
	fail_msg("no link to %u", peer);
	return NULL;
}

/* A buffer of @from as one of @to. */
static struct axon_bo *pass_on(struct axon_bo *bo, struct axon_device *to)
{
	struct axon_bo *import;
	int fd;

	assert_int_equal(axon_bo_export(bo, &fd), 0);
	assert_int_equal(axon_bo_import(to, fd, &import), 0);
	assert_int_equal(close(fd), 0);
	return import;
}

/* Host memory of one card written by another; it outlives the card it was made on. */
static void test_host_memory(void **state)
{
	struct axon_device *first;
	struct axon_device *second;
	struct drm_axon_bo_info info;
	struct axon_bo *again;
	struct axon_bo *bo;
	struct client c;
	uint8_t *from;
	uint8_t *to;
	int fd;

	use_cards("soft:2");
	first = open_nth(0);
	second = open_nth(1);
	c = open_client(second, 0, 0);
	bo = new_bo(first, NULL, DRM_AXON_REGION_HOST, SIZE, 0, 0, (void **)&from);
	assert_int_equal(axon_bo_export(bo, &fd), 0);
	assert_int_equal(axon_bo_import(second, fd, &again), 0);
	assert_int_equal(axon_bo_info(again, &info), 0);
	assert_int_equal(info.region, DRM_AXON_REGION_HOST);
	assert_int_equal(axon_bo_map(again, (void **)&to), 0);
	assert_int_equal(axon_vm_map(c.vm, again, 0, A, SIZE, 0), 0);
	assert_int_equal(run_fill(c.queue, A, 0x3c, SIZE), 0);
	assert_int_equal(from[SIZE - 1], 0x3c);
	axon_bo_destroy(bo);
	axon_device_close(first);
	assert_int_equal(run_fill(c.queue, A, 0x3d, SIZE), 0);
	assert_int_equal(to[0], 0x3d);
	assert_int_equal(axon_bo_import(second, fd, &bo), -ENOLINK);
	assert_int_equal(close(fd), 0);
	/* Passed on, it is a buffer of the second card. */
	assert_int_equal(axon_bo_export(again, &fd), 0);
	first = open_nth(0);
	assert_int_equal(axon_bo_import(first, fd, &bo), 0);
	assert_int_equal(axon_bo_map(bo, (void **)&from), 0);
	assert_int_equal(from[5], 0x3d);
	assert_int_equal(close(fd), 0);
	axon_bo_destroy(again);
	close_client(&c);
	axon_device_close(second);
	assert_int_equal(from[5], 0x3d);
	axon_bo_destroy(bo);
	axon_device_close(first);
}

static int child(int fd)
{
	struct axon_device *dev;
	struct axon_bo *bo;
	int err;

	err = axon_device_open(0, &dev);
	if (err)
		return 1;
	err = axon_bo_import(dev, fd, &bo);
	axon_device_close(dev);
	return err == -EOPNOTSUPP ? 0 : 2;
}

/*
 * Another process has the descriptor, but not the memory; its own cards are its own. Once it is a
 * program of its own, once the child of a fork().
 */
static void other_process(bool exec)
{
	char number[16];
	struct axon_device *dev;
	struct axon_bo *bo;
	int status;
	pid_t pid;
	int fd;

	use_cards("soft:2");
	dev = open_nth(0);
	assert_int_equal(axon_bo_create(dev, 4096, DRM_AXON_REGION_HBM, 0, NULL, &bo), 0);
	assert_int_equal(axon_bo_export(bo, &fd), 0);
	snprintf(number, sizeof(number), "%d", fd);
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid && exec)
		execl("/proc/self/exe", "axon_fabric", "--child", number, NULL);
	if (!pid)
		_exit(exec ? 3 : child(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(close(fd), 0);
	axon_bo_destroy(bo);
	axon_device_close(dev);
}

static void test_other_process(void **state)
{
	other_process(true);
}

#ifndef __SANITIZE_THREAD__	/* which allows no threads in such a child */
static void test_forked(void **state)
{
	other_process(false);
}
#endif

/* ---- shapes and places ---- */

static void check_distances(uint32_t cards, const uint32_t *want)
{
	struct drm_axon_link links[AXON_MAX_PEERS];
	struct drm_axon_query_device info;
	struct axon_device *dev = open_nth(0);
	uint32_t i;

	assert_int_equal(get_links(dev, links), cards - 1);
	for (i = 0; i < cards - 1; i++) {
		assert_int_equal(links[i].peer, i + 1);
		assert_int_equal(links[i].distance, want[i]);
		assert_int_equal(links[i].state, AXON_PEER_ABSENT);
		assert_int_equal(links[i].lanes, 8);
		assert_int_equal(links[i].latency_ns, 1000 * want[i]);
		assert_true(links[i].bandwidth > 1000000000);
	}
	assert_int_equal(axon_device_query(dev, &info), 0);
	assert_int_equal(info.fabric_cards, cards);
	assert_int_equal(info.fabric_id, 0);
	assert_true(info.fabric_uid != 0);
	axon_device_close(dev);
}

static void check_no_fabric(struct axon_device *dev)
{
	struct drm_axon_query_device info;
	uint32_t count = 5;

	assert_int_equal(axon_device_query(dev, &info), 0);
	assert_int_equal(info.fabric_cards, 0);
	assert_int_equal(info.fabric_uid, 0);
	assert_int_equal(info.fabric_id, AXON_NO_PEER);
	assert_int_equal(axon_device_links(dev, NULL, &count), 0);
	assert_int_equal(count, 0);
}

static void test_shapes(void **state)
{
	struct axon_device *dev;

	use_cards("soft:2");
	check_distances(2, (const uint32_t[]) { 1 });
	use_cards("soft:5");
	check_distances(5, (const uint32_t[]) { 1, 2, 2, 1 });
	use_cards("soft:16");
	check_distances(16, (const uint32_t[]) { 1, 2, 1, 1, 2, 3, 2, 2, 3, 4, 3, 1, 2, 3, 2 });
	use_fabric("soft:16", "ring");
	check_distances(16, (const uint32_t[]) { 1, 2, 3, 4, 5, 6, 7, 8, 7, 6, 5, 4, 3, 2, 1 });
	use_fabric("soft:6", "torus:2x3");
	check_distances(6, (const uint32_t[]) { 1, 1, 1, 2, 2 });
	use_fabric("soft:4", "mesh");
	check_distances(4, (const uint32_t[]) { 1, 1, 1 });
	use_fabric("soft:4", "none");
	dev = open_nth(2);
	check_no_fabric(dev);
	axon_device_close(dev);
	use_cards("soft");
	dev = open_nth(0);
	check_no_fabric(dev);
	axon_device_close(dev);
}

static char last_error[512];

static void keep_error(void *opaque, enum axon_log_level level, const char *line)
{
	if (level == AXON_LOG_ERROR)
		snprintf(last_error, sizeof(last_error), "%s", line);
}

static void refused(const char *shape, int error, const char *why)
{
	struct axon_device *dev;

	use_fabric("soft:4", shape);
	last_error[0] = '\0';
	assert_int_equal(axon_device_open_path("soft:0", keep_error, NULL, &dev), error);
	assert_null(dev);
	if (!strstr(last_error, shape) || !strstr(last_error, why))
		fail_msg("'%s' does not speak of %s and %s", last_error, shape, why);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_file(void **state)
{
	char path[] = "/tmp/axon-fabric-XXXXXX";
	char spec[64];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	snprintf(spec, sizeof(spec), "file:%s", path);
	write_file(path, "# a star\nlatency-ns 1000\nlink 0 1\nlink 0 2\nlink 0 3\n");
	use_fabric("soft:4", spec);
	check_distances(4, (const uint32_t[]) { 1, 1, 1 });
	write_file(path, "link 0 1\nlink 1 2\nlink 2 3\n");
	check_distances(4, (const uint32_t[]) { 1, 2, 3 });
	write_file(path, "link 0 1\nlink 1 2\nlink 2 9\n");
	refused(spec, -EINVAL, "line 3");
	write_file(path, "link 0 1\nlimk 1 2\n");
	refused(spec, -EINVAL, "line 2");
	/* Two islands. */
	write_file(path, "link 0 1\nlink 2 3\n");
	refused(spec, -EINVAL, "");
	write_file(path, "");
	refused(spec, -EINVAL, "");
	assert_int_equal(unlink(path), 0);
	refused(spec, -ENOENT, "No such file");
	refused("file:", -ENOENT, "No such file");
	refused("file:/", -EISDIR, "directory");
	refused("file:/dev/zero", -EFBIG, "large");
	refused("pair", -EINVAL, "2 cards");
	refused("torus:3x3", -EINVAL, "4 cards");
	refused("moebius", -EINVAL, "no topology");
	/* Nothing of it stays. */
	use_cards("soft:4");
	check_distances(4, (const uint32_t[]) { 1, 2, 1 });
}

static uint64_t uid_of(struct axon_device *dev)
{
	struct drm_axon_query_device info;

	assert_int_equal(axon_device_query(dev, &info), 0);
	return info.fabric_uid;
}

/* A place is taken once; what is opened beside it has no links; it is free again afterwards. */
static void test_places(void **state)
{
	struct drm_axon_link links[AXON_MAX_PEERS];
	struct axon_device *first;
	struct axon_device *second;
	struct axon_device *extra;
	uint64_t uid;

	use_cards("soft:3");
	first = open_nth(0);
	uid = uid_of(first);
	second = open_nth(2);
	assert_int_equal(uid_of(second), uid);
	assert_int_equal(link_of(first, 1, links)->state, AXON_PEER_ABSENT);
	assert_int_equal(link_of(first, 2, links)->state, AXON_PEER_UP);
	assert_int_equal(link_of(second, 0, links)->state, AXON_PEER_UP);
	extra = open_nth(2);
	check_no_fabric(extra);
	axon_device_close(second);
	assert_int_equal(link_of(first, 2, links)->state, AXON_PEER_ABSENT);
	check_no_fabric(extra);
	second = open_nth(2);
	assert_int_equal(uid_of(second), uid);
	assert_int_equal(link_of(first, 2, links)->state, AXON_PEER_UP);
	/* The fabric is as it was made, whatever the environment says now. */
	use_fabric("soft:8", "mesh");
	assert_int_equal(axon_device_open_path("soft:7", test_log, NULL, &extra), 0);
	check_no_fabric(extra);
	axon_device_close(extra);
	axon_device_close(first);
	axon_device_close(second);
	use_cards("soft:3");
	first = open_nth(0);
	assert_true(uid_of(first) != uid);
	axon_device_close(first);
}

/* ---- link buffers ---- */

/* Two cards of a pair, with a client each. */
struct pair {
	struct axon_device *dev[2];
	struct client c[2];
};

static struct pair open_pair(void)
{
	struct pair p;
	unsigned int i;

	use_cards("soft:2");
	for (i = 0; i < 2; i++) {
		p.dev[i] = open_nth(i);
		p.c[i] = open_client(p.dev[i], 0, 0);
	}
	return p;
}

static void close_pair(struct pair *p)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		close_client(&p->c[i]);
		axon_device_close(p->dev[i]);
	}
}

static void test_link_buffer(void **state)
{
	struct pair p = open_pair();
	struct drm_axon_bo_info info;
	struct axon_bo *again;
	struct axon_bo *link;
	struct axon_bo *bo;
	uint8_t *ptr;
	void *none;
	int fd;

	bo = new_bo(p.dev[0], NULL, DRM_AXON_REGION_HBM, SIZE, 0, 0, (void **)&ptr);
	assert_int_equal(axon_bo_export(bo, &fd), 0);
	assert_int_equal(axon_bo_import(p.dev[1], fd, &link), 0);
	assert_int_equal(axon_bo_info(link, &info), 0);
	assert_int_equal(info.region, DRM_AXON_REGION_LINK);
	assert_int_equal(info.peer, 0);
	assert_int_equal(info.size, SIZE);
	assert_int_equal(info.flags, 0);
	assert_int_equal(axon_bo_size(link), SIZE);
	assert_int_equal(axon_bo_map(link, &none), -EINVAL);
	/* The same once more is the same; home again it is what it was. */
	assert_int_equal(axon_bo_import(p.dev[1], fd, &again), 0);
	assert_ptr_equal(again, link);
	axon_bo_destroy(again);
	assert_int_equal(close(fd), 0);
	assert_int_equal(axon_bo_export(link, &fd), -EPERM);
	assert_int_equal(fd, -1);
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, A, SIZE, 0), -EINVAL);
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, A, SIZE, DRM_AXON_BIND_READONLY), -EINVAL);
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, A, SIZE, DRM_AXON_BIND_NOEXEC), 0);
	assert_int_equal(run_fill(p.c[1].queue, A + 1, 0x55, SIZE - 2), 0);
	assert_int_equal(ptr[0], 0);
	assert_int_equal(ptr[1], 0x55);
	assert_int_equal(ptr[SIZE - 2], 0x55);
	assert_int_equal(ptr[SIZE - 1], 0);
	/* Read-only over the link too. */
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, A, SIZE,
				     DRM_AXON_BIND_NOEXEC | DRM_AXON_BIND_READONLY), 0);
	assert_int_equal(run_fill(p.c[1].queue, A, 1, 1), -EFAULT);
	axon_bo_destroy(link);
	axon_bo_destroy(bo);
	close_pair(&p);
}

/* Big copies there and back, huge pages and pieces, and what the counters say. */
static void test_copies(void **state)
{
	struct drm_axon_link links[AXON_MAX_PEERS];
	struct pair p = open_pair();
	size_t size = 4 * MIB + 8192;
	struct axon_bo *far;
	struct axon_bo *link;
	struct axon_bo *near;
	uint8_t *at_home;
	uint8_t *away;
	size_t i;

	far = new_bo(p.dev[0], NULL, DRM_AXON_REGION_HBM, size, 0, 0, (void **)&away);
	near = new_bo(p.dev[1], p.c[1].vm, DRM_AXON_REGION_HBM, size, B, 0, (void **)&at_home);
	link = pass_on(far, p.dev[1]);
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, A, size, DRM_AXON_BIND_NOEXEC), 0);
	for (i = 0; i < size; i++)
		at_home[i] = (uint8_t)(i * 13 + (i >> 12));
	assert_int_equal(run_copy(p.c[1].queue, A, B, size), 0);
	assert_memory_equal(away, at_home, size);
	memset(at_home, 0, size);
	assert_int_equal(run_copy(p.c[1].queue, B + 3, A + 5, size - 5), 0);
	assert_memory_equal(at_home + 3, away + 5, size - 5);
	assert_int_equal(link_of(p.dev[1], 0, links)->written, size);
	assert_int_equal(link_of(p.dev[1], 0, links)->read, size - 5);
	assert_int_equal(link_of(p.dev[0], 1, links)->written, 0);
	/* A page of it somewhere else, and a hole. */
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 4096, 3 * A, 4096, DRM_AXON_BIND_NOEXEC), 0);
	assert_int_equal(axon_vm_unmap(p.c[1].vm, A + 2 * MIB, 4096), 0);
	assert_int_equal(run_fill(p.c[1].queue, 3 * A, 0xee, 4096), 0);
	assert_int_equal(away[4095], (uint8_t)(4095 * 13));
	assert_int_equal(away[4096], 0xee);
	assert_int_equal(away[8192], (uint8_t)(8192 * 13 + 2));
	/* The memory outlives both handles while it is bound. */
	axon_bo_destroy(far);
	axon_bo_destroy(link);
	assert_int_equal(run_copy(p.c[1].queue, B, 3 * A, 4096), 0);
	assert_int_equal(at_home[0], 0xee);
	assert_int_equal(run_copy(p.c[1].queue, B, A + 2 * MIB, 1), -EFAULT);
	axon_bo_destroy(near);
	close_pair(&p);
}

/* A program's DMA adds into a peer's memory. */
static void test_dma(void **state)
{
	struct pair p = open_pair();
	struct program prog;
	struct drm_axon_job job = launch_job(3 * A, 0);
	struct axon_bo *code;
	struct axon_bo *far;
	struct axon_bo *near;
	struct axon_bo *link;
	float *sum;
	float *part;
	unsigned int i;

	far = new_bo(p.dev[0], NULL, DRM_AXON_REGION_HBM, 4096, 0, 0, (void **)&sum);
	near = new_bo(p.dev[1], p.c[1].vm, DRM_AXON_REGION_HBM, 4096, B, 0, (void **)&part);
	link = pass_on(far, p.dev[1]);
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, A, 4096, DRM_AXON_BIND_NOEXEC), 0);
	for (i = 0; i < 1024; i++) {
		sum[i] = (float)i;
		part[i] = 0.5f;
	}
	program_init(&prog, "add");
	program_add(&prog, inst_dma(AXON_DMA_ADD, AXON_DTYPE_FLOAT32, 1024, AXON_SREG_NONE, A,
				    AXON_SREG_NONE, B));
	program_add(&prog, inst_halt());
	code = new_code(p.dev[1], p.c[1].vm, 3 * A, &prog);
	assert_int_equal(run_job(p.c[1].queue, &job), 0);
	assert_int_equal(run_job(p.c[1].queue, &job), 0);
	for (i = 0; i < 1024; i++)
		assert_true(sum[i] == (float)i + 1.0f);
	/* Code does not come over a link. */
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, 3 * A, 4096, DRM_AXON_BIND_NOEXEC), 0);
	assert_int_equal(run_job(p.c[1].queue, &job), -EFAULT);
	axon_bo_destroy(code);
	axon_bo_destroy(link);
	axon_bo_destroy(near);
	axon_bo_destroy(far);
	close_pair(&p);
}

static void test_not_linked(void **state)
{
	struct axon_device *dev[3];
	struct axon_bo *import;
	struct axon_bo *bo;
	int fd;
	int i;

	for (i = 0; i < 2; i++) {
		if (i)
			use_cards("soft:2");
		else
			use_fabric("soft:2", "none");
		dev[0] = open_nth(0);
		dev[1] = open_nth(1);
		dev[2] = open_nth(1);
		assert_int_equal(axon_bo_create(dev[0], 4096, DRM_AXON_REGION_HBM, 0, NULL, &bo),
				 0);
		assert_int_equal(axon_bo_export(bo, &fd), 0);
		assert_int_equal(axon_bo_import(dev[2], fd, &import), -EXDEV);
		assert_null(import);
		assert_int_equal(axon_bo_import(dev[1], fd, &import), i ? 0 : -EXDEV);
		axon_bo_destroy(import);
		assert_int_equal(close(fd), 0);
		axon_bo_destroy(bo);
		axon_device_close(dev[0]);
		axon_device_close(dev[1]);
		axon_device_close(dev[2]);
	}
}

/* What holds the memory goes in every order: handle, descriptor, import, mapping. */
static void test_every_order(void **state)
{
	struct pair p = open_pair();
	uint64_t before = memory_used(p.dev[0], DRM_AXON_REGION_HBM);
	unsigned int order;

	for (order = 0; order < 256; order++) {
		unsigned int seen = 0;
		struct axon_bo *link;
		struct axon_bo *bo;
		unsigned int step;
		uint8_t *ptr;
		int fd;

		for (step = 0; step < 4; step++)
			seen |= 1u << (order >> 2 * step & 3);
		if (seen != 15)
			continue;
		bo = new_bo(p.dev[0], NULL, DRM_AXON_REGION_HBM, SIZE, 0, 0, (void **)&ptr);
		assert_int_equal(axon_bo_export(bo, &fd), 0);
		assert_int_equal(axon_bo_import(p.dev[1], fd, &link), 0);
		assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, A, SIZE, DRM_AXON_BIND_NOEXEC), 0);
		for (step = 0; step < 4; step++) {
			assert_int_equal(memory_used(p.dev[0], DRM_AXON_REGION_HBM), before + SIZE);
			switch (order >> 2 * step & 3) {
			case 0:
				axon_bo_destroy(bo);
				break;
			case 1:
				assert_int_equal(close(fd), 0);
				break;
			case 2:
				axon_bo_destroy(link);
				break;
			default:
				assert_int_equal(run_fill(p.c[1].queue, A, 1, SIZE), 0);
				assert_int_equal(axon_vm_unmap(p.c[1].vm, A, SIZE), 0);
			}
		}
		assert_int_equal(memory_used(p.dev[0], DRM_AXON_REGION_HBM), before);
	}
	close_pair(&p);
}

/* ---- the exporter goes ---- */

static void test_exporter_closed(void **state)
{
	struct pair p = open_pair();
	struct drm_axon_ctx_get_state s;
	struct axon_bo *stale;
	struct axon_bo *link;
	struct axon_bo *bo;
	struct client fresh;
	uint8_t *ptr;
	int fd;

	bo = new_bo(p.dev[0], NULL, DRM_AXON_REGION_HBM, SIZE, 0, 0, (void **)&ptr);
	assert_int_equal(axon_bo_export(bo, &fd), 0);
	assert_int_equal(axon_bo_import(p.dev[1], fd, &link), 0);
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, A, SIZE, DRM_AXON_BIND_NOEXEC), 0);
	assert_int_equal(run_fill(p.c[1].queue, A, 1, SIZE), 0);
	axon_bo_destroy(bo);
	close_client(&p.c[0]);
	axon_device_close(p.dev[0]);
	/* Another card in the same place: its memory is not the old card's. */
	p.dev[0] = open_nth(0);
	p.c[0] = open_client(p.dev[0], 0, 0);
	bo = new_bo(p.dev[0], NULL, DRM_AXON_REGION_HBM, SIZE, 0, 0, (void **)&ptr);
	assert_int_equal(run_fill(p.c[1].queue, A, 1, SIZE), -EFAULT);
	assert_int_equal(axon_context_state(p.c[1].ctx, &s), 0);
	assert_true(s.status == AXON_STATUS_FAULT_UNMAPPED || s.status == AXON_STATUS_FAULT_LINK);
	assert_int_equal(s.fault_addr, A);
	assert_int_equal(ptr[0], 0);
	assert_int_equal(axon_bo_import(p.dev[1], fd, &stale), -ENOLINK);
	assert_int_equal(close(fd), 0);
	axon_bo_destroy(bo);
	assert_int_equal(axon_vm_map(p.c[1].vm, link, 0, B, SIZE, DRM_AXON_BIND_NOEXEC), -ENOLINK);
	assert_int_equal(axon_vm_unmap(p.c[1].vm, A + 4096, 4096), 0);
	assert_int_equal(axon_vm_unmap(p.c[1].vm, A, SIZE), 0);
	axon_bo_destroy(link);
	/* The importing card itself is as good as before. */
	fresh = open_client(p.dev[1], 0, 0);
	link = new_bo(p.dev[1], fresh.vm, DRM_AXON_REGION_HBM, SIZE, A, 0, (void **)&ptr);
	assert_int_equal(run_fill(fresh.queue, A, 2, SIZE), 0);
	axon_bo_destroy(link);
	close_client(&fresh);
	close_pair(&p);
}

struct traffic {
	struct axon_device *dev;
	struct client c;
	struct axon_bo *near;
	struct axon_bo *link;
	atomic_uint copies;
	int err;
};

static void *copy_thread(void *arg)
{
	struct traffic *t = arg;

	while (!(t->err = run_copy(t->c.queue, A, B, SIZE)) &&
	       !(t->err = run_copy(t->c.queue, B, A, SIZE)))
		atomic_fetch_add(&t->copies, 1);
	return NULL;
}

/* A part of another card's memory at A, and memory of its own at B. */
static void traffic_init(struct traffic *t, struct axon_bo *far, uint64_t offset,
			 struct axon_device *dev)
{
	void *ptr;

	memset(t, 0, sizeof(*t));
	t->dev = dev;
	t->c = open_client(dev, 0, 0);
	t->near = new_bo(dev, t->c.vm, DRM_AXON_REGION_HBM, SIZE, B, 0, &ptr);
	t->link = pass_on(far, dev);
	assert_int_equal(axon_vm_map(t->c.vm, t->link, offset, A, SIZE, DRM_AXON_BIND_NOEXEC), 0);
}

static void traffic_exit(struct traffic *t)
{
	axon_bo_destroy(t->link);
	axon_bo_destroy(t->near);
	close_client(&t->c);
}

static void test_closed_under_traffic(void **state)
{
	struct traffic traffic[3];
	struct axon_device *dev[4];
	pthread_t thread[3];
	unsigned int round;
	unsigned int i;

	use_cards("soft:4");
	for (i = 1; i < 4; i++)
		dev[i] = open_nth(i);
	for (round = 0; round < 10; round++) {
		struct axon_bo *bo;

		dev[0] = open_nth(0);
		assert_int_equal(axon_bo_create(dev[0], 3 * SIZE, DRM_AXON_REGION_HBM, 0, NULL,
						&bo), 0);
		for (i = 0; i < 3; i++) {
			traffic_init(&traffic[i], bo, i * SIZE, dev[i + 1]);
			assert_int_equal(pthread_create(&thread[i], NULL, copy_thread,
							&traffic[i]), 0);
		}
		for (i = 0; i < 3; i++)
			while (atomic_load(&traffic[i].copies) < round + 1)
				usleep(100);
		axon_bo_destroy(bo);
		axon_device_close(dev[0]);
		for (i = 0; i < 3; i++) {
			pthread_join(thread[i], NULL);
			assert_int_equal(traffic[i].err, -EFAULT);
			traffic_exit(&traffic[i]);
		}
	}
	for (i = 1; i < 4; i++)
		axon_device_close(dev[i]);
}

static void *close_thread(void *arg)
{
	axon_device_close(arg);
	return NULL;
}

/* Two cards that use each other's memory are closed at the same time. */
static void test_closed_together(void **state)
{
	unsigned int round;
	unsigned int i;

	for (round = 0; round < 20; round++) {
		struct pair p = open_pair();
		struct axon_bo *bo[2];
		struct axon_bo *link[2];
		pthread_t thread[2];

		for (i = 0; i < 2; i++)
			assert_int_equal(axon_bo_create(p.dev[i], SIZE, DRM_AXON_REGION_HBM, 0,
							NULL, &bo[i]), 0);
		for (i = 0; i < 2; i++) {
			link[i] = pass_on(bo[i], p.dev[!i]);
			assert_int_equal(axon_vm_map(p.c[!i].vm, link[i], 0, A, SIZE,
						     DRM_AXON_BIND_NOEXEC), 0);
			assert_int_equal(run_fill(p.c[!i].queue, A, 1, SIZE), 0);
		}
		for (i = 0; i < 2; i++) {
			axon_bo_destroy(bo[i]);
			axon_bo_destroy(link[i]);
			close_client(&p.c[i]);
		}
		for (i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, close_thread, p.dev[i]),
					 0);
		for (i = 0; i < 2; i++)
			pthread_join(thread[i], NULL);
	}
}

/* ---- many ---- */

static unsigned int status_number(const char *name)
{
	unsigned int value = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			value = (unsigned int)strtoul(line + strlen(name), NULL, 10);
	fclose(f);
	return value;
}

/* As many as a fabric can have, in a ring: each writes into the next one's memory. */
static void test_64_cards(void **state)
{
	struct axon_device *dev[AXON_MAX_PEERS];
	struct client c[AXON_MAX_PEERS];
	struct axon_bo *bo[AXON_MAX_PEERS];
	struct axon_bo *link[AXON_MAX_PEERS];
	uint8_t *ptr[AXON_MAX_PEERS];
	unsigned int rss = status_number("VmRSS:");
	unsigned int threads = status_number("Threads:");
	unsigned int n = AXON_MAX_PEERS;
	unsigned int i;

	use_fabric("soft:64", "torus");
	for (i = 0; i < n; i++)
		dev[i] = open_nth(i);
	printf("# %u cards: %u kB and %u threads\n", n, status_number("VmRSS:") - rss,
	       status_number("Threads:") - threads);
	assert_in_range(status_number("Threads:") - threads, 0, n);
	for (i = 0; i < n; i++) {
		c[i] = open_client(dev[i], 0, 0);
		bo[i] = new_bo(dev[i], NULL, DRM_AXON_REGION_HBM, 4096, 0, 0, (void **)&ptr[i]);
	}
	for (i = 0; i < n; i++) {
		link[i] = pass_on(bo[(i + 1) % n], dev[i]);
		assert_int_equal(axon_vm_map(c[i].vm, link[i], 0, A, 4096, DRM_AXON_BIND_NOEXEC),
				 0);
		assert_int_equal(run_fill(c[i].queue, A, (uint8_t)(i + 1), 4096), 0);
	}
	for (i = 0; i < n; i++)
		assert_int_equal(ptr[(i + 1) % n][4095], i + 1);
	for (i = 0; i < n; i++) {
		axon_bo_destroy(link[i]);
		axon_bo_destroy(bo[i]);
		close_client(&c[i]);
		axon_device_close(dev[i]);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_memory),
		cmocka_unit_test(test_other_process),
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(test_forked),
#endif
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_link_buffer),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_dma),
		cmocka_unit_test(test_not_linked),
		cmocka_unit_test(test_every_order),
		cmocka_unit_test(test_exporter_closed),
		cmocka_unit_test(test_closed_under_traffic),
		cmocka_unit_test(test_closed_together),
		cmocka_unit_test(test_64_cards),
	};

	if (argc == 3 && !strcmp(argv[1], "--child"))
		return child(atoi(argv[2]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
