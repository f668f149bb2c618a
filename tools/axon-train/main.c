// SPDX-License-Identifier: MIT
/*
 * main.c - axon-train: train a small language model on an Axon card.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nrt/nrt.h>

#include "curve.h"
#include "file.h"
#include "place.h"
#include "report.h"
#include "trainer.h"

/**
 * struct options - what is asked for
 * @config: settings
 * @given: which of them were named
 * @text: file of the text
 * @tokenizer: of its vocabulary, or NULL
 * @output: where the model goes
 * @vocabulary: where a vocabulary of characters goes
 * @checkpoint: file of the training, or NULL
 * @every: steps between two of them
 * @resume: file to go on from, or NULL
 * @curve: picture of the losses, or NULL
 * @log: JSON lines, or NULL
 * @where: core
 */
struct options {
	struct train_config config;
	uint32_t given;
	const char *text;
	const char *tokenizer;
	const char *output;
	char vocabulary[4096];
	const char *checkpoint;
	uint32_t every;
	const char *resume;
	const char *curve;
	const char *log;
	struct place where;
};

enum { OPT_CHECKPOINT = 0x1000, OPT_EVERY, OPT_RESUME, OPT_CURVE, OPT_LOG };

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void help(void)
{
	fputs("Usage: axon-train TEXT [options]\n\n"
	      "Train a small decoder-only transformer on a text, from scratch, on Axon cards.\n\n"
	      "  -o, --output FILE      model for axon-llm (default model.bin); a vocabulary made\n"
	      "                         of the text's characters goes to FILE.tok\n"
	      "  -z, --tokenizer FILE   vocabulary (default: the text's characters)\n"
	      "      --checkpoint FILE  keep the training there, to go on from\n"
	      "      --every N          steps between two writes (default 100)\n"
	      "      --resume FILE      go on from there, and keep the training there\n"
	      "      --curve FILE.svg   picture of the losses\n"
	      "      --log FILE         a line of JSON for each step\n", stdout);
	train_settings_help();
	fputs(place_options_help, stdout);
	fputs("  -h, --help             this text\n\n"
	      "An interrupt (Ctrl-C) ends it after the step, with everything written.\n", stdout);
}

/* ---- options ---- */

static int parse_option(int letter, const char *arg, struct options *o, struct llm_error *err)
{
	char *end;
	long n;

	switch (letter) {
	case 'o':
		o->output = arg;
		return 0;
	case 'z':
		o->tokenizer = arg;
		return 0;
	case OPT_CHECKPOINT:
		o->checkpoint = arg;
		return 0;
	case OPT_EVERY:
		n = strtol(arg, &end, 10);
		if (end == arg || *end || n < 1 || n > 100000000)
			return llm_fail(err, -EINVAL, "--every: '%s' is not a number of steps",
					arg);
		o->every = (uint32_t)n;
		return 0;
	case OPT_RESUME:
		o->resume = arg;
		return 0;
	case OPT_CURVE:
		o->curve = arg;
		return 0;
	case OPT_LOG:
		o->log = arg;
		return 0;
	case PLACE_OPT_CARD:
	case PLACE_OPT_CORE:
		return place_option(&o->where, letter, arg, err);
	default:
		return train_set(&o->config, (unsigned int)(letter - TRAIN_OPT_SETTING), arg,
				 &o->given, err);
	}
}

/* What no option alone can tell. */
static int check_options(struct options *o, struct llm_error *err)
{
	const size_t room = sizeof(o->vocabulary);
	const char *end = o->curve ? strrchr(o->curve, '.') : NULL;

	if (o->resume && o->checkpoint)
		return llm_fail(err, -EINVAL, "--resume keeps the training in its own file: "
				"--checkpoint cannot name another");
	if (o->curve && (!end || strcmp(end, ".svg")))
		return llm_fail(err, -EINVAL, "--curve: '%s' does not end in .svg, and that is "
				"the only format", o->curve);
	if ((size_t)snprintf(o->vocabulary, room, "%s.tok", o->output) >= room)
		return llm_fail(err, -EINVAL, "-o: the name is too long");
	return 0;
}

static int parse(int argc, char **argv, struct options *o, struct llm_error *err)
{
	static const struct option fixed[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "tokenizer", required_argument, NULL, 'z' },
		{ "checkpoint", required_argument, NULL, OPT_CHECKPOINT },
		{ "every", required_argument, NULL, OPT_EVERY },
		{ "resume", required_argument, NULL, OPT_RESUME },
		{ "curve", required_argument, NULL, OPT_CURVE },
		{ "log", required_argument, NULL, OPT_LOG },
		PLACE_LONG_OPTIONS,
		{ "help", no_argument, NULL, 'h' },
	};
	struct option all[sizeof(fixed) / sizeof(fixed[0]) + 33] = { 0 };
	const size_t n = sizeof(fixed) / sizeof(fixed[0]);
	int letter, ret;

	memcpy(all, fixed, sizeof(fixed));
	for (unsigned int i = 0; i < train_num_settings() && i < 32; i++)
		all[n + i] = (struct option){ train_setting_name(i), required_argument, NULL,
					      TRAIN_OPT_SETTING + (int)i };
	while ((letter = getopt_long(argc, argv, "o:z:h", all, NULL)) != -1) {
		if (letter == 'h') {
			help();
			exit(0);
		}
		if (letter == '?')
			return llm_fail(err, -EINVAL, "bad option (--help tells more)");
		ret = parse_option(letter, optarg, o, err);
		if (ret)
			return ret;
	}
	if (optind + 1 != argc)
		return llm_fail(err, -EINVAL, "one text is wanted (--help tells more)");
	o->text = argv[optind];
	return check_options(o, err);
}

/* ---- the training ---- */

/* Where the training is kept, or NULL. */
static const char *kept_in(const struct options *o)
{
	return o->resume ? o->resume : o->checkpoint;
}

/* It takes long before anything is written: see now whether it can be. */
static int check_outputs(const struct options *o, struct llm_error *err)
{
	int ret = llm_check_output(o->output, "model", err);

	if (!ret && !o->tokenizer)
		ret = llm_check_output(o->vocabulary, "tokenizer", err);
	if (!ret && kept_in(o))
		ret = llm_check_output(kept_in(o), "checkpoint", err);
	if (!ret && o->curve)
		ret = llm_check_output(o->curve, "curve", err);
	return ret;
}

static int resume(struct options *o, const struct corpus *corpus, struct training *t,
		  struct llm_error *err)
{
	int ret = save_read(o->resume, t, corpus, err);

	if (!ret)
		ret = corpus_check(corpus, &t->config, err);
	if (!ret)
		ret = train_config_agree(&o->config, o->given, &t->config, o->resume, err);
	return ret;
}

static int begin(struct options *o, const struct corpus *corpus, struct training *t,
		 struct llm_error *err)
{
	uint64_t params;
	int ret;

	if (o->resume)
		return resume(o, corpus, t, err);
	o->config.vocab = corpus->tok.vocab_size;
	train_config_complete(&o->config);
	ret = train_config_check(&o->config, err);
	if (!ret)
		ret = corpus_check(corpus, &o->config, err);
	if (ret)
		return ret;
	params = trainer_params(&o->config);
	if (!params)
		return llm_fail(err, -EINVAL, "a model of this shape is too large for the card's "
				"programs");
	ret = training_init(t, &o->config, params, err);
	if (!ret)
		trainer_begin(&o->config, t->p);
	return ret;
}

static int keep(const struct options *o, struct trainer *trainer, struct training *t,
		const struct corpus *corpus, struct llm_error *err)
{
	int ret = trainer_fetch(trainer, t, err);

	return ret || !kept_in(o) ? ret : save_write(kept_in(o), t, corpus, err);
}

static int steps(const struct options *o, struct trainer *trainer, struct training *t,
		 const struct corpus *corpus, struct report *report, struct llm_error *err)
{
	int ret = 0;

	while (!ret && !stop && t->step < t->config.steps) {
		float norm;

		ret = trainer_step(trainer, t, corpus, &norm, err);
		if (!ret)
			ret = report_step(report, t, train_rate(&t->config, t->step), norm, err);
		if (!ret && kept_in(o) && t->step % o->every == 0 && t->step < t->config.steps)
			ret = keep(o, trainer, t, corpus, err);
	}
	return ret ? ret : keep(o, trainer, t, corpus, err);
}

/* What is left of a training that has ended, or was ended. */
static int results(const struct options *o, const struct training *t,
		   const struct corpus *corpus, struct llm_error *err)
{
	const struct llm_config config = train_model_config(&t->config);
	const char *unit = corpus->own_vocabulary ? "nats per character" : "nats per token";
	int ret = llm_checkpoint_write(o->output, &config, t->p, err);

	if (!ret && corpus->own_vocabulary)
		ret = llm_tokenizer_write(&corpus->tok, o->vocabulary, err);
	if (!ret && o->curve && t->step)
		ret = curve_write(o->curve, t->loss, t->step, unit, o->text, err);
	if (ret)
		return ret;
	printf("%s: %llu parameters, step %u of %u, loss %.3f %s\n", o->output,
	       (unsigned long long)t->params, t->step, t->config.steps,
	       t->step ? curve_mean(t->loss, t->step) : 0.0, unit);
	printf("try: axon-llm %s -z %s\n", o->output, o->tokenizer ? o->tokenizer : o->vocabulary);
	if (t->step < t->config.steps && kept_in(o))
		printf("interrupted; to go on: axon-train %s%s%s --resume %s -o %s\n", o->text,
		       o->tokenizer ? " -z " : "", o->tokenizer ? o->tokenizer : "",
		       kept_in(o), o->output);
	else if (t->step < t->config.steps)
		printf("interrupted; without --checkpoint this training cannot go on\n");
	return 0;
}

static int train(struct options *o, const struct corpus *corpus, struct training *t,
		 struct llm_error *err)
{
	struct llm_error second = { "" };
	struct trainer *trainer;
	uint32_t cores[TRAIN_MAX_CARDS];
	struct report report;
	int ret = 0, end;

	for (uint32_t i = 0; !ret && i < t->config.cards; i++)
		ret = place_core(&o->where, i, &cores[i], err);
	if (!ret)
		ret = trainer_open(t, cores, &trainer, err);
	if (ret)
		return ret;
	ret = report_open(&report, o->log, t, corpus, o->text, err);
	if (!ret) {
		ret = steps(o, trainer, t, corpus, &report, err);
		end = report_close(&report, &second);
		if (!ret && end) {
			*err = second;
			ret = end;
		}
	}
	trainer_close(trainer);
	return ret ? ret : results(o, t, corpus, err);
}

static int run(struct options *o, struct llm_error *err)
{
	struct training t = { 0 };
	struct corpus corpus;
	int ret = check_outputs(o, err);

	if (!ret)
		ret = corpus_open(&corpus, o->text, o->tokenizer, err);
	if (ret)
		return ret;
	ret = begin(o, &corpus, &t, err);
	/* After the settings of a checkpoint have been read. */
	o->where.cards = t.config.cards;
	if (!ret)
		ret = place_start(&o->where, "axon-train", err);
	if (!ret) {
		ret = train(o, &corpus, &t, err);
		nrt_close();
	}
	training_fini(&t);
	corpus_close(&corpus);
	return ret;
}

int main(int argc, char **argv)
{
	/* The second signal ends it at once. */
	const struct sigaction sa = { .sa_handler = on_signal,
				      .sa_flags = SA_RESTART | SA_RESETHAND };
	struct options o = { .output = "model.bin", .every = 100, .where = PLACE_ANY };
	struct llm_error err = { "" };
	int ret;

	train_config_init(&o.config);
	if (parse(argc, argv, &o, &err)) {
		fprintf(stderr, "axon-train: %s\n", err.text);
		return 2;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	ret = run(&o, &err);
	if (!ret && fflush(stdout))
		ret = llm_fail(&err, -errno, "cannot print: %s", strerror(errno));
	if (ret)
		fprintf(stderr, "axon-train: %s\n", err.text);
	return ret ? 1 : 0;
}
