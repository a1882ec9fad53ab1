"""Losses of vectors: their angles and distances."""

from common import *


def cosine_similarity(c):
    d = c.draw
    pt, ke = TORCH + "nn.functional.cosine_similarity", KERAS + "losses.cosine_similarity"
    c.add(pt, torch_cosine, d.normal(4, 5), d.normal(4, 5))
    c.add(pt, torch_cosine, d.normal(4, 5), d.normal(4, 5), reduction="none", grad_scale=2.0)
    c.add(pt, torch_cosine, d.normal(4, 5), d.normal(4, 5), reduction="sum", weight=d.weights(4))
    c.add(pt, torch_cosine, d.normal(2, 4, 3), d.normal(2, 4, 3), class_axis=1, reduction="none",
          weight=d.weights(2, 3))
    # Without eps; the first two are parallel.
    x, t = d.normal(4, 2), d.normal(4, 2)
    t[:2] = [x[0] * 2, -x[1]]
    c.add(pt, torch_cosine, x, t, eps=0.0, reduction="none")
    # Huge and tiny ones, and a target of 0.
    x, t = d.normal(4, 3), d.normal(4, 3)
    scales = np.array([[1e30], [1e-6], [1.0], [1.0]])
    c.add(pt, torch_cosine, f32(x * scales), f32(t / scales), eps=1e-30, reduction="none")
    t[2] = 0.0
    x[3] = 0.0
    c.add(pt, torch_cosine, x, t, eps=0.01, reduction="none")
    c.add(ke, keras_cosine, d.normal(4, 5), d.normal(4, 5), eps=1e-7, reduction="batch_mean")
    # Shorter than eps, one of the two or both: then a norm is a constant.
    x, t = d.uniform(0.1, 1.0, 4, 3), d.uniform(0.1, 1.0, 4, 3)
    x[1:3] *= 10
    t[2:] *= 10
    c.add(ke, keras_cosine, x, t, eps=3.0, reduction="none")
    c.add(ke, keras_cosine, x, t, eps=3.0, reduction="weighted_mean", weight=d.weights(4))


def torch_cosine(inputs, t, class_weight, options):
    return -F.cosine_similarity(inputs[0], t, dim=1, eps=options.get("eps", f32(1e-8))), None


def keras_cosine(inputs, t, class_weight, options):
    with keras_epsilon(options["eps"]):
        return keras.losses.cosine_similarity(t, inputs[0]), None


def cosine_embedding(c):
    d = c.draw

    def add(*tensors, **options):
        c.add(TORCH + "nn.functional.cosine_embedding_loss", torch_cosine_embedding, *tensors, **options)

    def pair(*shape):
        return d.normal(*shape), d.normal(*shape)

    add(*pair(4, 5), d.signs(4))
    add(*pair(4, 5), d.signs(4), margin=0.25, reduction="none", grad_scale=2.0)
    add(*pair(4, 5), d.signs(4), margin=-0.5, reduction="sum", weight=d.weights(4))
    add(*pair(2, 3, 4), d.signs(2, 3), reduction="batch_mean")
    add(*pair(4, 5), d.signs(4), reduction="weighted_mean", weight=d.weights(4))
    add(*pair(2, 4, 3), d.signs(2, 3), class_axis=1, margin=-0.5, reduction="none",
        weight=d.weights(2, 3))
    # About as short as what is added to the squares, shorter, 0; and huge.
    x, y = pair(5, 3)
    scales = np.array([[1e-6], [1e-9], [0.0], [1e30], [1.0]])
    add(f32(x * scales), y, np.ones(5), reduction="none")
    add(f32(x * scales), f32(y * scales), -np.ones(5), margin=-1.0, reduction="none")
    x, y = pair(4, 3)
    y[:2] = [x[0] * 2, -x[1]]  # parallel
    add(x, y, np.ones(4), reduction="none")


def torch_cosine_embedding(inputs, t, class_weight, options):
    margin = options.get("margin", 0.0)
    return F.cosine_embedding_loss(*inputs, t, margin=margin, reduction="none"), None


def contrastive(c):
    d = c.draw

    def add(*tensors, **options):
        c.add(CLOSED, closed_contrastive, *tensors, **options)

    def pair(*shape):
        return d.normal(*shape, scale=0.5), d.normal(*shape, scale=0.5)

    add(*pair(4, 3), d.bits(4))
    add(*pair(4, 3), d.bits(4), margin=2.5, reduction="none", grad_scale=2.0)
    add(*pair(4, 3), d.uniform(0, 1, 4), margin=2.0, reduction="sum", weight=d.weights(4))
    add(*pair(2, 3, 4), d.bits(2, 3), margin=4.0, reduction="batch_mean")
    add(*pair(4, 3), d.bits(4), margin=-1.0, reduction="weighted_mean", weight=d.weights(4))
    add(*pair(2, 4, 3), d.uniform(0, 1, 2, 3), class_axis=1, margin=3.0, reduction="none",
        weight=d.weights(2, 3))
    x, y = pair(4, 3)
    scales = np.array([[1e-10], [1e10], [1.0], [1.0]])
    add(f32(x * scales), f32(y * scales), put(np.zeros(4), 0.0, 0.0, 0.5), reduction="none")
    add(*pair(4, 1), d.bits(4), margin=2.0, reduction="none")
    # The same vector twice: the subgradient is 0, where torch's is NaN.
    x = d.normal(3, 4)
    c.add_known(CLOSED, x, x, np.array([0.0, 1.0, 0.5]), loss=[4.0, 0.0, 2.0],
                grads=[np.zeros((3, 4))] * 2, margin=2.0)


def closed_contrastive(inputs, t, class_weight, options):
    x, y = inputs
    distance = (x - y).square().sum(dim=1).sqrt()
    short = (options.get("margin", 1.0) - distance).clamp(min=0)
    return t * distance.square() + (1 - t) * short.square(), None


def triplet(c):
    d = c.draw

    def add(*tensors, **options):
        c.add(TORCH + "nn.functional.triplet_margin_loss", torch_triplet, *tensors,
              has_target=False, **options)

    def three(*shape):
        return d.normal(*shape), d.normal(*shape), d.normal(*shape)

    add(*three(4, 5))
    add(*three(4, 5), margin=2.5, reduction="none", grad_scale=2.0)
    add(*three(4, 5), p=1.0, margin=3.0, reduction="sum", weight=d.weights(4))
    add(*three(2, 3, 4), p=3.0, eps=0.25, reduction="batch_mean")
    add(*three(4, 5), p=1.5, swap=True, margin=2.0, reduction="weighted_mean", weight=d.weights(4))
    add(*three(2, 4, 3), class_axis=1, swap=True, margin=2.0, reduction="none",
        weight=d.weights(2, 3))
    add(*three(6, 5), swap=True, margin=4.0, reduction="none")
    # As good as the largest difference alone.
    add(*three(4, 5), p=200.0, margin=2.0, reduction="none")
    add(*three(3, 1), p=7.25, eps=0.0, margin=2.0, reduction="none")
    # Huge and tiny distances.
    scales = np.array([[1e30], [1e10], [1e-10], [1e-30]])
    add(*(f32(v * scales) for v in three(4, 3)), eps=0.0, margin=1e-30, reduction="none")
    # A distance of 0 has no gradient.
    x = d.normal(2, 3)
    add(x, x, d.normal(2, 3), eps=0.0, margin=8.0, reduction="none")
    c.add(TORCH + "triplet_margin_loss", torch_triplet_any_margin, *three(4, 3), has_target=False,
          margin=-0.25, reduction="none")


def torch_triplet(inputs, t, class_weight, options):
    return F.triplet_margin_loss(*inputs, **({"eps": f32(1e-6)} | options), reduction="none"), None


def torch_triplet_any_margin(inputs, t, class_weight, options):
    """The function behind, which takes a margin of 0 or less too."""
    return torch.triplet_margin_loss(*inputs, **({"eps": f32(1e-6)} | options), reduction=0), None


LOSSES = {
    "cosine_similarity": (Rows, cosine_similarity),
    "cosine_embedding": (Rows, cosine_embedding),
    "contrastive": (Rows, contrastive),
    "triplet": (Rows, triplet),
}
