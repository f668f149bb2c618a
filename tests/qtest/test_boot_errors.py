# SPDX-License-Identifier: MIT
"""Firmware images that the boot ROM must refuse, each with its own error."""
import unittest

from card import C, Card, firmware
from machine import Machine, card_args


def patched(image, offset, data):
    return image[:offset] + data + image[offset + len(data):]


class BootErrors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vm = Machine(card_args(0))
        cls.addClassCleanup(cls.vm.close)
        cls.card = Card(cls.vm)

    def refused(self, error, image, **where):
        self.card.reset()
        self.card.start_boot(image, **where)
        self.assertEqual(self.card.wait_stage("FAILED", "READY"), C["AXON_STAGE_FAILED"])
        self.assertEqual(self.card.reg("BOOT_ERROR"), C["AXON_BOOT_" + error])

    def test_range(self):
        image = bytes(4096)
        self.refused("BAD_RANGE", image, size=0)
        self.refused("BAD_RANGE", image, addr=0x100001)
        self.refused("BAD_RANGE", image, addr=64 << 20)
        self.refused("BAD_RANGE", image, addr=(64 << 20) - 4096, size=8192)
        self.refused("BAD_RANGE", image, addr=0xfffffffffffff000, size=8192)
        self.refused("BAD_RANGE", image, size=0xffffffff)

    def test_magic(self):
        self.refused("BAD_MAGIC", bytes(4096))
        self.refused("BAD_MAGIC", b"\x7fELF" + bytes(4096))

    @unittest.skipUnless(firmware(), "no firmware image in the build")
    def test_damaged_image(self):
        good = firmware()
        self.refused("BAD_HASH", patched(good, len(good) - 1, bytes([good[-1] ^ 1])))
        self.refused("BAD_HASH", patched(good, 48, b"X"))
        self.refused("BAD_HEADER", patched(good, 4, b"\0\1\1\0"))
        self.refused("BAD_HEADER", good[:-4])
        self.refused("BAD_HEADER", patched(good, 255, b"\1"))

    @unittest.skipUnless(firmware(), "no firmware image in the build")
    def test_good_image_after_bad_one(self):
        self.refused("BAD_MAGIC", bytes(4096))
        self.card.reset()
        self.card.boot(firmware())
        self.assertEqual(self.card.reg("BOOT_ERROR"), C["AXON_BOOT_OK"])
