// SPDX-License-Identifier: MIT
/*
 * make-model.c - write a random model and its vocabulary, for tests and benchmarks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synth.h"

static int usage(void)
{
	fprintf(stderr, "Usage: llm-make-model MODEL TOKENIZER SEED DIM HIDDEN LAYERS HEADS "
		"KV_HEADS VOCAB SEQ_LEN shared|unshared\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct synth_shape s;
	uint32_t v[7];
	uint64_t seed;
	int ret;

	if (argc != 12)
		return usage();
	seed = strtoull(argv[3], NULL, 10);
	for (int i = 0; i < 7; i++) {
		v[i] = strtoul(argv[4 + i], NULL, 10);
		if (!v[i])
			return usage();
	}
	s = (struct synth_shape){ v[0], v[1], v[2], v[3], v[4], v[5], v[6],
				  !strcmp(argv[11], "shared") };
	if (!seed || s.dim % s.n_heads || s.n_heads % s.n_kv_heads)
		return usage();
	ret = synth_checkpoint(argv[1], &s, seed);
	if (!ret)
		ret = synth_tokenizer(argv[2], s.vocab_size, seed);
	if (ret)
		fprintf(stderr, "llm-make-model: %s\n", strerror(-ret));
	return ret ? 1 : 0;
}
