// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_reset.c - what happens when something hangs, smallest means first.
 *
 * DOC: policy
 *
 * A queue's timer may expire although its job did nothing wrong: another context's launch may
 * occupy the core. What is limited is the time a job occupies its core. A launch can start only
 * when the launch before it on that core has ended, and the driver sees every end; so a job that
 * runs now has been running since the later of "it became the first of its queue" and "the last
 * launch on its core ended". The queue's timer runs at a quarter of the limit and asks here:
 *
 * 1. Take completions, of everybody who uses the core: an interrupt may have been lost, or be under
 *    way, and until the end of the launch before is known its time looks like this job's.
 * 2. The core runs another queue's launch: innocent, ask again later.
 * 3. The core runs this queue: if for longer than the limit, the firmware kills the launch, the
 *    fence gets -ETIME, the context is banned. Other contexts go on.
 * 4. The core is idle: the card overlooked the job. Ring the doorbell; if that did not help for
 *    as long as the limit, the queue is given up like in 3.
 *
 * A member of a gang that waits for others to join does not occupy its core: it looks like 2 or 4,
 * and launches of others that come and go would excuse it for ever. Its wait counts as its own
 * time, whoever has the core. So a launch that is not on the core and has been the first of its
 * queue for as long as the limit is asked for at the firmware, which kills it only if it waits so.
 * One whose gang is complete and that waits for its core is as innocent as any other launch that
 * does; one that is on its core and waits for such a member is not.
 *
 * Copies and fills need no core: theirs is the time since they became the first, and another's
 * launch is no excuse. A queue whose ring went wrong stops without a completion, which is found
 * here too.
 *
 * A firmware that does not answer wedges the card: the reset register stops it, bus mastering is
 * switched off, every fence ends with -EIO and so does every later call. Bringing a card back from
 * there belongs here too: between axon_reset_card() and axon_fw_boot() nothing but the queues'
 * re-creation is missing.
 */
#include <linux/iopoll.h>

#include "axon_ctx.h"
#include "axon_device.h"
#include "axon_fw_drv.h"
#include "axon_mbox_drv.h"
#include "axon_prime.h"
#include "axon_queue.h"
#include "axon_reset.h"
#include "axon_sched.h"

#define AXON_RESET_DEADLINE_US	(5 * USEC_PER_SEC)

/**
 * axon_reset_card() - reset the whole card
 * @axdev: the card
 *
 * Return: 0, or -ETIMEDOUT if it did not come back.
 */
int axon_reset_card(struct axon_device *axdev)
{
	u32 stage;
	int ret;

	axon_write(axdev, AXON_REG_RESET, AXON_RESET_CARD);
	ret = read_poll_timeout(axon_read, stage, stage == AXON_STAGE_IDLE, 100,
				AXON_RESET_DEADLINE_US, false, axdev, AXON_REG_BOOT_STAGE);
	if (ret)
		drm_err(&axdev->drm, "card reset did not end, stage \"%s\"\n",
			axon_fw_stage_name(stage));
	return ret;
}

/**
 * axon_reset_stop_dma() - on return the card no longer touches memory, the host's or another card's
 * @axdev: the card
 *
 * The last resort before memory is freed that the card could not be asked to let go. For good: the
 * driver boots a card only when it is bound.
 */
void axon_reset_stop_dma(struct axon_device *axdev)
{
	if (READ_ONCE(axdev->at_rest))
		return;
	if (!axon_reset_card(axdev))
		WRITE_ONCE(axdev->at_rest, true);
	pci_clear_master(axdev->pdev);
}

static void wedge_work(struct work_struct *work)
{
	struct axon_device *axdev = container_of(work, struct axon_device, wedge_work);
	int idx;

	if (!drm_dev_enter(&axdev->drm, &idx))
		return;
	axon_mbox_stop(axdev);
	axon_reset_stop_dma(axdev);
	atomic_inc(&axdev->reset_count);
	axon_queue_fail_all(axdev, -EIO, false);
	/* not here: timeouts wait for this work queue */
	queue_work(system_unbound_wq, &axdev->cut_work);
	drm_dev_exit(idx);
}

static void cut_work(struct work_struct *work)
{
	axon_prime_cut(container_of(work, struct axon_device, cut_work), false);
}

/**
 * axon_device_wedge() - give the card up until it is bound again
 * @axdev: the card
 * @why: for the log
 *
 * Any context. Fences end soon after, from a work item.
 */
void axon_device_wedge(struct axon_device *axdev, const char *why)
{
	if (atomic_xchg(&axdev->state, DRM_AXON_STATE_WEDGED) == DRM_AXON_STATE_WEDGED)
		return;
	drm_err(&axdev->drm, "card given up: %s\n", why);
	queue_work(axdev->reset_wq, &axdev->wedge_work);
}

/**
 * axon_reset_init() - before anything that may wedge
 * @axdev: the card
 */
void axon_reset_init(struct axon_device *axdev)
{
	INIT_WORK(&axdev->wedge_work, wedge_work);
	INIT_WORK(&axdev->cut_work, cut_work);
}

/**
 * axon_reset_fini() - nothing of this file runs for the card any more
 * @axdev: the card, unplugged or never registered
 */
void axon_reset_fini(struct axon_device *axdev)
{
	cancel_work_sync(&axdev->wedge_work);
	cancel_work_sync(&axdev->cut_work);
}

/**
 * axon_reset_judge() - is the first job of a queue to be blamed for its timer?
 * @occupant: AXON_CORE_QUEUE of its core
 * @hwid: its queue
 * @first: the job
 * @limit_ns: how long it may be on the core
 *
 * Return: what to do.
 */
enum axon_verdict axon_reset_judge(u32 occupant, u32 hwid, const struct axon_first *first,
				   s64 limit_ns)
{
	bool elsewhere = occupant != hwid && occupant != AXON_NO_QUEUE;

	if (occupant != hwid && first->launch && first->first_ns >= limit_ns)
		return AXON_VERDICT_ASK;
	if (!elsewhere && first->occupied_ns >= limit_ns)
		return AXON_VERDICT_KILL;
	return occupant == AXON_NO_QUEUE ? AXON_VERDICT_NUDGE : AXON_VERDICT_INNOCENT;
}

/* What is known of the first job, and who has its core. Return: false if nothing is in flight. */
static bool reset_look(struct axon_queue *q, struct axon_first *first, u32 *occupant)
{
	/* in this order: the end of every launch before the one that is seen has been written */
	*occupant = axon_read(q->axdev, AXON_REG_CORE(q->core, AXON_CORE_QUEUE));
	axon_queue_poll_core(q->axdev, q->core);
	if (!axon_queue_poll(q, first))
		return false;
	if (!first->launch)
		*occupant = AXON_NO_QUEUE;
	return true;
}

static void reset_kill(struct axon_queue *q, const struct axon_first *first)
{
	drm_warn(&q->axdev->drm, "queue %u: job on core %u for %lld ms, limit %u ms: killed\n",
		 q->hwid, q->core, first->occupied_ns / NSEC_PER_MSEC, q->timeout_ms);
	axon_queue_kill_job(q);
}

/* The first job is a launch that is not on the core, and its time would be over. */
static void reset_ask(struct axon_queue *q, struct axon_first *first, s64 limit)
{
	u32 occupant;

	if (axon_queue_kill_waiter(q)) {
		drm_warn(&q->axdev->drm, "queue %u: job waited %lld ms for its gang: killed\n",
			 q->hwid, first->first_ns / NSEC_PER_MSEC);
		return;
	}
	/* it waits for its core, or has just got it, or the card has overlooked it all the time */
	if (!reset_look(q, first, &occupant) || occupant != AXON_NO_QUEUE)
		return;
	if (first->occupied_ns >= limit)
		reset_kill(q, first);
	else
		axon_queue_ring(q);
}

/**
 * axon_reset_timeout() - a queue's timer expired
 * @q: the queue
 *
 * On the reset work queue. Jobs may come and end meanwhile.
 */
void axon_reset_timeout(struct axon_queue *q)
{
	struct axon_device *axdev = q->axdev;
	s64 limit = (s64)q->timeout_ms * NSEC_PER_MSEC;
	struct axon_first first;
	u32 occupant;
	int idx;

	if (!drm_dev_enter(&axdev->drm, &idx))
		return;
	if (axon_device_wedged(axdev) || !reset_look(q, &first, &occupant))
		goto out;
	if (first.status != AXON_STATUS_OK) {
		axon_queue_give_up(q, first.status);
		goto out;
	}
	switch (axon_reset_judge(occupant, q->hwid, &first, limit)) {
	case AXON_VERDICT_INNOCENT:
		break;
	case AXON_VERDICT_ASK:
		reset_ask(q, &first, limit);
		break;
	case AXON_VERDICT_NUDGE:
		axon_queue_ring(q);
		break;
	case AXON_VERDICT_KILL:
		reset_kill(q, &first);
		break;
	}
out:
	drm_dev_exit(idx);
}
