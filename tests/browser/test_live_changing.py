"""The model is changed from the page, and put back."""

import numpy as np
import pytest
from explored_models import compiled, larger_cnn

from tinynet.datasets import mnist
from tinynet.study import Trace
from tinynet.testing.cloning import clone

AT = "#sample=2&view=weights&weight=conv2d_1:kernel:3.0.2.1"


@pytest.fixture
def shown(show):
    shown = show(compiled(larger_cnn(), "sparse_categorical_crossentropy"), at=AT)
    shown.settle()
    return shown


def kernel(shown):
    return shown.explorer.model.params["conv2d_1/kernel"]


def expect_the_models_numbers(shown):
    x = shown.pixels().reshape(1, 1, 28, 28)
    numbers, p = shown.numbers(), Trace(shown.explorer.model, x).outputs[-1][0]
    assert [numbers[f"probability:{i}"] for i in range(10)] == pytest.approx(p.tolist(), rel=1e-6)
    images, labels = mnist.load_data()[1]
    right = shown.explorer.model.predict(images[:1000, None].astype(np.float32) / 255, verbose=0).argmax(axis=1)
    assert numbers["accuracy"] == (right == labels[:1000]).sum()


def set_value(shown, value):
    shown.page.get_by_label("value of this weight").fill(str(value))
    shown.page.keyboard.press("Enter")
    shown.settle()


def test_a_weight_is_edited_and_undone(shown):
    before = kernel(shown).copy()
    assert shown.numbers("#view-weights")["weight"] == pytest.approx(before[3, 0, 2, 1])
    set_value(shown, 2.5)
    assert kernel(shown)[3, 0, 2, 1] == 2.5
    assert np.count_nonzero(kernel(shown) != before) == 1
    expect_the_models_numbers(shown)
    assert shown.page.locator(".changes li").count() == 1
    shown.page.locator(".change").get_by_role("button", name="Undo").click()
    shown.settle()
    np.testing.assert_array_equal(kernel(shown), before)
    expect_the_models_numbers(shown)
    assert shown.page.locator(".changes li").count() == 0


def test_a_filter_is_switched_off_and_its_map_is_blank(shown):
    shown.page.get_by_label("filter 3 on").uncheck()
    shown.settle()
    trace = Trace(shown.explorer.model, shown.pixels().reshape(1, 1, 28, 28))
    assert not trace.outputs[0][0, 3].any()
    assert trace.outputs[0][0, 4].any()
    assert len(np.unique(shown.picture(1, 3).reshape(-1, 4), axis=0)) == 1
    expect_the_models_numbers(shown)
    shown.page.get_by_label("filter 3 on").check()
    shown.settle()
    assert Trace(shown.explorer.model, shown.pixels().reshape(1, 1, 28, 28)).outputs[0][0, 3].any()


def test_an_activation_is_replaced_and_its_row_has_another_name(shown):
    shown.page.get_by_label("activation").select_option("tanh")
    shown.settle()
    assert shown.page.locator('[data-row="2"] h3').text_content() == "conv2d_1/tanh"
    trace = Trace(shown.explorer.model, shown.pixels().reshape(1, 1, 28, 28))
    np.testing.assert_allclose(trace.outputs[1], np.tanh(trace.outputs[0]), rtol=1e-5, atol=1e-7)
    expect_the_models_numbers(shown)
    assert shown.numbers()["scale:conv2d_1/tanh"] == pytest.approx(np.abs(trace.outputs[1]).max(), rel=1e-6)
    shown.button("Put all back").click()
    shown.settle()
    assert shown.page.locator('[data-row="2"] h3').text_content() == "conv2d_1/relu"


def test_the_address_keeps_the_changes(shown):
    set_value(shown, -1.5)
    shown.wait_for("location.hash.includes('changes=')")
    shown.page.reload()
    shown.ready()
    shown.settle()
    assert kernel(shown)[3, 0, 2, 1] == -1.5
    assert shown.page.locator(".changes li").count() == 1
    expect_the_models_numbers(shown)


def test_the_next_step_of_adam_is_the_one_that_training_makes(shown):
    shown.button("Next step of Adam").click()
    shown.settle()
    numbers = shown.numbers("#view-weights")
    model = clone(shown.explorer.model)
    before = model.params["conv2d_1/kernel"][3, 0, 2, 1].item()
    images, labels = mnist.load_data()[1]
    for layer in model.layers:
        if type(layer).__name__ == "Dropout":
            layer.rate = 0.0
    model.train_on_batch(images[2:3, None].astype(np.float32) / 255, labels[2:3])
    after = model.params["conv2d_1/kernel"][3, 0, 2, 1].item()
    assert after != before
    assert numbers["next:now"] == pytest.approx(before, rel=1e-6)
    assert numbers["next:after the step"] == pytest.approx(after, rel=1e-5)


def test_a_weight_is_chosen_with_the_keyboard_and_leads_to_its_gradient(shown):
    shown.page.locator('[aria-label="weights"] .map').first.focus()
    shown.page.keyboard.press("ArrowRight")
    shown.settle()
    assert shown.page.locator(".weight code").text_content() == "conv2d_1.kernel[3, 0, 2, 2]"
    shown.button("Terms of its gradient").click()
    assert "kernel[3, 0, 2, 2]" in shown.explained()
