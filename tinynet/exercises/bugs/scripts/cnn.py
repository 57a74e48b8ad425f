"""A small convolutional network in NumPy: each function returns its output, and the function that runs it backward."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinynet.datasets import mnist

Backward = Callable[[np.ndarray], tuple[np.ndarray, ...]]


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, Backward]:
    """(N, C, H, W) -> (N, F, P, Q): one product for each place (i, j) of the window, all windows at a time."""
    kh, kw = kernel.shape[2:]
    P, Q = x.shape[2] - kh + 1, x.shape[3] - kw + 1
    y = np.zeros((len(x), len(kernel), P, Q)) + bias[:, None, None]
    for i, j in np.ndindex(kh, kw):
        y += np.einsum("ncpq,fc->nfpq", x[:, :, i:i + P, j:j + Q], kernel[:, :, i, j])

    def backward(dy: np.ndarray) -> tuple[np.ndarray, ...]:
        dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
        for i, j in np.ndindex(kh, kw):
            dx[:, :, i:i + P, j:j + Q] += np.einsum("nfpq,fc->ncpq", dy, kernel[:, :, i, j])
            dkernel[:, :, i, j] = np.einsum("nfpq,ncpq->fc", dy, x[:, :, i:i + P, j:j + Q])
        return dx, dkernel, dy.sum(axis=(0, 2, 3))
    return y, backward


def relu(x: np.ndarray) -> tuple[np.ndarray, Backward]:
    """max(x, 0); the gradient passes where x is above 0."""
    return np.maximum(x, 0), lambda dy: (dy * (x > 0),)


def max_pool(x: np.ndarray) -> tuple[np.ndarray, Backward]:
    """(N, C, H, W) -> (N, C, H/2, W/2): the largest of 2 x 2 pixels; of equal ones the first takes the gradient."""
    N, C, H, W = x.shape
    squares = x.reshape(N, C, H // 2, 2, W // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(N, C, H // 2, W // 2, 4)
    winner = squares.argmax(axis=-1)[..., None]
    y = np.take_along_axis(squares, winner, axis=-1)[..., 0]

    def backward(dy: np.ndarray) -> tuple[np.ndarray, ...]:
        dsquares = np.zeros(squares.shape)
        np.put_along_axis(dsquares, winner, dy[..., None], axis=-1)
        dx = dsquares.reshape(N, C, H // 2, W // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        return (dx.reshape(x.shape),)
    return y, backward


def dense(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, Backward]:
    """(N, ...) -> (N, U): each of U units is a weighted sum of all numbers of a sample."""
    rows = x.reshape(len(x), -1)

    def backward(dy: np.ndarray) -> tuple[np.ndarray, ...]:
        return (dy @ kernel.T).reshape(x.shape), rows.T @ dy, dy.sum(axis=0)
    return rows @ kernel + bias, backward


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean of -log softmax(logits)[label], and its gradient, (p - one-hot labels) / N."""
    one_hot = labels[:, None] == np.arange(logits.shape[1])
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_p[one_hot].mean()), (np.exp(log_p) - one_hot) / len(labels)


def initial(rng: np.random.Generator) -> list[np.ndarray]:
    """Draw four filters of 3 x 3 and a dense layer behind them, of variance 2 / inputs; biases begin at 0."""
    return [rng.normal(0, np.sqrt(2 / 9), (4, 1, 3, 3)), np.zeros(4),
            rng.normal(0, np.sqrt(2 / 144), (144, 10)), np.zeros(10)]


def step(weights: list[np.ndarray], x: np.ndarray, labels: np.ndarray, rate: float) -> float:
    """Run a batch forward and backward, move the weights against their gradients, and return the loss."""
    k1, b1, k2, b2 = weights
    y, back_conv = convolve(x, k1, b1)
    y, back_relu = relu(y)
    y, back_pool = max_pool(y)
    logits, back_dense = dense(y, k2, b2)
    loss, dlogits = cross_entropy(logits, labels)
    dy, dk2, db2 = back_dense(dlogits)
    dy, = back_relu(*back_pool(dy))
    _, dk1, db1 = back_conv(dy)
    for weight, gradient in zip(weights, (dk1, db1, dk2, db2), strict=True):
        weight -= rate * gradient
    return loss


def load(count: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Return images at half their size (N, 1, 14, 14), from 0 to 1, and their labels."""
    (images, labels), _ = mnist.load_data()
    squares = images[:count].reshape(count, 1, 14, 2, 14, 2) / 255
    return squares.mean(axis=(3, 5)), labels[:count].astype(int)


def main(epochs: int = 4, batch: int = 25, rate: float = 0.1) -> list[np.ndarray]:
    """Train on 1,000 digits and print the loss of each epoch; return the weights."""
    (x, labels), rng = load(), np.random.default_rng(0)
    weights = initial(rng)
    for epoch in range(epochs):
        order = rng.permutation(len(x))
        losses = [step(weights, x[chosen], labels[chosen], rate) for chosen in np.split(order, len(x) // batch)]
        print(f"epoch {epoch + 1}   loss {np.mean(losses):.3f}")
    return weights


if __name__ == "__main__":
    main()
