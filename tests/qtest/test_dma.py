# SPDX-License-Identifier: MIT
"""What a card may reach on the bus: memory, another card's memory, and nothing else."""
import unittest

from card import C, Card, firmware
from machine import RAM_SIZE, Machine, card_args, pack

VA = 0x1f0000
BIOS = 0xfffff000       # the last page below 4 GiB: read-only memory


class Dma(unittest.TestCase):
    def setUp(self):
        self.vm = Machine(card_args(0) + card_args(1))
        self.addCleanup(self.vm.close)
        self.card, self.peer = Card(self.vm, 0), Card(self.vm, 1)
        self.card.boot(firmware())
        self.card.make_address_space()

    def run_command(self, opcode, dst, src, size):
        queue = self.card.make_queue()
        queue.put(opcode, pack("QQQQ", dst, src, size, 0))
        queue.ring()
        status = queue.wait()[2]
        self.card.call("QUEUE_DESTROY", pack("II", 0, 0))
        return status

    def test_no_memory_there(self):
        self.card.map_page(VA, RAM_SIZE + 0x100000)
        self.assertEqual(self.run_command("FILL", VA, 1, 64), C["AXON_STATUS_FAULT_BUS"])
        self.card.map_page(VA, 0x000ffffffffff000)
        self.assertEqual(self.run_command("COPY", 0x180000, VA, 64), C["AXON_STATUS_FAULT_BUS"])

    def test_another_card_s_memory(self):
        self.vm.store(0x180000, b"from card to card")
        self.card.map_page(VA, self.peer.hbm + 0x5000)
        self.assertEqual(self.run_command("COPY", VA + 7, 0x180000, 17), C["AXON_STATUS_OK"])
        self.assertEqual(self.vm.load(self.peer.hbm + 0x5007, 17), b"from card to card")

    def test_registers_are_no_memory(self):
        for page in (self.card.bar0, self.peer.bar0, self.peer.bar0 + C["AXON_DOORBELL_OFFSET"],
                     self.peer.msix):
            self.card.map_page(VA, page)
            self.assertEqual(self.run_command("FILL", VA, 0xff, 64), C["AXON_STATUS_FAULT_BUS"])
            self.assertEqual(self.run_command("COPY", 0x180000, VA, 64),
                             C["AXON_STATUS_FAULT_BUS"])
        self.assertEqual(self.peer.reg("ACCESS_ERROR"), 0)

    def test_read_only_memory(self):
        before = self.vm.load(BIOS, 4096)
        self.card.map_page(VA, BIOS)
        self.assertEqual(self.run_command("FILL", VA, 0, 4096), C["AXON_STATUS_FAULT_BUS"])
        self.assertEqual(self.vm.load(BIOS, 4096), before)
        self.assertEqual(self.run_command("COPY", 0x180000, VA, 4096), C["AXON_STATUS_OK"])
        self.assertEqual(self.vm.load(0x180000, 4096), before)

    def test_both_cards_at_once(self):
        self.peer.boot(firmware())
        self.peer.make_address_space()
        queues = self.card.make_queue(at=0x100000), self.peer.make_queue(at=0x120000)
        for _ in range(100):
            for queue in queues:
                queue.put("NOP")
                queue.ring()
            for queue in queues:
                self.assertEqual(queue.wait()[2], C["AXON_STATUS_OK"])
