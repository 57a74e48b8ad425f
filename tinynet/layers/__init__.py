"""The layers: each file one concept, each layer its forward and its backward side by side.

A model runs some of them in one pass, by default: ``print(model.plan())`` shows which, by which function, and why.
``with kernels.use("fast", fuse=False):`` every layer runs the code that its file shows.
"""

from tinynet.layers.activations import Activation, ReLU, Sigmoid, Softmax, Tanh
from tinynet.layers.augmentation import (
    RandomAffine,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from tinynet.layers.base import Layer
from tinynet.layers.conv2d import Conv2D
from tinynet.layers.dense import Dense
from tinynet.layers.dropout import Dropout
from tinynet.layers.flatten import Flatten
from tinynet.layers.input import Input
from tinynet.layers.normalization import BatchNormalization, LayerNormalization
from tinynet.layers.pooling import AveragePool2D, AveragePooling2D, MaxPool2D, MaxPooling2D
from tinynet.layers.residual import Residual

__all__ = ["Activation", "AveragePool2D", "AveragePooling2D", "BatchNormalization", "Conv2D", "Dense", "Dropout",
           "Flatten", "Input", "Layer", "LayerNormalization", "MaxPool2D", "MaxPooling2D", "RandomAffine",
           "RandomContrast", "RandomCrop", "RandomElasticTransform", "RandomFlip", "RandomRotation", "RandomShear",
           "RandomTranslation", "RandomZoom", "ReLU", "Residual", "Sigmoid", "Softmax", "Tanh"]
