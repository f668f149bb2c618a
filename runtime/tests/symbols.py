#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""symbols.py - a library's headers, version map and exported symbols name the same functions.

usage: symbols.py LIBRARY MAP PREFIX-REGEX HEADER...
"""
import re
import subprocess
import sys


def declared(headers, prefix):
	names = set()
	for path in headers:
		with open(path, encoding="utf-8") as file:
			text = file.read()
		text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
		text = re.sub(r"^\s*#(\\\n|.)*$", "", text, flags=re.M)
		names |= set(re.findall(r"\b(%s\w+)\s*\(" % prefix, text))
	return names


def mapped(path):
	with open(path, encoding="utf-8") as file:
		text = re.sub(r"#.*", "", file.read())
	exported = re.search(r"global:(.*?)local:", text, flags=re.S).group(1)
	return set(re.findall(r"\w+", exported))


def exported(path):
	out = subprocess.run(["nm", "-D", "--defined-only", path], check=True,
			     capture_output=True, text=True).stdout
	names = {line.split()[2].split("@")[0] for line in out.splitlines()
		 if line.split()[1] in "TWBDRi"}
	return {name for name in names if not name.startswith(("__asan", "__ubsan", "__tsan"))}


def main():
	library, version_map, prefix, *headers = sys.argv[1:]
	sets = {
		"headers": declared(headers, prefix),
		"map": mapped(version_map),
		"library": exported(library),
	}
	bad = False
	for one in sets:
		for other in sets:
			for name in sorted(sets[one] - sets[other]):
				print(f"{name}: in the {one}, not in the {other}")
				bad = True
	if not sets["library"]:
		print("the library exports nothing")
		bad = True
	return 1 if bad else 0


sys.exit(main())
