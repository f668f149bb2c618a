#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# test-stories.py - the real model, stories260K: axon-llm on a soft card gives the text published
# with it, and other prompts and seeds give llama-ref's tokens. Skipped (77) without the files.
#
# Usage: test-stories.py AXON_LLM LLAMA_REF SOURCE_TREE
import os
import sys
import unittest

import models

AXON_LLM, LLAMA_REF, TOP = sys.argv[1:4]
FILES = models.story_files(TOP)


class Stories(unittest.TestCase):
    def same(self, *options):
        results = []
        for program in AXON_LLM, LLAMA_REF:
            r = models.run(program, *FILES[:2], "--print-tokens", *options)
            self.assertEqual(r.returncode, 0, r.stderr.decode())
            results.append(r.stdout.split())
        self.assertEqual(results[0], results[1], options)
        self.assertGreater(len(results[0]), 1)

    def test_published_text(self):
        with open(FILES[2], "rb") as f:
            expected = f.read()
        for program in LLAMA_REF, AXON_LLM:
            r = models.run(program, *FILES[:2], "-t", "0")
            self.assertEqual(r.returncode, 0, r.stderr.decode())
            self.assertEqual(r.stdout, expected)
            self.assertIn(b"tokens/s", r.stderr)

    def test_prompts(self):
        for prompt in ("Once upon a time", "Lily", "The dog said", "\u00e9t\u00e9 1 \u20ac", " ",
                       "x" * 100):
            self.same("-t", "0", "-i", prompt)

    def test_whole_sequence(self):
        self.same("-t", "0", "-n", "0")

    def test_seeds(self):
        for seed in 1, 2, 42, 123456789:
            self.same("-s", str(seed), "-n", "128")
            self.same("-s", str(seed), "-n", "128", "-p", "1", "-t", "0.8")


if __name__ == "__main__":
    if not FILES:
        print("no model: put stories260K.bin, tok512.bin (public collection karpathy/tinyllamas) "
              "and the greedy text stories260K.expected.txt into a folder and name it in "
              "AXON_MODELS", file=sys.stderr)
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
