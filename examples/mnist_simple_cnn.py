# %% [markdown]
# # A simple convolutional network
#
# Instead of a weight for every pixel, 32 small kernels slide over the image. A stroke is found wherever it is, by
# the same 25 weights.

# %%
import time

from _common import arguments, curves, digits, save

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tinynet.utils import set_random_seed, to_categorical

args = arguments("Train a simple convolutional network on MNIST.", epochs=4)
set_random_seed(args.seed)

# %% [markdown]
# ## The data
# Images stay images now, with an axis for their channels: (N, 1, 28, 28), channels first. Grey has one channel.

# %%
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:args.limit], y_train[:args.limit]
save(digits(x_train, y_train, 2, 2, cmap="gray"), args.figures, "mnist_simple_cnn_digits.png")

x_train = x_train.reshape(-1, 1, 28, 28).astype("float32") / 255
x_test = x_test.reshape(-1, 1, 28, 28).astype("float32") / 255
y_train, y_test = to_categorical(y_train, 10), to_categorical(y_test, 10)

# %% [markdown]
# ## The model
# The convolution makes 32 maps of 24 x 24, each showing where one kind of stroke is. Pooling keeps the strongest
# of every 2 x 2, so that a shift of a pixel hardly matters. Dropout silences a fifth of the units, others at every
# step, so that none can be relied on alone. Two dense layers decide from what is left.

# %%
model = Sequential()
model.add(Conv2D(32, (5, 5), input_shape=(1, 28, 28), activation="relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.2))
model.add(Flatten())
model.add(Dense(128, activation="relu"))
model.add(Dense(10, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.summary()

# %%
start = time.perf_counter()
history = model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=args.epochs,
                    batch_size=args.batch_size)
seconds = time.perf_counter() - start

# %% [markdown]
# ## The result
# Fewer errors than the perceptron's after four epochs instead of ten. In the first epochs the training error lies
# above the test error: training is measured with dropout on, and while the weights are still getting better.

# %%
save(curves(history.history, "Simple CNN"), args.figures, "mnist_simple_cnn_curves.png")
scores = model.evaluate(x_test, y_test, verbose=0)
print(f"CNN Error: {100 - scores[1] * 100:.2f}%")
