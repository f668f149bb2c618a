// SPDX-License-Identifier: MIT
/*
 * bench-nvme.c - peer of a launch: one 4 KiB read from a disk, submitted and waited for by
 * io_uring, interrupt driven, one at a time. Never writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <liburing.h>

#include "samples.h"

#define BLOCK	4096u

static int read_one(struct io_uring *ring, int fd, void *buf, off_t at)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int ret;

	io_uring_prep_read(sqe, fd, buf, BLOCK, at);
	ret = io_uring_submit_and_wait(ring, 1);
	if (ret < 0)
		return ret;
	ret = io_uring_peek_cqe(ring, &cqe);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret == BLOCK ? 0 : ret < 0 ? ret : -EIO;
}

static int run(int fd, uint32_t repeats, double *t)
{
	struct io_uring ring;
	off_t blocks = lseek(fd, 0, SEEK_END) / BLOCK;
	void *buf = aligned_alloc(BLOCK, BLOCK);
	uint32_t seed = 1;
	int ret;

	if (!buf)
		return -ENOMEM;
	if (blocks < 1) {
		free(buf);
		return -EINVAL;
	}
	ret = io_uring_queue_init(8, &ring, 0);
	if (ret) {
		free(buf);
		return ret;
	}
	for (uint32_t i = 0; !ret && i <= repeats; i++) {
		double start;

		seed = seed * 1664525u + 1013904223u;
		start = bench_now();
		ret = read_one(&ring, fd, buf, (off_t)(seed >> 4) % blocks * BLOCK);
		if (i)
			t[i - 1] = bench_now() - start;
	}
	io_uring_queue_exit(&ring);
	free(buf);
	return ret;
}

int main(int argc, char **argv)
{
	uint32_t repeats;
	double *t;
	int fd, ret;

	if (argc != 3) {
		fprintf(stderr, "Usage: bench-nvme DISK REPEATS\n");
		return 2;
	}
	repeats = bench_number(argv[2], 10000000);
	fd = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "bench-nvme: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	t = calloc(repeats, sizeof(*t));
	ret = t ? run(fd, repeats, t) : -ENOMEM;
	close(fd);
	if (ret)
		fprintf(stderr, "bench-nvme: %s: %s\n", argv[1], strerror(-ret));
	else
		bench_print(t, repeats);
	free(t);
	return ret ? 1 : 0;
}
