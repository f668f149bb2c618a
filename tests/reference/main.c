// SPDX-License-Identifier: MIT
/*
 * main.c - llama-ref: tell a story with the reference decoder. Takes axon-llm's options, so
 * that a test or a benchmark can run the one in place of the other.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "generate.h"
#include "llama_ref.h"
#include "sampler.h"

struct engine {
	const struct llm_checkpoint *ckpt;
	struct llama_ref *ref;
};

static int step(void *opaque, uint32_t token, uint32_t pos, float *logits, uint32_t *next,
		struct llm_error *err)
{
	const struct engine *e = opaque;
	const uint32_t vocab = e->ckpt->config.vocab_size;
	const float *result = llama_ref_step(e->ref, token, pos);

	if (logits)
		memcpy(logits, result, vocab * sizeof(*logits));
	if (next)
		*next = llm_argmax(result, vocab);
	return 0;
}

static int run(const struct llm_options *opt, struct llm_error *err)
{
	struct llm_checkpoint ckpt;
	struct llm_tokenizer tok;
	struct llm_stats stats;
	struct engine e;
	int ret;

	ret = llm_checkpoint_open(&ckpt, opt->model, err);
	if (ret)
		return ret;
	ret = llm_tokenizer_open(&tok, opt->tokenizer, ckpt.config.vocab_size, err);
	if (ret)
		goto out;
	e.ckpt = &ckpt;
	e.ref = llama_ref_create(&ckpt);
	if (e.ref)
		ret = llm_generate(&ckpt, &tok, opt, step, &e, stdout, &stats, err);
	else
		ret = llm_fail(err, -ENOMEM, "no memory for the key/value cache");
	if (!ret && stats.tokens)
		fprintf(stderr, "llama-ref: %u tokens, %.1f tokens/s\n", stats.tokens,
			stats.tokens / stats.seconds);
	llama_ref_free(e.ref);
	llm_tokenizer_close(&tok);
out:
	llm_checkpoint_close(&ckpt);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		LLM_LONG_OPTIONS,
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct llm_error err = { "" };
	struct llm_options opt;
	int c;

	llm_options_init(&opt);
	while ((c = getopt_long(argc, argv, LLM_SHORT_OPTIONS "h", long_options, NULL)) != -1) {
		if (c == 'h') {
			printf("Usage: llama-ref MODEL [options]\n\n%s", llm_options_help);
			return 0;
		}
		if (c == '?')
			return 2;
		if (llm_option(&opt, c, optarg, &err)) {
			fprintf(stderr, "llama-ref: %s\n", err.text);
			return 2;
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr, "llama-ref: name one model file (see --help)\n");
		return 2;
	}
	opt.model = argv[optind];
	if (run(&opt, &err)) {
		fprintf(stderr, "llama-ref: %s\n", err.text);
		return 1;
	}
	return 0;
}
