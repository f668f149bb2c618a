// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_link.c - the fabric a card is part of: who is in it, the ways there, and their state.
 *
 * A change of state is told to the operator: a line in the log, an event of the PCI device
 * (ACTION=change, AXON_LINK=<place>, AXON_LINK_STATE=<state>), a poll on link<place>/state. What is
 * done through links is not this file's business (axon_prime.c, axon_vm.c).
 */
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "axon_device.h"
#include "axon_link.h"

/**
 * axon_link_state_name() - word for a peer's state
 * @state: what the card says
 *
 * Return: a word.
 */
const char *axon_link_state_name(u32 state)
{
	static const char * const name[] = {
		[AXON_PEER_ABSENT] = "absent",
		[AXON_PEER_DOWN] = "down",
		[AXON_PEER_UP] = "up",
	};

	return state < ARRAY_SIZE(name) ? name[state] : "unknown";
}

/**
 * axon_link_joins() - can one card reach the other's memory?
 * @a: a card
 * @b: another
 *
 * Return: whether both are in one fabric.
 */
bool axon_link_joins(struct axon_device *a, struct axon_device *b)
{
	return a->fabric.uid && a->fabric.uid == b->fabric.uid && a->fabric.id != b->fabric.id;
}

/**
 * axon_link_read() - what the card says of the way to a peer
 * @axdev: the card; inside drm_dev_enter()
 * @peer: place, not the card's own
 * @link: result
 */
void axon_link_read(struct axon_device *axdev, u32 peer, struct drm_axon_link *link)
{
	*link = (struct drm_axon_link){
		.peer = peer,
		.state = axon_read(axdev, AXON_REG_PEER(peer, AXON_PEER_STATE)),
		.lanes = axon_read(axdev, AXON_REG_PEER(peer, AXON_PEER_LANES)),
		.distance = axon_read(axdev, AXON_REG_PEER(peer, AXON_PEER_HOPS)),
		.bandwidth = axon_read(axdev, AXON_REG_PEER(peer, AXON_PEER_BANDWIDTH)) *
			     1000000ull,
		.latency_ns = axon_read(axdev, AXON_REG_PEER(peer, AXON_PEER_LATENCY)),
		.errors = axon_read(axdev, AXON_REG_PEER(peer, AXON_PEER_ERRORS)),
		.written = axon_read_counter(axdev, AXON_REG_PEER(peer, AXON_PEER_WRITTEN_LO)),
		.read = axon_read_counter(axdev, AXON_REG_PEER(peer, AXON_PEER_READ_LO)),
		.posts = axon_read_counter(axdev, AXON_REG_PEER(peer, AXON_PEER_POSTS_LO)),
	};
}

static void link_tell(struct axon_device *axdev, u32 peer, u32 state)
{
	struct kobject *kobj = &axdev->pdev->dev.kobj;
	char link[24], word[32], folder[16];
	char *env[3] = { link, word, NULL };

	snprintf(link, sizeof(link), "AXON_LINK=%u", peer);
	snprintf(word, sizeof(word), "AXON_LINK_STATE=%s", axon_link_state_name(state));
	snprintf(folder, sizeof(folder), "link%u", peer);
	drm_info(&axdev->drm, "link to card %u: %s\n", peer, axon_link_state_name(state));
	kobject_uevent_env(kobj, KOBJ_CHANGE, env);
	sysfs_notify(kobj, folder, "state");
}

/* Compare the peers' states with what was told last. */
static void link_work(struct work_struct *work)
{
	struct axon_device *axdev = container_of(work, struct axon_device, fabric.work);
	struct axon_fabric *f = &axdev->fabric;
	u32 p;
	int idx;

	if (!drm_dev_enter(&axdev->drm, &idx))
		return;
	for (p = 0; p < f->cards; p++) {
		u32 state = axon_read(axdev, AXON_REG_PEER(p, AXON_PEER_STATE));

		if (p == f->id || state == f->told[p])
			continue;
		f->told[p] = state;
		link_tell(axdev, p, state);
	}
	drm_dev_exit(idx);
}

/**
 * axon_link_irq() - the card says that a peer's state changed
 * @axdev: the card
 *
 * In interrupt context.
 */
void axon_link_irq(struct axon_device *axdev)
{
	queue_work(system_wq, &axdev->fabric.work);
}

/**
 * axon_link_start() - what the states are now is no news; before interrupts are requested
 * @axdev: the card
 */
void axon_link_start(struct axon_device *axdev)
{
	u32 p;

	for (p = 0; p < axdev->fabric.cards; p++)
		axdev->fabric.told[p] = axon_read(axdev, AXON_REG_PEER(p, AXON_PEER_STATE));
}

/**
 * axon_link_stop() - nothing is told any more
 * @axdev: the card, its interrupts given back
 */
void axon_link_stop(struct axon_device *axdev)
{
	cancel_work_sync(&axdev->fabric.work);
}

/**
 * axon_link_init() - read which fabric the card is part of
 * @axdev: the card, its features known
 *
 * Return: 0, or -ENODEV if what the card says is impossible.
 */
int axon_link_init(struct axon_device *axdev)
{
	struct axon_fabric *f = &axdev->fabric;

	INIT_WORK(&f->work, link_work);
	f->id = AXON_NO_PEER;
	if (!(axdev->features & AXON_FEATURE_LINKS))
		return 0;
	f->id = axon_read(axdev, AXON_REG_FABRIC_ID);
	f->cards = axon_read(axdev, AXON_REG_FABRIC_CARDS);
	f->uid = axon_read64(axdev, AXON_REG_FABRIC_UID_LO);
	if (f->uid && f->cards <= AXON_MAX_PEERS && f->id < f->cards)
		return 0;
	drm_err(&axdev->drm, "card claims place %u of %u in fabric %016llx\n", f->id, f->cards,
		f->uid);
	return -ENODEV;
}
