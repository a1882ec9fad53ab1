"""Losses of rows that are classified: what stands behind cross_entropy in the table."""

import kornia

from common import *

KORNIA = "kornia " + kornia.__version__ + ": "


def ignoring(d, index, classes, *shape):
    """Labels, the second and the last of them ignored, none of the others."""
    y = d.labels(classes, *shape)
    y[y == index] = 0
    y.ravel()[1] = y.ravel()[-1] = index
    return y


def one_hot(d, *shape):
    """Targets that are 1 in one column of each row and 0 elsewhere."""
    return np.eye(shape[-1])[d.labels(shape[-1], *shape[:-1])]


def nll(c):
    d = c.draw
    cw4, cw5 = f32([0.5, 0.0, 1.25, 0.3]), f32([1.0, 0.2, 3.0, 0.7, 1.5])

    def add(*tensors, **rest):
        c.add(TORCH + "nn.functional.nll_loss", torch_nll, *tensors, **rest)

    def logs(*shape, axis=-1):
        return f32(np.log(d.probs(*shape, axis=axis)))

    add(logs(4, 5), d.labels(5, 4))
    add(logs(4, 5), d.labels(5, 4), class_weight=cw5)
    add(logs(5, 4), ignoring(d, -100, 4, 5), reduction="none", grad_scale=2.0)
    add(logs(5, 4), ignoring(d, 1, 4, 5), ignore_index=1, class_weight=cw4)
    add(logs(5, 4), ignoring(d, 255, 4, 5), ignore_index=255, reduction="batch_mean",
        weight=d.weights(5))
    add(logs(4, 5), d.labels(5, 4), class_weight=cw5, weight=d.weights(4),
        reduction="weighted_mean")
    add(logs(2, 3, 4), d.labels(4, 2, 3), reduction="sum", weight=d.weights(2, 3), grad_scale=-1.0)
    add(logs(2, 4, 3, axis=1), ignoring(d, -100, 4, 2, 3), class_axis=1, class_weight=cw4)
    # No probability at all: at the label the loss is inf; the gradient stays.
    add(put(logs(3, 4), -INF), np.array([0, 2, 1]), reduction="none")
    add(put(logs(3, 4), -INF), np.array([3, 2, 1]), class_weight=cw4)
    add(np.zeros((3, 1)), d.labels(1, 3), reduction="none")


def torch_nll(inputs, y, class_weight, options):
    (x,), ignored = inputs, options.get("ignore_index", -100)

    def call(reduction):
        return F.nll_loss(x, y, weight=class_weight, ignore_index=ignored, reduction=reduction)

    each, counts = call("none"), torch.ones(len(y))
    if class_weight is not None:
        counts = torch.where(y == ignored, 0.0, class_weight[y.clamp(0, len(class_weight) - 1)])
    assert same(call("mean"), each.sum() / (counts * (y != ignored)).sum())
    return each, counts


def categorical_cross_entropy(c):
    d = c.draw
    kn, sparse = KERAS + "losses.categorical_crossentropy", \
        KERAS + "losses.sparse_categorical_crossentropy"

    def add(*tensors, **rest):
        index = tensors[1].dtype == np.int64
        c.add(sparse if index else kn, keras_categorical, *tensors, **rest)

    def counts(*shape):
        """Rows that do not sum to 1."""
        return d.uniform(0.05, 3.0, *shape)

    add(d.probs(4, 5), one_hot(d, 4, 5))
    add(d.probs(4, 5), d.labels(5, 4))
    add(counts(4, 5), d.probs(4, 5), reduction="none", weight=d.weights(4), grad_scale=2.0)
    add(counts(2, 3, 4), d.labels(4, 2, 3), reduction="sum", weight=d.weights(2, 3))
    add(counts(4, 5), one_hot(d, 4, 5), label_smoothing=0.2, reduction="batch_mean")
    add(counts(4, 5), d.probs(4, 5), label_smoothing=0.35, weight=d.weights(4),
        reduction="weighted_mean")
    add(counts(3, 4), d.labels(4, 3), label_smoothing=1.0, reduction="none")
    add(d.probs(2, 4, 3, axis=1), d.labels(4, 2, 3), class_axis=1, weight=d.weights(2, 3))
    add(counts(2, 4, 3), d.probs(2, 4, 3, axis=1), class_axis=1, label_smoothing=0.1,
        reduction="none", grad_scale=-1.0)
    # Clipped at the label: no probability, and all of it; then elsewhere.
    add(put(counts(3, 4), 0, 1, 2, 3, 0, 1, 0, 0), np.array([0, 1, 2]), reduction="none")
    add(put(counts(3, 4), -0.5, 1, 2, 3, 1e-9, 0, 1, 0), d.probs(3, 4), reduction="none")
    add(put(counts(4, 5), 0.05, 4.0), d.probs(4, 5), eps=0.1)
    # Exactly on the clip, 1/4 and 3/4 of the sum: no gradient passes.
    add(put(counts(2, 4), 1, 3, 0, 0), d.probs(2, 4), eps=0.25, reduction="none")
    add(counts(4, 5), d.labels(5, 4), eps=0.0)
    # As they are, which Keras has no option for; and rows that sum to 0.
    for target in [d.probs(4, 5), d.labels(5, 4)]:
        c.add(CLOSED, undivided, put(counts(4, 5), 0.0, 0.5, 1.0, -0.25), target, normalize=False,
              label_smoothing=0.1, reduction="none")
    c.add(CLOSED, undivided, d.probs(4, 5), one_hot(d, 4, 5), normalize=False, eps=1e-3)
    c.add(CLOSED + " (rows that sum to 0; Keras: NaN)", undivided,
          put(np.zeros((2, 4)), 0, 0, 0, 0, 0.5, -0.75, 0.0, 0.25), d.probs(2, 4),
          reduction="none")
    c.add(CLOSED, undivided, put(np.zeros((2, 3)), 0.5, 0, 0.25), np.array([0, 2]), normalize=False,
          eps=0.0, reduction="none")


def keras_categorical(inputs, t, class_weight, options):
    (x,), smoothing = inputs, options.get("label_smoothing", 0.0)
    with keras_epsilon(options.get("eps", 1e-7)):
        if t.dtype == torch.int64 and not smoothing:
            return keras.losses.sparse_categorical_crossentropy(t, x), None
        t = hard(t, x)
        return keras.losses.categorical_crossentropy(t, x, label_smoothing=smoothing), None


def undivided(inputs, t, class_weight, options):
    (x,), eps = inputs, options.get("eps", f32(1e-7))
    smoothing = options.get("label_smoothing", 0.0)
    t = hard(t, x) * (1 - smoothing) + smoothing / x.shape[-1]
    log = torch.log(torch.clip(x, eps, 1 - eps))
    return -torch.where(t == 0, 0.0, t * log).sum(dim=1), None


def hard(t, x):
    """Indices as numbers in the input's shape."""
    return F.one_hot(t, x.shape[-1]).to(x.dtype) if t.dtype == torch.int64 else t


def focal_cross_entropy(c):
    d = c.draw
    cw4, cw5 = f32([0.5, 0.0, 1.25, 0.3]), f32([1.0, 0.2, 3.0, 0.7, 1.5])

    def add(*tensors, **rest):
        c.add(KORNIA + "losses.focal_loss(alpha=None)", kornia_focal, *tensors, **rest)

    def logits(*shape):
        return d.normal(*shape, scale=2.0)

    add(logits(4, 5), d.labels(5, 4))
    add(logits(4, 5), d.labels(5, 4), reduction="none", gamma=0.5, class_weight=cw5, grad_scale=2.0)
    add(logits(5, 4), ignoring(d, -100, 4, 5), gamma=1.0, class_weight=cw4)
    add(logits(5, 4), ignoring(d, 2, 4, 5), ignore_index=2, gamma=3.5, weight=d.weights(5),
        reduction="weighted_mean", class_weight=cw4)
    add(logits(4, 5), d.labels(5, 4), gamma=0.0, reduction="sum", weight=d.weights(4))
    add(logits(2, 3, 4), d.labels(4, 2, 3), reduction="batch_mean", weight=d.weights(2, 3))
    add(logits(2, 4, 3), ignoring(d, 255, 4, 2, 3), class_axis=1, ignore_index=255, gamma=1.5,
        class_weight=cw4, grad_scale=-1.0)
    # Logits far apart, right and wrong; equal ones. To p_y = 1 - 1e-5, beyond which kornia's 1 - p_y, a
    # difference, is no longer good to 1e-11.
    add(put(logits(4, 5), 12, 0, 0, 0, 0, -300, 0, 0, 0, 0, 1, 1, 1, 1, 1), np.array([0, 0, 3, 2]),
        reduction="none")
    c.add(TORCH + "nn.functional.cross_entropy (gamma = 0)", torch_cross_entropy,
          put(logits(3, 4), 40, -40, 300, 0, 300, 1, 2, 3), np.array([0, 0, 3]), gamma=0.0,
          reduction="none", class_weight=cw4)
    add(logits(3, 1), d.labels(1, 3), reduction="none")  # one class: 0


def kornia_focal(inputs, y, class_weight, options):
    each = kornia.losses.focal_loss(
        inputs[0], y, alpha=None, gamma=options.get("gamma", 2.0), weight=class_weight,
        ignore_index=options.get("ignore_index", -100), reduction="none")
    return each.sum(dim=1), None


def torch_cross_entropy(inputs, y, class_weight, options):
    return F.cross_entropy(inputs[0], y, weight=class_weight, reduction="none"), None


def categorical_focal(c):
    d = c.draw

    def add(*tensors, **rest):
        c.add(CLOSED, focal_and_penalties, *tensors, **rest)

    def probs(*shape, axis=-1):
        return d.probs(*shape, axis=axis)

    add(probs(4, 5), one_hot(d, 4, 5))
    add(probs(4, 5), one_hot(d, 4, 5), l1=0.1, l2=0.3, reduction="none", grad_scale=2.0)
    add(probs(4, 5), d.probs(4, 5), alpha=0.75, gamma=0.5, l2=1.5, weight=d.weights(4))
    add(probs(2, 3, 4), one_hot(d, 2, 3, 4), gamma=0.0, l1=0.01, reduction="sum",
        weight=d.weights(2, 3))
    add(probs(4, 5), one_hot(d, 4, 5), alpha=0.0, l1=2.0, l2=1.0, reduction="batch_mean")
    # Clipped: no probability and all of it, right and wrong; outside; on the clip itself.
    add(put(probs(3, 4), 0, 1, 0, 1, -0.5, 1.5, 1e-8), put(one_hot(d, 3, 4), 0, 0, 1, 1, 1, 1, 0.5),
        reduction="none", l1=0.5, l2=0.25)
    add(put(probs(3, 4), 0.25, 0.75, 0.05, 0.9, 0.3), d.probs(3, 4), eps=0.25, l1=0.5, l2=0.25,
        reduction="weighted_mean", weight=d.weights(3), gamma=1.0)
    add(put(probs(3, 4), 0.0, 1.0, 0.0, 1.0), put(one_hot(d, 3, 4), 0, 0, 0, 1), eps=0.0, gamma=3.0,
        reduction="none")
    add(probs(2, 4, 3, axis=1), d.probs(2, 4, 3, axis=1), class_axis=1, gamma=1.5, l1=0.2,
        grad_scale=-1.0)


def focal_and_penalties(inputs, t, class_weight, options):
    eps = options.get("eps", f32(1e-7))
    p = torch.clip(inputs[0], eps, 1 - eps)
    focal = options.get("alpha", 0.25) * t * (1 - p) ** options.get("gamma", 2.0)
    # 0 where there is no target, at log 0 too, whose slope autograd must not see.
    cross = -torch.where(t == 0, 0.0, focal * torch.log(torch.where(t == 0, 1.0, p)))
    penalties = options.get("l1", 0.0) * p.abs() + options.get("l2", 0.0) * p ** 2
    return (cross + penalties).sum(dim=1), None


def multi_margin(c):
    d = c.draw
    cw4, cw5 = f32([0.5, 0.0, 1.25, 0.3]), f32([1.0, 0.2, 3.0, 0.7, 1.5])

    def add(*tensors, **rest):
        c.add(TORCH + "nn.functional.multi_margin_loss", torch_multi_margin, *tensors, **rest)

    add(d.normal(4, 5), d.labels(5, 4))
    add(d.normal(4, 5), d.labels(5, 4), p=2.0, reduction="none", grad_scale=2.0)
    add(d.normal(4, 5), d.labels(5, 4), class_weight=cw5, margin=2.5)
    add(d.normal(4, 5), d.labels(5, 4), class_weight=cw5, margin=0.3, p=2.0, weight=d.weights(4),
        reduction="weighted_mean")
    add(d.normal(2, 3, 4), d.labels(4, 2, 3), reduction="sum", weight=d.weights(2, 3), p=2.0)
    add(d.normal(2, 4, 3), d.labels(4, 2, 3), class_axis=1, class_weight=cw4, grad_scale=-1.0,
        reduction="batch_mean")
    # On the kink: equal scores without a margin, scores apart by the margin; a negative margin.
    add(put(d.normal(2, 4), 0.5, 0.5, 0.25, 0.75), np.array([0, 3]), margin=0.0, reduction="none")
    add(put(d.normal(2, 4), 1.0, 0.5, 0.25, 0.75), np.array([0, 3]), margin=0.5, reduction="none")
    add(d.normal(4, 5), d.labels(5, 4), margin=-0.5, weight=d.weights(4))
    add(put(d.normal(3, 4), 300, -300, 0, 0, 1e4, 0, -1e4), np.array([0, 2, 1]), p=2.0,
        reduction="none")
    # An infinite score: nothing to pay at the label, inf elsewhere.
    add(put(d.normal(2, 3), INF, 0, 1, INF), np.array([0, 2]), reduction="none")
    add(d.normal(3, 1), d.labels(1, 3), reduction="none")  # one class: 0


def torch_multi_margin(inputs, y, class_weight, options):
    return F.multi_margin_loss(inputs[0], y, p=int(options.get("p", 1)),
                               margin=options.get("margin", 1.0), weight=class_weight,
                               reduction="none"), None


def categorical_hinge(c):
    d = c.draw

    def add(*tensors, **rest):
        c.add(KERAS + "losses.categorical_hinge", keras_hinge, *tensors, **rest)

    add(d.normal(4, 5), one_hot(d, 4, 5))
    add(d.normal(4, 5), d.labels(5, 4), reduction="none", grad_scale=2.0)
    add(d.normal(4, 5), d.probs(4, 5), reduction="sum", weight=d.weights(4))
    add(d.normal(2, 3, 4), d.labels(4, 2, 3), weight=d.weights(2, 3), reduction="weighted_mean")
    add(d.normal(2, 4, 3), one_hot(d, 2, 3, 4).swapaxes(1, 2), class_axis=1, grad_scale=-1.0)
    add(d.uniform(0.0, 2.0, 4, 5), d.bits(4, 5), reduction="batch_mean")  # several labels
    # Nothing to pay; all others negative, where the label itself is the largest.
    add(put(d.normal(3, 4), 9, 1, 2, -3, -0.25, -1, -2, -3, -0.5, -9, -8, -7), np.array([0, 0, 0]),
        reduction="none")
    add(put(d.normal(3, 4), 300, -250, 0, 1.5, 1e4, 0, -1e3), d.signs(3, 4), reduction="none")
    add(d.normal(3, 1), d.labels(1, 3), reduction="none")  # one class: max(0, 1 - x)


def keras_hinge(inputs, t, class_weight, options):
    (x,) = inputs
    return keras.losses.categorical_hinge(hard(t, x), x), None


LOSSES = {
    "nll": (Rows, nll),
    "categorical_cross_entropy": (Rows, categorical_cross_entropy),
    "focal_cross_entropy": (Rows, focal_cross_entropy),
    "categorical_focal": (Rows, categorical_focal),
    "multi_margin": (Rows, multi_margin),
    "categorical_hinge": (Rows, categorical_hinge),
}
