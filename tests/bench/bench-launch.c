// SPDX-License-Identifier: MIT
/*
 * bench-launch.c - from submission to the end of one small piece of work, one at a time:
 *
 *   nop      a command that does nothing, submitted and waited for through libaxon
 *   copy     one that copies 4 KiB in the card's memory
 *   execute  nrt_execute() of a program that copies four bytes
 *
 * The first two never spin (spin_us 0): the waiter sleeps and an interrupt wakes it. The last
 * one waits in the way that the runtime does by itself.
 */
#include <errno.h>
#include <string.h>

#include <axc/axc.h>
#include <axon/axon.h>
#include <nrt/nrt.h>

#include "axon_hw.h"
#include "samples.h"

#define BLOCK	4096u

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench-launch: %s: %s\n", what, why);
	exit(1);
}

static void must(const char *what, int ret)
{
	if (ret)
		die(what, strerror(-ret));
}

static void must_nrt(const char *what, NRT_STATUS status)
{
	if (status != NRT_SUCCESS)
		die(what, nrt_get_status_as_str(status));
}

/* ---- commands ---- */

static void run_commands(enum axon_cmd_opcode opcode, uint32_t repeats, double *t)
{
	const struct axon_queue_params params = { .core = 0, .spin_us = 0 };
	struct drm_axon_job job = { .opcode = opcode };
	struct axon_device *dev;
	struct axon_vm *vm;
	struct axon_bo *bo;
	struct axon_context *ctx;
	struct axon_queue *queue;

	must("open", axon_device_open(0, &dev));
	must("address space", axon_vm_create(dev, &vm));
	must("buffer", axon_bo_create(dev, 2 * BLOCK, DRM_AXON_REGION_HBM, 0, vm, &bo));
	must("bind", axon_vm_map(vm, bo, 0, AXON_VM_START, 2 * BLOCK, 0));
	must("context", axon_context_create(vm, DRM_AXON_PRIORITY_NORMAL, &ctx));
	must("queue", axon_queue_create(ctx, &params, &queue));
	if (opcode == AXON_CMD_COPY) {
		job.operand[0] = AXON_VM_START + BLOCK;
		job.operand[1] = AXON_VM_START;
		job.operand[2] = BLOCK;
	}
	for (uint32_t i = 0; i <= repeats; i++) {
		double start = bench_now();
		uint64_t seqno;

		must("submit", axon_submit(queue, &job, 1, NULL, 0, &seqno));
		must("wait", axon_wait(queue, seqno, -1));
		if (i)
			t[i - 1] = bench_now() - start;
	}
	axon_queue_destroy(queue);
	must("context", axon_context_destroy(ctx));
	must("address space", axon_vm_destroy(vm));
	axon_bo_destroy(bo);
	axon_device_close(dev);
}

/* ---- nrt_execute ---- */

static void compile(void **elf, size_t *size)
{
	const uint64_t shape = 1;
	struct axc_program *p = axc_program_new("bench-launch");
	struct axc_tensor *x, *y;
	struct axc_tile *tile;
	const char *text;
	int ret;

	if (!p)
		die("compiler", "no memory");
	x = axc_tensor_new(p, AXC_INPUT, "x", AXON_DTYPE_FLOAT32, 1, &shape);
	y = axc_tensor_new(p, AXC_OUTPUT, "y", AXON_DTYPE_FLOAT32, 1, &shape);
	tile = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 1, 1);
	axc_load(p, AXON_ENGINE_SYNC, 0, tile, 0, 1, x, 0, sizeof(float));
	axc_store(p, AXON_ENGINE_SYNC, 0, y, 0, sizeof(float), tile, 0, 1);
	ret = axc_program_finish(p, elf, size);
	if (ret) {
		axc_program_error(p, &text);
		die("compiler", text[0] ? text : strerror(-ret));
	}
	axc_program_free(p);
}

static void run_execute(uint32_t repeats, double *t)
{
	const float value = 42.0f;
	nrt_tensor_set_t *in, *out;
	nrt_tensor_t *x, *y;
	nrt_model_t *model;
	size_t size;
	float got;
	void *elf;

	compile(&elf, &size);
	setenv("NEURON_RT_NUM_CORES", "1", 0);
	must_nrt("nrt_init", nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "bench-launch", ""));
	must_nrt("nrt_load", nrt_load(elf, size, 0, 1, &model));
	free(elf);
	must_nrt("set", nrt_allocate_tensor_set(&in));
	must_nrt("set", nrt_allocate_tensor_set(&out));
	must_nrt("x", nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, sizeof(got), "x", &x));
	must_nrt("y", nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, sizeof(got), "y", &y));
	must_nrt("x", nrt_add_tensor_to_tensor_set(in, "x", x));
	must_nrt("y", nrt_add_tensor_to_tensor_set(out, "y", y));
	must_nrt("x", nrt_tensor_write(x, &value, 0, sizeof(value)));
	for (uint32_t i = 0; i <= repeats; i++) {
		double start = bench_now();

		must_nrt("nrt_execute", nrt_execute(model, in, out));
		if (i)
			t[i - 1] = bench_now() - start;
	}
	must_nrt("y", nrt_tensor_read(y, &got, 0, sizeof(got)));
	if (got != value)
		die("result", "the card did not copy the number");
	nrt_unload(model);
	nrt_destroy_tensor_set(&in);
	nrt_destroy_tensor_set(&out);
	nrt_tensor_free(&x);
	nrt_tensor_free(&y);
	nrt_close();
}

int main(int argc, char **argv)
{
	uint32_t repeats;
	double *t;

	if (argc != 3) {
		fprintf(stderr, "Usage: bench-launch nop|copy|execute REPEATS\n");
		return 2;
	}
	repeats = bench_number(argv[2], 10000000);
	t = calloc(repeats, sizeof(*t));
	if (!t)
		die("samples", "no memory");
	if (!strcmp(argv[1], "nop"))
		run_commands(AXON_CMD_NOP, repeats, t);
	else if (!strcmp(argv[1], "copy"))
		run_commands(AXON_CMD_COPY, repeats, t);
	else if (!strcmp(argv[1], "execute"))
		run_execute(repeats, t);
	else
		die(argv[1], "not nop, copy or execute");
	bench_print(t, repeats);
	free(t);
	return 0;
}
