# SPDX-License-Identifier: MIT
"""Function-level reset, bus mastering off and unplugging while the card works."""
import time
import unittest

from card import C, Card, firmware
from machine import Machine, card_args, pack, wait_until


MSIX_MOD = 0x1c0        # AXON_REG_MSIX_MOD(0)


def load_with_copies(card, entries=256):
    """A ring full of copies between RAM and HBM: enough work for many slices."""
    queue = card.make_queue(entries=entries)
    for _ in range(entries):
        queue.put("COPY", pack("QQQQ", Card.VA_DATA, 0x140000, 0xc0000, 0))
    queue.ring()
    wait_until(lambda: card.vm.read(queue.state + 64), "the first command to be fetched")
    return queue


class Reset(unittest.TestCase):
    def setUp(self):
        self.vm = Machine(card_args(0), native_hotplug=True)
        self.addCleanup(self.vm.close)
        self.card = Card(self.vm)
        self.start()

    def start(self):
        self.card.boot(firmware())
        self.card.make_address_space()

    def check_works(self):
        queue = self.card.make_queue(queue=9)
        queue.put("NOP")
        queue.ring()
        self.assertEqual(queue.wait()[2], C["AXON_STATUS_OK"])

    def test_flr_in_the_middle_of_work(self):
        for _ in range(5):
            queue = load_with_copies(self.card)
            self.card.flr()
            self.assertEqual(self.card.stage(), C["AXON_STAGE_IDLE"])
            self.vm.store(queue.state, bytes(128))
            self.vm.store(queue.cq, bytes(4096))
            time.sleep(0.01)
            self.assertEqual(self.vm.load(queue.state, 128), bytes(128), "write after reset")
            self.assertEqual(self.vm.load(queue.cq, 4096), bytes(4096), "write after reset")
            self.start()
        self.check_works()

    def test_register_reset_in_the_middle_of_work(self):
        load_with_copies(self.card)
        self.card.reset()
        self.start()
        self.check_works()

    def raise_interrupts(self):
        """Moderation lets one go on each vector, all in the two milliseconds that follow."""
        vectors = range(1, C["AXON_NUM_VECTORS"])
        self.card.enable_msix(0x8000)
        queues = [self.card.make_queue(queue=v, entries=16, at=0x100000 + v * 0x4000, vector=v)
                  for v in vectors]
        due = time.monotonic() + 0.06
        for v, queue in zip(vectors, queues):
            held = int((due - time.monotonic()) * 1000000)
            self.card.set_reg(MSIX_MOD + 4 * v, max(held, 1))
            for _ in range(2):
                queue.want_interrupt()
                queue.put("NOP")
                queue.ring()
                queue.wait()
        time.sleep(max(due - time.monotonic(), 0))

    def test_hold_while_interrupts_leave(self):
        # A write to the command register parks the card's thread, which may want the same lock.
        for _ in range(20):
            self.raise_interrupts()
            self.vm.write(self.card.config + 4, 2, 2)
            self.vm.write(self.card.config + 4, 6, 2)
            self.card.reset()
            self.start()
        self.check_works()

    def test_flr_while_interrupts_leave(self):
        for _ in range(20):
            self.raise_interrupts()
            self.card.flr()
            self.start()
        self.check_works()

    def test_unplug_while_interrupts_leave(self):
        self.card.slot_power(True)
        for _ in range(10):
            self.vm.qmp("device_del", id="card0")
            self.raise_interrupts()
            self.card.slot_power(False)
            self.vm.wait_event("DEVICE_DELETED", device="card0")
            self.vm.events.clear()
            wait_until(lambda: self.vm.threads("axon/") == 0, "the end of the card's thread")
            self.vm.qmp("device_add", driver="axon", id="card0", bus="rp0", hbm="hbm0")
            self.card.slot_power(True)
            self.card = Card(self.vm)
            self.start()
        self.check_works()

    def test_hbm_survives_flr(self):
        self.vm.store(self.card.hbm + 0x3000000, b"still here")
        self.card.flr()
        self.assertEqual(self.vm.load(self.card.hbm + 0x3000000, 10), b"still here")

    def test_bus_master_off_ends_dma(self):
        queue = load_with_copies(self.card)
        self.vm.write(self.card.config + 4, 2, 2)
        before = self.vm.load(queue.state, 128)
        time.sleep(0.02)
        self.assertEqual(self.vm.load(queue.state, 128), before, "write without bus mastering")
        self.assertEqual(self.card.reg("ID"), C["AXON_ID_MAGIC"])
        self.vm.write(self.card.config + 4, 6, 2)
        self.card.reset()
        self.start()
        self.check_works()

    def test_unplug_under_load(self):
        self.card.slot_power(True)
        for _ in range(3):
            load_with_copies(self.card)
            self.vm.qmp("device_del", id="card0")
            self.card.slot_power(False)
            self.vm.wait_event("DEVICE_DELETED", device="card0")
            self.vm.events.clear()
            self.assertEqual(self.vm.read(self.card.config), 0xffffffff)
            wait_until(lambda: self.vm.threads("axon/") == 0, "the end of the card's thread")
            self.vm.qmp("device_add", driver="axon", id="card0", bus="rp0", hbm="hbm0")
            self.card.slot_power(True)
            wait_until(lambda: self.vm.threads("axon/") == 1, "the new card's thread")
            self.card = Card(self.vm)
            self.start()
        self.check_works()

    def test_quit_under_load(self):
        load_with_copies(self.card)
        self.assertEqual(self.vm.quit(), 0)

    def test_system_reset_under_load(self):
        load_with_copies(self.card)
        self.vm.qmp("system_reset")
        self.vm.wait_event("RESET")
        self.vm._pci_setup()
        self.card.attach()
        self.assertEqual(self.card.stage(), C["AXON_STAGE_IDLE"])
        self.start()
        self.check_works()
