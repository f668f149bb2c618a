#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# test-tools.py - axon-ls and axon-top as programs: options, exit status, where output goes, what
# they say without a card, and the JSON's keys. Uses a copied /sys made here and the soft card,
# never the cards of the machine.
#
# Usage: test-tools.py AXON_LS AXON_TOP
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LS, TOP = sys.argv[1:3]

# The keys of neuron-ls, all of them and no other.
CARD_KEYS = {"neuron_device", "bdf", "cpu_affinity", "numa_node", "connected_to", "nc_count",
             "logical_neuroncore_config", "memory_size", "neuroncore_ids", "neuron_processes"}
PROCESS_KEYS = {"pid", "command", "neuron_runtime_version"}
COLUMNS = ["NEURON DEVICE", "NEURON CORES", "NEURON CORE IDS", "NEURON MEMORY",
           "CONNECTED DEVICES", "PCI BDF", "CPU AFFINITY", "NUMA NODE"]


def run(*argv, **env):
    full = {k: v for k, v in os.environ.items() if k != "AXON_DEVICE"}
    full.update(env)
    return subprocess.run(argv, env=full, capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)


class Tree(unittest.TestCase):
    """A machine with one card, copied."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.root = self.dir.name
        self.put("sys/class/net/lo/mtu", "1")

    def tearDown(self):
        self.dir.cleanup()

    def put(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def put_card(self):
        self.put("sys/class/accel/accel0/device/uevent",
                 "DRIVER=axon\nPCI_SLOT_NAME=0000:01:00.0\n")
        self.put("sys/class/accel/accel0/device/numa_node", "0\n")
        self.put("sys/class/accel/accel0/device/local_cpulist", "0-1\n")

    def put_process(self, pid, maps):
        self.put(f"proc/{pid}/fdinfo/3", "drm-driver:\taxon\ndrm-client-id:\t1\n"
                 "drm-pdev:\t0000:01:00.0\ndrm-total-hbm:\t4 KiB\n")
        os.makedirs(os.path.join(self.root, f"proc/{pid}/fd"))
        os.symlink("/dev/accel/accel0", os.path.join(self.root, f"proc/{pid}/fd/3"))
        self.put(f"proc/{pid}/cmdline", f"prog{pid}\0arg\0")
        self.put(f"proc/{pid}/maps", maps)

    def test_no_card(self):
        r = run(LS, "--sysroot", self.root)
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stdout, "")
        self.assertIn("no Axon card", r.stderr)

    def test_no_card_json_is_still_json(self):
        r = run(LS, "-j", "--sysroot", self.root)
        self.assertEqual(r.returncode, 1)
        self.assertEqual(json.loads(r.stdout), [])

    def test_card_without_driver(self):
        self.put("sys/bus/pci/devices/0000:01:00.0/uevent", "PCI_ID=1234:AC01\n")
        r = run(LS, "--sysroot", self.root)
        self.assertEqual(r.returncode, 1)
        self.assertIn("modprobe axon", r.stderr)
        self.put("sys/module/axon/refcnt", "0")
        self.assertIn("kernel log", run(LS, "--sysroot", self.root).stderr)

    def test_json_keys(self):
        self.put_card()
        r = run(LS, "-j", "-a", "--sysroot", self.root)
        cards = json.loads(r.stdout)
        self.assertEqual(len(cards), 1)
        self.assertEqual(set(cards[0]), CARD_KEYS)
        self.assertEqual(cards[0]["bdf"], "0000:01:00.0")
        self.assertEqual(cards[0]["numa_node"], 0)
        self.assertIsNone(cards[0]["memory_size"])

    def test_processes(self):
        self.put_card()
        self.put_process(7, "00-01 r-xp 0 0:0 0 /lib/libnrt.so.1.0.0\n")
        self.put_process(8, "")
        runtime = json.loads(run(LS, "-j", "--sysroot", self.root).stdout)[0]["neuron_processes"]
        self.assertEqual(runtime, [{"pid": 7, "command": "prog7 arg",
                                    "neuron_runtime_version": "1.0.0"}])
        every = json.loads(run(LS, "-ja", "--sysroot", self.root).stdout)[0]["neuron_processes"]
        self.assertEqual([set(p) for p in every], [PROCESS_KEYS, PROCESS_KEYS])
        self.assertEqual([p["neuron_runtime_version"] for p in every], ["1.0.0", "NA"])
        wide = run(LS, "-w", "--sysroot", self.root).stdout
        self.assertIn("prog7 arg", wide)
        self.assertNotIn("prog8", wide)

    def test_table(self):
        self.put_card()
        r = run(LS, "--sysroot", self.root)
        self.assertTrue(r.stdout.startswith("instance-type: "))
        header = [line for line in r.stdout.splitlines() if "NEURON DEVICE" in line]
        self.assertEqual(len(header), 1)
        for column in COLUMNS:
            self.assertIn(column, header[0])
        self.assertNotIn("RUNTIME VERSION", header[0])
        self.assertIn("RUNTIME VERSION", run(LS, "-w", "--sysroot", self.root).stdout)


class Soft(unittest.TestCase):
    def test_ls_shows_the_soft_card(self):
        r = run(LS, "-j", AXON_DEVICE="soft")
        self.assertEqual(r.returncode, 0, r.stderr)
        cards = json.loads(r.stdout)
        self.assertEqual(len(cards), 1)
        self.assertEqual(set(cards[0]), CARD_KEYS)
        self.assertGreaterEqual(cards[0]["nc_count"], 1)
        self.assertEqual(cards[0]["neuroncore_ids"], list(range(cards[0]["nc_count"])))
        self.assertGreater(cards[0]["memory_size"], 0)

    def test_ls_numbers_cores_through_all_cards(self):
        cards = json.loads(run(LS, "-j", AXON_DEVICE="soft:2").stdout)
        self.assertEqual([c["neuron_device"] for c in cards], [0, 1])
        ids = [i for c in cards for i in c["neuroncore_ids"]]
        self.assertEqual(ids, list(range(len(ids))))

    def test_ls_topology(self):
        r = run(LS, "-t", AXON_DEVICE="soft:2")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("Topology", r.stdout)

    def test_ls_draws_every_shape(self):
        for cards, shape, text in (
                (2, "", "Topology: pair\n\n     [  0]<--->[  1]\n"),
                (3, "", "ring of 3"), (8, "", "ring of 8"), (16, "", "torus of 4 x 4"),
                (6, "torus:2x3", "torus of 2 x 3"), (4, "mesh", "mesh of 4"),
                (3, "none", "The cards have no links between them.")):
            r = run(LS, "-t", AXON_DEVICE=f"soft:{cards}", AXON_SOFT_FABRIC=shape)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertIn(text, r.stdout)

    def test_ls_draws_a_torus(self):
        lines = run(LS, "-t", AXON_DEVICE="soft:16").stdout.splitlines()
        for first in 0, 4, 8, 12:
            row = "<--->".join(f"[{n:3}]" for n in range(first, first + 4))
            self.assertIn(f"*--->{row}<---*", lines)

    def test_ls_lists_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".fabric") as f:
            f.write("# a line\nlink 0 1\nlink 1 2\nlatency-ns 2500\nbandwidth 1000000000\n")
            f.flush()
            r = run(LS, "-t", AXON_DEVICE="soft:3", AXON_SOFT_FABRIC="file:" + f.name)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("     [  1]<--->[  0] [  2]\n", r.stdout)
        self.assertIn("1.0 GB/s each way, 2.50 us", r.stdout)

    def test_ls_connected_to(self):
        cards = json.loads(run(LS, "-j", AXON_DEVICE="soft:16").stdout)
        self.assertEqual(cards[0]["connected_to"], [1, 3, 4, 12])
        self.assertEqual(cards[5]["connected_to"], [1, 4, 6, 9])
        cards = json.loads(run(LS, "-j", AXON_DEVICE="soft").stdout)
        self.assertEqual(cards[0]["connected_to"], [])

    def test_ls_bad_fabric(self):
        r = run(LS, AXON_DEVICE="soft:3", AXON_SOFT_FABRIC="star")
        self.assertEqual(r.returncode, 1)
        self.assertIn("AXON_SOFT_FABRIC=star", r.stderr)

    def test_ls_bad_device(self):
        r = run(LS, AXON_DEVICE="soft:many")
        self.assertEqual(r.returncode, 1)
        self.assertIn("AXON_DEVICE", r.stderr)

    def test_top_cannot_see_a_soft_card(self):
        r = run(TOP, "--once", AXON_DEVICE="soft")
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stdout, "")
        self.assertIn("AXON_DEVICE", r.stderr)


class Options(unittest.TestCase):
    def test_help(self):
        for program in LS, TOP:
            r = run(program, "--help")
            self.assertEqual((r.returncode, r.stderr), (0, ""))
            self.assertIn("Usage:", r.stdout)

    def test_unknown_option(self):
        for program in LS, TOP:
            self.assertEqual(run(program, "--no-such-option").returncode, 2)
            self.assertEqual(run(program, "word").returncode, 2)

    def test_top_period(self):
        for bad in "0", "-1", "x", "1e9", "nan", "":
            r = run(TOP, "--once", "-d", bad)
            self.assertEqual(r.returncode, 2)
            self.assertIn("-d", r.stderr)

    def test_top_without_terminal(self):
        r = run(TOP)
        self.assertEqual(r.returncode, 1)
        self.assertIn("--once", r.stderr)

    def test_top_once_prints_every_section(self):
        r = run(TOP, "--once", "-d", "0.1")
        for section in "NeuronCore Utilization", "VCPU", "Memory", "Sensors":
            self.assertIn(section, r.stdout)


class Terminal(unittest.TestCase):
    """axon-top on a terminal; it needs no card for that."""

    def start(self, term="xterm"):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ["TERM"] = term
            os.environ.pop("AXON_DEVICE", None)
            os.execv(TOP, [TOP, "-d", "0.2"])
        self.shown = b""

    def wait_for(self, text):
        end = time.monotonic() + 60
        while text not in self.shown and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.fd, 65536)
                except OSError:
                    break
        self.assertIn(text, self.shown)

    def status(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            # Read on: a program whose output nobody takes cannot end.
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.fd, 65536)
                except OSError:
                    time.sleep(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.fail("axon-top did not end")
        return None

    def test_quit_gives_the_terminal_back(self):
        self.start()
        self.wait_for(b"NeuronCore")
        os.write(self.fd, b"q")
        self.assertEqual(self.status(), 0)
        self.assertIn(b"\x1b[?1049l", self.shown)

    def test_keys(self):
        self.start()
        self.wait_for(b"NeuronCore")
        os.write(self.fd, b"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[5~\x1b[6~FzF\x00\xff")
        os.write(self.fd, b"q")
        self.assertEqual(self.status(), 0)

    def test_terminal_that_hangs_up(self):
        self.start()
        self.wait_for(b"NeuronCore")
        os.close(self.fd)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return
            time.sleep(0.1)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.fail("axon-top did not end with its terminal")

    def test_unknown_terminal(self):
        self.start(term="no-such-terminal")
        self.assertEqual(self.status(), 1)
        self.assertIn(b"TERM=no-such-terminal", self.shown)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
