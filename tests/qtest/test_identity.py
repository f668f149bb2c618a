# SPDX-License-Identifier: MIT
"""What the bus sees of a card: ids, BARs, capabilities, the identity registers."""
import unittest

from card import C, Card
from machine import Machine, card_args


class Identity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vm = Machine(card_args(0, more=",cores=3") + card_args(1))
        cls.addClassCleanup(cls.vm.close)
        cls.card = Card(cls.vm, 0)
        cls.other = Card(cls.vm, 1)

    def test_ids(self):
        ids = self.vm.read(self.card.config)
        self.assertEqual(ids, C["AXON_PCI_DEVICE_ID"] << 16 | C["AXON_PCI_VENDOR_ID"])
        self.assertEqual(self.vm.read(self.card.config + 8),
                         C["AXON_PCI_CLASS"] << 16 | C["AXON_REVISION_A1"])

    def bar_size(self, index):
        at = self.card.config + 0x10 + 4 * index
        saved = self.vm.read(at), self.vm.read(at + 4)
        self.vm.write(self.card.config + 4, 4, 2)
        self.vm.write(at, 0xffffffff)
        self.vm.write(at + 4, 0xffffffff)
        low, high = self.vm.read(at), self.vm.read(at + 4)
        self.vm.write(at, saved[0])
        self.vm.write(at + 4, saved[1])
        self.vm.write(self.card.config + 4, 6, 2)
        mask = (high << 32 | low & ~15) if low & 4 else 0xffffffff00000000 | low & ~15
        return low & 15, -mask & (1 << 64) - 1

    def test_bars(self):
        self.assertEqual(self.bar_size(C["AXON_BAR_REGS"]), (4, C["AXON_BAR0_SIZE"]))
        self.assertEqual(self.bar_size(C["AXON_BAR_HBM"]), (12, 64 << 20))
        self.assertEqual(self.bar_size(C["AXON_BAR_MSIX"]), (0, 4096))

    def test_capabilities(self):
        pcie = self.vm.capability(self.card.config, 0x10)
        self.assertTrue(pcie, "PCI Express")
        self.assertTrue(self.vm.read(self.card.config + pcie + 4) & 1 << 28, "FLR")
        msix = self.vm.capability(self.card.config, 0x11)
        self.assertEqual(self.vm.read(self.card.config + msix + 2, 2) & 0x7ff,
                         C["AXON_NUM_VECTORS"] - 1)
        self.assertTrue(self.vm.capability(self.card.config, 0x01), "power management")
        self.assertEqual(self.vm.extended_capability(self.card.config, 1), 0x100, "AER")
        serial = self.vm.extended_capability(self.card.config, 3)
        self.assertEqual(self.vm.read(self.card.config + serial + 4), 1000)

    def test_registers(self):
        card = self.card
        self.assertEqual(card.reg("ID"), C["AXON_ID_MAGIC"])
        self.assertEqual(card.reg("VERSION") >> 16, C["AXON_HW_VERSION_MAJOR"])
        self.assertEqual(card.reg("REVISION"), C["AXON_REVISION_A1"])
        self.assertEqual(card.reg("CORES"), 3)
        self.assertEqual(self.other.reg("CORES"), 2)
        self.assertEqual(card.reg("HBM_SIZE_LO"), 64 << 20)
        self.assertEqual(card.reg("HBM_SIZE_HI"), 0)
        self.assertEqual(card.reg("SERIAL_LO"), 1000)
        self.assertEqual(self.other.reg("SERIAL_LO"), 1001)
        self.assertEqual(card.reg("VECTORS"), C["AXON_NUM_VECTORS"])
        self.assertEqual(card.stage(), C["AXON_STAGE_IDLE"])

    def test_hbm_is_memory(self):
        self.vm.store(self.card.hbm + 0x12345, b"the first card")
        self.vm.store(self.other.hbm + 0x12345, b"the other card")
        self.assertEqual(self.vm.load(self.card.hbm + 0x12345, 14), b"the first card")
        self.assertEqual(self.vm.load(self.other.hbm + 0x12345, 14), b"the other card")
