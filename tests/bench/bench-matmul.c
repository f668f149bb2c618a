// SPDX-License-Identifier: MIT
/*
 * bench-matmul.c - one large matrix multiplication on a card, through libaxc and libnrt.
 *
 * The time is nrt_execute()'s alone. The result is checked, since a wrong product is fast.
 */
#include <string.h>

#include <nrt/nrt.h>

#include "matmul.h"
#include "place.h"
#include "samples.h"

static int measure(uint32_t n, enum axon_dtype dtype, uint32_t repeats, double *t,
		   struct llm_error *err)
{
	struct matmul *m;
	int ret = matmul_create(n, dtype, &m, err);

	if (ret)
		return ret;
	/* The first launch pays for what happens once: not counted. */
	for (uint32_t i = 0; !ret && i <= repeats; i++) {
		double start = bench_now();

		ret = matmul_run(m, err);
		if (i)
			t[i - 1] = bench_now() - start;
	}
	if (!ret)
		ret = matmul_check(m, err);
	matmul_free(m);
	return ret;
}

int main(int argc, char **argv)
{
	const struct place any = PLACE_ANY;
	struct llm_error err = { "" };
	enum axon_dtype dtype;
	uint32_t n, repeats;
	double *t;
	int ret;

	if (argc != 4 || (strcmp(argv[1], "fp32") && strcmp(argv[1], "bf16"))) {
		fprintf(stderr, "Usage: bench-matmul fp32|bf16 N REPEATS\n");
		return 2;
	}
	dtype = strcmp(argv[1], "bf16") ? AXON_DTYPE_FLOAT32 : AXON_DTYPE_BFLOAT16;
	n = bench_number(argv[2], 8192);
	repeats = bench_number(argv[3], 100000);
	t = calloc(repeats, sizeof(*t));
	if (!t) {
		fprintf(stderr, "bench-matmul: no memory\n");
		return 1;
	}
	ret = place_start(&any, "bench-matmul", &err);
	if (!ret) {
		ret = measure(n, dtype, repeats, t, &err);
		nrt_close();
	}
	if (ret)
		fprintf(stderr, "bench-matmul: %s\n", err.text);
	else
		bench_print(t, repeats);
	free(t);
	return ret ? 1 : 0;
}
