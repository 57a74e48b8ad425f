"""A repair that is right in another form than ours has neither the symptom nor what the check of the solution finds."""

import pytest

from tinynet.exercises.bugs import find
from tinynet.exercises.bugs.running import agrees, run_beside

pytestmark = pytest.mark.exercises

REPAIRS = {                                      # name: (what stands in the broken copy, what is written in its place)
    "dense-2": ("drows.mean(axis=0)", "np.ones(len(drows)) @ drows"),
    "relu-1": ("np.where(y >= 0, dy, 0)", "dy * (y > 0)"),
    "softmax-1": ("e / e.sum(axis=0, keepdims=True)", "e / np.einsum('...k->...', e)[..., None]"),
    "tanh-1": ("dy * (1 - y)", "dy - np.square(y) * dy"),
    "dropout-2": ("< threshold) * scale", ">= threshold).astype(float) / (1 - self.rate)"),
    "mlp-1": ("labels[start:start + batch]", "np.take(labels, order[start:start + batch])"),
    "mlp-3": ("np.zeros((784, 32))", "rng.standard_normal((784, 32)) * np.sqrt(2 / 784)"),
    "mlp-7": ("labels] -= 1\n", "labels] -= 1\n    dlogits = dlogits * (1 / x.shape[0])\n"),
    "mlp-9": ("np.where(dh > 0, dh, 0)", "dh * (h > 0)"),
    "ln-1": ("dh = dy\n", "dh = np.multiply(gamma, dy)\n"),
    "digits-4": ("x_train.reshape(784, train).T", "x_train.reshape(-1, 28 * 28)"),
    "cnn-2": ("weight = weight - rate * gradient", "weight[...] = weight - rate * gradient"),
    "bn-3": ("((1 - self.momentum) * moving + self.momentum * value)",
             "(moving + (1 - self.momentum) * (value - moving))"),
}


@pytest.mark.parametrize("name", REPAIRS)
def test_a_repair_in_another_form_is_right(name):
    bug, (broken, repaired) = find(name), REPAIRS[name]
    files = bug.broken()
    assert files[bug.guilty].count(broken) == 1
    files[bug.guilty] = files[bug.guilty].replace(broken, repaired)
    assert agrees(run_beside(bug.look, files), run_beside(bug.look, bug.right()))
    assert run_beside(bug.catch, files).done
