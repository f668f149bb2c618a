// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_mbox.c - requests to the firmware, its events, its log.
 *
 * One request is under way at a time; each has a sequence number and a deadline. A firmware that
 * misses the deadline or breaks the protocol is not asked again: the card is wedged. Timeouts and
 * kills come through here, so nothing is allocated while the lock is held.
 */
#include <linux/delay.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <drm/drm_managed.h>

#include "axon_device.h"
#include "axon_mbox_drv.h"
#include "axon_queue.h"

/* The emulated card's firmware is itself emulated: what takes it 100 us may take 100 ms. */
#define AXON_MBOX_DEADLINE_MS	5000

static const char * const mbox_status_name[] = {
	[AXON_MBOX_OK] = "OK",
	[AXON_MBOX_BAD_TYPE] = "BAD_TYPE",
	[AXON_MBOX_BAD_LENGTH] = "BAD_LENGTH",
	[AXON_MBOX_BAD_ID] = "BAD_ID",
	[AXON_MBOX_BAD_PARAM] = "BAD_PARAM",
	[AXON_MBOX_BUSY] = "BUSY",
	[AXON_MBOX_NOT_FOUND] = "NOT_FOUND",
};

static int mbox_errno(struct axon_device *axdev, u32 type, u32 status)
{
	if (status == AXON_MBOX_OK)
		return 0;
	drm_dbg_driver(&axdev->drm, "firmware refused request %u: %s (%u)\n", type,
		       status < ARRAY_SIZE(mbox_status_name) ? mbox_status_name[status] : "?",
		       status);
	switch (status) {
	case AXON_MBOX_BUSY:
		return -EBUSY;
	case AXON_MBOX_NOT_FOUND:
		return -ENOENT;
	default:
		return -EINVAL;
	}
}

/*
 * Take responses out of the ring until the one with @seq. Return: 1 found, 0 not there yet,
 * -EPROTO the firmware's indices make no sense.
 */
static int mbox_take(struct axon_device *axdev, u32 seq, struct axon_mbox_msg *msg)
{
	struct axon_mbox_state *mb = &axdev->mbox;
	u32 tail = readl(&mb->mem->resp_tail);

	if (tail - mb->resp_head > AXON_MBOX_SLOTS)
		return -EPROTO;
	while (mb->resp_head != tail) {
		memcpy_fromio(msg, &mb->mem->response[mb->resp_head % AXON_MBOX_SLOTS],
			      sizeof(*msg));
		mb->resp_head++;
		writel(mb->resp_head, &mb->mem->resp_head);
		if (msg->seq == seq)
			return 1;
		dev_warn_ratelimited(axdev->drm.dev, "firmware answered a request %u nobody made\n",
				     msg->seq);
	}
	return 0;
}

static void mbox_send(struct axon_device *axdev, const struct axon_mbox_msg *msg)
{
	struct axon_mbox_state *mb = &axdev->mbox;

	reinit_completion(&mb->done);
	memcpy_toio(&mb->mem->request[mb->req_tail % AXON_MBOX_SLOTS], msg, sizeof(*msg));
	/* the message before the index that publishes it: writel() orders */
	mb->req_tail++;
	writel(mb->req_tail, &mb->mem->req_tail);
	axon_write(axdev, AXON_REG_MBOX_DOORBELL, 1);
}

static int mbox_wait(struct axon_device *axdev, u32 seq, struct axon_mbox_msg *msg)
{
	unsigned long end = jiffies + msecs_to_jiffies(AXON_MBOX_DEADLINE_MS);
	struct axon_mbox_state *mb = &axdev->mbox;

	for (;;) {
		int ret = mbox_take(axdev, seq, msg);

		if (ret > 0)
			return 0;
		/* looked at afterwards: a reset that follows it leaves nothing that makes sense */
		if (READ_ONCE(mb->dead))
			return -ENODEV;
		if (ret)
			return ret;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		/* look now and then even if an interrupt got lost */
		wait_for_completion_timeout(&mb->done, msecs_to_jiffies(100));
		reinit_completion(&mb->done);
	}
}

static int mbox_call(struct axon_device *axdev, u32 type, const void *req, u32 req_len,
		     void *resp, u32 resp_len)
{
	struct axon_mbox_state *mb = &axdev->mbox;
	struct axon_mbox_msg msg = { .type = type, .length = req_len };
	int ret = -ENODEV;

	if (req_len)
		memcpy(msg.data, req, req_len);
	mutex_lock(&mb->lock);
	if (!READ_ONCE(mb->dead)) {
		if (++mb->seq == 0)
			mb->seq = 1;
		msg.seq = mb->seq;
		mbox_send(axdev, &msg);
		ret = mbox_wait(axdev, mb->seq, &msg);
	}
	mutex_unlock(&mb->lock);

	if (!ret && (msg.type != type || (msg.status == AXON_MBOX_OK && msg.length != resp_len)))
		ret = -EPROTO;
	if (ret == -ETIMEDOUT || ret == -EPROTO) {
		drm_err(&axdev->drm, "firmware request %u: %s\n", type,
			ret == -EPROTO ? "broken answer" : "no answer in time");
		axon_device_wedge(axdev, "the firmware does not answer");
		return -EIO;
	}
	if (ret)
		return axon_device_wedged(axdev) ? -EIO : ret;
	ret = mbox_errno(axdev, type, msg.status);
	if (!ret && resp_len)
		memcpy(resp, msg.data, resp_len);
	return ret;
}

/**
 * axon_mbox_ping() - is the firmware alive?
 * @axdev: the card
 * @ping: its answer
 *
 * Return: 0 or a negative errno.
 */
int axon_mbox_ping(struct axon_device *axdev, struct axon_mbox_ping *ping)
{
	return mbox_call(axdev, AXON_MBOX_PING, NULL, 0, ping, sizeof(*ping));
}

/**
 * axon_mbox_as_create() - let an address space translate
 * @axdev: the card
 * @asid: which
 * @root: HBM offset of its root table
 *
 * Return: 0 or a negative errno.
 */
int axon_mbox_as_create(struct axon_device *axdev, u32 asid, u64 root)
{
	struct axon_mbox_as as = { .asid = asid, .root = root };

	return mbox_call(axdev, AXON_MBOX_AS_CREATE, &as, sizeof(as), NULL, 0);
}

/**
 * axon_mbox_as_destroy() - end of an address space; no queue uses it
 * @axdev: the card
 * @asid: which
 *
 * Return: 0 or a negative errno.
 */
int axon_mbox_as_destroy(struct axon_device *axdev, u32 asid)
{
	struct axon_mbox_as as = { .asid = asid };

	return mbox_call(axdev, AXON_MBOX_AS_DESTROY, &as, sizeof(as), NULL, 0);
}

/**
 * axon_mbox_as_invalidate() - make the card forget cached translations
 * @axdev: the card
 * @asid: of which address space
 *
 * Return: 0 or a negative errno.
 */
int axon_mbox_as_invalidate(struct axon_device *axdev, u32 asid)
{
	struct axon_mbox_as as = { .asid = asid };

	return mbox_call(axdev, AXON_MBOX_AS_INVALIDATE, &as, sizeof(as), NULL, 0);
}

/**
 * axon_mbox_queue_create() - start a hardware queue
 * @axdev: the card
 * @queue: its description
 *
 * Return: 0 or a negative errno.
 */
int axon_mbox_queue_create(struct axon_device *axdev, const struct axon_mbox_queue *queue)
{
	return mbox_call(axdev, AXON_MBOX_QUEUE_CREATE, queue, sizeof(*queue), NULL, 0);
}

/**
 * axon_mbox_queue_destroy() - end of a hardware queue and of its running launch
 * @axdev: the card
 * @hwid: which
 *
 * Return: 0 or a negative errno.
 */
int axon_mbox_queue_destroy(struct axon_device *axdev, u32 hwid)
{
	struct axon_mbox_queue_id id = { .queue = hwid };

	return mbox_call(axdev, AXON_MBOX_QUEUE_DESTROY, &id, sizeof(id), NULL, 0);
}

/**
 * axon_mbox_core_reset() - kill the launch of a queue
 * @axdev: the card
 * @core: core it runs on
 * @hwid: the queue
 *
 * Return: 0; -ENOENT: that queue does not run there; or another negative errno.
 */
int axon_mbox_core_reset(struct axon_device *axdev, u32 core, u32 hwid)
{
	struct axon_mbox_core c = { .core = core, .queue = hwid };

	return mbox_call(axdev, AXON_MBOX_CORE_RESET, &c, sizeof(c), NULL, 0);
}

/**
 * axon_mbox_gang_reset() - kill the launch of a queue if it waits for others to join its gang
 * @axdev: the card
 * @core: its core
 * @hwid: the queue
 *
 * Return: 0; -ENOENT: it does not wait for them; or another negative errno.
 */
int axon_mbox_gang_reset(struct axon_device *axdev, u32 core, u32 hwid)
{
	struct axon_mbox_core c = { .core = core, .queue = hwid };

	return mbox_call(axdev, AXON_MBOX_GANG_RESET, &c, sizeof(c), NULL, 0);
}

/**
 * axon_mbox_telemetry() - take the sensors as last published
 * @axdev: the card; inside drm_dev_enter()
 * @t: result
 *
 * Return: 0; -EAGAIN: the firmware was writing each time; -EIO: wedged.
 */
int axon_mbox_telemetry(struct axon_device *axdev, struct axon_telemetry *t)
{
	struct axon_telemetry __iomem *io = &axdev->mbox.mem->telemetry;
	int tries, ret = -EAGAIN;

	if (axon_device_wedged(axdev))
		return -EIO;
	mutex_lock(&axdev->telemetry_lock);
	for (tries = 0; tries < 100 && ret; tries++) {
		u32 seq = readl(&io->seq);

		if (!(seq & 1)) {
			memcpy_fromio(t, io, sizeof(*t));
			/* the values were read before the sequence number is read again */
			rmb();
			if (readl(&io->seq) == seq)
				ret = 0;
		}
		if (ret)
			usleep_range(20, 100);
	}
	mutex_unlock(&axdev->telemetry_lock);
	return ret;
}

/**
 * axon_mbox_show_log() - print the firmware's log
 * @axdev: the card; inside drm_dev_enter()
 * @m: where to
 */
void axon_mbox_show_log(struct axon_device *axdev, struct seq_file *m)
{
	struct axon_mbox __iomem *mem = axdev->mbox.mem;
	u32 tail = readl(&mem->log_tail);
	u32 len = min_t(u32, tail, AXON_MBOX_LOG_SIZE);
	u32 start = tail - len;
	char *text;
	u32 i;

	text = kvmalloc(AXON_MBOX_LOG_SIZE, GFP_KERNEL);
	if (!text)
		return;
	memcpy_fromio(text, mem->log, AXON_MBOX_LOG_SIZE);
	for (i = 0; i < len; i++) {
		char c = text[(start + i) % AXON_MBOX_LOG_SIZE];

		/* it is the device's text: nothing but plain characters gets through */
		seq_putc(m, c == '\n' || c == '\t' || (c >= ' ' && c <= '~') ? c : '?');
	}
	kvfree(text);
}

static void mbox_event(struct axon_device *axdev, const struct axon_mbox_event *ev)
{
	switch (ev->type) {
	case AXON_EVENT_FAULT:
		axon_queue_fault_event(axdev, &ev->fault);
		break;
	case AXON_EVENT_THERMAL:
		dev_warn_ratelimited(axdev->drm.dev, "die temperature %lld millidegrees\n",
				     (s64)ev->value);
		break;
	case AXON_EVENT_ECC:
		drm_err_ratelimited(&axdev->drm, "%llu uncorrected memory errors\n", ev->value);
		break;
	default:
		dev_warn_ratelimited(axdev->drm.dev, "unknown event %u of the firmware\n",
				     ev->type);
	}
}

/**
 * axon_mbox_irq_events() - take the firmware's events
 * @axdev: the card
 *
 * In interrupt context. Bounded: no more events than the ring has.
 */
void axon_mbox_irq_events(struct axon_device *axdev)
{
	struct axon_mbox_state *mb = &axdev->mbox;
	struct axon_mbox_event ev;
	unsigned long flags;
	u32 tail;

	spin_lock_irqsave(&mb->event_lock, flags);
	tail = readl(&mb->mem->event_tail);
	if (tail - mb->event_head > AXON_MBOX_EVENTS) {
		drm_err_ratelimited(&axdev->drm, "event index of the firmware makes no sense\n");
		mb->event_head = tail;
	}
	while (mb->event_head != tail) {
		memcpy_fromio(&ev, &mb->mem->event[mb->event_head % AXON_MBOX_EVENTS], sizeof(ev));
		mb->event_head++;
		mbox_event(axdev, &ev);
	}
	writel(mb->event_head, &mb->mem->event_head);
	spin_unlock_irqrestore(&mb->event_lock, flags);
}

/**
 * axon_mbox_irq_response() - there may be a response
 * @axdev: the card
 */
void axon_mbox_irq_response(struct axon_device *axdev)
{
	complete(&axdev->mbox.done);
}

/**
 * axon_mbox_init() - before anything else of the mailbox
 * @axdev: the card
 *
 * Return: 0 or a negative errno.
 */
int axon_mbox_init(struct axon_device *axdev)
{
	struct axon_mbox_state *mb = &axdev->mbox;
	int ret;

	ret = drmm_mutex_init(&axdev->drm, &mb->lock);
	if (ret)
		return ret;
	init_completion(&mb->done);
	spin_lock_init(&mb->event_lock);
	mb->dead = true;
	mb->mem = axdev->regs + AXON_MBOX_OFFSET;
	return drmm_mutex_init(&axdev->drm, &axdev->telemetry_lock);
}

/**
 * axon_mbox_start() - the firmware said that it is ready
 * @axdev: the card
 *
 * Return: 0 or a negative errno.
 */
int axon_mbox_start(struct axon_device *axdev)
{
	struct axon_mbox_state *mb = &axdev->mbox;
	u32 magic = readl(&mb->mem->magic);
	u32 abi = readl(&mb->mem->abi);

	if (magic != AXON_MBOX_MAGIC) {
		drm_err(&axdev->drm, "mailbox has magic %#x, not %#x\n", magic, AXON_MBOX_MAGIC);
		return -EPROTO;
	}
	if (abi >> 16 != AXON_MBOX_ABI_MAJOR) {
		drm_err(&axdev->drm, "firmware speaks mailbox ABI %u.%u, this driver %u.%u\n",
			abi >> 16, abi & 0xffff, AXON_MBOX_ABI_MAJOR, AXON_MBOX_ABI_MINOR);
		return -EPROTO;
	}
	axdev->fw_mbox_abi = abi;
	axdev->fw_version = readl(&mb->mem->fw_version);
	memcpy_fromio(axdev->fw_version_str, mb->mem->fw_version_str,
		      sizeof(axdev->fw_version_str));
	axdev->fw_version_str[sizeof(axdev->fw_version_str) - 1] = '\0';

	/* axon_fw_boot() zeroed the host's words before the firmware started */
	mutex_lock(&mb->lock);
	mb->req_tail = 0;
	mb->resp_head = 0;
	mb->event_head = 0;
	WRITE_ONCE(mb->dead, false);
	mutex_unlock(&mb->lock);
	return 0;
}

/**
 * axon_mbox_stop() - refuse requests from now on, end the one under way
 * @axdev: the card
 */
void axon_mbox_stop(struct axon_device *axdev)
{
	WRITE_ONCE(axdev->mbox.dead, true);
	complete(&axdev->mbox.done);
}
