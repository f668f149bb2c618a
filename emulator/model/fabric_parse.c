// SPDX-License-Identifier: MIT
/*
 * fabric_parse.c - a fabric from text: the name of a shape, or a topology file.
 *
 * Only turns text into a struct axon_fabric_config; whether that makes a fabric,
 * axon_fabric_create() says. The text is the user's: everything that is not understood is an error
 * with its line.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axon_card.h"
#include "axon_hw.h"

#define MAX_LINKS	(AXON_MAX_PEERS * (AXON_MAX_PEERS - 1) / 2)
#define MAX_LINE	128

/**
 * struct parse - a text being read
 * @cfg: result
 * @links: of the result, room for MAX_LINKS
 * @near: neighbours of a place, one bit each
 * @given: members of @cfg that the caller had set, as in set_number()
 * @line: number of the line, from 1
 * @error: for the caller
 * @size: of @error
 */
struct parse {
	struct axon_fabric_config *cfg;
	struct axon_fabric_link *links;
	uint64_t near[AXON_MAX_PEERS];
	unsigned int given;
	unsigned int line;
	char *error;
	size_t size;
};

static __attribute__((format(printf, 2, 3))) int fail(struct parse *p, const char *fmt, ...)
{
	int used = 0;
	va_list ap;

	if (!p->error || !p->size)
		return -EINVAL;
	if (p->line)
		used = snprintf(p->error, p->size, "line %u: ", p->line);
	va_start(ap, fmt);
	if ((size_t)used < p->size)
		vsnprintf(p->error + used, p->size - (size_t)used, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- shapes ---- */

/* The shapes name some links twice: a ring of two, a torus with a side of two. */
static void join(struct parse *p, uint32_t a, uint32_t b)
{
	if (a == b || p->near[a] >> b & 1)
		return;
	p->near[a] |= 1ull << b;
	p->near[b] |= 1ull << a;
	p->links[p->cfg->num_links++] = (struct axon_fabric_link){ a, b };
}

static void torus(struct parse *p, uint32_t rows, uint32_t columns)
{
	for (uint32_t r = 0; r < rows; r++) {
		for (uint32_t c = 0; c < columns; c++) {
			join(p, r * columns + c, r * columns + (c + 1) % columns);
			join(p, r * columns + c, (r + 1) % rows * columns + c);
		}
	}
}

static uint32_t most_square(uint32_t places)
{
	uint32_t rows = 1;

	for (uint32_t r = 2; r * r <= places; r++)
		if (places % r == 0)
			rows = r;
	return rows;
}

/* Return: 1 if @word is no shape. */
static int shape(struct parse *p, const char *word)
{
	uint32_t places = p->cfg->places, rows, columns;
	char more;

	if (!strcmp(word, "pair")) {
		if (places != 2)
			return fail(p, "a pair has 2 cards, not %u", places);
		join(p, 0, 1);
	} else if (!strcmp(word, "ring")) {
		torus(p, 1, places);
	} else if (!strcmp(word, "torus")) {
		rows = most_square(places);
		torus(p, rows, places / rows);
	} else if (!strncmp(word, "torus:", 6)) {
		if (strspn(word + 6, "0123456789x") != strlen(word + 6) ||
		    sscanf(word + 6, "%4ux%4u%c", &rows, &columns, &more) != 2)
			return fail(p, "'%s' is not torus:ROWSxCOLUMNS", word);
		if (rows * columns != places)
			return fail(p, "%s is not for %u cards", word, places);
		torus(p, rows, columns);
	} else if (!strcmp(word, "mesh")) {
		for (uint32_t a = 0; a < places; a++)
			for (uint32_t b = a + 1; b < places; b++)
				join(p, a, b);
	} else {
		return 1;
	}
	return 0;
}

/* ---- lines ---- */

static bool number(const char *word, uint64_t max, uint64_t *value)
{
	char *end;

	if (!word || *word < '0' || *word > '9')
		return false;
	errno = 0;
	*value = strtoull(word, &end, 10);
	return !errno && !*end && *value <= max;
}

static int link_line(struct parse *p, const char *first, const char *second)
{
	uint64_t a, b;

	if (!number(first, UINT32_MAX, &a) || !number(second, UINT32_MAX, &b))
		return fail(p, "link takes two cards");
	if (a >= p->cfg->places || b >= p->cfg->places)
		return fail(p, "no card %u, there are %u", (unsigned int)(a > b ? a : b),
			    p->cfg->places);
	if (a == b)
		return fail(p, "card %u is linked to itself", (unsigned int)a);
	if (p->near[a] >> b & 1)
		return fail(p, "cards %u and %u are linked already", (unsigned int)a,
			    (unsigned int)b);
	join(p, (uint32_t)a, (uint32_t)b);
	return 0;
}

/* A number of all links, unless the caller had given it. Return: 1 if @word names none. */
static int set_number(struct parse *p, const char *word, const char *text)
{
	static const char *const names[] = { "latency-ns", "lanes", "bandwidth", "credits" };
	struct axon_fabric_config *c = p->cfg;
	uint64_t value;
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (!strcmp(word, names[i]))
			break;
	if (i == 4)
		return 1;
	if (!number(text, i < 2 ? UINT32_MAX : UINT64_MAX, &value) || !value)
		return fail(p, "%s takes a number above 0", word);
	if (p->given >> i & 1)
		return 0;
	if (i == 0)
		c->latency_ns = (uint32_t)value;
	else if (i == 1)
		c->lanes = (uint32_t)value;
	else if (i == 2)
		c->bandwidth = value;
	else
		c->credits = value;
	return 0;
}

static int parse_line(struct parse *p, char *line)
{
	char *save, *word = strtok_r(line, " \t\r", &save), *arg[2];
	int ret;

	if (!word)
		return 0;
	arg[0] = strtok_r(NULL, " \t\r", &save);
	arg[1] = arg[0] ? strtok_r(NULL, " \t\r", &save) : NULL;
	if (arg[1] && strtok_r(NULL, " \t\r", &save))
		return fail(p, "too many words");
	if (!strcmp(word, "link"))
		return link_line(p, arg[0], arg[1]);
	if (arg[1])
		return fail(p, "too many words");
	ret = set_number(p, word, arg[0]);
	if (ret <= 0)
		return ret;
	if (p->cfg->num_links && !arg[0])
		return fail(p, "'%s' after other links", word);
	ret = arg[0] ? 1 : shape(p, word);
	if (ret > 0)
		return fail(p, "'%s' is no topology and no line of a topology file", word);
	return ret;
}

static int parse_text(struct parse *p, const char *text)
{
	bool one = !strchr(text, '\n');

	while (*text) {
		size_t len = strcspn(text, "\n"), used = strcspn(text, "#\n");
		char line[MAX_LINE];
		int ret;

		p->line += !one;
		if (used >= sizeof(line))
			return fail(p, "line too long");
		memcpy(line, text, used);
		line[used] = 0;
		ret = parse_line(p, line);
		if (ret)
			return ret;
		text += len;
		text += *text == '\n';
	}
	p->line = 0;
	if (!p->cfg->num_links && p->cfg->places > 1)
		return fail(p, "no links");
	return 0;
}

int axon_fabric_parse(const char *text, struct axon_fabric_config *config, char *error,
		      size_t size)
{
	struct axon_fabric_config cfg = *config;
	struct parse p = {
		.cfg = &cfg, .error = error, .size = size,
		.given = (cfg.latency_ns ? 1u : 0) | (cfg.lanes ? 2u : 0) |
			 (cfg.bandwidth ? 4u : 0) | (cfg.credits ? 8u : 0),
	};
	int ret;

	if (cfg.places < 1 || cfg.places > AXON_MAX_PEERS)
		return fail(&p, "a fabric has 1 to %u cards, not %u", AXON_MAX_PEERS, cfg.places);
	p.links = calloc(MAX_LINKS, sizeof(*p.links));
	if (!p.links)
		return -ENOMEM;
	cfg.num_links = 0;
	ret = parse_text(&p, text);
	if (ret) {
		free(p.links);
		return ret;
	}
	cfg.links = p.links;
	*config = cfg;
	return 0;
}
