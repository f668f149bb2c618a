// SPDX-License-Identifier: MIT
/*
 * main.c - axon-llm: let a small language model tell a story, computed on the card.
 *
 * stdout has the story alone, as it is made; everything else goes to stderr.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "decoder.h"
#include "generate.h"

static void help(void)
{
	printf("Usage: axon-llm MODEL [options]\n\n"
	       "Tell a story with a llama2.c checkpoint, computed on an Axon card.\n\n"
	       "%s"
	       "%s"
	       "  -h, --help             this text\n\n"
	       "AXON_DEVICE=soft runs without a card, on a soft card in this process.\n"
	       "stories260K.bin and its tok512.bin are in the public collection\n"
	       "karpathy/tinyllamas.\n", llm_options_help, place_options_help);
}

static int tell(const struct llm_options *opt, const struct llm_checkpoint *ckpt,
		const struct place *where, struct llm_error *err)
{
	struct llm_tokenizer tok;
	struct llm_stats stats;
	struct decoder *dec;
	int ret;

	ret = llm_tokenizer_open(&tok, opt->tokenizer, ckpt->config.vocab_size, err);
	if (ret)
		return ret;
	ret = decoder_create(ckpt, where, &dec, err);
	if (!ret) {
		ret = llm_generate(ckpt, &tok, opt, decoder_step, dec, stdout, &stats, err);
		decoder_free(dec);
	}
	if (!ret && stats.tokens)
		fprintf(stderr, "axon-llm: %u tokens, %.1f tokens/s\n", stats.tokens,
			stats.tokens / stats.seconds);
	llm_tokenizer_close(&tok);
	return ret;
}

static int parse(int argc, char **argv, struct llm_options *opt, struct place *where,
		 struct llm_error *err)
{
	static const struct option long_options[] = {
		LLM_LONG_OPTIONS,
		PLACE_LONG_OPTIONS,
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c, ret;

	while ((c = getopt_long(argc, argv, LLM_SHORT_OPTIONS "h", long_options, NULL)) != -1) {
		switch (c) {
		case 'h':
			help();
			exit(0);
		case '?':
			exit(2);
		case PLACE_OPT_CARD:
		case PLACE_OPT_CORE:
			ret = place_option(where, c, optarg, err);
			break;
		default:
			ret = llm_option(opt, c, optarg, err);
			break;
		}
		if (ret)
			return ret;
	}
	if (argc - optind != 1)
		return llm_fail(err, -EINVAL, "name one model file (see axon-llm --help)");
	opt->model = argv[optind];
	return 0;
}

int main(int argc, char **argv)
{
	struct place where = PLACE_ANY;
	struct llm_checkpoint ckpt;
	struct llm_error err = { "" };
	struct llm_options opt;
	int ret;

	llm_options_init(&opt);
	if (parse(argc, argv, &opt, &where, &err)) {
		fprintf(stderr, "axon-llm: %s\n", err.text);
		return 2;
	}
	ret = llm_checkpoint_open(&ckpt, opt.model, &err);
	if (!ret) {
		ret = tell(&opt, &ckpt, &where, &err);
		llm_checkpoint_close(&ckpt);
	}
	if (ret)
		fprintf(stderr, "axon-llm: %s\n", err.text);
	return ret ? 1 : 0;
}
