"""Holds areas under curves on the device, exact ones and their bounds, against scikit-learn, in one run: milliseconds of wall time.

    python benches/scores.py

Runs `cargo bench --bench scores` first, then roc_auc_score and average_precision_score of scores that are made in the same
way: uniform, positive samples half a spread higher, rounded to the type. scikit-learn has no 16-bit scores of its own;
it gets the rounded ones as float32. Needs benches/requirements.txt.
"""

import platform
import subprocess
import time

import numpy
import sklearn
from sklearn.metrics import average_precision_score, roc_auc_score

ROUNDS = 3


def rounded_to_bf16(scores):
    """Nearest even, by the bits of a float32."""
    bits = scores.view(numpy.uint32)
    bits = bits + 0x7FFF + ((bits >> 16) & 1)
    return (bits & 0xFFFF0000).astype(numpy.uint32).view(numpy.float32)


def peer(dtype, n):
    random = numpy.random.default_rng(1)
    labels = random.integers(0, 2, n)
    scores = ((random.random(n) + 0.5 * labels) / 1.5).astype(numpy.float32)
    if dtype == "bf16":
        scores = rounded_to_bf16(scores)
    least = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        roc_auc_score(labels, scores)
        average_precision_score(labels, scores)
        least = min(least, time.perf_counter() - start)
    return 1e3 * least


def main():
    command = ["cargo", "bench", "-q", "--bench", "scores"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    device, rows = out[0], [line.split() for line in out[2:]]
    print(f"{device}; {platform.machine()}; scikit-learn {sklearn.__version__}, numpy {numpy.__version__}; least of {ROUNDS}\n")
    print("| scores | n | update | compute | wgloss | scikit-learn | times |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for dtype, n, update, compute, together, *bounds in rows:
        other = peer(dtype, int(n))
        print(f"| {' '.join([dtype, *bounds])} | {n} | {update} | {compute} | {together} | {other:.1f} | {other / float(together):.1f} |")


if __name__ == "__main__":
    main()
