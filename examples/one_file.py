"""A convolutional network in one file, with nothing but NumPy: data, layers, gradients, Adam and training.

It is the network of `mnist_larger.py`. Each layer is a function: it returns its output, and the function that runs it
backward. That takes the upstream gradient dy = d loss / d output, and returns the gradient of the layer's input, then
those of its weights. To train it: python examples/one_file.py --epochs 10
"""

import argparse
import gzip
import time
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

FOLDER = Path(__file__).resolve().parents[1] / "tinynet" / "datasets" / "data" / "mnist"


def load(name):
    """Return images (N, 1, 28, 28), scaled to [0, 1], and labels (N,); `name` is "train" or "t10k"."""
    images, labels = (gzip.decompress((FOLDER / f"{name}-{kind}-ubyte.gz").read_bytes())
                      for kind in ("images-idx3", "labels-idx1"))            # bytes, behind a header of 16 or 8 bytes
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return pixels.astype(np.float32) / 255, np.frombuffer(labels, np.uint8, offset=8)


def convolve(x, kernel, bias, need_dx=True):
    """(N, C, H, W) -> (N, F, P, Q): the product of each of F kernels with each window of an image, summed."""
    F, C, kh, kw = kernel.shape
    windows = sliding_window_view(x, (kh, kw), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)    # (N, P, Q, C, kh, kw)
    columns, (N, P, Q) = windows.reshape(-1, C * kh * kw), windows.shape[:3]               # im2col: a window a row
    y = (columns @ kernel.reshape(F, -1).T + bias).reshape(N, P, Q, F)                     # of one product for all

    def backward(dy):
        dy = dy.transpose(0, 2, 3, 1).reshape(-1, F)
        dx = np.zeros((N, *x.shape[2:], C), x.dtype)                 # a pixel lies in up to kh * kw windows,
        for i, j in np.ndindex(kh, kw) if need_dx else ():           # and collects its gradient from all of them
            dx[:, i:i + P, j:j + Q] += (dy @ kernel[:, :, i, j]).reshape(N, P, Q, C)
        return dx.transpose(0, 3, 1, 2), (dy.T @ columns).reshape(kernel.shape), dy.sum(axis=0)
    return y.transpose(0, 3, 1, 2), backward


def max_pool(x):
    """(N, C, H, W) -> (N, C, H/2, W/2): the largest of 2 x 2 pixels, which alone takes the gradient."""
    corners = [x[:, :, i::2, j::2] for i, j in np.ndindex(2, 2)]     # of each square
    y = np.max(corners, axis=0)

    def backward(dy):
        dx = np.zeros_like(x)
        for (i, j), corner in zip(np.ndindex(2, 2), corners, strict=True):
            dx[:, :, i::2, j::2] = dy * (corner == y)
            dy = dy * (corner != y)                                  # of equal ones the first takes it all
        return [dx]
    return y, backward


def relu(x):
    """max(x, 0): the gradient passes where x is above 0."""
    return np.maximum(x, 0), lambda dy: [dy * (x > 0)]


def dropout(x, rng, rate=0.2):
    """Drop a fifth of the numbers in training, and scale the others so that the mean stays; without `rng`, none."""
    mask = 1 if rng is None else ((rng.random(x.shape) >= rate) / (1 - rate)).astype(x.dtype)
    return x * mask, lambda dy: [dy * mask]


def dense(x, kernel, bias):
    """(N, ...) -> (N, U): each of U units is a weighted sum of all inputs."""
    rows = x.reshape(len(x), -1)
    return rows @ kernel + bias, lambda dy: [(dy @ kernel.T).reshape(x.shape), rows.T @ dy, dy.sum(axis=0)]


def cross_entropy(logits, labels):
    """Return the mean of -log p[label], with p = softmax(logits), and its gradient: (p - one-hot labels) / N."""
    one_hot = labels[:, None] == np.arange(logits.shape[1])          # (N, classes)
    shifted = logits - logits.max(axis=1, keepdims=True)             # so that no exponent overflows
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[one_hot].mean(), (np.exp(log_p) - one_hot) / len(labels)


def network(weights, rng=None):
    """List the layers with their weights; `rng` draws what dropout drops, in training."""
    k1, b1, k2, b2, k3, b3, k4, b4, k5, b5 = weights
    return [lambda x: convolve(x, k1, b1, need_dx=False), relu, max_pool,   # (N, 1, 28, 28) -> (N, 30, 12, 12)
            lambda x: convolve(x, k2, b2), relu, max_pool,                  # -> (N, 15, 5, 5)
            lambda x: dropout(x, rng), lambda x: dense(x, k3, b3), relu,    # 15 * 5 * 5 = 375 -> (N, 128)
            lambda x: dense(x, k4, b4), relu,                               # -> (N, 50)
            lambda x: dense(x, k5, b5)]                                     # -> (N, 10)


def forward(layers, x):
    """Return the output of the last layer, and the backward of each."""
    backwards = []
    for layer in layers:
        x, backward = layer(x)
        backwards.append(backward)
    return x, backwards


def gradients(backwards, dy):
    """Return the gradients of all weights, in their order: the chain rule, from the last layer to the first."""
    found: list[np.ndarray] = []
    for backward in reversed(backwards):
        dy, *of_weights = backward(dy)
        found = of_weights + found
    return found


def initial_weights(rng):
    """Draw kernels that keep the size of signals from layer to layer (Glorot and Bengio, 2010); biases are 0."""
    weights = []
    for units, *shape in (30, 30, 1, 5, 5), (15, 15, 30, 3, 3), (128, 375, 128), (50, 128, 50), (10, 50, 10):
        limit = np.sqrt(6 / ((shape[0] + shape[1]) * np.prod(shape[2:])))
        weights += [rng.uniform(-limit, limit, shape).astype(np.float32), np.zeros(units, np.float32)]
    return weights


def adam(weights, grads, moments, t, rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Take step t: each weight moves by its mean gradient over the size of its gradients (Kingma and Ba, 2015)."""
    rate *= np.sqrt(1 - beta_2 ** t) / (1 - beta_1 ** t)             # the means begin at 0, which this makes up for
    for w, g, (m, v) in zip(weights, grads, moments, strict=True):
        m += (1 - beta_1) * (g - m)
        v += (1 - beta_2) * (g * g - v)
        w -= rate * m / (np.sqrt(v) + epsilon)


def train(x, labels, test, epochs, seed, batch=200):
    """Return weights that were trained on batches, in another random order each epoch."""
    rng, start, t = np.random.default_rng(seed), time.perf_counter(), 0
    weights = initial_weights(rng)
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    for epoch in range(epochs):
        for chosen in np.array_split(rng.permutation(len(x)), -(-len(x) // batch)):
            logits, backwards = forward(network(weights, rng), x[chosen])
            loss, dlogits = cross_entropy(logits, labels[chosen])
            adam(weights, gradients(backwards, dlogits), moments, t := t + 1)
        guesses = [forward(network(weights), part)[0].argmax(axis=1) for part in np.array_split(test[0], 20)]
        print(f"epoch {epoch + 1}: loss {loss:.4f}, test error {np.mean(np.concatenate(guesses) != test[1]):.2%}, "
              f"{time.perf_counter() - start:.0f} s", flush=True)
    return weights


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a convolutional network on MNIST with NumPy alone.")
    for option, default in {"--epochs": 10, "--seed": 0, "--limit": 60_000}.items():
        parser.add_argument(option, type=int, default=default)
    args = parser.parse_args()
    x, y = load("train")
    train(x[:args.limit], y[:args.limit], load("t10k"), args.epochs, args.seed)
