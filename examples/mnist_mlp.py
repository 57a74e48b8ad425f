# %% [markdown]
# # A baseline: the multilayer perceptron
#
# Every pixel is a number, every image a row of 784 of them, and two dense layers turn a row into ten
# probabilities. Nothing here knows that neighbouring pixels belong together; the convolutional networks of the
# next two lessons do.

# %%
import time

from _common import arguments, curves, digits, save

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Dense
from tinynet.utils import set_random_seed, to_categorical

args = arguments("Train a multilayer perceptron on MNIST.", epochs=10)
set_random_seed(args.seed)

# %% [markdown]
# ## The data
# 60,000 handwritten digits to learn from and 10,000 to be judged by, 28 x 28 pixels from 0 to 255, with labels.

# %%
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:args.limit], y_train[:args.limit]
print(f"training images {x_train.shape}, test images {x_test.shape}")

save(digits(x_train[1:], y_train[1:], 3, 3, cmap="viridis"), args.figures, "mnist_mlp_digits.png")

# %% [markdown]
# Images become rows, pixels numbers in [0, 1], and labels one-hot rows: the 3 becomes 0 0 0 1 0 0 0 0 0 0.

# %%
num_pixels = x_train.shape[1] * x_train.shape[2]
x_train = x_train.reshape(len(x_train), num_pixels).astype("float32") / 255
x_test = x_test.reshape(len(x_test), num_pixels).astype("float32") / 255
y_train, y_test = to_categorical(y_train, 10), to_categorical(y_test, 10)

# %% [markdown]
# ## The model
# A hidden layer of as many units as there are pixels, and an output for each class. The softmax makes the outputs
# probabilities, the cross-entropy is the surprise at the right one, and Adam lowers it.

# %%
model = Sequential()
model.add(Dense(num_pixels, input_dim=num_pixels, kernel_initializer="normal", activation="relu"))
model.add(Dense(10, kernel_initializer="normal", activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.summary()

# %%
start = time.perf_counter()
history = model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=args.epochs,
                    batch_size=args.batch_size, verbose=2)
seconds = time.perf_counter() - start

# %% [markdown]
# ## The result
# Watch the two curves part: training error goes on falling while the test error stands still. The model has begun
# to memorise its training images.

# %%
save(curves(history.history, "Multilayer perceptron"), args.figures, "mnist_mlp_curves.png")
scores = model.evaluate(x_test, y_test, verbose=0)
print(f"Baseline Error: {100 - scores[1] * 100:.2f}%")
