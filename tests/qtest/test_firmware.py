# SPDX-License-Identifier: MIT
"""The firmware on the emulated card: hand-shake, mailbox, and what happens when it dies."""
import unittest

from card import C, Card, MailboxError, firmware
from machine import Machine, card_args, pack, unpack, wait_until


class Firmware(unittest.TestCase):
    def setUp(self):
        self.vm = Machine(card_args(0))
        self.addCleanup(self.vm.close)
        self.card = Card(self.vm)
        self.card.boot(firmware())

    def test_handshake(self):
        magic, abi = unpack("II", self.vm.load(self.card.mbox, 8))
        self.assertEqual(magic, C["AXON_MBOX_MAGIC"])
        self.assertEqual(abi >> 16, C["AXON_MBOX_ABI_MAJOR"])

    def test_ping(self):
        first = unpack("QII", self.card.call("PING"))
        second = unpack("QII", self.card.call("PING"))
        self.assertGreaterEqual(second[0], first[0])
        self.assertEqual(second[2], first[2] + 1)

    def test_bad_requests(self):
        cases = ((0, b"", None, "BAD_TYPE"), (0xffff, b"", None, "BAD_TYPE"),
                 (C["AXON_MBOX_PING"], b"", 4, "BAD_LENGTH"),
                 (C["AXON_MBOX_AS_CREATE"], b"", 0xffff, "BAD_LENGTH"))
        for kind, data, length, error in cases:
            self.card.send(kind, data, length)
            self.assertEqual(self.card.receive()[1], C["AXON_MBOX_" + error])
        with self.assertRaises(MailboxError) as bad:
            self.card.call("AS_CREATE", pack("IIQ", 0xffffffff, 0, 0))
        self.assertEqual(bad.exception.status, C["AXON_MBOX_BAD_ID"])
        self.card.call("PING")

    def test_impossible_ring_index(self):
        """A tail far ahead of the head is refused or ignored, never followed."""
        self.vm.write(self.card.mbox + 112, 0x80000000)
        self.card.set_reg("MBOX_DOORBELL", 1)
        wait_until(lambda: self.card.stage() in (C["AXON_STAGE_READY"], C["AXON_STAGE_DEAD"]),
                   "the firmware's verdict")
        self.card.reset()
        self.card.boot(firmware())
        self.card.call("PING")

    def test_interrupt(self):
        self.card.enable_msix(0x8000)
        self.card.set_reg("INT_MASK", C["AXON_INT_MBOX_RESPONSE"])
        self.card.call("PING")
        wait_until(lambda: self.vm.read(0x8000) == 1, "the message of vector 0")
        self.assertTrue(self.card.reg("INT_STATUS") & C["AXON_INT_MBOX_RESPONSE"])
        self.card.set_reg("INT_STATUS", 7)
        self.assertEqual(self.card.reg("INT_STATUS"), 0)

    def test_stalled_firmware_is_reported_dead(self):
        self.vm.qmp("qom-set", path="/machine/peripheral/card0", property="x-stall-fw", value=1)
        self.card.wait_stage("DEAD")
        self.assertEqual(self.card.reg("BOOT_ERROR"), C["AXON_BOOT_WATCHDOG"])
        self.vm.qmp("qom-set", path="/machine/peripheral/card0", property="x-stall-fw", value=0)
        self.card.reset()
        self.card.boot(firmware())
        self.card.call("PING")

    def test_sensors(self):
        self.card.call("SET_TELEMETRY", pack("II", 10, 0))
        before = unpack("i", self.vm.load(self.card.mbox + 248, 4))[0]
        self.vm.qmp("qom-set", path="/machine/peripheral/card0", property="x-temp-offset",
                    value=30000)
        wait_until(lambda: unpack("i", self.vm.load(self.card.mbox + 248, 4))[0] > before + 20000,
                   "a hotter die")

    def test_reset_forgets_the_firmware(self):
        self.card.reset()
        self.assertEqual(self.vm.read(self.card.mbox), 0)
        self.card.boot(firmware())
        self.card.call("PING")
