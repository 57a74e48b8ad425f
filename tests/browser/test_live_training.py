"""The model is trained from the page, and one looks back through the run."""

import numpy as np
import pytest
from explored_models import compiled

from tinynet import Sequential
from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D


@pytest.fixture
def shown(show):
    model = Sequential([Conv2D(4, 5, activation="relu", input_shape=(1, 28, 28)), MaxPool2D(), Flatten(),
                        Dense(16, activation="relu"), Dense(10, activation="softmax")], seed=3)
    return show(compiled(model, "sparse_categorical_crossentropy"), at="#sample=0&view=train")


def kernel(shown):
    return shown.explorer.model.params["conv2d_1/kernel"].copy()


def steps(shown):
    return int(shown.page.locator(".status").text_content().split("step ")[-1].split()[0])


def test_one_step_changes_the_weights_and_shows_its_loss(shown):
    before = kernel(shown)
    shown.button("One step", exact=True).click()
    shown.settle()
    assert (kernel(shown) != before).any()
    numbers = shown.numbers("#view-train")
    assert 1.5 < numbers["training-loss"] < 4
    assert 0 <= numbers["dead:conv2d_1/relu"] <= 1
    assert numbers["ratio:conv2d_1/kernel"] > 0


def test_a_training_runs_until_it_is_paused_and_the_slider_goes_back_through_it(shown):
    maps = shown.picture(1, 0)
    shown.button("Start", exact=True).click()
    shown.wait_for("(document.querySelector('[data-number=test-accuracy]').dataset.value || 0) > 0.6"
                   " && document.querySelector('#snapshot').max > 3")
    shown.wait_until(lambda: (shown.picture(1, 0) != maps).any(), "the digit's maps are others while it trains")
    shown.button("Pause", exact=True).click()
    shown.settle()
    now, trained = steps(shown), kernel(shown)
    shown.page.wait_for_timeout(600)
    assert steps(shown) == now
    np.testing.assert_array_equal(kernel(shown), trained)
    points = shown.page.locator(".curve").first.get_attribute("points").split()
    assert len(points) > 5
    slider = shown.page.locator("#snapshot")
    slider.fill("0")
    shown.settle()
    name, step = shown.page.locator(".snapshots .number").text_content().split()
    assert (name, int(step) < now) == ("step", True)
    assert (kernel(shown) != trained).any()
    slider.fill(slider.get_attribute("max"))
    shown.settle()
    np.testing.assert_array_equal(kernel(shown), trained)


def test_rate_and_batch_size_are_those_of_the_page(shown):
    shown.page.get_by_label("learning rate").fill("0")
    shown.page.get_by_label("batch").fill("50")
    before = kernel(shown)
    shown.button("One step", exact=True).click()
    shown.settle()
    np.testing.assert_array_equal(kernel(shown), before)


def test_a_failure_starts_with_one_click_and_says_how_one_tells(shown):
    shown.tab("Failures")
    failures = shown.page.locator(".failure")
    assert failures.count() == 5
    assert all("How one tells" in text for text in failures.all_text_contents())
    zero = failures.filter(has_text="zero").first
    zero.get_by_role("button").click()
    shown.wait_for("document.querySelector('.status').textContent.includes('step')")
    shown.button("Pause", exact=True).click()
    shown.settle()
    assert not shown.explorer.model.params["conv2d_1/kernel"].any()
    assert shown.numbers("#view-train")["training-loss"] == pytest.approx(np.log(10), abs=0.05)


def test_a_model_that_cannot_be_trained_says_why(show):
    shown = show(Sequential([Dense(3, input_shape=(5,))]), at="#view=train")
    assert len(shown.page.locator("#view-train .note").text_content()) > 20
    assert shown.page.locator("#view-train button").count() == 0
