// SPDX-License-Identifier: MIT
/*
 * card.c - ask a card, through libaxon.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <axon/axon.h>

#include "collect.h"

/* A card of this generation has far fewer; a larger answer is a broken one. */
#define MAX_ANSWER	4096u

static int ask_cores(struct axon_device *dev, struct collect_card *card)
{
	uint32_t count = 0;
	int ret = axon_device_cores(dev, NULL, &count);

	if (ret)
		return ret;
	if (!count || count > MAX_ANSWER)
		return -EPROTO;
	card->cores = calloc(count, sizeof(*card->cores));
	if (!card->cores)
		return -ENOMEM;
	card->n_cores = count;
	ret = axon_device_cores(dev, card->cores, &count);
	if (ret)
		return ret;
	if (count < card->n_cores)
		card->n_cores = count;
	card->valid |= COLLECT_CORES;
	return 0;
}

static int ask_links(struct axon_device *dev, struct collect_card *card)
{
	uint32_t count = 0;
	int ret = axon_device_links(dev, NULL, &count);

	if (ret)
		return ret;
	if (count > MAX_ANSWER)
		return -EPROTO;
	if (count) {
		card->links = calloc(count, sizeof(*card->links));
		if (!card->links)
			return -ENOMEM;
		card->n_links = count;
		ret = axon_device_links(dev, card->links, &count);
		if (ret)
			return ret;
		if (count < card->n_links)
			card->n_links = count;
	}
	card->valid |= COLLECT_LINKS;
	return 0;
}

static int ask_memory(struct axon_device *dev, struct collect_card *card)
{
	struct drm_axon_mem_region *regions;
	uint32_t count = 0;
	int ret = axon_device_regions(dev, NULL, &count);

	if (ret)
		return ret;
	if (!count || count > MAX_ANSWER)
		return -EPROTO;
	regions = calloc(count, sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	uint32_t room = count;

	ret = axon_device_regions(dev, regions, &count);
	if (!ret) {
		for (uint32_t i = 0; i < count && i < room; i++) {
			if (regions[i].region != DRM_AXON_REGION_HBM)
				continue;
			card->hbm_size += regions[i].size;
			card->hbm_used += regions[i].used;
		}
		card->valid |= COLLECT_MEMORY;
	}
	free(regions);
	return ret;
}

/* Every part that can be had; the first failure is the card's error. */
static void ask_open(struct axon_device *dev, struct collect_card *card)
{
	int ret = axon_device_query(dev, &card->device), part;

	if (!ret)
		card->valid |= COLLECT_DEVICE;
	part = ask_cores(dev, card);
	ret = ret ? ret : part;
	part = ask_memory(dev, card);
	ret = ret ? ret : part;
	part = ask_links(dev, card);
	ret = ret ? ret : part;
	part = axon_device_telemetry(dev, &card->telemetry);
	if (!part)
		card->valid |= COLLECT_TELEMETRY;
	card->error = ret ? ret : part;
}

/* The last error it tells of is the one that matters. */
static void keep_reason(void *opaque, enum axon_log_level level, const char *line)
{
	struct collect_card *card = opaque;

	if (level == AXON_LOG_ERROR)
		snprintf(card->reason, sizeof(card->reason), "%s", line);
}

void collect_ask(struct collect_card *card)
{
	struct axon_device *dev;

	card->error = axon_device_open_path(card->node, keep_reason, card, &dev);
	if (card->error)
		return;
	ask_open(dev, card);
	axon_device_close(dev);
}

static struct axon_device *soft_open(struct collect_card *card, uint32_t index)
{
	struct axon_device *dev = NULL;

	card->minor = index;
	card->numa_node = -1;
	card->soft = true;
	snprintf(card->node, sizeof(card->node), "soft:%u", index);
	card->error = axon_device_open_path(card->node, keep_reason, card, &dev);
	return dev;
}

int collect_soft(struct collect_reading *r)
{
	struct axon_device **devs;
	uint32_t count;
	uint32_t i;
	int ret = axon_device_count(&count);

	if (ret)
		return ret;
	devs = calloc(count, sizeof(struct axon_device *));
	if (!devs)
		return -ENOMEM;
	for (i = 0; !ret && i < count; i++)
		if (!collect_grow((void **)&r->cards, &r->n_cards, sizeof(*r->cards)))
			ret = -ENOMEM;
	/* All are open before one is asked, since each is asked for the others. */
	for (i = 0; !ret && i < count; i++)
		devs[i] = soft_open(&r->cards[i], i);
	for (i = 0; i < count; i++)
		if (devs[i])
			ask_open(devs[i], &r->cards[i]);
	for (i = 0; i < count; i++)
		axon_device_close(devs[i]);
	free(devs);
	return ret;
}
