// SPDX-License-Identifier: MIT
/*
 * nrt_tensor.c - tensors and sets without a model.
 */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "axon/axon.h"

#define SIZE 200000

static void test_bytes(void **state)
{
	nrt_tensor_t *t = new_tensor(SIZE, "t");
	uint8_t *buf = malloc(SIZE);
	uint8_t *back = malloc(SIZE);
	unsigned int i;

	assert_int_equal(nrt_tensor_get_size(t), SIZE);
	OK(nrt_tensor_read(t, back, 0, SIZE));
	for (i = 0; i < SIZE; i++) {
		assert_int_equal(back[i], 0);
		buf[i] = (uint8_t)(i * 3);
	}
	OK(nrt_tensor_write(t, buf, 0, SIZE));
	OK(nrt_tensor_read(t, back, 0, SIZE));
	assert_memory_equal(buf, back, SIZE);
	OK(nrt_tensor_read(t, back, 77, 1000));
	assert_memory_equal(buf + 77, back, 1000);
	assert_memory_equal(nrt_tensor_get_va(t), buf, SIZE);
	OK(nrt_tensor_memset(t, 10, 0x101, SIZE - 20));
	OK(nrt_tensor_read(t, back, 0, SIZE));
	assert_int_equal(back[9], buf[9]);
	assert_int_equal(back[10], 1);
	assert_int_equal(back[SIZE - 11], 1);
	assert_int_equal(back[SIZE - 10], buf[SIZE - 10]);
	assert_int_equal(nrt_tensor_read(t, back, SIZE - 4, 5), NRT_INVALID);
	assert_int_equal(nrt_tensor_write(t, buf, SIZE + 1, 0), NRT_INVALID);
	assert_int_equal(nrt_tensor_write(t, buf, SIZE_MAX, 2), NRT_INVALID);
	assert_int_equal(nrt_tensor_memset(t, SIZE, 0, 1), NRT_INVALID);
	assert_int_equal(nrt_tensor_read(t, NULL, 0, 1), NRT_INVALID);
	OK(nrt_tensor_read(t, back, SIZE, 0));
	nrt_tensor_free(&t);
	assert_null(t);
	nrt_tensor_free(&t);
	nrt_tensor_free(NULL);
	free(buf);
	free(back);
}

/* A tensor's memory as a dma-buf: its own card takes it back as the same memory. */
static void test_dmabuf(void **state)
{
	nrt_tensor_t *t = new_tensor(SIZE, "t");
	uint64_t va = (uint64_t)(uintptr_t)nrt_tensor_get_va(t);
	struct axon_device *dev;
	struct axon_bo *bo;
	char path[64];
	int fd = -1;
	int err;

	OK(nrt_get_dmabuf_fd(va, SIZE, &fd));
	assert_true(fd >= 0);
	assert_int_equal(nrt_get_dmabuf_fd(va + 4096, 4096, &fd), NRT_INVALID);
	assert_int_equal(nrt_get_dmabuf_fd(va, 1ull << 40, &fd), NRT_INVALID);
	assert_int_equal(nrt_get_dmabuf_fd(va, 0, &fd), NRT_INVALID);
	assert_int_equal(nrt_get_dmabuf_fd(0, SIZE, &fd), NRT_INVALID);
	assert_int_equal(nrt_get_dmabuf_fd(va, SIZE, NULL), NRT_INVALID);
	/* Another opening: the kernel's card is the same one, a soft card is another. */
	assert_int_equal(axon_device_path_of(0, path, sizeof(path)), 0);
	assert_int_equal(axon_device_open_path(path, NULL, NULL, &dev), 0);
	err = axon_bo_import(dev, fd, &bo);
	assert_int_equal(err, strncmp(path, "soft", 4) ? 0 : -EXDEV);
	if (!err)
		assert_true(axon_bo_size(bo) >= SIZE);
	axon_bo_destroy(bo);
	axon_device_close(dev);
	assert_int_equal(close(fd), 0);
	nrt_tensor_free(&t);
}

static void test_refused(void **state)
{
	nrt_tensor_t *t = NULL;

	assert_int_equal(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 0, "t", &t),
			 NRT_INVALID);
	assert_int_equal(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 99, 64, "t", &t),
			 NRT_INVALID);
	assert_int_equal(nrt_tensor_allocate((nrt_tensor_placement_t)3, 0, 64, "t", &t),
			 NRT_INVALID);
	assert_int_equal(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 1ull << 39, "t", &t),
			 NRT_RESOURCE);
	assert_int_equal(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, SIZE_MAX, "t", &t),
			 NRT_INVALID);
	assert_null(t);
	assert_int_equal(nrt_tensor_get_size(NULL), 0);
	assert_null(nrt_tensor_get_va(NULL));
}

static void test_copy(void **state)
{
	nrt_tensor_t *a = new_tensor(SIZE, "a");
	nrt_tensor_t *b = new_tensor(SIZE, "b");
	nrt_tensor_t *h = NULL;
	uint8_t *buf = malloc(SIZE);
	uint8_t *back = malloc(SIZE);
	unsigned int i;

	OK(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_HOST, 1, SIZE, "h", &h));
	for (i = 0; i < SIZE; i++)
		buf[i] = (uint8_t)(i ^ i >> 8);
	OK(nrt_tensor_write(a, buf, 0, SIZE));
	OK(nrt_tensor_copy(a, 0, b, 0, SIZE));		/* by the card */
	OK(nrt_tensor_copy(b, 0, h, 0, SIZE));
	OK(nrt_tensor_read(h, back, 0, SIZE));
	assert_memory_equal(buf, back, SIZE);
	OK(nrt_tensor_copy(a, 5, b, 100, 1000));	/* by the CPU */
	OK(nrt_tensor_read(b, back, 0, SIZE));
	assert_memory_equal(buf, back, 100);
	assert_memory_equal(buf + 5, back + 100, 1000);
	assert_memory_equal(buf + 1100, back + 1100, SIZE - 1100);
	OK(nrt_tensor_copy(a, 0, a, 1000, SIZE - 1000));	/* overlapping */
	OK(nrt_tensor_read(a, back, 1000, SIZE - 1000));
	assert_memory_equal(buf, back, SIZE - 1000);
	assert_int_equal(nrt_tensor_copy(a, 1, b, 0, SIZE), NRT_INVALID);
	assert_int_equal(nrt_tensor_copy(a, 0, b, SIZE, 1), NRT_INVALID);
	assert_int_equal(nrt_tensor_copy(NULL, 0, b, 0, 1), NRT_INVALID);
	nrt_tensor_free(&a);
	nrt_tensor_free(&b);
	nrt_tensor_free(&h);
	free(buf);
	free(back);
}

static void test_batch(void **state)
{
	nrt_tensor_t *a = new_tensor(4096, "a");
	nrt_tensor_t *b = new_tensor(4096, "b");
	uint8_t one[16] = "0123456789abcde";
	uint8_t two[16] = "ABCDEFGHIJKLMNO";
	uint8_t back[32];
	nrt_tensor_batch_op_t ops_a[] = { { 0, 16, one }, { 100, 16, two } };
	nrt_tensor_batch_op_t ops_b[] = { { 4080, 16, one } };
	nrt_tensor_batch_t batch[] = { { a, ops_a, 2 }, { b, ops_b, 1 } };

	OK(nrt_tensor_write_batch(batch, 2, false));
	OK(nrt_tensor_read(a, back, 100, 16));
	assert_memory_equal(back, two, 16);
	OK(nrt_tensor_read(b, back, 4080, 16));
	assert_memory_equal(back, one, 16);
	memset(one, 0, sizeof(one));
	memset(two, 0, sizeof(two));
	OK(nrt_tensor_read_batch(batch, 2, true));
	assert_memory_equal(two, "ABCDEFGHIJKLMNO", 16);
	/* One piece is wrong: nothing of it happens. */
	ops_b[0].offset = 4081;
	memset(one, 0xff, sizeof(one));
	assert_int_equal(nrt_tensor_write_batch(batch, 2, false), NRT_INVALID);
	OK(nrt_tensor_read(a, back, 0, 16));
	assert_memory_equal(back, "0123456789abcde", 16);
	nrt_tensor_free(&a);
	nrt_tensor_free(&b);
}

static void test_slices(void **state)
{
	nrt_tensor_t *whole = new_tensor(4096, "whole");
	nrt_tensor_device_allocation_info_t base;
	nrt_tensor_device_allocation_info_t info;
	nrt_tensor_t *slice = NULL;
	nrt_tensor_t *inner = NULL;
	char text[6] = "";

	assert_int_equal(nrt_tensor_allocate_slice(whole, 1, 4096, "s", &slice), NRT_INVALID);
	assert_int_equal(nrt_tensor_allocate_slice(whole, SIZE_MAX, 2, "s", &slice), NRT_INVALID);
	assert_int_equal(nrt_tensor_allocate_slice(whole, 0, 0, "s", &slice), NRT_INVALID);
	OK(nrt_tensor_allocate_slice(whole, 1000, 3000, "s", &slice));
	OK(nrt_tensor_allocate_slice(slice, 500, 100, "i", &inner));
	OK(nrt_tensor_get_device_allocation_info(whole, &base));
	OK(nrt_tensor_get_device_allocation_info(inner, &info));
	assert_int_equal(info.physical_address, base.physical_address + 1500);
	assert_int_equal(info.size, 100);
	OK(nrt_tensor_write(inner, "hello", 10, 6));
	OK(nrt_tensor_read(whole, text, 1510, 6));
	assert_string_equal(text, "hello");
	assert_int_equal(nrt_tensor_write(inner, "hello", 96, 6), NRT_INVALID);
	nrt_tensor_free(&whole);
	nrt_tensor_free(&slice);
	OK(nrt_tensor_read(inner, text, 10, 6));
	assert_string_equal(text, "hello");
	nrt_tensor_free(&inner);
}

static void test_sets(void **state)
{
	nrt_tensor_t *t[40];
	nrt_tensor_t *got = (nrt_tensor_t *)16;
	nrt_tensor_set_t *set = new_set();
	char name[300];
	unsigned int i;

	for (i = 0; i < 40; i++) {
		t[i] = new_tensor(64, "t");
		snprintf(name, sizeof(name), "tensor %u", i * 7 % 40);
		OK(nrt_add_tensor_to_tensor_set(set, name, t[i]));
	}
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "tensor %u", i * 7 % 40);
		OK(nrt_get_tensor_from_tensor_set(set, name, &got));
		assert_ptr_equal(got, t[i]);
	}
	got = (nrt_tensor_t *)16;
	assert_int_equal(nrt_get_tensor_from_tensor_set(set, "none", &got), NRT_FAILURE);
	assert_ptr_equal(got, (nrt_tensor_t *)16);
	OK(nrt_add_tensor_to_tensor_set(set, "tensor 0", t[5]));
	OK(nrt_get_tensor_from_tensor_set(set, "tensor 0", &got));
	assert_ptr_equal(got, t[5]);
	memset(name, 'x', 299);
	name[299] = '\0';
	assert_int_equal(nrt_add_tensor_to_tensor_set(set, name, t[0]), NRT_INVALID);
	assert_int_equal(nrt_add_tensor_to_tensor_set(set, "", t[0]), NRT_INVALID);
	assert_int_equal(nrt_add_tensor_to_tensor_set(set, "a", NULL), NRT_INVALID);
	nrt_destroy_tensor_set(&set);
	assert_null(set);
	nrt_destroy_tensor_set(&set);
	for (i = 0; i < 40; i++)
		nrt_tensor_free(&t[i]);
}

static void test_completion(void **state)
{
	nrt_tensor_t *t = new_tensor(64, "t");

	OK(nrt_tensor_check_output_completion(t, 0, 0));
	assert_int_equal(nrt_tensor_check_output_completion(t, 0, 1), NRT_TIMEOUT);
	assert_int_equal(nrt_tensor_check_output_completion(t, 2000, 1), NRT_TIMEOUT);
	assert_int_equal(nrt_tensor_check_output_completion(NULL, 0, 1), NRT_INVALID);
	OK(nrt_tensor_reset_output_completion(t));
	nrt_tensor_free(&t);
}

static void test_memory_stats(void **state)
{
	nrt_vnc_memory_stats_t before;
	nrt_vnc_memory_stats_t after;
	nrt_tensor_t *t;
	size_t size;

	OK(nrt_get_vnc_memory_stats(0, &before, sizeof(before), &size));
	assert_int_equal(size, sizeof(before));
	t = new_tensor(8 << 20, "t");
	OK(nrt_get_vnc_memory_stats(0, &after, sizeof(after), NULL));
	assert_true(after.bytes_used >= before.bytes_used + (8 << 20));
	assert_int_equal(after.bytes_limit, before.bytes_limit);
	assert_int_equal(nrt_get_vnc_memory_stats(99, &after, sizeof(after), NULL), NRT_INVALID);
	nrt_tensor_free(&t);
	OK(nrt_get_vnc_memory_stats(0, &after, sizeof(after), NULL));
	assert_true(after.bytes_used < before.bytes_used + (8 << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dmabuf),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_memory_stats),
	};

	return cmocka_run_group_tests(tests, session_begin, session_end);
}
