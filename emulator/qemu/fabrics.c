/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabrics.c - the fabrics of this QEMU, by name.
 *
 * A fabric is made by the first card that names it and goes with the last, so that cards can be
 * plugged and unplugged in any order. Everything here runs under the BQL. It must never guess: two
 * cards that describe a fabric differently are an error, not a fabric of either kind.
 */
#include "compat.h"
#include "fabrics.h"

#define FILE_PREFIX "file="

/**
 * struct AxonFabric - a fabric
 * @next: in the list of all
 * @name: what its cards call it
 * @topology: as given
 * @cards: places
 * @users: cards
 * @fabric: the model's
 */
struct AxonFabric {
	QLIST_ENTRY(AxonFabric) next;
	char *name;
	char *topology;
	uint32_t cards;
	unsigned int users;
	struct axon_fabric *fabric;
};

static QLIST_HEAD(, AxonFabric) axon_fabrics = QLIST_HEAD_INITIALIZER(axon_fabrics);

static AxonFabric *axon_fabric_find(const char *name)
{
	AxonFabric *f;

	QLIST_FOREACH(f, &axon_fabrics, next)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

/* Text for the model's parser, to be freed. */
static char *axon_fabric_text(const char *topology, Error **errp)
{
	GError *err = NULL;
	char *text;

	if (!g_str_has_prefix(topology, FILE_PREFIX))
		return g_strdup(topology);
	if (g_file_get_contents(topology + strlen(FILE_PREFIX), &text, NULL, &err))
		return text;
	error_setg(errp, "cannot read the topology: %s", err->message);
	g_error_free(err);
	return NULL;
}

static struct axon_fabric *axon_fabric_make(const char *topology, uint32_t cards, Error **errp)
{
	struct axon_fabric_config config = { .places = cards };
	g_autofree char *text = axon_fabric_text(topology, errp);
	struct axon_fabric *fabric = NULL;
	char why[128] = "";
	int ret;

	if (!text)
		return NULL;
	ret = axon_fabric_parse(text, &config, why, sizeof(why));
	if (ret) {
		error_setg(errp, "topology '%s' of %u cards: %s", topology, cards,
			   why[0] ? why : strerror(-ret));
		return NULL;
	}
	do {	/* 0 says that there is none */
		qemu_guest_getrandom_nofail(&config.uid, sizeof(config.uid));
	} while (!config.uid);
	ret = axon_fabric_create(&config, &fabric);
	if (ret == -EINVAL)
		error_setg(errp, "topology '%s' of %u cards: not every card can be reached, or "
			   "what links are made of is out of range", topology, cards);
	else if (ret)
		error_setg_errno(errp, -ret, "cannot create the fabric");
	free((void *)config.links);	/* the model's, not GLib's */
	return ret ? NULL : fabric;
}

AxonFabric *axon_named_fabric_get(const char *name, const char *topology, uint32_t cards,
				  Error **errp)
{
	AxonFabric *f = axon_fabric_find(name);
	struct axon_fabric *made;

	if (f && (f->cards != cards || strcmp(f->topology, topology))) {
		error_setg(errp, "fabric '%s' is '%s' of %u cards, this card says '%s' of %u", name,
			   f->topology, f->cards, topology, cards);
		return NULL;
	}
	if (f) {
		f->users++;
		return f;
	}
	made = axon_fabric_make(topology, cards, errp);
	if (!made)
		return NULL;
	f = g_new0(AxonFabric, 1);
	f->name = g_strdup(name);
	f->topology = g_strdup(topology);
	f->cards = cards;
	f->users = 1;
	f->fabric = made;
	QLIST_INSERT_HEAD(&axon_fabrics, f, next);
	return f;
}

void axon_named_fabric_put(AxonFabric *f)
{
	if (!f || --f->users)
		return;
	QLIST_REMOVE(f, next);
	axon_fabric_destroy(f->fabric);
	g_free(f->name);
	g_free(f->topology);
	g_free(f);
}

struct axon_fabric *axon_named_fabric_of(AxonFabric *f)
{
	return f ? f->fabric : NULL;
}
