#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unpacks the kernel inside a bzImage: extract-vmlinux.py BZIMAGE VMLINUX

The boot protocol's header (Documentation/arch/x86/boot.rst of the kernel) says where the packed
kernel begins and how long it is; the program that packed it is told from its first bytes.
"""
import struct
import subprocess
import sys

PACKERS = (
    (b"\x28\xb5\x2f\xfd", ["zstd", "-dc", "--no-progress"]),
    (b"\xfd7zXZ\0", ["xz", "-dc", "--single-stream"]),
    (b"\x1f\x8b", ["gzip", "-dc"]),
    (b"\x02\x21\x4c\x18", ["lz4", "-dc"]),
)


def main(source, target):
    image = open(source, "rb").read()
    if len(image) < 0x260 or image[0x202:0x206] != b"HdrS":
        sys.exit("%s: not a bzImage" % source)
    (protocol,) = struct.unpack_from("<H", image, 0x206)
    if protocol < 0x208:
        sys.exit("%s: boot protocol %#x says nothing of the payload" % (source, protocol))
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    offset += (setup_sectors + 1) * 512
    # the last four bytes are the unpacked size, not part of the packed stream
    packed = image[offset:offset + length - 4]
    if len(packed) != length - 4:
        sys.exit("%s: cut short" % source)
    for magic, command in PACKERS:
        if packed.startswith(magic):
            break
    else:
        sys.exit("%s: unknown packing %s" % (source, packed[:6].hex()))
    run = subprocess.run(command, input=packed, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, check=False)
    if not run.stdout.startswith(b"\x7fELF"):
        sys.exit("%s: %s: %s" % (source, command[0], run.stderr.decode(errors="replace").strip()))
    with open(target, "wb") as out:
        out.write(run.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
