// SPDX-License-Identifier: MIT
/*
 * place.c - which core a program runs on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <axon/axon.h>
#include <nrt/nrt.h>

#include "place.h"

#define REASON_SIZE	256

const char place_options_help[] =
	"      --card N           run on this card (default: the first free core of any)\n"
	"      --core N           run on this core of it (without --card: of all cards)\n";

static int parse_index(const char *name, const char *arg, int *out, struct llm_error *err)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(arg, &end, 10);
	if (end == arg || *end || errno || v < 0 || v > 65535)
		return llm_fail(err, -EINVAL, "%s: '%s' is not the number of one", name, arg);
	*out = v;
	return 0;
}

int place_option(struct place *where, int letter, const char *arg, struct llm_error *err)
{
	if (letter == PLACE_OPT_CARD)
		return parse_index("--card", arg, &where->card, err);
	return parse_index("--core", arg, &where->core, err);
}

/* Cores of the cards before @card, and of @card itself. */
static int count_cores(int card, uint32_t *before, uint32_t *own, struct llm_error *err)
{
	uint32_t cards, cores;
	int ret = axon_device_count(&cards);

	if (ret)
		return llm_fail(err, ret, "cannot list the cards: %s", strerror(-ret));
	if ((uint32_t)card >= cards)
		return llm_fail(err, -ENODEV, "there is no card %d (cards: %u)", card, cards);
	*before = 0;
	for (int i = 0; i <= card; i++) {
		struct axon_device *dev;

		ret = axon_device_open(i, &dev);
		if (ret)
			return llm_fail(err, ret, "cannot open card %d: %s", i, strerror(-ret));
		cores = 0;
		ret = axon_device_cores(dev, NULL, &cores);
		axon_device_close(dev);
		if (ret)
			return llm_fail(err, ret, "card %d does not answer: %s", i, strerror(-ret));
		if (i < card)
			*before += cores;
	}
	*own = cores;
	return 0;
}

/* All cores of the cards: the runtime takes no list with gaps. */
static int choose_cards(const struct place *where, struct llm_error *err)
{
	uint32_t before = 0, own = 0;
	char text[32];
	int ret;

	if (where->card >= 0)
		return llm_fail(err, -EINVAL, "--card names one card, but %u are wanted",
				where->cards);
	ret = count_cores((int)where->cards - 1, &before, &own, err);
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "0-%u", before + own - 1);
	setenv("NEURON_RT_VISIBLE_CORES", text, 1);
	return 0;
}

int place_core(const struct place *where, uint32_t card, uint32_t *vnc, struct llm_error *err)
{
	uint32_t before, own, core = where->core < 0 ? 0 : (uint32_t)where->core;
	int ret;

	*vnc = 0;
	if (where->cards <= 1)
		return 0;
	ret = count_cores((int)card, &before, &own, err);
	if (!ret && core >= own)
		ret = llm_fail(err, -ENODEV, "card %u has no core %u (cores: %u)", card, core, own);
	if (!ret)
		*vnc = before + core;
	return ret;
}

/* The runtime takes its cores from the environment; without a wish it would take them all. */
static int choose_core(const struct place *where, struct llm_error *err)
{
	uint32_t first = 0, own = 0;
	char text[32];
	int ret;

	if (where->cards > 1)
		return choose_cards(where, err);
	if (where->card < 0 && where->core < 0) {
		if (!getenv("NEURON_RT_VISIBLE_CORES"))
			setenv("NEURON_RT_NUM_CORES", "1", 0);
		return 0;
	}
	if (where->card >= 0) {
		ret = count_cores(where->card, &first, &own, err);
		if (ret)
			return ret;
	}
	if (where->card >= 0 && where->core >= 0 && (uint32_t)where->core >= own)
		return llm_fail(err, -ENODEV, "card %d has no core %d (cores: %u)", where->card,
				where->core, own);
	if (where->card >= 0 && where->core < 0) {
		/* Any core of this card: offer all, load on the first. */
		snprintf(text, sizeof(text), "%u-%u", first, first + own - 1);
	} else {
		snprintf(text, sizeof(text), "%u", first + where->core);
	}
	setenv("NEURON_RT_VISIBLE_CORES", text, 1);
	return 0;
}

/* Keeps the first reason that the library gives. */
static void keep_reason(void *opaque, enum axon_log_level level, const char *line)
{
	char *why = opaque;

	if (level == AXON_LOG_ERROR && !why[0])
		snprintf(why, REASON_SIZE, "%s", line);
}

/* nrt_init() says little: look at the cards themselves. */
static void explain_no_core(char *why)
{
	struct axon_device *dev;
	char path[128];
	uint32_t cards = 0;
	int ret = axon_device_count(&cards);

	why[0] = '\0';
	if (ret) {
		snprintf(why, REASON_SIZE, "AXON_DEVICE: %s", strerror(-ret));
		return;
	}
	for (uint32_t i = 0; i < cards; i++) {
		ret = axon_device_path_of(i, path, sizeof(path));
		if (!ret)
			ret = axon_device_open_path(path, keep_reason, why, &dev);
		if (!ret)
			axon_device_close(dev);
		else if (!why[0])
			snprintf(why, REASON_SIZE, "%s: %s", path, strerror(-ret));
	}
	if (!cards)
		snprintf(why, REASON_SIZE, "there is no card");
	else if (!why[0])
		snprintf(why, REASON_SIZE, "every core of %u card(s) is taken", cards);
}

int place_start(const struct place *where, const char *name, struct llm_error *err)
{
	char why[REASON_SIZE];
	NRT_STATUS status;
	int ret = choose_core(where, err);

	if (ret)
		return ret;
	status = nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, name, "");
	if (status == NRT_SUCCESS)
		return 0;
	explain_no_core(why);
	return llm_fail(err, -ENODEV,
			"no core to run on: %s (%s). axon-ls lists the cards; without one, "
			"AXON_DEVICE=soft uses a soft card in this process",
			why, nrt_get_status_as_str(status));
}
