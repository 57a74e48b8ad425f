# sliding.py
import numpy as np

from tinynet.layers import Layer


class Sliding(Layer):
    """y[:, t] = sum over k of x[:, t + k] * kernel[k]; x is (N, steps, features)."""

    def __init__(self, size=3, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def build(self, input_shape, rng):
        steps, features = input_shape
        self.params["kernel"] = rng.normal(0, 0.5, (self.size, features)).astype(np.float32)
        return (steps - self.size + 1, features)

    def forward(self, x, training=False):
        kernel = self.params["kernel"]
        out = x.shape[1] - self.size + 1
        y = sum(x[:, k:k + out] * kernel[k] for k in range(self.size))

        def backward(dy):
            dx, dkernel = np.zeros_like(x), np.zeros_like(kernel)
            for k in range(self.size):
                dx[:, k:k + out] = dy * kernel[k]
                dkernel[k] = (dy * x[:, k:k + out]).mean(axis=(0, 1))
            self.grads["kernel"] = dkernel
            return dx
        return y, backward
