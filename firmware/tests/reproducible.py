#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Builds the firmware again, in another directory, and compares the image byte by byte.

Usage: reproducible.py COMPILER IMAGE MKIMAGE ARGS... -- SOURCES...
"""
import os
import subprocess
import sys
import tempfile


def main():
	compiler, image, mkimage = (os.path.abspath(p) for p in sys.argv[1:4])
	split = sys.argv.index('--', 4)
	args = sys.argv[4:split]
	sources = [os.path.abspath(p) for p in sys.argv[split + 1:]]
	with tempfile.TemporaryDirectory() as where:
		subprocess.run([compiler, *args, *sources, '-o', 'other.elf'], cwd=where, check=True,
			       env=dict(os.environ, TZ='Asia/Tokyo', SOURCE_DATE_EPOCH='1'))
		subprocess.run([sys.executable, mkimage, 'other.elf', 'other.bin'], cwd=where,
			       check=True)
		with open(os.path.join(where, 'other.bin'), 'rb') as f:
			other = f.read()
	with open(image, 'rb') as f:
		first = f.read()
	if first != other:
		sys.exit('the second build differs')
	print(f'two builds, {len(first)} bytes, the same')


if __name__ == '__main__':
	main()
