"""Everything that a user may change, here and in PyTorch: each layer alone, optimizers, options, activations, networks.

Each entry of a table names one thing, and has two functions that make it: one of tinynet's names, one of PyTorch's.
`tinynet` and `pytorch` make a function of it that runs it once: a layer forward and backward, or a step of a training;
so does `keras` of those steps that are `IN_KERAS`, by the same names.
They get images that lie in memory channels first or last, whichever is faster; PyTorch its fastest implementation of
each optimizer, and no more arithmetic than the task needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

IMAGES = (120, 32, 24, 24)
Pair = tuple[Callable[..., Any], Callable[..., Any]]

LAYERS: dict[str, Pair] = {
    "Conv2D 3x3": (lambda L: L.Conv2D(32, 3), lambda nn: nn.Conv2d(32, 32, 3)),
    "Conv2D 3x3 same": (lambda L: L.Conv2D(32, 3, padding="same"), lambda nn: nn.Conv2d(32, 32, 3, padding=1)),
    "Conv2D 1x1": (lambda L: L.Conv2D(32, 1), lambda nn: nn.Conv2d(32, 32, 1)),
    "Conv2D 5x5": (lambda L: L.Conv2D(32, 5), lambda nn: nn.Conv2d(32, 32, 5)),
    "Conv2D stride 2": (lambda L: L.Conv2D(64, 3, strides=2), lambda nn: nn.Conv2d(32, 64, 3, stride=2)),
    "Conv2D dilation 2": (lambda L: L.Conv2D(32, 3, dilation_rate=2), lambda nn: nn.Conv2d(32, 32, 3, dilation=2)),
    "Conv2D 4 groups": (lambda L: L.Conv2D(32, 3, groups=4), lambda nn: nn.Conv2d(32, 32, 3, groups=4)),
    "DepthwiseConv2D 3x3": (lambda L: L.DepthwiseConv2D(3), lambda nn: nn.Conv2d(32, 32, 3, groups=32)),
    "SeparableConv2D 3x3": (lambda L: L.SeparableConv2D(32, 3), lambda nn: nn.Sequential(
        nn.Conv2d(32, 32, 3, groups=32, bias=False), nn.Conv2d(32, 32, 1))),
    "Conv2DTranspose 3x3": (lambda L: L.Conv2DTranspose(32, 3), lambda nn: nn.ConvTranspose2d(32, 32, 3)),
    "MaxPool2D": (lambda L: L.MaxPool2D(), lambda nn: nn.MaxPool2d(2)),
    "MaxPool2D 3, stride 2": (lambda L: L.MaxPool2D(3, 2), lambda nn: nn.MaxPool2d(3, 2)),
    "MaxPool2D 3, stride 1": (lambda L: L.MaxPool2D(3, 1), lambda nn: nn.MaxPool2d(3, 1)),
    "AveragePool2D": (lambda L: L.AveragePool2D(), lambda nn: nn.AvgPool2d(2)),
    "AveragePool2D 3, stride 2": (lambda L: L.AveragePool2D(3, 2), lambda nn: nn.AvgPool2d(3, 2)),
    "GlobalAvgPool2D": (lambda L: L.GlobalAvgPool2D(), lambda nn: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())),
    "GlobalMaxPool2D": (lambda L: L.GlobalMaxPool2D(), lambda nn: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())),
    "ZeroPadding2D": (lambda L: L.ZeroPadding2D(), lambda nn: nn.ZeroPad2d(1)),
    "UpSampling2D": (lambda L: L.UpSampling2D(), lambda nn: nn.Upsample(scale_factor=2)),
    "UpSampling2D, bilinear": (lambda L: L.UpSampling2D(interpolation="bilinear"),
                               lambda nn: nn.Upsample(scale_factor=2, mode="bilinear")),
    "BatchNormalization": (lambda L: L.BatchNormalization(), lambda nn: nn.BatchNorm2d(32)),
    "BatchNormalization, ReLU": (lambda L: [L.BatchNormalization(), L.ReLU()],
                                 lambda nn: nn.Sequential(nn.BatchNorm2d(32), nn.ReLU())),
    "LayerNormalization": (lambda L: L.LayerNormalization(), lambda nn: nn.LayerNorm(24)),
    "Dropout": (lambda L: L.Dropout(0.3), lambda nn: nn.Dropout(0.3)),
    "SpatialDropout2D": (lambda L: L.SpatialDropout2D(0.3), lambda nn: nn.Dropout2d(0.3)),
    "AlphaDropout": (lambda L: L.AlphaDropout(0.3), lambda nn: nn.AlphaDropout(0.3)),
    "Residual": (lambda L: L.Residual([L.Conv2D(32, 3, padding="same"), L.BatchNormalization(), L.ReLU()]),
                 lambda nn: residual(nn, nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())),
    "PReLU": (lambda L: L.PReLU(shared_axes=[2, 3]), lambda nn: nn.PReLU(32)),
    "Softmax": (lambda L: L.Softmax(), lambda nn: nn.Softmax(-1)),
    "Softmax of channels": (lambda L: L.Softmax(1), lambda nn: nn.Softmax(1)),
    "Dense": (lambda L: [L.Flatten(), L.Dense(128)], lambda nn: nn.Sequential(nn.Flatten(), nn.Linear(18432, 128))),
}
ACTIVATIONS: dict[str, Pair] = {
    "relu": (lambda L: L.ReLU(), lambda nn: nn.ReLU()),
    "leaky_relu": (lambda L: L.LeakyReLU(0.2), lambda nn: nn.LeakyReLU(0.2)),
    "relu6": (lambda L: L.ReLU6(), lambda nn: nn.ReLU6()),
    "elu": (lambda L: L.ELU(), lambda nn: nn.ELU()),
    "selu": (lambda L: L.SELU(), lambda nn: nn.SELU()),
    "gelu": (lambda L: L.GELU(), lambda nn: nn.GELU()),
    "gelu, approximate": (lambda L: L.GELU(True), lambda nn: nn.GELU("tanh")),
    "silu": (lambda L: L.SiLU(), lambda nn: nn.SiLU()),
    "sigmoid": (lambda L: L.Sigmoid(), lambda nn: nn.Sigmoid()),
    "tanh": (lambda L: L.Tanh(), lambda nn: nn.Tanh()),
    "softplus": (lambda L: L.Softplus(), lambda nn: nn.Softplus()),
    "softsign": (lambda L: L.Softsign(), lambda nn: nn.Softsign()),
    "hard_sigmoid": (lambda L: L.HardSigmoid(), lambda nn: nn.Hardsigmoid()),
}
OPTIMIZERS: dict[str, Pair] = {
    "adam": (lambda made, **o: made.Adam(**o), lambda optim, p: optim.Adam(p, fused=True)),
    "sgd": (lambda made, **o: made.SGD(**o), lambda optim, p: optim.SGD(p, 0.01, fused=True)),
    "sgd, momentum": (lambda made, **o: made.SGD(momentum=0.9, **o),
                      lambda optim, p: optim.SGD(p, 0.01, 0.9, fused=True)),
    "sgd, nesterov": (lambda made, **o: made.SGD(momentum=0.9, nesterov=True, **o),
                      lambda optim, p: optim.SGD(p, 0.01, 0.9, nesterov=True, fused=True)),
    "rmsprop": (lambda made, **o: made.RMSprop(**o), lambda optim, p: optim.RMSprop(p, 1e-3, 0.9, foreach=True)),
    "rmsprop, momentum": (lambda made, **o: made.RMSprop(momentum=0.9, **o),
                          lambda optim, p: optim.RMSprop(p, 1e-3, 0.9, momentum=0.9, foreach=True)),
    "rmsprop, centered": (lambda made, **o: made.RMSprop(centered=True, **o),
                          lambda optim, p: optim.RMSprop(p, 1e-3, 0.9, centered=True, foreach=True)),
    "adamw": (lambda made, **o: made.AdamW(**o), lambda optim, p: optim.AdamW(p, weight_decay=0.004, fused=True)),
    "nadam": (lambda made, **o: made.Nadam(**o), lambda optim, p: optim.NAdam(p, 1e-3, foreach=True)),
    "adamax": (lambda made, **o: made.Adamax(**o), lambda optim, p: optim.Adamax(p, 1e-3, foreach=True)),
    "adagrad": (lambda made, **o: made.Adagrad(**o), lambda optim, p: optim.Adagrad(p, 1e-3, fused=True)),
    "adadelta": (lambda made, **o: made.Adadelta(**o), lambda optim, p: optim.Adadelta(p, 1e-3, 0.95, foreach=True)),
}
OPTIONS: dict[str, tuple[dict[str, Any], Callable[..., Any]]] = {          # an argument here; what it is in PyTorch
    "": ({}, lambda torch, p: None),
    "clipnorm": ({"clipnorm": 0.1}, lambda torch, p: clip_each(torch, p, 0.1)),
    "clipvalue": ({"clipvalue": 0.001}, lambda torch, p: torch.nn.utils.clip_grad_value_(p, 0.001, foreach=True)),
    "global_clipnorm": ({"global_clipnorm": 0.1},
                        lambda torch, p: torch.nn.utils.clip_grad_norm_(p, 0.1, foreach=True)),
    "weight_decay": ({"weight_decay": 0.01}, lambda torch, p: torch._foreach_mul_(p, 1 - 1e-5)),
    "use_ema": ({"use_ema": True}, lambda torch, p: average(torch, p)),
}
REGULARIZERS: dict[str, Pair] = {
    "l1": (lambda R: R.L1(1e-4), lambda w: 1e-4 * w.abs().sum()),
    "l2": (lambda R: R.L2(1e-4), lambda w: 1e-4 * w.square().sum()),
    "l1_l2": (lambda R: R.L1L2(1e-4, 1e-4), lambda w: 1e-4 * w.abs().sum() + 1e-4 * w.square().sum()),
}
NETWORKS: dict[str, tuple[tuple[int, ...], Callable[..., Any], Callable[..., Any]]] = {     # shape of a batch, makers
    "MLP": ((200, 784), lambda L, act, reg: [L.Dense(784, activation=act, kernel_regularizer=reg), L.Dense(10)],
            lambda nn, act: [nn.Linear(784, 784), act, nn.Linear(784, 10)]),
    "MNIST example": (
        (128, 1, 28, 28),
        lambda L, act, reg: [L.Conv2D(32, 3, activation=act, kernel_regularizer=reg), L.MaxPool2D(),
                             L.Conv2D(64, 3, activation=act), L.MaxPool2D(), L.Flatten(), L.Dropout(0.5), L.Dense(10)],
        lambda nn, act: [nn.Conv2d(1, 32, 3), act, nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), act, nn.MaxPool2d(2),
                         nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10)]),
    "CIFAR example": (
        (32, 3, 32, 32),
        lambda L, act, reg: [
            L.Conv2D(32, 3, padding="same", activation=act, kernel_regularizer=reg), L.Conv2D(32, 3, activation=act),
            L.MaxPool2D(), L.Dropout(0.25), L.Conv2D(64, 3, padding="same", activation=act),
            L.Conv2D(64, 3, activation=act), L.MaxPool2D(), L.Dropout(0.25), L.Flatten(), L.Dense(512, activation=act),
            L.Dropout(0.5), L.Dense(10)],
        lambda nn, act: [
            nn.Conv2d(3, 32, 3, padding=1), act, nn.Conv2d(32, 32, 3), act, nn.MaxPool2d(2), nn.Dropout(0.25),
            nn.Conv2d(32, 64, 3, padding=1), act, nn.Conv2d(64, 64, 3), act, nn.MaxPool2d(2), nn.Dropout(0.25),
            nn.Flatten(), nn.Linear(2304, 512), act, nn.Dropout(0.5), nn.Linear(512, 10)]),
    "record": (
        (120, 1, 28, 28),
        lambda L, act, reg: [
            L.Conv2D(16, 5, use_bias=False), L.MaxPool2D(), L.BatchNormalization(), L.ReLU(), *block(L, 32),
            L.Conv2D(48, 3, padding="same", use_bias=False), L.MaxPool2D(), L.BatchNormalization(), L.ReLU(),
            *block(L, 64), *block(L, 96), L.Conv2D(128, 3, use_bias=False), L.BatchNormalization(), L.ReLU(),
            L.GlobalAvgPool2D(), L.Dense(10)],
        lambda nn, act: [
            nn.Conv2d(1, 16, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(16), nn.ReLU(), *their_block(nn, 16, 32),
            nn.Conv2d(32, 48, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(48), nn.ReLU(),
            *their_block(nn, 48, 64), *their_block(nn, 64, 96), nn.Conv2d(96, 128, 3, bias=False), nn.BatchNorm2d(128),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)]),
    "residual": (
        (64, 3, 32, 32),
        lambda L, act, reg: [*block(L, 32), L.Residual([*block(L, 32), *block(L, 32)]), L.MaxPool2D(), *block(L, 64),
                             L.Residual([*block(L, 64), *block(L, 64)]), L.GlobalAvgPool2D(), L.Dense(10)],
        lambda nn, act: [*their_block(nn, 3, 32), residual(nn, *their_block(nn, 32, 32), *their_block(nn, 32, 32)),
                         nn.MaxPool2d(2), *their_block(nn, 32, 64),
                         residual(nn, *their_block(nn, 64, 64), *their_block(nn, 64, 64)), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(64, 10)]),
}
EXAMPLES = ("MLP", "MNIST example", "CIFAR example")
# (network, optimizer, option, activation, regularizer), or a layer's name alone
CASES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in [*LAYERS, *ACTIVATIONS]},
    **{f"{network}: {name}": (network, name, "", "relu", "") for network in EXAMPLES for name in OPTIMIZERS},
    **{f"{network}: {name}": (network, "adam", name, "relu", "") for network in EXAMPLES for name in OPTIONS if name},
    **{f"{network}: {name}": (network, "adam", "", name, "") for network in EXAMPLES for name in ACTIVATIONS
       if name != "relu"},
    **{f"{network}: {name}": (network, "adam", "", "relu", name) for network in EXAMPLES for name in REGULARIZERS},
    "record: adamw, use_ema": ("record", "adamw", "use_ema", "relu", ""),
    "residual: adamw": ("residual", "adamw", "", "relu", ""),
}

IN_KERAS = [name for name, (_, *more) in CASES.items() if more[2:3] == ["relu"]]    # not all activations are its layers


def block(L: Any, filters: int) -> list[Any]:
    """Return a convolution, its normalisation and a ReLU."""
    return [L.Conv2D(filters, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU()]


def their_block(nn: Any, channels: int, filters: int) -> list[Any]:
    """Return the same in PyTorch."""
    return [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]


def residual(nn: Any, *layers: Any) -> Any:
    """Return x + f(x) as a module."""
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.f = nn.Sequential(*layers)

        def forward(self, x: Any) -> Any:
            return x + self.f(x)
    return Block()


def clip_each(torch: Any, parameters: list[Any], largest: float) -> None:
    """Scale each gradient down to the largest norm."""
    grads = [p.grad for p in parameters]
    factors = torch.clamp(largest / torch.stack(torch._foreach_norm(grads)), max=1.0)
    torch._foreach_mul_(grads, list(factors.unbind()))


def average(torch: Any, parameters: list[Any]) -> None:
    """Move the running means of parameters, which are kept beside the first of them."""
    if not hasattr(parameters[0], "average"):
        parameters[0].average = [p.detach().clone() for p in parameters]
    torch._foreach_lerp_(parameters[0].average, parameters, 0.01)


def batch(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return random samples, and labels."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape, dtype=np.float32), rng.integers(10, size=shape[0])


def tinynet(name: str) -> Callable[[], object]:
    """Make a case here."""
    from tinynet import Sequential, layers, losses, optimizers, regularizers

    network, *more = CASES[name]
    x, labels = batch(NETWORKS[network][0] if more else IMAGES)
    if not more:
        made = {**LAYERS, **ACTIVATIONS}[name][0](layers)
        model = Sequential(made if isinstance(made, list) else [made], input_shape=x.shape[1:], seed=0)
        return min((run_of(model, images) for images in (x, channels_last(x))), key=shortest)
    optimizer, option, activation, regularizer = more
    act = ACTIVATIONS[activation][0](layers)
    reg = REGULARIZERS[regularizer][0](regularizers) if regularizer else None
    model = Sequential(NETWORKS[network][1](layers, act, reg), input_shape=x.shape[1:], seed=0)
    model.compile(OPTIMIZERS[optimizer][0](optimizers, **OPTIONS[option][0]),
                  losses.SparseCategoricalCrossentropy(from_logits=True))
    return lambda: model.train_on_batch(x, labels)


def run_of(model: Any, x: np.ndarray) -> Callable[[], object]:
    """Return what runs a model forward and backward."""
    dy = np.ones_like(model.forward(x, training=True)[0])                           # lies as the output does
    return lambda: model.forward(x, training=True)[1](dy)


def channels_last(x: np.ndarray) -> np.ndarray:
    """Return images (N, C, H, W) that lie in memory as (N, H, W, C)."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def pytorch(name: str) -> Callable[[], object]:
    """Make a case in PyTorch, of images in the layout in memory that is faster."""
    import torch

    torch.set_num_threads(2)
    runs = [their_run(torch, name, layout) for layout in
            ([torch.contiguous_format] if CASES[name][0] == "MLP" else [torch.contiguous_format, torch.channels_last])]
    return min(runs, key=shortest)


def shortest(run: Callable[[], object], times: int = 4) -> float:
    """Return the shortest of a few times that a function takes."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found[1:])


def their_run(torch: Any, name: str, layout: Any) -> Callable[[], object]:
    """Make a case in PyTorch, of images in one layout."""
    network, *more = CASES[name]
    x, labels = map(torch.from_numpy, batch(NETWORKS[network][0] if more else IMAGES))
    x = x.to(memory_format=layout)
    if not more:
        layer, x = {**LAYERS, **ACTIVATIONS}[name][1](torch.nn).to(memory_format=layout), x.requires_grad_()
        dy = torch.ones_like(layer(x))

        def run() -> None:
            x.grad = None
            layer.zero_grad(set_to_none=True)
            layer(x).backward(dy)
        return run
    optimizer, option, activation, regularizer = more
    nn, entropy = torch.nn, torch.nn.CrossEntropyLoss()
    model = nn.Sequential(*NETWORKS[network][2](nn, ACTIVATIONS[activation][1](nn))).to(memory_format=layout)
    parameters = list(model.parameters())
    update = OPTIMIZERS[optimizer][1](torch.optim, parameters)
    change, before = OPTIONS[option][1], "clip" in option                          # the gradients, or the weights

    def step() -> float:
        update.zero_grad(set_to_none=True)
        loss = entropy(model(x), labels)
        if regularizer:
            loss = loss + REGULARIZERS[regularizer][1](parameters[0])
        loss.backward()
        with torch.no_grad():
            if before:
                change(torch, parameters)
            update.step()
            if not before:
                change(torch, parameters)
        return loss.item()
    return step


def keras(name: str) -> Callable[[], object]:
    """Make a step of a training in Keras on TensorFlow, channels last, which is what it is fast with on a CPU."""
    import keras
    import tensorflow as tf

    class Residual(keras.layers.Layer):                                # which Keras has no layer for
        def __init__(self, layers: list[Any]) -> None:
            super().__init__()
            self.f = keras.Sequential(layers)

        def call(self, x: Any, training: bool = False) -> Any:
            return x + self.f(x, training=training)

    tf.config.threading.set_intra_op_parallelism_threads(2)
    network, optimizer, option, activation, regularizer = CASES[name]
    x, labels = batch(NETWORKS[network][0])
    x = channels_last(x).transpose(0, 2, 3, 1) if x.ndim == 4 else x
    names = SimpleNamespace(**vars(keras.layers), Residual=Residual)
    act = ACTIVATIONS[activation][0](names)
    reg = REGULARIZERS[regularizer][0](keras.regularizers) if regularizer else None
    model = keras.Sequential([keras.layers.Input(x.shape[1:]), *NETWORKS[network][1](names, act, reg)])
    model.compile(OPTIMIZERS[optimizer][0](keras.optimizers, **OPTIONS[option][0]),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, labels = tf.constant(x), tf.constant(labels)
    return lambda: model.train_on_batch(x, labels)


ENGINES = {"tinynet": tinynet, "pytorch": pytorch, "keras": keras}
