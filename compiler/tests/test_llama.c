/* SPDX-License-Identifier: MIT */
/*
 * test_llama.c - decoding steps of random small models, executed in random order, against plain C.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "interp.h"
#include "ref.h"
#include "soft.h"

struct machine {
	uint32_t token, pos, next;
	float *k, *v, *logits;
	void *elf;
	struct interp *in;
	struct soft *soft;	/* NULL without the runtime */
};

static bool have_soft;

static void machine_init(struct machine *m, const struct ref_llama *r)
{
	size_t kv = r->c.dim / r->c.n_heads * r->c.n_kv_heads;
	size_t cache = kv * r->c.n_layers * r->c.seq_len * sizeof(float), size;
	struct interp_tensor t[] = {
		{ AXC_LLAMA_TOKEN, &m->token, 4 }, { AXC_LLAMA_POS, &m->pos, 4 },
		{ AXC_LLAMA_NEXT, &m->next, 4 },
		{ AXC_LLAMA_K_CACHE, m->k = malloc(cache), cache },
		{ AXC_LLAMA_V_CACHE, m->v = malloc(cache), cache },
		{ AXC_LLAMA_LOGITS, m->logits = calloc(r->c.vocab, 4), r->c.vocab * 4 },
	};
	struct axc_program *p;
	const char *text;
	int err;

	/* NaNs: what lies after the position must not be used. */
	memset(m->k, 0xff, cache);
	memset(m->v, 0xff, cache);
	err = axc_llama_decode(&r->c, &r->w, &p);
	axc_program_error(p, &text);
	if (!err)
		err = axc_program_finish(p, &m->elf, &size);
	if (err)
		fail_msg("%s", text);
	printf("# %u layers, dim %u: %u tensor %u vector %u scalar %u gpsimd %u sync\n",
	       r->c.n_layers, r->c.dim, axc_program_insts(p, AXON_ENGINE_TENSOR),
	       axc_program_insts(p, AXON_ENGINE_VECTOR), axc_program_insts(p, AXON_ENGINE_SCALAR),
	       axc_program_insts(p, AXON_ENGINE_GPSIMD), axc_program_insts(p, AXON_ENGINE_SYNC));
	axc_program_free(p);
	m->in = interp_load(m->elf, size, t, 6);
	assert_non_null(m->in);
	m->soft = have_soft ? soft_load(m->elf, size, t, 6) : NULL;
	assert_int_equal(!m->soft, !have_soft);
}

static void machine_free(struct machine *m)
{
	interp_free(m->in);
	soft_free(m->soft);
	free(m->elf);
	free(m->k);
	free(m->v);
	free(m->logits);
}

static void check(const struct machine *m, const struct ref_llama *r)
{
	double d = ref_distance(m->logits, r->logits, r->c.vocab);

	if (!(d < 1e-4))
		fail_msg("position %u: logits differ by %g", m->pos, d);
	assert_int_equal(m->next, ref_argmax(m->logits, r->c.vocab));
}

static void run(const struct axc_llama_config *c, uint32_t first, uint32_t steps, uint32_t seed)
{
	struct machine m = { .token = 1 % c->vocab };
	struct ref_llama r;
	uint32_t i;

	ref_llama_init(&r, c, seed);
	machine_init(&m, &r);
	for (i = 0; i < first; i++)	/* the reference alone fills the caches */
		ref_llama_step(&r, (i * 7 + 3) % c->vocab, i);
	for (uint32_t l = 0; l < c->n_layers; l++) {
		uint32_t kv = c->dim / c->n_heads * c->n_kv_heads;

		for (i = 0; i < first; i++)
			for (uint32_t j = 0; j < kv; j++) {
				m.k[((size_t)l * kv + j) * c->seq_len + i] =
					r.k[((size_t)l * c->seq_len + i) * kv + j];
				m.v[((size_t)l * c->seq_len + i) * kv + j] =
					r.v[((size_t)l * c->seq_len + i) * kv + j];
			}
	}
	for (i = 0; i < steps; i++) {
		m.pos = first + i;
		ref_llama_step(&r, m.token, m.pos);
		/* The card may or may not remember the weights. */
		interp_keep(m.in, i % 3);
		assert_int_equal(interp_run(m.in, seed * 1000 + i), 0);
		check(&m, &r);
		if (m.soft) {
			memset(m.logits, 0xff, c->vocab * sizeof(float));
			assert_int_equal(soft_run(m.soft), 0);
			check(&m, &r);
		}
		m.token = ref_argmax(r.logits, c->vocab);
	}
	printf("# %lu instructions executed at position %u\n", interp_executed(m.in), m.pos);
	machine_free(&m);
	ref_llama_free(&r);
}

/* The shape of stories260K. */
static void small(void **state)
{
	const struct axc_llama_config c = { 64, 172, 5, 8, 4, 512, 512, 0, 0 };

	run(&c, 0, 24, 1);
	run(&c, 126, 6, 2);
	run(&c, 253, 5, 14);
	run(&c, 509, 3, 3);
}

static void odd_shapes(void **state)
{
	/* one head, no grouping, vocabulary below 8, a sequence no multiple of anything */
	run(&(struct axc_llama_config){ 6, 5, 1, 1, 1, 3, 7, 0, 0 }, 0, 7, 4);
	run(&(struct axc_llama_config){ 48, 129, 2, 6, 1, 77, 130, 0, 0 }, 125, 5, 5);
	run(&(struct axc_llama_config){ 130, 1, 1, 13, 13, 513, 129, 0, 0 }, 0, 5, 6);
	/* key/value heads that do not divide into tiles: 3 of 48 */
	run(&(struct axc_llama_config){ 288, 768, 2, 6, 3, 1000, 200, 0, 0 }, 0, 3, 7);
	run(&(struct axc_llama_config){ 288, 768, 1, 6, 6, 3000, 200, 0, 0 }, 150, 3, 8);
}

static void streamed(void **state)
{
	/* several groups of logits; weights and caches tile by tile */
	run(&(struct axc_llama_config){ 512, 1300, 2, 8, 4, 9000, 300, 0, 0 }, 0, 2, 9);
	run(&(struct axc_llama_config){ 256, 512, 2, 2, 2, 600, 1000, 0, 0 }, 600, 2, 10);
}

static void long_sequences(void **state)
{
	/* scores over several banks, then through SBUF; probabilities chunk by chunk */
	run(&(struct axc_llama_config){ 64, 64, 1, 8, 4, 40, 2048, 0, 0 }, 1500, 2, 11);
	run(&(struct axc_llama_config){ 256, 64, 2, 64, 32, 40, 2100, 0, 0 }, 1100, 2, 12);
	run(&(struct axc_llama_config){ 256, 64, 2, 64, 32, 40, 2100, 0, 0 }, 0, 2, 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small), cmocka_unit_test(odd_shapes), cmocka_unit_test(streamed),
		cmocka_unit_test(long_sequences),
	};

	int ret;

	have_soft = soft_open();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	if (have_soft)
		soft_close();
	return ret;
}
