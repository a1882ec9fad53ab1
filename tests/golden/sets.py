"""Whole-set ratios: of overlap between what is predicted and what is there."""

import monai
import monai.losses

from common import *

MONAI = "monai " + monai.__version__.split("+")[0] + ": "


class Sets:
    """Collects the cases of a loss of whole sets.

    `function(x, t, w, options)` gives, by a library, the loss of one set from its elements, which come flat; w is None
    where nothing weighs. No library takes weights: what does is the closed form.
    """

    def __init__(self, name):
        self.draw = Draw(name)
        self.cases = []

    def add(self, source, function, x, t, class_axis=None, weight=None, reduction="mean",
            grad_scale=1.0, **options):
        options = {key: option(value) for key, value in options.items()}
        grad_scale = f32(grad_scale)
        leaf, goal, w = torch.tensor(x, requires_grad=True), torch.tensor(t), None
        if weight is not None:
            w = torch.tensor(weight)
            if w.ndim < leaf.ndim:
                w = w.unsqueeze(-1 if class_axis is None else class_axis)
            w = w.expand_as(leaf)
        chosen = {key: value for key, value in options.items() if key != "per_row"}

        def rows(v):
            last = v if class_axis is None else v.movedim(class_axis, -1)
            return last.reshape(-1, last.shape[-1])

        if options.get("per_row", False):
            weights = [None] * len(rows(leaf)) if w is None else rows(w)
            sets = zip(rows(leaf), rows(goal), weights)
            each = torch.stack([function(*one, chosen) for one in sets])
            # The weights are in the sums of each already.
            loss = {"none": lambda: each, "sum": each.sum}.get(reduction, each.mean)()
        else:
            loss = function(leaf.flatten(), goal.flatten(), None if w is None else w.flatten(), chosen)
        grads = differentiate(loss.sum(), [leaf], grad_scale)
        self.cases.append(record(source, options, reduction, grad_scale, [x], t, weight, loss, grads,
                                 class_axis))


def smooth(options):
    return options.get("smooth", f32(1e-6))


def monai_dice(**fixed):
    # MONAI's Jaccard index is twice the numerator over twice the denominator.
    times = 2 if fixed.get("jaccard") else 1

    def call(x, t, w, options):
        s = times * smooth(options)
        loss = monai.losses.DiceLoss(smooth_nr=s, smooth_dr=s, **fixed)
        return loss(x.reshape(1, 1, -1), t.reshape(1, 1, -1))

    return call


def monai_tversky(x, t, w, options):
    s = smooth(options)
    loss = monai.losses.TverskyLoss(alpha=options.get("alpha", 0.5), beta=options.get("beta", 0.5),
                                    smooth_nr=s, smooth_dr=s)
    return loss(x.reshape(1, 1, -1), t.reshape(1, 1, -1))


def keras_dice(x, t, w, options):
    # Keras adds its epsilon below the line only; without it the two agree.
    assert options["smooth"] == 0
    with keras_epsilon(0):
        return keras.losses.dice(t, x)


def keras_tversky(x, t, w, options):
    # Keras's alpha goes with what is there and was not predicted, so it is our beta.
    assert options["smooth"] == 0
    with keras_epsilon(0):
        return keras.losses.tversky(t, x, alpha=options.get("beta", 0.5), beta=options.get("alpha", 0.5))


def plain(alpha, beta, times=1.0, of=lambda x: x):
    """1 − (TP + s)/(TP + αFP + βFN + s), s divided by `times`; α and β are names of options or numbers."""

    def call(x, t, w, options):
        a, b = (options.get(v, 0.5) if isinstance(v, str) else v for v in (alpha, beta))
        w = torch.ones_like(x) if w is None else w
        x, s = of(x), smooth(options) / times
        tp, fp, fn = (w * x * t).sum(), (w * x * (1 - t)).sum(), (w * (1 - x) * t).sum()
        return 1 - (tp + s) / (tp + a * fp + b * fn + s)

    return call


def common_cases(c, source, call, closed, points):
    """What every one of them has: shapes, reductions, smoothing, weights, rows."""
    d = c.draw
    c.add(source, call, points(4, 5), d.bits(4, 5))
    c.add(source, call, points(4, 5), d.uniform(0, 1, 4, 5), smooth=1.0, reduction="none", grad_scale=0.5)
    c.add(source, call, points(2, 3, 4), d.bits(2, 3, 4), per_row=True)
    c.add(source, call, points(3, 5), d.bits(3, 5), per_row=True, reduction="none", smooth=0.5,
          grad_scale=2.0)
    c.add(source, call, points(2, 3, 4), d.bits(2, 3, 4), per_row=True, class_axis=1, reduction="sum")
    c.add(source, call, points(7), d.bits(7), reduction="sum")
    # Hardly any overlap, and hardly anything there.
    c.add(source, call, put(points(6), *[1e-3] * 3), put(np.zeros(6), 1.0))
    c.add(CLOSED, closed, points(4, 5), d.bits(4, 5), weight=d.weights(4, 5), reduction="weighted_mean")
    c.add(CLOSED, closed, points(4, 5), d.uniform(0, 1, 4, 5), weight=d.weights(4), smooth=0.0)
    c.add(CLOSED, closed, points(4, 5), d.bits(4, 5), weight=d.weights(4, 5), per_row=True,
          reduction="weighted_mean", smooth=0.25)
    c.add(CLOSED, closed, points(2, 4, 3), d.bits(2, 4, 3), weight=d.uniform(0.25, 2, 2, 3), per_row=True,
          class_axis=1, reduction="batch_mean", smooth=0.25)


def dice(c):
    d, name = c.draw, MONAI + "losses.DiceLoss"

    def points(*shape):
        return d.uniform(0, 1, *shape)

    common_cases(c, name, monai_dice(), plain(0.5, 0.5, 2.0), points)
    c.add(KERAS + "losses.dice", keras_dice, points(4, 5), d.bits(4, 5), smooth=0.0)
    # Beyond [0, 1].
    c.add(name, monai_dice(), d.normal(4, 5, scale=3.0), d.bits(4, 5), smooth=1.0)


def dice_with_logits(c):
    d, name = c.draw, MONAI + "losses.DiceLoss(sigmoid=True)"

    def points(*shape):
        return d.normal(*shape, scale=2.0)

    common_cases(c, name, monai_dice(sigmoid=True), plain(0.5, 0.5, 2.0, torch.sigmoid), points)
    c.add(name, monai_dice(sigmoid=True), put(points(3, 4), 30, -30, 0, 12, -12), d.bits(3, 4))


def jaccard(c):
    d, name = c.draw, MONAI + "losses.DiceLoss(jaccard=True)"

    def points(*shape):
        return d.uniform(0, 1, *shape)

    common_cases(c, name, monai_dice(jaccard=True), plain(1.0, 1.0), points)
    c.add(name, monai_dice(jaccard=True), points(4, 5), d.bits(4, 5), smooth=0.0)


def tversky(c):
    d, name = c.draw, MONAI + "losses.TverskyLoss"

    def points(*shape):
        return d.uniform(0, 1, *shape)

    def halves(*parts):
        return plain("alpha", "beta")(*parts)

    common_cases(c, name, monai_tversky, halves, points)
    c.add(name, monai_tversky, points(4, 5), d.bits(4, 5), alpha=0.3, beta=0.7)
    c.add(name, monai_tversky, points(4, 5), d.bits(4, 5), alpha=2.0, beta=0.0, per_row=True)
    c.add(name, monai_tversky, points(4, 5), d.bits(4, 5), alpha=0.0, beta=1.5)
    c.add(KERAS + "losses.tversky(alpha=beta, beta=alpha)", keras_tversky, points(4, 5), d.bits(4, 5),
          alpha=0.2, beta=0.9, smooth=0.0)
    c.add(CLOSED, halves, points(4, 5), d.bits(4, 5), weight=d.weights(4, 5), alpha=0.3, beta=0.7)


def focal_tversky(c):
    d, name = c.draw, MONAI + "losses.TverskyLoss, raised to gamma"

    def points(*shape):
        return d.uniform(0, 1, *shape)

    def raised(call):
        return lambda x, t, w, options: call(x, t, w, options) ** options.get("gamma", 0.75)

    call, closed = raised(monai_tversky), raised(plain("alpha", "beta"))
    common_cases(c, name, call, closed, points)
    for gamma in (0.0, 0.5, 1.0, 2.0, 3.5):
        c.add(name, call, points(3, 4), d.bits(3, 4), gamma=gamma, alpha=0.3, beta=0.7)
    c.add(CLOSED, closed, points(3, 4), d.bits(3, 4), gamma=1.5, alpha=0.7, beta=0.3, per_row=True,
          weight=d.weights(3, 4), reduction="sum")


LOSSES = {
    "dice": (Sets, dice),
    "dice_with_logits": (Sets, dice_with_logits),
    "jaccard": (Sets, jaccard),
    "tversky": (Sets, tversky),
    "focal_tversky": (Sets, focal_tversky),
}
