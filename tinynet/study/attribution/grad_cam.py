"""Grad-CAM: which places of a layer's feature maps speak for a class."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.layers.base import Layer
from tinynet.steps.untouched import untouched
from tinynet.study.attribution.targets import logit_gradients
from tinynet.study.receptive_fields import Field, check_images, fields_at
from tinynet.study.trace import Trace


def grad_cam(model: Any, x: Any, layer: Layer | str, target: Any = None, relu: bool = True) -> np.ndarray:
    """Return where a layer's maps A speak for the target's logit, spread over the image (N, H, W).

    ::

        weight[k]  = mean over places (p, q) of  d logit / d A[k,p,q]
        cam[p,q]   = ReLU(sum_k weight[k] A[k,p,q])

    The coarse map is spread by linear interpolation, each of its numbers in the middle of its receptive field, and the
    outermost on to the edge. (A plain stretch over the image would shift them outwards under convolutions without
    padding.) Where the receptive fields are not known, it is stretched. A map that is nowhere positive is all 0 after
    the ReLU; with ``relu=False`` it can be seen for what it is.
    Source: Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based
    localization", equations 1 and 2.

    Parameters
    ----------
    x : images for the model (N, C, H, W).
    layer : the name of a step that makes images, such as ``"conv2d_2/relu"``; a layer stands for its first step.
    target : a class for all samples, or one for each (N,); None takes each sample's largest logit.
    relu : whether numbers below 0, which speak against the class, are set to 0.

    Raises
    ------
    ValueError : for a step that makes no images, other logits than (N, classes), or a wrong target.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Conv2D, Dense, Flatten
    >>> model = Sequential([Conv2D(1, 1, kernel_initializer="ones", input_shape=(1, 2, 2)), Flatten(),
    ...                     Dense(1, kernel_initializer="ones")])
    >>> grad_cam(model, [[[[1, 2], [3, -4]]]], "conv2d_1")[0]
    array([[1., 2.],
           [3., 0.]], dtype=float32)
    """
    with untouched(model):
        trace = Trace(model, x)
        check_images(trace, "grad_cam")
        place = trace.place(layer)
        maps = trace.outputs[place]
        if maps.ndim != 4:
            raise ValueError(f"grad_cam: expected a step that makes images. Received: '{trace.steps[place].name}', "
                             f"which makes {maps.shape}.")
        upstream = logit_gradients(trace, target, "grad_cam")[place + 1]               # (N, K, P, Q)
    weights = upstream.mean(axis=(2, 3), keepdims=True)                                # (N, K, 1, 1)
    cam = (weights * maps).sum(axis=1)                                                 # (N, P, Q)
    if relu:
        cam = cam.clip(0)
    rows, columns = fields_at(trace, place) or (None, None)
    down, across = (spread(field, cells, size).astype(cam.dtype) for field, cells, size in
                    zip((rows, columns), cam.shape[1:], trace.inputs[0].shape[2:], strict=True))
    return down @ cam @ across.T                                                       # (H, P) (P, Q) (Q, W)


def spread(field: Field, count: int, size: int) -> np.ndarray:
    """Return the matrix (size, count) that interpolates `count` numbers along an axis of `size` pixels.

    >>> spread((0, 1, 2), 2, 3)                         # in the middle of pixels 0 and 2
    array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ]])
    """
    start, width, jump = field or (0, size / count, size / count)
    centres = start + (width - 1) / 2 + jump * np.arange(count)
    return np.stack([np.interp(np.arange(size), centres, one) for one in np.eye(count)], axis=1)
