# SPDX-License-Identifier: MIT
"""Firmware images that the boot ROM must refuse, each with its own error."""
import unittest

from card import C, Card, firmware, make_image
from machine import Machine, card_args, pack


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
        self.refused("BAD_HEADER", image, size=0)
        self.refused("BAD_RANGE", image, addr=0x100001)
        self.refused("BAD_RANGE", image, addr=64 << 20)
        self.refused("BAD_RANGE", image, addr=(64 << 20) - 4096, size=8192)
        self.refused("BAD_RANGE", image, addr=0xfffffffffffff000, size=8192)
        self.refused("BAD_RANGE", image, size=0xffffffff)

    def test_magic(self):
        self.refused("BAD_MAGIC", bytes(4096))
        self.refused("BAD_MAGIC", b"\x7fELF" + bytes(4096))

    def test_header(self):
        """Each field that the ROM checks, wrong by itself under a hash that fits."""
        base, size = C["AXON_CTRL_RAM_BASE"], C["AXON_CTRL_RAM_SIZE"]
        code = bytes(1024)
        for error, field, value in (
                ("BAD_HEADER", "header_size", 64), ("BAD_ABI", "rom_abi", 99),
                ("BAD_REVISION", "revision", 0xa3), ("BAD_HEADER", "payload_size", 1020),
                ("BAD_HEADER", "payload_size", 0xfffffff0), ("BAD_HEADER", "reserved0", 1),
                ("BAD_BOUNDS", "load_addr", base - 4), ("BAD_BOUNDS", "load_addr", base + size),
                ("BAD_BOUNDS", "load_addr", base + 2), ("BAD_BOUNDS", "entry", base + 1024),
                ("BAD_BOUNDS", "entry", base - 2), ("BAD_BOUNDS", "entry", base + 1),
                ("BAD_BOUNDS", "bss_end", base + size + 1), ("BAD_BOUNDS", "bss_end", base)):
            with self.subTest(field=field, value=hex(value)):
                self.refused(error, make_image(code, **{field: value}))

    def test_hash(self):
        good = make_image(bytes(1024))
        self.refused("BAD_HASH", patched(good, len(good) - 1, b"\1"))
        self.refused("BAD_HASH", patched(good, 48, b"X"))
        self.refused("BAD_HASH", patched(good, 80, bytes(32)))

    def test_cut_or_padded(self):
        good = make_image(bytes(1024))
        self.refused("BAD_HEADER", good[:-4])
        self.refused("BAD_HEADER", good + bytes(4))
        self.refused("BAD_HEADER", good[:255])

    def test_trap(self):
        """A good image of something that is no program."""
        self.refused("TRAP", make_image(bytes(1024)))

    def test_image_that_never_gets_ready(self):
        """An endless loop: the card stays usable and can be reset."""
        self.card.reset()
        self.card.start_boot(make_image(pack("I", 0x0000006f)))     # j .
        self.card.wait_stage("FW_START")
        self.assertEqual(self.card.reg("ID"), C["AXON_ID_MAGIC"])
        self.card.set_reg("MBOX_DOORBELL", 1)
        self.card.flr()
        self.assertEqual(self.card.stage(), C["AXON_STAGE_IDLE"])

    def test_good_image_after_bad_one(self):
        self.refused("BAD_MAGIC", bytes(4096))
        self.card.reset()
        self.card.boot(firmware())
        self.assertEqual(self.card.reg("BOOT_ERROR"), C["AXON_BOOT_OK"])
