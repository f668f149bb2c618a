# SPDX-License-Identifier: MIT
"""Programs on the card: they run, they fail with the right status, and none can hang the card."""
import unittest

from card import C, Card, MailboxError, firmware
from machine import Machine, card_args, pack, unpack, wait_until

PROGRAM = Card.VA_DATA              # virtual addresses, in HBM
CODE = Card.VA_DATA + 0x1000
RESULT = 0x180000                   # in the machine's RAM
NONE = C["AXON_SREG_NONE"]
SYNC = C["AXON_ENGINE_SYNC"]


def inst(op, op0=0, wait=None, imm=0, rd=0, ra=0, rb=0, dtype=0, target=0):
    """A control instruction; @wait: (semaphore, value)."""
    sem, value = wait or (0, 0)
    return pack("8BIHBB", C["AXON_OP_" + op], 0, op0, 0, sem, C["AXON_WAIT_GE"] if wait else 0,
                NONE, 0, value, 0, 0, 0) + bytes((NONE, 0)) * 4 + bytes(8) + \
        pack("Q4BI", imm, rd, ra, rb, dtype, target) + bytes(80)


HALT = inst("HALT")
LOOP = inst("BRANCH", ra=NONE, rb=NONE, target=0)


class Launch(unittest.TestCase):
    def setUp(self):
        self.vm = Machine(card_args(0))
        self.addCleanup(self.vm.close)
        self.card = Card(self.vm)
        self.start()

    def start(self):
        self.card.boot(firmware())
        self.card.make_address_space()

    def launch(self, queue, code, magic=C["AXON_PROGRAM_MAGIC"], addr=CODE, at=0, args=RESULT):
        """Program @at 64 KiB steps, its code on the sync engine."""
        at *= 0x10000
        hbm = self.card.hbm + Card.DATA + at
        stream = pack("QII", addr + at, len(b"".join(code)) // 128, 0)
        self.vm.store(hbm, pack("II", magic, C["AXON_ISA_VERSION_MAJOR"] << 16) + bytes(16 * SYNC)
                      + stream + bytes(40))
        self.vm.store(hbm + 0x1000, b"".join(code))
        queue.put("LAUNCH", pack("QQQII", PROGRAM + at, args, 0, 0, 0))
        queue.ring()

    def status(self, code, **where):
        queue = self.card.make_queue()
        self.launch(queue, code, **where)
        status = queue.wait()[2]
        self.card.call("QUEUE_DESTROY", pack("II", 0, 0))
        return status

    def check_works(self):
        self.assertEqual(self.status([HALT]), C["AXON_STATUS_OK"])

    def running(self, core=0):
        return self.card.reg(C["AXON_CORE_STATE"] + 0x400 + 0x40 * core) == C["AXON_CORE_RUNNING"]

    def launch_endless(self):
        queue = self.card.make_queue(queue=5)
        self.launch(queue, [LOOP, HALT], at=1)
        wait_until(self.running, "the core to run")
        return queue

    def test_halt(self):
        self.check_works()

    def test_store(self):
        mov = inst("REG_ALU", op0=C["AXON_RALU_MOV"], rd=9, ra=NONE, rb=NONE,
                   imm=0x1122334455667788)
        store = inst("REG_STORE", rd=9, ra=C["AXON_SREG_ARGS"], rb=NONE, imm=8,
                     dtype=C["AXON_DTYPE_UINT64"])
        self.assertEqual(self.status([mov, store, HALT]), C["AXON_STATUS_OK"])
        self.assertEqual(self.vm.read(RESULT + 8, 8), 0x1122334455667788)

    def test_faults(self):
        store = inst("REG_STORE", rd=0, ra=NONE, rb=NONE, imm=0x7f0000000000,
                     dtype=C["AXON_DTYPE_UINT32"])
        self.assertEqual(self.status([store, HALT]), C["AXON_STATUS_FAULT_UNMAPPED"])
        self.assertEqual(self.status([HALT], magic=1), C["AXON_STATUS_BAD_PROGRAM"])
        self.assertEqual(self.status([bytes(128)]), C["AXON_STATUS_BAD_OPCODE"])
        self.assertEqual(self.status([inst("NOP")]), C["AXON_STATUS_BAD_PC"])
        self.check_works()

    def test_deadlock_names_its_semaphore(self):
        before = self.vm.read(self.card.mbox + 56)
        self.assertEqual(self.status([inst("NOP", wait=(77, 3)), HALT]), C["AXON_STATUS_DEADLOCK"])
        wait_until(lambda: self.vm.read(self.card.mbox + 56) != before, "the fault event")
        event = self.vm.load(self.card.mbox + 1024 + 4096 + 64 * (before % 64), 64)
        self.assertEqual(unpack("II", event)[1], C["AXON_EVENT_FAULT"])
        fault = unpack("HHHHBBBBIII", event[16:])
        self.assertEqual(fault[3:7], (C["AXON_STATUS_DEADLOCK"], SYNC, C["AXON_OP_NOP"], 77))
        self.assertEqual(fault[10], 3)
        self.check_works()

    def test_core_reset_ends_an_endless_launch(self):
        queue = self.launch_endless()
        with self.assertRaises(MailboxError):
            self.card.call("CORE_RESET", pack("II", 0, 4))
        self.assertTrue(self.running())
        self.card.call("CORE_RESET", pack("II", 0, 5))
        self.assertEqual(queue.wait()[2], C["AXON_STATUS_KILLED"])
        self.check_works()

    def test_endless_launch_holds_up_only_its_core(self):
        self.launch_endless()
        other = self.card.make_queue(queue=6, at=0x140000, core=1)
        for _ in range(20):
            self.launch(other, [HALT], at=2)
            self.assertEqual(other.wait()[2], C["AXON_STATUS_OK"])
        self.assertTrue(self.running())

    def test_destroying_the_queue_ends_its_launch(self):
        queue = self.launch_endless()
        self.card.call("QUEUE_DESTROY", pack("II", 5, 0))
        self.assertEqual(queue.wait()[2], C["AXON_STATUS_QUEUE_GONE"])
        self.check_works()

    def test_flr_ends_an_endless_launch(self):
        for _ in range(3):
            self.launch_endless()
            self.card.flr()
            self.assertFalse(self.running())
            self.start()
        self.check_works()

    def test_quit_during_an_endless_launch(self):
        self.launch_endless()
        self.assertEqual(self.vm.quit(), 0)


class Unplug(unittest.TestCase):
    def test_unplug_during_an_endless_launch(self):
        with Machine(card_args(0), native_hotplug=True) as vm:
            test = Launch()
            test.vm, test.card = vm, Card(vm)
            test.start()
            test.card.slot_power(True)
            test.launch_endless()
            vm.qmp("device_del", id="card0")
            test.card.slot_power(False)
            vm.wait_event("DEVICE_DELETED", device="card0")
