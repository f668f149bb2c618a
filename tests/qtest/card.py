# SPDX-License-Identifier: MIT
"""A small driver for the tests: what uapi/axon_hw.h and axon_mbox.h say, in Python.

Numbers come out of the headers themselves, so that the two cannot drift apart.
"""
import hashlib
import os
import re

import machine
from machine import pack, unpack, wait_until

UAPI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../uapi")


def constants():
    """Every plain #define and enumerator of the hardware contracts."""
    values = {}
    for name in ("axon_hw.h", "axon_fw.h", "axon_mbox.h", "axon_isa.h"):
        with open(os.path.join(UAPI, name)) as header:
            text = header.read()
        for key, value in re.findall(r"^#define\s+(AXON_\w+)\s+(\(?[^/\n]+)", text, re.M) + \
                re.findall(r"^\t(AXON_\w+) = (\w+),", text, re.M):
            value = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)(?:ull|u)\b", r"\1", value).strip()
            try:
                values[key] = eval(value, {"__builtins__": {}}, values)
            except (SyntaxError, NameError, TypeError):
                pass    # a type, a string or an expression for the compiler
    return values


C = constants()


def firmware():
    """The image of the build."""
    path = machine.find("AXON_FW", "lib/firmware/axon/axon-fw.bin", "firmware/axon-fw.bin")
    if not path:
        raise RuntimeError("no firmware image: build it or set AXON_FW")
    with open(path, "rb") as image:
        return image.read()


def make_image(payload, **fields):
    """A firmware image around @payload; @fields replaces header fields, the hash fits."""
    base = C["AXON_CTRL_RAM_BASE"]
    header = {"magic": C["AXON_FW_MAGIC"], "header_size": C["AXON_FW_HEADER_SIZE"],
              "rom_abi": C["AXON_FW_ROM_ABI"], "mbox_abi": C["AXON_MBOX_ABI_MAJOR"] << 16,
              "revision": C["AXON_REVISION_A1"], "payload_size": len(payload), "load_addr": base,
              "entry": base, "bss_end": base + len(payload), "version": 0, "reserved0": 0}
    header.update(fields)
    head = pack("10IQ", *header.values()) + b"test".ljust(32, b"\0")
    digest = hashlib.sha256(head + bytes(176) + payload).digest()
    return head + digest + bytes(144) + payload


class MailboxError(Exception):
    def __init__(self, status):
        super().__init__("mailbox status %d" % status)
        self.status = status


class Card:
    """Card @index of a machine made with card_args(): bus, BARs, boot, mailbox, queues."""

    BOOT_IMAGE = 0x100000       # HBM offsets
    TABLES = 0x200000
    DATA = 0x400000             # what virtual addresses 2 MiB .. 4 MiB show
    VA_DATA = 0x200000

    def __init__(self, vm, index=0):
        self.vm = vm
        self.bus = index + 1
        self.port = vm.config(0, index + 4)
        self.config = vm.config(self.bus, 0)
        self.bar0 = 0xe0000000 + index * 0x400000
        self.msix = self.bar0 + 0x200000
        self.hbm = 0x800000000 + index * 0x40000000
        self.mbox = self.bar0 + C["AXON_MBOX_OFFSET"]
        self.seq = 0
        self.attach()

    # ---- bus ----

    def attach(self):
        vm, port, config = self.vm, self.port, self.config
        vm.write(port + 0x18, self.bus << 8 | self.bus << 16)
        vm.write(port + 0x20, self.bar0 >> 16 | (self.bar0 + 0x300000))
        vm.write(port + 0x24, self.hbm >> 16 & 0xfff0 | (self.hbm + 0x3ff00000 & 0xfff00000))
        vm.write(port + 0x28, self.hbm >> 32)
        vm.write(port + 0x2c, self.hbm >> 32)
        vm.write(port + 4, 7, 2)
        vm.write(config + 0x10, self.bar0)
        vm.write(config + 0x14, 0)
        vm.write(config + 0x18, self.hbm & 0xffffffff)
        vm.write(config + 0x1c, self.hbm >> 32)
        vm.write(config + 0x20, self.msix)
        vm.write(config + 4, 6, 2)      # memory space, bus master

    def reg(self, name):
        return self.vm.read(self.bar0 + (C["AXON_REG_" + name] if isinstance(name, str) else name))

    def set_reg(self, name, value):
        self.vm.write(self.bar0 + (C["AXON_REG_" + name] if isinstance(name, str) else name), value)

    def flr(self):
        at = self.vm.capability(self.config, 0x10)
        control = self.vm.read(self.config + at + 8, 2)
        self.vm.write(self.config + at + 8, control | 0x8000, 2)
        self.attach()
        self.seq = 0

    def slot_power(self, on):
        """The guest's part of native PCIe hot-plug: power controller and indicator."""
        slot = self.port + self.vm.capability(self.port, 0x10) + 0x18
        control = self.vm.read(slot, 2) & ~0x0700
        self.vm.write(slot, control | (0x0100 if on else 0x0700), 2)

    def enable_msix(self, base):
        """Vector v writes v + 1 to RAM at base + 4 v."""
        for v in range(C["AXON_NUM_VECTORS"]):
            self.vm.write(base + 4 * v, 0)
            for word, value in enumerate((base + 4 * v, 0, v + 1, 0)):
                self.vm.write(self.msix + 16 * v + 4 * word, value)
        at = self.vm.capability(self.config, 0x11)
        self.vm.write(self.config + at + 2, 0x8000, 2)

    # ---- boot ----

    def start_boot(self, image, size=None, addr=BOOT_IMAGE):
        self.vm.store(self.hbm + self.BOOT_IMAGE, image)
        self.set_reg("BOOT_ADDR_LO", addr & 0xffffffff)
        self.set_reg("BOOT_ADDR_HI", addr >> 32)
        self.set_reg("BOOT_SIZE", len(image) if size is None else size)
        self.set_reg("BOOT_CTRL", C["AXON_BOOT_START"])

    def stage(self):
        return self.reg("BOOT_STAGE")

    def wait_stage(self, *names):
        wanted = [C["AXON_STAGE_" + n] for n in names]
        wait_until(lambda: self.stage() in wanted, "boot stage " + " or ".join(names))
        return self.stage()

    def reset(self):
        self.set_reg("RESET", C["AXON_RESET_CARD"])
        self.wait_stage("IDLE")
        self.seq = 0

    def boot(self, image):
        self.start_boot(image)
        if self.wait_stage("READY", "FAILED") != C["AXON_STAGE_READY"]:
            raise RuntimeError("boot failed, error %d" % self.reg("BOOT_ERROR"))

    # ---- mailbox ----

    def send(self, kind, data=b"", length=None, seq=None):
        """Puts a request into the ring; its sequence number."""
        tail = self.vm.read(self.mbox + 112)
        self.seq += 1
        seq = self.seq if seq is None else seq
        head = pack("IHHII", seq, kind, len(data) if length is None else length, 0, 0)
        slot = self.mbox + 1024 + 128 * (tail % C["AXON_MBOX_SLOTS"])
        self.vm.store(slot, head + data.ljust(112, b"\0"))
        self.vm.write(self.mbox + 112, (tail + 1) & 0xffffffff)
        self.set_reg("MBOX_DOORBELL", 1)
        return seq

    def receive(self):
        """The next response: (seq, status, data)."""
        head = self.vm.read(self.mbox + 116)
        wait_until(lambda: self.vm.read(self.mbox + 52) != head, "a mailbox response")
        slot = self.mbox + 1024 + 2048 + 128 * (head % C["AXON_MBOX_SLOTS"])
        raw = self.vm.load(slot, 128)
        self.vm.write(self.mbox + 116, (head + 1) & 0xffffffff)
        seq, _, length, status, _ = unpack("IHHII", raw)
        return seq, status, raw[16:16 + length]

    def call(self, kind, data=b""):
        seq = self.send(C["AXON_MBOX_" + kind], data)
        got, status, answer = self.receive()
        if got != seq:
            raise RuntimeError("response to %d, wanted %d" % (got, seq))
        if status != C["AXON_MBOX_OK"]:
            raise MailboxError(status)
        return answer

    # ---- address space and queues ----

    def make_address_space(self, asid=0):
        """VA 0..2 MiB: the machine's RAM at the same address; 2..4 MiB: HBM at DATA."""
        leaf = C["AXON_PTE_VALID"] | C["AXON_PTE_WRITE"] | C["AXON_PTE_EXEC"]
        sysmem = C["AXON_PTE_TARGET_SYS"] << C["AXON_PTE_TARGET_SHIFT"]
        base = self.TABLES + asid * 0x5000
        tables = [
            pack("Q", base + 0x1000 | 1),
            pack("Q", base + 0x2000 | 1),
            pack("QQ", base + 0x3000 | 1, base + 0x4000 | 1),
            b"".join(pack("Q", i << 12 | leaf | sysmem) for i in range(512)),
            b"".join(pack("Q", self.DATA + (i << 12) | leaf) for i in range(512)),
        ]
        self.vm.store(self.hbm + base, b"".join(t.ljust(4096, b"\0") for t in tables))
        self.call("AS_CREATE", pack("IIQ", asid, 0, base))

    def set_pte(self, va, pte):
        """Writes the entry of @va (below 4 MiB) of address space 0."""
        self.vm.write(self.hbm + self.TABLES + 0x3000 + 8 * (va >> 12), pte, 8)
        self.call("AS_INVALIDATE", pack("IIQ", 0, 0, 0))

    def map_page(self, va, bus_address):
        """Shows one page of the bus at @va."""
        self.set_pte(va, bus_address | C["AXON_PTE_VALID"] | C["AXON_PTE_WRITE"]
                     | C["AXON_PTE_TARGET_SYS"] << C["AXON_PTE_TARGET_SHIFT"])

    @staticmethod
    def link_pte(peer, offset):
        """Entry that shows a page of a peer's HBM."""
        return offset | C["AXON_PTE_VALID"] | C["AXON_PTE_WRITE"] \
            | C["AXON_PTE_TARGET_LINK"] << C["AXON_PTE_TARGET_SHIFT"] \
            | peer << C["AXON_PTE_PEER_SHIFT"]

    def map_link(self, va, peer, offset, more=0):
        self.set_pte(va, self.link_pte(peer, offset) | more)

    def peer(self, place, name):
        """A register of a peer."""
        return self.reg(0x1000 + 0x40 * place + C["AXON_PEER_" + name])     # AXON_REG_PEER()

    def make_queue(self, queue=0, entries=64, at=0x100000, vector=1, core=0):
        return Queue(self, queue, entries, at, vector, core)


class Queue:
    """A ring of @entries in the machine's RAM from @at on."""

    def __init__(self, card, queue, entries, at, vector, core):
        self.card, self.id, self.entries = card, queue, entries
        self.sq = at
        self.cq = at + max(entries * 64, 4096)
        self.state = self.cq + max(entries * 32, 4096)
        self.tail = self.head = self.seqno = 0
        card.vm.store(self.cq, bytes(max(entries * 32, 4096) + 4096))
        card.call("QUEUE_CREATE", pack("IIIIIIQQQ", queue, core, 0, 0, entries, vector,
                                       self.sq, self.cq, self.state))

    def put(self, opcode, operands=b"", flags=0):
        """Writes a command; nothing moves until ring()."""
        self.seqno += 1
        raw = pack("HHIQQ", C["AXON_CMD_" + opcode] if isinstance(opcode, str) else opcode,
                   flags, 0, self.seqno, ~self.seqno & (1 << 64) - 1)
        slot = self.sq + 64 * (self.tail % self.entries)
        self.card.vm.store(slot, raw + operands.ljust(40, b"\0"))
        self.tail = self.tail + 1 & 0xffffffff

    def want_interrupt(self):
        """Asks for one with the completion of the command to be put next."""
        self.card.vm.write(self.state + 8, self.tail)

    def ring(self, doorbell=None):
        """Publishes the tail and rings if @doorbell, or by default if the card asks for it.

        Returns whether it asked.
        """
        vm = self.card.vm
        old = vm.read(self.state)
        vm.write(self.state, self.tail)
        event = vm.read(self.state + 68)
        asked = (self.tail - event - 1) & 0xffffffff < (self.tail - old) & 0xffffffff
        if asked if doorbell is None else doorbell:
            vm.write(self.card.bar0 + C["AXON_DOORBELL_OFFSET"]
                     + self.id * C["AXON_DOORBELL_STRIDE"], 1)
        return asked

    def poll(self):
        """The next completion as (seqno, user_data, status), or None."""
        raw = self.card.vm.load(self.cq + 32 * (self.head % self.entries), 32)
        seqno, user, _, _, status, _, phase = unpack("QQQIHBB", raw)
        if phase & 1 == (self.head // self.entries) & 1:
            return None
        self.head = self.head + 1 & 0xffffffff
        self.card.vm.write(self.state + 4, self.head)
        return seqno, user, status

    def wait(self):
        return wait_until(self.poll, "a completion of queue %d" % self.id)

    def status(self):
        return self.card.vm.read(self.state + 76)
