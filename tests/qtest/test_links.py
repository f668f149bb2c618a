# SPDX-License-Identifier: MIT
"""Cards of one QEMU joined to a fabric: properties, link pages, and cards that go meanwhile."""
import os
import tempfile
import time
import unittest

from card import C, Card, firmware
from machine import Machine, card_args, pack, wait_until

FAR = 0x3000000             # where a peer's HBM is worked on; nothing of its own is there
RAM = 0x180000              # pages of the machine's RAM


def fabric(index, place=None, name="f", more=""):
    return card_args(index, more=",fabric=%s,place=%d%s"
                     % (name, index if place is None else place, more))


class Properties(unittest.TestCase):
    def refused(self, text, args):
        with self.assertRaises(RuntimeError) as error:
            Machine(args).close()
        self.assertIn(text, str(error.exception))

    def test_refused(self):
        self.refused("need 'fabric'", card_args(0, more=",topology=ring"))
        self.refused("need 'fabric'", card_args(0, more=",place=1"))
        self.refused("place 2 is not one of the 2", fabric(0, place=2))
        self.refused("place 0 of fabric 'f' is taken", fabric(0) + fabric(1, place=0))
        self.refused("is 'ring' of 2 cards, this card says 'mesh' of 2",
                     fabric(0) + fabric(1, more=",topology=mesh"))
        self.refused("this card says 'ring' of 3", fabric(0) + fabric(1, more=",fabric-cards=3"))
        self.refused("pair has 2 cards", fabric(0, more=",topology=pair,fabric-cards=3"))
        self.refused("topology 'star'", fabric(0, more=",topology=star"))
        self.refused("1 to 64 cards", fabric(0, more=",fabric-cards=65"))
        self.refused("torus:2x2 is not for 3", fabric(0, more=",topology=torus:2x2,fabric-cards=3"))
        self.refused("cannot read the topology", fabric(0, more=",topology=file=/does/not/exist"))

    def test_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("# a line\nlink 0 1\nlink 1 2\nlatency-ns 700\nlanes 4\n"
                       "bandwidth 32000000000\n")
            file.flush()
            more = ",topology=file=%s,fabric-cards=3" % file.name
            with Machine(fabric(0, more=more) + fabric(1, place=2, more=more)) as vm:
                card = Card(vm, 0)
                self.assertEqual(card.peer(2, "STATE"), C["AXON_PEER_UP"])
                self.assertEqual(card.peer(2, "HOPS"), 2)
                self.assertEqual(card.peer(2, "LATENCY"), 1400)
                self.assertEqual(card.peer(2, "LANES"), 4)
                self.assertEqual(card.peer(1, "STATE"), C["AXON_PEER_ABSENT"])
            file.write("link 0 9\n")
            file.flush()
            self.refused("line 7", fabric(0, more=more))

    def test_identity(self):
        with Machine(fabric(0, more=",fabric-cards=3") + fabric(1, more=",fabric-cards=3")
                     + card_args(2) + fabric(3, place=0, name="g")) as vm:
            a, b, alone, other = (Card(vm, i) for i in range(4))
            for card, place in ((a, 0), (b, 1), (other, 0)):
                self.assertEqual(card.reg("FEATURES"), C["AXON_FEATURE_LINKS"])
                self.assertEqual(card.reg("FABRIC_ID"), place)
            self.assertEqual(a.reg("FABRIC_CARDS"), 3)
            uid = [c.reg("FABRIC_UID_HI") << 32 | c.reg("FABRIC_UID_LO") for c in (a, b, other)]
            self.assertTrue(uid[0])
            self.assertEqual(uid[0], uid[1])
            self.assertNotIn(uid[2], (0, uid[0]))
            self.assertEqual(a.peer(2, "STATE"), C["AXON_PEER_ABSENT"])
            self.assertEqual(alone.reg("FEATURES"), 0)
            self.assertEqual(alone.reg("FABRIC_ID"), C["AXON_NO_PEER"])
            self.assertEqual(alone.reg("FABRIC_CARDS"), 0)


class Links(unittest.TestCase):
    def setUp(self):
        self.vm = Machine(fabric(0) + fabric(1), native_hotplug=True)
        self.addCleanup(self.vm.close)
        self.cards = [Card(self.vm, 0), Card(self.vm, 1)]
        self.next_ram = 0x40000
        for card in self.cards:
            self.start(card)

    def start(self, card):
        card.boot(firmware())
        card.make_address_space()

    def queue(self, card, number=0, entries=64):
        """Rings of their own in RAM, which both cards see at the same address."""
        at = self.next_ram
        self.next_ram += 0x8000
        self.assertLessEqual(self.next_ram, RAM)
        return card.make_queue(queue=number, entries=entries, at=at)

    def copy(self, card, queue, dst, src, size=4096):
        queue.put("COPY", pack("QQQQ", dst, src, size, 0))
        queue.ring()
        return queue.wait()[2]

    def test_copies(self):
        for me, peer in ((0, 1), (1, 0)):
            card, other = self.cards[me], self.cards[peer]
            queue = self.queue(card)
            card.map_link(Card.VA_DATA, peer, FAR)
            data = os.urandom(4096)
            self.vm.store(RAM, data)
            self.assertEqual(self.copy(card, queue, Card.VA_DATA, RAM), C["AXON_STATUS_OK"])
            self.assertEqual(self.vm.load(other.hbm + FAR, 4096), data)
            self.assertEqual(self.copy(card, queue, RAM + 4096, Card.VA_DATA), C["AXON_STATUS_OK"])
            self.assertEqual(self.vm.load(RAM + 4096, 4096), data)
            self.assertEqual(card.peer(peer, "WRITTEN_LO"), 4096)
            self.assertEqual(card.peer(peer, "READ_LO"), 4096)

    def fails(self, status, dst, src=RAM):
        card = self.cards[0]
        queue = self.queue(card, number=5, entries=16)
        self.assertEqual(self.copy(card, queue, dst, src, 64), C["AXON_STATUS_" + status])
        card.call("QUEUE_DESTROY", pack("II", 5, 0))

    def test_bad_entries(self):
        card, va = self.cards[0], Card.VA_DATA
        for more, status in ((1 << 6, "FAULT_PTE"), (1 << 11, "FAULT_PTE"), (1 << 60, "FAULT_PTE"),
                             (1 << 63, "FAULT_PTE")):
            card.map_link(va, 1, FAR, more)
            self.fails(status, va)
        card.map_link(va, 1, 64 << 20)              # behind the peer's HBM
        self.fails("FAULT_PTE", va)
        for peer in (0, 2, 63, 255):                # itself, and nobody
            card.map_link(va, peer, FAR)
            self.fails("FAULT_LINK", va)
        leaf = C["AXON_PTE_VALID"] | C["AXON_PTE_WRITE"]
        card.set_pte(va, FAR | leaf | 1 << C["AXON_PTE_PEER_SHIFT"])    # HBM, with a peer
        self.fails("FAULT_PTE", va)
        card.set_pte(va, FAR | leaf | 3 << C["AXON_PTE_TARGET_SHIFT"])
        self.fails("FAULT_PTE", va)
        card.map_link(va, 1, FAR)
        self.next_ram = 0x40000
        self.fails("OK", va)

    def test_link_down(self):
        a, b = self.cards
        a.enable_msix(RAM + 0x8000)
        a.set_reg("INT_MASK", C["AXON_INT_LINK"])
        a.map_link(Card.VA_DATA, 1, FAR)
        queue = self.queue(a)
        self.assertEqual(self.copy(a, queue, Card.VA_DATA, RAM), C["AXON_STATUS_OK"])
        for _ in range(3):
            self.vm.write(RAM + 0x8000, 0)
            self.vm.qmp("qom-set", path="/machine/peripheral/card1", property="x-link-down",
                        value=1)
            wait_until(lambda: a.reg("INT_STATUS") & C["AXON_INT_LINK"], "the link's interrupt")
            wait_until(lambda: self.vm.read(RAM + 0x8000) == 1, "its message")
            self.assertEqual(a.peer(1, "STATE"), C["AXON_PEER_DOWN"])
            self.assertEqual(b.peer(0, "STATE"), C["AXON_PEER_DOWN"])
            errors = a.peer(1, "ERRORS")
            self.fails("FAULT_LINK", Card.VA_DATA)  # although the translation was cached
            self.assertEqual(a.peer(1, "ERRORS"), errors + 1)
            a.set_reg("INT_STATUS", C["AXON_INT_LINK"])
            self.vm.qmp("qom-set", path="/machine/peripheral/card1", property="x-link-down",
                        value=0)
            wait_until(lambda: a.peer(1, "STATE") == C["AXON_PEER_UP"], "the link")
            a.set_reg("INT_STATUS", C["AXON_INT_LINK"])
            self.assertEqual(self.copy(a, queue, Card.VA_DATA, RAM), C["AXON_STATUS_OK"])

    def load(self, card, peer, number=1):
        """A ring full of copies inside the peer's memory: some tenths of a second of work."""
        for page in range(512):
            self.vm.write(card.hbm + Card.TABLES + 0x4000 + 8 * page, card.link_pte(
                peer, FAR + (page << 12)), 8)
        card.call("AS_INVALIDATE", pack("IIQ", 0, 0, 0))
        queue = self.queue(card, number, entries=256)
        for i in range(256):
            ends = (0, 1 << 20) if i & 1 else (1 << 20, 0)
            queue.put("COPY", pack("QQQQ", Card.VA_DATA + ends[0], Card.VA_DATA + ends[1],
                                   1 << 20, 0))
        queue.ring()
        wait_until(lambda: self.vm.read(queue.state + 64), "the first command to be fetched")
        return queue

    def ended(self, queue):
        """Every command has an end, or the queue stopped; the status of the last seen."""
        last = C["AXON_STATUS_OK"]
        for _ in range(256):
            last = queue.wait()[2]
            if last != C["AXON_STATUS_OK"]:
                break
        return last

    def check_works(self, number):
        for me, peer in ((0, 1), (1, 0)):
            card = self.cards[me]
            card.map_link(Card.VA_DATA, peer, FAR)
            queue = self.queue(card, number, entries=16)
            self.assertEqual(self.copy(card, queue, Card.VA_DATA, RAM), C["AXON_STATUS_OK"])
            card.call("QUEUE_DESTROY", pack("II", number, 0))

    def test_flr_of_the_peer(self):
        a, b = self.cards
        for turn in range(4):
            self.next_ram = 0x40000
            queue = self.load(a, 1, number=1 + turn)
            b.flr()
            # between two commands nobody may have noticed: the peer's memory is there all the time
            self.assertIn(self.ended(queue), (C["AXON_STATUS_OK"], C["AXON_STATUS_FAULT_LINK"]))
            self.assertEqual(a.peer(1, "STATE"), C["AXON_PEER_UP"])
            a.call("QUEUE_DESTROY", pack("II", 1 + turn, 0))
            self.start(b)
            self.check_works(20 + turn)

    def test_flr_of_the_importer(self):
        a, b = self.cards
        for turn in range(4):
            self.next_ram = 0x40000
            mine, other = self.load(a, 1), self.load(b, 0, number=1 + turn)
            a.flr()
            before = self.vm.load(b.hbm + FAR, 4096)
            time.sleep(0.01)
            self.assertEqual(self.vm.load(b.hbm + FAR, 4096), before, "write after reset")
            self.assertIn(self.ended(other), (C["AXON_STATUS_OK"], C["AXON_STATUS_FAULT_LINK"]))
            b.call("QUEUE_DESTROY", pack("II", 1 + turn, 0))
            del mine
            self.start(a)
            self.check_works(20 + turn)

    def pull(self, index):
        self.vm.qmp("device_del", id="card%d" % index)
        self.cards[index].slot_power(False)
        self.vm.wait_event("DEVICE_DELETED", device="card%d" % index)
        self.vm.events.clear()

    def plug(self, index):
        self.vm.qmp("device_add", driver="axon", id="card%d" % index, bus="rp%d" % index,
                    hbm="hbm%d" % index, fabric="f", place=index)
        self.cards[index].slot_power(True)
        self.cards[index] = Card(self.vm, index)
        self.start(self.cards[index])

    def test_unplug_the_peer(self):
        for card in self.cards:
            card.slot_power(True)
        for turn in range(3):
            self.next_ram = 0x40000
            queue = self.load(self.cards[0], 1, number=1 + turn)
            self.pull(1)
            self.assertEqual(self.cards[0].peer(1, "STATE"), C["AXON_PEER_ABSENT"])
            status = self.ended(queue)
            if status == C["AXON_STATUS_OK"]:       # a slow host: all was done before
                status = self.copy(self.cards[0], queue, Card.VA_DATA, RAM)
            self.assertEqual(status, C["AXON_STATUS_FAULT_LINK"])
            self.cards[0].call("QUEUE_DESTROY", pack("II", 1 + turn, 0))
            self.plug(1)
            self.check_works(20 + turn)

    def test_unplug_both(self):
        for card in self.cards:
            card.slot_power(True)
        for turn in range(3):
            self.next_ram = 0x40000
            self.load(self.cards[0], 1)
            self.load(self.cards[1], 0)
            first = turn & 1
            self.pull(first)
            self.pull(1 - first)
            self.plug(first)
            self.plug(1 - first)
            self.check_works(20)

    def test_place_is_taken_at_run_time(self):
        self.vm.qmp("object-add", **{"qom-type": "memory-backend-memfd", "id": "m",
                                     "size": 64 << 20})
        for _ in range(5):
            for place, more in ((0, {}), (5, {}), (1, {"topology": "mesh"})):
                with self.assertRaises(RuntimeError):
                    self.vm.qmp("device_add", driver="axon", bus="rp0", hbm="m", fabric="f",
                                place=place, addr="1", **more)
        self.check_works(3)

    def test_quit_under_load(self):
        self.load(self.cards[0], 1)
        self.load(self.cards[1], 0)
        self.assertEqual(self.vm.quit(), 0)

    def test_system_reset_under_load(self):
        self.load(self.cards[0], 1)
        self.load(self.cards[1], 0)
        self.vm.qmp("system_reset")
        self.vm.wait_event("RESET")
        self.vm._pci_setup()
        self.next_ram = 0x40000
        for card in self.cards:
            card.attach()
            self.start(card)
        self.check_works(3)
