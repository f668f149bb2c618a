# SPDX-License-Identifier: MIT
"""A QEMU with cards and no guest: the test is the CPU.

QEMU is the stock binary with its CPUs stopped; its qtest protocol reads and writes memory and I/O
ports, its QMP socket plugs, unplugs and breaks things. Every wait has a limit.
"""
import base64
import json
import os
import select
import socket
import struct
import subprocess
import tempfile
import time

TIMEOUT = 20.0
ECAM = 0xb0000000
RAM_SIZE = 64 << 20


def find(name, *places):
    """A file of the build: named by the environment or in one of the build's places."""
    if name in os.environ:
        return os.path.abspath(os.environ[name])
    build = os.environ.get("AXON_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
    for place in places:
        path = os.path.join(build, place)
        if os.path.exists(path):
            return os.path.abspath(path)
    return None


def plugin():
    path = find("AXON_QEMU_PLUGIN", "lib/qemu-axon.so", "emulator/qemu/qemu-axon.so")
    if not path:
        raise RuntimeError("no qemu-axon.so: build it or set AXON_QEMU_PLUGIN")
    return path


def environment():
    """For QEMU: a plugin built with a sanitizer needs the sanitizer's libraries before QEMU's."""
    env = dict(os.environ)
    with open(plugin(), "rb") as file:
        code = file.read()
    libraries = [subprocess.run(["gcc", "-print-file-name=%s.so" % name], check=True, text=True,
                                capture_output=True).stdout.strip()
                 for name, symbol in (("libasan", b"__asan_init"), ("libubsan", b"__ubsan_handle"))
                 if symbol in code]
    if libraries:
        env["LD_PRELOAD"] = " ".join(libraries)
        # what QEMU itself leaks or does is not our matter; an error of ours ends it
        env["ASAN_OPTIONS"] = "detect_leaks=0:detect_odr_violation=0"
        env["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"
    return env


def card_args(index, hbm="64M", more=""):
    """Arguments that put one card behind a root port of its own."""
    return ["-object", "memory-backend-memfd,id=hbm%d,size=%s,share=on" % (index, hbm),
            "-device", "pcie-root-port,id=rp%d,chassis=%d,slot=%d,addr=%d"
            % (index, index + 1, index + 1, index + 4),
            "-device", "axon,id=card%d,bus=rp%d,hbm=hbm%d,serial=%d%s"
            % (index, index, index, 1000 + index, more)]


class Machine:
    """One QEMU process; a context manager, so that none is left behind."""

    def __init__(self, args, native_hotplug=False):
        self.dir = tempfile.TemporaryDirectory(prefix="axon-qtest.")
        self.events = []
        self.buffer = {}
        listeners = {}
        for name in ("qtest", "qmp"):
            listeners[name] = socket.socket(socket.AF_UNIX)
            listeners[name].bind(os.path.join(self.dir.name, name))
            listeners[name].listen(1)
            listeners[name].settimeout(TIMEOUT)
        command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                   "-name", "axon-qtest,debug-threads=on", "-machine", "q35", "-accel", "tcg",
                   "-S", "-m", "%d" % (RAM_SIZE >> 20),
                   "-qtest", "unix:%s/qtest" % self.dir.name, "-qtest-log", "/dev/null",
                   "-qmp", "unix:%s/qmp" % self.dir.name, "-plugin", "file=" + plugin()]
        if native_hotplug:
            command += ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
        self.process = subprocess.Popen(command + list(args), stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, env=environment())
        try:
            self.qtest = self._accept(listeners["qtest"])
            self.qmp_socket = self._accept(listeners["qmp"])
            self._receive(self.qmp_socket)
            self.qmp("qmp_capabilities")
        except (EOFError, ConnectionError):
            self.process.wait(TIMEOUT)
            reason = self.process.stderr.read().strip()
            self.close()
            raise RuntimeError("QEMU ended: " + reason) from None
        except BaseException:
            self.close()
            raise
        finally:
            for listener in listeners.values():
                listener.close()
        self._pci_setup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self, listener):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if select.select([listener], [], [], 0.05)[0]:
                return listener.accept()[0]
            if self.process.poll() is not None:
                raise RuntimeError("QEMU ended: " + self.process.stderr.read().strip())
        raise TimeoutError("QEMU did not connect")

    def _receive(self, sock):
        """One line."""
        data = self.buffer.get(sock, b"")
        end = time.monotonic() + TIMEOUT
        while b"\n" not in data:
            if not select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("QEMU does not answer")
            more = sock.recv(1 << 20)
            if not more:
                raise EOFError("QEMU closed the connection")
            data += more
        line, self.buffer[sock] = data.split(b"\n", 1)
        return line.decode()

    def close(self):
        for sock in (getattr(self, "qtest", None), getattr(self, "qmp_socket", None)):
            if sock:
                sock.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT)
        said = self.process.stderr.read()
        if "Sanitizer" in said or "runtime error" in said:
            print(said)
        self.process.stderr.close()
        self.dir.cleanup()

    # ---- QMP ----

    def qmp(self, command, **arguments):
        """Result of a command; what QEMU refuses is a RuntimeError with its text."""
        request = {"execute": command, "arguments": arguments}
        self.qmp_socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            reply = json.loads(self._receive(self.qmp_socket))
            if "event" in reply:
                self.events.append(reply)
            elif "error" in reply:
                raise RuntimeError(reply["error"]["desc"])
            else:
                return reply["return"]

    def wait_event(self, name, **data):
        def match(event):
            return event["event"] == name and data.items() <= event.get("data", {}).items()

        while not any(match(e) for e in self.events):
            reply = json.loads(self._receive(self.qmp_socket))
            if "event" in reply:
                self.events.append(reply)

    def threads(self, name):
        """How many threads of QEMU have a name that begins so."""
        count = 0
        tasks = "/proc/%d/task" % self.process.pid
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "comm")) as comm:
                count += comm.read().startswith(name)
        return count

    def quit(self):
        """Orderly end; the exit status."""
        self.qmp_socket.sendall(b'{"execute": "quit"}\n')
        return self.process.wait(TIMEOUT)

    # ---- qtest ----

    def cmd(self, *words):
        self.qtest.sendall(" ".join(words).encode() + b"\n")
        while True:
            reply = self._receive(self.qtest).split()
            if reply[0] == "IRQ":
                continue
            if reply[0] != "OK":
                raise RuntimeError("qtest: %s: %s" % (words[0], " ".join(reply)))
            return reply[1] if len(reply) > 1 else None

    def read(self, addr, size=4):
        return int(self.cmd("read" + {1: "b", 2: "w", 4: "l", 8: "q"}[size], hex(addr)), 16)

    def write(self, addr, value, size=4):
        self.cmd("write" + {1: "b", 2: "w", 4: "l", 8: "q"}[size], hex(addr), hex(value))

    def load(self, addr, size):
        return base64.b64decode(self.cmd("b64read", hex(addr), hex(size)))

    def store(self, addr, data):
        for at in range(0, len(data), 1 << 16):
            part = data[at:at + (1 << 16)]
            self.cmd("b64write", hex(addr + at), hex(len(part)), base64.b64encode(part).decode())

    # ---- PCI ----

    def _pci_setup(self):
        """Extended configuration space at ECAM, as firmware would set it."""
        self.cmd("outl", "0xcf8", hex(0x80000000 | 0x64))
        self.cmd("outl", "0xcfc", "0")
        self.cmd("outl", "0xcf8", hex(0x80000000 | 0x60))
        self.cmd("outl", "0xcfc", hex(ECAM | 1))

    @staticmethod
    def config(bus, device):
        """Address of a function's configuration space."""
        return ECAM + (bus << 20) + (device << 15)

    def capability(self, config, wanted):
        """Offset of a capability, 0 if there is none."""
        at = self.read(config + 0x34, 1)
        for _ in range(48):
            if not at or self.read(config + at, 1) == wanted:
                return at
            at = self.read(config + at + 1, 1)
        raise RuntimeError("capability list has a loop")

    def extended_capability(self, config, wanted):
        at = 0x100
        for _ in range(96):
            head = self.read(config + at)
            if head & 0xffff == wanted:
                return at
            at = head >> 20
            if not at:
                return 0
        raise RuntimeError("capability list has a loop")


def wait_until(condition, what, seconds=TIMEOUT):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError("waited %.0f s for %s" % (seconds, what))
        time.sleep(0.001)


def pack(fmt, *values):
    return struct.pack("<" + fmt, *values)


def unpack(fmt, data):
    return struct.unpack_from("<" + fmt, data)
