"""Grad-CAM: which positions of a layer's feature maps are evidence for a class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.steps.untouched import untouched
from tinynet.study.arguments import LayerOrName, Target, check_images, expect
from tinynet.study.attribution.targets import logit_gradients
from tinynet.study.receptive_fields import Field, fields_at
from tinynet.study.trace import Trace
from tinynet.training.model import Model


def grad_cam(model: Model, x: ArrayLike, layer: LayerOrName, target: Target = None, relu: bool = True) -> np.ndarray:
    """Return where a layer's feature maps A are evidence for the target class, upsampled to the image (N, H, W).

    ::

        weight[k]  = mean over positions (p, q) of  d logit / d A[k,p,q]
        cam[p,q]   = ReLU(sum_k weight[k] A[k,p,q])

    The coarse map is upsampled by linear interpolation, with each value at the centre of its receptive field. A value
    stands for the pixels about that centre, as many as the centres lie apart; the border beyond the outermost of them,
    of which the map says nothing, is 0. (Stretching the map over the image instead would shift it outwards, since
    convolutions without padding leave out the border.) Where the receptive fields are not known, it is stretched. A map
    that is nowhere positive is all 0 after the ReLU; ``relu=False`` shows its values.
    Source: Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based
    localization", equations 1 and 2.

    Parameters
    ----------
    x : images for the model (N, C, H, W).
    layer : the name of a step whose output is images, such as ``"conv2d_2/relu"``; a layer stands for its first step.
    target : a class for all samples, or one for each (N,); None takes each sample's largest logit.
    relu : whether negative values, which are evidence against the class, are set to 0.

    Raises
    ------
    ValueError : for a step whose output is not images, logits that are not (N, classes), or a wrong target.

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
        check_images(trace.inputs[0], "grad_cam")
        index = trace.place(layer)
        maps = trace.outputs[index]
        expect(maps.ndim == 4, "a step whose output is images",
               f"'{trace.steps[index].name}', whose output is {maps.shape}", "grad_cam")
        upstream = logit_gradients(trace, target, "grad_cam")[index + 1]               # (N, K, P, Q)
    weights = upstream.mean(axis=(2, 3), keepdims=True)                                # (N, K, 1, 1)
    cam = (weights * maps).sum(axis=1)                                                 # (N, P, Q)
    if relu:
        cam = cam.clip(0)
    fields = fields_at(trace, index) or (None, None)
    vertical, horizontal = (
        interpolation_matrix(field, count, size).astype(cam.dtype)
        for field, count, size in zip(fields, cam.shape[1:], trace.inputs[0].shape[2:], strict=True))
    return vertical @ cam @ horizontal.T                                               # (H, P) (P, Q) (Q, W)


def interpolation_matrix(field: Field, count: int, size: int) -> np.ndarray:
    """Return the matrix (size, count) that interpolates `count` values along an axis of `size` pixels.

    >>> interpolation_matrix((0, 1, 2), 2, 3)           # values at pixels 0 and 2
    array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ]])
    >>> interpolation_matrix((0, 3, 1), 2, 4)           # centred on pixels 1 and 2: nothing is known of the others
    array([[0., 0.],
           [1., 0.],
           [0., 1.],
           [0., 0.]])
    """
    start, width, jump = field or (0, size / count, size / count)
    centres, pixels = start + (width - 1) / 2 + jump * np.arange(count), np.arange(size)
    # Interpolation is linear in the values, so its columns are the interpolated unit vectors.
    matrix = np.stack([np.interp(pixels, centres, unit) for unit in np.eye(count)], axis=1)
    outside = (pixels < centres[0] - jump / 2) | (pixels > centres[-1] + jump / 2)
    matrix[outside] = 0
    return matrix
