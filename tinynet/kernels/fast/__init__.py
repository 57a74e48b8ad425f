"""The engine: the idea of im2col, compiled by numba, in chunks that fit the cache, on all cores.

Besides the functions that every kernel set has, there are some that do the work of several steps in one pass;
`tinynet.steps` uses them. From the inside out:

    llvm             in LLVM instructions: the inner loop of all products, a tile of sums in registers, max pooling,
                     depthwise convolution, Winograd's transforms, and in chunks and waiting how threads share
                     compiled loops
    tiles            how products are cut into tiles: loops around one, as numbers
    layout           images channels last, kernels in panels: what tiles multiply
    convolutions     conv: the three of them, window by window; conv_loops says how far their loops move on
                     conv_relu_pool: convolution, ReLU and max pooling in one pass
                     winograd: of 3 x 3 windows in four ninths of the multiplications, by squares of outputs
                     conv2d: which of these are done which way
                     depthwise: no product, so lists of what each pixel sees
    products         matrix products: by tiles, by BLAS (`blas` calls it), or by tiles past zeros, which is `sparse`
    loops            convolutions' over samples, and what is no product: pooling, elementwise, channels, rows, warping,
                     mixing; and formulas, what layers write as `kernels.elementwise`, each in one pass, of which
                     elementary is the exponential
    threads          one loop on all cores; workers are those that wait for one
    compiling        what numba is told
    cache            where compiled kernels are kept, and when they are out of date
"""

from tinynet.kernels.fast.convolutions.conv2d import (
    conv2d,
    conv2d_input_gradient,
    conv2d_kernel_gradient,
    convolution,
    pooled_convolution,
)
from tinynet.kernels.fast.convolutions.conv_relu_pool import MAX_POOL_PIXELS
from tinynet.kernels.fast.convolutions.depthwise import (
    Depthwise,
    depthwise_conv2d,
    depthwise_conv2d_input_gradient,
    depthwise_conv2d_kernel_gradient,
)
from tinynet.kernels.fast.layout import column_sums, common_dtype, images, lies_channels_last
from tinynet.kernels.fast.loops.channels import channel_affine, channel_sums
from tinynet.kernels.fast.loops.elementwise import adam, dense, dense_relu, dropout, relu_gradient, scale_channels
from tinynet.kernels.fast.loops.formulas import elementwise, elementwise_sum
from tinynet.kernels.fast.loops.mixing import mix_neighbours, mix_neighbours_gradient
from tinynet.kernels.fast.loops.pooling import (
    global_max_pool2d,
    global_max_pool2d_gradient,
    max_pool2d,
    max_pool2d_gradient,
    sum_pool2d,
    sum_pool2d_gradient,
)
from tinynet.kernels.fast.loops.pooling_last import (
    average_pool2d_last,
    average_pool2d_last_gradient,
    global_max_pool2d_last,
    global_max_pool2d_last_gradient,
    max_pool2d_last,
    max_pool2d_last_gradient,
)
from tinynet.kernels.fast.loops.rows import (
    cross_entropy,
    normalize_rows,
    normalize_rows_gradient,
    softmax,
    softmax_gradient,
)
from tinynet.kernels.fast.loops.warping import bilinear, bilinear_gradient
from tinynet.kernels.fast.products import matmul
from tinynet.kernels.fast.threads import in_stream, parallel_for, samples_per_chunk

fuses = True                   # has functions for several steps at once

__all__ = [
    "MAX_POOL_PIXELS",
    "Depthwise",
    "adam",
    "average_pool2d_last",
    "average_pool2d_last_gradient",
    "bilinear",
    "bilinear_gradient",
    "channel_affine",
    "channel_sums",
    "column_sums",
    "common_dtype",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_kernel_gradient",
    "convolution",
    "cross_entropy",
    "dense",
    "dense_relu",
    "depthwise_conv2d",
    "depthwise_conv2d_input_gradient",
    "depthwise_conv2d_kernel_gradient",
    "dropout",
    "elementwise",
    "elementwise_sum",
    "fuses",
    "global_max_pool2d",
    "global_max_pool2d_gradient",
    "global_max_pool2d_last",
    "global_max_pool2d_last_gradient",
    "images",
    "in_stream",
    "lies_channels_last",
    "matmul",
    "max_pool2d",
    "max_pool2d_gradient",
    "max_pool2d_last",
    "max_pool2d_last_gradient",
    "mix_neighbours",
    "mix_neighbours_gradient",
    "normalize_rows",
    "normalize_rows_gradient",
    "parallel_for",
    "pooled_convolution",
    "relu_gradient",
    "samples_per_chunk",
    "scale_channels",
    "softmax",
    "softmax_gradient",
    "sum_pool2d",
    "sum_pool2d_gradient",
]
