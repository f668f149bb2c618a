// SPDX-License-Identifier: MIT
/*
 * file.c - a whole file in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

/* Fill @buf to the last byte; a file cut short meanwhile is an error, not a shorter model. */
static int read_all(int fd, char *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, buf + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += n;
	}
	return 0;
}

static int read_fd(int fd, const char *path, const char *what, void **data, size_t *size,
		   struct llm_error *err)
{
	struct stat st;
	size_t len;
	void *buf;
	int ret;

	if (fstat(fd, &st))
		return llm_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return llm_fail(err, -EINVAL, "%s: a %s is a regular file, this is not one",
				path, what);
	if (st.st_size <= 0)
		return llm_fail(err, -EINVAL, "%s: the %s is empty", path, what);
	if ((uint64_t)st.st_size > SIZE_MAX - 64)
		return llm_fail(err, -EFBIG, "%s: too large for this machine", path);
	len = st.st_size;
	buf = aligned_alloc(64, (len + 63) & ~(size_t)63);
	if (!buf)
		return llm_fail(err, -ENOMEM, "%s: no memory for its %zu bytes", path, len);
	ret = read_all(fd, buf, len);
	if (ret) {
		free(buf);
		return llm_fail(err, ret, "%s: cannot be read: %s", path, strerror(-ret));
	}
	*data = buf;
	*size = len;
	return 0;
}

int llm_read_file(const char *path, const char *what, const char *hint, void **data,
		  size_t *size, struct llm_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int ret;

	if (fd < 0 && errno == ENOENT)
		return llm_fail(err, -ENOENT, "%s: no such %s. %s", path, what, hint);
	if (fd < 0)
		return llm_fail(err, -errno, "%s: cannot open the %s: %s", path, what,
				strerror(errno));
	ret = read_fd(fd, path, what, data, size, err);
	close(fd);
	return ret;
}
