#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# test-train.py - axon-train on soft cards: the same losses as the plain trainer, on one card and on
# several, the same bits after a kill and after a resume, damaged files, and a model that axon-llm
# reads.
#
# Usage: test-train.py AXON_TRAIN AXON_LLM TRAIN_CURVE
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

TRAIN, LLM, CURVE = sys.argv[1:4]
ENV = {**os.environ, "AXON_DEVICE": "soft"}
# The settings that train-curve has too.
SMALL = ["--dim", "32", "--layers", "2", "--heads", "2", "--hidden", "96", "--seq", "24",
         "--batch", "4", "--lr", "2e-3", "--warmup", "10", "--seed", "7"]
# 60 steps of fp32 against double: the operators' rounding, 1e-7 of a loss, grows with the steps.
BOUND = 1e-3
# The same on several cards: only the order differs in which gradients are added up.
CARDS_BOUND = 1e-4

WORDS = "the card reads the text and writes what it has learnt of it . ".split(" ")


def text():
    rng = random.Random(5)
    return " ".join(rng.choice(WORDS) for _ in range(600)) + "\n"


def env_of(options):
    """As many soft cards as are asked for."""
    words = [str(o) for o in options]
    cards = int(words[words.index("--cards") + 1]) if "--cards" in words else 1
    return {**ENV, "AXON_DEVICE": f"soft:{cards}"}


def run(*argv, timeout=300, env=None):
    return subprocess.run([str(a) for a in argv], env=env or ENV, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=timeout, check=False)


class Train(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.text = self.path("text")
        with open(self.text, "w", encoding="ascii") as f:
            f.write(text())

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def bytes(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def train(self, *options, out="model"):
        return run(TRAIN, self.text, *SMALL, "-o", self.path(out), *options)

    def ok(self, *options, out="model"):
        r = run(TRAIN, self.text, *SMALL, "-o", self.path(out), *options, env=env_of(options))
        self.assertEqual(r.returncode, 0, r.stderr)
        return r

    def losses(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        return {line["step"]: line["loss"] for line in lines if "step" in line}

    def test_curve(self):
        self.ok("--steps", 60, "--log", self.path("log"), "--curve", self.path("curve.svg"))
        r = run(CURVE, self.text, 60)
        self.assertEqual(r.returncode, 0, r.stderr)
        want = [float(x) for x in r.stdout.split()]
        got = self.losses("log")
        self.assertEqual(sorted(got), list(range(1, 61)))
        for step, loss in enumerate(want, 1):
            self.assertAlmostEqual(got[step], loss, delta=BOUND, msg=f"step {step}")
        self.assertLess(got[60], got[1] - 0.5)
        xml.etree.ElementTree.parse(self.path("curve.svg"))

    def test_cards_share_a_step(self):
        self.ok("--steps", 40, "--log", self.path("log1"))
        one = self.losses("log1")
        for cards in 2, 4:
            log = f"log{cards}"
            self.ok("--steps", 40, "--cards", cards, "--log", self.path(log), out=log + "m")
            several = self.losses(log)
            for step, loss in one.items():
                self.assertAlmostEqual(several[step], loss, delta=CARDS_BOUND,
                                       msg=f"{cards} cards, step {step}")
            self.ok("--steps", 40, "--cards", cards, out=log + "again")
            self.assertEqual(self.bytes(log + "m"), self.bytes(log + "again"))

    def test_model_is_read(self):
        self.ok("--steps", 20)
        r = run(LLM, self.path("model"), "-z", self.path("model.tok"), "-t", "0", "-n", "20")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertTrue(r.stdout)
        self.assertLessEqual(set(r.stdout), set(text()))

    def test_given_tokenizer(self):
        """The vocabulary of another text: its tokens are the model's, and no file is made."""
        with open(self.path("other"), "w", encoding="ascii") as f:
            f.write("".join(map(chr, range(10, 127))))
        r = run(TRAIN, self.path("other"), *SMALL, "--steps", 1, "-o", self.path("any"))
        self.assertEqual(r.returncode, 0, r.stderr)
        tok = self.path("any.tok")
        self.ok("--steps", 4, "-z", tok, "--checkpoint", self.path("ckpt"))
        self.assertFalse(os.path.exists(self.path("model.tok")))
        r = run(LLM, self.path("model"), "-z", tok, "-t", "0", "-n", "20", "-i", "card")
        self.assertEqual(r.returncode, 0, r.stderr)
        r = self.train("--resume", self.path("ckpt"))
        self.assertEqual(r.returncode, 1)
        self.assertIn("-z", r.stderr)
        self.ok("--resume", self.path("ckpt"), "-z", tok, out="again")
        self.assertEqual(self.bytes("model"), self.bytes("again"))

    def test_prompt_that_the_text_does_not_have(self):
        self.ok("--steps", 1)
        r = run(LLM, self.path("model"), "-z", self.path("model.tok"), "-i", "X")
        self.assertEqual(r.returncode, 1)
        self.assertIn("0x58", r.stderr)

    def interrupted(self, sig, *options):
        """A training that gets a signal once it has done some steps."""
        log = self.path("log")
        if os.path.exists(log):
            os.unlink(log)
        p = subprocess.Popen([TRAIN, self.text, *SMALL, "--steps", "100000", "-o",
                              self.path("part"), "--log", log, *options], env=ENV, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        deadline = time.monotonic() + 120
        while p.poll() is None and time.monotonic() < deadline:
            if os.path.exists(log) and max(self.whole_lines(log), default=0) >= 3:
                break
            time.sleep(0.01)
        p.send_signal(sig)
        out, err = p.communicate(timeout=120)
        self.assertEqual(p.returncode, 0, err)
        return out

    def test_signal_keeps_everything(self):
        ckpt = self.path("ckpt")
        for sig in signal.SIGINT, signal.SIGTERM:
            out = self.interrupted(sig, "--checkpoint", ckpt, "--curve", self.path("c.svg"))
            self.assertIn("--resume " + ckpt, out)
            steps = max(self.whole_lines(self.path("log")))
            self.assertIn(f"step {steps} of 100000", out)
            r = run(LLM, self.path("part"), "-z", self.path("part.tok"), "-n", "8")
            self.assertEqual(r.returncode, 0, r.stderr)
            xml.etree.ElementTree.parse(self.path("c.svg"))
        self.assertIn("cannot go on", self.interrupted(signal.SIGINT))

    def test_results_that_cannot_be_written(self):
        """Known before the training, not after it."""
        for options in (["-o", self.path("no/model")], ["-o", self.dir.name], ["-o", "/dev/null"],
                        ["--checkpoint", self.path("no/ckpt")], ["--curve", self.path("no/c.svg")],
                        ["--log", self.path("no/log")]):
            r = self.train("--steps", "100000", *options)
            self.assertEqual(r.returncode, 1, options)
            self.assertIn(options[1], r.stderr)

    def test_rate_that_is_too_high(self):
        """Parameters that grow a hundredfold each step soon are no numbers."""
        r = self.train("--steps", 50, "--lr", 10, "--warmup", 0, "--decay", 10, "--checkpoint",
                       self.path("ckpt"), "--every", 1)
        self.assertEqual(r.returncode, 1)
        self.assertIn("--lr", r.stderr)
        self.assertFalse(os.path.exists(self.path("model")))

    def test_same_bits(self):
        self.ok("--steps", 10, out="a")
        self.ok("--steps", 10, out="b")
        self.assertEqual(self.bytes("a"), self.bytes("b"))
        self.ok("--steps", 10, "--seed", 8, out="c")
        self.assertNotEqual(self.bytes("a"), self.bytes("c"))

    def killed_and_resumed(self, rounds, *options):
        self.ok("--steps", 40, *options, out="whole")
        rng = random.Random(os.urandom(8))
        for _ in range(rounds):
            ckpt, log = self.path("ckpt"), self.path("log")
            for path in ckpt, log:
                if os.path.exists(path):
                    os.unlink(path)
            first = ["--checkpoint", ckpt]
            for after in sorted(rng.sample(range(1, 40), 2)):
                p = subprocess.Popen([TRAIN, self.text, *SMALL, "--steps", "40", "--every", "1",
                                      "-o", self.path("part"), "--log", log, *options, *first],
                                     env=env_of(options), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL)
                deadline = time.monotonic() + 120
                while p.poll() is None and time.monotonic() < deadline:
                    if os.path.exists(log) and max(self.whole_lines(log), default=0) >= after:
                        break
                    time.sleep(0.001)
                p.kill()
                p.wait()
                if os.path.exists(ckpt):
                    first = ["--resume", ckpt]
            self.ok("--steps", 40, *options, *first, out="part")
            self.assertEqual(self.bytes("whole"), self.bytes("part"))

    def test_killed_and_resumed(self):
        self.killed_and_resumed(4)

    def test_killed_and_resumed_on_two_cards(self):
        self.killed_and_resumed(2, "--cards", "2")

    @staticmethod
    def whole_lines(path):
        with open(path, encoding="utf-8") as f:
            lines = [line for line in f if line.endswith("\n")]
        return [json.loads(line).get("step", 0) for line in lines]

    def test_resume_is_checked(self):
        self.ok("--steps", 4, "--checkpoint", self.path("ckpt"))
        good = self.bytes("ckpt")
        for option, value in ("--lr", "0.1"), ("--dim", "64"), ("--steps", "5"):
            r = self.train("--resume", self.path("ckpt"), option, value)
            self.assertEqual(r.returncode, 1)
            self.assertIn(option, r.stderr)
        with open(self.text, "a", encoding="ascii") as f:
            f.write("another end\n")
        r = self.train("--steps", 4, "--resume", self.path("ckpt"))
        self.assertEqual(r.returncode, 1)
        self.assertIn("text", r.stderr)
        rng = random.Random(1)
        bad = [good[:n] for n in (0, 7, 8, 100, 175, 176, 177, 1000, len(good) - 1)]
        bad += [good + b"x"]
        for at in list(range(0, 176, 7)) + [rng.randrange(len(good)) for _ in range(4)]:
            bad.append(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1:])
        for data in bad:
            with open(self.path("bad"), "wb") as f:
                f.write(data)
            r = self.train("--resume", self.path("bad"))
            self.assertEqual(r.returncode, 1)
            self.assertTrue(r.stderr.startswith("axon-train: "), r.stderr)
            self.assertEqual(self.bytes("bad"), data)

    def test_bad_arguments(self):
        for options in (["--dim", "0"], ["--dim", "x"], ["--nonsense"], ["--every", "0"],
                        ["--resume", "a", "--checkpoint", "b"], ["--curve", "c.png"],
                        ["--cards", "65"], ["--lr", "nan"], ["another"]):
            self.assertEqual(self.train(*options).returncode, 2, options)
        for options, word in ((["--heads", "5"], "heads"), (["--seq", "60000"], "text"),
                              (["--cards", "2"], "cards"),
                              (["--batch", "3", "--cards", "2"], "batch")):
            r = self.train(*options)
            self.assertEqual(r.returncode, 1, options)
            self.assertIn(word, r.stderr)
        r = run(TRAIN, self.path("absent"))
        self.assertEqual(r.returncode, 1)
        self.assertIn("absent", r.stderr)

    def test_licence_is_learnt(self):
        """The defaults, cut short: 1000 steps end at 0.7 nats, which takes most of a minute."""
        licence = "/usr/share/common-licenses/GPL-3"
        if not os.path.exists(licence):
            self.skipTest("no " + licence)
        r = run(TRAIN, licence, "--steps", "80", "-o", self.path("m"), "--log", self.path("log"))
        self.assertEqual(r.returncode, 0, r.stderr)
        losses = self.losses("log")
        self.assertLess(sum(losses[s] for s in range(71, 81)) / 10, 2.6)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
