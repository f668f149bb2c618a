// SPDX-License-Identifier: MIT
/*
 * test-file.c - a file is written whole or not at all: whoever dies or fails meanwhile.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "file.h"

#define SIZE	(256u << 10)

struct fixture {
	char dir[64];
	char path[96];
	char tmp[128];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	strcpy(f->dir, "file-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/file", f->dir);
	snprintf(f->tmp, sizeof(f->tmp), "%s.tmp", f->path);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->tmp);
	unlink(f->path);
	rmdir(f->tmp);
	rmdir(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int write_text(const char *path, const char *text, struct llm_error *err)
{
	const struct llm_piece piece = { text, strlen(text) };

	return llm_write_file(path, "text", &piece, 1, err);
}

static void expect_text(const char *path, const char *want)
{
	size_t size;
	void *data;

	assert_int_equal(llm_read_file(path, "text", "", &data, &size, NULL), 0);
	assert_int_equal(size, strlen(want));
	assert_memory_equal(data, want, size);
	free(data);
}

static void pieces_one_after_the_other(void **state)
{
	const struct llm_piece pieces[] = { { "ab", 2 }, { NULL, 0 }, { "c", 1 } };
	struct fixture *f = *state;

	assert_int_equal(llm_write_file(f->path, "text", pieces, 3, NULL), 0);
	expect_text(f->path, "abc");
	assert_int_equal(write_text(f->path, "new", NULL), 0);
	expect_text(f->path, "new");
	assert_int_equal(access(f->tmp, F_OK), -1);
}

static void what_a_killed_writer_left_is_replaced(void **state)
{
	struct fixture *f = *state;
	FILE *out = fopen(f->tmp, "w");

	assert_non_null(out);
	fputs("half a fi", out);
	fclose(out);
	assert_int_equal(write_text(f->path, "whole", NULL), 0);
	expect_text(f->path, "whole");
	assert_int_equal(access(f->tmp, F_OK), -1);
}

static void nothing_but_a_file_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct llm_error err = { "" };
	struct stat st;

	assert_int_equal(write_text("/dev/null", "x", &err), -EINVAL);
	assert_non_null(strstr(err.text, "/dev/null"));
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(write_text(f->path, "x", &err), -EINVAL);
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	unlink(f->path);
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(write_text(f->path, "x", &err), -EINVAL);
}

static void a_link_stays_a_link(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char link[128];

	snprintf(link, sizeof(link), "%s/link", f->dir);
	assert_int_equal(write_text(f->path, "old", NULL), 0);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(write_text(link, "new", NULL), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	expect_text(f->path, "new");
	unlink(link);
}

static void no_such_folder(void **state)
{
	struct fixture *f = *state;
	struct llm_error err = { "" };
	char path[128];

	snprintf(path, sizeof(path), "%s/none/file", f->dir);
	assert_int_equal(write_text(path, "x", &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
}

static void what_cannot_be_written_is_known_before(void **state)
{
	struct fixture *f = *state;
	struct llm_error err = { "" };
	char path[128];

	assert_int_equal(llm_check_output(f->path, "text", &err), 0);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_int_equal(write_text(f->path, "old", NULL), 0);
	assert_int_equal(llm_check_output(f->path, "text", &err), 0);
	expect_text(f->path, "old");
	assert_int_equal(llm_check_output(f->dir, "text", &err), -EINVAL);
	assert_int_equal(llm_check_output("/dev/null", "text", &err), -EINVAL);
	snprintf(path, sizeof(path), "%s/none/file", f->dir);
	assert_int_equal(llm_check_output(path, "text", &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	snprintf(path, sizeof(path), "%s/file", f->path);
	assert_int_equal(llm_check_output(path, "text", &err), -ENOTDIR);
}

/* A disk that is full in the middle of the file: here a limit of the process. */
static void a_failed_write_leaves_the_old_file(void **state)
{
	const struct rlimit limit = { SIZE / 2, SIZE / 2 };
	struct fixture *f = *state;
	static char big[SIZE];
	const struct llm_piece piece = { big, sizeof(big) };
	struct llm_error err = { "" };
	int status;
	pid_t pid;

	assert_int_equal(write_text(f->path, "old", NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit))
			_exit(1);
		_exit(llm_write_file(f->path, "text", &piece, 1, &err) == -EFBIG &&
		      strstr(err.text, f->path) ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect_text(f->path, "old");
	assert_int_equal(access(f->tmp, F_OK), -1);
}

static void fill(char *buf, char c)
{
	memset(buf, c, SIZE);
}

/* One process writes all the time and is killed; what stands there is one whole version. */
static void killed_at_any_moment(void **state)
{
	struct fixture *f = *state;
	static char buf[SIZE];
	const struct llm_piece piece = { buf, sizeof(buf) };

	fill(buf, 'a');
	assert_int_equal(llm_write_file(f->path, "text", &piece, 1, NULL), 0);
	for (int round = 0; round < 20; round++) {
		size_t size;
		char *data;
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		for (char c = 'b'; !pid; c = c == 'z' ? 'a' : c + 1) {
			fill(buf, c);
			if (llm_write_file(f->path, "text", &piece, 1, NULL))
				_exit(1);
		}
		usleep(1000 + 700 * round);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(llm_read_file(f->path, "text", "", (void **)&data, &size, NULL),
				 0);
		assert_int_equal(size, SIZE);
		fill(buf, data[0]);
		assert_memory_equal(data, buf, size);
		free(data);
	}
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pieces_one_after_the_other),
		TEST(what_a_killed_writer_left_is_replaced),
		TEST(nothing_but_a_file_is_replaced),
		TEST(a_link_stays_a_link),
		TEST(no_such_folder),
		TEST(what_cannot_be_written_is_known_before),
		TEST(a_failed_write_leaves_the_old_file),
		TEST(killed_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
