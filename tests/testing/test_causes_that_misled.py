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
    assert cause == "overwritten"
    assert "= stands where += belongs" in text


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


def test_rows_that_are_never_looked_up_are_not_right_but_nothing():
    rows = np.array([0, 3, 3])

    def vjp(dy, h, table):
        dtable = np.zeros_like(table)
        np.add.at(dtable, rows, np.broadcast_to(dy[:, None], h.shape))       # it should be dy * h
        return dy[:, None] * table[rows], dtable
    cause, _ = explained(lambda h, table: (table[rows] * h).sum(axis=1), vjp, rng.normal(size=(3, 4)),
                         rng.normal(size=(6, 4)))["table"]
    assert cause != "some slices"


def test_outputs_side_by_side_are_no_steps():
    """Two directions, one sum over the steps each, side by side: one of them has the wrong sign."""
    w = rng.normal(size=(3, 4))

    def vjp(dy, x):
        return np.cumsum((dy * [1, 1, -1, -1])[:, ::-1], axis=1)[:, ::-1] @ w.T
    (cause, _), = explained(lambda x: np.cumsum(x @ w, axis=1), vjp, rng.normal(size=(2, 5, 3))).values()
    assert cause != "from step to step"


def test_two_slopes_exchanged_are_no_reciprocal():
    (cause, text), = explained(lambda x: np.where(x > 0, x, 0.2 * x), lambda dy, x: dy * np.where(x < 0, 1, 0.2),
                               rng.normal(size=(4, 5))).values()
    assert (cause, text) == ("no derivative", "0.2 and 1, the slopes of the two sides, are exchanged: a comparison is "
                                              "turned round, or two branches are.")


def test_a_sigmoid_is_named_beside_a_tanh_that_fits_as_well():
    w = rng.normal(size=(4, 3))

    def f(x):
        return 1 / (1 + np.exp(-x @ w))
    (_, text), = explained(f, lambda dy, x: dy * f(x) @ w.T, rng.normal(size=(5, 4))).values()      # 1 - y is missing
    assert "there stands y, where it should be y (1 - y), the derivative of a sigmoid" in text
    assert text.endswith("(either fits).")


def test_the_1_of_a_derivative_is_not_only_a_skip_connection():
    (_, text), = explained(np.tanh, lambda dy, x: -dy * np.tanh(x) ** 2, rng.normal(size=(4, 5))).values()
    assert text.startswith("dy itself is missing in it")
    assert "the 1 of a derivative such as 1 - y^2" in text


def test_one_number_is_no_sum_whose_parts_could_differ():
    def vjp(dy, x):
        return np.where(x > 0, 1.7, 0.4) * x ** 3 * dy if dy else None       # for no gradient it returns nothing
    (cause, _), = explained(lambda x: np.square(x).sum(), vjp, rng.normal(size=7)).values()
    assert cause != "not linear"


def test_a_sample_between_others_that_gets_nothing_is_not_where_a_loop_ends():
    def vjp(dy, x):
        margins = x - x[:, :1]
        d = (margins > 0) / len(x) * (margins.max(axis=1, keepdims=True) < 2.2)
        d[:, 0] = -d.sum(axis=1)
        return dy * d

    def hinge(x):
        return np.maximum(x - x[:, :1], 0).sum() / len(x)
    x = np.array([[0.0, 1.0, 0.5], [0.1, 3.0, -1.0], [0.0, 2.0, 0.3], [0.0, 1.0, -2.0]])
    (_, text), = explained(hinge, vjp, x).values()
    assert text == ("it is right for the samples 0, 2, 3, and 0 for the others: a loop over each window ends too "
                    "early, or an index or a mask leaves them out.")


def test_samples_that_are_wrong_in_part_are_not_called_right():
    own, x = np.arange(3), np.array([[0.0, 1.0, 0.5], [3.0, 4.1, -1.0], [0.0, 2.0, 0.3]])

    def margins(x):
        return np.maximum(x - x[own, own][:, None], 0)

    def vjp(dy, x):
        return dy * (margins(x) > 0) / len(x)                            # less their number, for each own class
    (_, text), = explained(lambda x: margins(x).sum() / len(x), vjp, x).values()
    assert not text.startswith("it is right for"), text
