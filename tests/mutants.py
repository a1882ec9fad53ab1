#!/usr/bin/env python3
"""Mutation testing: changes one token of a shader or of the host's code and looks whether tests notice.

    python3 tests/mutants.py shaders            # mutants of shaders: one of every file in common and skeleton, and more
    python3 tests/mutants.py host               # mutants of Rust
    python3 tests/mutants.py shaders --only tree.wgsl --more 4
    python3 tests/mutants.py host --list        # says what would be changed
    python3 tests/mutants.py report             # the tables of tests/mutants.md, of all that was run

The draw depends on nothing but the text of the files and the seed. Each mutant runs the part of the tests that sees its
file, the cheapest first, up to the first failure and for at most 60 seconds; building is not counted. One that does not
compile is not counted either: the next of that file is drawn. What came of each is a line of JSON in the file --out.

Everything is built and changed in a copy (--scratch), with SwiftShader as the device where it is installed, because it
compiles kernels fastest. A mutant of Rust is built; a shader is text within the programs, so its mutant is written over
it there, and its first comment shortened or filled up by as much as the text grows or shrinks.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json"
LIMIT = 60.0
# Unmutated stages pass in a fraction of this many times what they took at first; what takes longer hangs.
SLOW = 3.0
FLAGS = [
    "--release",
    "--features",
    "cli",
    "--config=profile.release.package.wgloss.opt-level=0",
    "--config=profile.release.debug=false",
    "--config=profile.release.package.wgloss.codegen-units=64",
    "--config=profile.release.package.wgloss.incremental=true",
]
# What a shader that is no shader any more makes wgpu say.
NO_SHADER = re.compile(r"[Ss]hader .*(parsing|validation) error|Shader validation error|create_shader_module|is no WGSL")

# How many mutants each file gives, by the first pattern that fits; the number of files of a kind that are drawn.
SHADERS = [("shaders/common/*.wgsl", None), ("shaders/skeleton/*.wgsl", None), ("shaders/loss/*.wgsl", 12), ("shaders/metric/*.wgsl", 10)]
HOST = [
    ("src/layout.rs", None),
    ("src/batch.rs", None),
    ("src/reference.rs", None),
    ("src/reference/*.rs", None),
    ("src/gpu/**/*.rs", 14),
    ("src/loss/*.rs", 10),
    ("src/metric/*.rs", 7),
]
# Not of the crate that is shipped, or only sentences.
LEFT_OUT = ["src/gpu/plan/gate.rs", "src/gpu/source/tests.rs", "src/metric/notes.rs"]

# The tests that see a file: the program, and its arguments. The first pattern that fits.
MSE = ("wgloss", "verify --quick mse")
ROWS = ("wgloss", "verify --quick categorical_hinge")
CLASSES = ("wgloss", "verify --quick nll")
DIVERGENCE = ("wgloss", "verify --quick kl_div_with_logits")
SETS = ("wgloss", "verify --quick dice")
COSINE = ("wgloss", "verify --quick cosine_similarity")
REGRESSION = ("wgloss", "verify --quick regression")
METRICS = ("cli", "metrics::the_reference")
BINARY = ("wgloss", "verify --quick binary")
REFERENCE = ("library", "golden::the_reference_agrees golden::one_wrong gradients::")
STORAGE = ("library", "storage::")
PLANS = ("unit", "gpu::plan::gate")
ROW_OUTPUTS = ("library", "row_outputs::")
BALANCED = ("library", "combined::balanced_")
CONFUSION = ("library", "confusion::")
BOUNDS = ("library", "bounds::")
SMALL = ("library", "micro_batches::a_normalizer micro_batches::a_sum")
BAD = ("library", "bad_input::what_does_not bad_input::rows_and embedding::bad_views embedding::overlaps embedding::wrong_usages combined::what_is_no")
WEIGHTED = ("library", "weighted::weights weighted::precisions weighted::whole weighted::masses weighted::bad_weights")
LEFT = ("library", "micro_batches::rows_that")
KEPT = ("library", "determinism::kept_rows")
SIGNS = ("library", "large::infinite_losses large::bad_labels")
LOST = ("library", "large::losses_without")
ROUNDS = ("library", "large::no_invocation")
SHARED = ("library", "large::rows_that_share")
EACH_ROW = ("library", "micro_batches::each_row_may")
BLOCKS = ("library", "large::a_row_may")
NAMED = ("library", "scores::what_is classes::the_first confusion::what_is bounds::what_is regression::what_is")
ADDED = ("library", "micro_batches::gradients_are_added_in_whole")
MERGED = ("library", "scores::states_merge scores::small confusion::states_merge weighted::largest bounds::batches")
POWERS = ("library", "custom::logarithms_and_powers custom::packed_options")
FAR = ("library", "bad_input::differences_beyond")
UPSTREAM = ("library", "embedding::the_upstream embedding::the_loss")
STAGES = [
    (r"shaders/loss/(\w+)\.wgsl", [("wgloss", r"verify --quick \1")]),
    (r"shaders/common/power", [POWERS]),
    (r"shaders/common/pieces", [STORAGE, MSE, FAR]),
    (r"shaders/common/(numerics|storage)", [STORAGE, MSE, DIVERGENCE]),
    (r"shaders/common/set", [SETS]),
    (r"shaders/common/wide", [REGRESSION, WEIGHTED, BOUNDS, BALANCED]),
    (r"shaders/skeleton/row_outputs", [ROW_OUTPUTS]),
    (r"shaders/skeleton/class_weight", [BALANCED]),
    (r"shaders/skeleton/(open|close|share|elementwise)", [MSE, UPSTREAM, SMALL]),
    (r"shaders/skeleton/ranks", [("library", "ranked::ranks_on_the_way_do ranked::rows_without")]),
    (r"shaders/skeleton/fold", [("wgloss", "verify --quick cross_entropy")]),
    (r"shaders/skeleton/count", [SIGNS, LEFT, SMALL, CLASSES]),
    (r"shaders/skeleton/\w+_quick", [BLOCKS, COSINE]),
    (r"shaders/skeleton/upstream", [EACH_ROW]),
    (r"shaders/skeleton/split", [SHARED, MSE, ROWS, COSINE]),
    (r"shaders/skeleton/spread", [LOST]),
    (r"shaders/skeleton/(status|head)", [SMALL, SIGNS, MSE, ROWS]),
    (r"shaders/skeleton/strided", [ROWS, ROUNDS]),
    (r"shaders/skeleton/kept", [KEPT]),
    (r"shaders/skeleton/held", [("wgloss", "verify --quick cross_entropy")]),
    (r"shaders/skeleton/gather\.", [SIGNS, CLASSES, ROWS]),
    (r"shaders/skeleton/", [SMALL, MSE, ROWS, COSINE]),
    (r"shaders/metric/(merge|order|mass|keep)", [MERGED, WEIGHTED, CONFUSION]),
    (r"shaders/metric/regression", [REGRESSION]),
    (r"shaders/metric/fine", [REGRESSION, ("library", "binary::infinite classes::losses_of"), BINARY]),
    (r"shaders/metric/bounds", [BOUNDS]),
    (r"shaders/metric/confusion", [CONFUSION, ("library", "classes::losses_of classes::shifted")]),
    (r"shaders/metric/", [NAMED, REGRESSION, WEIGHTED, CONFUSION, BINARY]),
    (r"src/loss/(options|pieces)\.rs", [REFERENCE, MSE, BAD]),
    (r"src/loss/(\w+)\.rs", [REFERENCE, ("wgloss", r"verify --quick \1")]),
    (r"src/reference/rows", [ROW_OUTPUTS]),
    (r"src/reference", [REFERENCE, MSE, CLASSES]),
    (r"src/(layout|batch)\.rs", [BAD, REFERENCE, MSE, ROWS]),
    (r"src/metric/regression", [REGRESSION]),
    (r"src/metric/area_bounds", [("unit", "metric::area_bounds"), BOUNDS]),
    (r"src/metric/exact", [("unit", "metric::exact"), METRICS, REGRESSION]),
    (r"src/metric/multiclass", [METRICS, ("library", "classes::classes_are"), BINARY]),
    (r"src/metric/", [METRICS, NAMED, REGRESSION, CONFUSION, BINARY]),
    (r"src/gpu/count/bounded", [BOUNDS]),
    (r"src/gpu/(count|figures|collect|scores)", [NAMED, REGRESSION, WEIGHTED, CONFUSION, BINARY]),
    (r"src/gpu/functions", [("unit", "custom::random::device::losses_run")]),
    (r"src/gpu/row_outputs", [ROW_OUTPUTS]),
    (r"src/gpu/class_weight", [BALANCED]),
    (r"src/gpu/source/terms/access", [ADDED, MSE]),
    (r"src/gpu/(normalizer|combined|edges)", [SMALL, UPSTREAM]),
    (r"src/gpu/(bind|in_place|host)", [MSE, BAD, UPSTREAM, SMALL]),
    (r"src/gpu/", [PLANS, MSE, ROWS, SMALL]),
]


def stages(path):
    for pattern, found in STAGES:
        m = re.match(pattern, path)
        if m:
            return [(program, m.expand(args)) for program, args in found]
    raise SystemExit(f"no tests for {path}")


# --- What a mutant is.

# Name, what is looked for, and what it becomes.
OPERATORS = [
    ("+ to -", r"(?<=\s)\+(?==?\s)", "-"),
    ("- to +", r"(?<=[\w)\]] )-(?==?\s)", "+"),
    ("* to /", r"(?<=\s)\*(?==?\s)", "/"),
    ("/ to *", r"(?<=\s)/(?==?\s)", "*"),
    ("% to /", r"(?<=\s)%(?=\s)", "/"),
    ("< to <=", r"(?<=\s)<(?=\s)", "<="),
    ("<= to <", r"(?<=\s)<=(?=\s)", "<"),
    ("> to >=", r"(?<=\s)>(?=\s)", ">="),
    (">= to >", r"(?<=\s)>=(?=\s)", ">"),
    ("== to !=", r"(?<=\s)==(?=\s)", "!="),
    ("!= to ==", r"(?<=\s)!=(?=\s)", "=="),
    ("&& to ||", r"(?<=\s)&&(?=\s)", "||"),
    ("|| to &&", r"(?<=[\w)\] ] )\|\|(?=\s)", "&&"),
    ("<< to >>", r"(?<=\s)<<(?=\s)", ">>"),
    (">> to <<", r"(?<=\s)>>(?=\s)", "<<"),
    ("& to |", r"(?<=[\w)\]] )&(?=\s)", "|"),
    ("| to &", r"(?<=[\w)\]] )\|(?==?\s)", "&"),
    ("max to min", r"\b(?:max|atomicMax)(?=\()", lambda t: t.replace("max", "min").replace("Max", "Min")),
    ("min to max", r"\bmin(?=\()", "max"),
    ("0.0 to 1.0", r"(?<![\w.])0\.0(?![\w.])", "1.0"),
    ("1.0 to 0.0", r"(?<![\w.])1\.0(?![\w.])", "0.0"),
    ("integer + 1", r"(?<![\w.])(?<!; )(?<!e-)\d+(?=u?\b)(?!\.\d)", lambda t: str(int(t) + 1)),
    ("integer - 1", r"(?<![\w.])(?<!; )(?<!e-)[1-9]\d*(?=u?\b)(?!\.\d)", lambda t: str(int(t) - 1)),
    ("negation dropped", r"(?<![\w!])!(?=[\w(])", ""),
    ("minus dropped", r"(?:(?<=\()|(?<=, )|(?<== )|(?<=return ))-(?=[\w(])", ""),
    ("true to false", r"\btrue\b", "false"),
    ("false to true", r"\bfalse\b", "true"),
    ("range end", r"(?<=\w)\.\.(?=[\w(])|\.\.=", lambda t: ".." if t == "..=" else "..="),
]


def code(text, rust):
    """The text with comments, strings, attributes and what is only compiled for tests blanked, at the same places."""
    out = list(text)

    def blank(a, b):
        for i in range(a, b):
            if out[i] != "\n":
                out[i] = " "

    token = r"//[^\n]*|/\*.*?\*/"
    if rust:
        token += r"|r(#+)\".*?\"\1|r\"[^\"]*\"|b?\"(?:\\.|[^\"\\])*\"|b?'(?:\\.[^']*|[^'\\])'"
    for m in re.finditer(token, text, re.S):
        blank(*m.span())
    plain = "".join(out)
    if rust:
        for m in re.finditer(r"#\[cfg\(test\)\]", plain):
            end = re.compile(r"[;{]").search(plain, m.end()).start()
            if plain[end] == "{":
                depth = 0
                for end in range(end, len(plain)):
                    depth += {"{": 1, "}": -1}.get(plain[end], 0)
                    if depth == 0:
                        break
            blank(m.start(), end + 1)
        for pattern in [r"#!?\[[^\]]*\]", r"^\s*(?:pub(?:\([^)]*\))? )?use [^;]*;"]:
            for m in re.finditer(pattern, plain, re.M):
                blank(*m.span())
        # With what they are told: a build that is optimized has none of those for debugging.
        for m in re.finditer(r"\b(?:assert|debug_assert|unreachable)\w*!", plain):
            blank(m.start(), closing(plain, m.end()) + 1)
    else:
        for m in re.finditer(r"@\w+(?:\([^)]*\))?", plain):
            blank(*m.span())
    return "".join(out)


def closing(text, at):
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return None


def parts(text, first, last):
    """The arguments between two brackets, as spans."""
    depth, begin, found = 0, first, []
    for i in range(first, last):
        depth += {"(": 1, ")": -1, "[": 1, "]": -1, "<": 0}.get(text[i], 0)
        if text[i] == "," and depth == 0:
            found.append((begin, i))
            begin = i + 1
    return found + [(begin, last)]


def sites(text, rust):
    """All mutants of a text by operator: begin, end, replacement."""
    plain = code(text, rust)
    all = {}

    def add(name, begin, end, new):
        if text[begin:end] != new:
            all.setdefault(name, []).append((begin, end, new))

    for name, pattern, new in OPERATORS:
        for m in re.finditer(pattern, plain):
            add(name, *m.span(), new(m.group()) if callable(new) else new)
    for m in re.finditer(r"\b(\w+)\(", plain):
        last = closing(plain, m.end() - 1)
        if last is None or plain[: m.start()].endswith("fn "):
            continue
        spans = parts(plain, m.end(), last)
        # Only what stands on one line is moved.
        pairs = [(0, 1)] if m.group(1) == "select" else [(k, k + 1) for k in range(len(spans) - 1)]
        for a, b in pairs if len(spans) > 1 else []:
            x, y = (plain[slice(*spans[k])].strip() for k in (a, b))
            plainly = all_names(x) and all_names(y) and not rust
            if "\n" in text[m.start() : last] or x == y or not (plainly or m.group(1) == "select"):
                continue
            new = text[: spans[a][0]][spans[a][0] :] + f"{y}, {x}"
            begin = spans[a][0] + (len(plain[slice(*spans[a])]) - len(plain[slice(*spans[a])].lstrip()))
            add("arguments of select swapped" if m.group(1) == "select" else "arguments swapped", begin, spans[b][1], new)
    one = " + 1" if rust else " + 1u"
    for m in re.finditer(r"(?<=\w)\[([a-z]\w*(?:\.\w+)*)\]", plain):
        add("index + 1", m.end(1), m.end(1), one)
    for m in re.finditer(r"\bif (?!let\b)([^{}\n]+) \{", plain):
        add("condition negated", *m.span(1), f"!({text[slice(*m.span(1))]})")
    return all


def all_names(text):
    return re.fullmatch(r"[a-z]\w*", text) is not None


def draw(path, seed):
    """All mutants of a file in the order in which they are drawn: an operator first, so that rare ones come too."""
    text = (ROOT / path).read_text()
    found = sites(text, path.endswith(".rs"))
    rng = random.Random(f"{seed} {path}")
    for name in sorted(found):
        rng.shuffle(found[name])
    order = []
    while any(found.values()):
        names = sorted(n for n in found if found[n])
        rng.shuffle(names)
        for name in names:
            order.append((name, *found[name].pop()))
    return text, order


def chosen(kinds, seed, only):
    paths = []
    for pattern, most in kinds:
        files = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob(pattern))
        files = [f for f in files if f not in LEFT_OUT and any(draw(f, seed)[1])]
        if only:
            files = [f for f in files if any(o in f for o in only)]
        elif most is not None:
            random.Random(f"{seed} {pattern}").shuffle(files)
            files = sorted(files[:most])
        paths += files
    return paths


# --- How one is run.


class Programs:
    """The crate's tests and command line, built in a copy."""

    def __init__(self, scratch, target, what):
        self.tree, self.target, self.bin = scratch / "tree", target, scratch / what
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, listed.decode().split("\0")):
            source, copy = ROOT / name, self.tree / name
            if source.is_file() and not (copy.is_file() and copy.read_bytes() == source.read_bytes()):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, copy)
        self.bin.mkdir(parents=True, exist_ok=True)

    def build(self, wanted):
        """Whether it compiles, and the seconds that took. Each program takes time: only those that are wanted."""
        env = dict(os.environ, CARGO_TARGET_DIR=str(self.target))
        start = time.monotonic()
        units = ["--lib"] if "unit" in wanted else []
        tests = [f"--test={name}" for name in ("library", "cli") if name in wanted]
        # Tests of the library and of the command line bring the program along.
        verb = ["test", "--no-run", *units, *tests] if units or tests else ["build", "--bin=wgloss"]
        if units and not tests and "wgloss" in wanted:
            verb.append("--test=library")
        args = ["cargo", *verb, "-q", *FLAGS, "--message-format=json"]
        done = subprocess.run(args, cwd=self.tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.paths = {}
        for line in done.stdout.splitlines():
            message = json.loads(line) if line.startswith("{") else {}
            if message.get("executable"):
                test, kind = message["profile"]["test"], message["target"]["kind"]
                name = "unit" if test and kind == ["lib"] else message["target"]["name"]
                # Not the unit tests of the command line's own file, of which there are none.
                if not (test and kind == ["bin"]):
                    self.paths[name] = message["executable"]
        return done.returncode == 0, time.monotonic() - start

    def keep(self):
        """Copies of the programs, to write mutants of shaders over."""
        for name, path in self.paths.items():
            shutil.copy(path, self.bin / name)

    def patched(self, old, new):
        """Programs with another shader, which one of them has at least."""
        had = False
        for name in self.paths:
            data = (self.bin / name).read_bytes()
            had |= old in data
            copy = self.bin / f"{name}_mutant"
            copy.write_bytes(data.replace(old, new))
            copy.chmod(0o755)
        assert had, "no program has this shader"
        return {name: str(self.bin / f"{name}_mutant") for name in self.paths}

    def stage(self, paths, stage, limit):
        """Passed, failed or late; the seconds; the output."""
        program, args = stage
        env = dict(os.environ, NODEVICE_SELECT="1")
        if os.path.exists(SWIFTSHADER) and "VK_ICD_FILENAMES" not in env:
            env["VK_ICD_FILENAMES"] = SWIFTSHADER
        start = time.monotonic()
        # A group of its own, so that what it starts ends with it.
        child = subprocess.Popen(
            [paths[program], *args.split()], cwd=self.tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        )
        try:
            output, _ = child.communicate(timeout=limit)
            result = "passed" if child.returncode == 0 else "failed"
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            output, _ = child.communicate()
            result = "late"
        return result, time.monotonic() - start, output


def suite(programs, paths, of, baseline, shader, limit):
    """What came of one mutant's tests."""
    used = 0.0
    for stage in of:
        result, seconds, output = programs.stage(paths, stage, limit - used)
        used += seconds
        by = f"{stage[0]} {stage[1]}"
        if result == "failed":
            failed = re.findall(r"^test (\S+) \.\.\. FAILED", output, re.M)
            by = " ".join(failed) or by
            return ("invalid" if shader and NO_SHADER.search(output) else "killed"), by, used, output[-3000:]
        if result == "late":
            hangs = seconds > SLOW * baseline[by]
            return ("hangs" if hangs else "survived in the time"), by, used, output[-3000:]
    return "survived", "", used, ""


def balanced(text, mutant):
    """The mutant with the length of the text: the first comment gives or takes the rest."""
    more = len(mutant.encode()) - len(text.encode())
    end = mutant.index("\n")
    if not mutant.startswith("//") or more > end - 2:
        return None
    if more > 0:
        return mutant[: end - more].encode("ascii", "replace").decode() + mutant[end:]
    return mutant[:end] + " " * -more + mutant[end:]


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("what", choices=["shaders", "host", "report"])
    args.add_argument("--seed", default="1")
    args.add_argument("--only", action="append", help="only files with this in their names; several times for several")
    args.add_argument("--more", type=int, default=1, help="how many mutants a file gives")
    args.add_argument("--skip", type=int, default=0, help="how many mutants a file leaves out first")
    args.add_argument("--limit", type=float, default=LIMIT, help="seconds that the tests of a mutant may take")
    args.add_argument("--list", action="store_true", help="says what would be changed")
    args.add_argument("--scratch", type=Path, default=ROOT / "target/mutants")
    args.add_argument("--target", type=Path)
    args.add_argument("--out", type=Path)
    args.add_argument("--fresh", action="store_true", help="looks again whether the tests pass without a mutant")
    args.add_argument("--stage", action="append", help="instead of a file's tests, for example \"library large::\"; several for several")
    args.add_argument("--show", action="store_true", help="with what the failing test said")
    args = args.parse_args()
    if args.what == "report":
        return report([args.out] if args.out else sorted(args.scratch.glob("*.jsonl")))
    paths = chosen(SHADERS if args.what == "shaders" else HOST, args.seed, args.only)
    if args.list:
        for path in paths:
            text, order = draw(path, args.seed)
            for name, begin, end, new in order[args.skip : args.skip + args.more]:
                print(told(path, text, name, begin, end, new))
        return
    if args.stage:
        STAGES.insert(0, ("", [tuple(stage.split(" ", 1)) for stage in args.stage]))
    scratch = args.scratch.resolve()
    programs = Programs(scratch, (args.target or scratch / "target").resolve(), args.what)
    ok, seconds = programs.build({program for path in paths for program, _ in stages(path)})
    if not ok:
        raise SystemExit("the crate does not build")
    print(f"built in {seconds:.0f} s", flush=True)
    programs.keep()
    kept = {name: str(programs.bin / name) for name in programs.paths}
    # What passes here, of the same text, passes again.
    known = programs.bin / "unmutated.json"
    baseline = json.loads(known.read_text()) if known.exists() and not args.fresh else {}
    for stage in sorted({s for p in paths for s in stages(p)}):
        if " ".join(stage) in baseline:
            continue
        result, seconds, output = programs.stage(kept, stage, 3 * LIMIT)
        print(f"unmutated: {stage[0]} {stage[1]}: {result} in {seconds:.1f} s", flush=True)
        if result != "passed" or "running 0 tests" in output:
            raise SystemExit(output)
        baseline[" ".join(stage)] = seconds
        known.write_text(json.dumps(baseline))
    out = args.out or scratch / f"{args.what}.jsonl"
    counts = {}
    with out.open("a") as lines:
        for path in paths:
            text, order = draw(path, args.seed)
            left = args.more
            for name, begin, end, new in order[args.skip :]:
                if left == 0:
                    break
                mutant = text[:begin] + new + text[end:]
                built = 0.0
                if args.what == "shaders":
                    mutant = balanced(text, mutant)
                    if mutant is None or len(mutant.encode()) != len(text.encode()):
                        continue
                    result, by, used, output = suite(programs, programs.patched(text.encode(), mutant.encode()), stages(path), baseline, True, args.limit)
                else:
                    place = programs.tree / path
                    place.write_text(mutant)
                    ok, built = programs.build({program for program, _ in stages(path)})
                    if ok:
                        result, by, used, output = suite(programs, programs.paths, stages(path), baseline, False, args.limit)
                    place.write_text(text)
                    if not ok:
                        result, by, used, output = "invalid", "", 0.0, ""
                what = told(path, text, name, begin, end, new)
                print(f"{result} ({used:.0f} s, build {built:.0f} s): {what}{': ' + by if by else ''}", flush=True)
                if args.show:
                    print(output)
                row = {"path": path, "operator": name, "what": what, "result": result, "by": by, "seconds": round(used, 1), "build": round(built, 1)}
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
                lines.flush()
                counts[result] = counts.get(result, 0) + 1
                left -= result != "invalid"
    print(", ".join(f"{n} {result}" for result, n in sorted(counts.items())))
    sys.exit(any(r.startswith("survived") for r in counts))


def report(files):
    """Counts of the latest result of each mutant."""
    latest = {}
    for file in files:
        for line in file.read_text().splitlines():
            row = json.loads(line)
            latest[row["what"]] = row
    rows = [r for r in latest.values() if r["result"] != "invalid"]

    def table(title, key):
        print(f"\n| {title} | mutants | killed | hang | survived |\n| --- | --- | --- | --- | --- |")
        groups = {}
        for r in rows:
            groups.setdefault(key(r), []).append(r["result"])
        all = [("all", [r["result"] for r in rows])]
        for name, found in sorted(groups.items()) + all:
            survived = sum(r.startswith("survived") for r in found)
            print(f"| {name} | {len(found)} | {found.count('killed')} | {found.count('hangs')} | {survived} |")

    table("directory", lambda r: "/".join(r["path"].split("/")[:2]))
    table("operator", lambda r: r["operator"].replace("|", "\\|"))
    for name, of in [("tests", "seconds"), ("building, of Rust", "build")]:
        times = sorted(r[of] for r in rows if r[of] > 0)
        if times:
            print(f"\nSeconds of {name}: median {times[len(times) // 2]:.0f}, most {times[-1]:.0f}.")
    print()
    for r in rows:
        if r["result"].startswith("survived"):
            print(f"- `{r['what']}`: {r['result']}")


def told(path, text, name, begin, end, new):
    line = text.count("\n", 0, begin) + 1
    first = text.rfind("\n", 0, begin) + 1
    last = text.find("\n", end)
    changed = text[first:begin] + "⟦" + text[begin:end] + "→" + new + "⟧" + text[end:last]
    return f"{path}:{line}: {name}: {changed.strip()}"


if __name__ == "__main__":
    main()
