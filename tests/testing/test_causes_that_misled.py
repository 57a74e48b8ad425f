"""Mistakes whose likely cause was once a wrong one: each gets the right one now, or none."""

import numpy as np

from tinynet.testing import check_vjp

rng = np.random.default_rng(5)


def explained(f, vjp, *args):
    return {failure.tensor: (failure.cause, failure.explanation) for failure in
            check_vjp(f, vjp, *args, raises=False).failures}


def centred(x, b):
    """A bias, and the mean over the batch that is subtracted after it; the ReLU leaves zeros among the outputs."""
    z = x + b
    return np.maximum(z - z.mean(axis=0), 0)


def test_a_tensor_that_no_output_depends_on_has_no_mask_to_miss():
    def vjp(dy, x, b):
        d = dy * (centred(x, b) > 0)
        return d - d.mean(axis=0), (d + d.mean(axis=0)).sum(axis=0)      # the sign: sums of d - mean(d) are 0
    cause, text = explained(centred, vjp, rng.normal(size=(5, 3)), rng.normal(size=3))["b"]
    assert cause == "should be zero"
    assert text.startswith("all of it should be 0, as no output depends on it: terms that cancel in f")


def windows(x):
    return [(i, j, x[..., i:i + 3, j:j + 3]) for i in (0, 2, 4) for j in (0, 2, 4)]


def pool(x):
    return np.stack([part.max(axis=(-2, -1)) for _, _, part in windows(x)], axis=-1)


def test_a_window_that_overwrites_the_one_before_it_is_no_matter_of_borders():
    def vjp(dy, x):
        dx = np.zeros_like(x)
        for k, (i, j, part) in enumerate(windows(x)):
            largest = part == part.max(axis=(-2, -1), keepdims=True)
            dx[..., i:i + 3, j:j + 3] = largest * dy[..., k, None, None]
        return dx
    (cause, text), = explained(pool, vjp, np.random.default_rng(1).normal(size=(3, 3, 7, 7))).values()
    assert cause == "overwritten" and "= stands where += belongs" in text, text


def test_a_centre_of_one_pixel_says_nothing_of_borders():
    weight, squares = rng.normal(size=(5, 5)), np.indices((5, 5)).sum(axis=0) % 2

    def vjp(dy, x):
        return (dy @ weight.T + squares * dy) * (1 - np.tanh(x) ** 2)        # every other pixel, the centre is not one
    assert explained(lambda x: np.tanh(x) @ weight, vjp, rng.normal(size=(2, 2, 5, 5)))["x"][0] != "borders"


def test_what_is_right_is_no_evidence_of_an_exchange():
    """Three gates, and an output that only two of them reach: it has the wrong sign."""
    def f(x):
        a, b, c = np.split(x, 3, axis=1)
        return np.tanh(a) * b * c, np.tanh(a) * b

    def vjp(dy, x):
        a, b, c = np.split(x, 3, axis=1)
        dh, dc = dy
        d = dh * c - dc                                                  # it should be dh * c + dc
        return np.hstack([d * b * (1 - np.tanh(a) ** 2), d * np.tanh(a), dh * np.tanh(a) * b])
    (cause, _), = explained(f, vjp, rng.normal(size=(3, 12))).values()
    assert cause != "elsewhere"
