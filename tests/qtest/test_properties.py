# SPDX-License-Identifier: MIT
"""Cards that cannot be made, and a plugin for another QEMU: refused, with the reason."""
import os
import subprocess
import tempfile
import unittest

from machine import Machine, card_args, environment, plugin


class Properties(unittest.TestCase):
    def refused(self, text, args):
        with self.assertRaises(RuntimeError) as error:
            Machine(args).close()
        self.assertIn(text, str(error.exception))

    def test_no_hbm(self):
        self.refused("must name a memory backend",
                     ["-device", "pcie-root-port,id=rp0", "-device", "axon,bus=rp0"])

    def test_shared_hbm(self):
        self.refused("in use already", card_args(0) + ["-device", "pcie-root-port,id=x,chassis=9",
                                                       "-device", "axon,bus=x,hbm=hbm0"])

    def test_odd_hbm(self):
        self.refused("power of two", card_args(0, hbm="48M"))

    def test_numbers(self):
        for more in (",cores=0", ",cores=9", ",hbm-stacks=3", ",revision=7"):
            self.refused("cannot have these properties", card_args(0, more=more))

    def test_conventional_bus(self):
        self.refused("PCI Express bus", [
            "-device", "pcie-pci-bridge,id=bridge", "-object", "memory-backend-memfd,id=m,size=64M",
            "-device", "axon,bus=bridge,addr=1,hbm=m"])

    def test_refused_at_run_time(self):
        with Machine(card_args(0)) as vm:
            vm.qmp("object-add", **{"qom-type": "memory-backend-memfd", "id": "m",
                                    "size": 64 << 20})
            for _ in range(20):
                with self.assertRaises(RuntimeError):
                    vm.qmp("device_add", driver="axon", bus="rp0", hbm="m", cores=0, addr="1")

    def test_bad_knob(self):
        with Machine(card_args(0)) as vm:
            with self.assertRaises(RuntimeError):
                vm.qmp("qom-set", path="/machine/peripheral/card0", property="x-stall-fw",
                       value="much")

    def test_other_qemu(self):
        """The same object with another package version inside."""
        with open(plugin(), "rb") as file:
            code = file.read()
        version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True,
                                 check=True, text=True).stdout.split("(")[1].split(")")[0].encode()
        self.assertIn(version, code)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "qemu-axon.so")
            with open(path, "wb") as file:
                file.write(code.replace(version, version[:-1] + b"?"))
            run = subprocess.run(["qemu-system-x86_64", "-M", "none", "-display", "none",
                                  "-plugin", "file=" + path], capture_output=True, text=True,
                                 timeout=20, check=False, env=environment())
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("rebuild the device", run.stderr)

    def test_plugin_options(self):
        run = subprocess.run(["qemu-system-x86_64", "-M", "none", "-display", "none", "-plugin",
                              "file=%s,cards=2" % plugin()], capture_output=True, text=True,
                             timeout=20, check=False, env=environment())
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("-device axon", run.stderr)
