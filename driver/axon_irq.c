// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_irq.c - MSI-X vectors: 0 is the firmware's, the others serve queues.
 *
 * Completions are taken in the hard interrupt, since a thread would cost more than the work.
 */
#include <linux/interrupt.h>

#include "axon_device.h"
#include "axon_link.h"
#include "axon_mbox_drv.h"
#include "axon_queue.h"

static irqreturn_t irq_firmware(int irq, void *data)
{
	struct axon_vector *vec = data;
	struct axon_device *axdev = vec->axdev;
	u32 status = axon_read(axdev, AXON_REG_INT_STATUS) & AXON_INT_ALL;

	if (!status)
		return IRQ_NONE;
	/* acknowledged before it is served: what comes meanwhile raises it again */
	axon_write(axdev, AXON_REG_INT_STATUS, status);
	if (status & AXON_INT_MBOX_EVENT)
		axon_mbox_irq_events(axdev);
	if (status & AXON_INT_MBOX_RESPONSE)
		axon_mbox_irq_response(axdev);
	if (status & AXON_INT_LINK)
		axon_link_irq(axdev);
	if (status & AXON_INT_FW_DEAD)
		axon_device_wedge(axdev, "the firmware died");
	return IRQ_HANDLED;
}

static irqreturn_t irq_queues(int irq, void *data)
{
	struct axon_vector *vec = data;
	struct axon_queue *q;

	spin_lock(&vec->lock);
	list_for_each_entry(q, &vec->queues, vec_link)
		axon_queue_irq(q);
	spin_unlock(&vec->lock);
	/* edge triggered and not shared: an interrupt whose work was done before is no fault */
	return IRQ_HANDLED;
}

/**
 * axon_irq_vector_of() - which interrupt serves a queue
 * @axdev: the card
 * @hwid: hardware queue
 *
 * Return: 1..num_vectors - 1.
 */
u32 axon_irq_vector_of(struct axon_device *axdev, u32 hwid)
{
	return 1 + hwid % (axdev->num_vectors - 1);
}

/**
 * axon_irq_fini() - no interrupt handler runs any more
 * @axdev: the card
 */
void axon_irq_fini(struct axon_device *axdev)
{
	u32 i;

	axon_write(axdev, AXON_REG_INT_MASK, 0);
	for (i = 0; i < axdev->num_vectors; i++) {
		if (axdev->vec[i].irq)
			free_irq(axdev->vec[i].irq, &axdev->vec[i]);
		axdev->vec[i].irq = 0;
	}
	pci_free_irq_vectors(axdev->pdev);
}

/**
 * axon_irq_init() - request the interrupts
 * @axdev: the card
 *
 * Return: 0 or a negative errno.
 */
int axon_irq_init(struct axon_device *axdev)
{
	u32 i, want = min(axon_read(axdev, AXON_REG_VECTORS), AXON_NUM_VECTORS);
	int ret;

	if (want < 2) {
		drm_err(&axdev->drm, "card has %u interrupt vectors, needs 2\n", want);
		return -ENODEV;
	}
	for (i = 0; i < AXON_NUM_VECTORS; i++) {
		axdev->vec[i].axdev = axdev;
		spin_lock_init(&axdev->vec[i].lock);
		INIT_LIST_HEAD(&axdev->vec[i].queues);
	}
	ret = pci_alloc_irq_vectors(axdev->pdev, 2, want, PCI_IRQ_MSIX);
	if (ret < 0) {
		drm_err(&axdev->drm, "no MSI-X vectors (%d)\n", ret);
		return ret;
	}
	axdev->num_vectors = ret;
	axon_write(axdev, AXON_REG_INT_MASK, 0);
	axon_write(axdev, AXON_REG_INT_STATUS, AXON_INT_ALL);
	for (i = 0; i < axdev->num_vectors; i++) {
		struct axon_vector *vec = &axdev->vec[i];
		int irq = pci_irq_vector(axdev->pdev, i);

		snprintf(vec->name, sizeof(vec->name), i ? "axon-q%u" : "axon-fw", i);
		ret = request_irq(irq, i ? irq_queues : irq_firmware, 0, vec->name, vec);
		if (ret) {
			axon_irq_fini(axdev);
			return ret;
		}
		vec->irq = irq;
	}
	axon_write(axdev, AXON_REG_INT_MASK, AXON_INT_ALL);
	return 0;
}
