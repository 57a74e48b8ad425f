"""The layers: each file one concept, each layer its forward and its backward side by side.

A model runs some of them in one pass, by default: ``print(model.plan())`` shows which, by which function, and why.
``with kernels.use("fast", fuse=False):`` every layer runs the code that its file shows.
"""

from tinynet.layers.activations import Activation, ReLU, Sigmoid, Softmax, Tanh
from tinynet.layers.base import Layer
from tinynet.layers.conv2d import Conv2D
from tinynet.layers.conv2d_transpose import Conv2DTranspose
from tinynet.layers.dense import Dense
from tinynet.layers.depthwise import DepthwiseConv2D, SeparableConv2D
from tinynet.layers.dropout import Dropout
from tinynet.layers.flatten import Flatten
from tinynet.layers.input import Input
from tinynet.layers.pooling import AveragePool2D, AveragePooling2D, MaxPool2D, MaxPooling2D
from tinynet.layers.resizing import UpSampling2D, ZeroPadding2D

__all__ = ["Activation", "AveragePool2D", "AveragePooling2D", "Conv2D", "Conv2DTranspose", "Dense",
           "DepthwiseConv2D", "Dropout", "Flatten", "Input", "Layer", "MaxPool2D", "MaxPooling2D", "ReLU",
           "SeparableConv2D", "Sigmoid", "Softmax", "Tanh", "UpSampling2D", "ZeroPadding2D"]
