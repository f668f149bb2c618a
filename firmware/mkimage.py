#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes a firmware image (uapi/axon_fw.h) from the linked firmware.

Usage: mkimage.py FIRMWARE.elf IMAGE

The section .axon.header holds the header with all that the compiler knows. Filled in here: the
payload's size and addresses, from the program headers, and the hash. The same ELF file always
gives the same image.
"""
import hashlib
import struct
import sys

HEADER_SIZE = 256
# Offsets in struct axon_fw_header.
PAYLOAD_SIZE, LOAD_ADDR, ENTRY, BSS_END, SHA256 = 20, 24, 28, 32, 80

PT_LOAD = 1


def fail(text):
	sys.exit('mkimage: ' + text)


def string_at(data, offset):
	return data[offset:data.index(b'\0', offset)].decode()


def parse(elf):
	"""Returns (entry, [(vaddr, filesz, memsz, data)], header)."""
	if elf[:6] != b'\x7fELF\x01\x01':
		fail('not a little-endian ELF32 file')
	(entry, phoff, shoff, _, _, phsize, phnum, shsize, shnum, shstr) = \
		struct.unpack_from('<IIIIHHHHHH', elf, 24)
	segments = []
	for i in range(phnum):
		kind, off, vaddr, _, filesz, memsz = struct.unpack_from('<6I', elf, phoff + i * phsize)
		if kind == PT_LOAD and memsz:
			segments.append((vaddr, filesz, memsz, elf[off:off + filesz]))
	names = struct.unpack_from('<10I', elf, shoff + shstr * shsize)[4]
	header = None
	for i in range(shnum):
		section = struct.unpack_from('<10I', elf, shoff + i * shsize)
		if string_at(elf, names + section[0]) == '.axon.header':
			header = elf[section[4]:section[4] + section[5]]
	if header is None or len(header) != HEADER_SIZE:
		fail('section .axon.header is missing or has a wrong size')
	return entry, sorted(segments), header


def make_image(elf):
	entry, segments, header = parse(elf)
	if not segments:
		fail('nothing to load')
	load = segments[0][0]
	payload = bytearray()
	bss_end = load
	for vaddr, filesz, memsz, data in segments:
		if filesz:
			payload += bytes(vaddr - load - len(payload)) + data
		bss_end = max(bss_end, vaddr + memsz)
	payload += bytes(-len(payload) % 4)
	bss_end = max(bss_end, load + len(payload))
	header = bytearray(header)
	for offset, value in ((PAYLOAD_SIZE, len(payload)), (LOAD_ADDR, load), (ENTRY, entry),
			      (BSS_END, bss_end)):
		struct.pack_into('<I', header, offset, value)
	header[SHA256:SHA256 + 32] = bytes(32)
	header[SHA256:SHA256 + 32] = hashlib.sha256(header + payload).digest()
	return header + payload


def main():
	if len(sys.argv) != 3:
		fail('usage: mkimage.py FIRMWARE.elf IMAGE')
	with open(sys.argv[1], 'rb') as f:
		image = make_image(f.read())
	with open(sys.argv[2], 'wb') as f:
		f.write(image)


if __name__ == '__main__':
	main()
