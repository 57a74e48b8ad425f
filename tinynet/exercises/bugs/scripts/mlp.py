"""Two dense layers, written in NumPy and trained on digits of MNIST: 784 pixels, 32 ReLUs, 10 classes."""

from __future__ import annotations

import numpy as np

from tinynet.datasets import mnist

Arrays = dict[str, np.ndarray]


def load(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images as rows (N, 784), from 0 to 1, and their labels (N,)."""
    (images, labels), _ = mnist.load_data()
    return images[:count].reshape(count, 784) / 255, labels[:count].astype(int)


def initial(rng: np.random.Generator) -> Arrays:
    """Draw kernels of variance 2 / inputs, which a ReLU keeps (He et al., 2015); biases begin at 0."""
    return {"W1": rng.normal(0, np.sqrt(2 / 784), (784, 32)), "b1": np.zeros(32),
            "W2": rng.normal(0, np.sqrt(2 / 32), (32, 10)), "b2": np.zeros(10)}


def forward(w: Arrays, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what goes into the ReLU (N, 32), what comes out of it (N, 32), and the logits (N, 10)."""
    z = x @ w["W1"] + w["b1"]
    h = np.maximum(z, 0)
    return z, h, h @ w["W2"] + w["b2"]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of each sample, a row that sums to 1: e^logit over the sum of the row's."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gradients(w: Arrays, x: np.ndarray, labels: np.ndarray) -> tuple[float, Arrays]:
    """Return the mean of -log p[label] over the batch, and its gradient for each array of weights."""
    z, h, logits = forward(w, x)
    p = softmax(logits)
    samples = np.arange(len(x))
    loss = -np.log(p[samples, labels]).mean()
    dlogits = p.copy()                                   # (p - one-hot labels) / N
    dlogits[samples, labels] -= 1
    dlogits /= len(x)
    dh = dlogits @ w["W2"].T
    dz = np.where(z > 0, dh, 0)
    return loss, {"W1": x.T @ dz, "b1": dz.sum(axis=0), "W2": h.T @ dlogits, "b2": dlogits.sum(axis=0)}


def accuracy(w: Arrays, x: np.ndarray, labels: np.ndarray) -> float:
    """Return which part of the samples has its largest logit at its label."""
    logits = forward(w, x)[2]
    return float((logits.argmax(axis=1) == labels).mean())


def train(x: np.ndarray, labels: np.ndarray, epochs: int = 6, batch: int = 50, rate: float = 0.05,
          momentum: float = 0.9) -> tuple[Arrays, list[float]]:
    """Return trained weights, and the mean loss of each epoch; every epoch sees every sample once, in a new order."""
    rng = np.random.default_rng(0)
    w = initial(rng)
    velocity = {name: np.zeros_like(array) for name, array in w.items()}
    history = []
    for _ in range(epochs):
        losses = []
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch):
            chosen = order[start:start + batch]
            loss, grads = gradients(w, x[chosen], labels[chosen])
            losses.append(loss)
            for name in w:                               # v = momentum v - rate g, and the weights move by v
                velocity[name] = momentum * velocity[name] - rate * grads[name]
                w[name] += velocity[name]
        history.append(float(np.mean(losses)))
    return w, history


def split(count: int = 3000, held_out: int = 1000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the digits to train on and their labels, then those that are held out, which training never sees."""
    x, labels = load(count)
    return x[:-held_out], labels[:-held_out], x[-held_out:], labels[-held_out:]


def main() -> None:
    """Train on 2,000 digits and print the curve; then the accuracy on them, and on 1,000 others."""
    x, labels, x_new, labels_new = split()
    w, history = train(x, labels)
    for epoch, loss in enumerate(history, 1):
        print(f"epoch {epoch}   loss {loss:6.3f}  {'#' * round(10 * min(loss, 5)) if loss == loss else ''}".rstrip())
    print(f"accuracy: {accuracy(w, x, labels):.3f} on what it was trained on, {accuracy(w, x_new, labels_new):.3f} "
          "on new digits")


if __name__ == "__main__":
    main()
