# SPDX-License-Identifier: MIT
"""Registers and doorbells used wrongly: the card says so once and goes on."""
import unittest

from card import C, Card
from machine import Machine, card_args


class BadAccess(unittest.TestCase):
    def setUp(self):
        self.vm = Machine(card_args(0))
        self.addCleanup(self.vm.close)
        self.card = Card(self.vm)
        self.clear()

    def clear(self):
        self.card.set_reg("ACCESS_ERROR", 0xffffffff)
        self.assertEqual(self.card.reg("ACCESS_ERROR"), 0)

    def test_hole_reads_all_ones(self):
        self.assertEqual(self.card.reg(0x0ffc), 0xffffffff)
        self.assertEqual(self.card.reg("ACCESS_ERROR"), 0x0ffc | 1)

    def test_first_error_is_kept(self):
        self.card.set_reg(0x0ff8, 1)
        self.card.set_reg(0x0ffc, 1)
        self.assertEqual(self.card.reg("ACCESS_ERROR"), 0x0ff8 | 1)

    def test_read_only_register(self):
        self.card.set_reg("CORES", 77)
        self.assertEqual(self.card.reg("CORES"), 2)
        self.assertEqual(self.card.reg("ACCESS_ERROR"), C["AXON_REG_CORES"] | 1)

    def test_beyond_the_registers(self):
        for offset in (0x10000, 0x7fffc, 0x90000, 0xffffc):
            self.assertEqual(self.card.reg(offset), 0xffffffff)
            self.card.set_reg(offset, 0x12345678)
            self.assertNotEqual(self.card.reg("ACCESS_ERROR"), 0)
            self.clear()

    def test_narrow_access(self):
        for size in (1, 2):
            ones = (1 << 8 * size) - 1
            self.assertEqual(self.vm.read(self.card.bar0 + C["AXON_REG_ID"], size), ones)
            self.assertNotEqual(self.card.reg("ACCESS_ERROR"), 0)
            self.clear()

    def test_narrow_write_is_dropped(self):
        self.card.set_reg("BOOT_SIZE", 0x11223344)
        self.vm.write(self.card.bar0 + C["AXON_REG_BOOT_SIZE"], 0x55, 1)
        self.vm.write(self.card.bar0 + C["AXON_REG_BOOT_SIZE"], 0x6666, 2)
        self.assertEqual(self.card.reg("BOOT_SIZE"), 0x11223344)

    def test_unaligned_access(self):
        self.assertEqual(self.vm.read(self.card.bar0 + C["AXON_REG_ID"] + 2, 4), 0xffffffff)
        self.assertNotEqual(self.card.reg("ACCESS_ERROR"), 0)

    def test_quad_is_two_words(self):
        value = self.vm.read(self.card.bar0 + C["AXON_REG_HBM_SIZE_LO"], 8)
        self.assertEqual(value, 64 << 20)
        self.assertEqual(self.card.reg("ACCESS_ERROR"), 0)

    def test_doorbells_without_queues(self):
        base = self.card.bar0 + C["AXON_DOORBELL_OFFSET"]
        for queue in range(C["AXON_MAX_QUEUES"]):
            self.vm.write(base + queue * C["AXON_DOORBELL_STRIDE"], 0xffffffff)
            self.vm.write(base + queue * C["AXON_DOORBELL_STRIDE"] + 0xffc, queue)
        self.assertEqual(self.card.reg("ID"), C["AXON_ID_MAGIC"])
        self.assertEqual(self.card.stage(), C["AXON_STAGE_IDLE"])

    def test_mailbox_before_boot(self):
        self.card.set_reg("MBOX_DOORBELL", 1)
        self.vm.store(self.card.mbox, b"\xff" * C["AXON_MBOX_SIZE"])
        self.card.set_reg("MBOX_DOORBELL", 1)
        self.assertEqual(self.card.stage(), C["AXON_STAGE_IDLE"])

    def test_reset_needs_its_key(self):
        before = self.card.reg("RESET_COUNT")
        self.card.set_reg("RESET", 1)
        self.card.set_reg("RESET", 0xffffffff)
        self.assertEqual(self.card.reg("RESET_COUNT"), before)
        self.card.reset()
        self.assertEqual(self.card.reg("RESET_COUNT"), before + 1)
