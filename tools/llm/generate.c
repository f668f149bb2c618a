// SPDX-License-Identifier: MIT
/*
 * generate.c - the command line and the loop of a program that tells a story.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "generate.h"
#include "sampler.h"

const char llm_options_help[] =
	"  -z, --tokenizer FILE   the model's vocabulary (default tokenizer.bin)\n"
	"  -i, --prompt TEXT      text to go on from (default: none)\n"
	"  -n, --steps N          tokens to produce (default 256; 0: all the model can)\n"
	"  -t, --temperature X    0: always the best token, 1: as the model says (default 1.0)\n"
	"  -p, --top-p X          choose among the best tokens with this probability together\n"
	"                         (default 0.9; 0 or 1: among all)\n"
	"  -s, --seed N           of the random numbers (default: from the clock)\n"
	"      --print-tokens     print token numbers, one a line, instead of text\n";

void llm_options_init(struct llm_options *opt)
{
	memset(opt, 0, sizeof(*opt));
	opt->tokenizer = "tokenizer.bin";
	opt->prompt = "";
	opt->temperature = 1.0f;
	opt->topp = 0.9f;
	opt->steps = 256;
	opt->seed = time(NULL);
}

static int parse_float(const char *name, const char *arg, float max, float *out,
		       struct llm_error *err)
{
	char *end;
	float v;

	errno = 0;
	v = strtof(arg, &end);
	if (end == arg || *end || errno || !(v >= 0.0f && v <= max))
		return llm_fail(err, -EINVAL, "%s: '%s' is not a number from 0 to %g", name, arg,
				max);
	*out = v;
	return 0;
}

static int parse_int(const char *name, const char *arg, long long *out, struct llm_error *err)
{
	char *end;

	errno = 0;
	*out = strtoll(arg, &end, 10);
	if (end == arg || *end || errno)
		return llm_fail(err, -EINVAL, "%s: '%s' is not a whole number", name, arg);
	return 0;
}

int llm_option(struct llm_options *opt, int letter, const char *arg, struct llm_error *err)
{
	long long v;
	int ret;

	switch (letter) {
	case 't':
		return parse_float("-t", arg, 100.0f, &opt->temperature, err);
	case 'p':
		return parse_float("-p", arg, 1.0f, &opt->topp, err);
	case 's':
		ret = parse_int("-s", arg, &v, err);
		if (!ret && v > 0)	/* 0 and less: by the clock, as before */
			opt->seed = v;
		return ret;
	case 'n':
		ret = parse_int("-n", arg, &v, err);
		if (!ret)
			opt->steps = v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : v;
		return ret;
	case 'i':
		opt->prompt = arg;
		return 0;
	case 'z':
		opt->tokenizer = arg;
		return 0;
	case LLM_OPT_PRINT_TOKENS:
		opt->print_tokens = true;
		return 0;
	default:
		return -ENOENT;
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* All that lives as long as one story. */
struct story {
	const struct llm_checkpoint *ckpt;
	const struct llm_tokenizer *tok;
	const struct llm_options *opt;
	llm_step_fn step;
	void *opaque;
	FILE *out;
	struct llm_sampler sampler;
	float *logits;
	uint32_t *prompt;
	uint32_t n_prompt;
};

static int next_token(struct story *s, uint32_t token, uint32_t pos, uint32_t *next,
		      struct llm_error *err)
{
	const bool greedy = s->opt->temperature == 0.0f;
	int ret;

	if (pos + 1 < s->n_prompt) {
		*next = s->prompt[pos + 1];
		return s->step(s->opaque, token, pos, NULL, NULL, err);
	}
	ret = s->step(s->opaque, token, pos, greedy ? NULL : s->logits, greedy ? next : NULL, err);
	if (ret)
		return ret;
	if (!greedy)
		*next = llm_sample(&s->sampler, s->logits);
	if (*next >= s->ckpt->config.vocab_size)
		return llm_fail(err, -EIO, "step %u gave token %u of a vocabulary of %u", pos,
				*next, s->ckpt->config.vocab_size);
	return 0;
}

static int put_token(struct story *s, uint32_t prev, uint32_t id, struct llm_error *err)
{
	char byte;
	size_t len;
	const char *text;

	if (s->opt->print_tokens) {
		fprintf(s->out, "%u\n", id);
	} else {
		text = llm_tokenizer_decode(s->tok, prev, id, &byte, &len);
		fwrite(text, 1, len, s->out);
	}
	if (fflush(s->out) || ferror(s->out))
		return llm_fail(err, -errno, "cannot write the text: %s", strerror(errno));
	return 0;
}

static int tell(struct story *s, struct llm_stats *stats, struct llm_error *err)
{
	const uint32_t seq_len = s->ckpt->config.seq_len;
	uint32_t steps = s->opt->steps, token = s->prompt[0], next, pos;
	double start = 0.0;
	int ret;

	if (steps == 0 || steps > seq_len)
		steps = seq_len;
	for (pos = 0; pos < steps;) {
		ret = next_token(s, token, pos, &next, err);
		if (ret)
			return ret;
		pos++;
		if (next == LLM_TOKEN_BOS)
			break;
		ret = put_token(s, token, next, err);
		if (ret)
			return ret;
		token = next;
		if (start == 0.0)
			start = now();
	}
	if (pos > 1) {
		stats->tokens = pos - 1;
		stats->seconds = now() - start;
	}
	if (!s->opt->print_tokens && (fputc('\n', s->out) == EOF || fflush(s->out)))
		return llm_fail(err, -errno, "cannot write the text: %s", strerror(errno));
	return 0;
}

int llm_generate(const struct llm_checkpoint *ckpt, const struct llm_tokenizer *tok,
		 const struct llm_options *opt, llm_step_fn step, void *opaque, FILE *out,
		 struct llm_stats *stats, struct llm_error *err)
{
	struct story s = { .ckpt = ckpt, .tok = tok, .opt = opt, .step = step, .opaque = opaque,
			   .out = out };
	int ret;

	memset(stats, 0, sizeof(*stats));
	ret = llm_tokenizer_encode(tok, opt->prompt, &s.prompt, &s.n_prompt, err);
	if (ret)
		return ret;
	if (s.n_prompt > ckpt->config.seq_len) {
		ret = llm_fail(err, -E2BIG, "the prompt has %u tokens, the model's sequence %u",
			       s.n_prompt, ckpt->config.seq_len);
		goto out;
	}
	ret = llm_sampler_init(&s.sampler, ckpt->config.vocab_size, opt->temperature, opt->topp,
			       opt->seed);
	s.logits = calloc(ckpt->config.vocab_size, sizeof(*s.logits));
	if (ret || !s.logits)
		ret = llm_fail(err, -ENOMEM, "no memory for the scores");
	else
		ret = tell(&s, stats, err);
	llm_sampler_fini(&s.sampler);
	free(s.logits);
out:
	free(s.prompt);
	return ret;
}
