"""What the tests compare with: slopes measured by small steps, and slow definitions from NumPy and SciPy.

Nothing here knows how tinynet computes anything.
"""

import numpy as np
from scipy.ndimage import correlate

LAYOUTS = ("contiguous", "fortran", "strided", "reversed", "transposed", "read-only", "big-endian",
           "unaligned")


def slope(f, x, step=1e-6):
    """Measure d f / d x by central differences, moving every number of the float64 array x in its place."""
    assert x.dtype == np.float64
    dx = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        here = x[place]
        x[place] = here + step
        above = f()
        x[place] = here - step
        below = f()
        x[place] = here
        dx[place] = (above - below) / (2 * step)
    return dx


def assert_gradients_right(layer, x, seed=0, training=False, forward=None, rtol=1e-6, atol=1e-8):
    """Hold dx and all grads of a float64 layer to measured slopes, under a random upstream gradient."""
    forward = forward or layer.forward
    x = np.array(x, np.float64)
    y, backward = forward(x, training)
    dy = np.random.default_rng(seed).normal(size=y.shape)
    dx = backward(dy)

    def loss():
        return float((forward(x, training)[0] * dy).sum())
    np.testing.assert_allclose(dx, slope(loss, x), rtol, atol, err_msg="gradient of the input")
    assert layer.grads.keys() == layer.params.keys()
    for key, p in layer.params.items():
        np.testing.assert_allclose(layer.grads[key], slope(loss, p), rtol, atol, err_msg=f"gradient of {key}")


def built(layer, input_shape, dtype=np.float64, seed=1):
    """Build a layer, and give every parameter (biases too) random numbers of `dtype`."""
    rng = np.random.default_rng(seed)
    layer.output_shape = layer.build(tuple(input_shape), rng)
    for key, p in layer.params.items():
        layer.params[key] = rng.normal(0, 0.5, p.shape).astype(dtype)
    for part in layer.leaves():
        if hasattr(part, "dtype"):                               # a model's, to which a call casts its input
            part.dtype = np.dtype(dtype)
    return layer


def in_layout(array, layout):
    """Return the same numbers laid out in memory in another way."""
    array = np.array(array)
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "strided":                                      # every second number of something wider
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 77, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "reversed":                                     # negative strides
        return np.flip(np.flip(array).copy())
    if layout == "transposed":                                   # channels last in memory, first in the axes
        return np.moveaxis(np.moveaxis(array, 1, -1).copy(), -1, 1)
    if layout == "read-only":
        array.flags.writeable = False
    if layout == "big-endian":                                   # as IDX files hold numbers
        return array.astype(array.dtype.newbyteorder(">"))
    if layout == "unaligned":                                    # as in a file that is memory-mapped behind its header
        unaligned = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        unaligned[...] = array
        return unaligned
    return array


def conv2d(x, kernel, strides=(1, 1), dilation=(1, 1)):
    """Cross-correlate with SciPy: the kernel spread out with zeros, the outputs thinned by the strides."""
    F, C, kh, kw = kernel.shape
    wide = np.zeros((F, C, dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1), kernel.dtype)
    wide[:, :, ::dilation[0], ::dilation[1]] = kernel
    inside = tuple(slice(size // 2, size // 2 + length - size + 1)                             # where windows are whole
                   for size, length in zip(wide.shape[1:], x.shape[1:], strict=True))
    y = np.array([[correlate(image, each, mode="constant")[inside][0] for each in wide] for image in x])
    return y[:, :, ::strides[0], ::strides[1]]


def window_views(x, size, strides):
    """See every window of images (N, C, H, W): (N, C, P, Q, kh, kw)."""
    views = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
    return views[:, :, ::strides[0], ::strides[1]]


def cross_entropy_slope(logits, one_hot):
    """Compute (p - y) / N in float64."""
    z = np.asarray(logits, np.float64)
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return (p - one_hot) / len(z)
