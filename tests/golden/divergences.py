"""Losses that compare the distributions behind two sets of logits."""

from common import *


def kl_div_with_logits(c):
    d = c.draw

    def add(*tensors, **options):
        c.add(TORCH + "nn.functional.kl_div of log_softmax", torch_distillation, *tensors, **options)

    def logits(*shape):
        return d.normal(*shape, scale=2.0)

    add(logits(4, 5), logits(4, 5))
    add(logits(4, 5), logits(4, 5), temperature=2.0, reduction="none", grad_scale=2.0)
    add(logits(4, 5), logits(4, 5), temperature=0.5, reduction="sum", weight=d.weights(4))
    add(logits(2, 3, 4), logits(2, 3, 4), temperature=3.0, reduction="batch_mean")
    add(logits(4, 5), logits(4, 5), reduction="weighted_mean", weight=d.weights(4))
    add(logits(2, 4, 3), logits(2, 4, 3), class_axis=1, temperature=4.0, reduction="none",
          weight=d.weights(2, 3))
    # Close to no divergence. Where there is none, torch leaves rounding errors of 1e-16.
    close = logits(3, 4)
    add(close, f32(close * 1.01), reduction="none")
    add(put(logits(3, 4), 40, -40, 0, 0, 300, 299), put(logits(3, 4), -40, 40, 0, 0, 299, 300))


def torch_distillation(inputs, t, class_weight, options):
    (x,), temperature = inputs, options.get("temperature", 1.0)
    logs = F.log_softmax(x / temperature, dim=1), F.log_softmax(t / temperature, dim=1)
    return F.kl_div(*logs, log_target=True, reduction="none").sum(dim=1) * temperature ** 2, None


def js_div_with_logits(c):
    d = c.draw

    def add(*tensors, **options):
        c.add(CLOSED + " of nn.functional.kl_div", jensen_shannon, *tensors, **options)

    def logits(*shape):
        return d.normal(*shape, scale=2.0)

    add(logits(4, 5), logits(4, 5))
    add(logits(4, 5), logits(4, 5), beta=0.1, reduction="none", grad_scale=2.0)
    add(logits(4, 5), logits(4, 5), beta=0.75, reduction="sum", weight=d.weights(4))
    add(logits(2, 3, 4), logits(2, 3, 4), beta=0.999, reduction="batch_mean")
    add(logits(4, 5), logits(4, 5), reduction="weighted_mean", weight=d.weights(4))
    add(logits(2, 4, 3), logits(2, 4, 3), class_axis=1, beta=0.3, reduction="none",
        weight=d.weights(2, 3))
    # Apart by more than exponentials reach, and one class alone.
    add(put(logits(3, 4), 40, -40, 0, 0, 300, 299), put(logits(3, 4), -40, 40, 0, 0, 299, 300),
        reduction="none")
    add(logits(3, 1), logits(3, 1), reduction="none")


def jensen_shannon(inputs, t, class_weight, options):
    (x,), beta = inputs, options.get("beta", 0.5)
    log_p, log_q = F.log_softmax(t, dim=1), F.log_softmax(x, dim=1)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log1p(-beta))

    def divergence(log):
        return F.kl_div(log_m, log, log_target=True, reduction="none").sum(dim=1)

    return beta * divergence(log_p) + (1 - beta) * divergence(log_q), None


def tv_dist_with_logits(c):
    d = c.draw

    def add(*tensors, **options):
        c.add(CLOSED, total_variation, *tensors, **options)

    def logits(*shape):
        return d.normal(*shape, scale=2.0)

    add(logits(4, 5), logits(4, 5))
    add(logits(4, 5), logits(4, 5), reduction="none", grad_scale=2.0)
    add(logits(4, 5), logits(4, 5), reduction="sum", weight=d.weights(4))
    add(logits(2, 3, 4), logits(2, 3, 4), reduction="batch_mean")
    add(logits(4, 5), logits(4, 5), reduction="weighted_mean", weight=d.weights(4))
    add(logits(2, 4, 3), logits(2, 4, 3), class_axis=1, reduction="none", weight=d.weights(2, 3))
    # Nearly certain, of different things.
    add(put(logits(3, 4), 40, -40, 0, 0, 300, 299), put(logits(3, 4), -40, 40, 0, 0, 299, 300),
        reduction="none")


def total_variation(inputs, t, class_weight, options):
    (x,) = inputs
    gaps = torch.softmax(t, dim=1) - torch.softmax(x, dim=1)
    return 0.5 * gaps.abs().sum(dim=1), None


LOSSES = {
    "kl_div_with_logits": (Rows, kl_div_with_logits),
    "js_div_with_logits": (Rows, js_div_with_logits),
    "tv_dist_with_logits": (Rows, tv_dist_with_logits),
}
