#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# test-cc-test.py - axon-cc-test on soft cards: every operation, type and reduction with every element
# checked, the report, explanations without a card, and bad options.
#
# Usage: test-cc-test.py AXON_CC_TEST
import errno
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import unittest

TOOL = sys.argv[1]
FAR_MS = "600000"       # a timeout that nobody may wait for
OPERATIONS = ("all_reduce", "all_gather", "reduce_scatter", "alltoall", "broadcast", "reduce",
              "permute", "sendrecv")


def environment(cards):
    env = {**os.environ, "AXON_DEVICE": f"soft:{cards}", "FI_PROVIDER": "net,tcp"}
    env.pop("NEURON_RT_ROOT_COMM_ID", None)
    return env


# Below those that programs are given (net.ipv4.ip_local_port_range), or it is another's soon.
def free_port():
    while True:
        port = random.randrange(20000, 32768)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise


def run(*options, cards=4):
    env = environment(cards)
    return subprocess.run([TOOL, *options], env=env, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120, check=False)


class CcTest(unittest.TestCase):
    def report(self, *options, cards=4):
        with tempfile.NamedTemporaryFile(suffix=".json") as f:
            r = run("-n", "2", "-w", "1", "--report-to-json-file", f.name, *options, cards=cards)
            self.assertEqual(r.returncode, 0, (options, r.stdout, r.stderr))
            return json.load(f), r.stdout

    def test_operations(self):
        for op in OPERATIONS:
            for extra in (), ("--in-place",):
                if extra and op in ("alltoall", "permute", "sendrecv"):
                    continue
                j, out = self.report("-b", "64", "-e", "100K", "-f", "10", "-d", "fp32", "-c",
                                     "random", *extra, op)
                self.assertIn("all elements correct", out, (op, extra))
                self.assertEqual(j["operation"], op)
                self.assertEqual([x["wrong"] for x in j["results"]], [0] * 4)
                self.assertTrue(all(x["time:avg(us)"] > 0 for x in j["results"]))

    def test_types(self):
        for dtype in "uint8", "int32", "fp16", "bf16", "fp32":
            for reduction in "sum", "max", "min":
                j, _ = self.report("-b", "999", "-e", "999", "-d", dtype, "-o", reduction, "-c",
                                   "random", "-t", "p50", "all_reduce", cards=3)
                self.assertEqual([x["wrong"] for x in j["results"]], [0])
                self.assertEqual(j["results"][0]["type"], dtype)
                self.assertIn("time:p50(us)", j["results"][0])

    def test_bandwidths(self):
        j, _ = self.report("-b", "64K", "-e", "64K", "-d", "fp32", "all_reduce")
        x = j["results"][0]
        self.assertEqual((x["size(B)"], x["count(elems)"]), (65536, 16384))
        self.assertAlmostEqual(x["algbw(GB/s)"], 65536e-3 / x["time:avg(us)"], places=4)
        self.assertAlmostEqual(x["busbw(GB/s)"], x["algbw(GB/s)"] * 1.5, places=4)

    def test_cores(self):
        for order in (), ("--cores-first",):
            j, _ = self.report("-r", "4", "-b", "4K", "-e", "4K", "-c", "all_ones", *order,
                               "all_reduce", cards=2)
            self.assertEqual(j["ranks"], 4)
            self.assertEqual([x["wrong"] for x in j["results"]], [0])

    def test_show_algorithm(self):
        j, out = self.report("-b", "1K", "-e", "1K", "-d", "fp32", "--algorithm", "ring",
                             "--show-algorithm", "all_reduce")
        self.assertIn("algorithm", out)
        self.assertEqual(j["results"][0]["algorithm"], "ring")

    def test_explain(self):
        r = run("--explain=json", "--topology", "torus:4x4", "-b", "1K", "-e", "1M", "-f", "32",
                "-d", "bf16", "all_reduce")
        self.assertEqual(r.returncode, 0, r.stderr)
        j = json.loads(r.stdout)
        self.assertEqual([x["bytes"] for x in j], [1 << 10, 1 << 15, 1 << 20])
        for x in j:
            self.assertEqual(x["ranks"], 16)
            self.assertIn(x["chosen"], [c["algorithm"] for c in x["candidates"]])
        for op in (*OPERATIONS, "barrier"):
            r = run("--explain", "-r", "8", op)
            self.assertEqual(r.returncode, 0, (op, r.stderr))
            self.assertIn("8 ranks on ring:8", r.stdout)

    def processes(self, **extra):
        """All-reduce of two processes with a card each."""
        words = [TOOL, "--meet", f"127.0.0.1:{free_port()}", "-r", "2", "--local-ranks", "1",
                 "-b", "4K", "-e", "4K", "-n", "2", "-d", "fp32", "-c", "random"]
        ranks = [subprocess.Popen([*words, "--first-rank", str(i), "all_reduce"],
                                  env={**environment(1), **extra}, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                 for i in range(2)]
        try:
            return [(*p.communicate(timeout=120), p.returncode) for p in ranks]
        finally:
            for p in ranks:
                p.kill()

    def test_processes(self):
        for out, err, status in self.processes():
            self.assertEqual(status, 0, (out, err))

    def test_one_cannot_join(self):
        """One of several ranks fails while the ranks meet: the others do not wait for it."""
        joined = failed = 0
        for files in range(8, 72, 2):
            r = subprocess.run(["prlimit", f"--nofile={files}:{files}", TOOL, "--meet",
                                f"127.0.0.1:{free_port()}", "-r", "4", "--local-ranks", "4",
                                "--timeout", FAR_MS, "-b", "1K", "-e", "1K", "-n", "1", "-w", "0",
                                "all_reduce"], env=environment(4), capture_output=True,
                               text=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
            self.assertIn(r.returncode, (0, 1), (files, r.stderr))
            joined += r.returncode == 0
            if r.returncode and "cannot join" in r.stderr:
                last = r.stderr.splitlines()[-1]
                self.assertRegex(last, "^axon-cc-test: rank [0-3] cannot join: .")
                self.assertNotIn("abort", last)
                failed += "Too many open files" in last
        self.assertGreater(joined, 0)
        self.assertGreater(failed, 0)

    def test_no_place(self):
        r = run("--meet", f"127.0.0.1:{free_port()}", "-r", "5", "--local-ranks", "5", "--timeout",
                FAR_MS, "all_reduce", cards=2)
        self.assertEqual(r.returncode, 1)
        self.assertIn("5 ranks, but 2 cards with 2 cores each", r.stderr)

    def test_no_libfabric(self):
        with tempfile.TemporaryDirectory() as d:
            with open(os.path.join(d, "libfabric.so.1"), "wb"):
                pass
            for out, err, status in self.processes(LD_LIBRARY_PATH=d):
                self.assertEqual(status, 1, (out, err))
                self.assertIn("libfabric.so.1", err)
            # One process needs none.
            alone = subprocess.run([TOOL, "-b", "4K", "-e", "4K", "-n", "2", "all_reduce"],
                                   env={**environment(2), "LD_LIBRARY_PATH": d}, timeout=120,
                                   capture_output=True, text=True, check=False)
            self.assertEqual(alone.returncode, 0, alone.stderr)

    def test_mpirun(self):
        """Processes meet where PMIx says."""
        for each in 1, 2:
            r = subprocess.run(["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "3", TOOL,
                                "--local-ranks", str(each), "-b", "1K", "-e", "64K", "-f", "64",
                                "-n", "2", "-c", "random", "-d", "fp32", "all_reduce"],
                               env=environment(2), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                               timeout=120, check=False)
            self.assertEqual(r.returncode, 0, (r.stdout, r.stderr))
            self.assertEqual(r.stdout.count("all elements correct"), 1, r.stdout)

    def test_bad_options(self):
        for options in (("-r", "0", "all_reduce"), ("-b", "x", "all_reduce"), ("all_different",),
                        ("-d", "fp8", "all_reduce"), ("-o", "avg", "all_reduce"), (),
                        ("-b", "2M", "-e", "1M", "all_reduce"), ("-c", "some", "all_reduce"),
                        ("--explain=xml", "all_reduce"), ("--topology", "ring:4", "all_reduce"),
                        ("--explain", "--topology", "ring:x", "all_reduce"),
                        ("--root", "4", "broadcast")):
            r = run(*options)
            self.assertEqual(r.returncode, 2, options)
            self.assertTrue(r.stderr.startswith("axon-cc-test: "), r.stderr)
        r = run("--algorithm", "telepathy", "all_reduce")
        self.assertEqual(r.returncode, 1)
        self.assertIn("telepathy", r.stderr)
        self.assertEqual(run("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
