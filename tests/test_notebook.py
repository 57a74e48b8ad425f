"""Scripts written for Keras run here with only their import lines changed: the three models, in its style."""

import numpy
import pytest

from tinynet import backend as K  # noqa: N812
from tinynet import utils as np_utils
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tinynet.models import Sequential


@pytest.fixture
def data():
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    return (x_train[:400], y_train[:400]), (x_test[:100], y_test[:100])


def images(data):
    K.set_image_dim_ordering('th')
    numpy.random.seed(7)
    (x_train, y_train), (x_test, y_test) = data
    x_train = x_train.reshape(x_train.shape[0], 1, 28, 28).astype('float32') / 255
    x_test = x_test.reshape(x_test.shape[0], 1, 28, 28).astype('float32') / 255
    return x_train, np_utils.to_categorical(y_train), x_test, np_utils.to_categorical(y_test)


def compiled(model):
    model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
    return model


def test_baseline_mlp(data, capsys):
    (x_train, y_train), (x_test, y_test) = data
    num_pixels = x_train.shape[1] * x_train.shape[2]
    x_train = x_train.reshape(x_train.shape[0], num_pixels).astype('float32') / 255
    x_test = x_test.reshape(x_test.shape[0], num_pixels).astype('float32') / 255
    y_train, y_test = np_utils.to_categorical(y_train), np_utils.to_categorical(y_test)
    num_classes = y_test.shape[1]
    model = Sequential()
    model.add(Dense(num_pixels, input_dim=num_pixels, kernel_initializer='normal', activation='relu'))
    model.add(Dense(num_classes, kernel_initializer='normal', activation='softmax'))
    compiled(model)
    model.summary()
    model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=2, batch_size=200, verbose=2)
    scores = model.evaluate(x_test, y_test, verbose=0)
    print("Baseline Error: %.2f%%" % (100 - scores[1] * 100))
    printed = capsys.readouterr().out
    assert "Total params: 623,290" in printed
    assert "Epoch 2/2 - " in printed
    assert printed.count("val_accuracy: ") == 2
    assert 0 < 100 - scores[1] * 100 < 60, "two epochs on 400 images do better than chance"


def test_simple_cnn(data, capsys):
    x_train, y_train, x_test, y_test = images(data)
    model = Sequential()
    model.add(Conv2D(32, (5, 5), input_shape=(1, 28, 28), activation='relu'))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.2))
    model.add(Flatten())
    model.add(Dense(128, activation='relu'))
    model.add(Dense(y_test.shape[1], activation='softmax'))
    compiled(model)
    model.summary()
    history = model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=2, batch_size=200)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    printed = capsys.readouterr().out
    for line in ("(None, 32, 24, 24) 832", "(None, 32, 12, 12) 0", "(None, 4608)", "589952", "1290",
                 "Total params: 592,074", "Trainable params: 592,074", "Non-trainable params: 0"):
        assert line in " ".join(printed.split()), line


def test_larger_cnn(data):
    x_train, y_train, x_test, y_test = images(data)
    model = Sequential()
    model.add(Conv2D(30, (5, 5), input_shape=(1, 28, 28), activation='relu'))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Conv2D(15, (3, 3), activation='relu'))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.2))
    model.add(Flatten())
    model.add(Dense(128, activation='relu'))
    model.add(Dense(50, activation='relu'))
    model.add(Dense(y_test.shape[1], activation='softmax'))
    compiled(model)
    assert model.count_params() == 59_933
    losses = model.fit(x_train, y_train, epochs=3, batch_size=50, verbose=0).history["loss"]
    assert losses[-1] < losses[0] * 0.9
    assert len(model.evaluate(x_test, y_test, verbose=0)) == 2
