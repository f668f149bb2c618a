# SPDX-License-Identifier: MIT
"""Rings: commands in, completions and interrupts out, and what a bad ring does."""
import os
import time
import unittest

from card import C, Card, MailboxError, firmware
from machine import Machine, card_args, pack, wait_until


class Queues(unittest.TestCase):
    def setUp(self):
        self.vm = Machine(card_args(0))
        self.addCleanup(self.vm.close)
        self.card = Card(self.vm)
        self.card.boot(firmware())
        self.card.make_address_space()

    def test_thousand_nops(self):
        queue = self.card.make_queue(entries=64)
        for seqno in range(1, 1001):
            queue.put("NOP")
            queue.ring()
            got, user, status = queue.wait()
            self.assertEqual((got, status), (seqno, C["AXON_STATUS_OK"]))
            self.assertEqual(user, ~seqno & (1 << 64) - 1)
        self.assertEqual(self.vm.read(queue.state + 80, 8), 1000)

    def test_full_ring_at_once(self):
        queue = self.card.make_queue(entries=16)
        for lap in range(5):
            for _ in range(16):
                queue.put("NOP")
            queue.ring()
            for i in range(16):
                self.assertEqual(queue.wait()[0], lap * 16 + i + 1)

    def test_copy_between_ram_and_hbm(self):
        queue = self.card.make_queue()
        data = bytes(range(256)) * 64
        self.vm.store(0x180000, data)
        queue.put("COPY", pack("QQQQ", Card.VA_DATA + 0x123, 0x180000, len(data), 0))
        queue.put("COPY", pack("QQQQ", 0x190001, Card.VA_DATA + 0x123, len(data), 0))
        queue.put("FILL", pack("QQQQ", 0x180000, 0xa5, 4096, 0))
        queue.ring()
        for _ in range(3):
            self.assertEqual(queue.wait()[2], C["AXON_STATUS_OK"])
        self.assertEqual(self.vm.load(self.card.hbm + Card.DATA + 0x123, len(data)), data)
        self.assertEqual(self.vm.load(0x190001, len(data)), data)
        self.assertEqual(self.vm.load(0x180000, 4097), b"\xa5" * 4096 + data[4096:4097])

    def test_interrupt_per_vector(self):
        self.card.enable_msix(0x8000)
        for vector in range(1, C["AXON_NUM_VECTORS"]):
            queue = self.card.make_queue(queue=vector, entries=16, at=0x100000 + vector * 0x4000,
                                         vector=vector)
            queue.put("NOP")
            queue.ring()
            queue.wait()
            wait_until(lambda v=vector: self.vm.read(0x8000 + 4 * v) == v + 1,
                       "the message of vector %d" % vector)

    def test_unmapped_address_stops_only_its_queue(self):
        bad = self.card.make_queue(queue=1)
        good = self.card.make_queue(queue=2, at=0x140000)
        bad.put("COPY", pack("QQQQ", 0x7f0000000000, 0x180000, 64, 0))
        bad.ring()
        self.assertEqual(bad.wait()[2], C["AXON_STATUS_FAULT_UNMAPPED"])
        good.put("NOP")
        good.ring()
        self.assertEqual(good.wait()[2], C["AXON_STATUS_OK"])
        self.assertNotEqual(bad.status(), C["AXON_STATUS_OK"])

    def test_bad_commands(self):
        cases = (("NOP", b"", 0xffff), (0x7777, b"", 0), ("NOP", b"\1", 0),
                 ("COPY", pack("QQQQ", 0x180000, 0x190000, 0, 0), 0))
        for i, (opcode, operands, flags) in enumerate(cases):
            queue = self.card.make_queue(queue=3 + i, at=0x100000 + 0x8000 * i)
            queue.put(opcode, operands, flags)
            queue.ring()
            self.assertEqual(queue.wait()[2], C["AXON_STATUS_BAD_COMMAND"], (opcode, flags))

    def test_impossible_tail(self):
        queue = self.card.make_queue()
        queue.tail = 0x40000000
        queue.ring(doorbell=True)
        wait_until(lambda: queue.status() == C["AXON_STATUS_BAD_RING"], "the ring's refusal")
        self.card.call("PING")

    def test_bad_queues_are_refused(self):
        good = [0, 0, 0, 0, 64, 1, 0x100000, 0x110000, 0x120000]
        for field, value in ((0, 256), (1, 99), (2, 64), (3, 64), (4, 63), (4, 0), (4, 1 << 31),
                             (5, 0xffff), (6, 0x100001), (8, 1 << 60)):
            params = list(good)
            params[field] = value
            with self.assertRaises(MailboxError, msg="field %d" % field):
                self.card.call("QUEUE_CREATE", pack("IIIIIIQQQ", *params))
        self.card.call("PING")


class AwakeCard(unittest.TestCase):
    """A card that polls needs no doorbell; one that sleeps asks for it."""

    def test_no_doorbell(self):
        # It polls for a quarter of that, wherever it runs: no doorbell has said where that is vain.
        with Machine(card_args(0, more=",poll-us=100000000")) as vm:
            card = Card(vm)
            card.boot(firmware())
            card.make_address_space()
            queue = card.make_queue()
            for _ in range(200):
                queue.put("NOP")
                queue.ring(doorbell=False)
                self.assertEqual(queue.wait()[2], C["AXON_STATUS_OK"])

    def test_doorbell_wakes(self):
        with Machine(card_args(0, more=",poll-us=0")) as vm:
            card = Card(vm)
            card.boot(firmware())
            card.make_address_space()
            queue = card.make_queue()
            for _ in range(200):
                wait_until(lambda: vm.read(queue.state + 68) == queue.tail, "the card to sleep")
                queue.put("NOP")
                self.assertTrue(queue.ring())
                self.assertEqual(queue.wait()[2], C["AXON_STATUS_OK"])


class Place(unittest.TestCase):
    """The card's thread leaves the CPU of the doorbells in a stream, and only then."""

    def setUp(self):
        # It sleeps after each command and so notices where the next one comes from.
        self.vm = Machine(card_args(0, more=",poll-us=1"))
        self.addCleanup(self.vm.close)
        self.card = Card(self.vm)
        self.card.boot(firmware())
        self.card.make_address_space()
        self.queue = self.card.make_queue()
        tasks = "/proc/%d/task" % self.vm.process.pid
        for task in os.listdir(tasks):
            with open("%s/%s/comm" % (tasks, task), encoding="ascii") as comm:
                if comm.read().startswith("axon/"):
                    self.thread = int(task)
        self.home = os.sched_getaffinity(self.thread)

    def nop(self):
        self.queue.put("NOP")
        self.queue.ring()
        self.assertEqual(self.queue.wait()[2], C["AXON_STATUS_OK"])
        now = os.sched_getaffinity(self.thread)
        self.assertLessEqual(now, self.home)
        return now

    def go_apart(self):
        if len(self.home) < 2:
            self.skipTest("one CPU")
        end = time.monotonic() + 10
        while True:
            now = self.nop()
            if now != self.home:
                return now
            if time.monotonic() > end:
                self.skipTest("the scheduler kept them apart by itself")

    def assert_at_home(self):
        wait_until(lambda: os.sched_getaffinity(self.thread) == self.home, "the thread to be let go")

    def test_home_when_a_stream_ends(self):
        self.go_apart()
        self.assert_at_home()

    def test_others_decide(self):
        # Not what the thread has chosen itself, which nobody could tell from it.
        some = {min(self.home - self.go_apart())}
        os.sched_setaffinity(self.thread, some)
        for _ in range(100):
            self.assertEqual(self.nop(), some)
        time.sleep(0.1)
        self.assertEqual(os.sched_getaffinity(self.thread), some)

    def test_one_cpu(self):
        self.home = {min(self.home)}
        os.sched_setaffinity(self.thread, self.home)
        for _ in range(200):
            self.assertEqual(self.nop(), self.home)

    def test_reset_while_apart(self):
        self.go_apart()
        self.card.flr()
        self.assert_at_home()
