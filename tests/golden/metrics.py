"""Golden values for the evaluation metrics: what scikit-learn computes.

    python3 -m venv .venv && . .venv/bin/activate
    pip install -r tests/golden/requirements.txt
    python tests/golden/metrics.py             # or generate.py, which calls this as well

Writes `metrics.json` beside this script, one case per line. It needs numpy and scikit-learn alone. Every score is exact
in the case's `dtype`, and scikit-learn gets these very numbers in f64. The random numbers are seeded per case, by its
name, so that a second run with the pinned versions on the same kind of CPU writes the same bytes, and a new case
changes no other.

A case
------
name         unique; "by SPEC" in it: the point of the case is a rule that scikit-learn does not have
task         "binary", "multiclass", "multilabel" or "regression"
args         "from" always, but for regression; of "threshold", "recall", "precision", "top_k", "classes" and
             "ignore_index" only those that are set. All floats among them are exact in f32.
dtype        "f32", "f16" or "bf16", which holds the input exactly; "i64" from labels
input        {"shape", "data"}, data flat and row-major; the sign of -0.0 is kept
target       the same: classes, 0/1, or for regression numbers exact in f32
weight       one number per sample; absent where every sample weighs 1
expect       the JSON object of the command line, without "device". A figure that is undefined is null, and "undefined"
             lists the names of all that are null, sorted, without the reasons.
curves       in some binary cases: fpr, tpr, roc_thresholds, precision, recall, pr_thresholds
Numbers that are not finite (in curves only) are the strings "inf" and "NaN". A zero in `expect` has no sign.

Names of undefined figures
--------------------------
The way to the null, joined by dots: "mcc", "macro.precision", "per_class.3.precision", "roc_auc_ovr.macro",
"roc_auc_ovr.per_class.3", "per_label.0.roc_auc", "operating_points.precision_at". The shape of the object never
changes: where no class has an AUC, roc_auc_ovr still has its list, of nulls, and each of them has its name. One null
has no name: the threshold from labels, where there is none.

What is not scikit-learn's, but by SPEC
---------------------------------------
Each is worked out here in the plainest way; where one can, exactly, in fractions.
  null rules         AUC and AP with one class only, MCC and kappa at 0/0, precision, recall and F1 at 0/0, R2 and
                     explained variance of a constant target, correlation with a constant side. Scikit-learn gives 0,
                     1 or NaN. Constant means that all numbers are equal whose weight is not 0.
  macro              multiclass: over the classes in the truth or the prediction (scikit-learn's labels=None);
                     multilabel: over all labels. A class all of whose rows weigh 0 is in no case.
  one-vs-rest AUC    per class scikit-learn's; the averages leave undefined ones out. From logits class c is ranked by
                     x_c minus the logsumexp of the others, which orders as the softmax does, where that is 1 as well.
  top-k              a hit where #(x_j > x_y) + #(x_j = x_y and j < y) < k. Asked for no k it is {}.
  argmax             the lowest index of equal ones.
  log loss           probabilities clipped to [e, 1-e], e = 2^-23, in f64; from logits without clipping.
  ECE                bin min(floor(15p), 14), of the exact product; the sum over bins of |sum of w(p - hit)|, divided by
                     the sum of w. Multiclass: p is the largest probability of the row.
  Brier              from logits with the logistic function of them.
  operating points   over the distinct scores of the samples whose weight is not 0; never a threshold above them all.
                     max_f1: the largest F1; recall_at: the highest threshold with recall >= r; precision_at: of the
                     thresholds with precision >= p the one with the largest recall. Of equal points the highest
                     threshold. Null where none exists: no precision reaches p, or there are no positives, where
                     recall is 0/0.
  from scores        log_loss, brier and ece are null. From labels so is all that needs a score.
  weights            n, positives, support and the confusion matrix hold sums of weights, as floats. max_error has no
                     weights in scikit-learn: a sample that weighs 0 counts.
  ignore_index       those samples are removed before anything is computed.

What the cases keep away from
-----------------------------
Numbers that f32 arithmetic would decide either way are not promised, so that the generator refuses them: from logits
a probability within 1e-5 of a bin's edge, and one-vs-rest scores of different rows closer than 4e-6. So it does an F1
that only rounding would tell from the largest. A recall or precision asked for has no attainable value within 1e-9 of
it that is not the value itself. Bins' edges are in a case of their own, from probabilities, where the product is exact.
"""

import json
import math
import pathlib
import warnings
import zlib
from fractions import Fraction

import numpy as np
import sklearn
from sklearn import metrics as sk

HERE = pathlib.Path(__file__).resolve().parent
SEED = 20240917
EPS = 2.0**-23
TINY = 2.0**-149  # the least subnormal of f32

# Its warnings are of what is undefined, which is what many of the cases are about.
warnings.filterwarnings("ignore", module="sklearn")


class Unsafe(Exception):
    """Something in a case hangs on rounding: it is drawn again."""


# --- numbers -----------------------------------------------------------------------------


def rounded(values, dtype):
    """An f64 array whose every value is exactly representable in `dtype`."""
    a = np.asarray(values, np.float32)
    if dtype == "f16":
        a = a.astype(np.float16)
        assert np.isfinite(a).all()
    elif dtype == "bf16":
        bits = np.atleast_1d(a).view(np.uint32).astype(np.uint64)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16  # to nearest, ties to even
        a = bits.astype(np.uint32).view(np.float32).reshape(a.shape)
    return a.astype(np.float64)


def number(value):
    """In JSON's terms; None stays, NaN is what scikit-learn calls undefined."""
    if value is None:
        return None
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return None if math.isnan(value) else value + 0.0  # no -0.0
    return value


def strings(values):
    """Curves: what is not finite stays, as a string."""
    return [v + 0.0 if math.isfinite(v) else "NaN" if math.isnan(v) else "inf" for v in np.asarray(values).tolist()]


def total(weights):
    """A sum of weights, which is a count where none are given."""
    return math.fsum(weights) if weights.dtype.kind == "f" else int(weights.sum())


def mean(values, w):
    return math.fsum(w * values) / math.fsum(w)


def close(a, b, bound=1e-12):
    return abs(a - b) <= bound * max(abs(a), abs(b), 1e-300)


class Draw:
    """The random numbers of one case."""

    def __init__(self, name, attempt):
        self.rng = np.random.default_rng([SEED, zlib.crc32(name.encode()), attempt])

    def normal(self, *shape, scale=1.0):
        return self.rng.normal(0.0, scale, shape)

    def uniform(self, low, high, *shape):
        return self.rng.uniform(low, high, shape)

    def steps(self, low, high, step, *shape):
        """Multiples of `step` from low to high, both included: few digits in the file, and ties."""
        return self.rng.integers(round(low / step), round(high / step) + 1, shape) * step

    def labels(self, classes, *shape):
        """Each class at least once, as far as there is room."""
        y = self.rng.integers(0, classes, shape).astype(np.int64)
        n = min(y.size, classes)
        y.ravel()[self.rng.permutation(y.size)[:n]] = np.arange(n)
        return y

    def weights(self, n, zeros=0):
        """Multiples of 1/64, whose sums are exact in every order."""
        w = self.rng.integers(16, 129, n) / 64.0
        w[self.rng.permutation(n)[:zeros]] = 0.0
        return w

    # Samples that a model could have made: the score has something to do with the truth.

    def scored(self, n, shift=1.0, scale=1.0, p=0.4):
        y = (self.rng.uniform(size=n) < p).astype(np.int64)
        if n > 1:
            y[self.rng.permutation(n)[:2]] = [0, 1]
        return shift * (y - 0.5) + self.normal(n, scale=scale), y

    def probable(self, n, **rest):
        x, y = self.scored(n, **rest)
        return 1 / (1 + np.exp(-2 * x)), y

    def rows(self, n, classes, shift=1.5, scale=1.0):
        y = self.labels(classes, n)
        return self.normal(n, classes, scale=scale) + shift * np.eye(classes)[y], y

    def simplex(self, n, classes, **rest):
        x, y = self.rows(n, classes, **rest)
        e = np.exp(x)
        return e / e.sum(axis=1, keepdims=True), y

    def predicted(self, n, classes, right=0.6):
        """Labels, and predictions of which about so many are right."""
        y = self.labels(classes, n)
        hit = self.rng.uniform(size=n) < right
        return np.where(hit, y, self.rng.integers(0, classes, n)), y

    def tags(self, n, labels, shift=1.0, p=0.4):
        y = (self.rng.uniform(size=(n, labels)) < p).astype(np.int64)
        return shift * (y - 0.5) + self.normal(n, labels), y

    def likely_tags(self, n, labels, **rest):
        x, y = self.tags(n, labels, **rest)
        return 1 / (1 + np.exp(-2 * x)), y

    def fitted(self, n, noise=0.5, scale=2.0):
        t = self.normal(n, scale=scale)
        return t + self.normal(n, scale=noise), t


# --- what several tasks have -------------------------------------------------------------


def with_names(expect):
    """The figures, and the names of those that are null."""
    names = []

    def walk(value, path):
        if value is None:
            if path != ["threshold"]:
                names.append(".".join(path))
        elif isinstance(value, dict):
            for key, item in value.items():
                walk(item, path + [key])
        elif isinstance(value, list):
            for i, item in enumerate(value):
                walk(item, path + [str(i)])

    walk(expect, [])
    return expect | {"undefined": sorted(names)}


def ratio(over, under):
    return None if under == 0 else over / under


def both_classes(y, w):
    return w[y == 1].sum() > 0 and w[y == 0].sum() > 0


def groups(y, x, w):
    """(threshold, weight of positives, of negatives) of each distinct score, from the highest, exactly."""
    found = {}
    for score, label, weight in zip((x + 0.0).tolist(), y.tolist(), w.tolist()):
        if weight:
            sums = found.setdefault(score, [Fraction(0), Fraction(0)])
            sums[1 - label] += Fraction(weight)
    return [(score, *found[score]) for score in sorted(found, reverse=True)]


def auc(y, x, w):
    """Scikit-learn's, held against the share of pairs in the right order, ties being half right."""
    if not both_classes(y, w):
        return None
    value = float(sk.roc_auc_score(y, x, sample_weight=w))
    above, pairs, negatives = Fraction(0), Fraction(0), Fraction(0)
    for _, p, n in groups(y, x, w):
        pairs += n * above + n * p / 2
        above, negatives = above + p, negatives + n
    assert abs(value - pairs / (above * negatives)) < 1e-12
    return value


def average_precision(y, x, w):
    """Scikit-learn's, held against its definition."""
    if not both_classes(y, w):
        return None
    value = float(sk.average_precision_score(y, x, sample_weight=w))
    tp, fp, area = Fraction(0), Fraction(0), Fraction(0)
    for _, p, n in groups(y, x, w):
        tp, fp = tp + p, fp + n
        area += p * tp / (tp + fp)
    assert abs(value - area / tp) < 1e-12
    return value


def mcc(y, z, w, matrix):
    """0/0 where the truth or the prediction has one class only."""
    if (matrix.sum(axis=0) > 0).sum() < 2 or (matrix.sum(axis=1) > 0).sum() < 2:
        return None
    return float(sk.matthews_corrcoef(y, z, sample_weight=w))


def kappa(y, z, w, matrix):
    """0/0 where both have the same class only: agreement by chance is certain."""
    truth, guess = matrix.sum(axis=1) > 0, matrix.sum(axis=0) > 0
    if truth.sum() == 1 and guess.sum() == 1 and (truth == guess).all():
        return None
    return float(sk.cohen_kappa_score(y, z, labels=list(range(len(matrix))), sample_weight=w))


def calibration_error(p, hit, w, exact):
    """The expected calibration error in 15 bins."""
    bins = [[] for _ in range(15)]
    for prob, right, weight in zip(p.tolist(), hit.tolist(), w.tolist()):
        scaled = 15 * Fraction(prob)
        if not exact and 0 < round(scaled) < 15 and abs(scaled - round(scaled)) < 1e-5:
            raise Unsafe
        bins[min(math.floor(scaled), 14)].append(weight * (prob - right))
    return math.fsum(abs(math.fsum(b)) for b in bins) / math.fsum(w)


def logistic(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def operating_points(y, x, w, recall, precision):
    points = {"max_f1": None, "recall_at": None, "precision_at": None}
    positives = sum(Fraction(v) for v in w[y == 1].tolist())
    if positives == 0:
        return points
    found, tp, fp, r_at, p_at = [], Fraction(0), Fraction(0), Fraction(recall), Fraction(precision)
    for threshold, p, n in groups(y, x, w):
        tp, fp = tp + p, fp + n
        found.append((threshold, tp / (tp + fp), tp / positives, 2 * tp / (tp + fp + positives)))
    # From the highest threshold on, the first of the best.
    best = max(range(len(found)), key=lambda i: (found[i][3], -i))
    chosen = {"max_f1": found[best]}
    if any(0 < found[best][3] - point[3] < 1e-9 for point in found):
        raise Unsafe
    # 0.95 is no f32: nothing may hang on whether it was rounded.
    for values, at in [([point[2] for point in found], r_at), ([point[1] for point in found], p_at)]:
        if any(0 < abs(v - at) < 1e-9 and not (at == Fraction(0.95) and v == Fraction(19, 20)) for v in values):
            raise Unsafe
    chosen["recall_at"] = next((point for point in found if point[2] >= r_at), None)
    precise = [(point[2], -i) for i, point in enumerate(found) if point[1] >= p_at]
    chosen["precision_at"] = found[-max(precise)[1]] if precise else None
    for name, point in chosen.items():
        if point is not None:
            points[name] = dict(zip(("threshold", "precision", "recall", "f1"), map(float, point)))
    return points


def averages(y, z, w, **rest):
    """Micro, macro and weighted, as scikit-learn has them."""
    found = {}
    for average in ("micro", "macro", "weighted"):
        values = sk.precision_recall_fscore_support(y, z, average=average, zero_division=0.0, sample_weight=w, **rest)
        found[average] = dict(zip(("precision", "recall", "f1"), map(number, values[:3])))
    return found


def scores_of_class(y, z, w, matrix, c):
    """Precision, recall and F1 of one class: scikit-learn's, null at 0/0; held against the matrix."""
    values = sk.precision_recall_fscore_support(
        y, z, labels=[c], average=None, zero_division=np.nan, sample_weight=w)
    p, r, f = (number(v[0]) for v in values[:3])
    tp, guessed, true = matrix[c, c], matrix[:, c].sum(), matrix[c].sum()
    for value, over, under in [(p, tp, guessed), (r, tp, true), (f, 2 * tp, guessed + true)]:
        assert (value is None) == (under == 0)
        assert value is None or close(value, over / under)
    return {"precision": p, "recall": r, "f1": f}


def entries(matrix):
    return [[number(v) for v in row] for row in matrix]


# --- the tasks ---------------------------------------------------------------------------


def binary(x, y, w, args):
    source = args["from"]
    threshold = args.get("threshold", 0.0 if source == "logits" else 0.5)
    z = x if source == "labels" else (x >= threshold).astype(np.int64)
    matrix = sk.confusion_matrix(y, z, labels=[0, 1], sample_weight=w)
    (tn, fp), (fn, tp) = matrix
    expect = {
        "n": total(w),
        "positives": total(w[y == 1]),
        "threshold": None if source == "labels" else threshold,
        "confusion_matrix": entries(matrix),
        "accuracy": float(sk.accuracy_score(y, z, sample_weight=w)),
    }
    assert (tn >= 0).all() and close(expect["accuracy"], (tn + tp) / matrix.sum())
    one = scores_of_class(y, z, w, matrix, 1)
    expect |= {
        "precision": one["precision"],
        "recall": one["recall"],
        "specificity": scores_of_class(y, z, w, matrix, 0)["recall"],
        "f1": one["f1"],
        "balanced_accuracy": float(sk.balanced_accuracy_score(y, z, sample_weight=w)),
        "mcc": mcc(y, z, w, matrix),
        "cohen_kappa": kappa(y, z, w, matrix),
        "roc_auc": None, "average_precision": None, "log_loss": None, "brier": None, "ece": None,
        "operating_points": {"max_f1": None, "recall_at": None, "precision_at": None},
    }
    if source != "labels":
        expect["roc_auc"] = auc(y, x, w)
        expect["average_precision"] = average_precision(y, x, w)
        expect["operating_points"] = operating_points(
            y, x, w, args.get("recall", 0.95), args.get("precision", 0.95))
    if source == "probs":
        clipped = np.clip(np.where(y == 1, x, 1 - x), EPS, 1 - EPS)
        expect["log_loss"] = -mean(np.log(clipped), w)
        assert close(expect["log_loss"], sk.log_loss(y, np.clip(x, EPS, 1 - EPS), labels=[0, 1], sample_weight=w))
        expect["brier"] = float(sk.brier_score_loss(y, x, sample_weight=w, labels=[0, 1], pos_label=1))
        expect["ece"] = calibration_error(x, y, w, exact=True)
    elif source == "logits":
        wrong = np.where(y == 1, -x, x)
        expect["log_loss"] = mean(np.maximum(wrong, 0) + np.log1p(np.exp(-np.abs(x))), w)
        p = logistic(x)
        expect["brier"] = mean((p - y) ** 2, w)
        expect["ece"] = calibration_error(p, y, w, exact=False)
    return expect


def curves(x, y, w):
    fpr, tpr, roc_thresholds = sk.roc_curve(y, x, drop_intermediate=False, sample_weight=w)
    precision, recall, pr_thresholds = sk.precision_recall_curve(y, x, sample_weight=w)
    assert pr_thresholds.tolist() == [threshold for threshold, _, _ in reversed(groups(y, x, w))]
    return {
        "fpr": strings(fpr), "tpr": strings(tpr), "roc_thresholds": strings(roc_thresholds),
        "precision": strings(precision), "recall": strings(recall), "pr_thresholds": strings(pr_thresholds),
    }


def rank_against_rest(x, c):
    """x_c minus the logsumexp of the others: the logit of class c's probability."""
    rest = np.delete(x, c, axis=1)
    # The terms are sorted and their sum is rounded once, so that equal sets of logits give equal numbers.
    most = rest.max(axis=1)
    sums = [math.fsum(sorted(math.exp(v - m) for v in row)) for row, m in zip(rest.tolist(), most.tolist())]
    return x[:, c] - (most + np.log(sums))


def far_apart(score, x, y, c):
    """Refuses rows of different truth whose order is a matter of rounding; equal rows, and two classes, are exact."""
    if x.shape[1] == 2:
        return
    order = np.argsort(score, kind="stable")
    for i, j in zip(order, order[1:]):
        near = score[j] - score[i] < 4e-6 * max(1.0, abs(score[i]) / 4)
        if near and (x[i] != x[j]).any():
            raise Unsafe


def multiclass(x, y, w, args):
    source = args["from"]
    if source == "labels":
        z, classes = x, args.get("classes", int(max(x.max(), y.max())) + 1)
    else:
        z, classes = x.argmax(axis=1), x.shape[1]  # numpy takes the first of equal ones
    matrix = sk.confusion_matrix(y, z, labels=list(range(classes)), sample_weight=w)
    # A class that only rows of weight 0 have would be in the truth for scikit-learn.
    assert all(matrix[c].sum() + matrix[:, c].sum() > 0 for c in set(y.tolist()) | set(z.tolist()))
    expect = {
        "n": total(w),
        "confusion_matrix": entries(matrix),
        "accuracy": float(sk.accuracy_score(y, z, sample_weight=w)),
        "top_k": {},
    }
    of_truth = x[np.arange(len(y)), y][:, None] if source != "labels" else None
    for k in args.get("top_k", []):
        before = (x > of_truth) | ((x == of_truth) & (np.arange(classes) < y[:, None]))
        hit = (before.sum(axis=1) < k).astype(np.float64)
        expect["top_k"][str(k)] = mean(hit, w)
        if k < classes and classes > 2 and all(len(set(row)) == classes for row in x.tolist()):
            own = sk.top_k_accuracy_score(y, x, k=k, labels=list(range(classes)), sample_weight=w)
            assert close(own, expect["top_k"][str(k)])
    expect["per_class"] = [
        {"class": c} | scores_of_class(y, z, w, matrix, c) | {"support": number(matrix[c].sum())}
        for c in range(classes)
    ]
    expect |= averages(y, z, w)
    for name in ("precision", "recall", "f1"):
        assert close(expect["micro"][name], expect["accuracy"])
        seen = [p[name] or 0.0 for p in expect["per_class"] if matrix[p["class"]].sum() + matrix[:, p["class"]].sum()]
        assert close(expect["macro"][name], sum(seen) / len(seen))
    expect["balanced_accuracy"] = float(sk.balanced_accuracy_score(y, z, sample_weight=w))
    expect["mcc"] = mcc(y, z, w, matrix)
    expect["cohen_kappa"] = kappa(y, z, w, matrix)
    each = [None] * classes
    if source != "labels":
        for c in range(classes):
            score = x[:, c]
            if source == "logits":
                score = rank_against_rest(x, c)
                far_apart(score, x, y, c)
            each[c] = auc((y == c).astype(np.int64), score, w)
    defined = [(value, matrix[c].sum()) for c, value in enumerate(each) if value is not None]
    expect["roc_auc_ovr"] = {
        "macro": ratio(math.fsum(v for v, _ in defined), len(defined)),
        "weighted": ratio(math.fsum(v * float(s) for v, s in defined), math.fsum(float(s) for _, s in defined)),
        "per_class": each,
    }
    if source == "probs" and len(defined) == classes and classes > 2 and np.allclose(x.sum(axis=1), 1):
        # Loosely: it wants rows that sum to 1, and dividing by the sum may change the order of two.
        for name in ("macro", "weighted"):
            own = sk.roc_auc_score(y, x / x.sum(axis=1, keepdims=True), multi_class="ovr", average=name,
                                   sample_weight=w)
            assert abs(own - expect["roc_auc_ovr"][name]) < 1e-3
    expect["log_loss"] = expect["ece"] = None
    if source == "probs":
        expect["log_loss"] = -mean(np.log(np.clip(of_truth[:, 0], EPS, 1 - EPS)), w)
        expect["ece"] = calibration_error(x.max(axis=1), z == y, w, exact=True)
    elif source == "logits":
        most = x.max(axis=1)
        sums = np.array([math.fsum(row) for row in np.exp(x - most[:, None]).tolist()])
        # The largest exponential is 1: what the others add to it is lost in a sum, not in log1p.
        others = np.array([math.fsum(np.sort(row)[:-1]) for row in np.exp(x - most[:, None])])
        expect["log_loss"] = mean(np.log1p(others) + (most - of_truth[:, 0]), w)
        same = len({tuple(sorted(row)) for row in x.tolist()}) == 1  # one bin, whichever it is
        expect["ece"] = calibration_error(1 / sums, z == y, w, exact=same)
    return expect


def multilabel(x, y, w, args):
    source, labels = args["from"], x.shape[1]
    threshold = args.get("threshold", 0.0 if source == "logits" else 0.5)
    z = x if source == "labels" else (x >= threshold).astype(np.int64)
    per_label, tp, guessed, true = [], 0, 0, 0
    for k in range(labels):
        matrix = sk.confusion_matrix(y[:, k], z[:, k], labels=[0, 1], sample_weight=w)
        tp, guessed, true = tp + matrix[1, 1], guessed + matrix[:, 1].sum(), true + matrix[1].sum()
        per_label.append(
            {"label": k, "confusion_matrix": entries(matrix),
             "accuracy": float(sk.accuracy_score(y[:, k], z[:, k], sample_weight=w))}
            | scores_of_class(y[:, k], z[:, k], w, matrix, 1)
            | {"roc_auc": None if source == "labels" else auc(y[:, k], x[:, k], w),
               "average_precision": None if source == "labels" else average_precision(y[:, k], x[:, k], w),
               "support": number(matrix[1].sum())})
    if labels > 1:
        average = averages(y, z, w)
        hamming = float(sk.hamming_loss(y, z, sample_weight=w))
        matrices = sk.multilabel_confusion_matrix(y, z, sample_weight=w)
        assert [entries(m) for m in matrices] == [p["confusion_matrix"] for p in per_label]
        subset = float(sk.accuracy_score(y, z, sample_weight=w))
    else:
        # Scikit-learn takes one column for a binary problem and averages over 0 as well, unless told of 1 alone.
        average = averages(y[:, 0], z[:, 0], w, labels=[1])
        hamming = float(sk.hamming_loss(y[:, 0], z[:, 0], sample_weight=w))
        subset = per_label[0]["accuracy"]
    # What nothing is averaged over is 0/0, not an undefined one among others: null.
    for name, under in [("precision", guessed), ("recall", true), ("f1", guessed + true)]:
        if under == 0:
            average["micro"][name] = None
        else:
            over = 2 * tp if name == "f1" else tp
            assert close(average["micro"][name], over / under)
        assert close(average["macro"][name], sum(p[name] or 0.0 for p in per_label) / labels)
        if true == 0:
            average["weighted"][name] = None
    return {"n": total(w), "per_label": per_label} | average | {"subset_accuracy": subset, "hamming_loss": hamming}


def regression(x, y, w, args):
    counted = w > 0
    constant = [len(set((v[counted] + 0.0).tolist())) == 1 for v in (x, y)]
    u = w.astype(np.float64)
    mse = float(sk.mean_squared_error(y, x, sample_weight=u))
    expect = {
        "n": total(w),
        "mse": mse,
        "rmse": float(sk.root_mean_squared_error(y, x, sample_weight=u)),
        "mae": float(sk.mean_absolute_error(y, x, sample_weight=u)),
        "r2": None if constant[1] else float(sk.r2_score(y, x, sample_weight=u)),
        "mape": float(sk.mean_absolute_percentage_error(y, x, sample_weight=u)),
        "max_error": float(sk.max_error(y, x)),
        "explained_variance": None if constant[1] else float(sk.explained_variance_score(y, x, sample_weight=u)),
        "pearson_r": None,
    }
    # The same in fractions, where nothing is rounded before the end.
    xs, ys, ws = ([Fraction(v) for v in a.tolist()] for a in (x, y, u))
    weight = sum(ws)

    def product(a, b):
        ma, mb = (sum(p * q for p, q in zip(ws, v)) / weight for v in (a, b))
        return sum(p * (q - ma) * (r - mb) for p, q, r in zip(ws, a, b))

    errors = [a - b for a, b in zip(xs, ys)]
    squares = sum(p * e * e for p, e in zip(ws, errors))
    assert close(mse, float(squares / weight))
    assert close(expect["mae"], float(sum(p * abs(e) for p, e in zip(ws, errors)) / weight))
    if not constant[1]:
        # Cancellation: held to a bound of the numbers that are subtracted, 1 and the rest.
        for name, over in [("r2", squares), ("explained_variance", product(errors, errors))]:
            exact = float(1 - over / product(ys, ys))
            assert abs(expect[name] - exact) <= 1e-9 * max(1.0, abs(exact)), (expect[name], exact)
    if not any(constant):
        shared = product(xs, ys)
        r = math.sqrt(shared * shared / (product(xs, xs) * product(ys, ys)))
        expect["pearson_r"] = r if shared > 0 else -r
        if (w == w[0]).all():
            assert abs(np.corrcoef(x, y)[0, 1] - expect["pearson_r"]) < 1e-9
    return expect


# --- cases -------------------------------------------------------------------------------

TASKS = {"binary": binary, "multiclass": multiclass, "multilabel": multilabel, "regression": regression}


class Cases:
    def __init__(self):
        self.cases = []
        self.names = set()

    def add(self, task, name, make, dtype="f32", curve=False, **args):
        """`make(draw)` gives the input, the target and, where samples weigh, the weights."""
        name = f"{task}, {name}"
        assert name not in self.names, name
        self.names.add(name)
        for attempt in range(1000):
            try:
                self.cases.append(self.case(task, name, make(Draw(name, attempt)), dtype, curve, args))
                return
            except Unsafe:
                pass
        raise AssertionError(f"{name}: always hangs on rounding")

    @staticmethod
    def case(task, name, made, dtype, curve, args):
        x, y, *weight = made
        # "from" is a word of Python's.
        source = args.get("from_")
        args = ({} if source is None else {"from": source}) | {k: v for k, v in args.items() if k != "from_"}
        assert all(v == rounded(v, "f32") for v in args.values() if isinstance(v, float))
        x, y = np.asarray(x), np.asarray(y)
        if source == "labels":
            dtype, x = "i64", x.astype(np.int64)
        else:
            x = rounded(x, dtype)
        y = rounded(y, "f32") if task == "regression" else y.astype(np.int64)
        w = rounded(weight[0], "f32") if weight else np.ones(len(y), np.int64)
        assert len(x) == len(y) == len(w)
        keep = np.ones(len(y), bool)
        if "ignore_index" in args:
            keep = y != args["ignore_index"]
            assert not keep.all()
        expect = TASKS[task](x[keep], y[keep], w[keep], args)
        case = {
            "name": name,
            "task": task,
            "args": args,
            "dtype": dtype,
            "input": {"shape": list(x.shape), "data": x.ravel().tolist()},
            "target": {"shape": list(y.shape), "data": y.ravel().tolist()},
        }
        if weight:
            case["weight"] = w.tolist()
        case["expect"] = with_names(expect)
        if curve:
            case["curves"] = curves(x[keep], y[keep], w[keep])
        return case


SCORES, PROBS, LOGITS, LABELS = ({"from_": source} for source in ("scores", "probs", "logits", "labels"))


def weighed(pair, weigh):
    return (*pair, weigh(len(pair[1])))


def ignoring(made, index):
    """Every fifth target is to be ignored."""
    y = np.array(made[1], np.int64)
    y[::5] = index
    return made[0], y, *made[2:]


def neighbours(value, steps):
    """The f32 so many steps from `value`, which is above 0 and stays there."""
    return (np.float32(value).view(np.int32) + np.asarray(steps, np.int32)).view(np.float32)


def binary_cases(add):
    # As they come.
    add("scores", lambda d: d.scored(40), curve=True, **SCORES)
    add("probs", lambda d: d.probable(40), curve=True, **PROBS)
    add("logits", lambda d: d.scored(40, shift=2.0), curve=True, **LOGITS)
    add("labels", lambda d: d.predicted(40, 2), **LABELS)
    add("scores, 400", lambda d: d.scored(400), **SCORES)
    add("probs, 400", lambda d: d.probable(400, p=0.1), **PROBS)
    add("logits, 400", lambda d: d.scored(400, shift=2.0, p=0.8), **LOGITS)
    add("labels, 2000", lambda d: d.predicted(2000, 2), **LABELS)
    add("probs, f16, 2000", lambda d: d.probable(2000), dtype="f16", **PROBS)
    add("logits, bf16, 2000 of few distinct values",
        lambda d: leaning(d, 2000, -3, 3, 0.25), dtype="bf16", curve=True, **LOGITS)

    # Storage types.
    for dtype in ("f16", "bf16"):
        add(f"scores, {dtype}", lambda d: d.scored(60), dtype=dtype, curve=True, **SCORES)
        add(f"probs, {dtype}", lambda d: d.probable(60), dtype=dtype, **PROBS)
        add(f"logits, {dtype}", lambda d: d.scored(60, shift=3.0), dtype=dtype, **LOGITS)
    add("scores, f16, subnormals of f16 and its largest",
        lambda d: ([2**-24, 2**-23, 3 * 2**-24, 0, -2**-24, 65504, -65504, 65472, 2**-24, 2**-14],
                   [1, 0, 1, 0, 0, 1, 0, 1, 0, 1]), dtype="f16", curve=True, **SCORES)
    add("scores, bf16, subnormals and its largest",
        lambda d: (np.append(d.steps(-5, 5, 1, 28) * 2.0**-133, [-(2 - 2**-7) * 2.0**127, (2 - 2**-7) * 2.0**127]),
                   d.labels(2, 30)), dtype="bf16", threshold=0.0, curve=True, **SCORES)
    add("scores, bf16, one step apart", lambda d: (1 + d.steps(0, 12, 1, 40) / 128, d.labels(2, 40)), dtype="bf16",
        curve=True, **SCORES)

    # Ties.
    add("scores, 5 distinct", lambda d: leaning(d, 60, 0, 1, 0.25), curve=True, **SCORES)
    add("scores, 5 distinct, 400", lambda d: leaning(d, 400, 0, 1, 0.25), **SCORES)
    add("probs, 9 distinct", lambda d: leaning(d, 100, 0, 1, 0.125), **PROBS)
    add("logits, 7 distinct", lambda d: leaning(d, 100, -3, 3, 1), **LOGITS)
    add("scores, 2 distinct", lambda d: leaning(d, 50, 0, 1, 1), curve=True, **SCORES)
    add("scores all equal, at the threshold", lambda d: (np.full(20, 0.5), d.labels(2, 20)), curve=True, **SCORES)
    add("scores all equal, below the threshold", lambda d: (np.full(20, 0.25), d.labels(2, 20)), **SCORES)
    add("probs all equal", lambda d: (np.full(20, 0.3), d.labels(2, 20)), **PROBS)
    add("logits all equal to 0", lambda d: (np.zeros(20), d.labels(2, 20)), **LOGITS)

    # Crowded scores: neighbours in f32, which differ all the same.
    add("scores one ulp apart, around the threshold",
        lambda d: (neighbours(0.5, d.steps(-20, 20, 1, 60)), d.labels(2, 60)), curve=True, **SCORES)
    add("scores one ulp apart, negative", lambda d: (-neighbours(1, d.steps(0, 15, 1, 60)), d.labels(2, 60)), **SCORES)
    add("scores one ulp apart, all distinct",
        lambda d: (neighbours(1, d.rng.permutation(50)), d.labels(2, 50)), curve=True, **SCORES)
    add("probs one ulp apart", lambda d: (neighbours(0.75, d.steps(-9, 9, 1, 60)), d.labels(2, 60)), **PROBS)
    add("scores all subnormal", lambda d: (d.steps(1, 12, 1, 60) * TINY, d.labels(2, 60)), curve=True, **SCORES)
    add("scores subnormal, both signs, threshold 0",
        lambda d: (d.steps(-6, 6, 1, 60) * TINY, d.labels(2, 60)), threshold=0.0, curve=True, **SCORES)
    add("scores -0 and 0 are equal", lambda d: ([0.0, -0.0, 0.0, -0.0, -0.0, 0.0, 1.0, -1.0], [1, 0, 0, 1, 1, 0, 1, 0]),
        threshold=0.0, curve=True, **SCORES)
    add("logits -0 and 0 are equal, and predict positive",
        lambda d: ([0.0, -0.0, 0.0, -0.0, TINY, -TINY, 1.0, -1.0], [1, 0, 0, 1, 1, 0, 1, 0]), curve=True, **LOGITS)

    # One class only.
    for truth, word in [(1, "positive"), (0, "negative")]:
        def fixed(x):
            return x, np.full(len(x), truth)

        add(f"scores, all {word}", lambda d: fixed(d.scored(20)[0]), curve=True, **SCORES)
        add(f"probs, all {word}", lambda d: fixed(d.probable(20)[0]), **PROBS)
        add(f"logits, all {word}", lambda d: fixed(d.scored(20)[0]), **LOGITS)
        add(f"labels, all {word}", lambda d: fixed(d.labels(2, 20)), **LABELS)
        add(f"labels, all {word}, predicted right", lambda d: fixed(np.full(10, truth)), **LABELS)
        add(f"labels, all {word}, predicted wrong", lambda d: fixed(np.full(10, 1 - truth)), **LABELS)
        add(f"probs, n = 1, {word}", lambda d: fixed(np.array([0.7])), **PROBS)
        add(f"labels, n = 1, {word}", lambda d: fixed(np.array([1])), **LABELS)
        add(f"scores, n = 2, both {word}", lambda d: fixed(np.array([0.25, 0.75])), **SCORES)
    # Constant predictions.
    add("scores, none predicted positive", lambda d: d.scored(30), threshold=100.0, **SCORES)
    add("scores, all predicted positive", lambda d: d.scored(30), threshold=-100.0, **SCORES)
    add("labels, all predicted positive", lambda d: (np.ones(30), d.labels(2, 30)), **LABELS)
    add("labels, none predicted positive", lambda d: (np.zeros(30), d.labels(2, 30)), **LABELS)
    add("labels, all right", lambda d: (lambda y: (y, y))(d.labels(2, 30)), **LABELS)
    add("labels, all wrong", lambda d: (lambda y: (1 - y, y))(d.labels(2, 30)), **LABELS)
    # Few samples.
    add("logits, n = 1", lambda d: ([-1.5], [1]), **LOGITS)
    add("scores, n = 2, right", lambda d: ([0.25, 0.75], [0, 1]), curve=True, **SCORES)
    add("scores, n = 2, wrong", lambda d: ([0.75, 0.25], [0, 1]), curve=True, **SCORES)
    add("scores, n = 2, tied", lambda d: ([0.5, 0.5], [0, 1]), curve=True, **SCORES)
    add("probs, perfectly separated", lambda d: separated(d, 40), curve=True, **PROBS)
    add("probs, the wrong way round", lambda d: (lambda x, y: (x, 1 - y))(*separated(d, 40)), **PROBS)

    # Weights.
    add("scores, weights", lambda d: weighed(d.scored(40), d.weights), curve=True, **SCORES)
    add("probs, weights", lambda d: weighed(d.probable(60), d.weights), **PROBS)
    add("logits, weights", lambda d: weighed(d.scored(60), d.weights), **LOGITS)
    add("labels, weights", lambda d: weighed(d.predicted(60, 2), d.weights), **LABELS)
    add("scores, a third of the weights 0", lambda d: weighed(d.scored(30), lambda n: d.weights(n, 10)), curve=True,
        **SCORES)
    add("probs, a third of the weights 0", lambda d: weighed(d.probable(60), lambda n: d.weights(n, 20)), **PROBS)
    add("scores, weights are integers, ties",
        lambda d: weighed(leaning(d, 60, 0, 1, 0.125), lambda n: d.rng.integers(0, 6, n)), curve=True, **SCORES)
    add("probs, weights all 2", lambda d: weighed(d.probable(40), lambda n: np.full(n, 2.0)), **PROBS)
    add("scores, weights of any f32", lambda d: weighed(d.scored(80), lambda n: d.uniform(0.01, 3, n)), **SCORES)
    add("logits, weights from 2^-10 to 2^10",
        lambda d: weighed(d.scored(50), lambda n: 2.0 ** d.rng.integers(-10, 11, n)), **LOGITS)
    add("probs, every positive weighs 0: one class only, by SPEC",
        lambda d: (lambda x, y: (x, y, np.where(y == 1, 0.0, d.weights(len(y)))))(*d.probable(30)), **PROBS)
    add("scores, the highest weigh 0: no threshold, by SPEC",
        lambda d: (lambda x, y: (x, y, np.where(x > 0.75, 0.0, d.weights(len(y)))))(*leaning(d, 40, 0, 1, 0.125)),
        curve=True, **SCORES)
    add("scores, 1 of 10 weighs anything", lambda d: (d.scored(10)[0], d.labels(2, 10), [0, 0, 0, 1.5] + [0] * 6),
        **SCORES)

    # Magnitudes.
    add("scores of 1e30", lambda d: (lambda x, y: (x * 1e30, y))(*d.scored(40)), curve=True, **SCORES)
    add("scores of 1e-30", lambda d: (lambda x, y: (x * 1e-30, y))(*d.scored(40)), threshold=0.0, curve=True, **SCORES)
    add("scores from 1e-38 to 1e38, both signs",
        lambda d: (d.rng.choice([-1, 1], 60) * 10.0 ** d.uniform(-38, 38, 60), d.labels(2, 60)), **SCORES)
    add("logits of 1e30", lambda d: (lambda x, y: (x * 1e30, y))(*d.scored(40)), **LOGITS)
    add("logits of 1e-30", lambda d: (lambda x, y: (x * 1e-30, y))(*d.scored(40)), **LOGITS)
    # Probabilities collapse where logits are still in order.
    add("logits from 20 to 60", lambda d: (lambda x, y: (40 + 8 * x, y))(*d.scored(40)), **LOGITS)
    add("logits from -120 to -80", lambda d: (lambda x, y: (-100 + 8 * x, y))(*d.scored(40)), **LOGITS)
    add("logits +-50", lambda d: (lambda x, y: (50 * np.sign(x) + x, y))(*d.scored(40)), curve=True, **LOGITS)
    add("logits +-1e4", lambda d: (lambda x, y: (1e4 * np.sign(x) + x, y))(*d.scored(40)), **LOGITS)
    add("logits +-1e4, f16", lambda d: (lambda x, y: (1e4 * np.sign(x) + 8 * x, y))(*d.scored(40)), dtype="f16",
        **LOGITS)
    add("probs 0 and 1, right and wrong, by SPEC",
        lambda d: ([0, 1, 0, 1, 0, 1, 1, 0, 0.5], [0, 1, 1, 0, 0, 1, 1, 0, 1]), **PROBS)
    add("probs around f32's epsilon, by SPEC",
        lambda d: ([2**-22, 2**-23, 2**-24, 2**-60, TINY, 1 - 2**-22, 1 - 2**-23, 1 - 2**-24, 1] * 2,
                   [0] * 9 + [1] * 9), **PROBS)

    # Thresholds.
    add("scores, threshold equals some", lambda d: leaning(d, 40, 0, 1, 0.125), threshold=0.25, **SCORES)
    add("probs, threshold equals some", lambda d: leaning(d, 40, 0, 1, 0.125), threshold=0.875, **PROBS)
    add("logits, threshold equals some", lambda d: leaning(d, 40, -3, 3, 0.5), threshold=-1.5, **LOGITS)
    add("scores, threshold one ulp above some",
        lambda d: leaning(d, 40, 0, 1, 0.125), threshold=float(np.nextafter(np.float32(0.5), np.float32(1))), **SCORES)
    add("probs, threshold 0", lambda d: leaning(d, 40, 0, 1, 0.125), threshold=0.0, **PROBS)
    add("probs, threshold 1", lambda d: leaning(d, 40, 0, 1, 0.125), threshold=1.0, **PROBS)
    add("logits, threshold 2", lambda d: d.scored(60, shift=4.0), threshold=2.0, **LOGITS)

    # Operating points; each by SPEC.
    add("scores, recall 0.95 is one of 20 off, by SPEC", lambda d: (d.rng.permutation(50) / 64, np.arange(50) < 20),
        **SCORES)
    add("scores, recall 0.5 is reached exactly, by SPEC", lambda d: (d.rng.permutation(40) / 64, np.arange(40) < 16),
        recall=0.5, precision=0.5, curve=True, **SCORES)
    add("scores, recall 1, precision 1, by SPEC", lambda d: separated(d, 40, overlap=0.3), recall=1.0, precision=1.0,
        **SCORES)
    add("scores, recall 0, precision 0, by SPEC", lambda d: d.scored(40), recall=0.0, precision=0.0, **SCORES)
    add("scores, precision is not reached, by SPEC",
        lambda d: (lambda x, y: (np.append(x, [9.0, 9.5]), np.append(y, [0, 0])))(*d.scored(40, p=0.3)), **SCORES)
    add("probs, precision is not reached, tied at the top, by SPEC",
        lambda d: ([1, 1, 0.75, 0.75, 0.5, 0.25], [1, 0, 1, 0, 1, 0]), precision=0.75, curve=True, **PROBS)
    add("scores, equal F1 at several thresholds, by SPEC",
        lambda d: ([6, 5, 4, 3, 2, 1], [1, 0, 0, 1, 0, 0]), threshold=3.0, curve=True, **SCORES)
    add("scores, equal F1, tied, by SPEC",
        lambda d: ([4, 3, 3, 2, 2, 2, 1], [1, 1, 0, 1, 0, 0, 0]), threshold=2.5, precision=0.75, recall=0.75, **SCORES)
    add("scores, equal recall at several thresholds, by SPEC",
        lambda d: ([8, 7, 6, 5, 4, 3, 2, 1], [1, 1, 1, 0, 0, 0, 0, 0]), threshold=5.5, recall=1.0, precision=0.5,
        curve=True, **SCORES)
    add("logits, operating points with integer weights, by SPEC",
        lambda d: weighed(leaning(d, 40, -3, 3, 0.25), lambda n: d.rng.integers(0, 5, n)), recall=0.75, precision=0.625,
        **LOGITS)
    add("scores, precision dips below what is asked and comes back, by SPEC",
        lambda d: ([9, 8, 7, 6, 5, 4, 3, 2], [1, 0, 0, 1, 1, 1, 1, 0]), precision=0.625, recall=0.625, threshold=4.5,
        curve=True, **SCORES)

    # Ignored.
    add("scores, ignore_index -1", lambda d: ignoring(d.scored(40), -1), ignore_index=-1, curve=True, **SCORES)
    add("probs, ignore_index 255", lambda d: ignoring(d.probable(40), 255), ignore_index=255, **PROBS)
    add("logits, ignore_index -100, weights",
        lambda d: ignoring(weighed(d.scored(40), d.weights), -100), ignore_index=-100, **LOGITS)
    add("labels, ignore_index 2", lambda d: ignoring(d.predicted(40, 2), 2), ignore_index=2, **LABELS)
    add("probs, ignore_index leaves one class", lambda d: (d.probable(12)[0], [1, -1] * 6), ignore_index=-1, **PROBS)
    add("scores, ignore_index leaves one sample", lambda d: (d.scored(5)[0], [-1, -1, 0, -1, -1]), ignore_index=-1,
        **SCORES)

    # Calibration.
    def edges(d):
        near = [v for k in range(16) for v in around(k / 15) if 0 <= v <= 1]
        return np.array(near), d.labels(2, len(near))

    add("probs at the edges of the bins, by SPEC", edges, **PROBS)
    add("probs in one bin", lambda d: (d.uniform(0.41, 0.46, 40), d.labels(2, 40)), **PROBS)
    add("probs, calibrated", lambda d: (lambda p: (p, d.uniform(0, 1, 300) < p))(d.steps(0, 1, 1 / 256, 300)), **PROBS)
    add("probs, overconfident, weights",
        lambda d: weighed((lambda p: (p, d.uniform(0, 1, 80) < p / 2 + 0.25))(d.steps(0, 1, 1 / 64, 80)), d.weights),
        **PROBS)


def leaning(d, n, low, high, step):
    """Scores of few values, and a truth that leans to the higher ones; both classes are there."""
    x = d.steps(low, high, step, n)
    y = (d.uniform(0, 1, n) < 0.2 + 0.6 * (x - low) / (high - low)).astype(np.int64)
    y[d.rng.permutation(n)[:2]] = [0, 1]
    return x, y


def separated(d, n, overlap=0.0):
    y = d.labels(2, n)
    return d.uniform(0, 0.5 + overlap / 2, n) + y * (0.5 - overlap / 2), y


def around(value):
    v = np.float32(value)
    return [float(np.nextafter(v, np.float32(-1))), float(v), float(np.nextafter(v, np.float32(2)))]


def multiclass_cases(add):
    # As they come.
    for classes, n in [(2, 40), (3, 60), (10, 80)]:
        ks = [1, 2] if classes == 3 else [1, 3, 5] if classes == 10 else [1]
        add(f"scores, C = {classes}", lambda d: d.rows(n, classes), top_k=ks, **SCORES)
        add(f"probs, C = {classes}", lambda d: d.simplex(n, classes), top_k=ks, **PROBS)
        add(f"logits, C = {classes}", lambda d: d.rows(n, classes), top_k=ks, **LOGITS)
        add(f"labels, C = {classes}", lambda d: d.predicted(n, classes), **LABELS)
    add("scores, C = 100, fewer samples than classes", lambda d: quantized(d.rows(40, 100, shift=3.0), 1 / 16),
        top_k=[1, 5, 10], **SCORES)
    add("logits, C = 100", lambda d: quantized(d.rows(30, 100, shift=4.0), 1 / 64), top_k=[1, 5], **LOGITS)
    add("labels, C = 100, 2000", lambda d: d.predicted(2000, 100), **LABELS)
    add("probs, C = 3, bf16, 1000", lambda d: d.simplex(1000, 3), dtype="bf16", **PROBS)
    add("scores, C = 4, of few values, 2000", lambda d: quantized(d.rows(2000, 4), 1), top_k=[1, 2, 3], **SCORES)
    for dtype in ("f16", "bf16"):
        add(f"scores, {dtype}", lambda d: d.rows(50, 4), dtype=dtype, top_k=[1, 2], **SCORES)
        add(f"probs, {dtype}", lambda d: d.simplex(50, 4), dtype=dtype, top_k=[1, 2], **PROBS)
        add(f"logits, {dtype}", lambda d: d.rows(30, 4), dtype=dtype, top_k=[1, 2], **LOGITS)

    # Ties within a row.
    add("scores, argmax ties go to the lowest index, by SPEC",
        lambda d: ([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 0], [-1, -1, -2]], [0, 2, 2, 1, 0, 1]),
        top_k=[1, 2, 3], **SCORES)
    add("scores, all equal, top-k by index, by SPEC", lambda d: (np.full((12, 5), 0.25), np.arange(12) % 5),
        top_k=[1, 2, 3, 4, 5], **SCORES)
    add("logits, all equal", lambda d: (np.zeros((9, 3)), np.arange(9) % 3), top_k=[1, 2], **LOGITS)
    add("probs, all equal", lambda d: (np.full((10, 4), 0.25), d.labels(4, 10)), top_k=[1, 2], **PROBS)
    add("scores, C = 6 of 4 values, top-k with ties, by SPEC", lambda d: (d.steps(0, 3, 1, 60, 6), d.labels(6, 60)),
        top_k=[1, 2, 3, 4, 5, 6], **SCORES)
    add("scores -0 and 0 are equal, by SPEC",
        lambda d: ([[0.0, -0.0, -1], [-0.0, 0.0, -1], [-0.0, 0.0, TINY], [-TINY, -0.0, 0.0]], [0, 1, 2, 2]),
        top_k=[1, 2], **SCORES)
    add("scores, top-k beyond C, by SPEC", lambda d: d.rows(20, 3), top_k=[3, 4, 100], **SCORES)
    add("scores one ulp apart",
        lambda d: (neighbours(1, d.steps(0, 6, 1, 40, 4)), d.labels(4, 40)), top_k=[1, 2], **SCORES)
    add("scores subnormal", lambda d: (d.steps(-4, 4, 1, 40, 3) * TINY, d.labels(3, 40)), top_k=[1, 2], **SCORES)
    # Ties between rows.
    add("logits, equal rows", lambda d: (d.normal(6, 3)[d.rng.integers(0, 6, 60)], d.labels(3, 60)), **LOGITS)
    add("logits, C = 2 of few values", lambda d: quantized(d.rows(60, 2), 0.5), **LOGITS)
    add("probs of few values",
        lambda d: (d.rng.multinomial(8, [0.5, 0.25, 0.25], 80) / 8, d.labels(3, 80)), top_k=[1, 2], **PROBS)

    # Absent classes.
    def without(pair, *absent):
        """Truth that is in `absent` becomes 0."""
        return pair[0], np.where(np.isin(pair[1], absent), 0, pair[1]), *pair[2:]

    add("scores, a class absent in truth", lambda d: without(d.rows(40, 4), 2), **SCORES)
    add("probs, two classes absent in truth", lambda d: without(d.simplex(40, 5), 1, 4), top_k=[2], **PROBS)
    add("logits, a class absent in truth", lambda d: without(d.rows(30, 4), 3), **LOGITS)
    add("labels, a class absent in truth", lambda d: without(d.predicted(40, 4), 1), **LABELS)
    add("scores, a class absent in prediction",
        lambda d: (lambda x, y: (x - 20 * np.eye(4)[1], y))(*d.rows(40, 4)), **SCORES)
    add("labels, a class absent in prediction",
        lambda d: (lambda z, y: (np.where(z == 2, 0, z), y))(*d.predicted(40, 4)), **LABELS)
    add("scores, a class absent in both, by SPEC",
        lambda d: without((lambda x, y: (x - 20 * np.eye(4)[1], y))(*d.rows(40, 4)), 1), **SCORES)
    add("probs, the last class absent in both, by SPEC",
        lambda d: (lambda p, y: (np.concatenate([p, np.zeros((40, 1))], axis=1), y))(*d.simplex(40, 3)), **PROBS)
    add("labels, classes in the middle absent in both, by SPEC",
        lambda d: tuple(np.where(v > 0, v + 2, 0) for v in d.predicted(40, 4)), **LABELS)
    add("labels, classes = 8 of which 5 are seen, by SPEC", lambda d: d.predicted(40, 5), classes=8, **LABELS)
    add("labels, classes = 100 of which 3 are seen, by SPEC", lambda d: d.predicted(40, 3), classes=100, **LABELS)
    add("labels, classes as many as seen", lambda d: d.predicted(40, 5), classes=5, **LABELS)
    add("labels, the largest is in the prediction only", lambda d: ([0, 1, 2, 5, 1, 0], [0, 1, 2, 1, 1, 2]), **LABELS)
    add("labels, truth and prediction have no class in common", lambda d: ([2, 3, 2, 3, 3], [0, 1, 1, 0, 0]), **LABELS)

    # Constant.
    add("scores, constant prediction", lambda d: (lambda x, y: (x + 20 * np.eye(3)[1], y))(*d.rows(30, 3)), **SCORES)
    add("labels, constant prediction", lambda d: (np.full(30, 2), d.labels(4, 30)), **LABELS)
    add("scores, one class in truth", lambda d: (d.normal(20, 3), np.full(20, 1)), top_k=[1, 2], **SCORES)
    add("probs, one class in truth", lambda d: (d.simplex(20, 3)[0], np.full(20, 2)), **PROBS)
    add("logits, one class in truth, and predicted", lambda d: (d.normal(20, 3) + 9 * np.eye(3)[0], np.zeros(20)),
        **LOGITS)
    add("labels, one class in truth, another predicted", lambda d: (np.full(10, 2), np.full(10, 1)), **LABELS)
    add("labels, class 0 alone", lambda d: (np.zeros(10), np.zeros(10)), **LABELS)
    add("labels, all right", lambda d: (lambda y: (y, y))(d.labels(5, 30)), **LABELS)
    add("labels, all wrong", lambda d: (lambda y: ((y + 1) % 5, y))(d.labels(5, 30)), **LABELS)
    add("probs, all right and sure, by SPEC", lambda d: (lambda y: (np.eye(3)[y], y))(d.labels(3, 20)), **PROBS)
    add("probs, all wrong and sure, by SPEC",
        lambda d: (lambda y: (np.eye(3)[(y + 1) % 3], y))(d.labels(3, 20)), **PROBS)
    # Few samples.
    add("scores, n = 1", lambda d: ([[0.5, 0.25, 1.0]], [2]), top_k=[1, 2], **SCORES)
    add("probs, n = 1, wrong", lambda d: ([[0.5, 0.25, 0.25]], [1]), top_k=[1, 2], **PROBS)
    add("logits, n = 2", lambda d: ([[0.5, 0.25, 1.0], [0.75, -1.0, 2.0]], [0, 2]), top_k=[1, 2, 3], **LOGITS)
    add("labels, n = 1", lambda d: ([1], [3]), **LABELS)
    add("labels, n = 2", lambda d: ([1, 0], [1, 2]), **LABELS)

    # Weights.
    add("scores, weights", lambda d: weighed(d.rows(50, 4), d.weights), top_k=[1, 2], **SCORES)
    add("probs, weights", lambda d: weighed(d.simplex(50, 4), d.weights), top_k=[1, 2], **PROBS)
    add("logits, weights", lambda d: weighed(d.rows(30, 4), d.weights), top_k=[1, 2], **LOGITS)
    add("labels, weights", lambda d: weighed(d.predicted(50, 4), d.weights), **LABELS)
    add("probs, a third of the weights 0",
        lambda d: weighed(d.simplex(60, 3), lambda n: d.weights(n, 20)), top_k=[1, 2], **PROBS)
    add("labels, weights are integers",
        lambda d: weighed(d.predicted(80, 4), lambda n: d.rng.integers(0, 4, n)), **LABELS)
    add("scores, weights of any f32, C = 10", lambda d: weighed(d.rows(60, 10), lambda n: d.uniform(0.01, 3, n)),
        top_k=[1, 3], **SCORES)
    add("logits, weights, a class absent in truth",
        lambda d: without(weighed(d.rows(30, 4), lambda n: d.weights(n, 5)), 2), **LOGITS)

    # Ignored.
    add("scores, ignore_index -100", lambda d: ignoring(d.rows(40, 3), -100), ignore_index=-100, top_k=[1, 2], **SCORES)
    add("probs, ignore_index 255", lambda d: ignoring(d.simplex(40, 4), 255), ignore_index=255, top_k=[1, 2], **PROBS)
    add("logits, ignore_index -1, weights",
        lambda d: ignoring(weighed(d.rows(30, 3), d.weights), -1), ignore_index=-1, **LOGITS)
    add("labels, ignore_index 255", lambda d: ignoring(d.predicted(40, 4), 255), ignore_index=255, classes=4, **LABELS)
    add("scores, ignore_index is a class, which stays predicted", lambda d: d.rows(40, 4), ignore_index=2, top_k=[1, 2],
        **SCORES)
    add("labels, ignore_index is class 0", lambda d: d.predicted(40, 4), ignore_index=0, classes=4, **LABELS)
    add("probs, ignore_index leaves one sample",
        lambda d: (d.simplex(4, 3)[0], [-1, -1, 1, -1]), ignore_index=-1, **PROBS)

    # Magnitudes.
    add("scores of 1e30", lambda d: (lambda x, y: (x * 1e30, y))(*d.rows(40, 3)), top_k=[1, 2], **SCORES)
    add("scores of 1e-30", lambda d: (lambda x, y: (x * 1e-30, y))(*d.rows(40, 3)), top_k=[1, 2], **SCORES)
    add("logits +-50", lambda d: (lambda x, y: (50 * np.sign(x) + x, y))(*d.rows(30, 3)), **LOGITS)
    add("logits +-1e4", lambda d: (lambda x, y: (1e4 * np.sign(x) + quantized_to(20 * x, 0.25), y))(*d.rows(10, 3)),
        **LOGITS)
    add("logits far apart: the probability is 1, the order stays, by SPEC",
        lambda d: (lambda x, y: (x + 40 * np.eye(3)[y] + 10 * d.normal(30, 3), y))(*d.rows(30, 3)), **LOGITS)
    add("logits, one class always sure, by SPEC",
        lambda d: (lambda x, y: (x + 60 * np.eye(3)[0], y))(*d.rows(30, 3, scale=4.0)), top_k=[1, 2], **LOGITS)
    add("probs around f32's epsilon, by SPEC",
        lambda d: ([[2**-24, 1 - 2**-23, 2**-24], [2**-22, 2**-23, 1 - 2**-22], [TINY, 0, 1], [1, 0, 0], [0, 1, 0]],
                   [0, 1, 0, 0, 2]), **PROBS)
    add("probs that do not sum to 1, as they are, by SPEC",
        lambda d: (d.uniform(0, 1, 40, 3), d.labels(3, 40)), **PROBS)
    # Calibration.
    add("probs, the largest at the edges of the bins, by SPEC",
        lambda d: (lambda near: (np.array([[v, 1 - v] for v in near]), d.labels(2, len(near))))(
            [v for k in range(8, 16) for v in around(k / 15) if v <= 1]), **PROBS)
    add("logits, calibrated",
        lambda d: (lambda x: (x, (x + d.rng.gumbel(size=x.shape)).argmax(axis=1)))(
            quantized_to(d.normal(60, 4, scale=1.5), 1 / 64)), top_k=[1, 2, 3], **LOGITS)


def quantized_to(x, step):
    return np.round(x / step) * step


def quantized(pair, step):
    return quantized_to(pair[0], step), *pair[1:]


def multilabel_cases(add):
    def column(pair, k, value):
        """The truth of one label is the same for all."""
        y = np.array(pair[1])
        y[:, k] = value
        return pair[0], y, *pair[2:]

    def guesses(d, n, count, right=0.75):
        y = d.rng.integers(0, 2, (n, count))
        return np.where(d.uniform(0, 1, n, count) < right, y, 1 - y), y

    # As they come.
    for count, n in [(1, 30), (2, 40), (3, 60), (5, 60)]:
        add(f"scores, L = {count}", lambda d: d.tags(n, count), **SCORES)
        add(f"probs, L = {count}", lambda d: d.likely_tags(n, count), **PROBS)
        add(f"logits, L = {count}", lambda d: d.tags(n, count, shift=2.0), **LOGITS)
        add(f"labels, L = {count}", lambda d: guesses(d, n, count), **LABELS)
    add("scores, L = 20", lambda d: quantized(d.tags(50, 20, p=0.15), 1 / 32), **SCORES)
    add("logits, f16, 2000", lambda d: quantized(d.tags(2000, 2), 1 / 4), dtype="f16", **LOGITS)
    add("labels, L = 50", lambda d: guesses(d, 40, 50), **LABELS)
    for dtype in ("f16", "bf16"):
        add(f"scores, {dtype}", lambda d: d.tags(40, 3), dtype=dtype, **SCORES)
        add(f"probs, {dtype}", lambda d: d.likely_tags(40, 3), dtype=dtype, **PROBS)

    # Undefined for a label.
    add("scores, a label never positive", lambda d: column(d.tags(40, 3), 1, 0), **SCORES)
    add("probs, a label always positive", lambda d: column(d.likely_tags(40, 3), 0, 1), **PROBS)
    add("logits, labels never and always positive",
        lambda d: column(column(d.tags(40, 4), 3, 0), 2, 1), **LOGITS)
    add("scores, a label never predicted", lambda d: (lambda x, y: (x - [0, 9, 0], y))(*d.tags(40, 3)), **SCORES)
    add("labels, a label neither true nor predicted, by SPEC",
        lambda d: (lambda z, y: (z * [1, 0, 1], y * [1, 0, 1]))(*guesses(d, 40, 3)), **LABELS)
    add("labels, nothing predicted, by SPEC", lambda d: (np.zeros((20, 3)), d.rng.integers(0, 2, (20, 3))), **LABELS)
    add("labels, nothing true, by SPEC", lambda d: (d.rng.integers(0, 2, (20, 3)), np.zeros((20, 3))), **LABELS)
    add("labels, nothing true or predicted, by SPEC", lambda d: (np.zeros((20, 3)), np.zeros((20, 3))), **LABELS)
    add("scores, nothing predicted, by SPEC", lambda d: d.tags(30, 3), threshold=50.0, **SCORES)
    add("probs, nothing true, by SPEC", lambda d: (d.likely_tags(30, 2)[0], np.zeros((30, 2))), **PROBS)
    add("labels, all right", lambda d: (lambda y: (y, y))(d.rng.integers(0, 2, (30, 3))), **LABELS)
    add("labels, all wrong", lambda d: (lambda y: (1 - y, y))(d.rng.integers(0, 2, (30, 3))), **LABELS)
    add("scores, n = 1", lambda d: ([[0.25, 0.75, 0.5]], [[0, 1, 0]]), **SCORES)
    add("labels, n = 1", lambda d: ([[1, 1, 0]], [[0, 1, 0]]), **LABELS)
    add("probs, n = 2", lambda d: ([[0.25, 0.75, 0.5], [0.5, 0.5, 0.5]], [[0, 1, 0], [1, 0, 1]]), **PROBS)

    # Ties, thresholds, crowds, magnitudes.
    add("scores of few values, threshold equals some",
        lambda d: quantized(d.tags(60, 3), 0.5), threshold=-0.5, **SCORES)
    add("probs of few values, threshold equals some", lambda d: quantized(d.likely_tags(60, 3), 0.125), threshold=0.75,
        **PROBS)
    add("logits of few values", lambda d: quantized(d.tags(60, 3), 1), **LOGITS)
    add("scores all equal", lambda d: (np.full((20, 2), 0.5), d.rng.integers(0, 2, (20, 2))), **SCORES)
    add("scores one ulp apart, around the threshold",
        lambda d: (neighbours(0.5, d.steps(-9, 9, 1, 40, 2)), d.rng.integers(0, 2, (40, 2))), **SCORES)
    add("logits subnormal, both signs, and -0",
        lambda d: (d.steps(-3, 3, 1, 40, 2) * d.rng.choice([-1.0, 1.0], (40, 2)) * TINY, d.rng.integers(0, 2, (40, 2))),
        **LOGITS)
    add("scores of 1e30 and 1e-30", lambda d: (lambda x, y: (x * [1e30, 1e-30], y))(*d.tags(40, 2)), **SCORES)
    add("logits +-50 and +-1e4",
        lambda d: (lambda x, y: (np.sign(x) * [50, 1e4] + x, y))(*d.tags(40, 2)), **LOGITS)

    # Weights.
    add("scores, weights", lambda d: weighed(d.tags(40, 3), d.weights), **SCORES)
    add("probs, a third of the weights 0", lambda d: weighed(d.likely_tags(60, 3), lambda n: d.weights(n, 20)), **PROBS)
    add("logits, weights of any f32", lambda d: weighed(d.tags(40, 2), lambda n: d.uniform(0.01, 3, n)), **LOGITS)
    add("labels, weights are integers",
        lambda d: weighed(guesses(d, 60, 4), lambda n: d.rng.integers(0, 4, n)), **LABELS)
    add("labels, L = 1, weights", lambda d: weighed(guesses(d, 30, 1), d.weights), **LABELS)
    add("probs, every positive of a label weighs 0, by SPEC",
        lambda d: (lambda x, y: (x, y, np.where(y[:, 1] == 1, 0.0, d.weights(len(y)))))(*d.likely_tags(40, 3)), **PROBS)


def regression_cases(add):
    # As they come.
    add("f32", lambda d: d.fitted(40))
    add("f32, 400", lambda d: d.fitted(400))
    add("f32 of few digits, 2000", lambda d: tuple(quantized_to(v, 1 / 8) for v in d.fitted(2000)))
    add("f16", lambda d: d.fitted(60), dtype="f16")
    add("bf16", lambda d: d.fitted(60), dtype="bf16")
    add("nothing to do with the target", lambda d: (d.normal(40), d.normal(40)))
    add("the wrong way round", lambda d: (lambda x, t: (-x, t))(*d.fitted(40)))
    add("noise only of a tenth", lambda d: d.fitted(60, noise=0.01))
    add("off by a constant", lambda d: (lambda t: (t + 3, t))(d.steps(-4, 4, 1 / 64, 40)))
    add("twice the target", lambda d: (lambda t: (2 * t, t))(d.steps(-4, 4, 1 / 64, 40)))
    add("minus the target", lambda d: (lambda t: (-t, t))(d.steps(-4, 4, 1 / 64, 40)))
    add("perfect", lambda d: (lambda t: (t, t))(rounded(d.normal(40), "f32")))
    add("perfect, n = 2", lambda d: ([1.5, -2.0], [1.5, -2.0]))
    add("one of many is off", lambda d: (lambda t: (t + 100 * (np.arange(50) == 17), t))(d.steps(-4, 4, 1 / 64, 50)))
    add("counts", lambda d: (d.rng.poisson(4.0, 60), d.rng.poisson(4.0, 60)))

    # Undefined.
    add("constant target", lambda d: (d.normal(30), np.full(30, 2.0)))
    add("constant target that no binary fraction is", lambda d: (d.normal(30), np.full(30, 0.1)))
    add("constant target of 1e30", lambda d: (1e30 * d.normal(30), np.full(30, 1e30)))
    add("constant target of -0 and 0", lambda d: (d.normal(10), [0.0, -0.0] * 5))
    add("constant target, predicted exactly", lambda d: (np.full(30, 0.3), np.full(30, 0.3)))
    add("constant target, predicted as another constant", lambda d: (np.full(30, 0.25), np.full(30, 0.75)))
    add("constant prediction", lambda d: (np.full(30, 0.1), d.normal(30)))
    add("constant prediction, the target's mean", lambda d: (np.full(4, 2.5), [1, 2, 3, 4]))
    add("n = 1", lambda d: ([1.25], [1.0]))
    add("n = 1, perfect", lambda d: ([1.25], [1.25]))
    add("n = 2", lambda d: ([1.25, 3.0], [1.0, 2.5]))
    add("n = 2, the wrong way round", lambda d: ([1.25, 3.0], [2.5, 1.0]))

    # Targets of 0: scikit-learn divides by the epsilon of f64.
    add("targets of 0", lambda d: (d.normal(20), np.where(np.arange(20) % 3 == 0, 0.0, d.normal(20))))
    add("targets of 0, predicted exactly", lambda d: ([0.0, 1.0, -0.0, 2.5], [0.0, 1.5, 0.0, 2.0]))
    add("targets below the epsilon of f64",
        lambda d: ([1e-17, 2e-17, -1e-16, 1e-20, 0.0], [2e-17, 1e-16, 1e-17, -1e-20, TINY]))
    add("targets all 0", lambda d: (d.normal(10), np.zeros(10)))

    # Magnitudes.
    add("1e30", lambda d: tuple(1e30 * v for v in d.fitted(40)))
    add("1e-30", lambda d: tuple(1e-30 * v for v in d.fitted(40)))
    add("1e18, whose squares f32 still holds", lambda d: tuple(1e18 * v for v in d.fitted(40)))
    add("from 1e-30 to 1e30", lambda d: (lambda t: (t * d.uniform(0.5, 2, 40), t))(10.0 ** d.uniform(-30, 30, 40)))
    add("subnormal", lambda d: (d.steps(-9, 9, 1, 20) * TINY, d.steps(-9, 9, 1, 20) * TINY))
    add("far from 0: 4096 and a little", lambda d: tuple(4096 + quantized_to(v, 2**-10) for v in d.fitted(60)))
    add("far from 0: 1e6 and a little", lambda d: tuple(1e6 + quantized_to(v, 2**-3) for v in d.fitted(100)))
    add("f16, far from 0", lambda d: tuple(1024 + quantized_to(v, 1) for v in d.fitted(60, scale=8.0)), dtype="f16")

    # Weights.
    add("weights", lambda d: weighed(d.fitted(50), d.weights))
    add("a third of the weights 0", lambda d: weighed(d.fitted(60), lambda n: d.weights(n, 20)))
    add("weights are integers", lambda d: weighed(d.fitted(60), lambda n: d.rng.integers(0, 5, n)))
    add("weights of any f32", lambda d: weighed(d.fitted(60), lambda n: d.uniform(0.01, 3, n)))
    add("weights all 2", lambda d: weighed(d.fitted(40), lambda n: np.full(n, 2.0)))
    add("the largest error weighs 0, by SPEC",
        lambda d: ([1.5, 2.0, 90.0, 4.5, 5.0], [1.0, 2.5, 3.0, 4.0, 5.5], [1, 2, 0, 1, 0.5]))
    add("constant where it weighs, by SPEC", lambda d: ([1.5, 2.0, 9.0, 4.5], [0.1, 0.1, 3.0, 0.1], [1, 2, 0, 1]))
    add("one of many weighs, by SPEC", lambda d: (*d.fitted(6), [0, 0, 1.5, 0, 0, 0]))
    add("targets of 0, weights", lambda d: ([0.5, 1.0, 2.0, -1.0], [0.0, 1.5, 2.0, -2.0], [0.5, 1, 0, 2]))
    add("weights from 2^-10 to 2^10", lambda d: weighed(d.fitted(40), lambda n: 2.0 ** d.rng.integers(-10, 11, n)))


# --- the file ----------------------------------------------------------------------------


def main():
    collected = Cases()
    makers = {"binary": binary_cases, "multiclass": multiclass_cases, "multilabel": multilabel_cases,
              "regression": regression_cases}
    counts = []
    for task, make in makers.items():
        before = len(collected.cases)
        make(lambda name, data, task=task, **rest: collected.add(task, name, data, **rest))
        counts.append(f"{task} {len(collected.cases) - before}")
    lines = [json.dumps(case, separators=(",", ":"), allow_nan=False) for case in collected.cases]
    path = HERE / "metrics.json"
    source = json.dumps(f"scikit-learn {sklearn.__version__}")
    path.write_text(f'{{"source": {source}, "cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{path.name}: {len(lines)} cases ({', '.join(counts)}), {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
