"""Looking inside a model: every number, forward and backward, as arrays, as text and as pictures.

All of it works on any `Sequential`, and on layers of a reader's own. Nothing here changes a model's parameters; the
functions named ``..._gradient`` but `input_gradient` leave their loss's gradients in ``grads``, to compare with.
matplotlib is loaded when the first picture is drawn.
"""

from tinynet.study.activations import activations, input_gradient, plot_activations, plot_feature_maps
from tinynet.study.attribution_figure import plot_attributions
from tinynet.study.attributions import IntegratedGradients, gradient_x_input, integrated_gradients, saliency, smoothgrad
from tinynet.study.calibration import Calibration, calibration
from tinynet.study.compare import KernelComparison, compare_kernels
from tinynet.study.confusion import Confusion, confusion
from tinynet.study.conv_gradient import conv_gradient
from tinynet.study.conv_step import ConvStep, conv_step
from tinynet.study.costs import elementwise, im2col_size, multiply_adds, reach
from tinynet.study.curves import plot_history
from tinynet.study.dense_step import DenseStep, dense_gradient, dense_step
from tinynet.study.exciting import ExcitingPatches, exciting_patches
from tinynet.study.fields import padding
from tinynet.study.grad_cam import grad_cam
from tinynet.study.health import Health, ParameterHealth, StepHealth, health, rectifies
from tinynet.study.health_recorder import HealthRecorder
from tinynet.study.histogram import Histogram
from tinynet.study.kernels_figure import plot_filters
from tinynet.study.maximise import Maximised, maximise
from tinynet.study.misclassified import Misclassified, misclassified
from tinynet.study.occlusion import occlusion
from tinynet.study.pca import PrincipalComponents, pca, plot_pca
from tinynet.study.pool_step import PoolStep, pool_gradient, pool_step, shares
from tinynet.study.profile import Profile, StepProfile, profile
from tinynet.study.softmax_step import SoftmaxStep, softmax_gradient, softmax_step
from tinynet.study.surface import LossSurface, filter_axes, loss_surface
from tinynet.study.terms import GradientTerms
from tinynet.study.trace import Trace

__all__ = [
    "Calibration",
    "Confusion",
    "ConvStep",
    "DenseStep",
    "ExcitingPatches",
    "GradientTerms",
    "Health",
    "HealthRecorder",
    "Histogram",
    "IntegratedGradients",
    "KernelComparison",
    "LossSurface",
    "Maximised",
    "Misclassified",
    "ParameterHealth",
    "PoolStep",
    "PrincipalComponents",
    "Profile",
    "SoftmaxStep",
    "StepHealth",
    "StepProfile",
    "Trace",
    "activations",
    "calibration",
    "compare_kernels",
    "confusion",
    "conv_gradient",
    "conv_step",
    "dense_gradient",
    "dense_step",
    "elementwise",
    "exciting_patches",
    "filter_axes",
    "grad_cam",
    "gradient_x_input",
    "health",
    "im2col_size",
    "input_gradient",
    "integrated_gradients",
    "loss_surface",
    "maximise",
    "misclassified",
    "multiply_adds",
    "occlusion",
    "padding",
    "pca",
    "plot_activations",
    "plot_attributions",
    "plot_feature_maps",
    "plot_filters",
    "plot_history",
    "plot_pca",
    "pool_gradient",
    "pool_step",
    "profile",
    "reach",
    "rectifies",
    "saliency",
    "shares",
    "smoothgrad",
    "softmax_gradient",
    "softmax_step",
]
