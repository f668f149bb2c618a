# SPDX-License-Identifier: MIT
#
# models.py - where the real model is, random models of many shapes, and running the two programs
# that tell a story. Used by the tests beside it and by the benchmarks.
import os
import subprocess

# dim hidden layers heads kv_heads vocab seq_len classifier
SHAPES = {
    "small": (64, 172, 2, 8, 4, 512, 64, "shared"),
    "one-head": (32, 64, 1, 1, 1, 300, 32, "unshared"),
    "six-heads": (288, 768, 2, 6, 6, 512, 48, "shared"),
    "six-heads-grouped": (288, 768, 2, 6, 2, 512, 48, "unshared"),
    "one-kv-head": (128, 352, 3, 4, 1, 1000, 40, "shared"),
    "tiny-heads": (48, 100, 2, 12, 3, 259, 24, "unshared"),
    "five-heads": (160, 500, 2, 5, 5, 700, 32, "shared"),
    "wide-heads": (256, 300, 1, 2, 2, 600, 24, "shared"),
    "long": (64, 96, 1, 4, 2, 300, 300, "shared"),
}


def story_files(top):
    """Checkpoint, tokenizer and published text of stories260K, or None.

    AXON_MODELS names their folder; without it a folder beside the source tree is tried."""
    folder = os.environ.get("AXON_MODELS") or os.path.join(top, os.pardir, "shared", "models")
    files = [os.path.join(folder, name) for name in
             ("stories260K.bin", "tok512.bin", "stories260K.expected.txt")]
    return files if all(os.path.isfile(f) for f in files) else None


def make(program, folder, name, seed=1):
    """A random model of one of the shapes: its checkpoint and tokenizer."""
    files = [os.path.join(folder, f"{name}-{seed}.{kind}") for kind in ("bin", "tok")]
    subprocess.run([program, *files, str(seed), *map(str, SHAPES[name])], check=True, timeout=60)
    return files


def run(program, model, tokenizer, *options, timeout=300, **env):
    """Run axon-llm (on a soft card unless told otherwise) or llama-ref."""
    env = {"AXON_DEVICE": "soft", **os.environ, **env}
    return subprocess.run([program, model, "-z", tokenizer, *options], env=env, timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
