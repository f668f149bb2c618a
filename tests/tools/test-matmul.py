#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# test-matmul.py - axon-matmul on a soft card: sizes that fill tiles and that do not, both types,
# and an end by a signal. The program compares the product itself.
#
# Usage: test-matmul.py AXON_MATMUL
import os
import signal
import subprocess
import sys
import time
import unittest

MATMUL = sys.argv[1]
ENV = {**os.environ, "AXON_DEVICE": "soft"}


def run(*options):
    return subprocess.run([MATMUL, *options], env=ENV, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=300, check=False)


class Matmul(unittest.TestCase):
    def test_sizes(self):
        for n in 1, 2, 100, 128, 129, 300, 512:
            for dtype in "fp32", "bf16":
                r = run("-n", str(n), "-d", dtype, "-s", "0")
                self.assertEqual(r.returncode, 0, (n, dtype, r.stderr))
                self.assertTrue(r.stdout.startswith(f"1 products of {n} x {n} "), r.stdout)
                self.assertIn("result correct", r.stdout)

    def test_core(self):
        self.assertEqual(run("-n", "64", "-s", "0", "--core", "1").returncode, 0)

    def test_signal_ends_it_well(self):
        for sig in signal.SIGINT, signal.SIGTERM:
            p = subprocess.Popen([MATMUL, "-n", "64", "-s", "1000"], env=ENV, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            # Its handler stands when the runtime starts; before that a signal would kill it.
            end = time.monotonic() + 60
            while time.monotonic() < end:
                with open(f"/proc/{p.pid}/status", encoding="ascii", errors="replace") as f:
                    caught = [line for line in f if line.startswith("SigCgt:")]
                if caught and int(caught[0].split()[1], 16) & (1 << (sig - 1)):
                    break
                time.sleep(0.01)
            p.send_signal(sig)
            out, err = p.communicate(timeout=120)
            self.assertEqual(p.returncode, 0, err)
            self.assertIn("result correct", out)

    def test_bad_options(self):
        for option in (("-n", "0"), ("-n", "-1"), ("-n", "20000"), ("-d", "fp8"), ("-s", "x"),
                       ("-s", "-1"), ("-s", "nan"), ("--card", "x")):
            r = run(*option)
            self.assertEqual(r.returncode, 2)
            self.assertIn(option[0], r.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
