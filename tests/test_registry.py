"""Names, classes and configs become objects; a wrong name is told the nearest right one."""

import numpy as np
import pytest

from tinynet.registry import Configured, pick, resolve, to_config


class Circle(Configured):
    def __init__(self, radius=1.0):
        self.radius = radius
        self._area = 3.14 * radius ** 2


KNOWN = {"circle": Circle}


def test_pick_returns_what_the_name_stands_for():
    assert pick("shape", "circle", KNOWN) is Circle


def test_pick_names_the_nearest_known_one_and_all_of_them():
    with pytest.raises(ValueError, match=r"^Unknown shape 'cirle'\. Did you mean 'circle'\? Known: 'circle', 'b'\.$"):
        pick("shape", "cirle", KNOWN | {"b": int})


def test_pick_does_not_guess_where_nothing_is_near():
    with pytest.raises(ValueError, match=r"^Unknown shape 'xyz'\. Known: 'circle'\.$"):
        pick("shape", "xyz", KNOWN)


@pytest.mark.parametrize("identifier", ["circle", Circle, {"class": "Circle", "config": {"radius": 1.0}},
                                        {"class": "Circle"}], ids=str)
def test_resolve_makes_a_new_object(identifier):
    one, two = resolve("shape", identifier, KNOWN), resolve("shape", identifier, KNOWN)
    assert one == two == Circle()
    assert one is not two


def test_resolve_hands_objects_on():
    circle = Circle(2)
    assert resolve("shape", circle, KNOWN) is circle
    assert resolve("shape", None, KNOWN) is None


@pytest.mark.parametrize("identifier", ["square", {"class": "Square", "config": {}}, {}, {"config": {}}], ids=str)
def test_resolve_refuses_what_it_does_not_know(identifier):
    with pytest.raises(ValueError, match=r"Unknown shape|config of one shape"):
        resolve("shape", identifier, KNOWN)


def test_config_holds_the_public_attributes_and_equality_goes_by_it():
    assert to_config(Circle(2)) == {"class": "Circle", "config": {"radius": 2}}
    assert to_config(None) is None
    assert Circle(2) == Circle(2) != Circle(3)
    assert hash(Circle(2)) == hash(Circle(2))
    assert repr(Circle(2)) == "Circle(radius=2)"


def test_things_without_a_config_are_refused():
    with pytest.raises(TypeError, match=r"has no get_config\(\), so a config cannot hold it"):
        to_config(np.tanh)
