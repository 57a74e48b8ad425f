# prelu.py
import numpy as np

from tinynet.layers import Layer


class PReLU(Layer):
    """y = x where x > 0, slope * x elsewhere."""

    def build(self, input_shape, rng):
        self.params["slope"] = np.full(input_shape, 0.25, np.float32)
        return input_shape

    def forward(self, x, training=False):
        slope, positive = self.params["slope"], x > 0

        def backward(dy):
            self.grads["slope"] = np.where(positive, 0, x * dy).sum(axis=0)
            return np.where(positive, 1, slope) * dy
        return np.where(positive, x, slope * x), backward
