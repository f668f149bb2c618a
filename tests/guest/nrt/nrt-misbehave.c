// SPDX-License-Identifier: MIT
/*
 * nrt-misbehave.c - programs that go wrong on purpose, through nrt.h, and what the runtime says.
 *
 * usage: nrt-misbehave hang            a loop without end; wants NRT_TIMEOUT
 *        nrt-misbehave read ADDRESS    reads device memory of somebody else; wants NRT_EXEC_OOB
 *        nrt-misbehave victim FILE     fills a tensor, writes its device address to FILE, waits
 *                                      for a line on standard input, then checks the tensor
 *
 * Exit status 0 if the runtime said what it should. NEURON_RT_VISIBLE_CORES and
 * NEURON_RT_EXEC_TIMEOUT work as usual.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <axc/axc.h>
#include <nrt/nrt.h>

#define VICTIM_BYTES	(1u << 20)
/* Moves the victim's tensor to where the reader, which allocates little, has nothing bound. */
#define VICTIM_FIRST	(64u << 20)

static void die(const char *what)
{
	fprintf(stderr, "nrt-misbehave: %s\n", what);
	exit(2);
}

static void must(const char *what, NRT_STATUS status)
{
	if (status == NRT_SUCCESS)
		return;
	fprintf(stderr, "nrt-misbehave: %s: %s\n", what, nrt_get_status_as_str(status));
	exit(2);
}

static nrt_model_t *load(struct axc_program *p)
{
	nrt_model_t *model;
	const char *text;
	size_t size;
	void *elf;

	if (axc_program_finish(p, &elf, &size)) {
		axc_program_error(p, &text);
		die(text);
	}
	axc_program_free(p);
	must("nrt_load", nrt_load(elf, size, 0, 1, &model));
	free(elf);
	return model;
}

/* A tensor of @size bytes that stands in @set as @name. */
static nrt_tensor_t *tensor(nrt_tensor_set_t *set, const char *name, size_t size)
{
	nrt_tensor_t *t;

	must(name, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, size, name, &t));
	must(name, nrt_add_tensor_to_tensor_set(set, name, t));
	return t;
}

static int expect(NRT_STATUS got, NRT_STATUS want)
{
	printf("nrt_execute: %d %s\n", got, nrt_get_status_as_str(got));
	if (got == want)
		return 0;
	fprintf(stderr, "nrt-misbehave: expected %d %s\n", want, nrt_get_status_as_str(want));
	return 1;
}

/*
 * The builder makes no endless loop, but one of 2^31 - 1 rounds with one of as many inside
 * outlasts any timeout.
 */
static int hang(void)
{
	const uint64_t one = 1;
	struct axc_program *p = axc_program_new("hang");
	struct axc_tensor *out = axc_tensor_new(p, AXC_OUTPUT, "out", AXON_DTYPE_UINT32, 1, &one);
	struct axc_tile *tile = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_UINT32, 1, 1);
	nrt_tensor_set_t *inputs, *outputs;
	nrt_model_t *model;

	axc_loop_begin(p, 0x7fffffff, NULL);
	axc_loop_begin(p, 0x7fffffff, NULL);
	axc_memset(p, AXON_ENGINE_VECTOR, axc_view(tile), 7);
	axc_loop_end(p);
	axc_loop_end(p);
	axc_store(p, AXON_ENGINE_SYNC, 0, out, 0, 4, tile, 0, 1);
	model = load(p);
	must("tensor set", nrt_allocate_tensor_set(&inputs));
	must("tensor set", nrt_allocate_tensor_set(&outputs));
	tensor(outputs, "out", 4);
	printf("launching\n");
	fflush(stdout);
	return expect(nrt_execute(model, inputs, outputs), NRT_TIMEOUT);
}

/* A transfer whose source is the tensor "base" plus a distance from memory. */
static int read_foreign(uint64_t addr)
{
	const uint64_t one = 1, words = 1024;
	struct axc_program *p = axc_program_new("read");
	struct axc_tensor *dist = axc_tensor_new(p, AXC_INPUT, "distance", AXON_DTYPE_UINT64, 1,
						 &one);
	struct axc_tensor *base = axc_tensor_new(p, AXC_INPUT, "base", AXON_DTYPE_UINT32, 1,
						 &words);
	struct axc_tensor *out = axc_tensor_new(p, AXC_OUTPUT, "out", AXON_DTYPE_UINT32, 1, &one);
	struct axc_reg *reg = axc_reg_load(p, dist, 0, AXON_DTYPE_UINT64);
	struct axc_dma dma = {
		.engine = AXON_ENGINE_SYNC,
		.dst = { .tensor = out, .step = { 4, 4, 4, 4 }, .region = AXC_REGION_ALL },
		.src = { .tensor = base, .step = { 4, 4, 4, 4 }, .reg = { reg },
			 .region = AXC_REGION_ALL },
		.count = { 1, 1, 1, 1 },
	};
	nrt_tensor_device_allocation_info_t info;
	nrt_tensor_set_t *inputs, *outputs;
	nrt_tensor_t *b, *d;
	nrt_model_t *model;
	uint64_t distance;

	axc_dma(p, &dma);
	model = load(p);
	must("tensor set", nrt_allocate_tensor_set(&inputs));
	must("tensor set", nrt_allocate_tensor_set(&outputs));
	d = tensor(inputs, "distance", 8);
	b = tensor(inputs, "base", 4096);
	tensor(outputs, "out", 4);
	must("allocation info", nrt_tensor_get_device_allocation_info(b, &info));
	distance = addr - info.physical_address;
	must("write", nrt_tensor_write(d, &distance, 0, 8));
	return expect(nrt_execute(model, inputs, outputs), NRT_EXEC_OOB);
}

static int victim(const char *file)
{
	nrt_tensor_device_allocation_info_t info;
	uint8_t *data = malloc(VICTIM_BYTES), *back = malloc(VICTIM_BYTES);
	nrt_tensor_t *first, *t;
	char line[16];
	FILE *f;

	if (!data || !back)
		die("no memory");
	for (uint32_t i = 0; i < VICTIM_BYTES; i++)
		data[i] = i * 37 + (i >> 8);
	must("allocate", nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, VICTIM_FIRST, "first",
					     &first));
	must("allocate", nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, VICTIM_BYTES, "mine",
					     &t));
	must("write", nrt_tensor_write(t, data, 0, VICTIM_BYTES));
	must("allocation info", nrt_tensor_get_device_allocation_info(t, &info));
	f = fopen(file, "w");
	if (!f)
		die("cannot write the address file");
	fprintf(f, "0x%" PRIx64 "\n", info.physical_address);
	if (fclose(f))
		die("cannot write the address file");
	if (!fgets(line, sizeof(line), stdin))
		die("nobody said go");
	must("read", nrt_tensor_read(t, back, 0, VICTIM_BYTES));
	if (memcmp(data, back, VICTIM_BYTES)) {
		fprintf(stderr, "nrt-misbehave: the victim's data has changed\n");
		return 1;
	}
	printf("victim: all %u bytes as written\n", VICTIM_BYTES);
	free(data);
	free(back);
	return 0;
}

int main(int argc, char **argv)
{
	int ret;

	must("nrt_init", nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "nrt-misbehave", ""));
	if (argc == 2 && !strcmp(argv[1], "hang"))
		ret = hang();
	else if (argc == 3 && !strcmp(argv[1], "read"))
		ret = read_foreign(strtoull(argv[2], NULL, 0));
	else if (argc == 3 && !strcmp(argv[1], "victim"))
		ret = victim(argv[2]);
	else
		die("usage: nrt-misbehave hang | read ADDRESS | victim FILE");
	nrt_close();
	return ret;
}
