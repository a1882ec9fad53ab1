"""Times PyTorch eager, torch.compile and jitted JAX on losses that wgloss has: loss and gradient by the inputs.

    pip install -r benches/requirements.txt
    python benches/peers.py [--json FILE] [--only NAME] [--peers eager,compile] [--rounds 12] [--threads 2]

On a CPU every peer runs twice, each time in a process of its own: as it comes, where a large output is fresh memory
from the system whose pages are faulted in by each call, and with a warm allocator (glibc is told never to give memory
back), where the output of the last call is reused. `faults` in the JSON counts the page faults of a call, so that one
sees whether that worked. `copy` is a plain copy of as many bytes as the pass has to move at least (inputs, targets and
gradients once; the inputs of a set ratio twice) between two tensors that exist already, interleaved with each peer.

torch.compile is timed as it is mostly used, on the loss alone, with the gradient by autograd (`compile`), and on loss
and gradient together (`compile joint`: torch.func.grad_and_value), which can become a single pass.

With a CUDA device everything runs there: PyTorch's times are what its kernels take, by its profiler (what CUDA events see
around a call is in the JSON too, and is mostly what the host takes to launch them), JAX's are wall time up to
block_until_ready, and Liger-Kernel's and QuACK's cross-entropy join where they can be imported. JAX and QuACK have not
been run there. The 65536x10 case fits into the cache, so that its copy says little about memory.

Every result is checked: a peer whose loss or sum of |gradient| is further than 1 % from PyTorch's in f64 says "wrong".
"""

import argparse
import gc
import importlib.util
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

PEERS = ["eager", "compile", "compile joint", "jax", "liger", "quack"]
MODULE = {"jax": "jax", "liger": "liger_kernel", "quack": "quack"}
WARM_UP = 3

# Never mmap, never give memory back, grow by 512 MiB, one arena: what is freed is what the next call gets.
WARM = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(1 << 29),
    "MALLOC_ARENA_MAX": "1",
}

N = 1 << 24
BIG = (4096, 4096)
EMBEDDING = (131072, 128)

# name, shape, type, inputs with gradients, target, tensors that move at least (inputs, float targets, gradients)
CASES = [
    ("mse", (N,), "f32", 1, "real", 3),
    ("huber", (N,), "f32", 1, "real", 3),
    ("bce_with_logits", (N,), "f32", 1, "bits", 3),
    ("binary_focal_with_logits", (N,), "f32", 1, "bits", 3),
    ("cross_entropy", BIG, "f32", 1, "labels", 2),
    ("cross_entropy", BIG, "bf16", 1, "labels", 2),
    ("cross_entropy", (512, 32768), "f32", 1, "labels", 2),
    ("cross_entropy", (32, 131072), "f32", 1, "labels", 2),
    ("cross_entropy", (65536, 10), "f32", 1, "labels", 2),
    ("dice", (N,), "f32", 1, "bits", 5),
    ("dice_with_logits", (N,), "f32", 1, "bits", 5),
    ("cosine_similarity", EMBEDDING, "f32", 1, "real", 3),
    ("triplet", EMBEDDING, "f32", 3, None, 6),
]

# What fills a GPU.
LARGE = [
    ("cross_entropy", (32768, 4096), "bf16", 1, "labels", 2),
    ("cross_entropy", (32768, 32768), "bf16", 1, "labels", 2),
    ("cross_entropy", (8192, 131072), "bf16", 1, "labels", 2),
]


def cases(cuda):
    return CASES + (LARGE if cuda else [])


def title(case):
    name, shape, dtype, *_ = case
    size = "2^24" if shape == (N,) else "x".join(map(str, shape))
    return f"{name} {size}" + ("" if dtype == "f32" else f" {dtype}")


def least_bytes(case):
    _, shape, dtype, _, target, tensors = case
    number = 2 if dtype == "bf16" else 4
    labels = 8 * shape[0] if target == "labels" else 0
    return tensors * number * math.prod(shape) + labels


def arrays(case):
    """The inputs and the target, seeded, in numpy: the same for every peer."""
    import numpy as np

    name, shape, _, inputs, target, _ = case
    rng = np.random.default_rng(1)
    draw = lambda: rng.standard_normal(shape, dtype=np.float32)
    made = [draw() for _ in range(inputs)]
    if name == "dice":  # Probabilities.
        made = [rng.random(shape, dtype=np.float32)]
    match target:
        case "real":
            made.append(draw())
        case "bits":
            made.append((rng.random(shape) < 0.3).astype(np.float32))
        case "labels":
            made.append(rng.integers(0, shape[1], shape[0]))
    return made


# ---- PyTorch


def torch_loss(name):
    import torch
    import torch.nn.functional as F

    def focal(x, t, alpha=0.25, gamma=2.0):
        # torchvision.ops.sigmoid_focal_loss, in the same operations.
        p = torch.sigmoid(x)
        ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
        p_t = p * t + (1 - p) * (1 - t)
        alpha_t = alpha * t + (1 - alpha) * (1 - t)
        return (alpha_t * ce * (1 - p_t) ** gamma).mean()

    def dice(x, t, smooth=1e-6):
        return 1 - (2 * (x * t).sum() + smooth) / (x.sum() + t.sum() + smooth)

    return {
        "mse": F.mse_loss,
        "huber": F.huber_loss,
        "bce_with_logits": F.binary_cross_entropy_with_logits,
        "binary_focal_with_logits": focal,
        "cross_entropy": F.cross_entropy,
        "dice": dice,
        "dice_with_logits": lambda x, t: dice(torch.sigmoid(x), t),
        "cosine_similarity": lambda x, t: -F.cosine_similarity(x, t, dim=1).mean(),
        "triplet": F.triplet_margin_loss,
    }[name]


def torch_step(peer, case, data):
    """A function of no arguments that gives the loss and the gradients."""
    import torch

    name, inputs = case[0], case[3]
    loss = torch_loss(name)
    leaves, rest = data[:inputs], data[inputs:]
    if peer == "compile joint":
        both = torch.func.grad_and_value(loss, argnums=tuple(range(inputs)))
        both = torch.compile(both)

        def joint():
            grads, value = both(*data)
            return value, grads

        return joint
    if peer == "compile":
        loss = torch.compile(loss)
    if peer == "liger":
        from liger_kernel.transformers import LigerCrossEntropyLoss

        loss = LigerCrossEntropyLoss()
    if peer == "quack":
        from quack import cross_entropy

        loss = cross_entropy
    for leaf in leaves:
        leaf.requires_grad_(True)

    def step():
        value = loss(*leaves, *rest)
        return value.detach(), torch.autograd.grad(value, leaves)

    return step


def run_torch(peer, case, rounds, cuda):
    import torch

    device = "cuda" if cuda else "cpu"
    dtype = case[2]
    host = [torch.from_numpy(a) for a in arrays(case)]
    if dtype == "bf16":
        host = [a.bfloat16() if a.is_floating_point() else a for a in host]
    data = [a.to(device).clone() for a in host]

    # Checked before it is timed: Liger overwrites its input with the gradient.
    loss, grads = torch_step(peer, case, [a.clone() for a in data])()
    found = [loss.double().item(), sum(g.double().abs().sum().item() for g in grads)]
    del loss, grads
    exact = [a.to(device, torch.float64) if a.is_floating_point() else a.to(device) for a in host]
    loss, grads = torch_step("eager", case, exact)()
    wanted = [loss.item(), sum(g.abs().sum().item() for g in grads)]
    del loss, grads, exact, host
    gc.collect()

    numbers = least_bytes(case) // 8
    source = torch.ones(numbers, device=device)
    copied = torch.empty_like(source)
    measure = measure_cuda if cuda else measure_host
    step = torch_step(peer, case, data)
    result = measure(step, lambda: copied.copy_(source), rounds)
    return result | {"found": found, "expected": wanted}


def measure_cuda(step, copy, rounds):
    """Times of kernels, and by CUDA events."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    def kernels(work):
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            out = work()
            torch.cuda.synchronize()
        del out
        return sum(event.self_device_time_total for event in seen.key_averages()) / 1e3

    def timed(work):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        out = work()
        end.record()
        torch.cuda.synchronize()
        del out
        return start.elapsed_time(end)

    for _ in range(WARM_UP):
        timed(step), timed(copy), kernels(step), kernels(copy)
    steps, copies, step_kernels, copy_kernels = [], [], [], []
    for _ in range(rounds):
        steps.append(timed(step))
        copies.append(timed(copy))
        step_kernels.append(kernels(step))
        copy_kernels.append(kernels(copy))
    times = {"event_ms": steps, "copy_event_ms": copies}
    return times | {"kernel_ms": step_kernels, "copy_kernel_ms": copy_kernels}


# ---- JAX


def jax_loss(name):
    import jax
    import jax.numpy as jnp

    def bce(x, t):
        return jnp.maximum(x, 0) - x * t + jnp.log1p(jnp.exp(-jnp.abs(x)))

    def focal(x, t, alpha=0.25, gamma=2):
        p = jax.nn.sigmoid(x)
        p_t = p * t + (1 - p) * (1 - t)
        alpha_t = alpha * t + (1 - alpha) * (1 - t)
        return (alpha_t * bce(x, t) * (1 - p_t) ** gamma).mean()

    def huber(x, t):
        d = jnp.abs(x - t)
        return jnp.where(d <= 1, 0.5 * d * d, d - 0.5).mean()

    def cross_entropy(x, t):
        x = x.astype(jnp.float32)
        label = jnp.take_along_axis(x, t[:, None], axis=1)[:, 0]
        return (jax.nn.logsumexp(x, axis=1) - label).mean()

    def dice(x, t, smooth=1e-6):
        return 1 - (2 * (x * t).sum() + smooth) / (x.sum() + t.sum() + smooth)

    def cosine(x, t, eps=1e-8):
        norm = lambda v: jnp.maximum(jnp.sqrt((v * v).sum(axis=1)), eps)
        return -((x * t).sum(axis=1) / (norm(x) * norm(t))).mean()

    def triplet(a, p, n, margin=1.0, eps=1e-6):
        distance = lambda u, v: jnp.sqrt(((u - v + eps) ** 2).sum(axis=1))
        return jnp.maximum(0, margin + distance(a, p) - distance(a, n)).mean()

    return {
        "mse": lambda x, t: ((x - t) ** 2).mean(),
        "huber": huber,
        "bce_with_logits": lambda x, t: bce(x, t).mean(),
        "binary_focal_with_logits": focal,
        "cross_entropy": cross_entropy,
        "dice": dice,
        "dice_with_logits": lambda x, t: dice(jax.nn.sigmoid(x), t),
        "cosine_similarity": cosine,
        "triplet": triplet,
    }[name]


def run_jax(case, rounds):
    import jax
    import jax.numpy as jnp
    import numpy as np

    name, _, dtype, inputs, _, _ = case
    host = arrays(case)
    data = [jnp.asarray(a, dtype=jnp.int32 if a.dtype.kind == "i" else None) for a in host]
    if dtype == "bf16":
        data = [a.astype(jnp.bfloat16) if a.dtype == jnp.float32 else a for a in data]
    both = jax.jit(jax.value_and_grad(jax_loss(name), argnums=tuple(range(inputs))))
    step = lambda: jax.block_until_ready(both(*data))
    loss, grads = step()
    as64 = lambda g: np.asarray(g).astype(np.float64)
    found = [float(loss), sum(float(np.abs(as64(g)).sum()) for g in grads)]
    del loss, grads, host
    numbers = least_bytes(case) // 8
    source, target = np.ones(numbers, np.float32), np.zeros(numbers, np.float32)
    return measure_host(step, lambda: np.copyto(target, source), rounds) | {"found": found}


# ---- One process for each peer and allocator


def measure_host(step, copy, rounds):
    """Wall time and process CPU time of each round, in milliseconds, and page faults of a call."""

    def timed(work):
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        cpu, wall = time.process_time(), time.perf_counter()
        out = work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        del out
        return wall * 1e3, cpu * 1e3, faults

    gc.collect()
    gc.disable()
    for _ in range(WARM_UP):
        timed(step), timed(copy)
    steps, copies = [], []
    for _ in range(rounds):
        steps.append(timed(step))
        copies.append(timed(copy))
    gc.enable()
    wall, cpu, faults = map(list, zip(*steps))
    copy_wall, copy_cpu, _ = map(list, zip(*copies))
    return {
        "wall_ms": wall,
        "cpu_ms": cpu,
        "faults": statistics.median(faults),
        "copy_wall_ms": copy_wall,
        "copy_cpu_ms": copy_cpu,
    }


def child(args):
    """Runs one peer on every case, and prints a line of JSON for each."""
    peer = args.child
    if hasattr(os, "sched_setaffinity") and not args.cuda:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    if peer != "jax":
        import torch

        torch.set_num_threads(args.threads)
    for case in cases(args.cuda):
        if args.only not in title(case):
            continue
        if peer in ("liger", "quack") and case[0] != "cross_entropy":
            continue
        try:
            run = run_jax(case, args.rounds) if peer == "jax" else run_torch(peer, case, args.rounds, args.cuda)
        except Exception as e:  # A peer that cannot do a case is a result, not the end.
            run = {"error": f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else ''}"}
        print(json.dumps({"peer": peer, "case": title(case), "least_bytes": least_bytes(case)} | run), flush=True)


def run_child(args, peer, allocator):
    command = [sys.executable, __file__, "--child", peer, "--rounds", str(args.rounds)]
    command += ["--threads", str(args.threads), "--only", args.only] + (["--cuda"] if args.cuda else [])
    env = os.environ | {"OMP_NUM_THREADS": str(args.threads)} | (WARM if allocator == "warm" else {})
    rows = []
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            rows.append(json.loads(line) | {"allocator": allocator})
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [""]
        print(f"{peer}: stopped with {done.returncode}: {last[0]}", file=sys.stderr)
    return rows


def verdict(row, expected):
    """Whether a peer's loss and gradient are what f64 says."""
    wanted = expected.get(row["case"])
    if "found" not in row or wanted is None:
        return "unchecked"
    for what, found, right in zip(["loss", "sum of |gradient|"], row["found"], wanted):
        if not abs(found - right) <= 0.01 * abs(right):
            return f"wrong ({what}: found {found:.6g}, expected {right:.6g})"
    return "right"


def cell(row):
    if row is None:
        return ""
    if "error" in row:
        return "failed"
    mark = "" if row["verdict"] == "right" else f" **{row['verdict']}**"
    if "kernel_ms" in row:
        return f"{min(row['kernel_ms']):.3f} / {statistics.median(row['kernel_ms']):.3f}{mark}"
    wall, cpu = row["wall_ms"], row["cpu_ms"]
    return f"{min(wall):.1f} / {statistics.median(wall):.1f} / {min(cpu):.0f}{mark}"


def copy_cell(rows):
    """The copy's figures over every peer that it was interleaved with."""
    good = [r for r in rows if "error" not in r]
    if not good:
        return ""
    key = "copy_kernel_ms" if "copy_kernel_ms" in good[0] else "copy_wall_ms"
    all_times = [t for r in good if key in r for t in r[key]]
    text = f"{min(all_times):.3f} / {statistics.median(all_times):.3f}"
    if key == "copy_wall_ms":
        text = f"{min(all_times):.1f} / {statistics.median(all_times):.1f} / "
        text += f"{min(t for r in good for t in r['copy_cpu_ms']):.0f}"
    return text


def markdown(rows, peers, allocator, cuda):
    unit = "ms of kernels, minimum / median" if cuda else "wall ms, minimum / median / process CPU ms, minimum"
    print(f"\n{allocator} allocator; {unit}\n" if not cuda else f"\n{unit}\n")
    print("| loss and gradient | least MB | copy | " + " | ".join(peers) + " |")
    print("| --- | --- | --- |" + " --- |" * len(peers))
    for case in cases(cuda):
        mine = [r for r in rows if r["case"] == title(case) and r["allocator"] == allocator]
        if mine:
            found = {r["peer"]: r for r in mine}
            cells = " | ".join(cell(found.get(p)) for p in peers)
            print(f"| {title(case)} | {least_bytes(case) / 1e6:.0f} | {copy_cell(mine)} | {cells} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="every round of everything")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--peers", default=",".join(PEERS), help="which, with commas")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--cuda", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args)

    has = lambda module: importlib.util.find_spec(module) is not None
    versions = {}
    if has("torch"):
        import torch

        args.cuda = torch.cuda.is_available()
        versions["torch"] = torch.__version__
    if has("jax"):
        from importlib.metadata import version

        versions["jax"] = version("jax")
    peers, rows = [], []
    for peer in args.peers.split(","):
        if peer in ("liger", "quack") and not args.cuda:
            continue
        if not has(MODULE.get(peer, "torch")) or not has("numpy"):
            print(f"{peer}: not installed")
            continue
        peers.append(peer)
    allocators = ["cuda"] if args.cuda else ["default", "warm"]
    for peer in peers:
        for allocator in allocators:
            print(f"{peer}, {allocator} ...", file=sys.stderr)
            rows += run_child(args, peer, allocator)
    expected = {r["case"]: r["expected"] for r in rows if "expected" in r}
    for row in rows:
        row["verdict"] = verdict(row, expected)
        if "error" in row:
            print(f"{row['peer']}, {row['case']}: {row['error']}", file=sys.stderr)
    where = platform.processor() or platform.machine()
    if args.cuda:
        where = torch.cuda.get_device_name()
    print(f"{where}; {args.threads} threads; {args.rounds} rounds; {versions}")
    for allocator in allocators:
        markdown(rows, peers, allocator, args.cuda)
    if args.json:
        about = {"device": where, "threads": args.threads, "rounds": args.rounds, "versions": versions}
        with open(args.json, "w") as out:
            json.dump(about | {"rows": rows}, out, indent=1)


if __name__ == "__main__":
    main()
