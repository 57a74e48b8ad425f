# %% [markdown]
# # As few errors as a few minutes allow
#
# What a network learns in a given time depends on its recipe more than on its size. Here is one for a few minutes:
# convolutions with batch normalisation, no image seen twice, a rate that warms up and falls to nothing, labels that are
# not quite certain, the mean of the weights of many steps, in the end the images as they are, and more than one look at
# each. The chapter "Few errors in little time" says why, and what each part is worth.

# %%
import time

import numpy as np
from _common import options, read, result

from tinynet import Sequential
from tinynet.datasets import fashion_mnist, mnist
from tinynet.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    Layer,
    MaxPooling2D,
    RandomAffine,
    RandomFlip,
    RandomTranslation,
)
from tinynet.losses import CategoricalCrossentropy
from tinynet.optimizers import AdamW
from tinynet.schedules import OneCycle
from tinynet.utils import set_random_seed, to_categorical, train_test_split

parser = options("Train a convolutional network on MNIST, to few errors.", epochs=14)
parser.set_defaults(seed=0, batch_size=120)
parser.add_argument("--validate", action="store_true", help="test on 10,000 training images, as one does to choose")
parser.add_argument("--fashion-mnist", metavar="FOLDER", help="with its four files: clothes in place of digits")
args = read(parser)

# %%
(x_train, y_train), (x_test, y_test) = (
    fashion_mnist.load_data(args.fashion_mnist) if args.fashion_mnist else mnist.load_data())
if args.validate:
    x_train, x_test, y_train, y_test = train_test_split(x_train, y_train, test_size=1 / 6, stratify=y_train, seed=1)
x_train = x_train[:args.limit].reshape(-1, 1, 28, 28).astype("float32") / 255
x_test = x_test.reshape(-1, 1, 28, 28).astype("float32") / 255
targets = to_categorical(y_train[:args.limit], 10)

# %% [markdown]
# ## What is changed in training
# A digit may be turned a little, stretched, slanted and moved, and stays what it is. A shoe may be mirrored.

# %%
def changes() -> list[Layer]:
    """Return layers that change each image a little."""
    if args.fashion_mnist:
        return [RandomFlip("horizontal"), RandomTranslation(1 / 28, 1 / 28, fill_mode="constant")]
    return [RandomAffine(rotation=15 / 360, height_zoom=(-0.1, 0.12), width_zoom=(-0.1, 0.12), x_shear=0.3,
                         height_shift=2 / 28, width_shift=2 / 28, fill_mode="constant")]


# %% [markdown]
# ## The model
# No convolution has a bias: batch normalisation would subtract it again, and adds its own, beta. Pooling comes before
# the normalisation, which then has a quarter of the numbers to go through. A mean over each of the last 128 maps takes
# the place of the dense layers, and of their parameters. Half of the layers are where images are small, 6 x 6 or less:
# there a layer costs least.


# %%
def block(*layers: Layer) -> list[Layer]:
    """Return layers, followed by batch normalisation and ReLU."""
    return [*layers, BatchNormalization(), Activation("relu")]


def network() -> Sequential:
    """Make the network, with new weights."""
    return Sequential([
        *changes(),
        *block(Conv2D(16, 5, use_bias=False), MaxPooling2D()),
        *block(Conv2D(32, 3, padding="same", use_bias=False)),
        *block(Conv2D(48, 3, padding="same", use_bias=False), MaxPooling2D()),
        *block(Conv2D(64, 3, padding="same", use_bias=False)),
        *block(Conv2D(96, 3, padding="same", use_bias=False)),
        *block(Conv2D(128, 3, use_bias=False)),
        GlobalAveragePooling2D(),
        Dense(10, activation="softmax"),
    ], input_shape=(1, 28, 28))


def train(model: Sequential, images: np.ndarray, targets: np.ndarray, epochs: int, rate: float, warm_up: float,
          use_ema: bool = False) -> None:
    """Train for some epochs; the rate rises for a share of all steps, and falls to nothing."""
    steps = max(2, epochs * -(-len(images) // args.batch_size))              # rounded up: the last batch may be short
    model.compile(loss=CategoricalCrossentropy(label_smoothing=0.05), metrics=["accuracy"],
                  optimizer=AdamW(OneCycle(rate, steps, warm_up, "linear"), weight_decay=0.02, beta_2=0.99,
                                  use_ema=use_ema, ema_momentum=0.998))
    model.fit(images, targets, epochs=epochs, batch_size=args.batch_size)


set_random_seed(args.seed)
model = network()
model.summary()
start = time.perf_counter()
train(model, x_train, targets, args.epochs, rate=0.006, warm_up=0.2, use_ema=True)

# %% [markdown]
# ## The last epoch: images as they are
# No test image is slanted and stretched, and all that batch normalisation has measured so far is of images that are. So
# there is one more epoch, without changes and with a small rate, for the same layers but the first.

# %%
model = Sequential(model.layers[len(changes()):], input_shape=(1, 28, 28))
train(model, x_train, targets, 1, rate=0.001, warm_up=0.01)
seconds = time.perf_counter() - start

# %%
def log_probabilities(images: np.ndarray) -> np.ndarray:
    """Return the logarithms of what the model makes of images, (N, 10)."""
    return np.log(model.predict(images, verbose=0))


def report(log_p: np.ndarray) -> str:
    """Say how many images are not what they are taken for."""
    return result(np.mean(log_p.argmax(axis=1) == y_test), len(x_test), seconds)


log_p = log_probabilities(x_test)
print(report(log_p))

# %% [markdown]
# ## Several looks at each image
# A seven that is moved by a pixel is the same seven, but the pooling windows cut it at other places. So the network is
# asked about the image as it is, and moved by a pixel to each side, and the mean of its log probabilities counts. What
# it sees in one view alone, it is talked out of by the others. This is called test-time augmentation. A shoe is seen in
# a mirror, too.

# %%
looks = [np.roll(x_test, move, axis=(2, 3)) for move in ((0, 1), (0, -1), (1, 0), (-1, 0))]
if args.fashion_mnist:
    looks.append(x_test[..., ::-1])
for look in looks:
    log_p += log_probabilities(look)
print(f"with {1 + len(looks)} looks,", report(log_p))
