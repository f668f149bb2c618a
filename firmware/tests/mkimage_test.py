#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks what mkimage.py writes and what it refuses.

Usage: mkimage_test.py MKIMAGE ELF IMAGE
"""
import hashlib
import os
import struct
import subprocess
import sys
import tempfile


def run(mkimage, elf, image):
	return subprocess.run([sys.executable, mkimage, elf, image], stderr=subprocess.PIPE,
			      check=False, timeout=30)


def check_fields(image):
	magic, size, _, _, _, payload, load, entry, bss = struct.unpack_from('<9I', image)
	assert magic == 0x57465841 and size == 256
	assert size + payload == len(image)
	assert load <= entry < load + payload <= bss
	blank = image[:80] + bytes(32) + image[112:]
	assert image[80:112] == hashlib.sha256(blank).digest()


def check_refusals(mkimage, elf):
	for name, data in (('empty', b''), ('text', b'#!/bin/sh\n' * 40),
			   ('class', elf[:4] + b'\x02' + elf[5:]),
			   ('no header', elf.replace(b'.axon.header', b'.nxon.header'))):
		with tempfile.TemporaryDirectory() as where:
			source, target = os.path.join(where, 'a.elf'), os.path.join(where, 'a.bin')
			with open(source, 'wb') as f:
				f.write(data)
			result = run(mkimage, source, target)
			assert result.returncode == 1, name
			assert result.stderr.startswith(b'mkimage: '), (name, result.stderr)
			assert not os.path.exists(target), name


def main():
	mkimage, elf_path, image_path = sys.argv[1:]
	with open(elf_path, 'rb') as f:
		elf = f.read()
	with open(image_path, 'rb') as f:
		check_fields(f.read())
	check_refusals(mkimage, elf)


if __name__ == '__main__':
	main()
