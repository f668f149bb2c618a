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

enum { OPT_CARD = 1, OPT_CORE };

static void help(void)
{
	printf("Usage: axon-llm MODEL [options]\n\n"
	       "Tell a story with a llama2.c checkpoint, computed on an Axon card.\n\n"
	       "%s"
	       "      --card N           run on this card (default: the first free core of any)\n"
	       "      --core N           run on this core of it (without --card: of all cards)\n"
	       "  -h, --help             this text\n\n"
	       "AXON_DEVICE=soft runs without a card, on a soft card in this process.\n"
	       "stories260K.bin and its tok512.bin are in the public collection\n"
	       "karpathy/tinyllamas.\n", llm_options_help);
}

static int parse_index(const char *name, const char *arg, int *out, struct llm_error *err)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(arg, &end, 10);
	if (end == arg || *end || errno || v < 0 || v > 65535)
		return llm_fail(err, -EINVAL, "%s: '%s' is not a number of one", name, arg);
	*out = v;
	return 0;
}

static int tell(const struct llm_options *opt, const struct llm_checkpoint *ckpt,
		const struct decoder_where *where, struct llm_error *err)
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

static int parse(int argc, char **argv, struct llm_options *opt, struct decoder_where *where,
		 struct llm_error *err)
{
	static const struct option long_options[] = {
		LLM_LONG_OPTIONS,
		{ "card", required_argument, NULL, OPT_CARD },
		{ "core", required_argument, NULL, OPT_CORE },
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
		case OPT_CARD:
			ret = parse_index("--card", optarg, &where->card, err);
			break;
		case OPT_CORE:
			ret = parse_index("--core", optarg, &where->core, err);
			break;
		default:
			ret = llm_option(opt, c, optarg, err);
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
	struct decoder_where where = { .card = -1, .core = -1 };
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
