"""What the golden values of all losses are made with. Their format stands in `generate.py`."""

import contextlib
import json
import math
import os
import pathlib
import zlib

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import sklearn
import sklearn.metrics
import torch
import torch.nn.functional as F
import torchvision
from keras.src.backend.common import dtypes as keras_dtypes

HERE = pathlib.Path(__file__).resolve().parent
SEED = 20240917

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)  # one order of summation
keras.config.set_floatx("float64")
# floatx alone is not enough: except on TensorFlow, Keras promotes f64 together with anything
# to f32 (as JAX does by default), so that even its mean would round to f32. This table is the
# one place where it does so; it changes the precision and nothing else.
keras_dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
assert keras.ops.maximum(keras.ops.mean(torch.tensor([1 / 3])), 0.0).item() == 1 / 3

TORCH = "torch " + torch.__version__.split("+")[0] + ": "
KERAS = "keras " + keras.__version__ + ": "
VISION = "torchvision " + torchvision.__version__.split("+")[0] + ": "
SKLEARN = "scikit-learn " + sklearn.__version__ + ": "
CLOSED = "closed form"

INF = math.inf


# --- numbers -----------------------------------------------------------------------------


def f32(values):
    """An f64 array (or number) whose every value is exactly representable in f32."""
    rounded = np.asarray(values, np.float32).astype(np.float64)
    return float(rounded) if rounded.ndim == 0 else rounded


def option(value):
    """An option as wgloss uses it: floats rounded to f32, booleans and integers as they are."""
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [f32(v) for v in value]
    return f32(value)


def plain(value):
    """The same value in JSON's terms, non-finite numbers as strings."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.ravel().tolist()]
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
        return value + 0.0  # no -0.0: the sign of a zero is nothing to agree on
    return value


class Draw:
    """The random tensors of one loss, rounded to f32."""

    def __init__(self, name):
        self.rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])

    def normal(self, *shape, scale=1.0):
        return f32(self.rng.normal(0.0, scale, shape))

    def uniform(self, low, high, *shape):
        return f32(self.rng.uniform(low, high, shape))

    def bits(self, *shape):
        return f32(self.rng.integers(0, 2, shape))

    def signs(self, *shape):
        return 2.0 * self.bits(*shape) - 1.0

    def labels(self, classes, *shape):
        return self.rng.integers(0, classes, shape).astype(np.int64)

    def probs(self, *shape, axis=-1):
        """Probabilities along `axis` (rounded to f32, so they sum to 1 only nearly)."""
        e = np.exp(self.rng.normal(0.0, 1.5, shape))
        return f32(e / e.sum(axis=axis, keepdims=True))

    def weights(self, *shape):
        """Weights in [0.25, 2), the second of them 0."""
        w = f32(self.rng.uniform(0.25, 2.0, shape))
        w.ravel()[1] = 0.0
        return w


def put(array, *values):
    """A copy of `array` whose first entries are `values`: the edge points of a case."""
    out = np.array(array, np.float64)
    out.ravel()[: len(values)] = values
    return f32(out)


# --- one case ----------------------------------------------------------------------------


def record(source, options, reduction, grad_scale, inputs, target, weight, loss, grads,
           class_axis=None, class_weight=None):
    def tensor(a):
        return {"shape": list(a.shape), "data": a}

    if target is not None:
        target = {"dtype": "i64" if target.dtype == np.int64 else "f32"} | tensor(target)
    return plain({
        "source": source,
        "options": options,
        "reduction": reduction,
        "class_axis": class_axis,
        "grad_scale": grad_scale,
        "inputs": [tensor(a) for a in inputs],
        "target": target,
        "weight": None if weight is None else tensor(weight),
        "class_weight": class_weight,
        "expect": {
            "loss": loss.detach().numpy() if loss.ndim else loss.item(),
            "grads": [g.numpy() for g in grads],
        },
    })


def differentiate(total, leaves, grad_scale):
    grads = torch.autograd.grad(total, leaves, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g * grad_scale for x, g in zip(leaves, grads)]


def same(a, b):
    return torch.allclose(a, b, rtol=1e-13, atol=1e-15, equal_nan=True)


class Elementwise:
    """Collects the cases of one elementwise loss.

    A library call is a function (inputs, target, options) -> unreduced losses. One that takes
    a fourth argument `reduction` is PyTorch's own; then the unweighted sum and mean come from
    PyTorch too, and are checked against what is built from the unreduced losses.
    """

    def __init__(self, name):
        self.draw = Draw(name)
        self.cases = []

    def add(self, source, call, *tensors, reduction="mean", weight=None, grad_scale=1.0,
            has_target=True, **options):
        options = {key: option(value) for key, value in options.items()}
        grad_scale = f32(grad_scale)
        inputs, target = (tensors[:-1], tensors[-1]) if has_target else (tensors, None)
        leaves = [torch.tensor(a, requires_grad=True) for a in inputs]
        goal = None if target is None else torch.tensor(target)

        unreduced = call(leaves, goal, options)
        loss = self.reduce(unreduced, weight, reduction)
        own_reductions = "reduction" in call.__code__.co_varnames
        if weight is None and reduction in ("sum", "mean") and own_reductions:
            own = call(leaves, goal, options, reduction)
            assert same(own, loss), (source, own, loss)
            loss = own
        grads = differentiate(loss.sum(), leaves, grad_scale)
        self.cases.append(record(source, options, reduction, grad_scale, inputs, target, weight,
                                 loss, grads))

    @staticmethod
    def reduce(loss, weight, reduction):
        columns = loss.shape[-1] if loss.ndim > 1 else 1
        rows = loss.numel() // columns
        w = torch.ones_like(loss)
        if weight is not None:
            given = torch.tensor(weight)
            w = w * (given if given.ndim == loss.ndim else given.unsqueeze(-1))
        if reduction == "none":
            return w * loss
        total = (w * loss).sum()
        divisor = {"sum": 1.0, "mean": loss.numel(), "weighted_mean": w.sum(), "batch_mean": rows}
        return total / divisor[reduction]


# --- the libraries' functions, in one shape ----------------------------------------------


def torch_loss(function, *names, **defaults):
    """A PyTorch loss (inputs..., target), whose options `names` go to PyTorch's of that name.

    `defaults` are the defaults that f32 cannot hold, where wgloss's differs from PyTorch's.
    """
    defaults = {name: f32(value) for name, value in defaults.items()}

    def call(inputs, target, options, reduction="none"):
        chosen = defaults | {name: options[name] for name in names if name in options}
        return function(*inputs, target, **chosen, reduction=reduction)

    return call


@contextlib.contextmanager
def keras_epsilon(value):
    """Keras's epsilon is a global setting; its default 1e-7 is rounded to f32 as well."""
    before = keras.config.epsilon()
    keras.config.set_epsilon(f32(value))
    try:
        yield
    finally:
        keras.config.set_epsilon(before)


def keras_loss(function, *names, epsilon=None, **fixed):
    """A Keras loss. Keras reduces over the last axis, so each element becomes a column of one."""

    def call(inputs, target, options):
        (x,) = inputs
        chosen = {name: options[name] for name in names if name in options}
        with keras_epsilon(options.get(epsilon, 1e-7)):
            return function(target.unsqueeze(-1), x.unsqueeze(-1), **chosen, **fixed)

    return call


def keras_regularizer(regularizer):
    """A Keras regularizer sums over what it is given, so each element goes alone."""

    def call(inputs, target, options):
        (x,) = inputs
        return torch.stack([regularizer(e) for e in x.flatten()]).reshape(x.shape)

    return call


class Rows:
    """Collects the cases of a loss of rows.

    `function(inputs, target, class_weight, options)` gives, by a library, the loss of each row and how much each row
    counts for the mean; None for 1 each. Inputs come as [rows, classes]; the target so too, or as [rows] where it is
    an index or one number per row, or not at all. A class weight is in the loss already.
    """

    def __init__(self, name):
        self.draw = Draw(name)
        self.cases = []

    def add(self, source, function, *tensors, has_target=True, class_axis=None, weight=None,
            class_weight=None, reduction="mean", grad_scale=1.0, **options):
        options = {key: option(value) for key, value in options.items()}
        grad_scale = f32(grad_scale)
        inputs, target = (tensors[:-1], tensors[-1]) if has_target else (tensors, None)
        shape = inputs[0].shape
        outer = shape[:-1] if class_axis is None else shape[:1] + shape[2:]
        rows = math.prod(outer)

        def by_row(v):
            if v.shape != shape:
                return v.reshape(rows)
            last = v if class_axis is None else v.movedim(1, -1)
            return last.reshape(rows, last.shape[-1])

        leaves = [torch.tensor(a, requires_grad=True) for a in inputs]
        goal = None if target is None else by_row(torch.tensor(target))
        cw = None if class_weight is None else torch.tensor(class_weight)
        each, counts = function([by_row(v) for v in leaves], goal, cw, options)
        counts = torch.ones(rows) if counts is None else counts
        valid = torch.ones(rows)
        if "ignore_index" in options or (goal is not None and goal.dtype == torch.int64):
            valid = (goal != options.get("ignore_index", -100)).to(torch.float64)
        w = torch.ones(rows) if weight is None else torch.tensor(weight).reshape(-1)
        # Under weighted_mean the class weight of an index target counts, whether mean divides by it or not.
        label_weight = valid
        if cw is not None and goal is not None and goal.dtype == torch.int64:
            label_weight = torch.where(valid > 0, cw[goal.clamp(0, len(cw) - 1)], 0.0)
        loss = {
            "none": lambda: (w * each).reshape(outer),
            "sum": lambda: (w * each).sum(),
            "mean": lambda: (w * each).sum() / (counts * valid).sum(),
            "batch_mean": lambda: (w * each).sum() / rows,
            "weighted_mean": lambda: (w * each).sum() / (w * label_weight).sum(),
        }[reduction]()
        grads = differentiate(loss.sum(), leaves, grad_scale)
        self.cases.append(record(source, options, reduction, grad_scale, inputs, target, weight,
                                 loss, grads, class_axis, class_weight))

    def add_known(self, source, *tensors, loss, grads, has_target=True, reduction="none", **options):
        """A case whose answer was worked out by the caller."""
        options = {key: option(value) for key, value in options.items()}
        inputs, target = (tensors[:-1], tensors[-1]) if has_target else (tensors, None)
        self.cases.append(record(source, options, reduction, 1.0, inputs, target, None,
                                 torch.tensor(loss), [torch.tensor(g) for g in grads]))
