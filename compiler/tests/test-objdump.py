# SPDX-License-Identifier: MIT
"""test-objdump - axon-objdump on a program, on what is none, and on damaged ones."""
import os
import random
import subprocess
import sys
import tempfile

objdump, example = sys.argv[1:3]
failed = 0


def run(*args):
    return subprocess.run([objdump, *args], capture_output=True, text=True, timeout=60,
                          errors='replace')


def check(what, ok, detail=''):
    global failed
    if not ok:
        failed += 1
    print(f"{'ok' if ok else 'not ok'} - {what}{': ' + detail if detail and not ok else ''}")


with tempfile.TemporaryDirectory() as d:
    exe = os.path.join(d, 'example')
    subprocess.run([example, exe], check=True, timeout=60)
    out = run(exe).stdout
    check('tensors are named', 'in fp32[4,16] 256 bytes' in out and 'state' in out, out)
    check('the program is named', 'objdump example' in out, out)
    out = run('-d', exe).stdout
    check('every engine is shown', '.text.vector:' in out and '.text.sync:' in out, out)
    check('instructions are named', 'tensor_tensor.add' in out and 'halt' in out
          and 'reg.load.u64' in out and 'dma' in out and 'branch.lt' in out, out)
    out = run('-r', exe).stdout
    check('relocations are shown', 'relocations' in out, out)
    r = run('/dev/null')
    check('an empty file is refused', r.returncode == 1 and r.stderr != '', r.stderr)
    r = run('/nonexistent')
    check('a missing file is named', r.returncode == 1 and '/nonexistent' in r.stderr, r.stderr)
    r = run(objdump)
    check('another machine is refused', r.returncode == 1 and 'not an executable' in r.stderr,
          r.stderr)
    check('no file is a usage error', run().returncode == 2)

    data = open(exe, 'rb').read()
    rnd = random.Random(1)
    bad = os.path.join(d, 'bad')
    crashed = ''
    for i in range(300):
        b = bytearray(data)
        for _ in range(rnd.randint(1, 8)):
            b[rnd.choice([rnd.randrange(64), rnd.randrange(len(b)),
                          rnd.randrange(max(0, len(b) - 1200), len(b))])] = rnd.randrange(256)
        if i % 3 == 0:
            b = b[:rnd.randrange(len(b))]
        with open(bad, 'wb') as f:
            f.write(b)
        r = run('-x', '-d', '-r', bad)
        if r.returncode not in (0, 1):
            crashed = f'case {i}: {r.returncode} {r.stderr[-300:]}'
            break
    check('damaged files are survived', not crashed, crashed)
sys.exit(failed != 0)
