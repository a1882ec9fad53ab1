"""Golden values for the losses: what the well-known libraries themselves compute. Those of the metrics, which this
script writes too, have a format of their own, that stands in `metrics.py`.

    python3 -m venv .venv && . .venv/bin/activate
    pip install -r tests/golden/requirements.txt
    python tests/golden/generate.py            # every loss, and the metrics
    python tests/golden/generate.py huber bce  # only these

Writes `<loss>.json` beside this script, one file per loss, one case per line. Every
tensor, weight and option is rounded to f32 first, as wgloss does with its options, and
then handed to the library in f64; the gradient is torch's autograd through the library's
own function. The random numbers are seeded per loss, so a second run with the pinned
versions on the same kind of CPU writes the same bytes, and a new case changes nothing
in the other files.

A case
------
source       library, version and function; "closed form" where no library has the loss
options      only the ones that were set; the others are at wgloss's defaults
reduction, class_axis, grad_scale
inputs       one {"shape", "data"} per differentiable input, data flat and row-major
target       null or {"dtype": "f32" | "i64", "shape", "data"}
weight       null or {"shape", "data"}: the input's shape is one weight per element, the
             leading axes alone (without the class axis) one per row
class_weight null or a list
expect.loss  a number; with reduction "none" a flat list
expect.grads one flat list per input, times grad_scale; with reduction "none" the gradient
             of the sum of the unreduced losses
Numbers that are not finite are the strings "inf", "-inf" and "NaN".

Where wgloss and the libraries part, on purpose
-----------------------------------------------
None of these points is in a case, except where it says so here or in the case's source.

Kinks. wgloss takes the subgradient 0. Some libraries do not, exactly on the kink:
  hinge                  t*x = 1: Keras gives -t/2 (torch.maximum shares a tie between its
                         arguments). squared_hinge is smooth there and does agree.
  kl_div_probs           x = eps, x = 1: Keras passes half of the gradient on (torch.clip shares
                         ties with bounds that are tensors; not with numbers, as in bce).
  categorical_hinge      a margin of exactly 0: Keras passes half of the gradient on (torch.maximum). Equal
                         scores: Keras shares the gradient among them, wgloss gives it to the first.
  msle                   x = eps: Keras passes half of the gradient on (torch.maximum).
The kinks of mae, mape, quantile, hinge_embedding, margin_ranking, multi_margin, and of the clip of
bce, binary_focal and categorical_cross_entropy agree, and are in the cases.

Other points.
  log_cosh               -17 < x-t < -10: Keras's softplus is linear beyond 20, which leaves
                         an error of up to 2e-9.
  binary_focal           outside [clip, 1-clip] Keras clips x for the logarithm but not for
                         the modulating factor, so a gradient remains. wgloss clips x first,
                         everywhere; so do the cases, before they call Keras.
  binary_focal_with_logits  torchvision forms 1-p_t by subtraction: from logits of about
                         37 on it is exactly 0, and for 0 < gamma < 1 its gradient is NaN. Those
                         gammas stay within +-12 here.
  bce                    clip = 0: PyTorch holds the 1e-12 of the gradient's denominator as an
                         f32, 9.99999996e-13. It is in the cases: at x of 0 or 1 they carry
                         PyTorch's gradient, 4e-9 (relative) from what 1e-12 itself gives.
  bce_with_logits        beyond logits of about 30 PyTorch's gradient on the side that is
                         right loses its relative accuracy (at 40 it is 0, not 4e-18). It is
                         in the cases, and absolutely as good as any.
  soft_margin            -t*x > 709: PyTorch overflows to inf, gradient NaN.
  hinge, squared_hinge   Keras reads 0 as -1 only if all labels of the batch are 0 or 1;
                         wgloss reads every 0 as -1. No case mixes 0 with -1.
  hinge_embedding        a target that is neither 1 nor -1: PyTorch adds both branches.
  kl_div                 PyTorch's "batchmean" divides by the first axis, wgloss's batch_mean
                         by the rows. The same up to two axes.
  kl_div                 t = 0 with x = -inf: PyTorch NaN, wgloss 0.
  mae                    a NaN input: PyTorch's loss is NaN, but the gradient is 0.
  categorical_cross_entropy  a row that sums to 0: Keras NaN; wgloss leaves it undivided.
  categorical_focal      Keras divides every row by its sum first, and has no penalties: closed form.
  categorical_hinge      an infinite score of a class whose factor is 0: Keras NaN (0 times infinity), wgloss 0.
  focal_cross_entropy    1 - p_y is a difference in kornia: from logits of about 37 on it is 0. An infinite loss
                         (a logit of -inf at the label) has the gradient NaN in kornia, that of
                         cross_entropy in wgloss.
  cross_entropy          all rows ignored: PyTorch NaN, wgloss 0. A soft target of 0 on a
                         logit of -inf: PyTorch NaN, wgloss 0.
  cosine_similarity      a norm below eps: PyTorch's derivative is as if it were not a constant. At a
                         zero vector Keras's is NaN.
  cosine_embedding       cos = margin: PyTorch lets the gradient pass. It holds 1e-12 as an f32, as in bce;
                         the cases carry that.
  triplet                a loss of exactly 0: PyTorch lets the gradient pass. With swap and two equal
                         distances it halves the gradient between them; wgloss takes the first.
  dice, tversky          Keras adds its epsilon below the line only, and its tversky calls beta
                         what multiplies false positives. The cases set epsilon to 0 and swap
                         the two. MONAI's smooth_nr and smooth_dr are both `smooth`.
  focal_tversky          exactly right sets: PyTorch's gradient of 0^gamma is inf or NaN for
                         gamma below 1, wgloss's is 0.
  sets, empty            smooth = 0 and nothing there: the libraries NaN, wgloss 0.
  weighted_mean          no library has it; the divisor counts the rows not ignored.
"""

import json
import sys

import classification
import divergences
import embeddings
import metrics
import sets
from common import *  # what every collector needs, numpy and torch among it


# --- the elementwise losses --------------------------------------------------------------


def mse(c):
    d = c.draw
    pt, ke = torch_loss(F.mse_loss), keras_loss(keras.losses.mean_squared_error)
    tn, kn = TORCH + "nn.functional.mse_loss", KERAS + "losses.mean_squared_error"
    x = d.normal(4, 5)
    c.add(tn, pt, x, put(d.normal(4, 5), x[0, 0]))  # x = t
    c.add(tn, pt, d.normal(2, 3, 4), d.normal(2, 3, 4), reduction="none", grad_scale=0.5)
    c.add(tn, pt, d.normal(7), d.normal(7), reduction="sum")
    c.add(tn, pt, d.normal(4, 5), d.normal(4, 5), reduction="sum", weight=d.weights(4, 5))
    c.add(tn, pt, d.normal(2, 3, 4), d.normal(2, 3, 4), reduction="batch_mean")
    c.add(tn, pt, d.normal(7), d.normal(7), reduction="batch_mean", weight=d.weights(7))
    c.add(tn, pt, d.normal(4, 5), d.normal(4, 5), reduction="weighted_mean", weight=d.weights(4))
    c.add(tn, pt, d.normal(2, 3, 4), d.normal(2, 3, 4), reduction="weighted_mean",
          weight=d.weights(2, 3, 4), grad_scale=-3.0)
    c.add(tn, pt, d.normal(3, 4), d.normal(3, 4), reduction="weighted_mean")  # no weight: the mean
    c.add(kn, ke, put(d.normal(3, 4), 1e4, -1e-4), d.normal(3, 4), weight=d.weights(3))


def mae(c):
    d = c.draw
    pt, ke = torch_loss(F.l1_loss), keras_loss(keras.losses.mean_absolute_error)
    tn, kn = TORCH + "nn.functional.l1_loss", KERAS + "losses.mean_absolute_error"
    x = d.normal(4, 5)
    c.add(tn, pt, x, put(d.normal(4, 5), x[0, 0], x[0, 1]))  # x = t
    c.add(tn, pt, x, put(d.normal(4, 5), x[0, 0]), reduction="none", weight=d.weights(4),
          grad_scale=2.0)
    c.add(tn, pt, d.normal(7), d.normal(7), reduction="sum")
    c.add(tn, pt, d.normal(2, 3, 4), d.normal(2, 3, 4), reduction="batch_mean",
          weight=d.weights(2, 3))
    c.add(tn, pt, d.normal(4, 5), d.normal(4, 5), reduction="weighted_mean", weight=d.weights(4, 5))
    c.add(kn, ke, put(d.normal(3, 4), 1e4), d.normal(3, 4), weight=d.weights(3, 4), grad_scale=-1.0)
    # An infinite input: loss inf, gradient +-1.
    c.add(tn, pt, put(d.normal(5), INF, -INF), d.normal(5), reduction="none")


def huber(c):
    d = c.draw
    pt, ke = torch_loss(F.huber_loss, "delta"), keras_loss(keras.losses.huber, "delta")
    tn, kn = TORCH + "nn.functional.huber_loss", KERAS + "losses.huber"

    def pair(*shape, delta=1.0):
        """x = t, |x-t| = delta on both sides, far away; the rest random."""
        t = d.normal(*shape)
        t.ravel()[:5] = [0.75, 0.0, 0.0, 1.0, -1.0]
        return put(d.normal(*shape, scale=2.0), 0.75, delta, -delta, 300.0, -300.0), t

    c.add(tn, pt, *pair(4, 5))
    c.add(tn, pt, *pair(3, 4, delta=0.5), reduction="none", delta=0.5)
    c.add(tn, pt, *pair(7, delta=2.5), reduction="sum", delta=2.5, grad_scale=0.25)
    c.add(tn, pt, *pair(2, 3, 4), reduction="batch_mean", weight=d.weights(2, 3), delta=0.3)
    c.add(tn, pt, *pair(4, 5), reduction="weighted_mean", weight=d.weights(4, 5), delta=1e-3)
    c.add(kn, ke, *pair(3, 4), weight=d.weights(3, 4), delta=1.7)
    c.add(kn, ke, *pair(7), reduction="none", weight=d.weights(7), delta=0.1, grad_scale=-2.0)


def smooth_l1(c):
    d = c.draw
    pt, tn = torch_loss(F.smooth_l1_loss, "beta"), TORCH + "nn.functional.smooth_l1_loss"

    def pair(*shape, beta=1.0):
        t = d.normal(*shape)
        t.ravel()[:5] = [0.75, 0.0, 0.0, 1.0, -1.0]
        return put(d.normal(*shape, scale=2.0), 0.75, beta, -beta, 300.0, -300.0), t

    c.add(tn, pt, *pair(4, 5))
    c.add(tn, pt, *pair(3, 4, beta=0.5), reduction="none", beta=0.5, weight=d.weights(3, 4))
    c.add(tn, pt, *pair(7, beta=2.5), reduction="sum", beta=2.5)
    c.add(tn, pt, *pair(4, 5, beta=0.0), reduction="none", beta=0.0)  # is mae
    c.add(tn, pt, *pair(2, 3, 4), reduction="mean", beta=0.0, weight=d.weights(2, 3),
          grad_scale=3.0)
    c.add(tn, pt, *pair(2, 3, 4), reduction="batch_mean", beta=0.3, weight=d.weights(2, 3))
    c.add(tn, pt, *pair(4, 5), reduction="weighted_mean", beta=0.01, weight=d.weights(4),
          grad_scale=-1.5)


def log_cosh(c):
    d = c.draw
    ke, kn = keras_loss(keras.losses.log_cosh), KERAS + "losses.log_cosh"
    x = d.normal(4, 5)
    c.add(kn, ke, x, put(d.normal(4, 5), x[0, 0]))  # x = t
    c.add(kn, ke, put(d.normal(3, 4), 40.0, -40.0, 1e-3, -1e-3, 0.0, 12.0, -9.0), np.zeros((3, 4)),
          reduction="none", grad_scale=2.0)
    c.add(kn, ke, d.normal(7, scale=3.0), d.normal(7), reduction="sum")
    c.add(kn, ke, d.normal(2, 3, 4), d.normal(2, 3, 4), reduction="batch_mean",
          weight=d.weights(2, 3))
    c.add(kn, ke, put(d.normal(4, 5), 1e4, -1e4), d.normal(4, 5), reduction="weighted_mean",
          weight=d.weights(4, 5))
    c.add(kn, ke, d.normal(3, 4), d.normal(3, 4), weight=d.weights(3), grad_scale=-0.5)


def mape(c):
    d = c.draw
    ke = keras_loss(keras.losses.mean_absolute_percentage_error, epsilon="eps")
    kn = KERAS + "losses.mean_absolute_percentage_error"
    x = d.normal(4, 5)
    c.add(kn, ke, x, put(d.normal(4, 5), x[0, 0], -2.0, 1e-3))  # x = t
    # Targets at and below eps: 0, a negative one, and eps itself.
    c.add(kn, ke, put(d.normal(3, 4), 0.0, 1e-8, -1e-7), put(d.normal(3, 4), 0.0, 0.0, 3e-8, 1e-7),
          reduction="none", grad_scale=0.01)
    c.add(kn, ke, d.normal(7), put(d.normal(7), 0.0, 0.1, -0.1, 0.25), reduction="sum", eps=0.25)
    c.add(kn, ke, d.normal(2, 3, 4), d.normal(2, 3, 4), reduction="batch_mean",
          weight=d.weights(2, 3), eps=0.5)
    c.add(kn, ke, d.normal(4, 5), d.normal(4, 5), reduction="weighted_mean", weight=d.weights(4, 5),
          eps=1e-3)
    c.add(kn, ke, d.normal(3, 4), d.uniform(0.5, 2.0, 3, 4), eps=0.0, weight=d.weights(3))


def msle(c):
    d = c.draw
    ke = keras_loss(keras.losses.mean_squared_logarithmic_error, epsilon="eps")
    kn = KERAS + "losses.mean_squared_logarithmic_error"

    def near(*shape):
        return d.uniform(0.0, 4.0, *shape)

    x = near(4, 5)
    c.add(kn, ke, x, put(near(4, 5), x[0, 0]))  # x = t
    # Below eps, where the gradient is 0: 0, negatives, values under -1; a target of 0.
    c.add(kn, ke, put(near(3, 4), 0.0, -0.5, -1.0, -3.0, 2.0),
          put(near(3, 4), 1.0, 1.0, 1.0, -2.0, 0.0), reduction="none", grad_scale=2.0)
    c.add(kn, ke, near(7), near(7), reduction="sum")
    c.add(kn, ke, put(near(4, 5), 0.1, 0.4, 0.6), near(4, 5), eps=0.5, weight=d.weights(4, 5))
    c.add(kn, ke, put(near(2, 3, 4), 1e5), near(2, 3, 4), reduction="batch_mean",
          weight=d.weights(2, 3), eps=1e-3)
    c.add(kn, ke, put(near(4, 5), 0.0, -1.5), near(4, 5), reduction="weighted_mean",
          weight=d.weights(4), eps=0.125, grad_scale=-1.0)


def quantile(c):
    d = c.draw
    name = SKLEARN + "metrics.mean_pinball_loss; gradient: closed form"

    def call(inputs, target, options):
        """scikit-learn has the value only. The slope is q-1 above and q below; 0 at x = t."""
        (x,) = inputs
        q = options.get("q", 0.5)
        value = sklearn.metrics.mean_pinball_loss(
            target.reshape(1, -1).numpy(), x.detach().reshape(1, -1).numpy(), alpha=q,
            multioutput="raw_values")
        error = target - x
        loss = torch.where(error > 0, q * error, torch.where(error < 0, (q - 1) * error, 0 * error))
        assert same(loss.detach(), torch.tensor(value).reshape(x.shape))
        return loss

    x = d.normal(4, 5)
    c.add(name, call, x, put(d.normal(4, 5), x[0, 0]))  # x = t
    c.add(name, call, x, put(d.normal(4, 5), x[0, 0]), reduction="none", q=0.9, grad_scale=2.0)
    c.add(name, call, d.normal(7), d.normal(7), reduction="sum", q=0.1)
    c.add(name, call, d.normal(2, 3, 4), d.normal(2, 3, 4), reduction="batch_mean", q=0.75,
          weight=d.weights(2, 3))
    c.add(name, call, d.normal(4, 5), d.normal(4, 5), reduction="weighted_mean", q=0.3,
          weight=d.weights(4, 5))
    c.add(name, call, d.normal(3, 4), d.normal(3, 4), q=0.0, weight=d.weights(3))
    c.add(name, call, d.normal(3, 4), d.normal(3, 4), q=1.0, reduction="none",
          weight=d.weights(3, 4), grad_scale=-1.0)


def poisson_nll(c):
    d = c.draw
    pt = torch_loss(F.poisson_nll_loss, "log_input", "full", "eps", eps=1e-8)
    tn = TORCH + "nn.functional.poisson_nll_loss"

    def counts(*shape):
        return put(d.labels(9, *shape).astype(float), 0.0, 1.0, 2.0)

    c.add(tn, pt, d.normal(4, 5), counts(4, 5))
    c.add(tn, pt, put(d.normal(3, 4), 12.0, -40.0), counts(3, 4), reduction="none", grad_scale=0.5)
    # The Stirling term counts for t > 1 only.
    c.add(tn, pt, d.normal(3, 4), put(counts(3, 4), 0.0, 1.0, 1.5, 40.0), reduction="none",
          full=True)
    c.add(tn, pt, d.normal(7), counts(7), reduction="sum", full=True, weight=d.weights(7))
    c.add(tn, pt, d.uniform(0.1, 5.0, 4, 5), counts(4, 5), log_input=False)
    # A rate of 0 is held up by eps alone.
    c.add(tn, pt, put(d.uniform(0.1, 5.0, 7), 0.0, 0.0, 1e-6), put(counts(7), 0.0, 2.0, 1.0),
          reduction="none", log_input=False)
    c.add(tn, pt, put(d.uniform(0.1, 5.0, 3, 4), 0.0, 0.0), put(counts(3, 4), 3.0, 0.0),
          reduction="sum", log_input=False, eps=1e-2)
    c.add(tn, pt, d.uniform(0.1, 5.0, 4, 5), counts(4, 5), reduction="weighted_mean",
          log_input=False, full=True, eps=0.5, weight=d.weights(4), grad_scale=-2.0)
    c.add(tn, pt, d.normal(2, 3, 4), counts(2, 3, 4), reduction="batch_mean",
          weight=d.weights(2, 3, 4))


def gaussian_nll(c):
    d = c.draw
    tn = TORCH + "nn.functional.gaussian_nll_loss"

    def pt(inputs, target, options, reduction="none"):
        mean, var = inputs
        return F.gaussian_nll_loss(mean, target, var, full=options.get("full", False),
                                   eps=options.get("eps", f32(1e-6)), reduction=reduction)

    def near(*shape):
        x = d.normal(*shape)
        return x, d.uniform(0.1, 3.0, *shape), put(d.normal(*shape), x.ravel()[0])  # x = t

    c.add(tn, pt, *near(4, 5))
    c.add(tn, pt, *near(3, 4), reduction="none", full=True, grad_scale=2.0)
    # A variance at and below eps: clamped, and its gradient passes through the clamp.
    x, var, t = near(3, 4)
    c.add(tn, pt, x, put(var, 0.0, 0.01, 0.1, 0.5), t, reduction="none", eps=0.1)
    x, var, t = near(7)
    c.add(tn, pt, put(x, 1.25, 1.0), put(var, 0.0, 1e-7), put(t, 1.25, 1.001), reduction="sum")
    c.add(tn, pt, *near(2, 3, 4), reduction="batch_mean", weight=d.weights(2, 3), full=True)
    c.add(tn, pt, *near(4, 5), reduction="weighted_mean", weight=d.weights(4, 5), eps=0.5,
          grad_scale=-1.0)
    c.add(tn, pt, *near(3, 4), weight=d.weights(3), full=True, eps=1e-3)


def positive_weighted_mse(c):
    d = c.draw

    def call(inputs, target, options):
        (x,) = inputs
        factor = torch.where(target > 0, options.get("positive_weight", 2.0), 1.0)
        return factor * (x - target) ** 2

    x = d.normal(4, 5)
    c.add(CLOSED, call, x, put(d.normal(4, 5), x[0, 0], 0.0, 1e-3, -1e-3))  # x = t; t around 0
    c.add(CLOSED, call, d.normal(3, 4), put(d.normal(3, 4), 0.0, 1.0), reduction="none",
          positive_weight=5.0)
    c.add(CLOSED, call, d.normal(7), d.normal(7), reduction="sum", positive_weight=0.3,
          weight=d.weights(7))
    c.add(CLOSED, call, d.normal(2, 3, 4), d.bits(2, 3, 4), reduction="batch_mean",
          positive_weight=10.0, weight=d.weights(2, 3), grad_scale=0.5)
    c.add(CLOSED, call, d.normal(4, 5), d.normal(4, 5), reduction="weighted_mean",
          positive_weight=1.7, weight=d.weights(4, 5))
    c.add(CLOSED, call, d.normal(3, 4), d.normal(3, 4), positive_weight=0.0, weight=d.weights(3),
          grad_scale=-2.0)


def confidence_penalized_mse(c):
    d = c.draw

    def call(inputs, target, options):
        (x,) = inputs
        return (x - target) ** 2 + options.get("factor", f32(0.1)) * (0.5 - x) ** 2

    c.add(CLOSED, call, put(d.uniform(0.0, 1.0, 4, 5), 0.5, 0.0, 1.0),
          put(d.bits(4, 5), 0.5, 0.0, 0.0))
    c.add(CLOSED, call, d.uniform(0.0, 1.0, 3, 4), d.bits(3, 4), reduction="none", factor=0.75)
    c.add(CLOSED, call, d.normal(7), d.normal(7), reduction="sum", factor=2.0, weight=d.weights(7))
    c.add(CLOSED, call, d.normal(2, 3, 4), d.normal(2, 3, 4), reduction="batch_mean", factor=0.3,
          weight=d.weights(2, 3), grad_scale=0.5)
    c.add(CLOSED, call, d.normal(4, 5), d.normal(4, 5), reduction="weighted_mean", factor=1.3,
          weight=d.weights(4, 5))
    c.add(CLOSED, call, d.normal(3, 4), d.normal(3, 4), factor=0.0, weight=d.weights(3),
          grad_scale=-2.0)


def bce(c):
    d = c.draw
    pt = torch_loss(F.binary_cross_entropy)
    ke = keras_loss(keras.losses.binary_crossentropy, epsilon="clip")
    tn, kn = TORCH + "nn.functional.binary_cross_entropy", KERAS + "losses.binary_crossentropy"

    def probs(*shape):
        return d.uniform(0.02, 0.98, *shape)

    def soft(*shape):
        return d.uniform(0.0, 1.0, *shape)

    c.add(tn, pt, probs(4, 5), d.bits(4, 5))
    # Probabilities of 0 and 1, right, wrong and soft: the logarithm stops at -100 and the
    # gradient's denominator at 1e-12.
    c.add(tn, pt, put(probs(3, 4), 0, 0, 0, 1, 1, 1, 1e-13, 1e-30),
          put(soft(3, 4), 0, 1, 0.25, 0, 1, 0.75, 1, 0.5), reduction="none", clip=0.0)
    c.add(tn, pt, probs(7), soft(7), reduction="sum", grad_scale=0.5)
    c.add(tn, pt, probs(4, 5), soft(4, 5), reduction="weighted_mean", weight=d.weights(4))
    c.add(tn, pt, probs(2, 3, 4), d.bits(2, 3, 4), reduction="batch_mean",
          weight=d.weights(2, 3, 4), grad_scale=-1.0)
    # Keras: x clipped, gradient 0 outside (beyond [0, 1], too).
    c.add(kn, ke, put(probs(4, 5), 0, 1, 1e-8, -0.5, 1.5, 0, 1),
          put(d.bits(4, 5), 1, 0, 0.5, 1, 0, 0, 1), reduction="none", clip=1e-7)
    c.add(kn, ke, put(probs(4, 5), 0, 1), put(soft(4, 5), 0, 0.3), clip=1e-7)
    c.add(kn, ke, put(probs(3, 4), 0.05, 0.95, 0.11, 0.89), soft(3, 4), reduction="sum", clip=0.1,
          weight=d.weights(3, 4))
    c.add(kn, ke, put(probs(2, 3, 4), 0.0), d.bits(2, 3, 4), clip=0.01, weight=d.weights(2, 3),
          grad_scale=4.0)
    c.add(kn, ke, put(probs(5), 0.25, 0.75, 0.25, 0.75), put(soft(5), 1, 1, 0, 0.5),
          reduction="none", clip=0.25)  # exactly on the clip


def bce_with_logits(c):
    d = c.draw
    tn = TORCH + "nn.functional.binary_cross_entropy_with_logits"
    smoothed = tn + " (target smoothed before the call)"
    ke = keras_loss(keras.losses.binary_crossentropy, "label_smoothing", from_logits=True)
    kn = KERAS + "losses.binary_crossentropy(from_logits=True)"

    def pt(inputs, target, options, reduction="none"):
        (x,) = inputs
        eps = options.get("label_smoothing", 0.0)
        if eps:
            target = target * (1 - eps) + 0.5 * eps
        pos_weight = options.get("pos_weight")
        if pos_weight is not None:
            pos_weight = torch.tensor(pos_weight)
        return F.binary_cross_entropy_with_logits(x, target, pos_weight=pos_weight,
                                                  reduction=reduction)

    def logits(*shape):
        return d.normal(*shape, scale=3.0)

    def soft(*shape):
        return d.uniform(0.0, 1.0, *shape)

    c.add(tn, pt, logits(4, 5), d.bits(4, 5))
    c.add(tn, pt, put(logits(3, 4), 40, -40, 40, -40, 0), put(soft(3, 4), 0, 1, 1, 0, 0.5),
          reduction="none", grad_scale=2.0)
    c.add(tn, pt, logits(7), soft(7), reduction="sum", weight=d.weights(7))
    c.add(tn, pt, put(logits(3, 4), 40, -40), put(d.bits(3, 4), 0, 1), reduction="none",
          pos_weight=3.5)
    c.add(tn, pt, logits(4, 5), soft(4, 5), pos_weight=[0.5, 1.0, 2.0, 0.1, 7.0])
    c.add(tn, pt, logits(2, 3, 4), d.bits(2, 3, 4), reduction="batch_mean",
          pos_weight=[3.0, 0.0, 1.5, 0.7], weight=d.weights(2, 3))
    c.add(kn, ke, put(logits(4, 5), 25, -25), put(d.bits(4, 5), 0, 0), reduction="none",
          label_smoothing=0.1)
    c.add(kn, ke, logits(3, 4), soft(3, 4), label_smoothing=0.35, weight=d.weights(3, 4),
          grad_scale=-1.0)
    c.add(smoothed, pt, logits(4, 5), d.bits(4, 5), reduction="weighted_mean", label_smoothing=0.2,
          pos_weight=[1.0, 2.0, 3.0, 4.0, 0.25], weight=d.weights(4))
    c.add(smoothed, pt, logits(3, 4), d.bits(3, 4), reduction="sum", label_smoothing=1.0,
          pos_weight=0.4)


def binary_focal(c):
    d = c.draw
    kn = KERAS + "losses.binary_focal_crossentropy"
    clipped = kn + " (input clipped before the call)"
    balanced = keras_loss(keras.losses.binary_focal_crossentropy, "alpha", "gamma", epsilon="clip",
                          apply_class_balancing=True)
    unbalanced = keras_loss(keras.losses.binary_focal_crossentropy, "gamma", epsilon="clip")

    def ke(inputs, target, options):
        return (unbalanced if options.get("alpha", 0.25) < 0 else balanced)(inputs, target, options)

    def ke_clipped(inputs, target, options):
        (x,) = inputs
        clip = options.get("clip", f32(1e-7))
        return ke([x.clip(clip, 1 - clip)], target, options)

    def probs(*shape):
        return d.uniform(0.02, 0.98, *shape)

    def soft(*shape):
        return d.uniform(0.0, 1.0, *shape)

    c.add(kn, ke, probs(4, 5), d.bits(4, 5))
    c.add(kn, ke, probs(3, 4), soft(3, 4), reduction="none", alpha=0.6, gamma=1.5, grad_scale=2.0)
    c.add(clipped, ke_clipped, put(probs(4, 5), 0, 1, 0, 1, -0.5, 1.5, 1e-8),
          put(d.bits(4, 5), 0, 0, 1, 1, 1, 0, 0.5), reduction="none")
    c.add(clipped, ke_clipped, put(probs(3, 4), 0.05, 0.95, 0.11, 0.89), soft(3, 4),
          reduction="sum", clip=0.1, weight=d.weights(3, 4))
    c.add(kn, ke, probs(7), d.bits(7), reduction="sum", alpha=-1.0, gamma=0.5)
    c.add(kn, ke, probs(4, 5), soft(4, 5), reduction="weighted_mean", gamma=0.0,
          weight=d.weights(4))
    c.add(kn, ke, probs(2, 3, 4), d.bits(2, 3, 4), reduction="batch_mean", alpha=0.9, gamma=3.0,
          weight=d.weights(2, 3))
    c.add(kn, ke, probs(3, 4), soft(3, 4), alpha=0.0, gamma=1.0, clip=1e-3, weight=d.weights(3),
          grad_scale=-1.0)
    c.add(kn, ke, probs(3, 4), soft(3, 4), clip=0.0, alpha=1.0)
    c.add(clipped, ke_clipped, put(probs(5), 0.25, 0.75, 0.25, 0.75), put(soft(5), 1, 1, 0, 0.5),
          reduction="none", clip=0.25)  # exactly on the clip


def binary_focal_with_logits(c):
    d = c.draw
    pt = torch_loss(torchvision.ops.sigmoid_focal_loss, "alpha", "gamma")
    tn = VISION + "ops.sigmoid_focal_loss"

    def logits(*shape):
        return d.normal(*shape, scale=2.0)

    def soft(*shape):
        return d.uniform(0.0, 1.0, *shape)

    c.add(tn, pt, logits(4, 5), d.bits(4, 5))
    c.add(tn, pt, put(logits(3, 4), 40, -40, 40, -40, 0, 0), put(soft(3, 4), 0, 1, 1, 0, 0.5, 1),
          reduction="none", grad_scale=2.0)
    c.add(tn, pt, logits(7), soft(7), reduction="sum", alpha=0.6, gamma=1.5)
    c.add(tn, pt, put(logits(4, 5), 12, -12, 12, -12), put(d.bits(4, 5), 0, 0, 1, 1),
          reduction="none", alpha=-1.0, gamma=0.5, weight=d.weights(4, 5))
    c.add(tn, pt, put(logits(4, 5), 40, -40), put(soft(4, 5), 1, 1), reduction="weighted_mean",
          gamma=0.0, weight=d.weights(4))
    c.add(tn, pt, logits(2, 3, 4), d.bits(2, 3, 4), reduction="batch_mean", alpha=0.9, gamma=3.0,
          weight=d.weights(2, 3))
    c.add(tn, pt, logits(3, 4), soft(3, 4), alpha=1.0, gamma=1.0, weight=d.weights(3),
          grad_scale=-1.0)


def signed_margin(name, function):
    """hinge and squared_hinge: the same points."""

    def build(c):
        d = c.draw
        ke, kn = keras_loss(function), KERAS + "losses." + name
        c.add(kn, ke, d.normal(4, 5), d.signs(4, 5))
        c.add(kn, ke, put(d.normal(3, 4), 40, -40, 0, 2, 1), put(d.signs(3, 4), 1, 1, -1, 1, -1),
              reduction="none")
        c.add(kn, ke, d.normal(7), d.bits(7), reduction="sum")  # labels 0 and 1: 0 counts as -1
        c.add(kn, ke, d.normal(3, 4), put(d.bits(3, 4), 0, 1), reduction="none",
              weight=d.weights(3), grad_scale=3.0)
        c.add(kn, ke, d.normal(2, 3, 4), d.signs(2, 3, 4), reduction="batch_mean",
              weight=d.weights(2, 3))
        c.add(kn, ke, d.normal(4, 5), d.signs(4, 5), reduction="weighted_mean",
              weight=d.weights(4, 5), grad_scale=-1.0)
        if name == "squared_hinge":  # smooth where t*x = 1
            c.add(kn, ke, put(d.normal(7), 1.0, -1.0), put(d.signs(7), 1, -1), weight=d.weights(7))

    return build


def soft_margin(c):
    d = c.draw
    pt, tn = torch_loss(F.soft_margin_loss), TORCH + "nn.functional.soft_margin_loss"
    c.add(tn, pt, d.normal(4, 5), d.signs(4, 5))
    c.add(tn, pt, put(d.normal(3, 4), 40, -40, 40, -40, 0, 300, 300),
          put(d.signs(3, 4), 1, 1, -1, -1, 1, 1, -1), reduction="none")
    c.add(tn, pt, d.normal(7), d.signs(7), reduction="sum", grad_scale=0.5)
    c.add(tn, pt, d.normal(2, 3, 4), d.signs(2, 3, 4), reduction="batch_mean",
          weight=d.weights(2, 3))
    c.add(tn, pt, d.normal(4, 5), d.signs(4, 5), reduction="weighted_mean", weight=d.weights(4, 5))
    c.add(tn, pt, d.normal(3, 4), d.signs(3, 4), weight=d.weights(3), grad_scale=-2.0)


def hinge_embedding(c):
    d = c.draw
    pt = torch_loss(F.hinge_embedding_loss, "margin")
    tn = TORCH + "nn.functional.hinge_embedding_loss"
    c.add(tn, pt, d.normal(4, 5), d.signs(4, 5))
    c.add(tn, pt, put(d.normal(3, 4), 1.0, 2.0, 2.0, -3.0, -3.0, 0.0),
          put(d.signs(3, 4), 1, 1, -1, 1, -1, -1), reduction="none")
    c.add(tn, pt, d.normal(7), d.signs(7), reduction="sum", margin=0.3, grad_scale=0.5)
    c.add(tn, pt, d.normal(2, 3, 4), d.signs(2, 3, 4), reduction="batch_mean", margin=2.5,
          weight=d.weights(2, 3))
    c.add(tn, pt, d.normal(4, 5), d.signs(4, 5), reduction="weighted_mean", margin=-0.5,
          weight=d.weights(4, 5))
    c.add(tn, pt, d.normal(3, 4), d.signs(3, 4), margin=0.0, weight=d.weights(3), grad_scale=-2.0)
    # x = margin, the kink
    c.add(tn, pt, put(d.normal(5), 1.0, 1.0), put(d.signs(5), -1, 1), reduction="none")


def margin_ranking(c):
    d = c.draw
    pt = torch_loss(F.margin_ranking_loss, "margin")
    tn = TORCH + "nn.functional.margin_ranking_loss"
    c.add(tn, pt, d.normal(4, 5), d.normal(4, 5), d.signs(4, 5))
    x = d.normal(3, 4)
    c.add(tn, pt, x, put(d.normal(3, 4), x[0, 0], x[0, 1]), put(d.signs(3, 4), 1, -1),
          reduction="none", margin=0.5)
    c.add(tn, pt, d.normal(7), d.normal(7), d.signs(7), reduction="sum", margin=0.3, grad_scale=0.5)
    c.add(tn, pt, d.normal(2, 3, 4), d.normal(2, 3, 4), d.signs(2, 3, 4), reduction="batch_mean",
          margin=1.7, weight=d.weights(2, 3))
    c.add(tn, pt, d.normal(4, 5), d.normal(4, 5), d.signs(4, 5), reduction="weighted_mean",
          margin=-0.5, weight=d.weights(4, 5))
    c.add(tn, pt, d.normal(3, 4), d.normal(3, 4), d.signs(3, 4), weight=d.weights(3),
          grad_scale=-2.0)
    # On the kink: equal inputs; inputs that differ by the margin.
    c.add(tn, pt, put(d.normal(5), 0.5, 0.5), put(d.normal(5), 0.5, 0.5), put(d.signs(5), 1, -1),
          reduction="none")
    c.add(tn, pt, put(d.normal(5), 1.0, 0.5), put(d.normal(5), 0.5, 1.0), put(d.signs(5), 1, -1),
          reduction="none", margin=0.5)


def penalty(name, regularizer):
    def build(c):
        d = c.draw
        ke, kn = keras_regularizer(regularizer), KERAS + "regularizers." + name

        def add(x, **rest):
            c.add(kn, ke, x, has_target=False, **rest)

        add(put(d.normal(4, 5), 0.0), reduction="sum")
        add(put(d.normal(3, 4), 0.0, 1e4, -1e-4), reduction="none", grad_scale=0.01)
        add(d.normal(7))
        add(d.normal(2, 3, 4), reduction="batch_mean", weight=d.weights(2, 3))
        add(d.normal(4, 5), reduction="weighted_mean", weight=d.weights(4, 5), grad_scale=-2.0)
        add(d.normal(3, 4), reduction="sum", weight=d.weights(3))

    return build


def kl_div(c):
    d = c.draw
    tn = TORCH + "nn.functional.kl_div"

    def pt(inputs, target, options):
        """Unreduced: PyTorch announces that its mean will become its batchmean."""
        return F.kl_div(*inputs, target, log_target=options.get("log_target", False),
                        reduction="none")

    def logs(*shape):
        return f32(np.log(d.probs(*shape)))

    def sparse(*shape):
        """Probabilities, two of them 0 and one 1."""
        return put(d.probs(*shape), 0.0, 1.0, 0.0)

    c.add(tn, pt, logs(4, 5), d.probs(4, 5))
    c.add(tn, pt, logs(3, 4), sparse(3, 4), reduction="none", grad_scale=2.0)
    c.add(tn, pt, logs(4, 5), sparse(4, 5), reduction="batch_mean")
    c.add(tn, pt, put(logs(7), -40.0), d.probs(7), reduction="sum", weight=d.weights(7))
    c.add(tn, pt, logs(4, 5), put(logs(4, 5), -40.0, 0.0), reduction="none", log_target=True)
    c.add(tn, pt, logs(2, 3, 4), logs(2, 3, 4), reduction="batch_mean", log_target=True,
          weight=d.weights(2, 3))
    c.add(tn, pt, logs(4, 5), sparse(4, 5), reduction="weighted_mean", weight=d.weights(4, 5),
          grad_scale=-1.0)
    c.add(tn, pt, logs(3, 4), logs(3, 4), log_target=True, weight=d.weights(3))


def kl_div_probs(c):
    d = c.draw
    ke, kn = keras_loss(keras.losses.kl_divergence, epsilon="eps"), KERAS + "losses.kl_divergence"

    def sparse(*shape):
        return put(d.probs(*shape), 0.0, 1.0, 0.0)

    c.add(kn, ke, d.probs(4, 5), d.probs(4, 5), reduction="batch_mean")  # Keras's figure
    # Outside [eps, 1], where the gradient is 0: 0, a negative, above 1.
    c.add(kn, ke, put(d.probs(3, 4), 0.0, -0.5, 1.5, 1e-8, 0.3),
          put(d.probs(3, 4), 0.5, 0.5, 0.5, 1.0, 0.0), reduction="none", grad_scale=2.0)
    c.add(kn, ke, d.probs(7), sparse(7), reduction="sum", weight=d.weights(7))
    c.add(kn, ke, put(d.probs(4, 5), 0.05, 0.15), put(d.probs(4, 5), 0.3, 0.02), eps=0.1)
    c.add(kn, ke, d.probs(2, 3, 4), sparse(2, 3, 4), reduction="batch_mean", weight=d.weights(2, 3),
          eps=1e-3)
    c.add(kn, ke, d.probs(4, 5), sparse(4, 5), reduction="weighted_mean", weight=d.weights(4, 5),
          grad_scale=-1.0)
    c.add(kn, ke, put(d.probs(3, 4), 0.0), d.probs(3, 4), weight=d.weights(3))


# --- cross_entropy -----------------------------------------------------------------------


class CrossEntropy:
    """Collects the cases of cross_entropy.

    PyTorch gives the cross-entropy of one row, and the unweighted sum and mean. Softcap and
    temperature change the logits before the call; z_loss adds z * lse^2 of the changed ones.
    """

    TORCH = TORCH + "nn.functional.cross_entropy"

    def __init__(self, name):
        self.draw = Draw(name)
        self.cases = []

    def add(self, logits, target, *, source=None, class_axis=None, class_weight=None, weight=None,
            reduction="mean", grad_scale=1.0, **options):
        options = {key: option(value) for key, value in options.items()}
        grad_scale = f32(grad_scale)
        index = target.dtype == np.int64
        leaf = torch.tensor(logits, requires_grad=True)
        goal = torch.tensor(target)
        x, y = leaf, goal
        if class_axis is None:  # classes are the last axis, the rest are rows
            classes, outer = logits.shape[-1], logits.shape[:-1]
            x = x.reshape(-1, classes)
            y = y.reshape(-1) if index else y.reshape(-1, classes)
        else:
            classes, outer = logits.shape[1], logits.shape[:1] + logits.shape[2:]
        rows = math.prod(outer)

        cap, temperature = options.get("softcap", 0.0), options.get("temperature", 1.0)
        if cap:
            x = cap * torch.tanh(x / cap)
        x = x / temperature
        chosen = {"ignore_index": options.get("ignore_index", -100),
                  "label_smoothing": options.get("label_smoothing", 0.0)}
        cw = None if class_weight is None else torch.tensor(class_weight)

        def ce(how):
            return F.cross_entropy(x, y, weight=cw, reduction=how, **chosen)

        # The classes are axis 1 either way; one number per row remains.
        ce_rows = ce("none")
        counted = torch.ones(ce_rows.shape, dtype=torch.bool)
        if index:
            counted = y != chosen["ignore_index"]
        z = options.get("z_loss", 0.0) * torch.logsumexp(x, dim=1) ** 2 * counted
        w = torch.ones(rows) if weight is None else torch.tensor(weight)
        w = w.reshape(counted.shape)
        # The class weight of a row's label, 0 for an ignored row; 1 with probability targets.
        label_weight = counted.to(torch.float64)
        if index and cw is not None:
            label_weight = torch.where(counted, cw[y.clamp(0, classes - 1)], 0.0)
        if reduction == "none":
            loss = (w * (ce_rows + z)).reshape(outer)
        elif reduction == "sum":
            loss = (w * (ce_rows + z)).sum()
        elif reduction == "batch_mean":
            loss = (w * (ce_rows + z)).sum() / rows
        elif reduction == "mean":
            # z is not class-weighted: its mean divides by the rows, not by their class weights.
            loss = (w * ce_rows).sum() / label_weight.sum()
            if weight is None:
                own = ce("mean")
                assert same(own, loss), (own, loss)
                loss = own
            loss = loss + (w * z).sum() / counted.sum()
        elif reduction == "weighted_mean":
            # What divides z under class weights is left open, so no case combines them.
            assert cw is None or not options.get("z_loss")
            loss = (w * (ce_rows + z)).sum() / (w * label_weight).sum()
        if weight is None and reduction == "sum" and not options.get("z_loss"):
            assert same(ce("sum"), loss)

        if source is None:
            extras = [key for key in ("softcap", "temperature", "z_loss") if key in options]
            source = self.TORCH + (" and closed form of " + ", ".join(extras) if extras else "")
        grads = differentiate(loss.sum(), [leaf], grad_scale)
        self.cases.append(record(source, options, reduction, grad_scale, [logits], target, weight,
                                 loss, grads, class_axis, class_weight))

    def add_known(self, logits, target, loss, grad, *, source, reduction, **options):
        """A case whose answer was worked out by the caller."""
        options = {key: option(value) for key, value in options.items()}
        self.cases.append(record(source, options, reduction, 1.0, [logits], target, None,
                                 torch.tensor(loss), [torch.tensor(grad)]))


def cross_entropy(c):
    d = c.draw
    cw4, cw5 = f32([0.5, 2.0, 1.25, 0.3]), f32([1.0, 0.2, 3.0, 0.7, 1.5])

    def logits(*shape):
        return d.normal(*shape, scale=2.0)

    def ignoring(index, classes, *shape):
        """Labels, the second and the last of them ignored, none of the others."""
        y = d.labels(classes, *shape)
        y[y == index] = 0
        y.ravel()[1] = y.ravel()[-1] = index
        return y

    # Class indices.
    c.add(logits(4, 5), d.labels(5, 4))
    c.add(logits(4, 5), d.labels(5, 4), reduction="none", grad_scale=2.0)
    c.add(logits(4, 5), d.labels(5, 4), reduction="sum", weight=d.weights(4))
    c.add(logits(4, 5), d.labels(5, 4), reduction="batch_mean", weight=d.weights(4))
    c.add(logits(2, 3, 4), d.labels(4, 2, 3), reduction="none", weight=d.weights(2, 3))
    c.add(logits(2, 3, 4), d.labels(4, 2, 3), reduction="weighted_mean", weight=d.weights(2, 3))
    c.add(logits(3, 1), d.labels(1, 3), reduction="none")  # one class: 0
    c.add(put(logits(4, 5), 40, -40, 40, 0, 0, 300, -300, 0, 0, 0), d.labels(5, 4),
          reduction="none", grad_scale=-1.0)
    # Class weights.
    c.add(logits(4, 5), d.labels(5, 4), class_weight=cw5)
    c.add(logits(4, 5), d.labels(5, 4), class_weight=cw5, weight=d.weights(4))
    c.add(logits(4, 5), d.labels(5, 4), class_weight=cw5, weight=d.weights(4),
          reduction="weighted_mean")
    c.add(logits(4, 5), d.labels(5, 4), class_weight=cw5, reduction="batch_mean", grad_scale=0.5)
    # a class of weight 0
    c.add(logits(3, 4), np.array([0, 1, 3]), class_weight=put(cw4, 0.5, 0.0), reduction="none")
    # Label smoothing.
    c.add(logits(4, 5), d.labels(5, 4), label_smoothing=0.1)
    c.add(logits(4, 5), d.labels(5, 4), label_smoothing=0.2, class_weight=cw5)
    c.add(logits(4, 5), d.labels(5, 4), label_smoothing=0.3, class_weight=cw5, reduction="none",
          weight=d.weights(4))
    c.add(logits(3, 4), d.labels(4, 3), label_smoothing=1.0, reduction="sum")
    # Ignored rows; 1 is the index of a class, too.
    c.add(logits(5, 4), ignoring(-100, 4, 5))
    c.add(logits(5, 4), ignoring(1, 4, 5), ignore_index=1, class_weight=cw4, reduction="sum")
    c.add(logits(5, 4), ignoring(255, 4, 5), ignore_index=255, class_weight=cw4,
          label_smoothing=0.1)
    c.add(logits(5, 4), ignoring(-1, 4, 5), ignore_index=-1, reduction="batch_mean",
          weight=d.weights(5))
    c.add(logits(5, 4), ignoring(-1, 4, 5), ignore_index=-1, reduction="weighted_mean",
          weight=d.weights(5), class_weight=cw4)
    c.add(logits(5, 4), ignoring(-100, 4, 5), reduction="none", label_smoothing=0.1)
    c.add_known(logits(2, 3), np.array([-100, -100]), 0.0, np.zeros((2, 3)), reduction="mean",
                source=CLOSED + " (no valid row; PyTorch: NaN)")
    # Probability targets; the last need not sum to 1.
    c.add(logits(4, 5), d.probs(4, 5))
    c.add(logits(4, 5), d.probs(4, 5), class_weight=cw5)
    c.add(logits(4, 5), d.probs(4, 5), class_weight=cw5, label_smoothing=0.15, reduction="none",
          weight=d.weights(4))
    c.add(logits(4, 5), d.probs(4, 5), reduction="weighted_mean", weight=d.weights(4),
          class_weight=cw5)
    c.add(logits(2, 3, 4), d.probs(2, 3, 4), reduction="batch_mean", label_smoothing=0.1,
          grad_scale=3.0)
    c.add(logits(3, 4), d.uniform(0.0, 1.0, 3, 4), reduction="sum")
    # The classes on axis 1.
    c.add(logits(2, 4, 3), ignoring(-100, 4, 2, 3), class_axis=1, class_weight=cw4)
    c.add(logits(2, 3, 2, 2), d.labels(3, 2, 2, 2), class_axis=1, label_smoothing=0.1,
          reduction="none", grad_scale=0.5)
    c.add(logits(2, 4, 3), d.labels(4, 2, 3), class_axis=1, class_weight=cw4,
          weight=d.weights(2, 3), reduction="weighted_mean")
    c.add(logits(2, 4, 3), d.probs(2, 4, 3, axis=1), class_axis=1, class_weight=cw4)
    c.add(logits(2, 4, 3), ignoring(-100, 4, 2, 3), class_axis=1, weight=d.weights(2, 3),
          reduction="batch_mean")
    # z_loss, softcap, temperature.
    c.add(logits(5, 4), ignoring(-100, 4, 5), z_loss=0.1)
    c.add(logits(5, 4), ignoring(-100, 4, 5), z_loss=0.05, class_weight=cw4, weight=d.weights(5))
    c.add(logits(5, 4), ignoring(7, 4, 5), z_loss=0.01, ignore_index=7, class_weight=cw4,
          label_smoothing=0.1)
    c.add(logits(4, 5), d.probs(4, 5), z_loss=1e-4, reduction="none", weight=d.weights(4))
    c.add(logits(4, 5), d.labels(5, 4), z_loss=0.2, reduction="weighted_mean", weight=d.weights(4))
    c.add(put(logits(4, 5), 40, -40, 100, 0), d.labels(5, 4), softcap=30.0)
    c.add(logits(4, 5), d.labels(5, 4), softcap=1.5, reduction="none", label_smoothing=0.1)
    c.add(logits(4, 5), d.labels(5, 4), temperature=2.5)
    c.add(logits(4, 5), d.probs(4, 5), temperature=0.3, reduction="sum", grad_scale=-0.5)
    c.add(logits(5, 4), ignoring(-100, 4, 5), softcap=3.0, temperature=0.7, z_loss=0.1,
          class_weight=cw4, label_smoothing=0.05)
    c.add(logits(2, 4, 3), ignoring(255, 4, 2, 3), class_axis=1, ignore_index=255, softcap=5.0,
          temperature=1.3, z_loss=0.02, reduction="sum", weight=d.weights(2, 3), grad_scale=2.0)
    # A logit of -inf: probability 0; as the target, the loss is inf and the gradient p - t.
    c.add(put(logits(3, 4), -INF), np.array([1, 0, 3]))
    c.add(put(logits(3, 4), -INF), np.array([0, 2, 1]), reduction="none")
    x, t = put(logits(2, 3), 1.0, -INF, 2.0), put(d.probs(2, 3), 0.25, 0.0, 0.75)
    p = torch.softmax(torch.tensor(x), 1).numpy()
    with np.errstate(divide="ignore"):
        losses = np.where(t == 0, 0.0, t * -np.log(np.where(t == 0, 1.0, p))).sum(axis=1)
    c.add_known(x, t, losses, t.sum(axis=1, keepdims=True) * p - t, reduction="none",
                source=CLOSED + " (a target of 0 on -inf; PyTorch: NaN)")


# --- files -------------------------------------------------------------------------------

ELEMENTWISE = {
    "mse": mse,
    "mae": mae,
    "huber": huber,
    "smooth_l1": smooth_l1,
    "log_cosh": log_cosh,
    "mape": mape,
    "msle": msle,
    "quantile": quantile,
    "poisson_nll": poisson_nll,
    "gaussian_nll": gaussian_nll,
    "positive_weighted_mse": positive_weighted_mse,
    "confidence_penalized_mse": confidence_penalized_mse,
    "bce": bce,
    "bce_with_logits": bce_with_logits,
    "binary_focal": binary_focal,
    "binary_focal_with_logits": binary_focal_with_logits,
    "hinge": signed_margin("hinge", keras.losses.hinge),
    "squared_hinge": signed_margin("squared_hinge", keras.losses.squared_hinge),
    "soft_margin": soft_margin,
    "hinge_embedding": hinge_embedding,
    "margin_ranking": margin_ranking,
    "l1_penalty": penalty("L1", keras.regularizers.L1(1.0)),
    "l2_penalty": penalty("L2", keras.regularizers.L2(1.0)),
    "kl_div": kl_div,
    "kl_div_probs": kl_div_probs,
}


def write(name, cases):
    lines = [json.dumps(case, separators=(",", ":"), allow_nan=False) for case in cases]
    path = HERE / f"{name}.json"
    path.write_text(f'{{"loss": {json.dumps(name)}, "cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")


def main(names):
    collectors = {name: (Elementwise, build) for name, build in ELEMENTWISE.items()}
    collectors["cross_entropy"] = (CrossEntropy, cross_entropy)
    collectors |= classification.LOSSES | divergences.LOSSES | embeddings.LOSSES | sets.LOSSES
    unknown = [name for name in names if name not in collectors and name != "metrics"]
    if unknown:
        sys.exit(f"no such loss: {', '.join(unknown)}")
    for name in names or [*collectors, "metrics"]:
        if name == "metrics":
            metrics.main()
            continue
        collector, build = collectors[name]
        cases = collector(name)
        build(cases)
        write(name, cases.cases)


if __name__ == "__main__":
    main(sys.argv[1:])
