// SPDX-License-Identifier: MIT
/*
 * file.c - whole files: into memory, and onto the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

/* ---- writing ---- */

static int write_all(int fd, const char *buf, size_t size)
{
	while (size) {
		ssize_t n = write(fd, buf, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		size -= n;
	}
	return 0;
}

/* A new file with these bytes, which are on the disk when this returns. */
static int write_new(const char *path, const struct llm_piece *piece, size_t pieces)
{
	int fd, ret = 0;

	if (unlink(path) && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; !ret && i < pieces; i++)
		ret = write_all(fd, piece[i].data, piece[i].size);
	if (!ret && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

/* The folder of a file; @dir has room for PATH_MAX bytes, and so few are in @path. */
static void folder_of(const char *path, char *dir)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		strcpy(dir, ".");
	else if (slash == path)
		strcpy(dir, "/");
	else
		*(char *)mempcpy(dir, path, slash - path) = '\0';
}

/* A name is on the disk when its directory is. */
static int sync_directory(const char *path)
{
	char dir[PATH_MAX];
	int fd, ret = 0;

	folder_of(path, dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Some file systems have no such call and put names on the disk by themselves. */
	if (fsync(fd) && errno != EINVAL)
		ret = -errno;
	close(fd);
	return ret;
}

static int replace(const char *path, const struct llm_piece *piece, size_t pieces)
{
	char tmp[PATH_MAX + 8];
	int ret;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	ret = write_new(tmp, piece, pieces);
	if (!ret && rename(tmp, path))
		ret = -errno;
	if (ret) {
		unlink(tmp);
		return ret;
	}
	return sync_directory(path);
}

/* What is there may be replaced: not the device behind /dev/null, nor a folder. */
static int check_old(const char *path, const char *what, struct llm_error *err)
{
	struct stat st;

	if (stat(path, &st) || S_ISREG(st.st_mode))
		return 0;
	return llm_fail(err, -EINVAL, "%s: a %s is a regular file, this is not one", path, what);
}

static int cannot_write(const char *path, const char *what, int ret, struct llm_error *err)
{
	return llm_fail(err, ret, "%s: cannot write the %s: %s", path, what, strerror(-ret));
}

int llm_check_output(const char *path, const char *what, struct llm_error *err)
{
	char dir[PATH_MAX], *real;
	struct stat st;
	int ret = check_old(path, what, err);

	if (ret)
		return ret;
	if (strlen(path) >= PATH_MAX)
		return cannot_write(path, what, -ENAMETOOLONG, err);
	real = realpath(path, NULL);
	folder_of(real ? real : path, dir);
	free(real);
	if (stat(dir, &st))
		return cannot_write(path, what, -errno, err);
	if (!S_ISDIR(st.st_mode))
		return cannot_write(path, what, -ENOTDIR, err);
	return access(dir, W_OK | X_OK) ? cannot_write(path, what, -errno, err) : 0;
}

int llm_write_file(const char *path, const char *what, const struct llm_piece *piece,
		   size_t pieces, struct llm_error *err)
{
	char *real;
	int ret = check_old(path, what, err);

	if (ret)
		return ret;
	real = realpath(path, NULL);
	ret = replace(real ? real : path, piece, pieces);
	free(real);
	return ret ? cannot_write(path, what, ret, err) : 0;
}
