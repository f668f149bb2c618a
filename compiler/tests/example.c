/* SPDX-License-Identifier: MIT */
/* example.c - writes a small program of every kind of step, for the test of axon-objdump. */
#include <stdio.h>
#include <stdlib.h>

#include "axc/axc.h"

int main(int argc, char **argv)
{
	static const uint64_t shape[] = { 4, 16 };
	struct axc_program *p = axc_program_new("objdump example");
	struct axc_tensor *in = axc_tensor_new(p, AXC_INPUT, "in", AXON_DTYPE_FLOAT32, 2, shape);
	struct axc_tensor *out = axc_tensor_new(p, AXC_INOUT, "state", AXON_DTYPE_FLOAT32, 2,
						shape);
	struct axc_tensor *c = axc_const_new(p, AXON_DTYPE_FLOAT32, NULL, 256);
	struct axc_tile *a = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 4, 16);
	struct axc_tile *b = axc_tile_new(p, AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 4, 16);
	size_t size = 0;
	void *elf = NULL;
	int err;
	FILE *f;

	axc_load(p, AXON_ENGINE_SYNC, 0, a, 0, 16, in, 0, 64);
	axc_load(p, AXON_ENGINE_SYNC, 1, b, 0, 16, c, 0, 64);
	axc_loop_begin(p, 3, NULL);
	axc_tensor_tensor(p, AXON_ENGINE_VECTOR, AXON_ALU_ADD, axc_view(a), axc_view(a),
			  axc_view(b));
	axc_activation(p, AXON_ACT_EXP, axc_view(b), axc_view(a), axc_s(2), axc_s(1),
		       axc_view(NULL));
	axc_loop_end(p);
	axc_store(p, AXON_ENGINE_SYNC, 2, out, 0, 64, a, 0, 16);
	err = axc_program_finish(p, &elf, &size);
	axc_program_free(p);
	f = !err && argc == 2 ? fopen(argv[1], "wb") : NULL;
	err = !f || fwrite(elf, 1, size, f) != size;
	if (f)
		err |= fclose(f) != 0;
	free(elf);
	return err;
}
