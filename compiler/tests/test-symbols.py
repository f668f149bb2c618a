# SPDX-License-Identifier: MIT
"""test-symbols - the header, the version map and the library name the same functions."""
import re
import subprocess
import sys

header, vmap, lib = sys.argv[1:4]
text = re.sub(r'/\*.*?\*/', '', open(header).read(), flags=re.S)
declared = set(re.findall(r'\b(axc_\w+)\s*\([^;{]*\)\s*;', text))
mapped = set(re.findall(r'^\s*(axc_\w+);', open(vmap).read(), flags=re.M))
out = subprocess.run(['nm', '-D', '--defined-only', lib], capture_output=True, text=True, check=True)
exported = {line.split()[-1].split('@')[0] for line in out.stdout.splitlines()
            if line.split()[-2] in 'TDBR'}
bad = 0
for what, names in (('declared but not exported', declared - exported),
                    ('mapped but not declared', mapped - declared),
                    ('exported but not declared', exported - declared)):
    for n in sorted(names):
        print(f'{n} is {what}')
        bad += 1
print(f'{len(declared)} functions')
sys.exit(bad != 0 or not declared)
