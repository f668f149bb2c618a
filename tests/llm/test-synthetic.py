#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# test-synthetic.py - axon-llm on a soft card and llama-ref tell the same story, token for token,
# with random models of many shapes; and what axon-llm says when a file is damaged or missing.
#
# Usage: test-synthetic.py AXON_LLM LLAMA_REF MAKE_MODEL
import os
import sys
import tempfile
import unittest

import models

AXON_LLM, LLAMA_REF, MAKE_MODEL = sys.argv[1:4]


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def both(self, files, *options):
        """The tokens of both programs, which must be equal. Return them."""
        options = ("--print-tokens", *options)
        ours = models.run(AXON_LLM, *files, *options)
        self.assertEqual(ours.returncode, 0, ours.stderr.decode())
        theirs = models.run(LLAMA_REF, *files, *options)
        self.assertEqual(theirs.returncode, 0, theirs.stderr.decode())
        self.assertEqual(ours.stdout.split(), theirs.stdout.split())
        return ours.stdout.split()


class Shapes(Base):
    def test_long_prompt(self):
        files = models.make(MAKE_MODEL, self.dir.name, "small")
        self.assertEqual(len(self.both(files, "-t", "0", "-i", "once upon a time there was")), 64)

    def test_sampling(self):
        files = models.make(MAKE_MODEL, self.dir.name, "small")
        stories = set()
        for seed in range(1, 6):
            stories.add(tuple(self.both(files, "-s", str(seed), "-n", "32")))
            self.both(files, "-s", str(seed), "-n", "32", "-t", "0.7", "-p", "0.5", "-i", "abc")
            self.both(files, "-s", str(seed), "-n", "32", "-t", "1.3", "-p", "1")
        self.assertGreater(len(stories), 1)

    def test_steps(self):
        files = models.make(MAKE_MODEL, self.dir.name, "one-head")
        self.assertEqual(len(self.both(files, "-t", "0", "-n", "5")), 5)
        for whole in "0", "-1", "32", "1000000":
            self.assertEqual(len(self.both(files, "-t", "0", "-n", whole)), 32)

    def test_twice_the_same(self):
        files = models.make(MAKE_MODEL, self.dir.name, "one-kv-head", seed=3)
        self.assertEqual(self.both(files, "-s", "9"), self.both(files, "-s", "9"))


def add_shape(name):
    def test(self):
        length = models.SHAPES[name][6]
        for seed in 1, 2:
            files = models.make(MAKE_MODEL, self.dir.name, name, seed)
            self.assertEqual(len(self.both(files, "-t", "0", "-n", "0")), length)

    setattr(Shapes, "test_shape_" + name.replace("-", "_"), test)


for shape in models.SHAPES:
    add_shape(shape)


class Errors(Base):
    def setUp(self):
        super().setUp()
        self.model, self.tok = models.make(MAKE_MODEL, self.dir.name, "one-head")

    def fails(self, status, *want, model=None, tok=None, options=(), **env):
        """One line that names what is wrong, nothing on stdout, and the exit status."""
        r = models.run(AXON_LLM, model or self.model, tok or self.tok, *options, **env)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertEqual(r.stdout, b"")
        for text in want:
            self.assertIn(text, r.stderr.decode())

    def cut(self, path, size):
        with open(path, "rb") as f:
            data = f.read(size)
        path += ".cut"
        with open(path, "wb") as f:
            f.write(data)
        return path

    def test_truncated_model(self):
        for size in 0, 1, 27, 28, 1000, os.path.getsize(self.model) - 4:
            path = self.cut(self.model, size)
            self.fails(1, path, model=path)

    def test_truncated_tokenizer(self):
        path = self.cut(self.tok, 1000)
        self.fails(1, path, tok=path)

    def test_missing(self):
        path = os.path.join(self.dir.name, "nothing")
        self.fails(1, path, "stories260K.bin", model=path)
        self.fails(1, path, "-z", tok=path)

    def test_prompt_longer_than_the_sequence(self):
        self.fails(1, "prompt", "32", options=("-i", "a " * 100))

    def test_bad_options(self):
        for option in (("-t", "hot"), ("-t", "-1"), ("-p", "2"), ("-p", "nan"), ("-n", "many"),
                       ("-s", "1x"), ("--card", "-1"), ("--core", "x")):
            self.fails(2, option[0], options=option)
        self.fails(2, options=("--no-such-option",))
        self.fails(2, "one model", options=("another",))

    def test_no_such_card_or_core(self):
        self.fails(1, "no card 7", options=("--card", "7"))
        self.fails(1, "no core 99", options=("--card", "0", "--core", "99"))

    def test_no_card(self):
        self.fails(1, "AXON_DEVICE", AXON_DEVICE="nonsense")

    def test_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            import subprocess
            r = subprocess.run([AXON_LLM, self.model, "-z", self.tok], stdout=full,
                               stderr=subprocess.PIPE, env={**os.environ, "AXON_DEVICE": "soft"},
                               timeout=120, check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"No space left", r.stderr)


class Places(Base):
    def test_card_and_core(self):
        files = models.make(MAKE_MODEL, self.dir.name, "one-head")
        want = self.both(files, "-t", "0")
        for options, device in ((("--core", "1"), "soft"), (("--card", "0", "--core", "1"), "soft"),
                                (("--card", "1"), "soft:2"), (("--core", "3"), "soft:2")):
            r = models.run(AXON_LLM, *files, "-t", "0", "--print-tokens", *options,
                           AXON_DEVICE=device)
            self.assertEqual(r.returncode, 0, r.stderr.decode())
            self.assertEqual(r.stdout.split(), want)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
