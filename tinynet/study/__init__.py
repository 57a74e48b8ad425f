"""Looking inside a model: every number, forward and backward, as arrays, as text and as pictures.

All of it works on any `Sequential`, with your own layers too. Nothing here changes a model's parameters; the functions
named ``..._gradient``, except `input_gradient`, leave their loss's gradients in ``grads``, to compare with.
matplotlib is loaded when the first picture is drawn.
"""

from tinynet.study.arithmetic.conv_gradient import conv_gradient
from tinynet.study.arithmetic.conv_step import ConvStep, conv_step
from tinynet.study.arithmetic.dense_step import DenseStep, dense_gradient, dense_step
from tinynet.study.arithmetic.gradient_terms import GradientTerms
from tinynet.study.arithmetic.pool_step import PoolStep, pool_gradient, pool_step, shares
from tinynet.study.arithmetic.softmax_step import SoftmaxStep, softmax_gradient, softmax_step
from tinynet.study.attribution.attribution_figure import plot_attributions
from tinynet.study.attribution.attributions import (
    IntegratedGradients,
    gradient_x_input,
    integrated_gradients,
    saliency,
    smoothgrad,
)
from tinynet.study.attribution.grad_cam import grad_cam
from tinynet.study.attribution.occlusion import occlusion
from tinynet.study.cost.compare import KernelComparison, compare_kernels
from tinynet.study.cost.costs import elementwise, im2col_size, multiply_adds, reach
from tinynet.study.cost.profile import Profile, StepProfile, profile
from tinynet.study.diagram import plot_model
from tinynet.study.errors.calibration import Calibration, calibration
from tinynet.study.errors.confusion import Confusion, confusion
from tinynet.study.errors.misclassified import Misclassified, misclassified
from tinynet.study.features.activations import activations, input_gradient, plot_activations, plot_feature_maps
from tinynet.study.features.exciting import ExcitingPatches, exciting_patches
from tinynet.study.features.kernels_figure import plot_filters
from tinynet.study.features.maximise import Maximised, maximise
from tinynet.study.features.pca import PrincipalComponents, pca, plot_pca
from tinynet.study.health.curves import plot_history
from tinynet.study.health.health import Health, ParameterHealth, StepHealth, health, rectifies
from tinynet.study.health.health_recorder import HealthRecorder
from tinynet.study.health.histogram import Histogram
from tinynet.study.health.surface import LossSurface, filter_axes, loss_surface
from tinynet.study.pages import explore, export_page
from tinynet.study.receptive_fields import padding
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
    "explore",
    "export_page",
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
    "plot_model",
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
