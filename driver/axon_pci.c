// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_pci.c - the PCI function: finding it, its BARs, leaving it.
 *
 * A function reset that somebody asks the PCI core for (sysfs "reset") gives the card up, and
 * tells its users so at once. Recovery from bus errors (AER) and power management hang here later:
 * the PCI core does its default.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>

#include <drm/drm_drv.h>

#include "axon_device.h"
#include "axon_drv.h"

static int pci_map(struct axon_device *axdev)
{
	struct pci_dev *pdev = axdev->pdev;
	resource_size_t hbm = pci_resource_len(pdev, AXON_BAR_HBM);
	int ret;

	if (pci_resource_len(pdev, AXON_BAR_REGS) < AXON_BAR0_SIZE) {
		drm_err(&axdev->drm, "BAR 0 is too small\n");
		return -ENODEV;
	}
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = pcim_request_all_regions(pdev, AXON_DRIVER_NAME);
	if (ret)
		return ret;
	axdev->regs = pcim_iomap(pdev, AXON_BAR_REGS, 0);
	axdev->hbm_phys = pci_resource_start(pdev, AXON_BAR_HBM);
	axdev->hbm_io = devm_ioremap_wc(&pdev->dev, axdev->hbm_phys, hbm);
	if (!axdev->regs || !axdev->hbm_io) {
		drm_err(&axdev->drm, "BARs could not be mapped\n");
		return -ENOMEM;
	}
	/* a page table entry holds 52 bits of bus address */
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(52));
	if (ret)
		return ret;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	return 0;
}

static int axon_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct axon_device *axdev;
	int ret;

	axdev = devm_drm_dev_alloc(&pdev->dev, &axon_drm_driver, struct axon_device, drm);
	if (IS_ERR(axdev))
		return PTR_ERR(axdev);
	axdev->pdev = pdev;
	pci_set_drvdata(pdev, axdev);
	ret = pci_map(axdev);
	if (!ret)
		ret = axon_device_init(axdev);
	if (!ret)
		ret = axon_device_start(axdev);
	if (ret)
		return ret;
	ret = axon_hwmon_init(axdev);
	if (!ret)
		ret = axon_sysfs_init(axdev);
	if (!ret) {
		axon_debugfs_init(axdev);
		ret = drm_dev_register(&axdev->drm, 0);
	}
	if (ret) {
		axon_device_unplug(axdev);
		return ret;
	}
	drm_info(&axdev->drm, "%u cores, %llu MiB of HBM, %u queues, serial %llx\n",
		 axdev->num_cores, axdev->hbm_size >> 20, axdev->num_queues, axdev->serial);
	return 0;
}

static void axon_pci_remove(struct pci_dev *pdev)
{
	axon_device_unplug(pci_get_drvdata(pdev));
}

/* The next kernel shall find a card that does no DMA. */
static void axon_pci_shutdown(struct pci_dev *pdev)
{
	axon_device_unplug(pci_get_drvdata(pdev));
}

/* What the driver knows of the card is void after an FLR, so it ends before; it is bound anew. */
static void axon_pci_reset_prepare(struct pci_dev *pdev)
{
	struct axon_device *axdev = pci_get_drvdata(pdev);

	axon_device_wedge(axdev, "function reset");
	flush_work(&axdev->wedge_work);
	flush_work(&axdev->cut_work);
}

static const struct pci_error_handlers axon_pci_err_handler = {
	.reset_prepare = axon_pci_reset_prepare,
};

static const struct pci_device_id axon_pci_ids[] = {
	{ PCI_DEVICE(AXON_PCI_VENDOR_ID, AXON_PCI_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, axon_pci_ids);

static struct pci_driver axon_pci_driver = {
	.name = AXON_DRIVER_NAME,
	.id_table = axon_pci_ids,
	.probe = axon_pci_probe,
	.remove = axon_pci_remove,
	.shutdown = axon_pci_shutdown,
	.err_handler = &axon_pci_err_handler,
	.dev_groups = axon_sysfs_groups,
};

int axon_pci_register(void)
{
	return pci_register_driver(&axon_pci_driver);
}

void axon_pci_unregister(void)
{
	pci_unregister_driver(&axon_pci_driver);
}
