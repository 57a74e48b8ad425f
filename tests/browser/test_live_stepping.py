"""Through the network in order, forward and backward; and all of it with the keyboard."""

import pytest
from explored_models import compiled, larger_cnn

START = "#sample=1&at=conv2d_1:0.0.22"


@pytest.fixture
def shown(show):
    return show(compiled(larger_cnn(), "sparse_categorical_crossentropy"), at=START)


def step(shown, unit=None, button="One step on"):
    if unit:
        shown.button(unit, exact=True).click()
    shown.button(button).click()
    return shown.explained()


def test_a_step_is_a_pixel_a_map_or_a_layer(shown):
    assert shown.explained().startswith("conv2d_1[0, 0, 22]")
    assert step(shown).startswith("conv2d_1[0, 0, 23]")
    assert step(shown).startswith("conv2d_1[0, 1, 0]")
    assert step(shown, "map").startswith("conv2d_1[1, 0, 0]")
    assert step(shown, "layer").startswith("conv2d_1/relu[0, 0, 0]")
    assert step(shown, "pixel", "One step back").startswith("conv2d_1[29, 23, 23]")


def test_stepping_goes_backward_from_the_logits_to_the_input(shown):
    shown.button("Backward").click()
    shown.button("layer", exact=True).click()
    seen = []
    shown.point(len(shown.explorer.model.steps()) - 1)             # the logits
    for _ in range(len(shown.explorer.model.steps()) - 1):
        seen.append(shown.page.locator("[data-row]:has(.chosen)").get_attribute("data-row"))
        step(shown)
    seen.append(shown.page.locator("[data-row]:has(.chosen)").get_attribute("data-row"))
    assert seen == [str(i) for i in range(len(seen) - 1, -1, -1)]


def test_playing_goes_on_by_itself_and_stops(shown):
    shown.button("Play").click()
    shown.wait_for("document.querySelector('#view-explain .of').textContent.startsWith('conv2d_1[0, 1,')")
    shown.button("Stop").click()
    shown.settle()
    title = shown.explained()
    shown.page.wait_for_timeout(700)
    assert shown.explained() == title


def test_the_address_of_a_place_leads_back_to_it(shown):
    shown.wait_for("location.hash.includes('at=')")
    step(shown, "layer")
    shown.wait_for("location.hash.includes('relu')")
    title = shown.explained()
    shown.page.reload()
    shown.ready()
    assert shown.explained() == title


def test_arrow_keys_move_the_place_and_the_maps_and_the_rows(shown):
    keys = shown.page.keyboard
    shown.page.locator('[data-row="1"] .map[tabindex="0"]').focus()
    keys.press("ArrowLeft")
    assert shown.explained().startswith("conv2d_1[0, 0, 21]")
    keys.press("ArrowDown")
    assert shown.explained().startswith("conv2d_1[0, 1, 21]")
    keys.press("Shift+ArrowRight")
    assert shown.explained().startswith("conv2d_1[1, 0, 0]")
    keys.press("PageDown")
    assert shown.explained().startswith("conv2d_1/relu[0, 0, 0]")
    assert "arrow keys" in shown.page.evaluate("document.activeElement.getAttribute('aria-label')")


def test_everything_is_reached_with_the_tab_key_and_has_a_name(shown):
    shown.page.evaluate("document.activeElement.blur()")
    seen = []
    for _ in range(90):
        shown.page.keyboard.press("Tab")
        found = shown.page.evaluate("""() => {
            const e = document.activeElement, label = e.labels?.[0]?.textContent;
            const outline = getComputedStyle(e).outlineStyle;
            const name = e.getAttribute("aria-label") || label || e.textContent.trim() || e.title;
            return [e === document.body, name, outline];
        }""")
        if found[0]:
            break
        seen.append(found)
    names = [name for _, name, _ in seen]
    assert all(names)
    assert all(outline != "none" for _, _, outline in seen)
    for name in ("Clear", "Backward", "One step on", "Play", "Explain", "weights of conv2d_1"):
        assert name in names
    assert any("conv2d_2, map" in name for name in names)
    assert shown.explained().startswith("conv2d_1[0, 0, 22]")       # to pass by is not to choose


def test_a_screen_reader_is_told_of_a_new_number_once(shown):
    for _ in range(3):
        step(shown)
    shown.page.wait_for_timeout(700)
    spoken = shown.page.locator("#spoken").text_content()
    assert spoken.startswith("conv2d_1[0, 1, 1] is ")
