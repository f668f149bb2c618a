// SPDX-License-Identifier: MIT
/*
 * main.c - axon-top: what the cards are doing, now and again.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frame.h"
#include "screen.h"

#define MIN_PERIOD	0.1
#define MAX_PERIOD	3600.0

static const char help[] =
	"Usage: axon-top [options]\n\n"
	"Show what the Axon cards of this machine are doing.\n\n"
	"  -d, --delay SECONDS    between two readings (default 1, 0.1 to 3600)\n"
	"      --once             print one frame as text and end; needs no terminal\n"
	"  -h, --help             this text\n\n"
	"Keys: q quit, arrows and page keys scroll, F share of time or TFLOP/s.\n"
	"A card that sleeps is shown as such and not woken.\n";

enum { OPT_ONCE = 1 };

static int read_machine(struct collect_reading *r)
{
	const struct collect_source src = { .root = "" };
	int ret = collect_read(&src, r);

	if (ret)
		fprintf(stderr, "axon-top: cannot read /sys/class/accel: %s\n", strerror(-ret));
	return ret;
}

static void sleep_for(double seconds)
{
	struct timespec ts = { .tv_sec = (time_t)seconds };

	ts.tv_nsec = (long)((seconds - ts.tv_sec) * 1e9);
	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Exit status: 0, or 1 when there is no card or one that does not answer. */
static int once(double period)
{
	struct collect_reading before, now;
	struct frame f;
	int ret = read_machine(&before);

	if (ret)
		return 1;
	sleep_for(period);
	ret = read_machine(&now);
	if (!ret)
		ret = frame_build(&f, &before, &now, false);
	if (!ret) {
		for (uint32_t i = 0; i < f.count; i++)
			puts(f.line[i].text);
		frame_free(&f);
		ret = fflush(stdout) ? -errno : 0;
		if (!now.n_cards)
			ret = -ENODEV;
		for (uint32_t i = 0; !ret && i < now.n_cards; i++)
			ret = now.cards[i].error;
		collect_free(&now);
	}
	collect_free(&before);
	return ret ? 1 : 0;
}

/* Readings go in turns into two places: the earlier one is what the later is compared with. */
static int watch(struct screen *s, double period)
{
	struct collect_reading r[2] = { 0 };
	enum screen_event event = SCREEN_TIMEOUT;
	bool flops = false;
	struct frame f;
	int now = 0, ret = read_machine(&r[0]);

	while (!ret && event != SCREEN_QUIT) {
		if (event == SCREEN_TOGGLE_FLOPS)
			flops = !flops;
		ret = frame_build(&f, &r[!now], &r[now], flops);
		if (ret)
			break;
		event = screen_show(s, &f, period);
		frame_free(&f);
		if (event == SCREEN_TIMEOUT) {
			now = !now;
			collect_free(&r[now]);
			ret = read_machine(&r[now]);
		}
	}
	collect_free(&r[0]);
	collect_free(&r[1]);
	return ret;
}

static int interactive(double period)
{
	struct screen *s;
	int ret = screen_open(&s);

	if (ret == -ENOTTY) {
		fprintf(stderr, "axon-top: this is no terminal; 'axon-top --once' prints one "
			"frame\n");
		return 1;
	}
	if (ret) {
		fprintf(stderr, "axon-top: cannot use this terminal (TERM=%s): %s\n",
			getenv("TERM") ? getenv("TERM") : "", strerror(-ret));
		return 1;
	}
	ret = watch(s, period);
	screen_close(s);
	if (ret)
		fprintf(stderr, "axon-top: %s\n", strerror(-ret));
	return ret ? 1 : 0;
}

static int parse_period(const char *text, double *period)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || *end || errno || !(v >= MIN_PERIOD && v <= MAX_PERIOD))
		return -EINVAL;
	*period = v;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "delay", required_argument, NULL, 'd' },
		{ "once", no_argument, NULL, OPT_ONCE },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *device = getenv("AXON_DEVICE");
	double period = 1.0;
	bool just_once = false;
	int c;

	while ((c = getopt_long(argc, argv, "d:h", long_options, NULL)) != -1) {
		switch (c) {
		case 'd':
			if (parse_period(optarg, &period)) {
				fprintf(stderr, "axon-top: -d: '%s' is not a number from "
					"%g to %g\n", optarg, MIN_PERIOD, MAX_PERIOD);
				return 2;
			}
			break;
		case OPT_ONCE:
			just_once = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (optind != argc) {
		fprintf(stderr, "axon-top: '%s' is not an option (see axon-top --help)\n",
			argv[optind]);
		return 2;
	}
	if (device && !strncmp(device, "soft", 4)) {
		fprintf(stderr, "axon-top: AXON_DEVICE=%s: a soft card lives inside the process "
			"that uses it and cannot be seen from here; unset AXON_DEVICE to watch the "
			"machine's cards\n", device);
		return 1;
	}
	return just_once ? once(period) : interactive(period);
}
