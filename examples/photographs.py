# %% [markdown]
# # Photographs
#
# A small residual network with batch normalisation, for images in colour: CIFAR-10, Fashion-MNIST, or a folder of your
# own with a sub-folder for each class. Nothing is downloaded; `tinynet.datasets` says where the files are published.
#
#     python examples/photographs.py --cifar10 FOLDER
#     python examples/photographs.py --fashion-mnist /usr/share/datasets/fashion-mnist
#     python examples/photographs.py --folder FOLDER
#
# Why it is built so is said in three chapters of the book: batch normalisation, residual connections, colour images.

# %%
import sys

import matplotlib.pyplot as plt
from _common import curves, options, read, save

from tinynet import Sequential
from tinynet.datasets import cifar10, fashion_mnist, image_folder
from tinynet.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAvgPool2D,
    MaxPool2D,
    RandomFlip,
    RandomTranslation,
    ReLU,
    Residual,
)
from tinynet.optimizers import AdamW
from tinynet.optimizers.schedules import OneCycle
from tinynet.utils import set_random_seed, train_test_split

parser = options("Train a small residual network on photographs.", epochs=20)
source = parser.add_mutually_exclusive_group(required=True)
source.add_argument("--cifar10", metavar="FOLDER", help="with the files of CIFAR-10, in either of their forms")
source.add_argument("--fashion-mnist", metavar="FOLDER", help="with the four files of Fashion-MNIST")
source.add_argument("--folder", metavar="FOLDER", help="of your own, with a sub-folder of images for each class")
args = read(parser, in_notebook=["--folder", "photographs"])       # the name of your folder
set_random_seed(args.seed)

# %% [markdown]
# ## The data
# Images are (N, C, H, W), from 0 to 1; classes are numbers. Of a folder of one's own a fifth is kept for testing, with
# each class's share.

# %%
try:
    if args.folder:
        x, y, names = image_folder.load_data(args.folder, image_size=(32, 32))
        x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, stratify=y)
    else:
        data = cifar10 if args.cifar10 else fashion_mnist
        (x_train, y_train), (x_test, y_test) = data.load_data(args.cifar10 or args.fashion_mnist)
        names = data.CLASS_NAMES
except (OSError, ValueError) as error:
    sys.exit(f"{error}")
if x_train.ndim == 3:                                       # grey: one channel
    x_train, x_test = x_train[:, None], x_test[:, None]
x_train, y_train = x_train[:args.limit].astype("float32") / 255, y_train[:args.limit]
x_test = x_test.astype("float32") / 255
print(f"training images {x_train.shape}, test images {x_test.shape}, {len(names)} classes")

figure, axes = plt.subplots(2, 5, figsize=(9, 4), layout="constrained")
for axis, image, label in zip(axes.flat, x_train, y_train, strict=False):
    axis.imshow(image.transpose(1, 2, 0), cmap="gray")      # (C, H, W) -> (H, W, C)
    axis.set_title(names[label], fontsize=9)
    axis.set(xticks=[], yticks=[])
save(figure, args.figures, "photographs_images.png")

# %% [markdown]
# ## The model
# Mirrored and moved in training, so that no image is seen twice the same way. Then three stages, each of half the size
# and twice the channels of the one before: a convolution, and behind it a residual block, whose last normalisation
# begins at 0, so that the block begins as the identity. What comes before a normalisation needs no bias. The running
# means follow in ten steps or so (momentum 0.9), as a small folder does not make many.

# %%
def conv(filters, **kwargs):
    return Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal", **kwargs)


def block(filters):
    return Residual([conv(filters), BatchNormalization(momentum=0.9), ReLU(),
                     conv(filters), BatchNormalization(momentum=0.9, gamma_initializer="zeros")])


model = Sequential([
    RandomFlip("horizontal"), RandomTranslation(0.1, 0.1),
    conv(32), BatchNormalization(momentum=0.9), ReLU(), MaxPool2D(), block(32),
    conv(64, strides=2), BatchNormalization(momentum=0.9), ReLU(), block(64),
    conv(128, strides=2), BatchNormalization(momentum=0.9), ReLU(), block(128),
    GlobalAvgPool2D(), Dense(len(names), activation="softmax"),
], input_shape=x_train.shape[1:])
batch_size = min(args.batch_size, 100, 1 + len(x_train) // 10)      # of a small folder, too, some steps an epoch
steps = args.epochs * -(-len(x_train) // batch_size)        # -(-n // m) is n / m, rounded up
model.compile(AdamW(OneCycle(0.006, steps), weight_decay=0.02), "sparse_categorical_crossentropy", ["accuracy"])
model.summary()

# %%
history = model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=args.epochs, batch_size=batch_size)

# %% [markdown]
# ## The result
# The test images are looked at after each epoch, to draw the curves, and nothing is chosen by them.

# %%
save(curves(history.history, "Photographs"), args.figures, "photographs_curves.png")
print(f"test error: {100 * (1 - history.history['val_accuracy'][-1]):.2f} %")
