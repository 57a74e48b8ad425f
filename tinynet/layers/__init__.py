"""The layers: each file one concept, each layer its forward and its backward side by side.

A model runs some of them in one pass, by default: ``print(model.plan())`` shows which, by which function, and why.
``with kernels.use("fast", fuse=False):`` every layer runs the code that its file shows.
"""

from tinynet.layers.activations import Activation, ReLU, Softmax
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
from tinynet.layers.base import ActivityRegularization, Layer
from tinynet.layers.conv2d import Conv2D, Convolution2D
from tinynet.layers.conv2d_transpose import Conv2DTranspose, Convolution2DTranspose
from tinynet.layers.dense import Dense
from tinynet.layers.depthwise import DepthwiseConv2D, SeparableConv2D, SeparableConvolution2D
from tinynet.layers.dropout import AlphaDropout, Dropout, SpatialDropout2D
from tinynet.layers.flatten import Flatten, Reshape
from tinynet.layers.gelu import GELU
from tinynet.layers.input import Input, InputLayer
from tinynet.layers.noise import GaussianDropout, GaussianNoise
from tinynet.layers.normalization import BatchNormalization, LayerNormalization
from tinynet.layers.own_function import Lambda
from tinynet.layers.pooling import (
    AveragePool2D,
    AveragePooling2D,
    AvgPool2D,
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    GlobalMaxPooling2D,
    MaxPool2D,
    MaxPooling2D,
)
from tinynet.layers.rectifiers import ELU, SELU, HardSigmoid, LeakyReLU, PReLU, ReLU6
from tinynet.layers.rescaling import Rescaling
from tinynet.layers.residual import Residual
from tinynet.layers.resizing import UpSampling2D, ZeroPadding2D
from tinynet.layers.smooth import Sigmoid, SiLU, Softplus, Softsign, Tanh

__all__ = ["ELU", "GELU", "SELU", "Activation", "ActivityRegularization", "AlphaDropout", "AveragePool2D",
           "AveragePooling2D", "AvgPool2D", "BatchNormalization", "Conv2D", "Conv2DTranspose", "Convolution2D",
           "Convolution2DTranspose", "Dense", "DepthwiseConv2D", "Dropout", "Flatten", "GaussianDropout",
           "GaussianNoise", "GlobalAveragePooling2D", "GlobalAvgPool2D", "GlobalMaxPool2D", "GlobalMaxPooling2D",
           "HardSigmoid", "Input", "InputLayer", "Lambda", "Layer", "LayerNormalization", "LeakyReLU", "MaxPool2D",
           "MaxPooling2D", "PReLU", "RandomAffine", "RandomContrast", "RandomCrop", "RandomElasticTransform",
           "RandomFlip", "RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom", "ReLU", "ReLU6",
           "Rescaling", "Reshape", "Residual", "SeparableConv2D", "SeparableConvolution2D", "SiLU", "Sigmoid",
           "Softmax", "Softplus", "Softsign", "SpatialDropout2D", "Tanh", "UpSampling2D", "ZeroPadding2D"]
